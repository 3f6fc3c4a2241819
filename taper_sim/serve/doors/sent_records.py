"""Records that a request holds, as the files that the command line reads. Imports ``recommend``, ``serve``, ``data``.

The readers of ``data`` check them, so that a problem has the same words and places as on the command line: rows are
numbered as in a file whose header is row 1.
"""

import csv
import hashlib
import io
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Discriminator, Field, Tag, model_validator

from taper_sim.data.patient_files import BASELINE_FILE, BUNDLE_FILE, CHECKIN_FILE, DOSE_FILE, LIMITS_FILE
from taper_sim.data.yaml_input import Strict, Wrong
from taper_sim.recommend.from_files import weigh_from_files
from taper_sim.recommend.own_plan import Weighed
from taper_sim.run_folder import write_text

MOST_SENT_ROWS: Final = 50_000
"""Rows of a request: two years of seventy reports a day. A design choice; the body is limited too (A139)."""
_MOST_SEED: Final = 2**32 - 1
_Cell = str | float | None


class CheckInRow(Strict):
    """A report: ``instrument`` of scales.csv or a variable of variables.csv, on its own scale."""

    patient_id: str = Field(examples=["p1"])
    date: str = Field(examples=["2026-03-01"], description="the day that is described, such as 2026-03-01")
    instrument: str = Field(examples=["pain_nrs"])
    value: _Cell = Field(examples=[4])
    entered: str | None = None


class SentDose(Strict):
    """A dose from a day on, until the next row of the drug and formulation; 0 stops it. Patches in mcg/h."""

    patient_id: str = Field(examples=["p1"])
    date: str = Field(examples=["2026-01-05"])
    drug: str = Field(examples=["morphine"])
    formulation: str = Field(examples=["ER"])
    dose_mg_per_day: _Cell = Field(default=None, examples=[60])
    dose_mcg_per_h: _Cell = None
    taken_mg_per_day: _Cell = None
    taken_mcg_per_h: _Cell = None
    interval_h: _Cell = None
    as_needed: bool | str | None = None


def _is_text(given: Any) -> str:
    return "text" if isinstance(given, str) else "rows"


type _RowsOrText[Row] = Annotated[
    Annotated[list[Row], Tag("rows")] | Annotated[str, Tag("text")], Discriminator(_is_text)
]


class SentRecords(Strict):
    """Check-ins with doses, each as rows or as the text of a CSV file; or a FHIR R4 Bundle instead of both."""

    checkins: _RowsOrText[CheckInRow] | None = None
    doses: _RowsOrText[SentDose] | None = None
    bundle: dict[str, Any] | None = Field(default=None, description="a FHIR R4 Bundle")
    patient: str | None = Field(default=None, description="id, if the records hold several patients")
    as_of: str | None = Field(default=None, description="day of the answer, such as 2026-03-15")
    seed: int = Field(default=0, ge=0, le=_MOST_SEED)
    baseline: dict[str, Any] | None = Field(default=None, description="the content of a patient file")
    limits: dict[str, Any] | None = Field(default=None, description="the content of a limits file")

    @model_validator(mode="after")
    def _one_kind(self) -> "SentRecords":
        if self.bundle is not None and (self.checkins is not None or self.doses is not None):
            raise Wrong(("bundle", "with check-ins or doses", "a bundle, or check-ins and doses"))
        if self.bundle is None and self.doses is None:
            raise Wrong(("doses", "nothing, and no bundle", "doses with check-ins, or a bundle"))
        wrong = [
            (name, f"{len(rows):,} rows", f"at most {MOST_SENT_ROWS:,}")
            for name, rows in (("checkins", self.checkins), ("doses", self.doses))
            if rows is not None and not isinstance(rows, str) and len(rows) > MOST_SENT_ROWS
        ]
        if wrong:
            raise Wrong(*wrong)
        return self

    def files(self) -> dict[str, str]:
        """Names and texts of the files."""
        texts = {
            BUNDLE_FILE: None if self.bundle is None else json.dumps(self.bundle),
            CHECKIN_FILE: None if self.bundle is not None else _csv_text(CheckInRow, self.checkins or []),
            DOSE_FILE: None if self.doses is None else _csv_text(SentDose, self.doses),
            BASELINE_FILE: None if self.baseline is None else json.dumps(self.baseline),
            LIMITS_FILE: None if self.limits is None else json.dumps(self.limits),
        }
        return {name: text for name, text in texts.items() if text is not None}

    def weighed(self) -> Weighed:
        """The recommendation on these records; raises InputError with every problem."""
        with tempfile.TemporaryDirectory(prefix="taper-sim-") as name:
            folder = Path(name)
            files = self.files()
            for file, text in files.items():
                write_text(folder / file, text, private=True)
            is_bundle = BUNDLE_FILE in files
            (weighed,) = weigh_from_files(
                folder / (BUNDLE_FILE if is_bundle else CHECKIN_FILE),
                None if is_bundle else folder / DOSE_FILE,
                patient_id=self.patient,
                baseline=folder / BASELINE_FILE if BASELINE_FILE in files else None,
                limits=folder / LIMITS_FILE if LIMITS_FILE in files else None,
                as_of=self.as_of,
                seed=self.seed,
            )
        return weighed

    def key(self) -> str:
        """Hash of everything that the answer depends on."""
        asked = {name: getattr(self, name) for name in ("patient", "as_of", "seed")}
        return key_of_content(["sent records", asked, self.files()])


def _csv_text(model: type[Strict], rows: Sequence[Strict] | str) -> str:
    if isinstance(rows, str):
        return rows
    text = io.StringIO()
    writer = csv.DictWriter(text, list(model.model_fields), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.model_dump().items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def key_of_content(content: Any) -> str:
    """Hash of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
