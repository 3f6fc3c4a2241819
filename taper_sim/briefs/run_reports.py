"""The report of a run folder, whatever its kind: files, listed in its manifest, and text. Imports ``report``.

Each kind imports its own when it is used: a comparison needs nothing of the clinic, whose libraries take a second.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

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


def with_page(text: str, folder: Path) -> str:
    """The text of a run, and the path of its page if there is one."""
    from taper_sim.report.page_parts import PAGE_FILE

    page = folder / PAGE_FILE
    return f"{text}\nReport: {page}" if page.exists() else text


def _of_comparison() -> RunReport:
    from taper_sim.briefs.page import write_report
    from taper_sim.report.terminal import comparison_text

    return RunReport(write_report, comparison_text)


def _of_clinic() -> RunReport:
    from taper_sim.report.clinic_page import write_clinic_page
    from taper_sim.report.clinic_text import clinic_text

    return RunReport(write_clinic_page, lambda done: with_page(clinic_text(done), done.folder))


def _of_staffing() -> RunReport:
    from taper_sim.report.staffing_page import write_staffing_page
    from taper_sim.report.staffing_text import staffing_text

    return RunReport(write_staffing_page, lambda done: with_page(staffing_text(done), done.folder))


def _of_ladder() -> RunReport:
    from taper_sim.report.ladder_page import write_ladder_page
    from taper_sim.report.ladder_report import ladder_text

    return RunReport(write_ladder_page, lambda done: with_page(ladder_text(done.folder), done.folder))


def _of_triage() -> RunReport:
    from taper_sim.report.triage_page import write_triage_page
    from taper_sim.report.triage_text import triage_text

    return RunReport(write_triage_page, lambda done: with_page(triage_text(done.table, done.folder), done.folder))


def _of_validation() -> RunReport:
    from taper_sim.report.validation_report import validation_text, write_validation_report

    return RunReport(write_validation_report, lambda done: validation_text(done.table))


RUN_REPORTS: Final[Mapping[str, Callable[[], RunReport]]] = {
    "compare": _of_comparison,
    "clinic": _of_clinic,
    "staffing": _of_staffing,
    "ladder": _of_ladder,
    "triage": _of_triage,
    "validate": _of_validation,
}
"""Reports by the kind of run, its ``KIND`` (tests/experiments/test_kinds.py)."""


def write_run_report(folder: Path) -> None:
    """Write the report of a finished run of any kind."""
    manifest = read_record(folder / MANIFEST_FILE, {"kind": str}, "the folder of a finished run")
    RUN_REPORTS[manifest["kind"]]().write(folder)
