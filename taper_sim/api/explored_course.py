"""A small cohort, simulated again whenever a control changes. Imports ``api.cohorts``, ``scenario``, ``comparison``.

The explorer (``api.explorer``) sends the values of its controls and draws what :class:`ExploredCohort` returns. Cohort,
draws, the kernel's arrays and the course under the constant dose are kept until the people or their care change, so a
new pace costs one simulation.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final

import numpy as np

from taper_sim.api.cohorts import people
from taper_sim.api.display import basis_line
from taper_sim.array_types import Floats
from taper_sim.comparison.jobs import SNAPSHOT_EVERY_D
from taper_sim.comparison.outcome_window import OutcomeWindow
from taper_sim.comparison.outcomes import OUTCOMES
from taper_sim.comparison.statistics import tail_terms
from taper_sim.data.problems import InputError, Problem, problem
from taper_sim.policies.interface import Policy
from taper_sim.scenario.all_policies import build_policy
from taper_sim.scenario.building import care_plan
from taper_sim.scenario.schema import CareEntry
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.days import TRACKED, Trajectory, run
from taper_sim.simulation.ensemble import Ensemble, drawn_from
from taper_sim.simulation.layout import Arrays, CarePlan, arrays_of
from taper_sim.units import DEFAULT_SEED, DRAWS_FROM, MONTH_D

_FILE: Final = "explorer"
_N_DRAWS: Final = 20  # parameter draws among which the people are shared
_N_LINES: Final = 40  # people whose courses are drawn
_DAYS_OVER: Final = 7.0  # days over the withdrawal limit that the answer counts, a week

MOST_PACE_PCT: Final = 40.0  # of the starting dose in 28 days: 10 % a week, the fastest pace of the guidance table
MOST_FLOOR_PCT: Final = 80.0
INTERVALS_D: Final = (7, 14, 28)

#: Drugs of the explorer with the dose at the start and its range, mg a day.
EXPLORED_DRUGS: Final[Mapping[str, tuple[float, float, float]]] = {
    "oxycodone ER": (120.0, 20.0, 200.0),
    "morphine ER": (90.0, 30.0, 300.0),
    "hydrocodone-acetaminophen IR": (60.0, 10.0, 60.0),
    "diazepam IR": (20.0, 2.0, 60.0),
    "pregabalin IR capsule": (300.0, 75.0, 600.0),
}
#: Groups of people by their names in the explorer, as arguments of ``taper_sim.people``.
EXPLORED_PEOPLE: Final[Mapping[str, Mapping[str, Any]]] = {
    "as in the registry": {},
    "all with PTSD": {"ptsd": True},
    "all with a mood disorder": {"mood_disorder": True},
    "all with an earlier overdose": {"earlier_overdose": True},
    "all with two failed tapers": {"failed_tapers": 2},
}
#: Planned care by its name in the explorer.
EXPLORED_CARE: Final[Mapping[str, CareEntry]] = {
    "prescriber every 4 weeks": CareEntry(),
    "whole team every week": CareEntry(
        disciplines={"prescriber": 1, "pharmacist": 1, "pt": 1, "psychologist": 1, "nurse": 1}, visit_every_d=7
    ),
}
#: Quantities of the picture: name, label with its unit, digits after the point, ends of the axis. An upper end of 0 is
#: chosen from the values.
EXPLORED_QUANTITIES: Final = (
    ("dose", "prescribed dose (% of start)", 1, (0, 100)),
    ("withdrawal", "withdrawal (0-1)", 4, (0, 0)),
    ("pain", "pain (NRS, 0-10)", 2, (0, 10)),
    ("function", "function (0-100, high is good)", 1, (0, 100)),
)
_OUTCOMES: Final = {
    outcome.name: outcome
    for outcome in OUTCOMES
    if outcome.name in ("withdrawal_peak", "days_over_limit", "pain_nrs_change", "function_change", "dropout")
}


@dataclass(frozen=True)
class Controls:
    """Values of the explorer's controls.

    Attributes
    ----------
    pace_pct : float
        Reduction in 28 days, % of the starting dose; 0 holds the dose.
    every_d : int
        Days between two steps.
    floor_pct : float
        Lowest dose, % of the starting dose.
    drug : str
        Of :data:`EXPLORED_DRUGS`.
    mg_per_day : float
    who : str
        Of :data:`EXPLORED_PEOPLE`.
    care : str
        Of :data:`EXPLORED_CARE`.
    """

    pace_pct: float = 10.0
    every_d: int = 28
    floor_pct: float = 0.0
    drug: str = "oxycodone ER"
    mg_per_day: float = 120.0
    who: str = "as in the registry"
    care: str = "prescriber every 4 weeks"

    @property
    def call(self) -> str:
        """The protocol as a call."""
        if self.pace_pct == 0:
            return "constant()"
        pct = self.pace_pct * self.every_d / MONTH_D
        return f"linear(pct={pct:g}, every={self.every_d:d}, floor_pct={self.floor_pct:g})"

    @property
    def words(self) -> str:
        """The protocol in words."""
        if self.pace_pct == 0:
            return "No reduction"
        end = f"down to {self.floor_pct:g} % of it" if self.floor_pct else "down to 0"
        return f"{self.pace_pct:g} % of the starting dose in 28 days, a step every {self.every_d} days, {end}"


def form_of(controls: Controls) -> list[dict[str, Any]]:
    """The explorer's inputs for the protocol, the people and their care, as the page builds them."""
    least, most = EXPLORED_DRUGS[controls.drug][1:]
    share = {"kind": "range", "unit": "%", "min": 0}
    return [
        share
        | {"name": "pace_pct", "label": "Pace, % of the starting dose in 28 days", "max": MOST_PACE_PCT, "step": 1},
        share | {"name": "floor_pct", "label": "Lowest dose, % of the starting dose", "max": MOST_FLOOR_PCT, "step": 5},
        {"kind": "select", "name": "every_d", "label": "Days between steps", "options": list(INTERVALS_D)},
        {"kind": "select", "name": "drug", "label": "Drug", "options": list(EXPLORED_DRUGS)},
        {"kind": "number", "name": "mg_per_day", "label": "Dose at the start, mg a day", "min": least, "max": most}
        | {"step": 1},
        {"kind": "select", "name": "who", "label": "People", "options": list(EXPLORED_PEOPLE)},
        {"kind": "select", "name": "care", "label": "Planned care", "options": list(EXPLORED_CARE)},
    ]


def controls_of(values: Mapping[str, Any]) -> Controls:
    """Check the values of controls; raises InputError with every problem.

    Parameters
    ----------
    values : mapping
        By the names of :class:`Controls`; what is missing has its default.
    """
    known = {field.name for field in fields(Controls)}
    problems = [
        Problem(_FILE, str(name), "an unknown control", ", ".join(sorted(known)))
        for name in values
        if name not in known
    ]
    merged = asdict(Controls()) | {name: value for name, value in values.items() if name in known}
    if "drug" in values and "mg_per_day" not in values and values["drug"] in EXPLORED_DRUGS:
        merged["mg_per_day"] = EXPLORED_DRUGS[values["drug"]][0]
    for name, options in (("drug", EXPLORED_DRUGS), ("who", EXPLORED_PEOPLE), ("care", EXPLORED_CARE)):
        if merged[name] not in options:
            problems.append(Problem(_FILE, name, repr(merged[name]), "; ".join(options)))
    if merged["every_d"] not in INTERVALS_D:
        problems.append(Problem(_FILE, "every_d", repr(merged["every_d"]), ", ".join(map(str, INTERVALS_D))))
    ends = {"pace_pct": (0.0, MOST_PACE_PCT), "floor_pct": (0.0, MOST_FLOOR_PCT)}
    if merged["drug"] in EXPLORED_DRUGS:
        ends["mg_per_day"] = EXPLORED_DRUGS[merged["drug"]][1:]
    for name, (low, high) in ends.items():
        value = merged[name]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not low <= value <= high:
            problems.append(Problem(_FILE, name, repr(value), f"{low:g} to {high:g}"))
    if problems:
        raise InputError(problems)
    return Controls(**merged)


@dataclass(frozen=True)
class _Group:
    """People with their care, and their course under the constant dose."""

    cohort: Cohort
    care: CarePlan
    arrays: Arrays
    held: Trajectory


class ExploredCohort:
    """A small cohort under the protocol of the controls, beside the same people on a constant dose.

    Parameters
    ----------
    n : int
        People, 20 to 1,000.
    days : int
        Days to follow, 28 to 728.
    seed : int
    """

    def __init__(self, n: int = 240, days: int = 182, seed: int = DEFAULT_SEED):
        for name, value, low, high in (("n", n, 20, 1000), ("days", days, 28, 728)):
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise problem(_FILE, name, value, f"{low} to {high}")
        self.n, self.days, self.seed = n, days, seed
        self._ensemble: Ensemble = drawn_from(DRAWS_FROM, seed, _N_DRAWS)
        self._group: tuple[Controls, _Group] | None = None

    def _run(self, cohort: Cohort, policy: Policy, care: CarePlan, arrays: Arrays) -> Trajectory:
        every = sorted({*range(SNAPSHOT_EVERY_D, self.days + 1, SNAPSHOT_EVERY_D), self.days})
        return run(cohort, policy, self._ensemble, self.seed, self.days, care, arrays=arrays, snapshot_days=every)

    def _group_of(self, controls: Controls) -> _Group:
        """The people of the controls; those of the last call if only the protocol has changed."""
        key = replace(controls, pace_pct=0.0, every_d=INTERVALS_D[0], floor_pct=0.0)
        if self._group is None or self._group[0] != key:
            group = EXPLORED_PEOPLE[controls.who]
            cohort = people(self.n, drug=key.drug, mg_per_day=key.mg_per_day, seed=self.seed, **group).cohort
            care = care_plan(EXPLORED_CARE[controls.care])
            arrays = arrays_of(cohort, self._ensemble, self.seed, care)
            constant = build_policy("constant()", file=_FILE)
            self._group = key, _Group(cohort, care, arrays, self._run(cohort, constant, care, arrays))
        return self._group[1]

    def course(self, controls: Controls) -> dict[str, Any]:
        """Simulate the cohort under the controls' protocol.

        Returns
        -------
        dict
            Plain values: ``panels``, one for each quantity with its means, bands, the courses of some people and the
            means under the constant dose; ``answer`` in words; ``basis``, what the numbers rest on.
        """
        group = self._group_of(controls)
        policy = build_policy(controls.call, file=_FILE)
        course = self._run(group.cohort, policy, group.care, group.arrays)
        return {
            "panels": [
                {"kind": "courses", "label": label, "ends": list(ends), "days": course.snapshot_days}
                | _bands(_rows(course, name), _rows(group.held, name), digits)
                for name, label, digits, ends in EXPLORED_QUANTITIES
            ],
            "answer": _answer(controls, course, group.held),
            "basis": self._basis(),
        }

    def _basis(self) -> str:
        """What the picture shows, and what its numbers rest on."""
        lines = (
            f"{self.n} simulated people, {self.days} days, {_N_DRAWS} draws of the parameters.",
            "Thick line: their mean. Bands: 25 to 75 % and 10 to 90 % of them.",
            f"Thin grey lines: {min(_N_LINES, self.n)} of them. Dashed: mean of the same people on a constant dose.",
            basis_line(self._ensemble.calibrated),
        )
        return " ".join(lines)


def _rows(course: Trajectory, name: str) -> Floats:
    """A quantity of every person, (n_snapshots, n); the dose is in % of the start."""
    assert course.snapshots is not None  # noqa: S101 - asked for by _run
    names = [*(tracked for tracked, _ in TRACKED), "dose"]
    values = course.snapshots[:, names.index(name)].astype(np.float64)
    return 100.0 * values if name == "dose" else values


def _bands(values: Floats, held: Floats, digits: int) -> dict[str, Any]:
    """Means and bands of the people who live, and the courses of some people, null from a death on."""
    q10, q25, q75, q90 = np.nanquantile(values, [0.10, 0.25, 0.75, 0.90], axis=1)
    lines = {"mean": np.nanmean(values, axis=1), "q10": q10, "q25": q25, "q75": q75, "q90": q90}
    lines["held"] = np.nanmean(held, axis=1)
    courses = np.round(values[:, :_N_LINES].T, digits)
    return {name: np.round(line, digits).tolist() for name, line in lines.items()} | {
        "people": [[None if np.isnan(value) else float(value) for value in course] for course in courses]
    }


def _measured(course: Trajectory) -> dict[str, Floats]:
    window = OutcomeWindow(course, course.n_days, course.n_days)
    return {name: np.asarray(outcome.of(window), dtype=np.float64) for name, outcome in _OUTCOMES.items()}


def _answer(controls: Controls, course: Trajectory, held: Trajectory) -> str:
    """The result in words, each number beside that of the constant dose."""
    own, constant = _measured(course), _measured(held)
    dose = float(np.nanmean(_rows(course, "dose")[-1]))
    peaks = [float(f(values["withdrawal_peak"])) for values in (own, constant) for f in (np.mean, _worst)]
    over = [int((values["days_over_limit"] >= _DAYS_OVER).sum()) for values in (own, constant)]
    pain = [float(np.nanmean(values["pain_nrs_change"])) for values in (own, constant)]
    left = [int(np.nansum(values["dropout"])) for values in (own, constant)]
    n = len(course.cohort)
    return (
        f"{controls.words}: after {course.n_days} days the mean dose is {dose:.0f} % of the start. "
        f"Peak withdrawal (0 to 1) is {peaks[0]:.2f} on average and {peaks[1]:.2f} in the worst 5 % "
        f"(constant dose: {peaks[2]:.2f} and {peaks[3]:.2f}). "
        f"{over[0]} of {n} people spend {_DAYS_OVER:.0f} days or more over the withdrawal limit (constant dose: "
        f"{over[1]}). Pain changes by {pain[0]:+.1f} points (constant dose: {pain[1]:+.1f}). "
        f"{left[0]} people leave the programme (constant dose: {left[1]})."
    )


def _worst(values: Floats) -> float:
    return float(np.mean(tail_terms(values)))
