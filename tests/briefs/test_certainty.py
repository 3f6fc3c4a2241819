"""Certainty of an outcome: each rule lowers it where it should and nowhere else; the tables behind it are generated."""

from dataclasses import replace

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from taper_sim import tables
from taper_sim.briefs.brief_rows import BRIEF_ROWS, BriefRow, PerThousand
from taper_sim.briefs.certainty import (
    CERTAINTY_RULES,
    CERTAINTY_WORDS,
    FEWEST_HELD_OUT,
    CertaintyBasis,
    basis_of,
    rate,
    similar_forms,
)
from taper_sim.evidence import certainty_inputs
from taper_sim.evidence.certainty_inputs import HeldOut, form_differences, held_out
from tests.conftest import ROOT

ROWS = {row.name: row for row in BRIEF_ROWS}
CRISIS = ROWS["mental_health_crisis"]


def frequency(mean: float, low: float = float("nan"), high: float = float("nan"), reason: str = "") -> PerThousand:
    return PerThousand(mean, low, high, reason, 500)


#: Nothing lowers the certainty of this difference: 20 more, 15 to 25.
SOUND = CertaintyBasis(
    CRISIS,
    frequency(20.0, 15.0, 25.0),
    is_calibrated=True,
    is_reviewed=True,
    held_out=HeldOut(5, 5),
    by_form=(("the model", 2.0), ("another", 1.5)),
)


def test_a_difference_that_no_rule_lowers_is_of_high_certainty() -> None:
    rated = rate(SOUND)
    assert (rated.word, rated.why) == ("high", "no rule lowers it")


@pytest.mark.parametrize(
    ("rule", "changes", "steps"),
    [
        ("calibrated", {"is_calibrated": False}, 1),
        ("predictions", {"held_out": HeldOut(0, 0)}, 1),
        ("predictions", {"held_out": HeldOut(FEWEST_HELD_OUT - 1, FEWEST_HELD_OUT - 1)}, 1),
        ("predictions", {"held_out": HeldOut(10, 7)}, 1),
        ("predictions", {"held_out": HeldOut(10, 8)}, 0),
        ("predictions", {"held_out": HeldOut(FEWEST_HELD_OUT, FEWEST_HELD_OUT)}, 0),
        ("width", {"difference": frequency(20.0, 5.0, 25.0)}, 1),
        ("width", {"difference": frequency(0.0, -15.0, 5.0)}, 1),
        ("width", {"difference": frequency(5.0, -15.0, 25.0)}, 2),
        ("width", {"difference": frequency(5.0, reason="fewer than 5 people with it")}, 2),
        ("width", {"difference": frequency(2.0, -9.0, 9.0)}, 0),
        ("forms", {"by_form": ()}, 1),
        ("forms", {"by_form": (("the model", 0.9), ("another", 1.1))}, 1),
        ("forms", {"by_form": (("the model", -1.1), ("another", 1.1))}, 1),
        ("forms", {"by_form": (("the model", -0.9), ("another", 0.9))}, 0),
        ("review", {"is_reviewed": False}, 1),
    ],
)
def test_a_rule_lowers_the_certainty_by_its_steps_and_no_other_rule_does(
    rule: str, changes: dict[str, object], steps: int
) -> None:
    rated = rate(replace(SOUND, **changes))  # type: ignore[arg-type]
    assert {name: change.steps for name, change in rated.lowered.items() if change.steps} == (
        {rule: steps} if steps else {}
    )
    assert rated.word == CERTAINTY_WORDS[3 - steps]
    assert all(change.why for change in rated.lowered.values())


def test_steps_add_up_and_end_at_very_low() -> None:
    two = rate(replace(SOUND, is_reviewed=False, is_calibrated=False))
    assert two.word == "low"
    worst = rate(replace(SOUND, is_reviewed=False, is_calibrated=False, by_form=(), held_out=HeldOut(0, 0)))
    assert (worst.word, worst.rank) == ("very low", 0)
    assert worst.why.count("(−1)") == 4


def test_every_rule_says_what_it_reads_does_and_what_would_raise_it() -> None:
    assert len({rule.name for rule in CERTAINTY_RULES}) == len(CERTAINTY_RULES) == 5
    assert all(rule.reads and rule.effect and rule.remedy for rule in CERTAINTY_RULES)


@pytest.mark.parametrize(
    ("name", "table"), [("held_out", certainty_inputs.held_out_table), ("model_forms", certainty_inputs.forms_table)]
)
def test_the_shipped_tables_are_those_that_the_generator_writes(name: str, table: object) -> None:
    written = table(ROOT / "docs" / "tables")  # type: ignore[operator]
    shipped = pd.read_csv(ROOT / "taper_sim" / "tables" / f"{name}.csv", keep_default_na=False)
    assert_frame_equal(written.reset_index(drop=True), shipped, check_dtype=False)


def test_results_of_other_drugs_and_outcomes_do_not_test_a_prediction() -> None:
    opioid, none = frozenset({"opioid"}), frozenset({"gabapentinoid"})
    assert held_out(CRISIS.published, opioid, calibrated=True).n == 1
    assert held_out(CRISIS.published, none, calibrated=True).n == 0
    overdose = held_out(ROWS["overdose"].published, opioid, calibrated=True)
    assert overdose.n > overdose.inside >= FEWEST_HELD_OUT  # one of them was predicted wrongly
    rows = tables.read("held_out").rows
    assert overdose.n == sum(
        row["prediction"] == "fit" and row["outcome"] in ROWS["overdose"].published and row["drug_class"] == "opioid"
        for row in rows
    )


def test_the_taper_with_the_most_similar_difference_stands_for_the_run() -> None:
    tapers = {taper.protocol: taper for taper in form_differences("mental_health_crisis")}
    large = dict(similar_forms(CRISIS, frequency(100.0)))
    assert large == {
        form: pytest.approx(1000.0 * value / CRISIS.important) for form, value in tapers["abrupt stop"].by_form
    }
    small = dict(similar_forms(CRISIS, frequency(0.0)))
    assert small["the model"] < large["the model"]
    assert similar_forms(ROWS["death"], frequency(0.0)) == ()


@pytest.mark.parametrize("row", [row for row in BRIEF_ROWS if row.forms], ids=lambda row: row.name)
def test_a_row_that_names_forms_has_them(row: BriefRow) -> None:
    assert len({form for form, _ in similar_forms(row, frequency(0.0))}) == 11


def test_an_unreviewed_table_makes_the_run_unreviewed() -> None:
    manifest = {
        "scenario": {},
        "ensemble": {"calibrated": True},
        "clinical_review": tables.REVIEWED,
        "tables": [{"status": tables.REVIEWED}],
    }
    opioid = frozenset({"opioid"})
    assert basis_of(manifest, CRISIS, frequency(0.0), opioid).is_reviewed
    manifest["tables"].append({"status": tables.UNREVIEWED})  # type: ignore[attr-defined]
    assert not basis_of(manifest, CRISIS, frequency(0.0), opioid).is_reviewed
