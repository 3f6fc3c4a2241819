"""A scenario with the changes of a call's arguments, and a scenario as text. Imports ``scenario.building``, yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from taper_sim.data.yaml_input import parse
from taper_sim.scenario.building import Overrides, arm_name, overridden, read_scenario
from taper_sim.scenario.schema import Scenario

_FILE: Final = "compare"


def scenario_text(scenario: Scenario) -> str:
    """What a scenario states, without its defaults, as YAML."""
    import yaml

    content = scenario.model_dump(mode="json", exclude_defaults=True)
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def changed_scenario(
    path: Path, entries: list[str | dict[str, Any]] | None, patients: int | None, changes: Mapping[str, Any]
) -> tuple[Scenario, Path]:
    """The scenario of a file with the arguments' changes, and its folder."""
    scenario = read_scenario(path)
    if entries is not None and all(isinstance(entry, str) for entry in entries):
        chosen = ", ".join(str(entry) for entry in entries)
        scenario = overridden(scenario, Overrides(None, None, chosen, None, path.parent))
    elif entries is not None:
        by_name = {name: e for e in scenario.protocols for name in (arm_name(e), e.call)}
        whole = [by_name[e].model_dump() if isinstance(e, str) and e in by_name else e for e in entries]
        scenario = parse(_FILE, scenario.model_dump() | {"protocols": whole, "reference": None}, Scenario)
    content = scenario.model_dump() | {name: value for name, value in changes.items() if value is not None}
    if patients is not None:
        content["cohort"] = content["cohort"] | {"patients": patients}
    return parse(_FILE, content, Scenario), path.parent
