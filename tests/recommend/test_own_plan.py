"""A clinician's own schedule is judged and projected as the offered options are."""

from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from taper_sim.data.problems import InputError
from taper_sim.data.records import CheckIn, History
from taper_sim.recommend.own_plan import OWN_PLAN, PlannedDose, Weighed, projected
from taper_sim.recommend.recommendation import weigh
from taper_sim.safety.limits import Limits
from tests.recommend.test_next_cut import AFTER_A_CUT, COMFORTABLE, SIGNED, SUFFERING, TODAY, tapered_person

DRUG = ("morphine", "IR")


@cache
def weighed_of(name: str) -> Weighed:
    """One patient's options, with few draws."""
    histories = {
        "comfortable": COMFORTABLE,
        "suffering": SUFFERING,
        "unwilling": _answering(COMFORTABLE, patient_agreed_to_taper=0.0),
        "unanswered": _without(COMFORTABLE, "seizure"),
        "suicidal": replace(COMFORTABLE, checkins=(*COMFORTABLE.checkins, CheckIn(TODAY, "phq9_item9", 3.0))),
        "talked": tapered_person(AFTER_A_CUT, 8),
    }
    limits = Limits(acknowledged=SIGNED) if name == "talked" else Limits()
    return weigh(histories[name], TODAY, limits=limits, draws=512)


def _answering(history: History, **answers: float) -> History:
    return replace(history, answers={**history.answers, **answers})


def _without(history: History, name: str) -> History:
    return replace(history, answers={k: v for k, v in history.answers.items() if k != name})


def lines(*changes: tuple[int, float]) -> list[PlannedDose]:
    return [PlannedDose(TODAY + timedelta(days=day), DRUG, dose) for day, dose in changes]


def as_planned(option: dict[str, Any]) -> list[PlannedDose]:
    rows = [row for row in option["schedule"] if not row["tablets"].startswith("unchanged")]
    return [
        PlannedDose(
            TODAY + timedelta(days=int((_day(row) - TODAY).days)),
            (row["drug"], row["formulation"]),
            row["dose_mg_per_day"],
        )
        for row in rows
    ]


def _day(row: dict[str, Any]) -> Any:
    return type(TODAY).fromisoformat(row["date"])


def test_an_offered_schedule_that_is_entered_again_has_the_same_figures_and_is_offered() -> None:
    weighed = weighed_of("comfortable")
    offered = [o for o in weighed.answer.as_dict()["options"] if o["kind"] == "reduce" and o["status"] == "offered"]
    assert offered
    for option in offered:
        own = projected(weighed, as_planned(option))
        assert own["name"] == OWN_PLAN and own["status"] == "offered", (option["name"], own["status"])
        assert own["schedule"] == option["schedule"]
        same = [name for name in option if name.startswith("p_") or name == "expected_dose_pct"]
        assert {n: own[n] for n in same} == pytest.approx({n: option[n] for n in same}), option["name"]


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("comfortable", ((1, 60.0),), "above the ceiling"),
        ("comfortable", ((1, 67.5), (8, 60.0)), "above the ceiling"),
        ("comfortable", ((84, 37.5),), "more than 25 %"),
        ("comfortable", ((7, 90.0),), "a dose above today's"),
        ("suffering", ((84, 67.5),), "until a named person acknowledges: cut_"),
        ("talked", ((84, 67.5),), ""),
        ("unwilling", ((56, 67.5),), "imposed_taper"),
        ("unanswered", ((56, 67.5),), "ask seizure"),
        ("suicidal", ((56, 67.5),), "no reduction until a named person acknowledges"),
        ("comfortable", ((56, 67.5),), ""),
        ("comfortable", (), ""),
    ],
)
def test_a_schedule_of_ones_own_keeps_the_rules_of_the_offered_options(
    name: str, changes: tuple[tuple[int, float], ...], reason: str
) -> None:
    own = projected(weighed_of(name), lines(*changes))
    assert own["p_hurts_again"] is not None
    if reason:
        assert own["status"].startswith("blocked: ") and reason in own["status"]
    elif name == "comfortable":
        assert own["status"] == "offered"


def test_a_schedule_stops_at_the_next_milestone_and_at_the_target() -> None:
    weighed = weighed_of("comfortable")
    assert weighed.ground is not None
    for limits in (Limits(milestones={"opioid": [70.0]}), Limits(target={"opioid": 70.0})):
        limited = replace(weighed, ground=replace(weighed.ground, limits=limits))
        assert "milestone of 70" in projected(limited, lines((56, 67.5)))["status"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (PlannedDose(TODAY, DRUG, 67.5), "line 1, day"),
        (PlannedDose(TODAY + timedelta(days=85), DRUG, 67.5), "line 1, day"),
        (PlannedDose(TODAY + timedelta(days=9), ("fentanyl", "patch"), 12.0), "line 1, drug"),
        (PlannedDose(TODAY + timedelta(days=9), DRUG, 61.3), "such as 60 or 67.5 mg a day"),
    ],
)
def test_a_line_that_cannot_be_is_refused_with_what_can(line: PlannedDose, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        projected(weighed_of("comfortable"), [line])


def test_two_doses_of_a_drug_on_a_day_and_an_answer_without_options_are_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        projected(weighed_of("comfortable"), lines((9, 67.5), (9, 60.0)))
    with pytest.raises(InputError, match="without options"):
        projected(Weighed(weighed_of("comfortable").answer), lines((9, 67.5)))


def test_a_drug_that_another_takes_the_place_of_tomorrow_has_a_row_that_stops_it() -> None:
    replaced = [
        o
        for o in weighed_of("comfortable").answer.as_dict()["options"]
        if o["schedule"] and (o["schedule"][0]["drug"], o["schedule"][0]["formulation"]) != DRUG
    ]
    assert replaced
    for option in replaced:
        rows = [row for row in option["schedule"] if (row["drug"], row["formulation"]) == DRUG]
        assert rows and (rows[0]["dose_mg_per_day"], rows[0]["tablets"]) == (0.0, "stop"), option["name"]
