"""Value of one more week of check-ins, by preposterior analysis. Imports ``inference``, ``data``.

Weeks of reports are simulated from the posterior, and the option is chosen again after each (Raiffa and Schlaifer
1961). Information has value in so far as it changes the decision.
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
from taper_sim.inference.observation import INSTRUMENTS, Reports, on_scale, reports_of, unobserved_after, weekends
from taper_sim.inference.posterior import Evidence, Posterior
from taper_sim.inference.record import PatientRecord, regimen_of
from taper_sim.units import WEEK_D

_WEEKS: Final = 8
"""Number of simulated weeks. A design choice: each costs one evaluation of the likelihood of the record."""
_DRAWS: Final = 256
"""Number of posterior draws that represent the posterior here. A design choice."""
_RECENT_D: Final = 14
"""An instrument that was answered in the last 14 days is expected in the next week too. A design choice."""


@dataclass(frozen=True)
class ChoicesAfterAWeek:
    """Names of the options chosen today and after each simulated week, over the same subset of draws."""

    today: str
    after_week: tuple[str, ...]

    @property
    def share_changed(self) -> float:
        """Share of the simulated weeks after which another option would be chosen."""
        return sum(name != self.today for name in self.after_week) / len(self.after_week)

    def sentence(self, chosen: str) -> str:
        """Sentence for the recommendation; ``chosen`` is the option chosen today over all draws."""
        other_choices = Counter(name for name in self.after_week if name != self.today)
        counts = "; ".join(f"{name} {count}" for name, count in other_choices.most_common())
        close_call = (
            f"; today's choice is close: the {_DRAWS} draws used here would choose {self.today} today"
            if self.today != chosen
            else ""
        )
        return (
            f"one more week of check-ins: had it been known today, another option would have been chosen in "
            f"{sum(other_choices.values())} of {len(self.after_week)} weeks simulated from the posterior"
            + (f" ({counts})" if counts else "")
            + close_call
        )


def value_of_next_week(
    record: PatientRecord,
    evidence: Evidence,
    posterior: Posterior,
    chooser: Callable[[Posterior], Callable[[Floats], str]],
    seed: int,
) -> ChoicesAfterAWeek | None:
    """Simulate weeks of reports at today's dose, and choose an option again after each.

    Parameters
    ----------
    record : PatientRecord
    evidence : Evidence
        Prior, doses and reports up to today.
    posterior : Posterior
        Posterior given this evidence.
    chooser : callable
        Takes posterior draws; returns a function from weights of these draws, (n,), to the name of the chosen option.
    seed : int
        Seed of the simulated weeks.

    Returns
    -------
    ChoicesAfterAWeek or None
        None if no instrument was answered in the last 14 days.
    """
    recent_slots = np.unique(evidence.reports.slot[evidence.reports.day > record.n_days - _RECENT_D])
    if not len(recent_slots):
        return None
    rng = np.random.default_rng([seed, 15])
    subset = replace(
        posterior, z=posterior.z[equal_draws(posterior.weights, _DRAWS)], weights=np.full(_DRAWS, 1.0 / _DRAWS)
    )
    ahead = replace(evidence, regimen=regimen_of(record, (), WEEK_D))
    names = [INSTRUMENTS[place].name for place in evidence.reports.place[recent_slots]]
    due = [
        (record.n_days + d, name)
        for d in range(1, WEEK_D + 1)
        for name, recall in zip(names, evidence.reports.recall[recent_slots], strict=True)
        if recall == 1 or d == WEEK_D
    ]
    blank = _with(evidence.reports, record, due, np.zeros(len(due)))
    unobserved = replace(ahead, reports=unobserved_after(blank, record.n_days))
    log_density, centres, spreads = unobserved.log_posterior(subset.z, predicted=True)
    new = np.flatnonzero(blank.day > record.n_days)
    noise = subset.values()[:, NOISE]
    choose, after_week = chooser(subset), []
    for k in rng.choice(_DRAWS, _WEEKS, replace=False):
        covariance = _covariance(blank, new, noise[k], spreads[k, new] - blank.rounding[new])
        score = centres[k].copy()
        score[new] += np.linalg.cholesky(covariance) @ rng.standard_normal(len(new))
        observed = replace(ahead, reports=_with(evidence.reports, record, due, on_scale(score, blank)[new]))
        log_weights = observed.log_posterior(subset.z)[0] - log_density
        weights = np.exp(log_weights - log_weights.max())
        after_week.append(choose(weights / weights.sum()))
    return ChoicesAfterAWeek(choose(subset.weights), tuple(after_week))


def _with(reports: Reports, record: PatientRecord, due: list[tuple[int, str]], values: Floats) -> Reports:
    """The reports followed by new ones: ``due`` gives day and instrument of each new value, (n_new,)."""
    n_days = record.n_days + WEEK_D
    last_cut_at_end = np.full(n_days + 1, reports.last_cut[-1])
    checkins = [
        (day, CheckIn(record.start + timedelta(days=day), name, float(value)))
        for (day, name), value in zip(due, values, strict=True)
    ]
    new = reports_of(checkins, last_cut_at_end, weekends(record.start, n_days))
    slot_of_place = {int(place): slot for slot, place in enumerate(reports.place)}
    columns = {
        name: np.concatenate([getattr(reports, name), getattr(new, name)])
        for name in ("day", "y", "low", "high", "rounding", "interval")
    }
    slot = np.concatenate([reports.slot, np.array([slot_of_place[int(place)] for place in new.place])[new.slot]])
    last_cut = np.concatenate([reports.last_cut, last_cut_at_end[len(reports.last_cut) :]])
    return reports._replace(**columns, slot=slot, weekend=new.weekend, last_cut=last_cut)


def _covariance(reports: Reports, new: Ints, noise: float, variance: Floats) -> Floats:
    """Covariance of the new reports' scores given a person's values and the earlier reports, (n_new, n_new).

    ``variance``, (n_new,), is the predictive variance of each score. Two scores of one instrument share its slow noise;
    two scores of one day share the day factor. The correlation that earlier reports induce between the slow noise of
    two instruments is neglected.
    """
    day, slot = reports.day[new], reports.slot[new]
    slow, white = noise * reports.slow[slot], noise * reports.white[slot]
    slow_variance = np.clip(variance - white**2, 0.0, slow**2)  # of the slow noise on the day of each report
    same_slot, same_day = slot[:, None] == slot[None, :], day[:, None] == day[None, :]
    gap = np.abs(day[:, None] - day[None, :])
    earlier = np.where(day[:, None] <= day[None, :], slow_variance[:, None], slow_variance[None, :])
    shared = white * reports.shared[slot]
    covariance = same_slot * earlier * reports.decay[slot][:, None] ** gap + same_day * np.outer(shared, shared)
    np.fill_diagonal(covariance, slow_variance + white**2 + 1e-9)
    return np.asarray(covariance)
