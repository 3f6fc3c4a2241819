"""Builds a scenario's objects: cohort, ensemble, arms, plan. Imports ``scenario.schema`` and everything below."""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from taper_sim.comparison.jobs import Arm, Plan
from taper_sim.comparison.preferences import FULL_STOP, FULL_STOP_KEY, HARM_WEIGHTS
from taper_sim.comparison.replicates import n_replicates
from taper_sim.data import formulary
from taper_sim.data.patients import read_drugs, read_patients
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.data.yaml_input import load, parse
from taper_sim.policies import calls
from taper_sim.policies.interface import Policy
from taper_sim.run_folder import sha256_of
from taper_sim.scenario.all_policies import build_policy, files_named
from taper_sim.scenario.schema import MAX_PATIENTS, CareEntry, ClassOfDrugs, CohortEntry, ProtocolEntry, Scenario
from taper_sim.simulation import cohort as cohorts
from taper_sim.simulation.cohort import ClassMargin, Cohort, DrugShare
from taper_sim.simulation.dispensing import known_of
from taper_sim.simulation.ensemble import Ensemble, drawn_from
from taper_sim.simulation.layout import CarePlan
from taper_sim.units import LONGEST_D

_FIRST_PATIENTS = 4096  # patients with which every policy is tried before a run
_COSTLY: Final = re.compile(r"\b(personal|prior_only)\s*\(")
"""Calls that compute a posterior for each patient, some 15 ms a patient-month: their people have no replicates."""


@dataclass(frozen=True)
class Overrides:
    """Changes to a scenario from the command line; None keeps the scenario's value.

    ``folder`` is the folder of the files that protocols name. If it is set, problems of new protocols are reported
    under ``--protocols``, not under the scenario file.
    """

    patients: int | None = None
    days: int | None = None
    protocols: str | None = None
    seed: int | None = None
    folder: Path | None = None


def read_scenario(path: Path) -> Scenario:
    """Read and validate a scenario; raises InputError with every problem."""
    return load(path, Scenario)


def overridden(scenario: Scenario, change: Overrides) -> Scenario:
    """Apply the command line's changes to a scenario and validate the result."""
    content = scenario.model_dump()
    if change.patients is not None:
        if not 1 <= change.patients <= MAX_PATIENTS:
            raise problem("--patients", "", change.patients, f"1 to {MAX_PATIENTS}")
        content["cohort"]["patients"] = change.patients
    if change.days is not None:
        if not 1 <= change.days <= LONGEST_D:
            raise problem("--days", "", change.days, f"1 to {LONGEST_D}")
        content["days"] = change.days
    if change.seed is not None:
        if not 0 <= change.seed < 2**63:
            raise problem("--seed", "", change.seed, "0 to 2^63 - 1")
        content["seed"] = change.seed
    if change.protocols is not None:
        content["protocols"] = _chosen(scenario, change.protocols, change.folder)
        names = [entry.get("name") or entry["call"] for entry in content["protocols"]]
        content["reference"] = scenario.reference if scenario.reference in names else None
    return parse("--protocols", content, Scenario)


def _chosen(scenario: Scenario, text: str, folder: Path | None) -> list[dict[str, Any]]:
    """Entries of ``--protocols a,b``: names of the scenario's protocols, or calls. All problems are raised together."""
    by_name = {arm_name(entry): entry for entry in scenario.protocols} | {e.call: e for e in scenario.protocols}
    chosen: list[dict[str, Any]] = []
    problems: list[Problem] = []
    for name in calls.split_protocols(text, file="--protocols", place=""):
        entry = by_name.get(name)
        try:
            if entry is None and "(" not in name:
                known = list(dict.fromkeys(by_name))
                given = f"{shown(name)}, which is no protocol of the scenario{nearest(name, known)}"
                raise InputError(Problem("--protocols", "", given, f"a call, or one of {'; '.join(known)}"))
            if entry is None and folder is not None:
                build_policy(name, file="--protocols", folder=folder)
        except InputError as error:
            problems += error.problems
        chosen_entry = entry.model_dump() if entry is not None else {"call": name}
        if chosen_entry in chosen:
            problems.append(Problem("--protocols", "", f"{shown(name)} a second time", "each protocol once"))
        chosen.append(chosen_entry)
    if problems:
        raise InputError(problems)
    return chosen


_LATER_KEYS: Final = (
    ("clinic",),
    ("ladder",),
    ("weights_of",),
    ("cohort", "modality"),
    ("cohort", "sampled"),
    ("clinic", "home_visits"),
    ("clinic", "booking"),
    ("clinic", "calendar", "timezone"),
    ("clinic", "staffing", "budget_usd_week"),
    ("clinic", "staffing", "harm"),
    ("clinic", "harm_paths"),
    ("care", "answers_alarms"),
    ("protocols", "care", "answers_alarms"),
)
"""Keys added after the first release. If a scenario omits such a key, the key does not enter the hash. Preferences
(``full_stop_worth``, harms of the composite) that equal their defaults do not enter it either."""


def scenario_hash(scenario: Scenario, folder: Path) -> str:
    """Hash of all inputs of the results: the scenario's content and the bytes of the files that it names."""
    content = scenario.model_dump(mode="json")
    for *place, key in _LATER_KEYS:
        for section in _sections(content, place):
            if not section[key]:
                del section[key]
    if content["full_stop_worth"] == FULL_STOP:
        del content["full_stop_worth"]
    for name, weight in HARM_WEIGHTS.items():
        if content["composite"][name] == weight:
            del content["composite"][name]
    if content.get("clinic", {}).get("team_file") is not None:
        content["clinic"]["team_file"] = _digest(folder / content["clinic"]["team_file"])
    holidays = ((content.get("clinic") or {}).get("calendar") or {}).get("holidays_file")
    if holidays is not None:
        content["clinic"]["calendar"]["holidays_file"] = _digest(folder / holidays)
    for key in ("file", "drugs_file"):
        name = content["cohort"].get(key)
        if name is not None:
            path = folder / name
            content["cohort"][key] = _digest(path)
    for entry in scenario.protocols:
        for name in files_named(calls.parse(entry.call)):
            content.setdefault("files", {})[name] = _digest(folder / name)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sections(content: Any, place: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The sections of a scenario at a place, in each entry of a list; none where the scenario has no such section."""
    if isinstance(content, list):
        for entry in content:
            yield from _sections(entry, place)
    elif content is not None:
        if place:
            yield from _sections(content.get(place[0]), place[1:])
        else:
            yield content


def _digest(path: Path) -> str:
    if not path.is_file():
        raise problem(str(path), "", "a folder" if path.is_dir() else "no such file", "a file that exists")
    return sha256_of(path)


def class_margin(entry: ClassOfDrugs) -> ClassMargin:
    """Distribution of a drug class, as the cohort samples it."""
    return ClassMargin(
        entry.share,
        tuple(DrugShare(formulary.find_drug(d.drug, d.formulation), d.share, d.interval_h) for d in entry.mix),
        entry.dose_median,
        entry.dose_log_sd,
        entry.dose_low,
        entry.dose_high,
        entry.use_days_median,
        entry.use_days_log_sd,
    )


def build_cohort(entry: CohortEntry, seed: int, folder: Path) -> Cohort:
    """Sample the cohort or read it from files; paths are relative to the scenario's folder."""
    classes = {name: class_margin(margin) for name, margin in entry.classes.items()}
    if entry.file is None:
        margins = replace(cohorts.CHOIR, shares={**cohorts.CHOIR.shares, **entry.shares})
        if entry.modality:
            margins = replace(margins, modality=tuple(entry.modality.get(name, 0.0) for name in cohorts.MODALITIES))
        return cohorts.sample(entry.patients or 0, seed, classes, margins, entry.description or "sampled")
    table = read_patients(folder / entry.file, entry.columns, drop_missing=entry.drop_missing, strict=not entry.columns)
    description = f"{entry.file.name}: {len(table.ids)} patients read, {table.dropped} left out for missing values"
    people = cohorts.from_table(table, entry.description or description)
    if entry.drugs_file is None:
        people = cohorts.sample_drugs(people, seed, classes)
    else:
        people = cohorts.with_drugs(people, read_drugs(folder / entry.drugs_file, people.ids))
    return people if entry.patients is None else people.take(slice(0, entry.patients))


def care_plan(entry: CareEntry) -> CarePlan:
    """Planned care as the simulation takes it; an interval of 0 days (never) becomes NaN, which no day equals."""
    never = float("nan")
    more = any(share > 0 for name, share in entry.disciplines.items() if name != "prescriber")
    return CarePlan(
        dict(entry.disciplines),
        float(entry.visit_every_d) or never,
        float(entry.checkin_every_d) or never,
        setting=entry.setting or ("programme" if more else "usual_care"),
        answers_alarms=entry.answers_alarms,
    )


def arm_name(entry: ProtocolEntry) -> str:
    """Name of a protocol in tables: the entry's name, or the call in canonical form."""
    return entry.name or calls.canonical(calls.parse(entry.call))


def build_arms(scenario: Scenario, file: str, folder: Path) -> list[Arm]:
    """The arm of every protocol. All problems of all protocols are raised together."""
    arms: list[Arm] = []
    problems: list[Problem] = []
    for number, entry in enumerate(scenario.protocols):

        def make(call: str = entry.call, place: str = f"protocols.{number}") -> Policy:
            return build_policy(call, file=file, place=place, folder=folder)

        try:
            policy = make()
            name = arm_name(entry)
            if name in {arm.name for arm in arms}:
                problems.append(Problem(file, f"protocols.{number}", f"{name} a second time", "each name once"))
            arms.append(Arm(name, make, _care_of(policy, entry, scenario.care, file, f"protocols.{number}")))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return arms


def _care_of(policy: Policy, entry: ProtocolEntry, scenario_care: CareEntry, file: str, place: str) -> CarePlan:
    """Planned care of an arm: the policy's disciplines and modality, else those of its entry, else the scenario's."""
    planned = policy.planned_care
    if planned is not None and entry.care is not None and "disciplines" in entry.care.model_fields_set:
        raise problem(file, f"{place}.care.disciplines", "care beside that of the call", "one of the two")
    care = care_plan(entry.care or scenario_care)
    return replace(
        care,
        planned=care.planned if planned is None else planned,
        modality=policy.modality,
        setting=policy.setting or care.setting,
    )


def refuse_without_rule(cohort: Cohort, arms: Sequence[Arm], file: str) -> None:
    """Refuse a cohort with patients for whom a protocol has no rule: pregnant patients, patients on buprenorphine.

    The policy's attribute ``rules_for`` names the groups for which it has a rule. A policy that holds the dose needs no
    rule.
    """
    problems: list[Problem] = []
    for arm in arms:
        problems += without_rule(cohort, arm.build(), file, f"protocols: {arm.name}")
    if problems:
        raise InputError(problems)


def refuse_at_start(cohort: Cohort, arms: Sequence[Arm], seed: int) -> None:
    """Start every policy with the first patients, so that a refusal is raised before any file is written."""
    first = known_of(cohort.take(slice(0, min(len(cohort), _FIRST_PATIENTS))), seed)
    for arm in arms:
        arm.build().start(first)


def without_rule(
    cohort: Cohort, policy: Policy, file: str, place: str, *, studied: Collection[str] = ()
) -> list[Problem]:
    """Problems of one protocol with patients for whom it has no rule; see :func:`refuse_without_rule`.

    A published study gave its arm to the populations ``studied``: for them its arm is the rule.
    """
    groups = {"pregnancy": cohort.flags["pregnant"], "buprenorphine": cohort.buprenorphine}
    problems = []
    for group, members in groups.items():
        if members.any() and group not in (*policy.rules_for, *studied) and not policy.holds:
            first, n = shown(cohort.ids[int(np.argmax(members))]), int(members.sum())
            many = f"{n} patients with {group} (the first: {first})" if n > 1 else f"patient {first} with {group}"
            given = f"{many}, for whom it has no rule"
            allowed = f"a protocol with a rule, such as … + hold({group}), or patients without {group}"
            problems.append(Problem(file, place, given, allowed))
    return problems


def build_plan(scenario: Scenario, file: str, folder: Path) -> tuple[Plan, str]:
    """The plan of a comparison and the name of its reference protocol."""
    arms = build_arms(scenario, file, folder)
    names = [arm.name for arm in arms]
    reference = scenario.reference or names[0]
    if reference not in names:
        by_call = {entry.call: arm_name(entry) for entry in scenario.protocols}
        if reference not in by_call:
            raise problem(file, "reference", f"{reference}{nearest(reference, names)}", "; ".join(names))
        reference = by_call[reference]
    cohort = build_cohort(scenario.cohort, scenario.seed, folder)
    refuse_without_rule(cohort, arms, file)
    refuse_at_start(cohort, arms, scenario.seed)
    ensemble: Ensemble = drawn_from(
        scenario.draws_from, scenario.seed, min(scenario.draws, len(cohort)), scenario.parameters
    )
    costly = any(_COSTLY.search(entry.call) for entry in scenario.protocols)
    replicates = 1 if costly else n_replicates(len(cohort), ensemble.n_draws)
    weights = {**scenario.composite, FULL_STOP_KEY: scenario.full_stop_worth}
    return Plan(cohort, arms, ensemble, scenario.seed, scenario.days, weights, replicates), reference
