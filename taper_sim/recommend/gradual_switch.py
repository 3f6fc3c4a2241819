"""A published switch of a benzodiazepine, one dose of the day after another. Imports ``data``, ``model``, ``units``.

Nobody who takes a short-acting benzodiazepine through the day is changed to another overnight: the last dose of the day
is replaced first, and one more each week (assumption A150).
"""

from typing import Final

from taper_sim.data.drugs_taken import DrugsTaken, DrugTaken
from taper_sim.model.pharmacology import dispensable_totals
from taper_sim.units import TOLERANCE, WEEK_D

MOST_STAGES: Final = 3
"""Doses of the day that are replaced one by one: at most two weeks. Source: A150."""

SwitchSteps = tuple[tuple[int, DrugsTaken], ...]


def switched(slot: DrugTaken, to: DrugTaken, others: DrugsTaken, day: int) -> SwitchSteps:
    """Steps from one drug to another, a part of the day's doses each week; the last gives all of the other drug.

    The dose never rises on the way: a stage that tablets do not make between the doses before and after it is left out.

    Parameters
    ----------
    slot : DrugTaken
        Drug that is replaced.
    to : DrugTaken
        What replaces all of it.
    others : DrugsTaken
        Other drugs, which go on.
    day : int
        Days from today of the first step.
    """
    stages = MOST_STAGES if slot.drug.formulation.startswith("ER") else min(slot.times, MOST_STAGES)
    steps: list[tuple[int, DrugsTaken]] = []
    last = slot.equivalents
    for stage in range(1, stages):
        times, times_to = max(slot.times - stage, 1), min(to.times, stage)
        totals = dispensable_totals(slot.drug, times, slot.dose)
        left = float(totals[totals <= slot.dose * (stages - stage) / stages * (1 + TOLERANCE)][-1])
        kept = DrugTaken(slot.drug, left, times, None, slot.as_needed)
        for given in dispensable_totals(to.drug, times_to, to.dose)[::-1]:
            part = DrugTaken(to.drug, float(given), times_to, None, to.as_needed)
            total = kept.equivalents + part.equivalents
            if left > 0 and given > 0 and to.equivalents - TOLERANCE <= total <= last + TOLERANCE:
                steps.append((day + WEEK_D * len(steps), (*others, kept, part)))
                last = total
                break
    return (*steps, (day + WEEK_D * len(steps), (*others, to)))


def in_words(steps: SwitchSteps) -> str:
    """How long a switch takes, in words."""
    weeks = (steps[-1][0] - steps[0][0]) // WEEK_D
    return {0: "from one day to the next", 1: "over a week"}.get(weeks, f"over {weeks} weeks")
