"""The search for a team and what else is asked, into a run folder. Imports ``scenario.staffing``, ``what_if``.

Finished replications are kept in ``parts`` until everything is: the same command goes on where it stopped.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from taper_sim import tables
from taper_sim.clinic.staffing.search import SearchResult
from taper_sim.clinic.staffing.selection import FIRST_REPLICATIONS
from taper_sim.clinic.team import ROLES
from taper_sim.data.yaml_input import parse
from taper_sim.experiments.manifest import git_commit, patients_entry, versions_of
from taper_sim.experiments.team_search import StaffingPlan, long_table, run_search, staffing_plan_of, staffing_table
from taper_sim.experiments.what_if import WhatIf, variations, what_if
from taper_sim.run_folder import check_writable, claim, differing, read_record, sha256_of, write_csv, write_json
from taper_sim.scenario.building import scenario_hash
from taper_sim.scenario.schema import Scenario

_LIBRARIES: Final = ("taper-sim", "numpy", "numba", "pandas", "pyarrow", "scipy", "simpy")
STAFFING_PLAN_FILE: Final = "staffing_plan.json"
_PLAN_KEYS: Final = {"hash": str, "file": str, "folder": str, "scenario": dict}


@dataclass(frozen=True)
class StaffingRun:
    """A finished search: its folder, tables, what it found, what else was asked (None where nothing was)."""

    folder: Path
    table: pd.DataFrame
    found: SearchResult
    plan: StaffingPlan
    manifest: dict[str, Any]
    what_if: WhatIf | None


def run_staffing(
    path: Path, plan: StaffingPlan, folder: Path, progress: Callable[[int], Callable[[int], None]]
) -> StaffingRun:
    """Search, try what else is asked, and write the run folder.

    Parameters
    ----------
    path : Path
        The scenario, for the record.
    plan : StaffingPlan
    folder : Path
        The run folder; an unfinished search of the same plan goes on.
    progress : callable
        Given the replications in all, as far as they can be foreseen, returns a function called with those done.
    """
    began = time.time()
    check_writable(folder)
    identity = f"{scenario_hash(plan.clinic.scenario, plan.clinic.folder)}-staffing"
    where = {"file": path.name, "folder": str(path.parent.resolve())}
    record = {"hash": identity, **where, "scenario": plan.clinic.scenario.model_dump(mode="json")}
    claim(folder, STAFFING_PLAN_FILE, record, "the folder of a search for a team")
    asked = plan.entry.what_if_replications
    n_other = asked * (1 + sum(1 for _ in variations(plan, plan.loads[0].queue))) if asked else 0
    n_teams = len(plan.contenders) or plan.entry.most_teams
    fewest = FIRST_REPLICATIONS if plan.entry.minimise == "harm" else plan.rule.fewest
    n_search = min(fewest, plan.entry.most_replications) * n_teams if plan.able else 0
    tick = progress(n_search + n_other) if n_search + n_other else _nothing
    parts = folder / "parts"
    searched = run_search(plan, parts, tick)
    searched_at = time.time()
    other = what_if(plan, parts, searched.chosen, tick) if asked else None
    found, runs = searched.found, searched.runs
    written = {"staffing": staffing_table(plan, found, runs), "replications": long_table(runs)}
    if other is not None:
        written |= vars(other)
    for name, table in written.items():
        write_csv(table, folder / f"{name}.csv")
    timings = {"search": round(searched_at - began, 3), "what_if": round(time.time() - searched_at, 3)}
    manifest = _manifest(plan, path, identity, found, timings)
    manifest["outputs_sha256"] = {f"{name}.csv": sha256_of(folder / f"{name}.csv") for name in written}
    write_json(manifest, folder / "manifest.json")
    if parts.exists():
        shutil.rmtree(parts)
    return StaffingRun(folder, written["staffing"], found, plan, manifest, other)


def kept_staffing(folder: Path) -> tuple[Path, StaffingPlan]:
    """The scenario's file and the plan of a folder of a search, finished or not."""
    kept = read_record(folder / STAFFING_PLAN_FILE, _PLAN_KEYS, "the folder of a search for a team")
    path = Path(kept["folder"]) / kept["file"]
    return path, staffing_plan_of(parse(str(folder / STAFFING_PLAN_FILE), kept["scenario"], Scenario), path)


def verify_staffing(folder: Path, progress: Callable[[int], Callable[[int], None]]) -> list[str]:
    """Search again beside a finished search; a line for each file that was changed or comes out otherwise."""
    path, plan = kept_staffing(folder)
    return differing(folder, lambda beside: run_staffing(path, plan, beside, progress).manifest)


def _how(plan: StaffingPlan) -> dict[str, Any]:
    """What the answer rests on besides its confidence: a budget and what of harm matters, or the test of targets."""
    entry = plan.entry
    if entry.minimise == "harm":
        what = {"outcome": entry.loses.name, "unit": entry.loses.unit, "does_not_matter": entry.unimportant}
        return {"budget_usd_week": entry.budget_usd_week, "harm": what, "teams_compared": len(plan.contenders)}
    return {"zone": list(entry.zone), "error_a_team": plan.rule.error}


def _nothing(_: int) -> None:
    return None


def _manifest(
    plan: StaffingPlan, path: Path, identity: str, found: SearchResult, timings: dict[str, float]
) -> dict[str, Any]:
    """What was looked for, among what, how, and what was found."""
    entry, clinic = plan.entry, plan.clinic
    cohort = clinic.cohort(0)
    ensemble = clinic.ensemble(0)
    rows = [ROLES[worker.role.name].table for worker in plan.team(plan.largest).workers]
    return {
        "kind": "staffing",
        "scenario": clinic.scenario.model_dump(mode="json"),
        "scenario_file": path.name,
        "scenario_hash": identity.rpartition("-")[0],
        "seed": clinic.scenario.seed,
        "days": clinic.n_days,
        "protocol": plan.arm.name,
        "patients": patients_entry(cohort),
        "targets": [str(target) for target in entry.targets],
        "minimise": entry.minimise,
        "probability": entry.probability,
        "confidence": entry.confidence,
        **_how(plan),
        "teams": {
            "in_the_ranges": len(plan.able) + plan.n_unable,
            "without_the_hours": plan.n_unable,
            "tried": {one.name: said.value for one, said in found.tried.items()},
        },
        "chosen": None
        if found.chosen is None
        else {"team": found.chosen.name, "fte": dict(found.chosen.levels), "cost_usd_week": found.chosen.cost_usd_week},
        "search_stopped": found.stopped,
        "planned_load_of_the_largest": {load.name: str(load) for load in plan.loads},
        "planned_load_of_the_largest_while_enrolling": {load.name: str(load) for load in plan.enrolling},
        "ensemble": {"n_draws": min(clinic.scenario.draws, clinic.n_replications), "calibrated": ensemble.calibrated},
        "tables": [tables.read("team").provenance(list({row["role"]: row for row in rows}.values()))],
        "clinical_review": tables.UNREVIEWED,
        "versions": versions_of(*_LIBRARIES),
        "git_commit": git_commit(),
        "timings_s": timings,
    }
