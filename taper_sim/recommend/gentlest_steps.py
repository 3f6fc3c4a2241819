"""Of reductions at one pace, the one in the smallest steps. Imports ``choice``, ``barred_options``, ``safety``.

A smaller step sooner, at the same rate, is gentler than a large one after a long wait, and is chosen where the product
can make it. Source: assumption A123.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from taper_sim.recommend.barred_options import largest_step
from taper_sim.recommend.choice import Rolled, keeps_limits
from taper_sim.recommend.situation import Option, Situation
from taper_sim.safety.limits import Limits
from taper_sim.units import DRUG_CLASSES, TOLERANCE

_WHY: Final = "; of this pace the variant in the smallest steps"


def in_smallest_steps(
    choice: tuple[str, list[str]],
    options: Sequence[Option],
    rolled: Mapping[str, Rolled],
    situation: Situation,
    limits: Limits,
    hurting: Collection[str] = (),
) -> tuple[str, list[str]]:
    """The choice and its reasons, with the smallest steps of those at the pace of a chosen reduction.

    Parameters
    ----------
    choice : (str, list of str)
        From ``choice.choose``.
    options : sequence of Option
        Options of which one may be chosen.
    rolled : mapping of str to Rolled
    situation : Situation
    limits : Limits
    hurting : collection of str
        Options after which two bad weeks are more likely than not; none of them is chosen.
    """
    name, reasons = choice
    chosen = next((option for option in options if option.name == name), None)
    if chosen is None or chosen.kind != "reduce" or chosen.drug_class is None or limits.prefer != "fastest":
        return choice
    k, hold = DRUG_CLASSES.index(chosen.drug_class), rolled["hold"]

    def size(option: Option) -> float:
        return largest_step(option, situation, k)

    at_pace = [
        o
        for o in options
        if (o.kind, o.drug_class, o.pct_per_28d) == ("reduce", chosen.drug_class, chosen.pct_per_28d)
        and o.rolled
        and not (o.blocked or o.needs or o.name in hurting or keeps_limits(rolled[o.name], hold, limits))
    ]
    gentlest = min(at_pace, key=size, default=chosen)
    if size(gentlest) >= size(chosen) - TOLERANCE:
        return choice
    return gentlest.name, [*reasons[:-1], f"{gentlest.name}: the fastest reduction that keeps every limit{_WHY}"]
