"""Value judgements of the composite and of the loss, with their defaults. Imports nothing of the package.

No study gives these numbers. Each is a key of the scenario, stated in the report, and assumption A70 says why the
defaults are as they are.
"""

from collections.abc import Mapping
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
