"""The compiled day loop: many people, many days. Imports ``rows``, ``elementary``, ``equations``, ``rng``.

The same equations as ``reference`` and ``reference_chance``, in the same order, on tiles of people; must agree with
them (tests/model/test_kernel.py). How it is laid out and why: docs/kernel.md. Importing compiles nothing: Numba
compiles :func:`advance` on its first call and keeps the machine code in the user's cache, keyed by these sources.
"""

import hashlib
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import njit
from numba.extending import register_jitable
from numba.np.unsafe.ndarray import to_fixed_tuple

from taper_sim import rng
from taper_sim.model import elementary, equations, rows
from taper_sim.model.elementary import cos_sin_turn, exp, log, small_integer
from taper_sim.model.equations import (
    craving_target,
    distress_target,
    drive,
    effect,
    engagement_target,
    function_target,
    insomnia_target,
    log_hazard_crisis,
    log_hazard_dropout,
    log_hazard_lapse,
    log_hazard_overdose,
    log_hazard_return,
    log_hazard_seizure,
    log_hazard_urgent,
    log_hazard_withdrawal_visit,
    log_steps_mean,
    mean_of_four,
    missed_visit_logit,
    missing_logit,
    overall_withdrawal,
    pain_report_mean,
    pain_target,
    reaction,
    recent_cut,
    relax,
    relief_lost,
    report_noise,
    respiratory_excess,
    set_point,
    shortfall,
    sleep_hours_mean,
    slow_noise,
    sows_mean,
    withdrawal_target,
)  # fmt: skip
from taper_sim.model.rows import (
    ADJUNCT,
    ALIVE,
    ALPHA,
    ANNOUNCED,
    APNOEA,
    ATTEMPTS,
    BEFORE_CUT,
    C0,
    CHECKIN_EVERY,
    CHECKINS_DONE,
    CHECKINS_DUE,
    COEFFICIENTS,
    CRISES,
    DAYS,
    DEATH_DAY,
    DECAY_F,
    DECAY_G,
    DECAY_L,
    DELIVERED,
    DOSE,
    DOSE0,
    DROPOUT_DAY,
    E0,
    EC50,
    FATAL,
    FIRST_CRISIS,
    FIRST_OVERDOSE,
    FIRST_URGENT,
    FROZEN,
    HAZARD,
    HAZARD_DOSE,
    HAZARD_EXCESS,
    HELD,
    I0,
    IN_CARE,
    IN_CARE_DAYS,
    L0,
    LANES,
    LAPSE_DAYS_LEFT,
    LAPSES,
    LAST_CUT,
    M0,
    MARGIN0,
    MAX_W,
    MISS_FIXED,
    MISSED,
    MISSED_VISIT,
    MORE_SHARE,
    N0,
    N_PARAM,
    N_REPORTS,
    N_STATE,
    N_SUMS,
    NOISE,
    NOSHOW_FIXED,
    OMEGA,
    OVER_LIMIT,
    OVERDOSE_DEATHS,
    OVERDOSES,
    P0,
    PLANNED,
    PRESCRIBED,
    RETURN_DAY,
    RISK_DOSE,
    S0,
    SEIZURES,
    SHAPE,
    SIGMA,
    SLOW,
    STEPS0,
    STOP_DAY,
    SUICIDE_DEATHS,
    SUM_DOSE,
    SUM_I,
    SUM_LOG_SOWS,
    SUM_M,
    SUM_P,
    SUM_SOWS,
    SUM_U,
    SUM_W,
    SUM_W_CLASS,
    SUM_X,
    TARGET,
    U0,
    URGENT,
    VISIT_EVERY,
    VISITS_KEPT,
    VISITS_PLANNED,
    W0,
    W_ALL,
    W_ALL0,
    WITHDRAWAL_VISITS,
    XI,
    A,
    B,
    C,
    E,
    F,
    G,
    I,
    K,
    L,
    M,
    N,
    P,
    R,
    U,
    V,
    W,
    X,
)  # fmt: skip

_INLINED: tuple[Callable[..., Any], ...] = (
    equations.pos, craving_target, distress_target, drive, effect, engagement_target, function_target, insomnia_target,
    log_hazard_crisis, log_hazard_dropout, log_hazard_lapse, log_hazard_overdose, log_hazard_return,
    log_hazard_seizure, log_hazard_urgent, log_hazard_withdrawal_visit, log_steps_mean, mean_of_four, missed_visit_logit,
    missing_logit, overall_withdrawal, pain_report_mean, pain_target, reaction, recent_cut, relax, relief_lost,
    report_noise, respiratory_excess, set_point, shortfall, sleep_hours_mean, slow_noise, sows_mean, withdrawal_target,
    rng.philox_round, rng.philox, rng.uniform,
)  # fmt: skip
for _function in _INLINED:
    # LLVM inlines by size, and a call left in the loop over lanes keeps all of it from vectorising.
    register_jitable(forceinline=True)(_function)

# Rows of the local array: state, sums and parameters as outside, then the day's draws and reports.
_S = 0
_Q = N_STATE
_A = _Q + N_SUMS
_Z = _A + N_PARAM  # standard normals: day factor, then white and slow of each stream
_Y = _Z + 1 + 2 * N_REPORTS + 3  # uniforms; the three spare normals fill the fifth call
_D = _Y + 12  # reports
_TAKEN = _D + N_REPORTS
_CUT = _TAKEN + 3
_ROWS = _CUT + 1
S = LANES + 8  # rows of 256 bytes would alias in the first-level cache
_U_DROPOUT, _U_RETURN, _U_LAPSE, _U_CRISIS, _U_OVERDOSE, _U_SEIZURE, _U_URGENT, _U_MISS, _U_VISIT = range(_Y, _Y + 9)

_NC = len(COEFFICIENTS)
Coefficients = namedtuple("Coefficients", COEFFICIENTS)  # type: ignore[misc]  # its fields are a table's


def _cache_folder() -> str:
    """Folder of the machine code: a change of any source that is compiled in must not find the old one."""
    digest = hashlib.sha256()
    for module in (__file__, elementary.__file__, equations.__file__, rng.__file__, rows.__file__):
        digest.update(Path(module).read_bytes())
    root = numba.config.CACHE_DIR or str(Path.home() / ".cache" / "taper_sim")
    return str(Path(root) / digest.hexdigest()[:16])


@register_jitable(forceinline=True)
def _four_normals(
    x: Any, row: int, call: int, id_low: Any, id_high: Any, seed_low: Any, seed_high: Any, day: Any
) -> None:
    """Four rows of standard normals from one call of the generator (Box and Muller)."""
    for j in range(LANES):
        w0, w1, w2, w3 = rng.philox(id_low[j], id_high[j], day, np.uint64(call), seed_low, seed_high)
        radius = np.sqrt(-2.0 * log(rng.uniform(small_integer(w0))))
        cosine, sine = cos_sin_turn(rng.uniform(small_integer(w1)))
        x[row * S + j] = radius * cosine
        x[(row + 1) * S + j] = radius * sine
        radius = np.sqrt(-2.0 * log(rng.uniform(small_integer(w2))))
        cosine, sine = cos_sin_turn(rng.uniform(small_integer(w3)))
        x[(row + 2) * S + j] = radius * cosine
        x[(row + 3) * S + j] = radius * sine


@register_jitable(forceinline=True)
def _four_uniforms(
    x: Any, row: int, call: int, id_low: Any, id_high: Any, seed_low: Any, seed_high: Any, day: Any
) -> None:
    """Four rows of uniforms from one call of the generator."""
    for j in range(LANES):
        w0, w1, w2, w3 = rng.philox(id_low[j], id_high[j], day, np.uint64(call), seed_low, seed_high)
        x[row * S + j] = rng.uniform(small_integer(w0))
        x[(row + 1) * S + j] = rng.uniform(small_integer(w1))
        x[(row + 2) * S + j] = rng.uniform(small_integer(w2))
        x[(row + 3) * S + j] = rng.uniform(small_integer(w3))


@register_jitable(forceinline=True)
def _draw(x: Any, id_low: Any, id_high: Any, seed_low: Any, seed_high: Any, day: Any, chance: bool) -> None:
    """The day's 17 normals and 9 uniforms; without chance 0 and 1, with which nothing happens."""
    if chance:
        _four_normals(x, _Z, 0, id_low, id_high, seed_low, seed_high, day)
        _four_normals(x, _Z + 4, 1, id_low, id_high, seed_low, seed_high, day)
        _four_normals(x, _Z + 8, 2, id_low, id_high, seed_low, seed_high, day)
        _four_normals(x, _Z + 12, 3, id_low, id_high, seed_low, seed_high, day)
        _four_normals(x, _Z + 16, 4, id_low, id_high, seed_low, seed_high, day)
        _four_uniforms(x, _Y, 5, id_low, id_high, seed_low, seed_high, day)
        _four_uniforms(x, _Y + 4, 6, id_low, id_high, seed_low, seed_high, day)
        _four_uniforms(x, _Y + 8, 7, id_low, id_high, seed_low, seed_high, day)
    else:
        for r in range(_Z, _Y):
            for j in range(LANES):
                x[r * S + j] = 0.0
        for r in range(_Y, _D):
            for j in range(LANES):
                x[r * S + j] = 1.0


@register_jitable(forceinline=True)
def _prescribed(x: Any, j: int, k: int, alive: float, frozen: bool) -> tuple[bool, float]:
    """Today's prescribed dose of a class: whether it is a cut, and the share of the original dose cut."""
    held, ordered = x[(_S + HELD + k) * S + j], x[(_A + DOSE + k) * S + j]
    dose = (held if frozen else ordered) * alive
    before, last = x[(_S + PRESCRIBED + k) * S + j], x[(_S + BEFORE_CUT + k) * S + j]
    cut = dose < before
    share = (before - dose) / x[(_A + DOSE0 + k) * S + j]
    x[(_S + BEFORE_CUT + k) * S + j] = before if cut else last
    x[(_S + PRESCRIBED + k) * S + j] = dose
    return cut, (share if cut else 0.0)


@register_jitable(forceinline=True)
def _taken(x: Any, c: Any, j: int, k: int, lapse: bool, is_more: bool, is_previous: bool) -> bool:
    """Dose of a class taken today; whether it is above the prescribed one."""
    dose, base, previous = (
        x[(_S + PRESCRIBED + k) * S + j],
        x[(_A + DOSE0 + k) * S + j],
        x[(_S + BEFORE_CUT + k) * S + j],
    )
    more = c.lapse_more_dose * base
    to = previous if is_previous else base
    to = more if is_more else to
    above = lapse & (to > dose)
    x[(_TAKEN + k) * S + j] = to if above else dose
    return above


@register_jitable(forceinline=True)
def _doses(x: Any, c: Any, day: float) -> None:
    """Dose prescribed, cut, lapse, dose taken; visit kept."""
    for j in range(LANES):
        alive, frozen = x[(_S + ALIVE) * S + j], x[(_S + FROZEN) * S + j] > 0.0
        cut0, share0 = _prescribed(x, j, 0, alive, frozen)
        cut1, share1 = _prescribed(x, j, 1, alive, frozen)
        cut2, share2 = _prescribed(x, j, 2, alive, frozen)
        share = share0 if share0 > share1 else share1
        share = share if share > share2 else share2
        x[(_S + V) * S + j] = recent_cut(x[(_S + V) * S + j], c.decay_V, share)
        last = x[(_S + LAST_CUT) * S + j]
        last = 0.0 if cut0 else last
        last = 1.0 if cut1 else last
        last = 2.0 if cut2 else last
        x[(_S + LAST_CUT) * S + j] = last
        announced = x[(_A + ANNOUNCED) * S + j]
        x[_CUT * S + j] = announced if (cut0 | cut1) | cut2 else 0.0
    previous_share = c.lapse_previous / (1.0 - c.lapse_more)
    for j in range(LANES):
        left = x[(_S + LAPSE_DAYS_LEFT) * S + j]
        clustered = 1.0 if left > 0.0 else 0.0
        h = exp(
            log_hazard_lapse(
                x[(_A + HAZARD + 2) * S + j], x[(_S + C) * S + j], x[(_S + W_ALL) * S + j] - x[(_A + W_ALL0) * S + j], clustered,
                c.lapse_c, c.lapse_w, c.lapse_cluster,
            )
        )  # fmt: skip
        p = (1.0 - exp(-h)) * x[(_S + ALIVE) * S + j]
        u = x[_U_LAPSE * S + j]
        more = x[(_A + MORE_SHARE) * S + j]
        lapse = u < p
        is_more = u < p * more
        is_previous = u < p * (more + (1.0 - more) * previous_share)
        above0 = _taken(x, c, j, 0, lapse, is_more, is_previous)
        above1 = _taken(x, c, j, 1, lapse, is_more, is_previous)
        above2 = _taken(x, c, j, 2, lapse, is_more, is_previous)
        above = (above0 | above1) | above2
        x[(_Q + LAPSES) * S + j] += 1.0 if above else 0.0
        fewer = left - 1.0
        fewer = fewer if fewer > 0.0 else 0.0
        x[(_S + LAPSE_DAYS_LEFT) * S + j] = c.lapse_cluster_days if above else fewer
    for j in range(LANES):
        in_care = x[(_S + IN_CARE) * S + j] * x[(_S + ALIVE) * S + j]
        every = x[(_A + VISIT_EVERY) * S + j]  # 0: never
        turns = (day - 1.0) / every
        due = ((np.floor(turns) == turns) & (every > 0.0)) & (in_care > 0.0)
        before = x[(_S + MISSED_VISIT) * S + j]
        odds = exp(
            missed_visit_logit(x[(_A + NOSHOW_FIXED) * S + j], before, x[(_S + N) * S + j], c.noshow_missed, c.noshow_n)
        )
        missed = 1.0 if x[_U_VISIT * S + j] < odds / (1.0 + odds) else 0.0
        x[(_S + MISSED_VISIT) * S + j] = missed if due else before
        kept = 1.0 - missed
        x[(_Q + VISITS_PLANNED) * S + j] += 1.0 if due else 0.0
        x[(_Q + VISITS_KEPT) * S + j] += kept if due else 0.0
        _deliver(x, j, 0, due, kept, in_care)
        _deliver(x, j, 1, due, kept, in_care)
        _deliver(x, j, 2, due, kept, in_care)
        _deliver(x, j, 3, due, kept, in_care)
        _deliver(x, j, 4, due, kept, in_care)
        _deliver(x, j, 5, due, kept, in_care)


@register_jitable(forceinline=True)
def _deliver(x: Any, j: int, k: int, due: bool, kept: float, in_care: float) -> None:
    """Care of a discipline delivered ÷ planned: renewed at each planned visit, none out of care."""
    given, before = x[(_A + PLANNED + k) * S + j] * kept, x[(_S + DELIVERED + k) * S + j]
    x[(_S + DELIVERED + k) * S + j] = (given if due else before) * in_care


@register_jitable(forceinline=True)
def _medicine(x: Any, c: Any, k: int) -> None:
    """Section 1 for one drug class."""
    s = _A + SHAPE + 4 * k
    for j in range(LANES):
        g = relax(x[(_S + G + k) * S + j], x[(_TAKEN + k) * S + j], x[(_A + DECAY_G + k) * S + j])
        ec50 = x[(_A + EC50 + k) * S + j]
        e1 = effect(g, x[s * S + j], ec50)
        e2 = effect(g, x[(s + 1) * S + j], ec50)
        e3 = effect(g, x[(s + 2) * S + j], ec50)
        e4 = effect(g, x[(s + 3) * S + j], ec50)
        e = mean_of_four(e1, e2, e3, e4)
        f, slow = x[(_S + F + k) * S + j], x[(_S + L + k) * S + j]
        expected = set_point(x[(_A + OMEGA + k) * S + j], f, slow)
        missing = shortfall(expected, e1, e2, e3, e4, c.delta)
        towards = withdrawal_target(drive(x[(_A + SIGMA + k) * S + j], x[(_A + ADJUNCT + k) * S + j], missing))
        x[(_S + G + k) * S + j] = g
        x[(_S + E + k) * S + j] = e
        x[(_S + W + k) * S + j] = relax(x[(_S + W + k) * S + j], towards, c.decay_s)
        x[(_S + F + k) * S + j] = relax(f, e, x[(_A + DECAY_F + k) * S + j])
        x[(_S + L + k) * S + j] = relax(slow, e, x[(_A + DECAY_L + k) * S + j])
        x[(_S + A + k) * S + j] = relax(x[(_S + A + k) * S + j], e, c.decay_A)


@register_jitable(forceinline=True)
def _lost(x: Any, j: int, k: int) -> float:
    """Pain added by one class."""
    return relief_lost(
        x[(_A + ALPHA + k) * S + j], x[(_S + E + k) * S + j], x[(_S + A + k) * S + j], x[(_A + MARGIN0 + k) * S + j],
        x[(_A + B + k) * S + j], x[(_S + L + k) * S + j], x[(_A + L0 + k) * S + j],
    )  # fmt: skip


@register_jitable(forceinline=True)
def _care(x: Any, c: Any, j: int, k: int) -> None:
    """Care of one discipline received; a loop over the six would be unrolled before it can become vectors."""
    x[(_S + K + k) * S + j] = relax(x[(_S + K + k) * S + j], x[(_S + DELIVERED + k) * S + j], c.decay_K)


@register_jitable(forceinline=True)
def _person(x: Any, c: Any) -> None:
    """Section 2."""
    for j in range(LANES):
        _care(x, c, j, 0)
        _care(x, c, j, 1)
        _care(x, c, j, 2)
        _care(x, c, j, 3)
        _care(x, c, j, 4)
        _care(x, c, j, 5)
    for j in range(LANES):
        x[(_S + R) * S + j] = relax(x[(_S + R) * S + j], x[(_S + E) * S + j], c.decay_R)
        w1, w2, w3 = x[(_S + W) * S + j], x[(_S + W + 1) * S + j], x[(_S + W + 2) * S + j]
        overall = overall_withdrawal(w1, w2, w3)
        x[(_S + W_ALL) * S + j] = overall
        w_bar = overall - x[(_A + W_ALL0) * S + j]
        v1, v2, v3 = w1 - x[(_A + W0) * S + j], w2 - x[(_A + W0 + 1) * S + j], w3 - x[(_A + W0 + 2) * S + j]
        x[(_S + X) * S + j] = reaction(x[(_S + X) * S + j], c.decay_X, x[(_A + XI) * S + j], x[_CUT * S + j])
        k_pt, k_psy, k_nurse = x[(_S + K + 2) * S + j], x[(_S + K + 3) * S + j], x[(_S + K + 4) * S + j]
        lost = _lost(x, j, 0) + _lost(x, j, 1) + _lost(x, j, 2)
        p0, m0, i0 = x[(_A + P0) * S + j], x[(_A + M0) * S + j], x[(_A + I0) * S + j]
        pain = relax(
            x[(_S + P) * S + j],
            pain_target(
                p0, lost, c.p_opioid * v1 + c.p_benzodiazepine * v2 + c.p_gabapentinoid * v3,
                x[(_S + M) * S + j] - m0, x[(_S + I) * S + j] - i0, k_pt, c.pain_from_distress, c.pain_from_insomnia, c.pain_from_pt,
            ),
            c.decay_P,
        )  # fmt: skip
        p_bar = pain - p0
        distress = relax(
            x[(_S + M) * S + j],
            distress_target(
                m0, c.m_opioid * v1 + c.m_benzodiazepine * v2 + c.m_gabapentinoid * v3, p_bar, x[(_S + I) * S + j] - i0,
                x[(_S + X) * S + j], k_psy, c.distress_from_pain, c.distress_from_insomnia, c.distress_from_reaction,
                c.distress_from_psychologist,
            ),
            c.decay_M,
        )  # fmt: skip
        m_bar = distress - m0
        insomnia = relax(
            x[(_S + I) * S + j],
            insomnia_target(
                i0, c.i_opioid * v1 + c.i_benzodiazepine * v2 + c.i_gabapentinoid * v3, m_bar, p_bar, k_psy,
                c.insomnia_from_distress, c.insomnia_from_pain, c.insomnia_from_psychologist,
            ),
            c.decay_I,
        )  # fmt: skip
        x[(_S + P) * S + j] = pain
        x[(_S + M) * S + j] = distress
        x[(_S + I) * S + j] = insomnia
        x[(_S + U) * S + j] = relax(
            x[(_S + U) * S + j],
            function_target(
                x[(_A + U0) * S + j], p_bar, m_bar, insomnia - i0, w_bar, k_pt, c.function_from_pain, c.function_from_distress,
                c.function_from_insomnia, c.function_from_withdrawal, c.function_from_pt,
            ),
            c.decay_U,
        )  # fmt: skip
        x[(_S + N) * S + j] = relax(
            x[(_S + N) * S + j],
            engagement_target(
                x[(_A + N0) * S + j], w_bar, m_bar, k_nurse, c.engagement_from_withdrawal, c.engagement_from_distress,
                c.engagement_from_nurse,
            ),
            c.decay_N,
        )  # fmt: skip
        x[(_S + C) * S + j] = relax(
            x[(_S + C) * S + j],
            craving_target(
                x[(_A + C0) * S + j], w_bar, m_bar, p_bar, c.craving_from_withdrawal, c.craving_from_distress,
                c.craving_from_pain,
            ),
            c.decay_C,
        )  # fmt: skip


@register_jitable(forceinline=True)
def _events(x: Any, c: Any, day: float) -> None:
    """Section 3, on the state of the end of the day. Death, dropout and return act from tomorrow."""
    for j in range(LANES):
        w_bar = x[(_S + W_ALL) * S + j] - x[(_A + W_ALL0) * S + j]
        m_bar = x[(_S + M) * S + j] - x[(_A + M0) * S + j]
        p_bar = x[(_S + P) * S + j] - x[(_A + P0) * S + j]
        alive = x[(_S + ALIVE) * S + j] > 0.0
        frozen_before, in_care = x[(_S + FROZEN) * S + j], x[(_S + IN_CARE) * S + j]
        d0, d1, d2 = x[(_S + PRESCRIBED) * S + j], x[(_S + PRESCRIBED + 1) * S + j], x[(_S + PRESCRIBED + 2) * S + j]
        base0, base1, base2 = x[(_A + DOSE0) * S + j], x[(_A + DOSE0 + 1) * S + j], x[(_A + DOSE0 + 2) * S + j]
        h = exp(
            log_hazard_dropout(
                x[(_A + HAZARD) * S + j], w_bar, m_bar, x[(_S + N) * S + j], c.dropout_w, c.dropout_m, c.dropout_n
            )
        )
        leaves = (x[_U_DROPOUT * S + j] < 1.0 - exp(-h)) & (in_care > 0.0) & alive
        h = exp(
            log_hazard_return(x[(_A + HAZARD + 1) * S + j], w_bar, m_bar, p_bar, c.return_w, c.return_m, c.return_p)
        )
        below = ((d0 < base0) | (d1 < base1)) | (d2 < base2)
        returns = (x[_U_RETURN * S + j] < 1.0 - exp(-h)) & below & alive & (frozen_before == 0.0)
        back = c.return_share if returns else 0.0
        stays = leaves | returns
        held0, held1, held2 = d0 + back * (base0 - d0), d1 + back * (base1 - d1), d2 + back * (base2 - d2)
        freezes = stays & (frozen_before == 0.0)
        old0, old1, old2 = x[(_S + HELD) * S + j], x[(_S + HELD + 1) * S + j], x[(_S + HELD + 2) * S + j]
        x[(_S + HELD) * S + j] = held0 if freezes else old0
        x[(_S + HELD + 1) * S + j] = held1 if freezes else old1
        x[(_S + HELD + 2) * S + j] = held2 if freezes else old2
        x[(_S + FROZEN) * S + j] = 1.0 if stays else frozen_before
        x[(_S + IN_CARE) * S + j] = 0.0 if leaves else in_care
        dropout_day, return_day, stop_day = (
            x[(_S + DROPOUT_DAY) * S + j],
            x[(_S + RETURN_DAY) * S + j],
            x[(_S + STOP_DAY) * S + j],
        )
        x[(_S + DROPOUT_DAY) * S + j] = day if leaves else dropout_day
        x[(_S + RETURN_DAY) * S + j] = day if returns else return_day
        target = x[(_A + TARGET) * S + j]
        d = d0 if target == 0.0 else d1
        d = d2 if target == 2.0 else d
        stopped = (d == 0.0) & (stop_day == 0.0) & alive
        x[(_S + STOP_DAY) * S + j] = day if stopped else stop_day
    for j in range(LANES):
        w_bar = x[(_S + W_ALL) * S + j] - x[(_A + W_ALL0) * S + j]
        m_bar = x[(_S + M) * S + j] - x[(_A + M0) * S + j]
        p_bar = x[(_S + P) * S + j] - x[(_A + P0) * S + j]
        living = x[(_S + ALIVE) * S + j]
        h = exp(
            log_hazard_crisis(
                x[(_A + HAZARD + 3) * S + j],
                m_bar,
                w_bar,
                x[(_S + V) * S + j],
                c.crisis_m,
                c.crisis_w,
                c.causal_share * c.crisis_v,
            )
        )
        p_crisis = (1.0 - exp(-h)) * living
        u_crisis = x[_U_CRISIS * S + j]
        crisis = 1.0 if u_crisis < p_crisis else 0.0
        x[(_Q + CRISES) * S + j] += crisis
        x[(_Q + ATTEMPTS) * S + j] += 1.0 if u_crisis < p_crisis * c.crisis_suicidal else 0.0
        suicide = u_crisis < p_crisis * c.crisis_fatal
        x[(_Q + SUICIDE_DEATHS) * S + j] += 1.0 if suicide else 0.0
        first = x[(_Q + FIRST_CRISIS) * S + j]
        x[(_Q + FIRST_CRISIS) * S + j] = day if (crisis > 0.0) & (first == 0.0) else first

        by_dose = exp(
            log_hazard_overdose(
                x[(_A + HAZARD + 4) * S + j],
                np.sqrt(x[_TAKEN * S + j]) * x[(_A + RISK_DOSE) * S + j],
                c.overdose_dose,
                c.causal_share,
            )
        )
        excess = respiratory_excess(
            x[(_S + E) * S + j], x[(_S + E + 1) * S + j], x[(_S + E + 2) * S + j], x[(_A + APNOEA) * S + j], x[(_S + R) * S + j],
            c.excess_benzodiazepine, c.excess_gabapentinoid,
        )  # fmt: skip
        h = by_dose * exp(c.overdose_excess * excess)
        x[(_Q + HAZARD_DOSE) * S + j] += by_dose * living
        x[(_Q + HAZARD_EXCESS) * S + j] += (h - by_dose) * living
        p_overdose = (1.0 - exp(-h)) * living
        u_overdose = x[_U_OVERDOSE * S + j]
        overdose = 1.0 if u_overdose < p_overdose else 0.0
        x[(_Q + OVERDOSES) * S + j] += overdose
        first = x[(_Q + FIRST_OVERDOSE) * S + j]
        x[(_Q + FIRST_OVERDOSE) * S + j] = day if (overdose > 0.0) & (first == 0.0) else first
        killed = u_overdose < p_overdose * x[(_A + FATAL) * S + j]
        x[(_Q + OVERDOSE_DEATHS) * S + j] += 1.0 if killed else 0.0

        h = exp(
            log_hazard_seizure(
                x[(_A + HAZARD + 5) * S + j],
                x[(_S + W + 1) * S + j],
                x[(_S + W + 2) * S + j],
                x[(_A + E0 + 2) * S + j],
                c.seizure_w,
                c.seizure_g,
            )
        )
        x[(_Q + SEIZURES) * S + j] += 1.0 if x[_U_SEIZURE * S + j] < (1.0 - exp(-h)) * living else 0.0

        h_other = exp(log_hazard_urgent(x[(_A + HAZARD + 6) * S + j], p_bar, m_bar, c.urgent_p, c.urgent_m))
        h_visit = exp(log_hazard_withdrawal_visit(x[(_A + HAZARD + 7) * S + j], x[(_S + W_ALL) * S + j], c.visit_w))
        u_urgent = x[_U_URGENT * S + j]
        urgent = 1.0 if u_urgent < (1.0 - exp(-(h_other + h_visit))) * living else 0.0
        x[(_Q + URGENT) * S + j] += urgent
        x[(_Q + WITHDRAWAL_VISITS) * S + j] += 1.0 if u_urgent < (1.0 - exp(-h_visit)) * living else 0.0
        first = x[(_Q + FIRST_URGENT) * S + j]
        x[(_Q + FIRST_URGENT) * S + j] = day if (urgent > 0.0) & (first == 0.0) else first

        # the sums count a day for those alive on its morning
        x[(_Q + DAYS) * S + j] += living
        x[(_Q + IN_CARE_DAYS) * S + j] += living * x[(_S + IN_CARE) * S + j]
        dies = suicide | killed
        death_day = x[(_S + DEATH_DAY) * S + j]
        x[(_S + DEATH_DAY) * S + j] = day if dies else death_day
        x[(_S + ALIVE) * S + j] = 0.0 if dies else living


@register_jitable(forceinline=True)
def _reports(x: Any, c: Any, day: float) -> None:
    """Section 4: the day's check-in, if one is due and comes."""
    nan = np.nan
    week = day - 7.0 * np.floor(day / 7.0)
    weekend = 1.0 if week >= 5.0 else 0.0
    for j in range(LANES):
        every = x[(_A + CHECKIN_EVERY) * S + j]  # 0: never
        turns = day / every
        due = ((np.floor(turns) == turns) & (every > 0.0)) & (x[(_S + IN_CARE) * S + j] * x[(_S + ALIVE) * S + j] > 0.0)
        z_day, before = x[_Z * S + j], x[(_S + MISSED) * S + j]
        m_bar = x[(_S + M) * S + j] - x[(_A + M0) * S + j]
        odds = exp(
            missing_logit(x[(_A + MISS_FIXED) * S + j], before, z_day, m_bar, c.miss_missed, c.miss_bad, c.miss_m)
        )
        missed = 1.0 if x[_U_MISS * S + j] < odds / (1.0 + odds) else 0.0
        x[(_S + MISSED) * S + j] = missed if due else before
        x[(_Q + CHECKINS_DUE) * S + j] += 1.0 if due else 0.0
        done = 1.0 - missed
        x[(_Q + CHECKINS_DONE) * S + j] += done if due else 0.0
        came = due & (missed == 0.0)
        person = x[(_A + NOISE) * S + j]
        z, s = _Z + 1, _S + SLOW

        x[s * S + j] = slow_noise(x[s * S + j], c.decay_sows_gossop, c.innovation_sows_gossop, x[(z + 1) * S + j])
        noise = report_noise(person, c.white_sows_gossop, c.slow_sows_gossop, c.own_sows_gossop, c.shared_sows_gossop,
                             x[z * S + j], z_day, x[s * S + j])  # fmt: skip
        value = (
            exp(log(1.0 + sows_mean(x[(_A + S0) * S + j], x[(_S + W) * S + j], x[(_S + X) * S + j], c.sows_w)) + noise)
            - 1.0
        )
        value = _rounded(value, 0.0, 30.0)
        x[_D * S + j] = value if came else nan

        x[(s + 1) * S + j] = slow_noise(x[(s + 1) * S + j], c.decay_pain_nrs, c.innovation_pain_nrs, x[(z + 3) * S + j])
        noise = report_noise(person, c.white_pain_nrs, c.slow_pain_nrs, c.own_pain_nrs, c.shared_pain_nrs,
                             x[(z + 2) * S + j], z_day, x[(s + 1) * S + j])  # fmt: skip
        value = pain_report_mean(x[(_S + P) * S + j], x[(_S + X) * S + j], c.pain_report_x) + noise
        value = _rounded(value, 0.0, 10.0)
        x[(_D + 1) * S + j] = value if came else nan

        x[(s + 2) * S + j] = slow_noise(
            x[(s + 2) * S + j], c.decay_mood_item, c.innovation_mood_item, x[(z + 5) * S + j]
        )
        noise = report_noise(person, c.white_mood_item, c.slow_mood_item, c.own_mood_item, c.shared_mood_item,
                             x[(z + 4) * S + j], z_day, x[(s + 2) * S + j])  # fmt: skip
        value = _rounded(10.0 * x[(_S + M) * S + j] + noise, 0.0, 10.0)
        x[(_D + 2) * S + j] = value if came else nan

        x[(s + 3) * S + j] = slow_noise(
            x[(s + 3) * S + j], c.decay_sleep_item, c.innovation_sleep_item, x[(z + 7) * S + j]
        )
        noise = report_noise(person, c.white_sleep_item, c.slow_sleep_item, c.own_sleep_item, c.shared_sleep_item,
                             x[(z + 6) * S + j], z_day, x[(s + 3) * S + j])  # fmt: skip
        value = _rounded(10.0 * x[(_S + I) * S + j] + noise, 0.0, 10.0)
        x[(_D + 3) * S + j] = value if came else nan
        x[_CUT * S + j] = 1.0 if came else 0.0  # the cut has been used: its row now says whether the check-in came
    for j in range(LANES):
        came = x[_CUT * S + j] > 0.0
        person = x[(_A + NOISE) * S + j]
        z_day = x[_Z * S + j]
        z, s = _Z + 1, _S + SLOW

        x[(s + 4) * S + j] = slow_noise(x[(s + 4) * S + j], c.decay_function, c.innovation_function, x[(z + 9) * S + j])
        noise = report_noise(person, c.white_function, c.slow_function, c.own_function, c.shared_function,
                             x[(z + 8) * S + j], z_day, x[(s + 4) * S + j])  # fmt: skip
        value = _rounded(x[(_S + U) * S + j] + noise, 0.0, 100.0)
        x[(_D + 4) * S + j] = value if came else nan

        x[(s + 5) * S + j] = slow_noise(
            x[(s + 5) * S + j], c.decay_withdrawal_item, c.innovation_withdrawal_item, x[(z + 11) * S + j]
        )
        noise = report_noise(person, c.white_withdrawal_item, c.slow_withdrawal_item, c.own_withdrawal_item,
                             c.shared_withdrawal_item, x[(z + 10) * S + j], z_day, x[(s + 5) * S + j])  # fmt: skip
        last = x[(_S + LAST_CUT) * S + j]
        w0, w1, w2 = x[(_S + W) * S + j], x[(_S + W + 1) * S + j], x[(_S + W + 2) * S + j]
        w = w1 if last == 1.0 else w0
        w = w2 if last == 2.0 else w
        value = exp(log(1.0 + c.item_0 + 10.0 * w) + noise) - 1.0
        value = _rounded(value, 0.0, 10.0)
        x[(_D + 5) * S + j] = value if came else nan

        x[(s + 6) * S + j] = slow_noise(x[(s + 6) * S + j], c.decay_steps, c.innovation_steps, x[(z + 13) * S + j])
        noise = report_noise(person, c.white_steps, c.slow_steps, c.own_steps, c.shared_steps,
                             x[(z + 12) * S + j], z_day, x[(s + 6) * S + j])  # fmt: skip
        p_bar = x[(_S + P) * S + j] - x[(_A + P0) * S + j]
        u_bar, i_bar = x[(_S + U) * S + j] - x[(_A + U0) * S + j], x[(_S + I) * S + j] - x[(_A + I0) * S + j]
        value = exp(
            log_steps_mean(
                x[(_A + STEPS0) * S + j], u_bar, i_bar, p_bar, weekend, c.steps_u, c.steps_i, c.steps_p, c.steps_weekend
            )
            + noise
        )
        value = _rounded(value, 0.0, 50000.0)
        x[(_D + 6) * S + j] = value if came else nan

        x[(s + 7) * S + j] = slow_noise(
            x[(s + 7) * S + j], c.decay_sleep_hours, c.innovation_sleep_hours, x[(z + 15) * S + j]
        )
        noise = report_noise(person, c.white_sleep_hours, c.slow_sleep_hours, c.own_sleep_hours, c.shared_sleep_hours,
                             x[(z + 14) * S + j], z_day, x[(s + 7) * S + j])  # fmt: skip
        value = sleep_hours_mean(c.hours_0, i_bar, weekend, c.hours_i, c.hours_weekend) + noise
        value = 0.1 * _rounded(10.0 * value, 0.0, 240.0)
        x[(_D + 7) * S + j] = value if came else nan


@register_jitable(forceinline=True)
def _rounded(value: float, low: float, high: float) -> float:
    """``round(limit(value))``: the ends of the scale apply when a report is written."""
    value = low if value < low else value
    value = high if value > high else value
    return np.floor(value + 0.5)


@register_jitable(forceinline=True)
def _add_up(x: Any, c: Any, day: float) -> None:
    """Sums over the days lived; the day of death is the last that counts."""
    for j in range(LANES):
        death_day, alive = x[(_S + DEATH_DAY) * S + j], x[(_S + ALIVE) * S + j]
        lived = 1.0 if (alive > 0.0) | (death_day == day) else 0.0
        w = x[(_S + W_ALL) * S + j]
        x[(_Q + SUM_DOSE) * S + j] += x[_TAKEN * S + j] * lived
        x[(_Q + SUM_DOSE + 1) * S + j] += x[(_TAKEN + 1) * S + j] * lived
        x[(_Q + SUM_DOSE + 2) * S + j] += x[(_TAKEN + 2) * S + j] * lived
        x[(_Q + SUM_W_CLASS) * S + j] += x[(_S + W) * S + j] * lived
        x[(_Q + SUM_W_CLASS + 1) * S + j] += x[(_S + W + 1) * S + j] * lived
        x[(_Q + SUM_W_CLASS + 2) * S + j] += x[(_S + W + 2) * S + j] * lived
        x[(_Q + SUM_W) * S + j] += w * lived
        x[(_Q + OVER_LIMIT) * S + j] += lived if w > c.limit_w else 0.0
        most = x[(_Q + MAX_W) * S + j]
        x[(_Q + MAX_W) * S + j] = w if (w > most) & (lived > 0.0) else most
    for j in range(LANES):
        death_day, alive = x[(_S + DEATH_DAY) * S + j], x[(_S + ALIVE) * S + j]
        lived = 1.0 if (alive > 0.0) | (death_day == day) else 0.0
        sows = sows_mean(x[(_A + S0) * S + j], x[(_S + W) * S + j], x[(_S + X) * S + j], c.sows_w)
        x[(_Q + SUM_X) * S + j] += x[(_S + X) * S + j] * lived
        x[(_Q + SUM_SOWS) * S + j] += sows * lived
        x[(_Q + SUM_LOG_SOWS) * S + j] += log(1.0 + sows) * lived
        x[(_Q + SUM_P) * S + j] += x[(_S + P) * S + j] * lived
        x[(_Q + SUM_M) * S + j] += x[(_S + M) * S + j] * lived
        x[(_Q + SUM_I) * S + j] += x[(_S + I) * S + j] * lived
        x[(_Q + SUM_U) * S + j] += x[(_S + U) * S + j] * lived


_user_cache = numba.config.CACHE_DIR
numba.config.CACHE_DIR = _cache_folder()


@njit(cache=True, nogil=True, fastmath={"contract"}, error_model="numpy")  # type: ignore[untyped-decorator]
def advance(
    state: Any, sums: Any, params: Any, coefficients: Any, reports: Any, id_low: Any, id_high: Any,
    seed_low: Any, seed_high: Any, first_day: int, last_day: int, chance: bool, record: bool,
) -> None:  # fmt: skip
    """Advance everybody from the end of day ``first_day - 1`` to the end of day ``last_day``, in place.

    Parameters
    ----------
    state, sums, params : ndarray of float64, (n_tiles, N_STATE | N_SUMS | N_PARAM, LANES)
        Rows as in ``model.rows``.
    coefficients : ndarray of float64, (n_tiles, len(COEFFICIENTS))
        One draw of the ensemble a tile.
    reports : ndarray of float32, (n_tiles, n_days * N_REPORTS, LANES)
        Filled where ``record``: the day's check-in in the order of STREAMS, NaN where nothing came.
    id_low, id_high : ndarray of uint64, (n_tiles, LANES)
        Halves of the patients' keys.
    seed_low, seed_high : uint64
        Halves of the seed.
    first_day, last_day : int
        Days to simulate, both included; day 0 is the start.
    chance : bool
        False: nothing happens by chance and reports carry no noise.
    record : bool
        Whether to fill ``reports``.
    """
    x = np.empty(_ROWS * S)
    for t in range(state.shape[0]):
        for r in range(N_STATE):
            for j in range(LANES):
                x[(_S + r) * S + j] = state[t, r, j]
        for r in range(N_SUMS):
            for j in range(LANES):
                x[(_Q + r) * S + j] = sums[t, r, j]
        for r in range(N_PARAM):
            for j in range(LANES):
                x[(_A + r) * S + j] = params[t, r, j]
        c = Coefficients(*to_fixed_tuple(coefficients[t], _NC))
        for day in range(first_day, last_day + 1):
            _draw(x, id_low[t], id_high[t], seed_low, seed_high, np.uint64(day), chance)
            _doses(x, c, float(day))
            for k in range(3):
                _medicine(x, c, k)
            _person(x, c)
            _events(x, c, float(day))
            _reports(x, c, float(day))
            _add_up(x, c, float(day))
            if record:
                at = (day - first_day) * N_REPORTS
                for r in range(N_REPORTS):
                    for j in range(LANES):
                        reports[t, at + r, j] = x[(_D + r) * S + j]
        for r in range(N_STATE):
            for j in range(LANES):
                state[t, r, j] = x[(_S + r) * S + j]
        for r in range(N_SUMS):
            for j in range(LANES):
                sums[t, r, j] = x[(_Q + r) * S + j]


numba.config.CACHE_DIR = _user_cache
