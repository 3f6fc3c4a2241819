"""An arm of a published study: a protocol's call and filters of its people. Imports ``scenario``, ``policies``.

A filter keeps part of the people of an arm by what happened to them, as the papers did: ``velocity_gt=30``,
``velocity_le=43``, ``tapered=yes``, ``ended=stopped``, ``benzodiazepine=yes``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from taper_sim.array_types import Bools, Floats
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.evidence.coded_cohorts import Enrolment
from taper_sim.policies import calls
from taper_sim.policies.interface import Policy
from taper_sim.scenario.all_policies import build_policy, files_named
from taper_sim.simulation.layout import CarePlan

FILTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "velocity_gt": (),
    "velocity_le": (),
    "tapered": ("yes", "no"),
    "ended": ("stopped", "continued"),
    "benzodiazepine": ("yes", "no"),
}
"""Filters and their values; none stands for a number, % of the starting dose in 30 days."""
_MOST_VELOCITY: Final = 100.0
TAPERED_AT: Final = 0.85
"""Share of the starting dose below which a person counts as tapered: 15 % down. Source: Agnoli 2021."""

USUAL_VISITS_D, PROGRAMME_VISITS_D, WARD_VISITS_D = 28.0, 7.0, 1.0
"""Days between visits in usual care, in a supported taper and on a ward. Source: assumption A68."""
CHECKINS_D: Final = 1.0
"""Days between check-ins, in every setting: a report changes nothing but a patient's own pace. Source: A68."""


@dataclass(frozen=True)
class CodedArm:
    """An arm as coded.

    Attributes
    ----------
    call : str
        Call of the protocol in normal form, without filters.
    filters : tuple of (str, str or float)
        Filters of its people, in the order given.
    """

    call: str
    filters: tuple[tuple[str, str | float], ...]

    @property
    def text(self) -> str:
        """Call and filters."""
        return " + ".join([self.call, *(f"{key}={calls.written(value)}" for key, value in self.filters)])

    def policy(self) -> Policy:
        """Build a new policy of this arm."""
        return build_policy(self.call, file="arm", place=self.call, folder=Path())


def read_arm(text: str, *, file: str, place: str) -> CodedArm:
    """Read an arm; raises InputError for an unknown call, argument or filter, with every problem."""
    tree = calls.parse(text, file=file, place=place)
    filters = [part for part in tree.plus if isinstance(part, calls.Filter)]
    call = replace(tree, plus=tuple(part for part in tree.plus if not isinstance(part, calls.Filter)))
    problems = [wrong for part in filters for wrong in _wrong_filter(part, file, place)]
    keys = [part.key for part in filters]
    problems += [Problem(file, place, f"{key} twice", "each filter once") for key in set(keys) if keys.count(key) > 1]
    ends = {part.key: part.value for part in filters if isinstance(part.value, int | float)}
    if ends.get("velocity_gt", -1.0) >= ends.get("velocity_le", np.inf):
        given = f"velocity_gt={ends['velocity_gt']:g} with velocity_le={ends['velocity_le']:g}"
        problems.append(Problem(file, place, given, "a range with people in it"))
    try:
        if files_named(call):
            raise problem(file, place, text, "a protocol that names no file")
        build_policy(calls.canonical(call), file=file, place=place, folder=Path())
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError(problems)
    kept = tuple((part.key, part.value if isinstance(part.value, str) else float(part.value)) for part in filters)  # type: ignore[arg-type]
    return CodedArm(calls.canonical(call), kept)


def _wrong_filter(part: calls.Filter, file: str, place: str) -> list[Problem]:
    given = f"{part.key}={calls.written(part.value)}"
    if part.key not in FILTERS:
        return [Problem(file, place, shown(given) + nearest(part.key, FILTERS), f"a filter of {', '.join(FILTERS)}")]
    allowed = FILTERS[part.key]
    if not allowed:
        number = isinstance(part.value, int | float) and 0 <= part.value <= _MOST_VELOCITY
        return [] if number else [Problem(file, place, shown(given), "% of the starting dose in 30 days, 0 to 100")]
    return [] if part.value in allowed else [Problem(file, place, shown(given), " or ".join(allowed))]


@dataclass(frozen=True)
class Course:
    """What happened to n people up to a day, for the filters.

    Attributes
    ----------
    velocity : ndarray, (n,)
        Fastest month, % of the starting dose in 30 days.
    lowest : ndarray, (n,)
        Lowest prescribed dose, share of the starting dose.
    dose_end : ndarray, (n,)
        Prescribed dose on the day, equivalents a day; NaN for the dead.
    benzodiazepine : ndarray of bool, (n,)
        Whether they took a benzodiazepine on day 0.
    """

    velocity: Floats
    lowest: Floats
    dose_end: Floats
    benzodiazepine: Bools


def kept_by(filters: tuple[tuple[str, str | float], ...], course: Course) -> Bools:
    """The people whom every filter keeps, (n,)."""
    kept = np.ones(len(course.velocity), dtype=bool)
    for key, value in filters:
        if key == "velocity_gt":
            kept &= course.velocity > float(value)
        elif key == "velocity_le":
            kept &= course.velocity <= float(value)
        elif key == "tapered":
            kept &= (course.lowest <= TAPERED_AT) == (value == "yes")
        elif key == "ended":
            kept &= course.dose_end == 0.0 if value == "stopped" else course.dose_end > 0.0
        else:
            kept &= course.benzodiazepine == (value == "yes")
    return kept


# -- care --------------------------------------------------------------------------------------------------------------

WARD, OPEN_LABEL, PROGRAMME, USUAL_CARE = "ward", "open_label", "programme", "usual_care"
INPATIENT_PROGRAMME = "inpatient_programme"


def setting_of(policy: Policy, enrolment: Enrolment) -> str:
    """Setting of an arm: a protocol that supports is a programme; inpatients are on a ward; else usual care."""
    if policy.setting == PROGRAMME:
        return INPATIENT_PROGRAMME if enrolment.inpatient else PROGRAMME
    if enrolment.open_label:
        return OPEN_LABEL
    return WARD if enrolment.inpatient else USUAL_CARE


def care_of(policy: Policy, enrolment: Enrolment) -> CarePlan:
    """Planned care of an arm.

    Only ``supported(…)`` adds care: the starting values of people already hold usual care (assumption A68). The
    setting decides how often people leave.
    """
    setting = setting_of(policy, enrolment)
    if policy.setting == PROGRAMME:
        every_d = WARD_VISITS_D if enrolment.inpatient else PROGRAMME_VISITS_D
        return CarePlan(dict(policy.planned_care or {}), every_d, CHECKINS_D, policy.modality, setting)
    if setting in (WARD, OPEN_LABEL):
        return CarePlan({}, WARD_VISITS_D, CHECKINS_D, policy.modality, setting)
    return CarePlan({}, USUAL_VISITS_D, CHECKINS_D, policy.modality, setting)
