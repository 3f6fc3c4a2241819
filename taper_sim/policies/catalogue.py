"""The policies of this package by the name of their call. Imports the modules of ``policies``.

``scenario.all_policies`` adds the policies that need ``safety`` and ``recommend``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from taper_sim.policies import adaptive, calls, fixed, guidance, integral, modified, oracle, published, several
from taper_sim.policies.interface import BASE_FOLDER, Factory, Policy, ship

SHIPPED: Final[Mapping[str, Factory]] = {
    "adaptive": adaptive.adaptive,
    "constant": fixed.Constant,
    "abrupt": fixed.Abrupt,
    "linear": fixed.Linear,
    "exponential": fixed.Exponential,
    "fixed_mg": fixed.FixedMg,
    "hyperbolic": fixed.Hyperbolic,
    "rapid": fixed.Rapid,
    "preset": guidance.preset,
    "integral": integral.integral,
    "adjunct": modified.adjunct,
    "rotate": modified.rotate,
    "handoff": modified.handoff,
    "hold": modified.hold,
    "run_in": modified.run_in,
    "oracle": oracle.oracle,
    "sequence": several.sequence,
    "alternating": several.alternating,
    "together": several.together,
    "observed_mix": published.observed_mix,
    "usual_care": published.usual_care,
    "supported": published.supported,
}
ship(SHIPPED)


def build_policy(text: str, *, file: str, place: str | None = None, folder: Path = Path()) -> Policy:
    """Build the policy of a call; file names in it are relative to ``folder``.

    Raises
    ------
    InputError
        One line for each problem of the call.
    """
    token = BASE_FOLDER.set(folder)
    try:
        return calls.build(text, file=file, place=place)
    finally:
        BASE_FOLDER.reset(token)


def files_named(call: calls.Value) -> list[str]:
    """Files named by a call and by the calls inside it (rules of ``adaptive``)."""
    if not isinstance(call, calls.Call):
        return []
    inner = [*call.positional, *call.arguments.values(), *(part for part in call.plus if isinstance(part, calls.Call))]
    rules = [str(value) for value in call.positional if isinstance(value, str)] if call.name == "adaptive" else []
    return rules + [name for value in inner for name in files_named(value)]
