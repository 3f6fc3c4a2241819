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
# # Does one taper predict the next?
#
# A model was fitted to people of a trial, who tapered off buprenorphine once in two weeks and then in four. It predicts
# the second taper of other people. The first part of this notebook shows how well, from the committed tables of that
# study. The second part fits a population to check-ins of simulated people. **Research use: not clinically reviewed.**
#
# The trial's data are not part of this package. `taper-sim tapers DAILY.csv --out run` repeats the study on them
# ([method](../docs/real-tapers.md)). `TAPER_SIM_FULL=1` in the environment gives the fit its full size.

# %%
import os

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display

import taper_sim as ts

FULL = os.environ.get("TAPER_SIM_FULL") == "1"
PEOPLE, DAYS, DRAWS, PERSON_DRAWS = (30, 42, 1400, 512) if FULL else (4, 28, 40, 64)
TABLES = "../docs/tables"

# %% [markdown]
# ## The population of the trial
#
# The parameters estimated from the trial's people: value and 95 % interval.

# %%
values = pd.read_csv(f"{TABLES}/real_tapers_population.csv")
values[values["variant"] == "effect"][["symbol", "value", "lo95", "hi95", "unit", "meaning"]].round(2)

# %% [markdown]
# ## The second taper of other people
#
# The table has the log loss of the category of withdrawal (COWS) for visits from the first reduction on. Lower is
# better. The parameters were fitted on other people.

# %%
scores = pd.read_csv(f"{TABLES}/real_tapers.csv")
losses = scores[(scores["score"] == "log_loss") & (scores["visits"] == "taper and after")]
order = list(dict.fromkeys(losses["information"]))
losses.pivot(index="method", columns="information", values="value")[order].round(3)

# %% [markdown]
# The figure has the same numbers with their 95 % intervals over people, a panel for each amount of information.

# %%
methods = list(dict.fromkeys(losses["method"]))
figure, axes = plt.subplots(1, len(order), figsize=(10, 2.6), sharex=True, sharey=True, layout="constrained")
for panel, information in zip(axes, order, strict=True):
    rows = losses[losses["information"] == information].set_index("method").loc[methods]
    for place, row in enumerate(rows.to_dict("records")):
        panel.plot([row["lo95"], row["hi95"]], [place, place], color="#0072B2")
        panel.plot(row["value"], place, "o", color="#0072B2")
        panel.annotate(f"{row['value']:.2f}", (row["value"], place), xytext=(0, 5), textcoords="offset points")
    panel.set(title=information, xlabel="log loss of a category, nats", ylim=(len(methods) - 0.4, -0.7))
panel = axes[0].set_yticks(range(len(methods)), methods)

# %% [markdown]
# ## A population from daily check-ins
#
# Simulated people on morphine answer five daily scales while they taper ([method](../docs/population.md)). The fit
# estimates the centre of each value and its spread between people. A fit that fails its diagnostics says so.
#
# **In its small size the fit shows the call and its output, and nothing else.** So few people and draws tell nothing of
# a population: its numbers are those of the prior with noise, and the diagnostics refuse them. `TAPER_SIM_FULL=1` fits
# 30 people over 42 days.

# %%
records = ts.simulated_records(PEOPLE, days=DAYS, seed=3)
population = ts.fit(
    records.checkins, records.doses, draws=DRAWS, tune=DRAWS, person_draws=PERSON_DRAWS, seed=3, progress=False
)
display(population)

# %%
population.plot()

# %% [markdown]
# ## The answer

# %%
latest = losses[losses["information"] == order[-1]].set_index("method")
personal = next(name for name in latest.index if name.startswith("personal"))
row = latest.loc[personal]
gain, low, high = row["difference"], row["difference_lo95"], row["difference_hi95"]
verdict = "better" if high < 0 else "worse" if low > 0 else "not shown to be better or worse"
print(
    f"With {order[-1]} known, the personal prediction of the second taper is {verdict} than that of the population: "
    f"the log loss differs by {gain:+.3f} (95 % interval {low:+.3f} to {high:+.3f}) over {row['n_visits']} visits of "
    f"{row['n_people']} people."
)
why = "; ".join(population.failures)
trust = "passes its diagnostics" if population.trusted else f"is not to be trusted: {why}"
print(f"The population fit of {PEOPLE} simulated people over {DAYS} days {trust}.")
if not population.trusted:
    size = "" if FULL else " TAPER_SIM_FULL=1 gives the full size."
    print(f"Do not read its numbers as a population; they show what the call gives.{size}")
