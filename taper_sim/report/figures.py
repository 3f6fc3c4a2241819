"""Figures of a comparison for print, each with its data as CSV. Imports ``run_tables``, the modules of the figures.

``trajectory_figure``, ``forest_figure``, ``tail_figure`` and ``pareto_figure`` take data frames and return a figure and
its data. :func:`write_figures` reads an output folder only. The same folder gives the same bytes.
"""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.report.drawing import svg
from taper_sim.report.forest_figure import FOREST_OUTCOMES, forest_data, forest_figure
from taper_sim.report.pareto_figure import WITHDRAWAL_LIMIT, pareto_axes, pareto_data, pareto_figure
from taper_sim.report.run_tables import RunTables, read_run
from taper_sim.report.tail_figure import tail_data, tail_figure
from taper_sim.report.trajectory_figure import trajectories_figure
from taper_sim.run_folder import write_csv, write_text

__all__ = ["FOREST_OUTCOMES", "WITHDRAWAL_LIMIT", "all_figures", "pareto_axes", "write_figures"]


def all_figures(run: RunTables) -> dict[str, tuple[Figure, pd.DataFrame]]:
    """All figures of a run by name, without those in which every cell has fewer than :data:`SMALLEST_CELL` people."""
    figures = {}
    if (run.trajectories["n"] >= SMALLEST_CELL).any():
        figures["trajectories"] = trajectories_figure(run.trajectories, run.protocols, run.reference)
    if not forest_data(run.differences).empty:
        figures["forest"] = forest_figure(run.differences, run.protocols, run.reference)
    if not (tail := tail_data(run.summary)).empty:
        figures["tail"] = tail_figure(tail, run.protocols, run.reference)
    outcomes = pareto_axes(run.summary)
    if outcomes is not None and not pareto_data(run.summary, run.protocols, *outcomes).empty:
        figures["pareto"] = pareto_figure(run.summary, run.protocols, run.reference, *outcomes)
    return figures


def write_figures(folder: Path, run: RunTables | None = None) -> list[Path]:
    """Write ``figures/NAME.svg`` and ``figures/NAME.csv`` of an output folder.

    Parameters
    ----------
    folder : Path
        Output folder of a finished run; the function reads its manifest and its tables only.
    run : Run, optional
        The run, if the caller has read it.

    Returns
    -------
    list of Path
        The new files, each SVG before its CSV.
    """
    run = read_run(folder) if run is None else run
    written = []
    for name, (figure, data) in all_figures(run).items():
        content = svg(figure, f"{run.manifest['scenario']['name']}: {name}")
        picture, numbers = folder / "figures" / f"{name}.svg", folder / "figures" / f"{name}.csv"
        write_text(picture, content)
        write_csv(data, numbers)
        written += [picture, numbers]
    return written
