"""Late and lost work. Imports ``clinic.work``, ``clinic.calendars``, ``clinic.measures``, ``clinic.team``.

The clock of a piece of work runs from its first due minute to its start, through every postponement and escalation.
Work with several rows in the log (rebooked, escalated, expedited) is assessed at its last row.
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
"""Minutes of staffed time; late work begun within them is late because of opening hours. Source: assumption A37."""


def wait_from_due(events: pd.DataFrame, end: float) -> Floats:
    """Minutes from the due minute to the start, the cancellation, or the end of the run, (n,)."""
    left = np.where(events["why"] == work.AFTER_THE_END, end, left_queue(events, end))
    return np.clip(left - events["due"].to_numpy(), 0.0, None)


def lost(events: pd.DataFrame) -> Bools:
    """Work that reneged, was dismissed or found no appointment, (n,); rebooked work is not lost."""
    reneged = (events["outcome"] == "reneged").to_numpy() & ~again(events)
    return np.asarray(reneged | events["why"].isin([work.NO_ROOM, work.DISMISSED]).to_numpy())


def late(events: pd.DataFrame, end: float) -> Bools:
    """Work that was lost or not begun within its clock, (n,)."""
    return np.asarray((wait_from_due(events, end) > events["clock"].to_numpy()) | lost(events))


def again(events: pd.DataFrame) -> Bools:
    """Rows whose work has a later row in the log: rebooked, escalated or expedited, (n,)."""
    return np.asarray(events["why"].isin(list(work.AGAIN)).to_numpy())


def judged(events: pd.DataFrame, end: float) -> Bools:
    """Rows from which lateness is computed, (n,).

    Each piece of work counts once, at its last row. Work of a patient who left, and visits booked for a day after the
    run, count only if they were late by then.
    """
    unknown = events["why"].isin([work.LEFT_CARE, work.HANDED_OFF, work.AFTER_THE_END]).to_numpy()
    return np.asarray(~again(events) & (late(events, end) | ~unknown))


def late_closed(events: pd.DataFrame, duty: pd.DataFrame, team: Team, end: float) -> Bools:
    """Late work that was begun within :data:`PROMPT_MIN` of staffed time, (n,).

    Staffed time is time at which a worker of the role, or one who covers for it, is on duty. More staff at the same
    hours would not have begun this work in time. On-call periods count for urgency 0 only.
    """
    closed = late(events, end) & events["started"].notna().to_numpy()
    for role in sorted(set(events["role"])):
        names = {worker.name for worker in team.workers if role in (worker.role.queue, *worker.stands_in_for)}
        role_duty = duty[duty["resource"].isin(names)]
        for urgent in (False, True):
            rows = np.flatnonzero(
                closed & (events["role"] == role).to_numpy() & ((events["urgency"] == 0).to_numpy() == urgent)
            )
            staffed = role_duty if urgent else role_duty[~role_duty["on_call"].astype(bool)]
            periods = merged([Duty(start, end) for start, end in zip(staffed["start"], staffed["end"], strict=True)])
            low, high = np.array([period.start for period in periods]), np.array([period.end for period in periods])
            begun, due = (events[name].to_numpy(dtype=np.float64)[rows] for name in ("started", "due"))
            closed[rows] = covered(begun, low, high) - covered(np.minimum(due, begun), low, high) <= PROMPT_MIN
    return closed
