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
# This notebook is for readers who want to see a population fit and its predictions. The population is fitted to people
# of a trial, who tapered off buprenorphine once in two weeks and then in four. It predicts the second taper of other
# people. `docs/real-tapers.md` has the method and the results, and `taper-sim tapers` runs the whole study. **Research
# use: not clinically reviewed.**
#
# The trial's data are not part of this package. If the environment variable `TAPER_SIM_CTN0030` names the daily table
# (`docs/how-to/trial-data.md` has its source), the notebook shows real people. Otherwise it simulates people from the
# fitted model, and the results for real people come from the committed tables.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from taper_sim.data.trial import read_trial
from taper_sim.inference.population.fit import Settings, fit_population
from taper_sim.inference.population.predictive import predicted
from taper_sim.report.population_figures import population_table, values_table
from taper_sim.studies import recovery
from taper_sim.studies.trial_tapers import simulated_trial, study
from taper_sim.studies.trial_tapers.predict import INFORMATION, predict, visits_to_predict
from taper_sim.studies.trial_tapers.scores import calibration, category_scores, mean_and_interval
from taper_sim.studies.trial_tapers.taper_people import people_of

TABLES = Path("../docs/tables")
values = pd.read_csv(TABLES / "real_tapers_population.csv")
population = study.population_of(values)

daily = os.environ.get("TAPER_SIM_CTN0030")
if daily is None:
    daily = Path(tempfile.mkdtemp()) / "daily.csv"
    simulated_trial.daily_table(population, 60, seed=1).to_csv(daily, index=False)
    print("TAPER_SIM_CTN0030 is not set: the notebook uses 60 people simulated from the fitted model")
people = people_of(read_trial(Path(daily)))
print(f"{len(people)} people, {sum(len(taper.day) for person in people.values() for taper in person)} ratings")

# %% [markdown]
# ## The population
#
# The table has the parameters estimated from the trial's people: value and 95 % interval.

# %%
values[values["variant"] == "effect"][["symbol", "value", "lo95", "hi95", "unit", "meaning"]].round(2)

# %% [markdown]
# ## The second taper of real people
#
# The table has the log loss of the COWS category for visits from the first reduction on, with hyperparameters fitted on
# other people. Lower is better. The interval is over people.

# %%
table = pd.read_csv(TABLES / "real_tapers.csv")
mine = table[(table["score"] == "log_loss") & (table["visits"] == "taper and after")]
mine.pivot(index="method", columns="information", values="value")[list(INFORMATION)].round(3)

# %%
mine[mine["method"] == study.PERSONAL][
    ["information", "n_visits", "n_people", "difference", "difference_lo95", "difference_hi95"]
].round(3)

# %% [markdown]
# ## One person
#
# The lines are the probability of any withdrawal (COWS 5 or more) at each visit of the person's second taper: for the
# population on those doses, and for this person given every earlier visit. Points are the observed categories.

# %%
who = max(people, key=lambda one: sum(int((t.category[t.day >= 0] > 0).sum()) for t in people[one][1:]))
ask = visits_to_predict({who: people[who]}, INFORMATION[2])
taper, day = ask[0].taper, np.array([visit.taper.day[visit.r] for visit in ask])
figure, (above, below) = plt.subplots(2, 1, figsize=(8, 5), sharex=True)
above.step(np.arange(len(taper.dose)), taper.dose, where="post", color="0.3")
above.set_ylabel("buprenorphine, mg")
for personal, label in ((False, "population"), (True, "this person, earlier visits known")):
    below.plot(day, 1 - predict(population, ask, personal=personal)[:, 0], marker=".", label=label)
below.scatter(day, [min(visit.category, 1) for visit in ask], color="0.3", label="observed")
below.set(xlabel="days since the start of the course", ylabel="probability of COWS 5 or more", ylim=(-0.05, 1.05))
below.legend()
plt.show()

# %% [markdown]
# ## All people
#
# The hyperparameters are the same, without a new fit. (With the trial's own table they were fitted to these people.
# They are a few numbers for about three hundred people, but the result is not held out. The table above is.)

# %%
rows = []
for information in INFORMATION:
    stages = study.VISITS[study.TAPER_AND_AFTER]
    ask = [visit for visit in visits_to_predict(people, information) if visit.stage in stages]
    category, whose = np.array([visit.category for visit in ask]), np.array([visit.who for visit in ask])
    own, general = (predict(population, ask, personal=personal) for personal in (True, False))
    gain = category_scores(own, category)["log_loss"] - category_scores(general, category)["log_loss"]
    rows.append((information, len(ask), *mean_and_interval(gain, whose, 1)))
pd.DataFrame(rows, columns=["information", "visits", "log loss, personal minus population", "lo95", "hi95"]).round(3)

# %%
calibration(1 - own[:, 0], category > 0).round(2)

# %% [markdown]
# `real_tapers_between.csv` has the association between one taper and the next, as observed and as predicted by the
# population:

# %%
pd.read_csv(TABLES / "real_tapers_between.csv").round(3)

# %% [markdown]
# ## A population from daily check-ins
#
# This section shows `taper-sim fit` on simulated people with a known population: 20 people on morphine, tapered, with
# five daily scales over six weeks (`docs/population.md`). `docs/tables/population_recovery.csv` has the recovery of
# known populations from 60 people over 90 days. The fit is small, so that it runs in less than a minute.

# %%
settings = Settings(draws=500, tune=300, person_draws=256, seed=3)
found = fit_population(recovery.simulated(20, 42, seed=3), settings)
found.failures() or "diagnostics are good"

# %% [markdown]
# The figure has the prior (grey) and posterior (blue) of every hyperparameter, 90 %, in prior sds; crosses are the
# truth. Twenty people are informative about the baselines and the noise, and much less about adaptation, effect level
# and long-run benefit.

# %%
learnt = population_table(found)
truth = recovery.truth_of(found, recovery.true_population())
true = np.concatenate([truth.centre, truth.effect, truth.spread, [truth.drift_sd]])
figure, axes = plt.subplots(1, 2, figsize=(9, 4.5))
for ax, what in zip(axes, ("centre", "spread"), strict=True):
    part = learnt["what"] == what
    rows = learnt[part].assign(true=true[part])
    scaled = rows[["prior_lo90", "prior_hi90", "lo90", "hi90", "mean", "true"]]
    scaled = scaled.sub(rows["prior_mean"], axis=0).div(rows["prior_sd"], axis=0)
    y = np.arange(len(rows))[::-1]
    ax.hlines(y, scaled["prior_lo90"], scaled["prior_hi90"], color="0.85", linewidth=6)
    ax.hlines(y, scaled["lo90"], scaled["hi90"], color="#0072B2")
    ax.plot(scaled["mean"], y, "o", color="#0072B2", markersize=3)
    ax.plot(scaled["true"], y, "x", color="#D55E00", markersize=5)
    ax.set_yticks(y, rows["value"])
    ax.set(title=what, xlabel="prior sds from the prior's mean")
figure.tight_layout()
plt.show()

# %% [markdown]
# The predictive check compares the observed frequency of each value (points) with 90 % of ten replicates from the
# posterior (blue) and from the prior (grey). Each replicate of the prior has a population of its own.

# %%
shares = values_table(predicted(found))
figure, axes = plt.subplots(1, 2, figsize=(9, 3))
for ax, instrument in zip(axes, ("pain_nrs", "sows_gossop"), strict=True):
    part = shares[shares["instrument"] == instrument]
    x = 0.5 * (part["from"] + part["to"])
    for which, colour in (("prior", "0.5"), ("posterior", "#0072B2")):
        ax.fill_between(x, part[f"{which}_lo90"], part[f"{which}_hi90"], color=colour, alpha=0.25, linewidth=0)
    ax.plot(x, part["observed"], "o", color="0.2", markersize=3)
    ax.set(title=instrument, xlabel="reported, points", ylabel="share of reports")
figure.tight_layout()
plt.show()
