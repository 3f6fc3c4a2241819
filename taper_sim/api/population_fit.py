"""Populations fitted to many patients' check-ins. Imports ``api``, ``inference.population``, ``run_folder``."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from taper_sim.api import display
from taper_sim.api.argument_files import Table, named_by_argument, table_path
from taper_sim.api.arguments import names_checked
from taper_sim.api.temporary import TemporaryFolder
from taper_sim.data.problems import problem
from taper_sim.run_folder import check_file_writable
from taper_sim.units import DEFAULT_SEED

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


@dataclass(eq=False)
class Population:
    """A population fitted to many patients' check-ins.

    Attributes
    ----------
    path : Path
        The file (NetCDF); temporary until :meth:`save`.
    table : DataFrame
        A row a parameter: centre and spread between patients, mean and 90 % interval, r-hat, effective sample size.
    temporary : TemporaryFolder or None
        Keeps the folder of a file that is not saved.
    """

    path: Path
    temporary: TemporaryFolder | None = field(default=None, repr=False)

    @cached_property
    def _attributes(self) -> dict[str, Any]:
        return {str(name): value for name, value in self.to_xarray().attrs.items()}

    @property
    def trusted(self) -> bool:
        """Whether the sampler's diagnostics pass."""
        return bool(self._attributes["trusted"])

    @property
    def failures(self) -> list[str]:
        """Diagnostics that fail, each with the repair; empty if all pass."""
        return [line for line in str(self._attributes["why_not"]).split("; ") if line]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Centre and spread of each parameter, on the log scale if the parameter is logarithmic."""
        tree = self.to_xarray()
        posterior, diagnostics = tree["posterior"], tree["diagnostics"]
        rows = []
        for what in ("centre", "spread"):
            draws = posterior[what].stack(every=("chain", "draw"))
            for value in posterior["value"].to_numpy():
                x = draws.sel(value=value).to_numpy()
                low, high = pd.Series(x).quantile([0.05, 0.95])
                rows.append((what, str(value), float(x.mean()), float(low), float(high)))
        table = pd.DataFrame(rows, columns=["what", "value", "mean", "lo90", "hi90"])
        named = [str(name) for name in diagnostics["hyperparameter"].to_numpy()]
        for column in ("rhat", "ess_bulk", "ess_tail"):
            by_name = dict(zip(named, diagnostics[column].to_numpy(), strict=True))
            table[column] = [
                next((x for name, x in by_name.items() if str(row.what) in name and str(row.value) in name), None)
                for row in table.itertuples()
            ]
        return table

    def to_xarray(self) -> "xr.DataTree":
        """Posterior, prior, predictive draws and diagnostics as groups of arrays."""
        import xarray as xr

        with xr.open_datatree(self.path, engine="h5netcdf") as tree:
            return tree.load()

    def plot(self) -> "Figure":
        """Draw the centre and spread between patients of each parameter with 90 % intervals."""
        from taper_sim.api.other_plots import population_figure

        return population_figure(self.table)

    def save(self, path: str | Path) -> Path:
        """Write the file, for ``taper_sim.recommend(…, population=path)``."""
        target = Path(path)
        check_file_writable(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.resolve() != self.path.resolve():
            shutil.copyfile(self.path, target)
        return target

    def _lines(self) -> list[str]:
        trust = "Diagnostics pass." if self.trusted else f"Not trustworthy: {'; '.join(self.failures)}."
        return [f"{self._attributes['population_id']}: {self._attributes['origin']}.", trust, display.basis_line(False)]

    def __repr__(self) -> str:
        return "\n".join([*self._lines(), self.table.round(3).to_string(index=False)])

    def _repr_html_(self) -> str:
        return display.paragraphs(self._lines()) + display.table_html(self.table)


@names_checked
def fit(
    checkins: Table,
    doses: Table,
    patients: Table | None = None,
    *,
    draws: int = 1000,
    tune: int = 500,
    chains: int = 2,
    person_draws: int = 1024,
    robust: bool = False,
    missing: Literal["ignored", "modelled"] = "ignored",
    seed: int = DEFAULT_SEED,
    progress: bool | Callable[[str], None] = True,
) -> Population:
    """Fit a population to many patients' check-ins.

    Parameters
    ----------
    checkins, doses : path or DataFrame
        As for :func:`taper_sim.recommend`, of many patients.
    patients : path or DataFrame, optional
        Baselines and flags, a row a patient.
    draws, tune, chains : int, optional
        Draws and tuning draws a chain; number of chains.
    person_draws : int, optional
        Draws a patient, a power of two.
    robust : bool, optional
        Whether patients vary by a Student t, in which a few unusual patients weigh less.
    missing : "ignored" or "modelled", optional
        Treatment of days without an answer.
    seed : int, optional
    progress : bool or callable, optional
        Whether to print the steps, or a function that receives each line.

    Returns
    -------
    Population
        Check ``trusted`` and ``failures`` before use.

    Examples
    --------
    >>> import taper_sim as ts
    >>> population = ts.fit("examples/checkins.csv", "examples/doses.csv", draws=20, tune=20, person_draws=64,
    ...                     progress=False)
    >>> population.trusted  # forty draws are too few
    False
    """
    from taper_sim.inference.population.files import fit_files
    from taper_sim.inference.population.fit import Settings

    if missing not in ("ignored", "modelled"):
        raise problem("fit", "missing", missing, "ignored, modelled")
    temporary = TemporaryFolder()
    log: Callable[[str], None] = progress if callable(progress) else print if progress else lambda line: None
    options = {f"--{name.replace('_', '-')}": name for name in ("draws", "tune", "chains", "seed", "person_draws")}
    with named_by_argument(temporary.path, options):
        settings = Settings(draws, tune, chains, seed, robust, missing == "modelled", person_draws)
        settings.check()
        people_file = None if patients is None else table_path(patients, "patients", temporary.path)
        out = temporary.path / "population.nc"
        tables = (table_path(checkins, "checkins", temporary.path), table_path(doses, "doses", temporary.path))
        fit_files(*tables, people_file, out, settings, log)
    return Population(out, temporary)
