"""Options for one patient: hold, step back, paces, rotation, adjunct … as doses that can be dispensed.

Imports ``data``, ``model``, ``safety``. The options are listed in a fixed order; holding is the default. A pace is in
percent of the original dose per 28 days; the taper starts from today's dose and goes down in steps. Tablets that cannot
be split are combined with the immediate-release form of the same drug, if there is one. No step reduces the dose by
more than the ceiling.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from taper_sim.data import formulary
from taper_sim.data.drugs_taken import DrugsTaken, DrugTaken, equivalents_of
from taper_sim.data.original_dose import OriginalDose
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
"""Candidate paces, percent of the original dose per 28 days. A design choice: from half the slowest published pace to
the cap."""
STEP_BACK_WITHIN_D: Final = 28
"""Days after a reduction within which the dose before it may be given again. Source: A76."""
TOLERANCE_LOST_D: Final = 14.0
"""Time constant of the loss of respiratory tolerance, days: ``tau_R`` of docs/model.md. Source: A76."""
STEP_BACK_MARGIN: Final = 1.25
"""Largest dose of a step back, as a share of the opioid dose that is still tolerated. Source: A76."""
LONG_ACTING_BENZODIAZEPINE: Final = ("diazepam", "IR")
_SHORT_EFFECT_H: Final = 24.0  # effect half-life, h, below which a change to a long-acting benzodiazepine is an option
MAINTENANCE: Final = "maintain long term at this dose"
_SAME_DOSE: Final = 1e-6  # mg, equivalents or shares within which two doses are equal


@dataclass(frozen=True)
class Option:
    """One course of action from tomorrow on.

    Attributes
    ----------
    name : str
    kind : str
        ``hold``, ``maintain``, ``step_back``, ``reduce``, ``rotate``, ``adjunct``, ``monitor``, ``refer``.
    drug_class : drug class or None
        Class whose dose changes.
    pct_per_28d : float
        Pace, percent of the original dose per 28 days; 0 for an option that reduces nothing.
    steps : tuple of (int, DrugsTaken)
        Days from today (1 = tomorrow) on which the prescription changes, and the drugs from that day on.
    adjunct : bool
        Whether an alpha-2 agonist is given throughout.
    blocked : str
        Reason why the option is not offered; empty if it is offered.
    rolled : bool
        Whether the option's course can be simulated.
    """

    name: str
    kind: str
    drug_class: DrugClass | None = None
    pct_per_28d: float = 0.0
    steps: tuple[tuple[int, DrugsTaken], ...] = field(default=(), repr=False)
    adjunct: bool = False
    blocked: str = ""
    rolled: bool = True


def _immediate_release_of(drug: Drug) -> Drug | None:
    """Immediate-release form of a drug whose tablets cannot be split; None for other drugs."""
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
    """Dispensable daily dose nearest to the ideal one, at least ``at_least`` and at most ``now``.

    Parameters
    ----------
    drug : Drug
    times : int
        Administrations a day.
    ideal, now, at_least : float
        Doses in the drug's own unit: mg a day, or mcg/h of a patch.

    Returns
    -------
    DrugsTaken
        The drug, with its immediate-release form beside it if that brings the total nearer to the ideal dose.
    """
    totals = dispensable_totals(drug, times, max(now, drug.smallest_step))
    alone = float(round_to_dispensable(ideal, now, totals, at_least))
    short = _immediate_release_of(drug)
    if short is not None and ideal > 0 and abs(alone - ideal) > _SAME_DOSE:
        low = float(totals[totals <= ideal + _SAME_DOSE][-1])
        rest = dispensable_totals(short, times, max(now - low, short.smallest_step))
        allowed = rest[(rest + low >= at_least - _SAME_DOSE) & (rest + low <= now + _SAME_DOSE)]
        if len(allowed):
            extra = float(allowed[np.argmin(np.abs(low + allowed - ideal))])
            if extra > 0 and abs(low + extra - ideal) < abs(alone - ideal) - _SAME_DOSE:
                long = (DrugTaken(drug, low, times),) if low > 0 else ()
                return (*long, DrugTaken(short, extra, times))
    return (DrugTaken(drug, alone, times),)


@dataclass(frozen=True)
class Situation:
    """One patient's current and earlier doses and ceilings, from which options are made.

    Attributes
    ----------
    now : DrugsTaken
        Drugs today.
    original : mapping of drug class to OriginalDose
        Dose in force when this taper began (``data.original_dose``).
    recent : ndarray, (28, 3)
        Equivalents a day on each of the last 28 days, oldest first.
    before_cut : ndarray, (3,)
        Equivalents a day before the last reduction of each class; today's dose for a class that was never reduced.
    step_back_to : mapping of class to DrugsTaken
        Drugs of the class before its last reduction.
    ceilings : mapping of class to Ceiling
    last_cut_d : mapping of class to int
        Days since the last reduction of the class; a class that was never reduced is absent.
    """

    now: DrugsTaken
    original: Mapping[DrugClass, OriginalDose]
    recent: np.ndarray
    before_cut: np.ndarray
    step_back_to: Mapping[DrugClass, DrugsTaken]
    ceilings: Mapping[DrugClass, Ceiling]
    last_cut_d: Mapping[DrugClass, int]

    def of_class(self, slots: DrugsTaken, drug_class: DrugClass) -> DrugsTaken:
        """Drugs of one class."""
        return tuple(slot for slot in slots if slot.drug.drug_class == drug_class)

    @property
    def classes(self) -> tuple[DrugClass, ...]:
        """Classes taken today."""
        dose = equivalents_of(self.now)
        return tuple(c for k, c in enumerate(DRUG_CLASSES) if dose[k] > 0)

    def original_equivalents(self, drug_class: DrugClass) -> float:
        """Original dose of a class, equivalents a day; 0 for a class that was never taken."""
        return self.original[drug_class].equivalents if drug_class in self.original else 0.0


def _reduced(
    situation: Situation, drug_class: DrugClass, share: float, planned: DrugsTaken, floor: float
) -> DrugsTaken:
    """All drugs, with one class reduced to ``share`` of its original dose but at least ``floor`` equivalents a day."""
    k = DRUG_CLASSES.index(drug_class)
    original = situation.original_equivalents(drug_class)
    others = tuple(slot for slot in planned if slot.drug.drug_class != drug_class)
    reduced = situation.of_class(planned, drug_class)
    names = list(dict.fromkeys(slot.drug.drug for slot in reduced))
    now = float(equivalents_of(reduced)[k])
    parts: list[DrugTaken] = []
    for name in names:
        group = [slot for slot in reduced if slot.drug.drug == name]
        main = max(group, key=lambda slot: slot.equivalents)
        total = sum(slot.dose for slot in group)
        aim = min(share * original / now, 1.0) * sum(slot.equivalents for slot in group)
        least = min(floor / now, 1.0) * sum(slot.equivalents for slot in group)
        ideal = float(from_equivalents(main.drug, aim, formulary.absorption(), main.times))
        at_least = float(from_equivalents(main.drug, least, formulary.absorption(), main.times))
        if abs(ideal - total) < _SAME_DOSE * max(1.0, total):
            parts += group
        else:
            new = [slot for slot in dispensed(main.drug, main.times, ideal, total, at_least) if slot.dose > 0]
            parts += [replace(main, dose=slot.dose) if slot.drug == main.drug else slot for slot in new]
    return (*others, *parts)


def taper_at_pace(
    situation: Situation, drug_class: DrugClass, pct_per_28d: float, limits: Limits, n_days: int
) -> Option:
    """Taper of one class at a pace, in dispensable steps; blocked if the ceiling, target or tablets do not allow it.

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
    if pct_per_28d > ceiling.pct_per_28d + _SAME_DOSE:
        reason = f"above the ceiling of {ceiling.pct_per_28d:g} % of {in_mg} in {MONTH_D} days ({ceiling.basis})"
        return replace(option, blocked=reason, rolled=False)
    original = situation.original_equivalents(drug_class)
    start = float(equivalents_of(situation.now)[k])
    below = [m for m in limits.milestones.get(drug_class, []) if m < start - _SAME_DOSE * original]
    aim = limits.target.get(drug_class, 0.0)
    if start and aim >= start - _SAME_DOSE * original:
        reason = f"the target of {aim:g} equivalents a day is reached: today's dose is {start:g}"
        return replace(option, blocked=reason, rolled=False)
    target = max([aim, *below])
    course = [*situation.recent[:, k]]  # dose on each of the last 28 days, then on each day ahead
    planned, steps = situation.now, []
    for day in range(1, n_days + 1):
        course.append(course[-1])
        if (day - 1) % limits.step_every_d:
            continue
        n_steps = (day - 1) // limits.step_every_d + 1
        ideal = max(start - pct_per_28d / 100 * original * limits.step_every_d / MONTH_D * n_steps, target)
        floor = course[-1 - MONTH_D] - ceiling.pct_per_28d / 100 * original
        new = _reduced(situation, drug_class, ideal / original, planned, max(floor, target, 0.0))
        dose = float(equivalents_of(new)[k])
        if dose < course[-1] - _SAME_DOSE * original:
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
    """The formulary's advice on smaller steps for the drugs of a class."""
    notes = [slot.drug.max_step_note for slot in situation.of_class(situation.now, drug_class)]
    return "; ".join(dict.fromkeys(filter(None, notes))) or "ask the pharmacist for a liquid"


def options_of(situation: Situation, limits: Limits, n_days: int) -> list[Option]:
    """Every option for this patient, offered or blocked, in a fixed order."""
    options = [Option("hold", "hold"), Option(MAINTENANCE, "maintain")]
    for drug_class in situation.classes:
        back = situation.step_back_to.get(drug_class)
        if back is not None:
            reason = "the limits file does not allow a step back"
            if limits.allow_step_back:
                reason = _lost_tolerance_to(situation, drug_class)
            slots = (*(s for s in situation.now if s.drug.drug_class != drug_class), *back)
            options.append(
                Option(
                    f"step back to the {drug_class} dose before the last reduction",
                    "step_back",
                    drug_class,
                    steps=((1, slots),),
                    blocked=reason,
                )
            )
    for drug_class in situation.classes:
        for pct in PACES_PCT:
            option = taper_at_pace(situation, drug_class, pct, limits, n_days)
            options.append(_one_class_at_a_time(option, situation, limits))
    options += _rotations(situation)
    if "opioid" in situation.classes:
        options.append(
            Option(
                "hold, with an alpha-2 agonist for withdrawal (clonidine or lofexidine)",
                "adjunct",
                "opioid",
                adjunct=True,
            )
        )
    options.append(Option("hold, with closer monitoring (daily check-ins, weekly contact)", "monitor"))
    if "opioid" in situation.classes and not any(slot.drug.is_buprenorphine for slot in situation.now):
        options.append(Option("rotate to another opioid, with a pharmacist", "rotate", "opioid", rolled=False))
        options.append(Option("refer for buprenorphine", "refer", "opioid", rolled=False))
    return options


def _lost_tolerance_to(situation: Situation, drug_class: DrugClass) -> str:
    """Reason why the dose before the last reduction is not given again; empty if it may be."""
    k = DRUG_CLASSES.index(drug_class)
    days, before = situation.last_cut_d[drug_class], float(situation.before_cut[k])
    if days > STEP_BACK_WITHIN_D:
        return f"the dose before the last reduction was last taken {days} days ago: a former dose is not given again"
    now = float(equivalents_of(situation.now)[k])
    tolerated = now + (before - now) * float(np.exp(-days / TOLERANCE_LOST_D))
    if drug_class == "opioid" and before > STEP_BACK_MARGIN * tolerated:
        return (
            f"the last reduction was large and {days} days ago: tolerance to the dose before it may be lost, and that "
            "dose can kill"
        )
    return ""


def _one_class_at_a_time(option: Option, situation: Situation, limits: Limits) -> Option:
    """The option; with a benzodiazepine it is blocked if another class was reduced in the last 28 days."""
    if option.blocked or "benzodiazepine" not in situation.classes or len(situation.classes) < 2:
        return option
    others_reduced = [c for c, d in situation.last_cut_d.items() if c != option.drug_class and d < MONTH_D]
    if others_reduced and "benzodiazepine" in (*others_reduced, option.drug_class):
        return replace(
            option,
            rolled=False,
            blocked=f"one class at a time with a benzodiazepine: the {others_reduced[0]} was "
            f"reduced {situation.last_cut_d[others_reduced[0]]} days ago",
        )
    if limits.first is not None and option.drug_class != limits.first and limits.first in situation.classes:
        return replace(option, rolled=False, blocked=f"one class at a time: the limits file puts {limits.first} first")
    return option


def _rotations(situation: Situation) -> list[Option]:
    """Options that change a drug to a longer-acting form or drug at the same equivalents."""
    options = []
    for slot in situation.now:
        drug = slot.drug
        others = tuple(s for s in situation.now if s is not slot)
        if drug.drug_class == "opioid" and drug.formulation.startswith("IR"):
            longer = [d for d in formulary.formulary().values() if d.drug == drug.drug and d.formulation[:2] == "ER"]
            for form in longer:
                times = administrations(form)
                totals = dispensable_totals(form, times, slot.dose)
                dose = float(totals[totals <= slot.dose + _SAME_DOSE][-1])
                rest = (DrugTaken(drug, slot.dose - dose, slot.times),) if slot.dose - dose > _SAME_DOSE else ()
                if dose > 0:
                    options.append(
                        Option(
                            f"rotate {drug.drug} to {form.formulation} at the same dose",
                            "rotate",
                            "opioid",
                            steps=((1, (*others, DrugTaken(form, dose, times), *rest)),),
                        )
                    )
        if drug.drug_class == "benzodiazepine" and drug.effect_half_life_h < _SHORT_EFFECT_H:
            form = formulary.find_drug(*LONG_ACTING_BENZODIAZEPINE)
            times = administrations(form)
            totals = dispensable_totals(form, times, slot.equivalents * 1.5 + form.smallest_step)
            dose = float(totals[np.argmin(np.abs(totals - slot.equivalents))])
            name = f"change {drug.drug} to {form.drug} at equal equivalents, over one to two weeks"
            options.append(
                Option(name, "rotate", "benzodiazepine", steps=((1, (*others, DrugTaken(form, dose, times))),))
            )
    return options


def schedule_of(option: Option, now: DrugsTaken, dates: Sequence[str]) -> list[dict[str, object]]:
    """Schedule of an option from tomorrow on, a row for each change: date, drug, formulation, dose, tablets.

    What does not change goes on exactly as it is taken now: only a change has tablets of its own. ``dates[d]`` is the
    date d days from today.
    """
    rows: list[dict[str, object]] = []
    steps = option.steps or ((1, now),)
    if steps[0][0] != 1:
        steps = ((1, now), *steps)
    before: dict[tuple[str, str], float] = {}
    for day, slots in steps:
        after = {slot.drug.key: slot for slot in slots}
        for key, slot in after.items():
            if before.get(key) != slot.dose:
                rows.append(_row(dates[day], slot, slot.unchanged_words if slot in now else slot.words))
        for key in before:
            if key not in after and before[key] > 0:
                rows.append(_row(dates[day], DrugTaken(formulary.find_drug(*key), 0.0, 1), "stop"))
        before = {key: slot.dose for key, slot in after.items()} | {key: 0.0 for key in before if key not in after}
    return rows


def _row(date: str, slot: DrugTaken, tablets: str) -> dict[str, object]:
    doses: dict[str, object] = (
        {"dose_mg_per_day": None, "dose_mcg_per_h": slot.dose} if slot.drug.is_patch else {"dose_mg_per_day": slot.dose}
    )
    drug: dict[str, object] = {"drug": slot.drug.drug, "formulation": slot.drug.formulation}
    own: dict[str, object] = {"interval_h": slot.interval_h, "as_needed": slot.as_needed}
    return {"date": date, **drug, **doses, "tablets": tablets, **own, "product": slot.product or None}
