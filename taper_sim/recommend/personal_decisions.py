"""Personal pace for many patients at once: what follows for each from the record so far.

Imports ``choice``, ``inference.tracker``. A row depends on that patient alone: doses, reports, assessment, and fixed
points for the draws. Patients are done in threads; the compiled parts run without the interpreter's lock.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.inference import course as at
from taper_sim.inference import rollout
from taper_sim.inference.course import Regimen
from taper_sim.inference.draws import equal_draws, sobol_normals
from taper_sim.inference.prior import DRIFT_SD
from taper_sim.inference.tracker import STREAM_COLUMN, TrackedPatients
from taper_sim.inference.true_state import TrueState
from taper_sim.policies.adaptive import column_of, put_share
from taper_sim.policies.interface import Observation, Patients
from taper_sim.recommend.choice import Rolled, choose, keeps_limits, loss_of, rolled_of
from taper_sim.recommend.options import PACES_PCT, Option
from taper_sim.safety.ceilings import ceiling_of
from taper_sim.units import DRUG_CLASSES, MONTH_D

if TYPE_CHECKING:
    from taper_sim.recommend.personal_policy import Personal


FASTER_PCT: Final = (45.0, 60.0, 100.0)
"""Paces beyond those of a recommendation, percent of the original dose in 28 days: without a ceiling, for studies."""
FLOORS: Final = (0.0, 0.25, 0.5, 0.75)
"""Fractions of the original dose at which a taper may be planned to end. A design choice."""
LOSS_DRAWS: Final = 128
"""Posterior draws over which a loss is expected, at most. With 32 the noise of the expectation was as large as what
personal pace can gain (docs/personal-pace.md). A design choice."""
SLOWER: Final = 0.5
"""Share of the fastest pace that keeps every limit at which a slower one is weighed against it. A design choice."""
STOP_SHARE: Final = 0.02
"""A share of the original dose below which the next step is to stop. A design choice: no tablet is smaller."""
_PRIOR_POINTS: Final = (0, 10)
"""Seed of the prior's draws for a patient who has sent nothing."""
_DRIFT_POINTS: Final = (0, 11)
"""Seed of the drift still to come, the same for everybody."""
_MOST_DRAWS: Final = 8192  # of a policy: points of the drift for as many
_SAME: Final = 1e-9


class PersonalDecisions:
    """What a personal policy remembers of its patients, and how it decides for them."""

    def __init__(self, policy: "Personal", patients: Patients):
        self.policy, self.patients = policy, patients
        n = len(patients.dose)
        self.column = column_of(patients, policy.drug_class)
        self.tracked = TrackedPatients(patients, self.column, policy.draws)
        self.limits = policy.limits
        ceilings = [self._ceiling(row) for row in range(n)]
        self.ceiling = np.array([ceiling for ceiling, _ in ceilings])
        self.preset = np.array([preset for _, preset in ceilings])
        self.day = 1  # of the last decision
        self.ordered: list[tuple[int, Floats]] = [(0, np.ones(n))]  # share of the class that is tapered, from a day on
        self.path: list[list[float]] = [[1.0] for _ in range(n)]  # shares on the way down, to step back on
        self.kept: dict[
            int, tuple[int, Floats, Floats, Floats, Floats]
        ] = {}  # of patients whose check-ins are not read

    def _ceiling(self, row: int) -> tuple[float, float]:
        """Ceiling and pace of the preset that fits, percent of the original dose in 28 days."""
        k = self.column[row]
        if k < 0:
            return 0.0, 0.0
        use, failed = float(self.patients.use_days[row, k]), int(self.tracked.failed_tapers[row])
        ceiling = ceiling_of(DRUG_CLASSES[k], use, failed, self.limits)
        return ceiling.pct_per_28d, ceiling.preset_pct

    def decide(self, observation: Observation) -> Floats:
        """Shares of the original dose from ``observation.day`` on, (n, 3)."""
        n = len(self.column)
        everybody = np.arange(n)
        self._take_in(observation)
        now = np.where(self.column >= 0, observation.dose_fraction[everybody, self.column], 1.0)
        true = TrueState(observation.latent.arrays) if self.policy.sees_state else None
        follows = self.column >= 0
        for gone in (None if observation.in_care is None else ~observation.in_care, observation.returned):
            follows = follows & ~gone if gone is not None else follows
        share = now.copy()
        people = np.flatnonzero(follows)

        def decided(row: int) -> float:
            return self._share(int(row), observation.day, float(now[row]), true)

        with ThreadPoolExecutor(max(os.cpu_count() or 1, 1)) as pool:
            share[people] = list(pool.map(decided, people))
        self.ordered.append((observation.day, share))
        for row in people:
            way = self.path[row]
            while way and way[-1] <= share[row] + _SAME:
                way.pop()
            way.append(float(share[row]))
        return put_share(observation.dose_fraction, self.column, share)

    def _take_in(self, observation: Observation) -> None:
        """Doses and check-ins of the days since the last decision."""
        days = np.arange(self.day, observation.day)
        self.day = observation.day
        if not len(days):
            return
        everybody = np.arange(len(self.column))[:, None]
        dose = np.where(self.patients.taken, observation.dispensed * self.patients.dose, 0.0)
        self.tracked.add_doses(everybody, days, dose[:, None])
        if self.policy.sees_reports:
            self.tracked.add_reports(everybody, days, _by_stream(observation.reports, len(everybody), len(days)))

    # -- one person ----------------------------------------------------------------------------------------------------

    def _share(self, row: int, day: int, now: float, true: TrueState | None) -> float:
        """Share from ``day`` on for one person."""
        if now <= 0.0:  # a patient who has stopped stays at 0
            return now
        regimen = self.tracked.regimen(row, day - 1, max(self.policy.horizon_d, self.policy.outlook_d))
        if true is not None:
            values, shared, states, drifts = true.of(row)
            weights = np.ones(1)
        else:
            shared = self.tracked.couplings(row)
            if self.policy.sees_reports:
                values, weights = self._believed(row, day)
                states, drifts = rollout.carried(values, shared, regimen, day - 1)
            else:
                values, weights, states, drifts = self._carried_on(row, day, regimen, shared)
        silent = self.policy.sees_reports and not self.tracked.last_report(row, day - 1)
        ahead = _Ahead(self, row, day, now, regimen, values, weights, shared, states, drifts)
        return ahead.best(silent)

    def _carried_on(self, row: int, day: int, regimen: Regimen, shared: Any) -> tuple[Floats, Floats, Floats, Floats]:
        """Draws, weights, states and drifts without check-ins: the first draws, carried on to today."""
        before = self.kept.get(row)
        if before is None:
            values, weights = self._believed(row, day)
            states, drifts = rollout.carried(values, shared, regimen, day - 1)
        else:
            last, values, weights, states, drifts = before
            rollout.carry_on(values, states, drifts, shared, regimen, last + 1, day - 1)
        self.kept[row] = (day - 1, values, weights, states, drifts)
        return values, weights, states, drifts

    def _believed(self, row: int, day: int) -> tuple[Floats, Floats]:
        """Draws of the person's values, (n, N_VALUES), and their weights; drift still to come is of its prior."""
        last = self.tracked.last_report(row, day - 1)
        if last:
            posterior = self.tracked.posterior(row, day - 1, last)
            values, weights = posterior.values(), posterior.weights
        else:
            prior = self.tracked.prior(row, 0, reported=False)
            values = prior.values(sobol_normals(len(prior.names), self.policy.draws, *_PRIOR_POINTS))
            weights = np.full(len(values), 1.0 / len(values))
        n_segments = -(-last // at.SEGMENT_D)
        to_come = sobol_normals(at.MAX_SEGMENTS, _MOST_DRAWS, *_DRIFT_POINTS)
        values[:, at.DRIFT + n_segments :] = DRIFT_SD * to_come[: len(values), : at.MAX_SEGMENTS - n_segments]
        return values, weights


def _by_stream(reports: Mapping[str, Floats], n: int, n_days: int) -> Floats:
    """Reports with the instruments in the order of ``STREAMS``, (n, n_days, n_streams), NaN where none came."""
    by_stream = np.full((n, n_days, len(STREAM_COLUMN)), np.nan)
    for name, values in reports.items():
        by_stream[:, :, STREAM_COLUMN[name]] = values
    return by_stream


class _Ahead:
    """Options of one person on one day, rolled out."""

    def __init__(
        self,
        memory: PersonalDecisions,
        row: int,
        day: int,
        now: float,
        regimen: Regimen,
        values: Floats,
        weights: Floats,
        shared: Any,
        states: Floats,
        drifts: Floats,
    ):
        self.memory, self.policy, self.row, self.day, self.now = memory, memory.policy, row, day, now
        self.regimen, self.values, self.weights, self.shared = regimen, values, weights, shared
        self.states, self.drifts = states, drifts
        self.column = int(memory.column[row])
        self.original = memory.patients.dose[row]
        ago = next(of for since, of in reversed(memory.ordered) if since <= max(day - MONTH_D, 0))
        self.lowest = float(ago[row]) - memory.ceiling[row] / 100.0  # what the ceiling leaves in the first step
        if len(weights) > LOSS_DRAWS:  # equally likely draws, spread over the long-run benefit, on which losses hang
            order = np.argsort(values[:, at.B + self.column], kind="stable")
            self.few = order[equal_draws(weights[order], LOSS_DRAWS)]
            self.few_weights = np.full(LOSS_DRAWS, 1.0 / LOSS_DRAWS)
        else:
            self.few, self.few_weights = np.arange(len(weights)), weights

    def path(self, pct: float, floor: float, n_days: int) -> Floats:
        """Shares of the days ahead, (n_days,), of a pace down to a floor."""
        every = self.policy.every
        steps = np.arange(n_days) // every + 1
        share = np.maximum(self.now - pct / 100.0 * every / MONTH_D * steps, min(floor, self.now))
        if self.policy.ceiling:
            share = np.maximum(share, np.where(steps == 1, min(self.lowest, self.now), 0.0))
        return np.where(share < STOP_SHARE, 0.0, share)

    def figures(self, shares: Floats, who: Ints) -> Floats:
        """Figures of a course of shares ahead for some draws."""
        r, end = self.regimen, self.day + len(shares)
        dose, cut = r.dose[:end].copy(), r.cut[:end].copy()
        k = self.column
        dose[self.day :, k] = shares * self.original[k]
        if len(shares):
            fallen = np.flatnonzero(np.diff(dose[self.day - 1 :, k]) < -_SAME)
            cut[self.day :] = 0.0
            cut[self.day + fallen] = self.memory.tracked.announced(self.row)
        ahead = Regimen(
            dose, cut, r.decay_g[:end], r.shape[:end], r.taken, r.use_days, r.adjunct[:end], r.rotated[:end]
        )
        return rollout.roll_out(
            self.values[who],
            self.states[who],
            self.drifts[who],
            self.shared,
            _NO_EVENTS,
            ahead,
            self.day,
            self.original,
            float(self.original[0]),
            0.0,
            0.0,
            1.0,
            self.policy.limit,
        )

    def paces(self, silent: bool) -> Iterator[float]:
        """Paces that the ceiling, and what is known, allow, percent of the original dose in 28 days."""
        most = float(self.memory.ceiling[self.row]) if self.policy.ceiling else np.inf
        if silent:  # without a report no faster than the preset that fits
            most = min(most, float(self.memory.preset[self.row]))
        for pct in (*PACES_PCT, *(() if self.policy.ceiling else FASTER_PCT)):
            if pct <= most + _SAME:
                yield pct

    def loss(self, shares: Floats) -> float:
        """Expected loss of a course of shares over the outlook."""
        return float(self.few_weights @ loss_of(self.figures(shares, self.few), self.column))

    def best(self, silent: bool) -> float:
        """Share of the option that is chosen, from today on."""
        limits, horizon = self.policy.limits, self.policy.horizon_d
        everybody = np.arange(len(self.weights))
        rolled: dict[str, Rolled] = {}
        first: dict[str, float] = {}

        def roll(option: Option, shares: Floats) -> Option:
            f = self.figures(shares, everybody)
            rolled[option.name] = rolled_of(option, f, self.weights, limits, self.column, 100.0 * float(shares[-1]))
            first[option.name] = float(shares[0])
            return option

        options = [roll(Option("hold", "hold"), np.full(horizon, self.now))]
        above = [share for share in self.memory.path[self.row] if share > self.now + _SAME]
        back = above[-1] if above else self.now
        if self.policy.step_back and back > self.now + _SAME:
            options.append(roll(Option("step back", "step_back", DRUG_CLASSES[self.column]), np.full(horizon, back)))

        def keeps(pct: float) -> Option | None:
            option = Option(f"{pct:g}", "reduce", DRUG_CLASSES[self.column], pct)
            roll(option, self.path(pct, 0.0, horizon))
            return None if keeps_limits(rolled[option.name], rolled["hold"], limits) else option

        paces = list(self.paces(silent))
        fastest = _last_that(keeps, paces)
        if fastest is not None:
            options.append(fastest)
            slower = [pct for pct in paces if pct <= fastest.pct_per_28d * SLOWER + _SAME]
            if slower and self.policy.prefer == "least loss":
                half = keeps(slower[-1])
                options += [half] if half is not None else []
        if self.policy.prefer == "least loss":
            self._weigh(options, rolled, back)
        name, _ = choose(rolled, options, limits)
        return first[name]

    def _weigh(self, options: Sequence[Option], rolled: dict[str, Rolled], back: float) -> None:
        """Set the loss over the outlook: first the dose to end at, at the fastest pace, then the pace."""
        outlook, floor = self.policy.outlook_d, 0.0
        for o in sorted(options, key=lambda o: -o.pct_per_28d):
            if o.kind != "reduce":
                loss = self.loss(np.full(outlook, back if o.kind == "step_back" else self.now))
            elif o is max(options, key=lambda o: o.pct_per_28d):
                floors = [f for f in FLOORS if f < self.now - _SAME]
                losses = [self.loss(self.path(o.pct_per_28d, f, outlook)) for f in floors]
                loss, floor = min(zip(losses, floors, strict=True))
            else:
                loss = self.loss(self.path(o.pct_per_28d, floor, outlook))
            rolled[o.name] = replace(rolled[o.name], loss=loss)


def _last_that(keeps: Callable[[float], Option | None], paces: Sequence[float]) -> Option | None:
    """The fastest pace that keeps its limits, by halving: the faster a pace, the more it risks."""
    option = keeps(paces[-1]) if paces else None
    if option is not None:
        return option
    fastest = None
    low, high = -1, len(paces) - 1
    while high - low > 1:
        middle = (low + high) // 2
        option = keeps(paces[middle])
        if option is None:
            high = middle
        else:
            fastest, low = option, middle
    return fastest


_NO_EVENTS: Final = np.zeros((0, rollout.N_EVENTS))
