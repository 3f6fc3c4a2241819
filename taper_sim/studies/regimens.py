"""First step down of ordinary regimens at the default ceiling, or what is needed. Imports ``recommend``, ``data``.

``python -m taper_sim.studies.regimens --out docs/tables/regimens.csv`` writes the table in seconds. Every person has
taken one drug for more than a year, is stable, and has never tapered. Nothing is simulated.
"""

import argparse
import csv
import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from taper_sim.data import formulary
from taper_sim.data.drugs_taken import DrugTaken, equivalents_of
from taper_sim.data.original_dose import OriginalDose
from taper_sim.model import pharmacology
from taper_sim.model.pharmacology import administrations
from taper_sim.provenance import hash_of
from taper_sim.recommend import dispensed_forms, reduction_steps
from taper_sim.recommend.reduction_steps import SAME_DOSE, taper_at_pace
from taper_sim.recommend.situation import Option, Situation
from taper_sim.run_folder.atomic_files import write_text
from taper_sim.safety.ceilings import Ceiling, ceiling_of
from taper_sim.safety.limits import Limits
from taper_sim.units import DRUG_CLASSES, MONTH_D

HORIZON_D: Final = 84
"""The default of ``horizon_days``, days."""
USE_DAYS: Final = 2000.0
"""Days of use: long use, which has the lowest ceilings."""

REGIMENS: Final[tuple[tuple[str, str, tuple[float, ...]], ...]] = (
    ("morphine", "IR", (30, 60, 90)),
    ("morphine", "ER", (30, 60, 120)),
    ("oxycodone", "IR", (20, 40, 60)),
    ("oxycodone", "ER", (20, 40, 80)),
    ("hydrocodone-acetaminophen", "IR", (20, 30)),
    ("hydrocodone", "ER tablet", (20, 40)),
    ("hydrocodone", "ER capsule", (20, 40)),
    ("hydromorphone", "IR", (8, 16)),
    ("hydromorphone", "ER", (8, 16)),
    ("oxymorphone", "IR", (20, 40)),
    ("oxymorphone", "ER", (20, 40)),
    ("tapentadol", "IR", (200, 300)),
    ("tapentadol", "ER", (100, 300)),
    ("tramadol", "IR", (200, 300)),
    ("tramadol", "ER", (100, 200)),
    ("codeine", "IR", (120, 240)),
    ("fentanyl", "TD", (12, 25, 37.5, 50, 75, 100)),
    ("methadone", "IR", (15, 30, 60)),
    ("buprenorphine", "SL film/tablet", (2, 8, 16)),
    ("buprenorphine", "TD", (5, 10, 20)),
    ("buprenorphine", "buccal", (0.3, 0.9)),
    ("oxycodone-acetaminophen", "IR", (20, 40)),
    ("codeine-acetaminophen", "IR", (120, 240)),
    ("tramadol-acetaminophen", "IR", (150, 300)),
    ("levorphanol", "IR", (6, 12)),
    ("meperidine", "IR", (300, 600)),
    ("diazepam", "IR", (5, 10, 20)),
    ("clonazepam", "IR", (0.5, 1, 2, 4)),
    ("alprazolam", "IR", (1, 2, 4)),
    ("alprazolam", "ER", (1, 3)),
    ("lorazepam", "IR", (1, 2, 4)),
    ("temazepam", "IR capsule", (15, 30)),
    ("chlordiazepoxide", "IR capsule", (30, 75)),
    ("oxazepam", "IR capsule", (30, 60)),
    ("clorazepate", "IR", (15, 30)),
    ("quazepam", "IR", (15,)),
    ("flurazepam", "IR capsule", (15, 30)),
    ("triazolam", "IR", (0.125, 0.25)),
    ("estazolam", "IR", (1, 2)),
    ("gabapentin", "IR", (900, 1800, 2700)),
    ("gabapentin", "ER (gastroretentive)", (600, 1800)),
    ("pregabalin", "IR capsule", (150, 300)),
    ("pregabalin", "ER", (165, 330)),
)
"""Drug, formulation, doses in its own unit, at the row's interval: every row of drugs.csv. A design choice."""

_COLUMNS: Final = (
    "drug",
    "formulation",
    "dose",
    "unit",
    "times_a_day",
    "ceiling_pct_per_28d",
    "reducible",
    "product",
    "first_step_day",
    "first_step_pct",
    "largest_step_pct",
    "first_step",
    "needed",
    "code",
)


def stable(slot: DrugTaken, use_days: float = USE_DAYS) -> Situation:
    """Situation of a person who has taken one drug unchanged."""
    now = (slot,)
    equivalents = equivalents_of(now)
    ceilings: dict[pharmacology.DrugClass, Ceiling] = {c: ceiling_of(c, use_days, 0, Limits()) for c in DRUG_CLASSES}
    original = {slot.drug.drug_class: OriginalDose(now, "stable")}
    return Situation(now, original, np.tile(equivalents, (MONTH_D, 1)), equivalents, {}, ceilings, {})


def at_the_ceiling(slot: DrugTaken, n_days: int = HORIZON_D) -> Option:
    """The reduction of one drug at the default ceiling, offered or blocked."""
    situation = stable(slot)
    drug_class = slot.drug.drug_class
    return taper_at_pace(situation, drug_class, situation.ceilings[drug_class].pct_per_28d, Limits(), n_days)


def _row(slot: DrugTaken) -> dict[str, object]:
    """One row of the table."""
    option = at_the_ceiling(slot)
    k = DRUG_CLASSES.index(slot.drug.drug_class)
    levels = [(0, slot.equivalents)] + [(day, float(equivalents_of(slots)[k])) for day, slots in option.steps]
    falls = [
        (day, 100 * (before - after) / slot.equivalents)
        for (_, before), (day, after) in pairwise(levels)
        if before - after > SAME_DOSE * slot.equivalents
    ]
    taken = next((slots for day, slots in option.steps if falls and day == falls[0][0]), ())
    products = [f"{part.drug.drug} {part.drug.formulation}" for part in taken]
    return {
        "drug": slot.drug.drug,
        "formulation": slot.drug.formulation,
        "dose": f"{slot.dose:g}",
        "unit": slot.drug.unit,
        "times_a_day": slot.times,
        "ceiling_pct_per_28d": f"{stable(slot).ceilings[slot.drug.drug_class].pct_per_28d:g}",
        "reducible": "no" if not falls else "after a change" if option.needs else "yes",
        "product": " + ".join(products),
        "first_step_day": falls[0][0] if falls else "",
        "first_step_pct": f"{falls[0][1]:.1f}" if falls else "",
        "largest_step_pct": f"{max(pct for _, pct in falls):.1f}" if falls else "",
        "first_step": "; ".join(f"{p} {part.dose:g}: {part.words}" for p, part in zip(products, taken, strict=True)),
        "needed": option.needs or option.blocked,
    }


def rows() -> list[dict[str, object]]:
    """Every row of the table."""
    code = code_hash()
    listed = []
    for name, form, doses in REGIMENS:
        drug = formulary.find_drug(name, form)
        listed += [{**_row(DrugTaken(drug, float(dose), administrations(drug))), "code": code} for dose in doses]
    return listed


def code_hash() -> str:
    """Hash of the code and of the formulary's numbers that the table describes."""
    drugs = [
        (
            d.key,
            d.interval_h,
            d.equivalence_factor,
            d.strengths,
            d.splittable,
            d.smallest_step,
            d.mg_per_ml,
            d.release_of,
        )
        for d in (*formulary.formulary().values(), *formulary.forms().values())
    ]
    ceilings = [ceiling_of(c, USE_DAYS, 0, Limits()).pct_per_28d for c in DRUG_CLASSES]
    code = (pharmacology, dispensed_forms, reduction_steps, at_the_ceiling, _row)
    return hash_of(*code, numbers=[HORIZON_D, *ceilings], also=repr((drugs, REGIMENS)))


def main(argv: Sequence[str] | None = None) -> int:
    """Write the table; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m taper_sim.studies.regimens", description=str(__doc__))
    parser.add_argument("--out", type=Path, required=True, help="the table, a CSV file")
    out: Path = parser.parse_args(argv).out
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows())
    write_text(out, text.getvalue())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
