"""Published results repeated as simulated studies. Imports ``experiments``, ``report``, ``api``."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from taper_sim.api import display
from taper_sim.api.argument_files import Table, named_by_argument, table_path
from taper_sim.api.arguments import names_checked
from taper_sim.api.progress import progress_bar
from taper_sim.api.saving import save_run
from taper_sim.api.temporary import TemporaryFolder
from taper_sim.data.problems import problem
from taper_sim.report.validation_report import (
    answer_of,
    by_width,
    cautions_of,
    read_validation,
    validation_figure,
    validation_text,
)
from taper_sim.run_folder import MANIFEST_FILE, read_record
from taper_sim.units import DRAWS_FROM, DrawsFrom

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ARGUMENTS: Final = {
    "--patients": "patients",
    "--draws": "draws",
    "--seed": "seed",
    "--draws-from": "draws_from",
    "--workers": "workers",
}
_SHOWN: Final = ["id", "statistic", "outcome", "published", "published_lo", "published_hi"]
_SIMULATED: Final = ["simulated", "simulated_lo", "simulated_hi", "inside", "status"]


class ValidationPlots:
    """Figures of a validation; a call draws the forest plot."""

    def __init__(self, table: pd.DataFrame):
        self._table = table

    def __repr__(self) -> str:
        return ".plot() and .plot.forest() draw published beside simulated results"

    def __call__(self) -> "Figure":
        """Draw the forest plot."""
        return self.forest()

    def forest(self) -> "Figure":
        """Draw each published result with its interval beside the simulated one."""
        display.show_figures()
        return validation_figure(self._table)[0]


@dataclass(eq=False)
class Validation:
    """Published results beside their simulated studies.

    Attributes
    ----------
    frame : DataFrame
        A row for each row of the table: ``id, study, statistic, outcome``, ``published`` and ``simulated`` with their
        intervals, ``inside`` (yes or no), ``status`` (``simulated``, or why not), and further columns
        (docs/validation.md).
    folder : Path
        Output folder; temporary until :meth:`save`.
    manifest : dict
    problems : list of str
        What is wrong with rows of the table, a line each; empty for a loaded run.
    temporary : TemporaryFolder or None
        Keeps the folder of a run that is not saved.
    """

    frame: pd.DataFrame
    folder: Path
    manifest: dict[str, Any] = field(repr=False)
    problems: list[str] = field(default_factory=list, repr=False)
    temporary: TemporaryFolder | None = field(default=None, repr=False)

    @property
    def answer(self) -> str:
        """The result in one sentence."""
        return answer_of(self.frame)

    @property
    def text(self) -> str:
        """Answer, counts, results outside their interval, and rows that were not simulated."""
        return validation_text(self.frame)

    @property
    def plot(self) -> ValidationPlots:
        """Figures: ``.plot()`` is the forest plot."""
        return ValidationPlots(self.frame)

    @property
    def by_width(self) -> pd.DataFrame:
        """Rows simulated and inside by the origin of the published interval; narrow intervals are counted apart."""
        return by_width(self.frame)

    def save(self, folder: str | Path) -> Path:
        """Copy the output folder, with its report.

        Parameters
        ----------
        folder : path
            Empty or new; a folder with the same run is replaced.
        """
        if not (self.folder / MANIFEST_FILE).is_file():
            raise problem("save", "", "a validation loaded from its table alone", "the folder of a finished run")
        return save_run(self.folder, Path(folder))

    def __repr__(self) -> str:
        return "\n".join([self.text, *self.problems])

    def _repr_html_(self) -> str:
        lines = [self.answer, *self.problems, *cautions_of(self.frame)]
        return display.paragraphs(lines) + display.table_html(self.frame[[*_SHOWN, *_SIMULATED]])


def load_validation_table(path: Path) -> Validation:
    """Load the table of a validation without its folder, such as the one in the documentation."""
    table = read_validation(path)
    lacking = [name for name in (*_SHOWN, *_SIMULATED) if name not in table]
    if lacking:
        raise problem(str(path), "", f"no column {', '.join(lacking)}", "validation.csv of a finished validation")
    return Validation(table, path.parent, {})


def load_validation(folder: Path) -> Validation:
    """Load a finished validation."""
    manifest = read_record(folder / MANIFEST_FILE, {}, "the folder of a finished run")
    return Validation(read_validation(folder / "validation.csv"), folder, manifest)


@names_checked
def validate(
    table: Table | None = None,
    *,
    patients: int | None = None,
    draws: int | None = None,
    seed: int | None = None,
    draws_from: DrawsFrom = DRAWS_FROM,
    workers: int = 2,
    progress: bool = True,
) -> Validation:
    """Repeat published results as simulated studies and compare.

    Parameters
    ----------
    table : path or DataFrame, optional
        Published results, a row each, in coded columns (docs/validation.md). The package's own table if omitted.
    patients : int, optional
        People of a study over all draws; results on events take four times as many. 20,000 if omitted.
    draws : int, optional
        Draws of the parameters; 50 if omitted.
    seed : int, optional
        20260101 if omitted.
    draws_from : str, optional
        Origin of the draws: ``prior``, or ``published`` for those fitted to published results (docs/calibration.md).
    workers : int, optional
        Threads; no number depends on it.
    progress : bool, optional
        Whether to show a bar.

    Returns
    -------
    Validation
        A row that cannot be simulated has the reason as its ``status``.

    Raises
    ------
    InputError
        If the file is no table of published results.

    Examples
    --------
    >>> import pandas as pd
    >>> import taper_sim as ts
    >>> table = pd.DataFrame([{
    ...     "id": "T1", "study": "trial", "statistic": "mean_difference", "outcome": "dose_end_mme", "value": -40,
    ...     "lo95": -60, "hi95": -20, "day": 28, "arm": "linear(pct=50, every=14)", "reference_arm": "constant()",
    ...     "cohort": "drug_class=opioid;mme_mean=90;imposed=no"}])
    >>> result = ts.validate(table, patients=60, draws=3, progress=False)
    >>> result.frame[["id", "published", "status"]]
       id  published     status
    0  T1      -40.0  simulated
    """
    from taper_sim.api.reported_runs import run_validation
    from taper_sim.experiments.validation_run import ValidationOptions

    default = ValidationOptions()
    options = ValidationOptions(
        default.people if patients is None else patients,
        default.draws if draws is None else draws,
        default.seed if seed is None else seed,
        draws_from,
    )
    temporary = TemporaryFolder()
    problems: list[str] = []
    with named_by_argument(temporary.path, _ARGUMENTS), progress_bar(shown=progress) as bar:
        path = None if table is None else table_path(table, "table", temporary.path)
        run = run_validation(path, options, temporary.path / "run", bar, workers=workers, log=problems.append)
    if path is not None and path.parent == temporary.path:
        problems = [line.replace(str(path), "table", 1) for line in problems]
    loaded = load_validation(run.folder)
    return Validation(loaded.frame, loaded.folder, loaded.manifest, problems, temporary)
