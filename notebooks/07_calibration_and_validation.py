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
# # How far can a comparison of tapers be trusted?
#
# Three things at a glance: the parameters that published results inform, each published result beside its simulated
# interval, and one comparison of protocols under several forms of the model, with the conclusions that turn. The
# numbers are those of the committed tables ([calibration](../docs/calibration.md), [validation](../docs/validation.md),
# [structures](../docs/structures.md)). The last part runs a small validation, and with `TAPER_SIM_FULL=1` in the
# environment a large one. Everything is simulated. **Research use: not clinically reviewed.**

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display

import taper_sim as ts

FULL = os.environ.get("TAPER_SIM_FULL") == "1"
TABLES = "../docs/tables"

# %% [markdown]
# ## Parameters that published results inform
#
# The ratio of the posterior's spread to the prior's: 1 means that the results say nothing about the parameter.

# %%
calibration = pd.read_csv(f"{TABLES}/calibration_parameters.csv")
display(calibration.round(3))

# %% [markdown]
# ## Published results
#
# `taper-sim validate --out validation` writes the table. A study samples people like those of the publication, gives
# them its arms and computes its statistic. *Inside* means that the published number lies in the simulated 95 %
# predictive interval. A wide interval holds much, so the next table counts narrow intervals apart.

# %%
published = ts.load(f"{TABLES}/validation.csv")
validation = published.frame
print(published.answer)
calibrated = set(validation.loc[validation["status"] == "simulated", "calibrated"])
print("Draws are fitted to published results:", ", ".join(sorted(calibrated)))
display(published.by_width)

# %% [markdown]
# Black is the published number with its interval. The thick line is the spread over the parameters; the thin line adds
# the sampling error of the study. Differences of means are drawn in half widths of the published interval.

# %%
published.plot()

# %% [markdown]
# The results outside, with their sources in `study`. Published claims ratios also contain the reasons for a taper;
# simulated arms do not.

# %%
outside = validation[(validation["status"] == "simulated") & (validation["inside"] == "no")]
shown = ["id", "study", "statistic", "outcome", "published", "simulated", "simulated_lo", "simulated_hi"]
outside[shown].round(3)

# %% [markdown]
# ## Other forms of the model
#
# `python -m taper_sim.studies.structures --out docs/tables/structures.csv` writes the table. An alternative changes one
# assumption of form. People, draws of the other parameters and random numbers are the same. Each pair of six protocols
# is compared on each outcome.
#
# - *reversed*: the better protocol of a pair becomes the worse one, and both intervals exclude 0.
# - *opened*: a difference is no longer distinguished from 0.
# - *settled*: an open difference is decided.
#
# A *shift* is the difference minus that of the shipped model, paired by person. An interval that ends near 0 opens or
# settles easily; the shift tells whether the difference has moved. Of 165 shifts some eight exclude 0 by chance.

# %%
pairs = pd.read_csv(f"{TABLES}/structures.csv")
names = list(dict.fromkeys(pairs["structure"]))
results = list(dict.fromkeys(pairs["outcome"]))
excludes_0 = (pairs["shift_lo95"] > 0) | (pairs["shift_hi95"] < 0)
counts = pd.crosstab(pairs["structure"], pairs["turns"]).reindex(names)
counts.assign(shifts_that_exclude_0=excludes_0.groupby(pairs["structure"]).sum())

# %%
turned = pairs.assign(turned=pairs["turns"].isin(["reversed", "opened", "settled"]))
weaker = turned.pivot_table(index="structure", columns="outcome", values="turned", aggfunc="sum")
reversals = turned.assign(turned=turned["turns"] == "reversed").pivot_table(
    index="structure", columns="outcome", values="turned", aggfunc="sum"
)
weaker, reversals = (table.loc[names[1:], results].astype(int) for table in (weaker, reversals))
figure, axes = plt.subplots(figsize=(9.5, 4.6), layout="constrained")
image = axes.imshow(weaker, cmap="Blues", vmin=0, vmax=15, aspect="auto")
for (row, column), n in np.ndenumerate(weaker.to_numpy()):
    n_reversed = reversals.iloc[row, column]
    text = f"{n}" if n_reversed == 0 else f"{n} ({n_reversed} rev.)"
    axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if n > 8 else "black")
axes.set_xticks(range(len(results)), results, rotation=35, ha="right")
axes.set_yticks(range(len(names) - 1), names[1:])
title = axes.set_title("Conclusions that turn, of 15 pairs of protocols (in brackets: reversed)")

# %% [markdown]
# Every reversal, with the difference under the alternative and under the shipped model.

# %%
key = ["outcome", "protocol", "against"]
columns = ["difference", "lo95", "hi95"]
shifts = ["shift", "shift_lo95", "shift_hi95"]
shipped = pairs[pairs["structure"] == names[0]].set_index(key)[columns].add_prefix("shipped_")
reversed_pairs = pairs[pairs["turns"] == "reversed"].set_index(key).join(shipped)
reversed_pairs[["structure", *columns, *shipped.columns, *shifts]].round(4)

# %% [markdown]
# The order of the protocols by their means, the best first. Where it differs from the first row, read the intervals
# of the pair first.


# %%
def order_of(part: pd.DataFrame) -> str:
    """The protocols of one alternative and one outcome, the best mean first."""
    means = dict(zip(part["protocol"], part["mean"], strict=True))
    means |= dict(zip(part["against"], part["mean_against"], strict=True))
    highest_first = part["outcome"].iloc[0] in ("dose_reduction_pct", "function_change")
    return " · ".join(sorted(means, key=means.__getitem__, reverse=highest_first))


with pd.option_context("display.max_colwidth", None):
    for outcome in ("withdrawal_peak", "pain_nrs_change", "overdose"):
        part = pairs[pairs["outcome"] == outcome].groupby("structure", sort=False)
        display(part[list(pairs.columns)].apply(order_of).rename(outcome).to_frame())

# %% [markdown]
# Two conclusions in full: the differences with their 95 % intervals. Grey is the shipped model. The first depends on
# the curve from dose to effect. The second hardly depends on any form.

# %%
chosen = [("withdrawal_peak", "hyperbolic", "slow linear"), ("withdrawal_peak", "slow linear", "fast linear")]
figure, grid = plt.subplots(1, len(chosen), figsize=(9.5, 3.6), sharey=True, layout="constrained")
for axes, (outcome, protocol, against) in zip(grid, chosen, strict=True):
    rows = pairs.query("outcome == @outcome and protocol == @protocol and against == @against")
    rows = rows.set_index("structure").loc[names]
    for place, (name, row) in enumerate(rows.iterrows()):
        colour = "#767676" if name == names[0] else "#D55E00" if row["turns"] == "reversed" else "#0072B2"
        axes.hlines(place, row["lo95"], row["hi95"], color=colour)
        axes.plot(row["difference"], place, "s" if row["turns"] == "reversed" else "o", color=colour)
    axes.axvline(0.0, color="black", linewidth=0.6)
    axes.set_yticks(range(len(names)), names)
    axes.set_title(f"{outcome}: {protocol} minus {against}", fontsize=9)
    axes.set_xlabel("difference of means, 95 % interval (0-1)")
grid[0].invert_yaxis()

# %% [markdown]
# ## A validation of your own
#
# Two rows; without `TAPER_SIM_FULL=1` far too few people and draws for a result, so they only show the call. The first
# row is a share, the second a difference of means.

# %%
own = pd.DataFrame(
    {
        "id": ["share off", "pain"],
        "statistic": ["proportion", "mean_difference"],
        "outcome": ["discontinued", "pain_nrs_change"],
        "value": [0.29, -0.3],
        "lo95": [0.20, -0.9],
        "hi95": [0.40, 0.3],
        "day": [168, 168],
        "arm": ["linear(pct=10, every=14)"] * 2,
        "reference_arm": ["", "constant()"],
        "cohort": ["drug_class=opioid;mme_min=50;imposed=no"] * 2,
    }
)
result = ts.validate(own, patients=20_000 if FULL else 200, draws=50 if FULL else 5, progress=False)
result.frame[["id", "statistic", "published", "simulated", "simulated_lo", "simulated_hi", "inside", "status"]].round(3)

# %%
result.plot()

# %% [markdown]
# ## What this rests on
#
# - The published numbers are coded by hand (`taper_sim/tables/evidence.csv`). Some of them were used to set parameters
#   ([model](../docs/model.md)), and these are no independent test.
# - The alternatives are those that somebody thought of. A conclusion that none of them turns can still be wrong.
# - The intervals cover the priors of the parameters and the number of people, not the choice of the form.

# %% [markdown]
# ## The answer

# %%
simulated = validation[validation["status"] == "simulated"]
n_inside = int((simulated["inside"] == "yes").sum())
n_reversed, n_pairs = int((pairs["turns"] == "reversed").sum()), int((pairs["structure"] != names[0]).sum())
print(published.answer)
print(
    f"{n_inside} of {len(simulated)} published results that could be simulated lie inside their simulated interval. Of "
    f"{n_pairs:,} conclusions under {len(names) - 1} other forms of the model, {n_reversed} are reversed."
)
print("A result inside a wide interval supports little, and these tests do not cover forms that have not been tried.")
