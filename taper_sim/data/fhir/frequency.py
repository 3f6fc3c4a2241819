"""How often a day, from the words and codes of ``Timing.code``. Imports nothing of the package.

A closed grammar of what prescribers' systems write ("BID", "Q6H PRN", "3 times daily", "every other day"): a text that
it does not match as a whole says nothing.
"""

import re
from typing import Final, NamedTuple


class Often(NamedTuple):
    """Times a day, and whether that is the upper end of a range."""

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
"""Times a day by the codes of v3 GTSAbbreviation and their usual words; 0 is a single dose."""
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
_BESIDES = re.compile(
    r"\b(prn|as needed|if needed|when needed|as required|scheduled|oral|orally|by mouth|po|around the clock|atc|"
    r"(with|after|before|w) ?(meals?|food|breakfast|lunch|dinner|supper)|for pain|for severe pain|for moderate pain)\b"
)
"""Words that leave how often as it is."""
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


def often(text: str) -> Often | None:
    """Times a day that a code or a text says; None if it says nothing that is known.

    Examples
    --------
    >>> often("Q6H PRN").times, often("twice a day").times, often("every 4-6 hours").times, often("as directed")
    (4.0, 2.0, 6.0, None)
    """
    plain = re.sub(r"[.()]", "", text.lower())
    plain = re.sub(r"[\s:,;/_]+", " ", plain)
    plain = re.sub(r"\s+", " ", _BESIDES.sub(" ", plain)).strip()
    if plain in _CODES:
        return Often(float(_CODES[plain]))
    if match := _EVERY_H.fullmatch(plain):
        low, high = _ends(match[1], match[2])
        return Often(24.0 / low, high != low) if 0 < low <= high else None
    if match := _EVERY_D.fullmatch(plain):
        days = _number(match[1])
        return Often(1.0 / days) if days > 0 else None
    for pattern, days in ((_A_DAY, 1.0), (_A_WEEK, 7.0)):
        if match := pattern.fullmatch(plain):
            low, high = _ends(match[1], match[2])
            return Often(high / days, high != low) if 0 < low <= high else None
    if _AT.fullmatch(plain) or re.fullmatch(rf"(?:once|1 time) (?:daily|a day) at {_OF_DAY}", plain):
        return Often(1.0)
    return None
