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
# This notebook is for readers who want to see one comparison from start to end. It has a cohort of people on long-term
# opioids, several protocols on the same people with common random numbers, the differences, and their uncertainty.
# Everything is simulated and not calibrated to published results. **Research use: not clinically reviewed**.

# %%
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import SVG, display

from taper_sim import Order, Overrides, Patients, Seen, compare, register
from taper_sim.report.page import write_report

SCENARIO = Path("../scenarios/opioid_protocols.yaml")
FOLDER = Path(tempfile.mkdtemp())


def quietly(total: int) -> Callable[[int], None]:
    """Show no progress."""
    return lambda done: None


# %% [markdown]
# ## The comparison
#
# The notebook uses 400 people and half a year, so that it runs in seconds. This command runs the whole scenario:
# `taper-sim compare scenarios/opioid_protocols.yaml --patients 20000 --out run`.

# %%
done = compare(SCENARIO, Overrides(patients=400, days=182), FOLDER / "run", 2, quietly)
print(done.scenario.question)

# %%
outcomes = ["dose_reduction_pct", "withdrawal_peak", "days_over_limit", "pain_nrs_change", "retained"]
order = [arm.name for arm in done.plan.arms]
whole = done.summary[(done.summary["subgroup"] == "all") & done.summary["outcome"].isin(outcomes)]
whole.pivot(index="protocol", columns="outcome", values="mean").loc[order, outcomes].round(2)

# %% [markdown]
# A mean needs its interval. `lo95` and `hi95` cover the draws of the parameters plus Monte Carlo error. They describe
# our uncertainty about people in general, not only the number of simulated people.

# %%
peak = whole[whole["outcome"] == "withdrawal_peak"].set_index("protocol")[["mean", "lo95", "hi95", "mc_se"]]
peak.round(3)

# %% [markdown]
# ## Paired differences
#
# Every protocol has the same people and the same random numbers, so differences are paired. `share_better` and
# `share_worse` are the shares of people for whom a protocol is better or worse by more than the smallest important
# difference.

# %%
paired = done.differences[
    (done.differences["subgroup"] == "all") & (done.differences["outcome"] == "composite")
].set_index("protocol")[["mean", "lo95", "hi95", "p_better", "share_better", "share_worse"]]
paired.round(2)

# %% [markdown]
# ## Figures

# %%
write_report(done.folder)
for name in ("trajectories", "forest", "pareto"):
    display(SVG(str(done.folder / "figures" / f"{name}.svg")))


# %% [markdown]
# ## A policy of your own, in ten lines
#
# The policy sees check-ins and nothing else. Once it is registered under a name, you can write it as a call like every
# other protocol.


# %%
@register("halve_on_good_weeks")
class HalveOnGoodWeeks:
    """Halve the opioid after two weeks with little withdrawal."""

    name, sees_reports = "halve on good weeks", True

    def decision_days(self, n_days: int) -> range:
        """Every two weeks."""
        return range(1, n_days + 1, 14)

    def start(self, patients: Patients) -> None:
        """Keep no memory."""

    def decide(self, memory: None, seen: Seen) -> Order:
        """Halve the dose if the mean SOWS-Gossop of the reports is below 4."""
        sows = pd.DataFrame(seen.reports.get("sows_gossop", np.full((len(seen.share), 1), np.nan))).mean(axis=1)
        return Order(np.where((sows < 4).to_numpy()[:, None], seen.share * [0.5, 1, 1], seen.share))


mine = compare(
    SCENARIO,
    Overrides(patients=200, days=112, protocols="hold the dose, linear 10 %/week, halve_on_good_weeks()"),
    FOLDER / "mine",
    2,
    quietly,
)
table = mine.summary[(mine.summary["subgroup"] == "all") & mine.summary["outcome"].isin(outcomes)]
table.pivot(index="protocol", columns="outcome", values="mean").round(2)

# %% [markdown]
# `run/manifest.json` documents the run: the scenario's hash, seed, versions, parameters and the hashes of inputs and
# outputs. `report.html` is the report for a committee.
