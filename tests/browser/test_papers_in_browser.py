"""The papers in a browser: from the example to a printed decision, on a telephone, with axe, with a PDF."""

import asyncio
import io
import shutil
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from taper_sim.serve.pages import ServedPages, application
from taper_sim.serve.papers.paper_contents import PAPER_KINDS
from taper_sim.serve.patient_store import PatientStore
from tests.browser.test_clinician_page import CHROMIUM, check_look, serious
from tests.browser.test_committee_page import SMALLEST_TEXT
from tests.serve.test_papers import TALK, TODAY, FlaggedReckoner, flag_of

pytestmark = pytest.mark.browser
TELEPHONE = {"width": 390, "height": 800}


@pytest.fixture(scope="module")
def reckoner() -> FlaggedReckoner:
    return FlaggedReckoner()


@pytest.fixture(scope="module")
def page(reckoner: FlaggedReckoner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A tab on the list of papers of the example, after four clicks; every request outside fails the test."""
    import uvicorn

    if CHROMIUM is None or shutil.which(CHROMIUM) is None:
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright

    store = PatientStore(tmp_path_factory.mktemp("papers"), is_shared=False)
    app = application(ServedPages(store, reckoner, lambda: TODAY))
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_level="error", access_log=False))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    requests: list[str] = []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = opened.new_page(viewport={"width": 1280, "height": 900})
        tab.set_default_timeout(60_000)
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(address)
        tab.click("text=Open the example")  # first click
        tab.fill("#by", "Dr A")
        tab.fill("#reason", "they want to try")
        tab.click("text=Keep the decision")  # second
        tab.click(".button >> text=Papers")  # third
        yield tab
        opened.close()
    server.should_exit = True
    thread.join(20)
    assert requests and not [url for url in requests if not url.startswith((address, "data:"))]


def test_the_example_is_agreed_and_its_decision_printed_in_five_clicks(page: Any) -> None:
    page.click("text=Shared decision")  # fourth
    page.evaluate("window.print = () => { document.body.dataset.printed = 'yes'; }")
    page.click("text=Print")  # fifth
    assert page.get_attribute("body", "data-printed") == "yes"
    page.emulate_media(media="print")
    assert not page.is_visible(".bar") and page.is_visible(".sign") and page.is_visible("table.doses")
    page.emulate_media(media="screen")
    page.click("text=All papers")


def test_the_form_fills_the_decision_whose_pdf_is_tagged_and_marked(page: Any) -> None:
    from pypdf import PdfReader

    check_look(page)
    for name, text in TALK.items():
        page.fill(f"#{name}", text)
    page.click("text=Keep these fields")
    page.click("text=Shared decision")
    assert "Play with my grandchildren" in page.inner_text("main")
    response = page.request.get(page.url.partition("?")[0] + ".pdf")
    reader = PdfReader(io.BytesIO(response.body()))
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"] and root["/Lang"] == "en"
    assert [round(float(side)) for side in reader.pages[0].mediabox[2:]] == [612, 792]  # Letter in the United States
    texts = [sheet.extract_text() for sheet in reader.pages]
    assert "Play with my grandchildren" in "".join(texts)
    assert all("Not reviewed by a clinician" in text for text in texts)
    page.go_back()


@pytest.mark.parametrize("urgency", ["", "emergency"])
def test_every_paper_fits_a_telephone_and_axe_has_nothing_serious(
    page: Any, reckoner: FlaggedReckoner, urgency: str
) -> None:
    reckoner.flags = (flag_of(urgency),) if urgency else ()
    start = page.url.partition("/papers")[0] + "/papers"
    for name in PAPER_KINDS:
        for language in ("en", "es"):
            page.goto(f"{start}/{name}?language={language}")
            page.set_viewport_size(TELEPHONE)
            assert page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE["width"], (name, language)
            if language == "en":
                assert serious(page) == [], name
            page.emulate_media(media="print")
            page.set_viewport_size({"width": 700, "height": 1000})
            assert page.evaluate(SMALLEST_TEXT) == [], (name, language)  # 12 px are 9 pt
            page.emulate_media(media="screen")
    reckoner.flags = ()
    page.goto(start)
