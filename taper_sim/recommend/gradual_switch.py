"""A published switch of a benzodiazepine, one dose of the day after another. Imports ``data``, ``model``, ``units``.

Nobody who takes a short-acting benzodiazepine through the day is changed to another overnight: the last dose of the day
is replaced first, and one more each week (assumption A159).
"""

from typing import Final

from taper_sim.data.drugs_taken import DrugsTaken, DrugTaken
from taper_sim.model.pharmacology import dispensable_totals
from taper_sim.units import TOLERANCE, WEEK_D

MOST_STAGES: Final = 3
"""Doses of the day that are replaced one by one: at most two weeks. Source: A159."""

SwitchSteps = tuple[tuple[int, DrugsTaken], ...]


def switched(slot: DrugTaken, to: DrugTaken, others: DrugsTaken, day: int, before: int | None = None) -> SwitchSteps:
    """Steps from one drug to another, a part of the day's doses each week; the last gives all of the other drug.

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
    before : int, optional
        Day of the next planned step: the switch ends before it.
    """
    stages = MOST_STAGES if slot.drug.formulation.startswith("ER") else min(slot.times, MOST_STAGES)
    if before is not None:
        stages = min(stages, 1 + (before - day - 1) // WEEK_D)
    totals = dispensable_totals(slot.drug, max(slot.times - 1, 1), slot.dose)
    new = dispensable_totals(to.drug, to.times, to.dose)
    steps: list[tuple[int, DrugsTaken]] = []
    for stage in range(1, stages):
        aim = slot.dose * (stages - stage) / stages
        left = float(totals[totals <= aim * (1 + TOLERANCE)][-1])
        given = float(new[new <= to.dose * (1 - left / slot.dose) * (1 + TOLERANCE)][-1])
        if left > 0 and given > 0:
            times = max(slot.times - stage, 1)
            kept = DrugTaken(slot.drug, left, times, None, slot.as_needed)
            part = DrugTaken(to.drug, given, min(to.times, stage), None, to.as_needed)
            steps.append((day + WEEK_D * (stage - 1), (*others, kept, part)))
    last = day + WEEK_D * len(steps)
    return (*steps, (last, (*others, to)))


def in_words(steps: SwitchSteps) -> str:
    """How long a switch takes, in words."""
    weeks = (steps[-1][0] - steps[0][0]) // WEEK_D
    return {0: "from one day to the next", 1: "over a week"}.get(weeks, f"over {weeks} weeks")
