"""Triage by each patient's posterior: worse reports, higher risk; her record alone counts; the order changes waits."""

import numpy as np
import pytest

from taper_sim.clinic.coupling import Setting, serve
from taper_sim.clinic.measures import waits
from taper_sim.clinic.predicted_risk import AGAIN_D, EVERY_D, RiskPredictor
from taper_sim.clinic.triage import RULES
from taper_sim.model.event_parameters import STREAMS
from taper_sim.model.parameters import DISCIPLINES
from taper_sim.policies.catalogue import build_policy
from taper_sim.simulation.ensemble import from_prior
from taper_sim.simulation.layout import CarePlan
from tests.clinic.test_coupling import DAYS, team
from tests.conftest import SEED, opioid_cohort

PLACE = {stream.instrument: k for k, stream in enumerate(STREAMS)}
N_DAYS = 29


def lived(cohort, worsening, *, n_days=N_DAYS, cut_on=8, before=None):
    """Risks after each day; a cut of a tenth, and for some reports that get worse from then on."""
    foresight = RiskPredictor(cohort, n_days + 1)
    n = len(cohort)
    base = cohort.baseline
    risks = []
    for own in range(2, n_days + 1):
        reports = np.full((n, len(STREAMS)), np.nan)
        worse = np.where(worsening, max(own - cut_on, 0) / 7.0, 0.0)
        reports[:, PLACE["sows_gossop"]] = np.clip(np.round(base["sows_gossop"] + 4.0 * worse), 0, 30)
        reports[:, PLACE["pain_nrs"]] = np.clip(np.round(base["pain"] + worse), 0, 10)
        reports[:, PLACE["function"]] = np.clip(np.round(base["function"] - 4.0 * worse), 0, 100)
        dose = cohort.dose * (0.9 if own - 1 >= cut_on else 1.0)
        rose = np.zeros(n, dtype=bool) if before is None else before(own, n)
        here = np.ones(n, dtype=bool)
        risks.append(foresight.update(np.full(n, own), dose, reports, here, rose).copy())
    return np.array(risks), foresight


@pytest.fixture(scope="module")
def twice():
    """The same person three times."""
    return opioid_cohort(3).take(np.zeros(3, dtype=np.int64))


def test_reports_that_get_worse_raise_the_risk_of_that_patient_alone(twice):
    risks, _ = lived(twice, np.array([True, False, False]))
    assert risks[-1, 0] > 5.0 * risks[-1, 1]
    assert risks[-1, 1] == risks[-1, 2]  # the same record, the same number
    assert ((risks >= 0) & (risks <= 1)).all()


def test_who_else_is_in_the_clinic_changes_nobodys_risk(twice):
    together, _ = lived(twice, np.array([True, False, False]))
    alone, _ = lived(twice.take(np.array([0])), np.array([True]))
    assert np.array_equal(together[:, 0], alone[:, 0])


def test_a_posterior_is_made_weekly_and_sooner_for_a_check_in_above_the_baseline(twice):
    _, weekly = lived(twice, np.zeros(3, dtype=bool))
    assert weekly.n_posteriors == 3 * -(-(N_DAYS - 1) // EVERY_D)
    _, often = lived(twice, np.zeros(3, dtype=bool), before=lambda own, n: np.ones(n, dtype=bool))
    # at most every third day, and on the weekly day too
    assert weekly.n_posteriors < often.n_posteriors <= 3 * ((N_DAYS - 1) // AGAIN_D + (N_DAYS - 1) // EVERY_D + 1)


def test_the_future_does_not_leak_into_a_risk(twice):
    whole, _ = lived(twice, np.array([True, False, True]))
    short, _ = lived(twice, np.array([True, False, True]), n_days=15)
    assert np.array_equal(whole[: len(short)], short)


def test_somebody_of_another_class_has_a_risk_too():
    one = opioid_cohort(4, benzodiazepine=1.0)
    risks, _ = lived(one, np.zeros(4, dtype=bool), n_days=10)
    assert (risks[-1] > 0).all()


@pytest.fixture(scope="module")
def clinic():
    cohort = opioid_cohort(30)
    care = CarePlan(dict.fromkeys(DISCIPLINES, 1.0), 28.0, 1.0)

    def run(rule, who):
        build = lambda: build_policy("linear(pct=20, every=14)", file="test")  # noqa: E731
        return serve(cohort, build, from_prior(SEED, 1), SEED, DAYS, care, who, Setting(triage=rule))

    return run


def test_the_rule_of_triage_changes_who_waits_and_the_same_rule_twice_does_not(clinic):
    nurses = team("nurse", 40)
    found = {rule: clinic(rule, nurses) for rule in RULES}
    again = clinic("predicted_risk", nurses)
    assert again.events.equals(found["predicted_risk"].events)
    waited = {
        rule: waits(own, DAYS * 1440.0)
        for rule, one in found.items()
        for own in (one.events[one.events["role"] == "nurse"],)
    }
    totals = {rule: round(float(minutes.sum()), 3) for rule, minutes in waited.items()}
    assert len(set(totals.values())) == len(RULES), totals


def test_staff_that_is_never_short_makes_no_use_of_the_risk(clinic):
    from taper_sim.clinic.team import Team

    first, risk = (clinic(rule, Team(unlimited=True)) for rule in ("first_come", "predicted_risk"))
    assert all(np.array_equal(first.outcomes[n], risk.outcomes[n], equal_nan=True) for n in first.outcomes)


def test_the_riskier_of_two_is_seen_first():
    by_risk = RULES["predicted_risk"]
    assert by_risk(2, 10.0, 0.3) < by_risk(1, 0.0, 0.2) < by_risk(3, 20.0, 0.2)
    assert by_risk(0, 50.0, 0.0) < by_risk(1, 0.0, 1.0)  # what cannot wait comes before any risk
