"""The equations of sections 3 and 4 of docs/model.md, written a second time from the page, and their signs."""

import inspect
import math
from collections.abc import Callable

import numpy as np
import pytest

from taper_sim.model import equations as eq

Formula = Callable[..., float]

#: One line for each equation, with the names of its arguments; sections 1 and 2 are in test_reference.py.
FORMULAS: dict[str, Formula] = {
    "recent_cut": lambda v, decay_v, net_cut: v * decay_v + net_cut,
    "recent_weight": lambda v, half: v**2 / (v**2 + half**2),
    "respiratory_excess": lambda e_opioid, e_benzo, e_gaba, apnoea, tolerance, per_benzo, per_gaba: smooth(
        sum([e_opioid, per_benzo * e_benzo, per_gaba * e_gaba, apnoea]) - tolerance
    ),
    "log_hazard_dropout": lambda fixed, w_felt, m_bar, n, forced, per_w, per_m, per_n, per_forced: sum(
        [fixed, per_w * w_felt, per_m * m_bar, -per_n * n, per_forced * forced]
    ),
    "log_hazard_return": lambda fixed, w_felt, m_bar, p_bar, per_w, per_m, per_p: sum(
        [fixed, per_w * w_felt, per_m * m_bar, per_p * p_bar]
    ),
    "log_hazard_lapse": lambda fixed, c, w_felt, clustered, recent, per_c, per_w, per_cluster, per_recent: sum(
        [fixed, per_c * c, per_w * w_felt, per_cluster * clustered, per_recent * recent]
    ),
    "log_hazard_crisis": lambda fixed, m_bar, w_felt, recent, per_m, per_w, per_recent: sum(
        [fixed, per_m * m_bar, per_w * w_felt, per_recent * recent]
    ),
    "log_hazard_overdose": lambda fixed, root_dose, recent, per_root_dose, per_recent, causal: sum(
        [fixed, causal * per_root_dose * root_dose, causal * per_recent * recent]
    ),
    "log_ratio_excess": lambda excess, per_excess, most: 1 / (1 / (per_excess * excess) + 1 / most),
    "with_ceiling": lambda hazard, most: 1 / (1 / hazard + 1 / most),
    "log_hazard_seizure": lambda fixed, w_benzo, w_gaba, e_gaba0, per_benzo, per_gaba: sum(
        [fixed, per_benzo * w_benzo, math.prod([per_gaba, w_gaba, e_gaba0])]
    ),
    "log_hazard_urgent": lambda fixed, p_bar, m_bar, per_p, per_m: sum([fixed, per_p * p_bar, per_m * m_bar]),
    "log_hazard_withdrawal_visit": lambda fixed, w_felt, per_w: sum([fixed, per_w * w_felt]),
    "missing_logit": lambda fixed, missed, bad, m_bar, per_missed, per_bad, per_m: sum(
        [fixed, per_missed * missed, per_bad * bad, per_m * m_bar]
    ),
    "missed_visit_logit": lambda fixed, missed, n, per_missed, per_n: sum([fixed, per_missed * missed, -per_n * n]),
    "slow_noise": lambda x, decay, innovation, z: sum([x * decay, innovation * z]),
    "report_noise": lambda person, white, slow, own, shared, z, z_day, x: sum(
        [person * white * own * z, person * white * shared * z_day, person * slow * x]
    ),
    "sows_mean": lambda s0, w_opioid, x, per_w: sum([s0, per_w * w_opioid, x]),
    "sows_shift": lambda p_bar, m_bar, i_bar, per_p, per_m, per_i: sum([per_p * p_bar, per_m * m_bar, per_i * i_bar]),
    "function_report_mean": lambda u, x, per_x: sum([u, -per_x * x]),
    "pain_report_mean": lambda p, x, per_x: sum([p, per_x * x]),
    "log_steps_mean": lambda steps0, u_bar, i_bar, p_bar, weekend, per_u, per_i, per_p, per_weekend: sum(
        [steps0, per_u * u_bar, -per_i * i_bar, -per_p * p_bar, per_weekend * weekend]
    ),
    "sleep_hours_mean": lambda hours0, i_bar, weekend, per_i, per_weekend: sum(
        [hours0, -per_i * i_bar, per_weekend * weekend]
    ),
}
#: What moves up (+) or down (-) with each of these covariates, all coefficients being positive.
SIGNS = [
    ("respiratory_excess", "apnoea", "+"),
    ("respiratory_excess", "e_benzo", "+"),
    ("respiratory_excess", "e_gaba", "+"),
    ("respiratory_excess", "tolerance", "-"),
    ("log_hazard_dropout", "n", "-"),
    ("log_hazard_dropout", "forced", "+"),
    ("log_hazard_overdose", "recent", "+"),
    ("log_hazard_overdose", "root_dose", "+"),
    ("missed_visit_logit", "n", "-"),
    ("missed_visit_logit", "missed", "+"),
    ("missing_logit", "m_bar", "+"),
    ("function_report_mean", "x", "-"),
    ("sleep_hours_mean", "i_bar", "-"),
]


def smooth(x: float) -> float:
    """The positive part of section 1, ``(x + sqrt(x^2 + 1e-6)) / 2``."""
    return (x + math.hypot(x, 1e-3)) / 2


def numbers(function: Formula, rng: np.random.Generator) -> dict[str, float]:
    """A positive number for each argument."""
    return {name: float(rng.uniform(0.1, 3.0)) for name in inspect.signature(function).parameters}


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_an_equation_of_events_and_reports_is_the_one_of_the_page(name: str) -> None:
    rng = np.random.default_rng(30)
    function, formula = getattr(eq, name), FORMULAS[name]
    assert list(inspect.signature(function).parameters) == list(inspect.signature(formula).parameters)
    for _ in range(20):
        values = numbers(formula, rng)
        assert function(**values) == pytest.approx(formula(**values), rel=1e-12, abs=1e-12)


def test_every_equation_of_sections_3_and_4_has_its_formula() -> None:
    lines = {name: inspect.getsourcelines(f)[1] for name, f in inspect.getmembers(eq, inspect.isfunction)}
    assert {name for name, line in lines.items() if line >= lines["recent_cut"]} == set(FORMULAS)


@pytest.mark.parametrize(("name", "covariate", "sign"), SIGNS, ids=[f"{name}-{what}" for name, what, _ in SIGNS])
def test_a_covariate_has_the_sign_of_the_page(name: str, covariate: str, sign: str) -> None:
    values = numbers(FORMULAS[name], np.random.default_rng(31))
    less, more = (getattr(eq, name)(**values | {covariate: value}) for value in (0.5, 1.5))
    assert (more > less) == (sign == "+") and more != less


def test_apnoea_adds_to_the_excess_of_a_person_on_a_steady_dose() -> None:
    """At a steady dose effect and tolerance are equal: the excess is that of sedatives and apnoea."""
    steady = {"e_opioid": 0.5, "e_benzo": 0.0, "e_gaba": 0.0, "tolerance": 0.5, "per_benzo": 0.3, "per_gaba": 0.1}
    assert eq.respiratory_excess(apnoea=0.05, **steady) == pytest.approx(0.05, abs=1e-5)
    assert eq.respiratory_excess(apnoea=0.0, **steady) == pytest.approx(5e-4)


def test_who_is_engaged_misses_fewer_visits() -> None:
    """Section 4: after a kept visit 0.08 to 0.12 are missed at the median engagement of 0.8."""
    share = [1 / (1 + math.exp(-eq.missed_visit_logit(-1.4, 0.0, n, 2.48, 1.0))) for n in (0.0, 0.8, 1.0)]
    assert share == sorted(share, reverse=True)
    assert 0.08 < share[1] < 0.12
