"""Home visits: travel time of staff, no barrier of transport, travel time constant for a patient."""

import numpy as np
import pytest

from taper_sim.clinic.coupling import Setting
from taper_sim.clinic.modality import IN_PERSON, TRAVEL_CV, HomeVisits, barriers
from taper_sim.clinic.service import metrics
from taper_sim.clinic.work import IN_PERSON_MORE_MIN, NO_SHOW_MIN
from tests.clinic.test_coupling import UNLIMITED, people, served, team  # noqa: F401 - a fixture

HOME = HomeVisits(40.0)
DAYS = 56


def test_travel_time_has_the_given_mean_and_is_constant_for_a_patient(people):  # noqa: F811
    cohort, _, _ = people
    many = cohort.take(np.zeros(1, dtype=np.int64))
    assert HOME.there_and_back_min(many, 3) == HOME.there_and_back_min(cohort, 3)[:1]
    assert (HOME.there_and_back_min(cohort, 3) == 2.0 * HomeVisits(20.0).there_and_back_min(cohort, 3)).all()
    keys = np.arange(1, 4001, dtype=np.uint64)

    class Crowd:
        pass

    crowd = Crowd()
    crowd.keys = keys
    way = HOME.there_and_back_min(crowd, 3)
    assert abs(way.mean() - 80.0) < 4.0 * 80.0 * TRAVEL_CV / np.sqrt(len(keys))  # four standard errors
    assert (way > 0).all()


def test_only_visits_in_person_have_travel_time(people):  # noqa: F811
    cohort, _, _ = people
    found = served(people, UNLIMITED, n_days=DAYS, home_visits=HOME)
    visits = found.events[found.events["work"].isin(["visit", "initial_assessment"])]
    in_person = {cohort.ids[k]: cohort.modality[k] == IN_PERSON for k in range(len(cohort))}
    theirs = visits["patient_id"].map(in_person).to_numpy()
    assert theirs.any() and not theirs.all()
    way = dict(zip(cohort.ids, HOME.there_and_back_min(cohort, 7), strict=True))
    expected = np.where(theirs, visits["patient_id"].map(way), 0.0)
    assert visits["travel"].to_numpy() == pytest.approx(expected)
    missed = visits[theirs & (visits["outcome"] == "no_show")]
    assert len(missed) and (missed["busy"] - missed["travel"]).to_numpy() == pytest.approx(NO_SHOW_MIN)
    assert (found.events[~found.events["work"].isin(["visit", "initial_assessment"])]["travel"] == 0).all()
    here = served(people, UNLIMITED, n_days=DAYS)
    assert (here.events["travel"] == 0).all()
    both = visits.merge(here.events, on=["patient_id", "work", "role", "due"], suffixes=("", "_here"))
    done = both[(both["outcome"] == "done") & (both["outcome_here"] == "done") & (both["travel"] > 0)]
    more = done["busy"] - done["travel"] - done["busy_here"]
    language = done["patient_id"].map(dict(zip(cohort.ids, cohort.flags["language_match"], strict=True)))
    assert more[language.to_numpy()].to_numpy() == pytest.approx(-IN_PERSON_MORE_MIN)  # nobody is roomed at home


def test_transport_is_no_barrier_to_home_visits(people):  # noqa: F811
    cohort, _, _ = people
    stuck = ~cohort.flags["transport"] & (cohort.modality == IN_PERSON)
    counted = barriers(cohort, cohort.modality, None), barriers(cohort, cohort.modality, HOME)
    assert (counted[0] - counted[1] == stuck * 1.0).all()
    base = served(people, UNLIMITED, in_person_from=1)
    home = served(people, UNLIMITED, in_person_from=1, home_visits=HOME)
    without = ~cohort.flags["transport"]
    assert home.outcomes["no_show"][without].mean() < base.outcomes["no_show"][without].mean()
    same = cohort.flags["transport"]
    assert np.array_equal(home.outcomes["no_show"][same], base.outcomes["no_show"][same])


def test_longer_travel_leaves_room_for_fewer_visits_a_day(people):  # noqa: F811
    cohort, _, _ = people
    given, hours = [], []
    for travel in (1.0, 90.0):
        who = team("pt", 240)
        found = served(people, who, n_days=DAYS, in_person_from=1, home_visits=HomeVisits(travel))
        theirs = cohort.modality == IN_PERSON
        given.append(np.nanmean(found.clinic["care"][theirs]))
        table = metrics(
            found, who, DAYS, {"all": np.ones(len(cohort), dtype=bool)}, {p: k for k, p in enumerate(cohort.ids)}
        )
        own = table[(table["metric"] == "travel") & (table["role"] == "pt")]
        hours.append(float(own["value"].iloc[0]))
        begun = found.events[found.events["started"].notna() & (found.events["role"] == "pt")]
        assert hours[-1] == pytest.approx(begun["travel"].sum() / 60.0 / (DAYS / 7.0))
    assert given[1] < given[0] and hours[1] > hours[0]
    assert Setting().home_visits is None
