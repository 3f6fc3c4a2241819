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
# # What is personal tapering worth?
#
# Policies from presets of guidance to an oracle, on the same simulated people, within the ceiling of guidance, over one
# year. One number of each policy is tuned on other people. The results are those of the committed tables
# ([method and results](../docs/personal-pace.md)). The last part runs a small evaluation. Everything is simulated, with
# parameters fitted to published results that inform few of them. **Research use: not clinically reviewed.**
#
# `TAPER_SIM_FULL=1` in the environment runs the evaluation of `scenarios/ladder.yaml` in its full size, which takes
# hours.

# %%
import os
import shutil
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import yaml
from IPython.display import display

import taper_sim as ts

FULL = os.environ.get("TAPER_SIM_FULL") == "1"
TABLES = "../docs/tables"
ladder, gaps = pd.read_csv(f"{TABLES}/ladder.csv"), pd.read_csv(f"{TABLES}/ladder_gap.csv")

# %% [markdown]
# ## The policies in order (the ladder)
#
# The loss sums medication, pain, function and distress over time, in smallest important differences, and adds weight to
# the worst 5 % of people. Lower is better. `knob` is the tuned number.

# %%
columns = ["policy", "knob", "share_over", "exposure", "pain", "function", "cvar95", "loss", "lo95", "hi95"]
for ceiling, part in ladder.groupby("ceiling", sort=False):
    print(f"one year, ceiling {ceiling}, {part['n'].iloc[0]} people")
    display(part[columns].round(3))

# %%
ceilings = list(dict.fromkeys(ladder["ceiling"]))
figure, axes = plt.subplots(1, len(ceilings), figsize=(9.5, 4.5), sharex=True, squeeze=False, layout="constrained")
looks = {"other": ("#767676", "o"), "personal": ("#0072B2", "s"), "oracle": ("#000000", "D")}
for panel, ceiling in zip(axes.ravel(), ceilings, strict=True):
    part = ladder[ladder["ceiling"] == ceiling].reset_index(drop=True)
    for place, row in part.iterrows():
        colour, marker = looks[row["role"]]
        panel.plot([row["lo95"], row["hi95"]], [place, place], color=colour)
        panel.plot(row["loss"], place, marker, color=colour)
        panel.text(1.02, place, f"{row['loss']:.2f}", transform=panel.get_yaxis_transform(), va="center", fontsize=8)
    panel.set_yticks(range(len(part)), part["policy"])
    panel.invert_yaxis()
    panel.set(title=f"ceiling {ceiling}", xlabel="loss, smallest important differences; 95 % interval")

# %% [markdown]
# ## The share of the gap
#
# The gap lies between the best policy that does not learn and the oracle. `prior only` chooses steps as personal pace
# does but uses no check-ins. It is the main alternative.

# %%
shown = [
    "ceiling",
    "policy",
    "against",
    "rival",
    "gain",
    "gain_lo95",
    "gain_hi95",
    "room",
    "gap",
    "gap_lo95",
    "gap_hi95",
]
gaps[shown].round(3)

# %% [markdown]
# ## An evaluation of your own
#
# This run has far too few people for a result; it only shows the call. `scenarios/ladder_truths.yaml` repeats it for
# people who follow another model than the policies assume.

# %%
scenario = yaml.safe_load(Path("../scenarios/ladder.yaml").read_text())
if not FULL:
    scenario |= {"days": 57, "protocols": ["constant()"]}
    scenario["cohort"]["patients"] = 4
    scenario["ladder"] |= {
        "seeds": [1],
        "ceilings": ["on"],
        "rungs": [
            {"name": "linear", "call": "linear(pct=10, every=28)"},
            {"name": "prior only", "call": "prior_only(draws=64, ceiling={ceiling}, run_in={run_in})"},
            {"name": "personal", "call": "personal(draws=64, ceiling={ceiling}, run_in={run_in})", "role": "personal"},
            {"name": "oracle", "call": "personal(sees=state, ceiling={ceiling}, run_in={run_in})", "role": "oracle"},
        ],
    }
folder = Path(tempfile.mkdtemp())
shutil.copytree("../scenarios/rules", folder / "rules")
path = folder / "own.yaml"
path.write_text(yaml.safe_dump(scenario))
run = ts.evaluate(path, progress=False)
run.tables["ladder"][["policy", "share_over", "exposure", "pain", "loss"]].round(3)

# %% [markdown]
# ## The answer

# %%
for row in gaps[gaps["against"].isin(["best other", "prior only"])].to_dict("records"):
    clear = row["gain_lo95"] > 0 or row["gain_hi95"] < 0
    verdict = ("a gain" if row["gain"] > 0 else "a loss") if clear else "neither a gain nor a loss is shown"
    print(
        f"ceiling {row['ceiling']}, {row['policy']} against {row['rival']}: {row['gain']:+.3f} (95 % interval "
        f"{row['gain_lo95']:+.3f} to {row['gain_hi95']:+.3f}); {verdict}; room up to the oracle {row['room']:.3f}."
    )
print("Gains are in smallest important differences a person and year, of simulated people who follow the model.")
