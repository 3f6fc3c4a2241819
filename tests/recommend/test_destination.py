"""Where to stop: what the table compares, what it never claims, and how soon a trial would tell."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from taper_sim.comparison.chance_words import chance_in_words
from taper_sim.comparison.preferences import VALUE_QUESTIONS, ValueJudgements
from taper_sim.inference import course as at
from taper_sim.inference.life_block import ORDER, ordered_system
from taper_sim.inference.life_today import today_of
from taper_sim.policies.interface import Patients
from taper_sim.recommend.ahead import WAIT_D, DosePlan, PersonAhead
from taper_sim.recommend.destination import chance_of, life_at_shares, open_questions, table_of, tables_of, value_sets
from taper_sim.recommend.learning_ahead import (
    LifeNow,
    _life_of_months,
    chance_settled,
    share_learnt,
    told_apart,
    value_of_knowing,
    value_of_trial,
)
from taper_sim.recommend.personal_decisions import PersonalDecisions
from taper_sim.report.destination_text import destination_lines
from taper_sim.safety.limits import Limits, ValuesEntry
from taper_sim.scenario.all_policies import build_policy
from taper_sim.simulation.dispensing import known_of
from tests.conftest import opioid_cohort
from tests.recommend.test_recommendation import MORPHINE, answer_for, patient

N = 128
SETS = {"by default": ValueJudgements(), "less": ValueJudgements(full_stop=0.5)}


def person_with(benefit: np.ndarray, n_days: int = 720) -> tuple[PersonAhead, LifeNow]:
    """A person of whom only the long-run benefit is unknown, on the first day."""
    patients: Patients = known_of(opioid_cohort(1))
    memory: PersonalDecisions = build_policy("personal()", file="test").start(patients)
    values = np.repeat(at.centre_values()[None], len(benefit), axis=0)
    values[:, at.B] = benefit
    regimen = memory.tracked.regimen(0, 0, n_days)
    reports = memory.tracked.evidence(0, 0, 0).reports
    shared = memory.tracked.couplings(0)
    today = today_of(values, shared, regimen.until(0), reports, None, 0)
    dose = patients.dose[0]
    person = PersonAhead(values, today, shared, regimen, 1, dose, dose, memory.tracked.reference(0), 1.0)
    states = len(ORDER)
    life = ordered_system(shared, states).stationary
    return person, LifeNow(np.zeros((len(benefit), states)), np.repeat(life[None], len(benefit), axis=0))


def rows_of(benefit: np.ndarray, name: str = "by default", pace_pct: float = 10.0) -> list[dict[str, Any]]:
    person, life = person_with(benefit)
    of_class = tables_of(person, life, 0, 1.0, pace_pct, SETS)
    return next(table["rows"] for table in of_class["sets"] if table["name"] == name)


SPREAD = np.sort(np.random.default_rng(4).normal(0.2, 1.04, N))


def test_who_has_no_benefit_is_better_off_without_and_who_has_much_is_not() -> None:
    """Without any worth of a full stop, the sign is that of the long-run benefit."""
    person, _ = person_with(np.array([-2.0, 2.0]))
    life = life_at_shares(person, 0, 1.0, 10.0, 364)
    table = table_of("neutral", ValueJudgements(full_stop=0.0), life, np.zeros((2, 1)))
    at_share, holding = life.losses(_loss(0.0))
    gains = holding - at_share
    assert (gains[1:, 0] > 0.0).all() and (gains[1:, 1] < 0.0).all()
    assert (np.diff(gains[:, 0]) > 0.0).all()  # the lower the better for the one
    assert (np.diff(gains[:, 1]) < 0.0).all()
    assert table.rows[0].gain == 0.0


def _loss(full_stop: float) -> Any:
    from taper_sim.comparison.loss import Loss

    return Loss.of_values(ValueJudgements(full_stop=full_stop))


def test_the_worth_of_a_full_stop_moves_every_chance_up() -> None:
    few, many = rows_of(SPREAD, "less"), rows_of(SPREAD)
    for low, high in zip(few[1:], many[1:], strict=True):
        assert high["better"] > low["better"]
        assert high["gain"] - low["gain"] == pytest.approx(1.5 * (1.0 - low["dose_pct"] / 100.0), abs=2e-4)


def test_the_harm_line_is_what_counts_as_worse() -> None:
    person, _ = person_with(SPREAD)
    life = life_at_shares(person, 0, 1.0, 10.0, 364)
    reports = np.zeros((N, 1))
    no_line, line = (table_of("x", ValueJudgements(harm_line=x), life, reports) for x in (0.0, 1.0))
    assert no_line.rows[-1].worse == pytest.approx(1.0 - no_line.rows[-1].better)
    assert line.rows[-1].worse < no_line.rows[-1].worse
    assert line.rows[-1].better == no_line.rows[-1].better
    assert line.least_loss_pct <= no_line.least_loss_pct


def test_a_slower_ceiling_is_compared_later() -> None:
    days = [row["day"] for row in rows_of(SPREAD, pace_pct=5.0)]
    assert days == [364, 364, 364, 15 * 28 + WAIT_D, 20 * 28 + WAIT_D]
    assert {row["day"] for row in rows_of(SPREAD)} == {364}


def test_a_chance_is_never_0_or_100() -> None:
    sure = rows_of(np.linspace(-6.0, -5.0, N))
    assert all(0.0 < row["better"] < 1.0 for row in sure)
    assert chance_of(np.ones(256)) == pytest.approx(1.0 - 0.5 / 257)
    assert chance_of(np.zeros(256)) == pytest.approx(0.5 / 257)
    assert [chance_in_words(x) for x in (0.0, 0.009, 0.011, 0.5, 0.991, 1.0)] == [
        "under 1 %",
        "under 1 %",
        "1 %",
        "50 %",
        "over 99 %",
        "over 99 %",
    ]


# -- how soon it is known ----------------------------------------------------------------------------------------------


def test_what_reports_explain_is_the_known_share_of_a_normal_model() -> None:
    rng = np.random.default_rng(5)
    n = 4096
    wanted, other = rng.standard_normal((2, n))
    noise_free = rng.standard_normal((n, 6))  # other reports, which say nothing
    for size in (0.0, 0.5, 2.0):
        reports = np.column_stack([size * wanted + 0.0 * other, noise_free])
        assert share_learnt(wanted, reports) == pytest.approx(size**2 / (size**2 + 1.0), abs=0.02)
    # a second cause of the same report hides the first
    hidden = share_learnt(wanted, np.column_stack([wanted + other, noise_free]))
    assert hidden == pytest.approx(1.0 / 3.0, abs=0.02)


def test_many_reports_that_say_nothing_explain_nothing() -> None:
    """Few draws and many reports: coefficients that are judged by their own draws would explain an eighth."""
    rng = np.random.default_rng(8)
    learnt = [share_learnt(rng.standard_normal(256), 5.0 * rng.standard_normal((256, 32))) for _ in range(20)]
    assert np.mean(learnt) < 0.02


def test_life_outside_the_taper_hides_what_a_trial_would_show() -> None:
    person, life = person_with(SPREAD)
    path = DosePlan(10.0, 0.25).shares(1.0, 420, 28)
    learnt = []
    for factor in (0.1, 1.0, 3.0):
        values = person.values.copy()
        values[:, at.LIFE] = factor
        moved = LifeNow(life.mean, factor**2 * life.covariance)
        learnt.append(share_learnt(SPREAD, told_apart(replace(person, values=values), 0, path, moved)))
    assert learnt[0] > learnt[1] + 0.1 > learnt[2] + 0.2


def test_nothing_learnt_settles_nothing_and_everything_settles_all() -> None:
    wanted = np.random.default_rng(6).normal(0.3, 1.0, 1024)
    assert chance_settled(wanted, 0.0) == 0.0
    assert chance_settled(wanted - 3.0, 0.0) == 1.0  # it was settled before
    assert chance_settled(wanted, 1.0) == pytest.approx(1.0, abs=0.01)
    chances = [chance_settled(wanted, learnt) for learnt in (0.1, 0.3, 0.5, 0.8)]
    assert chances == sorted(chances) and 0.0 < chances[1] < 1.0


def test_information_is_worth_nothing_where_it_changes_no_choice_and_never_more_than_knowing() -> None:
    gain = np.random.default_rng(7).normal(0.0, 1.0, 4096)
    gains = np.stack([np.zeros(4096), gain])
    assert value_of_knowing(gains) == pytest.approx(1.0 / np.sqrt(2.0 * np.pi), abs=0.03)  # of a standard normal
    assert value_of_trial(gains, [0.0, 0.0]) == pytest.approx(0.0, abs=1e-9)
    worth = [value_of_trial(gains, [0.0, learnt]) for learnt in (0.1, 0.5, 1.0)]
    assert worth == sorted(worth) and worth[-1] == pytest.approx(value_of_knowing(gains), abs=0.01)
    assert value_of_trial(gains + np.array([[0.0], [9.0]]), [0.0, 0.5]) == pytest.approx(0.0, abs=1e-9)


def test_life_of_a_month_is_as_variable_in_every_month() -> None:
    """From its stationary law life stays stationary: what is inherited and what is new add up to the same."""
    shared = at.couplings()
    inherited, new = _life_of_months(shared, 4)
    stationary = ordered_system(shared, len(ORDER)).stationary
    whole = inherited @ stationary @ inherited.T + new
    months = [whole[4 * m : 4 * m + 4, 4 * m : 4 * m + 4] for m in range(4)]
    for month in months[1:]:
        np.testing.assert_allclose(month, months[0], rtol=1e-8)
    apart = [whole[0, 4 * m] for m in range(4)]
    assert apart == sorted(apart, reverse=True) and apart[-1] > 0.0  # months of pain forget each other


def test_a_longer_trial_and_a_lower_dose_teach_more() -> None:
    person, life = person_with(SPREAD)
    learnt = {}
    for name, end, n in (("short", 0.5, 224), ("long", 0.5, 420), ("low", 0.0, 420), ("none", 1.0, 420)):
        reports = told_apart(person, 0, DosePlan(10.0, end).shares(1.0, n, 28), life)
        learnt[name] = share_learnt(SPREAD, reports)
    assert learnt["none"] < 0.02
    assert learnt["none"] < learnt["short"] < learnt["long"] < learnt["low"] < 1.0


# -- the answer --------------------------------------------------------------------------------------------------------


def test_the_answer_shows_the_table_under_two_sets_of_values() -> None:
    answer = answer_for(patient(*MORPHINE))
    (of_class,) = answer["destinations"]
    assert of_class["drug_class"] == "opioid" and of_class["dose_equivalents"] == 120.0
    assert [table["name"] for table in of_class["sets"]] == ["by default", "a full stop counts less"]
    for table in of_class["sets"]:
        assert [row["dose_pct"] for row in table["rows"]] == [100.0, 75.0, 50.0, 25.0, 0.0]
    text = "\n".join(destination_lines(answer))
    assert "no promise" in text and "no offer" in text
    mine = answer_for(patient(*MORPHINE), values={"full_stop": 1.0, "sleep": 1.0})["destinations"][0]["sets"]
    assert [table["name"] for table in mine] == ["as the patient stated", "by default"]
    assert mine[0]["values"]["sleep"] == 1.0
    assert mine[1]["rows"] == of_class["sets"][0]["rows"]


def test_what_the_patient_has_not_said_is_asked_with_its_default() -> None:
    asked = {row["key"]: row["default"] for row in open_questions(Limits(values=ValuesEntry(sleep=1.0)))}
    assert "values.sleep" not in asked and len(asked) == len(VALUE_QUESTIONS) - 1
    assert asked["values.full_stop"] == 2.0 and asked["values.harm_line"] == 0.0


def test_no_table_where_maintenance_is_asked() -> None:
    assert answer_for(patient(*MORPHINE), maintain=True)["destinations"] == []


def test_no_table_while_a_flag_of_the_day_stands() -> None:
    answer = answer_for(patient(*MORPHINE, phq9_item9=1.0))
    assert any("see the person today" in reason for reason in answer["reasons"])
    assert answer["destinations"] == []


def test_sets_of_values_differ() -> None:
    default = value_sets(Limits())
    own = value_sets(Limits(values=ValuesEntry(harm_line=0.6)))
    for sets in (default, own):
        assert len(sets) == 2 and len(set(sets.values())) == 2
    assert own["as the patient stated"] == replace(ValueJudgements(), harm_line=0.6)
