"""What the patient felt after each past cut, against the days before it. Imports ``limits``, ``units``.

Reports alone, no model: a cut whose weeks broke a limit on what is felt is said first, bars cuts of its size until it
is discussed, and pauses the taper until the person has recovered. The rule: A77.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from taper_sim.safety.limits import Limits
from taper_sim.units import DrugClass

USUAL_D: Final = 14
"""Days before a cut whose reports are the person's usual level. Source: as the baselines of variables.csv."""
AFTER_D: Final = 14
"""Days after a cut that are judged, in weeks; they end early with the next cut."""
PAUSE_D: Final = 14
"""Days after a cut that broke a limit during which nothing is reduced."""
_WEEK_D: Final = 7
_LEAST_DAYS: Final = 3
_CLEAR_SE: Final = 2.0
"""Standard errors by which a week's mean must differ from the usual level: the scatter of the days before."""
_SOWS_POINTS: Final = 30.0
BACK_WITHIN: Final = 0.5
"""Share of a limit within which a fortnight counts as back at the usual level. Source: A121."""
SHARE_ALLOWED: Final = 0.5
"""Largest step after a cut that broke a limit, as a share of that cut. Source: withdrawal_persistent ("halve next
step")."""
_NAMES: Final[Mapping[str, tuple[str, float]]] = {
    "sows_gossop": ("withdrawal (SOWS-Gossop)", 1.0),
    "pain_nrs": ("pain", 1.0),
    "function": ("function", -1.0),
}
"""Instrument: its name in words, and the direction in which it is worse."""

ByDay = Callable[[str, date, date], Mapping[date, float]]
"""Most adverse report of each day of an instrument, from the first day to the day before the second."""


@dataclass(frozen=True)
class Felt:
    """One instrument after one cut: usual level, worst day, days over the limit of the days with a report.

    ``back_after_d`` is the number of days from the cut until it was back at the usual level (A121): None if no limit
    was broken, and if it was not back within the ``followed_d`` days to the next cut or to the last report.
    """

    instrument: str
    usual: float
    peak: float
    days_over: int
    n_days: int
    broke: bool
    still: bool
    severe: bool
    back_after_d: int | None = None
    followed_d: int = 0

    @property
    def name(self) -> str:
        """Name of the instrument in words."""
        return _NAMES[self.instrument][0]

    @property
    def words(self) -> str:
        """What happened, in plain words."""
        return (
            f"{self.name} {self.peak:g} at worst, {self.usual:.1f} before; over the limit on {self.days_over} of "
            f"{self.n_days} days; {back_in_words(self.back_after_d, self.followed_d, self.still)}"
        )


def back_in_words(back_after_d: int | None, followed_d: int, is_over: bool) -> str:
    """How long what was felt took to be back at its level before a cut, and whether the last week is over its limit."""
    days, back, over = (followed_d, "not back", "still") if back_after_d is None else (back_after_d, "back", "again")
    this_week = f", {over} over the limit this week" if is_over else ""
    return f"{back} after {days} {'day' if days == 1 else 'days'}{this_week}"


@dataclass(frozen=True)
class FeltCut:
    """One past cut: class, day, equivalents a day before and after it, and what was felt."""

    drug_class: DrugClass
    day: date
    before: float
    after: float
    felt: tuple[Felt, ...]

    @property
    def broke(self) -> bool:
        """Whether a week after it broke a limit."""
        return any(f.broke for f in self.felt)

    @property
    def still(self) -> bool:
        """Whether the last 7 days are still over a limit that it broke."""
        return any(f.broke and f.still for f in self.felt)

    @property
    def severe(self) -> bool:
        """Whether the last 7 days are over twice a limit that it broke."""
        return any(f.broke and f.severe for f in self.felt)

    @property
    def back_after_d(self) -> int | None:
        """Days until everything that broke a limit was back; None if nothing did, or if it was not back."""
        days = [f.back_after_d for f in self.felt if f.broke]
        return max((d for d in days if d is not None), default=None) if None not in days else None

    @property
    def not_back_after_d(self) -> int | None:
        """Days to the next cut or to the last report, of a cut after which something was not back; None otherwise."""
        days = [f.followed_d for f in self.felt if f.broke and f.back_after_d is None]
        return max(days, default=None)

    @property
    def words(self) -> str:
        """What happened, in one sentence."""
        share = 100.0 * (self.before - self.after) / self.before
        felt = "; ".join(f.words for f in self.felt if f.broke)
        return f"after the {self.drug_class} cut of {self.day.isoformat()} ({share:.0f} % of the dose then): {felt}"


def felt_cuts(
    cuts: Sequence[tuple[DrugClass, date, float, float]], by_day: ByDay, as_of: date, limits: Limits
) -> list[FeltCut]:
    """What was felt after each cut (class, day, equivalents before and after), oldest first.

    Instruments with fewer than 3 days of reports before the cut or in each week after it are left out.
    """
    over = {
        "sows_gossop": _SOWS_POINTS * limits.withdrawal,
        "pain_nrs": limits.pain_rise,
        "function": limits.function_loss,
    }
    days = sorted({day for _, day, _, _ in cuts})
    rows = []
    for drug_class, day, before, after in sorted(cuts, key=lambda cut: cut[1]):
        until = min([d for d in days if d > day] + [as_of + timedelta(days=1)])
        felt = [_felt(name, limit, by_day, day, until, as_of) for name, limit in over.items()]
        rows.append(FeltCut(drug_class, day, before, after, tuple(f for f in felt if f is not None)))
    return rows


def _felt(name: str, limit: float, by_day: ByDay, day: date, until: date, as_of: date) -> Felt | None:
    """What was felt after a cut, of which the reports count to the day before ``until``."""
    usual = np.array(list(by_day(name, day - timedelta(days=USUAL_D), day).values()))
    if len(usual) < _LEAST_DAYS:
        return None
    worse = _NAMES[name][1]
    mean, sd = float(usual.mean()), float(usual.std(ddof=1))

    def broke(reports: Mapping[date, float], limit: float = limit) -> bool:
        """Whether a week is over the limit: in the mean, on half its days, and clear of the scatter before the cut."""
        excess = worse * (np.array(list(reports.values())) - mean)
        if len(excess) < _LEAST_DAYS:
            return False
        error = sd * float(np.sqrt(1.0 / len(excess) + 1.0 / len(usual)))
        return bool(excess.mean() > max(limit, _CLEAR_SE * error) and 2 * int((excess > limit).sum()) >= len(excess))

    followed = by_day(name, day, until)
    after = {d: x for d, x in followed.items() if (d - day).days < AFTER_D}
    if len(after) < _LEAST_DAYS:
        return None
    starts = [day + timedelta(days=d) for d in range(0, AFTER_D, _WEEK_D)]
    weeks = [{d: x for d, x in after.items() if 0 <= (d - start).days < _WEEK_D} for start in starts]
    worst_day = max(sorted(after), key=lambda d: worse * after[d])
    broke_limit = any(map(broke, weeks))
    n_over = sum(worse * (x - mean) > limit for x in after.values())
    week = by_day(name, as_of - timedelta(days=_WEEK_D - 1), as_of + timedelta(days=1))

    def is_back(first: date) -> bool:
        """Whether a day is within the limit, and the fortnight that begins on it back at the usual level."""
        reports = [x for d, x in followed.items() if 0 <= (d - first).days < USUAL_D]
        too_few = len(reports) < _LEAST_DAYS or (max(followed) - first).days < _WEEK_D - 1
        if too_few or worse * (followed[first] - mean) > limit:
            return False
        error = sd * float(np.sqrt(1.0 / len(reports) + 1.0 / len(usual)))
        return worse * (float(np.mean(reports)) - mean) <= max(BACK_WITHIN * limit, error)

    back = next((d for d in sorted(followed) if d >= worst_day and is_back(d)), None) if broke_limit else None
    return Felt(
        name,
        mean,
        after[worst_day],
        n_over,
        len(after),
        broke_limit,
        broke(week),
        broke(week, 2 * limit),
        None if back is None else (back - day).days,
        (max(followed) - day).days if until > as_of else (until - day).days,
    )
