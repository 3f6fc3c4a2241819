"""People simulated from a known population, fitted, and what was found of it. Imports ``population`` and below.

``python -m taper_sim.studies.recovery --out docs/tables/population_recovery.csv`` (resumable): one population set by
hand, two prior sds off in places, and populations drawn from the hyperpriors, whose 90 % intervals ought to hold the
truth in nine of ten.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.inference import course as at
from taper_sim.inference.observation import reports_of
from taper_sim.inference.population import fit, hierarchy, marginal_likelihood, people
from taper_sim.inference.population.fit import PopulationFit, Settings, fit_population, flat, names_of
from taper_sim.inference.population.hierarchy import Hyper
from taper_sim.inference.population.people import RecordedPerson, people_of
from taper_sim.inference.prior import DRIFT_SD, KNOWN, Population, Trait, prior_of
from taper_sim.provenance import hash_of
from taper_sim.studies import calibration
from taper_sim.studies.resumable import run_study
from taper_sim.studies.simulated_people import ANSWERED, DAILY, last_cut_of, tapered, until, written

TRUTH: Final[dict[str, tuple[float, float]]] = {
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
"""Centre and spread of the population that people come from, where they are not the table's; logs where they are."""
DRIFT: Final = 0.15
MOOD_EFFECT: Final = 0.35
_DOSES: Final = (0.5, 1.0, 1.5)  # times 90 MME
_PACES: Final = (5.0, 10.0, 20.0)  # of the original dose every two weeks


SET: Final = "set"
DRAWN: Final = "drawn"
N_PEOPLE: Final = 60
N_DAYS: Final = 90
N_DRAWN: Final = 3
"""Populations drawn from the hyperpriors: their 78 intervals tell a coverage of 0.90 from one of 0.78."""
_MOOD_SHARE: Final = 0.4
COLUMNS: Final = [
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
"""Of the table; ``rank`` is the share of posterior draws below the truth."""


def true_population() -> Population:
    """The population of :data:`TRUTH`, whole: spreads between people, centres known."""
    return Population(
        id="recovery",
        centre={key: TRUTH[key][0] if key in TRUTH else KNOWN[key].centre for key in KNOWN},
        sd={key: TRUTH[key][1] if key in TRUTH else KNOWN[key].spread for key in KNOWN},
        drift_sd=DRIFT,
        traits={"mood_disorder": Trait(MOOD_EFFECT, 0.0, 0.0)},
    )


def drawn_population(seed: int) -> Population:
    """A population drawn from the hyperpriors of a fit (A47)."""
    luck = np.random.default_rng([seed, 13])
    keys = list(KNOWN)
    centre, sd, spread = hierarchy.prior_centres(keys)
    centre = centre + sd * luck.standard_normal(len(keys))
    spread = spread * np.exp(hierarchy.SPREAD_LOG_SD * luck.standard_normal(len(keys)))
    drift = DRIFT_SD * np.exp(hierarchy.DRIFT_LOG_SD * luck.standard_normal())
    effect = hierarchy.TRAIT_SD * luck.standard_normal()
    return Population(
        id="drawn",
        centre=dict(zip(keys, centre.tolist(), strict=True)),
        sd=dict(zip(keys, spread.tolist(), strict=True)),
        drift_sd=float(drift),
        traits={"mood_disorder": Trait(float(effect), 0.0, _MOOD_SHARE)},
    )


def simulated(n_people: int, n_days: int, seed: int, truth: Population | None = None) -> list[RecordedPerson]:
    """People of a population (the one set by hand) under linear tapers, five daily scales, 80 % of days answered."""
    found = []
    truth = true_population() if truth is None else truth
    for number in range(n_people):
        luck = np.random.default_rng([seed, number])
        regimen = until(tapered(float(luck.choice(_PACES)), n_days), n_days)
        regimen = regimen._replace(dose=regimen.dose * float(luck.choice(_DOSES)))
        traits = {"mood_disorder": float(luck.random() < _MOOD_SHARE)}
        prior = prior_of((True, False, False), -(-n_days // at.SEGMENT_D), DAILY, population=truth, traits=traits)
        values = prior.values(luck.standard_normal((1, len(prior.names))))[0]
        answered = luck.random(n_days + 1) < ANSWERED
        checkins = written(values, at.couplings(), regimen, DAILY, answered, luck)
        laid = reports_of(checkins, last_cut_of(regimen), np.zeros(n_days + 1))
        found += people_of([(f"p{number}", regimen, laid)], traits=traits)
    return found


def truth_of(found: PopulationFit, truth: Population) -> Hyper:
    """The hyperparameters that people came from, in the order of the fit."""
    keys, traits = found.draws.keys, found.draws.traits
    centre = np.array([truth.centre[key] for key in keys])
    effect = np.array([truth.traits[trait].effect for trait in traits])
    off = found.draws.trait_centre - np.array([truth.traits[trait].centre for trait in traits])
    spread = np.array([truth.sd[key] for key in keys])
    return Hyper(centre + found.draws.sigma * float(off @ effect), spread, np.asarray(truth.drift_sd), effect)


def table_of(found: PopulationFit, truth: Population) -> pd.DataFrame:
    """A row for each hyperparameter: truth, prior, posterior, and whether the 90 % interval holds the truth."""
    x = flat(found.posterior).reshape(-1, len(found.names))
    prior = flat(found.prior)[0]
    true = flat(truth_of(found, truth))
    lo, hi = np.quantile(x, (0.05, 0.95), axis=0)
    return pd.DataFrame(
        {
            "hyperparameter": names_of(found.draws),
            "truth": true,
            "prior_mean": prior.mean(axis=0),
            "prior_sd": prior.std(axis=0),
            "mean": x.mean(axis=0),
            "sd": x.std(axis=0),
            "lo90": lo,
            "hi90": hi,
            "inside": (true >= lo) & (true <= hi),
            "rank": (x < true).mean(axis=0),
            "rhat": found.rhat,
            "ess": np.minimum(found.ess_bulk, found.ess_tail),
            "trusted": not found.failures(),
            "n_people": len(found.people),
            "n_days": found.people[0].n_days,
        }
    ).round(4)


def code_hash() -> str:
    """Short hash of the code that the table describes."""
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
    settled = (fit.PERSON_DRAWS, fit.TARGET_ACCEPT, DRIFT, MOOD_EFFECT, _MOOD_SHARE, *_DOSES, *_PACES)
    numbers = (*settled, *np.ravel(list(TRUTH.values())))
    return hash_of(people, hierarchy, marginal_likelihood, *steps, numbers=numbers, also=calibration.code_hash())


def _pieces(n_people: int) -> Iterator[tuple[str, int]]:
    yield SET, 1
    for number in range(2, N_DRAWN + 2):  # seeds: nobody has the luck of the people before
        yield DRAWN, number


def _rows(piece: tuple[Any, ...], n_people: int, seed: int) -> list[tuple[Any, ...]]:
    truths, number = str(piece[0]), int(piece[1])
    truth = true_population() if truths == SET else drawn_population(1000 * seed + number)
    everybody = simulated(n_people, N_DAYS, 1000 * seed + number, truth)
    found = fit_population(everybody, Settings(seed=number, cores=1), lambda line: print(line, flush=True))
    for line in found.failures():
        print(f"not to be trusted: {line}", flush=True)
    print(
        f"people: least effective draws {found.person_ess.min():.0f}, largest k-hat {found.person_khat.max():.2f}; "
        f"steps a draw {found.n_steps.mean():.0f}",
        flush=True,
    )
    return [(truths, number, *row) for row in table_of(found, truth).itertuples(index=False, name=None)]


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """The rows, and whose code they are of."""
    return found.assign(code=code_hash())


def main() -> None:
    """Simulate, fit, and write the table."""
    run_study("recovery of known populations", "run-recovery", N_PEOPLE, COLUMNS, _pieces, _rows, summary, code_hash())


if __name__ == "__main__":
    main()
