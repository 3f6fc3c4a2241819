"""The reference against section 1 and 2 of docs/model.md, written a second time in plain numbers."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from taper_sim.model import reference
from taper_sim.model.day import LifeDraws
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL
from taper_sim.model.life import N_LIFE
from taper_sim.model.parameters import BY_SYMBOL, MEDIAN_USE_DAYS, TABLE, Baseline
from taper_sim.model.pharmacology import within_day_shape
from taper_sim.units import DRUG_CLASSES

DOMAINS = ("pain", "distress", "insomnia", "function", "engagement", "craving")
PER_CLASS = ("EC50", "tau_F", "tau_L", "omega", "sigma", "alpha", "b", "beta", "cut_reference", "adjunct")

Patient = dict[str, Any]

# -- patients as plain numbers -----------------------------------------------------------------------------------------


def median(**changes: Any) -> Patient:
    """The median person on one opioid: morphine ER, 90 MME for five years."""
    baseline = Baseline()
    patient: Patient = {q.symbol: q.centre() for q in TABLE if not q.per_class}
    patient |= {q.symbol: [q.centre(c) for c in DRUG_CLASSES] for q in TABLE if q.per_class}
    patient |= {name: getattr(baseline, name) for name in DOMAINS}
    patient |= {
        "dose": [90.0, 0.0, 0.0],
        "use_days": [MEDIAN_USE_DAYS] * 3,
        "effect_half_life_h": [9.5, 24.0, 6.0],
        "trough_mean": [0.46, 0.7, 0.5],
        "is_imposed": False,
        "sows_w": CHANCE_BY_SYMBOL["sows_w"].centre(),
        "life_start": [0.0] * N_LIFE,
    }
    return patient | changes


def random_patient(rng: np.random.Generator) -> Patient:
    """Every parameter away from its centre; three classes, or two, or one."""
    patient = median()
    for q in TABLE:
        factor = rng.uniform(0.6, 1.5, 3)
        value = np.asarray(patient[q.symbol]) * (factor if q.per_class else factor[0])
        patient[q.symbol] = value.tolist()
    taken = rng.permutation([True, rng.random() < 0.8, rng.random() < 0.8])
    patient |= {
        "b": rng.normal(0, 1, 3).tolist(),
        "beta": rng.normal(0, 1, 3).tolist(),
        "life_start": [*(rng.normal(0, 1, N_LIFE) * [1.3, 0.08, 0.12, 5.6, 0.0, 0.9])],
        "omega": rng.uniform(0.2, 0.9, 3).tolist(),
        "adjunct": rng.uniform(0, 0.4, 3).tolist(),
        "sigma": rng.uniform(0.2, 5, 3).tolist(),
        "dose": (taken * rng.uniform(5, 300, 3)).tolist(),
        "use_days": rng.uniform(1, 1000, 3).tolist(),
        "effect_half_life_h": rng.uniform(2, 40, 3).tolist(),
        "trough_mean": rng.uniform(0.3, 0.95, 3).tolist(),
        "is_imposed": bool(rng.random() < 0.5),
        "pain": rng.uniform(0, 10),
        "distress": rng.uniform(0, 1),
        "insomnia": rng.uniform(0, 1),
        "function": rng.uniform(0, 100),
        "engagement": rng.uniform(0, 1),
        "craving": rng.uniform(0, 1),
    }
    return patient


def person_of(patients: list[Patient]) -> reference.PersonParameters:
    def column(name: str) -> np.ndarray:
        return np.array([patient[name] for patient in patients], dtype=np.float64)

    return reference.PersonParameters(
        taken=column("dose") > 0,
        **{name: column(name) for name in (*PER_CLASS, "effect_half_life_h", "use_days")},
        shape=np.array([[within_day_shape(trough) for trough in patient["trough_mean"]] for patient in patients]),
        scalar={q.symbol: column(q.symbol) for q in TABLE if not q.per_class} | {"sows_w": column("sows_w")},
        loads={load: column(load) for load in ("p", "m", "i")},
        baseline={name: column(name) for name in DOMAINS},
        life_start=column("life_start"),
        imposed=column("is_imposed") > 0,
    )


# -- sections 1 and 2 once more, one person, straight from docs/model.md -----------------------------------------------


def solved_shape(trough_mean: float) -> list[float]:
    """``s_j`` from ``x e^(-x) / (1 - e^(-x)) = trough / mean``, by halving."""
    low, high = 1e-12, 60.0
    for _ in range(200):
        x = (low + high) / 2
        if x * math.exp(-x) / (1 - math.exp(-x)) > trough_mean:
            low = x
        else:
            high = x
    s = [math.exp(-x * u) for u in (1 / 8, 3 / 8, 5 / 8, 7 / 8)]
    return [4 * value / sum(s) for value in s]


class Plain:
    """One person, day by day, in plain floats."""

    def __init__(self, q: Patient) -> None:
        self.q = q
        self.classes = [c for c in range(3) if q["dose"][c] > 0]
        self.s = [solved_shape(trough) for trough in q["trough_mean"]]
        self.D = list(q["dose"])
        self.G = list(q["dose"])
        self.E, self.F, self.L, self.A, self.W = ([0.0] * 3 for _ in range(5))
        self.R = self.X = 0.0
        for c in self.classes:
            e = self.effects(c)
            use = q["use_days"][c]
            self.E[c] = sum(e) / 4
            self.F[c] = self.E[c] * (1 - math.exp(-use / q["tau_F"][c]))
            self.L[c] = self.E[c] * (1 - math.exp(-use / q["tau_L"][c]))
            self.A[c] = self.E[c] * (1 - math.exp(-use / q["tau_A"]))
            self.W[c] = self.aimed(c, e)
        if 0 in self.classes:
            self.R = self.E[0] * (1 - math.exp(-q["use_days"][0] / q["tau_R"]))
        self.P, self.M, self.I, self.U, self.N, self.C = (q[name] for name in DOMAINS)
        p, m, i, u, c, self.season = q["life_start"]
        self.P, self.M, self.I, self.U, self.C = self.P + p, self.M + m, self.I + i, self.U + u, self.C + c
        self.K = [0.0] * 6
        self.E0, self.A0, self.L0, self.W0 = list(self.E), list(self.A), list(self.L), list(self.W)

    def effects(self, c: int) -> list[float]:
        return [self.G[c] * s / (self.G[c] * s + self.q["EC50"][c]) for s in self.s[c]]

    def aimed(self, c: int, e: list[float]) -> float:
        q = self.q
        expected = q["omega"][c] * self.F[c] + (1 - q["omega"][c]) * self.L[c]
        short = [expected - e_j - q["delta"] for e_j in e]
        felt = sum(0.5 * (x + math.sqrt(x * x + 1e-6)) for x in short) / 4
        omega = q["sigma"][c] * (1 - q["adjunct"][c]) * felt
        return omega * math.sqrt(omega) / (1 + omega * math.sqrt(omega))

    @staticmethod
    def relax(x: float, target: float, tau: float) -> float:
        return target + (x - target) * math.exp(-1 / tau)

    @staticmethod
    def joint(w: list[float]) -> float:
        return 1 - math.prod(1 - w_c for w_c in w)

    def shock(self, symbol: str, tau: str, z: float, common: float) -> float:
        q = self.q
        mixed = math.sqrt(1 - q["life_r"]) * z + math.sqrt(q["life_r"]) * common
        return q["life"] * q[symbol] * math.sqrt(1 - math.exp(-2 / q[tau])) * mixed

    def day(self, dose: list[float], delivered: list[float], z: tuple[float, ...] = (0.0,) * 6) -> None:
        q, relax = self.q, self.relax
        for c in self.classes:
            self.G[c] = dose[c] + (self.G[c] - dose[c]) * math.exp(-24 * math.log(2) / q["effect_half_life_h"][c])
            e = self.effects(c)
            self.E[c] = sum(e) / 4
            self.W[c] = relax(self.W[c], self.aimed(c, e), q["tau_s"])
            self.F[c] = relax(self.F[c], self.E[c], q["tau_F"][c])
            self.L[c] = relax(self.L[c], self.E[c], q["tau_L"][c])
            self.A[c] = relax(self.A[c], self.E[c], q["tau_A"])
        self.R = relax(self.R, self.E[0], q["tau_R"])
        cut = max((self.D[c] - dose[c]) / max(q["dose"][c], q["cut_reference"][c]) for c in range(3))
        self.D = list(dose)
        self.X *= math.exp(-1 / q["tau_X"])
        if cut > 0:
            whole = q["xi"] * (q["xi_imposed"] if q["is_imposed"] else 1)
            self.X += whole * math.sqrt(min(1.0, cut / q["full_cut"]))
        left = math.exp(-1 / q["tau_S"])
        self.season = self.season * left + q["life"] * q["season_p"] * math.sqrt(1 - left**2) * z[0]
        self.K = [relax(k, given, q["tau_K"]) for k, given in zip(self.K, delivered, strict=True)]
        pt, psychologist, nurse = self.K[2:5]

        w = [self.W[c] - self.W0[c] for c in range(3)]
        w_all = self.joint(self.W) - self.joint(self.W0)
        felt = 1 - (1 - w_all) / (1 + self.X / q["sows_w"])
        p, m, i = self.P - q["pain"], self.M - q["distress"], self.I - q["insomnia"]
        aim = q["pain"] + self.season
        for c in self.classes:
            aim += q["beta"][c] * min(max(1 - dose[c] / q["dose"][c], 0.0), 1.0)
            aim -= q["alpha"][c] * ((self.E[c] - self.A[c]) - (self.E0[c] - self.A0[c]))
            aim -= q["b"][c] * (self.L[c] / self.L0[c] - 1)
        aim += sum(q["p"][c] * w[c] for c in range(3))
        aim += q["pain_from_distress"] * m + q["pain_from_insomnia"] * i - q["pain_from_pt"] * pt
        self.P = relax(self.P, aim, q["tau_P"])
        p = self.P - q["pain"]
        aim = q["distress"] + sum(q["m"][c] * w[c] for c in range(3))
        aim += q["distress_from_pain"] * p + q["distress_from_insomnia"] * i + q["distress_from_reaction"] * self.X
        self.M = relax(self.M, aim - q["distress_from_psychologist"] * psychologist, q["tau_M"])
        m = self.M - q["distress"]
        aim = q["insomnia"] + sum(q["i"][c] * w[c] for c in range(3))
        aim += q["insomnia_from_distress"] * m + q["insomnia_from_pain"] * p
        self.I = relax(self.I, aim - q["insomnia_from_psychologist"] * psychologist, q["tau_I"])
        i = self.I - q["insomnia"]
        aim = q["function"] - q["function_from_pain"] * p - q["function_from_distress"] * m
        aim -= q["function_from_insomnia"] * i + q["function_from_withdrawal"] * w_all
        self.U = relax(self.U, aim + q["function_from_pt"] * pt, q["tau_U"])
        aim = q["engagement"] - q["engagement_from_withdrawal"] * felt - q["engagement_from_distress"] * m
        self.N = relax(self.N, aim + q["engagement_from_nurse"] * nurse, q["tau_N"])
        aim = q["craving"] + q["craving_from_withdrawal"] * felt + q["craving_from_distress"] * m
        self.C = relax(self.C, aim + q["craving_from_pain"] * p, q["tau_C"])
        self.P += self.shock("life_p", "tau_P", z[2], z[1])
        self.M += self.shock("life_m", "tau_M", z[3], z[1])
        self.I += self.shock("life_i", "tau_I", z[4], z[1])
        self.U += self.shock("life_u", "tau_U", z[5], -z[1])
        self.w_felt = felt


CLASS_STATES = ("G", "E", "F", "L", "A", "W")
PERSON_STATES = ("R", "X", "P", "M", "I", "U", "N", "C", "season")


def assert_same(state: reference.State, people: list[Plain]) -> None:
    for name in (*CLASS_STATES, *PERSON_STATES, "K"):
        want = np.array([getattr(person, name) for person in people])
        np.testing.assert_allclose(getattr(state, name), want, rtol=1e-12, atol=1e-12, err_msg=name)
    joint = [Plain.joint(person.W) for person in people]
    np.testing.assert_allclose(state.withdrawal, joint, rtol=1e-12, atol=1e-12)


def test_two_people_who_implement_the_model_separately_get_the_same_numbers() -> None:
    rng = np.random.default_rng(20)
    patients = [random_patient(rng) for _ in range(25)]
    assert any(min(q["dose"]) > 0 for q in patients) and any(min(q["dose"]) == 0 for q in patients)
    person, plain = person_of(patients), [Plain(q) for q in patients]
    dose = person.taken * np.array([q["dose"] for q in patients])
    original = dose.copy()
    state = reference.start(person, dose)
    assert_same(state, plain)
    largest = 0.0
    for _ in range(200):
        change = rng.random(dose.shape)
        dose = np.where(change < 0.05, dose * rng.uniform(0, 1, dose.shape), dose)
        dose = np.where(change > 0.98, original, dose)
        delivered = rng.uniform(0, 1.2, (len(patients), 6))
        z = rng.normal(size=(6, len(patients)))
        state = reference.day(person, state, dose, delivered, draws=LifeDraws(*z))
        for k, one in enumerate(plain):
            one.day(dose[k].tolist(), delivered[k].tolist(), tuple(z[:, k]))
        assert_same(state, plain)
        np.testing.assert_allclose(state.w_felt, [one.w_felt for one in plain], rtol=1e-12, atol=1e-12)
        largest = max(largest, float(state.withdrawal.max()))
    assert largest > 0.3  # the comparison went through withdrawal, not past it


# -- facts of sections 1 and 2 -----------------------------------------------------------------------------------------


def course(patient: Patient, doses: list[float], delivered: float = 0.0) -> list[reference.State]:
    """States of one person from day 0 on; ``doses`` of the opioid from day 1 on."""
    person = person_of([patient])
    dose = np.array([patient["dose"]])
    states = [reference.start(person, dose)]
    for today in doses:
        dose = np.array([[today, *patient["dose"][1:]]])
        states.append(reference.day(person, states[-1], dose, np.full((1, 6), delivered)))
    return states


@pytest.mark.parametrize(("half_life", "trough"), [(3.0, 0.54), (9.5, 0.46), (22.0, 0.70), (24.0, 0.85)])
def test_on_a_steady_dose_after_long_use_nothing_moves(half_life: float, trough: float) -> None:
    patient = median(
        dose=[90.0, 10.0, 300.0],
        use_days=[1e5] * 3,
        effect_half_life_h=[half_life, 24.0, 6.0],
        trough_mean=[trough, 0.7, 0.5],
    )
    states = course(patient, [90.0] * 365)
    assert states[0].W[0, 0] < 0.01
    for name in (*CLASS_STATES, *PERSON_STATES, "withdrawal", "w_felt"):
        moved = np.max(np.abs(getattr(states[-1], name) - getattr(states[0], name)))
        assert moved < 1e-12, name


def test_the_start_is_a_steady_effect_and_adaptation_as_far_as_the_use_went() -> None:
    first = course(median(use_days=[10.0, 1.0, 1.0]), [])[0]
    shape = np.array(solved_shape(0.46))
    steady = np.mean(90.0 * shape / (90.0 * shape + 80.0))
    assert first.G[0].tolist() == [90.0, 0.0, 0.0]
    assert first.E[0, 0] == pytest.approx(steady, rel=1e-12)
    for value, tau in ((first.F[0, 0], 5), (first.L[0, 0], 75), (first.A[0, 0], 30), (first.R[0], 14)):
        assert value == pytest.approx(steady * (1 - math.exp(-10 / tau)), rel=1e-12)
    assert first.W[0, 0] == pytest.approx(first.drive[0, 0] ** 1.5 / (1 + first.drive[0, 0] ** 1.5), rel=1e-12)
    assert first.X[0] == 0.0 and not first.K.any()
    assert (first.P[0], first.M[0], first.I[0]) == (6.0, 0.30, 0.40)
    assert (first.U[0], first.N[0], first.C[0]) == (45.0, 0.8, 0.1)


def test_after_long_use_the_start_is_fully_adapted() -> None:
    first = course(median(use_days=[1e5] * 3), [])[0]
    for value in (first.F[0, 0], first.L[0, 0], first.A[0, 0], first.R[0]):
        assert value == first.E[0, 0]


def test_a_class_not_taken_has_no_share_in_anything() -> None:
    doses = [45.0] * 30 + [0.0] * 30
    alone = course(median(), doses)[-1]
    other = course(median(sigma=[1.2, 50.0, 50.0], b=[0.2, 9.0, 9.0], alpha=[1.5, 9.0, 9.0]), doses)[-1]
    for name in (*CLASS_STATES, *PERSON_STATES):
        np.testing.assert_array_equal(getattr(alone, name), getattr(other, name), err_msg=name)
    assert not alone.W[:, 1:].any() and not alone.E[:, 1:].any()


def test_an_abrupt_stop_of_a_short_acting_opioid_peaks_on_day_two_and_is_mostly_over_in_four_weeks() -> None:
    patient = median(effect_half_life_h=[3.0, 24.0, 6.0], trough_mean=[0.54, 0.7, 0.5])
    w = np.array([state.W[0, 0] for state in course(patient, [0.0] * 60)])
    assert 2 <= int(np.argmax(w)) <= 3
    assert 0.1 < w.max() < 0.5
    assert w[10] < 0.5 * w.max() and w[28] < 0.15 * w.max()


def test_a_slow_taper_hurts_less_than_an_abrupt_stop() -> None:
    month = [90.0 * (1 - 0.1 * (1 + day // 28)) for day in range(280)]
    slow = max(state.withdrawal[0] for state in course(median(), month))
    abrupt = max(state.withdrawal[0] for state in course(median(), [0.0] * 60))
    assert slow < 0.1 < abrupt


def test_the_reaction_comes_with_a_cut_fades_over_six_days_and_counts_the_cut_once() -> None:
    doses = [90.0, 80.0, *([80.0] * 6), 85.0, 85.0]
    x = np.array([state.X[0] for state in course(median(), doses)])
    assert x[1] == 0.0 and x[2] == pytest.approx(0.8)  # a ninth of the dose: a whole reaction
    np.testing.assert_allclose(x[3:] / x[2:-1], math.exp(-1 / 6), rtol=1e-12)  # the rise on day 9 is no cut
    imposed = np.array([state.X[0] for state in course(median(is_imposed=True), doses)])
    np.testing.assert_allclose(imposed, 2.5 * x, rtol=1e-12)
    three = person_of([median(dose=[90.0, 10.0, 300.0])])
    state = reference.start(three, np.array([[90.0, 10.0, 300.0]]))
    assert reference.day(three, state, np.array([[80.0, 9.0, 200.0]]), np.zeros((1, 6))).X[0] == pytest.approx(0.8)


def test_a_smaller_cut_brings_a_smaller_reaction_and_a_small_dose_is_no_large_cut() -> None:
    reaction = [course(median(), [90.0 - cut])[-1].X[0] for cut in (9.0, 2.25)]
    assert reaction == pytest.approx([0.8, 0.4])
    little = median(dose=[5.0, 0.0, 0.0])  # measured against 50 MME, the reference of the class
    assert course(little, [2.5])[-1].X[0] == pytest.approx(0.8 * math.sqrt(0.5))


def test_what_lasts_of_a_cut_stays_and_is_taken_back_when_the_dose_is_raised() -> None:
    hurt, other = median(beta=[2.0, 0.0, 0.0]), median()
    doses = [45.0] * 400 + [90.0] * 100
    pain = [np.array([state.P[0] for state in course(patient, doses)]) for patient in (hurt, other)]
    lasting = pain[0] - pain[1]
    assert 1.0 < lasting[60] < 1.4 and abs(lasting[400] - lasting[60]) < 0.02  # 2 x half the dose, and what it brings
    assert abs(lasting[-1]) < 0.02


def test_felt_withdrawal_is_below_one_however_strong_the_reaction() -> None:
    states = course(median(xi=200.0, sigma=[50.0, 0.6, 0.3]), [0.0] * 20)
    felt = np.array([state.w_felt[0] for state in states])
    assert felt[1] > 0.5 and felt.max() < 1.0


def test_who_is_cut_can_be_said_apart_from_the_dose_taken() -> None:
    person = person_of([median()])
    state = reference.start(person, np.array([[90.0, 0.0, 0.0]]))
    day = (person, state, np.array([[120.0, 0.0, 0.0]]), np.zeros((1, 6)))
    assert reference.day(*day).X[0] == 0.0
    prescribed = (np.array([[90.0, 0.0, 0.0]]), np.array([[60.0, 0.0, 0.0]]))
    assert reference.day(*day, prescribed).X[0] == pytest.approx(0.8)


def test_care_that_is_delivered_arrives_with_its_delay_and_helps() -> None:
    without, given = course(median(), [90.0] * 120), course(median(), [90.0] * 120, delivered=1.0)
    assert given[28].K[0, 0] == pytest.approx(1 - math.exp(-1), rel=1e-12)
    assert given[-1].P[0] < without[-1].P[0] and given[-1].M[0] < without[-1].M[0]
    assert given[-1].U[0] > without[-1].U[0] and given[-1].N[0] > without[-1].N[0]


def test_an_adjunct_takes_its_share_off_the_drive() -> None:
    person = person_of([median(), median(adjunct=[0.2, 0.0, 0.0])])
    dose = np.zeros((2, 3))
    state = reference.start(person, np.array([[90.0, 0.0, 0.0]] * 2))
    state = reference.day(person, state, dose, np.zeros((2, 6)))
    assert state.drive[1, 0] == pytest.approx(0.8 * state.drive[0, 0], rel=1e-12)


def test_a_state_that_does_not_know_its_start_is_refused() -> None:
    person = person_of([median()])
    state = replace(reference.start(person, np.array([[90.0, 0.0, 0.0]])), at_start=None)
    with pytest.raises(ValueError, match="start"):
        reference.day(person, state, np.zeros((1, 3)), np.zeros((1, 6)))


def test_every_symbol_of_sections_1_and_2_has_a_part_in_this_comparison() -> None:
    """A symbol that the second implementation never read would not be tested."""
    read: set[str] = set()

    class Watched(dict):  # type: ignore[type-arg]
        def __getitem__(self, key: str) -> Any:
            read.add(key)
            return super().__getitem__(key)

    one = Plain(Watched(median(is_imposed=True)))
    one.day([0.0] * 3, [0.0] * 6)
    elsewhere = {
        "sigma_failed",
        "adjunct_effect",
        "cross_tolerance",
        "lead",
    }  # used where people and protocols are made
    assert set(BY_SYMBOL) - elsewhere <= read
