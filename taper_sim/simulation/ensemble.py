"""Draws of the typical parameter values (centres) from their priors. Imports ``model`` and ``rng``."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr

from taper_sim import rng
from taper_sim.array_types import Floats, Ints
from taper_sim.model.event_parameters import DECAYS, PARAMETERS, SHARED
from taper_sim.model.parameters import BY_SYMBOL, Parameter
from taper_sim.units import DRUG_CLASSES

ENSEMBLE_DRAWS: Final = 50

_PEAK_DOSE: Final = {"opioid": 90.0, "benzodiazepine": 20.0, "gabapentinoid": 300.0}


@dataclass(frozen=True)
class Ensemble:
    """Draws of every parameter's centre.

    Attributes
    ----------
    values : mapping of symbol to ndarray
        (n_draws, 3) for symbols with one value per drug class, (n_draws,) for the others.
    n_draws : int
    calibrated : bool
        Whether the draws were fitted to published results. Draws from the prior are not.
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
        """Centres for patients, from each patient's draw: (n, 3) or (n,)."""
        return {symbol: values[draw] for symbol, values in self.values.items()}


def from_prior(seed: int, n_draws: int = ENSEMBLE_DRAWS, fixed: Mapping[str, float] | None = None) -> Ensemble:
    """Draw the centres from their priors.

    Parameters
    ----------
    seed : int
        Seed of the run; draw k does not depend on ``n_draws``.
    n_draws : int
        1 gives the centres themselves.
    fixed : mapping of symbol to value, optional
        Centres fixed at a value in every draw. For a symbol with one value per class: in every class.

    Returns
    -------
    Ensemble
        Sigma is rescaled with EC50: the prior is on the peak after an abrupt stop, not on sigma (assumption A17).
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
            dose, centre = _PEAK_DOSE[drug_class], BY_SYMBOL["EC50"].centre(drug_class)
            values["sigma"][:, k] *= (dose / (dose + centre)) / (dose / (dose + values["EC50"][:, k]))
    return Ensemble(values, n_draws)


def _drawn(q: Parameter, centre: float, z: Floats) -> Floats:
    """Draws of a centre from standard normals, on the parameter's scale."""
    if q.scale in ("log", "heavy_log"):
        return np.asarray(centre * np.exp(q.prior_sd * z))
    if q.scale in ("linear", "heavy"):
        return np.asarray(centre + q.prior_sd * z)
    if q.prior_sd == 0.0 or centre == 0.0:
        return np.full_like(z, centre)
    size = centre * (1.0 - centre) / q.prior_sd**2 - 1.0  # the Beta with this mean and sd
    quantile = np.asarray(betaincinv(centre * size, (1.0 - centre) * size, ndtr(z)))
    return np.where(z == 0.0, centre, quantile)  # z = 0 gives the centre itself


def coefficients_of(ensemble: Ensemble, draw: int | None = None) -> Any:
    """Coefficients that all people share, by symbol, ``decay_x`` for each ``tau_x`` too: (n_draws,), or one draw's."""
    at: Any = slice(None) if draw is None else draw
    shared = {symbol: ensemble.values[symbol][at] for symbol in SHARED}
    return SimpleNamespace(**shared, **{decay: np.exp(-1.0 / shared[tau]) for decay, tau in DECAYS.items()})


def draw_of(keys: NDArray[np.uint64], n_draws: int) -> Ints:
    """Draw of each patient, (n,): a function of the patient's key, the same under every protocol."""
    return (keys % np.uint64(n_draws)).astype(np.int64)
