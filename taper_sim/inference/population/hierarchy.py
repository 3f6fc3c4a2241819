"""Hierarchical model in PyMC: hyperparameters, with people's values integrated out.

Imports ``people``, ``missing``, ``marginal_likelihood``, ``inference``. A person's values come from normals with the
population's centres and spreads; the likelihood of their reports is that of ``inference.likelihood``. Given draws of
the values from a proposal (``posterior_of`` under a reference population), the person's marginal likelihood under any
hyperparameters near the reference is a weighted mean of densities:

    p(y | hyper) = sum_s w_s p(x_s | hyper) / p(x_s | reference)

It is smooth in the hyperparameters and exact in the limit of many draws. NUTS therefore samples some forty
hyperparameters instead of thousands of people's values (docs/population.md describes the checks). :class:`Draws`
defines the sum in NumPy; ``marginal_likelihood`` computes it and its gradient in compiled code.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import pymc as pm
from pytensor import tensor as pt

from taper_sim.array_types import Floats
from taper_sim.inference.population.marginal_likelihood import ROBUST_DF, LogMarginalLikelihood
from taper_sim.inference.population.missing import log_chance_of_answering
from taper_sim.inference.population.people import RecordedPerson
from taper_sim.inference.posterior import Posterior, posterior_of
from taper_sim.inference.prior import (
    ASSESSED,
    ASSESSED_LOG_S0,
    DRIFT_SD,
    TRAITS,
    VALUE_PRIORS,
    PopulationPrior,
    Trait,
    failed_shift,
)

SPREAD_LOG_SD: Final = 0.4
"""Prior sd of the log of a spread between people, centred on the table's spread. Source: A47."""
DRIFT_LOG_SD: Final = 0.5
"""Prior sd of the log of the drift's sd. Source: A47 (0.2 within 0.07 and 0.53)."""
TRAIT_SD: Final = 0.3
"""Prior sd of a trait's effect on log sigma. Source: A47."""
_LEAST_RANGE: Final = 0.1
"""Smallest range of a trait between people for its effect to be estimated. A design choice: a tenth of a flag, or 0.1
on the log of days of use."""


class Hyper(NamedTuple):
    """Hyperparameters of one or many draws: ``centre``, ``spread`` (…, k); ``drift_sd`` (…); ``effect`` (…, n_traits).

    ``centre`` and ``spread`` are of the log of a value if its prior is on the log.
    """

    centre: Floats
    spread: Floats
    drift_sd: Floats
    effect: Floats


@dataclass(frozen=True)
class Draws:
    """Draws of all people's values, with importance weights relative to the likelihood alone.

    Attributes
    ----------
    keys : tuple of str
        Names, in a population, of the values that differ between people.
    traits : tuple of str
        Traits that vary between the people.
    x : ndarray, (n_people, n_draws, n_keys)
        Values, of the log if the prior is on the log, without the shift by failed tapers; 0 if a person has no such
        value.
    has_value : ndarray, (n_people, n_keys)
        1 if the person has that value.
    drift2 : ndarray, (n_people, n_draws)
        Sum of squares of the drift segments.
    n_drift : ndarray, (n_people,)
        Number of drift segments.
    trait : ndarray, (n_people, n_traits)
        Trait minus its mean over the people for whom it is known; 0 if unknown.
    trait_centre : ndarray, (n_traits,)
        That mean.
    log_weight : ndarray, (n_people, n_draws)
        Log importance weights for the likelihood alone as target.
    posteriors : tuple of Posterior
        Posterior of each person under the reference population.
    """

    keys: tuple[str, ...]
    traits: tuple[str, ...]
    x: Floats = field(repr=False)
    has_value: Floats = field(repr=False)
    drift2: Floats = field(repr=False)
    n_drift: Floats = field(repr=False)
    trait: Floats = field(repr=False)
    trait_centre: Floats = field(repr=False)
    log_weight: Floats = field(repr=False)
    posteriors: tuple[Posterior, ...] = field(repr=False)

    @property
    def sigma(self) -> Floats:
        """1 for the values that traits shift: log sigma of every class, (n_keys,)."""
        return np.array([float(key.startswith("sigma_")) for key in self.keys])

    def log_density(self, h: Hyper, robust: bool = False) -> Floats:
        """Log density of every draw under one set of hyperparameters, (n_people, n_draws)."""
        mean = h.centre + (self.trait @ h.effect)[:, None] * self.sigma
        off = (self.x - mean[:, None, :]) / h.spread
        shape = -0.5 * (ROBUST_DF + 1) * np.log1p(off**2 / ROBUST_DF) if robust else -0.5 * off**2
        density = ((shape - np.log(h.spread)) * self.has_value[:, None, :]).sum(axis=2)
        return np.asarray(
            density - 0.5 * self.drift2 / h.drift_sd**2 - self.n_drift[:, None] * np.log(h.drift_sd), dtype=np.float64
        )

    def log_marginal(self, h: Hyper, robust: bool = False) -> Floats:
        """Log marginal likelihood of every person up to a constant, (n_people,)."""
        return np.asarray(np.logaddexp.reduce(self.log_weight + self.log_density(h, robust), axis=1))

    def weights(self, h: Hyper, robust: bool = False) -> Floats:
        """Weights of every person's draws under one set of hyperparameters, (n_people, n_draws); rows sum to 1."""
        log = self.log_weight + self.log_density(h, robust)
        w = np.exp(log - log.max(axis=1, keepdims=True))
        return np.asarray(w / w.sum(axis=1, keepdims=True))


def draws_of(
    people: Sequence[RecordedPerson], reference: PopulationPrior, n_draws: int, seed: int, missing: bool
) -> Draws:
    """Draw the values of all people under a reference population.

    Parameters
    ----------
    people : sequence of RecordedPerson
    reference : Population
        Population from which the proposals come; it should be near the fitted one.
    n_draws : int
        Draws of each person from a Student t proposal, a power of two.
    seed : int
    missing : bool
        Whether missed check-ins enter the likelihood (``population.missing``).
    """
    posteriors, names = [], []
    for number, person in enumerate(people):
        posterior = posterior_of(person.evidence(reference), n_draws, seed + number)
        posteriors.append(posterior)
        names.append(person.keys(posterior.prior.names))
    keys = tuple(key for key in VALUE_PRIORS if any(key in of_person for of_person in names))
    varying = tuple(t for t in TRAITS if _range([p.traits[t] for p in people if t in p.traits]) >= _LEAST_RANGE)
    n = len(posteriors[0].weights)
    x, has_value = np.zeros((len(people), n, len(keys))), np.zeros((len(people), len(keys)))
    drift2, n_drift = np.zeros((len(people), n)), np.zeros(len(people))
    log_weight = np.zeros((len(people), n))
    for q, (person, posterior, of_person) in enumerate(zip(people, posteriors, names, strict=True)):
        p = posterior.prior
        values = p.mean + p.sd * posterior.z
        columns = [k for k, key in enumerate(of_person) if key in VALUE_PRIORS]
        key_columns = [keys.index(of_person[k]) for k in columns]
        x[q][:, key_columns] = values[:, columns]
        has_value[q, key_columns] = 1.0
        sigma = [k for k in key_columns if keys[k].startswith("sigma_")]
        x[q][:, sigma] -= failed_shift(person.failed_tapers)
        drifts = np.array([name.startswith("drift_") for name in p.names])
        drift2[q], n_drift[q] = (values[:, drifts] ** 2).sum(axis=1), drifts.sum()
        reference_density = -0.5 * (posterior.z**2).sum(axis=1) - np.log(p.sd).sum()
        with np.errstate(divide="ignore"):  # a weight may underflow to 0
            log_weight[q] = np.log(posterior.weights) + posterior.log_evidence - reference_density
        log_weight[q] += _assessed(person, p.names, p.natural(posterior.z))
        if missing:
            log_weight[q] += log_chance_of_answering(person, posterior)
    trait = np.array([[p.traits.get(t, np.nan) for t in varying] for p in people]).reshape(len(people), len(varying))
    centre = np.nanmean(trait, axis=0) if varying else np.zeros(0)
    return Draws(
        keys,
        varying,
        x,
        has_value,
        drift2,
        n_drift,
        np.nan_to_num(trait - centre),
        centre,
        log_weight,
        tuple(posteriors),
    )


def _range(values: Sequence[float]) -> float:
    return max(values) - min(values) if values else 0.0


def _assessed(person: RecordedPerson, names: Sequence[str], natural: Floats) -> Floats:
    """Log likelihood of the baseline assessment at each draw, (n_draws,): one report of each level (noise: A29)."""
    total = np.zeros(len(natural))
    for name, value in person.assessed.items():
        if name in ASSESSED and name in names:
            total -= 0.5 * ((natural[:, list(names).index(name)] - value) / ASSESSED[name]) ** 2
    s0 = person.assessed.get("sows_gossop", 0.0)
    if s0 > 0 and "s0" in names:
        total -= 0.5 * ((np.log(natural[:, list(names).index("s0")]) - np.log(s0)) / ASSESSED_LOG_S0) ** 2
    return total


def prior_centres(keys: Sequence[str]) -> tuple[Floats, Floats, Floats]:
    """Prior mean and sd of each centre, and prior median of each spread, from the table (A47 if it has no sd)."""
    priors = [VALUE_PRIORS[key] for key in keys]
    centre = np.array([p.centre for p in priors])
    spread = np.array([p.spread for p in priors])
    sd = np.array([p.centre_sd if p.centre_sd > 0 else p.spread for p in priors])
    return centre, sd, spread


def em_step(draws: Draws, h: Hyper, robust: bool) -> Hyper:
    """One step of expectation-maximisation with the hyperpriors: a better reference from which to draw people.

    With ``robust`` outlying values get less weight, as for a Student t.
    """
    centre0, sd0, spread0 = prior_centres(draws.keys)
    w = draws.weights(h, robust)
    shift = (draws.trait @ h.effect)[:, None, None] * draws.sigma
    off = (draws.x - shift - h.centre) / h.spread
    share = (ROBUST_DF + 1) / (ROBUST_DF + off**2) if robust else np.ones_like(off)
    mass = np.einsum("ps,psk,pk->k", w, share, draws.has_value)
    first = np.einsum("ps,psk,psk,pk->k", w, share, draws.x - shift, draws.has_value)
    precision = mass / h.spread**2 + 1.0 / sd0**2
    centre = (first / h.spread**2 + centre0 / sd0**2) / precision
    second = np.einsum("ps,psk,psk,pk->k", w, share, (draws.x - shift - centre) ** 2, draws.has_value)
    spread = _spread_mode(draws.has_value.sum(axis=0), second, spread0, SPREAD_LOG_SD)
    drift = _spread_mode(
        np.array([draws.n_drift.sum()]), np.array([(w * draws.drift2).sum()]), np.array([DRIFT_SD]), DRIFT_LOG_SD
    )[0]
    effect = h.effect
    if draws.traits:
        weight = (draws.has_value * draws.sigma / spread**2).sum(axis=1)
        residual = np.einsum("ps,psk,pk->p", w, draws.x - centre, draws.has_value * draws.sigma / spread**2)
        normal = draws.trait.T @ (draws.trait * weight[:, None]) + np.eye(len(effect)) / TRAIT_SD**2
        effect = np.linalg.solve(normal, draws.trait.T @ residual)
    return Hyper(centre, spread, np.asarray(drift), effect)


def _spread_mode(n: Floats, squares: Floats, median: Floats, log_sd: float) -> Floats:
    """Mode of the posterior of log spread by Newton's method, exponentiated.

    The data are ``n`` squared deviations with sum ``squares``; the prior is normal about the log of ``median``.
    """
    t = np.log(median)
    for _ in range(50):
        scaled = squares * np.exp(-2.0 * t)
        gradient = scaled - n - (t - np.log(median)) / log_sd**2
        t = t + np.clip(gradient / (2.0 * scaled + 1.0 / log_sd**2), -0.5, 0.5)
    return np.asarray(np.exp(t))


def start_of(draws: Draws) -> Hyper:
    """Hyperparameters at the centres of their priors."""
    centre, _, spread = prior_centres(draws.keys)
    return Hyper(centre, spread, np.asarray(DRIFT_SD), np.zeros(len(draws.traits)))


def as_population(draws: Draws, h: Hyper) -> PopulationPrior:
    """Hyperparameters as a reference population; its sds hold the spread between people only."""
    return PopulationPrior(
        centre=dict(zip(draws.keys, h.centre.tolist(), strict=True)),
        sd=dict(zip(draws.keys, h.spread.tolist(), strict=True)),
        drift_sd=float(h.drift_sd),
        traits={
            name: Trait(float(effect), 0.0, float(centre))
            for name, effect, centre in zip(draws.traits, h.effect, draws.trait_centre, strict=True)
        },
        origin="reference of a fit",
    )


def data_of(draws: Draws) -> dict[str, Floats]:
    """Data of the PyMC model by name."""
    finite = draws.log_weight > -np.inf
    log_weight = np.where(finite, draws.log_weight, draws.log_weight[finite].min() - 1e3)
    data = {
        "log_weight": log_weight,
        "x": np.moveaxis(draws.x, 2, 1),
        "has_value": draws.has_value,
        "drift2": draws.drift2,
        "n_drift": draws.n_drift,
        "trait_off": draws.trait,
        "moved": draws.sigma,
    }
    return {name: np.ascontiguousarray(value, dtype=np.float64) for name, value in data.items()}


def model_of(draws: Draws, robust: bool) -> pm.Model:
    """PyMC model: hyperpriors, with the people's log marginal likelihood as a potential.

    The parametrisation is non-centred: free variables are in units of the priors' sds, and ``centre``, ``spread``,
    ``drift_sd`` and ``effect`` are deterministic functions of them.
    """
    centre0, sd0, spread0 = prior_centres(draws.keys)
    with pm.Model(coords={"value": list(draws.keys), "trait": list(draws.traits)}) as model:
        centre = pm.Deterministic("centre", centre0 + sd0 * pm.Normal("centre_z", dims="value"), dims="value")
        spread = pm.Deterministic(
            "spread", spread0 * pt.exp(SPREAD_LOG_SD * pm.Normal("spread_z", dims="value")), dims="value"
        )
        drift = pm.Deterministic("drift_sd", DRIFT_SD * pt.exp(DRIFT_LOG_SD * pm.Normal("drift_z")))
        effect: Any = np.zeros(0)
        if draws.traits:
            effect = pm.Deterministic("effect", TRAIT_SD * pm.Normal("effect_z", dims="trait"), dims="trait")
        # as constants the data would be compiled into the code, and other draws could not replace them
        data = [pm.Data(name, value) for name, value in data_of(draws).items()]
        total_and_gradient: Any = LogMarginalLikelihood(robust)(*data, centre, spread, drift, effect)
        pm.Potential("people", total_and_gradient[0])
    return model
