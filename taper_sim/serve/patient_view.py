"""One patient's answer as what the page shows, in its order. Imports ``report``, ``recommend``.

Every sentence about the patient comes from the answer or from ``report``; this module selects and arranges.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup, escape

from taper_sim.comparison.chance_words import chance_in_words, interval_in_words, of_people_in_words
from taper_sim.recommend.decision_log import logged
from taper_sim.recommend.own_plan import OWN_PLAN, Weighed
from taper_sim.report.decision_details import fitted_events
from taper_sim.report.decision_words import (
    amount_in_words,
    cut_in_words,
    cuts_in_a_sentence,
    dose_in_words,
    limit_broken,
    not_offered_in_words,
    option_in_words,
    short_name,
    two_weeks_in_words,
)
from taper_sim.report.destination_text import values_in_words
from taper_sim.report.whether_to_taper_text import taper_at_all_lines

URGENCIES: Final = ("emergency", "same_day", "within_72h", "next_visit")
"""Urgencies of flags, the most urgent first."""
URGENCY_WORDS: Final = {
    "emergency": "Emergency",
    "same_day": "Today",
    "within_72h": "Within 72 hours",
    "next_visit": "Next visit",
}
_DATE: Final = re.compile(r"\b(\d{4}-\d{2}-\d{2})\b")
_ALSO: Final = (
    ("p_crisis", "Mental-health crisis", 1000),
    ("p_overdose", "Overdose", 1000),
    ("p_return_to_higher_dose", "Return to a higher dose", 100),
)
_INSTRUMENT_WORDS: Final = {
    "pain_nrs": "pain (0 to 10)",
    "function": "function (0 to 100)",
    "sows_gossop": "withdrawal (0 to 30)",
    "bwsq": "benzodiazepine withdrawal (0 to 40)",
    "mood_item": "mood (0 to 10)",
    "sleep_item": "sleep (0 to 10)",
}


@dataclass(frozen=True)
class ChanceLine:
    """A chance of an option: label, words with 100 or 1,000 people, difference from holding in words."""

    label: str
    words: str
    against_holding: str


@dataclass(frozen=True)
class OptionCard:
    """An option beside the others: place, role, name, first change, dots of 100, chances, schedule."""

    anchor: str
    role: str
    name: str
    full_name: str
    is_proposed: bool
    first: str
    dots: int
    dots_words: str
    after_what: str
    two_weeks: str
    chances: tuple[ChanceLine, ...]
    schedule: tuple[dict[str, Any], ...]
    needs: str


def sentence(text: str) -> str:
    """A text with a capital at its start and a full stop at its end."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?', '!')) else '.'}" if text else ""


def with_dates(text: object) -> Markup:
    """A text, escaped, whose dates are not broken between two lines."""
    return Markup(_DATE.sub(r"<time>\1</time>", str(escape(str(text)))))  # noqa: S704  the text is escaped


def plain(lines: Sequence[str]) -> list[str]:
    """Paragraphs that ``report`` wrapped for a terminal, each in one line and as a sentence."""
    return [sentence(" ".join(line.split()).removeprefix("- ").replace(": --details", "")) for line in lines]


def _at_all(answer: dict[str, Any]) -> str:
    """Whether to taper at all, with the reason; empty for an answer without options."""
    if answer["status"] != "recommend":
        return ""
    whether = answer["taper_at_all"]
    return f"Taper at all? {sentence(whether['default'])} {sentence(whether['because'])}"


def patient_page(weighed: Weighed) -> dict[str, Any]:
    """What the page of one patient shows."""
    answer = weighed.answer.as_dict()
    raised = [flag for flag in answer["red_flags"] if flag["state"] == "true"]
    raised.sort(key=lambda flag: URGENCIES.index(flag["urgency"]))
    needed = [q for q in answer["questions"] if q["needed_before_reduction"] == "yes"]
    return {
        "answer": answer,
        "status_words": status_words(answer),
        "headline": sentence(answer["headline"]),
        "after_cuts": sentence(cuts_in_a_sentence(answer["past_cuts"])),
        "flags": [flag | {"urgency_words": URGENCY_WORDS[flag["urgency"]]} for flag in raised],
        "is_held": bool(flags_that_hold(answer)),
        "why": [sentence(text) for text in answer["why"]],
        "doses": [dose_in_words(row) for row in answer["doses"]],
        "originals": [o["in_words"] for o in answer["original_doses"].values()],
        "cuts": [sentence(cut_in_words(cut)) for cut in answer["past_cuts"]],
        "attribution": sentence(answer["attribution"]["words"]) if answer["attribution"] else "",
        "cards": option_cards(answer),
        "others": others_in_words(answer),
        "not_offered": [sentence(text) for text in not_offered_in_words(answer)],
        "at_all": _at_all(answer),
        "for_and_against": plain(taper_at_all_lines(answer)[1:]),
        "destinations": destination_tables(answer),
        "changes": [sentence(text) for text in answer["would_change"]],
        "needed_questions": needed,
        "other_questions": [q for q in answer["questions"] if q["needed_before_reduction"] != "yes"],
        "unknown": unknown_in_words(answer),
        "with_reductions": sentence(answer["with_reductions"]),
        "past_forecasts": past_forecast_rows(answer),
        "posterior": posterior_rows(answer),
        "offer": logged(weighed.answer)["id"],
        "can_project": weighed.ground is not None,
    }


def flags_that_hold(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Raised flags of an emergency or of today that nobody has acknowledged: while they stand, the dose is held."""
    raised = [flag for flag in answer["red_flags"] if flag["state"] == "true"]
    return [flag for flag in raised if flag["urgency"] in URGENCIES[:2] and not flag["acknowledged_by"]]


def status_words(answer: dict[str, Any]) -> str:
    """Status in one or two words: what to do today."""
    if answer["status"] == "urgent":
        return "Call now"
    if answer["status"] == "abstain":
        return "No option"
    chosen = next(o for o in answer["options"] if o["name"] == answer["chosen"])
    words = {"reduce": "Step possible", "step_back": "Step back", "maintain": "Maintain"}
    return words.get(chosen["kind"], "Hold")


def _standing_for(answer: dict[str, Any], option: dict[str, Any]) -> dict[str, Any]:
    """The option that stands for another with the same doses."""
    return next((o for o in answer["options"] if o["name"] == option["same_as"]), option)


def option_cards(answer: dict[str, Any]) -> list[OptionCard]:
    """Options side by side: hold, small step, planned step, step back; each once, the proposed one marked."""
    options = answer["options"]
    if not options:
        return []
    hold = next(o for o in options if o["kind"] == "hold")
    offered = [o for o in options if o["status"] == "offered" and o["same_as"] is None]
    reductions = sorted(
        (o for o in offered if o["kind"] == "reduce" and not o["needs"]), key=lambda o: o["pct_per_28d"]
    )
    chosen = next(o for o in options if o["name"] == answer["chosen"])
    planned = chosen if chosen["kind"] == "reduce" else reductions[-1] if reductions else None
    roles = [("hold", "Hold", _standing_for(answer, hold))]
    roles += [("small", "Small step", reductions[0])] if reductions and reductions[0] is not planned else []
    roles += [("planned", "Planned step", planned)] if planned is not None else []
    roles += [("back", "Step back", o) for o in offered if o["kind"] == "step_back"]
    if all(option is not chosen for _, _, option in roles):
        roles.insert(0, ("chosen", "Proposed", chosen))
    return [option_card(anchor, role, option, hold, answer) for anchor, role, option in roles]


def option_card(
    anchor: str, role: str, option: dict[str, Any], hold: dict[str, Any], answer: dict[str, Any]
) -> OptionCard:
    """One option with its chances beside those of holding."""
    days = answer["limits"]["horizon_days"]
    changed = [row for row in option["schedule"] if not str(row["tablets"]).startswith("unchanged")]
    felt, brought = limit_broken(option)
    lines = [
        (f"A limit broken within {days} days, from any cause", felt, limit_broken(hold)[0], 100),
        ("The same, brought by this option alone", brought, None, 100),
        *((label, option[name], hold[name], people) for name, label, people in _ALSO),
    ]
    p = option["p_hurts_again"]
    return OptionCard(
        anchor,
        role,
        own_in_words(option) if option["name"] == OWN_PLAN else _title(option, answer),
        option["name"],
        option["name"] == answer["chosen"],
        first_change(changed),
        0 if p is None else round(100 * p),
        of_people_in_words(p),
        "after the first step" if changed else "although nothing changes",
        two_weeks_in_words(option),
        tuple(
            ChanceLine(label, of_people_in_words(x, n), against(x, of_hold, n) if changed else "")
            for label, x, of_hold, n in lines
        ),
        tuple(option["schedule"]),
        option["needs"] or "",
    )


def _title(option: dict[str, Any], answer: dict[str, Any]) -> str:
    """Name of an option; other names of the same doses follow in brackets."""
    name, *same = option_in_words(option, answer).split(" = ")
    return sentence(f"{name} (the same doses: {', '.join(same)})" if same else name)


def destination_tables(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Where a taper could end, for each drug class: names of the sets of values, rows of a share of today's dose."""
    tables = []
    for of_class in answer.get("destinations", ()):
        sets = of_class["sets"]
        better = {table["name"]: {row["dose_pct"]: row["better"] for row in table["rows"]} for table in sets}
        shares = [row["dose_pct"] for row in sets[0]["rows"] if row["dose_pct"] < 100.0]
        rows = [(share, [chance_in_words(of_set[share]) for of_set in better.values()]) for share in shares]
        heads = [sentence(values_in_words(name)).removesuffix(".") for name in better]
        tables.append({"drug_class": of_class["drug_class"], "heads": heads, "rows": rows})
    return tables


def own_in_words(option: dict[str, Any]) -> str:
    """A clinician's own schedule, by the most that it takes away."""
    if option["kind"] != "reduce":
        return "No dose is lowered."
    return f"At most {option['pct_per_28d']:.3g} % of the original dose in 28 days."


def against(p: float | None, of_hold: float | None, people: int) -> str:
    """A chance compared with that of holding, in people of so many."""
    if p is None or of_hold is None:
        return ""
    more = people * (p - of_hold)
    if abs(more) < 1:
        return f"as holding, within 1 of {people:,}"
    return f"{abs(more):.0f} of {people:,} {'more' if more > 0 else 'fewer'} than holding"


def first_change(changed: Sequence[dict[str, Any]]) -> str:
    """First change of a schedule: date, drug, dose."""
    if not changed:
        return "Nothing changes: exactly as taken now."
    day = changed[0]["date"]
    parts = [f"{row['drug']} {row['formulation']} {amount_in_words(row)}" for row in changed if row["date"] == day]
    return sentence(f"From {day}: {'; '.join(parts)}")


def others_in_words(answer: dict[str, Any]) -> list[str]:
    """Other offered options by name, with the chance of two bad weeks where there is a forecast."""
    names = {card.full_name for card in option_cards(answer)}
    rows = [
        o for o in answer["options"] if o["status"] == "offered" and o["same_as"] is None and o["name"] not in names
    ]
    return [
        sentence(
            short_name(o)
            + (f"; two bad weeks: {two_weeks_in_words(o)}" if o["p_hurts_again"] is not None else "")
            + (f"; needs {o['needs']}" if o["needs"] else "")
        )
        for o in rows
    ]


def unknown_in_words(answer: dict[str, Any]) -> list[str]:
    """What the tool does not know about this patient, and what the answer rests on."""
    quality, basis = answer["quality"], answer["basis"]
    others = [q for q in answer["questions"] if q["needed_before_reduction"] != "yes"]
    texts = [
        f"check-ins on {quality['n_checkins']} days are all that it knows of this person; the rest follows from others",
        f"{fitted_events(basis)}; how much people differ rests on assumptions",
        "the values of a typical person are fitted to published results, which inform few of them"
        if basis["calibrated"]
        else "the model is not calibrated to published results as a whole",
        "the tables are reviewed by a clinician"
        if basis["tables_reviewed"]
        else "no clinician has reviewed the tables",
        f"{len(others)} questions that would inform the flags were not asked; they are listed under details"
        if others
        else "",
        "what the person does not report, it does not know",
        *answer["notes"],
    ]
    return [sentence(text) for text in texts if text]


def past_forecast_rows(answer: dict[str, Any]) -> list[dict[str, str]]:
    """Past forecasts against what was reported: a row for each cut and instrument."""
    return [
        {
            "made_on": row["made_on"],
            "what": _INSTRUMENT_WORDS.get(row["instrument"], row["instrument"]),
            "forecast": f"{row['forecast']:.1f}",
            "reported": f"{row['reported']:.1f}",
            "error": f"{row['mean_error']:+.1f}",
            "inside": f"{100 * row['share_in_80']:.0f} % of {row['n_reports']} reports",
        }
        for row in answer["past_forecasts"]
    ]


def posterior_rows(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Inferred values with their 90 % intervals."""
    return [(name, f"{v['mean']:.3g} ({v['lo90']:.3g} to {v['hi90']:.3g})") for name, v in answer["posterior"].items()]


def chance_rows(answer: dict[str, Any]) -> list[dict[str, str]]:
    """Every option that has a forecast, with every chance and its interval, for the details."""
    names = {
        "p_hurts_again": "Two bad weeks after the first step",
        "p_felt_withdrawal_over": "Withdrawal, any cause",
        "p_felt_function_loss": "Function, any cause",
        "p_felt_pain_rise": "Pain, any cause",
        "p_withdrawal_over": "Withdrawal, by it alone",
        "p_function_loss": "Function, by it alone",
        "p_pain_rise": "Pain, by it alone",
        "p_crisis": "Crisis",
        "p_overdose": "Overdose",
        "p_return_to_higher_dose": "Return to a higher dose",
    }
    return [
        {
            "Option": option["name"],
            **{
                head: interval_in_words(*(option[f"{name}{end}"] for end in ("", "_lo90", "_hi90")))
                for name, head in names.items()
            },
        }
        for option in answer["options"]
        if option["p_crisis"] is not None
    ]
