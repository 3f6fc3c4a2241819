"""The filter's log likelihood against an exact one by simulation. Imports ``inference``, ``studies.simulated_people``.

``python -m taper_sim.studies.filter_form --out docs/tables/likelihood.csv`` resumes an interrupted study.

In the exact likelihood every report, rounded or at an end of its scale, is an interval of one normal vector (life
outside the taper and noise: ``studies.dense_normal``). Its probability is estimated by sequential importance sampling
with resampling: draw the unrounded report from its truncated normal, weight by the interval's probability, condition on
the drawn value (Geweke, Hajivassiliou, Keane; all particles then have the same covariance). The table has the sd, over
posterior draws, of the difference of log likelihoods, and its Monte Carlo error; a constant difference changes no
posterior.
"""

from itertools import product
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from taper_sim.array_types import Floats
from taper_sim.inference.course import LIFE, NOISE
from taper_sim.inference.observation import LINEAR, Reports
from taper_sim.inference.posterior import Evidence, posterior_of
from taper_sim.studies.calibration import code_hash
from taper_sim.studies.dense_normal import dense_normal
from taper_sim.studies.resumable import run_study
from taper_sim.studies.simulated_people import POPULATIONS, person_of

_N_DAYS: Final = 84
_PCT: Final = 10.0
_FORMS: Final = ("the filter", "all at face value", "intervals everywhere")
"""The filter of ``inference.likelihood``; every report as its midpoint, ends of scales too; every report as an interval
with the moments of the truncated normal."""
_PARTICLES: Final = 3000
_COLUMNS: Final = ["classes", "population", "number", "at_end", "form", "sd", "mean", "mc_sd"]


def in_form(reports: Reports, form: str) -> Reports:
    """The reports in one of :data:`_FORMS`."""
    if form == "all at face value":
        finite = np.isfinite(reports.low) & np.isfinite(reports.high)
        linear = reports.transform[reports.slot] == LINEAR
        # at an end of the scale the width is that of the finite side; on a log scale, of one unit above the end
        step = np.where(linear, 1.0, np.log1p(np.exp(-np.maximum(reports.y, 0.0))))
        low, high = np.where(finite, reports.low, 0.0), np.where(finite, reports.high, step)
        return reports._replace(interval=np.zeros(len(reports.y), dtype=np.bool_), rounding=(high - low) ** 2 / 12.0)
    if form == "intervals everywhere":
        return reports._replace(interval=np.ones(len(reports.y), dtype=np.bool_))
    return reports


def exact_log_likelihood(mean: Floats, root: Floats, reports: Reports, n: int, generator: np.random.Generator) -> float:
    """Estimate of the log probability of the reports.

    Parameters
    ----------
    mean : ndarray, (n_reports,)
        Mean of each report on its transform.
    root : ndarray, (n_reports, n_reports)
        Lower triangle whose square is the covariance of the reports before they are rounded.
    reports : Reports
    n : int
        Number of particles.
    generator : numpy.random.Generator
    """
    drawn = np.zeros((n, len(mean)))  # independent normals
    log_weights, total = np.zeros(n), 0.0
    for r in range(len(mean)):
        sd = root[r, r]
        mu = mean[r] + drawn[:, :r] @ root[r, :r]
        low, high = (reports.low[r] - mu) / sd, (reports.high[r] - mu) / sd
        mirrored = low + high > 0.0  # to the lower tail, where differences of probabilities do not cancel
        low, high = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
        p_low, p_high = ndtr(low), ndtr(high)
        mass = np.maximum(p_high - p_low, 1e-300)
        z = ndtri(np.clip(p_low + generator.random(n) * (p_high - p_low), 1e-300, 1.0 - 1e-16))
        drawn[:, r] = np.where(mirrored, -z, z)
        log_weights += np.log(mass)
        top = log_weights.max()
        w = np.exp(log_weights - top)
        if w.sum() ** 2 < 0.5 * n * (w**2).sum():
            total += top + np.log(w.mean())
            places = (np.arange(n) + generator.random()) / n
            drawn = drawn[np.minimum(np.searchsorted(np.cumsum(w) / w.sum(), places), n - 1)]
            log_weights = np.zeros(n)
    top = log_weights.max()
    return float(total + top + np.log(np.exp(log_weights - top).mean()))


def root_of(evidence: Evidence, values: Floats) -> Floats:
    """Lower triangle of the reports' covariance before rounding, (n_reports, n_reports), at a vector of values."""
    reports = evidence.reports._replace(interval=np.zeros(len(evidence.reports.y), dtype=np.bool_))
    normal = dense_normal(reports, evidence.shared)
    error = np.diag(normal.fixed - reports.rounding)  # of an assessment
    return np.linalg.cholesky(values[LIFE] ** 2 * normal.life + values[NOISE] ** 2 * normal.noise + error)


def means_of(evidence: Evidence, z: Floats) -> Floats:
    """Mean of every report at each row of z, (n, n_reports): the prediction if no report is observed."""
    r = evidence.reports
    unobserved = r._replace(
        interval=np.ones(len(r.y), dtype=np.bool_), low=np.full(len(r.y), -np.inf), high=np.full(len(r.y), np.inf)
    )
    unobserved_evidence = Evidence(evidence.prior, evidence.shared, evidence.regimen, unobserved)
    return unobserved_evidence.log_posterior(z, predicted=True)[1]


def rows_of_person(population: str, classes: str, number: int, seed: int, n_draws: int = 16) -> list[tuple[Any, ...]]:
    """Rows of one person: log likelihood of each form minus the exact one, sd and mean over posterior draws."""
    rng = np.random.default_rng([seed, number, POPULATIONS.index(population), 7])
    person = person_of(population, classes, _PCT, _N_DAYS, rng)
    evidence = person.evidence
    posterior = posterior_of(evidence, 1024, seed)
    z = posterior.z[rng.choice(len(posterior.z), n_draws, p=posterior.weights)]
    means, roots = means_of(evidence, z), [root_of(evidence, v) for v in evidence.prior.values(z)]
    estimates = np.array(  # two of each draw, (n_draws, 2)
        [
            [exact_log_likelihood(mean, root, evidence.reports, _PARTICLES, rng) for _ in range(2)]
            for mean, root in zip(means, roots, strict=True)
        ]
    )
    at_end = float(np.mean(~np.isfinite(evidence.reports.low) | ~np.isfinite(evidence.reports.high)))
    mc = float(np.sqrt(np.mean((estimates[:, 0] - estimates[:, 1]) ** 2) / 4.0))
    rows: list[tuple[Any, ...]] = []
    for form in _FORMS:
        in_this_form = Evidence(evidence.prior, evidence.shared, evidence.regimen, in_form(evidence.reports, form))
        difference = in_this_form.log_posterior(z)[0] + 0.5 * (z**2).sum(axis=1) - estimates.mean(axis=1)
        midpoint = ~in_this_form.reports.interval
        # a density times the width of the interval is a probability
        difference += 0.5 * np.log(12.0 * in_this_form.reports.rounding[midpoint]).sum()
        rows.append(
            (classes, population, number, at_end, form, float(difference.std(ddof=1)), float(difference.mean()), mc)
        )
    return rows


def summary(people: pd.DataFrame) -> pd.DataFrame:
    """A row for each form and population: range of the sds over people, Monte Carlo error, share of reports at an end.

    ``sd_net_max`` is the largest sd after subtraction of the Monte Carlo variance.
    """
    net = np.sqrt(np.maximum(people["sd"] ** 2 - people["mc_sd"] ** 2, 0.0))
    table = (
        people.assign(net=net)
        .groupby(["classes", "population", "form"], sort=False)
        .agg(
            people=("number", "size"),
            at_end=("at_end", "mean"),
            sd_min=("sd", "min"),
            sd_median=("sd", "median"),
            sd_max=("sd", "max"),
            sd_net_max=("net", "max"),
            mean_median=("mean", "median"),
            mc_sd=("mc_sd", "median"),
        )
        .reset_index()
    )
    return table.round(4).assign(code=code_hash())


def main() -> None:
    """Run the missing people and write the table."""
    run_study(
        "the filter's log likelihood against an exact one",
        "run-filters",
        8,
        _COLUMNS,
        lambda n_people: product(("opioid", "all three"), POPULATIONS, range(n_people)),
        lambda piece, n_people, seed: rows_of_person(piece[1], piece[0], piece[2], seed),
        summary,
        code_hash(),
    )


if __name__ == "__main__":
    main()
