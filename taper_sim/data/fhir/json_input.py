"""JSON that is read strictly: nothing after its end, no key twice, no NaN. Imports ``data.problems`` and below.

The second half reads parts of a checked resource: FHIR numbers, dates and texts.
"""

import json
import math
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from taper_sim.data.checkins import the_date
from taper_sim.data.problems import problem, shown
from taper_sim.data.yaml_input import read_text

MAX_BUNDLE_BYTES: Final = 200_000_000
"""A bundle of one patient's life is some megabytes; 200 MB is a whole practice. A design choice."""


class Cannot(ValueError):
    """What one entry has that cannot be read, and what could be."""

    def __init__(self, given: str, allowed: str):
        self.given, self.allowed = given, allowed
        super().__init__(f"{given}; allowed: {allowed}")


class _Twice(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Twice(f"the key {shown(twice)} twice in one object")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Twice(f"the number {shown(text)}")
    return value


def _constant(text: str) -> float:
    raise _Twice(text)


def is_json(path: Path) -> bool:
    """Whether a file is meant as JSON: by its name or, if that is not CSV, by its first sign."""
    ending = path.suffix.lower()
    if ending in (".json", ".ndjson", ".jsonl", ".csv"):
        return ending != ".csv"
    try:
        if not path.is_file():  # a pipe would be waited for
            return False
        with path.open("rb") as handle:
            return handle.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")
    except (OSError, ValueError):
        return False


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises
    ------
    InputError
        No file, no text, no JSON, something after the end of it (with line and column), a key twice, NaN or Infinity.
    """
    if path.suffix.lower() in (".ndjson", ".jsonl"):
        raise problem(
            str(path), "", "NDJSON, a resource a line", "one FHIR R4 Bundle (put the lines into entry[].resource)"
        )
    text = read_text(path, MAX_BUNDLE_BYTES)
    start = re.match(r"\ufeff?[ \t\r\n]*", text)
    begin = start.end() if start else 0
    if begin == len(text):
        raise problem(str(path), "", "an empty file", "a FHIR R4 Bundle as JSON")
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_constant)
    try:
        value, end = decoder.raw_decode(text, begin)
    except json.JSONDecodeError as error:
        raise problem(str(path), _place(text, error.pos), f"no JSON ({error.msg})", "a FHIR R4 Bundle") from None
    except _Twice as error:
        raise problem(str(path), "", str(error), "each key once, and finite numbers") from None
    except RecursionError:
        raise problem(str(path), "", "JSON nested without end", "a FHIR R4 Bundle as JSON") from None
    except ValueError:
        raise problem(str(path), "", "a whole number of thousands of digits", "numbers that may be meant") from None
    rest = re.compile(r"[ \t\r\n]*").match(text, end)
    after = rest.end() if rest else end
    if after < len(text):
        if isinstance(value, dict) and value.get("resourceType") not in (None, "Bundle") and text[after] == "{":
            raise problem(
                str(path),
                _place(text, after),
                "NDJSON, a resource a line",
                "one FHIR R4 Bundle (put the lines into entry[].resource)",
            )
        given = f"{shown(text[after : after + 20])} after the end of the JSON"
        raise problem(str(path), _place(text, after), given, "nothing after it")
    return value


def number(value: Any) -> float | None:
    """A finite number of a checked resource, which the checker also takes as text; None where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def parts(value: Any) -> list[dict[str, Any]]:
    """The objects of a list (or the one object), whatever else stands in it."""
    listed = value if isinstance(value, list) else [value]
    return [part for part in listed if isinstance(part, dict)]


def part(value: Any, key: str) -> dict[str, Any]:
    """An object of an object, empty if there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def texts(value: Any) -> list[str]:
    """The texts of a list (or the one text)."""
    listed = value if isinstance(value, list) else [value]
    return [text for text in listed if isinstance(text, str)]


def word(value: Any) -> str:
    """A text, empty if it is none."""
    return value.strip() if isinstance(value, str) else ""


def concept_texts(concept: Any) -> list[str]:
    """What a CodeableConcept is called: its text, then the displays of its codings."""
    concept = concept if isinstance(concept, dict) else {}
    found = [word(concept.get("text")), *(word(coding.get("display")) for coding in parts(concept.get("coding")))]
    return [text for text in dict.fromkeys(found) if text]


def day_of(value: Any) -> date | None:
    """The local day of a FHIR date or dateTime as written; None without a day, or in a year nobody means."""
    text = word(value)
    return the_date(text[:10]) if len(text) == 10 or text[10:11] == "T" else None


def end_of(value: Any) -> date | None:
    """First day after a period's end: a date is included, an instant at midnight ends the day before."""
    day = day_of(value)
    if day is None:
        return None
    return day if re.match(r"T00:00(:00(\.0+)?)?(Z|[+-]|$)", word(value)[10:]) else day + timedelta(days=1)


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every object inside a value, outermost first."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting += list(found.values())
        elif isinstance(found, list):
            waiting += found
