"""The value of every variable of variables.csv for one patient on one day, or that it is not known. Imports ``data``.

What is derived (a baseline, a mean, a reduction in percent) is defined in the table's own words, column ``question``;
here is one function for each. Everything else was reported: a report counts for a while and then is not known any more
(:func:`keeps_for_d`); docs/red-flags.md has the windows in a table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache, partial
from itertools import pairwise
from typing import Final

import numpy as np

from taper_sim import tables
from taper_sim.data import formulary
from taper_sim.data.checkins import scales
from taper_sim.data.records import DoseRow, History
from taper_sim.units import DRUG_CLASSES

NEVER_REDUCED_D: Final = 10_000.0
REPORT_KEEPS_D: Final = 7
"""Days for which an answer counts, at least; longer where its question looks back further. A design choice."""
ALARM_KEEPS_D: Final = 28
"""Days for which a sign that was reported counts until a later answer takes it back. A design choice: not forgotten."""
_KEEPS_BY_SOURCE: Final = {"baseline": 36_500, "lab": 365, "order": 90}
_GAP_D: Final = 30
"""Longest gap of use that does not begin it anew. Source: variables.csv, opioid_use_days."""
_SAFER_TRUE: Final = frozenset({
    "naloxone_at_home", "patient_agreed_to_taper", "pdmp_checked_90d", "emergency_contact_recorded",
    "location_recorded",
})  # fmt: skip
_USUAL: Final = {"resp_rate": 16.0, "hr": 75.0, "sbp": 120.0, "temp_c": 37.0, "spo2": 100.0}
_SEROTONERGIC: Final = ("tramadol", "tapentadol", "methadone", "fentanyl")
_CYP3A4: Final = (
    "oxycodone", "fentanyl", "methadone", "buprenorphine", "hydrocodone", "alprazolam", "clonazepam", "diazepam",
)  # fmt: skip
_CYP2D6: Final = ("codeine", "tramadol")
_RENAL_CAPS: Final = {"gabapentin": (1400.0, 700.0, 300.0), "pregabalin": (300.0, 150.0, 75.0)}
"""mg a day at creatinine clearance 30 to 59, 15 to 29, below 15. Source: variables.csv, gabapentinoid_renal_cap_mg."""


@cache
def _rows() -> Mapping[str, tables.Row]:
    return {row["name"]: row for row in tables.read("variables").rows}


@cache
def keeps_for_d(name: str) -> int:
    """Days for which a report counts."""
    row = _rows().get(name)
    source = row["source"] if row is not None else "check-in"
    recall = scales()[name].recall_d if name in scales() else 1
    return _KEEPS_BY_SOURCE.get(source, max(REPORT_KEEPS_D, recall))


def worse(name: str, values: list[float]) -> float:
    """The value of several on one day that points to danger."""
    if name in _USUAL:
        return max(values, key=lambda v: abs(v - _USUAL[name]))
    better_high = next((r["direction"] == "higher_is_better" for r in tables.read("scales").rows
                        if r["instrument"] == name), False)  # fmt: skip
    return min(values) if better_high or name in _SAFER_TRUE else max(values)


@dataclass
class Values:
    """Values of one patient on ``as_of``, for rules.

    Attributes
    ----------
    history : History
        As known on ``as_of``.
    as_of : date
    assumed : mapping of str to float
        Values that this question brings with it, such as ``reduction_planned``.
    planned : mapping of drug class to float
        Lowest planned dose of a class within the next 14 days, in equivalents a day, where one is planned.
    """

    history: History
    as_of: date
    assumed: Mapping[str, float] = field(default_factory=dict)
    planned: Mapping[str, float] = field(default_factory=dict)
    _known: dict[tuple[str, int | None], float | None] = field(default_factory=dict, init=False, repr=False)

    def value(self, name: str, days_ago: int | None = None) -> float | None:
        """Value of a variable now, or as reported on the very day so many days ago; None if it is not known."""
        key = (name, days_ago)
        if key not in self._known:
            self._known[key] = self._found(name, days_ago)
        return self._known[key]

    def _found(self, name: str, days_ago: int | None) -> float | None:
        if days_ago is not None and name in scales() and name not in DERIVED:
            return self.on(name, self.as_of - timedelta(days=days_ago))
        if name in self.assumed:
            return self.assumed[name]
        derive = DERIVED.get(name)
        found = derive(self) if derive is not None else None
        if found is None:
            found = self.reported(name)
        return found

    def on(self, name: str, day: date) -> float | None:
        """What was reported of a day, the worse of several."""
        values = [c.value if c.high is None else c.high for c in self.history.checkins
                  if c.instrument == name and c.day == day]  # fmt: skip
        return worse(name, values) if values else None

    def reported(self, name: str) -> float | None:
        """The last report that still counts, else what the patient's file says."""
        row = _rows().get(name)
        if row is not None and row["instrument"] in scales() and row["instrument"] != name:
            name = row["instrument"]  # a variable that an instrument of another name carries
        days = [c.day for c in self.history.checkins if c.instrument == name and c.day <= self.as_of]
        if days:
            last, age = max(days), (self.as_of - max(days)).days
            value = self.on(name, last)
            boolean = name in scales() and scales()[name].boolean and name not in _SAFER_TRUE
            keeps = max(keeps_for_d(name), ALARM_KEEPS_D) if boolean and value else keeps_for_d(name)
            if age <= keeps:
                return value
        return self.history.answers.get(name)

    # -- doses ---------------------------------------------------------------------------------------------------------

    def in_force(self, day: date) -> list[DoseRow]:
        """Rows that hold on a day, one for a drug and formulation."""
        rows = {row.drug.key: row for row in self.history.doses if row.day <= day}
        return [row for row in rows.values() if row.dose > 0]

    def dose(self, drug_class: str, day: date) -> float | None:
        """Equivalents a day of a class; None before the first row, and where a part has no equivalents (MME)."""
        if not self.history.doses or day < self.history.doses[0].day:
            return None
        rows = [row for row in self.in_force(day) if row.drug.drug_class == drug_class]
        if any(row.drug.is_buprenorphine for row in rows):
            return None
        return float(sum(formulary.equivalents(row.drug, row.dose) for row in rows))

    def has(self, *drugs: str) -> float | None:
        """1 if one of these drugs is in the current doses, 0 if not."""
        if not self.history.doses:
            return None
        return float(any(row.drug.drug.split("-")[0] in drugs for row in self.in_force(self.as_of)))

    def has_class(self, drug_class: str) -> float | None:
        """1 if the class is in the current doses, 0 if not."""
        if not self.history.doses:
            return None
        return float(any(row.drug.drug_class == drug_class for row in self.in_force(self.as_of)))

    def changes(self, drug_class: str) -> list[tuple[date, float, float]]:
        """Days on which the dose of a class changed: day, before, after; in the class's own scale."""
        days = sorted({row.day for row in self.history.doses if row.drug.drug_class == drug_class})
        doses = []
        for day in days:
            rows = [row for row in self.in_force(day) if row.drug.drug_class == drug_class]
            doses.append((day, float(sum(formulary.equivalents(row.drug, row.dose) for row in rows))))
        return [(d, a, b) for (_, a), (d, b) in pairwise(doses) if a != b]

    def first_reduction(self) -> date | None:
        """Day of the first lower dose of any class."""
        days = [day for c in DRUG_CLASSES for day, before, after in self.changes(c) if after < before - 1e-9]
        return min(days) if days else None


def _baseline(name: str) -> Callable[[Values], float | None]:
    """Mean before the first reduction: at least 3 answers in the 14 days before it, one for scales of two weeks."""

    def derive(v: Values) -> float | None:
        first = v.first_reduction()
        end = first if first is not None else v.as_of + timedelta(days=1)
        known = [c for c in v.history.checkins if c.instrument == name and c.day < end]
        long_scale = name in scales() and scales()[name].recall_d >= 14
        if long_scale:
            return float(np.mean([c.value for c in known])) if known else None
        recent = [c.value for c in known if c.day >= end - timedelta(days=14)]
        return float(np.mean(recent)) if len(recent) >= 3 else None

    return derive


def _window(name: str, days: int, least: int, how: Callable[[list[float]], float], *, before_first: bool = False
            ) -> Callable[[Values], float | None]:  # fmt: skip
    """A statistic over the last days, unknown with fewer than ``least`` answers."""

    def derive(v: Values) -> float | None:
        end = v.as_of + timedelta(days=1)
        if before_first:
            end = v.first_reduction() or end
        values = [c.value for c in v.history.checkins
                  if c.instrument == name and end - timedelta(days=days) <= c.day < end]  # fmt: skip
        return float(how(values)) if len(values) >= least else None

    return derive


def _promis_change(v: Values) -> float | None:
    now, base = v.reported("promis_pf"), _baseline("promis_pf")(v)
    if base is None:
        first = v.first_reduction()
        before = [c for c in v.history.checkins if first is None or c.day < first]
        known = [c.value for c in before if c.instrument == "promis_pf"]
        base = float(np.mean(known)) if known else None
    return None if now is None or base is None else now - base


def _answered_within(name: str, days: int) -> Callable[[Values], float | None]:
    return lambda v: float(any(c.instrument == name and (v.as_of - c.day).days < days for c in v.history.checkins))


def _reduction(drug_class: str, days: int, *, of_original: bool = False) -> Callable[[Values], float | None]:
    """Percent by which the dose fell over so many days, or will by the plan; an increase is negative."""

    def derive(v: Values) -> float | None:
        if not v.history.doses:
            return None
        ago = max(v.as_of - timedelta(days=days), v.history.doses[0].day)
        then, now = v.dose(drug_class, ago), v.dose(drug_class, v.as_of)
        if then is None or now is None:
            return None
        now = min(now, v.planned.get(drug_class, now))
        changes = v.changes(drug_class)
        cuts = [before for _, before, after in changes if after < before - 1e-9]
        reference = (cuts[0] if cuts else then) if of_original else then
        return 100.0 * (then - now) / reference if reference > 0 else 0.0

    return derive


def _cut_within_14d(drug_class: str) -> Callable[[Values], float | None]:
    def derive(v: Values) -> float | None:
        if not v.history.doses:
            return None
        cuts = [day for day, before, after in v.changes(drug_class) if after < before - 1e-9]
        recent = any((v.as_of - day).days < 14 for day in cuts)
        now = v.dose(drug_class, v.as_of)
        ahead = drug_class in v.planned and now is not None and v.planned[drug_class] < now - 1e-9
        return float(recent or ahead)

    return derive


def _since_reduction(v: Values) -> float | None:
    days = [day for c in DRUG_CLASSES for day, before, after in v.changes(c) if after < before - 1e-9]
    return float((v.as_of - max(days)).days) if days else NEVER_REDUCED_D


def _use_days(drug_class: str) -> Callable[[Values], float | None]:
    """Days of daily use without a gap over 30 days, from the doses or the patient's file, whichever is longer."""

    def derive(v: Values) -> float | None:
        stated = v.history.answers.get(f"{drug_class}_use_days")
        days = sorted({row.day for row in v.history.doses if row.drug.drug_class == drug_class})
        if not days:
            return stated if stated is not None else (0.0 if v.history.doses else None)
        taken = [(day, any(r.drug.drug_class == drug_class for r in v.in_force(day))) for day in days]
        since: date | None = None
        stopped: date | None = None
        for day, takes in taken:
            if takes and (since is None or (stopped is not None and (day - stopped).days > _GAP_D)):
                since = day
            stopped = None if takes else (stopped or day)
        recorded = 0.0 if since is None else float((v.as_of - since).days)
        return recorded if stated is None else max(recorded, stated + (v.as_of - days[0]).days)

    return derive


def _missed_in_row(v: Values) -> float | None:
    days = sorted({c.day for c in v.history.checkins})
    if not days:
        return None
    gaps = [(b - a).days for a, b in pairwise(days[-29:])]
    cadence = max(int(np.median(gaps)), 1) if gaps else 1
    return float(max((v.as_of - days[-1]).days - 1, 0) // cadence)


def _gabapentinoid_mg(v: Values) -> float | None:
    rows = [row for row in v.in_force(v.as_of) if row.drug.drug_class == "gabapentinoid"]
    return float(sum(row.dose for row in rows)) if v.history.doses else None


def _renal_cap(v: Values) -> float | None:
    rows = [row.drug.drug for row in v.in_force(v.as_of) if row.drug.drug_class == "gabapentinoid"]
    clearance = v.value("crcl")
    if clearance is None or len(set(rows)) != 1 or rows[0] not in _RENAL_CAPS:
        return None
    caps = _RENAL_CAPS[rows[0]]
    return 6000.0 if clearance >= 60 else caps[0] if clearance >= 30 else caps[1] if clearance >= 15 else caps[2]


def _buprenorphine_started(v: Values) -> float | None:
    if not v.history.doses:
        return None
    week_ago = v.as_of - timedelta(days=7)
    before = any(row.drug.is_buprenorphine for row in v.in_force(week_ago))
    return float(not before and any(row.drug.is_buprenorphine for row in v.in_force(v.as_of)))


def _overlap(v: Values) -> float | None:
    if not v.history.doses:
        return None
    classes = [row.drug.drug_class for row in v.in_force(v.as_of)]
    return float(any(classes.count(c) > 1 for c in DRUG_CLASSES))


def _mme_change(v: Values) -> float | None:
    now = v.dose("opioid", v.as_of)
    then = v.dose("opioid", v.as_of - timedelta(days=28))
    return None if now is None or then is None else now - then


def _prescribed_when_taken(v: Values) -> float | None:
    days = [c.day for c in v.history.checkins if c.instrument == "opioid_taken_mme"]
    return v.dose("opioid", max(days)) if days else v.dose("opioid", v.as_of)


def _pregnant(v: Values) -> float | None:
    reported = v.reported("pregnant")
    return 0.0 if reported is None and v.reported("sex_male") == 1.0 else reported


def _seizure_lowering(v: Values) -> float | None:
    return 1.0 if v.has("tramadol") == 1.0 else None


DERIVED: Final[Mapping[str, Callable[[Values], float | None]]] = {
    **{f"{name}_baseline": _baseline(name) for name in (
        "pain_nrs", "peg", "sows_gossop", "pwc", "phq8", "phq9", "gad7", "isi", "ess", "craving", "pcs", "function",
        "rom", "gait_speed",
    )},
    "steps_baseline": _window("steps", 14, 7, lambda x: float(np.median(x)), before_first=True),
    "steps_14d_median": _window("steps", 14, 7, lambda x: float(np.median(x))),
    "pain_nrs_7d_mean": _window("pain_nrs", 7, 4, lambda x: float(np.mean(x))),
    "sleep_hours_7d_mean": _window("sleep_hours", 7, 4, lambda x: float(np.mean(x))),
    "promis_pf_change": _promis_change,
    "phq9_within_14d": _answered_within("phq9", 14),
    "gad7_within_14d": _answered_within("gad7", 14),
    "opioid_mme": lambda v: v.dose("opioid", v.as_of),
    "opioid_prescribed_mme": _prescribed_when_taken,
    "opioid_mme_change_28d": _mme_change,
    "opioid_reduction_28d_pct": _reduction("opioid", 28, of_original=True),
    "opioid_reduction_90d_pct": _reduction("opioid", 90),
    "benzodiazepine_reduction_7d_pct": _reduction("benzodiazepine", 7),
    "benzodiazepine_reduction_14d_pct": _reduction("benzodiazepine", 14),
    "gabapentinoid_reduction_7d_pct": _reduction("gabapentinoid", 7),
    **{f"{c}_cut_within_14d": _cut_within_14d(c) for c in DRUG_CLASSES},
    **{f"{c}_use_days": _use_days(c) for c in DRUG_CLASSES},
    "days_since_reduction": _since_reduction,
    "missed_checkins_in_row": _missed_in_row,
    "gabapentinoid_dose_mg": _gabapentinoid_mg,
    "gabapentinoid_renal_cap_mg": _renal_cap,
    **{c: partial(Values.has_class, drug_class=c) for c in DRUG_CLASSES},
    "morphine": lambda v: v.has("morphine"),
    "methadone": lambda v: v.has("methadone"),
    "serotonergic_opioid": lambda v: v.has(*_SEROTONERGIC),
    "cyp3a4_substrate": lambda v: v.has(*_CYP3A4),
    "cyp2d6_prodrug": lambda v: v.has(*_CYP2D6),
    "seizure_lowering_drug": _seizure_lowering,
    "buprenorphine_started_7d": _buprenorphine_started,
    "same_class_overlap": _overlap,
    "pregnant": _pregnant,
}  # fmt: skip
"""Variables that are computed; where a computation cannot say, a report may. Those reported alone are not here."""
REPORTED_ONLY: Final = frozenset({"refill_days_early", "missed_visits_14d", "days_at_old_dose_after_step"})
"""Derived by the table's word, but from orders and visits that no file of the contract carries: given as reports."""
