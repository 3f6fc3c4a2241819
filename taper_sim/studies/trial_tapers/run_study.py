"""The command ``taper-sim tapers``: reads files, writes a folder of tables. Imports ``study``, ``data``."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pandas as pd

from taper_sim.data.problems import InputError, Problem, problem
from taper_sim.data.trial import read_trial
from taper_sim.run_folder import check_writable, sha256_of, write_csv, write_json
from taper_sim.studies.trial_tapers import study
from taper_sim.studies.trial_tapers.taper_people import people_of
from taper_sim.tables import UNREVIEWED

KIND: Final = "tapers"
LEAST_PEOPLE: Final = 20
"""Fewest people with two tapers for a fit: fewer carry too little information on the correlation between tapers."""
MOST_FOLDS: Final = 50
_FITTED: Final = ("effect", "effect, own use")


def people_to_fit(path: Path, to_fit: bool = True) -> study.People:
    """People of a trial's daily table.

    Raises
    ------
    InputError
        If too few people have two tapers.
    """
    people = people_of(read_trial(path))
    twice = sum(len(person) > 1 for person in people.values())
    if to_fit and twice < LEAST_PEOPLE:
        raise problem(str(path), "", f"{twice} people with visits in two phases", f"at least {LEAST_PEOPLE} to fit")
    if not twice:
        raise problem(str(path), "", "no person with visits in two phases", "at least one such person")
    return people


def _checked(daily: Path | None, train: Path | None, test: Path | None, folds: int, drives: bool) -> None:
    """Raise an InputError for arguments that contradict each other."""
    problems = []
    if (daily is None) == (train is None) or (train is None) != (test is None):
        problems.append(Problem("tapers", "", "other files", "DAILY.csv alone, or --train and --test"))
    if not 2 <= folds <= MOST_FOLDS:
        problems.append(Problem("tapers", "--folds", str(folds), f"2 to {MOST_FOLDS}"))
    if drives and daily is None:
        problems.append(Problem("tapers", "--drives", "--train and --test", "DAILY.csv, for cross-validation"))
    if problems:
        raise InputError(problems)


def run(
    daily: Path | None,
    train: Path | None,
    test: Path | None,
    out: Path,
    *,
    folds: int,
    drives: bool,
    seed: int,
    log: Callable[[str], None],
) -> tuple[pd.DataFrame, bool]:
    """Fit, predict, score, and write the tables of docs/real-tapers.md.

    Parameters
    ----------
    daily : Path or None
        Daily table for cross-validation: each fold of its people is predicted from the others.
    train, test : Path or None
        Daily tables of people to fit and people to predict, instead of ``daily``.
    out : Path
        Output folder; it keeps finished fits, and a rerun of the same command resumes from them.
    folds : int
        Number of folds.
    seed : int
        Seed of the folds and of the bootstrap intervals.
    drives : bool
        Whether to compare withdrawal drives and adaptation times too.
    log : callable
        Receives progress messages, a line each.

    Returns
    -------
    DataFrame
        The scores.
    bool
        Whether every fit converged.

    Raises
    ------
    InputError
        If arguments contradict each other, or for every problem of the files.
    """
    _checked(daily, train, test, folds, drives)
    check_writable(out)
    store, code = study.FitStore(out / "fits", log), study.code_hash()
    if daily is not None:
        people, sources = people_to_fit(daily), [daily]
        parts = study.folds_of(people, folds, seed)
        of_folds = [store.predictions(study.all_but(parts, k), part) for k, part in enumerate(parts)]
        predictions = pd.concat(of_folds, ignore_index=True)
    elif train is not None and test is not None:
        people, parts, sources = people_to_fit(train), [], [train, test]
        predictions = store.predictions(people, people_to_fit(test, to_fit=False))
    fits = {variant: store.fit(people, variant) for variant in (study.VARIANTS if drives else _FITTED)}
    scores = study.score_table(predictions, seed)
    tables = {"predictions": predictions, "scores": scores, "calibration": study.calibrations(predictions)}
    tables["population"] = pd.concat([study.fitted_values(fit, v) for v, fit in fits.items()], ignore_index=True)
    tables["between_tapers"] = study.between_tapers(people, fits["effect"].population, seed)
    if drives:
        tables["drives"] = study.variant_table(people, parts, store)
    for name, table in tables.items():
        write_csv(table.assign(code=code), out / f"{name}.csv")
    converged = {variant: fit.converged for variant, fit in fits.items()}
    manifest = {
        "kind": KIND,
        "not_for": "research use: not clinically reviewed",
        "code": code,
        "seed": seed,
        "inputs": {path.name: sha256_of(path) for path in sources},
        "people": {"fitted": len(people), "predicted": int(predictions["who"].nunique())},
        "converged": converged,
        "clinical_review": UNREVIEWED,
        "outputs_sha256": {f"{name}.csv": sha256_of(out / f"{name}.csv") for name in tables},
    }
    write_json(manifest, out / "manifest.json")
    return scores, all(converged.values())
