"""The shipped population, written from what is known before any fit. Imports ``prior``.

``python -m taper_sim.inference.population.shipped --out taper_sim/tables/population.csv`` makes the table that
``recommend`` reads where no ``--population`` is named; a test holds the two together. Each row says where its centre
and spread come from; none was fitted to published results.
"""

import argparse
import csv
import io
from pathlib import Path
from typing import Final

from taper_sim.inference.prior import DRIFT_SD, VALUE_PRIORS, ValuePrior
from taper_sim.run_folder import write_text

COLUMNS: Final = (
    "value",
    "scale",
    "centre",
    "spread",
    "centre_sd",
    "unit",
    "source",
    "verified",
    "reviewed_by",
    "reviewed_on",
)


def _row(name: str, known: ValuePrior) -> tuple[str, ...]:
    numbers = (repr(float(x)) for x in (known.centre, known.spread, known.centre_sd))
    return (name, "log" if known.is_log else "linear", *numbers, known.unit, known.source, "no", "", "")


def default_table() -> str:
    """The table as CSV: centres and sds on the log where ``scale`` says so."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, known in VALUE_PRIORS.items():
        writer.writerow(_row(name, known))
    writer.writerow(("drift_sd", "linear", "0", repr(DRIFT_SD), "0", "log sigma in 28 d", "A28", "no", "", ""))
    return out.getvalue()


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description="the shipped population, from priors and their sources")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    write_text(args.out, default_table())
    print(f"{len(VALUE_PRIORS) + 1} values written to {args.out}")


if __name__ == "__main__":
    main()
