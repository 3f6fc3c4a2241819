"""A clinic's patients over replications, and what they lose. Imports ``clinic``, ``comparison``, ``outcomes``.

A subgroup is left out of a replication in which fewer than ``tables.SMALLEST_CELL`` of its patients have the outcome,
as subgroups of ``service.csv`` are. Intervals are Student's, kept within what the outcome can be.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Floats
from taper_sim.clinic.replications import Estimate, estimate
from taper_sim.comparison.outcomes import BY_NAME, Outcome
from taper_sim.comparison.statistics import over_draws
from taper_sim.comparison.tables import DIFFERENCE_COLUMNS, SMALLEST_CELL, SUMMARY_COLUMNS

NEVER_SHORT: Final = "staff never short"


def outcome_tables(
    protocol: str, names: Sequence[str], people: Sequence[pd.DataFrame], masks: Sequence[pd.DataFrame], n_draws: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Outcomes of the patients of a protocol, and what they lose against staff that is never short.

    Parameters
    ----------
    protocol : str
    names : sequence of str
        Outcomes wanted.
    people : sequence of DataFrame
        A row a patient for each replication: every outcome, and ``free_`` with staff that is never short.
    masks : sequence of DataFrame
        Columns of subgroups, ``all`` among them, with the same rows.
    n_draws : int
        Draws of the parameters, which the replications take in turn.
    """
    summary, differences = [], []
    for name in names:
        outcome = BY_NAME[name]
        for group in dict.fromkeys(column for mask in masks for column in mask.columns):
            limited, change = [], []
            for one, mask in zip(people, masks, strict=True):
                who = mask[group].to_numpy() if group in mask else np.zeros(len(mask), dtype=bool)
                own, free = one[name].to_numpy()[who], one[f"free_{name}"].to_numpy()[who]
                limited.append(_enough(own, group))
                change.append(_enough(own - free, group))
            if any(map(len, limited)):
                summary.append((protocol, name, group, *_summary(outcome, limited, n_draws)))
            if any(map(len, change)):
                differences.append((protocol, NEVER_SHORT, name, group, *_difference(outcome, change, n_draws)))
    return (
        pd.DataFrame(summary, columns=[*SUMMARY_COLUMNS, "needed"]).astype({"needed": "Int64"}),
        pd.DataFrame(differences, columns=[*DIFFERENCE_COLUMNS, "needed"]).astype({"needed": "Int64"}),
    )


def _enough(values: Floats, group: str) -> Floats:
    """Those that are known; nothing where they are too few for a subgroup."""
    known = values[~np.isnan(values)]
    return known if group == "all" or len(known) >= SMALLEST_CELL else known[:0]


def _summary(outcome: Outcome, replications: Sequence[Floats], n_draws: int) -> tuple[object, ...]:
    known, found = np.concatenate(replications), _over(replications)
    spread = float(known.std(ddof=1)) if len(known) > 1 else 0.0
    return (
        _people(replications),
        found.mean,
        spread,
        *np.quantile(known, (0.05, 0.5, 0.95)),
        *_kept(found, outcome.ends),
        _mc_se(replications, n_draws),
        n_draws,
        False,
        outcome.unit,
        outcome.direction,
        found.needed,
    )


def _difference(outcome: Outcome, replications: Sequence[Floats], n_draws: int) -> tuple[object, ...]:
    better = {"lower": -1.0, "higher": 1.0}.get(outcome.direction, 0.0)
    least = outcome.important or 0.0
    gain, gap = better * np.concatenate(replications), _over(replications)
    ahead = np.array([better * values.mean() for values in replications if len(values)])
    return (
        gap.mean,
        *_kept(gap, outcome.difference_ends),
        float((ahead > 0).mean()),
        float((gain > least).mean()),
        float((gain < -least).mean()),
        _mc_se(replications, n_draws),
        _people(replications),
        outcome.unit,
        outcome.direction,
        gap.needed,
    )


def _over(replications: Sequence[Floats]) -> Estimate:
    return estimate([float(values.mean()) for values in replications if len(values)])


def _people(replications: Sequence[Floats]) -> int:
    """Patients a replication, of those in which there are any."""
    return round(float(np.mean([len(values) for values in replications if len(values)])))


def _mc_se(replications: Sequence[Floats], n_draws: int) -> float:
    """Monte Carlo error of the mean over patients, as in a comparison."""
    draw = np.repeat(np.arange(len(replications)) % n_draws, [len(values) for values in replications])
    return over_draws(np.concatenate(replications), draw).mc_se


def _kept(found: Estimate, ends: tuple[float, float]) -> tuple[float, float]:
    """The interval within what the outcome can be."""
    low, high = np.clip([found.lo95, found.hi95], *ends)
    return float(low), float(high)
