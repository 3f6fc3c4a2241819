"""The committee's brief: its numbers are the run's, its sentences follow from them, and the command writes it."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from taper_sim.briefs import brief_context, brief_words
from taper_sim.briefs.brief import MOST_SHOWN, CommitteeBrief, brief_of, comparator_of
from taper_sim.briefs.brief_rows import BRIEF_ROWS, PerThousand
from taper_sim.briefs.certainty import CERTAINTY_WORDS, Lowered, OutcomeCertainty
from taper_sim.briefs.checklists import checklists, unfilled
from taper_sim.briefs.first_screen import changes, screen_table
from taper_sim.briefs.run_reports import write_run_report
from taper_sim.cli import main
from taper_sim.experiments.compare import ComparisonRun
from taper_sim.report.run_tables import read_run
from taper_sim.report.waiting_groups import group_name
from tests.briefs.test_page import read
from tests.report.test_figures import make_run

ROWS = {row.name: row for row in BRIEF_ROWS}
OPIOID = frozenset({"opioid"})
SERIOUS = ("death", "overdose", "mental_health_crisis")


def made(
    differences: dict[str, dict[str, tuple[float, float, float]]],
    *,
    words: dict[str, str] | None = None,
    n: int = 500,
    days: int = 364,
    usual: str = "hold",
) -> CommitteeBrief:
    """A brief with given differences in 1,000 people: protocol to row to mean and interval; the comparator has 100."""
    protocols = tuple(differences)
    rows = tuple(row for row in BRIEF_ROWS if any(row.name in cells for cells in differences.values()))
    changes = {
        (name, key): PerThousand(*cell, "", n) for name, cells in differences.items() for key, cell in cells.items()
    }
    levels = {(name, row.name): PerThousand(100.0, 90.0, 110.0, "", n) for name in (usual, *protocols) for row in rows}
    levels |= {key: replace(levels[key], mean=100.0 + change.mean) for key, change in changes.items()}
    rated = {
        key: OutcomeCertainty(
            word := (words or {}).get(key[1], "low"), {"width": Lowered(3 - CERTAINTY_WORDS.index(word), "w")}
        )
        for key in changes
    }
    manifest = {"days": days, "scenario_hash": "a", "patients": {"n": n}, "scenario": {}}
    return CommitteeBrief(
        manifest, usual, "holding the dose", protocols, protocols, rows, levels, changes, rated, {}, OPIOID
    )


SAFE = dict.fromkeys(SERIOUS, (0.1, -0.5, 0.5))


def test_the_numbers_of_the_brief_are_those_of_the_tables(finished: ComparisonRun) -> None:
    folder = finished.folder
    table = screen_table(brief_of(read_run(folder), folder))
    summary = finished.summary[finished.summary["subgroup"] == "all"].set_index(["protocol", "outcome"])
    differences = finished.differences[finished.differences["subgroup"] == "all"].set_index(["protocol", "outcome"])
    in_tables = [row.name for row in BRIEF_ROWS if not row.change]
    compared = 0
    for row in table[table["outcome"].isin(in_tables)].to_dict("records"):
        key = row["protocol"], row["outcome"]
        for ours, theirs in (("people", "mean"), ("people_lo95", "lo95"), ("people_hi95", "hi95")):
            assert row[ours] == pytest.approx(1000.0 * summary.loc[key, theirs], nan_ok=True)
        if row["protocol"] != row["comparator"]:
            for ours, theirs in (("more", "mean"), ("more_lo95", "lo95"), ("more_hi95", "hi95")):
                assert row[ours] == pytest.approx(1000.0 * differences.loc[key, theirs], nan_ok=True)
            compared += 1
    assert compared == 3 * len(in_tables)


def test_worse_pain_and_better_function_are_counted_from_the_people(finished: ComparisonRun) -> None:
    folder = finished.folder
    table = screen_table(brief_of(read_run(folder), folder)).set_index(["protocol", "outcome"])["people"]
    people = pd.read_parquet(folder / "patients.parquet")
    for name, own in people.groupby("protocol", observed=True):
        pain, function = own["pain_nrs_change"].dropna(), own["function_change"].dropna()
        assert table[str(name), "pain_worse_important"] == pytest.approx(1000.0 * (pain >= 1.0).mean())
        assert table[str(name), "function_better_important"] == pytest.approx(1000.0 * (function >= 10.0).mean())


def test_another_reference_of_the_run_does_not_change_the_comparator_or_its_differences(
    finished: ComparisonRun,
) -> None:
    run = read_run(finished.folder)
    usual = screen_table(brief_of(run, finished.folder))
    other = replace(run, manifest=run.manifest | {"reference": "abrupt()"})
    pd.testing.assert_frame_equal(screen_table(brief_of(other, finished.folder)), usual)


def test_a_folder_without_people_has_the_rows_of_its_tables(finished: ComparisonRun, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished.folder, tmp_path / "run"))
    (folder / "patients.parquet").unlink()
    (folder / "replicates.parquet").unlink(missing_ok=True)
    brief = brief_of(read_run(folder), folder)
    assert [row.name for row in brief.rows] == [row.name for row in BRIEF_ROWS if not row.change]
    _, text = read(write_run_report(folder))
    assert "Not in this folder: worse pain and better function." in text


@pytest.mark.parametrize(
    ("calls", "name"),
    [
        (["abrupt()", "constant()", "usual_care(taper_share=0.2)"], "p2"),
        (["abrupt()", "constant( )", "linear(pct=10, every=28)"], "p1"),
        (["abrupt()", "linear(pct=10, every=28)"], "p0"),
    ],
)
def test_the_comparator_is_usual_care_else_holding_else_the_first(calls: list[str], name: str) -> None:
    protocols = [f"p{k}" for k in range(len(calls))]
    manifest = {"protocols": protocols, "scenario": {"protocols": [{"call": call} for call in calls]}}
    assert comparator_of(manifest)[0] == name


def test_at_most_five_protocols_are_shown_with_the_slowest_and_the_fastest(finished: ComparisonRun) -> None:
    run = read_run(finished.folder)
    names = [f"p{k}" for k in range(9)]
    entries = [{"call": "oracle(limit=0.1, every=14)"}, *({"call": "constant()"} for _ in names[1:])]
    pace = dict(zip(names, (0.0, 5.0, 80.0, 10.0, 70.0, 20.0, 60.0, 30.0, 50.0), strict=True))
    rows = run.summary[run.summary["outcome"] == "velocity_max_pct_per_month"].head(1)
    summary = pd.concat([rows.assign(protocol=name, mean=value) for name, value in pace.items()], ignore_index=True)
    scenario = run.manifest["scenario"] | {"protocols": entries}
    manifest = run.manifest | {"protocols": names, "scenario": scenario, "reference": "p1"}
    brief = brief_of(replace(run, manifest=manifest, summary=summary), finished.folder / "none")
    assert brief.comparator == "p1" and "p0" not in brief.others  # the oracle is no choice
    assert brief.others == ("p3", "p5", "p7", "p8", "p6", "p4", "p2")
    assert len(brief.shown) == MOST_SHOWN and (brief.shown[0], brief.shown[-1]) == ("p3", "p2")


def test_the_answer_names_the_harm_the_safer_protocols_and_the_certainty() -> None:
    brief = made(
        {
            "slow": {**SAFE, "dose_reduction_ge15": (600.0, 500.0, 700.0)},
            "fast": {**SAFE, "mental_health_crisis": (12.3, -2.0, 30.0), "dose_reduction_ge15": (800.0, 700.0, 900.0)},
            "faster": {**SAFE, "mental_health_crisis": (20.4, 1.0, 40.0), "overdose": (7.0, 6.0, 9.0)},
        },
        words={"mental_health_crisis": "moderate", "death": "very low"},
    )
    lead, crises, *others = brief_words.answer(brief)[:1] + tuple(
        sentence for sentence in brief_words.answer(brief) if "crises than" in sentence
    )
    assert not others
    assert lead.endswith("If the dose is to come down, the run favours slow over fast or faster.")
    assert "No protocol here is shown to improve pain or function" in lead
    assert crises == (
        "In 1,000 people over a year, fast and faster probably cause 12 to 20 more mental health crises than holding "
        "the dose (certainty: moderate)."
    )
    text = " ".join(brief_words.answer(brief))
    assert "faster may cause 7.0 more overdoses than holding the dose (certainty: low)" in text
    assert "slow differs little from holding the dose in deaths (certainty: very low), overdoses (low) and" in text
    assert "Of 1,000 people under slow, 700 are at a lower dose in the end (certainty: low)." in text
    assert brief_words.lead_certainty(brief) == "low to moderate"


def test_an_answer_without_a_harm_that_matters_favours_nobody() -> None:
    wide = made({"slow": SAFE, "fast": {**SAFE, "overdose": (4.9, -20.0, 30.0)}})
    lead, rest = brief_words.answer(wide)
    assert lead.endswith("None is expected to cause a rise in deaths, overdoses or mental health crises that matters.")
    assert rest.startswith("slow and fast are not expected to cause a rise that matters in deaths, overdoses and")
    narrow = made({"slow": SAFE, "fast": SAFE})
    assert "differ little from holding the dose" in brief_words.answer(narrow)[1]
    three = brief_words.answer(made({"slow": SAFE, "fast": SAFE, "faster": SAFE}))
    assert three[1].startswith("All protocols shown differ little from holding the dose in")


def test_a_gain_in_pain_is_stated_only_if_its_interval_matters() -> None:
    for interval, lead in (
        ((-80.0, -90.0, -60.0), "slow improves pain"),
        ((-80.0, -90.0, -40.0), "No protocol here is shown"),
    ):
        brief = made({"slow": {**SAFE, "pain_worse_important": interval}})
        assert brief_words.answer(brief)[0].startswith(lead)


def test_nothing_is_answered_from_fewer_than_eleven_people() -> None:
    brief = made({"slow": SAFE, "fast": {**SAFE, "death": (50.0, 40.0, 60.0)}}, n=10)
    assert brief_words.answer(brief) == ("Too few people for an answer: numbers of fewer than 11 people are hidden.",)
    assert screen_table(brief).empty and brief_words.lead_certainty(brief) == ""


def test_what_changed_since_an_earlier_run_is_what_moved_enough_to_matter() -> None:
    old = made({"slow": SAFE, "gone": SAFE}, words={"death": "very low"})
    new = made({"slow": {**SAFE, "mental_health_crisis": (11.0, 5.0, 20.0)}, "new": SAFE}, n=600, days=28)
    sentences = changes(new, old).sentences
    assert sentences == (
        "600 people instead of 500.",
        "Over 28 days instead of a year.",
        "New: new.",
        "Left out: gone.",
        "slow, death: certainty low; was very low.",
        "slow, mental health crisis: 11 more, was 0.",
        "The scenario is the same.",
    )
    assert changes(old, old).sentences[0].startswith("No number of the first screen moved")


def test_a_subgroup_is_named_if_its_harm_exceeds_that_of_all_by_an_amount_that_matters(finished: ComparisonRun) -> None:
    run = read_run(finished.folder)
    brief = brief_of(run, finished.folder)
    whole = brief.differences["abrupt()", "mental_health_crisis"]
    table = run.differences.copy()
    group = sorted({str(name) for name in table["subgroup"]} - {"all"})[0]
    where = (table["subgroup"] == group) & (table["protocol"] == "abrupt()")
    where &= table["outcome"] == "mental_health_crisis"
    for beyond, low, named in ((20.0, 1.0, True), (20.0, -1.0, False), (9.0, 1.0, False)):
        table.loc[where, ["mean", "lo95", "hi95"]] = [(whole.mean + x) / 1000.0 for x in (beyond, low, 60.0)]
        table.loc[where, "n"] = 40
        sentences = brief_context.harmed(replace(run, differences=table), brief).sentences
        assert any(sentence.lower().startswith(f"{group_name(group).lower()}: ") for sentence in sentences) == named
    assert any(sentence.startswith("Access: the run has no subgroup") for sentence in sentences)


def test_the_first_screen_has_the_table_in_plain_words(finished: ComparisonRun, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished.folder, tmp_path / "run"))
    page = write_run_report(folder)
    reader, text = read(page)
    first = text[: text.index("How certain, and why")].lower()
    assert not [word for word in ("cvar", "ensemble", "mc error", "monte carlo", "composite") if word in first]
    order = [first.index(row.label.lower() + " " + row.note.lower()) for row in BRIEF_ROWS]
    assert order == sorted(order) and len(order) == 7
    assert pd.read_csv(folder / "brief.csv")["comparator"].unique().tolist() == ["constant()"]
    parts = [attributes for tag, attributes in reader.tags if tag == "details"]
    assert len(parts) >= 10 and not any("open" in attributes for attributes in parts)


@pytest.mark.parametrize(
    ("mean", "low", "high", "more", "bounds"),
    [
        (15.9, -10.6, 55.7, "16 more", "−11 to +56"),
        (-1.7, -3.2, -0.2, "2 fewer", "0 to 3"),
        (415.0, 253.0, 576.0, "415 more", "253 to 576"),
        (0.2, -0.3, 0.4, "0", "0 to 0"),
        (3.0, math.nan, math.nan, "3 more", "no interval: too few"),
    ],
)
def test_a_difference_reads_as_more_or_fewer(mean: float, low: float, high: float, more: str, bounds: str) -> None:
    difference = PerThousand(mean, low, high, "too few", 500)
    assert (difference.more_text(0), difference.bounds_text(0)) == (more, bounds)


def test_the_checklists_are_filled_from_the_run_or_name_the_person_who_has_to(tmp_path: Path) -> None:
    manifest = read_run(make_run(tmp_path / "run")).manifest
    lists = checklists(manifest, "constant()")
    assert [len(table.rows) for table in lists] == [20, 28, 10]
    cheers = dict(lists[1].rows)
    assert cheers["27 Source of funding"] == "to be added by the sponsor"
    assert cheers["7 Comparators"].endswith("; compared with constant().")
    assert all(text.strip() for table in lists for _, text in table.rows)
    counts = unfilled(lists)
    assert counts["sponsor"] == 1 and counts["clinician"] == 2
    manifest["scenario"]["question"] = ""
    assert (
        dict(checklists(manifest, "constant()")[0].rows)["1.1 Purpose of the model"] == "to be added by the study lead"
    )
    assert unfilled(checklists(manifest, "constant()"))["study lead"] == counts["study lead"] + 3


def test_the_command_writes_the_page_and_leaves_the_run_as_it_was(
    finished: ComparisonRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*")}
    out = tmp_path / "new" / "report.html"
    assert main(["report", str(finished.folder), "--against", str(finished.folder), "--out", str(out)]) == 0
    assert "Certainty: " in capsys.readouterr().out
    _, text = read(out)
    assert "What changed since the earlier run" in text and "The scenario is the same." in text
    assert {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*")} == before


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["{none}", "--out", "r.html"], "none: given no manifest.json; allowed: the folder of a finished run"),
        (["{run}", "--clinic", "{run}", "--out", "r.html"], "--clinic: given a run of compare; allowed: the folder of"),
        (["{run}", "--against", "{none}", "--out", "r.html"], "none: given no manifest.json"),
        (["{run}", "--out", "r.pdf"], "--out: given r.pdf; allowed: a name that ends in .html"),
    ],
)
def test_wrong_input_of_the_command_is_one_line_and_writes_nothing(
    arguments: list[str],
    line: str,
    finished: ComparisonRun,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"none": tmp_path / "none", "run": finished.folder}
    assert main(["report", *(argument.format(**places) for argument in arguments)]) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1 and line in errors[0]
    assert list(tmp_path.iterdir()) == []


def test_without_a_browser_the_command_says_so_before_anything_is_written(
    finished: ComparisonRun, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    out = tmp_path / "report.html"
    assert main(["report", str(finished.folder), "--pdf", "--out", str(out)]) == 2
    assert capsys.readouterr().err.strip() == "--pdf: given no browser; allowed: Chromium, Chrome or Edge on the path"
    assert not out.exists()
