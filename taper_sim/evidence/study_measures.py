"""What a statistic needs of simulated people: one number a person, and their weight. Imports ``simulation``.

A reading is taken from one arm, on one day, over the last days up to it. Its arrays are ``top`` and ``base``: a share,
a rate and a mean are the sum of ``top`` over the sum of ``base``. For a hazard ratio both have a column for each
interval of the follow-up: people with a first event, and people at risk.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from taper_sim.array_types import Bools, Floats
from taper_sim.comparison.outcome_window import OutcomeWindow, velocity_max
from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.evidence.coded_arms import Course, kept_by
from taper_sim.evidence.coded_cohorts import Enrolment
from taper_sim.evidence.coded_words import (
    AT_START,
    FIRST_DAYS,
    MEANS_OVER_DAYS,
    OUTCOME_KINDS,
    STUDY_EVENTS,
    STUDY_VISITS,
    Family,
)
from taper_sim.model.compiled import rows
from taper_sim.policies.interface import Policy
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.days import Days, Trajectory
from taper_sim.simulation.ensemble import Ensemble
from taper_sim.simulation.layout import CarePlan

INTERVALS: Final = 12
"""Intervals of the follow-up in which first events are placed. A design choice: events are rare within one."""
PER_100_PY: Final = 365.25 * 100.0
"""Person-days in 100 person-years."""


@dataclass(frozen=True)
class Reading:
    """What is taken from one arm for a statistic.

    Attributes
    ----------
    outcome : str
    family : str
    day, followup_days : int
        Day of the reading, and days up to and including it that are counted.
    leaves_at_will, completers : bool
        As in the enrolment.
    filters : tuple of (str, str or float)
    """

    outcome: str
    family: Family
    day: int
    followup_days: int
    leaves_at_will: bool
    completers: bool
    filters: tuple[tuple[str, str | float], ...]

    @classmethod
    def of(
        cls,
        outcome: str,
        family: Family,
        day: int,
        followup_days: int,
        enrolment: Enrolment,
        filters: tuple[tuple[str, str | float], ...],
    ) -> "Reading":
        """With the losses of an enrolment."""
        return cls(outcome, family, day, followup_days, enrolment.leaves_at_will, enrolment.completers, filters)

    @property
    def edges(self) -> list[int]:
        """Days at which intervals of the follow-up end, the day before the first one first."""
        start = self.day - self.followup_days
        n = min(INTERVALS, self.followup_days)
        return [round(start + self.followup_days * k / n) for k in range(n + 1)]


@dataclass(frozen=True)
class Measured:
    """A reading of n people.

    Attributes
    ----------
    top, base : ndarray, (n,) or (n, n_intervals)
        See the module; ``base`` is 0 for people who are not counted.
    """

    top: Floats
    base: Floats

    def take(self, people: Bools) -> "Measured":
        """Of some of the people."""
        return Measured(self.top[people], self.base[people])


def simulate_readings(
    cohort: Cohort,
    policy: Policy,
    ensemble: Ensemble,
    seed: int,
    care: CarePlan,
    readings: Sequence[Reading],
    tick: Callable[[int], None] | None = None,
) -> list[Measured]:
    """Simulate one arm to the last day of its readings, and take them in their order.

    Parameters
    ----------
    cohort : Cohort
        n people.
    policy : Policy
    ensemble : Ensemble
    seed : int
    care : CarePlan
    readings : sequence of Reading
    tick : callable, optional
        Called after each block with its number of patient-days.
    """
    n_days = max(reading.day for reading in readings)
    looks = sorted({edge for reading in readings for edge in reading.edges if edge > 0})
    days = Days(cohort, policy, ensemble, seed, n_days, care, look_days=looks)
    lowest = np.ones(len(cohort))
    taken: dict[int, Measured] = {}
    for first, last in days.blocks:
        days.decide(first)
        days.live(first, last)
        lowest = np.minimum(lowest, _share_prescribed(days, cohort))
        due = [k for k, reading in enumerate(readings) if reading.day == last]
        if due:
            course = _course_to(days, last)
            for k in due:
                taken[k] = measured(course, readings[k], lowest)
        if tick is not None:
            tick((last - first + 1) * len(cohort))
    return [taken[k] for k in range(len(readings))]


def _course_to(days: Days, last: int) -> Trajectory:
    """The course up to a day of the simulation, as if that day were its last."""
    course = days.course()
    sums = course.sums[last]
    return replace(
        course, n_days=last, by_period=course.by_period | {last: (sums[rows.DAYS], sums[rows.SUM_PRESCRIBED])}
    )


def _share_prescribed(days: Days, cohort: Cohort) -> Floats:
    """Prescribed dose of the tapered class, share of day 0, (n,)."""
    target = np.argmax(cohort.taken, axis=1)
    who = np.arange(len(cohort))
    return days.a.get3(days.a.state, rows.PRESCRIBED)[who, target] / cohort.dose[who, target]


def measured(course: Trajectory, reading: Reading, lowest: Floats) -> Measured:
    """Take a reading from a course that ends on its day.

    Parameters
    ----------
    course : Trajectory
    reading : Reading
    lowest : ndarray, (n,)
        Lowest prescribed dose so far, share of day 0.
    """
    look = OutcomeWindow(course, reading.day, reading.followup_days)
    kept = kept_by(reading.filters, Course(velocity_max(look), lowest, look.dose_end, course.cohort.taken[:, 1]))
    if reading.completers:
        kept &= (course.end[rows.IN_CARE] > 0) & (course.end[rows.ALIVE] > 0)
    top, base = _FAMILIES[reading.family](course, reading, look)
    missing = ~kept | np.isnan(top.reshape(len(kept), -1)).any(axis=1)
    top, base = top.copy(), base.copy()
    top[missing] = base[missing] = 0.0
    return Measured(top, base)


# -- one function a family ---------------------------------------------------------------------------------------------


def _value(course: Trajectory, reading: Reading, look: OutcomeWindow) -> tuple[Floats, Floats]:
    """One number a person. A person who left is measured until they left where the enrolment loses them."""
    if reading.leaves_at_will and reading.outcome in MEANS_OVER_DAYS:
        return _mean_in_care(course, reading)
    values = np.asarray(BY_NAME[reading.outcome].of(look), dtype=np.float64)
    return values, np.ones_like(values)


def _mean_in_care(course: Trajectory, reading: Reading) -> tuple[Floats, Floats]:
    """Mean of a score over the days in care: means of the intervals, weighted by their days in care."""
    total = np.zeros(len(course.cohort))
    weight = np.zeros_like(total)
    for before, after in _intervals(reading):
        part = OutcomeWindow(course, after, after - before)
        in_care = part.total(rows.IN_CARE_DAYS)
        values = np.asarray(BY_NAME[reading.outcome].of(part), dtype=np.float64)
        total += np.where(in_care > 0, in_care * np.nan_to_num(values), 0.0)
        weight += in_care
    values = np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)
    return values, np.ones_like(values)


def _change(course: Trajectory, reading: Reading, look: OutcomeWindow) -> tuple[Floats, Floats]:
    """One number a person minus that of day 0."""
    values, ones = _value(course, reading, look)
    if reading.outcome in AT_START:
        values = values - course.start[AT_START[reading.outcome]]
    elif reading.outcome == "dose_end_mme":
        values = values - look.dose_start
    return values, ones


def _share(course: Trajectory, reading: Reading, look: OutcomeWindow) -> tuple[Floats, Floats]:
    """Share of people with the outcome, of appointments kept, or of people at risk with an event in the follow-up."""
    if OUTCOME_KINDS[reading.outcome] == "visits":
        over, under = STUDY_VISITS[reading.outcome]
        done, due = look.total(over), look.total(under)
        return (due - done if reading.outcome == "no_show" else done), due
    if OUTCOME_KINDS[reading.outcome] == "event":
        events, at_risk = _first_events(course, reading)
        return events.sum(axis=1), at_risk[:, 0]
    values = np.asarray(BY_NAME[reading.outcome].of(look), dtype=np.float64)
    return values, np.ones_like(values)


def _rate(course: Trajectory, reading: Reading, look: OutcomeWindow) -> tuple[Floats, Floats]:
    """Events and the person-days at risk, in units of 100 person-years.

    Events of a person who can have several all count. An outcome that happens once ends the time at risk.
    """
    if reading.outcome in STUDY_EVENTS:
        event = STUDY_EVENTS[reading.outcome]
        top, base = np.zeros(len(course.cohort)), np.zeros(len(course.cohort))
        for before, after in _intervals(reading):
            part = OutcomeWindow(course, after, after - before)
            days = part.total(rows.IN_CARE_DAYS if reading.leaves_at_will else rows.DAYS)
            share = _share_observed(part, reading)
            top += share * sum(part.total(row) for row in (*event.expected, *event.counted))
            base += days
        return top, base / PER_100_PY
    start = reading.day - reading.followup_days
    day = _first_day(course, reading, look)
    happened = (day > start) & (day <= reading.day)
    lived = look.total(rows.DAYS)
    until = np.where(happened, np.minimum(day - start, lived), lived)
    return happened.astype(np.float64), np.where((day > 0) & (day <= start), 0.0, until) / PER_100_PY


def _hazard(course: Trajectory, reading: Reading, look: OutcomeWindow) -> tuple[Floats, Floats]:
    """First events and people at risk, by interval of the follow-up."""
    if reading.outcome in STUDY_EVENTS:
        return _first_events(course, reading)
    day = _first_day(course, reading, look)[:, None]
    edges = np.array(reading.edges, dtype=np.float64)
    alive = _alive_at(course, edges[:-1])
    at_risk = alive & ~((day > 0) & (day <= edges[:-1]))
    return (at_risk & (day > edges[:-1]) & (day <= edges[1:])).astype(np.float64), at_risk.astype(np.float64)


_FAMILIES: Final[Mapping[Family, Callable[[Trajectory, Reading, OutcomeWindow], tuple[Floats, Floats]]]] = {
    "value": _value,
    "change": _change,
    "share": _share,
    "rate": _rate,
    "hazard": _hazard,
}


# -- events ------------------------------------------------------------------------------------------------------------


def _intervals(reading: Reading) -> Iterator[tuple[int, int]]:
    yield from pairwise(reading.edges)


def _share_observed(part: OutcomeWindow, reading: Reading) -> Floats:
    """Share of the lived days of an interval on which events of a person are recorded, (n,)."""
    lived = part.total(rows.DAYS)
    if not reading.leaves_at_will:
        return (lived > 0).astype(np.float64)
    return np.divide(part.total(rows.IN_CARE_DAYS), lived, out=np.zeros_like(lived), where=lived > 0)


def _alive_at(course: Trajectory, days: Floats) -> Bools:
    """Whether each person lives at the end of each day, (n, n_days)."""
    died = course.end[rows.DEATH_DAY][:, None]
    return (died == 0) | (died > days)


def _first_day(course: Trajectory, reading: Reading, look: OutcomeWindow) -> Floats:
    """Day of an outcome that happens once, 0 for never, (n,)."""
    day = course.end[FIRST_DAYS[reading.outcome]]
    if reading.outcome == "care_terminated":
        return np.where(look.dose(course.end) > 0, day, 0.0)
    return day


def _first_events(course: Trajectory, reading: Reading) -> tuple[Floats, Floats]:
    """First events and people at risk by interval, (n, n_intervals) each.

    With a sum of hazards H, a person is at risk with probability e^(-H) and has a first event in the interval with
    probability 1 - e^(-h): the expectation of what happens, without its chance. Events before the follow-up take a
    person out of the risk set.
    """
    event = STUDY_EVENTS[reading.outcome]
    n, edges = len(course.cohort), reading.edges
    free = np.ones(n)
    if edges[0] > 0:
        before = OutcomeWindow(course, edges[0], edges[0])
        free = np.exp(-_total(before, event.expected)) * (_total(before, event.counted) == 0)
    events, at_risk = np.zeros((n, len(edges) - 1)), np.zeros((n, len(edges) - 1))
    alive = _alive_at(course, np.array(edges[:-1], dtype=np.float64))
    for k, (begin, end) in enumerate(_intervals(reading)):
        part = OutcomeWindow(course, end, end - begin)
        observed = _share_observed(part, reading)
        none = np.exp(-observed * _total(part, event.expected)) * ~((observed > 0) & (_total(part, event.counted) > 0))
        at_risk[:, k] = free * alive[:, k] * (observed > 0)
        events[:, k] = at_risk[:, k] * (1.0 - none)
        free = free * none
    return events, at_risk


def _total(part: OutcomeWindow, sums: Sequence[int]) -> Floats:
    """Sum of several rows over an interval, (n,)."""
    return sum((part.total(row) for row in sums), np.zeros(len(part.course.cohort)))
