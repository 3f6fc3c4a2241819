"""The queue compared with closed forms, a timetable by hand, and another simulator."""

import math

import ciw
import numpy as np
import pytest
from scipy import stats

from taper_sim.clinic.calendars import Duty
from taper_sim.clinic.event_log import duty_table, events_table
from taper_sim.clinic.measures import in_service, left_queue, queue_length, queue_length_steps, utilisation, waits
from taper_sim.clinic.queue import Engine, Job, Server
from taper_sim.clinic.theory import erlang_a, erlang_c, pollaczek_khinchine

ALWAYS = (Duty(0.0, 1e9),)


def servers(n, duties=ALWAYS, role="nurse"):
    return [Server(f"{role} {k + 1}", role, duties) for k in range(n)]


def run(jobs, team, until=None, *, preempt=False):
    engine = Engine(team, preempt=preempt)
    for job in jobs:
        engine.submit(job)
    if until is None:
        engine.env.run()
        until = engine.now
    else:
        engine.run(until)
    return events_table(engine.jobs), until


def stream(arrivals, minutes, patience=None, **same):
    patience = np.full(len(arrivals), math.inf) if patience is None else patience
    given = {"urgency": 3, **same}
    return [
        Job(k, -1, "call", "nurse", requested=float(a), minutes=float(m), patience=float(p), rank=(float(a),), **given)
        for k, (a, m, p) in enumerate(zip(arrivals, minutes, patience, strict=True))
    ]


def agrees(values, expected, n_batches=25, warm=0.1):
    """Mean of a correlated series within a 99.9 % interval from batch means."""
    values = np.asarray(values)[int(warm * len(values)) :]
    batches = values[: len(values) // n_batches * n_batches].reshape(n_batches, -1).mean(axis=1)
    half = stats.t.ppf(0.9995, n_batches - 1) * batches.std(ddof=1) / math.sqrt(n_batches)
    assert half < 0.45 * expected  # a server more or fewer changes the mean by more than half
    assert abs(batches.mean() - expected) < half, (batches.mean(), expected, half)


def poisson(n, rate, rng):
    return np.cumsum(rng.exponential(1 / rate, n))


@pytest.mark.parametrize(("c", "load"), [(1, 0.6), (3, 0.7), (6, 0.7)])
def test_m_m_c_waits_as_erlang_c_says(c, load):
    rng = np.random.default_rng(c)
    n, mu = 25_000, 0.1
    lam = load * c * mu
    events, end = run(stream(poisson(n, lam, rng), rng.exponential(1 / mu, n)), servers(c))
    theory = erlang_c(lam, mu, c)
    agrees(waits(events, end), theory.wait_min)
    agrees(waits(events, end) > 0, theory.p_wait)


def test_m_m_c_with_impatience_waits_and_gives_up_as_erlang_a_says():
    rng = np.random.default_rng(5)
    n, mu, lam, theta, c = 25_000, 0.1, 0.45, 0.05, 4  # more comes than can be served
    events, end = run(
        stream(poisson(n, lam, rng), rng.exponential(1 / mu, n), rng.exponential(1 / theta, n)), servers(c)
    )
    theory = erlang_a(lam, mu, c, theta)
    agrees(events["outcome"] == "reneged", theory.p_abandon)
    agrees(waits(events, end), theory.wait_min)


def test_erlang_a_with_endless_patience_is_erlang_c_and_one_server_is_pollaczek_khinchine():
    a, c = erlang_a(0.25, 0.1, 4, 1e-9), erlang_c(0.25, 0.1, 4)
    assert a.wait_min == pytest.approx(c.wait_min, rel=1e-6) and a.p_wait == pytest.approx(c.p_wait, rel=1e-6)
    one = pollaczek_khinchine(0.06, 10.0, 10.0)
    assert one.wait_min == pytest.approx(erlang_c(0.06, 0.1, 1).wait_min)
    with pytest.raises(ValueError, match="a load of 2 on 2"):
        erlang_c(0.2, 0.1, 2)


@pytest.mark.parametrize("cv", [0.0, 0.5, 1.5])
def test_m_g_1_waits_as_pollaczek_and_khinchine_say(cv):
    rng = np.random.default_rng(17)
    n, mean, lam = 40_000, 10.0, 0.06
    shape = np.sqrt(np.log1p(cv**2))
    minutes = mean * np.exp(shape * rng.standard_normal(n) - shape**2 / 2)
    events, end = run(stream(poisson(n, lam, rng), minutes), servers(1))
    agrees(waits(events, end), pollaczek_khinchine(lam, mean, cv * mean).wait_min)


def test_littles_law_holds_in_every_queue_exactly_over_a_whole_run():
    """From empty to empty, the sum of waits equals the area under the queue length under every discipline."""
    rng = np.random.default_rng(3)
    n = 2_000
    arrivals = poisson(n, 0.3, rng)
    jobs = stream(arrivals, rng.gamma(2.0, 6.0, n), rng.exponential(40, n))
    for job in jobs:
        job.role = ("nurse", "pharmacist")[job.work_id % 2]
        job.urgency = int(rng.integers(0, 4))
        job.rank = (job.urgency, job.requested)
    shifts = tuple(Duty(k * 1440 + 480, k * 1440 + 960) for k in range(30))
    team = [*servers(2, shifts), Server("p", "pharmacist", shifts, stands_in_for=("nurse",))]
    events, _ = run(jobs, team)
    end = float(events["ended"].max())
    for role, own in events.groupby("role"):
        steps = queue_length_steps(own, end)
        area = (steps["waiting"].to_numpy()[:-1] * np.diff(steps["minute"].to_numpy())).sum()
        arrivals_a_minute, mean_wait = len(own) / end, waits(own, end).mean()
        assert area / end == pytest.approx(arrivals_a_minute * mean_wait, rel=1e-9), role
        assert queue_length(own, 0.0, end) == pytest.approx(arrivals_a_minute * mean_wait, rel=1e-9)
        served = own[own["started"].notna()]
        assert in_service(own, 0.0, end) == pytest.approx((served["ended"] - served["started"]).sum() / end)


def test_eight_rows_by_hand():
    """One nurse, 9:00 to 12:00 with a break 10:00 to 10:15; times in minutes after 9:00.

    A waits for nobody (0-20). B waits 5 (20-50). C is urgent and comes before D, who came first (50-65: it runs into
    the break). D has patience for 40 minutes and gives up at 62. E comes in the break, begins at its end (75-85). F
    takes 100 minutes and outlasts the shift (85-185). G is routine and waits for the next day (1440-1450). H comes at
    night and follows (1450-1480).
    """
    team = servers(1, (Duty(0, 60), Duty(75, 180), Duty(1440, 1620)))
    rows = [  # name, requested, minutes, urgency, patience
        ("A", 0, 20, 3, math.inf),
        ("B", 15, 30, 3, math.inf),
        ("C", 40, 15, 0, math.inf),
        ("D", 22, 10, 3, 40),
        ("E", 70, 10, 2, math.inf),
        ("F", 80, 100, 3, math.inf),
        ("G", 90, 10, 3, math.inf),
        ("H", 900, 30, 3, math.inf),
    ]
    jobs = [
        Job(k, -1, name, "nurse", urgency, requested, minutes, (urgency, requested), patience)
        for k, (name, requested, minutes, urgency, patience) in enumerate(rows)
    ]
    events, _ = run(jobs, team, until=2000)
    by_name = events.set_index("work")
    expected = {
        "A": (0, 20),
        "B": (20, 50),
        "C": (50, 65),
        "D": (math.nan, 62),
        "E": (75, 85),
        "F": (85, 185),
        "G": (1440, 1450),
        "H": (1450, 1480),
    }
    for name, (started, ended) in expected.items():
        assert by_name.loc[name, "started"] == pytest.approx(started, nan_ok=True), name
        assert by_name.loc[name, "ended"] == ended, name
    assert by_name.loc["D", "outcome"] == "reneged"
    at_work = utilisation(events, duty_table(team), 0.0, 2000.0).iloc[0]
    assert at_work["on_duty_min"] == 60 + 105 + 180
    assert at_work["busy_min"] == 60 + 10 + 95 + 40  # to the break, E, F to the end of the shift, the next day
    assert at_work["overtime_min"] == 5 + 5  # into the break, past the end
    assert queue_length_steps(events, 2000.0)["waiting"].max() == 2


def test_utilisation_is_right_at_the_edges_of_the_window():
    team = servers(1, (Duty(0, 100),))
    events, _ = run(stream([0.0, 60.0], [40.0, 80.0]), team, until=90)
    one = utilisation(events, duty_table(team), 20.0, 90.0).iloc[0]
    assert (one["on_duty_min"], one["busy_min"]) == (70.0, 20.0 + 30.0)  # the part inside; what still runs counts
    assert left_queue(events, 90.0).tolist() == [0.0, 60.0]
    assert in_service(events, 20.0, 90.0) == pytest.approx(50 / 70)


def test_work_goes_to_those_with_the_licence_and_to_stand_ins_last():
    jobs = stream([0.0, 1.0, 2.0], [10.0, 10.0, 10.0])
    jobs[0].licence = jobs[1].licence = "VT"
    own = Server("licensed", "nurse", ALWAYS, licences=frozenset({"VT"}))
    other = Server("elsewhere", "nurse", ALWAYS, licences=frozenset({"NH"}))
    stand_in = Server("pharmacist", "pharmacist", ALWAYS, stands_in_for=("nurse",))
    events, _ = run(jobs, [stand_in, other, own])
    assert events["resource"].tolist() == ["licensed", "pharmacist", "elsewhere"]
    events, _ = run(stream([0.0], [10.0], licence="VT"), [other], until=100)
    assert events["outcome"].tolist() == ["open"]


def test_work_goes_to_those_with_the_skill():
    jobs = stream([0.0, 1.0, 2.0], [10.0, 10.0, 10.0])
    jobs[0].work, jobs[1].work, jobs[2].work = "peer_session", "alert_spike", "alert_spike"
    trained = Server("trained", "nurse", ALWAYS)
    other = Server("other", "nurse", ALWAYS, skills=frozenset({"peer_session"}))
    events, _ = run(jobs, [other, trained])
    assert events["resource"].tolist() == ["other", "trained", "trained"]
    assert jobs[2].started == 11.0  # waits for the trained one though the other is free again
    events, _ = run(stream([0.0], [10.0]), [other], until=100)
    assert events["outcome"].tolist() == ["open"]


def test_on_call_begins_only_what_cannot_wait():
    jobs = stream([0.0, 5.0, 6.0], [10.0, 10.0, 10.0])
    jobs[1].urgency = 0
    team = servers(1, (Duty(3, 100, urgent_only=True), Duty(100, 200)))
    events, _ = run(jobs, team, until=300)
    assert events["started"].tolist() == [100.0, 5.0, 110.0]


def test_cancelled_work_is_not_begun_and_what_has_begun_is_finished():
    engine = Engine(servers(1))
    jobs = stream([0.0, 1.0, 2.0], [10.0, 10.0, 10.0])
    for job in jobs:
        engine.submit(job)
    engine.run(5.0)
    engine.cancel(jobs[0])
    engine.cancel(jobs[1])
    engine.run(100.0)
    events = events_table(engine.jobs)
    assert events["outcome"].tolist() == ["done", "cancelled", "done"]
    assert events["started"].tolist()[2] == 10.0 and events["ended"].tolist()[1] == 5.0
    with pytest.raises(ValueError, match="before now"):
        engine.submit(jobs[0])


def test_the_same_system_in_ciw_agrees():
    """Three servers, two priorities, first come, first served within a priority: every start of service is equal."""

    class Listed(ciw.dists.Distribution):  # its own Sequential cannot be copied without a warning
        def __init__(self, values):
            self.values, self.at = values, 0

        def sample(self, t=None, ind=None):
            self.at += 1
            return self.values[self.at - 1]

    rng = np.random.default_rng(11)
    n = 300
    gaps, minutes = rng.exponential(17.0, (2, n)), rng.exponential(22.0, (2, n))
    network = ciw.create_network(
        arrival_distributions={k: [Listed(gaps[i].tolist())] for i, k in enumerate(("urgent", "routine"))},
        service_distributions={k: [Listed(minutes[i].tolist())] for i, k in enumerate(("urgent", "routine"))},
        priority_classes={"urgent": 0, "routine": 1},
        number_of_servers=[3],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(2 * n - 150, method="Arrive")
    theirs = {
        (record.customer_class, round(record.arrival_date, 6)): record.service_start_date
        for record in simulation.get_all_records()
    }
    jobs = []
    for i, name in enumerate(("urgent", "routine")):
        for k, at in enumerate(np.cumsum(gaps[i])):
            jobs.append(Job(i * n + k, -1, name, "nurse", i, float(at), float(minutes[i, k]), (float(i), float(at))))
    events, _ = run(jobs, servers(3))
    ours = {(w, round(r, 6)): s for w, r, s in zip(events["work"], events["requested"], events["started"], strict=True)}
    assert len(theirs) > 300
    for key, started in theirs.items():
        assert ours[key] == pytest.approx(started, abs=1e-6)
