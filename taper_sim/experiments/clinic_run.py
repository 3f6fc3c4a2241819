"""Run a clinic into a run folder. Imports ``scenario.building``, ``clinic``, ``comparison``, ``run_folder``.

A replication is one panel of patients with one luck, under one draw of the parameters; the same replication is run with
the clinic's team and with one that is never short, which the cohort simulation is, to the bit. Finished replications
are kept in ``parts``: rerun the same command to resume.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from taper_sim import rng, tables
from taper_sim.array_types import Floats
from taper_sim.clinic.coupling import PATIENT_COUNTS, Setting, serve
from taper_sim.clinic.event_log import duty_table
from taper_sim.clinic.panel import enrolment
from taper_sim.clinic.replications import estimate, late_growth, mser5
from taper_sim.clinic.rosters import read_team
from taper_sim.clinic.service import KEY, daily_load, metrics
from taper_sim.clinic.staffing.bounds import EnrolmentLoad, Load, enrolment_loads, loads
from taper_sim.clinic.team import ROLES, Team
from taper_sim.clinic.work import EACH, KINDS
from taper_sim.comparison.jobs import Arm
from taper_sim.comparison.outcomes import ALL, measure
from taper_sim.comparison.tables import subgroups
from taper_sim.data import formulary
from taper_sim.data.problems import InputError, escaped, problem
from taper_sim.data.yaml_input import parse
from taper_sim.experiments.clinic_tables import NEVER_SHORT, outcome_tables
from taper_sim.experiments.manifest import git_commit, patients_entry, versions_of
from taper_sim.experiments.run_size import refuse_large, size_of
from taper_sim.experiments.running import Progress, Report, Running
from taper_sim.experiments.user_policies import recorded_policies, with_policies
from taper_sim.run_folder import PLAN_FILE, Parts, PlanRecord, RunFolder, Warn, check_writable, open_run, warn_on_stderr
from taper_sim.scenario.building import (
    Overrides,
    build_arms,
    build_cohort,
    overridden,
    read_scenario,
    refuse_at_start,
    refuse_without_rule,
    scenario_hash,
)
from taper_sim.scenario.clinic_schema import MAX_REPLICATIONS, ClinicEntry
from taper_sim.scenario.schema import Scenario
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.days import run
from taper_sim.simulation.ensemble import Ensemble, from_prior
from taper_sim.simulation.layout import CarePlan

_LIBRARIES: Final = ("taper-sim", "numpy", "numba", "pandas", "pyarrow", "simpy", "sim-tools")
_SEED_OWNER: Final = rng.ENSEMBLE - 2  # "patient" of the draws that seed replications
KIND: Final = "clinic"
_TABLES: Final = ("numbers", "load", "groups", "events", "absences", "patients")
"""Parts of a replication of a protocol."""
_VECTORS: Final = (*PATIENT_COUNTS, "unread", "care", "lapse_days", "lapse_days_found")


@dataclass(frozen=True)
class ClinicPlan:
    """Everything that a clinic run's numbers depend on."""

    scenario: Scenario
    entry: ClinicEntry
    team: Team
    setting: Setting
    arms: list[Arm]
    n_replications: int
    folder: Path
    """Against which files are looked up."""

    @property
    def n_days(self) -> int:
        """Days of the calendar."""
        return self.scenario.days

    @property
    def enrolled_over_d(self) -> int:
        """Days over which the panel enrols: no longer than the run."""
        return min(self.setting.enrol_over_d, self.n_days)

    def remarks(self) -> list[str]:
        """What may be meant otherwise than it is taken, a line each."""
        said = []
        if self.enrolled_over_d < self.setting.enrol_over_d:
            said.append(
                f"Everybody enrols within the {self.n_days:,} days of the run, because it is shorter than enrol_over_d "
                f"({self.setting.enrol_over_d:,})."
            )
        states = {name for name, _ in self.setting.states}
        elsewhere = Counter(
            (worker.role.name, tuple(sorted(worker.licences)))
            for worker in self.team.workers
            if states and worker.licences is not None and not worker.licences & states
        )
        for (role, licences), people in elsewhere.items():
            where = f"licences of {', '.join(licences)}, and patients live in {', '.join(sorted(states))}"
            said.append(f"{role} ({people}): {where}. No work that needs a licence is theirs.")
        return [escaped(line) for line in said]

    def seed(self, replication: int) -> int:
        """Seed of a replication; the first has the scenario's own."""
        if replication == 0:
            return self.scenario.seed
        high, low, *_ = (int(word) for word in rng.words(self.scenario.seed, _SEED_OWNER, replication, 0))
        return (high << 31) ^ low

    def cohort(self, replication: int) -> Cohort:
        """The panel of a replication: sampled anew, or those of the file."""
        return build_cohort(self.scenario.cohort, self.seed(replication), self.folder)

    def ensemble(self, replication: int) -> Ensemble:
        """One draw of the parameters; with a single replication their centres."""
        n = min(self.scenario.draws, self.n_replications)
        drawn = from_prior(self.scenario.seed, n, self.scenario.parameters)
        k = replication % n
        return Ensemble({name: values[k : k + 1] for name, values in drawn.values.items()}, 1, drawn.calibrated)


@dataclass(frozen=True)
class ClinicRun:
    """A finished clinic run: its folder, tables, what was known before."""

    folder: Path
    summary: pd.DataFrame
    differences: pd.DataFrame
    service: pd.DataFrame
    loads: list[Load]
    manifest: dict[str, Any]
    plan: ClinicPlan


def read_plan(path: Path, change: Overrides, replications: int | None, *, sure: bool = False) -> ClinicPlan:
    """Read a scenario with a clinic; raises InputError with every problem, for a large run too unless ``sure``."""
    scenario = overridden(read_scenario(path), change)
    refuse_large_clinic(scenario, path, replications, sure=sure)
    return plan_of(scenario, path, replications)


def refuse_large_clinic(scenario: Scenario, path: Path, replications: int | None, *, sure: bool) -> None:
    """Refuse a clinic whose sampled panels would need more than a day or the memory there is, before one is made."""
    n_runs = len(scenario.protocols)
    if scenario.clinic is not None:
        n_runs *= replications or scenario.clinic.replications
    size = size_of("clinic", scenario.cohort.patients or 0, scenario.days, n_runs)
    refuse_large(str(path), size, sure=sure)


def recorded_clinic(record: PlanRecord, folder: Path) -> ClinicPlan:
    """The plan of a clinic that a run folder recorded."""
    scenario = parse(str(folder / PLAN_FILE), record.scenario, Scenario)
    return plan_of(scenario, record.path, record.options.get("replications"))


def rerun(record: PlanRecord, folder: Path, running: Running) -> ClinicRun:
    """Run a recorded plan of a clinic, or resume it."""
    return _run(record.path, recorded_clinic(record, folder), folder, running)


def plan_record(kind: str, plan: ClinicPlan, path: Path, identity: str) -> PlanRecord:
    """What ``plan.json`` says of a run whose plan has a clinic; ``identity`` is the hash without users' policies."""
    policies = recorded_policies(entry.call for entry in plan.scenario.protocols)
    return PlanRecord(
        kind,
        with_policies(identity, policies),
        path.name,
        str(path.parent.resolve()),
        plan.scenario.model_dump(mode="json"),
        {"replications": plan.n_replications},
        policies,
    )


def plan_of(scenario: Scenario, path: Path, replications: int | None) -> ClinicPlan:
    """The plan of a scenario with a clinic; raises InputError with every problem."""
    if scenario.clinic is None:
        raise problem(str(path), "clinic", "nothing", "a clinic: its team and how it works (docs/clinic.md)")
    if replications is not None and not 1 <= replications <= MAX_REPLICATIONS:
        raise problem("--replications", "", replications, f"1 to {MAX_REPLICATIONS}")
    entry, folder = scenario.clinic, path.parent
    team = entry.built() if entry.team_file is None else read_team(folder / entry.team_file)
    arms = build_arms(scenario, str(path), folder)
    setting = entry.setting()
    needed: dict[str, str] = {}
    for arm in arms:
        needed |= setting.needed(arm.care)
    if not needed:
        allowed = "at least one that is done: a clinic without work is `taper-sim compare`"
        raise problem(str(path), "clinic.without", "every kind of work that the planned care brings", allowed)
    kinds = _kinds_of(setting, needed, [arm.care for arm in arms])
    found = list(team.problems(str(path), needed, list(entry.states), scenario.days, kinds))
    if found:
        raise InputError(found)
    plan = ClinicPlan(scenario, entry, team, setting, arms, replications or entry.replications, folder)
    cohort = plan.cohort(0)
    refuse_without_rule(cohort, arms, str(path))
    refuse_at_start(cohort, arms, scenario.seed)
    return plan


def _kinds_of(setting: Setting, needed: Mapping[str, str], plans: Sequence[CarePlan]) -> dict[str, list[str]]:
    """Kinds of work by queue, of the queues that get work."""
    planned = {name for plan in plans for name, share in plan.planned.items() if share > 0}
    found: dict[str, list[str]] = {}
    for kind in KINDS:
        queue = setting.orders_by if kind.name == "dose_order" else kind.queue
        queues = planned if queue == EACH else {queue}
        for name in sorted(queues & needed.keys()) if kind.name in setting.does else ():
            found.setdefault(name, []).append(kind.name)
    return found


def planned_loads(plan: ClinicPlan) -> dict[str, list[Load]]:
    """The bound of each protocol, before anything runs."""
    return _of_each_protocol(plan, loads)


def planned_loads_of_enrolment(plan: ClinicPlan) -> dict[str, list[EnrolmentLoad]]:
    """The bound of each protocol while the panel enrols, before anything runs."""
    return _of_each_protocol(plan, enrolment_loads)


def _of_each_protocol[L: Load](
    plan: ClinicPlan, of: Callable[[Cohort, CarePlan, Setting, Team, Sequence[int], int, Ensemble], list[L]]
) -> dict[str, list[L]]:
    cohort, ensemble, n_days = plan.cohort(0), plan.ensemble(0), plan.n_days
    return {
        arm.name: of(
            cohort, arm.care, plan.setting, plan.team, list(arm.build().decision_days(n_days)), n_days, ensemble
        )
        for arm in plan.arms
    }


def run_clinic(
    path: Path,
    plan: ClinicPlan,
    folder: Path,
    progress: Progress,
    *,
    report: Report | None = None,
    warn: Warn = warn_on_stderr,
) -> ClinicRun:
    """Run every replication of every protocol and write the run folder.

    Parameters
    ----------
    path : Path
        The scenario, for the record.
    plan : ClinicPlan
    folder : Path
        The run folder; an unfinished run of the same plan is resumed.
    progress : callable
        Given the patient-days in all, returns a function called with those done.
    report, warn
        See :class:`taper_sim.experiments.running.Running`.
    """
    return _run(path, plan, folder, Running(progress=progress, report=report, warn=warn))


def plan_hash(plan: ClinicPlan) -> str:
    """Hash of everything that a clinic run's numbers depend on, without users' policies."""
    return f"{scenario_hash(plan.scenario, plan.folder)}-{plan.n_replications}"


def _run(path: Path, plan: ClinicPlan, folder: Path, running: Running) -> ClinicRun:
    began = time.time()
    check_writable(folder)
    with open_run(folder, plan_record(KIND, plan, path, plan_hash(plan)), running.warn) as kept:
        n = len(plan.cohort(0))
        tick = running.progress(n * plan.n_days * len(plan.arms) * plan.n_replications)
        for replication in range(plan.n_replications):
            waiting = [k for k in range(len(plan.arms)) if not _is_finished(plan, kept.parts, k, replication)]
            tick(n * plan.n_days * (len(plan.arms) - len(waiting)))
            if waiting:
                cohort, ensemble = plan.cohort(replication), plan.ensemble(replication)
            for k in waiting:
                _replicate(plan, kept.parts, k, replication, cohort, ensemble, tick)
        simulated = time.time()
        summary, differences = _outcome_tables(plan, kept.parts)
        service = _service_table(plan, kept.parts)
        kept.write_csv("summary.csv", summary)
        kept.write_csv("differences.csv", differences)
        kept.write_csv("service.csv", service)
        kept.write_csv("duty.csv", duty_table(plan.team.servers(plan.n_days)))
        _write_events(plan, kept)
        if plan.setting.illness is not None:
            ill = [_read(kept.parts, 0, r, "absences").assign(replication=r) for r in range(plan.n_replications)]
            kept.write_csv("absences.csv", pd.concat(ill))  # every protocol has the same people ill on the same days
        weekly = planned_loads(plan).items()
        before = {name: [load for load in found if load.state is None] for name, found in weekly}
        timings = {"simulation": round(simulated - began, 3), "tables": round(time.time() - simulated, 3)}
        manifest = kept.finish(_about(plan, path, before) | {"timings_s": timings}, running.report)
    heaviest = max(before.values(), key=lambda found: found[0].share if found else 0.0, default=[])
    return ClinicRun(folder, summary, differences, service, heaviest, manifest, plan)


def _part(arm: int, replication: int, what: str) -> str:
    return f"arm{arm:02d}-rep{replication:04d}-{what}.parquet"


def _is_finished(plan: ClinicPlan, parts: Parts, arm: int, replication: int) -> bool:
    """Whether every table of a replication of a protocol is there."""
    return all([parts.is_finished(_part(arm, replication, what)) for what in _TABLES])  # each damaged one is named


def _replicate(
    plan: ClinicPlan,
    parts: Parts,
    k: int,
    replication: int,
    cohort: Cohort,
    ensemble: Ensemble,
    tick: Callable[[int], None],
) -> None:
    """One replication of one protocol: the clinic, and the same patients with staff that is never short."""
    arm, seed = plan.arms[k], plan.seed(replication)
    served = serve(cohort, arm.build, ensemble, seed, plan.n_days, arm.care, plan.team, plan.setting, tick)
    free = never_short(plan, cohort, arm, ensemble, seed)
    patients = pa.table(
        {
            "patient_id": pa.array(cohort.ids),
            "start": pa.array(served.starts),
            **{name: pa.array(served.outcomes[name]) for name in served.outcomes},
            **{f"free_{name}": pa.array(free[name]) for name in free},
            **{f"clinic_{name}": pa.array(served.clinic[name]) for name in _VECTORS},
        }
    )
    groups = subgroups(cohort, plan.scenario.subgroups)
    ids = {name: row for row, name in enumerate(cohort.ids)}
    load = pd.DataFrame(daily_load(served.events, plan.n_days))
    warm = int(max((mser5(load[role].to_numpy()).length for role in load), default=0))
    whole = metrics(served, plan.team, plan.n_days, groups, ids)
    later = metrics(served, plan.team, plan.n_days, groups, ids, from_day=warm)
    numbers = whole.merge(later.rename(columns={"value": "after_warm_up"}), on=KEY, how="left")
    masks = pd.DataFrame(groups)
    made = {"numbers": numbers, "load": load, "groups": masks, "events": served.events, "absences": served.absences}
    for what, table in made.items():
        parts.keep_table(_part(k, replication, what), pa.Table.from_pandas(table, preserve_index=False))
    parts.keep_table(_part(k, replication, "patients"), patients)


def never_short(plan: ClinicPlan, cohort: Cohort, arm: Arm, ensemble: Ensemble, seed: int) -> dict[str, Floats]:
    """The same panel in the same clinic with staff that is never short.

    In a plain clinic that is the cohort simulation, wave by wave, to the bit; where a rule on visits or work that is
    left out changes what patients get, that is not the team's doing, and the reference has it too.
    """
    if not plan.setting.is_plain:
        unlimited = Team(unlimited=True)
        return serve(cohort, arm.build, ensemble, seed, plan.n_days, arm.care, unlimited, plan.setting).outcomes
    starts = enrolment(len(cohort), plan.setting.enrol_over_d, plan.n_days)
    found = {outcome.name: np.full(len(cohort), np.nan) for outcome in ALL}
    for start in np.unique(starts):
        who = np.flatnonzero(starts == start)
        course = run(cohort.take(who), arm.build(), ensemble, seed, plan.n_days - int(start) + 1, arm.care)
        for name, values in measure(course).items():
            found[name][who] = values
    return found


# -- tables ----------------------------------------------------------------------------------------------------------


def _table(parts: Parts, arm: int, replication: int, what: str) -> pa.Table:
    name = _part(arm, replication, what)
    return parts.needed(name, parts.table(name))


def _read(parts: Parts, arm: int, replication: int, what: str) -> pd.DataFrame:
    return _table(parts, arm, replication, what).to_pandas()


def _outcome_tables(plan: ClinicPlan, parts: Parts) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Outcomes of the patients, and what they lose against staff that is never short, over replications."""
    names = plan.scenario.outcomes or [outcome.name for outcome in ALL]
    n_draws = min(plan.scenario.draws, plan.n_replications)
    found = []
    for k, arm in enumerate(plan.arms):
        people, masks = (
            [_read(parts, k, r, what) for r in range(plan.n_replications)] for what in ("patients", "groups")
        )
        found.append(outcome_tables(arm.name, names, people, masks, n_draws))
    summaries, differences = zip(*found, strict=True)
    return pd.concat(summaries, ignore_index=True), pd.concat(differences, ignore_index=True)


def _service_table(plan: ClinicPlan, parts: Parts) -> pd.DataFrame:
    """Metrics of the service over replications, with the warm-up and the replications each would need."""
    rows = []
    for k, arm in enumerate(plan.arms):
        numbers = [_read(parts, k, r, "numbers") for r in range(plan.n_replications)]
        series = [_read(parts, k, r, "load") for r in range(plan.n_replications)]
        roles = sorted({role for one in series for role in one.columns})
        warm = {role: mser5(np.mean([one[role].to_numpy() for one in series if role in one], axis=0)) for role in roles}
        table = pd.concat([one.assign(replication=r) for r, one in enumerate(numbers)])
        for key, own in table.groupby(KEY, sort=False):
            found = estimate(own.sort_values("replication")["value"].to_numpy())
            settled = warm.get(str(key[1]))
            later = estimate(own["after_warm_up"].to_numpy())
            rows.append(
                (
                    arm.name,
                    *key,
                    found.mean,
                    found.lo95,
                    found.hi95,
                    found.n,
                    found.needed,
                    later.mean,
                    None if settled is None else settled.length,
                    None if settled is None else settled.settled,
                )
            )
        for role in roles:
            found = estimate([late_growth(one[role].to_numpy()) if role in one else 0.0 for one in series])
            if found.n:
                rows.append(
                    (
                        arm.name,
                        "queue_growth",
                        role,
                        "",
                        "all",
                        "waiting, last quarter of the days less the one before",
                        found.mean,
                        found.lo95,
                        found.hi95,
                        found.n,
                        found.needed,
                        np.nan,
                        warm[role].length,
                        warm[role].settled,
                    )
                )
    columns = [
        "protocol",
        *KEY,
        "mean",
        "lo95",
        "hi95",
        "n_replications",
        "needed",
        "after_warm_up",
        "warm_up_d",
        "settled",
    ]
    frame = pd.DataFrame(rows, columns=columns)
    most = np.where(frame["unit"].str.startswith("share"), 1.0, np.inf)
    least = np.where(frame["metric"] == "queue_growth", -np.inf, 0.0)  # all else counts or measures something
    frame["lo95"], frame["hi95"] = frame["lo95"].clip(lower=least), frame["hi95"].clip(upper=most)
    return frame.astype({"needed": "Int64", "warm_up_d": "Int64", "settled": "boolean"})


def _write_events(plan: ClinicPlan, kept: RunFolder) -> None:
    """The event logs of every protocol and replication, one after the other."""

    def write(handle: Any) -> None:
        writer = None
        for k, arm in enumerate(plan.arms):
            for r in range(plan.n_replications):
                table = _table(kept.parts, k, r, "events")
                same = pa.array([arm.name] * len(table)).dictionary_encode()
                table = table.append_column("protocol", same)
                table = table.append_column("replication", pa.array(np.full(len(table), r)))
                writer = writer or pq.ParquetWriter(handle, table.schema, compression="zstd")
                writer.write_table(table)
        if writer is not None:
            writer.close()

    kept.write("events.parquet", write, private=True)


def _about(plan: ClinicPlan, path: Path, before: dict[str, list[Load]]) -> dict[str, Any]:
    """What was run, with what, from what. Patient ids appear as a hash only."""
    cohort = plan.cohort(0)
    team_rows = [ROLES[worker.role.name].table for worker in plan.team.workers]
    unique = list({row["role"]: row for row in team_rows}.values())
    drawn = from_prior(plan.scenario.seed, min(plan.scenario.draws, plan.n_replications), plan.scenario.parameters)
    return {
        "scenario": plan.scenario.model_dump(mode="json"),
        "scenario_file": path.name,
        "scenario_hash": scenario_hash(plan.scenario, plan.folder),
        "seed": plan.scenario.seed,
        "days": plan.n_days,
        "replications": plan.n_replications,
        "enrolled_over_d": plan.enrolled_over_d,
        "protocols": [arm.name for arm in plan.arms],
        "reference": NEVER_SHORT,
        "patients": patients_entry(cohort),
        "team": {
            "people": len(plan.team.workers),
            "fte": {queue: plan.team.fte(queue) for queue in sorted({w.role.queue for w in plan.team.workers})},
            "cost_usd": plan.team.cost_usd(plan.n_days),
        },
        "planned_load": {
            name: {
                load.queue: {
                    "asked_h_a_week": load.asked_h,
                    "on_duty_h_a_week": load.able_h,
                    "most_patients": load.most_patients,
                }
                for load in found
            }
            for name, found in before.items()
        },
        "ensemble": {"id": drawn.id, "n_draws": drawn.n_draws, "calibrated": drawn.calibrated},
        "tables": [*formulary.provenance(list(cohort.drugs)), tables.read("team").provenance(unique)],
        "clinical_review": tables.UNREVIEWED,
        "versions": versions_of(*_LIBRARIES),
        "git_commit": git_commit(),
    }
