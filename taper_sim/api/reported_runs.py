"""A run with its report and its text, for the commands and for Python. Imports ``experiments``, ``report``.

One function for each kind of run. It reads the scenario with its overrides, logs what a reader must know before the
run, runs the plan into a folder, and writes the report there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taper_sim.briefs.run_reports import RUN_REPORTS, write_run_report
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
from taper_sim.experiments.kinds import resume_run
from taper_sim.experiments.running import Progress, Running, Workers
from taper_sim.report.clinic_text import before_text
from taper_sim.report.staffing_text import bound_text
from taper_sim.scenario.building import Overrides

WriteLine = Callable[[str], None]
"""Shows one line."""


@dataclass(frozen=True)
class ReportedRun:
    """A finished run whose report is written.

    Attributes
    ----------
    kind : str
        As in ``plan.json``.
    folder : Path
    text : str
        The answer in words, as the terminal shows it.
    """

    kind: str
    folder: Path
    text: str


def run_comparison(
    scenario: Path, change: Overrides, folder: Path, progress: Progress, *, workers: Workers = 2, sure: bool = False
) -> ReportedRun:
    """Compare the protocols of a scenario.

    Parameters
    ----------
    scenario : Path
    change : Overrides
        Values that replace the scenario's.
    folder : Path
        Output folder; an unfinished run of the same plan is resumed.
    progress : callable
        See :class:`taper_sim.experiments.running.Running`.
    workers : int or str, optional
        Threads, or the address of a Dask scheduler.
    sure : bool, optional
        Whether a run above the free memory or a day of work is run.
    """
    finished = compare.compare(scenario, change, folder, workers, progress, report=write_run_report, sure=sure)
    return _reported(compare.KIND, finished)


def run_clinic_plan(
    scenario: Path,
    change: Overrides,
    folder: Path,
    progress: Progress,
    *,
    replications: int | None = None,
    workers: Workers | None = None,
    sure: bool = False,
    log: WriteLine,
) -> ReportedRun:
    """Simulate the clinic of a scenario; ``log`` shows the planned load and the plan's remarks before the run.

    The other parameters are those of :func:`run_comparison`; ``replications`` replace the scenario's. ``workers`` are
    processes instead of threads, by default this one alone.
    """
    plan = clinic_plan.read_plan(scenario, change, replications, sure=sure)
    loads = before_text(plan.rehearsed_loads, plan.rehearsed_loads_of_enrolment)
    for line in (*loads, *plan.remarks()):
        log(line)
    finished = clinic_run.run_clinic(scenario, plan, folder, progress, report=write_run_report, workers=workers)
    return _reported(clinic_run.KIND, finished)


def run_team_search(
    scenario: Path,
    change: Overrides,
    folder: Path,
    progress: Progress,
    *,
    workers: Workers | None = None,
    sure: bool = False,
    log: WriteLine,
) -> ReportedRun:
    """Find the smallest team of a clinic; ``log`` shows the bounds and the plan's remarks before the run.

    The other parameters are those of :func:`run_clinic_plan`.
    """
    plan = team_search.read_staffing(scenario, change, sure=sure)
    for line in (*bound_text(plan), *plan.clinic.remarks()):
        log(line)
    finished = staffing_run.run_staffing(scenario, plan, folder, progress, report=write_run_report, workers=workers)
    return _reported(staffing_run.KIND, finished)


def run_policy_evaluation(
    scenario: Path, change: Overrides, folder: Path, progress: Progress, *, sure: bool = False
) -> ReportedRun:
    """Compare fixed, adaptive and personalised policies; parameters as of :func:`run_comparison`."""
    finished = ladder.evaluate(scenario, change, folder, progress, report=write_run_report, sure=sure)
    return _reported(ladder.KIND, finished)


def run_triage_comparison(
    scenario: Path,
    change: Overrides,
    folder: Path,
    progress: Progress,
    *,
    replications: int | None = None,
    workers: Workers | None = None,
    sure: bool = False,
    log: WriteLine,
) -> ReportedRun:
    """Compare the triage rules of a clinic; parameters as of :func:`run_clinic_plan`."""
    plan = clinic_plan.read_plan(scenario, change, replications, sure=sure)
    for line in plan.remarks():
        log(line)
    finished = triage_rules.run_triage(scenario, plan, folder, progress, report=write_run_report, workers=workers)
    return _reported(triage_rules.KIND, finished)


def run_validation(
    table: Path | None,
    options: validation_run.ValidationOptions,
    folder: Path,
    progress: Progress,
    *,
    workers: Workers = 2,
    sure: bool = False,
    log: WriteLine,
) -> ReportedRun:
    """Repeat a table of published results; ``log`` shows each problem of a row, which does not stop the others.

    The other parameters are those of :func:`run_comparison`; without ``table`` the package's own is used.
    """
    options.check()
    read, named = validation_run.read_results(table)
    for row_problem in read.problems:
        log(str(row_problem))
    running = Running(workers, progress, write_run_report, sure=sure)
    finished = validation_run.validate(read, named, options, folder, running)
    return _reported(validation_run.KIND, finished)


def resume_reported(folder: Path, progress: Progress, *, workers: Workers | None = None) -> ReportedRun:
    """Resume the run of a folder, whatever its kind."""
    kind, finished = resume_run(folder, Running(workers, progress, write_run_report, sure=True))
    return _reported(kind.name, finished)


def _reported(kind: str, finished: Any) -> ReportedRun:
    return ReportedRun(kind, finished.folder, RUN_REPORTS[kind]().text(finished))
