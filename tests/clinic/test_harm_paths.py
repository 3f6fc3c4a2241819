"""Each harm path changes the number that it should, with scarce staff, and nothing with unlimited staff."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from taper_sim.clinic.alarms import AHEAD_D, Alarms, episodes
from taper_sim.clinic.calendars import DAY_MIN
from taper_sim.clinic.coupling import Setting, _Clinic
from taper_sim.clinic.harm_paths import HARM_PATHS, PATHS_BY_NAME, RESERVE_D, SILENCE_D
from taper_sim.clinic.queue import Job
from taper_sim.clinic.service import metrics
from taper_sim.clinic.team import Team
from taper_sim.clinic.work import ALERTS, REFILL_EVERY_D
from taper_sim.comparison.measured_outcomes import measure
from taper_sim.data.problems import InputError
from taper_sim.model.compiled import rows
from taper_sim.scenario.building import build_cohort, care_plan, read_scenario
from taper_sim.scenario.schema import CareEntry, CohortEntry
from taper_sim.simulation.days import run
from taper_sim.simulation.ensemble import Ensemble, from_prior
from tests.clinic.test_coupling import FOLDER, SEED, UNLIMITED, maker, served, team
from tests.conftest import MORPHINE_SOME_LORAZEPAM

N, N_DAYS, FAST = 64, 49, "linear(pct=20, every=7)"
SENSITIVE = 2.5  # factor on sigma: spikes are then often true
LEAVES_OFTEN = -5.0  # log daily hazard of leaving: enough people leave to see a change
ALL = frozenset(PATHS_BY_NAME)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def people():
    """Sensitive people who leave often, with staff who answer alarms."""
    entry = CohortEntry(patients=N, classes=MORPHINE_SOME_LORAZEPAM, shares={"language_match": 1.0})
    disciplines = dict.fromkeys(("prescriber", "pharmacist", "pt", "psychologist", "nurse"), 1.0)
    care = care_plan(CareEntry(visit_every_d=14, answers_alarms=True, disciplines=disciplines))
    prior = from_prior(SEED, 1)
    values = dict(prior.values)
    values["sigma"] = SENSITIVE * values["sigma"]
    values["leave_programme"] = np.full_like(values["leave_programme"], LEAVES_OFTEN)
    return build_cohort(entry, SEED, FOLDER), Ensemble(values, 1, calibrated=False), care


@dataclass(frozen=True)
class Case:
    """A path, a team in which its work is late, and what the path changes.

    ``moves`` is an outcome or a count of the clinic, ``worse`` the sign of the change.
    """

    path: str
    team: Team
    without: frozenset[str]
    moves: str
    worse: int


CALLS = frozenset({"message", *ALERTS})  # contacts that would end a silence
THIN_NURSE = team("nurse", 20)
CASES = (
    Case("late_refill", team("pharmacist", 60), frozenset(), "withdrawal_peak", 1),
    Case("unread_alarm", THIN_NURSE, frozenset({"escalation"}), "days_over_limit", 1),
    Case("unanswered_message", THIN_NURSE, frozenset(), "engagement", -1),
    Case("silence", team("prescriber", 20), CALLS, "engagement", -1),
)


def only_prescriber(people):
    """The same people with visits of a prescriber alone."""
    cohort, ensemble, care = people
    return cohort, ensemble, replace(care, planned={"prescriber": 1.0})


def outcome_of(people, case, paths):
    """The number that a path should change, by patient, and whether the patient is in care at the end."""
    setting = Setting(harm_paths=paths, disabled_work=case.without)
    cohort, ensemble, care = only_prescriber(people) if case.path == "silence" else people
    clinic = _Clinic(cohort, maker(FAST), ensemble, SEED, N_DAYS, care, case.team, setting)
    for day in range(1, N_DAYS + 1):
        clinic.day(day)
    if case.moves == "engagement":
        return clinic.panel.state(rows.N), clinic.panel.present(N_DAYS)
    return clinic.served().outcomes[case.moves], np.ones(N, dtype=bool)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.path)
def test_a_path_changes_its_number_where_staff_are_scarce(case, people):
    """Paired by person and random numbers: the mean change is beyond three of its standard errors."""
    (on, in_care), (off, in_care_too) = (outcome_of(people, case, paths) for paths in (ALL, ALL - {case.path}))
    who = in_care & in_care_too
    change = case.worse * (on - off)[who]
    assert who.sum() > N / 3
    assert change.mean() > 3.0 * change.std(ddof=1) / np.sqrt(len(change)) > 0.0


def test_more_people_leave_where_messages_and_alarms_are_not_answered(people):
    """Lower engagement raises the hazard of leaving: with the same random numbers only more people leave."""
    case = Case("", THIN_NURSE, frozenset({"escalation"}), "dropout", 1)
    quiet = ALL - {"unanswered_message", "unread_alarm"}
    (on, _), (off, _) = (outcome_of(people, case, paths) for paths in (ALL, quiet))
    assert on.sum() >= off.sum() + 3.0


@pytest.fixture(scope="module")
def unlimited(people):
    return served(people, UNLIMITED, FAST, n_days=N_DAYS, enrol_over_d=10)


def test_no_path_acts_with_unlimited_staff(people, unlimited):
    off = served(people, UNLIMITED, FAST, n_days=N_DAYS, enrol_over_d=10, harm_paths=frozenset())
    for name, values in unlimited.outcomes.items():
        assert np.array_equal(values, off.outcomes[name], equal_nan=True), name
    for count in ("days_without_supply", "unanswered", "days_silent"):
        assert unlimited.clinic[count].sum() == 0.0


def test_unlimited_staff_who_answer_alarms_give_the_cohort_simulation_to_the_bit(people, unlimited):
    cohort, ensemble, care = people
    for start in np.unique(unlimited.starts):
        who = np.flatnonzero(unlimited.starts == start)
        course = run(cohort.take(who), maker(FAST)(), ensemble, SEED, N_DAYS - int(start) + 1, care)
        for name, values in measure(course).items():
            assert np.array_equal(unlimited.outcomes[name][who], values, equal_nan=True), name


def test_a_response_to_true_alarms_shortens_withdrawal(people):
    cohort, ensemble, care = people
    answered, ignored = (
        measure(run(cohort, maker(FAST)(), ensemble, SEED, N_DAYS, plan))["days_over_limit"]
        for plan in (care, replace(care, answers_alarms=False))
    )
    change = ignored - answered
    assert change.mean() > 3.0 * change.std(ddof=1) / np.sqrt(N) > 0.0


def test_nothing_is_taken_from_the_day_after_the_reserve_ends_until_the_refill(people):
    cohort, ensemble, care = people
    clinic = _Clinic(cohort, maker("constant()"), ensemble, SEED, 60, care, UNLIMITED, Setting())
    supply_ends = REFILL_EVERY_D + RESERVE_D
    clinic.demand.done_here = clinic.demand.done_here - {"refill"}  # no refill is requested
    supplies = {}
    for day in range(1, supply_ends + 3):
        clinic.day(day)
        supplies[day] = clinic.panel.parameter(rows.SUPPLY)
    assert (supplies[supply_ends] == 1.0).all()
    there = clinic.panel.present(supply_ends + 2)
    assert (supplies[supply_ends + 1][there] == 0.0).all() and there.sum() > N / 2
    patient = int(np.flatnonzero(there)[0])
    requested = (REFILL_EVERY_D - 1) * DAY_MIN
    clinic.late.ended(Job(1, patient, "refill", "pharmacist", 2, requested, 3.0, outcome="done"), supply_ends + 3)
    clinic.day(supply_ends + 3)
    supply = clinic.panel.parameter(rows.SUPPLY)
    assert supply[patient] == 1.0 and supply.min() == 0.0
    left = ~clinic.panel.present(supply_ends + 3)
    assert (supply[left & ~clinic._present_before] == 1.0).all()  # another prescriber dispenses


def test_a_contact_ends_a_silence(people):
    clinic = _Clinic(people[0], maker(FAST), people[1], SEED, 40, people[2], UNLIMITED, Setting())
    everybody, late = np.ones(N, dtype=bool), clinic.late
    late.visits_due(1, everybody)
    engagement = clinic.panel.parameter(rows.N0)
    late.ended(Job(1, 0, "message", "nurse", 3, 0.0, 5.0, outcome="done"), 3)
    for day, fallen in ((SILENCE_D, 0), (1 + SILENCE_D, N - 1)):
        late.night(day, everybody)
        assert (clinic.panel.parameter(rows.N0) < engagement).sum() == fallen
    late.ended(Job(2, 1, "visit", "pt", 2, 0.0, 5.0, outcome="done"), 2 + SILENCE_D)
    late.night(2 + SILENCE_D, everybody)
    assert (clinic.panel.parameter(rows.N0) < engagement).sum() == N - 2


# -- accuracy of alarms ------------------------------------------------------------------------------------------------


def test_episodes_are_days_of_need_at_most_a_week_apart():
    need = np.zeros(60, dtype=bool)
    need[[3, 4, 4 + AHEAD_D, 30, 30 + AHEAD_D + 1]] = True
    assert list(episodes(need)) == [(3, 4 + AHEAD_D), (30, 30), (31 + AHEAD_D, 31 + AHEAD_D)]


def test_the_accuracy_of_alarms_by_hand(people):
    """One patient: an episode with a true alarm that is read, one with an alarm read too late, a false alarm."""
    clinic = _Clinic(people[0], maker(FAST), people[1], SEED, 80, people[2], UNLIMITED, Setting())
    alarms = Alarms(clinic.panel, SEED, clinic.duty, 80)
    alarms._need[0, [10, 11, 40]] = True
    read, late, false, last = (
        Job(k, 0, "alert_spike", "nurse", 1, (day - 1) * DAY_MIN + 500.0, 6.0, outcome="done", ended=ended * DAY_MIN)
        for k, (day, ended) in enumerate(((11, 11), (41, 45), (60, 60), (80, 80)))
    )
    for job, day in ((read, 11), (late, 41), (false, 60), (last, 80)):
        alarms.morning(day, [job])
    alarms.pass_on(false, Job(9, 0, "escalation", "prescriber", 0, 0.0, 10.0, outcome="done"))
    counts = {name: values[0] for name, values in alarms.accuracy().items()}
    assert counts["raised_alarms"] == 3.0 and counts["true_alarms"] == 2.0  # the last one is too near the end
    assert counts["false_alarm_min"] == 16.0
    assert (counts["need_episodes"], counts["need_alarmed"], counts["need_read"]) == (2.0, 2.0, 1.0)


def test_true_alarms_are_reported_with_shares_between_nothing_and_one(people, unlimited):
    everybody = {"all": np.ones(N, dtype=bool)}
    table = metrics(unlimited, UNLIMITED, N_DAYS, everybody, {p: k for k, p in enumerate(people[0].ids)})
    values = table[table["subgroup"] == "all"].set_index(["metric", "work"])["value"]
    assert 0.1 < values["alarm_true_share", "alert_spike"] < 0.9
    assert 0.5 < values["alarm_sensitivity_read", ""] <= values["alarm_sensitivity", ""] <= 1.0
    assert values["false_alarm_time", ""] > 0.0


# -- the scenario and the page -----------------------------------------------------------------------------------------


def test_a_scenario_switches_a_path_off_and_an_unknown_path_is_refused(tmp_path):
    text = (ROOT / "scenarios" / "clinic_true_alarms.yaml").read_text()
    path = tmp_path / "s.yaml"
    path.write_text(text.replace("  triage: urgency\n", "  triage: urgency\n  harm_paths: {late_refill: off}\n"))
    shipped = ROOT / "scenarios" / "clinic_true_alarms.yaml"
    for file, off in ((path, {"late_refill"}), (shipped, set())):
        assert read_scenario(file).clinic.setting(112, tmp_path, "s.yaml").harm_paths == ALL - off
    path.write_text(text.replace("  triage: urgency\n", "  triage: urgency\n  harm_paths: {late_refil: off}\n"))
    with pytest.raises(InputError, match=r"late_refil.*late_refill"):
        read_scenario(path)


def test_the_page_lists_every_path_with_its_switch_and_its_number():
    page = (ROOT / "docs" / "clinic.md").read_text()
    table = re.findall(r"^\| `(\w+)` \|.*\[(A\d+)\].*\| `(\w+)` \|$", page, flags=re.MULTILINE)
    assert {(path.name, path.assumption, path.moves) for path in HARM_PATHS} == set(table)
