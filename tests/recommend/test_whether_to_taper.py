"""Whether to taper at all: each row by hand, the order in which the default is decided, and the answer's choice."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from taper_sim import tables
from taper_sim.data.formulary import find_drug
from taper_sim.data.records import CheckIn, DoseRow, History
from taper_sim.recommend.options import MAINTENANCE
from taper_sim.recommend.recommendation import recommend
from taper_sim.recommend.whether_to_taper import WhetherToTaper, whether_to_taper
from taper_sim.report.whether_to_taper_text import taper_at_all_lines
from taper_sim.safety.limits import Limits, Signed
from taper_sim.safety.variables import Values
from tests.recommend.test_recommendation import SAFE

TODAY = date(2026, 3, 31)
Doses = tuple[tuple[int, str, str, float], ...]
MORPHINE_YEARS: Doses = ((3650, "morphine", "ER", 40.0),)
LORAZEPAM_YEARS: Doses = ((3650, "lorazepam", "IR", 2.0),)
SIX_MONTHS: Doses = ((180, "morphine", "ER", 40.0),)


def record(doses: Doses, pain: float | None = 3.0, function: float | None = 70.0, **answers: float) -> History:
    """A record with these doses and the same pain and function on each of the last 20 days."""
    rows = tuple(DoseRow(TODAY - timedelta(days=ago), find_drug(d, f), dose) for ago, d, f, dose in doses)
    levels = {"pain_nrs": pain, "function": function, "sows_gossop": 2.0}
    checkins = tuple(
        CheckIn(TODAY - timedelta(days=ago), name, level)
        for ago in range(20)
        for name, level in levels.items()
        if level is not None
    )
    return History("p", checkins, rows, SAFE | answers)


def judged(history: History, limits: Limits | None = None) -> WhetherToTaper:
    """What speaks for and against, and the default."""
    return whether_to_taper(Values(history, TODAY, {"reduction_planned": 1.0}), limits or Limits())


def raised(history: History) -> set[str]:
    """Names of every reason on either side."""
    whether = judged(history)
    return {reason.reason for reason in (*whether.for_taper, *whether.against)}


CASES: list[tuple[str, History, History]] = [  # reason, a record of which it is true, one of which it is not
    (
        "prescriber_judges_risk_high",
        record(MORPHINE_YEARS, risk_high=1, risk_imminent=0),
        record(MORPHINE_YEARS, risk_high=0, risk_imminent=0),
    ),
    ("earlier_overdose", record(MORPHINE_YEARS, overdose_history=1), record(MORPHINE_YEARS, overdose_history=0)),
    ("opioid_with_benzodiazepine", record((*MORPHINE_YEARS, *LORAZEPAM_YEARS)), record(MORPHINE_YEARS)),
    ("breathing_at_risk", record(MORPHINE_YEARS, osa=1), record(MORPHINE_YEARS, osa=0)),
    ("alcohol_dependence", record(LORAZEPAM_YEARS, alcohol_dependence=1), record(LORAZEPAM_YEARS)),
    (
        "opioid_use_disorder_untreated",
        record(MORPHINE_YEARS, oud_criteria_count=2),
        record(((3650, "methadone", "IR", 40.0),), oud_criteria_count=2),
    ),
    ("falls", record(LORAZEPAM_YEARS, falls_30d=1), record(LORAZEPAM_YEARS, falls_30d=0)),
    ("benzodiazepine_in_old_age", record(LORAZEPAM_YEARS, age=65), record(LORAZEPAM_YEARS, age=64)),
    ("little_benefit", record(MORPHINE_YEARS, pain=7.0), record(MORPHINE_YEARS, pain=6.0)),
    ("little_benefit", record(MORPHINE_YEARS, pain=5.0, function=29), record(MORPHINE_YEARS, pain=5.0, function=30)),
    (
        "little_benefit",
        record((*MORPHINE_YEARS, (90, "morphine", "ER", 30.0)), pain=7.0),
        record((*MORPHINE_YEARS, (89, "morphine", "ER", 30.0)), pain=7.0),
    ),
    (
        "hyperalgesia_suspected",
        record(MORPHINE_YEARS, pain=5.0, pain_area_wider=1),
        record(MORPHINE_YEARS, pain=5.0, pain_area_wider=0),
    ),
    ("dose_90_mme", record(((3650, "morphine", "ER", 90.0),)), record(((3650, "morphine", "ER", 85.0),))),
    ("dose_50_mme", record(((3650, "morphine", "ER", 50.0),)), record(((3650, "morphine", "ER", 90.0),))),
    ("opioid_with_gabapentinoid", record((*MORPHINE_YEARS, (3650, "gabapentin", "IR", 900.0))), record(MORPHINE_YEARS)),
    ("kidneys", record(MORPHINE_YEARS, egfr=18), record(MORPHINE_YEARS, egfr=30)),
    (
        "constipation",
        record(MORPHINE_YEARS, no_bowel_movement_days=3),
        record(MORPHINE_YEARS, no_bowel_movement_days=2),
    ),
    (
        "agrees_to_try",
        record(MORPHINE_YEARS, patient_agreed_to_taper=1),
        record(MORPHINE_YEARS, patient_agreed_to_taper=0),
    ),
    ("pregnancy", record(MORPHINE_YEARS, pregnant=1), record(MORPHINE_YEARS, pregnant=0)),
    (
        "opioid_use_disorder_on_maintenance",
        record(((3650, "methadone", "IR", 60.0),), oud_criteria_count=2),
        record(((3650, "methadone", "IR", 60.0),), oud_criteria_count=1),
    ),
    ("outside_guidance", record(MORPHINE_YEARS, palliative_care=1), record(LORAZEPAM_YEARS, palliative_care=1)),
    ("declines", record(MORPHINE_YEARS, patient_agreed_to_taper=0), record(MORPHINE_YEARS, patient_agreed_to_taper=1)),
    ("taper_imposed", record(MORPHINE_YEARS, taper_imposed=1), record(MORPHINE_YEARS, taper_imposed=0)),
    ("stable_dose", record(((365, "morphine", "ER", 40.0),)), record(((364, "morphine", "ER", 40.0),))),
    (
        "stable_dose",
        record(((730, "morphine", "ER", 40.0),), pain=6.0, function=45.0),
        record(((729, "morphine", "ER", 40.0),), pain=6.0, function=45.0),
    ),
    (
        "stable_dose",
        record((*MORPHINE_YEARS, (730, "morphine", "ER", 30.0))),
        record((*MORPHINE_YEARS, (400, "morphine", "ER", 30.0))),
    ),
    ("failed_taper", record(MORPHINE_YEARS, failed_tapers=1), record(MORPHINE_YEARS, failed_tapers=0)),
    (
        "crisis_or_suicide_history",
        record(MORPHINE_YEARS, suicide_attempt_history=1),
        record(MORPHINE_YEARS, suicide_attempt_history=0),
    ),
    ("function_is_good", record(MORPHINE_YEARS, pain=4.0, function=60.0), record(MORPHINE_YEARS, function=59.0)),
    ("long_use", record(MORPHINE_YEARS), record(SIX_MONTHS, opioid_use_days=0)),
]
HURT = History(
    "p",
    tuple(CheckIn(TODAY - timedelta(days=ago), "sows_gossop", 14.0 if ago < 8 else 2.0 + ago % 2) for ago in range(30)),
    record((*SIX_MONTHS, (8, "morphine", "ER", 30.0))).doses,
    SAFE,
)
CASES.append(("cut_that_hurt", HURT, replace(HURT, checkins=tuple(replace(c, value=2.0) for c in HURT.checkins))))


@pytest.mark.parametrize(("name", "true", "false"), CASES, ids=[f"{c[0]}-{k}" for k, c in enumerate(CASES)])
def test_a_reason_is_stated_when_its_rule_is_true(name: str, true: History, false: History) -> None:
    assert name in raised(true)
    assert name not in raised(false)
    assert name not in raised(History("p"))


def test_every_reason_has_a_case_and_a_sentence_without_gaps() -> None:
    assert {name for name, *_ in CASES} == {row["reason"] for row in tables.read("whether_to_taper").rows}
    for name, true, _ in CASES:
        whether = judged(true)
        sentence = next(r.sentence for r in (*whether.for_taper, *whether.against) if r.reason == name)
        assert "{" not in sentence and "unknown" not in sentence


def test_a_bracket_with_an_unknown_number_is_left_out() -> None:
    once = record(((3650, "morphine", "ER", 90.0),))
    once = replace(once, checkins=(CheckIn(TODAY, "function", 50.0),))
    (sentence,) = [r.sentence for r in judged(once).against if r.reason == "stable_dose"]
    assert sentence == "the same dose for 3650 days"


def test_a_stable_dose_goes_on_until_something_that_decides_speaks_for_less() -> None:
    assert judged(record(((3650, "morphine", "ER", 90.0),))).default == "continue"  # a number alone decides nothing
    assert judged(record(MORPHINE_YEARS, osa=1)).default == "taper is an option"
    assert judged(record(SIX_MONTHS)).default == "taper is an option"


def test_the_wish_of_the_person_decides_where_nothing_is_unsafe() -> None:
    wants, declines = Limits(wishes_to_taper=True), Limits(wishes_to_taper=False)
    assert judged(record(MORPHINE_YEARS), wants).default == "taper is an option"
    assert judged(record(MORPHINE_YEARS, osa=1), declines).default == "continue"
    assert judged(record(MORPHINE_YEARS, pregnant=1), wants).default == "continue"


def test_what_always_decides_is_lifted_by_a_named_person_alone() -> None:
    cancer = record(SIX_MONTHS, active_cancer=1)
    signed = {"outside_guidance": Signed(by="Dr. A. Smith", reason="palliative team agrees")}
    assert judged(cancer).default == "continue"
    assert judged(cancer, Limits(acknowledged=signed)).default == "taper is an option"


def test_cancer_in_treatment_is_maintained_until_a_named_person_decides() -> None:
    cancer = record(SIX_MONTHS, active_cancer=1, palliative_care=0, sickle_cell_disease=0)
    unsigned = recommend(cancer, TODAY).as_dict()
    assert unsigned["chosen"] == MAINTENANCE
    assert any("CDC 2022 does not cover" in reason for reason in unsigned["reasons"])
    assert all(o["status"] != "offered" for o in unsigned["options"] if o["kind"] == "reduce")
    signed = {"outside_guidance": Signed(by="Dr. A. Smith", reason="palliative team agrees")}
    decided = recommend(cancer, TODAY, limits=Limits(acknowledged=signed)).as_dict()
    assert any(o["status"] == "offered" for o in decided["options"] if o["kind"] == "reduce")
    asked = recommend(record(SIX_MONTHS), TODAY).as_dict()
    assert any(o["status"] == "offered" for o in asked["options"] if o["kind"] == "reduce")
    assert {"active_cancer", "sickle_cell_disease", "palliative_care"} <= {q["variable"] for q in asked["questions"]}


def test_dose_rows_that_repeat_a_dose_change_nothing_and_a_new_drug_does() -> None:
    renewed = tuple((ago, "morphine", "ER", 40.0) for ago in range(3650, 0, -30))
    assert judged(record(renewed)) == judged(record(MORPHINE_YEARS))
    added = (*MORPHINE_YEARS, (100, "pregabalin", "IR capsule", 150.0))
    assert Values(record(added), TODAY).value("dose_unchanged_days") == 100.0


def test_a_short_record_without_a_change_takes_the_days_from_the_patients_file() -> None:
    told = record(((80, "morphine", "ER", 40.0),), dose_unchanged_days=2000)
    changed = record(((80, "morphine", "ER", 50.0), (40, "morphine", "ER", 40.0)), dose_unchanged_days=2000)
    assert Values(told, TODAY).value("dose_unchanged_days") == 2000.0
    assert Values(changed, TODAY).value("dose_unchanged_days") == 40.0
    assert judged(told).default == "continue"


def test_on_a_stable_dose_maintenance_is_chosen_and_reductions_are_offered_as_a_choice() -> None:
    stable = record(((3650, "morphine", "ER", 90.0),))
    by_wish = {
        wish: recommend(stable, TODAY, limits=Limits(wishes_to_taper=wish)).as_dict() for wish in (None, True, False)
    }
    for wish, answer in by_wish.items():
        offered = [o for o in answer["options"] if o["kind"] == "reduce" and o["status"] == "offered"]
        assert offered
        assert (answer["chosen"] == MAINTENANCE) == (wish is not True)
        assert answer["taper_at_all"]["default"] == ("taper is an option" if wish else "continue")
    assert by_wish[True]["chosen"].startswith("reduce opioid")
    lines = "\n".join(taper_at_all_lines(by_wish[None]))
    assert lines.startswith("taper at all? continue: the same dose for 3650 days")
    assert "for a taper: the dose is 90 MME a day" in lines


def test_every_status_states_what_speaks_for_and_against_and_only_a_recommendation_prints_it() -> None:
    urgent = recommend(record(MORPHINE_YEARS, seizure=1), TODAY).as_dict()
    assert urgent["status"] == "urgent"
    assert urgent["taper_at_all"]["against"]
    assert taper_at_all_lines(urgent) == []
