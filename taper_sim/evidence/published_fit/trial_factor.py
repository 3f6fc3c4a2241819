"""The people of a trial as one more factor of the posterior. Imports ``fit_waves``, ``joint_posterior``, ``studies``.

A trial's summary (``studies.trial_tapers.trial_summary``) is a normal likelihood of five centres of people on
buprenorphine. The simulator takes a draw's deviation from the centre as a factor on buprenorphine's own value, so the
summary speaks of the same coordinates as the published results. It does so with a discrepancy of its own,
:data:`TRANSPORT_SD`, for the way from people with opioid use disorder on buprenorphine to people with chronic pain.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Floats, Ints
from taper_sim.data.problems import InputError, Problem, problem, shown
from taper_sim.evidence.published_fit.fit_checks import weigh_by_simulator
from taper_sim.evidence.published_fit.fit_waves import CHAIN_DRAWS, PublishedFit, prior_points
from taper_sim.evidence.published_fit.joint_posterior import TargetsToFit, sample_posterior
from taper_sim.evidence.published_fit.simulated_targets import ensemble_at
from taper_sim.model.parameters import BY_SYMBOL
from taper_sim.run_folder import read_table
from taper_sim.simulation.ensemble import COLUMN_NAMES, UNCERTAIN
from taper_sim.studies.trial_tapers.trial_summary import SHARED_CENTRES

TRANSPORT_SD: Final[Mapping[str, float]] = {"sigma": 0.3, "tau_F": 0.3, "tau_L": 0.3, "omega": 0.5, "EC50": 0.5}
"""Sd of each centre between the trial's people and the model's, on the working scale: log, log odds for ``omega``.
Source: assumption A127."""
_NAMES: Final = tuple(COLUMN_NAMES[k] for k in UNCERTAIN)
INFORMED_BY_TRIAL: Final = tuple(f"{symbol}_opioid" for symbol in SHARED_CENTRES)
"""Uncertain columns of the simulator that the trial informs."""
_TUNE: Final = 600
_CHAINS: Final = 2
_STEP: Final = 0.05  # of the differences, prior sds
_BEYOND_CHANCE: Final = 4.0  # sds of a correlation of independent draws
_NEAR_0: Final = 1e-6  # prior sds; at 0 itself a share is its mean, elsewhere a quantile


@dataclass(frozen=True)
class TrialSummary:
    """Normal likelihood of ``trial_summary.SHARED_CENTRES`` on their working scales.

    Attributes
    ----------
    mean : ndarray, (5,)
    covariance : ndarray, (5, 5)
    n_people, n_visits : int
    data : str
        Short hash of the trial's file.
    """

    mean: Floats
    covariance: Floats
    n_people: int
    n_visits: int
    data: str


def read_trial_summary(path: Path) -> TrialSummary:
    """Read a summary that ``trial_summary`` wrote.

    Raises
    ------
    InputError
        If the file is not such a table, or its covariance is none.
    """
    try:
        table = read_table(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise problem(str(path), "", f"a file that cannot be read ({type(error).__name__})", "a CSV table") from error
    names = [
        "parameter",
        "mean",
        "sd",
        *(f"with_{symbol}" for symbol in SHARED_CENTRES),
        "n_people",
        "n_visits",
        "data",
    ]
    absent = [name for name in names if name not in table.columns]
    if absent:
        raise InputError([Problem(str(path), "columns", "not there", name) for name in absent])
    if list(table["parameter"]) != list(SHARED_CENTRES):
        listed = shown(", ".join(table["parameter"]))
        raise problem(str(path), "parameter", listed, f"{', '.join(SHARED_CENTRES)}, in this order")
    numbers = table[names[1:-1]].apply(pd.to_numeric, errors="coerce")
    wrong = [
        Problem(str(path), f"row {row + 2}, {name}", shown(table[name][row]), "a number")
        for name in numbers
        for row in np.flatnonzero(~np.isfinite(numbers[name].to_numpy()))
    ]
    if wrong:
        raise InputError(wrong)
    sd, correlation = numbers["sd"].to_numpy(), numbers[[f"with_{symbol}" for symbol in SHARED_CENTRES]].to_numpy()
    covariance = correlation * np.outer(sd, sd)
    if (sd <= 0.0).any() or not np.allclose(correlation, correlation.T, atol=1e-3) or _smallest(covariance) <= 0.0:
        raise problem(str(path), "sd, with_…", "no covariance", "positive sds, correlations of a normal distribution")
    first = numbers.iloc[0]
    return TrialSummary(
        numbers["mean"].to_numpy(), covariance, int(first["n_people"]), int(first["n_visits"]), table["data"][0]
    )


def _smallest(covariance: Floats) -> float:
    return float(np.linalg.eigvalsh(covariance).min())


def on_buprenorphine(z: Floats) -> Floats:
    """Centres of ``SHARED_CENTRES`` for people on buprenorphine at whitened values, on the working scales, (n, 5).

    As ``simulation.layout.values_of`` has them: the draw's deviation from the opioid centre is a factor.
    """
    values, answer = ensemble_at(z).values, np.empty((len(z), len(SHARED_CENTRES)))
    for k, symbol in enumerate(SHARED_CENTRES):
        q = BY_SYMBOL[symbol]
        factor = values[symbol][:, 0] / q.centre("opioid")
        value = q.centre("opioid", buprenorphine=True) * factor
        answer[:, k] = np.log(value / (1.0 - value)) if symbol == "omega" else np.log(value)
    return answer


@dataclass(frozen=True)
class Expansion:
    """:func:`on_buprenorphine` to the second order about the prior's centre, in the columns of ``SHARED_CENTRES``.

    Attributes
    ----------
    constant : ndarray, (5,)
    linear : ndarray, (5, 5)
    quadratic : ndarray, (5, 5, 5)
        Symmetric in the last two.
    """

    constant: Floats
    linear: Floats
    quadratic: Floats


def expansion() -> Expansion:
    """The expansion by central differences; the model's own map is smooth and cheap."""
    n = len(SHARED_CENTRES)
    columns = [_NAMES.index(name) for name in INFORMED_BY_TRIAL]

    def at(steps: Floats) -> Floats:
        z = np.zeros((len(steps), len(UNCERTAIN)))
        z[:, columns] = _NEAR_0 + _STEP * steps
        return on_buprenorphine(z)

    eye = np.eye(n)
    constant, up, down = at(np.zeros((1, n)))[0], at(eye), at(-eye)
    linear = (up - down).T / (2.0 * _STEP)
    quadratic = np.zeros((n, n, n))
    for i in range(n):
        for j in range(i + 1):
            if i == j:
                second = up[i] - 2.0 * constant + down[i]
            else:
                corners = at(np.array([eye[i] + eye[j], eye[i] - eye[j], eye[j] - eye[i], -eye[i] - eye[j]]))
                second = (corners[0] - corners[1] - corners[2] + corners[3]) / 4.0
            quadratic[:, i, j] = quadratic[:, j, i] = 0.5 * second / _STEP**2
    return Expansion(constant, linear, quadratic)


def with_trial(targets: TargetsToFit, columns: Ints, trial: TrialSummary) -> tuple[TargetsToFit, Ints]:
    """The targets with the trial as a study of its own, and the places of their columns among the uncertain ones.

    The summary's covariance with the transport discrepancy is rotated to independent numbers, one target each. They
    have no discrepancy of the kind that the published results have (``unit`` 0): theirs is in the covariance.
    """
    own = np.array([_NAMES.index(name) for name in INFORMED_BY_TRIAL])
    every = np.union1d(columns, own)
    old, new = np.searchsorted(every, columns), np.searchsorted(every, own)
    n, m, k = len(targets.value), len(every), len(SHARED_CENTRES)
    variance, turned = np.linalg.eigh(with_transport(trial))
    parts = expansion()
    linear, quadratic = np.zeros((n + k, m)), np.zeros((n + k, m, m))
    linear[:n, old] = targets.linear
    quadratic[np.ix_(range(n), old, old)] = targets.quadratic
    linear[np.ix_(range(n, n + k), new)] = turned.T @ parts.linear
    quadratic[np.ix_(range(n, n + k), new, new)] = np.einsum("st,sij->tij", turned, parts.quadratic)
    return (
        TargetsToFit(
            np.concatenate([targets.value, turned.T @ trial.mean]),
            np.concatenate([targets.variance, variance]),
            np.concatenate([targets.unit, np.zeros(k)]),
            np.concatenate([targets.study, np.full(k, targets.n_studies)]),
            np.concatenate([targets.constant, turned.T @ parts.constant]),
            linear,
            quadratic,
        ),
        every,
    )


def fit_with_trial(
    fit: PublishedFit,
    trial: TrialSummary,
    seed: int,
    folder: Path,
    log: Callable[[str], None],
    tune: int = 600,
    chains: int = 2,
) -> PublishedFit:
    """The fit with the trial as a further factor, on the same surfaces, checked by the simulator at its own draws."""
    targets, columns = with_trial(fit.targets, fit.columns, trial)
    draws = sample_posterior(targets, CHAIN_DRAWS, _TUNE, _CHAINS, seed)
    log(f"with the trial: R-hat at most {draws.rhat:.3f}, {draws.divergences} divergences, tau {draws.tau.mean():.2f}")
    n = len(fit.check.z)
    chosen = np.random.default_rng([seed, 7]).choice(len(draws.z), n, replace=False)
    points = prior_points(n, seed + 100)
    points[:, columns] = draws.z[chosen]
    check = fit.simulator.simulate(points, folder / "batches", log)
    checked = draws.at(chosen)
    published = targets.without(fit.targets.n_studies)  # simulator and surfaces have the same factor of the trial
    variance = np.array([surface.variance for surface in fit.surfaces])
    by_simulator = weigh_by_simulator(
        published, variance, checked, check.values[:, fit.fitted], check.variances[:, fit.fitted]
    )
    return replace(
        fit, check=check, columns=columns, targets=targets, draws=draws, checked=checked, by_simulator=by_simulator
    )


def log_factor(z: Floats, trial: TrialSummary) -> Floats:
    """Log of the trial's factor at whitened values of the uncertain columns, without its constant, (n,)."""
    rest = trial.mean - on_buprenorphine(z)
    return np.asarray(-0.5 * (rest * np.linalg.solve(with_transport(trial), rest.T).T).sum(axis=1))


def with_transport(trial: TrialSummary) -> Floats:
    """Covariance of the trial's mean about the model's centres, (5, 5)."""
    return np.asarray(trial.covariance + np.diag([TRANSPORT_SD[symbol] ** 2 for symbol in SHARED_CENTRES]))


def conditioned(z: Floats, trial: TrialSummary, seed: int) -> Floats:
    """Draws of a posterior moved to what they are given the trial too, if all are normal, (n, n_uncertain).

    Each draw moves by its regression on the five centres (an ensemble Kalman update, Evensen 2003), which keeps as many
    distinct draws as there were. A column moves only if it correlates with one of the five beyond chance.
    """
    x = on_buprenorphine(z)
    n = len(z)
    both = np.corrcoef(z.T, x.T)[: z.shape[1], z.shape[1] :]
    linked = (np.abs(both) > _BEYOND_CHANCE / np.sqrt(n)).any(axis=1)
    across = np.cov(z.T, x.T)[: z.shape[1], z.shape[1] :] * linked[:, None]
    noise = with_transport(trial)
    gain = np.linalg.solve(np.cov(x.T) + noise, across.T).T
    drawn = np.random.default_rng([seed, 21]).multivariate_normal(trial.mean, noise, n)
    return np.asarray(z + (drawn - x) @ gain.T)
