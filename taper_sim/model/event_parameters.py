"""Parameters of sections 3 and 4: events, lapses, check-ins, visits. Imports ``model.parameters``.

The rows have the columns of :data:`taper_sim.model.parameters.TABLE`. They describe events and reports, those of
``parameters`` the body and the mind. A coefficient that rests on an assumption names it; docs/events.md compares
simulated with published rates (``python -m benchmarks.event_rates`` computes them).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from taper_sim.model.parameters import TABLE, Parameter

EVENTS: Final = ("dropout", "return", "lapse", "crisis", "overdose", "seizure", "urgent")


class Stream(NamedTuple):
    """Noise of one daily instrument.

    ``white`` and ``slow`` are standard deviations on the instrument's scale (log(1 + s) for SOWS-Gossop and the
    withdrawal item, log for steps), ``tau_d`` the time constant of the slow part, ``shared`` the part of the white sd
    due to the day factor, ``low`` and ``high`` the ends of the scale. Source: docs/model.md, section 4.
    """

    instrument: str
    white: float
    slow: float
    tau_d: float
    shared: float
    low: float
    high: float
    source: str


STREAMS: Final = (
    Stream("sows_gossop", 0.30, 0.20, 5, 0.44, 0, 30, "E049; docs/model.md 4"),
    Stream("pain_nrs", 1.15, 0.0, 10, 0.40, 0, 10, "A57: daily diaries"),
    Stream("mood_item", 1.3, 0.0, 10, 0.50, 0, 10, "docs/model.md 4"),
    Stream("sleep_item", 1.6, 0.0, 10, 0.35, 0, 10, "A57: diary ICC 0.30"),
    Stream("function", 4.0, 0.0, 14, 0.0, 0, 100, "docs/model.md 4"),
    Stream("withdrawal_item", 0.30, 0.20, 5, 0.0, 0, 10, "as SOWS-Gossop, A20"),
    Stream("steps", 0.32, 0.20, 20, 0.0, 0, 50000, "coefficient of variation, reviewed; A20"),
    Stream("sleep_hours", 1.1, 0.4, 14, 0.0, 0, 24, "Goparaju 2024; A20"),
)

#: Streams with slow noise: what moves slowly in the other streams is the person, and not the instrument.
SLOW_STREAMS: Final = tuple(k for k, stream in enumerate(STREAMS) if stream.slow > 0.0)

#: Settings of care, each with its own hazard of leaving: a ward that treats opioid use disorder, blinded; open-label
#: detoxification; a programme that supports a taper; the same on a ward; usual care.
SETTINGS: Final = ("ward", "open_label", "programme", "inpatient_programme", "usual_care")

#: Symbols of what people do with an offered taper, and in usual care: policies that describe practice read them.
PRACTICE: Final = ("usual_stop", "usual_stop_agreed", "refusal_own_pace", "refusal_fixed_pace")

# A rate a year r is a daily log hazard log(r / 365).
CHANCE_TABLE: Final[tuple[Parameter, ...]] = (
    # -- how covariates fade and mix -----------------------------------------------------------------------------------
    Parameter("tau_V", "a reduction counts as recent", "d", 28, "A4"),
    Parameter(
        "v_half",
        "recent reductions of that size weigh half as much as the largest",
        "share of the original dose",
        0.5,
        "A4, A61",
        prior_sd=0.2,
    ),
    Parameter(
        "causal_share",
        "share of a claims log ratio that is cause and not selection",
        "1",
        0.5,
        "A5: Beta(3, 3); results are shown at 0, 0.5 and 1",
        prior_sd=0.189,
        scale="share",
    ),
    # -- leaving the setting of care -----------------------------------------------------------------------------------
    Parameter(
        "leave_ward",
        "log daily hazard on a ward, at usual engagement",
        "log 1/d",
        -2.55,
        "A60: fitted to E051 and its other arm",
        prior_sd=0.2,
        scale="linear",
    ),
    Parameter(
        "leave_open_label",
        "the same in open-label detoxification",
        "log 1/d",
        -4.2,
        "A60: fitted to E070",
        prior_sd=0.3,
        scale="linear",
    ),
    Parameter(
        "leave_programme",
        "the same in a programme that supports a taper",
        "log 1/d",
        -8.1,
        "A60; E094",
        prior_sd=0.3,
        scale="linear",
    ),
    Parameter("leave_usual_care", "the same in usual care", "log 1/d", -9.35, "A60", prior_sd=0.4, scale="linear"),
    Parameter(
        "dropout_w", "per unit of withdrawal as felt", "1", 4.0, "A60: from E051 and its other arm", prior_sd=0.3
    ),
    Parameter("dropout_m", "per unit of distress", "1", 3.0, "A6", prior_sd=0.3),
    Parameter("dropout_n", "per unit of engagement, lowering", "1", 2.5, "A6", prior_sd=0.3),
    Parameter(
        "dropout_imposed", "recent cuts that were not agreed, at full weight", "1", 5.0, "A60; E043", prior_sd=0.3
    ),
    # -- return to a higher dose ---------------------------------------------------------------------------------------
    Parameter(
        "return_0",
        "log daily hazard, below the baseline dose",
        "log 1/d",
        -7.35,
        "A7; Fenton 2021; lowered for the variance of pain and distress by life (A57)",
        prior_sd=0.3,
        scale="linear",
    ),
    Parameter("return_w", "per unit of withdrawal", "1", 7.0, "A7", prior_sd=0.3),
    Parameter("return_m", "per unit of distress", "1", 4.0, "A7", prior_sd=0.3),
    Parameter("return_p", "per NRS point of pain", "1", 0.35, "A7", prior_sd=0.3),
    Parameter(
        "return_share", "share of the cut that is given back", "1", 0.8, "A7; Fenton 2021", prior_sd=0.1, scale="share"
    ),
    # -- lapse ---------------------------------------------------------------------------------------------------------
    Parameter("lapse_0", "log daily hazard", "log 1/d", -6.0, "A8", prior_sd=0.4, scale="linear"),
    Parameter("lapse_c", "per unit of craving", "1", 4.0, "A8", prior_sd=0.3),
    Parameter("lapse_w", "per unit of withdrawal", "1", 7.0, "A8", prior_sd=0.3),
    Parameter(
        "lapse_cluster", "within two weeks of the last lapse", "1", 1.0986122886681098, "A8: odds x 3", prior_sd=0.2
    ),
    Parameter(
        "lapse_v",
        "recent cuts at full weight, before the causal share",
        "1",
        1.0,
        "A62: what is taken beside the prescription after an abrupt stop; E075",
        prior_sd=0.3,
    ),
    Parameter("lapse_oud", "opioid use disorder", "1", 1.45, "A8; Becker 2001, Ling 2009", prior_sd=0.3),
    Parameter("lapse_cluster_days", "lapses cluster for", "d", 14, "docs/model.md 3"),
    Parameter("lapse_previous", "share of lapses to the dose before the last cut", "1", 0.50, "docs/model.md 3"),
    Parameter("lapse_more", "share of lapses above the baseline dose or non-prescribed", "1", 0.15, "docs/model.md 3"),
    Parameter("lapse_more_oud", "factor on that share with opioid use disorder", "1", 3.0, "docs/model.md 3, reviewed"),
    Parameter("lapse_more_dose", "such a lapse, multiple of the baseline dose", "1", 1.5, "A8", prior_sd=0.2),
    # -- mental-health crisis ------------------------------------------------------------------------------------------
    Parameter(
        "crisis_0",
        "log daily hazard",
        "log 1/d",
        -9.94,
        "A9; E004 and claims rate 3.3 a 100 person-years; less half the variance of distress by life (A57)",
        prior_sd=0.2,
        scale="linear",
    ),
    Parameter("crisis_m", "per unit of distress", "1", 4.0, "A9", prior_sd=0.3),
    Parameter("crisis_w", "per unit of withdrawal", "1", 2.0, "A9", prior_sd=0.3),
    Parameter("crisis_v", "recent cuts at full weight, before the causal share", "1", 3.0, "A61; E004", prior_sd=0.3),
    Parameter("crisis_mood", "mood disorder or PTSD", "1", 0.9, "A9", prior_sd=0.3),
    Parameter("crisis_suicidal", "share of crises that are suicide attempts", "1", 0.08, "A9; E020", prior_sd=0.3),
    Parameter("crisis_fatal", "share of crises that are fatal", "1", 0.012, "A9; E025", prior_sd=0.3),
    # -- overdose ------------------------------------------------------------------------------------------------------
    Parameter(
        "overdose_0",
        "log daily hazard at 75 MME, no flag",
        "log 1/d",
        -11.45,
        "A10; Dunn 2010: 0.2, 0.7, 1.8 % a year, flags and sedatives included",
        prior_sd=0.25,
        scale="linear",
    ),
    Parameter("overdose_dose", "per root of MME", "1", 0.25, "A10; Dunn 2010", prior_sd=0.2),
    Parameter(
        "overdose_v",
        "recent cuts at full weight, before the causal share, on days on which something is taken",
        "1",
        6.0,
        "A62; E075 to E077",
        prior_sd=0.3,
    ),
    Parameter("overdose_excess", "per unit of effect beyond tolerance", "1", 8.0, "A10; Strang 2003", prior_sd=0.3),
    Parameter("overdose_excess_most", "largest log ratio by effect beyond tolerance", "1", 5.0, "A63: a ratio of 150"),
    Parameter("overdose_most", "largest daily hazard of overdose", "1/d", 0.005, "A63"),
    Parameter("overdose_oud", "opioid use disorder", "1", 0.8, "A10", prior_sd=0.3),
    Parameter("overdose_earlier", "an earlier overdose", "1", 1.4, "A10", prior_sd=0.3),
    Parameter("overdose_renal", "renal impairment", "1", 0.3, "A10", prior_sd=0.3),
    Parameter("overdose_mood", "mood disorder or PTSD", "1", 0.4, "A10", prior_sd=0.3),
    Parameter(
        "excess_benzodiazepine",
        "sedation by a benzodiazepine's effect",
        "1",
        0.30,
        "A10; E053, E072: OR 2.14, 1.81",
        prior_sd=0.3,
    ),
    Parameter(
        "excess_gabapentinoid",
        "sedation by a gabapentinoid's effect",
        "1",
        0.10,
        "A10; Gomes 2017: aOR 1.49",
        prior_sd=0.3,
    ),
    Parameter("excess_apnoea", "shift by sleep-disordered breathing", "1", 0.05, "A10", prior_sd=0.3),
    Parameter(
        "overdose_fatal",
        "an overdose is fatal, no naloxone at home",
        "1",
        0.15,
        "A11; E025, E078: 59 of 274",
        prior_sd=0.3,
    ),
    Parameter("naloxone", "factor on that with naloxone at home", "1", 0.5, "A11", prior_sd=0.2),
    # -- seizure or delirium -------------------------------------------------------------------------------------------
    Parameter("seizure_0", "log daily hazard", "log 1/d", -13.0, "A12: 0.08 % a year", prior_sd=0.4, scale="linear"),
    Parameter(
        "seizure_w",
        "per unit of benzodiazepine withdrawal",
        "1",
        13.0,
        "A12; label: 8 of 1980 on stopping",
        prior_sd=0.2,
    ),
    Parameter("seizure_g", "per unit of gabapentinoid withdrawal and effect", "1", 8.0, "A12", prior_sd=0.4),
    Parameter("seizure_earlier", "an earlier seizure", "1", 2.302585092994046, "A12: x 10, judgement", prior_sd=0.3),
    # -- urgent visit --------------------------------------------------------------------------------------------------
    Parameter(
        "adjunct_urgent",
        "urgent visit while an alpha-2 agonist is given: hypotension, syncope, bradycardia",
        "1",
        0.7,
        "A65: label of lofexidine, dose reduced or stopped for hypotension in 30 % v 7 % on placebo",
        prior_sd=0.3,
    ),
    Parameter(
        "methadone_start",
        "overdose in the first 28 days after a rotation to methadone",
        "1",
        1.1,
        "A66; Sordo 2017: first four weeks of methadone against the rest",
        prior_sd=0.3,
    ),
    Parameter("urgent_0", "log daily hazard", "log 1/d", -7.7, "A13", prior_sd=0.3, scale="linear"),
    Parameter("urgent_p", "per NRS point of pain", "1", 0.25, "A13", prior_sd=0.3),
    Parameter("urgent_m", "per unit of distress", "1", 2.0, "A13", prior_sd=0.3),
    Parameter("urgent_catastrophising", "high pain catastrophising (PCS 30 and more)", "1", 0.3, "A13", prior_sd=0.3),
    Parameter(
        "visit_0",
        "log daily hazard of a visit coded as withdrawal",
        "log 1/d",
        -9.27,
        "A13; E002",
        prior_sd=0.3,
        scale="linear",
    ),
    Parameter("visit_w", "per unit of withdrawal", "1", 11.5, "A13; E001, E003", prior_sd=0.3),
    # -- age, all events that kill -------------------------------------------------------------------------------------
    Parameter(
        "age_10y",
        "overdose per ten years above 55",
        "1",
        -0.1,
        "A10: protective in veterans, conflicting",
        prior_sd=0.1,
        scale="linear",
    ),
    # -- check-ins -----------------------------------------------------------------------------------------------------
    Parameter(
        "miss_0",
        "log odds of a missed check-in after an answered one",
        "1",
        -2.15,
        "0.10: between docs/model.md 4 (0.13) and E057 (85 % done)",
        prior_sd=0.2,
        scale="linear",
    ),
    Parameter("miss_missed", "more after a missed one", "1", 2.2, "docs/model.md 4: 0.52", prior_sd=0.1),
    Parameter("miss_bad", "per sd of the day factor", "1", 0.3, "A14", prior_sd=0.3),
    Parameter("miss_m", "per unit of distress", "1", 1.5, "A14", prior_sd=0.3),
    Parameter(
        "miss_access",
        "for each of: no broadband, no device, low literacy, other language",
        "1",
        0.4,
        "A14",
        prior_sd=0.3,
    ),
    Parameter("miss_help", "taken off for each of: caregiver, peer support", "1", 0.3, "A14", prior_sd=0.3),
    Parameter(
        "noshow_0",
        "log odds of a missed visit after a kept one, at no engagement",
        "1",
        -1.4,
        "docs/model.md 4: 0.08 to 0.12",
        prior_sd=0.15,
        scale="linear",
    ),
    Parameter("noshow_missed", "more after a missed one", "1", 2.48, "docs/model.md 4: 0.48 to 0.67", prior_sd=0.1),
    Parameter("noshow_n", "per unit of engagement, lowering", "1", 1.0, "A14", prior_sd=0.3),
    Parameter("noshow_access", "for each barrier to the modality", "1", 0.5, "A14", prior_sd=0.3),
    # -- maps of the instruments ---------------------------------------------------------------------------------------
    Parameter("s0", "SOWS-Gossop without withdrawal", "points", 2.5, "docs/model.md 4", spread=0.5),
    Parameter("noise", "factor on a person's noise", "1", 1.0, "docs/model.md 4", spread=0.3),
    Parameter("sows_w", "SOWS-Gossop at full withdrawal", "points", 30, "docs/model.md 4"),
    Parameter("sows_p", "log SOWS-Gossop per NRS point of pain", "1/NRS point", 0.05, "A64"),
    Parameter("sows_m", "log SOWS-Gossop per unit of distress", "1", 0.5, "A64"),
    Parameter("sows_i", "log SOWS-Gossop per unit of insomnia", "1", 0.5, "A64"),
    Parameter("function_report_x", "function reported lower per point of reaction", "points/SOWS point", 1.0, "A54"),
    Parameter("pain_report_x", "pain reported per point of reaction", "NRS/SOWS point", 0.3, "docs/model.md 4"),
    Parameter("item_0", "withdrawal item without withdrawal", "points", 0.5, "A20"),
    Parameter(
        "steps_0", "log of a day's steps", "log steps", 8.2, "A20: median 3,640 a day", spread=0.5, scale="linear"
    ),
    Parameter("steps_u", "log steps per point of function", "1", 0.015, "A20"),
    Parameter("steps_i", "log steps per unit of insomnia", "1", 0.3, "A20"),
    Parameter("steps_p", "log steps per NRS point", "1", 0.03, "docs/model.md 4: at most 3 %"),
    Parameter("steps_weekend", "log steps on two days of seven", "1", -0.1, "A20"),
    Parameter("hours_0", "hours slept", "h", 6.4, "A20"),
    Parameter("hours_i", "hours per unit of insomnia", "h", 4.0, "A20"),
    Parameter("hours_weekend", "hours more on two nights of seven", "h", 0.5, "A20"),
    Parameter("limit_w", "withdrawal over the limit", "1", 0.15, "4.5 of 30 SOWS-Gossop points; docs/model.md 8"),
    # -- practice: at the end, so that the draws of earlier rows stay the same -----------------------------------------
    Parameter(
        "leave_inpatient_programme",
        "log daily hazard of leaving an inpatient programme that supports a taper",
        "log 1/d",
        -5.0,
        "A99; E090",
        prior_sd=0.5,
        scale="linear",
    ),
    Parameter(
        "usual_stop",
        "log rate a year of stopping at once in usual care, without a taper",
        "log 1/y",
        -3.2,
        "A100: E071 less the stops of tapers (E012)",
        prior_sd=0.5,
        scale="linear",
    ),
    Parameter(
        "usual_stop_agreed",
        "log ratio of that rate for people who agreed to a reduction",
        "1",
        1.0,
        "A100",
        prior_sd=0.5,
        scale="linear",
    ),
    Parameter(
        "refusal_own_pace",
        "an offered step is refused permanently, in a week, at the patient's own pace",
        "1",
        0.10,
        "A33",
        prior_sd=0.04,
        scale="share",
    ),
    Parameter("refusal_fixed_pace", "the same at a fixed pace", "1", 0.04, "A101", prior_sd=0.025, scale="share"),
)

CHANCE_BY_SYMBOL: Final[Mapping[str, Parameter]] = MappingProxyType({p.symbol: p for p in CHANCE_TABLE})

PARAMETERS: Final[tuple[Parameter, ...]] = (*TABLE, *CHANCE_TABLE)
"""Every row of both tables."""
LOADS: Final = ("p", "m", "i")
"""Symbols of the additions by withdrawal of a class to pain, distress and insomnia."""
SHARED: Final[tuple[str, ...]] = tuple(q.symbol for q in PARAMETERS if not q.per_class)
"""Symbols with one value for all drug classes. Compiled code reads each by its name."""
DECAYS: Final[Mapping[str, str]] = MappingProxyType(
    {f"decay_{symbol.removeprefix('tau_')}": symbol for symbol in SHARED if symbol.startswith("tau_")}
)
"""Name of ``exp(-1/tau)`` for each time constant among them."""
NOISE_SD: Final[Mapping[str, float]] = MappingProxyType(
    {f"{part}_{stream.instrument}": getattr(stream, part) for part in ("white", "slow") for stream in STREAMS}
)
"""Sds of white and slow noise of each stream, in the order of STREAMS; an ensemble may have others."""
