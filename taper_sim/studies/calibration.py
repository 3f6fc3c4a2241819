"""Simulation-based calibration of the personal posterior. Imports ``inference``, ``studies.simulated_people``.

``python -m taper_sim.studies.calibration --out docs/tables/sbc.csv`` resumes an interrupted study. With ``--sampler
nuts --classes opioid --seeds 1 --replications 100 --out docs/tables/sbc_nuts.csv`` it calibrates NUTS on fewer people.

Each replication draws a person from the prior, simulates a taper and check-ins, computes the posterior, and records the
rank of the truth among the posterior draws (Talts 2018; Modrák 2023 for derived quantities; Säilynoja 2022 for the
bands).
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.special import ndtr
from scipy.stats import binom, kstest

from taper_sim.array_types import Floats
from taper_sim.inference import (
    course,
    draws,
    life_block,
    likelihood,
    observation,
    posterior,
    report_means,
    simulated_life,
    truncated_normal,
)
from taper_sim.inference.correlated_values import mix_of
from taper_sim.inference.life_block import ORDER
from taper_sim.inference.life_today import moments_today
from taper_sim.inference.posterior import posterior_of
from taper_sim.inference.rollout import carried_peaks
from taper_sim.model import day, equations, life
from taper_sim.provenance import hash_of
from taper_sim.studies import simulated_people
from taper_sim.studies.nuts import nuts_of
from taper_sim.studies.simulated_people import FORECAST_D, POPULATIONS, SimulatedPerson, person_of, population_prior

TAPERS_PCT: Final = (2.5, 5.0, 10.0, 20.0)  # percent of the original dose every two weeks
LENGTHS_D: Final = (28, 84, 364)
_CALIBRATED: Final = ("opioid", "all three")
"""Classes taken by the people of the committed table."""
_DRAWS: Final = 1024
NUTS_DRAWS, NUTS_TUNE, NUTS_THIN = 600, 300, 4
DERIVED_QUANTITIES: Final = (
    "withdrawal_max_28d",
    "pain_taper_today",
    "pain_life_today",
    "function_life_today",
    "pain_28d",
)
"""Largest withdrawal felt in the next 28 days; parts of today's pain due to the taper and to life, and of function due
to life; pain felt 28 days ahead."""
ASSESSED_SHARE: Final = 0.5
"""Share of the people whose record begins with an assessment."""
_COLUMNS: Final = ["classes", "population", "seed", "number", "quantity", "rank", "khat", "ess", "passes"]
_BAND_SIMULATIONS: Final = 4000
_BAND_POINTS: Final = 100


@dataclass(frozen=True)
class Replication:
    """Ranks of the truth among the posterior draws, 0 to 1, by quantity; diagnostics of the posterior."""

    ranks: dict[str, float]
    khat: float
    ess: float
    passes: int


def replicate(
    population: str, seed: int, number: int, n_draws: int = _DRAWS, classes: str = "opioid", sampler: str = "importance"
) -> Replication:
    """Run one replication: truth from the prior, reports, posterior, ranks."""
    rng = np.random.default_rng(
        [seed, number, POPULATIONS.index(population), list(simulated_people.CLASSES).index(classes)]
    )
    n_days, pct = int(rng.choice(LENGTHS_D)), float(rng.choice(TAPERS_PCT))
    person = person_of(population, classes, pct, n_days, rng, ASSESSED_SHARE)
    posterior = (
        _nuts_posterior(person.evidence, number) if sampler == "nuts" else posterior_of(person.evidence, n_draws, seed)
    )
    mix = mix_of(posterior.prior.names)
    normals, truth = posterior.z @ mix.T, mix @ person.z
    ranks = {
        name: float(posterior.weights @ (normals[:, k] < truth[k]))
        for k, name in enumerate(posterior.prior.names)
        if not name.startswith("drift")
    }
    below = _below_truth(person, posterior, rng.random())
    ranks |= dict(zip(DERIVED_QUANTITIES, (below @ posterior.weights).tolist(), strict=True))
    return Replication(ranks, posterior.khat, posterior.ess, posterior.passes)


def _below_truth(person: SimulatedPerson, posterior: posterior.Posterior, u: float) -> Floats:
    """Chance, under each draw of the values, that a derived quantity is below its true value, (n_quantities, n).

    A quantity that depends on the values alone is below it or not, or equal to it: after the last dose no withdrawal is
    to come, whatever the values, and a share ``u`` of equals counts as below. Of life the filter knows mean and
    covariance.
    """
    evidence, values, shared = person.evidence, posterior.values(), person.evidence.shared
    today, later, p, f = person.n_days, person.n_days + FORECAST_D, ORDER.index("P"), ORDER.index("U")
    peaks, true_peak = (
        carried_peaks(v, shared, person.regimen, today) for v in (values, np.ascontiguousarray(person.values[None]))
    )
    true_course = course.course(person.values, shared, person.regimen)
    mean, cov, states, *_ = moments_today(values, shared, evidence.regimen, evidence.reports, None)
    mean_28, cov_28, states_28, *_ = moments_today(values, shared, person.regimen, evidence.reports, None)

    def pain(x: Any) -> Any:
        """Pain as felt, without life, of states of the course."""
        return equations.pain_report_mean(x[..., course.P], x[..., course.X], shared.pain_report_x)

    by_taper = pain(states) - values[:, course.P0]
    true_by_taper = pain(true_course[today]) - person.values[course.P0]
    ahead = pain(true_course[later]) + person.life[later, p] - pain(states_28)
    return np.stack(
        [
            (peaks < true_peak) + u * (peaks == true_peak),
            (by_taper < true_by_taper).astype(np.float64),
            ndtr((person.life[today, p] - mean[:, p]) / np.sqrt(cov[:, p, p])),
            ndtr((person.life[today, f] - mean[:, f]) / np.sqrt(cov[:, f, f])),
            ndtr((ahead - mean_28[:, p]) / np.sqrt(cov_28[:, p, p])),
        ]
    )


def _nuts_posterior(evidence: posterior.Evidence, number: int) -> posterior.Posterior:
    """NUTS draws as a :class:`Posterior`, thinned until nearly independent, because ranks assume independent draws."""
    chain = nuts_of(evidence, NUTS_DRAWS, NUTS_TUNE, chains=1, seed=number)
    z = np.asarray(chain.posterior["z"].values)[0, ::NUTS_THIN]
    weights = np.full(len(z), 1.0 / len(z))
    return posterior.Posterior(evidence.prior, z, weights, z.mean(axis=0), -np.inf, float(len(z)), 1, 0, np.nan)


def code_hash() -> str:
    """Short hash of the code and the priors of the table; a table of other code must be computed again."""
    priors = [
        population_prior(p, max(LENGTHS_D), simulated_people.CLASSES[c]) for p in POPULATIONS for c in _CALIBRATED
    ]
    noise = [[i.white, i.slow, i.tau_d, i.shared, i.low, i.high, i.step] for i in observation.INSTRUMENTS]
    doses = simulated_people.tapered(10.0, 28, simulated_people.CLASSES["all three"])
    numbers: list[Any] = [x for prior in priors for x in (prior.base, prior.mean, prior.sd)]
    numbers += [course.couplings(), noise, doses.dose, doses.decay_g, doses.shape]
    return hash_of(
        equations,
        day,
        course,
        draws,
        likelihood,
        life,
        life_block,
        posterior,
        report_means,
        simulated_life,
        simulated_people,
        truncated_normal,
        numbers=np.concatenate([np.ravel(x) for x in numbers]),
        also=" ".join(scale for prior in priors for scale in prior.scale),
    )


@lru_cache(maxsize=8)
def _reference_p(n: int) -> Floats:
    """Distribution of :func:`_least_pointwise_p` for ``n`` uniform ranks, sorted, (4000,)."""
    rng = np.random.default_rng(0)
    return np.sort([_least_pointwise_p(rng.random(n)) for _ in range(_BAND_SIMULATIONS)])


def _least_pointwise_p(ranks: Floats) -> float:
    """Smallest two-sided binomial p of the empirical distribution over a grid of points (Säilynoja 2022)."""
    points = np.arange(1, _BAND_POINTS) / _BAND_POINTS
    below = np.searchsorted(np.sort(ranks), points, side="right")
    n = len(ranks)
    return float(2.0 * np.minimum(binom.cdf(below, n, points), binom.sf(below - 1, n, points)).min())


def band_p(ranks: Floats) -> float:
    """Probability that the ECDF of as many uniform ranks is as far from the diagonal; below 0.05 it leaves the band.

    The band is simultaneous over 99 points, with equal pointwise levels (Säilynoja, Bürkner, Vehtari 2022).
    """
    reference = _reference_p(len(ranks))
    return float((np.searchsorted(reference, _least_pointwise_p(ranks), side="right") + 1) / (len(reference) + 1))


def summary(ranks: pd.DataFrame) -> pd.DataFrame:
    """Uniformity of ranks and coverage, a row for each set of classes, population, seed and quantity; hash of the code.

    ``khat_over``, ``ess_min`` and ``ess_median`` describe all replications of the set: share of k-hat above its limit
    after the last pass, smallest and median number of effective draws.
    """
    rows = []
    for key, block in ranks.groupby(["classes", "population", "seed"], sort=False):
        replications = block.drop_duplicates("number")
        diagnostics = (
            float(np.mean(replications["khat"] > posterior.KHAT_LIMIT)),
            float(replications["ess"].min()),
            float(replications["ess"].median()),
        )
        for quantity, part in block.groupby("quantity", sort=False):
            rank = part["rank"].to_numpy()
            cover = [float(np.mean(np.abs(rank - 0.5) < level / 2)) for level in (0.5, 0.8, 0.95)]
            p = float(kstest(rank, "uniform").pvalue)
            rows.append((*key, quantity, len(rank), p, band_p(rank), *cover, float(np.mean(rank)), *diagnostics))
    columns = [
        "classes",
        "population",
        "seed",
        "quantity",
        "n",
        "ks_p",
        "band_p",
        "cover50",
        "cover80",
        "cover95",
        "mean_rank",
        "khat_over",
        "ess_min",
        "ess_median",
    ]
    return pd.DataFrame(rows, columns=columns).round(4).assign(code=code_hash())


def main() -> None:
    """Run the missing replications, and write the table of :func:`summary`."""
    parser = argparse.ArgumentParser(description="simulation-based calibration of the personal posterior")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ranks", type=Path, default=Path("run-sbc"), help="folder of finished ranks")
    parser.add_argument("--replications", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--classes", nargs="+", choices=list(simulated_people.CLASSES), default=list(_CALIBRATED))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--sampler", choices=["importance", "nuts"], default="importance")
    args = parser.parse_args()
    prefix = "" if args.sampler == "importance" else f"{args.sampler}-"
    path = args.ranks / f"ranks-{prefix}{code_hash()}.csv"  # ranks of other code are never reused
    args.ranks.mkdir(parents=True, exist_ok=True)
    ranks = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=_COLUMNS)
    blocks = [(c, p, s) for c in args.classes for p in POPULATIONS for s in args.seeds]
    with ProcessPoolExecutor(args.workers) as workers:
        for classes, population, seed in blocks:
            here = (ranks["classes"] == classes) & (ranks["population"] == population) & (ranks["seed"] == seed)
            block = ranks[here]
            done = int(block["number"].max()) + 1 if len(block) else 0
            for first in range(done, args.replications, 100):
                numbers = range(first, min(first + 100, args.replications))
                run = partial(replicate, population, seed, n_draws=_DRAWS, classes=classes, sampler=args.sampler)
                rows = [
                    (classes, population, seed, number, q, rank, result.khat, result.ess, result.passes)
                    for number, result in zip(numbers, workers.map(run, numbers, chunksize=10), strict=True)
                    for q, rank in result.ranks.items()
                ]
                new = pd.DataFrame(rows, columns=_COLUMNS)
                ranks = pd.concat([ranks, new], ignore_index=True) if len(ranks) else new
                ranks.to_csv(path, index=False)
                print(classes, population, seed, numbers[-1] + 1, flush=True)
    summary(ranks).to_csv(args.out, index=False)
    print(summary(ranks).to_string())


if __name__ == "__main__":
    main()
