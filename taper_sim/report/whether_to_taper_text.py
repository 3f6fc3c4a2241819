"""The answer to "taper at all?" as lines of text, what speaks for and against. Imports ``decision_words``."""

from typing import Any

from taper_sim.report.decision_words import filled


def taper_at_all_short(answer: dict[str, Any]) -> list[str]:
    """The default, its reason, and how many reasons there are on both sides, as one paragraph."""
    if answer["status"] != "recommend":
        return []
    whether = answer["taper_at_all"]
    counted = f"{len(whether['for'])} for, {len(whether['against'])} against: --details"
    return [filled(f"taper at all? {whether['default']}: {whether['because']} ({counted})")]


def taper_at_all_lines(answer: dict[str, Any]) -> list[str]:
    """The default, its reason, and the reasons on both sides; nothing for an answer without options."""
    if answer["status"] != "recommend":
        return []
    whether = answer["taper_at_all"]
    lines = [filled(f"taper at all? {whether['default']}: {whether['because']}")]
    for side in ("for", "against"):
        sentences = [reason["sentence"] for reason in whether[side]]
        lines.append(filled(f"{side} a taper: {'; '.join(sentences) or 'nothing on record'}", "  "))
    return lines
