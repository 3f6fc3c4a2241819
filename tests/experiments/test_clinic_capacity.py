"""The stated capacity against simulation, for scarce psychologists, interpreters and licences."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taper_sim.clinic.appointments import BookingRule
from taper_sim.clinic.calendars import OpeningHours
from taper_sim.clinic.staffing.book import LATE_SHARE, book_loads, fewest_patients, late_share, rehearsed
from taper_sim.clinic.team import Team
from taper_sim.experiments.clinic_capacity import (
    PHASES,
    STUDY_CARE,
    STUDY_COLUMNS,
    code_hash,
    cohort_of,
    panel_late,
    passes_at,
    scarce_clinics,
    setting_of,
    stated,
    summary,
)
from taper_sim.experiments.clinic_panels import stated_panels
from taper_sim.experiments.clinic_plan import read_plan
from taper_sim.scenario.building import Overrides

SCENARIO = Path(__file__).resolve().parents[2] / "scenarios" / "clinic_languages.yaml"
TABLE = Path(__file__).resolve().parents[2] / "docs" / "tables" / "capacity.csv"
N, SEED = 400, 1


@pytest.mark.parametrize("scarce", ["psychologists", "interpreters", "licences"])
def test_lateness_passes_its_target_within_a_tenth_of_the_stated_panel(scarce):
    """Simulated below and above the stated number; some 400 visits each, so a share has a standard error of 0.015."""
    number, load = stated(scarce, "enrolling", N, SEED)
    assert load.queue == scarce_clinics()[scarce].queue
    below, above = (panel_late(scarce, "enrolling", round(share * number), SEED) for share in (0.9, 1.1))
    assert below[1] > 300
    assert below[2] <= LATE_SHARE < above[2]


def test_the_table_of_the_study_says_the_same_of_every_clinic_phase_and_seed():
    table = pd.read_csv(TABLE)
    rows = list(zip(table["scarce"], table["phase"], table["seed"], strict=True))
    assert sorted(rows) == sorted(itertools.product(scarce_clinics(), PHASES, (1, 2, 3)))
    assert table["ratio"].between(0.9, 1.1).all()
    assert set(table["code"]) == {code_hash()}


def test_the_summary_has_a_row_a_seed_and_no_number_where_lateness_does_not_pass_the_target():
    late = {0.9: 0.0, 1.0: 0.05, 1.1: 0.15}
    pieces = [("a", "enrolling", share, seed) for seed in (0, 1) for share in late]
    rows = [
        (*piece, 100, round(100 * piece[2]), 100 * piece[2], 400, late[piece[2]] * (piece[3] == 0)) for piece in pieces
    ]
    table = summary(pd.DataFrame(rows, columns=STUDY_COLUMNS)).set_index("seed")
    assert table.loc[1, "simulated"] == pytest.approx(105.0) and table.loc[1, "ratio"] == pytest.approx(0.952)
    assert table.loc[1, "late_at_110"] == 0.15 and np.isnan(table.loc[2, "ratio"])


def capacity(scarce, rules, opening=None):
    clinic = scarce_clinics()[scarce]
    setting = replace(setting_of(clinic, PHASES["enrolling"]), booking=rules)
    if opening is not None:
        setting = replace(setting, opening=opening)
    cohort = cohort_of(clinic, N, SEED)
    loads = rehearsed(book_loads(cohort, STUDY_CARE, setting, clinic.team), clinic.team)
    return fewest_patients(loads, N)


def test_slots_shares_overbooking_and_opening_hours_move_the_stated_number():
    as_it_is, usual = capacity("psychologists", {})
    assert as_it_is.queue == "psychologist" and "appointment book" in as_it_is.name
    fuller = capacity("psychologists", {"psychologist": BookingRule(share=1.0)})[1]
    hours = capacity("psychologists", {"psychologist": BookingRule(share=0.85, slot_min=60.0)})[1]
    double = capacity("psychologists", {"psychologist": BookingRule(share=0.85, overbook=1)})[1]
    mornings = capacity("psychologists", {}, OpeningHours(frozenset(range(5)), 480.0, 720.0))[1]
    assert hours < usual < fuller and usual < double < 1.3 * usual
    assert mornings == pytest.approx(usual / 2, rel=0.1)


def test_a_rehearsed_panel_is_the_largest_with_few_late_visits():
    clinic = scarce_clinics()["licences"]
    setting, cohort = setting_of(clinic, PHASES["enrolling"]), cohort_of(clinic, N, SEED)
    load = next(load for load in book_loads(cohort, STUDY_CARE, setting, clinic.team) if load.state == "NV")
    (measured,) = rehearsed([load], clinic.team)
    panel = int(N / measured.share)
    assert late_share(measured.demanded, clinic.team, round(0.98 * panel), None) <= LATE_SHARE
    assert late_share(measured.demanded, clinic.team, round(1.06 * panel), None) > LATE_SHARE
    nobody = Team(tuple(one for one in clinic.team.workers if one.role.queue != "prescriber"))
    assert load.able(nobody) == 0.0 and fewest_patients([replace(load, able_h=0.0)], N)[1] == 0


def test_the_panel_of_the_target_lies_between_two_panels():
    assert passes_at([90, 100, 110], [0.0, 0.05, 0.25]) == pytest.approx(102.5)
    assert np.isnan(passes_at([90, 100], [0.2, 0.3])) and np.isnan(passes_at([90, 100], [0.0, 0.1]))


def test_the_stated_panel_of_a_replication_is_that_of_its_own_patients():
    """Few patients need an interpreter, so other patients of the same description have another number."""
    plan = read_plan(SCENARIO, Overrides(patients=60, days=28), 2)
    other = replace(plan, scenario=plan.scenario.model_copy(update={"seed": plan.seed(1)}))
    for name, phases in stated_panels(plan).items():
        of_its_own = stated_panels(replace(other, n_replications=1))[name]
        for phase, panel in phases.items():
            assert panel["by_replication"] == [panel["most_patients"], of_its_own[phase]["most_patients"]]
        assert len(set(phases["enrolling"]["by_replication"])) == 2
