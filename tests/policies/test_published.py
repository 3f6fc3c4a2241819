"""Protocols in which published studies are coded."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from taper_sim.comparison.outcome_window import OutcomeWindow, velocity_max
from taper_sim.data.problems import InputError
from taper_sim.model.compiled import rows
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL, PRACTICE
from taper_sim.policies.calls import canonical, parse
from taper_sim.policies.catalogue import build_policy
from taper_sim.policies.interface import Observation
from taper_sim.policies.published import REVERSED, STOPPED
from taper_sim.scenario.building import build_arms
from taper_sim.scenario.schema import Scenario
from taper_sim.simulation.dispensing import known_of
from taper_sim.simulation.ensemble import draw_of, from_prior
from taper_sim.simulation.layout import arrays_of
from tests.conftest import SEED, opioid_cohort
from tests.policies.test_reacting import follow

MIX = "observed_mix(velocity_median_pct_per_month=23)"
SUPPORTED = "supported(taper=linear(pct=10, every=7), care=nurse/group, pace=patient)"
CALLS = (
    MIX,
    "observed_mix(velocity_median_pct_per_month=33)",
    "usual_care(taper_share=0.2)",
    "usual_care(taper_share=0.182, drug_class=benzodiazepine)",
    SUPPORTED,
    "supported(taper=rapid(days=21), care=team)",
    "abrupt() + adjunct(lofexidine, mg=2.16)",
    "supported(taper=linear(pct=12.5, every=7), care=psychologist, mode=telephone) + hold(pregnancy)",
)


def shares(call: str, n: int = 4000, n_days: int = 364) -> np.ndarray:
    """Opioid share ordered by day, (n_days + 1, n); everybody silent."""
    policy, cohort = build_policy(call, file="test"), opioid_cohort(n)
    memory, share = policy.start(known_of(cohort, SEED)), np.ones((n, 3))
    by_day = np.ones((n_days + 1, n))
    for day in policy.decision_days(n_days):
        share = policy.decide(memory, Observation(day, share, share)).dose_fraction
        by_day[day:] = share[:, 0]
    return by_day


def near(share: float, expected: float, n: int) -> bool:
    """Within four standard errors of a share."""
    return abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / n)


@pytest.mark.parametrize("call", CALLS)
def test_the_name_is_the_call_in_normal_form_and_builds_the_same(call: str):
    policy = build_policy(call.replace(" ", ""), file="test")
    assert policy.name == canonical(parse(call)) == call
    assert build_policy(policy.name, file="test") == policy


def test_the_fastest_month_of_the_mix_has_the_median_and_quartiles_asked_for():
    cohort = opioid_cohort(4000)
    course = follow(MIX, cohort, 364, chance=False)
    fastest = velocity_max(OutcomeWindow(course, 364, 364))
    # order statistics: the share below a quantile is binomial; tablets move a month's dose by some percent
    for quantile, value in ((0.25, 15.0), (0.5, 23.0), (0.75, 41.3)):
        assert np.mean(fastest <= value * 0.93) - 0.03 < quantile < np.mean(fastest <= value * 1.07) + 0.03
    assert fastest.min() >= 5.0


def test_some_of_the_mix_stop_and_some_of_the_others_are_reversed():
    end = shares(MIX)[-1]
    n = len(end)
    assert near(np.mean(end == 0), STOPPED, n)
    assert near(np.mean(end == 1), (1 - STOPPED) * REVERSED, n)
    lowest = shares(MIX).min(axis=0)
    assert (lowest <= 0.85 + 1e-12).all()


def test_usual_care_tapers_its_share_and_some_of_all_stop_at_once():
    by_day, everybody = shares("usual_care(taper_share=0.3)"), shares(MIX)
    n = by_day.shape[1]
    followed, kept = (by_day == everybody).all(axis=0), (by_day == 1).all(axis=0)
    tapered = by_day[1] == everybody[1]  # nobody keeps the dose on day 1 of a taper
    at_once = ~followed & ~kept
    assert near(tapered.mean(), 0.3, n)
    assert (by_day[-1, at_once] == 0).all()
    # they agreed to a reduction; the stop comes with the next monthly prescription
    rate = np.exp(CHANCE_BY_SYMBOL["usual_stop"].centre() + CHANCE_BY_SYMBOL["usual_stop_agreed"].centre())
    assert near(at_once[~tapered].mean(), 1 - np.exp(-rate * 361 / 365), int((~tapered).sum()))


def test_fewer_stop_at_once_of_those_whose_taper_is_imposed():
    policy, cohort = build_policy("usual_care(taper_share=0)", file="test"), opioid_cohort(4000)
    known = known_of(cohort, SEED)
    imposed = replace(known, flags={**known.flags, "imposed": np.ones(4000)})
    stopped = {}
    for name, patients in (("agreed", known), ("imposed", imposed)):
        memory, share = policy.start(patients), np.ones((4000, 3))
        stopped[name] = policy.decide(memory, Observation(361, share, share)).dose_fraction[:, 0] == 0
    rate = np.exp(CHANCE_BY_SYMBOL["usual_stop"].centre())
    assert near(stopped["imposed"].mean(), 1 - np.exp(-rate * 361 / 365), 4000)
    assert (stopped["imposed"] <= stopped["agreed"]).all() and stopped["agreed"].sum() > stopped["imposed"].sum()


def test_practice_has_a_value_for_each_draw():
    cohort, ensemble = opioid_cohort(60), from_prior(SEED, 5)
    known = known_of(cohort, SEED, ensemble)
    for symbol in PRACTICE:
        np.testing.assert_array_equal(known.of_practice(symbol), ensemble.values[symbol][draw_of(cohort.keys, 5)])
        assert (known_of(cohort, SEED).of_practice(symbol) == CHANCE_BY_SYMBOL[symbol].centre()).all()


def test_at_a_fixed_pace_a_refused_step_is_the_end_of_the_taper():
    by_day, plain = shares("supported(taper=linear(pct=10, every=7), care=nurse)"), shares("linear(pct=10, every=7)")
    n = by_day.shape[1]
    refuses = CHANCE_BY_SYMBOL["refusal_fixed_pace"].centre()
    done = by_day[-1] == 0
    assert near(done.mean(), (1 - refuses) ** 10, n)
    np.testing.assert_array_equal(by_day[:, done], plain[:, done])
    stays = by_day[-1]
    assert all((np.isclose(stays, level)).any() for level in (0.9, 0.1)) and (by_day[-1] == by_day.min(axis=0)).all()


def test_what_was_drawn_of_a_person_does_not_depend_on_who_else_is_there():
    few, many = (shares(MIX, n) for n in (37, 300))
    np.testing.assert_array_equal(few, many[:, :37])
    few, many = (shares(SUPPORTED, n, 140) for n in (37, 300))
    np.testing.assert_array_equal(few, many[:, :37])


def test_at_the_patients_pace_steps_are_late_never_early_and_some_stay_for_good():
    by_day, fixed = shares(SUPPORTED), shares(SUPPORTED.replace(", pace=patient", ""))
    never = fixed[-1] == 0  # of those who refuse no step at a fixed pace
    assert (by_day[:, never] >= fixed[:, never] - 1e-12).all()
    assert (np.diff(by_day, axis=0) <= 1e-12).all()
    cuts = -np.diff(by_day, axis=0)
    assert cuts.max() == pytest.approx(0.1)
    # a step is offered each week; ten must be taken before the week in which the person settles
    taken, offers = 0.9 * 0.8, range(10, 53)
    done = sum(np.prod(np.arange(k - 9, k) / np.arange(1, 10)) * taken**10 * (0.9 * 0.2) ** (k - 10) for k in offers)
    assert near(np.mean(by_day[-1] == 0), done, by_day.shape[1])


def test_who_feels_worse_puts_the_step_off():
    policy, cohort = build_policy(SUPPORTED, file="test"), opioid_cohort(500)
    ordered = {}
    for name, later in (("well", 5.0), ("worse", 7.0)):
        memory, share = policy.start(known_of(cohort, SEED)), np.ones((500, 3))
        policy.decide(memory, Observation(1, share, share))
        for day, pain in ((8, 5.0), (15, later)):
            share = policy.decide(
                memory, Observation(day, share, share, {"pain_nrs": np.full((500, 7), pain)})
            ).dose_fraction
            ordered[name, day] = share[:, 0]
    np.testing.assert_array_equal(ordered["worse", 15], ordered["worse", 8])
    assert (ordered["well", 15] < ordered["well", 8]).mean() > 0.5


def scenario(**protocol: object) -> Scenario:
    return Scenario.model_validate(
        {
            "name": "care",
            "cohort": {
                "patients": 5,
                "classes": {
                    "opioid": {"dose_median": 90, "mix": [{"drug": "morphine", "formulation": "ER", "share": 1}]}
                },
            },
            "protocols": ["constant()", protocol],
        }
    )


def test_supported_brings_its_care_and_its_way_of_meeting(tmp_path: Path):
    call = "supported(taper=linear(pct=10, every=7), care=education/nurse, mode=telephone) + adjunct(lofexidine)"
    plain, supported = build_arms(scenario(call=call), "test", tmp_path)
    assert supported.care.planned == {"psychologist": 0.5, "nurse": 1.0}
    assert supported.care.modality == "phone" and plain.care.modality is None
    cohort = opioid_cohort(200)
    missed = {}
    for mode in ("telephone", "in_person"):
        arm = build_arms(scenario(call=call.replace("telephone", mode)), "test", tmp_path)[1]
        a = arrays_of(cohort, from_prior(SEED, 1), SEED, arm.care)
        missed[mode] = a.get(a.params, rows.NOSHOW_FIXED)
    assert (missed["telephone"] <= missed["in_person"]).all()
    assert (missed["telephone"] < missed["in_person"]).any()
    with pytest.raises(InputError, match="one of the two"):
        build_arms(scenario(call=call, care={"disciplines": {"pt": 1}}), "test", tmp_path)


def test_less_lofexidine_takes_less_of_the_drive():
    cohort = opioid_cohort(100)
    drive = {}
    for mg in ("", ", mg=2.88", ", mg=2.16"):
        course = follow(f"abrupt() + adjunct(lofexidine{mg})", cohort, 3, chance=False)
        drive[mg] = course.end[rows.W_ALL]
    np.testing.assert_array_equal(drive[""], drive[", mg=2.88"])
    assert (drive[", mg=2.16"] > drive[", mg=2.88"]).all()


@pytest.mark.parametrize(
    ("call", "allowed"),
    [
        ("observed_mix(velocity_median_pct_per_month=0)", "1 to 100"),
        ("usual_care(taper_share=1.2)", "0 to 1"),
        ("supported(taper=abrupt())", "needs care"),
        ("supported(taper=abrupt(), care=nurse/wizard)", "joined by /"),
        ("supported(taper=integral(every=14), care=nurse, pace=patient)", "does not use reports"),
        ("supported(taper=supported(taper=abrupt(), care=nurse), care=team)", "without care"),
        ("supported(taper=abrupt(), care=nurse, pace=mine)", "patient"),
        ("sequence(supported(taper=abrupt(), care=nurse), constant())", "around"),
        ("abrupt() + adjunct(clonidine, mg=0.2)", "no mg"),
        ("abrupt() + adjunct(lofexidine, mg=3)", "2.88"),
    ],
)
def test_an_argument_without_a_meaning_is_refused(call: str, allowed: str):
    with pytest.raises(InputError, match=allowed):
        build_policy(call, file="test")
