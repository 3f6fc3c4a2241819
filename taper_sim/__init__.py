"""Try a taper on a computer before trying it on a person. Public names, loaded on first use.

A research prototype for health professionals; no regulator has reviewed it. Guide: docs/how-to/api.md.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taper_sim.api.cohorts import People as People
    from taper_sim.api.cohorts import people as people
    from taper_sim.api.committee_report import Report as Report
    from taper_sim.api.committee_report import report as report
    from taper_sim.api.comparison import Comparison as Comparison
    from taper_sim.api.comparison import compare as compare
    from taper_sim.api.explorer import explorer as explorer
    from taper_sim.api.explorer import staffing_explorer as staffing_explorer
    from taper_sim.api.patient_recommendation import Recommendation as Recommendation
    from taper_sim.api.patient_recommendation import recommend as recommend
    from taper_sim.api.patient_trace import Trace as Trace
    from taper_sim.api.patient_trace import trace as trace
    from taper_sim.api.planned_work import PlannedWork as PlannedWork
    from taper_sim.api.planned_work import planned_work as planned_work
    from taper_sim.api.population_fit import Population as Population
    from taper_sim.api.population_fit import fit as fit
    from taper_sim.api.registration import outcome as outcome
    from taper_sim.api.registration import register as register
    from taper_sim.api.runs import Run as Run
    from taper_sim.api.runs import compare_triage as compare_triage
    from taper_sim.api.runs import evaluate as evaluate
    from taper_sim.api.runs import find_team as find_team
    from taper_sim.api.runs import load as load
    from taper_sim.api.runs import run_clinic as run_clinic
    from taper_sim.api.sensitivity import Sensitivity as Sensitivity
    from taper_sim.api.sensitivity import sensitivity as sensitivity
    from taper_sim.api.simulated_records import SimulatedRecords as SimulatedRecords
    from taper_sim.api.simulated_records import simulated_records as simulated_records
    from taper_sim.api.validation import Validation as Validation
    from taper_sim.api.validation import validate as validate
    from taper_sim.comparison.outcome_window import OutcomeWindow as OutcomeWindow
    from taper_sim.data.patient import Patient as Patient
    from taper_sim.data.patient import read_patient as read_patient
    from taper_sim.data.problems import InputError as InputError
    from taper_sim.policies.interface import Observation as Observation
    from taper_sim.policies.interface import Order as Order
    from taper_sim.policies.interface import Patients as Patients
    from taper_sim.policies.interface import Policy as Policy

    __version__: str

#: Module of every public name; the imports above tell editors and type checkers the same.
_PUBLIC = {
    "Comparison": "taper_sim.api.comparison",
    "InputError": "taper_sim.data.problems",
    "Observation": "taper_sim.policies.interface",
    "Order": "taper_sim.policies.interface",
    "OutcomeWindow": "taper_sim.comparison.outcomes",
    "Patient": "taper_sim.data.patient",
    "Patients": "taper_sim.policies.interface",
    "People": "taper_sim.api.cohorts",
    "PlannedWork": "taper_sim.api.planned_work",
    "Policy": "taper_sim.policies.interface",
    "Population": "taper_sim.api.population_fit",
    "Recommendation": "taper_sim.api.patient_recommendation",
    "Report": "taper_sim.api.committee_report",
    "Run": "taper_sim.api.runs",
    "Sensitivity": "taper_sim.api.sensitivity",
    "SimulatedRecords": "taper_sim.api.simulated_records",
    "Trace": "taper_sim.api.patient_trace",
    "Validation": "taper_sim.api.validation",
    "compare": "taper_sim.api.comparison",
    "compare_triage": "taper_sim.api.runs",
    "evaluate": "taper_sim.api.runs",
    "explorer": "taper_sim.api.explorer",
    "find_team": "taper_sim.api.runs",
    "fit": "taper_sim.api.population_fit",
    "load": "taper_sim.api.runs",
    "outcome": "taper_sim.api.registration",
    "people": "taper_sim.api.cohorts",
    "planned_work": "taper_sim.api.planned_work",
    "read_patient": "taper_sim.data.patient",
    "recommend": "taper_sim.api.patient_recommendation",
    "register": "taper_sim.api.registration",
    "report": "taper_sim.api.committee_report",
    "run_clinic": "taper_sim.api.runs",
    "sensitivity": "taper_sim.api.sensitivity",
    "simulated_records": "taper_sim.api.simulated_records",
    "staffing_explorer": "taper_sim.api.explorer",
    "trace": "taper_sim.api.patient_trace",
    "validate": "taper_sim.api.validation",
}
__all__ = [  # noqa: PLE0604, RUF100 - the same names for type checkers; a test compares the lists
    "Comparison",
    "InputError",
    "Observation",
    "Order",
    "OutcomeWindow",
    "Patient",
    "Patients",
    "People",
    "PlannedWork",
    "Policy",
    "Population",
    "Recommendation",
    "Report",
    "Run",
    "Sensitivity",
    "SimulatedRecords",
    "Trace",
    "Validation",
    "__version__",
    "compare",
    "compare_triage",
    "evaluate",
    "explorer",
    "find_team",
    "fit",
    "load",
    "outcome",
    "people",
    "planned_work",
    "read_patient",
    "recommend",
    "register",
    "report",
    "run_clinic",
    "sensitivity",
    "simulated_records",
    "staffing_explorer",
    "trace",
    "validate",
]


def __getattr__(name: str) -> Any:
    """Load the module of a public name on first use, so that importing the package is fast."""
    if name == "__version__":
        from importlib.metadata import version

        return version("taper-sim")
    if name in _PUBLIC:
        value = getattr(import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module taper_sim has no attribute {name}")


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """The package; a public function has priority over the sub-package of the same name (``recommend``)."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _PUBLIC and isinstance(value, ModuleType)):  # an import binds each sub-package to its name
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
