"""Preemption: closed forms, a timetable by hand, and the effect in a clinic."""

import math
from functools import partial

import numpy as np
import pytest

from taper_sim.clinic.calendars import Duty
from taper_sim.clinic.event_log import duty_table
from taper_sim.clinic.measures import in_service, utilisation, worked
from taper_sim.clinic.queue import Job, Server
from taper_sim.clinic.team import Team
from taper_sim.clinic.theory import preemptive_resume
from taper_sim.clinic.work import INTERRUPTS, WORK_BY_NAME, YIELDS
from tests.clinic.test_coupling import DAYS, people, served, team, worker  # noqa: F401 - a fixture
from tests.clinic.test_queue import ALWAYS, agrees, servers
from tests.clinic.test_queue import run as run_queue

URGENT, ROUTINE = 0, 3


def job(number, urgency, at, minutes, *, yields=None, interrupts=None, role="nurse"):
    return Job(
        number,
        -1,
        f"{number}",
        role,
        urgency,
        float(at),
        float(minutes),
        (float(urgency), float(at)),
        interrupts=urgency == URGENT if interrupts is None else interrupts,
        yields=urgency == ROUTINE if yields is None else yields,
    )


run = partial(run_queue, preempt=True)


@pytest.mark.parametrize(
    ("rates", "means", "kind"),
    [
        ((1 / 40, 1 / 25), (10.0, 10.0), "M/M/1"),
        ((1 / 60, 1 / 20), (20.0, 6.0), "M/M/1"),
        ((1 / 40, 1 / 25), (10.0, 10.0), "M/D/1"),
    ],
)
def test_times_in_the_system_are_those_of_theory(rates, means, kind):
    """Two classes, the first interrupts: the mean of each within a 99.9 % interval from batch means."""
    rng, n = np.random.default_rng(5), 30_000
    jobs, end = [], n / max(rates)
    for k, urgency in enumerate((URGENT, ROUTINE)):
        at = np.cumsum(rng.exponential(1.0 / rates[k], n))
        at = at[at < end]
        minutes = rng.exponential(means[k], len(at)) if kind == "M/M/1" else np.full(len(at), means[k])
        jobs += [job(k * n + i, urgency, a, m) for i, (a, m) in enumerate(zip(at, minutes, strict=True))]
    events, _ = run(jobs, servers(1))
    second = [(2.0 if kind == "M/M/1" else 1.0) * mean**2 for mean in means]
    for urgency, expected in zip((URGENT, ROUTINE), preemptive_resume(rates, means, second), strict=True):
        own = events[events["urgency"] == urgency]
        agrees(own["ended"] - own["requested"], expected)
    waits_not = events[events["urgency"] == URGENT]
    assert (waits_not["interrupted"] == 0).all() and (events["interrupted"] > 0).any()
    busy = utilisation(events, duty_table(servers(1)), 0.0, end)["busy_min"].iloc[0]
    assert busy <= end and abs(busy - events["busy"].sum()) < 0.01 * busy  # no minute is counted twice


def test_one_class_alone_is_a_queue_without_priorities():
    one, two = preemptive_resume((1 / 40, 1 / 25), (10.0, 10.0), (200.0, 200.0))
    assert one == pytest.approx(10.0 / (1.0 - 0.25))
    assert two == pytest.approx(10.0 / ((1.0 - 0.25) * (1.0 - 0.65)))  # both M/M/1, equal rates of service
    with pytest.raises(ValueError, match="no steady state"):
        preemptive_resume((1 / 10,), (11.0,), (242.0,))


def test_a_timetable_by_hand():
    """One nurse, times in minutes.

    Urgent B (10-15) interrupts routine A at 10. C comes at 12 and is done (15-18) before A resumes at 18 with 20 min
    left. D (20-24) interrupts A again, and A ends at 42. F (at 45) does not interrupt visit E (42-62) and waits until
    62. The routine job G after F outlasts the shift; after the end of the shift no job interrupts it.
    """
    jobs = [
        job(1, ROUTINE, 0, 30),
        job(2, URGENT, 10, 5),
        job(3, URGENT, 12, 3),
        job(4, URGENT, 20, 4),
        job(5, 2, 21, 20, yields=False),
        job(6, URGENT, 45, 5),
        job(7, ROUTINE, 46, 40),
        job(8, URGENT, 75, 5),
    ]
    staff = servers(1, (Duty(0, 70), Duty(1440, 1500)))
    events, _ = run(jobs, staff, until=2000)
    times = {int(w): (s, e) for w, s, e in zip(events["work"], events["started"], events["ended"], strict=True)}
    assert times == {
        1: (0, 42),
        2: (10, 15),
        3: (15, 18),
        4: (20, 24),
        5: (42, 62),
        6: (62, 67),
        7: (67, 107),
        8: (1440, 1445),
    }
    by_work = events.set_index("work")
    assert by_work.loc["1", "interrupted"] == 2 and by_work.loc["1", "busy"] == 30.0
    assert by_work.loc["7", "interrupted"] == 0  # the shift was over when 8 came
    rows, first, last = worked(events, 2000.0)
    assert (last - first)[rows == 0].tolist() == [10.0, 2.0, 18.0]
    one = utilisation(events, duty_table(staff), 0.0, 2000.0).iloc[0]
    assert (one["busy_min"], one["overtime_min"]) == (70.0 + 5.0, 37.0)
    assert (last - first).sum() == 107.0 + 5.0  # the first day and the next
    assert in_service(events, 0.0, 107.0) > 1.0  # what is laid aside is still in hand


def test_without_preemption_no_job_is_interrupted():
    jobs = [job(1, ROUTINE, 0, 30), job(2, URGENT, 10, 5)]
    events, _ = run(jobs, servers(1), preempt=False)
    assert events["started"].tolist() == [0.0, 30.0] and (events["interrupted"] == 0).all()


def test_an_idle_server_is_used_first_and_then_the_most_routine_job_is_interrupted():
    jobs = [job(1, 1, 0, 30, yields=True), job(2, ROUTINE, 1, 30), job(3, URGENT, 5, 5)]
    events, _ = run(jobs, servers(2))
    assert events["interrupted"].tolist() == [0, 1, 0]
    free, _ = run([job(1, ROUTINE, 0, 30), job(3, URGENT, 5, 5)], servers(2))
    assert free["interrupted"].tolist() == [0, 0]


def test_servers_without_the_licence_and_on_call_servers_are_not_interrupted():
    jobs = [job(1, ROUTINE, 0, 30), job(2, URGENT, 5, 5)]
    jobs[1].licence = "VT"
    elsewhere = Server("elsewhere", "nurse", ALWAYS, licences=frozenset({"NH"}))
    events, _ = run(jobs, [elsewhere], until=100)
    assert math.isnan(events["started"].iloc[1]) and events["interrupted"].iloc[0] == 0


def test_what_interrupts_and_what_yields_are_kinds_of_work_and_no_visit_yields():
    assert INTERRUPTS <= set(WORK_BY_NAME) and YIELDS <= set(WORK_BY_NAME) and not INTERRUPTS & YIELDS
    assert not YIELDS & {"visit", "initial_assessment", "group_session", "peer_session", "interpreting", "education"}


def test_preemption_shortens_the_wait_of_urgent_work(people):  # noqa: F811
    """Alerts that an overloaded nurse does not begin go to the only prescriber, who also has orders."""
    workers = [w for w in team("nurse", 5).workers if w.role.queue != "prescriber"]
    short = Team((*workers, worker("prescriber", hours=(8, 14))))
    events = [served(people, short, n_days=DAYS, preempt=preempt).events for preempt in (False, True)]
    assert (events[0]["interrupted"] == 0).all() and events[1]["interrupted"].sum() > 0
    cut = events[1][events[1]["interrupted"] > 0]
    assert set(cut["work"]) <= YIELDS
    waited = []
    for one in events:
        own = one[one["work"].isin(INTERRUPTS) & one["started"].notna() & (one["requested"] % 1440.0 < 780.0)]
        own = own[own["requested"] % 1440.0 >= 480.0]  # asked for in the prescriber's hours
        waited.append(float((own["started"] - own["requested"]).mean()))
    assert waited[1] < waited[0]
