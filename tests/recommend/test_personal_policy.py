"""Personal pace in the simulator: what a row depends on, what it learns, what it never does."""

from dataclasses import replace

import numpy as np
import pytest

from taper_sim.data.problems import InputError
from taper_sim.inference import course as at
from taper_sim.inference import event_columns, rollout
from taper_sim.inference.course import Regimen
from taper_sim.inference.life_block import ORDER, ordered_system
from taper_sim.inference.life_today import NO_LIFE_AHEAD, today_of
from taper_sim.inference.observation import reports_of
from taper_sim.inference.posterior import Evidence, posterior_of
from taper_sim.inference.true_state import TrueState
from taper_sim.inference.warm_start import warm_started_posterior
from taper_sim.model.compiled import rows
from taper_sim.model.pharmacology import level_decay, within_day_shape
from taper_sim.policies.interface import Observation, Order, Patients, Policy
from taper_sim.recommend.personal_decisions import LOSS_DRAWS, _RolledOptions
from taper_sim.scenario.all_policies import build_policy
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.days import Trajectory, run
from taper_sim.simulation.dispensing import known_of
from taper_sim.simulation.ensemble import from_prior
from taper_sim.simulation.layout import CarePlan
from taper_sim.studies.simulated_people import DAILY, population_prior, tapered, until, written
from tests.conftest import SEED, opioid_cohort

CENTRE = from_prior(SEED, 1)


def follow(call: str, cohort: Cohort, n_days: int, *, chance: bool = True) -> Trajectory:
    return run(cohort, build_policy(call, file="test"), CENTRE, SEED, n_days, CarePlan({}), chance=chance)


def with_sigma(cohort: Cohort, sigma: np.ndarray) -> Cohort:
    free = np.full((len(cohort), 3), np.nan)
    free[:, 0] = sigma
    return replace(cohort, fixed={"sigma": free})


def test_a_row_depends_on_that_patient_alone() -> None:
    cohort = opioid_cohort(5)
    together = follow("personal(draws=64)", cohort, 60)
    alone = follow("personal(draws=64)", cohort.take([3]), 60)
    np.testing.assert_array_equal(together.ordered[:, 3], alone.ordered[:, 0])


def test_who_sends_nothing_is_never_tapered_faster_than_guidance_would() -> None:
    cohort = opioid_cohort(4)
    preset = 5.0 * 28 / 42 / 100  # the slowest that fits their days of use
    silence = {name: np.full((4, 28), np.nan) for name in DAILY}
    for call, bounded in (("personal", True), ("prior_only", False)):
        policy = build_policy(f"{call}(draws=64, ceiling=off, risk=0.9)", file="test")
        memory, share = policy.start(known_of(cohort)), np.ones((4, 3))
        cuts = []
        for day in (1, 29, 57):
            order = policy.decide(memory, Observation(day, share, share, silence if day > 1 else {}))
            cuts.append(share[:, 0] - order.dose_fraction[:, 0])
            share = order.dose_fraction
        assert (np.array(cuts) <= preset + 1e-6).all() == bounded


@pytest.mark.parametrize("every", [14, 28])
def test_within_the_ceiling_no_28_days_take_more_than_it_allows(every: int) -> None:
    cohort = opioid_cohort(4)
    course = follow(f"personal(draws=64, every={every}, risk=0.9)", cohort, 70)
    ceiling = np.where(cohort.failed_tapers > 0, 0.05, 0.10)
    by_day = np.ones((71, 4))
    for (first, _), ordered in zip(course.days, course.ordered, strict=True):
        by_day[first:] = ordered[:, 0]
    assert (by_day[:-28] - by_day[28:] <= ceiling + 1e-6).all()
    assert (by_day[1] >= 1.0 - 3.34 / 100).all()  # before a check-in came: the slowest preset


def test_nothing_is_taken_away_in_the_run_in_and_its_check_ins_count() -> None:
    base = opioid_cohort(12)
    cohort = with_sigma(base, np.where(np.arange(12) < 6, 0.3, 6.0))
    course = follow("personal(draws=64, ceiling=off, run_in=21)", cohort, 60, chance=False)
    before = [first < 22 for first, _ in course.days]
    assert (course.ordered[before, :, 0] == 1.0).all()
    # who has been heard may be tapered faster than the slowest preset at her first step
    first_step = course.ordered[[first for first, _ in course.days].index(22), :, 0]
    assert (first_step < 1.0 - 3.34 / 100).any()


def test_an_expected_loss_weighs_its_draws() -> None:
    """With few draws all of them count, by their weights; with many as many as are needed stand for the rest."""
    cohort = opioid_cohort(1)
    policy = build_policy("personal()", file="test")
    memory = policy.start(known_of(cohort))
    luck = np.random.default_rng(2)
    n = LOSS_DRAWS
    values = np.repeat(at.centre_values()[None], 8 * n, axis=0)
    values[:, at.B] = luck.normal(0.0, 1.5, 8 * n)
    regimen = memory.tracked.regimen(0, 0, 364)
    reports = memory.tracked.evidence(0, 0, 0).reports
    today = today_of(values, at.couplings(), regimen.until(0), reports, None, 0)
    shares = np.linspace(1.0, 0.2, 364)

    def loss(weights: np.ndarray, who: np.ndarray) -> float:
        ahead = _RolledOptions(memory, 0, 1, 1.0, regimen, values[who], weights, at.couplings(), today.of(who))
        return ahead.loss(shares)

    skewed = luck.random(8 * n) ** 4
    each = np.array([loss(np.ones(1), np.array([k])) for k in range(n)])
    few = skewed[:n] / skewed[:n].sum()
    assert loss(few, np.arange(n)) == pytest.approx(few @ each, rel=1e-12)
    assert abs(few @ each - each.mean()) > 1e-3
    every = np.array([loss(np.ones(1), np.array([k])) for k in range(8 * n)])
    weights = skewed / skewed.sum()
    assert loss(weights, np.arange(8 * n)) == pytest.approx(weights @ every, abs=4 * every.std() / n)


def test_sensitive_people_are_tapered_more_slowly_only_where_their_check_ins_are_seen() -> None:
    base = opioid_cohort(12)
    sigma = np.where(np.arange(12) < 6, 0.3, 6.0)
    cohort = with_sigma(base, sigma)
    gap = {}
    for call in ("personal(draws=64, ceiling=off)", "prior_only(draws=64, ceiling=off)"):
        share = follow(call, cohort, 113, chance=False).ordered[-1, :, 0]
        gap[call[:5]] = share[6:].mean() - share[:6].mean()
    assert gap["perso"] > gap["prior"] + 0.1


@pytest.mark.parametrize("number", range(3))
def test_less_effort_finds_the_same_posterior(number: int) -> None:
    n_days = 84
    luck = np.random.default_rng(number)
    prior, shared = population_prior("usual", n_days), at.couplings()
    values = prior.values(luck.standard_normal((1, len(prior.names))))[0]
    regimen = until(tapered(10.0, n_days), n_days)
    reports = written(values, shared, regimen, DAILY, luck.random(n_days + 1) < 0.85, luck)
    still = np.zeros(n_days + 1)
    evidence = Evidence(prior, shared, regimen, reports_of(reports, still.astype(np.int64), still))
    full = posterior_of(evidence, 1024)
    near = warm_started_posterior(evidence, np.zeros(len(prior.names)), 1024)
    for k, name in enumerate(prior.names):
        mean = full.weights @ full.z[:, k]
        sd = np.sqrt(full.weights @ (full.z[:, k] - mean) ** 2)
        error = sd * np.sqrt(1 / full.ess + 1 / near.ess)
        assert abs(near.weights @ near.z[:, k] - mean) < 5 * error, name


class _Held(Policy):
    """Hold, and keep the true state of day 29."""

    name, sees_state = "held", True

    def decision_days(self, n_days: int) -> list[int]:
        return [1, 29]

    def start(self, patients: Patients) -> None:
        self.patients = patients

    def decide(self, memory: None, observation: Observation) -> Order:
        if observation.day == 29:
            self.true = TrueState(observation.latent.arrays).of(0)
        return Order(observation.dose_fraction * (0.6 if observation.day == 1 else 1.0))


def test_the_true_state_rolled_out_is_what_the_simulator_does_without_chance() -> None:
    cohort = opioid_cohort(1)
    held: Policy = _Held()
    course = run(cohort, held, from_prior(SEED, 3), SEED, 84, CarePlan({}), chance=False, look_days=(28,))
    values, shared, today = held.true  # type: ignore[attr-defined]
    dose = np.repeat(course.end[rows.PRESCRIBED][:1, None] * [[1.0, 0.0, 0.0]], 85, axis=0)
    arrays = held.patients  # type: ignore[attr-defined]
    decay = np.repeat(level_decay(arrays.half_life_h)[:1], 85, axis=0)
    shape = np.repeat(np.array([within_day_shape(float(t)) for t in arrays.trough_mean[0]])[None], 85, axis=0)
    regimen = Regimen(
        dose,
        np.zeros(85),
        at.cuts_of(np.concatenate([cohort.dose[:1], dose[1:]]), np.ones(3), 1.0)[1],
        decay,
        shape,
        cohort.taken[0],
        cohort.use_days[0],
        np.zeros((85, 3)),
        np.zeros(85),
    )
    f = rollout.roll_out(
        values,
        today.states,
        today.drifts,
        shared,
        np.zeros((0, event_columns.N_EVENTS)),
        regimen,
        29,
        cohort.dose[0],
        np.ones(3),
        0.0,
        0.0,
        0.0,
        1.0,
        0.15,
        today.reference,
        NO_LIFE_AHEAD,
        NO_LIFE_AHEAD,
        False,
    )
    w_bar = course.end[rows.W_ALL][0] - today.states[0, at.W_ALL0]
    felt = 1.0 - (1.0 - w_bar) / (1.0 + course.end[rows.X][0] / 30.0)
    assert f[0, rollout.W_END] == pytest.approx(felt, rel=1e-6)
    since = (course.sums[84][rows.SUM_P] - course.sums[28][rows.SUM_P])[0] / 56
    system, path = ordered_system(shared, len(ORDER)), [today.life[0]]  # the season goes on, without shocks
    for _ in range(56):
        path.append(system.transition @ path[-1])
    life = np.mean(path[1:], axis=0)[ORDER.index("P")]
    assert f[0, rollout.PAIN_MEAN] + life == pytest.approx(since - values[0, at.P0], rel=1e-6)


def test_what_is_out_of_range_is_said_one_line_each() -> None:
    with pytest.raises(InputError) as wrong:
        build_policy("personal(risk=2, draws=100)", file="test")
    assert len(wrong.value.problems) == 2


def test_a_way_back_never_rises_by_more_than_a_quarter_in_28_days_and_is_taken_by_who_needs_the_dose() -> None:
    """With a full stop worth nothing, those with much long-run benefit are brought back; no rise is a jump."""
    base = opioid_cohort(6)
    free = np.full((6, 3), np.nan)
    free[:, 0] = [4.0, 4.0, 4.0, -4.0, -4.0, -4.0]
    cohort = replace(base, fixed={"b": free})
    values = "full_stop=0, plans=all, way_back=on, step_back=off, sees=state"
    policy = build_policy(f"personal({values})", file="test")
    memory, low = policy.start(known_of(cohort)), np.ones((6, 3))
    low[:, 0] = 0.3
    before: Policy = _Lowered(policy, memory)
    course = run(cohort, before, CENTRE, SEED, 200, CarePlan({}), chance=False)
    by_day = np.ones((201, 6))
    for (first, _), ordered in zip(course.days, course.ordered, strict=True):
        by_day[first:] = ordered[:, 0]
    assert (by_day[60:] - by_day[32:-28] <= 0.25 + 1e-6).all()
    assert (by_day[-1, :3] > 0.6).all() and (by_day[-1, 3:] <= 0.3 + 1e-6).all()


class _Lowered(Policy):
    """A low dose for a month, then another policy."""

    name, sees_state = "lowered", True

    def __init__(self, policy: Policy, memory: object):
        self.policy, self.memory = policy, memory

    def decision_days(self, n_days: int) -> list[int]:
        return [1, *range(29, n_days + 1, 28)]

    def start(self, patients: Patients) -> None:
        return None

    def decide(self, memory: None, observation: Observation) -> Order:
        if observation.day > 1:
            return self.policy.decide(self.memory, observation)
        share = observation.dose_fraction.copy()
        share[:, 0] = 0.3
        return Order(share)


def test_all_plans_respect_the_ceiling_and_a_floor_is_not_overshot() -> None:
    cohort = opioid_cohort(4)
    course = follow("personal(draws=64, plans=all, way_back=on, risk=0.9)", cohort, 200)
    ceiling = np.where(cohort.failed_tapers > 0, 0.05, 0.10)
    by_day = np.ones((201, 4))
    for (first, _), ordered in zip(course.days, course.ordered, strict=True):
        by_day[first:] = ordered[:, 0]
    assert (by_day[:-28] - by_day[28:] <= ceiling + 1e-6).all()
    assert (by_day[28:] - by_day[:-28] <= 0.25 + 1e-6).all()


def test_what_a_full_stop_is_worth_changes_the_choice() -> None:
    cohort = opioid_cohort(8)
    ends = {
        worth: follow(f"personal(draws=64, full_stop={worth})", cohort, 120, chance=False).ordered[-1, :, 0].mean()
        for worth in (0, 4)
    }
    assert ends[4] < ends[0] - 0.1


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(InputError) as wrong:
        build_policy("personal(pain=0, function=0, mood=0, full_stop=-1, harm_line=30)", file="test")
    assert len(wrong.value.problems) == 3
    with pytest.raises(InputError):
        build_policy("personal(plans=some)", file="test")
