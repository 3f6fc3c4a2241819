"""Cohorts as a notebook asks for them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import taper_sim as ts
from taper_sim.scenario.building import build_cohort


def test_a_dose_in_mg_is_that_of_the_drug_named() -> None:
    frame = ts.people(50, drug="oxycodone ER", mg_per_day=120).frame
    assert set(frame["opioid_mg_per_day"]) == {120.0}
    assert set(frame["opioid_mme_per_day"]) == {180.0}


def test_a_dose_in_equivalents_is_converted_to_mg() -> None:
    frame = ts.people(20, drug="oxycodone", formulation="IR", mme_per_day=90).frame
    assert set(frame["opioid_mg_per_day"]) == {60.0}


def test_a_patch_has_mcg_per_h_and_no_mg() -> None:
    frame = ts.people(5, drug="fentanyl", mcg_per_h=25).frame
    assert frame["opioid_mg_per_day"].isna().all()
    assert set(frame["opioid_mcg_per_h"]) == {25.0}


def test_characteristics_hold_for_everybody() -> None:
    cohort = ts.people(
        200,
        drug="morphine ER",
        mg_per_day=(60, 120),
        ptsd=True,
        age=(50, 70),
        mood_disorder=True,
        pain=8,
        caregiver=0.5,
        modality={"video": 0.5, "phone": 0.5},
        benzodiazepine={"drug": "lorazepam", "mg_per_day": 2, "share": 0.5},
    )
    frame = cohort.frame
    assert frame["ptsd"].all() and frame["mood_disorder"].all()
    assert frame["age_years"].between(50, 70).all()
    assert set(frame["pain_nrs_at_start"]) == {8.0}
    assert 0.3 < frame["caregiver"].mean() < 0.7
    assert set(frame["modality"]) == {"video", "phone"}
    assert 0.3 < (frame["benzodiazepine_mg_per_day"] == 2).mean() < 0.7
    assert frame["opioid_mg_per_day"].between(60, 120).all()


def test_a_cohort_comes_back_from_its_files_to_the_bit(tmp_path: Path) -> None:
    cohort = ts.people(
        60,
        drug={"morphine ER": 1, "fentanyl": 1},
        mme_per_day=(50, 200),
        gabapentinoid={"drug": "gabapentin IR", "mg_per_day": 900, "share": 0.4},
    )
    again = build_cohort(cohort.write(tmp_path), 1, tmp_path)
    pd.testing.assert_frame_equal(ts.People(again, 1).frame, cohort.frame, check_exact=True)
    assert (again.keys == cohort.cohort.keys).all()
    assert np.array_equal(again.slot_times, cohort.cohort.slot_times)


def test_a_patients_file_takes_the_drug_of_the_arguments(tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text("patient_id,pain,modality\na,5,phone\nb,7,video\n")
    frame = ts.people(tmp_path / "patients.csv", drug="morphine IR", mg_per_day=60).frame
    assert frame["patient_id"].tolist() == ["a", "b"]
    assert frame["modality"].tolist() == ["phone", "video"]
    assert set(frame["opioid_mg_per_day"]) == {60.0}


def test_person_k_is_the_same_whatever_n_is() -> None:
    few, many = (ts.people(n, drug="morphine ER", mg_per_day=90, age=(40, 60)).frame for n in (5, 40))
    pd.testing.assert_frame_equal(few, many.head(5))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"drug": "oxycodone", "mg_per_day": 30}, '"oxycodone IR" or "oxycodone ER"'),
        ({"drug": "oxycodon ER", "mg_per_day": 30}, "did you mean oxycodone"),
        ({"drug": "morphine ER", "mg_per_day": 30, "ptsdd": True}, "did you mean ptsd"),
        ({"drug": "morphine ER", "mg_per_day": 90000}, "at most 3000"),
        ({"drug": "morphine ER"}, "no dose"),
        ({"drug": "morphine ER", "mg_per_day": 30, "mme_per_day": 30}, "one of mg_per_day and mme_per_day"),
        ({"drug": "buprenorphine SL film/tablet", "mme_per_day": 30}, "no equivalence factor"),
        ({"drug": "fentanyl", "mg_per_day": 3}, "mcg_per_h"),
        ({"drug": "morphine ER", "mg_per_day": 30, "age": (70, 50)}, "a pair of rising numbers"),
        ({"drug": "morphine ER", "mg_per_day": 30, "ptsd": 3}, "the share of people"),
        ({"drug": "morphine ER", "mg_per_day": 30, "modality": "fax"}, "one of video, phone, in_person"),
        ({"drug": "morphine ER", "mg_per_day": 30, "age": (94, 94.0001), "failed_tapers": (9, 10)}, "wider"),
        ({"drug": "morphine ER", "mg_per_day": 30, "seed": -1}, "0 to 2"),
        ({}, "a drug and its dose"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(arguments: dict[str, object], line: str) -> None:
    with pytest.raises(ts.InputError, match=line.replace("(", r"\(")) as error:
        ts.people(5, **arguments)
    assert len(str(error.value).splitlines()) == 1


def test_methadone_is_flagged() -> None:
    assert "methadone" in repr(ts.people(3, drug="methadone", mg_per_day=40))
