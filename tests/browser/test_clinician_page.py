"""The clinician's page in a real browser: five clicks to a printed plan, keyboard, phone, axe, no outside request."""

import asyncio
import csv
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from taper_sim.data.records import History
from taper_sim.serve.pages import ServedPages, application
from taper_sim.serve.patient_store import PatientStore
from taper_sim.serve.reckoner import Reckoner
from tests.recommend.calm_answers import CALM_ANSWERS
from tests.recommend.test_next_cut import AFTER_A_CUT, TODAY, tapered_person

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium")
HOSTILE = "<img src=x onerror=document.title='taken'>"
WIDTHS = (390, 768, 1280)
Open = Callable[..., Any]


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Address of an application that a thread serves."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_level="error", access_log=False))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of pages that a thread serves, each browser with patients of its own."""
    reckoner = Reckoner()
    store = PatientStore(tmp_path_factory.mktemp("patients"), is_shared=False)
    app = application(ServedPages(store, reckoner, lambda: date(2026, 4, 1)))
    with served(app) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, without a window."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Open]:
    """Open the first page as a new visitor; every request and every error of a script is checked at the end."""
    contexts, requests, errors = [], [], []

    def opened(**options: Any) -> Any:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if "Content Security Policy" in m.text else None)
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert requests and not [url for url in requests if not url.startswith((address, "data:"))]
    assert errors == []


def serious(page: Any) -> list[str]:
    """What axe holds to be serious or critical on a page."""
    from axe_playwright_python.sync_playwright import Axe

    violations = Axe().run(page).response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html']}" for v in violations if v["impact"] in ("serious", "critical")]


def check_look(page: Any) -> None:
    """No sideways scroll at any width, and nothing serious for axe, with every detail open."""
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert serious(page) == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (page.url, width)


def files_of(history: History, folder: Path, patient_id: str) -> dict[str, Path]:
    """The CSV pair of a history, with the calm answers of today."""
    paths = {"checkins": folder / "c.csv", "doses": folder / "d.csv"}
    with paths["checkins"].open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["patient_id", "date", "instrument", "value"])
        writer.writerows([patient_id, c.day, c.instrument, c.value] for c in history.checkins)
        answers = CALM_ANSWERS | {"phq9_item9": 0.0}
        writer.writerows([patient_id, TODAY, name, value] for name, value in answers.items())
    with paths["doses"].open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["patient_id", "date", "drug", "formulation", "dose_mg_per_day"])
        writer.writerows([patient_id, r.day, *r.drug.key, r.dose] for r in history.doses)
    return paths


def send(page: Any, paths: dict[str, Path]) -> None:
    for field, path in paths.items():
        page.set_input_files(f"#{field}", str(path))
    page.click("text=Send the files")
    page.wait_for_selector("#status")


def test_the_example_becomes_an_agreed_plan_in_five_clicks(visit: Open) -> None:
    page = visit()
    check_look(page)
    page.click("text=Open the example")
    page.wait_for_selector("#status")
    assert "A smaller dose can be offered" in page.inner_text("h1")
    check_look(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.click("#by")
    page.keyboard.type("Dr A")
    page.click("#reason")
    page.keyboard.type("agreed")
    page.click("text=Keep the decision")
    page.wait_for_selector(".agreed")
    check_look(page)
    page.evaluate("window.print = () => { document.body.dataset.printed = 'yes'; }")
    page.click("text=Print")
    assert page.get_attribute("body", "data-printed") == "yes"
    page.emulate_media(media="print")
    assert not page.is_visible("[data-print]") and page.is_visible("table.schedule") and page.is_visible(".sign")
    page.emulate_media(media="screen")
    page.goto(page.url.replace("/agreed", "/details"))
    check_look(page)


def test_a_schedule_is_projected_without_a_reload_and_agreed_on(visit: Open) -> None:
    page = visit()
    page.click("text=Open the example")
    page.wait_for_selector("#plan")
    page.evaluate("window.kept = true")
    for line in range(2, 1 + page.locator("[name^=day_]").count()):  # one step of one product
        page.fill(f"[name=day_{line}]", "")
        page.fill(f"[name=dose_{line}]", "")
    page.select_option("[name=drug_1]", "morphine|ER")
    page.fill("[name=dose_1]", "60")
    page.fill("[name=day_1]", "2026-04-10")
    page.click("text=Project this schedule")
    page.wait_for_selector("#plan .error")
    assert "above the ceiling" in page.inner_text("#plan .error")
    page.fill("[name=dose_1]", "61")
    page.click("text=Project this schedule")
    page.wait_for_selector("#plan .problems")
    assert "such as 60 or 75 mg a day" in page.inner_text("#plan .problems")
    page.fill("[name=dose_1]", "60")
    page.fill("[name=day_1]", "2026-05-25")
    page.click("text=Project this schedule")
    page.wait_for_selector("#plan .fine")
    assert page.evaluate("window.kept") is True
    assert serious(page) == []
    page.fill("#own_by", "Dr A")
    page.fill("#own_reason", "after the holiday")
    page.click("#plan >> text=Agree on this schedule >> nth=1")
    page.wait_for_selector(".agreed")
    assert "own schedule: 2026-05-25 morphine ER 60 mg a day" in page.inner_text(".agreed").replace("\n", " ")


def test_the_keyboard_alone_reaches_an_answer_and_a_number_key_answers_a_question(visit: Open) -> None:
    page = visit()

    def tab_to(selector: str, most: int = 120) -> None:
        for _ in range(most):
            page.keyboard.press("Tab")
            if page.evaluate("(s) => document.activeElement.matches(s)", selector):
                return
        raise AssertionError(f"the Tab key does not reach {selector}")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to("a.button")
    page.keyboard.press("Enter")
    page.wait_for_selector("#patient")
    for selector, keys in (
        ("#patient", "k1"),
        ("#drug_1", "morphine ER"),
        ("#dose_1", "30"),
        ("#times_1", "3"),
        ("#months_of_use", "60"),
        ("#age", "55"),
        ("#pain_nrs", "5"),
        ("#function", "50"),
        ("#none_of_these", " "),
    ):
        tab_to(selector)
        page.keyboard.type(keys)
    tab_to("button.main")
    page.keyboard.press("Enter")
    page.wait_for_selector("#status")
    assert "k1" in page.inner_text(".of")
    assert serious(page) == []
    for key, place in (("2", "option-hold-name"), ("7", "unknown"), ("9", "flags")):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.id") == place
    tab_to("[data-keys]")
    page.keyboard.press("Enter")
    before = page.evaluate("document.activeElement.className")
    page.keyboard.press("7")
    assert page.evaluate("document.activeElement.className") == before  # switched off


def test_an_unanswered_question_bars_every_reduction_until_it_is_answered(visit: Open) -> None:
    page = visit()
    page.goto(page.url + "new")
    check_look(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    for name, text in (("patient", "q1"), ("dose_1", "30"), ("times_1", "3"), ("months_of_use", "60"), ("age", "50")):
        page.fill(f"#{name}", text)
    page.select_option("#drug_1", "morphine|ER")
    page.click("text=Show the options")
    page.wait_for_selector("#status")
    assert page.is_visible(".ask") and "Planned step" not in page.inner_text("main")
    assert "questions come first" in page.inner_text(".blocked")
    assert page.locator("form[action$='/today'] [name*='phq9_item9']").first.is_visible()  # and this one is asked
    check_look(page)


def test_the_suffering_patient_is_held_and_the_comfortable_one_is_not(visit: Open, tmp_path: Path) -> None:
    page = visit()
    for name, days in (("suffering", 8), ("comfortable", 0)):
        page.goto("/".join(page.url.split("/")[:3]))
        send(page, files_of(tapered_person(AFTER_A_CUT, days), tmp_path, name))
        text = page.inner_text(".status")
        assert ("Hold" in text and "followed by" in text) == (name == "suffering"), text
        check_look(page)
        page.set_viewport_size({"width": 1280, "height": 900})
    page.goto("/".join(page.url.split("/")[:3]))
    page.wait_for_selector("table.patients")
    check_look(page)


def test_hostile_ids_are_text_and_two_browsers_have_each_their_own(visit: Open, tmp_path: Path) -> None:
    first, second = visit(), visit()
    send(first, files_of(tapered_person(AFTER_A_CUT, 0), tmp_path, HOSTILE))
    assert HOSTILE in first.inner_text(".of") and first.title() != "taken"
    first.goto("/".join(first.url.split("/")[:4]).replace("/patients", "/"))
    assert HOSTILE in first.inner_text("table.patients") and first.title() != "taken"
    second.reload()
    assert not second.is_visible("table.patients")
    bad = tmp_path / "bad.csv"
    bad.write_text("patient_id,date,drug,formulation,dose_mg_per_day\np,2026-01-01,morfine,ER,90\n")
    second.set_input_files("#doses", str(bad))
    second.click("text=Send the files")
    second.wait_for_selector(".problems")
    assert re.search(r"row 2.*did you mean morphine", second.inner_text(".problems"))
    check_look(second)


def test_without_scripts_the_page_is_read_and_its_forms_work(visit: Open) -> None:
    page = visit(java_script_enabled=False)
    page.click("text=Open the example")
    page.wait_for_selector("#status")
    page.click("text=Project this schedule")
    page.wait_for_selector("#plan .fine")
    page.fill("#by", "Dr A")
    page.fill("#reason", "agreed")
    page.click("text=Keep the decision")
    page.wait_for_selector(".agreed")
