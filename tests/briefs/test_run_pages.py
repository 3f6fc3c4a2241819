"""Pages of a clinic, a search for a team, a comparison of triage rules and a ladder, on tiny runs."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from taper_sim.api.committee_report import report
from taper_sim.briefs.run_reports import write_run_report
from taper_sim.cli import main
from taper_sim.report.clinic_cost import clinic_cost
from taper_sim.report.clinic_page import read_clinic, texts_table
from taper_sim.report.methods import calibration_sentence
from taper_sim.report.panel_figure import full_text
from taper_sim.report.wording import number_text
from taper_sim.run_folder import differing
from taper_sim.tables import UNREVIEWED
from tests.briefs.test_page import Reader, change_manifest

NAME = "<script>alert('x')</script> & \"small\""
PROTOCOL = "slow <img src=x>"
PEOPLE = f"""name: {json.dumps(NAME)}
question: {json.dumps("Who <b>waits</b>?")}
days: 21
draws: 2
cohort:
  patients: 24
  classes: {{opioid: {{dose_median: 90, mix: [{{drug: morphine, formulation: ER, share: 1}}]}}}}
  shares: {{language_match: 0.5}}
protocols: [{{call: 'linear(pct=10, every=14)', name: {json.dumps(PROTOCOL)}}}]
subgroups: [language_match]
"""
CLINIC = """clinic:
  enrol_over_d: 3
  replications: 5
  team: [{role: physician}, {role: pharmacist}, {role: pt}, {role: psychologist}, {role: nurse}, {role: social_worker}]
  without: [peer_session]
  staffing:
    probability: 0.5
    indifference: 0.3
    confidence: 0.5
    most_teams: 2
    most_replications: 3
    what_if_replications: 2
    fte: {nurse: {least: 1, most: 1}}
    targets: [{metric: late, role: nurse, at_most: 0.9}]
"""
LADDER = """ladder:
  seeds: [1]
  tuning_people: 4
  ceilings: [off]
  truths: [the model]
  rungs:
    - {name: linear <b>, call: 'linear(pct={knob}, every=14)', knobs: [5, 10]}
    - {name: personal, call: 'integral(every=14)', role: personal}
    - {name: oracle, call: 'constant()', role: oracle}
"""
COMMANDS = {
    "clinic": PEOPLE + CLINIC,
    "staffing": PEOPLE + CLINIC,
    "triage": PEOPLE + CLINIC.replace("replications: 5", "replications: 2", 1),
    "evaluate": PEOPLE.replace("subgroups: [language_match]\n", "") + LADDER,
}
ANSWERS = {
    "clinic": r"This team has room for [\d,]+ patients in care .* [\d,]+ enrolled.*first: the .* With 24 patients ",
    "staffing": r"For 24 patients .*Today's team meets its targets with .* The [a-z ]+ is the first to be short\.",
    "triage": r"The run cannot say which rule is better: 2 replications, and an interval needs 5\.",
    "evaluate": r"Truth “the model”, ceiling off: personal .*important differences \(.* to .*\); .*\.",
}


class Finished:
    """Finished tiny runs by command, each made when a test first needs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __truediv__(self, command: str) -> Path:
        run = self.folder / command
        if not run.exists():
            scenario = self.folder / f"{command}.yaml"
            scenario.write_text(COMMANDS[command])
            assert main([command, str(scenario), "--out", str(run)]) == 0
        return run


class Copies:
    """Copies of the runs that a test may change."""

    def __init__(self, finished: Finished, folder: Path) -> None:
        self.finished, self.folder = finished, folder

    def __truediv__(self, command: str) -> Path:
        return Path(shutil.copytree(self.finished / command, self.folder / command, dirs_exist_ok=True))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A finished tiny run of every kind."""
    return Finished(tmp_path_factory.mktemp("pages"))


@pytest.fixture
def runs(finished: Finished, tmp_path: Path) -> Copies:
    """Copies of them."""
    return Copies(finished, tmp_path)


class PageReader(Reader):
    """Reader that also keeps the text of each cell, row by row, and the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.answer = ""
        self.is_in_answer = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        if (tag, attrs) in (("p", [("class", "answer")]), ("ul", [("class", "grounds")])):
            self.is_in_answer = True
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        super().handle_data(data)
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if self.is_in_answer:
            self.answer = " ".join(f"{self.answer} {data}".split())

    def handle_endtag(self, tag: str) -> None:
        super().handle_endtag(tag)
        self.is_in_answer = self.is_in_answer and tag not in ("p", "ul")

    def row(self, *starts: str) -> list[str]:
        """The only row whose first cells are these."""
        (row,) = [row for row in self.rows if row[: len(starts)] == list(starts)]
        return row


def page(folder: Path) -> tuple[PageReader, str]:
    """The page's tags, and its text with single spaces."""
    reader = PageReader()
    reader.feed((folder / "report.html").read_text(encoding="utf-8"))
    assert reader.open == []
    return reader, " ".join(" ".join(reader.text).split())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_answers_first_and_loads_nothing(finished: Finished, command: str) -> None:
    reader, _ = page(finished / command)
    tags = [tag for tag, _ in reader.tags]
    assert re.match(ANSWERS[command], reader.answer), reader.answer
    assert tags.index("h1") < tags.index("p") < tags.index("table")
    assert not {"script", "link", "iframe", "object", "embed", "form", "b"} & set(tags)
    for _, attributes in reader.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "srcset", "data", "action"):
                assert value is not None and value.startswith(("data:image/svg+xml;base64,", "#"))
    assert not re.search(r"https?:|@import|url\(", (finished / command / "report.html").read_text())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_can_be_read_by_a_machine_that_reads_aloud(finished: Finished, command: str) -> None:
    reader, text = page(finished / command)
    assert ("html", {"lang": "en"}) in reader.tags
    levels = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and set(levels[1:]) == {2}
    assert all("scope" in attributes for tag, attributes in reader.tags if tag == "th")
    assert all(len(str(attributes["alt"])) > 40 for tag, attributes in reader.tags if tag == "img")
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [attributes["aria-labelledby"] for tag, attributes in reader.tags if tag == "section"]
    assert set(named) <= set(ids)
    assert len({len(row) for row in reader.rows if row}) >= 1 and all(reader.rows)
    assert text.count(UNREVIEWED.capitalize()) >= 2 and text.count(calibration_sentence(True)) >= 2


@pytest.mark.parametrize("command", COMMANDS)
def test_names_of_the_scenario_are_text_and_no_tags(finished: Finished, command: str) -> None:
    reader, text = page(finished / command)
    assert NAME in text and "Who <b>waits</b>?" in text
    assert (PROTOCOL if command != "evaluate" else "linear <b>") in text
    assert all(str(attributes["src"]).startswith("data:") for tag, attributes in reader.tags if tag == "img")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_picture_has_its_data_and_a_changed_page_is_detected(runs: Copies, command: str) -> None:
    folder = runs / command
    _, text = page(folder)
    listed = json.loads((folder / "manifest.json").read_text())["report_sha256"]
    drawn = sorted(path.stem for path in (folder / "figures").glob("*.svg"))
    assert drawn and all(f"figures/{name}.csv" in listed and f"figures/{name}.csv" in text for name in drawn)
    assert differing(folder, None, write_run_report) == []  # verify without the rerun: redrawn, the same bytes
    (folder / "report.html").write_bytes((folder / "report.html").read_bytes() + b" ")
    assert differing(folder, None, write_run_report) == ["report.html: changed since the run, or missing"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_without_a_page_gets_one(runs: Copies, command: str) -> None:
    folder = runs / command
    before = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    shutil.rmtree(folder / "figures")
    change_manifest(folder, report_sha256={})
    write_run_report(folder)
    assert (folder / "report.html").read_bytes() == before


def test_the_page_of_a_clinic_has_the_numbers_of_its_tables(finished: Finished) -> None:
    folder = finished / "clinic"
    reader, text = page(folder)
    service = texts_table(folder / "service.csv")
    late = service[(service["metric"] == "late") & (service["role"] == "prescriber") & (service["work"] == "")].iloc[0]
    shown = " to ".join(number_text(100 * late[end], 0) for end in ("lo95", "hi95"))
    assert reader.row("prescriber", "1")[3] == f"{number_text(100 * late['mean'], 0)} ({shown})"
    summary = texts_table(folder / "summary.csv")
    crisis = summary[(summary["outcome"] == "urgent_visit") & (summary["subgroup"] == "all")].iloc[0]
    shown = " to ".join(number_text(1000 * crisis[end], 1) for end in ("lo95", "hi95"))
    assert crisis["mean"] > 0 and reader.row("urgent visit")[1] == f"{number_text(1000 * crisis['mean'], 1)} ({shown})"
    backlog = read_clinic(folder).backlog
    own = backlog[(backlog["role"] == "nurse") & (backlog["week"] == 3)]
    assert reader.row("nurse", number_text(backlog[backlog["role"] == "nurse"]["backlog_d"].mean(), 1))[2:] == [
        number_text(own["backlog_d"].mean(), 1),
        number_text(own["waiting"].mean(), 1),
    ]
    manifest = json.loads((folder / "manifest.json").read_text())
    panel = manifest["panel"][PROTOCOL]
    steady, at_first = panel["steady_state"], panel["enrolling"]
    assert f"room for {steady['most_patients']:,} patients in care at a time" in reader.answer
    assert f"and for {at_first['most_patients']:,} enrolled" in reader.answer
    assert f"full first: {full_text(steady['full_first'])}." in reader.answer
    stated = steady["by_replication"]
    assert stated[0] == steady["most_patients"]
    assert reader.row("in care at a time")[1:] == [
        f"{steady['most_patients']:,}",
        f"{min(stated):,} to {max(stated):,}",
        full_text(steady["full_first"]),
    ]
    week = manifest["team"]["cost_usd"] / 3.0
    assert reader.row("cost of the team", "USD a week")[2] == number_text(week, 0)
    assert reader.row("5.1 Software and language")[1].startswith("Python; taper-sim")
    assert "Who <b>waits</b>?" in reader.row("1.1 Purpose of the model")[1] and "Machine: not stated" in text


@pytest.mark.parametrize("command", ["clinic", "staffing", "triage"])
def test_few_replications_have_no_interval_and_no_finding(runs: Copies, command: str) -> None:
    folder = runs / command
    if command == "clinic":
        for name in ("service",):
            table = texts_table(folder / f"{name}.csv")
            table.assign(n_replications=4).to_csv(folder / f"{name}.csv", index=False)
        change_manifest(folder, replications=4)
        write_run_report(folder)
    _, text = page(folder)
    section = text[: text.index("Basis and limits of the results")]
    assert not re.search(r"\d \([+-]?[\d.,]+ to [+-]?[\d.,]+\)", section)
    assert "No difference on this page is therefore a finding" in text
    assert "cannot say" in text


def test_enough_replications_have_intervals(finished: Finished) -> None:
    _, text = page(finished / "clinic")
    assert re.search(r"\d \([\d.,]+ to [\d.,]+\)", text[: text.index("Basis and limits")])
    assert "therefore a finding" not in text


def test_a_difference_that_excludes_0_is_a_finding(runs: Copies) -> None:
    folder = runs / "clinic"
    table = pd.read_csv(folder / "differences.csv")
    crisis = (table["outcome"] == "mental_health_crisis") & (table["subgroup"] == "all")
    for ends, sentence in (
        (
            (0.004, 0.001, 0.007),
            "4.0 more people (1.0 to 7.0) in 1,000 people over 21 days have a mental health crisis",
        ),
        ((-0.004, -0.007, -0.001), "4.0 fewer people (1.0 to 7.0) in 1,000 people"),
        (
            (0.004, -0.001, 0.009),
            "No difference from unlimited staff in people who have a mental health crisis is shown",
        ),
    ):
        table.loc[crisis, ["mean", "lo95", "hi95"]] = ends
        table.to_csv(folder / "differences.csv", index=False)
        write_run_report(folder)
        reader, _ = page(folder)
        assert sentence in reader.answer


def test_fewer_than_eleven_patients_have_no_result_of_their_own(runs: Copies) -> None:
    folder = runs / "clinic"
    manifest = json.loads((folder / "manifest.json").read_text())
    change_manifest(folder, patients=manifest["patients"] | {"n": 10})
    write_run_report(folder)
    reader, _ = page(folder)
    assert "fewer than 11 people, so harm is not reported" in reader.answer
    assert not [row for row in reader.rows if row[0] in ("urgent visit", "change of pain")]


def test_a_clinic_that_does_not_keep_up_names_what_breaks_first(runs: Copies) -> None:
    folder = runs / "clinic"
    table = texts_table(folder / "service.csv")
    whole = (table["metric"] == "late") & (table["work"] == "") & (table["subgroup"] == "all")
    closed = (table["metric"] == "late_closed") & (table["work"] == "") & (table["subgroup"] == "all")
    table.loc[whole & (table["role"] == "nurse"), "mean"] = 0.78
    table.loc[closed & (table["role"] == "nurse"), "mean"] = 0.08
    table.to_csv(folder / "service.csv", index=False)
    write_run_report(folder)
    reader, _ = page(folder)
    breaks_first = "does not keep up: the nurse breaks first, with 70 % of the work late or lost"
    assert breaks_first in reader.answer
    assert "The number that this team can keep up with is below 24." in reader.answer


def test_a_clinic_that_enrols_too_fast_is_not_called_too_large(runs: Copies) -> None:
    folder = runs / "clinic"
    table = texts_table(folder / "service.csv")
    table.loc[(table["metric"] == "late") & (table["role"] == "nurse"), "mean"] = 0.78
    table.to_csv(folder / "service.csv", index=False)
    panel = json.loads((folder / "manifest.json").read_text())["panel"]
    for phases in panel.values():
        phases["steady_state"]["most_patients"], phases["enrolling"]["most_patients"] = 24, 23
    change_manifest(folder, panel=panel)
    write_run_report(folder)
    reader, _ = page(folder)
    assert "It has room for 24 in care, but not for 24 who enrol within" in reader.answer
    assert "keep up with is below" not in reader.answer


def test_the_page_of_a_search_says_what_the_run_proved(runs: Copies) -> None:
    folder = runs / "staffing"
    manifest = json.loads((folder / "manifest.json").read_text())
    reader, text = page(folder)
    table = pd.read_csv(folder / "staffing.csv")
    met = table[table["metric"] == "all_targets"]
    assert manifest["chosen"] is not None
    assert f"at {manifest['chosen']['cost_usd_week']:,.0f} USD a week" in reader.answer
    assert f"{len(met)} of the other" in text and "more staff never do harm (assumed)" in text
    capacity = pd.read_csv(folder / "capacity.csv").drop_duplicates("patients")
    largest = capacity[(capacity["p_meets"] < 0.5).cumsum() == 0]["patients"].max()
    assert f"meets its targets with {largest:,} patients" in reader.answer
    levers = pd.read_csv(folder / "levers.csv").drop_duplicates("name").set_index("name")
    more = levers.loc["hire one", "cost_usd_week"] - levers.loc["as it is", "cost_usd_week"]
    assert more > 0 and f"costs {more:,.0f} USD a week more" in text
    change_manifest(folder, search_stopped=True)
    write_run_report(folder)
    _, stopped = page(folder)
    assert "The search stopped at its largest number of teams" in stopped and "before the search stopped" in stopped
    for name in ("levers", "capacity", "tornado", "equity"):
        (folder / f"{name}.csv").unlink()
    write_run_report(folder)
    reader, text = page(folder)
    assert "does not say how many patients" in reader.answer and "cannot say what the three levers do" in text


def test_a_clear_change_under_a_rule_is_in_the_answer(runs: Copies) -> None:
    folder = runs / "triage"
    table = pd.read_csv(folder / "triage.csv").assign(n_replications=5)
    chosen = (table["triage"] == "urgency") & (table["subgroup"] == "all") & (table["metric"] == "composite lost")
    reference = (table["triage"] == "first_come") & (table["subgroup"] == "all") & (table["metric"] == "composite lost")
    table.loc[reference, "estimate"] = 0.4
    columns = ["change", "change_lo95", "change_hi95"]
    table.loc[table["metric"] == "composite lost", columns] = (0.0, -0.1, 0.1)
    for size, end in ((-0.2, "."), (-0.02, ", too small to matter.")):
        table.loc[chosen, columns] = (size, 1.5 * size, 0.5 * size)
        table.to_csv(folder / "triage.csv", index=False)
        write_run_report(folder)
        reader, _ = page(folder)
        change = f"{size:.3f} ({1.5 * size:.3f} to {0.5 * size:.3f})"
        expected = (
            f"0.400 of an important difference is lost to the team's limits; urgency changes this by {change}{end}"
        )
        assert expected in reader.answer
        assert "risk score" not in reader.answer.split("important difference")[1]


def test_the_page_of_a_ladder_has_its_gap(runs: Copies) -> None:
    folder = runs / "evaluate"
    gap = pd.read_csv(folder / "gap.csv")
    for low, words in (
        (0.1, "personal lowers the loss against linear <b> by"),
        (-0.1, "personal is not shown to differ"),
    ):
        gap.loc[:, ["gain", "gain_lo95", "gain_hi95", "gap", "gap_lo95", "gap_hi95"]] = (0.2, low, 0.3, 0.5, 0.25, 0.75)
        gap.to_csv(folder / "gap.csv", index=False)
        write_run_report(folder)
        reader, _ = page(folder)
        assert words in reader.answer and "50 % of the gap to the oracle closed (25 to 75 %)" in reader.answer
    ladder = pd.read_csv(folder / "ladder.csv").assign(n=10)
    ladder.to_csv(folder / "ladder.csv", index=False)
    write_run_report(folder)
    reader, _ = page(folder)
    assert reader.answer.startswith("Hidden:") and not [tag for tag, _ in reader.tags if tag == "img"]


def test_the_command_writes_the_page_of_any_kind_and_refuses_options_of_another(
    runs: Copies, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = runs / "clinic", tmp_path / "page.html"
    assert main(["report", str(folder), "--out", str(out)]) == 0
    assert "Certainty of the harms: " in capsys.readouterr().out
    assert out.read_bytes() == (folder / "report.html").read_bytes()
    out.unlink()
    for option, other, line in (
        ("--clinic", folder, "--clinic: given together with a run of clinic"),
        ("--against", runs / "triage", "--against: given a run of triage; allowed: the folder of a run of clinic"),
    ):
        assert main(["report", str(folder), option, str(other), "--out", str(out)]) == 2
        errors = capsys.readouterr().err.strip().splitlines()
        assert len(errors) == 1 and line in errors[0]
        assert not out.exists()


SOURCES = {
    "clinic": ("summary", "mean", {"protocol": PROTOCOL, "subgroup": "all"}, "outcome", "this team"),
    "staffing": ("levers", "estimate", {"name": "as it is"}, "metric", "today's team"),
    "triage": ("triage", "estimate", {"triage": "urgency", "subgroup": "all"}, "metric", "urgency"),
    "evaluate": ("ladder", None, {"policy": "personal"}, None, "personal"),
}
FACTORS = {"mental_health_crisis": 1000.0, "return_to_higher_dose": 1000.0, "overdose": 1000.0, "share_over": 1000.0}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_numbers_of_the_first_screen_are_those_of_the_tables(finished: Finished, command: str) -> None:
    folder = finished / command
    file, value, where, by, column = SOURCES[command]
    table = pd.read_csv(folder / f"{file}.csv", keep_default_na=False)
    for name, text in where.items():
        table = table[table[name] == text]
    brief = pd.read_csv(folder / "brief.csv")
    own = brief[brief["protocol"] == column].set_index("outcome")
    compared = 0
    for outcome, row in own.iterrows():
        name = f"{outcome} lost" if command == "triage" else outcome
        rows = table if by is None else table[table[by] == name]
        if len(rows) == 1 and (by or outcome in rows):
            result = float(rows.iloc[0][value or outcome])
            factor = 100.0 if outcome == "exposure" or (outcome, command) == ("late", "staffing") else 1.0
            assert row["people"] == pytest.approx(FACTORS.get(str(outcome), row["per"] * factor) * result, abs=1e-9)
            compared += 1
    assert compared >= 3
    assert len(brief["outcome"].unique()) <= 7


@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_says_what_changed_since_an_earlier_one_of_its_kind(
    runs: Copies, finished: Finished, command: str
) -> None:
    folder = finished / command
    same = report(folder, against=folder).html
    assert "What changed since the earlier run" in same and "The scenario is the same." in same
    assert "What changed since" not in report(folder).html
    old = runs / command
    manifest = json.loads((old / "manifest.json").read_text())
    change_manifest(old, patients=manifest.get("patients", {}) | {"n": 4000}, scenario_hash="another")
    changed = report(folder, against=old).html
    assert "instead of 4,000." in changed and "The scenario is the same." not in changed


def test_a_number_over_few_replications_or_the_same_in_all_has_no_interval_and_no_mark(finished: Finished) -> None:
    triage = pd.read_csv(finished / "triage" / "brief.csv")
    assert triage[["people_lo95", "more_lo95"]].isna().all(axis=None)
    assert set(triage["certainty"].dropna()) == {"very low"}
    assert "No difference here is a finding." in (finished / "triage" / "report.html").read_text()
    assert 'class="worse' not in (finished / "triage" / "report.html").read_text()
    clinic = pd.read_csv(finished / "clinic" / "brief.csv").set_index(["protocol", "outcome"])
    crisis = clinic.loc[("this team", "mental_health_crisis")]
    assert (crisis["more"], crisis["certainty"]) == (0.0, "very low") and pd.isna(crisis["more_lo95"])


def test_a_clinic_run_says_what_a_comparison_costs_in_staff(runs: Copies) -> None:
    folder = runs / "clinic"
    service = pd.read_csv(folder / "service.csv", keep_default_na=False)
    busy = service[(service["metric"] == "utilisation") & (service["subgroup"] == "all")].set_index("role")["mean"]
    fte = json.loads((folder / "manifest.json").read_text())["team"]["fte"]
    staff = sum(float(busy[role]) * fte[role] for role in fte if role in busy)
    sentences = clinic_cost(folder)
    assert f"keep {number_text(staff)} full-time staff busy" in sentences[0]
    assert f"of a team of {number_text(sum(fte.values()))}." in sentences[0]
    assert sentences[1].endswith("USD a patient and 30 days.")
