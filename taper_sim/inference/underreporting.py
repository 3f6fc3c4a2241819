"""Sensitivity of a forecast to under-reported withdrawal. Imports ``posterior``.

Reports alone cannot distinguish mild withdrawal from half-reported withdrawal (docs/inference.md, "Checks"). A second
posterior assumes that patients report only a share of their withdrawal; the answer shows how this changes the forecast.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from taper_sim.inference.observation import BENZODIAZEPINE, LAST_CUT, WITHDRAWAL
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of

SHARE_REPORTED: Final = 0.5
"""Share of withdrawal that the second posterior assumes to be reported. Source: assumption A34."""
_DRAWS: Final = 512
_WITHDRAWAL_SCALES: Final = (WITHDRAWAL, BENZODIAZEPINE, LAST_CUT)


def read_as_underreported(evidence: Evidence, share: float = SHARE_REPORTED) -> Evidence:
    """The same reports, with ``share`` times as many points of the withdrawal scales at the same withdrawal."""
    reports = evidence.reports
    scale = np.where(np.isin(reports.kind, _WITHDRAWAL_SCALES), share * reports.scale, reports.scale)
    return replace(evidence, reports=reports._replace(scale=scale))


def posterior_under_underreporting(evidence: Evidence, seed: int, n_draws: int = _DRAWS) -> Posterior | None:
    """Posterior under under-reporting; None without a report of withdrawal, or if it does not converge."""
    if not np.isin(evidence.reports.kind, _WITHDRAWAL_SCALES).any():
        return None
    posterior = posterior_of(read_as_underreported(evidence), n_draws, seed)
    return posterior if posterior.converged else None
