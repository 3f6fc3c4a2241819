"""The committee's brief of a run of any kind, and the rounds edition, as page and PDF. Imports ``briefs``, ``rounds``.

The run's folder is only read.
"""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from taper_sim.api.arguments import names_checked
from taper_sim.api.comparison import Comparison
from taper_sim.api.runs import Run
from taper_sim.api.validation import Validation
from taper_sim.briefs.first_screen import screen_table
from taper_sim.briefs.printed_page import browser_path, printed, write_pdf
from taper_sim.briefs.run_reports import RUN_REPORTS
from taper_sim.data.problems import problem, shown
from taper_sim.experiments import compare
from taper_sim.rounds.rounds_page import rounds_page
from taper_sim.run_folder import MANIFEST_FILE, check_file_writable, read_record, write_text

_ALLOWED = "the folder of a finished run"
_PAGES = (".html", ".htm")
COMMITTEE, ROUNDS = "committee", "rounds"
"""Editions of the report."""


@dataclass(eq=False)
class Report:
    """The page of a run.

    Attributes
    ----------
    answer : str
        The answer with its certainty.
    table : DataFrame
        Numbers of the first screen: by column and outcome, the difference from the comparator with its interval, the
        certainty and its reason.
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
    against: "str | Path | Comparison | Run | Validation | None" = None,
    edition: str = COMMITTEE,
) -> Report:
    """The page of a finished run for a committee, or of a clinic's own logs for a round.

    Parameters
    ----------
    run : path, Comparison, Run or Validation
        A finished run, or its output folder.
    clinic : path or Run, optional
        A clinic run that says what a comparison costs in people's time.
    against : path, Comparison, Run or Validation, optional
        An earlier run of the same kind; the page then says what changed since.
    edition : str, optional
        ``committee``, or ``rounds``: ``run`` is then a folder of logs (docs/how-to/rounds.md).

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
    if edition == ROUNDS:
        for name, value in (("--clinic", clinic), ("--against", against)):
            if value is not None:
                raise problem(name, "", "together with --edition rounds", "with a run only")
        rounds, content = rounds_page(folder)
        return Report(rounds.sentence, screen_table(rounds.numbers), content)
    if edition != COMMITTEE:
        raise problem("--edition", "", shown(edition), f"{COMMITTEE} or {ROUNDS}")
    kind = _kind(folder)
    if clinic is not None and kind != compare.KIND:
        raise problem("--clinic", "", f"together with a run of {shown(kind)}", "with a comparison only")
    earlier = None if against is None else _folder(against)
    if earlier is not None and (of_earlier := _kind(earlier)) != kind:
        raise problem("--against", "", f"a run of {shown(of_earlier)}", f"the folder of a run of {shown(kind)}")
    sentences = () if clinic is None else _clinic(_folder(clinic))
    reported = RUN_REPORTS[kind]()
    old = None if earlier is None else reported.screen(reported.read(earlier), ())
    with tempfile.TemporaryDirectory(prefix="taper-sim-") as drawn:
        beside = _linked(folder, Path(drawn), needs_all=kind != compare.KIND)
        tables = reported.read(beside)
        screen = reported.screen(tables, sentences)
        page, _ = reported.draw(beside, tables, screen, old)
    return Report(screen.sentence, screen_table(screen.numbers), page)


def _folder(run: "str | Path | Comparison | Run | Validation") -> Path:
    return Path(run) if isinstance(run, str | Path) else run.folder


def _kind(folder: Path) -> str:
    kind = str(read_record(folder / MANIFEST_FILE, {"kind": str}, _ALLOWED)["kind"])
    if kind not in RUN_REPORTS:
        raise problem(str(folder), "", f"a run of {shown(kind)}", _ALLOWED)
    return kind


def _clinic(folder: Path) -> tuple[str, ...]:
    from taper_sim.report.clinic_cost import clinic_cost

    return clinic_cost(folder)


def _linked(folder: Path, beside: Path, *, needs_all: bool) -> Path:
    """A folder with links to a run's outputs, so that figures can be drawn beside them."""
    outputs = read_record(folder / MANIFEST_FILE, {"outputs_sha256": dict}, _ALLOWED)["outputs_sha256"]
    for name in (MANIFEST_FILE, *outputs):
        source = folder / name
        if not source.is_file():
            if needs_all:
                raise problem(str(folder), "", f"no {shown(name)}", _ALLOWED)
            continue
        (beside / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            (beside / name).symlink_to(source.resolve())
        except OSError:  # a system that forbids links
            shutil.copyfile(source, beside / name)
    return beside


def write_run_report_to(
    folder: Path,
    out: Path,
    *,
    clinic: Path | None = None,
    against: Path | None = None,
    edition: str = COMMITTEE,
    pdf: bool = False,
) -> list[str]:
    """Write the page of a run to a file; lines for the terminal: the answer and the files.

    Parameters are those of :func:`report` and of :meth:`Report.save`.
    """
    if pdf:
        browser_path()
    finished = report(folder, clinic=clinic, against=against, edition=edition)
    files = finished.save(out, pdf=pdf)
    return [*([finished.answer] if finished.answer else []), *(f"Report: {path}" for path in files)]
