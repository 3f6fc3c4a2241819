"""A researcher's question is answered in ten lines: the lines of the guide, run on few people."""

import re

import pytest

import taper_sim as ts
from tests.conftest import ROOT

GUIDE = (ROOT / "docs" / "how-to" / "api.md").read_text(encoding="utf-8")


def test_oxycodone_with_ptsd_by_rural_home_and_mood_disorder(capsys: pytest.CaptureFixture[str]) -> None:
    section = GUIDE.split("## A whole question in ten lines")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    lines = [line for line in code.splitlines() if line]
    assert len(lines) <= 10 and not any(";" in line for line in lines)
    small = code.replace("people(400,", "people(80,").replace("days=84", "days=28").replace("draws=10", "draws=2")
    names: dict = {"ts": ts}
    exec(compile(small, "api.md", "exec"), names)  # noqa: S102 - the guide's own lines
    people, question = names["cohort"].frame, names["question"]
    assert (people["opioid_mg_per_day"] == 120).all() and people["ptsd"].all()
    assert people["opioid_drug"].str.startswith("oxycodone").all()
    table = question.tail("withdrawal_peak")
    assert len(question.protocols) == 4
    crossed = {name for name in table["subgroup"] if "rural=" in name and "mood_disorder=" in name}
    assert len(crossed) == people.groupby([names["rural"](people), people["mood_disorder"]]).ngroups > 1
    everybody = table[table["subgroup"] == "all"].set_index("protocol")
    assert (everybody["worst5"] >= everybody["mean"]).all()
    outcomes = question.people.groupby("protocol")["withdrawal_peak"]
    for protocol, values in outcomes:
        worst = values.nlargest(round(0.05 * len(values))).mean()
        assert everybody.loc[protocol, "worst5"] == pytest.approx(worst, abs=0.05)
        assert everybody.loc[protocol, "mean"] == pytest.approx(values.mean(), abs=0.02)
    assert "worst5" in capsys.readouterr().out


def test_an_outcome_without_a_worst_5_percent_is_one_line() -> None:
    people = ts.people(20, drug="morphine ER", mg_per_day=90)
    result = ts.compare(people=people, protocols=["constant()"], days=28, draws=2, progress=False)
    with pytest.raises(ts.InputError, match="tail: outcome: given 'overdose', without a worst 5 %"):
        result.tail("overdose")
