"""What the model would have forecast at past cuts, against what was then reported. Imports ``posterior``, ``record``.

Each forecast uses the reports up to the day before the cut and the doses that followed. It is scored on the reports of
the next 28 days. A person without a cut gets the last 28 days.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.inference.draws import equal_draws
from taper_sim.inference.observation import PLACES, Reports, on_scale, unobserved_after, with_rows
from taper_sim.inference.posterior import Evidence, posterior_of
from taper_sim.units import MONTH_D

SCORED: Final = ("pain_nrs", "function", "sows_gossop", "cows", "bwsq")
"""Instruments whose forecasts are scored: pain, function, withdrawal."""
MOST_CUTS: Final = 3
"""Latest cuts that are scored. A design choice: each costs a posterior."""
_DRAWS: Final = 256
_AVERAGED: Final = 64
_LEAST_REPORTS: Final = 10
"""Fewest reports before a forecast. A design choice: with fewer it would be the population's."""
_Z80: Final = 1.2815515655446004
_ROWS: Final = ("day", "slot", "y", "low", "high", "rounding", "interval")


@dataclass(frozen=True)
class PastForecast:
    """Score of one instrument after one past cut.

    Attributes
    ----------
    made_on : int
        Last day whose reports were used, days since the start of the record.
    instrument : str
    n_reports : int
    reported, forecast : float
        Means over the days with a report, in points of the instrument.
    share_in_80 : float
        Share of the reports inside their 80 % interval.
    """

    made_on: int
    instrument: str
    n_reports: int
    reported: float
    forecast: float
    share_in_80: float

    @property
    def mean_error(self) -> float:
        """Reported less forecast, in points."""
        return self.reported - self.forecast


def past_forecasts_of(evidence: Evidence, n_days: int, cut_days: Sequence[int], seed: int) -> list[PastForecast]:
    """Score the forecasts that would have been made before the latest cuts.

    Parameters
    ----------
    evidence : Evidence
        Of the whole record.
    n_days : int
        Last day of the record.
    cut_days : sequence of int
        Days of past cuts, since the start of the record.
    seed : int

    Returns
    -------
    list of PastForecast
        Oldest first; cuts with few reports before them, or none after, are left out.
    """
    days = sorted({day - 1 for day in cut_days if day > 1})[-MOST_CUTS:] if cut_days else [n_days - MONTH_D]
    rows: list[PastForecast] = []
    for k, day in enumerate(days):
        end = min([day + MONTH_D, n_days, *days[k + 1 : k + 2]])
        if day >= 1 and int((evidence.reports.day <= day).sum()) >= _LEAST_REPORTS:
            rows += _scored(evidence, day, end, seed)
    return rows


def _between(reports: Reports, last: int) -> Reports:
    early = reports.day <= last
    return with_rows(reports, **{name: getattr(reports, name)[early] for name in _ROWS})


def _scored(evidence: Evidence, day: int, end: int, seed: int) -> list[PastForecast]:
    known = replace(evidence, regimen=evidence.regimen.until(day), reports=_between(evidence.reports, day))
    posterior = posterior_of(known, _DRAWS, seed)
    z = posterior.z[equal_draws(posterior.weights, _AVERAGED)]
    later = _between(evidence.reports, end)
    ahead = replace(evidence, regimen=evidence.regimen.until(end), reports=unobserved_after(later, day))
    _, centre, spread = ahead.log_posterior(z, predicted=True)
    middle: Floats = centre.mean(axis=0)
    sd = np.sqrt(spread.mean(axis=0) + centre.var(axis=0))
    inside = (later.low <= middle + _Z80 * sd) & (later.high >= middle - _Z80 * sd)
    reported, forecast = on_scale(later.y, later), on_scale(middle, later)
    rows = []
    for slot, place in enumerate(later.place):
        at = (later.slot == slot) & (later.day > day)
        if PLACES[place].name in SCORED and at.any():
            figures = (float(reported[at].mean()), float(forecast[at].mean()), float(inside[at].mean()))
            rows.append(PastForecast(day, PLACES[place].name, int(at.sum()), *figures))
    return rows
