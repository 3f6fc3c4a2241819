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
# # Which team?
#
# For clinical leads who plan a team. How many patients can this team taper? Which resource is full first? What changes
# with one more staff member, fewer patients, or check-ins every other day? Which team is the cheapest that meets its
# targets? Everything is simulated, with parameters fitted to published results that inform few of them; minutes and
# costs are planning assumptions. **Research use: not clinically reviewed.**
#
# The search is small, so that it runs in a minute or two. `TAPER_SIM_FULL=1` in the environment searches the unchanged
# scenario, as `taper-sim staffing scenarios/staffing_small.yaml --out team` does.

# %%
import os
import shutil
import tempfile
from pathlib import Path

import yaml
from IPython.display import SVG, display

import taper_sim as ts

FULL = os.environ.get("TAPER_SIM_FULL") == "1"
SCENARIO = "../scenarios/staffing_small.yaml"

# %% [markdown]
# ## Try a team
#
# The planned work of every queue beside the hours of the staff who may do it. It needs no simulation, so it follows the
# inputs at once.

# %%
ts.staffing_explorer(SCENARIO)

# %% [markdown]
# ## Bounds before a search
#
# The same numbers as a table, for today's team and for a panel of 3,000.

# %%
work = ts.planned_work(SCENARIO)
display(work)

# %%
large = ts.planned_work(SCENARIO, patients=3000)
print(large.answer)

# %% [markdown]
# ## The search

# %%
scenario = yaml.safe_load(Path(SCENARIO).read_text())
if not FULL:
    scenario["days"], scenario["draws"], scenario["cohort"]["patients"] = 28, 4, 40
    scenario["clinic"]["staffing"] |= {
        "fte": {
            "nurse": {"least": 0.5, "most": 1.5, "step": 0.5},
            "pharmacist": {"least": 0.5, "most": 1, "step": 0.5},
        },
        "probability": 0.6,
        "indifference": 0.25,
        "confidence": 0.5,
        "most_teams": 6,
        "most_replications": 4,
        "what_if_replications": 2,
        "panel_shares": [1.0, 2.0],
    }
folder = Path(tempfile.mkdtemp())
shutil.copytree("../scenarios/rules", folder / "rules")
(folder / "team.yaml").write_text(yaml.safe_dump(scenario))
run = ts.find_team(folder / "team.yaml", progress=False)
print(run.text)

# %% [markdown]
# `estimate` is the share of replications that met every target. A verdict is Wald's sequential test of that share. A
# team far from the threshold needs few replications, a team near it many.

# %%
staffing = run.tables["staffing"]
tried = staffing[staffing["metric"] == "all_targets"]
tried[["team", "fte", "cost", "estimate", "lo95", "hi95", "verdict", "n_replications"]].round(2)

# %% [markdown]
# ## What one change does
#
# Each lever changes one thing about today's team, on the same patients with common random numbers. With few
# replications intervals are wide. An interval that contains zero means that this run does not show an effect.

# %%
for picture in run.figures:
    print(picture.stem)
    display(SVG(filename=picture))

# %% [markdown]
# ## The answer

# %%
fullest = work.frame.iloc[0]
lasting = work.frame[work.frame["period"] == "after enrolment"].iloc[0]
print(
    f"The fullest queue of today's team is {lasting['queue']}: its planned work after enrolment takes "
    f"{lasting['share']:.0%} of the hours, and {lasting['most_patients']:,} patients would fill it. While the panel "
    f"enrols it is {fullest['queue']} with {fullest['share']:.0%}."
)
met = tried[tried["verdict"] == "meets"].sort_values("cost")
if len(met):
    best = met.iloc[0]
    print(
        f"Of {len(tried)} teams tried, the cheapest that meets its targets is {best['team']}: {best['fte']:g} FTE, "
        f"{best['cost']:,.0f} USD a week; it met all targets in {best['estimate']:.0%} of {best['n_replications']:.0f} "
        "replications."
    )
else:
    print(f"None of the {len(tried)} teams tried is shown to meet its targets with so few replications.")
