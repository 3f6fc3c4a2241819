"""Tables of a clinic run over replications: outcomes and service. Imports ``clinic``, ``comparison``.

A replication in which fewer than ``SMALLEST_CELL`` patients of a subgroup have the outcome does not count for that
subgroup, as in ``service.csv``. Intervals are Student's, clipped to the range of the outcome.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Floats
from taper_sim.clinic.replications import Estimate, estimate, late_growth, mser5
from taper_sim.clinic.service import KEY
from taper_sim.comparison.outcomes import BY_NAME, Outcome
from taper_sim.comparison.statistics import over_draws
from taper_sim.comparison.tables import DIFFERENCE_COLUMNS, SMALLEST_CELL, SUMMARY_COLUMNS
from taper_sim.simulation.ensemble import Ensemble

UNLIMITED_STAFF: Final = "staff never short"
"""Reference in ``differences.csv`` and the manifest; the value is part of the file format."""


def outcome_tables(
    protocol: str,
    names: Sequence[str],
    people: Sequence[pd.DataFrame],
    masks: Sequence[pd.DataFrame],
    ensemble: Ensemble,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Outcomes of the patients of a protocol, and their differences from unlimited staff.

    Parameters
    ----------
    protocol : str
    names : sequence of str
        Names of the outcomes.
    people : sequence of DataFrame
        For each replication a row a patient: every outcome, and with the prefix ``free_`` that of unlimited staff.
    masks : sequence of DataFrame
        For each replication a column a subgroup, ``all`` among them, with the same rows.
    ensemble : Ensemble
        Draws of the parameters; the replications take them in turn.

    Returns
    -------
    DataFrame
        Summary: ``SUMMARY_COLUMNS`` without those on the interval over draws, and ``needed``.
    DataFrame
        Differences: ``DIFFERENCE_COLUMNS``, in the same way.
    """
    summary, differences = [], []
    for name in names:
        outcome = BY_NAME[name]
        for group in dict.fromkeys(column for mask in masks for column in mask.columns):
            limited, change = [], []
            for patients, mask in zip(people, masks, strict=True):
                who = mask[group].to_numpy() if group in mask else np.zeros(len(mask), dtype=bool)
                served, free = patients[name].to_numpy()[who], patients[f"free_{name}"].to_numpy()[who]
                limited.append(_enough(served, group))
                change.append(_enough(served - free, group))
            if any(map(len, limited)):
                summary.append((protocol, name, group, *_summary(outcome, limited, ensemble)))
            if any(map(len, change)):
                differences.append(
                    (protocol, UNLIMITED_STAFF, name, group, *_difference(outcome, change, ensemble.n_draws))
                )
    return (
        pd.DataFrame(summary, columns=[*_own(SUMMARY_COLUMNS), "needed"]).astype({"needed": "Int64"}),
        pd.DataFrame(differences, columns=[*_own(DIFFERENCE_COLUMNS), "needed"]).astype({"needed": "Int64"}),
    )


def _own(columns: Sequence[str]) -> list[str]:
    """Columns without method and reason of an interval over draws: a clinic's intervals are over replications."""
    return [name for name in columns if not name.startswith("interval_")]


def _enough(values: Floats, group: str) -> Floats:
    """Values that are not missing; an empty array if they are too few for a subgroup."""
    known = values[~np.isnan(values)]
    return known if group == "all" or len(known) >= SMALLEST_CELL else known[:0]


def _summary(outcome: Outcome, replications: Sequence[Floats], ensemble: Ensemble) -> tuple[object, ...]:
    known, mean = np.concatenate(replications), _over(replications)
    spread = float(known.std(ddof=1)) if len(known) > 1 else 0.0
    return (
        _people(replications),
        mean.mean,
        spread,
        *np.quantile(known, (0.05, 0.5, 0.95)),
        *_clipped(mean, outcome.ends),
        _mc_se(replications, ensemble.n_draws),
        ensemble.n_draws,
        ensemble.calibrated,
        outcome.unit,
        outcome.direction,
        mean.needed,
    )


def _difference(outcome: Outcome, replications: Sequence[Floats], n_draws: int) -> tuple[object, ...]:
    better = {"lower": -1.0, "higher": 1.0}.get(outcome.direction, 0.0)
    least = outcome.important or 0.0
    gain, gap = better * np.concatenate(replications), _over(replications)
    ahead = np.array([better * values.mean() for values in replications if len(values)])
    return (
        gap.mean,
        *_clipped(gap, outcome.difference_ends),
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
    """Mean number of patients a replication, over replications that have any."""
    return round(float(np.mean([len(values) for values in replications if len(values)])))


def _mc_se(replications: Sequence[Floats], n_draws: int) -> float:
    """Monte Carlo standard error of the mean over patients, as in a comparison."""
    draw = np.repeat(np.arange(len(replications)) % n_draws, [len(values) for values in replications])
    return over_draws(np.concatenate(replications), draw).mc_se


def _clipped(mean: Estimate, ends: tuple[float, float]) -> tuple[float, float]:
    """The interval, clipped to the range of the outcome."""
    low, high = np.clip([mean.lo95, mean.hi95], *ends)
    return float(low), float(high)


def service_table(
    numbers: Mapping[str, Sequence[pd.DataFrame]], load: Mapping[str, Sequence[pd.DataFrame]]
) -> pd.DataFrame:
    """Metrics of the service over replications, with the warm-up and the number of replications each would need.

    Parameters
    ----------
    numbers, load : mapping of str to sequence of DataFrame
        By protocol, for each replication: the metrics (``clinic.service.metrics``, and ``after_warm_up``), and the
        daily load by role.
    """
    rows = []
    for protocol, series in load.items():
        roles = sorted({role for daily in series for role in daily.columns})
        warm = {
            role: mser5(np.mean([daily[role].to_numpy() for daily in series if role in daily], axis=0))
            for role in roles
        }
        table = pd.concat([metrics.assign(replication=r) for r, metrics in enumerate(numbers[protocol])])
        for key, rows_of in table.groupby(KEY, sort=False):
            mean = estimate(rows_of.sort_values("replication")["value"].to_numpy())
            settled = warm.get(str(key[1]))
            later = estimate(rows_of["after_warm_up"].to_numpy())
            rows.append(
                (
                    protocol,
                    *key,
                    mean.mean,
                    mean.lo95,
                    mean.hi95,
                    mean.n,
                    mean.needed,
                    later.mean,
                    None if settled is None else settled.length,
                    None if settled is None else settled.settled,
                )
            )
        for role in roles:
            growth = estimate([late_growth(daily[role].to_numpy()) if role in daily else 0.0 for daily in series])
            if growth.n:
                rows.append(
                    (
                        protocol,
                        "queue_growth",
                        role,
                        "",
                        "all",
                        "waiting, last quarter of the days less the one before",
                        growth.mean,
                        growth.lo95,
                        growth.hi95,
                        growth.n,
                        growth.needed,
                        np.nan,
                        warm[role].length,
                        warm[role].settled,
                    )
                )
    columns = [
        "protocol",
        *KEY,
        "mean",
        "lo95",
        "hi95",
        "n_replications",
        "needed",
        "after_warm_up",
        "warm_up_d",
        "settled",
    ]
    frame = pd.DataFrame(rows, columns=columns)
    most = np.where(frame["unit"].str.startswith("share"), 1.0, np.inf)
    least = np.where(frame["metric"] == "queue_growth", -np.inf, 0.0)  # every other metric is a count, a time or a cost
    frame["lo95"], frame["hi95"] = frame["lo95"].clip(lower=least), frame["hi95"].clip(upper=most)
    return frame.astype({"needed": "Int64", "warm_up_d": "Int64", "settled": "boolean"})
