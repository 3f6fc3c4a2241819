"""Check-ins in a CSV beside a FHIR bundle, merged into its histories. Imports ``data.checkins``, ``data.records``."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from taper_sim.data.checkins import read_checkins
from taper_sim.data.problems import InputError, Problem, nearest, shown
from taper_sim.data.records import History


def with_added(histories: Mapping[str, History], path: Path) -> dict[str, History]:
    """Histories with the check-ins of a file; a report that both hold alike is kept once.

    Parameters
    ----------
    histories : mapping of str to History
        By patient.
    path : Path
        Long CSV, as :func:`read_checkins` reads it.

    Raises
    ------
    InputError
        The problems of the file; a line for each patient whom the histories lack, and for each report whose day and
        instrument the histories hold with another value.
    """
    merged, wrong = dict(histories), []
    for patient_id, reports in read_checkins(path).items():
        history = merged.get(patient_id)
        if history is None:
            given = f"{shown(patient_id)}{nearest(patient_id, histories)}"
            wrong.append(Problem(str(path), "patient_id", given, "a patient of the bundle"))
            continue
        known = {(c.day, c.instrument): c for c in history.checkins}
        for report in reports:
            earlier = known.get((report.day, report.instrument))
            if earlier is not None and (earlier.value, earlier.high) != (report.value, report.high):
                place = report.where.rpartition(", ")[2]
                given = f"{report.instrument} {report.value:g} on {report.day}"
                wrong.append(Problem(str(path), place, given, f"{earlier.value:g} as in the bundle, or another day"))
        new = [r for r in reports if (r.day, r.instrument) not in known]
        merged[patient_id] = replace(history, checkins=tuple(sorted([*history.checkins, *new])))
    if wrong:
        raise InputError(wrong)
    return merged
