"""Wording that the first screen of a recommendation and its details share. Imports ``safety``, ``recommend``."""

import re
import textwrap
from collections.abc import Sequence
from typing import Any, Final

from taper_sim.comparison.chance_words import interval_in_words
from taper_sim.recommend.barred_options import questions_in_words
from taper_sim.safety.felt_cuts import back_in_words

WIDTH: Final = 100
_INSTRUMENTS: Final = {"sows_gossop": "withdrawal", "pain_nrs": "pain", "function": "function"}
_IN_BRACKETS: Final = re.compile(r" (?:of original )?\((?:[^()]|\([^()]*\))*\)")
_OF_DOSE: Final = re.compile(r"(?<=%) of [^()]*?(?= in [0-9]+ days)")
"""What a ceiling is a share of: the line of today's doses has it."""
_WAITS: Final = re.compile(r"(?<=and waits )[0-9]+(?= days)")
"""Days for which one pace waits; paces with the same smallest step are one sentence."""
_BY_CHANCE: Final = "chance of "
"""How the reason of an option that breaks a limit begins."""
_WITHDRAWAL: Final = re.compile(r"withdrawal over ([0-9]*\.?[0-9]+)")
_NAMES: Final = {"maintain": "maintain", "monitor": "closer monitoring", "step_back": "step back"}


def _plain(text: str) -> str:
    """A text of which every letter can be printed."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def filled(text: str, indent: str = "") -> str:
    """A paragraph, wrapped; what cannot be printed becomes a blank."""
    return textwrap.fill(_plain(text), WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ")


def point(text: str, indent: str = "  ") -> str:
    """A text as a point of a list, wrapped; what cannot be printed becomes a blank."""
    plain = _plain(text)
    return textwrap.fill(plain, WIDTH, initial_indent=f"{indent}- ", subsequent_indent=f"{indent}  ")


def in_points(text: str) -> str:
    """A text in which a limit of overall withdrawal, 0 to 1, stands in points of SOWS-Gossop."""
    return _WITHDRAWAL.sub(lambda limit: f"withdrawal over {30 * float(limit[1]):g} of 30 SOWS points", text)


def without_brackets(text: str) -> str:
    """A text without what stands in brackets."""
    return _IN_BRACKETS.sub("", text)


def amount_in_words(row: dict[str, Any]) -> str:
    """Dose of a row of a schedule or of the doses, in its own unit."""
    per_day = row["dose_mg_per_day"]
    return f"{per_day:g} mg a day" if per_day is not None else f"{row['dose_mcg_per_h']:g} mcg/h"


def dose_in_words(row: dict[str, Any]) -> str:
    """A dose in force: drug, amount, equivalents, since when."""
    equal = f" ({row['equivalents']:g} {row['equivalents_unit']})" if row["equivalents"] is not None else ""
    most = ", at most, as needed" if row["as_needed"] else ""
    return f"{row['drug']} {row['formulation']} {amount_in_words(row)}{equal}{most}, since {row['since']}"


def cut_in_words(cut: dict[str, Any]) -> str:
    """What a past cut did: date, size, worst day of what broke a limit."""
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


def cuts_in_a_sentence(cuts: Sequence[dict[str, Any]]) -> str:
    """What followed the last cuts, in days over a limit; empty without a cut that can be judged."""
    felt = [cut for cut in cuts if cut["felt"]][-2:]
    if not felt:
        return ""
    cuts_named = "the last cut" if len(felt) == 1 else f"the last {len(felt)} cuts"
    days = [max((f["days_over"] for f in cut["felt"] if f["broke_limit"]), default=0) for cut in felt]
    if not any(days):
        return f"no limit was broken after {cuts_named}"
    were = "was" if len(felt) == 1 else "were"
    return f"{cuts_named} {were} followed by {' and '.join(map(str, days))} days over a limit"


def two_weeks_in_words(option: dict[str, Any]) -> str:
    """Chance of two bad weeks after the first step, with its interval."""
    return interval_in_words(*(option[f"p_hurts_again{end}"] for end in ("", "_lo90", "_hi90")))


def short_name(option: dict[str, Any]) -> str:
    """Short name of an option."""
    name = _NAMES.get(option["kind"], without_brackets(option["name"]))
    if option["kind"] == "rotate":
        name = name.removesuffix(", with a pharmacist")
    if option["kind"] == "step_back":
        return f"{name}{' in steps' if option['better_in_a_year'] is not None else ''} ({option['drug_class']})"
    return str(name)


def pace_in_words(option: dict[str, Any]) -> str:
    """Pace of a reduction: ``7.5``, percent of the original."""
    return f"{option['pct_per_28d']:g}"


def option_in_words(option: dict[str, Any], answer: dict[str, Any]) -> str:
    """Name of an option that differs, with the names of those that equal it."""
    same = [o for o in answer["options"] if o["same_as"] == option["name"]]
    if option["kind"] != "reduce":
        return " = ".join(short_name(o) for o in (option, *same))
    paces = sorted(map(pace_in_words, (option, *same)), key=float)
    name = f"reduce {option['drug_class']} by {' or '.join(paces)} % every 28 days"
    return name + (f", {option['variant']}" if option["variant"] else "")


def limit_broken(option: dict[str, Any]) -> tuple[float, float]:
    """Chance of a broken limit within the horizon, from any cause and by the option alone: the largest of the three."""
    what = ("withdrawal_over", "function_loss", "pain_rise")
    return max(option[f"p_felt_{name}"] for name in what), max(option[f"p_{name}"] for name in what)


def not_offered_in_words(answer: dict[str, Any]) -> list[str]:
    """Options that are not offered, a sentence for each reason."""
    by_reason: dict[str, list[dict[str, Any]]] = {}
    for option in answer["options"]:
        if option["status"] != "offered":
            reason = questions_in_words(option["status"].removeprefix("blocked: "))
            is_chance = reason.startswith(_BY_CHANCE)
            alike = f"{_BY_CHANCE}{option['drug_class']}" if is_chance else _WAITS.sub("…", reason)
            by_reason.setdefault(alike, []).append(option)
    sentences = []
    for reason, options in by_reason.items():
        names = [short_name(o) for o in options if o["kind"] != "reduce"]
        for drug_class in dict.fromkeys(o["drug_class"] for o in options if o["kind"] == "reduce"):
            reductions = [o for o in options if o["kind"] == "reduce" and o["drug_class"] == drug_class]
            paces = dict.fromkeys(map(pace_in_words, reductions))
            names.insert(0, f"{drug_class} by {', '.join(paces)} %")
        waits = ", ".join(dict.fromkeys(days for o in options for days in _WAITS.findall(o["status"])))
        shorter = without_brackets(_OF_DOSE.sub("", reason.replace("waits …", f"waits {waits}")))
        if reason.startswith(_BY_CHANCE):  # of the slowest; the chances of the others are in the details
            slowest = min(options, key=lambda o: o["pct_per_28d"])
            shorter = slowest["status"].removeprefix("blocked: ")
            shorter = f"of the slowest, {shorter}" if len(options) > 1 else shorter
        sentences.append(in_points(f"not offered: {'; '.join(names)}: {shorter}"))
    return sentences


def points_of_schedule(rows: Sequence[dict[str, Any]], indent: str) -> list[str]:
    """A line for each change of a schedule: date, drug, dose, tablets."""
    return [
        textwrap.fill(
            f"{row['date']}: {row['drug']} {row['formulation']} {amount_in_words(row)}: {row['tablets']}",
            WIDTH,
            initial_indent=indent,
            subsequent_indent=indent + "  ",
        )
        for row in rows
    ]
