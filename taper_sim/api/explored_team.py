"""A clinic's planned work, computed again whenever an input changes. Imports ``api.planned_work``, ``api.display``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from taper_sim.api.display import UNREVIEWED_LINE
from taper_sim.api.planned_work import PLANNED_WORK_MEANS, ClinicOnPaper, PlannedWork, fte_of
from taper_sim.data.problems import InputError, Problem, shown
from taper_sim.report.wording import name_text

_FILE: Final = "staffing_explorer"
_MOST_FTE: Final = 10.0
_MOST_EXPLORED: Final = 1000  # patients
_CHECKINS_D: Final = (1, 2, 3, 7)
_VISITS_D: Final = (7, 14, 28, 56)
_BOOK: Final = ", appointment book"
_PERIODS: Final = ("after enrolment", "while enrolling")


class ExploredTeam:
    """The planned work of a scenario's clinic under the inputs of an explorer.

    Parameters
    ----------
    scenario : Path
        A scenario with a clinic.
    """

    def __init__(self, scenario: Path):
        self._clinic = ClinicOnPaper(scenario)
        plan = self._clinic.plan(None, None, None, None)
        self._name = plan.scenario.name
        self._roles = fte_of(plan.team)
        care = plan.scenario.care
        self.start: dict[str, Any] = {
            "patients": min(len(plan.cohort(0)), _MOST_EXPLORED),
            "checkin_every_d": care.checkin_every_d,
            "visit_every_d": care.visit_every_d,
        } | {role: round(2.0 * fte) / 2.0 for role, fte in self._roles.items()}
        self._intervals = {
            "checkin_every_d": sorted({*_CHECKINS_D, care.checkin_every_d}),
            "visit_every_d": sorted({*_VISITS_D, care.visit_every_d}),
        }

    def form(self) -> list[dict[str, Any]]:
        """The inputs: panel, care, and the full-time equivalents of every role."""
        words = {"checkin_every_d": "Days between check-ins", "visit_every_d": "Days between visits"}
        fte = {"kind": "range", "unit": "FTE", "min": 0.5, "max": _MOST_FTE, "step": 0.5}
        return [
            {"kind": "range", "name": "patients", "label": "Patients", "unit": "", "min": 20, "max": _MOST_EXPLORED}
            | {"step": 10},
            *(
                {"kind": "select", "name": name, "label": words[name], "options": options}
                for name, options in self._intervals.items()
            ),
            *({"name": role, "label": name_text(role)} | fte for role in self._roles),
        ]

    def work(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What the explorer shows: a panel for each period, of hours and of the appointment book.

        Raises
        ------
        InputError
            For a value out of range.
        """
        merged = self.start | dict(values)
        ends = {"patients": (20.0, float(_MOST_EXPLORED))} | dict.fromkeys(self._roles, (0.5, _MOST_FTE))
        problems = [
            Problem(_FILE, name, shown(merged[name]), f"{low:g} to {high:g}")
            for name, (low, high) in ends.items()
            if not isinstance(merged[name], int | float) or not low <= merged[name] <= high
        ]
        problems += [
            Problem(_FILE, name, shown(merged[name]), ", ".join(map(str, options)))
            for name, options in self._intervals.items()
            if merged[name] not in options
        ]
        if problems:
            raise InputError(problems)
        changed = {role: merged[role] for role in self._roles if merged[role] != self._roles[role]}
        work = self._clinic.work(
            int(merged["patients"]), None, changed, merged["checkin_every_d"], merged["visit_every_d"]
        )
        return {
            "panels": [
                _panel(work.frame, period, book=book)
                for period in _PERIODS
                for book in (False, True)
                if len(_rows(work.frame, period, book=book))
            ],
            "answer": _answer(work, int(merged["patients"])),
            "basis": f"{self._name}: computed from the plan, not simulated. {PLANNED_WORK_MEANS} Minutes of work are "
            f"planning assumptions. {UNREVIEWED_LINE}",
        }


def _rows(frame: pd.DataFrame, period: str, *, book: bool) -> pd.DataFrame:
    of_book = frame["queue"].str.endswith(_BOOK)
    return frame[(frame["period"] == period) & (of_book if book else ~of_book)]


def _panel(frame: pd.DataFrame, period: str, *, book: bool) -> dict[str, Any]:
    rows = _rows(frame, period, book=book)
    what = "visits ÷ places in the appointment book" if book else "planned work ÷ hours on duty"
    return {
        "kind": "bars",
        "label": f"{what}, {period} (%)",
        "names": [name_text(name.removesuffix(_BOOK)) for name in rows["queue"]],
        "values": [round(100.0 * share, 1) for share in rows["share"]],
        "texts": [
            f"{row['share']:.0%}: {row['planned_h']:,.0f} of {row['on_duty_h']:,.0f} h"
            for row in rows.to_dict("records")
        ],
        "limit": 100.0,
        "limit_label": "100 %",
    }


def _answer(work: PlannedWork, patients: int) -> str:
    """Whether the team has the hours, and which queue is the first without them."""
    lasting = work.frame[work.frame["period"] == _PERIODS[0]]
    tightest = lasting.iloc[0]
    over = lasting[lasting["share"] > 1.0]
    fte = sum(work.fte.values())
    if over.empty:
        state = "every queue has the hours for its planned work after enrolment"
    else:
        state = f"{len(over)} of {len(lasting)} queues have more planned work than hours after enrolment"
    text = (
        f"{patients:,} patients and {fte:g} full-time equivalents: {state}. "
        f"The fullest queue is {name_text(tightest['queue'])} ({tightest['share']:.0%}), which is full with "
        f"{tightest['most_patients']:,} patients."
    )
    enrolling = work.frame[(work.frame["period"] == _PERIODS[1]) & (work.frame["share"] > 1.0)]
    if len(enrolling):
        text += f" While the panel enrols, {len(enrolling)} queues have more work than hours: some of it is late."
    return text
