"""Events of people with the luck of their timing removed. Imports ``comparison.outcomes``."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.comparison.outcomes import BEYOND_EXPECTED, Outcome

_MOST_EXCESS: Final = 5.0  # observed minus expected events, in Poisson standard deviations, that luck explains


def expected_counts(outcome: Outcome, read: Mapping[str, Floats], n: int) -> Floats | None:
    """Events with the luck of their timing removed, if the run has expected events and they are less variable.

    Observed minus expected events have mean 0. Subtracting them leaves the mean of an event as it is and replaces its
    count by the sum of its daily probabilities. That helps where nearly everybody has a small risk; if a few people
    carry it, the sum varies more than the count, and the count is used.
    """
    beyond = read.get(outcome.name + BEYOND_EXPECTED)
    if beyond is None:
        return None
    values = read[outcome.name] - beyond
    own = values[:n][~np.isnan(values[:n])]
    mean = float(own.mean()) if len(own) else 0.0
    excess = abs(float(np.nansum(beyond[:n])))
    if mean <= 0.0 or float(own.var()) >= mean or excess > _MOST_EXCESS * (1.0 + np.sqrt(mean * len(own))):
        return None
    return np.asarray(values)
