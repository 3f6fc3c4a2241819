"""The public names: one typed list, loaded on use, each function with an example that runs."""

import ast
import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import taper_sim as ts

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = [name for name in ts.__all__ if inspect.isfunction(getattr(ts, name)) and name != "read_patient"]


def test_editors_and_type_checkers_see_the_names_that_are_public() -> None:
    tree = ast.parse((ROOT / "taper_sim" / "__init__.py").read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.asname for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed | {"__version__"} == set(ts.__all__)
    assert (ROOT / "taper_sim" / "py.typed").exists()


def test_a_public_function_keeps_its_name_from_a_sub_package() -> None:
    code = (
        "import taper_sim.recommend.choice, taper_sim.briefs.page, taper_sim as ts, types;"
        "print([n for n in ts.__all__ if isinstance(getattr(ts, n), types.ModuleType)])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert out.stdout.strip() == "[]"


def test_the_version_is_that_of_the_package() -> None:
    assert ts.__version__[0].isdigit()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "fit" else []) for name in FUNCTIONS]
)
def test_the_example_of_a_public_function_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    document = inspect.getdoc(getattr(ts, name)) or ""
    example = doctest.DocTestParser().get_doctest(document, {}, name, None, None)
    assert example.examples, f"{name} has no example"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    assert runner.run(example, out=said.append).failed == 0, "".join(said)


def test_an_unknown_argument_names_the_nearest_known_one() -> None:
    with pytest.raises(ts.InputError, match="did you mean protocols"):
        ts.compare(protocol=["constant()"])  # type: ignore[call-arg]
