"""Protocols as a notebook gives them: calls as text, policies of one's own. Imports ``policies``, ``scenario``."""

import inspect
import shutil
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

from taper_sim.data.problems import InputError, Problem, problem, shown
from taper_sim.policies import calls
from taper_sim.policies.catalogue import files_named
from taper_sim.policies.interface import Policy, register

FILE: Final = "protocols"
_METHODS: Final = ("decision_days", "start", "decide")
_ALLOWED: Final = 'calls such as "linear(pct=10, every=28)", or policies with name, decision_days, start and decide'
_numbers = count(1)

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
    missing = [name for name in _METHODS if not callable(getattr(protocol, name, None))]
    name = getattr(protocol, "name", None)
    if missing or not isinstance(name, str) or not name:
        lacks = ", ".join([*missing, *([] if isinstance(name, str) and name else ["name"])])
        raise problem(FILE, place, f"{type(protocol).__name__} without {lacks}", _ALLOWED)
    own = f"own_policy_{next(_numbers)}"
    register(own)(lambda: protocol)
    return {"call": f"{own}()", "name": name}


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
