"""A table of published results: what each row means, and one line for each thing that is wrong."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from taper_sim import tables
from taper_sim.data.problems import InputError
from taper_sim.evidence.coded_arms import Course, kept_by, read_arm
from taper_sim.evidence.coded_cohorts import KEYS, MODERATE_PAIN, read_cohort, read_enrolment
from taper_sim.evidence.coded_results import EvidenceRow, evidence_of, wilson
from taper_sim.evidence.coded_words import OUTCOME_KINDS, ROLES_LEFT_OUT, STATISTICS

GOOD: dict[str, Any] = {
    "id": "T1",
    "study": "trial",
    "role": "target",
    "statistic": "odds_ratio",
    "outcome": "discontinued",
    "value": "4",
    "lo95": "2",
    "hi95": "8",
    "width_from": "ci",
    "n_arm": "",
    "day": "84",
    "followup_days": "84",
    "arm": "linear(pct=10,every=7,basis=original)",
    "reference_arm": "constant()",
    "cohort": "drug_class=opioid;mme_min=50",
    "enrolment": "",
}


def row(**changes: str) -> EvidenceRow:
    (only,) = evidence_of(pd.DataFrame([GOOD | changes]), "t.csv").rows
    return only


def test_every_target_of_the_packages_table_is_a_study():
    table = evidence_of(pd.DataFrame([dict(line) for line in tables.read("evidence").rows]), "evidence.csv")
    assert table.problems == []
    assert sum(line.result is not None for line in table.rows) == 41
    assert {line.cells["role"] for line in table.rows if line.result is None} == set(ROLES_LEFT_OUT)


def test_a_row_becomes_the_study_that_it_codes():
    result = row().result
    assert result is not None
    assert (result.value, result.lo95, result.hi95, result.day, result.followup_days) == (4.0, 2.0, 8.0, 84, 84)
    assert result.se == pytest.approx(np.log(4.0) / (2 * 1.959964))
    assert result.arm.call == "linear(pct=10, every=7)" and result.reference is not None
    assert result.cohort.number("mme_min") == 50.0


def test_the_follow_up_is_the_day_and_the_width_is_that_of_the_cells_where_the_row_gives_none():
    result = row(followup_days="", width_from="").result
    assert result is not None and result.followup_days == 84 and result.lo95 == 2.0
    alone = {"statistic": "proportion", "value": "0.3", "reference_arm": "", "lo95": "", "hi95": "", "width_from": ""}
    of_people, of_nothing = row(**alone, n_arm="100").result, row(**alone).result
    assert of_people is not None and of_nothing is not None
    assert of_people.lo95 == pytest.approx(wilson(0.3, 100)[0])
    assert (of_nothing.lo95, of_nothing.hi95) == pytest.approx((0.225, 0.375))


def test_the_convention_of_25_percent_divides_and_multiplies_ratios_and_rates():
    result = row(width_from="pct25").result
    assert result is not None and (result.lo95, result.hi95) == pytest.approx((3.2, 5.0))


def test_wilsons_interval_by_hand():
    # 10 of 100: (0.1 + 1.9208/100 ± 1.96 sqrt(0.09/100 + 3.8416/40000)) / 1.038416
    assert wilson(0.1, 100) == pytest.approx((0.05523, 0.17437), abs=1e-5)


def test_a_share_of_nobody_or_everybody_is_compared_within_half_a_person():
    alone = {"statistic": "proportion", "reference_arm": "", "width_from": "n", "n_arm": "49"}
    nobody, everybody = row(value="0", **alone).result, row(value="1", **alone).result
    assert nobody is not None and everybody is not None
    assert (nobody.compared, everybody.compared) == pytest.approx((0.01, 0.99))
    assert nobody.value == 0.0 and 0.0 < nobody.se < np.inf


@pytest.mark.parametrize(
    ("changes", "place", "text"),
    [
        ({"statistic": "hazard_rato"}, "statistic", "did you mean hazard_ratio?"),
        ({"outcome": "overdos"}, "outcome", "did you mean overdose?"),
        ({"outcome": "pain_nrs"}, "outcome", "pain_nrs with odds_ratio"),
        ({"statistic": "rate_ratio", "outcome": "dose_reduction_ge15"}, "outcome", "with rate_ratio"),
        ({"arm": "liner(pct=10, every=7)"}, "arm", "did you mean linear?"),
        ({"arm": "linear(pct=10, every=7, evry=3)"}, "arm", "evry=3"),
        ({"arm": "constant() + velocty_gt=3"}, "arm", "did you mean velocity_gt?"),
        ({"arm": "constant() + velocity_gt=x"}, "arm", "velocity_gt=x"),
        ({"arm": "constant() + tapered=maybe"}, "arm", "yes or no"),
        ({"arm": "constant() + velocity_gt=30 + velocity_le=30"}, "arm", "a range with people in it"),
        ({"arm": 'adaptive("rules.yaml")'}, "arm", "names no file"),
        ({"reference_arm": ""}, "reference_arm", "compares two"),
        ({"statistic": "proportion", "value": "0.2", "width_from": "pct25"}, "reference_arm", "is of one arm"),
        ({"cohort": "drug_class=opiod"}, "cohort", "did you mean opioid?"),
        ({"cohort": "mm_min=3"}, "cohort", "did you mean mme_min?"),
        ({"cohort": "mme_min=x"}, "cohort", "a number from"),
        ({"cohort": "mme_min=50;mme_max=20"}, "cohort", "mme_min at most"),
        ({"cohort": "mme_min=50;mme_min=60"}, "cohort", "mme_min twice"),
        ({"cohort": "drug=morfine"}, "cohort", "did you mean morphine?"),
        ({"cohort": "drug=morphine;formulation=TD"}, "cohort", "formulation IR, ER"),
        ({"cohort": "drug=diazepam;drug_class=opioid"}, "cohort", "drug_class=benzodiazepine"),
        (
            {"cohort": "drug=buprenorphine;mme_min=50"},
            "cohort",
            "buprenorphine_mg: its doses have a scale of their own",
        ),
        ({"cohort": "drug=buprenorphine;formulation=TD"}, "cohort", "the median daily dose, mg"),
        ({"cohort": "drug=morphine;buprenorphine_mg=8"}, "cohort", "drug=buprenorphine"),
        ({"cohort": "drug_class=gabapentinoid;benzodiazepine_share=0.3"}, "cohort", "benzodiazepine would be tapered"),
        ({"enrolment": "aged 95-65"}, "enrolment", "the younger age first"),
        ({"day": "0"}, "day", "from 1 to"),
        ({"day": ""}, "day", "given nothing"),
        ({"day": "84.5"}, "day", "a whole number"),
        ({"followup_days": "85"}, "followup_days", "at most the day"),
        ({"value": "x"}, "value", "a number"),
        ({"value": "0"}, "value", "above 0"),
        ({"lo95": "8", "hi95": "2"}, "lo95, hi95", "the lower end first"),
        ({"lo95": "5"}, "lo95, hi95", "holds the value"),
        ({"lo95": "-1"}, "lo95, hi95", "ends above 0"),
        ({"hi95": ""}, "lo95, hi95", "both ends"),
        ({"width_from": "wilson"}, "width_from", "one of ci, n, pct25"),
        ({"width_from": "n", "n_arm": "50"}, "width_from", "n with proportion"),
        ({"role": "tarrget"}, "role", "did you mean target?"),
    ],
)
def test_each_wrong_cell_gives_one_line_that_names_row_column_value_and_repair(
    changes: dict[str, str], place: str, text: str
):
    wrong = row(**changes)
    assert wrong.result is None
    (problem,) = wrong.problems
    assert problem.place == f"row 2 (T1), {place}"
    assert text in str(problem) and "\n" not in str(problem)
    assert text in wrong.reason


def test_all_problems_of_a_row_are_listed_and_the_other_rows_are_read():
    wrong = GOOD | {"id": "T0", "statistic": "x", "arm": "y()", "day": "z"}
    table = evidence_of(pd.DataFrame([wrong, GOOD]), "t.csv")
    assert len(table.problems) == 3
    assert table.rows[0].result is None and table.rows[1].result is not None


def test_the_first_row_of_an_id_is_read_and_each_later_row_and_a_row_without_an_id_is_named():
    table = evidence_of(pd.DataFrame([GOOD, GOOD | {"id": " T1"}, GOOD | {"id": ""}, GOOD | {"id": "T2"}]), "t.csv")
    assert [line.result is not None for line in table.rows] == [True, False, False, True]
    assert [str(problem) for problem in table.problems] == [
        "t.csv: row 3 (T1), id: given T1; allowed: a name of its own; row 2 has this one",
        "t.csv: row 4, id: given nothing; allowed: a name of its own",
    ]


def test_a_file_without_the_columns_is_refused_as_a_whole():
    with pytest.raises(InputError, match=r"no column statistic.*\n.*no column arm"):
        evidence_of(pd.DataFrame([{k: v for k, v in GOOD.items() if k not in ("statistic", "arm")}]), "t.csv")


def test_rows_of_other_roles_are_not_read():
    for role, reason in ROLES_LEFT_OUT.items():
        other = row(role=role, statistic="no such thing")
        assert other.result is None and other.problems == () and reason in other.reason
    assert row(role="").result is not None


def test_a_cohort_is_the_same_whatever_the_order_of_its_keys():
    one, other = (
        read_cohort(text, file="", place="") for text in ("mme_min=50;imposed=no", "imposed=no; mme_min=50.0")
    )
    assert one == other and hash(one) == hash(other)
    assert read_cohort("", file="", place="").drug_class == "opioid"
    assert read_cohort("drug=pregabalin", file="", place="").drug_class == "gabapentinoid"
    assert len(KEYS) == len(set(KEYS)) == 21


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ("aged 65-95, benzodiazepine user", "age", (65.0, 95.0)),
        ("any user aged 18 to 64", "age", (18.0, 64.0)),
        ("aged 65 and over", "age", (65.0, float("inf"))),
        ("moderate to severe pain; consent", "pain_least", MODERATE_PAIN),
        ("pain of 5 or more", "pain_least", 5.0),
        ("chronic pain 12 months; pain of 6 or more months", "pain_least", 0.0),
        ("inpatient; leaves at will", "leaves_at_will", True),
        ("inpatient; leaves at will", "inpatient", True),
        ("trial completers", "completers", True),
        ("open-label study", "open_label", True),
        ("stable mean dose for 12 months; leaves on disenrolment or death", "leaves_at_will", False),
    ],
)
def test_words_on_enrolment(words: str, field: str, value: object):
    assert getattr(read_enrolment(words, file="", place=""), field) == value


def test_filters_keep_people_by_what_happened():
    course = Course(
        velocity=np.array([10.0, 30.0, 50.0, 50.0]),
        lowest=np.array([0.9, 0.85, 0.0, 0.5]),
        dose_end=np.array([90.0, 85.0, 0.0, np.nan]),
        benzodiazepine=np.array([True, False, True, False]),
    )
    expected = {
        "velocity_gt=30": [False, False, True, True],
        "velocity_le=30": [True, True, False, False],
        "tapered=yes": [False, True, True, True],
        "tapered=no": [True, False, False, False],
        "ended=stopped": [False, False, True, False],
        "ended=continued": [True, True, False, False],
        "benzodiazepine=yes": [True, False, True, False],
        "velocity_gt=30 + benzodiazepine=no": [False, False, False, True],
    }
    for text, kept in expected.items():
        arm = read_arm(f"constant() + {text}", file="", place="")
        assert arm.call == "constant()"
        assert kept_by(arm.filters, course).tolist() == kept, text


def test_the_vocabulary_covers_what_the_published_table_uses():
    rows = [line for line in tables.read("evidence").rows if line["role"] == "target"]
    assert {line["statistic"] for line in rows} <= set(STATISTICS)
    assert {line["outcome"] for line in rows} <= set(OUTCOME_KINDS)
