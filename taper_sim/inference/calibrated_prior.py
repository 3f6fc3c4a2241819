"""The prior of one person's values about centres fitted to published results. Imports ``prior``, ``simulation``.

The shipped population has its centres from the priors of the parameters. Here each centre is the mean of the joint
draws that were fitted to published results, and its uncertainty is their standard deviation. The spreads between people
are those of the shipped population: no published result informs them.
"""

from functools import cache
from typing import Final

import numpy as np

from taper_sim import tables
from taper_sim.array_types import Floats
from taper_sim.inference.prior import DEFAULT_POPULATION, VALUE_PRIORS, PopulationPrior, combined_sd, value_key
from taper_sim.model.parameters import BY_SYMBOL
from taper_sim.simulation.ensemble import CALIBRATED_DRAWS, calibrated, n_published_results
from taper_sim.units import DRAWS_FROM, DRUG_CLASSES

_BY_CLASS: Final = ("sigma", "tau_F", "tau_L", "EC50", "b", "beta")
_ALIKE: Final = ("xi",)
"""Values whose centres differ between draws: one for each drug class, and one for all."""


@cache
def population_for_advice() -> PopulationPrior:
    """Prior of a patient for whom no population was fitted: about the centres from which the events are drawn too."""
    return calibrated_population() if DRAWS_FROM == "published" else DEFAULT_POPULATION


@cache
def calibrated_population() -> PopulationPrior:
    """The shipped population with centres, and their uncertainty, of the calibrated draws.

    The scales correlate between draws: the draws of ``sigma`` are those before its rescaling with ``EC50`` (assumption
    A17), as the priors of the shipped population are, because a person's values are independent under this prior.
    """
    table = tables.read(CALIBRATED_DRAWS)
    n = len(table.rows)
    held = {f"EC50_{drug_class}": BY_SYMBOL["EC50"].centre(drug_class) for drug_class in DRUG_CLASSES}
    values, at_held = calibrated(0, n).values, calibrated(0, n, held).values  # sigma is not rescaled at a held EC50
    centre, sd = dict(DEFAULT_POPULATION.centre), dict(DEFAULT_POPULATION.sd)

    def fit(key: str, drawn: Floats, prior_centre: float) -> None:
        """Move a value by what the draws moved the centre from that of the prior."""
        prior = VALUE_PRIORS[key]
        own = np.log(drawn) - np.log(prior_centre) if prior.is_log else drawn - prior_centre
        centre[key] = prior.centre + float(own.mean())
        sd[key] = combined_sd(prior.scale, prior.spread, float(own.std()))

    for symbol in _BY_CLASS:
        drawn = (at_held if symbol == "sigma" else values)[symbol]
        for k, drug_class in enumerate(DRUG_CLASSES):
            of_class = BY_SYMBOL[symbol].centre(drug_class)
            for buprenorphine in (
                False,
                True,
            ):  # a draw's deviation from the centre is one on buprenorphine's scale too
                fit(value_key(symbol, drug_class, buprenorphine), drawn[:, k], of_class)
    for symbol in _ALIKE:
        fit(symbol, values[symbol], BY_SYMBOL[symbol].centre())
    return PopulationPrior(
        id=f"calibrated-{table.sha256[:12]}",
        calibrated=True,
        centre=centre,
        sd=sd,
        drift_sd=DEFAULT_POPULATION.drift_sd,
        origin=f"centres fitted to {n_published_results()} published results (tables/calibrated_draws.csv); spreads "
        "between people and set points from the priors of docs/parameters.md (tables/population.csv)",
    )
