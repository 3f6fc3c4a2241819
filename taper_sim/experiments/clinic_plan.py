"""Everything that a clinic run's numbers depend on. Imports ``scenario.building``, ``clinic``, ``run_folder``."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from taper_sim import rng
from taper_sim.clinic.coupling import Setting
from taper_sim.clinic.rosters import read_team
from taper_sim.clinic.staffing.book import BookLoad, book_loads, book_waves, rehearsed
from taper_sim.clinic.staffing.bounds import Load, enrolment_loads, loads
from taper_sim.clinic.team import Team
from taper_sim.clinic.work import EACH, KINDS_OF_WORK
from taper_sim.comparison.jobs import Arm
from taper_sim.data.problems import InputError, escaped, problem
from taper_sim.data.yaml_input import parse
from taper_sim.experiments.run_size import refuse_large, size_of
from taper_sim.experiments.user_policies import recorded_policies, with_policies
from taper_sim.run_folder import PLAN_FILE, PlanRecord
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
from taper_sim.simulation.ensemble import Ensemble, drawn_from
from taper_sim.simulation.layout import CarePlan

_SEED_OWNER: Final = rng.ENSEMBLE - 2  # "patient" of the draws that seed replications


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
    """Folder of the scenario, relative to which it names files."""

    @property
    def n_days(self) -> int:
        """Days of the calendar."""
        return self.scenario.days

    @property
    def enrolled_over_d(self) -> int:
        """Days over which the panel enrols: no longer than the run."""
        return min(self.setting.enrol_over_d, self.n_days)

    @cached_property
    def rehearsed_loads(self) -> dict[str, list[Load]]:
        """:func:`planned_loads` with the fullest books rehearsed: seconds, so once a plan."""
        return planned_loads(self, exact=True)

    @cached_property
    def rehearsed_loads_of_enrolment(self) -> dict[str, list[Load]]:
        """:func:`planned_loads_of_enrolment` with the fullest books rehearsed: seconds, so once a plan."""
        return planned_loads_of_enrolment(self, exact=True)

    def remarks(self) -> list[str]:
        """Entries of the scenario whose effect may surprise the reader, a line each."""
        lines = []
        if self.enrolled_over_d < self.setting.enrol_over_d:
            lines.append(
                f"All patients enrol within the {self.n_days:,} days of the run, which is shorter than enrol_over_d "
                f"({self.setting.enrol_over_d:,})."
            )
        states = {name for name, _ in self.setting.states}
        unlicensed = Counter(
            (worker.role.name, tuple(sorted(worker.licences)))
            for worker in self.team.workers
            if states and worker.licences is not None and not worker.licences & states
        )
        for (role, licences), people in unlicensed.items():
            where = f"licences of {', '.join(licences)}, and patients live in {', '.join(sorted(states))}"
            lines.append(f"{role} ({people}): {where}. They get no work that needs a licence.")
        return [escaped(line) for line in lines]

    def seed(self, replication: int) -> int:
        """Seed of a replication; the first has the scenario's."""
        if replication == 0:
            return self.scenario.seed
        high, low, *_ = (int(word) for word in rng.words(self.scenario.seed, _SEED_OWNER, replication, 0))
        return (high << 31) ^ low

    def cohort(self, replication: int) -> Cohort:
        """Panel of a replication: a new sample, or the patients of the file."""
        return build_cohort(self.scenario.cohort, self.seed(replication), self.folder)

    def all_draws(self) -> Ensemble:
        """Draws of the parameters that the replications share out."""
        s = self.scenario
        return drawn_from(s.draws_from, s.seed, min(s.draws, self.n_replications), s.parameters)

    def ensemble(self, replication: int) -> Ensemble:
        """One draw of the parameters; their centres if there is a single replication."""
        drawn = self.all_draws()
        k = replication % drawn.n_draws
        return Ensemble({name: values[k : k + 1] for name, values in drawn.values.items()}, 1, drawn.calibrated)


def read_plan(path: Path, change: Overrides, replications: int | None, *, sure: bool = False) -> ClinicPlan:
    """Read a scenario with a clinic; raises InputError with every problem, and for a large run unless ``sure``."""
    scenario = overridden(read_clinic(path), change)
    refuse_large_clinic(scenario, path, replications, sure=sure)
    return plan_of(scenario, path, replications)


def read_clinic(path: Path) -> Scenario:
    """Read a scenario; raises InputError also if it says that the panel enrols for longer than the run."""
    scenario = read_scenario(path)
    entry = scenario.clinic
    if entry is not None and "enrol_over_d" in entry.model_fields_set and entry.enrol_over_d > scenario.days:
        given = f"{entry.enrol_over_d:,} days of enrolment in a run of {scenario.days:,} days"
        raise problem(str(path), "clinic.enrol_over_d", given, "at most the days of the run")
    return scenario


def refuse_large_clinic(scenario: Scenario, path: Path, replications: int | None, *, sure: bool) -> None:
    """Refuse a clinic whose sampled panels need more than a day or the free memory, before one is sampled."""
    n_runs = len(scenario.protocols)
    if scenario.clinic is not None:
        n_runs *= replications or scenario.clinic.replications
    size = size_of("clinic", scenario.cohort.patients or 0, scenario.days, n_runs)
    refuse_large(str(path), size, sure=sure)


def recorded_clinic(record: PlanRecord, folder: Path) -> ClinicPlan:
    """The plan of a clinic that a run folder recorded."""
    scenario = parse(str(folder / PLAN_FILE), record.scenario, Scenario)
    return plan_of(scenario, record.path, record.options.get("replications"))


def plan_record(kind: str, plan: ClinicPlan, path: Path, identity: str) -> PlanRecord:
    """Record for ``plan.json`` of a run with a clinic; ``identity`` is the hash without users' policies."""
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
    setting = entry.setting(scenario.days, folder, str(path))
    team = entry.built() if entry.team_file is None else read_team(folder / entry.team_file)
    team = team.with_holidays(setting.opening.holidays)
    arms = build_arms(scenario, str(path), folder)
    needed: dict[str, str] = {}
    for arm in arms:
        needed |= setting.needed(arm.care)
    if not needed:
        allowed = "at least one kind of work that is done: without work use `taper-sim compare`"
        raise problem(str(path), "clinic.without", "every kind of work that the planned care brings", allowed)
    kinds = _kinds_of(setting, needed, [arm.care for arm in arms])
    problems = list(team.problems(str(path), needed, list(entry.states), scenario.days, kinds))
    if problems:
        raise InputError(problems)
    plan = ClinicPlan(scenario, entry, team, setting, arms, replications or entry.replications, folder)
    cohort = plan.cohort(0)
    refuse_without_rule(cohort, arms, str(path))
    refuse_at_start(cohort, arms, scenario.seed)
    return plan


def _kinds_of(setting: Setting, needed: Mapping[str, str], plans: Sequence[CarePlan]) -> dict[str, list[str]]:
    """Kinds of work by queue, for the queues that get work."""
    planned = {name for plan in plans for name, share in plan.planned.items() if share > 0}
    kinds: dict[str, list[str]] = {}
    for kind in KINDS_OF_WORK:
        queue = setting.orders_by if kind.name == "dose_order" else kind.queue
        queues = planned if queue == EACH else {queue}
        for name in sorted(queues & needed.keys()) if kind.name in setting.does else ():
            kinds.setdefault(name, []).append(kind.name)
    return kinds


def planned_loads(plan: ClinicPlan, *, exact: bool = False, replication: int = 0) -> dict[str, list[Load]]:
    """Load of each protocol after enrolment, of hours and of the appointment book; it needs no simulation.

    With ``exact`` the fullest books are rehearsed (``staffing.book.rehearsed``). The load is that of the patients of a
    replication.
    """
    setting, team = plan.setting, plan.team
    measured = rehearsed if exact else _as_they_are
    return {
        name: _ordered(
            loads(cohort, care, setting, team, days, plan.n_days, ensemble),
            measured(book_loads(cohort, care, setting, team), team),
        )
        for name, cohort, care, days, ensemble in _protocols(plan, replication)
    }


def planned_loads_of_enrolment(plan: ClinicPlan, *, exact: bool = False, replication: int = 0) -> dict[str, list[Load]]:
    """Load of each protocol while the panel enrols; see :func:`planned_loads`."""
    measured = rehearsed if exact else _as_they_are
    setting, team, n_days = plan.setting, plan.team, plan.n_days
    return {
        name: _ordered(
            enrolment_loads(cohort, care, setting, team, days, n_days, ensemble),
            measured(book_waves(cohort, care, setting, team, n_days), team),
        )
        for name, cohort, care, days, ensemble in _protocols(plan, replication)
    }


def _as_they_are(book: Sequence[BookLoad], _team: Team) -> Sequence[BookLoad]:
    return book


def _protocols(plan: ClinicPlan, replication: int) -> Iterator[tuple[str, Cohort, CarePlan, list[int], Ensemble]]:
    """Each protocol: name, patients of a replication, care, days of its decisions, parameters."""
    cohort, ensemble = plan.cohort(replication), plan.ensemble(replication)
    for arm in plan.arms:
        yield arm.name, cohort, arm.care, list(arm.build().decision_days(plan.n_days)), ensemble


def _ordered(*loads_of: Sequence[Load]) -> list[Load]:
    """Loads of all patients, then of states, the highest first."""
    every = [load for several in loads_of for load in several]
    return sorted(every, key=lambda load: (load.state is not None, -load.share))


def plan_hash(plan: ClinicPlan) -> str:
    """Hash of everything that a clinic run's numbers depend on, without users' policies."""
    return f"{scenario_hash(plan.scenario, plan.folder)}-{plan.n_replications}"
