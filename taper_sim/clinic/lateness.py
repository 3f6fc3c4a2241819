"""Which work was late, which was lost, which the log does not tell of. Imports ``clinic``.

One clock runs from when work was wanted first to when somebody begins it, however often it was put off or passed on in
between; a row that stands in the log once more is judged there.
"""

from typing import Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Bools, Floats
from taper_sim.clinic import work
from taper_sim.clinic.calendars import Duty, merged
from taper_sim.clinic.measures import covered, left_queue
from taper_sim.clinic.team import Team

PROMPT_MIN: Final = 60.0
"""Minutes on duty within which work is begun that is late for opening hours only. Source: the shortest clock, A37."""


def wait_from_due(events: pd.DataFrame, end: float) -> Floats:
    """Minutes from when work was wanted first until it was begun, given up, or the run stopped, (n,)."""
    left = np.where(events["why"] == work.AFTER_THE_END, end, left_queue(events, end))
    return np.clip(left - events["due"].to_numpy(), 0.0, None)


def lost(events: pd.DataFrame) -> Bools:
    """Given up, dismissed, or without room in the book, (n,); what was booked once more is not lost yet."""
    given_up = (events["outcome"] == "reneged").to_numpy() & ~again(events)
    return np.asarray(given_up | events["why"].isin([work.NO_ROOM, work.DISMISSED]).to_numpy())


def late(events: pd.DataFrame, end: float) -> Bools:
    """Work not begun within its clock, or lost, (n,)."""
    return np.asarray((wait_from_due(events, end) > events["clock"].to_numpy()) | lost(events))


def again(events: pd.DataFrame) -> Bools:
    """Rows that stand in the log once more: put off, passed on, hurried, (n,)."""
    return np.asarray(events["why"].isin(list(work.AGAIN)).to_numpy())


def judged(events: pd.DataFrame, end: float) -> Bools:
    """Work of which the log tells whether it was in time, (n,).

    Each piece once: the last row of what was put off. Work of a patient who left, and visits booked for a day after the
    run, count where they were late by then.
    """
    unknown = events["why"].isin([work.LEFT, work.HANDED_OFF, work.AFTER_THE_END]).to_numpy()
    return np.asarray(~again(events) & (late(events, end) | ~unknown))


def late_closed(events: pd.DataFrame, duty: pd.DataFrame, team: Team, end: float) -> Bools:
    """Late work that was begun within :data:`PROMPT_MIN` of time at which somebody of its role was at work, (n,).

    More people at the same hours would not have made it in time. Who is on call is at work for what cannot wait.
    """
    found = late(events, end) & events["started"].notna().to_numpy()
    for role in sorted(set(events["role"])):
        able = {worker.name for worker in team.workers if role in (worker.role.queue, *worker.stands_in_for)}
        own = duty[duty["resource"].isin(able)]
        for urgent in (False, True):
            rows = np.flatnonzero(
                found & (events["role"] == role).to_numpy() & ((events["urgency"] == 0).to_numpy() == urgent)
            )
            there = own if urgent else own[~own["on_call"].astype(bool)]
            stretches = merged([Duty(start, end) for start, end in zip(there["start"], there["end"], strict=True)])
            low, high = (np.array([getattr(one, edge) for one in stretches]) for edge in ("start", "end"))
            begun, due = (events[name].to_numpy(dtype=np.float64)[rows] for name in ("started", "due"))
            found[rows] = covered(begun, low, high) - covered(np.minimum(due, begun), low, high) <= PROMPT_MIN
    return found
