"""The committee's brief of a comparison: who is compared with whom, every number, its certainty. Imports ``certainty``.

One object holds what the first screen says, so that its sentences, its table and its CSV cannot disagree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.briefs.brief_rows import BriefRow, PerThousand, frequencies
from taper_sim.briefs.certainty import OutcomeCertainty, basis_of, rate, words_of
from taper_sim.briefs.run_people import RunPeople
from taper_sim.report.harm_words import PER
from taper_sim.report.run_tables import RunTables, calls_of, rows_where, usable_protocols
from taper_sim.units import DRUG_CLASSES

BRIEF_FILE: Final = "brief.csv"
MOST_SHOWN: Final = 5
"""Protocols beside the comparator on the first screen."""
_PACE: Final = "velocity_max_pct_per_month"
HOLDING_WORDS: Final = "holding the dose"
_COMPARATORS: Final = (("usual_care(", "usual care"), ("constant(", HOLDING_WORDS))


@dataclass(frozen=True)
class CommitteeBrief:
    """Numbers of the committee's first screen.

    Attributes
    ----------
    manifest : mapping
        ``manifest.json``.
    comparator, comparator_is : str
        Protocol with which the others are compared, and its name in a sentence.
    others : tuple of str
        Protocols beside it that a clinic could follow, from the slowest to the fastest where the run reports the pace.
    shown : tuple of str
        Those of the first screen, in the same order.
    rows : tuple of BriefRow
    levels, differences : mapping of (str, str) to PerThousand
        By protocol and name of the row; differences from the comparator.
    certainty : mapping of (str, str) to OutcomeCertainty
        Of each difference.
    pace : mapping of str to float
        Fastest month of each protocol, % of the starting dose; empty if the run does not report it.
    classes : frozenset of str
        Drug classes that the people take.
    """

    manifest: Mapping[str, Any]
    comparator: str
    comparator_is: str
    others: tuple[str, ...]
    shown: tuple[str, ...]
    rows: tuple[BriefRow, ...]
    levels: Mapping[tuple[str, str], PerThousand]
    differences: Mapping[tuple[str, str], PerThousand]
    certainty: Mapping[tuple[str, str], OutcomeCertainty]
    pace: Mapping[str, float]
    classes: frozenset[str]

    @property
    def is_held(self) -> bool:
        """Whether the comparator holds the dose."""
        return self.comparator_is == HOLDING_WORDS

    @property
    def days(self) -> int:
        """Days of the run."""
        return int(self.manifest["days"])

    def row(self, name: str) -> BriefRow | None:
        """The row of an outcome, if the run has it."""
        return next((row for row in self.rows if row.name == name), None)

    def visible(self, protocol: str, row: BriefRow) -> PerThousand | None:
        """The difference of a protocol, unless it is missing or hidden."""
        difference = self.differences.get((protocol, row.name))
        return None if difference is None or difference.is_hidden else difference

    def words(self, row: BriefRow, protocols: Sequence[str]) -> str:
        """Certainty of a row for some protocols: one word, or the lowest and the highest."""
        return words_of(c.rank for name in protocols if (c := self.certainty.get((name, row.name))) is not None)


def comparator_of(manifest: Mapping[str, Any]) -> tuple[str, str]:
    """The comparator and its name in a sentence: usual care, else holding the dose, else the first protocol."""
    calls = calls_of(manifest)
    for begins, meaning in _COMPARATORS:
        for name, call in calls.items():
            if call.replace(" ", "").startswith(begins):
                return name, meaning
    return (first := next(iter(calls))), first


def drug_classes(manifest: Mapping[str, Any], people: RunPeople) -> frozenset[str]:
    """Classes that the people take, by the scenario or by their doses; every class if neither says so."""
    planned = manifest["scenario"]["cohort"].get("classes") or {}
    if planned:
        return frozenset(str(name) for name in planned)
    if people.n:
        doses = people.rows[0]
        taken = [name for name in DRUG_CLASSES if f"dose_{name}" in doses and (doses[f"dose_{name}"] > 0).any()]
        return frozenset(taken)
    return frozenset(DRUG_CLASSES)


def brief_of(run: RunTables, folder: Path) -> CommitteeBrief:
    """The brief of a finished comparison.

    Parameters
    ----------
    run : RunTables
    folder : Path
        Its output folder, for the people behind the tables.
    """
    people = RunPeople(folder, run.protocols)
    comparator, meaning = comparator_of(run.manifest)
    counted = frequencies(run, people, comparator)
    classes = drug_classes(run.manifest, people)
    certainty = {
        (name, row.name): rate(basis_of(run.manifest, row, counted.differences[name, row.name], classes))
        for row in counted.rows
        for name in run.protocols
        if (name, row.name) in counted.differences
    }
    rows = rows_where(run.summary, subgroup="all", outcome=_PACE)
    pace = {str(name): float(mean) for name, mean in zip(rows["protocol"], rows["mean"], strict=True)}
    others = [name for name in usable_protocols(run.manifest) if name != comparator]
    if all(name in pace for name in others):
        others.sort(key=lambda name: pace[name])
    places = np.unique(np.linspace(0, len(others) - 1, min(MOST_SHOWN, len(others))).round().astype(int))
    return CommitteeBrief(
        run.manifest,
        comparator,
        meaning,
        tuple(others),
        tuple(others[k] for k in places),
        counted.rows,
        counted.levels,
        counted.differences,
        certainty,
        pace,
        classes,
    )


def brief_table(brief: CommitteeBrief) -> pd.DataFrame:
    """Every number of the brief, a row a protocol and outcome; what the page hides is missing here too."""
    rows = []
    for protocol in (brief.comparator, *brief.others):
        for row in brief.rows:
            level, difference = brief.levels.get((protocol, row.name)), brief.visible(protocol, row)
            if level is None or level.is_hidden:
                continue
            certainty = brief.certainty.get((protocol, row.name)) if difference is not None else None
            nothing = (float("nan"),) * 3
            rows.append(
                (
                    protocol,
                    brief.comparator,
                    row.name,
                    int(PER),
                    level.mean,
                    level.low,
                    level.high,
                    *((difference.mean, difference.low, difference.high) if difference is not None else nothing),
                    row.important,
                    certainty.word if certainty is not None else "",
                    certainty.why if certainty is not None else "",
                )
            )
    names = ("protocol", "comparator", "outcome", "per", "people", "people_lo95", "people_hi95", "more", "more_lo95")
    return pd.DataFrame(rows, columns=[*names, "more_hi95", "important", "certainty", "certainty_reason"])
