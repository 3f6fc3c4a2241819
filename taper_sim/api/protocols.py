"""Scenario entries for protocols of a notebook: calls as text, policy objects. Imports ``policies``, ``scenario``."""

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

_FILE: Final = "protocols"
_ALLOWED: Final = 'calls such as "linear(pct=10, every=28)", or policies'

Protocol = str | Policy | type[Policy] | Mapping[str, Any]


def entries_of(protocols: Sequence[Protocol] | Protocol) -> list[str | dict[str, Any]]:
    """Scenario entries for protocols; policy objects are registered for this process.

    Parameters
    ----------
    protocols : sequence
        Calls as text, several of them in one text separated by commas, entries as a scenario has them (``call``,
        ``name``, ``care``), policies, or classes of policies that need no argument.

    Raises
    ------
    InputError
        For anything that is no protocol.
    """
    if isinstance(protocols, str):
        return list(calls.split_protocols(protocols, file=_FILE, place=""))
    items = [protocols] if isinstance(protocols, Mapping) or not isinstance(protocols, Sequence) else list(protocols)
    if not items:
        raise problem(_FILE, "", "an empty list", _ALLOWED)
    return [_entry(number, protocol) for number, protocol in enumerate(items)]


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
            raise problem(_FILE, place, f"{protocol.__name__}() failed: {error}", "a policy object") from error
    if not isinstance(protocol, Policy):
        raise problem(_FILE, place, not_a_policy(type(protocol)), _ALLOWED)
    name = "own_" + re.sub(r"\W+", "_", protocol.name).strip("_")
    with warnings.catch_warnings():  # a cell that runs again replaces its policy
        warnings.simplefilter("ignore")
        register(name)(_factory_of(protocol))
    return {"call": f"{name}()", "name": protocol.name}


def _factory_of(policy: Policy) -> Factory:
    """Factory of a policy: its class if the class needs no argument, so that a run can record the source."""
    kind = type(policy)
    try:
        same = vars(kind()) == vars(policy)
    except Exception:  # a constructor with arguments, or a user's constructor that fails
        same = False
    return kind if same else _PolicyFactory(policy)


class _PolicyFactory:
    """A policy object as a factory; the factory's name contains the object's values for the plan's hash."""

    def __init__(self, policy: Policy):
        kind = type(policy)
        self._policy = policy
        self.__module__ = kind.__module__
        self.__name__ = self.__qualname__ = f"{kind.__qualname__}({vars(policy)!r})"

    def __call__(self) -> Policy:
        return self._policy


def copy_rules(entries: Sequence[str | Mapping[str, Any]], folder: Path) -> None:
    """Copy the files that calls name, relative to the working directory, into a scenario's folder."""
    for entry in entries:
        call = entry if isinstance(entry, str) else str(entry.get("call", ""))
        for name in files_named(calls.parse(call, file=_FILE, place=shown(call))):
            if Path(name).is_absolute():
                continue
            if ".." in Path(name).parts:
                allowed = "a file in or below the working directory, or an absolute path"
                raise InputError(Problem(_FILE, shown(call), shown(name), allowed))
            if Path(name).is_file():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(name, target)
