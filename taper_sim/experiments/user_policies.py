"""Sources of policies that the package does not ship, recorded in a run's plan. Imports ``policies``.

Such a run can be recomputed if the policy is registered with the same source. Else the recorded source can be executed,
which requires ``--trust-policy``.
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
    """Names of a call and of every call inside it."""
    if not isinstance(value, calls.Call):
        return set()
    inner = [*value.positional, *value.arguments.values(), *(part for part in value.plus)]
    return {value.name} | {name for part in inner for name in names_called(part)}  # type: ignore[arg-type]


def recorded_policies(texts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Source and hash of the named policies that the package does not ship.

    Parameters
    ----------
    texts : iterable of str
        Calls of protocols.

    Returns
    -------
    dict
        By the name of the call: ``sha256``, and ``source``, None if Python cannot give it.
    """
    named = {name for text in texts for name in names_called(calls.parse(text))}
    factories = registered()
    users = [name for name in named & factories.keys() if factories[name].__module__.partition(".")[0] != _OWN_PACKAGE]
    return {name: _record_of(name, factories[name]) for name in sorted(users)}


def _record_of(name: str, factory: Factory) -> dict[str, Any]:
    source = source_of(name, factory)
    text = f"unknown: {factory.__module__}.{factory.__qualname__}" if source is None else source
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "source": source}


def with_policies(identity: str, policies: Mapping[str, Mapping[str, Any]]) -> str:
    """Hash of a plan and of the policies that the package does not ship; ``identity`` if there are none."""
    if not policies:
        return identity
    hashes = "".join(f"{name} {record['sha256']}\n" for name, record in sorted(policies.items()))
    return hashlib.sha256(f"{identity}\n{hashes}".encode()).hexdigest()


def source_of(name: str, factory: Factory) -> str | None:
    """Source that registers a policy: its definition and the statements that it needs. None if unknown."""
    try:
        definition = textwrap.dedent(inspect.getsource(factory))
        module = sys.modules.get(factory.__module__)
        whole = "" if module is None or factory.__qualname__ != factory.__name__ else inspect.getsource(module)
    except (OSError, TypeError):
        return None
    try:
        statements = _needed(ast.parse(whole), factory.__name__)
        parts = [ast.unparse(node) for node in statements] or [ast.unparse(ast.parse(definition))]
    except SyntaxError:
        return None
    registration = f"\nfrom taper_sim.policies.interface import register\nregister({name!r})({factory.__name__})\n"
    return "\n".join(parts) + registration


def _needed(module: ast.Module, name: str) -> list[ast.stmt]:
    """Statements of a module that define a name and its dependencies, in order; empty if none defines the name."""
    places: dict[str, list[ast.stmt]] = {}
    for node in module.body:
        for defined in _defined(node):
            places.setdefault(defined, []).append(node)
    waiting, taken = [name], set[str]()
    while waiting:
        name_needed = waiting.pop()
        if name_needed in taken or name_needed not in places:
            continue
        taken.add(name_needed)
        for node in places[name_needed]:
            waiting += [part.id for part in ast.walk(_bare(node)) if isinstance(part, ast.Name)]
    kept = {id(node) for name_needed in taken for node in places[name_needed]}
    return [_bare(node) for node in module.body if id(node) in kept]


def _defined(node: ast.stmt) -> list[str]:
    """Names that a statement defines."""
    if isinstance(node, _DEFINES):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]


def _bare(node: ast.stmt) -> ast.stmt:
    """A definition without its registering decorator: the record registers it under the name of the call."""
    if isinstance(node, _DEFINES):
        node.decorator_list = [
            decorator for decorator in node.decorator_list if "register" not in ast.unparse(decorator)
        ]
    return node


def not_reproducible(policies: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Reasons why a plan's policies cannot run here as in the run, a line each; empty if they can."""
    factories = registered()
    lines = []
    for name, record in policies.items():
        factory = factories.get(name)
        if factory is None:
            lines.append(f"the policy {name} is not registered here (source sha256 {record['sha256']})")
        elif _record_of(name, factory)["sha256"] != record["sha256"]:
            lines.append(f"the policy {name} has another source here than in the run (sha256 {record['sha256']})")
    return lines


def execute_recorded(name: str, record: Mapping[str, Any]) -> None:
    """Register a policy by executing the source that a plan recorded.

    Raises
    ------
    ValueError
        If the record has no source, its hash differs, or the source fails.
    """
    source = record.get("source")
    if not isinstance(source, str) or hashlib.sha256(source.encode()).hexdigest() != record.get("sha256"):
        raise ValueError(f"the policy {name} has no source in plan.json, or a source with another hash")
    title = f"recorded_policy_{record['sha256'][:12]}"
    module = ModuleType(title)
    module.__file__ = f"<{title}>"
    linecache.cache[module.__file__] = (len(source), None, source.splitlines(keepends=True), module.__file__)
    sys.modules[title] = module
    try:
        exec(compile(source, module.__file__, "exec"), vars(module))  # noqa: S102 - the user passed --trust-policy
    except Exception as error:  # whatever the source raises
        raise ValueError(f"the recorded source of the policy {name} fails: {type(error).__name__}: {error}") from None
