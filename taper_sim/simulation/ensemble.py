"""Draws of the typical parameter values (centres): priors, calibrated draws. Imports ``model``, ``tables``, ``rng``."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr

from taper_sim import rng, tables
from taper_sim.array_types import Floats, Ints
from taper_sim.model.event_parameters import DECAYS, PARAMETERS, SHARED
from taper_sim.model.parameters import BY_SYMBOL, Parameter
from taper_sim.units import DRUG_CLASSES, DrawsFrom, DrugClass

ENSEMBLE_DRAWS: Final = 50


class Centre(NamedTuple):
    """What a name fixes: a parameter in every drug class, or in one."""

    parameter: Parameter
    drug_class: DrugClass | None = None


#: Names under which a centre can be fixed: the symbol, and ``symbol_class`` for a symbol with a value a drug class.
CENTRES: Final[Mapping[str, Centre]] = {q.symbol: Centre(q) for q in PARAMETERS} | {
    f"{q.symbol}_{drug_class}": Centre(q, drug_class) for q in PARAMETERS if q.per_class for drug_class in DRUG_CLASSES
}

#: Columns of a table of draws: a parameter, and the number of its class (0 if all classes share the value).
DRAW_COLUMNS: Final[tuple[tuple[Parameter, int], ...]] = tuple(
    (q, k) for q in PARAMETERS for k in (range(3) if q.per_class else (0,))
)
COLUMN_NAMES: Final[tuple[str, ...]] = tuple(
    f"{q.symbol}_{DRUG_CLASSES[k]}" if q.per_class else q.symbol for q, k in DRAW_COLUMNS
)
"""Name of each column, as in :data:`CENTRES`."""


def _is_uncertain(q: Parameter, k: int) -> bool:
    """Whether a centre differs between draws: it has a prior sd, and a share is not 0."""
    return q.prior_sd > 0.0 and (
        q.scale in ("linear", "heavy") or q.centre(DRUG_CLASSES[k] if q.per_class else None) != 0.0
    )


UNCERTAIN: Final[tuple[int, ...]] = tuple(n for n, (q, k) in enumerate(DRAW_COLUMNS) if _is_uncertain(q, k))
"""Places of the columns whose centre differs between draws."""

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
    fixed : mapping of name to value, optional
        Centres fixed at a value in every draw, by the names of :data:`CENTRES`. The symbol alone fixes a centre in
        every class; the name of one class precedes it.

    Returns
    -------
    Ensemble
        Sigma is rescaled with EC50: the prior is on the peak after an abrupt stop, not on sigma (assumption A17).
    """
    z = np.zeros((n_draws, len(DRAW_COLUMNS)))
    if n_draws > 1:
        for draw in range(n_draws):
            for call in range((len(DRAW_COLUMNS) + 3) // 4):
                w = rng.words(seed, rng.ENSEMBLE, draw, call)
                pair = np.array([*rng.normal_pair(w[0], w[1]), *rng.normal_pair(w[2], w[3])])
                z[draw, 4 * call : 4 * call + 4] = pair[: len(DRAW_COLUMNS) - 4 * call]
    return from_normals(z, fixed)


def from_normals(z: Floats, fixed: Mapping[str, float] | None = None, *, calibrated: bool = False) -> Ensemble:
    """Centres at whitened values: each column is standard normal under the prior.

    Parameters
    ----------
    z : ndarray, (n_draws, n_columns)
        In the order of :data:`DRAW_COLUMNS`; 0 is the centre itself.
    fixed : mapping of name to value, optional
        As in :func:`from_prior`.
    calibrated : bool
        Whether the values were fitted to published results.
    """
    fixed, n_draws = dict(fixed or {}), len(z)
    values: dict[str, Floats] = {}
    for column, (q, k) in enumerate(DRAW_COLUMNS):
        centre = q.centre(DRUG_CLASSES[k] if q.per_class else None)
        drawn = _drawn(q, centre, z[:, column])
        value = _fixed(fixed, q.symbol, DRUG_CLASSES[k] if q.per_class else None)
        if value is not None:
            drawn = np.full(n_draws, float(value))
        if q.per_class:
            values.setdefault(q.symbol, np.empty((n_draws, 3)))[:, k] = drawn
        else:
            values[q.symbol] = drawn
    for k, drug_class in enumerate(DRUG_CLASSES):
        if _fixed(fixed, "sigma", drug_class) is None:
            dose, centre = _PEAK_DOSE[drug_class], BY_SYMBOL["EC50"].centre(drug_class)
            values["sigma"][:, k] *= (dose / (dose + centre)) / (dose / (dose + values["EC50"][:, k]))
    return Ensemble(values, n_draws, calibrated)


def drawn_from(
    origin: DrawsFrom, seed: int, n_draws: int = ENSEMBLE_DRAWS, fixed: Mapping[str, float] | None = None
) -> Ensemble:
    """Take draws of the centres from an origin; :func:`from_prior` and :func:`calibrated` have the arguments."""
    return (calibrated if origin == "published" else from_prior)(seed, n_draws, fixed)


CALIBRATED_DRAWS: Final = "calibrated_draws"
"""Table of joint draws fitted to published results (docs/calibration.md), written by ``evidence.published_fit``."""
_ORDER_CALL: Final = 1000  # of the generator; draws of the prior use calls up to 44


def n_published_results() -> int:
    """Number of published results to which :data:`CALIBRATED_DRAWS` was fitted, from the table's own source."""
    source = str(tables.read(CALIBRATED_DRAWS).rows[0]["source"])
    return int(source.removeprefix("fitted to ").split(" ", 1)[0])


def calibrated(seed: int, n_draws: int = ENSEMBLE_DRAWS, fixed: Mapping[str, float] | None = None) -> Ensemble:
    """Take draws of the centres that were fitted jointly to published results.

    Parameters
    ----------
    seed : int
        Seed of the run, which orders the rows of the table; draw k does not depend on ``n_draws``.
    n_draws : int
        1 gives the mean of the whitened values. More than the table's rows repeat them in the same order.
    fixed : mapping of name to value, optional
        As in :func:`from_prior`. The other centres keep their draws: they are not fitted again given the fixed ones.

    Raises
    ------
    ValueError
        If the table is of a model with other parameters.
    """
    z = _calibrated_normals()
    if n_draws == 1:
        return from_normals(z.mean(axis=0, keepdims=True), fixed, calibrated=True)
    order = _order_of_rows(seed, len(z))
    return from_normals(z[order[np.arange(n_draws) % len(z)]], fixed, calibrated=True)


@cache
def _order_of_rows(seed: int, n_rows: int) -> Ints:
    """Rows of the table in a seed's order, (n_rows,)."""
    return np.argsort([int(rng.words(seed, rng.ENSEMBLE, row, _ORDER_CALL)[0]) for row in range(n_rows)], kind="stable")


@cache
def _calibrated_normals() -> Floats:
    """Whitened values of the table's rows, (n_rows, n_columns); 0 for centres that are certain."""
    table = tables.read(CALIBRATED_DRAWS)
    names = [COLUMN_NAMES[k] for k in UNCERTAIN]
    other = sorted((set(table.columns) - {"draw", "source", "verified", "reviewed_by", "reviewed_on"}) ^ set(names))
    if other:
        raise ValueError(f"{CALIBRATED_DRAWS}.csv is of another model, which differs in {', '.join(other)}; fit again")
    z = np.zeros((len(table.rows), len(DRAW_COLUMNS)))
    z[:, UNCERTAIN] = [[float(row[name]) for name in names] for row in table.rows]
    return z


def _fixed(fixed: Mapping[str, float], symbol: str, drug_class: DrugClass | None) -> float | None:
    """The value at which a centre is fixed, if it is."""
    return fixed.get(f"{symbol}_{drug_class}", fixed.get(symbol))


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
