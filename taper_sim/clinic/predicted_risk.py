"""Predicted risk for triage: probability of harm within two weeks, from a patient's check-ins. Imports ``inference``.

The risk is the probability, over the patient's posterior, that within :data:`RISK_HORIZON_D` days at the current order
withdrawal exceeds its limit, pain or function is worse than at the first assessment by more than the smallest important
difference, whatever its cause, or an event occurs that raises a red flag (mental-health crisis, overdose, seizure;
their hazards at the centre of the prior). A review is meant to detect these. A check-in counts before staff have read
it.

A posterior is computed every :data:`EVERY_D` days since the patient's start. A check-in well above the baseline brings
it forward, but not within :data:`AGAIN_D` days of the last. In between the risk is unchanged (assumption A48). A risk
depends on that patient's record alone, not on other patients of the clinic.
"""

from typing import Final

import numpy as np

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.inference import rollout
from taper_sim.inference.event_risk import event_matrix
from taper_sim.inference.life_today import life_ahead, today_of
from taper_sim.inference.tracker import TrackedPatients
from taper_sim.model import equations as eq
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL
from taper_sim.policies.adaptive import column_of
from taper_sim.safety.limits import Limits
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.dispensing import known_of
from taper_sim.simulation.ensemble import Ensemble, drawn_from
from taper_sim.units import DRAWS_FROM

RISK_HORIZON_D: Final = 14
"""Horizon of the risk, days. Source: assumption A48."""
EVERY_D: Final = 7
"""Days from one posterior of a patient to the next. Source: assumption A48."""
AGAIN_D: Final = 3
"""Days after a posterior within which no check-in brings the next one forward. Source: assumption A48."""
N_DRAWS: Final = 128
"""Posterior draws, as many as the personal policy uses. Source: assumption A48."""
_DECAY_V: Final = float(np.exp(-1.0 / CHANCE_BY_SYMBOL["tau_V"].centre()))


class RiskPredictor:
    """Records of a clinic's patients, and the predicted risk of each.

    Parameters
    ----------
    cohort : Cohort
        n people.
    n_days : int
        Days of the calendar.
    limits : Limits, optional
        Limits of withdrawal, pain and function; the defaults of a recommendation.
    ensemble : Ensemble, optional
        Draws of the clinic's run, whose origin is that of the patients' priors; without one that of the priors.
    """

    def __init__(self, cohort: Cohort, n_days: int, limits: Limits | None = None, ensemble: Ensemble | None = None):
        n, known = len(cohort), known_of(cohort, ensemble=ensemble)
        self._limits = Limits() if limits is None else limits
        self._original, self._baseline = cohort.dose, known.baseline
        self._tracked = TrackedPatients(known, column_of(known, None), N_DRAWS, n_days + 1)
        centre = drawn_from(DRAWS_FROM, 0, 1).of(np.zeros(n, dtype=np.int64))
        self._events = event_matrix(cohort, centre)
        self._recent, self._before_cut = np.zeros(n), cohort.dose.copy()
        self._last = np.full(n, -AGAIN_D)
        self.risk = np.zeros(n)
        """Probability of harm within the horizon, (n,); 0 before the first day."""
        self.n_posteriors = 0

    def update(self, study_day: Ints, dose: Floats, reports: Floats, here: Bools, rose: Bools) -> Floats:
        """Add yesterday to the patients' records and compute the posteriors that are due.

        Parameters
        ----------
        study_day : ndarray of int, (n,)
            Days since each patient's start, today; the last complete day is the one before.
        dose : ndarray, (n, 3)
            Equivalents a day ordered for yesterday.
        reports : ndarray, (n, 8)
            Yesterday's check-ins in the order of ``event_parameters.STREAMS``, NaN where missing.
        here : ndarray of bool, (n,)
            Whether the patient is enrolled.
        rose : ndarray of bool, (n,)
            Whether the last check-in is well above the baseline.

        Returns
        -------
        ndarray, (n,)
            Current risks.
        """
        recorded = here & (study_day >= 2)
        who = np.flatnonzero(recorded)
        self._tracked.add_doses(who, study_day[who] - 1, dose[who])
        self._tracked.add_reports(who, study_day[who] - 1, reports[who])
        previous = self._tracked.doses(who, study_day[who] - 2)
        reference = np.array([self._tracked.reference(int(row)) for row in who]).reshape(-1, 3)
        share = eq.cut_share(previous, dose[who], reference)
        net = np.maximum(share.max(axis=1, initial=0.0), 0.0) + np.minimum(share.min(axis=1, initial=0.0), 0.0)
        self._recent[who] = np.maximum(eq.recent_cut(self._recent[who], _DECAY_V, net), 0.0)
        self._before_cut[who] = np.where(dose[who] < previous, previous, self._before_cut[who])
        due = recorded & (((study_day - 2) % EVERY_D == 0) | (rose & (study_day - self._last >= AGAIN_D)))
        for row in np.flatnonzero(due).tolist():
            self.risk[row] = self._risk(row, int(study_day[row]) - 1)
            self._last[row] = study_day[row]
        self.n_posteriors += int(due.sum())
        return self.risk

    def _risk(self, row: int, n_days: int) -> float:
        """Probability of harm after ``n_days`` of one patient's record."""
        f, weights = self._ahead(row, n_days)
        over = f[:, rollout.PEAK_W] > self._limits.withdrawal
        pain, function = (float(self._baseline[name][row]) for name in ("pain", "function"))
        over |= f[:, rollout.PAIN_END] - pain > self._limits.pain_rise
        over |= function - f[:, rollout.FUNCTION_END] > self._limits.function_loss
        events = (rollout.H_CRISIS, rollout.H_OVERDOSE, rollout.H_RELAPSE, rollout.H_SEIZURE)
        return 1.0 - float(weights @ (~over * np.exp(-f[:, list(events)].sum(axis=1))))

    def _ahead(self, row: int, n_days: int) -> tuple[Floats, Floats]:
        """Outcomes of holding the ordered dose, (draws, N_FIGURES), and the weights of the draws."""
        tracked = self._tracked
        # the posterior includes the drift of the coming days, at its prior, for the roll-out
        posterior = tracked.posterior(row, n_days, n_days + RISK_HORIZON_D)
        values, shared = posterior.values(), tracked.couplings(row)
        regimen = tracked.regimen(row, n_days, RISK_HORIZON_D)
        reports, reference = tracked.evidence(row, n_days, 0).reports, tracked.reference(row)
        cuts = np.flatnonzero(regimen.cut)
        today = today_of(values, shared, regimen.until(n_days), reports, int(cuts[0]) if len(cuts) else None, 0)
        life = life_ahead(today, values, shared, RISK_HORIZON_D, 0)
        figures = rollout.roll_out(
            values,
            today.states,
            today.drifts,
            shared,
            self._events[row : row + 1],
            regimen,
            n_days + 1,
            self._original[row],
            reference,
            float(self._before_cut[row, 0]),
            float(self._recent[row]),
            _DECAY_V,
            0.0 if tracked.buprenorphine[row] else 1.0,
            self._limits.withdrawal,
            today.reference,
            life,
            rollout.room_beside(life),
            True,
        )
        return figures, posterior.weights
