"""What another week of check-ins may change: weeks simulated from what is believed, and what each would have led to.

Imports ``choice``, ``patient``. A preposterior analysis (Raiffa and Schlaifer 1961): the value of what is not yet known
is in the decisions that it would change.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.data.records import CheckIn
from taper_sim.inference.course import NOISE
from taper_sim.inference.draws import equal_draws
from taper_sim.inference.observation import INSTRUMENTS, Reports, on_scale, reports_of, unheard, weekends
from taper_sim.inference.posterior import Evidence, Posterior
from taper_sim.inference.record import PatientRecord, regimen_of

WEEK_D: Final = 7
WEEKS: Final = 8
"""Weeks that are simulated. A design choice: each costs as much as a reading of the record."""
DRAWS: Final = 256
"""Posterior draws that stand for all of them. A design choice."""
ASKED_D: Final = 14
"""An instrument answered within so many days is expected next week too. A design choice."""


@dataclass(frozen=True)
class NextWeek:
    """What would be chosen now, over the draws that stand for all, and after each simulated week."""

    now: str
    then: tuple[str, ...]

    @property
    def share_changed(self) -> float:
        """Share of the weeks after which another option would be chosen."""
        return sum(name != self.now for name in self.then) / len(self.then)

    def said(self, chosen: str) -> str:
        """In words, of which option is chosen today over all draws."""
        others = Counter(name for name in self.then if name != self.now)
        which = "; ".join(f"{name} {count}" for name, count in others.most_common())
        near = (
            f"; it is a near thing already: the {DRAWS} draws that stand for all here would choose {self.now} today"
            if self.now != chosen
            else ""
        )
        return (
            f"one more week of check-ins: had it been known today, another option would have been chosen in "
            f"{sum(others.values())} of {len(self.then)} weeks simulated from what is believed"
            + (f" ({which})" if which else "")
            + near
        )


def next_week(
    record: PatientRecord,
    evidence: Evidence,
    posterior: Posterior,
    chooser: Callable[[Posterior], Callable[[Floats], str]],
    seed: int,
) -> NextWeek | None:
    """Simulate weeks at the dose of today, and choose again after each.

    Parameters
    ----------
    record : Record
    evidence : Evidence
        What is known.
    posterior : Posterior
        Of it.
    chooser : callable
        Given draws, what names the option that is chosen under any weights of them.
    seed : int
        Of the weeks.

    Returns
    -------
    NextWeek or None
        None where no instrument was answered of late.
    """
    places = np.unique(evidence.reports.slot[evidence.reports.day > record.n_days - ASKED_D])
    if not len(places):
        return None
    luck = np.random.default_rng([seed, 15])
    few = replace(posterior, z=posterior.z[equal_draws(posterior.weights, DRAWS)], weights=np.full(DRAWS, 1.0 / DRAWS))
    ahead = replace(evidence, regimen=regimen_of(record, (), WEEK_D))
    names = [INSTRUMENTS[place].name for place in evidence.reports.place[places]]
    due = [
        (record.n_days + d, name)
        for d in range(1, WEEK_D + 1)
        for name, recall in zip(names, evidence.reports.recall[places], strict=True)
        if recall == 1 or d == WEEK_D
    ]
    blank = _with(evidence.reports, record, due, np.zeros(len(due)))
    silent = replace(ahead, reports=unheard(blank, record.n_days))
    before, centres, spreads = silent.log_posterior(few.z, predicted=True)
    new = np.flatnonzero(blank.day > record.n_days)
    noise = few.values()[:, NOISE]
    choose, then = chooser(few), []
    for k in luck.choice(DRAWS, WEEKS, replace=False):
        covariance = _covariance(blank, new, noise[k], spreads[k, new] - blank.rounding[new])
        score = centres[k].copy()
        score[new] += np.linalg.cholesky(covariance) @ luck.standard_normal(len(new))
        heard = replace(ahead, reports=_with(evidence.reports, record, due, on_scale(score, blank)[new]))
        gained = heard.log_posterior(few.z)[0] - before
        weights = np.exp(gained - gained.max())
        then.append(choose(weights / weights.sum()))
    return NextWeek(choose(few.weights), tuple(then))


def _with(reports: Reports, record: PatientRecord, due: list[tuple[int, str]], values: Floats) -> Reports:
    """Reports with others behind them, by day and instrument as ``due``."""
    n_days = record.n_days + WEEK_D
    still = np.full(n_days + 1, reports.last_cut[-1])
    added = [
        (day, CheckIn(record.start + timedelta(days=day), name, float(value)))
        for (day, name), value in zip(due, values, strict=True)
    ]
    more = reports_of(added, still, weekends(record.start, n_days))
    at = {int(place): slot for slot, place in enumerate(reports.place)}
    both = {
        of: np.concatenate([getattr(reports, of), getattr(more, of)])
        for of in ("day", "y", "low", "high", "rounding", "interval")
    }
    slot = np.concatenate([reports.slot, np.array([at[int(place)] for place in more.place])[more.slot]])
    last_cut = np.concatenate([reports.last_cut, still[len(reports.last_cut) :]])
    return reports._replace(**both, slot=slot, weekend=more.weekend, last_cut=last_cut)


def _covariance(reports: Reports, new: Ints, noise: float, variance: Floats) -> Floats:
    """Of the new reports' scores given the values and what was heard before, (n_new, n_new).

    ``variance`` is that of each alone. What ties them: slow noise of one instrument, the day factor of one day; what
    the slow residuals of two instruments still have in common from before is left out.
    """
    day, slot = reports.day[new], reports.slot[new]
    slow, white = noise * reports.slow[slot], noise * reports.white[slot]
    left = np.clip(variance - white**2, 0.0, slow**2)  # of the slow noise, on each day
    same_slot, same_day = slot[:, None] == slot[None, :], day[:, None] == day[None, :]
    gap = np.abs(day[:, None] - day[None, :])
    first = np.where(day[:, None] <= day[None, :], left[:, None], left[None, :])
    shared = white * reports.shared[slot]
    found = same_slot * first * reports.decay[slot][:, None] ** gap + same_day * np.outer(shared, shared)
    np.fill_diagonal(found, left + white**2 + 1e-9)
    return np.asarray(found)
