"""What a course costs a person, and what a policy costs people: one number. Imports ``outcomes`` and below.

Exposure, pain, function and distress are means over the days lived, each in its smallest important differences and
weighted as the composite of docs/outcomes.md is (A18). A policy's loss counts people's mean and its worst 5 %.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.comparison.outcomes import COMPOSITE_WEIGHTS, OutcomeWindow
from taper_sim.comparison.statistics import tail_terms
from taper_sim.model.compiled import rows
from taper_sim.simulation.days import Trajectory

FULL_STOP: Final = 2.0
"""Smallest important differences that a year without the drug counts, against one at the full dose. Source: A18."""
PAIN_STEP: Final = 1.0
"""NRS points that count as one important difference. Source: A18, scales.csv."""
FUNCTION_STEP: Final = 10.0
"""Points of function (0 to 100) that count as one. Source: A18, scales.csv."""
DISTRESS_STEP: Final = 5.0 / 27.0
"""Distress (0 to 1) that counts as one: five points of PHQ-9. Source: A18, scales.csv."""
WORST_SHARE: Final = 0.05
"""Share of people who are the tail. Source: docs/personal-pace.md."""
TAIL_SHARE: Final = 0.2
"""Weight of the worst 5 % of people in a policy's loss, against 0.8 of the mean. Source: docs/personal-pace.md."""


@dataclass(frozen=True)
class Loss:
    """Weights of the loss, important differences.

    Attributes
    ----------
    medication, pain, function, distress : float
        Weights of a person's domains; they are divided by their sum.
    tail : float
        Weight of the worst 5 % of people, 0 to 1; the mean of all has the rest.
    """

    medication: float = COMPOSITE_WEIGHTS["medication"]
    pain: float = COMPOSITE_WEIGHTS["pain"]
    function: float = COMPOSITE_WEIGHTS["function"]
    distress: float = COMPOSITE_WEIGHTS["mood"]
    tail: float = TAIL_SHARE

    def of_person(self, exposure: Floats, pain: Floats, function: Floats, distress: Floats) -> Floats:
        """Loss of people, (n,).

        Parameters
        ----------
        exposure : ndarray, (n,)
            Mean dose as a share of the dose on day 0.
        pain, function, distress : ndarray, (n,)
            Mean change from the start: NRS points, points of 0 to 100 (a fall is negative), 0 to 1.
        """
        total = self.medication + self.pain + self.function + self.distress
        return np.asarray(
            (
                self.medication * FULL_STOP * exposure
                + self.pain * pain / PAIN_STEP
                - self.function * function / FUNCTION_STEP
                + self.distress * distress / DISTRESS_STEP
            )
            / total
        )

    def weighed(self, of_person: Floats) -> Floats:
        """What a decision for one person makes small in expectation, (n,): her loss, and more where it is harm.

        Harm is a loss beyond that of the full dose and no change. It weighs as much more as a policy's worst 5 % do, so
        that who decides person by person wants what the policy is judged by.
        """
        total = self.medication + self.pain + self.function + self.distress
        untouched = self.medication * FULL_STOP / total
        harm = np.maximum(of_person - untouched, 0.0)
        return np.asarray((1.0 - self.tail) * of_person + self.tail / WORST_SHARE * harm)

    def terms(self, of_person: Floats) -> Floats:
        """Numbers, one a person, whose mean is the policy's loss, (n,)."""
        return (1.0 - self.tail) * of_person + self.tail * tail_terms(of_person)


def person_figures(course: Trajectory) -> Mapping[str, Floats]:
    """What the loss and the ladder's columns are made of, one number a person, (n,) each."""
    look = OutcomeWindow(course, course.n_days, course.n_days)
    days = np.maximum(look.total(rows.DAYS), 1.0)
    by_class = np.stack([look.total(rows.SUM_DOSE + k) for k in range(3)], axis=1)
    taken = by_class[np.arange(len(by_class)), look.target]
    return {
        "exposure": taken / days / look.dose_start,
        "pain": look.total(rows.SUM_P) / days - course.start[rows.P],
        "function": look.total(rows.SUM_U) / days - course.start[rows.U],
        "distress": look.total(rows.SUM_M) / days - course.start[rows.M],
        "peak": look.total(rows.MAX_W),
        "days_over": look.total(rows.OVER_LIMIT),
    }
