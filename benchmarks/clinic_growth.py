"""Growth of a clinic's run: ``python -m benchmarks.clinic_growth --out docs/tables/speed_clinic.csv``.

The team grows with the panel, as in the city clinic of ``scenarios/clinic_urban.yaml``; all patients enrol within four
weeks, the days of the run. The numbers are processor seconds of this process, the least of several turns, as ratios to
the smallest panel; ``exponent`` is the slope of their logarithms over those of the patients (1: linear).
"""

import argparse
import datetime
import platform
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from taper_sim.clinic.coupling import serve
from taper_sim.clinic.team import Team
from taper_sim.experiments.clinic_plan import read_plan
from taper_sim.scenario.building import Overrides

SCENARIO = Path(__file__).resolve().parents[1] / "scenarios" / "clinic_urban.yaml"
PATIENTS = (500, 1000, 2000, 5000)
DAYS = 28
COLUMNS = ("patients", "staff", "pieces_of_work", "cpu_s", "ratio", "ratio_a_patient", "exponent", "machine", "date")


def seconds(patients: int, turns: int) -> tuple[int, int, float]:
    """Staff, pieces of work, and the least processor seconds of a run."""
    plan = read_plan(SCENARIO, Overrides(patients=patients, days=DAYS), 1, sure=True)
    times = patients / 100.0
    workers = []
    for worker in plan.team.workers:
        n = max(1, round(times / 2.0))  # the team is for about 200 patients
        workers += [replace(worker, name=f"{worker.name}, {k + 1}") for k in range(n)]
    arm, cohort, ensemble = plan.arms[0], plan.cohort(0), plan.ensemble(0)
    spent = []
    for _ in range(turns):
        begin = time.process_time()
        team = Team(tuple(workers))
        served = serve(cohort, arm.build, ensemble, plan.seed(0), DAYS, arm.care, team, plan.setting)
        spent.append(time.process_time() - begin)
    return len(workers), len(served.events), min(spent)


def table(patients: tuple[int, ...], turns: int) -> pd.DataFrame:
    """A row for each number of patients."""
    seconds(patients[0], 1)  # compiles
    rows = [(n, *seconds(n, turns)) for n in patients]
    frame = pd.DataFrame(rows, columns=list(COLUMNS[:4]))
    slope = np.polyfit(np.log(frame["patients"]), np.log(frame["cpu_s"]), 1)[0]
    frame["ratio"] = (frame["cpu_s"] / frame["cpu_s"].iloc[0]).round(2)
    frame["ratio_a_patient"] = (frame["ratio"] * patients[0] / frame["patients"]).round(2)
    frame["cpu_s"] = frame["cpu_s"].round(2)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return frame.assign(exponent=round(float(slope), 2), machine=platform.machine(), date=today)[list(COLUMNS)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--turns", type=int, default=1)
    arguments = parser.parse_args()
    table(PATIENTS, arguments.turns).to_csv(arguments.out, index=False)
