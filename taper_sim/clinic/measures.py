"""Measures of the event log: waits, queue lengths, utilisation. Imports ``array_types``; pure arithmetic.

A measure is over a window ``[start, end)`` in minutes. An interval that crosses an edge counts with the part inside.
A job that has not begun when the run stops counts as waiting until then.
"""

import numpy as np
import pandas as pd

from taper_sim.array_types import Floats, Ints


def left_queue(events: pd.DataFrame, end: float) -> Floats:
    """Minute at which each job left the queue: its start, its cancellation, or the end of the run, (n,)."""
    left = events["started"].fillna(events["ended"])
    return np.asarray(left.fillna(end).clip(upper=end), dtype=np.float64)


def overlap(begin: Floats, finish: Floats, start: float, end: float) -> Floats:
    """Minutes of each interval inside a window, (n,)."""
    return np.clip(np.minimum(finish, end) - np.maximum(begin, start), 0.0, None)


def queue_length(events: pd.DataFrame, start: float, end: float) -> float:
    """Mean number of waiting jobs over a window."""
    waiting = overlap(events["requested"].to_numpy(), left_queue(events, end), start, end)
    return float(waiting.sum() / (end - start))


def in_service(events: pd.DataFrame, start: float, end: float) -> float:
    """Mean number of jobs in service over a window, interrupted ones included."""
    begun = events[events["started"].notna()]
    finish = begun["ended"].fillna(end).to_numpy()
    return float(overlap(begun["started"].to_numpy(), finish, start, end).sum() / (end - start))


def queue_length_steps(events: pd.DataFrame, end: float) -> pd.DataFrame:
    """Number of waiting jobs after each change: ``minute, waiting``."""
    minutes = np.concatenate([events["requested"].to_numpy(), left_queue(events, end)])
    change = np.concatenate([np.ones(len(events)), -np.ones(len(events))])
    order = np.lexsort((-change, minutes))
    steps = pd.DataFrame({"minute": minutes[order], "waiting": np.cumsum(change[order]).astype(np.int64)})
    return steps.groupby("minute", as_index=False).last()


def waits(events: pd.DataFrame, end: float) -> Floats:
    """Minutes that each job waited, up to the end of the run for a job that still waits, (n,)."""
    return left_queue(events, end) - events["requested"].to_numpy()


def worked(events: pd.DataFrame, end: float) -> tuple[Ints, Floats, Floats]:
    """Segments of service: row of the log, start and end of each segment (minutes).

    A job without interruptions has one segment. The same server does the interrupting jobs, so the segments of an
    interrupted job are its time in service without the time of those jobs.
    """
    first, last = events["started"].to_numpy(), events["ended"].fillna(end).to_numpy()
    begun = np.flatnonzero(~np.isnan(first))
    cut = events["interrupted"].to_numpy()[begun] > 0 if "interrupted" in events else np.zeros(len(begun), dtype=bool)
    whole = begun[~cut]
    rows, low, high = [whole], [first[whole]], [last[whole]]
    resource = events["resource"].to_numpy()
    for row in begun[cut].tolist():
        inside = begun[(resource[begun] == resource[row]) & (first[begun] >= first[row]) & (first[begun] < last[row])]
        others = inside[inside != row]
        others = others[np.argsort(first[others], kind="stable")]
        at, gaps = first[row], []
        for other in others.tolist():
            gaps.append((at, max(at, first[other])))
            at = max(at, min(last[other], last[row]))
        gaps.append((at, last[row]))
        segments = [segment for segment in gaps if segment[1] > segment[0]]
        rows.append(np.full(len(segments), row))
        low.append(np.array([segment[0] for segment in segments]))
        high.append(np.array([segment[1] for segment in segments]))
    return np.concatenate(rows).astype(np.int64), np.concatenate(low), np.concatenate(high)


def utilisation(events: pd.DataFrame, duty: pd.DataFrame, start: float, end: float) -> pd.DataFrame:
    """Utilisation and overtime of each server over a window.

    Parameters
    ----------
    events, duty : DataFrame
        As ``event_log.events_table`` and ``event_log.duty_table``.
    start, end : float
        Minutes.

    Returns
    -------
    DataFrame
        ``resource, role, on_duty_min, busy_min, overtime_min, utilisation``. ``busy_min`` is work inside the server's
        duty periods, ``overtime_min`` work outside of them, ``utilisation`` busy ÷ on duty. On-call periods are not
        duty here: work in them counts as overtime.
    """
    rows_of_log, begin, finish = worked(events, end)
    servers = events["resource"].to_numpy()[rows_of_log]
    rows = []
    for (resource, role), periods in duty.groupby(["resource", "role"], sort=False):
        regular = periods[~periods["on_call"].to_numpy(dtype=bool)]
        low, high = regular["start"].to_numpy(), regular["end"].to_numpy()
        on_duty = overlap(low, high, start, end).sum()
        segments = servers == resource
        first, last = begin[segments].clip(min=start), finish[segments].clip(max=end)
        inside = last > first
        first, last = first[inside], last[inside]
        within = covered(last, low, high) - covered(first, low, high)
        busy, total = float(within.sum()), float((last - first).sum())
        rows.append((resource, role, on_duty, busy, total - busy, busy / on_duty if on_duty > 0 else np.nan))
    return pd.DataFrame(rows, columns=["resource", "role", "on_duty_min", "busy_min", "overtime_min", "utilisation"])


def covered(at: Floats, low: Floats, high: Floats) -> Floats:
    """Minutes of duty before each minute ``at``; the periods are in order of time and do not overlap."""
    if len(low) == 0:
        return np.zeros_like(at)
    before = np.concatenate([[0.0], np.cumsum(high - low)])
    k = np.searchsorted(low, at, side="right")
    part = np.where(k > 0, np.minimum(at, high[np.maximum(k - 1, 0)]) - low[np.maximum(k - 1, 0)], 0.0)
    return np.asarray(before[np.maximum(k - 1, 0)] + part)
