"""A clinician's own schedule, judged and projected as an option. Imports ``choice``, ``barred_options``, ``options``.

The same rules hold as for every option: consent, red flags, one class at a time, the ceiling, the limits. Only the
rules for the steps differ in form, because the clinician chooses the days:

1. A step is at most 25 % of the original dose.
2. All reductions of the 28 days that end with a step, those of the record included, add up to at most the ceiling.
3. A single step above the ceiling waits until its rate keeps the ceiling, counted from the step before it, or from
   tomorrow (assumption A78, which the offered paces keep too).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final

from taper_sim.array_types import Floats
from taper_sim.data.drugs_taken import DrugsTaken, DrugTaken, equivalents_of
from taper_sim.data.problems import InputError, Problem
from taper_sim.inference.posterior import Evidence, Posterior
from taper_sim.inference.record import PatientRecord
from taper_sim.model.pharmacology import dispensable_totals
from taper_sim.recommend.answer import RecommendationFields
from taper_sim.recommend.barred_options import barred, lowers
from taper_sim.recommend.choice import keeps_limits, roll
from taper_sim.recommend.dispensed_forms import MOST_STEP_PCT
from taper_sim.recommend.next_cut import chances_of_hurt
from taper_sim.recommend.options import Option, Situation, one_class_at_a_time
from taper_sim.recommend.reduction_steps import SAME_DOSE, wait_d
from taper_sim.recommend.shown_options import shown_options
from taper_sim.safety.felt_cuts import FeltCut
from taper_sim.safety.limits import Limits
from taper_sim.safety.red_flags import JudgedRules
from taper_sim.safety.variables import Values
from taper_sim.units import DRUG_CLASSES, MONTH_D, DrugClass

OWN_PLAN: Final = "own schedule"
"""Name of the option that a clinician writes."""
_RISE: Final = "a dose above today's is a new prescription, not a taper: only the step back is offered"


@dataclass(frozen=True)
class RuleGround:
    """What the rules judge a schedule of one patient on; nothing of it is inferred.

    Attributes
    ----------
    record, situation, judged, values, limits, n_reports
        As in ``recommendation.weigh``.
    """

    record: PatientRecord
    situation: Situation
    judged: JudgedRules
    values: Values
    limits: Limits
    n_reports: int

    def dates(self) -> list[str]:
        """Dates of the days from today to the day after the horizon."""
        return [(self.record.as_of + timedelta(days=d)).isoformat() for d in range(self.limits.horizon_days + 2)]


@dataclass(frozen=True)
class Ground(RuleGround):
    """What every option of one patient was judged and rolled on, and another schedule is too.

    Attributes
    ----------
    posterior, evidence, events, cuts, seed
        As in ``recommendation.weigh``.
    """

    posterior: Posterior
    evidence: Evidence
    events: Floats
    cuts: tuple[FeltCut, ...]
    seed: int


@dataclass(frozen=True)
class Weighed:
    """A recommendation; its ground and its options if there are any."""

    answer: RecommendationFields
    ground: Ground | None = None
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class PlannedDose:
    """A line of a clinician's schedule: from this day on, this dose of this drug (mg a day; patches mcg/h; 0 stops)."""

    day: date
    drug: tuple[str, str]
    dose: float


def own_option(weighed: Weighed, planned: Sequence[PlannedDose]) -> Option:
    """The schedule as an option, with the reason if a rule bars it.

    Parameters
    ----------
    weighed : Weighed
        With a ground.
    planned : sequence of PlannedDose
        Changes; a drug without a line stays as it is taken now.

    Raises
    ------
    InputError
        A day outside the horizon, a drug that no option of this patient has, a dose that its tablets do not give, or
        two doses of one drug on one day; a problem for each.
    """
    ground = weighed.ground
    if ground is None:
        raise InputError(Problem("schedule", "", "an answer without options", "a schedule while options are offered"))
    return judged_steps(ground, _steps(ground, weighed.options, planned))


def judged_steps(ground: RuleGround, steps: tuple[tuple[int, DrugsTaken], ...]) -> Option:
    """A course of doses as an option, with the reason if a rule bars it.

    Parameters
    ----------
    ground : RuleGround
    steps : tuple of (int, DrugsTaken)
        Days from today (1 = tomorrow) up to the horizon, and every drug that is taken from that day on.
    """
    situation = ground.situation
    option = Option(OWN_PLAN, "hold", steps=steps)
    if not lowers(option, situation):
        return replace(option, blocked=_rise(option, situation))
    fallen = [c for k, c in enumerate(DRUG_CLASSES) if _falls(situation.now, steps, k)]
    reasons = [_rise(option, situation)]
    if len(fallen) > 1 and "benzodiazepine" in fallen:
        reasons.append("one class at a time with a benzodiazepine: the schedule lowers both")
    for drug_class in fallen:
        pct = _fastest_pct(situation, steps, drug_class)
        of_class = replace(option, kind="reduce", drug_class=drug_class, pct_per_28d=pct)
        reasons += [
            barred(of_class, ground.judged, ground.values, situation, ground.n_reports).blocked,
            one_class_at_a_time(of_class, situation, ground.limits).blocked,
            _above_the_ceiling(ground, steps, drug_class),
        ]
    first = max(fallen, key=lambda c: _fastest_pct(situation, steps, c))
    option = replace(option, kind="reduce", drug_class=first, pct_per_28d=_fastest_pct(situation, steps, first))
    return replace(option, blocked="; ".join(dict.fromkeys(filter(None, reasons))))


def projected(weighed: Weighed, planned: Sequence[PlannedDose]) -> dict[str, Any]:
    """The schedule as a row of the answer's options, with the limits that it breaks; arguments of `own_option`."""
    option = own_option(weighed, planned)
    ground = weighed.ground
    assert ground is not None  # noqa: S101  own_option has refused an answer without it
    options = [weighed.options[0], option]
    about = (ground.record, ground.situation, ground.posterior, ground.evidence)
    rolled = roll(*about, ground.events, options, ground.limits, ground.seed)
    hurt = chances_of_hurt(*about, options, ground.cuts, ground.limits, ground.seed)
    if option.kind == "reduce" and not option.blocked:
        broken = keeps_limits(rolled[option.name], rolled[options[0].name], ground.limits)
        option = replace(option, blocked="; ".join(broken))
    about_rows = (ground.situation, ground.dates(), options[0].name)
    rows = shown_options([options[0], option], rolled, hurt, *about_rows, better_back={})
    return rows[1]


def _steps(
    ground: Ground, options: Sequence[Option], planned: Sequence[PlannedDose]
) -> tuple[tuple[int, DrugsTaken], ...]:
    """Days from today and the drugs from that day on; raises with every problem of the lines."""
    known: dict[tuple[str, str], DrugTaken] = {}
    for option in options:
        for _, slots in option.steps:
            known |= {slot.drug.key: slot for slot in slots}
    known |= {slot.drug.key: slot for slot in ground.situation.now}
    wrong: list[Problem] = []
    by_day: dict[int, dict[tuple[str, str], DrugTaken]] = {}
    for number, line in enumerate(planned, start=1):
        place = f"line {number}"
        day = (line.day - ground.record.as_of).days
        slot = known.get(line.drug)
        if not 1 <= day <= ground.limits.horizon_days:
            first, *_, last, _ = ground.dates()[1:]
            wrong.append(Problem("schedule", f"{place}, day", str(line.day), f"{first} to {last}"))
        elif slot is None:
            names = ", ".join(" ".join(key) for key in known)
            wrong.append(Problem("schedule", f"{place}, drug", " ".join(line.drug), names))
        elif line.drug in by_day.get(day, {}):
            given = f"{' '.join(line.drug)} twice on {line.day}"
            wrong.append(Problem("schedule", place, given, "one dose of a drug on a day"))
        elif (other := _not_dispensable(slot, line.dose)) is not None:
            wrong.append(Problem("schedule", f"{place}, dose", f"{line.dose:g} {slot.drug.unit}", other))
        else:
            by_day.setdefault(day, {})[line.drug] = replace(slot, dose=line.dose)
    if wrong:
        raise InputError(wrong)
    now = {slot.drug.key: slot for slot in ground.situation.now}
    taken, steps = dict(now), []
    for day in sorted(by_day):
        changed = {k: now[k] if k in now and now[k].dose == s.dose else s for k, s in by_day[day].items()}
        taken = {key: slot for key, slot in (taken | changed).items() if slot.dose > 0}
        steps.append((day, tuple(taken.values())))
    return tuple(steps)


def _not_dispensable(slot: DrugTaken, dose: float) -> str | None:
    """The doses nearest to one that the product cannot give; None if it can, or if it is today's or 0."""
    unit = slot.drug.unit if slot.drug.is_patch else f"{slot.drug.unit} a day"
    if not 0 <= dose <= slot.dose * 10:
        return f"0 {unit} to today's dose"
    if dose == 0 or abs(dose - slot.dose) < SAME_DOSE:
        return None
    totals = dispensable_totals(slot.drug, slot.times, max(dose, slot.drug.smallest_step))
    if abs(totals - dose).min() < SAME_DOSE:
        return None
    above = dispensable_totals(slot.drug, slot.times, dose + slot.drug.smallest_step * slot.times)
    near = sorted({float(totals[totals < dose][-1]), *(float(x) for x in above[above > dose][:1])})
    return f"a dose that its tablets give, such as {' or '.join(f'{x:g}' for x in near)} {unit}"


def _levels(now: DrugsTaken, steps: Sequence[tuple[int, DrugsTaken]], k: int) -> list[tuple[int, float]]:
    """Days and equivalents a day of one class, from today (day 0) on."""
    return [(0, float(equivalents_of(now)[k])), *((day, float(equivalents_of(slots)[k])) for day, slots in steps)]


def _falls(now: DrugsTaken, steps: Sequence[tuple[int, DrugsTaken]], k: int) -> bool:
    levels = _levels(now, steps, k)
    return any(dose < levels[0][1] - SAME_DOSE * max(levels[0][1], 1.0) for _, dose in levels)


def _rise(option: Option, situation: Situation) -> str:
    """Reason why a schedule that gives more of a class than today is not offered; empty if it gives no more."""
    now = equivalents_of(situation.now)
    rises = any(bool((equivalents_of(slots) > now * (1 + SAME_DOSE) + SAME_DOSE).any()) for _, slots in option.steps)
    return _RISE if rises else ""


def _course(situation: Situation, steps: Sequence[tuple[int, DrugsTaken]], drug_class: DrugClass) -> list[float]:
    """Equivalents a day of one class: the last 28 days, today last, then each day to the last step."""
    k = DRUG_CLASSES.index(drug_class)
    course = [float(dose) for dose in situation.recent[:, k]]
    levels = dict(_levels(situation.now, steps, k))
    level = levels[0]
    for day in range(1, max(levels) + 1):
        level = levels.get(day, level)
        course.append(level)
    return course


def _fastest_pct(situation: Situation, steps: Sequence[tuple[int, DrugsTaken]], drug_class: DrugClass) -> float:
    """Largest reduction of the schedule in 28 days, percent of the original dose."""
    course = _course(situation, steps, drug_class)
    ahead = [course[MONTH_D - 1], *course[MONTH_D:]]
    largest = max(max(ahead[max(0, d - MONTH_D) : d + 1]) - ahead[d] for d in range(len(ahead)))
    return 100.0 * largest / situation.original_equivalents(drug_class)


def _above_the_ceiling(ground: RuleGround, steps: Sequence[tuple[int, DrugsTaken]], drug_class: DrugClass) -> str:
    """Reason why the steps of one class are too fast or too low; empty if they are not."""
    situation, limits, dates = ground.situation, ground.limits, ground.dates()
    k, ceiling = DRUG_CLASSES.index(drug_class), situation.ceilings[drug_class]
    original, course = situation.original_equivalents(drug_class), _course(situation, steps, drug_class)
    levels, last = _levels(situation.now, steps, k), 1
    tolerance = SAME_DOSE * original
    most = f"{ceiling.pct_per_28d:g} % of {situation.original[drug_class].words} in {MONTH_D} days ({ceiling.basis})"
    for (_, before), (day, after) in pairwise(levels):
        pct = 100.0 * (before - after) / original
        if before - after <= tolerance:
            continue
        if pct > MOST_STEP_PCT + SAME_DOSE:
            return f"the step of {dates[day]} is {pct:.3g} % of the original dose, more than {MOST_STEP_PCT:g} %"
        month = course[MONTH_D - 1 + day - MONTH_D : MONTH_D - 1 + day]
        within = max(month) - after <= ceiling.pct_per_28d / 100.0 * original + tolerance
        if not within and (pct <= ceiling.pct_per_28d or wait_d(pct, ceiling.pct_per_28d) > day - last):
            return f"the step of {dates[day]} is above the ceiling of {most}; a larger step waits longer"
        last = day
    lowest = min(dose for _, dose in levels)
    below_today = [m for m in limits.milestones.get(drug_class, []) if m < levels[0][1] - tolerance]
    least = max([limits.target.get(drug_class, 0.0), *below_today])
    if lowest < least - tolerance:
        return f"the schedule ends at {lowest:g} equivalents a day, below the target or next milestone of {least:g}"
    return ""
