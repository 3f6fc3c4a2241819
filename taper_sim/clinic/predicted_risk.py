"""What each patient's own check-ins say of her next two weeks: triage's predicted risk. Imports ``inference``.

The risk is the chance, over the patient's posterior, that within :data:`HORIZON_D` days at the dose that is ordered now
withdrawal passes its limit, pain or function is worse than at the first assessment by more than the smallest important
difference, whatever the taper has to do with it, or what raises a red flag happens (mental-health crisis, overdose,
seizure; their hazards at the centre of the prior): what a review is there to find. Nobody has to have read a check-in
for it to count; a sum needs no nurse.

A posterior is made every :data:`EVERY_D` days of a patient's own course, and sooner for a check-in some way above the
baseline, but not within :data:`AGAIN_D` days of the last; in between the risk stands (assumption A48). A risk hangs on
that patient's record alone: the same record gives the same number, whoever else is in the clinic.
"""

from typing import Final

import numpy as np

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.inference import course as at
from taper_sim.inference import rollout
from taper_sim.inference.course import Regimen
from taper_sim.inference.posterior import Evidence
from taper_sim.inference.prior import prior_of
from taper_sim.inference.tracker import laid_out
from taper_sim.inference.warm_start import warm_started_posterior
from taper_sim.model import equations as eq
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL, STREAMS
from taper_sim.model.parameters import BY_SYMBOL
from taper_sim.model.pharmacology import level_decay, within_day_shape
from taper_sim.safety.limits import Limits
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.dispensing import known_of
from taper_sim.simulation.ensemble import from_prior
from taper_sim.simulation.layout import log_hazards

HORIZON_D: Final = 14
"""Days ahead over which the risk is. Source: assumption A48."""
EVERY_D: Final = 7
"""Days of a patient's course from one posterior to the next. Source: assumption A48."""
AGAIN_D: Final = 3
"""Days after a posterior before which no check-in asks for another. Source: assumption A48."""
N_DRAWS: Final = 128
"""Posterior draws, as many as the personal policy takes. Source: assumption A48."""
_OPIOID: Final = ("sows_gossop", "pain_nrs", "mood_item", "sleep_item", "function")
_OTHER: Final = ("withdrawal_item", *_OPIOID[1:])  # scales of opioid withdrawal teach nothing of other classes
_PLACE: Final = {stream.instrument: k for k, stream in enumerate(STREAMS)}
_DECAY_V: Final = float(np.exp(-1.0 / CHANCE_BY_SYMBOL["tau_V"].centre()))
_SAME: Final = 1e-9


def _events_of(cohort: Cohort) -> Floats:
    """Parameters of everybody's events at the centre of their prior, (n, N_EVENTS), as the roll-out reads them."""
    v = from_prior(0, 1).of(np.zeros(len(cohort), dtype=np.int64))
    kinds = ("dropout", "return", "lapse", "crisis", "overdose", "seizure")
    fixed = dict(zip(kinds, log_hazards(cohort, v), strict=False))
    more = np.minimum(v["lapse_more"] * np.where(cohort.flags["oud"], v["lapse_more_oud"], 1.0), 0.9)
    columns = [v[symbol] for symbol in rollout.EVENT_COEFFICIENTS]
    columns += [fixed[event] for event in ("return", "lapse", "crisis", "overdose", "seizure")]
    return np.stack([*columns, v["excess_apnoea"] * cohort.flags["sleep_apnoea"], more], axis=1)


class RiskPredictor:
    """The records of a clinic's patients, and what follows from each.

    Parameters
    ----------
    cohort : Cohort
        n people.
    n_days : int
        Days of the calendar.
    limits : Limits, optional
        What withdrawal, pain and function are not to pass; the defaults of a recommendation.
    """

    def __init__(self, cohort: Cohort, n_days: int, limits: Limits | None = None):
        known = known_of(cohort)
        n = len(cohort)
        self._limits = Limits() if limits is None else limits
        self._taken, self._use_days = cohort.taken, np.asarray(known.use_days, dtype=np.float64)
        self._decay = np.where(cohort.taken, level_decay(cohort.half_life_h), 0.0)
        troughs, which = np.unique(cohort.trough_mean, return_inverse=True)
        solved = np.array([within_day_shape(float(trough)) for trough in troughs])[which].reshape(n, 3, 4)
        self._shape = np.where(cohort.taken[:, :, None], solved, 1.0)
        self._imposed = np.asarray(known.flags.get("imposed", np.zeros(n, dtype=bool)), dtype=bool)
        self._failed, self._baseline = cohort.failed_tapers, known.baseline
        self._buprenorphine = [names.get(0, "") == "buprenorphine" for names in known.drug]
        self._instruments = [_OPIOID if cohort.taken[row, 0] else _OTHER for row in range(n)]
        self._events = _events_of(cohort)
        self._recent, self._before_cut = np.zeros(n), cohort.dose.copy()
        self._dose = np.repeat(cohort.dose[:, None], n_days + 1, axis=1)
        self._reports = np.full((n, n_days, len(STREAMS)), np.nan)
        self._modes: list[Floats] = [np.zeros(0)] * n
        self._last = np.full(n, -AGAIN_D)
        self.risk = np.zeros(n)
        """Chance of harm within the horizon, (n,); 0 before the first day."""
        self.n_posteriors = 0

    def look(self, own: Ints, dose: Floats, reports: Floats, here: Bools, rose: Bools) -> Floats:
        """Take in the patients' last day and make the posteriors that are due.

        Parameters
        ----------
        own : ndarray of int, (n,)
            Each patient's own day today; the last day lived is the one before.
        dose : ndarray, (n, 3)
            Equivalents a day that were ordered for that day.
        reports : ndarray, (n, 8)
            That day's check-ins in the order of ``chance.STREAMS``, NaN where none came.
        here : ndarray of bool, (n,)
            Who is enrolled.
        rose : ndarray of bool, (n,)
            Whose last check-in stands some way above the baseline.

        Returns
        -------
        ndarray, (n,)
            Risks as they stand now.
        """
        lived = here & (own >= 2)
        who = np.flatnonzero(lived)
        self._dose[who, own[who] - 1] = dose[who]
        self._reports[who, own[who] - 2] = reports[who]
        before = self._dose[who, own[who] - 2]
        fell = np.divide(before - dose[who], self._dose[who, 0], out=np.zeros((len(who), 3)), where=self._taken[who])
        self._recent[who] = eq.recent_cut(self._recent[who], _DECAY_V, np.maximum(fell, 0.0).max(axis=1))
        self._before_cut[who] = np.where(dose[who] < before, before, self._before_cut[who])
        due = lived & (((own - 2) % EVERY_D == 0) | (rose & (own - self._last >= AGAIN_D)))
        for row in np.flatnonzero(due).tolist():
            self.risk[row] = self._risk(row, int(own[row]) - 1)
            self._last[row] = own[row]
        self.n_posteriors += int(due.sum())
        return self.risk

    def _risk(self, row: int, n_days: int) -> float:
        """Chance of harm after ``n_days`` of one patient's record."""
        f, weights = self._ahead(row, n_days)
        over = f[:, rollout.PEAK_W] > self._limits.withdrawal
        pain, function = (float(self._baseline[name][row]) for name in ("pain", "function"))
        over |= f[:, rollout.PAIN_END] - pain > self._limits.pain_rise
        over |= function - f[:, rollout.FUNCTION_END] > self._limits.function_loss
        events = (rollout.H_CRISIS, rollout.H_OVERDOSE, rollout.H_RELAPSE, rollout.H_SEIZURE)
        return 1.0 - float(weights @ (~over * np.exp(-f[:, list(events)].sum(axis=1))))

    def _ahead(self, row: int, n_days: int) -> tuple[Floats, Floats]:
        """Figures of holding what is ordered, (draws, N_FIGURES), and the draws' weights."""
        reports = self._reports[row, :n_days][:, [_PLACE[name] for name in self._instruments[row]]]
        answered = np.flatnonzero((~np.isnan(reports)).any(axis=1))
        last = int(answered[-1]) + 1 if len(answered) else 0
        taken, shared = self._taken[row], at.couplings(self._buprenorphine[row])
        # drift of the days ahead is in the posterior too, at its prior, so that the roll-out has it
        n_segments = -(-(n_days + HORIZON_D) // at.SEGMENT_D)
        prior = prior_of(
            (bool(taken[0]), bool(taken[1]), bool(taken[2])),
            n_segments,
            self._instruments[row] if last else (),
            buprenorphine=self._buprenorphine[row],
            failed_tapers=int(self._failed[row]),
            baseline={name: float(of[row]) for name, of in self._baseline.items()},
        )
        regimen = self._regimen(row, n_days)
        evidence = Evidence(
            prior,
            shared,
            Regimen(
                *(
                    part if name in ("taken", "use_days") else part[: last + 1]
                    for name, part in zip(Regimen._fields, regimen, strict=True)
                )
            ),
            laid_out(reports[:last], self._instruments[row], 0 if taken[0] else int(np.argmax(taken))),
        )
        before = self._modes[row]
        start = np.zeros(len(prior.names))
        start[: len(before)] = before  # pieces of drift are last: new ones begin at 0
        found = warm_started_posterior(evidence, start, N_DRAWS)
        if last:  # without a report other instruments' values are not in the prior yet
            self._modes[row] = found.mode
        values = found.values()
        states, drifts = rollout.carried(values, shared, regimen, n_days)
        figures = rollout.roll_out(
            values,
            states,
            drifts,
            shared,
            self._events[row : row + 1],
            regimen,
            n_days + 1,
            self._dose[row, 0],
            float(self._before_cut[row, 0]),
            float(self._recent[row]),
            _DECAY_V,
            0.0 if self._buprenorphine[row] else 1.0,
            self._limits.withdrawal,
        )
        return figures, found.weights

    def _regimen(self, row: int, n_days: int) -> Regimen:
        """Doses of the record, the last of them held over the horizon."""
        lived = self._dose[row, : n_days + 1]
        dose = np.concatenate([lived, np.repeat(lived[-1:], HORIZON_D, axis=0)])
        n = len(dose)
        announced = BY_SYMBOL["xi_imposed"].centre() if self._imposed[row] else 1.0
        cut = np.zeros(n)
        cut[1:] = np.where((np.diff(dose, axis=0) < -_SAME).any(axis=1), announced, 0.0)
        return Regimen(
            dose,
            cut,
            np.repeat(self._decay[row][None], n, axis=0),
            np.repeat(self._shape[row][None], n, axis=0),
            self._taken[row],
            self._use_days[row],
            np.zeros((n, 3)),
            np.zeros(n),
        )
