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
# # What should one patient do next, and why?
#
# One recommendation in detail, for the invented patient of `examples/`: 90 MME of morphine, two steps down, some weeks
# of check-ins. The notebook shows the reports, what they taught about the patient, the options from here, and the
# limits of the tool. Everything is invented. **Research use: not clinically reviewed.**
#
# This notebook is the same with and without `TAPER_SIM_FULL=1`.

# %%
import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display

import taper_sim as ts

EXAMPLES = "../examples"
checkins = pd.read_csv(f"{EXAMPLES}/checkins.csv", parse_dates=["date"])
doses = pd.read_csv(f"{EXAMPLES}/doses.csv", parse_dates=["date"])

# %% [markdown]
# ## The reports
#
# Points are reports; vertical lines are changes of dose.

# %%
scales = {
    "sows_gossop": "SOWS-Gossop\n(0-30)",
    "pain_nrs": "pain\n(NRS, 0-10)",
    "mood_item": "mood item",
    "function": "function\n(0-100)",
}
figure, axes = plt.subplots(len(scales), 1, figsize=(8, 6.5), sharex=True, layout="constrained")
for panel, (scale, label) in zip(axes, scales.items(), strict=True):
    reports = checkins[checkins["instrument"] == scale]
    panel.plot(reports["date"], reports["value"], ".", color="#0072B2")
    panel.set_ylabel(label)
    for day in doses["date"]:
        panel.axvline(day, color="#767676", linewidth=0.8, zorder=0)

# %% [markdown]
# ## The recommendation

# %%
answer = ts.recommend(f"{EXAMPLES}/checkins.csv", f"{EXAMPLES}/doses.csv", f"{EXAMPLES}/assessment.yaml")
display(answer)

# %% [markdown]
# ## What the reports taught
#
# The same patient without any check-in: the posterior is then that of the population and the baseline assessment. Where
# the two intervals are alike, the reports had little information, and the pace follows from the population.

# %%
whole = answer.as_dict()
silent = ts.recommend(
    checkins.iloc[:0].astype({"date": str}),
    f"{EXAMPLES}/doses.csv",
    f"{EXAMPLES}/assessment.yaml",
    as_of=whole["as_of"],
)
before, after = (pd.DataFrame(one["posterior"]).T for one in (silent.as_dict(), whole))
values = before.add_prefix("without check-ins, ").join(after.add_prefix("with check-ins, "))
values.round(2)

# %%
quality = whole["quality"]
print(f"{quality['n_reports_used']} reports, {quality['ess']:.0f} effective draws, k-hat {quality['khat']:.2f}")

# %% [markdown]
# ## Reports against forecasts
#
# Each forecast uses the days before it only. A model that fits badly shows it here.

# %%
answer.plot()

# %% [markdown]
# ## The options
#
# Chances within the horizon, from the patient's own posterior.

# %%
options = answer.options.set_index("name")
options[["status", "expected_dose_pct", "p_withdrawal_over", "p_function_loss", "p_pain_rise", "p_crisis"]].round(3)

# %% [markdown]
# ## The answer

# %%
chosen = options.loc[answer.chosen] if answer.chosen is not None else None
print(f"{answer.status}: {answer.chosen}, as of {whole['as_of']}.")
if chosen is not None:
    print(
        f"It leads to {chosen['expected_dose_pct']:.0f} % of the original dose. The chance of withdrawal over the "
        f"limit is {chosen['p_withdrawal_over']:.1%} (90 % interval {chosen['p_withdrawal_over_lo90']:.1%} to "
        f"{chosen['p_withdrawal_over_hi90']:.1%}), of a loss of function {chosen['p_function_loss']:.1%}."
    )
print(f"Without check-ins the tool would propose: {silent.chosen}.")
for line in answer.would_change:
    print("It would change:", line)
