"""Which options consent, red flags and missing answers bar today. Imports ``data``, ``safety``, ``options``.

A bar looks at what an option does to the doses, not at its name or at the pace of the taper under way: a reduction is
any lower dose of any class on any day of its schedule, and a rise is any higher one.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Final

from taper_sim.data.drugs_taken import equivalents_of
from taper_sim.recommend.options import Option, Situation
from taper_sim.recommend.way_back import IN_STEPS
from taper_sim.safety.felt_cuts import SHARE_ALLOWED
from taper_sim.safety.red_flags import PAUSE, SMALLER_STEPS, JudgedRules
from taper_sim.safety.validity import variable_rows
from taper_sim.safety.variables import Values
from taper_sim.units import DRUG_CLASSES, TOLERANCE

WITHOUT_D: Final = 3
"""Days without an opioid from which no dose is raised. Source: A75 and the flag loss_of_tolerance."""
NALOXONE: Final = "naloxone_at_home"
_ASK: Final = "ask "
ASK_NALOXONE: Final = f"{_ASK}{NALOXONE}"


def questions_in_words(blocked: str) -> str:
    """Why an option is blocked; names of variables that are to be asked become the question, or their number."""
    if not blocked.startswith(_ASK):
        return blocked
    names = blocked.removeprefix(_ASK).split(", ")
    if len(names) > 1:
        return f"{len(names)} questions come first"
    return f"a question comes first: {variable_rows()[names[0]]['question'].partition(' (')[0]}"


def lowers(option: Option, situation: Situation) -> bool:
    """Whether the option gives less of any class than is taken today, on any day.

    A reduction without a schedule lowers. So does a change to another opioid without one: it starts below the
    equivalent dose, because tolerance does not carry over in full.
    """
    if not option.steps:
        return option.kind == "reduce" or (option.kind == "rotate" and not option.rolled)
    now = equivalents_of(situation.now)
    return any(bool((equivalents_of(slots) < now - TOLERANCE).any()) for _, slots in option.steps)


def raises(option: Option, situation: Situation) -> bool:
    """Whether the option gives more of any class than is taken today, or more sedation, on any day.

    A change of drug or form counts, because its peaks are new to the person; so does an alpha-2 agonist, which sedates.
    """
    if option.adjunct or option.kind in ("rotate", "step_back"):
        return True
    now = equivalents_of(situation.now)
    return any(bool((equivalents_of(slots) > now + TOLERANCE).any()) for _, slots in option.steps)


def largest_step(option: Option, situation: Situation, column: int) -> float:
    """Largest fall of one class from one step to the next, equivalents a day; 0 if it never falls."""
    levels = [float(equivalents_of(slots)[column]) for slots in (situation.now, *(slots for _, slots in option.steps))]
    return max((a - b for a, b in pairwise(levels)), default=0.0)


def barred(option: Option, judged: JudgedRules, values: Values, situation: Situation, n_reports: int) -> Option:
    """The option, blocked if consent or a flag rules it out, or if it is faster than the preset without any report."""
    if option.blocked:
        return option
    if judged.sedated and raises(option, situation):
        flags = ", ".join(f.flag for f in judged.sedated)
        return replace(
            option, blocked=f"no rise, no other drug or form and no sedating drug while this stands: {flags}"
        )
    if option.kind == "step_back" and option.drug_class == "opioid":
        untaken = values.value("opioid_days_without") or 0.0
        if untaken >= WITHOUT_D:
            return replace(option, blocked=f"none was taken for {untaken:g} days: tolerance is lost, and it can kill")
        if option.variant == IN_STEPS and values.value(NALOXONE) != 1.0:
            known = values.value(NALOXONE) is not None
            return replace(option, blocked="no naloxone at home: it comes first" if known else ASK_NALOXONE)
    if judged.holding and lowers(option, situation):
        flags = ", ".join(f.flag for f in judged.holding)
        return replace(option, blocked=f"no reduction until a named person acknowledges: {flags}")
    paused = judged.unsigned(PAUSE)
    if paused and lowers(option, situation):
        flags = ", ".join(f.flag for f in paused)
        return replace(option, blocked=f"paused until a named person acknowledges: {flags}")
    if judged.unsigned(SMALLER_STEPS):
        for cut in values.felt_cuts():
            size, k = cut.before - cut.after, DRUG_CLASSES.index(cut.drug_class)
            if cut.broke and largest_step(option, situation, k) > SHARE_ALLOWED * size + TOLERANCE:
                reason = f"a step over half of the cut of {cut.day.isoformat()}, which broke a limit on what is felt"
                return replace(option, blocked=f"{reason}, until a named person acknowledges: cut_broke_limit")
    if judged.maintained and option.kind == "reduce" and option.drug_class == "opioid":
        flags = ", ".join(f.flag for f in judged.maintained)
        return replace(option, blocked=f"maintenance is the recommendation, until a named person acknowledges: {flags}")
    if option.kind != "reduce":
        return option
    if values.value("patient_agreed_to_taper") == 0.0:
        return replace(option, blocked="the patient has not agreed to a reduction")
    if judged.blocking:
        names = list(dict.fromkeys(name for f in judged.blocking for name in f.unknown))
        return replace(option, blocked=f"{_ASK}{', '.join(names)}")
    if n_reports == 0 and option.drug_class is not None:
        preset, pct = situation.ceilings[option.drug_class].preset, situation.ceilings[option.drug_class].preset_pct
        if option.pct_per_28d > pct + TOLERANCE:
            return replace(
                option, blocked=f"faster than {preset} ({pct:g} % in 28 days), and no check-in supports a faster pace"
            )
    return option
