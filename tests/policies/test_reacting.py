"""Policies that react: rules, integral control, the oracle; several classes; what may be added."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taper_sim.data.formulary import find_drug
from taper_sim.data.problems import InputError
from taper_sim.model.compiled import rows
from taper_sim.policies.catalogue import build_policy
from taper_sim.policies.interface import Observation, Order, Patients, Policy
from taper_sim.policies.modified import WithAdjunct, WithHandoff, WithRotation, WithRunIn
from taper_sim.safety.within_ceiling import WithinCeiling
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.days import Trajectory, run
from taper_sim.simulation.dispensing import known_of
from taper_sim.simulation.ensemble import from_prior
from taper_sim.simulation.layout import CarePlan
from tests.conftest import ROOT, SEED, opioid_cohort

CARE = CarePlan({"prescriber": 1.0, "nurse": 1.0})
CENTRE = from_prior(SEED, 1)


def follow(
    policy: Policy | str, cohort: Cohort, n_days: int = 168, *, chance: bool = True, **options: Any
) -> Trajectory:
    made = build_policy(policy, file="test", folder=ROOT / "scenarios") if isinstance(policy, str) else policy
    return run(cohort, made, CENTRE, SEED, n_days, CARE, chance=chance, **options)


def seen(n: int, day: int, share: float, **reports: float) -> Observation:
    """What a policy sees when everybody sent the same numbers every day of the last two weeks."""
    given = {name: np.full((n, 14), value) for name, value in reports.items()}
    return Observation(day, np.full((n, 3), share), np.full((n, 3), share), given)


def rules(tmp_path: Path, text: str) -> Policy:
    (tmp_path / "rules.yaml").write_text("name: test\nstep_pct: 10\nevery: 14\n" + text)
    return build_policy('adaptive("rules.yaml")', file="test", folder=tmp_path)


def opioid_share(policy: Policy, cohort: Cohort, views: Sequence[Observation]) -> list[float]:
    """Opioid share ordered at each look, for people who all report the same."""
    memory, ordered = policy.start(known_of(cohort)), []
    for view in views:
        order = policy.decide(memory, view)
        assert np.ptp(order.dose_fraction[:, 0]) == 0
        ordered.append(float(order.dose_fraction[0, 0]))
    return ordered


# -- rules -------------------------------------------------------------------------------------------------------------

PAUSE = "rules: [{any: [{instrument: sows_gossop, above: 8}], then: pause}]\n"


def test_a_rule_that_holds_pauses_the_taper_and_one_that_does_not_lets_it_go_on(tmp_path: Path):
    cohort = opioid_cohort(3)
    views = [seen(3, 1, 1.0), seen(3, 15, 0.9, sows_gossop=9.0), seen(3, 29, 0.9, sows_gossop=8.0)]
    assert opioid_share(rules(tmp_path, PAUSE), cohort, views) == pytest.approx([0.9, 0.9, 0.8])


def test_without_a_single_check_in_the_dose_is_held_unless_the_rules_say_otherwise(tmp_path: Path):
    cohort, silent = opioid_cohort(2), seen(2, 15, 0.9, sows_gossop=np.nan, pain_nrs=np.nan)
    assert opioid_share(rules(tmp_path, PAUSE), cohort, [silent]) == pytest.approx([0.9])
    goes_on = rules(tmp_path, "hold_without_reports: false\n" + PAUSE)
    assert opioid_share(goes_on, cohort, [silent]) == pytest.approx([0.8])


def test_confirmation_waits_for_a_second_decision(tmp_path: Path):
    text = "rules: [{any: [{instrument: sows_gossop, above: 8}], then: pause, confirm: 2}]\n"
    views = [seen(2, 15, 0.9, sows_gossop=9.0), seen(2, 29, 0.8, sows_gossop=9.0)]
    assert opioid_share(rules(tmp_path, text), opioid_cohort(2), views) == pytest.approx([0.8, 0.8])


def test_a_slowed_patient_is_resumed_at_the_usual_pace(tmp_path: Path):
    text = (
        "rules:\n- {any: [{instrument: sows_gossop, above: 6}], then: slow}\n"
        "- {any: [{instrument: sows_gossop, below: 4}], then: resume}\n"
    )
    views = [seen(2, 15, 1.0, sows_gossop=7.0), seen(2, 29, 0.95, sows_gossop=3.0), seen(2, 43, 0.85, sows_gossop=3.0)]
    assert opioid_share(rules(tmp_path, text), opioid_cohort(2), views) == pytest.approx([0.95, 0.85, 0.75])


def test_a_step_back_gives_part_of_the_last_cut_back_and_only_where_it_is_allowed(tmp_path: Path):
    text = "rules: [{any: [{instrument: sows_gossop, above: 12}], then: step back}]\n"
    with pytest.raises(InputError, match="never_reverse"):
        rules(tmp_path, text)
    views = [seen(2, 15, 1.0, sows_gossop=3.0), seen(2, 29, 0.9, sows_gossop=13.0)]
    back = opioid_share(rules(tmp_path, "never_reverse: false\n" + text), opioid_cohort(2), views)
    assert back == pytest.approx([0.9, 0.95])


def test_risk_factors_slow_the_pace_of_those_who_have_them(tmp_path: Path):
    cohort = opioid_cohort(400)
    policy = rules(tmp_path, "pace_from_risk: {mood_disorder: 0.5}\n" + PAUSE)
    share = policy.decide(policy.start(known_of(cohort)), seen(400, 1, 1.0)).dose_fraction[:, 0]
    assert set(np.round(share[cohort.flags["mood_disorder"]], 9)) == {0.95}
    assert set(np.round(share[~cohort.flags["mood_disorder"]], 9)) == {0.9}


def test_check_ins_are_daily_while_a_cut_is_fresh_and_rarer_after(tmp_path: Path):
    policy = rules(tmp_path, "minimum_hold_d: 56\ncritical_d: 14\n" + PAUSE)
    memory = policy.start(known_of(opioid_cohort(2)))
    every = [policy.decide(memory, seen(2, day, 0.9, sows_gossop=3.0)).checkin_every_d[0] for day in (1, 15, 29)]
    assert every == [1.0, 7.0, 7.0]


def test_a_symptom_guided_taper_hurts_less_than_the_same_pace_without_eyes():
    cohort = opioid_cohort(600)
    guided = follow('adaptive("rules/symptom_guided.yaml")', cohort, 364)
    blind = follow("linear(pct=10, every=28)", cohort, 364)
    gap = blind.sums[364][rows.OVER_LIMIT] - guided.sums[364][rows.OVER_LIMIT]
    assert gap.mean() > 3 * gap.std() / np.sqrt(len(gap))


def test_rules_read_the_folder_of_the_scenario_and_a_missing_file_is_named():
    with pytest.raises(InputError, match="no such file"):
        build_policy('adaptive("rules/none.yaml")', file="test", folder=ROOT / "scenarios")


# -- integral control and oracle ---------------------------------------------------------------------------------------


def test_integral_control_stands_still_at_its_target_and_falls_faster_the_better_the_patient_is():
    policy = build_policy("integral(target=7, gain=2, max_pct=10, every=14)", file="test")
    cohort = opioid_cohort(2)
    shares = [opioid_share(policy, cohort, [seen(2, 15, 0.8, sows_gossop=s)])[0] for s in (9.0, 7.0, 5.0, 1.0)]
    assert shares == pytest.approx([0.8, 0.8, 0.76, 0.70])


def test_the_oracle_keeps_withdrawal_under_its_limit_and_gets_further_than_a_slow_taper():
    cohort = opioid_cohort(200)
    course = follow("oracle(limit=0.15, every=14)", cohort, 168, chance=False)
    peak = course.sums[168][rows.MAX_W]
    assert (peak <= 0.15 + 1e-9).all()
    slow = follow("linear(pct=5, every=28)", cohort, 168, chance=False)
    assert course.end[rows.PRESCRIBED].mean() < 0.5 * slow.end[rows.PRESCRIBED].mean()


# -- several classes ---------------------------------------------------------------------------------------------------

OPIOID, BENZO = "linear(pct=25, every=14, drug_class=opioid)", "linear(pct=50, every=14, drug_class=benzodiazepine)"


def shares_by_day(call: str, cohort: Cohort, n_days: int = 140) -> np.ndarray:
    policy, known = build_policy(call, file="test"), known_of(cohort)
    memory, share = policy.start(known), np.ones((len(cohort), 3))
    by_day = np.ones((n_days + 1, len(cohort), 3))
    for day in policy.decision_days(n_days):
        share = policy.decide(memory, Observation(day, share, share)).dose_fraction
        by_day[day:] = share
    return by_day


def test_in_sequence_the_second_class_waits_for_the_first_and_the_gap():
    cohort = opioid_cohort(40, benzodiazepine=1.0)
    by_day = shares_by_day(f"sequence({OPIOID}, {BENZO}, gap_d=28)", cohort)
    ended = int(np.argmax(by_day[:, 0, 0] == 0))
    began = int(np.argmax(by_day[:, 0, 1] < 1))
    assert (ended, began) == (43, 71)
    turned = shares_by_day(f"sequence({BENZO}, {OPIOID}, gap_d=28)", cohort)
    assert int(np.argmax(turned[:, 0, 0] < 1)) == 15 + 28


def test_in_turn_no_two_classes_are_cut_on_one_day():
    by_day = shares_by_day(f"alternating({OPIOID}, {BENZO})", opioid_cohort(20, benzodiazepine=1.0))
    cuts = np.diff(by_day, axis=0) < 0
    assert cuts[:, :, 0].any() and cuts[:, :, 1].any()
    assert not (cuts[:, :, 0] & cuts[:, :, 1]).any()


def test_with_a_benzodiazepine_one_class_at_a_time_unless_said():
    cohort = opioid_cohort(60, benzodiazepine=0.5)
    both = cohort.taken[:, 1]
    assert both.any() and not both.all()
    careful = shares_by_day(f"together({OPIOID}, {BENZO})", cohort)
    assert (careful[1, both, 0] < 1).all() and (careful[1, both, 1] == 1).all()
    said = shares_by_day(f"together({OPIOID}, {BENZO}, even_with_benzodiazepine=yes)", cohort)
    assert (said[1, both][:, :2] < 1).all()


def test_two_schedules_for_one_class_are_refused():
    with pytest.raises(InputError, match="two schedules for one drug class"):
        shares_by_day(f"together({OPIOID}, linear(pct=5, every=7))", opioid_cohort(2))


# -- added -------------------------------------------------------------------------------------------------------------


def test_rotation_leaves_dependence_and_takes_part_of_the_tolerance_of_a_new_drug_only():
    cohort = opioid_cohort(50)
    watched = {}
    for call in (
        "constant()",
        "constant() + rotate(morphine, ER, day=8, start_pct=100)",
        "constant() + rotate(oxycodone, ER, day=8, start_pct=100)",
    ):
        watched[call] = follow(call, cohort, 8, chance=False)
    stay, same, other = watched.values()
    for row in (rows.F, rows.L):  # one day of another release shape moves them by less than a percent
        np.testing.assert_allclose(other.end[row], stay.end[row], rtol=0.01)
    kept = CENTRE.values["cross_tolerance"][0]
    np.testing.assert_allclose(same.end[rows.R], stay.end[rows.R], rtol=0.01)
    np.testing.assert_allclose(other.end[rows.R] / stay.end[rows.R], kept, rtol=0.06)


def test_an_adjunct_takes_its_share_of_the_drive_of_opioid_withdrawal():
    cohort = replace(opioid_cohort(300), fixed={"xi": np.zeros(300)})  # the reaction to the cut is not withdrawal
    plain, eased = (follow(call, cohort, 14, chance=False) for call in ("abrupt()", "abrupt() + adjunct(lofexidine)"))
    w, e = plain.sums[14][rows.MAX_W], eased.sums[14][rows.MAX_W]
    drive = (w / (1 - w)) ** (2 / 3)
    left = (1 - CENTRE.values["adjunct_effect"][0, 0]) * drive
    expected = left**1.5 / (1 + left**1.5)
    np.testing.assert_allclose(e, expected, rtol=0.15)  # F falls a little meanwhile


def test_an_adjunct_without_an_effect_in_the_model_is_refused():
    with pytest.raises(InputError, match="lofexidine"):
        build_policy("abrupt() + adjunct(loperamide)", file="test")


def test_no_factor_leads_to_buprenorphine():
    with pytest.raises(InputError, match="no conversion factor to buprenorphine"):
        build_policy('constant() + rotate(buprenorphine, "SL film/tablet")', file="test")


def test_a_run_in_is_the_protocol_begun_later():
    cohort = opioid_cohort(6)
    now = follow("linear(pct=10, every=28)", cohort, 112, chance=False)
    later = follow("linear(pct=10, every=28) + run_in(days=14)", cohort, 126, chance=False)
    ordered = [
        np.concatenate(
            [
                np.repeat(o[None], last - first + 1, axis=0)
                for (first, last), o in zip(course.days, course.ordered, strict=True)
            ]
        )
        for course in (now, later)
    ]
    assert (ordered[1][:14] == 1.0).all() and (ordered[1][14] < 1.0).any()
    np.testing.assert_array_equal(ordered[1][14:], ordered[0])


def test_what_came_in_the_run_in_is_seen_at_the_first_decision():
    given = {"sows_gossop": np.full((2, 14), 3.0)}
    kept = []

    class Asks(Policy):
        name, sees_reports = "asks", True

        def decision_days(self, n_days):
            return range(1, n_days + 1, 28)

        def start(self, patients):
            return None

        def decide(self, memory, observation):
            kept.append((observation.day, dict(observation.reports)))
            return Order(observation.dose_fraction)

    policy = WithRunIn(Asks(), "run_in(days=14)", 14)
    share = np.ones((2, 3))
    policy.decide(None, Observation(1, share, share))
    assert not kept
    policy.decide(None, Observation(15, share, share, given))
    assert kept[0][0] == 1 and kept[0][1]["sows_gossop"].shape == (2, 14)


class Reacts(Policy):
    """Decides every ten days; keeps what it was handed."""

    name = "reacts()"
    sees_reports = True

    def __init__(self):
        self.kept = []

    def decision_days(self, n_days):
        return range(1, n_days + 1, 10)

    def start(self, patients):
        return None

    def decide(self, memory, observation):
        self.kept.append((observation.day, {name: v.shape[1] for name, v in observation.reports.items()}))
        return Order(observation.dose_fraction - 0.05)


@pytest.mark.parametrize(
    "add",
    [
        lambda policy: WithHandoff(policy, "handoff()", check_every_d=7),
        lambda policy: WithAdjunct(policy, "adjunct()", days=16),
        lambda policy: WithRotation(policy, "rotate()", find_drug("oxycodone", "ER"), 2, 16),
        lambda policy: WithinCeiling(policy, "within_ceiling()"),
    ],
)
def test_what_is_added_asks_the_protocol_on_its_own_days_alone_and_hands_it_every_report(add):
    policy, days = Reacts(), Reacts().decision_days(60)
    run(opioid_cohort(3), add(policy), from_prior(SEED, 1), SEED, 60, CarePlan({}))
    assert [day for day, _ in policy.kept] == list(days)
    assert [widths.get("pain_nrs", 0) for _, widths in policy.kept] == [0, *[10] * (len(days) - 1)]


def test_a_change_of_drug_is_ordered_once_whatever_is_added_to_it():
    policy = build_policy("constant() + rotate(oxycodone, ER, day=1) + handoff()", file="test")
    memory, fraction = policy.start(known_of(opioid_cohort(3))), np.ones((3, 3))
    orders = [policy.decide(memory, Observation(day, fraction, fraction)) for day in policy.decision_days(84)]
    assert [order.rotation is not None for order in orders] == [True, False, False]


def test_handoff_changes_what_is_watched_and_nothing_that_is_taken():
    cohort = opioid_cohort(200)
    call = "linear(pct=50, every=14)"
    plain, handed = follow(call, cohort, 224), follow(f"{call} + handoff(after_d=56)", cohort, 224)
    due = [course.sums[224][rows.CHECKINS_DUE].mean() for course in (plain, handed)]
    assert due[1] < 0.6 * due[0]
    np.testing.assert_array_equal(plain.ordered[-1], handed.ordered[-1])


def test_held_patients_keep_their_dose():
    cohort = opioid_cohort(30)
    cohort.flags["pregnant"][:5] = True
    course = follow("linear(pct=50, every=14) + hold(pregnancy)", cohort, 28, chance=False)
    share = course.end[rows.PRESCRIBED] / cohort.dose[:, 0]
    assert (share[:5] == 1).all() and (share[5:] == 0).all()


# -- one of your own ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HalveOnGoodWeeks(Policy):
    """A policy defined here, without touching the package: halve after a good fortnight."""

    name: str = "halve on good weeks"
    sees_reports: bool = True

    def decision_days(self, n_days: int) -> Sequence[int]:
        return range(1, n_days + 1, 14)

    def start(self, patients: Patients) -> None:
        return None

    def decide(self, memory: None, observation: Observation) -> Order:
        good = (
            np.nanmean(observation.reports["sows_gossop"], axis=1) < 4
            if observation.reports
            else np.zeros(len(observation.dose_fraction), bool)
        )
        return Order(np.where(good[:, None], observation.dose_fraction * [0.5, 1, 1], observation.dose_fraction))


@pytest.mark.filterwarnings("ignore:Mean of empty slice")  # who sent nothing in a fortnight has no mean
def test_a_policy_of_ones_own_runs_and_sees_reports_only():
    course = follow(HalveOnGoodWeeks(), opioid_cohort(100), 56)
    share = course.ordered[-1][:, 0]
    assert len(set(share)) > 1 and share.min() < 0.5 and share.max() == 1.0
