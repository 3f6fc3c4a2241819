"""Options as rows of the answer: chances, schedule, rank, which of them are one. Imports ``choice``, ``next_cut``."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from taper_sim.data.drugs_taken import equivalents_of
from taper_sim.recommend.back_in_a_year import BetterBack
from taper_sim.recommend.choice import CHANCES, FELT, Rolled
from taper_sim.recommend.next_cut import Hurt
from taper_sim.recommend.options import Option, Situation, schedule_of
from taper_sim.recommend.way_back import IN_STEPS
from taper_sim.units import DRUG_CLASSES, DrugClass

_UNITS: Final[Mapping[DrugClass, str]] = {
    "opioid": "MME",
    "benzodiazepine": "mg of diazepam",
    "gabapentinoid": "mg of pregabalin",
}


def _key(option: Option) -> tuple[Any, ...]:
    """What makes two options one: the same doses, adjunct and status."""
    status = option.blocked or "offered"
    return option.steps, option.adjunct, status


def equal_to(options: Sequence[Option], chosen: str) -> dict[str, str | None]:
    """By name of each option, the option that it equals: the first of its group, or the chosen one; else None.

    Options without a forecast of their own are not merged, and nor are reductions with anything but reductions.
    """
    groups: dict[tuple[Any, ...], str] = {}
    ordered = sorted(options, key=lambda o: o.name != chosen)
    same: dict[str, str | None] = {}
    for option in ordered:
        first = groups.setdefault(_key(option), option.name) if option.rolled else option.name
        same[option.name] = None if first == option.name else first
    return same


def shown_options(
    options: Sequence[Option],
    rolled: Mapping[str, Rolled],
    hurt: Mapping[str, Hurt],
    situation: Situation,
    days: Sequence[str],
    chosen: str,
    better_back: BetterBack,
) -> list[dict[str, Any]]:
    """Every option as a row; ``days[d]`` is the date d days from today; ``better_back`` is of the ways back up.

    Ranks count the options that are offered: the chosen one, then the fastest first.
    """
    order = sorted(
        (o for o in options if not o.blocked), key=lambda o: (o.name != chosen, -o.pct_per_28d, list(options).index(o))
    )
    ranks = {o.name: k for k, o in enumerate(order, start=1)}
    same = equal_to(options, chosen)
    return [
        _shown(o, rolled.get(o.name), hurt.get(o.name), situation, days)
        | {"rank": ranks.get(o.name), "same_as": same[o.name], "better_in_a_year": _in_a_year(o, better_back)}
        for o in options
    ]


def _in_a_year(option: Option, better_back: BetterBack) -> list[dict[str, Any]] | None:
    """Chance of being better off in a year than at today's dose, of a way back up; None for other options."""
    if option.variant != IN_STEPS or option.drug_class is None:
        return None
    return [dict(row) for row in better_back.get(option.drug_class, ())]


def _shown(
    option: Option, rolled: Rolled | None, hurt: Hurt | None, situation: Situation, days: Sequence[str]
) -> dict[str, Any]:
    chances: dict[str, Any] = {}
    for name in (*CHANCES, *FELT):
        interval = None if rolled is None else rolled.chances[name]
        for ending, k in (("", 0), ("_lo90", 1), ("_hi90", 2)):
            chances[f"{name}{ending}"] = None if interval is None else round(interval[k], 5)
    again = (None, None, None) if hurt is None else (hurt.p, hurt.low, hurt.high)
    for ending, p in zip(("", "_lo90", "_hi90"), again, strict=True):
        chances[f"p_hurts_again{ending}"] = None if p is None else round(p, 5)
    return {
        "name": option.name,
        "kind": option.kind,
        "drug_class": option.drug_class,
        "pct_per_28d": option.pct_per_28d,
        "variant": option.variant,
        "status": f"blocked: {option.blocked}" if option.blocked else "offered",
        "needs": option.needs or None,
        "schedule": schedule_of(option, situation.now, days) if option.rolled else [],
        **chances,
        "past_cuts_compared": 0 if hurt is None else hurt.n_past,
        "past_cuts_hurt": 0 if hurt is None else hurt.n_hurt,
        "p_overdose_after_lapse": None if rolled is None else round(rolled.relapse, 5),
        "expected_dose_pct": None if rolled is None else round(rolled.end_share_pct, 1),
    }


def first_step_in_words(option: Option, situation: Situation, days: Sequence[str]) -> str:
    """First step of a reduction: date, dose before and after it, share of today's equivalents.

    The dose is that of the product, in its own unit; of several products it is their equivalents together.
    """
    if not option.steps or option.drug_class is None:
        return option.name
    day, slots = option.steps[0]
    k = DRUG_CLASSES.index(option.drug_class)
    now, then = float(equivalents_of(situation.now)[k]), float(equivalents_of(slots)[k])
    less = f"-{100 * (now - then) / now:.0f} %"
    before, after = situation.of_class(situation.now, option.drug_class), situation.of_class(slots, option.drug_class)
    if len(before) == len(after) == 1 and before[0].drug == after[0].drug:
        drug, a, b = before[0].drug, before[0].dose, after[0].dose
        of_drug = f"-{100 * (a - b) / a:.0f} %"
        if of_drug != less:  # less of a larger dose of gabapentin is absorbed
            less = f"{of_drug}; {less} of what is absorbed"
        amounts = f"{drug.drug} {a:g} to {b:g} {drug.unit}{'' if drug.is_patch else ' a day'}"
    else:
        unit = "mg" if any(slot.drug.is_buprenorphine for slot in before) else _UNITS[option.drug_class]
        amounts = f"{option.drug_class} {now:.4g} to {then:.4g} {unit} a day"
    return f"from {days[day]}, if they agree: {amounts} ({less})"
