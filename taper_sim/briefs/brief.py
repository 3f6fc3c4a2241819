"""The numbers of a comparison's first screen: who is compared with whom. Imports ``certainty``, ``first_screen``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from taper_sim.briefs.brief_rows import frequencies
from taper_sim.briefs.certainty import basis_of, rate
from taper_sim.briefs.first_screen import Numbers
from taper_sim.briefs.run_people import RunPeople
from taper_sim.report.run_tables import RunTables, calls_of, rows_where, usable_protocols
from taper_sim.units import DRUG_CLASSES

MOST_SHOWN: Final = 5
"""Protocols beside the comparator on the first screen."""
_PACE: Final = "velocity_max_pct_per_month"
HOLDING_WORDS: Final = "holding the dose"
_COMPARATORS: Final = (("usual_care(", "usual care"), ("constant(", HOLDING_WORDS))


@dataclass(frozen=True)
class CommitteeBrief(Numbers):
    """Numbers of a comparison's first screen.

    ``others`` are the protocols beside the comparator that a clinic could follow, from the slowest to the fastest where
    the run reports the pace.

    Attributes
    ----------
    pace : mapping of str to float
        Fastest month of each protocol, % of the starting dose; empty if the run does not report it.
    classes : frozenset of str
        Drug classes that the people take.
    """

    marks_without_interval: ClassVar[bool] = True

    pace: Mapping[str, float]
    classes: frozenset[str]

    @property
    def is_held(self) -> bool:
        """Whether the comparator holds the dose."""
        return self.comparator_is == HOLDING_WORDS


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
