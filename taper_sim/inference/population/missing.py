"""Likelihood of missed check-ins given the person's course. Imports ``people``, ``inference``, ``model``.

It uses the simulator's equation for check-ins with the coefficients of docs/parameters.md. The day factor is left out,
because a day without reports carries no information on it. Distress is that due to the taper; the part due to life is
left out.
"""

from typing import Final

import numpy as np

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.inference import course as at
from taper_sim.inference.population.people import RecordedPerson
from taper_sim.inference.posterior import Posterior
from taper_sim.model import equations as eq
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL

_MISSING_SYMBOLS: Final = ("miss_0", "miss_missed", "miss_bad", "miss_m")


def answered_days(person: RecordedPerson) -> Bools:
    """Whether each day of the record has a report, (n_days + 1,)."""
    answered = np.zeros(person.n_days + 1, dtype=bool)
    answered[_checkin_days(person)] = True
    return answered


def _checkin_days(person: RecordedPerson) -> Ints:
    """Day of every report but those of the baseline assessment."""
    r = person.reports
    return np.asarray(r.day[~r.assessed[r.slot]])


def log_chance_of_answering(person: RecordedPerson, posterior: Posterior) -> Floats:
    """Log probability of the person's pattern of answered days at each posterior draw, (n_draws,).

    Only days between the first and the last report count. The result is 0 for a person with reports on fewer than a
    quarter of these days, because the days on which check-ins were due are unknown.
    """
    answered = answered_days(person)
    reported = _checkin_days(person)
    first, last = int(reported.min()), int(reported.max())
    days = np.arange(first + 1, last + 1)
    if len(days) == 0 or answered[first : last + 1].mean() < 0.25:
        return np.zeros(len(posterior.z))
    fixed, per_missed, per_bad, per_m = (CHANCE_BY_SYMBOL[s].centre() for s in _MISSING_SYMBOLS)
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
