"""Run the search for a team and its what-if runs into an output folder. Imports ``team_search``, ``what_if``.

``parts`` holds finished replications until the end of the run: rerun the same command to resume.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from taper_sim import tables
from taper_sim.clinic.staffing.search import SearchResult
from taper_sim.clinic.staffing.selection import FIRST_REPLICATIONS
from taper_sim.clinic.team import ROLES
from taper_sim.comparison.task_pool import task_pool
from taper_sim.data.yaml_input import parse
from taper_sim.experiments.clinic_plan import plan_record
from taper_sim.experiments.manifest import git_commit, patients_entry, versions_of
from taper_sim.experiments.running import Progress, Report, Running, Workers
from taper_sim.experiments.team_search import StaffingPlan, long_table, run_search, staffing_plan_of, staffing_table
from taper_sim.experiments.what_if import WhatIf, variations, what_if
from taper_sim.run_folder import PLAN_FILE, PlanRecord, Warn, check_writable, open_run, warn_on_stderr
from taper_sim.scenario.building import scenario_hash
from taper_sim.scenario.schema import Scenario

_LIBRARIES: Final = ("taper-sim", "numpy", "numba", "pandas", "pyarrow", "scipy", "simpy")
KIND: Final = "staffing"


@dataclass(frozen=True)
class StaffingRun:
    """A finished search: its folder, table, result, plan, manifest and what-if tables (None without what-if runs)."""

    folder: Path
    table: pd.DataFrame
    result: SearchResult
    plan: StaffingPlan
    manifest: dict[str, Any]
    what_if: WhatIf | None


def run_staffing(
    path: Path,
    plan: StaffingPlan,
    folder: Path,
    progress: Progress,
    *,
    report: Report | None = None,
    warn: Warn = warn_on_stderr,
    workers: Workers | None = None,
) -> StaffingRun:
    """Search for the team, make the what-if runs, and write the output folder.

    Parameters
    ----------
    path : Path
        Scenario file, for the plan's record.
    plan : StaffingPlan
    folder : Path
        Output folder; an unfinished search of the same plan is resumed.
    progress : callable
        See :class:`taper_sim.experiments.running.Running`; it counts replications, whose total is an estimate.
    report, warn, workers
        See :class:`taper_sim.experiments.running.Running`.
    """
    return _run(path, plan, folder, Running(workers, progress, report, warn))


def recorded_staffing(record: PlanRecord, folder: Path) -> StaffingPlan:
    """The plan of a search that a run folder recorded."""
    return staffing_plan_of(parse(str(folder / PLAN_FILE), record.scenario, Scenario), record.path)


def rerun(record: PlanRecord, folder: Path, running: Running) -> StaffingRun:
    """Run a recorded plan of a search, or resume it."""
    return _run(record.path, recorded_staffing(record, folder), folder, running)


def plan_hash(plan: StaffingPlan) -> str:
    """Hash of everything that a search's numbers depend on, without users' policies."""
    return f"{scenario_hash(plan.clinic.scenario, plan.clinic.folder)}-staffing"


def n_runs(plan: StaffingPlan) -> int:
    """Estimated total number of replications."""
    each = plan.entry.what_if_replications
    n_other = each * (1 + sum(1 for _ in variations(plan, plan.loads[0].queue))) if each else 0
    if not plan.able:
        return n_other
    if plan.entry.minimise == "harm":
        return n_other + min(FIRST_REPLICATIONS, plan.entry.most_replications) * len(plan.contenders)
    fewest = min(plan.rule.fewest, plan.entry.most_replications)  # for the chosen team, and as many for others
    return n_other + 2 * fewest + min(len(plan.able), plan.entry.most_teams)


def _run(path: Path, plan: StaffingPlan, folder: Path, running: Running) -> StaffingRun:
    began = time.time()
    check_writable(folder)
    with open_run(folder, plan_record(KIND, plan.clinic, path, plan_hash(plan)), running.warn) as kept:
        n = n_runs(plan)
        on_progress = running.progress(n) if n else lambda _: None
        with task_pool(1 if running.workers is None else running.workers) as finish:
            searched = run_search(plan, kept.parts, on_progress, finish)
            searched_at = time.time()
            asks = plan.entry.what_if_replications > 0
            other = what_if(plan, kept.parts, searched.chosen, on_progress, finish) if asks else None
        result, runs = searched.result, searched.runs
        written = {"staffing": staffing_table(plan, result, runs), "replications": long_table(runs)}
        if other is not None:
            written |= vars(other)
        for name, table in written.items():
            kept.write_csv(f"{name}.csv", table)
        timings = {"search": round(searched_at - began, 3), "what_if": round(time.time() - searched_at, 3)}
        manifest = kept.finish(_about(plan, path, result) | {"timings_s": timings}, running.report)
    return StaffingRun(folder, written["staffing"], result, plan, manifest, other)


def _criterion(plan: StaffingPlan) -> dict[str, Any]:
    """Criterion of the search besides its confidence: a budget and a negligible harm, or the test of the targets."""
    entry = plan.entry
    if entry.minimise == "harm":
        harm = {"outcome": entry.loses.name, "unit": entry.loses.unit, "does_not_matter": entry.unimportant}
        return {"budget_usd_week": entry.budget_usd_week, "harm": harm, "teams_compared": len(plan.contenders)}
    rule = plan.rule
    return {
        "zone": list(entry.zone),
        "error_a_team": rule.error,
        "most_replications": rule.most,
        "error_at_the_bound": rule.at_bound,
    }


def _about(plan: StaffingPlan, path: Path, result: SearchResult) -> dict[str, Any]:
    """Manifest: plan, criterion, teams, result, inputs, versions."""
    entry, clinic = plan.entry, plan.clinic
    cohort = clinic.cohort(0)
    ensemble = clinic.ensemble(0)
    rows = [ROLES[worker.role.name].table for worker in plan.team(plan.largest).workers]
    return {
        "scenario": clinic.scenario.model_dump(mode="json"),
        "scenario_file": path.name,
        "scenario_hash": scenario_hash(clinic.scenario, clinic.folder),
        "seed": clinic.scenario.seed,
        "days": clinic.n_days,
        "protocol": plan.arm.name,
        "patients": patients_entry(cohort),
        "targets": [str(target) for target in entry.targets],
        "minimise": entry.minimise,
        "probability": entry.probability,
        "confidence": entry.confidence,
        **_criterion(plan),
        "teams": {
            "in_the_ranges": len(plan.able) + plan.n_unable,
            "without_the_hours": plan.n_unable,
            "tried": {team.name: verdict.value for team, verdict in result.tried.items()},
        },
        "chosen": None
        if result.chosen is None
        else {
            "team": result.chosen.name,
            "fte": dict(result.chosen.levels),
            "cost_usd_week": result.chosen.cost_usd_week,
        },
        "search_stopped": result.stopped,
        "chance_missed": result.chance_missed,
        "planned_load_of_the_largest": {load.name: str(load) for load in plan.loads},
        "planned_load_of_the_largest_while_enrolling": {load.name: str(load) for load in plan.enrolling},
        "ensemble": {"n_draws": min(clinic.scenario.draws, clinic.n_replications), "calibrated": ensemble.calibrated},
        "tables": [tables.read("team").provenance(list({row["role"]: row for row in rows}.values()))],
        "clinical_review": tables.UNREVIEWED,
        "versions": versions_of(*_LIBRARIES),
        "git_commit": git_commit(),
    }
