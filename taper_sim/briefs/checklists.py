"""Reporting checklists filled from the manifest of a comparison. Imports ``report.page_parts``, ``report.methods``.

STRESS: Monks 2019, J Simulation 13:55 (items of every kind of simulation). CHEERS 2022: Husereau 2022, BMJ 376:e067975.
ISPOR-SMDM: Caro 2012, Med Decis Making 32:667, and the reports on parameters, transparency and validation. What the run
cannot know is marked with the person who has to add it. Nobody but that person fills it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from taper_sim.report.methods import calibration_sentence, is_calibrated, listed, people_are_sampled
from taper_sim.report.page_parts import PageTable
from taper_sim.report.wording import count

_LEAD, _CLINICIAN, _ECONOMIST, _PATIENT, _SPONSOR = (
    "study lead",
    "clinician",
    "health economist",
    "patient partner",
    "sponsor",
)
_ROLES: Final = (_LEAD, _CLINICIAN, _ECONOMIST, _PATIENT, _SPONSOR)
_ITEMS: Final = ("Item", "Statement")


def to_add(role: str) -> str:
    """The mark of an item that the run cannot fill."""
    return f"to be added by the {role}"


def checklists(manifest: Mapping[str, Any], comparator: str) -> tuple[PageTable, ...]:
    """The three checklists of a comparison.

    Parameters
    ----------
    manifest : mapping
        ``manifest.json``.
    comparator : str
        Protocol with which the others are compared.
    """
    facts = _facts(manifest, comparator)
    return (
        PageTable("STRESS, a simulation's reporting (Monks 2019)", _ITEMS, _stress(facts)),
        PageTable("CHEERS 2022, health economic evaluations (Husereau 2022)", _ITEMS, _cheers(facts)),
        PageTable("ISPOR-SMDM, good practice of modelling (Caro 2012)", _ITEMS, _ispor(facts)),
    )


def _facts(manifest: Mapping[str, Any], comparator: str) -> dict[str, str]:
    scenario, ensemble = manifest["scenario"], manifest["ensemble"]
    n = int(manifest["patients"]["n"])
    people = f"{n:,} {'person' if n == 1 else 'people'}"
    description = str(manifest["patients"].get("description") or "").strip().rstrip(".")
    origin = "sampled" if people_are_sampled(manifest) else "read from a file"
    names = [str(name) for name in manifest["protocols"]]
    subgroups = [str(name) for name in scenario.get("subgroups") or ()]
    review = str(manifest["clinical_review"])
    return {
        "name": str(scenario["name"]),
        "question": str(scenario.get("question") or "").strip() or to_add(_LEAD),
        "outputs": "Every outcome of summary.csv, and differences.csv; the first screen has seven rows of brief.csv.",
        "protocols": listed(names),
        "comparator": comparator,
        "people": f"{people}, {description or origin}.",
        "days": count(int(manifest["days"]), "day"),
        "draws": f"{count(int(ensemble['n_draws']), 'draw')} of the parameters. "
        + calibration_sentence(is_calibrated(manifest)),
        "seed": f"Random draws are a function of the seed ({manifest['seed']}), the person, the day and the purpose; "
        "all protocols share them.",
        "tables": listed([f"{t['table']} ({t['reviewed']} of {t['rows']} rows reviewed)" for t in manifest["tables"]])
        + f". {review[:1].upper()}{review[1:]}.",
        "software": ", ".join(f"{name} {version}" for name, version in manifest["versions"].items()),
        "commit": str(manifest.get("git_commit") or "not known"),
        "subgroups": listed(subgroups) if subgroups else f"none in this run; {to_add(_LEAD)}",
        "assumptions": "The part Assumptions of this page lists every value without a measurement.",
        "time": "The part Provenance has the hashes of inputs and outputs; manifest.json has the time of each step.",
    }


def _stress(facts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return (
        ("1.1 Purpose of the model", facts["question"]),
        ("1.2 Model outputs", facts["outputs"]),
        ("1.3 Aims of the experiment", f"Compare {facts['protocols']} on the same people."),
        ("2.1 Overview diagram", f"not in this page; {to_add(_LEAD)}"),
        ("2.2 Base model logic", f"A day of a person: equations of the package at commit {facts['commit']}."),
        ("2.3 Scenario logic", "The part Protocols has each protocol as the scenario writes it."),
        ("2.4 Algorithms", "The part Methods has the statistics of means, differences and intervals."),
        ("2.5 Components", facts["people"]),
        ("3.1 Data sources", facts["tables"]),
        ("3.2 Input parameters", facts["draws"]),
        ("3.3 Pre-processing", "None of the run's inputs is changed before the run."),
        ("3.4 Assumptions", facts["assumptions"]),
        ("4.1 Initialisation", "Each person begins at a stable dose on day 0."),
        ("4.2 Run length", facts["days"]),
        ("4.3 Estimation approach", facts["draws"]),
        ("5.1 Software", facts["software"]),
        ("5.2 Random sampling", facts["seed"]),
        ("5.3 Model execution", facts["time"]),
        ("5.4 System specification", to_add(_LEAD)),
        ("6.1 Computer model sharing", f"Apache License 2.0; commit {facts['commit']}."),
    )


def _cheers(facts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return (
        ("1 Title", facts["name"]),
        ("2 Abstract", "The answer at the head of this page."),
        ("3 Background and objectives", facts["question"]),
        ("4 Analysis plan", f"The scenario, whose hash is in the part Provenance; {to_add(_LEAD)} if registered."),
        ("5 Study population", facts["people"]),
        ("6 Setting and location", to_add(_LEAD)),
        ("7 Comparators", f"{facts['protocols']}; compared with {facts['comparator']}."),
        ("8 Perspective", to_add(_ECONOMIST)),
        ("9 Time horizon", facts["days"]),
        ("10 Discount rate", "None: the run has no costs and counts events."),
        ("11 Selection of outcomes", f"Harms, then pain, function and dose; {to_add(_PATIENT)} if others matter."),
        ("12 Measurement of outcomes", "The part Definitions of the outcomes."),
        ("13 Valuation of outcomes", "None on the first screen: no outcome is weighed against another."),
        ("14 Resources and costs", f"Only with a clinic run; else {to_add(_ECONOMIST)}"),
        ("15 Currency, price date", to_add(_ECONOMIST)),
        ("16 Rationale and description of model", "docs/model.md of the package."),
        ("17 Analytics and assumptions", facts["assumptions"]),
        ("18 Heterogeneity", f"Subgroups: {facts['subgroups']}."),
        ("19 Distributional effects", "The box Who is harmed."),
        ("20 Uncertainty", facts["draws"]),
        ("21 Engagement with patients and others", to_add(_PATIENT)),
        ("22 Study parameters", f"The part Assumptions. Tables: {facts['tables']}"),
        ("23 Summary of main results", "The table at the head of this page."),
        ("24 Effect of uncertainty", "The part How certain, and why."),
        ("25 Effect of engagement", to_add(_PATIENT)),
        (
            "26 Findings, limitations, generalisability",
            f"The part Basis and limits of the results; {to_add(_CLINICIAN)}.",
        ),
        ("27 Source of funding", to_add(_SPONSOR)),
        ("28 Conflicts of interest", to_add(_LEAD)),
    )


def _ispor(facts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return (
        ("Problem and model structure", facts["question"]),
        ("Interventions and comparator", f"{facts['protocols']}; compared with {facts['comparator']}."),
        ("Population", facts["people"]),
        ("Parameters and their uncertainty", facts["draws"]),
        ("Structural uncertainty", "The rule forms of the certainty: the difference under other forms of the model."),
        ("Transparency", f"Code, tables and tests are open; commit {facts['commit']}."),
        ("Face validity", to_add(_CLINICIAN)),
        ("Verification", "taper-sim verify recomputes every number of this folder."),
        ("Cross validation", to_add(_LEAD)),
        ("External and predictive validity", "The rule predictions of the certainty: published results held out."),
    )


def unfilled(tables: Sequence[PageTable]) -> dict[str, int]:
    """Number of items that each person has to add."""
    texts = [row[1] for table in tables for row in table.rows]
    counts = {role: sum(to_add(role) in text for text in texts) for role in _ROLES}
    return {role: n for role, n in counts.items() if n}
