"""The equations of the model. Imports only NumPy.

Each equation is a function of numbers: ``+ - * /``, ``sqrt`` and, for hazards, a linear predictor; the caller applies
``exp``. The functions have no ``if``, ``max``, loop or random draw, so one body serves the compiled kernel, NumPy
arrays of any shape and PyTensor variables with gradients (tests/model/test_equations.py compares the three).

Letters are those of docs/model.md: G level, E effect, F and L fast and slow adaptation, A analgesic and R respiratory
tolerance, Ω drive, W withdrawal; P pain, M distress, I insomnia, U function, N engagement, C craving, X reaction to a
cut, K care. ``_bar`` is the difference from the value at the start. Effects, adaptation, withdrawal, M, I, N and C have
no unit (0 to 1); P is in NRS points (0 to 10), U in points of 0 to 100, X in SOWS-Gossop points; one step is one day.
"""

from typing import Any

import numpy as np

# A float, a NumPy array, a Numba scalar or a PyTensor variable: the equations accept all four.
Number = Any


# -- building blocks ---------------------------------------------------------------------------------------------------


def pos(x: Number) -> Number:
    """Smooth positive part. Equation: ``pos(x) = (x + sqrt(x^2 + 1e-6)) / 2``. Source: docs/model.md."""
    return 0.5 * (x + np.sqrt(x * x + 1e-6))


def relax(x: Number, target: Number, decay: Number) -> Number:
    """Exact solution over one day of a first-order approach to a target.

    Equation: ``target + (x - target) * decay`` with ``decay = exp(-1/tau)``, computed once per person.
    """
    return target + (x - target) * decay


# -- section 1: medicines (one drug class) -----------------------------------------------------------------------------


def effect(level: Number, shape: Number, ec50: Number) -> Number:
    """Effect at one point of the day: ``G s / (G s + EC50)``; level and EC50 in equivalents a day, result 0 to 1."""
    return level * shape / (level * shape + ec50)


def set_point(omega: Number, fast: Number, slow: Number) -> Number:
    """Adapted set point: ``omega F + (1 - omega) L``, effect units."""
    return omega * fast + (1.0 - omega) * slow


def mean_of_four(a: Number, b: Number, c: Number, d: Number) -> Number:
    """Mean over the four points of the day (u = 1/8, 3/8, 5/8, 7/8)."""
    return 0.25 * (a + b + c + d)


def shortfall(expected: Number, e1: Number, e2: Number, e3: Number, e4: Number, delta: Number) -> Number:
    """Mean over the day of ``pos(set point - e_j - delta)``, effect units."""
    return mean_of_four(
        pos(expected - e1 - delta), pos(expected - e2 - delta), pos(expected - e3 - delta), pos(expected - e4 - delta)
    )


def drive(sigma: Number, adjunct: Number, missing: Number) -> Number:
    """Withdrawal drive ``sigma (1 - adjunct) * shortfall``; no unit."""
    return sigma * (1.0 - adjunct) * missing


def withdrawal_target(omega_drive: Number) -> Number:
    """Steady-state withdrawal of a drive: ``d^1.5 / (1 + d^1.5)``, in [0, 1)."""
    power = omega_drive * np.sqrt(omega_drive)
    return power / (1.0 + power)


def overall_withdrawal(w1: Number, w2: Number, w3: Number) -> Number:
    """Overall withdrawal of three classes: ``1 - (1 - W1)(1 - W2)(1 - W3)``."""
    return 1.0 - (1.0 - w1) * (1.0 - w2) * (1.0 - w3)


def adapted_at_start(steady_effect: Number, remaining: Number) -> Number:
    """Adaptation at the start, after the days of use: ``E (1 - exp(-use/tau))``, with ``remaining = exp(-use/tau)``."""
    return steady_effect * (1.0 - remaining)


def relief_lost(
    alpha: Number, e: Number, tolerance: Number, margin0: Number, b: Number, slow: Number, slow0: Number
) -> Number:
    """Pain added by one class, NRS points: ``-(alpha ((E - A) - (E - A)(0)) + b (L/L(0) - 1))``."""
    return -(alpha * ((e - tolerance) - margin0) + b * (slow / slow0 - 1.0))


# -- section 2: the person ---------------------------------------------------------------------------------------------


def cut_share(before: Number, dose: Number, reference: Number) -> Number:
    """Share of the original dose by which a prescription falls (negative: rises): ``(before - dose) / reference``.

    ``reference`` is the dose of day 0, or ``cut_reference`` of the class where that is larger.
    """
    return (before - dose) / reference


def cut_weight(share: Number, full: Number) -> Number:
    """Part of the whole reaction that a cut of this share brings: ``sqrt(share/full)``; the caller limits it to 1."""
    return np.sqrt(share / full)


def reaction(x: Number, decay_x: Number, xi: Number, cut_announced: Number) -> Number:
    """Reaction to announced cuts: ``X e^(-1/tau_X) + xi * announced``.

    ``announced`` is 0 without a cut, else :func:`cut_weight` times 1 (agreed) or 2.5 (imposed).
    """
    return x * decay_x + xi * cut_announced


def lasting_response(beta: Number, removed: Number) -> Number:
    """Pain added by what was removed of the dose, NRS points: ``beta * removed``, of one class; no decay."""
    return beta * removed


def felt_withdrawal(w_bar: Number, x: Number, per_w: Number) -> Number:
    """Withdrawal as felt, below 1: ``1 - (1 - W_bar)/(1 + X/30)``; ``per_w`` is SOWS-Gossop at full withdrawal."""
    return 1.0 - (1.0 - w_bar) / (1.0 + x / per_w)


def season(before: Number, decay: Number, size: Number, z: Number) -> Number:
    """Season of pain, NRS points: ``f l + size sqrt(1 - f^2) z``, ``f = exp(-1/tau_S)``; long-run sd ``size``."""
    return before * decay + size * np.sqrt(1.0 - decay * decay) * z


def shock(size: Number, decay: Number, r: Number, z: Number, z_common: Number) -> Number:
    """One-day shock of a domain: ``size sqrt(1 - f^2) (sqrt(1 - r) z + sqrt(r) z_common)``, f of the domain's own tau.

    Shocks alone give the domain the sd ``size`` in the long run, and shocks of two domains the correlation ``r``.
    """
    return size * np.sqrt(1.0 - decay * decay) * (np.sqrt(1.0 - r) * z + np.sqrt(r) * z_common)


def pain_target(
    p0: Number,
    lost: Number,
    w_load: Number,
    season: Number,
    m_bar: Number,
    i_bar: Number,
    k_pt: Number,
    per_m: Number,
    per_i: Number,
    per_k: Number,
) -> Number:
    """Target of pain, NRS points.

    ``lost`` sums relief_lost and lasting_response, ``w_load`` sums ``p_c W_bar_c`` over classes.
    """
    return p0 + lost + w_load + season + per_m * m_bar + per_i * i_bar - per_k * k_pt


def distress_target(
    m0: Number,
    w_load: Number,
    p_bar: Number,
    i_bar: Number,
    x: Number,
    k_psy: Number,
    per_p: Number,
    per_i: Number,
    per_x: Number,
    per_k: Number,
) -> Number:
    """Target of distress, 0 to 1; ``w_load`` sums ``m_c W_bar_c``."""
    return m0 + w_load + per_p * p_bar + per_i * i_bar + per_x * x - per_k * k_psy


def insomnia_target(
    i0: Number, w_load: Number, m_bar: Number, p_bar: Number, k_psy: Number, per_m: Number, per_p: Number, per_k: Number
) -> Number:
    """Target of insomnia, 0 to 1; ``w_load`` sums ``i_c W_bar_c``."""
    return i0 + w_load + per_m * m_bar + per_p * p_bar - per_k * k_psy


def function_target(
    u0: Number,
    p_bar: Number,
    m_bar: Number,
    i_bar: Number,
    w_bar: Number,
    k_pt: Number,
    per_p: Number,
    per_m: Number,
    per_i: Number,
    per_w: Number,
    per_k: Number,
) -> Number:
    """Target of function, 0 to 100, higher better."""
    return u0 - per_p * p_bar - per_m * m_bar - per_i * i_bar - per_w * w_bar + per_k * k_pt


def engagement_target(
    n0: Number, w_felt: Number, m_bar: Number, k_nurse: Number, per_w: Number, per_m: Number, per_k: Number
) -> Number:
    """Target of engagement with care, 0 to 1."""
    return n0 - per_w * w_felt - per_m * m_bar + per_k * k_nurse


def craving_target(
    c0: Number, w_felt: Number, m_bar: Number, p_bar: Number, per_w: Number, per_m: Number, per_p: Number
) -> Number:
    """Target of craving, 0 to 1."""
    return c0 + per_w * w_felt + per_m * m_bar + per_p * p_bar


# -- section 3: events. Each returns the log of a daily hazard; the caller applies exp and 1 - exp(-h). ----------------
# Withdrawal, distress and pain are those that are felt: ``w_felt``, and ``m_bar`` and ``p_bar`` within their scales.


def recent_cut(v: Number, decay_v: Number, net_cut: Number) -> Number:
    """Recent reduction: share of the original dose, fading over ``tau_V`` days; a rise counts as a negative cut.

    The caller keeps it at 0 or above.
    """
    return v * decay_v + net_cut


def recent_weight(v: Number, half: Number) -> Number:
    """Weight of a recent reduction, 0 to 1: ``v^2/(v^2 + half^2)``; convex, so slow tapers add little."""
    return v * v / (v * v + half * half)


def respiratory_excess(
    e_opioid: Number,
    e_benzo: Number,
    e_gaba: Number,
    apnoea: Number,
    tolerance: Number,
    per_benzo: Number,
    per_gaba: Number,
) -> Number:
    """Effect beyond respiratory tolerance: ``pos(E + shift by sedatives and apnoea - R)``, effect units."""
    return pos(e_opioid + per_benzo * e_benzo + per_gaba * e_gaba + apnoea - tolerance)


def log_hazard_dropout(
    fixed: Number,
    w_felt: Number,
    m_bar: Number,
    n: Number,
    forced: Number,
    per_w: Number,
    per_m: Number,
    per_n: Number,
    per_forced: Number,
) -> Number:
    """Leaving the setting of care; ``forced`` is the weight of recent imposed cuts, 0 if all cuts were agreed."""
    return fixed + per_w * w_felt + per_m * m_bar - per_n * n + per_forced * forced


def log_hazard_return(
    fixed: Number, w_felt: Number, m_bar: Number, p_bar: Number, per_w: Number, per_m: Number, per_p: Number
) -> Number:
    """Return to a higher prescribed dose."""
    return fixed + per_w * w_felt + per_m * m_bar + per_p * p_bar


def log_hazard_lapse(
    fixed: Number,
    c: Number,
    w_felt: Number,
    clustered: Number,
    recent: Number,
    per_c: Number,
    per_w: Number,
    per_cluster: Number,
    per_recent: Number,
) -> Number:
    """A day on which more than the prescribed dose is taken.

    ``clustered`` is 1 within two weeks of the last; ``recent`` is the weight of recent cuts, ``per_recent`` already
    holds the causal share.
    """
    return fixed + per_c * c + per_w * w_felt + per_cluster * clustered + per_recent * recent


def log_hazard_crisis(
    fixed: Number, m_bar: Number, w_felt: Number, recent: Number, per_m: Number, per_w: Number, per_recent: Number
) -> Number:
    """Mental-health crisis; ``recent`` is the weight of recent cuts, ``per_recent`` already holds the causal share."""
    return fixed + per_m * m_bar + per_w * w_felt + per_recent * recent


def log_hazard_overdose(
    fixed: Number, root_dose: Number, recent: Number, per_root_dose: Number, per_recent: Number, causal: Number
) -> Number:
    """Overdose, without the part caused by lost tolerance.

    ``root_dose`` is the root of the opioid dose taken, MME^(1/2). Only the
    causal share of the slope in claims data depends on the dose; the rest is selection of patients, which ``fixed``
    contains for the dose at the start. The same share holds for ``recent``, the weight of recent cuts,
    which is 0 on a day on which nothing is taken.
    """
    return fixed + causal * (per_root_dose * root_dose + per_recent * recent)


def log_ratio_excess(excess: Number, per_excess: Number, most: Number) -> Number:
    """Log ratio of overdose by effect beyond tolerance: ``most y/(y + most)`` with ``y = per_excess * excess``."""
    y = per_excess * excess
    return most * y / (y + most)


def with_ceiling(hazard: Number, most: Number) -> Number:
    """Daily hazard that never exceeds ``most``: ``h most/(h + most)``."""
    return hazard * most / (hazard + most)


def log_hazard_seizure(
    fixed: Number, w_benzo: Number, w_gaba: Number, e_gaba0: Number, per_benzo: Number, per_gaba: Number
) -> Number:
    """Seizure or delirium; a gabapentinoid counts by its withdrawal times its effect at the start (high dose)."""
    return fixed + per_benzo * w_benzo + per_gaba * w_gaba * e_gaba0


def log_hazard_urgent(fixed: Number, p_bar: Number, m_bar: Number, per_p: Number, per_m: Number) -> Number:
    """Urgent visit for a reason other than withdrawal."""
    return fixed + per_p * p_bar + per_m * m_bar


def log_hazard_withdrawal_visit(fixed: Number, w_felt: Number, per_w: Number) -> Number:
    """Urgent visit for withdrawal."""
    return fixed + per_w * w_felt


# -- section 4: reports ----------------------------------------------------------------------------------------------


def missing_logit(
    fixed: Number, missed: Number, bad: Number, m_bar: Number, per_missed: Number, per_bad: Number, per_m: Number
) -> Number:
    """Log odds that a due check-in is missing; ``missed`` is 1 after a missed one, ``bad`` the day factor."""
    return fixed + per_missed * missed + per_bad * bad + per_m * m_bar


def missed_visit_logit(fixed: Number, missed: Number, n: Number, per_missed: Number, per_n: Number) -> Number:
    """Log odds that an appointment is missed; ``missed`` is 1 after a missed one, ``n`` the engagement."""
    return fixed + per_missed * missed - per_n * n


def slow_noise(x: Number, decay: Number, innovation: Number, z: Number) -> Number:
    """Slow noise of a report, sd 1: Ornstein-Uhlenbeck over a day, ``innovation = sqrt(1 - decay^2)``."""
    return x * decay + innovation * z


def report_noise(
    person: Number, white: Number, slow: Number, own: Number, shared: Number, z: Number, z_day: Number, x: Number
) -> Number:
    """Noise of one report: ``person (white (own z + shared z_day) + slow x)``, on the scale of the instrument.

    ``shared`` is the part of the white sd due to the day factor and ``own = sqrt(1 - shared^2)`` the rest.
    """
    return person * (white * (own * z + shared * z_day) + slow * x)


def sows_mean(s0: Number, w_opioid: Number, x: Number, per_w: Number) -> Number:
    """Mean SOWS-Gossop, 0 to 30: ``s0 + 30 W_opioid + X``."""
    return s0 + per_w * w_opioid + x


def sows_shift(p_bar: Number, m_bar: Number, i_bar: Number, per_p: Number, per_m: Number, per_i: Number) -> Number:
    """Shift of ``log(1 + SOWS)`` by pain, distress and insomnia: a bad time is reported in part as withdrawal."""
    return per_p * p_bar + per_m * m_bar + per_i * i_bar


def function_report_mean(u: Number, x: Number, per_x: Number) -> Number:
    """Mean function as reported, 0 to 100: ``U - 1.0 X``."""
    return u - per_x * x


def pain_report_mean(p: Number, x: Number, per_x: Number) -> Number:
    """Mean pain NRS as reported: ``P + 0.3 X``."""
    return p + per_x * x


def log_steps_mean(
    steps0: Number,
    u_bar: Number,
    i_bar: Number,
    p_bar: Number,
    weekend: Number,
    per_u: Number,
    per_i: Number,
    per_p: Number,
    per_weekend: Number,
) -> Number:
    """Log of a day's steps, which depends on function, insomnia and weekday, and weakly on pain."""
    return steps0 + per_u * u_bar - per_i * i_bar - per_p * p_bar + per_weekend * weekend


def sleep_hours_mean(hours0: Number, i_bar: Number, weekend: Number, per_i: Number, per_weekend: Number) -> Number:
    """Hours slept in a night."""
    return hours0 - per_i * i_bar + per_weekend * weekend
