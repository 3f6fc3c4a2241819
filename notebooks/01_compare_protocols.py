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
# The story of one comparison: people on long-term opioids, several protocols on the same people with the same chance
# events, what differs and how sure that is. Everything here is simulated, with
# parameters fitted to published results that inform few of them. **Research use: not clinically reviewed**.

# %%
import numpy as np
import pandas as pd
from IPython.display import display

import taper_sim as ts

SCENARIO = "../scenarios/opioid_protocols.yaml"

# %% [markdown]
# ## The comparison
#
# The notebook uses 400 people and half a year, so that it runs in seconds. This command runs the whole scenario:
# `taper-sim compare scenarios/opioid_protocols.yaml --patients 20000 --out run`.

# %%
result = ts.compare(SCENARIO, patients=400, days=182)
display(result)

# %% [markdown]
# A mean without its interval says little. Intervals cover what we do not know about the parameters, and the number of
# people. Where too few people or events stand behind a number, there is no interval.
#
# ## Person by person
#
# Every protocol meets the same person with the same chance events, so differences are paired: the share of people for
# whom a protocol is better or worse by more than the smallest important difference. Benefits and harms stand side by
# side: the composite adds them up by value judgements of the scenario, in which a death counts as much as one hundred
# important differences.

# %%
sides = ["dose_reduction_pct", "withdrawal_peak", "mental_health_crisis", "overdose", "death", "composite"]
others = [name for name in result.protocols if name != result.reference]
paired = pd.concat([result.difference(name, result.reference, sides) for name in others])
columns = ["mean", "lo95", "hi95", "p_better", "share_better", "share_worse", "interval_reason"]
paired.set_index(["protocol", "outcome"])[columns].round(3)

# %% [markdown]
# ## Figures
#
# Withdrawal by day, a panel a protocol; differences against holding the dose; what the mean hides; harm against
# distance.

# %%
result.plot.trajectories("withdrawal")

# %%
result.plot.forest()

# %%
result.plot.tail()

# %%
result.plot.pareto()

# %% [markdown]
# ## A question of your own
#
# People on oxycodone ER, 120 mg a day, all with PTSD. No file is needed.

# %%
people = ts.people(200, drug="oxycodone ER", mg_per_day=120, ptsd=True)
people.frame.head()

# %% [markdown]
# ## A policy of your own, in ten lines
#
# It sees check-ins and nothing else. It can be compared as it is.


# %%
class HalveOnGoodWeeks(ts.Policy):
    """Halve the opioid after two weeks with little withdrawal."""

    name, sees_reports = "halve on good weeks", True

    def decision_days(self, n_days: int) -> range:
        """Every two weeks."""
        return range(1, n_days + 1, 14)

    def start(self, patients: ts.Patients) -> None:
        """Nothing to remember."""

    def decide(self, memory: None, observation: ts.Observation) -> ts.Order:
        """Halve where the mean SOWS-Gossop of the reports that came is below 4."""
        now = observation.dose_fraction
        sows = pd.DataFrame(observation.reports.get("sows_gossop", np.full((len(now), 1), np.nan))).mean(axis=1)
        return ts.Order(np.where((sows < 4).to_numpy()[:, None], now * [0.5, 1, 1], now))


protocols = ["constant()", "linear(pct=10, every=7)", HalveOnGoodWeeks()]
mine = ts.compare(people=people, protocols=protocols, days=112, by=lambda people: people["age_years"] >= 60)
display(mine)

# %% [markdown]
# ## The answer

# %%
print(mine.answer)

# %% [markdown]
# `result.save("run")` keeps the run folder: `manifest.json` has the scenario's hash, seed, versions, parameters and the
# hashes of inputs and outputs; `report.html` is the page for a committee.
