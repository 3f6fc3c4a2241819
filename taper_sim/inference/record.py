"""A patient's records as the model reads them: days since a start, doses by day, reports. Imports ``data``, ``model``.

Rules of reading that change numbers are stated here once and written into the output's reasons (docs/inference.md,
"From records to days").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.data.drugs_taken import DrugsTaken, DrugTaken, equivalents_of
from taper_sim.data.patient import Patient
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.inference.course import Regimen
from taper_sim.inference.observation import BY_NAME, Reports, reports_of, weekends
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL
from taper_sim.model.parameters import BY_SYMBOL, MEDIAN_USE_DAYS
from taper_sim.model.pharmacology import administrations, level_decay, within_day_shape
from taper_sim.units import DRUG_CLASSES, MONTH_D, DrugClass

LONGEST_RECORD_D: Final = 728
"""Days of record that are used: two years; what is older is in the days of use."""


class NoDoseHistory(ValueError):
    """The doses do not make a history that the model can follow; the message says why and what is allowed."""


@dataclass(frozen=True)
class PatientRecord:
    """One patient's record up to ``as_of``.

    Attributes
    ----------
    history : History
        As known on ``as_of``.
    start : date
        Day 0: the day before the first check-in or the first change of dose, whichever is earlier.
    as_of : date
    n_days : int
        Days from the start to ``as_of``.
    segments : tuple of (int, Slots)
        First day (0 for the start) and drugs, day by day of change; prescribed.
    taken : Mapping of int to Slots
        Days on which another dose was really taken than prescribed, where known.
    use_days : ndarray, (3,)
        Days of use before day 0.
    imposed : bool
        Whether cuts are imposed and not agreed.
    notes : tuple of str
    """

    history: History
    start: date
    as_of: date
    n_days: int
    segments: tuple[tuple[int, DrugsTaken], ...]
    taken: Mapping[int, DrugsTaken]
    use_days: Floats
    imposed: bool
    notes: tuple[str, ...]

    def slots_on(self, day: int) -> DrugsTaken:
        """Drugs prescribed on a day."""
        return [slots for first, slots in self.segments if first <= day][-1]

    @property
    def now(self) -> DrugsTaken:
        """Drugs prescribed today."""
        return self.segments[-1][1]

    @property
    def classes(self) -> tuple[bool, bool, bool]:
        """Which classes are taken at the start: what the model follows."""
        dose = equivalents_of(self.segments[0][1])
        return (bool(dose[0] > 0), bool(dose[1] > 0), bool(dose[2] > 0))

    @property
    def buprenorphine(self) -> bool:
        """Whether the opioid is buprenorphine."""
        return any(slot.drug.is_buprenorphine for _, slots in self.segments for slot in slots)


def _slots(rows: Mapping[tuple[str, str], DoseRow], dose: Mapping[tuple[str, str], float]) -> DrugsTaken:
    """Drugs with a dose, in a fixed order."""
    return tuple(
        DrugTaken(rows[key].drug, dose[key], administrations(rows[key].drug)) for key in sorted(rows) if dose[key] > 0
    )


def record_of(history: History, as_of: date, patient: Patient | None = None) -> PatientRecord:
    """Lay a history out in days.

    Parameters
    ----------
    history : History
        Everything recorded; what was not known on ``as_of`` does not enter.
    as_of : date
    patient : Patient, optional
        Baseline assessment: days of use, whether cuts are imposed.

    Raises
    ------
    NoDoseHistory
        If nothing was prescribed by ``as_of``, or a class is begun within the record.
    """
    known = history.as_of(as_of)
    if not known.doses:
        raise NoDoseHistory(f"no dose by {as_of}: at least one row with a dose is needed")
    in_force: dict[tuple[str, str], DoseRow] = {}
    changes: dict[date, dict[tuple[str, str], DoseRow]] = {}
    for row in known.doses:
        in_force = {**in_force, row.drug.key: row}
        changes[row.day] = in_force
    days = sorted(changes)
    first_dose = days[0]
    prescribed = {day: {key: row.dose for key, row in changes[day].items()} for day in days}
    moved = [
        later
        for earlier, later in pairwise(days)
        if _slots(changes[later], prescribed[later]) != _slots(changes[earlier], prescribed[earlier])
    ]
    anchors = [*moved[:1], *(c.day for c in known.checkins[:1])]
    start = max(min([*anchors, as_of]), first_dose) - timedelta(days=1)
    notes: list[str] = list(known.notes)
    if (as_of - start).days > LONGEST_RECORD_D:
        start = as_of - timedelta(days=LONGEST_RECORD_D)
        notes.append(f"of a longer record, only the days since {start} are followed; earlier days count as use")
    at_start = [day for day in days if day <= start + timedelta(days=1)][-1]
    segments = [(0, _slots(changes[at_start], prescribed[at_start]))]
    segments += [((day - start).days, _slots(changes[day], prescribed[day])) for day in days if day > at_start]
    begun = equivalents_of(segments[0][1]) > 0
    for day, slots in segments[1:]:
        for k, drug_class in enumerate(DRUG_CLASSES):
            if equivalents_of(slots)[k] > 0 and not begun[k]:
                raise NoDoseHistory(
                    f"{drug_class} begun on {start + timedelta(days=day)}, after the record: the model "
                    f"follows people who take a class at its start; a record that begins later, when "
                    f"the class was taken for some time"
                )
    use = np.full(3, MEDIAN_USE_DAYS)
    before = float((start - first_dose).days + 1)
    given = {} if patient is None else dict(patient.use_days)
    for k, drug_class in enumerate(DRUG_CLASSES):
        stated = given.get(drug_class, known.answers.get(f"{drug_class}_use_days"))
        if stated is not None:
            use[k] = max(float(stated), 1.0)
        elif before > MONTH_D:
            use[k] = before
        elif begun[k]:
            notes.append(f"days of {drug_class} use before {start} are not recorded: {MEDIAN_USE_DAYS:g} assumed (A3)")
    taken: dict[int, DrugsTaken] = {}
    for row in known.doses:
        if row.taken is not None and row.taken != row.dose:
            nexts = [r.day for r in known.doses if r.drug.key == row.drug.key and r.day > row.day]
            until = min([*nexts, as_of + timedelta(days=1)])
            for offset in range(max((row.day - start).days, 1), (until - start).days):
                rows = changes[[d for d in days if d <= start + timedelta(days=offset)][-1]]
                dose = {key: (r.taken if r.taken is not None else r.dose) for key, r in rows.items()}
                taken[offset] = _slots(rows, dose)
    imposed = bool(patient.imposed) if patient is not None else False
    return PatientRecord(known, start, as_of, (as_of - start).days, tuple(segments), taken, use, imposed, tuple(notes))


def main_of(slots: DrugsTaken, drug_class: DrugClass) -> DrugTaken | None:
    """The drug of a class with most equivalents: its formulation stands for the class (assumption A15)."""
    mine = [slot for slot in slots if slot.drug.drug_class == drug_class]
    return max(mine, key=lambda slot: slot.equivalents) if mine else None


def regimen_of(
    record: PatientRecord, ahead: Sequence[tuple[int, DrugsTaken]] = (), n_ahead: int = 0, *, adjunct: bool = False
) -> Regimen:
    """Doses by day over the record, and over days ahead.

    Parameters
    ----------
    record : Record
    ahead : sequence of (int, Slots)
        Days from ``as_of`` (1 = tomorrow) on which the drugs become these.
    n_ahead : int
        Days ahead.
    adjunct : bool
        Whether an alpha-2 agonist is given on the days ahead.
    """
    n = record.n_days + n_ahead
    segments = [*record.segments, *((record.n_days + day, slots) for day, slots in ahead)]
    dose, decay, shape = np.zeros((n + 1, 3)), np.zeros((n + 1, 3)), np.ones((n + 1, 3, 4))
    prescribed, rotated = np.zeros((n + 1, 3)), np.zeros(n + 1)
    opioid: str | None = None
    for (first, slots), last in zip(segments, [*(day for day, _ in segments[1:]), n + 1], strict=True):
        prescribed[first:last] = equivalents_of(slots)
        for k, drug_class in enumerate(DRUG_CLASSES):
            main = main_of(slots, drug_class)
            if main is not None:
                decay[first:last, k] = level_decay(main.drug.effect_half_life_h)
                shape[first:last, k] = within_day_shape(main.drug.trough_mean)
                if k == 0 and opioid not in (None, main.drug.drug):
                    rotated[first] = 1.0
                opioid = main.drug.drug if k == 0 else opioid
            elif first > 0:  # stopped: what is left falls as it did
                decay[first:last, k], shape[first:last, k] = decay[first - 1, k], shape[first - 1, k]
    dose[:] = prescribed
    for day, slots in record.taken.items():
        dose[day] = equivalents_of(slots)
    announced = BY_SYMBOL["xi_imposed"].centre() if record.imposed else 1.0
    cut = np.zeros(n + 1)
    cut[1:] = np.where((np.diff(prescribed, axis=0) < -1e-9).any(axis=1), announced, 0.0)
    given = np.zeros((n + 1, 3))
    if adjunct:
        given[record.n_days + 1 :, 0] = BY_SYMBOL["adjunct_effect"].centre("opioid")
    return Regimen(dose, cut, decay, shape, np.array(record.classes), record.use_days, given, rotated)


def used_by_model(record: PatientRecord) -> tuple[list[tuple[int, CheckIn]], list[str]]:
    """Reports that teach the model, by day, at most one of an instrument a day; and what was done with the others.

    A recall scale sent more often than its window is used once a window, from its first report on. Two reports of one
    day count as their mean. Reports of day 0 and before are the baseline's and do not enter.
    """
    notes: list[str] = []
    by_day: dict[tuple[str, int], list[CheckIn]] = {}
    early = 0
    for c in record.history.checkins:
        if c.instrument not in BY_NAME:
            continue
        day = (c.day - record.start).days
        if day < 1:
            early += 1
            continue
        by_day.setdefault((c.instrument, day), []).append(c)
    if early:
        notes.append(f"{early} report(s) before the record's first day are not used by the model")
    doubles = sum(len(reports) > 1 for reports in by_day.values())
    if doubles:
        notes.append(f"{doubles} day(s) with two reports of one instrument: their mean is used by the model")
    found: list[tuple[int, CheckIn]] = []
    last: dict[str, int] = {}
    skipped: dict[str, int] = {}
    for (instrument, day), reports in sorted(by_day.items()):
        recall = BY_NAME[instrument].recall_d
        if recall > 1 and day - last.get(instrument, -recall) < recall:
            skipped[instrument] = skipped.get(instrument, 0) + 1
            continue
        last[instrument] = day
        value = float(np.mean([c.value for c in reports]))
        highs = [c.high for c in reports if c.high is not None]
        high = float(np.mean(highs)) if len(highs) == len(reports) else None
        found.append((day, CheckIn(reports[0].day, instrument, value, high)))
    for instrument, count in sorted(skipped.items()):
        notes.append(
            f"{count} report(s) of {instrument} within its {BY_NAME[instrument].recall_d}-day recall of an "
            f"earlier one are not used by the model"
        )
    return found, notes


def reports_for(record: PatientRecord, checkins: Sequence[tuple[int, CheckIn]], n_days: int) -> Reports:
    """Reports laid out for the likelihood, with weekday and class reduced last by day."""
    dose = regimen_of(record).dose
    last_cut = np.zeros(n_days + 1, dtype=np.int64)
    at = int(np.argmax(np.array(record.classes)))
    for day in range(n_days + 1):
        if 0 < day < len(dose):
            fallen = np.flatnonzero(dose[day] < dose[day - 1] - 1e-9)
            at = int(fallen[0]) if len(fallen) else at
        last_cut[day] = at
    return reports_of(checkins, last_cut, weekends(record.start, n_days))


def recent_reduction(record: PatientRecord) -> float:
    """Recent reduction V at the end of the record: shares of the original dose cut, fading (events of the model)."""
    dose = regimen_of(record).dose
    decay, v = float(np.exp(-1.0 / CHANCE_BY_SYMBOL["tau_V"].centre())), 0.0
    start = np.where(dose[0] > 0, dose[0], np.inf)
    for before, after in pairwise(dose):
        v = v * decay + float(np.maximum((before - after) / start, 0.0).max())
    return v
