"""Service metrics of a run by role, kind of work and subgroup. Imports ``clinic.coupling``, ``clinic.lateness``.

Every metric is computed from the event log, the duty table and the vectors of ``coupling.Served``. A metric is over a
window of whole days.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Bools, Floats
from taper_sim.clinic import lateness
from taper_sim.clinic.alarms import JUDGED
from taper_sim.clinic.calendars import DAY_MIN
from taper_sim.clinic.coupling import Served
from taper_sim.clinic.measures import left_queue, overlap, utilisation
from taper_sim.clinic.team import Team
from taper_sim.comparison.tables import SMALLEST_CELL

KEY: Final = ["metric", "role", "work", "subgroup", "unit"]
METRIC_COLUMNS: Final = [*KEY, "value"]

_PATIENT_METRICS: Final = (
    ("order_wait_days", "days_waiting", "working days a patient"),
    ("order_wait_days_closed", "days_waiting_closed", "closed days a patient"),
    ("checkins_unread_overnight", "unread", "share"),
    ("checkins_unread_closed", "unread_closed", "share"),
    ("visits_given", "care", "share of kept visits"),
    ("spike_alerts", "alarms", "a patient"),
    ("spike_alerts_false", "false_alarms", "a patient"),
    ("spike_alerts_dismissed", "dismissed_alarms", "true ones, a patient"),
    ("silence_alerts", "silence_alarms", "a patient"),
    ("silence_alerts_false", "false_silence_alarms", "a patient"),
    ("silence_alerts_dismissed", "dismissed_silence_alarms", "true ones, a patient"),
    ("dose_alerts", "dose_alarms", "a patient"),
    ("dose_alerts_false", "false_dose_alarms", "a patient"),
    ("dose_alerts_dismissed", "dismissed_dose_alarms", "true ones, a patient"),
    ("unordered_dose_days", "lapse_days", "a patient"),
    ("unordered_dose_days_found", "lapse_days_found", "a patient"),
    ("days_without_supply", "days_without_supply", "a patient"),
    ("unanswered_calls", "unanswered", "messages and true alarms, a patient"),
    ("days_of_silence", "days_silent", "a patient"),
)
_ACCURACY: Final = (
    *(("alarm_true_share", kind, f"true_{name}", f"raised_{name}", "share of alarms") for kind, name in JUDGED.items()),
    ("alarm_sensitivity", "", "need_alarmed", "need_episodes", "share of episodes of need"),
    ("alarm_sensitivity_read", "", "need_read", "need_episodes", "share of episodes of need"),
)
"""Accuracy of alarms: metric, kind of work, counts whose ratio it is, unit."""


def metrics(
    served: Served, team: Team, n_days: int, groups: Mapping[str, Bools], ids: Mapping[str, int], *, from_day: int = 0
) -> pd.DataFrame:
    """Service metrics of one run.

    Parameters
    ----------
    served : Served
    team : Team
    n_days : int
        Days of the calendar.
    groups : mapping of str to ndarray of bool (n,)
        Subgroups of patients, including ``all``.
    ids : mapping of str to int
        Row of each patient's id.
    from_day : int
        Warm-up days that are discarded.

    Returns
    -------
    DataFrame
        ``metric, role, work, subgroup, unit, value``; role or work is empty if a metric covers all of them.
    """
    rows = [
        *_of_people(served, team, n_days, from_day),
        *_of_queues(served, team, n_days, from_day),
        *_of_groups(served, team, n_days, groups, ids, from_day),
    ]
    if from_day == 0:
        rows += [*_of_patients(served, groups), *_of_alarms(served, groups)]
        weeks = n_days / 7.0
        rows.append(
            ("false_alarm_time", "", "", "all", "h a week", served.clinic["false_alarm_min"].sum() / 60.0 / weeks)
        )
        months = np.clip(n_days - served.starts + 1, 0, None).sum() / 30.0
        rows.append(("cost", "", "", "all", "USD a patient and 30 days", team.cost_usd(n_days) / months))
    return pd.DataFrame(rows, columns=METRIC_COLUMNS)


_Row = tuple[str, str, str, str, str, float]


def _of_people(served: Served, team: Team, n_days: int, from_day: int) -> Iterator[_Row]:
    if team.unlimited:
        return
    start, end = from_day * DAY_MIN, n_days * DAY_MIN
    people = utilisation(served.events, served.duty, start, end)
    weeks = (n_days - from_day) / 7.0
    for role, members in people.groupby("role", sort=True):
        on_duty = members["on_duty_min"].sum()
        share = members["busy_min"].sum() / on_duty if on_duty > 0 else np.nan
        yield ("utilisation", str(role), "", "all", "share of duty", share)
        yield ("overtime", str(role), "", "all", "h a week", members["overtime_min"].sum() / 60.0 / weeks)
    begun = served.events[served.events["started"] >= start]
    for role, jobs in begun.groupby("role", sort=True):
        if jobs["travel"].any():
            yield ("travel", str(role), "", "all", "h a week", jobs["travel"].sum() / 60.0 / weeks)


def _of_queues(served: Served, team: Team, n_days: int, from_day: int) -> Iterator[_Row]:
    start, end = from_day * DAY_MIN, n_days * DAY_MIN
    events = served.events
    lost, late, wait = lateness.lost(events), lateness.late(events, end), lateness.wait_from_due(events, end)
    closed = lateness.late_closed(events, served.duty, team, end)
    inside = (events["requested"] >= start).to_numpy() & lateness.judged(events, end)
    weeks = (n_days - from_day) / 7.0
    waiting = overlap(events["requested"].to_numpy(), left_queue(events, end), start, end) / (end - start)
    roles, kinds = events["role"].to_numpy(), events["work"].to_numpy()
    pairs = sorted(set(zip(roles, kinds, strict=True)))
    everywhere = {"": np.ones(len(events), dtype=bool)}
    of_role = everywhere | {role: roles == role for role in set(roles)}
    of_kind = everywhere | {kind: kinds == kind for kind in set(kinds)}
    places = [(role, "") for role in sorted(set(roles))] + [("", kind) for kind in sorted(set(kinds))] + pairs
    for role, kind in places:
        jobs = of_role[role] & of_kind[kind]
        assessed = jobs & inside
        where = (role, kind)
        if role == "" or kind == "":
            yield ("queue", *where, "all", "waiting, mean", float(waiting[jobs].sum()))
        if not assessed.any():
            continue
        yield ("late", *where, "all", "share", float(late[assessed].mean()))
        yield ("late_closed", *where, "all", "share", float(closed[assessed].mean()))
        yield ("late_people", *where, "all", "share", float((late & ~closed)[assessed].mean()))
        if role == "" or kind == "":
            yield ("asked", *where, "all", "a week", assessed.sum() / weeks)
            yield ("lost", *where, "all", "share", float(lost[assessed].mean()))
            yield ("wait_mean", *where, "all", "h", float(wait[assessed].mean()) / 60.0)
            yield ("wait_p90", *where, "all", "h", float(np.quantile(wait[assessed], 0.9)) / 60.0)


def _of_groups(
    served: Served, team: Team, n_days: int, groups: Mapping[str, Bools], ids: Mapping[str, int], from_day: int
) -> Iterator[_Row]:
    """Equity: late jobs, lost jobs and waits of each subgroup."""
    end = n_days * DAY_MIN
    events = served.events[(served.events["patient_id"] != "") & (served.events["requested"] >= from_day * DAY_MIN)]
    events = events[lateness.judged(events, end)]
    if len(events) == 0:
        return
    row = events["patient_id"].map(dict(ids)).to_numpy(dtype=np.int64)
    late, lost, wait = lateness.late(events, end), lateness.lost(events), lateness.wait_from_due(events, end)
    closed = lateness.late_closed(events, served.duty, team, end)
    for name, members in groups.items():
        jobs = members[row]
        if members.sum() >= SMALLEST_CELL and jobs.any():
            yield ("late", "", "", name, "share", float(late[jobs].mean()))
            yield ("late_closed", "", "", name, "share", float(closed[jobs].mean()))
            yield ("late_people", "", "", name, "share", float((late & ~closed)[jobs].mean()))
            yield ("lost", "", "", name, "share", float(lost[jobs].mean()))
            yield ("wait_mean", "", "", name, "h", float(wait[jobs].mean()) / 60.0)


def _of_patients(served: Served, groups: Mapping[str, Bools]) -> list[_Row]:
    rows: list[_Row] = []
    for name, members in groups.items():
        if members.sum() >= SMALLEST_CELL or name == "all":
            for metric, vector, unit in _PATIENT_METRICS:
                values = served.clinic[vector][members]
                values = values[~np.isnan(values)]
                rows.append((metric, "", "", name, unit, float(values.mean()) if len(values) else np.nan))
    return rows


def _of_alarms(served: Served, groups: Mapping[str, Bools]) -> list[_Row]:
    """Shares of alarms that are true and of episodes of need that have one; none without alarms or episodes."""
    rows: list[_Row] = []
    for name, members in groups.items():
        if members.sum() >= SMALLEST_CELL or name == "all":
            for metric, kind, part, whole, unit in _ACCURACY:
                total = served.clinic[whole][members].sum()
                if total > 0:
                    rows.append((metric, "", kind, name, unit, float(served.clinic[part][members].sum() / total)))
    return rows


def daily_load(events: pd.DataFrame, n_days: int) -> dict[str, Floats]:
    """Mean number of waiting jobs on each day, by role, (n_days,); the series of the warm-up analysis."""
    end = n_days * DAY_MIN
    edges = np.arange(n_days + 1) * DAY_MIN
    waiting = {}
    for role in sorted(set(events["role"])):
        jobs = events[events["role"] == role]
        requested, left = np.sort(jobs["requested"].to_numpy()), np.sort(left_queue(jobs, end))
        sums = [np.concatenate([[0.0], np.cumsum(times)]) for times in (requested, left)]
        a, b = np.searchsorted(requested, edges), np.searchsorted(left, edges)
        area = (a * edges - sums[0][a]) - (b * edges - sums[1][b])
        waiting[role] = np.diff(area) / DAY_MIN
    return waiting
