"""Every variable of variables.csv: how long a report counts, which of two does, and what is computed from what."""

from datetime import date, timedelta

import pytest

from taper_sim import tables
from taper_sim.data.checkins import scales
from taper_sim.data.formulary import find_drug
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.safety.derived_variables import DERIVED, REPORTED_ONLY
from taper_sim.safety.validity import SAFER_TRUE, keeps_for_d, keeps_value_for_d, variable_rows, worse
from taper_sim.safety.variables import Values

TODAY = date(2026, 3, 31)
Dose = tuple[int, str, str, float]
OPIOID: tuple[Dose, ...] = ((400, "morphine", "ER", 120.0),)
TAPERED: tuple[Dose, ...] = (*OPIOID, (20, "morphine", "ER", 108.0))
BUPRENORPHINE = ("buprenorphine", "SL film/tablet")


def values(
    *doses: Dose,
    reports: list[tuple[int, str, float]] | None = None,
    planned: dict[str, float] | None = None,
    answers: dict[str, float] | None = None,
    **facts: float,
) -> Values:
    """Values of a record written by days before today."""
    rows = tuple(DoseRow(TODAY - timedelta(days=ago), find_drug(d, f), dose) for ago, d, f, dose in doses)
    checkins = tuple(CheckIn(TODAY - timedelta(days=ago), name, value) for ago, name, value in reports or [])
    return Values(History("p", checkins, rows, facts | (answers or {})), TODAY, planned=planned or {})


def test_every_variable_is_reported_or_computed() -> None:
    for name, row in variable_rows().items():
        assert name in DERIVED or name in REPORTED_ONLY or row["source"] != "derived", name
        assert name in scales(), name
    assert set(DERIVED) <= set(variable_rows())
    assert not REPORTED_ONLY & set(DERIVED)
    assert values().value("opioid") is None  # without a list of doses nothing is known of them


@pytest.mark.parametrize("name", sorted(set(variable_rows()) - set(DERIVED)))
def test_the_value_is_todays_report_else_the_patients_file(name: str) -> None:
    low = float(variable_rows()[name]["min"])
    assert values(*OPIOID, reports=[(0, name, low + 1)]).value(name) == low + 1
    assert values(*OPIOID, answers={name: low + 1}).value(name) == low + 1
    assert values(*OPIOID, reports=[(0, name, low)], answers={name: low + 1}).value(name) == low
    assert values(*OPIOID).value(name) is None


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("craving", 7),
        ("spo2", 7),
        ("peg", 7),
        ("phq9_item9", 14),
        ("phq9", 14),
        ("ess", 30),
        ("audit_c", 365),
        ("stop_bang", 365),
        ("egfr", 365),
        ("ssri", 90),
        ("strong_cyp3a4_inhibitor_started_14d", 14),
        ("pdmp_checked_90d", 90),
        ("copd", 36_500),
    ],
)
def test_a_report_is_valid_for_its_period_and_unknown_after(name: str, days: int) -> None:
    assert keeps_for_d(name) == days
    value = 1.0 if name in SAFER_TRUE or not scales()[name].boolean else 0.0
    assert values(*OPIOID, reports=[(days, name, value)]).value(name) == value
    assert values(*OPIOID, reports=[(days + 1, name, value)]).value(name) is None


@pytest.mark.parametrize("row", tables.read("variables").rows, ids=lambda row: row["name"])
def test_an_alarm_is_valid_at_least_as_long_as_an_all_clear(row: tables.Row) -> None:
    if row["type"] == "boolean":
        alarm = 0.0 if row["name"] in SAFER_TRUE else 1.0
        assert keeps_value_for_d(row["name"], alarm) >= keeps_value_for_d(row["name"], 1.0 - alarm)
        if row["source"] == "check-in":
            assert keeps_value_for_d(row["name"], alarm) == 28


def test_consent_and_a_negative_pregnancy_answer_expire_and_the_opposite_answers_persist() -> None:
    for name, well in (("patient_agreed_to_taper", 1.0), ("pregnant", 0.0)):
        assert values(*OPIOID, reports=[(90, name, well)]).value(name) == well
        assert values(*OPIOID, reports=[(91, name, well)]).value(name) is None
        assert values(*OPIOID, reports=[(250, name, 1.0 - well)]).value(name) == 1.0 - well


def test_an_undated_answer_does_not_withdraw_a_report() -> None:
    alarm = (40, "suicidal_intent", 1.0)
    assert values(*OPIOID, reports=[alarm], suicidal_intent=0.0).value("suicidal_intent") is None
    assert values(*OPIOID, reports=[alarm], suicidal_intent=1.0).value("suicidal_intent") == 1.0
    assert values(*OPIOID, reports=[(40, "phq9", 20.0)], phq9=3.0).value("phq9") is None
    assert values(*OPIOID, reports=[(40, "phq9", 3.0)], phq9=4.0).value("phq9") == 4.0


@pytest.mark.parametrize(
    ("name", "reports", "found"),
    [
        ("spo2", [97, 88], 88),
        ("hr", [76, 42, 90], 42),
        ("temp_c", [37, 39], 39),
        ("sows_gossop", [3, 9], 9),
        ("function", [70, 40], 40),
        ("naloxone_at_home", [1, 0], 0),
        ("patient_agreed_to_taper", [0, 1], 0),
        ("seizure", [0, 1], 1),
        ("sleep_hours", [3, 8], 3),
        ("egfr", [80, 25], 25),
        ("qtc_ms", [520, 430], 520),
    ],
)
def test_the_more_adverse_of_two_reports_of_a_day_counts(name: str, reports: list[float], found: float) -> None:
    assert worse(name, reports) == found
    assert values(*OPIOID, reports=[(1, name, value) for value in reports]).value(name) == found


def test_the_more_adverse_end_of_an_interval_counts() -> None:
    band = CheckIn(TODAY, "function", 40.0, high=60.0), CheckIn(TODAY, "phq9", 10.0, high=14.0)
    v = Values(History("p", band, (), {}), TODAY)
    assert v.value("function") == 40.0 and v.value("phq9") == 14.0


def test_records_of_or_entered_on_later_days_are_excluded() -> None:
    late = CheckIn(TODAY - timedelta(days=2), "seizure", 1.0, entered=TODAY + timedelta(days=1))
    order = DoseRow(TODAY + timedelta(days=1), find_drug("morphine", "ER"), 30.0)
    first = DoseRow(TODAY - timedelta(days=400), find_drug("morphine", "ER"), 120.0)
    v = Values(History("p", (late,), (first, order), {}), TODAY)
    assert v.value("seizure") is None and v.value("opioid_mme") == 120.0 and v.value("days_since_reduction") == 10_000


def test_a_criteria_count_is_read_under_both_of_its_names() -> None:
    assert values(*OPIOID, oud_criteria_count=4.0).value("oud_criteria_count") == 4.0
    assert values(*OPIOID, reports=[(1, "oud_criteria", 3.0)]).value("oud_criteria_count") == 3.0
    assert values(*OPIOID, reports=[(1, "oud_criteria_count", 3.0)]).value("oud_criteria_count") == 3.0


@pytest.mark.parametrize("name", sorted(n for n in DERIVED if n.endswith("_baseline")))
def test_a_baseline_without_enough_answers_is_unknown_and_never_todays_value(name: str) -> None:
    of = name.removesuffix("_baseline")
    top = scales()[of].high
    assert values(*TAPERED, reports=[(0, of, top)]).value(name) is None
    ago = range(21, 28) if of == "steps" else (21, 22, 23)
    assert values(*TAPERED, reports=[(k, of, 1.0) for k in ago] + [(0, of, top)]).value(name) == 1.0


def test_means_and_medians_need_enough_days_not_enough_reports() -> None:
    def of(name: str, reports: list[tuple[int, float]]) -> float | None:
        return values(*TAPERED, reports=[(ago, name.split("_")[0], x) for ago, x in reports]).value(name)

    pain = [(ago, "pain_nrs", 6.0) for ago in (0, 2, 4, 6)]
    assert values(*OPIOID, reports=pain).value("pain_nrs_7d_mean") == 6.0
    assert values(*OPIOID, reports=[*pain[:3], (0, "pain_nrs", 5.0)]).value("pain_nrs_7d_mean") is None
    assert values(*OPIOID, reports=[*pain[:3], (7, "pain_nrs", 5.0)]).value("pain_nrs_7d_mean") is None
    twice = [(ago, "pain_nrs", x) for ago in (21, 22) for x in (3.0, 5.0)]
    assert values(*TAPERED, reports=twice).value("pain_nrs_baseline") is None
    assert values(*TAPERED, reports=[*twice, (23, "pain_nrs", 4.0)]).value("pain_nrs_baseline") == 4.0
    assert of("steps_14d_median", [(k, 1000.0 * k) for k in range(7)]) == 3000.0
    assert of("steps_14d_median", [(k, 1000.0 * k) for k in range(6)]) is None


def test_the_promis_change_is_from_its_baseline() -> None:
    assert values(*TAPERED, reports=[(30, "promis_pf", 42.0), (1, "promis_pf", 37.0)]).value("promis_pf_change") == -5.0
    assert values(*TAPERED, reports=[(1, "promis_pf", 37.0)]).value("promis_pf_change") is None


def test_doses_are_in_the_equivalents_of_their_class() -> None:
    v = values((50, "oxycodone", "ER", 40.0), (40, "fentanyl", "TD", 25.0))
    assert v.value("opioid_mme") == pytest.approx(40 * 1.5 + 25 * 2.4)
    assert values((50, "gabapentin", "IR", 900.0)).value("gabapentinoid_dose_mg") == 900.0
    v = values((50, "gabapentin", "IR", 900.0), (3, "gabapentin", "IR", 600.0))
    assert v.value("gabapentinoid_reduction_7d_pct") == pytest.approx(100 / 3)


def test_reductions_are_percentages_of_the_tables_reference_dose_and_an_increase_is_negative() -> None:
    doses: tuple[Dose, ...] = (
        (100, "morphine", "ER", 120.0),
        (40, "morphine", "ER", 90.0),
        (10, "morphine", "ER", 60.0),
    )
    assert values(*doses).value("opioid_reduction_28d_pct") == pytest.approx(25.0)  # of 120, the original
    assert values(*doses).value("opioid_reduction_90d_pct") == pytest.approx(50.0)
    assert values(*doses).value("opioid_mme_change_28d") == -30.0
    benzo: tuple[Dose, ...] = ((100, "diazepam", "IR", 20.0), (40, "diazepam", "IR", 10.0), (5, "diazepam", "IR", 8.0))
    assert values(*benzo).value("benzodiazepine_reduction_14d_pct") == pytest.approx(20.0)  # of 10, two weeks ago
    up = values(*OPIOID, (5, "morphine", "ER", 150.0))
    assert up.value("opioid_reduction_28d_pct") == pytest.approx(-20.0)


def test_a_planned_lower_dose_counts_as_taken_and_a_higher_one_does_not() -> None:
    v = values(*OPIOID, planned={"opioid": 90.0})
    assert v.value("opioid_reduction_28d_pct") == 25.0 and v.value("opioid_cut_within_14d") == 1.0
    v = values(*OPIOID, planned={"opioid": 150.0})
    assert v.value("opioid_reduction_28d_pct") == 0.0 and v.value("opioid_cut_within_14d") == 0.0


def test_ten_percent_is_not_above_ten_percent() -> None:
    for dose in range(10, 400, 7):
        v = values((400, "morphine", "IR", float(dose)), (5, "morphine", "IR", dose * 0.9))
        assert v.value("opioid_reduction_28d_pct") == 10.0


def test_with_buprenorphine_the_mme_total_is_unknown_even_if_the_file_states_one() -> None:
    v = values(*OPIOID, (3, *BUPRENORPHINE, 8.0), opioid_mme=90.0)
    for name in ("opioid_mme", "opioid_prescribed_mme", "opioid_reduction_28d_pct", "opioid_mme_change_28d"):
        assert v.value(name) is None, name
    assert v.value("opioid") == 1.0 and v.value("buprenorphine_started_7d") == 1.0


def test_a_switch_to_buprenorphine_is_a_reduction_and_so_is_a_lower_dose_of_it() -> None:
    low = ((400, "morphine", "ER", 5.0), (3, "morphine", "ER", 0.0), (3, *BUPRENORPHINE, 16.0))
    assert values(*low).value("opioid_cut_within_14d") == 1.0  # 16 mg of it are not 16 MME
    less = values((400, *BUPRENORPHINE, 16.0), (3, *BUPRENORPHINE, 12.0))
    assert less.value("days_since_reduction") == 3.0
    more = values((400, *BUPRENORPHINE, 8.0), (3, *BUPRENORPHINE, 12.0))
    assert more.value("days_since_reduction") == 10_000.0


def test_a_switch_within_the_class_at_equal_equivalents_is_not_a_reduction() -> None:
    swap = ((400, "morphine", "ER", 60.0), (3, "morphine", "ER", 0.0), (3, "oxycodone", "ER", 40.0))
    assert values(*swap).value("opioid_cut_within_14d") == 0.0
    assert values(*swap).value("same_class_overlap") == 0.0
    two_forms = ((9, "morphine", "ER", 60.0), (9, "morphine", "IR", 7.5))
    assert values(*two_forms).value("same_class_overlap") == 0.0  # a step of the tool's own schedule
    assert values(*two_forms, (9, "oxycodone", "IR", 10.0)).value("same_class_overlap") == 1.0


def test_days_of_use_end_with_a_gap_and_include_the_days_stated_in_the_file() -> None:
    assert values(*OPIOID).value("opioid_use_days") == 400
    assert values(*OPIOID, opioid_use_days=1000.0).value("opioid_use_days") == 1400
    gap = (*OPIOID, (100, "morphine", "ER", 0.0), (20, "morphine", "ER", 30.0))
    assert values(*gap, opioid_use_days=1000.0).value("opioid_use_days") == 20
    short = (*OPIOID, (100, "morphine", "ER", 0.0), (75, "morphine", "ER", 30.0))
    assert values(*short).value("opioid_use_days") == 400
    assert values(*OPIOID, (100, "morphine", "ER", 0.0)).value("opioid_use_days") == 0
    assert values(*OPIOID).value("benzodiazepine_use_days") == 0
    assert values(opioid_use_days=90.0).value("opioid_use_days") == 90


def taking(prescribed: float, taken: float, *reports: CheckIn) -> Values:
    """A dose prescribed 50 days ago, and what was said to be taken of it."""
    row = DoseRow(TODAY - timedelta(days=50), find_drug("morphine", "ER"), prescribed, taken=taken)
    return Values(History("p", reports, (row,), {}), TODAY)


def test_the_dose_taken_in_the_doses_file_counts_until_a_later_report() -> None:
    assert taking(60.0, 180.0).value("opioid_taken_mme") == 180.0
    assert taking(60.0, 180.0).value("opioid_prescribed_mme") == 60.0
    assert taking(0.0, 30.0).value("opioid_taken_mme") == 30.0  # stopped on paper, still taken
    later = CheckIn(TODAY, "opioid_taken_mme", 60.0)
    assert taking(60.0, 180.0, later).value("opioid_taken_mme") == 60.0
    then = CheckIn(TODAY - timedelta(days=5), "opioid_taken_mme", 120.0)
    v = Values(History("p", (then,), values(*OPIOID, (2, "morphine", "ER", 60.0)).history.doses, {}), TODAY)
    assert v.value("opioid_prescribed_mme") == 120.0  # that of the day it was about


def test_the_number_of_sedating_drugs_is_at_least_that_in_the_doses() -> None:
    both = (*OPIOID, (400, "lorazepam", "IR", 2.0))
    assert values(*both).value("cns_depressants") == 2.0
    assert values(*both, cns_depressants=1.0).value("cns_depressants") == 2.0
    assert values(*both, cns_depressants=4.0).value("cns_depressants") == 4.0
    assert values(*OPIOID).value("cns_depressants") is None  # there may be others
    assert values(*OPIOID, reports=[(0, "drinks_7d", 3.0)]).value("cns_depressants") == 2.0


@pytest.mark.parametrize(
    ("drug", "clearance", "cap"),
    [
        ("gabapentin", 59, 1400),
        ("gabapentin", 29, 700),
        ("gabapentin", 14, 300),
        ("pregabalin", 30, 300),
        ("pregabalin", 15, 150),
        ("pregabalin", 14.9, 75),
    ],
)
def test_renal_caps_are_those_of_the_table(drug: str, clearance: float, cap: float) -> None:
    form = {"gabapentin": "IR", "pregabalin": "IR capsule"}[drug]
    v = values((9, drug, form, 300.0), crcl=clearance)
    assert v.value("gabapentinoid_renal_cap_mg") == cap
    assert values((9, drug, form, 300.0)).value("gabapentinoid_renal_cap_mg") is None


def test_missed_check_ins_are_counted_in_the_patients_own_interval() -> None:
    daily = [(ago, "craving", 1.0) for ago in range(3, 20)]
    assert values(*OPIOID, reports=daily).value("missed_checkins_in_row") == 2
    weekly = [(ago, "craving", 1.0) for ago in range(3, 60, 7)]
    assert values(*OPIOID, reports=weekly).value("missed_checkins_in_row") == 0
    assert values(*OPIOID).value("missed_checkins_in_row") is None


def test_the_value_of_a_day_is_its_own_report_or_one_whose_recall_period_covers_it() -> None:
    v = values(*TAPERED, reports=[(2, "pain_nrs", 5.0), (2, "peg", 6.0)])
    assert [v.value("pain_nrs", ago) for ago in (1, 2, 3)] == [None, 5.0, None]
    assert [v.value("peg", ago) for ago in (1, 2, 8, 9)] == [None, 6.0, 6.0, None]
    assert [v.value("opioid_mme", ago) for ago in (19, 21)] == [108.0, 120.0]
    assert values(*TAPERED, copd=1.0).value("copd", 5) == 1.0
