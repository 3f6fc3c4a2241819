"""The committee's brief of a finished run, as a page and as a PDF. Imports ``report``, ``api``.

A comparison has the committee's first screen. A run of another kind has its own page. The run's folder is only read.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from taper_sim.api.arguments import names_checked
from taper_sim.api.comparison import Comparison
from taper_sim.api.runs import Run
from taper_sim.api.validation import Validation
from taper_sim.briefs.brief import CommitteeBrief, brief_of, brief_table
from taper_sim.briefs.brief_words import answer, lead_certainty
from taper_sim.briefs.page import comparison_page
from taper_sim.briefs.printed_page import browser_path, printed, write_pdf
from taper_sim.briefs.run_reports import RUN_REPORTS
from taper_sim.data.problems import problem, shown
from taper_sim.experiments import compare
from taper_sim.report.figures import write_figures
from taper_sim.report.page_parts import PAGE_FILE
from taper_sim.report.run_tables import read_run
from taper_sim.run_folder import MANIFEST_FILE, check_file_writable, read_record, write_text

_ALLOWED = "the folder of a finished run"
_PAGES = (".html", ".htm")


@dataclass(eq=False)
class Report:
    """The page of a run.

    Attributes
    ----------
    answer : str
        The answer with its certainty; empty for a run that is no comparison, whose page has it.
    table : DataFrame
        Numbers of the first screen: people of 1,000 by protocol and outcome, the difference from the comparator with
        its interval, the certainty and its reason; empty for a run that is no comparison.
    html : str
        The page: one self-contained file.
    """

    answer: str
    table: pd.DataFrame = field(repr=False)
    html: str = field(repr=False)

    def save(self, path: str | Path, *, pdf: bool = False) -> list[Path]:
        """Write the page, and with ``pdf`` also a printed copy beside it.

        Parameters
        ----------
        path : path
            A name that ends in ``.html``.
        pdf : bool, optional
            Whether to print the page with the system's browser; needs the extra ``pdf`` of the package.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        InputError
            For a name of another ending, a place that cannot be written, or without a browser.
        """
        page = Path(path)
        if page.suffix.lower() not in _PAGES:
            raise problem("--out", "", shown(page.name), "a name that ends in .html")
        check_file_writable(page)
        content = printed(self.html) if pdf else None
        write_text(page, self.html)
        if content is None:
            return [page]
        copy = page.with_suffix(".pdf")
        write_pdf(content, copy)
        return [page, copy]

    def _repr_html_(self) -> str:
        from html import escape

        return f'<iframe srcdoc="{escape(self.html)}" title="Report" style="width:100%;height:60rem;border:0"></iframe>'


@names_checked
def report(
    run: "str | Path | Comparison | Run | Validation",
    *,
    clinic: "str | Path | Run | None" = None,
    against: "str | Path | Comparison | None" = None,
) -> Report:
    """The page of a finished run for a committee.

    Parameters
    ----------
    run : path, Comparison, Run or Validation
        A finished run, or its output folder.
    clinic : path or Run, optional
        A clinic run that says what a comparison costs in people's time.
    against : path or Comparison, optional
        An earlier comparison; the page then says what changed since.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        For a folder without a finished run, or of another kind than the argument allows.

    Examples
    --------
    >>> import taper_sim as ts
    >>> cohort = ts.people(60, drug="morphine ER", mg_per_day=90)
    >>> run = ts.compare(people=cohort, protocols=["constant()", "abrupt()"], days=28, draws=2, progress=False)
    >>> ts.report(run).table["comparator"].unique().tolist()
    ['constant()']
    """
    folder = _folder(run)
    kind = _kind(folder)
    if kind != compare.KIND:
        for name, value in (("--clinic", clinic), ("--against", against)):
            if value is not None:
                raise problem(name, "", f"together with a run of {shown(kind)}", "with a comparison only")
        nothing = pd.DataFrame()
        return Report("", nothing, _drawn(folder, lambda copy: _own_page(kind, copy)))
    old = None if against is None else _old(_folder(against))
    sentences = () if clinic is None else _clinic(_folder(clinic))
    tables = read_run(folder)
    brief = brief_of(tables, folder)
    page = _in_temporary(
        lambda drawn: comparison_page(tables, brief, drawn, write_figures(drawn, tables), clinic=sentences, old=old)
    )
    words = answer(brief)
    certainty = lead_certainty(brief)
    return Report(f"{words[0]} Certainty: {certainty}." if certainty else words[0], brief_table(brief), page)


def _folder(run: "str | Path | Comparison | Run | Validation") -> Path:
    return Path(run) if isinstance(run, str | Path) else run.folder


def _kind(folder: Path) -> str:
    kind = str(read_record(folder / MANIFEST_FILE, {"kind": str}, _ALLOWED)["kind"])
    if kind not in RUN_REPORTS:
        raise problem(str(folder), "", f"a run of {shown(kind)}", _ALLOWED)
    return kind


def _old(folder: Path) -> CommitteeBrief:
    kind = _kind(folder)
    if kind != compare.KIND:
        raise problem("--against", "", f"a run of {shown(kind)}", "the folder of a comparison")
    return brief_of(read_run(folder), folder)


def _clinic(folder: Path) -> tuple[str, ...]:
    from taper_sim.report.clinic_cost import clinic_cost

    return clinic_cost(folder)


def _in_temporary(draw: Callable[[Path], str]) -> str:
    with tempfile.TemporaryDirectory(prefix="taper-sim-") as drawn:
        return draw(Path(drawn))


def _drawn(folder: Path, draw: Callable[[Path], str]) -> str:
    """What ``draw`` makes of a copy of a run's outputs."""

    def copied(beside: Path) -> str:
        outputs = read_record(folder / MANIFEST_FILE, {"outputs_sha256": dict}, _ALLOWED)["outputs_sha256"]
        for name in (MANIFEST_FILE, *outputs):
            if not (folder / name).is_file():
                raise problem(str(folder), "", f"no {shown(name)}", _ALLOWED)
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, beside / name)
        return draw(beside)

    return _in_temporary(copied)


def _own_page(kind: str, copy: Path) -> str:
    RUN_REPORTS[kind]().write(copy)
    return (copy / PAGE_FILE).read_text(encoding="utf-8")


def write_run_report_to(
    folder: Path, out: Path, *, clinic: Path | None = None, against: Path | None = None, pdf: bool = False
) -> list[str]:
    """Write the page of a run to a file; lines for the terminal: the answer and the files.

    Parameters are those of :func:`report` and of :meth:`Report.save`.
    """
    if pdf:
        browser_path()
    finished = report(folder, clinic=clinic, against=against)
    files = finished.save(out, pdf=pdf)
    return [*([finished.answer] if finished.answer else []), *(f"Report: {path}" for path in files)]
