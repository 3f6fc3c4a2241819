"""Decisions of the personal policy for many patients: posterior, roll-out and choice for each.

Imports ``choice``, ``inference.tracker``. A row depends on that patient's record alone: doses, reports, assessment, and
fixed quasi-random points. Threads divide the patients; the compiled parts run without the interpreter's lock.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.inference import course as at
from taper_sim.inference import rollout
from taper_sim.inference.blas_threads import one_blas_thread
from taper_sim.inference.course import Regimen
from taper_sim.inference.draws import equal_draws
from taper_sim.inference.life_today import MomentsToday, Today, life_ahead, moments_today
from taper_sim.inference.tracker import STREAM_COLUMN, TrackedPatients
from taper_sim.inference.true_state import TrueState
from taper_sim.policies.adaptive import column_of, put_share
from taper_sim.policies.interface import Observation, Patients
from taper_sim.recommend.ahead import OF_CURRENT_PCT, STOP_SHARE, WAY_BACK_PCT, DosePlan, PersonAhead, with_future_drift
from taper_sim.recommend.choice import Rolled, choose, keeps_limits, loss_by_values, loss_of, rolled_of
from taper_sim.recommend.learning_ahead import LastingTrial, LifeNow, lasting_places
from taper_sim.recommend.look_ahead import LOOK_AHEAD_DRAWS, LookAhead
from taper_sim.recommend.options import PACES_PCT, Option
from taper_sim.safety.ceilings import ceiling_of
from taper_sim.units import DRUG_CLASSES, MONTH_D, TOLERANCE

if TYPE_CHECKING:
    from taper_sim.recommend.personal_policy import Personal


FASTER_PCT: Final = (45.0, 60.0, 100.0)
"""Additional paces for studies without a ceiling, percent of the original dose in 28 days."""
FLOORS: Final = (0.0, 0.25, 0.5, 0.75)
"""Fractions of the original dose at which a taper may be planned to end. A design choice."""
PLATEAUS: Final = (0.5, 0.25)
"""Shares of the original dose at which a taper may be planned to wait. Source: A97."""
LOSS_DRAWS: Final = 128
"""Largest number of posterior draws in an expected loss. With 32 draws the Monte Carlo error was as large as the gain
from personal pace (docs/personal-pace.md). A design choice."""
SLOWER: Final = 0.5
"""Pace of the slower alternative, as a share of the fastest pace that keeps every limit. A design choice."""
_LIFE_SEED: Final = 0
"""Seed of life outside the taper; all patients share its points."""


class PersonalDecisions:
    """Memory of a personal policy, and its decisions for each patient."""

    def __init__(self, policy: "Personal", patients: Patients):
        self.policy, self.patients = policy, patients
        n = len(patients.dose)
        self.column = column_of(patients, policy.drug_class)
        self.tracked = TrackedPatients(patients, self.column, policy.draws)
        self.informing: TrackedPatients | None = None  # records under the fastest taper
        self._informing_ahead: list[Observation] = []  # of these records, what is not yet past
        self.limits = policy.limits
        ceilings = [self._ceiling(row) for row in range(n)]
        self.ceiling = np.array([ceiling for ceiling, _ in ceilings])
        self.preset = np.array([preset for _, preset in ceilings])
        self.day = 1  # day of the last decision
        self.ordered: list[tuple[int, Floats]] = [(0, np.ones(n))]  # first day, and share of the tapered class
        self.path: list[list[float]] = [[1.0] for _ in range(n)]  # falling shares to which a patient may step back
        self.first_cut: list[int | None] = [None] * n  # day of the first reduction

    def _ceiling(self, row: int) -> tuple[float, float]:
        """Ceiling of a patient and pace of the preset that applies, percent of the original dose in 28 days."""
        k = self.column[row]
        if k < 0:
            return 0.0, 0.0
        use_days, failed_tapers = float(self.patients.use_days[row, k]), int(self.tracked.failed_tapers[row])
        ceiling = ceiling_of(DRUG_CLASSES[k], use_days, failed_tapers, self.limits)
        return ceiling.pct_per_28d, ceiling.preset_pct

    @one_blas_thread
    def decide(self, observation: Observation) -> Floats:
        """Shares of the original dose from ``observation.day`` on, (n, 3)."""
        n = len(self.column)
        everybody = np.arange(n)
        self.add_days(observation)
        now = np.where(self.column >= 0, observation.dose_fraction[everybody, self.column], 1.0)
        true = self._true(observation) if self.policy.sees_state else None
        in_taper = self.column >= 0
        for left in (None if observation.in_care is None else ~observation.in_care, observation.returned):
            in_taper = in_taper & ~left if left is not None else in_taper
        share = now.copy()
        rows_in_taper = np.flatnonzero(in_taper)

        def decided_share(row: int) -> float:
            return self._share(
                int(row), observation.day, float(now[row]), true if self.policy.sees == "state" else None
            )

        with ThreadPoolExecutor(max(os.cpu_count() or 1, 1)) as pool:
            share[rows_in_taper] = list(pool.map(decided_share, rows_in_taper))
        for row in np.flatnonzero(share < now - TOLERANCE):
            self.first_cut[row] = self.first_cut[row] or observation.day
        self.ordered.append((observation.day, share))
        for row in rows_in_taper:
            path = self.path[row]
            while path and path[-1] <= share[row] + TOLERANCE:
                path.pop()
            path.append(float(share[row]))
        return put_share(observation.dose_fraction, self.column, share)

    def add_days(self, observation: Observation) -> None:
        """Add the doses and check-ins of the days since the last decision to the records."""
        self._add_block(self.tracked, observation, observation.day - self.day)
        self.day = observation.day

    def _add_block(self, tracked: TrackedPatients, observation: Observation, n_days: int | None = None) -> None:
        """Add the doses and check-ins of the days before an observation; without their number, as many as reports."""
        reports = observation.reports
        n_days = max((r.shape[1] for r in reports.values()), default=0) if n_days is None else n_days
        if not n_days:
            return
        days = np.arange(observation.day - n_days, observation.day)
        everybody = np.arange(len(self.column))[:, None]
        dose = np.where(self.patients.taken, observation.dispensed * self.patients.dose, 0.0)
        tracked.add_doses(everybody, days, dose[:, None])
        if reports:
            tracked.add_reports(everybody, days, _by_stream(reports, len(everybody), n_days))

    def _true(self, observation: Observation) -> TrueState | None:
        """Take in what only a simulation knows, as far as the policy sees it; return the true state if it sees that."""
        true = TrueState(observation.latent.arrays)
        known = {"b": ("b",), "lasting": ("b", "beta")}.get(self.policy.sees, ())
        for row, k in enumerate(self.column.tolist()):
            if k >= 0:
                named = zip(("b", "beta"), lasting_places(k), strict=True)
                self.tracked.known[row] = {
                    f"{name}_{DRUG_CLASSES[k]}": true.value(row, place) for name, place in named if name in known
                }
        if self.policy.informed == "fastest":
            if self.informing is None:
                self.informing = TrackedPatients(self.patients, self.column, self.policy.draws)
                self._informing_ahead = observation.latent.observations_under(self.policy.fastest())
            while self._informing_ahead and self._informing_ahead[0].day <= observation.day:
                self._add_block(self.informing, self._informing_ahead.pop(0))
        return true if self.policy.sees == "state" else None

    # -- one patient ---------------------------------------------------------------------------------------------------

    def _share(self, row: int, day: int, now: float, true: TrueState | None) -> float:
        """Share of one patient from ``day`` on."""
        if now <= 0.0:  # a patient who has stopped stays at 0
            return now
        regimen = self.tracked.regimen(row, day - 1, max(self.policy.horizon_d, self.policy.outlook_d))
        if true is not None:
            values, shared, today = true.of(row)
            weights, life_now = np.ones(1), None
        else:
            shared = self.tracked.couplings(row)
            values, weights, moments = self.posterior_today(row, day)
            today = moments.drawn(_LIFE_SEED)
            life_now = LifeNow(*moments.without_chance()[1:]) if self.policy.look_ahead else None
        unreported = self.policy.sees_reports and not self.tracked.last_report(row, day - 1)
        options = _RolledOptions(self, row, day, now, regimen, values, weights, shared, today)
        return options.best(unreported, life_now)

    def posterior_today(self, row: int, day: int) -> tuple[Floats, Floats, MomentsToday]:
        """Draws of a patient's values (n, N_VALUES), their weights, and the patient on the day before ``day`` at each.

        Without a report the baseline assessment alone informs them. Future drift follows its prior. One pass over the
        record weights the draws and carries them to today.
        """
        evidence = self.tracked.evidence(row, day - 1, self.tracked.last_report(row, day - 1))
        to_today = self.tracked.regimen(row, day - 1, 0)
        tracked, of_values = self.tracked, evidence
        if self.informing is not None:
            tracked = self.informing
            of_values = tracked.evidence(row, day - 1, tracked.last_report(row, day - 1))
        proposal = tracked.proposal(row, of_values)
        values = with_future_drift(proposal.prior.values(proposal.z), proposal.prior.n_segments)
        moments = moments_today(values, evidence.shared, to_today, evidence.reports, self.first_cut[row])
        told = moments.log_likelihood if tracked is self.tracked else of_values.log_likelihood(proposal.z)
        return values, proposal.weighted(told).weights, moments


def _by_stream(reports: Mapping[str, Floats], n: int, n_days: int) -> Floats:
    """Reports with the instruments in the order of ``STREAMS``, (n, n_days, n_streams), NaN where missing."""
    by_stream = np.full((n, n_days, len(STREAM_COLUMN)), np.nan)
    for name, values in reports.items():
        by_stream[:, :, STREAM_COLUMN[name]] = values
    return by_stream


class _RolledOptions:
    """Options of one patient on one day, and their roll-out."""

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
        today: Today,
    ):
        self.memory, self.policy, self.row, self.day, self.now = memory, memory.policy, row, day, now
        self.values, self.weights, self.loss_by = values, weights, loss_by_values(memory.limits)
        self.column = int(memory.column[row])
        tracked, prescribed = memory.tracked, regimen.dose[day - 1]
        original = memory.patients.dose[row]
        reference, announced = tracked.reference(row), tracked.announced(row)
        self.person = PersonAhead(values, today, shared, regimen, day, prescribed, original, reference, announced)
        month_ago = next(share for first, share in reversed(memory.ordered) if first <= max(day - MONTH_D, 0))
        self.lowest = float(month_ago[row]) - memory.ceiling[row] / 100.0  # lowest share of the first step
        if (
            len(weights) > LOSS_DRAWS
        ):  # equally likely draws, stratified by the long-run benefit, on which the loss depends most
            order = np.argsort(values[:, at.B + self.column], kind="stable")
            self.loss_draws = order[equal_draws(weights[order], LOSS_DRAWS)]
            self.loss_weights = np.full(LOSS_DRAWS, 1.0 / LOSS_DRAWS)
        else:
            self.loss_draws, self.loss_weights = np.arange(len(weights)), weights
        self.loss_person = self.person.of(self.loss_draws)

    def path(self, plan: DosePlan, n_days: int) -> Floats:
        """Shares of the coming days under a plan, (n_days,), within the ceiling."""
        return plan.shares(self.now, n_days, self.policy.every, self.lowest if self.policy.ceiling else -np.inf)

    def paces(self, unreported: bool) -> Iterator[float]:
        """Paces that the ceiling allows, percent of the original in 28 days; without a report, at most the preset's."""
        most = float(self.memory.ceiling[self.row]) if self.policy.ceiling else np.inf
        if unreported:
            most = min(most, float(self.memory.preset[self.row]))
        for pct in (*PACES_PCT, *(() if self.policy.ceiling else FASTER_PCT)):
            if pct <= most + TOLERANCE:
                yield pct

    def loss(self, shares: Floats) -> float:
        """Expected loss of the shares over the outlook."""
        f = self.loss_person.figures(shares, self.column)
        return float(self.loss_weights @ loss_of(f, self.column, self.loss_by))

    def best(self, unreported: bool, life_now: LifeNow | None) -> float:
        """Share of the chosen option, from today on; with ``life_now`` it looks ahead."""
        limits, horizon = self.memory.limits, self.policy.horizon_d
        life = life_ahead(self.person.today, self.values, self.person.shared, horizon, _LIFE_SEED)
        beside = rollout.room_beside(life)
        rolled: dict[str, Rolled] = {}
        first: dict[str, float] = {}

        def roll(option: Option, shares: Floats) -> Option:
            f = self.person.figures(shares, self.column, limits.withdrawal, life, beside, option.kind == "hold")
            rolled[option.name] = rolled_of(option, f, self.weights, limits, self.column, 100.0 * float(shares[-1]))
            first[option.name] = float(shares[0])
            return option

        options = [roll(Option("hold", "hold"), np.full(horizon, self.now))]
        above = [share for share in self.memory.path[self.row] if share > self.now + TOLERANCE]
        back = above[-1] if above else self.now
        if self.policy.step_back and back > self.now + TOLERANCE:
            options.append(roll(Option("step back", "step_back", DRUG_CLASSES[self.column]), np.full(horizon, back)))
        ways_up = self.ways_up()
        for name, plan in ways_up.items():
            option = Option(name, "step_back", DRUG_CLASSES[self.column])
            options.append(roll(option, plan.shares(self.now, horizon, self.policy.every)))

        def keeps(pct: float) -> Option | None:
            option = Option(f"{pct:g}", "reduce", DRUG_CLASSES[self.column], pct)
            roll(option, self.path(DosePlan(pct), horizon))
            return None if keeps_limits(rolled[option.name], rolled["hold"], limits) else option

        paces = list(self.paces(unreported))
        fastest = _fastest_that(keeps, paces)
        if fastest is not None:
            options.append(fastest)
            slower = [pct for pct in paces if pct <= fastest.pct_per_28d * SLOWER + TOLERANCE]
            if slower and self.policy.prefer == "least loss":
                half = keeps(slower[-1])
                options += [half] if half is not None else []
        if life_now is not None:
            self._weigh_ahead(options, rolled, first, back, ways_up, life_now)
        elif self.policy.prefer == "least loss":
            self._weigh(options, rolled, first, back, ways_up)
        name, _ = choose(rolled, options, limits)
        return first[name]

    def ways_up(self) -> dict[str, DosePlan]:
        """Ways back up by name, in steps that respiratory tolerance can follow: one step, and up to the original."""
        if not self.policy.way_back or self.now >= 1.0 - TOLERANCE:
            return {}
        ends = sorted({min(self.now + WAY_BACK_PCT / 100.0, 1.0), 1.0})
        return {f"up to {100 * end:g} %": DosePlan(-WAY_BACK_PCT, end) for end in ends}

    def plans(self, pct: float) -> list[DosePlan]:
        """Courses at a pace, which differ in what follows the first step."""
        if self.policy.plans == "paces":
            return [DosePlan(pct, floor) for floor in FLOORS if floor < self.now - TOLERANCE]
        next_step = max(self.now - pct / 100.0 * self.policy.every / MONTH_D, 0.0)
        ends = sorted({*FLOORS, next_step} if next_step >= STOP_SHARE else FLOORS)
        return [
            *(DosePlan(pct, end) for end in ends if end < self.now - TOLERANCE),
            DosePlan(pct, 0.0, of_current_pct=OF_CURRENT_PCT),
            *(DosePlan(pct, 0.0, plateau=share) for share in PLATEAUS if share < self.now - TOLERANCE),
        ]

    def _weigh(
        self,
        options: Sequence[Option],
        rolled: dict[str, Rolled],
        first: dict[str, float],
        back: float,
        ways_up: Mapping[str, DosePlan],
    ) -> None:
        """Set each loss over the outlook: choose the plan at the fastest pace; the slower pace shares it."""
        outlook, best = self.policy.outlook_d, DosePlan(0.0)
        for o in sorted(options, key=lambda o: -o.pct_per_28d):
            if o.name in ways_up:
                loss = self.loss(ways_up[o.name].shares(self.now, outlook, self.policy.every))
            elif o.kind != "reduce":
                loss = self.loss(np.full(outlook, back if o.kind == "step_back" else self.now))
            else:
                fastest = o is max(options, key=lambda o: o.pct_per_28d)
                plans = self.plans(o.pct_per_28d) if fastest else [replace(best, pct=o.pct_per_28d)]
                paths = [self.path(plan, outlook) for plan in plans]
                losses = [self.loss(path) for path in paths]
                loss, number = min(zip(losses, range(len(plans)), strict=True))
                if fastest:
                    best = plans[number]
                if self.policy.plans == "all":
                    first[o.name] = float(paths[number][0])
            rolled[o.name] = replace(rolled[o.name], loss=loss)

    def _weigh_ahead(
        self,
        options: Sequence[Option],
        rolled: dict[str, Rolled],
        first: dict[str, float],
        back: float,
        ways_up: Mapping[str, DosePlan],
        life: LifeNow,
    ) -> None:
        """Set each loss over the outlook to that of the best first course, whose successor its reports decide."""
        order = np.argsort(self.values[:, at.B + self.column], kind="stable")
        draws = order[equal_draws(self.weights[order], LOOK_AHEAD_DRAWS)]
        most = max([*self.paces(unreported=False), 0.0])
        trial = LastingTrial(self.values, self.weights, life, self.person.shared, self.column)
        person, every = self.person.of(draws), self.policy.every
        ahead = LookAhead(person, trial, self.loss_by, self.column, most, every, self.policy.outlook_d)

        n = self.policy.outlook_d
        for o in options:
            if o.name in ways_up:
                paths = [ways_up[o.name].shares(self.now, n, every)]
            elif o.kind == "reduce":
                plans = (DosePlan(o.pct_per_28d), DosePlan(o.pct_per_28d, 0.0, of_current_pct=OF_CURRENT_PCT))
                paths = [self.path(plan, n) for plan in plans]
            else:
                paths = [np.full(n, back if o.kind == "step_back" else self.now)]
            loss, number = min((ahead.expected_loss(path), k) for k, path in enumerate(paths))
            first[o.name] = float(paths[number][0])
            rolled[o.name] = replace(rolled[o.name], loss=loss)


def _fastest_that(keeps: Callable[[float], Option | None], paces: Sequence[float]) -> Option | None:
    """Fastest pace that keeps its limits, by bisection: the risk rises with the pace."""
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
