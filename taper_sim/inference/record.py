"""A patient's records as the model reads them: days since a start, doses by day, reports.

Imports ``data``, ``model``, ``inference.course``, ``inference.observation``. Each reading rule that changes numbers is
defined here and named in the output's reasons (docs/inference.md, "From records to days").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Final

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.data.drugs_taken import DrugsTaken, DrugTaken, equivalents_of
from taper_sim.data.original_dose import OriginalDose, original_doses
from taper_sim.data.patient import DrugEntry, Patient
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.inference.course import Regimen, cut_reference, cuts_of
from taper_sim.inference.observation import BY_NAME, Reports, reports_of, weekends
from taper_sim.model import equations as eq
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL
from taper_sim.model.parameters import BY_SYMBOL, MEDIAN_USE_DAYS
from taper_sim.model.pharmacology import administrations, level_decay, within_day_shape
from taper_sim.units import DRUG_CLASSES, MONTH_D, TOLERANCE, DrugClass

LONGEST_RECORD_D: Final = 728
"""Longest record that is used, days: two years. Earlier days count as days of use. A design choice."""


class NoDoseHistory(ValueError):
    """The doses do not make a history that the model can follow; the message gives the reason and what is allowed."""


@dataclass(frozen=True)
class PatientRecord:
    """One patient's record up to ``as_of``.

    Attributes
    ----------
    history : History
        Records as known on ``as_of``.
    start : date
        Day 0: the day before the first check-in or the first change of dose, whichever is earlier. The dose of day 0 is
        that before the change; days before the first check-in have doses and no reports.
    as_of : date
        Last day of the record.
    n_days : int
        Days from the start to ``as_of``.
    segments : tuple of (int, DrugsTaken)
        First day of each segment (0 for the start) and the drugs prescribed from that day on.
    taken : mapping of int to DrugsTaken
        Drugs taken, by day, on days on which the dose taken is known to differ from the prescribed one.
    use_days : ndarray, (3,)
        Days of use of each class before day 0; of a class begun later those that are stated, and at least 1.
    original : mapping of drug class to OriginalDose
        Dose in force when this taper began, of each class that has been taken.
    imposed : bool
        Whether dose reductions are imposed rather than agreed.
    notes : tuple of str
        Notes on reading, a sentence each.
    """

    history: History
    start: date
    as_of: date
    n_days: int
    segments: tuple[tuple[int, DrugsTaken], ...]
    taken: Mapping[int, DrugsTaken]
    use_days: Floats
    original: Mapping[DrugClass, OriginalDose]
    imposed: bool
    notes: tuple[str, ...]

    @property
    def now(self) -> DrugsTaken:
        """Drugs prescribed today."""
        return self.segments[-1][1]

    @property
    def classes(self) -> tuple[bool, bool, bool]:
        """Whether each class is taken at the start or begun later; the model follows these classes."""
        dose = sum((equivalents_of(slots) for _, slots in self.segments), np.zeros(3))
        return (bool(dose[0] > 0), bool(dose[1] > 0), bool(dose[2] > 0))

    @property
    def first_days(self) -> Ints:
        """First day of each class in the record, (3,): 0 for one that is taken at the start, or never."""
        dose = np.array([equivalents_of(slots) for _, slots in self.segments])
        days = np.array([day for day, _ in self.segments])
        return np.asarray(days[np.argmax(dose > 0, axis=0)])

    @property
    def days_of_use(self) -> Floats:
        """Days of use of each class up to ``as_of``, (3,); those of a class begun within the record count from then."""
        return self.use_days + self.n_days - self.first_days

    @property
    def buprenorphine(self) -> bool:
        """Whether the opioid is buprenorphine."""
        return any(slot.drug.is_buprenorphine for _, slots in self.segments for slot in slots)


def _slots(rows: Mapping[tuple[str, str], DoseRow], dose: Mapping[tuple[str, str], float]) -> DrugsTaken:
    """Drugs with a dose above 0, ordered by name and formulation."""
    return tuple(
        DrugTaken(
            rows[key].drug,
            dose[key],
            administrations(rows[key].drug, rows[key].interval_h),
            rows[key].interval_h,
            rows[key].as_needed,
            rows[key].product,
        )
        for key in sorted(rows)
        if dose[key] > 0
    )


def _with_own_intervals(rows: Sequence[DoseRow], patient: Patient | None) -> tuple[DoseRow, ...]:
    """The rows with the patient's own intervals between doses, where the row has none."""
    entries = () if patient is None else patient.drugs
    own = {entry.row.key: entry.interval_h for entry in entries if entry.interval_h is not None}
    return tuple(row if row.interval_h is not None else replace(row, interval_h=own.get(row.drug.key)) for row in rows)


def record_of(history: History, as_of: date, patient: Patient | None = None) -> PatientRecord:
    """Lay a history out in days.

    Parameters
    ----------
    history : History
        All records; rows that were not known on ``as_of`` are ignored.
    as_of : date
    patient : Patient, optional
        Baseline assessment: days of use, whether reductions are imposed.

    Returns
    -------
    PatientRecord

    Raises
    ------
    NoDoseHistory
        If nothing was prescribed by ``as_of``, or if the original dose that is stated cannot be one.
    """
    history_then = history.as_of(as_of)
    if not history_then.doses:
        raise NoDoseHistory(f"no dose by {as_of}: at least one row with a dose is needed")
    history_then = replace(history_then, doses=_with_own_intervals(history_then.doses, patient))
    in_force: dict[tuple[str, str], DoseRow] = {}
    changes: dict[date, dict[tuple[str, str], DoseRow]] = {}
    for row in history_then.doses:
        in_force = {**in_force, row.drug.key: row}
        changes[row.day] = in_force
    days = sorted(changes)
    first_dose = days[0]
    prescribed = {day: {key: row.dose for key, row in changes[day].items()} for day in days}
    slots_on = {day: _slots(changes[day], prescribed[day]) for day in days}
    changed = [later for earlier, later in pairwise(days) if slots_on[later] != slots_on[earlier]]
    anchors = [*changed[:1], *(c.day for c in history_then.checkins[:1])]
    start = max(min([*anchors, as_of]), first_dose) - timedelta(days=1)
    notes: list[str] = list(history_then.notes)
    if (as_of - start).days > LONGEST_RECORD_D:
        start = as_of - timedelta(days=LONGEST_RECORD_D)
        notes.append(f"the record is longer than {LONGEST_RECORD_D} days: days before {start} count as days of use")
    # before the first recorded dose it is taken to have been the same: a change on day 1 is a change from day 0
    day_in_force = max((day for day in days if day <= start), default=first_dose)
    segments = [(0, slots_on[day_in_force])]
    segments += [((day - start).days, slots_on[day]) for day in days if day > day_in_force]
    taken_at_start = equivalents_of(segments[0][1]) > 0
    begun = {
        drug_class: start + timedelta(days=next(day for day, slots in segments if equivalents_of(slots)[k] > 0))
        for k, drug_class in enumerate(DRUG_CLASSES)
        if not taken_at_start[k] and any(equivalents_of(slots)[k] > 0 for _, slots in segments)
    }
    notes += [
        f"{drug_class} begun on {day}, within the record: read as begun on that day, without adaptation before"
        for drug_class, day in begun.items()
    ]
    use = np.full(3, MEDIAN_USE_DAYS)
    before = float((start - first_dose).days + 1)
    assessed = {} if patient is None else dict(patient.use_days)
    for k, drug_class in enumerate(DRUG_CLASSES):
        stated = assessed.get(drug_class, history_then.answers.get(f"{drug_class}_use_days"))
        if stated is not None:
            use[k] = max(float(stated), 1.0)
        elif drug_class in begun:
            use[k] = 1.0
        elif before > MONTH_D:
            use[k] = before
        elif taken_at_start[k]:
            notes.append(f"days of {drug_class} use before {start} are not recorded: {MEDIAN_USE_DAYS:g} assumed (A3)")
    taken: dict[int, DrugsTaken] = {}
    for row in history_then.doses:
        if row.taken is not None and row.taken != row.dose:
            later_rows = [r.day for r in history_then.doses if r.drug.key == row.drug.key and r.day > row.day]
            until = min([*later_rows, as_of + timedelta(days=1)])
            for offset in range(max((row.day - start).days, 1), (until - start).days):
                rows = changes[[d for d in days if d <= start + timedelta(days=offset)][-1]]
                dose = {key: (r.taken if r.taken is not None else r.dose) for key, r in rows.items()}
                taken[offset] = _slots(rows, dose)
    imposed = bool(patient.imposed) if patient is not None else False
    n_days = (as_of - start).days
    stated_drugs = () if patient is None else tuple(_stated(entry) for entry in patient.original_drugs)
    original = original_doses([(day, slots_on[day]) for day in days], as_of, stated_drugs)
    _check_original(original, segments[-1][1])
    return PatientRecord(
        history_then, start, as_of, n_days, tuple(segments), taken, use, original, imposed, tuple(notes)
    )


def _stated(entry: DrugEntry) -> DrugTaken:
    return DrugTaken(entry.row, entry.dose, administrations(entry.row, entry.interval_h), entry.interval_h)


def _check_original(original: Mapping[DrugClass, OriginalDose], now: DrugsTaken) -> None:
    """Refuse an original dose that is stated on another scale than today's, or below it: percentages would mislead."""
    today = equivalents_of(now)
    for k, drug_class in enumerate(DRUG_CLASSES):
        drugs_now = [slot.drug for slot in now if slot.drug.drug_class == drug_class]
        if not drugs_now or drug_class not in original:
            continue
        of_class = original[drug_class]
        if {slot.drug.is_buprenorphine for slot in of_class.drugs} != {drug.is_buprenorphine for drug in drugs_now}:
            raise NoDoseHistory(
                f"an original dose of {of_class.words} cannot be compared with today's {drugs_now[0].drug}; allowed: "
                "an original dose on the scale of today's drugs"
            )
        if of_class.equivalents < today[k] - TOLERANCE:
            raise NoDoseHistory(
                f"an original {drug_class} dose of {of_class.words} ({of_class.why}) is below today's dose; allowed: "
                f"at least {today[k]:.4g} equivalents a day"
            )


def _main_drug(slots: DrugsTaken, drug_class: DrugClass) -> DrugTaken | None:
    """Drug of a class with the most equivalents: its formulation stands for the class (assumption A15)."""
    same_class = [slot for slot in slots if slot.drug.drug_class == drug_class]
    return max(same_class, key=lambda slot: slot.equivalents) if same_class else None


def regimen_of(
    record: PatientRecord, ahead: Sequence[tuple[int, DrugsTaken]] = (), n_ahead: int = 0, *, adjunct: bool = False
) -> Regimen:
    """Doses by day over the record and the days ahead.

    Parameters
    ----------
    record : PatientRecord
    ahead : sequence of (int, DrugsTaken)
        Days from ``as_of`` (1 = tomorrow) on which the prescription changes, and the drugs from that day on.
    n_ahead : int
        Number of days ahead.
    adjunct : bool
        Whether an alpha-2 agonist is given on the days ahead.

    Returns
    -------
    Regimen
        Arrays with n_days + n_ahead + 1 rows.
    """
    n = record.n_days + n_ahead
    segments = [*record.segments, *((record.n_days + day, slots) for day, slots in ahead)]
    dose, decay, shape = np.zeros((n + 1, 3)), np.zeros((n + 1, 3)), np.ones((n + 1, 3, 4))
    prescribed, rotated = np.zeros((n + 1, 3)), np.zeros(n + 1)
    opioid: str | None = None
    for (first, slots), last in zip(segments, [*(day for day, _ in segments[1:]), n + 1], strict=True):
        prescribed[first:last] = equivalents_of(slots)
        for k, drug_class in enumerate(DRUG_CLASSES):
            main = _main_drug(slots, drug_class)
            if main is not None:
                decay[first:last, k] = level_decay(main.drug.effect_half_life_h)
                shape[first:last, k] = within_day_shape(main.drug.trough_mean)
                if k == 0 and opioid not in (None, main.drug.drug):
                    rotated[first] = 1.0
                opioid = main.drug.drug if k == 0 else opioid
            elif first > 0:  # stopped: the remaining level decays as before
                decay[first:last, k], shape[first:last, k] = decay[first - 1, k], shape[first - 1, k]
    dose[:] = prescribed
    for day, slots in record.taken.items():
        dose[day] = equivalents_of(slots)
    whole = BY_SYMBOL["xi_imposed"].centre() if record.imposed else 1.0
    cut, removed = cuts_of(prescribed, reference_of(record), whole)
    adjunct_effect = np.zeros((n + 1, 3))
    if adjunct:
        adjunct_effect[record.n_days + 1 :, 0] = BY_SYMBOL["adjunct_effect"].centre("opioid")
    taken = np.array(record.classes)  # one begun later has dose 0 on day 0, and adapts from its first day on
    return Regimen(dose, cut, removed, decay, shape, taken, record.use_days, adjunct_effect, rotated)


def reference_of(record: PatientRecord) -> Floats:
    """Dose against which a cut of each class is measured, equivalents a day, (3,)."""
    return cut_reference(np.array(record.classes), equivalents_of(record.segments[0][1]), record.buprenorphine)


def used_by_model(record: PatientRecord) -> tuple[list[tuple[int, CheckIn]], list[str]]:
    """Reports in the likelihood, with their days, at most one of an instrument a day; and notes on the other reports.

    A scale with a recall window is used once a window, from its first report on. Two reports of one instrument on one
    day are replaced by their mean. Reports of day 0 or earlier belong to the baseline and are not used.
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
    used: list[tuple[int, CheckIn]] = []
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
        used.append((day, CheckIn(reports[0].day, instrument, value, high)))
    for instrument, count in sorted(skipped.items()):
        notes.append(
            f"{count} report(s) of {instrument} within its {BY_NAME[instrument].recall_d}-day recall of an "
            f"earlier one are not used by the model"
        )
    return used, notes


def reports_for(
    record: PatientRecord,
    checkins: Sequence[tuple[int, CheckIn]],
    n_days: int,
    assessed: Mapping[str, float] = MappingProxyType({}),
) -> Reports:
    """Reports laid out for the likelihood, with weekend and the class reduced last for each day, (n_days + 1,).

    A baseline assessment, as in ``model.parameters.Baseline``, is a report of day 0.
    """
    dose = regimen_of(record).dose
    last_cut = np.zeros(n_days + 1, dtype=np.int64)
    reduced = int(np.argmax(dose[0] > 0)) if (dose[0] > 0).any() else int(np.argmax(np.array(record.classes)))
    for day in range(n_days + 1):
        if 0 < day < len(dose):
            fallen = np.flatnonzero(dose[day] < dose[day - 1] - TOLERANCE)
            reduced = int(fallen[0]) if len(fallen) else reduced
        last_cut[day] = reduced
    return reports_of(checkins, last_cut, weekends(record.start, n_days), assessed)


def first_cut_of(record: PatientRecord) -> int | None:
    """Day of the first reduction of a prescribed dose; None without one."""
    for (_, before), (day, after) in pairwise(record.segments):
        if (equivalents_of(after) < equivalents_of(before) - TOLERANCE).any():
            return day
    return None


def recent_reduction(record: PatientRecord) -> float:
    """Recent reduction V at the end of the record: shares of the original dose cut less those raised, fading."""
    prescribed = np.zeros((record.n_days + 1, 3))
    for first, slots in record.segments:
        prescribed[first:] = equivalents_of(slots)
    decay, v = float(np.exp(-1.0 / CHANCE_BY_SYMBOL["tau_V"].centre())), 0.0
    reference = reference_of(record)
    for before, after in pairwise(prescribed):
        share = eq.cut_share(before, after, reference)
        v = max(eq.recent_cut(v, decay, max(share.max(), 0.0) + min(share.min(), 0.0)), 0.0)
    return v
