"""A comparison as a notebook makes it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import taper_sim as ts
from taper_sim.api.comparison import load_comparison
from taper_sim.comparison.outcomes import ALL, BY_NAME
from taper_sim.data.problems import InputError
from tests.conftest import SCENARIO

PROTOCOLS = ["constant()", "linear(pct=10, every=14)", "abrupt()"]
RUN = {"days": 56, "draws": 4, "progress": False}


class Halve(ts.Policy):
    """Halve the opioid on day 15."""

    name = "halve"

    def decision_days(self, n_days: int) -> list[int]:
        return [1, 15]

    def start(self, patients: ts.Patients) -> None:
        return None

    def decide(self, memory: None, observation: ts.Observation) -> ts.Order:
        return ts.Order(np.full_like(observation.dose_fraction, 1.0 if observation.day == 1 else 0.5))


@pytest.fixture(scope="module")
def cohort() -> ts.People:
    return ts.people(120, drug="morphine ER", mg_per_day=90, ptsd=0.5)


@pytest.fixture(scope="module")
def result(cohort: ts.People) -> ts.Comparison:
    return ts.compare(people=cohort, protocols=PROTOCOLS, by=["ptsd", lambda people: people["age_years"] > 60], **RUN)


def test_numbers_equal_those_of_the_command(tmp_path: Path) -> None:
    from taper_sim.cli import main

    path = tmp_path / "small.yaml"
    path.write_text(SCENARIO)
    assert main(["compare", str(path), "--patients", "60", "--days", "28", "--out", str(tmp_path / "run")]) == 0
    mine = ts.compare(path, patients=60, days=28, progress=False)
    pd.testing.assert_frame_equal(mine.summary, load_comparison(tmp_path / "run").summary, check_exact=True)
    assert mine.folder.joinpath("patients.parquet").read_bytes() == (tmp_path / "run/patients.parquet").read_bytes()


def test_people_of_a_scenario_give_the_scenario_s_numbers(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(SCENARIO)
    whole = ts.compare(path, patients=40, protocols=["constant()", "abrupt()"], days=28, draws=3, progress=False)
    people = ts.people(40, scenario=path)
    parts = ts.compare(people=people, protocols=["constant()", "abrupt()"], days=28, draws=3, progress=False)
    everybody = whole.summary[whole.summary["subgroup"] == "all"].reset_index(drop=True)
    pd.testing.assert_frame_equal(parts.summary, everybody, check_exact=True)


def test_subgroups_of_a_scenario_sample_its_people_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from taper_sim.api import comparison
    from taper_sim.scenario import building

    path = tmp_path / "small.yaml"
    path.write_text(SCENARIO)
    cohorts: list[object] = []

    def counted(*args: Any) -> Any:
        cohorts.append(args)
        return sampled(*args)

    sampled = building.build_cohort
    for module in (building, comparison):
        monkeypatch.setattr(module, "build_cohort", counted)
    words = {"patients": 40, "days": 14, "draws": 2, "progress": False}
    assert "ptsd=yes" in set(ts.compare(path, by="ptsd", **words).summary["subgroup"])
    assert len(cohorts) == 1
    with pytest.raises(ts.InputError, match="no column of the people"):
        ts.compare(path, by="ptsdd", **words)


def test_a_difference_is_that_of_the_table_and_turns_its_sign(result: ts.Comparison) -> None:
    forth = result.difference("abrupt()", "constant()", "pain_nrs_change").iloc[0]
    back = result.difference("constant()", "abrupt()", "pain_nrs_change").iloc[0]
    table = result.differences.set_index(["protocol", "outcome", "subgroup"])
    row = table.loc[("abrupt()", "pain_nrs_change", "all")]
    assert forth["mean"] == row["mean"] == -back["mean"]
    assert (forth["share_better"], forth["share_worse"]) == (back["share_worse"], back["share_better"])


def test_crossed_subgroups_divide_the_people(result: ts.Comparison, cohort: ts.People) -> None:
    rows = result.summary[(result.summary["protocol"] == "constant()") & (result.summary["outcome"] == "overdose")]
    cells = rows[rows["subgroup"].str.startswith("ptsd=")]
    assert cells["n"].sum() == len(cohort)
    expected = (cohort.frame["ptsd"] & (cohort.frame["age_years"] > 60)).sum()
    assert cells.set_index("subgroup").loc["ptsd=yes, group=yes", "n"] == expected


def test_covariates_stand_beside_outcomes(result: ts.Comparison, cohort: ts.People) -> None:
    people = result.people
    assert len(people) == 3 * len(cohort)
    first = people[people["protocol"] == "abrupt()"].reset_index(drop=True)
    assert (first["patient_id"] == cohort.frame["patient_id"]).all()
    assert (first["ptsd"] == cohort.frame["ptsd"]).all()
    assert (first["dose_end_mme"].dropna() < 90).any()


def test_the_answer_says_what_the_intervals_allow(result: ts.Comparison) -> None:
    assert "abrupt() reduces the dose most" in result.answer
    assert "peak withdrawal" in result.answer
    text = repr(result)
    assert "Calibrated to 41 published results" in text and "not clinically reviewed" in text
    assert len(text) < 4000
    assert "<table" in result._repr_html_()


def test_protocols_are_ranked_by_stated_weights_alone(cohort: ts.People, result: ts.Comparison) -> None:
    assert result.ranking is None and result.ranking_flips is None and "Nothing is ranked" in result.answer
    two = ["constant()", {"call": "constant()", "name": "the same"}]
    weights = {"pain": 1, "function": 1, "mood": 1, "medication": 1, "crisis": 2, "overdose": 10, "death": 100}
    twice = ts.compare(people=cohort, protocols=two, composite=weights, weights_of="the two of us", **RUN)
    assert twice.ranking is not None and twice.ranking["rank"].tolist() == [1, 1]
    assert twice.answer.startswith("By the weights of the two of us") and "not settled" in twice.answer
    with pytest.raises(InputError, match=r"composite\.death: given nothing"):
        ts.compare(people=cohort, protocols=two, weights_of="the two of us", **RUN)


def test_a_saved_run_is_loaded_as_it_was(result: ts.Comparison, tmp_path: Path) -> None:
    folder = result.save(tmp_path / "kept")
    assert result.save(folder) == folder  # the same run again is written over
    again = load_comparison(folder)
    pd.testing.assert_frame_equal(again.summary, result.summary, check_exact=True)
    pd.testing.assert_frame_equal(again.differences, result.differences, check_exact=True)
    pd.testing.assert_frame_equal(again.people, result.people, check_exact=True)
    assert (folder / "report.html").exists()


def test_another_run_is_not_written_over(result: ts.Comparison, cohort: ts.People, tmp_path: Path) -> None:
    result.save(tmp_path / "kept")
    other = ts.compare(people=cohort, protocols=["constant()"], **RUN)
    with pytest.raises(ts.InputError, match="another run"):
        other.save(tmp_path / "kept")


def test_a_saved_run_can_be_verified_where_it_is(result: ts.Comparison, tmp_path: Path) -> None:
    from taper_sim.cli import main

    assert main(["verify", str(result.save(tmp_path / "kept"))]) == 0


def test_a_policy_object_is_a_protocol_and_runs_twice(cohort: ts.People) -> None:
    once, again = (ts.compare(people=cohort, protocols=["constant()", Halve()], **RUN) for _ in range(2))
    assert once.protocols == ["constant()", "halve"]
    pd.testing.assert_frame_equal(once.summary, again.summary, check_exact=True)
    dose = once.summary.set_index(["protocol", "outcome"]).loc[("halve", "dose_reduction_pct"), "mean"]
    assert 40 < float(dose) < 60


def test_a_wrongly_shaped_order_names_policy_day_and_shapes(cohort: ts.People) -> None:
    class Flat(Halve):
        name = "flat"

        def decide(self, memory: None, observation: ts.Observation) -> ts.Order:
            return ts.Order(observation.dose_fraction[:, 0])

    with pytest.raises(
        ts.InputError, match=r"flat, day 1: given dose_fraction of shape \(120,\); allowed: shape \(120, 3\)"
    ):
        ts.compare(people=cohort, protocols=[Flat()], **RUN)


def test_an_outcome_of_one_s_own_is_reported_and_can_be_replaced(
    cohort: ts.People, capsys: pytest.CaptureFixture[str]
) -> None:
    try:

        @ts.outcome("own_dose", unit="equivalents/day", direction="lower", smallest_important=5)
        def own_dose(window: ts.OutcomeWindow) -> np.ndarray:
            return window.dose_start

        @ts.outcome("own_dose", unit="equivalents/day", direction="lower", smallest_important=5)
        def own_dose_again(window: ts.OutcomeWindow) -> np.ndarray:
            return window.dose_end

        assert "own_dose replaces" in capsys.readouterr().err
        result = ts.compare(people=cohort, protocols=["constant()", "abrupt()"], **RUN)
        assert np.array_equal(result.people["own_dose"], result.people["dose_end_mme"], equal_nan=True)
        row = result.difference("abrupt()", "constant()", "own_dose").iloc[0]
        assert row["mean"] < -40 and row["share_better"] > 0.5
    finally:
        if "own_dose" in BY_NAME:
            ALL.remove(BY_NAME.pop("own_dose"))


def test_a_shipped_outcome_is_not_replaced() -> None:
    with pytest.raises(ts.InputError, match="a name of its own"):
        ts.outcome("overdose", unit="x", direction="lower")(lambda window: window.dose_end)


def test_every_figure_is_drawn(result: ts.Comparison) -> None:
    plot = result.plot
    figures = [plot.trajectories(), plot.trajectories("pain"), plot.forest(), plot.tail(), plot.pareto()]
    assert all(isinstance(figure, Figure) for figure in figures)


def test_arrays_are_by_protocol_and_patient(result: ts.Comparison, cohort: ts.People) -> None:
    data = result.to_xarray()
    assert data["dose_end_mme"].dims == ("protocol", "patient")
    assert data["dose_end_mme"].shape == (3, len(cohort))
    assert np.array_equal(data["ptsd"].to_numpy(), cohort.frame["ptsd"].to_numpy())
    constant = result.people[result.people["protocol"] == "constant()"]["pain_nrs_change"].to_numpy()
    assert np.array_equal(data["pain_nrs_change"].sel(protocol="constant()").to_numpy(), constant, equal_nan=True)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({}, "protocols: given nothing"),
        ({"protocols": ["linear(pct=10)"]}, "needs every"),
        ({"protocols": [3]}, "int is no policy"),
        ({"protocols": ["constant()"], "by": "ptsdd"}, "did you mean ptsd"),
        ({"protocols": ["constant()"], "by": lambda people: [1]}, r"a result of shape \(1,\)"),
        ({"protocols": ["constant()"], "days": "x"}, "days: given x"),
        ({"protocols": ["constant()"], "outcomes": ["overdos"]}, "did you mean overdose"),
        ({"protocols": ["constant()"], "reference": "abrupt()"}, "reference: given abrupt"),
        ({"protocols": ["constant()"], "care": {"visits": 1}}, "visits"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(cohort: ts.People, arguments: Any, line: str) -> None:
    with pytest.raises(ts.InputError, match=line):
        ts.compare(people=cohort, progress=False, **arguments)


def test_people_whom_python_sampled_are_not_called_people_from_a_file():
    sampled = ts.people(12, drug="morphine ER", mg_per_day=90)
    result = ts.compare(people=sampled, protocols=["constant()"], days=14, draws=2, progress=False)
    assert "Simulated people: predictions of a model" in repr(result)
    assert "from a file" not in repr(result)
