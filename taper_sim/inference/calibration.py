"""Simulation-based calibration of the personal posterior, and reports to try it on. Imports ``patient`` and below.

``python -m taper_sim.inference.calibration --out docs/tables/sbc.csv`` goes on where it stopped.

A replication draws a person from the prior, lets her be tapered, writes her check-ins, fits them, and notes where the
truth stands among the posterior draws (Talts 2018; Modrák 2023 for derived quantities).
"""

import argparse
import hashlib
import inspect
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kstest

from taper_sim.data.records import CheckIn
from taper_sim.inference import course as at
from taper_sim.inference import likelihood, observation, patient
from taper_sim.inference import prior as prior_module
from taper_sim.inference.course import Regimen
from taper_sim.inference.likelihood import N_WINDOWS, mean_of
from taper_sim.inference.observation import BY_NAME, LOG, LOG1P, Instrument, reports_of
from taper_sim.inference.patient import Evidence, posterior_of
from taper_sim.inference.prior import Prior, prior_of
from taper_sim.inference.rollout import carried_peaks
from taper_sim.model import chance, equations, parameters
from taper_sim.model.pharmacology import level_decay, within_day_shape

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
            mean = mean_of(i.kind, i.scale, i.recall_d, day, values, shared, latent, sums, 0.0, 0)
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


# -- calibration -------------------------------------------------------------------------------------------------------

HORIZON_D: Final = 28
TAPERS_PCT: Final = (2.5, 5.0, 10.0, 20.0)  # of the original dose every two weeks
LENGTHS_D: Final = (28, 56, 84)
POPULATIONS: Final = ("usual", "floors")
"""``floors``: well people, so that many reports stand at the end of their scale."""
_FLOORS: Final = {"s0": (np.log(0.8), 0.6), "distress": (0.10, 0.10), "insomnia": (0.12, 0.12)}
DERIVED_QUANTITY: Final = "withdrawal_max_28d"
RANKS: Final = ["population", "seed", "number", "quantity", "rank", "khat", "ess"]


@dataclass(frozen=True)
class Replication:
    """Where the truth of one replication stands among the posterior draws, by quantity, and how it went."""

    ranks: dict[str, float]
    khat: float
    ess: float
    passes: int


def tapered(pct: float, n_days: int, dose: float, half_life_h: float, trough: float) -> Regimen:
    """A linear taper every two weeks, the first step on day 15, over the days of reports and the horizon."""
    n = n_days + HORIZON_D
    steps = np.maximum((np.arange(n + 1) - 1) // 14, 0)
    doses = np.zeros((n + 1, 3))
    doses[:, 0] = dose * np.maximum(1.0 - pct / 100 * steps, 0.0)
    cut = np.r_[0.0, (np.diff(doses[:, 0]) < 0).astype(float)]
    shape = np.ones((n + 1, 3, 4))
    shape[:, 0] = within_day_shape(trough)
    decay = np.zeros((n + 1, 3))
    decay[:, 0] = level_decay(half_life_h)
    return Regimen(doses, cut, decay, shape, np.array([True, False, False]), np.array([1825.0, 1.0, 1.0]),
                   np.zeros((n + 1, 3)), np.zeros(n + 1))  # fmt: skip


def until(regimen: Regimen, n_days: int) -> Regimen:
    """The same, without the horizon."""
    end = n_days + 1
    return Regimen(regimen.dose[:end], regimen.cut[:end], regimen.decay_g[:end], regimen.shape[:end], regimen.taken,
                   regimen.use_days, regimen.adjunct[:end], regimen.rotated[:end])  # fmt: skip


def population_prior(population: str, n_days: int) -> Prior:
    """The prior that both draws the truth and is fitted."""
    prior = prior_of((True, False, False), -(-(n_days + HORIZON_D) // at.SEGMENT_D), DAILY)
    if population == "floors":
        mean, sd = prior.mean.copy(), prior.sd.copy()
        for name, (centre, spread) in _FLOORS.items():
            k = prior.names.index(name)
            mean[k], sd[k] = centre, spread
        prior = replace(prior, mean=mean, sd=sd)
    return prior


def replicate(population: str, seed: int, number: int, n_draws: int = 1024) -> Replication:
    """One replication: truth from the prior, reports, posterior, ranks."""
    generator = np.random.default_rng([seed, number, POPULATIONS.index(population)])
    n_days = int(generator.choice(LENGTHS_D))
    regimen = tapered(float(generator.choice(TAPERS_PCT)), n_days, 90.0, 9.5, 0.46)
    prior, shared = population_prior(population, n_days), at.couplings()
    truth = generator.standard_normal(len(prior.names))
    values = prior.values(truth[None])[0]
    seen = until(regimen, n_days)
    answered = generator.random(n_days + 1) < 0.8
    reports = written(values, shared, seen, DAILY, answered, generator)
    laid_out = reports_of(reports, np.zeros(n_days + 1, dtype=np.int64), np.zeros(n_days + 1))
    posterior = posterior_of(Evidence(prior, shared, seen, laid_out), n_draws, seed)
    ranks = {
        name: float(posterior.weights @ (posterior.z[:, k] < truth[k]))
        for k, name in enumerate(prior.names) if not name.startswith("drift")
    }  # fmt: skip
    ahead = carried_peaks(posterior.values(), shared, regimen, n_days)
    true_peak = carried_peaks(values[None], shared, regimen, n_days)[0]
    ranks[DERIVED_QUANTITY] = float(posterior.weights @ (ahead < true_peak))
    return Replication(ranks, posterior.khat, posterior.ess, posterior.passes)


def code_hash() -> str:
    """Short hash of the code that the table describes: another code needs another run."""
    digest = hashlib.sha256()
    for module in (equations, parameters, chance, at, likelihood, observation, patient, prior_module):
        digest.update(inspect.getsource(module).encode())
    return digest.hexdigest()[:12]


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Uniformity of ranks and coverage, a row for each population, seed and quantity; and whose code it was."""
    rows = []
    for (population, seed, quantity), part in found.groupby(["population", "seed", "quantity"], sort=False):
        rank = part["rank"].to_numpy()
        cover = [float(np.mean(np.abs(rank - 0.5) < level / 2)) for level in (0.5, 0.8, 0.95)]
        p = float(kstest(rank, "uniform").pvalue)
        rows.append((population, seed, quantity, len(rank), p, *cover, float(np.mean(rank))))
    columns = ["population", "seed", "quantity", "n", "ks_p", "cover50", "cover80", "cover95", "mean_rank"]
    return pd.DataFrame(rows, columns=columns).round(4).assign(code=code_hash())


def main() -> None:
    """Run what is missing and write the table of :func:`summary` and the ranks beside it."""
    parser = argparse.ArgumentParser(description="simulation-based calibration of the personal posterior")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ranks", type=Path, default=Path("run-sbc"), help="folder of what is finished")
    parser.add_argument("--replications", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    kept = args.ranks / f"ranks-{code_hash()}.csv"  # ranks of another code are not gone on with
    args.ranks.mkdir(parents=True, exist_ok=True)
    found = pd.read_csv(kept) if kept.exists() else pd.DataFrame()
    for population in POPULATIONS:
        for seed in args.seeds:
            mine = found[(found["population"] == population) & (found["seed"] == seed)] if len(found) else found
            done = int(mine["number"].max()) + 1 if len(mine) else 0
            rows = []
            for number in range(done, args.replications):
                one = replicate(population, seed, number)
                rows += [(population, seed, number, q, r, one.khat, one.ess) for q, r in one.ranks.items()]
                if number % 100 == 99 or number == args.replications - 1:
                    new = pd.DataFrame(
                        rows, columns=["population", "seed", "number", "quantity", "rank", "khat", "ess"]
                    )
                    found, rows = pd.concat([found, new], ignore_index=True), []
                    found.to_csv(kept, index=False)
                    print(population, seed, number + 1, flush=True)
    summary(found).to_csv(args.out, index=False)
    print(summary(found).to_string())


if __name__ == "__main__":
    main()
