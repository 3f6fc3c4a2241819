"""The hierarchical model over people in PyMC: hyperparameters, people summed out. Imports ``people``, ``summed``.

A person's values come from normals with the population's centres and spreads; her reports' likelihood is that of
``inference.likelihood``. Given draws of her values from a proposal (``patient.posterior_of`` under a reference
population), her marginal likelihood under any hyperparameters near the reference is a weighted mean of densities:

    p(y | hyper) = sum_s w_s p(x_s | hyper) / p(x_s | reference)

smooth in the hyperparameters and exact as the draws grow, so that NUTS walks over some forty hyperparameters and not
over thousands of people's values (docs/population.md has what it was checked against).
The sum is written here in NumPy (:class:`Draws`), which defines it, and compiled with its gradient in ``summed``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import pymc as pm
from pytensor import tensor as pt

from taper_sim.array_types import Floats
from taper_sim.inference.population.marginal_likelihood import ROBUST_DF, PeopleSummed
from taper_sim.inference.population.missing import log_chance_of_answering
from taper_sim.inference.population.people import RecordedPerson
from taper_sim.inference.posterior import Posterior, posterior_of
from taper_sim.inference.prior import ASSESSED, ASSESSED_LOG_S0, DRIFT_SD, TRAITS, VALUE_PRIORS, Population, Trait
from taper_sim.inference.prior import failed_shift as by_failed_tapers

SPREAD_LOG_SD: Final = 0.4
"""Prior sd of the log of a spread between people, about the table's. Source: A47."""
DRIFT_LOG_SD: Final = 0.5
"""The same of the drift's sd. Source: A47 (0.2 within 0.07 and 0.53)."""
TRAIT_SD: Final = 0.3
"""Prior sd of a trait's effect on log sigma. Source: A47."""
LEAST_RANGE: Final = 0.1
"""Between people, of a trait that can be weighed. A design choice: a tenth of a flag, or of days of use."""


class Hyper(NamedTuple):
    """Hyperparameters, one or many draws: ``centre``, ``spread`` (…, k); ``drift_sd`` (…); ``effect`` (…, n_traits)."""

    centre: Floats
    spread: Floats
    drift_sd: Floats
    effect: Floats


@dataclass(frozen=True)
class Draws:
    """Draws of everybody's values, and their weights under no population at all.

    Attributes
    ----------
    keys : tuple of str
        Values that people differ in, by their names in a population.
    traits : tuple of str
        That vary between the people.
    x : ndarray, (n_people, n_draws, n_keys)
        Values on the log where they are, less what failed tapers add; 0 where a person has none.
    has_value : ndarray, (n_people, n_keys)
        1 where the person has that value.
    drift2 : ndarray, (n_people, n_draws)
        Sum of squares of the pieces of drift.
    n_drift : ndarray, (n_people,)
    trait : ndarray, (n_people, n_traits)
        Less the mean of those who are known; 0 where unknown.
    trait_centre : ndarray, (n_traits,)
    log_weight : ndarray, (n_people, n_draws)
        Of the draws as draws from the likelihood alone.
    posteriors : tuple of Posterior
        Under the reference.
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
        """1 at the values that traits move: log sigma of every class."""
        return np.array([float(key.startswith("sigma_")) for key in self.keys])

    def log_density(self, h: Hyper, robust: bool = False) -> Floats:
        """Log density of every draw under one set of hyperparameters, (n_people, n_draws)."""
        mean = h.centre + (self.trait @ h.effect)[:, None] * self.sigma
        off = (self.x - mean[:, None, :]) / h.spread
        shape = -0.5 * (ROBUST_DF + 1) * np.log1p(off**2 / ROBUST_DF) if robust else -0.5 * off**2
        found = ((shape - np.log(h.spread)) * self.has_value[:, None, :]).sum(axis=2)
        return np.asarray(
            found - 0.5 * self.drift2 / h.drift_sd**2 - self.n_drift[:, None] * np.log(h.drift_sd), dtype=np.float64
        )

    def log_marginal(self, h: Hyper, robust: bool = False) -> Floats:
        """Log marginal likelihood of every person but for a constant, (n_people,)."""
        return np.asarray(np.logaddexp.reduce(self.log_weight + self.log_density(h, robust), axis=1))

    def weights(self, h: Hyper, robust: bool = False) -> Floats:
        """Weights of every person's draws under one set of hyperparameters, (n_people, n_draws), each row sums to 1."""
        log = self.log_weight + self.log_density(h, robust)
        w = np.exp(log - log.max(axis=1, keepdims=True))
        return np.asarray(w / w.sum(axis=1, keepdims=True))


def draws_of(people: Sequence[RecordedPerson], reference: Population, n_draws: int, seed: int, missing: bool) -> Draws:
    """Draws of everybody under a reference population.

    Parameters
    ----------
    people : sequence of Person
    reference : Population
        Near what the fit will find: the proposals come from it.
    n_draws : int
        From the Student t of each person, a power of two.
    seed : int
    missing : bool
        Whether days without an answer count as evidence (``inference.missing``).
    """
    posteriors, names = [], []
    for number, person in enumerate(people):
        found = posterior_of(person.evidence(reference), n_draws, seed + number)
        posteriors.append(found)
        names.append(person.keys(found.prior.names))
    keys = tuple(key for key in VALUE_PRIORS if any(key in mine for mine in names))
    varying = tuple(t for t in TRAITS if _range([p.traits[t] for p in people if t in p.traits]) >= LEAST_RANGE)
    n = len(posteriors[0].weights)
    x, has_value = np.zeros((len(people), n, len(keys))), np.zeros((len(people), len(keys)))
    drift2, n_drift = np.zeros((len(people), n)), np.zeros(len(people))
    log_weight = np.zeros((len(people), n))
    for q, (person, found, mine) in enumerate(zip(people, posteriors, names, strict=True)):
        p = found.prior
        values = p.mean + p.sd * found.z
        kept = [k for k, key in enumerate(mine) if key in VALUE_PRIORS]
        at_ = [keys.index(mine[k]) for k in kept]
        x[q][:, at_] = values[:, kept]
        has_value[q, at_] = 1.0
        sigma = [k for k in at_ if keys[k].startswith("sigma_")]
        x[q][:, sigma] -= by_failed_tapers(person.failed_tapers)
        drifts = np.array([name.startswith("drift_") for name in p.names])
        drift2[q], n_drift[q] = (values[:, drifts] ** 2).sum(axis=1), drifts.sum()
        reference_density = -0.5 * (found.z**2).sum(axis=1) - np.log(p.sd).sum()
        with np.errstate(divide="ignore"):  # a weight may underflow: such a draw stays without one
            log_weight[q] = np.log(found.weights) + found.log_evidence - reference_density
        log_weight[q] += _assessed(person, p.names, p.natural(found.z))
        if missing:
            log_weight[q] += log_chance_of_answering(person, found)
    given = np.array([[p.traits.get(t, np.nan) for t in varying] for p in people]).reshape(len(people), len(varying))
    centre = np.nanmean(given, axis=0) if varying else np.zeros(0)
    return Draws(
        keys,
        varying,
        x,
        has_value,
        drift2,
        n_drift,
        np.nan_to_num(given - centre),
        centre,
        log_weight,
        tuple(posteriors),
    )


def _range(values: Sequence[float]) -> float:
    return max(values) - min(values) if values else 0.0


def _assessed(person: RecordedPerson, names: Sequence[str], natural: Floats) -> Floats:
    """Log likelihood of a baseline assessment at each draw: one report of the level, with the noise of A29."""
    total = np.zeros(len(natural))
    for name, value in person.assessed.items():
        if name in ASSESSED and name in names:
            total -= 0.5 * ((natural[:, list(names).index(name)] - value) / ASSESSED[name]) ** 2
    s0 = person.assessed.get("sows_gossop", 0.0)
    if s0 > 0 and "s0" in names:
        total -= 0.5 * ((np.log(natural[:, list(names).index("s0")]) - np.log(s0)) / ASSESSED_LOG_S0) ** 2
    return total


def prior_centres(keys: Sequence[str]) -> tuple[Floats, Floats, Floats]:
    """Prior mean and sd of each centre, and prior median of each spread: the table's (A47 where it has no sd)."""
    known = [VALUE_PRIORS[key] for key in keys]
    centre = np.array([k.centre for k in known])
    spread = np.array([k.spread for k in known])
    sd = np.array([k.centre_sd if k.centre_sd > 0 else k.spread for k in known])
    return centre, sd, spread


def expected(draws: Draws, h: Hyper, robust: bool) -> Hyper:
    """One step of expectation-maximisation with the hyperpriors: a better point to draw people about.

    With ``robust`` the expectation weighs each value by how far off it is, as for a Student t.
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
    spread = _likeliest_spread(draws.has_value.sum(axis=0), second, spread0, SPREAD_LOG_SD)
    drift = _likeliest_spread(
        np.array([draws.n_drift.sum()]), np.array([(w * draws.drift2).sum()]), np.array([DRIFT_SD]), DRIFT_LOG_SD
    )[0]
    effect = h.effect
    if draws.traits:
        weight = (draws.has_value * draws.sigma / spread**2).sum(axis=1)
        mine = np.einsum("ps,psk,pk->p", w, draws.x - centre, draws.has_value * draws.sigma / spread**2)
        normal = draws.trait.T @ (draws.trait * weight[:, None]) + np.eye(len(effect)) / TRAIT_SD**2
        effect = np.linalg.solve(normal, draws.trait.T @ mine)
    return Hyper(centre, spread, np.asarray(drift), effect)


def _likeliest_spread(n: Floats, squares: Floats, median: Floats, log_sd: float) -> Floats:
    """Mode of log spread given ``n`` squares that sum to ``squares`` and a normal prior: Newton's steps."""
    t = np.log(median)
    for _ in range(50):
        push = squares * np.exp(-2.0 * t)
        gradient = push - n - (t - np.log(median)) / log_sd**2
        t = t + np.clip(gradient / (2.0 * push + 1.0 / log_sd**2), -0.5, 0.5)
    return np.asarray(np.exp(t))


def start_of(draws: Draws) -> Hyper:
    """Hyperparameters at their priors' centres."""
    centre, _, spread = prior_centres(draws.keys)
    return Hyper(centre, spread, np.asarray(DRIFT_SD), np.zeros(len(draws.traits)))


def as_population(draws: Draws, h: Hyper) -> Population:
    """A reference to draw people from: no uncertainty of centres in it."""
    return Population(
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
    """What the model's people are to the compiled code, by the names of its data."""
    keep = draws.log_weight > -np.inf
    log_weight = np.where(keep, draws.log_weight, draws.log_weight[keep].min() - 1e3)
    given = {
        "log_weight": log_weight,
        "x": np.moveaxis(draws.x, 2, 1),
        "has_value": draws.has_value,
        "drift2": draws.drift2,
        "n_drift": draws.n_drift,
        "trait_off": draws.trait,
        "moved": draws.sigma,
    }
    return {name: np.ascontiguousarray(value, dtype=np.float64) for name, value in given.items()}


def model_of(draws: Draws, robust: bool) -> pm.Model:
    """The PyMC model: hyperpriors, and the people's marginal likelihoods as a potential.

    Free variables are in units of the priors' sds (non-centred); ``centre``, ``spread``, ``drift_sd`` and ``effect``
    are deterministic of them.
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
        # data that the compiled code reads where they lie: as constants they would be compiled into it
        held = [pm.Data(name, value) for name, value in data_of(draws).items()]
        found: Any = PeopleSummed(robust)(*held, centre, spread, drift, effect)
        pm.Potential("people", found[0])
    return model
