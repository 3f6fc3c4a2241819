"""The first screen of a recommendation: what to do today, why, what would change it. Imports ``recommend``.

Status first, then what cannot wait, what happened after past cuts, the options that differ, the schedule of the chosen
one, what would change the choice, and what to ask. The rest is in ``report.decision_details``.
"""

import re
import textwrap
from collections.abc import Sequence
from typing import Any, Final

from taper_sim.data.problems import escaped
from taper_sim.recommend.answer import RecommendationFields
from taper_sim.report.decision_details import details_text
from taper_sim.report.decision_words import (
    WIDTH,
    chance_in_words,
    dose_in_words,
    interval_in_words,
    point,
    points_of_schedule,
)

_INSTRUMENTS: Final = {"sows_gossop": "withdrawal", "pain_nrs": "pain", "function": "function"}
_CANNOT_WAIT: Final = ("emergency", "same_day")
_CUTS_SHOWN, _REDUCTIONS_SHOWN, _STEPS_SHOWN, _CHANGES_SHOWN, _QUESTIONS_SHOWN = 4, 3, 4, 3, 3
_OF_ORIGINAL: Final = re.compile(r" of original \(.*?\)")
_OTHERS: Final = ("rotate", "refer")


def recommendation_text(recommendation: RecommendationFields, *, details: bool = False) -> str:
    """The recommendation as text: one screen, or with ``details`` everything."""
    if details:
        return details_text(recommendation)
    answer = recommendation.as_dict()
    headline = answer["headline"]
    lines = [
        f"patient {escaped(answer['patient_id'])}, as of {answer['as_of']}: {answer['status'].upper()}",
        textwrap.fill(f"{headline[:1].upper()}{headline[1:]}.", WIDTH),
    ]
    if answer["chosen"]:
        lines.append(textwrap.fill(f"chosen: {answer['chosen']}", WIDTH, subsequent_indent="  "))
    for block in (
        _flags(answer),
        _now(answer),
        _happened(answer),
        _options(answer),
        _schedule(answer),
        _changes(answer),
        _questions(answer),
        _basis(answer),
    ):
        lines += block
    return "\n".join(lines)


def _flags(answer: dict[str, Any]) -> list[str]:
    """What cannot wait, in full with whom to call; the other raised flags by name."""
    raised = [f for f in answer["red_flags"] if f["state"] == "true"]
    first = [f for f in raised if f["urgency"] in _CANNOT_WAIT]
    lines = []
    for flag in first:
        signed = f", acknowledged by {flag['acknowledged_by']}" if flag["acknowledged_by"] else ""
        lines.append(point(f"{flag['flag']}: {flag['action']} (call: {flag['who']}, {flag['within']}{signed})"))
    later: dict[str, list[str]] = {}
    for flag in raised:
        if flag not in first:
            later.setdefault(f"{flag['who']}, {flag['within']}", []).append(flag["flag"])
    if later:
        parts = [f"{', '.join(names)} (call: {who})" for who, names in later.items()]
        lines.append(point(f"raised as well: {'; '.join(parts)}"))
    return ["see to first:", *lines] if lines else []


def _now(answer: dict[str, Any]) -> list[str]:
    """Doses in force, in one line, what the percentages refer to, and notes on the record."""
    doses = [dose_in_words(row) for row in answer["doses"]]
    lines = [f"today's doses: {'; '.join(doses)}"] if doses else []
    if answer["status"] == "abstain":
        lines = [*map(str, answer["why"]), *lines]
    return [*(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in lines)]


def _happened(answer: dict[str, Any]) -> list[str]:
    """A line for each past cut, and how likely the taper is the cause of what was felt."""
    cuts = answer["past_cuts"]
    lines = [point(_cut(cut)) for cut in cuts[-_CUTS_SHOWN:]]
    if len(cuts) > _CUTS_SHOWN:
        n_broke = sum(cut["broke_limit"] for cut in cuts[:-_CUTS_SHOWN])
        lines.insert(0, point(f"{len(cuts) - _CUTS_SHOWN} earlier cuts; {n_broke} broke a limit"))
    if answer["attribution"] is not None:
        lines.append(point(answer["attribution"]["words"]))
    return ["what past cuts did:", *lines] if lines else []


def _cut(cut: dict[str, Any]) -> str:
    before, after = cut["equivalents_before"], cut["equivalents_after"]
    name = f"{cut['date']}, {cut['drug_class']} down by {100 * (before - after) / before:.0f} %"
    if not cut["felt"]:
        return f"{name}: too few reports to judge"
    broke = [felt for felt in cut["felt"] if felt["broke_limit"]]
    if not broke:
        return f"{name}: no limit broken"
    worst = max(broke, key=lambda felt: felt["days_over"] / felt["days_reported"])
    parts = [f"{_INSTRUMENTS[f['instrument']]} {f['worst']:g} ({f['usual']:.0f} before)" for f in broke]
    still = ", and it has not passed" if cut["not_passed"] else ""
    return f"{name}: {', '.join(parts)}; {worst['days_over']} of {worst['days_reported']} days over a limit{still}"


def _short(name: str) -> str:
    return _OF_ORIGINAL.sub("", name)


def _options(answer: dict[str, Any]) -> list[str]:
    """The options that differ, those that are not offered by reason, and the chance that the next cut hurts."""
    if not answer["options"]:
        return []
    limits = answer["limits"]
    rows = [o for o in answer["options"] if o["status"] == "offered" and o["same_as"] is None]
    rows.sort(key=lambda o: o["rank"])
    reductions = [o["name"] for o in rows if o["kind"] == "reduce"]
    hidden = [name for name in reductions[_REDUCTIONS_SHOWN:] if name != answer["chosen"]]
    hold = next(o for o in answer["options"] if o["kind"] == "hold")
    lines = [
        textwrap.fill(
            f"options that differ; chances of a limit broken (pain up by {limits['pain_rise']:g} points, function down "
            f"by {limits['function_loss']:g}, withdrawal {30 * limits['withdrawal']:g} of 30 points) in two weeks after "
            f"the first step, and within {limits['horizon_days']} days from any cause and by the option alone:",
            WIDTH,
            subsequent_indent="  ",
        )
    ]
    for option in rows:
        if option["name"] not in hidden and option["kind"] not in _OTHERS:
            lines += _row(option, hold, answer)
    others = [_short(o["name"]) for o in rows if o["kind"] in _OTHERS]
    if others:
        lines.append(point(f"with a specialist: {'; '.join(others)}"))
    if hidden:
        lines.append(point(f"slower as well: {'; '.join(map(_short, hidden))}"))
    return [*lines, *_not_offered(answer)]


def _row(option: dict[str, Any], hold: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    """One option with what equals it, and its chances; those equal to holding's are not repeated."""
    same = [_short(o["name"]) for o in answer["options"] if o["same_as"] == option["name"]]
    equal = f" (the same: {'; '.join(same)})" if same else ""
    mark = "*" if option["name"] == answer["chosen"] else "-"
    chances = _chances(option)
    if option["kind"] not in ("hold", "reduce") and chances == _chances(hold):
        chances = "as when holding"
    text = f"{mark} {_short(option['name'])}{equal}: {chances}"
    return [textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="      ")]


def _chances(option: dict[str, Any]) -> str:
    if option["p_hurts_again"] is None:
        return "no forecast"
    two_weeks = interval_in_words(*(option[f"p_hurts_again{end}"] for end in ("", "_lo90", "_hi90")))
    felt = max(option[f"p_felt_{name}"] for name in ("withdrawal_over", "function_loss", "pain_rise"))
    brought = max(option[f"p_{name}"] for name in ("withdrawal_over", "function_loss", "pain_rise"))
    return f"two weeks {two_weeks}; any cause {chance_in_words(felt)}; alone {chance_in_words(brought)}"


def _not_offered(answer: dict[str, Any]) -> list[str]:
    """Options that are not offered, by reason, and how likely the smallest cut among them is to hurt."""
    by_reason: dict[str, list[dict[str, Any]]] = {}
    for option in answer["options"]:
        if option["status"] != "offered":
            by_reason.setdefault(option["status"].removeprefix("blocked: "), []).append(option)
    lines = []
    for reason, options in by_reason.items():
        paces = [o for o in options if o["kind"] == "reduce"]
        names = [_short(o["name"]) for o in options if o["kind"] != "reduce"]
        for drug_class in dict.fromkeys(o["drug_class"] for o in paces):
            mine = [o["name"].split(" by ")[1].split(" %")[0] for o in paces if o["drug_class"] == drug_class]
            names.insert(0, f"{drug_class} down by {', '.join(mine)} %")
        forecasts = [o["p_hurts_again"] for o in paces if o["p_hurts_again"] is not None]
        hurts = f"; two bad weeks after such a cut: {chance_in_words(min(forecasts))}" if forecasts else ""
        lines.append(point(f"not offered: {'; '.join(names)}: {_OF_DOSE.sub('', reason)}{hurts}"))
    return lines


_OF_DOSE: Final = re.compile(r" of [0-9.,]+ (mg|mcg)[^()]*(?= in [0-9]+ days)")


def _schedule(answer: dict[str, Any]) -> list[str]:
    """The first steps of the chosen option; of one that changes nothing, a line."""
    chosen = next((o for o in answer["options"] if o["name"] == answer["chosen"]), None)
    if chosen is None or not chosen["schedule"]:
        return []
    rows = chosen["schedule"]
    changed = [row for row in rows if not str(row["tablets"]).startswith("unchanged")]
    if not changed:
        return ["schedule: unchanged, exactly as taken now"]
    dates = sorted({row["date"] for row in changed})
    shown = [row for row in changed if row["date"] in dates[:_STEPS_SHOWN]]
    more = [f"  {len(dates) - _STEPS_SHOWN} more steps: --details"] if len(dates) > _STEPS_SHOWN else []
    of = next(iter(answer["original_doses"].values()), None) if chosen["drug_class"] is None else None
    of = answer["original_doses"].get(chosen["drug_class"], of)
    percent = f" (percent of {of['in_words']}, the dose before this taper)" if of else ""
    return [f"schedule{percent}:", *points_of_schedule(shown, "  "), *more]


def _changes(answer: dict[str, Any]) -> list[str]:
    changes = answer["would_change"][:_CHANGES_SHOWN]
    return ["what would change this:", *map(point, changes)] if changes else []


def _questions(answer: dict[str, Any]) -> list[str]:
    """Questions before a reduction, then the rating after a cut with what it would change."""
    needed = [q["question"] for q in answer["questions"] if q["needed_before_reduction"] == "yes"]
    lines = ["to ask before any reduction:"] if needed else []
    lines += [point(question) for question in needed[:_QUESTIONS_SHOWN]]
    if len(needed) > _QUESTIONS_SHOWN:
        lines.append(point(f"and {len(needed) - _QUESTIONS_SHOWN} more: --details"))
    ratings = [q for q in answer["questions"] if q.get("would_change")]
    lines += [
        textwrap.fill(f"ask for {q['question'].split(':')[0]}; {q['would_change']}", WIDTH, subsequent_indent="  ")
        for q in ratings
    ]
    return lines


def _basis(answer: dict[str, Any]) -> list[str]:
    """Notes on the record, what was used, and what the answer is not."""
    days = answer["quality"]["n_checkins"]
    reviewed = "tables reviewed" if answer["basis"]["tables_reviewed"] else "tables not clinically reviewed"
    notes = [textwrap.fill(f"note: {note}", WIDTH, subsequent_indent="  ") for note in answer["notes"][:_CHANGES_SHOWN]]
    naloxone: Sequence[str] = [answer["with_reductions"]] if answer["with_reductions"] else []
    return [
        *(textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in naloxone),
        *notes,
        textwrap.fill(
            f"check-ins on {days} days. Research use: a research prototype, {reviewed}; {_NOT_A_DEVICE}. More: "
            "--details",
            WIDTH,
        ),
    ]


_NOT_A_DEVICE: Final = "not a medical device; not for emergencies, pregnancy, or people under 18"
