"""Time of personal pace: ``python -m benchmarks.personal --out docs/tables/speed.csv``.

A recommendation from 90 days, and a year of a patient of the simulator under policies.
Process time of one core, warm: compilation and the points of the sampler precede the timing.
:func:`posterior_vs_nuts`, for ``benchmarks.run``, is effective draws a second, of NUTS those of its least well sampled
value (``taper_sim.studies.against_nuts``).
"""

import argparse
import platform
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from taper_sim.data.formulary import find_drug
from taper_sim.data.records import DoseRow, History
from taper_sim.recommend.recommendation import recommend
from taper_sim.scenario.all_policies import build_policy
from taper_sim.scenario.building import build_cohort, care_plan, read_scenario
from taper_sim.simulation.days import run
from taper_sim.simulation.ensemble import drawn_from
from taper_sim.studies import simulated_people
from taper_sim.studies.against_nuts import rows_of_person
from taper_sim.units import YEAR_D

N_DAYS = 90
LADDER = Path(__file__).parents[1] / "scenarios" / "ladder_destination.yaml"
POLICIES = {
    "prior only": "prior_only(run_in=14)",
    "personal": "personal(run_in=14)",
    "personal, all plans": "personal(run_in=14, plans=all, way_back=on)",
    "personal, look ahead": "personal(run_in=14, plans=all, way_back=on, look_ahead=on)",
}
_MEASURED = ("opioid_taken_mme", "cows")
_DOSES = (("morphine", "ER", 90.0), ("diazepam", "IR", 20.0), ("pregabalin", "IR capsule", 300.0))


def history_of(classes: str) -> tuple[History, date]:
    """A patient with 90 days of check-ins, and the date of the last."""
    taken = simulated_people.CLASSES[classes]
    person = simulated_people.person_of("usual", classes, 5.0, N_DAYS, np.random.default_rng(1))
    start = simulated_people.ORIGIN
    rows = [
        DoseRow(start - timedelta(days=400), find_drug(*drug[:2]), drug[2])
        for drug, takes in zip(_DOSES, taken, strict=True)
        if takes
    ]
    answers = {"patient_agreed_to_taper": 1.0, "naloxone_at_home": 1.0, "pregnant": 0.0}
    history = History("p", tuple(report for _, report in person.reports), tuple(rows), answers)
    today = start + timedelta(days=N_DAYS)
    asked = recommend(history, today).as_dict()["questions"]
    no = {q["variable"]: 0.0 for q in asked if q["needed_before_reduction"] == "yes" and q["variable"] not in _MEASURED}
    return replace(history, answers=answers | no), today  # no red flag is unanswered, so every option is computed


def seconds(classes: str, turns: int) -> tuple[float, int]:
    """Median process time of a recommendation, all options, and how many options were rolled out."""
    history, today = history_of(classes)
    said = recommend(history, today).as_dict()
    took = []
    for _ in range(turns):
        began = time.process_time()
        recommend(history, today)
        took.append(time.process_time() - began)
    return float(np.median(took)), sum(o["p_crisis"] is not None for o in said["options"])


def posterior_vs_nuts(people: int) -> list[float]:
    """Effective draws a second over those of NUTS, for some people, at the draws of a report."""
    return [float(rows_of_person(number, 1)[-1][-1]) for number in range(people)]


def seconds_a_year(call: str, people: int) -> float:
    """Process time of a year of a patient of the ladder under a policy, of one thread."""
    scenario = read_scenario(LADDER)
    cohort = build_cohort(scenario.cohort.model_copy(update={"patients": people}), 1, LADDER.parent)
    ensemble = drawn_from(scenario.draws_from, 1, min(scenario.draws, people), scenario.parameters)
    took = []
    for n_days in (YEAR_D, YEAR_D):  # compilation and the points of the sampler precede the timing
        began = time.process_time()
        policy = build_policy(call, file="benchmark")
        run(cohort, policy, ensemble, 1, n_days, care_plan(scenario.care))
        took.append((time.process_time() - began) / people)
    return took[-1]


def measured(turns: int, people: int) -> pd.DataFrame:
    """Recommendations of 90 days, and a patient's year under policies, a row each."""
    rows = []
    for classes in ("opioid", "all three"):
        took, options = seconds(classes, turns)
        rows.append((f"recommendation, {classes}, {options} options rolled out", "s", took))
    for name, call in POLICIES.items():
        rows.append((f"a patient's year under {name}", "s", seconds_a_year(call, people)))
    return pd.DataFrame(rows, columns=["what", "unit", "value"]).round({"value": 3})


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="time of personal pace")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--people", type=int, default=10, help="people whose year is simulated")
    args = parser.parse_args()
    table = measured(args.turns, args.people).assign(machine=platform.processor() or platform.machine())
    if args.out is not None:
        table.to_csv(args.out, index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
