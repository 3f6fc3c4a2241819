"""Saving of a temporary run into an output folder. Imports ``report``, ``run_folder``."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from taper_sim.briefs.run_reports import write_run_report
from taper_sim.data.problems import problem
from taper_sim.run_folder import MANIFEST_FILE, PLAN_FILE, check_writable, list_saved, plan_of, read_record, write_json

INPUTS: Final = "inputs"
"""Folder for the files of people that Python made."""


def save_run(source: Path, target: Path, inputs: Path | None = None, beside: Sequence[str] = ()) -> Path:
    """Copy a finished run into a folder, with its report.

    Parameters
    ----------
    source : Path
        Folder of the finished run.
    target : Path
        Empty or new, or with the same run, which is replaced.
    inputs : Path, optional
        Folder of the files that the plan names, if Python made them.
    beside : sequence of str
        Other files of ``source`` that are not outputs of the run; the manifest lists those that exist.

    Returns
    -------
    Path
        ``target``.

    Raises
    ------
    InputError
        For a folder with other files or another run.
    """
    if target.resolve() == source.resolve():
        return target
    check_writable(target)
    if target.exists() and any(target.iterdir()) and plan_of(target).hash != plan_of(source).hash:
        raise problem(str(target), "", "a folder with another run", "an empty folder, or another one")
    if not read_record(source / MANIFEST_FILE, {"report_sha256": dict}, "the folder of a finished run")[
        "report_sha256"
    ]:
        write_run_report(source)
    shutil.copytree(source, target, dirs_exist_ok=True)
    saved = [target / name for name in beside if (target / name).is_file()]
    if inputs is not None:
        shutil.copytree(inputs, target / INPUTS, dirs_exist_ok=True)
        saved += [path for path in (target / INPUTS).rglob("*") if path.is_file()]
        plan = json.loads((target / PLAN_FILE).read_text(encoding="utf-8"))
        write_json(plan | {"folder": str((target / INPUTS).resolve())}, target / PLAN_FILE)
    if saved:
        list_saved(target, saved)
    return target
