"""Diagnostics of the importance sampler on the full model: effective draws, k-hat, passes, time.

Imports ``inference``, ``studies.calibration``, ``studies.simulated_people``. ``python -m taper_sim.studies.sampler
--out docs/tables/sampling.csv`` resumes an interrupted study. The table has a row for each set of classes, length of
record, style of taper and number of draws; all rows of one length describe the same people.
"""

import time
from itertools import product
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.inference.posterior import KHAT_LIMIT, posterior_of
from taper_sim.studies.calibration import LENGTHS_D, TAPERS_PCT, code_hash
from taper_sim.studies.resumable import run_study
from taper_sim.studies.simulated_people import CLASSES, person_of

_DRAWS: Final = (1024, 4096)
_TAPER_STYLES: Final = ("steps", "abrupt")
"""``steps``: reductions of 2.5 to 20 % every two weeks; ``abrupt``: one class after another stops. Both from day 15."""
_ABRUPT_PCT: Final = 100.0
_COLUMNS: Final = ["classes", "days", "way", "draws", "number", "values", "ess", "khat", "passes", "mode_steps", "ms"]
_CELL: Final = _COLUMNS[:4]


def fit_row(classes: str, n_days: int, way: str, draws: int, number: int, seed: int) -> tuple[Any, ...]:
    """Row of one person's posterior: its diagnostics and CPU time, ms."""
    rng = np.random.default_rng([seed, number, n_days])
    pct = _ABRUPT_PCT if way == "abrupt" else float(rng.choice(TAPERS_PCT))
    person = person_of("usual", classes, pct, n_days, rng)
    began = time.process_time()
    posterior = posterior_of(person.evidence, draws, seed)
    ms = 1000.0 * (time.process_time() - began)
    return (
        classes,
        n_days,
        way,
        draws,
        number,
        len(posterior.prior.names),
        posterior.ess,
        posterior.khat,
        posterior.passes,
        posterior.mode_steps,
        ms,
    )


def summary(people: pd.DataFrame) -> pd.DataFrame:
    """A row for each cell; ``time_ratio`` is the median time over that of the fewest draws on the same people."""
    cells = people.groupby(_CELL, sort=False)
    table = cells.agg(
        people=("number", "size"),
        values=("values", "first"),
        ess_median=("ess", "median"),
        ess_min=("ess", "min"),
        khat_median=("khat", "median"),
        khat_max=("khat", "max"),
        khat_over=("khat", lambda k: float(np.mean(k > KHAT_LIMIT))),
        second_pass=("passes", lambda k: float(np.mean(k > 1))),
        passes_max=("passes", "max"),
        mode_steps=("mode_steps", "median"),
        ms_median=("ms", "median"),
        ms_max=("ms", "max"),
    ).reset_index()
    least = table[table["draws"] == min(_DRAWS)].set_index(_CELL[:3])["ms_median"]
    table["time_ratio"] = [row["ms_median"] / least.loc[tuple(row[_CELL[:3]])] for _, row in table.iterrows()]
    return table.round({"ess_median": 0, "ess_min": 0, "ms_median": 1, "ms_max": 1}).round(3).assign(code=code_hash())


def _fits(cell: tuple[Any, ...], n_people: int, seed: int) -> list[tuple[Any, ...]]:
    """Rows of all people in a cell; a first fit compiles the code and makes the Sobol points before the timing."""
    classes, n_days, way, draws = cell
    fit_row(classes, n_days, way, draws, 0, seed)
    return [fit_row(classes, n_days, way, draws, number, seed) for number in range(n_people)]


def main() -> None:
    """Run the missing cells and write the table."""
    run_study(
        "effective draws, k-hat and time of the personal posterior",
        "run-sampling",
        30,
        _COLUMNS,
        lambda n_people: product(CLASSES, LENGTHS_D, _TAPER_STYLES, _DRAWS),
        _fits,
        summary,
        code_hash(),
    )


if __name__ == "__main__":
    main()
