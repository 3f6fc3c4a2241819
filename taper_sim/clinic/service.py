"""What a clinic's run says of its service: one number a metric, by role, kind of work and subgroup. Imports ``clinic``.

Everything comes from the event log, the duty table and the vectors of ``coupling.Served``; nothing is counted in the
run itself. Each metric is over a window of whole days.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Bools, Floats
from taper_sim.clinic import lateness
from taper_sim.clinic.calendars import DAY_MIN
from taper_sim.clinic.coupling import Served
from taper_sim.clinic.measures import left_queue, overlap, utilisation
from taper_sim.clinic.team import Team

KEY: Final = ["metric", "role", "work", "subgroup", "unit"]
COLUMNS: Final = [*KEY, "value"]
SMALLEST_CELL: Final = 11
"""Subgroups under so many people are left out."""

_PATIENT_METRICS: Final = (
    ("order_wait_days", "days_waiting", "days a patient", "mean"),
    ("checkins_unread_overnight", "unread", "share", "mean"),
    ("visits_given", "care", "share of kept visits", "mean"),
    ("spike_alerts", "alarms", "a patient", "mean"),
    ("spike_alerts_false", "false_alarms", "a patient", "mean"),
    ("spike_alerts_dismissed", "dismissed_alarms", "true ones, a patient", "mean"),
    ("silence_alerts", "silence_alarms", "a patient", "mean"),
    ("silence_alerts_false", "false_silence_alarms", "a patient", "mean"),
    ("silence_alerts_dismissed", "dismissed_silence_alarms", "true ones, a patient", "mean"),
    ("dose_alerts", "dose_alarms", "a patient", "mean"),
    ("dose_alerts_false", "false_dose_alarms", "a patient", "mean"),
    ("dose_alerts_dismissed", "dismissed_dose_alarms", "true ones, a patient", "mean"),
    ("unordered_dose_days", "lapse_days", "a patient", "mean"),
    ("unordered_dose_days_found", "lapse_days_found", "a patient", "mean"),
)


def metrics(
    served: Served, team: Team, n_days: int, groups: Mapping[str, Bools], ids: Mapping[str, int], *, from_day: int = 0
) -> pd.DataFrame:
    """Metrics of one run.

    Parameters
    ----------
    served : Served
    team : Team
    n_days : int
        Days of the calendar.
    groups : mapping of str to ndarray of bool (n,)
        Subgroups of patients, ``all`` among them.
    ids : mapping of str to int
        Row of each patient's id.
    from_day : int
        Days thrown away at the beginning.

    Returns
    -------
    DataFrame
        ``metric, role, work, subgroup, unit, value``; role and work are empty where a metric is over all.
    """
    rows = [
        *_of_people(served, team, n_days, from_day),
        *_of_queues(served, team, n_days, from_day),
        *_of_groups(served, n_days, groups, ids, from_day),
    ]
    if from_day == 0:
        rows += _of_patients(served, groups)
        months = np.clip(n_days - served.starts + 1, 0, None).sum() / 30.0
        rows.append(("cost", "", "", "all", "USD a patient and 30 days", team.cost_usd(n_days) / months))
    return pd.DataFrame(rows, columns=COLUMNS)


_Row = tuple[str, str, str, str, str, float]


def _of_people(served: Served, team: Team, n_days: int, from_day: int) -> Iterator[_Row]:
    if team.unlimited:
        return
    start, end = from_day * DAY_MIN, n_days * DAY_MIN
    people = utilisation(served.events, served.duty, start, end)
    weeks = (n_days - from_day) / 7.0
    for role, own in people.groupby("role", sort=True):
        on_duty = own["on_duty_min"].sum()
        share = own["busy_min"].sum() / on_duty if on_duty > 0 else np.nan
        yield ("utilisation", str(role), "", "all", "share of duty", share)
        yield ("overtime", str(role), "", "all", "h a week", own["overtime_min"].sum() / 60.0 / weeks)
    begun = served.events[served.events["started"] >= start]
    for role, own in begun.groupby("role", sort=True):
        if own["travel"].any():
            yield ("travel", str(role), "", "all", "h a week", own["travel"].sum() / 60.0 / weeks)


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
    places = [(role, "") for role in sorted(set(roles))] + [("", kind) for kind in sorted(set(kinds))] + pairs
    for role, kind in places:
        own = ((roles == role) | (role == "")) & ((kinds == kind) | (kind == ""))
        asked = own & inside
        where = (role, kind)
        if role == "" or kind == "":
            yield ("queue", *where, "all", "waiting, mean", float(waiting[own].sum()))
        if not asked.any():
            continue
        yield ("late", *where, "all", "share", float(late[asked].mean()))
        yield ("late_closed", *where, "all", "share", float(closed[asked].mean()))
        if role == "" or kind == "":
            yield ("asked", *where, "all", "a week", asked.sum() / weeks)
            yield ("lost", *where, "all", "share", float(lost[asked].mean()))
            yield ("wait_mean", *where, "all", "h", float(wait[asked].mean()) / 60.0)
            yield ("wait_p90", *where, "all", "h", float(np.quantile(wait[asked], 0.9)) / 60.0)


def _of_groups(
    served: Served, n_days: int, groups: Mapping[str, Bools], ids: Mapping[str, int], from_day: int
) -> Iterator[_Row]:
    """Fairness: late and lost work, and waits, of each subgroup's own work."""
    end = n_days * DAY_MIN
    events = served.events[(served.events["patient_id"] != "") & (served.events["requested"] >= from_day * DAY_MIN)]
    events = events[lateness.judged(events, end)]
    if len(events) == 0:
        return
    row = events["patient_id"].map(dict(ids)).to_numpy(dtype=np.int64)
    late, lost, wait = lateness.late(events, end), lateness.lost(events), lateness.wait_from_due(events, end)
    for name, who in groups.items():
        own = who[row]
        if who.sum() >= SMALLEST_CELL and own.any():
            yield ("late", "", "", name, "share", float(late[own].mean()))
            yield ("lost", "", "", name, "share", float(lost[own].mean()))
            yield ("wait_mean", "", "", name, "h", float(wait[own].mean()) / 60.0)


def _of_patients(served: Served, groups: Mapping[str, Bools]) -> list[_Row]:
    found: list[_Row] = []
    for name, who in groups.items():
        if who.sum() >= SMALLEST_CELL or name == "all":
            for metric, vector, unit, _ in _PATIENT_METRICS:
                values = served.clinic[vector][who]
                values = values[~np.isnan(values)]
                found.append((metric, "", "", name, unit, float(values.mean()) if len(values) else np.nan))
    return found


def daily_load(events: pd.DataFrame, n_days: int) -> dict[str, Floats]:
    """Mean number waiting on each day, by role, (n_days,): what the warm-up is read from."""
    end = n_days * DAY_MIN
    edges = np.arange(n_days + 1) * DAY_MIN
    found = {}
    for role in sorted(set(events["role"])):
        own = events[events["role"] == role]
        came, gone = np.sort(own["requested"].to_numpy()), np.sort(left_queue(own, end))
        sums = [np.concatenate([[0.0], np.cumsum(times)]) for times in (came, gone)]
        a, b = np.searchsorted(came, edges), np.searchsorted(gone, edges)
        area = (a * edges - sums[0][a]) - (b * edges - sums[1][b])
        found[role] = np.diff(area) / DAY_MIN
    return found
