"""Studies of a whole table: shared simulations in parts, then a row of the answer each. Imports ``evidence``.

Rows of one cohort share their people, and rows of one arm share its simulation, whatever their outcome and day.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Ints
from taper_sim.data.problems import InputError
from taper_sim.evidence.coded_arms import CodedArm, care_of
from taper_sim.evidence.coded_cohorts import CodedCohort, Enrolment
from taper_sim.evidence.coded_results import EvidenceRow, EvidenceTable, PublishedResult
from taper_sim.evidence.coded_words import OUTCOME_KINDS
from taper_sim.evidence.predictive_interval import STUDY_ERROR, by_draw, few_events, predicted, relative_unit
from taper_sim.evidence.study_measures import Measured, Reading, simulate_readings
from taper_sim.evidence.study_people import study_people
from taper_sim.run_folder import Parts
from taper_sim.scenario.building import without_rule
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.dispensing import known_of
from taper_sim.simulation.ensemble import Ensemble, draw_of

PEOPLE_AT_ONCE: Final = 4096
"""People of a job. As in a comparison: some 30 MB of arrays."""
PEOPLE_A_DRAW: Final = 400
"""People of each draw for results that are not on events. A design choice: their Monte Carlo error is then a fifth of
the published one at most (docs/validation.md)."""
EVENT_FACTOR: Final = 4
"""Times as many people for results on events, which are rare. A design choice."""
COLUMNS: Final = (
    "id",
    "study",
    "statistic",
    "outcome",
    "published",
    "published_lo",
    "published_hi",
    "simulated",
    "simulated_lo",
    "simulated_hi",
    "inside",
    "status",
    "width_from",
    "model_lo",
    "model_hi",
    "width_ratio",
    "mc_se",
    "noise_share",
    "n_people",
    "n_draws",
    "calibrated",
    "day",
    "followup_days",
    "arm",
    "reference_arm",
    "cohort",
    "coded_confidence",
    "new_study_lo",
    "new_study_hi",
    "inside_new_study",
)
SIMULATED: Final = "simulated"


@dataclass(frozen=True)
class _People:
    """Which people a study has: their coding, and how many of each draw."""

    cohort: CodedCohort
    enrolment: Enrolment


@dataclass
class _Simulation:
    """One arm on one cohort, with the readings of every row that uses it."""

    people: _People
    call: str
    readings: dict[Reading, None] = field(default_factory=dict)

    @property
    def n_days(self) -> int:
        """Last day of the readings."""
        return max(reading.day for reading in self.readings)


@dataclass
class StudyPlan:
    """Everything that the numbers of a validation depend on.

    Attributes
    ----------
    table : EvidenceTable
    ensemble : Ensemble
    seed : int
    people_a_draw : int
        People of each draw, for results that are not on events.
    """

    table: EvidenceTable
    ensemble: Ensemble
    seed: int
    people_a_draw: int = PEOPLE_A_DRAW
    _cohorts: dict[_People, Cohort] = field(default_factory=dict, repr=False)

    @cached_property
    def refused(self) -> dict[int, str]:
        """Rows whose study cannot be simulated, by their number from 0, with the reason."""
        reasons: dict[int, str] = {}
        tried: dict[tuple[_People, str], str] = {}
        for number, result in self.results():
            for arm in _arms(result):
                key = self.people_of(result), arm.call
                if key not in tried:
                    tried[key] = self._refusal(key[0], arm)
                if tried[key]:
                    reasons.setdefault(number, tried[key])
        return reasons

    def _refusal(self, people: _People, arm: CodedArm) -> str:
        """Why an arm cannot be simulated on some people; empty if it can."""
        try:
            some = study_people(people.cohort, people.enrolment, 8, 4, self.seed)
            policy = arm.policy()
            studied = ("buprenorphine",) if people.cohort.on_buprenorphine else ()
            problems = without_rule(some, policy, "arm", arm.call, studied=studied)
            policy.start(known_of(some, self.seed))
        except InputError as error:
            problems = error.problems
        return "; ".join(f"given {problem.given}; allowed: {problem.allowed}" for problem in problems)

    def results(self) -> Iterator[tuple[int, PublishedResult]]:
        """Rows to simulate, with their number from 0."""
        for number, row in enumerate(self.table.rows):
            if row.result is not None:
                yield number, row.result

    @staticmethod
    def people_of(result: PublishedResult) -> _People:
        """Which people a result is on; results on the same people share them."""
        return _People(result.cohort, result.enrolment)

    @cached_property
    def simulations(self) -> list[_Simulation]:
        """Every arm on every cohort once."""
        listed: dict[tuple[_People, str], _Simulation] = {}
        for number, result in self.results():
            if number in self.refused:
                continue
            for arm in _arms(result):
                key = self.people_of(result), arm.call
                simulation = listed.setdefault(key, _Simulation(*key))
                simulation.readings[_reading(result, arm)] = None
        order = {people: k for k, people in enumerate(dict.fromkeys(people for people, _ in listed))}
        return sorted(listed.values(), key=lambda simulation: order[simulation.people])

    @cached_property
    def _sizes(self) -> dict[_People, int]:
        """People of each draw, by cohort: more where a result is on events."""
        sizes: dict[_People, int] = {}
        for number, result in self.results():
            if number not in self.refused:
                people = self.people_of(result)
                sizes[people] = max(sizes.get(people, 0), self.people_for(result))
        return sizes

    def people_for(self, result: PublishedResult) -> int:
        """People of each draw that a result needs."""
        return self.people_a_draw * (EVENT_FACTOR if OUTCOME_KINDS[result.outcome] == "event" else 1)

    def cohort_of(self, people: _People) -> Cohort:
        """The people of a study. Only those asked for last stay in memory, so ask cohort by cohort."""
        if people not in self._cohorts:
            self._cohorts.clear()
            size = self._sizes[people]
            self._cohorts[people] = study_people(
                people.cohort, people.enrolment, size, self.ensemble.n_draws, self.seed
            )
        return self._cohorts[people]

    @property
    def patient_days(self) -> int:
        """Patient-days of all simulations together."""
        return sum(
            self._sizes[simulation.people] * self.ensemble.n_draws * simulation.n_days
            for simulation in self.simulations
        )

    @property
    def most_people(self) -> int:
        """People of the largest cohort."""
        return max(self._sizes.values(), default=0) * self.ensemble.n_draws

    def chunks(self, people: _People) -> list[Ints]:
        """Places of the people of each job, those of one draw together."""
        draw = draw_of(self.cohort_of(people).keys, self.ensemble.n_draws)
        order = np.argsort(draw, kind="stable")
        return [order[start : start + PEOPLE_AT_ONCE] for start in range(0, len(order), PEOPLE_AT_ONCE)]


def _arms(result: PublishedResult) -> list[CodedArm]:
    return [result.arm] if result.reference is None else [result.arm, result.reference]


def _reading(result: PublishedResult, arm: CodedArm) -> Reading:
    return Reading.of(
        result.outcome, result.statistic.family, result.day, result.followup_days, result.enrolment, arm.filters
    )


# -- the simulations ---------------------------------------------------------------------------------------------------


def part_of(simulation: int, chunk: int) -> str:
    """Name of the finished part of a simulation and a chunk."""
    return f"study{simulation:03d}-chunk{chunk:04d}.npz"


def run_studies(plan: StudyPlan, parts: Parts, tick: Callable[[int], None], workers: int) -> None:
    """Run the simulations that are not finished yet, in threads of this process."""

    def work(number: int, chunk: int, people: Cohort, places: Ints) -> None:
        simulation = plan.simulations[number]
        arm = CodedArm(simulation.call, ())
        policy = arm.policy()
        care = care_of(policy, simulation.people.enrolment)
        readings = list(simulation.readings)
        taken = simulate_readings(people, policy, plan.ensemble, plan.seed, care, readings, tick)
        arrays: dict[str, Any] = {"place": places}
        for k, reading in enumerate(taken):
            arrays |= {f"top{k}": reading.top, f"base{k}": reading.base}
        parts.keep_arrays(part_of(number, chunk), arrays)

    for number, simulation in enumerate(plan.simulations):
        cohort = plan.cohort_of(simulation.people)
        waiting: list[tuple[int, int, Cohort, Ints]] = []
        for chunk, places in enumerate(plan.chunks(simulation.people)):
            if parts.is_finished(part_of(number, chunk)):
                tick(len(places) * simulation.n_days)
            else:
                waiting.append((number, chunk, cohort.take(places), places))
        with ThreadPoolExecutor(workers) as pool:
            jobs = [pool.submit(work, *job) for job in waiting]
            try:
                for done in as_completed(jobs):
                    done.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _measured(plan: StudyPlan, parts: Parts, number: int) -> dict[Reading, Measured]:
    """The readings of a simulation, people in the cohort's order."""
    simulation = plan.simulations[number]
    n = len(plan.cohort_of(simulation.people))
    whole: dict[str, Any] = {}
    for chunk, places in enumerate(plan.chunks(simulation.people)):
        name = part_of(number, chunk)
        part = parts.needed(name, parts.arrays(name))
        if not np.array_equal(part["place"], places):
            raise AssertionError(f"{name} holds other people than the plan")
        for key, values in part.items():
            if key != "place":
                whole.setdefault(key, np.empty((n, *values.shape[1:])))[places] = values
    return {reading: Measured(whole[f"top{k}"], whole[f"base{k}"]) for k, reading in enumerate(simulation.readings)}


# -- the answer --------------------------------------------------------------------------------------------------------


def validation_table(plan: StudyPlan, parts: Parts) -> pd.DataFrame:
    """A row for each row of the table, in its order: published, simulated, inside or not, or why not simulated."""
    of_call = {(s.people, s.call): number for number, s in enumerate(plan.simulations)}
    rows: dict[int, dict[str, Any]] = {}
    by_people: dict[_People, list[tuple[int, PublishedResult]]] = {}
    for number, row in enumerate(plan.table.rows):
        if row.result is None or number in plan.refused:
            reason = row.reason or plan.refused[number]
            rows[number] = _row(row, f"not simulated: {reason}")
        else:
            by_people.setdefault(plan.people_of(row.result), []).append((number, row.result))
    for people, results in by_people.items():  # the readings of one cohort at a time are in memory
        draw = draw_of(plan.cohort_of(people).keys, plan.ensemble.n_draws)
        kept: dict[int, dict[Reading, Measured]] = {}
        for number, result in results:
            sides = []
            for arm in _arms(result):
                simulation = of_call[(people, arm.call)]
                if simulation not in kept:
                    kept[simulation] = _measured(plan, parts, simulation)
                sides.append(kept[simulation][_reading(result, arm)])
            rows[number] = _simulated(plan, plan.table.rows[number], result, sides, draw)
    return pd.DataFrame([rows[number] for number in range(len(plan.table.rows))], columns=list(COLUMNS))


def _simulated(
    plan: StudyPlan, row: EvidenceRow, result: PublishedResult, sides: Sequence[Measured], draw: Ints
) -> dict[str, Any]:
    """One row of the answer for a simulated study."""
    reference = sides[1] if len(sides) > 1 else None
    counted = [int((side.base.reshape(len(side.base), -1) > 0).any(axis=1).sum()) for side in sides]
    if min(counted) == 0:
        return _row(row, "not simulated: nobody is left in an arm after its filters and losses")
    name, n_draws = result.statistic.name, plan.ensemble.n_draws
    if few_events(name, sides, n_draws):
        draw, n_draws = np.zeros_like(draw), 1
    estimates = by_draw(name, sides[0], reference, draw, n_draws)
    prediction = predicted(estimates, result.se)
    error = STUDY_ERROR * relative_unit(result.compared, result.se, estimates.scale)
    as_new = predicted(estimates, result.se, error)
    if prediction is None or as_new is None:
        return _row(row, "not simulated: fewer than half of the draws give an estimate; take more people")
    return _row(row, SIMULATED) | {
        "simulated": prediction.value,
        "simulated_lo": prediction.lo95,
        "simulated_hi": prediction.hi95,
        "inside": "yes" if prediction.holds(result.compared) else "no",
        "model_lo": prediction.model_lo95,
        "model_hi": prediction.model_hi95,
        "width_ratio": prediction.width,
        "mc_se": prediction.mc_se,
        "noise_share": prediction.noise_share,
        "n_people": min(counted),
        "n_draws": prediction.n_draws,
        "calibrated": "yes" if plan.ensemble.calibrated else "no",
        "new_study_lo": as_new.lo95,
        "new_study_hi": as_new.hi95,
        "inside_new_study": "yes" if as_new.holds(result.compared) else "no",
    }


def _row(row: EvidenceRow, status: str) -> dict[str, Any]:
    """Published part of a row of the answer, and its status."""
    result, cells = row.result, row.cells
    published: Mapping[str, Any] = (
        {
            "published": result.value,
            "published_lo": result.lo95,
            "published_hi": result.hi95,
            "day": result.day,
            "followup_days": result.followup_days,
        }
        if result is not None
        else {"published": _number(cells.get("value", ""))}
    )
    texts = ("id", "study", "statistic", "outcome", "width_from", "arm", "reference_arm", "cohort", "coded_confidence")
    return {name: cells.get(name, "") for name in texts} | {"inside": "", "status": status} | dict(published)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
