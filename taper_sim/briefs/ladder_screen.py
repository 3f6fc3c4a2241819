"""The first screen of a ladder of policies. Imports ``first_screen``, ``report.ladder_page``."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pandas as pd

from taper_sim.briefs.brief_rows import PerThousand, ScreenRow, quantity_row
from taper_sim.briefs.certainty import CERTAINTY_RULES, CertaintyBasis, is_reviewed, rate
from taper_sim.briefs.first_screen import Aside, FirstScreen, Numbers, raised_by, time_words
from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.evidence.certainty_inputs import HeldOut
from taper_sim.report.harm_words import PER
from taper_sim.report.ladder_page import LadderTables, answer_of_ladder
from taper_sim.report.methods import is_calibrated
from taper_sim.report.wording import number_text

MOST_POLICIES: Final = 5
"""Policies beside the comparator on the first screen: the best by loss, and the oracle."""


_OVER: Final = ScreenRow(
    name="share_over",
    label="Over the withdrawal limit",
    note="people of 1,000 with any such day",
    events="people over the withdrawal limit",
    important=50.0,
    is_harm=True,
)
_PART: Final = "of an important difference"
_LOSS: Final = quantity_row(
    "loss", "Loss", "important differences; lower is better", 0.1, _PART, is_serious=True, digits=3
)
_PAIN: Final = float(BY_NAME["pain_nrs_change"].important or 0.0)
_FUNCTION: Final = float(BY_NAME["function_change"].important or 0.0)
_ROWS: Final = (
    (_OVER, PER),
    (quantity_row("days_over", "Days over the withdrawal limit", "days a person", 7.0, "days"), 1.0),
    (quantity_row("cvar95", "Loss of the worst 5 %", "important differences", 0.1, _PART, digits=2), 1.0),
    (quantity_row("pain", "Change of pain", "points of 10", _PAIN, "points", digits=2), 1.0),
    (quantity_row("function", "Change of function", "points of 100", _FUNCTION, "points", is_harm=False), 1.0),
    (quantity_row("exposure", "Mean dose", "% of the starting dose", 5.0, "% of the start"), 100.0),
    (_LOSS, 1.0),
)


def ladder_numbers(tables: LadderTables) -> Numbers:
    """Numbers of the policies under the first true model and ceiling; differences from the best other policy."""
    first = tables.ladder.iloc[0]
    of_first = (tables.ladder["truth"] == first["truth"]) & (tables.ladder["ceiling"] == first["ceiling"])
    table = tables.ladder[of_first]
    gap = tables.gap[(tables.gap["truth"] == first["truth"]) & (tables.gap["ceiling"] == first["ceiling"])]
    best = gap[gap["against"] == "best other"]
    others = table[table["role"] == "other"]
    known = others if len(others) else table
    comparator = str(best.iloc[0]["rival"]) if len(best) else str(known.sort_values("loss").iloc[0]["policy"])
    cells = {str(row["policy"]): row for row in table.to_dict("records")}
    levels: dict[tuple[str, str], PerThousand] = {}
    differences: dict[tuple[str, str], PerThousand] = {}
    for policy, cell in cells.items():
        n = int(cell["n"])
        for row, factor in _ROWS:
            if row.name not in cell or not np.isfinite(float(cell[row.name])):
                continue
            ends = (float(cell["lo95"]), float(cell["hi95"])) if row is _LOSS else (float("nan"),) * 2
            level = levels[policy, row.name] = PerThousand(factor * float(cell[row.name]), *ends, "", n)
            if policy != comparator:
                before = factor * float(cells[comparator][row.name])
                change = (level.mean - before, float("nan"), float("nan"))
                if row is _LOSS:
                    change = _gain(gap, policy, comparator) or change
                differences[policy, row.name] = PerThousand(*change, "", n)
    named = {name for _, name in levels}
    rows = tuple(row for row, _ in _ROWS if row.name in named)
    by_loss = [str(name) for name in table.sort_values("loss")["policy"] if str(name) != comparator]
    bounds = [name for name in by_loss if cells[name]["role"] in ("oracle", "bound")]
    kept = {*[name for name in by_loss if name not in bounds][: MOST_POLICIES - len(bounds[:1])], *bounds[:1]}
    manifest = tables.manifest
    calibrated, reviewed = is_calibrated(manifest), is_reviewed(manifest)
    certainty = {
        (policy, name): rate(
            CertaintyBasis(
                next(row for row in rows if row.name == name), change, calibrated, reviewed, HeldOut(0, 0), ()
            )
        )
        for (policy, name), change in differences.items()
    }
    shown = tuple(name for name in by_loss if name in kept)
    return Numbers(manifest, comparator, comparator, tuple(by_loss), shown, rows, levels, differences, certainty)


def _gain(gap: pd.DataFrame, policy: str, rival: str) -> tuple[float, float, float] | None:
    """Loss of a policy minus that of its rival, with its interval over people."""
    rows = gap[(gap["policy"] == policy) & (gap["rival"] == rival)]
    if not len(rows):
        return None
    row = rows.iloc[0]
    return -float(row["gain"]), -float(row["gain_hi95"]), -float(row["gain_lo95"])


def ladder_screen(tables: LadderTables, _: Sequence[str] = ()) -> FirstScreen:
    """The first screen of a ladder of policies."""
    numbers = ladder_numbers(tables)
    serious = [row for row in numbers.rows if row.is_serious]
    roles = {str(row["policy"]): str(row["role"]) for row in tables.ladder.to_dict("records")}
    asides = (
        Aside("Who is harmed", tuple(_harmed(tables, numbers))),
        Aside(
            "What it costs in people's time",
            (
                "Personal pace needs check-ins of every person and a prescriber who confirms each step. The run has no "
                "staff; a clinic run has the hours.",
            ),
        ),
        Aside("What would change the answer", tuple(raised_by(numbers, serious, CERTAINTY_RULES))),
    )
    words = {
        "oracle": "sees the true state: a bound",
        "bound": "given what no clinic has: a bound",
        "personal": "personal pace",
    }
    first = tables.ladder.iloc[0]
    heads = {name: words.get(role, "") for name, role in roles.items()} | {numbers.comparator: "comparator"}
    return FirstScreen(
        numbers,
        tuple(answer_of_ladder(tables)),
        numbers.lowest(serious) if tables.people >= SMALLEST_CELL else "",
        f"Truth “{first['truth']}”, ceiling {first['ceiling']}, over {time_words(numbers.days)}",
        "Large: the policy. Below: the difference from the first column, with the 95 % interval over people where the "
        "run computed one. A bar marks a difference that matters; it is filled where the interval is clear of none.",
        asides,
        (
            "Differences that matter: "
            + "; ".join(f"{row.label.lower()} {row.line}" for row in numbers.rows)
            + " (assumption A130). Only the loss has intervals. Other truths and ceilings are in the details.",
        ),
        heads,
    )


def _harmed(tables: LadderTables, numbers: Numbers) -> Iterator[str]:
    """The policy with the worst 5 % furthest from the mean."""
    worst = {
        name: numbers.levels[name, "cvar95"].mean
        for name in (numbers.comparator, *numbers.shown)
        if (name, "cvar95") in numbers.levels
    }
    if worst and tables.people >= SMALLEST_CELL:
        most, least = max(worst, key=lambda name: worst[name]), min(worst, key=lambda name: worst[name])
        yield (
            f"The 5 % of people who lose most lose {number_text(worst[most], 2)} important differences under {most}, "
            f"and {number_text(worst[least], 2)} under {least}."
        )
    yield "The run has no subgroups, so it cannot say for whom the answer differs."
