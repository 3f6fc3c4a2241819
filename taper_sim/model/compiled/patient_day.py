"""A day of the kernel, part one: luck, doses, sections 1 and 2. Imports ``rows``, ``elementary``, ``equations``.

Each function walks the lanes of one tile in the local array ``x``; ``x[row * STRIDE + j]`` is a row of lane j. The
loops over lanes vectorise because distances between rows are constants, nothing is called that is not inlined, and what
an ``a if c else b`` chooses between is read before.
"""

from typing import Any

import numpy as np
from numba.extending import register_jitable

from taper_sim import rng
from taper_sim.model.compiled.elementary import bits, cos_sin_turn, exp, log, number, one_minus_exp, uniform
from taper_sim.model.compiled.jit import wide
from taper_sim.model.compiled.rows import (
    ADJUNCT,
    ALIVE,
    ALPHA,
    ANNOUNCED,
    BEFORE_CUT,
    C0,
    CUT,
    DECAY_F,
    DECAY_G,
    DECAY_L,
    DELIVERED,
    DOSE,
    DOSE0,
    EC50,
    FROZEN,
    HAZARD,
    HELD,
    I0,
    IN_CARE,
    L0,
    LANES,
    LAPSE_DAYS_LEFT,
    LAPSES,
    LAST_CUT,
    M0,
    MARGIN0,
    MISSED_VISIT,
    MORE_SHARE,
    N0,
    NORMAL,
    NOSHOW_FIXED,
    OMEGA,
    P0,
    PARAM,
    PLANNED,
    PRESCRIBED,
    SHAPE,
    SIGMA,
    STATE,
    STRIDE,
    SUMS,
    TAKEN,
    U0,
    U_LAPSE,
    U_VISIT,
    UNIFORM,
    VISIT_EVERY,
    VISITS_KEPT,
    VISITS_PLANNED,
    W0,
    W_ALL,
    W_ALL0,
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
)
from taper_sim.model.equations import (
    craving_target,
    distress_target,
    drive,
    effect,
    engagement_target,
    function_target,
    insomnia_target,
    log_hazard_lapse,
    mean_of_four,
    missed_visit_logit,
    overall_withdrawal,
    pain_target,
    reaction,
    recent_cut,
    relax,
    relief_lost,
    set_point,
    shortfall,
    withdrawal_target,
)

MASK = np.uint64(0xFFFFFFFF)
ID_LOW, ID_HIGH = UNIFORM + 10, UNIFORM + 11  # the last of the twelve rows, nine of which hold uniforms


@register_jitable(forceinline=True)
def put_where(x: Any, at: int, when: bool, new: float) -> None:
    """``x[at]`` becomes ``new`` where ``when`` holds.

    A sum, for ``x[at] = new if when else x[at]`` is compiled to a masked store, many times slower on some processors.
    """
    old = x[at]
    x[at] = (new if when else 0.0) + (0.0 if when else old)


@register_jitable(forceinline=True)
def put_keys(x: Any, id_low: Any, id_high: Any) -> None:
    """Keys of a tile, as bits: in the local array, for loops that read another one are compiled twice."""
    wide()
    for j in range(LANES):
        x[ID_LOW * STRIDE + j] = number(id_low[j])
        x[ID_HIGH * STRIDE + j] = number(id_high[j])


@register_jitable(forceinline=True)
def _uniforms(x: Any, row: int, n_rows: int, call: int, seed_low: Any, seed_high: Any, day: Any) -> None:
    """The first ``n_rows`` of the four rows of uniforms of one call of the generator."""
    wide()
    for j in range(LANES):
        # that keys and seed have 32 bits each is said by the masks, and makes the products cheap
        low, high = bits(x[ID_LOW * STRIDE + j]) & MASK, bits(x[ID_HIGH * STRIDE + j]) & MASK
        w0, w1, w2, w3 = rng.philox(low, high, day, np.uint64(call), seed_low & MASK, seed_high & MASK)
        x[row * STRIDE + j] = uniform(w0)
        if n_rows > 1:
            x[(row + 1) * STRIDE + j] = uniform(w1)
        if n_rows > 2:
            x[(row + 2) * STRIDE + j] = uniform(w2)
            x[(row + 3) * STRIDE + j] = uniform(w3)


@register_jitable(forceinline=True)
def _normals(x: Any, row: int) -> None:
    """Two rows of uniforms become two rows of standard normals (Box and Muller)."""
    wide()
    for j in range(LANES):
        radius = np.sqrt(-2.0 * log(x[row * STRIDE + j]))
        cosine, sine = cos_sin_turn(x[(row + 1) * STRIDE + j])
        x[row * STRIDE + j] = radius * cosine
        x[(row + 1) * STRIDE + j] = radius * sine


@register_jitable(forceinline=True)
def draw(x: Any, seed_low: Any, seed_high: Any, day: Any, chance: bool) -> None:
    """The day's 17 normals and 9 uniforms; without chance 0 and 1, with which nothing happens."""
    wide()
    if chance:
        _uniforms(x, NORMAL, 4, 0, seed_low, seed_high, day)
        _uniforms(x, NORMAL + 4, 4, 1, seed_low, seed_high, day)
        _uniforms(x, NORMAL + 8, 4, 2, seed_low, seed_high, day)
        _uniforms(x, NORMAL + 12, 4, 3, seed_low, seed_high, day)
        _uniforms(x, NORMAL + 16, 2, 4, seed_low, seed_high, day)
        for pair in range(9):
            _normals(x, NORMAL + 2 * pair)
        _uniforms(x, UNIFORM, 4, 5, seed_low, seed_high, day)
        _uniforms(x, UNIFORM + 4, 4, 6, seed_low, seed_high, day)
        _uniforms(x, UNIFORM + 8, 1, 7, seed_low, seed_high, day)
    else:
        for r in range(NORMAL, NORMAL + 18):
            for j in range(LANES):
                x[r * STRIDE + j] = 0.0
        for r in range(UNIFORM, UNIFORM + 9):
            for j in range(LANES):
                x[r * STRIDE + j] = 1.0


@register_jitable(forceinline=True)
def _prescribed(x: Any, j: int, k: int, alive: float, frozen: bool) -> tuple[bool, float]:
    """Today's prescribed dose of a class: whether it is a cut, and the share of the original dose cut."""
    held, ordered = x[(STATE + HELD + k) * STRIDE + j], x[(PARAM + DOSE + k) * STRIDE + j]
    dose = (held if frozen else ordered) * alive
    before, last = x[(STATE + PRESCRIBED + k) * STRIDE + j], x[(STATE + BEFORE_CUT + k) * STRIDE + j]
    cut = dose < before
    share = (before - dose) / x[(PARAM + DOSE0 + k) * STRIDE + j]
    x[(STATE + BEFORE_CUT + k) * STRIDE + j] = before if cut else last
    x[(STATE + PRESCRIBED + k) * STRIDE + j] = dose
    return cut, (share if cut else 0.0)


@register_jitable(forceinline=True)
def _taken(x: Any, c: Any, j: int, k: int, lapse: bool, is_more: bool, is_previous: bool) -> bool:
    """Dose of a class taken today; whether it is above the prescribed one."""
    dose, base, previous = (
        x[(STATE + PRESCRIBED + k) * STRIDE + j],
        x[(PARAM + DOSE0 + k) * STRIDE + j],
        x[(STATE + BEFORE_CUT + k) * STRIDE + j],
    )
    more = c.lapse_more_dose * base
    to = previous if is_previous else base
    to = more if is_more else to
    above = lapse & (to > dose)
    x[(TAKEN + k) * STRIDE + j] = to if above else dose
    return above


@register_jitable(forceinline=True)
def doses(x: Any, c: Any, day: float) -> None:
    """Dose prescribed, cut, lapse, dose taken; visit kept."""
    wide()
    for j in range(LANES):
        alive, frozen = x[(STATE + ALIVE) * STRIDE + j], x[(STATE + FROZEN) * STRIDE + j] > 0.0
        cut0, share0 = _prescribed(x, j, 0, alive, frozen)
        cut1, share1 = _prescribed(x, j, 1, alive, frozen)
        cut2, share2 = _prescribed(x, j, 2, alive, frozen)
        share = share0 if share0 > share1 else share1
        share = share if share > share2 else share2
        x[(STATE + V) * STRIDE + j] = recent_cut(x[(STATE + V) * STRIDE + j], c.decay_V, share)
        last = x[(STATE + LAST_CUT) * STRIDE + j]
        last = 0.0 if cut0 else last
        last = 1.0 if cut1 else last
        last = 2.0 if cut2 else last
        x[(STATE + LAST_CUT) * STRIDE + j] = last
        announced = x[(PARAM + ANNOUNCED) * STRIDE + j]
        x[CUT * STRIDE + j] = announced if (cut0 | cut1) | cut2 else 0.0
    previous_share = c.lapse_previous / (1.0 - c.lapse_more)
    for j in range(LANES):
        left = x[(STATE + LAPSE_DAYS_LEFT) * STRIDE + j]
        clustered = 1.0 if left > 0.0 else 0.0
        h = exp(
            log_hazard_lapse(
                x[(PARAM + HAZARD + 2) * STRIDE + j],
                x[(STATE + C) * STRIDE + j],
                x[(STATE + W_ALL) * STRIDE + j] - x[(PARAM + W_ALL0) * STRIDE + j],
                clustered,
                c.lapse_c,
                c.lapse_w,
                c.lapse_cluster,
            )
        )
        p = one_minus_exp(h) * x[(STATE + ALIVE) * STRIDE + j]
        u = x[U_LAPSE * STRIDE + j]
        more = x[(PARAM + MORE_SHARE) * STRIDE + j]
        lapse = u < p
        is_more = u < p * more
        is_previous = u < p * (more + (1.0 - more) * previous_share)
        above0 = _taken(x, c, j, 0, lapse, is_more, is_previous)
        above1 = _taken(x, c, j, 1, lapse, is_more, is_previous)
        above2 = _taken(x, c, j, 2, lapse, is_more, is_previous)
        above = (above0 | above1) | above2
        x[(SUMS + LAPSES) * STRIDE + j] += 1.0 if above else 0.0
        fewer = left - 1.0
        fewer = fewer if fewer > 0.0 else 0.0
        x[(STATE + LAPSE_DAYS_LEFT) * STRIDE + j] = c.lapse_cluster_days if above else fewer
    for j in range(LANES):
        in_care = x[(STATE + IN_CARE) * STRIDE + j] * x[(STATE + ALIVE) * STRIDE + j]
        every = x[(PARAM + VISIT_EVERY) * STRIDE + j]  # 0: never
        turns = (day - 1.0) / every
        due = ((np.floor(turns) == turns) & (every > 0.0)) & (in_care > 0.0)
        before = x[(STATE + MISSED_VISIT) * STRIDE + j]
        odds = exp(
            missed_visit_logit(
                x[(PARAM + NOSHOW_FIXED) * STRIDE + j], before, x[(STATE + N) * STRIDE + j], c.noshow_missed, c.noshow_n
            )
        )
        missed = 1.0 if x[U_VISIT * STRIDE + j] < odds / (1.0 + odds) else 0.0
        put_where(x, (STATE + MISSED_VISIT) * STRIDE + j, due, missed)
        kept = 1.0 - missed
        x[(SUMS + VISITS_PLANNED) * STRIDE + j] += 1.0 if due else 0.0
        x[(SUMS + VISITS_KEPT) * STRIDE + j] += kept if due else 0.0
        _deliver(x, j, 0, due, kept, in_care)
        _deliver(x, j, 1, due, kept, in_care)
        _deliver(x, j, 2, due, kept, in_care)
        _deliver(x, j, 3, due, kept, in_care)
        _deliver(x, j, 4, due, kept, in_care)
        _deliver(x, j, 5, due, kept, in_care)


@register_jitable(forceinline=True)
def _deliver(x: Any, j: int, k: int, due: bool, kept: float, in_care: float) -> None:
    """Care of a discipline delivered ÷ planned: renewed at each planned visit, none out of care."""
    given, before = x[(PARAM + PLANNED + k) * STRIDE + j] * kept, x[(STATE + DELIVERED + k) * STRIDE + j]
    x[(STATE + DELIVERED + k) * STRIDE + j] = (given if due else before) * in_care


@register_jitable(forceinline=True)
def medicine(x: Any, c: Any, k: int) -> None:
    """Section 1 for one drug class."""
    wide()
    s = PARAM + SHAPE + 4 * k
    for j in range(LANES):
        g = relax(x[(STATE + G + k) * STRIDE + j], x[(TAKEN + k) * STRIDE + j], x[(PARAM + DECAY_G + k) * STRIDE + j])
        ec50 = x[(PARAM + EC50 + k) * STRIDE + j]
        e1 = effect(g, x[s * STRIDE + j], ec50)
        e2 = effect(g, x[(s + 1) * STRIDE + j], ec50)
        e3 = effect(g, x[(s + 2) * STRIDE + j], ec50)
        e4 = effect(g, x[(s + 3) * STRIDE + j], ec50)
        e = mean_of_four(e1, e2, e3, e4)
        f, slow = x[(STATE + F + k) * STRIDE + j], x[(STATE + L + k) * STRIDE + j]
        expected = set_point(x[(PARAM + OMEGA + k) * STRIDE + j], f, slow)
        missing = shortfall(expected, e1, e2, e3, e4, c.delta)
        towards = withdrawal_target(
            drive(x[(PARAM + SIGMA + k) * STRIDE + j], x[(PARAM + ADJUNCT + k) * STRIDE + j], missing)
        )
        x[(STATE + G + k) * STRIDE + j] = g
        x[(STATE + E + k) * STRIDE + j] = e
        x[(STATE + W + k) * STRIDE + j] = relax(x[(STATE + W + k) * STRIDE + j], towards, c.decay_s)
        x[(STATE + F + k) * STRIDE + j] = relax(f, e, x[(PARAM + DECAY_F + k) * STRIDE + j])
        x[(STATE + L + k) * STRIDE + j] = relax(slow, e, x[(PARAM + DECAY_L + k) * STRIDE + j])
        x[(STATE + A + k) * STRIDE + j] = relax(x[(STATE + A + k) * STRIDE + j], e, c.decay_A)


@register_jitable(forceinline=True)
def _lost(x: Any, j: int, k: int) -> float:
    """Pain added by one class."""
    return relief_lost(
        x[(PARAM + ALPHA + k) * STRIDE + j],
        x[(STATE + E + k) * STRIDE + j],
        x[(STATE + A + k) * STRIDE + j],
        x[(PARAM + MARGIN0 + k) * STRIDE + j],
        x[(PARAM + B + k) * STRIDE + j],
        x[(STATE + L + k) * STRIDE + j],
        x[(PARAM + L0 + k) * STRIDE + j],
    )


@register_jitable(forceinline=True)
def _care(x: Any, c: Any, j: int, k: int) -> None:
    """Care of one discipline received; a loop over the six would be unrolled before it can become vectors."""
    x[(STATE + K + k) * STRIDE + j] = relax(
        x[(STATE + K + k) * STRIDE + j], x[(STATE + DELIVERED + k) * STRIDE + j], c.decay_K
    )


@register_jitable(forceinline=True)
def person(x: Any, c: Any) -> None:
    """Section 2."""
    wide()
    for j in range(LANES):
        _care(x, c, j, 0)
        _care(x, c, j, 1)
        _care(x, c, j, 2)
        _care(x, c, j, 3)
        _care(x, c, j, 4)
        _care(x, c, j, 5)
    for j in range(LANES):
        x[(STATE + R) * STRIDE + j] = relax(x[(STATE + R) * STRIDE + j], x[(STATE + E) * STRIDE + j], c.decay_R)
        w1, w2, w3 = x[(STATE + W) * STRIDE + j], x[(STATE + W + 1) * STRIDE + j], x[(STATE + W + 2) * STRIDE + j]
        overall = overall_withdrawal(w1, w2, w3)
        x[(STATE + W_ALL) * STRIDE + j] = overall
        w_bar = overall - x[(PARAM + W_ALL0) * STRIDE + j]
        v1, v2, v3 = (
            w1 - x[(PARAM + W0) * STRIDE + j],
            w2 - x[(PARAM + W0 + 1) * STRIDE + j],
            w3 - x[(PARAM + W0 + 2) * STRIDE + j],
        )
        x[(STATE + X) * STRIDE + j] = reaction(
            x[(STATE + X) * STRIDE + j], c.decay_X, x[(PARAM + XI) * STRIDE + j], x[CUT * STRIDE + j]
        )
        k_pt, k_psy, k_nurse = (
            x[(STATE + K + 2) * STRIDE + j],
            x[(STATE + K + 3) * STRIDE + j],
            x[(STATE + K + 4) * STRIDE + j],
        )
        lost = _lost(x, j, 0) + _lost(x, j, 1) + _lost(x, j, 2)
        p0, m0, i0 = x[(PARAM + P0) * STRIDE + j], x[(PARAM + M0) * STRIDE + j], x[(PARAM + I0) * STRIDE + j]
        pain = relax(
            x[(STATE + P) * STRIDE + j],
            pain_target(
                p0,
                lost,
                c.p_opioid * v1 + c.p_benzodiazepine * v2 + c.p_gabapentinoid * v3,
                x[(STATE + M) * STRIDE + j] - m0,
                x[(STATE + I) * STRIDE + j] - i0,
                k_pt,
                c.pain_from_distress,
                c.pain_from_insomnia,
                c.pain_from_pt,
            ),
            c.decay_P,
        )
        p_bar = pain - p0
        distress = relax(
            x[(STATE + M) * STRIDE + j],
            distress_target(
                m0,
                c.m_opioid * v1 + c.m_benzodiazepine * v2 + c.m_gabapentinoid * v3,
                p_bar,
                x[(STATE + I) * STRIDE + j] - i0,
                x[(STATE + X) * STRIDE + j],
                k_psy,
                c.distress_from_pain,
                c.distress_from_insomnia,
                c.distress_from_reaction,
                c.distress_from_psychologist,
            ),
            c.decay_M,
        )
        m_bar = distress - m0
        insomnia = relax(
            x[(STATE + I) * STRIDE + j],
            insomnia_target(
                i0,
                c.i_opioid * v1 + c.i_benzodiazepine * v2 + c.i_gabapentinoid * v3,
                m_bar,
                p_bar,
                k_psy,
                c.insomnia_from_distress,
                c.insomnia_from_pain,
                c.insomnia_from_psychologist,
            ),
            c.decay_I,
        )
        x[(STATE + P) * STRIDE + j] = pain
        x[(STATE + M) * STRIDE + j] = distress
        x[(STATE + I) * STRIDE + j] = insomnia
        x[(STATE + U) * STRIDE + j] = relax(
            x[(STATE + U) * STRIDE + j],
            function_target(
                x[(PARAM + U0) * STRIDE + j],
                p_bar,
                m_bar,
                insomnia - i0,
                w_bar,
                k_pt,
                c.function_from_pain,
                c.function_from_distress,
                c.function_from_insomnia,
                c.function_from_withdrawal,
                c.function_from_pt,
            ),
            c.decay_U,
        )
        x[(STATE + N) * STRIDE + j] = relax(
            x[(STATE + N) * STRIDE + j],
            engagement_target(
                x[(PARAM + N0) * STRIDE + j],
                w_bar,
                m_bar,
                k_nurse,
                c.engagement_from_withdrawal,
                c.engagement_from_distress,
                c.engagement_from_nurse,
            ),
            c.decay_N,
        )
        x[(STATE + C) * STRIDE + j] = relax(
            x[(STATE + C) * STRIDE + j],
            craving_target(
                x[(PARAM + C0) * STRIDE + j],
                w_bar,
                m_bar,
                p_bar,
                c.craving_from_withdrawal,
                c.craving_from_distress,
                c.craving_from_pain,
            ),
            c.decay_C,
        )
