"""People on day 0: set points and life outside the taper, given what was assessed. Imports ``cohort``, ``ensemble``.

An assessment of pain is a set point, plus a good or bad time that passes, plus error. Whoever was assessed at 9 of 10
has in part been so for years, in part a bad month, in part a bad form; the draws here are from the joint normal of the
three given the assessment (``model.life``), so that people who were selected for bad values regress to the mean.
"""

from collections.abc import Mapping

import numpy as np

from taper_sim import rng
from taper_sim.array_types import Floats
from taper_sim.model.life import ASSESSED_DOMAINS, ASSESSMENT_SD, LIFE_STATES, N_LIFE, life_system, set_points
from taper_sim.model.parameters import BASELINE_LIMITS
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.ensemble import Ensemble, coefficients_of, draw_of, from_prior

_FIRST_CALL = 200  # generator calls from this one on belong to the day of enrolment
_N = len(ASSESSED_DOMAINS)
_KNOWN = [k for k, name in enumerate(LIFE_STATES) if name != "C"]  # craving starts at its set point


def enrolled(
    cohort: Cohort, values: Mapping[str, Floats], ensemble: Ensemble, seed: int
) -> tuple[dict[str, Floats], Floats]:
    """Set points and life on day 0.

    Parameters
    ----------
    cohort : Cohort
        n people; ``baseline`` is what was assessed.
    values : mapping of symbol to ndarray
        Individual parameters; ``life`` (n,) is read.
    ensemble : Ensemble
    seed : int
        Seed of the run.

    Returns
    -------
    dict of str to ndarray (n,)
        Baseline with the set points of ``ASSESSED_DOMAINS`` in place of the assessments.
    ndarray, (n, N_LIFE)
        Life states on day 0. Where parameters do not vary between people, the assessment is the set point and life 0.
    """
    base = {name: np.asarray(value, dtype=np.float64) for name, value in cohort.baseline.items()}
    start = np.zeros((len(cohort), N_LIFE))
    if not cohort.spread:
        return base, start
    system = life_system(coefficients_of(ensemble))
    draw = draw_of(cohort.keys, ensemble.n_draws)
    mean, between = set_points(coefficients_of(from_prior(0, n_draws=1), 0))
    size2 = np.square(values["life"])[:, None, None]
    life = size2 * system.stationary[draw][:, _KNOWN][:, :, _KNOWN]
    lead = system.lead[draw][:, _KNOWN]
    joint = np.zeros((len(cohort), _N + len(_KNOWN), _N + len(_KNOWN)))
    joint[:, :_N, :_N], joint[:, _N:, _N:] = between, life
    with_assessed = joint[:, :, :_N] + joint[:, :, _N : 2 * _N]
    assessed = with_assessed[:, :_N] + with_assessed[:, _N : 2 * _N] + np.diag(np.square(ASSESSMENT_SD))
    gain = np.swapaxes(np.linalg.solve(assessed, np.swapaxes(with_assessed, 1, 2)), 1, 2)
    surprise = np.stack([base[name] for name in ASSESSED_DOMAINS], axis=1) - mean - lead[:, :_N]
    z = rng.person_normals(seed, cohort.keys, _N + len(_KNOWN), first_call=_FIRST_CALL)
    left = joint - gain @ np.swapaxes(with_assessed, 1, 2)
    root = np.linalg.cholesky(0.5 * (left + np.swapaxes(left, 1, 2)) + 1e-9 * np.eye(left.shape[1]))
    moved = np.einsum("nij,nj->ni", gain, surprise) + np.einsum("nij,nj->ni", root, z)
    for k, name in enumerate(ASSESSED_DOMAINS):
        base[name] = np.clip(mean[k] + moved[:, k], *BASELINE_LIMITS[name])
    start[:, _KNOWN] = lead + moved[:, _N:]
    return base, start
