"""HTML of results for notebooks. Imports ``tables``."""

from collections.abc import Iterable
from html import escape

import pandas as pd

from taper_sim import tables

UNCALIBRATED = f"Not calibrated to published results. {tables.UNREVIEWED.capitalize()}."


def paragraphs(lines: Iterable[str]) -> str:
    """Lines of text as HTML paragraphs."""
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def table_html(table: pd.DataFrame) -> str:
    """A small table as HTML, its index first."""
    return str(table.to_html(border=0, float_format="{:.4g}".format, na_rep="–"))
