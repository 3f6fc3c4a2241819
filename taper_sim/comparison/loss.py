"""Loss function for patients and for policies. Imports ``comparison.outcomes``, ``simulation`` and below.

A patient's loss is a weighted mean of exposure, pain, function and distress. Each domain is a mean over the days alive,
in units of its smallest important difference, with the weights of the composite's loads (A18, A70). A policy's
loss combines the mean over patients with the mean of the worst 5 % of patients.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.comparison.outcome_window import OutcomeWindow
from taper_sim.comparison.preferences import COMPOSITE_WEIGHTS, FULL_STOP, ValueJudgements
from taper_sim.comparison.statistics import CVAR_SHARE, tail_terms
from taper_sim.model.compiled import rows
from taper_sim.simulation.days import Trajectory

PAIN_STEP: Final = 1.0
"""Smallest important difference of pain, NRS points. Source: A18, scales.csv."""
FUNCTION_STEP: Final = 10.0
"""Smallest important difference of function, points of 0 to 100. Source: A18, scales.csv."""
DISTRESS_STEP: Final = 5.0 / 27.0
"""Smallest important difference of distress (0 to 1): five points of PHQ-9. Source: A18, scales.csv."""
SLEEP_STEP: Final = 6.0 / 28.0
"""Smallest important difference of insomnia (0 to 1): six points of ISI. Source: scales.csv; A92."""
TAIL_SHARE: Final = 0.2
"""Weight of the worst 5 % of patients in a policy's loss; the mean has weight 0.8. Source: docs/personal-pace.md."""


@dataclass(frozen=True)
class Loss:
    """Weights of the loss. The loss is in smallest important differences.

    Attributes
    ----------
    medication, pain, function, distress, sleep : float
        Weights of a patient's domains; they are divided by their sum.
    tail : float
        Weight of the worst 5 % of patients, 0 to 1; the mean over all patients has the remaining weight.
    full_stop : float
        Smallest important differences that a year without the drug is worth.
    harm_line : float
        Smallest important differences of the domain that weighs most by which a loss may exceed that of the full dose
        before it counts as harm.
    """

    medication: float = COMPOSITE_WEIGHTS["medication"]
    pain: float = COMPOSITE_WEIGHTS["pain"]
    function: float = COMPOSITE_WEIGHTS["function"]
    distress: float = COMPOSITE_WEIGHTS["mood"]
    tail: float = TAIL_SHARE
    full_stop: float = FULL_STOP
    sleep: float = 0.0
    harm_line: float = 0.0

    @classmethod
    def of_values(cls, values: ValueJudgements) -> "Loss":
        """The loss by which one patient's values judge."""
        return cls(
            values.most,
            values.pain,
            values.function,
            values.mood,
            full_stop=values.full_stop,
            sleep=values.sleep,
            harm_line=values.harm_line,
        )

    @property
    def one_difference(self) -> float:
        """Loss of one important difference of the domain that weighs most."""
        return max(self.pain, self.function, self.distress, self.sleep) / self._total

    @property
    def _total(self) -> float:
        return self.medication + self.pain + self.function + self.distress + self.sleep

    def of_person(
        self, exposure: Floats, pain: Floats, function: Floats, distress: Floats, insomnia: Floats | float = 0.0
    ) -> Floats:
        """Loss of each patient, (n,).

        Parameters
        ----------
        exposure : ndarray, (n,)
            Mean dose as a share of the dose on day 0.
        pain, function, distress, insomnia : ndarray, (n,)
            Mean change from the start: NRS points, points of 0 to 100 (a fall is negative), 0 to 1, 0 to 1.
        """
        return np.asarray(
            (
                self.medication * self.full_stop * exposure
                + self.pain * pain / PAIN_STEP
                - self.function * function / FUNCTION_STEP
                + self.distress * distress / DISTRESS_STEP
                + self.sleep * insomnia / SLEEP_STEP
            )
            / self._total
        )

    def decision_loss(self, of_person: Floats, today: Floats | None = None) -> Floats:
        """Loss plus a penalty on harm, (n,): a decision for a single patient minimises its expectation.

        Harm is the part of the loss that exceeds by more than ``harm_line`` the loss of ``today``, (n,); without it,
        the loss at the full dose without any other change. Its extra weight equals the weight of the worst 5 % of
        patients in a policy's loss. Decisions for single patients and the evaluation of a policy therefore follow the
        same criterion.
        """
        reference = self.medication * self.full_stop / self._total if today is None else today
        harm = np.maximum(of_person - reference - self.harm_line * self.one_difference, 0.0)
        return np.asarray((1.0 - self.tail) * of_person + self.tail / CVAR_SHARE * harm)

    def terms(self, of_person: Floats) -> Floats:
        """One number per patient whose mean is the policy's loss, (..., n); each row of patients by itself."""
        return (1.0 - self.tail) * of_person + self.tail * tail_terms(of_person)


def person_figures(course: Trajectory) -> Mapping[str, Floats]:
    """Inputs of the loss and of the ladder's columns by name, one number per patient, (n,) each."""
    window = OutcomeWindow(course, course.n_days, course.n_days)
    days = np.maximum(window.total(rows.DAYS), 1.0)
    by_class = np.stack([window.total(rows.SUM_DOSE + k) for k in range(3)], axis=1)
    taken = by_class[np.arange(len(by_class)), window.target]
    return {
        "exposure": taken / days / window.dose_start,
        "pain": window.total(rows.SUM_P) / days - course.start[rows.P],
        "function": window.total(rows.SUM_U) / days - course.start[rows.U],
        "distress": window.total(rows.SUM_M) / days - course.start[rows.M],
        "peak": window.total(rows.MAX_W),
        "days_over": window.total(rows.OVER_LIMIT),
        "end_share": window.dose_end / window.dose_start,
    }
