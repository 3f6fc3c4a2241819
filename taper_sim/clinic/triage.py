"""Triage rules: the order of waiting jobs. Imports ``array_types``.

There are four rules. Two rank by the patient's risk: ``predicted_risk`` takes it from the patient's posterior
(``predicted_risk``), ``risk_score`` from a score of observations. Every rule ranks a booked visit by its urgency too.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from taper_sim.array_types import Floats

Rank = Callable[[int, float, float], tuple[float, ...]]
"""Sort key (smallest first) from the urgency, the minute of the request and the patient's risk."""


def first_come(urgency: int, requested: float, risk: float) -> tuple[float, ...]:
    """First come, first served."""
    return (requested,)


def by_urgency(urgency: int, requested: float, risk: float) -> tuple[float, ...]:
    """By urgency; first come, first served within an urgency."""
    return (float(urgency), requested)


def by_risk(urgency: int, requested: float, risk: float) -> tuple[float, ...]:
    """Urgency 0 first; then the patients with the highest risk, whatever the kind of work."""
    return (0.0 if urgency == 0 else 1.0, -risk, requested)


RULES: Final[Mapping[str, Rank]] = MappingProxyType(
    {"first_come": first_come, "urgency": by_urgency, "risk_score": by_risk, "predicted_risk": by_risk}
)
PREDICTED_RISK: Final = "predicted_risk"
"""Name of the rule that takes the risk from each patient's posterior."""


def risk_score(
    sows_rise: Floats, pain_rise: Floats, days_since_cut: Floats, silent_days: Floats, flagged: Floats
) -> Floats:
    """Score of the risk of harm in the next days, from the clinic's observations, (n,) each.

    Parameters
    ----------
    sows_rise, pain_rise : ndarray
        Last report minus the patient's baseline, SOWS-Gossop and NRS points; 0 without a report.
    days_since_cut : ndarray
        Days since the last dose reduction; inf without one.
    silent_days : ndarray
        Consecutive missed check-ins.
    flagged : ndarray
        Number of risk flags (opioid use disorder, mood disorder or PTSD, earlier overdose, apnoea, renal impairment).

    Returns
    -------
    ndarray
        Log odds up to a constant. Source: assumption A43. Only the order of the patients matters.
    """
    return np.asarray(
        0.15 * sows_rise + 0.35 * pain_rise + 0.7 * np.exp(-days_since_cut / 14.0) + 0.2 * silent_days + 0.5 * flagged
    )
