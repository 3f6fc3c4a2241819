"""Looking ahead, and the bounds of what check-ins can teach: what is linear, what adds up, what each policy may see."""

from dataclasses import replace

import numpy as np
import pytest

from taper_sim.comparison.loss import Loss
from taper_sim.comparison.preferences import ValueJudgements
from taper_sim.data.problems import InputError
from taper_sim.inference import course as at
from taper_sim.model.compiled import rows
from taper_sim.recommend.ahead import DosePlan, PersonAhead
from taper_sim.recommend.learning_ahead import LastingTrial, LifeNow, lasting_places, with_more_lasting
from taper_sim.recommend.look_ahead import NODE_CHANCES, LookAhead
from taper_sim.recommend.personal_decisions import PersonalDecisions
from taper_sim.scenario.all_policies import build_policy
from taper_sim.scenario.true_models import TRUE_MODELS
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.days import Days, run
from taper_sim.simulation.ensemble import from_prior
from taper_sim.simulation.layout import CarePlan
from tests.conftest import SEED, opioid_cohort
from tests.recommend.test_destination import person_with

N = 32
LOSS = Loss.of_values(ValueJudgements(full_stop=1.0))
DOWN = DosePlan(10.0, 0.0).shares(1.0, 364, 28)
CENTRE = from_prior(SEED, 1)


def uncertain_person(life_factor: float = 1.0) -> tuple[PersonAhead, LifeNow]:
    """A person whose b and beta are unknown, on the first day, with so much life outside the taper."""
    luck = np.random.default_rng(3)
    person, life = person_with(np.sort(luck.normal(0.2, 1.0, N)))
    values = person.values.copy()
    values[:, at.BETA] = luck.normal(0.0, 0.5, N)
    values[:, at.LIFE] = life_factor
    return replace(person, values=values), LifeNow(life.mean, life_factor**2 * life.covariance)


def looking_ahead(person: PersonAhead, life: LifeNow) -> LookAhead:
    trial = LastingTrial(person.values, np.full(N, 1.0 / N), life, person.shared, 0)
    return LookAhead(person, trial, LOSS, 0, 10.0, 28, 364)


def test_the_loss_is_linear_in_what_lasts() -> None:
    """So that roll-outs at b + 1 and beta + 1 give every other person."""
    person, life = uncertain_person()
    ahead = looking_ahead(person, life)
    loss, slope = ahead._loss(DOWN)
    values = person.values.copy()
    change = np.array([-1.7, 0.6])
    values[:, lasting_places(0)] += change
    moved, _ = looking_ahead(replace(person, values=values), life)._loss(DOWN)
    np.testing.assert_allclose(moved, loss + slope @ change, atol=1e-9)
    assert (np.abs(slope) > 1e-3).all()


def test_reports_move_and_narrow_what_lasts_and_change_its_spread_in_all_by_nothing() -> None:
    person, life = uncertain_person()
    ahead = looking_ahead(person, life)
    slopes = ahead.trial.slopes(with_more_lasting(person, 0), DOWN[:280])
    later = ahead.values_later(slopes)
    left = ahead.trial.covariance_left(slopes)
    weights = np.repeat(NODE_CHANCES[None] / N, N, axis=0)
    mean = np.einsum("nk,nkl->l", weights, later)
    spread = np.einsum("nk,nkl,nkm->lm", weights, later - mean, later - mean)
    np.testing.assert_allclose(mean, ahead.trial.mean, atol=1e-9)
    np.testing.assert_allclose(spread, ahead.trial.covariance, rtol=1e-6, atol=1e-9)
    within = np.cov(later[:, 7].T, bias=True)
    np.testing.assert_allclose(within, left, rtol=1e-6, atol=1e-9)
    assert (np.diag(left) < 0.95 * np.diag(ahead.trial.covariance)).all()


def test_a_later_choice_is_worth_more_where_reports_tell_more_and_nothing_without_choices() -> None:
    losses = {}
    for factor in (0.05, 1.0, 30.0):
        person, life = uncertain_person(factor)
        losses[factor] = looking_ahead(person, life).expected_loss(DOWN)
    assert losses[0.05] < losses[1.0] < losses[30.0]
    person, life = uncertain_person(30.0)
    ahead = looking_ahead(person, life)
    plans = [np.concatenate([DOWN[:n], s]) for n in (84, 168, 280) for s in ahead._seconds(float(DOWN[n - 1]), 364 - n)]
    open_loop = min(float(LOSS.decision_loss(ahead._loss(path)[0]).mean()) for path in plans)
    assert losses[30.0] == pytest.approx(open_loop, abs=5e-3)


def test_looking_ahead_keeps_the_ceiling_and_the_way_back() -> None:
    cohort = opioid_cohort(2)
    call = "personal(draws=64, plans=all, way_back=on, look_ahead=on, harm_line=2, risk=0.9)"
    course = run(cohort, build_policy(call, file="test"), CENTRE, SEED, 70, CarePlan({}))
    by_day = np.ones((71, 2))
    for (first, _), ordered in zip(course.days, course.ordered, strict=True):
        by_day[first:] = ordered[:, 0]
    assert (by_day[:-28] - by_day[28:] <= np.where(cohort.failed_tapers > 0, 0.05, 0.10) + 1e-6).all()
    assert (by_day[28:] - by_day[:-28] <= 0.25 + 1e-6).all()
    assert by_day[-1].min() < 1.0


def test_who_prefers_the_fastest_cannot_look_ahead_and_an_oracle_needs_no_other_reports() -> None:
    with pytest.raises(InputError) as wrong:
        build_policy("personal(look_ahead=on, prefer=fastest, informed=fastest, sees=state)", file="test")
    assert len(wrong.value.problems) == 2


# -- bounds ------------------------------------------------------------------------------------------------------------


def lived(call: str, cohort: Cohort, n_days: int) -> tuple[PersonalDecisions, Days]:
    """Memory of a policy after so many days, and the simulation."""
    days = Days(cohort, build_policy(call, file="test"), CENTRE, SEED, n_days, CarePlan({}))
    for first, last in days.blocks:
        days.decide(first)
        days.live(first, last)
    return days._memory, days


@pytest.mark.parametrize(("sees", "known"), [("b", 1), ("lasting", 2)])
def test_an_oracle_of_what_lasts_knows_it_and_infers_the_rest(sees: str, known: int) -> None:
    memory, days = lived(f"personal(draws=64, sees={sees})", opioid_cohort(2), 30)
    values, _, _ = memory.posterior_today(1, 30)
    true = days.a.get3(days.a.params, rows.B)[1, 0], days.a.get3(days.a.params, rows.BETA)[1, 0]
    spread = values[:, [at.B, at.BETA, at.SIGMA]].std(axis=0)
    assert (spread[:known] < 1e-9).all() and (spread[known:] > 1e-3).all()
    assert values[0, at.B] == pytest.approx(true[0])
    assert known == 1 or values[0, at.BETA] == pytest.approx(true[1])


def test_the_informed_learn_from_the_fastest_taper_of_the_same_people_whatever_they_do() -> None:
    """In the run-in both courses are one; later the informing dose is lower, by the ceiling."""
    cohort = opioid_cohort(3)
    memory, _ = lived("personal(draws=64, informed=fastest, run_in=14, harm_line=0, full_stop=0)", cohort, 100)
    assert memory.informing is not None
    own, other = memory.tracked, memory.informing
    np.testing.assert_array_equal(own.reports(0, 14), other.reports(0, 14))
    assert np.isfinite(other.reports(0, 98)[14:]).any()
    last, rows_ = np.full(3, 98), np.arange(3)
    pace = np.where(cohort.failed_tapers > 0, 0.05, 0.10)
    share = other.doses(rows_, last)[:, 0] / cohort.dose[:, 0]
    np.testing.assert_allclose(share, 1.0 - 3 * pace, atol=0.06)  # in tablets
    assert (own.doses(rows_, last)[:, 0] > other.doses(rows_, last)[:, 0]).all()
    values, weights, moments = memory.posterior_today(0, 99)
    assert weights.sum() == pytest.approx(1.0) and len(moments.mean) == len(values)


def test_the_pass_that_carries_a_patient_to_today_weights_the_draws_as_the_posterior_does() -> None:
    memory, _ = lived("personal(draws=64)", opioid_cohort(2), 40)
    last = memory.tracked.last_report(0, 40)
    evidence = memory.tracked.evidence(0, 40, last)
    proposal = memory.tracked.proposal(0, evidence)
    memory.tracked._modes[0] = np.zeros(0)
    proposal = memory.tracked.proposal(0, evidence)
    memory.tracked._modes[0] = np.zeros(0)
    _, weights, moments = memory.posterior_today(0, 41)
    np.testing.assert_allclose(moments.log_likelihood, evidence.log_likelihood(proposal.z), rtol=1e-9)
    np.testing.assert_allclose(weights, proposal.weighted(evidence.log_likelihood(proposal.z)).weights, rtol=1e-6)


@pytest.mark.parametrize(("truth", "factor"), [("b's spread halved", 0.5), ("b's spread doubled", 2.0)])
def test_the_spread_of_the_benefit_is_as_the_truth_has_it(truth: str, factor: float) -> None:
    cohort, policy = opioid_cohort(20), build_policy("constant()", file="test")
    benefit = []
    for world in (TRUE_MODELS["the model"].world, TRUE_MODELS[truth].world):
        days = Days(cohort, policy, CENTRE, SEED, 2, CarePlan({}), world=world)
        days.decide(1)
        days.live(1, 2)
        benefit.append(days.a.get3(days.a.params, rows.B)[:, 0])
    np.testing.assert_allclose(benefit[1] - benefit[1].mean(), factor * (benefit[0] - benefit[0].mean()), atol=1e-6)
    assert benefit[0].std() > 0.2
