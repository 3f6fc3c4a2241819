"""Blocks of days for a cohort under one policy. Imports ``simulation``, ``model`` (the kernel when it is used)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taper_sim import rng
from taper_sim.array_types import Bools, Floats
from taper_sim.model.compiled import rows
from taper_sim.model.event_parameters import STREAMS
from taper_sim.model.parameters import BASELINE_LIMITS
from taper_sim.policies.interface import Observation, Policy, not_a_policy
from taper_sim.policies.watched import Watched
from taper_sim.simulation.alarm_response import AlarmResponse
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.dispensing import Dispenser, known_of
from taper_sim.simulation.ensemble import Ensemble
from taper_sim.simulation.layout import Arrays, CarePlan, arrays_of
from taper_sim.simulation.misspecification import NO_MISSPECIFICATION, Misspecification
from taper_sim.simulation.orders_in_force import Hazards, apply, rotate
from taper_sim.simulation.pending_orders import PendingOrders, checked_days, checked_order
from taper_sim.units import VELOCITY_MONTH_D

#: Rows kept at snapshots for figures: name, row of the state.
TRACKED: tuple[tuple[str, int], ...] = (
    ("withdrawal", rows.W_ALL),
    ("pain", rows.P),
    ("distress", rows.M),
    ("insomnia", rows.I),
    ("function", rows.U),
    ("craving", rows.C),
)


#: Rows whose values a person can only feel within the ends of a scale.
_SCALES = {
    rows.P: BASELINE_LIMITS["pain"],
    rows.M: BASELINE_LIMITS["distress"],
    rows.I: BASELINE_LIMITS["insomnia"],
    rows.U: BASELINE_LIMITS["function"],
    rows.N: BASELINE_LIMITS["engagement"],
    rows.C: BASELINE_LIMITS["craving"],
}


@dataclass
class Trajectory:
    """Simulated outcomes of one cohort under one policy.

    Attributes
    ----------
    cohort : Cohort
        n people.
    n_days : int
        Days simulated.
    start, end : dict of int to ndarray (n,)
        State rows (``model.compiled.rows``) before day 1 and at the end of the last day, within their scales.
    sums : dict of int to dict of int to ndarray (n,)
        Sums since day 0 at the end of each day of ``look_days`` and of the last day.
    days : list of (int, int)
        First and last day of each block.
    by_period : dict of int to (ndarray (n,), ndarray (n,))
        At the end of every 30th day and of the last: days alive, and sum of the prescribed dose of the tapered class.
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
    """Input of the oracle alone: the true state, the doses that tablets can make of shares, and other courses.

    Attributes
    ----------
    arrays : Arrays
    dispenser : Dispenser
    observations_under : callable
        Takes a policy; returns what it observes of the same people with the same random numbers, on its own decision
        days and on those of the oracle, with check-ins of every day.
    """

    arrays: Arrays
    dispenser: Dispenser
    observations_under: Callable[[Policy], list[Observation]]

    def doses(self, share: Floats) -> Floats:
        """Equivalents a day that would be dispensed for shares, (n, 3)."""
        return self.dispenser.dispense(share, preview=True)


def _blocks(starts: Sequence[int], ends: Sequence[int], n_days: int) -> list[tuple[int, int]]:
    """Blocks of days without a decision or a recorded result inside, as (first, last)."""
    cuts = sorted({1, *(d for d in starts if 1 <= d <= n_days), *(d + 1 for d in ends if 1 <= d < n_days)})
    return [(first, last - 1) for first, last in zip(cuts, [*cuts[1:], n_days + 1], strict=True)]


def _shares_of_original(
    prescribed: Sequence[Floats], cohort: Cohort, ordered: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    """Prescribed over original doses, (n,) each: mean over the classes that the policy changes, else over all taken."""
    changed = cohort.taken & (ordered != 1.0).any(axis=(0, 1))
    counted = np.where(changed.any(axis=1)[:, None], changed, cohort.taken)
    n_counted = np.maximum(counted.sum(axis=1), 1)
    shares = (np.divide(dose, cohort.dose, out=np.zeros_like(dose), where=counted) for dose in prescribed)
    return [(share.sum(axis=1) / n_counted).astype(np.float32) for share in shares]


class Days:
    """A cohort under a policy, by blocks of days: :meth:`decide` sets the doses, :meth:`live` advances the days.

    :func:`run` simulates all days. The clinic simulates one day at a time; at each decision it passes whose orders wait
    for a signature and which check-ins staff have not read.

    Parameters
    ----------
    cohort : Cohort
        n people.
    policy : Policy
    ensemble : Ensemble
    seed : int
    n_days : int
        Days to simulate.
    care : CarePlan
    arrays : Arrays, optional
        The kernel's arrays of the cohort (they are copied).
    look_days, snapshot_days : sequence of int
        Days at whose end the sums, and the rows of :data:`TRACKED`, are recorded.
    chance : bool
        Whether events, missing check-ins and noise are simulated.
    keep_reports : bool
        Whether ``today`` is recorded.
    world : Misspecification
        Deviations from the model, in studies of a misspecified model.

    Attributes
    ----------
    today : ndarray, (n, 8)
        Check-ins of the last simulated day in the order of ``event_parameters.STREAMS``, NaN where missing.
    days_since_decision : int
        Days simulated since the last decision of the policy.
    a : Arrays
        Arrays of the kernel at the end of the last simulated day.
    decisions : set of int
        Days on which the policy decides.
    blocks : list of (int, int)
        First and last day of each block without a decision or a recorded result inside.
    """

    def __init__(
        self,
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
        keep_reports: bool = False,
        world: Misspecification = NO_MISSPECIFICATION,
    ):
        if not isinstance(policy, Policy):
            raise TypeError(not_a_policy(type(policy)))
        self.cohort, self.policy, self.ensemble, self.n_days, self.chance = cohort, policy, ensemble, n_days, chance
        self.a = (arrays or arrays_of(cohort, ensemble, seed, care)).copy()
        self._care, self._hazards = care, Hazards(self.a, cohort, ensemble)
        self._seed_low, self._seed_high = (np.uint64(half) for half in rng.split(seed))
        self._seed, self._world = seed, world
        self._usual: dict[str, Floats] = {}  # first reports of each instrument, which a misspecification may need
        self._unreported_from = 1  # first day whose check-ins the policy has not received
        self._dispenser = Dispenser(cohort)
        self._memory = policy.start(known_of(cohort, seed, ensemble))
        self.sees_reports = policy.sees_reports
        self._response = AlarmResponse(self.a, cohort, ensemble) if care.answers_alarms else None
        self._records = self.sees_reports or keep_reports or care.answers_alarms
        self.today = np.full((len(cohort), rows.N_REPORTS), np.nan)
        self.days_since_decision = 0
        self.decisions = set(checked_days(policy, n_days))
        self._look_days, self._snapshot_days = set(look_days), set(snapshot_days)
        self._periods = {*range(VELOCITY_MONTH_D, n_days, VELOCITY_MONTH_D), n_days}
        ends = [*self._look_days, *self._snapshot_days, *self._periods]
        self.blocks = _blocks(sorted(self.decisions), ends, n_days)
        self._block_ends = {last for _, last in self.blocks}
        self._start = self._state()
        self._pending = PendingOrders.at_start(cohort)
        self._rounded = self._dispenser.rounding_error().astype(np.float32)
        self._collected: list[NDArray[np.float32]] = []
        self._ordered: list[NDArray[np.float32]] = []
        self._rounding: list[NDArray[np.float32]] = []
        self._snapshots: list[NDArray[np.float32]] = []
        self._doses: list[Floats] = []
        self._by_period: dict[int, tuple[Floats, Floats]] = {}
        self._sums: dict[int, dict[int, Floats]] = {}

    def _observations_under(self, policy: Policy) -> list[Observation]:
        watched = Watched(policy, tuple(self.decisions))
        run(
            self.cohort,
            watched,
            self.ensemble,
            self._seed,
            self.n_days,
            self._care,
            chance=self.chance,
            world=self._world,
        )
        return watched.observations

    @property
    def waiting(self) -> Bools:
        """Patients whose last order is not yet in force, (n,)."""
        return self._pending.behind.any(axis=1)

    def decide(self, first: int, *, waits: Bools | None = None, unread: Bools | None = None) -> None:
        """Let the policy decide, if ``first`` is one of its days, and bring its orders into force.

        Parameters
        ----------
        first : int
            First day on which the doses decided now are taken.
        waits : ndarray of bool, (n,), optional
            Patients whose order has to wait; their doses stay. Default: none. A late order does not catch up on missed
            steps: the dose falls by at most one step of the policy at each decision.
        unread : ndarray of bool, (n, days since the last decision), optional
            Check-ins that staff have not read; the policy does not see them.
        """
        decides = first in self.decisions
        if decides:
            reports = self._world.distorted_reports(
                _reports_of(self.a, self._collected), self.cohort, self._seed, self._unreported_from, self._usual
            )
            self._unreported_from = first
            if unread is not None:
                reports = {name: np.where(unread, np.nan, values) for name, values in reports.items()}
            observation = Observation(
                first,
                self._pending.ordered_share,
                self._pending.dispensed,
                reports,
                in_care=self.a.get(self.a.state, rows.IN_CARE) > 0,
                returned=self.a.get(self.a.state, rows.RETURN_DAY) > 0,
                latent=Latent(self.a, self._dispenser, self._observations_under) if self.policy.sees_state else None,
            )
            self._collected, self.days_since_decision = [], 0
            order = self.policy.decide(self._memory, observation)
            self._pending.order(checked_order(order, self.policy, first, *self.cohort.dose.shape))
        if decides or self._pending.pending.any():
            may = np.ones(len(self.cohort), dtype=bool) if waits is None else ~waits
            self._follow(first, may & ~self._paused(first))

    def _paused(self, first: int) -> Bools:
        """Patients whose reductions wait on a day because of a response to an alarm, (n,)."""
        if self._response is None:
            return np.zeros(len(self.cohort), dtype=bool)
        reduces = (self._pending.ordered_share < self._pending.in_force).any(axis=1)
        return np.asarray(reduces & (self._response.paused_until >= first))

    @property
    def answers_alarms(self) -> bool:
        """Whether the planned care has a response to alarms."""
        return self._response is not None

    def alarming(self) -> Bools:
        """Patients whose last day calls for the planned response to an alarm, (n,)."""
        if self._response is None:
            return np.zeros(len(self.cohort), dtype=bool)
        return self._response.called_for(self.a, self.today)

    def answer(self, first: int, who: Bools) -> None:
        """Respond to the alarms of the patients in ``who`` from the day ``first`` on."""
        if self._response is None or not who.any():
            return
        restores = self._response.begin(self.a, first, who)
        if restores.any():
            self._dispense(self._pending.restored(restores))

    def _follow(self, first: int, may: Bools) -> None:
        """Bring pending orders into force from the day ``first`` for the patients in ``may``."""
        orders, a = self._pending, self.a
        if not (orders.pending & may).any():
            return
        for rotation in orders.released_rotations(may):
            rotate(a, rotation, self._dispenser.cohort, self.ensemble)
            self._hazards.rotated(rotation, first)
            self._dispenser.rotate(rotation)
        self._dispense(orders.followed(may))
        apply(a, orders, may, self.cohort, self.ensemble, self._hazards)

    def _dispense(self, share: Floats) -> None:
        """Dispense shares of the original dose, (n, 3); they are the doses from now on."""
        dose = self._dispenser.dispense(share)
        self._rounded = self._dispenser.rounding_error().astype(np.float32)
        original = self.cohort.dose
        self._pending.dispensed = np.divide(dose, original, out=np.zeros_like(dose), where=self.cohort.taken)
        self.a.put3(self.a.params, rows.DOSE, dose)

    def live(self, first: int, last: int) -> None:
        """Simulate the days from ``first`` to ``last``, within one block."""
        a, n_days = self.a, last - first + 1
        self._world.drift_parameters(a, self.cohort, self._seed, first, last)
        self._hazards.put(a, first)
        reports = np.empty((len(a.state), n_days * rows.N_REPORTS if self._records else 0, rows.LANES), np.float32)
        _advance(a, reports, self._seed_low, self._seed_high, first, last, self.chance, self._records)
        self.days_since_decision += n_days
        if self._records:
            self.today = reports[a.tile, -rows.N_REPORTS :, a.lane].astype(np.float64)
        if self.sees_reports:
            self._collected.append(reports)
        if self._response is not None:
            self._response.observe(a)
        if last in self._block_ends:
            self._record(last)

    def _record(self, last: int) -> None:
        """Record the results of the last day of a block."""
        a = self.a
        if last in self._periods:
            self._by_period[last] = (a.get(a.sums, rows.DAYS), a.get(a.sums, rows.SUM_PRESCRIBED))
        self._ordered.append(self._pending.ordered_share.astype(np.float32))
        self._rounding.append(self._rounded)
        if last in self._look_days or last == self.n_days:
            self._sums[last] = {row: a.get(a.sums, row) for row in range(rows.N_SUMS)}
        if last in self._snapshot_days:
            tracked = self._state([row for _, row in TRACKED])
            alive = np.where(a.get(a.state, rows.ALIVE) > 0, 1.0, np.nan)
            self._snapshots.append(np.array([alive * values for values in tracked.values()], np.float32))
            self._doses.append(a.get3(a.state, rows.PRESCRIBED))

    def _state(self, of: Iterable[int] = range(rows.N_STATE)) -> dict[int, Floats]:
        """Rows of the state now, by default all, each within its scale."""
        state = {row: self.a.get(self.a.state, row) for row in of}
        return {row: np.clip(values, *_SCALES[row]) if row in _SCALES else values for row, values in state.items()}

    def course(self) -> Trajectory:
        """Results of all days, after the last one."""
        orders = np.array(self._ordered)
        shares = _shares_of_original(self._doses, self.cohort, orders)
        snapshots = [np.vstack(rows_and_share) for rows_and_share in zip(self._snapshots, shares, strict=True)]
        return Trajectory(
            self.cohort,
            self.n_days,
            self._start,
            self._state(),
            self._sums,
            self.blocks,
            self._by_period,
            orders,
            np.array(self._rounding),
            [last for _, last in self.blocks if last in self._snapshot_days],
            np.array(snapshots) if snapshots else None,
        )


def _advance(a: Arrays, reports: NDArray[np.float32], *arguments: Any) -> None:
    from taper_sim.model.compiled.kernel import advance  # the import loads Numba, which most commands do not need

    seed_low, seed_high, *days = arguments
    advance(a.state, a.sums, a.params, a.coefficients, reports, a.id_low, a.id_high, seed_low, seed_high, *days)


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
    on_progress: Callable[[int], None] | None = None,
    world: Misspecification = NO_MISSPECIFICATION,
) -> Trajectory:
    """Simulate a cohort under a policy.

    Parameters
    ----------
    cohort : Cohort
        n people.
    policy : Policy
        Decides the doses; sees check-ins, and only an oracle sees the state.
    ensemble : Ensemble
        Each person has the parameters of one of its draws.
    seed : int
        0 to 2^64 − 1. Policies on one seed share the random numbers of each person.
    n_days : int
        Days to simulate; day 0 is the start.
    care : CarePlan
        Visits and check-ins planned.
    arrays : Arrays, optional
        The kernel's arrays of the cohort (they are copied), to build them once for several policies.
    look_days, snapshot_days : sequence of int
        Days at whose end the sums, and the rows of :data:`TRACKED`, are recorded.
    chance : bool
        Whether events, missing check-ins and noise are simulated.
    on_progress : callable, optional
        Called after each block with its number of patient-days.
    world : Misspecification
        Deviations from the model, in studies of a misspecified model.

    Returns
    -------
    Trajectory
    """
    days = Days(
        cohort,
        policy,
        ensemble,
        seed,
        n_days,
        care,
        arrays=arrays,
        look_days=look_days,
        snapshot_days=snapshot_days,
        chance=chance,
        world=world,
    )
    for first, last in days.blocks:
        steps = [(day, day) for day in range(first, last + 1)] if care.answers_alarms else [(first, last)]
        for start, end in steps:  # an alarm may call for a response on any morning
            days.answer(start, days.alarming())
            days.decide(start)
            days.live(start, end)
        if on_progress is not None:
            on_progress((last - first + 1) * len(cohort))
    return days.course()


def _reports_of(a: Arrays, collected: Sequence[NDArray[np.float32]]) -> dict[str, Floats]:
    """Reports since the last decision by instrument, (n, n_days), NaN where missing."""
    if not collected:
        return {}
    everything = np.concatenate(collected, axis=1)
    n_days = everything.shape[1] // rows.N_REPORTS
    by_person = everything[a.tile, :, a.lane].reshape(len(a.tile), n_days, rows.N_REPORTS)
    return {stream.instrument: by_person[:, :, k].astype(np.float64) for k, stream in enumerate(STREAMS)}
