"""The likelihood as a PyTensor graph, and one person's PyMC model. Imports ``pytensor_course``, ``inference``.

The filter of ``inference.likelihood`` for many people at once, with gradients, for comparisons with NUTS. Reports are
dense by (day, instrument, person) with a mask; a day without reports adds 0 to the log likelihood.
tests/studies/test_graph.py compares both.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import pytensor
from pytensor import tensor as pt

from taper_sim.array_types import Floats, Ints
from taper_sim.inference import course as at
from taper_sim.inference import truncated_normal
from taper_sim.inference.observation import (
    BENZODIAZEPINE,
    CLINICIAN,
    CRAVING,
    DISTRESS,
    FUNCTION,
    INSOMNIA,
    INSTRUMENTS,
    LAST_CUT,
    LOG1P,
    PAIN,
    STEPS,
    WITHDRAWAL,
    Instrument,
    Reports,
)
from taper_sim.inference.posterior import Evidence
from taper_sim.inference.prior import Prior
from taper_sim.model import equations as eq
from taper_sim.studies.pytensor_course import Graph, SymbolicCourse, course_graph, shared_by_people, side_by_side

_LOG2PI = float(np.log(2.0 * np.pi))
_SQRT2 = float(np.sqrt(2.0))
FAR, LEAST_VARIANCE, SLIVER = truncated_normal._FAR, truncated_normal._LEAST_VARIANCE, 1e-12
EXACT, LOW_END, HIGH_END, BETWEEN = 1, 2, 3, 4
"""Kind of a report: exact value, all below, all above, interval; 0 without a report."""


class DenseReports(NamedTuple):
    """Reports of several people, dense: (n_days, n_slots, n_people), day 1 first."""

    what: Ints
    y: Floats
    low: Floats
    high: Floats
    rounding: Floats
    weekend: Floats
    last_cut: Ints
    instruments: tuple[Instrument, ...]


def dense_reports(people: Sequence[Reports], n_days: int) -> DenseReports:
    """Reports of several people over days 1 to ``n_days``, by day, instrument and person."""
    places = sorted({int(place) for r in people for place in r.place})
    shape = (n_days, len(places), len(people))
    what = np.zeros(shape, dtype=np.int64)
    y, low, high, rounding = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape)
    weekend, last_cut = np.zeros((n_days, len(people))), np.zeros((n_days, len(people)), dtype=np.int64)
    for q, r in enumerate(people):
        n = min(n_days, len(r.weekend) - 1)
        weekend[:n, q], last_cut[:n, q] = r.weekend[1 : n + 1], r.last_cut[1 : n + 1]
        slot = np.array([places.index(int(place)) for place in r.place], dtype=np.int64)[r.slot]
        at_ = (r.day - 1, slot, q)
        below, above = np.isinf(r.low), np.isinf(r.high)
        what[at_] = np.where(~r.interval, EXACT, np.where(below, LOW_END, np.where(above, HIGH_END, BETWEEN)))
        y[at_], rounding[at_] = r.y, r.rounding
        low[at_], high[at_] = np.where(below, 0.0, r.low), np.where(above, 0.0, r.high)
    return DenseReports(what, y, low, high, rounding, weekend, last_cut, tuple(INSTRUMENTS[p] for p in places))


def _recalled(by_day: Graph, recall: int, n_days: int) -> Graph:
    """Mean over the recalled days, (n_days, n_people); days before the start equal the start."""
    if recall == 1:
        return by_day[1:]
    before = pt.repeat(by_day[:1], recall - 1, axis=0)
    padded = pt.concatenate([before, by_day[1:]])
    total = padded[:n_days]
    for shift in range(1, recall):
        total = total + padded[shift : shift + n_days]
    return total / recall


def means_graph(i: Instrument, v: Mapping[int, Graph], c: Any, course: SymbolicCourse, laid: DenseReports) -> Graph:
    """Mean of an instrument by day, (n_days, n_people), on its own scale (of steps, its log)."""
    n_days, n_people = laid.weekend.shape
    none = pt.as_tensor(np.zeros((n_days + 1, n_people)))
    opioid, benzodiazepine, gabapentinoid = (none if w is None else w for w in course.withdrawal)
    if i.kind == WITHDRAWAL:
        return eq.sows_mean(v[at.S0], opioid[1:], course.reaction[1:], i.scale)
    if i.kind == PAIN:
        reported = eq.pain_report_mean(course.pain, course.reaction, c.pain_report_x)
        return _recalled(reported, i.recall_d, n_days)
    if i.kind in (DISTRESS, INSOMNIA):
        return i.scale * _recalled(course.distress if i.kind == DISTRESS else course.insomnia, i.recall_d, n_days)
    if i.kind == FUNCTION:
        return course.function[1:]
    if i.kind == CLINICIAN:
        return v[at.COWS0] + v[at.KAPPA] * opioid[1:]
    if i.kind == CRAVING:
        return i.scale * course.craving[1:]
    if i.kind == BENZODIAZEPINE:
        return v[at.BWSQ0 if i.recall_d > 1 else at.PWC0] + i.scale * _recalled(benzodiazepine, i.recall_d, n_days)
    if i.kind == LAST_CUT:
        of_last = pt.switch(
            pt.eq(laid.last_cut, 0),
            opioid[1:],
            pt.switch(pt.eq(laid.last_cut, 1), benzodiazepine[1:], gabapentinoid[1:]),
        )
        return v[at.ITEM0] + i.scale * of_last
    p_bar, u_bar, i_bar = (x[1:] - x[0] for x in (course.pain, course.function, course.insomnia))
    if i.kind == STEPS:
        return eq.log_steps_mean(
            v[at.STEPS0], u_bar, i_bar, p_bar, laid.weekend, c.steps_u, c.steps_i, c.steps_p, c.steps_weekend
        )
    return eq.sleep_hours_mean(v[at.HOURS0], i_bar, laid.weekend, c.hours_i, c.hours_weekend)


# -- truncated normals -------------------------------------------------------------------------------------------------


def _tail(a: Graph) -> tuple[Graph, Graph, Graph]:
    """Log mass, mean and variance of a standard normal below ``a``: as ``likelihood.truncated(-inf, a)``."""
    near = pt.maximum(a, -FAR)
    mass = 0.5 * pt.erfc(-near / _SQRT2)
    far = pt.minimum(a, -FAR)
    close = a > -FAR
    log_mass = pt.switch(close, pt.log(mass), -0.5 * far * far - 0.5 * _LOG2PI - pt.log(-far))
    h = pt.switch(close, pt.exp(-0.5 * near * near - 0.5 * _LOG2PI) / mass, -far - 1.0 / far)
    return log_mass, -h, pt.maximum(1.0 - a * h - h * h, LEAST_VARIANCE)


def _interval(a: Graph, b: Graph) -> tuple[Graph, Graph, Graph]:
    """Log mass, mean and variance of a standard normal between: as ``likelihood.truncated`` of two finite ends."""
    turned = a + b > 0.0
    side = pt.switch(turned, -1.0, 1.0)
    a, b = pt.switch(turned, -b, a), pt.switch(turned, -a, b)
    z = 0.5 * (pt.erfc(-b / _SQRT2) - pt.erfc(-a / _SQRT2))
    sliver = pt.or_(b < -FAR, z < SLIVER)
    z = pt.switch(sliver, 1.0, z)
    pa = pt.exp(-0.5 * a * a - 0.5 * _LOG2PI) / z
    pb = pt.exp(-0.5 * b * b - 0.5 * _LOG2PI) / z
    variance = pt.maximum(1.0 + a * pa - b * pb - (pa - pb) ** 2, LEAST_VARIANCE)
    rate, width = pt.maximum(-b, 1.0), b - a
    part = -pt.expm1(-rate * width)
    back = 1.0 / rate - width * pt.exp(-rate * width) / part
    return (
        pt.switch(sliver, -0.5 * b * b - 0.5 * _LOG2PI + pt.log(part / rate), pt.log(z)),
        side * pt.switch(sliver, b - back, pa - pb),
        pt.switch(sliver, width * width / 12.0, variance),
    )


# -- the filter --------------------------------------------------------------------------------------------------------


def filter_graph(means: Sequence[Graph], noise: Graph, laid: DenseReports, mode: Any = None) -> Graph:
    """Log likelihood of each person's reports, (n_people,).

    One step of the scan is one instrument on one day. The day factor is a state as the slow residuals are, of which
    nothing is left from one day to the next.

    Parameters
    ----------
    means : sequence of variables, (n_days, n_people)
        On the instruments' transforms, in the order of ``laid``.
    noise : variable, (n_people,)
        Factor on a person's noise.
    laid : DenseReports
    """
    n_days, n, n_people = laid.what.shape
    ever = {int(x) for x in np.unique(laid.what)}
    fade = np.array([*(float(np.exp(-1.0 / i.tau_d)) for i in laid.instruments), 0.0])
    faded, begun = fade[:, None] * fade[None, :], np.diag(1.0 - fade * fade)

    def step(
        mean: Graph,
        what: Graph,
        y: Graph,
        low: Graph,
        high: Graph,
        rounding: Graph,
        s: Graph,
        first: Graph,
        slow: Graph,
        shared: Graph,
        own: Graph,
        total: Graph,
        m: Graph,
        cov: Graph,
        noise: Graph,
    ) -> list[Graph]:
        m = m * (1.0 + first * (fade - 1.0))[:, None]
        cov = cov * (1.0 + first * (faded - 1.0))[:, :, None] + (first * begun)[:, :, None]
        slow, shared, own = noise * slow, noise * shared, noise * own
        gain = slow * cov[s] + shared * cov[n]
        mu = mean + slow * m[s] + shared * m[n]
        variance = slow * gain[s] + shared * gain[n] + own * own
        spread, off, sd = variance + rounding, y - mu, pt.sqrt(variance)
        terms = [(EXACT, -0.5 * (_LOG2PI + pt.log(spread) + off * off / spread), off / spread, 1.0 / spread)]
        for kind in sorted(ever & {LOW_END, HIGH_END, BETWEEN}):
            # where the report tells something else, ends about the mean: any numbers that have a gradient
            here = pt.eq(what, kind)
            a, b = (pt.switch(here, (end - mu) / sd, elsewhere) for end, elsewhere in ((low, -0.5), (high, 0.5)))
            if kind == BETWEEN:
                mass, middle, left = _interval(a, b)
            else:
                mass, middle, left = _tail(b if kind == LOW_END else -a)
                middle = middle if kind == LOW_END else -middle
            terms.append((kind, mass, middle / sd, (1.0 - left) / variance))
        gained, moved, shrunk = (pt.zeros_like(variance) for _ in range(3))
        for kind, mass, by, less in terms:
            here = pt.eq(what, kind)
            gained, moved, shrunk = (
                pt.switch(here, new, old) for new, old in ((mass, gained), (by, moved), (less, shrunk))
            )
        return [total + gained, m + gain * moved, cov - gain[:, None] * gain[None, :] * shrunk]

    def each(of: Sequence[float]) -> Floats:
        return np.tile(np.array(of, dtype=np.float64), n_days)

    used = laid.instruments
    data = (
        *(x.reshape(n_days * n, n_people) for x in (laid.what, laid.y, laid.low, laid.high, laid.rounding)),
        np.tile(np.arange(n), n_days),
        each([1.0, *[0.0] * (n - 1)]),
        each([i.slow for i in used]),
        each([i.white * i.shared for i in used]),
        each([i.white * float(np.sqrt(1.0 - i.shared**2)) for i in used]),
    )
    at_start = np.diag([*[1.0] * n, 0.0])  # slow residuals as they are in the long run, whatever the first gap
    begin = [np.zeros(n_people), np.zeros((n + 1, n_people)), np.repeat(at_start[:, :, None], n_people, axis=2)]
    total, _, _ = pytensor.scan(
        step,
        sequences=[pt.stack(list(means), axis=1).reshape((n_days * n, n_people)), *map(pt.as_tensor, data)],
        outputs_info=[pt.as_tensor(x) for x in begin],
        non_sequences=[pt.as_tensor(noise)],
        n_steps=n_days * n,
        strict=True,
        mode=mode,
        return_updates=False,
    )
    return total[-1]


def log_likelihood_graph(values: Mapping[int, Graph], evidence: Sequence[Evidence], mode: Any = None) -> Graph:
    """Log likelihood of each person's reports, (n_people,), given values by place, (n_people,) each."""
    doses = side_by_side([e.regimen for e in evidence])
    c = shared_by_people([e.shared for e in evidence])
    laid = dense_reports([e.reports for e in evidence], doses.cut.shape[0] - 1)
    if not laid.instruments:
        return pt.as_tensor(np.zeros(len(evidence)))
    course = course_graph(values, c, doses, mode)
    means = []
    for i in laid.instruments:
        mean = means_graph(i, values, c, course, laid)
        means.append(pt.log(1.0 + mean) if i.transform == LOG1P else mean)
    return filter_graph(means, values[at.NOISE], laid, mode)


def values_graph(natural: Mapping[str, Graph], priors: Sequence[Prior]) -> dict[int, Graph]:
    """Values by place, (n_people,) each: those named from ``natural``, (n_people,), the others from the priors' bases.

    Where a person's prior does not infer a value that others' do, hers is her base's.
    """
    base = np.stack([p.base for p in priors])
    values: dict[int, Graph] = {place: pt.as_tensor(base[:, place]) for place in range(at.DRIFT)}
    for name, given in natural.items():
        hers = np.array([name in p.names for p in priors])
        place = next(int(p.place[p.names.index(name)]) for p in priors if name in p.names)
        values[place] = given if hers.all() else pt.switch(hers, given, base[:, place])
    return values


def log_posterior_graph(evidence: Evidence, mode: Any = None) -> tuple[Graph, Graph]:
    """One person's whitened values, (d,), and the log posterior of them: what ``Evidence.log_posterior`` computes."""
    z = pt.dvector("z")
    return z, _log_likelihood_of(z, evidence, mode) - 0.5 * pt.sum(z * z)


def pymc_model_of(evidence: Evidence, mode: Any = None) -> pm.Model:
    """One person's posterior as a PyMC model with a free vector ``z`` of whitened values: for NUTS.

    ``evidence.prior.natural(z)`` gives the values themselves. Sample it with ``nutpie.compile_pymc_model(model)``.
    """
    with pm.Model(coords={"value": list(evidence.prior.names)}) as model:
        z = pm.Normal("z", 0.0, 1.0, dims="value")
        pm.Potential("reports", _log_likelihood_of(z, evidence, mode))
    return model


def _log_likelihood_of(z: Graph, evidence: Evidence, mode: Any = None) -> Graph:
    prior = evidence.prior
    natural = {}
    for k, name in enumerate(prior.names):
        x = (prior.mean[k] + prior.sd[k] * z[k])[None]
        natural[name] = pt.exp(pt.minimum(x, 50.0)) if prior.is_log[k] else x
    return log_likelihood_graph(values_graph(natural, [prior]), [evidence], mode)[0]
