"""People of a study have the doses, ages and flags that its coding gives."""

import numpy as np
import pytest

from taper_sim.data.problems import InputError
from taper_sim.evidence.coded_cohorts import read_cohort, read_enrolment
from taper_sim.evidence.study_people import study_people
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.ensemble import draw_of


def sampled(cohort: str, enrolment: str = "", a_draw: int = 200) -> Cohort:
    words = read_enrolment(enrolment, file="", place="")
    return study_people(read_cohort(cohort, file="", place=""), words, a_draw, 10, 1)


def test_a_minimum_cuts_the_doses_off_and_people_do_not_heap_at_it():
    dose = sampled("mme_min=300").dose[:, 0]
    assert (dose > 300 - 1e-6).all()
    assert (dose > 330).mean() > 0.5
    default = sampled("").dose[:, 0]
    # 2,000 people with a log sd of 0.8: standard error of the log median 0.022; tablets round by some %
    assert np.median(default) == pytest.approx(46, rel=0.12)


def test_a_median_and_a_mean_are_those_after_the_cut():
    dose = sampled("mme_min=40;mme_median=80").dose[:, 0]
    assert np.median(dose) == pytest.approx(80, rel=0.1) and dose.min() >= 40 - 1e-6
    dose = sampled("mme_mean=120").dose[:, 0]
    assert dose.mean() == pytest.approx(120, rel=0.1)


def test_days_of_use_are_at_least_the_minimum():
    days = sampled("use_days_min=1500;drug_class=benzodiazepine").use_days[:, 1]
    assert days.min() >= 1500 and np.median(days) > 2000
    assert np.median(sampled("use_days_median=90").use_days[:, 0]) == pytest.approx(90, rel=0.1)


def test_drugs_are_those_of_the_coding():
    assert {drug.drug for drug in sampled("drug=methadone").drugs if drug.drug_class == "opioid"} == {"methadone"}
    short = {drug for drug in sampled("formulation=IR").drugs if drug.drug_class == "opioid"}
    assert {drug.formulation for drug in short} == {"IR"} and "methadone" not in {drug.drug for drug in short}
    pregabalin = sampled("drug=pregabalin;pregabalin_mg=375")
    assert (pregabalin.dose[:, :2] == 0).all() and np.median(pregabalin.dose[:, 2]) == pytest.approx(375, rel=0.1)
    diazepam = sampled("drug_class=benzodiazepine;diazepam_mg=20").dose[:, 1]
    assert np.median(diazepam) == pytest.approx(20, rel=0.12)


def test_doses_of_buprenorphine_are_on_its_own_scale():
    people = sampled("drug=buprenorphine;oud_share=1")
    assert people.buprenorphine.all() and {drug.key for drug in people.drugs if drug.drug_class == "opioid"} == {
        ("buprenorphine", "SL film/tablet")
    }
    mg = people.dose[:, 0]
    # 2,000 people with a log sd of 0.4 cut off at 32 mg, in films of 2 mg: half a film either side of 16 mg
    assert np.median(mg) == pytest.approx(16, abs=2) and mg.min() >= 2 and mg.max() <= 32
    assert np.median(sampled("drug=buprenorphine;buprenorphine_mg=8").dose[:, 0]) == pytest.approx(8, abs=2)
    weak = sampled("drug=buprenorphine;formulation=TD;buprenorphine_mg=0.24").dose[:, 0]
    assert np.median(weak) == pytest.approx(0.24, rel=0.3)  # a patch of 10 mcg/h


def test_shares_and_flags_are_those_of_the_coding():
    people = sampled("oud_share=1;imposed=yes;benzodiazepine_share=1;gabapentinoid_share=0;female=0")
    assert people.flags["oud"].all() and people.flags["imposed"].all() and not people.flags["agreed"].any()
    assert people.taken[:, 1].all() and not people.taken[:, 2].any() and not people.flags["female"].any()
    # 2,000 people: four standard errors of a share of 0.6 are 0.044
    assert sampled("depression_share=0.6").flags["mood_disorder"].mean() == pytest.approx(0.6, abs=0.05)
    assert sampled("veterans=yes").flags["female"].mean() < 0.13 < sampled("").flags["female"].mean()


def test_selection_by_age_and_pain_keeps_the_number_of_people_and_the_mean():
    people = sampled("age_mean=75;pain_nrs_mean=6.7", "aged 65-95; moderate to severe pain")
    assert len(people) == 2000 and np.bincount(draw_of(people.keys, 10)).tolist() == [200] * 10
    assert people.age.min() >= 65 and people.baseline["pain"].min() >= 4
    assert people.age.mean() == pytest.approx(75, abs=1.0)  # sd about 7: four standard errors are 0.6
    assert people.baseline["pain"].mean() == pytest.approx(6.7, abs=0.25)


def test_a_smaller_study_has_the_first_people_of_a_larger_one():
    small, large = sampled("mme_min=50", a_draw=20), sampled("mme_min=50", a_draw=60)
    place = {key: k for k, key in enumerate(large.keys.tolist())}
    same = [place[key] for key in small.keys.tolist()]
    assert np.array_equal(small.dose, large.dose[same])


def test_an_enrolment_that_nobody_meets_is_refused():
    with pytest.raises(InputError, match="people who get in"):
        sampled("", "aged 94-95", a_draw=500)
