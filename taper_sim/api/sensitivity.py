"""Which parameter decides: one at a time, and over shared draws of all. Imports ``api``, ``simulation``.

One at a time, a parameter is held at the 5th and at the 95th percentile of its prior and the rest at their centres, for
the same people with the same chance events. Rank correlation and first-order index are over the draws of all parameters
together (:mod:`taper_sim.api.draw_sensitivity`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from taper_sim.api import display
from taper_sim.api.arguments import names_checked
from taper_sim.api.cohorts import People
from taper_sim.api.cohorts import people as people_from
from taper_sim.api.comparison import Comparison, compare, people_of
from taper_sim.api.draw_sensitivity import first_order_index, rank_correlation
from taper_sim.api.protocols import Protocol
from taper_sim.api.varied_parameters import VariedParameter, varied_parameters
from taper_sim.array_types import Floats
from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.simulation.ensemble import CENTRES, Ensemble, drawn_from, from_prior

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FILE: Final = "sensitivity"
DEFAULT_OUTCOMES: Final = ("dose_reduction_pct", "withdrawal_peak", "pain_nrs_change", "function_change")
_LOW_HIGH: Final = (0.05, 0.95)
_SCREENING_DRAWS: Final = 4096  # draws of the prior for percentiles; they cost random numbers only
_COLUMNS: Final = (
    "parameter",
    "outcome",
    "low_value",
    "high_value",
    "outcome_at_low",
    "outcome_at_high",
    "swing",
    "rank_correlation",
    "lo95",
    "hi95",
    "n_draws",
    "first_order",
    "first_order_lo95",
    "first_order_hi95",
)


@dataclass(eq=False)
class Sensitivity:
    """Sensitivity of a protocol's outcomes, or of its difference from the reference, to the parameters.

    Attributes
    ----------
    frame : DataFrame
        ``parameter, outcome, low_value, high_value`` (5th and 95th percentile of the prior; NaN where several drug
        classes have each its own), ``outcome_at_low``, ``outcome_at_high``, ``swing`` (their difference),
        ``rank_correlation`` with ``lo95, hi95`` over ``n_draws``, ``first_order`` (share of the variance over draws
        that the parameter explains alone) with ``first_order_lo95, first_order_hi95``.
    what : str
        Protocol of the outcomes, and the reference, in words.
    calibrated : bool
        Whether the draws were fitted to published results.
    """

    frame: pd.DataFrame
    what: str
    calibrated: bool = False

    def plot(self, outcome: str | None = None) -> "Figure":
        """Draw a tornado beside the rank correlations, the widest swing first.

        Parameters
        ----------
        outcome : str, optional
            The first if omitted.
        """
        from taper_sim.api.other_plots import tornado_figure

        known = list(dict.fromkeys(self.frame["outcome"]))
        name = known[0] if outcome is None else outcome
        if name not in known:
            given = f"{shown(name)}{nearest(name, known)}"
            raise InputError(Problem("plot", "outcome", given, ", ".join(known)))
        return tornado_figure(self.frame[self.frame["outcome"] == name], name, self.what)

    def _lines(self) -> list[str]:
        lines = []
        for name, rows in self.frame.groupby("outcome", sort=False):
            widest = rows.iloc[int(rows["swing"].abs().to_numpy().argmax())]
            lines.append(
                f"{name}: {widest['parameter']} changes it most, from {widest['outcome_at_low']:.3g} to "
                f"{widest['outcome_at_high']:.3g}."
            )
        return [f"Of {self.what}.", *lines, display.basis_line(self.calibrated)]

    def __repr__(self) -> str:
        return "\n".join([*self._lines(), self.frame.round(3).to_string(index=False)])

    def _repr_html_(self) -> str:
        return display.paragraphs(self._lines()) + display.table_html(self.frame)


@names_checked
def sensitivity(
    what: Comparison | People | str | Path,
    parameters: Sequence[str] | None = None,
    *,
    protocols: Sequence[Protocol] | Protocol | None = None,
    protocol: str | None = None,
    outcomes: Sequence[str] = DEFAULT_OUTCOMES,
    days: int | None = None,
    draws: int = 50,
    seed: int | None = None,
    patients: int | None = None,
    progress: bool = True,
) -> Sensitivity:
    """Vary parameters one at a time, and relate outcomes to all of them over shared draws.

    Parameters
    ----------
    what : Comparison, People or path
        A comparison (its people and protocols), people with ``protocols``, or a scenario.
    parameters : sequence of str, optional
        Symbols of docs/parameters.md; those of withdrawal, dose response and pain if omitted. A symbol with a value for
        each drug class varies in every class that the people take, each class at its own percentile; ``sigma_opioid``
        varies it in one class. By default, people on several classes get a row for each class.
    protocols : sequence, optional
        As in :func:`taper_sim.compare`.
    protocol : str, optional
        Protocol of the outcomes; the last if omitted. With a reference, the difference from the reference.
    outcomes : sequence of str, optional
    days, seed, patients : int, optional
        As in :func:`taper_sim.compare`.
    draws : int, optional
        Draws of all parameters together, for rank correlations (four at least) and first-order indices (twenty).
    progress : bool, optional

    Returns
    -------
    Sensitivity

    Raises
    ------
    InputError
        For an unknown parameter, protocol or outcome, with the nearest name, and for a class that nobody takes.

    Examples
    --------
    >>> import taper_sim as ts
    >>> cohort = ts.people(60, drug="morphine ER", mg_per_day=90)
    >>> result = ts.sensitivity(cohort, ["sigma"], protocols=["abrupt()"], outcomes=["withdrawal_peak"],
    ...                         days=14, draws=6, progress=False)
    >>> row = result.frame.iloc[0]
    >>> bool(row["outcome_at_low"] < row["outcome_at_high"])
    True
    """
    unknown = [name for name in outcomes if name not in BY_NAME]
    if unknown:
        raise InputError(
            Problem(
                _FILE, "outcomes", f"{shown(name)}{nearest(str(name), BY_NAME)}", "outcomes of `taper-sim outcomes`"
            )
            for name in unknown
        )
    shared: dict[str, Any] = {"days": days, "seed": seed, "outcomes": list(outcomes), "progress": progress}
    fixed: dict[str, float] = {}
    if isinstance(what, Comparison):
        entry = what.manifest["scenario"]
        if what.cohort is None:
            raise problem(_FILE, "what", "a run whose patients file was removed", "a run with its people")
        people = people_of(what)
        shared |= {"people": people, "care": entry["care"], "days": days or int(entry["days"])}
        protocols = protocols or [{k: v for k, v in e.items() if v is not None} for e in entry["protocols"]]
        fixed = entry["parameters"]
        shared |= {"draws_from": entry["draws_from"]}
    elif isinstance(what, People):
        people = what
        shared["people"] = people
    else:
        people = people_from(patients, scenario=what, seed=seed)
        shared |= {"scenario": Path(what), "patients": patients}
    varied = varied_parameters(parameters, people.cohort.taken, _FILE)

    def compared(n_draws: int, changes: Mapping[str, float]) -> tuple[Comparison, Floats]:
        done = compare(protocols=protocols, draws=n_draws, parameters={**fixed, **changes} or None, **shared)
        return done, _values(done, protocol, outcomes)

    whole, by_person = compared(draws, {})
    run_seed, fixed = int(whole.manifest["seed"]), whole.manifest["scenario"]["parameters"]
    ensemble = drawn_from(whole.manifest["scenario"]["draws_from"], run_seed, draws, fixed)
    rows = []
    for parameter in varied:
        prior = _prior_of(parameter, run_seed, fixed)
        low, high = (parameter.fixed_at(share, prior) for share in _LOW_HIGH)
        ends = [np.nanmean(compared(1, values)[1], axis=1) for values in (low, high)]
        rank = parameter.rank(ensemble)
        for k, outcome in enumerate(outcomes):
            by_draw = _by_draw(by_person[k], whole, draws)
            correlation = rank_correlation(rank, by_draw, run_seed)
            values = (_only(low), _only(high), ends[0][k], ends[1][k], ends[1][k] - ends[0][k])
            index = first_order_index(rank, by_draw, run_seed)
            rows.append((parameter.name, outcome, *values, *correlation, draws, *index))
    chosen = protocol or whole.protocols[-1]
    against = f" minus {whole.reference}" if chosen != whole.reference else ""
    return Sensitivity(pd.DataFrame(rows, columns=list(_COLUMNS)), f"{chosen}{against}", ensemble.calibrated)


def _prior_of(parameter: VariedParameter, seed: int, fixed: Mapping[str, float]) -> Ensemble:
    """Draws for the percentiles of a parameter, without the values at which the scenario fixes the parameter itself."""
    others = {name: value for name, value in fixed.items() if CENTRES[name].parameter.symbol != parameter.symbol}
    return _screening(seed, tuple(sorted(others.items())))


@lru_cache(maxsize=4)
def _screening(seed: int, fixed: tuple[tuple[str, float], ...]) -> Ensemble:
    return from_prior(seed, _SCREENING_DRAWS, dict(fixed))


def _only(values: Mapping[str, float]) -> float:
    """The one value, or NaN for a symbol with one in each of several drug classes."""
    return next(iter(values.values())) if len(values) == 1 else np.nan


def _values(done: Comparison, protocol: str | None, outcomes: Sequence[str]) -> Floats:
    """Outcomes of the protocol, or its differences from the reference, (n_outcomes, n_people)."""
    chosen = protocol or done.protocols[-1]
    if chosen not in done.protocols:
        given = f"{shown(chosen)}{nearest(chosen, done.protocols)}"
        raise InputError(Problem(_FILE, "protocol", given, "; ".join(done.protocols)))
    people = done.people
    table = people[people["protocol"] == chosen][list(outcomes)].to_numpy(dtype=np.float64).T
    if chosen == done.reference:
        return table
    return table - people[people["protocol"] == done.reference][list(outcomes)].to_numpy(dtype=np.float64).T


def _by_draw(values: Floats, done: Comparison, n_draws: int) -> Floats:
    """Mean of each draw's people, (n_draws,); NaN for a draw without people."""
    draw = done.people["draw"].to_numpy(dtype=np.int64)[: len(values)]
    there = ~np.isnan(values)
    count = np.bincount(draw[there], minlength=n_draws)
    total = np.bincount(draw[there], weights=values[there], minlength=n_draws)
    return np.divide(total, count, out=np.full(n_draws, np.nan), where=count > 0)
