"""Schema of a scenario's clinic: keys, types, defaults. Imports ``staffing_schema``, ``clinic`` and ``data``."""

import datetime as dt
import zoneinfo
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from taper_sim.clinic.absence import Illness
from taper_sim.clinic.appointments import BOOKING_RULES, BookingRule
from taper_sim.clinic.calendars import DAY_MIN, OpeningHours, Shift, clock
from taper_sim.clinic.coupling import Setting
from taper_sim.clinic.harm_paths import PATHS_BY_NAME
from taper_sim.clinic.holidays import days_of_study, read_holidays, us_federal_holidays
from taper_sim.clinic.modality import HomeVisits
from taper_sim.clinic.rosters import minutes_of, weekdays_of
from taper_sim.clinic.team import MAX_COST_USD_H, QUEUES, ROLES, Team, Worker, who_may
from taper_sim.clinic.triage import RULES
from taper_sim.clinic.work import WORK_BY_NAME
from taper_sim.data.problems import nearest, problem, shown
from taper_sim.data.yaml_input import Strict, Wrong, divided, refuse_unknown, shares_of_patients
from taper_sim.scenario.staffing_schema import StaffingEntry
from taper_sim.units import LONGEST_D

MAX_STAFF_OF_AN_ENTRY = 500
MAX_REPLICATIONS = 1000
MAX_OVERBOOKED = 20
_BEYOND_D = 28  # days after the run that the appointment book and the clocks may need
_LUNCH_MIN = (720.0, 750.0)
_FIRST_DAY_WEEKDAY = 1  # Tuesday: the model counts weekends from a Monday on day 0


class ShiftEntry(Strict):
    """A weekly shift: ``days`` such as ``mon-fri``, times hh:mm (24:00 and later are on the next day).

    If ``breaks`` is omitted, a shift that covers 12:00 to 12:30 has its break then. An on-call shift has no break.
    """

    days: str = "mon-fri"
    start: str = "08:00"
    end: str = "16:30"
    breaks: tuple[str, ...] | None = None
    on_call: bool = False
    on_holidays: bool = False

    @model_validator(mode="after")
    def _is_a_shift(self) -> "ShiftEntry":
        try:
            shift = self.shift()
        except ValueError as error:
            given, allowed = divided(str(error), "")
            raise Wrong(("", given, allowed)) from None
        problems = shift.problems("", "")
        if problems:
            raise Wrong(*(("", shift_problem.given, shift_problem.allowed) for shift_problem in problems))
        return self

    def shift(self) -> Shift:
        """The shift in minutes."""
        start, end = minutes_of(self.start, "start"), minutes_of(self.end, "end")
        covers = not self.on_call and start < _LUNCH_MIN[0] and _LUNCH_MIN[1] < end
        breaks = [_LUNCH_MIN] if self.breaks is None and covers else []
        for text in self.breaks or ():
            first, dash, last = text.partition("-")
            if not dash:
                raise ValueError(f"a break {shown(text)}; allowed: two times such as 12:00-12:30")
            breaks.append((minutes_of(first, "a break from"), minutes_of(last, "a break to")))
        return Shift(weekdays_of(self.days), start, end, tuple(breaks), self.on_call, self.on_holidays)


def _known_kinds(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names if all of them are kinds of work; raise :class:`Wrong` otherwise."""
    unknown = [name for name in names if name not in WORK_BY_NAME]
    if unknown:
        allowed = f"one of {', '.join(WORK_BY_NAME)}"
        raise Wrong(
            *(("", f"{shown(name)}, no kind of work{nearest(name, WORK_BY_NAME)}", allowed) for name in unknown)
        )
    return names


class StaffEntry(Strict):
    """Staff of one role with the same shifts, licences and skills."""

    role: str
    people: int = Field(default=1, ge=0, le=MAX_STAFF_OF_AN_ENTRY)
    shifts: tuple[ShiftEntry, ...] = Field(default=(ShiftEntry(),), min_length=1)
    licences: tuple[str, ...] = ()
    stands_in_for: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    leave: tuple[tuple[int, int], ...] = ()
    cost_usd_h: float | None = Field(default=None, ge=0, le=MAX_COST_USD_H, strict=True)

    @field_validator("role")
    @classmethod
    def _is_a_role(cls, role: str) -> str:
        if role not in ROLES:
            raise Wrong(("", f"{shown(role)}, an unknown role{nearest(role, ROLES)}", f"one of {', '.join(ROLES)}"))
        return role

    @field_validator("stands_in_for")
    @classmethod
    def _are_queues(cls, queues: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in queues if name not in QUEUES]
        if unknown:
            allowed = f"one of {', '.join(QUEUES)}"
            raise Wrong(*(("", f"{shown(name)}, an unknown queue{nearest(name, QUEUES)}", allowed) for name in unknown))
        return queues

    @model_validator(mode="after")
    def _may_stand_in(self) -> "StaffEntry":
        wrong = [
            ("stands_in_for", f"a {self.role} for the work of a {queue}", f"{', '.join(who_may(queue))} only")
            for queue in self.stands_in_for
            if self.role not in who_may(queue)
        ]
        if wrong:
            raise Wrong(*wrong)
        return self

    @field_validator("skills")
    @classmethod
    def _are_kinds(cls, skills: tuple[str, ...]) -> tuple[str, ...]:
        return _known_kinds(skills)

    @field_validator("leave")
    @classmethod
    def _are_spans(cls, spans: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        wrong = [span for span in spans if not 1 <= span[0] <= span[1] <= LONGEST_D]
        if wrong:
            allowed = f"days of the study, 1 to {LONGEST_D}, the first at most the last"
            raise Wrong(*(("", f"days {a} to {b}", allowed) for a, b in wrong))
        return spans

    def workers(self, first: int) -> list[Worker]:
        """The members of staff, numbered from ``first``."""
        role = ROLES[self.role]
        return [
            Worker(
                f"{self.role} {first + k}",
                role,
                tuple(entry.shift() for entry in self.shifts),
                self.leave,
                frozenset(self.licences) or None,
                self.stands_in_for,
                role.cost_usd_h if self.cost_usd_h is None else self.cost_usd_h,
                frozenset(self.skills) or None,
            )
            for k in range(self.people)
        ]


class IllnessEntry(Strict):
    """Sick leave at short notice: probability that it starts on a calendar day, mean length in days. Source: A49."""

    per_day: float = Field(default=0.007, ge=0, le=0.5)
    days: float = Field(default=3.0, ge=1, le=365)

    def built(self) -> Illness:
        """The parameters as the clinic takes them."""
        return Illness(self.per_day, self.days)


class HomeVisitsEntry(Strict):
    """In-person visits take place at the patient's home: mean travel time one way, minutes. Source: A52."""

    travel_min: float = Field(default=30.0, gt=0, le=600)

    def built(self) -> HomeVisits:
        """The parameters as the clinic takes them."""
        return HomeVisits(self.travel_min)


class BookingEntry(Strict):
    """How a role's appointment book is filled; keys that are left out have the role's default. Source: A102."""

    share: float | None = Field(default=None, ge=0.1, le=1)
    slot_min: float | None = Field(default=None, ge=5, le=240)
    overbook: int | None = Field(default=None, ge=0, le=MAX_OVERBOOKED)

    def built(self, queue: str) -> BookingRule:
        """The rule as the clinic takes it."""
        return replace(BOOKING_RULES[queue], **self.model_dump(exclude_none=True))


class CalendarEntry(Strict):
    """Working days, opening hours and public holidays of the clinic. Source: A103.

    ``holidays`` is ``us_federal``, ``none`` or a list of dates; ``holidays_file`` a CSV file with a column ``date``.
    ``timezone`` is the zone of the clinic's clocks, such as ``America/New_York``; only the exports of the log use it.
    """

    days: str = "mon-fri"
    start: str = "08:00"
    end: str = "18:00"
    holidays: Literal["us_federal", "none"] | tuple[dt.date, ...] = "us_federal"
    holidays_file: Path | None = None
    timezone: str | None = None

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str | None) -> str | None:
        if name is not None and name not in zoneinfo.available_timezones():
            raise Wrong(("", shown(name), "a zone of the tz database, such as America/New_York"))
        return name

    @model_validator(mode="after")
    def _is_a_calendar(self) -> "CalendarEntry":
        try:
            weekdays_of(self.days)
            start, end = minutes_of(self.start, "start"), minutes_of(self.end, "end")
        except ValueError as error:
            raise Wrong(("", *divided(str(error), ""))) from None
        if not 0 <= start < end <= DAY_MIN:
            raise Wrong(("", f"opening hours from {clock(start)} to {clock(end)}", "a start before the end, to 24:00"))
        if self.holidays_file is not None and self.holidays != "us_federal":
            raise Wrong(("", "holidays and holidays_file", "one of holidays, holidays_file"))
        if isinstance(self.holidays, tuple) and len(set(self.holidays)) < len(self.holidays):
            twice = next(day for day in self.holidays if self.holidays.count(day) > 1)
            raise Wrong(("holidays", f"{twice} twice", "each day once"))
        return self

    def built(self, first_day: dt.date, n_days: int, folder: Path, file: str) -> OpeningHours:
        """The working time of a run; raises InputError for holidays that are all of other years than the run."""
        last_day = first_day + dt.timedelta(n_days + _BEYOND_D)
        dates: frozenset[dt.date] | tuple[dt.date, ...] = ()
        place = "clinic.calendar.holidays"
        if self.holidays_file is not None:
            file, place, dates = str(folder / self.holidays_file), "", read_holidays(folder / self.holidays_file)
        elif self.holidays == "us_federal":
            dates = us_federal_holidays(first_day, last_day)
        elif isinstance(self.holidays, tuple):
            dates = self.holidays
        run_ends = first_day + dt.timedelta(n_days - 1)
        years = range(first_day.year, run_ends.year + 1)
        if (self.holidays_file is not None or isinstance(self.holidays, tuple)) and dates:
            given = sorted({day.year for day in dates})
            if not set(given) & set(years):
                value = f"holidays of {', '.join(map(str, given))}"
                raise problem(file, place, value, f"holidays of the run, which lasts from {first_day} to {run_ends}")
        weekdays = frozenset(weekdays_of(self.days))
        start, end = minutes_of(self.start, "start"), minutes_of(self.end, "end")
        return OpeningHours(weekdays, start, end, days_of_study(dates, first_day))


class ClinicEntry(Strict):
    """A clinic: its team (listed here or in a workbook) and its operating rules."""

    team: tuple[StaffEntry, ...] = ()
    team_file: Path | None = None
    unlimited: bool = False
    triage: str = "urgency"
    enrol_over_d: int = Field(default=28, ge=1, le=LONGEST_D)
    without: tuple[str, ...] = ()
    states: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    orders_by: Literal["prescriber", "pharmacist"] = "prescriber"
    first_day: dt.date = dt.date(2026, 1, 6)
    in_person_from: dt.date | None = None
    illness: IllnessEntry | None = None
    preempt: bool = False
    home_visits: HomeVisitsEntry | None = None
    booking: dict[str, BookingEntry] = Field(default_factory=dict)
    calendar: CalendarEntry = CalendarEntry()
    harm_paths: dict[str, bool] = Field(default_factory=dict)
    replications: int = Field(default=5, ge=1, le=MAX_REPLICATIONS)
    staffing: StaffingEntry | None = None

    @model_validator(mode="after")
    def _one_team(self) -> "ClinicEntry":
        sources = [name for name in ("team", "team_file", "unlimited") if getattr(self, name)]
        if len(sources) != 1:
            listed = " and ".join(sources) or "no team"
            raise Wrong(("", listed, "one of team, team_file (a workbook), unlimited: true"))
        return self

    @field_validator("triage")
    @classmethod
    def _is_a_rule(cls, rule: str) -> str:
        if rule not in RULES:
            raise Wrong(("", f"{shown(rule)}{nearest(rule, RULES)}", f"one of {', '.join(RULES)}"))
        return rule

    @field_validator("booking")
    @classmethod
    def _are_roles_with_a_book(cls, booking: dict[str, BookingEntry]) -> dict[str, BookingEntry]:
        refuse_unknown(booking, QUEUES, "role")
        return booking

    @field_validator("harm_paths")
    @classmethod
    def _are_paths(cls, paths: dict[str, bool]) -> dict[str, bool]:
        refuse_unknown(paths, PATHS_BY_NAME, "harm path")
        return paths

    @field_validator("without")
    @classmethod
    def _are_kinds(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        return _known_kinds(kinds)

    @field_validator("states")
    @classmethod
    def _are_shares(cls, shares: dict[str, float]) -> dict[str, float]:
        return shares_of_patients(shares)

    @field_validator("first_day")
    @classmethod
    def _is_a_tuesday(cls, first_day: dt.date) -> dt.date:
        if first_day.weekday() != _FIRST_DAY_WEEKDAY:
            raise Wrong(("", f"{first_day}, a {first_day:%A}", "a Tuesday: the model's day 0 is a Monday"))
        return first_day

    def setting(self, n_days: int, folder: Path, file: str) -> Setting:
        """The operating rules, as the simulation takes them.

        Parameters
        ----------
        n_days : int
            Days of the run.
        folder : Path
            Folder relative to which the scenario names files.
        file : str
            The scenario's file, for problems.
        """
        from_day = None if self.in_person_from is None else max((self.in_person_from - self.first_day).days + 1, 1)
        return Setting(
            self.triage,
            self.enrol_over_d,
            frozenset(self.without),
            tuple(self.states.items()),
            self.orders_by,
            from_day,
            None if self.illness is None else self.illness.built(),
            self.preempt,
            None if self.home_visits is None else self.home_visits.built(),
            {queue: entry.built(queue) for queue, entry in self.booking.items()},
            self.calendar.built(self.first_day, n_days, folder, file),
            frozenset(name for name in PATHS_BY_NAME if self.harm_paths.get(name, True)),
        )

    def built(self) -> Team:
        """The team listed in the scenario. ``rosters.read_team`` reads a team from a workbook."""
        workers: list[Worker] = []
        numbered: dict[str, int] = {}
        for entry in self.team:
            staff = entry.workers(numbered.get(entry.role, 0) + 1)
            numbered[entry.role] = numbered.get(entry.role, 0) + len(staff)
            workers += staff
        return Team(tuple(workers), self.unlimited)
