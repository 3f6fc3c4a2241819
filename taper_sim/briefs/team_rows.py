"""Rows and numbers of runs of a team, for the first screen. Imports ``brief_rows``, ``certainty``, ``replicated``.

Harms come first and are those of a comparison; late work and waits follow. Differences that matter: A115, A129.
"""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final

from taper_sim.briefs.brief_rows import BRIEF_ROWS, PerThousand, ScreenRow, quantity_row
from taper_sim.briefs.certainty import OutcomeCertainty, basis_of, rate
from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.report.harm_words import PER
from taper_sim.report.replicated import FEWEST_REPLICATIONS, replicated
from taper_sim.report.wording import count
from taper_sim.units import DRUG_CLASSES

UNLIMITED: Final = "unlimited staff"
"""The comparator: the same patients with staff without a limit."""
_BY_NAME: Final = {row.name: row for row in BRIEF_ROWS}


def _of_patients(name: str, label: str, note: str, unit: str, *, digits: int = 1) -> ScreenRow:
    outcome = BY_NAME[name]
    important = float(outcome.important or 0.0)
    return quantity_row(name, label, note, important, unit, is_harm=outcome.direction == "lower", digits=digits)


EVENT_ROWS: Final = tuple(_BY_NAME[n] for n in ("death", "overdose", "mental_health_crisis", "return_to_higher_dose"))
DROPOUT: Final = ScreenRow(
    name="dropout",
    label="Left the programme",
    note="before its end",
    events="people who leave the programme",
    important=50.0,
    is_harm=True,
)
LOWER_DOSE: Final = _BY_NAME["dose_reduction_ge15"]
LATE_OR_LOST: Final = quantity_row("late", "Late or lost work", "% of all work", 5.0, "%")
LATE_URGENT: Final = quantity_row("late of urgency 0", "Late work that cannot wait", "% of such work", 1.0, "%")
ORDER_WAIT: Final = quantity_row(
    "order_wait_days", "Wait for a changed dose", "days a patient", 1.0, "days", more_less=("longer", "shorter")
)
REDUCTION: Final = _of_patients("dose_reduction_pct", "Dose reduction", "% of the starting dose", "%")
FUNCTION_ROW: Final = _of_patients("function_change", "Change of function", "points of 100", "points")
PAIN_ROW: Final = _of_patients("pain_nrs_change", "Change of pain", "points of 10", "points", digits=2)
ROW_FACTORS: Final[Mapping[str, float]] = {
    **{row.name: PER for row in (*EVENT_ROWS, DROPOUT, LOWER_DOSE)},
    "late": 100.0,
    "late of urgency 0": 100.0,
}
"""From the unit of a table to that of the row; 1 for the others."""


def estimate(
    cells: Mapping[Hashable, Any],
    row: ScreenRow,
    people: int,
    *,
    n: int | None = None,
    what: str = "estimate",
    is_difference: bool = False,
) -> PerThousand:
    """A number of a table in the unit of its row; without an interval if too few replications stand behind it.

    The interval of a frequency ends at 0, that of a difference does not.

    Parameters
    ----------
    cells : mapping
        Row of a table; see :func:`taper_sim.report.replicated.replicated`.
    row : ScreenRow
    people : int
        People of a replication.
    n : int, optional
        Replications; by default the row's ``n_replications``.
    what : str
        ``estimate`` or ``change``.
    is_difference : bool
        Whether the number is a difference from another column.
    """
    value = replicated(cells, n, ROW_FACTORS.get(row.name, 1.0), what=what)
    if not value.has_interval:
        return PerThousand(value.mean, float("nan"), float("nan"), "", people)
    if value.low == value.high == value.mean == 0.0:
        return PerThousand(0.0, float("nan"), float("nan"), "0 in every replication", people)
    low = max(value.low, 0.0) if row.name in ROW_FACTORS and not is_difference else value.low
    return PerThousand(value.mean, low, value.high, "", people)


def without_difference(level: PerThousand, difference: PerThousand) -> PerThousand:
    """The level of the comparator: that of a column minus its difference; it has no interval of its own."""
    return PerThousand(level.mean - difference.mean, float("nan"), float("nan"), "", level.n)


def with_difference(comparator: PerThousand, difference: PerThousand) -> PerThousand:
    """The level of a column: that of the comparator plus the column's difference; it has no interval of its own."""
    return PerThousand(comparator.mean + difference.mean, float("nan"), float("nan"), "", comparator.n)


def rated(
    manifest: Mapping[str, Any], rows: tuple[ScreenRow, ...], differences: Mapping[tuple[str, str], PerThousand]
) -> dict[tuple[str, str], OutcomeCertainty]:
    """Certainty of the differences of a run of a team."""
    planned = manifest["scenario"]["cohort"].get("classes") or {}
    classes = frozenset(map(str, planned)) or frozenset(DRUG_CLASSES)
    by_name = {row.name: row for row in rows}
    return {
        key: rate(basis_of(manifest, by_name[key[1]], change, classes, is_between_tapers=False))
        for key, change in differences.items()
    }


def matters_note(rows: tuple[ScreenRow, ...]) -> str:
    """The differences that matter, in a sentence."""
    lines = [f"{row.label.lower()} {row.line}" for row in rows if row.important > 0.0]
    return f"Differences that matter: {'; '.join(lines)} (assumptions A115 and A129)."


def notes_of(rows: tuple[ScreenRow, ...], n: int, team: str = "") -> tuple[str, ...]:
    """Notes below the table: why it, or the column of a team, has no interval, and the differences that matter."""
    of, here = (f" of {team}", "of it") if team else ("", "here")
    few = f"No intervals{of}: {count(n, 'replication')}, and an interval needs {FEWEST_REPLICATIONS}. "
    return (*([f"{few}No difference {here} is a finding."] if n < FEWEST_REPLICATIONS else []), matters_note(rows))


def more_replications(n: int) -> Iterator[str]:
    """What more replications would add, if the run has too few for an interval."""
    if n < FEWEST_REPLICATIONS:
        yield f"{FEWEST_REPLICATIONS} replications or more, so that numbers have intervals."


CAPTION: Final = (
    "Large: the number with this team. Below: the difference from the first column, with the 95 % interval over "
    "replications. A bar marks a difference that matters; it is filled where the interval is clear of no difference."
)
