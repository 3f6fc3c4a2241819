"""What a statistic takes from a simulated course."""

import numpy as np
import pytest

from taper_sim.comparison.outcome_window import OutcomeWindow
from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.evidence.coded_arms import care_of, read_arm, setting_of
from taper_sim.evidence.coded_cohorts import Enrolment, read_cohort
from taper_sim.evidence.study_measures import Measured, Reading, simulate_readings
from taper_sim.evidence.study_people import study_people
from taper_sim.simulation import days
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.ensemble import Ensemble, from_prior

SEED = 3
ABRUPT = "abrupt()"


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    return from_prior(SEED, 4)


@pytest.fixture(scope="module")
def people() -> Cohort:
    return study_people(read_cohort("oud_share=1;mme_min=90", file="", place=""), Enrolment(), 64, 4, SEED)


def taken(
    people: Cohort, ensemble: Ensemble, arm: str, *readings: Reading, words: Enrolment | None = None
) -> list[Measured]:
    policy = read_arm(arm, file="", place="").policy()
    return simulate_readings(people, policy, ensemble, SEED, care_of(policy, words or Enrolment()), readings)


def reading(outcome: str, family: str, day: int, follow: int | None = None, words: Enrolment | None = None) -> Reading:
    return Reading.of(outcome, family, day, follow or day, words or Enrolment(), ())  # type: ignore[arg-type]


def test_readings_of_several_days_are_those_of_runs_of_these_lengths(people: Cohort, ensemble: Ensemble):
    names = ("discontinued", "dose_end_mme", "withdrawal_sows_gossop", "retained", "velocity_max_pct_per_month")
    families = {"discontinued": "share", "retained": "share"}
    wanted = [reading(name, families.get(name, "value"), day) for day in (20, 45) for name in names]
    arm = "linear(pct=20, every=7)"
    policy = read_arm(arm, file="", place="").policy()
    got = taken(people, ensemble, arm, *wanted)
    for which, measured in zip(wanted, got, strict=True):
        course = days.run(people, policy, ensemble, SEED, which.day, care_of(policy, Enrolment()))
        alone = np.asarray(BY_NAME[which.outcome].of(OutcomeWindow(course, which.day, which.day)), dtype=np.float64)
        kept = measured.base > 0
        assert np.array_equal(kept, ~np.isnan(alone)), which
        assert np.array_equal(measured.top[kept], alone[kept]), which


def test_a_window_counts_its_last_days_only(people: Cohort, ensemble: Ensemble):
    whole, first, second = taken(
        people,
        ensemble,
        ABRUPT,
        reading("urgent_visit", "rate", 60),
        reading("urgent_visit", "rate", 30),
        reading("urgent_visit", "rate", 60, 30),
    )
    assert np.allclose(whole.top, first.top + second.top) and whole.top.sum() > 0
    assert np.allclose(whole.base, first.base + second.base)
    assert whole.base.max() == pytest.approx(60 / 36525)


def test_an_earlier_event_takes_a_person_out_of_the_risk_set(people: Cohort, ensemble: Ensemble):
    early, late = taken(
        people, ensemble, ABRUPT, reading("urgent_visit", "share", 30), reading("urgent_visit", "hazard", 60, 30)
    )
    # urgent visits are expected numbers: who had one with probability p stays at risk with probability 1 - p
    assert early.top.max() > 0.05
    assert (late.base[:, 0] <= 1 - early.top + 1e-9).all() and (late.base[:, 0] > 0.9 - early.top).all()
    assert (late.top <= late.base).all() and (late.top.sum(axis=1) <= 1).all()


def test_expected_overdoses_agree_with_the_counted_ones(ensemble: Ensemble):
    """The expected number of first overdoses has the counted number within its Poisson error."""
    many = study_people(read_cohort("oud_share=1;mme_min=200", file="", place=""), Enrolment(), 1600, 4, SEED)
    policy = read_arm("constant()", file="", place="").policy()
    care = care_of(policy, Enrolment())
    (expected,) = simulate_readings(many, policy, ensemble, SEED, care, [reading("overdose", "share", 365)])
    course = days.run(many, policy, ensemble, SEED, 365, care)
    counted = BY_NAME["overdose"].of(OutcomeWindow(course, 365, 365)).sum()
    assert counted > 50
    assert abs(expected.top.sum() - counted) < 4.0 * np.sqrt(counted) + 0.03 * counted  # fatal ones end the sum
    assert 0 < expected.top.max() < 1


def test_people_who_leave_at_will_are_measured_until_they_leave(people: Cohort, ensemble: Ensemble):
    words, trial = Enrolment(leaves_at_will=True), Enrolment(open_label=True)  # many leave an open trial
    everybody, in_care = taken(
        people,
        ensemble,
        ABRUPT,
        reading("withdrawal_sows_gossop", "value", 7),
        reading("withdrawal_sows_gossop", "value", 7, words=words),
        words=trial,
    )
    (stay,) = taken(people, ensemble, ABRUPT, reading("retained", "share", 7), words=trial)
    stayed = stay.top > 0
    assert 0 < stayed.sum() < len(people)
    assert np.allclose(in_care.top[stayed], everybody.top[stayed])
    left = ~stayed & (in_care.base > 0)
    assert left.any() and not np.allclose(in_care.top[left], everybody.top[left])


def test_completers_are_those_in_care_on_the_day(people: Cohort, ensemble: Ensemble):
    words = Enrolment(completers=True)
    completers, retained = taken(
        people, ensemble, ABRUPT, reading("pain_nrs", "value", 14, words=words), reading("retained", "share", 14)
    )
    assert np.array_equal(completers.base > 0, retained.top > 0)


def test_an_outcome_that_happens_once_ends_the_time_at_risk(people: Cohort, ensemble: Ensemble):
    (stops,) = taken(people, ensemble, "rapid(days=21)", reading("discontinued", "rate", 60))
    stopped = stops.top == 1
    assert stopped.any() and (stops.base[stopped] <= 21 / 36525 + 1e-12).all()  # tablets may end a taper earlier
    assert stops.base[stopped].min() > 14 / 36525 and stops.base[~stopped].max() == pytest.approx(60 / 36525)


def test_visits_are_shares_of_appointments(people: Cohort, ensemble: Ensemble):
    kept, missed = taken(
        people, ensemble, "constant()", reading("visit_completion", "share", 56), reading("no_show", "share", 56)
    )
    assert np.array_equal(kept.top + missed.top, kept.base) and kept.base.max() == 2  # days 1 and 29


def test_mean_change_is_the_day_minus_day_0(people: Cohort, ensemble: Ensemble):
    change, outcome = taken(
        people, ensemble, ABRUPT, reading("pain_nrs", "change", 14), reading("pain_nrs_change", "value", 14)
    )
    assert np.allclose(change.top, outcome.top) and np.abs(change.top).max() > 0.1


def test_only_supported_tapers_add_care():
    inpatient = Enrolment(inpatient=True)
    for text, words, setting in (
        ("constant()", Enrolment(), "usual_care"),
        ("usual_care(taper_share=0.2)", Enrolment(), "usual_care"),
        ("abrupt()", inpatient, "ward"),
        ("abrupt()", Enrolment(inpatient=True, open_label=True), "open_label"),
        ("supported(taper=rapid(days=21), care=team)", Enrolment(), "programme"),
        ("supported(taper=rapid(days=21), care=team)", inpatient, "inpatient_programme"),
    ):
        policy = read_arm(text, file="", place="").policy()
        assert setting_of(policy, words) == setting
        assert bool(care_of(policy, words).planned) == setting.endswith("programme")
