"""Mean of everybody beside the mean of the worst 5 %. Imports ``data.problems``, ``report.run_tables``."""

import pandas as pd

from taper_sim.data.problems import InputError, Problem, nearest
from taper_sim.report.run_tables import TAIL

_KEYS = ["protocol", "subgroup"]


def tail_table(summary: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """A row a protocol and subgroup of a summary; see ``Comparison.tail``."""
    known = [name.removesuffix(TAIL) for name in dict.fromkeys(summary["outcome"]) if name.endswith(TAIL)]
    if outcome not in known:
        given = f"{outcome!r}, without a worst 5 %{nearest(outcome, known)}"
        raise InputError(Problem("tail", "outcome", given, ", ".join(known)))
    everybody = summary.loc[summary["outcome"] == outcome, [*_KEYS, "n", "mean", "lo95", "hi95", "unit"]]
    worst = summary.loc[summary["outcome"] == outcome + TAIL, [*_KEYS, "mean", "lo95", "hi95"]]
    worst = worst.rename(columns={"mean": "worst5", "lo95": "worst5_lo95", "hi95": "worst5_hi95"})
    table = everybody.merge(worst, on=_KEYS, validate="1:1")
    return table[[*_KEYS, "n", "mean", "lo95", "hi95", "worst5", "worst5_lo95", "worst5_hi95", "unit"]]
