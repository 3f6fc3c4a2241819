"""First screens of every kind of run in a browser: three widths, answer, numbers, hostile names, accessibility."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from taper_sim.api.committee_report import report
from taper_sim.briefs.printed_page import browser_path
from taper_sim.cli import main
from taper_sim.experiments.compare import ComparisonRun
from taper_sim.rounds.simulated_logs import written_logs
from taper_sim.tables import UNREVIEWED
from tests.briefs.test_run_pages import COMMANDS, NAME
from tests.conftest import ROOT

pytestmark = pytest.mark.browser
WIDTHS = (390, 768, 1280)
HEIGHT = 844
KINDS = ("compare", *COMMANDS, "validate", "tapers", "rounds")
STUDY = {
    "scores": "real_tapers",
    "calibration": "real_tapers_calibration",
    "population": "real_tapers_population",
    "between_tapers": "real_tapers_between",
}
CELLS = """() => [...document.querySelectorAll('table.brief tbody tr')].map(row =>
  [row.querySelector('th').childNodes[0].textContent.trim(),
   ...[...row.querySelectorAll('td:not(.word) .level')].map(cell => cell.textContent.trim())])"""


def _study(folder: Path) -> Path:
    """The folder of a study of real tapers, made of its committed tables."""
    folder.mkdir()
    for name, kept in STUDY.items():
        shutil.copy(ROOT / "docs" / "tables" / f"{kept}.csv", folder / f"{name}.csv")
    listed = dict.fromkeys([f"{name}.csv" for name in STUDY], "")
    manifest = {"kind": "tapers", "people": {"predicted": 172}, "converged": {"effect": True}, "seed": 1}
    manifest |= {"clinical_review": UNREVIEWED, "outputs_sha256": listed}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _validation(folder: Path) -> Path:
    """The folder of a validation, made of the committed table, with a hostile id."""
    folder.mkdir()
    table = pd.read_csv(ROOT / "docs" / "tables" / "validation.csv", keep_default_na=False, dtype=str)
    table.loc[0, "study"] = NAME
    table.to_csv(folder / "validation.csv", index=False)
    manifest = {"kind": "validate", "table": NAME, "people": 2000, "seed": 1, "clinical_review": UNREVIEWED}
    manifest |= {"ensemble": {"id": "e", "n_draws": 50, "calibrated": True}, "outputs_sha256": {"validation.csv": ""}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="session")
def pages(finished: ComparisonRun, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, pd.DataFrame]]:
    """Page and numbers of a tiny run of each kind; names of scenario and protocol are hostile."""
    folder = tmp_path_factory.mktemp("screens")
    runs = {"compare": finished.folder, "validate": _validation(folder / "v"), "tapers": _study(folder / "t")}
    for command, text in COMMANDS.items():
        scenario = folder / f"{command}.yaml"
        scenario.write_text(text)
        runs[command] = folder / f"run-{command}"
        assert main([command, str(scenario), "--out", str(runs[command])]) == 0
    (folder / "logs").mkdir()
    written_logs(folder / "logs", 1, 60)
    result = {}
    for kind, run in runs.items():
        result[kind] = report(run)
    result["rounds"] = report(folder / "logs", edition="rounds")
    return {kind: (made.save(folder / f"{kind}.html")[0], made.table) for kind, made in result.items()}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest, pages: dict[str, tuple[Path, pd.DataFrame]], chromium: Any) -> Iterator[Any]:
    """A tab with a page, and its numbers; a request of anything but the page itself fails the test."""
    path, table = pages[request.param]
    tab = chromium.new_page()
    requests: list[str] = []
    tab.on("request", lambda asked: requests.append(asked.url))
    tab.goto(path.as_uri())
    yield tab, table
    others = [url for url in requests if url != path.as_uri() and not url.startswith("data:")]
    tab.close()
    assert others == []


def test_the_answer_is_on_the_first_screen_and_nothing_scrolls_sideways(opened: Any) -> None:
    tab, _ = opened
    for is_open in (False, True):
        if is_open:
            tab.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": HEIGHT})
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            box = tab.locator(".answer").bounding_box()
            assert box is not None and box["x"] + box["width"] <= width and box["y"] + box["height"] <= HEIGHT
            table = tab.locator("table.brief").bounding_box()
            assert table is not None and (width < 1280 or table["y"] < HEIGHT / 2)


def test_the_numbers_on_the_screen_are_those_of_the_csv(opened: Any) -> None:
    tab, table = opened
    heads = [text.split("\n")[0] for text in tab.locator("table.brief thead th").all_inner_texts()]
    columns = [head for head in heads[1:] if head != "Certainty"]
    shown = tab.evaluate(CELLS)
    assert 1 <= len(shown) <= 7
    outcomes = list(dict.fromkeys(table["outcome"]))
    known = {(row["protocol"], row["outcome"]): row["people"] for row in table.to_dict("records")}
    compared = 0
    for row in shown:
        numbers = row[1:]
        assert len(numbers) == len(columns)
        for column, text in zip(columns, numbers, strict=True):
            if text in ("–", "<11"):
                continue
            value = float(text.replace(",", "").replace("−", "-"))
            digits = len(text.partition(".")[2])
            near = [known[column, name] for name in outcomes if (column, name) in known]
            assert any(abs(value - number) <= 0.5 * 10.0**-digits + 1e-9 for number in near), (row, column)
            compared += 1
    assert compared >= 3


def test_no_text_of_a_file_became_markup(opened: Any) -> None:
    tab, _ = opened
    assert tab.locator("script, iframe, form, main b, h1 b, p b").count() == 0
    assert tab.locator("img").count() == tab.locator("img[src^='data:image/svg+xml']").count()


def test_nothing_is_a_serious_barrier(opened: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tab, _ = opened
    tab.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    violations = Axe().run(tab).response["violations"]
    serious = [
        (violation["id"], [node["target"] for node in violation["nodes"]][:3])
        for violation in violations
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_print_has_at_most_twelve_pages(
    kind: str, pages: dict[str, tuple[Path, pd.DataFrame]], chromium: Any
) -> None:
    from pypdf import PdfReader

    tab = chromium.new_page()
    tab.goto(pages[kind][0].as_uri())
    content = tab.pdf(format="A4", prefer_css_page_size=True, tagged=True)
    tab.close()
    assert 1 <= len(PdfReader(io.BytesIO(content)).pages) <= 12
