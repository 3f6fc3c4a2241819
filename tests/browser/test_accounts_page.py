"""Sign-in, the list with alerts and trends, and a caregiver's page in a real browser: keyboard, phone, axe."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from taper_sim.serve.accounts import add_account
from taper_sim.serve.caregiver_consent import give_consent
from taper_sim.serve.pages import ServedPages, application
from taper_sim.serve.patient_store import PatientStore
from tests.browser.test_clinician_page import browser as browser
from tests.browser.test_clinician_page import check_look, served
from tests.serve.test_accounts_and_access import FlaggedReckoner
from tests.serve.test_served_pages import csv_of

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery staple"  # noqa: S105  invented
TODAY = date(2026, 4, 1)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Address of pages with accounts and two patients, one of whom shares their plan with a caregiver."""
    store = PatientStore(tmp_path, is_shared=True)
    for name, role in (("drA", "clinician"), ("cara", "caregiver")):
        add_account(store.database, name, role, PASSWORD)
    files = {f"{name}.csv": text.decode() for name, (_, text) in csv_of("Ann").items()}
    days = "".join(f"Ann,2026-03-{d:02d},pain_nrs,{d % 5 + 2}\nAnn,2026-03-{d:02d},sows,{d}\n" for d in range(6, 24))
    folder = store.add("", "Ann", files | {"checkins.csv": f"patient_id,date,instrument,value\n{days}"})
    give_consent(folder, "Aunt Cara", "cara", ["plan"])
    app = application(ServedPages(store, FlaggedReckoner(), lambda: TODAY))
    with served(app) as opened:
        yield opened
    store.close()


def sign_in(browser: Any, address: str, name: str) -> Any:
    """Sign in by the keyboard alone, in a browser of one's own."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(address)
    assert page.url.endswith("/sign-in")
    check_look(page)
    page.focus("#name")
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/")
    return page


def test_a_clinician_answers_an_alert_and_a_caregiver_sees_only_what_is_shared(browser: Any, address: str) -> None:
    page = sign_in(browser, address, "drA")
    assert page.inner_text("#alerts-title") == "Alerts: 2 without an answer"
    assert (
        page.get_by_role("img", name="Pain: last").count()
        == page.get_by_role("img", name="Withdrawal: last").count()
        == 1
    )
    check_look(page)
    page.focus("[name=text] >> nth=1")
    page.keyboard.type("called, will send numbers tonight")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Alerts: 1 without an answer")
    page.click("text=Answered (1)")
    assert "called, will send numbers tonight (drA" in page.inner_text("#alerts")
    caregiver = sign_in(browser, address, "cara")
    assert caregiver.inner_text("h1") == "Shared with you" and "Ann" in caregiver.inner_text("main")
    check_look(caregiver)
    caregiver.click("main a >> text=Ann")
    assert "Nothing is agreed yet" in caregiver.inner_text("main")
    assert "All papers" not in caregiver.inner_text("nav")
    page.click("text=Sign out")
    page.goto(f"{address}/new")
    assert page.url.endswith("/sign-in")
