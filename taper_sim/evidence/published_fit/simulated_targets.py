"""Every target of a table simulated at points of the parameters. Imports ``evidence``, ``simulation``.

A batch has one point for each of :data:`SLOTS` places. The people of a place are the same in every batch, and live with
the same random numbers, so that differences between points are not those of people. Places have different people, so
that a surface fitted to many batches averages over the people of all places.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.evidence import coded_arms, study_measures, study_people, study_statistics
from taper_sim.evidence.coded_arms import CodedArm, care_of
from taper_sim.evidence.coded_results import EvidenceRow, EvidenceTable, PublishedResult
from taper_sim.evidence.coded_words import OUTCOME_KINDS
from taper_sim.evidence.predictive_interval import by_draw, relative_unit, to_scale
from taper_sim.evidence.study_measures import Measured, Reading, simulate_readings
from taper_sim.evidence.study_runs import StudyPlan
from taper_sim.model import day, equations, life, reference_events
from taper_sim.policies import published
from taper_sim.provenance import hash_of
from taper_sim.run_folder.atomic_files import write_atomically
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.ensemble import COLUMN_NAMES, DRAW_COLUMNS, UNCERTAIN, Ensemble, draw_of, from_normals
from taper_sim.units import DRUG_CLASSES

SLOTS: Final = 32
"""Points of a batch. A design choice: a batch is saved whole, and takes about half a minute."""


@dataclass(frozen=True)
class PublishedTarget:
    """A published number to fit.

    Attributes
    ----------
    id, study : str
    value, se : float
        Published number and its standard error, on the statistic's scale.
    unit : float
        What a relative error of 1 is on that scale: 1 for logarithms and log odds, else the size of the number, and not
        less than its standard error.
    """

    id: str
    study: str
    value: float
    se: float
    unit: float


def target_of(row: EvidenceRow, result: PublishedResult) -> PublishedTarget:
    """Read a target from a row that can be simulated."""
    scale = result.statistic.scale
    value = float(to_scale(np.array([result.compared]), scale)[0])
    unit = relative_unit(value, result.se, scale)
    return PublishedTarget(row.cells["id"], row.cells.get("study", "") or row.cells["id"], value, result.se, unit)


@dataclass
class SmallStudies(StudyPlan):
    """The simulations of a table with as many people at a point as a fit needs.

    Attributes
    ----------
    people_for_events : int
        People at a point for results on events, which are rare; ``people_a_draw`` for the others.
    """

    people_for_events: int = 512

    def people_for(self, result: PublishedResult) -> int:
        """People at a point that a result needs."""
        return self.people_for_events if OUTCOME_KINDS[result.outcome] == "event" else self.people_a_draw


@dataclass(frozen=True)
class Simulated:
    """Targets at points.

    Attributes
    ----------
    z : ndarray, (n_points, n_uncertain)
        Whitened values of the uncertain columns (``simulation.ensemble.UNCERTAIN``).
    slot : ndarray of int, (n_points,)
        Place of each point in its batch: points of one place share their people.
    values, variances : ndarray, (n_points, n_targets)
        Estimate on the statistic's scale and its variance by the number of people; NaN where there is none.
    """

    z: Floats
    slot: Ints
    values: Floats
    variances: Floats

    def plus(self, other: "Simulated") -> "Simulated":
        """These points and others."""
        pairs = [(getattr(self, name), getattr(other, name)) for name in ("z", "slot", "values", "variances")]
        return Simulated(*(np.concatenate(pair) for pair in pairs))


class TargetSimulator:
    """Simulates the targets of a table at batches of points.

    Parameters
    ----------
    table : EvidenceTable
    seed : int
    people, people_for_events : int
        People of a study at one point.
    """

    def __init__(self, table: EvidenceTable, seed: int, people: int = 256, people_for_events: int = 512):
        centres = from_normals(np.zeros((SLOTS, len(DRAW_COLUMNS))))
        self.plan = SmallStudies(table, centres, seed, people, people_for_events=people_for_events)
        self._cohorts: list[Cohort] = []
        rows = [(table.rows[number], r) for number, r in self.plan.results() if number not in self.plan.refused]
        self.results = [result for _, result in rows]
        self.targets = [target_of(row, result) for row, result in rows]

    @cached_property
    def hash(self) -> str:
        """Short hash of all that an estimate depends on, besides its point."""
        plan = self.plan
        sizes = [plan.seed, plan.people_a_draw, plan.people_for_events, SLOTS]
        return hash_of(numbers=sizes, also=plan.table.hash + model_hash())

    def simulate(self, z: Floats, folder: Path, log: Callable[[str], None]) -> Simulated:
        """Estimates at points, (n_points, n_uncertain) with whole batches; saved batches are not simulated again."""
        if len(z) % SLOTS:
            raise ValueError(f"{len(z)} points; allowed: whole batches of {SLOTS}")
        folder.mkdir(parents=True, exist_ok=True)
        pieces: list[tuple[Floats, Floats]] = []
        for start in range(0, len(z), SLOTS):
            points = np.ascontiguousarray(z[start : start + SLOTS])
            name = hashlib.sha256(points.tobytes() + self.hash.encode()).hexdigest()[:16]
            path = folder / f"batch-{name}.npz"
            if not path.exists():
                values, variances = self.batch(points)
                _save(path, {"z": points, "values": values, "variances": variances})
                log(f"batch {start // SLOTS + 1} of {len(z) // SLOTS}")
            with np.load(path) as saved:
                pieces.append((saved["values"], saved["variances"]))
        slot = np.arange(len(z)) % SLOTS
        return Simulated(z, slot, np.concatenate([v for v, _ in pieces]), np.concatenate([w for _, w in pieces]))

    def batch(self, z: Floats, tick: Callable[[int], None] | None = None) -> tuple[Floats, Floats]:
        """Estimates at one batch of points, with their variances, (SLOTS, n_targets) each."""
        ensemble = ensemble_at(z)
        if not self._cohorts:
            self._cohorts = [self.plan.cohort_of(simulation.people) for simulation in self.plan.simulations]
        readings: dict[tuple[object, str, Reading], tuple[Measured, Ints]] = {}
        for simulation, cohort in zip(self.plan.simulations, self._cohorts, strict=True):
            policy = CodedArm(simulation.call, ()).policy()
            order = np.argsort(draw_of(cohort.keys, SLOTS), kind="stable")
            people = cohort.take(order)
            care = care_of(policy, simulation.people.enrolment)
            wanted = list(simulation.readings)
            taken = simulate_readings(people, policy, ensemble, self.plan.seed, care, wanted, tick)
            draw = draw_of(people.keys, SLOTS)
            for reading, measured in zip(wanted, taken, strict=True):
                readings[(simulation.people, simulation.call, reading)] = measured, draw
        values, variances = np.empty((2, SLOTS, len(self.results)))
        for k, result in enumerate(self.results):
            sides = [readings[(self.plan.people_of(result), *key)] for key in _keys(result)]
            reference = sides[1][0] if len(sides) > 1 else None
            estimates = by_draw(result.statistic.name, sides[0][0], reference, sides[0][1], SLOTS)
            values[:, k], variances[:, k] = estimates.values, estimates.variances
        return values, variances


def _save(path: Path, arrays: dict[str, Floats]) -> None:
    write_atomically(path, lambda file: np.savez(file, **arrays))  # type: ignore[arg-type]


def _keys(result: PublishedResult) -> list[tuple[str, Reading]]:
    """Call and reading of each arm of a result."""
    arms = [result.arm] if result.reference is None else [result.arm, result.reference]
    family, enrolment = result.statistic.family, result.enrolment
    return [
        (arm.call, Reading.of(result.outcome, family, result.day, result.followup_days, enrolment, arm.filters))
        for arm in arms
    ]


def ensemble_at(z: Floats) -> Ensemble:
    """Draws at whitened values of the uncertain columns, (n, n_uncertain)."""
    whole = np.zeros((len(z), len(DRAW_COLUMNS)))
    whole[:, UNCERTAIN] = z
    return from_normals(whole)


def model_hash() -> str:
    """Short hash of the model, of the studies' code and of the priors; calibrated draws of another model are stale."""
    numbers = [
        (q.centre(DRUG_CLASSES[k] if q.per_class else None), q.between_people(DRUG_CLASSES[k]), q.prior_sd)
        for q, k in DRAW_COLUMNS
    ]
    names = " ".join(f"{name}:{q.scale}" for name, (q, _) in zip(COLUMN_NAMES, DRAW_COLUMNS, strict=True))
    studies = (coded_arms, published, study_measures, study_people, study_statistics)
    parts = (equations, day, life, reference_events, *studies)
    return hash_of(*parts, from_normals, numbers=numbers, also=names)
