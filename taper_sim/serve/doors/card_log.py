"""Cards that were sent, and the feedback on them as lines of the decision log. Imports ``recommend.decision_log``.

Each card is a line of ``cards.jsonl``, so that feedback that comes after a restart still finds its patient. Feedback is
a line of the patient's own decision log. Both logs hold ids and no names.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from taper_sim.data.problems import InputError, Problem, shown
from taper_sim.data.yaml_input import Wrong
from taper_sim.recommend.decision_log import append_to_log, read_log
from taper_sim.serve.doors.cds_request import HookCall
from taper_sim.serve.doors.entry import SENT
from taper_sim.serve.patient_store import PatientFolder

CARD_FILE: Final = "cards.jsonl"
_KEPT_IN_MEMORY: Final = 10_000
"""Cards whose patient is found without reading the log. A design choice: a day of a large clinic."""
_MOST_TEXT: Final = 500


class AcceptedSuggestion(BaseModel):
    """A suggestion that the user took."""

    id: UUID


class ReasonCoding(BaseModel):
    """A coded reason."""

    code: str = Field(max_length=_MOST_TEXT)
    system: str | None = Field(default=None, max_length=_MOST_TEXT)
    display: str | None = Field(default=None, max_length=_MOST_TEXT)


class OverrideReason(BaseModel):
    """Why a card was overridden."""

    reason: ReasonCoding | None = None
    userComment: str | None = Field(default=None, max_length=_MOST_TEXT)


class CardFeedback(BaseModel):
    """What a user did with a card."""

    card: UUID
    outcome: Literal["accepted", "overridden"]
    acceptedSuggestions: list[AcceptedSuggestion] = Field(default_factory=list, max_length=20)
    overrideReason: OverrideReason | None = None
    outcomeTimestamp: str

    @model_validator(mode="after")
    def _whole(self) -> "CardFeedback":
        if self.outcome == "accepted" and not self.acceptedSuggestions:
            raise Wrong(("acceptedSuggestions", "nothing", "the suggestions that were accepted"))
        try:
            stamp = datetime.fromisoformat(self.outcomeTimestamp)
        except ValueError:
            stamp = None
        if stamp is None or stamp.tzinfo is None:
            allowed = "a time with its zone, such as 2026-04-02T09:30:00Z"
            raise Wrong(("outcomeTimestamp", shown(self.outcomeTimestamp), allowed))
        return self


class SentFeedback(BaseModel):
    """The body of a feedback call."""

    feedback: list[CardFeedback] = Field(min_length=1, max_length=100)


class CardLog:
    """The cards of one process, and those in its log."""

    def __init__(self, path: Path, log_of: Callable[[str], PatientFolder]) -> None:
        self._path, self._log_of = path, log_of
        self._known: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = Lock()

    def sent(self, service: str, call: HookCall, cards: Sequence[Mapping[str, Any]]) -> None:
        """Add cards to the log; a call that is repeated adds nothing."""
        lines = [
            {
                "kind": "card",
                "card": card["uuid"],
                "service": service,
                "hook_instance": str(call.hookInstance),
                "patient_id": call.context.patientId,
                "user": call.context.userId,
                "summary": card["summary"],
                "indicator": card["indicator"],
                "suggestions": {s["uuid"]: s["label"] for s in card.get("suggestions", [])},
                "version": version("taper-sim"),
            }
            for card in cards
        ]
        with self._lock:
            new = [line for line in lines if line["card"] not in self._known]
            if new:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                append_to_log(self._path, new)
            for line in new:
                self._keep(line)

    def _keep(self, line: dict[str, Any]) -> None:
        self._known[line["card"]] = line
        while len(self._known) > _KEPT_IN_MEMORY:
            self._known.popitem(last=False)

    def _card(self, uuid: str) -> dict[str, Any] | None:
        """The line of a card, from the log if it is not in memory."""
        if uuid in self._known or not self._path.exists():
            return self._known.get(uuid)
        return next((line for line in read_log(self._path).lines if line.get("card") == uuid), None)

    def record(self, service: str, sent: SentFeedback) -> int:
        """Write feedback to the decision logs; returns the number of lines.

        Raises
        ------
        InputError
            For a card or a suggestion that this service did not send; nothing is written then.
        """
        wrong: list[Problem] = []
        lines: dict[str, list[dict[str, Any]]] = {}
        with self._lock:
            for k, item in enumerate(sent.feedback):
                card = self._card(str(item.card))
                if card is None or card["service"] != service:
                    allowed = "the uuid of a card that this service sent"
                    wrong.append(Problem(SENT, f"feedback.{k}.card", str(item.card), allowed))
                    continue
                unknown = [str(s.id) for s in item.acceptedSuggestions if str(s.id) not in card["suggestions"]]
                if unknown:
                    place = f"feedback.{k}.acceptedSuggestions"
                    wrong.append(Problem(SENT, place, unknown[0], "the uuid of a suggestion of the card"))
                    continue
                lines.setdefault(card["patient_id"], []).append(_feedback_line(card, item))
            if wrong:
                raise InputError(wrong)
            for patient_id, of_patient in lines.items():
                self._log_of(patient_id).add_decisions(of_patient)
        return sum(map(len, lines.values()))


def _feedback_line(card: Mapping[str, Any], item: CardFeedback) -> dict[str, Any]:
    about = ("card", "service", "hook_instance", "patient_id", "user", "summary", "indicator", "version")
    override = item.overrideReason
    return {name: card[name] for name in about} | {
        "kind": "feedback",
        "outcome": item.outcome,
        "accepted": [card["suggestions"][str(s.id)] for s in item.acceptedSuggestions],
        "reason": None if override is None or override.reason is None else override.reason.model_dump(),
        "comment": None if override is None else override.userComment,
        "at": item.outcomeTimestamp,
    }
