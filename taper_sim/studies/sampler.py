"""How good the importance sampler is on the full model: effective draws, k-hat, passes, time. Imports ``simulated``.

``python -m taper_sim.studies.sampler --out docs/tables/sampling.csv`` goes on where it stopped. A row for each set
of classes, length, way of tapering and number of draws; people are the same in all rows of one length.
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

DRAWS: Final = (1024, 4096)
WAYS: Final = ("steps", "abrupt")
"""``steps`` of 2.5 to 20 % every two weeks, or an ``abrupt`` stop of one class after the other, from day 15 on."""
ABRUPT_PCT: Final = 100.0
_ONE: Final = ["classes", "days", "way", "draws", "number", "values", "ess", "khat", "passes", "mode_steps", "ms"]
_CELL: Final = _ONE[:4]


def fitted(classes: str, n_days: int, way: str, draws: int, number: int, seed: int) -> tuple[Any, ...]:
    """How one person's fit went, as a row of the finished file."""
    luck = np.random.default_rng([seed, number, n_days])
    pct = ABRUPT_PCT if way == "abrupt" else float(luck.choice(TAPERS_PCT))
    person = person_of("usual", classes, pct, n_days, luck)
    began = time.process_time()
    found = posterior_of(person.evidence, draws, seed)
    ms = 1000.0 * (time.process_time() - began)
    return (
        classes,
        n_days,
        way,
        draws,
        number,
        len(found.prior.names),
        found.ess,
        found.khat,
        found.passes,
        found.mode_steps,
        ms,
    )


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """A row for each cell; ``time_ratio`` is the median time over that of the fewest draws on the same people."""
    by = found.groupby(_CELL, sort=False)
    table = by.agg(
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
    least = table[table["draws"] == min(DRAWS)].set_index(_CELL[:3])["ms_median"]
    table["time_ratio"] = [row["ms_median"] / least.loc[tuple(row[_CELL[:3]])] for _, row in table.iterrows()]
    return table.round({"ess_median": 0, "ess_min": 0, "ms_median": 1, "ms_max": 1}).round(3).assign(code=code_hash())


def _fits(cell: tuple[Any, ...], n_people: int, seed: int) -> list[tuple[Any, ...]]:
    """Rows of everybody in a cell; compiled and the Sobol points made before anything is timed."""
    classes, n_days, way, draws = cell
    fitted(classes, n_days, way, draws, 0, seed)
    return [fitted(classes, n_days, way, draws, number, seed) for number in range(n_people)]


def main() -> None:
    """Run what is missing and write the table."""
    run_study(
        "effective draws, k-hat and time of the personal posterior",
        "run-sampling",
        30,
        _ONE,
        lambda n_people: product(CLASSES, LENGTHS_D, WAYS, DRAWS),
        _fits,
        summary,
        code_hash(),
    )


if __name__ == "__main__":
    main()
