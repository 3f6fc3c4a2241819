"""Whether to taper at all: what speaks for it, what against, and the default. Imports ``safety``, ``recommend.choice``.

The reasons are the rows of whether_to_taper.csv. A prescription alone is no reason: a person whose dose has long been
the same, and helps, goes on unless something else speaks for less. What the person wants decides where nothing is
unsafe. The default replaces a reduction as the choice; it blocks no option. The rule: A87.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from taper_sim.recommend.choice import Rolled
from taper_sim.recommend.headline import KEEP_THE_DOSE
from taper_sim.recommend.options import MAINTENANCE
from taper_sim.safety.limits import Limits, Signed
from taper_sim.safety.red_flags import TrueRow, true_rows
from taper_sim.safety.variables import Values

_TABLE: Final = "whether_to_taper"
_UNKNOWN: Final = "unknown"
_WITH_UNKNOWN: Final = re.compile(rf" \([^()]*\b{_UNKNOWN}\b[^()]*\)")
"""A part in brackets that holds an unknown number: the sentence stands without it."""
TaperDefault = Literal["continue", "taper is an option"]


@dataclass(frozen=True)
class TaperReason:
    """One thing that speaks for or against a taper: a sentence with its value, and its source.

    ``decides`` is ``always`` (whatever speaks on the other side), ``yes``, or ``no`` (stated, and no reason by itself).
    """

    reason: str
    sentence: str
    decides: str
    source: str
    verified: str

    def as_dict(self) -> dict[str, str]:
        """Fields for JSON."""
        return {
            "reason": self.reason,
            "sentence": self.sentence,
            "decides": self.decides,
            "source": self.source,
            "verified": self.verified,
        }


@dataclass(frozen=True)
class WhetherToTaper:
    """What speaks for and against a taper, and the default with its reason."""

    default: TaperDefault
    because: str
    for_taper: tuple[TaperReason, ...]
    against: tuple[TaperReason, ...]

    def as_dict(self) -> dict[str, Any]:
        """Field ``taper_at_all`` of the answer."""
        return {
            "default": self.default,
            "because": self.because,
            "for": [reason.as_dict() for reason in self.for_taper],
            "against": [reason.as_dict() for reason in self.against],
        }

    def applied(self, choice: tuple[str, list[str]], rolled: Mapping[str, Rolled]) -> tuple[str, list[str]]:
        """The choice and its reasons; maintenance in place of a reduction if the default is to continue."""
        name, reasons = choice
        if self.default != "continue" or rolled[name].option.kind != "reduce":
            return name, reasons
        offered = f"offered as a choice, not the default: {name}"
        return MAINTENANCE, [offered, f"{KEEP_THE_DOSE}{self.because}"]


def _reason(row: TrueRow) -> TaperReason:
    """The row as a reason; a number that the rule did not need is left open in its sentence."""
    numbers = {name: f"{number:.1f}".removesuffix(".0") for name, number in row.numbers.items()}
    sentence = _WITH_UNKNOWN.sub("", row.row["sentence"].format_map(_OrUnknown(numbers)))
    return TaperReason(row.name, sentence, row.row["decides"], row.row["source"], row.row["verified"])


class _OrUnknown(dict[str, str]):
    """Numbers for a sentence; a missing one is written as unknown."""

    def __missing__(self, key: str) -> str:
        return _UNKNOWN


def _lifted(row: TrueRow, acknowledged: Mapping[str, Signed]) -> bool:
    """Whether a named person has acknowledged the flag that states the same."""
    return row.row["lifted_by"] in acknowledged


def _because(reasons: Sequence[TaperReason]) -> str:
    return "; ".join(reason.sentence for reason in reasons)


def whether_to_taper(values: Values, limits: Limits) -> WhetherToTaper:
    """What speaks for and against a taper for one patient on one day, and the default.

    1. Something that always decides stands against it, and no named person has acknowledged it: continue.
    2. The person has said what they want (``wishes_to_taper``): that.
    3. Something that decides speaks for it: a taper is an option.
    4. Something that decides stands against it: continue.
    5. Otherwise a taper is an option.
    """
    rows = true_rows(_TABLE, "reason", values)
    lifted = {row.name for row in rows if _lifted(row, limits.acknowledged)}
    for_taper = tuple(_reason(row) for row in rows if row.row["side"] == "for")
    against = tuple(_reason(row) for row in rows if row.row["side"] == "against")
    always = [r for r in against if r.decides == "always" and r.reason not in lifted]
    deciding_for = [r for r in for_taper if r.decides == "yes"]
    deciding_against = [r for r in against if r.decides == "yes"]
    default: TaperDefault
    if always:
        default, because = "continue", _because(always)
    elif limits.wishes_to_taper is not None:
        default = "taper is an option" if limits.wishes_to_taper else "continue"
        because = "the person wants a taper" if limits.wishes_to_taper else "the person wants to keep the dose"
    elif deciding_for:
        default, because = "taper is an option", _because(deciding_for)
    elif deciding_against:
        because = f"{_because(deciding_against)}; nothing but the prescription itself speaks for a lower dose"
        default = "continue"
    else:
        default, because = "taper is an option", "nothing decides for it or against it: the person and you decide"
    return WhetherToTaper(default, because, for_taper, against)
