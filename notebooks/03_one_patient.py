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
# # One patient: the inference from check-ins, and the options
#
# This notebook is for readers who want to see one recommendation in detail. It uses the invented patient of
# `examples/`: 90 MME of morphine, two steps down, some weeks of check-ins. It shows the prior and the posterior of the
# patient's values, the options from here, and the limits of the tool. Everything is invented, and the population is not
# calibrated to published results. **Research use: not clinically reviewed**.

# %%
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from taper_sim.data.doses import read_histories
from taper_sim.data.patient import read_patient
from taper_sim.data.records import History
from taper_sim.inference import course as at
from taper_sim.inference.posterior import posterior_of
from taper_sim.inference.prior import DEFAULT_POPULATION
from taper_sim.inference.record import record_of
from taper_sim.recommend.from_files import answers_of, default_as_of
from taper_sim.recommend.recommendation import evidence_of, recommend
from taper_sim.safety.limits import Limits

EXAMPLES = Path("../examples")
patient = read_patient(EXAMPLES / "assessment.yaml")
history = read_histories(EXAMPLES / "checkins.csv", EXAMPLES / "doses.csv")[patient.id]
history = History(history.patient_id, history.checkins, history.doses, answers_of(patient), history.notes)
today = default_as_of(history)

# %% [markdown]
# ## The reports

# %%
reports = pd.DataFrame([(c.day, c.instrument, c.value) for c in history.checkins], columns=["day", "scale", "value"])
scales = ["sows_gossop", "pain_nrs", "mood_item", "function"]
figure, axes = plt.subplots(len(scales), 1, figsize=(8, 7), sharex=True)
for axis, scale in zip(axes, scales, strict=True):
    mine = reports[reports["scale"] == scale]
    axis.plot(mine["day"], mine["value"], ".", color="0.3")
    axis.set_ylabel(scale)
    for row in history.doses:
        axis.axvline(row.day, color="0.8", zorder=0)
axes[0].set_title("Check-ins; lines are changes of dose")
plt.show()

# %% [markdown]
# ## Prior and posterior
#
# The prior combines the population and the patient's baseline assessment. The posterior adds the patient's reports.
# Where the two intervals are alike, the reports had little information, and the pace rests on the population.

# %%
record = record_of(history, today, patient)
baseline = patient.baseline.model_dump(exclude_unset=True)
evidence, notes, n_reports = evidence_of(record, 84, 0, baseline, DEFAULT_POPULATION, {})
posterior = posterior_of(evidence, 2048)
silent = replace(history, checkins=())
before, _, _ = evidence_of(record_of(silent, today, patient), 84, 0, baseline, DEFAULT_POPULATION, {})
rows = []
for name in posterior.prior.names:
    if not name.startswith("drift"):
        k = before.prior.names.index(name) if name in before.prior.names else None
        low, high = (np.nan, np.nan)
        if k is not None:
            ends = before.prior.mean[k] + np.array([-1.645, 1.645]) * before.prior.sd[k]
            low, high = np.exp(ends) if before.prior.is_log[k] else ends
        x = posterior.of(name)
        rows.append((name, low, high, posterior.quantile(x, 0.05), posterior.mean(x), posterior.quantile(x, 0.95)))
columns = ["value", "prior lo90", "prior hi90", "lo90", "mean", "hi90"]
pd.DataFrame(rows, columns=columns).set_index("value").round(2)

# %%
print(f"{n_reports} reports, {posterior.ess:.0f} effective draws, k-hat {posterior.khat:.2f}")

# %% [markdown]
# ## Past withdrawal
#
# Each line is a draw from the posterior: a course on the same doses that is compatible with the reports.

# %%
rng = np.random.default_rng(0)
drawn = rng.choice(len(posterior.z), 60, p=posterior.weights)
days = [record.start + timedelta(days=d) for d in range(record.n_days + 1)]
for values in posterior.prior.values(posterior.z[drawn]):
    latent = at.course(values, evidence.shared, evidence.regimen)
    plt.plot(days, latent[:, at.W_ALL], color="tab:blue", alpha=0.15)
plt.axhline(Limits().withdrawal, color="tab:red", linestyle="--")
plt.ylabel("withdrawal, 0 to 1")
plt.title("Withdrawal up to today, and the limit")
plt.xticks(rotation=30)
plt.show()

# %% [markdown]
# ## The options

# %%
answer = recommend(history, today, patient=patient, limits=Limits()).as_dict()
print(answer["status"], "·", answer["chosen"])
for reason in answer["reasons"]:
    print("-", reason)

# %%
options = pd.DataFrame(answer["options"]).set_index("name")
options[["status", "expected_dose_pct", "p_withdrawal_over", "p_function_loss", "p_pain_rise", "p_crisis"]].round(3)

# %% [markdown]
# ## What would change the recommendation

# %%
for line in answer["would_change"]:
    print("-", line)

# %% [markdown]
# ## Without check-ins
#
# This is the same patient before the first check-in. The posterior is the prior, and no option is faster than a preset.

# %%
quiet = recommend(silent, today, patient=patient, limits=Limits()).as_dict()
print(quiet["chosen"])
for reason in quiet["reasons"]:
    if "check-in" in reason:
        print("-", reason)
