"""Coupling of clinic and patients: equality with the cohort simulation under unlimited staff, effects of work."""

from pathlib import Path

import numpy as np
import pytest

from taper_sim.clinic import lateness
from taper_sim.clinic.alarms import JUDGED
from taper_sim.clinic.calendars import Shift
from taper_sim.clinic.coupling import Setting, _Clinic, serve
from taper_sim.clinic.harm_paths import PATHS_BY_NAME
from taper_sim.clinic.panel import enrolment
from taper_sim.clinic.queue import Job
from taper_sim.clinic.team import MAIN_ROLE, QUEUES, Team, Worker
from taper_sim.clinic.work import FATIGUE_SHARE, PASSED_ON, WORK_BY_NAME
from taper_sim.comparison.measured_outcomes import measure
from taper_sim.model.compiled import rows
from taper_sim.policies.catalogue import build_policy
from taper_sim.scenario.building import build_cohort, care_plan
from taper_sim.scenario.schema import CareEntry, CohortEntry
from taper_sim.simulation.days import run
from taper_sim.simulation.ensemble import from_prior
from tests.conftest import MORPHINE_SOME_LORAZEPAM

FOLDER = Path(__file__).resolve().parent.parent.parent / "scenarios"
SEED, N_DAYS = 7, 84
UNLIMITED = Team(unlimited=True)


@pytest.fixture(scope="module")
def people():
    entry = CohortEntry(
        patients=40,
        classes=MORPHINE_SOME_LORAZEPAM,
        shares={"language_match": 0.8, "caregiver": 0.4, "peer_support": 0.4, "transport": 0.6},
    )
    care = care_plan(
        CareEntry(
            visit_every_d=14,
            disciplines={d: 1.0 for d in ("prescriber", "pharmacist", "pt", "psychologist", "nurse", "peer")},
        )
    )
    return build_cohort(entry, SEED, FOLDER), from_prior(SEED, 1), care


def maker(call):
    return lambda: build_policy(call, file="test", folder=FOLDER)


STEPS = "linear(pct=10, every=14)"


def served(people, team, call=STEPS, n_days=N_DAYS, **setting):
    cohort, ensemble, care = people
    return serve(cohort, maker(call), ensemble, SEED, n_days, care, team, Setting(**setting))


def worker(queue, k=1, hours=(8, 17), weekdays=range(7), **more):
    shift = Shift(tuple(weekdays), hours[0] * 60, hours[1] * 60)
    return Worker(f"{queue} {k}", MAIN_ROLE[queue], (shift,), cost_usd_h=50.0, **more)


@pytest.mark.parametrize(
    "call",
    [
        STEPS,
        'adaptive("rules/symptom_guided.yaml")',
        "linear(pct=10, every=28, start_day=29) + rotate(methadone, IR, day=1, start_pct=75)",
        "exponential(pct=20, every=14) + adjunct(lofexidine)",
    ],
)
@pytest.mark.parametrize("over", [1, 20])
def test_unlimited_staff_give_the_cohort_simulation_to_the_bit(call, over, people):
    cohort, ensemble, care = people
    found = served(people, UNLIMITED, call, enrol_over_d=over)
    starts = enrolment(len(cohort), over, N_DAYS)
    for start in np.unique(starts):
        who = np.flatnonzero(starts == start)
        course = run(cohort.take(who), maker(call)(), ensemble, SEED, N_DAYS - int(start) + 1, care)
        for name, values in measure(course).items():
            assert np.array_equal(found.outcomes[name][who], values, equal_nan=True), name
    assert (found.clinic["days_waiting"] == 0).all()
    assert (np.nan_to_num(found.clinic["unread"]) == 0).all()
    assert (found.clinic["care"][~np.isnan(found.clinic["care"])] == 1).all()


# -- kinds of work: removing one changes the number it should ----------------------------------------------------------

ROOMY = 12


def team(thin=None, minutes=20, extra=()):
    """All roles at all hours, except one queue with some minutes on weekdays."""
    workers = []
    for queue in QUEUES:
        if queue == thin:
            shift = Shift((0, 1, 2, 3, 4), 480.0, 480.0 + minutes)
            workers.append(Worker(f"{queue} 1", MAIN_ROLE[queue], (shift,)))
        else:
            workers += [worker(queue, k, hours=(0, 24)) for k in range(ROOMY)]
    return Team((*workers, *extra))


DAYS = 56
ALARMS_HOLD = frozenset(PATHS_BY_NAME) - {"unread_alarm"}  # then an open alarm holds orders


@pytest.fixture(scope="module")
def with_everything(people):
    kept = {}

    def of(thin, without):
        if (thin, without) not in kept:
            kept[thin, without] = served(people, team(thin), n_days=DAYS, disabled_work=without, harm_paths=ALARMS_HOLD)
        return kept[thin, without]

    return of


@pytest.mark.parametrize(
    ("kind", "queue"),
    [
        ("dose_order", "prescriber"),
        ("pharmacist_review", "pharmacist"),
        ("refill", "pharmacist"),
        ("prior_authorisation", "pharmacist"),
        ("case_conference", "prescriber"),
        ("alert_missed_checkins", "nurse"),
        ("alert_missed_visit", "social_worker"),
        ("initial_assessment", "prescriber"),
    ],
)
def test_without_work_that_holds_orders_they_wait_less(kind, queue, people, with_everything):
    also = frozenset({"initial_assessment"}) if queue == "prescriber" else frozenset()  # else that alone holds them
    also -= {kind}
    base = with_everything(queue, also)
    less = served(people, team(queue), n_days=DAYS, disabled_work=also | {kind}, harm_paths=ALARMS_HOLD)
    assert (base.events["work"] == kind).any() and not (less.events["work"] == kind).any()
    assert less.clinic["days_waiting"].sum() < base.clinic["days_waiting"].sum()


def test_without_spike_alerts_orders_wait_less_where_nobody_else_takes_them(people):
    alone = frozenset({"escalation"})
    base, less = (
        served(people, team("nurse"), n_days=DAYS, disabled_work=without, harm_paths=ALARMS_HOLD)
        for without in (alone, alone | {"alert_spike"})
    )
    assert less.clinic["days_waiting"].sum() < base.clinic["days_waiting"].sum()
    assert base.clinic["alarms"].sum() > 0 == less.clinic["alarms"].sum()


@pytest.mark.parametrize(
    ("kind", "outcome", "worse"),
    [
        ("visit", "function_change", -1),
        ("initial_assessment", "function_change", -1),
        ("group_session", "phq9_change", 1),
        ("education", "checkin_completion", -1),
        ("peer_session", "checkin_completion", -1),
    ],
)
def test_without_work_that_helps_patients_fare_worse(kind, outcome, worse, people):
    base = served(people, UNLIMITED, n_days=DAYS)
    less = served(people, UNLIMITED, n_days=DAYS, disabled_work=frozenset({kind}))
    assert (base.events["work"] == kind).any() and not (less.events["work"] == kind).any()
    change = np.nanmean(less.outcomes[outcome] - base.outcomes[outcome])
    assert worse * change > 0


def test_patients_without_training_in_self_management_are_less_engaged(people):
    base, less = (
        at_work(people, UNLIMITED, DAYS, disabled_work=without)
        for without in (frozenset(), frozenset({"self_management"}))
    )
    assert any(job.work == "self_management" for job in base.engine.jobs)
    there = base.panel.present(DAYS) & less.panel.present(DAYS)
    lost = (base.panel.state(rows.N) - less.panel.state(rows.N))[there]
    assert (lost >= 0).all() and lost.mean() > 0
    thin = at_work(people, team("nurse", 20), 28)
    assert 0 < thin.self_taught.mean() < 1  # taught late, and some not yet


def test_too_few_interpreters_reduce_the_care_of_patients_who_need_one(people):
    cohort, _, _ = people
    base, short = served(people, UNLIMITED, n_days=DAYS), served(people, team("interpreter", 20), n_days=DAYS)
    vendor = Team(tuple(w for w in team().workers if w.role.queue != "interpreter"))
    other = ~cohort.flags["language_match"]
    assert np.nanmean(short.clinic["care"][other]) < np.nanmean(base.clinic["care"][other])
    assert np.nanmean(short.clinic["care"][~other]) == 1.0
    assert np.nanmean(served(people, vendor, n_days=DAYS).clinic["care"]) == 1.0


def test_unanswered_messages_cost_nursing_care(people):
    thin = served(people, team("nurse", 20), n_days=DAYS)
    waiting = thin.events[thin.events["work"] == "message"]
    assert (waiting["outcome"] != "done").any()
    clinic = _Clinic(*_arguments(people, team("nurse", 20), Setting()))
    for day in range(1, 16):
        clinic.day(day)
    asked = clinic.messages > 0
    nursing = clinic.panel.parameter(rows.PLANNED + 4)
    assert (nursing[asked] < 1.0).any()


def test_the_policy_does_not_see_unread_check_ins(people):
    call = 'adaptive("rules/symptom_guided.yaml")'
    base = served(people, UNLIMITED, call, n_days=DAYS)
    blind = served(people, UNLIMITED, call, n_days=DAYS, disabled_work=frozenset({"checkin_batch", "checkin_review"}))
    assert np.nanmean(blind.clinic["unread"]) == 1.0 and np.nanmean(base.clinic["unread"]) == 0.0
    assert np.nanmean(blind.outcomes["dose_reduction_pct"]) < np.nanmean(base.outcomes["dose_reduction_pct"]) - 1.0


def test_a_patient_handed_off_makes_no_more_work(people):
    call = "linear(pct=50, every=7)"
    base = served(people, UNLIMITED, call)
    kept = served(people, UNLIMITED, call, disabled_work=frozenset({"handoff"}))
    assert (base.events["work"] == "handoff").any()
    assert len(base.events) < len(kept.events)
    for name in base.outcomes:
        assert np.array_equal(base.outcomes[name], kept.outcomes[name], equal_nan=True), name


def _arguments(people, who, setting, n_days=DAYS):
    cohort, ensemble, care = people
    return cohort, maker(STEPS), ensemble, SEED, n_days, care, who, setting


def at_work(people, who, until, **setting):
    clinic = _Clinic(*_arguments(people, who, Setting(**setting)))
    for day in range(1, until + 1):
        clinic.day(day)
    return clinic


def happens(clinic, row, patient):
    clinic.panel._sums[clinic.panel._tile[patient], row, clinic.panel._lane[patient]] += 1.0


@pytest.mark.parametrize(
    ("row", "first", "queue"),
    [
        (rows.OVERDOSES, "alert_red_flag", "nurse"),
        (rows.SEIZURES, "alert_red_flag", "nurse"),
        (rows.CRISES, "alert_red_flag", "nurse"),
        (rows.URGENT, "urgent_visit", "prescriber"),
    ],
)
def test_an_event_becomes_work_that_holds_the_patients_orders(row, first, queue, people):
    clinic = at_work(people, team(queue, minutes=1), 8)
    patient = int(np.flatnonzero(clinic.panel.present(9) & (clinic.gates == 0))[0])
    happens(clinic, row, patient)
    clinic.day(9)
    made = [job for job in clinic.engine.jobs if job.patient == patient and job.requested >= 8 * 1440]
    assert first in {job.work for job in made}
    if queue == "nurse":  # nobody began it within half an hour: the prescriber has it
        assert {job.outcome for job in made if job.work == first} == {"cancelled"}
        assert "escalation" in {job.work for job in made}
    else:
        assert clinic.gates[patient] > 0
    without = at_work(people, team(queue, minutes=1), 8, disabled_work=frozenset({first}))
    happens(without, row, patient)
    without.day(9)
    assert first not in {job.work for job in without.engine.jobs}


def test_an_order_open_for_three_days_is_expedited(people):
    alone = frozenset({"initial_assessment"})  # else orders wait for that, and nobody asks for them
    clinic = at_work(people, team("prescriber", minutes=30), 12, disabled_work=alone)
    late = [job for job in clinic.engine.jobs if job.work == "alert_late_dose" and job.outcome == "done"]
    hurried = [job for job in clinic.engine.jobs if job.work == "dose_order" and job.urgency == 0]
    assert late and hurried
    assert {job.patient for job in hurried} <= {job.patient for job in late}
    assert all(job.due < job.requested for job in hurried)


def test_no_order_is_requested_before_the_prescribers_assessment(people):
    for who in (UNLIMITED, team("prescriber", minutes=120)):
        log = served(people, who, n_days=DAYS).events
        seen = log[(log["role"] == "prescriber") & log["work"].isin(["initial_assessment", "visit"])]
        seen = seen[seen["outcome"].isin(["done", "no_show"])].groupby("patient_id")["ended"].min()
        orders = log[log["work"] == "dose_order"]
        first = orders.groupby("patient_id")["requested"].min()
        assert len(first) > 10 and (first >= first.index.map(seen) - 1e-6).all()
    assert len(first) < len(people[0])  # some nobody has seen yet


def test_escalation_is_work_of_the_prescriber_only_where_the_clinic_does_it(people):
    thin = served(people, team("nurse", 5), n_days=28, harm_paths=ALARMS_HOLD)
    none = frozenset({"escalation"})
    without = served(people, team("nurse", 5), n_days=28, disabled_work=none, harm_paths=ALARMS_HOLD)
    assert (thin.events["work"] == "escalation").any() and not (without.events["work"] == "escalation").any()
    assert without.clinic["days_waiting"].sum() > thin.clinic["days_waiting"].sum()


def test_rounds_come_every_91_days(people):
    clinic = _Clinic(*_arguments(people, UNLIMITED, Setting(enrol_over_d=1), n_days=182))
    jobs = clinic.demand.of_day(91, clinic.panel.present(91), clinic.handed_off)
    assert sum(job.work == "rounds" for job in jobs) == len(clinic.panel)
    assert all(job.work != "rounds" for job in clinic.demand.of_day(92, clinic.panel.present(92), clinic.handed_off))


# -- who works changes the course only through the work -----------------------------------------------------------


def test_adding_staff_who_take_no_work_leaves_every_result_unchanged(people):
    """A nurse on leave for the whole run, and a physical therapist on call, whose queue has no urgent work."""
    on_leave = worker("nurse", 98, leave=((1, 2 * DAYS),))
    at_night = Worker("late", MAIN_ROLE["pt"], (Shift((5,), 1430.0, 1435.0, urgent_only=True),))
    idle = (on_leave, at_night)
    base, more = served(people, team("nurse"), n_days=DAYS), served(people, team("nurse", extra=idle), n_days=DAYS)
    assert all(np.array_equal(base.outcomes[n], more.outcomes[n], equal_nan=True) for n in base.outcomes)
    assert base.events.equals(more.events)


def test_a_shorter_team_harms_and_the_same_team_twice_is_the_same(people):
    short, again = (served(people, team("psychologist", 90), n_days=N_DAYS) for _ in range(2))
    assert set(short.events[short.events["work"] == "visit"]["outcome"]) >= {"done", "no_show", "cancelled"}
    base = served(people, UNLIMITED)
    assert short.events.equals(again.events)
    assert np.nanmean(short.clinic["care"]) < 1.0 and np.nanmax(short.clinic["care"]) <= 1.0
    assert np.nanmean(short.outcomes["phq9_change"] - base.outcomes["phq9_change"]) > 0


def test_a_visit_without_room_is_postponed_and_its_care_is_late(people):
    clinic = at_work(people, team("pt", 120), 20)
    visits = [job for job in clinic.engine.jobs if job.role == "pt" and job.outcome == "done"]
    late = [job for job in visits if (job.note.planned_day - 1) * 1440 + 1440 <= job.started]
    assert late and all(job.started - job.due < 15 * 1440 for job in late)
    patient = late[-1].patient
    assert clinic.panel.state(rows.K + 2)[patient] > 0  # physical therapy is felt
    never = sorted(set(range(len(clinic.panel))) - {job.patient for job in visits})
    assert never and (clinic.panel.state(rows.K + 2)[never] == 0).all()
    lost = [job for job in clinic.engine.jobs if job.role == "pt" and job.outcome == "cancelled"]
    assert {job.patient for job in lost} <= set(never) | {job.patient for job in visits}


def test_triage_by_urgency_does_urgent_work_sooner_and_first_come_does_not(people):
    found = {}
    for rule in ("first_come", "urgency", "predicted_risk"):
        events = served(
            people, team("nurse", 45), n_days=DAYS, triage=rule, disabled_work=frozenset({"escalation"})
        ).events
        own = events[events["role"] == "nurse"]
        late = lateness.late(own, DAYS * 1440.0)
        found[rule] = late[own["urgency"] <= 1].mean(), late[own["urgency"] == 3].mean()
    assert found["urgency"][0] < found["first_come"][0]
    assert found["urgency"][1] > found["first_come"][1]
    assert found["predicted_risk"] not in (found["urgency"], found["first_come"])


def test_from_a_date_on_visits_are_in_person_and_those_without_transport_miss_more(people):
    cohort, _, _ = people
    base = served(people, UNLIMITED)
    rule = served(people, UNLIMITED, in_person_from=1)
    stuck = ~cohort.flags["transport"]
    assert stuck.any()
    missed = rule.outcomes["no_show"] - base.outcomes["no_show"]
    assert missed[stuck].mean() > 0
    longer = rule.events[rule.events["role"] == "prescriber"]["busy"].sum()
    assert longer > base.events[base.events["role"] == "prescriber"]["busy"].sum()


def test_a_pharmacist_who_makes_the_orders_takes_them_off_the_prescriber(people):
    led = served(people, team(), n_days=28, orders_by="pharmacist")
    assert set(led.events[led.events["work"] == "dose_order"]["role"]) == {"pharmacist"}
    assert not (led.events["work"] == "pharmacist_review").any()


@pytest.mark.parametrize(("kind", "counted"), list(JUDGED.items()))
def test_too_many_alerts_cause_dismissals(kind, counted, people):
    """Above twenty alerts per shift and person some true ones are dismissed; below it none is."""
    clinic = at_work(people, team("nurse", 400), 3)
    role, alarms = WORK_BY_NAME[kind].queue, clinic.alarms
    alarms.today, alarms.on_duty[role][3] = {role: 500.0}, 1.0
    clinic.panel._state[clinic.panel._tile, rows.W_ALL, clinic.panel._lane] = 0.9
    n = len(clinic.panel)
    before = {name: alarms.counted[name].sum() for name in (counted, f"false_{counted}", f"dismissed_{counted}")}
    heard = [alarms.heard(Job(1, patient, kind, role, 1, 3000.0, 5.0, note=2.0)) for patient in range(n)]
    after = {name: alarms.counted[name].sum() - before[name] for name in before}
    share = FATIGUE_SHARE * 480 / 500
    assert abs(n - sum(heard) - n * share) < 4 * np.sqrt(n * share * (1 - share))
    assert after == {counted: n, f"false_{counted}": 0.0, f"dismissed_{counted}": n - sum(heard)}
    alarms.today = {role: 20.0}
    assert all(alarms.heard(Job(1, patient, kind, role, 1, 3000.0, 5.0, note=0.0)) for patient in range(n))
    assert alarms.counted[f"false_{counted}"].sum() - before[f"false_{counted}"] == (0 if kind == "alert_spike" else n)


def test_a_dismissed_dose_alert_reveals_nothing_and_a_dismissed_spike_alert_leaves_the_report_unread(people):
    for tired in (False, True):
        clinic = at_work(people, team(), 8)
        clinic.alarms.today = {role: 1e9 if tired else 0.0 for role in ("nurse", "pharmacist")}
        n = len(clinic.panel)
        clinic.read[:, 7] = True
        for k in range(n):
            for kind, role in (("alert_spike", "nurse"), ("alert_unreported_dose", "pharmacist")):
                clinic._alert_ended(Job(k, k, kind, role, 1, 0.0, 5.0, note=2.0, outcome="done"))
        found = clinic.demand.watch.lapses_found
        assert bool((found == 0).any() and not clinic.read[:, 7].all()) is tired
        had, passed_on = found[0], {"outcome": "cancelled", "why": PASSED_ON}  # the prescriber has it
        clinic._alert_ended(Job(1, 0, "alert_unreported_dose", "pharmacist", 1, 0.0, 5.0, note=3.0, **passed_on))
        assert found[0] == had + 3.0
