"""Expected loss of a first course of doses if the next one is chosen after its reports. Imports ``learning_ahead``.

Two stages (docs/destination.md, "Looking ahead"). The course due to the taper is linear in the long-run benefit b and
the lasting response beta, so that roll-outs at b + 1 and beta + 1 give all others. The reports of the first stage
narrow and move both; at each of a few values that their means may then have, the best of the second courses is chosen.
What lies behind does not count, and the days ahead are as many at every decision, so that a way back still pays near
the end of a study.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.comparison.loss import Loss
from taper_sim.recommend.ahead import OF_CURRENT_PCT, WAY_BACK_PCT, DosePlan, PersonAhead
from taper_sim.recommend.choice import loss_of
from taper_sim.recommend.learning_ahead import LastingTrial, lasting_places, with_more_lasting
from taper_sim.units import MONTH_D, TOLERANCE

LEARN_D: Final = (84, 168, 280)
"""Days after which the second course may begin: 12, 24 and 40 weeks. Source: A125."""
SECOND_ENDS: Final = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Shares of the original dose to which a second course may lead. Source: A125."""
LOOK_AHEAD_DRAWS: Final = 32
"""Equally likely posterior draws. Source: A125."""
_X, _WEIGHTS_X = np.polynomial.hermite_e.hermegauss(5)
_NODES: Final = np.stack(np.meshgrid(_X, _X), axis=-1).reshape(-1, 2)
NODE_CHANCES: Final = np.outer(_WEIGHTS_X, _WEIGHTS_X).ravel() / _WEIGHTS_X.sum() ** 2
"""Chances of the nodes, (25,): Gauss and Hermite's in two directions."""


def _powered(matrix: Floats, power: float) -> Floats:
    """Symmetric power of a covariance; a direction without variance stays without."""
    values, vectors = np.linalg.eigh(matrix)
    some = values > 1e-12 * max(float(values[-1]), 1e-300)
    return np.asarray((vectors * np.where(some, np.where(some, values, 1.0) ** power, 0.0)) @ vectors.T)


class LookAhead:
    """A person at equally likely draws, and the value of courses whose successor is chosen later.

    Parameters
    ----------
    person : PersonAhead
        At n equally likely draws.
    trial : LastingTrial
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
        trial: LastingTrial,
        loss: Loss,
        column: int,
        pace_pct: float,
        every: int,
        outlook_d: int,
    ):
        self.trial, self.loss, self.column, self.pace_pct, self.every = trial, loss, column, pace_pct, every
        self.outlook_d = outlook_d
        self.lasting = person.values[:, lasting_places(column)]
        self.carried = with_more_lasting(person, column)
        self._losses: dict[bytes, tuple[Floats, Floats]] = {}

    def expected_loss(self, path: Floats) -> float:
        """Expected loss of a first course, (outlook_d,) shares, with the best time at which to choose anew."""
        times = [day for day in LEARN_D if day < self.outlook_d]
        if not times:
            return float(self.loss.decision_loss(self._loss(path)[0]).mean())
        slopes = self.trial.slopes(self.carried, path[: times[-1]])
        return min(self._chosen_later(path[:day], slopes[: day // MONTH_D]) for day in times)

    def _chosen_later(self, path: Floats, slopes: Floats) -> float:
        """Expected loss if the second course is chosen after this path."""
        later, rest = self.values_later(slopes), self.outlook_d - len(path)
        best = np.full(len(_NODES), np.inf)
        for second in self._seconds(float(path[-1]), rest):
            loss, slope = self._loss(np.concatenate([path, second]))
            of_person = loss[:, None] + np.einsum("nkl,nl->nk", later - self.lasting[:, None], slope)
            best = np.minimum(best, self.loss.decision_loss(of_person).mean(axis=0))
        return float(NODE_CHANCES @ best)

    def values_later(self, slopes: Floats) -> Floats:
        """B and beta of each draw once the reports have moved the means to each node, (n, nodes, 2).

        Over draws and nodes together their mean and covariance are those of today; within a node the covariance is what
        the reports leave.
        """
        before, left = self.trial.covariance, self.trial.covariance_left(slopes)
        shrunk = (self.lasting - self.trial.mean) @ _powered(before, -0.5) @ _powered(left, 0.5)
        moved = _NODES @ _powered(before - left, 0.5)
        return np.asarray(self.trial.mean + shrunk[:, None] + moved[None])

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
        """Loss of a course at each draw, (n,), and its change for each unit of b and beta, (n, 2)."""
        key = shares.tobytes()
        if key not in self._losses:
            figures = self.carried.figures(shares, self.column)
            loss = loss_of(figures, self.column, self._without_harm).reshape(-1, len(self.lasting))
            self._losses[key] = (loss[0], (loss[1:] - loss[0]).T)
        return self._losses[key]

    @cached_property
    def _without_harm(self) -> Loss:
        """The loss without the extra weight of harm, which is linear in b and beta."""
        return replace(self.loss, tail=0.0)
