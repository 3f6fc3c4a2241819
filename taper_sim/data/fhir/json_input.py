"""Strict reading of JSON: no repeated key, no NaN, nothing after the end. Imports ``data.problems`` and below.

The second half reads FHIR numbers, dates and texts of a validated resource.
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
"""A bundle of one patient has a few megabytes, 200 MB that of a whole practice. A design choice."""


class Cannot(ValueError):
    """An entry that cannot be read: the value given, and what is allowed."""

    def __init__(self, given: str, allowed: str):
        self.given, self.allowed = given, allowed
        super().__init__(f"{given}; allowed: {allowed}")


class _NotStrict(ValueError):
    """A repeated key or a number that is not finite."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        keys: set[str] = set()
        repeated = next(key for key, _ in pairs if key in keys or keys.add(key))  # type: ignore[func-returns-value]
        raise _NotStrict(f"the key {shown(repeated)} twice in one object")
    return content


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _NotStrict(f"the number {shown(text)}")
    return value


def _constant(text: str) -> float:
    raise _NotStrict(text)


def is_json(path: Path) -> bool:
    """Whether a file is JSON: by the ending of its name, or without a known ending by its first character."""
    ending = path.suffix.lower()
    if ending in (".json", ".ndjson", ".jsonl", ".csv"):
        return ending != ".csv"
    try:
        if not path.is_file():  # reading a pipe would block
            return False
        with path.open("rb") as handle:
            return handle.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")
    except (OSError, ValueError):
        return False


def _place(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    InputError
        If the file is missing, no text or no JSON, has text after the end of the JSON (with line and column), a
        repeated key, NaN or Infinity.
    """
    if path.suffix.lower() in (".ndjson", ".jsonl"):
        raise problem(
            str(path), "", "NDJSON, a resource a line", "one FHIR R4 Bundle (put the lines into entry[].resource)"
        )
    return parsed_json(path, read_text(path, MAX_BUNDLE_BYTES))


def parsed_json(path: Path, text: str, what: str = "a FHIR R4 Bundle") -> Any:
    """The value of a JSON text; ``path`` and ``what`` stand in messages. Raises as :func:`read_json`."""
    start = re.match(r"\ufeff?[ \t\r\n]*", text)
    begin = start.end() if start else 0
    if begin == len(text):
        raise problem(str(path), "", "an empty file", f"{what} as JSON")
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_constant)
    try:
        value, end = decoder.raw_decode(text, begin)
    except json.JSONDecodeError as error:
        raise problem(str(path), _place(text, error.pos), f"no JSON ({error.msg})", what) from None
    except _NotStrict as error:
        raise problem(str(path), "", str(error), "each key once, and finite numbers") from None
    except RecursionError:
        raise problem(str(path), "", "JSON nested too deep", f"{what} as JSON") from None
    except ValueError:
        raise problem(str(path), "", "a whole number of thousands of digits", "numbers of a usual length") from None
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
    """A finite number of a validated resource, which may be a text; None if there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        finite = float(value)
    except (ValueError, OverflowError):
        return None
    return finite if math.isfinite(finite) else None


def parts(value: Any) -> list[dict[str, Any]]:
    """Objects of a list, or the single object; other values are dropped."""
    listed = value if isinstance(value, list) else [value]
    return [part for part in listed if isinstance(part, dict)]


def part(value: Any, key: str) -> dict[str, Any]:
    """An object inside an object, empty if there is none."""
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def texts(value: Any) -> list[str]:
    """Texts of a list, or the single text; other values are dropped."""
    listed = value if isinstance(value, list) else [value]
    return [text for text in listed if isinstance(text, str)]


def word(value: Any) -> str:
    """A stripped text; empty for any other value."""
    return value.strip() if isinstance(value, str) else ""


def concept_texts(concept: Any) -> list[str]:
    """Names of a CodeableConcept: its text, then the displays of its codings."""
    concept = concept if isinstance(concept, dict) else {}
    names = [word(concept.get("text")), *(word(coding.get("display")) for coding in parts(concept.get("coding")))]
    return [text for text in dict.fromkeys(names) if text]


def day_of(value: Any) -> date | None:
    """The local day of a FHIR date or dateTime as written; None without a day or with an implausible year."""
    text = word(value)
    return the_date(text[:10]) if len(text) == 10 or text[10:11] == "T" else None


def end_of(value: Any) -> date | None:
    """First day after the end of a period: a date is included; an instant at midnight ends the previous day."""
    day = day_of(value)
    if day is None:
        return None
    return day if re.match(r"T00:00(:00(\.0+)?)?(Z|[+-]|$)", word(value)[10:]) else day + timedelta(days=1)


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every object inside a value, outermost first."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            yield inner
            waiting += list(inner.values())
        elif isinstance(inner, list):
            waiting += inner
