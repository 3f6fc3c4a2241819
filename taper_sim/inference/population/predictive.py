"""Predictive draws of a fit: simulated reports on the days of the data.

Imports ``fit``, ``hierarchy``, ``inference``. Doses, days and instruments are those of the data. The people's values
come from their posteriors (posterior predictive) or from the hyperpriors (prior predictive): each replicate draws a
population, and from it all people.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.inference import course as at
from taper_sim.inference.course import Regimen
from taper_sim.inference.life_block import load_of
from taper_sim.inference.observation import LOG, LOG1P, PLACES, Reports
from taper_sim.inference.population.fit import PopulationFit
from taper_sim.inference.population.hierarchy import Hyper, as_population
from taper_sim.inference.population.marginal_likelihood import ROBUST_DF
from taper_sim.inference.report_means import means_by_day
from taper_sim.inference.simulated_life import lived, recalled

_REPLICATES: Final = 10
_MOST_SDS: Final = 5.0  # largest distance from the centre, prior sds: beyond any person


class Predicted(NamedTuple):
    """Observed reports with person, day and place of the instrument, (n_reports,), and predictive draws of them.

    ``posterior`` and ``prior`` are (n_replicates, n_reports).
    """

    observed: Floats
    person: Ints
    day: Ints
    place: Ints
    posterior: Floats
    prior: Floats


def predicted(fit: PopulationFit, n: int = _REPLICATES) -> Predicted:
    """Posterior and prior predictive draws of every check-in of a fit, ``n`` of each; assessments are left out."""
    rng = np.random.default_rng([fit.settings.seed, 11])
    prior_populations = [as_population(fit.draws, Hyper(*(np.asarray(x)[0, k] for x in fit.prior))) for k in range(n)]
    weights = fit.draws.weights(fit.mean, fit.settings.robust)
    observed, person, day, place, posterior, prior = [], [], [], [], [], []
    for q, (recorded, of_person) in enumerate(zip(fit.people, fit.draws.posteriors, strict=True)):
        r = recorded.reports
        shared = recorded.evidence(prior_populations[0]).shared
        chosen = rng.choice(len(of_person.weights), size=n, p=weights[q])
        posterior_values = of_person.prior.values(of_person.z[chosen])
        z = rng.standard_normal((n, len(of_person.prior.names)))
        if fit.settings.robust:
            z /= np.sqrt(rng.chisquare(ROBUST_DF, z.shape) / ROBUST_DF)
        z = np.clip(z, -_MOST_SDS, _MOST_SDS)
        prior_values = [recorded.evidence(p).prior.values(z[k : k + 1])[0] for k, p in enumerate(prior_populations)]
        checkin = ~r.assessed[r.slot]
        of_posterior, of_prior = (
            np.stack([simulated_reports(r, v, shared, recorded.regimen, rng)[checkin] for v in values])
            for values in (posterior_values, prior_values)
        )
        posterior.append(of_posterior)
        prior.append(of_prior)
        observed.append(as_written(r)[checkin])
        person.append(np.full(int(checkin.sum()), q))
        day.append(r.day[checkin])
        place.append(r.place[r.slot][checkin])
    return Predicted(
        np.concatenate(observed),
        np.concatenate(person),
        np.concatenate(day),
        np.concatenate(place),
        np.concatenate(posterior, axis=1),
        np.concatenate(prior, axis=1),
    )


def as_written(r: Reports) -> Floats:
    """Reports on the scale of their instrument, (n_reports,); a half-open interval is its end of the scale."""
    scores = np.empty(len(r.day))
    for k, (slot, y) in enumerate(zip(r.slot, r.y, strict=True)):
        i = PLACES[r.place[slot]]
        back = np.expm1(y) if i.transform == LOG1P else np.exp(y) if i.transform == LOG else y
        if i.step > 0.0:  # an assessment is not rounded
            back = np.floor(back / i.step + 0.5) * i.step  # the midpoint on the log is not a possible report
        scores[k] = i.low if np.isneginf(r.low[k]) else i.high if np.isposinf(r.high[k]) else back
    return scores


def simulated_reports(r: Reports, values: Floats, shared: Any, regimen: Regimen, rng: np.random.Generator) -> Floats:
    """Simulate the reports of a person with these values on the days of ``r``, (n_reports,).

    Parameters
    ----------
    r : Reports
        Days and instruments of the simulated reports.
    values : ndarray, (N_VALUES,)
    shared : Couplings
    regimen : Regimen
    rng : numpy.random.Generator
    """
    n_days = len(regimen.dose) - 1
    used = [PLACES[place] for place in r.place]
    means = [
        means_by_day(values[None], shared, regimen, i.kind, i.scale, i.recall_d, r.weekend, r.last_cut) for i in used
    ]
    life = lived(float(values[at.LIFE]), shared, n_days, rng)
    of_life = [recalled(life @ load_of(i.kind, i.scale, shared), i.recall_d) for i in used]
    slow = np.zeros((n_days + 1, len(r.place)))
    for s, decay in enumerate(r.decay):
        innovation = rng.standard_normal(n_days + 1)
        slow[0, s] = innovation[0]
        for d in range(1, n_days + 1):
            slow[d, s] = decay * slow[d - 1, s] + np.sqrt(1.0 - decay**2) * innovation[d]
    bad_day, own = rng.standard_normal(n_days + 1), rng.standard_normal(len(r.day))
    simulated = np.empty(len(r.day))
    for k, (day, s) in enumerate(zip(r.day, r.slot, strict=True)):
        i, mean = used[s], means[s][day]
        personal = 1.0 if r.assessed[s] else values[at.NOISE]
        noise = personal * (i.white * (r.own[s] * own[k] + r.shared[s] * bad_day[day]) + i.slow * slow[day, s])
        noise += of_life[s][day]
        score = np.expm1(np.log1p(mean) + noise) if i.transform == LOG1P else mean + noise
        score = np.exp(min(mean + noise, 50.0)) if i.transform == LOG else score
        score = np.clip(score, i.low, i.high)
        simulated[k] = np.floor(score / i.step + 0.5) * i.step if i.step > 0.0 else score
    return simulated
