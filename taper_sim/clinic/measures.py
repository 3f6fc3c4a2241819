"""The event log into numbers: waits, queue lengths, utilisation. Imports ``clinic.calendars``; pure arithmetic.

Every measure is over a window ``[start, end)`` in minutes. What lies across an edge counts with the part inside, and
what has not begun when the run stops counts as waiting until then.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.clinic.calendars import DAY_MIN


def left_queue(events: pd.DataFrame, end: float) -> Floats:
    """When each piece of work stopped waiting: begun, given up, or the end of the run, (n,)."""
    gone = events["started"].fillna(events["ended"])
    return np.asarray(gone.fillna(end).clip(upper=end), dtype=np.float64)


def overlap(begin: Floats, finish: Floats, start: float, end: float) -> Floats:
    """Minutes of each interval that lie in a window, (n,)."""
    return np.clip(np.minimum(finish, end) - np.maximum(begin, start), 0.0, None)


def queue_length(events: pd.DataFrame, start: float, end: float) -> float:
    """Mean number waiting over a window."""
    waiting = overlap(events["requested"].to_numpy(), left_queue(events, end), start, end)
    return float(waiting.sum() / (end - start))


def in_service(events: pd.DataFrame, start: float, end: float) -> float:
    """Mean number in work over a window."""
    begun = events[events["started"].notna()]
    finish = begun["ended"].fillna(end).to_numpy()
    return float(overlap(begun["started"].to_numpy(), finish, start, end).sum() / (end - start))


def queue_length_steps(events: pd.DataFrame, end: float) -> pd.DataFrame:
    """Number waiting after each change: ``minute, waiting``."""
    minutes = np.concatenate([events["requested"].to_numpy(), left_queue(events, end)])
    change = np.concatenate([np.ones(len(events)), -np.ones(len(events))])
    order = np.lexsort((-change, minutes))
    steps = pd.DataFrame({"minute": minutes[order], "waiting": np.cumsum(change[order]).astype(np.int64)})
    return steps.groupby("minute", as_index=False).last()


def waits(events: pd.DataFrame, end: float) -> Floats:
    """Minutes each piece of work waited, up to the end of the run where it still waits, (n,)."""
    return left_queue(events, end) - events["requested"].to_numpy()


def late(events: pd.DataFrame, end: float, clock_min: Mapping[int, float]) -> Bools:
    """Which work was not begun within the clock of its urgency, minutes by urgency, (n,).

    Work given up in the end is late; work that still waits is late once its clock has run out.
    """
    clock = events["urgency"].map(dict(clock_min)).to_numpy(dtype=np.float64)
    lost = (events["outcome"] == "reneged").to_numpy()
    return np.asarray((waits(events, end) > clock) | lost)


def worked(events: pd.DataFrame, end: float) -> tuple[Ints, Floats, Floats]:
    """The pieces in which work was done: row of the log, begin and end of each piece, minutes.

    Work that nothing interrupted is one piece. While it is interrupted, the same person does what interrupts it, so the
    pieces are what is left of its time.
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
        at, own = first[row], []
        for other in others.tolist():
            own.append((at, max(at, first[other])))
            at = max(at, min(last[other], last[row]))
        own.append((at, last[row]))
        kept = [piece for piece in own if piece[1] > piece[0]]
        rows.append(np.full(len(kept), row))
        low.append(np.array([piece[0] for piece in kept]))
        high.append(np.array([piece[1] for piece in kept]))
    return np.concatenate(rows).astype(np.int64), np.concatenate(low), np.concatenate(high)


def utilisation(events: pd.DataFrame, duty: pd.DataFrame, start: float, end: float) -> pd.DataFrame:
    """Time at work of each person over a window.

    Parameters
    ----------
    events, duty : DataFrame
        As ``records.events_table`` and ``records.duty_table``.
    start, end : float
        Minutes.

    Returns
    -------
    DataFrame
        ``resource, role, on_duty_min, busy_min, overtime_min, utilisation``: ``busy_min`` inside the person's own
        stretches of duty, ``overtime_min`` outside of them, ``utilisation`` busy ÷ on duty. On-call stretches are no
        duty here: work in them counts as overtime.
    """
    which, begin, finish = worked(events, end)
    whose = events["resource"].to_numpy()[which]
    rows = []
    for (resource, role), own in duty.groupby(["resource", "role"], sort=False):
        regular = own[~own["on_call"].to_numpy(dtype=bool)]
        low, high = regular["start"].to_numpy(), regular["end"].to_numpy()
        on_duty = overlap(low, high, start, end).sum()
        own_pieces = whose == resource
        first, last = begin[own_pieces].clip(min=start), finish[own_pieces].clip(max=end)
        inside = last > first
        first, last = first[inside], last[inside]
        within = covered(last, low, high) - covered(first, low, high)
        busy, total = float(within.sum()), float((last - first).sum())
        rows.append((resource, role, on_duty, busy, total - busy, busy / on_duty if on_duty > 0 else np.nan))
    return pd.DataFrame(rows, columns=["resource", "role", "on_duty_min", "busy_min", "overtime_min", "utilisation"])


def covered(at: Floats, low: Floats, high: Floats) -> Floats:
    """Minutes of duty before each moment; stretches are in order and do not overlap."""
    if len(low) == 0:
        return np.zeros_like(at)
    before = np.concatenate([[0.0], np.cumsum(high - low)])
    k = np.searchsorted(low, at, side="right")
    part = np.where(k > 0, np.minimum(at, high[np.maximum(k - 1, 0)]) - low[np.maximum(k - 1, 0)], 0.0)
    return np.asarray(before[np.maximum(k - 1, 0)] + part)


def by_day(events: pd.DataFrame, n_days: int, clock_min: Mapping[int, float]) -> pd.DataFrame:
    """Each day's work: ``day, role, asked, begun_late, wait_mean_min, busy_min, waiting_at_midnight``."""
    end = n_days * DAY_MIN
    table = pd.DataFrame(
        {
            "role": events["role"].to_numpy(),
            "day": (events["requested"] // DAY_MIN).astype(int) + 1,
            "wait": waits(events, end),
            "late": late(events, end, clock_min),
        }
    )
    grouped = table.groupby(["role", "day"])
    asked = grouped.agg(asked=("wait", "size"), begun_late=("late", "sum"), wait_mean_min=("wait", "mean"))
    roles = sorted(set(events["role"]))
    index = pd.MultiIndex.from_product([roles, range(1, n_days + 1)], names=["role", "day"])
    full = asked.reindex(index)
    full[["asked", "begun_late"]] = full[["asked", "begun_late"]].fillna(0)
    which, begin, finish = worked(events, end)
    whose = events["role"].to_numpy()[which]
    midnights = np.arange(1, n_days + 1) * DAY_MIN
    busy, waiting = [], []
    for role in roles:
        own = events[events["role"] == role]
        first, last = begin[whose == role], finish[whose == role]
        busy.append(np.diff(_area(first, last, np.concatenate([[0.0], midnights]))))
        gone = np.sort(left_queue(own, np.inf))
        came = np.sort(own["requested"].to_numpy())
        waiting.append(np.searchsorted(came, midnights, side="left") - np.searchsorted(gone, midnights, side="left"))
    full["busy_min"], full["waiting_at_midnight"] = np.concatenate(busy), np.concatenate(waiting)
    return full.reset_index()


def _area(first: Floats, last: Floats, at: Floats) -> Floats:
    """Minutes of all intervals before each moment."""
    one, other = np.sort(first), np.sort(last)
    sums = np.concatenate([[0.0], np.cumsum(one)]), np.concatenate([[0.0], np.cumsum(other)])
    begun, done = np.searchsorted(one, at, side="left"), np.searchsorted(other, at, side="left")
    return np.asarray((begun * at - sums[0][begun]) - (done * at - sums[1][done]))
