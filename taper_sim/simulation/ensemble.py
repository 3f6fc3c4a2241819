"""Draws of the parameters' centres from their priors. Imports ``model.parameters``, ``model.chance``, ``rng``."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr

from taper_sim import rng
from taper_sim.array_types import Floats, Ints
from taper_sim.model.event_parameters import CHANCE_TABLE
from taper_sim.model.parameters import TABLE, Parameter
from taper_sim.units import DRUG_CLASSES

PARAMETERS: Final[tuple[Parameter, ...]] = (*TABLE, *CHANCE_TABLE)
DEFAULT_DRAWS: Final = 50

_PEAK_DOSE: Final = {"opioid": 90.0, "benzodiazepine": 20.0, "gabapentinoid": 300.0}


@dataclass(frozen=True)
class Ensemble:
    """Draws of every centre.

    Attributes
    ----------
    values : mapping of symbol to ndarray
        (n_draws, 3) for symbols with a value for each drug class, (n_draws,) for the rest.
    n_draws : int
    calibrated : bool
        Whether the draws were fitted to published results; draws from the prior are not.
    """

    values: Mapping[str, Floats]
    n_draws: int
    calibrated: bool = False

    @property
    def id(self) -> str:
        """Short hash of the values: two runs with the same id used the same parameters."""
        digest = hashlib.sha256()
        for symbol in sorted(self.values):
            digest.update(symbol.encode())
            digest.update(np.ascontiguousarray(self.values[symbol]).tobytes())
        return digest.hexdigest()[:12]

    def of(self, draw: Ints) -> dict[str, Floats]:
        """Centres for people, given each person's draw: (n, 3) or (n,)."""
        return {symbol: values[draw] for symbol, values in self.values.items()}


def from_prior(seed: int, n_draws: int = DEFAULT_DRAWS, fixed: Mapping[str, float] | None = None) -> Ensemble:
    """Draw the centres from their priors.

    Parameters
    ----------
    seed : int
        Seed of the run; draw k is the same whatever ``n_draws`` is.
    n_draws : int
        1 gives the centres themselves.
    fixed : mapping of symbol to value, optional
        Centres held at a value in every draw (for a symbol with a value a class: in every class).

    Returns
    -------
    Ensemble
        With sigma tied to EC50 so that the peak after an abrupt stop, and not sigma, is what the prior is about
        (assumption A17).
    """
    fixed = dict(fixed or {})
    columns = [(q, k) for q in PARAMETERS for k in (range(3) if q.per_class else (0,))]
    z = np.zeros((n_draws, len(columns)))
    if n_draws > 1:
        for draw in range(n_draws):
            for call in range((len(columns) + 3) // 4):
                w = rng.words(seed, rng.ENSEMBLE, draw, call)
                pair = np.array([*rng.normal_pair(w[0], w[1]), *rng.normal_pair(w[2], w[3])])
                z[draw, 4 * call : 4 * call + 4] = pair[: len(columns) - 4 * call]
    values: dict[str, Floats] = {}
    for column, (q, k) in enumerate(columns):
        centre = q.centre(DRUG_CLASSES[k] if q.per_class else None)
        drawn = _drawn(q, centre, z[:, column])
        if q.symbol in fixed:
            drawn = np.full(n_draws, float(fixed[q.symbol]))
        if q.per_class:
            values.setdefault(q.symbol, np.empty((n_draws, 3)))[:, k] = drawn
        else:
            values[q.symbol] = drawn
    if "sigma" not in fixed:
        for k, drug_class in enumerate(DRUG_CLASSES):
            dose, centre = _PEAK_DOSE[drug_class], _by_symbol("EC50").centre(drug_class)
            values["sigma"][:, k] *= (dose / (dose + centre)) / (dose / (dose + values["EC50"][:, k]))
    return Ensemble(values, n_draws)


def _drawn(q: Parameter, centre: float, z: Floats) -> Floats:
    """Draws of a centre from standard normals, on the parameter's scale."""
    if q.scale == "log":
        return np.asarray(centre * np.exp(q.prior_sd * z))
    if q.scale == "linear":
        return np.asarray(centre + q.prior_sd * z)
    if q.prior_sd == 0.0 or centre == 0.0:
        return np.full_like(z, centre)
    size = centre * (1.0 - centre) / q.prior_sd**2 - 1.0  # the Beta with this mean and sd
    quantile = np.asarray(betaincinv(centre * size, (1.0 - centre) * size, ndtr(z)))
    return np.where(z == 0.0, centre, quantile)  # one draw is the centre itself


def _by_symbol(symbol: str) -> Parameter:
    return next(q for q in PARAMETERS if q.symbol == symbol)


def draw_of(keys: NDArray[np.uint64], n_draws: int) -> Ints:
    """Each person lives under one draw of the ensemble, by the person's key: (n,), shared by every protocol."""
    return (keys % np.uint64(n_draws)).astype(np.int64)
