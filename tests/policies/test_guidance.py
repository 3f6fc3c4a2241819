"""Presets: published worked examples dose by dose, what is refused, what is reported, and the page that lists them."""

import re
from pathlib import Path

import numpy as np
import pytest

from taper_sim import tables
from taper_sim.data import formulary
from taper_sim.data.problems import InputError
from taper_sim.model.pharmacology import Tablet, dispensable_totals, regimen, round_to_dispensable
from taper_sim.policies import calls, fixed, guidance
from taper_sim.policies.fixed import steps_table
from taper_sim.policies.guidance import Preset, guidelines, listing, preset, presets_markdown
from taper_sim.policies.interface import Patients, registered
from taper_sim.units import DRUG_CLASSES

PAGE = Path(__file__).parents[2] / "docs" / "protocols.md"
EXAMPLES = tables.read("guideline_examples").rows
SIMULATED = [name for name, row in guidelines().items() if row["simulated"] == "yes"]
LISTED = [name for name, row in guidelines().items() if row["simulated"] == "no"]


def patient(drug: str, formulation: str, mg: float, use_days: float = 2000.0) -> Patients:
    """Write out one patient on one drug."""
    found = formulary.find_drug(drug, formulation)
    k = DRUG_CLASSES.index(found.drug_class)
    dose, own = np.zeros((1, 3)), np.zeros((1, 3))
    dose[0, k], own[0, k] = formulary.equivalents(found, mg), mg
    return Patients(dose, own, [{k: drug}], np.full((1, 3), use_days), {})


def built(call: str) -> Preset:
    policy = calls.build(call)
    assert isinstance(policy, Preset)
    return policy


def example(name: str) -> list[tables.Row]:
    return [row for row in EXAMPLES if row["example"] == name]


SINGLE = [
    name
    for name in dict.fromkeys(row["example"] for row in EXAMPLES)
    if len({row["drug"] for row in example(name)}) == 1 and example(name)[0]["guideline"] in SIMULATED
]


# worked examples


def test_every_example_of_one_drug_is_of_a_guideline_that_is_simulated() -> None:
    others = {row["example"] for row in EXAMPLES} - set(SINGLE)
    assert others == {"lorazepam_1mg_bd_via_diazepam"}  # a substitution, listed in docs/protocols.md
    assert len(SINGLE) == 8


@pytest.mark.parametrize("name", SINGLE)
def test_a_preset_reproduces_the_worked_example_day_by_day(name: str) -> None:
    rows = example(name)
    days, doses = [int(row["day"]) for row in rows], [float(row["dose_per_day"]) for row in rows]
    every, own = days[2] - days[1], int(guidelines()[rows[0]["guideline"]]["every_days"])
    policy = preset(rows[0]["guideline"], every=None if every == own else every)
    found = steps_table(policy, patient(rows[0]["drug"], rows[0]["formulation"], doses[0]), 1000)
    if doses[-1] == 0:
        assert len(found) == len(rows)
    assert [day for day, _ in found[: len(rows)]] == days
    # doses that go on below a tenth are printed to four decimals
    np.testing.assert_allclose(
        [share * doses[0] for _, share in found[: len(rows)]], doses, rtol=1e-6, atol=0 if doses[-1] == 0 else 5e-5
    )


def test_the_examples_with_whole_doses_are_reproduced_to_a_millionth() -> None:
    for name in SINGLE:
        doses = [float(row["dose_per_day"]) for row in example(name)]
        assert doses[-1] == 0 or name == "morphine_100mg_cdc_under_1y"
    found = steps_table(preset("CDC 2022 (use weeks-months)"), patient("morphine", "IR", 100.0), 107)
    exact = [100.0 - 10 * k for k in range(8)] + [30 * 0.9**k for k in range(1, 10)]
    np.testing.assert_allclose([100 * share for _, share in found], exact, rtol=1e-6)


def test_the_va_example_is_made_of_tablets_and_each_monthly_cut_is_within_5_to_20_percent_of_original() -> None:
    drug = formulary.find_drug("morphine", "ER")
    start, half_a_tablet = 270.0, 7.5
    policy = preset("VA Opioid Taper Decision Tool - slower")
    path = steps_table(policy, patient("morphine", "ER", start), 400)
    assert [day for day, _ in path] == [0, *range(1, 254, 28)]
    totals = dispensable_totals(drug, 3, start)
    given = [start]
    for _, share in path[1:]:
        given.append(float(round_to_dispensable(share * start, given[-1], totals)))
    assert given[-1] == 0
    assert all(dose % 15 == 0 for dose in given)
    tablets = {piece for dose in given for piece in regimen(drug, dose, 3).pills_per_day}
    assert tablets <= {Tablet(15.0), Tablet(30.0), Tablet(60.0)}
    assert set(given) <= set(totals)
    assert np.abs(np.array(given) - [share * start for _, share in path]).max() <= half_a_tablet
    cuts = -np.diff(given)
    assert cuts.min() >= 0.05 * start - half_a_tablet
    assert cuts.max() <= 0.20 * start + half_a_tablet


# kinds of steps in the table


def test_from_30_percent_of_original_on_the_cdc_preset_cuts_the_current_dose() -> None:
    shares = [s for _, s in steps_table(preset("CDC 2022 (use weeks-months)"), patient("morphine", "IR", 60.0), 1000)]
    assert shares[:8] == pytest.approx([1 - 0.1 * k for k in range(8)])
    ratios = np.array(shares[8:-1]) / np.array(shares[7:-2])
    np.testing.assert_allclose(ratios, 0.9)
    assert shares[-2] * 0.9 < 0.05 <= shares[-2]


def test_the_last_third_goes_at_half_the_pace() -> None:
    shares = [
        s for _, s in steps_table(preset("deprescribingnetwork.ca opioid"), patient("morphine", "IR", 60.0), 1000)
    ]
    assert shares == pytest.approx([1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05, 0])


@pytest.mark.parametrize(
    ("drug", "formulation", "mg"),
    [("lorazepam", "IR", 2.0), ("clonazepam", "IR", 1.0), ("temazepam", "IR capsule", 40.0)],
)
def test_the_diazepam_ladder_counts_other_benzodiazepines_by_equivalents(
    drug: str, formulation: str, mg: float
) -> None:
    policy = preset("NICE CKS / Ashton diazepam ladder")
    other = steps_table(policy, patient(drug, formulation, mg), 400)
    np.testing.assert_allclose(other, steps_table(policy, patient("diazepam", "IR", 20.0), 400), rtol=1e-12)


def test_above_its_top_the_ladder_goes_on_with_its_first_step_and_says_so() -> None:
    policy = preset("NICE CKS / Ashton diazepam ladder")
    high = patient("diazepam", "IR", 46.0)
    doses = [46 * share for _, share in steps_table(policy, high, 1000)]
    assert doses[:5] == pytest.approx([46, 44, 42, 40, 38])
    assert any("start above 40 mg of diazepam" in said for said in policy.warnings(high))
    assert policy.warnings(patient("diazepam", "IR", 40.0)) == []


@pytest.mark.parametrize(
    ("text", "rungs"),
    [
        ("20<dose<=40:2;0<dose<=20:1", ((20, 40, 2), (0, 20, 1))),
        ("0<dose<=5:0.5; 5<dose<=10:1", ((5, 10, 1), (0, 5, 0.5))),
        ("20<dose<=40:2;0<dose<=15:1", None),
        ("5<dose<=10:1", None),
        ("0<dose<=10:0", None),
        ("slowly", None),
        ("0<dose<=10:1;soon", None),
        ("", None),
    ],
)
def test_a_ladder_is_read_from_its_text_and_one_with_gaps_is_not(text: str, rungs: object) -> None:
    assert guidance._rungs(text) == rungs


@pytest.mark.parametrize(
    ("text", "phases"),
    [
        ("original until 40% of the original dose is left, then current", ((0.4, 8, "original"), (0, 8, "current"))),
        ("last quarter at a third the pct", ((0.25, 8, "original"), (0, 8 / 3, "original"))),
        ("last bit slower", None),
        ("", None),
    ],
)
def test_phases_are_read_from_their_text(text: str, phases: object) -> None:
    assert guidance._phases(text, 8.0, "original") == phases


def test_a_row_that_is_not_understood_is_an_error_that_names_it() -> None:
    row = dict(guidelines()["deprescribingnetwork.ca opioid"], steps="as slowly as the moon")
    with pytest.raises(ValueError, match=r"deprescribingnetwork\.ca opioid: policy 'stepwise' with steps 'as slowly"):
        guidance._schedule(row, None, None, {})


@pytest.mark.parametrize("name", SIMULATED)
def test_a_preset_simulates_the_machine_columns_of_its_row(name: str) -> None:
    row, policy = guidelines()[name], preset(name)
    kinds = {"linear": fixed.Linear, "exponential": fixed.Exponential, "fixed_mg": fixed.FixedMg}
    if row["policy"] in kinds:
        assert type(policy.schedule) is kinds[row["policy"]]
    assert policy.schedule.tapers == row["drug_class"]
    for column, attribute in (("pct", "pct"), ("every_days", "every"), ("step_mg", "step_mg"), ("basis", "basis")):
        if row[column] and hasattr(policy.schedule, attribute):
            assert str(getattr(policy.schedule, attribute)).removesuffix(".0") == row[column]
    days = list(policy.decision_days(100))
    assert days[1] - days[0] == int(row["every_days"])


# what is refused


@pytest.mark.parametrize("name", LISTED)
def test_a_guideline_without_a_pace_is_listed_and_refused_with_the_reason(name: str) -> None:
    with pytest.raises(InputError) as caught:
        calls.build(f'preset("{name}")', file="s.yaml", place="protocols.0")
    assert str(caught.value) == (
        f"s.yaml: protocols.0: given {name}; allowed: listed, not simulated: {guidelines()[name]['simulated_note']}"
    )


def test_an_unknown_guideline_is_told_the_nearest() -> None:
    with pytest.raises(InputError, match=r"did you mean CDC 2022 \(use >=1 year\)\?"):
        calls.build('preset("CDC 2022 (use >= 1 year)")')


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ('preset("TAPMI Toronto", every=3)', "7 to 14 days"),
        ('preset("HHS Guide", pct=25)', "5 to 20 %"),
        ('preset("NHS Fife pregabalin", pct=10)', "mg instead of percent"),
        ('preset("TAPMI Toronto", drug_class=opioid)', "arguments of preset"),
    ],
)
def test_a_pace_that_the_source_does_not_publish_is_refused(call: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        calls.build(call)


# options


def test_a_pace_within_the_published_range_may_be_chosen() -> None:
    policy = built('preset("HHS Guide", pct=20)')
    assert [s for _, s in steps_table(policy, patient("morphine", "IR", 60.0), 400)] == [1, 0.8, 0.6, 0.4, 0.2, 0]
    assert policy.name == 'preset("HHS Guide", pct=20)'
    slower = built('preset("CDC 2022 (use >=1 year)", every=30)')
    assert slower.decision_days(40) == [1, 31]


def test_options_of_every_schedule_hold_for_presets() -> None:
    policy = built('preset("TAPMI Toronto", floor_pct=50, start_day=8, pause_after=2, pause_days=7, ceiling_pct=10)')
    assert steps_table(policy, patient("morphine", "IR", 60.0), 200)[:4] == [(0, 1.0), (8, 0.95), (22, 0.9), (43, 0.85)]
    assert steps_table(policy, patient("morphine", "IR", 60.0), 1000)[-1][1] == 0.5
    ends = built('preset("Ashton Manual", end_pct=50)')
    assert steps_table(ends, patient("diazepam", "IR", 20.0), 1000)[-2][1] == pytest.approx(0.9**6)


# what is reported


def test_who_does_not_take_the_class_stays_and_is_counted() -> None:
    policy = preset("Ashton Manual")
    opioid = patient("morphine", "IR", 60.0)
    assert steps_table(policy, opioid, 1000) == [(0, 1.0)]
    assert policy.warnings(opioid) == ["1 of 1 patients take no benzodiazepine: doses unchanged"]


def test_a_pace_above_the_tools_own_cap_is_said_and_still_simulated_as_published() -> None:
    fast = preset("UK BIOR trial protocol (primary care)")
    assert fast.exceeds_cap == "exceeds the tool's cap: 40 % of original per 28 days, cap 30 %"
    assert steps_table(fast, patient("morphine", "IR", 60.0), 100)[-1] == (64, 0.0)
    middle = preset("TAPMI Toronto")
    assert middle.exceeds_cap.endswith("20 % of original per 28 days, cap 10 % after more than 365 days of use")
    assert middle.warnings(patient("morphine", "IR", 60.0, use_days=365)) == []
    assert middle.warnings(patient("morphine", "IR", 60.0, use_days=366)) == [
        "exceeds the tool's cap for 1 of 1 patients: 20 % of original per 28 days, cap 10 %"
    ]
    assert preset("CDC 2022 (use >=1 year)").exceeds_cap == ""
    assert preset("TAPMI Toronto", ceiling_pct=10).exceeds_cap == ""


def test_the_fastest_28_days_are_28_days_in_a_row() -> None:
    assert guidance._fastest([(0, 1.0), (1, 0.8), (28, 0.7), (29, 0.6)]) == pytest.approx(30)
    assert guidance._fastest([(0, 1.0), (1, 0.8), (29, 0.6)]) == pytest.approx(20)


@pytest.mark.parametrize("name", [n for n in SIMULATED if "exceeds the tool cap" in guidelines()[n]["simulated_note"]])
def test_where_the_table_warns_of_the_cap_the_fastest_reading_is_above_it(name: str) -> None:
    assert float(preset(name).describe()["ceiling_pct_per_28d"]) > guidance.CAP_PCT


@pytest.mark.parametrize("name", SIMULATED)
def test_a_preset_is_never_faster_than_the_ceiling_of_its_row(name: str) -> None:
    policy = preset(name)
    ceiling, fastest = guidelines()[name]["ceiling_pct_per_28d"], policy.fastest_pct_per_28d
    if ceiling and fastest is not None:
        last = 0.2 if policy.schedule.last_step.startswith("ends at 0;") else 1e-9  # the end rule is ours
        assert fastest <= float(ceiling) + last


@pytest.mark.parametrize("name", SIMULATED)
def test_a_preset_says_what_its_source_says_on_pauses_and_what_happens_at_the_end(name: str) -> None:
    row, said = guidelines()[name], preset(name).describe()
    for column in (
        "pause_rule",
        "hold_rule",
        "max_rate_note",
        "applies_if",
        "source",
        "year",
        "verified",
        "verify_note",
    ):
        assert said[column] == row[column]
    assert said["name"] == name
    assert str(said["last_step_rule"]).startswith("ends at 0")
    assert ("assumed: the source gives no last step" in str(said["last_step_rule"])) == (
        row["basis"] == "current" or "current" in row["steps"]
    )


def test_nothing_is_called_reviewed_before_a_person_has_signed_it() -> None:
    said = preset("HHS Guide").describe()
    assert said["reviewed"] is False
    assert said["review"] == tables.UNREVIEWED
    signed = dict(guidelines()["HHS Guide"], reviewed_by="A. Person, MD", reviewed_on="2027-01-01")
    assert Preset(signed, preset("HHS Guide").schedule, "").describe()["reviewed"] is True


def test_the_listing_has_every_call_and_every_guideline_once() -> None:
    listed = listing()
    names = [row["call"] for row in listed]
    assert len(set(names)) == len(names)
    assert {f"{name}()" for name in registered()} <= set(names)
    assert len(guidelines()) == len(tables.read("guidelines").rows)
    assert sum(row["review"] == tables.UNREVIEWED for row in listed) == len(guidelines())
    for row in listed:
        assert row["meaning"]
        assert set(row) == set(listed[0])
        assert "\n" not in "".join(row.values())
    by_call = {row["call"]: row for row in listed}
    assert by_call["linear()"]["arguments"].startswith("pct, every, ")
    assert by_call['preset("NICE NG215")']["simulated"] == "no"
    assert "exceeds the tool's cap: 20 %" in by_call['preset("TAPMI Toronto")']["note"]


# the page


def test_the_tables_of_the_page_are_up_to_date() -> None:
    found = re.search(r"<!-- presets: begin -->\n(.*)\n<!-- presets: end -->", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    assert found[1] == presets_markdown()


def test_the_page_names_every_argument_of_every_schedule() -> None:
    text = PAGE.read_text("utf-8")
    for row in listing():
        if row["source"] == "docs/protocols.md" and row["call"][:-2] in (
            "abrupt",
            "linear",
            "exponential",
            "fixed_mg",
            "hyperbolic",
            "rapid",
            "preset",
        ):
            assert f"`{row['call'][:-1]}" in text
            for argument in filter(None, row["arguments"].split(", ")):
                assert f"`{argument.split('=')[0]}`" in text, (row["call"], argument)


def test_the_calls_of_the_page_can_be_built() -> None:
    blocks = re.findall(r"```text\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]
    assert len(lines) >= 10
    for line in lines:
        for call in calls.split_protocols(line):
            calls.build(call)


def test_the_page_says_which_example_is_not_simulated() -> None:
    assert "lorazepam_1mg_bd_via_diazepam" in PAGE.read_text("utf-8")
