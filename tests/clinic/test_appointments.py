"""The appointment book: eligible workers, start of a visit, visits with a second worker."""

import numpy as np

from taper_sim.clinic.appointments import BOOKING_HORIZON_D, BOOKING_RULES, BookingRule, Diary
from taper_sim.clinic.calendars import OpeningHours, Shift
from taper_sim.clinic.team import QUEUES, Team, Worker
from tests.clinic.test_coupling import MAIN_ROLE, SEED, at_work, people, served, team, worker  # noqa: F401 - a fixture

N_DAYS = 20
THREE_QUARTERS = dict.fromkeys(QUEUES, BookingRule(share=0.75))


def book_of(*workers, rules=THREE_QUARTERS, **more):
    return Diary(Team(workers).servers(N_DAYS), N_DAYS, unlimited=False, rules=rules, **more)


def test_a_visit_is_booked_with_a_worker_licensed_in_the_patients_state():
    here, there = (worker("pt", k, licences=frozenset({state})) for k, state in ((1, "CA"), (2, "NV")))
    diary = book_of(here, there)
    for state, name in (("CA", "pt 1"), ("NV", "pt 2"), ("CA", "pt 1")):
        assert diary.book("pt", 1, 300.0, licence=state).held[0] == (name, 300.0)
        # 405 minutes may be booked of 540: one visit of 300 a day and person
    assert [diary.book("pt", 1, 300.0, licence="CA").day for _ in range(2)] == [3, 4]
    assert diary.book("pt", 1, 300.0, licence="NV").day == 2
    assert diary.book("pt", 1, 300.0, licence="OR") is None


def test_a_visit_is_booked_with_a_worker_who_has_the_skill():
    only_first = worker("psychologist", 1, skills=frozenset({"initial_assessment"}))
    diary = book_of(only_first, worker("psychologist", 2))
    assert all(diary.book("psychologist", 1, 50.0, kind="visit").held[0][0] == "psychologist 2" for _ in range(8))
    assert diary.book("psychologist", 1, 50.0, kind="visit").day == 2
    assert diary.book("psychologist", 1, 50.0, kind="initial_assessment").held[0] == ("psychologist 1", 50.0)


def test_covering_staff_are_booked_only_without_an_eligible_worker_of_the_role():
    second = worker("nurse", 1, stands_in_for=("pt",))
    assert book_of(second).book("pt", 1, 30.0).held[0] == ("nurse 1", 30.0)
    diary = book_of(second, worker("pt", 1))
    assert {diary.book("pt", 1, 100.0).held[0][0] for _ in range(10)} == {"pt 1"}
    shared = book_of(second)
    assert shared.book("pt", 1, 400.0).day == 1 and shared.book("nurse", 1, 10.0).day == 2


def test_a_booked_visit_begins_outside_of_breaks_and_ends_within_duty():
    shift = Shift((1, 2, 3), 480.0, 1020.0, ((600.0, 720.0),))
    diary = book_of(Worker("pt 1", MAIN_ROLE["pt"], (shift,)))
    slots = [diary.book("pt", 1, 35.0) for _ in range(8)]  # 50 minutes each in the book, 120 and 300 to fill
    assert {slot.day for slot in slots} == {1} and diary.book("pt", 1, 35.0).day == 2
    begins = np.array([slot.at for slot in slots])
    assert not ((begins >= 600.0) & (begins < 720.0)).any() and (np.diff(begins) >= 35.0).all()
    assert begins[0] == 480.0 and begins[-1] + 35.0 <= 1020.0


def test_the_busiest_is_not_booked_first():
    diary = book_of(worker("pt", 1), worker("pt", 2), worker("pt", 3, hours=(8, 10)))
    slots = [diary.book("pt", 1, 90.0) for _ in range(9)]
    counted = {name: sum(slot.held[0][0] == name for slot in slots) for name in ("pt 1", "pt 2", "pt 3")}
    assert counted == {"pt 1": 4, "pt 2": 4, "pt 3": 1}  # 405, 405 and 90 minutes


def test_an_interpreter_is_booked_with_the_visit_or_it_waits_for_a_day_that_has_one():
    diary = book_of(worker("pt", 1), worker("interpreter", 1, weekdays=(4,)))  # day 4 is the first Friday
    with_one = diary.book("pt", 1, 60.0, interpreting=45.0)
    assert with_one.day == 4 and with_one.held == (("pt 1", 60.0), ("interpreter 1", 45.0))
    assert diary.book("pt", 1, 60.0).day == 1
    assert [diary.book("pt", 1, 10.0, interpreting=180.0).day for _ in range(3)] == [4, 4, 4 + 7]  # 405 minutes
    late = Diary(Team((worker("pt", 1),)).servers(N_DAYS), N_DAYS, unlimited=False)
    assert late.book("pt", 1, 60.0, interpreting=45.0) is None


def test_a_patient_has_one_appointment_at_a_time_with_a_quarter_of_an_hour_between():
    diary = book_of(worker("pt", 1), worker("nurse", 1), worker("psychologist", 1))
    first = diary.book("pt", 1, 30.0, patient=7)
    second = diary.book("nurse", 1, 20.0, patient=7)
    third = diary.book("psychologist", 1, 45.0, patient=7)
    assert [slot.at for slot in (first, second, third)] == [480.0, 525.0, 560.0]
    assert diary.book("nurse", 1, 20.0, patient=8).at == 480.0  # the time before is somebody else's
    diary.free(second)
    assert diary.book("nurse", 1, 25.0, patient=7).at == 620.0  # 525 would leave ten minutes to the third
    assert diary.book("nurse", 1, 15.0, patient=7).at == 525.0
    assert Diary([], 9, unlimited=True).book("pt", 2, 30.0, patient=7).at == 1440.0 + 480.0


def test_patients_with_several_visits_a_day_get_the_earliest_time_of_the_first_worker_who_is_free():
    """Against all times and workers, one by one; some visits are given back."""
    rng, n_workers, opens, closes = np.random.default_rng(3), 4, 480.0, 960.0
    diary = book_of(*(worker("pt", k, (8, 16)) for k in range(n_workers)), rules={"pt": BookingRule(share=1.0)})
    visits: list[tuple[float, float, int, int]] = []  # start, minutes, worker, patient

    def is_free(at, minutes, number, patient):
        ends = at + 5.0 * np.ceil(minutes / 5.0)
        works = all(number != k or ends <= s or at >= s + 5.0 * np.ceil(m / 5.0) for s, m, k, _ in visits)
        return works and all(p != patient or at + minutes + 15.0 <= s or at >= s + m + 15.0 for s, m, _, p in visits)

    booked = []
    for turn in range(150):
        if turn % 10 == 9:
            slot, visit = booked.pop(int(rng.integers(len(booked))))
            diary.free(slot)
            visits.remove(visit)
        minutes, patient = float(rng.choice([20.0, 32.5, 45.0])), int(rng.integers(12))
        times = np.arange(opens, closes - minutes + 0.1, 5.0)
        able = ((at, k) for at in times for k in range(n_workers) if is_free(at, minutes, k, patient))
        expected = next(able, None)
        slot = diary.book("pt", 1, minutes, patient=patient)
        if expected is None:
            assert slot is None or slot.day > 1
            continue
        assert (slot.at, slot.held) == (expected[0], ((f"pt {expected[1]}", minutes),))
        visits.append((slot.at, minutes, expected[1], patient))
        booked.append((slot, visits[-1]))
    assert len(visits) > 50


def test_time_given_back_is_booked_again():
    diary = book_of(worker("pt", 1), worker("interpreter", 1))
    slots = [diary.book("pt", 1, 200.0, interpreting=200.0) for _ in range(3)]
    assert [slot.day for slot in slots] == [1, 1, 2]
    diary.free(slots[0])
    assert diary.book("pt", 1, 200.0, interpreting=200.0).day == 1
    assert diary.book("pt", 1 + BOOKING_HORIZON_D, 200.0).day == 1 + BOOKING_HORIZON_D


def test_with_few_interpreters_visits_of_those_who_need_one_come_later(people):  # noqa: F811
    cohort, _, _ = people
    other = {cohort.ids[k] for k in np.flatnonzero(~cohort.flags["language_match"])}
    lag = {}
    for minutes in (60, 540):
        events = served(people, team("interpreter", minutes), n_days=56).events
        visits = events[events["work"].isin(["visit", "initial_assessment"])]
        days = visits["requested"] // 1440 - visits["due"] // 1440
        theirs = visits["patient_id"].isin(other)
        put_off = (days > 0) | (visits["why"] == "no room")
        lag[minutes] = put_off[theirs].mean(), put_off[~theirs].mean(), (visits["why"] == "no room")[theirs].mean()
    assert lag[60][0] > lag[540][0] and lag[60][2] > lag[540][2]
    assert max(lag[60][1], lag[540][1]) < 0.1 * lag[60][0]  # others hardly notice


def test_the_booked_time_of_a_patient_who_leaves_becomes_free(people):  # noqa: F811
    clinic = at_work(people, team("pt", 120), 10)
    ahead = [
        job
        for jobs in clinic.open
        for job in jobs
        if job.role == "pt" and job.work in ("visit", "initial_assessment") and job.requested >= 10 * 1440
    ]
    job = min(ahead, key=lambda one: one.work_id)
    slot = job.note.slot
    booked = clinic.diary._pages[slot.held[0][0], 0].booked[slot.day]
    theirs = clinic.diary._patients[job.patient][slot.day]
    before = len(booked), len(theirs)
    clinic.engine.cancel(job, "left")
    assert (len(booked), len(theirs)) == (before[0] - 1, before[1] - 1)
    assert slot.at not in [begins for begins, _ in booked]


def test_a_visit_holds_whole_slots_and_begins_on_the_grid():
    """A visit of fifty minutes in a book of hours takes an hour, from the beginning of each span."""
    shift = Shift((1, 2), 480.0, 1005.0, ((720.0, 750.0),))
    hours = {"psychologist": BookingRule(share=0.9, slot_min=60.0)}
    diary = book_of(Worker("psychologist 1", MAIN_ROLE["psychologist"], (shift,)), rules=hours)
    slots = [diary.book("psychologist", 1, 50.0) for _ in range(9)]
    assert [slot.at for slot in slots[:8]] == [480.0, 540.0, 600.0, 660.0, 750.0, 810.0, 870.0, 930.0]
    assert slots[8].day == 2


def test_an_overbooked_slot_takes_a_second_visit_after_the_regular_ones_of_the_day():
    shift = Shift((1, 2), 480.0, 600.0)
    rules = {"pt": BookingRule(share=1.0, slot_min=60.0, overbook=1)}
    diary = book_of(Worker("pt 1", MAIN_ROLE["pt"], (shift,)), rules=rules)
    slots = [diary.book("pt", 1, 60.0, patient=k) for k in range(4)]
    assert [slot.at for slot in slots] == [480.0, 540.0, 480.0, 1440.0 + 480.0]
    assert [slot.layers for slot in slots] == [(0,), (0,), (1,), (0,)]
    diary.free(slots[2])
    assert diary.book("pt", 1, 60.0, patient=9).layers == (1,)
    diary.free(slots[0])
    assert diary.book("pt", 1, 60.0, patient=10).at == 480.0


def test_visits_take_place_on_open_days_within_the_opening_hours():
    opening = OpeningHours(frozenset({2, 3}), 600.0, 660.0, holidays=frozenset({2}))
    diary = book_of(worker("pt", 1), opening=opening)  # day 2 is a Wednesday, day 3 a Thursday
    assert diary.book("pt", 1, 40.0).at == 2 * 1440.0 + 600.0
    assert diary.book("pt", 1, 40.0).day == 9


def test_the_book_of_a_role_that_does_little_but_visits_is_fuller():
    shares = {queue: rule.share for queue, rule in BOOKING_RULES.items()}
    assert set(shares) == set(QUEUES)
    assert min(shares["psychologist"], shares["pt"], shares["interpreter"]) > shares["prescriber"]
