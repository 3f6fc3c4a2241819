"""The rules of the queue at their edges, one by one and by hand; all times in minutes."""

import math
from heapq import heapify
from types import SimpleNamespace

import pytest

from taper_sim.clinic.calendars import Duty
from taper_sim.clinic.queue import ANYWHERE, Engine, Job, Server

ALWAYS = (Duty(0.0, 10_000.0),)
Times = dict[int, tuple[float, str]]


def job(number: int, at: float, minutes: float, role: str = "nurse", urgency: int = 3, **more: object) -> Job:
    """A job without a patient, ranked by its number unless a rank is given."""
    given = {"rank": (float(number),), **more}
    return Job(number, -1, "call", role, urgency, at, minutes, **given)  # type: ignore[arg-type]


def run(jobs: list[Job], *team: Server, until: float = 5000.0, **engine_options: bool) -> Times:
    """Start and server of each job; NaN and no name if it was not begun."""
    engine = Engine(team, **engine_options)
    for one in jobs:
        engine.submit(one)
    engine.run(until)
    return {one.work_id: (one.started, one.resource) for one in engine.jobs}


def test_without_limits_every_job_begins_at_its_request_and_takes_its_minutes() -> None:
    jobs = [job(1, 10.0, 30.0), job(2, 20.0, 5.0)]
    assert [start for start, _ in run(jobs, unlimited=True).values()] == [10.0, 20.0]
    assert [one.ended for one in jobs] == [40.0, 25.0]


# -- duty --------------------------------------------------------------------------------------------------------------


def test_no_work_is_begun_at_the_minute_at_which_duty_ends() -> None:
    shifts = (Duty(0.0, 60.0), Duty(1440.0, 1500.0))
    nurse = Server("n", "nurse", shifts)
    assert run([job(1, 60.0, 10.0)], nurse)[1] == (1440.0, "n")  # it comes at that minute
    assert run([job(1, 59.0, 10.0)], nurse)[1] == (59.0, "n")
    after = run([job(1, 40.0, 20.0), job(2, 45.0, 10.0)], nurse)  # a job ends at that minute
    assert after == {1: (40.0, "n"), 2: (1440.0, "n")}
    urgent = run([job(1, 40.0, 40.0, yields=True), job(2, 60.0, 5.0, urgency=0, interrupts=True)], nurse, preempt=True)
    assert urgent[2] == (1440.0, "n")


def test_an_urgent_job_waiting_at_the_end_of_duty_waits_for_the_next() -> None:
    """The urgent job 2 is done at 60, when duty ends: job 1 is finished in overtime and job 3 waits."""
    nurse = Server("n", "nurse", (Duty(0.0, 60.0), Duty(1440.0, 1500.0)))
    jobs = [
        job(1, 40.0, 30.0, yields=True),
        job(2, 50.0, 10.0, urgency=0, interrupts=True),
        job(3, 55.0, 5.0, urgency=0, interrupts=True),
    ]
    assert [start for start, _ in run(jobs, nurse, preempt=True).values()] == [40.0, 50.0, 1440.0]
    assert jobs[0].ended == 80.0 and jobs[0].interrupted == 1


def test_work_is_begun_at_the_first_minute_of_duty_and_what_outlasts_a_shift_is_finished_first() -> None:
    nurse = Server("n", "nurse", (Duty(0.0, 60.0), Duty(100.0, 160.0), Duty(200.0, 300.0)))
    assert run([job(1, 70.0, 10.0)], nurse)[1] == (100.0, "n")
    long = run([job(1, 50.0, 70.0), job(2, 60.0, 10.0)], nurse)  # the second shift begins during job 1
    assert long == {1: (50.0, "n"), 2: (120.0, "n")}
    longer = run([job(1, 50.0, 115.0), job(2, 60.0, 10.0)], nurse)  # and ends during it
    assert longer == {1: (50.0, "n"), 2: (200.0, "n")}


def test_duty_that_was_over_before_the_clock_began_is_left_out() -> None:
    assert run([job(1, 0.0, 10.0)], Server("n", "nurse", (Duty(-50.0, 0.0), Duty(30.0, 60.0))))[1] == (30.0, "n")
    assert run([job(1, 0.0, 10.0)], Server("n", "nurse", (Duty(-50.0, 20.0),)))[1] == (0.0, "n")


# -- who takes which job -----------------------------------------------------------------------------------------------


def test_a_job_goes_to_its_own_role_then_to_stand_ins_in_the_order_of_their_preference() -> None:
    """The second choice of ``far`` is the first choice of ``near``: ``near`` is asked before ``far``."""
    far = Server("far", "clerk", ALWAYS, stands_in_for=("pharmacist", "nurse"))
    near = Server("near", "social_worker", ALWAYS, stands_in_for=("nurse", "pharmacist"))
    own = Server("own", "nurse", ALWAYS)
    jobs = [job(k, float(k), 100.0) for k in (1, 2, 3)]
    assert [who for _, who in run(jobs, far, near, own).values()] == ["own", "near", "far"]


def test_a_stand_in_serves_the_own_queue_first_and_then_others_in_the_order_of_preference() -> None:
    """Ranks would give the opposite order: they count within a role only."""
    one = Server("one", "clerk", ALWAYS, stands_in_for=("pharmacist", "nurse"))
    jobs = [
        job(9, 0.0, 10.0, "clerk"),
        job(1, 1.0, 10.0, "nurse"),
        job(2, 2.0, 10.0, "pharmacist"),
        job(3, 3.0, 10.0, "clerk"),
    ]
    started = run(jobs, one)
    assert [started[number][0] for number in (3, 2, 1)] == [10.0, 20.0, 30.0]


def test_among_jobs_of_one_role_the_rank_decides_and_then_the_number() -> None:
    jobs = [
        job(1, 0.0, 10.0),
        job(2, 1.0, 10.0, rank=(5.0,)),
        job(3, 2.0, 10.0, rank=(4.0,)),
        job(5, 3.0, 10.0, rank=(4.0,)),
        job(4, 4.0, 10.0, rank=(4.0,)),
    ]
    started = run(jobs, Server("n", "nurse", ALWAYS))
    assert sorted(started, key=lambda number: started[number]) == [1, 3, 4, 5, 2]


def test_among_two_states_of_one_role_the_rank_decides() -> None:
    jobs = [job(1, 0.0, 10.0), job(3, 1.0, 10.0, licence="VT"), job(2, 2.0, 10.0, licence="NH")]
    started = run(jobs, Server("n", "nurse", ALWAYS, licences=frozenset({"VT", "NH"})))
    assert started == {1: (0.0, "n"), 2: (10.0, "n"), 3: (20.0, "n")}


@pytest.mark.parametrize(
    ("role", "licence", "kind", "may"),
    [
        ("nurse", ANYWHERE, "", True),
        ("nurse", "VT", "call", True),
        ("clerk", "VT", "call", True),
        ("prescriber", "VT", "call", False),
        ("nurse", "NH", "call", False),
        ("nurse", "VT", "visit", False),
        ("nurse", "VT", "", True),
    ],
)
def test_a_server_needs_role_licence_and_skill(role: str, licence: str, kind: str, may: bool) -> None:
    one = Server("one", "nurse", ALWAYS, ("clerk",), frozenset({"VT"}), frozenset({"call"}))
    assert one.may_do(role, licence, kind) is may
    free = Server("free", "nurse", ALWAYS)
    assert free.may_do("nurse", licence, kind) and not free.may_do("clerk", licence, kind)


def test_a_server_on_call_takes_the_urgent_job_from_behind_the_others() -> None:
    on_call = Server("n", "nurse", (Duty(10.0, 100.0, urgent_only=True), Duty(100.0, 200.0)))
    jobs = [job(1, 0.0, 10.0), job(2, 1.0, 10.0, urgency=1), job(3, 2.0, 20.0, urgency=0), job(4, 3.0, 5.0, urgency=0)]
    assert [start for start, _ in run(jobs, on_call).values()] == [100.0, 110.0, 10.0, 30.0]


# -- leaving the queue -------------------------------------------------------------------------------------------------


def test_patience_ends_at_its_minute_and_who_would_not_have_come_is_a_no_show() -> None:
    jobs = [job(1, 0.0, 30.0), job(2, 5.0, 10.0, patience=20.0), job(3, 5.0, 10.0, patience=20.0, no_show=True)]
    jobs += [job(4, 5.0, 10.0, patience=26.0), job(5, 60.0, 5.0, no_show=True)]
    run(jobs, Server("n", "nurse", ALWAYS))
    assert [(one.outcome, one.ended) for one in jobs] == [
        ("done", 30.0),
        ("reneged", 25.0),
        ("no_show", 25.0),
        ("done", 40.0),
        ("no_show", 65.0),
    ]


def test_who_has_begun_does_not_lose_patience() -> None:
    one = job(1, 0.0, 30.0, patience=10.0)
    later = job(2, 5.0, 10.0, patience=40.0)
    run([one, later], Server("n", "nurse", ALWAYS))
    assert (one.outcome, one.ended, later.outcome, later.started) == ("done", 30.0, "done", 30.0)


def test_a_job_is_cancelled_before_it_arrives_or_while_it_waits_and_never_twice() -> None:
    ended: list[int] = []
    engine = Engine([Server("n", "nurse", ALWAYS)], finished=lambda one: ended.append(one.work_id))
    jobs = [job(1, 0.0, 30.0), job(2, 5.0, 10.0), job(3, 50.0, 10.0)]
    for one in jobs:
        engine.submit(one)
    engine.run(10.0)
    assert engine.waiting() == jobs[1:] and engine.now == 10.0
    for one in (*jobs, jobs[1]):
        engine.cancel(one, "staff ill")
    engine.run(100.0)
    assert [(one.outcome, one.requested, one.ended, one.why) for one in jobs] == [
        ("done", 0.0, 30.0, ""),
        ("cancelled", 5.0, 10.0, "staff ill"),
        ("cancelled", 10.0, 10.0, "staff ill"),
    ]
    assert ended == [2, 3, 1] and engine.waiting() == []


def test_a_job_is_due_at_its_request_unless_it_was_postponed() -> None:
    assert job(1, 7.0, 1.0).due == 7.0 and job(1, 7.0, 1.0, due=3.0).due == 3.0
    assert job(1, 7.0, 1.0).n_items == 1 and math.isnan(job(1, 7.0, 1.0).clock)


# -- the engine --------------------------------------------------------------------------------------------------------


def test_with_unlimited_staff_every_job_begins_at_its_request() -> None:
    assert run([job(1, 0.0, 30.0), job(2, 5.0, 10.0)], unlimited=True) == {1: (0.0, ""), 2: (5.0, "")}


def test_a_job_submitted_later_may_arrive_before_those_submitted_earlier() -> None:
    engine = Engine([Server("n", "nurse", ALWAYS)])
    jobs = [job(1, 50.0, 5.0), job(2, 20.0, 5.0), job(3, 20.0, 5.0)]
    engine.submit(jobs[0])
    engine.run(10.0)
    for one in jobs[1:]:
        engine.submit(one)
    engine.run(100.0)
    assert [one.started for one in jobs] == [50.0, 20.0, 25.0]


def test_a_job_may_be_submitted_for_now_and_not_for_the_past() -> None:
    engine = Engine([Server("n", "nurse", ALWAYS)])
    engine.run(10.0)
    now = job(1, 10.0, 5.0)
    engine.submit(now)
    engine.run(20.0)
    assert now.started == 10.0
    with pytest.raises(ValueError, match="before now"):
        engine.submit(job(2, 19.0, 5.0))


def test_a_job_that_ends_may_bring_another_at_once() -> None:
    follow = job(2, 10.0, 5.0)
    engine = Engine(
        [Server("n", "nurse", ALWAYS)], finished=lambda one: engine.submit(follow) if one is first else None
    )
    first = job(1, 0.0, 10.0)
    engine.submit(first)
    engine.run(100.0)
    assert (follow.started, follow.ended) == (10.0, 15.0)


# -- preemption --------------------------------------------------------------------------------------------------------


def test_the_least_urgent_job_is_interrupted_and_among_equals_the_one_begun_last() -> None:
    team = [Server(name, "nurse", ALWAYS) for name in ("a", "b", "c")]
    jobs = [
        job(1, 0.0, 60.0, urgency=3, yields=True),
        job(2, 5.0, 60.0, urgency=3, yields=True),
        job(3, 6.0, 60.0, urgency=2, yields=True),
        job(4, 20.0, 10.0, urgency=0, interrupts=True),
    ]
    assert run(jobs, *team, preempt=True)[4] == (20.0, "b")
    assert [one.interrupted for one in jobs] == [0, 1, 0, 0]
    assert [one.ended for one in jobs] == [60.0, 75.0, 66.0, 30.0]


def test_a_stand_in_that_resumes_begins_the_waiting_interrupting_job_of_the_highest_rank() -> None:
    one = Server("one", "clerk", ALWAYS, stands_in_for=("nurse",))
    jobs = [
        job(1, 0.0, 30.0, "clerk", yields=True),
        job(2, 10.0, 10.0, "clerk", urgency=0, interrupts=True),
        job(6, 11.0, 5.0, "nurse", urgency=0, interrupts=True, licence="VT"),
        job(5, 12.0, 5.0, "nurse", urgency=0, interrupts=True, licence="NH"),
        job(3, 13.0, 5.0, "nurse"),
    ]
    started = run(jobs, one, preempt=True)
    assert [started[number][0] for number in (2, 5, 6, 3)] == [10.0, 20.0, 25.0, 50.0]
    assert jobs[0].ended == 50.0


def test_the_first_job_that_may_begin_is_the_highest_ranked_of_those_wherever_it_stands_in_the_queue() -> None:
    ranks = [3, 9, 1, 14, 5, 2, 8, 11, 4, 7, 12, 6, 10, 13, 0]
    jobs = [SimpleNamespace(waits=True, rank=rank) for rank in ranks]
    queue = [((job.rank,), number, job) for number, job in enumerate(jobs)]
    heapify(queue)
    engine = SimpleNamespace(_queues={"key": queue}, _others_free=lambda job, desk: True)
    for least in range(len(ranks)):
        entry = Engine._least(engine, "key", None, lambda job, least=least: job.rank >= least)
        assert entry[2].rank == least
    assert Engine._least(engine, "key", None, lambda job: False) is None
