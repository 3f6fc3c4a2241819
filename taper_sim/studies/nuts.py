"""One person's posterior by NUTS, the reference for the importance sampler. Imports ``inference``.

nutpie samples the compiled likelihood of ``inference.likelihood`` with gradients by central differences. These agree
with the gradients of ``studies.pytensor_graph`` to 1e-5 of the largest component (tests/studies/test_graph.py). They
cost two simulated courses a value and need no compilation; the graph needs minutes of compilation for each person.
"""

from typing import Any, Final

import numpy as np
import nutpie

from taper_sim.array_types import Floats
from taper_sim.inference.likelihood import IMPOSSIBLE
from taper_sim.inference.posterior import Evidence

_STEP: Final = 1e-4  # prior sds; the error of a slope is about 1e-8 of the curvature


def log_posterior_and_gradient(evidence: Evidence, z: Floats) -> tuple[float, Floats]:
    """Log posterior of whitened values z, (d,), and its gradient, (d,).

    Raises
    ------
    ValueError
        If the log posterior is not finite at z or at a neighbouring point.
    """
    steps = _STEP * np.eye(len(z))
    log_density = evidence.log_posterior(np.concatenate([z[None], z + steps, z - steps]))[0]
    if not (log_density > IMPOSSIBLE).all():
        raise ValueError("impossible values")
    d = len(z)
    return float(log_density[0]), (log_density[1 : d + 1] - log_density[d + 1 :]) / (2.0 * _STEP)


class _Recoverable(ValueError):
    """A point with impossible values: NUTS ends the trajectory there."""

    is_recoverable = True


def nuts_of(
    evidence: Evidence, draws: int = 1000, tune: int = 500, chains: int = 2, seed: int = 0, cores: int = 1
) -> Any:
    """NUTS draws of one person's whitened values.

    Parameters
    ----------
    evidence : Evidence
    draws, tune : int
        Draws and warm-up draws of each chain.
    chains : int
    seed : int
    cores : int
        Number of chains run in parallel.

    Returns
    -------
    xarray.DataTree
        ``posterior.z`` (chain, draw, value), and ``sample_stats``. ``evidence.prior.natural`` gives the values.
    """
    d = len(evidence.prior.names)

    def make_logp() -> Any:
        def logp(z: Floats) -> tuple[float, Floats]:
            try:
                return log_posterior_and_gradient(evidence, np.asarray(z))
            except ValueError as error:
                raise _Recoverable(str(error)) from None

        return logp

    def make_expand(*_: Any) -> Any:
        return lambda z: {"z": np.asarray(z)}

    model = nutpie.compiled_pyfunc.from_pyfunc(
        d,
        make_logp,
        make_expand,
        [np.dtype(np.float64)],
        [(d,)],
        ["z"],
        coords={"value": list(evidence.prior.names)},
        dims={"z": ("value",)},
        make_initial_point_fn=lambda seed: 0.5 * np.random.default_rng(seed).standard_normal(d),
    )
    return nutpie.sample(model, draws=draws, tune=tune, chains=chains, cores=cores, seed=seed, progress_bar=False)
