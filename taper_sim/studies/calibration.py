"""Simulation-based calibration of the personal posterior. Imports ``simulated`` and below.

``python -m taper_sim.studies.calibration --out docs/tables/sbc.csv`` goes on where it stopped; with ``--sampler nuts
--classes opioid --seeds 1 --replications 100 --out docs/tables/sbc_nuts.csv`` the same of NUTS, on fewer.

A replication draws a person from the prior, lets her be tapered, writes her check-ins, fits them, and notes where the
truth stands among the posterior draws (Talts 2018; Modrák 2023 for derived quantities; Säilynoja 2022 for the bands).
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.stats import binom, kstest

from taper_sim.array_types import Floats
from taper_sim.inference import course, likelihood, observation, posterior
from taper_sim.inference.posterior import posterior_of
from taper_sim.inference.rollout import carried_peaks
from taper_sim.model import day, equations
from taper_sim.provenance import hash_of
from taper_sim.studies import simulated_people
from taper_sim.studies.nuts import nuts_of
from taper_sim.studies.simulated_people import POPULATIONS, person_of, population_prior

TAPERS_PCT: Final = (2.5, 5.0, 10.0, 20.0)  # of the original dose every two weeks
LENGTHS_D: Final = (28, 56, 84)
CALIBRATED: Final = ("opioid", "all three")
"""Classes taken in the people of the table."""
DRAWS: Final = 1024
NUTS_DRAWS, NUTS_TUNE, NUTS_THIN = 600, 300, 4
DERIVED_QUANTITY: Final = "withdrawal_max_28d"
RANKS: Final = ["classes", "population", "seed", "number", "quantity", "rank", "khat", "ess", "passes"]
_BAND_SIMULATIONS: Final = 4000
_BAND_POINTS: Final = 100


@dataclass(frozen=True)
class Replication:
    """Where the truth of one replication stands among the posterior draws, by quantity, and how it went."""

    ranks: dict[str, float]
    khat: float
    ess: float
    passes: int


def replicate(
    population: str, seed: int, number: int, n_draws: int = DRAWS, classes: str = "opioid", sampler: str = "importance"
) -> Replication:
    """One replication: truth from the prior, reports, posterior, ranks."""
    luck = np.random.default_rng(
        [seed, number, POPULATIONS.index(population), list(simulated_people.CLASSES).index(classes)]
    )
    n_days, pct = int(luck.choice(LENGTHS_D)), float(luck.choice(TAPERS_PCT))
    person = person_of(population, classes, pct, n_days, luck)
    posterior = _by_nuts(person.evidence, number) if sampler == "nuts" else posterior_of(person.evidence, n_draws, seed)
    ranks = {
        name: float(posterior.weights @ (posterior.z[:, k] < person.z[k]))
        for k, name in enumerate(posterior.prior.names)
        if not name.startswith("drift")
    }
    shared = person.evidence.shared
    ahead = carried_peaks(posterior.values(), shared, person.regimen, n_days)
    true_peak = carried_peaks(person.values[None], shared, person.regimen, n_days)[0]
    ranks[DERIVED_QUANTITY] = float(posterior.weights @ (ahead < true_peak))
    return Replication(ranks, posterior.khat, posterior.ess, posterior.passes)


def _by_nuts(evidence: posterior.Evidence, number: int) -> posterior.Posterior:
    """Draws of NUTS in a posterior's form, thinned until they are all but independent, as ranks want them."""
    chain = nuts_of(evidence, NUTS_DRAWS, NUTS_TUNE, chains=1, seed=number)
    z = np.asarray(chain.posterior["z"].values)[0, ::NUTS_THIN]
    even = np.full(len(z), 1.0 / len(z))
    return posterior.Posterior(evidence.prior, z, even, z.mean(axis=0), -np.inf, float(len(z)), 1, 0, np.nan)


def code_hash() -> str:
    """Short hash of the code and the priors that the table describes: others need another run."""
    priors = [population_prior(p, max(LENGTHS_D), simulated_people.CLASSES[c]) for p in POPULATIONS for c in CALIBRATED]
    noise = [[i.white, i.slow, i.tau_d, i.shared, i.low, i.high, i.step] for i in observation.INSTRUMENTS]
    doses = simulated_people.tapered(10.0, 28, simulated_people.CLASSES["all three"])
    numbers: list[Any] = [x for prior in priors for x in (prior.base, prior.mean, prior.sd)]
    numbers += [course.couplings(), noise, doses.dose, doses.decay_g, doses.shape]
    return hash_of(
        equations,
        day,
        course,
        likelihood,
        posterior,
        simulated_people,
        numbers=np.concatenate([np.ravel(x) for x in numbers]),
    )


@lru_cache(maxsize=8)
def _least_p(n: int) -> Floats:
    """Distribution of :func:`_farthest` under uniform ranks, sorted, (n simulations,)."""
    luck = np.random.default_rng(0)
    return np.sort([_farthest(luck.random(n)) for _ in range(_BAND_SIMULATIONS)])


def _farthest(ranks: Floats) -> float:
    """Smallest two-sided binomial p of the empirical distribution over a grid of points (Säilynoja 2022)."""
    points = np.arange(1, _BAND_POINTS) / _BAND_POINTS
    below = np.searchsorted(np.sort(ranks), points, side="right")
    n = len(ranks)
    return float(2.0 * np.minimum(binom.cdf(below, n, points), binom.sf(below - 1, n, points)).min())


def band_p(ranks: Floats) -> float:
    """Chance that the ECDF of as many uniform ranks strays as far from the diagonal: below 0.05, it leaves the band.

    The band is simultaneous over 99 points, of equal pointwise level (Säilynoja, Bürkner, Vehtari 2022).
    """
    reference = _least_p(len(ranks))
    return float((np.searchsorted(reference, _farthest(ranks), side="right") + 1) / (len(reference) + 1))


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Uniformity of ranks and coverage, a row for each classes, population, seed and quantity; and whose code it was.

    The last columns are of the block: share of k-hat above its limit after the last pass, and smallest and median
    number of effective draws.
    """
    rows = []
    for key, block in found.groupby(["classes", "population", "seed"], sort=False):
        once = block.drop_duplicates("number")
        how = (
            float(np.mean(once["khat"] > posterior.KHAT_LIMIT)),
            float(once["ess"].min()),
            float(once["ess"].median()),
        )
        for quantity, part in block.groupby("quantity", sort=False):
            rank = part["rank"].to_numpy()
            cover = [float(np.mean(np.abs(rank - 0.5) < level / 2)) for level in (0.5, 0.8, 0.95)]
            p = float(kstest(rank, "uniform").pvalue)
            rows.append((*key, quantity, len(rank), p, band_p(rank), *cover, float(np.mean(rank)), *how))
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
    """Run what is missing and write the table of :func:`summary` and the ranks beside it."""
    parser = argparse.ArgumentParser(description="simulation-based calibration of the personal posterior")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ranks", type=Path, default=Path("run-sbc"), help="folder of what is finished")
    parser.add_argument("--replications", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--classes", nargs="+", choices=list(simulated_people.CLASSES), default=list(CALIBRATED))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--sampler", choices=["importance", "nuts"], default="importance")
    args = parser.parse_args()
    which = "" if args.sampler == "importance" else f"{args.sampler}-"
    kept = args.ranks / f"ranks-{which}{code_hash()}.csv"  # ranks of another code are not gone on with
    args.ranks.mkdir(parents=True, exist_ok=True)
    found = pd.read_csv(kept) if kept.exists() else pd.DataFrame(columns=RANKS)
    blocks = [(c, p, s) for c in args.classes for p in POPULATIONS for s in args.seeds]
    with ProcessPoolExecutor(args.workers) as workers:
        for classes, population, seed in blocks:
            mine = found[(found[["classes", "population", "seed"]] == (classes, population, seed)).all(axis=1)]
            done = int(mine["number"].max()) + 1 if len(mine) else 0
            for first in range(done, args.replications, 100):
                numbers = range(first, min(first + 100, args.replications))
                again = partial(replicate, population, seed, n_draws=DRAWS, classes=classes, sampler=args.sampler)
                rows = [
                    (classes, population, seed, number, q, r, one.khat, one.ess, one.passes)
                    for number, one in zip(numbers, workers.map(again, numbers, chunksize=10), strict=True)
                    for q, r in one.ranks.items()
                ]
                new = pd.DataFrame(rows, columns=RANKS)
                found = pd.concat([found, new], ignore_index=True) if len(found) else new
                found.to_csv(kept, index=False)
                print(classes, population, seed, numbers[-1] + 1, flush=True)
    summary(found).to_csv(args.out, index=False)
    print(summary(found).to_string())


if __name__ == "__main__":
    main()
