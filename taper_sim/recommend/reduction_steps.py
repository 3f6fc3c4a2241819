"""A taper of one class at a pace, in steps that can be dispensed. Imports ``data``, ``model``, ``dispensed_forms``.

A pace is a rate. A step larger than the pace allows in one interval waits longer, so that the rate holds: 12.5 % of the
original dose after 35 days keeps 10 % in 28 days. The rule (assumption A78), for a step of s % of the original dose, a
pace of p % and a ceiling of c % in 28 days, and the usual interval of ``step_every_d`` days:

1. s is at least 1, unless it is what is left, and at most 25.
2. A step within the pace's share of one interval comes on a usual day of a step. All reductions of the 28 days that end
   with it, those of the record included, add up to at most c.
3. A larger step comes at least 28 s/p days, in whole weeks, after the planned step before it, or after tomorrow.
4. The dose is never below the straight line of the pace from today's dose, of which 2 may be one interval ahead.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from taper_sim.array_types import Bools, Floats
from taper_sim.data import formulary
from taper_sim.data.drugs_taken import DrugsTaken, DrugTaken, equivalents_of
from taper_sim.model.pharmacology import Drug, dispensable_totals, from_equivalents, to_equivalents
from taper_sim.recommend.dispensed_forms import MOST_STEP_PCT, USUAL_STEP_PCT, Way, groups_of, ways_of
from taper_sim.recommend.gradual_switch import switched
from taper_sim.recommend.situation import Option, Situation
from taper_sim.safety.limits import Limits
from taper_sim.units import DRUG_CLASSES, MONTH_D, TOLERANCE, WEEK_D, DrugClass

SAME_DOSE: Final = 1e-6
"""mg, equivalents or shares within which two doses are equal."""

LEAST_STEP_PCT: Final = 1.0
"""Smallest step, percent of the original dose; a change of product may be smaller. Source: A78."""

ABOVE_CEILING: Final = "above the ceiling of "
"""How the reason of a pace that no rule allows begins."""

Steps = tuple[tuple[int, DrugsTaken], ...]


def wait_d(step_pct: float, pct_per_28d: float) -> int:
    """Days, in whole weeks, for which a step keeps a pace; both in percent of the original dose."""
    return WEEK_D * math.ceil(step_pct * MONTH_D / pct_per_28d / WEEK_D - SAME_DOSE)


@dataclass(frozen=True)
class _Lower:
    """What one drug can be lowered to next: its number, products, their equivalents together, largest fall."""

    number: int
    products: tuple[DrugsTaken, ...]
    equivalents: Floats
    most: float


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


def _lower(number: int, parts: DrugsTaken, way: Way, changed: bool, most_cut: float = math.inf) -> _Lower:
    """What one drug can be lowered to next.

    Parameters
    ----------
    number : int
        Number of the drug among those of its class.
    parts : DrugsTaken
        The drug as planned so far; of a drug with another product beside it both.
    way : Way
    changed : bool
        Whether its product has been changed.
    most_cut : float
        Largest fall that is of interest, equivalents a day.
    """
    now = _equivalents(parts)
    if way.is_changed_first and not changed:
        dose = _in_unit_of(way, way.first_share * now)
        totals = dispensable_totals(way.drug, way.times, max(dose, way.drug.smallest_step))
        total = float(totals[totals <= dose * (1 + TOLERANCE)][-1])
        products = [_alone(way, parts[0], total)] if total > 0 else []
        return _Lower(number, tuple(products), np.array([p[0].equivalents for p in products]), _most_first(way, now))
    least = now - most_cut - SAME_DOSE * now
    if way.beside is not None and (len(parts) > 1 or (way.change == "beside" and not changed)):
        candidates = _beside(parts, way, way.beside)
    else:
        dose = parts[0].dose if parts[0].drug.drug == way.drug.drug else _in_unit_of(way, now)
        totals = dispensable_totals(way.drug, way.times, max(dose, way.drug.smallest_step))
        each = to_equivalents(way.drug, totals, formulary.absorption(), way.times)
        of_interest = totals[(each >= least) & (each <= now)]
        candidates = [_alone(way, parts[0], float(total)) for total in of_interest]
    products = [tuple(part for part in of_drug if part.dose > 0) for of_drug in candidates]
    products.sort(key=_equivalents)  # of equal sums the first has most extended release
    equivalents = np.array([_equivalents(of_drug) for of_drug in products], dtype=np.float64)
    kept = (equivalents < now - SAME_DOSE * max(1.0, now)) & (equivalents >= least)
    lower = tuple(of_drug for of_drug, keep in zip(products, kept, strict=True) if keep)
    return _Lower(number, lower, equivalents[kept], math.inf)


def _equivalents(parts: DrugsTaken) -> float:
    return sum(part.equivalents for part in parts)


def _most_first(way: Way, now: float) -> float:
    """Largest fall at a change of product, equivalents a day."""
    return way.most_first_pct / 100 * now


def _in_unit_of(way: Way, equivalents: float) -> float:
    """Dose of a way's drug for equivalents a day."""
    return float(from_equivalents(way.drug, equivalents, formulary.absorption(), way.times))


def _alone(way: Way, slot: DrugTaken, dose: float) -> DrugsTaken:
    return (_taken_in(way, slot, dose),)


def _taken_in(way: Way, slot: DrugTaken, dose: float) -> DrugTaken:
    """A drug at its next dose."""
    if way.drug == slot.drug:
        return replace(slot, dose=dose)
    own = slot.interval_h if way.times == slot.times and not slot.drug.is_patch else None
    return DrugTaken(way.drug, dose, way.times, own, slot.as_needed)


def _beside(parts: DrugsTaken, way: Way, short: Drug) -> list[DrugsTaken]:
    """Extended with immediate release: the first stays and never rises.

    The second rises only when the first falls. It is taken at each of its times, or as often as now, and ends only
    when the first cannot fall further.
    """
    base = next(part for part in parts if part.drug == way.drug)
    beside = next((part for part in parts if part.drug == short), None)
    extra = DrugTaken(short, 0.0, way.times_beside, None, base.as_needed) if beside is None else beside
    ladder = dispensable_totals(way.drug, way.times, max(base.dose, way.drug.smallest_step))
    ladder = ladder[(ladder > 0) & (ladder <= base.dose * (1 + TOLERANCE))]
    least = way.times_beside * float(dispensable_totals(short, 1, short.strengths[0])[1])
    most = max(2 * way.drug.strengths[0] + least, extra.dose)
    rest = dispensable_totals(short, way.times_beside, most)
    if beside is not None and beside.dose < least * (1 - TOLERANCE):  # taken less often already
        least = min(short.strengths[0] / 2, beside.dose)
    at_its_times = rest[rest >= least * (1 - TOLERANCE)]
    sums: list[DrugsTaken] = []
    for dose in ladder[::-1]:
        is_last = beside is not None and len(ladder) == 1
        for amount in rest if is_last else at_its_times:
            sums.append((replace(base, dose=float(dose)), replace(extra, dose=float(amount))))
        if beside is not None and dose < base.dose * (1 - TOLERANCE):
            sums.append((replace(base, dose=float(dose)), beside))
    return sums


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
    groups: Sequence[DrugsTaken],
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
    groups : sequence of DrugsTaken
        Drugs of the class, those together that are lowered together.
    others : DrugsTaken
        Drugs of the other classes.
    ways : sequence of Way
        One for each group.
    most_pct : float
        Largest step, percent of the original dose.
    pace : _Pace
    recent : ndarray, (28,)
        Equivalents a day of the class on the last 28 days.
    n_days : int
        Horizon, days from tomorrow on.
    """
    parts: list[DrugsTaken] = list(groups)
    course = [float(dose) for dose in recent]  # of the last 28 days, then of each day ahead
    steps: list[tuple[int, DrugsTaken]] = []
    now = pace.start
    last: int | None = None
    most_cut = most_pct / 100 * pace.original
    lower = [_lower(k, parts[k], way, False, most_cut) for k, way in enumerate(ways)]
    if not any(_is_in_time(choice, pace, parts[choice.number], n_days) for choice in lower):
        return ()
    for day in range(1, n_days + 1):
        if last is None or day - last >= pace.step_every_d:
            best = _best_step(day, last, now, course, pace, lower, parts, most_pct)
            if best is not None:
                number, products = best
                parts[number] = products
                planned = tuple(part for of_drug in parts for part in of_drug)
                now = _equivalents(planned)
                steps.append((day, (*others, *planned)))
                last = day
                lower[number] = _lower(number, products, ways[number], True, most_cut) if products else _NOTHING
        course.append(now)
    return tuple(steps)


def _is_in_time(choice: _Lower, pace: _Pace, parts: DrugsTaken, n_days: int) -> bool:
    """Whether the smallest step of a drug can come within the horizon."""
    if not choice.products:
        return False
    cut = max(_equivalents(parts) - float(choice.equivalents.max()), 0.0)
    return cut <= pace.usual * (1 + SAME_DOSE) or wait_d(100 * cut / pace.original, pace.pct_per_28d) < n_days


_NOTHING: Final = _Lower(0, (), np.zeros(0), 0.0)


def _best_step(
    day: int,
    last: int | None,
    now: float,
    course: Sequence[float],
    pace: _Pace,
    lower: Sequence[_Lower],
    parts: Sequence[DrugsTaken],
    most_pct: float,
) -> tuple[int, DrugsTaken] | None:
    """The largest step that a day allows; of equal ones that of the drug of which most is left."""
    best: tuple[float, float, int, int] | None = None
    for choice in lower:
        if not len(choice.products):
            continue
        before = _equivalents(parts[choice.number])
        cut = before - choice.equivalents
        ok = _allowed(day, last, cut, now, course, pace)
        if choice.most == math.inf:
            ok &= (cut >= (LEAST_STEP_PCT / 100 - SAME_DOSE) * pace.original) | (cut >= before * (1 - SAME_DOSE))
            ok &= cut <= (most_pct / 100 + SAME_DOSE) * pace.original
        else:
            ok &= cut <= choice.most + SAME_DOSE * pace.original
        if ok.any():
            k = int(np.argmax(np.where(ok, np.round(cut, 9), -math.inf)))
            candidate = (-round(float(cut[k]), 9), -before, choice.number, k)
            best = candidate if best is None else min(best, candidate)
    if best is None:
        return None
    chosen = next(choice for choice in lower if choice.number == best[2] and len(choice.products))
    return best[2], chosen.products[best[3]]


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
        reason = f"{ABOVE_CEILING}{ceiling.pct_per_28d:g} % of {in_mg} in {MONTH_D} days ({ceiling.basis})"
        return replace(option, blocked=reason, rolled=False)
    start, aim = float(equivalents_of(situation.now)[k]), limits.target.get(drug_class, 0.0)
    if start and aim >= start - SAME_DOSE * situation.original_equivalents(drug_class):
        reason = f"the target of {aim:g} equivalents a day is reached: today's dose is {start:g}"
        return replace(option, blocked=reason, rolled=False)
    pace = _pace_of(situation, drug_class, pct_per_28d, limits)
    taken = situation.of_class(situation.now, drug_class)
    planned = _planned(situation, drug_class, pace, ways_of(groups_of(taken)), n_days)
    if planned is None:
        return replace(option, blocked=_no_step(taken, pace, n_days), rolled=False)
    ways, steps = planned
    needs = "; ".join(dict.fromkeys(way.needs for way in ways if way.needs))
    changes = [f"{way.drug.drug} {way.drug.formulation}" for way in ways if way.needs]
    if drug_class == "benzodiazepine" and changes:
        steps = _with_gradual_switch(steps, taken, ways, n_days)
    option = replace(option, steps=steps, needs=needs)
    return _varied(option, f"after a change to {' and '.join(changes)}") if changes else option


def _with_gradual_switch(steps: Steps, taken: DrugsTaken, ways: Sequence[Way], n_days: int) -> Steps:
    """Steps whose change to another benzodiazepine takes its weeks (``gradual_switch``); later steps wait as long."""
    changed = [(g[0], w) for g, w in zip(groups_of(taken), ways, strict=True) if w.change == "other drug"]
    gone = [k for k, (_, slots) in enumerate(steps) if changed and changed[0][0].drug not in {s.drug for s in slots}]
    if not gone:
        return steps
    slot, way = changed[0]
    number = gone[0]
    day, slots = steps[number]
    to = next(s for s in slots if s.drug == way.drug)
    switch = switched(slot, to, tuple(s for s in slots if s is not to), day)
    later = ((d + switch[-1][0] - day, products) for d, products in steps[number + 1 :])
    return (*steps[:number], *switch, *(step for step in later if step[0] <= n_days))


def _varied(option: Option, variant: str) -> Option:
    """The option as a variant of the usual one at its pace."""
    return replace(option, name=f"{option.name}, {variant}", variant=variant)


def in_smaller_steps(option: Option, situation: Situation, limits: Limits, n_days: int) -> Option | None:
    """The same pace in smaller steps; None without a step over the usual one, or without a finer form of the drug."""
    drug_class = option.drug_class
    if option.kind != "reduce" or option.blocked or option.needs or drug_class is None:
        return None
    k = DRUG_CLASSES.index(drug_class)
    levels = [float(equivalents_of(slots)[k]) for slots in (situation.now, *(slots for _, slots in option.steps))]
    pace = _pace_of(situation, drug_class, option.pct_per_28d, limits)
    if max(before - after for before, after in pairwise(levels)) <= USUAL_STEP_PCT / 100 * pace.original + SAME_DOSE:
        return None
    taken = situation.of_class(situation.now, drug_class)
    finer = [
        ways
        for ways, most in ways_of(groups_of(taken))
        if most == USUAL_STEP_PCT and any(way.change in ("same release", "beside") for way in ways)
    ]
    usual_pct = 100 * pace.usual / pace.original  # first of all without a wait
    in_order = [(ways, most) for most in (min(usual_pct, USUAL_STEP_PCT), USUAL_STEP_PCT) for ways in finer]
    planned = _planned(situation, drug_class, pace, in_order, n_days)
    if planned is None:
        return None
    changed = next(way.beside or way.drug for way in planned[0] if way.change != "same product")
    return _varied(replace(option, steps=planned[1]), f"in smaller steps with {changed.drug} {changed.formulation}")


def _pace_of(situation: Situation, drug_class: DrugClass, pct_per_28d: float, limits: Limits) -> _Pace:
    """What a plan has to keep; the target is that of the limits, or the next milestone below today's dose."""
    start = float(equivalents_of(situation.now)[DRUG_CLASSES.index(drug_class)])
    original = situation.original_equivalents(drug_class)
    below = [m for m in limits.milestones.get(drug_class, []) if m < start - SAME_DOSE * original]
    target = max([limits.target.get(drug_class, 0.0), *below])
    ceiling_pct = situation.ceilings[drug_class].pct_per_28d
    return _Pace(start, original, target, pct_per_28d, ceiling_pct, limits.step_every_d)


def _planned(
    situation: Situation,
    drug_class: DrugClass,
    pace: _Pace,
    ways_in_order: Iterable[tuple[tuple[Way, ...], float]],
    n_days: int,
) -> tuple[tuple[Way, ...], Steps] | None:
    """The first ways with a reduction within the horizon, and its steps; None if there are none."""
    k = DRUG_CLASSES.index(drug_class)
    taken = situation.of_class(situation.now, drug_class)
    others = tuple(slot for slot in situation.now if slot.drug.drug_class != drug_class)
    for ways, most_pct in ways_in_order:
        steps = planned_steps(groups_of(taken), others, ways, most_pct, pace, situation.recent[:, k], n_days)
        if any(float(equivalents_of(slots)[k]) < pace.start - SAME_DOSE * pace.original for _, slots in steps):
            return ways, steps
    return None


def _no_step(taken: DrugsTaken, pace: _Pace, n_days: int) -> str:
    """Why a class has no step, and what would be needed."""
    smallest: list[tuple[float, str]] = []
    groups = groups_of(taken)
    known: set[tuple[int, Way]] = set()
    for ways, _ in ways_of(groups):
        for k, (group, way) in enumerate(zip(groups, ways, strict=True)):
            if (k, way) in known or way.change not in ("same product", "same release"):
                continue
            known.add((k, way))
            lower = _lower(0, group, way, False)
            if len(lower.products):
                pct = 100 * (_equivalents(group) - float(lower.equivalents[-1])) / pace.original
                left = sum(part.dose for part in lower.products[-1])
                of_mg = f"{sum(part.dose for part in group) - left:g} {way.drug.unit}"
                smallest.append((pct, f"{of_mg} of {way.drug.drug} {way.drug.formulation}"))
    notes = "; ".join(dict.fromkeys(filter(None, (slot.drug.max_step_note for slot in taken))))
    if any(slot.drug.is_buprenorphine for slot in taken):
        notes = f"{notes}; a specialist's plan to stop from the smallest product, because no equivalence is offered"
    needed = f"needed: {notes or 'ask the pharmacist for a liquid'}"
    if not smallest:
        return f"no tablets make a step within the ceiling and the horizon; {needed}"
    pct, words = min(smallest)
    if pct > MOST_STEP_PCT:
        why = f"the smallest step, {words}, is {pct:.3g} % of the original dose, more than {MOST_STEP_PCT:g} %"
    else:
        days = wait_d(pct, pace.pct_per_28d)
        why = f"the smallest step, {words}, is {pct:.3g} % of the original dose and waits {days} days"
        needed = f"{needed}; or a ceiling that a named prescriber raises"
    return f"no tablets make a step within the ceiling and the horizon of {n_days} days: {why}; {needed}"
