"""Chances in words: none is 0 or 1. Imports nothing."""

from typing import Final

_LEAST: Final = 0.01
_MOST: Final = 0.99


def chance_in_words(p: float | None) -> str:
    """A chance in percent; below 1 % and above 99 % in words, because neither is 0 or 1."""
    if p is None:
        return "-"
    if p < _LEAST:
        return "under 1 %"
    return "over 99 %" if p > _MOST else f"{100 * p:.0f} %"


def of_people_in_words(p: float | None, people: int = 100) -> str:
    """A chance as a number of so many people; below 1 and close to all in words, because neither is none or all."""
    if p is None:
        return "-"
    if p * people < 1:
        return f"fewer than 1 of {people:,}"
    return f"more than {people - 1:,} of {people:,}" if p * people > people - 1 else f"{people * p:.0f} of {people:,}"


def interval_in_words(p: float | None, low: float | None, high: float | None) -> str:
    """A chance and its 90 % interval, in percent."""
    if p is None or low is None or high is None:
        return "-"
    return f"{chance_in_words(p)} ({100 * low:.0f} to {100 * high:.0f})"
