"""Policies that the package does not ship: their source goes into the plan of a run. Imports ``policies``.

A run with such a policy can be recomputed where the policy is registered with the same source, or from the source that
was recorded, which is executed only where a user says that they trust it.
"""

import ast
import hashlib
import inspect
import linecache
import sys
import textwrap
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any, Final

from taper_sim.policies import calls
from taper_sim.policies.interface import Factory, registered

_OWN_PACKAGE: Final = __name__.partition(".")[0]
_DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def names_called(value: calls.Value) -> set[str]:
    """Names of a call and of every call in it."""
    if not isinstance(value, calls.Call):
        return set()
    inner = [*value.positional, *value.arguments.values(), *(part for part in value.plus)]
    return {value.name} | {name for one in inner for name in names_called(one)}  # type: ignore[arg-type]


def recorded_policies(texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Source and hash of the policies that calls name and the package does not ship.

    Parameters
    ----------
    texts : iterable of str
        Calls of protocols.

    Returns
    -------
    dict
        By the name of the call: ``sha256``, and ``source``, None where Python does not know it.
    """
    named = {name for text in texts for name in names_called(calls.parse(text))}
    known = registered()
    own = {name: known[name] for name in sorted(named & known.keys()) if not _is_shipped(known[name])}
    return {name: _record_of(name, factory) for name, factory in own.items()}


def _is_shipped(factory: Factory) -> bool:
    return factory.__module__.partition(".")[0] == _OWN_PACKAGE


def _record_of(name: str, factory: Factory) -> dict[str, Any]:
    source = source_of(name, factory)
    text = f"unknown: {factory.__module__}.{factory.__qualname__}" if source is None else source
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "source": source}


def with_policies(identity: str, policies: Mapping[str, Mapping[str, Any]]) -> str:
    """A plan's hash with those of the policies that the package does not ship; without any the same."""
    if not policies:
        return identity
    each = "".join(f"{name} {record['sha256']}\n" for name, record in sorted(policies.items()))
    return hashlib.sha256(f"{identity}\n{each}".encode()).hexdigest()


def source_of(name: str, factory: Factory) -> str | None:
    """Source that registers a policy by itself: its definition, and what of its module it names. None if unknown."""
    try:
        own = textwrap.dedent(inspect.getsource(factory))
        module = sys.modules.get(factory.__module__)
        whole = "" if module is None or factory.__qualname__ != factory.__name__ else inspect.getsource(module)
    except (OSError, TypeError):
        return None
    try:
        wanted = _needed(ast.parse(whole), factory.__name__)
        parts = [ast.unparse(node) for node in wanted] or [ast.unparse(ast.parse(own))]
    except SyntaxError:
        return None
    made = f"\nfrom taper_sim.policies.interface import register\nregister({name!r})({factory.__name__})\n"
    return "\n".join(parts) + made


def _needed(module: ast.Module, name: str) -> list[ast.stmt]:
    """Statements of a module that define a name and what it needs, in their order; none where it is not defined."""
    places: dict[str, list[ast.stmt]] = {}
    for node in module.body:
        for defined in _defined(node):
            places.setdefault(defined, []).append(node)
    waiting, taken = [name], set[str]()
    while waiting:
        wanted = waiting.pop()
        if wanted in taken or wanted not in places:
            continue
        taken.add(wanted)
        for node in places[wanted]:
            waiting += [part.id for part in ast.walk(_bare(node)) if isinstance(part, ast.Name)]
    kept = {id(node) for wanted in taken for node in places[wanted]}
    return [_bare(node) for node in module.body if id(node) in kept]


def _defined(node: ast.stmt) -> list[str]:
    """Names that a statement of a module defines."""
    if isinstance(node, _DEFINES):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]


def _bare(node: ast.stmt) -> ast.stmt:
    """A definition without the decorator that registers it: the record registers it under its own name."""
    if isinstance(node, _DEFINES):
        node.decorator_list = [one for one in node.decorator_list if "register" not in ast.unparse(one)]
    return node


def not_at_hand(policies: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Why a plan's policies cannot be run here as they were, a line each; none where they can."""
    known = registered()
    lines = []
    for name, record in policies.items():
        here = known.get(name)
        if here is None:
            lines.append(f"the policy {name} is not registered here (source sha256 {record['sha256']})")
        elif _record_of(name, here)["sha256"] != record["sha256"]:
            lines.append(f"the policy {name} has another source here than in the run (sha256 {record['sha256']})")
    return lines


def execute_recorded(name: str, record: Mapping[str, Any]) -> None:
    """Register a policy from the source that a plan recorded: this runs that source.

    Raises
    ------
    ValueError
        If the record has no source, its hash is another, or the source fails.
    """
    source = record.get("source")
    if not isinstance(source, str) or hashlib.sha256(source.encode()).hexdigest() != record.get("sha256"):
        raise ValueError(f"the policy {name} has no source in plan.json, or one of another hash")
    title = f"recorded_policy_{record['sha256'][:12]}"
    module = ModuleType(title)
    module.__file__ = f"<{title}>"
    linecache.cache[module.__file__] = (len(source), None, source.splitlines(keepends=True), module.__file__)
    sys.modules[title] = module
    try:
        exec(compile(source, module.__file__, "exec"), vars(module))  # noqa: S102 - the user said that they trust it
    except Exception as error:  # whatever the source raises
        raise ValueError(f"the recorded source of the policy {name} fails: {type(error).__name__}: {error}") from None
