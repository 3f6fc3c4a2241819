"""Units as types and the few conversions between them. Imports nothing of the package.

A number that leaves a typed object carries its unit in its name: ``dose_mme``, ``half_life_h``, ``wait_min``.
Rows of arrays are drug classes in the order of :data:`DRUG_CLASSES`.
"""

from typing import Final, Literal, NewType

DrugClass = Literal["opioid", "benzodiazepine", "gabapentinoid"]
DRUG_CLASSES: Final[tuple[DrugClass, ...]] = ("opioid", "benzodiazepine", "gabapentinoid")

#: Reference drug and unit of the equivalents of each class (DESIGN of the model: docs/model.md, section 1).
EQUIVALENTS: Final[dict[str, str]] = {
    "opioid": "oral morphine mg a day (MME)",
    "benzodiazepine": "oral diazepam mg a day",
    "gabapentinoid": "oral pregabalin mg a day",
}
BUPRENORPHINE_SCALE: Final = "buprenorphine mg a day (its own scale, never converted to MME)"

MgPerDay = NewType("MgPerDay", float)
McgPerHour = NewType("McgPerHour", float)

HOURS_PER_DAY: Final = 24.0
WEEK_D: Final = 7
#: A month of a taper (the guidance speaks of four weeks); claims studies count 30 (VELOCITY_MONTH_D).
MONTH_D: Final = 28
VELOCITY_MONTH_D: Final = 30
YEAR_D: Final = 364
#: Relative or absolute difference below which two doses, or two frequencies, are equal: rounding error of their sums.
TOLERANCE: Final = 1e-9
#: Seed of a run for which none is given. It is kept here because the command line reads it before it loads NumPy.
DEFAULT_SEED: Final = 20260101
#: Origins of parameter draws: the priors alone, or the joint draws that were fitted to published results.
DrawsFrom = Literal["prior", "published"]
DRAW_ORIGINS: Final[tuple[DrawsFrom, ...]] = ("prior", "published")
#: Origin of the draws of a run that names none; kept here as the seed is.
DRAWS_FROM: Final[DrawsFrom] = "published"
#: Longest scenario, days: ten years.
LONGEST_D: Final = 3650


def mcg_per_h_to_mg_per_day(rate: McgPerHour) -> MgPerDay:
    """Convert a patch's release in mcg/h to mg released a day (arithmetic, not an equivalence)."""
    return MgPerDay(rate * HOURS_PER_DAY / 1000.0)


def doses_per_day(interval_h: float) -> float:
    """Administrations a day of a drug taken every ``interval_h`` hours; below 1 for patches."""
    return HOURS_PER_DAY / interval_h
