"""A recommendation as text for a terminal. Imports ``recommend``.

The content is that of ``--json``, in clinical order: status, choice, doses, reasons, options, open questions, quality.
"""

import textwrap
from typing import Any

from taper_sim.data.problems import escaped
from taper_sim.recommend.answer import RecommendationFields
from taper_sim.report.destination_text import destination_lines

_WIDTH = 100
_COLUMNS = (
    ("p_withdrawal_over", "withdrawal"),
    ("p_function_loss", "function"),
    ("p_pain_rise", "pain"),
    ("p_crisis", "crisis"),
    ("p_overdose", "overdose"),
    ("p_return_to_higher_dose", "return"),
)


def _percent(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return "-"
    return f"{100 * value:.1f} ({100 * low:.0f}-{100 * high:.0f})"


def _wrapped(text: str, indent: str = "  ") -> str:
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return textwrap.fill(plain, _WIDTH, initial_indent=f"{indent}- ", subsequent_indent=f"{indent}  ")


def recommendation_text(recommendation: RecommendationFields) -> str:
    """The recommendation as text."""
    answer = recommendation.as_dict()
    lines = [f"patient {escaped(answer['patient_id'])}, as of {answer['as_of']}: {answer['status'].upper()}"]
    if answer["chosen"]:
        lines.append(f"chosen: {answer['chosen']}")
    if answer["doses"]:
        lines += ["doses of the recommendation:", *(_wrapped(_dose(row)) for row in answer["doses"])]
    lines += ["why:", *map(_wrapped, answer["reasons"])]
    if answer["options"]:
        lines += ["", *_options(answer)]
    needed = [q for q in answer["questions"] if q["needed_before_reduction"] == "yes"]
    if needed:
        lines += ["", "to ask before any reduction:", *(_wrapped(q["question"]) for q in needed)]
    if answer["would_change"]:
        lines += ["", "what would change this:", *map(_wrapped, answer["would_change"])]
    lines += destination_lines(answer)
    quality, basis = answer["quality"], answer["basis"]
    lines += [
        "",
        f"check-ins on {quality['n_checkins']} days; effective draws {quality['ess']}, k-hat {quality['khat']}, "
        f"predictive p {quality['predictive_p']}; population {basis['population_id']}, "
        f"{'calibrated' if basis['calibrated'] else 'not calibrated to published results'}",
        textwrap.fill(answer["not_for"], _WIDTH),
    ]
    return "\n".join(lines)


def _dose(row: dict[str, Any]) -> str:
    per_day = row["dose_mg_per_day"]
    amount = f"{per_day:g} mg a day" if per_day is not None else f"{row['dose_mcg_per_h']:g} mcg/h"
    equal = f" ({row['equivalents']:g} {row['equivalents_unit']})" if row["equivalents"] is not None else ""
    most = ", at most, as needed" if row["as_needed"] else ""
    return f"{row['drug']} {row['formulation']} {amount}{equal}{most}, since {row['since']}"


def _options(answer: dict[str, Any]) -> list[str]:
    days = answer["limits"]["horizon_days"]
    lines = [f"options, probabilities in % within {days} days (90 % interval):"]
    for option in sorted(answer["options"], key=lambda o: (o["rank"] is None, o["rank"] or 0)):
        mark = "*" if option["name"] == answer["chosen"] else " "
        status = "" if option["status"] == "offered" else f"  [{option['status']}]"
        lines.append(textwrap.fill(f"{mark} {option['name']}{status}", _WIDTH, subsequent_indent="    "))
        if option["status"] != "offered" or option["p_crisis"] is None:
            continue
        figures = [
            f"{word} {_percent(*(option[f'{name}{end}'] for end in ('', '_lo90', '_hi90')))}" for name, word in _COLUMNS
        ]
        lines.append(textwrap.fill(", ".join(figures), _WIDTH, initial_indent="    ", subsequent_indent="    "))
        if option["name"] == answer["chosen"]:
            for row in option["schedule"]:
                per_day = row["dose_mg_per_day"]
                amount = f"{per_day:g} mg a day" if per_day is not None else f"{row['dose_mcg_per_h']:g} mcg/h"
                lines.append(f"    {row['date']}: {row['drug']} {row['formulation']} {amount}: {row['tablets']}")
    return lines
