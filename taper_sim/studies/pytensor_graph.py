"""The likelihood as a PyTensor graph, and one person's PyMC model. Imports ``pytensor_course``, ``dense_normal``.

Given the values all reports of a person are jointly normal: the mean is that of the course due to the taper, the
covariance is dense (``studies.dense_normal``). It is the likelihood of ``inference.likelihood``, with gradients and
without a filter, for people none of whose reports is an interval: an interval has no normal density, and the filter
takes it by its truncated moments. tests/studies/test_graph.py compares both.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pymc as pm
from pytensor import tensor as pt
from pytensor.tensor.linalg import solve_triangular

from taper_sim.inference import course as at
from taper_sim.inference.correlated_values import mix_of
from taper_sim.inference.observation import (
    BENZODIAZEPINE,
    CLINICIAN,
    CRAVING,
    DISTRESS,
    FUNCTION,
    INSOMNIA,
    LAST_CUT,
    LOG1P,
    PAIN,
    PLACES,
    STEPS,
    WITHDRAWAL,
    Instrument,
)
from taper_sim.inference.posterior import Evidence
from taper_sim.inference.prior import Prior
from taper_sim.model import equations as eq
from taper_sim.model.parameters import XI_BOUND, Scale
from taper_sim.studies.dense_normal import dense_normal
from taper_sim.studies.pytensor_course import Graph, SymbolicCourse, course_graph, shared_by_people, side_by_side

_LOG2PI: Final = float(np.log(2.0 * np.pi))
_FAR: Final = 50.0  # a log beyond which a value is not told from infinity


def _recalled(by_day: Graph, recall: int, n_days: int) -> Graph:
    """Mean over the recalled days, (n_days + 1,); days before the start equal the start."""
    if recall == 1:
        return by_day
    padded = pt.concatenate([pt.repeat(by_day[:1], recall - 1), by_day])
    total = padded[: n_days + 1]
    for shift in range(1, recall):
        total = total + padded[shift : shift + n_days + 1]
    return total / recall


def means_graph(i: Instrument, v: Mapping[int, Graph], c: Any, course: SymbolicCourse, evidence: Evidence) -> Graph:
    """Mean of an instrument without life by day, (n_days + 1,), of one person, on the scale on which noise is added.

    Parameters
    ----------
    i : Instrument
    v : mapping of place to variable, ()
        The person's values.
    c : Couplings
    course : SymbolicCourse
        Of the person: (n_days + 1,) each.
    evidence : Evidence
    """
    reports, n_days = evidence.reports, len(evidence.regimen.dose) - 1
    none = pt.zeros(n_days + 1)
    opioid, benzodiazepine, gabapentinoid = (none if w is None else w for w in course.withdrawal)
    p_bar, m_bar, i_bar, u_bar = (x - x[0] for x in (course.pain, course.distress, course.insomnia, course.function))
    weekend = reports.weekend[: n_days + 1]
    if i.kind == WITHDRAWAL:
        mean = pt.log(1.0 + eq.sows_mean(v[at.S0], opioid, course.reaction, i.scale))
        return mean + eq.sows_shift(p_bar, m_bar, i_bar, c.sows_p, c.sows_m, c.sows_i)
    if i.kind == PAIN:
        return _recalled(eq.pain_report_mean(course.pain, course.reaction, c.pain_report_x), i.recall_d, n_days)
    if i.kind in (DISTRESS, INSOMNIA):
        return i.scale * _recalled(course.distress if i.kind == DISTRESS else course.insomnia, i.recall_d, n_days)
    if i.kind == FUNCTION:
        return eq.function_report_mean(course.function, course.reaction, c.function_report_x)
    if i.kind == CLINICIAN:
        return v[at.COWS0] + v[at.KAPPA] * opioid
    if i.kind == CRAVING:
        return i.scale * course.craving
    if i.kind == BENZODIAZEPINE:
        mean = v[at.BWSQ0 if i.recall_d > 1 else at.PWC0] + i.scale * _recalled(benzodiazepine, i.recall_d, n_days)
        return pt.log(1.0 + mean) if i.transform == LOG1P else mean
    if i.kind == LAST_CUT:
        last = reports.last_cut[: n_days + 1]
        of_last = pt.switch(last == 0, opioid, pt.switch(last == 1, benzodiazepine, gabapentinoid))
        return pt.log(1.0 + v[at.ITEM0] + i.scale * of_last)
    if i.kind == STEPS:
        loads = (c.steps_u, c.steps_i, c.steps_p, c.steps_weekend)
        return eq.log_steps_mean(v[at.STEPS0], u_bar, i_bar, p_bar, weekend, *loads)
    return eq.sleep_hours_mean(v[at.HOURS0], i_bar, weekend, c.hours_i, c.hours_weekend)


def _of_person(values: Mapping[int, Graph], course: SymbolicCourse, evidence: Evidence, q: int) -> Graph:
    """Log likelihood of the reports of person ``q``, a number."""
    reports, n = evidence.reports, len(evidence.regimen.dose)
    if not len(reports.day):
        return pt.as_tensor(0.0)
    v = {place: x[q] for place, x in values.items()}
    withdrawal = [None if w is None else w[:n, q] for w in course.withdrawal]
    own = SymbolicCourse(
        course.pain[:n, q],
        course.reaction[:n, q],
        course.distress[:n, q],
        course.insomnia[:n, q],
        course.function[:n, q],
        course.craving[:n, q],
        (withdrawal[0], withdrawal[1], withdrawal[2]),
    )
    means = pt.stack([means_graph(PLACES[place], v, evidence.shared, own, evidence) for place in reports.place])
    normal = dense_normal(reports, evidence.shared)
    off = reports.y - means[reports.slot, reports.day] - normal.lead
    covariance = v[at.LIFE] ** 2 * normal.life + v[at.NOISE] ** 2 * normal.noise + np.diag(normal.fixed)
    root = pt.linalg.cholesky(covariance)
    scaled = solve_triangular(root, off, lower=True)
    return -0.5 * (pt.sum(scaled**2) + len(reports.day) * _LOG2PI) - pt.sum(pt.log(pt.diagonal(root)))


def log_likelihood_graph(values: Mapping[int, Graph], evidence: Sequence[Evidence], mode: Any = None) -> Graph:
    """Log likelihood of each person's reports, (n_people,), given values by place, (n_people,) each.

    Raises
    ------
    ValueError
        If a report is an interval.
    """
    doses = side_by_side([e.regimen for e in evidence])
    course = course_graph(values, shared_by_people([e.shared for e in evidence]), doses, mode)
    return pt.stack([_of_person(values, course, e, q) for q, e in enumerate(evidence)])


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


def _natural(scale: Scale, centre: float, spread: float, z: Graph) -> Graph:
    """As ``parameters.individual_value``; ``centre`` is that of the log on the two scales of the log."""
    if scale == "log":
        return pt.exp(pt.minimum(centre + spread * z, _FAR))
    if scale == "heavy_log":
        far = 2.0 * np.arcsinh(_FAR / (2.0 * spread))
        x = pt.exp(centre + 2.0 * spread * pt.sinh(0.5 * pt.clip(z, -far, far)))
        return x / (1.0 + x / XI_BOUND)
    if scale == "heavy":
        return centre + spread * pt.sinh(pt.clip(z, -_FAR, _FAR))
    return centre + spread * z


def _log_likelihood_of(z: Graph, evidence: Evidence, mode: Any = None) -> Graph:
    p = evidence.prior
    normal = pt.dot(pt.as_tensor(mix_of(p.names)), z)
    natural = {
        name: _natural(p.scale[k], float(p.mean[k]), float(p.sd[k]), normal[k])[None] for k, name in enumerate(p.names)
    }
    return log_likelihood_graph(values_graph(natural, [p]), [evidence], mode)[0]
