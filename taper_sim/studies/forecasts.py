"""Forecasts of the next weeks' reports: the model against baseline forecasts.

Imports ``inference``, ``studies.simulated_people``. ``python -m
taper_sim.studies.forecasts --out docs/tables/forecasts.csv`` resumes an interrupted study. Every seventh day the
posterior is computed from the reports up to that day, and an ensemble forecasts each later report. Baseline forecasts:

- *last value*: the last report of the instrument plus changes over the same gap among other people
- *population mean*: reports of other people of the same pace on the same day
- *prior only*: the model on the same doses, without any report
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Bools, Floats
from taper_sim.inference.draws import equal_draws
from taper_sim.inference.observation import INSTRUMENTS, instrument_names, on_scale, unobserved_after
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of
from taper_sim.studies.calibration import code_hash
from taper_sim.studies.resumable import run_study
from taper_sim.studies.simulated_people import CLASSES, SimulatedPerson, evidence_from, person_of

_N_DAYS: Final = 84
_PACES_PCT: Final = (5.0, 10.0, 20.0)
_AHEAD_D: Final = (7, 14, 28)
"""Ends of the scored spans ahead, days: the first week, the second week, the third and fourth weeks."""
_FIRST_D: Final = 14
"""Day of the first forecast."""
_ENSEMBLE: Final = 400
_N_REFERENCE: Final = 200
"""Number of other people on whom the baseline forecasts rest, for each pace."""
_METHODS: Final = ("model", "prior only", "last value", "population mean")
_COLUMNS: Final = [
    "classes",
    "number",
    "instrument",
    "span",
    "method",
    "n",
    "bias",
    "square",
    "crps",
    "cover50",
    "cover80",
    "cover95",
]


def forecast_reports(
    evidence: Evidence, posterior: Posterior, after_day: int, generator: np.random.Generator, n: int = _ENSEMBLE
) -> tuple[Floats, Bools]:
    """Ensemble forecasts of the reports after a day, on the instruments' scales.

    Parameters
    ----------
    evidence : Evidence
        Doses and reports beyond the day; the values of reports after the day are not used.
    posterior : Posterior
        Posterior given the reports up to the day, or draws of the prior.
    after_day : int
    generator : numpy.random.Generator
    n : int
        Size of an ensemble.

    Returns
    -------
    ndarray, (n, n_reports)
        Forecast values.
    ndarray of bool, (n_reports,)
        Whether a report is after the day.
    """
    r = unobserved_after(evidence.reports, after_day)
    z = posterior.z[equal_draws(posterior.weights, n)]
    unobserved_evidence = Evidence(evidence.prior, evidence.shared, evidence.regimen, r)
    _, centre, spread = unobserved_evidence.log_posterior(z, predicted=True)
    sd = np.sqrt(np.maximum(spread - r.rounding, 0.0))
    score = centre + sd * generator.standard_normal(centre.shape)
    return on_scale(score, r), r.day > after_day


def scores_of(ensemble: Floats, truth: Floats, generator: np.random.Generator) -> dict[str, Floats]:
    """Error of the mean, its square, CRPS and coverage (of the randomised rank) of ensembles, (n_reports,) each."""
    ordered = np.sort(ensemble, axis=0)
    n = len(ordered)
    error = ordered.mean(axis=0) - truth
    # CRPS of an ensemble: mean distance to the truth minus half the mean distance between two members
    between = 2.0 * ((2.0 * np.arange(1, n + 1) - n - 1)[:, None] * ordered).sum(axis=0) / n**2
    crps = np.abs(ordered - truth).mean(axis=0) - 0.5 * between
    below, equal = (ordered < truth).sum(axis=0), (ordered == truth).sum(axis=0)
    rank = (below + generator.random(len(truth)) * (equal + 1)) / (n + 1)
    cover = {f"cover{100 * level:.0f}": np.abs(rank - 0.5) < level / 2 for level in (0.5, 0.8, 0.95)}
    return {"bias": error, "square": error**2, "crps": crps, **cover}


@dataclass(frozen=True)
class ReferenceReports:
    """Reports of other people of one pace, by instrument (200 people, 85 days); nan on a day without a report."""

    reports: Mapping[str, Floats]

    def on(self, instrument: str, day: int) -> Floats:
        """Reports on a day; the window around the day widens until it holds at least 50 reports.

        Raises
        ------
        ValueError
            If there are fewer than 50 reports of the instrument.
        """
        table = self.reports[instrument]
        for around in range(_N_DAYS):
            window = table[:, max(day - around, 1) : day + around + 1].ravel()
            window = window[np.isfinite(window)]
            if len(window) >= _N_REFERENCE // 4:
                return np.asarray(window)
        raise ValueError(f"fewer than {_N_REFERENCE // 4} reports of {instrument}")

    def changes(self, instrument: str, gap: int) -> Floats:
        """Changes between two reports of a person ``gap`` days apart."""
        table = self.reports[instrument]
        change = (table[:, 1 + gap :] - table[:, 1:-gap]).ravel()
        return np.asarray(change[np.isfinite(change)])


@lru_cache(maxsize=8)
def reference_reports(classes: str, pct: float, seed: int) -> ReferenceReports:
    """Reports of people from the same population on the same pace; none of them is a person of the study."""
    rng = np.random.default_rng([seed, int(10 * pct), list(CLASSES).index(classes), 99])
    tables: dict[str, Floats] = {}
    for number in range(_N_REFERENCE):
        for day, report in person_of("usual", classes, pct, _N_DAYS, rng).reports:
            table = tables.setdefault(report.instrument, np.full((_N_REFERENCE, _N_DAYS + 1), np.nan))
            table[number, day] = report.value
    return ReferenceReports(tables)


def _prior_draws(person: SimulatedPerson, seed: int) -> Posterior:
    """Draws of the prior, as the posterior given no reports."""
    evidence = person.evidence
    return posterior_of(evidence_from(evidence.prior, evidence.shared, person.regimen, [], 0), 1024, seed)


def rows_of_person(classes: str, number: int, seed: int) -> list[tuple[Any, ...]]:
    """Scores of one person's forecasts, summed over reports: a row for each instrument, span ahead and method."""
    rng = np.random.default_rng([seed, number, list(CLASSES).index(classes), 8])
    pct = float(rng.choice(_PACES_PCT))
    person = person_of("usual", classes, pct, _N_DAYS, rng)
    reference = reference_reports(classes, pct, seed)
    evidence = person.evidence
    r, names = evidence.reports, np.array(instrument_names(evidence.reports))
    order = [i.name for i in INSTRUMENTS]
    in_order = sorted(person.reports, key=lambda item: (item[0], order.index(item[1].instrument)))
    written = np.array([report.value for _, report in in_order])
    prior_draws = _prior_draws(person, seed)
    scores: list[pd.DataFrame] = []
    for day in range(_FIRST_D, _N_DAYS - 6, 7):
        posterior = posterior_of(
            evidence_from(evidence.prior, evidence.shared, person.regimen, person.reports, day), 1024, seed
        )
        model, later = forecast_reports(evidence, posterior, day, rng)
        prior, _ = forecast_reports(evidence, prior_draws, 0, rng)
        last, mean = np.zeros_like(model), np.zeros_like(model)
        for k in np.flatnonzero(later):
            name, ahead = str(names[r.slot[k]]), int(r.day[k])
            mean[:, k] = rng.choice(reference.on(name, ahead), _ENSEMBLE)
            earlier = np.flatnonzero((r.slot == r.slot[k]) & (r.day <= day))
            if len(earlier):
                change = rng.choice(reference.changes(name, ahead - int(r.day[earlier[-1]])), _ENSEMBLE)
                i = INSTRUMENTS[r.place[r.slot[k]]]
                last[:, k] = np.clip(written[earlier[-1]] + change, i.low, i.high)
            else:
                last[:, k] = mean[:, k]
        span = np.searchsorted(_AHEAD_D, r.day - day)
        scored = later & (span < len(_AHEAD_D))
        for method, ensemble in zip(_METHODS, (model, prior, last, mean), strict=True):
            columns = {"instrument": names[r.slot[scored]], "span": span[scored], "method": method}
            scores.append(pd.DataFrame({**columns, **scores_of(ensemble[:, scored], written[scored], rng)}))
    table = pd.concat(scores)
    table["n"] = 1
    sums = table.groupby(["instrument", "span", "method"], sort=False).sum(numeric_only=True).reset_index()
    sums["span"] = np.array(_AHEAD_D)[sums["span"]]
    return list(sums.assign(classes=classes, number=number)[_COLUMNS].itertuples(index=False, name=None))


def summary(people: pd.DataFrame) -> pd.DataFrame:
    """Mean scores, a row for each set of classes, instrument, span and method; each CRPS over the model's."""
    sums = people.drop(columns="number").groupby(["classes", "instrument", "span", "method"], sort=False).sum()
    table = sums.div(sums["n"], axis=0).drop(columns="n")
    table.insert(0, "n", sums["n"])
    table["rmse"] = np.sqrt(table.pop("square"))
    table = table.reset_index().rename(columns={"span": "days_ahead"})
    key = ["classes", "instrument", "days_ahead"]
    model = table[table["method"] == "model"].set_index(key)["crps"]
    table["crps_over_model"] = (
        table["crps"].to_numpy() / model.loc[[tuple(k) for k in table[key].to_numpy()]].to_numpy()
    )
    columns = [*key, "method", "n", "bias", "rmse", "crps", "crps_over_model", "cover50", "cover80", "cover95"]
    return table[columns].round(3).assign(code=code_hash())


def main() -> None:
    """Run the missing people and write the table."""
    run_study(
        "forecasts of the next weeks' reports",
        "run-forecasts",
        60,
        _COLUMNS,
        lambda n_people: product(("opioid", "all three"), range(n_people)),
        lambda piece, n_people, seed: rows_of_person(piece[0], piece[1], seed),
        summary,
        code_hash(),
    )


if __name__ == "__main__":
    main()
