"""The page of a day in a browser: it plays, pauses by keyboard, and needs no script to be read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from taper_sim.report.day_page import clinic_day, day_page

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser
MANIFEST = {
    "kind": "clinic",
    "scenario": {"name": "small", "question": "", "cohort": {}},
    "days": 1,
    "seed": 1,
    "scenario_file": "small.yaml",
    "scenario_hash": "0",
    "clinical_review": "research use: not clinically reviewed",
    "ensemble": {"n_draws": 1, "calibrated": False},
    "versions": {},
    "tables": [],
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a day of twelve pieces of work by four people."""
    begun = 480.0 + 40.0 * np.arange(12)
    events = pd.DataFrame({"requested": begun - 15.0, "started": begun, "ended": begun + 30.0}).assign(
        role="nurse", work="visit", outcome="done", resource=[f"nurse {k % 4 + 1}" for k in range(12)]
    )
    names = [f"nurse {k + 1}" for k in range(4)]
    duty = pd.DataFrame({"resource": names, "start": 480.0, "end": 990.0, "on_call": False})
    path = tmp_path_factory.mktemp("day") / "day.html"
    path.write_text(day_page(MANIFEST, clinic_day(events, duty, 1, 1), "slow, replication 0", "day.csv"))
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The browser of the system."""
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_page_fits_its_window_and_asks_for_nothing(browser, file, width):
    page = browser.new_page(viewport={"width": width, "height": 800})
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert asked == [file.as_uri()] and errors == []
    page.close()


def test_nothing_moves_before_the_reader_plays_and_the_keyboard_pauses(browser, file):
    page = browser.new_page()
    page.goto(file.as_uri())
    assert page.locator("#clock").inner_text() == "" and page.locator(".job.now").count() == 0
    page.keyboard.press("Space")
    page.wait_for_function("Number(document.getElementById('time').value) > 0")
    assert page.locator("#play").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Space")
    assert page.locator("#play").inner_text() == "Play"
    at = page.locator("#clock").inner_text()
    page.wait_for_timeout(200)
    assert page.locator("#clock").inner_text() == at
    page.focus("#time")
    page.evaluate("document.getElementById('time').value = 0")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.locator("#clock").inner_text() == "08:25: 1 in progress, 1 waiting"
    assert page.locator(".job.now").count() == 1
    page.close()


def test_with_reduced_motion_the_time_jumps(browser, file):
    page = browser.new_page(reduced_motion="reduce")
    page.goto(file.as_uri())
    page.click("#play")
    page.wait_for_function("document.getElementById('clock').textContent !== ''")
    assert page.locator("#clock").inner_text().startswith("08:30:")
    page.keyboard.press("Escape")
    assert page.locator("#play").get_attribute("aria-pressed") == "false"
    page.close()


def test_without_a_script_the_chart_and_the_tables_are_there_and_no_dead_control(browser, file):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator(".job").count() == 12 and not page.locator("#play").is_visible()
    assert page.get_by_text("Pieces of work that wait at each full hour.").is_visible()
    context.close()


def test_the_page_has_no_violation_of_accessibility(browser, file):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = browser.new_page()
    page.goto(file.as_uri())
    report = axe.Axe().run(page)
    assert report.violations_count == 0, report.generate_report()
    page.close()
