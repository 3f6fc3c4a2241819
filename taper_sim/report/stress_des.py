"""A STRESS-DES statement filled from the manifest of a clinic run. Imports ``report.page_parts``, ``report.wording``.

Strengthening the Reporting of Empirical Simulation Studies, discrete-event simulation: Monks, Currie, Onggo, Robinson,
Kunc and Taylor 2019, J Simulation 13:55. Twenty items in six parts. What the run does not know reads *not stated*.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from taper_sim.report.methods import listed
from taper_sim.report.page_parts import PageSection, PageTable
from taper_sim.report.wording import count, name_text

NOT_STATED: Final = "not stated"


def stress_section(manifest: Mapping[str, Any]) -> PageSection:
    """The statement as a section of the page: a table for each part, a row an item."""
    return PageSection(
        "stress",
        "STRESS-DES statement",
        (
            "Reporting of a discrete-event simulation by the checklist of Monks and others (2019). The rows are "
            f"filled from this run. “{NOT_STATED}” marks what the run does not know; its authors must add it.",
        ),
        tuple(
            PageTable(part, ("Item", "Statement"), tuple(items))
            for part, items in (
                ("1. Objectives", _objectives(manifest)),
                ("2. Logic", _logic(manifest)),
                ("3. Data", _data(manifest)),
                ("4. Experimentation", _experimentation(manifest)),
                ("5. Implementation", _implementation(manifest)),
                ("6. Code access", _code_access(manifest)),
            )
        ),
    )


_Items = Sequence[tuple[str, str]]


def _text(value: object) -> str:
    text = str(value or "").strip()
    return text or NOT_STATED


def _objectives(manifest: Mapping[str, Any]) -> _Items:
    outcomes = manifest["scenario"].get("outcomes")
    named = listed([str(name) for name in outcomes]) if outcomes else "every outcome of the package"
    return (
        ("1.1 Purpose of the model", _text(manifest["scenario"].get("question"))),
        (
            "1.2 Model outputs",
            "Of the service: waits, late and lost work, queues, utilisation, overtime, visits given, alarms, cost "
            f"(service.csv). Of the patients: {named} (summary.csv), and differences from unlimited staff "
            "(differences.csv).",
        ),
        (
            "1.3 Aims of the experiment",
            f"Compare {_arms(manifest)} with this team and with unlimited staff, on the same patients.",
        ),
    )


def _arms(manifest: Mapping[str, Any]) -> str:
    protocols = [str(name) for name in manifest["protocols"]]
    return f"{count(len(protocols), 'protocol')} ({listed(protocols)})"


def _logic(manifest: Mapping[str, Any]) -> _Items:
    clinic = manifest["scenario"]["clinic"]
    roles = [f"{name_text(role)} {fte:g} FTE" for role, fte in manifest["team"].get("fte", {}).items()]
    staff = "unlimited staff" if clinic["unlimited"] else f"a team of {manifest['team']['people']}: {listed(roles)}"
    changed = [
        *(
            [f"disabled kinds of work: {listed([str(name) for name in clinic['without']])}"]
            if clinic["without"]
            else []
        ),
        *(["work that cannot wait interrupts work without a patient"] if clinic["preempt"] else []),
        *(["staff fall ill at short notice"] if clinic["illness"] else []),
        *(["patients in several states, with licences"] if clinic["states"] else []),
        *(["visits in person at home"] if clinic["home_visits"] else []),
        *([f"visits in person from {clinic['in_person_from']}"] if clinic["in_person_from"] else []),
    ]
    return (
        (
            "2.1 Diagram of the base model",
            "Not in this page; the documentation of the clinic lists the steps of a day.",
        ),
        (
            "2.2 Logic of the base model",
            "Each day: patients' reports and events become work; the queue works until midnight; the policy decides "
            "from the check-ins that staff have read; patients follow orders that no open work delays.",
        ),
        (
            "2.3 Logic of the scenario",
            f"{staff}; " + (listed(changed) if changed else "no rule beyond the base model") + ".",
        ),
        (
            "2.4 Algorithms",
            f"Order of work: {clinic['triage']}. Dose orders: signed by the {name_text(clinic['orders_by'])}. "
            "Protocols: " + "; ".join(str(entry["call"]) for entry in manifest["scenario"]["protocols"]) + ".",
        ),
        (
            "2.5 Components",
            "Entities: pieces of work, each of a patient or the clinic. Activities: reading, calling, visiting, "
            "ordering, reviewing, by minutes of the kind of work. Resources: the staff above, by shift, licence and "
            "skill. Queues: one for each discipline, and an appointment book. Entry: enrolment over "
            f"{manifest.get('enrolled_over_d', clinic['enrol_over_d'])} days. Exit: leaving care, handing off, death, "
            "end of the run.",
        ),
    )


def _data(manifest: Mapping[str, Any]) -> _Items:
    used = [
        f"{table['table']} ({table['rows']} rows, {table['reviewed']} reviewed by a licensed clinician)"
        for table in manifest.get("tables", [])
    ]
    inputs = list(manifest.get("inputs_sha256", {}))
    cohort = manifest["scenario"]["cohort"]
    fixed = manifest["scenario"].get("parameters") or {}
    return (
        (
            "3.1 Sources of data",
            f"Patients: {_text(manifest['patients'].get('description'))}. Tables: "
            f"{listed(used) if used else NOT_STATED}." + (f" Files of the user: {listed(inputs)}." if inputs else ""),
        ),
        (
            "3.2 Preparation of data",
            "Rows with missing values of the patients' file are left out."
            if cohort.get("drop_missing")
            else NOT_STATED,
        ),
        (
            "3.3 Input parameters",
            f"{manifest['patients']['n']:,} patients in each replication; "
            + (listed([f"{name} = {value:g}" for name, value in fixed.items()]) if fixed else "no parameter fixed")
            + f"; the others from {count(int(manifest['ensemble']['n_draws']), 'draw')}. The scenario has all values.",
        ),
        (
            "3.4 Assumptions",
            "The numbered list of assumptions of the package's documentation. Minutes of work and hourly costs are "
            "planning assumptions.",
        ),
    )


def _experimentation(manifest: Mapping[str, Any]) -> _Items:
    n = int(manifest["replications"])
    return (
        (
            "4.1 Initialisation",
            "The clinic starts empty. service.csv gives each metric from day 1 and after the warm-up that MSER-5 "
            "finds.",
        ),
        ("4.2 Run length", f"{count(int(manifest['days']), 'day')}; the time unit of the queue is a minute."),
        (
            "4.3 Estimation",
            f"{count(n, 'replication')}, each with its own patients, random numbers and parameter draw. Means; "
            "intervals by Student from enough replications. Comparison with unlimited staff is paired.",
        ),
    )


def _implementation(manifest: Mapping[str, Any]) -> _Items:
    versions = [f"{name} {number}" for name, number in manifest["versions"].items()]
    return (
        ("5.1 Software and language", f"Python; {listed(versions)}."),
        (
            "5.2 Random sampling",
            f"A counter-based generator, indexed by person, day and purpose; seed {manifest['seed']}. Common random "
            "numbers in every comparison.",
        ),
        ("5.3 Execution", "Events in order of time; the highest triage priority first among work that waits."),
        ("5.4 System", f"Machine: {NOT_STATED}. manifest.json has the time of the run."),
    )


def _code_access(manifest: Mapping[str, Any]) -> _Items:
    commit = manifest.get("git_commit")
    return (
        (
            "6.1 Access to the model",
            f"taper-sim {manifest['versions'].get('taper-sim', NOT_STATED)}, commit {commit or NOT_STATED}; scenario "
            f"hash {manifest['scenario_hash']}. Address of the code: {NOT_STATED}.",
        ),
    )
