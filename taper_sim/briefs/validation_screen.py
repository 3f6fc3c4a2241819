"""The first screen of a validation. Imports ``first_screen``, ``comparison.small_counts``, ``validation_report``.

The rows are the outcomes of the committee's table, each with the published results that test predictions of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import pandas as pd

from taper_sim.briefs.brief_rows import BRIEF_ROWS, PerThousand, ScreenRow
from taper_sim.briefs.certainty import (
    CERTAINTY_RULES,
    FEWEST_HELD_OUT,
    SHARE_INSIDE,
    CertaintyBasis,
    CertaintyRule,
    Lowered,
    is_reviewed,
    rate,
)
from taper_sim.briefs.first_screen import SCREEN_ROWS, Aside, FirstScreen, Numbers, raised_by
from taper_sim.comparison.small_counts import share
from taper_sim.evidence.certainty_inputs import HeldOut
from taper_sim.evidence.study_runs import SIMULATED
from taper_sim.report.methods import is_calibrated
from taper_sim.report.validation_report import ValidationTables, answer_of, cautions_of
from taper_sim.report.wording import count

_WANTED: Final = "wanted"
_INSIDE: Final = "inside the predicted interval"
_OTHER: Final = "Other outcomes"


def _number(basis: CertaintyBasis) -> Lowered:
    n = basis.held_out.n
    if n < FEWEST_HELD_OUT:
        return Lowered(2, f"{count(n, 'published result')} of this kind")
    return Lowered(0, f"{count(n, 'published result')} of this kind")


def _independent(basis: CertaintyBasis) -> Lowered:
    if basis.is_calibrated:
        return Lowered(1, "the parameters were fitted to published results, which may be among these")
    return Lowered(0, "the parameters were not fitted to published results")


_BY_NAME: Final = {rule.name: rule for rule in CERTAINTY_RULES}
VALIDATION_RULES: Final = (
    CertaintyRule(
        "number",
        "validation.csv",
        f"two steps down with fewer than {FEWEST_HELD_OUT} results of this kind",
        "more published results of this kind",
        _number,
    ),
    CertaintyRule(
        "independence",
        "ensemble.calibrated of manifest.json",
        "one step down if the parameters were fitted to published results",
        "results that no parameter was fitted to: the held-out table of docs/calibration.md",
        _independent,
    ),
    replace(
        _BY_NAME["width"],
        reads=f"the interval of the share inside, and {100 * SHARE_INSIDE:.0f} %",
        effect=f"one step down if the interval holds {100 * SHARE_INSIDE:.0f} %",
        remedy="more published results of one kind, for a narrower interval",
    ),
    _BY_NAME["review"],
)
"""Rules of the certainty with which a kind of outcome is predicted or not (A131)."""


def _screen_row(row: ScreenRow, n: int) -> ScreenRow:
    return replace(
        row,
        note=count(n, "published result"),
        events=f"results on {row.label.lower()}",
        important=0.0,
        is_harm=False,
        is_serious=True,
        per=1,
        unit="% of results",
        more_less=("points more", "points less"),
    )


def _groups(table: pd.DataFrame) -> list[tuple[ScreenRow, pd.DataFrame]]:
    """Simulated results by the outcome of the committee's table that they test, harms first."""
    done = table[table["status"] == SIMULATED]
    groups = []
    left = pd.Series(True, index=done.index)
    for row in BRIEF_ROWS:
        mine = done["outcome"].isin(row.published)
        left &= ~mine
        if mine.any():
            groups.append((_screen_row(row, int(mine.sum())), done[mine]))
    if left.any():
        other = ScreenRow(name="other", label=_OTHER, note="", events="", important=0.0, is_harm=False, published=())
        groups.append((_screen_row(other, int(left.sum())), done[left]))
    return groups[:SCREEN_ROWS]


def validation_numbers(tables: ValidationTables) -> Numbers:
    """Share of the published results inside their predicted interval, by kind of outcome."""
    manifest, people = tables.manifest, int(tables.manifest["people"])
    levels: dict[tuple[str, str], PerThousand] = {}
    differences: dict[tuple[str, str], PerThousand] = {}
    certainty = {}
    rows = []
    wanted = 100.0 * SHARE_INSIDE
    for row, part in _groups(tables.table):
        rows.append(row)
        n, inside = len(part), int((part["inside"] == "yes").sum())
        inside_share = share(inside, n)
        few = "too few results" if n < FEWEST_HELD_OUT else ""
        ends = (100.0 * inside_share.low, 100.0 * inside_share.high) if n >= FEWEST_HELD_OUT else (float("nan"),) * 2
        levels[_INSIDE, row.name] = PerThousand(100.0 * inside_share.estimate, *ends, few, people)
        levels[_WANTED, row.name] = PerThousand(wanted, float("nan"), float("nan"), "", people)
        beyond = PerThousand(100.0 * inside_share.estimate - wanted, ends[0] - wanted, ends[1] - wanted, few, people)
        differences[_INSIDE, row.name] = beyond
        basis = CertaintyBasis(row, beyond, is_calibrated(manifest), is_reviewed(manifest), HeldOut(n, inside), ())
        certainty[_INSIDE, row.name] = rate(basis, VALIDATION_RULES)
    return Numbers(
        manifest, _WANTED, f"{wanted:.0f} %", (_INSIDE,), (_INSIDE,), tuple(rows), levels, differences, certainty
    )


def validation_screen(tables: ValidationTables, _: Sequence[str] = ()) -> FirstScreen:
    """The first screen of a validation."""
    numbers = validation_numbers(tables)
    asides = (
        Aside("Where the simulator is wrong", tuple(_wrong(numbers))),
        Aside("What would change the answer", tuple(raised_by(numbers, numbers.rows, VALIDATION_RULES))),
    )
    return FirstScreen(
        numbers,
        (answer_of(tables.table), *cautions_of(tables.table)[:-1]),
        numbers.lowest(numbers.rows),
        "Of the published results, %",
        "Large: results inside their simulated 95 % predictive interval. Below: the difference from the share that is "
        "wanted, with the 95 % interval (Wilson). A mark is filled where that interval is clear of it.",
        asides,
        (f"Wanted: {100 * SHARE_INSIDE:.0f} %, the line of the rule on predictions (assumption A116).",),
        {_INSIDE: f"{count(int((tables.table['status'] == SIMULATED).sum()), 'result')} simulated"},
        rules=VALIDATION_RULES,
    )


def _wrong(numbers: Numbers) -> Iterator[str]:
    """Kinds of outcome whose share inside is shown to be too low."""
    low = [row for row in numbers.rows if numbers.differences[_INSIDE, row.name].high < 0.0]
    for row in low:
        level = numbers.levels[_INSIDE, row.name]
        yield f"{row.label}: {level.level_text(0)} % inside, of {row.note}; fewer than wanted."
    if not low:
        yield "No kind of outcome is shown to be predicted less often than wanted; few results leave wide intervals."
