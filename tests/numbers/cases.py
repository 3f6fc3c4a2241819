"""What is kept: each case runs commands into a folder and returns tables and records by name.

Cases call the command line, so that they do not depend on where a function stands; only ``studies`` calls functions.
"""

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import yaml

from taper_sim.cli import main

ROOT: Final = Path(__file__).resolve().parents[2]
SCENARIOS: Final = ROOT / "scenarios"
EXAMPLES: Final = ROOT / "examples"

Numbers = dict[str, pd.DataFrame | str]
"""Tables and JSON texts by name."""


def _command(*words: object, allowed: tuple[int, ...] = (0,)) -> str:
    """Run a command and return what it printed."""
    printed, problems = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(problems):
        code = main([str(word) for word in words])
    if code not in allowed:
        raise AssertionError(f"exit code {code} from {words}: {problems.getvalue()[-2000:]}")
    return printed.getvalue()


def _changed(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> Path:
    """A shipped scenario with something changed, in a file of its own."""
    content = yaml.safe_load((SCENARIOS / name).read_text())
    change(content)
    path = folder / name
    path.write_text(yaml.safe_dump(content))
    rules = folder / "rules"
    if not rules.exists():
        rules.symlink_to(SCENARIOS / "rules")
    return path


def _tables_of(folder: Path) -> Numbers:
    """The tables of a run: everybody together, without the hash of the code, which is meant to change."""
    numbers: Numbers = {}
    for path in sorted(folder.glob("*.csv")):
        table = pd.read_csv(path).drop(columns="code", errors="ignore")
        everybody = table["subgroup"] == "all" if "subgroup" in table else slice(None)
        numbers[path.stem] = table[everybody]
    return numbers


def trace(folder: Path) -> Numbers:
    """One patient by the reference, on a schedule and under a protocol."""
    patient = EXAMPLES / "patient.yaml"
    _command("trace", patient, "--days", 60, "--out", folder / "schedule.csv")
    _command("trace", patient, "--protocol", "linear(pct=10, every=14)", "--days", 60, "--out", folder / "linear.csv")
    return {name: pd.read_csv(folder / f"{name}.csv") for name in ("schedule", "linear")}


def compare(folder: Path) -> Numbers:
    """Fixed and reacting protocols, one class and three, personal pace among them."""
    numbers: Numbers = {}
    protocols = (
        'constant(), abrupt(), hyperbolic(steps=12, every=28), preset("CDC 2022 (use >=1 year)"), integral(every=14), '
        'adaptive("rules/symptom_guided.yaml"), '
        "supported(taper=linear(pct=10, every=28), care=nurse/group, pace=patient, mode=telephone)"
    )
    one_class = ("opioid_protocols.yaml", "--patients", 30, "--days", 168, "--protocols", protocols)
    three_classes = ("opioid_with_benzodiazepine.yaml", "--patients", 20, "--days", 112)
    personal = ("opioid_protocols.yaml", "--patients", 8, "--days", 56, "--protocols", "constant(), personal()")
    for name, (scenario, *words) in {"one": one_class, "three": three_classes, "personal": personal}.items():
        out = folder / name
        _command("compare", SCENARIOS / scenario, *words, "--out", out)
        numbers |= {f"{name}-{table}": rows for table, rows in _tables_of(out).items()}
        numbers[f"{name}-patients"] = pd.read_parquet(out / "patients.parquet")
    return numbers


def recommend(folder: Path) -> Numbers:
    """One patient's answer from tables, with and without an assessment, and from a Bundle."""
    files = ("recommend", EXAMPLES / "checkins.csv", "--doses", EXAMPLES / "doses.csv", "--json")
    baseline = ("--baseline", EXAMPLES / "assessment.yaml", "--limits", EXAMPLES / "limits.yaml")
    return {
        "plain": _command(*files),
        "assessed": _command(*files, *baseline),
        "bundle": _command("recommend", EXAMPLES / "bundle.json", "--json").replace(str(EXAMPLES), "examples"),
    }


def clinic(folder: Path) -> Numbers:
    """Two clinics, one coupled with languages and visits in person."""
    numbers: Numbers = {}
    for name in ("clinic_rural", "clinic_home_visits"):
        out = folder / name
        words = ("--patients", 24, "--days", 42, "--replications", 1, "--out", out)
        _command("clinic", SCENARIOS / f"{name}.yaml", *words)
        numbers |= {f"{name}-{table}": rows for table, rows in _tables_of(out).items()}
        numbers[f"{name}-events"] = pd.read_parquet(out / "events.parquet")
    return numbers


def staffing(folder: Path) -> Numbers:
    """A short search for a team."""

    def smaller(content: dict[str, Any]) -> None:
        content |= {"days": 14, "draws": 2}
        content["cohort"]["patients"] = 24
        content["clinic"]["enrol_over_d"] = 3
        content["clinic"]["staffing"] = {
            "probability": 0.5,
            "indifference": 0.3,
            "confidence": 0.5,
            "most_teams": 3,
            "most_replications": 3,
            "what_if_replications": 1,
            "fte": {"physician": {"least": 0.2, "most": 1}, "nurse": {"least": 0.5, "most": 1, "step": 0.5}},
            "targets": [
                {"metric": "late", "role": "nurse", "at_most": 0.9},
                {"metric": "order_wait_days", "at_most": 9},
            ],
        }

    _command("staffing", _changed(folder, "staffing_small.yaml", smaller), "--out", folder / "run")
    return _tables_of(folder / "run")


def evaluate(folder: Path) -> Numbers:
    """A short ladder with a truth that is not the model's."""

    def shorter(content: dict[str, Any]) -> None:
        content |= {"days": 56, "draws": 3}
        content["cohort"]["patients"] = 5
        content["ladder"] |= {
            "tuning_people": 5,
            "truths": [
                "the model",
                "under-reporting",
                "noisier reports",
                "heavy tails",
                "missing on bad days",
                "drift",
                "relative to current",
            ],
        }
        for rung in content["ladder"]["rungs"]:
            rung["knobs"] = rung["knobs"][:1]

    _command("evaluate", _changed(folder, "ladder.yaml", shorter), "--out", folder / "run")
    return _tables_of(folder / "run")


def fit(folder: Path) -> Numbers:
    """Centres and spreads of a few people: how the chains went is not asked."""
    import xarray

    people = 4
    rows = [pd.read_csv(EXAMPLES / name).assign(k=k) for name in ("checkins.csv", "doses.csv") for k in range(people)]
    for k, table in enumerate(rows):
        table["patient_id"] = [f"p{number}" for number in table.pop("k")]
        rows[k] = table
    checkins, doses = pd.concat(rows[:people]), pd.concat(rows[people:])
    checkins.to_csv(folder / "checkins.csv", index=False)
    doses.to_csv(folder / "doses.csv", index=False)
    out = folder / "population.nc"
    words = ("--draws", 20, "--tune", 30, "--person-draws", 64, "--out", out)
    # so few draws are not to be trusted: exit code 3
    _command("fit", folder / "checkins.csv", "--doses", folder / "doses.csv", *words, allowed=(0, 3))
    numbers: Numbers = {}
    with xarray.open_datatree(out) as tree:
        for group in tree.groups:
            for name, values in tree[group].data_vars.items():
                if values.dtype.kind in "fi" and values.size < 5000 and "time" not in str(name):
                    numbers[f"{group.strip('/').replace('/', '.')}.{name}"] = pd.DataFrame(
                        {"value": values.values.ravel()}
                    )
    return numbers


def studies(folder: Path) -> Numbers:
    """A piece of each study whose table is committed: what its rows are made of."""
    from taper_sim.studies import calibration, filter_form, forecasts, misspecified
    from taper_sim.studies.trial_tapers import simulated_trial
    from taper_sim.studies.trial_tapers.taper_population import TaperPopulation, hyperparameters

    ranks = [
        {"classes": classes, "population": population, **calibration.replicate(population, 1, 3, 256, classes).ranks}
        for classes in ("opioid", "all three")
        for population in ("usual", "floors")
    ]
    truths = [misspecified.row_of(truth, 5, 1) for truth in misspecified.SIMULATED_TRUTHS]
    prior = TaperPopulation("effect", np.array([h.mean for h in hyperparameters()]))
    simulated_trial.daily_table(prior, 24, 1).to_csv(folder / "daily.csv", index=False)
    _command("tapers", folder / "daily.csv", "--folds", 2, "--out", folder / "run", allowed=(0, 3))
    return {
        "sbc": pd.DataFrame(ranks),
        "filters": pd.DataFrame(filter_form.rows_of_person("usual", "opioid", 2, 1, 4)),
        "forecasts": pd.DataFrame(forecasts.rows_of_person("opioid", 2, 1)),
        "support": pd.DataFrame(truths).drop(columns="seconds", errors="ignore"),
        **{f"tapers-{name}": table[:400] for name, table in _tables_of(folder / "run").items()},
    }


CASES: Final[dict[str, Callable[[Path], Numbers]]] = {
    case.__name__: case for case in (trace, compare, recommend, clinic, staffing, evaluate, fit, studies)
}


def as_text(value: pd.DataFrame | str) -> str:
    """What is written of a table or a record: every digit."""
    if isinstance(value, str):
        return json.dumps(json.loads(value), indent=1) + "\n"
    return value.to_csv(index=False, lineterminator="\n")
