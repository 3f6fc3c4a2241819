"""One patient's recommendation as a notebook asks for it."""

import json
from pathlib import Path

import pandas as pd
import pytest

import taper_sim as ts
from taper_sim.cli import main

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = (EXAMPLES / "checkins.csv", EXAMPLES / "doses.csv", EXAMPLES / "assessment.yaml")


@pytest.fixture(scope="module")
def answer() -> ts.Recommendation:
    return ts.recommend(*FILES)


def test_the_answer_is_that_of_the_command(answer: ts.Recommendation, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["recommend", str(FILES[0]), "--doses", str(FILES[1]), "--baseline", str(FILES[2]), "--json"]
    assert main(words) == 0
    assert answer.as_dict() == json.loads(capsys.readouterr().out)


def test_tables_give_what_their_files_give(answer: ts.Recommendation) -> None:
    checkins = pd.read_csv(FILES[0], parse_dates=["date"]).sample(frac=1.0, random_state=1)
    again = ts.recommend(checkins, pd.read_csv(FILES[1]), FILES[2])
    assert again.as_dict() == answer.as_dict()


def test_the_schedule_is_that_of_the_option_chosen(answer: ts.Recommendation) -> None:
    chosen = next(o for o in answer.as_dict()["options"] if o["name"] == answer.chosen)
    assert answer.schedule["date"].tolist() == [row["date"] for row in chosen["schedule"]]
    assert answer.options.set_index("name").loc[answer.chosen, "rank"] == 1


def test_most_reports_lie_within_their_forecasts(answer: ts.Recommendation) -> None:
    table = answer.forecasts
    assert len(table) == answer.as_dict()["quality"]["n_reports_used"]
    inside = ((table["reported"] >= table["lo90"]) & (table["reported"] <= table["hi90"])).mean()
    assert 0.8 < inside < 0.98
    assert len(answer.plot().axes) == table["instrument"].nunique()


def test_a_bundle_needs_no_tables() -> None:
    assert ts.recommend(bundle=EXAMPLES / "bundle.json").status == "recommend"


def test_it_shows_status_reasons_and_what_it_is_not_for(answer: ts.Recommendation) -> None:
    for text in (repr(answer), answer._repr_html_()):
        assert str(answer.chosen).split(" every")[0] in text  # a long name is wrapped
        assert "not a medical device" in text


def test_a_wrong_cell_names_the_argument_its_row_and_what_is_allowed() -> None:
    checkins = pd.read_csv(FILES[0])
    checkins.loc[3, "value"] = 99
    with pytest.raises(ts.InputError, match=r"^checkins: row 5, value: given 99 .*; allowed: 0 to 10"):
        ts.recommend(checkins, FILES[1])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"as_of": "soon"}, "as_of: given soon"),
        ({"limits": {"riskk": 0.1}}, "limits: riskk: .*did you mean risk"),
        ({"patient": "p9"}, "patient: given p9"),
        ({"horizon": 3}, "horizon: given 3"),
        ({"baseline": {"id": "p1"}}, "baseline: drugs"),
        ({"bundle": "b.json"}, "check-ins and a bundle"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, object], line: str) -> None:
    with pytest.raises(ts.InputError, match=line):
        ts.recommend(FILES[0], FILES[1], **arguments)  # type: ignore[arg-type]
