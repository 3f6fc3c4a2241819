"""The whole of a recommendation as text for a terminal. Imports ``recommend``, ``report.decision_words``.

The content is that of ``--json``, in clinical order: status, choice, doses, reasons, options, open questions, quality.
"""

import textwrap
from typing import Any

import numpy as np

from taper_sim.comparison.chance_words import interval_in_words
from taper_sim.data.problems import escaped
from taper_sim.recommend.answer import RecommendationFields
from taper_sim.report.decision_words import WIDTH, dose_in_words, point, points_of_schedule
from taper_sim.report.destination_text import destination_lines
from taper_sim.report.whether_to_taper_text import taper_at_all_lines

_COLUMNS = (
    ("p_hurts_again", "two bad weeks after its first step"),
    ("p_felt_withdrawal_over", "from any cause: withdrawal"),
    ("p_felt_function_loss", "function"),
    ("p_felt_pain_rise", "pain"),
    ("p_withdrawal_over", "brought by the option: withdrawal"),
    ("p_function_loss", "function"),
    ("p_pain_rise", "pain"),
    ("p_crisis", "crisis"),
    ("p_overdose", "overdose"),
    ("p_return_to_higher_dose", "return"),
)


def details_text(recommendation: RecommendationFields) -> str:
    """The whole recommendation as text."""
    answer = recommendation.as_dict()
    lines = [f"patient {escaped(answer['patient_id'])}, as of {answer['as_of']}: {answer['status'].upper()}"]
    lines.append(textwrap.fill(answer["headline"], WIDTH))
    if answer["chosen"]:
        lines.append(f"chosen: {answer['chosen']}")
    lines += taper_at_all_lines(answer)
    if answer["doses"]:
        lines += ["doses of the recommendation:", *(point(dose_in_words(row)) for row in answer["doses"])]
    lines += ["why:", *map(point, answer["reasons"])]
    if answer["options"]:
        lines += ["", *_options(answer)]
    for words, needed in (("to ask before any reduction:", "yes"), ("to ask as well:", "no")):
        asked = [q for q in answer["questions"] if q["needed_before_reduction"] == needed]
        if asked:
            lines += ["", words, *(point(q["question"]) for q in asked)]
    if answer["would_change"]:
        lines += ["", "what would change this:", *map(point, answer["would_change"])]
    lines += destination_lines(answer)
    quality, basis = answer["quality"], answer["basis"]
    lines += [
        "",
        *_past_forecasts(answer["past_forecasts"]),
        f"check-ins on {quality['n_checkins']} days; effective draws {quality['ess']}, k-hat {quality['khat']}, "
        f"predictive p {quality['predictive_p']}; population {basis['population_id']}, "
        f"{fitted_values(basis)}; {fitted_events(basis)}",
        textwrap.fill(answer["not_for"], WIDTH),
    ]
    return "\n".join(lines)


def fitted_events(basis: dict[str, Any]) -> str:
    """What the chances of events rest on."""
    n = basis["events_fitted_to"]
    return f"chances of events fitted to {n} published results" if n else "chances of events by their priors"


def fitted_values(basis: dict[str, Any]) -> str:
    """What the prior of the person's values rests on."""
    if basis["calibrated"]:
        return "prior of values: centres fitted, spread assumed"
    return "prior of values: not fitted to published results"


def _past_forecasts(rows: list[dict[str, Any]]) -> list[str]:
    """A line on the forecasts that would have been made at past cuts, over all of them."""
    parts = []
    for name in dict.fromkeys(row["instrument"] for row in rows):
        mine = [row for row in rows if row["instrument"] == name]
        n = np.array([row["n_reports"] for row in mine])
        error = float(np.average([row["mean_error"] for row in mine], weights=n))
        inside = float(np.average([row["share_in_80"] for row in mine], weights=n))
        parts.append(f"{name} {error:+.1f} points, {100 * inside:.0f} % of {n.sum()} reports")
    if not parts:
        return []
    line = f"past forecasts, reported less forecast on average, and inside the 80 % interval: {'; '.join(parts)}"
    return [textwrap.fill(line, WIDTH)]


def _options(answer: dict[str, Any]) -> list[str]:
    days = answer["limits"]["horizon_days"]
    lines = [f"options, chances within {days} days (90 % interval in %):"]
    for option in sorted(answer["options"], key=lambda o: (o["rank"] is None, o["rank"] or 0)):
        mark = "*" if option["name"] == answer["chosen"] else " "
        status = "" if option["status"] == "offered" else f"  [{option['status']}]"
        lines.append(textwrap.fill(f"{mark} {option['name']}{status}", WIDTH, subsequent_indent="    "))
        if option["status"] != "offered" or option["p_crisis"] is None:
            continue
        figures = [
            f"{word} {interval_in_words(*(option[f'{name}{end}'] for end in ('', '_lo90', '_hi90')))}"
            for name, word in _COLUMNS
        ]
        lines.append(textwrap.fill(", ".join(figures), WIDTH, initial_indent="    ", subsequent_indent="    "))
        if option["name"] == answer["chosen"]:
            lines += points_of_schedule(option["schedule"], "    ")
    return lines
