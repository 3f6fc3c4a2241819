"""The language of rules: three truth values, and nothing that is not of it."""

import ast
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taper_sim import tables
from taper_sim.safety.red_flags import variable_names
from taper_sim.safety.rule_language import MOST_CHARACTERS, MOST_DEPTH, RuleError, ThreeValued, read_rule

KNOWN = ("a", "b", "c", "x", "y")
TRUTHS: tuple[ThreeValued, ...] = (True, False, None)


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


def judged(text: str, **values: float | bool | list[float | None] | None) -> ThreeValued:
    """Truth of a rule."""
    return read_rule(text, KNOWN).judge(Fixed(**values))


@pytest.mark.parametrize(("a", "b"), list(product(TRUTHS, TRUTHS)))
def test_and_or_not_follow_kleenes_logic(a: ThreeValued, b: ThreeValued) -> None:
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
        "__import__('os').system('true')",
        "a.b",
        "a[0]",
        "'text'",
        "1 < x < 3",
        "x == 3",
        "x ** 9 > 1",
        "lambda: a",
        "a if b else c",
        "x / y > 1",
        "sustained(a)",
        "sustained(a, b)",
        "sustained(a, 0)",
        "any_known()",
        "eval(a)",
        "a and",
        "",
        "x + a",
        "(a, b)",
        "[a]",
        "a or True",
        "x > 'a'",
        "f'{a}'",
        "sustained(a, 3.5)",
        "any_known(a, n=b)",
        "a; b",
        "x := 3",
        "not",
        "3",
        "x > 1j",
        "+x > 1",
        "~a",
        "a" * 3000,
        "x > " + "9" * 400,
        "x > 1e999",
        "x > " + "-" * 1900 + "y",
        "x" + " + x" * 400 + " > 1",
        "not " * 400 + "a",
        "(" * 500 + "a" + ")" * 500,
        "a # b",
        "(a or\nb)",
        "sustained(sustained(a, 366), 366)",
        "sustained(any_known(a, b), 3)",
        "any_known(*c)",
        "x @ y > 1",
        "x in y",
        "a is b",
        "x > -True",
        "await a",
    ],
)
def test_syntax_outside_the_language_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(RuleError) as error:
        read_rule(text, KNOWN)
    assert "allowed:" in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 400


#: Each way to nest: what is repeated before and after the innermost part, that part, and its depth without repetition.
NESTINGS = [
    ("not ", "", "a", 0),
    ("(a and ", ")", "b", 0),
    ("any_known(", ")", "a", 0),
    ("not ", "", "sustained(a, 2)", 1),
    ("not ", "", "x > 1", 1),
    ("-", "", "1", 1),
    ("(", " + 1)", "x", 1),
    ("(1 - ", ")", "x", 1),
]


@pytest.mark.parametrize(("before", "after", "inside", "depth"), NESTINGS, ids=[f"{n[0]}{n[2]}" for n in NESTINGS])
def test_a_rule_is_nested_to_the_largest_depth_and_no_deeper(before: str, after: str, inside: str, depth: int) -> None:
    def rule(levels: int) -> str:
        nested = before * (levels - depth) + inside + after * (levels - depth)
        return nested if before.startswith(("not", "(a", "any")) else f"{nested} > 0"

    read_rule(rule(MOST_DEPTH), KNOWN)
    with pytest.raises(RuleError, match=f"more than {MOST_DEPTH} nested levels"):
        read_rule(rule(MOST_DEPTH + 1), KNOWN)


def test_limits_of_a_rule_are_allowed_and_what_is_beyond_them_is_not() -> None:
    long = "a" + " " * (MOST_CHARACTERS - 1)
    for text in (long, "sustained(a, 1)", "sustained(a, 366)", "x > 1000000000"):
        read_rule(text, KNOWN)
    for text in (long + " ", "sustained(a, 0)", "sustained(a, 367)", "x > 1000000001"):
        with pytest.raises(RuleError):
            read_rule(text, KNOWN)


def test_an_unknown_name_is_refused_with_the_nearest_known_name() -> None:
    with pytest.raises(RuleError, match="did you mean sows_gossop"):
        read_rule("sows_gosop > 3", variable_names())


@given(st.text(alphabet="abcxy ()<>=+-*andort.,0123456789", max_size=60))
def test_any_text_is_either_parsed_or_refused(text: str) -> None:
    try:
        rule = read_rule(text, KNOWN)
    except RuleError:
        return
    assert rule.judge(Fixed()) in TRUTHS


def test_every_rule_of_the_tables_is_valid() -> None:
    names = variable_names()
    for table in ("red_flags", "interactions"):
        for row in tables.read(table).rows:
            assert not row["rule"] or read_rule(row["rule"], names).names
    for row in tables.read("guidelines").rows:
        assert not row["applies_if"] or read_rule(row["applies_if"], names)


def test_a_number_that_is_not_finite_is_unknown_and_never_false() -> None:
    for odd in (float("nan"), float("inf")):
        assert judged("x > 3", x=odd) is None
        assert judged("x < 3", x=odd) is None
        assert judged("a", a=odd) is None
    assert judged("x * y - x * y < 1", x=1e300, y=1e300) is None


def test_the_missing_names_are_exactly_those_that_make_a_rule_unknown() -> None:
    def lacking(text: str, **values: float | bool | list[float | None] | None) -> tuple[str, ...]:
        return read_rule(text, KNOWN).lacking(Fixed(**values))

    assert lacking("a and b", a=True) == ("b",)
    assert lacking("a and b", a=False) == ()
    assert lacking("(a and b) or c", a=False) == ("c",)
    assert lacking("any_known(x > 1, a) and b", a=False) == ()
    assert lacking("any_known(x > 1, a) and b", a=True) == ("b",)
    assert lacking("any_known(x > 1, not a)") == ("x", "a")
    assert lacking("sustained(x - y > 1, 2)", x=[5.0, None], y=1.0) == ("x",)


LEAVES = st.sampled_from(["a", "b", "c", "x > 1", "x - y <= 2", "y >= 0.5"])
KLEENE = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"({p[0]} and {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} or {p[1]})"),
        inner.map(lambda p: f"(not {p})"),
    ),
    max_leaves=8,
)
BOOLEAN = st.sampled_from([None, 0.0, 1.0])
NUMBER = st.sampled_from([None, -1.0, 0.5, 1.0, 3.0])
KNOWLEDGE = st.fixed_dictionaries({"a": BOOLEAN, "b": BOOLEAN, "c": BOOLEAN, "x": NUMBER, "y": NUMBER})


@given(KLEENE, KLEENE, KLEENE, KNOWLEDGE)
def test_the_laws_of_three_valued_logic_hold_for_whole_expressions(
    p: str, q: str, r: str, known: dict[str, float]
) -> None:
    def of(text: str) -> ThreeValued:
        return judged(text, **known)

    assert of(f"not ({p} and {q})") is of(f"(not {p}) or (not {q})")
    assert of(f"not ({p} or {q})") is of(f"(not {p}) and (not {q})")
    assert of(f"not (not {p})") is of(p)
    assert of(f"{p} and {q}") is of(f"{q} and {p}")
    assert of(f"{p} or {q}") is of(f"{q} or {p}")
    assert of(f"{p} and ({q} or {r})") is of(f"({p} and {q}) or ({p} and {r})")
    assert of(f"{p} or ({p} and {q})") is of(p) is of(f"{p} and ({p} or {q})")


@given(KLEENE, KNOWLEDGE, KNOWLEDGE)
def test_further_values_never_change_a_known_truth_value(
    text: str, known: dict[str, float], more: dict[str, float]
) -> None:
    before = judged(text, **known)
    after = judged(text, **{name: value if value is not None else more[name] for name, value in known.items()})
    assert before is None or after is before


@given(KLEENE, KNOWLEDGE)
def test_a_known_rule_has_no_missing_names_and_an_unknown_rule_has_some(text: str, known: dict[str, float]) -> None:
    lacking = read_rule(text, KNOWN).lacking(Fixed(**known))
    assert (judged(text, **known) is None) == bool(lacking)
    assert all(known[name] is None for name in lacking)


def test_rules_of_the_tables_use_booleans_without_comparison_and_compare_numbers() -> None:
    boolean = {row["name"]: row["type"] == "boolean" for row in tables.read("variables").rows}
    for table in ("red_flags", "interactions"):
        for row in tables.read(table).rows:
            if row["rule"]:
                tree = ast.parse(row["rule"], mode="eval")
                compared = {id(n) for c in ast.walk(tree) if isinstance(c, ast.Compare) for n in ast.walk(c)}
                called = {id(c.func) for c in ast.walk(tree) if isinstance(c, ast.Call)}
                for n in ast.walk(tree):
                    if isinstance(n, ast.Name) and id(n) not in called:
                        assert boolean.get(n.id, True) == (id(n) not in compared), (row["rule"], n.id)
