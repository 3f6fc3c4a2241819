"""The first screen of every kind of run: one structure, its table, its values. Imports ``certainty``, ``brief_rows``.

A kind of run fills a :class:`FirstScreen`: the rows, the columns with their numbers, and the sentences. Everything that
the page and ``brief.csv`` show follows from it, so that sentences, table and CSV cannot disagree.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, Final

import pandas as pd

from taper_sim.briefs.brief_rows import PerThousand, ScreenRow
from taper_sim.briefs.certainty import CERTAINTY_RULES, CertaintyRule, OutcomeCertainty, words_of
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.report.methods import listed
from taper_sim.report.wording import count
from taper_sim.run_folder import write_csv

BRIEF_FILE: Final = "brief.csv"
SCREEN_ROWS: Final = 7
"""Most rows of the table: the reader of one screen keeps no more apart."""
_YEAR_D: Final = (360, 370)  # days that read as a year
_DIGITS_BELOW: Final = 10.0  # a row whose numbers are all below has decimals


@dataclass(frozen=True)
class Aside:
    """A box beside the table: its title and its sentences."""

    title: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Numbers:
    """Numbers behind a first screen, the same for every kind of run.

    Attributes
    ----------
    manifest : mapping
        ``manifest.json``.
    comparator, comparator_is : str
        Column with which the others are compared, and its name in a sentence.
    others : tuple of str
        All other columns.
    shown : tuple of str
        Those of the first screen, in the same order.
    rows : tuple of ScreenRow
        At most :data:`SCREEN_ROWS`, harms first.
    levels, differences : mapping of (str, str) to PerThousand
        By column and name of the row; differences from the comparator.
    certainty : mapping of (str, str) to OutcomeCertainty
        Of each difference.
    """

    manifest: Mapping[str, Any]
    comparator: str
    comparator_is: str
    others: tuple[str, ...]
    shown: tuple[str, ...]
    rows: tuple[ScreenRow, ...]
    levels: Mapping[tuple[str, str], PerThousand]
    differences: Mapping[tuple[str, str], PerThousand]
    certainty: Mapping[tuple[str, str], OutcomeCertainty]

    marks_without_interval: ClassVar[bool] = False
    """Whether a difference that matters has a mark although it has no interval."""

    @property
    def days(self) -> int:
        """Days of the run; 0 for a run without a common time."""
        return int(self.manifest.get("days") or 0)

    def row(self, name: str) -> ScreenRow | None:
        """The row of an outcome, if the run has it."""
        return next((row for row in self.rows if row.name == name), None)

    def visible(self, column: str, row: ScreenRow) -> PerThousand | None:
        """The difference of a column, unless it is missing or hidden."""
        difference = self.differences.get((column, row.name))
        return None if difference is None or difference.is_hidden else difference

    def words(self, row: ScreenRow, columns: Sequence[str]) -> str:
        """Certainty of a row for some columns: one word, or the lowest and the highest."""
        return words_of(c.rank for name in columns if (c := self.certainty.get((name, row.name))) is not None)

    def lowest(self, rows: Sequence[ScreenRow]) -> str:
        """Certainty of some rows over the columns shown: one word, or the lowest and the highest."""
        rated = (self.certainty.get((name, row.name)) for row in rows for name in self.shown)
        return words_of(certainty.rank for certainty in rated if certainty is not None)


@dataclass(frozen=True)
class FirstScreen:
    """What the first screen of a run says.

    Attributes
    ----------
    numbers : Numbers
    answer : tuple of str
        The answer in a sentence or two, then its grounds, a sentence each.
    certainty : str
        Certainty of the answer in GRADE's words; empty without a number.
    title, caption : str
        Of the table.
    asides : tuple of Aside
        Who is harmed or waits longer, what it costs in people's time, what would change the answer.
    notes : tuple of str
        Below the table.
    heads : mapping of str to str
        A note under the name of a column.
    certain_of : str
        What the certainty is about, where it is not the whole answer.
    rules : tuple of CertaintyRule
        Rules by which the certainties were lowered.
    """

    numbers: Numbers
    answer: tuple[str, ...]
    certainty: str
    title: str
    caption: str
    asides: tuple[Aside, ...]
    notes: tuple[str, ...] = ()
    heads: Mapping[str, str] = field(default_factory=dict)
    certain_of: str = ""
    rules: tuple[CertaintyRule, ...] = CERTAINTY_RULES

    @property
    def sentence(self) -> str:
        """The answer with its certainty, as the terminal shows it."""
        rated = f"Certainty{self.certain_of}: {self.certainty}."
        return f"{self.answer[0]} {rated}" if self.certainty else self.answer[0]


def time_words(days: int) -> str:
    """The time of a run: *a year*, *84 days*."""
    return "a year" if _YEAR_D[0] <= days <= _YEAR_D[1] else count(days, "day")


def screen_table(numbers: Numbers) -> pd.DataFrame:
    """Every number of the first screen, a row a column and outcome; what the page hides is missing here too."""
    rows = []
    for column in (numbers.comparator, *numbers.others):
        for row in numbers.rows:
            level, difference = numbers.levels.get((column, row.name)), numbers.visible(column, row)
            if level is None or level.is_hidden:
                continue
            certainty = numbers.certainty.get((column, row.name)) if difference is not None else None
            nothing = (float("nan"),) * 3
            rows.append(
                (
                    column,
                    numbers.comparator,
                    row.name,
                    row.per,
                    row.unit,
                    level.mean,
                    level.low,
                    level.high,
                    *((difference.mean, difference.low, difference.high) if difference is not None else nothing),
                    row.important,
                    certainty.word if certainty is not None else "",
                    certainty.why if certainty is not None else "",
                )
            )
    names = ("protocol", "comparator", "outcome", "per", "unit", "people", "people_lo95", "people_hi95", "more")
    ends = ("more_lo95", "more_hi95")
    return pd.DataFrame(rows, columns=[*names, *ends, "important", "certainty", "certainty_reason"])


def write_numbers(folder: Path, screen: FirstScreen) -> Path:
    """Write ``brief.csv`` of a run."""
    path = folder / BRIEF_FILE
    write_csv(screen_table(screen.numbers), path)
    return path


def screen_values(screen: FirstScreen, *, old: FirstScreen | None = None) -> dict[str, Any]:
    """Values of the template: answer, certainty, table, boxes, and the reasons of each certainty.

    Parameters
    ----------
    screen : FirstScreen
    old : FirstScreen, optional
        Of an earlier run, to tell what changed.
    """
    asides = screen.asides if old is None else (changes(screen.numbers, old.numbers), *screen.asides)
    return {
        "answer": screen.answer,
        "certainty": screen.certainty,
        "certain_of": screen.certain_of,
        "brief_table": _table(screen),
        "asides": asides,
        "certainties": {"rows": _certainties(screen.numbers), "rules": screen.rules},
    }


def _table(screen: FirstScreen) -> dict[str, Any]:
    numbers = screen.numbers
    filled = {column for column, _ in numbers.levels}
    columns = [name for name in (numbers.comparator, *numbers.shown) if name in filled]
    return {
        "title": screen.title,
        "caption": screen.caption,
        "heads": [{"name": name, "note": screen.heads.get(name, "")} for name in columns],
        "is_rated": bool(numbers.certainty),
        "rows": [_row(numbers, row, columns) for row in numbers.rows[:SCREEN_ROWS]],
        "notes": screen.notes,
    }


def _row(numbers: Numbers, row: ScreenRow, columns: Sequence[str]) -> dict[str, Any]:
    levels = [level for name in columns if (level := numbers.levels.get((name, row.name))) is not None]
    digits = 0 if any(abs(level.mean) >= _DIGITS_BELOW for level in levels) else row.digits
    rated = [name for name in numbers.shown if numbers.visible(name, row)]
    return {
        "label": row.label,
        "note": row.note,
        "cells": [_cell(numbers, row, name, digits) for name in columns],
        "certainty": numbers.words(row, rated) or "–",
    }


def _cell(numbers: Numbers, row: ScreenRow, name: str, digits: int) -> dict[str, str]:
    level = numbers.levels.get((name, row.name))
    if level is None:
        return {"level": "–", "more": "", "bounds": "", "mark": ""}
    if level.is_hidden:
        return {"level": f"<{SMALLEST_CELL}", "more": "", "bounds": "hidden: too few people", "mark": ""}
    difference = numbers.visible(name, row)
    shown = level.level_text(digits)
    if name == numbers.comparator or difference is None:
        return {"level": shown, "more": "", "bounds": level.interval_text(digits), "mark": ""}
    return {
        "level": shown,
        "more": difference.more_text(digits, row.more_less),
        "bounds": difference.bounds_text(digits),
        "mark": _mark(row, difference) if difference.has_interval or numbers.marks_without_interval else "",
    }


def _mark(row: ScreenRow, difference: PerThousand) -> str:
    """*worse* or *better* for a difference that matters, with *clear* where its interval excludes 0, else nothing.

    Where no difference that matters is stated, a clear difference has the mark.
    """
    is_clear = difference.low > 0.0 or difference.high < 0.0
    if abs(difference.mean) < row.important or (row.important == 0.0 and not is_clear):
        return ""
    side = "worse" if (difference.mean > 0.0) == row.is_harm else "better"
    return f"{side} clear" if is_clear else side


def _certainties(numbers: Numbers) -> list[dict[str, str]]:
    """A row for each outcome and reason; columns with the same reason stand together."""
    rows = []
    for row in numbers.rows:
        rated = [
            (numbers.certainty[name, row.name], name)
            for name in numbers.others
            if numbers.visible(name, row) and (name, row.name) in numbers.certainty
        ]
        rated.sort(key=lambda pair: (pair[0].rank, pair[0].why))
        for (word, why), members in groupby(rated, key=lambda pair: (pair[0].word, pair[0].why)):
            names = [name for _, name in members]
            columns = "all columns" if len(names) == len(rated) > 1 else listed(names)
            rows.append({"label": row.label, "protocols": columns, "word": word, "why": why})
    return rows


def raised_by(numbers: Numbers, rows: Sequence[ScreenRow], rules: Sequence[CertaintyRule]) -> Iterator[str]:
    """What would raise the certainty of some rows, a sentence for each rule that lowers it."""
    for rule in rules:
        lowered = [row for row in rows if _lowers(numbers, row, rule.name)]
        if lowered:
            whom = "" if len(lowered) == len(rows) else f", on {listed([row.events for row in lowered])}"
            yield f"{rule.remedy[:1].upper()}{rule.remedy[1:]}{whom}."


def _lowers(numbers: Numbers, row: ScreenRow, rule: str) -> bool:
    rated = (numbers.certainty.get((name, row.name)) for name in numbers.shown)
    return any(certainty is not None and certainty.lowered[rule].steps > 0 for certainty in rated)


def changes(now: Numbers, old: Numbers) -> Aside:
    """What changed since an earlier run: people, days, columns, numbers that moved enough to matter, certainties."""
    sentences = []
    people, before = (int(each.manifest.get("patients", {}).get("n", 0)) for each in (now, old))
    if people != before:
        sentences.append(f"{people:,} people instead of {before:,}.")
    if now.days != old.days:
        sentences.append(f"Over {time_words(now.days)} instead of {time_words(old.days)}.")
    if now.comparator != old.comparator:
        sentences.append(f"Compared with {now.comparator} instead of {old.comparator}.")
    here, there = ({each.comparator, *each.others} for each in (now, old))
    for names, verb in ((here - there, "New"), (there - here, "Left out")):
        if names:
            sentences.append(f"{verb}: {listed(sorted(names))}.")
    sentences += _moved(now, old)
    if now.manifest.get("scenario_hash") == old.manifest.get("scenario_hash") is not None:
        sentences.append("The scenario is the same.")
    return Aside("What changed since the earlier run", tuple(sentences))


def _moved(now: Numbers, old: Numbers) -> list[str]:
    """Numbers that moved by what matters; without a line that matters, those whose intervals do not overlap."""
    sentences = []
    for row in now.rows:
        for name in now.shown:
            is_known = old.row(row.name) is not None
            new, then = now.visible(name, row), old.visible(name, row) if is_known else None
            if new is None or then is None:
                continue
            is_apart = new.low > then.high or new.high < then.low
            if is_apart if row.important == 0.0 else abs(new.mean - then.mean) >= row.important:
                digits = new.digits() if row.digits == 1 else row.digits
                texts = [each.more_text(digits, row.more_less) for each in (new, then)]
                sentences.append(f"{name}, {row.label.lower()}: {texts[0]}, was {texts[1]}.")
            words = [each.certainty[name, row.name].word for each in (now, old) if (name, row.name) in each.certainty]
            if len(set(words)) > 1:
                sentences.append(f"{name}, {row.label.lower()}: certainty {words[0]}; was {words[1]}.")
    return sentences or ["No number of the first screen moved by an amount that matters, and no certainty changed."]
