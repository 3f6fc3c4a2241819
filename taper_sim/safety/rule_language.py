"""The rule language: expressions over named variables in three-valued logic. Imports ``data.problems``.

A rule is an expression of names, numbers, ``+ - *``, single comparisons, ``and or not``, parentheses and two functions.
A missing value is unknown, never false (Kleene 1952). ``or`` is true if a part is true, else unknown if a part is
unknown; ``and`` is the dual. A comparison with a missing number is unknown. ``sustained(expr, n)`` is true if the
expression is true on each of the last n days. ``any_known(a, b, …)`` needs only one known alternative. All other syntax
is an error. Overview: docs/red-flags.md.
"""

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from taper_sim.data.problems import nearest, shown

ThreeValued = bool | None
"""True, False, or None for unknown."""

MOST_CHARACTERS: Final = 2000
MOST_DAYS: Final = 366
MOST_DEPTH: Final = 60
"""Largest depth of nested expressions."""
LARGEST_NUMBER: Final = 1e9
"""Largest number in a rule."""
_COMPARE: Final[Mapping[type[ast.cmpop], Callable[[float, float], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}
LANGUAGE: Final = "names, numbers, + - *, one comparison < <= > >=, and, or, not, sustained(expr, n), any_known(a, …)"


class RuleError(ValueError):
    """An invalid rule; the message states what was given and what is allowed."""


class Lookup(Protocol):
    """Source of the values of names."""

    def value(self, name: str, days_ago: int | None = None) -> float | None:
        """A name's current value, or with ``days_ago`` the value reported on that day; None if unknown."""


@dataclass(frozen=True)
class SafetyRule:
    """A valid rule.

    Attributes
    ----------
    text : str
    names : tuple of str
        Names in the rule, in order of appearance.
    """

    text: str
    names: tuple[str, ...]
    tree: ast.expr

    def judge(self, values: Lookup) -> ThreeValued:
        """Truth value of the rule for these values."""
        return _truth(self.tree, values, None)

    def lacking(self, values: Lookup) -> tuple[str, ...]:
        """Missing names that make the rule unknown, in order; a known part has none."""
        lacked = _lacking(self.tree, values, None)
        return tuple(name for name in self.names if name in lacked)


def _refuse(text: str, what: str) -> RuleError:
    return RuleError(f"given {what} in {shown(text)}; allowed: {LANGUAGE}")


@lru_cache(maxsize=1024)
def read_rule(text: str, known: tuple[str, ...]) -> SafetyRule:
    """Parse a rule.

    Parameters
    ----------
    text : str
    known : tuple of str
        Names that the rule may use.

    Raises
    ------
    RuleError
        Syntax outside the language, or an unknown name (the message shows the nearest known one).
    """
    if len(text) > MOST_CHARACTERS:
        raise _refuse(text, f"{len(text)} characters, more than {MOST_CHARACTERS},")
    if any(sign in text for sign in "#\\\n\r"):
        raise _refuse(text, "a comment or a second line")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _refuse(text, "text that is not an expression") from None
    names: list[str] = []
    _check(tree, text, set(known), names, truth=True, depth=0)
    return SafetyRule(text, tuple(dict.fromkeys(names)), tree)


def _check(node: ast.expr, text: str, known: Collection[str], names: list[str], *, truth: bool, depth: int) -> None:
    """Check an expression and collect its names; ``truth`` states whether a truth value or a number is expected."""
    if depth > MOST_DEPTH:
        raise _refuse(text, f"more than {MOST_DEPTH} nested levels")
    if isinstance(node, ast.BoolOp) and truth:
        for part in node.values:
            _check(part, text, known, names, truth=True, depth=depth + 1)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) and truth:
        _check(node.operand, text, known, names, truth=True, depth=depth + 1)
    elif isinstance(node, ast.Compare) and truth:
        if len(node.ops) != 1 or type(node.ops[0]) not in _COMPARE:
            raise _refuse(text, "a chained comparison, or an operator other than < <= > >=,")
        for part in (node.left, node.comparators[0]):
            _check(part, text, known, names, truth=False, depth=depth + 1)
    elif isinstance(node, ast.BinOp) and not truth and type(node.op) in _ARITHMETIC:
        for part in (node.left, node.right):
            _check(part, text, known, names, truth=False, depth=depth + 1)
    elif isinstance(node, ast.Constant) and not truth and type(node.value) in (int, float):
        if not node.value <= LARGEST_NUMBER:  # type: ignore[operator]  # a number of at least 0
            raise _refuse(text, f"a number above {LARGEST_NUMBER:g}")
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not truth:
        _check(node.operand, text, known, names, truth=False, depth=depth + 1)
    elif isinstance(node, ast.Name):
        if node.id not in known:
            near = nearest(node.id, known)
            raise RuleError(f"given an unknown name {shown(node.id)} in {shown(text)}{near}; allowed: a variable")
        names.append(node.id)
    elif isinstance(node, ast.Call) and truth and isinstance(node.func, ast.Name) and not node.keywords:
        _check_call(node, text, known, names, depth)
    else:
        raise _refuse(text, f"{type(node).__name__}")


def _check_call(node: ast.Call, text: str, known: Collection[str], names: list[str], depth: int) -> None:
    function = node.func.id if isinstance(node.func, ast.Name) else ""
    if function == "sustained" and len(node.args) == 2:
        days = node.args[1]
        if not (isinstance(days, ast.Constant) and type(days.value) is int and 1 <= days.value <= MOST_DAYS):
            raise _refuse(text, f"sustained over a number of days outside 1 to {MOST_DAYS}")
        if any(isinstance(part, ast.Call) for part in ast.walk(node.args[0])):
            raise _refuse(text, "a function inside sustained")
        _check(node.args[0], text, known, names, truth=True, depth=depth + 1)
    elif function == "any_known" and node.args:
        for part in node.args:
            _check(part, text, known, names, truth=True, depth=depth + 1)
    else:
        raise _refuse(text, f"the call {shown(function or 'of something')} with {len(node.args)} parts")


def _truth(node: ast.expr, values: Lookup, days_ago: int | None) -> ThreeValued:
    if isinstance(node, ast.BoolOp):
        parts = [_truth(part, values, days_ago) for part in node.values]
        decisive = isinstance(node.op, ast.Or)
        if decisive in parts:
            return decisive
        return None if None in parts else not decisive
    if isinstance(node, ast.UnaryOp):
        inner = _truth(node.operand, values, days_ago)
        return None if inner is None else not inner
    if isinstance(node, ast.Compare):
        left, right = _number(node.left, values, days_ago), _number(node.comparators[0], values, days_ago)
        return None if left is None or right is None else _COMPARE[type(node.ops[0])](left, right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "any_known":
            parts = [_truth(part, values, days_ago) for part in node.args]
            return True if True in parts else (False if False in parts else None)
        days = int(node.args[1].value)  # type: ignore[attr-defined]  # checked when it was read
        parts = [_truth(node.args[0], values, k) for k in range(days)]
        return False if False in parts else (None if None in parts else True)
    if isinstance(node, ast.Name):
        value = _number(node, values, days_ago)
        return None if value is None else value != 0.0
    raise TypeError(f"{type(node).__name__} passed the check of a rule")


def _number(node: ast.expr, values: Lookup, days_ago: int | None) -> float | None:
    """Value of a numeric expression; None if missing or not finite."""
    value = _computed(node, values, days_ago)
    return value if value is not None and math.isfinite(value) else None


def _computed(node: ast.expr, values: Lookup, days_ago: int | None) -> float | None:
    if isinstance(node, ast.Constant):
        return float(node.value)  # type: ignore[arg-type]  # checked when it was read
    if isinstance(node, ast.Name):
        return values.value(node.id, days_ago)
    if isinstance(node, ast.UnaryOp):
        inner = _number(node.operand, values, days_ago)
        return None if inner is None else -inner
    if isinstance(node, ast.BinOp):
        left, right = _number(node.left, values, days_ago), _number(node.right, values, days_ago)
        return None if left is None or right is None else _ARITHMETIC[type(node.op)](left, right)
    raise TypeError(f"{type(node).__name__} passed the check of a rule")


def _lacking(node: ast.expr, values: Lookup, days_ago: int | None) -> set[str]:
    """Missing names in the parts that make this expression unknown."""
    if isinstance(node, ast.Call | ast.BoolOp | ast.Compare) and _truth(node, values, days_ago) is not None:
        return set()
    if isinstance(node, ast.Name):
        return {node.id} if _number(node, values, days_ago) is None else set()
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sustained":
        days = int(node.args[1].value)  # type: ignore[attr-defined]  # checked when it was read
        return set().union(*(_lacking(node.args[0], values, k) for k in range(days)))
    inner = node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
    parts = [part for part in inner if isinstance(part, ast.expr)]
    return set().union(*(_lacking(part, values, days_ago) for part in parts))
