"""Fixed schedules: doses by arithmetic, options one by one, and properties that every schedule and preset has."""

import inspect
from collections.abc import Sequence

import numpy as np
import pytest

from taper_sim.data import formulary
from taper_sim.data.problems import InputError
from taper_sim.policies import fixed, guidance
from taper_sim.policies.calls import build, canonical, parse
from taper_sim.policies.fixed import steps_table
from taper_sim.policies.interface import Observation, Patients, Policy, registered

NAN = float("nan")
ONE = 90.0
Person = tuple[dict[int, tuple[str, float, float]], float]  # class: (drug, mg, equivalents); days of use


def people(*persons: Person) -> Patients:
    """Write out patients by class."""
    dose, mg = np.zeros((len(persons), 3)), np.zeros((len(persons), 3))
    for row, (taken, _) in enumerate(persons):
        for k, (_, own, equivalents) in taken.items():
            dose[row, k], mg[row, k] = equivalents, own
    drugs = [{k: name for k, (name, _, _) in taken.items()} for taken, _ in persons]
    use = np.array([[days] * 3 for _, days in persons])
    return Patients(dose=dose, dose_mg=mg, drug=drugs, use_days=use, flags={})


def take(patients: Patients, rows: Sequence[int]) -> Patients:
    """Keep some of the patients."""
    index = list(rows)
    return Patients(
        patients.dose[index],
        patients.dose_mg[index],
        [patients.drug[row] for row in index],
        patients.use_days[index],
        {},
    )


def gabapentin(mg: float) -> tuple[str, float, float]:
    return ("gabapentin", mg, formulary.equivalents(formulary.find_drug("gabapentin", "IR"), mg))


MORPHINE = people(({0: ("morphine", ONE, ONE)}, 2000.0))
BUPRENORPHINE = people(({0: ("buprenorphine", 16.0, 16.0)}, 2000.0))
MIXED = people(
    ({0: ("morphine", 90.0, 90.0)}, 2000.0),
    ({0: ("oxycodone", 60.0, 90.0), 1: ("lorazepam", 2.0, 20.0)}, 100.0),
    ({1: ("diazepam", 37.0, 37.0)}, 800.0),
    ({1: ("clonazepam", 3.0, 60.0), 2: ("pregabalin", 450.0, 450.0)}, 400.0),
    ({2: gabapentin(2400.0)}, 900.0),
    ({0: ("methadone", 40.0, 188.0), 2: gabapentin(5200 / 4)}, 5000.0),
    ({}, 1.0),
)
EXAMPLES = {
    "constant": ["constant()"],
    "abrupt": ["abrupt()", "abrupt(floor_pct=30, start_day=15)"],
    "linear": ["linear(pct=10, every=28)", "linear(pct=7, every=10, pause_after=3, pause_days=20, end_pct=12)"],
    "exponential": ["exponential(pct=10, every=14)", "exponential(pct=30, every=9, ceiling_pct=15, floor_pct=10)"],
    "fixed_mg": [
        "fixed_mg(step_mg=1, every=7, drug=diazepam)",
        "fixed_mg(step_mg=75, every=7, drug=pregabalin)",
        "fixed_mg(step_mg=300, every=7, drug=gabapentin, ceiling_pct=30)",
        "fixed_mg(step_mg=7, every=7)",
    ],
    "hyperbolic": ["hyperbolic(steps=12, every=28)", "hyperbolic(steps=5, every=7, drug_class=gabapentinoid)"],
    "rapid": ["rapid(days=21)", "rapid(days=60, ceiling_pct=20)"],
    "preset": [f'preset("{n}")' for n, row in guidance.guidelines().items() if row["simulated"] == "yes"],
}
CALLS = [call for calls in EXAMPLES.values() for call in calls]


def course(policy: Policy, patients: Patients, n_days: int = 2500) -> tuple[list[int], np.ndarray]:
    """Run a policy as the simulation does: decision days, and shares (n_decisions, n, 3)."""
    memory, share, shares = policy.start(patients), np.ones_like(patients.dose), []
    days = list(policy.decision_days(n_days))
    for day in days:
        share = policy.decide(memory, Observation(day=day, dose_fraction=share, dispensed=share)).dose_fraction
        shares.append(share)
    return days, np.array(shares)


def shares_of(call: str, patients: Patients = MORPHINE, n_days: int = 2500) -> list[float]:
    return [share for _, share in steps_table(build(call), patients, n_days)]


def days_of(call: str, patients: Patients = MORPHINE, n_days: int = 2500) -> list[int]:
    return [day for day, _ in steps_table(build(call), patients, n_days)]


# the schedules


def test_linear_takes_its_percent_of_the_original_from_day_1_until_nothing_is_left() -> None:
    assert steps_table(build("linear(pct=10, every=28)"), MORPHINE, 400) == [
        (0, 1.0),
        (1, 0.9),
        (29, 0.8),
        (57, 0.7),
        (85, 0.6),
        (113, 0.5),
        (141, 0.4),
        (169, 0.3),
        (197, 0.2),
        (225, 0.1),
        (253, 0.0),
    ]
    assert shares_of("linear(pct=30, every=28)") == [1.0, 0.7, 0.4, 0.1, 0.0]


def test_exponential_takes_its_percent_of_what_is_left() -> None:
    shares = shares_of("exponential(pct=10, every=14)")
    np.testing.assert_allclose(shares[:29], 0.9 ** np.arange(29), rtol=1e-10)


def test_exponential_ends_where_less_than_5_percent_would_be_left() -> None:
    listed = steps_table(build("exponential(pct=10, every=14)"), MORPHINE, 1000)
    assert listed[-1] == (393, 0.0)  # step 29: 0.9^29 = 4.7 %
    assert listed[-2][1] == pytest.approx(0.9**28)
    assert steps_table(build("exponential(pct=20, every=14)"), MORPHINE, 1000)[-1] == (183, 0.0)


def test_a_percentage_of_original_and_of_current_are_two_protocols() -> None:
    assert shares_of("linear(pct=10, every=28)")[1] == shares_of("exponential(pct=10, every=28)")[1]
    assert shares_of("linear(pct=10, every=28)")[2] < shares_of("exponential(pct=10, every=28)")[2]


def test_fixed_mg_takes_mg_of_the_patients_own_drug() -> None:
    assert shares_of("fixed_mg(step_mg=20, every=7)") == pytest.approx([1, 70 / 90, 50 / 90, 30 / 90, 10 / 90, 0])


def test_fixed_mg_of_a_named_drug_counts_by_equivalents() -> None:
    lorazepam = people(({1: ("lorazepam", 2.0, 20.0)}, 2000.0))
    assert shares_of("fixed_mg(step_mg=5, every=7, drug=diazepam)", lorazepam) == [1, 0.75, 0.5, 0.25, 0]
    both = people(({0: ("morphine", 90.0, 90.0), 1: ("lorazepam", 2.0, 20.0)}, 2000.0))
    policy = build("fixed_mg(step_mg=5, every=7, drug=diazepam)")
    assert steps_table(policy, both, 20, drug_class="benzodiazepine")[1] == (1, 0.75)
    assert steps_table(policy, both, 20, drug_class="opioid") == [(0, 1.0)]


def test_fixed_mg_of_gabapentin_counts_by_the_dose_absorbed_in_either_direction() -> None:
    drug = formulary.find_drug("gabapentin", "IR")
    own = people(({2: gabapentin(2400.0)}, 2000.0))
    shares = shares_of("fixed_mg(step_mg=75, every=7, drug=pregabalin)", own)
    start = formulary.equivalents(drug, 2400.0)
    for k, share in enumerate(shares[:-1]):
        assert formulary.equivalents(drug, 2400.0 * share) == pytest.approx(start - 75 * k, rel=1e-9)
    assert shares[-1] == 0
    other = people(({2: ("pregabalin", 150.0, 150.0)}, 2000.0))  # 900 mg of gabapentin
    assert shares_of("fixed_mg(step_mg=300, every=7, drug=gabapentin)", other) == pytest.approx([1, 2 / 3, 1 / 3, 0])


@pytest.mark.parametrize("mg", [NAN, 0.0])
def test_fixed_mg_refuses_a_patch_and_says_what_to_do(mg: float) -> None:
    patch = people(({0: ("fentanyl", mg, 120.0)}, 2000.0), ({0: ("morphine", 90.0, 90.0)}, 2000.0))
    with pytest.raises(
        InputError, match=r"1 of 2 patients .* fentanyl; allowed: fixed_mg needs mg of one drug; a patch"
    ):
        build("fixed_mg(step_mg=5, every=28)").start(patch)
    assert shares_of("fixed_mg(step_mg=60, every=28, drug=morphine)", patch) == [1, 0.5, 0]


def test_fixed_mg_of_another_drug_refuses_buprenorphine() -> None:
    with pytest.raises(InputError, match="buprenorphine has none"):
        build("fixed_mg(step_mg=5, every=28, drug=morphine)").start(BUPRENORPHINE)
    assert shares_of("fixed_mg(step_mg=4, every=28)", BUPRENORPHINE) == [1, 0.75, 0.5, 0.25, 0]


@pytest.mark.parametrize(("patients", "dose", "ec50"), [(MORPHINE, ONE, 80.0), (BUPRENORPHINE, 16.0, 2.4)])
def test_hyperbolic_takes_equal_steps_of_effect(patients: Patients, dose: float, ec50: float) -> None:
    doses = dose * np.array(shares_of("hyperbolic(steps=12, every=28)", patients))
    effect = doses / (doses + ec50)
    assert len(doses) == 13
    np.testing.assert_allclose(np.diff(effect), -effect[0] / 12, rtol=1e-8)
    assert doses[-1] == 0
    assert days_of("hyperbolic(steps=12, every=28)", patients)[-1] == 1 + 11 * 28


def test_hyperbolic_counts_gabapentin_by_the_dose_absorbed() -> None:
    drug = formulary.find_drug("gabapentin", "IR")
    shares = shares_of("hyperbolic(steps=8, every=7)", people(({2: gabapentin(3600.0)}, 1.0)))
    level = np.array([formulary.equivalents(drug, 3600.0 * share) for share in shares])
    effect = level / (level + 300.0)
    np.testing.assert_allclose(np.diff(effect), -effect[0] / 8, rtol=1e-7)


def test_rapid_goes_to_0_in_even_daily_steps() -> None:
    assert steps_table(build("rapid(days=4)"), MORPHINE, 10) == [(0, 1.0), (1, 0.75), (2, 0.5), (3, 0.25), (4, 0.0)]
    assert days_of("rapid(days=21)")[-1] == 21


def test_abrupt_is_0_on_day_1_and_constant_never_changes() -> None:
    assert steps_table(build("abrupt()"), MORPHINE, 10) == [(0, 1.0), (1, 0.0)]
    assert steps_table(build("constant()"), MORPHINE, 1000) == [(0, 1.0)]


# the options


def test_the_first_class_that_is_taken_is_tapered_unless_one_is_named() -> None:
    both = people(({1: ("lorazepam", 2.0, 20.0), 2: ("pregabalin", 300.0, 300.0)}, 2000.0))
    _, shares = course(build("abrupt()"), both)
    assert shares[-1].tolist() == [[1.0, 0.0, 1.0]]
    _, shares = course(build("abrupt(drug_class=gabapentinoid)"), both)
    assert shares[-1].tolist() == [[1.0, 1.0, 0.0]]
    _, shares = course(build("abrupt(drug_class=opioid)"), both)
    assert shares[-1].tolist() == [[1.0, 1.0, 1.0]]


def test_a_floor_is_a_lower_dose_for_good() -> None:
    assert shares_of("linear(pct=30, every=28, floor_pct=25)") == [1, 0.7, 0.4, 0.25]
    assert shares_of("exponential(pct=50, every=28, floor_pct=3)") == [1, 0.5, 0.25, 0.125, 0.0625, 0.03]
    assert shares_of("abrupt(floor_pct=60)") == [1, 0.6]


def test_below_end_pct_the_dose_is_0() -> None:
    assert shares_of("linear(pct=15, every=28, end_pct=30)") == [1, 0.85, 0.7, 0.55, 0.4, 0.0]
    assert shares_of("linear(pct=10, every=28, end_pct=30)")[-2:] == [0.3, 0.0]
    assert shares_of("exponential(pct=50, every=28, end_pct=20)") == [1, 0.5, 0.25, 0]


def test_start_day_moves_the_whole_schedule() -> None:
    assert days_of("linear(pct=25, every=10, start_day=15)") == [0, 15, 25, 35, 45]
    assert days_of("abrupt(start_day=4)") == [0, 4]
    assert build("abrupt(start_day=4)").decision_days(10) == [1, 4]


def test_after_so_many_steps_the_dose_is_held_for_longer() -> None:
    call = "linear(pct=20, every=7, pause_after=2, pause_days=28)"
    assert days_of(call) == [0, 1, 8, 43, 50, 85]
    assert shares_of(call) == shares_of("linear(pct=20, every=7)")


def test_a_pause_after_every_step_is_a_longer_interval() -> None:
    assert days_of("linear(pct=20, every=7, pause_after=1, pause_days=3)") == days_of("linear(pct=20, every=10)")


@pytest.mark.parametrize("every", [1, 3, 7, 10, 14, 21, 27, 28, 42])
@pytest.mark.parametrize(
    "call", ["linear(pct=45, every={}", "exponential(pct=40, every={}", "hyperbolic(steps=3, every={}"]
)
def test_a_ceiling_holds_in_any_28_days_in_a_row_and_the_end_is_still_reached(call: str, every: int) -> None:
    listed = steps_table(build(call.format(every) + ", ceiling_pct=12)"), MORPHINE, 2500)
    share = np.interp(0, [0], [1]) * np.ones(2501)
    for day, value in listed:
        share[day:] = value
    assert (share[:-28] - share[28:]).max() <= 0.12 + 1e-9
    assert share[-1] == 0


def test_a_ceiling_above_the_pace_changes_nothing() -> None:
    with_it, without = "linear(pct=10, every=28, ceiling_pct=10)", "linear(pct=10, every=28)"
    assert steps_table(build(with_it), MORPHINE, 400) == steps_table(build(without), MORPHINE, 400)


def test_a_ceiling_spreads_a_cut_and_cuts_of_the_current_dose_go_on_from_there() -> None:
    assert shares_of("linear(pct=40, every=14, ceiling_pct=40)") == [1, 0.8, 0.6, 0.4, 0.2, 0]
    assert shares_of("exponential(pct=50, every=28, ceiling_pct=40)") == [1, 0.6, 0.3, 0.15, 0.075, 0]


@pytest.mark.parametrize(
    "call",
    [
        "linear(pct=-1, every=28)",
        "linear(pct=100.1, every=28)",
        "linear(pct=1e-9, every=28)",
        "linear(pct=10, every=0)",
        "linear(pct=10, every=-7)",
        "linear(pct=10, every=28, floor_pct=100)",
        "linear(pct=10, every=28, floor_pct=-1)",
        "linear(pct=10, every=28, end_pct=100)",
        "linear(pct=10, every=28, start_day=0)",
        "linear(pct=10, every=28, pause_after=2)",
        "linear(pct=10, every=28, pause_days=2)",
        "linear(pct=10, every=28, pause_after=-1, pause_days=2)",
        "linear(pct=10, every=28, ceiling_pct=0)",
        "linear(pct=10, every=28, drug_class=statin)",
        "exponential(pct=0, every=28)",
        "exponential(pct=10, every=28, basis=original)",
        "fixed_mg(step_mg=0, every=7)",
        "fixed_mg(step_mg=5, every=7, drug=aspirin)",
        "fixed_mg(step_mg=5, every=7, drug=fentanyl)",
        "fixed_mg(step_mg=5, every=7, drug=buprenorphine)",
        "rapid(days=0)",
        "rapid(days=2.5)",
        "fixed_mg(step_mg=5, every=7, drug=diazepam, drug_class=opioid)",
        "hyperbolic(steps=0, every=28)",
        "abrupt(start_day=0)",
        "abrupt(pause_after=1)",
        "constant(floor_pct=10)",
    ],
)
def test_arguments_out_of_range_are_refused(call: str) -> None:
    with pytest.raises(InputError):
        build(call)


@pytest.mark.parametrize(
    "call",
    [
        "linear(pct=0, every=28)",
        "exponential(pct=10, every=28, end_pct=0)",
        "linear(pct=10, every=28, ceiling_pct=0)",
        "fixed_mg(step_mg=0, every=28)",
    ],
)
def test_a_protocol_that_never_ends_is_refused_and_told_so(call: str) -> None:
    with pytest.raises(InputError, match="never end"):
        build(call)


# properties of every schedule and preset


def test_every_registered_schedule_is_among_the_examples() -> None:
    ours = {name for name, factory in registered().items() if inspect.getmodule(factory) in (fixed, guidance)}
    assert ours == set(EXAMPLES)


def test_an_option_that_changes_nothing_is_offered_by_no_schedule() -> None:
    changed = {"floor_pct": "50", "start_day": "9", "end_pct": "40", "ceiling_pct": "3", "drug_class": "benzodiazepine"}
    patients = people(({0: ("morphine", 90.0, 90.0), 1: ("diazepam", 10.0, 10.0)}, 2000.0))
    for name in ("abrupt", "linear", "exponential", "fixed_mg", "hyperbolic", "rapid", "preset"):
        call = {"fixed_mg": "fixed_mg(step_mg=7, every=7)"}.get(name, EXAMPLES[name][0])
        plain = course(build(call), patients)
        offered = inspect.signature(registered()[name]).parameters
        added = [f"{key}={value}" for key, value in changed.items() if key in offered]
        added += ["pause_after=1, pause_days=5"] if "pause_after" in offered else []
        assert len(added) == {"abrupt": 3, "preset": 5}.get(name, 6)
        for option in added:
            comma = "" if call.endswith("()") else ", "
            other = course(build(f"{call[:-1]}{comma}{option})"), patients)
            assert plain[0] != other[0] or not np.array_equal(plain[1], other[1]), (call, option)


@pytest.mark.parametrize("call", CALLS)
def test_the_name_of_a_policy_is_its_call_in_normal_form(call: str) -> None:
    policy = build(call)
    assert policy.name == canonical(parse(call))
    assert build(policy.name).name == policy.name


@pytest.mark.parametrize("call", CALLS)
def test_decision_days_begin_with_1_and_rise_within_the_study(call: str) -> None:
    policy = build(call)
    for n_days in (1, 28, 29, 400):
        days = list(policy.decision_days(n_days))
        assert days[0] == 1
        assert days == sorted(set(days))
        assert days[-1] <= n_days
        assert days == [day for day in policy.decision_days(5000) if day <= n_days]


@pytest.mark.parametrize("call", CALLS)
def test_doses_are_never_negative_and_never_rise(call: str) -> None:
    _, shares = course(build(call), MIXED)
    assert shares.shape[1:] == (7, 3)
    assert shares.min() >= 0
    assert shares.max() <= 1
    assert np.all(np.diff(shares, axis=0) <= 0)


@pytest.mark.parametrize("call", CALLS)
def test_a_schedule_ends_at_0_or_at_its_floor(call: str) -> None:
    policy = build(call)
    schedule = policy.schedule if isinstance(policy, guidance.Preset) else policy
    floor = getattr(schedule, "floor_pct", 100.0) / 100
    _, shares = course(policy, MIXED)
    column = policy.start(MIXED).tapered.column if floor < 1 else np.full(7, -1)
    for row in range(7):
        for k in range(3):
            assert shares[-1, row, k] == (floor if k == column[row] else 1.0)


@pytest.mark.parametrize("call", CALLS)
def test_the_doses_of_a_patient_do_not_depend_on_the_others(call: str) -> None:
    policy = build(call)
    days, together = course(policy, MIXED)
    for row in range(7):
        alone_days, alone = course(policy, take(MIXED, [row]))
        assert alone_days == days
        assert np.array_equal(alone[:, 0], together[:, row])
    _, turned = course(policy, take(MIXED, range(6, -1, -1)))
    assert np.array_equal(turned[:, ::-1], together)


@pytest.mark.parametrize("call", CALLS)
def test_classes_that_are_not_tapered_or_not_taken_keep_their_dose(call: str) -> None:
    _, shares = course(build(call), MIXED)
    moved = np.any(shares != 1, axis=0)
    assert moved.sum(axis=1).max() <= 1
    assert not moved[~MIXED.taken].any()


@pytest.mark.parametrize("call", CALLS)
def test_a_decision_depends_on_the_day_and_not_on_the_decisions_before(call: str) -> None:
    policy = build(call)
    days, shares = course(policy, MIXED)
    memory = policy.start(MIXED)
    for at in (len(days) - 1, 0, len(days) // 2, len(days) // 2):
        seen = Observation(day=days[at], dose_fraction=np.ones((7, 3)), dispensed=np.ones((7, 3)))
        assert np.array_equal(policy.decide(memory, seen).dose_fraction, shares[at])
    between = Observation(day=days[-1] + 1000, dose_fraction=np.ones((7, 3)), dispensed=np.ones((7, 3)))
    assert np.array_equal(policy.decide(memory, between).dose_fraction, shares[-1])


@pytest.mark.parametrize("call", CALLS)
def test_doses_change_on_decision_days_only(call: str) -> None:
    policy = build(call)
    days = set(policy.decision_days(300))
    memory, before = policy.start(MIXED), np.ones((7, 3))
    for day in range(1, 301):
        now = policy.decide(memory, Observation(day=day, dose_fraction=before, dispensed=before)).dose_fraction
        assert day in days or np.array_equal(now, before)
        before = now


def test_nobody_at_all_is_a_cohort_too() -> None:
    for call in CALLS:
        _, shares = course(build(call), take(MIXED, []))
        assert shares.shape[1:] == (0, 3)


def test_a_long_schedule_of_many_patients_is_worked_out_once() -> None:
    policy = build("rapid(days=365)")
    many = take(MIXED, [0] * 2000)
    memory = policy.start(many)
    steps = []
    for day in policy.decision_days(365):
        seen = Observation(day=day, dose_fraction=many.dose, dispensed=many.dose)
        policy.decide(memory, seen)
        steps.append(memory.step)
    assert steps == list(range(1, 366))
