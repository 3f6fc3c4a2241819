"""Recovery of known populations: simulate people, fit a population, compare its intervals with the truth.

Imports ``inference.population``, ``studies.simulated_people``. ``python -m taper_sim.studies.recovery --out
docs/tables/population_recovery.csv`` resumes an interrupted study. One population is set by hand, up to two prior sds
from the prior's centres. The others are drawn from the hyperpriors; 90 % of their 90 % intervals should hold the truth.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.inference import course as at
from taper_sim.inference.observation import reports_of
from taper_sim.inference.population import fit, hierarchy, marginal_likelihood
from taper_sim.inference.population import people as people_module
from taper_sim.inference.population.fit import PopulationFit, Settings, fit_population, flat, hyperparameter_names
from taper_sim.inference.population.hierarchy import Hyper
from taper_sim.inference.population.people import RecordedPerson
from taper_sim.inference.prior import DRIFT_SD, VALUE_PRIORS, PopulationPrior, Trait, prior_of
from taper_sim.provenance import hash_of
from taper_sim.studies import calibration
from taper_sim.studies.resumable import run_study
from taper_sim.studies.simulated_people import ANSWERED, DAILY, last_cut_of, tapered, until, written

_TRUTH: Final[dict[str, tuple[float, float]]] = {
    "sigma_opioid": (float(np.log(1.6)), 0.45),
    "tau_F_opioid": (float(np.log(6.0)), 0.3),
    "EC50_opioid": (float(np.log(60.0)), 0.5),
    "b_opioid": (-0.3, 0.8),
    "xi": (float(np.log(0.8)), 0.6),
    "s0": (float(np.log(3.0)), 0.4),
    "pain": (5.8, 1.6),
    "distress": (0.36, 0.16),
    "insomnia": (0.44, 0.18),
    "function": (44.0, 12.0),
}
"""Centre and spread of the values in which the population set by hand differs from the table; of the log if the value's
prior is on the log."""
_DRIFT_SD: Final = 0.15
_MOOD_EFFECT: Final = 0.35
_DOSES: Final = (0.5, 1.0, 1.5)  # times 90 MME
_PACES_PCT: Final = (5.0, 10.0, 20.0)  # percent of the original dose every two weeks


_SET: Final = "set"
DRAWN: Final = "drawn"
_N_PEOPLE: Final = 60
N_DAYS: Final = 90
_N_DRAWN: Final = 3
"""Populations drawn from the hyperpriors: their 78 intervals distinguish a coverage of 0.90 from 0.78."""
_MOOD_SHARE: Final = 0.4
_COLUMNS: Final = [
    "truths",
    "seed",
    "hyperparameter",
    "truth",
    "prior_mean",
    "prior_sd",
    "mean",
    "sd",
    "lo90",
    "hi90",
    "inside",
    "rank",
    "rhat",
    "ess",
    "trusted",
    "n_people",
    "n_days",
]
"""Columns of the table; ``rank`` is the share of posterior draws below the truth."""


def true_population() -> PopulationPrior:
    """The population set by hand: :data:`_TRUTH`, and the table's priors for all other values."""
    return PopulationPrior(
        id="recovery",
        centre={key: _TRUTH[key][0] if key in _TRUTH else VALUE_PRIORS[key].centre for key in VALUE_PRIORS},
        sd={key: _TRUTH[key][1] if key in _TRUTH else VALUE_PRIORS[key].spread for key in VALUE_PRIORS},
        drift_sd=_DRIFT_SD,
        traits={"mood_disorder": Trait(_MOOD_EFFECT, 0.0, 0.0)},
    )


def drawn_population(seed: int) -> PopulationPrior:
    """Population drawn from the hyperpriors of a fit (A47)."""
    rng = np.random.default_rng([seed, 13])
    keys = list(VALUE_PRIORS)
    centre, sd, spread = hierarchy.prior_centres(keys)
    centre = centre + sd * rng.standard_normal(len(keys))
    spread = spread * np.exp(hierarchy.SPREAD_LOG_SD * rng.standard_normal(len(keys)))
    drift = DRIFT_SD * np.exp(hierarchy.DRIFT_LOG_SD * rng.standard_normal())
    effect = hierarchy.TRAIT_SD * rng.standard_normal()
    return PopulationPrior(
        id="drawn",
        centre=dict(zip(keys, centre.tolist(), strict=True)),
        sd=dict(zip(keys, spread.tolist(), strict=True)),
        drift_sd=float(drift),
        traits={"mood_disorder": Trait(float(effect), 0.0, _MOOD_SHARE)},
    )


def simulated(n_people: int, n_days: int, seed: int, truth: PopulationPrior | None = None) -> list[RecordedPerson]:
    """Simulate people of a population under linear tapers, with five daily scales and 80 % of days answered.

    Parameters
    ----------
    n_people, n_days, seed : int
    truth : Population, optional
        By default the population set by hand.
    """
    people = []
    truth = true_population() if truth is None else truth
    for number in range(n_people):
        rng = np.random.default_rng([seed, number])
        regimen = until(tapered(float(rng.choice(_PACES_PCT)), n_days), n_days)
        regimen = regimen._replace(dose=regimen.dose * float(rng.choice(_DOSES)))
        traits = {"mood_disorder": float(rng.random() < _MOOD_SHARE)}
        prior = prior_of((True, False, False), -(-n_days // at.SEGMENT_D), DAILY, population=truth, traits=traits)
        values = prior.values(rng.standard_normal((1, len(prior.names))))[0]
        answered = rng.random(n_days + 1) < ANSWERED
        checkins = written(values, at.couplings(), regimen, DAILY, answered, rng)
        laid = reports_of(checkins, last_cut_of(regimen), np.zeros(n_days + 1))
        people.append(RecordedPerson(f"p{number}", (True, False, False), False, regimen, laid, traits=traits))
    return people


def truth_of(fitted: PopulationFit, truth: PopulationPrior) -> Hyper:
    """True hyperparameters, in the order of the fit."""
    keys, traits = fitted.draws.keys, fitted.draws.traits
    centre = np.array([truth.centre[key] for key in keys])
    effect = np.array([truth.traits[trait].effect for trait in traits])
    offset = fitted.draws.trait_centre - np.array([truth.traits[trait].centre for trait in traits])
    spread = np.array([truth.sd[key] for key in keys])
    return Hyper(centre + fitted.draws.sigma * float(offset @ effect), spread, np.asarray(truth.drift_sd), effect)


def table_of(fitted: PopulationFit, truth: PopulationPrior) -> pd.DataFrame:
    """A row for each hyperparameter: truth, prior, posterior, and whether the 90 % interval holds the truth."""
    x = flat(fitted.posterior).reshape(-1, len(fitted.names))
    prior = flat(fitted.prior)[0]
    true = flat(truth_of(fitted, truth))
    lo, hi = np.quantile(x, (0.05, 0.95), axis=0)
    return pd.DataFrame(
        {
            "hyperparameter": hyperparameter_names(fitted.draws),
            "truth": true,
            "prior_mean": prior.mean(axis=0),
            "prior_sd": prior.std(axis=0),
            "mean": x.mean(axis=0),
            "sd": x.std(axis=0),
            "lo90": lo,
            "hi90": hi,
            "inside": (true >= lo) & (true <= hi),
            "rank": (x < true).mean(axis=0),
            "rhat": fitted.rhat,
            "ess": np.minimum(fitted.ess_bulk, fitted.ess_tail),
            "trusted": not fitted.failures(),
            "n_people": len(fitted.people),
            "n_days": fitted.people[0].n_days,
        }
    ).round(4)


def code_hash() -> str:
    """Short hash of the code and the constants of the table."""
    steps = (
        fit.fit_population,
        fit.compiled_model,
        fit.sampled,
        true_population,
        drawn_population,
        simulated,
        truth_of,
        table_of,
    )
    constants = (fit.PERSON_DRAWS, fit.TARGET_ACCEPT, _DRIFT_SD, _MOOD_EFFECT, _MOOD_SHARE, *_DOSES, *_PACES_PCT)
    numbers = (*constants, *np.ravel(list(_TRUTH.values())))
    return hash_of(people_module, hierarchy, marginal_likelihood, *steps, numbers=numbers, also=calibration.code_hash())


def _pieces(n_people: int) -> Iterator[tuple[str, int]]:
    yield _SET, 1
    for number in range(2, _N_DRAWN + 2):  # seeds: each population has people of its own
        yield DRAWN, number


def _rows(piece: tuple[Any, ...], n_people: int, seed: int) -> list[tuple[Any, ...]]:
    truths, number = str(piece[0]), int(piece[1])
    truth = true_population() if truths == _SET else drawn_population(1000 * seed + number)
    people = simulated(n_people, N_DAYS, 1000 * seed + number, truth)
    fitted = fit_population(people, Settings(seed=number, cores=1), lambda line: print(line, flush=True))
    for line in fitted.failures():
        print(f"diagnostics failed: {line}", flush=True)
    print(
        f"people: fewest effective draws {fitted.person_ess.min():.0f}, largest k-hat {fitted.person_khat.max():.2f}; "
        f"leapfrog steps a draw {fitted.n_steps.mean():.0f}",
        flush=True,
    )
    return [(truths, number, *row) for row in table_of(fitted, truth).itertuples(index=False, name=None)]


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the hash of the code."""
    return rows.assign(code=code_hash())


def main() -> None:
    """Simulate, fit, and write the table."""
    description = "recovery of known populations"
    run_study(description, "run-recovery", _N_PEOPLE, _COLUMNS, _pieces, _rows, summary, code_hash())


if __name__ == "__main__":
    main()
