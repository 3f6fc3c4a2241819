"""To hold is to go on exactly as now: own intervals, as-needed medicine, combinations; only a change has tablets."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from taper_sim.data.doses import read_doses
from taper_sim.data.drugs_taken import DrugTaken
from taper_sim.data.formulary import find_drug
from taper_sim.data.problems import InputError
from taper_sim.data.records import DoseRow, History, Unread
from taper_sim.inference.record import record_of
from taper_sim.recommend.choice import situation_of
from taper_sim.recommend.options import Option, options_of, schedule_of
from taper_sim.safety.current_values import equivalents_shown
from taper_sim.safety.limits import Limits

OXYCODONE = DrugTaken(find_drug("oxycodone", "IR"), 20.0, 4, interval_h=6.0, product="oxycodone-acetaminophen 5-325")
LORAZEPAM = DrugTaken(find_drug("lorazepam", "IR"), 2.0, 2, as_needed=True)
TODAY = date(2026, 3, 31)
DATES = [(TODAY + timedelta(days=d)).isoformat() for d in range(90)]
HEADER = "patient_id,date,drug,formulation,dose_mg_per_day,interval_h,as_needed\n"


def rows_of_file(tmp_path: Path, *lines: str) -> Path:
    """A file of doses with these lines."""
    path = tmp_path / "doses.csv"
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return path


def test_holding_changes_nothing() -> None:
    rows = schedule_of(Option("hold", "hold"), (OXYCODONE, LORAZEPAM), DATES)
    assert [row["tablets"] for row in rows] == [
        "unchanged: exactly as taken now, oxycodone-acetaminophen 5-325, 5 mg every 6 h",
        "unchanged: exactly as taken now, as needed, at most 2 mg a day",
    ]
    assert [(row["dose_mg_per_day"], row["interval_h"], row["as_needed"]) for row in rows] == [
        (20.0, 6.0, False),
        (2.0, None, True),
    ]


def test_a_reduction_rewrites_what_it_reduces_and_nothing_else() -> None:
    less = DrugTaken(OXYCODONE.drug, 10.0, 4, interval_h=6.0)
    rows = schedule_of(Option("reduce", "reduce", steps=((1, (less, LORAZEPAM)),)), (OXYCODONE, LORAZEPAM), DATES)
    assert "half of a 5 mg tablet" in str(rows[0]["tablets"]) and "at noon" in str(rows[0]["tablets"])
    assert str(rows[1]["tablets"]).startswith("unchanged")


def test_a_reduction_keeps_the_interval_and_as_needed(tmp_path: Path) -> None:
    lines = ("p,2025-01-01,oxycodone,IR,40,6,", "p,2025-01-01,lorazepam,IR,8,,yes")
    doses = read_doses(rows_of_file(tmp_path, *lines))["p"]
    record = record_of(History("p", (), doses), date(2026, 3, 31))
    assert {slot.drug.drug: (slot.times, slot.as_needed) for slot in record.now} == {
        "oxycodone": (4, False),
        "lorazepam": (record.now[0].times, True),
    }
    options = options_of(situation_of(record, 0, Limits()), Limits(), 84)
    hold = next(o for o in options if o.kind == "hold")
    assert all(str(row["tablets"]).startswith("unchanged") for row in schedule_of(hold, record.now, DATES))
    stepped = [o for o in options if o.kind == "reduce" and o.steps]
    assert {o.drug_class for o in stepped} == {"opioid", "benzodiazepine"}
    for option in stepped:
        for _, slots in option.steps:
            for slot in slots:
                now = next(s for s in record.now if s.drug == slot.drug)
                assert (slot.times, slot.interval_h, slot.as_needed) == (now.times, now.interval_h, now.as_needed)


def test_patches_say_how_long_each_is_worn() -> None:
    patch = DrugTaken(find_drug("fentanyl", "TD"), 50.0, 1, interval_h=48.0)
    assert patch.unchanged_words == "unchanged: exactly as taken now, a new patch every 48 h"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("p,2025-01-01,oxycodone,IR,20,5,", "interval_h 5 given"),
        ("p,2025-01-01,oxycodone,IR,20,0,", "row 2, interval_h"),
        ("p,2025-01-01,oxycodone,IR,20,six,", "row 2, interval_h"),
        ("p,2025-01-01,oxycodone,IR,20,,sometimes", "row 2, as_needed"),
    ],
)
def test_a_wrong_interval_or_as_needed_is_one_line(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as error:
        read_doses(rows_of_file(tmp_path, line))
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("unread", "opioid", "benzodiazepine"),
    [
        ((), 30.0, 0.0),
        ((Unread("x", drug_class="opioid"),), None, 0.0),
        ((Unread("x", drug_class="benzodiazepine"),), 30.0, None),
        ((Unread("x"),), None, None),  # nobody knows of which class
        ((Unread("x", date(2026, 5, 1), drug_class="opioid"),), 30.0, 0.0),  # it began later
    ],
)
def test_a_dose_that_could_not_be_read_is_unknown_and_not_0(
    unread: tuple[Unread, ...], opioid: float | None, benzodiazepine: float | None, tmp_path: Path
) -> None:
    doses = read_doses(rows_of_file(tmp_path, "p,2025-01-01,oxycodone,IR,20,,"))["p"]
    shown = equivalents_shown(History("p", (), doses, unread=unread), date(2026, 3, 31))
    assert (shown["opioid"], shown["benzodiazepine"]) == (opioid, benzodiazepine)


def test_an_opioid_taken_as_needed_is_not_changed_to_extended_release() -> None:
    assert [name for name in rotations(as_needed=False) if "to ER" in name]
    assert not [name for name in rotations(as_needed=True) if "to ER" in name]


def rotations(*, as_needed: bool) -> list[str]:
    """Names of the options that change an oxycodone of 20 mg a day."""
    row = DoseRow(TODAY - timedelta(days=400), find_drug("oxycodone", "IR"), 20.0, as_needed=as_needed)
    situation = situation_of(record_of(History("p", (), (row,), {}), TODAY, None), 0, Limits())
    return [option.name for option in options_of(situation, Limits(), 84) if option.kind == "rotate"]
