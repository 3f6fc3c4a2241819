"""Dosing frequency from the words and codes of ``Timing.code``. Imports nothing of the package.

The module parses a closed grammar of the texts that prescribing systems write ("BID", "Q6H PRN", "3 times daily",
"every other day"). A text that does not match the grammar as a whole has no frequency.
"""

import re
from typing import Final, NamedTuple


class Frequency(NamedTuple):
    """Administrations a day, and whether the number is the upper end of a range."""

    times: float
    ranged: bool = False


_CODES: Final[dict[str, float]] = {
    "qd": 1,
    "od": 1,
    "daily": 1,
    "am": 1,
    "pm": 1,
    "bed": 1,
    "qhs": 1,
    "hs": 1,
    "qam": 1,
    "qpm": 1,
    "qday": 1,
    "bid": 2,
    "tid": 3,
    "qid": 4,
    "qod": 0.5,
    "wk": 1 / 7,
    "qwk": 1 / 7,
    "qweek": 1 / 7,
    "weekly": 1 / 7,
    "nightly": 1,
    "at bedtime": 1,
    "bedtime": 1,
    "every day": 1,
    "each day": 1,
    "every other day": 0.5,
    "every second day": 0.5,
    "once": 0,
    "one time": 0,
}
"""Administrations a day, by the codes of v3 GTSAbbreviation and their usual words; 0 means a single dose."""
_COUNTS: Final[dict[str, int]] = {
    "once": 1,
    "one": 1,
    "twice": 2,
    "two": 2,
    "thrice": 3,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "eight": 8,
}
_COUNT = r"(\d{1,2}|" + "|".join(_COUNTS) + ")"
_RANGE = _COUNT + r"(?: ?(?:-|–|to) ?" + _COUNT + ")?"
_OF_DAY = r"(morning|evening|night|afternoon|noon|midday|bedtime)"
_QUALIFIERS = re.compile(
    r"\b(prn|as needed|if needed|when needed|as required|scheduled|oral|orally|by mouth|po|around the clock|atc|"
    r"(with|after|before|w) ?(meals?|food|breakfast|lunch|dinner|supper)|for pain|for severe pain|for moderate pain)\b"
)
"""Words that do not change the frequency."""
_EVERY_H = re.compile(rf"(?:every|each|q) ?{_RANGE} ?(?:h|hr|hrs|hour|hours)")
_EVERY_D = re.compile(rf"(?:every|each|q) ?{_COUNT} ?(?:d|days?)")
_A_DAY = re.compile(rf"{_RANGE} ?(?:x|times?)? ?(?:a|per|each|every)? ?(?:day|daily)")
_A_WEEK = re.compile(rf"{_RANGE} ?(?:x|times?)? ?(?:a|per|each|every)? ?(?:week|weekly|wk)")
_AT = re.compile(rf"(?:(?:once )?(?:daily|a day|every day) )?(?:(?:every|each|in the|at|nightly at) )+{_OF_DAY}")


def _number(text: str) -> float:
    return float(text) if text.isdecimal() else float(_COUNTS[text])


def _ends(low: str, high: str | None) -> tuple[float, float]:
    first = _number(low)
    return first, first if high is None else _number(high)


def frequency_of(text: str) -> Frequency | None:
    """Frequency of a code or a text; None if the grammar does not match it.

    Examples
    --------
    >>> [frequency_of(text).times for text in ("Q6H PRN", "twice a day", "every 4-6 hours")]
    [4.0, 2.0, 6.0]
    >>> frequency_of("as directed") is None
    True
    """
    plain = re.sub(r"[.()]", "", text.lower())
    plain = re.sub(r"[\s:,;/_]+", " ", plain)
    plain = re.sub(r"\s+", " ", _QUALIFIERS.sub(" ", plain)).strip()
    if plain in _CODES:
        return Frequency(float(_CODES[plain]))
    if match := _EVERY_H.fullmatch(plain):
        low, high = _ends(match[1], match[2])
        return Frequency(24.0 / low, high != low) if 0 < low <= high else None
    if match := _EVERY_D.fullmatch(plain):
        days = _number(match[1])
        return Frequency(1.0 / days) if days > 0 else None
    for pattern, days in ((_A_DAY, 1.0), (_A_WEEK, 7.0)):
        if match := pattern.fullmatch(plain):
            low, high = _ends(match[1], match[2])
            return Frequency(high / days, high != low) if 0 < low <= high else None
    if _AT.fullmatch(plain) or re.fullmatch(rf"(?:once|1 time) (?:daily|a day) at {_OF_DAY}", plain):
        return Frequency(1.0)
    return None
