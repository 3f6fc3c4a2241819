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
# A clinic lead asks: with this team, how many patients can we taper safely, what breaks first, and what if I hire one,
# enrol fewer, or let patients check in every other day? And which team is the cheapest that keeps its promises?
# Everything here is simulated, not calibrated to published results, and **research use: not clinically reviewed**;
# minutes and costs are planning assumptions.

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
# ## What is known before anything runs
#
# Planned work against the hours of the largest team of the ranges. A panel of 3,000 would be too many for any of them.

# %%
plan = read_staffing(SCENARIO, Overrides(patients=40, days=28))
for load in plan.loads:
    print(load)

# %%
print("\n".join(bound_text(read_staffing(SCENARIO, Overrides(patients=3000, days=28)))))

# %% [markdown]
# ## The search
#
# A small panel, four weeks and a loose test, so that the notebook runs in seconds; the command runs the scenario as it
# is: `taper-sim staffing scenarios/staffing_small.yaml --out team`.

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
print("wanted:", "; ".join(map(str, plan.entry.targets)))
print("chosen:", None if done.found.chosen is None else done.found.chosen.name)
print("stopped before it had to be sure that nothing is cheaper:", done.found.stopped)

# %%
tried = done.table[done.table["metric"] == "all_targets"]
tried[["team", "fte", "cost", "estimate", "lo95", "hi95", "verdict", "n_replications"]].round(2)

# %% [markdown]
# `estimate` is the share of replications in which every target was met. A verdict is Wald's sequential test of that
# share: few replications where a team is far from the line, many where it is near.
#
# ## The three levers
#
# Today's team with one thing changed, on the same patients and luck.

# %%
assert done.what_if is not None
levers = done.what_if.levers
for metric in ("late", "order_wait_days", "composite_against_never_short", "cost"):
    own = levers[levers["metric"] == metric]
    print(metric, "-", own["unit"].iloc[0])
    display(own[["name", "what", "estimate", "change", "change_lo95", "change_hi95", "p_meets"]].round(3))

# %% [markdown]
# With three replications intervals are wide: where one holds zero, this run does not tell whether the lever helps.
#
# ## How many patients
#
# Today's team with other panels: late work, and harm (the composite outcome against staff that is never short).

# %%
write_staffing_figures(FOLDER)
display(SVG(FOLDER / "figures" / "capacity.svg"))

# %%
display(SVG(FOLDER / "figures" / "tornado.svg"))

# %% [markdown]
# ## Whom it reaches
#
# Access by subgroup, and its gap to everybody. Groups under eleven people are left out.

# %%
equity = done.what_if.equity
equity[(equity["metric"] == "late")][["team", "subgroup", "estimate", "gap", "gap_lo95", "gap_hi95"]].round(3)
