"""Baseline forecasts: ordinal regressions without a model of the person. Imports ``predict``, ``taper_people``.

Each baseline is a cumulative logistic regression fitted to the training people with the same information as the model,
so that its probabilities are as well calibrated as the model's. Two have a single covariate, the last value or the
person's mean. The mixed one has covariates of the dose and a random intercept for each person.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from taper_sim.array_types import Floats, Ints
from taper_sim.studies.trial_tapers.predict import VisitToPredict
from taper_sim.studies.trial_tapers.taper_people import N_CATEGORIES, PersonTapers, Taper

_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_LOG_NODE_WEIGHTS: Final[Floats] = np.log(_NODE_WEIGHTS / _NODE_WEIGHTS.sum())
_GAP_PRIOR: Final = (0.5, 1.0)  # log of the gap between thresholds; keeps the threshold of an empty category finite
_SLOPE_SD: Final = 3.0
_MEAN_PRIOR_VISITS: Final = 2.0  # visits at the mean of all people that shrink a person's mean


def _log_chances(thresholds: Floats, linear: Floats) -> Floats:
    """Log probabilities of the categories, (…, n_categories): ``P(y <= k) = expit(threshold_k - linear)``."""
    below = expit(thresholds - linear[..., None])
    edges = np.concatenate([np.zeros((*linear.shape, 1)), below, np.ones((*linear.shape, 1))], axis=-1)
    return np.asarray(np.log(np.maximum(np.diff(edges, axis=-1), 1e-12)))


def _thresholds(parameters: Floats) -> Floats:
    """Ascending thresholds from the first one and the logs of the gaps, (n_categories - 1,)."""
    return np.asarray(np.cumsum(np.r_[parameters[0], np.exp(parameters[1 : N_CATEGORIES - 1])]))


class Ordinal:
    """Ordinal logistic regression, with a random intercept for each group if there are ``groups``.

    Parameters
    ----------
    x : ndarray, (n_rows, n_slopes)
        Covariates.
    y : ndarray of int, (n_rows,)
        Categories.
    groups : sequence, optional
        Group of each row.
    """

    def __init__(self, x: Floats, y: Ints, groups: Sequence[object] | None = None):
        self.mixed = groups is not None
        n_slopes = x.shape[1]
        number = np.unique([str(g) for g in groups], return_inverse=True)[1] if groups is not None else None

        def loss(p: Floats) -> float:
            slopes, log_sd = p[N_CATEGORIES - 1 : N_CATEGORIES - 1 + n_slopes], p[-1]
            prior = 0.5 * float(((p[1 : N_CATEGORIES - 1] - _GAP_PRIOR[0]) ** 2).sum()) / _GAP_PRIOR[1] ** 2
            prior += 0.5 * float((slopes**2).sum()) / _SLOPE_SD**2
            if number is None:
                return prior - float(_log_chances(_thresholds(p), x @ slopes)[np.arange(len(y)), y].sum())
            linear = (x @ slopes)[:, None] + np.exp(log_sd) * _NODES
            mass = _log_chances(_thresholds(p), linear)[np.arange(len(y)), :, y]
            by_group = np.zeros((number.max() + 1, len(_NODES)))
            np.add.at(by_group, number, mass)
            return prior + 0.5 * float(log_sd**2) - float(logsumexp(by_group + _LOG_NODE_WEIGHTS, axis=1).sum())

        start = np.r_[1.0, np.full(N_CATEGORIES - 2, _GAP_PRIOR[0]), np.zeros(n_slopes + int(self.mixed))]
        fitted = minimize(loss, start, method="BFGS", options={"gtol": 1e-2, "maxiter": 200}).x
        self.thresholds = _thresholds(fitted)
        self.slopes = fitted[N_CATEGORIES - 1 : N_CATEGORIES - 1 + n_slopes]
        self.intercepts: Floats = float(np.exp(fitted[-1])) * _NODES if self.mixed else np.zeros(1)

    def log_chances(self, x: Floats) -> Floats:
        """Log probabilities of the categories at each node of the random intercept, (n_rows, n_nodes, n_categories)."""
        return _log_chances(self.thresholds, (x @ self.slopes)[:, None] + self.intercepts)

    def chances(self, x: Floats, log_weights: Floats | None = None) -> Floats:
        """Probabilities of the categories, (n_rows, n_categories), with log weights of the nodes, (n_rows, n_nodes)."""
        logs = self.log_chances(x)
        if not self.mixed:
            return np.asarray(np.exp(logs[:, 0]))
        weights = _LOG_NODE_WEIGHTS + (0.0 if log_weights is None else log_weights)
        weights = weights - logsumexp(weights, axis=-1, keepdims=True)
        return np.asarray(np.exp(logsumexp(logs + weights[..., None], axis=1)))


def _known_categories(visit: VisitToPredict) -> list[int]:
    """Categories of the usable visits, without those at induction."""
    return [int(taper.category[r]) for taper, r in visit.known_visits() if taper.day[r] >= 0]


def _induction(visit: VisitToPredict) -> float:
    return float(visit.taper.day[visit.r] < 0)


def _last_value_covariates(visit: VisitToPredict) -> list[float]:
    known = _known_categories(visit) or [-1]
    return [float(known[-1] == 1), float(known[-1] >= 2), float(known[-1] < 0), _induction(visit)]


def _person_mean_covariates(overall: float) -> Callable[[VisitToPredict], list[float]]:
    def mean(visit: VisitToPredict) -> list[float]:
        known = [min(category, 2) for category in _known_categories(visit)]
        return [(sum(known) + _MEAN_PRIOR_VISITS * overall) / (len(known) + _MEAN_PRIOR_VISITS), _induction(visit)]

    return mean


def last_value(train: list[VisitToPredict], test: list[VisitToPredict]) -> Floats:
    """Probabilities from the last known category alone (2 and above together, none known apart) and induction."""
    model = Ordinal(np.array([_last_value_covariates(v) for v in train]), np.array([v.category for v in train]))
    return model.chances(np.array([_last_value_covariates(v) for v in test]))


def person_mean(train: list[VisitToPredict], test: list[VisitToPredict]) -> Floats:
    """Probabilities from the mean of the person's known categories alone, shrunk to the mean of all people."""
    known = [min(category, 2) for visit in train for category in _known_categories(visit)]
    covariates = _person_mean_covariates(float(np.mean(known)) if known else 0.0)
    model = Ordinal(np.array([covariates(v) for v in train]), np.array([v.category for v in train]))
    return model.chances(np.array([covariates(v) for v in test]))


def dose_covariates(taper: Taper, r: int) -> list[float]:
    """Covariates of a visit from the doses alone, six numbers.

    Share of the peak dose that has been cut; share of the peak dose cut in the last seven days; whether the last dose
    is past; then ``exp(-days/7)`` and ``exp(-days/28)`` of the days since it; whether the visit is at induction.
    """
    day = int(taper.day[r])
    if day < 0:
        return [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    peak, now = float(taper.dose[: day + 1].max()), float(taper.dose[day])
    week = float(taper.dose[max(0, day - 7)])
    past = max(0, day - taper.last_day)
    gone = float(past > 0)
    return [1.0 - now / peak, (week - now) / peak, gone, gone * np.exp(-past / 7.0), gone * np.exp(-past / 28.0), 0.0]


class Mixed:
    """Ordinal logistic regression on dose covariates with a random intercept for each person, over all tapers."""

    def __init__(self, people: dict[str, PersonTapers]):
        rows = [(who, t, r) for who, person in people.items() for t in person for r in range(len(t.day))]
        self.model = Ordinal(
            np.array([dose_covariates(t, r) for _, t, r in rows]),
            np.array([t.category[r] for _, t, r in rows]),
            [who for who, _, _ in rows],
        )

    def predict(self, visits: list[VisitToPredict]) -> Floats:
        """Probabilities of the categories given the person's usable visits, (n_visits, n_categories)."""
        by_visit: dict[tuple[int, int], Floats] = {}
        for visit in visits:
            for taper in visit.person[: visit.k + 1]:
                if (id(taper), 0) not in by_visit:
                    x = np.array([dose_covariates(taper, r) for r in range(len(taper.day))])
                    logs = self.model.log_chances(x)[np.arange(len(x)), :, taper.category]
                    by_visit |= {(id(taper), r): logs[r] for r in range(len(x))}
        nodes = np.zeros(len(self.model.intercepts))
        weights = np.array([sum((by_visit[id(t), r] for t, r in v.known_visits()), nodes) for v in visits])
        return self.model.chances(np.array([dose_covariates(v.taper, v.r) for v in visits]), weights)
