"""Scores of predictive probabilities of categories: log loss, Brier, ranked, calibration. Imports ``array_types``.

Intervals come from a bootstrap over people.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taper_sim.array_types import Bools, Floats, Ints

SCORE_NAMES = ("log_loss", "brier", "rps", "brier_withdrawal")
"""Scores, means over visits, lower is better: minus the log probability of the observed category; squared errors of the
probabilities (Brier); squared errors of the cumulative probabilities (ranked); squared error of the probability of any
withdrawal (category 1 or above)."""


def category_scores(chances: Floats, category: Ints) -> dict[str, Floats]:
    """Scores of each visit, (n_visits,), from probabilities (n_visits, n_categories) and observed categories."""
    observed = np.eye(chances.shape[1])[category]
    p = np.take_along_axis(chances, category[:, None], axis=1)[:, 0]
    return {
        "log_loss": -np.log(np.maximum(p, 1e-12)),
        "brier": ((chances - observed) ** 2).sum(axis=1),
        "rps": (np.cumsum(chances - observed, axis=1)[:, :-1] ** 2).sum(axis=1),
        "brier_withdrawal": (chances[:, 0] - observed[:, 0]) ** 2,
    }


def mean_and_interval(values: Floats, who: NDArray[np.str_], seed: int, replicates: int = 4000) -> tuple[float, ...]:
    """Mean over visits and its 95 % interval, by a bootstrap that resamples people with all their visits.

    Parameters
    ----------
    values : ndarray, (n_visits,)
    who : ndarray of str, (n_visits,)
        Person of each visit.
    seed, replicates : int

    Returns
    -------
    tuple of float
        Mean, lower and upper end.
    """
    _, number = np.unique(who, return_inverse=True)
    total, visits = np.bincount(number, weights=values), np.bincount(number)
    n = len(total)
    drawn = np.random.default_rng([seed, n]).multinomial(n, np.full(n, 1.0 / n), size=replicates)
    low, high = np.quantile((drawn @ total) / (drawn @ visits), [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def calibration(chance: Floats, event: Bools, n_bins: int = 6) -> pd.DataFrame:
    """Calibration table in bins of equally many visits: ``n``, mean probability, observed share, Wilson interval."""
    order = np.argsort(chance, kind="stable")
    rows = []
    for part in np.array_split(order, n_bins):
        n, share = len(part), float(event[part].mean())
        middle, z2 = (share + 1.96**2 / (2 * n)) / (1 + 1.96**2 / n), 1.96**2
        half = 1.96 * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
        rows.append((n, float(chance[part].mean()), share, middle - half, middle + half))
    return pd.DataFrame(rows, columns=["n", "chance", "share", "lo95", "hi95"])
