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
# The notebook is small. `TAPER_SIM_FULL=1` in the environment gives the size of `scenarios/clinic_understaffed.yaml`.

# %%
import os
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import yaml
from IPython.display import display

import taper_sim as ts

FULL = os.environ.get("TAPER_SIM_FULL") == "1"
PATIENTS, DAYS, REPLICATIONS = (400, 364, 3) if FULL else (25, 28, 2)
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
    print(f"{team}, {3 * PATIENTS} patients:")
    print(ts.planned_work(folder / f"{team}.yaml", patients=3 * PATIENTS, days=DAYS).answer)

# %% [markdown]
# ## The runs

# %%
runs = {
    team: ts.run_clinic(
        folder / f"{team}.yaml", patients=3 * PATIENTS, days=DAYS, replications=REPLICATIONS, progress=False
    )
    for team in TEAMS
}
for team, run in runs.items():
    print(team)
    display(
        run.tables["service"].query("subgroup == 'all'").head(12)
        if "subgroup" in run.tables["service"]
        else run.tables["service"].head(12)
    )

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
for outcome, words in (("dose_reduction_pct", "the dose reduction (%)"), ("function_change", "function (0-100)")):
    for team in TEAMS:
        row = differences.loc[(outcome, team)]
        row = row.iloc[0] if isinstance(row, pd.DataFrame) else row
        print(
            f"{team}: {words} differs from unlimited staff by {row['mean']:+.2f} (95 % interval {row['lo95']:+.2f} to "
            f"{row['hi95']:+.2f})."
        )
waits = everybody[everybody["metric"] == "late of urgency 0"].set_index("triage")["estimate"]
print("Late work that cannot wait, by triage rule:", "; ".join(f"{rule} {share:.1%}" for rule, share in waits.items()))
