"""What one patient wants, as numbers of the loss."""

import numpy as np
import pytest

from taper_sim.comparison.loss import FUNCTION_STEP, SLEEP_STEP, Loss
from taper_sim.comparison.preferences import DOMAINS, VALUE_QUESTIONS, ValueJudgements

EXPOSURE, PAIN, FUNCTION, DISTRESS = (np.array(x) for x in ([1.0, 0.5], [0.0, 0.7], [0.0, -4.0], [0.0, 0.1]))


def test_without_an_answer_the_loss_is_that_of_a_comparison_to_the_bit() -> None:
    by_default, usual = Loss.of_values(ValueJudgements()), Loss()
    of_person = [loss.of_person(EXPOSURE, PAIN, FUNCTION, DISTRESS) for loss in (by_default, usual)]
    np.testing.assert_array_equal(*of_person)
    decided = [loss.decision_loss(x) for loss, x in zip((by_default, usual), of_person, strict=True)]
    np.testing.assert_array_equal(*decided)


def test_a_domain_counts_by_its_weight_in_its_important_differences() -> None:
    sleeper = Loss.of_values(ValueJudgements(pain=0.0, function=1.0, mood=0.0, sleep=2.0, full_stop=0.0))
    none = np.zeros(1)
    of_sleep = sleeper.of_person(none, none, none, none, np.array([SLEEP_STEP]))
    of_function = sleeper.of_person(none, none, np.array([-FUNCTION_STEP]), none)
    assert of_sleep == pytest.approx(2.0 * of_function)
    assert of_sleep == pytest.approx(sleeper.one_difference)
    assert sleeper.of_person(none, np.array([3.0]), none, np.array([1.0])) == 0.0


def test_a_full_stop_is_worth_differences_of_the_domain_that_weighs_most() -> None:
    values = ValueJudgements(pain=3.0, function=1.0, mood=1.0, full_stop=1.5)
    loss = Loss.of_values(values)
    full, none = (loss.of_person(np.array([x]), *(np.zeros(1),) * 3) for x in (1.0, 0.0))
    assert full - none == pytest.approx(1.5 * loss.one_difference)


def test_harm_counts_beyond_the_line_and_no_sooner() -> None:
    loss = Loss.of_values(ValueJudgements(harm_line=0.6))
    today = np.array([0.2])
    line = 0.6 * loss.one_difference

    def extra(worse: float) -> float:
        x = today + worse
        return float(loss.decision_loss(x, today)[0] - (1.0 - loss.tail) * x[0])

    assert extra(line - 0.01) == 0.0
    assert extra(line + 0.01) == pytest.approx(0.01 * loss.tail / 0.05)
    full_dose = Loss().of_person(np.ones(1), *(np.zeros(1),) * 3)
    x = full_dose + 0.1
    assert Loss().decision_loss(x) == pytest.approx(Loss().decision_loss(x, full_dose))


def test_every_value_has_its_question() -> None:
    assert set(VALUE_QUESTIONS) == {*DOMAINS, "full_stop", "harm_line", "outlook_days"}
    assert all(question.endswith(("?", ".")) for question in VALUE_QUESTIONS.values())
