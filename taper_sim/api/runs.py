"""Clinic runs, team searches and policy evaluations, and loading what was saved. Imports ``api``, ``report``."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from taper_sim.api import display
from taper_sim.api.argument_files import named_by_argument
from taper_sim.api.arguments import names_checked
from taper_sim.api.population_fit import Population
from taper_sim.api.progress import progress_bar
from taper_sim.api.saving import save_run
from taper_sim.api.temporary import TemporaryFolder
from taper_sim.data.problems import problem
from taper_sim.run_folder import MANIFEST_FILE, PLAN_FILE, plan_of, read_record, read_table, write_text
from taper_sim.scenario.building import Overrides

if TYPE_CHECKING:
    from taper_sim.api.comparison import Comparison
    from taper_sim.api.reported_runs import ReportedRun
    from taper_sim.api.validation import Validation
    from taper_sim.experiments.running import Progress

_TEXT_FILE: Final = "answer.txt"
_ARGUMENTS: Final = {f"--{name}": name for name in ("patients", "days", "seed", "replications", "workers")}
"""Options of the commands, and the arguments of the functions for the same values."""


@dataclass(eq=False)
class Run:
    """A finished run of a clinic, a search for a team, an evaluation or a comparison of triage rules.

    Attributes
    ----------
    kind : str
        As in ``plan.json``: ``clinic``, ``staffing``, ``ladder`` or ``triage``.
    folder : Path
        Output folder; temporary until :meth:`save`.
    manifest : dict
        Plan, patients, inputs and versions of the run.
    tables : dict of str to DataFrame
        Every table of the folder by the name of its file, such as ``tables["service"]``.
    text : str
        The answer in words; empty for a folder without one.
    temporary : TemporaryFolder or None
        Keeps the folder of a run that is not saved.
    """

    kind: str
    folder: Path
    manifest: dict[str, Any]
    tables: dict[str, pd.DataFrame] = field(repr=False)
    text: str = field(repr=False)
    temporary: TemporaryFolder | None = field(default=None, repr=False)

    @property
    def figures(self) -> list[Path]:
        """Paths of the figures (SVG)."""
        return sorted((self.folder / "figures").glob("*.svg"))

    def save(self, folder: str | Path) -> Path:
        """Copy the output folder.

        Parameters
        ----------
        folder : path
            Empty or new; a folder with the same run is replaced.
        """
        if self.text:
            write_text(self.folder / _TEXT_FILE, self.text + "\n")
        return save_run(self.folder, Path(folder), beside=(_TEXT_FILE,))

    def __repr__(self) -> str:
        named = ", ".join(f"{name} ({len(table)} rows)" for name, table in self.tables.items())
        return "\n".join([self.text, f"tables: {named}"] if self.text else [f"{self.kind}; tables: {named}"])

    def _repr_html_(self) -> str:
        texts = [path.read_text(encoding="utf-8") for path in self.figures[:2]]
        pictures = "".join(text[max(0, text.find("<svg")) :] for text in texts)
        return f"<pre>{display.escape(repr(self))}</pre>{pictures}"


def _tables_of(folder: Path) -> dict[str, pd.DataFrame]:
    by_name = {path.stem: read_table(path) for path in sorted(folder.glob("*.csv"))}
    if (folder / "events.parquet").is_file():
        by_name["events"] = pd.read_parquet(folder / "events.parquet")
    return by_name


def _loaded(kind: str, folder: Path, text: str, temporary: TemporaryFolder | None = None) -> Run:
    manifest = read_record(folder / MANIFEST_FILE, {}, "the folder of a finished run")
    return Run(kind, folder, manifest, _tables_of(folder), text, temporary)


def _in_temporary_folder(driver: "Callable[[Path, Progress], ReportedRun]", *, progress: bool) -> Run:
    """Result of a run in a new temporary folder; its problems name arguments.

    The text omits lines that name the folder, which this object owns and the reader does not use.
    """
    temporary = TemporaryFolder()
    with named_by_argument(temporary.path, _ARGUMENTS), progress_bar(shown=progress) as bar:
        run = driver(temporary.path / "run", bar)
    text = "\n".join(line for line in run.text.splitlines() if str(run.folder) not in line).strip()
    return _loaded(run.kind, run.folder, text, temporary)


@names_checked
def run_clinic(
    scenario: str | Path,
    *,
    replications: int | None = None,
    patients: int | None = None,
    days: int | None = None,
    seed: int | None = None,
    workers: int | str = 1,
    progress: bool = True,
) -> Run:
    """Simulate the telemedicine clinic of a scenario.

    Parameters
    ----------
    scenario : path
    replications, patients, days, seed : int, optional
        Instead of the scenario's.
    workers : int or str, optional
        Processes that share the replications, or the address of a Dask scheduler; no number depends on it. A script
        that asks for several needs ``if __name__ == "__main__":`` around its calls.
    progress : bool, optional
        Whether to show a bar.

    Returns
    -------
    Run
        With ``tables["service"]``, ``["summary"]``, ``["differences"]``, ``["events"]``.

    Examples
    --------
    >>> import taper_sim as ts
    >>> run = ts.run_clinic("scenarios/clinic_urban.yaml", replications=1, patients=20, days=14, progress=False)
    >>> {"service", "events"} <= set(run.tables)
    True
    """
    from taper_sim.api.reported_runs import run_clinic_plan

    path = Path(scenario)
    change = Overrides(patients, days, None, seed, path.parent)
    return _in_temporary_folder(
        lambda folder, bar: run_clinic_plan(
            path, change, folder, bar, replications=replications, workers=workers, log=_silent
        ),
        progress=progress,
    )


@names_checked
def compare_triage(
    scenario: str | Path,
    *,
    replications: int | None = None,
    patients: int | None = None,
    days: int | None = None,
    seed: int | None = None,
    workers: int | str = 1,
    progress: bool = True,
) -> Run:
    """Compare the triage rules of a clinic on the same patients: waits and harm by subgroup.

    Parameters
    ----------
    scenario : path
        A scenario with a clinic.
    replications, patients, days, seed : int, optional
        Instead of the scenario's.
    workers : int or str, optional
        As in :func:`run_clinic`.
    progress : bool, optional
        Whether to show a bar.

    Returns
    -------
    Run
        With ``tables["triage"]``: a row a rule, subgroup and metric, its change against first come, its gap to all
        patients.

    Examples
    --------
    >>> import taper_sim as ts
    >>> run = ts.compare_triage("scenarios/clinic_triage_fast.yaml", replications=2, patients=12, days=14,
    ...                         progress=False)
    >>> {"triage", "subgroup", "metric", "estimate"} <= set(run.tables["triage"].columns)
    True
    """
    from taper_sim.api.reported_runs import run_triage_comparison

    path = Path(scenario)
    change = Overrides(patients, days, None, seed, path.parent)
    return _in_temporary_folder(
        lambda folder, bar: run_triage_comparison(
            path, change, folder, bar, replications=replications, workers=workers, log=_silent
        ),
        progress=progress,
    )


@names_checked
def find_team(
    scenario: str | Path,
    *,
    patients: int | None = None,
    days: int | None = None,
    seed: int | None = None,
    workers: int | str = 1,
    progress: bool = True,
) -> Run:
    """Find the smallest team of a clinic's scenario that meets its targets.

    Parameters
    ----------
    scenario : path
    patients, days, seed : int, optional
        Instead of the scenario's.
    workers : int or str, optional
        Processes that share the replications, or the address of a Dask scheduler; no number depends on it. A script
        that asks for several needs ``if __name__ == "__main__":`` around its calls.
    progress : bool, optional
        Whether to show a bar.

    Returns
    -------
    Run
        With ``tables["staffing"]``: a row a team, role and metric, its interval and the share that meets the target.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import taper_sim as ts
    >>> scenario = Path(tempfile.mkdtemp()) / "clinic.yaml"
    >>> _ = scenario.write_text('''
    ... name: a small clinic
    ... days: 7
    ... draws: 2
    ... cohort:
    ...   patients: 6
    ...   classes: {opioid: {dose_median: 90, mix: [{drug: morphine, formulation: ER, share: 1}]}}
    ... protocols: ["linear(pct=10, every=14)"]
    ... clinic:
    ...   team: [{role: physician, people: 1}, {role: pharmacist, people: 1}, {role: pt, people: 1},
    ...          {role: psychologist, people: 1}, {role: nurse, people: 1},
    ...          {role: social_worker, people: 1, stands_in_for: [peer]}]
    ...   staffing:
    ...     fte: {nurse: {least: 0.5, most: 1, step: 0.5}}
    ...     targets: [{metric: late, role: nurse, at_most: 0.9}]
    ...     probability: 0.5
    ...     indifference: 0.3
    ...     confidence: 0.5
    ...     most_teams: 2
    ...     most_replications: 3
    ...     what_if_replications: 0
    ... ''')
    >>> run = ts.find_team(scenario, progress=False)
    >>> {"team", "role", "metric", "p_meets"} <= set(run.tables["staffing"].columns)
    True
    """
    from taper_sim.api.reported_runs import run_team_search

    path = Path(scenario)
    change = Overrides(patients, days, None, seed, path.parent)
    return _in_temporary_folder(
        lambda folder, bar: run_team_search(path, change, folder, bar, workers=workers, log=_silent), progress=progress
    )


@names_checked
def evaluate(
    scenario: str | Path,
    *,
    patients: int | None = None,
    days: int | None = None,
    seed: int | None = None,
    progress: bool = True,
) -> Run:
    """Compare fixed, adaptive and personalised policies, and the share of the gap to the oracle that each closes.

    Parameters
    ----------
    scenario : path
        Without ``ladder`` the defaults apply.
    patients : int, optional
        Number of patients for each seed.
    days, seed : int, optional
        Instead of the scenario's.
    progress : bool, optional
        Whether to show a bar.

    Returns
    -------
    Run
        With ``tables["ladder"]`` (a row a policy) and ``["gap"]``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import taper_sim as ts
    >>> scenario = Path(tempfile.mkdtemp()) / "ladder.yaml"
    >>> _ = scenario.write_text('''
    ... name: a small ladder
    ... days: 28
    ... draws: 2
    ... cohort:
    ...   patients: 4
    ...   classes: {opioid: {dose_median: 90, mix: [{drug: morphine, formulation: ER, share: 1}]}}
    ... protocols: [constant()]
    ... ladder:
    ...   seeds: [1]
    ...   tuning_people: 2
    ...   ceilings: ["on"]
    ...   rungs:
    ...     - {name: linear, call: "linear(pct={knob}, every=28)", knobs: [5, 10]}
    ...     - {name: integral, call: "integral(max_pct={knob}, every=14)", knobs: [10], role: personal}
    ...     - {name: oracle, call: "oracle(limit={knob}, every=14)", knobs: [0.1, 0.15], role: oracle}
    ... ''')
    >>> run = ts.evaluate(scenario, progress=False)
    >>> run.tables["ladder"]["policy"].tolist()
    ['linear', 'integral', 'oracle']
    """
    from taper_sim.api.reported_runs import run_policy_evaluation

    path = Path(scenario)
    change = Overrides(patients, days, None, seed, path.parent)
    return _in_temporary_folder(lambda folder, bar: run_policy_evaluation(path, change, folder, bar), progress=progress)


def _silent(_: str) -> None:
    """Log nothing."""


@names_checked
def load(folder: str | Path) -> "Comparison | Run | Population | Validation":
    """Load a saved run of any kind, a population, or the table of a validation.

    Parameters
    ----------
    folder : path
        Output folder of a run, the file of a population (``.nc``), or ``validation.csv``.

    Returns
    -------
    Comparison, Run, Population or Validation

    Raises
    ------
    InputError
        If it is none of them, or an unfinished run.

    Examples
    --------
    >>> import tempfile
    >>> import taper_sim as ts
    >>> cohort = ts.people(20, drug="morphine ER", mg_per_day=90)
    >>> result = ts.compare(people=cohort, protocols=["constant()"], days=28, draws=2, progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = ts.load(result.save(folder))
    ...     print(again.protocols)
    ['constant()']
    """
    path = Path(folder)
    if path.is_file():
        from taper_sim.inference.population.files import read_population

        if path.suffix == ".csv":
            from taper_sim.api.validation import load_validation_table

            return load_validation_table(path)
        if path.suffix != ".nc":
            raise problem(str(path), "", "a file", "the output folder of a run, or the file of a population (.nc)")
        population = Population(path)
        if population.trusted:
            read_population(path)
        return population
    allowed = "the folder of a finished run, or the file of a population"
    if not (path / PLAN_FILE).is_file():
        raise problem(str(path), "", "no folder" if not path.exists() else "a folder without plan.json", allowed)
    kind = plan_of(path).kind
    from taper_sim.experiments import compare, validation_run

    if kind == validation_run.KIND:
        from taper_sim.api.validation import load_validation

        return load_validation(path)
    if kind != compare.KIND:
        return _loaded(kind, path, _text_of(path))
    from taper_sim.api.comparison import load_comparison

    return load_comparison(path)


def _text_of(folder: Path) -> str:
    texts = [folder / name for name in (_TEXT_FILE, "ladder.txt")]
    return next((path.read_text(encoding="utf-8").rstrip() for path in texts if path.is_file()), "")
