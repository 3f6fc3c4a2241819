"""Mean of everybody beside the mean of the worst 5 %. Imports ``data.problems``, ``report.tail_figure``."""

import pandas as pd

from taper_sim.data.problems import InputError, Problem, nearest
from taper_sim.report.run_tables import TAIL
from taper_sim.report.tail_figure import tail_rows


def tail_table(summary: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """A row a protocol and subgroup of a summary; see ``Comparison.tail``."""
    known = [name.removesuffix(TAIL) for name in dict.fromkeys(summary["outcome"]) if name.endswith(TAIL)]
    if outcome not in known:
        given = f"{outcome!r}, without a worst 5 %{nearest(outcome, known)}"
        raise InputError(Problem("tail", "outcome", given, ", ".join(known)))
    return tail_rows(summary, outcome)
