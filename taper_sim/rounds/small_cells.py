"""Hides small cells, also those that a reader could compute from others. Imports ``comparison.tables``.

A count of 1 to 10 people is hidden, and so is a count whose complement is 1 to 10. Zero is shown. Source of the line:
the smallest cell of every report of this package, which is that of the US Centers for Medicare and Medicaid Services.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from taper_sim.comparison.tables import SMALLEST_CELL


@dataclass(frozen=True)
class Cell:
    """People with something, of those who could have it."""

    count: int
    n: int
    is_of_people: bool = True

    @property
    def is_small(self) -> bool:
        """Whether the count, its complement or everybody are too few to show; of work that is no person only all."""
        if self.n < SMALLEST_CELL:
            return True
        return self.is_of_people and (_is_few(self.count) or _is_few(self.n - self.count))


def _is_few(count: int) -> bool:
    return 0 < count < SMALLEST_CELL


def hidden_parts(parts: Mapping[str, int], total: int) -> frozenset[str]:
    """Names of parts of a shown total that are hidden, so that none follows from the others by difference.

    The small parts are hidden. If the hidden parts together, or the rest of the total, are few, the smallest part that
    is left is hidden too, until they are not.
    """
    hidden = {name for name, count in parts.items() if _is_few(count)}
    left = sorted((name for name in parts if name not in hidden and parts[name] > 0), key=lambda name: parts[name])
    while hidden and left and _is_few(sum(parts[name] for name in hidden)):
        hidden.add(left.pop(0))
    if hidden and not left and _is_few(total):
        return frozenset(parts)
    return frozenset(hidden)


def hidden_group(group: Cell, others: Cell) -> bool:
    """Whether a group beside everybody else is hidden: if either is small, the total gives it away."""
    return group.is_small or others.is_small
