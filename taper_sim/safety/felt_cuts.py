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
    """One instrument after one cut: usual level, worst day, days over the limit of the days with a report."""

    instrument: str
    usual: float
    peak: float
    days_over: int
    n_days: int
    broke: bool
    still: bool
    severe: bool

    @property
    def words(self) -> str:
        """What happened, in plain words."""
        name = _NAMES[self.instrument][0]
        return (
            f"{name} {self.peak:g} at worst, {self.usual:.1f} before; over the limit on {self.days_over} of "
            f"{self.n_days} days"
        )


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
    def words(self) -> str:
        """What happened, in one sentence."""
        share = 100.0 * (self.before - self.after) / self.before
        felt = "; ".join(f.words for f in self.felt if f.broke)
        now = "; it has not passed" if self.still else ""
        return (
            f"after the {self.drug_class} cut of {self.day.isoformat()} ({share:.0f} % of the dose then): {felt}{now}"
        )


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
        end = min([d for d in days if d > day] + [day + timedelta(days=AFTER_D), as_of + timedelta(days=1)])
        felt = [_felt(name, limit, by_day, day, end, as_of) for name, limit in over.items()]
        rows.append(FeltCut(drug_class, day, before, after, tuple(f for f in felt if f is not None)))
    return rows


def _felt(name: str, limit: float, by_day: ByDay, day: date, end: date, as_of: date) -> Felt | None:
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

    after = by_day(name, day, end)
    if len(after) < _LEAST_DAYS:
        return None
    starts = [day + timedelta(days=d) for d in range(0, AFTER_D, _WEEK_D)]
    weeks = [{d: x for d, x in after.items() if 0 <= (d - start).days < _WEEK_D} for start in starts]
    peak = max(after.values(), key=lambda x: worse * x)
    n_over = sum(worse * (x - mean) > limit for x in after.values())
    week = by_day(name, as_of - timedelta(days=_WEEK_D - 1), as_of + timedelta(days=1))
    return Felt(name, mean, peak, n_over, len(after), any(map(broke, weeks)), broke(week), broke(week, 2 * limit))
