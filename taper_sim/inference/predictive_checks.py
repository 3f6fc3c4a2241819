"""Whether a patient's reports lie within what the model can say: predictive checks. Imports ``patient``.

Normal scores of the randomised predictive PIT, from the filter, at a handful of posterior draws, against as many
independent normals; and whether check-ins stay away when bad days are to be expected. None of these sees a slow drift
of sensitivity, which is therefore in the model (docs/inference.md, "Checks").
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from taper_sim.array_types import Floats, Ints
from taper_sim.inference.draws import equal_draws
from taper_sim.inference.observation import LOG1P, Reports
from taper_sim.inference.posterior import Evidence, Posterior

CHECK_DRAWS: Final = 20
REPLICATES: Final = 400
LIMIT_P: Final = 0.01
"""Below this a check of the reports fails. A design choice (docs/inference.md, "Checks", has the false alarms)."""
LIMIT_MISSINGNESS_P: Final = 0.04
"""Below this check-ins are taken to stay away on bad days; the test is weak, so it may err oftener."""
LEAST_REPORTS: Final = 20
"""With fewer reports nothing is judged."""
BLOCK_D: Final = 28
"""Days within which answered and missed days are compared."""


@dataclass(frozen=True)
class Support:
    """Chance under the model of reports as odd as these, by check; 1 where there are too few to judge."""

    spread: float
    tails: float
    largest: float
    memory: float
    missingness: float

    @property
    def predictive_p(self) -> float:
        """The smallest of the checks on reports, corrected for there being four."""
        return min(1.0, 4.0 * min(self.spread, self.tails, self.largest, self.memory))

    @property
    def reasons(self) -> list[str]:
        """Why the reports are out of the model's support; empty where they are not."""
        said = []
        if self.spread < LIMIT_P:
            said.append(f"reports vary otherwise than the model allows (p {self.spread:.3f})")
        if self.tails < LIMIT_P or self.largest < LIMIT_P:
            p = min(self.tails, self.largest)
            said.append(f"single reports are too far from anything the model expects (p {p:.3f})")
        if self.memory < LIMIT_P:
            said.append(f"reports follow each other more closely than the model allows (p {self.memory:.3f})")
        if self.missingness < LIMIT_MISSINGNESS_P:
            said.append(
                f"check-ins stay away when bad days are to be expected (p {self.missingness:.3f}): what is "
                "missing matters"
            )
        return said


def _scores(evidence: Evidence, posterior: Posterior, seed: int) -> Floats:
    """Normal scores of every report at some posterior draws, (CHECK_DRAWS, n_reports)."""
    r = evidence.reports
    _, centre, spread = evidence.log_posterior(posterior.z[equal_draws(posterior.weights, CHECK_DRAWS)], predicted=True)
    sd = np.sqrt(spread - r.rounding)
    low, high = ndtr((r.low - centre) / sd), ndtr((r.high - centre) / sd)
    uniform = np.random.default_rng([seed, 2]).random(low.shape)
    return np.asarray(ndtri(np.clip(low + uniform * (high - low), 1e-12, 1 - 1e-12)))


def support_of(evidence: Evidence, posterior: Posterior, seed: int = 0) -> Support:
    """Check one patient's reports against her own posterior.

    Returns
    -------
    Support
        p-values averaged over posterior draws, and of the missingness. Memory is one-sided: reports that follow each
        other less than the model expects tell more than it takes from them, and its intervals are then too wide.
    """
    n = len(evidence.reports.day)
    missing = missingness(evidence, posterior)
    if n < LEAST_REPORTS:
        return Support(1.0, 1.0, 1.0, 1.0, missing)
    e = _scores(evidence, posterior, seed)
    like = np.random.default_rng([seed, 3]).standard_normal((REPLICATES, n))

    def p_of(statistic: Floats, reference: Floats, two_sided: bool) -> float:
        above = (reference[None, :] >= statistic[:, None]).mean(axis=1)
        p = np.where(above < 0.5, 2 * above, 2 * (1 - above)) if two_sided else above
        return float(np.clip(p.mean() + 0.5 / REPLICATES, 0.0, 1.0))

    return Support(
        p_of((e**2).sum(axis=1), (like**2).sum(axis=1), True),
        p_of((e**4).sum(axis=1), (like**4).sum(axis=1), False),
        p_of(np.abs(e).max(axis=1), np.abs(like).max(axis=1), False),
        p_of(_following(e, evidence), _following(like, evidence), False),
        missing,
    )


def _following(e: Floats, evidence: Evidence) -> Floats:
    """Sum of products of each score with the instrument's last one, (n,)."""
    total = np.zeros(len(e))
    for slot in range(len(evidence.reports.kind)):
        mine = e[:, evidence.reports.slot == slot]
        total += (mine[:, 1:] * mine[:, :-1]).sum(axis=1)
    return total


def missingness(evidence: Evidence, posterior: Posterior) -> float:
    """One-sided p that answering does not fall where the model expects a bad day: a score test.

    Of the first daily instrument present, in the order of ``observation.INSTRUMENTS``. Days after an answered one are
    compared, since one missed day follows another whatever they were like, and within :data:`BLOCK_D` days, since how
    often somebody is asked may change. What is expected of a day is the filter's prediction from the days before.
    """
    r = evidence.reports
    daily = np.flatnonzero(r.recall == 1)
    if not len(daily):
        return 1.0
    slot = int(daily[0])
    answered = np.unique(r.day[r.slot == slot])
    after = np.setdiff1d(answered[:-1] + 1, answered)  # days missed after an answered one
    silent = _with_silent(r, slot, after)
    quiet = Evidence(evidence.prior, evidence.shared, evidence.regimen, silent)
    _, centre, _ = quiet.log_posterior(posterior.z[equal_draws(posterior.weights, CHECK_DRAWS)], predicted=True)
    mine = (silent.slot == slot) & np.isin(silent.day - 1, answered)
    day = silent.day[mine]
    expected = centre[:, mine].mean(axis=0)
    if r.transform[slot] == LOG1P:
        expected = np.expm1(expected)
    score, variance = 0.0, 0.0
    for block in np.unique(day // BLOCK_D):
        x, a = expected[day // BLOCK_D == block], np.isin(day[day // BLOCK_D == block], answered).astype(float)
        score += float(((a - a.mean()) * (x - x.mean())).sum())
        variance += float(a.mean() * (1 - a.mean()) * ((x - x.mean()) ** 2).sum())
    if len(day) < LEAST_REPORTS or variance <= 0:
        return 1.0
    return float(norm.cdf(score / np.sqrt(variance)))


def _with_silent(r: Reports, slot: int, days: Ints) -> Reports:
    """The same reports and, on some days, one of an instrument that says nothing: its prediction can then be read."""
    n = len(days)
    of_each = {
        "day": (r.day, days),
        "slot": (r.slot, np.full(n, slot)),
        "y": (r.y, np.zeros(n)),
        "low": (r.low, np.full(n, -np.inf)),
        "high": (r.high, np.full(n, np.inf)),
        "rounding": (r.rounding, np.zeros(n)),
        "interval": (r.interval, np.ones(n, dtype=np.bool_)),
    }
    order = np.lexsort((np.r_[r.slot, np.full(n, slot)], np.r_[r.day, days]))
    return r._replace(**{name: np.concatenate(both)[order] for name, both in of_each.items()})
