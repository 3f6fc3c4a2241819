"""The page of a ladder of policies: an answer, then its reasons. Imports ``ladder_report``, ``page_parts``.

Everything is computed from the run's tables, so that a saved run gives the same page.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.report.ladder_report import ORACLE_MINIMISES, ladder_figure, ladder_text
from taper_sim.report.methods import listed
from taper_sim.report.page_parts import PageSection, PageTable, RunPage, picture, write_figure
from taper_sim.report.wording import count, number_text, percent
from taper_sim.run_folder import MANIFEST_FILE, read_record, read_table, write_text

_COLUMNS: Final = (
    ("knob", "Tuned value", None),
    ("share_over", "People over the limit, %", 100.0),
    ("days_over", "Days over the limit", 1.0),
    ("exposure", "Mean dose, share of start", 1.0),
    ("pain", "Pain", 1.0),
    ("function", "Function", 1.0),
    ("distress", "Distress", 1.0),
)
"""Columns of a policy: name, head, factor (None: a text)."""


@dataclass(frozen=True)
class LadderTables:
    """Manifest and tables of the output folder of an evaluation."""

    manifest: dict[str, Any]
    ladder: pd.DataFrame
    gap: pd.DataFrame

    @property
    def people(self) -> int:
        """Fewest people on whom a policy was evaluated."""
        return int(self.ladder["n"].min())


def read_ladder(folder: Path) -> LadderTables:
    """Read the manifest and the tables of a finished evaluation."""
    manifest = read_record(folder / MANIFEST_FILE, {"kind": str}, "the folder of a finished run")
    texts = {name: str for name in ("truth", "policy", "ceiling", "against", "rival", "code", "knob", "seed")}
    ladder, gap = (
        read_table(folder / f"{name}.csv", dtype={key: kind for key, kind in texts.items()})
        for name in ("ladder", "gap")
    )
    return LadderTables(manifest, ladder.fillna({"knob": ""}), gap)


def ladder_page(folder: Path, tables: LadderTables) -> RunPage:
    """The page; ``ladder.txt`` and the figure with its data are written into the folder."""
    text = folder / "ladder.txt"
    write_text(text, ladder_text(folder) + "\n")
    drawn = write_figure(folder, "ladder", "The ladder of policies", ladder_figure(read_table(folder / "ladder.csv")))
    image = drawn[0]
    shown = picture(
        folder,
        image,
        "Loss of every policy",
        "A marker a policy, with its 95 % interval over people; lower is better. A panel a true model and ceiling.",
        "Dot chart of the loss of each policy with intervals, a panel for each true model and ceiling. The numbers "
        "are in figures/ladder.csv.",
    )
    enough = tables.people >= SMALLEST_CELL
    sections = (
        PageSection("gap", "How much of the gap personal pace closes", (), (_gap_table(tables),) if enough else ()),
        PageSection(
            "ladder",
            "The policies",
            (ORACLE_MINIMISES,),
            tuple(_policy_tables(tables)) if enough else (),
            (shown,) if enough else (),
        ),
        PageSection("basis", "Basis and limits of the results", tuple(_basis(tables))),
    )
    return RunPage("ladder of policies", sections, (text, *drawn))


def answer_of_ladder(tables: LadderTables) -> Iterator[str]:
    """What personal pace gains over the best other policy, a sentence for each true model and ceiling."""
    if tables.people < SMALLEST_CELL:
        yield f"Hidden: the policies were evaluated on fewer than {SMALLEST_CELL} people."
        return
    personal = set(tables.ladder.loc[tables.ladder["role"] == "personal", "policy"])
    best = tables.gap[(tables.gap["against"] == "best other") & tables.gap["policy"].isin(personal)]
    if len(best) == 0:
        yield "The run has no personalised policy, so it cannot say what personal pace gains."
        return
    for (truth, ceiling), rows in best.groupby(["truth", "ceiling"], sort=False):
        row = rows.sort_values("gain", ascending=False).iloc[0]
        yield f"Truth “{truth}”, ceiling {ceiling}: {gap_sentence(row)}"
    if best.groupby(["truth", "ceiling"]).size().max() > 1:
        yield "Of several personalised policies the sentence takes the best, which flatters it; the table has all."


def gap_sentence(row: Mapping[Hashable, Any] | pd.Series) -> str:
    """Gain of a personalised policy over its rival, and the share of the gap to the oracle that it closes."""
    shown = (
        f"{number_text(abs(row['gain']), 3)} important differences ({_ends(row, 'gain', 1.0, 3)}, positive is better)"
    )
    if row["gain_lo95"] > 0.0:
        first = f"{row['policy']} lowers the loss against {row['rival']} by {shown}"
    elif row["gain_hi95"] < 0.0:
        first = f"{row['policy']} raises the loss against {row['rival']} by {shown}"
    else:
        first = (
            f"{row['policy']} is not shown to differ from {row['rival']}: reduction of the loss "
            f"{number_text(row['gain'], 3, signed=True)} important differences ({_ends(row, 'gain', 1.0, 3)})"
        )
    return f"{first}; {_closed(row)}."


def _closed(row: Mapping[Hashable, Any] | pd.Series) -> str:
    if not np.isfinite(row["gap"]):
        return "there is no gap to close, because the oracle is not better than the rival"
    share = f"{percent(row['gap'])} of the gap to the oracle closed"
    if np.isfinite(row["gap_lo95"]):
        return f"{share} ({_ends(row, 'gap', 100.0, 0)} %)"
    return f"{share}, without an interval: in some resamples there is no gap"


def _ends(row: Mapping[Hashable, Any] | pd.Series, name: str, factor: float, digits: int) -> str:
    return " to ".join(number_text(factor * row[f"{name}_{end}"], digits) for end in ("lo95", "hi95"))


def _gap_table(tables: LadderTables) -> PageTable:
    rows = [
        (
            f"{row['truth']}, ceiling {row['ceiling']}: {row['policy']}",
            str(row["rival"]),
            f"{number_text(row['gain'], 3, signed=True)} ({_ends(row, 'gain', 1.0, 3)})",
            _closed(row),
            f"{int(row['n']):,}",
        )
        for row in tables.gap.drop_duplicates(["truth", "ceiling", "policy", "rival"]).to_dict("records")
    ]
    heads = ("Truth, ceiling: policy", "Against", "Reduction of the loss", "Gap to the oracle", "People")
    return PageTable("Loss in smallest important differences; a positive reduction is better.", heads, tuple(rows))


def _policy_tables(tables: LadderTables) -> Iterator[PageTable]:
    for (truth, ceiling), part in tables.ladder.groupby(["truth", "ceiling"], sort=False):
        rows = []
        for row in part.to_dict("records"):
            cells = [
                _knob(str(row[name])) if factor is None else number_text(factor * row[name], 2)
                for name, _, factor in _COLUMNS
                if name in row
            ]
            loss = f"{number_text(row['loss'], 3)} ({number_text(row['lo95'], 3)} to {number_text(row['hi95'], 3)})"
            limit = "yes" if row["tuned_within"] else "no"
            rows.append((str(row["policy"]), loss, *cells, limit))
        heads = [head for name, head, _ in _COLUMNS if name in part]
        caption = (
            f"{truth}, ceiling {ceiling}; {int(part['n'].iloc[0]):,} people. Loss in smallest important differences."
        )
        yield PageTable(caption, ("Policy", "Loss", *heads, "Tuned within the limit"), tuple(rows))


def _knob(text: str) -> str:
    """A tuned value; a number without trailing zeros."""
    return text.removesuffix(".0") or "–"


def _basis(tables: LadderTables) -> Iterator[str]:
    manifest = tables.manifest
    seeds = [str(seed) for seed in manifest["seeds"]]
    yield (
        f"Each policy was tuned on people of seed {manifest['seed']} and evaluated on {tables.people:,} other people "
        f"of {count(len(seeds), 'seed')} ({listed(seeds)}), {count(int(manifest['days']), 'day')}."
    )
    for name, meaning in manifest["truths"].items():
        yield f"Truth “{name}”: {meaning}."
    yield (
        "Intervals are over people (bootstrap within seeds, the same people under every policy). They do not cover the "
        "choice of the best rival or errors of the model's equations."
    )
    weights = ", ".join(f"{name} {value:g}" for name, value in manifest["loss"].items())
    yield f"The loss weighs {weights}; the weights are a judgement."
