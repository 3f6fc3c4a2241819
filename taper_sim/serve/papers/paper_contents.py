"""What each paper shows: the agreed plan or a hold, the conversation, progress. Imports ``serve``, ``data``.

While a flag of today stands, no paper has a plan. A paper of the caregiver has only what the consent lists.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import Any, Final

from jinja2 import Environment

from taper_sim.data.checkins import scales
from taper_sim.data.records import CheckIn
from taper_sim.report.page_templates import template_environment
from taper_sim.serve.entry_form import FIVE_NUMBERS
from taper_sim.serve.papers.agreed_plan import AgreedPlan, PlanStep, plan_of
from taper_sim.serve.papers.conversation import Conversation
from taper_sim.serve.papers.crisis_lines import crisis_lines, lines_reviewed
from taper_sim.serve.papers.own_progress import PROGRESS_HEIGHT, PROGRESS_WIDTH, progress_of
from taper_sim.serve.papers.paper_language import LANGUAGES, PaperLanguage, translations_of
from taper_sim.serve.papers.template_review import is_template_reviewed, is_translation_reviewed, template_version
from taper_sim.serve.patient_view import flags_that_hold, patient_page
from taper_sim.serve.reckoner import Reckoned
from taper_sim.serve.store.consent_records import Consent
from taper_sim.units import WEEK_D

_LETTER_COUNTRIES: Final = ("US", "CA", "MX")
"""Countries whose paper is Letter; the others have A4. A design choice."""


@dataclass(frozen=True)
class PaperKind:
    """A paper: its title in the list, for whom it is, whether it needs a decision."""

    title: str
    reader: str
    needs_plan: bool = False


PAPER_KINDS: Final[Mapping[str, PaperKind]] = {
    "decision": PaperKind("Shared decision", "for the person: what was agreed, safety net, signatures", True),
    "calendar": PaperKind("Dose calendar", "for the person: tablets by day, days of the pharmacy", True),
    "visit": PaperKind("Visit summary", "for the person: this visit in short, with questions to teach back"),
    "selfcare": PaperKind("Pain, sleep and hard days", "for the person: what they can do themselves"),
    "progress": PaperKind("Progress", "for the person: the way toward their own goals"),
    "caregiver": PaperKind("Caregiver's view", "for the caregiver: what the consent lists and nothing else"),
    "case": PaperKind("Case conference", "for the team: medicines, flags, course, options, questions"),
    "handoff": PaperKind("Handoff letter", "for primary care: medicines, plan, what to watch, items to fill in"),
}
"""The papers by the name in their address."""


@cache
def paper_templates(language: str) -> Environment:
    """The templates in a language; they escape all text."""
    environment = template_environment("taper_sim.serve.papers", "jinja2.ext.i18n")
    environment.install_gettext_translations(translations_of(language), newstyle=True)  # type: ignore[attr-defined]
    return environment


def hold_of(answer: dict[str, Any]) -> str:
    """Urgency of the most urgent flag that holds the dose; empty without one."""
    urgencies = {flag["urgency"] for flag in flags_that_hold(answer)}
    return "emergency" if "emergency" in urgencies else "same_day" if urgencies else ""


def paper_page(
    paper: str,
    key: str,
    reckoned: Reckoned,
    decision: Mapping[str, Any] | None,
    conversation: Conversation,
    consents: Sequence[Consent],
    language: str,
    today: date,
    *,
    consent: Consent | None = None,
    was_revoked: bool = False,
    for_print: bool = False,
    has_links: bool = True,
) -> str:
    """A paper as HTML.

    Parameters
    ----------
    paper : str
        Key of :data:`PAPER_KINDS`.
    key : str
        Name of the patient in addresses.
    reckoned : Reckoned
    decision : mapping or None
        The newest decision of the log.
    conversation : Conversation
    consents : sequence of Consent
        The consents in force.
    language : str
        Key of ``LANGUAGES``.
    today : date
    consent : Consent, optional
        The one of the caregiver's view; without one the view shows nothing.
    was_revoked : bool
        Whether a consent was given at some time.
    for_print : bool
        Whether the page carries its style itself and has no links.
    has_links : bool
        Whether the reader may open other papers.
    """
    template = f"{paper}.html.jinja"
    answer = reckoned.weighed.answer.as_dict()
    as_of = date.fromisoformat(answer["as_of"])
    held = hold_of(answer)
    plan = None if held or decision is None else plan_of(decision)
    checkins = [c for c in reckoned.history.checkins if c.known_on <= as_of and c.high is None]
    values: dict[str, Any] = {
        "paper": paper,
        "key": key,
        "css": _style(conversation.country) if for_print else "",
        "lang": PaperLanguage(language, conversation.country),
        "languages": LANGUAGES,
        "version": version("taper-sim"),
        "template_version": template_version(template),
        "is_reviewed": is_template_reviewed(template),
        "is_translated": is_translation_reviewed(language),
        "today": today,
        "as_of": as_of,
        "patient_id": answer["patient_id"],
        "held": held,
        "plan": plan,
        "conversation": conversation,
        "consent": consent,
        "consents": consents,
        "was_revoked": was_revoked,
        "has_links": has_links,
        "numbers": crisis_lines(conversation.country),
        "numbers_reviewed": lines_reviewed(),
        "progress": progress_of(checkins, as_of, conversation.goals),
        "progress_width": PROGRESS_WIDTH,
        "progress_height": PROGRESS_HEIGHT,
        "latest": _latest(checkins),
        "doses": [_dose_shown(row) for row in answer["doses"]],
        "weeks_of": lambda step: _weeks(step, plan, PaperLanguage(language, conversation.country)),
        "pickup_days": set() if plan is None else {p.day for p in plan.pickups},
    }
    if paper == "case":
        values["view"] = patient_page(reckoned.weighed)
    return paper_templates(language).get_template(template).render(**values)


@cache
def _style(country: str) -> str:
    text = resources.files("taper_sim.serve").joinpath("static", "papers.css").read_text(encoding="utf-8")
    size = "letter" if country in _LETTER_COUNTRIES else "A4"
    return f"{text}\n@page {{ size: {size}; }}\n"


def _latest(checkins: Sequence[CheckIn]) -> list[dict[str, Any]]:
    """The last report of each of the five numbers of the day."""
    rows = []
    for name in FIVE_NUMBERS:
        reports = [c for c in checkins if c.instrument == name]
        if reports:
            last = max(reports, key=lambda c: c.day)
            rows.append({"name": name, "value": last.value, "high": scales()[name].high, "day": last.day})
    return rows


def _dose_shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A dose in force with its amount in its own unit."""
    if row["dose_mg_per_day"] is None:
        amount = {"dose": row["dose_mcg_per_h"], "unit": "mcg/h"}
    else:
        amount = {"dose": row["dose_mg_per_day"], "unit": "mg"}
    return {**row, **amount, "since": date.fromisoformat(row["since"])}


def _weeks(step: PlanStep, plan: AgreedPlan | None, language: PaperLanguage) -> list[list[date | None]]:
    """Days of a step by week, None for days of a week that belong to another step."""
    if plan is None:
        return []
    last = step.last or max(plan.last_day, step.first)
    weeks = []
    start = language.week_start(step.first)
    while start <= last:
        days = [start + timedelta(days=k) for k in range(WEEK_D)]
        weeks.append([day if step.first <= day <= last else None for day in days])
        start += timedelta(days=WEEK_D)
    return weeks
