"""Posterior predictive checks of one patient's reports. Imports ``posterior``, ``observation``.

The filter gives each report's randomised predictive PIT. Its normal scores at 20 posterior draws are compared with
independent standard normals. A further check compares missed days with the symptoms that the model expects on them. No
check detects a slow drift of sensitivity, so the model itself includes one (docs/inference.md, "Checks").
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import chi2, norm

from taper_sim.array_types import Floats, Ints
from taper_sim.inference.draws import equal_draws
from taper_sim.inference.observation import LOG1P, Reports, with_rows
from taper_sim.inference.posterior import Evidence, Posterior

CHECK_DRAWS: Final = 20
_REPLICATES: Final = 400
LIMIT_P: Final = 0.01
"""p below which a check of the reports fails. A design choice (docs/inference.md, "Checks", gives the false alarms)."""
LIMIT_MISSINGNESS_P: Final = 0.04
"""p below which check-ins count as missing on bad days. The test has little power, so its false alarm rate is higher.
A design choice."""
TOLERATED_VARIANCE: Final = 1.5
"""Variance of a patient's scores, times the model's, that is still no reason to abstain. A person's noise is one factor
for all instruments in the model, while people scatter in each by an amount of their own. A design choice: an interval
is then at most a fifth too narrow."""
TOLERATED_MEMORY: Final = (TOLERATED_VARIANCE - 1.0) / (TOLERATED_VARIANCE + 1.0)
"""Correlation of a score with the one before it that is still no reason to abstain. Reports that follow each other by r
count as (1 - r) / (1 + r) of as many independent ones: 0.2 widens an interval as the tolerated variance does."""
LEAST_REPORTS: Final = 20
"""Fewest reports for a check. A design choice."""
_BLOCK_D: Final = 28
"""Days of a block within which answered and missed days are compared. A design choice."""


@dataclass(frozen=True)
class PredictiveChecks:
    """Predictive p-value of each check; 1 if there are too few reports.

    ``memory`` is that of more than the tolerated correlation of neighbours, ``any_memory`` that of any.
    """

    spread: float
    tails: float
    largest: float
    memory: float
    missingness: float
    any_memory: float = 1.0

    @property
    def predictive_p(self) -> float:
        """Smallest p of the four checks on reports, with Bonferroni's correction."""
        return min(1.0, 4.0 * min(self.spread, self.tails, self.largest, self.memory))

    @property
    def noise_fails(self) -> bool:
        """Whether a check of the reports' noise fails: their spread, their tails, or any memory."""
        return min(self.spread, self.tails, self.largest, self.any_memory) < LIMIT_P

    @property
    def reasons(self) -> list[str]:
        """A reason to abstain for each failed check; empty if all pass."""
        sentences = []
        if self.spread < LIMIT_P:
            sentences.append("the reports scatter much more than the model predicts")
        if self.tails < LIMIT_P or self.largest < LIMIT_P:
            sentences.append("single reports are further out than the model predicts")
        if self.memory < LIMIT_P:
            sentences.append("the reports follow each other more closely than the model predicts")
        if self.missingness < LIMIT_MISSINGNESS_P:
            sentences.append(
                "check-ins are missing on days on which the model expects more symptoms: missing days are informative"
            )
        return sentences


def _scores(evidence: Evidence, posterior: Posterior, seed: int) -> Floats:
    """Normal scores of every report at some posterior draws, (CHECK_DRAWS, n_reports)."""
    r = evidence.reports
    _, centre, spread = evidence.log_posterior(posterior.z[equal_draws(posterior.weights, CHECK_DRAWS)], predicted=True)
    sd = np.sqrt(spread - r.rounding)
    low, high = ndtr((r.low - centre) / sd), ndtr((r.high - centre) / sd)
    uniform = np.random.default_rng([seed, 2]).random(low.shape)
    return np.asarray(ndtri(np.clip(low + uniform * (high - low), 1e-12, 1 - 1e-12)))


def predictive_checks_of(
    evidence: Evidence, posterior: Posterior, seed: int = 0, tolerated_variance: float = TOLERATED_VARIANCE
) -> PredictiveChecks:
    """Check one patient's reports against the patient's own posterior.

    Returns
    -------
    PredictiveChecks
        p-values averaged over posterior draws, all one-sided. Less variance or autocorrelation than the model's is not
        a reason to abstain, because such reports carry more information than the model credits and its intervals are
        then too wide. Nor is up to ``tolerated_variance`` times the model's variance, or a correlation of
        neighbours up to :data:`TOLERATED_MEMORY`.
    """
    n = len(evidence.reports.day)
    missing = missingness(evidence, posterior)
    if n < LEAST_REPORTS:
        return PredictiveChecks(1.0, 1.0, 1.0, 1.0, missing)
    e = _scores(evidence, posterior, seed)
    reference = np.random.default_rng([seed, 3]).standard_normal((_REPLICATES, n))

    def p_of(statistic: Floats, under_model: Floats) -> float:
        above = (under_model[None, :] >= statistic[:, None]).mean(axis=1)
        return float(np.clip(above.mean() + 0.5 / _REPLICATES, 0.0, 1.0))

    lagged, of_independent = _lagged_products(e, evidence), _lagged_products(reference, evidence)
    return PredictiveChecks(
        _spread(e, evidence, tolerated_variance),
        p_of((e**4).sum(axis=1), (reference**4).sum(axis=1)),
        p_of(np.abs(e).max(axis=1), np.abs(reference).max(axis=1)),
        p_of(lagged - TOLERATED_MEMORY * (e**2).sum(axis=1), of_independent),
        missing,
        p_of(lagged, of_independent),
    )


def _spread(e: Floats, evidence: Evidence, tolerated_variance: float) -> float:
    """Smallest p of the sum of squares, of all scores and of each instrument's alone, times the number of sums.

    A person's noise is one factor for all instruments: what one of them scatters too much, the others then scatter too
    little, and the sum over all shows neither.
    """
    slots = [np.flatnonzero(evidence.reports.slot == slot) for slot in range(len(evidence.reports.kind))]
    groups = [np.arange(e.shape[1]), *(group for group in slots if len(group) >= LEAST_REPORTS)]
    squares = [(e[:, group] ** 2).sum(axis=1) / tolerated_variance for group in groups]
    p = [float(chi2.sf(square, len(group)).mean()) for group, square in zip(groups, squares, strict=True)]
    return min(1.0, len(p) * min(p))


def _lagged_products(e: Floats, evidence: Evidence) -> Floats:
    """Sum of products of each score with the previous score of its instrument, (n,)."""
    total = np.zeros(len(e))
    for slot in range(len(evidence.reports.kind)):
        scores = e[:, evidence.reports.slot == slot]
        total += (scores[:, 1:] * scores[:, :-1]).sum(axis=1)
    return total


def missingness(evidence: Evidence, posterior: Posterior) -> float:
    """One-sided p of a score test: the probability of an answer falls with the score that the model expects on the day.

    The test uses the first daily instrument present, in the order of ``observation.INSTRUMENTS``. Only days after an
    answered day are compared, because missed days come in runs whatever the symptoms. They are compared within blocks
    of 28 days, because check-in frequency may change. The filter predicts each day's score from the days before.

    Returns
    -------
    float
        1 with fewer than 20 such days, or if all or none of them were answered.
    """
    r = evidence.reports
    daily = np.flatnonzero(r.recall == 1)
    if not len(daily):
        return 1.0
    slot = int(daily[0])
    answered = np.unique(r.day[r.slot == slot])
    missed = np.setdiff1d(answered[:-1] + 1, answered)  # missed days that follow an answered day
    reports = _with_unobserved(r, slot, missed)
    unobserved_evidence = Evidence(evidence.prior, evidence.shared, evidence.regimen, reports)
    _, centre, _ = unobserved_evidence.log_posterior(
        posterior.z[equal_draws(posterior.weights, CHECK_DRAWS)], predicted=True
    )
    compared = (reports.slot == slot) & np.isin(reports.day - 1, answered)
    day = reports.day[compared]
    expected = centre[:, compared].mean(axis=0)
    if r.transform[slot] == LOG1P:
        expected = np.expm1(expected)
    score, variance = 0.0, 0.0
    for block in np.unique(day // _BLOCK_D):
        x, a = expected[day // _BLOCK_D == block], np.isin(day[day // _BLOCK_D == block], answered).astype(float)
        score += float(((a - a.mean()) * (x - x.mean())).sum())
        variance += float(a.mean() * (1 - a.mean()) * ((x - x.mean()) ** 2).sum())
    if len(day) < LEAST_REPORTS or variance <= 0:
        return 1.0
    return float(norm.cdf(score / np.sqrt(variance)))


def _with_unobserved(r: Reports, slot: int, days: Ints) -> Reports:
    """The reports, and an unobserved report of one instrument on each of ``days``: the filter predicts its score."""
    n = len(days)
    columns = {
        "day": (r.day, days),
        "slot": (r.slot, np.full(n, slot)),
        "y": (r.y, np.zeros(n)),
        "low": (r.low, np.full(n, -np.inf)),
        "high": (r.high, np.full(n, np.inf)),
        "rounding": (r.rounding, np.zeros(n)),
        "interval": (r.interval, np.ones(n, dtype=np.bool_)),
    }
    return with_rows(r, **{name: np.concatenate(parts) for name, parts in columns.items()})
