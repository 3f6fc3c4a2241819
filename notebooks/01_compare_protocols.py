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
# # Which taper hurts least, and which gets furthest?
#
# One comparison from the question to the answer: people on long-term opioids, eleven protocols on the same people with
# the same chance events. Everything is simulated, with parameters fitted to published results that inform few of them.
# **Research use: not clinically reviewed.**
#
# The notebook is small, so that it runs in a minute. `TAPER_SIM_FULL=1` in the environment gives its full size. The
# command `taper-sim compare scenarios/opioid_protocols.yaml --out run` runs the same scenario.

# %%
import os

import pandas as pd
from IPython.display import display

import taper_sim as ts

FULL = os.environ.get("TAPER_SIM_FULL") == "1"
PATIENTS, DAYS = (2000, 364) if FULL else (200, 182)

# %% [markdown]
# ## Try a taper
#
# Each move of an input simulates a small cohort again. Without a kernel the picture shows the last result.

# %%
ts.explorer()

# %% [markdown]
# ## The comparison
#
# A mean without its interval says little. Intervals cover the uncertainty of the parameters and the number of people.
# Where too few people or events stand behind a number, there is no interval.

# %%
result = ts.compare("../scenarios/opioid_protocols.yaml", patients=PATIENTS, days=DAYS, progress=False)
display(result)

# %% [markdown]
# ## Person by person
#
# Every protocol meets the same person with the same chance events, so differences are paired: the share of people for
# whom a protocol is better or worse by more than the smallest important difference. The composite adds benefits and
# harms by value judgements of the scenario, in which a death counts as much as one hundred important differences.

# %%
sides = ["dose_reduction_pct", "withdrawal_peak", "mental_health_crisis", "overdose", "death", "composite"]
others = [name for name in result.protocols if name != result.reference]
paired = pd.concat([result.difference(name, result.reference, sides) for name in others])
columns = ["mean", "lo95", "hi95", "p_better", "share_better", "share_worse", "interval_reason"]
paired.set_index(["protocol", "outcome"])[columns].round(3)

# %% [markdown]
# ## Figures
#
# Courses by day, a row a protocol; differences against the constant dose; the worst 5 % beside the mean; harm against
# distance.

# %%
result.plot.trajectories()

# %%
result.plot.forest()

# %%
result.plot.tail()

# %%
result.plot.pareto()

# %% [markdown]
# ## The answer

# %%
tail = result.tail("withdrawal_peak").query("subgroup == 'all'").set_index("protocol")
hardest, gentlest = tail["worst5"].idxmax(), tail.drop(result.reference)["worst5"].idxmin()
print(result.answer)
print(
    f"Peak withdrawal (0 to 1) is highest under {hardest}: {tail.loc[hardest, 'mean']:.2f} on average and "
    f"{tail.loc[hardest, 'worst5']:.2f} in the worst 5 % of people. Of the other protocols it is lowest under "
    f"{gentlest}: {tail.loc[gentlest, 'mean']:.2f} and {tail.loc[gentlest, 'worst5']:.2f}."
)
print(f"These are numbers of {PATIENTS:,} simulated people over {DAYS} days.")
