"""The rounds edition: what is counted is what the files hold, and small numbers stay hidden."""

import shutil
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pytest

from taper_sim.api.committee_report import report
from taper_sim.api.examples import copy_example
from taper_sim.cli import main
from taper_sim.data.problems import InputError
from taper_sim.recommend.decision_log import append_to_log
from taper_sim.rounds.cases import cases_of
from taper_sim.rounds.logs import ClinicLogs, read_logs
from taper_sim.rounds.quarter_counts import QuarterCounts, last_day, quarter_of
from taper_sim.rounds.simulated_logs import written_logs
from taper_sim.rounds.small_cells import Cell, hidden_group, hidden_parts
from tests.conftest import ROOT

PEOPLE = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("logs")
    written_logs(path, 1, PEOPLE)
    return path


@pytest.fixture(scope="module")
def logs(folder: Path) -> ClinicLogs:
    return read_logs(folder)


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return report(folder, edition="rounds").html


def by_hand(tmp_path: Path, **files: str) -> QuarterCounts:
    """Counts of the last quarter of files written by hand."""
    tmp_path.mkdir(exist_ok=True)
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text)
    logs = read_logs(tmp_path)
    end = last_day(logs)
    return QuarterCounts(logs, quarter_of(end, end))


DOSES = "patient_id,date,drug,formulation,dose_mg_per_day,taken_mg_per_day\n"
CHECKINS = "patient_id,date,instrument,value\n"


def test_check_ins_count_by_whole_calendar_weeks_in_care(tmp_path: Path) -> None:
    doses = DOSES + "a,2026-04-06,morphine,ER,90,\nb,2026-04-06,morphine,ER,90,\n"
    days = {"a": (6, 13, 20, 27), "b": (6, 13, 20)}  # Mondays of April 2026; the fifth week has none
    rows = [f"{who},2026-04-{day:02d},pain_nrs,5\n" for who, when in days.items() for day in when]
    counts = by_hand(tmp_path, doses=doses, checkins=CHECKINS + "".join(rows) + "a,2026-05-10,pain_nrs,5\n")
    assert counts.quarter.end == date(2026, 5, 10)
    assert counts.answers["checkins"] == {"a": True, "b": False}  # 5 of 5, 3 of 5 weeks


def test_doses_rises_and_withdrawal_are_counted_from_the_records(tmp_path: Path) -> None:
    rows = [
        "a,2026-01-05,morphine,ER,90,90",
        "a,2026-02-02,morphine,ER,75,75",
        "a,2026-04-20,morphine,ER,90,90",
        "b,2026-01-05,morphine,ER,90,",
        "b,2026-04-20,morphine,ER,75,100",
        "c,2026-01-05,morphine,ER,90,",
        "d,2026-01-05,morphine,ER,90,",
        "d,2026-02-05,morphine,ER,0,",
    ]
    checkins = CHECKINS + "a,2026-05-01,sows_gossop,15\nb,2026-05-01,sows_gossop,14\nc,2026-05-01,phq9_item9,1\n"
    counts = by_hand(tmp_path, doses=DOSES + "\n".join(rows) + "\n", checkins=checkins)
    assert set(counts.care) == {"a", "b", "c"}  # d stopped in the quarter before
    assert counts.answers["rose_again"] == {"a": True, "b": False}  # c was never reduced
    assert counts.answers["as_prescribed"] == {"a": True, "b": False}  # a third more than prescribed
    assert counts.answers["withdrawal"] == {"a": True, "b": False, "c": False}
    assert counts.events["c"] == {"Thoughts of suicide, crisis": 1}
    assert counts.people("adverse") == Cell(2, 3)


def test_an_alert_is_in_time_by_the_urgency_of_its_flag_or_its_own_hours(tmp_path: Path) -> None:
    alerts = (
        "patient_id,alert,raised,owner,answered,due_h\n"
        "a,suicidal_intent,2026-05-01T10:00,nurse,2026-05-01T10:59,\n"  # an emergency: an hour
        "a,suicidal_intent,2026-05-02T10:00,nurse,2026-05-02T11:01,\n"
        "a,pain_flare,2026-05-03T10:00,nurse,2026-05-06T09:59,\n"  # 72 hours
        "a,pain_flare,2026-05-31T10:00,nurse,,\n"  # may still be answered in time
        "a,pain_flare,2026-05-04T10:00,nurse,,\n"  # overdue
        "a,our own alert,2026-05-05T10:00,nurse,2026-05-05T12:30,2\n"
    )
    doses = DOSES + "a,2026-01-05,morphine,ER,90,\n"
    counts = by_hand(tmp_path, doses=doses, checkins=CHECKINS + "a,2026-05-31,pain_nrs,5\n", alerts=alerts)
    assert counts.alerts() == Cell(2, 5, is_of_people=False)
    late = [case for case in cases_of(counts.logs, date(2026, 5, 31)) if case.reason == "Overdue"]
    assert len(late) == 1 and "open since 2026-05-04" in late[0].why and "05-31" not in late[0].why


def test_cases_follow_from_the_rules_and_the_characteristics(tmp_path: Path) -> None:
    doses = DOSES + "".join(
        f"{row}\n"
        for row in (
            "a,2026-01-05,morphine,ER,90,",
            "a,2026-01-05,lorazepam,IR,2,",
            "b,2026-01-05,morphine,ER,90,",
            "c,2026-01-05,morphine,ER,90,",
        )
    )
    patients = "patient_id,sleep_apnoea,renal_impairment\na,0,0\nb,1,1\nc,0,0\n"
    checkins = CHECKINS + "a,2026-05-31,pain_nrs,5\nb,2026-05-31,pain_nrs,5\nc,2026-05-01,pain_nrs,5\n"
    logs = by_hand(tmp_path, doses=doses, checkins=checkins, patients=patients).logs
    result = {(case.reason, case.patient_id) for case in cases_of(logs, date(2026, 5, 31))}
    assert result == {
        ("Polypharmacy", "a"),
        ("Renal impairment", "b"),
        ("Sleep-disordered breathing", "b"),
        ("Overdue", "c"),
    }


def test_an_offer_that_nobody_decided_is_overdue_and_late(tmp_path: Path) -> None:
    offer = {"kind": "offered", "id": "1", "patient_id": "a", "as_of": "2026-05-01", "status": "recommend"}
    offer |= {"chosen": "hold", "offered": ["hold"], "blocked": {}}
    decision = {"kind": "decided", "offer": "2", "patient_id": "b", "on": "2026-05-20", "did": "hold"}
    append_to_log(tmp_path / "decisions.jsonl", [offer, offer | {"id": "2", "patient_id": "b"}, decision])
    doses = DOSES + "a,2026-01-05,morphine,ER,90,\nb,2026-01-05,morphine,ER,90,\n"
    checkins = CHECKINS + "a,2026-05-31,pain_nrs,5\nb,2026-05-31,pain_nrs,5\n"
    counts = by_hand(tmp_path, doses=doses, checkins=checkins)
    assert counts.decisions() == Cell(0, 2)  # none, and after 19 days
    assert [c.patient_id for c in cases_of(counts.logs, date(2026, 5, 31)) if "not decided" in c.why] == ["a"]


@pytest.mark.parametrize(
    ("parts", "total", "hidden"),
    [
        ({"a": 5, "b": 20, "c": 30}, 55, {"a", "b"}),  # a would follow from the total
        ({"a": 6, "b": 7, "c": 30}, 43, {"a", "b"}),
        ({"a": 2, "b": 3, "c": 30, "d": 40}, 75, {"a", "b", "c"}),  # two hidden parts of 5 together
        ({"a": 0, "b": 20}, 20, set()),
        ({"a": 4, "b": 0}, 4, {"a", "b"}),
    ],
)
def test_no_small_part_follows_from_the_total(parts: dict[str, int], total: int, hidden: set[str]) -> None:
    assert hidden_parts(parts, total) == hidden


def test_a_count_its_rest_and_a_group_beside_the_others_are_hidden() -> None:
    assert Cell(10, 60).is_small and Cell(55, 60).is_small and Cell(0, 10).is_small
    assert not Cell(11, 60).is_small and not Cell(0, 60).is_small and not Cell(60, 60).is_small
    assert hidden_group(Cell(20, 50), Cell(3, 10)) and not hidden_group(Cell(20, 50), Cell(0, 30))


def test_the_numbers_of_the_page_are_those_of_the_logs(logs: ClinicLogs, folder: Path) -> None:
    table = report(folder, edition="rounds").table.set_index(["protocol", "outcome"])
    end = last_day(logs)
    counts = QuarterCounts(logs, quarter_of(end, end))
    compared = 0
    for name, answers in counts.answers.items():
        cell = Cell(sum(answers.values()), len(answers))
        assert ((counts.quarter.name, name) in table.index) == (not cell.is_small)
        if not cell.is_small:
            assert table.loc[(counts.quarter.name, name), "people"] == pytest.approx(100.0 * cell.count / cell.n)
            compared += 1
    assert compared >= 2
    assert counts.quarter.before.name == "2026 Q1" and counts.quarter.before.end == date(2026, 3, 31)


def test_the_page_shows_ids_in_the_cases_only_and_nothing_from_elsewhere(page: str) -> None:
    before, cases = page.split('id="part-cases"')
    assert "p001" not in before and "p0" in cases.split("</details>")[0]
    assert "p0" not in cases.split("</details>", 1)[1]
    assert 'class="printed"' not in cases.split(">", 1)[0]
    assert "http" not in page and "<script" not in page
    assert "Research use: not clinically reviewed." in page


def test_folders_of_patients_are_read_as_one_clinic(folder: Path, logs: ClinicLogs, tmp_path: Path) -> None:
    for who in list(logs.histories)[:12]:
        place = tmp_path / f"of-{who}"
        place.mkdir()
        for name in ("doses.csv", "checkins.csv"):
            table = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
            table[table["patient_id"] == who].to_csv(place / name, index=False)
    shutil.copy(ROOT / "examples" / "assessment.yaml", tmp_path / "of-p001" / "baseline.yaml")
    result = read_logs(tmp_path)
    assert result.histories.keys() == set(list(logs.histories)[:12])
    assert result.histories["p002"].checkins == logs.histories["p002"].checkins
    assert set(result.traits) == {"p001"}
    assert any("decisions.jsonl" in note for note in result.notes)


def spoil(name: str, old: str, new: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text((folder / name).read_text().replace(old, new, 1))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (spoil("alerts.csv", "T", " at "), "alerts.csv: row 2, raised: given "),
        (spoil("feedback.csv", ",patient,", ",neighbour,"), "source: given neighbour; allowed: patient or caregiver"),
        (spoil("feedback_codes.csv", "heard", "listened"), "code: given heard"),
        (
            spoil("patients.csv", "video", "telepathy"),
            "modality: given telepathy; allowed: one of video, phone, in_person",
        ),
        (spoil("doses.csv", "morphine", "morfine"), "given drug morfine is not in the formulary"),
        (lambda folder: (folder / "doses.csv").unlink(), "given no doses.csv; allowed: a folder of logs"),
    ],
)
def test_bad_input_is_a_line_a_problem_and_no_page(
    change: Callable[[Path], None], line: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "logs"))
    change(copy)
    out = tmp_path / "rounds.html"
    assert main(["report", str(copy), "--edition", "rounds", "--out", str(out)]) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert any(line in error for error in errors) and all(": given " in error for error in errors)
    assert not out.exists()


def test_options_of_a_run_are_refused_and_an_edition_must_exist(folder: Path) -> None:
    with pytest.raises(InputError, match="--against: given together with --edition rounds"):
        report(folder, edition="rounds", against=folder)
    with pytest.raises(InputError, match="--edition: given weekly; allowed: committee or rounds"):
        report(folder, edition="weekly")


def test_the_shipped_set_is_that_of_the_command_and_can_be_copied(tmp_path: Path) -> None:
    shipped = ROOT / "examples" / "rounds"
    written = written_logs(tmp_path / "made")
    assert {path.name for path in written} == {path.name for path in shipped.iterdir()}
    assert all(path.read_bytes() == (shipped / path.name).read_bytes() for path in written)
    copied = copy_example("rounds", tmp_path)
    assert sorted(path.name for path in copied) == sorted(path.name for path in shipped.iterdir())
    assert all(path.parent == tmp_path / "rounds" for path in copied)


def test_the_last_day_ignores_doses_that_are_planned(tmp_path: Path) -> None:
    doses = DOSES + "a,2026-01-05,morphine,ER,90,\na,2026-12-01,morphine,ER,75,\n"
    counts = by_hand(tmp_path, doses=doses, checkins=CHECKINS + "a,2026-05-31,pain_nrs,5\n")
    assert counts.quarter.name == "2026 Q2" and datetime(2026, 5, 31).date() == counts.quarter.end
