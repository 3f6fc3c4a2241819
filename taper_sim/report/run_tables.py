"""Tables of an output folder for figures and reports, and labels of outcomes. Imports ``comparison``, ``data``."""

import csv
import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from taper_sim.comparison.outcomes import BY_NAME, Outcome
from taper_sim.data.problems import problem
from taper_sim.run_folder import without_guards

TAIL: Final = "_cvar95"

#: Labels for axes and tables; any other outcome is labelled by its name.
LABELS: Final[Mapping[str, str]] = {
    "dose_reduction_pct": "dose reduction",
    "dose_exposure": "mean dose taken",
    "discontinued": "stopped",
    "withdrawal_peak": "peak withdrawal",
    "withdrawal_area": "withdrawal, summed over days",
    "days_over_limit": "days over the withdrawal limit",
    "pain_nrs": "pain",
    "pain_nrs_change": "change of pain",
    "function_change": "change of function",
    "phq9_change": "change of PHQ-9",
    "isi_change": "change of ISI",
    "lapse_days": "days above the prescribed dose",
    "return_to_higher_dose": "return to a higher dose",
    "dropout": "left the programme",
    "retained": "in the programme at the end",
    "urgent_visit": "urgent visit",
    "mental_health_crisis": "mental health crisis",
    "overdose": "overdose",
    "seizure": "seizure or delirium",
    "death": "death by overdose or suicide",
    "composite": "composite burden",
}

_WORDS: Final = (
    "protocol",
    "reference",
    "outcome",
    "subgroup",
    "unit",
    "direction",
    "quantity",
    "calibrated",
    "interval_method",
    "interval_reason",
    "weights_of",
    "weight",
    "change",
    "first",
)
_COUNTS: Final = ("n", "day", "n_draws", "rank")


@dataclass(frozen=True)
class RunTables:
    """Manifest and tables of an output folder."""

    manifest: dict[str, Any]
    summary: pd.DataFrame
    differences: pd.DataFrame
    trajectories: pd.DataFrame

    @property
    def protocols(self) -> list[str]:
        """Names of the protocols in the scenario's order."""
        return [str(name) for name in self.manifest["protocols"]]

    @property
    def reference(self) -> str:
        """The reference protocol of the comparison."""
        return str(self.manifest["reference"])


def calls_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Call of each protocol by its name, in the scenario's order."""
    entries = manifest["scenario"]["protocols"]
    return {str(name): str(entry["call"]) for name, entry in zip(manifest["protocols"], entries, strict=True)}


def usable_protocols(manifest: Mapping[str, Any]) -> list[str]:
    """Protocols that a clinic could follow; a policy that sees the true state is a bound, not a choice."""
    calls = calls_of(manifest)
    bounds = [name for name, call in calls.items() if call.startswith("oracle(") or "sees=state" in call]
    return [name for name in calls if name not in bounds] or list(calls)


def read_run(folder: Path) -> RunTables:
    """Read the manifest and the tables of a finished run.

    Raises
    ------
    InputError
        If one of the four files does not exist.
    """
    for name in ("manifest.json", "summary.csv", "differences.csv", "trajectories.csv"):
        if not (folder / name).is_file():
            raise problem(str(folder), "", f"no {name}", "the folder of a finished run")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    tables = [read_table(folder / f"{name}.csv") for name in ("summary", "differences", "trajectories")]
    return RunTables(manifest, *tables)


def read_table(path: Path) -> pd.DataFrame:
    """A table with exact numbers; the text ``NA`` in a column of names is not a missing value."""
    with path.open(encoding="utf-8", newline="") as handle:
        names = next(csv.reader(handle), [])
    kinds = {name: pa.int64() if name in _COUNTS else pa.string() if name in _WORDS else pa.float64() for name in names}
    convert = arrow_csv.ConvertOptions(column_types=kinds, null_values=[""], strings_can_be_null=False)
    parse = arrow_csv.ParseOptions(newlines_in_values=True)
    return without_guards(arrow_csv.read_csv(path, convert_options=convert, parse_options=parse).to_pandas())


def outcome_of(name: str) -> Outcome | None:
    """The outcome of a name in a table, with or without ``_cvar95``; None for an unknown name."""
    return BY_NAME.get(name.removesuffix(TAIL))


def label_of(name: str) -> str:
    """The label of an outcome."""
    base = name.removesuffix(TAIL)
    words = LABELS.get(base, base.replace("_", " "))
    return f"{words}, worst 5 %" if name.endswith(TAIL) else words


def rows_where(table: pd.DataFrame, **where: str) -> pd.DataFrame:
    """Rows of a table with given values in columns."""
    for column, value in where.items():
        table = table[table[column] == value]
    return table


def rows_by(table: pd.DataFrame, *columns: str) -> dict[tuple[str, ...], Mapping[Hashable, Any]]:
    """Rows of a table by their texts in columns; of several rows with the same texts the last."""
    return {tuple(str(row[name]) for name in columns): row for row in table.to_dict("records")}
