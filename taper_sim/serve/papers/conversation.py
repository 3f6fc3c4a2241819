"""What only the conversation can give: the fields of the papers. Imports ``patient_store``.

The fields are kept with the patient in ``papers.json``; every field may stay empty and then prints as a line to fill.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from taper_sim.data.checkins import scales
from taper_sim.data.patient_files import PAPERS_FILE
from taper_sim.data.problems import problem, shown
from taper_sim.data.yaml_input import read_bytes
from taper_sim.serve.entry_form import FormError
from taper_sim.serve.papers.crisis_lines import DEFAULT_COUNTRY, countries
from taper_sim.serve.papers.paper_language import LANGUAGES, SOURCE_LANGUAGE
from taper_sim.serve.patient_store import PatientFolder

_MOST_TEXT: Final = 600
"""Letters of a field: about eight written lines. A design choice."""
_MOST_BYTES: Final = 1_000_000
OTHER_COUNTRY: Final = "ZZ"
"""ISO 3166 code for no country of the table."""


@dataclass(frozen=True)
class ConversationField:
    """A field: name, label, hint, whether it takes several lines."""

    name: str
    label: str
    hint: str = ""
    has_lines: bool = False


FIELD_GROUPS: Final[Mapping[str, tuple[ConversationField, ...]]] = {
    "What matters": (
        ConversationField("priorities", "What matters most to the person", "One on each line", True),
        ConversationField("milestones", "Milestones, and the reward for each", "One on each line", True),
    ),
    "What has happened": (
        ConversationField("past_attempts", "Past attempts: what helped, what did not", "One on each line", True),
        ConversationField("fears", "Worries about this plan", "One on each line", True),
        ConversationField("triggers", "What makes pain or sleep worse", "One on each line", True),
    ),
    "If it gets worse": (
        ConversationField("flare_plan", "What to do when pain flares", "One on each line", True),
        ConversationField("safety_net", "People and places that help", "One on each line", True),
        ConversationField("call_day", "Whom to call in working hours", "Name and number"),
        ConversationField("call_night", "Whom to call after hours", "Name and number"),
        ConversationField("naloxone_place", "Where naloxone is kept, and who can give it"),
    ),
    "How we keep in touch": (
        ConversationField("contact_way", "Technology the person prefers", "Video, telephone, messages or visits"),
        ConversationField("next_visit", "Next visit", "Day, time and way"),
    ),
}
"""Text fields of the form by heading."""
GOAL_MEASURES: Final = ("pain_nrs", "function", "sleep_item", "mood_item")
"""Instruments for which the person may have a goal of their own."""
_TEXTS: Final = tuple(f.name for fields in FIELD_GROUPS.values() for f in fields)


@dataclass(frozen=True)
class Conversation:
    """The fields of one patient's papers.

    Attributes
    ----------
    texts : mapping of str to str
        Text fields that are not empty.
    goals : mapping of str to float
        The person's own goal by instrument of :data:`GOAL_MEASURES`, on its scale.
    country, language : str
        ISO 3166 code, or :data:`OTHER_COUNTRY`; key of ``LANGUAGES``.
    calendar_has_drugs : bool
        Whether the person wants the drugs named in the calendar file.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    goals: Mapping[str, float] = field(default_factory=dict)
    country: str = DEFAULT_COUNTRY
    language: str = SOURCE_LANGUAGE
    calendar_has_drugs: bool = False

    def lines(self, name: str) -> list[str]:
        """Lines of a text field; empty without any."""
        return [line.strip() for line in self.texts.get(name, "").splitlines() if line.strip()]

    def keep(self, folder: PatientFolder) -> None:
        """Write the fields into the patient's folder."""
        content = {
            "texts": dict(self.texts),
            "goals": dict(self.goals),
            "country": self.country,
            "language": self.language,
            "calendar_has_drugs": self.calendar_has_drugs,
        }
        folder.write(PAPERS_FILE, json.dumps(content, indent=1, ensure_ascii=False))


def conversation_of(folder: PatientFolder) -> Conversation:
    """The fields of a patient; the defaults if none were kept.

    Raises
    ------
    InputError
        If the file is none that this module wrote.
    """
    path = folder.existing(PAPERS_FILE)
    if path is None:
        return Conversation()
    try:
        kept = Conversation(**json.loads(read_bytes(path, _MOST_BYTES)))
        is_valid = _is_valid(kept)
    except (ValueError, TypeError, RecursionError):
        is_valid = False
    if not is_valid:
        raise problem(PAPERS_FILE, "", "text that this page did not write", "the file that this page wrote")
    return kept


def _is_valid(kept: Conversation) -> bool:
    """Whether every value is one that the form could have given."""
    texts = isinstance(kept.texts, dict) and all(
        name in _TEXTS and isinstance(text, str) for name, text in kept.texts.items()
    )
    goals = isinstance(kept.goals, dict) and all(
        name in GOAL_MEASURES and isinstance(goal, int | float) and _on_scale(name, goal)
        for name, goal in kept.goals.items()
    )
    return texts and goals and kept.country in country_codes() and kept.language in LANGUAGES


def country_codes() -> tuple[str, ...]:
    """Countries of the form."""
    return (*countries(), OTHER_COUNTRY)


def _on_scale(name: str, value: float) -> bool:
    scale = scales()[name]
    return scale.low <= value <= scale.high


def with_fields(earlier: Conversation, fields: Mapping[str, str]) -> Conversation:
    """The conversation after the form was sent.

    Raises
    ------
    FormError
        With a problem for each field that is wrong.
    """
    problems: dict[str, str] = {}
    texts = {}
    for name in _TEXTS:
        text = "\n".join(line.rstrip() for line in fields.get(name, "").strip().splitlines())
        if len(text) > _MOST_TEXT or not all(letter.isprintable() or letter == "\n" for letter in text):
            problems[name] = f"given {len(text)} letters; allowed: {_MOST_TEXT} letters that can be printed"
        elif text:
            texts[name] = text
    goals = {}
    for name in GOAL_MEASURES:
        text = fields.get(f"goal_{name}", "").strip()
        try:
            value = float(text) if text else None
        except ValueError:
            value = math.nan
        if value is not None and not _on_scale(name, value):
            allowed = f"{scales()[name].low:g} to {scales()[name].high:g}"
            problems[f"goal_{name}"] = f"given {shown(text)}; allowed: {allowed}"
        elif value is not None:
            goals[name] = value
    chosen = {}
    for name, allowed_values in (("country", country_codes()), ("language", tuple(LANGUAGES))):
        chosen[name] = fields.get(name, "") or getattr(earlier, name)
        if chosen[name] not in allowed_values:
            problems[name] = f"given {shown(chosen[name])}; allowed: {', '.join(allowed_values)}"
    if problems:
        raise FormError(problems)
    with_drugs = fields.get("calendar_has_drugs") == "yes"
    return Conversation(texts, goals, chosen["country"], chosen["language"], with_drugs)
