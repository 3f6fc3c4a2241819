"""A clinic's event log in the formats of process mining. Imports ``run_folder``, ``data.problems``; pm4py when used.

XES has a trace for each patient of a protocol and replication. OCEL has the patient and the member of staff as objects
of each event, so that work without a patient is in it too. The library pm4py writes both formats.
"""

import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.data.problems import problem
from taper_sim.run_folder import MANIFEST_FILE, check_file_writable, read_record, write_atomically

EXTRA: Final = "process-mining"
"""Optional part of the package that installs pm4py."""
_LIFECYCLE: Final = {
    "done": "complete",
    "no_show": "complete",
    "reneged": "withdraw",
    "cancelled": "ate_abort",
    "open": "schedule",
}
"""Transition of the standard lifecycle of XES by outcome."""
LOCAL_TIME: Final = "local time of the clinic, whose zone is not stated"
"""Attribute ``time_zone`` of a log whose clinic states no zone."""
_ATTRIBUTES: Final = ("work_id", "role", "urgency", "outcome", "why", "n_items")


@dataclass(frozen=True)
class Exported:
    """A written file: events, cases (traces, or patients as objects), and events left out because they have no case."""

    path: Path
    events: int
    cases: int
    left_out: int

    @property
    def text(self) -> str:
        """A line for the terminal."""
        more = f"; {self.left_out:,} pieces of work without a patient left out" if self.left_out else ""
        return f"{self.path}: {self.events:,} events of {self.cases:,} patients, by protocol and replication{more}"


def clinic_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a clinic's output folder; raises InputError for a folder of another kind."""
    manifest = read_record(folder / MANIFEST_FILE, {"kind": str}, "the output folder of a finished clinic run")
    if manifest["kind"] != "clinic":
        raise problem(str(folder), "", f"a run of {manifest['kind']}", "the output folder of `taper-sim clinic`")
    return manifest


def timed_events(folder: Path) -> pd.DataFrame:
    """The event log with points in time instead of minutes.

    Parameters
    ----------
    folder : Path
        Output folder of a finished clinic run.

    Returns
    -------
    DataFrame
        The columns of ``events.parquet``; ``requested``, ``due``, ``started`` and ``ended`` are times from the clinic's
        ``first_day``, NaT if they did not occur: in the zone of its calendar, or local times without a zone. ``at`` is
        when the work ended, or was due if it had not ended when the run stopped. ``case`` is the patient within
        protocol and replication, empty for work without a patient. ``time_zone`` says which zone the times have.
    """
    clinic = clinic_manifest(folder)["scenario"]["clinic"]
    zone = (clinic.get("calendar") or {}).get("timezone")
    start = pd.Timestamp(clinic["first_day"])
    log = folder / "events.parquet"
    if not log.exists():
        raise problem(str(log), "", "no file", "the event log that `taper-sim clinic` wrote")
    events = pd.read_parquet(log)
    for name in ("requested", "due", "started", "ended"):
        local = start + pd.to_timedelta(events[name], unit="min").dt.round("ms")
        if zone is not None:  # an hour that the clocks show twice is the first, one that they leave out moves on
            local = local.dt.tz_localize(zone, ambiguous=np.ones(len(local), bool), nonexistent="shift_forward")
        events[name] = local
    texts = {name: events[name].astype(str) for name in ("protocol", "replication", "patient_id", "resource")}
    within = texts["protocol"] + "/" + texts["replication"] + "/"
    return events.assign(
        protocol=texts["protocol"],
        outcome=events["outcome"].astype(str),
        at=events["ended"].fillna(events["due"]),
        case=(within + texts["patient_id"]).where(texts["patient_id"] != "", ""),
        staff=(within + texts["resource"]).where(texts["resource"] != "", ""),
        time_zone=zone or LOCAL_TIME,
    )


def write_xes(folder: Path, path: Path) -> Exported:
    """Write the event log as XES (IEEE 1849): a trace for each patient of a protocol and replication.

    Raises
    ------
    InputError
        If the folder is not of a clinic run, the file cannot be written, or pm4py is missing.
    """
    check_file_writable(path)
    events = timed_events(folder)
    mining = _pm4py("--xes")
    of_patients = events[events["case"] != ""].sort_values(["case", "at", "work_id"], kind="stable")
    log = pd.DataFrame(
        {
            "case:concept:name": of_patients["case"],
            "case:protocol": of_patients["protocol"],
            "case:replication": of_patients["replication"],
            "case:patient_id": of_patients["patient_id"].astype(str),
            "case:time_zone": of_patients["time_zone"],
            "concept:name": of_patients["work"].astype(str),
            "time:timestamp": of_patients["at"],
            "start_timestamp": of_patients["started"].fillna(of_patients["at"]),
            "org:resource": of_patients["resource"].astype(str),
            "org:role": of_patients["role"].astype(str),
            "lifecycle:transition": of_patients["outcome"].map(_LIFECYCLE),
            **{name: of_patients[name] for name in ("requested", "due", *_ATTRIBUTES) if name in of_patients},
        }
    )
    _written(path, ".xes", lambda file: mining.write_xes(log, file, show_progress_bar=False))
    return Exported(path, len(log), log["case:concept:name"].nunique(), len(events) - len(log))


def write_ocel(folder: Path, path: Path) -> Exported:
    """Write the event log as OCEL 2.0 (JSON): an event a piece of work, with its patient and member of staff.

    The format knows no local time: its times are UTC, or local times marked as UTC where ``time_zone`` says so.

    Raises
    ------
    InputError
        If the folder is not of a clinic run, the file cannot be written, or pm4py is missing.
    """
    check_file_writable(path)
    events = timed_events(folder)
    if isinstance(events["at"].dtype, pd.DatetimeTZDtype):
        for name in ("requested", "due", "started", "at"):
            events[name] = events[name].dt.tz_convert("UTC")  # the library writes every time as UTC
    mining = _pm4py("--ocel")
    from pm4py.objects.ocel.obj import OCEL

    ids = events["protocol"] + "/" + events["replication"].astype(str) + "/" + events["work_id"].astype(str)
    head = pd.DataFrame(
        {
            "ocel:eid": "event " + ids + "/" + events.groupby(ids).cumcount().astype(str),
            "ocel:activity": events["work"].astype(str),
            "ocel:timestamp": events["at"],
        }
    )
    details: dict[str, Any] = {name: events[name].astype(str) for name in ("requested", "due", "started")}
    details |= {name: events[name] for name in ("protocol", "replication", "time_zone", *_ATTRIBUTES) if name in events}
    relations = []
    for kind, column in (("patient", "case"), ("staff", "staff")):
        known = events[column] != ""
        part = head[known].assign(**{"ocel:oid": f"{kind} " + events[column][known]})
        part[["ocel:type", "ocel:qualifier"]] = kind
        relations.append(part)
    related = pd.concat(relations, ignore_index=True)
    objects = related[["ocel:oid", "ocel:type"]].drop_duplicates(ignore_index=True)
    log = OCEL(events=head.assign(**details), objects=objects, relations=related)
    _written(path, ".json", lambda file: mining.write_ocel2_json(log, file))
    return Exported(path, len(head), int((objects["ocel:type"] == "patient").sum()), 0)


def _pm4py(option: str) -> ModuleType:
    """The library pm4py, without the notice that it prints; raises InputError if it is not installed."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            import pm4py
    except ModuleNotFoundError as error:
        given = f"no library {error.name}"
        raise problem(option, "", given, f"an installation with it: pip install 'taper-sim[{EXTRA}]'") from None
    return pm4py


def _written(path: Path, ending: str, write: Callable[[str], object]) -> None:
    """Let the library write a file of its own ending, and put its content in place whole; it may hold patients' ids."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pm4py")  # advice on faster libraries
        made = Path(folder) / f"events{ending}"
        write(str(made))
        write_atomically(path, lambda handle: handle.write(made.read_bytes()), private=True)
