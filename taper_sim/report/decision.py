"""A recommendation as text for a terminal. Imports ``inference``.

The same content as ``--json``, in the order in which a clinician asks: what is urgent, what is offered, how sure, why.
"""

import textwrap
from typing import Any

from taper_sim.data.problems import escaped
from taper_sim.recommend.answer import Recommendation

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


def recommendation_text(recommendation: Recommendation) -> str:
    """The answer in words."""
    said = recommendation.as_dict()
    lines = [f"patient {escaped(said['patient_id'])}, as of {said['as_of']}: {said['status'].upper()}"]
    if said["chosen"]:
        lines.append(f"chosen: {said['chosen']}")
    if said["doses"]:
        lines += ["doses that this rests on:", *(_wrapped(_dose(row)) for row in said["doses"])]
    lines += ["why:", *map(_wrapped, said["reasons"])]
    if said["options"]:
        lines += ["", *_options(said)]
    asked = [q for q in said["questions"] if q["needed_before_reduction"] == "yes"]
    if asked:
        lines += ["", "to ask before any reduction:", *(_wrapped(q["question"]) for q in asked)]
    if said["would_change"]:
        lines += ["", "what would change this:", *map(_wrapped, said["would_change"])]
    quality, basis = said["quality"], said["basis"]
    lines += [
        "",
        f"check-ins on {quality['n_checkins']} days; effective draws {quality['ess']}, k-hat {quality['khat']}, "
        f"predictive p {quality['predictive_p']}; population {basis['population_id']}, "
        f"{'calibrated' if basis['calibrated'] else 'not calibrated to published results'}",
        textwrap.fill(said["not_for"], _WIDTH),
    ]
    return "\n".join(lines)


def _dose(row: dict[str, Any]) -> str:
    per_day = row["dose_mg_per_day"]
    amount = f"{per_day:g} mg a day" if per_day is not None else f"{row['dose_mcg_per_h']:g} mcg/h"
    equal = f" ({row['equivalents']:g} {row['equivalents_unit']})" if row["equivalents"] is not None else ""
    most = ", at most, as needed" if row["as_needed"] else ""
    return f"{row['drug']} {row['formulation']} {amount}{equal}{most}, since {row['since']}"


def _options(said: dict[str, Any]) -> list[str]:
    days = said["limits"]["horizon_days"]
    lines = [f"options, chances in % within {days} days (90 % interval):"]
    for option in sorted(said["options"], key=lambda o: (o["rank"] is None, o["rank"] or 0)):
        mark = "*" if option["name"] == said["chosen"] else " "
        status = "" if option["status"] == "offered" else f"  [{option['status']}]"
        lines.append(textwrap.fill(f"{mark} {option['name']}{status}", _WIDTH, subsequent_indent="    "))
        if option["status"] != "offered" or option["p_crisis"] is None:
            continue
        figures = [
            f"{word} {_percent(*(option[f'{name}{end}'] for end in ('', '_lo90', '_hi90')))}" for name, word in _COLUMNS
        ]
        lines.append(textwrap.fill(", ".join(figures), _WIDTH, initial_indent="    ", subsequent_indent="    "))
        if option["name"] == said["chosen"]:
            for row in option["schedule"]:
                per_day = row["dose_mg_per_day"]
                amount = f"{per_day:g} mg a day" if per_day is not None else f"{row['dose_mcg_per_h']:g} mcg/h"
                lines.append(f"    {row['date']}: {row['drug']} {row['formulation']} {amount}: {row['tablets']}")
    return lines
