"""What a forecast would be if reports left part of the withdrawal out. Imports ``posterior``.

Reports alone do not tell a calm person from one who reports half of the withdrawal (docs/inference.md, "Checks"). So
the same data are read a second time as if only a share were reported, and the answer says what that would change.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from taper_sim.inference.observation import BENZODIAZEPINE, LAST_CUT, WITHDRAWAL
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of

SHARE_REPORTED: Final = 0.5
"""Share of withdrawal that is reported in the second reading. Source: assumption A34."""
_DRAWS: Final = 512
_WITHDRAWAL_SCALES: Final = (WITHDRAWAL, BENZODIAZEPINE, LAST_CUT)


def read_as_underreported(evidence: Evidence, share: float = SHARE_REPORTED) -> Evidence:
    """The same reports, whose scales of withdrawal count ``share`` as many points at the same withdrawal."""
    reports = evidence.reports
    scale = np.where(np.isin(reports.kind, _WITHDRAWAL_SCALES), share * reports.scale, reports.scale)
    return replace(evidence, reports=reports._replace(scale=scale))


def posterior_under_underreporting(evidence: Evidence, seed: int, n_draws: int = _DRAWS) -> Posterior | None:
    """Posterior of the second reading; None where no scale of withdrawal was answered, or it did not converge."""
    if not np.isin(evidence.reports.kind, _WITHDRAWAL_SCALES).any():
        return None
    posterior = posterior_of(read_as_underreported(evidence), n_draws, seed)
    return posterior if posterior.converged else None
