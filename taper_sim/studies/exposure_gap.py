"""Why people in the ladder keep more of the dose than the schedule says, one reason at a time.

Imports ``studies.structures``, ``comparison.loss``, ``safety``, ``simulation``. ``python -m
taper_sim.studies.exposure_gap --out docs/tables/exposure_gap.csv`` simulates the people of the ladder for a year under
``linear(pct=10, every=28)``. Each reason is switched off alone, and then after those above it: the last row is the
schedule but for tablets.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from taper_sim.comparison.loss import person_figures
from taper_sim.policies.catalogue import build_policy
from taper_sim.safety.within_ceiling import within_ceiling
from taper_sim.simulation.days import Trajectory, run
from taper_sim.simulation.ensemble import from_prior
from taper_sim.studies import structures

NEVER: Final = -50.0
"""Log of a daily hazard that never comes true in a study."""
_SEEDS: Final = (1, 2)
_PEOPLE: Final = 300
_DRAWS: Final = 50
_RUN_IN_D: Final = 14
_PCT, _EVERY_D = 10.0, 28


@dataclass(frozen=True)
class Reason:
    """One reason to stay on more of the dose, and what switches it off.

    Attributes
    ----------
    name : str
    fixed : mapping of str to float
        Parameters without it.
    ceiling, run_in : bool
        Whether it is the ceiling of people with failed tapers, or the two weeks before the first cut.
    """

    name: str
    fixed: Mapping[str, float]
    ceiling: bool = False
    run_in: bool = False


REASONS: Final = (
    Reason("returns to a higher dose", {"return_0": NEVER}),
    Reason("half the ceiling after failed tapers", {}, ceiling=True),
    Reason("leaving care", {"leave_programme": NEVER}),
    Reason("days with more than prescribed", {"lapse_0": NEVER}),
    Reason("two weeks before the first cut", {}, run_in=True),
)


def schedule_exposure(n_days: int, run_in_d: int) -> float:
    """Mean share of the starting dose by the schedule alone."""
    day = np.arange(1, n_days + 1)
    steps = np.where(day > run_in_d, (day - run_in_d - 1) // _EVERY_D + 1, 0)
    return float(np.maximum(1.0 - _PCT / 100.0 * steps, 0.0).mean())


def exposure_rows(people: int = _PEOPLE, seeds: tuple[int, ...] = _SEEDS) -> pd.DataFrame:
    """Mean exposure with every reason, without each alone, and without all down to each.

    Returns
    -------
    DataFrame
        Columns reason, alone (exposure without this reason), lowers_by, se, together (without all reasons down to
        this), schedule (by arithmetic), tablets (dispensed minus ordered share of the dose, mean over days), people.
    """
    whole, of_tablets = _exposures((), people, seeds)
    n_days = structures.STUDY_DAYS
    rows = [_row("every reason", whole, whole, whole, schedule_exposure(n_days, _RUN_IN_D), of_tablets)]
    for number, reason in enumerate(REASONS, start=1):
        alone, _ = _exposures((reason,), people, seeds)
        together, of_tablets = _exposures(REASONS[:number], people, seeds)
        run_in = 0 if any(r.run_in for r in REASONS[:number]) else _RUN_IN_D
        rows.append(_row(reason.name, whole, alone, together, schedule_exposure(n_days, run_in), of_tablets))
    return pd.DataFrame(rows)


def _row(
    name: str, whole: np.ndarray, alone: np.ndarray, together: np.ndarray, schedule: float, of_tablets: float
) -> dict[str, object]:
    difference = whole - alone
    return {
        "reason": name,
        "alone": round(float(alone.mean()), 4),
        "lowers_by": round(float(difference.mean()), 4),
        "se": round(float(difference.std() / np.sqrt(len(difference))), 4),
        "together": round(float(together.mean()), 4),
        "schedule": round(schedule, 4),
        "tablets": round(of_tablets, 4),
        "people": len(whole),
    }


def _exposures(off: tuple[Reason, ...], people: int, seeds: tuple[int, ...]) -> tuple[np.ndarray, float]:
    """Exposure of each person without some reasons, and mean rounding to tablets."""
    call = f"linear(pct={_PCT:g}, every={_EVERY_D})"
    call += "" if any(r.run_in for r in off) else f" + run_in(days={_RUN_IN_D})"
    policy = build_policy(call, file="taper_sim.studies.exposure_gap")
    if not any(r.ceiling for r in off):
        policy = within_ceiling(policy)
    fixed = {name: value for r in off for name, value in r.fixed.items()}
    exposures, rounding = [], []
    for seed in seeds:
        ensemble = from_prior(seed, min(_DRAWS, people), fixed)
        course = run(structures._people(people, seed), policy, ensemble, seed, structures.STUDY_DAYS, structures._CARE)
        exposures.append(person_figures(course)["exposure"])
        rounding.append(_mean_rounding(course))
    return np.concatenate(exposures), float(np.mean(rounding))


def _mean_rounding(course: Trajectory) -> float:
    """Dispensed minus ordered share of the opioid's original dose, mean over people and days."""
    days = np.array([last - first + 1 for first, last in course.days])
    return float((course.rounding[:, :, 0] * days[:, None]).sum() / days.sum() / course.rounding.shape[1])


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description="why exposure in the ladder exceeds the schedule's")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=int, default=_PEOPLE)
    args = parser.parse_args()
    exposure_rows(args.people).to_csv(args.out, index=False)


if __name__ == "__main__":
    main()
