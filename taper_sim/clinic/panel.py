"""The panel: patients over calendar time, in waves of enrolment. Imports ``simulation``, ``comparison.outcomes``.

A wave is the patients who enrol on one calendar day. A patient's course depends on the patient's own days only, so a
panel is the cohort simulation, divided into waves. Vectors are (n,) over all patients in the cohort's order; a patient
who has not enrolled has the initial state.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from taper_sim import rng
from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.comparison.measured_outcomes import measure
from taper_sim.comparison.outcomes import ALL
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

_FIRST_UNIFORM_CALL = 5  # in reference_events.draw the uniforms follow five calls of normals
EVENT_SUMS = {"overdose": rows.OVERDOSES, "seizure": rows.SEIZURES, "crisis": rows.CRISES, "urgent": rows.URGENT}


@dataclass(frozen=True)
class Wave:
    """Patients who enrol on one day: rows in the cohort, calendar day of their day 1, simulation of their days."""

    patients: Ints
    start: int
    days: Days


def enrolment(n: int, over_d: int, n_days: int) -> Ints:
    """Calendar day of each patient's day 1, (n,): uniform over the first ``over_d`` days, in the cohort's order."""
    return 1 + (np.arange(n) * min(over_d, n_days)) // n


class Panel:
    """The patients of a clinic.

    Parameters
    ----------
    cohort : Cohort
        n patients.
    build : callable
        Returns a new policy.
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
        policy = build()  # read once: reading a file of rules for every wave takes longer than a month of its days
        for start in np.unique(starts):
            patients = np.flatnonzero(starts == start)
            people, n = cohort.take(patients), n_days - int(start) + 1
            days = Days(people, deepcopy(policy), ensemble, seed, n, care, keep_reports=True)
            self.waves.append(Wave(patients, int(start), days))
        self.reports = np.full((len(cohort), len(STREAMS)), np.nan)
        self.planned = np.tile([care.planned.get(name, 0.0) for name in DISCIPLINES], (len(cohort), 1))
        self._join_arrays()
        planned = care.modality
        self.modality = cohort.modality if planned is None else np.full(len(cohort), MODALITIES.index(planned))
        self._draw = draw_of(cohort.keys, ensemble.n_draws)

    def __len__(self) -> int:
        return len(self.cohort)

    def _join_arrays(self) -> None:
        """Concatenate the waves' arrays: a row of all patients is then one index operation."""
        arrays = [wave.days.a for wave in self.waves]
        first = np.concatenate([[0], np.cumsum([len(a.state) for a in arrays])])
        self._state = np.concatenate([a.state for a in arrays])
        self._sums = np.concatenate([a.sums for a in arrays])
        self._params = np.concatenate([a.params for a in arrays])
        self._tile, self._lane = np.zeros(len(self), dtype=np.int64), np.zeros(len(self), dtype=np.int64)
        for wave, a, low, high in zip(self.waves, arrays, first, first[1:], strict=False):
            a.state, a.sums, a.params = self._state[low:high], self._sums[low:high], self._params[low:high]
            self._tile[wave.patients], self._lane[wave.patients] = a.tile + low, a.lane

    def state(self, row: int) -> Floats:
        """A row of the kernel's state, all patients, (n,)."""
        return self._state[self._tile, row, self._lane]

    def sums(self, row: int) -> Floats:
        """A row of the kernel's sums, all patients, (n,)."""
        return self._sums[self._tile, row, self._lane]

    def parameter(self, row: int) -> Floats:
        """A row of the kernel's parameters, all patients, (n,)."""
        return self._params[self._tile, row, self._lane]

    def put_parameter(self, row: int, values: Floats) -> None:
        """Set a row of the kernel's parameters, all patients, (n,)."""
        self._params[self._tile, row, self._lane] = values

    def put_state(self, row: int, values: Floats) -> None:
        """Set a row of the kernel's state, all patients, (n,)."""
        self._state[self._tile, row, self._lane] = values

    def deliver(self, patient: int, discipline: int) -> None:
        """Set a discipline's planned care as delivered to a patient from today."""
        at = self._tile[patient], rows.DELIVERED + discipline, self._lane[patient]
        self._state[at] = self.planned[patient, discipline]

    def coefficient(self, symbol: str) -> Floats:
        """A parameter that all patients of a draw share, (n,)."""
        return np.asarray(self.ensemble.values[symbol][self._draw])

    def study_day(self, day: int) -> Ints:
        """Each patient's study day on a calendar day, (n,); below 1 before enrolment."""
        return np.asarray(day - self.starts + 1)

    def present(self, day: int) -> Bools:
        """Patients who are enrolled, alive and in care in the morning, (n,)."""
        in_care = (self.state(rows.ALIVE) > 0) & (self.state(rows.IN_CARE) > 0)
        return np.asarray(in_care & (self.starts <= day))

    def due(self, day: int, every_row: int, *, first: int) -> Bools:
        """Patients whose study day is ``first`` plus a multiple of their interval, (n,)."""
        every, study_day = self.parameter(every_row), self.study_day(day).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            intervals = (study_day - first) / every
            return np.asarray((np.floor(intervals) == intervals) & (every > 0) & (study_day >= 1))

    def keeps_visit(self, day: int, patients: Ints) -> Bools:
        """Whether each patient keeps today's appointment, (len(patients),): the model's draw and probability."""
        keys, study_days = self.cohort.keys[patients], self.study_day(day)[patients]
        number = UNIFORMS.index("visit")
        words = rng.words(self.seed, keys, study_days.astype(np.uint64), _FIRST_UNIFORM_CALL + number // 4)
        logit = eq.missed_visit_logit(
            self.parameter(rows.NOSHOW_FIXED)[patients],
            self.state(rows.MISSED_VISIT)[patients],
            self.state(rows.N)[patients],
            self.coefficient("noshow_missed")[patients],
            self.coefficient("noshow_n")[patients],
        )
        odds = np.exp(logit)
        return np.asarray(rng.uniform(words[number % 4]) >= odds / (1.0 + odds))

    def decides(self, day: int) -> Bools:
        """Patients for whom the policy decides on a calendar day, (n,)."""
        decided = np.zeros(len(self.cohort), dtype=bool)
        for wave in self.waves:
            decided[wave.patients] = (day - wave.start + 1) in wave.days.decisions
        return decided

    def waiting(self) -> Bools:
        """Patients whose last order has not taken effect, (n,)."""
        pending = np.zeros(len(self.cohort), dtype=bool)
        for wave in self.waves:
            pending[wave.patients] = wave.days.waiting
        return pending

    def alarming(self) -> Bools:
        """Patients whose last day calls for the planned response to an alarm, (n,)."""
        alarming = np.zeros(len(self.cohort), dtype=bool)
        for wave in self.waves:
            alarming[wave.patients] = wave.days.alarming()
        return alarming

    def live(self, day: int, waits: Bools, read: Bools, answered: Bools) -> None:
        """At the end of the clinic's day respond to alarms and let the policy decide, then simulate the patients' day.

        Parameters
        ----------
        day : int
            Calendar day.
        waits : ndarray of bool, (n,)
            Patients whose orders wait.
        read : ndarray of bool, (n, n_days + 1)
            Check-ins that a worker has read, by the calendar day of the report.
        answered : ndarray of bool, (n,)
            Patients who receive the planned response to an alarm today.
        """
        for wave in self.waves:
            study_day = day - wave.start + 1
            if study_day < 1:
                continue
            decides, since = study_day in wave.days.decisions, day - wave.days.days_since_decision
            unread = ~read[wave.patients, since:day] if decides else None
            wave.days.answer(study_day, answered[wave.patients])
            wave.days.decide(study_day, waits=waits[wave.patients], unread=unread)
            wave.days.live(study_day, study_day)
            self.reports[wave.patients] = wave.days.today

    def outcomes(self) -> dict[str, Floats]:
        """Every outcome by patient, over the patient's own study days, (n,)."""
        outcomes = {outcome.name: np.full(len(self.cohort), np.nan) for outcome in ALL}
        for wave in self.waves:
            for name, values in measure(wave.days.course()).items():
                outcomes[name][wave.patients] = values
        return outcomes
