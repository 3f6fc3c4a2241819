"""Notes on the reading of one patient's records, a line for each rule that applied. Imports ``data``, ``tables``.

The notes use only rows that were known on a day, so that later rows change no earlier answer. The rules and their
reasons: docs/how-to/checkins-and-doses.md.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby, pairwise
from typing import Final

from taper_sim import tables
from taper_sim.data import formulary
from taper_sim.data.checkins import scales
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.units import DRUG_CLASSES

LONG_GAP_D: Final = 14
"""Days without any check-in that give a note. A design choice: two missed weeks."""
DIFFERS: Final = 0.2
"""Relative difference of a self-reported from the prescribed dose that gives a note. A design choice."""
CHANGEOVER_D: Final = 7
"""Longest overlap of two instruments of one quantity when one replaces the other. A design choice."""


def record_notes(history: History) -> list[str]:
    """Notes on the reading of all records, for the reader of the output, one line each.

    Parameters
    ----------
    history : History
        As known on the day of the recommendation (:meth:`History.as_of`).
    """
    checkins, rows = history.checkins, history.doses
    return [
        *_row_notes(rows),
        *overlap_notes(rows),
        *reading_notes(checkins),
        *unrecorded_notes(rows, checkins),
        *(note for _, note in history.dated),
    ]


def reading_notes(checkins: Sequence[CheckIn]) -> list[str]:
    """Notes on the reading of check-ins, one line each."""
    notes: list[str] = []
    late = [(c.entered - c.day).days for c in checkins if c.entered is not None and c.entered > c.day]
    if late:
        notes.append(f"{len(late)} check-in(s) written down later, by up to {max(late)} days: used from then on")
    doubles = {key for key, group in groupby(checkins, key=lambda c: (c.day, c.instrument)) if len(list(group)) > 1}
    if doubles:
        notes.append(
            f"{len(doubles)} instrument-day(s) with two different reports: the model takes their mean, red "
            f"flags the worse"
        )
    days = sorted({c.day for c in checkins})
    gaps = [(b - a).days - 1 for a, b in pairwise(days)]
    if gaps and max(gaps) >= LONG_GAP_D:
        notes.append(f"no check-in for up to {max(gaps)} days: missing values are not imputed")
    notes += _changed_notes(checkins)
    notes += _recall_notes(checkins)
    return notes


def _changed_notes(checkins: Sequence[CheckIn]) -> list[str]:
    """Notes on instruments of one quantity (column ``latent`` of scales.csv) of which one replaces another."""
    latent = {row["instrument"]: row["latent"] for row in tables.read("scales").rows}
    spans: dict[str, tuple[date, date]] = {}
    for c in checkins:
        first, last = spans.get(c.instrument, (c.day, c.day))
        spans[c.instrument] = (min(first, c.day), max(last, c.day))
    notes = []
    for old, (begun, ended) in sorted(spans.items()):
        successors = [
            (first, new)
            for new, (first, last) in spans.items()
            if latent.get(new) == latent.get(old) not in (None, "none")
            and first > begun
            and last > ended
            and (ended - first).days < CHANGEOVER_D
        ]
        if successors:
            first, new = min(successors)
            notes.append(
                f"{new} instead of {old} from {first} on: two scales, each with its own measurement model, neither "
                "rescaled"
            )
    return notes


def _recall_notes(checkins: Iterable[CheckIn]) -> list[str]:
    by_instrument: dict[str, list[date]] = {}
    for c in checkins:
        by_instrument.setdefault(c.instrument, []).append(c.day)
    notes = []
    for name, days in sorted(by_instrument.items()):
        recall = scales()[name].recall_d
        often = sum(0 < (b - a).days < recall for a, b in pairwise(days))
        if recall > 1 and often:
            notes.append(
                f"{name} looks back {recall} days and was sent more often: not daily data, and the model "
                f"takes reports at least {recall} days apart"
            )
    return notes


def _row_notes(rows: Sequence[DoseRow]) -> list[str]:
    copies = sum(row.copies for row in rows)
    notes = [f"{copies} repeated dose row(s): counted once"] if copies else []
    other = [row for row in rows if row.taken is not None and row.taken != row.dose]
    if other:
        notes.append(
            f"{len(other)} dose row(s), first {other[0].day}, in which the dose taken differs from the "
            f"dose prescribed: the model follows the dose taken"
        )
    return notes


def overlap_notes(rows: Sequence[DoseRow]) -> list[str]:
    """Notes on concurrent drugs or formulations of one class: one of the orders may have been meant to end."""
    in_force: dict[tuple[str, str], DoseRow] = {}
    notes: dict[tuple[str, ...], str] = {}
    for row, following in pairwise([*rows, None]):
        if row is None:
            continue
        in_force[row.drug.key] = row
        if following is not None and following.day == row.day:
            continue
        for drug_class in DRUG_CLASSES:
            active = sorted(" ".join(k) for k, r in in_force.items() if r.dose > 0 and r.drug.drug_class == drug_class)
            if len(active) > 1 and tuple(active) not in notes:
                notes[tuple(active)] = (
                    f"overlapping prescriptions from {row.day}: {' and '.join(active)}; both doses are counted: "
                    f"check whether one should have been ended"
                )
    return list(notes.values())


def unrecorded_notes(rows: Sequence[DoseRow], reports: Sequence[CheckIn]) -> list[str]:
    """Notes on dose changes that may lack a row: the patient reports another dose, or reports precede the first dose.

    The prescribed dose of an order "as needed" is a maximum: a lower reported dose is no difference.
    """
    notes = []
    differing = []
    for report in reports:
        if report.instrument != "opioid_taken_mme":
            continue
        in_force = {r.drug.key: r for r in rows if r.day <= report.day and r.drug.drug_class == "opioid"}
        if not in_force or any(r.drug.is_buprenorphine and r.dose > 0 for r in in_force.values()):
            continue
        prescribed = sum(formulary.equivalents(r.drug, r.dose) for r in in_force.values())
        least = sum(0.0 if r.as_needed else formulary.equivalents(r.drug, r.dose) for r in in_force.values())
        allowance = DIFFERS * max(prescribed, 1.0)
        if not least - allowance <= report.value <= prescribed + allowance:
            differing.append((report.day, report.value, prescribed))
    if differing:
        day, reported, prescribed = differing[0]
        notes.append(
            f"doses that may have changed without a record: on {len(differing)} day(s) the patient reports "
            f"another opioid dose than prescribed (first {day}: {reported:g} of {prescribed:g} MME); the "
            f"prescribed one is used"
        )
    if reports and rows and reports[0].day < rows[0].day:
        notes.append(
            f"check-ins from {reports[0].day} on, doses from {rows[0].day} on: before, no dose is known, and "
            f"the reports are not used by the model"
        )
    return notes
