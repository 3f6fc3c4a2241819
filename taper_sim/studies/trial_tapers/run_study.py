"""The command ``taper-sim tapers``: files in, a folder of tables out. Imports ``study``, ``simulated``, ``data``."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pandas as pd

from taper_sim.data.problems import InputError, Problem, problem
from taper_sim.data.trial import read_trial
from taper_sim.run_folder import check_writable, sha256_of, write_csv, write_json
from taper_sim.studies.trial_tapers import study
from taper_sim.studies.trial_tapers.taper_people import people_of

LEAST_PEOPLE: Final = 20
"""People with two tapers that a fit needs at least: fewer cannot say what carries over from one to the next."""
MOST_FOLDS: Final = 50
_FITTED: Final = ("effect", "effect, own use")


def _read(path: Path, to_fit: bool) -> study.People:
    people = people_of(read_trial(path))
    twice = sum(len(person) > 1 for person in people.values())
    if to_fit and twice < LEAST_PEOPLE:
        raise problem(str(path), "", f"{twice} people with visits in two phases", f"at least {LEAST_PEOPLE} to fit")
    if not twice:
        raise problem(str(path), "", "nobody with visits in two phases", "somebody whose later taper is predicted")
    return people


def _checked(daily: Path | None, train: Path | None, test: Path | None, folds: int, drives: bool) -> None:
    """Raise an InputError where the arguments do not go together."""
    found = []
    if (daily is None) == (train is None) or (train is None) != (test is None):
        found.append(Problem("tapers", "", "other files", "DAILY.csv alone, or --train and --test"))
    if not 2 <= folds <= MOST_FOLDS:
        found.append(Problem("tapers", "--folds", str(folds), f"2 to {MOST_FOLDS}"))
    if drives and daily is None:
        found.append(Problem("tapers", "--drives", "--train and --test", "DAILY.csv, whose people are held out"))
    if found:
        raise InputError(found)


def run(
    daily: Path | None,
    train: Path | None,
    test: Path | None,
    out: Path,
    *,
    folds: int,
    drives: bool,
    seed: int,
    say: Callable[[str], None],
) -> tuple[pd.DataFrame, bool]:
    """Fit, predict, score, and write the tables of docs/real-tapers.md.

    Parameters
    ----------
    daily : Path or None
        People who are held out in parts; or else
    train, test : Path or None
        people to fit, and people to predict.
    out : Path
        A folder; fits that are finished are kept in it, and the same call goes on from them.
    folds, seed : int
        How many parts; of the parts and the intervals.
    drives : bool
        Whether drives and adaptation times are compared too.
    say : callable
        Takes a line of progress.

    Returns
    -------
    DataFrame, bool
        The scores, and whether every fit reached its top.

    Raises
    ------
    InputError
    """
    _checked(daily, train, test, folds, drives)
    check_writable(out)
    kept, code = study.Kept(out / "fits", say), study.code_hash()
    if daily is not None:
        everybody, sources = _read(daily, True), [daily]
        parts = study.folds_of(everybody, folds, seed)
        each = [kept.predictions(study.others(parts, k), part) for k, part in enumerate(parts)]
        found = pd.concat(each, ignore_index=True)
    elif train is not None and test is not None:
        everybody, parts, sources = _read(train, True), [], [train, test]
        found = kept.predictions(everybody, _read(test, False))
    fits = {variant: kept.fit(everybody, variant) for variant in (study.VARIANTS if drives else _FITTED)}
    scores = study.scored(found, seed)
    tables = {"predictions": found, "scores": scores, "calibration": study.calibrations(found)}
    tables["population"] = pd.concat([study.fitted_values(fit, v) for v, fit in fits.items()], ignore_index=True)
    tables["between_tapers"] = study.between_tapers(everybody, fits["effect"].population, seed)
    if drives:
        tables["drives"] = study.compared(everybody, parts, kept)
    for name, table in tables.items():
        write_csv(table.assign(code=code), out / f"{name}.csv")
    converged = {variant: fit.converged for variant, fit in fits.items()}
    manifest = {
        "not_for": "research use: not clinically reviewed",
        "code": code,
        "seed": seed,
        "inputs": {path.name: sha256_of(path) for path in sources},
        "people": {"fitted": len(everybody), "predicted": int(found["who"].nunique())},
        "converged": converged,
    }
    write_json(manifest, out / "manifest.json")
    return scores, all(converged.values())
