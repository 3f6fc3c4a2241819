"""Comparison of protocols on the same people. Imports ``api``, ``report``, ``experiments.compare`` and below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from taper_sim.api import comparison_answer, display
from taper_sim.api.argument_files import named_by_argument
from taper_sim.api.arguments import names_checked
from taper_sim.api.changed_scenario import changed_scenario, scenario_text
from taper_sim.api.cohort_frame import cohort_frame
from taper_sim.api.cohorts import People
from taper_sim.api.progress import progress_bar
from taper_sim.api.protocols import Protocol, copy_rules, entries_of
from taper_sim.api.saving import INPUTS, save_run
from taper_sim.api.subgroups import By, groups_of
from taper_sim.api.tails import tail_table
from taper_sim.api.temporary import TemporaryFolder
from taper_sim.array_types import Bools, Floats
from taper_sim.briefs.ranking_part import ranking_sentences, read_ranking
from taper_sim.briefs.run_people import RunPeople
from taper_sim.comparison.measured_outcomes import BEYOND_COLUMNS
from taper_sim.comparison.outcomes import BY_NAME, Outcome
from taper_sim.comparison.preferences import HARM_OUTCOMES
from taper_sim.comparison.ranking import Ranking
from taper_sim.comparison.tables import DIFFERENCE_COLUMNS, SUMMARY_COLUMNS, difference_rows, summary_rows
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.data.yaml_input import parse
from taper_sim.experiments.compare import compare_scenario
from taper_sim.experiments.running import Running, Workers
from taper_sim.report.methods import cautions
from taper_sim.report.run_tables import read_run, read_table, usable_protocols
from taper_sim.report.terminal import KEY_TO_CELLS, key_cells, table_lines
from taper_sim.run_folder import PLAN_FILE, PlanRecord, plan_of, write_csv, write_text
from taper_sim.scenario.building import arm_name, build_cohort
from taper_sim.scenario.schema import Scenario
from taper_sim.simulation.cohort import Cohort
from taper_sim.units import DrawsFrom

if TYPE_CHECKING:
    import xarray as xr

    from taper_sim.api.plots import ComparisonPlots

_FILE: Final = "compare"
_BY_SUMMARY, _BY_DIFFERENCES = "by_summary.csv", "by_differences.csv"


@dataclass(eq=False)
class Comparison:
    """Protocols compared on the same people with the same random events.

    Attributes
    ----------
    folder : Path
        Output folder; temporary until :meth:`save`.
    manifest : dict
        Plan, patients, inputs and versions of the run.
    summary : DataFrame
        A row for each protocol, outcome and subgroup: mean and spread over people, 95 % interval of the mean.
    differences : DataFrame
        Paired differences of each protocol from the reference.
    trajectories : DataFrame
        Weekly means and bands by protocol.
    cohort : Cohort or None
        None for a loaded run whose files were removed.
    inputs : Path or None
        Folder with the files of people that Python made.
    temporary : TemporaryFolder or None
        Keeps the folder of a run that is not saved.
    """

    folder: Path
    manifest: dict[str, Any]
    summary: pd.DataFrame
    differences: pd.DataFrame
    trajectories: pd.DataFrame
    cohort: Cohort | None
    inputs: Path | None = None
    temporary: TemporaryFolder | None = None

    @property
    def protocols(self) -> list[str]:
        """Names of the protocols, in the order given."""
        return [str(name) for name in self.manifest["protocols"]]

    @property
    def reference(self) -> str:
        """Protocol with which the others are compared."""
        return str(self.manifest["reference"])

    @cached_property
    def people(self) -> pd.DataFrame:
        """A row a person and protocol: every outcome, and the columns of ``People.frame``."""
        outcomes = self._people.rows[0].drop(columns=list(BEYOND_COLUMNS), errors="ignore")
        outcomes["protocol"] = outcomes["protocol"].astype(str)
        if self.cohort is None:
            return outcomes
        outcomes = outcomes.drop(
            columns=[
                name
                for name in outcomes.columns
                if name.startswith("dose_")
                and name.removeprefix("dose_") in ("opioid", "benzodiazepine", "gabapentinoid")
            ]
        )
        covariates = cohort_frame(self.cohort)
        repeated = pd.concat([covariates] * len(self.protocols), ignore_index=True).drop(columns="patient_id")
        first = ["protocol", "patient_id", "draw"]
        return pd.concat([outcomes[first], repeated, outcomes.drop(columns=first)], axis=1)

    @cached_property
    def answer(self) -> str:
        """Better protocol by outcome, with the difference and its uncertainty, in sentences."""
        ranked = self._ranking
        sentences = () if ranked is None else ranking_sentences(ranked)
        usable = usable_protocols(self.manifest)
        return comparison_answer.answer_of(self.summary, usable, self.reference, self.difference, sentences)

    @property
    def ranking(self) -> pd.DataFrame | None:
        """Protocols ranked by the composite with chances and intervals; None unless ``weights_of`` is stated."""
        return None if self._ranking is None else self._ranking.table

    @property
    def ranking_flips(self) -> pd.DataFrame | None:
        """For each weight, the values at which another protocol comes first; None without a ranking."""
        return None if self._ranking is None else self._ranking.flips

    @cached_property
    def _ranking(self) -> Ranking | None:
        return read_ranking(self.folder)

    @cached_property
    def plot(self) -> "ComparisonPlots":
        """Figures: ``trajectories()``, ``forest()``, ``tail()``, ``pareto()``."""
        from taper_sim.api.plots import ComparisonPlots

        return ComparisonPlots(self)

    def difference(self, a: str, b: str, outcome: str | Sequence[str] | None = None, by: By = None) -> pd.DataFrame:
        """Compare two protocols person by person, ``a`` minus ``b``.

        Parameters
        ----------
        a, b : str
            Protocols of the run.
        outcome : str or sequence of str, optional
            All outcomes of the run if omitted.
        by : str, callable, or a sequence of them, optional
            Subgroups; a sequence is crossed.

        Returns
        -------
        DataFrame
            ``mean`` of the paired differences with its 95 % interval over parameter draws (``lo95``, ``hi95``), the
            probability that the mean is better (``p_better``), the shares of people who are better and worse by more
            than the smallest important difference (``share_better``, ``share_worse``), and ``n``. Where too few people
            or events exist, the interval is missing and ``interval_reason`` says why.
        """
        for place, name in (("a", a), ("b", b)):
            if name not in self.protocols:
                given = f"{shown(name)}, which is no protocol of the run{nearest(str(name), self.protocols)}"
                raise InputError(Problem("difference", place, given, "; ".join(self.protocols)))
        rows = difference_rows(a, b, self._outcomes(outcome), self._values((a, b)), self._people.draw, self._groups(by))
        return pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS))

    def tail(self, outcome: str = "withdrawal_peak", by: By = None) -> pd.DataFrame:
        """Mean of everybody beside the mean of the worst 5 % (``worst5``), each with its 95 % interval.

        Parameters
        ----------
        outcome : str, optional
            An outcome with a ``…_cvar95``.
        by : str, callable, or a sequence of them, optional
            Subgroups, as for :meth:`difference`; those of the run if omitted.
        """
        return tail_table(self.summary if by is None else self.summary_by(by), outcome)

    def summary_by(self, by: By) -> pd.DataFrame:
        """The summary of subgroups; see :meth:`difference`."""
        groups, values = self._groups(by), self._values(self.protocols)
        calibrated = bool(self.manifest["ensemble"]["calibrated"])
        rows = [
            row
            for name in self.protocols
            for row in summary_rows(name, self._outcomes(None), values[name], self._people.draw, groups, calibrated)
        ]
        return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))

    def differences_by(self, by: By) -> pd.DataFrame:
        """The differences of subgroups against the reference; see :meth:`difference`."""
        others = [name for name in self.protocols if name != self.reference]
        tables = [self.difference(name, self.reference, by=by) for name in others]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(DIFFERENCE_COLUMNS))

    def to_xarray(self) -> "xr.Dataset":
        """Outcomes as ``(protocol, patient)``, weekly means and bands as ``(protocol, day)``, people as coordinates."""
        import xarray as xr

        people = self.people
        n = len(people) // len(self.protocols)
        ids = people["patient_id"].to_numpy()[:n]
        outcomes = [o.name for o in self._outcomes(None)]
        cube: dict[str, Any] = {
            name: (
                ("protocol", "patient"),
                people[name].to_numpy(dtype=np.float64).reshape(-1, n),
                {"units": BY_NAME[name].unit, "long_name": BY_NAME[name].meaning},
            )
            for name in outcomes
        }
        coordinates: dict[str, Any] = {"protocol": self.protocols, "patient": ids}
        if self.cohort is not None:
            frame = cohort_frame(self.cohort).drop(columns="patient_id")
            coordinates |= {name: ("patient", frame[name].to_numpy()) for name in frame.columns}
        for name, rows in self.trajectories.groupby("quantity", sort=False):
            table = rows.pivot(index="protocol", columns="day", values=["mean", "q10", "q50", "q90"])
            table = table.reindex(self.protocols)
            for column in ("mean", "q10", "q50", "q90"):
                cube[f"trajectory_{name}_{column}"] = (("protocol", "day"), table[column].to_numpy(), {})
            coordinates["day"] = table["mean"].columns.to_numpy()
        return xr.Dataset(cube, coordinates, {"seed": int(self.manifest["seed"]), "reference": self.reference})

    def save(self, folder: str | Path) -> Path:
        """Copy the output folder with tables, figures and report, and the files of people that Python made.

        Parameters
        ----------
        folder : path
            Empty or new; a folder with the same run is replaced.

        Returns
        -------
        Path
            The folder.
        """
        return save_run(self.folder, Path(folder), self.inputs, (_BY_SUMMARY, _BY_DIFFERENCES))

    @cached_property
    def _people(self) -> RunPeople:
        return RunPeople(self.folder, self.protocols)

    def _values(self, protocols: Sequence[str]) -> dict[str, Mapping[str, Floats]]:
        reported = [outcome.name for outcome in self._outcomes(None)]
        return self._people.values(protocols, (*reported, *HARM_OUTCOMES.values(), *BEYOND_COLUMNS))

    def _outcomes(self, outcome: str | Sequence[str] | None) -> list[Outcome]:
        there = [name for name in dict.fromkeys(self.summary["outcome"]) if name in BY_NAME]
        names = there if outcome is None else [outcome] if isinstance(outcome, str) else list(outcome)
        unknown = [name for name in names if name not in there]
        if unknown:
            raise InputError(
                Problem(
                    "outcome",
                    "",
                    f"{shown(n)}, which the run does not report{nearest(str(n), there)}",
                    ", ".join(there),
                )
                for n in unknown
            )
        return [BY_NAME[name] for name in names]

    def _groups(self, by: By) -> dict[str, Bools]:
        if by is None:
            return {"all": np.ones(self._people.n, dtype=bool)}
        if self.cohort is None:
            raise problem("by", "", "a run whose patients file was removed", "a run with its people")
        return groups_of(by, cohort_frame(self.cohort), self.cohort)

    def _lines(self) -> list[str]:
        n, draws = int(self.manifest["patients"]["n"]), self.manifest["ensemble"]["n_draws"]
        what = f"{n:,} people, {self.manifest['days']} days, {draws} parameter draws, seed {self.manifest['seed']}"
        return [*KEY_TO_CELLS, f"{what}. {' '.join(cautions(self.manifest))}"]

    def __repr__(self) -> str:
        table = table_lines(key_cells(self.summary, self.protocols))
        return "\n".join([self.answer, "", *table, "", *self._lines()])

    def _repr_html_(self) -> str:
        table = display.table_html(key_cells(self.summary, self.protocols))
        return f"<p><b>{display.escape(self.answer)}</b></p>{table}<small>{display.paragraphs(self._lines())}</small>"


@names_checked
def compare(
    scenario: str | Path | None = None,
    *,
    people: People | None = None,
    protocols: Sequence[Protocol] | Protocol | None = None,
    days: int | None = None,
    care: Mapping[str, Any] | None = None,
    by: By = None,
    draws: int | None = None,
    draws_from: DrawsFrom | None = None,
    seed: int | None = None,
    workers: Workers = 2,
    patients: int | None = None,
    reference: str | None = None,
    outcomes: Sequence[str] | None = None,
    parameters: Mapping[str, float] | None = None,
    composite: Mapping[str, float] | None = None,
    full_stop_worth: float | None = None,
    weights_of: str | None = None,
    progress: bool = True,
    yes: bool = False,
) -> Comparison:
    """Compare protocols on the same people with the same random events.

    Parameters
    ----------
    scenario : path, optional
        A scenario file; the other arguments replace its entries.
    people : People, optional
        From :func:`taper_sim.people`. Either people or a scenario.
    protocols : sequence, optional
        Calls as text, such as ``"linear(pct=10, every=28)"``, or policy objects. The first is the reference
        unless ``reference`` names another.
    days : int, optional
        Days to follow; 364 if omitted.
    care : mapping, optional
        As in a scenario: ``disciplines``, ``visit_every_d``, ``checkin_every_d``.
    by : str, callable, or a sequence of them, optional
        Subgroups of summary and differences: a flag such as ``"ptsd"``, ``"dose"``, ``"age"``, another column of the
        people with few values, or a function of their table that gives a label a row. A sequence is crossed.
    draws : int, optional
        Number of draws of the uncertain parameters, over which the intervals are; 50 if omitted.
    draws_from : str, optional
        Origin of these draws: ``prior`` or ``published``; that of the scenario or the default if omitted.
    seed : int, optional
        Seed of random events and draws; that of the scenario or of the people if omitted.
    workers : int or str, optional
        Threads, or the address of a Dask scheduler; no number depends on it.
    patients : int, optional
        Number of people of the scenario.
    reference : str, optional
        Protocol with which the others are compared.
    outcomes : sequence of str, optional
        Outcomes to report; all if omitted.
    parameters : mapping of symbol to value, optional
        Parameters with a fixed value in every draw.
    composite : mapping of str to float, optional
        Weights of the composite, as in a scenario (docs/outcomes.md).
    full_stop_worth : float, optional
        Important differences between a year without the drug and a year at the full dose.
    weights_of : str, optional
        Whose weights ``composite`` has. If it is stated, the result has a ``ranking``.
    progress : bool, optional
        Whether to show a bar.
    yes : bool, optional
        Whether to run although the run needs more than the free memory or more than a day.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        With one line for each problem: an unknown argument, protocol, outcome or subgroup, a value out of range.

    Examples
    --------
    >>> import taper_sim as ts
    >>> cohort = ts.people(100, drug="morphine ER", mg_per_day=90)
    >>> result = ts.compare(people=cohort, protocols=["constant()", "linear(pct=10, every=28)"],
    ...                     days=84, draws=5, progress=False)
    >>> result.protocols
    ['constant()', 'linear(pct=10, every=28)']
    >>> result.difference("linear(pct=10, every=28)", "constant()", outcome="dose_end_mme")["n"].tolist()
    [100]
    """
    if (scenario is None) == (people is None):
        given = "neither a scenario nor people" if scenario is None else "a scenario and people"
        raise problem(_FILE, "people", given, "one of the two")
    if people is not None and not isinstance(people, People):
        raise problem(_FILE, "people", f"an object of the type {type(people).__name__}", "the result of ts.people(…)")
    if scenario is not None and not isinstance(scenario, str | Path):
        raise problem(_FILE, "scenario", f"an object of the type {type(scenario).__name__}", "the path of a YAML file")
    changes = {
        "days": days,
        "care": None if care is None else dict(care),
        "draws": draws,
        "draws_from": draws_from,
        "seed": seed,
        "outcomes": None if outcomes is None else list(outcomes),
        "parameters": None if parameters is None else dict(parameters),
        "composite": None if composite is None else dict(composite),
        "full_stop_worth": full_stop_worth,
        "weights_of": weights_of,
    }
    entries = None if protocols is None else entries_of(protocols)
    temporary = TemporaryFolder()
    inputs, folder = temporary.path / INPUTS, temporary.path / "run"
    if people is not None:
        if entries is None:
            raise problem(_FILE, "protocols", "nothing", 'protocols such as ["constant()", "linear(pct=10, every=28)"]')
        if patients is not None:
            raise problem(_FILE, "patients", "together with people", "patients with a scenario only")
        inputs.mkdir()
        base = inputs if people.entry is None else people.folder
        cohort_entry = people.write(inputs) if people.entry is None else people.entry
        if people.entry is None:
            copy_rules(entries, inputs)
        content = {
            "name": "comparison",
            "seed": people.seed,
            "cohort": cohort_entry.model_dump(),
            "protocols": entries,
            **{name: value for name, value in changes.items() if value is not None},
        }
        plan = parse(_FILE, content, Scenario)
        write_text(inputs / "scenario.yaml", scenario_text(plan))
    else:
        plan, base = changed_scenario(Path(str(scenario)), entries, patients, changes)
    if reference is not None:
        names = [arm_name(entry) for entry in plan.protocols] + [entry.call for entry in plan.protocols]
        if reference not in names:
            given = f"{shown(reference)}{nearest(reference, names)}"
            raise InputError(Problem(_FILE, "reference", given, "; ".join(dict.fromkeys(names))))
        plan = plan.model_copy(update={"reference": reference})

    def refuse_by(cohort: Cohort) -> None:
        """Report the problems of ``by`` before the run."""
        groups_of(by, cohort_frame(cohort), cohort)

    path = base / _FILE if scenario is None else Path(scenario)
    with named_by_argument(inputs, {}), progress_bar(shown=progress) as bar:
        done = compare_scenario(plan, path, folder, Running(workers, bar, sure=yes), None if by is None else refuse_by)
    result = _loaded(folder, done.plan.cohort)
    result.inputs = inputs if inputs.is_dir() else None
    result.temporary = temporary
    return result if by is None else _with_subgroups(result, by)


def _with_subgroups(result: Comparison, by: By) -> Comparison:
    """Add subgroups to summary and differences, and write them to the folder."""
    summary, differences = result.summary_by(by), result.differences_by(by)
    write_csv(summary, result.folder / _BY_SUMMARY)
    write_csv(differences, result.folder / _BY_DIFFERENCES)
    result.summary = pd.concat([result.summary, summary], ignore_index=True)
    result.differences = pd.concat([result.differences, differences], ignore_index=True)
    return result


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """A table of a run folder whose column ``calibrated`` is true or false, not text."""
    return table.assign(calibrated=table["calibrated"] == "True") if "calibrated" in table else table


def _loaded(folder: Path, cohort: Cohort | None) -> Comparison:
    run = read_run(folder)
    return Comparison(folder, run.manifest, _typed(run.summary), run.differences, run.trajectories, cohort)


def _base_of(folder: Path, plan: PlanRecord) -> Path:
    """Folder relative to which a run's scenario names files."""
    return folder / INPUTS if (folder / INPUTS).is_dir() else Path(plan.folder)


def people_of(result: Comparison) -> People:
    """People of a comparison, with the entry of its scenario."""
    plan = plan_of(result.folder)
    scenario = parse(str(result.folder / PLAN_FILE), plan.scenario, Scenario)
    cohort, base = result.cohort, _base_of(result.folder, plan)
    if cohort is None:
        raise problem(str(result.folder), "", "a run whose patients file was removed", "a run with its people")
    return People(cohort, scenario.seed, scenario.cohort, base)


def load_comparison(folder: Path) -> Comparison:
    """Comparison of an output folder, with its people if they can be sampled or read again."""
    plan = plan_of(folder)
    scenario = parse(str(folder / PLAN_FILE), plan.scenario, Scenario)
    try:
        cohort = build_cohort(scenario.cohort, scenario.seed, _base_of(folder, plan))
    except InputError:
        cohort = None  # its files were removed: the outcomes exist, the covariates do not
    result = _loaded(folder, cohort)
    if (folder / _BY_SUMMARY).is_file():
        result.summary = pd.concat([result.summary, _typed(read_table(folder / _BY_SUMMARY))], ignore_index=True)
        result.differences = pd.concat([result.differences, read_table(folder / _BY_DIFFERENCES)], ignore_index=True)
    return result
