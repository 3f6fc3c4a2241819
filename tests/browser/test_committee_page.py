"""The committee's brief in a browser: three widths, print, accessibility, no request. Needs the system's Chromium."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taper_sim.briefs.printed_page import browser_path, printed
from taper_sim.briefs.run_reports import write_run_report
from taper_sim.experiments.compare import ComparisonRun
from tests.report.test_figures import make_run

pytestmark = pytest.mark.browser
WIDTHS = (390, 768, 1280)
LONG = "a-name-without-a-blank-" * 6
SCRIPT = "<script>document.title='x'</script>"
HOSTILE = ("constant()", SCRIPT, LONG, "\u202e$^& \"quoted\" 'name'", "{{ 7 * 7 }}", "NA")
OUTCOMES = (
    "death",
    "overdose",
    "mental_health_crisis",
    "return_to_higher_dose",
    "dose_reduction_ge15",
    "dose_reduction_pct",
    "withdrawal_peak",
    "velocity_max_pct_per_month",
)
CUT_CELLS = """() => [...document.querySelectorAll('table.brief td, table.brief th')]
  .filter(cell => cell.closest('thead')?.clientWidth !== 1 && cell.scrollWidth > cell.clientWidth + 1)
  .map(cell => cell.textContent)"""
SMALLEST_TEXT = """() => {
  const small = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    const shown = element.checkVisibility({contentVisibilityAuto: true}) && element.getClientRects().length;
    const size = parseFloat(getComputedStyle(element).fontSize);
    if (own && shown && size < 12) small.push(`${element.tagName}.${element.className} ${size}`);
  }
  return [...new Set(small)];
}"""


@pytest.fixture(scope="module")
def pages(finished: ComparisonRun, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of a small comparison, and of a run with hostile names."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(finished.folder, folder / "small")
    make_run(folder / "hostile", protocols=HOSTILE, name=LONG, question=SCRIPT, outcomes=OUTCOMES)
    return {name: write_run_report(folder / name) for name in ("small", "hostile")}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(params=["small", "hostile"])
def tab(request: pytest.FixtureRequest, pages: dict[str, Path], browser: Any) -> Iterator[Any]:
    """A tab with a page; a request of anything but the page itself fails the test."""
    path = pages[request.param]
    opened = browser.new_page()
    requests: list[str] = []
    opened.on("request", lambda asked: requests.append(asked.url))
    opened.goto(path.as_uri())
    yield opened
    others = [url for url in requests if url != path.as_uri() and not url.startswith("data:")]
    opened.close()
    assert others == []


def test_no_width_scrolls_sideways_or_cuts_a_cell(tab: Any) -> None:
    tab.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 900})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        cut = tab.evaluate(CUT_CELLS)
        assert cut == []


def test_on_a_desk_the_answer_and_the_whole_table_are_on_the_first_screen(tab: Any) -> None:
    if len(tab.title()) > 100:
        pytest.skip("names of a hundred letters need more room")
    tab.set_viewport_size({"width": 1280, "height": 900})
    for place in (".answer", "table.brief", ".caution"):
        box = tab.locator(place).first.bounding_box()
        assert box is not None and box["y"] + box["height"] <= 900, place


def test_no_text_of_a_file_became_markup(tab: Any) -> None:
    assert tab.locator("script").count() == 0
    assert tab.title() != "x" and "49" not in tab.locator("table.brief thead").inner_text()


@pytest.mark.parametrize(("page", "width", "is_open"), [("small", 1280, True), ("hostile", 390, False)])
def test_no_serious_violation_of_accessibility(
    page: str, width: int, is_open: bool, pages: dict[str, Path], browser: Any
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.goto(pages[page].as_uri())
    if is_open:
        tab.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    violations = Axe().run(tab).response["violations"]
    tab.close()
    serious = [
        (violation["id"], [node["target"] for node in violation["nodes"]][:3])
        for violation in violations
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_in_print_no_text_is_under_nine_points(tab: Any) -> None:
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": 700, "height": 1000})
    assert tab.evaluate(SMALLEST_TEXT) == []  # 12 px are 9 pt


def test_the_print_is_tagged_has_at_most_twelve_pages_and_the_first_is_the_brief(pages: dict[str, Path]) -> None:
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(printed(pages["small"].read_text(encoding="utf-8"))))
    assert len(reader.pages) <= 12
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"] and "/StructTreeRoot" in reader.trailer["/Root"]
    assert reader.trailer["/Root"]["/Lang"] == "en"
    width, height = (float(side) for side in reader.pages[0].mediabox[2:])
    assert (round(width), round(height)) == (595, 842)
    first, second = (reader.pages[k].extract_text() for k in (0, 1))
    assert "What would change the answer" in first and "At a lower dose" in first
    assert second.lstrip().startswith("How certain, and why")
    whole = "".join(page.extract_text() for page in reader.pages)
    assert "CHEERS 2022" in whole and "smallest important difference" not in whole.split("Provenance")[-1]
