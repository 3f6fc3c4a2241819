"""A launch from an EHR of another site opens the patient in a real browser, which keeps its own patients."""

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from taper_sim.serve.doors.smart_client import FhirServer
from taper_sim.serve.doors.smart_launch import mount_smart_launch
from taper_sim.serve.pages import ServedPages, application
from taper_sim.serve.patient_store import PatientStore
from tests.serve.fake_ehr.server import FakeEhr, fake_ehr_application
from tests.serve.test_served_pages import StoredReckoner

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium")
TODAY = date(2026, 4, 2)


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


@contextmanager
def served(app: Any, port: int) -> Iterator[None]:
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="error", access_log=False))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield
    server.should_exit = True
    thread.join(20)


def test_a_launch_of_another_site_keeps_the_visitor_and_asks_no_third_server(tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright

    ehr_port, port = free_port(), free_port()
    ehr = FakeEhr(f"http://127.0.0.1:{ehr_port}/fhir", TODAY)
    pages = ServedPages(PatientStore(tmp_path, is_shared=False), StoredReckoner(), lambda: TODAY)
    app = application(pages)
    mount_smart_launch(app, pages, FhirServer(ehr.base, "taper-sim"))
    here = f"http://127.0.0.1:{port}"
    with served(fake_ehr_application(ehr), ehr_port), served(app, port), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context()
        page = context.new_page()
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(here)
        visitor = [c["value"] for c in context.cookies() if c["name"] == "taper_sim_visitor"]
        page.goto(f"http://localhost:{ehr_port}/")  # another site than 127.0.0.1 for the browser
        page.evaluate(f"location.href = '/open/e19?app_url={here}/smart/launch'")
        page.wait_for_url("**/patients/*", timeout=60_000)
        assert "e19" in page.content()
        assert [c["value"] for c in context.cookies() if c["name"] == "taper_sim_visitor"] == visitor
        page.goto(here)
        assert "e19" in page.content()
        browser.close()
    known = (here, f"http://127.0.0.1:{ehr_port}", f"http://localhost:{ehr_port}", "data:")
    assert not [url for url in requests if not url.startswith(known)]
