"""The table of destinations as text for a terminal. Imports ``report.decision_words``.

The content is that of the field ``destinations`` of the answer; docs/destination.md explains it.
"""

from collections.abc import Mapping
from typing import Any

from taper_sim.comparison.chance_words import chance_in_words
from taper_sim.report.decision_words import filled, point


def destination_summary(answer: Mapping[str, Any]) -> list[str]:
    """A line for each drug class: the chance of being better off at shares of today's dose, by each set of values."""
    lines = []
    for of_class in answer.get("destinations", ()):
        shares, chances = "", []
        for table in of_class["sets"]:
            rows = [row for row in table["rows"] if row["dose_pct"] < 100.0]
            shares = ", ".join(f"{row['dose_pct']:.0f}" for row in rows)
            words = ", ".join(chance_in_words(row["better"]).removesuffix(" %") for row in rows)
            chances.append(f"{words} % ({values_in_words(table['name'])})")
        head = f"where to stop, no offer: chance of being better off in a year at {shares} % of today's"
        lines.append(filled(f"{head} {of_class['drug_class']}: {'; '.join(chances)}"))
    return lines


def values_in_words(name: str) -> str:
    """Whose values a set is: ``values by default``, ``if a full stop counts less``."""
    return f"if {name}" if name.startswith("a ") else f"values {name}"


def destination_lines(answer: Mapping[str, Any]) -> list[str]:
    """Lines of the table, first a blank one; nothing if the answer has no table."""
    lines: list[str] = []
    for of_class in answer.get("destinations", ()):
        lines += ["", *_class_lines(of_class)]
    questions = answer["destinations"][0]["questions"] if lines else []
    if questions:
        lines.append("  to ask, so that the table is the patient's own (limits file; default in brackets):")
        for row in questions:
            text = f"{row['key']} ({row['default']:g}): {row['question']}"
            lines.append(point(text))
    return lines


def _class_lines(of_class: Mapping[str, Any]) -> list[str]:
    trial, pace = of_class["trial"], of_class["pace_pct_per_28d"]
    head = (
        f"where to stop, {of_class['drug_class']}: is the patient better off in a year than at today's dose, by their "
        f"own weights? A prediction of an uncalibrated model, with at most {pace:g} % of the original dose in 28 days. "
        "It is no offer."
    )
    lines = [filled(head)]
    for table in of_class["sets"]:
        title = f"values {table['name']}: {table['in_words']}"
        lines.append(filled(title, "  "))
        lines.append(f"    {'dose':<7}{'better off':<12}{'gain (90 % interval)':<26}{'today':<9}settled by a trial")
        for row in table["rows"]:
            lines.append(_row_line(row, row["dose_pct"] == table["least_loss_pct"]))
        lines.append(
            f"    certainty before the choice would be worth {table['worth_knowing']:.2f} of these differences, the "
            f"trial {table['worth_trial']:.2f}"
        )
    explanation = (
        "The gain counts important differences of the domain that weighs most. The star marks the least expected loss, "
        "with harm counted. A chance above 80 % or below 20 % is settled. The trial is "
        f"{trial['days_there'] // 7} weeks at {trial['dose_pct']:g} % of today's dose, known after "
        f"{trial['days_until_known']} days. The last column is the expected chance that it settles the question: no "
        "promise."
    )
    lines.append(filled(explanation, "  "))
    return lines


def _row_line(row: Mapping[str, Any], least_loss: bool) -> str:
    dose = f"{'*' if least_loss else ' '}{row['dose_pct']:.0f} %"
    if row["dose_pct"] == 100.0:
        return f"   {dose:<8}(today's dose, with which the others are compared)"
    gain = f"{row['gain']:+.1f} ({row['gain_lo90']:+.1f} to {row['gain_hi90']:+.1f})"
    today = "settled" if row["settled"] else "open"
    after = "" if row["settled"] else chance_in_words(row["settled_after"])
    later = "" if row["day"] <= 364 else f"  (in {row['day']} days)"
    return f"   {dose:<8}{chance_in_words(row['better']):<12}{gain:<26}{today:<9}{after}{later}".rstrip()
