"""Options for one patient: hold, step back, paces, rotation, adjunct … as doses that can be dispensed.

Imports ``data``, ``model``, ``safety`` and the modules of ``recommend`` that plan steps and write them. The options are
listed in a fixed order; holding is the default.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from taper_sim.data import formulary
from taper_sim.data.drugs_taken import DrugTaken, equivalents_of
from taper_sim.model.pharmacology import administrations, dispensable_totals
from taper_sim.recommend.dispensed_forms import LONG_ACTING_BENZODIAZEPINE
from taper_sim.recommend.reduction_steps import SAME_DOSE, in_smaller_steps, taper_at_pace
from taper_sim.recommend.situation import Option, Situation
from taper_sim.recommend.written_schedule import schedule_of
from taper_sim.safety.limits import Limits
from taper_sim.units import DRUG_CLASSES, MONTH_D, DrugClass

__all__ = [
    "LONG_ACTING_BENZODIAZEPINE",
    "MAINTENANCE",
    "PACES_PCT",
    "STEP_BACK_MARGIN",
    "STEP_BACK_WITHIN_D",
    "TOLERANCE_LOST_D",
    "Option",
    "Situation",
    "one_class_at_a_time",
    "options_of",
    "schedule_of",
    "taper_at_pace",
]

PACES_PCT: Final = (2.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0)
"""Candidate paces, percent of the original dose per 28 days. A design choice: from half the slowest published pace to
the cap."""
STEP_BACK_WITHIN_D: Final = 28
"""Days after a reduction within which the dose before it may be given again. Source: A76."""
TOLERANCE_LOST_D: Final = 14.0
"""Time constant of the loss of respiratory tolerance, days: ``tau_R`` of docs/model.md. Source: A76."""
STEP_BACK_MARGIN: Final = 1.25
"""Largest dose of a step back, as a share of the opioid dose that is still tolerated. Source: A76."""
_SHORT_EFFECT_H: Final = 24.0  # effect half-life, h, below which a change to a long-acting benzodiazepine is an option
MAINTENANCE: Final = "maintain long term at this dose"


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
        tapers = [taper_at_pace(situation, drug_class, pct, limits, n_days) for pct in PACES_PCT]
        fastest = max(tapers, key=lambda o: (not o.blocked, o.pct_per_28d))
        finer = in_smaller_steps(fastest, situation, limits, n_days)
        tapers += [] if finer is None else [finer]
        options += [one_class_at_a_time(option, situation, limits) for option in tapers]
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


def one_class_at_a_time(option: Option, situation: Situation, limits: Limits) -> Option:
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
                dose = float(totals[totals <= slot.dose + SAME_DOSE][-1])
                rest = (DrugTaken(drug, slot.dose - dose, slot.times),) if slot.dose - dose > SAME_DOSE else ()
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
