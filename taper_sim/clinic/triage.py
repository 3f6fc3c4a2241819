"""In which order waiting work is done. Imports ``clinic.simulation``.

Four rules to compare; two go by a patient's risk, one as her own posterior has it (``foresight``), one by a score of
what was seen. All put a patient who sits in a booked visit where the rule puts the visit's urgency.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from taper_sim.array_types import Floats

Rank = Callable[[int, float, float], tuple[float, ...]]
"""Urgency, minute of the request and the patient's risk into what is sorted by, smallest first."""


def first_come(urgency: int, requested: float, risk: float) -> tuple[float, ...]:
    """Whoever came first."""
    return (requested,)


def by_urgency(urgency: int, requested: float, risk: float) -> tuple[float, ...]:
    """What cannot wait first, then today's, then the rest; within one urgency whoever came first."""
    return (float(urgency), requested)


def by_risk(urgency: int, requested: float, risk: float) -> tuple[float, ...]:
    """What cannot wait first; then the patients most likely to come to harm, whatever they came for."""
    return (0.0 if urgency == 0 else 1.0, -risk, requested)


RULES: Final[Mapping[str, Rank]] = MappingProxyType(
    {"first_come": first_come, "urgency": by_urgency, "risk_score": by_risk, "predicted_risk": by_risk}
)
FORESEES: Final = "predicted_risk"
"""The rule whose risk is of each patient's posterior."""


def risk_score(
    sows_rise: Floats, pain_rise: Floats, days_since_cut: Floats, silent_days: Floats, flagged: Floats
) -> Floats:
    """Score of harm in the next days, from what the clinic has seen, (n,) each.

    Parameters
    ----------
    sows_rise, pain_rise : ndarray
        Last report minus the patient's baseline, SOWS-Gossop and NRS points; 0 where none came.
    days_since_cut : ndarray
        Days since the dose was last reduced; inf for never.
    silent_days : ndarray
        Check-ins missed in a row.
    flagged : ndarray
        Risk flags counted (opioid use disorder, mood disorder or PTSD, earlier overdose, apnoea, renal impairment).

    Returns
    -------
    ndarray
        Log odds up to a constant. Source: assumption A43; only the order of patients matters.
    """
    return np.asarray(
        0.15 * sows_rise + 0.35 * pain_rise + 0.7 * np.exp(-days_since_cut / 14.0) + 0.2 * silent_days + 0.5 * flagged
    )
