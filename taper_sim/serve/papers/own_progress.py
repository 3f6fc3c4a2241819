"""Progress toward the person's own goals, from their check-ins: weekly means, good days. Imports ``data``.

A good day is a reported day that meets the person's own goal; without a goal, one that is better than the middle of
the first reports (assumption A143).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import fmean, median
from typing import Final

from taper_sim.data.checkins import scales
from taper_sim.data.records import CheckIn
from taper_sim.serve.papers.conversation import GOAL_MEASURES
from taper_sim.units import MONTH_D, WEEK_D

WEEKS_DRAWN: Final = 12
"""Weeks of the picture. Source: A143."""
FIRST_REPORTS: Final = 14
"""Reported days at the beginning, whose median is the reference without a goal. Source: A143."""
_NOTABLE: Final = 0.1
"""Share of a scale from which a change is called better: 1 point of pain, 10 of function. Source: A143."""
_HIGHER_IS_BETTER: Final = frozenset({"function"})
_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 10.0, 10.0, 26.0
PROGRESS_WIDTH, PROGRESS_HEIGHT = 400.0, 120.0
"""Size of a picture in its own units."""


@dataclass(frozen=True)
class WeekMean:
    """A week: its first day, mean of the reports, place in the picture."""

    first: date
    mean: float
    x: float
    y: float


@dataclass(frozen=True)
class MeasureProgress:
    """One measure.

    Attributes
    ----------
    name : str
        Instrument of ``GOAL_MEASURES``.
    low, high : float
        Ends of its scale.
    goal : float or None
        The person's own.
    reference : float
        What a good day meets: the goal, or the median of the first reports.
    weeks : tuple of WeekMean
        Weeks with a report, the oldest first.
    good_days, reported_days : int
        In the last 28 days.
    first_mean, last_mean : float
        Means of the first and the last week.
    is_better : bool
        Whether the last week is better than the first by a tenth of the scale or more.
    reference_y : float
        Place of the reference in the picture.
    """

    name: str
    low: float
    high: float
    goal: float | None
    reference: float
    weeks: tuple[WeekMean, ...]
    good_days: int
    reported_days: int
    first_mean: float
    last_mean: float
    is_better: bool
    reference_y: float


def progress_of(checkins: Sequence[CheckIn], as_of: date, goals: Mapping[str, float]) -> tuple[MeasureProgress, ...]:
    """Progress in each measure that was reported."""
    rows = []
    for name in GOAL_MEASURES:
        reports = sorted((c.day, c.value) for c in checkins if c.instrument == name and c.day <= as_of)
        if reports:
            rows.append(_measure(name, reports, as_of, goals.get(name)))
    return tuple(rows)


def _measure(name: str, reports: list[tuple[date, float]], as_of: date, goal: float | None) -> MeasureProgress:
    scale = scales()[name]
    sign = 1.0 if name in _HIGHER_IS_BETTER else -1.0
    reference = median(value for _, value in reports[:FIRST_REPORTS]) if goal is None else goal

    def y(value: float) -> float:
        share = (value - scale.low) / (scale.high - scale.low)
        return round(_TOP + (PROGRESS_HEIGHT - _TOP - _BOTTOM) * (1 - share), 1)

    start = as_of - timedelta(days=WEEK_D * WEEKS_DRAWN - 1)
    weeks = []
    for k in range(WEEKS_DRAWN):
        first = start + timedelta(days=WEEK_D * k)
        values = [value for day, value in reports if first <= day < first + timedelta(days=WEEK_D)]
        if values:
            x = round(_LEFT + (PROGRESS_WIDTH - _LEFT - _RIGHT) * (k + 0.5) / WEEKS_DRAWN, 1)
            weeks.append(WeekMean(first, round(fmean(values), 1), x, y(fmean(values))))
    recent = [value for day, value in reports if day > as_of - timedelta(days=MONTH_D)]
    good = sum(
        sign * (value - reference) >= 0 if goal is not None else sign * (value - reference) > 0 for value in recent
    )
    first_mean, last_mean = (weeks[0].mean, weeks[-1].mean) if weeks else (reports[0][1], reports[-1][1])
    change = sign * (last_mean - first_mean)
    return MeasureProgress(
        name,
        scale.low,
        scale.high,
        goal,
        reference,
        tuple(weeks),
        good,
        len(recent),
        first_mean,
        last_mean,
        change >= _NOTABLE * (scale.high - scale.low),
        y(reference),
    )
