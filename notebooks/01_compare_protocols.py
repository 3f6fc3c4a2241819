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
# The story of one comparison: a cohort of people on long-term opioids, several protocols on the same people and the
# same luck, what differs and how sure that is. Everything here is simulated, not calibrated to published results, and
# **research use: not clinically reviewed**.

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
# 400 people and half a year, so that the notebook runs in seconds; the command runs the whole scenario:
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
# A mean without its interval says little. `lo95` and `hi95` are over draws of the parameters with Monte Carlo error
# added: what we do not know about people in general, and not only how many we simulated.

# %%
peak = whole[whole["outcome"] == "withdrawal_peak"].set_index("protocol")[["mean", "lo95", "hi95", "mc_se"]]
peak.round(3)

# %% [markdown]
# ## Person by person
#
# Every protocol meets the same person with the same luck, so differences are paired: the share of people for whom a
# protocol is better or worse by more than the smallest important difference.

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
# It sees check-ins and nothing else. Registered under a name, it can be written as a call like every other protocol.


# %%
@register("halve_on_good_weeks")
class HalveOnGoodWeeks:
    """Halve the opioid after a fortnight with little withdrawal."""

    name, sees_reports = "halve on good weeks", True

    def decision_days(self, n_days: int) -> range:
        """Every fortnight."""
        return range(1, n_days + 1, 14)

    def start(self, patients: Patients) -> None:
        """Nothing to remember."""

    def decide(self, memory: None, seen: Seen) -> Order:
        """Halve where the mean SOWS-Gossop of the reports that came is below 4."""
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
# What this rests on: `run/manifest.json` has the scenario's hash, seed, versions, parameters and the hashes of inputs
# and outputs; `report.html` is the page for a committee.
