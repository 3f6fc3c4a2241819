"""Every kind of run by its name in ``plan.json``: how to run, resume, recompute it. Imports the drivers.

A new kind of run needs a driver that writes its folder by ``run_folder.open_run``, and an entry here. Its report, if it
has one, has an entry in ``report.run_reports``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from taper_sim.data.problems import escaped, nearest, problem, shown
from taper_sim.data.yaml_input import parse
from taper_sim.experiments import clinic_plan, clinic_run, compare, ladder, staffing_run, team_search, triage_rules
from taper_sim.experiments.running import Report, Running
from taper_sim.experiments.user_policies import execute_recorded, not_at_hand
from taper_sim.run_folder import PLAN_FILE, PlanRecord, differing, plan_of
from taper_sim.scenario.building import build_arms
from taper_sim.scenario.schema import Scenario


@dataclass(frozen=True)
class Kind:
    """A kind of run.

    Attributes
    ----------
    name : str
        In ``plan.json`` and ``manifest.json``.
    command : str
        The command that starts such a run.
    rerun : callable
        Runs a recorded plan into a folder, or resumes it there; the result has a ``manifest``.
    plan_hash : callable
        Hash of a scenario's plan, which ``plan.json`` of its run carries, where no policy is a user's own.
    """

    name: str
    command: str
    rerun: Callable[[PlanRecord, Path, Running], Any]
    plan_hash: Callable[[Scenario, Path], str]


def _of_comparison(scenario: Scenario, path: Path) -> str:
    build_arms(scenario, str(path), path.parent)  # refuses calls that cannot be built
    return compare.plan_hash(scenario, path.parent)


_EVERY: Final = (
    Kind(compare.KIND, "compare", compare.rerun, _of_comparison),
    Kind(
        clinic_run.KIND,
        "clinic",
        clinic_run.rerun,
        lambda scenario, path: clinic_plan.plan_hash(clinic_plan.plan_of(scenario, path, None)),
    ),
    Kind(
        staffing_run.KIND,
        "staffing",
        staffing_run.rerun,
        lambda scenario, path: staffing_run.plan_hash(team_search.staffing_plan_of(scenario, path)),
    ),
    Kind(ladder.KIND, "evaluate", ladder.rerun, lambda scenario, path: ladder.plan_hash(scenario, path.parent)),
    Kind(
        triage_rules.KIND,
        "triage",
        triage_rules.rerun,
        lambda scenario, path: triage_rules.plan_hash(clinic_plan.plan_of(scenario, path, None)),
    ),
)
KINDS: Final = {kind.name: kind for kind in _EVERY}
"""Kinds of runs by their names."""


def kind_of(record: PlanRecord, folder: Path) -> Kind:
    """The kind of a recorded plan; raises InputError for a name that is none."""
    if record.kind not in KINDS:
        given = f"{shown(record.kind)}, an unknown kind{nearest(record.kind, KINDS)}"
        raise problem(str(folder / PLAN_FILE), "kind", given, f"one of {', '.join(KINDS)}")
    return KINDS[record.kind]


def resume_run(folder: Path, running: Running) -> tuple[Kind, Any]:
    """Resume the run of a folder, whatever its kind; the kind and what its driver returns."""
    record = plan_of(folder)
    kind = kind_of(record, folder)
    return kind, kind.rerun(_readable(record, folder), folder, running)


def _readable(record: PlanRecord, folder: Path) -> PlanRecord:
    """The record, whose scenario can be read and whose options are numbers; raises InputError if not."""
    parse(str(folder / PLAN_FILE), record.scenario, Scenario)
    for name, value in record.options.items():
        if not isinstance(value, int) or isinstance(value, bool):
            raise problem(str(folder / PLAN_FILE), f"options.{shown(name)}", shown(value), "a whole number")
    for name, policy in record.policies.items():
        if not isinstance(policy, dict) or not isinstance(policy.get("sha256"), str):
            raise problem(str(folder / PLAN_FILE), f"policies.{shown(name)}", "no sha256", "a source and its hash")
    return record


@dataclass(frozen=True)
class Verified:
    """What was found of a finished run.

    Attributes
    ----------
    differing : list of str
        What is not as the manifest says, a line each.
    not_recomputed : list of str
        Why the numbers were not recomputed, a line each; empty where they were.
    """

    differing: list[str]
    not_recomputed: list[str]


def verify_run(
    folder: Path, running: Running, draw: Report | None = None, *, trust_policy: Callable[[str], None] | None = None
) -> Verified:
    """Check the files of a finished run, recompute it, and draw its report again, whatever its kind.

    Parameters
    ----------
    folder : Path
    running : Running
        How it is recomputed.
    draw : callable, optional
        Draws the report of the folder it is given.
    trust_policy : callable, optional
        Told, in a line, of each recorded source of a user's policy before it is executed. Without it none is.
    """
    record = plan_of(folder)
    kind = kind_of(record, folder)
    record = _readable(record, folder)
    reasons = not_at_hand(record.policies)
    if reasons and trust_policy is not None:
        reasons = _executed(record, trust_policy)
    quiet = replace(running, report=None, sure=True)
    again = None if reasons else lambda beside: kind.rerun(record, beside, quiet).manifest
    return Verified(differing(folder, again, draw), [escaped(line) for line in reasons])


def _executed(record: PlanRecord, tell: Callable[[str], None]) -> list[str]:
    """Execute the recorded sources of policies that are not registered here; why some still cannot be run."""
    failed = []
    for name, policy in record.policies.items():
        if not_at_hand({name: policy}):
            tell(
                f"executing the recorded source of the policy {escaped(name)}, sha256 {escaped(str(policy['sha256']))}"
            )
            try:
                execute_recorded(name, policy)
            except ValueError as error:
                failed.append(str(error))
    return failed or not_at_hand(record.policies)
