"""A taper of one class at a pace, in steps that can be dispensed. Imports ``data``, ``model``, ``dispensed_forms``.

A pace is a rate. A step larger than the pace allows in one interval waits longer, so that the rate holds: 12.5 % of the
original dose after 35 days keeps 10 % in 28 days. The rule (assumption A78), for a step of s % of the original dose, a
pace of p % and a ceiling of c % in 28 days, and the usual interval of ``step_every_d`` days:

1. s is at most 25.
2. A step within the pace's share of one interval comes on a usual day of a step. All reductions of the 28 days that end
   with it, those of the record included, add up to at most c.
3. A larger step comes at least 28 s/p days, in whole weeks, after the planned step before it, or after tomorrow.
4. The dose is never below the straight line of the pace from today's dose, of which 2 may be one interval ahead.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from taper_sim.array_types import Bools, Floats
from taper_sim.data import formulary
from taper_sim.data.drugs_taken import DrugsTaken, DrugTaken, equivalents_of
from taper_sim.model.pharmacology import dispensable_totals, from_equivalents, to_equivalents
from taper_sim.recommend.dispensed_forms import MOST_STEP_PCT, Way, own_way, ways_of
from taper_sim.recommend.situation import Option, Situation
from taper_sim.safety.limits import Limits
from taper_sim.units import DRUG_CLASSES, MONTH_D, TOLERANCE, WEEK_D, DrugClass

SAME_DOSE: Final = 1e-6
"""mg, equivalents or shares within which two doses are equal."""

Steps = tuple[tuple[int, DrugsTaken], ...]


def wait_d(step_pct: float, pct_per_28d: float) -> int:
    """Days, in whole weeks, for which a step keeps a pace; both in percent of the original dose."""
    return WEEK_D * math.ceil(step_pct * MONTH_D / pct_per_28d / WEEK_D - SAME_DOSE)


@dataclass(frozen=True)
class _Lower:
    """Doses to which one drug can be lowered next: its number, doses in its own unit, equivalents, largest step."""

    number: int
    doses: Floats
    equivalents: Floats
    most_pct: float


@dataclass(frozen=True)
class _Pace:
    """What a plan has to keep, in equivalents a day of one class."""

    start: float
    original: float
    target: float
    pct_per_28d: float
    ceiling_pct: float
    step_every_d: int

    @property
    def usual(self) -> float:
        """Reduction in one usual interval."""
        return self.pct_per_28d / 100 * self.original * self.step_every_d / MONTH_D

    def on_line(self, day: int) -> float:
        """Dose on the straight line of the pace, from tomorrow on."""
        return self.start - self.pct_per_28d / 100 * self.original * (day - 1) / MONTH_D

    def of_interval(self, day: int) -> float:
        """Dose at the end of the interval of a day."""
        return self.start - self.usual * ((day - 1) // self.step_every_d + 1)


def _lower(number: int, slot: DrugTaken, way: Way, changed: bool) -> _Lower:
    """Doses to which a drug can be lowered next."""
    dose, equal = slot.dose, slot.drug == way.drug
    if not equal:
        share = way.first_share * slot.equivalents
        dose = float(from_equivalents(way.drug, share, formulary.absorption(), way.times))
    totals = dispensable_totals(way.drug, way.times, max(dose, way.drug.smallest_step))
    totals = totals[totals <= dose * (1 + TOLERANCE) + TOLERANCE]
    if way.is_changed_first and not changed:
        totals = totals[totals > 0][-1:]
    elif equal:
        totals = totals[totals < dose - SAME_DOSE * max(1.0, dose)]
    equivalents = to_equivalents(way.drug, totals, formulary.absorption(), way.times)
    most = way.most_first_pct if way.is_changed_first and not changed else math.inf
    return _Lower(number, totals, equivalents, most)


def _taken_in(way: Way, slot: DrugTaken, dose: float) -> DrugTaken:
    """A drug at its next dose."""
    if way.drug == slot.drug:
        return replace(slot, dose=dose)
    own = slot.interval_h if way.times == slot.times and not slot.drug.is_patch else None
    return DrugTaken(way.drug, dose, way.times, own, slot.as_needed)


def _allowed(day: int, last: int | None, cut: Floats, now: float, course: Sequence[float], pace: _Pace) -> Bools:
    """Which of these cuts (n,), equivalents a day, may be made on a day, by rules 2 to 4."""
    tolerance = SAME_DOSE * pace.original
    after = now - cut
    small = cut <= pace.usual + tolerance
    within = after >= course[day - 1] - pace.ceiling_pct / 100 * pace.original - tolerance
    waited = day - (1 if last is None else last)
    waits = np.ceil(100 * cut / pace.original * MONTH_D / pace.pct_per_28d / WEEK_D - SAME_DOSE) * WEEK_D
    usual = small & within & (after >= pace.of_interval(day) - tolerance)
    above = cut > pace.ceiling_pct / 100 * pace.original + tolerance
    stretched = ~small & (within | above) & (waits <= waited) & (after >= pace.on_line(day) - tolerance)
    return np.asarray((usual | stretched) & (after >= pace.target - tolerance))


def planned_steps(
    taken: DrugsTaken,
    others: DrugsTaken,
    ways: Sequence[Way],
    most_pct: float,
    pace: _Pace,
    recent: Floats,
    n_days: int,
) -> Steps:
    """Steps of the drugs of one class along their ways, by the rule of this module.

    Parameters
    ----------
    taken, others : DrugsTaken
        Drugs of the class and of the other classes.
    ways : sequence of Way
        One for each drug of the class.
    most_pct : float
        Largest step, percent of the original dose.
    pace : _Pace
    recent : ndarray, (28,)
        Equivalents a day of the class on the last 28 days.
    n_days : int
        Horizon, days from tomorrow on.
    """
    slots, changed = list(taken), [False] * len(taken)
    course = [float(dose) for dose in recent]  # of the last 28 days, then of each day ahead
    steps: list[tuple[int, DrugsTaken]] = []
    now = pace.start
    last: int | None = None
    lower = [_lower(k, slot, way, False) for k, (slot, way) in enumerate(zip(slots, ways, strict=True))]
    for day in range(1, n_days + 1):
        if last is None or day - last >= pace.step_every_d:
            best: tuple[float, float, int, float] | None = None
            for choice in lower:
                if not len(choice.doses):
                    continue
                cut = slots[choice.number].equivalents - choice.equivalents
                ok = _allowed(day, last, cut, now, course, pace)
                ok &= 100 * cut <= min(most_pct, choice.most_pct) * pace.original * (1 + SAME_DOSE)
                if ok.any():
                    k = int(np.argmax(np.where(ok, cut, -1.0)))
                    left = slots[choice.number].equivalents / max(taken[choice.number].equivalents, TOLERANCE)
                    candidate = (now - float(cut[k]), -left, choice.number, float(choice.doses[k]))
                    best = candidate if best is None else min(best, candidate)
            if best is not None:
                _, _, number, dose = best
                slots[number], changed[number] = _taken_in(ways[number], slots[number], dose), True
                planned = tuple(slot for slot in slots if slot.dose > 0)
                now = sum(slot.equivalents for slot in planned)
                steps.append((day, (*others, *planned)))
                last = day
                lower[number] = _lower(number, slots[number], ways[number], True)
        course.append(now)
    return tuple(steps)


def taper_at_pace(
    situation: Situation, drug_class: DrugClass, pct_per_28d: float, limits: Limits, n_days: int
) -> Option:
    """Taper of one class at a pace, in dispensable steps; blocked if the ceiling, target or products do not allow it.

    Parameters
    ----------
    situation : Situation
    drug_class : drug class
    pct_per_28d : float
        Percent of the original dose per 28 days.
    limits : Limits
        Milestones, target and days between steps.
    n_days : int
        Horizon, days from tomorrow on.
    """
    k = DRUG_CLASSES.index(drug_class)
    ceiling = situation.ceilings[drug_class]
    in_mg = situation.original[drug_class].words
    name = f"reduce {drug_class} by {pct_per_28d:g} % of original ({in_mg}) every {MONTH_D} days"
    option = Option(name, "reduce", drug_class, pct_per_28d)
    if pct_per_28d > ceiling.pct_per_28d + SAME_DOSE:
        reason = f"above the ceiling of {ceiling.pct_per_28d:g} % of {in_mg} in {MONTH_D} days ({ceiling.basis})"
        return replace(option, blocked=reason, rolled=False)
    original = situation.original_equivalents(drug_class)
    start = float(equivalents_of(situation.now)[k])
    below = [m for m in limits.milestones.get(drug_class, []) if m < start - SAME_DOSE * original]
    aim = limits.target.get(drug_class, 0.0)
    if start and aim >= start - SAME_DOSE * original:
        reason = f"the target of {aim:g} equivalents a day is reached: today's dose is {start:g}"
        return replace(option, blocked=reason, rolled=False)
    taken = situation.of_class(situation.now, drug_class)
    others = tuple(slot for slot in situation.now if slot.drug.drug_class != drug_class)
    pace = _Pace(start, original, max([aim, *below]), pct_per_28d, ceiling.pct_per_28d, limits.step_every_d)
    for ways, most_pct in ways_of(taken):
        steps = planned_steps(taken, others, ways, most_pct, pace, situation.recent[:, k], n_days)
        if any(float(equivalents_of(slots)[k]) < start - SAME_DOSE * original for _, slots in steps):
            needs = "; ".join(dict.fromkeys(way.needs for way in ways if way.needs))
            changes = [f"{way.drug.drug} {way.drug.formulation}" for way in ways if way.needs]
            suffix = f", after a change to {' and '.join(changes)}" if changes else ""
            return replace(option, name=name + suffix, steps=steps, needs=needs)
    return replace(option, blocked=_no_step(taken, pace, n_days), rolled=False)


def _no_step(taken: DrugsTaken, pace: _Pace, n_days: int) -> str:
    """Why a class has no step, and what would be needed."""
    smallest: list[tuple[float, str]] = []
    for slot in taken:
        lower = _lower(0, slot, own_way(slot), False)
        if len(lower.doses):
            pct = 100 * (slot.equivalents - float(lower.equivalents[-1])) / pace.original
            of_mg = f"{slot.dose - float(lower.doses[-1]):g} {slot.drug.unit}"
            smallest.append((pct, f"{of_mg} of {slot.drug.drug} {slot.drug.formulation}"))
    notes = "; ".join(dict.fromkeys(filter(None, (slot.drug.max_step_note for slot in taken))))
    needed = f"needed: {notes or 'ask the pharmacist for a liquid'}"
    if not smallest:
        return f"no tablets make a step within the ceiling and the horizon; {needed}"
    pct, words = min(smallest)
    if pct > MOST_STEP_PCT:
        why = f"the smallest step, {words}, is {pct:.3g} % of the original dose, more than {MOST_STEP_PCT:g} %"
    else:
        days = wait_d(pct, pace.pct_per_28d)
        why = f"the smallest step, {words}, is {pct:.3g} % of the original dose and waits {days} days"
    return f"no tablets make a step within the ceiling and the horizon of {n_days} days: {why}; {needed}"
