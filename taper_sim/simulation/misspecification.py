"""Model misspecification beyond parameter values, for robustness studies. Imports ``cohort``, ``layout``, ``rng``.

A misspecification may change patients' parameters between blocks of days, and the check-ins before a policy sees them.
Its random draws are a function of seed, patient and day, as all draws of the simulation are.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from taper_sim import rng
from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.model import equations as eq
from taper_sim.model.compiled import rows
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL, STREAMS
from taper_sim.model.parameters import BY_SYMBOL
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.layout import Arrays
from taper_sim.units import DRUG_CLASSES, MONTH_D

_CALL: Final = 1000  # first generator call reserved for misspecification
_SPREAD: Final = {
    "sows_gossop": 2.0,
    "withdrawal_item": 1.0,
    "pain_nrs": 1.2,
    "mood_item": 1.5,
    "sleep_item": 2.0,
    "function": 5.7,
}
"""Usual sd of a report around its mean, points; outliers have a multiple of it. Source: noise of docs/model.md 4."""
_FLARE_D: Final = 5
"""Days of a flare. Source: A72."""
_FLARE_PAIN: Final = 1.5
"""Rise of reported pain in a flare, NRS points. Source: A72."""
_HIGH: Final = {stream.instrument: stream.high for stream in STREAMS}
_BAD_POINTS: Final = 4.0
"""SOWS-Gossop points above the patient's median that define a bad day. Source: docs/inference.md, "Checks"."""


def _in_flare(pain: Floats) -> Floats:
    """Reports of pain in a flare, NRS points."""
    return np.asarray(np.minimum(np.floor(pain + _FLARE_PAIN + 0.5), _HIGH["pain_nrs"]))


def _sows_in_flare(sows: Floats) -> Floats:
    """SOWS-Gossop in a flare: pain raises it as in the model (``equations.sows_shift``)."""
    shift = eq.sows_shift(_FLARE_PAIN, 0.0, 0.0, CHANCE_BY_SYMBOL["sows_p"].centre(), 0.0, 0.0)
    return np.asarray(np.minimum(np.floor((1.0 + sows) * np.exp(shift) - 0.5), _HIGH["sows_gossop"]))


@dataclass(frozen=True)
class Misspecification:
    """Departures of the true model from the analysis model; the default has none.

    Attributes
    ----------
    sigma_drift_sd : float
        Sd of the change of log sigma in 28 days: a random walk with one step at each block of days.
    outliers : float
        Share of reports with an error of ``outlier_factor`` times the usual sd.
    outlier_factor : float
    reported_share : float
        Share of the withdrawal above the median of the patient's first reports that the patient reports.
    missing_on_bad_days : float
        Decrease of the log odds of answering for four points of SOWS-Gossop above the patient's median.
    flares : float
        Flares in 28 days, in which reported pain is higher for five days whatever the dose.
    lasting : bool
        Whether a lower dose changes pain permanently; without, ``b`` and ``beta`` of everybody are 0.
    benefit_spread : float
        Factor on what each person's long-run benefit ``b`` differs from the centre of the population.
    """

    sigma_drift_sd: float = 0.0
    outliers: float = 0.0
    outlier_factor: float = 3.0
    reported_share: float = 1.0
    missing_on_bad_days: float = 0.0
    flares: float = 0.0
    lasting: bool = True
    benefit_spread: float = 1.0

    def drift_parameters(self, arrays: Arrays, cohort: Cohort, seed: int, first: int, last: int) -> None:
        """Change patients' parameters in place before the days ``first`` to ``last``."""
        for row in (rows.B, rows.BETA) if first == 1 and not self.lasting else ():
            arrays.put3(arrays.params, row, np.zeros((len(cohort), 3)))
        if first == 1 and self.benefit_spread != 1.0:
            centre = np.array([BY_SYMBOL["b"].centre(c) for c in DRUG_CLASSES])
            b = arrays.get3(arrays.params, rows.B)
            arrays.put3(arrays.params, rows.B, centre + self.benefit_spread * (b - centre))
        if self.sigma_drift_sd == 0.0 or first == 1:
            return
        step = self.sigma_drift_sd * np.sqrt((last - first + 1) / MONTH_D)
        z = rng.normal_pair(*rng.words(seed, cohort.keys, first, _CALL)[:2])[0]
        for k in range(3):
            sigma = arrays.get(arrays.params, rows.SIGMA + k)
            arrays.put(arrays.params, rows.SIGMA + k, sigma * np.exp(step * z))

    def distorted_reports(
        self, reports: dict[str, Floats], cohort: Cohort, seed: int, first: int, usual: dict[str, Floats]
    ) -> dict[str, Floats]:
        """Check-ins of the days from ``first``, as this misspecification distorts them.

        Parameters
        ----------
        reports : mapping of instrument to ndarray, (n, n_days)
            As the model generates them.
        cohort : Cohort
        seed : int
        first : int
            First of these days.
        usual : dict
            Median of each patient's first reports; the caller keeps the dict between calls.
        """
        as_is = (self.outliers, self.reported_share, self.missing_on_bad_days, self.flares) == (0.0, 1.0, 0.0, 0.0)
        if not reports or as_is:
            return reports
        distorted = {name: values.copy() for name, values in reports.items()}
        n_days = next(iter(distorted.values())).shape[1]
        days = np.arange(first, first + n_days)
        sows = distorted["sows_gossop"]
        if "sows_gossop" not in usual:
            usual["sows_gossop"] = np.full(len(sows), np.nan)
        first_time = np.isnan(usual["sows_gossop"]) & (~np.isnan(sows)).any(axis=1)
        usual["sows_gossop"][first_time] = np.nanmedian(sows[first_time], axis=1)
        first_median = usual["sows_gossop"][:, None]
        beyond = np.nan_to_num(np.maximum(sows - first_median, 0.0))
        if self.flares > 0.0:
            flaring = self._flaring(cohort, seed, days)
            for name, raised in (("pain_nrs", _in_flare(distorted["pain_nrs"])), ("sows_gossop", _sows_in_flare(sows))):
                distorted[name] = np.where(flaring, raised, distorted[name])
        for number, stream in enumerate(STREAMS):
            name = stream.instrument
            if self.reported_share < 1.0 and name == "sows_gossop":
                distorted[name] = np.floor(sows - (1.0 - self.reported_share) * beyond + 0.5)
            if self.outliers > 0.0 and name in _SPREAD:
                w = rng.words(seed, cohort.keys[:, None], days[None], _CALL + 1 + number)
                outlier = self.outlier_factor * _SPREAD[name] * rng.normal_pair(w[0], w[1])[0]
                error = np.where(rng.uniform(w[2]) < self.outliers, outlier, 0.0)
                distorted[name] = np.floor(np.clip(distorted[name] + error, stream.low, stream.high) + 0.5)
        if self.missing_on_bad_days > 0.0:
            u = rng.uniform(rng.words(seed, cohort.keys[:, None], days[None], _CALL + 20)[0])
            odds = self.missing_on_bad_days * (beyond - _BAD_POINTS / 2.0) / _BAD_POINTS
            missing = u > 1.0 / (1.0 + np.exp(odds))
            distorted = {name: np.where(missing, np.nan, values) for name, values in distorted.items()}
        return distorted

    def _flaring(self, cohort: Cohort, seed: int, days: Ints) -> Bools:
        """Whether each of consecutive days is one of a flare, (n, n_days); a flare may begin before the first."""
        onset = np.arange(days[0] - _FLARE_D + 1, days[-1] + 1)
        u = rng.uniform(rng.words(seed, cohort.keys[:, None], np.maximum(onset, 0)[None], _CALL + 21)[0])
        began = (u < self.flares / MONTH_D) & (onset >= 1)
        return np.asarray(np.lib.stride_tricks.sliding_window_view(began, _FLARE_D, axis=1).any(axis=2))


NO_MISSPECIFICATION: Final = Misspecification()
