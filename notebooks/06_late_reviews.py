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
# # What do late reviews do to patients?
#
# The patients, the random numbers and the protocol are the same; only the team differs. A panel has a protocol that
# reacts to check-ins, with the scenario's team and with a smaller one, each beside unlimited staff. Triage rules
# follow. Everything is simulated, with parameters fitted to published results that inform few of them.
# **Research use: not clinically reviewed.**
#
# The notebook has five replications, the fewest with intervals, of 75 patients over four weeks.
# `TAPER_SIM_FULL=1` in the environment gives the size of `scenarios/clinic_understaffed.yaml`.

# %%
import os
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import yaml

import taper_sim as ts

FULL = os.environ.get("TAPER_SIM_FULL") == "1"
PATIENTS, DAYS, REPLICATIONS = (1200, 364, 5) if FULL else (75, 28, 5)
SCENARIO = Path("../scenarios/clinic_understaffed.yaml")

# %% [markdown]
# ## Two teams
#
# The smaller team has one of each role and no nurse practitioner.

# %%
scenario = yaml.safe_load(SCENARIO.read_text())
scenario["clinic"]["enrol_over_d"] = min(scenario["clinic"]["enrol_over_d"], DAYS)
for staff in scenario["clinic"]["team"]:
    staff.pop("leave", None)
folder = Path(tempfile.mkdtemp())
shutil.copytree(SCENARIO.parent / "rules", folder / "rules")
(folder / "as planned.yaml").write_text(yaml.safe_dump(scenario))
smaller = [staff | {"people": 1} for staff in scenario["clinic"]["team"] if staff["role"] != "np_pa"]
scenario["clinic"]["team"] = smaller
(folder / "smaller.yaml").write_text(yaml.safe_dump(scenario))
TEAMS = ("as planned", "smaller")

# %% [markdown]
# ## Bounds before the run
#
# Planned work and hours on duty. Alerts and urgent visits add to the planned work.

# %%
for team in TEAMS:
    print(f"{team}, {PATIENTS} patients:")
    print(ts.planned_work(folder / f"{team}.yaml", patients=PATIENTS, days=DAYS).answer)

# %% [markdown]
# ## The runs

# %%
runs = {
    team: ts.run_clinic(
        folder / f"{team}.yaml", patients=PATIENTS, days=DAYS, replications=REPLICATIONS, progress=False
    )
    for team in TEAMS
}
briefs = {team: ts.report(run) for team, run in runs.items()}
for team, brief in briefs.items():
    print(f"{team}: {brief.answer}")

# %% [markdown]
# The first screen of each run as a table: the number with the team, and how much more it is than with unlimited staff.

# %%
columns = ["outcome", "unit", "people", "people_lo95", "people_hi95", "more", "more_lo95", "more_hi95", "certainty"]
tables = {team: brief.table.query("protocol == 'this team'")[columns] for team, brief in briefs.items()}
pd.concat(tables).round(1)

# %% [markdown]
# ## Patients against unlimited staff
#
# Differences of the patients' outcomes from the same patients with unlimited staff.

# %%
shown = ["dose_reduction_pct", "withdrawal_peak", "pain_nrs_change", "function_change", "phq9_change", "composite"]
parts = []
for team, run in runs.items():
    table = run.tables["differences"]
    parts.append(table[table["outcome"].isin(shown) & (table["subgroup"] == "all")].assign(team=team))
differences = pd.concat(parts).set_index(["outcome", "team"]).sort_index()
differences[["mean", "lo95", "hi95"]].round(3)

# %% [markdown]
# Late signatures and unread check-ins need not raise withdrawal: a protocol without reports holds the dose, and the
# taper stops. Patients lose planned care, and they spend more time at a dose that they wanted to leave.
#
# ## Triage
#
# First come, urgency and a risk score on a team that is too small, in a small run. `docs/tables/triage.csv` has the
# larger one, with a fourth rule.

# %%
triage = ts.compare_triage("../scenarios/clinic_triage_fast.yaml", replications=2, patients=16, days=14, progress=False)
print(triage.text)

# %%
kept = pd.read_csv("../docs/tables/triage.csv")
shown = ["late of all work", "late of urgency 0", "order_wait_days", "visits_given", "composite lost"]
everybody = kept[(kept["subgroup"] == "all") & kept["metric"].isin(shown)]
everybody.set_index(["metric", "triage"])[["estimate", "change", "change_lo95", "change_hi95"]].sort_index().round(3)

# %% [markdown]
# ## The answer

# %%
WORDS = {
    "late": "% of the work late or lost",
    "order_wait_days": "days until a changed dose is ordered",
    "mental_health_crisis": "people of 1,000 with a mental health crisis",
    "return_to_higher_dose": "people of 1,000 who return to a higher dose",
    "dose_reduction_ge15": "people of 1,000 at a lower dose in the end",
}


def interval(row, name):
    low, high = row[f"{name}_lo95"], row[f"{name}_hi95"]
    return f"({low:.1f} to {high:.1f})" if pd.notna(low) else "(no interval)"


def against_unlimited(row):
    if pd.isna(row["more"]):
        return ""
    if row["more"] == 0:
        return "; the same as with unlimited staff in every replication"
    return f"; {row['more']:+.1f} {interval(row, 'more')} against unlimited staff"


rows = {team: tables[team].set_index("outcome") for team in TEAMS}
for team in TEAMS:
    print(briefs[team].answer.replace("This team", f"The team {team}"))
    print(f"With {PATIENTS} patients over {DAYS} days, {REPLICATIONS} replications:")
    for outcome, words in WORDS.items():
        row = rows[team].loc[outcome]
        print(f"  {row['people']:.1f} {words} {interval(row, 'people')}{against_unlimited(row)}.")
for outcome in ("late", "order_wait_days"):
    small, planned = (rows[team].loc[outcome] for team in ("smaller", "as planned"))
    if small["people_lo95"] > planned["people_hi95"]:
        print(f"With the smaller team there are more {WORDS[outcome]}: the intervals do not overlap.")
    else:
        print(f"The smaller team is not shown to have more {WORDS[outcome]}: the intervals overlap.")
print("Act on the room: enrol no more patients than the team in place has room for, or keep the planned team.")
waits = everybody[everybody["metric"] == "late of urgency 0"].set_index("triage")
for rule, row in waits.iterrows():
    print(f"Late work that cannot wait under {rule}: {row['estimate']:.1%}, change {row['change']:+.1%}.")
