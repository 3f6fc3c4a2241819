"""The clinic's patients over calendar time: waves of enrolment, each a cohort lived day by day. Imports ``simulation``.

Patients enrol on different days of the calendar; a wave is those who enrol on one. A person's course depends on the
person's own days alone, so a panel is the cohort simulation, cut into waves. Vectors here are (n,) over all patients,
in the cohort's order; those who have not enrolled yet stand as they will start.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from taper_sim import rng
from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.comparison.outcomes import ALL, measure
from taper_sim.model import equations as eq
from taper_sim.model.compiled import rows
from taper_sim.model.event_parameters import STREAMS
from taper_sim.model.parameters import DISCIPLINES
from taper_sim.model.reference_events import UNIFORMS
from taper_sim.policies.interface import Policy
from taper_sim.simulation.cohort import MODALITIES, Cohort
from taper_sim.simulation.days import Days
from taper_sim.simulation.ensemble import Ensemble, draw_of
from taper_sim.simulation.layout import CarePlan

_FIRST_UNIFORM_CALL = 5  # of reference_chance.draw: five calls of normals come before
EVENTS = {"overdose": rows.OVERDOSES, "seizure": rows.SEIZURES, "crisis": rows.CRISES, "urgent": rows.URGENT}


@dataclass(frozen=True)
class Wave:
    """Those who enrol on one day: their rows in the cohort, the calendar day that is their day 1, their course."""

    who: Ints
    start: int
    days: Days


def enrolment(n: int, over_d: int, n_days: int) -> Ints:
    """Calendar day of each patient's day 1, (n,): evenly over the first ``over_d`` days, in the cohort's order."""
    return 1 + (np.arange(n) * min(over_d, n_days)) // n


class Panel:
    """Everybody the clinic watches.

    Parameters
    ----------
    cohort : Cohort
        n people.
    build : callable
        A fresh policy.
    ensemble : Ensemble
    seed : int
    n_days : int
        Calendar days.
    care : CarePlan
    starts : ndarray of int, (n,)
        Calendar day of each patient's day 1.
    """

    def __init__(
        self,
        cohort: Cohort,
        build: Callable[[], Policy],
        ensemble: Ensemble,
        seed: int,
        n_days: int,
        care: CarePlan,
        starts: Ints,
    ):
        self.cohort, self.n_days, self.starts, self.seed, self.ensemble = cohort, n_days, starts, seed, ensemble
        self.care = care
        self.waves = []
        for start in np.unique(starts):
            who = np.flatnonzero(starts == start)
            days = Days(cohort.take(who), build(), ensemble, seed, n_days - int(start) + 1, care, keep_reports=True)
            self.waves.append(Wave(who, int(start), days))
        self.reports = np.full((len(cohort), len(STREAMS)), np.nan)
        self.planned = np.tile([care.planned.get(name, 0.0) for name in DISCIPLINES], (len(cohort), 1))
        self._in_one_place()
        usual = care.modality
        self.modality = cohort.modality if usual is None else np.full(len(cohort), MODALITIES.index(usual))
        self._draw = draw_of(cohort.keys, ensemble.n_draws)

    def __len__(self) -> int:
        return len(self.cohort)

    def _in_one_place(self) -> None:
        """Lay the waves' arrays end to end, so that a row of everybody is one look and not one a wave."""
        arrays = [wave.days.a for wave in self.waves]
        first = np.concatenate([[0], np.cumsum([len(a.state) for a in arrays])])
        self._state = np.concatenate([a.state for a in arrays])
        self._sums = np.concatenate([a.sums for a in arrays])
        self._params = np.concatenate([a.params for a in arrays])
        self._tile, self._lane = np.zeros(len(self), dtype=np.int64), np.zeros(len(self), dtype=np.int64)
        for wave, a, low, high in zip(self.waves, arrays, first, first[1:], strict=False):
            a.state, a.sums, a.params = self._state[low:high], self._sums[low:high], self._params[low:high]
            self._tile[wave.who], self._lane[wave.who] = a.tile + low, a.lane

    def state(self, row: int) -> Floats:
        """A row of the state of everybody, (n,)."""
        return self._state[self._tile, row, self._lane]

    def sums(self, row: int) -> Floats:
        """A row of the sums of everybody, (n,)."""
        return self._sums[self._tile, row, self._lane]

    def parameter(self, row: int) -> Floats:
        """A row of the kernel's parameters of everybody, (n,)."""
        return self._params[self._tile, row, self._lane]

    def put_parameter(self, row: int, values: Floats) -> None:
        """Set a row of the kernel's parameters of everybody."""
        self._params[self._tile, row, self._lane] = values

    def deliver(self, patient: int, discipline: int) -> None:
        """Count a discipline's planned care as delivered to a patient from today on."""
        at = self._tile[patient], rows.DELIVERED + discipline, self._lane[patient]
        self._state[at] = self.planned[patient, discipline]

    def coefficient(self, symbol: str) -> Floats:
        """A parameter that everybody of a draw shares, (n,)."""
        return np.asarray(self.ensemble.values[symbol][self._draw])

    def study_day(self, day: int) -> Ints:
        """Each patient's own day on a calendar day, (n,); below 1 before enrolment."""
        return np.asarray(day - self.starts + 1)

    def present(self, day: int) -> Bools:
        """Who is enrolled, alive and in care in the morning, (n,)."""
        there = (self.state(rows.ALIVE) > 0) & (self.state(rows.IN_CARE) > 0)
        return np.asarray(there & (self.starts <= day))

    def due(self, day: int, every_row: int, *, first: int) -> Bools:
        """Whose own day is one of every so many, from ``first`` on, (n,)."""
        every, own = self.parameter(every_row), self.study_day(day).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            turns = (own - first) / every
            return np.asarray((np.floor(turns) == turns) & (every > 0) & (own >= 1))

    def keeps_visit(self, day: int, who: Ints) -> Bools:
        """Who of those with an appointment today will keep it, (len(who),): the model's own draw and chance."""
        keys, own = self.cohort.keys[who], self.study_day(day)[who]
        number = UNIFORMS.index("visit")
        words = rng.words(self.seed, keys, own.astype(np.uint64), _FIRST_UNIFORM_CALL + number // 4)
        logit = eq.missed_visit_logit(
            self.parameter(rows.NOSHOW_FIXED)[who],
            self.state(rows.MISSED_VISIT)[who],
            self.state(rows.N)[who],
            self.coefficient("noshow_missed")[who],
            self.coefficient("noshow_n")[who],
        )
        odds = np.exp(logit)
        return np.asarray(rng.uniform(words[number % 4]) >= odds / (1.0 + odds))

    def decides(self, day: int) -> Bools:
        """For whom the policy decides on this calendar day, (n,)."""
        found = np.zeros(len(self.cohort), dtype=bool)
        for wave in self.waves:
            found[wave.who] = (day - wave.start + 1) in wave.days.decisions
        return found

    def waiting(self) -> Bools:
        """Whose last order is not followed yet, (n,)."""
        found = np.zeros(len(self.cohort), dtype=bool)
        for wave in self.waves:
            found[wave.who] = wave.days.waiting
        return found

    def live(self, day: int, waits: Bools, read: Bools) -> None:
        """Decide at the end of the clinic's day, then live the patients' day that follows.

        Parameters
        ----------
        day : int
            Calendar day.
        waits : ndarray of bool, (n,)
            Whose orders wait.
        read : ndarray of bool, (n, n_days + 1)
            Which check-ins somebody has read, by the calendar day of the report.
        """
        for wave in self.waves:
            own = day - wave.start + 1
            if own < 1:
                continue
            unread = ~read[wave.who, day - wave.days.days_since_decision : day]
            wave.days.decide(own, waits=waits[wave.who], unread=unread)
            wave.days.live(own, own)
            self.reports[wave.who] = wave.days.today

    def outcomes(self) -> dict[str, Floats]:
        """One number a patient of every outcome, over each patient's own days, (n,)."""
        found = {outcome.name: np.full(len(self.cohort), np.nan) for outcome in ALL}
        for wave in self.waves:
            for name, values in measure(wave.days.course()).items():
                found[name][wave.who] = values
        return found
