"""A step back, or a way back up in steps, to doses that were taken before. Imports ``data``, ``safety``, ``situation``.

The dose before the last reduction may be given again for 28 days (assumption A76). If the person is worse than before
the taper by their own limits, or would be better off at the earlier dose by their own values, the way continues towards
the dose before the taper (assumptions A98, A122):

1. A step is to the next dose of the record above the last, and at most to the original dose.
2. A step comes 28 days or more after the one before it.
3. Unless A76 allows the dose before the last reduction, a step is at most 1.25 times the dose before it, and at most 25
   % of the original dose. A dose of the record beyond that is reached by a dose in between, of the same product.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from taper_sim.data import formulary
from taper_sim.data.drugs_taken import DrugsTaken, equivalents_of
from taper_sim.inference.record import PatientRecord
from taper_sim.model.pharmacology import dispensable_totals, to_equivalents
from taper_sim.recommend.situation import Option, Situation
from taper_sim.safety.felt_cuts import PAUSE_D, FeltCut
from taper_sim.safety.limits import Limits
from taper_sim.units import DRUG_CLASSES, MONTH_D, TOLERANCE, DrugClass

STEP_BACK_WITHIN_D: Final = 28
"""Days after a reduction within which the dose before it may be given again. Source: A76."""
TOLERANCE_LOST_D: Final = 14.0
"""Time constant of the loss of respiratory tolerance, days: ``tau_R`` of docs/model.md. Source: A76."""
STEP_BACK_MARGIN: Final = 1.25
"""Largest dose of a step back, as a share of the opioid dose that is still tolerated. Source: A76."""
MOST_RISE_PCT: Final = 25.0
"""Largest step of a way back, percent of the original dose. Source: A98."""
IN_STEPS: Final = "in steps"
"""Variant of a step back that continues towards the dose before the taper."""
WITH_EACH_RISE: Final = "a visit before each step up (sleepiness, breathing, did the last step help), naloxone"

WaySteps = tuple[tuple[int, DrugsTaken], ...]


def former_doses(record: PatientRecord, drug_class: DrugClass) -> tuple[DrugsTaken, ...]:
    """Doses of the class that were taken before and are above today's, rising, at most the original dose.

    Doses of another drug than today's are left out: tolerance to one is not tolerance to the other.
    """
    if drug_class not in record.original:
        return ()
    k = DRUG_CLASSES.index(drug_class)
    now, original = float(equivalents_of(record.now)[k]), record.original[drug_class]
    drugs = {(s.drug.drug, s.drug.is_patch) for s in record.now if s.drug.drug_class == drug_class}
    by_dose: dict[float, DrugsTaken] = {}
    for slots in (original.drugs, *(slots for _, slots in record.segments)):  # of equal doses the last is given
        of_class = tuple(s for s in slots if s.drug.drug_class == drug_class)
        dose = float(equivalents_of(of_class)[k])
        if not {(s.drug.drug, s.drug.is_patch) for s in of_class} <= drugs:
            continue
        if now + TOLERANCE < dose <= original.equivalents + TOLERANCE:
            by_dose[round(dose, 6)] = of_class
    return tuple(by_dose[dose] for dose in sorted(by_dose))


def lost_tolerance_to(situation: Situation, drug_class: DrugClass) -> str:
    """Reason why the dose before the last reduction is not given again at once; empty if it may be."""
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


def way_back_steps(situation: Situation, drug_class: DrugClass, n_days: int) -> WaySteps:
    """Steps of a way back up within the horizon, by the rule of this module; empty without a former dose."""
    k = DRUG_CLASSES.index(drug_class)
    others = tuple(s for s in situation.now if s.drug.drug_class != drug_class)
    original = situation.original_equivalents(drug_class)
    taken = situation.of_class(situation.now, drug_class)
    steps: list[tuple[int, DrugsTaken]] = []
    for day in range(1, n_days + 1, MONTH_D):
        dose = float(equivalents_of(taken)[k])
        above = [slots for slots in situation.former.get(drug_class, ()) if equivalents_of(slots)[k] > dose + TOLERANCE]
        if not above:
            break
        most = min(STEP_BACK_MARGIN * dose, dose + MOST_RISE_PCT / 100.0 * original)
        if not steps and drug_class in situation.step_back_to and not lost_tolerance_to(situation, drug_class):
            most = max(most, float(situation.before_cut[k]))
        if equivalents_of(above[0])[k] > most * (1 + TOLERANCE):
            taken = _in_between(taken, most)
        else:
            taken = above[0]
        if not taken:
            break
        steps.append((day, (*others, *taken)))
    return tuple(steps)


def _in_between(taken: DrugsTaken, most: float) -> DrugsTaken:
    """The largest higher dose of the one product taken, at most so many equivalents a day; empty if there is none."""
    if len(taken) != 1:
        return ()
    (slot,) = taken
    totals = dispensable_totals(slot.drug, slot.times, slot.dose * STEP_BACK_MARGIN)
    each = to_equivalents(slot.drug, totals, formulary.absorption(), slot.times)
    ok = totals[(each <= most * (1 + TOLERANCE)) & (totals > slot.dose * (1 + TOLERANCE))]
    return (replace(slot, dose=float(ok[-1])),) if len(ok) else ()


def worse_since_taper(cuts: Sequence[FeltCut], situation: Situation, drug_class: DrugClass) -> str:
    """Why the person is worse than before the taper of a class, by their own limits; empty if they are not.

    The last 7 days are over a limit against the days before a cut that has not been given back. In the first 14 days
    after a cut this is the reaction to it, which may pass: the dose before that cut is then the step back.
    """
    if situation.last_cut_d.get(drug_class, PAUSE_D) < PAUSE_D:
        return ""
    k = DRUG_CLASSES.index(drug_class)
    now, original = float(equivalents_of(situation.now)[k]), situation.original_equivalents(drug_class)
    standing = [c for c in cuts if c.drug_class == drug_class and now < c.before - TOLERANCE <= original]
    names = dict.fromkeys(felt.name for cut in standing for felt in cut.felt if felt.still)
    if not names:
        return ""
    return f"the last 7 days are worse than before the taper, over the limit: {', '.join(names)}"


def step_back_of(
    situation: Situation, drug_class: DrugClass, limits: Limits, n_days: int, reason: str = ""
) -> Option | None:
    """The step back of a class, offered or blocked; None if the class was not reduced, or its dose was given back.

    Parameters
    ----------
    situation : Situation
    drug_class : drug class
    limits : Limits
    n_days : int
        Horizon, days from tomorrow on.
    reason : str
        Why a way back towards the dose before the taper is considered; empty if it is not.
    """
    k = DRUG_CLASSES.index(drug_class)
    back = situation.step_back_to.get(drug_class)
    steps = way_back_steps(situation, drug_class, n_days) if reason and limits.allow_step_back else ()
    if steps:
        end = float(equivalents_of(steps[-1][1])[k])
        whole = end >= situation.original_equivalents(drug_class) * (1 - TOLERANCE)
        name = f"step back {'to' if whole else 'towards'} the {drug_class} dose before the taper, {IN_STEPS}"
        return Option(name, "step_back", drug_class, steps=steps, variant=IN_STEPS, needs=WITH_EACH_RISE)
    if back is None or situation.before_cut[k] <= equivalents_of(situation.now)[k] + TOLERANCE:
        return None  # nothing was reduced, or it was given back
    blocked = "the limits file does not allow a step back"
    if limits.allow_step_back:
        blocked = lost_tolerance_to(situation, drug_class) or _above_original(situation, drug_class)
    others = tuple(s for s in situation.now if s.drug.drug_class != drug_class)
    name = f"step back to the {drug_class} dose before the last reduction"
    return Option(name, "step_back", drug_class, steps=((1, (*others, *back)),), blocked=blocked)


def _above_original(situation: Situation, drug_class: DrugClass) -> str:
    """Reason against a dose above the original one; empty if it is not."""
    before = float(situation.before_cut[DRUG_CLASSES.index(drug_class)])
    if before <= situation.original_equivalents(drug_class) + TOLERANCE:
        return ""
    return "the dose before the last reduction is above the dose before the taper"


def steps_back(situation: Situation, limits: Limits, n_days: int, reasons: Mapping[DrugClass, str]) -> list[Option]:
    """The step back of each class, offered or blocked; ``reasons`` has why a way back is considered, by class."""
    options = (step_back_of(situation, c, limits, n_days, reasons.get(c, "")) for c in situation.classes)
    return [option for option in options if option is not None]


def ways_back(situation: Situation, limits: Limits) -> dict[DrugClass, WaySteps]:
    """Way back up of each class that has one within the horizon; none if the limits file forbids a step back."""
    if not limits.allow_step_back:
        return {}
    ways = {c: way_back_steps(situation, c, limits.horizon_days) for c in situation.classes}
    return {c: steps for c, steps in ways.items() if steps}
