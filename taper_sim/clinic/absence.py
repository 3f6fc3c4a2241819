"""Short-notice sickness absence of staff. Imports ``rng``, ``clinic.team``.

Sickness absence is a draw of (seed, worker, day): two teams with the same seed have the same workers ill on the same
days, and an additional worker changes nobody else's draws. Illness is known on the morning of the day. Visits of that
day are already booked; colleagues and covering staff take them, or they are rebooked (``coupling``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from taper_sim import rng
from taper_sim.clinic.team import Team

_CALL = 950  # call of the random generator: onset and length of an illness
Spells = Mapping[str, tuple[tuple[int, int], ...]]


@dataclass(frozen=True)
class Illness:
    """Rate and length of illness.

    Attributes
    ----------
    per_day : float
        Probability that a worker who is well falls ill on a calendar day.
    days : float
        Mean length of an illness, days; the distribution is geometric from 1 day.
    """

    per_day: float
    days: float

    @property
    def share(self) -> float:
        """Long-run share of days on which a worker is ill."""
        return self.per_day * self.days / (1.0 + self.per_day * self.days)


def spells(team: Team, seed: int, n_days: int, illness: Illness | None) -> Spells:
    """First and last calendar day (1 to ``n_days``) of each illness, by worker; empty without illness."""
    if illness is None or illness.per_day == 0.0 or team.unlimited:
        return {}
    days = np.arange(1, n_days + 1)
    spells_of: dict[str, tuple[tuple[int, int], ...]] = {}
    log_continues = np.log(1.0 - 1.0 / illness.days) if illness.days > 1.0 else -np.inf
    for worker in team.workers:
        w = rng.words(seed, rng.patient_key(f"staff {worker.name}"), days, _CALL)
        falls, length = rng.uniform(w[0]) < illness.per_day, 1.0 + np.floor(np.log(rng.uniform(w[1])) / log_continues)
        spans: list[tuple[int, int]] = []
        for k in np.flatnonzero(falls).tolist():
            if not spans or k + 1 > spans[-1][1] + 1:  # at least one day without illness between two
                spans.append((k + 1, min(k + int(length[k]), n_days)))
        spells_of[worker.name] = tuple(spans)
    return spells_of


def without_the_ill(team: Team, ill: Spells) -> Team:
    """The team with illness as leave: no duty and no on-call period on a day of illness."""
    if not ill:
        return team
    return Team(tuple(replace(w, leave=(*w.leave, *ill.get(w.name, ()))) for w in team.workers), team.unlimited)


def absences_table(team: Team, ill: Spells) -> pd.DataFrame:
    """One row for each illness: ``resource, role, first_day, last_day`` (calendar days)."""
    rows = [(w.name, w.role.queue, first, last) for w in team.workers for first, last in ill.get(w.name, ())]
    table = pd.DataFrame(rows, columns=["resource", "role", "first_day", "last_day"])
    return table.astype({"resource": "str", "role": "str", "first_day": "int64", "last_day": "int64"})
