"""How good the importance sampler is on the full model: effective draws, k-hat, passes, time. Imports ``simulated``.

``python -m taper_sim.inference.sampling --out docs/tables/sampling.csv`` goes on where it stopped. A row for each set
of classes, length, way of tapering and number of draws; people are the same in all rows of one length.
"""

import argparse
import time
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.inference.calibration import LENGTHS_D, TAPERS_PCT, code_hash
from taper_sim.inference.patient import KHAT_LIMIT, posterior_of
from taper_sim.inference.simulated import CLASSES, person_of

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
    return (classes, n_days, way, draws, number, len(found.prior.names), found.ess, found.khat, found.passes,
            found.mode_steps, ms)  # fmt: skip


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """A row for each cell; ``time_ratio`` is the median time over that of the fewest draws on the same people."""
    by = found.groupby(_CELL, sort=False)
    table = by.agg(
        people=("number", "size"), values=("values", "first"), ess_median=("ess", "median"), ess_min=("ess", "min"),
        khat_median=("khat", "median"), khat_max=("khat", "max"),
        khat_over=("khat", lambda k: float(np.mean(k > KHAT_LIMIT))),
        second_pass=("passes", lambda k: float(np.mean(k > 1))), passes_max=("passes", "max"),
        mode_steps=("mode_steps", "median"), ms_median=("ms", "median"), ms_max=("ms", "max"),
    ).reset_index()  # fmt: skip
    least = table[table["draws"] == min(DRAWS)].set_index(_CELL[:3])["ms_median"]
    table["time_ratio"] = [row["ms_median"] / least.loc[tuple(row[_CELL[:3]])] for _, row in table.iterrows()]
    return table.round({"ess_median": 0, "ess_min": 0, "ms_median": 1, "ms_max": 1}).round(3).assign(code=code_hash())


def main() -> None:
    """Run what is missing and write the table."""
    parser = argparse.ArgumentParser(description="effective draws, k-hat and time of the personal posterior")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--finished", type=Path, default=Path("run-sampling"), help="folder of what is finished")
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    kept = args.finished / f"fits-{code_hash()}.csv"
    args.finished.mkdir(parents=True, exist_ok=True)
    found = pd.read_csv(kept) if kept.exists() else pd.DataFrame(columns=_ONE)
    done = set(found[_CELL].itertuples(index=False, name=None))
    for cell in product(CLASSES, LENGTHS_D, WAYS, DRAWS):
        if cell in done:
            continue
        fitted(*cell, 0, args.seed)  # compiled and the Sobol points made before anything is timed
        new = pd.DataFrame([fitted(*cell, number, args.seed) for number in range(args.people)], columns=_ONE)
        found = pd.concat([found, new], ignore_index=True) if len(found) else new
        found.to_csv(kept, index=False)
        print(*cell, flush=True)
    summary(found).to_csv(args.out, index=False)
    print(summary(found).to_string())


if __name__ == "__main__":
    main()
