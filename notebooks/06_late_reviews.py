# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The effect of late reviews
#
# This notebook is for readers who ask what happens to patients when staff are late. The patients, the random numbers
# and the protocol are the same; only the team differs. A small panel has a protocol that reacts to check-ins, with
# unlimited staff, with the scenario's team, and with a smaller one. Three triage rules follow on the small team.
# Everything is simulated, with parameters fitted to published results that inform few of them. **Research use: not
# clinically reviewed**.

# %%
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from taper_sim.clinic import lateness
from taper_sim.clinic.coupling import serve
from taper_sim.clinic.staffing.bounds import loads
from taper_sim.clinic.team import Team
from taper_sim.experiments.clinic_plan import read_plan
from taper_sim.scenario.building import Overrides

SCENARIO = Path("../scenarios/clinic_understaffed.yaml")
N_PATIENTS, N_DAYS = 240, 112
plan = read_plan(SCENARIO, Overrides(patients=N_PATIENTS, days=N_DAYS), 1)
arm, cohort, ensemble = plan.arms[0], plan.cohort(0), plan.ensemble(0)


def people(**wanted: int) -> Team:
    """Return the scenario's team with other numbers of people in some roles."""
    kept = []
    for worker in plan.team.workers:
        number = int(worker.name.split()[-1])
        if number <= wanted.get(worker.role.name, 99):
            kept.append(worker)
    return Team(tuple(kept))


def run(team: Team, triage: str = "urgency"):
    """Run one replication: the same patients and random numbers for every team."""
    setting = replace(plan.setting, triage=triage)
    return serve(cohort, arm.build, ensemble, plan.seed(0), N_DAYS, arm.care, team, setting)


# %% [markdown]
# ## Bounds before the run
#
# The bounds compare planned work with hours on duty. Alerts and urgent visits add to the planned work.

# %%
short = people(nurse=1, psychologist=1, pt=1, np_pa=0)
days = list(arm.build().decision_days(N_DAYS))
for load in loads(cohort, arm.care, plan.setting, short, days, N_DAYS):
    print(load)

# %% [markdown]
# ## Three teams
#
# The table has the days on which an order waited for staff, the check-ins unread by night, the visits given, and the
# patients' outcomes.


# %%
def line(served) -> dict[str, float]:
    """Summarise one run for a clinical lead."""
    outcomes, clinic = served.outcomes, served.clinic
    return {
        "order waits, days": clinic["days_waiting"].mean(),
        "unread by night, %": 100 * np.nanmean(clinic["unread"]),
        "visits given, %": 100 * np.nanmean(clinic["care"]),
        "dose down, %": np.nanmean(outcomes["dose_reduction_pct"]),
        "function change": np.nanmean(outcomes["function_change"]),
        "PHQ-9 change": np.nanmean(outcomes["phq9_change"]),
        "peak withdrawal": np.nanmean(outcomes["withdrawal_peak"]),
    }


teams = {"never short": Team(unlimited=True), "as planned": plan.team, "short": short}
runs = {name: run(team) for name, team in teams.items()}
table = pd.DataFrame({name: line(served) for name, served in runs.items()}).T
table.round(2)

# %% [markdown]
# Late signatures and unread check-ins need not raise withdrawal: a protocol without reports holds the dose, and the
# taper stops. Patients lose planned care, and they spend more time at a dose that they wanted to leave.

# %%
assert table.loc["never short", "order waits, days"] == 0
assert table.loc["short", "visits given, %"] < table.loc["never short", "visits given, %"]

# %% [markdown]
# ## Triage
#
# The three rules are first come, urgency and a risk score, on the small team. The table has the share of work begun
# late or lost, by urgency, and by whether the patient speaks the clinic's language.

# %%
rows = []
row_of = {name: k for k, name in enumerate(cohort.ids)}
other = ~cohort.flags["language_match"]
for rule in ("first_come", "urgency", "risk_score"):
    events = run(short, rule).events
    own = events[(events["patient_id"] != "") & events["role"].isin(["nurse", "prescriber", "pharmacist"])]
    own = own[lateness.judged(own, N_DAYS * 1440.0)]
    late = lateness.late(own, N_DAYS * 1440.0)
    speaks_other = other[own["patient_id"].map(row_of).to_numpy()]
    rows.append(
        {
            "triage": rule,
            "cannot wait, %": 100 * late[own["urgency"] == 0].mean(),
            "today, %": 100 * late[own["urgency"] == 1].mean(),
            "routine, %": 100 * late[own["urgency"] == 3].mean(),
            "other language, %": 100 * late[speaks_other].mean(),
            "same language, %": 100 * late[~speaks_other].mean(),
        }
    )
pd.DataFrame(rows).set_index("triage").round(1)

# %% [markdown]
# One replication has little information about differences between subgroups. `taper-sim triage
# ../scenarios/clinic_triage.yaml --out triage` runs several, and a fourth rule uses the risk predicted by each
# patient's own posterior. Its table has the change against first come with its interval, and the subgroups whose gap to
# all patients excludes zero.

# %%
kept = pd.read_csv("../docs/tables/triage.csv")
shown = ["late of all work", "late of urgency 0", "order_wait_days", "visits_given", "composite lost"]
everybody = kept[(kept["subgroup"] == "all") & kept["metric"].isin(shown)]
everybody.set_index(["metric", "triage"])[["estimate", "change", "change_lo95", "change_hi95"]].sort_index().round(3)

# %%
apart = kept[(kept["gap_lo95"] > 0) | (kept["gap_hi95"] < 0)]
apart = apart[apart["metric"].isin(["order_wait_days", "visits_given", "composite lost"])]
apart.pivot_table(index=["metric", "subgroup"], columns="triage", values="gap").round(3)
