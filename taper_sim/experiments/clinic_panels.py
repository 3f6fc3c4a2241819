"""The stated number of patients, and late visits by size of the panel. Imports ``clinic.staffing``, ``clinic_plan``.

No patient is simulated. The rehearsal of the appointment book that gives the stated number books panels of other sizes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pandas as pd

from taper_sim.clinic.staffing.book import BookLoad, days_of, fewest_patients, fewest_rehearsed, late_share
from taper_sim.clinic.staffing.bounds import Load
from taper_sim.clinic.team import Team
from taper_sim.experiments.clinic_plan import ClinicPlan, planned_loads, planned_loads_of_enrolment

PANEL_COLUMNS: Final = ["protocol", "phase", "full_first", "stated", "patients", "late"]
STEADY_STATE, ENROLLING = "steady state", "enrolling"
PANEL_SHARES: Final = (0.8, 0.9, 1.0, 1.1, 1.2)
"""Rehearsed panels as shares of the stated one. A design choice."""

STATED_FOR: Final = 5
"""Replications whose patients have a stated panel of their own: a rehearsal takes seconds. A design choice."""


def stated_panels(plan: ClinicPlan) -> dict[str, dict[str, dict[str, Any]]]:
    """The stated panels by protocol and phase (``steady_state``, ``enrolling``); empty without work.

    Returns
    -------
    dict
        ``most_patients``, ``full_first`` (the load that allows no more), both of the patients of the first replication,
        and ``by_replication``: ``most_patients`` for those of each of the first :data:`STATED_FOR` replications.
    """
    panels: dict[str, dict[str, dict[str, Any]]] = {arm.name: {} for arm in plan.arms}
    for phase, first, loads_of in (
        ("steady_state", plan.rehearsed_loads, planned_loads),
        ("enrolling", plan.rehearsed_loads_of_enrolment, planned_loads_of_enrolment),
    ):
        further = range(1, min(plan.n_replications, STATED_FOR))
        others = [(loads_of(plan, replication=k), len(plan.cohort(k))) for k in further]
        for name, panel in panels.items():
            fewest = [fewest_patients(first[name], len(plan.cohort(0)))]
            fewest += [fewest_rehearsed(loads[name], plan.team, n) for loads, n in others]
            stated = [(load, patients) for load, patients in filter(None, fewest)]
            panel[phase] = {}
            if stated:
                panel[phase] |= {"most_patients": stated[0][1], "full_first": stated[0][0].name}
                panel[phase]["by_replication"] = [patients for _, patients in stated]
    return panels


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
    for patients in sorted({max(1, round(share * stated)) for share in PANEL_SHARES}):
        late = late_share(load.demanded, team, patients, days_of(load))
        yield protocol, phase, load.name, stated, patients, round(late, 4)
