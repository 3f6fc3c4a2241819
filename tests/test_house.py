"""The house is in order: rooms of a size, names that mean one thing, layers that CI enforces."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

PACKAGE = ROOT / "taper_sim"
MODULES = sorted(PACKAGE.rglob("*.py"))


def _lines(paths: list[Path]) -> int:
    return sum(len(path.read_text().splitlines()) for path in paths)


def test_no_room_holds_more_than_an_eighth_of_the_code():
    total = _lines(MODULES)
    rooms = {room.name: _lines(sorted(room.rglob("*.py"))) for room in PACKAGE.iterdir() if room.is_dir()}
    assert {name: size for name, size in rooms.items() if size > total / 8} == {}


def test_no_two_modules_have_one_name():
    places = defaultdict(list)
    for path in MODULES:
        if not path.name.startswith("__"):
            places[path.stem].append(path.relative_to(PACKAGE).as_posix())
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_no_two_public_classes_have_one_name():
    places = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path.relative_to(PACKAGE).as_posix())
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


#: Public constants that several modules may have, each with the reason.
SHARED_CONSTANTS = {
    "KIND": "every module of a run names its kind; experiments.kinds reads them all",
    "BY_NAME": "outcomes and instruments by their names, in comparison.outcomes and inference.observation",
}
#: Rooms whose constants are the symbols of docs/model.md: a symbol is one position in each room's own layout.
ROOMS_OF_SYMBOLS = ("model", "inference")


def _constants(path: Path) -> Iterator[str]:
    """Names that a module assigns at its top level and that are public."""
    for node in ast.parse(path.read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            for name in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(name, ast.Name) and not name.id.startswith("_"):
                    yield name.id


def test_no_two_public_constants_have_one_name():
    places = defaultdict(set)
    for path in MODULES:
        inside = path.relative_to(PACKAGE)
        for name in _constants(path):
            places[name].add("symbols" if inside.parts[0] in ROOMS_OF_SYMBOLS else inside.as_posix())
    several = {name: paths for name, paths in places.items() if len(paths) > 1 and name not in SHARED_CONSTANTS}
    assert several == {}


def test_the_first_line_of_a_room_says_what_it_imports():
    for path in PACKAGE.rglob("__init__.py"):
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert text, path
        if path.parent != PACKAGE:
            assert "mport" in text.split("\n\n")[0], path


def test_the_formatter_has_no_exceptions():
    marked = [path for path in (*MODULES, *sorted((ROOT / "tests").rglob("*.py"))) if path.name != Path(__file__).name]
    assert sum(path.read_text().count("fmt: skip") for path in marked) == 0
