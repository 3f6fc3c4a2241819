"""One patient's latent states by day. Imports ``api``, ``experiments.trace_patient``, ``run_folder``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

from taper_sim.api.argument_files import Keys, keys_path, named_by_argument
from taper_sim.api.arguments import names_checked
from taper_sim.api.temporary import TemporaryFolder
from taper_sim.data.problems import problem
from taper_sim.run_folder import write_csv
from taper_sim.units import DEFAULT_SEED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TRACE_SHOWN: Final = ("day", "withdrawal", "pain", "distress", "function")


@dataclass(eq=False)
class Trace:
    """One patient's latent states by day.

    Attributes
    ----------
    days : DataFrame
        A row a day; row 0 is the start.
    tablets : DataFrame
        First day of each dispensed dose and its tablets; empty without a protocol.
    """

    days: pd.DataFrame
    tablets: pd.DataFrame

    def plot(self) -> "Figure":
        """Draw dose, withdrawal, pain, function and distress by day."""
        from taper_sim.api.other_plots import trace_figure

        return trace_figure(self.days)

    def save(self, path: str | Path) -> Path:
        """Write the days as CSV."""
        write_csv(self.days, Path(path))
        return Path(path)

    def __repr__(self) -> str:
        shown = self.days[[c for c in self.days.columns if c in _TRACE_SHOWN or c.startswith("dose_")]]
        return f"{len(self.days) - 1} days\n{shown.iloc[:: max(1, len(shown) // 10)].to_string(index=False)}"

    def _repr_html_(self) -> str:
        rows = self.days.iloc[:: max(1, len(self.days) // 20)]
        return rows.to_html(index=False, border=0, float_format="{:.3g}".format)


@names_checked
def trace(patient: Keys, *, protocol: str | None = None, days: int | None = None, seed: int = DEFAULT_SEED) -> Trace:
    """Follow one patient's latent states by day, without random events.

    Parameters
    ----------
    patient : path, mapping or Patient
        Patient file, or its content.
    protocol : str, optional
        Call of a protocol; the dose is then the one that tablets can give. The patient's ``schedule`` if omitted.
    days : int, optional
    seed : int, optional

    Returns
    -------
    Trace

    Examples
    --------
    >>> import taper_sim as ts
    >>> taper = ts.trace("examples/patient.yaml", protocol="linear(pct=10, every=28)", days=84)
    >>> taper.days[["day", "dose_opioid"]].iloc[[0, 84]]
        day  dose_opioid
    0     0         90.0
    84   84         60.0
    """
    from taper_sim.experiments.trace_patient import trace_patient

    temporary = TemporaryFolder()
    options = {"--protocol": "protocol", "--days": "days", "--seed": "seed"}
    with named_by_argument(temporary.path, options):
        path = keys_path(patient, "patient", temporary.path)
        if path is None:
            raise problem("trace", "patient", "nothing", "a patient file, or a mapping")
        states = trace_patient(path, protocol=protocol, n_days=days, seed=seed)
    return Trace(states.days, states.tablets)
