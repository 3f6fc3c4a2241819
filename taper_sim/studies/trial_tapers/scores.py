"""How good chances of categories were: log loss, Brier, ranked, calibration; intervals over people. Pure arithmetic."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taper_sim.array_types import Bools, Floats, Ints

SCORES = ("log_loss", "brier", "rps", "brier_withdrawal")
"""Mean over visits, lower is better: minus the log of the chance of what was found; squared errors over categories,
and over their cumulated chances (ranked); squared error of the chance of any withdrawal (category 1 or above)."""


def scored(chances: Floats, category: Ints) -> dict[str, Floats]:
    """Each score of each visit, (n_visits,), from chances (n_visits, n_categories)."""
    found = np.eye(chances.shape[1])[category]
    p = np.take_along_axis(chances, category[:, None], axis=1)[:, 0]
    return {
        "log_loss": -np.log(np.maximum(p, 1e-12)),
        "brier": ((chances - found) ** 2).sum(axis=1),
        "rps": (np.cumsum(chances - found, axis=1)[:, :-1] ** 2).sum(axis=1),
        "brier_withdrawal": (chances[:, 0] - found[:, 0]) ** 2,
    }


def mean_and_interval(each: Floats, who: NDArray[np.str_], seed: int, replicates: int = 4000) -> tuple[float, ...]:
    """Mean over visits, and its 95 % interval over people drawn with replacement (a person keeps all her visits)."""
    _, number = np.unique(who, return_inverse=True)
    total, visits = np.bincount(number, weights=each), np.bincount(number)
    n = len(total)
    drawn = np.random.default_rng([seed, n]).multinomial(n, np.full(n, 1.0 / n), size=replicates)
    low, high = np.quantile((drawn @ total) / (drawn @ visits), [0.025, 0.975])
    return float(each.mean()), float(low), float(high)


def calibration(chance: Floats, happened: Bools, n_bins: int = 6) -> pd.DataFrame:
    """Chance against share, in bins of equally many visits: ``n, chance, share, lo95, hi95`` (Wilson)."""
    order = np.argsort(chance, kind="stable")
    rows = []
    for part in np.array_split(order, n_bins):
        n, share = len(part), float(happened[part].mean())
        middle, z2 = (share + 1.96**2 / (2 * n)) / (1 + 1.96**2 / n), 1.96**2
        half = 1.96 * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
        rows.append((n, float(chance[part].mean()), share, middle - half, middle + half))
    return pd.DataFrame(rows, columns=["n", "chance", "share", "lo95", "hi95"])
