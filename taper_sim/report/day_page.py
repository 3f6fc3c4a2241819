"""A page that plays one day of a clinic from its event log. Imports ``clinic``, ``clinic_figures``, ``page_parts``.

Without a script the page is a chart of the day and its tables. With a script a reader plays the day; nothing moves
before the reader starts it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.clinic.calendars import DAY_MIN, WEEKDAYS, clock, weekday_of
from taper_sim.clinic.measures import left_queue
from taper_sim.data.problems import nearest, problem, shown
from taper_sim.report.clinic_figures import ON_DUTY_COLOUR, WORK_COLOURS, group_of
from taper_sim.report.event_export import clinic_manifest
from taper_sim.report.page_parts import PageTable, rendered
from taper_sim.report.wording import count, in_words, name_text, number_text
from taper_sim.run_folder import check_file_writable, read_table, write_csv, write_text

_HOUR_MIN: Final = 60.0
_WIDTH, _LABEL = 1000.0, 170.0
"""Width of the chart and of its column of names, units of the drawing."""
_PERSON, _WAIT = 18.0, 30.0
"""Height of the row of a person and of a discipline."""
_TOP: Final = 20.0


@dataclass(frozen=True)
class ClinicDay:
    """One day of a protocol and replication.

    Attributes
    ----------
    day : int
        Day of the run, 1 is the first.
    begin, end : float
        Minutes from the start of the run between which the chart lies.
    work : DataFrame
        Work in progress within the day, a row a piece: ``resource, role, work, started, ended, outcome, group``.
    waits : DataFrame
        Work that waited within the day: ``role, requested, left``.
    duty : DataFrame
        Duty periods within the day: ``resource, start, end, on_call``.
    """

    day: int
    begin: float
    end: float
    work: pd.DataFrame
    waits: pd.DataFrame
    duty: pd.DataFrame

    @property
    def title(self) -> str:
        """Weekday and number of the day."""
        return f"{WEEKDAYS[weekday_of(self.day)].capitalize()}, day {self.day}"

    @property
    def people(self) -> list[str]:
        """Staff on duty or at work, in the order of the duty table."""
        return list(dict.fromkeys([*self.duty["resource"], *self.work["resource"]]))

    @property
    def roles(self) -> list[str]:
        """Disciplines of the day's work."""
        return sorted(set(self.work["role"]) | set(self.waits["role"]))

    def waiting_at(self, role: str, minutes: Sequence[float]) -> list[int]:
        """Pieces of a discipline that wait at some minutes."""
        own = self.waits[self.waits["role"] == role]
        return [int(((own["requested"] <= minute) & (own["left"] > minute)).sum()) for minute in minutes]

    def steps(self, role: str) -> list[tuple[float, int]]:
        """Minutes at which the number of waiting pieces of a discipline changes, and the number from then on."""
        own = self.waits[self.waits["role"] == role]
        inside = np.unique(np.concatenate([own["requested"], own["left"]]).clip(self.begin, self.end))
        minutes = [self.begin, *(float(minute) for minute in inside if self.begin < minute < self.end)]
        return list(zip(minutes, self.waiting_at(role, minutes), strict=True))


def write_day_page(
    folder: Path, path: Path, *, day: int | None = None, protocol: str | None = None, replication: int = 0
) -> int:
    """Write the page of a day, and its data as a CSV file beside it.

    Parameters
    ----------
    folder : Path
        Output folder of a finished clinic run.
    path : Path
        Page.
    day : int, optional
        Day of the run; by default the one on which most work began.
    protocol : str, optional
        By default the scenario's first.
    replication : int
        From 0, as in ``events.parquet``.

    Returns
    -------
    int
        The day.

    Raises
    ------
    InputError
        If the folder is not of a clinic run, or has no such day, protocol or replication.
    """
    manifest = clinic_manifest(folder)
    protocols, days, replications = manifest["protocols"], int(manifest["days"]), int(manifest["replications"])
    chosen = protocols[0] if protocol is None else protocol
    if chosen not in protocols:
        allowed = f"one of {', '.join(map(shown, protocols))}"
        raise problem("--protocol", "", f"{shown(chosen)}{nearest(chosen, protocols)}", allowed)
    if not 0 <= replication < replications:
        raise problem("--replication", "", str(replication), f"0 to {replications - 1}")
    if day is not None and not 1 <= day <= days:
        raise problem("--day", "", str(day), f"a day of the run, 1 to {days}")
    data = path.with_suffix(".csv")
    if data == path:
        raise problem("--html", "", str(path), "a file that does not end in .csv: the data are written there")
    check_file_writable(path)
    check_file_writable(data)
    events = pd.read_parquet(folder / "events.parquet")
    own = events[(events["protocol"].astype(str) == chosen) & (events["replication"] == replication)]
    of_day = clinic_day(own, read_table(folder / "duty.csv"), days, day)
    text = day_page(manifest, of_day, f"{chosen}, replication {replication}", data.name)
    write_csv(of_day.work, data)
    write_text(path, text)
    return of_day.day


def clinic_day(events: pd.DataFrame, duty: pd.DataFrame, n_days: int, day: int | None) -> ClinicDay:
    """Work, waits and duty of a day of one protocol and replication; without a day, of the one with most work begun."""
    begun = events[events["started"].notna() & (events["resource"] != "")]
    if day is None:
        by_day = np.bincount((begun["started"] // DAY_MIN).astype(int), minlength=1)
        day = int(by_day.argmax()) + 1
    start, end = (day - 1) * DAY_MIN, day * DAY_MIN
    finish = begun["ended"].fillna(n_days * DAY_MIN)
    work = begun.assign(ended=finish)[(begun["started"] < end) & (finish > start)]
    columns = ["resource", "role", "work", "started", "ended", "outcome"]
    work = work[columns].sort_values(["started", "resource"]).assign(group=lambda rows: rows["work"].map(group_of))
    waits = events.assign(left=left_queue(events, n_days * DAY_MIN))
    waits = waits[(waits["requested"] < end) & (waits["left"] > start) & (waits["left"] > waits["requested"])]
    of_day = duty[(duty["start"] < end) & (duty["end"] > start)]
    regular = of_day[~of_day["on_call"].astype(bool)]
    # the chart has the hours with regular duty or work, whole hours
    lows = [*regular["start"].clip(lower=start), *work["started"].clip(lower=start)]
    highs = [*regular["end"].clip(upper=end), *work["ended"].clip(upper=end)]
    low = np.floor(min(lows, default=start) / _HOUR_MIN) * _HOUR_MIN
    high = np.ceil(max(highs, default=end) / _HOUR_MIN) * _HOUR_MIN
    return ClinicDay(day, float(low), float(high), work, waits[["role", "requested", "left"]], of_day)


def day_page(manifest: dict[str, Any], day: ClinicDay, of: str, data: str) -> str:
    """The text of the page."""
    drawn = {group for group in day.work["group"]}
    return rendered(
        "day.html.jinja",
        manifest,
        subject=f"{day.title}, {of}",
        answer=_answer(day),
        chart=_chart(day),
        colours=[(group, colour) for group, colour in WORK_COLOURS.items() if group in drawn],
        duty_colour=ON_DUTY_COLOUR,
        tables=[_by_hour(day), _by_person(day)],
        pieces=_pieces(day),
        data=data,
        play=_played(day),
    )


def _time(minute: float) -> str:
    return clock(round(minute) % DAY_MIN if minute % DAY_MIN else 0.0)


def _answer(day: ClinicDay) -> list[str]:
    hours = list(np.arange(day.begin, day.end + 1.0, _HOUR_MIN))
    most = max(((max(day.waiting_at(role, hours)), role) for role in day.roles), default=(0, ""))
    staff = day.work["resource"].nunique()
    lines = [f"{count(len(day.work), 'piece')} of work by {staff:,} {'person' if staff == 1 else 'people'}."]
    if most[0]:
        lines.append(f"The longest queue at a full hour: {most[0]} for the {name_text(most[1])}.")
    else:
        lines.append("At every full hour no work waits.")
    return lines


def _x(day: ClinicDay, minute: float) -> float:
    share = (min(max(minute, day.begin), day.end) - day.begin) / (day.end - day.begin)
    return round(_LABEL + share * (_WIDTH - _LABEL), 2)


def _chart(day: ClinicDay) -> dict[str, Any]:
    """Positions of everything in the drawing."""
    people, roles = day.people, day.roles
    first_wait = _TOP + _PERSON * len(people) + 34.0
    highest = max([1, *(number for role in roles for _, number in day.steps(role))])
    return {
        "width": _WIDTH,
        "height": first_wait + _WAIT * len(roles) + 10.0,
        "left": _LABEL,
        "top": _TOP,
        "row": _PERSON,
        "waits_at": first_wait - 12.0,
        "hours": [(_x(day, m), _time(m)) for m in np.arange(day.begin, day.end + 1.0, _HOUR_MIN)],
        "people": [_person(day, name, _TOP + _PERSON * k) for k, name in enumerate(people)],
        "roles": [_waiting(day, role, first_wait + _WAIT * k, highest) for k, role in enumerate(roles)],
    }


def _person(day: ClinicDay, name: str, top: float) -> dict[str, Any]:
    on_duty = day.duty[(day.duty["resource"] == name)]
    jobs = day.work[day.work["resource"] == name]
    return {
        "name": in_words(name),
        "top": top,
        "duty": [
            (_x(day, row["start"]), _x(day, row["end"]) - _x(day, row["start"]), bool(row["on_call"]))
            for row in on_duty.to_dict("records")
        ],
        "jobs": [
            {
                "x": _x(day, row["started"]),
                "width": max(_x(day, row["ended"]) - _x(day, row["started"]), 0.8),
                "colour": WORK_COLOURS[row["group"]],
                "title": f"{name_text(row['work'])}, {_time(row['started'])} to {_time(row['ended'])}",
                "start": round(row["started"] - day.begin, 1),
                "end": round(row["ended"] - day.begin, 1),
            }
            for row in jobs.to_dict("records")
        ],
    }


def _waiting(day: ClinicDay, role: str, top: float, highest: int) -> dict[str, Any]:
    """A discipline's number of waiting pieces as an area of steps."""
    steps, base, tall = day.steps(role), top + _WAIT - 6.0, _WAIT - 8.0
    points = [f"{_x(day, day.begin)},{base}"]
    for k, (minute, number) in enumerate(steps):
        until = steps[k + 1][0] if k + 1 < len(steps) else day.end
        level = round(base - tall * number / highest, 2)
        points += [f"{_x(day, minute)},{level}", f"{_x(day, until)},{level}"]
    points.append(f"{_x(day, day.end)},{base}")
    most = max(number for _, number in steps)
    return {"name": name_text(role), "base": base, "points": " ".join(points), "most": most}


def _by_hour(day: ClinicDay) -> PageTable:
    hours = list(np.arange(day.begin, day.end + 1.0, _HOUR_MIN))
    rows = tuple((name_text(role), *map(str, day.waiting_at(role, hours))) for role in day.roles)
    return PageTable("Pieces of work that wait at each full hour.", ("Discipline", *map(_time, hours)), rows)


def _by_person(day: ClinicDay) -> PageTable:
    rows = []
    for name in day.people:
        jobs = day.work[day.work["resource"] == name]
        inside = jobs["ended"].clip(upper=day.end) - jobs["started"].clip(lower=day.begin)
        regular = day.duty[(day.duty["resource"] == name) & ~day.duty["on_call"].astype(bool)]
        on_duty = regular["end"].clip(upper=day.end) - regular["start"].clip(lower=day.begin)
        counts = jobs["group"].value_counts()
        kinds = ", ".join(f"{group} {counts[group]}" for group in WORK_COLOURS if group in counts) or "none"
        hours = [number_text(float(part.sum()) / _HOUR_MIN, 1) for part in (on_duty, inside)]
        rows.append((in_words(name), *hours, kinds))
    heads = ("Person", "On duty, h", "At work, h", "Pieces of work")
    return PageTable("Each person's day. Interrupted work counts until its end.", heads, tuple(rows))


def _pieces(day: ClinicDay) -> PageTable:
    def rows() -> Iterator[tuple[str, ...]]:
        for row in day.work.to_dict("records"):
            times = (_time(row["started"]), _time(row["ended"]))
            yield *times, in_words(row["resource"]), name_text(row["work"]), str(row["outcome"]).replace("_", " ")

    return PageTable("In the order of the beginning.", ("Began", "Ended", "Person", "Work", "Outcome"), tuple(rows()))


def _played(day: ClinicDay) -> dict[str, Any]:
    """What the script needs: minutes from the start of the chart."""
    return {
        "minutes": day.end - day.begin,
        "opens": day.begin % DAY_MIN,
        "left": _LABEL,
        "right": _WIDTH,
        "waits": [[(round(m - day.begin, 1), number) for m, number in day.steps(role)] for role in day.roles],
    }
