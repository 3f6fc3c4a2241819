"""The importance sampler against NUTS on the same people: error in posterior sds, and time. Imports ``nuts``.

``python -m taper_sim.studies.against_nuts --out docs/tables/nuts.csv`` goes on where it stopped. NUTS is nutpie on
the compiled likelihood with gradients by differences; its own Monte Carlo error stands beside the differences.
"""

import time
from itertools import product
from typing import Any, Final

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats

from taper_sim.inference.posterior import posterior_of, weighted_quantile
from taper_sim.studies.calibration import TAPERS_PCT, code_hash
from taper_sim.studies.nuts import nuts_of
from taper_sim.studies.resumable import run_study
from taper_sim.studies.simulated_people import person_of

LENGTHS_D: Final = (28, 56)
CLASSES: Final = "opioid"
DRAWS: Final = (1024, 4096)
NUTS_DRAWS, NUTS_TUNE = 600, 300
TAILS: Final = (0.05, 0.95)
_ONE: Final = [
    "number",
    "days",
    "draws",
    "values",
    "khat",
    "ess",
    "mean_avg",
    "mean_max",
    "sd_avg",
    "q_avg",
    "q_max",
    "q_sigma",
    "nuts_ess",
    "nuts_mean_error",
    "divergences",
    "speed",
]


def compared(number: int, seed: int) -> list[tuple[Any, ...]]:
    """One person: a row for each number of draws.

    ``mean_…``, ``sd_…``, ``q_…`` are absolute differences from NUTS over her values, in posterior sds, ``q`` the worse
    of the 5 and 95 % limits; ``nuts_mean_error`` is what such a difference is by NUTS's own noise, on average;
    ``speed`` the effective draws of a second of the sampler over those of NUTS, of its least well sampled value.
    """
    luck = np.random.default_rng([seed, number, 9])
    n_days = LENGTHS_D[number % len(LENGTHS_D)]
    person = person_of("usual", CLASSES, float(luck.choice(TAPERS_PCT)), n_days, luck)
    began = time.process_time()
    chain = nuts_of(person.evidence, NUTS_DRAWS, NUTS_TUNE, chains=1, seed=seed)
    nuts_s = time.process_time() - began
    z = np.asarray(chain.posterior["z"].values)[0]
    ess = np.array([float(array_stats.ess(z[:, k][None], chain_axis=0, draw_axis=1)) for k in range(z.shape[1])])
    mean, sd = z.mean(axis=0), z.std(axis=0, ddof=1)
    limits = np.quantile(z, TAILS, axis=0)
    rows: list[tuple[Any, ...]] = []
    for n in DRAWS:
        posterior_of(person.evidence, n, seed)  # the fixed points are made once for all
        began = time.process_time()
        found = posterior_of(person.evidence, n, seed)
        own_s = time.process_time() - began
        m = found.weights @ found.z
        s = np.sqrt(found.weights @ (found.z - m) ** 2)
        q = np.array([[weighted_quantile(found.z[:, k], found.weights, t) for k in range(len(m))] for t in TAILS])
        off, wide, far = np.abs(m - mean) / sd, np.abs(s / sd - 1.0), np.abs(q - limits).max(axis=0) / sd
        rows.append(
            (
                number,
                n_days,
                n,
                len(m),
                found.khat,
                found.ess,
                off.mean(),
                off.max(),
                wide.mean(),
                far.mean(),
                far.max(),
                far[found.prior.names.index("sigma_opioid")],
                float(np.median(ess)),
                float(np.mean(np.sqrt(2.0 / np.pi / ess))),
                int(chain.sample_stats["diverging"].sum()),
                (found.ess / own_s) / (float(ess.min()) / nuts_s),
            )
        )
    return rows


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """A row for each number of draws: averages over people, and the largest."""
    table = (
        found.groupby("draws", sort=True)
        .agg(
            people=("number", "size"),
            khat_max=("khat", "max"),
            ess_median=("ess", "median"),
            mean_avg=("mean_avg", "mean"),
            nuts_mean_error=("nuts_mean_error", "mean"),
            mean_max=("mean_max", "max"),
            sd_avg=("sd_avg", "mean"),
            q_avg=("q_avg", "mean"),
            q_max=("q_max", "max"),
            q_sigma=("q_sigma", "mean"),
            nuts_ess=("nuts_ess", "median"),
            divergences=("divergences", "sum"),
            speed_median=("speed", "median"),
            speed_min=("speed", "min"),
        )
        .reset_index()
    )
    return table.round(3).assign(code=code_hash())


def main() -> None:
    """Run what is missing and write the table."""
    run_study(
        "the personal posterior against NUTS",
        "run-nuts",
        24,
        _ONE,
        lambda n_people: product(range(n_people)),
        lambda piece, n_people, seed: compared(piece[0], seed),
        summary,
        code_hash(),
    )


if __name__ == "__main__":
    main()
