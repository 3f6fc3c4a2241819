"""Short-notice sickness absence: its rate, draws by worker, and the booked visits of an ill worker."""

import itertools

import numpy as np
import pytest

from taper_sim.clinic import lateness
from taper_sim.clinic.absence import Illness, absences_table, spells, without_the_ill
from taper_sim.clinic.appointments import Diary
from taper_sim.clinic.calendars import Shift
from taper_sim.clinic.service import metrics
from taper_sim.clinic.team import MAIN_ROLE, Team, Worker
from taper_sim.clinic.work import PUT_OFF, STAFF_ILL
from tests.clinic.test_coupling import DAYS, UNLIMITED, at_work, people, served, team, worker  # noqa: F401 - a fixture

OFTEN = Illness(per_day=0.05, days=3.0)


def test_the_rate_and_length_of_illness_are_the_given_ones():
    n, n_days = 400, 365
    staff = Team(tuple(worker("nurse", k) for k in range(n)))
    ill = spells(staff, 3, n_days, OFTEN)
    days = np.array([sum(last - first + 1 for first, last in ill[w.name]) for w in staff.workers]) / n_days
    # people are independent: four standard errors of the mean of n; starting well costs at most a spell's days
    assert abs(days.mean() - OFTEN.share) < 4.0 * days.std(ddof=1) / np.sqrt(n) + OFTEN.days * OFTEN.share / n_days
    lengths = np.array([last - first + 1 for w in staff.workers for first, last in ill[w.name] if last < n_days])
    assert abs(lengths.mean() - OFTEN.days) < 4.0 * lengths.std(ddof=1) / np.sqrt(len(lengths)) + 0.02
    assert lengths.min() == 1


def test_illness_belongs_to_the_worker_and_an_additional_worker_changes_no_other():
    few, more = (Team(tuple(worker("nurse", k) for k in range(n))) for n in (3, 4))
    one, other = spells(few, 3, 200, OFTEN), spells(more, 3, 200, OFTEN)
    assert all(one[name] == other[name] for name in one)
    assert len({one[name] for name in one}) == 3
    assert spells(few, 4, 200, OFTEN) != one
    assert all(b[0] > a[1] + 1 for own in one.values() for a, b in itertools.pairwise(own))


def test_nobody_is_at_work_on_a_day_of_illness():
    staff = Team((worker("nurse", 1), worker("pt", 1)))
    ill = {"nurse 1": ((2, 3),)}
    servers = {server.name: server for server in without_the_ill(staff, ill).servers(5)}
    assert {int(duty.start // 1440) + 1 for duty in servers["nurse 1"].duties} == {1, 4, 5}
    assert len(servers["pt 1"].duties) == 5
    assert absences_table(staff, ill).to_numpy().tolist() == [["nurse 1", "nurse", 2, 3]]


def test_never_ill_and_no_illness_are_the_same(people):  # noqa: F811
    base = served(people, team("nurse"), n_days=DAYS)
    never = served(people, team("nurse"), n_days=DAYS, illness=Illness(0.0, 3.0))
    assert base.events.equals(never.events) and len(never.absences) == 0
    free = served(people, UNLIMITED, n_days=28, illness=OFTEN)
    assert len(free.absences) == 0


@pytest.fixture(scope="module")
def short(people):  # noqa: F811
    """One physical therapist with spare capacity who is often ill, and one who is never ill."""
    thin = team("pt", 300)
    return served(people, thin, n_days=DAYS, illness=OFTEN), served(people, thin, n_days=DAYS)


def test_illness_moves_booked_visits_and_makes_work_late(short):
    ill, well = short
    own = ill.events[(ill.events["role"] == "pt") & (ill.events["work"] == "visit")]
    moved = own[own["why"] == STAFF_ILL]
    assert len(moved) > 0 and set(moved["outcome"]) == {"cancelled"} and moved["started"].isna().all()
    for row in moved.itertuples():  # asked for once more, for the same planned day, on a later one
        same = own[(own["patient_id"] == row.patient_id) & (own["due"] == row.due) & (own["work_id"] > row.work_id)]
        assert len(same) and (same["requested"] // 1440 > row.requested // 1440)[same["why"] != "no room"].all()
    assert not (well.events["why"] == STAFF_ILL).any()
    pt = [one.events[one.events["role"] == "pt"] for one in (ill, well)]
    late = [lateness.late(events, DAYS * 1440.0).mean() for events in pt]
    assert late[0] > late[1]
    waited = [(events["started"] - events["due"]).mean() for events in pt]
    assert waited[0] > waited[1] and np.nanmean(ill.clinic["care"]) <= np.nanmean(well.clinic["care"])


def test_an_ill_worker_begins_no_work(short):
    ill, _ = short
    first = {name: own for name, own in ill.absences.groupby("resource")}
    begun = ill.events[ill.events["started"].notna()]
    days = begun["started"] // 1440 + 1
    assert len(first) > 5
    for name, own in first.items():
        mine = days[begun["resource"] == name]
        for spell in own.itertuples():
            assert not mine.between(spell.first_day, spell.last_day).any()
    minutes = [(one.duty["end"] - one.duty["start"]).sum() for one in short]
    assert minutes[0] < minutes[1]


def test_a_moved_visit_is_not_counted_as_lost(short, people):  # noqa: F811
    ill, _ = short
    everybody = {"all": np.ones(len(people[0]), dtype=bool)}
    ids = {name: k for k, name in enumerate(people[0].ids)}
    table = metrics(ill, team("pt", 300), DAYS, everybody, ids)
    lost = table[(table["metric"] == "lost") & (table["role"] == "pt") & (table["work"] == "")]["value"].iloc[0]
    pt = ill.events[ill.events["role"] == "pt"]
    once = pt[~pt["why"].isin([STAFF_ILL, PUT_OFF])]
    gone = (once["outcome"] == "reneged") | (once["why"] == "no room")
    assert lost == pytest.approx(gone.mean(), abs=0.003)  # a few patients have left


def test_covering_staff_take_the_visits_of_an_ill_worker(people):  # noqa: F811
    extra = tuple(worker("pharmacist", 90 + k, stands_in_for=("pt",)) for k in range(4))
    alone = served(people, team("pt", 300), n_days=DAYS, illness=OFTEN)
    covered = served(people, team("pt", 300, extra=extra), n_days=DAYS, illness=OFTEN)
    moved = [int((one.events["why"] == STAFF_ILL).sum()) for one in (alone, covered)]
    assert moved[1] < moved[0]
    done = covered.events[(covered.events["role"] == "pt") & (covered.events["outcome"] == "done")]
    assert done["resource"].str.startswith("pharmacist").any()


def test_the_book_by_hand_on_a_day_of_illness():
    """Two workers from 8:00 to 17:00; three quarters may be booked; a covering worker offers the other quarter."""
    staff = Team((worker("pt", 1), worker("pt", 2), worker("nurse", 1, stands_in_for=("pt",)), worker("nurse", 2)))
    diary = Diary(staff.servers(3), 3, unlimited=False)
    booked = [diary.book("pt", 1, 100.0) for _ in range(9)]
    assert [slot.day for slot in booked] == [1] * 8 + [2]  # four each in 405 minutes
    assert [slot.held[0] for slot in booked[:3]] == [("pt 1", 100.0), ("pt 2", 100.0), ("pt 1", 100.0)]
    cover = diary.cover(1)
    assert [cover.take("pt", 100.0) for _ in range(12)] == [True] * 11 + [False]  # 540, 540 and 135 minutes
    diary.ill("pt 2", 1)
    diary.ill("pt 2", 1)  # said twice, gone once
    cover = diary.cover(1)
    assert [cover.take("pt", 100.0) for _ in range(7)] == [True] * 6 + [False]
    assert not diary.cover(1).take("pt", 541.0) and diary.cover(2).take("pt", 540.0)
    assert diary.book("pt", 1, 100.0).day == 2
    diary.free(booked[1])  # of whoever is ill: nobody has that time
    assert diary.book("pt", 1, 100.0).day == 2
    diary.free(booked[0])
    assert diary.book("pt", 1, 100.0) == booked[0]


def test_hours_on_call_and_days_of_illness_are_paid():
    on_call = Worker(
        "late", MAIN_ROLE["nurse"], (Shift(tuple(range(7)), 0.0, 1440.0, urgent_only=True),), cost_usd_h=50.0
    )
    assert Team((on_call,)).cost_usd(7) == pytest.approx(7 * 24 * 50.0)
    assert Team((worker("nurse", 1),)).cost_usd(7) == pytest.approx(7 * 9 * 50.0)  # whoever is ill among them


def test_what_is_read_a_day_late_is_unread_by_night(people):  # noqa: F811
    """A nurse with 40 minutes a day reads some check-ins on later days, too late for the night of their day."""
    clinic = at_work(people, team("nurse", 40), DAYS)
    later = clinic.read & ~clinic.read_in_time & clinic.came
    assert later.any()
    unread = np.nansum(clinic.served().clinic["unread"] * clinic.came.sum(axis=1))
    assert unread == pytest.approx((clinic.came & ~clinic.read_in_time).sum())
