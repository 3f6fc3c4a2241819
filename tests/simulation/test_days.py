"""A course lived day by day, and orders that wait."""

from pathlib import Path

import numpy as np
import pytest

from taper_sim.model.compiled import rows
from taper_sim.policies.catalogue import build_policy
from taper_sim.policies.interface import Order, Policy
from taper_sim.scenario.building import build_cohort, care_plan
from taper_sim.scenario.schema import CareEntry, CohortEntry
from taper_sim.simulation.days import Days, run
from taper_sim.simulation.ensemble import from_prior
from tests.conftest import MORPHINE_SOME_LORAZEPAM

FOLDER = Path(__file__).resolve().parent.parent.parent / "scenarios"
N_DAYS, SEED = 70, 4
CALLS = (
    "linear(pct=10, every=14)",
    "linear(pct=10, every=28, start_day=29) + rotate(methadone, IR, day=1, start_pct=75)",
    "exponential(pct=10, every=28) + adjunct(lofexidine)",
    'adaptive("rules/symptom_guided.yaml")',
)


@pytest.fixture(scope="module")
def people():
    entry = CohortEntry(patients=40, classes=MORPHINE_SOME_LORAZEPAM)
    return build_cohort(entry, SEED, FOLDER), from_prior(SEED, 2), care_plan(CareEntry())


def policy(call):
    return build_policy(call, file="test", folder=FOLDER)


@pytest.mark.parametrize("call", CALLS)
def test_a_course_lived_day_by_day_is_the_same_to_the_bit(call, people):
    cohort, ensemble, care = people
    whole = run(cohort, policy(call), ensemble, SEED, N_DAYS, care, snapshot_days=[7, 35])
    days = Days(cohort, policy(call), ensemble, SEED, N_DAYS, care, snapshot_days=[7, 35])
    for day in range(1, N_DAYS + 1):
        days.decide(day, waits=np.zeros(len(cohort), dtype=bool))
        days.live(day, day)
        assert not days.waiting.any()
    daily = days.course()
    assert all(np.array_equal(whole.end[row], daily.end[row]) for row in whole.end)
    assert all(np.array_equal(whole.sums[N_DAYS][row], daily.sums[N_DAYS][row]) for row in whole.sums[N_DAYS])
    assert np.array_equal(whole.snapshots, daily.snapshots, equal_nan=True)
    assert np.array_equal(whole.rounding, daily.rounding) and np.array_equal(whole.ordered, daily.ordered)


def lived(days, until, waits):
    doses = []
    for day in range(1, until + 1):
        days.decide(day, waits=waits(day))
        days.live(day, day)
        doses.append(days.a.get3(days.a.params, rows.DOSE))
    return np.array(doses)


def test_who_waits_goes_on_as_before_and_nobody_else_is_changed(people):
    cohort, ensemble, care = people
    some = np.arange(len(cohort)) % 2 == 0
    call = "linear(pct=10, every=14)"
    free = lived(Days(cohort, policy(call), ensemble, SEED, 42, care), 42, lambda day: some & False)
    held = lived(Days(cohort, policy(call), ensemble, SEED, 42, care), 42, lambda day: some)
    assert (held[:, some] == cohort.dose[some]).all()
    assert np.array_equal(held[:, ~some], free[:, ~some])
    assert (free[-1, :, 0] < cohort.dose[:, 0]).any()


def test_a_late_order_makes_up_for_no_step_that_was_missed(people):
    """Held for two of three steps: the third decision cuts by one step, not by three."""
    cohort, ensemble, care = people
    days = Days(cohort, policy("linear(pct=10, every=14)"), ensemble, SEED, 70, care)
    everybody = np.ones(len(cohort), dtype=bool)
    doses = lived(days, 57, lambda day: everybody & (day < 29))
    share = doses[:, :, 0].sum(axis=1) / cohort.dose[:, 0].sum()
    assert share[27] == 1.0
    assert share[28] == pytest.approx(0.9, abs=0.01)  # day 29
    assert share[42] == pytest.approx(0.8, abs=0.01)
    assert days.waiting.all()  # still behind what the policy wants


def test_an_order_signed_between_decisions_is_followed_the_next_day(people):
    cohort, ensemble, care = people
    days = Days(cohort, policy("linear(pct=10, every=14)"), ensemble, SEED, 70, care)
    everybody = np.ones(len(cohort), dtype=bool)
    doses = lived(days, 10, lambda day: everybody & (day < 6))
    assert (doses[4] == cohort.dose).all() and (doses[5, :, 0] <= cohort.dose[:, 0]).all()
    assert doses[5, :, 0].sum() < 0.95 * cohort.dose[:, 0].sum()


def test_a_policy_does_not_see_what_nobody_has_read(people):
    cohort, ensemble, care = people
    seen = []

    class Watching(Policy):
        name, sees_reports = "watching()", True

        def decision_days(self, n_days):
            return range(1, n_days + 1, 7)

        def start(self, patients):
            return None

        def decide(self, memory, observation):
            seen.append(observation.reports)
            return Order(observation.dose_fraction)

    days = Days(cohort, Watching(), ensemble, SEED, 14, care)
    unread = np.zeros((len(cohort), 7), dtype=bool)
    unread[3, 2:] = True
    for day in range(1, 9):
        days.decide(day, unread=unread if day == 8 else None)
        days.live(day, day)
    pain = seen[1]["pain_nrs"]
    assert np.isnan(pain[3, 2:]).all() and not np.isnan(pain).all()
    open_ = Days(cohort, Watching(), ensemble, SEED, 14, care)
    for day in range(1, 9):
        open_.decide(day)
        open_.live(day, day)
    everything = seen[3]["pain_nrs"]
    assert np.array_equal(np.where(unread, np.nan, everything), pain, equal_nan=True)
