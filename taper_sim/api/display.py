"""HTML of results for notebooks. Imports ``report.methods``, ``tables``."""

from collections.abc import Iterable
from html import escape
from typing import Final

import pandas as pd

from taper_sim import tables
from taper_sim.report.methods import calibration_sentence

UNREVIEWED_LINE: Final = f"{tables.UNREVIEWED.capitalize()}."
"""That no clinician has reviewed the tables, in a sentence."""


def basis_line(calibrated: bool) -> str:
    """Whether the parameters were fitted to published results, and that the tables are not reviewed."""
    return f"{calibration_sentence(calibrated)} {UNREVIEWED_LINE}"


def paragraphs(lines: Iterable[str]) -> str:
    """Lines of text as HTML paragraphs."""
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def table_html(table: pd.DataFrame) -> str:
    """A small table as HTML, its index first."""
    return str(table.to_html(border=0, float_format="{:.4g}".format, na_rep="–"))
