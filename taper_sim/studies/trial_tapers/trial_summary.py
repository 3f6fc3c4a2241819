"""What a trial's people say of the centres that all people share, as a normal. Imports ``study``, ``run_study``.

``python -m taper_sim.studies.trial_tapers.trial_summary DAILY.csv --out docs/tables/trial_summary.csv`` fits the
people of a trial (``taper_population``) and writes the likelihood of :data:`SHARED_CENTRES`, near its maximum, with the
other hyperparameters integrated out under their priors. The table has no data of a person.
"""

import argparse
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from taper_sim.array_types import Floats
from taper_sim.run_folder import sha256_of, write_csv
from taper_sim.studies.trial_tapers import study
from taper_sim.studies.trial_tapers.run_study import people_to_fit
from taper_sim.studies.trial_tapers.taper_population import TaperFit

SHARED_CENTRES: Final = ("sigma", "tau_F", "tau_L", "omega", "EC50")
"""Hyperparameters that are centres of the simulator's model too."""
VARIANT: Final = "effect, own use"
"""Variant of the fit: people's own use is known, because it hides withdrawal (docs/real-tapers.md)."""
SOURCE: Final = "NIDA CTN-0030 (POATS), R package public.ctn0094data (MIT); docs/real-tapers.md"


class SharedLikelihood(NamedTuple):
    """Likelihood of :data:`SHARED_CENTRES` as a normal on their working scales.

    Attributes
    ----------
    mean : ndarray, (5,)
    covariance : ndarray, (5, 5)
    """

    mean: Floats
    covariance: Floats


def likelihood_of_shared(fitted: TaperFit) -> SharedLikelihood:
    """Take the priors of the shared hyperparameters out of a fit; those of the others stay.

    The fit is a maximum of likelihood times prior, with the information of both. Without the prior of the shared ones
    the maximum moves by one step of Newton's method.
    """
    free = fitted.population.free
    names = [h.symbol for h in free]
    shared = [names.index(symbol) for symbol in SHARED_CENTRES]
    weight = np.array([h.sd**-2.0 if h.symbol in SHARED_CENTRES else 0.0 for h in free])
    pull = weight * (fitted.population.theta - np.array([h.mean for h in free]))
    covariance = np.linalg.inv(np.linalg.inv(fitted.covariance) - np.diag(weight))
    mean = fitted.population.theta + covariance @ pull
    return SharedLikelihood(mean[shared], covariance[np.ix_(shared, shared)])


def summary_table(fitted: TaperFit, people: study.People, data: str) -> pd.DataFrame:
    """A row for each shared hyperparameter: mean and sd on its working scale, correlations, people and visits."""
    likelihood = likelihood_of_shared(fitted)
    sd = np.sqrt(np.diag(likelihood.covariance))
    by_symbol = {h.symbol: h for h in fitted.population.free}
    table = pd.DataFrame(
        {
            "parameter": SHARED_CENTRES,
            "scale": [by_symbol[symbol].scale for symbol in SHARED_CENTRES],
            "unit": [by_symbol[symbol].unit for symbol in SHARED_CENTRES],
            "mean": likelihood.mean.round(4),
            "sd": sd.round(4),
        }
    )
    correlation = likelihood.covariance / np.outer(sd, sd)
    for k, symbol in enumerate(SHARED_CENTRES):
        table[f"with_{symbol}"] = correlation[:, k].round(4)
    visits = sum(len(taper.day) for person in people.values() for taper in person)
    return table.assign(n_people=len(people), n_visits=visits, source=SOURCE, data=data, code=study.code_hash())


def main() -> None:
    """Fit the people of a file and write the summary."""
    parser = argparse.ArgumentParser(description="what a trial's people say of the centres that all people share")
    parser.add_argument("daily", type=Path, help="daily table of the trial, as `taper-sim tapers` reads it")
    parser.add_argument("--out", type=Path, required=True, help="file of the summary")
    parser.add_argument("--finished", type=Path, default=Path("run-trial"), help="folder of finished fits")
    args = parser.parse_args()
    people = people_to_fit(args.daily)
    fitted = study.FitStore(args.finished, print).fit(people, VARIANT)
    if not fitted.converged:
        parser.exit(3, "the fit did not reach its maximum: no summary\n")
    table = summary_table(fitted, people, sha256_of(args.daily)[:12])
    write_csv(table, args.out)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
