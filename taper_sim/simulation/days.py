"""Blocks of days for a cohort under one policy. Imports ``simulation``, ``model`` (the kernel when it is used)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from taper_sim import rng
from taper_sim.cohort import Cohort
from taper_sim.model import rows
from taper_sim.model.chance import STREAMS
from taper_sim.model.pharmacology import Drug, level_decay, within_day_shape
from taper_sim.policies.interface import Order, Policy, Rotation, Seen
from taper_sim.simulation.dispensing import Dispenser, known_of
from taper_sim.simulation.ensemble import Ensemble, draw_of
from taper_sim.simulation.people import Arrays, CarePlan, arrays_of
from taper_sim.units import DRUG_CLASSES, VELOCITY_MONTH_D

Floats = NDArray[np.float64]

#: Rows kept at snapshots for figures: name, row of the state.
TRACKED: tuple[tuple[str, int], ...] = (
    ("withdrawal", rows.W_ALL), ("pain", rows.P), ("distress", rows.M), ("insomnia", rows.I), ("function", rows.U),
    ("craving", rows.C),
)  # fmt: skip


@dataclass
class Course:
    """What one cohort went through under one policy.

    Attributes
    ----------
    cohort : Cohort
        n people.
    n_days : int
        Days simulated.
    start, end : dict of int to ndarray (n,)
        State rows (``model.rows``) before day 1 and at the end of the last day.
    sums : dict of int to dict of int to ndarray (n,)
        Sums since day 0 at the end of each day asked for, always of the last.
    days : list of (int, int)
        First and last day of each block.
    by_period : dict of int to (ndarray (n,), ndarray (n,))
        At the end of every 30th day and of the last: days lived, and sum of the prescribed dose of the tapered class.
    ordered : ndarray of float32, (n_blocks, n, 3)
        Share of the original dose that the policy ordered, ideal.
    rounding : ndarray of float32, (n_blocks, n, 3)
        Dispensed minus ideal, share of the original dose.
    snapshot_days : list of int
    snapshots : ndarray of float32, (n_snapshots, len(TRACKED) + 1, n)
        :data:`TRACKED` rows and, last, the prescribed dose as a share of the original (of the classes that change).
    """

    cohort: Cohort
    n_days: int
    start: dict[int, Floats]
    end: dict[int, Floats]
    sums: dict[int, dict[int, Floats]]
    days: list[tuple[int, int]]
    by_period: dict[int, tuple[Floats, Floats]]
    ordered: NDArray[np.float32]
    rounding: NDArray[np.float32]
    snapshot_days: list[int] = field(default_factory=list)
    snapshots: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Latent:
    """What only the oracle is handed: the true state, and what shares would be in tablets."""

    arrays: Arrays
    dispenser: Dispenser

    def doses(self, share: Floats) -> Floats:
        """Equivalents a day, (n, 3), that would be dispensed for shares."""
        return self.dispenser.dispense(share, only_look=True)


def _blocks(starts: Sequence[int], ends: Sequence[int], n_days: int) -> list[tuple[int, int]]:
    """Blocks between days on which something is decided or looked at."""
    cuts = sorted({1, *(d for d in starts if 1 <= d <= n_days), *(d + 1 for d in ends if 1 <= d < n_days)})
    return [(first, last - 1) for first, last in zip(cuts, [*cuts[1:], n_days + 1], strict=True)]


def _shares_of_original(
    prescribed: Sequence[Floats], cohort: Cohort, ordered: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    """Prescribed doses over the original, (n,) each: mean over the classes the policy changes, or else of all taken."""
    changed = cohort.taken & (ordered != 1.0).any(axis=(0, 1))
    counted = np.where(changed.any(axis=1)[:, None], changed, cohort.taken)
    n_counted = np.maximum(counted.sum(axis=1), 1)
    shares = (np.divide(dose, cohort.dose, out=np.zeros_like(dose), where=counted) for dose in prescribed)
    return [(share.sum(axis=1) / n_counted).astype(np.float32) for share in shares]


def run(
    cohort: Cohort,
    policy: Policy,
    ensemble: Ensemble,
    seed: int,
    n_days: int,
    care: CarePlan,
    *,
    arrays: Arrays | None = None,
    look_days: Sequence[int] = (),
    snapshot_days: Sequence[int] = (),
    chance: bool = True,
    tick: Callable[[int], None] | None = None,
) -> Course:
    """Simulate a cohort under a policy.

    Parameters
    ----------
    cohort : Cohort
        n people.
    policy : Policy
        Decides the doses; sees check-ins, never the state (but for an oracle).
    ensemble : Ensemble
        Each person lives under one of its draws.
    seed : int
        0 to 2^64 − 1. Policies on one seed share their luck person by person.
    n_days : int
        Days to simulate; day 0 is the start.
    care : CarePlan
        Visits and check-ins planned.
    arrays : Arrays, optional
        The cohort laid out already (it is copied), to share the work between policies.
    look_days, snapshot_days : sequence of int
        Days at whose end the sums, and the tracked rows, are kept.
    chance : bool
        False: no events, no missing check-ins, no noise.
    tick : callable, optional
        Called with the number of patient-days done after each block.

    Returns
    -------
    Course
    """
    from taper_sim.model.kernel import advance

    a = (arrays or arrays_of(cohort, ensemble, seed, care)).copy()
    seed_low, seed_high = (np.uint64(half) for half in rng.split(seed))
    dispenser, known = Dispenser(cohort), known_of(cohort, seed)
    memory = policy.start(known)
    sees_reports = getattr(policy, "sees_reports", False)
    decisions = set(policy.decision_days(n_days))
    periods = {*range(VELOCITY_MONTH_D, n_days, VELOCITY_MONTH_D), n_days}
    blocks = _blocks(sorted(decisions), [*look_days, *snapshot_days, *periods], n_days)
    start = {row: a.get(a.state, row) for row in range(rows.N_STATE)}
    share = np.ones_like(cohort.dose)
    given = share
    rounded = dispenser.rounding_error().astype(np.float32)
    collected: list[NDArray[np.float32]] = []
    ordered, rounding, snapshots, doses = [], [], [], []
    by_period: dict[int, tuple[Floats, Floats]] = {}
    sums: dict[int, dict[int, Floats]] = {}
    for first, last in blocks:
        if first in decisions:
            seen = Seen(
                first, share, given, _reports_of(a, collected),
                in_care=a.get(a.state, rows.IN_CARE) > 0, returned=a.get(a.state, rows.RETURN_DAY) > 0,
                latent=Latent(a, dispenser) if getattr(policy, "sees_state", False) else None,
            )  # fmt: skip
            collected = []
            order = policy.decide(memory, seen)
            if order.rotation is not None:
                _rotate(a, order.rotation, dispenser.cohort, ensemble)
                dispenser.rotate(order.rotation)
            share = order.share
            dose = dispenser.dispense(share)
            rounded = dispenser.rounding_error().astype(np.float32)
            given = np.divide(dose, cohort.dose, out=np.zeros_like(dose), where=cohort.taken)
            a.put3(a.params, rows.DOSE, dose)
            _apply(a, order, cohort, ensemble)
        n_block = last - first + 1
        reports = np.empty((len(a.state), n_block * rows.N_REPORTS if sees_reports else 0, rows.LANES), np.float32)
        advance(
            a.state, a.sums, a.params, a.coefficients, reports, a.id_low, a.id_high, seed_low, seed_high,
            first, last, chance, sees_reports,
        )  # fmt: skip
        if sees_reports:
            collected.append(reports)
        if last in periods:
            by_period[last] = (a.get(a.sums, rows.DAYS), a.get(a.sums, rows.SUM_PRESCRIBED))
        ordered.append(share.astype(np.float32))
        rounding.append(rounded)
        if last in look_days or last == n_days:
            sums[last] = {row: a.get(a.sums, row) for row in range(rows.N_SUMS)}
        if last in snapshot_days:
            kept = [a.get(a.state, row) for _, row in TRACKED]
            alive = np.where(a.get(a.state, rows.ALIVE) > 0, 1.0, np.nan)
            snapshots.append(np.array([alive * row for row in kept], np.float32))
            doses.append(a.get3(a.state, rows.PRESCRIBED))
        if tick is not None:
            tick(n_block * len(cohort))
    orders = np.array(ordered)
    shares = _shares_of_original(doses, cohort, orders)
    return Course(
        cohort,
        n_days,
        start,
        {row: a.get(a.state, row) for row in range(rows.N_STATE)},
        sums,
        blocks,
        by_period,
        orders,
        np.array(rounding),
        [last for _, last in blocks if last in snapshot_days],
        np.array([np.vstack(both) for both in zip(snapshots, shares, strict=True)]) if snapshots else None,
    )


def _reports_of(a: Arrays, collected: Sequence[NDArray[np.float32]]) -> dict[str, Floats]:
    """Reports since the last decision, (n, n_days) an instrument, NaN where none came."""
    if not collected:
        return {}
    everything = np.concatenate(collected, axis=1)
    n_days = everything.shape[1] // rows.N_REPORTS
    by_person = everything[a.tile, :, a.lane].reshape(len(a.tile), n_days, rows.N_REPORTS)
    return {stream.instrument: by_person[:, :, k].astype(np.float64) for k, stream in enumerate(STREAMS)}


def _apply(a: Arrays, order: Order, cohort: Cohort, ensemble: Ensemble) -> None:
    """What an order changes besides doses."""
    if order.adjunct is not None:
        effect = ensemble.values["adjunct_effect"][draw_of(cohort.keys, ensemble.n_draws)]
        a.put3(a.params, rows.ADJUNCT, order.adjunct[:, None] * effect)
    for row, every in ((rows.CHECKIN_EVERY, order.checkin_every_d), (rows.VISIT_EVERY, order.visit_every_d)):
        if every is not None:
            a.put(a.params, row, np.where(np.isnan(every), a.get(a.params, row), every))


def _rotate(a: Arrays, rotation: Rotation, cohort: Cohort, ensemble: Ensemble) -> None:
    """Give a class another drug's formulation; a new molecule keeps part of A and R (incomplete cross-tolerance)."""
    k, drug = rotation.column, rotation.drug
    who = rotation.who & cohort.taken[:, k]
    shape = within_day_shape(drug.trough_mean)
    changes = [(rows.DECAY_G + k, float(level_decay(drug.effect_half_life_h)))]
    changes += [(rows.SHAPE + 4 * k + point, float(shape[point])) for point in range(4)]
    for row, value in changes:
        a.put(a.params, row, np.where(who, value, a.get(a.params, row)))
    before = [{drug.drug for drug in _drugs_of(cohort, person, k)} for person in range(len(cohort))]
    other = np.array([names != {drug.drug} for names in before])
    kept = ensemble.values["cross_tolerance"][draw_of(cohort.keys, ensemble.n_draws)]
    for row in (rows.A + k, *((rows.R,) if k == 0 else ())):
        now = a.get(a.state, row)
        a.put(a.state, row, np.where(who & other, now * kept, now))


def _drugs_of(cohort: Cohort, person: int, k: int) -> list[Drug]:
    numbers = cohort.slot_drug[person][cohort.slot_drug[person] >= 0]
    return [cohort.drugs[number] for number in numbers if cohort.drugs[number].drug_class == DRUG_CLASSES[k]]
