"""What the certainty of an outcome rests on beside the run: results held out, other forms. Imports ``tables``, pandas.

``python -m taper_sim.evidence.certainty_inputs --from docs/tables --out taper_sim/tables`` writes the package's tables
``held_out.csv`` and ``model_forms.csv`` from the committed tables of the fit to published results
(docs/calibration.md) and of the structural alternatives (docs/structures.md). No number of them is typed.
"""

import argparse
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pandas as pd

from taper_sim import tables

HELD_OUT, MODEL_FORMS = "held_out", "model_forms"
HOLDING: Final = "hold the dose"
"""Protocol of the structural alternatives against which the tapers are compared."""
_SHIPPED: Final = "the model"
"""Form of the model that the package has."""
FORM_OUTCOMES: Final = (
    "mental_health_crisis",
    "overdose",
    "return_to_higher_dose",
    "pain_nrs_change",
    "function_change",
    "dose_reduction_pct",
)
"""Outcomes of the structural alternatives that a committee's table has, or whose change stands for one."""
_REVIEW: Final = {"verified": "yes", "reviewed_by": "", "reviewed_on": ""}


@dataclass(frozen=True)
class HeldOut:
    """Published results of studies that were left out of the fit: how many there are, and how many were predicted."""

    n: int
    inside: int


@dataclass(frozen=True)
class FormDifference:
    """An outcome of a taper minus holding, in the outcome's unit: under the shipped form, and under each form."""

    protocol: str
    shipped: float
    by_form: tuple[tuple[str, float], ...]


def held_out_table(folder: Path) -> pd.DataFrame:
    """Each result held out, and whether it lies inside the predicted 95 % interval.

    Parameters
    ----------
    folder : Path
        Folder of ``leave_one_out.csv``.
    """
    coded = {row["id"]: row for row in tables.read("evidence").rows}
    rows = pd.read_csv(folder / "leave_one_out.csv")
    rows = rows[rows["prediction"].isin(["fit", "prior"])]
    inside = (rows["published"] >= rows["predicted_lo"]) & (rows["published"] <= rows["predicted_hi"])
    cells = [dict(part.split("=") for part in coded[name]["cohort"].split(";") if "=" in part) for name in rows["id"]]
    return pd.DataFrame(
        {
            "id": rows["id"],
            "prediction": rows["prediction"],
            "outcome": [coded[name]["outcome"] for name in rows["id"]],
            "drug_class": [cell.get("drug_class", "") for cell in cells],
            "inside": ["yes" if value else "no" for value in inside],
            "source": "docs/tables/leave_one_out.csv",
            **_REVIEW,
        }
    )


def forms_table(folder: Path) -> pd.DataFrame:
    """Difference of each taper from holding under each form of the model, in the outcome's unit.

    Parameters
    ----------
    folder : Path
        Folder of ``structures.csv``.
    """
    rows = pd.read_csv(folder / "structures.csv")
    rows = rows[(rows["against"] == HOLDING) & rows["outcome"].isin(FORM_OUTCOMES)]
    columns = ["outcome", "protocol", "structure", "difference"]
    return rows[columns].assign(source="docs/tables/structures.csv", **_REVIEW)


def held_out(outcomes: tuple[str, ...], drug_classes: frozenset[str], *, calibrated: bool) -> HeldOut:
    """Results held out on any of these outcomes in people of these drug classes.

    Parameters
    ----------
    outcomes : tuple of str
    drug_classes : frozenset of str
        Classes that the people of the run take.
    calibrated : bool
        Whether the fit predicts the results, or the prior does.
    """
    rows = [
        row
        for row in tables.read(HELD_OUT).rows
        if row["prediction"] == ("fit" if calibrated else "prior")
        and row["outcome"] in outcomes
        and row["drug_class"] in drug_classes
    ]
    return HeldOut(len(rows), sum(row["inside"] == "yes" for row in rows))


@cache
def form_differences(outcome: str) -> tuple[FormDifference, ...]:
    """The tapers of the structural alternatives on an outcome; empty if they do not have it."""
    by_protocol: dict[str, dict[str, float]] = {}
    for row in tables.read(MODEL_FORMS).rows:
        if row["outcome"] == outcome:
            by_protocol.setdefault(row["protocol"], {})[row["structure"]] = float(row["difference"])
    return tuple(FormDifference(name, forms[_SHIPPED], tuple(forms.items())) for name, forms in by_protocol.items())


def main() -> None:
    """Write the two tables."""
    parser = argparse.ArgumentParser(description="tables on which the certainty of an outcome rests")
    parser.add_argument("--from", dest="folder", type=Path, required=True, help="folder of the committed tables")
    parser.add_argument("--out", type=Path, required=True, help="folder of the package's tables")
    args = parser.parse_args()
    for name, table in ((HELD_OUT, held_out_table(args.folder)), (MODEL_FORMS, forms_table(args.folder))):
        table.to_csv(args.out / f"{name}.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
