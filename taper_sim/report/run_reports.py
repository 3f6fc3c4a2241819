"""The report of a run folder, whatever its kind: files, listed in its manifest, and text. Imports ``report``."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from taper_sim.experiments import clinic_run, compare, ladder, staffing_run, triage_rules
from taper_sim.report.clinic_figures import write_clinic_figures
from taper_sim.report.clinic_text import clinic_text
from taper_sim.report.ladder_report import ladder_text, write_ladder_report
from taper_sim.report.page import write_report
from taper_sim.report.staffing_figures import write_staffing_figures
from taper_sim.report.staffing_text import staffing_text
from taper_sim.report.terminal import comparison_text
from taper_sim.report.triage_text import triage_text
from taper_sim.run_folder import MANIFEST_FILE, read_record


@dataclass(frozen=True)
class RunReport:
    """How a kind of run is reported.

    Attributes
    ----------
    write : callable
        Writes the report's files into a finished run's folder and lists them in its manifest.
    text : callable
        What the terminal shows of what the driver returns.
    """

    write: Callable[[Path], object]
    text: Callable[[Any], str]


RUN_REPORTS: Final = {
    compare.KIND: RunReport(write_report, comparison_text),
    clinic_run.KIND: RunReport(write_clinic_figures, clinic_text),
    staffing_run.KIND: RunReport(write_staffing_figures, staffing_text),
    ladder.KIND: RunReport(write_ladder_report, lambda done: ladder_text(done.folder)),
    triage_rules.KIND: RunReport(lambda folder: None, lambda done: triage_text(done.table, done.folder)),
}
"""Reports by the kind of run."""


def write_run_report(folder: Path) -> None:
    """Write the report of a finished run of any kind."""
    manifest = read_record(folder / MANIFEST_FILE, {"kind": str}, "the folder of a finished run")
    RUN_REPORTS[manifest["kind"]].write(folder)
