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
# # Does your own rule help your own people?
#
# A cohort, a policy, an outcome and a subgroup of your own, without a file and without a change of the package. The
# question: people on oxycodone ER 120 mg a day with PTSD; does a rule that waits for two calm weeks spare the worst
# 5 % more than a fixed taper, and does that differ for people with poor access? Everything is simulated.
# **Research use: not clinically reviewed.**
#
# The notebook is small. `TAPER_SIM_FULL=1` in the environment gives its full size. All cells can run again: a
# second registration of a name replaces the first.

# %%
import os

import numpy as np
import pandas as pd
from IPython.display import display

import taper_sim as ts

FULL = os.environ.get("TAPER_SIM_FULL") == "1"
PATIENTS, DAYS, DRAWS = (2000, 364, 50) if FULL else (200, 112, 10)

# %% [markdown]
# ## People
#
# The characteristics have the names of a patients file ([cohort](../docs/cohort.md)).

# %%
people = ts.people(PATIENTS, drug="oxycodone ER", mg_per_day=120, ptsd=True)
people.frame.head()

# %% [markdown]
# ## A policy
#
# It sees check-ins and nothing else. `ts.register` gives it a name for calls, with its arguments
# ([how](../docs/how-to/own-policy.md)).


# %%
@ts.register("calm_steps")
class CalmSteps(ts.Policy):
    """Cut by a share of the starting dose after two weeks with little withdrawal; else hold."""

    sees_reports = True

    def __init__(self, pct: float = 10.0, limit: float = 4.0):
        self.step, self.limit = pct / 100.0, limit

    @property
    def name(self) -> str:
        """The policy's call."""
        return f"calm_steps(pct={100 * self.step:g}, limit={self.limit:g})"

    def decision_days(self, n_days: int) -> range:
        """Every two weeks."""
        return range(1, n_days + 1, 14)

    def start(self, patients: ts.Patients) -> None:
        """Nothing to remember."""

    def decide(self, memory: None, observation: ts.Observation) -> ts.Order:
        """Cut where the mean SOWS-Gossop of the reports that came is below the limit."""
        now = observation.dose_fraction
        reports = observation.reports.get("sows_gossop", np.full((len(now), 1), np.nan))
        calm = (pd.DataFrame(reports).mean(axis=1) < self.limit).to_numpy()
        lower = np.maximum(now - np.array([self.step, 0.0, 0.0]), 0.0)
        return ts.Order(np.where(calm[:, None], lower, now))


# %% [markdown]
# ## An outcome


# %%
@ts.outcome("halved", unit="share of people", direction="higher")
def halved(window: ts.OutcomeWindow) -> np.ndarray:
    """Dose at the end at most half of that at the start."""
    return (window.reduction >= 0.5).astype(float)


# %% [markdown]
# ## A subgroup
#
# A function of the table of people gives a label a row. The model has no attribute for a rural home: lack of broadband
# or of transport stands for it.


# %%
def poor_access(table: pd.DataFrame) -> pd.Series:
    """Whether a person lacks broadband or transport."""
    return ~(table["broadband"] & table["transport"])


result = ts.compare(
    people=people,
    protocols=["constant()", "linear(pct=10, every=14)", "calm_steps(pct=10, limit=4)"],
    days=DAYS,
    draws=DRAWS,
    by=poor_access,
    progress=False,
)
display(result)

# %%
result.plot.trajectories()

# %% [markdown]
# The mean of everybody beside that of the worst 5 %, by subgroup.

# %%
tail = result.tail("withdrawal_peak")
tail.drop(columns="unit").round(3)

# %% [markdown]
# ## The answer

# %%
fixed, own = result.protocols[1:]
row = result.difference(own, fixed, "halved").iloc[0]
print(
    f"{own} halves the dose of {100 * row['mean']:+.1f} in 100 people more or fewer than {fixed} does (95 % interval "
    f"{100 * row['lo95']:+.1f} to {100 * row['hi95']:+.1f})."
)
for group, part in tail.groupby("subgroup", sort=False):
    cells = part.set_index("protocol")
    print(
        f"{group} ({cells['n'].iloc[0]:,} people): peak withdrawal of the worst 5 % is {cells.loc[own, 'worst5']:.2f} "
        f"under {own} and {cells.loc[fixed, 'worst5']:.2f} under {fixed}; means {cells.loc[own, 'mean']:.2f} and "
        f"{cells.loc[fixed, 'mean']:.2f}."
    )
