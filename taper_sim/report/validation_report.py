"""A validation as text, forest plot and page. Imports ``evidence``, ``report``, ``tables``.

Everything is computed from ``validation.csv``, so that a saved run gives the same text.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from taper_sim import tables
from taper_sim.evidence.coded_words import STATISTICS
from taper_sim.evidence.predictive_interval import STUDY_ERROR
from taper_sim.evidence.study_runs import COLUMNS, SIMULATED
from taper_sim.report.drawing import BLUE, DOUBLE_COLUMN_MM, GREY, ORANGE, PRINT, empty_figure, wrapped
from taper_sim.report.listings import as_table
from taper_sim.report.page_parts import PageSection, PageTable, RunPage, picture, write_figure
from taper_sim.report.wording import count
from taper_sim.run_folder import MANIFEST_FILE, read_record, read_table

MOST_DRAWN: Final = 120
"""Rows of a forest plot; the table has the others. A design choice."""
WIDEST: Final = 2.0
"""Width of a predictive interval, in published widths, up to which it is narrow. Source: the project's aim."""
NOISY: Final = 0.5
"""Share of the variance between draws, caused by few people, above which a result needs more people."""
_REASON_LETTERS: Final = 200  # of a reason in the terminal; validation.csv has the whole reason
_ROW_MM: Final = 4.0
_WIDTHS: Final = {
    "ci": "published interval",
    "n": "interval from the number of people",
    "pct25": "interval by convention, ± 25 %",
}
_PANELS: Final = {
    "log": "ratios and rates",
    "logit": "shares",
    "linear": "means and differences: 0 is the published value, ± 1 its interval",
}
_NOT_FOR: Final = "A published association is not the effect of a taper"


_TEXTS: Final = (
    "id",
    "study",
    "statistic",
    "outcome",
    "inside",
    "inside_new_study",
    "status",
    "width_from",
    "calibrated",
    "arm",
    "reference_arm",
    "cohort",
    "coded_confidence",
)


def read_validation(path: Path) -> pd.DataFrame:
    """Read ``validation.csv``: texts as they are, also an id such as NA or 007, and empty numbers as NaN."""
    numbers = {name: [""] for name in COLUMNS if name not in _TEXTS}
    return read_table(path, dtype=dict.fromkeys(_TEXTS, str), keep_default_na=False, na_values=numbers)


def _simulated(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["status"] == SIMULATED]


def answer_of(table: pd.DataFrame) -> str:
    """The result in one sentence."""
    done = _simulated(table)
    if done.empty:
        return f"None of the {len(table)} rows could be simulated."
    inside = done["inside"] == "yes"
    narrow = inside & (done["width_ratio"] <= WIDEST)
    return (
        f"{int(inside.sum())} of {len(done)} published results ({inside.mean():.0%}) lie inside the simulated 95 % "
        f"predictive interval, {int(narrow.sum())} of them inside one at most twice as wide as the published interval."
    )


def cautions_of(table: pd.DataFrame) -> list[str]:
    """What a reader must know beside the answer, a line each."""
    done = _simulated(table)
    lines = []
    if len(done):
        held = done["inside_new_study"] == "yes"
        lines.append(
            f"A study that nobody fitted has an error of its own ({STUDY_ERROR:.0%} of a ratio or of odds). With this "
            f"error {int(held.sum())} of {len(done)} ({held.mean():.0%}) lie inside (columns new_study)."
        )
    noisy = int(((done["noise_share"] > NOISY) & (done["n_draws"] > 1)).sum())
    if noisy:
        lines.append(
            f"{count(noisy, 'result')}: more than half of the variance between draws came from the number of simulated "
            "people. It was taken out, so that the interval may be too narrow; take more people (--patients)."
        )
    together = int((done["n_draws"] < done["n_draws"].max()).sum()) if len(done) else 0
    if together:
        lines.append(
            f"{count(together, 'result')}: too few events to estimate each draw, so all draws were estimated together; "
            "the interval has no spread over parameters."
        )
    if (done["calibrated"] == "no").any():
        lines.append("Not calibrated to published results: the draws are of the prior.")
    return [*lines, f"{_NOT_FOR} (docs/validation.md). {tables.UNREVIEWED.capitalize()}."]


def _shown(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{value:.3g}"


def _interval(row: dict[Any, Any], name: str) -> str:
    return f"{_shown(row[name])} ({_shown(row[f'{name}_lo'])} to {_shown(row[f'{name}_hi'])})"


def by_width(table: pd.DataFrame) -> pd.DataFrame:
    """Rows simulated and inside, by the origin of the published interval."""
    done = _simulated(table)
    rows = []
    for name, words in _WIDTHS.items():
        part = done[done["width_from"] == name] if name != "ci" else done[~done["width_from"].isin(["n", "pct25"])]
        narrow = part["width_ratio"] <= WIDEST
        inside = part["inside"] == "yes"
        rows.append((words, len(part), int(inside.sum()), int((inside & narrow).sum())))
    return pd.DataFrame(rows, columns=["published interval", "simulated", "inside", "inside and narrow"])


def validation_text(table: pd.DataFrame) -> str:
    """Answer, counts, results outside their interval, reasons of rows that were not simulated, cautions."""
    counts = by_width(table)
    parts = [answer_of(table), "", as_table(list(counts.columns), counts.to_numpy().tolist())]
    outside = table[(table["status"] == SIMULATED) & (table["inside"] == "no")]
    if len(outside):
        listed = [
            (
                row["id"],
                row["study"],
                row["statistic"],
                row["outcome"],
                _interval(row, "published"),
                _interval(row, "simulated"),
            )
            for row in outside.to_dict("records")
        ]
        header = ("id", "study", "statistic", "outcome", "published", "simulated")
        parts += ["", "Outside:", as_table(header, listed)]
    reasons = Counter(str(status) for status in table["status"] if status != SIMULATED)
    if reasons:
        lines = (
            f"{n} row(s): {shorten(text.partition(': ')[2], _REASON_LETTERS)}" for text, n in reasons.most_common()
        )
        parts += ["", "Not simulated:", *lines]
    return "\n".join([*parts, "", *cautions_of(table)])


# -- forest plot -------------------------------------------------------------------------------------------------------


def forest_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the forest plot by panel, at most :data:`MOST_DRAWN`; differences in published half widths."""
    done = _simulated(table).head(MOST_DRAWN).copy()
    done["panel"] = [STATISTICS[name].scale for name in done["statistic"]]
    linear = done["panel"] == "linear"
    half = (done["published_hi"] - done["published_lo"]) / 2.0
    for name in ("simulated", "simulated_lo", "simulated_hi", "model_lo", "model_hi", "published_lo", "published_hi"):
        done[name] = done[name].where(~linear, (done[name] - done["published"]) / half)
    done["published"] = done["published"].where(~linear, 0.0)
    order = {name: k for k, name in enumerate(_PANELS)}
    return done.sort_values("panel", key=lambda panel: panel.map(order), kind="stable")


def validation_figure(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw each published result with its interval beside the simulated one; the figure and its data."""
    rows = forest_rows(table)
    panels = [name for name in _PANELS if (rows["panel"] == name).any()]
    heights = [int((rows["panel"] == name).sum()) for name in panels]
    with mpl.rc_context(PRINT):
        figure = empty_figure(DOUBLE_COLUMN_MM, 24.0 + _ROW_MM * sum(heights) + 12.0 * len(panels), fitted=True)
        if panels:
            grid = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights}).ravel()
            for axes, name in zip(grid, panels, strict=True):
                _draw_panel(axes, rows[rows["panel"] == name], name)
            figure.legend(handles=_keys(), loc="outside lower center", ncols=3)
    names = ["id", "study", "statistic", "outcome", "panel", "published", "published_lo", "published_hi"]
    return figure, rows[[*names, "simulated", "simulated_lo", "simulated_hi", "model_lo", "model_hi", "inside"]]


def _draw_panel(axes: Axes, rows: pd.DataFrame, panel: str) -> None:
    y = np.arange(len(rows), dtype=np.float64)
    inside = (rows["inside"] == "yes").to_numpy()
    axes.hlines(y - 0.18, rows["published_lo"], rows["published_hi"], color="black", linewidth=1.0)
    axes.plot(rows["published"], y - 0.18, "D", color="black", markersize=3.0)
    for chosen, colour, marker in ((inside, BLUE, "o"), (~inside, ORANGE, "s")):
        part = rows[chosen]
        axes.hlines(y[chosen] + 0.18, part["simulated_lo"], part["simulated_hi"], color=colour, linewidth=1.0)
        axes.hlines(y[chosen] + 0.18, part["model_lo"], part["model_hi"], color=colour, linewidth=2.4, alpha=0.5)
        axes.plot(part["simulated"], y[chosen] + 0.18, marker, color=colour, markersize=3.2)
    labels = [wrapped(f"{r['id']} {r['statistic']}, {r['outcome']}", 62, 1) for r in rows.to_dict("records")]
    axes.set_yticks(y, labels)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_title(_PANELS[panel])
    if panel == "log":
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.axvline(1.0, color=GREY, linewidth=0.6)
    elif panel == "logit":
        axes.set_xlim(-0.02, 1.02)
    else:
        axes.axvline(0.0, color=GREY, linewidth=0.6)
        axes.set_xscale("symlog", linthresh=2.0)
        axes.set_xticks([-50, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 50])
        far = float(
            np.nanmax(np.abs(rows[["simulated_lo", "simulated_hi", "published_lo", "published_hi"]].to_numpy()))
        )
        axes.set_xlim(-1.1 * far, 1.1 * far)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _keys() -> list[Line2D]:
    return [
        Line2D([], [], color="black", marker="D", markersize=3.0, linewidth=1.0, label="published, 95 % interval"),
        Line2D([], [], color=BLUE, marker="o", markersize=3.2, linewidth=1.0, label="simulated, published inside"),
        Line2D([], [], color=ORANGE, marker="s", markersize=3.2, linewidth=1.0, label="simulated, published outside"),
    ]


# -- the page ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ValidationTables:
    """Manifest and table of the output folder of a validation."""

    manifest: dict[str, Any]
    table: pd.DataFrame


def read_validation_run(folder: Path) -> ValidationTables:
    """Read the manifest and the table of a finished validation."""
    manifest = read_record(folder / MANIFEST_FILE, {"kind": str}, "the folder of a finished run")
    return ValidationTables(manifest, read_validation(folder / "validation.csv"))


def results_table(table: pd.DataFrame) -> PageTable:
    """Every row: published, simulated, inside or the reason."""
    rows = tuple(
        (
            str(row["id"]),
            str(row["study"]),
            str(row["statistic"]),
            str(row["outcome"]),
            _interval(row, "published"),
            _interval(row, "simulated") if row["status"] == SIMULATED else "–",
            str(row["inside"]) if row["status"] == SIMULATED else str(row["status"]),
        )
        for row in table.to_dict("records")
    )
    heads = ("Id", "Study", "Statistic", "Outcome", "Published", "Simulated", "Inside")
    return PageTable("Each published result, with its simulated study.", heads, rows)


def validation_page(folder: Path, tables: ValidationTables) -> RunPage:
    """The page; the figure is written into the folder."""
    table = tables.table
    drawn = write_figure(folder, "validation", "Published results beside simulated studies", validation_figure(table))
    counts = by_width(table)
    widths = PageTable(
        "By the origin of the published interval.",
        tuple(str(name).capitalize() for name in counts.columns),
        tuple(tuple(str(cell) for cell in row) for row in counts.to_numpy().tolist()),
    )
    shown = picture(
        folder,
        drawn[0],
        "Published results beside simulated studies",
        f"Black: published, with its 95 % interval. Below it: simulated; the thick line is the uncertainty of the "
        f"parameters, the thin one is the predictive interval. At most {MOST_DRAWN} results are drawn.",
        "Forest plot of each published result beside its simulated study, with intervals. The numbers are in "
        "figures/validation.csv.",
    )
    is_drawn = not _simulated(table).empty
    sections = (
        PageSection("figure", "Figure", pictures=(shown,) if is_drawn else ()),
        PageSection("widths", "Inside, and how wide the intervals are", (), (widths,)),
        PageSection("results", "Every result", (), (results_table(table),), is_printed=False),
        PageSection("basis", "Basis and limits of the results", tuple(cautions_of(table))),
    )
    title = f"Validation on {tables.manifest['table']}"
    return RunPage("validation", sections, tuple(drawn), title, "Does the simulator repeat published results?")
