"""Every red flag and every interaction is true, false and unknown for records in the contract's form."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from taper_sim import tables
from taper_sim.data.checkins import scales
from taper_sim.data.formulary import find_drug, formulary
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.safety import red_flags
from taper_sim.safety.derived_variables import DERIVED, REPORTED_ONLY
from taper_sim.safety.limits import Signed
from taper_sim.safety.red_flags import Flag, JudgedRules, judge, variable_names
from taper_sim.safety.rule_language import RuleError, read_rule
from taper_sim.safety.variables import Values

TODAY = date(2026, 3, 31)
RULES = {
    **{row["flag"]: row["rule"] for row in tables.read("red_flags").rows},
    **{row["pair"]: row["rule"] for row in tables.read("interactions").rows if row["rule"]},
}
#: Rules about doses and check-ins alone: once there are doses they are known.
ALWAYS_KNOWN = {
    "opioid_bzd",
    "bzd_step_too_large",
    "concurrent_cuts",
    "gabapentinoid_step_too_large",
    "opioid + benzodiazepine",
    "opioid + gabapentinoid",
    "tramadol + benzodiazepine taper",
    "buprenorphine + full agonist (recent)",
    "duplicate_prescribers",
    "bzd_abrupt_stop",
    "bzd_restart_after_gap",
    "gabapentinoid_restart_after_gap",
    "gabapentinoid_rise",
    "tenfold_entry",
    "opioid_change_full_dose",
    "opioid_changed",
}
BASE_OF = {name: name.removesuffix("_baseline") for name in DERIVED if name.endswith("_baseline")} | {
    "steps_14d_median": "steps",
    "pain_nrs_7d_mean": "pain_nrs",
    "sleep_hours_7d_mean": "sleep_hours",
    "function_7d_mean": "function",
    "promis_pf_change": "promis_pf",
    "phq9_within_14d": "phq9",
    "gad7_within_14d": "gad7",
    "opioid_prescribed_mme": "opioid_taken_mme",
    "gabapentinoid_renal_cap_mg": "crcl",
    **dict.fromkeys(("cut_broke_limit", "cut_not_recovered", "cut_felt_severely", "worse_since_taper"), "pain_nrs"),
    "pain_nrs_first": "pain_nrs",
    "function_first": "function",
}


OXYCODONE, HYDROMORPHONE = find_drug("oxycodone", "ER"), find_drug("hydromorphone", "IR")


def history(luck: random.Random, rule: str) -> History:
    """A random record around a rule: some drugs, some cut lately, some of what the rule needs reported."""
    names = read_rule(rule, variable_names()).names
    drugs = sorted({d.drug for d in formulary().values()})
    wanted = [d for d in drugs if d.split("-")[0] in names or d in names]
    pool = [*wanted, "morphine", "lorazepam", "gabapentin", "methadone", "tramadol", "buprenorphine", "oxycodone"]
    rows: list[DoseRow] = []
    drawn = [luck.choice(pool) for _ in range(luck.randint(1, 3))] + wanted[: luck.randint(0, 2)]
    for name in dict.fromkeys(drawn):
        drug = find_drug(name, next(k[1] for k in formulary() if k[0] == name))
        start = TODAY - timedelta(days=luck.choice([3, 60, 200, 800]))
        dose = luck.choice([1, 2, 4]) * drug.strengths[-1]
        rows.append(DoseRow(start, drug, dose))
        if luck.random() < 0.6:
            later = max(TODAY - timedelta(days=luck.choice([2, 6, 12, 25])), start + timedelta(days=1))
            rise = (
                1.6 if dose <= drug.strengths[-1] else 1.2
            )  # the highest doses are at the end of what can be converted
            rows.append(DoseRow(later, drug, luck.choice([0.0, 0.1, 0.3, 0.5, 0.9, rise]) * dose))
            if luck.random() < 0.3:
                again = later + timedelta(days=luck.choice([3, 8, 20]))
                rows.append(DoseRow(again, drug, luck.choice([0.4, 0.9]) * dose))
    if "opioid_change_14d_pct" in names:
        day = TODAY - timedelta(days=luck.choice([2, 20]))
        rows += [DoseRow(day - timedelta(days=100), OXYCODONE, 80.0), DoseRow(day, OXYCODONE, 0.0)]
        rows.append(DoseRow(day, HYDROMORPHONE, luck.choice([8.0, 24.0])))
    reported: list[CheckIn] = []
    silent, skipped = luck.choice([0, 0, 4]), luck.choice([0.2, 0.8])
    for name in dict.fromkeys([BASE_OF.get(n, n) for n in names] + [n for n in names if n in scales()]):
        if name not in scales() or luck.random() < skipped:
            continue
        scale = scales()[name]
        low, high = max(scale.low, -1e4), min(scale.high, 1e4)
        level = luck.choice([low, high, low + luck.random() * (high - low)])
        before = luck.choice([low, level, low + luck.random() * (high - low)])
        for ago in range(60):
            if luck.random() < 0.97:
                value = float(luck.random() < 0.5) if scale.boolean and ago else level if ago < 20 else before
                value = level if scale.boolean and ago == 0 and level in (0.0, 1.0) else value
                value = round(value) if scale.boolean else value
                reported.append(CheckIn(TODAY - timedelta(days=ago + silent), name, float(value)))
    answers = {
        n: luck.choice([0.0, 1.0]) for n in names if n in scales() and scales()[n].boolean and luck.random() > skipped
    }
    if "age" in names and luck.random() > skipped:
        answers["age"] = luck.choice([17.0, 40.0, 70.0])
    return History("p", tuple(reported), tuple(rows), answers)


def states(rule: str) -> Iterator[bool | None]:
    """States of a rule for many random records."""
    luck = random.Random(rule)  # noqa: S311 - no secret is made of it
    for _ in range(4000):
        yield WithDrugs(history(luck, rule)).judge(rule)


class WithDrugs:
    """What ``judge`` sees, for one rule."""

    def __init__(self, known: History):
        self.values = Values(known, TODAY, {"reduction_planned": 1.0})

    def judge(self, rule: str) -> bool | None:
        """Truth of a rule."""
        return read_rule(rule, variable_names()).judge(self)

    def value(self, name: str, days_ago: int | None = None) -> float | None:
        """As ``red_flags``: a drug's name is whether it is taken."""
        listed = {row["name"] for row in tables.read("variables").rows}
        return self.values.value(name, days_ago) if name in listed else self.values.has(name)


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_is_true_false_and_unknown_for_some_record(name: str) -> None:
    wanted = {True, False} if name in ALWAYS_KNOWN else {True, False, None}
    seen: set[bool | None] = set()
    for state in states(RULES[name]):
        seen.add(state)
        if seen >= wanted:
            return
    raise AssertionError(f"{name}: only {seen} in 4000 records")


def test_every_variable_is_reported_or_derived() -> None:
    for row in tables.read("variables").rows:
        derived = row["name"] in DERIVED
        assert derived or row["name"] in REPORTED_ONLY or row["source"] != "derived", row["name"]
        assert row["name"] in scales()


def taking(
    *doses: tuple[int, str, str, float], checkins: tuple[tuple[int, str, float], ...] = (), **answers: float
) -> Values:
    """Values of somebody with these doses and check-ins, by days before today."""
    rows = tuple(DoseRow(TODAY - timedelta(days=ago), find_drug(d, f), dose) for ago, d, f, dose in doses)
    reports = tuple(CheckIn(TODAY - timedelta(days=ago), name, value) for ago, name, value in checkins)
    return Values(History("p", reports, rows, answers), TODAY)


def test_a_reduction_is_percent_of_the_original_dose_within_the_window() -> None:
    v = taking((100, "morphine", "ER", 120.0), (40, "morphine", "ER", 90.0), (10, "morphine", "ER", 60.0))
    assert v.value("opioid_reduction_28d_pct") == pytest.approx(100 * 30 / 120)
    assert v.value("opioid_reduction_90d_pct") == pytest.approx(50.0)
    assert v.value("days_since_reduction") == 10
    assert v.value("opioid_use_days") == 100
    assert v.value("benzodiazepine") == 0.0
    settled = ((900, "morphine", "ER", 240.0), (800, "morphine", "ER", 60.0), (10, "morphine", "ER", 45.0))
    assert taking(*settled).value("opioid_reduction_28d_pct") == pytest.approx(25.0)  # of 60: the taper before is over
    assert taking((100, "morphine", "ER", 120.0)).value("days_since_reduction") == 10_000


def test_buprenorphine_has_no_mme() -> None:
    v = taking((3, "buprenorphine", "SL film/tablet", 8.0))
    assert v.value("opioid_mme") is None and v.value("opioid") == 1.0
    assert v.value("buprenorphine_started_7d") == 1.0


def test_a_baseline_is_the_mean_before_the_first_reduction_and_is_kept() -> None:
    before = tuple((30 + k, "pain_nrs", 4.0 + k) for k in range(3))
    v = taking((100, "morphine", "ER", 120.0), (20, "morphine", "ER", 90.0), checkins=(*before, (5, "pain_nrs", 10.0)))
    assert v.value("pain_nrs_baseline") == pytest.approx(5.0)
    few = taking((100, "morphine", "ER", 120.0), (20, "morphine", "ER", 90.0), checkins=before[:2])
    assert few.value("pain_nrs_baseline") is None


def test_a_reported_alarm_persists_and_a_denial_expires() -> None:
    alarm = taking((100, "morphine", "ER", 120.0), checkins=((20, "suicidal_intent", 1.0),))
    denial = taking((100, "morphine", "ER", 120.0), checkins=((20, "suicidal_intent", 0.0),))
    taken_back = taking(
        (100, "morphine", "ER", 120.0), checkins=((20, "suicidal_intent", 1.0), (2, "suicidal_intent", 0.0))
    )
    assert alarm.value("suicidal_intent") == 1.0
    assert denial.value("suicidal_intent") is None
    assert taken_back.value("suicidal_intent") == 0.0


def test_the_more_adverse_of_two_reports_of_a_day_counts() -> None:
    v = taking(
        (100, "morphine", "ER", 120.0),
        checkins=((0, "sows_gossop", 3.0), (0, "sows_gossop", 17.0), (0, "spo2", 97.0), (0, "spo2", 88.0)),
    )
    assert v.value("sows_gossop") == 17.0 and v.value("spo2") == 88.0


def test_only_a_same_day_flag_can_be_acknowledged() -> None:
    v = taking((100, "morphine", "ER", 120.0), checkins=((0, "phq9_item9", 1.0), (0, "seizure", 1.0)))
    signed = {name: Signed(by="Dr A", reason="seen") for name in ("suicidal_thought", "bzd_seizure")}
    found = judge(v, signed)
    assert [f.flag for f in found.urgent] == ["bzd_seizure"]
    assert "suicidal_thought" not in [f.flag for f in found.holding]
    assert "suicidal_thought" in [f.flag for f in judge(v).holding]


def test_questions_have_a_text() -> None:
    found = judge(taking((100, "morphine", "ER", 120.0)))
    blocking = {f.flag for f in found.blocking}
    assert {"suicidal_intent", "overdose_sign", "pregnancy"} <= blocking
    assert not {"hypoxaemia", "vitals_emergency", "breathing_very_slow"} & blocking  # they need a device
    asked = {q["variable"]: q for q in found.questions()}
    assert asked["suicidal_intent"]["needed_before_reduction"] == "yes"
    assert asked["suicidal_intent"]["question"].endswith("?")


def test_an_alarm_persists_without_a_withdrawal_and_an_all_clear_expires() -> None:
    def state(ago: int, name: str, value: float, flag: str) -> str:
        found = judge(taking((100, "morphine", "ER", 120.0), checkins=((ago, name, value),)))
        return next(f.state for f in found.flags if f.flag == flag)

    for name, alarm, well, flag in (
        ("phq9_item9", 2.0, 0.0, "suicidal_thought"),
        ("vomiting_24h", 6.0, 0.0, "opioid_withdrawal_severe"),
        ("hr", 150.0, 80.0, "vitals_emergency"),
        ("opioid_taken_mme", 300.0, 120.0, "return_to_prior_dose"),
        ("crisis_message", 1.0, 0.0, "suicidal_intent"),
    ):
        assert state(28, name, alarm, flag) == "true"
        assert state(29, name, alarm, flag) == "unknown"
        assert state(28, name, well, flag) == "unknown"
    assert state(10, "craving", 9.0, "craving_spike") == "unknown"  # listed only: asked again


def test_a_later_answer_withdraws_an_alarm() -> None:
    v = taking((100, "morphine", "ER", 120.0), checkins=((20, "phq9_item9", 3.0), (2, "phq9_item9", 0.0)))
    assert next(f.state for f in judge(v).flags if f.flag == "suicidal_thought") == "false"


def test_taking_much_more_than_prescribed_is_an_emergency_even_from_the_doses_file_alone() -> None:
    row = DoseRow(TODAY - timedelta(days=9), find_drug("morphine", "ER"), 60.0, taken=120.0)
    found = judge(Values(History("p", (), (row,), {}), TODAY))
    assert [f.flag for f in found.urgent] == ["return_to_prior_dose"]


def test_questions_concern_only_unanswered_variables_that_a_person_can_answer() -> None:
    v = taking((100, "morphine", "ER", 120.0), (20, "morphine", "ER", 100.0), checkins=((0, "phq9", 9.0),))
    asked = {q["variable"] for q in judge(v).questions()}
    source = {row["name"]: row["source"] for row in tables.read("variables").rows}
    assert {source[name] for name in asked} <= {"check-in", "baseline", "order"}
    assert {"phq9_item9", "craving", "peg", "gad7"} <= asked  # of a missing baseline the instrument is asked
    assert "phq9" not in asked and "opioid" not in asked


def test_a_true_flag_that_asks_first_asks_for_the_variables_that_would_withdraw_it() -> None:
    found = judge(taking((100, "morphine", "ER", 120.0), naloxone_at_home=0.0, overdose_history=0.0, osa=0.0))
    assert next(f.asks for f in found.flags if f.flag == "no_naloxone") == ("naloxone_at_home",)
    assert "naloxone_at_home" in {q["variable"] for q in found.questions()}


def test_every_rule_that_blocks_a_reduction_has_a_question() -> None:
    for doses in (
        ("morphine", "ER", 120.0),
        ("tramadol", "IR", 200.0),
        ("methadone", "IR", 40.0),
        ("buprenorphine", "SL film/tablet", 8.0),
    ):
        found = judge(taking((100, *doses), ssri=1.0))
        assert found.blocking and all(f.asks and f.unknown for f in found.blocking)
        asked = {q["variable"] for q in found.questions() if q["needed_before_reduction"] == "yes"}
        assert asked == {name for f in found.blocking for name in f.asks}


def test_an_invalid_rule_is_reported_with_its_table_and_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = dict(tables.read("red_flags").rows[0]) | {"rule": "phq9_itm9 > 0"}

    class Table:
        rows = (row,)

    monkeypatch.setattr(red_flags.tables, "read", lambda name: Table())
    with pytest.raises(RuleError, match=r"red_flags\.csv: suicidal_thought: .*did you mean phq9_item9"):
        red_flags._rules.__wrapped__("red_flags", "flag")


def test_raised_flags_are_true_and_of_the_urgencies_asked_for_with_interactions_last() -> None:
    doses = ((100, "morphine", "ER", 120.0), (100, "lorazepam", "IR", 2.0))
    found = judge(taking(*doses, checkins=((0, "seizure", 1.0),)))
    every = found.raised()
    assert all(f.state == "true" for f in every)
    assert {"bzd_seizure", "opioid_bzd"} <= {f.flag for f in every}
    assert every[-1].flag == "opioid + benzodiazepine"
    assert "bzd_seizure_risk" in {f.flag for f in every}  # a reported seizure is an earlier one
    assert {f.urgency for f in every} == {"emergency", "same_day", "within_72h"}
    for urgency in ("emergency", "same_day", "within_72h"):
        assert found.raised(urgency) == [f for f in every if f.urgency == urgency]
    assert found.raised("emergency", "within_72h") == [f for f in every if f.urgency in ("emergency", "within_72h")]


def test_questions_come_from_unknown_rules_that_ask_and_from_true_flags_that_ask_first() -> None:
    one = judge(taking((100, "morphine", "ER", 120.0))).flags[0]

    def flag(state: str, if_unknown: str, effect: str, *asks: str) -> Flag:
        return replace(one, flag="-".join(asks), state=state, if_unknown=if_unknown, effect=effect, asks=asks)  # type: ignore[arg-type]

    flags = (
        flag("unknown", "ask", "listed", "pregnant", "osa"),
        flag("unknown", "ignore", "listed", "age"),
        flag("false", "ask", "listed", "phq9"),
        flag("true", "ask", "listed", "gad7"),
        flag("false", "ask", "ask_first", "peg"),
        flag("true", "ask", "ask_first", "naloxone_at_home"),
        flag("unknown", "ask_before_any_reduction", "listed", "osa", "craving"),
        flag("false", "ask_before_any_reduction", "listed", "isi"),
    )
    asked = JudgedRules(flags, ()).questions()
    assert [(q["variable"], q["flag"], q["needed_before_reduction"]) for q in asked] == [
        ("osa", "osa-craving", "yes"),
        ("craving", "osa-craving", "yes"),
        ("naloxone_at_home", "naloxone_at_home", "no"),
        ("pregnant", "pregnant-osa", "no"),
    ]


def test_a_rule_may_name_variables_and_drugs_and_nothing_else() -> None:
    variables = [row["name"] for row in tables.read("variables").rows]
    drugs = {name.split("-")[0] for name, _ in formulary()}
    assert list(variable_names()) == [*variables, *sorted(drugs)]


def test_an_acknowledged_flag_no_longer_acts_except_on_rises() -> None:
    one = replace(judge(taking((100, "morphine", "ER", 120.0))).flags[0], state="true", acknowledged_by="")
    effects = ("maintain_until_acknowledged", "no_option_until_acknowledged", "no_reduction_no_rise")
    open_flags = JudgedRules(tuple(replace(one, effect=effect) for effect in effects), ())
    signed = JudgedRules(tuple(replace(flag, acknowledged_by="rx") for flag in open_flags.flags), ())
    assert [f.effect for f in open_flags.maintained + open_flags.unconfirmed] == list(effects[:2])
    assert (signed.maintained, signed.unconfirmed, signed.holding) == ([], [], [])
    assert len(open_flags.holding) == 2 and len(signed.sedated) == 1
