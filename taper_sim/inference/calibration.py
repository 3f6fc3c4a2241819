"""Simulation-based calibration of the personal posterior, and reports to try it on. Imports ``patient`` and below.

A replication draws a person from the prior, lets her be tapered, writes her check-ins, fits them, and notes where the
truth stands among the posterior draws (Talts 2018; Modrák 2023 for derived quantities).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taper_sim.inference import course as at
from taper_sim.inference.course import Regimen
from taper_sim.inference.likelihood import N_WINDOWS, mean_of
from taper_sim.inference.observation import BY_NAME, INSTRUMENTS, LOG, LOG1P, Instrument, Reports, reports_of
from taper_sim.data.records import CheckIn
from datetime import date, timedelta

Floats = NDArray[np.float64]

DAILY: Final = ("sows_gossop", "pain_nrs", "mood_item", "sleep_item", "function")
_ORIGIN: Final = date(2026, 1, 1)


def written(
    values: Floats, shared: Any, regimen: Regimen, instruments: tuple[str, ...], answered: NDArray[np.bool_],
    generator: np.random.Generator,
) -> list[tuple[int, CheckIn]]:  # fmt: skip
    """Check-ins that a person with these values would write.

    Parameters
    ----------
    values : ndarray, (N_VALUES,)
    shared : Couplings
    regimen : Regimen
    instruments : tuple of str
        Asked on every day.
    answered : ndarray of bool, (n_days + 1,)
        Days on which a check-in came.
    generator : numpy Generator

    Returns
    -------
    list of (int, CheckIn)
    """
    n_days = len(answered) - 1
    latent = at.course(values, shared, regimen)
    blank = reports_of([], np.zeros(n_days + 1, dtype=np.int64), np.zeros(n_days + 1))
    sums = np.zeros((n_days + 1, N_WINDOWS))
    sums[1:, 0] = np.cumsum(latent[1:, at.P] + shared.pain_report_x * latent[1:, at.X])
    for row, what in ((1, at.M), (2, at.I), (3, at.W + 1)):
        sums[1:, row] = np.cumsum(latent[1:, what])
    z_day = generator.standard_normal(n_days + 1)
    found: list[tuple[int, CheckIn]] = []
    for name in instruments:
        i = BY_NAME[name]
        slow = _slow(i, n_days, generator)
        own = generator.standard_normal(n_days + 1)
        for day in range(1, n_days + 1):
            if not answered[day] or (i.recall_d > 1 and day % i.recall_d):
                continue
            mean = mean_of(i.kind, i.scale, i.recall_d, day, values, shared, latent, sums, blank, 0)
            noise = values[at.NOISE] * (
                i.white * (np.sqrt(1 - i.shared**2) * own[day] + i.shared * z_day[day]) + i.slow * slow[day]
            )
            score = np.exp(np.log1p(mean) + noise) - 1.0 if i.transform == LOG1P else mean + noise
            score = np.exp(mean + noise) if i.transform == LOG else score
            score = np.floor(np.clip(score, i.low, i.high) / i.step + 0.5) * i.step
            found.append((day, CheckIn(_ORIGIN + timedelta(days=day), name, float(score))))
    return found


def _slow(i: Instrument, n_days: int, generator: np.random.Generator) -> Floats:
    """Slow noise of one instrument, sd 1, (n_days + 1,)."""
    decay = np.exp(-1.0 / i.tau_d)
    x = generator.standard_normal(n_days + 1)
    for day in range(1, n_days + 1):
        x[day] = decay * x[day - 1] + np.sqrt(1.0 - decay**2) * x[day]
    return x
