"""The tables of docs/calibration.md, generated from the committed tables of the fit. Imports ``run_folder``.

Each stands between ``<!-- table: NAME -->`` and ``<!-- end -->``; ``report.reference_pages`` writes them.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from taper_sim.report.listings import markdown_table
from taper_sim.run_folder import read_table

INFORMED_SD: Final = 0.9
"""Posterior sd, in prior sds, below which the page lists a parameter as informed. A choice of presentation."""
LEAST_MOVED: Final = 0.4
"""The same of the absolute posterior mean."""
_TABLE: Final = re.compile(r"(<!-- table: (\w+) -->\n).*?(\n?<!-- end -->)", re.DOTALL)


def _number(value: float) -> str:
    return f"{value:.3g}"


def _interval(row: Mapping[Any, Any], name: str) -> str:
    """A value with its interval, such as ``1.28 (1.02 to 1.6)``."""
    middle, low, high = (_number(row[f"{name}{end}"]) for end in ("", "_lo", "_hi"))
    return f"{middle} ({low} to {high})"


def _run(tables: Path) -> str:
    rows = read_table(tables / "calibration_run.csv").astype(str)
    return markdown_table(("", "value"), rows.itertuples(index=False, name=None))


def _parameters(tables: Path) -> str:
    every = read_table(tables / "calibration_parameters.csv")
    listed = every[(every["z_sd"] < INFORMED_SD) | (every["z_mean"].abs() >= LEAST_MOVED)].sort_values("z_sd")
    header = ("parameter", "prior median (95 %)", "posterior median (95 %)", "mean z", "sd z", "targets")
    return markdown_table(
        header,
        (
            (
                f"`{r['parameter']}`",
                _interval(r, "prior"),
                _interval(r, "posterior"),
                f"{r['z_mean']:+.2f}",
                f"{r['z_sd']:.2f}",
                str(r["targets"]),
            )
            for r in listed.to_dict("records")
        ),
    )


def _targets(tables: Path) -> str:
    header = ("", "study", "statistic, outcome", "published", "prior", "posterior", "inside", "discrepancy", "gap")
    return markdown_table(
        header,
        (
            (
                str(r["id"]),
                str(r["study"]),
                f"{r['statistic']} {r['outcome']}".replace("_", " "),
                _interval(r, "published"),
                _interval(r, "prior"),
                _interval(r, "posterior"),
                f"{r['prior_inside']} / {r['posterior_inside']}",
                f"{r['discrepancy']:+.2f}",
                f"{r['gap_in_se']:+.1f}",
            )
            for r in read_table(tables / "calibration_targets.csv").to_dict("records")
        ),
    )


def _inside(tables: Path) -> str:
    rows = read_table(tables / "calibration_targets.csv")

    def counted(draws: str) -> tuple[str, str, str]:
        inside = rows[f"{draws}_inside"] == "yes"
        return draws, f"{inside.sum()} of {len(rows)}", str((inside & (rows[f"{draws}_width"] <= 2.0)).sum())

    header = ("draws", "published number inside", "of these in an interval at most twice as wide as the published")
    return markdown_table(header, map(counted, ("prior", "posterior")))


def _left_out(tables: Path) -> str:
    rows = read_table(tables / "leave_one_out_summary.csv")
    return markdown_table(tuple(rows.columns), rows.astype(str).itertuples(index=False, name=None))


def _as_it_is(name: str, tables: Path) -> str:
    """A table as its file has it; cells without a number are empty."""
    rows = read_table(tables / f"{name}.csv")
    cells = (tuple("" if cell != cell else str(cell) for cell in row) for row in rows.itertuples(index=False))
    return markdown_table(tuple(rows.columns), cells)


_TABLES: Final[Mapping[str, Callable[[Path], str]]] = {
    "run": _run,
    "parameters": _parameters,
    "inside": _inside,
    "targets": _targets,
    "left_out": _left_out,
    "causal_share": partial(_as_it_is, "calibration_causal_share"),
    "causal_turns": partial(_as_it_is, "calibration_causal_turns"),
    "trial": partial(_as_it_is, "calibration_trial"),
    "trial_fit": partial(_as_it_is, "calibration_trial_fit"),
}


def with_tables(text: str, tables: Path) -> str:
    """The page with every marked table made from the CSV files of a folder."""
    return _TABLE.sub(lambda mark: f"{mark[1]}{_TABLES[mark[2]](tables)}{mark[3]}", text)
