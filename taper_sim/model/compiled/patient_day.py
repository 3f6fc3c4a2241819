"""A day of the kernel, part one: luck, doses, sections 1 and 2. Imports ``rows``, ``elementary``, ``day``.

Each function walks the lanes of one tile in the local array ``x``; ``x[row * STRIDE + j]`` is a row of lane j. The
loops over lanes vectorise because distances between rows are constants, nothing is called that is not inlined, and what
an ``a if c else b`` chooses between is read before.
"""

from typing import Any

import numpy as np

from taper_sim import rng
from taper_sim.model import equations as eq
from taper_sim.model.compiled import rows as r
from taper_sim.model.compiled.elementary import bits, cos_sin_turn, exp, log, number, one_minus_exp, uniform
from taper_sim.model.compiled.jit import inlined
from taper_sim.model.compiled.rows import LANES, PARAM, STATE, STRIDE, SUMS
from taper_sim.model.day import (
    Care,
    Life,
    LifeDraws,
    Medicine,
    MedicineLoad,
    MedicineState,
    PersonStart,
    PersonState,
    Reaction,
    care_day,
    life_day,
    medicine_day,
    medicine_load,
    person_day,
    respiratory_day,
)

MASK = np.uint64(0xFFFFFFFF)
ID_LOW, ID_HIGH = r.UNIFORM + 10, r.UNIFORM + 11  # the last of the twelve rows, nine of which hold uniforms


@inlined
def put_where(x: Any, at: int, when: bool, new: float) -> None:
    """``x[at]`` becomes ``new`` where ``when`` holds.

    A sum, for ``x[at] = new if when else x[at]`` is compiled to a masked store, many times slower on some processors.
    """
    old = x[at]
    x[at] = (new if when else 0.0) + (0.0 if when else old)


@inlined
def within(value: float, low: float, high: float) -> float:
    """A value kept within the ends of its scale: what a person can feel."""
    value = low if value < low else value
    return high if value > high else value


@inlined
def put_keys(x: Any, id_low: Any, id_high: Any) -> None:
    """Keys of a tile, as bits: in the local array, for loops that read another one are compiled twice."""
    for j in range(LANES):
        x[ID_LOW * STRIDE + j] = number(id_low[j])
        x[ID_HIGH * STRIDE + j] = number(id_high[j])


@inlined
def _uniforms(x: Any, row: int, n_rows: int, call: int, seed_low: Any, seed_high: Any, day: Any) -> None:
    """The first ``n_rows`` of the four rows of uniforms of one call of the generator."""
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


@inlined
def _normals(x: Any, row: int) -> None:
    """Two rows of uniforms become two rows of standard normals (Box and Muller)."""
    for j in range(LANES):
        radius = np.sqrt(-2.0 * log(x[row * STRIDE + j]))
        cosine, sine = cos_sin_turn(x[(row + 1) * STRIDE + j])
        x[row * STRIDE + j] = radius * cosine
        x[(row + 1) * STRIDE + j] = radius * sine


@inlined
def draw(x: Any, seed_low: Any, seed_high: Any, day: Any, chance: bool) -> None:
    """The day's 19 normals and 9 uniforms; without chance 0 and 1, with which nothing happens."""
    if chance:
        _uniforms(x, r.NORMAL, 4, 0, seed_low, seed_high, day)
        _uniforms(x, r.NORMAL + 4, 4, 1, seed_low, seed_high, day)
        _uniforms(x, r.NORMAL + 8, 4, 2, seed_low, seed_high, day)
        _uniforms(x, r.NORMAL + 12, 4, 3, seed_low, seed_high, day)
        _uniforms(x, r.NORMAL + 16, 4, 4, seed_low, seed_high, day)
        for pair in range(10):
            _normals(x, r.NORMAL + 2 * pair)
        _uniforms(x, r.UNIFORM, 4, 5, seed_low, seed_high, day)
        _uniforms(x, r.UNIFORM + 4, 4, 6, seed_low, seed_high, day)
        _uniforms(x, r.UNIFORM + 8, 1, 7, seed_low, seed_high, day)
    else:
        for row in range(r.NORMAL, r.NORMAL + r.N_NORMAL):
            for j in range(LANES):
                x[row * STRIDE + j] = 0.0
        for row in range(r.UNIFORM, r.UNIFORM + 9):
            for j in range(LANES):
                x[row * STRIDE + j] = 1.0


@inlined
def _prescribed(x: Any, j: int, k: int, alive: float, frozen: bool) -> tuple[bool, float]:
    """Today's prescribed dose of a class: whether it is a cut, and the share of the original dose cut (< 0: raised)."""
    held, ordered = x[(STATE + r.HELD + k) * STRIDE + j], x[(PARAM + r.DOSE + k) * STRIDE + j]
    dose = (held if frozen else ordered) * alive
    before, last = x[(STATE + r.PRESCRIBED + k) * STRIDE + j], x[(STATE + r.BEFORE_CUT + k) * STRIDE + j]
    original = x[(PARAM + r.DOSE0 + k) * STRIDE + j]
    cut = dose < before
    x[(STATE + r.BEFORE_CUT + k) * STRIDE + j] = before if cut else last
    x[(STATE + r.PRESCRIBED + k) * STRIDE + j] = dose
    removed = 1.0 - dose / (original if original > 0.0 else 1.0)
    removed = removed if removed > 0.0 else 0.0
    x[(r.REMOVED + k) * STRIDE + j] = removed if original > 0.0 else 0.0
    return cut, eq.cut_share(before, dose, x[(PARAM + r.CUT_REFERENCE + k) * STRIDE + j])


@inlined
def _taken(x: Any, c: Any, j: int, k: int, lapse: bool, is_more: bool, is_previous: bool) -> bool:
    """Dose of a class taken today; whether it is above the prescribed one."""
    dose, base, previous = (
        x[(STATE + r.PRESCRIBED + k) * STRIDE + j],
        x[(PARAM + r.DOSE0 + k) * STRIDE + j],
        x[(STATE + r.BEFORE_CUT + k) * STRIDE + j],
    )
    more = c.lapse_more_dose * base
    to = previous if is_previous else base
    to = more if is_more else to
    above = lapse & (to > dose)
    at_home = dose * x[(PARAM + r.SUPPLY) * STRIDE + j]
    x[(r.TAKEN + k) * STRIDE + j] = to if above else at_home
    return above


@inlined
def doses(x: Any, c: Any, day: float) -> None:
    """Dose prescribed, cut, lapse, dose taken; visit kept."""
    for j in range(LANES):
        alive, frozen = x[(STATE + r.ALIVE) * STRIDE + j], x[(STATE + r.FROZEN) * STRIDE + j] > 0.0
        cut0, share0 = _prescribed(x, j, 0, alive, frozen)
        cut1, share1 = _prescribed(x, j, 1, alive, frozen)
        cut2, share2 = _prescribed(x, j, 2, alive, frozen)
        most = share0 if share0 > share1 else share1
        most = most if most > share2 else share2
        most = most if most > 0.0 else 0.0
        least = share0 if share0 < share1 else share1
        least = least if least < share2 else share2
        least = least if least < 0.0 else 0.0
        v = eq.recent_cut(x[(STATE + r.V) * STRIDE + j], c.decay_V, most + least)
        x[(STATE + r.V) * STRIDE + j] = v if v > 0.0 else 0.0
        counted = most if most < c.full_cut else c.full_cut
        x[r.CUT * STRIDE + j] = eq.cut_weight(counted, c.full_cut) * x[(PARAM + r.ANNOUNCED) * STRIDE + j]
        last = x[(STATE + r.LAST_CUT) * STRIDE + j]
        last = 0.0 if cut0 else last
        last = 1.0 if cut1 else last
        last = 2.0 if cut2 else last
        x[(STATE + r.LAST_CUT) * STRIDE + j] = last
    previous_share = c.lapse_previous / (1.0 - c.lapse_more)
    for j in range(LANES):
        left = x[(STATE + r.LAPSE_DAYS_LEFT) * STRIDE + j]
        clustered = 1.0 if left > 0.0 else 0.0
        h = exp(
            eq.log_hazard_lapse(
                x[(PARAM + r.HAZARD + 2) * STRIDE + j],
                within(x[(STATE + r.C) * STRIDE + j], 0.0, 1.0),
                eq.felt_withdrawal(
                    x[(STATE + r.W_ALL) * STRIDE + j] - x[(PARAM + r.W_ALL0) * STRIDE + j],
                    x[(STATE + r.X) * STRIDE + j],
                    c.sows_w,
                ),
                clustered,
                eq.recent_weight(x[(STATE + r.V) * STRIDE + j], c.v_half),
                c.lapse_c,
                c.lapse_w,
                c.lapse_cluster,
                c.causal_share * c.lapse_v,
            )
        )
        p = one_minus_exp(h) * x[(STATE + r.ALIVE) * STRIDE + j]
        u = x[r.U_LAPSE * STRIDE + j]
        more = x[(PARAM + r.MORE_SHARE) * STRIDE + j]
        lapse = u < p
        is_more = u < p * more
        is_previous = u < p * (more + (1.0 - more) * previous_share)
        above0 = _taken(x, c, j, 0, lapse, is_more, is_previous)
        above1 = _taken(x, c, j, 1, lapse, is_more, is_previous)
        above2 = _taken(x, c, j, 2, lapse, is_more, is_previous)
        above = (above0 | above1) | above2
        x[(SUMS + r.LAPSES) * STRIDE + j] += 1.0 if above else 0.0
        fewer = left - 1.0
        fewer = fewer if fewer > 0.0 else 0.0
        x[(STATE + r.LAPSE_DAYS_LEFT) * STRIDE + j] = c.lapse_cluster_days if above else fewer
    for j in range(LANES):
        in_care = x[(STATE + r.IN_CARE) * STRIDE + j] * x[(STATE + r.ALIVE) * STRIDE + j]
        every = x[(PARAM + r.VISIT_EVERY) * STRIDE + j]  # 0: never
        turns = (day - 1.0) / every
        due = ((np.floor(turns) == turns) & (every > 0.0)) & (in_care > 0.0)
        before = x[(STATE + r.MISSED_VISIT) * STRIDE + j]
        odds = exp(
            eq.missed_visit_logit(
                x[(PARAM + r.NOSHOW_FIXED) * STRIDE + j],
                before,
                x[(STATE + r.N) * STRIDE + j],
                c.noshow_missed,
                c.noshow_n,
            )
        )
        missed = 1.0 if x[r.U_VISIT * STRIDE + j] < odds / (1.0 + odds) else 0.0
        put_where(x, (STATE + r.MISSED_VISIT) * STRIDE + j, due, missed)
        kept = 1.0 - missed
        x[(SUMS + r.VISITS_PLANNED) * STRIDE + j] += 1.0 if due else 0.0
        x[(SUMS + r.VISITS_KEPT) * STRIDE + j] += kept if due else 0.0
        _deliver(x, j, 0, due, kept, in_care)
        _deliver(x, j, 1, due, kept, in_care)
        _deliver(x, j, 2, due, kept, in_care)
        _deliver(x, j, 3, due, kept, in_care)
        _deliver(x, j, 4, due, kept, in_care)
        _deliver(x, j, 5, due, kept, in_care)


@inlined
def _deliver(x: Any, j: int, k: int, due: bool, kept: float, in_care: float) -> None:
    """Care of a discipline delivered ÷ planned: renewed at each planned visit, none out of care."""
    given, before = x[(PARAM + r.PLANNED + k) * STRIDE + j] * kept, x[(STATE + r.DELIVERED + k) * STRIDE + j]
    x[(STATE + r.DELIVERED + k) * STRIDE + j] = (given if due else before) * in_care


@inlined
def medicine_parameters(x: Any, j: int, k: int) -> Medicine:
    """Parameters of class ``k`` of lane ``j``."""
    s = PARAM + r.SHAPE + 4 * k
    return Medicine(
        x[(PARAM + r.EC50 + k) * STRIDE + j],
        x[(PARAM + r.OMEGA + k) * STRIDE + j],
        x[(PARAM + r.SIGMA + k) * STRIDE + j],
        x[(PARAM + r.ADJUNCT + k) * STRIDE + j],
        x[(PARAM + r.DECAY_G + k) * STRIDE + j],
        x[(PARAM + r.DECAY_F + k) * STRIDE + j],
        x[(PARAM + r.DECAY_L + k) * STRIDE + j],
        x[s * STRIDE + j],
        x[(s + 1) * STRIDE + j],
        x[(s + 2) * STRIDE + j],
        x[(s + 3) * STRIDE + j],
    )


@inlined
def medicine_state(x: Any, j: int, k: int) -> MedicineState:
    """State of class ``k`` of lane ``j``."""
    return MedicineState(
        x[(STATE + r.G + k) * STRIDE + j],
        x[(STATE + r.E + k) * STRIDE + j],
        x[(STATE + r.F + k) * STRIDE + j],
        x[(STATE + r.L + k) * STRIDE + j],
        x[(STATE + r.A + k) * STRIDE + j],
        x[(STATE + r.W + k) * STRIDE + j],
    )


@inlined
def medicine(x: Any, c: Any, k: int) -> None:
    """Section 1 for one drug class."""
    for j in range(LANES):
        now = medicine_day(c, medicine_parameters(x, j, k), medicine_state(x, j, k), x[(r.TAKEN + k) * STRIDE + j])
        x[(STATE + r.G + k) * STRIDE + j] = now.G
        x[(STATE + r.E + k) * STRIDE + j] = now.E
        x[(STATE + r.W + k) * STRIDE + j] = now.W
        x[(STATE + r.F + k) * STRIDE + j] = now.F
        x[(STATE + r.L + k) * STRIDE + j] = now.L
        x[(STATE + r.A + k) * STRIDE + j] = now.A


@inlined
def _load(x: Any, j: int, k: int, per_pain: float, per_distress: float, per_insomnia: float) -> MedicineLoad:
    """What class ``k`` adds to pain, distress and insomnia of lane ``j``."""
    return medicine_load(
        x[(PARAM + r.ALPHA + k) * STRIDE + j],
        x[(PARAM + r.B + k) * STRIDE + j],
        x[(PARAM + r.BETA + k) * STRIDE + j],
        per_pain,
        per_distress,
        per_insomnia,
        medicine_state(x, j, k),
        x[(PARAM + r.MARGIN0 + k) * STRIDE + j],
        x[(PARAM + r.L0 + k) * STRIDE + j],
        x[(PARAM + r.W0 + k) * STRIDE + j],
        x[(r.REMOVED + k) * STRIDE + j],
    )


@inlined
def _care(x: Any, c: Any, j: int, k: int) -> None:
    """Care of one discipline received; a loop over the six would be unrolled before it can become vectors."""
    x[(STATE + r.K + k) * STRIDE + j] = care_day(
        c, x[(STATE + r.K + k) * STRIDE + j], x[(STATE + r.DELIVERED + k) * STRIDE + j]
    )


@inlined
def person(x: Any, c: Any) -> None:
    """Section 2."""
    for j in range(LANES):
        _care(x, c, j, 0)
        _care(x, c, j, 1)
        _care(x, c, j, 2)
        _care(x, c, j, 3)
        _care(x, c, j, 4)
        _care(x, c, j, 5)
    for j in range(LANES):
        z = LifeDraws(
            x[r.LIFE_NORMAL * STRIDE + j],
            x[(r.LIFE_NORMAL + 1) * STRIDE + j],
            x[(r.LIFE_NORMAL + 2) * STRIDE + j],
            x[(r.LIFE_NORMAL + 3) * STRIDE + j],
            x[(r.LIFE_NORMAL + 4) * STRIDE + j],
            x[(r.LIFE_NORMAL + 5) * STRIDE + j],
        )
        life = life_day(c, x[(STATE + r.SEASON) * STRIDE + j], x[(PARAM + r.LIFE) * STRIDE + j], z)
        x[(STATE + r.SEASON) * STRIDE + j] = life.season
        x[(r.LIFE_NORMAL + 2) * STRIDE + j] = life.P
        x[(r.LIFE_NORMAL + 3) * STRIDE + j] = life.M
        x[(r.LIFE_NORMAL + 4) * STRIDE + j] = life.I
        x[(r.LIFE_NORMAL + 5) * STRIDE + j] = life.U
    for j in range(LANES):
        x[(STATE + r.R) * STRIDE + j] = respiratory_day(c, x[(STATE + r.R) * STRIDE + j], x[(STATE + r.E) * STRIDE + j])
        withdrawal = eq.overall_withdrawal(
            x[(STATE + r.W) * STRIDE + j], x[(STATE + r.W + 1) * STRIDE + j], x[(STATE + r.W + 2) * STRIDE + j]
        )
        load0 = _load(x, j, 0, c.p_opioid, c.m_opioid, c.i_opioid)
        load1 = _load(x, j, 1, c.p_benzodiazepine, c.m_benzodiazepine, c.i_benzodiazepine)
        load2 = _load(x, j, 2, c.p_gabapentinoid, c.m_gabapentinoid, c.i_gabapentinoid)
        load = MedicineLoad(
            load0.lost + load1.lost + load2.lost,
            load0.pain + load1.pain + load2.pain,
            load0.distress + load1.distress + load2.distress,
            load0.insomnia + load1.insomnia + load2.insomnia,
        )
        start = PersonStart(
            x[(PARAM + r.P0) * STRIDE + j],
            x[(PARAM + r.M0) * STRIDE + j],
            x[(PARAM + r.I0) * STRIDE + j],
            x[(PARAM + r.U0) * STRIDE + j],
            x[(PARAM + r.N0) * STRIDE + j],
            x[(PARAM + r.C0) * STRIDE + j],
            x[(PARAM + r.W_ALL0) * STRIDE + j],
        )
        before = PersonState(
            x[(STATE + r.X) * STRIDE + j],
            x[(STATE + r.P) * STRIDE + j],
            x[(STATE + r.M) * STRIDE + j],
            x[(STATE + r.I) * STRIDE + j],
            x[(STATE + r.U) * STRIDE + j],
            x[(STATE + r.N) * STRIDE + j],
            x[(STATE + r.C) * STRIDE + j],
        )
        care = Care(
            x[(STATE + r.K) * STRIDE + j],
            x[(STATE + r.K + 1) * STRIDE + j],
            x[(STATE + r.K + 2) * STRIDE + j],
            x[(STATE + r.K + 3) * STRIDE + j],
            x[(STATE + r.K + 4) * STRIDE + j],
            x[(STATE + r.K + 5) * STRIDE + j],
        )
        reaction = Reaction(x[(PARAM + r.XI) * STRIDE + j], x[(PARAM + r.DECAY_X) * STRIDE + j], x[r.CUT * STRIDE + j])
        life = Life(
            x[(STATE + r.SEASON) * STRIDE + j],
            x[(r.LIFE_NORMAL + 2) * STRIDE + j],
            x[(r.LIFE_NORMAL + 3) * STRIDE + j],
            x[(r.LIFE_NORMAL + 4) * STRIDE + j],
            x[(r.LIFE_NORMAL + 5) * STRIDE + j],
        )
        now = person_day(c, start, before, load, withdrawal, reaction, life, care)
        x[r.W_FELT * STRIDE + j] = eq.felt_withdrawal(withdrawal - start.W, now.X, c.sows_w)
        x[r.P_BAR * STRIDE + j] = within(now.P, 0.0, 10.0) - start.P
        x[r.M_BAR * STRIDE + j] = within(now.M, 0.0, 1.0) - start.M
        x[(STATE + r.W_ALL) * STRIDE + j] = withdrawal
        x[(STATE + r.X) * STRIDE + j] = now.X
        x[(STATE + r.P) * STRIDE + j] = now.P
        x[(STATE + r.M) * STRIDE + j] = now.M
        x[(STATE + r.I) * STRIDE + j] = now.I
        x[(STATE + r.U) * STRIDE + j] = now.U
        x[(STATE + r.N) * STRIDE + j] = now.N
        x[(STATE + r.C) * STRIDE + j] = now.C
