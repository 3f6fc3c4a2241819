"""What was agreed: a decision of the page as a line of the decision log. Imports ``recommend.decision_log``.

An offer is logged when its page is shown. A decision names the offer that it answers; if the records have changed
since, it is refused, because the page showed something else.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from taper_sim.data.checkins import the_date
from taper_sim.data.patient_files import DECISION_FILE
from taper_sim.data.problems import shown
from taper_sim.recommend.answer import RecommendationFields
from taper_sim.recommend.decision_log import OTHER, decision_on, logged
from taper_sim.report.decision_words import amount_in_words, short_name
from taper_sim.serve.entry_form import FormError
from taper_sim.serve.patient_store import PatientFolder

ACTIONS: Final = {
    "accept": "Agree on this option",
    "part": "Agree on its first step only",
    "delay": "Delay: decide again on a later day",
    "decline": "Decline: the dose stays as it is",
}
_MOST_TEXT: Final = 500


def log_offer(folder: PatientFolder, recommendation: RecommendationFields) -> str:
    """Add the offer to the log unless it is the last offer there; returns its id."""
    line = logged(recommendation)
    offers = [row for row in _lines(folder) if row["kind"] == "offered"]
    if not offers or offers[-1]["id"] != line["id"]:
        folder.add_decisions([line])
    return str(line["id"])


def _lines(folder: PatientFolder) -> list[dict[str, Any]]:
    return folder.decision_log().lines


def decisions_of(folder: PatientFolder) -> list[dict[str, Any]]:
    """Decisions in the log, the newest first."""
    return [row for row in _lines(folder) if row["kind"] == "decided"][::-1]


def decide(
    folder: PatientFolder,
    recommendation: RecommendationFields,
    fields: Mapping[str, str],
    today: date,
    own_rows: Sequence[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Write a decision to the log.

    Parameters
    ----------
    folder : PatientFolder
    recommendation : RecommendationFields
        The answer now.
    fields : mapping of str to str
        ``action``, ``option``, ``until``, ``by``, ``reason``, ``offer`` of the form.
    today : date
    own_rows : sequence of dict, optional
        Schedule of the clinician's own, instead of an option's.

    Raises
    ------
    FormError
        With a problem for each field; nothing is written then.
    """
    answer = recommendation.as_dict()
    problems: dict[str, str] = {}
    texts = {name: fields.get(name, "").strip() for name in ("action", "option", "until", "by", "reason", "offer")}
    for name, allowed in (("by", "the name or initials of who decides"), ("reason", "the reason, in a few words")):
        if not texts[name] or len(texts[name]) > _MOST_TEXT:
            problems[name] = f"given {shown(texts[name]) or 'nothing'}; allowed: {allowed}"
    if texts["offer"] != log_offer(folder, recommendation):
        problems["offer"] = "the records have changed since this page was shown; read the new answer, then decide"
    if texts["action"] not in ACTIONS:
        problems["action"] = f"given {shown(texts['action']) or 'nothing'}; allowed: {', '.join(ACTIONS)}"
    option = next((o for o in answer["options"] if o["name"] == (texts["option"] or answer["chosen"])), None)
    is_own = own_rows is not None
    if not is_own and (option is None or (option["status"] != "offered" and texts["action"] in ("accept", "part"))):
        problems["option"] = f"given {shown(texts['option']) or 'nothing'}; allowed: an option that is offered"
    until = the_date(texts["until"]) if texts["until"] else None
    if texts["action"] == "delay" and (until is None or until <= date.fromisoformat(answer["as_of"])):
        problems["until"] = f"given {shown(texts['until']) or 'nothing'}; allowed: a day after {answer['as_of']}"
    if problems:
        raise FormError(problems)
    hold = next((o for o in answer["options"] if o["kind"] == "hold"), None)
    rows = list(own_rows) if own_rows is not None else list(option["schedule"]) if option is not None else []
    name = "own schedule" if is_own or option is None else short_name(option)
    did = texts["action"]
    if did == "accept":
        words = f"{OTHER} own schedule: {rows_in_words(rows)}" if is_own or option is None else option["name"]
    elif did == "part":
        changed = [row for row in rows if not str(row["tablets"]).startswith("unchanged")]
        days = [row["date"] for row in changed] or [row["date"] for row in rows]
        rows = [row for row in rows if row["date"] <= min(days, default="")]
        words = f"{OTHER} only the first step of {name}: {rows_in_words(rows)}"
    else:
        rows = [] if hold is None else list(hold["schedule"])
        words = f"{OTHER} delayed to {until}: {name}" if did == "delay" else f"{OTHER} declined: {name}; no change"
    on = max(today.isoformat(), answer["as_of"])
    log = folder.decision_log()
    line = decision_on(log, DECISION_FILE, answer["patient_id"], words, texts["by"], texts["reason"], on)
    line |= {
        "action": did,
        "as_of": answer["as_of"],
        "headline": answer["headline"],
        "until": None if until is None or did != "delay" else until.isoformat(),
        "schedule": rows,
        "with_reductions": answer["with_reductions"],
    }
    folder.add_decisions([line])
    return line


def rows_in_words(rows: Sequence[dict[str, Any]]) -> str:
    """The changes of a schedule in a line."""
    changed = [row for row in rows if not str(row["tablets"]).startswith("unchanged")]
    parts = [f"{r['date']} {r['drug']} {r['formulation']} {amount_in_words(r)}" for r in changed]
    return "; ".join(parts)[:_MOST_TEXT] or "nothing changes"
