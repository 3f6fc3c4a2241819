"""Coverage of the intervals of a comparison on made-up people with known truth. Imports ``comparison``, ``studies``.

``python -m taper_sim.studies.interval_coverage --out docs/tables/interval_coverage.csv`` resumes an interrupted study;
``--people`` is the number of repetitions of a piece.

No patient is simulated. A population has an effect of the draw, an effect of the person, and chance. The tables of
``comparison.tables`` estimate the mean from a sample of people over the draws. The truth is the mean of the whole
population under a further draw. A piece counts how often an interval is printed, and how often it contains the truth.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import binom

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.comparison import between_draws, replicates, statistics, tables
from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.comparison.replicates import n_replicates
from taper_sim.comparison.tables import difference_rows, summary_rows
from taper_sim.provenance import hash_of
from taper_sim.studies.resumable import StudyPiece, run_study

COHORT_SIZES: Final = (20, 60, 200, 1000, 4000, 40_000)
DRAWS: Final = (20, 200)
RATES: Final = (0.001, 0.01, 0.1, 0.3)
REPETITIONS: Final = 400
SUBGROUP_SHARE: Final = 0.05

# Sizes of the made-up effects, in standard deviations of a person where not said otherwise: design choices. Draws
# differ about as in the shipped ensemble: the mean change of pain by 0.3 of a person's sd, log odds of events by 0.7.
_DRAW_SD: Final = 0.3
_PERSON_SD: Final = 0.7
_LOG_ODDS_SD: Final = 0.7
_RISK_SD: Final = 0.5
_SKEW: Final = 0.8
_NONE: Final = 0.0  # rate of a target without events
_BASE: Final = 5.0  # keeps a made-up pain within its scale
_COLUMNS: Final = [
    "target",
    "rate",
    "draws",
    "people",
    "repetitions",
    "printed",
    "covered",
    "below",
    "width",
    "p_better",
    "better",
]


@dataclass(frozen=True)
class MadeUp:
    """A sample of people over draws, and the truth under a further draw.

    Attributes
    ----------
    values : mapping of str to ndarray, (n_rows,)
        Values by protocol: people first, then replicate by replicate.
    draw : ndarray of int, (n_rows,)
    groups : mapping of subgroup to mask (n,)
    truth : float
        Mean under the further draw, of the difference if there are two protocols.
    """

    values: Mapping[str, Floats]
    draw: Ints
    groups: Mapping[str, Bools]
    truth: float


@dataclass(frozen=True)
class _Design:
    """People, draws and random numbers of one repetition."""

    rng: np.random.Generator
    n: int
    n_draws: int

    def rows(self) -> tuple[Ints, Ints]:
        """Person and draw of each row, with the replicates that a comparison would have."""
        several = n_replicates(self.n, self.n_draws)
        own = np.arange(self.n) % self.n_draws
        draws = [(own + number * self.n_draws // several) % self.n_draws for number in range(several)]
        return np.tile(np.arange(self.n), several), np.concatenate(draws)

    def effects(self) -> tuple[Floats, float]:
        """Standard normal effect of each draw, and of the further draw."""
        z = self.rng.normal(size=self.n_draws + 1)
        return z[:-1], float(z[-1])

    def people(self, sd: float) -> Floats:
        """Effect of each person, (n,)."""
        return self.rng.normal(size=self.n) * sd


def _skewed(z: Any) -> Any:
    """A log-normal variable with mean 0 and standard deviation 1 from a standard normal one."""
    square = np.exp(_SKEW**2)
    return (np.exp(_SKEW * z) - np.sqrt(square)) / np.sqrt((square - 1.0) * square)


def _number(d: _Design, rate: float, *, shape: Callable[[Any], Any] = lambda z: z, tail: bool = False) -> MadeUp:
    person, draw = d.rows()
    z, further = d.effects()
    chance = d.rng.normal(size=len(draw)) * np.sqrt(1.0 - _PERSON_SD**2)
    values = _BASE + _DRAW_SD * shape(z)[draw] + d.people(_PERSON_SD)[person] + chance
    truth = _BASE + _DRAW_SD * float(shape(further)) + (_NORMAL_TAIL if tail else 0.0)
    return MadeUp({"a": values}, draw, _everybody(d.n), truth)


_NORMAL_TAIL: Final = 2.062713  # mean of the worst 5 % of a standard normal variable


def _everybody(n: int) -> dict[str, Bools]:
    return {"all": np.ones(n, dtype=bool)}


def _subgroup(d: _Design, rate: float) -> MadeUp:
    """A subgroup with an effect of the draw of its own besides that of everybody."""
    made = _number(d, rate)
    mask = d.rng.random(d.n) < SUBGROUP_SHARE
    mask[0] = True  # a table has no row of an empty subgroup
    own, further = d.effects()
    person = np.arange(len(made.draw)) % d.n
    values = made.values["a"] + np.where(mask[person], _DRAW_SD * own[made.draw], 0.0)
    return MadeUp({"a": values}, made.draw, {"all": mask}, made.truth + _DRAW_SD * further)


def _shares(rate: float, effect: Any, risk: Any) -> Any:
    return expit(logit(rate) + effect + risk)


_RISKS: Final = np.polynomial.hermite_e.hermegauss(40)


def _mean_share(rate: float, effect: float) -> float:
    """Mean share of the population, over people's risks."""
    points, weights = _RISKS
    return float(weights @ _shares(rate, effect, _RISK_SD * points) / weights.sum())


def _share(d: _Design, rate: float) -> MadeUp:
    person, draw = d.rows()
    z, further = d.effects()
    risk = d.people(_RISK_SD)[person]
    had = d.rng.random(len(draw)) < _shares(rate, _LOG_ODDS_SD * z[draw], risk)
    truth = _mean_share(rate, _LOG_ODDS_SD * further)
    return MadeUp({"a": had.astype(np.float64)}, draw, _everybody(d.n), truth)


def _difference(d: _Design, rate: float) -> MadeUp:
    """Two protocols on the same people: most of a person's luck is common to both."""
    made = _number(d, rate)
    z, further = d.effects()
    shift = 0.1 + 0.5 * _DRAW_SD * z[made.draw] + 0.3 * d.rng.normal(size=len(made.draw))
    truth = 0.1 + 0.5 * _DRAW_SD * further
    return MadeUp({"a": made.values["a"] + shift, "b": made.values["a"]}, made.draw, made.groups, truth)


def _difference_of_shares(d: _Design, rate: float) -> MadeUp:
    """Two protocols on the same people with the same uniform number for the event of each."""
    person, draw = d.rows()
    (z, further), (other, further_other) = d.effects(), d.effects()
    risk, chance = d.people(_RISK_SD)[person], d.rng.random(len(draw))
    base, more = _LOG_ODDS_SD * z, 0.3 + 0.4 * other
    had = {
        "a": (chance < _shares(rate, (base + more)[draw], risk)).astype(np.float64),
        "b": (chance < _shares(rate, base[draw], risk)).astype(np.float64),
    }
    after = _LOG_ODDS_SD * further + 0.3 + 0.4 * further_other
    truth = _mean_share(rate, after) - _mean_share(rate, _LOG_ODDS_SD * further)
    return MadeUp(had, draw, _everybody(d.n), truth)


@dataclass(frozen=True)
class _Target:
    """What is estimated: outcome of the tables, its row, and how people are made up."""

    outcome: str
    row: str
    make: Callable[[_Design, float], MadeUp]
    rates: tuple[float, ...] = (_NONE,)


TARGETS: Final[Mapping[str, _Target]] = {
    "mean": _Target("pain_nrs", "pain_nrs", _number),
    "mean, skewed draws": _Target("pain_nrs", "pain_nrs", lambda d, rate: _number(d, rate, shape=_skewed)),
    "mean of a subgroup of 5 %": _Target("pain_nrs", "pain_nrs", _subgroup),
    "worst 5 %": _Target("pain_nrs", "pain_nrs_cvar95", lambda d, rate: _number(d, rate, tail=True)),
    "share": _Target("overdose", "overdose", _share, RATES),
    "difference of means": _Target("pain_nrs", "pain_nrs", _difference),
    "difference of shares": _Target("overdose", "overdose", _difference_of_shares, RATES),
}


def repeat(piece: StudyPiece, repetitions: int, seed: int) -> Iterator[tuple[Any, ...]]:
    """One row: how often an interval is printed in repetitions of a piece, and contains the truth.

    Parameters
    ----------
    piece : tuple
        Target, rate, number of draws and number of people.
    repetitions : int
    seed : int
    """
    name, rate, n_draws, n_people = piece
    target = TARGETS[str(name)]
    numbers = [seed, list(TARGETS).index(str(name)), round(1e6 * rate), int(n_draws), int(n_people)]
    rng = np.random.default_rng(numbers)
    covered = below = 0
    widths: list[float] = []
    chances: list[tuple[float, bool]] = []
    for _ in range(repetitions):
        made = target.make(_Design(rng, int(n_people), int(n_draws)), float(rate))
        row = _estimate(made, target)
        if row is None or np.isnan(row["lo95"]):
            continue
        widths.append(row["hi95"] - row["lo95"])
        covered += row["lo95"] <= made.truth <= row["hi95"]
        below += made.truth < row["lo95"]
        if "p_better" in row:
            chances.append((row["p_better"], made.truth < 0.0))
    better = np.mean(chances, axis=0) if chances else (np.nan, np.nan)
    width = float(np.median(widths)) if widths else np.nan
    yield (*piece, repetitions, len(widths), covered, below, width, *better)


def _estimate(made: MadeUp, target: _Target) -> dict[str, Any] | None:
    """Row of the tables for the target; None if nobody is in it."""
    outcome = BY_NAME[target.outcome]
    reads = {protocol: {outcome.name: values} for protocol, values in made.values.items()}
    if len(reads) == 1:
        rows = summary_rows("a", [outcome], reads["a"], made.draw, made.groups, calibrated=False)
    else:
        rows = difference_rows("a", "b", [outcome], reads, made.draw, made.groups)
    return next((row for row in rows if row["outcome"] == target.row), None)


def pieces(repetitions: int) -> list[StudyPiece]:
    """Every target, rate, number of draws and number of people."""
    return [
        (name, rate, n_draws, n_people)
        for name, target in TARGETS.items()
        for rate in target.rates
        for n_draws in DRAWS
        for n_people in COHORT_SIZES
    ]


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Shares from counts.

    ``printed`` is the share of repetitions with an interval. ``coverage`` is the share of intervals with the truth in
    them, ``below`` the share with the truth below; ``lo95`` and ``hi95`` are where a coverage of 0.95 would be found in
    95 % of studies of this size. ``wrong`` is the share of all repetitions in which an interval without the truth is
    printed. ``p_better`` is the mean probability that the first protocol is better, ``better`` how often it is.
    """
    printed = rows["printed"].to_numpy(dtype=float)
    shown = np.where(printed > 0, printed, np.nan)
    low, high = (binom.ppf(q, np.nan_to_num(shown, nan=1.0), 0.95) / shown for q in (0.025, 0.975))
    table = rows[["target", "rate", "draws", "people", "repetitions"]].assign(
        printed=printed / rows["repetitions"],
        coverage=rows["covered"] / shown,
        lo95=low,
        hi95=high,
        below=rows["below"] / shown,
        wrong=(printed - rows["covered"]) / rows["repetitions"],
        width=rows["width"],
        p_better=rows["p_better"],
        better=rows["better"],
    )
    return table.round(4).assign(code=code_hash())


def code_hash() -> str:
    """Hash of the code that the table describes."""
    fewest = [tables.FEWEST_EVENTS, tables.FEWEST_CHANGED, tables.FEWEST_IN_TAIL, tables.SMALLEST_CELL]
    estimators = (between_draws, replicates, statistics, tables.TableCell, summary_rows, difference_rows)
    return hash_of(*estimators, sys.modules[__name__], numbers=fewest)


if __name__ == "__main__":
    run_study(str(__doc__), "run-interval-coverage", REPETITIONS, _COLUMNS, pieces, repeat, summary, code_hash())
