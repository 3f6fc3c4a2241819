"""Explorers: a change of an input simulates again; wrong values are refused in words; nothing is loaded."""

import builtins
import re

import numpy as np
import pytest

import taper_sim as ts
from taper_sim.api.explored_course import Controls, ExploredCohort, controls_of
from taper_sim.api.explored_team import ExploredTeam
from tests.conftest import ROOT

TEAM = ROOT / "scenarios" / "staffing_small.yaml"


@pytest.fixture(scope="module")
def cohort() -> ExploredCohort:
    return ExploredCohort(40, 56)


def test_a_faster_pace_ends_at_a_lower_dose_with_more_withdrawal(cohort: ExploredCohort) -> None:
    slow, fast = (cohort.course(Controls(pace_pct=pace, every_d=7))["panels"] for pace in (5.0, 40.0))
    (slow_dose, slow_withdrawal), (fast_dose, fast_withdrawal) = slow[:2], fast[:2]
    assert fast_dose["mean"][-1] < slow_dose["mean"][-1] < 100.0
    assert max(fast_withdrawal["mean"]) > max(slow_withdrawal["mean"])
    assert fast_dose["held"] == slow_dose["held"]


def test_a_pace_of_zero_is_the_constant_dose(cohort: ExploredCohort) -> None:
    for panel in cohort.course(Controls(pace_pct=0.0))["panels"]:
        assert panel["mean"] == panel["held"]


def test_the_dose_stays_above_the_floor(cohort: ExploredCohort) -> None:
    dose = cohort.course(Controls(pace_pct=40.0, every_d=7, floor_pct=50.0))["panels"][0]
    assert min(value for course in dose["people"] for value in course if value is not None) >= 45.0  # tablets


def test_the_course_is_that_of_the_comparison() -> None:
    """The explorer's people and random numbers are those of ``ts.compare`` on the same people."""
    people = ts.people(40, drug="oxycodone ER", mg_per_day=120)
    compared = ts.compare(people=people, protocols=["linear(pct=10, every=28)"], days=56, draws=20, progress=False)
    table = compared.trajectories
    rows = table[table["quantity"] == "withdrawal"].sort_values("day")
    panel = ExploredCohort(40, 56).course(Controls())["panels"][1]
    assert panel["days"] == rows["day"].tolist()
    np.testing.assert_allclose(panel["mean"], rows["mean"], atol=1e-4)


def test_the_answer_has_the_size_and_the_basis(cohort: ExploredCohort) -> None:
    shown = cohort.course(Controls())
    assert "of 40 people" in shown["answer"] and "40 simulated people" in shown["basis"]
    assert "not clinically reviewed" in shown["basis"]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"pace_pct": 50}, "explorer: pace_pct: given 50; allowed: 0 to 40"),
        ({"pace_pct": "fast"}, "pace_pct: given 'fast'"),
        ({"drug": "aspirin"}, "drug: given 'aspirin'; allowed: oxycodone ER"),
        ({"mg_per_day": 1000}, "mg_per_day: given 1000; allowed: 20 to 200"),
        ({"every_d": 5}, "every_d: given 5; allowed: 7, 14, 28"),
        ({"colour": 1}, "an unknown control"),
    ],
)
def test_a_wrong_value_is_one_line(values: dict, line: str) -> None:
    with pytest.raises(ts.InputError) as error:
        controls_of(values)
    assert line in str(error.value) and len(str(error.value).splitlines()) == 1


def test_a_widget_answers_each_change_and_refuses_in_words() -> None:
    widget = ts.explorer(20, days=28)
    first = widget.shown["answer"]
    widget.controls = {**widget.controls, "pace_pct": 40}
    assert widget.n_answers == 1 and widget.shown["answer"] != first and widget.problem == ""
    widget.controls = {**widget.controls, "drug": "diazepam IR"}
    assert widget.controls["mg_per_day"] == 20.0
    assert next(entry for entry in widget.form if entry["name"] == "mg_per_day")["max"] == 60.0
    kept = widget.shown["answer"]
    widget.controls = {**widget.controls, "pace_pct": 99}
    assert widget.n_answers == 3 and "allowed: 0 to 40" in widget.problem and widget.shown["answer"] == kept


def test_where_no_kernel_runs_a_picture_and_the_answer_are_shown() -> None:
    widget = ts.explorer(20, days=28)
    data, _ = widget._repr_mimebundle_()
    assert data["text/plain"] == widget.shown["answer"]
    assert data["image/png"].startswith("iVBORw0KGgo")


def test_the_page_of_a_widget_loads_nothing() -> None:
    widget = ts.explorer(20, days=28)
    text = widget._esm.replace('"http://www.w3.org/2000/svg"', "") + widget._css  # the name of a format
    assert not re.search(r"https?:|import\s|@import|url\(|fetch\(|eval\(", text)
    labels = [entry["label"] for entry in widget.form]
    assert len(set(labels)) == len(labels) and all(labels)


def test_more_staff_lower_the_share_of_their_queue() -> None:
    team = ExploredTeam(TEAM)
    few, many = (ts.planned_work(TEAM, fte={"nurse": fte}).frame.set_index(["period", "queue"]) for fte in (1, 3))
    key = ("after enrolment", "nurse")
    assert few.loc[key, "planned_h"] == many.loc[key, "planned_h"]
    assert few.loc[key, "share"] == pytest.approx(3 * many.loc[key, "share"])
    shown = team.work({"nurse": 3.0})
    assert (
        f"{many.loc[key, 'share']:.0%}"
        in dict(zip(*(shown["panels"][0][k] for k in ("names", "texts")), strict=True))["nurse"]
    )


def test_too_many_patients_are_reported_with_the_number_that_fills_the_hours() -> None:
    work = ts.planned_work(TEAM, patients=900)
    row = work.frame[work.frame["period"] == "after enrolment"].iloc[0]
    assert row["share"] > 1.0 and row["most_patients"] == pytest.approx(900 / row["share"], abs=1)
    assert f"enough for {row['most_patients']:,} patients" in work.answer


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: ts.planned_work(TEAM, fte={"nurses": 1}), "did you mean nurse"),
        (lambda: ts.planned_work(TEAM, fte={"nurse": 0}), "fte.nurse: given 0; allowed: above 0"),
        (lambda: ts.planned_work(TEAM, checkin_every_d=-1), "checkin_every_d: given -1"),
        (lambda: ts.staffing_explorer(ROOT / "scenarios" / "first_comparison.yaml"), "clinic: given nothing"),
        (lambda: ts.explorer(5), "n: given 5; allowed: 20 to 1000"),
        (lambda: ts.simulated_records(0), "n: given 0"),
    ],
)
def test_a_wrong_argument_is_one_line(call, line: str) -> None:
    with pytest.raises(ts.InputError, match=line) as error:
        call()
    assert len(str(error.value).splitlines()) == 1


def test_without_anywidget_the_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def refuse(name: str, *args, **kwargs):
        if name.startswith(("anywidget", "taper_sim.api.explorer_widget")):
            raise ImportError(name)
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ts.InputError, match=r'pip install "taper-sim\[notebook\]"') as error:
        ts.explorer(20, days=28)
    assert len(str(error.value).splitlines()) == 1


def test_records_of_simulated_people_are_read_by_the_recommendation() -> None:
    records = ts.simulated_records(2, days=28, seed=5)
    again = ts.simulated_records(2, days=28, seed=5)
    assert records.checkins.equals(again.checkins) and records.checkins["patient_id"].nunique() == 2
    first = records.checkins["date"].min()
    assert records.doses.groupby("patient_id")["date"].min().max() <= first
