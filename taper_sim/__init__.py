"""Try a taper on a computer before trying it on a person. Public names, loaded when they are used.

A research prototype for health professionals, not reviewed by any regulator.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Cohort": "taper_sim.simulation.cohort",
    "Order": "taper_sim.policies.interface",
    "Outcome": "taper_sim.comparison.outcomes",
    "Overrides": "taper_sim.scenario.building",
    "Patients": "taper_sim.policies.interface",
    "Policy": "taper_sim.policies.interface",
    "Observation": "taper_sim.policies.interface",
    "compare": "taper_sim.experiments.compare",
    "read_patient": "taper_sim.data.patient",
    "register": "taper_sim.policies.interface",
    "trace_patient": "taper_sim.experiments.trace_patient",
}
__all__ = [  # noqa: PLE0604, F822, RUF100 - resolved by __getattr__
    "Cohort",
    "Observation",
    "Order",
    "Outcome",
    "Overrides",
    "Patients",
    "Policy",
    "compare",
    "read_patient",
    "register",
    "trace_patient",
]


def __getattr__(name: str) -> Any:
    """Load a public name's module on first use: importing the package costs next to nothing."""
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module taper_sim has no attribute {name}")


def __dir__() -> list[str]:
    return sorted(__all__)
