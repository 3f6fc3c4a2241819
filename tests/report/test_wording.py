"""Text of numbers, roles and kinds of work in reports."""

import numpy as np
import pytest

from taper_sim.clinic.team import ROLES
from taper_sim.clinic.work import KINDS_OF_WORK
from taper_sim.report.wording import count, in_words, interval_text, name_text, number_text, percent


@pytest.mark.parametrize(
    ("value", "digits", "signed", "said"),
    [
        (-0.001, 2, False, "0.00"),
        (-0.001, 2, True, "0.00"),
        (0.001, 2, True, "0.00"),
        (-0.006, 2, False, "-0.01"),
        (4310.4, 0, False, "4,310"),
        (4310.4, 1, True, "+4,310.4"),
        (np.nan, 1, False, "-"),
        (-0.4, 0, False, "0"),
    ],
)
def test_zero_has_no_sign_and_thousands_have_a_separator(value, digits, signed, said):
    assert number_text(value, digits, signed=signed) == said


def test_a_missing_interval_is_not_shown():
    assert interval_text(-0.001, -0.004, 0.2, 2) == "0.00 (0.00 to 0.20)"
    assert interval_text(1.0, np.nan, np.nan) == "1.0"


def test_counts_and_shares():
    assert count(1, "replication") == "1 replication" and count(1200, "replication") == "1,200 replications"
    assert percent(0.0831) == "8 %" and percent(0.0831, 1) == "8.3 %"


def test_names_are_in_words():
    assert (
        name_text("social_worker") == "social worker"
        and name_text("np_pa") == "NP/PA"
        and name_text("case_conference") == ("case conference")
    )
    assert in_words("np_pa 1, pt 2") == "NP/PA 1, physical therapist 2"
    assert in_words("Dr a_b") == "Dr a_b"  # a person's own name stays
    for name in (*ROLES, *(kind.name for kind in KINDS_OF_WORK)):
        assert "_" not in name_text(name)
