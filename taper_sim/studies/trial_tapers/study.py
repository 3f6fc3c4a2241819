"""The study: fit some people, predict the tapers of others, score, compare drives. Imports ``predict``, ``rivals``.

Fits are kept by a hash of code, people and what is held, so that an interrupted study goes on where it stopped.
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
from taper_sim.inference.likelihood import truncated
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
from taper_sim.studies.trial_tapers.predict import INFORMATION, Asked, asked
from taper_sim.studies.trial_tapers.simulated_trial import replicated
from taper_sim.studies.trial_tapers.taper_likelihood import DRIVES
from taper_sim.studies.trial_tapers.taper_people import N_CATEGORIES, PersonTapers
from taper_sim.studies.trial_tapers.taper_population import TaperFit, TaperPopulation

People = dict[str, PersonTapers]

ONE_TIME: Final[Mapping[str, float]] = {"omega": 1.0, "tau_L": 60.0}  # of tau_L nothing is left at omega 1
NO_USE: Final[Mapping[str, float]] = {"use_points": 0.0}
VARIANTS: Final[Mapping[str, tuple[str, Mapping[str, float]]]] = {
    "effect": ("effect", NO_USE),
    "effect, own use": ("effect", {}),
    "effect, one adaptation time": ("effect", {**NO_USE, **ONE_TIME}),
    "linear in mg": ("linear", NO_USE),
    "relative to current": ("relative", NO_USE),
}
"""What is compared: a name, the drive, and the hyperparameters that are held."""
CHANCES: Final = [f"p{k}" for k in range(N_CATEGORIES)]
WHERE: Final = ["who", "phase", "day_in_phase", "stage", "information"]
FROM_THE_TAPER: Final = "taper and after"
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
    """Short hash of the code and priors that a table describes, without comments, docstrings and layout."""
    return hash_of(*_LOGIC, also=repr([taper_population.held(), *map(taper_population.hyperparameters, DRIVES)]))


def people_hash(some: People) -> str:
    """Hash of everything that a fit sees of people."""
    digest = hashlib.sha256()
    for who in sorted(some):
        for t in some[who]:
            digest.update(f"{who} {t.phase} {t.day_in_phase} {t.taper_day} {t.last_day}".encode())
            for array in (t.dose, t.day, t.category, t.recent_use):
                digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Kept:
    """Fits and predictions that are finished, in a folder; what is missing is computed and put there."""

    folder: Path
    say: Callable[[str], None] = lambda line: None

    def fit(self, train: People, variant: str) -> TaperFit:
        """The fit of a variant on these people."""
        drive, fixed = VARIANTS[variant]
        name = hashlib.sha256(f"{code_hash()} {people_hash(train)} {drive} {sorted(fixed.items())}".encode())
        path = self.folder / f"{name.hexdigest()[:16]}.json"
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            return TaperFit(
                TaperPopulation(drive, np.array(kept["theta"]), fixed),
                np.array(kept["covariance"]),
                kept["log_likelihood"],
                kept["steps"],
                kept["converged"],
            )
        found = taper_population.fit([train[who] for who in sorted(train)], drive, fixed)
        self.say(f"fitted {variant} on {len(train)} people: log likelihood {found.log_likelihood:.1f}")
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = {
            "theta": found.population.theta.tolist(),
            "covariance": found.covariance.tolist(),
            "log_likelihood": found.log_likelihood,
            "steps": found.steps,
            "converged": found.converged,
        }
        write_text(path, json.dumps(kept))
        return found

    def predictions(self, train: People, test: People) -> pd.DataFrame:
        """:func:`predictions` of these people."""
        name = hashlib.sha256(f"{code_hash()} {people_hash(train)} {people_hash(test)}".encode()).hexdigest()[:16]
        path = self.folder / f"predictions-{name}.csv"
        if not path.exists():
            write_csv(predictions(train, test, self), path)
            self.say(f"predicted {len(test)} people")
        return read_table(path, dtype={"who": str})


def folds_of(everybody: People, n_folds: int, seed: int) -> list[People]:
    """People in parts of about equal size; the order of the file changes nothing."""
    order = np.random.default_rng([seed, n_folds]).permutation(np.array(sorted(everybody)))
    return [{who: everybody[who] for who in order[k::n_folds]} for k in range(n_folds)]


def others(parts: list[People], k: int) -> People:
    """Everybody who is not in the k-th part."""
    return {who: person for j, part in enumerate(parts) if j != k for who, person in part.items()}


def predictions(train: People, test: People, kept: Kept) -> pd.DataFrame:
    """Chances for every visit of the test people's later tapers, by information and method.

    Returns
    -------
    DataFrame
        Columns :data:`WHERE`, ``method``, :data:`CHANCES`, ``cows_cat``: what was found.
    """
    plain, with_use = kept.fit(train, "effect").population, kept.fit(train, "effect, own use").population
    mixed = baseline_forecasts.Mixed(train)
    parts = []
    for information in INFORMATION:
        learn, ask = asked(train, information), asked(test, information)
        if not ask or not learn:
            continue
        found: dict[str, Floats] = {
            POPULATION_ONLY: predict.predict(plain, ask, personal=False),
            PERSONAL: predict.predict(plain, ask, personal=True),
            f"{POPULATION_ONLY}, own use known": predict.predict(with_use, ask, personal=False),
            f"{PERSONAL}, own use known": predict.predict(with_use, ask, personal=True),
            "last value": baseline_forecasts.last_value(learn, ask),
            "person mean": baseline_forecasts.person_mean(learn, ask),
            "mixed logistic": mixed.predict(ask),
        }
        where = pd.DataFrame([_where(v, information) for v in ask], columns=WHERE)
        for method, chances in found.items():
            parts.append(
                pd.concat([where.assign(method=method), pd.DataFrame(chances, columns=CHANCES)], axis=1).assign(
                    cows_cat=[v.category for v in ask]
                )
            )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*WHERE, "method", *CHANCES])


def _where(v: Asked, information: str) -> tuple[str, int, int, str, str]:
    return v.who, v.taper.phase, int(v.taper.day[v.r]) + v.taper.day_in_phase, v.stage, information


VISITS: Final[Mapping[str, tuple[str, ...]]] = {
    "taper and after": ("taper", "after"),
    "after induction": ("stabilised", "taper", "after"),
    "every visit": taper_people.STAGES,
}
"""Which visits of the later tapers are scored, and their stages."""


def scored(found: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Scores by information, visits and method, and their difference from population only, with 95 % intervals."""
    rows = []
    for information in INFORMATION:
        for visits, stages in VISITS.items():
            mine = found[(found["information"] == information) & found["stage"].isin(stages)]
            if mine.empty or (information == predict.FROM_THE_TAPER and visits != FROM_THE_TAPER):
                continue
            by = {m: part.reset_index(drop=True) for m, part in mine.groupby("method", sort=False)}
            each = {m: scores.scored(part[CHANCES].to_numpy(), part["cows_cat"].to_numpy()) for m, part in by.items()}
            for method, part in by.items():
                who = part["who"].to_numpy(dtype=str)
                for score in scores.SCORES:
                    value = each[method][score]
                    against = scores.mean_and_interval(value - each[POPULATION_ONLY][score], who, seed)
                    rows.append(
                        (
                            information,
                            visits,
                            method,
                            score,
                            len(part),
                            len(np.unique(who)),
                            *scores.mean_and_interval(value, who, seed),
                            *against,
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


def calibrations(found: pd.DataFrame) -> pd.DataFrame:
    """Chance of any withdrawal against its share, visits of taper and after, by information and method."""
    parts = []
    mine = found[found["stage"].isin(VISITS[FROM_THE_TAPER])]
    for (information, method), part in mine.groupby(["information", "method"], sort=False):
        table = scores.calibration(1.0 - part["p0"].to_numpy(), part["cows_cat"].to_numpy() > 0)
        parts.append(table.assign(information=str(information), method=str(method)))
    return pd.concat(parts, ignore_index=True)


def fitted_values(of: TaperFit, variant: str) -> pd.DataFrame:
    """Every hyperparameter with its 95 % interval (normal, on the scale of the search)."""
    rows = []
    for h, x, sd in zip(of.population.free, of.population.theta, np.sqrt(np.diag(of.covariance)), strict=True):
        low, high = (h.natural(float(x + z * sd)) for z in (-1.96, 1.96))
        rows.append((variant, h.symbol, h.natural(float(x)), low, high, h.unit, h.meaning))
    return pd.DataFrame(rows, columns=["variant", "symbol", "value", "lo95", "hi95", "unit", "meaning"])


def compared(everybody: People, parts: list[People], kept: Kept) -> pd.DataFrame:
    """Variants by log likelihood: of all people, and of each person under the fit to the others' parts."""
    rows, best = [], {}
    for variant in VARIANTS:
        whole = kept.fit(everybody, variant)
        held_out: dict[str, float] = {}
        for k in range(len(parts)):
            fitted = kept.fit(others(parts, k), variant).population
            held_out |= {who: fitted.log_evidence(person) for who, person in parts[k].items()}
        best[variant] = np.array([held_out[who] for who in sorted(held_out)])
        d = best[variant] - best["effect"]
        rows.append(
            (
                variant,
                len(everybody),
                len(whole.population.free),
                whole.log_likelihood,
                best[variant].sum(),
                d.sum(),
                np.sqrt(len(d)) * d.std(),
                whole.converged,
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


def _later_gain(chosen: TaperPopulation, some: People) -> float:
    """Log loss saved a visit by knowing earlier tapers, visits of taper and after."""
    ask = [v for v in asked(some, INFORMATION[0]) if v.stage in VISITS[FROM_THE_TAPER]]
    category = np.array([v.category for v in ask])
    personal, anybody = (predict.predict(chosen, ask, personal=p) for p in (True, False))
    loss = [scores.scored(chances, category)["log_loss"].mean() for chances in (anybody, personal)]
    return float(loss[0] - loss[1])


def _correlation(some: People) -> float:
    """Between the mean categories of a person's first two tapers, visits of taper and after."""
    pairs = []
    for person in some.values():
        of = [t.category[(t.day >= 0) & (t.day >= t.taper_day)] for t in person[:2]]
        if len(of) == 2 and all(len(category) for category in of):
            pairs.append([float(category.mean()) for category in of])
    return float(np.corrcoef(np.array(pairs).T)[0, 1]) if len(pairs) > 2 else float("nan")


def between_tapers(some: People, chosen: TaperPopulation, seed: int) -> pd.DataFrame:
    """What carries over, found and as the population itself would give it on the same doses and visits.

    Returns
    -------
    DataFrame
        ``statistic, found, replicated, lo95, hi95``: the correlation of one's two tapers, and the log loss saved a
        visit by knowing the first; the last three over people drawn from the population, whose truth the model knows.
    """
    drawn = [replicated(chosen, some, seed + k) for k in range(_REPLICATES)]
    rows = []
    for name, of, n in (
        ("correlation of mean categories", _correlation, _REPLICATES),
        ("log loss saved by the earlier taper", lambda x: _later_gain(chosen, x), _REPLICATES // 10),
    ):
        each = np.array([of(x) for x in drawn[:n]])
        rows.append((name, of(some), float(np.mean(each)), *np.quantile(each, [0.025, 0.975])))
    return pd.DataFrame(rows, columns=["statistic", "found", "replicated", "lo95", "hi95"])


def population_of(values: pd.DataFrame, variant: str = "effect") -> TaperPopulation:
    """The population of a table of :func:`fitted_values`.

    Raises
    ------
    KeyError
        The table has no such variant, or lacks one of its hyperparameters.
    """
    drive, fixed = VARIANTS[variant]
    value = values[values["variant"] == variant].set_index("symbol")["value"]
    free = TaperPopulation(drive, np.empty(0), fixed).free
    return TaperPopulation(drive, np.array([h.working(float(value[h.symbol])) for h in free]), fixed)
