"""The shipped population, from the priors and their sources. Imports ``prior``, ``run_folder``.

``python -m taper_sim.inference.population.shipped --out taper_sim/tables/population.csv`` writes the table that
``recommend`` reads without ``--population``; a test compares the two. Each row names the source of its centre and
spread; no row was fitted to published results.
"""

import argparse
import csv
import io
from pathlib import Path
from typing import Final

from taper_sim.inference.prior import DRIFT_SD, VALUE_PRIORS, ValuePrior
from taper_sim.run_folder import write_text

_COLUMNS: Final = (
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


def _row(name: str, prior: ValuePrior) -> tuple[str, ...]:
    """One value's row of the table."""
    numbers = (repr(float(f"{x:.10g}")) for x in (prior.centre, prior.spread, prior.centre_sd))
    return (name, prior.scale, *numbers, prior.unit, prior.source, "no", "", "")


def default_table() -> str:
    """The table as CSV text; the centre is that of the log if ``scale`` is ``log`` or ``heavy_log``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for name, prior in VALUE_PRIORS.items():
        writer.writerow(_row(name, prior))
    writer.writerow(("drift_sd", "linear", "0", repr(DRIFT_SD), "0", "log sigma in 28 d", "A28", "no", "", ""))
    return out.getvalue()


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description="write the shipped population from the priors and their sources")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    write_text(args.out, default_table())
    print(f"{len(VALUE_PRIORS) + 1} values written to {args.out}")


if __name__ == "__main__":
    main()
