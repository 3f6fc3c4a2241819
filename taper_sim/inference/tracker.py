"""Records of tracked patients: baseline, doses and reports by day, and the posterior of each.

Imports ``posterior``, ``warm_start``, ``observation``, ``calibrated_prior``, ``policies.interface``.
"""

from collections.abc import Mapping
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.data.records import CheckIn
from taper_sim.inference import course
from taper_sim.inference.calibrated_prior import calibrated_population
from taper_sim.inference.course import Regimen
from taper_sim.inference.observation import Reports, reports_of
from taper_sim.inference.posterior import Evidence, Posterior
from taper_sim.inference.prior import DEFAULT_POPULATION, Prior, prior_of
from taper_sim.inference.warm_start import Proposal, proposal_near
from taper_sim.model.event_parameters import STREAMS
from taper_sim.model.life import ASSESSED_DOMAINS
from taper_sim.model.parameters import BY_SYMBOL
from taper_sim.model.pharmacology import level_decay, within_day_shape
from taper_sim.policies.interface import Patients

STREAM_COLUMN: Final = {stream.instrument: k for k, stream in enumerate(STREAMS)}
"""Column of each daily instrument in the stored reports."""
_OPIOID: Final = ("sows_gossop", "pain_nrs", "mood_item", "sleep_item", "function")
_OTHER_CLASS: Final = (
    "withdrawal_item",
    *_OPIOID[1:],
)  # scales of opioid withdrawal carry no information on other classes
_ANY_DAY: Final = date(2026, 1, 5)


class TrackedPatients:
    """The records of n patients and the posterior of each.

    A posterior depends on that patient's baseline, doses and reports, and on fixed quasi-random points. Patients may be
    at different days. Threads may read different rows, but not while a record is extended.

    Parameters
    ----------
    patients : Patients
        Baseline, with ``half_life_h`` and ``trough_mean``.
    column : ndarray of int, (n,)
        Class whose dose is reduced; -1 for a patient who does not take the class.
    n_draws : int
        Draws of a posterior, a power of two.
    n_days : int
        Days allocated at the start; the arrays grow as needed.

    Attributes
    ----------
    population : PopulationPrior
        About whose centres a patient's prior stands: fitted to published results if the patients' run is.
    instruments : list of tuple of str
        Instruments whose reports a patient's posterior is computed from.
    buprenorphine : list of bool
        Which patients take buprenorphine.
    failed_tapers : ndarray, (n,)
        Earlier tapers that failed.
    known : list of dict
        Values of each patient that are known and not inferred, by name (``b_opioid`` …); none at the start.

    Raises
    ------
    ValueError
        If the patients' formulations are unknown.
    """

    def __init__(self, patients: Patients, column: Ints, n_draws: int, n_days: int = 28):
        if patients.half_life_h is None or patients.trough_mean is None:
            raise ValueError("tracked patients need the formulation of their drugs: half_life_h and trough_mean")
        n, taken = len(patients.dose), patients.taken
        self.patients, self.column, self.n_draws = patients, column, n_draws
        self.population = calibrated_population() if patients.calibrated else DEFAULT_POPULATION
        self._decay = np.where(taken, level_decay(patients.half_life_h), 0.0)
        troughs, which = np.unique(patients.trough_mean, return_inverse=True)
        shapes = np.array([within_day_shape(float(trough)) for trough in troughs])[which].reshape(n, 3, 4)
        self._shape = np.where(taken[:, :, None], shapes, 1.0)
        self._use_days = np.asarray(patients.use_days, dtype=np.float64)
        self._imposed = np.asarray(patients.flags.get("imposed", np.zeros(n)), dtype=bool)
        self.failed_tapers = np.asarray(patients.flags.get("failed_tapers", np.zeros(n)))
        self.buprenorphine = [names.get(0, "") == "buprenorphine" for names in patients.drug]
        self.instruments = [_OPIOID if k == 0 else _OTHER_CLASS for k in column]
        self.known: list[dict[str, float]] = [{} for _ in range(n)]
        self._modes: list[Floats] = [np.zeros(0)] * n
        self._dose = np.empty((n, 0, 3))
        self._reports = np.empty((n, 0, len(STREAMS)))
        self._make_room(n_days)

    # -- doses and reports ---------------------------------------------------------------------------------------------

    def add_doses(self, rows: Ints, day: Ints | int, dose: Floats) -> None:
        """Add doses taken; a day without an added dose has the original dose.

        Parameters
        ----------
        rows, day : ndarray of int
            Patients, and days since each patient's start (1 is the first day of the study); they broadcast.
        dose : ndarray, (..., 3)
            Equivalents a day.
        """
        self._make_room(int(np.max(day, initial=0)))
        self._dose[rows, day] = dose

    def doses(self, rows: Ints, day: Ints) -> Floats:
        """Added doses, or the original dose; arguments as in :meth:`add_doses`, (..., 3)."""
        return self._dose[rows, day]

    def add_reports(self, rows: Ints, day: Ints | int, values: Floats) -> None:
        """Add check-ins.

        Parameters
        ----------
        rows, day : ndarray of int
            As in :meth:`add_doses`.
        values : ndarray, (..., len(STREAMS))
            Whole numbers of the instruments' scales in the order of ``STREAMS``, NaN where missing.
        """
        self._make_room(int(np.max(day, initial=0)))
        self._reports[rows, day] = values

    def _make_room(self, last_day: int) -> None:
        allocated = self._dose.shape[1]
        if last_day < allocated:
            return
        more = max(last_day + 1 - allocated, allocated)
        dose = np.repeat(self.patients.dose[:, None], more, axis=1)
        self._dose = np.concatenate([self._dose, dose], axis=1)
        self._reports = np.concatenate([self._reports, np.full((len(dose), more, len(STREAMS)), np.nan)], axis=1)

    # -- one patient ---------------------------------------------------------------------------------------------------

    def couplings(self, row: int) -> Any:
        """Couplings of the model for one patient."""
        return course.couplings(self.buprenorphine[row])

    def announced(self, row: int) -> float:
        """What a whole announced reduction counts for one patient, as in :class:`Regimen`: 1, or more if imposed."""
        return BY_SYMBOL["xi_imposed"].centre() if self._imposed[row] else 1.0

    def regimen(self, row: int, n_days: int, n_ahead: int) -> Regimen:
        """Doses up to the end of day ``n_days``; the last of them is held for ``n_ahead`` further days."""
        recorded = self._dose[row, : n_days + 1]
        dose = np.concatenate([recorded, np.repeat(recorded[-1:], n_ahead, axis=0)])
        n = len(dose)
        cut, removed = course.cuts_of(dose, self.reference(row), self.announced(row))
        return Regimen(
            dose,
            cut,
            removed,
            np.repeat(self._decay[row][None], n, axis=0),
            np.repeat(self._shape[row][None], n, axis=0),
            self.patients.taken[row],
            self._use_days[row],
            np.zeros((n, 3)),
            np.zeros(n),
        )

    def reference(self, row: int) -> Floats:
        """Dose against which a cut of each class is measured for one patient, equivalents a day, (3,)."""
        return course.cut_reference(self.patients.taken[row], self.patients.dose[row], self.buprenorphine[row])

    def reports(self, row: int, n_days: int) -> Floats:
        """Reports of one patient's instruments up to day ``n_days``, day 1 first, (n_days, n_instruments)."""
        return self._reports[row, 1 : n_days + 1][:, [STREAM_COLUMN[name] for name in self.instruments[row]]]

    def last_report(self, row: int, n_days: int) -> int:
        """Last day with a report, up to day ``n_days``; 0 without any report."""
        answered = np.flatnonzero((~np.isnan(self.reports(row, n_days))).any(axis=1))
        return int(answered[-1]) + 1 if len(answered) else 0

    def prior(self, row: int, n_segments: int, *, reported: bool) -> Prior:
        """Prior of one patient with ``n_segments`` segments of drift; values of instruments only if ``reported``."""
        taken = self.patients.taken[row]
        return prior_of(
            (bool(taken[0]), bool(taken[1]), bool(taken[2])),
            n_segments,
            self.instruments[row] if reported else (),
            buprenorphine=self.buprenorphine[row],
            failed_tapers=int(self.failed_tapers[row]),
            baseline=self.assessed(row),
            population=self.population,
            fixed=self.known[row],
        )

    def evidence(self, row: int, n_days: int, drift_to_d: int) -> Evidence:
        """Assessment and reports of one patient up to day ``n_days``; arguments as in :meth:`posterior`."""
        last = self.last_report(row, n_days)
        prior = self.prior(row, -(-drift_to_d // course.SEGMENT_D), reported=last > 0)
        column = max(int(self.column[row]), 0)
        reports = reports_from_scores(self.reports(row, last), self.instruments[row], column, self.assessed(row))
        return Evidence(prior, self.couplings(row), self.regimen(row, last, 0), reports)

    def assessed(self, row: int) -> dict[str, float]:
        """Baseline assessment of one patient, as in ``model.parameters.Baseline``."""
        return {name: float(values[row]) for name, values in self.patients.baseline.items()}

    def posterior(self, row: int, n_days: int, drift_to_d: int) -> Posterior:
        """Posterior of one patient after ``n_days``; the search for the mode starts at the mode of the last call.

        Parameters
        ----------
        row : int
        n_days : int
            Last day whose reports count.
        drift_to_d : int
            Last day whose drift is part of the posterior, the day of the last report or later. The drift after the last
            report follows its prior.
        """
        evidence = self.evidence(row, n_days, drift_to_d)
        proposal = self.proposal(row, evidence)
        return proposal.weighted(evidence.log_likelihood(proposal.z))

    def proposal(self, row: int, evidence: Evidence) -> Proposal:
        """Draws of one patient's values that are not weighted yet; the search starts at the mode of the last call."""
        last_mode = self._modes[row]
        start = np.zeros(len(evidence.prior.names))
        start[: len(last_mode)] = last_mode  # segments of drift are last; new ones start at 0
        proposal = proposal_near(evidence, start, self.n_draws)
        if len(evidence.regimen.dose) > 1:  # without a report the prior has no values of instruments
            self._modes[row] = proposal.mode
        return proposal


# -- reports in the layout of the likelihood ---------------------------------------------------------------------------


@cache
def _measurements(instrument: str) -> Floats:
    """Measurement of each whole number of a scale: y, low, high, rounding, interval; (largest + 1, 5)."""
    largest = {"sows_gossop": 30, "function": 100}.get(instrument, 10)
    zeros = np.zeros(2)
    rows = []
    for value in range(largest + 1):
        r = reports_of([(1, CheckIn(_ANY_DAY, instrument, float(value)))], zeros.astype(np.int64), zeros)
        rows.append((r.y[0], r.low[0], r.high[0], r.rounding[0], float(r.interval[0])))
    return np.array(rows)


@cache
def _frame(instruments: tuple[str, ...], assessed: tuple[str, ...]) -> Reports:
    """Reports of these instruments on day 1 and of assessments on day 0, with the noise of both."""
    zeros = np.zeros(2)
    reports = [(1, CheckIn(_ANY_DAY, name, 1.0)) for name in instruments]
    return reports_of(reports, zeros.astype(np.int64), zeros, dict.fromkeys(assessed, 0.0))


def reports_from_scores(
    values: Floats, instruments: tuple[str, ...], column: int, assessed: Mapping[str, float] = MappingProxyType({})
) -> Reports:
    """Reports of one person in the layout of the likelihood; vectorised equivalent of ``observation.reports_of``.

    Parameters
    ----------
    values : ndarray, (n_days, n_instruments)
        Day 1 first; NaN where missing. Whole numbers of the instruments' scales, in the order of ``INSTRUMENTS``.
    instruments : tuple of str
    column : int
        Class that is reduced.
    assessed : mapping of str to float, optional
        As in ``observation.reports_of``.
    """
    present = ~np.isnan(values)
    answered = present.any(axis=0)
    used = tuple(name for name, used_here in zip(instruments, answered, strict=True) if used_here)
    known = tuple(name for name in ASSESSED_DOMAINS if name in assessed)
    frame = _frame(used, known)
    day, slot = np.nonzero(present[:, answered])
    measured = np.empty((len(day), 5))
    scores = values[:, answered][day, slot].astype(np.int64)
    for k, name in enumerate(used):
        of_instrument = slot == k
        measured[of_instrument] = _measurements(name)[scores[of_instrument]]
    of_start, n = len(known), len(values) + 1  # reports of day 0 come first, and their instruments last
    y = np.array([assessed[name] for name in known])

    def after(start: Any, reported: Any) -> Any:
        return np.concatenate([start, reported])

    return frame._replace(
        day=after(np.zeros(of_start, dtype=np.int64), day + 1),
        slot=after(len(used) + np.arange(of_start), slot),
        y=after(y, measured[:, 0]),
        low=after(y, measured[:, 1]),
        high=after(y, measured[:, 2]),
        rounding=after(np.zeros(of_start), measured[:, 3]),
        interval=after(np.zeros(of_start, dtype=np.bool_), measured[:, 4] > 0),
        window=np.full(of_start + len(day), -1, dtype=np.int64),
        gather=np.empty((n, 0), dtype=np.int64),
        opening=np.empty((n, 0)),
        weekend=np.zeros(n),
        last_cut=np.full(n, column, dtype=np.int64),
    )
