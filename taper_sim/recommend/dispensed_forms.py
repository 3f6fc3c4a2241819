"""Products in which a taper can go on: the same one, finer forms, other releases, other drugs. Imports ``data``.

The order is a pharmacist's: the product that is taken, then one of the same release with smaller steps, then the
immediate release of the same drug, then another drug by a published switch. Source: assumption A79.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from taper_sim.data.drugs_taken import DrugsTaken, DrugTaken
from taper_sim.model.pharmacology import Drug

USUAL_STEP_PCT: Final = 15.0
"""Largest step, percent of the original dose, for which a product is kept although a finer one exists. Source: A79."""
MOST_STEP_PCT: Final = 25.0
"""Largest single step, percent of the original dose. Source: A78 (FDA 2019, ASAM 2025 and Maudsley 2024 rows of
guidelines.csv)."""

Change = Literal["same product", "same release", "other release", "other drug"]


@dataclass(frozen=True)
class Way:
    """The product in which one drug's taper goes on from its first change.

    Attributes
    ----------
    drug : Drug
    times : int
        Administrations a day.
    change : str
        How far the product is from the one taken now. From ``other release`` on, the change is a step of its own at
        (nearly) the same dose, and reductions follow.
    first_share : float
        Equivalents a day after the change, as a share of those before it.
    most_first_pct : float
        Largest step of the change itself, percent of the original dose.
    needs : str
        What a prescriber and a pharmacist settle first; empty for the same drug.
    """

    drug: Drug
    times: int
    change: Change = "same product"
    first_share: float = 1.0
    most_first_pct: float = MOST_STEP_PCT
    needs: str = ""

    @property
    def is_changed_first(self) -> bool:
        """Whether the change of product is a step of its own."""
        return self.change in ("other release", "other drug")


def own_way(slot: DrugTaken) -> Way:
    """The product that is taken now."""
    return Way(slot.drug, slot.times)


def ways_of(taken: DrugsTaken) -> Iterator[tuple[tuple[Way, ...], float]]:
    """A way for each drug and the largest step that is accepted in it, percent of the original dose, best first."""
    own = tuple(own_way(slot) for slot in taken)
    yield own, USUAL_STEP_PCT
    yield own, MOST_STEP_PCT
