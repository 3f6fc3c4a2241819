"""Days without an answer as evidence: the chance of answering, given the person's course. Imports ``people``.

By the equation of the simulator's check-ins, with the coefficients of docs/parameters.md and without the day factor,
of which a day without reports says nothing.
"""

from typing import Final

import numpy as np

from taper_sim.array_types import Bools, Floats
from taper_sim.inference import course as at
from taper_sim.inference.population.people import RecordedPerson
from taper_sim.inference.posterior import Posterior
from taper_sim.model import equations as eq
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL

_SYMBOLS: Final = ("miss_0", "miss_missed", "miss_bad", "miss_m")


def answered_days(person: RecordedPerson) -> Bools:
    """Days of the record from the first report to the last, and whether a report came: (n_days + 1,) and a mask."""
    answered = np.zeros(person.n_days + 1, dtype=bool)
    answered[person.reports.day] = True
    return answered


def log_chance_of_answering(person: RecordedPerson, posterior: Posterior) -> Floats:
    """Log probability of the person's pattern of answers at each posterior draw, (n_draws,).

    Days between her first and last report count; of people who are asked once a week or less nothing is said, since the
    days on which they were asked are not known.
    """
    answered = answered_days(person)
    first, last = int(person.reports.day.min()), int(person.reports.day.max())
    days = np.arange(first + 1, last + 1)
    if len(days) == 0 or answered[first : last + 1].mean() < 0.25:
        return np.zeros(len(posterior.z))
    fixed, per_missed, per_bad, per_m = (CHANCE_BY_SYMBOL[s].centre() for s in _SYMBOLS)
    missed_before = (~answered[days - 1]).astype(float)
    missed = ~answered[days]
    shared = at.couplings(person.buprenorphine)
    total = np.empty(len(posterior.z))
    for s, values in enumerate(posterior.values()):
        latent = at.course(values, shared, person.regimen)
        m_bar = latent[days, at.M] - latent[0, at.M]
        logit = eq.missing_logit(fixed, missed_before, 0.0, m_bar, per_missed, per_bad, per_m)
        total[s] = -np.logaddexp(0.0, np.where(missed, -logit, logit)).sum()
    return total
