"""A population of tapers: hyperparameters by marginal likelihood, persons integrated out on a grid. Imports ``people``.

A person differs from others in the sensitivity sigma (on the log) and in the COWS level ``c0`` without withdrawal;
from one of her tapers to the next both move, as far as ``sigma_carried`` and ``c0_carried`` (correlations) say. With
two such values a grid integrates exactly what importance sampling would approximate; the hyperparameters then climb by
Fisher scoring on the persons' scores, whose information gives their standard errors.
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
from taper_sim.studies.trial_tapers.taper_people import HIGH, LOW, PersonTapers, Taper

ADAPTED_D: Final = 1825.0
"""Days of use before a taper begins, opioids of one's own included. Source: the default of docs/inference.md."""
_LEVELS, _SENSITIVITIES = np.linspace(-3.0, 3.0, 9), np.linspace(-3.0, 3.0, 7)
"""Points of the grid, sds: a finer one changes the log likelihood of 3,900 visits by less than 0.1."""
_STEP: Final = 1e-4  # of finite differences, on the working scale
_MOST_STEPS: Final = 40
_ENOUGH: Final = 0.1  # log-likelihood units that a whole step would gain: less is the top


@dataclass(frozen=True)
class Hyperparameter:
    """One number that all people of a population share.

    ``scale`` is where the search and the prior N(``mean``, ``sd``²) work: "log", "logit", "atanh" or "linear";
    ``start`` is where the search begins, near the top found for the trial's people (docs/real-tapers.md), which saves
    steps and moves nothing; it stands on the parameter's own scale.
    """

    symbol: str
    scale: str
    mean: float
    sd: float
    unit: str
    meaning: str
    start: float

    def working(self, value: float) -> float:
        """A value on the working scale."""
        if self.scale == "log":
            return float(np.log(value))
        if self.scale == "logit":
            return float(np.log(value / (1.0 - value)))
        return float(np.arctanh(value)) if self.scale == "atanh" else float(value)

    def natural(self, x: float) -> float:
        """The value itself, from the working scale."""
        if self.scale == "log":
            return float(np.exp(x))
        if self.scale == "logit":
            return float(1.0 / (1.0 + np.exp(-x)))
        return float(np.tanh(x)) if self.scale == "atanh" else float(x)


def _bup(symbol: str) -> float:
    return float(np.log(BY_SYMBOL[symbol].centre("opioid", buprenorphine=True)))


_FAILED: Final = (float(np.log(BY_SYMBOL["sigma_failed"].centre())), 0.3)
_SCALE_MG: Final[Mapping[str, tuple[float, float, str, float]]] = {
    "effect": (_bup("EC50"), 0.5, "level at half-maximal effect", 9.5),
    "linear": (float(np.log(16.0)), 0.7, "mg that count as one unit of shortfall", 16.0),
    "relative": (float(np.log(2.4)), 0.7, "added to the dose adapted to, of which a shortfall is a share", 9.0),
}


def hyperparameters(drive: str = "effect") -> tuple[Hyperparameter, ...]:
    """All of them, with priors that a few hundred people can move: A36 of docs/assumptions.md."""
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
        Hyperparameter("tau_F", "log", _bup("tau_F"), 0.5, "d", "fast adaptation", 6.6),
        Hyperparameter("tau_L", "log", _bup("tau_L"), 0.5, "d", "slow adaptation", 50),
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
    """Of one taper's visits on the grid, (n_visits, n_levels, n_sensitivities): log probability, mean, variance."""

    mass: Floats
    centre: Floats
    spread: Floats


@cache
def held() -> tuple[float, Floats, float, float]:
    """What a level keeps of a day, within-day shape, delta, and what withdrawal keeps of a day: not fitted."""
    drug = find_drug("buprenorphine", "SL film/tablet")
    return (
        float(level_decay(drug.effect_half_life_h)),
        np.asarray(within_day_shape(drug.trough_mean)),
        BY_SYMBOL["delta"].centre(),
        float(np.exp(-1.0 / BY_SYMBOL["tau_s"].centre())),
    )


def _weights(z: Floats) -> Floats:
    w = np.exp(-0.5 * z * z)
    return np.asarray(w / w.sum())


def _transition(z: Floats, carried: float) -> Floats:
    """Chance of each grid point at the next taper, by that of this one: rows sum to 1."""
    logs = -0.5 * (z[None, :] - carried * z[:, None]) ** 2 / max(1.0 - carried**2, 1e-3)
    return np.asarray(np.exp(logs - logsumexp(logs, axis=1, keepdims=True)))


@dataclass(frozen=True)
class TaperPopulation:
    """Hyperparameters at one point, and everything that follows from them for a person.

    Attributes
    ----------
    drive : str
        One of :data:`~taper_sim.studies.trial_tapers.taper_likelihood.DRIVES`.
    theta : ndarray, (n_free,)
        On the working scales of :attr:`free`.
    fixed : mapping of str to float
        Hyperparameters that are held, at their own value: ``{"use_points": 0.0}``.
    """

    drive: str
    theta: Floats
    fixed: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def free(self) -> tuple[Hyperparameter, ...]:
        """Those that are fitted, in the order of theta."""
        return tuple(h for h in hyperparameters(self.drive) if h.symbol not in self.fixed)

    @cached_property
    def value(self) -> Mapping[str, float]:
        """Every hyperparameter by its symbol."""
        fitted = {h.symbol: h.natural(x) for h, x in zip(self.free, self.theta, strict=True)}
        return {**fitted, **self.fixed}

    @cached_property
    def start(self) -> Floats:
        """Chance of each grid point before anything is known, (n_levels, n_sensitivities)."""
        return np.outer(_weights(_LEVELS), _weights(_SENSITIVITIES))

    @cached_property
    def _transitions(self) -> tuple[Floats, Floats]:
        v = self.value
        return _transition(_LEVELS, v["c0_carried"]), _transition(_SENSITIVITIES, v["sigma_carried"])

    def next_taper(self, weights: Floats) -> Floats:
        """What is believed of her next taper, from what is believed of this one."""
        levels, sensitivities = self._transitions
        return np.asarray(levels.T @ weights @ sensitivities)

    def _withdrawals(self, taper: Taper, z: Floats) -> Floats:
        """Withdrawal by day and then at induction, (n_days + 1, n_z), of people ``z`` sds more sensitive than most."""
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
            *held(),
            w,
        )
        at_shortfall(sigma, v["induction"], w[n_days])
        return w

    def mean_scores(self, taper: Taper, z_level: float, z_sigma: float) -> Floats:
        """Mean COWS of each visit without noise, (n_visits,), of a person that many sds from the median."""
        v, w = self.value, self._withdrawals(taper, np.array([z_sigma]))[:, 0]
        level = v["c0"] + v["c0_later"] * taper.earlier + v["c0_sd"] * z_level
        return np.asarray(
            level + v["kappa"] * w[np.where(taper.day < 0, len(w) - 1, taper.day)] + v["use_points"] * taper.recent_use
        )

    def likelihoods(self, taper: Taper, known: Bools | None = None) -> Likelihoods:
        """Of each visit, given the visits before it that are ``known`` (n_visits,), by default all."""
        v = self.value
        w = self._withdrawals(taper, _SENSITIVITIES)
        known = np.ones(len(taper.day), dtype=np.bool_) if known is None else known
        low, high = np.where(known, LOW[taper.category], -np.inf), np.where(known, HIGH[taper.category], np.inf)
        out = Likelihoods(*(np.empty((len(taper.day), len(_LEVELS), len(_SENSITIVITIES))) for _ in range(3)))
        reported(
            v["c0"] + v["c0_later"] * taper.earlier + v["c0_sd"] * _LEVELS,
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
        """Log probability of all her visits, her own values integrated out."""
        weights, total = self.start, 0.0
        for k, log_mass in enumerate(self.masses(person) if masses is None else masses):
            weights = self.next_taper(weights) if k else weights
            weights, more = _updated(weights, log_mass)
            total += more
        return total

    def beliefs(self, masses: list[Floats]) -> list[Floats]:
        """Chance of each grid point at each taper, given the visits of all (forwards, then backwards)."""
        forward = [_updated(self.start, masses[0])[0]]
        for log_mass in masses[1:]:
            forward.append(_updated(self.next_taper(forward[-1]), log_mass)[0])
        levels, sensitivities = self._transitions
        back, found = np.ones_like(self.start), [forward[-1]]
        for k in range(len(masses) - 1, 0, -1):
            back = levels @ (back * np.exp(masses[k] - masses[k].max())) @ sensitivities.T
            back = back / back.max()
            found.append(forward[k - 1] * back / (forward[k - 1] * back).sum())
        return found[::-1]

    def moved(self, symbol: str, step: float) -> "TaperPopulation":
        """The population with one hyperparameter moved on its working scale."""
        eye = np.array([float(h.symbol == symbol) for h in self.free])
        return TaperPopulation(self.drive, self.theta + step * eye, self.fixed)

    def scores(self, people: Sequence[PersonTapers]) -> tuple[Floats, Floats]:
        """Log evidence of each person, (n_people,), and its gradient, (n_people, n_free).

        The gradient of the evidence is the mean, over what is believed of her, of the gradient of her visits' log
        probability (Fisher): the latter by differences for those that move the visits, by the chain rule for those
        that only move where people stand, and by differences of the evidence for what carries over.
        """
        v, names = self.value, [h.symbol for h in self.free]
        moves = [name for name in names if name not in _CHAINED and not name.endswith("_carried")]
        others = {name: self.moved(name, _STEP) for name in names if name not in _CHAINED}
        evidence, gradient = np.empty(len(people)), np.zeros((len(people), len(names)))
        for row, person in enumerate(people):
            masses = self.masses(person)
            evidence[row] = self.log_evidence(person, masses)
            beliefs = self.beliefs(masses)
            slope = {}
            for name in moves:
                slope[name] = [(m - m0) / _STEP for m, m0 in zip(others[name].masses(person), masses, strict=True)]
            for column, name in enumerate(names):
                if name in moves:
                    gradient[row, column] = sum(float((b * d).sum()) for b, d in zip(beliefs, slope[name], strict=True))
                elif name in _CHAINED:
                    parent, factor = _CHAINED[name]
                    gradient[row, column] = sum(
                        float((b * d * factor(v, taper.earlier)).sum())
                        for taper, b, d in zip(person, beliefs, slope[parent], strict=True)
                    )
                else:
                    moved = others[name].log_evidence(person, masses)
                    gradient[row, column] = (moved - evidence[row]) / _STEP
        return evidence, gradient


def _updated(weights: Floats, log_mass: Floats) -> tuple[Floats, float]:
    """Weights after the evidence, summing to 1, and the log of its probability."""
    top = float(log_mass.max())
    joint = weights * np.exp(log_mass - top)
    return joint / joint.sum(), top + float(np.log(joint.sum()))


#: Slopes that follow from another's: whose, and times what after k earlier tapers (log sigma and c0 by grid point).
_CHAINED: Final[Mapping[str, tuple[str, Callable[[Mapping[str, float], int], Floats | float]]]] = {
    "sigma_sd": ("sigma", lambda v, k: v["sigma_sd"] * _SENSITIVITIES[None, :]),
    "sigma_failed": ("sigma", lambda v, k: float(min(k, FAILED_TAPERS_COUNTED))),
    "c0_sd": ("c0", lambda v, k: v["c0_sd"] * _LEVELS[:, None]),
    "c0_later": ("c0", lambda v, k: float(k)),
}


@dataclass(frozen=True)
class TaperFit:
    """A fitted population.

    Attributes
    ----------
    population : Population
    covariance : ndarray, (n_free, n_free)
        Of theta: the inverse of the information of the persons' scores and the prior.
    log_likelihood : float
        Marginal, of all people, without the prior.
    steps : int
    converged : bool
        Whether the top was reached in the steps allowed.
    """

    population: TaperPopulation
    covariance: Floats
    log_likelihood: float
    steps: int
    converged: bool


def _log_prior(theta: Floats, free: Sequence[Hyperparameter]) -> float:
    return float(sum(-0.5 * ((x - h.mean) / h.sd) ** 2 for x, h in zip(theta, free, strict=True)))


def fit(people: Sequence[PersonTapers], drive: str = "effect", fixed: Mapping[str, float] | None = None) -> TaperFit:
    """Hyperparameters at the top of marginal likelihood times prior, by damped Fisher scoring.

    Parameters
    ----------
    people : sequence of Person
    drive : str
    fixed : mapping of str to float, optional
        Hyperparameters to hold.
    """
    here = TaperPopulation(drive, np.empty(0), dict(fixed or {}))
    theta = np.array([h.working(h.start) for h in here.free])
    free = here.free

    def target(evidence: Floats, at: Floats) -> float:
        return float(evidence.sum()) + _log_prior(at, free)

    mean, precision = np.array([h.mean for h in free]), np.array([h.sd for h in free]) ** -2.0
    damping, steps, converged = 1e-3, 0, False
    while True:
        evidence, scores = TaperPopulation(here.drive, theta, here.fixed).scores(people)
        now = target(evidence, theta)
        gradient = scores.sum(axis=0) - precision * (theta - mean)
        information = scores.T @ scores + np.diag(precision)
        converged = converged or 0.5 * float(gradient @ np.linalg.solve(information, gradient)) < _ENOUGH
        if converged or steps == _MOST_STEPS:
            break
        steps += 1
        converged = True  # unless a step is found that gains
        for _ in range(10):
            move = np.linalg.solve(information + damping * np.diag(np.diag(information)), gradient)
            move *= min(1.0, 1.0 / float(np.abs(move).max()))
            there = TaperPopulation(here.drive, theta + move, here.fixed)
            gained = target(np.array([there.log_evidence(p) for p in people]), theta + move) - now
            if gained > 0:
                theta, damping, converged = theta + move, damping * 0.3, False
                break
            damping = max(4.0 * damping, 0.02)
    return TaperFit(
        TaperPopulation(here.drive, theta, here.fixed),
        np.linalg.inv(information),
        float(evidence.sum()),
        steps,
        converged,
    )
