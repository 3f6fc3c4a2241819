"""Noise of one person's reports, by instrument, where the population's fails. Imports ``posterior``, ``observation``.

The model gives a person one factor of noise for all instruments, and lets pain, mood, sleep and function of two days
differ by noise that is new on each day. People scatter in each instrument by an amount of their own, and a day's mood
or pain colours the answer of the next. If the checks of the reports fail, each instrument gets a factor of its own and
a share of its noise that fades over days; both are fitted to the reports at the posterior mean (assumption A154). The
posterior is then computed again, and the checks decide as before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from types import MappingProxyType
from typing import Final

import numpy as np

from taper_sim.inference.observation import Reports
from taper_sim.inference.posterior import Evidence, Posterior
from taper_sim.inference.predictive_checks import LEAST_REPORTS, PredictiveChecks, predictive_checks_of

_FACTOR_LOG_SD: Final = 0.2
"""Sd between instruments of the log of a person's factor. Source: A154."""
_FACTORS: Final = tuple(np.exp(np.linspace(-0.4, 0.4, 9)))
"""Factors that are tried: two sds to each side. Source: A154."""
_LASTING_SHARES: Final = (0.15, 0.3, 0.45, 0.6, 0.75)
"""Shares of an instrument's white variance that may last into the next days. Source: A154."""
_LASTING_D: Final = (1.0, 2.0, 4.0)
"""Time constants, days, with which it may fade. Source: A154."""
_SHARE_COST: Final = 2.0
"""Log prior density lost by a share of 1: noise that is new each day is the rule. Source: A154."""
_TOLERATED_VARIANCE: Final = 1.2
"""Variance of the scores, times the fitted, that is no reason to abstain. A design choice: the population's tolerance
is for amounts of a person's own, which are now fitted; what is left is the step of the factors."""
_SWEEPS: Final = 2
"""Times that every instrument is fitted, the others held. A design choice: a third changes nothing that matters."""


@dataclass(frozen=True)
class InstrumentNoise:
    """Noise of an instrument against the population's: factor of its sd, share that lasts, time constant in days."""

    factor: float = 1.0
    share: float = 0.0
    lasts_d: float = 1.0

    @property
    def log_prior(self) -> float:
        """Log prior density, up to a constant."""
        return -0.5 * (float(np.log(self.factor)) / _FACTOR_LOG_SD) ** 2 - _SHARE_COST * self.share


OwnNoise = Mapping[int, InstrumentNoise]
"""By place of the instrument in ``observation.PLACES``."""
POPULATION_NOISE: Final[OwnNoise] = MappingProxyType({})


def with_own_noise(reports: Reports, own: OwnNoise) -> Reports:
    """The reports with the noise of this person; without a lasting share, slow noise keeps its time constant."""
    white, slow, decay = reports.white.copy(), reports.slow.copy(), reports.decay.copy()
    for slot, place in enumerate(reports.place):
        noise = own.get(int(place))
        if noise is None:
            continue
        if noise.share > 0.0:
            decay[slot] = np.exp(-1.0 / noise.lasts_d)
        slow[slot] = noise.factor * np.sqrt(slow[slot] ** 2 + noise.share * white[slot] ** 2)
        white[slot] *= noise.factor * np.sqrt(1.0 - noise.share)
    has_slow = slow > 0.0
    places = np.where(has_slow, np.cumsum(has_slow) - 1, -1).astype(np.int64)
    return reports._replace(white=white, slow=slow, decay=decay, slow_place=places)


def own_noise_of(evidence: Evidence, posterior: Posterior) -> OwnNoise:
    """Noise of each daily instrument with enough reports, most probable given the other values at their mean."""
    reports = evidence.reports
    z = posterior.weights @ posterior.z
    daily = [
        slot
        for slot in range(len(reports.place))
        if reports.recall[slot] == 1 and not reports.assessed[slot] and (reports.slot == slot).sum() >= LEAST_REPORTS
    ]
    own = {int(reports.place[slot]): InstrumentNoise() for slot in daily}

    def log_density(tried: OwnNoise) -> float:
        fitted = replace(evidence, reports=with_own_noise(reports, tried))
        return float(fitted.log_posterior(z)[0][0]) + sum(noise.log_prior for noise in tried.values())

    best = log_density(own)
    for place in list(own) * _SWEEPS:
        lasting = [(0.0, 1.0), *product(_LASTING_SHARES, _LASTING_D)]
        for change in ([{"factor": f} for f in _FACTORS], [{"share": q, "lasts_d": d} for q, d in lasting]):
            now = own[place]
            for fields in change:
                tried = {**own, place: replace(now, **fields)}
                density = log_density(tried)
                if density > best:
                    best, own = density, tried
    return own


def refitted(
    evidence: Evidence,
    posterior: Posterior,
    checks: PredictiveChecks,
    posterior_for: Callable[[Evidence], Posterior],
    seed: int,
) -> tuple[OwnNoise, Posterior, PredictiveChecks]:
    """The person's own noise with its posterior and checks; those given if the reports fit or this gives no posterior.

    Parameters
    ----------
    evidence : Evidence
    posterior : Posterior
        Posterior under the population's noise.
    checks : PredictiveChecks
        Its checks.
    posterior_for : callable
        Computes the posterior of evidence.
    seed : int
        Seed of the checks.
    """
    if not checks.noise_fails:
        return POPULATION_NOISE, posterior, checks
    own = own_noise_of(evidence, posterior)
    fitted = replace(evidence, reports=with_own_noise(evidence.reports, own))
    again = posterior_for(fitted)
    if not again.converged:
        return POPULATION_NOISE, posterior, checks
    return own, again, predictive_checks_of(fitted, again, seed, _TOLERATED_VARIANCE)
