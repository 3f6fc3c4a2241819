"""What designs of data would be worth to people who ask where to stop. Imports ``recommend``, ``studies.settled``.

``python -m taper_sim.studies.trial_designs --out docs/tables/trial_designs.csv`` takes the people of the ladder after
two weeks of check-ins. For each it computes the expected value of sample information of some courses of doses, in
important differences of one domain: how much better, on average, the best of five doses is if it is chosen after the
reports of that course instead of now. Knowing the long-run benefit b, and knowing everything, are the bounds.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Floats
from taper_sim.comparison.loss import Loss
from taper_sim.comparison.preferences import ValueJudgements
from taper_sim.inference import course as at
from taper_sim.inference import rollout
from taper_sim.policies.interface import Observation, Order, Patients, Policy
from taper_sim.recommend.ahead import WAIT_D, DosePlan, PersonAhead
from taper_sim.recommend.destination import life_at_shares
from taper_sim.recommend.learning_ahead import (
    LastingTrial,
    LifeNow,
    share_learnt,
    told_apart,
    value_of_knowing,
    value_of_trial,
    with_more_lasting,
)
from taper_sim.recommend.personal_decisions import PersonalDecisions
from taper_sim.recommend.personal_policy import personal
from taper_sim.safety.limits import Limits
from taper_sim.simulation.days import run
from taper_sim.simulation.ensemble import from_prior
from taper_sim.studies import structures
from taper_sim.studies.settled import WORTHS, person_on_day
from taper_sim.units import MONTH_D, WEEK_D, YEAR_D

PACE_PCT: Final = 10.0
"""Reduction on the way to a plateau and to a destination, percent of the original dose in 28 days. Source: A126."""
_RUN_IN_D, _DRAWS, _ENSEMBLE = 14, 512, 50
_SEEDS, _PEOPLE = (1, 2), 15
_COLUMNS: Final = [
    "full_stop",
    "design",
    "days",
    "worth",
    "se",
    "sd_of_b_left",
    "sd_of_beta_left",
    "share_over_limit",
    "people",
]


def _plateau(share: float) -> Floats:
    reached = MONTH_D * int(np.ceil(round((1.0 - share) / (PACE_PCT / 100.0), 6)))
    return DosePlan(PACE_PCT, share).shares(1.0, reached + WAIT_D, MONTH_D)


def _in_turn(share: float, each_d: int, times: int) -> Floats:
    return np.tile(np.repeat([share, 1.0], each_d), times)


def _withdrawn() -> Floats:
    return np.concatenate([np.repeat([0.75, 0.5, 0.25, 0.0], WEEK_D), np.zeros(WAIT_D)])


DESIGNS: Final[Mapping[str, Floats]] = MappingProxyType(
    {
        "check-ins at the same dose, 24 weeks": np.ones(6 * MONTH_D),
        "10 % a month to 50 %, 12 weeks there": _plateau(0.5),
        "10 % a month to 25 %, 12 weeks there": _plateau(0.25),
        "N-of-1: 50 and 100 % in turn, 4 weeks each, three times": _in_turn(0.5, MONTH_D, 3),
        "N-of-1: 50 and 100 % in turn, 12 weeks each, twice": _in_turn(0.5, WAIT_D, 2),
        "enriched enrolment: withdrawn in 4 weeks, 12 weeks without": _withdrawn(),
    }
)
"""Shares of the original dose by day. Source: A126."""


class _AfterRunIn(Policy):
    """Holds the dose; computes the rows of every person after two weeks of check-ins."""

    name, sees_reports, holds = "after the run-in", True, True

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def decision_days(self, n_days: int) -> Sequence[int]:
        return (1, 1 + _RUN_IN_D)

    def start(self, patients: Patients) -> PersonalDecisions:
        return PersonalDecisions(personal(draws=_DRAWS), patients)

    def decide(self, memory: PersonalDecisions, observation: Observation) -> Order:
        memory.add_days(observation)
        if observation.day > 1:
            in_care = observation.in_care if observation.in_care is not None else np.ones(len(memory.column), bool)
            for row in np.flatnonzero(in_care):
                self.rows += worth_of_designs(*person_on_day(memory, int(row), observation.day))
        return Order(observation.dose_fraction, checkin_every_d=np.ones(len(memory.column)))


def worth_of_designs(person: PersonAhead, life: LifeNow) -> list[dict[str, Any]]:
    """Value of each design to a person on an opioid, a row for each worth of a full stop.

    Parameters
    ----------
    person : PersonAhead
        At equally likely draws, in the order of b.
    life : LifeNow
        Of the same draws.
    """
    n = len(person.values)
    lives = life_at_shares(person, 0, 1.0, PACE_PCT, YEAR_D)
    trial = LastingTrial(person.values, np.full(n, 1.0 / n), life, person.shared, 0)
    with_more, before = with_more_lasting(person, 0), np.diag(trial.covariance)
    b, beta = person.values[:, [at.B, at.BETA]].T
    reports = {name: told_apart(person, 0, path, life) for name, path in DESIGNS.items()}
    left, over = {}, {}
    for name, path in DESIGNS.items():
        left[name] = np.sqrt(np.diag(trial.covariance_left(trial.slopes(with_more, path))) / before)
        over[name] = float(np.mean(person.figures(path, 0)[:, rollout.PEAK_W] > Limits().withdrawal))
    rows = []
    for full_stop in WORTHS:
        loss = Loss.of_values(ValueJudgements(full_stop=full_stop))
        at_share, holding = lives.losses(loss)
        gains = (holding - at_share) / loss.one_difference
        worth = {
            "b known": value_of_knowing(expected_given([b], gains)),
            "b and beta known": value_of_knowing(expected_given([b, beta], gains)),
            "everything known": value_of_knowing(gains),
        }
        for name in DESIGNS:
            learnt = [0.0, *(share_learnt(gain, reports[name]) for gain in gains[1:])]
            worth[name] = value_of_trial(gains, learnt)
        for name, value in worth.items():
            row = {"full_stop": full_stop, "design": name, "worth": value}
            if name in DESIGNS:
                row |= {"days": len(DESIGNS[name]), "b": left[name][0], "beta": left[name][1], "over": over[name]}
            rows.append(row)
    return rows


def expected_given(known: Sequence[Floats], gains: Floats) -> Floats:
    """Expected gains once some values are known, (n_doses, n): a quadratic regression over the draws.

    Source: Strong, Oakley and Brennan 2014, Med Decis Making 34:311.
    """
    terms = [np.ones_like(known[0]), *known, *(x * y for i, x in enumerate(known) for y in known[i:])]
    x = np.stack(terms, axis=1)
    return np.asarray((x @ np.linalg.lstsq(x, gains.T, rcond=None)[0]).T)


def table_of_designs(people: int = _PEOPLE, seeds: Sequence[int] = _SEEDS) -> pd.DataFrame:
    """Mean over people of the value of each design; columns as in the committed table."""
    rows = []
    for seed in seeds:
        policy = _AfterRunIn()
        ensemble = from_prior(seed, min(_ENSEMBLE, people))
        run(structures._people(people, seed), policy, ensemble, seed, 1 + _RUN_IN_D, structures._CARE)
        rows += policy.rows
    by_person, table = pd.DataFrame(rows), []
    for (full_stop, design), of_design in by_person.groupby(["full_stop", "design"], sort=False):
        n = len(of_design)
        summary = (
            of_design["days"].mean(),
            round(float(of_design["worth"].mean()), 3),
            round(float(of_design["worth"].std() / np.sqrt(n)), 3),
            *(round(float(of_design[name].mean()), 3) for name in ("b", "beta", "over")),
        )
        table.append((full_stop, design, *summary, n))
    return pd.DataFrame(table, columns=_COLUMNS).astype({"days": "Int64"})


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description="what designs of data would be worth to people who ask where to stop")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=int, default=_PEOPLE)
    args = parser.parse_args()
    table_of_designs(args.people).to_csv(args.out, index=False)


if __name__ == "__main__":
    main()
