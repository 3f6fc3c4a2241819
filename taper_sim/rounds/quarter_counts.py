"""What a clinic's logs show in a quarter: people and alerts counted. Imports ``logs``, ``small_cells``, ``safety``.

Every measure is people (or alerts) with something of those who could have it, so that intervals fit small numbers.
Definitions: A133 (docs/assumptions.md).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache, cached_property
from itertools import pairwise
from typing import Any, Final

from taper_sim import tables
from taper_sim.data.checkins import the_date
from taper_sim.data.reading import DIFFERS
from taper_sim.data.records import DoseRow, History
from taper_sim.rounds.logs import ClinicLogs
from taper_sim.rounds.small_cells import Cell
from taper_sim.safety.red_flags import variable_names
from taper_sim.safety.rule_language import SafetyRule, read_rule

WEEKS_WITH: Final = 0.8
"""Share of a person's weeks in care with a check-in from which they keep their check-ins. Source: A133."""
DECIDED_WITHIN_D: Final = 14
"""Days from an offer within which it is to be decided. Source: A133."""
_WEEK_D: Final = 7
_ADVERSE: Final = ("emergency", "same_day")
_KINDS: Final[Mapping[str, str]] = {
    "overdose": "Overdose or breathing",
    "vitals": "Overdose or breathing",
    "suicidality": "Thoughts of suicide, crisis",
    "withdrawal": "Withdrawal",
    "bzd withdrawal": "Seizure or delirium",
}


@dataclass(frozen=True)
class Quarter:
    """A calendar quarter, cut at the last day of the records."""

    year: int
    number: int
    last_day: date

    @property
    def name(self) -> str:
        """*2026 Q1*."""
        return f"{self.year} Q{self.number}"

    @property
    def first(self) -> date:
        """First day."""
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def end(self) -> date:
        """Last day of the quarter with records."""
        after = date(self.year + self.number // 4, 3 * (self.number % 4) + 1, 1)
        return min(after - timedelta(days=1), self.last_day)

    @property
    def before(self) -> "Quarter":
        """The quarter before."""
        day = self.first - timedelta(days=1)
        return quarter_of(day, self.last_day)

    def has(self, day: date) -> bool:
        """Whether a day lies in it."""
        return self.first <= day <= self.end


def quarter_of(day: date, last_day: date) -> Quarter:
    """The quarter of a day."""
    return Quarter(day.year, (day.month + 2) // 3, last_day)


def last_day(logs: ClinicLogs) -> date:
    """The last day with a record of any kind; doses planned for later do not count."""
    days = [c.day for h in logs.histories.values() for c in h.checkins]
    days += [a.raised.date() for a in logs.alerts] + [c.day for c in logs.comments]
    days += [day for line in logs.decisions if (day := _day_of(line)) is not None]
    return max(days or [row.day for h in logs.histories.values() for row in h.doses])


def _day_of(line: Mapping[str, Any]) -> date | None:
    return the_date(str(line.get("as_of") if line.get("kind") == "offered" else line.get("on")))


def in_care(history: History, quarter: Quarter) -> tuple[date, date] | None:
    """First and last day in care within a quarter: from the first record to the last, or while a dose is in force."""
    days = [*(c.day for c in history.checkins), *(row.day for row in history.doses)]
    days = [day for day in days if day <= quarter.last_day]
    if not days:
        return None
    latest: dict[tuple[str, str], DoseRow] = {}
    for row in history.doses:
        if row.day <= quarter.end:
            latest[row.drug.key] = row
    last = quarter.end if any(row.dose > 0 for row in latest.values()) else max(days)
    first, last = max(min(days), quarter.first), min(last, quarter.end)
    return (first, last) if first <= last else None


def people_in_care(logs: ClinicLogs, quarter: Quarter) -> dict[str, tuple[date, date]]:
    """Days in care by patient."""
    days_of = {name: in_care(history, quarter) for name, history in logs.histories.items()}
    return {name: days for name, days in days_of.items() if days is not None}


@cache
def _adverse_rules() -> tuple[tuple[str, frozenset[str], SafetyRule], ...]:
    """Kind, names and rule of each emergency or same-day flag that reports of one day can raise."""
    rules = []
    for row in tables.read("red_flags").rows:
        if row["urgency"] in _ADVERSE and row["domain"] in _KINDS:
            rule = read_rule(row["rule"], variable_names())
            rules.append((_KINDS[row["domain"]], frozenset(rule.names), rule))
    return tuple(rules)


@dataclass(frozen=True)
class _Reported:
    """Values that a person reported on one day, and whether a drug class is taken on it."""

    values: Mapping[str, float]

    def value(self, name: str, days_ago: int | None = None) -> float | None:
        return self.values.get(name) if days_ago in (None, 0) else None


def adverse_events(history: History, quarter: Quarter) -> dict[str, int]:
    """Days by kind on which reports raised an emergency or a same-day flag of red_flags.csv."""
    by_day: dict[date, dict[str, float]] = {}
    for report in history.checkins:
        if quarter.has(report.day):
            by_day.setdefault(report.day, {})[report.instrument] = report.value
    days: dict[str, int] = {}
    for day, values in by_day.items():
        taken = _classes(history, day)
        lookup = _Reported(values | taken)
        kinds = {kind for kind, names, rule in _adverse_rules() if names & values.keys() and rule.judge(lookup)}
        for kind in kinds:
            days[kind] = days.get(kind, 0) + 1
    return days


def _classes(history: History, day: date) -> dict[str, float]:
    latest = {row.drug.key: row for row in history.doses if row.day <= day}
    return {str(row.drug.drug_class): 1.0 for row in latest.values() if row.dose > 0}


@dataclass(frozen=True)
class Counted:
    """A person in a quarter: history, first and last day in care, and days with each kind of adverse event."""

    history: History
    days: tuple[date, date]
    quarter: Quarter
    events: Mapping[str, int]


def _keeps_checkins(of: Counted) -> bool | None:
    """Whether a person has a check-in in enough of their whole calendar weeks in care; None with no whole week."""
    first, last = of.days
    monday = first + timedelta(days=-first.weekday() % _WEEK_D)
    weeks = ((last - monday).days + 1) // _WEEK_D
    if weeks <= 0:
        return None
    with_one = {(c.day - monday).days // _WEEK_D for c in of.history.checkins if monday <= c.day <= last}
    return len({week for week in with_one if week < weeks}) >= WEEKS_WITH * weeks


def _takes_as_prescribed(of: Counted) -> bool | None:
    """Whether every known dose taken in the quarter lies within 20 % of that prescribed; None without one."""
    known = [row for row in of.history.doses if of.quarter.has(row.day) and row.taken is not None and row.dose > 0]
    return all(abs((row.taken or 0.0) - row.dose) <= DIFFERS * row.dose for row in known) if known else None


def _rose_again(of: Counted) -> bool | None:
    """Whether a dose rose in the quarter after it had been reduced; None if it was never reduced."""
    by_drug: dict[tuple[str, str], list[DoseRow]] = {}
    for row in of.history.doses:
        if row.day <= of.quarter.end:
            by_drug.setdefault(row.drug.key, []).append(row)
    reduced = rose = False
    for rows in by_drug.values():
        was_reduced = False
        for before, row in pairwise(rows):
            if row.dose < before.dose:
                was_reduced = True
            elif was_reduced and row.dose > before.dose and of.quarter.has(row.day):
                rose = True
        reduced |= was_reduced
    return rose if reduced else None


@dataclass(frozen=True)
class RoundsMeasure:
    """A measure of the page.

    Attributes
    ----------
    name, label, note : str
    is_harm : bool
        Whether fewer are better.
    of : callable
        Whether a person counts; None if they cannot.
    """

    name: str
    label: str
    note: str
    is_harm: bool
    of: Callable[[Counted], bool | None]


def _any_event(of: Counted) -> bool | None:
    return bool(of.events)


def _withdrawal(of: Counted) -> bool | None:
    return "Withdrawal" in of.events


MEASURES: Final = (
    RoundsMeasure("adverse", "Any adverse event", "% of people; urgent flag in a check-in", True, _any_event),
    RoundsMeasure("withdrawal", "Moderate or severe withdrawal", "% of people; by check-ins", True, _withdrawal),
    RoundsMeasure("rose_again", "Return to a higher dose", "% of people whose dose had come down", True, _rose_again),
    RoundsMeasure("checkins", "Keeps check-ins", "% of people; in 4 of 5 weeks", False, _keeps_checkins),
    RoundsMeasure("as_prescribed", "Doses as prescribed", "% of people with known doses", False, _takes_as_prescribed),
)
"""Measures over people, harms first."""
ADVERSE_KINDS: Final = tuple(dict.fromkeys(_KINDS.values()))


@dataclass(frozen=True)
class QuarterCounts:
    """Counts of a quarter; each person is judged once."""

    logs: ClinicLogs
    quarter: Quarter

    @cached_property
    def care(self) -> dict[str, tuple[date, date]]:
        """Days in care by patient."""
        return people_in_care(self.logs, self.quarter)

    @cached_property
    def events(self) -> dict[str, dict[str, int]]:
        """Days with an adverse event by patient in care and kind."""
        return {name: adverse_events(self.logs.histories[name], self.quarter) for name in self.care}

    @cached_property
    def answers(self) -> dict[str, dict[str, bool]]:
        """By measure: of each patient who can count, whether they do."""
        by_measure: dict[str, dict[str, bool]] = {measure.name: {} for measure in MEASURES}
        for name, days in self.care.items():
            for measure in MEASURES:
                answer = measure.of(Counted(self.logs.histories[name], days, self.quarter, self.events[name]))
                if answer is not None:
                    by_measure[measure.name][name] = answer
        return by_measure

    def people(self, measure: str, only: frozenset[str] | None = None) -> Cell:
        """People who count in a measure, of those who can; ``only`` of some patients."""
        answers = [answer for name, answer in self.answers[measure].items() if only is None or name in only]
        return Cell(sum(answers), len(answers))

    def alerts(self, only: frozenset[str] | None = None) -> Cell:
        """Alerts raised in a quarter that were answered in time, of those answered or overdue."""
        end = datetime.combine(self.quarter.last_day, time.max)
        late = [
            is_late
            for alert in self.logs.alerts
            if self.quarter.has(alert.raised.date())
            and (only is None or alert.patient_id in only)
            and (is_late := alert.is_late(end)) is not None
        ]
        return Cell(sum(not is_late for is_late in late), len(late), is_of_people=False)

    def decisions(self) -> Cell:
        """People with an offer in a quarter whose last offer was decided within the days allowed."""
        offers: dict[str, tuple[str, date]] = {}
        decided: dict[str, date] = {}
        for line in self.logs.decisions:
            day = _day_of(line)
            if day is None or day > self.quarter.last_day:
                continue
            if line["kind"] == "offered" and self.quarter.has(day):
                offers[str(line["patient_id"])] = (str(line["id"]), day)
            elif line["kind"] == "decided":
                decided.setdefault(str(line.get("offer")), day)
        answers = []
        for offer, day in offers.values():
            on = decided.get(offer)
            if on is not None or (self.quarter.last_day - day).days > DECIDED_WITHIN_D:
                answers.append(on is not None and (on - day).days <= DECIDED_WITHIN_D)
        return Cell(sum(answers), len(answers))


def groups(logs: ClinicLogs) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Attribute, level and patients of every group of the patients' characteristics."""
    names = dict.fromkeys(name for row in logs.traits.values() for name in row)
    for attribute in names:
        levels = dict.fromkeys(row[attribute] for row in logs.traits.values() if row.get(attribute))
        for level in sorted(levels):
            yield attribute, level, frozenset(who for who, row in logs.traits.items() if row.get(attribute) == level)


def comments_by_code(logs: ClinicLogs, quarter: Quarter, source: str) -> dict[str, int]:
    """People of whom a source made a comment with a code in a quarter, by code."""
    people: dict[str, set[str]] = {code: set() for code in logs.codes}
    for comment in logs.comments:
        if comment.source == source and quarter.has(comment.day):
            people[comment.code].add(comment.patient_id)
    return {code: len(who) for code, who in people.items()}
