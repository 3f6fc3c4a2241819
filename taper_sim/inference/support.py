"""Whether a patient's reports lie within what the model can say: predictive checks. Imports ``patient``.

Normal scores of the randomised predictive PIT, from the filter, at a handful of posterior draws, against as many
independent normals; and whether check-ins stay away after bad reports. None of these sees a slow drift of sensitivity,
which is therefore in the model (docs/inference.md, "Checks").
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from taper_sim.inference.patient import Evidence, Posterior

Floats = NDArray[np.float64]

CHECK_DRAWS: Final = 20
REPLICATES: Final = 400
LIMIT_P: Final = 0.01
"""Below this a check fails. A design choice: false alarms of all checks then stay near 4 % (docs/inference.md)."""
LEAST_REPORTS: Final = 20
"""With fewer reports nothing is judged."""


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
            said.append(f"reports follow each other otherwise than the model allows (p {self.memory:.3f})")
        if self.missingness < LIMIT_P:
            said.append(f"check-ins stay away after bad reports (p {self.missingness:.3f}): what is missing matters")
        return said


def _scores(evidence: Evidence, posterior: Posterior, seed: int) -> Floats:
    """Normal scores of every report at some posterior draws, (CHECK_DRAWS, n_reports)."""
    r = evidence.reports
    heights = (np.arange(CHECK_DRAWS) + 0.5) / CHECK_DRAWS
    cumulative = np.cumsum(posterior.weights)
    drawn = np.searchsorted(cumulative, heights * cumulative[-1])
    _, centre, spread = evidence.log_posterior(posterior.z[np.minimum(drawn, len(posterior.z) - 1)], predicted=True)
    sd = np.sqrt(spread - r.rounding)
    low, high = ndtr((r.low - centre) / sd), ndtr((r.high - centre) / sd)
    uniform = np.random.default_rng([seed, 2]).random(low.shape)
    return np.asarray(ndtri(np.clip(low + uniform * (high - low), 1e-12, 1 - 1e-12)))


def support_of(evidence: Evidence, posterior: Posterior, seed: int = 0) -> Support:
    """Check one patient's reports against her own posterior.

    Returns
    -------
    Support
        p-values averaged over posterior draws, and of the missingness.
    """
    n = len(evidence.reports.day)
    missing = missingness(evidence)
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
        p_of(_following(e, evidence), _following(like, evidence), True),
        missing,
    )


def _following(e: Floats, evidence: Evidence) -> Floats:
    """Sum of products of each score with the instrument's last one, (n,)."""
    total = np.zeros(len(e))
    for slot in range(len(evidence.reports.kind)):
        mine = e[:, evidence.reports.slot == slot]
        total += (mine[:, 1:] * mine[:, :-1]).sum(axis=1)
    return total


def missingness(evidence: Evidence) -> float:
    """Two-sided p that answering does not depend on the last report: a score test on days after an answered one.

    The report is the first daily instrument present, in the order of ``observation.INSTRUMENTS``.
    """
    r = evidence.reports
    daily = np.flatnonzero(r.recall == 1)
    if not len(daily):
        return 1.0
    mine = r.slot == daily[0]
    days, value = r.day[mine], r.y[mine]
    answered = {int(day) for day in days}
    pairs = [(v, float(int(day) + 1 in answered)) for day, v in zip(days, value, strict=True) if day < days[-1]]
    if len(pairs) < LEAST_REPORTS:
        return 1.0
    x, a = np.array(pairs).T
    rate = a.mean()
    variance = rate * (1 - rate) * ((x - x.mean()) ** 2).sum()
    if variance <= 0:
        return 1.0
    z = ((a - rate) * (x - x.mean())).sum() / np.sqrt(variance)
    return float(2 * norm.sf(abs(z)))
