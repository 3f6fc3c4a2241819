"""The importance sampler against NUTS on the same people: differences in posterior sds, and time.

Imports ``inference``, ``studies.nuts``, ``studies.calibration``. ``python -m taper_sim.studies.against_nuts --out
docs/tables/nuts.csv`` resumes an interrupted study. The table reports the Monte Carlo error of NUTS beside the
differences.
"""

import time
from itertools import product
from typing import Any, Final

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats

from taper_sim.inference.posterior import posterior_of, weighted_quantile
from taper_sim.studies.calibration import NUTS_DRAWS, NUTS_TUNE, TAPERS_PCT, code_hash
from taper_sim.studies.nuts import nuts_of
from taper_sim.studies.resumable import run_study
from taper_sim.studies.simulated_people import person_of

_LENGTHS_D: Final = (28, 56)
_CLASSES: Final = "opioid"
_DRAWS: Final = (1024, 4096)

_TAILS: Final = (0.05, 0.95)
_COLUMNS: Final = [
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


def rows_of_person(number: int, seed: int) -> list[tuple[Any, ...]]:
    """Rows of one person, one for each number of draws.

    ``mean_…``, ``sd_…``, ``q_…`` are absolute differences from NUTS over the person's values, in posterior sds; ``q``
    is the larger of the differences of the 5 and 95 % limits. ``nuts_mean_error`` is the expected difference of means
    from the Monte Carlo error of NUTS alone. ``speed`` is the ratio of effective draws per second, importance sampler
    over NUTS, for the value that NUTS samples worst.
    """
    rng = np.random.default_rng([seed, number, 9])
    n_days = _LENGTHS_D[number % len(_LENGTHS_D)]
    person = person_of("usual", _CLASSES, float(rng.choice(TAPERS_PCT)), n_days, rng)
    began = time.process_time()
    chain = nuts_of(person.evidence, NUTS_DRAWS, NUTS_TUNE, chains=1, seed=seed)
    nuts_s = time.process_time() - began
    z = np.asarray(chain.posterior["z"].values)[0]
    ess = np.array([float(array_stats.ess(z[:, k][None], chain_axis=0, draw_axis=1)) for k in range(z.shape[1])])
    mean, sd = z.mean(axis=0), z.std(axis=0, ddof=1)
    limits = np.quantile(z, _TAILS, axis=0)
    rows: list[tuple[Any, ...]] = []
    for n in _DRAWS:
        posterior_of(person.evidence, n, seed)  # makes the Sobol points before the timing
        began = time.process_time()
        posterior = posterior_of(person.evidence, n, seed)
        sampler_s = time.process_time() - began
        z_draws, weights = posterior.z, posterior.weights
        m = weights @ z_draws
        s = np.sqrt(weights @ (z_draws - m) ** 2)
        q = np.array([[weighted_quantile(z_draws[:, k], weights, t) for k in range(len(m))] for t in _TAILS])
        mean_difference, sd_difference = np.abs(m - mean) / sd, np.abs(s / sd - 1.0)
        q_difference = np.abs(q - limits).max(axis=0) / sd
        rows.append(
            (
                number,
                n_days,
                n,
                len(m),
                posterior.khat,
                posterior.ess,
                mean_difference.mean(),
                mean_difference.max(),
                sd_difference.mean(),
                q_difference.mean(),
                q_difference.max(),
                q_difference[posterior.prior.names.index("sigma_opioid")],
                float(np.median(ess)),
                float(np.mean(np.sqrt(2.0 / np.pi / ess))),
                int(chain.sample_stats["diverging"].sum()),
                (posterior.ess / sampler_s) / (float(ess.min()) / nuts_s),
            )
        )
    return rows


def summary(people: pd.DataFrame) -> pd.DataFrame:
    """A row for each number of draws: averages and maxima over people."""
    table = (
        people.groupby("draws", sort=True)
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
    """Run the missing people and write the table."""
    run_study(
        "the personal posterior against NUTS",
        "run-nuts",
        24,
        _COLUMNS,
        lambda n_people: product(range(n_people)),
        lambda piece, n_people, seed: rows_of_person(piece[0], seed),
        summary,
        code_hash(),
    )


if __name__ == "__main__":
    main()
