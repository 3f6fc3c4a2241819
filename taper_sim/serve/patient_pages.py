"""The page of one patient as values of its template. Imports ``served_pages``, ``patient_view``, ``agreement``."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from taper_sim.comparison.preferences import ValueJudgements
from taper_sim.recommend.own_plan import Weighed
from taper_sim.serve import entry_form
from taper_sim.serve.agreement import ACTIONS, decisions_of, log_offer
from taper_sim.serve.caregiver_consent import consents_of, in_force
from taper_sim.serve.forecast_picture import picture_of
from taper_sim.serve.patient_store import PatientFolder
from taper_sim.serve.patient_view import option_card, patient_page
from taper_sim.serve.served_pages import ServedPages
from taper_sim.serve.store.consent_records import CONSENT_PARTS

_MORE_LINES: Final = 2
"""Empty lines of an editable schedule. A design choice."""
VALUES: Final = (
    ("pain", "Pain: one point less", 0.0, 4.0, 0.5),
    ("function", "Function: ten points more", 0.0, 4.0, 0.5),
    ("mood", "Mood: five points of PHQ-9 less", 0.0, 4.0, 0.5),
    ("sleep", "Sleep: six points of ISI less", 0.0, 4.0, 0.5),
    ("full_stop", "Taking none of it, felt as today", 0.0, 10.0, 0.5),
    ("harm_line", "Risk of being worse for a chance of better", 0.0, 10.0, 0.5),
    ("outlook_days", "Days ahead that count", 28, 728, 28),
)
"""Values with their words and the ends and step of their sliders; units as in docs/how-to/recommend.md."""


def patient_response(
    pages: ServedPages,
    request: Request,
    folder: PatientFolder,
    status: int = 200,
    *,
    errors: Mapping[str, str] | None = None,
    sent: Mapping[str, str] | None = None,
    own: dict[str, Any] | None = None,
    own_problems: list[str] | None = None,
) -> Response:
    """The page of one patient, with the problems of a form that was sent."""
    reckoned = pages.reckoner.reckoned(folder)
    weighed = reckoned.weighed
    log_offer(folder, weighed.answer)
    view = patient_page(weighed)
    ground, limits = weighed.ground, folder.limits()
    as_of = date.fromisoformat(view["answer"]["as_of"])
    reports = [c for c in reckoned.history.checkins if c.known_on <= as_of]
    return pages.page(
        request,
        "patient.html.jinja",
        status,
        key=folder.key,
        view=view,
        picture=picture_of(reports, as_of, None if ground is None else ground.record, reckoned.forecasts),
        errors=dict(errors or {}),
        sent=defaultdict(str, sent or {}),
        actions=ACTIONS,
        today=pages.today().isoformat(),
        days_old=(pages.today() - as_of).days,
        values=_value_rows(limits),
        limits=limits,
        five=entry_form.FIVE_NUMBERS,
        questions=_questions(view),
        is_bundle=folder.is_bundle,
        decisions=decisions_of(folder),
        consents=in_force(consents_of(folder)),
        shared_parts=CONSENT_PARTS,
        **plan_values(weighed, view["answer"], own, own_problems),
    )


def plan_values(
    weighed: Weighed, answer: dict[str, Any], own: dict[str, Any] | None, own_problems: list[str] | None
) -> dict[str, Any]:
    """Values of the editable schedule: its lines, its projection, its problems."""
    lines = [] if own is None else list(own["lines"])
    if own is None and weighed.ground is not None:
        chosen = next(o for o in answer["options"] if o["name"] == answer["chosen"])
        lines = [
            {"day": row["date"], "drug": f"{row['drug']}|{row['formulation']}", "dose": f"{_dose_of(row):g}"}
            for row in chosen["schedule"]
            if not str(row["tablets"]).startswith("unchanged")
        ]
    lines += [{"day": "", "drug": "", "dose": ""}] * _MORE_LINES
    drugs: dict[str, str] = {}
    for option in weighed.options:
        for _, slots in option.steps:
            drugs |= {"|".join(s.drug.key): f"{' '.join(s.drug.key)} ({_unit(s.drug)})" for s in slots}
    if weighed.ground is not None:
        now = weighed.ground.situation.now
        drugs = {"|".join(s.drug.key): f"{' '.join(s.drug.key)} ({_unit(s.drug)})" for s in now} | drugs
    card = row = None
    if own is not None and "row" in own:
        row = own["row"]
        hold = next(o for o in answer["options"] if o["kind"] == "hold")
        card = option_card("own", "Your schedule", row, hold, answer)
    return {"lines": lines, "plan_drugs": drugs, "own_card": card, "own_row": row, "own_problems": own_problems or []}


def _unit(drug: Any) -> str:
    return "mcg/h" if drug.is_patch else "mg a day"


def _dose_of(row: Mapping[str, Any]) -> float:
    dose = row["dose_mg_per_day"]
    return float(row["dose_mcg_per_h"] if dose is None else dose)


def _questions(view: Mapping[str, Any]) -> list[entry_form.Question]:
    """Questions of the form of today: those that a reduction needs; each can be answered again."""
    names = [q["variable"] for q in view["needed_questions"]]
    known = [question.variable for question in entry_form.must_ask()]
    return [entry_form.question_of(name) for name in dict.fromkeys([*names, *known])]


def _value_rows(limits: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Sliders of the values with the patient's answers, or the defaults."""
    stated = limits.get("values") or {}
    defaults = vars(ValueJudgements())
    rows = []
    for name, words, low, high, step in VALUES:
        value = stated.get(name, defaults[name])
        rows.append({"name": name, "words": words, "low": low, "high": high, "step": step, "value": value})
    return rows
