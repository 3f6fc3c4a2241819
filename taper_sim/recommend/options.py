"""What may be offered: hold, step back, paces, rotation, adjunct … as doses that can be dispensed. Imports ``data``.

Options stand beside each other; none is the default but holding. A pace is percent of the original dose in 28 days, in
steps, from the dose now; what no tablet makes is made up with the immediate-release form of the same drug where there
is one, and a step never goes below what the ceiling leaves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from taper_sim.data import formulary
from taper_sim.data.drugs_taken import DrugsTaken, DrugTaken, equivalents_of
from taper_sim.model.pharmacology import (
    Drug,
    administrations,
    dispensable_totals,
    from_equivalents,
    round_to_dispensable,
)
from taper_sim.safety.ceilings import Ceiling
from taper_sim.safety.limits import Limits
from taper_sim.units import DRUG_CLASSES, MONTH_D, DrugClass

PACES_PCT: Final = (2.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0)
"""Paces that are tried, percent of the original dose in 28 days. A design choice: from half the slowest to the cap."""
LONG_ACTING_BENZODIAZEPINE: Final = ("diazepam", "IR")
SHORT_EFFECT_H: Final = 24.0  # a benzodiazepine of a shorter effect may be changed to a longer one
_SAME: Final = 1e-6


@dataclass(frozen=True)
class Option:
    """One thing that may be done from tomorrow on.

    Attributes
    ----------
    name : str
    kind : str
        ``hold``, ``maintain``, ``step_back``, ``reduce``, ``rotate``, ``adjunct``, ``monitor``, ``refer``.
    drug_class : drug class or None
        The class that is changed.
    pct_per_28d : float
        Pace, percent of the original dose; 0 where nothing is reduced.
    steps : tuple of (int, Slots)
        Days from today (1 = tomorrow) on which the drugs become these.
    adjunct : bool
        Whether an alpha-2 agonist is given throughout.
    blocked : str
        Why it is not offered; empty where it may be.
    rolled : bool
        Whether its course can be computed.
    """

    name: str
    kind: str
    drug_class: DrugClass | None = None
    pct_per_28d: float = 0.0
    steps: tuple[tuple[int, DrugsTaken], ...] = field(default=(), repr=False)
    adjunct: bool = False
    blocked: str = ""
    rolled: bool = True


def _bridge(drug: Drug) -> Drug | None:
    """The immediate-release form that makes up what unsplittable tablets cannot."""
    if drug.splittable or drug.is_patch or drug.is_buprenorphine:
        return None
    return next(
        (
            other
            for other in formulary.formulary().values()
            if other.drug == drug.drug and other.formulation.startswith("IR") and other.key != drug.key
        ),
        None,
    )


def dispensed(drug: Drug, times: int, ideal: float, now: float, at_least: float) -> DrugsTaken:
    """Tablets for an ideal daily dose of one drug, never below ``at_least`` and never above ``now``; own unit."""
    totals = dispensable_totals(drug, times, max(now, drug.smallest_step))
    alone = float(round_to_dispensable(ideal, now, totals, at_least))
    short = _bridge(drug)
    if short is not None and ideal > 0 and abs(alone - ideal) > _SAME:
        low = float(totals[totals <= ideal + _SAME][-1])
        rest = dispensable_totals(short, times, max(now - low, short.smallest_step))
        allowed = rest[(rest + low >= at_least - _SAME) & (rest + low <= now + _SAME)]
        if len(allowed):
            extra = float(allowed[np.argmin(np.abs(low + allowed - ideal))])
            if extra > 0 and abs(low + extra - ideal) < abs(alone - ideal) - _SAME:
                long = (DrugTaken(drug, low, times),) if low > 0 else ()
                return (*long, DrugTaken(short, extra, times))
    return (DrugTaken(drug, alone, times),)


@dataclass(frozen=True)
class Situation:
    """Where one patient stands: what options are made from.

    Attributes
    ----------
    now, original : Slots
        Drugs today, and before the first reduction of the record.
    dose_28d_ago : ndarray, (28, 3)
        Equivalents a day of the last 28 days, oldest first.
    before_cut : ndarray, (3,)
        Equivalents a day before the last reduction of each class; the dose now where there was none.
    step_back_to : mapping of class to Slots
        Drugs of the class before its last reduction.
    ceilings : mapping of class to Ceiling
    agreed : bool or None
        Whether the patient agreed to a taper; None is unknown.
    last_cut_d : mapping of class to int
        Days since the class was last reduced; missing where it never was.
    """

    now: DrugsTaken
    original: DrugsTaken
    recent: np.ndarray
    before_cut: np.ndarray
    step_back_to: Mapping[DrugClass, DrugsTaken]
    ceilings: Mapping[DrugClass, Ceiling]
    last_cut_d: Mapping[DrugClass, int]

    def of_class(self, slots: DrugsTaken, drug_class: DrugClass) -> DrugsTaken:
        """Those of one class."""
        return tuple(slot for slot in slots if slot.drug.drug_class == drug_class)

    @property
    def classes(self) -> tuple[DrugClass, ...]:
        """Classes taken today."""
        dose = equivalents_of(self.now)
        return tuple(c for k, c in enumerate(DRUG_CLASSES) if dose[k] > 0)


def _reduced(
    situation: Situation, drug_class: DrugClass, share: float, planned: DrugsTaken, floor: float
) -> DrugsTaken:
    """All drugs with one class at ``share`` of its original dose, at or above ``floor`` equivalents a day."""
    k = DRUG_CLASSES.index(drug_class)
    original = float(equivalents_of(situation.original)[k])
    others = tuple(slot for slot in planned if slot.drug.drug_class != drug_class)
    mine = situation.of_class(planned, drug_class)
    names = list(dict.fromkeys(slot.drug.drug for slot in mine))
    now = float(equivalents_of(mine)[k])
    parts: list[DrugTaken] = []
    for name in names:
        group = [slot for slot in mine if slot.drug.drug == name]
        main = max(group, key=lambda slot: slot.equivalents)
        total = sum(slot.dose for slot in group)
        aim = min(share * original / now, 1.0) * sum(slot.equivalents for slot in group)
        least = min(floor / now, 1.0) * sum(slot.equivalents for slot in group)
        ideal = float(from_equivalents(main.drug, aim, formulary.absorption(), main.times))
        at_least = float(from_equivalents(main.drug, least, formulary.absorption(), main.times))
        if abs(ideal - total) < _SAME * max(1.0, total):
            parts += group
        else:
            parts += [slot for slot in dispensed(main.drug, main.times, ideal, total, at_least) if slot.dose > 0]
    return (*others, *parts)


def paced(situation: Situation, drug_class: DrugClass, pct_per_28d: float, limits: Limits, n_days: int) -> Option:
    """A pace of one class as steps that can be dispensed; blocked where the ceiling or the tablets do not allow it."""
    k = DRUG_CLASSES.index(drug_class)
    ceiling = situation.ceilings[drug_class]
    name = f"reduce {drug_class} by {pct_per_28d:g} % of original every {MONTH_D} days"
    option = Option(name, "reduce", drug_class, pct_per_28d)
    if pct_per_28d > ceiling.pct_per_28d + _SAME:
        why = f"above the ceiling of {ceiling.pct_per_28d:g} % in {MONTH_D} days ({ceiling.basis})"
        return replace(option, blocked=why, rolled=False)
    original = float(equivalents_of(situation.original)[k])
    start = float(equivalents_of(situation.now)[k])
    below = [m for m in limits.milestones.get(drug_class, []) if m < start - _SAME * original]
    aim = limits.target.get(drug_class, 0.0)
    if start and aim >= start - _SAME * original:
        why = f"the target of {aim:g} equivalents a day is reached: the dose of today is {start:g}"
        return replace(option, blocked=why, rolled=False)
    target = max([aim, *below])
    course = [*situation.recent[:, k]]  # the dose of each of the last 28 days, then of each day ahead
    planned, steps = situation.now, []
    for day in range(1, n_days + 1):
        course.append(course[-1])
        if (day - 1) % limits.step_every_d:
            continue
        done = (day - 1) // limits.step_every_d + 1
        ideal = max(start - pct_per_28d / 100 * original * limits.step_every_d / MONTH_D * done, target)
        floor = course[-1 - MONTH_D] - ceiling.pct_per_28d / 100 * original
        new = _reduced(situation, drug_class, ideal / original, planned, max(floor, target, 0.0))
        dose = float(equivalents_of(new)[k])
        if dose < course[-1] - _SAME * original:
            planned = new
            steps.append((day, new))
            course[-1] = dose
    if not steps:
        return replace(
            option,
            blocked="no tablets make a step within the ceiling and the horizon: " + _step_note(situation, drug_class),
            rolled=False,
        )
    return replace(option, steps=tuple(steps))


def _step_note(situation: Situation, drug_class: DrugClass) -> str:
    notes = [slot.drug.max_step_note for slot in situation.of_class(situation.now, drug_class)]
    return "; ".join(dict.fromkeys(filter(None, notes))) or "ask the pharmacist for a liquid"


def options_of(situation: Situation, limits: Limits, n_days: int) -> list[Option]:
    """Every option for this patient, offered or blocked, in a fixed order."""
    found = [Option("hold", "hold"), Option("maintain long term at this dose", "maintain")]
    for drug_class in situation.classes:
        back = situation.step_back_to.get(drug_class)
        if back is not None:
            why = "" if limits.allow_step_back else "the limits file does not allow it"
            slots = (*(s for s in situation.now if s.drug.drug_class != drug_class), *back)
            found.append(
                Option(
                    f"step back to the {drug_class} dose before the last reduction",
                    "step_back",
                    drug_class,
                    steps=((1, slots),),
                    blocked=why,
                )
            )
    for drug_class in situation.classes:
        for pct in PACES_PCT:
            option = paced(situation, drug_class, pct, limits, n_days)
            found.append(_one_at_a_time(option, situation, limits))
    found += _rotations(situation)
    if "opioid" in situation.classes:
        found.append(
            Option(
                "hold, with an alpha-2 agonist for withdrawal (clonidine or lofexidine)",
                "adjunct",
                "opioid",
                adjunct=True,
            )
        )
    found.append(Option("hold, with closer monitoring (daily check-ins, weekly contact)", "monitor"))
    if "opioid" in situation.classes and not any(slot.drug.is_buprenorphine for slot in situation.now):
        found.append(Option("rotate to another opioid, with a pharmacist", "rotate", "opioid", rolled=False))
        found.append(Option("refer for buprenorphine", "refer", "opioid", rolled=False))
    return found


def _one_at_a_time(option: Option, situation: Situation, limits: Limits) -> Option:
    """With a benzodiazepine, one class at a time: another that was reduced in the last 28 days is finished first."""
    if option.blocked or "benzodiazepine" not in situation.classes or len(situation.classes) < 2:
        return option
    busy = [c for c, d in situation.last_cut_d.items() if c != option.drug_class and d < MONTH_D]
    if busy and "benzodiazepine" in (*busy, option.drug_class):
        return replace(
            option,
            rolled=False,
            blocked=f"one class at a time with a benzodiazepine: the {busy[0]} was "
            f"reduced {situation.last_cut_d[busy[0]]} days ago",
        )
    if limits.first is not None and option.drug_class != limits.first and limits.first in situation.classes:
        return replace(option, rolled=False, blocked=f"one class at a time: the limits file puts {limits.first} first")
    return option


def _rotations(situation: Situation) -> list[Option]:
    """Changes to a longer-acting form at the same dose."""
    found = []
    for slot in situation.now:
        drug = slot.drug
        others = tuple(s for s in situation.now if s is not slot)
        if drug.drug_class == "opioid" and drug.formulation.startswith("IR"):
            longer = [d for d in formulary.formulary().values() if d.drug == drug.drug and d.formulation[:2] == "ER"]
            for form in longer:
                times = administrations(form)
                totals = dispensable_totals(form, times, slot.dose)
                dose = float(totals[totals <= slot.dose + _SAME][-1])
                rest = (DrugTaken(drug, slot.dose - dose, slot.times),) if slot.dose - dose > _SAME else ()
                if dose > 0:
                    found.append(
                        Option(
                            f"rotate {drug.drug} to {form.formulation} at the same dose",
                            "rotate",
                            "opioid",
                            steps=((1, (*others, DrugTaken(form, dose, times), *rest)),),
                        )
                    )
        if drug.drug_class == "benzodiazepine" and drug.effect_half_life_h < SHORT_EFFECT_H:
            form = formulary.find_drug(*LONG_ACTING_BENZODIAZEPINE)
            times = administrations(form)
            totals = dispensable_totals(form, times, slot.equivalents * 1.5 + form.smallest_step)
            dose = float(totals[np.argmin(np.abs(totals - slot.equivalents))])
            name = f"change {drug.drug} to {form.drug} at equal equivalents, over one to two weeks"
            found.append(
                Option(name, "rotate", "benzodiazepine", steps=((1, (*others, DrugTaken(form, dose, times))),))
            )
    return found


def schedule_of(option: Option, now: DrugsTaken, dates: Sequence[str]) -> list[dict[str, object]]:
    """The option's doses as rows, from tomorrow: date, drug, dose, tablets; ``dates[d]`` is d days from today."""
    rows: list[dict[str, object]] = []
    steps = option.steps or ((1, now),)
    if steps[0][0] != 1:
        steps = ((1, now), *steps)
    before: dict[tuple[str, str], float] = {}
    for day, slots in steps:
        after = {slot.drug.key: slot for slot in slots}
        for key, slot in after.items():
            if before.get(key) != slot.dose:
                rows.append(_row(dates[day], slot.drug, slot.dose, slot.words))
        for key in before:
            if key not in after and before[key] > 0:
                rows.append(_row(dates[day], formulary.find_drug(*key), 0.0, "stop"))
        before = {key: slot.dose for key, slot in after.items()} | {key: 0.0 for key in before if key not in after}
    return rows


def _row(date: str, drug: Drug, dose: float, words: str) -> dict[str, object]:
    own = {"dose_mg_per_day": None, "dose_mcg_per_h": dose} if drug.is_patch else {"dose_mg_per_day": dose}
    return {"date": date, "drug": drug.drug, "formulation": drug.formulation, **own, "tablets": words}
