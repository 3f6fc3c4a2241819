"""Protocols written as calls, such as ``linear(pct=10, every=28)``: text to a tree, a tree to a policy.

Imports ``data.problems`` and the interface. Nothing is evaluated as code: a small grammar parses the text, and a call
can only name a registered factory::

    expression := call ("+" (call | filter))*
    call       := name "(" [argument ("," argument)*] ")"
    argument   := value | name "=" value
    filter     := name "=" value
    value      := number | word | quoted text | expression

Spaces are ignored. A word consists of letters, digits and ``_ / . -``; its first character is a letter or ``_``.
"""

import inspect
import math
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.policies.interface import Factory, Policy, not_a_policy, registered

__all__ = ["Call", "Filter", "Value", "argument_list", "build", "canonical", "parse", "split_protocols", "written"]

FILE: Final = "protocol"
"""File name in problems of calls without a file; :func:`build` replaces it with the caller's file."""
_MOST_NESTED: Final = 20  # largest depth of brackets

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w./]))
      | (?P<word>[A-Za-z_](?:[\w/.-]*[\w])?)
      | (?P<sign>[(),=+])""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_PLAIN_WORD = re.compile(r"[A-Za-z_](?:[\w/.-]*\w)?", re.ASCII)


@dataclass(frozen=True)
class Filter:
    """A condition added by ``+``, such as ``tapered=yes``, which selects part of the people of a published arm."""

    key: str
    value: "Value"


@dataclass(frozen=True)
class Call:
    """One call of the text.

    Attributes
    ----------
    name : str
        Name of the factory.
    positional : tuple of Value
        Arguments without a name, in order.
    arguments : dict of str to Value
        Arguments with a name, in the order given.
    plus : tuple of Call or Filter
        Calls and filters added by ``+``.
    """

    name: str
    positional: "tuple[Value, ...]" = ()
    arguments: "Mapping[str, Value]" = field(default_factory=dict)
    plus: "tuple[Call | Filter, ...]" = ()


Value = int | float | str | Call


class _Reader:
    """Parser of one text, from left to right."""

    def __init__(self, text: str, file: str, place: str):
        self.file, self.place = file, place
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            token = _TOKEN.match(text, at)
            if token is None:
                allowed = "a closing quote" if text[at] in "\"'" else "names, numbers, quoted texts and ( ) , = +"
                raise self.wrong(text[at:], allowed)
            if token.lastgroup != "space":
                self.tokens.append((str(token.lastgroup), token.group()))
            at = token.end()
        self.at = 0

    def wrong(self, given: str, allowed: str) -> InputError:
        return problem(self.file, self.place, given or "nothing", allowed)

    def unexpected(self, allowed: str) -> NoReturn:
        rest = " ".join(token for _, token in self.tokens[self.at : self.at + 4])
        raise self.wrong(rest or "an end", allowed)

    def peek(self, ahead: int = 0) -> tuple[str, str]:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else ("end", "")

    def take(self, sign: str) -> bool:
        if self.peek() != ("sign", sign):
            return False
        self.at += 1
        return True

    def expression(self, depth: int = 0) -> Call:
        first = self.call(depth)
        plus: list[Call | Filter] = []
        while self.take("+"):
            if self.peek()[0] == "word" and self.peek(1) == ("sign", "="):
                key = self.peek()[1]
                self.at += 2
                plus.append(Filter(key, self.value(depth)))
            else:
                plus.append(self.call(depth))
        return Call(first.name, first.positional, first.arguments, tuple(plus))

    def call(self, depth: int) -> Call:
        kind, name = self.peek()
        if kind != "word":
            self.unexpected("a call, such as linear(pct=10, every=28)")
        self.at += 1
        if depth >= _MOST_NESTED:
            raise self.wrong(name, f"brackets at most {_MOST_NESTED} deep")
        if not self.take("("):
            raise self.wrong(name, f"a call with brackets, such as {name}()")
        positional: list[Value] = []
        arguments: dict[str, Value] = {}
        while not self.take(")"):
            if (positional or arguments) and not self.take(","):
                self.unexpected(f"a comma or a closing bracket in {name}(…)")
            if self.peek()[0] == "word" and self.peek(1) == ("sign", "="):
                key = self.peek()[1]
                if key in arguments:
                    raise self.wrong(f"{key} twice", f"each argument of {name}(…) once")
                self.at += 2
                arguments[key] = self.value(depth)
            elif arguments:
                self.unexpected(f"name=value: in {name}(…) arguments without a name come first")
            else:
                positional.append(self.value(depth))
        return Call(name, tuple(positional), arguments)

    def value(self, depth: int) -> Value:
        kind, token = self.peek()
        if kind == "word" and self.peek(1) == ("sign", "("):
            return self.expression(depth + 1)
        if kind not in ("number", "word", "text"):
            self.unexpected("a value: a number, a word, a quoted text or a call")
        self.at += 1
        if kind == "number":
            number = float(token)
            if not math.isfinite(number):
                raise self.wrong(token, "a finite number")
            return int(token) if re.fullmatch(r"-?\d+", token) and len(token) < 300 else number
        return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL) if kind == "text" else token


def parse(text: str, *, file: str = FILE, place: str | None = None) -> Call:
    """Parse one protocol.

    Parameters
    ----------
    text : str
        Such as ``supported(taper=linear(pct=10, every=7), care=a/b) + adjunct(lofexidine, mg=2.88)``.
    file, place : str, optional
        File and place of the text, for problems; default of the place: the text itself.

    Raises
    ------
    InputError
        If the text does not follow the grammar; the problem quotes the text from the first unexpected token.
    """
    reader = _Reader(text, file, shown(text) if place is None else place)
    call = reader.expression()
    if reader.peek()[0] != "end":
        reader.unexpected("the end, or + and a call")
    return call


def split_protocols(text: str, *, file: str = FILE, place: str | None = None) -> list[str]:
    """Split ``a(), b(x=1, y=2)`` into its protocols; commas in brackets or quotes do not separate.

    Returns
    -------
    list of str
        Texts of the protocols without surrounding spaces, for :func:`parse`.

    Raises
    ------
    InputError
        If a bracket or a quote is not closed, or a protocol is empty.
    """
    where = shown(text) if place is None else place
    parts, depth, quote, begin, at = [], 0, "", 0, 0
    while at < len(text):
        sign = text[at]
        if quote:
            at += sign == "\\"
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "()":
            depth += 1 if sign == "(" else -1
            if depth < 0:
                raise problem(file, where, text[at:], "as many closing as opening brackets")
        elif sign == "," and depth == 0:
            parts.append(text[begin:at].strip())
            begin = at + 1
        at += 1
    parts.append(text[begin:].strip())
    if quote or depth:
        raise problem(file, where, text[begin:], "a closing quote" if quote else "closing brackets")
    if not all(parts):
        raise problem(file, where, text or "nothing", "protocols separated by commas, such as constant(), abrupt()")
    return parts


def written(value: Any) -> str:
    """Text of a value in a call: whole numbers without a point, words without quotes, other text in quotes."""
    if isinstance(value, Call):
        return canonical(value)
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, int | float):
        return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)
    text = str(value)
    if _PLAIN_WORD.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def canonical(call: Call, registry: Mapping[str, Factory] | None = None) -> str:
    """Normal form of a call, which is the protocol's name in every output.

    Equivalent texts have one normal form: arguments have the order of the factory's signature and their names, and
    arguments equal to their default are omitted (``basis=original``). Unregistered calls and unknown arguments are
    unchanged.

    Parameters
    ----------
    call : Call
        Result of :func:`parse`.
    registry : mapping of str to factory, optional
        Default: every registered factory.
    """
    known = registered() if registry is None else registry
    positional, arguments = list(call.positional), dict(call.arguments)
    if call.name in known:
        parameters = _parameters(known[call.name])
        if parameters and parameters[0].name == "policy":  # the protocol before + is no argument
            parameters = parameters[1:]
        by_name = [p for p in parameters if p.kind is not p.POSITIONAL_ONLY]
        n_first = len(parameters) - len(by_name)
        for value, parameter in zip(positional[n_first:], by_name, strict=False):
            arguments.setdefault(parameter.name, value)
        del positional[n_first:]
        order = {p.name: p for p in by_name}
        listed = [name for name in order if name in arguments] + [name for name in arguments if name not in order]
        arguments = {
            name: arguments[name]
            for name in listed
            if name not in order
            or order[name].default is inspect.Parameter.empty
            or written(arguments[name]) != written(order[name].default)
        }
    inside = [_within(value, known) for value in positional]
    inside += [f"{name}={_within(value, known)}" for name, value in arguments.items()]
    added = [
        f"{part.key}={_within(part.value, known)}" if isinstance(part, Filter) else canonical(part, known)
        for part in call.plus
    ]
    return " + ".join([f"{call.name}({', '.join(inside)})", *added])


def _within(value: Value, registry: Mapping[str, Factory]) -> str:
    return canonical(value, registry) if isinstance(value, Call) else written(value)


# -- from a tree to a policy -------------------------------------------------------------------------------------------


def _parameters(factory: Factory) -> list[inspect.Parameter]:
    """Arguments of a factory that a call can set, positional ones first."""
    return [
        p
        for p in inspect.signature(factory, eval_str=True).parameters.values()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


def argument_list(factory: Factory) -> str:
    """Arguments of a factory with their defaults, required ones first: ``pct, every, end_pct=5``."""
    listed = sorted(_parameters(factory), key=lambda p: p.default is not p.empty)
    return ", ".join(p.name if p.default is p.empty else f"{p.name}={written(p.default)}" for p in listed)


_IN_WORDS: Final = {int: "a whole number", float: "a number", bool: "yes or no", str: "a word or a text in quotes"}
_YES_NO: Final = {"yes": True, "true": True, "no": False, "false": False}


def _converted(value: Value, kind: Any) -> Any:
    """Convert a value to a type; raises ValueError with the allowed values."""
    if kind in (inspect.Parameter.empty, Any):
        return value
    options = typing.get_args(kind)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        allowed = []
        for option in options:
            if option is not types.NoneType:
                try:
                    return _converted(value, option)
                except ValueError as error:
                    allowed.append(str(error))
        if types.NoneType in options and value == "none":
            return None
        raise ValueError(" or ".join(allowed))
    if typing.get_origin(kind) is typing.Literal:
        if value in options:
            return value
        raise ValueError(", ".join(map(written, options)) + nearest(str(value), map(str, options)))
    if kind is bool and isinstance(value, str) and value in _YES_NO:
        return _YES_NO[value]
    if kind is float and isinstance(value, int | float):
        return float(value)
    if kind is int and isinstance(value, int | float) and float(value).is_integer():
        return int(value)
    if kind is str and isinstance(value, str):
        return value
    raise ValueError(_IN_WORDS.get(kind, f"a {getattr(kind, '__name__', kind)}"))


class _Builder:
    """Builder of the policies of one text; it collects every problem of their arguments."""

    def __init__(self, registry: Mapping[str, Factory], file: str, place: str):
        self.registry, self.file, self.place = registry, file, place

    def wrong(self, given: str, allowed: str) -> InputError:
        return InputError(Problem(self.file, self.place, shown(given), allowed))

    def expression(self, call: Call) -> Policy:
        policy = self.single(call)
        for part in call.plus:
            if isinstance(part, Filter):
                allowed = "a protocol; a filter picks people of a published arm and is for validation only"
                raise self.wrong(f"+ {part.key}={written(part.value)}", allowed)
            policy = self.single(part, policy)
        return policy

    def single(self, call: Call, added_to: Policy | None = None) -> Policy:
        """Policy of one call; with ``added_to``, of a call after ``+``, whose factory takes that policy first."""
        factory = self.registry.get(call.name)
        if factory is None:
            listed = ", ".join(sorted(self.registry)) or "none is registered"
            raise self.wrong(f"{call.name}(…)", f"{listed}{nearest(call.name, self.registry)}")
        parameters = _parameters(factory)
        if (added_to is not None) != (bool(parameters) and parameters[0].name == "policy"):
            how = "a protocol before it and +" if added_to is None else "standing alone, not after +"
            raise self.wrong(f"{call.name}(…)", how)
        if added_to is not None:
            parameters = parameters[1:]
        values, problems = self.bound(call, parameters)
        if problems:
            raise InputError(problems)
        first = [values.pop(p.name) for p in parameters if p.kind is p.POSITIONAL_ONLY and p.name in values]
        try:
            policy = factory(*([] if added_to is None else [added_to]), *first, **values)
        except InputError as error:
            raise InputError(
                Problem(self.file, self.place, p.given, p.allowed) if p.file == FILE else p for p in error.problems
            ) from None
        if not isinstance(policy, Policy):
            raise TypeError(not_a_policy(type(policy)))
        return policy

    def bound(self, call: Call, parameters: list[inspect.Parameter]) -> tuple[dict[str, Any], list[Problem]]:
        """Values by the factory's names, and their problems."""
        problems: list[Problem] = []

        def add(given: str, allowed: str) -> None:
            problems.append(Problem(self.file, self.place, shown(given), allowed))

        named = [p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY]
        takes = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
        given: dict[str, Value] = {}
        for value, parameter in zip(call.positional, takes, strict=False):
            given[parameter.name] = value
        for extra in call.positional[len(takes) :]:
            add(
                written(extra),
                f"{call.name}(…) takes {', '.join(p.name for p in takes) or 'nothing'} without a name"
                f"{', and by name ' + ', '.join(named) if named else ''}",
            )
        for name, value in call.arguments.items():
            if name not in named:
                listed = ", ".join(named)
                allowed = f"arguments of {call.name}(…): {listed}" if listed else f"{call.name}() has no arguments"
                add(f"{name}={written(value)}", allowed + nearest(name, named))
            elif name in given:
                add(f"{name} twice", f"each argument of {call.name}(…) once")
            else:
                given[name] = value
        values: dict[str, Any] = {}
        for parameter in parameters:
            if parameter.name in given:
                value = given[parameter.name]
                try:
                    # a call in an argument is a protocol; the annotation says whether the factory takes one
                    kinds = (parameter.annotation, *typing.get_args(parameter.annotation))
                    wants_policy = any(kind in (Policy, Any, parameter.empty) for kind in kinds)
                    if isinstance(value, Call) and wants_policy:
                        values[parameter.name] = self.expression(value)
                    elif parameter.annotation is Policy:
                        raise ValueError("a protocol, such as linear(pct=10, every=28)")
                    else:
                        values[parameter.name] = _converted(value, parameter.annotation)
                except InputError as error:
                    problems += error.problems
                except ValueError as error:
                    add(f"{parameter.name}={written(value)}", str(error))
            elif parameter.default is parameter.empty:
                value_in_words = _IN_WORDS.get(parameter.annotation, "a value")
                add(f"no {parameter.name}", f"{call.name}(…) needs {parameter.name}: {value_in_words}")
        return values, problems


def build(
    text: str | Call, registry: Mapping[str, Factory] | None = None, *, file: str = FILE, place: str | None = None
) -> Policy:
    """Build the policy that a call names.

    Parameters
    ----------
    text : str or Call
        The call, as text or parsed.
    registry : mapping of str to factory, optional
        Factories by name. Default: every registered factory.
    file, place : str, optional
        File and place of the call, for problems (a scenario file and its key). Default: ``protocol`` and the call.

    Returns
    -------
    Policy
        Result of the factory. A factory whose first argument is ``policy`` is used after ``+`` and receives the policy
        before it.

    Raises
    ------
    InputError
        One problem for an unknown call, and for each argument that is unknown (with the nearest known name), missing,
        of the wrong type or out of range.
    """
    known = registered() if registry is None else registry
    if place is None:
        place = shown(text if isinstance(text, str) else canonical(text, known))
    call = parse(text, file=file, place=place) if isinstance(text, str) else text
    return _Builder(known, file, place).expression(call)
