"""Run the notebooks and store them with their outputs: ``python .ci/store_notebooks.py [NAME…]``.

Each script of ``notebooks/`` is run twice in one kernel, as a reader who runs all cells again does; the outputs of the
second time are stored. ``TAPER_SIM_FULL=1`` in the environment gives the full sizes.
"""

import json
import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|work|tmp|Users|var)/")


def stored(script: Path) -> nbformat.NotebookNode:
    """The notebook of a script with the outputs of its second run in one kernel."""
    notebook = jupytext.read(script)
    client = NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(NOTEBOOKS)}})
    with client.setup_kernel():
        for _ in range(2):
            client.reset_execution_trackers()
            for index, cell in enumerate(notebook.cells):
                client.execute_cell(cell, index)
        client.set_widgets_metadata()
    for number, cell in enumerate(notebook.cells, start=1):
        cell["id"] = f"cell-{number:02d}"  # the same in every run
        cell["metadata"].pop("execution", None)  # times of day
        if cell.cell_type == "code":
            cell["outputs"] = [output for output in cell["outputs"] if output.get("name") != "stderr"]
    notebook.metadata.pop("language_info", None)
    return notebook


def main(names: list[str]) -> None:
    """Store the notebooks of the names given, or all."""
    for script in sorted(NOTEBOOKS.glob("*.py")):
        if names and not any(script.stem.startswith(name) for name in names):
            continue
        notebook = stored(script)
        path = MACHINE_PATH.search(json.dumps([cell.get("outputs", []) for cell in notebook.cells]))
        if path:
            raise SystemExit(f"{script.stem}: a machine's path in the outputs: {path[0]}")
        target = script.with_suffix(".ipynb")
        nbformat.write(notebook, target)
        print(f"{target.name}: {target.stat().st_size / 1e3:.0f} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
