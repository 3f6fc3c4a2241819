"""Checks of the fit: weights by the simulator, ranks, studies left out. Imports ``joint_posterior``, ``inference``.

Synthetic tables and tables without a study use the surfaces of the fit, so that each costs one run of NUTS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.special import gammaincinv, logsumexp, ndtr
from scipy.stats import kstest

from taper_sim.array_types import Floats, Ints
from taper_sim.evidence.predictive_interval import STUDY_ERROR_NU
from taper_sim.evidence.published_fit.joint_posterior import (
    SHARED_IN_STUDY,
    FitDraws,
    TargetsToFit,
    prior_draws,
    sample_posterior,
)
from taper_sim.inference.posterior import pareto_smoothed

SYNTHETIC_TABLES: Final = 60
"""Synthetic tables of the check of ranks."""
_RANK_DRAWS: Final = 256
_DISCREPANCY_NODES: Final = 128  # equally likely sizes of a study's discrepancy, which integrate it out
_TUNE: Final = 400
_LEFT_OUT_DRAWS: Final = 512
LEVELS: Final = (0.5, 0.8, 0.95)
LEAST_SIMILAR: Final = 2
"""Least number of similar results, their own study left out, for the comparison with their mean."""


# -- the simulator itself ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SimulatorCheck:
    """Importance weights of draws at which the simulator was run.

    Attributes
    ----------
    weights : ndarray, (n_draws,)
        Pareto-smoothed, sum 1.
    khat, ess : float
        Shape of their tail; effective number of draws.
    """

    weights: Floats
    khat: float
    ess: float


def weigh_by_simulator(
    targets: TargetsToFit, surface_variance: Floats, draws: FitDraws, simulated: Floats, chance: Floats
) -> SimulatorCheck:
    """Weigh draws by the simulator's estimates against those of the surfaces.

    The discrepancies of studies are integrated out given tau, so that the weights depend on the centres and tau alone.

    Parameters
    ----------
    targets : TargetsToFit
    surface_variance : ndarray, (n_targets,)
        Variance of each surface, which the simulator's own estimates do not have.
    draws : FitDraws
    simulated, chance : ndarray, (n_draws, n_targets)
        Estimates of the simulator at the draws, and their variance by the number of people.
    """
    surface = targets.at(draws.z)
    present = np.isfinite(simulated)
    simulated = np.where(present, simulated, surface)  # an estimate that is missing tells nothing
    plain = targets.variance - surface_variance + np.where(present, chance, surface_variance)
    by_surface = np.broadcast_to(targets.variance, surface.shape)
    log_weights = log_marginal(targets, draws.tau, simulated, plain) - log_marginal(
        targets, draws.tau, surface, by_surface
    )
    smoothed, khat = pareto_smoothed(log_weights)
    weights = np.exp(smoothed)
    return SimulatorCheck(weights, khat, float(1.0 / (weights**2).sum()))


def log_marginal(targets: TargetsToFit, tau: Floats, fitted: Floats, variance: Floats) -> Floats:
    """Log density of the published numbers given tau, the discrepancies integrated out, (n_draws,).

    Parameters
    ----------
    targets : TargetsToFit
    tau : ndarray, (n_draws,)
    fitted, variance : ndarray, (n_draws, n_targets)
        Estimates, and the variance of the published number about each without its discrepancy.
    """
    probability = (np.arange(_DISCREPANCY_NODES) + 0.5) / _DISCREPANCY_NODES
    square = 0.5 * STUDY_ERROR_NU / gammaincinv(0.5 * STUDY_ERROR_NU, probability)
    size = targets.unit * (tau[:, None] * np.sqrt(square))[:, :, None]  # (n_draws, n_nodes, n_targets)
    own = variance[:, None] + (1.0 - SHARED_IN_STUDY) * size**2
    shared = np.sqrt(SHARED_IN_STUDY) * size
    rest = (targets.value - fitted)[:, None]
    total = np.zeros(len(tau))
    for study in range(targets.n_studies):
        t = targets.study == study
        d, c, e = own[..., t], shared[..., t], rest[..., t]
        more = 1.0 + (c**2 / d).sum(axis=-1)  # the determinant of a diagonal plus one product, over its diagonal
        square_rest = (e**2 / d).sum(axis=-1) - (e * c / d).sum(axis=-1) ** 2 / more
        log_density = -0.5 * (square_rest + np.log(2.0 * np.pi * d).sum(axis=-1) + np.log(more))
        total += logsumexp(log_density, axis=1) - np.log(_DISCREPANCY_NODES)
    return total


# -- ranks on synthetic tables -----------------------------------------------------------------------------------------


def synthetic_values(targets: TargetsToFit, seed: int) -> tuple[FitDraws, Floats]:
    """A truth from the prior, and published numbers that it gives, (n_targets,)."""
    truth = prior_draws(targets, 1, seed)
    generator = np.random.default_rng([seed, 1])
    variance = targets.variance + truth.own_variance(targets)[0]
    mean = targets.at(truth.z)[0] + truth.shift(targets)[0]
    return truth, mean + np.sqrt(variance) * generator.standard_normal(len(mean))


def rank_rows(targets: TargetsToFit, names: Sequence[str], number: int, seed: int) -> list[tuple[Any, ...]]:
    """Ranks of a synthetic truth among the posterior's draws: table, quantity, rank from 0 to 1, contraction."""
    truth, values = synthetic_values(targets, seed + 1000 * (number + 1))
    draws = sample_posterior(targets.with_values(values), _RANK_DRAWS, _TUNE, seed=number)
    generator = np.random.default_rng([seed, number, 2])
    rows: list[tuple[Any, ...]] = []
    for k, name in enumerate(names):
        rows.append((number, name, _rank(draws.z[:, k], truth.z[0, k], generator), draws.z[:, k].std()))
    rows.append((number, "tau", _rank(draws.tau, truth.tau[0], generator), np.nan))
    return rows


def _rank(draws: Floats, truth: float, generator: np.random.Generator) -> float:
    below = int((draws < truth).sum())
    return (below + generator.random()) / (len(draws) + 1)


def rank_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Uniformity by quantity, the first row being all columns together."""
    parts: list[tuple[str, pd.DataFrame]] = [("all columns", rows[rows["quantity"] != "tau"])]
    parts += [(str(name), part) for name, part in rows.groupby("quantity", sort=False)]
    answer = []
    for name, part in parts:
        rank = part["rank"].to_numpy()
        cover = {f"cover{100 * level:.0f}": float(np.mean(np.abs(rank - 0.5) < level / 2)) for level in LEVELS}
        p = float("nan") if name == "all columns" else float(kstest(rank, "uniform").pvalue)
        # the ranks of one table are not independent, so that a test of all of them together has no known size
        row = {"quantity": name, "n": len(rank), "mean_rank": rank.mean(), "ks_p": p, **cover}
        answer.append(row | {"posterior_sd": part["sd"].mean()})
    return pd.DataFrame(answer).round(3)


# -- studies left out --------------------------------------------------------------------------------------------------


def left_out_rows(
    targets: TargetsToFit, ids: Sequence[str], similar: Mapping[int, Ints], study: int, seed: int
) -> list[tuple[Any, ...]]:
    """Predictions of a study's targets by the other studies, by the prior, and by the mean of similar results.

    Parameters
    ----------
    targets : TargetsToFit
        All targets.
    ids : sequence of str
        Their names.
    similar : mapping of int to ndarray of int
        Other studies' targets on the same outcome and statistic, by target.
    study : int
    seed : int

    Returns
    -------
    list of tuple
        Target, prediction (``fit``, ``prior``, ``similar``), published value, mean, sd, probability below, log score,
        all on the statistic's scale.
    """
    others = sample_posterior(targets.without(study), _LEFT_OUT_DRAWS, _TUNE, seed=seed + study)
    prior = prior_draws(targets, 4000, seed + study)
    rows: list[tuple[Any, ...]] = []
    for t in map(int, np.flatnonzero(targets.study == study)):
        for name, draws in (("fit", others), ("prior", prior)):
            mean, variance = _predicted(targets, t, draws, seed)
            rows.append((ids[t], name, *_scores(float(targets.value[t]), mean, variance)))
        if len(similar.get(t, ())) >= LEAST_SIMILAR:
            values = targets.value[similar[t]]
            spread = float(values.var(ddof=1)) * (1.0 + 1.0 / len(values)) + float(targets.variance[t])
            rows.append(
                (ids[t], "similar", *_scores(float(targets.value[t]), np.array([values.mean()]), np.array([spread])))
            )
    return rows


def _predicted(targets: TargetsToFit, t: int, draws: FitDraws, seed: int) -> tuple[Floats, Floats]:
    """Mean and variance of a new study's target by draw: its discrepancy has a size of its own."""
    generator = np.random.default_rng([seed, t, 3])
    n = len(draws.tau)
    square = 0.5 * STUDY_ERROR_NU / generator.standard_gamma(0.5 * STUDY_ERROR_NU, n)
    variance = targets.variance[t] + (targets.unit[t] * draws.tau) ** 2 * square
    curved = np.einsum("nj,jk,nk->n", draws.z, targets.quadratic[t], draws.z, optimize=True)
    return targets.constant[t] + draws.z @ targets.linear[t] + curved, variance


def _scores(value: float, mean: Floats, variance: Floats) -> tuple[float, float, float, float, float]:
    """Published value, mean and sd of a mixture of normals, its probability below the value, log density there."""
    below = float(ndtr((value - mean) / np.sqrt(variance)).mean())
    log_density = -0.5 * ((value - mean) ** 2 / variance + np.log(2.0 * np.pi * variance))
    score = float(logsumexp(log_density) - np.log(len(mean)))
    return value, float(mean.mean()), float(np.sqrt(variance.mean() + mean.var())), below, score


def left_out_summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Coverage and mean log score of each prediction, over all targets and over those with similar results."""
    with_similar = set(rows.loc[rows["prediction"] == "similar", "id"])
    answer = []
    for name, part in (("all", rows), ("with similar results", rows[rows["id"].isin(with_similar)])):
        for prediction, block in part.groupby("prediction", sort=False):
            if prediction == "similar" and name == "all":
                continue
            inside = {
                f"cover{100 * level:.0f}": float(np.mean(np.abs(block["below"] - 0.5) < level / 2))
                for level in LEVELS[1:]
            }
            answer.append({"targets": name, "prediction": prediction, "n": len(block), **inside})
            answer[-1]["log_score"] = float(block["log_score"].mean())
    return pd.DataFrame(answer)
