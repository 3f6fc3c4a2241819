"""Planned load without simulation: hours of work and of duty, during enrolment, by state, with covering staff."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from taper_sim import cli
from taper_sim.api import reported_runs
from taper_sim.clinic import lateness
from taper_sim.clinic.calendars import Shift
from taper_sim.clinic.coupling import Setting, serve
from taper_sim.clinic.modality import HomeVisits
from taper_sim.clinic.panel import enrolment
from taper_sim.clinic.staffing.bounds import able_h, enrolment_loads, hours_until, loads, missed_share
from taper_sim.clinic.team import ROLES, Team, Worker
from taper_sim.clinic.work import KINDS_OF_WORK, MAIN_ROLE
from taper_sim.comparison.measured_outcomes import measure
from taper_sim.experiments import clinic_run
from taper_sim.experiments.team_search import read_staffing
from taper_sim.policies.catalogue import build_policy
from taper_sim.report.staffing_text import bound_text
from taper_sim.scenario.building import Overrides, build_cohort
from taper_sim.scenario.schema import CohortEntry
from taper_sim.simulation.days import run
from taper_sim.simulation.ensemble import from_prior
from taper_sim.simulation.layout import CarePlan

SCENARIOS = Path(__file__).resolve().parents[3] / "scenarios"
WEEK = Shift((0, 1, 2, 3, 4), 480.0, 990.0, ((720.0, 750.0),))
CALL = Shift(tuple(range(7)), 0.0, 1440.0, urgent_only=True)
N, ENROL_D, DAYS = 40, 28, 84
CARE = CarePlan({"pt": 1.0, "nurse": 1.0}, visit_every_d=14.0, checkin_every_d=1.0)


def person(role, k=1, share=1.0, **more):
    shift = replace(WEEK, end_min=480.0 + share * 480.0, breaks=()) if share < 1.0 else WEEK
    return Worker(f"{role} {k}", ROLES[role], (shift,), **more)


def taper():
    return build_policy("linear(pct=10, every=14)", file="test")


def only(*names):
    return frozenset(kind.name for kind in KINDS_OF_WORK) - set(names)


@pytest.fixture(scope="module")
def people():
    entry = CohortEntry(
        patients=N,
        classes={"opioid": {"dose_median": 90, "mix": [{"drug": "morphine", "formulation": "IR", "share": 1}]}},
        shares={"language_match": 1.0, "caregiver": 0.4, "peer_support": 0.5},
        modality={"video": 1.0},
    )
    return build_cohort(entry, 1, None)


def test_the_load_during_enrolment_adds_first_visits_education_and_authorisations(people):
    """Forty patients over 28 days, visits every 14: by hand, first visits and those on own days 15, 29, ..."""
    team = Team((person("pt"), person("nurse"), person("pharmacist")))
    setting = Setting(
        disabled_work=only("initial_assessment", "visit", "education", "prior_authorisation"), enrol_over_d=ENROL_D
    )
    found = {load.queue: load for load in enrolment_loads(people, CARE, setting, team, [8, 22], DAYS)}
    lived = ENROL_D - enrolment(N, ENROL_D, DAYS) + 1
    pt, nurse = MAIN_ROLE["pt"], MAIN_ROLE["nurse"]
    later = (lived >= 15).sum()
    assert found["pt"].asked_h == pytest.approx((N * pt.initial_min + later * pt.followup_min) / 60)
    taught = people.flags["caregiver"].sum() * 2.0 * nurse.followup_min
    assert found["nurse"].asked_h == pytest.approx((N * nurse.initial_min + later * nurse.followup_min + taught) / 60)
    assert found["pharmacist"].asked_h == pytest.approx(0.2 * (lived >= 8).sum() * 20.0 / 60)
    assert (found["pt"].asked_d, found["pt"].able_d) == (28, 42)
    assert found["pt"].able_h == 30 * 8.0  # six whole weeks
    assert f"pt: {found['pt'].asked_h:.0f} h of planned work by day 28 for 240 h on duty by day 42" in str(found["pt"])


def test_the_planned_work_equals_the_requests_of_a_simulated_clinic(people):
    """The planned kinds of work, counted in the log of unlimited staff."""
    setting = Setting(enrol_over_d=ENROL_D)
    served = serve(people, taper, from_prior(1, 1), 1, ENROL_D + 14, CARE, Team(unlimited=True), setting)
    asked = served.events[served.events["requested"] < ENROL_D * 1440]
    lived = ENROL_D - enrolment(N, ENROL_D, DAYS) + 1
    times = {
        "initial_assessment": 2 * N,
        "education": people.flags["caregiver"].sum(),
        "visit": 2 * (lived >= 15).sum(),
        "peer_session": people.flags["peer_support"].sum(),
        "refill": (lived >= 28).sum(),
        "dose_order": (lived >= 1).sum() + (lived >= 15).sum(),
    }
    minutes = {name: _foreseen(people, name, setting) for name in times}
    for name, n in times.items():
        assert (asked["work"] == name).sum() == pytest.approx(n, abs=2), name  # a patient or two may have left
        kind = next(kind for kind in KINDS_OF_WORK if kind.name == name)
        queues = ("pt", "nurse") if kind.queue == "each discipline" else (kind.queue,)
        mean = np.mean([kind.minutes(queue) for queue in queues])
        assert minutes[name] == pytest.approx(n * mean), name


def _foreseen(people, name, setting):
    one = replace(setting, disabled_work=only(name))
    everybody = Team(tuple(person(role) for role in ROLES))
    found = enrolment_loads(people, CARE, one, everybody, [1, 15, 29], DAYS)
    return 60.0 * sum(load.asked_h for load in found)


def test_a_load_above_one_while_the_panel_enrols_is_work_late_or_lost(people):
    """In a shorter run only the days with fourteen further days count."""
    team = Team((*(person(role) for role in ROLES if role != "pt"), person("pt", share=0.15)))
    setting = Setting(disabled_work=only("initial_assessment"), enrol_over_d=10)
    heaviest = enrolment_loads(people, CARE, setting, team, [], DAYS)[0]
    assert heaviest.queue == "pt" and heaviest.share > 1.0 and heaviest.able_d == 24
    served = serve(people, taper, from_prior(1, 1), 1, 30, CARE, team, setting)
    own = served.events[served.events["role"] == "pt"]
    late = lateness.late(own, 30 * 1440.0).sum()
    over_h = heaviest.asked_h - heaviest.able_h
    assert late * MAIN_ROLE["pt"].initial_min / 60 >= over_h > 0
    short = enrolment_loads(people, CARE, setting, team, [], 20)[0]
    assert (short.asked_d, short.able_d) == (6, 20)
    assert not enrolment_loads(people, CARE, setting, team, [], 14)
    assert not enrolment_loads(people, CARE, setting, Team(unlimited=True), [], DAYS)


def test_leave_and_on_call_are_no_hours_on_duty():
    """Day 1 is a Tuesday: four days of the first week, then five a week."""
    nurse = person("nurse")
    assert hours_until(nurse, 14) == 10 * 8.0
    assert hours_until(replace(nurse, leave=((1, 7),)), 14) == 5 * 8.0
    assert hours_until(replace(nurse, shifts=(WEEK, CALL)), 14) == 10 * 8.0


def test_covering_staff_count_in_addition_to_a_queues_own_staff(people):
    care = CarePlan({}, visit_every_d=14.0, checkin_every_d=1.0)
    team = Team((person("nurse", share=0.1), person("social_worker", stands_in_for=("nurse",))))
    setting = Setting(disabled_work=only("checkin_batch", "message"))
    own = person("nurse", share=0.1).hours_a_week
    load = loads(people, care, setting, team, [1], DAYS)[0]
    assert load.able_h == pytest.approx(own + 40.0) and load.share < 1.0 < load.asked_h / (own / 4)
    licensed = replace(team.workers[1], licences=frozenset({"NV"}))
    assert able_h(Team((team.workers[0], licensed)), "nurse", "CA") == pytest.approx(own)
    assert able_h(Team((team.workers[0], licensed)), "nurse", "NV") == pytest.approx(own + 40.0)


def test_first_visits_of_a_state_need_its_licence(people):
    setting = Setting(
        disabled_work=only("initial_assessment"), enrol_over_d=ENROL_D, states=(("CA", 0.75), ("NV", 0.25))
    )
    team = Team((person("pt", licences=frozenset({"CA"})), person("pt", 2, 0.05, licences=frozenset({"NV"}))))
    found = {(load.queue, load.state): load for load in enrolment_loads(people, CARE, setting, team, [], DAYS)}
    whole = found["pt", None]
    assert found["pt", "NV"].asked_h == pytest.approx(0.25 * whole.asked_h) and found["pt", "NV"].n_patients == 10
    assert found["pt", "NV"].able_h + found["pt", "CA"].able_h == pytest.approx(whole.able_h)
    assert found["pt", "NV"].share > 0.5 > found["pt", "CA"].share
    assert ("nurse", "NV") not in found  # a nurse needs none
    assert not any(load.state for load in loads(people, CARE, setting, team, [], DAYS))  # first visits pass


def test_visits_are_counted_as_long_as_they_take_and_as_often_as_they_are_kept(people):
    """By telephone, in person, at home, with an interpreter; a missed visit costs the minutes of a no-show."""
    care = CarePlan({"pt": 1.0}, visit_every_d=14.0, checkin_every_d=1.0)
    team = Team((person("pt"), person("interpreter")))
    setting, video = Setting(disabled_work=only("visit", "interpreting")), MAIN_ROLE["pt"].followup_min

    def hours(cohort, setting=setting, ensemble=None, care=care):
        found = {one.queue: one.asked_h for one in loads(cohort, care, setting, team, [], DAYS, ensemble)}
        return found["pt"] * 60.0 / (N * 0.5), found.get("interpreter", 0.0) * 60.0 / (N * 0.5)

    assert hours(people) == pytest.approx((video, 0.0))
    assert hours(people, care=replace(care, modality="phone"))[0] == pytest.approx(0.8 * video)
    in_person = replace(care, modality="in_person")
    assert hours(people, care=in_person)[0] == pytest.approx(video + 10.0)
    home = replace(setting, home_visits=HomeVisits(25.0))
    assert hours(people, home, care=in_person)[0] == pytest.approx(video + 50.0)
    other = replace(people, flags={**people.flags, "language_match": np.arange(N) >= N // 2})
    assert hours(other) == pytest.approx((1.25 * video, 0.75 * video))
    vendor = loads(other, care, setting, Team((person("pt"),)), [], DAYS)
    assert [one.queue for one in vendor] == ["pt"]

    ensemble = from_prior(1, 1)
    missed = missed_share(people, care, people.modality, None, ensemble)
    assert ((missed > 0) & (missed < 1)).all()
    assert hours(people, ensemble=ensemble)[0] == pytest.approx(((1 - missed) * video + missed * 10.0).mean())
    all_missed = missed_share(people, in_person, np.full(N, 2), None, ensemble)
    came = missed_share(people, in_person, np.full(N, 2), HomeVisits(25.0), ensemble)
    stuck = ~people.flags["transport"]
    assert stuck.any() and (came[stuck] < all_missed[stuck]).all() and (came[~stuck] == all_missed[~stuck]).all()


def test_the_share_of_missed_visits_is_that_of_the_simulation():
    entry = CohortEntry(
        patients=300,
        modality={"video": 0.5, "in_person": 0.5},
        shares={"transport": 0.5},
        classes={"opioid": {"dose_median": 90, "mix": [{"drug": "morphine", "formulation": "IR", "share": 1}]}},
    )
    cohort, ensemble = build_cohort(entry, 3, None), from_prior(3, 1)
    course = run(cohort, build_policy("constant()", file="test"), ensemble, 3, 364, CARE)
    missed = missed_share(cohort, CARE, cohort.modality, None, ensemble)
    simulated = np.nanmean(measure(course)["no_show"])
    # visits of a person follow each other in a chain: its long-run share has a variance some 1.6 times the binomial's
    error = np.sqrt(2.0 * (missed * (1 - missed)).mean() / (300 * 26))
    assert abs(missed.mean() - simulated) < 4.0 * error + 0.01  # engagement moves a little over the year


# -- the commands ----------------------------------------------------------------------------------------------------


def scenario(folder, patients, change=lambda content: None):
    content = yaml.safe_load((SCENARIOS / "staffing_small.yaml").read_text())
    content |= {"days": 30, "draws": 2, "protocols": ["linear(pct=10, every=14)"]}
    content["cohort"]["patients"] = patients
    content["clinic"]["enrol_over_d"] = 7
    content["clinic"]["staffing"]["what_if_replications"] = 0
    change(content)
    path = folder / "s.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def states(content):
    """Two states; the physician has both licences; an additional worker has the first one's, of California."""
    content["clinic"] |= {"states": {"CA": 0.5, "NV": 0.5}}
    others = [one for one in content["clinic"]["team"] if one["role"] != "physician"]
    content["clinic"]["team"] = [
        {"role": "physician", "people": 1, "licences": ["CA"]},
        {"role": "np_pa", "people": 1, "licences": ["NV"]},
        *others,
    ]
    content["clinic"]["staffing"]["fte"] = {
        "physician": {"least": 1, "most": 3},
        "np_pa": {"least": 0.25, "most": 1, "step": 0.25},
    }


def test_the_search_excludes_teams_with_too_few_licensed_hours_and_reports_it(tmp_path, capsys, monkeypatch):
    from taper_sim.experiments import team_search

    path = scenario(tmp_path, 200, states)
    plan = read_staffing(path, Overrides())
    weak = next(load for load in plan.loads if load.state == "NV" and load.queue == "prescriber")
    nobody_for = [one for one in (0.25, 0.5, 0.75, 1.0) if weak.asked_h > 40.0 * one]
    assert 0 < len(nobody_for) < 4 and plan.n_lacking[weak] == 3 * len(nobody_for) == plan.n_unable
    assert {dict(one.levels)["np_pa"] for one in plan.able} == {0.25, 0.5, 0.75, 1.0} - set(nobody_for)
    whole = next(load for load in plan.loads if load.queue == "prescriber" and load.state is None)
    assert plan.n_lacking[whole] == 0  # without the licences they all have the hours
    said = bound_text(plan)
    assert f"{plan.n_unable} of 12 teams cannot serve" in said[0]
    assert f"prescriber licensed in NV: {weak.asked_h:.0f} h" in said[1]
    assert f"{plan.n_unable} teams have too few" in said[1]

    tried = []
    monkeypatch.setattr(team_search, "search", lambda able, *_: tried.extend(able) or team_search.SearchResult())
    assert cli.main(["staffing", str(path), "--out", str(tmp_path / "run")]) == 0
    assert tried == plan.able and "licensed in NV" in capsys.readouterr().err
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert "prescriber licensed in NV" in manifest["planned_load_of_the_largest"]


def test_the_load_during_enrolment_is_reported_before_the_run_and_excludes_no_team(tmp_path):
    path = scenario(tmp_path, 180, lambda c: c["clinic"]["staffing"]["fte"].update(physician={"least": 2, "most": 4}))
    plan = read_staffing(path, Overrides())
    over = [load for load in plan.enrolling if plan.n_lacking[load]]
    assert over and all(load.share < 1.0 for load in plan.loads)
    for load in over:
        short = [one for one in plan.able if load.asked_h > load.able(plan.team(one))]
        assert len(short) == plan.n_lacking[load]
    assert any(load.asked_h > load.able(plan.team(one)) for one in plan.able for load in over)
    said = "\n".join(bound_text(plan))
    assert "While the panel enrols" in said and "by day 7" in said and "by day 21" in said


def test_the_clinic_command_reports_it_before_the_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(clinic_run, "run_clinic", lambda *_, **__: None)
    monkeypatch.setattr(reported_runs, "_reported", lambda *_: SimpleNamespace(text=""))
    assert cli.main(["clinic", str(scenario(tmp_path, 180)), "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().err
    assert "While the panel enrols linear" in said and "late, lost or overtime" in said
    assert "h of planned work by day 7 for" in said
