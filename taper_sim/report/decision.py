"""The first screen of a recommendation: what to do today, why, what would change it. Imports ``recommend``.

Status first, then what cannot wait, what happened after past cuts, the options that differ, the schedule of the chosen
one, what would change the choice, and what to ask. The rest is in ``report.decision_details``.
"""

import re
from typing import Any, Final

from taper_sim.data.problems import escaped
from taper_sim.recommend.answer import RecommendationFields
from taper_sim.report.decision_details import details_text, fitted_events
from taper_sim.report.decision_words import (
    amount_in_words,
    chance_in_words,
    filled,
    interval_in_words,
    point,
    points_of_schedule,
)
from taper_sim.report.destination_text import destination_summary, values_in_words
from taper_sim.report.whether_to_taper_text import taper_at_all_short
from taper_sim.safety.felt_cuts import back_in_words

_INSTRUMENTS: Final = {"sows_gossop": "withdrawal", "pain_nrs": "pain", "function": "function"}
_CANNOT_WAIT: Final = ("emergency", "same_day")
_CUTS_SHOWN, _REDUCTIONS_SHOWN, _STEPS_SHOWN, _LINES_SHOWN = 3, 3, 3, 2
_IN_BRACKETS: Final = re.compile(r" (?:of original )?\((?:[^()]|\([^()]*\))*\)")
_OF_DOSE: Final = re.compile(r" of [0-9.,]+ (?:mg|mcg)[^()]*(?= in [0-9]+ days)")
_BY_CHANCE: Final = "chance of "
"""How the reason of an option that breaks a limit begins."""
_WITHDRAWAL: Final = re.compile(r"withdrawal over ([0-9]*\.?[0-9]+)")
_NAMES: Final = {"maintain": "maintain", "monitor": "closer monitoring", "step_back": "step back"}
_ROWS: Final = ("hold", "maintain", "monitor", "step_back", "reduce")
"""Kinds of options with a row of their own; a change of drug or form, and another drug beside it, are named, with their
figures in the details."""
_CHANCES_AT: Final = 52
"""Column at which the chances of an option begin."""
_NOT_A_DEVICE: Final = "not a medical device; not for emergencies, pregnancy, or people under 18"


def recommendation_text(recommendation: RecommendationFields, *, details: bool = False) -> str:
    """The recommendation as text: one screen, or with ``details`` everything."""
    if details:
        return details_text(recommendation)
    answer = recommendation.as_dict()
    headline = answer["headline"]
    lines = [
        f"patient {escaped(answer['patient_id'])}, as of {answer['as_of']}: {answer['status'].upper()}",
        filled(_in_points(f"{headline[:1].upper()}{headline[1:]}.")),
    ]
    if answer["chosen"]:
        lines.append(filled(f"chosen: {answer['chosen']}"))
    lines += [line for block in _BLOCKS for line in block(answer)]
    return "\n".join(lines)


def _in_points(text: str) -> str:
    """A text in which a limit of overall withdrawal, 0 to 1, stands in points of SOWS-Gossop."""
    return _WITHDRAWAL.sub(lambda match: f"withdrawal over {30 * float(match[1]):g} of 30 SOWS points", text)


def _flags(answer: dict[str, Any]) -> list[str]:
    """What cannot wait, in full with whom to call; the other raised flags by name."""
    raised = [f for f in answer["red_flags"] if f["state"] == "true"]
    lines = []
    for flag in (f for f in raised if f["urgency"] in _CANNOT_WAIT):
        signed = f", acknowledged by {flag['acknowledged_by']}" if flag["acknowledged_by"] else ""
        lines.append(point(f"{flag['flag']}: {flag['action']} (call: {flag['who']}, {flag['within']}{signed})"))
    later: dict[str, list[str]] = {}
    for flag in (f for f in raised if f["urgency"] not in _CANNOT_WAIT):
        later.setdefault(f"{flag['who']}, {flag['within']}", []).append(flag["flag"])
    parts = [f"{', '.join(names)} (call: {who})" for who, names in later.items()]
    return [*(["see to first:"] if lines else []), *lines, *([filled(f"raised: {'; '.join(parts)}")] if parts else [])]


def _today(answer: dict[str, Any]) -> list[str]:
    """Reasons of an abstention; the doses in force and the dose before this taper."""
    doses = [
        f"{row['drug']} {row['formulation']} {amount_in_words(row)}{' as needed' if row['as_needed'] else ''}"
        for row in answer["doses"]
    ]
    original = [o["in_words"] for o in answer["original_doses"].values()]
    before = f"; percentages are of {', and '.join(original)}, the dose before this taper" if original else ""
    reasons = [*map(str, answer["why"])] if answer["status"] == "abstain" else []
    return [*map(point, reasons), *([filled(f"today: {', '.join(doses)}{before}")] if doses else [])]


def _happened(answer: dict[str, Any]) -> list[str]:
    """A line for each past cut, how likely another hurts, and how likely the taper is the cause of what was felt."""
    cuts = answer["past_cuts"]
    if answer["status"] == "urgent" and not any(cut["broke_limit"] for cut in cuts):
        return []  # nothing reassures before an emergency is seen to
    if cuts and not any(cut["broke_limit"] for cut in cuts) and all(cut["felt"] for cut in cuts):
        last = cuts[-1]["date"]
        lines = [f"what past cuts did: no limit broken after any of {len(cuts)}, the last on {last}"]
        return [*lines, *([point(answer["attribution"]["words"])] if answer["attribution"] is not None else [])]
    lines = [point(_cut(cut)) for cut in cuts[-_CUTS_SHOWN:]]
    if len(cuts) > _CUTS_SHOWN:
        n_broke = sum(cut["broke_limit"] for cut in cuts[:-_CUTS_SHOWN])
        lines.insert(0, point(f"{len(cuts) - _CUTS_SHOWN} earlier cuts, of which {n_broke} broke a limit"))
    again = [o for o in answer["options"] if o["kind"] == "reduce" and o["past_cuts_hurt"]]
    if again:
        worst = max(again, key=lambda o: o["p_hurts_again"])
        hold = next(o for o in answer["options"] if o["kind"] == "hold")
        lines.append(
            point(
                f"{worst['past_cuts_hurt']} of {worst['past_cuts_compared']} cuts broke a limit; two bad weeks after "
                f"another: {_two_weeks(worst)}, and when holding: {_two_weeks(hold)}"
            )
        )
    if answer["attribution"] is not None:
        lines.append(point(answer["attribution"]["words"]))
    return ["what past cuts did:", *lines] if lines else []


def _cut(cut: dict[str, Any]) -> str:
    before, after = cut["equivalents_before"], cut["equivalents_after"]
    name = f"{cut['date']}, {cut['drug_class']} -{100 * (before - after) / before:.0f} %"
    if not cut["felt"]:
        return f"{name}: too few reports to judge"
    broke = [felt for felt in cut["felt"] if felt["broke_limit"]]
    if not broke:
        return f"{name}: no limit broken"
    longest = max(broke, key=lambda felt: felt["days_over"] / felt["days_reported"])
    parts = [f"{_INSTRUMENTS[f['instrument']]} {f['usual']:.0f} to {f['worst']:g}" for f in broke]
    days = f"{longest['days_over']} of {longest['days_reported']} days"
    back = back_in_words(cut["days_to_recover"], cut["not_back_after_days"] or 0, cut["not_passed"])
    return f"{name}: {', '.join(parts)} at worst; over a limit {days}, {back}"


def _two_weeks(option: dict[str, Any]) -> str:
    return interval_in_words(*(option[f"p_hurts_again{end}"] for end in ("", "_lo90", "_hi90")))


def _short(option: dict[str, Any]) -> str:
    name = _NAMES.get(option["kind"], _IN_BRACKETS.sub("", option["name"]))
    if option["kind"] == "rotate":
        name = name.removesuffix(", with a pharmacist")
    if option["kind"] == "step_back":
        return f"{name}{' in steps' if option['better_in_a_year'] is not None else ''} ({option['drug_class']})"
    return str(name)


def _pace(option: dict[str, Any]) -> str:
    """Pace of a reduction: ``7.5``, percent of the original."""
    return f"{option['pct_per_28d']:g}"


def _options(answer: dict[str, Any]) -> list[str]:
    """The options that differ with their chances, and those that are not offered by reason."""
    if not answer["options"]:
        return []
    rows = sorted(
        (o for o in answer["options"] if o["status"] == "offered" and o["same_as"] is None), key=lambda o: o["rank"]
    )
    reductions = [o["name"] for o in rows if o["kind"] == "reduce" and o["name"] != answer["chosen"]]
    hidden = reductions[_REDUCTIONS_SHOWN - 1 :]
    days = answer["limits"]["horizon_days"]
    lines = [
        f"{'options that differ; chance that a limit is broken:':<{_CHANCES_AT}}"
        f"{'in 2 weeks':<22}{f'in {days} days':<13}by it alone"
    ]
    shown = [
        o
        for o in rows
        if o["name"] == answer["chosen"]
        or (o["name"] not in hidden and o["kind"] in _ROWS and (not o["needs"] or o["kind"] == "step_back"))
    ]
    lines += [line for option in shown for line in _row(option, answer)]
    others = [_short(o) for o in rows if o not in shown]
    if others:
        lines.append(point(f"also: {'; '.join(others)}"))
    lines += [point(_way_back(o)) for o in shown if o["better_in_a_year"] is not None]
    return [*lines, *_not_offered(answer)]


def _way_back(option: dict[str, Any]) -> str:
    """What a way back up brings in a year by each set of values, and what it needs."""
    chances = [
        f"{chance_in_words(row['p_better'])} ({values_in_words(row['values'])})" for row in option["better_in_a_year"]
    ]
    needed = _IN_BRACKETS.sub("", option["needs"])
    return f"{_short(option)}: in a year better off than at today's dose: {', '.join(chances)}; needed: {needed}"


def _row(option: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    """One option, with what equals it, and its chances: after the first step, from any cause, brought by it alone."""
    same = [o for o in answer["options"] if o["same_as"] == option["name"]]
    if option["kind"] == "reduce":
        paces = sorted(map(_pace, (option, *same)), key=float)
        name = f"reduce {option['drug_class']} by {' or '.join(paces)} % every 28 days"
        name += f", {option['variant']}" if option["variant"] else ""
    else:
        name = " = ".join(_short(o) for o in (option, *same))
    felt = max(option[f"p_felt_{what}"] for what in ("withdrawal_over", "function_loss", "pain_rise"))
    brought = max(option[f"p_{what}"] for what in ("withdrawal_over", "function_loss", "pain_rise"))
    mark = "*" if option["name"] == answer["chosen"] else "-"
    chances = f"{_two_weeks(option):<22}{chance_in_words(felt):<13}{chance_in_words(brought)}"
    first = f"  {mark} {name} "
    if len(first) <= _CHANCES_AT:
        return [first.ljust(_CHANCES_AT) + chances]
    return [filled(first.rstrip()), " " * _CHANCES_AT + chances]


def _not_offered(answer: dict[str, Any]) -> list[str]:
    by_reason: dict[str, list[dict[str, Any]]] = {}
    for option in answer["options"]:
        if option["status"] != "offered":
            reason = option["status"].removeprefix("blocked: ")
            by_chance = f"{_BY_CHANCE}{option['drug_class']}" if reason.startswith(_BY_CHANCE) else reason
            by_reason.setdefault(by_chance, []).append(option)
    lines = []
    for reason, options in by_reason.items():
        names = [_short(o) for o in options if o["kind"] != "reduce"]
        for drug_class in dict.fromkeys(o["drug_class"] for o in options if o["kind"] == "reduce"):
            reductions = [o for o in options if o["kind"] == "reduce" and o["drug_class"] == drug_class]
            paces = dict.fromkeys(map(_pace, reductions))
            names.insert(0, f"{drug_class} by {', '.join(paces)} %")
        shorter = _IN_BRACKETS.sub("", _OF_DOSE.sub("", reason))
        if reason.startswith(_BY_CHANCE):  # of the slowest; the chances of the others are in the details
            slowest = min(options, key=lambda o: o["pct_per_28d"])
            shorter = slowest["status"].removeprefix("blocked: ")
            shorter = f"of the slowest, {shorter}" if len(options) > 1 else shorter
        lines.append(point(_in_points(f"not offered: {'; '.join(names)}: {shorter}")))
    return lines


def _schedule(answer: dict[str, Any]) -> list[str]:
    """The first steps of the chosen option; of one that changes nothing, a line."""
    chosen = next((o for o in answer["options"] if o["name"] == answer["chosen"]), None)
    if chosen is None or not chosen["schedule"]:
        return []
    changed = [row for row in chosen["schedule"] if not str(row["tablets"]).startswith("unchanged")]
    if not changed:
        return ["schedule: unchanged, exactly as taken now"]
    dates = sorted({row["date"] for row in changed})
    shown = [row for row in changed if row["date"] in dates[:_STEPS_SHOWN]]
    more = [f"  {len(dates) - _STEPS_SHOWN} more dates: --details"] if len(dates) > _STEPS_SHOWN else []
    return ["schedule:", *points_of_schedule(shown, "  "), *more]


def _changes(answer: dict[str, Any]) -> list[str]:
    """What would change the choice, less what the options say already, and less a week that changes nothing."""
    names = tuple(o["name"] for o in answer["options"])
    changes = [c for c in answer["would_change"] if not c.startswith(names)]
    if answer["quality"]["p_choice_changes_after_week"] == 0.0:
        changes = changes[:-1]
    return ["what would change this:", *map(point, changes[: _LINES_SHOWN + 1])] if changes else []


def _questions(answer: dict[str, Any]) -> list[str]:
    """Questions before a reduction, then the rating after a cut with what it would change."""
    needed = [q["question"] for q in answer["questions"] if q["needed_before_reduction"] == "yes"]
    lines = ["to ask before any reduction:"] if needed else []
    lines += [point(question) for question in needed[:_LINES_SHOWN]]
    if len(needed) > _LINES_SHOWN:
        lines.append(point(f"and {len(needed) - _LINES_SHOWN} more: --details"))
    ratings = [q for q in answer["questions"] if q.get("would_change")]
    return [*lines, *(filled(f"ask for {q['question'].split(':')[0]}; {q['would_change']}") for q in ratings)]


def _basis(answer: dict[str, Any]) -> list[str]:
    """What goes with every reduction, notes on the record, what was used, and what the answer is not."""
    notes = answer["notes"][:_LINES_SHOWN]
    more = len(answer["notes"]) - len(notes)
    reviewed = "tables reviewed" if answer["basis"]["tables_reviewed"] else "tables not clinically reviewed"
    return [
        *([filled(answer["with_reductions"])] if answer["with_reductions"] else []),
        *(filled(f"note: {note}") for note in notes),
        *([f"note: {more} more notes on the record: --details"] if more > 0 else []),
        filled(
            f"check-ins on {answer['quality']['n_checkins']} days; "
            + (f"{fitted_events(answer['basis'])}, the person's values by their priors; " if answer["options"] else "")
            + f"research use: a research prototype, {reviewed}"
        ),
        f"{_NOT_A_DEVICE}; more: --details",
    ]


_BLOCKS: Final = (
    _flags,
    taper_at_all_short,
    _today,
    _happened,
    _options,
    _schedule,
    destination_summary,
    _changes,
    _questions,
    _basis,
)
"""Parts of the first screen after the choice, in their order."""
