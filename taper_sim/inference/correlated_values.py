"""Correlation of a person's values, as a triangle that mixes independent normals. Imports ``prior``.

The prior's normals are independent but for the set points (``prior.SET_POINT_CORRELATION``).
"""

from collections.abc import Sequence

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.inference.prior import SET_POINT_CORRELATION
from taper_sim.model.life import ASSESSED_DOMAINS


def mix_of(names: Sequence[str]) -> Floats:
    """Lower triangle, (d, d): the normals of values of these names are ``mix`` times independent ones."""
    mix, names = np.eye(len(names)), list(names)
    known = [k for k, domain in enumerate(ASSESSED_DOMAINS) if domain in names]
    rows = [names.index(ASSESSED_DOMAINS[k]) for k in known]
    if rows:
        mix[np.ix_(rows, rows)] = np.linalg.cholesky(SET_POINT_CORRELATION[np.ix_(known, known)])
    return mix
