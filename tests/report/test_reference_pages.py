"""docs/parameters.md and docs/outcomes.md agree with the tables, and every cited source exists."""

import re
from pathlib import Path

import pytest

from taper_sim.comparison.outcomes import COMPOSITE, OUTCOMES
from taper_sim.model.event_parameters import CHANCE_TABLE, STREAMS
from taper_sim.model.parameters import TABLE
from taper_sim.report import reference_pages
from taper_sim.report.calibration_tables import with_tables

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SOURCES = [row.source for row in (*TABLE, *CHANCE_TABLE, *STREAMS, *OUTCOMES, COMPOSITE)]
ASSUMPTIONS = (DOCS / "assumptions.md").read_text()


@pytest.mark.parametrize("page", ["parameters", "outcomes"])
def test_the_committed_page_is_what_the_tables_give(page):
    made = getattr(reference_pages, f"{page}_page")()
    assert (DOCS / f"{page}.md").read_text() == made, f"run `{reference_pages._COMMAND}`"


@pytest.mark.parametrize("page", ["model", "assumptions"])
def test_numbers_behind_symbols_are_the_tables(page):
    text = (DOCS / f"{page}.md").read_text()
    assert text == reference_pages.refreshed(text), f"run `{reference_pages._COMMAND}`"


def test_the_tables_of_the_fit_are_the_committed_ones():
    text = (DOCS / "calibration.md").read_text()
    assert text.count("<!-- table: ") == 9
    assert text == with_tables(text, DOCS / "tables"), f"run `{reference_pages._COMMAND}`"


def test_refreshing_changes_numbers_behind_symbols_and_nothing_else():
    before = "`tau_s`\n−1.5 d, `p` 9 · 9 · 9. `tau_R`: 2, `unknown` 3; 14 `delta`, `tau_A` days"
    after = "`tau_s`\n0.7 d, `p` 2.5 · 0.7 · 1.5. `tau_R`: 2, `unknown` 3; 14 `delta`, `tau_A` days"
    assert reference_pages.refreshed(before) == after


def test_the_command_writes_both_pages(tmp_path):
    assert reference_pages.main([str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"parameters.md", "outcomes.md"}


def test_the_command_without_a_folder_ends_with_2(capsys):
    assert reference_pages.main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_every_parameter_stream_and_outcome_has_its_line():
    parameters, outcomes = reference_pages.parameters_page(), reference_pages.outcomes_page()
    for row in (*TABLE, *CHANCE_TABLE):
        assert parameters.count(f"\n| `{row.symbol}` |") == 1, row.symbol
    for stream in STREAMS:
        assert f"\n| `{stream.instrument}` |" in parameters
    for outcome in (*OUTCOMES, COMPOSITE):
        assert outcomes.count(f"\n| `{outcome.name}` |") == 1, outcome.name


def test_every_row_of_a_table_has_as_many_cells_as_its_header():
    for text in (reference_pages.parameters_page(), reference_pages.outcomes_page()):
        for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
            cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(cells) == 1, table.splitlines()[0]


def _headings() -> list[int]:
    return [int(number) for number in re.findall(r"^## A(\d+)$", ASSUMPTIONS, flags=re.MULTILINE)]


def test_assumptions_are_numbered_from_1_without_gaps():
    assert _headings() == list(range(1, len(_headings()) + 1))


def test_every_assumption_that_a_source_or_the_code_cites_exists():
    texts = [*SOURCES, *(path.read_text() for path in (ROOT / "taper_sim").rglob("*.py"))]
    cited = {int(number) for text in texts for number in re.findall(r"\bA(\d{1,3})\b", text)}
    assert cited
    assert cited <= set(_headings())


def test_every_published_number_that_a_source_cites_is_listed():
    _, _, listed = ASSUMPTIONS.partition("## Published results by number")
    cited = set(re.findall(r"\bE\d{3}\b", " ".join(SOURCES) + ASSUMPTIONS.partition("## Published results")[0]))
    assert cited
    assert cited <= set(re.findall(r"\bE\d{3}\b", listed))


@pytest.mark.parametrize("number", _headings())
def test_every_assumption_says_statement_number_why_target_and_what_would_change_it(number):
    _, _, rest = ASSUMPTIONS.partition(f"\n## A{number}\n")
    text = rest.partition("\n## ")[0]
    assert re.match(r"\n\*\*.+\*\*\n", text)
    for part in ("- Number: ", "- Why: ", "- Reproduces: ", "- Would change it: "):
        assert text.count(f"\n{part}") == 1, part
