"""HTML of results for notebooks. Imports ``report.methods``, ``tables``."""

import sys
from collections.abc import Iterable
from html import escape
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from taper_sim import tables
from taper_sim.report.methods import calibration_sentence

UNREVIEWED_LINE: Final = f"{tables.UNREVIEWED.capitalize()}."
"""That no clinician has reviewed the tables, in a sentence."""


def basis_line(calibrated: bool) -> str:
    """Whether the parameters were fitted to published results, and that the tables are not reviewed."""
    return f"{calibration_sentence(calibrated)} {UNREVIEWED_LINE}"


def show_figures() -> None:
    """Make a notebook show figures as pictures.

    IPython registers this for figures that ``matplotlib.pyplot`` made; the figures of this package are made without it.
    """
    if "IPython" not in sys.modules:
        return
    from IPython.core.getipython import get_ipython
    from IPython.core.pylabtools import select_figure_formats

    shell = get_ipython()
    if shell is not None and shell.display_formatter is not None:
        formatter = shell.display_formatter.formatters["image/png"]
        if Figure not in formatter.type_printers:
            select_figure_formats(shell, {"png"})


def paragraphs(lines: Iterable[str]) -> str:
    """Lines of text as HTML paragraphs."""
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def table_html(table: pd.DataFrame) -> str:
    """A small table as HTML, its index first."""
    return str(table.to_html(border=0, float_format="{:.4g}".format, na_rep="–"))
