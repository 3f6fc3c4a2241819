"""Kinds of runs by their names in ``plan.json``: start, resume, recompute. Imports the drivers of ``experiments``.

To add a kind of run, write a driver that uses ``run_folder.open_run``, and add an entry here. Add its report to
``briefs.run_reports`` and its function to ``api.reported_runs``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from taper_sim.data.problems import escaped, nearest, problem, shown
from taper_sim.data.yaml_input import parse
from taper_sim.experiments import (
    clinic_plan,
    clinic_run,
    compare,
    ladder,
    staffing_run,
    team_search,
    triage_rules,
    validation_run,
)
from taper_sim.experiments.running import Report, Running
from taper_sim.experiments.user_policies import execute_recorded, not_reproducible
from taper_sim.run_folder import PLAN_FILE, PlanRecord, differing, plan_of
from taper_sim.scenario.building import build_arms, read_scenario
from taper_sim.scenario.schema import Scenario


@dataclass(frozen=True)
class RunKind:
    """A kind of run.

    Attributes
    ----------
    name : str
        Name in ``plan.json`` and ``manifest.json``.
    command : str
        The command that starts such a run.
    rerun : callable
        Runs a recorded plan into a folder, or resumes it there; the result has a ``manifest``.
    plan_hash : callable
        Hash of the plan of an input file, as in ``plan.json`` of its run if the package ships every policy.
    check : callable
        Refuses the input that a plan recorded if it is not valid; receives the record and the folder.
    """

    name: str
    command: str
    rerun: Callable[[PlanRecord, Path, Running], Any]
    plan_hash: Callable[[Path], str]
    check: Callable[[PlanRecord, Path], object]


def _of_scenario(hash_of: Callable[[Scenario, Path], str]) -> Callable[[Path], str]:
    """Hash of the plan of a scenario file."""
    return lambda path: hash_of(read_scenario(path), path)


def _check_scenario(record: PlanRecord, folder: Path) -> None:
    """Refuse a recorded scenario that is not valid."""
    parse(str(folder / PLAN_FILE), record.scenario, Scenario)


def _of_comparison(scenario: Scenario, path: Path) -> str:
    build_arms(scenario, str(path), path.parent)  # refuses calls that cannot be built
    return compare.plan_hash(scenario, path.parent)


_OF_SCENARIOS: Final[tuple[tuple[str, str, Callable[..., Any], Callable[[Scenario, Path], str]], ...]] = (
    (compare.KIND, "compare", compare.rerun, _of_comparison),
    (
        clinic_run.KIND,
        "clinic",
        clinic_run.rerun,
        lambda scenario, path: clinic_plan.plan_hash(clinic_plan.plan_of(scenario, path, None)),
    ),
    (
        staffing_run.KIND,
        "staffing",
        staffing_run.rerun,
        lambda scenario, path: staffing_run.plan_hash(team_search.staffing_plan_of(scenario, path)),
    ),
    (ladder.KIND, "evaluate", ladder.rerun, lambda scenario, path: ladder.plan_hash(scenario, path.parent)),
    (
        triage_rules.KIND,
        "triage",
        triage_rules.rerun,
        lambda scenario, path: triage_rules.plan_hash(clinic_plan.plan_of(scenario, path, None)),
    ),
)
_ALL_KINDS: Final = (
    *(
        RunKind(name, command, rerun, _of_scenario(hash_of), _check_scenario)
        for name, command, rerun, hash_of in _OF_SCENARIOS
    ),
    RunKind(
        validation_run.KIND, "validate", validation_run.rerun, validation_run.hash_of_file, validation_run.check_record
    ),
)
RUN_KINDS: Final = {kind.name: kind for kind in _ALL_KINDS}
"""Kinds of runs by their names."""


def kind_of(record: PlanRecord, folder: Path) -> RunKind:
    """Kind of a recorded plan; raises InputError for an unknown name."""
    if record.kind not in RUN_KINDS:
        given = f"{shown(record.kind)}, an unknown kind{nearest(record.kind, RUN_KINDS)}"
        raise problem(str(folder / PLAN_FILE), "kind", given, f"one of {', '.join(RUN_KINDS)}")
    return RUN_KINDS[record.kind]


def resume_run(folder: Path, running: Running) -> tuple[RunKind, Any]:
    """Resume the run of a folder, whatever its kind; returns the kind and the driver's result."""
    record = plan_of(folder)
    kind = kind_of(record, folder)
    return kind, kind.rerun(_validated(kind, record, folder), folder, running)


def _validated(kind: RunKind, record: PlanRecord, folder: Path) -> PlanRecord:
    """The record; raises InputError for an invalid input, an option of another type, a policy without a hash."""
    kind.check(record, folder)
    for name, value in record.options.items():
        if not isinstance(value, int | str) or isinstance(value, bool):
            raise problem(str(folder / PLAN_FILE), f"options.{shown(name)}", shown(value), "a whole number or a word")
    for name, policy in record.policies.items():
        if not isinstance(policy, dict) or not isinstance(policy.get("sha256"), str):
            raise problem(str(folder / PLAN_FILE), f"policies.{shown(name)}", "no sha256", "a source and its hash")
    return record


@dataclass(frozen=True)
class Verified:
    """Result of checking a finished run.

    Attributes
    ----------
    differing : list of str
        Differences from the manifest, a line each.
    not_recomputed : list of str
        Reasons why the numbers were not recomputed, a line each; empty if they were.
    """

    differing: list[str]
    not_recomputed: list[str]


def verify_run(
    folder: Path, running: Running, draw: Report | None = None, *, trust_policy: Callable[[str], None] | None = None
) -> Verified:
    """Check the files of a finished run, recompute it and redraw its report, whatever its kind.

    Parameters
    ----------
    folder : Path
    running : Running
        Settings of the recomputation.
    draw : callable, optional
        Draws the report of the folder that it receives.
    trust_policy : callable, optional
        Receives a line for each recorded source of a user's policy before the source is executed. None executes no
        source.
    """
    record = plan_of(folder)
    kind = kind_of(record, folder)
    record = _validated(kind, record, folder)
    reasons = not_reproducible(record.policies)
    if reasons and trust_policy is not None:
        reasons = _executed(record, trust_policy)
    quiet = replace(running, report=None, sure=True)
    recompute = None if reasons else lambda beside: kind.rerun(record, beside, quiet).manifest
    return Verified(differing(folder, recompute, draw), [escaped(line) for line in reasons])


def _executed(record: PlanRecord, log: Callable[[str], None]) -> list[str]:
    """Execute the recorded sources of policies that are not registered; returns why some still cannot run."""
    failed = []
    for name, policy in record.policies.items():
        if not_reproducible({name: policy}):
            log(f"executing the recorded source of the policy {escaped(name)}, sha256 {escaped(str(policy['sha256']))}")
            try:
                execute_recorded(name, policy)
            except ValueError as error:
                failed.append(str(error))
    return failed or not_reproducible(record.policies)
