"""Planned work of a clinic beside its team's hours, without a simulation. Imports ``api``, ``experiments``."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.api import display
from taper_sim.api.arguments import names_checked
from taper_sim.clinic.staffing.bounds import Load
from taper_sim.clinic.staffing.search import with_fte
from taper_sim.clinic.team import FULL_TIME_H, Team
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.experiments.clinic_plan import (
    ClinicPlan,
    plan_of,
    planned_loads,
    planned_loads_of_enrolment,
    read_clinic,
)
from taper_sim.scenario.building import Overrides, overridden
from taper_sim.scenario.clinic_schema import StaffEntry

_FILE: Final = "planned_work"
_MOST_FTE: Final = 100.0
PLANNED_WORK_MEANS: Final = (
    "Planned work only: alerts and urgent visits add to it, so a share below 100 % does not guarantee short waits. A "
    "queue above 100 % grows for as long as the clinic runs."
)


@dataclass(frozen=True, eq=False)
class PlannedWork:
    """Planned work of every queue beside the hours of the staff who may do it.

    Attributes
    ----------
    frame : DataFrame
        A row a protocol, period and queue: ``planned_h`` and ``on_duty_h`` (hours a week after enrolment, and hours up
        to a day while the panel enrols), ``share`` (the first ÷ the second), ``most_patients`` (the panel that fills
        the hours). The highest share is first.
    fte : dict of str to float
        The team by role, in full-time equivalents.
    """

    frame: pd.DataFrame
    fte: dict[str, float]
    _lines: list[str] = field(repr=False)

    @property
    def answer(self) -> str:
        """The queues without enough hours, in words."""
        return "\n".join(self._lines)

    def __repr__(self) -> str:
        return f"{self.answer}\n{PLANNED_WORK_MEANS}\n{self.frame.round(2).to_string(index=False)}"

    def _repr_html_(self) -> str:
        return display.paragraphs([*self._lines, PLANNED_WORK_MEANS]) + display.table_html(self.frame)


@names_checked
def planned_work(
    scenario: str | Path,
    *,
    patients: int | None = None,
    days: int | None = None,
    fte: Mapping[str, float] | None = None,
    checkin_every_d: int | None = None,
    visit_every_d: int | None = None,
) -> PlannedWork:
    """Compare the work that a clinic plans with the hours of its team; it needs no simulation.

    Parameters
    ----------
    scenario : path
        A scenario with a clinic.
    patients, days : int, optional
        Instead of the scenario's.
    fte : mapping of role to float, optional
        Full-time equivalents of some roles, instead of the scenario's.
    checkin_every_d, visit_every_d : int, optional
        Days between check-ins and between visits, instead of the scenario's.

    Returns
    -------
    PlannedWork

    Raises
    ------
    InputError
        With one line for each problem.

    Examples
    --------
    >>> import taper_sim as ts
    >>> work = ts.planned_work("scenarios/staffing_small.yaml", patients=40, fte={"nurse": 1})
    >>> print(work.answer)
    Every queue has the hours for its planned work.
    """
    return ClinicOnPaper(Path(scenario)).work(patients, days, fte or {}, checkin_every_d, visit_every_d)


class ClinicOnPaper:
    """A scenario with a clinic whose panel, team and care can change.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path):
        self._path, self._scenario = path, read_clinic(path)
        self._plan: tuple[tuple[int | None, ...], ClinicPlan] | None = None

    def plan(self, patients: int | None, days: int | None, checkin_d: int | None, visit_d: int | None) -> ClinicPlan:
        """The plan with other patients and care; that of the last call if nothing has changed."""
        key = (patients, days, checkin_d, visit_d)
        if self._plan is None or self._plan[0] != key:
            scenario = overridden(self._scenario, Overrides(patients, days, None, None, self._path.parent))
            changes = {"checkin_every_d": checkin_d, "visit_every_d": visit_d}
            changes = {name: value for name, value in changes.items() if value is not None}
            for name, value in changes.items():
                if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 364:
                    raise problem(_FILE, name, value, "0 to 364; 0 means never")
            scenario = scenario.model_copy(update={"care": scenario.care.model_copy(update=changes)})
            self._plan = key, plan_of(scenario, self._path, 1)
        return self._plan[1]

    def work(
        self,
        patients: int | None,
        days: int | None,
        fte: Mapping[str, float],
        checkin_d: int | None,
        visit_d: int | None,
    ) -> PlannedWork:
        """Planned work under these changes; see :func:`planned_work`."""
        plan = self.plan(patients, days, checkin_d, visit_d)
        plan = replace(plan, team=_team(plan, fte))
        periods = (("after enrolment", planned_loads(plan)), ("while enrolling", planned_loads_of_enrolment(plan)))
        rows = [
            _row(name, period, load)
            for period, by_protocol in periods
            for name, several in by_protocol.items()
            for load in several
            if np.isfinite(load.able_h)
        ]
        frame = pd.DataFrame(rows).sort_values("share", ascending=False, ignore_index=True)
        return PlannedWork(frame, fte_of(plan.team), _lines_of(frame))


def _row(protocol: str, period: str, load: Load) -> dict[str, Any]:
    return {
        "protocol": protocol,
        "period": period,
        "queue": load.name,
        "planned_h": load.asked_h,
        "on_duty_h": load.able_h,
        "share": load.share,
        "most_patients": load.most_patients,
    }


def _lines_of(frame: pd.DataFrame) -> list[str]:
    over = frame[frame["share"] > 1.0]
    if over.empty:
        return ["Every queue has the hours for its planned work."]
    return [
        f"{row['queue']}, {row['period']}: {row['planned_h']:,.0f} h planned for {row['on_duty_h']:,.0f} h on duty "
        f"({row['share']:.0%}); the hours are enough for {row['most_patients']:,} patients."
        for row in over.to_dict("records")
    ]


def fte_of(team: Team) -> dict[str, float]:
    """Full-time equivalents of a team by role."""
    hours: dict[str, float] = {}
    for worker in team.workers:
        hours[worker.role.name] = hours.get(worker.role.name, 0.0) + worker.hours_a_week
    return {role: h / FULL_TIME_H for role, h in hours.items()}


def _team(plan: ClinicPlan, fte: Mapping[str, float]) -> Team:
    """The plan's team with other FTE of some roles; raises InputError for an unknown role or a wrong number."""
    problems = []
    known = list(fte_of(plan.team))
    for role, value in fte.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if role not in known:
            problems.append(
                Problem(
                    _FILE, f"fte.{role}", f"{shown(role)}, no role of the team{nearest(role, known)}", ", ".join(known)
                )
            )
        elif not number or not 0 < value <= _MOST_FTE:
            problems.append(Problem(_FILE, f"fte.{role}", shown(value), f"above 0, at most {_MOST_FTE:g}"))
    if problems:
        raise InputError(problems)
    holidays = plan.setting.opening.holidays
    otherwise = {role: replace(StaffEntry(role=role).workers(1)[0], holidays=holidays) for role in fte}
    try:
        return with_fte(plan.team, fte, otherwise)
    except ValueError as error:
        raise problem(_FILE, "fte", str(error), "at least the FTE of those workers") from error
