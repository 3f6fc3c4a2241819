"""From records to days: the start of a record, the first change, the original dose."""

from datetime import date, timedelta

import numpy as np
import pytest

from taper_sim.data.drugs_taken import equivalents_of
from taper_sim.data.formulary import find_drug
from taper_sim.data.patient import Patient
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.inference.record import NoDoseHistory, PatientRecord, first_cut_of, record_of, regimen_of, used_by_model

TODAY = date(2026, 3, 31)


def record(
    *doses: tuple[int, str, str, float], first_checkin: int | None = 30, patient: Patient | None = None
) -> PatientRecord:
    """Record of doses (days ago, drug, form, dose) and of daily check-ins from ``first_checkin`` days ago on."""
    rows = tuple(DoseRow(TODAY - timedelta(days=ago), find_drug(d, f), dose) for ago, d, f, dose in doses)
    days = range(first_checkin + 1) if first_checkin is not None else ()
    checkins = tuple(CheckIn(TODAY - timedelta(days=ago), "pain_nrs", 6.0) for ago in days)
    return record_of(History("p", checkins, rows), TODAY, patient)


@pytest.mark.parametrize("cut_ago", [60, 31, 30, 29, 5])
def test_the_first_cut_is_seen_before_on_and_after_the_first_check_in(cut_ago: int) -> None:
    kept = record((400, "morphine", "ER", 120.0), (cut_ago, "morphine", "ER", 60.0))
    assert kept.start == TODAY - timedelta(days=max(cut_ago, 30) + 1)
    day = (TODAY - timedelta(days=cut_ago) - kept.start).days
    assert first_cut_of(kept) == day >= 1
    dose = regimen_of(kept).dose[:, 0]
    assert dose[0] == dose[day - 1] == 120.0 and dose[day] == dose[-1] == 60.0
    reports, notes = used_by_model(kept)
    assert len(reports) == 31 and not notes  # days before the first check-in have doses and no reports


def test_without_a_cut_nothing_is_made_up() -> None:
    kept = record((400, "morphine", "ER", 120.0))
    assert first_cut_of(kept) is None and kept.start == TODAY - timedelta(days=31)
    alone = record((12, "morphine", "ER", 120.0), first_checkin=None)
    assert first_cut_of(alone) is None and set(regimen_of(alone).dose[:, 0]) == {120.0}


def test_a_record_longer_than_two_years_begins_with_the_dose_of_its_first_day() -> None:
    kept = record((1000, "morphine", "ER", 200.0), (800, "morphine", "ER", 120.0), (100, "morphine", "ER", 60.0))
    assert kept.n_days == 728 and equivalents_of(kept.segments[0][1])[0] == 120.0


def stated(**entry: object) -> Patient:
    """A patient's file with an original dose."""
    drugs = [{"drug": "morphine", "formulation": "ER", "dose_mg_per_day": 60.0}]
    return Patient.model_validate({"id": "p", "drugs": drugs, "original_drugs": [entry]})


def test_the_original_dose_can_be_stated() -> None:
    doses = ((400, "morphine", "ER", 60.0),)
    assert record(*doses).original["opioid"].words == "60 mg a day, 60 MME"
    file = stated(drug="morphine", formulation="ER", dose_mg_per_day=240.0)
    assert record(*doses, patient=file).original["opioid"].words == "240 mg a day, 240 MME"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"drug": "morphine", "formulation": "ER", "dose_mg_per_day": 30.0}, "below today's dose"),
        ({"drug": "buprenorphine", "formulation": "SL film/tablet", "dose_mg_per_day": 16.0}, "cannot be compared"),
    ],
)
def test_a_stated_original_dose_that_cannot_be_one_is_refused(entry: dict[str, object], problem: str) -> None:
    with pytest.raises(NoDoseHistory, match=problem):
        record((400, "morphine", "ER", 60.0), patient=stated(**entry))


@pytest.mark.parametrize("dose", [0.0, -5.0])
def test_a_stated_original_dose_is_above_0(dose: float) -> None:
    with pytest.raises(ValueError, match=r"above 0|0 or more"):
        stated(drug="morphine", formulation="ER", dose_mg_per_day=dose)


def test_every_dose_of_the_record_is_that_of_its_day() -> None:
    kept = record((90, "morphine", "ER", 120.0), (60, "morphine", "ER", 105.0), (20, "morphine", "ER", 90.0))
    ago = np.arange(kept.n_days, -1, -1)
    assert (regimen_of(kept).dose[:, 0] == np.where(ago > 60, 120.0, np.where(ago > 20, 105.0, 90.0))).all()


def test_a_class_begun_within_the_record_is_followed_from_its_first_day() -> None:
    kept = record((400, "morphine", "ER", 120.0), (20, "pregabalin", "IR capsule", 150.0))
    assert kept.classes == (True, False, True)
    dose = regimen_of(kept).dose[:, 2]
    first = kept.n_days - 20
    assert (dose[:first] == 0.0).all() and (dose[first:] == 150.0).all()
    assert kept.days_of_use[2] == 21.0  # a day before the first, the least, and 20 days
    assert any("gabapentinoid begun on 2026-03-11" in note for note in kept.notes)
    assert kept.original["gabapentinoid"].words == "150 mg a day, 150 mg of pregabalin"


def test_a_class_taken_from_the_start_or_never_is_not_begun() -> None:
    kept = record((400, "morphine", "ER", 120.0), (400, "pregabalin", "IR capsule", 150.0))
    assert kept.classes == (True, False, True) and not any("begun" in note for note in kept.notes)
    assert (kept.first_days == 0).all() and kept.days_of_use[2] == kept.use_days[2] + kept.n_days
    assert record((400, "morphine", "ER", 120.0)).classes == (True, False, False)


def test_the_patients_own_interval_is_kept() -> None:
    drugs = [{"drug": "oxycodone", "formulation": "IR", "dose_mg_per_day": 20.0, "interval_h": 6}]
    file = Patient.model_validate({"id": "p", "drugs": drugs})
    (own,) = record((400, "oxycodone", "IR", 20.0), patient=file).now
    assert own.times == 4 and own.unchanged_words == "unchanged: exactly as taken now, 5 mg every 6 h"
    (unknown,) = record((400, "oxycodone", "IR", 20.0)).now
    assert unknown.interval_h is None and unknown.unchanged_words == "unchanged: exactly as taken now"
