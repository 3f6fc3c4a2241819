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
from taper_sim.inference.draws import equal_draws
from taper_sim.inference.observation import PLACES, Reports, on_scale, reports_of, unobserved_after, weekends, with_rows
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
            f"; today's choice is close: by the {_DRAWS} draws used here {self.today} would be chosen today"
            if self.today != chosen
            else ""
        )
        return (
            f"one more week of check-ins would have changed the choice in {sum(other_choices.values())} of "
            f"{len(self.after_week)} weeks that were simulated" + (f" ({counts})" if counts else "") + close_call
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
    recent = (evidence.reports.day > record.n_days - _RECENT_D) & (evidence.reports.day > 0)
    recent_slots = np.unique(evidence.reports.slot[recent])
    if not len(recent_slots):
        return None
    rng = np.random.default_rng([seed, 15])
    subset = replace(
        posterior, z=posterior.z[equal_draws(posterior.weights, _DRAWS)], weights=np.full(_DRAWS, 1.0 / _DRAWS)
    )
    ahead = replace(evidence, regimen=regimen_of(record, (), WEEK_D))
    names = [PLACES[place].name for place in evidence.reports.place[recent_slots]]
    due = [
        (record.n_days + d, name)
        for d in range(1, WEEK_D + 1)
        for name, recall in zip(names, evidence.reports.recall[recent_slots], strict=True)
        if recall == 1 or d == WEEK_D
    ]
    blank = _with(evidence.reports, record, due, np.zeros(len(due)))
    unobserved = replace(ahead, reports=unobserved_after(blank, record.n_days))
    log_density = unobserved.log_posterior(subset.z)[0]
    new = np.flatnonzero(blank.day > record.n_days)
    choose, after_week = chooser(subset), []
    drawn = rng.choice(_DRAWS, _WEEKS, replace=False)
    mean, slope, sd = _predictions(replace(ahead, reports=blank), new, subset.z[drawn])
    for k in range(_WEEKS):
        score = np.zeros(len(blank.day))
        for row, report in enumerate(new):
            score[report] = mean[k, row] + slope[k, row] @ score[new] + sd[k, row] * rng.standard_normal()
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
    return with_rows(reports, **columns, slot=slot)._replace(weekend=new.weekend, last_cut=last_cut)


def _predictions(evidence: Evidence, new: Ints, z: Floats) -> tuple[Floats, Floats, Floats]:
    """How each new report's score follows from the earlier ones, at each vector of values, (k, d).

    Before rounding a report is normal given the values and all reports before it, and its mean is linear in them. The
    coefficients are read off the filter's predictions by a report of 1 among reports of 0.

    Returns
    -------
    mean, slope, sd : ndarray, (k, n_new), (k, n_new, n_new), (k, n_new)
    """
    reports, n = evidence.reports, len(new)
    interval, rounding, y = reports.interval.copy(), reports.rounding.copy(), reports.y.copy()
    interval[new], rounding[new], y[new] = False, 0.0, 0.0

    def predicted(score: Floats) -> tuple[Floats, Floats]:
        laid_out = reports._replace(y=score, interval=interval, rounding=rounding)
        _, centre, spread = replace(evidence, reports=laid_out).log_posterior(z, predicted=True)
        return centre[:, new], spread[:, new]

    mean, variance = predicted(y)
    slope = np.zeros((len(z), n, n))
    for row, report in enumerate(new):
        one = y.copy()
        one[report] = 1.0
        slope[:, :, row] = predicted(one)[0] - mean
    return mean, slope, np.sqrt(variance)
