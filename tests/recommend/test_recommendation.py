"""Promises of a recommendation: what it never offers, and what it always contains."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from taper_sim.cli import main
from taper_sim.data.drugs_taken import DrugTaken, equivalents_of
from taper_sim.data.formulary import find_drug
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of
from taper_sim.model.pharmacology import regimen
from taper_sim.recommend import recommendation
from taper_sim.recommend.options import LONG_ACTING_BENZODIAZEPINE
from taper_sim.recommend.recommendation import recommend
from taper_sim.safety.ceilings import ceiling_of
from taper_sim.safety.limits import Limits
from tests.recommend.calm_answers import CALM_ANSWERS

TODAY = date(2026, 3, 31)
SAFE = CALM_ANSWERS | dict.fromkeys(("phq9_item9", "agitation", "syncope", "ssri", "snri", "maoi"), 0.0)
EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def patient(
    *doses: tuple[int, str, str, float],
    checkins: tuple[tuple[int, str, float], ...] = (),
    days: int = 56,
    **answers: float,
) -> History:
    """Records of a patient with these doses (days ago, drug, form, dose) and few symptoms, reported on most days."""
    rng = np.random.default_rng(1)
    rows = tuple(DoseRow(TODAY - timedelta(days=ago), find_drug(d, f), dose) for ago, d, f, dose in doses)
    usual = {"sows_gossop": 3.0, "pain_nrs": 6.0, "mood_item": 3.0, "sleep_item": 5.0, "function": 45.0}
    spread = {"sows_gossop": 1.0, "pain_nrs": 1.0, "mood_item": 1.2, "sleep_item": 1.8, "function": 5.0}
    well = [
        CheckIn(
            TODAY - timedelta(days=ago),
            name,
            float(np.clip(round(mean + spread[name] * rng.standard_normal()), 0, 10 if mean < 10 else 100)),
        )
        for ago in range(days)
        if rng.random() < 0.85
        for name, mean in usual.items()
    ]
    extra = tuple(CheckIn(TODAY - timedelta(days=ago), name, value) for ago, name, value in checkins)
    return History("p", (*well, *extra), rows, {**SAFE, **answers})


MORPHINE = ((400, "morphine", "ER", 120.0),)


def answer_for(history: History, as_of: date = TODAY, **limits: Any) -> dict[str, Any]:
    """The answer to a history, with few draws."""
    answer = recommend(history, as_of, limits=Limits(**limits), draws=512).as_dict()
    json.dumps(answer, allow_nan=False)
    return answer


def reductions(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Reductions, offered or blocked."""
    return [o for o in answer["options"] if o["kind"] == "reduce"]


def offered(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Offered reductions."""
    return [o for o in reductions(answer) if o["status"] == "offered"]


def test_a_patient_with_few_symptoms_who_agrees_is_offered_a_reduction_in_tablets_that_exist() -> None:
    answer = answer_for(patient(*MORPHINE))
    assert answer["status"] == "recommend"
    assert offered(answer) and answer["chosen"].startswith("reduce opioid")
    for option in offered(answer):
        for row in option["schedule"]:
            drug = find_drug(row["drug"], row["formulation"])
            if row["dose_mg_per_day"] == 120.0:
                assert row["tablets"] == "unchanged: exactly as taken now"
            elif row["dose_mg_per_day"]:
                assert row["tablets"] in {regimen(drug, row["dose_mg_per_day"], n).words() for n in (1, 2, 3)}
    assert any("naloxone" in reason for reason in answer["reasons"])
    assert any("not clinically reviewed" in reason for reason in answer["reasons"])
    assert answer["basis"]["calibrated"] is True and answer["basis"]["tables_reviewed"] is False


@pytest.mark.parametrize(
    ("drug", "formulation", "dose", "use_days"),
    [
        ("morphine", "ER", 120.0, 2000.0),
        ("oxycodone", "IR", 60.0, 2000.0),
        ("fentanyl", "TD", 75.0, 2000.0),
        ("methadone", "IR", 40.0, 2000.0),
        ("buprenorphine", "SL film/tablet", 16.0, 900.0),
        ("hydromorphone", "ER", 32.0, 200.0),
    ],
)
def test_no_schedule_is_faster_than_the_ceiling_and_a_larger_step_waits_longer(
    drug: str, formulation: str, dose: float, use_days: float
) -> None:
    answer = answer_for(patient((400, drug, formulation, dose), opioid_use_days=use_days))
    ceiling = answer["limits"]["ceilings"]["opioid"]["pct_per_28d"]
    assert ceiling <= (10.0 if use_days > 365 else 30.0)
    entry = find_drug(drug, formulation)
    original = float(equivalents_of((DrugTaken(entry, dose, 1),))[0])
    for option in offered(answer):
        days = [original] * 28
        by_drug: dict[tuple[str, str], float] = {(drug, formulation): dose}
        steps = {row["date"]: [] for row in option["schedule"]}  # type: ignore[var-annotated]
        for row in option["schedule"]:
            steps[row["date"]].append(row)
        for d in range(1, 85):
            for row in steps.get((TODAY + timedelta(days=d)).isoformat(), []):
                own = row["dose_mg_per_day"] if row["dose_mg_per_day"] is not None else row["dose_mcg_per_h"]
                by_drug[row["drug"], row["formulation"]] = own
            slots = tuple(DrugTaken(find_drug(*key), amount, 1) for key, amount in by_drug.items())
            days.append(float(equivalents_of(slots)[0]))
        cuts = {k: 100 * (days[k - 1] - days[k]) / original for k in range(28, len(days)) if days[k] < days[k - 1]}
        assert cuts
        last = 28  # tomorrow
        for k, cut in cuts.items():
            assert cut <= 25 + 1e-6, option["name"]
            if cut > ceiling + 1e-6:
                assert k - last >= 28 * cut / ceiling - 1e-6, option["name"]
            else:
                assert 100 * (days[k - 28] - days[k]) / original <= ceiling + 1e-6, option["name"]
            last = k


def test_only_a_named_prescriber_raises_the_ceiling_and_never_beyond_the_cap() -> None:
    raised = {"ceiling_raised": {"opioid": {"pct_per_28d": 25, "by": "Dr A", "reason": "surgery"}}}
    assert ceiling_of("opioid", 2000, 0, Limits()).pct_per_28d == 10
    ceiling = ceiling_of("opioid", 2000, 0, Limits(**raised))  # type: ignore[arg-type]
    assert ceiling.pct_per_28d == 25 and "Dr A" in ceiling.basis
    assert ceiling_of("opioid", 2000, 1, Limits()).pct_per_28d == 5
    with pytest.raises(ValueError, match="30"):
        Limits(ceiling_raised={"opioid": {"pct_per_28d": 31, "by": "Dr A", "reason": "x"}})  # type: ignore[dict-item]


def test_acknowledging_an_unknown_flag_is_an_error() -> None:
    with pytest.raises(ValueError, match="suicidal_thought"):
        Limits(acknowledged={"suicidal_thoughts": {"by": "Dr A", "reason": "x"}})  # type: ignore[dict-item]


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_blank_names_and_reasons_are_errors(blank: str) -> None:
    for by, reason in ((blank, "seen"), ("Dr A", blank)):
        with pytest.raises(ValueError, match="at least 1"):
            Limits(acknowledged={"suicidal_thought": {"by": by, "reason": reason}})  # type: ignore[dict-item]


@pytest.mark.parametrize(("helps", "status"), [(True, "recommend"), (False, "abstain")])
def test_a_posterior_that_fails_its_diagnostics_is_drawn_again_with_more_draws(
    helps: bool, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_draws = []

    def few_effective(evidence: Evidence, draws: int, seed: int) -> Posterior:
        n_draws.append(draws)
        posterior = posterior_of(evidence, draws, seed)
        return replace(posterior, ess=posterior.ess if helps and len(n_draws) > 1 else 60.0)

    monkeypatch.setattr(recommendation, "posterior_of", few_effective)
    answer = answer_for(patient(*MORPHINE))
    assert n_draws == [512, 512 * recommendation.MORE_DRAWS]
    assert answer["status"] == status


def test_an_emergency_gives_the_person_to_call_and_no_options() -> None:
    answer = answer_for(patient(*MORPHINE, checkins=((0, "seizure", 1.0),)))
    assert answer["status"] == "urgent" and answer["options"] == [] and answer["chosen"] is None
    assert any("call: prescriber, now" in reason for reason in answer["reasons"])


def test_a_same_day_flag_bars_reductions_until_a_named_person_acknowledges() -> None:
    thought = patient(*MORPHINE, checkins=((0, "phq9_item9", 1.0),))
    answer = answer_for(thought)
    assert answer["status"] == "recommend" and answer["chosen"] == "hold" and not offered(answer)
    seen = answer_for(thought, acknowledged={"suicidal_thought": {"by": "Dr B", "reason": "spoke today, safe"}})
    assert offered(seen)
    flag = next(f for f in seen["red_flags"] if f["flag"] == "suicidal_thought")
    assert flag["acknowledged_by"] == "Dr B"


def test_while_tapering_a_same_day_flag_bars_every_reduction() -> None:
    history = patient(
        (400, "oxycodone", "IR", 100.0), (14, "oxycodone", "IR", 92.5), checkins=((0, "phq9_item9", 1.0),)
    )
    answer = answer_for(history)
    assert not offered(answer) and answer["chosen"] in (
        "hold",
        "step back to the opioid dose before the last reduction",
    )
    assert any("no reduction until" in o["status"] for o in reductions(answer))


def test_a_missing_answer_that_a_reduction_needs_blocks_reductions_and_is_asked() -> None:
    history = patient(*MORPHINE)
    unknown = {k: v for k, v in history.answers.items() if k != "suicidal_intent"}
    answer = answer_for(replace(history, answers=unknown))
    assert answer["status"] == "recommend" and answer["chosen"] == "hold"
    assert all(o["status"].startswith("blocked: ") for o in reductions(answer))
    assert any("ask suicidal_intent" in o["status"] for o in reductions(answer))
    assert "suicidal_intent" in {q["variable"] for q in answer["questions"]}


def test_no_reduction_is_offered_without_agreement() -> None:
    answer = answer_for(patient(*MORPHINE, patient_agreed_to_taper=0.0))
    assert not offered(answer) and answer["chosen"] == "hold"


@pytest.mark.parametrize(
    "history",
    [
        patient(*MORPHINE, pregnant=1.0),
        patient(*MORPHINE, (30, "buprenorphine", "SL film/tablet", 8.0)),
        replace(patient(*MORPHINE), doses=()),
        patient(*MORPHINE, age=15.0),
    ],
)
def test_an_abstention_has_reasons_and_a_person_to_call(history: History) -> None:
    answer = answer_for(history)
    assert answer["status"] == "abstain" and answer["options"] == [] and answer["reasons"]
    assert any("call" in reason for reason in answer["reasons"])


def test_a_patient_without_a_dose_has_nothing_to_reduce() -> None:
    answer = answer_for(patient(*MORPHINE, (10, "morphine", "ER", 0.0)))
    assert answer["status"] == "abstain" and answer["options"] == []
    assert any("nothing is left to reduce" in reason for reason in answer["reasons"])


def test_reports_outside_the_model_lead_to_an_abstention() -> None:
    history = patient(*MORPHINE)
    wild = tuple(
        replace(c, value=10.0 if c.day.day % 2 else 0.0) if c.instrument == "pain_nrs" else c for c in history.checkins
    )
    answer = answer_for(replace(history, checkins=wild))
    assert answer["status"] == "abstain"


@pytest.mark.parametrize(
    ("days", "second", "status"), [(3, 9.0, "abstain"), (2, 9.0, "recommend"), (3, 7.0, "recommend")]
)
def test_contradictory_reports_of_one_day_lead_to_an_abstention(days: int, second: float, status: str) -> None:
    twice = tuple((ago, "pain_nrs", value) for ago in range(10, 10 + days) for value in (1.0, second))
    history = patient(*MORPHINE, checkins=twice, days=0)
    answer = answer_for(history)
    assert answer["status"] == status
    assert ("contradictory reports: on 3 of" in " ".join(answer["reasons"])) is (status == "abstain")
    assert answer_for(history, TODAY + timedelta(days=28))["status"] == "recommend"  # it is long ago


def test_random_answers_lead_to_an_abstention() -> None:
    rng = np.random.default_rng(5)
    scales = {"sows_gossop": 14, "pain_nrs": 10, "mood_item": 10, "function": 100}
    reports = tuple((ago, n, float(rng.integers(0, most + 1))) for ago in range(1, 57) for n, most in scales.items())
    answer = answer_for(patient(*MORPHINE, checkins=reports, days=0))
    assert answer["status"] == "abstain" and "contradictory reports: they scatter" in " ".join(answer["reasons"])


def test_later_records_do_not_leak_and_row_order_changes_nothing() -> None:
    history = patient((400, "morphine", "ER", 120.0), (20, "morphine", "ER", 105.0), days=80)
    then = TODAY - timedelta(days=30)
    known = History("p", tuple(c for c in history.checkins if c.day <= then), history.doses[:1], history.answers)
    assert answer_for(history, then) == answer_for(known, then)
    shuffled = replace(history, checkins=history.checkins[::-1], doses=history.doses[::-1])
    assert json.dumps(answer_for(shuffled)) == json.dumps(answer_for(history))


def test_a_report_entered_late_counts_from_its_entry_on() -> None:
    history = patient(*MORPHINE)
    late = CheckIn(TODAY - timedelta(days=9), "seizure", 1.0, entered=TODAY - timedelta(days=2))
    history = replace(history, checkins=(*history.checkins, late))
    assert answer_for(history, TODAY - timedelta(days=4))["status"] == "recommend"
    assert answer_for(history, TODAY)["status"] == "urgent"


@pytest.mark.parametrize(
    ("history", "most"),
    [
        (patient(*MORPHINE, days=0), 10.0),
        (patient(*MORPHINE, days=0, opioid_use_days=200.0), 10.0),
        (patient((400, "diazepam", "IR", 20.0), days=0, benzodiazepine_use_days=200.0), 10.0),
        (patient((400, "diazepam", "IR", 20.0), days=0, benzodiazepine_use_days=2000.0), 5.0),
    ],
)
def test_without_check_ins_no_pace_is_faster_than_the_preset_and_the_reasons_say_so(
    history: History, most: float
) -> None:
    """CDC, HHS (10 % a month), ASAM (5 % in two weeks), Maudsley (5 % a month): the slowest that fits the use."""
    answer = answer_for(history)
    assert answer["status"] == "recommend"
    assert max(float(o["name"].split()[3]) for o in offered(answer)) <= most
    faster = [o["status"] for o in reductions(answer) if float(o["name"].split()[3]) > most]
    assert faster and all("no check-in supports" in why or "above the ceiling" in why for why in faster)
    assert any("no check-in yet" in reason for reason in answer["reasons"])


def test_check_ins_can_allow_a_faster_pace_than_none() -> None:
    sent, silent = (answer_for(patient(*MORPHINE, opioid_use_days=200.0, days=n), risk=0.9) for n in (56, 0))
    fastest = [max(float(o["name"].split()[3]) for o in offered(answer)) for answer in (sent, silent)]
    assert fastest == [20.0, 10.0]


def test_unknown_consent_is_asked_before_any_reduction() -> None:
    history = patient(*MORPHINE)
    answer = answer_for(replace(history, answers={k: v for k, v in history.answers.items() if "agreed" not in k}))
    assert answer["chosen"] == "hold" and not offered(answer)
    assert {o["status"] for o in reductions(answer) if "ceiling" not in o["status"]} == {
        "blocked: ask patient_agreed_to_taper"
    }


@pytest.mark.parametrize("drug_class", ["opioid", "benzodiazepine", "gabapentinoid"])
def test_after_a_years_use_no_class_is_reduced_by_more_than_10_pct_a_month_and_none_ever_by_more_than_30(
    drug_class: Any,
) -> None:
    assert ceiling_of(drug_class, 366, 0, Limits()).pct_per_28d <= 10
    assert ceiling_of(drug_class, 10, 0, Limits()).pct_per_28d <= 30
    with pytest.raises(ValueError, match="30"):
        Limits(ceiling_raised={drug_class: {"pct_per_28d": 31, "by": "Dr A", "reason": "x"}})


def test_every_kind_of_option_is_listed() -> None:
    doses = ((400, "oxycodone", "IR", 100.0), (20, "oxycodone", "IR", 90.0), (400, "lorazepam", "IR", 2.0))
    answer = answer_for(patient(*doses, benzodiazepine_use_days=400.0))
    kinds = {o["kind"] for o in answer["options"]}
    assert kinds == {"hold", "maintain", "step_back", "reduce", "rotate", "adjunct", "monitor", "refer"}
    assert any("fastest reduction offered in each drug class" in reason for reason in answer["reasons"])
    assert {o["drug_class"] for o in reductions(answer)} == {"opioid", "benzodiazepine"}


def test_no_schedule_passes_the_next_milestone_or_the_target() -> None:
    answer = answer_for(patient(*MORPHINE), milestones={"opioid": [60.0, 105.0]}, target={"opioid": 30.0})
    assert offered(answer)
    for option in offered(answer):
        doses: dict[str, float] = {}
        for row in option["schedule"]:
            doses[row["formulation"]] = row["dose_mg_per_day"]
        assert sum(doses.values()) >= 105.0, option["name"]
    low = answer_for(patient((400, "morphine", "ER", 45.0)), target={"opioid": 38.0})
    for option in offered(low):
        doses = {row["formulation"]: row["dose_mg_per_day"] for row in option["schedule"]}
        assert sum(doses.values()) >= 38.0, option["name"]


@pytest.mark.parametrize("target", [120.0, 150.0])
def test_a_reached_target_means_hold_and_is_named(target: float) -> None:
    answer = answer_for(patient(*MORPHINE), target={"opioid": target})
    assert answer["chosen"] == "hold"
    within = [o["status"] for o in reductions(answer) if "ceiling" not in o["status"]]
    assert set(within) == {f"blocked: the target of {target:g} equivalents a day is reached: today's dose is 120"}


def test_limits_that_no_option_keeps_mean_hold_with_the_reason() -> None:
    answer = answer_for(patient(*MORPHINE), withdrawal=1e-9)
    assert answer["chosen"] == "hold" and not offered(answer)
    assert any("no reduction keeps every limit" in reason for reason in answer["reasons"])
    assert any("holding does not keep every limit" in reason for reason in answer["reasons"])


def test_the_answer_covers_underreporting_of_half_the_withdrawal() -> None:
    answer = answer_for(patient(*MORPHINE), withdrawal=0.01)
    if answer["chosen"].startswith("reduce"):
        assert any("of the withdrawal were reported" in line for line in answer["would_change"])
    read = answer_for(patient((400, "morphine", "ER", 120.0), (30, "morphine", "ER", 90.0)), withdrawal=0.03, risk=0.9)
    chosen = next(o for o in read["options"] if o["name"] == read["chosen"])
    assert chosen["kind"] == "reduce"
    assert read["quality"]["p_withdrawal_over_if_half_said"] > chosen["p_withdrawal_over"]


def test_with_a_benzodiazepine_one_class_at_a_time() -> None:
    history = patient(
        (400, "morphine", "ER", 120.0),
        (10, "morphine", "ER", 105.0),
        (400, "diazepam", "IR", 20.0),
        benzodiazepine_use_days=200.0,
    )
    answer = answer_for(history)
    mine = [o for o in reductions(answer) if o["drug_class"] == "benzodiazepine"]
    assert mine and all("one class at a time" in o["status"] or "ceiling" in o["status"] for o in mine)
    assert any(f["flag"] == "opioid_bzd" and f["state"] == "true" for f in answer["red_flags"])


def test_options_of_equal_doses_go_to_the_slower_and_every_chance_has_its_interval() -> None:
    answer = answer_for(patient(*MORPHINE))
    for option in answer["options"]:
        if option["p_crisis"] is not None:
            for name in ("p_withdrawal_over", "p_function_loss", "p_pain_rise", "p_crisis", "p_overdose"):
                assert 0 <= option[f"{name}_lo90"] <= option[name] + 1e-9 <= option[f"{name}_hi90"] + 2e-2 <= 1.03
    chosen = next(o for o in answer["options"] if o["name"] == answer["chosen"])
    for slower in offered(answer):
        if slower["schedule"] == chosen["schedule"]:
            assert float(slower["name"].split()[3]) >= float(chosen["name"].split()[3])


def test_holding_keeps_the_dose_and_the_longer_acting_form_its_equivalents() -> None:
    answer = answer_for(patient((400, "lorazepam", "IR", 2.0), benzodiazepine_use_days=100.0))
    change = next(o for o in answer["options"] if o["kind"] == "rotate")
    lorazepam = [row["dose_mg_per_day"] for row in change["schedule"] if row["drug"] == "lorazepam"]
    assert lorazepam == sorted(lorazepam, reverse=True) and lorazepam[-1] == 0.0 and len(lorazepam) == 3  # a week each
    assert {row["drug"] for row in change["schedule"]} == {"lorazepam", LONG_ACTING_BENZODIAZEPINE[0]}
    assert change["expected_dose_pct"] == pytest.approx(100.0, abs=6)
    hold = next(o for o in answer["options"] if o["kind"] == "hold")
    assert [row["dose_mg_per_day"] for row in hold["schedule"]] == [2.0]


def test_a_class_begun_during_the_record_gets_an_answer() -> None:
    answer = answer_for(patient(*MORPHINE, (40, "pregabalin", "IR capsule", 150.0)))
    assert answer["status"] == "recommend" and set(answer["limits"]["ceilings"]) == {"opioid", "gabapentinoid"}
    assert any("gabapentinoid begun on 2026-02-19" in reason for reason in answer["reasons"])


def test_percentages_are_of_the_plateau_before_this_taper_and_bear_it_in_mg() -> None:
    answer = answer_for(patient((480, "morphine", "ER", 240.0), (449, "morphine", "ER", 120.0)))
    assert answer["original_doses"]["opioid"]["equivalents"] == 120.0
    assert all("(120 mg a day, 120 MME)" in option["name"] for option in reductions(answer))
    assert any("original opioid dose: 120 mg a day, 120 MME" in reason for reason in answer["reasons"])
    for option in offered(answer):
        opioid = [row["dose_mg_per_day"] for row in option["schedule"] if row["date"] == "2026-04-01"]
        assert sum(opioid) >= 120.0 * 0.9 - 1e-9  # the ceiling of a year's use, 10 % of today's plateau
    hold = next(o for o in answer["options"] if o["kind"] == "hold")
    assert hold["schedule"][0]["tablets"] == "unchanged: exactly as taken now"


# -- the command -------------------------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    """Call the command."""
    code = main(["recommend", *argv])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


FILES = (str(EXAMPLES / "checkins.csv"), "--doses", str(EXAMPLES / "doses.csv"))


def test_the_command_prints_text_or_json_and_repeats_to_the_byte(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assessed = (*FILES, "--baseline", str(EXAMPLES / "assessment.yaml"), "--limits", str(EXAMPLES / "limits.yaml"))
    log = tmp_path / "log.jsonl"
    code, text, _ = run(capsys, *assessed, "--log", str(log))
    assert code == 0 and "chosen: reduce opioid" in text and "not a medical device" in text
    first, again = (run(capsys, *assessed, "--json")[1] for _ in range(2))
    assert first == again
    answer = json.loads(first)
    assert list(answer)[:3] == ["patient_id", "as_of", "status"]
    assert answer["posterior"]["sigma_opioid"].keys() == {"mean", "lo90", "hi90"}
    assert main(["decide", str(log), "--patient", "p1", "--did", "hold", "--by", "Dr A", "--reason", "a move"]) == 0
    before = [
        "decide",
        str(log),
        "--patient",
        "p1",
        "--did",
        "hold",
        "--by",
        "Dr A",
        "--reason",
        "a",
        "--on",
        "2026-03-28",
    ]
    assert main(before) == 2 and "the day of the offer, 2026-03-29" in capsys.readouterr().err
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["offered", "decided"]
    assert lines[1]["offer"] == lines[0]["id"] and lines[1]["as_chosen"] is False


def test_without_answers_the_example_holds_and_asks(capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run(capsys, *FILES)
    assert code == 0 and "chosen: hold" in text and "to ask before any reduction" in text


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--as-of", "2026-02-30"), "a date that exists"),
        (("--horizon", "3"), "14 to 364"),
        (("--patient", "p9"), "a patient of doses.csv"),
        (("--all", "--patient", "p1"), "one of the two"),
        (("--baseline", str(EXAMPLES / "limits.yaml")), "limits.yaml"),
        (("--limits", str(EXAMPLES / "assessment.yaml")), "assessment.yaml"),
    ],
)
def test_wrong_arguments_get_a_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], extra: tuple[str, ...], message: str
) -> None:
    code, out, err = run(capsys, *FILES, *extra)
    assert code == 2 and out == "" and message in err and "Traceback" not in err
    assert all(": given " in line and "allowed: " in line for line in err.splitlines())
