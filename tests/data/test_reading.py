"""Each rule of reading leaves its line, no rule speaks where it was not needed, and what came later says nothing."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from taper_sim.data.doses import read_histories
from taper_sim.data.formulary import find_drug
from taper_sim.data.reading import record_notes
from taper_sim.data.records import CheckIn, DoseRow, History

START = date(2026, 1, 1)
MORPHINE = find_drug("morphine", "ER")


def on(day: int, instrument: str, value: float, entered: int | None = None) -> CheckIn:
    """A report so many days after the start."""
    later = None if entered is None else START + timedelta(days=entered)
    return CheckIn(START + timedelta(days=day), instrument, value, entered=later)


def taking(day: int, dose: float, taken: float | None = None, *, needed: bool = False, copies: int = 0) -> DoseRow:
    """A dose of morphine so many days after the start."""
    return DoseRow(START + timedelta(days=day), MORPHINE, dose, taken, needed, copies=copies)


DOSE = (taking(0, 90.0),)


@pytest.mark.parametrize(
    ("reports", "rows", "said"),
    [
        ([on(6, "pain_nrs", 5, entered=20)], DOSE, "1 check-in(s) written down later, by up to 14 days"),
        ([on(1, "pain_nrs", 4), on(1, "pain_nrs", 9)], DOSE, "two different reports: the model takes their mean"),
        ([on(1, "pain_nrs", 4), on(16, "pain_nrs", 4)], DOSE, "up to 14 days: missing values are not imputed"),
        ([on(0, "sows", 12), on(10, "sows_gossop", 4)], DOSE, "sows_gossop instead of sows from 2026-01-11"),
        ([*(on(d, "pain_nrs", 5) for d in range(5)), on(4, "peg", 5), on(11, "peg", 5)], DOSE, "peg instead of"),
        ([on(0, "phq9", 9), on(14, "phq8", 9)], DOSE, "phq8 instead of phq9"),
        ([on(0, "bwsq", 9), on(9, "ciwa_b", 9)], DOSE, "ciwa_b instead of bwsq"),
        ([on(0, "phq9", 9), on(3, "phq9", 8)], DOSE, "phq9 looks back 14 days and was sent more often"),
        ([on(3, "opioid_taken_mme", 45)], DOSE, "first 2026-01-04: 45 of 90 MME"),
        ([on(3, "opioid_taken_mme", 120)], (taking(0, 90.0, needed=True),), "another opioid dose than prescribed"),
        ([on(-9, "pain_nrs", 5)], DOSE, "before, no dose is known"),
        ([], (taking(0, 90.0, taken=60.0),), "the dose taken differs from the dose prescribed"),
        ([], (taking(0, 90.0, copies=2),), "2 repeated dose row(s): counted once"),
        ([], (*DOSE, DoseRow(START, find_drug("oxycodone", "IR"), 20.0)), "morphine ER and oxycodone IR"),
    ],
)
def test_every_rule_leaves_its_line(reports: list[CheckIn], rows: tuple[DoseRow, ...], said: str) -> None:
    notes = record_notes(History("a", tuple(reports), rows))
    assert len(notes) == 1 and said in notes[0], notes


@pytest.mark.parametrize(
    ("reports", "rows"),
    [
        ([on(d, "pain_nrs", 5) for d in range(20)], DOSE),
        ([on(d, "pain_nrs", 5) for d in range(20)] + [on(d, "peg", 5) for d in (0, 7, 14)], DOSE),
        ([on(d, "pain_nrs", 5) for d in range(20)] + [on(9, "promis_pi", 60)], DOSE),
        ([on(3, "opioid_taken_mme", 80)], DOSE),
        ([on(3, "opioid_taken_mme", 20)], (taking(0, 90.0, needed=True),)),
        ([on(3, "opioid_taken_mme", 90)], (*DOSE, taking(4, 60.0))),
        ([on(0, "phq9", 9), on(14, "phq9", 9)], DOSE),
        ([on(0, "sows", 12), on(5, "phq8", 4)], DOSE),
    ],
)
def test_no_rule_speaks_where_it_was_not_needed(reports: list[CheckIn], rows: tuple[DoseRow, ...]) -> None:
    assert record_notes(History("a", tuple(reports), rows)) == []


def test_what_came_later_says_nothing_of_an_earlier_day() -> None:
    early: Sequence[CheckIn] = [on(d, "sows", 5) for d in range(3)]
    late = [on(40, "sows_gossop", 4), on(40, "sows_gossop", 9), on(1, "pain_nrs", 3, entered=41)]
    then = START + timedelta(days=30)
    whole = History(
        "a", (*early, *late), (*DOSE, taking(35, 60.0, taken=30.0)), dated=((START + timedelta(days=33), "an order"),)
    )
    assert whole.as_of(then) == History("a", tuple(early), DOSE)
    assert record_notes(whole.as_of(then)) == [] and len(record_notes(whole)) == 6


def test_a_row_that_occurs_twice_in_a_file_is_counted_once_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("patient_id,date,drug,formulation,dose_mg_per_day\n" + "a,2026-01-01,morphine,ER,90\n" * 2)
    history = read_histories(None, path)["a"]
    assert len(history.doses) == 1 and "1 repeated dose row(s)" in record_notes(history)[0]
