"""Notebooks are pairs: the .py that is read in a review, and the .ipynb stored with its outputs."""

import ast
import json
import re
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAIRS = sorted((ROOT / "notebooks").glob("*.py"))
#: Packages that a notebook may import beside the standard library.
PUBLIC = {"taper_sim", "pandas", "numpy", "matplotlib", "IPython", "yaml"}
STANDARD = {"os", "pathlib", "shutil", "tempfile"}
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|work|tmp|Users|var)/")
MOST_BYTES = 1_500_000


def _notebook(script: Path):
    return jupytext.read(script.with_suffix(".ipynb"))


def test_the_notebooks_are_numbered_without_a_gap() -> None:
    assert [script.stem[:3] for script in PAIRS] == [f"{k:02d}_" for k in range(1, len(PAIRS) + 1)]
    assert len(PAIRS) >= 8


@pytest.mark.parametrize("script", PAIRS, ids=lambda path: path.stem)
def test_the_two_of_a_pair_hold_the_same_cells(script: Path):
    cells = [(cell.cell_type, cell.source) for cell in _notebook(script).cells]
    assert cells == [(cell.cell_type, cell.source) for cell in jupytext.read(script).cells]


@pytest.mark.parametrize("script", PAIRS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_with_outputs_of_one_whole_run(script: Path):
    code = [cell for cell in _notebook(script).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(
        range(code[0].execution_count, code[0].execution_count + len(code))
    )
    outputs = [output for cell in code for output in cell.outputs]
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs)
    assert not MACHINE_PATH.search(json.dumps(outputs))
    assert script.with_suffix(".ipynb").stat().st_size < MOST_BYTES
    assert any({"image/png", "text/html"} & set(output.get("data", {})) for output in outputs)


@pytest.mark.parametrize("script", PAIRS, ids=lambda path: path.stem)
def test_a_notebook_opens_with_its_question_and_closes_with_its_answer(script: Path):
    cells = _notebook(script).cells
    assert cells[0].source.splitlines()[0].endswith("?")
    assert cells[-2].source == "## The answer"
    answer = "".join(output.text for output in cells[-1].outputs if output.output_type == "stream")
    assert re.search(r"\d", answer) and "." in answer


@pytest.mark.parametrize("script", PAIRS, ids=lambda path: path.stem)
def test_a_notebook_uses_public_names_only(script: Path):
    for node in ast.walk(ast.parse(script.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [str(node.module)]
        for name in names:
            assert name.split(".")[0] in PUBLIC | STANDARD
            assert not name.startswith("taper_sim."), f"{name} is an inner name"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ts":
            assert not node.attr.startswith("_")


@pytest.mark.parametrize("page", ["README.md", "docs/README.md"])
def test_a_page_links_each_notebook_in_one_line(page: str) -> None:
    lines = (ROOT / page).read_text().splitlines()
    for script in PAIRS:
        assert sum(f"notebooks/{script.stem}.ipynb)" in line for line in lines) == 1, script.stem


@pytest.mark.filterwarnings("ignore:.*was already registered:UserWarning")  # which a cell that runs again brings
def test_all_cells_of_a_notebook_run_twice(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    script = next(script for script in PAIRS if script.stem.startswith("08"))
    monkeypatch.chdir(script.parent)
    names: dict[str, object] = {}
    code = [cell.source for cell in jupytext.read(script).cells if cell.cell_type == "code"]
    answers = []
    for _ in range(2):
        for source in code:
            source = source.replace("else (200, 112, 10)", "else (40, 28, 2)")
            exec(compile(source, script.name, "exec"), names)  # noqa: S102 - our own notebook
        answers.append(capsys.readouterr().out.splitlines()[-1])
    assert answers[0] == answers[1]
