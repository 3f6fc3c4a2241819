"""The chance that the next cut hurts is that of a person to whom the past cuts happened."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taper_sim.data.formulary import find_drug
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.recommend import recommendation
from taper_sim.recommend.choice import choose
from taper_sim.recommend.next_cut import Hurt, more_likely_than_not, usual_until, with_past
from taper_sim.recommend.options import Option
from taper_sim.recommend.recommendation import recommend
from taper_sim.safety.felt_cuts import Felt, FeltCut
from taper_sim.safety.limits import Limits
from tests.recommend.calm_answers import CALM_ANSWERS
from tests.recommend.test_barred_options import forecast

TODAY = date(2026, 3, 31)
CUTS_AGO = (57, 29)  # days
DOSES = (90.0, 82.5, 75.0)  # mg of morphine IR
ANSWERED = CALM_ANSWERS | {"phq9_item9": 0.0}
USUAL = {"sows_gossop": 3.0, "pain_nrs": 6.0, "function": 46.0}
SPREAD = {"sows_gossop": 1.2, "pain_nrs": 1.0, "function": 4.0}
SIGNED = {name: {"by": "Dr A", "reason": "talked"} for name in ("cut_broke_limit", "cut_not_recovered")}
AFTER_A_CUT = {"sows_gossop": 10.0, "pain_nrs": 2.0, "function": -12.0}


def tapered_person(
    worse: dict[str, float], days: int, *, lasting: dict[str, float] | None = None, seed: int = 3
) -> History:
    """Two cuts of 7.5 mg; reports so much worse for so many days after each, and by ``lasting`` after each for ever."""
    luck, top = np.random.default_rng(seed), {"sows_gossop": 30.0, "pain_nrs": 10.0, "function": 100.0}
    drug = find_drug("morphine", "IR")
    ago = (400, *CUTS_AGO)
    rows = tuple(DoseRow(TODAY - timedelta(days=a), drug, dose) for a, dose in zip(ago, DOSES, strict=True))
    checkins = []
    for day in range(84, -1, -1):
        since = [cut - day for cut in CUTS_AGO]
        hurts = any(1 <= s <= days for s in since)
        n_lasting = sum(s >= 2 for s in since) if lasting else 0
        for name, mean in USUAL.items():
            level = mean + (worse[name] if hurts else 0.0) + n_lasting * (lasting or {}).get(name, 0.0)
            value = float(np.clip(round(level + SPREAD[name] * luck.standard_normal()), 0.0, top[name]))
            if luck.random() < 0.85:
                checkins.append(CheckIn(TODAY - timedelta(days=day), name, value))
    return History("p", tuple(checkins), rows, ANSWERED)


COMFORTABLE = tapered_person(AFTER_A_CUT, 0)
SUFFERING = tapered_person(AFTER_A_CUT, 8)


def answered(history: History, **limits: Any) -> dict[str, Any]:
    """The answer to a history, with few draws."""
    return recommend(history, TODAY, limits=Limits(**limits), draws=512).as_dict()


def of_kind(answer: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Options of a kind, offered or blocked, that have a forecast."""
    return [o for o in answer["options"] if o["kind"] == kind and o["p_hurts_again"] is not None]


def test_two_painful_cuts_of_two_make_a_third_likely_and_holding_keeps_the_chance_of_life_alone() -> None:
    suffering, comfortable = answered(SUFFERING), answered(COMFORTABLE)
    for answer, low, high in ((suffering, 0.5, 1.0), (comfortable, 0.001, 0.15)):
        (hold,) = of_kind(answer, "hold")
        assert 0.0005 < hold["p_hurts_again"] < 0.15
        reductions = of_kind(answer, "reduce")
        assert reductions
        for option in (hold, *reductions):
            p, ends = option["p_hurts_again"], (option["p_hurts_again_lo90"], option["p_hurts_again_hi90"])
            assert 0.0 <= ends[0] <= p + 1e-9 and p <= ends[1] + 1e-9 <= 1.0 + 1e-9
        for option in reductions:
            assert low < option["p_hurts_again"] < high, option["name"]
            assert option["p_hurts_again"] >= hold["p_hurts_again"] - 1e-9
            assert option["past_cuts_compared"] == 2
    assert {o["past_cuts_hurt"] for o in of_kind(suffering, "reduce")} == {2}


def test_a_reduction_that_will_probably_hurt_is_not_chosen_even_when_the_past_was_talked_about() -> None:
    answer = answered(SUFFERING, acknowledged=SIGNED)
    assert of_kind(answer, "reduce") and not answer["chosen"].startswith("reduce")
    assert answered(COMFORTABLE)["chosen"].startswith("reduce")


@pytest.mark.parametrize("prefer", ["fastest", "least loss"])
def test_it_is_the_fastest_of_those_that_will_probably_not_hurt(prefer: str) -> None:
    limits = Limits(prefer=prefer)  # type: ignore[arg-type]
    options = [Option("hold", "hold"), *(Option(f"{pct}", "reduce", "opioid", pct) for pct in (2.5, 5.0, 10.0))]
    rolled = {
        o.name: replace(forecast(o, 0.0), loss=-o.pct_per_28d, end_share_pct=90.0 - o.pct_per_28d) for o in options
    }
    for hurting, chosen in (((), "10.0"), (("10.0",), "5.0"), (("2.5", "5.0", "10.0"), "hold")):
        name, reasons = choose(rolled, options, limits, hurting=hurting)
        assert name == chosen
        if chosen == "hold" or (hurting and prefer == "fastest"):
            assert any("more likely than not" in reason for reason in reasons)
        if hurting:
            assert not any("no reduction keeps every limit" in reason for reason in reasons)


share = st.floats(0.0, 0.95)
sizes = st.floats(0.5, 40.0)
cuts = st.lists(st.tuples(sizes, st.booleans()), max_size=5)


def chance(model: float, of_life: float, size: float, past: list[tuple[float, bool]]) -> float:
    """Chance of two bad weeks, from the Beta distribution of the cut's own."""
    hurt, easy = with_past(model, of_life, size, past)
    return of_life + (1.0 - of_life) * hurt / (hurt + easy)


@given(share, share, sizes, cuts)
def test_a_cut_is_never_better_than_holding_and_a_larger_one_never_better(
    model: float, of_life: float, size: float, past: list[tuple[float, bool]]
) -> None:
    p = chance(model, of_life, size, past)
    assert of_life - 1e-9 <= p <= 1.0 + 1e-9
    assert chance(model, of_life, 1.5 * size, past) >= p - 1e-9
    assert chance(model, of_life, size, [*past, (size, False)]) <= p + 1e-9
    assert chance(model, of_life, size, [*past, (size, True)]) >= p - 1e-9


@given(share)
def test_two_of_two_outweigh_a_model_that_expects_nothing_of_the_cut(of_life: float) -> None:
    assert chance(of_life, of_life, 7.5, [(7.5, True), (7.5, True)]) > 0.5


def test_sizes_count_in_proportion() -> None:
    # 2 of 2 cuts of 10; the model expects nothing and counts as 1 cut: 2 w / (1 + 2 w) with weight w
    for size, weight in ((20.0, 1.0), (10.0, 1.0), (5.0, 0.5), (2.5, 0.25)):
        assert chance(0.0, 0.0, size, [(10.0, True)] * 2) == pytest.approx(2 * weight / (1 + 2 * weight))
    # the model says 0.8; an easy cut of 5 counts half for one of 10
    assert chance(0.8, 0.0, 10.0, [(5.0, False)]) == pytest.approx(0.8 / 1.5)
    # a model that is certain counts as nine cuts in ten
    assert chance(1.0, 0.0, 10.0, []) == pytest.approx(0.9)
    # life alone hurts one person in two: half of a painful cut is life's
    assert with_past(0.5, 0.5, 10.0, [(10.0, True)]) == pytest.approx((0.5, 1.0))


def test_more_likely_than_not_is_above_a_half() -> None:
    rows = {"a": Hurt(0.5, 0.1, 0.9), "b": Hurt(0.51, 0.1, 0.9)}
    assert more_likely_than_not(rows) == {"b"}


def cut_felt(ago: int, *, broke: bool, still: bool) -> FeltCut:
    """A cut so many days ago, and what was felt after it."""
    felt = Felt("pain_nrs", 5.0, 9.0, 7, 10, broke, still, False)
    return FeltCut("opioid", TODAY - timedelta(days=ago), 90.0, 80.0, (felt,))


@pytest.mark.parametrize(
    ("rows", "ago"),
    [
        ([], None),
        ([(50, False, True)], None),
        ([(50, True, False)], None),
        ([(50, True, True), (20, True, True)], 50),
        ([(50, True, False), (13, True, False)], 13),
        ([(14, True, False)], None),
    ],
)
def test_the_usual_level_is_that_before_a_cut_that_has_not_passed(
    rows: list[tuple[int, bool, bool]], ago: int | None
) -> None:
    past = [cut_felt(a, broke=broke, still=still) for a, broke, still in rows]
    assert usual_until(past, TODAY) == (None if ago is None else TODAY - timedelta(days=ago))


def test_the_answer_heeds_the_chance_of_two_bad_weeks(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = answered(COMFORTABLE)["chosen"]

    def as_given(*arguments: Any) -> dict[str, Hurt]:
        options = arguments[4]
        steps = next(o.steps for o in options if o.name == chosen)
        return {o.name: Hurt(0.9 if o.steps == steps else 0.1, 0.05, 0.95) for o in options}

    monkeypatch.setattr(recommendation, "chances_of_hurt", as_given)
    answer = answered(COMFORTABLE)
    assert answer["chosen"] not in (chosen, "hold") and answer["chosen"].startswith("reduce")
    assert next(o for o in answer["options"] if o["name"] == chosen)["status"] == "offered"
