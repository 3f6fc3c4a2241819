"""Where each parameter of the events stands in a draw of them, as the roll-out reads it. Imports nothing.

A draw holds coefficients, fixed parts of the log hazards, and the person's flags.
"""

from typing import Final

(
    CRISIS_M,
    CRISIS_W,
    CRISIS_V,
    V_HALF,
    CAUSAL_SHARE,
    OVERDOSE_DOSE,
    OVERDOSE_EXCESS,
    EXCESS_BENZODIAZEPINE,
    EXCESS_GABAPENTINOID,
    SEIZURE_W,
    SEIZURE_G,
    RETURN_W,
    RETURN_M,
    RETURN_P,
    LAPSE_C,
    LAPSE_W,
    LAPSE_CLUSTER,
    LAPSE_CLUSTER_DAYS,
    LAPSE_PREVIOUS,
    LAPSE_MORE,
    LAPSE_MORE_DOSE,
    LAPSE_V,
    OVERDOSE_EXCESS_MOST,
    OVERDOSE_MOST,
    OVERDOSE_V,
) = range(25)
FIXED_RETURN, FIXED_LAPSE, FIXED_CRISIS, FIXED_OVERDOSE, FIXED_SEIZURE, APNOEA, MORE_SHARE = range(25, 32)
N_EVENTS: Final = 32
EVENT_COEFFICIENTS: Final = (
    "crisis_m",
    "crisis_w",
    "crisis_v",
    "v_half",
    "causal_share",
    "overdose_dose",
    "overdose_excess",
    "excess_benzodiazepine",
    "excess_gabapentinoid",
    "seizure_w",
    "seizure_g",
    "return_w",
    "return_m",
    "return_p",
    "lapse_c",
    "lapse_w",
    "lapse_cluster",
    "lapse_cluster_days",
    "lapse_previous",
    "lapse_more",
    "lapse_more_dose",
    "lapse_v",
    "overdose_excess_most",
    "overdose_most",
    "overdose_v",
)
"""Symbols of the first places, in their order."""
