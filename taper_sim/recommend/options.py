"""Options for one patient: hold, step back, paces, rotation, adjunct … as doses that can be dispensed.

Imports ``data``, ``model``, ``safety`` and the modules of ``recommend`` that plan steps and write them. The options are
listed in a fixed order; holding is the default.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from taper_sim.data import formulary
from taper_sim.data.drugs_taken import DrugTaken
from taper_sim.model.pharmacology import administrations, dispensable_totals
from taper_sim.recommend.dispensed_forms import LONG_ACTING_BENZODIAZEPINE
from taper_sim.recommend.gradual_switch import in_words, switched
from taper_sim.recommend.reduction_steps import SAME_DOSE, in_smaller_steps, taper_at_pace
from taper_sim.recommend.situation import Option, Situation
from taper_sim.recommend.way_back import steps_back
from taper_sim.recommend.written_schedule import schedule_of
from taper_sim.safety.limits import Limits
from taper_sim.units import MONTH_D, DrugClass

__all__ = [
    "LONG_ACTING_BENZODIAZEPINE",
    "MAINTENANCE",
    "PACES_PCT",
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
_SHORT_EFFECT_H: Final = 24.0  # effect half-life, h, below which a change to a long-acting benzodiazepine is an option
MAINTENANCE: Final = "maintain long term at this dose"


def options_of(
    situation: Situation, limits: Limits, n_days: int, worse: Mapping[DrugClass, str] | None = None
) -> list[Option]:
    """Every option for this patient, offered or blocked, in a fixed order.

    ``worse`` has, for the classes whose way back towards the dose before the taper is considered, why.
    """
    options = [Option("hold", "hold"), Option(MAINTENANCE, "maintain")]
    options += steps_back(situation, limits, n_days, worse or {})
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
    """Options that change a drug to a longer-acting form or drug at the same equivalents.

    An opioid taken as needed has none: its dose is the most that may be taken, and ER would give it every day.
    """
    options = []
    for slot in situation.now:
        drug = slot.drug
        others = tuple(s for s in situation.now if s is not slot)
        if drug.drug_class == "opioid" and drug.formulation.startswith("IR") and not slot.as_needed:
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
            times = times if drug.formulation.startswith("ER") else min(slot.times, times)
            totals = dispensable_totals(form, times, slot.equivalents * 1.5 + form.smallest_step)
            dose = float(totals[np.argmin(np.abs(totals - slot.equivalents))])
            steps = switched(slot, DrugTaken(form, dose, times), others, 1)
            name = f"change {drug.drug} to {form.drug} at equal equivalents, {in_words(steps)}"
            options.append(Option(name, "rotate", "benzodiazepine", steps=steps))
    return options
