"""A simulated statistic with its predictive interval, beside the published one. Imports ``study_statistics``.

Each draw of the ensemble gives one estimate from its own people. The estimates differ for two reasons: the parameters,
and the chance of few people. The jackknife measures the second, which is taken out. What remains is the spread over
draws; with the published sampling error it is the predictive interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtri, stdtrit

from taper_sim.array_types import Floats, Ints
from taper_sim.evidence.coded_words import STATISTICS, EstimateScale
from taper_sim.evidence.study_measures import Measured
from taper_sim.evidence.study_statistics import bounded_share, statistic_of

Z95: Final = 1.959964
"""97.5 % quantile of the standard normal."""
GROUPS: Final = 10
"""Groups of people of a draw that the jackknife leaves out in turn. A design choice."""
LEAST_DRAWS: Final = 0.5
"""Least share of draws that must give an estimate. A design choice."""
LEAST_EVENTS: Final = 3.0
"""Mean events of a draw below which all draws are estimated together: fewer bias the logarithm. A design choice."""
STUDY_ERROR: Final = 0.32
"""Scale of the relative error that a study has beyond its sampling: its population, confounding, coding, and what the
model lacks. Source: posterior median of ``tau``, docs/calibration.md."""
STUDY_ERROR_NU: Final = 4.0
"""Degrees of freedom of Student's t by which it differs between studies. Source: assumption A73."""
_WITHIN: Final = 1999
"""Quantiles of the published error about each draw."""
_WITHIN_STUDY: Final = 101
"""Quantiles of the published error and of the error of a study about each draw, of which every pair is taken."""
_ENDS: Final = (0.025, 0.5, 0.975)


def to_scale(values: Floats, scale: EstimateScale) -> Floats:
    """Estimates on the scale on which they are taken as normal; NaN where they have no place on it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.asarray(values, dtype=np.float64)
        if scale == "log":
            moved = np.log(moved)
        elif scale == "logit":
            moved = np.log(moved) - np.log1p(-moved)
    return np.where(np.isfinite(moved), moved, np.nan)


def from_scale(values: Floats, scale: EstimateScale) -> Floats:
    """Inverse of :func:`to_scale`."""
    if scale == "log":
        return np.exp(values)
    return 1.0 / (1.0 + np.exp(-values)) if scale == "logit" else np.asarray(values)


@dataclass(frozen=True)
class DrawEstimates:
    """Estimates of a statistic by draw, on its scale.

    Attributes
    ----------
    values, variances : ndarray, (n_draws,)
        Estimate of each draw, and the variance that the number of its people causes; NaN where there is none.
    scale : str
    """

    values: Floats
    variances: Floats
    scale: EstimateScale


def by_draw(name: str, arm: Measured, reference: Measured | None, draw: Ints, n_draws: int) -> DrawEstimates:
    """Estimate a statistic for the people of each draw, with its jackknife variance.

    Parameters
    ----------
    name : str
        A key of ``coded_words.STATISTICS``.
    arm, reference : Measured
        The same n people under both.
    draw : ndarray of int, (n,)
        Draw of each person.
    n_draws : int
    """
    scale = STATISTICS[name].scale
    values, variances = np.full(n_draws, np.nan), np.full(n_draws, np.nan)
    order = np.argsort(draw, kind="stable")
    starts = np.searchsorted(draw[order], np.arange(n_draws + 1))
    for k in range(n_draws):
        people = order[starts[k] : starts[k + 1]]
        if not len(people):
            continue
        group = np.arange(len(people)) % min(GROUPS, len(people))
        ours, theirs = _taken(arm, people), None if reference is None else _taken(reference, people)
        values[k] = _estimate(name, scale, ours, theirs)
        left_out = np.empty(group.max() + 1)
        for g in range(len(left_out)):
            others = group != g
            left_out[g] = _estimate(name, scale, ours.take(others), None if theirs is None else theirs.take(others))
        n_groups = len(left_out)
        spread = np.nan if np.isnan(left_out).any() or n_groups < 2 else left_out.var() * (n_groups - 1)
        variances[k] = spread
    return DrawEstimates(values, variances, scale)


def few_events(name: str, sides: Sequence[Measured], n_draws: int) -> bool:
    """Whether an arm has too few events, or people with or without an outcome, to estimate each draw by itself."""
    family = STATISTICS[name].family
    if family not in ("share", "rate", "hazard"):
        return False
    counts = [float(side.top.sum()) for side in sides]
    if family == "share":
        counts += [float(side.base.sum() - side.top.sum()) for side in sides]
    return min(counts) < LEAST_EVENTS * n_draws


def _taken(people: Measured, places: Ints) -> Measured:
    return Measured(people.top[places], people.base[places])


def _estimate(name: str, scale: EstimateScale, arm: Measured, reference: Measured | None) -> float:
    value = np.array([statistic_of(name, arm, reference)])
    if scale == "logit":
        value = bounded_share(value, np.array([arm.base.sum()]))
    return float(to_scale(value, scale)[0])


@dataclass(frozen=True)
class Prediction:
    """A simulated statistic.

    Attributes
    ----------
    value, lo95, hi95 : float
        Median and predictive interval: parameters, published sampling error, Monte Carlo error of the mean.
    model_lo95, model_hi95 : float
        Interval over draws of the parameters alone.
    mc_se : float
        Standard error of the median that the number of simulated people causes, on the statistic's scale.
    noise_share : float
        Share of the variance between draws that came from the number of people, and was taken out.
    width : float
        Width of the predictive interval over that of the published interval, on the statistic's scale.
    n_draws : int
        Draws with an estimate.
    """

    value: float
    lo95: float
    hi95: float
    model_lo95: float
    model_hi95: float
    mc_se: float
    noise_share: float
    width: float
    n_draws: int

    def holds(self, published: float) -> bool:
        """Whether the predictive interval holds a published number."""
        return self.lo95 <= published <= self.hi95


def relative_unit(value: float, se: float, scale: EstimateScale) -> float:
    """A relative error of 1 on a scale: 1 for logarithms and log odds, else the number, and at least its error."""
    return max(abs(value), se) if scale == "linear" else 1.0


def predicted(estimates: DrawEstimates, published_se: float, study_error: float = 0.0) -> Prediction | None:
    """Combine the draws with the published sampling error, and with an error of the study.

    Equation: ``t_k = mean + (e_k - mean) sqrt(max(V - s, 0) / V)``, with V the variance of the estimates e over draws
    and s the mean of their jackknife variances. The prediction is the mixture of normals about each t_k with variance
    ``published_se^2 + s / n_draws``: the number of people leaves an error of their mean.

    Parameters
    ----------
    estimates : DrawEstimates
    published_se : float
        Standard error of the published result on the statistic's scale.
    study_error : float
        Scale of Student's t with :data:`STUDY_ERROR_NU` degrees of freedom, on the same scale, that is added to each
        ``t_k``; 0 for a study without an error of its own.

    Returns
    -------
    Prediction or None
        None if fewer than half of the draws have an estimate.
    """
    there = ~np.isnan(estimates.values)
    if there.sum() < max(1.0, LEAST_DRAWS * len(estimates.values)):
        return None
    values, scale = estimates.values[there], estimates.scale
    n = len(values)
    known = estimates.variances[there]
    sampling = float(np.nanmean(known)) if not np.isnan(known).all() else 0.0
    total = float(values.var(ddof=1)) if n > 1 else 0.0
    kept = np.sqrt(max(total - sampling, 0.0) / total) if total > 0 else 0.0
    moved = values.mean() + (values - values.mean()) * kept
    errors = _errors(float(np.hypot(published_se, np.sqrt(sampling / n))), study_error)
    low, middle, high = np.quantile(moved[:, None] + errors, _ENDS)
    model = from_scale(np.quantile(moved, (_ENDS[0], _ENDS[2])), scale)
    value, lo95, hi95 = from_scale(np.array([middle, low, high]), scale)
    return Prediction(
        float(value),
        float(lo95),
        float(hi95),
        float(model[0]),
        float(model[1]),
        float(np.sqrt(sampling / n)),
        min(sampling / total, 1.0) if total > 0 else float("nan"),
        float((high - low) / (2.0 * Z95 * published_se)) if published_se > 0 else float("nan"),
        n,
    )


def _errors(se: float, study_error: float) -> Floats:
    """Equally likely errors about a draw: of sampling, and of the study if it has one."""
    if study_error == 0.0:
        return np.asarray(se * ndtri((np.arange(_WITHIN) + 0.5) / _WITHIN))
    probability = (np.arange(_WITHIN_STUDY) + 0.5) / _WITHIN_STUDY
    pairs = se * ndtri(probability)[:, None] + study_error * stdtrit(STUDY_ERROR_NU, probability)
    return np.asarray(pairs.ravel())
