"""The first screen of a recommendation: what to do today, why, what would change it. Imports ``recommend``.

Status first, then what cannot wait, what happened after past cuts, the options that differ, the schedule of the chosen
one, what would change the choice, and what to ask. The rest is in ``report.decision_details``.
"""

from typing import Any, Final

from taper_sim.comparison.chance_words import chance_in_words
from taper_sim.data.problems import escaped
from taper_sim.recommend.answer import RecommendationFields
from taper_sim.report.decision_details import details_text, fitted_events, fitted_values
from taper_sim.report.decision_words import (
    amount_in_words,
    cut_in_words,
    filled,
    in_points,
    limit_broken,
    not_offered_in_words,
    option_in_words,
    point,
    points_of_schedule,
    short_name,
    two_weeks_in_words,
    without_brackets,
)
from taper_sim.report.destination_text import destination_summary, values_in_words
from taper_sim.report.whether_to_taper_text import taper_at_all_short

_CANNOT_WAIT: Final = ("emergency", "same_day")
_CUTS_SHOWN, _REDUCTIONS_SHOWN, _STEPS_SHOWN, _LINES_SHOWN = 3, 3, 3, 2
_ROWS: Final = ("hold", "maintain", "monitor", "step_back", "reduce")
"""Kinds of options with a row of their own; a change of drug or form, and another drug beside it, are named, with their
figures in the details."""
_CHANCES_AT: Final = 52
"""Column at which the chances of an option begin."""
_TWO_COMPARISONS: Final = (
    "the 2 weeks are judged against the usual level of now, the later days against the start of the record or the days "
    "before the taper"
)
_NOT_A_DEVICE: Final = "not a medical device; not for emergencies, pregnancy, or people under 18"


def recommendation_text(recommendation: RecommendationFields, *, details: bool = False) -> str:
    """The recommendation as text: one screen, or with ``details`` everything."""
    if details:
        return details_text(recommendation)
    answer = recommendation.as_dict()
    headline = answer["headline"]
    lines = [
        f"patient {escaped(answer['patient_id'])}, as of {answer['as_of']}: {answer['status'].upper()}",
        filled(in_points(f"{headline[:1].upper()}{headline[1:]}.")),
    ]
    if answer["chosen"]:
        lines.append(filled(f"chosen: {answer['chosen']}"))
    lines += [line for block in _BLOCKS for line in block(answer)]
    return "\n".join(lines)


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
    reasons = [*map(str, answer["why"])] if answer["status"] == "abstain" else []
    return [*map(point, reasons), *([filled(f"today: {', '.join(doses)}{_percentages_of(answer)}")] if doses else [])]


def _percentages_of(answer: dict[str, Any]) -> str:
    """What the percentages are of: the dose before this taper, or today's if that is the same."""
    original = answer["original_doses"]
    if not original:
        return ""
    before = {_as_dose(row) for o in original.values() for row in o["drugs"]}
    if before == {_as_dose(row) for row in answer["doses"]}:
        equal = [o["in_words"].rpartition(", ")[2] for o in original.values() if o["equivalents"] is not None]
        same = "this dose" if len(answer["doses"]) == 1 else "these doses"
        return f"; percentages are of {same}{''.join(f', {e}' for e in equal)}"
    words = [
        f"{o['drugs'][0]['drug']} {o['in_words']}" if len(original) > 1 and len(o["drugs"]) == 1 else o["in_words"]
        for o in original.values()
    ]
    return f"; percentages are of {', and '.join(words)}, the dose before this taper"


def _as_dose(row: dict[str, Any]) -> tuple[Any, ...]:
    """What makes two rows of doses the same."""
    return tuple(row[name] for name in ("drug", "formulation", "dose_mg_per_day", "dose_mcg_per_h"))


def _happened(answer: dict[str, Any]) -> list[str]:
    """A line for each past cut, how likely another hurts, and how likely the taper is the cause of what was felt."""
    cuts = answer["past_cuts"]
    if answer["status"] == "urgent" and not any(cut["broke_limit"] for cut in cuts):
        return []  # nothing reassures before an emergency is seen to
    if cuts and not any(cut["broke_limit"] for cut in cuts) and all(cut["felt"] for cut in cuts):
        last = cuts[-1]["date"]
        lines = [f"what past cuts did: no limit broken after any of {len(cuts)}, the last on {last}"]
        return [*lines, *([point(answer["attribution"]["words"])] if answer["attribution"] is not None else [])]
    lines = [point(cut_in_words(cut)) for cut in cuts[-_CUTS_SHOWN:]]
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
                f"another: {two_weeks_in_words(worst)}, and when holding: {two_weeks_in_words(hold)}"
            )
        )
    if answer["attribution"] is not None:
        lines.append(point(answer["attribution"]["words"]))
    return ["what past cuts did:", *lines] if lines else []


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
    others = [short_name(o) for o in rows if o not in shown]
    if others:
        lines.append(point(f"also: {'; '.join(others)}"))
    lines += [point(_way_back(o)) for o in shown if o["better_in_a_year"] is not None]
    if any((o["p_hurts_again"] or 0.0) > limit_broken(o)[0] for o in shown):
        lines.append(point(_TWO_COMPARISONS))
    return [*lines, *map(point, not_offered_in_words(answer))]


def _way_back(option: dict[str, Any]) -> str:
    """What a way back up brings in a year by each set of values, and what it needs."""
    chances = [
        f"{chance_in_words(row['p_better'])} ({values_in_words(row['values'])})" for row in option["better_in_a_year"]
    ]
    needed = without_brackets(option["needs"])
    return f"{short_name(option)}: in a year better off than at today's dose: {', '.join(chances)}; needed: {needed}"


def _row(option: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    """One option, with what equals it, and its chances: after the first step, from any cause, brought by it alone."""
    name = option_in_words(option, answer)
    felt, brought = limit_broken(option)
    mark = "*" if option["name"] == answer["chosen"] else "-"
    chances = f"{two_weeks_in_words(option):<22}{chance_in_words(felt):<13}{chance_in_words(brought)}"
    first = f"  {mark} {name} "
    if len(first) <= _CHANCES_AT:
        return [first.ljust(_CHANCES_AT) + chances]
    return [filled(first.rstrip()), " " * _CHANCES_AT + chances]


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
            f"check-ins on {answer['quality']['n_checkins']} days{_last_of(answer)}; "
            + (f"{fitted_events(answer['basis'])}; {fitted_values(answer['basis'])}; " if answer["options"] else "")
            + f"research use: a research prototype, {reviewed}"
        ),
        f"{_NOT_A_DEVICE}; more: --details",
    ]


def _last_of(answer: dict[str, Any]) -> str:
    """The day of the last check-in, if it is not that of the answer: nothing has been heard since."""
    last = answer["quality"].get("last_checkin")  # answers kept by an older version have none
    return f", the last on {last}" if last not in (None, answer["as_of"]) else ""


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
