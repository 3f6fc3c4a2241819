"""The page of a run: self-contained, with escaped text, hidden small cells, and the basis of its results."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from taper_sim.briefs import page
from taper_sim.briefs.run_reports import write_run_report
from taper_sim.data.problems import InputError
from taper_sim.report.methods import cautions, methods_paragraph
from taper_sim.report.run_tables import read_run
from taper_sim.tables import REVIEWED, UNREVIEWED
from tests.report.test_figures import make_run

_VOID = {"meta", "br", "img"}


class Reader(HTMLParser):
    """Parser that keeps tags, attributes and text by tag, and whether every tag was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def read(path: Path) -> tuple[Reader, str]:
    """The page's tags, and its text with single spaces."""
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.open == []
    return reader, " ".join(" ".join(reader.text).split())


def change_manifest(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))


def test_the_page_loads_nothing_and_has_no_scripts(tmp_path: Path) -> None:
    reader, _ = read(write_run_report(make_run(tmp_path / "run")))
    assert not {"script", "link", "iframe", "object", "embed", "form"} & {tag for tag, _ in reader.tags}
    for _, attributes in reader.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "srcset", "data", "action"):
                assert value is not None and value.startswith(("data:image/svg+xml;base64,", "#"))
    text = (tmp_path / "run" / "report.html").read_text()
    assert not re.search(r"https?:|@import|url\(", text)


def test_text_from_files_is_escaped(tmp_path: Path) -> None:
    bad = "<script>alert('x')</script>&\"<img src=x onerror=y>"
    folder = make_run(tmp_path / "run", name=bad, question=bad, protocols=("a", bad), subgroups={f"dose={bad}": 40})
    change_manifest(folder, scenario_file=bad, git_commit=bad)
    reader, text = read(write_run_report(folder))
    assert "script" not in {tag for tag, _ in reader.tags}
    assert all(attributes["src"].startswith("data:") for tag, attributes in reader.tags if tag == "img")
    assert text.count("<script>alert('x')</script>&\"<img src=x onerror=y>") >= 6


def test_cells_of_fewer_than_eleven_people_are_hidden(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", subgroups={"dose=<50": 10, "dose=50-89": 11})
    summary = pd.read_csv(folder / "summary.csv", keep_default_na=False)
    summary.loc[summary["subgroup"] == "dose=<50", ["mean", "lo95", "hi95"]] = 0.7531
    summary.loc[summary["subgroup"] == "dose=50-89", ["mean", "lo95", "hi95"]] = 0.6421
    summary.to_csv(folder / "summary.csv", index=False)
    _, text = read(write_run_report(folder))
    text = text[text.index("Mean and 95 % interval by subgroup") : text.index("As written in the scenario")]
    assert "0.753" not in text and "75.3 %" not in text
    assert "0.642" in text and "64.2 %" in text
    assert re.search(r"dose=<50 <11 constant\(\) <11 <11 <11", text)
    assert "dose=50-89 11 constant()" in text


def test_a_run_of_ten_people_shows_no_result(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", n=10)
    reader, text = read(write_run_report(folder))
    assert "img" not in {tag for tag, _ in reader.tags}
    assert "No figure: every cell has fewer than 11 people" in text
    assert re.search(r"constant\(\) (<11 ){8}", text)
    assert "75 %" not in text  # the made-up share better


def test_the_same_folder_gives_the_same_page(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", subgroups={"dose=<50": 40})
    first = write_run_report(folder).read_bytes()
    assert write_run_report(folder).read_bytes() == first
    other = make_run(tmp_path / "elsewhere", subgroups={"dose=<50": 40})
    assert write_run_report(other).read_bytes() == first


def test_the_page_reports_missing_review_and_calibration(tmp_path: Path) -> None:
    _, text = read(write_run_report(make_run(tmp_path / "run")))
    assert text.count(UNREVIEWED.capitalize()) >= 2  # top and bottom
    assert text.count("Not calibrated to published results") >= 2
    assert "simulated people, no patients" in text


def test_the_page_reports_review_and_calibration(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    tables = [dict(read_run(folder).manifest["tables"][0], reviewed=11, status=REVIEWED)]
    change_manifest(
        folder, ensemble={"id": "e1", "n_draws": 50, "calibrated": True}, clinical_review=REVIEWED, tables=tables
    )
    _, text = read(write_run_report(folder))
    assert UNREVIEWED not in text.lower() and "not calibrated" not in text.lower()
    assert "calibrated to published results" in text and "Clinically reviewed." in text


def test_tables_have_scoped_headers_and_figures_alternative_text(tmp_path: Path) -> None:
    reader, _ = read(write_run_report(make_run(tmp_path / "run", subgroups={"dose=<50": 40})))
    assert ("html", {"lang": "en"}) in reader.tags
    assert all("scope" in attributes for tag, attributes in reader.tags if tag == "th")
    pictures = [attributes for tag, attributes in reader.tags if tag == "img"]
    assert len(pictures) == 4 and all(len(picture["alt"]) > 40 for picture in pictures)
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_main_table_carries_the_summary_with_direction_and_smallest_important_difference(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    _, text = read(write_run_report(folder))
    summary = read_run(folder).summary
    chosen = (summary["protocol"] == "NA") & (summary["outcome"] == "withdrawal_peak") & (summary["subgroup"] == "all")
    row = summary[chosen].iloc[0]
    shown = [page.outcome_number("withdrawal_peak", row[column]) for column in ("mean", "lo95", "hi95")]
    assert "{} {} to {}".format(*shown) in text
    assert "peak withdrawal 0-1 lower is better smallest important: 0.1" in text


def test_provenance_protocols_and_assumptions_are_there(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    _, text = read(write_run_report(folder))
    manifest = read_run(folder).manifest
    for said in (
        manifest["scenario_hash"],
        manifest["git_commit"],
        manifest["ensemble"]["id"],
        "20260101",
        "linear(pct=10, every=28)",
        "prescriber and pt 50 %; visit every 7 d, no check-ins",
        "Fixed by the scenario: xi = 1.5",
        "5a" * 32,
    ):
        assert said in text
    assert "A1 p pain from full withdrawal NRS points opioid 2.5" in text
    assert "A18 withdrawal_area smallest important difference d 3 3" in text


def test_an_event_without_a_case_has_no_interval_of_zero(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    for name in ("summary", "differences"):
        table = pd.read_csv(folder / f"{name}.csv", keep_default_na=False)
        table.loc[table["outcome"] == "overdose", ["mean", "lo95", "hi95"]] = 0.0
        table.to_csv(folder / f"{name}.csv", index=False)
    _, text = read(write_run_report(folder))
    assert text.count("0.00 % none seen") == 3 + 2
    assert "0.00 % to 0.00 %" not in text


@pytest.mark.parametrize(
    ("name", "value", "signed", "text"),
    [
        ("withdrawal_peak", 0.0662, False, "0.066"),
        ("pain_nrs_change", -0.567, True, "−0.57"),
        ("pain_nrs_change", -0.0004, True, "0.00"),
        ("function_change", 6.04, True, "+6.0"),
        ("overdose", 0.00167, False, "0.17 %"),
        ("retained", 0.837, False, "83.7 %"),
        ("dose_end_mme", 85.4, False, "85"),
        ("pain_nrs_change", float("nan"), True, "–"),
    ],
)
def test_numbers_have_the_decimals_that_matter(name: str, value: float, signed: bool, text: str) -> None:
    assert page.outcome_number(name, value, signed=signed) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0 %"), (1e-9, "<1 %"), (0.5, "50 %"), (0.9999, ">99 %"), (1.0, "100 %")]
)
def test_a_probability_near_0_or_1_is_not_rounded_to_it(value: float, text: str) -> None:
    assert page.probability(value) == text


def test_the_methods_paragraph_carries_the_numbers_of_the_run(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", n=1234))
    text = methods_paragraph(run.manifest, run.summary, run.differences)
    for said in (
        "1,234 people",
        "56 days",
        "3 protocols",
        "constant(), linear(pct=10, every=28) and NA",
        "50 draws",
        "Seed 20260101",
        "5ce0a2105ce0",
        "taper-sim 0.1.0",
        "minus constant()",
        "not calibrated",
        "drugs (0 of 11 rows reviewed)",
        UNREVIEWED,
        "same random numbers",
        "at most 0.01 (NRS points)",
        "e45e3b1e",
    ):
        assert said in text
    assert "\n" not in text


def test_the_methods_of_one_protocol_mention_no_difference(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", protocols=("constant()",)))
    text = methods_paragraph(run.manifest, run.summary, run.differences)
    assert "1 protocol: constant()." in text and "minus" not in text and "P(better)" not in text


def test_one_protocol_has_a_page_too(tmp_path: Path) -> None:
    _, text = read(write_run_report(make_run(tmp_path / "run", protocols=("constant()",))))
    assert "there is no comparison" in text


def test_people_read_from_a_file_are_not_called_simulated_people(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run"))
    run.manifest["scenario"]["cohort"]["file"] = "people.csv"
    assert cautions(run.manifest)[-1].startswith("Simulated courses of people from a file")
    assert "Their baseline was read from a file" in methods_paragraph(run.manifest, run.summary, run.differences)


def test_a_folder_without_a_run_is_an_input_error_and_gets_no_page(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_run_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
