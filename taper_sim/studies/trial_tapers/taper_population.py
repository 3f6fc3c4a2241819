"""Population of tapers: hyperparameters by marginal likelihood, persons integrated out on a grid.

Imports ``taper_people``, ``taper_likelihood``, ``model``, ``data.formulary``. People differ in the log of the
sensitivity sigma and in the COWS level ``c0`` without withdrawal. Both change between tapers of a person, with
correlations ``sigma_carried`` and ``c0_carried``. A grid over these two values integrates them out. Fisher scoring on
the persons' scores maximises over the hyperparameters, and the information of the scores gives the standard errors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Final

import numpy as np
from scipy.special import logsumexp

from taper_sim.array_types import Bools, Floats
from taper_sim.data.formulary import find_drug
from taper_sim.model.parameters import BY_SYMBOL, FAILED_TAPERS_COUNTED
from taper_sim.model.pharmacology import level_decay, within_day_shape
from taper_sim.studies.trial_tapers.taper_likelihood import DRIVES, at_shortfall, reported, withdrawals
from taper_sim.studies.trial_tapers.taper_people import HIGHEST_SCORES, LOWEST_SCORES, PersonTapers, Taper

ADAPTED_D: Final = 1825.0
"""Days of use before a taper begins, own opioids included. Source: the default of docs/inference.md."""
_LEVEL_GRID, _SENSITIVITY_GRID = np.linspace(-3.0, 3.0, 9), np.linspace(-3.0, 3.0, 7)
"""Grid points, sds. A finer grid changes the log likelihood of 3,900 visits by less than 0.1."""
_STEP: Final = 1e-4  # of finite differences, on the working scale
_MAX_STEPS: Final = 40
_CONVERGED_GAIN: Final = 0.1  # gain of log likelihood by a full step, below which the search has converged


@dataclass(frozen=True)
class Hyperparameter:
    """A parameter shared by all people of a population.

    ``scale`` is the working scale of the search and of the prior N(``mean``, ``sd``²): "log", "logit", "atanh" or
    "linear". ``start``, on the natural scale, is the start of the search, near the maximum for the trial's people
    (docs/real-tapers.md); it saves steps and does not change the result.
    """

    symbol: str
    scale: str
    mean: float
    sd: float
    unit: str
    meaning: str
    start: float

    def working(self, value: float) -> float:
        """Value on the working scale, from the natural one."""
        if self.scale == "log":
            return float(np.log(value))
        if self.scale == "logit":
            return float(np.log(value / (1.0 - value)))
        return float(np.arctanh(value)) if self.scale == "atanh" else float(value)

    def natural(self, x: float) -> float:
        """Value on the natural scale, from the working one."""
        if self.scale == "log":
            return float(np.exp(x))
        if self.scale == "logit":
            return float(1.0 / (1.0 + np.exp(-x)))
        return float(np.tanh(x)) if self.scale == "atanh" else float(x)


def _log_centre_buprenorphine(symbol: str) -> float:
    """Log of a parameter's centre for people on buprenorphine."""
    return float(np.log(BY_SYMBOL[symbol].centre("opioid", buprenorphine=True)))


_FAILED: Final = (float(np.log(BY_SYMBOL["sigma_failed"].centre())), 0.3)
_SCALE_MG: Final[Mapping[str, tuple[float, float, str, float]]] = {
    "effect": (_log_centre_buprenorphine("EC50"), 0.5, "level at half-maximal effect", 9.5),
    "linear": (float(np.log(16.0)), 0.7, "mg that count as one unit of shortfall", 16.0),
    "relative": (float(np.log(2.4)), 0.7, "added to the dose adapted to, of which a shortfall is a share", 9.0),
}


def hyperparameters(drive: str = "effect") -> tuple[Hyperparameter, ...]:
    """All hyperparameters with their weak priors. Source: assumption A36 (docs/assumptions.md)."""
    mean, sd, meaning, start = _SCALE_MG[drive]
    return (
        Hyperparameter(
            "sigma", "log", float(np.log(1.2)), 1.0, "1", "withdrawal sensitivity of the median person", 3.4
        ),
        Hyperparameter("sigma_sd", "log", float(np.log(0.6)), 0.5, "1", "sd of log sigma between people", 0.5),
        Hyperparameter("sigma_carried", "atanh", 0.8, 0.6, "1", "correlation of log sigma between one's tapers", 0.7),
        Hyperparameter(
            "sigma_failed", "log", *_FAILED, "1", "factor on sigma for each earlier taper of the trial", 1.0
        ),
        Hyperparameter("tau_F", "log", _log_centre_buprenorphine("tau_F"), 0.5, "d", "fast adaptation", 6.6),
        Hyperparameter("tau_L", "log", _log_centre_buprenorphine("tau_L"), 0.5, "d", "slow adaptation", 50),
        Hyperparameter("omega", "logit", 0.0, 1.0, "1", "fast share of the adapted set point", 0.8),
        Hyperparameter("EC50", "log", mean, sd, "mg/d", meaning, start),
        Hyperparameter("c0", "linear", 1.5, 4.0, "COWS points", "level without withdrawal, median person", -1.1),
        Hyperparameter("c0_sd", "log", float(np.log(2.0)), 0.7, "COWS points", "sd of that level between people", 2.9),
        Hyperparameter("c0_carried", "atanh", 0.8, 0.6, "1", "correlation of that level between one's tapers", 0.9),
        Hyperparameter("c0_later", "linear", 0.0, 3.0, "COWS points", "added to that level in each later taper", -2.3),
        Hyperparameter("kappa", "log", float(np.log(30.0)), 0.3, "COWS points", "COWS at full withdrawal", 16.6),
        Hyperparameter(
            "induction", "logit", 0.0, 1.0, "1", "shortfall of effect at induction, without one's opioids", 0.8
        ),
        Hyperparameter("white", "log", float(np.log(2.0)), 0.7, "COWS points", "sd of a visit's own noise", 4),
        Hyperparameter("slow", "log", float(np.log(2.0)), 0.7, "COWS points", "sd of the slow noise", 3.2),
        Hyperparameter("tau_slow", "log", float(np.log(7.0)), 0.7, "d", "the slow noise fades", 12),
        Hyperparameter(
            "use_points", "linear", 0.0, 4.0, "COWS points", "with own opioid use on each of 7 days before", 4
        ),
    )


@dataclass(frozen=True)
class Likelihoods:
    """Log probability, mean and variance of each visit on the grid, (n_visits, n_levels, n_sensitivities)."""

    mass: Floats
    centre: Floats
    spread: Floats


@cache
def fixed_by_model() -> tuple[float, Floats, float, float]:
    """Fixed quantities: daily decay of the drug level, within-day shape, delta, daily decay of withdrawal."""
    drug = find_drug("buprenorphine", "SL film/tablet")
    return (
        float(level_decay(drug.effect_half_life_h)),
        np.asarray(within_day_shape(drug.trough_mean)),
        BY_SYMBOL["delta"].centre(),
        float(np.exp(-1.0 / BY_SYMBOL["tau_s"].centre())),
    )


def _grid_weights(z: Floats) -> Floats:
    """Standard normal weights of grid points, summing to 1."""
    w = np.exp(-0.5 * z * z)
    return np.asarray(w / w.sum())


def _transition(z: Floats, carried: float) -> Floats:
    """Transition probabilities from grid points at one taper (rows) to the next (columns); rows sum to 1."""
    logs = -0.5 * (z[None, :] - carried * z[:, None]) ** 2 / max(1.0 - carried**2, 1e-3)
    return np.asarray(np.exp(logs - logsumexp(logs, axis=1, keepdims=True)))


@dataclass(frozen=True)
class TaperPopulation:
    """Hyperparameters, and predictions and likelihoods that follow from them.

    Attributes
    ----------
    drive : str
        One of :data:`~taper_sim.studies.trial_tapers.taper_likelihood.DRIVES`.
    theta : ndarray, (n_free,)
        Fitted hyperparameters, on the working scales of :attr:`free`.
    fixed : mapping of str to float
        Fixed hyperparameters, on the natural scale: ``{"use_points": 0.0}``.
    """

    drive: str
    theta: Floats
    fixed: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def free(self) -> tuple[Hyperparameter, ...]:
        """Fitted hyperparameters, in the order of theta."""
        return tuple(h for h in hyperparameters(self.drive) if h.symbol not in self.fixed)

    @cached_property
    def value(self) -> Mapping[str, float]:
        """Every hyperparameter by its symbol, on the natural scale."""
        fitted = {h.symbol: h.natural(x) for h, x in zip(self.free, self.theta, strict=True)}
        return {**fitted, **self.fixed}

    @cached_property
    def start(self) -> Floats:
        """Prior probability of each grid point, (n_levels, n_sensitivities)."""
        return np.outer(_grid_weights(_LEVEL_GRID), _grid_weights(_SENSITIVITY_GRID))

    @cached_property
    def _transitions(self) -> tuple[Floats, Floats]:
        v = self.value
        return _transition(_LEVEL_GRID, v["c0_carried"]), _transition(_SENSITIVITY_GRID, v["sigma_carried"])

    def next_taper(self, weights: Floats) -> Floats:
        """Probability of each grid point at a person's next taper, from those at this taper."""
        levels, sensitivities = self._transitions
        return np.asarray(levels.T @ weights @ sensitivities)

    def _withdrawals(self, taper: Taper, z: Floats) -> Floats:
        """Withdrawal by day, then at induction, (n_days + 1, n_z), of people ``z`` sds above the median sensitivity."""
        v = self.value
        failed = v["sigma_failed"] ** min(taper.earlier, FAILED_TAPERS_COUNTED)
        sigma = v["sigma"] * failed * np.exp(v["sigma_sd"] * z)
        n_days = max(int(taper.day[-1]), 0) + 1
        w = np.empty((n_days + 1, len(sigma)))  # the last row is induction
        withdrawals(
            DRIVES.index(self.drive),
            sigma,
            v["tau_F"],
            v["tau_L"],
            v["omega"],
            v["EC50"],
            taper.dose[:n_days],
            ADAPTED_D,
            *fixed_by_model(),
            w,
        )
        at_shortfall(sigma, v["induction"], w[n_days])
        return w

    def mean_scores(self, taper: Taper, z_level: float, z_sigma: float) -> Floats:
        """Mean COWS of each visit without noise, (n_visits,); ``z_level`` and ``z_sigma`` are sds from the median."""
        v, w = self.value, self._withdrawals(taper, np.array([z_sigma]))[:, 0]
        level = v["c0"] + v["c0_later"] * taper.earlier + v["c0_sd"] * z_level
        return np.asarray(
            level + v["kappa"] * w[np.where(taper.day < 0, len(w) - 1, taper.day)] + v["use_points"] * taper.recent_use
        )

    def likelihoods(self, taper: Taper, known: Bools | None = None) -> Likelihoods:
        """Likelihood of each visit given the earlier ``known`` visits, (n_visits,); by default all are known."""
        v = self.value
        w = self._withdrawals(taper, _SENSITIVITY_GRID)
        known = np.ones(len(taper.day), dtype=np.bool_) if known is None else known
        low, high = (
            np.where(known, LOWEST_SCORES[taper.category], -np.inf),
            np.where(known, HIGHEST_SCORES[taper.category], np.inf),
        )
        out = Likelihoods(*(np.empty((len(taper.day), len(_LEVEL_GRID), len(_SENSITIVITY_GRID))) for _ in range(3)))
        reported(
            v["c0"] + v["c0_later"] * taper.earlier + v["c0_sd"] * _LEVEL_GRID,
            v["kappa"],
            v["white"],
            v["slow"],
            v["tau_slow"],
            w,
            np.where(taper.day < 0, len(w) - 1, taper.day),
            taper.day,
            low,
            high,
            v["use_points"] * taper.recent_use,
            out.mass,
            out.centre,
            out.spread,
        )
        return out

    def masses(self, person: PersonTapers) -> list[Floats]:
        """Log probability of each taper's visits by grid point, each (n_levels, n_sensitivities)."""
        return [np.asarray(self.likelihoods(taper).mass.sum(axis=0)) for taper in person]

    def log_evidence(self, person: PersonTapers, masses: list[Floats] | None = None) -> float:
        """Log probability of all of a person's visits, with the person's values integrated out."""
        weights, total = self.start, 0.0
        for k, log_mass in enumerate(self.masses(person) if masses is None else masses):
            weights = self.next_taper(weights) if k else weights
            weights, log_p = _updated(weights, log_mass)
            total += log_p
        return total

    def beliefs(self, masses: list[Floats]) -> list[Floats]:
        """Probability of each grid point at each taper given all visits, by the forward-backward algorithm."""
        forward = [_updated(self.start, masses[0])[0]]
        for log_mass in masses[1:]:
            forward.append(_updated(self.next_taper(forward[-1]), log_mass)[0])
        levels, sensitivities = self._transitions
        back, smoothed = np.ones_like(self.start), [forward[-1]]
        for k in range(len(masses) - 1, 0, -1):
            back = levels @ (back * np.exp(masses[k] - masses[k].max())) @ sensitivities.T
            back = back / back.max()
            smoothed.append(forward[k - 1] * back / (forward[k - 1] * back).sum())
        return smoothed[::-1]

    def moved(self, symbol: str, step: float) -> "TaperPopulation":
        """The population with one hyperparameter shifted by ``step`` on its working scale."""
        eye = np.array([float(h.symbol == symbol) for h in self.free])
        return TaperPopulation(self.drive, self.theta + step * eye, self.fixed)

    def scores(self, people: Sequence[PersonTapers]) -> tuple[Floats, Floats]:
        """Log evidence of each person, (n_people,), and its gradient, (n_people, n_free).

        By Fisher's identity the gradient of the evidence is the posterior mean, over the person's values, of the
        gradient of the visits' log probability. That gradient is taken by finite differences for hyperparameters that
        change the visits' likelihood, and by the chain rule for those that only shift a person's values. For the
        correlations between tapers, finite differences of the evidence are used.
        """
        v, names = self.value, [h.symbol for h in self.free]
        in_likelihood = [name for name in names if name not in _CHAINED and not name.endswith("_carried")]
        shifted = {name: self.moved(name, _STEP) for name in names if name not in _CHAINED}
        evidence, gradient = np.empty(len(people)), np.zeros((len(people), len(names)))
        for row, person in enumerate(people):
            masses = self.masses(person)
            evidence[row] = self.log_evidence(person, masses)
            beliefs = self.beliefs(masses)
            slope = {}
            for name in in_likelihood:
                slope[name] = [(m - m0) / _STEP for m, m0 in zip(shifted[name].masses(person), masses, strict=True)]
            for column, name in enumerate(names):
                if name in in_likelihood:
                    gradient[row, column] = sum(float((b * d).sum()) for b, d in zip(beliefs, slope[name], strict=True))
                elif name in _CHAINED:
                    parent, factor = _CHAINED[name]
                    gradient[row, column] = sum(
                        float((b * d * factor(v, taper.earlier)).sum())
                        for taper, b, d in zip(person, beliefs, slope[parent], strict=True)
                    )
                else:
                    gradient[row, column] = (shifted[name].log_evidence(person, masses) - evidence[row]) / _STEP
        return evidence, gradient


def _updated(weights: Floats, log_mass: Floats) -> tuple[Floats, float]:
    """Posterior weights of the grid points, summing to 1, and the log probability of the visits."""
    top = float(log_mass.max())
    joint = weights * np.exp(log_mass - top)
    return joint / joint.sum(), top + float(np.log(joint.sum()))


#: Slopes by the chain rule: the hyperparameter whose slope is used, and the factor by which it is multiplied, from the
#: hyperparameters and the number k of earlier tapers (log sigma and c0 by grid point).
_CHAINED: Final[Mapping[str, tuple[str, Callable[[Mapping[str, float], int], Floats | float]]]] = {
    "sigma_sd": ("sigma", lambda v, k: v["sigma_sd"] * _SENSITIVITY_GRID[None, :]),
    "sigma_failed": ("sigma", lambda v, k: float(min(k, FAILED_TAPERS_COUNTED))),
    "c0_sd": ("c0", lambda v, k: v["c0_sd"] * _LEVEL_GRID[:, None]),
    "c0_later": ("c0", lambda v, k: float(k)),
}


@dataclass(frozen=True)
class TaperFit:
    """A fitted population.

    Attributes
    ----------
    population : TaperPopulation
    covariance : ndarray, (n_free, n_free)
        Covariance of theta: inverse of the information of the persons' scores and the prior.
    log_likelihood : float
        Marginal log likelihood of all people, without the prior.
    steps : int
        Number of Fisher scoring steps.
    converged : bool
        Whether the search converged within 40 steps.
    """

    population: TaperPopulation
    covariance: Floats
    log_likelihood: float
    steps: int
    converged: bool


def _log_prior(theta: Floats, free: Sequence[Hyperparameter]) -> float:
    return float(sum(-0.5 * ((x - h.mean) / h.sd) ** 2 for x, h in zip(theta, free, strict=True)))


def fit(people: Sequence[PersonTapers], drive: str = "effect", fixed: Mapping[str, float] | None = None) -> TaperFit:
    """Hyperparameters that maximise marginal likelihood times prior, by damped Fisher scoring.

    Parameters
    ----------
    people : sequence of PersonTapers
    drive : str
        One of :data:`~taper_sim.studies.trial_tapers.taper_likelihood.DRIVES`.
    fixed : mapping of str to float, optional
        Hyperparameters to fix, on the natural scale.
    """
    fixed = dict(fixed or {})
    free = TaperPopulation(drive, np.empty(0), fixed).free
    theta = np.array([h.working(h.start) for h in free])

    def target(evidence: Floats, at: Floats) -> float:
        return float(evidence.sum()) + _log_prior(at, free)

    mean, precision = np.array([h.mean for h in free]), np.array([h.sd for h in free]) ** -2.0
    damping, steps, converged = 1e-3, 0, False
    while True:
        evidence, scores = TaperPopulation(drive, theta, fixed).scores(people)
        now = target(evidence, theta)
        gradient = scores.sum(axis=0) - precision * (theta - mean)
        information = scores.T @ scores + np.diag(precision)
        converged = converged or 0.5 * float(gradient @ np.linalg.solve(information, gradient)) < _CONVERGED_GAIN
        if converged or steps == _MAX_STEPS:
            break
        steps += 1
        converged = True  # unless a step increases the target
        for _ in range(10):
            move = np.linalg.solve(information + damping * np.diag(np.diag(information)), gradient)
            move *= min(1.0, 1.0 / float(np.abs(move).max()))
            candidate = TaperPopulation(drive, theta + move, fixed)
            gain = target(np.array([candidate.log_evidence(p) for p in people]), theta + move) - now
            if gain > 0:
                theta, damping, converged = theta + move, damping * 0.3, False
                break
            damping = max(4.0 * damping, 0.02)
    return TaperFit(
        TaperPopulation(drive, theta, fixed), np.linalg.inv(information), float(evidence.sum()), steps, converged
    )
