"""Reports of the next weeks, foretold each week before they came: the model against simpler forecasts.

``python -m taper_sim.studies.forecasts --out docs/tables/forecasts.csv`` goes on where it stopped. Imports
``simulated``. Every seventh day the posterior is computed from what was reported so far, and the reports of the weeks
after are foretold, each by an ensemble, from what was known on that day alone. Rivals:

- *last value*: the last report of that instrument, with the spread that such a change has among other people
- *population mean*: reports of other people of the same pace on the same day
- *prior only*: the model on the same doses, without a single report
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
from taper_sim.inference.observation import INSTRUMENTS, names_of, on_scale, unheard
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of
from taper_sim.studies.calibration import code_hash
from taper_sim.studies.resumable import run_study
from taper_sim.studies.simulated_people import CLASSES, SimulatedPerson, evidence_from, person_of

N_DAYS: Final = 84
PACES_PCT: Final = (5.0, 10.0, 20.0)
AHEAD_D: Final = (7, 14, 28)
"""Ends of the spans ahead that are judged: the first week, the second, the third and fourth."""
FIRST_D: Final = 14
"""Day of the first forecast."""
ENSEMBLE: Final = 400
OTHERS: Final = 200
"""People that rivals learn from, by pace."""
METHODS: Final = ("model", "prior only", "last value", "population mean")
_ONE: Final = [
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


def foretold(
    evidence: Evidence, posterior: Posterior, after_day: int, generator: np.random.Generator, n: int = ENSEMBLE
) -> tuple[Floats, Bools]:
    """Ensembles of the reports after a day, as written on their scales.

    Parameters
    ----------
    evidence : Evidence
        With doses and reports beyond the day; what these reports say is not used.
    posterior : Posterior
        Of what was known on that day, or a prior's draws.
    after_day : int
    generator : numpy Generator
    n : int
        Size of an ensemble.

    Returns
    -------
    ndarray, (n, n_reports), ndarray of bool, (n_reports,)
        Foretold values, and which reports are after the day.
    """
    r = unheard(evidence.reports, after_day)
    z = posterior.z[equal_draws(posterior.weights, n)]
    quiet = Evidence(evidence.prior, evidence.shared, evidence.regimen, r)
    _, centre, spread = quiet.log_posterior(z, predicted=True)
    sd = np.sqrt(np.maximum(spread - r.rounding, 0.0))
    score = centre + sd * generator.standard_normal(centre.shape)
    return on_scale(score, r), r.day > after_day


def scores_of(ensemble: Floats, truth: Floats, generator: np.random.Generator) -> dict[str, Floats]:
    """Error of the mean, its square, CRPS and coverage (of the randomised rank) of ensembles, (n_reports,) each."""
    ordered = np.sort(ensemble, axis=0)
    n = len(ordered)
    error = ordered.mean(axis=0) - truth
    # the CRPS of an ensemble: mean distance to the truth less half the mean distance between two members
    between = 2.0 * ((2.0 * np.arange(1, n + 1) - n - 1)[:, None] * ordered).sum(axis=0) / n**2
    crps = np.abs(ordered - truth).mean(axis=0) - 0.5 * between
    below, equal = (ordered < truth).sum(axis=0), (ordered == truth).sum(axis=0)
    rank = (below + generator.random(len(truth)) * (equal + 1)) / (n + 1)
    cover = {f"cover{100 * level:.0f}": np.abs(rank - 0.5) < level / 2 for level in (0.5, 0.8, 0.95)}
    return {"bias": error, "square": error**2, "crps": crps, **cover}


@dataclass(frozen=True)
class Others:
    """What rivals know: reports of other people of one pace by instrument, (OTHERS, N_DAYS + 1), nan where none."""

    reports: Mapping[str, Floats]

    def on(self, instrument: str, day: int) -> Floats:
        """Reports of others on a day, at least a handful: of the days around where they are few."""
        table = self.reports[instrument]
        for around in range(N_DAYS):
            found = table[:, max(day - around, 1) : day + around + 1].ravel()
            found = found[np.isfinite(found)]
            if len(found) >= OTHERS // 4:
                return np.asarray(found)
        raise ValueError(f"no report of {instrument}")

    def changes(self, instrument: str, gap: int) -> Floats:
        """Changes of a report over a gap of days."""
        table = self.reports[instrument]
        found = (table[:, 1 + gap :] - table[:, 1:-gap]).ravel()
        return np.asarray(found[np.isfinite(found)])


@lru_cache(maxsize=8)
def others_of(classes: str, pct: float, seed: int) -> Others:
    """People like those foretold, none of them among these."""
    luck = np.random.default_rng([seed, int(10 * pct), list(CLASSES).index(classes), 99])
    tables: dict[str, Floats] = {}
    for number in range(OTHERS):
        for day, report in person_of("usual", classes, pct, N_DAYS, luck).reports:
            table = tables.setdefault(report.instrument, np.full((OTHERS, N_DAYS + 1), np.nan))
            table[number, day] = report.value
    return Others(tables)


def _prior_draws(person: SimulatedPerson, seed: int) -> Posterior:
    """Draws of the prior in a posterior's form."""
    evidence = person.evidence
    nothing = evidence_from(evidence.prior, evidence.shared, person.regimen, [], 0)
    return posterior_of(nothing, 1024, seed)


def judged(classes: str, number: int, seed: int) -> list[tuple[Any, ...]]:
    """Scores of one person's forecasts, a row for each instrument, span ahead and method: sums over reports."""
    luck = np.random.default_rng([seed, number, list(CLASSES).index(classes), 8])
    pct = float(luck.choice(PACES_PCT))
    person = person_of("usual", classes, pct, N_DAYS, luck)
    others = others_of(classes, pct, seed)
    evidence = person.evidence
    r, names = evidence.reports, np.array(names_of(evidence.reports))
    order = [i.name for i in INSTRUMENTS]
    in_order = sorted(person.reports, key=lambda item: (item[0], order.index(item[1].instrument)))
    written = np.array([report.value for _, report in in_order])
    before_all = _prior_draws(person, seed)
    found: list[pd.DataFrame] = []
    for day in range(FIRST_D, N_DAYS - 6, 7):
        known = posterior_of(
            evidence_from(evidence.prior, evidence.shared, person.regimen, person.reports, day), 1024, seed
        )
        model, later = foretold(evidence, known, day, luck)
        prior, _ = foretold(evidence, before_all, 0, luck)
        last, mean = np.zeros_like(model), np.zeros_like(model)
        for k in np.flatnonzero(later):
            name, ahead = str(names[r.slot[k]]), int(r.day[k])
            mean[:, k] = luck.choice(others.on(name, ahead), ENSEMBLE)
            mine = np.flatnonzero((r.slot == r.slot[k]) & (r.day <= day))
            if len(mine):
                changed = luck.choice(others.changes(name, ahead - int(r.day[mine[-1]])), ENSEMBLE)
                i = INSTRUMENTS[r.place[r.slot[k]]]
                last[:, k] = np.clip(written[mine[-1]] + changed, i.low, i.high)
            else:
                last[:, k] = mean[:, k]
        span = np.searchsorted(AHEAD_D, r.day - day)
        use = later & (span < len(AHEAD_D))
        for method, ensemble in zip(METHODS, (model, prior, last, mean), strict=True):
            scores = scores_of(ensemble[:, use], written[use], luck)
            found.append(
                pd.DataFrame({"instrument": names[r.slot[use]], "span": span[use], "method": method, **scores})
            )
    scored = pd.concat(found)
    scored["n"] = 1
    sums = scored.groupby(["instrument", "span", "method"], sort=False).sum(numeric_only=True).reset_index()
    sums["span"] = np.array(AHEAD_D)[sums["span"]]
    return list(sums.assign(classes=classes, number=number)[_ONE].itertuples(index=False, name=None))


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """A row for each classes, instrument, span and method; the last value's and the others' CRPS over the model's."""
    sums = found.drop(columns="number").groupby(["classes", "instrument", "span", "method"], sort=False).sum()
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
    """Run what is missing and write the table."""
    run_study(
        "reports of the next weeks foretold",
        "run-forecasts",
        60,
        _ONE,
        lambda n_people: product(("opioid", "all three"), range(n_people)),
        lambda piece, n_people, seed: judged(piece[0], piece[1], seed),
        summary,
        code_hash(),
    )


if __name__ == "__main__":
    main()
