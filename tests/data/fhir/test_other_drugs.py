"""Drugs outside the three classes answer the variables that rules use; liquids are liquids of the formulary."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from taper_sim import tables
from taper_sim.data.fhir import read_bundle
from taper_sim.safety.red_flags import judge
from taper_sim.safety.validity import variable_rows
from taper_sim.safety.variables import Values
from tests.recommend.test_bundles import PATIENT, Json, order

CREATED = date(2026, 3, 1)
MORPHINE = order("morphine sulfate 30 MG Extended Release Oral Tablet", 1)


def history_with(folder: Path, *resources: Json) -> Any:
    """The history of a bundle with these entries, and its notes."""
    entries = [{"resource": r} for r in (PATIENT, *resources)]
    path = folder / "b.json"
    path.write_text(
        json.dumps(
            {"resourceType": "Bundle", "type": "collection", "timestamp": "2026-03-01T12:00:00Z", "entry": entries}
        )
    )
    reading = read_bundle(path)
    return reading.histories["p1"], reading.notes


def coded(system: str, code: str, **more: Any) -> Json:
    """An order by a code, under a name that no table has."""
    concept = {"coding": [{"system": system, "code": code, "display": "an unlisted product"}]}
    return order("", 1, "m2", **{"medicationCodeableConcept": concept, **more})


@pytest.mark.parametrize(
    ("resource", "variables"),
    [
        (order("Nardil 15 mg tablet", 1, "m2"), {"maoi"}),
        (order("phenelzine sulfate 15 MG Oral Tablet", 1, "m2"), {"maoi"}),
        (order("Linezolid 600 MG Oral Tablet", 1, "m2"), {"maoi"}),
        (order("zolpidem tartrate 10 MG Oral Tablet [Ambien]", 1, "m2"), {"z_drug"}),
        (order("Sertraline 50 mg", 1, "m2"), {"ssri"}),
        (order("duloxetine 60 mg capsule", 1, "m2"), {"snri"}),
        (coded("http://www.whocc.no/atc", "N06AF04"), {"maoi"}),
        (coded("http://www.whocc.no/atc", "N05CF02"), {"z_drug"}),
        (order("lisinopril 10 mg", 1, "m2"), set()),
        (order("phenelzine 15 mg", 1, "m2", status="stopped", authoredOn="2026-02-20"), {"maoi"}),
        (order("phenelzine 15 mg", 1, "m2", status="stopped", authoredOn="2026-01-20"), set()),
        (order("sertraline 50 mg", 1, "m2", status="stopped", authoredOn="2026-02-27"), set()),
        (order("phenelzine 15 mg", 1, "m2", status="entered-in-error"), set()),
        (order("phenelzine 15 mg", 1, "m2", intent="plan"), set()),
        (
            {
                "resourceType": "MedicationStatement",
                "id": "s1",
                "status": "not-taken",
                "medicationCodeableConcept": {"text": "phenelzine"},
                "subject": {"reference": "Patient/p1"},
            },
            set(),
        ),
    ],
)
def test_a_listed_drug_answers_its_variable_while_it_counts(
    tmp_path: Path, resource: Json, variables: set[str]
) -> None:
    history, notes = history_with(tmp_path, MORPHINE, resource)
    assert {
        name for name, x in history.answers.items() if name in ("maoi", "z_drug", "ssri", "snri") and x
    } == variables
    unlisted = "lisinopril" in str(resource)
    assert any("other drugs: not read" in note for note in notes) is unlisted


def test_contraindicated_pairs_are_raised_the_same_day_from_a_bundle(tmp_path: Path) -> None:
    for name, pair, urgency in (
        ("tranylcypromine 10 mg tablet", "any opioid + MAOI", "same_day"),
        ("zopiclone 7.5 mg tablet", "opioid + Z-drug", "within_72h"),
    ):
        history, _ = history_with(tmp_path, MORPHINE, order(name, 1, "m2"))
        judged = judge(Values(history, CREATED), {})
        assert [f.flag for f in judged.raised(urgency) if f.flag == pair] == [pair]
        assert bool(judged.holding) is (urgency == "same_day")
    alone, _ = history_with(tmp_path, MORPHINE)
    assert not judge(Values(alone, CREATED), {}).holding


def test_a_z_drug_counts_among_the_sedating_drugs(tmp_path: Path) -> None:
    history, _ = history_with(tmp_path, MORPHINE, order("zaleplon 10 mg", 1, "m2"))
    assert Values(history, CREATED).value("cns_depressants") == 2.0


def test_the_table_of_other_drugs_answers_variables_that_exist_and_no_name_twice() -> None:
    rows = tables.read("other_drugs").rows
    assert {row["variable"] for row in rows} <= set(variable_rows())
    assert len({(row["kind"], row["name"].lower()) for row in rows}) == len(rows)
    assert not any(row["reviewed_by"] or row["reviewed_on"] for row in rows)


@pytest.mark.parametrize(
    ("text", "form", "a_day", "noted"),
    [
        ("morphine 10 mg/5 mL oral solution", "oral solution", 20.0, False),
        ("morphine 100 mg/5 mL (20 mg/mL) concentrated solution", "oral solution", 200.0, True),
        ("lorazepam 2 MG/ML Oral Concentrate", "oral concentrate", 20.0, False),
        ("pregabalin 20 mg/mL oral solution", "oral solution", 200.0, False),
        ("morphine 15 mg tablet", "IR", None, False),
    ],
)
def test_a_liquid_is_a_liquid_of_the_formulary(
    tmp_path: Path, text: str, form: str, a_day: float | None, noted: bool
) -> None:
    resource = order(text, 5)
    if a_day is not None:
        resource["dosageInstruction"][0]["doseAndRate"] = [{"doseQuantity": {"value": 5, "unit": "mL"}}]
    history, _ = history_with(tmp_path, resource)
    (row,) = history.doses
    assert row.drug.formulation == form
    assert a_day is None or row.dose == pytest.approx(a_day)
    assert any("two bottles" in note for _, note in history.dated) is noted
