"""Patients who are followed: what is kept of them, and what their posterior depends on."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from taper_sim.data.records import CheckIn
from taper_sim.inference import course
from taper_sim.inference.calibrated_prior import calibrated_population
from taper_sim.inference.observation import reports_of
from taper_sim.inference.prior import DEFAULT_POPULATION
from taper_sim.inference.tracker import STREAM_COLUMN, TrackedPatients, reports_from_scores
from taper_sim.policies.adaptive import column_of
from taper_sim.simulation.dispensing import known_of
from taper_sim.simulation.ensemble import drawn_from
from taper_sim.studies.simulated_people import DAILY
from tests.conftest import opioid_cohort


def tracked(n: int = 3, **known) -> TrackedPatients:
    patients = replace(known_of(opioid_cohort(n)), **known)
    return TrackedPatients(patients, column_of(patients, None), 64)


def answers(pain: float) -> np.ndarray:
    values = np.full(len(STREAM_COLUMN), np.nan)
    values[[STREAM_COLUMN[name] for name in ("sows_gossop", "pain_nrs", "function")]] = 4.0, pain, 50.0
    return values


def report_pain(patients: TrackedPatients, rows: list[int], pain: float) -> None:
    days = np.arange(1, 15)
    patients.add_reports(np.array(rows)[:, None], days, answers(pain))


def test_the_last_dose_is_held_over_the_days_ahead() -> None:
    patients = tracked()
    original = patients.patients.dose[1]
    patients.add_doses(np.array([1]), 3, 0.8 * original)
    dose = patients.regimen(1, 3, 5).dose
    assert len(dose) == 1 + 3 + 5
    np.testing.assert_array_equal(dose[:3], np.repeat(original[None], 3, axis=0))  # nothing was added: as before
    np.testing.assert_array_equal(dose[3:], np.repeat(0.8 * original[None], 6, axis=0))


def test_a_reduction_counts_on_its_day_alone_and_for_more_where_it_is_imposed() -> None:
    flags = known_of(opioid_cohort(2)).flags | {"imposed": np.array([False, True])}
    patients = tracked(2, flags=flags)
    patients.add_doses(np.arange(2)[:, None], np.arange(4, 9), 0.5 * patients.patients.dose[:, None])
    agreed, imposed = (patients.regimen(row, 8, 4).cut for row in (0, 1))
    assert np.flatnonzero(agreed).tolist() == np.flatnonzero(imposed).tolist() == [4]
    assert agreed[4] == 1.0 < imposed[4]


def test_the_prior_has_the_centres_from_which_the_people_of_the_run_are_drawn() -> None:
    cohort = opioid_cohort(2)
    means = {}
    for origin in ("prior", "published"):
        patients = known_of(cohort, ensemble=drawn_from(origin, 0, 4))
        means[origin] = TrackedPatients(patients, column_of(patients, None), 64).prior(0, 1, reported=True)
    shipped, fitted = means["prior"], means["published"]
    assert shipped.names == fitted.names
    moved = {name for name, a, b in zip(shipped.names, shipped.mean, fitted.mean, strict=True) if a != b}
    assert moved == {"sigma_opioid", "tau_F_opioid", "tau_L_opioid", "EC50_opioid", "b_opioid", "beta_opioid", "xi"}
    k = fitted.names.index("EC50_opioid")
    assert fitted.mean[k] - shipped.mean[k] == pytest.approx(
        calibrated_population().centre["EC50_opioid"] - DEFAULT_POPULATION.centre["EC50_opioid"]
    )
    unknown = known_of(cohort)  # without an ensemble: the priors
    np.testing.assert_array_equal(
        TrackedPatients(unknown, column_of(unknown, None), 64).prior(0, 1, reported=True).mean, shipped.mean
    )


def test_patients_may_be_at_different_days_and_there_is_room_for_any_day() -> None:
    patients = tracked(2)
    patients.add_doses(np.arange(2), np.array([2, 400]), np.full((2, 3), 7.0))
    patients.add_reports(np.arange(2), np.array([3, 401]), np.repeat(answers(5.0)[None], 2, axis=0))
    assert patients.last_report(0, 500) == 3
    assert patients.last_report(1, 500) == 401
    assert patients.last_report(1, 400) == 0
    assert patients.doses(np.array([1]), np.array([400]))[0, 0] == 7.0
    assert patients.doses(np.array([0]), np.array([400]))[0, 0] == patients.patients.dose[0, 0]


def test_a_posterior_depends_on_that_patients_reports_alone() -> None:
    alone, together = tracked(), tracked()
    report_pain(alone, [0], 8.0)
    report_pain(together, [0], 8.0)
    report_pain(together, [1, 2], 2.0)
    np.testing.assert_array_equal(alone.posterior(0, 14, 14).z, together.posterior(0, 14, 14).z)
    place = course.P0
    worse, better = (together.posterior(row, 14, 14) for row in (0, 1))
    assert worse.mean(worse.values()[:, place]) > better.mean(better.values()[:, place])


def test_reports_of_days_to_come_are_not_read() -> None:
    now, later = tracked(1), tracked(1)
    report_pain(now, [0], 5.0)
    report_pain(later, [0], 5.0)
    later.add_reports(np.array([0]), 15, answers(10.0))
    np.testing.assert_array_equal(now.posterior(0, 14, 14).z, later.posterior(0, 14, 14).z)


def test_a_search_that_starts_at_the_last_mode_is_shorter() -> None:
    patients = tracked(1)
    report_pain(patients, [0], 9.0)
    first, second = patients.posterior(0, 14, 14), patients.posterior(0, 14, 14)
    assert second.mode_steps < first.mode_steps


def test_the_drift_ahead_is_in_the_posterior_where_it_is_wanted() -> None:
    patients = tracked(1)
    report_pain(patients, [0], 5.0)
    pieces = {
        to: sum(name.startswith("drift") for name in patients.posterior(0, 14, to).prior.names) for to in (14, 28, 29)
    }
    assert pieces == {14: 1, 28: 1, 29: 2}


def test_patients_without_a_formulation_are_refused() -> None:
    with pytest.raises(ValueError, match="half_life_h and trough_mean"):
        tracked(1, half_life_h=None)


def test_reports_reports_from_scores_at_once_are_those_reports_from_scores_one_by_one() -> None:
    generator = np.random.default_rng(3)
    values = np.floor(generator.random((40, 5)) * [31, 11, 11, 11, 101])
    values[generator.random((40, 1))[:, 0] < 0.3] = np.nan
    values[5, 0] = 0.0
    reports = [
        (day + 1, CheckIn(date(2026, 1, 5), name, float(values[day, k])))
        for day in range(40)
        for k, name in enumerate(DAILY)
        if not np.isnan(values[day, k])
    ]
    one_by_one = reports_of(reports, np.zeros(41, dtype=np.int64), np.zeros(41))
    at_once = reports_from_scores(values, DAILY, 0)
    for name in one_by_one._fields:
        np.testing.assert_array_equal(getattr(at_once, name), getattr(one_by_one, name), err_msg=name)
