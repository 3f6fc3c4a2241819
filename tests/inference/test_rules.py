"""The language of rules: three truth values, and nothing that is not of it."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taper_sim import tables
from taper_sim.inference.red_flags import variable_names
from taper_sim.inference.rules import RuleError, Truth, read_rule

KNOWN = ("a", "b", "c", "x", "y")
TRUTHS: tuple[Truth, ...] = (True, False, None)


class Fixed:
    """Values as given; by days ago where a list is given."""

    def __init__(self, **values: float | bool | list[float | None] | None):
        self.values = values

    def value(self, name: str, days_ago: int | None = None) -> float | None:
        """The value, or that of so many days ago."""
        found = self.values.get(name)
        if isinstance(found, list):
            return found[days_ago or 0]
        return None if found is None else float(found)


def judged(text: str, **values: float | bool | list[float | None] | None) -> Truth:
    """Truth of a rule."""
    return read_rule(text, KNOWN).judge(Fixed(**values))


@pytest.mark.parametrize(("a", "b"), list(product(TRUTHS, TRUTHS)))
def test_and_or_not_are_kleenes(a: Truth, b: Truth) -> None:
    both = False if False in (a, b) else None if None in (a, b) else True
    either = True if True in (a, b) else None if None in (a, b) else False
    known = True if True in (a, b) else False if False in (a, b) else None
    assert judged("a and b", a=a, b=b) is both
    assert judged("a or b", a=a, b=b) is either
    assert judged("any_known(a, b)", a=a, b=b) is known
    assert judged("not (a and b)", a=a, b=b) is judged("not a or not b", a=a, b=b)


def test_missing_is_unknown_and_never_false() -> None:
    assert judged("x > 3") is None
    assert judged("x - y >= 2", x=5.0) is None
    assert judged("x > 3 or a", a=True) is True
    assert judged("x > 3 and a", a=False) is False
    assert judged("x >= 1.5 * y", x=3.0, y=2.0) is True


def test_sustained_needs_every_day() -> None:
    assert judged("sustained(x >= 3, 3)", x=[3.0, 4.0, 5.0, 0.0]) is True
    assert judged("sustained(x >= 3, 3)", x=[3.0, 2.0, None]) is False
    assert judged("sustained(x >= 3, 3)", x=[3.0, None, 5.0]) is None


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "a.b", "a[0]", "'text'", "1 < x < 3", "x == 3", "x ** 9 > 1", "lambda: a",
        "a if b else c", "x / y > 1", "sustained(a)", "sustained(a, b)", "sustained(a, 0)", "any_known()", "eval(a)",
        "a and", "", "x + a", "(a, b)", "[a]", "a or True", "x > 'a'", "f'{a}'", "sustained(a, 3.5)",
        "any_known(a, n=b)",
        "a; b", "x := 3", "not", "3", "x > 1j", "+x > 1", "~a", "a" * 3000,
    ],
)  # fmt: skip
def test_what_is_not_of_the_language_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(RuleError) as error:
        read_rule(text, KNOWN)
    assert "allowed:" in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400


def test_an_unknown_name_is_told_with_the_nearest_known_one() -> None:
    with pytest.raises(RuleError, match="did you mean sows_gossop"):
        read_rule("sows_gosop > 3", variable_names())


@given(st.text(alphabet="abcxy ()<>=+-*andort.,0123456789", max_size=60))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    try:
        rule = read_rule(text, KNOWN)
    except RuleError:
        return
    assert rule.judge(Fixed()) in TRUTHS


def test_every_rule_of_the_tables_is_of_the_language() -> None:
    names = variable_names()
    for table in ("red_flags", "interactions"):
        for row in tables.read(table).rows:
            assert not row["rule"] or read_rule(row["rule"], names).names
    for row in tables.read("guidelines").rows:
        assert not row["applies_if"] or read_rule(row["applies_if"], names)
