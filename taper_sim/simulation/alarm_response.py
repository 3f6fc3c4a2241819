"""The planned response to an alarm: pause, previous dose, contact. Imports ``cohort``, ``ensemble``, ``layout``.

An alarm calls for a response if it is true: a check-in far above the baseline from a patient whose withdrawal is over
its limit, or an event (mental-health crisis, overdose, seizure). The response pauses the reductions, restores the dose
before the last reduction if withdrawal is over its limit, and counts as a contact with a nurse. In the cohort
simulation it takes place on the morning after the alarm. In a clinic it takes place when a worker has read the alarm.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from taper_sim.array_types import Bools, Floats
from taper_sim.model.compiled import rows
from taper_sim.model.event_parameters import STREAMS
from taper_sim.model.parameters import DISCIPLINES
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.ensemble import Ensemble, draw_of
from taper_sim.simulation.layout import Arrays

SPIKE_RISE: Final[Mapping[str, float]] = MappingProxyType({"sows_gossop": 8.0, "pain_nrs": 3.0})
"""Rise above the baseline (SOWS-Gossop, NRS points) from which a check-in raises an alert. Source: assumption A39."""
RED_FLAGS: Final = (rows.OVERDOSES, rows.SEIZURES, rows.CRISES)
"""Sums of the events that raise an alarm."""
RESPONSE_PAUSE_D: Final = 14
"""Days without a further reduction after a response. Source: assumption A107."""
_INSTRUMENT: Final = {stream.instrument: k for k, stream in enumerate(STREAMS)}
_NURSE: Final = DISCIPLINES.index("nurse")


class AlarmResponse:
    """Alarms of one cohort and the responses to them.

    Parameters
    ----------
    a : Arrays
        At the start of day 1.
    cohort : Cohort
        n people.
    ensemble : Ensemble

    Attributes
    ----------
    paused_until : ndarray, (n,)
        Last day of the running pause; 0 without one.
    """

    def __init__(self, a: Arrays, cohort: Cohort, ensemble: Ensemble):
        self.paused_until = np.zeros(len(cohort))
        self._limit = ensemble.values["limit_w"][draw_of(cohort.keys, ensemble.n_draws)]
        self._baseline = {"sows_gossop": cohort.baseline["sows_gossop"], "pain_nrs": cohort.baseline["pain"]}
        self._before = self._events(a)
        self._now = self._before

    def observe(self, a: Arrays) -> None:
        """Count the events of a simulated day."""
        self._before, self._now = self._now, self._events(a)

    def over_limit(self, a: Arrays) -> Bools:
        """Patients whose withdrawal is over its limit, (n,)."""
        return np.asarray(a.get(a.state, rows.W_ALL) > self._limit)

    def called_for(self, a: Arrays, reports: Floats) -> Bools:
        """Patients in care whose last day raised a true alarm, (n,).

        Parameters
        ----------
        a : Arrays
            At the end of that day.
        reports : ndarray, (n, 8)
            Check-ins of that day in the order of ``event_parameters.STREAMS``, NaN where missing.
        """
        in_care = (a.get(a.state, rows.ALIVE) > 0) & (a.get(a.state, rows.IN_CARE) > 0)
        spike = np.zeros(len(in_care), dtype=bool)
        for name, rise in SPIKE_RISE.items():
            spike |= reports[:, _INSTRUMENT[name]] - self._baseline[name] >= rise
        return np.asarray(in_care & ((spike & self.over_limit(a)) | (self._now > self._before)))

    def begin(self, a: Arrays, first: int, who: Bools) -> Bools:
        """Begin the pause of ``who`` and count the contact; the patients whose dose is to be restored, (n,).

        No dose is restored after an overdose.
        """
        self.paused_until = np.where(who, first + RESPONSE_PAUSE_D - 1.0, self.paused_until)
        delivered, planned = a.get(a.state, rows.DELIVERED + _NURSE), a.get(a.params, rows.PLANNED + _NURSE)
        a.put(a.state, rows.DELIVERED + _NURSE, np.where(who, planned, delivered))
        return np.asarray(who & self.over_limit(a) & (a.get(a.sums, rows.OVERDOSES) == 0))

    @staticmethod
    def _events(a: Arrays) -> Floats:
        return np.sum([a.get(a.sums, row) for row in RED_FLAGS], axis=0)
