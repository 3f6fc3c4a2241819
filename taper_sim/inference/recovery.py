"""People simulated from a known population, fitted, and what was found of it. Imports ``population`` and below.

``python -m taper_sim.inference.recovery --people 200 --out docs/tables/population_recovery.csv``
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taper_sim.inference import calibration, hierarchy, likelihood, people, population
from taper_sim.inference import course as at
from taper_sim.inference.hierarchy import Hyper
from taper_sim.inference.observation import reports_of
from taper_sim.inference.people import Person, people_of
from taper_sim.inference.population import Fit, Settings, fit, flat, names_of
from taper_sim.inference.prior import KNOWN, Population, Trait, prior_of
from taper_sim.inference.provenance import hash_of_sources
from taper_sim.inference.simulated import ANSWERED, DAILY, last_cut_of, tapered, until, written

Floats = NDArray[np.float64]

TRUTH: Final[dict[str, tuple[float, float]]] = {
    "sigma_opioid": (float(np.log(1.6)), 0.45), "tau_F_opioid": (float(np.log(6.0)), 0.3),
    "EC50_opioid": (float(np.log(60.0)), 0.5), "b_opioid": (-0.3, 0.8), "xi": (float(np.log(0.8)), 0.6),
    "s0": (float(np.log(3.0)), 0.4), "pain": (5.8, 1.6), "distress": (0.36, 0.16), "insomnia": (0.44, 0.18),
    "function": (44.0, 12.0),
}  # fmt: skip
"""Centre and spread of the population that people come from, where they are not the table's; logs where they are."""
DRIFT: Final = 0.15
MOOD_EFFECT: Final = 0.35
_DOSES: Final = (0.5, 1.0, 1.5)  # times 90 MME
_PACES: Final = (5.0, 10.0, 20.0)  # of the original dose every two weeks


def true_population() -> Population:
    """The population of :data:`TRUTH`."""
    return Population(
        id="recovery", centre={k: c for k, (c, _) in TRUTH.items()}, sd={k: s for k, (_, s) in TRUTH.items()},
        drift_sd=DRIFT, traits={"mood_disorder": Trait(MOOD_EFFECT, 0.0, 0.0)},
    )  # fmt: skip


def simulated(n_people: int, n_days: int, seed: int) -> list[Person]:
    """People of that population under linear tapers, five daily scales, 80 % of days answered."""
    found = []
    truth = true_population()
    spreads = {key: KNOWN[key].spread for key in KNOWN}
    for number in range(n_people):
        luck = np.random.default_rng([seed, number])
        regimen = until(tapered(float(luck.choice(_PACES)), n_days), n_days)
        regimen = regimen._replace(dose=regimen.dose * float(luck.choice(_DOSES)))
        traits = {"mood_disorder": float(luck.random() < 0.4)}
        drawn = replace(truth, sd={**spreads, **truth.sd})  # between people alone: centres are known here
        prior = prior_of((True, False, False), -(-n_days // at.SEGMENT_D), DAILY, population=drawn, traits=traits)
        values = prior.values(luck.standard_normal((1, len(prior.names))))[0]
        answered = luck.random(n_days + 1) < ANSWERED
        checkins = written(values, at.couplings(), regimen, DAILY, answered, luck)
        laid = reports_of(checkins, last_cut_of(regimen), np.zeros(n_days + 1))
        found += people_of([(f"p{number}", regimen, laid)], traits=traits)
    return found


def truth_of(found: Fit) -> Hyper:
    """The hyperparameters that people came from, in the order of the fit."""
    keys = found.draws.keys
    centre = np.array([TRUTH[k][0] if k in TRUTH else KNOWN[k].centre for k in keys])
    spread = np.array([TRUTH[k][1] if k in TRUTH else KNOWN[k].spread for k in keys])
    centre = centre + found.draws.sigma * MOOD_EFFECT * float(
        found.draws.trait_centre @ np.ones(len(found.draws.traits))
    )
    return Hyper(centre, spread, np.asarray(DRIFT), np.full(len(found.draws.traits), MOOD_EFFECT))


def table_of(found: Fit) -> pd.DataFrame:
    """A row for each hyperparameter: truth, prior, posterior, and whether the 90 % interval holds the truth."""
    x = flat(found.posterior).reshape(-1, len(found.names))
    prior = flat(found.prior)[0]
    truth = flat(truth_of(found))
    lo, hi = np.quantile(x, (0.05, 0.95), axis=0)
    return pd.DataFrame({
        "hyperparameter": names_of(found.draws), "truth": truth, "prior_mean": prior.mean(axis=0),
        "prior_sd": prior.std(axis=0), "mean": x.mean(axis=0), "sd": x.std(axis=0), "lo90": lo, "hi90": hi,
        "inside": (truth >= lo) & (truth <= hi), "rhat": found.rhat, "ess": np.minimum(found.ess_bulk, found.ess_tail),
    }).round(4).assign(n_people=len(found.people), n_days=found.people[0].n_days, code=code_hash())  # fmt: skip


def code_hash() -> str:
    """Short hash of the code that the table describes."""
    return hash_of_sources(people, hierarchy, population, likelihood, after=calibration.code_hash())


def main() -> None:
    """Simulate, fit, and write the table."""
    parser = argparse.ArgumentParser(description="recovery of a known population")
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--tune", type=int, default=500)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    began = time.perf_counter()

    def say(line: str) -> None:
        print(f"{time.perf_counter() - began:6.1f} s  {line}", flush=True)

    everybody = simulated(args.people, args.days, args.seed)
    found = fit(everybody, Settings(args.draws, args.tune, seed=args.seed), say)
    for line in found.failures():
        say(f"NOT TO BE TRUSTED: {line}")
    table = table_of(found)
    table.to_csv(args.out, index=False)
    say(f"written to {args.out}; {int(table['inside'].sum())} of {len(table)} inside their 90 % intervals")
    say(f"people: least effective draws {found.person_ess.min():.0f}, largest k-hat {found.person_khat.max():.2f}; "
        f"steps a draw {found.n_steps.mean():.0f}")  # fmt: skip


if __name__ == "__main__":
    main()
