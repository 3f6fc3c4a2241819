"""Protocols as a notebook gives them: calls as text, policies of one's own. Imports ``policies``, ``scenario``."""

import inspect
import re
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from taper_sim.data.problems import InputError, Problem, problem, shown
from taper_sim.policies import calls
from taper_sim.policies.catalogue import files_named
from taper_sim.policies.interface import Factory, Policy, not_a_policy, register

FILE: Final = "protocols"
_ALLOWED: Final = 'calls such as "linear(pct=10, every=28)", or policies'

Protocol = str | Policy | type[Policy] | Mapping[str, Any]


def entries_of(protocols: Sequence[Protocol] | Protocol) -> list[str | dict[str, Any]]:
    """Entries of a scenario for protocols; a policy of one's own is registered under a name for this process.

    Parameters
    ----------
    protocols : sequence
        Calls as text, several of them in one text separated by commas, entries as a scenario has them (``call``,
        ``name``, ``care``), policies, or classes of policies that need no argument.

    Raises
    ------
    InputError
        What is no protocol.
    """
    if isinstance(protocols, str):
        return list(calls.split_protocols(protocols, file=FILE, place=""))
    given = [protocols] if isinstance(protocols, Mapping) or not isinstance(protocols, Sequence) else list(protocols)
    if not given:
        raise problem(FILE, "", "an empty list", _ALLOWED)
    return [_entry(number, protocol) for number, protocol in enumerate(given)]


def _entry(number: int, protocol: Any) -> str | dict[str, Any]:
    if isinstance(protocol, str):
        return protocol
    if isinstance(protocol, Mapping):
        return dict(protocol)
    place = f"{number}"
    if inspect.isclass(protocol):
        try:
            protocol = protocol()
        except TypeError as error:
            raise problem(FILE, place, f"{protocol.__name__}() failed: {error}", "a policy, made") from error
    if not isinstance(protocol, Policy):
        raise problem(FILE, place, not_a_policy(type(protocol)), _ALLOWED)
    name = "own_" + re.sub(r"\W+", "_", protocol.name).strip("_")
    with warnings.catch_warnings():  # a cell that runs again replaces its own policy
        warnings.simplefilter("ignore")
        register(name)(_factory_of(protocol))
    return {"call": f"{name}()", "name": protocol.name}


def _factory_of(policy: Policy) -> Factory:
    """What makes a policy again: its class where that needs no argument, so that a run can record its source."""
    kind = type(policy)
    try:
        same = vars(kind()) == vars(policy)
    except Exception:  # a constructor with arguments, or one of a user's that fails
        same = False
    return kind if same else _Kept(policy)


class _Kept:
    """A policy object as a factory; its name has the object's values, so that a plan's hash depends on them."""

    def __init__(self, policy: Policy):
        kind = type(policy)
        self._policy = policy
        self.__module__ = kind.__module__
        self.__name__ = self.__qualname__ = f"{kind.__qualname__}({vars(policy)!r})"

    def __call__(self) -> Policy:
        return self._policy


def copy_rules(entries: Sequence[str | Mapping[str, Any]], folder: Path) -> None:
    """Copy the files that calls name, found from the working directory, into a scenario's folder."""
    for entry in entries:
        call = entry if isinstance(entry, str) else str(entry.get("call", ""))
        for name in files_named(calls.parse(call, file=FILE, place=shown(call))):
            if Path(name).is_absolute():
                continue
            if ".." in Path(name).parts:
                allowed = "a file in the working directory or below it, or its whole path"
                raise InputError(Problem(FILE, shown(call), shown(name), allowed))
            if Path(name).is_file():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(name, target)
