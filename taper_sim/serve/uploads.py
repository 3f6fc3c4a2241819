"""Uploaded files as patients: check-ins and doses as CSV, or a FHIR bundle. Imports ``data``, ``entry_form``.

The readers of ``data`` check the files before a patient is kept. A file of several patients becomes a folder for each.
"""

import csv
import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from taper_sim.data.csv_input import read_csv
from taper_sim.data.doses import read_histories
from taper_sim.data.fhir import read_bundle
from taper_sim.data.patient import read_patient
from taper_sim.data.patient_files import ABOUT_FILE, BASELINE_FILE, BUNDLE_FILE, CHECKIN_FILE, DOSE_FILE, LIMITS_FILE
from taper_sim.data.problems import InputError, Problem, problem, shown
from taper_sim.run_folder import write_text
from taper_sim.serve.patient_store import PatientFolder, PatientStore
from taper_sim.serve.record_folder import without_folders

UPLOADED: Final = {
    "checkins": CHECKIN_FILE,
    "doses": DOSE_FILE,
    "bundle": BUNDLE_FILE,
    "baseline": BASELINE_FILE,
    "limits": LIMITS_FILE,
}
"""Fields of the form and the files that they become."""
MOST_PATIENTS: Final = 200
"""Patients of one upload. A design choice: each answer takes seconds."""


def uploaded(store: PatientStore, visitor: str, contents: Mapping[str, bytes]) -> list[PatientFolder]:
    """Keep the patients of uploaded files.

    Parameters
    ----------
    store : PatientStore
    visitor : str
    contents : mapping of str to bytes
        By field of :data:`UPLOADED`.

    Raises
    ------
    InputError
        With every problem of the files; nothing is kept then.
    """
    texts = _texts(contents)
    if "bundle" in texts and {"checkins", "doses"} & set(texts):
        raise problem("upload", "", "a bundle with CSV files", "a FHIR bundle, or check-ins and doses as CSV")
    if "bundle" not in texts and "doses" not in texts:
        raise problem("upload", "", "no doses and no bundle", "doses as CSV, with check-ins, or a FHIR bundle")
    with tempfile.TemporaryDirectory(prefix="taper-sim-") as name:
        folder = Path(name)
        for field, text in texts.items():
            write_text(folder / UPLOADED[field], text, private=True)
        try:
            files_of = _bundle_files(folder, texts) if "bundle" in texts else _csv_files(folder)
            named = read_patient(folder / BASELINE_FILE).id if "baseline" in texts else None
            if named is not None and [named] != list(files_of):
                allowed = f"the one patient of the upload: {shown(next(iter(files_of)))}"
                raise problem(BASELINE_FILE, "id", named, allowed)
        except InputError as error:
            raise without_folders(error) from None
    also = {UPLOADED[field]: texts[field] for field in ("baseline", "limits") if field in texts}
    return store.add_all(visitor, {patient_id: files | also for patient_id, files in files_of.items()})


def _texts(contents: Mapping[str, bytes]) -> dict[str, str]:
    texts, wrong = {}, []
    for field, content in contents.items():
        try:
            texts[field] = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            wrong.append(Problem(UPLOADED[field], "", "bytes that are no text", "text in UTF-8"))
    if wrong:
        raise InputError(wrong)
    return texts


def _csv_files(folder: Path) -> dict[str, dict[str, str]]:
    """Files of each patient of a CSV pair."""
    checkins, doses = folder / CHECKIN_FILE, folder / DOSE_FILE
    histories = read_histories(checkins if checkins.exists() else None, doses)
    if len(histories) > MOST_PATIENTS:
        raise problem(DOSE_FILE, "", f"{len(histories)} patients", f"at most {MOST_PATIENTS} in one upload")
    files: dict[str, dict[str, str]] = {}
    parts = {DOSE_FILE: _by_patient(doses), CHECKIN_FILE: _by_patient(checkins) if checkins.exists() else {}}
    for patient_id in histories:
        files[patient_id] = {
            DOSE_FILE: parts[DOSE_FILE][patient_id],
            CHECKIN_FILE: parts[CHECKIN_FILE].get(patient_id, "patient_id,date,instrument,value\n"),
            ABOUT_FILE: _about(patient_id),
        }
    return files


def _by_patient(path: Path) -> dict[str, str]:
    """The rows of each patient as a CSV of their own."""
    table = read_csv(path, None)
    texts = {}
    for patient_id, rows in table.groupby("patient_id", sort=True):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(rows.to_numpy().tolist())
        texts[str(patient_id)] = text.getvalue()
    return texts


def _bundle_files(folder: Path, texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Files of the one patient of a bundle."""
    reading = read_bundle(folder / BUNDLE_FILE)
    if len(reading.histories) != 1:
        given = f"{len(reading.histories)} patients that can be read"
        raise problem(BUNDLE_FILE, "entry", given, "a bundle of one patient, with doses that can be read")
    patient_id = next(iter(reading.histories))
    return {patient_id: {BUNDLE_FILE: texts["bundle"], ABOUT_FILE: _about(patient_id)}}


def _about(patient_id: str) -> str:
    return json.dumps({"id": patient_id})
