"""What is otherwise than the model says, beyond its parameters: for studies of a wrong model. Imports ``people``.

A world may change parameters of people between blocks of days, and what their check-ins say before a policy sees them.
Draws are a function of seed, person and day, as all others are.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from taper_sim import rng
from taper_sim.array_types import Floats
from taper_sim.model.compiled import rows
from taper_sim.model.event_parameters import STREAMS
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.layout import Arrays
from taper_sim.units import MONTH_D

_CALL: Final = 1000  # calls of the generator from here on are a world's
_SPREAD: Final = {
    "sows_gossop": 2.0,
    "withdrawal_item": 1.0,
    "pain_nrs": 1.2,
    "mood_item": 1.5,
    "sleep_item": 2.0,
    "function": 5.7,
}
"""Sd of a report around its mean, points: what an outlier is a multiple of. Source: noise of docs/model.md 4."""
_BAD_POINTS: Final = 4.0
"""SOWS-Gossop points over the person's median that count as a bad day. Source: docs/inference.md, "Checks"."""


@dataclass(frozen=True)
class Misspecification:
    """A world; the default is the model's.

    Attributes
    ----------
    sigma_drift_sd : float
        Sd of the change of log sigma in 28 days; a step at each block of days.
    outliers : float
        Share of reports that are off by ``outlier_factor`` times the usual spread.
    outlier_factor : float
    said : float
        Share that is said of withdrawal beyond the person's first reports.
    away_on_bad_days : float
        Fall of the log odds of answering for four points of SOWS-Gossop above the person's median.
    """

    sigma_drift_sd: float = 0.0
    outliers: float = 0.0
    outlier_factor: float = 3.0
    said: float = 1.0
    away_on_bad_days: float = 0.0

    def between(self, arrays: Arrays, cohort: Cohort, seed: int, first: int, last: int) -> None:
        """Change people's parameters before the days ``first`` to ``last``; the arrays are changed in place."""
        if self.sigma_drift_sd == 0.0 or first == 1:
            return
        step = self.sigma_drift_sd * np.sqrt((last - first + 1) / MONTH_D)
        z = rng.normal_pair(*rng.words(seed, cohort.keys, first, _CALL)[:2])[0]
        for k in range(3):
            sigma = arrays.get(arrays.params, rows.SIGMA + k)
            arrays.put(arrays.params, rows.SIGMA + k, sigma * np.exp(step * z))

    def reported(
        self, reports: dict[str, Floats], cohort: Cohort, seed: int, first: int, usual: dict[str, Floats]
    ) -> dict[str, Floats]:
        """What check-ins say of the days from ``first`` on.

        Parameters
        ----------
        reports : mapping of instrument to ndarray, (n, n_days)
            As the model writes them.
        cohort : Cohort
        seed : int
        first : int
            First of the days.
        usual : dict
            Kept by the caller between calls: medians of each person's first reports.
        """
        if not reports or (self.outliers == 0.0 and self.said == 1.0 and self.away_on_bad_days == 0.0):
            return reports
        found = {name: values.copy() for name, values in reports.items()}
        n_days = next(iter(found.values())).shape[1]
        days = np.arange(first, first + n_days)
        sows = found["sows_gossop"]
        if "sows_gossop" not in usual:
            usual["sows_gossop"] = np.full(len(sows), np.nan)
        new = np.isnan(usual["sows_gossop"]) & (~np.isnan(sows)).any(axis=1)
        usual["sows_gossop"][new] = np.nanmedian(sows[new], axis=1)
        at_first = usual["sows_gossop"][:, None]
        beyond = np.nan_to_num(np.maximum(sows - at_first, 0.0))
        for number, stream in enumerate(STREAMS):
            name = stream.instrument
            if self.said < 1.0 and name == "sows_gossop":
                found[name] = np.floor(sows - (1.0 - self.said) * beyond + 0.5)
            if self.outliers > 0.0 and name in _SPREAD:
                w = rng.words(seed, cohort.keys[:, None], days[None], _CALL + 1 + number)
                far = self.outlier_factor * _SPREAD[name] * rng.normal_pair(w[0], w[1])[0]
                off = np.where(rng.uniform(w[2]) < self.outliers, far, 0.0)
                found[name] = np.floor(np.clip(found[name] + off, stream.low, stream.high) + 0.5)
        if self.away_on_bad_days > 0.0:
            u = rng.uniform(rng.words(seed, cohort.keys[:, None], days[None], _CALL + 20)[0])
            odds = self.away_on_bad_days * (beyond - _BAD_POINTS / 2.0) / _BAD_POINTS
            away = u > 1.0 / (1.0 + np.exp(odds))
            found = {name: np.where(away, np.nan, values) for name, values in found.items()}
        return found


MODEL_WORLD: Final = Misspecification()
