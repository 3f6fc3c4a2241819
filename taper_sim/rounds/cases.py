"""Cases for the round to discuss, by reason, from the records on the last day. Imports ``quarter_counts``, ``safety``.

A case has the patient's id and no name. Reasons: A134 (docs/assumptions.md); rules: red_flags.csv.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from taper_sim.data.reading import LONG_GAP_D
from taper_sim.rounds.logs import ClinicLogs
from taper_sim.rounds.quarter_counts import people_in_care, quarter_of
from taper_sim.safety.red_flags import judge
from taper_sim.safety.variables import Values

_BY_DOMAIN: Final = {
    "interaction": "Polypharmacy",
    "renal": "Renal impairment",
    "respiratory": "Sleep-disordered breathing",
}
OVERDUE: Final = "Overdue"
CASE_REASONS: Final = ("Polypharmacy", "Renal impairment", "Sleep-disordered breathing", OVERDUE)


@dataclass(frozen=True)
class Case:
    """A patient to discuss, the reason, and why it applies."""

    reason: str
    patient_id: str
    why: str


def cases_of(logs: ClinicLogs, as_of: date) -> list[Case]:
    """Cases of the people in care on a day, by reason, then by id."""
    cases = [case for name in people_in_care(logs, quarter_of(as_of, as_of)) for case in _of(logs, name, as_of)]
    return sorted(cases, key=lambda case: (CASE_REASONS.index(case.reason), case.patient_id))


def _of(logs: ClinicLogs, name: str, as_of: date) -> Iterator[Case]:
    history = logs.histories[name]
    raised: dict[str, list[str]] = {}
    judged = judge(Values(history, as_of))
    for flag in judged.raised():
        domain = "interaction" if flag in judged.interactions else flag.domain
        if domain in _BY_DOMAIN:
            raised.setdefault(_BY_DOMAIN[domain], []).append(f"{flag.flag.replace('_', ' ')}: {flag.action}")
    if logs.traits.get(name, {}).get("renal_impairment") == "yes" and "Renal impairment" not in raised:
        raised["Renal impairment"] = ["renal impairment is recorded; check doses against kidney function"]
    for reason, why in raised.items():
        yield Case(reason, name, "; ".join(dict.fromkeys(why)))
    overdue = list(_overdue(logs, name, as_of))
    if overdue:
        yield Case(OVERDUE, name, "; ".join(overdue))


def _overdue(logs: ClinicLogs, name: str, as_of: date) -> Iterator[str]:
    """What is overdue: a check-in, an alert, a decision on an offer."""
    last = max((c.day for c in logs.histories[name].checkins if c.day <= as_of), default=None)
    if last is None:
        yield "no check-in in the records"
    elif (as_of - last).days >= LONG_GAP_D:
        yield f"last check-in {(as_of - last).days} days ago"
    end = datetime.combine(as_of, time.max)
    late = [a for a in logs.alerts if a.patient_id == name and a.answered is None and a.is_late(end)]
    for alert in late:
        yield f"alert {alert.name.replace('_', ' ')} open since {alert.raised:%Y-%m-%d %H:%M}"
    lines = [line for line in logs.decisions if line.get("patient_id") == name]
    if lines and lines[-1]["kind"] == "offered":
        yield f"offer of {lines[-1]['as_of']} not decided"
    elif lines and lines[-1].get("until") and str(lines[-1]["until"]) < as_of.isoformat():
        yield f"decision put off to {lines[-1]['until']}"
