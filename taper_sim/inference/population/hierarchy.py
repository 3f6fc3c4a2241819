"""Hierarchical model in PyMC: hyperparameters, with people's values integrated out.

Imports ``people``, ``missing``, ``marginal_likelihood``, ``inference``. A person's values come from normals with the
population's centres and spreads, on the scale of each value (``parameters.individual_value``); those of the set points
have the correlations of ``inference.prior``. The likelihood of the reports is that of ``inference.likelihood``. Given
draws of the values from a proposal (``posterior_of`` under a reference population), the person's marginal likelihood
under any hyperparameters near the reference is a weighted mean of densities:

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
from scipy.optimize import minimize

from taper_sim.array_types import Floats
from taper_sim.inference.correlated_values import mix_of
from taper_sim.inference.population.marginal_likelihood import ROBUST_DF, LogMarginalLikelihood, log_marginal_likelihood
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
from taper_sim.model.life import ASSESSED_DOMAINS

SPREAD_LOG_SD: Final = 0.4
"""Prior sd of the log of a spread between people, centred on the table's spread. Source: A47."""
DRIFT_LOG_SD: Final = 0.5
"""Prior sd of the log of the drift's sd. Source: A47 (0.2 within 0.07 and 0.53)."""
TRAIT_SD: Final = 0.3
"""Prior sd of a trait's effect on log sigma. Source: A47."""
_MODE_STEPS: Final = 25
_LEAST_RANGE: Final = 0.1
"""Smallest range of a trait between people for its effect to be estimated. A design choice: a tenth of a flag, or 0.1
on the log of days of use."""


class Hyper(NamedTuple):
    """Hyperparameters of one or many draws: ``centre``, ``spread`` (…, k); ``drift_sd`` (…); ``effect`` (…, n_traits).

    ``centre`` and ``spread`` are of the log of a value if its prior is on the log; of a heavy-tailed value ``spread``
    multiplies ``sinh(z)`` or ``2 sinh(z/2)``.
    """

    centre: Floats
    spread: Floats
    drift_sd: Floats
    effect: Floats


_BEND: Final = {"heavy": 1.0, "heavy_log": 0.5}
"""``h`` of a scale: a value is ``centre + spread sinh(h z)/h`` of a normal z, on the log or not; 0 is the normal."""


def stretched(z: Floats, bend: Floats) -> Floats:
    """``sinh(h z)/h`` of normals z (..., k) with ``h`` of each value (k,); z itself where h is 0."""
    h = np.where(bend > 0.0, bend, 1.0)
    return np.asarray(np.where(bend > 0.0, np.sinh(h * np.clip(z, -_FAR, _FAR)) / h, z))


_FAR: Final = 50.0  # normals further out are not told from these


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
        Values, of the log if the prior is on the log (of a bounded value before its bound), without the shift by failed
        tapers; 0 if a person has no such value.
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

    @property
    def bend(self) -> Floats:
        """``h`` of :func:`stretched` for each value, (n_keys,)."""
        return np.array([_BEND.get(VALUE_PRIORS[key].scale, 0.0) for key in self.keys])

    @property
    def whiten(self) -> Floats:
        """Lower triangle, (n_keys, n_keys): it makes independent normals of those of the values."""
        return np.asarray(np.linalg.inv(mix_of(self.keys)))

    def log_density(self, h: Hyper, robust: bool = False) -> Floats:
        """Log density of every draw under one set of hyperparameters, (n_people, n_draws)."""
        mean = h.centre + (self.trait @ h.effect)[:, None] * self.sigma
        off, bend = (self.x - mean[:, None, :]) / h.spread, self.bend
        t = bend * off
        u = np.where(bend > 0.0, np.arcsinh(t) / np.where(bend > 0.0, bend, 1.0), off) @ self.whiten.T
        shape = -0.5 * (ROBUST_DF + 1) * np.log1p(u**2 / ROBUST_DF) if robust else -0.5 * u**2
        each = shape - 0.5 * np.log1p(t**2) - np.log(h.spread)
        density = (each * self.has_value[:, None, :]).sum(axis=2)
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
        bend = np.array([_BEND.get(scale, 0.0) for scale in p.scale])
        normals = posterior.z @ mix_of(p.names).T
        values = p.mean + p.sd * stretched(normals, bend)
        columns = [k for k, key in enumerate(of_person) if key in VALUE_PRIORS]
        key_columns = [keys.index(of_person[k]) for k in columns]
        x[q][:, key_columns] = values[:, columns]
        has_value[q, key_columns] = 1.0
        sigma = [k for k in key_columns if keys[k].startswith("sigma_")]
        x[q][:, sigma] -= failed_shift(person.failed_tapers)
        drifts = np.array([name.startswith("drift_") for name in p.names])
        drift2[q], n_drift[q] = (values[:, drifts] ** 2).sum(axis=1), drifts.sum()
        slope = np.log(np.cosh(bend * np.clip(normals, -_FAR, _FAR))).sum(axis=1)
        reference_density = -0.5 * (posterior.z**2).sum(axis=1) - np.log(p.sd).sum() - slope
        with np.errstate(divide="ignore"):  # a weight may underflow to 0
            log_weight[q] = np.log(posterior.weights) + posterior.log_evidence - reference_density
        log_weight[q] += _assessed(person, p.names, p.natural(posterior.z))
        if missing:
            log_weight[q] += log_chance_of_answering(person, posterior)
    if not has_value[:, [keys.index(domain) for domain in ASSESSED_DOMAINS]].all():
        raise AssertionError("everybody has all set points: their correlation is of all four")
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
    """Log likelihood at each draw, (n_draws,), of what an assessment has beside set points: one report (noise: A29)."""
    total = np.zeros(len(natural))
    for name, value in person.assessed.items():
        if name in ASSESSED and name in names and name not in ASSESSED_DOMAINS:
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


def mode_of(draws: Draws, h: Hyper, robust: bool) -> Hyper:
    """Hyperparameters nearer to the mode of their posterior, from ``h`` on: a better reference to draw people from.

    A few steps of a quasi-Newton method. The mode itself would follow the Monte Carlo error of the draws.
    """
    centre0, sd0, spread0 = prior_centres(draws.keys)
    k, data = len(draws.keys), tuple(data_of(draws).values())

    def hyper(free: Floats) -> Hyper:
        centre_z, spread_z, drift_z, effect_z = np.split(free, [k, 2 * k, 2 * k + 1])
        return Hyper(
            centre0 + sd0 * centre_z,
            spread0 * np.exp(SPREAD_LOG_SD * spread_z),
            np.asarray(DRIFT_SD * np.exp(DRIFT_LOG_SD * drift_z[0])),
            TRAIT_SD * effect_z,
        )

    def minus_log_density(free: Floats) -> tuple[float, Floats]:
        at = hyper(free)
        total, *slopes = log_marginal_likelihood(*data, at.centre, at.spread, float(at.drift_sd), at.effect, robust)
        by = (sd0, SPREAD_LOG_SD * at.spread, DRIFT_LOG_SD * float(at.drift_sd), TRAIT_SD)
        slope = np.concatenate([np.atleast_1d(x * size) for x, size in zip(slopes, by, strict=True)])
        return 0.5 * float(free @ free) - total, free - slope

    first = np.concatenate(
        [
            (h.centre - centre0) / sd0,
            np.log(h.spread / spread0) / SPREAD_LOG_SD,
            np.atleast_1d(np.log(h.drift_sd / DRIFT_SD) / DRIFT_LOG_SD),
            h.effect / TRAIT_SD,
        ]
    )
    return hyper(minimize(minus_log_density, first, jac=True, method="L-BFGS-B", options={"maxiter": _MODE_STEPS}).x)


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
        "bend": draws.bend,
        "whiten": draws.whiten,
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
