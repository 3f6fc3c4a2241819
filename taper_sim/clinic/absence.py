"""Staff who fall ill at short notice. Imports ``rng``, ``clinic.team``.

Who is ill on which days is a draw of (seed, person, day), so two teams on one seed have the same people ill on the same
days, and one more person changes nobody else. Nobody knows before the morning: the appointment book holds visits for
that day, which colleagues and those who stand in take, or which are moved (``coupling``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from taper_sim import rng
from taper_sim.clinic.team import Team

_CALL = 950  # of the generator: falling ill, and for how long
Spells = Mapping[str, tuple[tuple[int, int], ...]]


@dataclass(frozen=True)
class Illness:
    """How often staff falls ill.

    Attributes
    ----------
    per_day : float
        Chance that somebody who is well falls ill on a day of the calendar.
    days : float
        Mean days ill, of a geometric distribution from one day up.
    """

    per_day: float
    days: float

    @property
    def share(self) -> float:
        """Share of days on which somebody is ill, in the long run."""
        return self.per_day * self.days / (1.0 + self.per_day * self.days)


def spells(team: Team, seed: int, n_days: int, illness: Illness | None) -> Spells:
    """First and last day of each illness of everybody, days 1 to ``n_days`` of the calendar; empty without illness."""
    if illness is None or illness.per_day == 0.0 or team.unlimited:
        return {}
    days = np.arange(1, n_days + 1)
    found: dict[str, tuple[tuple[int, int], ...]] = {}
    goes_on = np.log(1.0 - 1.0 / illness.days) if illness.days > 1.0 else -np.inf
    for worker in team.workers:
        w = rng.words(seed, rng.patient_key(f"staff {worker.name}"), days, _CALL)
        falls, length = rng.uniform(w[0]) < illness.per_day, 1.0 + np.floor(np.log(rng.uniform(w[1])) / goes_on)
        own: list[tuple[int, int]] = []
        for k in np.flatnonzero(falls).tolist():
            if not own or k + 1 > own[-1][1] + 1:  # well again for a day at least
                own.append((k + 1, min(k + int(length[k]), n_days)))
        found[worker.name] = tuple(own)
    return found


def without_the_ill(team: Team, ill: Spells) -> Team:
    """The team as it turns out: nobody at work, nor on call, on a day of illness."""
    if not ill:
        return team
    return Team(tuple(replace(w, leave=(*w.leave, *ill.get(w.name, ()))) for w in team.workers), team.unlimited)


def absences_table(team: Team, ill: Spells) -> pd.DataFrame:
    """A row for each illness: ``resource, role, first_day, last_day``, days of the calendar."""
    rows = [(w.name, w.role.queue, first, last) for w in team.workers for first, last in ill.get(w.name, ())]
    table = pd.DataFrame(rows, columns=["resource", "role", "first_day", "last_day"])
    return table.astype({"resource": "str", "role": "str", "first_day": "int64", "last_day": "int64"})
