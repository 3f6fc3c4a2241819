"""Values of the variables of variables.csv for one patient on one day. Imports ``validity``, ``data``.

A value can be unknown. Derived variables (a baseline, a mean, a percentage reduction) are computed in
:mod:`taper_sim.safety.derived_variables`. All other variables are reported, and a report expires
(:mod:`taper_sim.safety.validity`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import pairwise

from taper_sim.data import formulary
from taper_sim.data.checkins import scales
from taper_sim.data.original_dose import original_level
from taper_sim.data.records import DoseRow, History
from taper_sim.safety.derived_variables import DERIVED
from taper_sim.safety.felt_cuts import FeltCut, felt_cuts
from taper_sim.safety.limits import Limits
from taper_sim.safety.validity import is_asked, keeps_value_for_d, variable_rows, worse
from taper_sim.units import DRUG_CLASSES, TOLERANCE


@dataclass
class Values:
    """Values of the variables of one patient on day ``as_of``, for rules.

    Attributes
    ----------
    history : History
        Records that were not available on ``as_of`` are removed.
    as_of : date
    assumed : mapping of str to float
        Values assumed by the caller, such as ``reduction_planned``.
    planned : mapping of drug class to float
        Lowest planned dose of a class within the next 14 days, equivalents a day, if a change is planned.
    keeps_at_least_d : int
        Shortest validity of answers and device readings, days, to find alarms without a withdrawal.
    limits : Limits
        Limits on what is felt, by which past cuts are judged.
    """

    history: History
    as_of: date
    assumed: Mapping[str, float] = field(default_factory=dict)
    planned: Mapping[str, float] = field(default_factory=dict)
    keeps_at_least_d: int = 0
    limits: Limits = field(default_factory=Limits)
    _felt: list[FeltCut] | None = field(default=None, init=False, repr=False)
    _known: dict[tuple[str, int | None], float | None] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Remove records later than ``as_of``."""
        self.history = self.history.as_of(self.as_of)

    def value(self, name: str, days_ago: int | None = None) -> float | None:
        """Current value of a variable, or its value on the day ``days_ago``; None if unknown."""
        key = (name, days_ago)
        if key not in self._known:
            self._known[key] = self._current(name) if days_ago is None else self._value_on_day(name, days_ago)
        return self._known[key]

    def _current(self, name: str) -> float | None:
        if name in self.assumed:
            return self.assumed[name]
        derive = DERIVED.get(name)
        derived = derive(self) if derive is not None else None
        row = variable_rows().get(name)
        if derived is None and self.history.doses and row is not None and derive and row["instrument"] == "doses file":
            return None  # the dose history is authoritative: an answer does not replace it
        return self.reported(name) if derived is None else derived

    def _value_on_day(self, name: str, days_ago: int) -> float | None:
        """Value on one day; an answer covers the days of its recall period."""
        day = self.as_of - timedelta(days=days_ago)
        row = variable_rows().get(name)
        if name in self.assumed or name.endswith("_baseline") or row is None:
            return self.value(name)
        if row["source"] == "derived" or row["source"] == "order":
            return replace(self, as_of=day).value(name)
        if not is_asked(name):
            return self.value(name)
        days = [c.day for c in self.history.checkins if c.instrument == name and c.day >= day]
        covered = bool(days) and (min(days) - day).days < scales()[name].recall_d
        return self.on(name, min(days)) if covered else None

    def _names(self, name: str) -> tuple[str, ...]:
        """Names under which a variable is reported: its own, and the instrument that contains it."""
        row = variable_rows().get(name)
        carrier = row["instrument"] if row is not None and row["source"] != "derived" else name
        return (name, carrier) if carrier != name and carrier in scales() else (name,)

    def _last_day(self, name: str) -> date | None:
        """Day of the last report; None without a report."""
        names = self._names(name)
        return max((c.day for c in self.history.checkins if c.instrument in names), default=None)

    def on(self, name: str, day: date) -> float | None:
        """The reported value of a day: the most adverse of several; of an interval its more adverse end."""
        names = self._names(name)
        reports = [c for c in self.history.checkins if c.instrument in names and c.day == day]
        values = [end for c in reports for end in (c.value, c.high) if end is not None]
        return worse(name, values) if values else None

    def daily(self, name: str, first: date, end: date) -> list[list[float]]:
        """Reports from ``first`` to the day before ``end``, one list per day with reports (both ends of intervals)."""
        days: dict[date, list[float]] = {}
        for c in self.history.checkins:
            if c.instrument == name and first <= c.day < end:
                days.setdefault(c.day, []).extend([c.value] if c.high is None else [c.value, c.high])
        return list(days.values())

    def reported(self, name: str) -> float | None:
        """The last valid report; else the patient's file, unless an expired report is more adverse."""
        answer = self.history.answers.get(name)
        day = self._last_day(name)
        if day is None:
            return answer
        value = self.on(name, day)
        if value is None or (self.as_of - day).days <= keeps_value_for_d(name, value, self.keeps_at_least_d):
            return value
        return answer if answer is not None and worse(name, [answer, value]) == answer else None

    # -- doses ---------------------------------------------------------------------------------------------------------

    def last_rows(self, day: date) -> list[DoseRow]:
        """The last row of each drug and formulation on a day, including rows with dose 0."""
        return list({row.drug.key: row for row in self.history.doses if row.day <= day}.values())

    def in_force(self, day: date) -> list[DoseRow]:
        """The rows of the drugs prescribed on a day, one per drug and formulation."""
        return [row for row in self.last_rows(day) if row.dose > 0]

    def dose(self, drug_class: str, day: date) -> float | None:
        """Dose of a class, equivalents a day; None before the first row, and with buprenorphine (no equivalents)."""
        if not self.history.doses or day < self.history.doses[0].day:
            return None
        rows = [row for row in self.in_force(day) if row.drug.drug_class == drug_class]
        if any(row.drug.is_buprenorphine for row in rows):
            return None
        return float(sum(formulary.equivalents(row.drug, row.dose) for row in rows))

    def has(self, *drugs: str) -> float | None:
        """1 if the current doses include one of these drugs, 0 if not; None without a dose history."""
        if not self.history.doses:
            return None
        return float(any(row.drug.drug.split("-")[0] in drugs for row in self.in_force(self.as_of)))

    def has_class(self, drug_class: str) -> float | None:
        """1 if the current doses include the class, 0 if not; None without a dose history."""
        if not self.history.doses:
            return None
        return float(any(row.drug.drug_class == drug_class for row in self.in_force(self.as_of)))

    def original(self, drug_class: str) -> float:
        """Dose in force when this taper began (``data.original_dose``), equivalents a day; 0 without one."""
        levels = self._levels(drug_class, buprenorphine=False)
        number = original_level(levels, self.as_of)
        return 0.0 if number is None else levels[number][1]

    def _levels(self, drug_class: str, *, buprenorphine: bool) -> list[tuple[date, float]]:
        """Dose of a class on each day with a row; buprenorphine separately, because it has no equivalents."""
        class_rows = [
            row
            for row in self.history.doses
            if row.drug.drug_class == drug_class and row.drug.is_buprenorphine == buprenorphine
        ]
        current: dict[tuple[str, str], float] = {}
        doses: dict[date, float] = {}
        for row in class_rows:
            current[row.drug.key] = formulary.equivalents(row.drug, row.dose)
            doses[row.day] = sum(current.values())
        return list(doses.items())

    def changes(self, drug_class: str, *, buprenorphine: bool = False) -> list[tuple[date, float, float]]:
        """Dose changes of a class as (day, before, after); buprenorphine separately, because it has no equivalents."""
        levels = self._levels(drug_class, buprenorphine=buprenorphine)
        return [(d, a, b) for (_, a), (d, b) in pairwise(levels) if abs(a - b) > TOLERANCE]

    def cuts(self, *classes: str) -> list[date]:
        """Days of dose reductions in these classes (in all classes if none is given), sorted."""
        days = {
            day
            for drug_class in classes or DRUG_CLASSES
            for buprenorphine in (False, True)
            for day, before, after in self.changes(drug_class, buprenorphine=buprenorphine)
            if after < before
        }
        return sorted(days)

    def felt_cuts(self) -> list[FeltCut]:
        """What was felt after each past cut, oldest first."""
        if self._felt is not None:
            return self._felt
        cuts = [
            (drug_class, day, before, after)
            for drug_class in DRUG_CLASSES
            for buprenorphine in (False, True)
            for day, before, after in self.changes(drug_class, buprenorphine=buprenorphine)
            if after < before
        ]

        def by_day(name: str, first: date, end: date) -> dict[date, float]:
            days: dict[date, list[float]] = {}
            for c in self.history.checkins:
                if c.instrument == name and first <= c.day < end:
                    days.setdefault(c.day, []).extend([c.value] if c.high is None else [c.value, c.high])
            return {day: worse(name, reports) for day, reports in days.items()}

        self._felt = felt_cuts(cuts, by_day, self.as_of, self.limits)
        return self._felt

    def first_reduction(self) -> date | None:
        """Day of the first dose reduction in any class; None without one."""
        return next(iter(self.cuts()), None)
