"""Problems of an input, one line each. Imports nothing of the package."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from unicodedata import category

_SHOWN = 60  # characters of a bad value that a message repeats


def shown(value: Any) -> str:
    """Repeat a value in one short line, control characters escaped."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except ValueError:  # Python refuses to print whole numbers of thousands of digits
        return "a number of thousands of digits"
    text = text[: 2 * _SHOWN] if len(text) > 2 * _SHOWN else text
    text = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return f"{text[:_SHOWN]}…" if len(text) > _SHOWN else text


def escaped(text: str) -> str:
    """Text in one line with every unprintable character escaped, so that it cannot control a terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def printable(text: str) -> str:
    """Text of several lines with unprintable characters escaped; line ends and spaces stay."""
    return "".join(
        letter if letter == "\n" or letter.isprintable() or category(letter) == "Zs" else escaped(letter)
        for letter in text
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, or an empty string."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


@dataclass(frozen=True)
class Problem:
    """One problem: file, place in it, what was given, what is allowed."""

    file: str
    place: str
    given: str
    allowed: str

    def __str__(self) -> str:
        """One line, whatever the fields hold: ``file: place: given …; allowed: …``."""
        where = f"{self.file}: {self.place}" if self.place else self.file
        return escaped(f"{where}: given {self.given}; allowed: {self.allowed}")


_DETAIL = re.compile(r"^(.*) \(([^()]*)\)$")
_DETAILS_SHOWN = 5


def counted(problems: Iterable[Problem]) -> list[Problem]:
    """One problem for all that are alike, with their number: 23 orders without a dosage are one line.

    Problems are alike if file, what was given and what is allowed are equal; a detail in brackets at the end of what
    was given, such as the drug, may differ and is listed.
    """
    groups: dict[tuple[str, str, str], list[Problem]] = {}
    for one_problem in problems:
        parts = _DETAIL.match(one_problem.given)
        head = parts[1] if parts else one_problem.given
        groups.setdefault((one_problem.file, head, one_problem.allowed), []).append(one_problem)
    rows = []
    for (file, head, allowed), alike in groups.items():
        if len(alike) == 1:
            rows.append(alike[0])
            continue
        details = list(dict.fromkeys(m[2] for p in alike if (m := _DETAIL.match(p.given))))
        more = f" and {len(details) - _DETAILS_SHOWN} more" if len(details) > _DETAILS_SHOWN else ""
        given = f"{head} ({'; '.join(details[:_DETAILS_SHOWN])}{more})" if details else head
        rows.append(Problem(file, f"{len(alike)} places, first {alike[0].place}", given, allowed))
    return rows


class InputError(ValueError):
    """The input is wrong. Carries every problem found; the command prints one line each and exits with 2."""

    def __init__(self, problems: Problem | Iterable[Problem]):
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def _render_traceback_(self) -> list[str]:
        """Text that a notebook shows instead of a traceback: a line for each problem."""
        return [f"{type(self).__name__}: {line}" for line in str(self).split("\n")]


def problem(file: str, place: str, given: Any, allowed: str) -> InputError:
    """An :class:`InputError` of one problem."""
    return InputError(Problem(file, place, shown(given), allowed))
