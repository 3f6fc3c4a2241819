"""Harms and health of a clinic's patients against unlimited staff, in words. Imports ``report.replicated``."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final

import pandas as pd

from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.report.page_parts import PageTable
from taper_sim.report.replicated import Replicated, few_sentence, replicated
from taper_sim.report.run_tables import label_of, rows_by
from taper_sim.report.wording import count, number_text
from taper_sim.scenario.staffing_schema import UNIMPORTANT

PER: Final = 1000.0
"""People of a natural frequency."""
EVENT_WORDS: Final[Mapping[str, str]] = {
    "mental_health_crisis": "have a mental health crisis",
    "overdose": "have an overdose",
    "death": "die by overdose or suicide",
    "seizure": "have a seizure or delirium",
    "urgent_visit": "need an urgent visit",
    "return_to_higher_dose": "return to a higher dose",
    "dropout": "leave the programme",
}
"""Events of the table of harm, each with its words after *people*."""
HEADLINE_EVENTS: Final = ("mental_health_crisis", "overdose")
"""Events with a sentence of their own."""
HEALTH: Final = (
    ("dose_reduction_pct", 1),
    ("withdrawal_peak", 3),
    ("days_over_limit", 1),
    ("pain_nrs_change", 2),
    ("function_change", 2),
    ("phq9_change", 2),
    ("composite", 3),
)
"""Outcomes of the table of cost and health, with digits."""


def _row(table: pd.DataFrame, outcome: str) -> Mapping[Hashable, Any] | None:
    return rows_by(table, "outcome").get((outcome,))


def difference_sentence(change: Replicated, words: str, days: int, against: str = "unlimited staff") -> str:
    """More or fewer events in 1,000 people than with another team, or why the run cannot say."""
    over = f"in 1,000 people over {count(days, 'day')}"
    if not change.has_interval:
        return few_sentence(f"whether more people {words} than with {against}", change.n)
    if change.low == change.high == 0.0:
        return f"As many people {words} as with {against} in every replication; a rare event may be missed."
    if change.is_above_0 or change.is_below_0:
        word, sign = ("more", 1.0) if change.is_above_0 else ("fewer", -1.0)
        low, high = sorted((sign * change.low, sign * change.high))
        size = Replicated(sign * change.mean, low, high, change.n)
        return f"{number_text(size.mean, 1)} {word} people ({size.bounds(1)}) {over} {words} than with {against}."
    return (
        f"No difference from {against} in people who {words} is shown: {change.text(1, signed=True)} {over}; the "
        "interval includes 0."
    )


def event_text(change: Replicated) -> str:
    """A difference in events; equal numbers in every replication have no interval."""
    if change.low == change.high == change.mean == 0.0:
        return "0, the same in every replication"
    return change.text(1, signed=True)


def small_text(change: Replicated) -> str:
    """Whether a change of the composite is too small to matter (A46), as the end of a sentence."""
    least = UNIMPORTANT * (BY_NAME["composite"].important or 0.0)
    return ", too small to matter" if abs(change.mean) < least else ""


def event_sentence(differences: pd.DataFrame, outcome: str, n: int, days: int) -> str:
    """The sentence of an event of ``differences.csv``."""
    row = _row(differences, outcome)
    words = EVENT_WORDS[outcome]
    if row is None:
        return f"The run has no outcome {label_of(outcome)}, so it cannot say whether late work causes it."
    return difference_sentence(replicated(row, n, PER), words, days)


def event_table(start: str, summary: pd.DataFrame, differences: pd.DataFrame, n: int, days: int) -> PageTable:
    """Events in 1,000 people with this team, and minus unlimited staff; ``start`` begins the caption."""
    rows = []
    for outcome in EVENT_WORDS:
        with_team, change = _row(summary, outcome), _row(differences, outcome)
        if with_team is None or change is None:
            continue
        level = replicated(with_team, n, PER)
        rows.append(
            (
                label_of(outcome),
                "none seen" if level.mean == 0.0 else level.text(1),
                event_text(replicated(change, n, PER)),
            )
        )
    return PageTable(
        f"{start}People with the event in 1,000, over {count(days, 'day')}. Lower is better.",
        ("Event", "With this team", "Minus unlimited staff"),
        tuple(rows),
    )


def health_rows(summary: pd.DataFrame, differences: pd.DataFrame, n: int) -> Iterator[tuple[str, ...]]:
    """Rows of the table of cost and health: outcome, unit, with this team, difference, important one, quotient."""
    for name, digits in HEALTH:
        with_team, change = _row(summary, name), _row(differences, name)
        if with_team is None or change is None:
            continue
        outcome = BY_NAME[name]
        important = outcome.important
        gap = replicated(change, n)
        share = "–" if important is None else number_text(abs(gap.mean) / important, 2)
        yield (
            label_of(name),
            outcome.unit,
            replicated(with_team, n).text(digits),
            gap.text(digits, signed=True),
            "any" if important is None else f"{important:g}",
            share,
        )
