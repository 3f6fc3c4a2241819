"""Value judgements of the composite, of the loss and of one patient, with defaults. Imports ``array_types``, NumPy.

No study gives these numbers. Those of a comparison are keys of the scenario (A70); those of a patient are keys of
``values`` in the limits file, each with a plain question (A92 to A95).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from taper_sim.array_types import Floats

FULL_STOP: Final = 2.0
"""Smallest important differences between a year without the drug and a year at the full dose. Source: A18, A70. Key
``full_stop_worth`` of a scenario."""
FULL_STOP_KEY: Final = "full_stop"

COMPOSITE_WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {"pain": 0.25, "function": 0.25, "mood": 0.25, "medication": 0.25}
)
"""Weights of the composite's loads, each in its smallest important differences; divided by their sum. Source: A70."""

HARM_WEIGHTS: Final[Mapping[str, float]] = MappingProxyType({"crisis": 2.0, "overdose": 10.0, "death": 100.0})
"""Important differences of the composite that one person's crisis, overdose or death counts. Source: A70."""

HARM_OUTCOMES: Final[Mapping[str, str]] = MappingProxyType(
    {"crisis": "mental_health_crisis", "overdose": "overdose", "death": "death"}
)
"""Outcome that counts each harm of the composite."""

FURTHER_HARMS: Final[Mapping[str, tuple[str, float]]] = MappingProxyType(
    {"withdrawal": ("days_over_limit", 7.0), "return": ("return_to_higher_dose", 1.0)}
)
"""Harms that a scenario may add to the composite: outcome, and how much of it has the weight once. 7 days in strong
withdrawal are an important difference (A18); a return to a higher dose counts for each person. Default weight 0 (A151).
"""

HARM_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "crisis": "a mental health crisis",
        "overdose": "an overdose",
        "death": "a death",
        "withdrawal": "7 days in strong withdrawal",
        "return": "a return to a higher dose",
    }
)
"""What has the weight of a harm once."""

LOAD_OUTCOMES: Final[Mapping[str, str]] = MappingProxyType(
    {"pain": "pain_nrs_change", "function": "function_change", "mood": "phq9_change", "medication": "dose_exposure"}
)
"""Outcome from which each load of the composite follows."""

OUTLOOK_D: Final = 364
"""Days ahead over which what a dose brings is weighed. Source: A95."""


@dataclass(frozen=True)
class ValueJudgements:
    """What one patient wants, as numbers. Nobody else can know them; without an answer the defaults hold.

    Attributes
    ----------
    pain, function, mood, sleep : float
        Weights of one important difference of each domain, 0 or more; only their ratios count. Source: A92.
    full_stop : float
        Important differences, of the domain that weighs most, between life without the medicine and life at the full
        dose, all else equal; half of the medicine counts half as much. Source: A93.
    harm_line : float
        Important differences of the same domain by which the patient would risk being worse off than today for a chance
        of being better. What exceeds it counts as harm. Source: A94.
    outlook_days : int
        Days ahead that count. Source: A95.
    """

    pain: float = 1.0
    function: float = 1.0
    mood: float = 1.0
    sleep: float = 0.0
    full_stop: float = FULL_STOP
    harm_line: float = 0.0
    outlook_days: int = OUTLOOK_D

    @property
    def most(self) -> float:
        """Weight of the domain that weighs most: the unit of ``full_stop`` and of ``harm_line``."""
        return max(self.pain, self.function, self.mood, self.sleep)

    def in_words(self) -> str:
        """The values in a sentence."""
        weights = ", ".join(f"{name} {asdict(self)[name]:g}" for name in DOMAINS)
        return (
            f"weights: {weights}; a full stop is worth {self.full_stop:g} important differences of the domain that "
            f"weighs most; accepted risk of being worse: {self.harm_line:g} of them; {self.outlook_days} days ahead"
        )


DOMAINS: Final = ("pain", "function", "mood", "sleep")
"""Domains that a patient weighs."""

VALUE_QUESTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "pain": "How much does a day with 1 point less pain (0 to 10) matter to you, next to the others?",
        "function": "How much does 10 points more of what you can do (0 to 100) matter to you?",
        "mood": "How much does a clear change of mood (5 points of PHQ-9) matter to you?",
        "sleep": "How much does a clear change of sleep (6 points of ISI) matter to you?",
        "full_stop": "If you felt exactly as today, but took none of this medicine instead of the dose you began with, "
        "how much better would that be? "
        "Count in such changes of what matters most to you: 0 is no better, 2 is as good as two of them.",
        "harm_line": "How much worse than today would you risk for a chance of being better? "
        "Count in the same changes: 0 is no worse at all.",
        "outlook_days": "How far ahead do you look: how many days count?",
    }
)
"""A plain question for each value of a patient."""


def loads_of(values: Mapping[str, Floats], full_stop: float) -> dict[str, Floats]:
    """Loads of the composite in smallest important differences, (n,) each; more is worse.

    Parameters
    ----------
    values : mapping of str to ndarray, (n,)
        Outcomes of :data:`LOAD_OUTCOMES`.
    full_stop : float
        Important differences between a year without the drug and a year at the full dose.
    """
    return {
        "pain": values["pain_nrs_change"] / 1.0,
        "function": -values["function_change"] / 10.0,
        "mood": values["phq9_change"] / 5.0,
        "medication": (values["dose_exposure"] - 1.0) * full_stop,
    }


def counted_harms(weights: Mapping[str, float]) -> dict[str, tuple[str, float]]:
    """Outcome of each harm with a weight, and how much of it has the weight once."""
    harms = {name: (outcome, 1.0) for name, outcome in HARM_OUTCOMES.items()} | dict(FURTHER_HARMS)
    return {name: harm for name, harm in harms.items() if weights.get(name, 0.0) > 0.0}


def weighted_sum(values: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """The composite: weighted load plus weighted harms, in important differences, (n,).

    Parameters
    ----------
    values : mapping of str to ndarray, (n,)
        Outcomes of :data:`LOAD_OUTCOMES` and of :func:`counted_harms`.
    weights : mapping of str to float
        Weights of :data:`COMPOSITE_WEIGHTS` for the loads, which are divided by their sum, of :data:`HARM_WEIGHTS` and
        :data:`FURTHER_HARMS` for the harms (0 if missing), and the worth of a full stop. With harms a person who died
        has a value: their loads count as unchanged. Without harms their value is missing.
    """
    parts = loads_of(values, weights.get(FULL_STOP_KEY, FULL_STOP))
    loads = {name: weights[name] for name in parts if name in weights}
    load = np.asarray(sum(weight * parts[name] for name, weight in loads.items()) / sum(loads.values()))
    harms = counted_harms(weights)
    if not harms:
        return load
    return np.asarray(
        np.nan_to_num(load) + sum(weights[name] * (values[outcome] / unit) for name, (outcome, unit) in harms.items())
    )


def preferences_text(weights: Mapping[str, float], full_stop: float, whose: str = "") -> str:
    """The weights of the composite, the worth of a full stop and whose they are, in sentences."""
    loads = ", ".join(f"{name} {weights[name]:g}" for name in COMPOSITE_WEIGHTS if name in weights)
    stated = [name for name in (*HARM_WEIGHTS, *FURTHER_HARMS) if weights.get(name, 0.0) > 0.0]
    harms = ", ".join(f"{HARM_NAMES[name]} {weights[name]:g}" for name in stated)
    counted = f"One harm counts, in important differences: {harms}." if harms else "It counts no harm."
    owner = f"the value judgements of {whose}" if whose else "value judgements, stated by the scenario or by default"
    return (
        f"The composite weighs {loads}. {counted} A full stop counts {full_stop:g} important differences. These are "
        f"{owner} (A70)."
    )
