"""Presence: one job at a time for patients and second servers; cancelled appointments in the log."""

import numpy as np
import pytest
import yaml

from taper_sim.clinic.absence import Illness
from taper_sim.clinic.calendars import Duty
from taper_sim.clinic.coupling import serve
from taper_sim.clinic.queue import Engine, Job, Server
from taper_sim.clinic.work import HANDED_OFF, WITH_PATIENT
from taper_sim.experiments.clinic_case import cases_of
from taper_sim.experiments.clinic_plan import read_plan
from taper_sim.scenario.building import Overrides
from tests.clinic.test_coupling import DAYS, UNLIMITED, people, served, team  # noqa: F401 - a fixture
from tests.conftest import ROOT

ALWAYS = (Duty(0.0, 1e6),)
OFTEN = Illness(per_day=0.05, days=3.0)


def visit(k, patient, role, at, minutes, companion=None, **more):
    return Job(k, patient, "visit", role, 2, at, minutes, rank=(float(k),), present=True, companion=companion, **more)


def interpreting(k, patient, at, minutes):
    return Job(k, patient, "interpreting", "interpreter", 2, at, minutes, rank=(float(k),))


def run(jobs, *servers, until=10_000.0):
    engine = Engine(servers)
    for job in jobs:
        engine.submit(job)
    engine.run(until)
    return {job.work_id: (job.started, job.ended, job.outcome, job.resource) for job in engine.jobs}


def test_by_hand_a_job_that_needs_the_patient_waits_while_the_patient_is_in_another():
    pt, nurse = Server("pt 1", "pt", ALWAYS), Server("nurse 1", "nurse", ALWAYS)
    found = run(
        [
            visit(1, 7, "pt", 0.0, 30.0),
            visit(2, 7, "nurse", 5.0, 10.0),
            visit(3, 8, "nurse", 10.0, 15.0),
            visit(4, 7, "pt", 12.0, 5.0),
            Job(5, 7, "message", "nurse", 3, 6.0, 2.0, rank=(5.0,)),
        ],
        pt,
        nurse,
    )
    assert found[1][:2] == (0.0, 30.0)
    assert found[5][:2] == (6.0, 8.0)  # nobody needs the patient for that
    assert found[3][:2] == (10.0, 25.0)  # the nurse takes the next patient meanwhile
    assert found[2][:2] == (30.0, 40.0) or found[4][:2] == (30.0, 35.0)
    assert sorted([found[2][0], found[4][0]])[1] in (35.0, 40.0)  # one after the other


def test_by_hand_a_visit_with_a_second_server_begins_when_both_are_idle():
    pt, nurse, one = (
        Server("pt 1", "pt", ALWAYS),
        Server("nurse 1", "nurse", ALWAYS),
        Server("i", "interpreter", ALWAYS),
    )
    jobs = [
        visit(1, 1, "pt", 0.0, 20.0, interpreting(11, 1, 0.0, 20.0)),
        visit(2, 2, "nurse", 5.0, 10.0, interpreting(12, 2, 5.0, 8.0)),
        visit(3, 3, "nurse", 6.0, 4.0),
        visit(4, 4, "nurse", 30.0, 5.0, interpreting(14, 4, 30.0, 5.0)),
    ]
    found = run(jobs, pt, nurse, one)
    assert found[1][:2] == found[11][:2] == (0.0, 20.0)
    assert found[3][:2] == (6.0, 10.0)  # the nurse does not stand idle
    assert found[2][:2] == (20.0, 30.0) and found[12][:2] == (20.0, 28.0)
    assert found[4][:2] == found[14][:2] == (30.0, 35.0)
    alone = run([visit(1, 1, "pt", 0.0, 20.0, interpreting(11, 1, 0.0, 20.0), patience=45.0)], pt)
    assert alone[1][1:3] == alone[11][1:3] == (45.0, "reneged")


@pytest.mark.parametrize("asked_first", [True, False])
def test_a_server_who_comes_on_duty_finds_the_patient_of_that_minute_in_the_queue(asked_first):
    """The order in which the visit and the shift were scheduled does not matter: triage chooses between the jobs."""
    two_shifts = Server("pt 1", "pt", (Duty(0.0, 10.0), Duty(480.0, 1000.0)))
    engine = Engine([two_shifts])
    message = Job(1, 7, "message", "pt", 3, 20.0, 5.0, rank=(3.0,))
    one = visit(2, 8, "pt", 480.0, 30.0)
    for job in (one, message) if asked_first else (message,):
        engine.submit(job)
    engine.run(400.0)
    if not asked_first:
        engine.submit(one)
    engine.run(2000.0)
    assert (one.started, message.started) == (480.0, 510.0)


def test_no_server_is_the_second_server_of_their_own_visit():
    both = Server("s 1", "social_worker", ALWAYS, stands_in_for=("interpreter",))
    job = visit(1, 1, "social_worker", 0.0, 20.0, interpreting(11, 1, 0.0, 20.0), patience=45.0)
    assert run([job], both)[1][2] == "reneged"
    other = Server("s 2", "social_worker", ALWAYS, stands_in_for=("interpreter",))
    job = visit(1, 1, "social_worker", 0.0, 20.0, interpreting(11, 1, 0.0, 20.0), patience=45.0)
    found = run([job], both, other)
    assert {found[1][3], found[11][3]} == {"s 1", "s 2"}


def test_waiting_visits_begin_when_a_second_server_comes_on_duty():
    late = Server("i", "interpreter", (Duty(15.0, 1e6),))
    job = visit(1, 1, "pt", 0.0, 20.0, interpreting(11, 1, 0.0, 20.0), patience=45.0)
    assert run([job], Server("pt 1", "pt", ALWAYS), late)[1][:2] == (15.0, 35.0)


@pytest.fixture(scope="module")
def busy(people):  # noqa: F811
    """Too few interpreters and physical therapists, who are often ill."""
    return served(people, team("interpreter", 240), n_days=DAYS, illness=OFTEN)


def test_no_patient_is_in_two_visits_and_no_interpreter_without_one(busy):
    log = busy.events[busy.events["started"].notna()]
    with_patient = log[log["work"].isin(sorted(WITH_PATIENT)) & (log["outcome"] == "done")]
    ordered = with_patient.sort_values(["patient_id", "started"])
    before = ordered.groupby("patient_id")["ended"].shift()
    assert len(ordered) > 300 and not (ordered["started"] < before - 1e-6).any()
    by_patient = {name: own for name, own in with_patient.groupby("patient_id")}
    interpreted = log[log["work"] == "interpreting"]
    assert len(interpreted) > 50
    for row in interpreted.itertuples():
        own = by_patient[row.patient_id]
        assert ((own["started"] == row.started) & (own["ended"] >= row.ended - 1e-6)).sum() == 1
    theirs = with_patient[with_patient["patient_id"].isin(set(interpreted["patient_id"]))]
    visits = theirs[theirs["work"].isin(["visit", "initial_assessment"])]
    assert len(visits) == len(interpreted)  # and no visit without one


def test_no_job_of_the_log_ends_before_its_request(busy, people):  # noqa: F811
    for found in (busy, served(people, team("pt", 240), "linear(pct=50, every=7)", n_days=DAYS, illness=OFTEN)):
        log = found.events
        for earlier, later in (("requested", "started"), ("requested", "ended"), ("started", "ended")):
            both = log[[earlier, later]].dropna()
            assert (both[later] >= both[earlier] - 1e-6).all()
        assert (log["why"] == "staff ill").any()


def test_a_patient_after_handoff_has_no_appointments(people):  # noqa: F811
    found = served(people, team("pt", 120), "linear(pct=50, every=7)", n_days=84)
    log = found.events
    handed = log[(log["work"] == "handoff") & (log["outcome"] == "done")].set_index("patient_id")["ended"]
    assert len(handed) > 5 and (log["why"] == HANDED_OFF).any()
    after = log[log["patient_id"].isin(handed.index)]
    assert not (after["started"] > after["patient_id"].map(handed)).any()


def test_without_interpreting_visits_of_those_who_need_it_do_nothing(people):  # noqa: F811
    cohort, _, _ = people
    other = ~cohort.flags["language_match"]
    base = served(people, UNLIMITED, n_days=DAYS)
    less = served(people, UNLIMITED, n_days=DAYS, disabled_work=frozenset({"interpreting"}))
    assert (base.events["work"] == "interpreting").any() and not (less.events["work"] == "interpreting").any()
    change = less.outcomes["function_change"] - base.outcomes["function_change"]
    assert np.nanmean(change[other]) < 0 and (np.nan_to_num(change[~other]) == 0).all()


@pytest.mark.parametrize(
    "change", [{"in_person_from": "2026-01-20"}, {"home_visits": {"travel_min": 20}}, {"without": ["peer_session"]}]
)
def test_the_rules_of_a_clinic_do_not_count_as_harm_of_its_team(change, tmp_path):
    """With unlimited staff the reference equals the clinic to the bit under all its rules."""
    content = yaml.safe_load((ROOT / "scenarios" / "clinic_rural.yaml").read_text())
    content["clinic"] |= change
    for name in ("team", "in_person_from"):
        if name not in change:
            content["clinic"].pop(name)
    content["clinic"]["unlimited"] = True
    content["protocols"] = ["linear(pct=10, every=14)"]
    path = tmp_path / "clinic.yaml"
    path.write_text(yaml.safe_dump(content))
    plan = read_plan(path, Overrides(patients=40, days=56), 1)
    cohort, ensemble, arm = plan.cohort(0), plan.ensemble(0), plan.arms[0]
    own = serve(cohort, arm.build, ensemble, plan.seed(0), 56, arm.care, plan.team, plan.setting).outcomes
    free = cases_of(plan, 0, [arm])[0].unlimited_staff_outcomes()
    assert all(np.array_equal(own[name], free[name], equal_nan=True) for name in own)
    assert not plan.setting.is_plain
