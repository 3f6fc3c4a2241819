"""Whether a trial at half the dose settles where to stop as often as the table of destinations expects.

Imports ``recommend``, ``studies.structures``, ``simulation``. ``python -m taper_sim.studies.settled --out
docs/tables/settled.csv`` simulates the people of the ladder, who go down by 10 % of the original dose a month to half
of it and wait there. At the end of a run-in of two weeks each has the table of destinations. After 12 weeks at half the
dose, and 140 days later, the same question is put to the posterior that these check-ins gave.
"""

import argparse
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.comparison.loss import Loss
from taper_sim.comparison.preferences import ValueJudgements
from taper_sim.inference import course as at
from taper_sim.inference.draws import equal_draws
from taper_sim.policies.interface import Observation, Order, Patients, Policy
from taper_sim.recommend.ahead import WAIT_D, PersonAhead
from taper_sim.recommend.destination import DESTINATION_SHARES, LifeAtShares, chance_of, tables_of
from taper_sim.recommend.learning_ahead import LifeNow, is_settled
from taper_sim.recommend.personal_decisions import PersonalDecisions
from taper_sim.recommend.personal_policy import personal
from taper_sim.simulation.days import run
from taper_sim.simulation.ensemble import from_prior
from taper_sim.studies import structures
from taper_sim.units import MONTH_D

WORTHS: Final = (0.5, 1.0, 2.0)
"""Worth of a full stop in the study, important differences."""
_RUN_IN_D, _STEP, _HALF, _PACE_PCT = 14, 0.10, 0.5, 10.0
_FIRST_D: Final = 1 + _RUN_IN_D
_KNOWN_D: Final = _FIRST_D + 5 * MONTH_D + WAIT_D  # the end of the trial
_LAST_D: Final = _KNOWN_D + 5 * MONTH_D
_LATER_D: Final = 480  # days after which the lives are compared again
_SEEDS: Final = (1, 2)
_PEOPLE, _DRAWS = 30, 50


class _Asked(Policy):
    """The taper of the study; the question is put on three days."""

    name, sees_reports = "asked", True

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def decision_days(self, n_days: int) -> Sequence[int]:
        return [1, *range(_FIRST_D, n_days + 1, MONTH_D)]

    def start(self, patients: Patients) -> PersonalDecisions:
        return PersonalDecisions(personal(), patients)

    def decide(self, memory: PersonalDecisions, observation: Observation) -> Order:
        memory.add_days(observation)
        share = observation.dose_fraction.copy()
        if observation.day in (_FIRST_D, _KNOWN_D, _LAST_D):
            in_care = np.flatnonzero(observation.in_care if observation.in_care is not None else np.ones(len(share)))
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
                for rows in pool.map(lambda row: _answers(memory, int(row), observation.day), in_care):
                    self.rows += rows
        if observation.day >= _FIRST_D:
            share[:, 0] = np.maximum(share[:, 0] - _STEP, _HALF)
            memory.first_cut = [day or observation.day for day in memory.first_cut]
        return Order(share, checkin_every_d=np.ones(len(share)))


def _answers(memory: PersonalDecisions, row: int, day: int) -> list[dict[str, Any]]:
    """The question for one person: expected before the trial, and as it stands after it."""
    person, life = person_on_day(memory, row, day)
    if day == _FIRST_D:
        sets = {f"{worth:g}": ValueJudgements(full_stop=worth) for worth in WORTHS}
        tables = tables_of(person, life, 0, 1.0, _PACE_PCT, sets)["sets"]
        return [
            _row(row, day, float(table["name"]), r["dose_pct"], r["better"], r["settled_after"])
            for table in tables
            for r in table["rows"][1:]
        ]
    at_share = {share: person.figures(np.full(_LATER_D, share), 0) for share in DESTINATION_SHARES}
    rows = []
    for worth in WORTHS:
        loss = Loss.of_values(ValueJudgements(full_stop=worth))
        figures, n = tuple(at_share.values()), (_LATER_D,) * len(DESTINATION_SHARES)
        lives = LifeAtShares(
            DESTINATION_SHARES, n, figures, (at_share[1.0],) * len(DESTINATION_SHARES), 0, 1.0, person.values
        )
        losses, whole = lives.losses(loss)
        for k, share in enumerate(DESTINATION_SHARES[1:], start=1):
            rows.append(_row(row, day, worth, 100.0 * share, chance_of(losses[k] < whole[k]), np.nan))
    return rows


def _row(person: int, day: int, worth: float, dose_pct: float, better: float, expected: float) -> dict[str, Any]:
    return {
        "person": person,
        "day": day,
        "full_stop": worth,
        "dose_pct": dose_pct,
        "better": better,
        "settled": is_settled(better),
        "expected": expected,
    }


def person_on_day(memory: PersonalDecisions, row: int, day: int) -> tuple[PersonAhead, LifeNow]:
    """A tracked person at equally likely draws in the order of b, on the day before ``day``, and life then."""
    tracked = memory.tracked
    regimen, shared = tracked.regimen(row, day - 1, 720), tracked.couplings(row)
    values, weights, moments = memory.posterior_today(row, day)
    order = np.argsort(values[:, at.B], kind="stable")
    draws = order[equal_draws(weights[order], len(weights))]
    values, (today, life_mean, life_covariance) = values[draws], moments.of(draws).without_chance()
    dose, original = regimen.dose[day - 1], memory.patients.dose[row]
    person = PersonAhead(
        values, today, shared, regimen, day, dose, original, tracked.reference(row), tracked.announced(row)
    )
    return person, LifeNow(life_mean, life_covariance)


def settled_rows(people: int = _PEOPLE, seeds: Sequence[int] = _SEEDS) -> pd.DataFrame:
    """Share of people for whom each question is settled: expected by the table, and by the posterior later.

    Returns
    -------
    DataFrame
        Columns full_stop, dose_pct, settled_first, expected (for the end of the trial), settled_after_trial, its
        standard error, settled_last (140 days later), people.
    """
    rows = []
    for seed in seeds:
        asked = _Asked()
        ensemble = from_prior(seed, min(_DRAWS, people))
        run(structures._people(people, seed), asked, ensemble, seed, _LAST_D, structures._CARE)
        rows += [{"seed": seed, **row} for row in asked.rows]
    by_day = pd.DataFrame(rows).pivot_table(
        index=["seed", "person", "full_stop", "dose_pct"], columns="day", values=["settled", "expected"]
    )
    stayed = by_day[("settled", _KNOWN_D)].notna()
    table = []
    for (worth, dose_pct), of_question in by_day[stayed].groupby(["full_stop", "dose_pct"]):
        after = of_question[("settled", _KNOWN_D)].astype(float)
        table.append(
            {
                "full_stop": worth,
                "dose_pct": dose_pct,
                "settled_first": round(float(of_question[("settled", _FIRST_D)].mean()), 3),
                "expected": round(float(of_question[("expected", _FIRST_D)].mean()), 3),
                "settled_after_trial": round(float(after.mean()), 3),
                "se": round(float(after.std() / np.sqrt(len(after))), 3),
                "settled_last": round(float(of_question[("settled", _LAST_D)].mean()), 3),
                "people": len(after),
            }
        )
    return pd.DataFrame(table)


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description="whether a trial at half the dose settles where to stop")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=int, default=_PEOPLE)
    args = parser.parse_args()
    settled_rows(args.people).to_csv(args.out, index=False)


if __name__ == "__main__":
    main()
