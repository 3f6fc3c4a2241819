"""Value judgements of the composite, of the loss and of one patient, with defaults. Imports nothing of the package.

No study gives these numbers. Those of a comparison are keys of the scenario (A70); those of a patient are keys of
``values`` in the limits file, each with a plain question (A92 to A95).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Final

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


def holds_harms(weights: Mapping[str, float]) -> bool:
    """Whether weights of the composite count every harm; a composite that does not is no basis of a ranking."""
    return all(weights.get(name, 0.0) > 0.0 for name in HARM_WEIGHTS)


def preferences_text(weights: Mapping[str, float], full_stop: float) -> str:
    """The weights of the composite and the worth of a full stop, in sentences."""
    loads = ", ".join(f"{name} {weights[name]:g}" for name in COMPOSITE_WEIGHTS if name in weights)
    harms = ", ".join(f"{name} {weights[name]:g}" for name in HARM_WEIGHTS if weights.get(name, 0.0) > 0.0)
    counted = f"One harm counts, in important differences: {harms}." if harms else "It counts no harm."
    return (
        f"The composite weighs {loads}. {counted} A full stop counts {full_stop:g} important differences. These are "
        "value judgements, stated by the scenario or by default (A70)."
    )
