"""Which parameter decides: one at a time, and rank correlations over shared draws. Imports ``api``, ``simulation``.

One at a time, a parameter is held at the 5th and at the 95th percentile of its prior and the rest at their centres, for
the same people with the same chance events. The rank correlation is over the draws of all parameters together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from taper_sim.api import display
from taper_sim.api.arguments import names_checked
from taper_sim.api.cohorts import People
from taper_sim.api.comparison import Comparison, compare, people_of
from taper_sim.api.protocols import Protocol
from taper_sim.array_types import Floats
from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.model.event_parameters import PARAMETERS
from taper_sim.model.parameters import Parameter
from taper_sim.scenario.building import read_scenario
from taper_sim.simulation.ensemble import Ensemble, from_prior

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILE: Final = "sensitivity"
#: Varied by default: the parameters of withdrawal, pain and what a dose does to both.
DEFAULT_PARAMETERS: Final = ("sigma", "tau_F", "tau_L", "EC50", "xi", "delta")
DEFAULT_OUTCOMES: Final = ("dose_reduction_pct", "withdrawal_peak", "pain_nrs_change", "function_change")
_LOW_HIGH: Final = (0.05, 0.95)
_SCREENING_DRAWS: Final = 4096  # draws of the prior for percentiles; they cost random numbers only
_RESAMPLES: Final = 400
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
)


@dataclass(eq=False)
class Sensitivity:
    """Sensitivity of a protocol's outcomes, or of its difference from the reference, to the parameters.

    Attributes
    ----------
    frame : DataFrame
        ``parameter, outcome, low_value, high_value`` (5th and 95th percentile of the prior), ``outcome_at_low``,
        ``outcome_at_high``, ``swing`` (their difference), ``rank_correlation`` with ``lo95, hi95`` over ``n_draws``.
    what : str
        Protocol of the outcomes, and the reference, in words.
    """

    frame: pd.DataFrame
    what: str

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
        return [f"Of {self.what}.", *lines, display.UNCALIBRATED]

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
    """Vary parameters one at a time, and correlate outcomes with all of them over shared draws.

    Parameters
    ----------
    what : Comparison, People or path
        A comparison (its people and protocols), people with ``protocols``, or a scenario.
    parameters : sequence of str, optional
        Symbols of docs/parameters.md; those of withdrawal, dose response and pain if omitted.
    protocols : sequence, optional
        As in :func:`taper_sim.compare`.
    protocol : str, optional
        Protocol of the outcomes; the last if omitted. With a reference, the difference from the reference.
    outcomes : sequence of str, optional
    days, seed, patients : int, optional
        As in :func:`taper_sim.compare`.
    draws : int, optional
        Draws of all parameters together, for the rank correlations.
    progress : bool, optional

    Returns
    -------
    Sensitivity

    Raises
    ------
    InputError
        For an unknown parameter, protocol or outcome, with the nearest name.

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
    names = _checked(parameters)
    unknown = [name for name in outcomes if name not in BY_NAME]
    if unknown:
        raise InputError(
            Problem(FILE, "outcomes", f"{shown(name)}{nearest(str(name), BY_NAME)}", "outcomes of `taper-sim outcomes`")
            for name in unknown
        )
    shared: dict[str, Any] = {"days": days, "seed": seed, "outcomes": list(outcomes), "progress": progress}
    if isinstance(what, Comparison):
        entry = what.manifest["scenario"]
        if what.cohort is None:
            raise problem(FILE, "what", "a run whose patients file was removed", "a run with its people")
        people: People | None = people_of(what)
        shared |= {"care": entry["care"], "days": days or int(entry["days"])}
        protocols = protocols or [{k: v for k, v in e.items() if v is not None} for e in entry["protocols"]]
        scenario = None
    elif isinstance(what, People):
        people, scenario = what, None
    else:
        people, scenario = None, Path(what)
        shared["patients"] = patients
    run_seed = seed if seed is not None else people.seed if people is not None else _seed_of(scenario)

    def values_of(n_draws: int, fixed: Mapping[str, float]) -> tuple[Comparison, Floats]:
        done = compare(
            scenario, people=people, protocols=protocols, draws=n_draws, parameters=dict(fixed) or None, **shared
        )
        return done, _values(done, protocol, outcomes)

    whole, by_person = values_of(draws, {})
    ensemble = from_prior(run_seed, draws)
    prior = from_prior(run_seed, _SCREENING_DRAWS)
    rows = []
    for symbol in names:
        low, high = (float(np.quantile(_drawn(prior, symbol), q)) for q in _LOW_HIGH)
        ends = [np.nanmean(values_of(1, {symbol: value})[1], axis=1) for value in (low, high)]
        for k, outcome in enumerate(outcomes):
            correlation = _correlation(_drawn(ensemble, symbol), _by_draw(by_person[k], whole, draws), run_seed)
            swing = ends[1][k] - ends[0][k]
            rows.append((symbol, outcome, low, high, ends[0][k], ends[1][k], swing, *correlation, draws))
    chosen = protocol or whole.protocols[-1]
    against = f" minus {whole.reference}" if chosen != whole.reference else ""
    return Sensitivity(pd.DataFrame(rows, columns=list(_COLUMNS)), f"{chosen}{against}")


def _seed_of(scenario: Path | None) -> int:
    return read_scenario(scenario).seed if scenario is not None else 0


def _checked(parameters: Sequence[str] | None) -> list[str]:
    """Symbols to vary; raises InputError for symbols that are unknown or have no spread."""
    known = {q.symbol: q for q in PARAMETERS}
    if parameters is None:
        return [name for name in DEFAULT_PARAMETERS if name in known and _varies(known[name])]
    names = [parameters] if isinstance(parameters, str) else list(parameters)
    problems = []
    for name in names:
        if name not in known:
            given = f"{shown(name)}, an unknown symbol{nearest(str(name), known)}"
            problems.append(Problem(FILE, "parameters", given, "a symbol of docs/parameters.md"))
        elif not _varies(known[name]):
            problems.append(Problem(FILE, "parameters", f"{name}, which has no spread", "a symbol with a prior sd"))
    if problems:
        raise InputError(problems)
    return names


def _varies(parameter: Parameter) -> bool:
    return parameter.prior_sd > 0


def _drawn(ensemble: Ensemble, symbol: str) -> Floats:
    """Draws of a symbol, (n_draws,); those of the opioid if the symbol has a value a class."""
    values = ensemble.values[symbol]
    return values[:, 0] if values.ndim == 2 else values


def _values(done: Comparison, protocol: str | None, outcomes: Sequence[str]) -> Floats:
    """Outcomes of the protocol, or its differences from the reference, (n_outcomes, n_people)."""
    chosen = protocol or done.protocols[-1]
    if chosen not in done.protocols:
        given = f"{shown(chosen)}{nearest(chosen, done.protocols)}"
        raise InputError(Problem(FILE, "protocol", given, "; ".join(done.protocols)))
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


def _correlation(parameter: Floats, outcome: Floats, seed: int) -> tuple[float, float, float]:
    """Spearman's correlation with a 95 % percentile bootstrap over draws; NaN if one of the two is constant."""
    there = np.isfinite(outcome)
    x, y = parameter[: len(outcome)][there], outcome[there]
    if len(x) < 4 or np.ptp(y) == 0 or np.ptp(x) == 0:
        return (np.nan, np.nan, np.nan)
    rng = np.random.default_rng([seed % 2**32, 5])
    correlations = []
    for _ in range(_RESAMPLES):
        again = rng.integers(0, len(x), len(x))
        if np.ptp(x[again]) > 0 and np.ptp(y[again]) > 0:
            correlations.append(float(spearmanr(x[again], y[again]).statistic))
    low, high = np.quantile(correlations, (0.025, 0.975))
    return float(spearmanr(x, y).statistic), float(low), float(high)
