"""The agreed plan as a calendar file (RFC 5545). Imports ``papers``.

The file names no patient. It names drugs only if the person chose so: a calendar is often seen by others.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from icalendar import Calendar, Event

from taper_sim.serve.papers.agreed_plan import AgreedPlan, PlanStep
from taper_sim.serve.papers.paper_contents import paper_templates
from taper_sim.serve.papers.paper_language import PaperLanguage

_MAKER: Final = "-//taper_sim//dose calendar//EN"
_WORDS: Final = "calendar_words.txt.jinja"


def calendar_file(plan: AgreedPlan, language: PaperLanguage, *, has_drugs: bool) -> bytes:
    """Changes of dose, days of the pharmacy and the day of the next decision, each a whole day.

    Parameters
    ----------
    plan : AgreedPlan
    language : PaperLanguage
    has_drugs : bool
        Whether drugs and doses are named.
    """
    calendar = Calendar()
    calendar.add("prodid", _MAKER)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    for kind, day, step in _days(plan):
        words = paper_templates(language.code).get_template(_WORDS).module
        event = Event()
        event.add("uid", f"{kind}-{day.isoformat()}-{plan.offer}@taper-sim")
        event.add("dtstamp", datetime.combine(plan.on, time(), UTC))
        event.add("dtstart", day)
        event.add("dtend", day + timedelta(days=1))
        event.add("transp", "TRANSPARENT")
        event.add("summary", str(getattr(words, kind)()).strip())
        if has_drugs and step is not None:
            event.add("description", str(words.doses(step, language)).strip())  # type: ignore[attr-defined]
        calendar.add_component(event)
    return bytes(calendar.to_ical())


def _days(plan: AgreedPlan) -> Iterator[tuple[str, date, PlanStep | None]]:
    for step in plan.changes:
        yield "change", step.first, step
    for day in sorted({p.day for p in plan.pickups}):
        yield "pharmacy", day, None
    if plan.until is not None:
        yield "review", plan.until, None
