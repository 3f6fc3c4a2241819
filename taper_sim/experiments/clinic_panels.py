"""Late visits by size of the panel: the curve behind the stated number. Imports ``clinic.staffing``, ``clinic_plan``.

No patient is simulated. The rehearsal of the appointment book that gives the stated number books panels of other sizes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import pandas as pd

from taper_sim.clinic.staffing.book import BookLoad, BookWave, fewest_patients, late_share
from taper_sim.clinic.staffing.bounds import Load
from taper_sim.clinic.team import Team

PANEL_COLUMNS: Final = ["protocol", "phase", "full_first", "stated", "patients", "late"]
STEADY_STATE, ENROLLING = "steady state", "enrolling"
PANEL_SHARES: Final = (0.8, 0.9, 1.0, 1.1, 1.2)
"""Rehearsed panels as shares of the stated one. A design choice."""


def panel_table(
    steady: Mapping[str, Sequence[Load]], enrolling: Mapping[str, Sequence[Load]], team: Team, n: int
) -> pd.DataFrame:
    """Late visits of the appointment book that is full first, by size of the panel.

    Parameters
    ----------
    steady, enrolling : mapping of str to sequence of Load
        Loads by protocol after enrolment and while the panel enrols, the fullest books rehearsed.
    team : Team
    n : int
        Patients to whom the loads belong.

    Returns
    -------
    DataFrame
        :data:`PANEL_COLUMNS`: the stated panel, a rehearsed panel, and the share of its visits that begin late. A phase
        in which hours and not a book are full first has no rows.
    """
    rows = [
        row
        for phase, by_protocol in ((STEADY_STATE, steady), (ENROLLING, enrolling))
        for protocol, loads in by_protocol.items()
        for row in _curve(protocol, phase, loads, team, n)
    ]
    return pd.DataFrame(rows, columns=PANEL_COLUMNS)


def _curve(protocol: str, phase: str, loads: Sequence[Load], team: Team, n: int) -> Iterator[tuple[object, ...]]:
    fewest = fewest_patients(loads, n)
    if fewest is None:
        return
    load, stated = fewest
    if not isinstance(load, BookLoad):
        return
    n_days = load.n_days if isinstance(load, BookWave) else None
    for patients in sorted({max(1, round(share * stated)) for share in PANEL_SHARES}):
        late = late_share(load.demanded, team, patients, n_days)
        yield protocol, phase, load.name, stated, patients, round(late, 4)
