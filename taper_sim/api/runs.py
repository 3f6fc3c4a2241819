"""Clinic runs, team searches, evaluations, fits, traces, and what was saved. Imports ``experiments``, ``report``."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import pandas as pd

from taper_sim.api import display
from taper_sim.api.arguments import names_checked
from taper_sim.api.progress import progress_bar
from taper_sim.api.records import Keys, Table, keys_path, named_by_argument, table_path
from taper_sim.api.saving import save_run
from taper_sim.api.temporary import TemporaryFolder
from taper_sim.data.problems import problem
from taper_sim.run_folder import (
    MANIFEST_FILE,
    PLAN_FILE,
    check_file_writable,
    plan_of,
    read_record,
    read_table,
    write_text,
)
from taper_sim.scenario.building import Overrides
from taper_sim.units import DEFAULT_SEED

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from taper_sim.api.comparison import Comparison

_TEXT_FILE: Final = "answer.txt"


@dataclass(eq=False)
class Run:
    """A finished run of a clinic, a search for a team, an evaluation or a comparison of triage rules.

    Attributes
    ----------
    kind : str
        As in ``plan.json``: ``clinic``, ``staffing``, ``ladder`` or ``triage``.
    folder : Path
        Of the run; of this object until it is saved.
    manifest : dict
        What was run, with what, from what.
    tables : dict of str to DataFrame
        Every table of the folder by its file's name, such as ``tables["service"]``.
    text : str
        The answer in words; empty for a folder without one.
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
        """Keep the run folder.

        Parameters
        ----------
        folder : path
            Empty or new; the same run again is written over.
        """
        if self.text:
            write_text(self.folder / _TEXT_FILE, self.text + "\n")
        return save_run(self.folder, Path(folder), beside=(_TEXT_FILE,))

    def __repr__(self) -> str:
        named = ", ".join(f"{name} ({len(table)} rows)" for name, table in self.tables.items())
        return "\n".join([self.text, f"tables: {named}"] if self.text else [f"{self.kind}; tables: {named}"])

    def _repr_html_(self) -> str:
        pictures = "".join(path.read_text(encoding="utf-8")[_svg_start(path) :] for path in self.figures[:2])
        return f"<pre>{display.escape(repr(self))}</pre>{pictures}"


def _svg_start(path: Path) -> int:
    return max(0, path.read_text(encoding="utf-8").find("<svg"))


@dataclass(eq=False)
class Population:
    """A population learnt from many people's check-ins.

    Attributes
    ----------
    path : Path
        The file (NetCDF), of this object until it is saved.
    table : DataFrame
        A row a value: centre and spread between people, mean and 90 % interval, r-hat, effective draws.
    """

    path: Path
    temporary: TemporaryFolder | None = field(default=None, repr=False)

    @cached_property
    def _attributes(self) -> dict[str, Any]:
        return {str(name): value for name, value in self.to_xarray().attrs.items()}

    @property
    def trusted(self) -> bool:
        """Whether the sampler's diagnostics are good."""
        return bool(self._attributes["trusted"])

    @property
    def failures(self) -> list[str]:
        """Why it is not to be trusted, and what to do; empty if it is."""
        return [line for line in str(self._attributes["why_not"]).split("; ") if line]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Centre and spread of each value, on the log scale where the value is logarithmic."""
        tree = self.to_xarray()
        posterior, known = tree["posterior"], tree["diagnostics"]
        rows = []
        for what in ("centre", "spread"):
            draws = posterior[what].stack(every=("chain", "draw"))
            for value in posterior["value"].to_numpy():
                x = draws.sel(value=value).to_numpy()
                low, high = pd.Series(x).quantile([0.05, 0.95])
                rows.append((what, str(value), float(x.mean()), float(low), float(high)))
        table = pd.DataFrame(rows, columns=["what", "value", "mean", "lo90", "hi90"])
        named = [str(name) for name in known["hyperparameter"].to_numpy()]
        for column in ("rhat", "ess_bulk", "ess_tail"):
            of = dict(zip(named, known[column].to_numpy(), strict=True))
            table[column] = [of.get(_flat(str(row.what), str(row.value), named)) for row in table.itertuples()]
        return table

    def to_xarray(self) -> "xr.DataTree":
        """Posterior, prior, predictive draws and diagnostics as groups of arrays."""
        import xarray as xr

        with xr.open_datatree(self.path, engine="h5netcdf") as tree:
            return tree.load()

    def plot(self) -> "Figure":
        """Draw each value's centre and spread between people with 90 % intervals."""
        from taper_sim.api.other_plots import population_figure

        return population_figure(self.table)

    def save(self, path: str | Path) -> Path:
        """Write the file, for ``taper_sim.recommend(…, population=path)``."""
        target = Path(path)
        check_file_writable(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.resolve() != self.path.resolve():
            shutil.copyfile(self.path, target)
        return target

    def _lines(self) -> list[str]:
        trust = "Diagnostics are good." if self.trusted else f"Not to be trusted: {'; '.join(self.failures)}."
        return [f"{self._attributes['population_id']}: {self._attributes['origin']}.", trust, f"{display.UNCALIBRATED}"]

    def __repr__(self) -> str:
        return "\n".join([*self._lines(), self.table.round(3).to_string(index=False)])

    def _repr_html_(self) -> str:
        return display.paragraphs(self._lines()) + display.table_html(self.table)


def _flat(what: str, value: str, names: list[str]) -> str:
    return next((name for name in names if what in name and value in name), "")


@dataclass(eq=False)
class Trace:
    """One patient's latent states by day.

    Attributes
    ----------
    days : DataFrame
        A row a day; row 0 is the start.
    tablets : DataFrame
        What is dispensed from which day on; empty without a protocol.
    """

    days: pd.DataFrame
    tablets: pd.DataFrame

    def plot(self) -> "Figure":
        """Draw dose, withdrawal, pain, function and distress by day."""
        from taper_sim.api.other_plots import trace_figure

        return trace_figure(self.days)

    def save(self, path: str | Path) -> Path:
        """Write the days as CSV."""
        from taper_sim.run_folder import write_csv

        write_csv(self.days, Path(path))
        return Path(path)

    def __repr__(self) -> str:
        shown = self.days[[c for c in self.days.columns if c in _TRACE_SHOWN or c.startswith("dose_")]]
        return f"{len(self.days) - 1} days\n{shown.iloc[:: max(1, len(shown) // 10)].to_string(index=False)}"

    def _repr_html_(self) -> str:
        some = self.days.iloc[:: max(1, len(self.days) // 20)]
        return some.to_html(index=False, border=0, float_format="{:.3g}".format)


_TRACE_SHOWN: Final = ("day", "withdrawal", "pain", "distress", "function")


def _tables_of(folder: Path) -> dict[str, pd.DataFrame]:
    by_name = {path.stem: read_table(path) for path in sorted(folder.glob("*.csv"))}
    if (folder / "events.parquet").is_file():
        by_name["events"] = pd.read_parquet(folder / "events.parquet")
    return by_name


def _run(kind: str, folder: Path, text: str, temporary: TemporaryFolder | None = None) -> Run:
    manifest = read_record(folder / MANIFEST_FILE, {}, "the folder of a finished run")
    return Run(kind, folder, manifest, _tables_of(folder), text, temporary)


@names_checked
def run_clinic(
    scenario: str | Path,
    *,
    replications: int | None = None,
    patients: int | None = None,
    days: int | None = None,
    seed: int | None = None,
    progress: bool = True,
) -> Run:
    """Run the telemedicine clinic of a scenario.

    Parameters
    ----------
    scenario : path
    replications, patients, days, seed : int, optional
        In place of the scenario's.
    progress : bool, optional
        Whether a bar is shown.

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
    from taper_sim.experiments import clinic_run
    from taper_sim.report.clinic_text import clinic_text
    from taper_sim.report.run_reports import write_run_report

    path, temporary = Path(scenario), TemporaryFolder()
    with named_by_argument(temporary.path, {"--replications": "replications", **_ARGUMENTS}):
        plan = clinic_run.read_plan(path, Overrides(patients, days, None, seed, path.parent), replications)
        with progress_bar(shown=progress) as bar:
            done = clinic_run.run_clinic(path, plan, temporary.path / "run", bar, report=write_run_report)
    return _run(clinic_run.KIND, done.folder, _without_folder(clinic_text(done), done.folder), temporary)


@names_checked
def find_team(
    scenario: str | Path,
    *,
    patients: int | None = None,
    days: int | None = None,
    seed: int | None = None,
    progress: bool = True,
) -> Run:
    """Find the smallest team of a clinic's scenario that meets its targets.

    Parameters
    ----------
    scenario : path
    patients, days, seed : int, optional
        In place of the scenario's.
    progress : bool, optional

    Returns
    -------
    Run
        With ``tables["staffing"]``: a row a team, role and measure, its interval and the chance to meet the target.

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
    >>> found = ts.find_team(scenario, progress=False)
    >>> {"team", "role", "metric", "p_meets"} <= set(found.tables["staffing"].columns)
    True
    """
    from taper_sim.experiments import staffing_run
    from taper_sim.experiments.team_search import read_staffing
    from taper_sim.report.run_reports import write_run_report
    from taper_sim.report.staffing_text import staffing_text

    path, temporary = Path(scenario), TemporaryFolder()
    with named_by_argument(temporary.path, _ARGUMENTS):
        plan = read_staffing(path, Overrides(patients, days, None, seed, path.parent))
        with progress_bar(shown=progress) as bar:
            done = staffing_run.run_staffing(path, plan, temporary.path / "run", bar, report=write_run_report)
    return _run(staffing_run.KIND, done.folder, _without_folder(staffing_text(done), done.folder), temporary)


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
        Where it has no ``ladder``, the defaults hold.
    patients : int, optional
        Of each seed.
    days, seed : int, optional
    progress : bool, optional

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
    from taper_sim.experiments import ladder
    from taper_sim.report.ladder_report import ladder_text
    from taper_sim.report.run_reports import write_run_report

    path, temporary = Path(scenario), TemporaryFolder()
    with named_by_argument(temporary.path, _ARGUMENTS), progress_bar(shown=progress) as bar:
        change = Overrides(patients, days, None, seed, path.parent)
        done = ladder.evaluate(path, change, temporary.path / "run", bar, report=write_run_report)
    return _run(ladder.KIND, done.folder, ladder_text(done.folder), temporary)


@names_checked
def fit(
    checkins: Table,
    doses: Table,
    patients: Table | None = None,
    *,
    draws: int = 1000,
    tune: int = 500,
    chains: int = 2,
    person_draws: int = 1024,
    robust: bool = False,
    missing: Literal["ignored", "modelled"] = "ignored",
    seed: int = DEFAULT_SEED,
    progress: bool | Callable[[str], None] = True,
) -> Population:
    """Learn a population from many people's check-ins.

    Parameters
    ----------
    checkins, doses : path or DataFrame
        As :func:`taper_sim.recommend` takes them, of many patients.
    patients : path or DataFrame, optional
        A row a patient: baselines, flags.
    draws, tune, chains : int, optional
        Of the sampler, a chain.
    person_draws : int, optional
        Of each person, a power of two.
    robust : bool, optional
        A Student t between people, in which few unusual ones weigh less.
    missing : "ignored" or "modelled", optional
        Days without an answer.
    seed : int, optional
    progress : bool or callable, optional
        Whether steps are printed, or what is called with each line.

    Returns
    -------
    Population
        Look at ``trusted`` and ``failures`` before it is used.

    Examples
    --------
    >>> import taper_sim as ts
    >>> population = ts.fit("examples/checkins.csv", "examples/doses.csv", draws=20, tune=20, person_draws=64,
    ...                     progress=False)
    >>> population.trusted  # forty draws are too few
    False
    """
    from taper_sim.inference.population.files import fit_files
    from taper_sim.inference.population.fit import Settings

    if missing not in ("ignored", "modelled"):
        raise problem("fit", "missing", missing, "ignored, modelled")
    temporary = TemporaryFolder()
    say: Callable[[str], None] = progress if callable(progress) else print if progress else lambda line: None
    options = {f"--{name.replace('_', '-')}": name for name in ("draws", "tune", "chains", "seed", "person_draws")}
    with named_by_argument(temporary.path, options):
        settings = Settings(draws, tune, chains, seed, robust, missing == "modelled", person_draws)
        settings.check()
        people = None if patients is None else table_path(patients, "patients", temporary.path)
        out = temporary.path / "population.nc"
        tables = (table_path(checkins, "checkins", temporary.path), table_path(doses, "doses", temporary.path))
        fit_files(*tables, people, out, settings, say)
    return Population(out, temporary)


@names_checked
def trace(patient: Keys, *, protocol: str | None = None, days: int | None = None, seed: int = DEFAULT_SEED) -> Trace:
    """Follow one patient's latent states by day, without chance.

    Parameters
    ----------
    patient : path, mapping or Patient
        A patient's file, or its content.
    protocol : str, optional
        A call; the dose is then the dispensable one. The patient's own ``schedule`` if left out.
    days : int, optional
    seed : int, optional

    Returns
    -------
    Trace

    Examples
    --------
    >>> import taper_sim as ts
    >>> taper = ts.trace("examples/patient.yaml", protocol="linear(pct=10, every=28)", days=84)
    >>> taper.days[["day", "dose_opioid"]].iloc[[0, 84]]
        day  dose_opioid
    0     0         90.0
    84   84         60.0
    """
    from taper_sim.experiments.trace_patient import trace_patient

    temporary = TemporaryFolder()
    options = {"--protocol": "protocol", "--days": "days", "--seed": "seed"}
    with named_by_argument(temporary.path, options):
        path = keys_path(patient, "patient", temporary.path)
        if path is None:
            raise problem("trace", "patient", "nothing", "a patient's file, or a mapping")
        found = trace_patient(path, protocol=protocol, n_days=days, seed=seed)
    return Trace(found.days, found.tablets)


@names_checked
def load(folder: str | Path) -> "Comparison | Run | Population":
    """Load what was saved: a comparison, a clinic run, a search for a team, an evaluation, triage, a population.

    Parameters
    ----------
    folder : path
        A run folder, or the file of a population.

    Returns
    -------
    Comparison, Run or Population

    Raises
    ------
    InputError
        If it is none of them, or not finished.

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

        if path.suffix != ".nc":
            raise problem(str(path), "", "a file", "a run folder, or the file of a population (.nc)")
        population = Population(path)
        if population.trusted:
            read_population(path)
        return population
    allowed = "the folder of a finished run, or the file of a population"
    if not (path / PLAN_FILE).is_file():
        raise problem(str(path), "", "no folder" if not path.exists() else "a folder without a plan of a run", allowed)
    kind = plan_of(path).kind
    from taper_sim.experiments import compare

    if kind != compare.KIND:
        return _run(kind, path, _text_of(path))
    from taper_sim.api.comparison import load_comparison

    return load_comparison(path)


def _text_of(folder: Path) -> str:
    texts = [folder / name for name in (_TEXT_FILE, "ladder.txt")]
    return next((path.read_text(encoding="utf-8").rstrip() for path in texts if path.is_file()), "")


_ARGUMENTS: Final = {"--patients": "patients", "--days": "days", "--seed": "seed", "--protocols": "protocols"}


def _without_folder(text: str, folder: Path) -> str:
    """The text without the lines that name a folder, which is this object's and not a person's."""
    return "\n".join(line for line in text.splitlines() if str(folder) not in line).strip()
