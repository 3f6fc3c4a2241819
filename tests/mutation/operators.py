"""Every small change that a module is tried with, as text. Imports nothing of the package.

Operators: ``+`` and ``-``, ``*`` and ``/``, ``&`` and ``|``; each comparison becomes its neighbour; ``and`` and ``or``;
a condition is negated; ``not``, ``~`` and a minus sign are dropped; a number is doubled or becomes 0 (0 becomes 1).
Docstrings, annotations, decorators and the texts of messages stay as they are.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from typing import Any, Final

_PAIRS: Final = (
    (ast.Add, ast.Sub),
    (ast.Mult, ast.Div),
    (ast.BitAnd, ast.BitOr),
    (ast.Lt, ast.LtE),
    (ast.Gt, ast.GtE),
    (ast.Eq, ast.NotEq),
    (ast.Is, ast.IsNot),
    (ast.In, ast.NotIn),  # codespell:ignore
    (ast.And, ast.Or),
)
_OTHER: Final[dict[type[ast.AST], type[ast.AST]]] = {
    **{left: right for left, right in _PAIRS},
    **{right: left for left, right in _PAIRS},
}
_CONTEXT: Final = 24  # letters of an expression that are shown on each side of a change
_CONTEXT_OF_A_NUMBER: Final = 40  # letters of the line, as the expression is the number alone


@dataclass(frozen=True)
class Mutant:
    """A module with one change: the function it is in, line and column, the change in words, the whole source."""

    function: str
    line: int
    column: int
    change: str
    source: str


@cache
def mutants(source: str) -> tuple[Mutant, ...]:
    """Every mutant of a module's source, in the order of the text."""
    found = [
        Mutant(function, node.lineno, node.col_offset, _in_words(source, node, new), _replaced(source, node, new))
        for function, node in _nodes(ast.parse(source), "")
        for new in _changed(node)
    ]
    return tuple(sorted(found, key=lambda mutant: (mutant.line, mutant.column)))


def by_hand(source: str, before: str, after: str) -> Mutant:
    """The mutant in which one text stands in place of another that occurs once."""
    if source.count(before) != 1:
        raise ValueError(f"{before!r} occurs {source.count(before)} times in the module; it must occur once")
    above, _, inside_line = source[: source.index(before)].rpartition("\n")
    line = above.count("\n") + 2 if above else 1
    inside = [
        function
        for function, node in _nodes(ast.parse(source), "")
        if node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    words = f"{' '.join(before.split())} becomes {' '.join(after.split())}"
    return Mutant(max(inside, key=len, default=""), line, len(inside_line), words, source.replace(before, after))


def _nodes(node: ast.AST, function: str) -> Iterator[tuple[str, Any]]:
    """Nodes that run, each with the qualified name of the function or class it is in."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr):
                continue
            inside = function
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inside = f"{function}.{child.name}".lstrip(".")
            if hasattr(child, "lineno"):
                yield inside, child
            yield from _nodes(child, inside)


def _changed(node: Any) -> Iterator[ast.AST]:
    """Other nodes in place of one."""
    match node:
        case ast.BinOp(right=ast.Constant(value=None)):
            return  # a type
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OTHER:
            yield ast.BinOp(left, _OTHER[type(op)](), right)  # type: ignore[arg-type]
        case ast.AugAssign(target=target, op=op, value=value) if type(op) in _OTHER:
            yield ast.AugAssign(target, _OTHER[type(op)](), value)  # type: ignore[arg-type]
        case ast.Compare(left=left, ops=ops, comparators=right):
            for k, op in enumerate(ops):
                yield ast.Compare(left, [*ops[:k], _OTHER[type(op)](), *ops[k + 1 :]], right)  # type: ignore[list-item]
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(_OTHER[type(op)](), values)  # type: ignore[arg-type]
        case ast.UnaryOp(op=ast.Not() | ast.Invert() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool()):
            return
        case ast.Constant(value=int() | float() as number):
            yield from (ast.Constant(other) for other in ((2 * number, 0 * number) if number else (1,)))
    if isinstance(node, ast.If | ast.While | ast.IfExp) and not isinstance(node.test, ast.UnaryOp):
        yield _Negated(node.test)


class _Negated(ast.UnaryOp):
    """The negated condition of a statement; it stands in place of the condition alone."""

    def __init__(self, condition: ast.expr) -> None:
        super().__init__(ast.Not(), condition)


def _place(node: Any, new: ast.AST) -> Any:
    return new.operand if isinstance(new, _Negated) else node


def _unparsed(node: ast.AST) -> str:
    """Source of a node; ``ast`` takes a subclass for a node it does not know."""
    return ast.unparse(ast.UnaryOp(node.op, node.operand) if isinstance(node, _Negated) else node)


def _replaced(source: str, node: ast.AST, new: ast.AST) -> str:
    """The source with one node replaced."""
    place = _place(node, new)
    lines = source.encode().splitlines(keepends=True)  # columns of ``ast`` count bytes
    first = sum(map(len, lines[: place.lineno - 1])) + place.col_offset
    last = sum(map(len, lines[: place.end_lineno - 1])) + place.end_col_offset
    text = _unparsed(new) if isinstance(new, ast.stmt) else f"({_unparsed(new)})"
    whole = source.encode()
    return (whole[:first] + text.encode() + whole[last:]).decode()


def _in_words(source: str, node: Any, new: ast.AST) -> str:
    """The change, with what stands beside it."""
    old, other, context = _unparsed(_place(node, new)), _unparsed(new), _CONTEXT
    if isinstance(node, ast.Constant):
        line = source.splitlines()[node.lineno - 1].encode()
        before, after = line[: node.col_offset].decode().lstrip(), line[node.end_col_offset :].decode()
        old, other, context = f"{before}{old}{after}", f"{before}{other}{after}", _CONTEXT_OF_A_NUMBER
    same = _n_same(old, other)
    end = min(_n_same(old[::-1], other[::-1]), min(len(old), len(other)) - same)
    parts = []
    for text in (old, other):
        first, last = max(0, same - context), min(len(text), len(text) - end + context)
        parts.append(("…" if first else "") + text[first:last] + ("…" if last < len(text) else ""))
    return " becomes ".join(" ".join(part.split()) for part in parts)


def _n_same(a: str, b: str) -> int:
    """Number of letters that two texts begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
