"""docs/architecture.md describes the packages that exist and the layers that the import contracts check."""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "taper_sim"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def _section(heading: str) -> str:
    return PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_the_drawing_has_the_layers_of_the_import_contract_in_their_order() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    layers = contracts["importlinter:contract:layers"]["layers"].split("\n")
    expected = [" | ".join(re.split(r"\s*[|:]\s*", layer.strip())) for layer in layers if layer.strip()]
    drawing = re.findall(r"^```text\n(.*?)^```$", _section("Layers"), flags=re.MULTILINE | re.DOTALL)[0]
    drawn = [" ".join(line.split()) for line in drawing.splitlines()]
    assert len(drawn) == len(expected)
    wrong = [(layer, line) for layer, line in zip(expected, drawn, strict=True) if not line.startswith(f"{layer} ")]
    assert wrong == []


def test_the_table_has_every_package_and_every_module_beside_them() -> None:
    folders = {f"{init.parent.relative_to(PACKAGE)}/" for init in PACKAGE.rglob("__init__.py")} - {"./"}
    modules = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    first_cells = re.findall(r"^\| ([^|]*) \|", _section("Packages"), flags=re.MULTILINE)
    named = set(re.findall(r"`([^`]+)`", " ".join(first_cells)))
    assert named == folders | modules


def test_every_module_that_the_table_names_exists() -> None:
    rows = [line for line in _section("Packages").splitlines() if line.startswith("| `")]
    missing = []
    for row in rows:
        cells = row.split("|")
        folders = [name for name in re.findall(r"`([^`]+)/`", cells[1])]
        names = re.findall(r"`(\w+)(?:\.py)?`", cells[2])
        files = {path.stem for folder in folders for path in (PACKAGE / folder).iterdir()}
        missing += [f"{folders}: {name}" for name in names if folders and name not in files]
    assert missing == []
