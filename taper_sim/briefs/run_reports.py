"""The report of a run folder, whatever its kind: first screen, page, files, text. Imports ``report``, ``first_screen``.

Each kind imports its own when it is used: a comparison needs nothing of the clinic, whose libraries take a second.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from taper_sim.briefs.first_screen import FirstScreen, screen_values, write_numbers
from taper_sim.report.page_parts import PAGE_FILE, RunPage, rendered, write_page
from taper_sim.run_folder import MANIFEST_FILE, read_record

Drawn = tuple[str, Sequence[Path]]
"""The page of a run as HTML, and the files of its figures."""


def _text_of_nothing(_: Any) -> str:
    return ""


@dataclass(frozen=True)
class RunReport:
    """How a kind of run is reported.

    Attributes
    ----------
    read : callable
        Reads the tables of a finished run's folder.
    screen : callable
        The first screen of the tables; its second argument has the sentences of a clinic run on people's time.
    draw : callable
        Writes the figures into a folder; gives the page, from the folder, the tables, the first screen and that of an
        earlier run.
    text : callable
        What the terminal shows of what the driver returns.
    """

    read: Callable[[Path], Any]
    screen: Callable[[Any, Sequence[str]], FirstScreen]
    draw: Callable[[Path, Any, FirstScreen, FirstScreen | None], Drawn]
    text: Callable[[Any], str] = _text_of_nothing

    def write(self, folder: Path) -> Path:
        """Write the page of a finished run, its figures with their data, and the numbers of its first screen.

        Parameters
        ----------
        folder : Path
            Output folder of a finished run.

        Returns
        -------
        Path
            The page.

        Raises
        ------
        InputError
            If the folder has no finished run.
        """
        tables = self.read(folder)
        screen = self.screen(tables, ())
        page, written = self.draw(folder, tables, screen, None)
        return write_page(folder, page, [*written, write_numbers(folder, screen)])


def _with_sections(details: Callable[[Path, Any], RunPage]) -> Callable[..., Drawn]:
    """How the page of a run with sections is drawn."""

    def draw(folder: Path, tables: Any, screen: FirstScreen, old: FirstScreen | None) -> Drawn:
        page = details(folder, tables)
        text = rendered(
            "run.html.jinja",
            tables.manifest,
            title=page.title,
            question=page.question,
            cautions=page.cautions,
            subject=page.subject,
            **screen_values(screen, old=old),
            sections=[section for section in page.sections if not section.is_empty],
        )
        return text, page.written

    return draw


def _with_page(text: str, folder: Path) -> str:
    """The text of a run, and the path of its page if there is one."""
    page = folder / PAGE_FILE
    return f"{text}\nReport: {page}" if page.exists() else text


def _of_comparison() -> RunReport:
    from taper_sim.briefs.page import draw_comparison, read_comparison, screen_of_comparison
    from taper_sim.report.terminal import comparison_text

    return RunReport(read_comparison, screen_of_comparison, draw_comparison, comparison_text)


def _of_clinic() -> RunReport:
    from taper_sim.briefs.clinic_screen import clinic_screen
    from taper_sim.report.clinic_page import clinic_page, read_clinic
    from taper_sim.report.clinic_text import clinic_text

    draw = _with_sections(clinic_page)
    return RunReport(read_clinic, clinic_screen, draw, lambda done: _with_page(clinic_text(done), done.folder))


def _of_staffing() -> RunReport:
    from taper_sim.briefs.staffing_screen import staffing_screen
    from taper_sim.report.staffing_page import read_staffing, staffing_page
    from taper_sim.report.staffing_text import staffing_text

    draw = _with_sections(staffing_page)
    return RunReport(read_staffing, staffing_screen, draw, lambda done: _with_page(staffing_text(done), done.folder))


def _of_ladder() -> RunReport:
    from taper_sim.briefs.ladder_screen import ladder_screen
    from taper_sim.report.ladder_page import ladder_page, read_ladder
    from taper_sim.report.ladder_report import ladder_text

    draw = _with_sections(ladder_page)
    return RunReport(read_ladder, ladder_screen, draw, lambda done: _with_page(ladder_text(done.folder), done.folder))


def _of_triage() -> RunReport:
    from taper_sim.briefs.triage_screen import triage_screen
    from taper_sim.report.triage_page import read_triage, triage_page
    from taper_sim.report.triage_text import triage_text

    draw = _with_sections(triage_page)
    return RunReport(
        read_triage, triage_screen, draw, lambda done: _with_page(triage_text(done.table, done.folder), done.folder)
    )


def _of_validation() -> RunReport:
    from taper_sim.briefs.validation_screen import validation_screen
    from taper_sim.report.validation_report import read_validation_run, validation_page, validation_text

    draw = _with_sections(validation_page)
    return RunReport(read_validation_run, validation_screen, draw, lambda done: validation_text(done.table))


def _of_tapers() -> RunReport:
    from taper_sim.briefs.tapers_screen import read_tapers, tapers_page, tapers_screen

    return RunReport(read_tapers, tapers_screen, _with_sections(tapers_page))


RUN_REPORTS: Final[Mapping[str, Callable[[], RunReport]]] = {
    "compare": _of_comparison,
    "clinic": _of_clinic,
    "staffing": _of_staffing,
    "ladder": _of_ladder,
    "triage": _of_triage,
    "validate": _of_validation,
    "tapers": _of_tapers,
}
"""Reports by the kind of run, its ``KIND`` (tests/experiments/test_kinds.py)."""


def write_run_report(folder: Path) -> Path:
    """Write the report of a finished run of any kind; its page."""
    manifest = read_record(folder / MANIFEST_FILE, {"kind": str}, "the folder of a finished run")
    return RUN_REPORTS[manifest["kind"]]().write(folder)
