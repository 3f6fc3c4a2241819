"""The explorer in JupyterLab: a slider moved by the keyboard changes the answer in words."""

import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api")

_START_S = 60.0  # until JupyterLab answers
_SHOWN_MS = 90_000  # until the first cell has run, with the compilation of the kernel
_CHANGED_MS = 10_000
_ATTEMPTS = 60


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """Address of a JupyterLab on this machine with a notebook that shows the explorer."""
    cell = nbformat.v4.new_code_cell("import taper_sim as ts\n\nts.explorer(40, days=56)")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "explore.ipynb")
    token = secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", f"--IdentityProvider.token={token}"]
    options += [
        f"--ServerApp.root_dir={tmp_path}",
        "--allow-root",
        "--LabApp.news_url=",
        "--LabApp.extension_manager=readonly",
    ]
    server = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "jupyterlab", *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + _START_S
        while True:
            try:
                with urllib.request.urlopen(f"{address}/api?token={token}", timeout=2):  # noqa: S310
                    break
            except OSError:
                assert server.poll() is None and time.monotonic() < until, "JupyterLab has not started"
                time.sleep(0.2)
        yield f"{address}/lab/tree/explore.ipynb?token={token}"
    finally:
        server.terminate()
        server.wait(timeout=20)


def test_the_slider_changes_the_answer_by_keyboard(lab: str) -> None:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        elsewhere: list[str] = []
        page.on(
            "request",
            lambda r: elsewhere.append(r.url) if not re.match(r"(https?|ws)://127|data:|blob:", r.url) else None,
        )
        page.goto(lab)
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=_SHOWN_MS)
        first = page.locator(".jp-Notebook .jp-CodeCell").first
        for _ in range(_ATTEMPTS):  # JupyterLab drops a cell that is run before the kernel is connected
            first.locator(".cm-content").click()
            page.keyboard.press("Shift+Enter")
            page.wait_for_timeout(1000)
            if first.locator(".jp-InputPrompt").inner_text() != "[ ]:":
                break
        answer = page.locator(".taper-explorer .answer")
        answer.wait_for(timeout=_SHOWN_MS)
        before = answer.inner_text()
        pace = page.get_by_label("Pace, % of the starting dose in 28 days")
        pace.focus()
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        page.wait_for_function(
            "document.querySelector('.taper-explorer .answer').textContent.startsWith('15 %')", timeout=_CHANGED_MS
        )
        after = answer.inner_text()
        assert before.startswith("10 %") and after != before
        assert pace.get_attribute("aria-valuetext") == "15 %"
        page.wait_for_function(
            "document.querySelector('.taper-explorer [aria-live]').textContent.startsWith('15 %')", timeout=_CHANGED_MS
        )
        assert page.locator(".taper-explorer svg[role=img][aria-label]").count() == 4
        assert elsewhere == []
        browser.close()
