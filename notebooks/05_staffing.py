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
# This notebook is for clinical leads who plan a team. It answers these questions. How many patients can this team
# taper safely? Which resource becomes a bottleneck first? What changes with one more staff member, fewer enrolments,
# or check-ins every other day? Which team is the cheapest that meets its targets? Everything is simulated, with
# parameters fitted to published results that inform few of them; minutes and costs are planning assumptions.
# **Research use: not clinically reviewed**.

# %%
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from IPython.display import SVG, display

from taper_sim.experiments.staffing_run import run_staffing
from taper_sim.experiments.team_search import read_staffing
from taper_sim.report.staffing_figures import write_staffing_figures
from taper_sim.report.staffing_text import bound_text
from taper_sim.scenario.building import Overrides

SCENARIO = Path("../scenarios/staffing_small.yaml")
FOLDER = Path(tempfile.mkdtemp()) / "team"


def quietly(total: int) -> Callable[[int], None]:
    """Show no progress."""
    return lambda done: None


# %% [markdown]
# ## Bounds before the run
#
# The bounds compare planned work with the hours of the largest team in the ranges. A panel of 3,000 exceeds all of
# them.

# %%
plan = read_staffing(SCENARIO, Overrides(patients=40, days=28))
for load in plan.loads:
    print(load)

# %%
print("\n".join(bound_text(read_staffing(SCENARIO, Overrides(patients=3000, days=28)))))

# %% [markdown]
# ## The search
#
# The panel is small, the period is four weeks and the test is loose, so that the notebook runs in seconds. This command
# runs the unchanged scenario: `taper-sim staffing scenarios/staffing_small.yaml --out team`.

# %%
loose = {
    "probability": 0.6,
    "indifference": 0.25,
    "confidence": 0.5,
    "most_teams": 14,
    "most_replications": 8,
    "what_if_replications": 3,
    "panel_shares": (1.0, 2.0, 3.0),
}
plan = replace(plan, entry=plan.entry.model_copy(update=loose))
done = run_staffing(SCENARIO, plan, FOLDER, quietly)
print("targets:", "; ".join(map(str, plan.entry.targets)))
print("chosen:", None if done.result.chosen is None else done.result.chosen.name)
print("stopped at a bound, so a cheaper team may exist:", done.result.stopped)

# %%
tried = done.table[done.table["metric"] == "all_targets"]
tried[["team", "fte", "cost", "estimate", "lo95", "hi95", "verdict", "n_replications"]].round(2)

# %% [markdown]
# `estimate` is the share of replications that met every target. A verdict is Wald's sequential test of that share. A
# team far from the threshold needs few replications, a team near it many.
#
# ## The three levers
#
# Each lever changes one thing about today's team, on the same patients with common random numbers.

# %%
assert done.what_if is not None
levers = done.what_if.levers
for metric in ("late", "order_wait_days", "composite_against_never_short", "cost"):
    own = levers[levers["metric"] == metric]
    print(metric, "-", own["unit"].iloc[0])
    display(own[["name", "what", "estimate", "change", "change_lo95", "change_hi95", "p_meets"]].round(3))

# %% [markdown]
# With three replications intervals are wide. An interval that contains zero means that this run does not show an effect
# of the lever.
#
# ## The number of patients
#
# The figure has today's team with other panels: late work, and harm (the composite outcome relative to unlimited
# staff).

# %%
write_staffing_figures(FOLDER)
display(SVG(FOLDER / "figures" / "capacity.svg"))

# %%
display(SVG(FOLDER / "figures" / "tornado.svg"))

# %% [markdown]
# ## Access by subgroup
#
# The table has access by subgroup, and its gap to all patients. Groups under eleven people are left out.

# %%
equity = done.what_if.equity
equity[(equity["metric"] == "late")][["team", "subgroup", "estimate", "gap", "gap_lo95", "gap_hi95"]].round(3)
