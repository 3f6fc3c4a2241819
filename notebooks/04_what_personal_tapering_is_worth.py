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
# # Is personal pace worth it?
#
# This notebook is for readers who compare personalised with fixed tapers. It compares policies from presets of guidance
# to an oracle, on the same simulated people with common random numbers, within the ceiling of guidance, over one year.
# One parameter of each policy is tuned on other people. The numbers are those of the committed tables
# ([method and results](../docs/personal-pace.md)). The last cells run a small comparison. Everything is simulated,
# with parameters fitted to published results that inform few of them. **Research use: not clinically reviewed**.

# %%
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import yaml
from IPython.display import SVG, display

from taper_sim.experiments.ladder import evaluate
from taper_sim.report.drawing import svg
from taper_sim.report.ladder_report import ladder_figure
from taper_sim.scenario.building import Overrides

TABLES = Path("../docs/tables")
ladder, gaps = pd.read_csv(TABLES / "ladder.csv"), pd.read_csv(TABLES / "ladder_gap.csv")

# %% [markdown]
# ## The policies in order (the ladder)
#
# The loss sums medication, pain, function and distress over time, in smallest important differences, and adds weight to
# the worst 5 % of people. Lower is better. `knob` is the tuned parameter.

# %%
columns = ["policy", "knob", "share_over", "exposure", "pain", "function", "cvar95", "loss", "lo95", "hi95"]
for ceiling, part in ladder.groupby("ceiling", sort=False):
    print(f"one year, ceiling {ceiling}, {part['n'].iloc[0]} people")
    display(part[columns].round(3))

# %%
figure, _ = ladder_figure(ladder)
display(SVG(data=svg(figure, "The ladder of policies over one year")))

# %% [markdown]
# ## The share of the gap
#
# The gap lies between the best policy that does not learn and the oracle. `prior only` chooses steps as well as
# personal pace does but uses no check-ins. It is the main alternative.

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
# ## A small comparison
#
# This run has far too few people for a result; it only shows the call. The command does the same with any scenario:
# `taper-sim evaluate scenarios/ladder.yaml --out run`. `scenarios/ladder_truths.yaml` repeats it for people who follow
# another model than the policies assume.

# %%
scenario = yaml.safe_load(Path("../scenarios/ladder.yaml").read_text())
scenario |= {"days": 57, "protocols": ["constant()"]}
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
(folder / "small.yaml").write_text(yaml.safe_dump(scenario))


def quietly(total: int) -> Callable[[int], None]:
    """Show no progress."""
    return lambda done: None


done = evaluate(folder / "small.yaml", Overrides(patients=6), folder / "run", quietly)
done.ladder[["policy", "share_over", "exposure", "pain", "loss"]].round(3)
