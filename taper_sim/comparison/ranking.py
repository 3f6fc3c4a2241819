"""Protocols ranked by a composite whose weights somebody states, and where the first place changes. Imports ``tables``.

Harms are counted as their own rows of the tables count them: as expected events where the run has them
(``expected_events``). The composite here may therefore differ slightly from the outcome ``composite``, which counts
events as they fell.

The chance of being best needs the means of all protocols together. Each difference of two protocols has a mean and a
variance (``statistics``). The variances of all pairs give the covariance of the means up to what all share, which moves
no rank; the means are taken as jointly normal (assumption A151).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Floats, Ints
from taper_sim.comparison.expected_events import expected_counts
from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.comparison.preferences import (
    COMPOSITE_WEIGHTS,
    FULL_STOP_KEY,
    HARM_NAMES,
    LOAD_OUTCOMES,
    counted_harms,
    loads_of,
    weighted_sum,
)
from taper_sim.comparison.statistics import ENDS_95, OverDraws, Sample, estimates, mixture_quantiles
from taper_sim.comparison.tables import TableCell
from taper_sim.rng import person_normals

RANKING_COLUMNS: Final = (
    "rank",
    "protocol",
    "n",
    "composite",
    "lo95",
    "hi95",
    "loads",
    "harms",
    "p_best",
    "rank_lo95",
    "rank_hi95",
    "behind_first",
    "behind_lo95",
    "behind_hi95",
    "rank_equal_loads",
    "rank_harms_doubled",
    "rank_harms_halved",
    "weights_of",
    "interval_reason",
)
FLIP_COLUMNS: Final = ("weight", "unit", "stated", "change", "value", "factor", "first")
HARM_FACTORS: Final = (2.0, 0.5)
"""Factors of the weights of all harms under which the ranks are repeated. Source: A151."""

_DRAWS: Final = 20_000  # of the means together: a chance has a standard error of 0.4 percentage points at most
_SEED: Final = 147  # the same for every run, so that the same tables give the same chances
_SAME: Final = 1e-9  # important differences below which two protocols share a place

Weights = Mapping[str, float]


@dataclass(frozen=True)
class Ranking:
    """A ranking by stated weights: ``ranking.csv``, and ``ranking_flips.csv``."""

    table: pd.DataFrame
    flips: pd.DataFrame


@dataclass(frozen=True)
class _Parts:
    """Means of the parts of the composite by protocol: loads (k, 4) with a full stop counted as 1, harms (k, h)."""

    loads: Floats
    harms: Floats
    names: tuple[str, ...]

    def loads_by(self, weights: Weights) -> Floats:
        """Weighted load of each protocol, (k,)."""
        worth = [weights[FULL_STOP_KEY] if name == "medication" else 1.0 for name in COMPOSITE_WEIGHTS]
        each = np.array([weights[name] for name in COMPOSITE_WEIGHTS])
        return np.asarray(self.loads @ (each * worth) / each.sum())

    def harms_by(self, weights: Weights) -> Floats:
        """Weighted harms of each protocol, (k,)."""
        return np.asarray(self.harms @ np.array([weights[name] for name in self.names]))

    def composite_by(self, weights: Weights) -> Floats:
        """The composite of each protocol, (k,)."""
        return self.loads_by(weights) + self.harms_by(weights)

    def with_harms(self, weights: Weights, factor: float) -> dict[str, float]:
        """The weights with those of all harms multiplied."""
        return {**weights, **{name: factor * weights[name] for name in self.names}}

    def ranks_by(self, weights: Weights) -> Ints:
        """Place of each protocol, 1 for the lowest composite, (k,); protocols alike share a place."""
        return _places(self.composite_by(weights)[None, :])[0]


def rank_protocols(
    protocols: Sequence[str], read: Mapping[str, Mapping[str, Floats]], draw: Ints, n: int, weights: Weights, whose: str
) -> Ranking:
    """Rank protocols by the composite.

    Parameters
    ----------
    protocols : sequence of str
        At least two, in the order of the scenario.
    read : mapping of protocol to mapping of outcome to ndarray, (n_rows,)
        One number a row: the people, then the same people under further draws.
    draw : ndarray of int, (n_rows,)
        Draw of each row.
    n : int
        Number of people.
    weights : mapping of str to float
        Of every load and every harm, and the worth of a full stop (``preferences``).
    whose : str
        Whose weights they are.

    Returns
    -------
    Ranking
        Composite in important differences; lower is better. Where too few people or harms exist, intervals and chances
        are missing and ``interval_reason`` says why.
    """
    parts, values, behind = _read_parts(protocols, read, n, weights)
    person = np.arange(len(draw)) % n
    samples = [Sample(each, draw, n, person) for each in values]
    reason = TableCell(BY_NAME["composite"], "composite", "all", samples[0], behind=behind).reason
    means, places = parts.composite_by(weights), parts.ranks_by(weights)
    first = int(np.argmin(means))
    k, no_number = len(protocols), np.full(len(protocols), np.nan)
    ends, apart = np.full((k, 2), np.nan), np.full((k, 2), np.nan)
    chance, lowest, highest = no_number, no_number, no_number
    if not reason:
        ends = mixture_quantiles(estimates(samples), ENDS_95)
        pairs = _pairs(samples)
        apart = np.array([_ends(pairs, row, first) for row in range(k)])
        chance, lowest, highest = _chances(means, _variances(pairs, k))
    table = pd.DataFrame(
        {
            "rank": places,
            "protocol": list(protocols),
            "n": n,
            "composite": means,
            "lo95": ends[:, 0],
            "hi95": ends[:, 1],
            "loads": parts.loads_by(weights),
            "harms": parts.harms_by(weights),
            "p_best": chance,
            "rank_lo95": lowest,
            "rank_hi95": highest,
            "behind_first": means - means[first],
            "behind_lo95": apart[:, 0],
            "behind_hi95": apart[:, 1],
            "rank_equal_loads": parts.ranks_by({**weights, **dict.fromkeys(COMPOSITE_WEIGHTS, 1.0)}),
            "rank_harms_doubled": parts.ranks_by(parts.with_harms(weights, HARM_FACTORS[0])),
            "rank_harms_halved": parts.ranks_by(parts.with_harms(weights, HARM_FACTORS[1])),
            "weights_of": whose,
            "interval_reason": reason,
        },
        columns=list(RANKING_COLUMNS),
    )
    table = table.sort_values("composite", kind="stable", ignore_index=True)
    return Ranking(table, _flips(protocols, parts, weights, first))


def _read_parts(
    protocols: Sequence[str], read: Mapping[str, Mapping[str, Floats]], n: int, weights: Weights
) -> tuple[_Parts, list[Floats], int | None]:
    """Means of the parts, the composite of every row by protocol, and the people with a harm where events are counted.

    A harm has expected events under every protocol or under none: a difference of the two would have no mean of 0.
    """
    harms = counted_harms(weights)
    outcomes = [BY_NAME[outcome] for outcome, _ in harms.values()]
    counted = set[str]()
    for each in protocols:
        of_protocol = read[each]
        counted |= {outcome.name for outcome in outcomes if expected_counts(outcome, of_protocol, n) is None}
    loads, events, values = [], [], []
    harmed = np.zeros(n, dtype=bool)
    for each in protocols:
        of_protocol = read[each]
        columns = {name: of_protocol[name] for name in LOAD_OUTCOMES.values()}
        for outcome in outcomes:
            happened = of_protocol[outcome.name]
            harmed |= happened[:n] > 0.0
            expected = None if outcome.name in counted else expected_counts(outcome, of_protocol, n)
            columns[outcome.name] = happened if expected is None else expected
        values.append(weighted_sum(columns, weights))
        of_person = loads_of({name: columns[name][:n] for name in LOAD_OUTCOMES.values()}, 1.0)
        alive = ~np.isnan(np.sum(list(of_person.values()), axis=0))
        loads.append([float(np.where(alive, of_person[name], 0.0).mean()) for name in COMPOSITE_WEIGHTS])
        events.append([float((columns[name][:n] / unit).mean()) for name, unit in harms.values()])
    parts = _Parts(np.array(loads), np.array(events), tuple(harms))
    return parts, values, int(harmed.sum()) if counted else None


_Pairs = Mapping[tuple[int, int], OverDraws]


def _pairs(samples: Sequence[Sample]) -> _Pairs:
    """The difference of every two protocols, a later one minus an earlier one; pairs that never differ are left out."""
    pairs: dict[tuple[int, int], OverDraws] = {}
    for one, sample in enumerate(samples):
        apart = {
            (other, one): Sample(samples[other].values - sample.values, sample.draw, sample.n, sample.person)
            for other in range(one + 1, len(samples))
        }
        differing = {key: each for key, each in apart.items() if np.abs(each.values).max() > _SAME}
        pairs |= dict(zip(differing, estimates(list(differing.values())), strict=True))
    return pairs


def _ends(pairs: _Pairs, row: int, first: int) -> tuple[float, float]:
    """Ends of the interval of a protocol minus the first."""
    if (row, first) in pairs:
        low, high = mixture_quantiles([pairs[row, first]], ENDS_95)[0]
        return float(low), float(high)
    if (first, row) in pairs:
        low, high = mixture_quantiles([pairs[first, row]], ENDS_95)[0]
        return -float(high), -float(low)
    return 0.0, 0.0


def _variances(pairs: _Pairs, k: int) -> Floats:
    """Variance of the difference of every two protocols, (k, k)."""
    variances = np.zeros((k, k))
    for (row, column), over in pairs.items():
        centre = float(over.weights @ over.centres)
        variances[row, column] = float(over.weights @ (over.centres - centre) ** 2) + over.width**2
    return variances + variances.T


def _chances(means: Floats, variances: Floats) -> tuple[Floats, Floats, Floats]:
    """Chance of being best, and the ends of the 95 % interval of the place, each (k,)."""
    k = len(means)
    centring = np.eye(k) - 1.0 / k
    spread, axes = np.linalg.eigh(-0.5 * centring @ variances @ centring)  # Torgerson 1952, Psychometrika 17:401
    root = axes * np.sqrt(np.maximum(spread, 0.0))
    drawn = means + person_normals(_SEED, np.arange(_DRAWS), k) @ root.T
    places = _places(drawn)
    shared = places == 1
    chance = (shared / shared.sum(axis=1, keepdims=True)).mean(axis=0)
    low, high = np.quantile(places, ENDS_95, axis=0, method="inverted_cdf")
    return np.asarray(chance), np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)


def _places(values: Floats) -> Ints:
    """Place of each value in its row, 1 for the lowest, (m, k); values alike share a place."""
    return np.asarray(1 + (values[:, None, :] < values[:, :, None] - _SAME).sum(axis=2), dtype=np.int64)


def _flips(protocols: Sequence[str], parts: _Parts, weights: Weights, first: int) -> pd.DataFrame:
    """For each weight the nearest lower and the nearest higher value at which another protocol takes the first place.

    The composite times the sum of the weights of the loads is linear in each single weight, so the value is exact.
    """
    units = {
        **dict.fromkeys(COMPOSITE_WEIGHTS, "weight of a load, beside the others"),
        **{name: f"important differences for {HARM_NAMES[name]}" for name in parts.names},
        FULL_STOP_KEY: "important differences for a full stop",
    }
    rows = []
    for name, unit in units.items():
        stated = float(weights[name])
        for change, of_rival in _crossings(parts, weights, name, first).items():
            nearest = min(of_rival, key=lambda rival: abs(of_rival[rival] - stated), default=None)
            value = np.nan if nearest is None else of_rival[nearest]
            factor = value / stated if stated > 0.0 else np.nan
            rows.append((name, unit, stated, change, value, factor, "" if nearest is None else protocols[nearest]))
    return pd.DataFrame(rows, columns=list(FLIP_COLUMNS))


def _crossings(parts: _Parts, weights: Weights, name: str, first: int) -> dict[str, dict[int, float]]:
    """Lower and higher values of one weight at which a rival's composite equals that of the first protocol."""
    gap_of = _gap(parts, weights, name, first)
    stated = float(weights[name])
    gap = gap_of(stated)
    slope = gap_of(stated + 1.0) - gap
    least = 0.0 if sum(weights[load] for load in COMPOSITE_WEIGHTS if load != name) > 0.0 else np.nextafter(0.0, 1.0)
    crossings: dict[str, dict[int, float]] = {"lower": {}, "higher": {}}
    for rival in range(len(gap)):
        if rival == first or abs(slope[rival]) <= _SAME * _SAME or gap[rival] <= _SAME:
            continue
        value = stated - float(gap[rival] / slope[rival])
        if value >= least:
            crossings["lower" if value < stated else "higher"][rival] = value
    return crossings


def _gap(parts: _Parts, weights: Weights, name: str, first: int) -> Callable[[float], Floats]:
    """How far each protocol is behind the first, times the sum of the loads' weights, as a function of one weight."""

    def gap_of(value: float) -> Floats:
        changed = {**weights, name: value}
        composite = parts.composite_by(changed) * sum(changed[load] for load in COMPOSITE_WEIGHTS)
        return np.asarray(composite - composite[first])

    return gap_of
