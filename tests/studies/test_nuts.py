"""NUTS on the compiled likelihood is the reference for the importance sampler, and agrees with it."""

from datetime import date

import numpy as np
import pytest

from taper_sim.data.records import CheckIn
from taper_sim.inference import course as at
from taper_sim.inference.observation import reports_of
from taper_sim.inference.posterior import Evidence, posterior_of
from taper_sim.inference.prior import prior_of
from taper_sim.studies.nuts import log_posterior_and_gradient, nuts_of
from taper_sim.studies.simulated_people import tapered, until

N_DAYS = 12


def some_evidence() -> Evidence:
    regimen = until(tapered(20.0, N_DAYS), N_DAYS)
    answers = [(d, CheckIn(date(2026, 1, 1), "pain_nrs", v)) for d, v in ((2, 3.0), (5, 4.0), (9, 3.0))]
    reports = reports_of(answers, np.zeros(N_DAYS + 1, dtype=np.int64), np.zeros(N_DAYS + 1))
    return Evidence(prior_of((True, False, False), 1, ("pain_nrs",)), at.couplings(), regimen, reports)


def test_nuts_and_importance_sampling_agree() -> None:
    """Means agree within 5 Monte Carlo errors, and the posterior of the baseline differs from its prior."""
    evidence = some_evidence()
    trace = nuts_of(evidence, draws=400, tune=200, chains=1, seed=3)
    weighted = posterior_of(evidence, 1024, 0)
    z = trace.posterior["z"].values[0]
    mean = weighted.weights @ weighted.z
    np.testing.assert_allclose(z.mean(axis=0), mean, atol=5 / np.sqrt(200))  # half of the draws effective
    pain = evidence.prior.names.index("pain")
    assert abs(mean[pain]) > 0.8 and z[:, pain].std() < 0.85  # life leaves the set point less certain than noise did
    assert int(trace.sample_stats["diverging"].sum()) == 0


def test_an_impossible_point_has_no_gradient() -> None:
    evidence = some_evidence()
    with pytest.raises(ValueError, match="impossible"):
        log_posterior_and_gradient(evidence, np.full(len(evidence.prior.names), np.nan))
