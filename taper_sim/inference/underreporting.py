"""What a forecast would be if reports left part of the withdrawal unsaid. Imports ``patient``.

Nobody can tell a calm person from one who says half of it by her reports alone (docs/inference.md, "Checks"). So the
same data are read a second time as if only a share were said, and the answer says what that would change.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from taper_sim.inference.observation import BENZODIAZEPINE, LAST_CUT, WITHDRAWAL
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of

SHARE_SAID: Final = 0.5
"""Share of withdrawal that is said in the second reading. Source: assumption A34."""
_DRAWS: Final = 512
_SAID: Final = (WITHDRAWAL, BENZODIAZEPINE, LAST_CUT)


def read_as_half_said(evidence: Evidence, share: float = SHARE_SAID) -> Evidence:
    """The same reports, whose scales of withdrawal count ``share`` as many points at the same withdrawal."""
    reports = evidence.reports
    scale = np.where(np.isin(reports.kind, _SAID), share * reports.scale, reports.scale)
    return replace(evidence, reports=reports._replace(scale=scale))


def posterior_if_half_said(evidence: Evidence, seed: int, n_draws: int = _DRAWS) -> Posterior | None:
    """Posterior of the second reading; None where no scale of withdrawal was answered, or it did not converge."""
    if not np.isin(evidence.reports.kind, _SAID).any():
        return None
    found = posterior_of(read_as_half_said(evidence), n_draws, seed)
    return found if found.converged else None
