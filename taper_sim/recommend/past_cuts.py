"""What past cuts did to this person, and how far the taper is to blame. Imports ``inference``, ``safety.felt_cuts``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np

from taper_sim.inference.attribution import Attribution, attributions_of, range_in_words
from taper_sim.inference.posterior import Evidence, Posterior
from taper_sim.inference.record import PatientRecord, first_cut_of
from taper_sim.safety.felt_cuts import FeltCut
from taper_sim.safety.limits import Limits
from taper_sim.units import WEEK_D

_CLEAR: Final = 0.5
"""Share of a limit from which a change is attributed. A design choice: a change near 0 has no cause to look for."""


@dataclass(frozen=True)
class Blame:
    """How likely it is that the taper is more than half of a change since before the taper.

    Attributes
    ----------
    day : date
        Day on which the change was felt.
    today : bool
        Whether that is the day of the answer.
    attribution : Attribution
    """

    day: date
    today: bool
    attribution: Attribution

    @property
    def words(self) -> str:
        """The range in plain words, for the taper and for the rest."""
        row = self.attribution
        taper, rest = _likely(row.low, row.high), _likely(1.0 - row.high, 1.0 - row.low)
        name, course = ("pain", "the pain") if row.outcome == "pain" else ("function", "the illness")
        sign = "above" if row.outcome == "pain" else "below"
        when = "is" if self.today else f"on {self.day.isoformat()} was"
        return (
            f"{name} {when} {row.worse:.1f} points {sign} its level before the taper; it may be the taper, may be the "
            f"course of {course}: {taper} to be the taper, {rest} the course of {course}"
        )

    def shown(self) -> dict[str, Any]:
        """The range as plain values for JSON."""
        row = self.attribution
        return {
            "low": round(row.low, 3),
            "high": round(row.high, 3),
            "words": self.words,
            "outcome": row.outcome,
            "points_worse": round(row.worse, 2),
            "day": self.day.isoformat(),
        }


def _likely(low: float, high: float) -> str:
    words = range_in_words(low, high)
    return words if words.startswith("very") else f"{words} likely"


def _worse_now(record: PatientRecord, cuts: Sequence[FeltCut], limits: Limits) -> bool:
    """Whether the reports of the last 7 days are over a limit against the days before the first cut."""
    first = record.as_of - timedelta(days=WEEK_D - 1)
    for felt in cuts[0].felt if cuts else ():
        sign, limit = {"pain_nrs": (1.0, limits.pain_rise), "function": (-1.0, limits.function_loss)}.get(
            felt.instrument, (0.0, 1.0)
        )
        week = [c.value for c in record.history.checkins if c.instrument == felt.instrument and c.day >= first]
        if week and sign * (float(np.mean(week)) - felt.usual) > _CLEAR * limit:
            return True
    return False


def blame_of(
    record: PatientRecord, evidence: Evidence, posterior: Posterior, cuts: Sequence[FeltCut], limits: Limits, seed: int
) -> Blame | None:
    """Attribution of what is felt today, or else of what was felt a week after the last cut that broke a limit.

    None if no cut broke a limit and nothing is worse than before the taper.
    """
    first_cut = first_cut_of(record)
    days = [cut.day + timedelta(days=WEEK_D) for cut in cuts if cut.broke][-1:]
    if first_cut is None or not (days or _worse_now(record, cuts, limits)):
        return None
    felt_on = [record.as_of, *(min(day, record.as_of) for day in days)]
    n_days = [(day - record.start).days for day in felt_on]
    for day, rows in zip(felt_on, attributions_of(evidence, posterior, first_cut, seed, n_days), strict=True):
        row = max(rows, key=lambda row: _share_of_limit(row, limits))
        if _share_of_limit(row, limits) > _CLEAR:
            return Blame(day, day == record.as_of, row)
    return None


def _share_of_limit(row: Attribution, limits: Limits) -> float:
    return row.worse / (limits.pain_rise if row.outcome == "pain" else limits.function_loss)


def past_cuts_shown(cuts: Sequence[FeltCut]) -> list[dict[str, Any]]:
    """Past cuts as plain values for JSON, oldest first; ``felt`` is empty without enough reports to judge."""
    return [
        {
            "date": cut.day.isoformat(),
            "drug_class": cut.drug_class,
            "equivalents_before": round(cut.before, 6),
            "equivalents_after": round(cut.after, 6),
            "broke_limit": cut.broke,
            "not_passed": cut.still,
            "days_to_recover": cut.back_after_d,
            "not_back_after_days": cut.not_back_after_d,
            "felt": [
                {
                    "instrument": felt.instrument,
                    "usual": round(felt.usual, 2),
                    "worst": felt.peak,
                    "days_over": felt.days_over,
                    "days_reported": felt.n_days,
                    "broke_limit": felt.broke,
                    "days_to_recover": felt.back_after_d,
                }
                for felt in cut.felt
            ],
        }
        for cut in cuts
    ]
