"""Variables from drugs outside the three classes: MAO inhibitors, SSRIs, SNRIs, Z-drugs. Imports ``data``, ``tables``.

The names and ATC codes are rows of other_drugs.csv. A listed drug answers yes while it is in force, an MAO inhibitor
for 14 days longer. A drug that is not listed answers nothing, because medicine lists are incomplete.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Final

from taper_sim import tables
from taper_sim.data.brands import words_of
from taper_sim.data.fhir.json_input import concept_texts, day_of, part, parts, word
from taper_sim.data.fhir.medications import ATC

MAOI_DAYS: Final = 14
"""Days after the last dose of an MAO inhibitor that count as with it. Source: interactions.csv, any opioid + MAOI."""
_MAOI: Final = "maoi"


@dataclass(frozen=True)
class OtherDrug:
    """A variable that a medication entry answers: whether it is in force, and its last known day (None if unknown)."""

    variable: str
    in_force: bool
    last: date | None

    def counts_on(self, day: date | None) -> bool:
        """Whether the drug counts on a day."""
        over = self.last is not None and day is not None and self.last < day
        if self.in_force and not over:
            return True
        recent = self.last is not None and day is not None and (day - self.last).days <= MAOI_DAYS
        return self.variable == _MAOI and recent


@cache
def _rows(kind: str) -> Mapping[str, str]:
    return {row["name"].lower(): row["variable"] for row in tables.read("other_drugs").rows if row["kind"] == kind}


def variables_of(concepts: Iterable[Any]) -> set[str]:
    """Variables that the CodeableConcepts of a medication answer; empty for a drug that is not listed."""
    listed = [concept for concept in concepts if isinstance(concept, dict)]
    words = {w.lower() for concept in listed for text in concept_texts(concept) for w in words_of(text)}
    names = {variable for name, variable in _rows("name").items() if name in words}
    codes = [
        word(coding.get("code")).lower()
        for concept in listed
        for coding in parts(concept.get("coding"))
        if word(coding.get("system")) in ATC
    ]
    return names | {v for prefix, v in _rows("atc").items() if any(code.startswith(prefix) for code in codes)}


def other_drugs_of(resource: Mapping[str, Any], concepts: Iterable[Any], in_force: bool) -> list[OtherDrug]:
    """What a request, statement or administration of another drug answers.

    Parameters
    ----------
    resource : mapping
        The entry.
    concepts : iterable of CodeableConcept
        Of its medication.
    in_force : bool
        Whether its status says that it is taken.
    """
    if word(resource.get("status")) in ("not-taken", "not-done"):
        return [OtherDrug(variable, False, None) for variable in sorted(variables_of(concepts))]
    period = part(resource, "effectivePeriod")
    bounds = [
        part(part(part(dosage, "timing"), "repeat"), "boundsPeriod")
        for dosage in (*parts(resource.get("dosageInstruction")), *parts(resource.get("dosage")))
    ]
    validity = part(part(resource, "dispenseRequest"), "validityPeriod")
    ends = [day for p in (period, validity, *bounds) if (day := day_of(p.get("end"))) is not None]
    once = word(resource.get("resourceType")) == "MedicationAdministration"
    written = (resource.get("effectiveDateTime"), period.get("start"), resource.get("authoredOn"))
    began = next((day for day in map(day_of, written) if day is not None), None)
    last = max(ends, default=None) if ends else (None if in_force and not once else began)
    return [OtherDrug(variable, in_force and not once, last) for variable in sorted(variables_of(concepts))]


def answers_on(drugs: Iterable[OtherDrug], day: date | None) -> dict[str, float]:
    """Values by variable on a day: 1 for each that a drug answers."""
    return {drug.variable: 1.0 for drug in drugs if drug.counts_on(day)}
