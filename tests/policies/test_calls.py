"""Protocols as text: the grammar, the normal form, and what a wrong call is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest

from taper_sim.data.problems import InputError
from taper_sim.policies import fixed, guidance
from taper_sim.policies.calls import Call, Filter, argument_list, build, canonical, parse, split_protocols
from taper_sim.policies.interface import Factory, Observation, Order, Patients, Policy

PRESET = 'preset("CDC 2022 (use >=1 year)")'


@dataclass(frozen=True)
class Probe(Policy):
    """A policy of one's own, with an argument of every kind."""

    number: float
    count: int = 2
    flag: bool = False
    kind: Literal["phone", "video"] = "phone"
    words: str = "a/b"
    least: float | None = None
    taper: Policy | None = None

    name = "probe()"

    def decision_days(self, n_days: int) -> list[int]:
        return [1]

    def start(self, patients: Patients) -> Any:
        return None

    def decide(self, memory: Any, observation: Observation) -> Order:
        return Order(np.ones_like(observation.dose_fraction))


@dataclass(frozen=True)
class Supported(Probe):
    """A policy that needs another."""

    number: float = 0.0
    taper: Policy | None = None
    care: str = ""


@dataclass(frozen=True)
class Adjunct(Probe):
    """What stands after a plus."""

    policy: Policy | None = None
    what: str = ""
    mg: float = 0.0


def adjunct(policy: Policy, what: str, mg: float = 0.0) -> Adjunct:
    """Stand after a plus."""
    return Adjunct(number=1.0, policy=policy, what=what, mg=mg)


def supported(taper: Policy, care: str) -> Supported:
    """Carry another protocol."""
    return Supported(taper=taper, care=care)


REGISTRY: Mapping[str, Factory] = {
    "probe": Probe,
    "adjunct": adjunct,
    "supported": supported,
    "linear": fixed.Linear,
    "constant": fixed.Constant,
    "preset": guidance.preset,
}


def problems_of(text: str, registry: Mapping[str, Factory] | None = None, **where: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        build(text, registry, **where)
    return [str(problem) for problem in caught.value.problems]


# grammar


def test_a_call_has_a_name_and_arguments_with_and_without_names() -> None:
    assert parse('mix(1, a/b, "x, y", pct=10, care=.5)') == Call("mix", (1, "a/b", "x, y"), {"pct": 10, "care": 0.5})


def test_numbers_keep_their_kind_and_words_that_begin_like_numbers_are_no_numbers() -> None:
    assert parse("a(-3, 2.50, 1e-3, inf, none)").positional == (-3, 2.5, 0.001, "inf", "none")
    with pytest.raises(InputError):
        parse("a(28d)")


def test_a_call_may_be_an_argument_of_a_call() -> None:
    call = parse("supported(taper=linear(pct=10,every=7),care=a/b,mode=telephone)")
    assert call.arguments["taper"] == Call("linear", (), {"pct": 10, "every": 7})
    assert call.arguments["care"] == "a/b"


def test_calls_and_filters_are_added_by_plus() -> None:
    call = parse("abrupt()+adjunct(lofexidine,mg=2.88) + velocity_gt=30+tapered=yes")
    assert call.plus == (
        Call("adjunct", ("lofexidine",), {"mg": 2.88}),
        Filter("velocity_gt", 30),
        Filter("tapered", "yes"),
    )


def test_a_nested_call_keeps_what_is_added_to_it() -> None:
    call = parse("supported(taper=abrupt()+adjunct(x), care=a)")
    assert call.arguments["taper"] == Call("abrupt", (), {}, (Call("adjunct", ("x",)),))
    assert call.plus == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "linear",
        "linear(",
        "linear(pct=10",
        "linear(pct=10))",
        "linear(pct=10%)",
        "linear(pct 10)",
        "linear(pct=)",
        "linear(,)",
        "linear(pct=10,)x",
        "linear(pct=10, pct=20)",
        "linear(pct=10, 28)",
        "3",
        '"a"',
        "a()+",
        "a()+3",
        "a() b()",
        'preset("x',
        "a(b=1e999)",
        "a(=3)",
        "__import__('os').system('x')",
        "a()\x00",
        "a(" * 50 + ")" * 50,
        "a(pct=+10)",
    ],
)
def test_text_that_is_no_protocol_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert len(caught.value.problems) == 1
    assert "\n" not in str(caught.value)


def test_nothing_is_evaluated() -> None:
    with pytest.raises(InputError, match="allowed"):
        build("linear(pct=__import__('os').getpid(), every=28)")


def test_quotes_carry_anything_and_may_be_escaped() -> None:
    assert parse(r"""a("it's \"so\" (1, 2)", 'b"c')""").positional == ('it\'s "so" (1, 2)', 'b"c')


# several protocols in one text


def test_commas_in_brackets_and_quotes_do_not_separate_protocols() -> None:
    text = f'constant(), linear(pct=10,every=28),{PRESET} , preset("a, (b"),s(taper=a(x=1,y=2),care=c)+f=1'
    assert split_protocols(text) == [
        "constant()",
        "linear(pct=10,every=28)",
        PRESET,
        'preset("a, (b")',
        "s(taper=a(x=1,y=2),care=c)+f=1",
    ]


@pytest.mark.parametrize("text", ["", "a(),,b()", "a(),", "a(", "a())", 'p("x', ",a()"])
def test_protocols_that_cannot_be_separated_are_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        split_protocols(text, file="scenario.yaml", place="protocols")
    assert str(caught.value).startswith("scenario.yaml: protocols: given ")


def test_an_escaped_quote_does_not_end_a_text() -> None:
    assert split_protocols(r'p("a\", b"), c()') == [r'p("a\", b")', "c()"]


# normal form


@pytest.mark.parametrize(
    "text",
    [
        "linear(pct=10,every=28)",
        " linear ( every = 28 , pct = 10.0 ) ",
        "linear(10, 28)",
        "linear(pct=10, every=28, basis=original)",
        "linear(10,28,end_pct=0,floor_pct=0.0)",
    ],
)
def test_two_ways_of_writing_one_protocol_have_one_name(text: str) -> None:
    assert canonical(parse(text)) == "linear(pct=10, every=28)"
    assert build(text).name == "linear(pct=10, every=28)"


@pytest.mark.parametrize(
    "text",
    [
        "constant()",
        "linear(pct=12.5, every=7, floor_pct=20)",
        PRESET,
        "supported(taper=linear(pct=10, every=7), care=a/b, mode=telephone)",
        "abrupt() + adjunct(lofexidine, mg=2.88) + tapered=yes",
        r'unknown("it\'s \"so\"", b=-1e-05)',
    ],
)
def test_the_normal_form_reads_as_itself(text: str) -> None:
    once = canonical(parse(text), {})
    assert once == canonical(parse(once), {})
    assert parse(once) == parse(text)


def test_what_stands_before_a_plus_is_no_argument_of_what_follows() -> None:
    name = "constant() + adjunct(what=lofexidine, mg=2.88)"
    assert canonical(parse("constant()+adjunct(lofexidine,mg=2.88)"), REGISTRY) == name
    assert build(name, REGISTRY) == build("constant()+adjunct(lofexidine,mg=2.88)", REGISTRY)


def test_what_is_not_registered_keeps_the_order_of_its_arguments() -> None:
    assert canonical(parse("new(z=1,a=2)")) == "new(z=1, a=2)"


# building


def test_every_kind_of_argument_is_converted() -> None:
    built = build("probe(10, count=3.0, flag=yes, kind=video, words='c, d', least=none, taper=constant())", REGISTRY)
    assert built == Probe(10.0, 3, True, "video", "c, d", None, fixed.Constant())
    assert isinstance(built, Probe)
    assert isinstance(built.number, float)


def test_a_call_in_an_argument_becomes_a_policy() -> None:
    built = build("supported(taper=linear(pct=10,every=7),care=a/b)", REGISTRY)
    assert isinstance(built, Supported)
    assert built.taper == fixed.Linear(10.0, 7)


def test_what_follows_a_plus_is_given_the_policy_before_it() -> None:
    built = build("constant() + adjunct(lofexidine, mg=2.88) + adjunct(x)", REGISTRY)
    assert isinstance(built, Adjunct)
    assert built.what == "x"
    assert isinstance(built.policy, Adjunct)
    assert built.policy.policy == fixed.Constant()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("liner(pct=10, every=28)", ["given liner(…)", "did you mean linear?", "preset"]),
        ("linear(pct=10, every=28, evry=2)", ["given evry=2", "did you mean every?"]),
        ("linear(pct=10)", ["given no every", "a whole number"]),
        ("linear(pct=ten, every=28)", ["given pct=ten", "allowed: a number"]),
        ("linear(pct=10, every=2.5)", ["given every=2.5", "allowed: a whole number"]),
        ("linear(pct=0, every=28)", ["given pct=0", "never end"]),
        ("linear(pct=101, every=28)", ["given pct=101", "at most 100"]),
        ("linear(pct=10, every=0)", ["given every=0", "1 or more"]),
        ("linear(pct=10, every=28, basis=current)", ["given basis=current", "exponential"]),
        ("linear(1, 2, original, 4)", ["given 4", "without a name"]),
        ("linear(1, pct=2, every=3)", ["given pct twice"]),
        ("constant(pct=3)", ["given pct=3", "no arguments"]),
        ("probe(number=1, kind=vidoe)", ["given kind=vidoe", "phone, video", "did you mean video?"]),
        ("probe(number=1, flag=maybe)", ["given flag=maybe", "yes or no"]),
        ("probe(number=1, words=3)", ["given words=3", "a word or a text in quotes"]),
        ("probe(number=1, least=x)", ["given least=x", "a number"]),
        ("probe(number=constant())", ["given number=constant()", "a number"]),
        ("supported(taper=3, care=a)", ["given taper=3", "a protocol"]),
        ("supported(taper=linear(pct=0,every=7), care=a)", ["given pct=0", "never end"]),
        ("constant() + tapered=yes", ["given + tapered=yes", "filter"]),
        ("constant() + linear(pct=10, every=28)", ["given linear(…)", "standing alone"]),
        ("adjunct(lofexidine)", ["given adjunct(…)", "a protocol before it"]),
    ],
)
def test_a_wrong_call_is_told_what_was_given_and_what_is_allowed(text: str, told: list[str]) -> None:
    said = problems_of(text, REGISTRY)
    assert len(said) == 1
    assert said[0].startswith(f"protocol: {text}"[:60])
    for part in told:
        assert part in said[0]


def test_every_problem_of_a_call_is_told_at_once() -> None:
    assert len(problems_of("linear(pct=x, evry=28, every=0.5)")) == 3
    assert len(problems_of("linear(pct=0, every=0, floor_pct=100)")) == 3


def test_a_problem_names_the_file_and_the_key_of_whoever_reads_it() -> None:
    said = problems_of("linear(pct=0, every=28)", file="s.yaml", place="protocols.2")
    assert said[0].startswith("s.yaml: protocols.2: given pct=0; allowed: ")
    assert problems_of("linear(", file="s.yaml", place="p")[0].startswith("s.yaml: p: ")
    assert problems_of('preset("x")', file="s.yaml", place="p")[0].startswith("s.yaml: p: given x; ")


def test_arguments_are_listed_with_their_defaults() -> None:
    assert argument_list(fixed.Constant) == ""
    assert argument_list(fixed.Linear).startswith("pct, every, basis=original, drug_class=none, floor_pct=0")
    assert argument_list(adjunct) == "policy, what, mg=0"
