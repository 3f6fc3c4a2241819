"""The study: fit some people, predict the tapers of others, score, compare withdrawal drives.

Imports the other modules of ``trial_tapers``. A finished fit is kept under a hash of code, people and fixed
hyperparameters, so that a rerun resumes an interrupted study.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Floats
from taper_sim.inference.truncated_normal import truncated
from taper_sim.model import equations
from taper_sim.provenance import hash_of
from taper_sim.run_folder import read_table, write_csv, write_text
from taper_sim.studies.trial_tapers import (
    baseline_forecasts,
    predict,
    scores,
    taper_likelihood,
    taper_people,
    taper_population,
)
from taper_sim.studies.trial_tapers.predict import INFORMATION, visits_to_predict
from taper_sim.studies.trial_tapers.simulated_trial import simulated_like
from taper_sim.studies.trial_tapers.taper_likelihood import DRIVES
from taper_sim.studies.trial_tapers.taper_people import N_CATEGORIES, PersonTapers
from taper_sim.studies.trial_tapers.taper_population import TaperFit, TaperPopulation

People = dict[str, PersonTapers]

_ONE_TIME: Final[Mapping[str, float]] = {"omega": 1.0, "tau_L": 60.0}  # tau_L has no effect at omega 1
_NO_USE: Final[Mapping[str, float]] = {"use_points": 0.0}
VARIANTS: Final[Mapping[str, tuple[str, Mapping[str, float]]]] = {
    "effect": ("effect", _NO_USE),
    "effect, own use": ("effect", {}),
    "effect, one adaptation time": ("effect", {**_NO_USE, **_ONE_TIME}),
    "linear in mg": ("linear", _NO_USE),
    "relative to current": ("relative", _NO_USE),
}
"""Variants of the model by name: the drive, and the hyperparameters that are fixed, with their values."""
CATEGORY_COLUMNS: Final = [f"p{k}" for k in range(N_CATEGORIES)]
_WHERE: Final = ["who", "phase", "day_in_phase", "stage", "information"]
TAPER_AND_AFTER: Final = "taper and after"
POPULATION_ONLY, PERSONAL = "population only", "personal"


_LOGIC: Final = (
    taper_likelihood,
    taper_people,
    taper_population,
    predict,
    baseline_forecasts,
    scores,
    truncated.py_func,
    equations.pos,
    equations.relax,
    equations.effect,
    equations.set_point,
    equations.mean_of_four,
    equations.shortfall,
    equations.drive,
    equations.withdrawal_target,
    equations.adapted_at_start,
)


def code_hash() -> str:
    """Short hash of the code and priors of a table; comments, docstrings and layout do not count."""
    return hash_of(
        *_LOGIC, also=repr([taper_population.fixed_by_model(), *map(taper_population.hyperparameters, DRIVES)])
    )


def people_hash(people: People) -> str:
    """Hash of all data of people that a fit uses."""
    digest = hashlib.sha256()
    for who in sorted(people):
        for t in people[who]:
            digest.update(f"{who} {t.phase} {t.day_in_phase} {t.taper_day} {t.last_day}".encode())
            for array in (t.dose, t.day, t.category, t.recent_use):
                digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class FitStore:
    """Finished fits and predictions in a folder; missing ones are computed and stored there.

    Attributes
    ----------
    folder : Path
    log : callable
        Receives progress messages, a line each.
    """

    folder: Path
    log: Callable[[str], None] = lambda line: None

    def fit(self, train: People, variant: str) -> TaperFit:
        """Fit of a variant to these people."""
        drive, fixed = VARIANTS[variant]
        name = hashlib.sha256(f"{code_hash()} {people_hash(train)} {drive} {sorted(fixed.items())}".encode())
        path = self.folder / f"{name.hexdigest()[:16]}.json"
        if path.exists():
            content = json.loads(path.read_text(encoding="utf-8"))
            return TaperFit(
                TaperPopulation(drive, np.array(content["theta"]), fixed),
                np.array(content["covariance"]),
                content["log_likelihood"],
                content["steps"],
                content["converged"],
            )
        fitted = taper_population.fit([train[who] for who in sorted(train)], drive, fixed)
        self.log(f"fitted {variant} on {len(train)} people: log likelihood {fitted.log_likelihood:.1f}")
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {
            "theta": fitted.population.theta.tolist(),
            "covariance": fitted.covariance.tolist(),
            "log_likelihood": fitted.log_likelihood,
            "steps": fitted.steps,
            "converged": fitted.converged,
        }
        write_text(path, json.dumps(content))
        return fitted

    def predictions(self, train: People, test: People) -> pd.DataFrame:
        """Result of :func:`predictions` for these people."""
        name = hashlib.sha256(f"{code_hash()} {people_hash(train)} {people_hash(test)}".encode()).hexdigest()[:16]
        path = self.folder / f"predictions-{name}.csv"
        if not path.exists():
            write_csv(predictions(train, test, self), path)
            self.log(f"predicted {len(test)} people")
        return read_table(path, dtype={"who": str})


def folds_of(people: People, n_folds: int, seed: int) -> list[People]:
    """Folds of about equal size; they do not depend on the row order of the file."""
    order = np.random.default_rng([seed, n_folds]).permutation(np.array(sorted(people)))
    return [{who: people[who] for who in order[k::n_folds]} for k in range(n_folds)]


def all_but(parts: list[People], k: int) -> People:
    """People of every fold but the k-th."""
    return {who: person for j, part in enumerate(parts) if j != k for who, person in part.items()}


def predictions(train: People, test: People, store: FitStore) -> pd.DataFrame:
    """Predictive probabilities for every visit of the test people's later tapers, by information and method.

    Returns
    -------
    DataFrame
        Columns ``who, phase, day_in_phase, stage, information, method``, :data:`CATEGORY_COLUMNS`, and ``cows_cat``,
        the observed category.
    """
    without_use, with_use = store.fit(train, "effect").population, store.fit(train, "effect, own use").population
    mixed = baseline_forecasts.Mixed(train)
    parts = []
    for information in INFORMATION:
        train_visits, visits = visits_to_predict(train, information), visits_to_predict(test, information)
        if not visits or not train_visits:
            continue
        by_method: dict[str, Floats] = {
            POPULATION_ONLY: predict.predict(without_use, visits, personal=False),
            PERSONAL: predict.predict(without_use, visits, personal=True),
            f"{POPULATION_ONLY}, own use known": predict.predict(with_use, visits, personal=False),
            f"{PERSONAL}, own use known": predict.predict(with_use, visits, personal=True),
            "last value": baseline_forecasts.last_value(train_visits, visits),
            "person mean": baseline_forecasts.person_mean(train_visits, visits),
            "mixed logistic": mixed.predict(visits),
        }
        rows = [
            (v.who, v.taper.phase, int(v.taper.day[v.r]) + v.taper.day_in_phase, v.stage, information) for v in visits
        ]
        where = pd.DataFrame(rows, columns=_WHERE)
        for method, chances in by_method.items():
            parts.append(
                pd.concat(
                    [where.assign(method=method), pd.DataFrame(chances, columns=CATEGORY_COLUMNS)], axis=1
                ).assign(cows_cat=[v.category for v in visits])
            )
    return (
        pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*_WHERE, "method", *CATEGORY_COLUMNS])
    )


VISITS: Final[Mapping[str, tuple[str, ...]]] = {
    "taper and after": ("taper", "after"),
    "after induction": ("stabilised", "taper", "after"),
    "every visit": taper_people.STAGES,
}
"""Sets of visits of the later tapers that are scored, with their stages."""


def score_table(predictions: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Mean scores by information, visits and method, and differences from population only, with 95 % intervals."""
    rows = []
    for information in INFORMATION:
        for visits, stages in VISITS.items():
            scored = predictions[(predictions["information"] == information) & predictions["stage"].isin(stages)]
            if scored.empty or (information == predict.BEFORE_THE_TAPER and visits != TAPER_AND_AFTER):
                continue
            parts = {m: part.reset_index(drop=True) for m, part in scored.groupby("method", sort=False)}
            values = {
                m: scores.category_scores(p[CATEGORY_COLUMNS].to_numpy(), p["cows_cat"].to_numpy())
                for m, p in parts.items()
            }
            for method, part in parts.items():
                who = part["who"].to_numpy(dtype=str)
                for score in scores.SCORE_NAMES:
                    value = values[method][score]
                    difference = scores.mean_and_interval(value - values[POPULATION_ONLY][score], who, seed)
                    rows.append(
                        (
                            information,
                            visits,
                            method,
                            score,
                            len(part),
                            len(np.unique(who)),
                            *scores.mean_and_interval(value, who, seed),
                            *difference,
                        )
                    )
    columns = [
        "information",
        "visits",
        "method",
        "score",
        "n_visits",
        "n_people",
        "value",
        "lo95",
        "hi95",
        "difference",
        "difference_lo95",
        "difference_hi95",
    ]
    return pd.DataFrame(rows, columns=columns)


def calibrations(predictions: pd.DataFrame) -> pd.DataFrame:
    """Calibration of the probability of any withdrawal, visits of taper and after, by information and method."""
    parts = []
    scored = predictions[predictions["stage"].isin(VISITS[TAPER_AND_AFTER])]
    for (information, method), part in scored.groupby(["information", "method"], sort=False):
        table = scores.calibration(1.0 - part["p0"].to_numpy(), part["cows_cat"].to_numpy() > 0)
        parts.append(table.assign(information=str(information), method=str(method)))
    return pd.concat(parts, ignore_index=True)


def fitted_values(fitted: TaperFit, variant: str) -> pd.DataFrame:
    """Every hyperparameter with its 95 % interval (normal, on the working scale)."""
    rows = []
    population, sds = fitted.population, np.sqrt(np.diag(fitted.covariance))
    for h, x, sd in zip(population.free, population.theta, sds, strict=True):
        low, high = (h.natural(float(x + z * sd)) for z in (-1.96, 1.96))
        rows.append((variant, h.symbol, h.natural(float(x)), low, high, h.unit, h.meaning))
    return pd.DataFrame(rows, columns=["variant", "symbol", "value", "lo95", "hi95", "unit", "meaning"])


def variant_table(people: People, parts: list[People], store: FitStore) -> pd.DataFrame:
    """Variants by log likelihood: of all people together, and held out, of each fold under the fit to the others."""
    rows, held_out = [], {}
    for variant in VARIANTS:
        full_fit = store.fit(people, variant)
        by_person: dict[str, float] = {}
        for k in range(len(parts)):
            population = store.fit(all_but(parts, k), variant).population
            by_person |= {who: population.log_evidence(person) for who, person in parts[k].items()}
        held_out[variant] = np.array([by_person[who] for who in sorted(by_person)])
        difference = held_out[variant] - held_out["effect"]
        rows.append(
            (
                variant,
                len(people),
                len(full_fit.population.free),
                full_fit.log_likelihood,
                held_out[variant].sum(),
                difference.sum(),
                np.sqrt(len(difference)) * difference.std(),
                full_fit.converged,
            )
        )
    return pd.DataFrame(
        rows,
        columns=[
            "variant",
            "n_people",
            "n_free",
            "log_likelihood",
            "held_out",
            "against_effect",
            "against_effect_se",
            "converged",
        ],
    )


_REPLICATES: Final = 100


def _log_loss_saved(population: TaperPopulation, people: People) -> float:
    """Mean log loss per visit saved by information on earlier tapers, visits of taper and after."""
    visits = [v for v in visits_to_predict(people, INFORMATION[0]) if v.stage in VISITS[TAPER_AND_AFTER]]
    category = np.array([v.category for v in visits])
    personal, population_only = (predict.predict(population, visits, personal=p) for p in (True, False))
    loss = [scores.category_scores(chances, category)["log_loss"].mean() for chances in (population_only, personal)]
    return float(loss[0] - loss[1])


def _correlation(people: People) -> float:
    """Correlation between the mean categories of a person's first two tapers, visits of taper and after."""
    pairs = []
    for person in people.values():
        categories = [t.category[(t.day >= 0) & (t.day >= t.taper_day)] for t in person[:2]]
        if len(categories) == 2 and all(len(category) for category in categories):
            pairs.append([float(category.mean()) for category in categories])
    return float(np.corrcoef(np.array(pairs).T)[0, 1]) if len(pairs) > 2 else float("nan")


def between_tapers(people: People, population: TaperPopulation, seed: int) -> pd.DataFrame:
    """Dependence between a person's tapers, observed and in data simulated from the population.

    Returns
    -------
    DataFrame
        Columns ``statistic, found, replicated, lo95, hi95``. The statistics are the correlation between the first two
        tapers, and the log loss per visit saved by information on the first. ``found`` is the observed statistic; the
        other columns are its mean and 95 % interval over simulated data with the same doses and visits.
    """
    simulated = [simulated_like(population, people, seed + k) for k in range(_REPLICATES)]
    rows = []
    for name, statistic, n in (
        ("correlation of mean categories", _correlation, _REPLICATES),
        ("log loss saved by the earlier taper", lambda x: _log_loss_saved(population, x), _REPLICATES // 10),
    ):
        replicates = np.array([statistic(x) for x in simulated[:n]])
        interval = np.quantile(replicates, [0.025, 0.975])
        rows.append((name, statistic(people), float(np.mean(replicates)), *interval))
    return pd.DataFrame(rows, columns=["statistic", "found", "replicated", "lo95", "hi95"])


def population_of(values: pd.DataFrame, variant: str = "effect") -> TaperPopulation:
    """Population from a table of :func:`fitted_values`.

    Raises
    ------
    KeyError
        If the table lacks the variant or one of its hyperparameters.
    """
    drive, fixed = VARIANTS[variant]
    value = values[values["variant"] == variant].set_index("symbol")["value"]
    free = TaperPopulation(drive, np.empty(0), fixed).free
    return TaperPopulation(drive, np.array([h.working(float(value[h.symbol])) for h in free]), fixed)
