"""The filter's log likelihood is that of one dense normal of all reports.

Its covariance is made here from unit impulses of ``model.day``: a day's draw that is 1, and how the person goes on.
"""

from datetime import date

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from taper_sim.data.records import CheckIn
from taper_sim.inference import course as at
from taper_sim.inference.observation import BY_NAME, PLACES, reports_of, weekends
from taper_sim.inference.posterior import Evidence
from taper_sim.inference.prior import prior_of
from taper_sim.model import day as model_day
from taper_sim.model.life import ASSESSED_DOMAINS, ASSESSMENT_SD
from taper_sim.studies.simulated_people import tapered, until

N_DAYS = 70
PAST_D = 4000  # of a season of 150 days e^-53 is left in its variance
DAY0 = date(2026, 1, 1)
INSTRUMENTS = (
    "sows_gossop",
    "pain_nrs",
    "mood_item",
    "sleep_item",
    "function",
    "steps",
    "sleep_hours",
    "peg",
    "phq9",
    "isi",
    "cows",
    "craving",
)
INSIDE = {"sows_gossop": 9.0, "function": 40.0, "steps": 3500.0, "sleep_hours": 6.0, "phq9": 11.0, "isi": 12.0}
STATES = ("P", "M", "I", "U", "C", "season")


def next_day(c, state: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """States (6, n) after a day with these draws (6, n), of people at set points 0 and without a drug."""
    P, M, I, U, C, season = state  # noqa: E741
    life = model_day.life_day(c, season, 1.0, model_day.LifeDraws(*draws))
    zero = np.zeros(state.shape[1])
    start = model_day.PersonStart(*[zero] * 7)
    now = model_day.person_day(
        c,
        start,
        model_day.PersonState(zero, P, M, I, U, zero, C),
        model_day.MedicineLoad(zero, zero, zero, zero),
        zero,
        model_day.Reaction(zero, zero, zero),
        life,
        model_day.Care(*[zero] * 6),
    )
    return np.stack([now.P, now.M, now.I, now.U, now.C, life.season])


@pytest.fixture(scope="module")
def responses() -> tuple[np.ndarray, np.ndarray]:
    """Paths of days 0 to N_DAYS: of every impulse, (n_days + 1, 6, n_impulses); and of the lead, (n_days + 1, 6)."""
    c = at.couplings()
    now = next_day(c, np.zeros((6, 6)), np.eye(6))
    past = [now]
    for _ in range(PAST_D):
        now = next_day(c, now, np.zeros((6, 6)))
        past.append(now)
    start = np.concatenate(past, axis=1)  # what impulses of day 0 and before have left on day 0
    start[4] = 0.0  # craving starts at its set point
    sigma = start @ start.T
    lead = (c.lead * sigma[:, 5] / sigma[5, 5])[:, None]
    state = np.concatenate([start, np.zeros((6, 6 * N_DAYS)), lead], axis=1)
    path = [state]
    for day in range(1, N_DAYS + 1):
        draws = np.zeros_like(state)
        first = start.shape[1] + 6 * (day - 1)
        draws[:, first : first + 6] = np.eye(6)
        state = next_day(c, state, draws)
        path.append(state)
    paths = np.stack(path)
    return paths[:, :, :-1], paths[:, :, -1]


def of_life(name: str, path: np.ndarray, day: int) -> np.ndarray:
    """What life adds to a report, from a path (n_days + 1, 6, ...)."""
    p, m, i, u, c = (path[:, k] for k in range(5))

    def mean(x: np.ndarray, days: int) -> np.ndarray:
        return sum(x[max(day - k, 0)] for k in range(days)) / days

    return {
        "sows_gossop": lambda: 0.05 * p[day] + 0.5 * m[day] + 0.5 * i[day],
        "pain_nrs": lambda: p[day],
        "mood_item": lambda: 10 * m[day],
        "sleep_item": lambda: 10 * i[day],
        "function": lambda: u[day],
        "steps": lambda: 0.015 * u[day] - 0.3 * i[day] - 0.03 * p[day],
        "sleep_hours": lambda: -4 * i[day],
        "peg": lambda: mean(p, 7),
        "phq9": lambda: 27 * mean(m, 14),
        "isi": lambda: 28 * mean(i, 14),
        "cows": lambda: np.zeros_like(p[day]),
        "craving": lambda: 10 * c[day],
        "assessed_pain": lambda: p[day],
        "assessed_distress": lambda: m[day],
        "assessed_insomnia": lambda: i[day],
        "assessed_function": lambda: u[day],
    }[name]()


def of_taper(name: str, v: np.ndarray, x: np.ndarray, day: int, weekend: np.ndarray) -> float:
    """Mean of a report without life, from the course due to the taper (n_days + 1, N_LATENT)."""
    pain, w = x[:, at.P] + 0.3 * x[:, at.X], x[day, at.W]
    p, m, i, u = x[day, at.P] - v[at.P0], x[day, at.M] - v[at.M0], x[day, at.I] - v[at.I0], x[day, at.U] - v[at.U0]

    def mean(y: np.ndarray, days: int) -> float:
        return sum(y[max(day - k, 0)] for k in range(days)) / days

    return {
        "sows_gossop": lambda: np.log(1 + v[at.S0] + 30 * w + x[day, at.X]) + 0.05 * p + 0.5 * m + 0.5 * i,
        "pain_nrs": lambda: pain[day],
        "mood_item": lambda: 10 * x[day, at.M],
        "sleep_item": lambda: 10 * x[day, at.I],
        "function": lambda: x[day, at.U] - x[day, at.X],
        "steps": lambda: v[at.STEPS0] + 0.015 * u - 0.3 * i - 0.03 * p - 0.1 * weekend[day],
        "sleep_hours": lambda: v[at.HOURS0] - 4 * i + 0.5 * weekend[day],
        "peg": lambda: mean(pain, 7),
        "phq9": lambda: 27 * mean(x[:, at.M], 14),
        "isi": lambda: 28 * mean(x[:, at.I], 14),
        "cows": lambda: v[at.COWS0] + v[at.KAPPA] * w,
        "craving": lambda: 10 * x[day, at.C],
        "assessed_pain": lambda: x[day, at.P],
        "assessed_distress": lambda: x[day, at.M],
        "assessed_insomnia": lambda: x[day, at.I],
        "assessed_function": lambda: x[day, at.U],
    }[name]()


@pytest.mark.parametrize("seed", range(5))
def test_the_log_likelihood_is_that_of_one_dense_normal(seed: int, responses: tuple[np.ndarray, np.ndarray]) -> None:
    paths, lead = responses
    luck = np.random.default_rng(seed)
    regimen, weekend = until(tapered(7.5, N_DAYS), N_DAYS), weekends(DAY0, N_DAYS)
    some = list(INSTRUMENTS) if seed == 0 else [n for n in INSTRUMENTS if luck.random() < 0.6 or n == "pain_nrs"]
    checkins = []
    for name in some:
        # reports on recall scales come at any distance: their windows overlap, and some reach back beyond day 0
        share = 0.15 if BY_NAME[name].recall_d > 1 else 0.7
        days = [day for day in range(1, N_DAYS + 1) if luck.random() < share]
        checkins += [(day, CheckIn(DAY0, name, INSIDE.get(name, 5.0))) for day in days]
    assessed = {} if seed == 1 else {"pain": 7.5, "distress": 0.4, "insomnia": 0.5, "function": 38.0}
    reports = reports_of(checkins, np.zeros(N_DAYS + 1, dtype=np.int64), weekend, assessed)
    prior = prior_of((True, False, False), 3, tuple(some), baseline=assessed)
    evidence = Evidence(prior, at.couplings(), regimen, reports)
    z = 0.7 * luck.standard_normal(len(prior.names))
    v = prior.values(z[None])[0]
    course = at.course(v, evidence.shared, regimen)
    assert not reports.interval.any() and len(reports.day) > 100
    noise, size, n = v[at.NOISE], v[at.LIFE], len(reports.day)
    used = [PLACES[reports.place[s]] for s in reports.slot]
    mean, load, cov = np.empty(n), np.empty((n, paths.shape[2])), np.zeros((n, n))
    for r, (day, i) in enumerate(zip(reports.day, used, strict=True)):
        mean[r] = of_taper(i.name, v, course, day, weekend) + of_life(i.name, lead, day)
        load[r] = size * of_life(i.name, paths, day)
        for s, (other, j) in enumerate(zip(reports.day, used, strict=True)):
            cov[r, s] = noise**2 * (day == other) * i.shared * i.white * j.shared * j.white
            cov[r, s] += noise**2 * (i is j) * i.slow**2 * np.exp(-abs(day - other) / i.tau_d)
        own = noise**2 * i.white**2 * (1 - i.shared**2)
        if i.name.startswith("assessed_"):
            own = ASSESSMENT_SD[ASSESSED_DOMAINS.index(i.name.removeprefix("assessed_"))] ** 2
        cov[r, r] += own + reports.rounding[r]
    exact = multivariate_normal(mean, cov + load @ load.T).logpdf(reports.y) - 0.5 * z @ z
    assert abs(evidence.log_posterior(z)[0][0] - exact) < 1e-9
