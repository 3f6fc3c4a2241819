"""Tune each policy, evaluate it on other people under each true model. Imports ``scenario``, ``comparison``.

``parts`` of the output folder holds every finished simulation: rerun the same command to resume. A folder with a
manifest is finished.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim import tables
from taper_sim.comparison import ladder_statistics as statistics_
from taper_sim.comparison import loss as loss_
from taper_sim.comparison.ladder_statistics import (
    Gap,
    PolicyResult,
    best_knob,
    bootstrap_interval,
    ends_against,
    gap_of,
    hindsight_room,
    losses_of,
    resampled,
)
from taper_sim.comparison.loss import Loss, person_figures
from taper_sim.comparison.preferences import FULL_STOP
from taper_sim.data.problems import InputError, Problem
from taper_sim.data.yaml_input import parse
from taper_sim.experiments.manifest import git_commit, versions_of
from taper_sim.experiments.run_size import rate_of, refuse_large, size_of
from taper_sim.experiments.running import Progress, Report, Running
from taper_sim.experiments.user_policies import recorded_policies, with_policies
from taper_sim.policies import calls
from taper_sim.provenance import hash_of
from taper_sim.run_folder import PLAN_FILE, Parts, PlanRecord, Warn, check_writable, open_run, sha256_of, warn_on_stderr
from taper_sim.scenario.all_policies import build_policy, files_named
from taper_sim.scenario.building import Overrides, build_cohort, care_plan, overridden, read_scenario, scenario_hash
from taper_sim.scenario.schema import LadderEntry, RungEntry, Scenario
from taper_sim.scenario.true_models import TRUE_MODELS
from taper_sim.simulation.days import run
from taper_sim.simulation.ensemble import drawn_from

KIND: Final = "ladder"
Knobs = dict[tuple[str, str], tuple[float | str | None, bool]]
FIGURES: Final = ("exposure", "pain", "function", "distress", "peak", "days_over", "end_share")
_OF_GAP: Final = [field.name for field in fields(Gap) if field.name != "best_other"]  # which is the column rival
_END_COLUMNS: Final = ["truth", "ceiling", "policy", "oracle", "ends", "people"]
_GAP_COLUMNS: Final = ["truth", "ceiling", "policy", "against", "rival", *_OF_GAP, "hindsight_room", "n"]


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation of policies: its folder, tables and manifest."""

    folder: Path
    scenario: Scenario
    ladder: pd.DataFrame
    gap: pd.DataFrame
    manifest: dict[str, Any]


@cache  # the name of every part contains it
def code_hash() -> str:
    """Short hash of the code that the numbers depend on: the personal policy, its loss, the true models."""
    from taper_sim.inference import course, draws, life_today, likelihood, rollout, tracker, true_state, warm_start
    from taper_sim.policies import watched
    from taper_sim.recommend import ahead, choice, learning_ahead, look_ahead, personal_decisions, personal_policy
    from taper_sim.safety import within_ceiling
    from taper_sim.scenario import true_models
    from taper_sim.simulation import misspecification

    of_choice = (choice.rolled_of, choice.loss_of, choice.keeps_limits, choice.choose)
    of_policy = (
        ahead,
        course,
        draws,
        learning_ahead,
        life_today,
        likelihood,
        look_ahead,
        personal_decisions,
        personal_policy,
        rollout,
        tracker,
        true_state,
        warm_start,
        watched,
        within_ceiling,
    )
    return hash_of(statistics_, loss_, *of_choice, *of_policy, true_models, misspecification)


@dataclass(frozen=True)
class _Simulation:
    """One policy on one cohort under one true model."""

    rung: RungEntry
    knob: float | str | None
    ceiling: str
    run_in_d: int
    truth: str
    seed: int
    people: int
    full_stop: float = FULL_STOP

    @property
    def call(self) -> str:
        """The call of the policy."""
        knob = self.knob if isinstance(self.knob, str) else "" if self.knob is None else f"{self.knob:g}"
        call = self.rung.call.replace("{knob}", knob)
        call = call.replace("{full_stop}", f"{self.full_stop:g}")
        if "{run_in}" in call:
            call = call.replace("{run_in}", str(self.run_in_d))
        elif self.run_in_d:
            call = f"{call} + run_in(days={self.run_in_d})"
        if "{ceiling}" in call:
            return call.replace("{ceiling}", self.ceiling)
        return f"{call} + within_ceiling()" if self.ceiling == "on" else call

    @property
    def key(self) -> str:
        """Name of the part."""
        content = f"{self.call}|{self.truth}|{self.seed}|{self.people}|{code_hash()}"
        return hashlib.sha256(content.encode()).hexdigest()[:20]


class _Ladder:
    """Simulates policies on cohorts, or reads the parts of an earlier attempt."""

    def __init__(self, scenario: Scenario, path: Path, parts: Parts, on_progress: Callable[[int], None]):
        self.scenario, self.file, self.base, self.parts = scenario, str(path), path.parent, parts
        self.on_progress = on_progress

    def figures(self, simulation: _Simulation) -> dict[str, np.ndarray]:
        """Figures of each person."""
        name = f"{simulation.key}.npz"
        figures = self.parts.arrays(name)
        if figures is None:
            s, truth = self.scenario, TRUE_MODELS[simulation.truth]
            entry = s.cohort.model_copy(update={"patients": simulation.people})
            cohort = build_cohort(entry, simulation.seed, self.base)
            ensemble = truth.ensemble(
                drawn_from(s.draws_from, simulation.seed, min(s.draws, len(cohort)), s.parameters)
            )
            place = f"ladder.rungs: {simulation.rung.name}"
            policy = build_policy(simulation.call, file=self.file, place=place, folder=self.base)
            course = run(cohort, policy, ensemble, simulation.seed, s.days, care_plan(s.care), world=truth.world)
            by_figure = person_figures(course)
            self.parts.keep_arrays(name, {figure: by_figure[figure] for figure in FIGURES})
            figures = self.parts.needed(name, self.parts.arrays(name))
        self.on_progress(simulation.people * self.scenario.days)
        return figures

    def result(self, simulations: Sequence[_Simulation]) -> PolicyResult:
        """Figures of the people of several cohorts together."""
        parts = [self.figures(simulation) for simulation in simulations]
        seed_of = np.concatenate([np.full(len(part["peak"]), k) for k, part in enumerate(parts)])
        return PolicyResult({name: np.concatenate([part[name] for part in parts]) for name in FIGURES}, seed_of)


def evaluate(
    path: Path,
    change: Overrides,
    folder: Path,
    progress: Progress,
    *,
    report: Report | None = None,
    warn: Warn = warn_on_stderr,
    sure: bool = False,
) -> Evaluation:
    """Compare fixed, adaptive and personalised policies on a scenario, under each true model.

    Parameters
    ----------
    path : Path
        Scenario file; without ``ladder`` the defaults of ``LadderEntry`` apply.
    change : Overrides
        Values that replace the scenario's; ``patients`` is the number for each seed.
    folder : Path
        Output folder; an unfinished run of the same plan is resumed, any other is refused.
    progress : callable
        See :class:`taper_sim.experiments.running.Running`; it counts patient-days.
    report, warn, sure
        See :class:`taper_sim.experiments.running.Running`.
    """
    running = Running(progress=progress, report=report, warn=warn, sure=sure)
    return _run(overridden(read_scenario(path), change), path, folder, running)


def rerun(record: PlanRecord, folder: Path, running: Running) -> Evaluation:
    """Run a recorded plan of an evaluation, or resume it."""
    return _run(parse(str(folder / PLAN_FILE), record.scenario, Scenario), record.path, folder, running)


def entry_of(scenario: Scenario) -> LadderEntry:
    """The scenario's ``ladder``, or the default."""
    return scenario.ladder or LadderEntry()


def calls_of(entry: LadderEntry) -> list[str]:
    """Calls of every policy with each value of its knob."""
    return [_Simulation(rung, knob, "off", 0, "", 0, 1).call for rung in entry.rungs for knob in rung.knobs or (None,)]


def patient_days(scenario: Scenario) -> int:
    """Patient-days of all simulations together."""
    entry = entry_of(scenario)
    people = scenario.cohort.patients or 0
    n_rungs = [max(len(rung.knobs), 1) for rung in entry.rungs]
    tuned = sum(k for k in n_rungs if k > 1) * entry.tuning_people
    total = len(entry.ceilings) * (tuned + len(entry.truths) * len(entry.rungs) * len(entry.seeds) * people)
    return total * scenario.days


def _run(scenario: Scenario, path: Path, folder: Path, running: Running) -> Evaluation:
    began = time.time()
    entry = entry_of(scenario)
    _refuse(scenario, entry, str(path), path.parent)
    people = max(scenario.cohort.patients or 0, entry.tuning_people)
    n_runs = -(-patient_days(scenario) // (people * scenario.days))
    refuse_large(str(path), size_of(rate_of(calls_of(entry)), people, scenario.days, n_runs), sure=running.sure)
    check_writable(folder)
    policies = recorded_policies(calls_of(entry))
    identity = with_policies(plan_hash(scenario, path.parent), policies)
    where = (path.name, str(path.parent.resolve()))
    record = PlanRecord(KIND, identity, *where, scenario.model_dump(mode="json"), policies=policies)
    with open_run(folder, record, running.warn) as kept:
        ladder = _Ladder(scenario, path, kept.parts, running.progress(patient_days(scenario)))
        by_name = _tables(ladder, entry)
        for name, table in by_name.items():
            kept.write_csv(f"{name}.csv", table)
        timings = {"all": round(time.time() - began, 1)}
        manifest = kept.finish(_about(scenario, entry, path) | {"timings_s": timings}, running.report)
    return Evaluation(folder, scenario, by_name["ladder"], by_name["gap"], manifest)


def _tables(ladder: _Ladder, entry: LadderEntry) -> dict[str, pd.DataFrame]:
    """Tables of the run by the names of their files."""
    scenario = ladder.scenario
    loss = Loss(**entry.loss.model_dump(), full_stop=scenario.full_stop_worth)
    people = scenario.cohort.patients or 0
    knobs: Knobs = {
        (rung.name, ceiling): _tuned(ladder, entry, rung, ceiling, loss)
        for ceiling in entry.ceilings
        for rung in entry.rungs
    }
    rows: list[dict[str, Any]] = []
    gaps: list[dict[str, Any]] = []
    ends: list[dict[str, Any]] = []
    for truth in entry.truths:
        for ceiling in entry.ceilings:
            results = {
                rung.name: ladder.result(
                    [
                        _Simulation(
                            rung,
                            knobs[rung.name, ceiling][0],
                            ceiling,
                            entry.run_in_d,
                            truth,
                            seed,
                            people,
                            loss.full_stop,
                        )
                        for seed in entry.seeds
                    ]
                )
                for rung in entry.rungs
            }
            rows += _rows(entry, results, knobs, truth, ceiling, loss, scenario.seed)
            gaps += _gaps(entry, results, truth, ceiling, loss, scenario.seed)
            ends += _ends(entry, results, truth, ceiling)
    code = code_hash()
    tables_ = {
        "ladder": pd.DataFrame(rows),
        "gap": pd.DataFrame(gaps, columns=_GAP_COLUMNS),
        "destinations": pd.DataFrame(ends, columns=_END_COLUMNS),
    }
    calibrated = scenario.draws_from == "published"
    return {name: table.assign(calibrated=calibrated, code=code) for name, table in tables_.items()}


def _refuse(scenario: Scenario, entry: LadderEntry, file: str, base: Path) -> None:
    """Raise InputError with every problem of the scenario, before anything is written."""
    problems: list[Problem] = []
    if scenario.cohort.file is not None or not scenario.cohort.patients:
        problems.append(Problem(file, "cohort", "people of a file", "patients, a new sample for each seed"))
    for number, rung in enumerate(entry.rungs):
        for knob in rung.knobs or (None,):
            for ceiling in entry.ceilings:
                call = _Simulation(rung, knob, ceiling, entry.run_in_d, entry.truths[0], 0, 1).call
                try:
                    build_policy(call, file=file, place=f"ladder.rungs.{number}.call", folder=base)
                except InputError as error:
                    problems += error.problems
    if problems:
        raise InputError(list(dict.fromkeys(problems)))


def plan_hash(scenario: Scenario, base: Path) -> str:
    """Hash of the scenario and of the files that its policies name, without users' policies."""
    digest = hashlib.sha256(scenario_hash(scenario, base).encode())
    for call in calls_of(entry_of(scenario)):
        for name in files_named(calls.parse(call)):
            digest.update(sha256_of(base / name).encode())
    return digest.hexdigest()


def _tuned(
    ladder: _Ladder, entry: LadderEntry, rung: RungEntry, ceiling: str, loss: Loss
) -> tuple[float | str | None, bool]:
    """Best value of a policy's knob under the first true model, and whether it keeps the limit on the share over.

    It is tuned on people of the scenario's seed, on whom no policy is evaluated.
    """
    if len(rung.knobs) < 2:
        return (rung.knobs[0] if rung.knobs else None), True
    truth, seed, people = entry.truths[0], ladder.scenario.seed, entry.tuning_people
    candidates = [
        ladder.result([_Simulation(rung, knob, ceiling, entry.run_in_d, truth, seed, people, loss.full_stop)])
        for knob in rung.knobs
    ]
    number, keeps = best_knob(candidates, loss, entry.withdrawal, entry.share_over_at_most)
    return rung.knobs[number], keeps


def _rows(
    entry: LadderEntry, results: dict[str, PolicyResult], knobs: Knobs, truth: str, ceiling: str, loss: Loss, seed: int
) -> list[dict[str, Any]]:
    """Rows of ladder.csv."""
    rows = []
    for rung in entry.rungs:
        result = results[rung.name]
        places = resampled(result.seed_of, seed)
        lo95, hi95 = bootstrap_interval(losses_of(result.of_person(loss), loss, places))
        knob, keeps = knobs[rung.name, ceiling]
        rows.append(
            {
                "truth": truth,
                "policy": rung.name,
                "role": rung.role,
                "ceiling": ceiling,
                "knob": knob,
                "tuned_within": keeps,
                **result.columns(loss, entry.withdrawal),
                "lo95": lo95,
                "hi95": hi95,
                "n": len(result.seed_of),
                "seed": "+".join(str(s) for s in entry.seeds),
            }
        )
    return rows


def _gaps(
    entry: LadderEntry, results: dict[str, PolicyResult], truth: str, ceiling: str, loss: Loss, seed: int
) -> list[dict[str, Any]]:
    """Rows of gap.csv: each personal policy against the best other policy, and against a policy of the prior only."""
    oracle = next(rung.name for rung in entry.rungs if rung.role == "oracle")
    others = {rung.name: results[rung.name] for rung in entry.rungs if rung.role == "other"}
    rows, of_hindsight = [], hindsight_room(others, results[oracle], loss)
    for rung in entry.rungs:
        if rung.role not in ("personal", "bound"):
            continue
        prior_only = {name: {name: result} for name, result in others.items() if name.startswith("prior only")}
        for against, baselines in {"best other": others, **prior_only}.items():
            gap = asdict(gap_of(results[rung.name], baselines, results[oracle], loss, seed))
            best = gap.pop("best_other")
            rows.append(
                {
                    "truth": truth,
                    "ceiling": ceiling,
                    "policy": rung.name,
                    "against": against,
                    "rival": best,
                    **gap,
                    "hindsight_room": of_hindsight,
                    "n": len(results[oracle].seed_of),
                }
            )
    return rows


def _ends(entry: LadderEntry, results: dict[str, PolicyResult], truth: str, ceiling: str) -> list[dict[str, Any]]:
    """Rows of destinations.csv: where people end under a policy, by where the oracle ends with them."""
    oracle = next(rung.name for rung in entry.rungs if rung.role == "oracle")
    return [
        {"truth": truth, "ceiling": ceiling, "policy": rung.name, "oracle": of_oracle, "ends": ends, "people": people}
        for rung in entry.rungs
        if rung.role != "oracle"
        for (of_oracle, ends), people in ends_against(results[rung.name], results[oracle]).items()
    ]


def _about(scenario: Scenario, entry: LadderEntry, path: Path) -> dict[str, Any]:
    """Manifest: plan, true models, inputs, versions."""
    base = path.parent
    names = dict.fromkeys(name for call in calls_of(entry) for name in files_named(calls.parse(call)))
    return {
        "name": scenario.name,
        "scenario": scenario.model_dump(mode="json"),
        "scenario_file": path.name,
        "scenario_hash": scenario_hash(scenario, base),
        "seed": scenario.seed,
        "seeds": list(entry.seeds),
        "days": scenario.days,
        "calibrated": scenario.draws_from == "published",
        "clinical_review": tables.UNREVIEWED,
        "truths": {name: TRUE_MODELS[name].meaning for name in entry.truths},
        "loss": entry.loss.model_dump(),
        "code": code_hash(),
        "versions": versions_of("taper-sim", "numpy", "numba", "pandas"),
        "git_commit": git_commit(),
        "inputs_sha256": {name: sha256_of(base / name) for name in names},
    }
