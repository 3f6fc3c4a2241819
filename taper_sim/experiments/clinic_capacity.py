"""Stated capacity against simulation: where lateness passes its target. Imports ``clinic``, ``scenario``, ``studies``.

``python -m taper_sim.experiments.clinic_capacity --out docs/tables/capacity.csv`` resumes an interrupted study. A
clinic has plenty of everything but one resource. Panels around the stated number are simulated; the panel at which a
tenth of the visits that need the resource is late (A46) is found between them. A seed has its own patients, stated
number and random numbers.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Bools
from taper_sim.clinic import alarms, appointments, calendars, coupling, demand, event_log, lateness, queue, work
from taper_sim.clinic.appointments import BookingRule
from taper_sim.clinic.calendars import DAY_MIN, OpeningHours
from taper_sim.clinic.coupling import Setting, serve
from taper_sim.clinic.staffing import book
from taper_sim.clinic.staffing.book import LATE_SHARE, BookLoad, book_loads, book_waves, rehearsed
from taper_sim.clinic.team import Team, Worker
from taper_sim.policies.catalogue import build_policy
from taper_sim.provenance import hash_of
from taper_sim.scenario.building import build_cohort, care_plan
from taper_sim.scenario.clinic_schema import ShiftEntry, StaffEntry
from taper_sim.scenario.schema import CareEntry, CohortEntry
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.ensemble import from_prior
from taper_sim.simulation.layout import CarePlan
from taper_sim.studies.resumable import StudyPiece, run_study

SHARES: Final = (0.9, 1.0, 1.1)
"""Panels of the study, as shares of the stated number."""
SEEDS: Final = 3
"""Seeds of the study, from the first one up."""
STUDY_COLUMNS: Final = ["scarce", "phase", "share", "seed", "stated", "enrolled", "panel", "visits", "late"]


def _care(every_d: int, *disciplines: str) -> CarePlan:
    return care_plan(CareEntry(visit_every_d=every_d, disciplines=dict.fromkeys(disciplines, 1.0)))


STUDY_CARE: Final = _care(28, "prescriber", "pharmacist", "pt", "psychologist", "nurse")
"""Planned care of a clinic: a visit of each discipline every four weeks."""
_WORKDAYS: Final = OpeningHours(frozenset(range(5)))
_LONG_DAY: Final = ShiftEntry(days="mon-thu", start="08:00", end="18:30")


@dataclass(frozen=True)
class Phase:
    """Days of a run, days of enrolment, and the first and last day whose planned visits count."""

    n_days: int
    enrol_over_d: int
    first: int
    last: int


PHASES: Final = {"enrolling": Phase(70, 56, 1, 56), "steady state": Phase(154, 28, 85, 140)}
"""The second has no first visits, and is steady after four weeks; its fourth and fifth visits count."""


@dataclass(frozen=True)
class Scarce:
    """A clinic in which one resource is scarce: its people and rules, and the load and the visits that depend on it."""

    team: Team
    queue: str
    state: str | None = None
    shares: tuple[tuple[str, float], ...] = (("language_match", 1.0),)
    states: tuple[tuple[str, float], ...] = ()
    care: CarePlan = STUDY_CARE
    opening: OpeningHours = _WORKDAYS
    booking: tuple[tuple[str, BookingRule], ...] = ()

    def visits(self, events: pd.DataFrame, cohort: Cohort) -> Bools:
        """The booked visits that need the resource, (n,)."""
        booked = events["work"].isin(["visit", "initial_assessment"])
        if self.queue == appointments.INTERPRETER:
            foreign = {name for name, same in zip(cohort.ids, cohort.flags["language_match"], strict=True) if not same}
            return np.asarray(booked & events["patient_id"].isin(foreign))
        return np.asarray(booked & (events["role"] == self.queue) & (events["licence"] == (self.state or "")))


def _staff(role: str, people: int, **more: Any) -> list[Worker]:
    return StaffEntry(role=role, people=people, **more).workers(1)


def _numbered(*groups: list[Worker]) -> list[Worker]:
    """The workers of some groups under names of their own."""
    workers = (worker for group in groups for worker in group)
    return [replace(worker, name=f"{worker.role.name} {k + 1}") for k, worker in enumerate(workers)]


def _ample(*besides: str) -> list[Worker]:
    roles = ("physician", "pharmacist", "pt", "psychologist", "nurse", "social_worker", "peer")
    weekend = {"shifts": (ShiftEntry(days="sat-sun"),)}
    return [
        *(worker for role in roles if role not in besides for worker in _staff(role, 12)),
        *(replace(worker, name="nurse of the weekend") for worker in _staff("nurse", 1, **weekend)),
    ]


def scarce_clinics() -> dict[str, Scarce]:
    """The clinics of the study by the name of what they lack."""
    foreign = (("language_match", 0.6),)
    here = _staff("physician", 12, licences=("CA",))
    part_time = _numbered(
        _staff("psychologist", 2, shifts=(ShiftEntry(days="mon-wed", start="08:00", end="12:30"),)),
        _staff("psychologist", 1, shifts=(ShiftEntry(days="tue-thu", start="13:00", end="18:00"),)),
        _staff("psychologist", 1, shifts=(ShiftEntry(days="fri"),)),
    )
    there = [replace(worker, name=f"{worker.name} of NV") for worker in _staff("physician", 2, licences=("NV",))]
    return {
        "psychologists": Scarce(Team((*_ample("psychologist"), *_staff("psychologist", 2))), "psychologist"),
        "interpreters": Scarce(Team((*_ample(), *_staff("interpreter", 2))), "interpreter", None, foreign),
        "licences": Scarce(
            Team((*_ample("physician"), *here, *there)), "prescriber", "NV", states=(("CA", 0.2), ("NV", 0.8))
        ),
        "part-time psychologists": Scarce(
            Team((*_ample("psychologist"), *part_time)), "psychologist", care=_care(14, "psychologist", "nurse")
        ),
        "pharmacists of four long days": Scarce(
            Team((*_ample("pharmacist"), *_staff("pharmacist", 3, shifts=(_LONG_DAY,)))),
            "pharmacist",
            shares=(("language_match", 0.8),),
            care=_care(21, "prescriber", "pharmacist"),
            opening=OpeningHours(frozenset(range(4)), 480.0, 1140.0),
            booking=(("pharmacist", BookingRule(share=0.6, slot_min=15.0)),),
        ),
        "a single physician": Scarce(
            Team((*_ample("physician"), *_staff("physician", 1))),
            "prescriber",
            shares=(("language_match", 0.7),),
            care=_care(28, "prescriber", "nurse"),
        ),
    }


def setting_of(scarce: Scarce, phase: Phase) -> Setting:
    """The rules of a clinic of the study."""
    return Setting(
        enrol_over_d=phase.enrol_over_d,
        disabled_work=frozenset({"initial_assessment"} if phase.first > 1 else ()),
        states=scarce.states,
        opening=scarce.opening,
        booking=dict(scarce.booking),
    )


def cohort_of(scarce: Scarce, n: int, seed: int) -> Cohort:
    """The patients of a clinic of the study."""
    mix = [{"drug": "morphine", "formulation": "ER", "share": 1.0}]
    entry = CohortEntry.model_validate(
        {
            "patients": n,
            "classes": {"opioid": {"dose_median": 90, "dose_low": 30, "dose_high": 300, "mix": mix}},
            "shares": {"broadband": 0.97, "device": 0.97, "transport": 0.9, **dict(scarce.shares)},
        }
    )
    return build_cohort(entry, seed, Path())


@lru_cache(maxsize=64)
def stated(name: str, phase_name: str, n: int, seed: int) -> tuple[int, BookLoad]:
    """The stated number of patients of a clinic, and the load that it comes from."""
    scarce, phase = scarce_clinics()[name], PHASES[phase_name]
    cohort, setting = cohort_of(scarce, n, seed), setting_of(scarce, phase)
    loads: list[BookLoad] = book_loads(cohort, scarce.care, setting, scarce.team)
    if phase_name == "enrolling":
        loads = [*book_waves(cohort, scarce.care, setting, scarce.team, phase.n_days)]
    loads = rehearsed(loads, scarce.team)
    load = next(load for load in loads if (load.queue, load.state) == (scarce.queue, scarce.state))
    return int(n / load.share), load


def panel_late(name: str, phase_name: str, n: int, seed: int) -> tuple[float, int, float]:
    """Simulate a panel: mean number of patients in care in the days that count, visits of these days, share late."""
    scarce, phase = scarce_clinics()[name], PHASES[phase_name]
    cohort, setting = cohort_of(scarce, n, seed), setting_of(scarce, phase)
    served = serve(
        cohort,
        lambda: build_policy("constant()", file="study"),
        from_prior(1, 1),
        seed,
        phase.n_days,
        scarce.care,
        scarce.team,
        setting,
    )
    events, end = served.events, phase.n_days * DAY_MIN
    due = events["due"].to_numpy() // DAY_MIN + 1
    counted = lateness.judged(events, end) & (due >= phase.first) & (due <= phase.last)
    late = lateness.late(events, end)[counted & scarce.visits(events, cohort)]
    people = float(n)
    if phase.first > 1:  # a patient in care has one visit of a discipline that is not scarce in each interval
        ample = next(name for name, share in scarce.care.planned.items() if share > 0 and name != scarce.queue)
        visits = (events["work"] == "visit") & (events["role"] == ample)
        people = float((counted & visits).sum()) * scarce.care.visit_every_d / (phase.last - phase.first + 1)
    return people, len(late), float(late.mean()) if len(late) else np.nan


def _pieces(_n: int) -> Iterator[StudyPiece]:
    for name in scarce_clinics():
        for phase in PHASES:
            for share in SHARES:
                for seed in range(SEEDS):
                    yield name, phase, share, seed


def _rows(piece: StudyPiece, n: int, seed: int) -> Iterable[Any]:
    name, phase, share, of = piece
    number, _ = stated(name, phase, n, seed + of)
    enrolled = round(share * number)
    people, visits, late = panel_late(name, phase, enrolled, seed + of)
    yield (*piece, number, enrolled, people, visits, late)


def passes_at(panels: Iterable[float], late: Iterable[float]) -> float:
    """The panel at which the share of late visits passes the target, between the panels of a study; NaN without."""
    x, y = (np.array(list(values)) for values in (panels, late))
    above = np.flatnonzero(y > LATE_SHARE)
    if len(above) == 0 or above[0] == 0:
        return float("nan")
    k = int(above[0])
    return float(np.interp(LATE_SHARE, y[k - 1 : k + 1], x[k - 1 : k + 1]))


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a clinic, phase and seed: stated panel, panel at which lateness passes the target, late shares."""
    table = []
    for (name, phase, _), run in rows.sort_values("share").groupby(["scarce", "phase", "seed"], sort=False):
        number, at = int(run["stated"].iloc[0]), passes_at(run["panel"], run["late"])
        row = {"scarce": name, "phase": phase, "seed": int(run["seed"].iloc[0]) + 1, "stated": number}
        row |= {"simulated": round(at, 1), "ratio": round(number / at, 3)}
        late = run.set_index("share")["late"]
        table.append(row | {f"late_at_{round(100 * share)}": round(float(late[share]), 4) for share in SHARES})
    return pd.DataFrame(table).assign(code=code_hash())


def code_hash() -> str:
    """Hash of the code on which the rows depend."""
    clinic = (alarms, appointments, book, calendars, coupling, demand, event_log, lateness, queue, work)
    return hash_of(*clinic, sys.modules[__name__])


if __name__ == "__main__":
    run_study(str(__doc__), "run-capacity", 400, STUDY_COLUMNS, _pieces, _rows, summary, code_hash())
