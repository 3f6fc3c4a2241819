"""Reports that people of a population would write on the days on which people wrote: predictive draws.

Imports ``hierarchy``, ``likelihood``, ``population``. Doses, days, instruments and answers are those of the data;
values come from the people's posteriors (posterior predictive) or from the priors of everything (prior predictive): a
population for each replicate, and from it everybody.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.inference import course as at
from taper_sim.inference.course import Regimen
from taper_sim.inference.likelihood import means_by_day
from taper_sim.inference.observation import INSTRUMENTS, LOG, LOG1P, Reports
from taper_sim.inference.population.fit import PopulationFit
from taper_sim.inference.population.hierarchy import Hyper, as_population
from taper_sim.inference.population.marginal_likelihood import ROBUST_DF

REPLICATES: Final = 10
_FARTHEST: Final = 5.0  # log values: e^5 times the centre is farther than any person


class Predicted(NamedTuple):
    """Reports as they were and as they might have been; ``posterior``, ``prior`` are (n_replicates, n_reports)."""

    observed: Floats
    person: Ints
    day: Ints
    place: Ints
    posterior: Floats
    prior: Floats


def predicted(fit: PopulationFit, n: int = REPLICATES) -> Predicted:
    """Predictive draws of every report of a fit."""
    luck = np.random.default_rng([fit.settings.seed, 11])
    guessed = [as_population(fit.draws, Hyper(*(np.asarray(x)[0, k] for x in fit.prior))) for k in range(n)]
    weights = fit.draws.weights(fit.mean, fit.settings.robust)
    observed, person, day, place, posterior, prior = [], [], [], [], [], []
    for q, (one, found) in enumerate(zip(fit.people, fit.draws.posteriors, strict=True)):
        r = one.reports
        shared = one.evidence(guessed[0]).shared
        chosen = luck.choice(len(found.weights), size=n, p=weights[q])
        by_posterior = found.prior.values(found.z[chosen])
        z = luck.standard_normal((n, len(found.prior.names)))
        if fit.settings.robust:
            z /= np.sqrt(luck.chisquare(ROBUST_DF, z.shape) / ROBUST_DF)
        z = np.clip(z, -_FARTHEST, _FARTHEST)
        by_prior = [one.evidence(p).prior.values(z[k : k + 1])[0] for k, p in enumerate(guessed)]
        posterior.append(np.stack([replicated(r, v, shared, one.regimen, luck) for v in by_posterior]))
        prior.append(np.stack([replicated(r, v, shared, one.regimen, luck) for v in by_prior]))
        observed.append(as_written(r))
        person.append(np.full(len(r.day), q))
        day.append(r.day)
        place.append(r.place[r.slot])
    return Predicted(
        np.concatenate(observed),
        np.concatenate(person),
        np.concatenate(day),
        np.concatenate(place),
        np.concatenate(posterior, axis=1),
        np.concatenate(prior, axis=1),
    )


def as_written(r: Reports) -> Floats:
    """Reports on the scale of their instrument, (n_reports,): an end of a scale as that end."""
    found = np.empty(len(r.day))
    for k, (slot, y) in enumerate(zip(r.slot, r.y, strict=True)):
        i = INSTRUMENTS[r.place[slot]]
        back = np.expm1(y) if i.transform == LOG1P else np.exp(y) if i.transform == LOG else y
        back = np.floor(back / i.step + 0.5) * i.step  # the middle of an interval on the log is no report
        found[k] = i.low if np.isneginf(r.low[k]) else i.high if np.isposinf(r.high[k]) else back
    return found


def replicated(r: Reports, values: Floats, shared: Any, regimen: Regimen, luck: np.random.Generator) -> Floats:
    """One set of reports that a person with these values would write on the same days, (n_reports,)."""
    n_days = len(regimen.dose) - 1
    used = [INSTRUMENTS[place] for place in r.place]
    means = [
        means_by_day(values[None], shared, regimen, i.kind, i.scale, i.recall_d, r.weekend, r.last_cut) for i in used
    ]
    slow = np.zeros((n_days + 1, len(r.place)))
    for s, decay in enumerate(r.decay):
        kick = luck.standard_normal(n_days + 1)
        slow[0, s] = kick[0]
        for d in range(1, n_days + 1):
            slow[d, s] = decay * slow[d - 1, s] + np.sqrt(1.0 - decay**2) * kick[d]
    bad, own = luck.standard_normal(n_days + 1), luck.standard_normal(len(r.day))
    found = np.empty(len(r.day))
    for k, (day, s) in enumerate(zip(r.day, r.slot, strict=True)):
        i, mean = used[s], means[s][day]
        noise = values[at.NOISE] * (i.white * (r.own[s] * own[k] + r.shared[s] * bad[day]) + i.slow * slow[day, s])
        score = np.expm1(np.log1p(mean) + noise) if i.transform == LOG1P else mean + noise
        score = np.exp(min(mean + noise, 50.0)) if i.transform == LOG else score
        found[k] = np.floor(np.clip(score, i.low, i.high) / i.step + 0.5) * i.step
    return found
