"""Expected loss of a first course of doses if the next one is chosen after its reports. Imports ``learning_ahead``.

Two stages (docs/destination.md, "Looking ahead"). The course due to the taper is linear in the long-run benefit b, so
that a second roll-out at b + 1 gives every other b. The reports of the first stage narrow and move b; at each of a few
values that its mean may then have, the better of the second courses is chosen. What lies behind does not count, and the
days ahead are as many at every decision, so that a way back still pays near the end of a study.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.comparison.loss import Loss
from taper_sim.inference import course as at
from taper_sim.recommend.ahead import OF_CURRENT_PCT, WAY_BACK_PCT, DosePlan, PersonAhead
from taper_sim.recommend.choice import loss_of
from taper_sim.recommend.learning_ahead import TrialOfBenefit
from taper_sim.units import MONTH_D, TOLERANCE

LEARN_D: Final = (84, 168, 280)
"""Days after which the second course may begin: 12, 24 and 40 weeks. Source: A130."""
SECOND_ENDS: Final = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Shares of the original dose to which a second course may lead. Source: A130."""
LOOK_AHEAD_DRAWS: Final = 32
"""Equally likely posterior draws. Source: A130."""
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_NODE_CHANCES: Final = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()


class LookAhead:
    """A person at equally likely draws, and the value of courses whose successor is chosen later.

    Parameters
    ----------
    person : PersonAhead
        At n equally likely draws.
    trial : TrialOfBenefit
        What reports would tell, from all posterior draws.
    loss : Loss
    column : int
        Class whose dose changes.
    pace_pct : float
        Largest reduction, percent of the original dose in 28 days.
    every : int
        Days between steps.
    outlook_d : int
        Days ahead that count.
    """

    def __init__(
        self,
        person: PersonAhead,
        trial: TrialOfBenefit,
        loss: Loss,
        column: int,
        pace_pct: float,
        every: int,
        outlook_d: int,
    ):
        self.trial, self.loss, self.column, self.pace_pct, self.every = trial, loss, column, pace_pct, every
        self.outlook_d = outlook_d
        self.b = person.values[:, at.B + column]
        more = person.values.copy()
        more[:, at.B + column] += 1.0
        today, n = person.today, np.arange(len(self.b))
        # one roll-out carries both: the draws, and the draws at b + 1
        self.both = replace(person, values=np.concatenate([person.values, more]), today=today.of(np.tile(n, 2)))
        self._losses: dict[bytes, tuple[Floats, Floats]] = {}

    def expected_loss(self, path: Floats) -> float:
        """Expected loss of a first course, (outlook_d,) shares, with the best time at which to choose anew."""
        times = [day for day in LEARN_D if day < self.outlook_d]
        if not times:
            return float(self.loss.decision_loss(self._loss(path)[0]).mean())
        slopes = self._slopes(path[: times[-1]])
        return min(self._chosen_later(path[:day], slopes[: day // MONTH_D]) for day in times)

    def _chosen_later(self, path: Floats, slopes: Floats) -> float:
        """Expected loss if the second course is chosen after this path."""
        left = self.trial.variance_left(slopes)
        mean, sd = self.trial.benefit
        rest = self.outlook_d - len(path)
        moved = mean + np.sqrt(left) * (self.b - mean)
        later_b = moved[:, None] + _NODES * sd * np.sqrt(1.0 - left)  # (n, nodes)
        best = np.full(len(_NODES), np.inf)
        for second in self._seconds(float(path[-1]), rest):
            loss, per_b = self._loss(np.concatenate([path, second]))
            of_person = loss[:, None] + (later_b - self.b[:, None]) * per_b[:, None]
            best = np.minimum(best, self.loss.decision_loss(of_person).mean(axis=0))
        return float(_NODE_CHANCES @ best)

    def _seconds(self, now: float, n_days: int) -> Iterable[Floats]:
        """Second courses: stay, go down to a share or by shares of the current dose, go back up."""
        yield np.full(n_days, now)
        if now <= 0.0:
            return  # who has stopped is left in peace
        for end in SECOND_ENDS:
            if end < now - TOLERANCE:
                yield DosePlan(self.pace_pct, end).shares(now, n_days, self.every)
            elif end > now + TOLERANCE:
                yield DosePlan(-WAY_BACK_PCT, end).shares(now, n_days, self.every)
        yield DosePlan(self.pace_pct, 0.0, of_current_pct=OF_CURRENT_PCT).shares(now, n_days, self.every)

    def _loss(self, shares: Floats) -> tuple[Floats, Floats]:
        """Loss of a course at each draw, and its change for each unit of b, (n,) each."""
        key = shares.tobytes()
        if key not in self._losses:
            figures = self.both.figures(shares, self.column)
            n = len(self.b)
            of_person = loss_of(figures, self.column, self._without_harm)
            self._losses[key] = (of_person[:n], of_person[n:] - of_person[:n])
        return self._losses[key]

    @cached_property
    def _without_harm(self) -> Loss:
        """The loss without the extra weight of harm, which is linear in b."""
        return replace(self.loss, tail=0.0)

    def _slopes(self, path: Floats) -> Floats:
        """Change of the monthly means of reports for each unit of b along a path, (n_months, n_domains)."""
        n = len(self.b)
        sums = self.trial.sums(self.both, path)
        return np.asarray(np.diff(sums[:, n:].mean(axis=1) - sums[:, :n].mean(axis=1), axis=0) / MONTH_D)
