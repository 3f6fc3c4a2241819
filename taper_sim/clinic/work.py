"""Every kind of work: what makes it, whose it is, how long it takes, what it does for the patient. Imports ``team``.

An effect is one of five, and each is felt by the patient's model or by the policy (``coupling``):

``care``
    Care delivered ÷ planned of the discipline (K of the model): it lowers pain, distress, insomnia, raises function and
    engagement.
``order``
    A change of dose waits while the work is open.
``reports``
    A policy sees check-ins that somebody has read.
``help``
    A caregiver, or a peer, makes missed check-ins fewer from when they have been taught or seen.
``panel``
    The patient leaves the clinic's panel; the plan is carried on elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from taper_sim.clinic.team import MAIN_ROLE

Effect = Literal["care", "order", "reports", "help", "panel"]
Length = Literal["initial", "followup", "message"]
EACH: Final = "each discipline"


@dataclass(frozen=True)
class Kind:
    """A kind of work.

    Attributes
    ----------
    name : str
        As in the event log.
    queue : str
        Whose it is; :data:`EACH` for visits, one for each planned discipline.
    urgency : int
        0 cannot wait, 1 today, 2 within days, 3 routine.
    length : str or float
        Minutes, or which of the role's minutes of ``tables/team.csv``.
    effect : str
    demand : str
        What makes it, in words.
    patience_d : float
        Days after which nobody waits for it any more.
    share : float
        Of the role's minutes.
    """

    name: str
    queue: str
    urgency: int
    length: Length | float
    effect: Effect
    demand: str
    patience_d: float = float("inf")
    share: float = 1.0

    def minutes(self, queue: str) -> float:
        """Mean minutes when a queue's people do it."""
        if isinstance(self.length, float):
            return self.length
        role = MAIN_ROLE[queue]
        if self.length == "initial":
            return self.share * role.initial_min
        return self.share * (role.followup_min if self.length == "followup" else role.message_min)


# Minutes that are no role's, frequencies and urgencies: assumption A38.
KINDS: Final[tuple[Kind, ...]] = (
    Kind("initial_assessment", EACH, 2, "initial", "care", "enrolment: one visit of each planned discipline"),
    Kind("visit", EACH, 2, "followup", "care", "the protocol's planned visits, of each planned discipline"),
    Kind("interpreting", "interpreter", 2, "followup", "care", "a visit of a patient who speaks another language"),
    Kind("group_session", "psychologist", 2, 60.0, "care", "planned visits of psychology, one group of up to eight"),
    Kind("message", "nurse", 3, "message", "care", "messages, more of them with more withdrawal", patience_d=7.0),
    Kind(
        "checkin_batch",
        "nurse",
        2,
        0.5,
        "reports",
        "check-ins near the patient's baseline, up to 25 at once",
        patience_d=7.0,
    ),
    Kind("checkin_review", "nurse", 1, "message", "reports", "a check-in some way above the baseline", patience_d=7.0),
    Kind("alert_red_flag", "nurse", 0, 15.0, "order", "an overdose, seizure or mental-health crisis"),
    Kind("alert_spike", "nurse", 1, 6.0, "order", "a check-in far above the patient's baseline"),
    Kind("alert_missed_checkins", "nurse", 2, 6.0, "order", "three check-ins missed in a row within 14 days of a cut"),
    Kind("alert_missed_visit", "social_worker", 2, 15.0, "order", "an appointment missed"),
    Kind("alert_late_dose", "pharmacist", 1, 6.0, "order", "an order open for three days: it is then hurried"),
    Kind("escalation", "prescriber", 0, 10.0, "order", "a red flag passed on, or an alert whose clock has run out"),
    Kind("urgent_visit", "prescriber", 1, "followup", "order", "an urgent visit of the model", patience_d=1.0),
    Kind("dose_order", "prescriber", 1, "message", "order", "a decision of the protocol for the patient"),
    Kind("pharmacist_review", "pharmacist", 1, "message", "order", "an order that the prescriber has made"),
    Kind("refill", "pharmacist", 2, "message", "order", "every 28 days"),
    Kind("prior_authorisation", "pharmacist", 3, 20.0, "order", "the first order, of a fifth of the patients"),
    Kind(
        "case_conference",
        "prescriber",
        2,
        8.0,
        "order",
        "every 28 days: several drug classes, renal impairment or sleep-disordered breathing",
    ),
    Kind("rounds", "prescriber", 3, 3.0, "order", "every 91 days"),
    Kind("education", "nurse", 3, "followup", "help", "enrolment of a patient with a caregiver", share=2.0),
    Kind("peer_session", "peer", 3, "followup", "help", "every 28 days, of a patient who wants peer support"),
    Kind("handoff", "prescriber", 3, "followup", "panel", "the tapered class stopped four weeks ago"),
    Kind(
        "alert_unreported_dose",
        "pharmacist",
        1,
        15.0,
        "order",
        "more taken than ordered: found by the count at a refill, or told in a check-in",
    ),
    Kind("self_management", "nurse", 3, "followup", "care", "enrolment: what patients can do by themselves", share=2.0),
)
BY_NAME: Final[Mapping[str, Kind]] = MappingProxyType({kind.name: kind for kind in KINDS})
WITH_CARE_OF: Final[Mapping[str, str]] = MappingProxyType({"group_session": "psychologist", "self_management": "nurse"})
"""Kinds that are part of a discipline's care, and of which: without that care planned nobody asks for them."""
NUMBER: Final[Mapping[str, int]] = MappingProxyType({kind.name: k for k, kind in enumerate(KINDS)})
ALERTS: Final = tuple(kind.name for kind in KINDS if kind.name.startswith("alert_"))

NO_ROOM: Final = "no room"
"""Why a visit is cancelled in the log for which the appointment book has no room in time."""
AFTER_THE_END: Final = "after the end"
"""Why one is that stands in the book for a day after the run."""
STAFF_ILL: Final = "staff ill"
"""Why one is that was moved on the morning of somebody's illness."""
PUT_OFF: Final = "put off"
"""Why one that the patient gave up waiting for is booked once more."""
PASSED_ON: Final = "passed on"
"""Why an alert is cancelled that went to the prescriber instead."""
HURRIED: Final = "hurried"
"""Why an order is cancelled that is asked for once more, as what cannot wait."""
DISMISSED: Final = "dismissed"
"""Why a check-in is not read whose alert was one of too many."""
LEFT: Final = "left"
"""Why work is cancelled of a patient who is no longer there."""
HANDED_OFF: Final = "handed off"
"""Why work is cancelled of a patient whom somebody else looks after now."""
AGAIN: Final = frozenset({STAFF_ILL, PUT_OFF, PASSED_ON, HURRIED})
"""Reasons whose work stands in the log once more, or somebody else's for it."""
LICENSED: Final = frozenset({"prescriber", "psychologist", "pt"})
"""Queues whose visits need the licence of the patient's state."""
FIRST_CALL: Final = 1000
"""Calls of the random generator from here on belong to kinds of work, eight to each, in the order above."""
BATCH: Final = 25
GROUP: Final = 8
REFILL_EVERY_D: Final = 28
ROUNDS_EVERY_D: Final = 91
CONFERENCE_EVERY_D: Final = 28
PEER_EVERY_D: Final = 28
HANDOFF_AFTER_D: Final = 28
MESSAGES_A_WEEK: Final = 0.5
AUTHORISED_SHARE: Final = 0.2
CRITICAL_D: Final = 14
MISSED_IN_A_ROW: Final = 3
LATE_ORDER_D: Final = 3
INTERRUPTS: Final = frozenset({"alert_red_flag", "escalation", "urgent_visit"})
"""Kinds that interrupt others in a clinic that preempts. Source: assumption A50."""
YIELDS: Final = frozenset(
    {"message", "checkin_batch", "checkin_review", "dose_order", "pharmacist_review", "refill", "prior_authorisation"}
)
"""Kinds that may be interrupted: nobody is with a patient. Source: assumption A50."""
WITH_PATIENT: Final = frozenset(
    {"initial_assessment", "visit", "urgent_visit", "education", "self_management", "peer_session"}
)
"""Kinds at which the patient is there, who can be in one place only."""
TOLD_SHARE: Final = 0.3
"""Chance that a day's check-in tells that more was taken than ordered. Source: assumption A51."""
COUNT_FINDS: Final = 0.3
"""Chance that the count at a refill finds one such day since the last; each day by itself. Source: assumption A51."""
COUNT_ERRS: Final = 0.03
"""Chance that a count does not come out though nothing else was taken. Source: assumption A51."""
REVIEW_RISE: Final[Mapping[str, float]] = MappingProxyType({"sows_gossop": 4.0, "pain_nrs": 2.0})
SPIKE_RISE: Final[Mapping[str, float]] = MappingProxyType({"sows_gossop": 8.0, "pain_nrs": 3.0})
SPREAD: Final = 0.5
"""Coefficient of variation of a piece of work's minutes (log-normal). Source: assumption A38."""
INTERPRETED: Final = 1.5
"""Factor on a visit's minutes with an interpreter. Source: ``tables/team.csv``, interpreter: adds about 50 %."""
IN_PERSON_MORE_MIN: Final = 10.0
"""Minutes more of a visit in person in the clinic (rooming). Source: assumption A38."""
PHONE_SHARE: Final = 0.8
"""Minutes of a telephone visit ÷ of a video visit. Source: assumption A38."""
NO_SHOW_MIN: Final = 10.0
"""Minutes lost when a patient does not come. Source: assumption A38."""
WAITING_ROOM_MIN: Final = 45.0
"""Minutes a patient waits in the (virtual) waiting room before giving up. Source: assumption A38."""
ESCALATION_MIN: Final[Mapping[int, float]] = MappingProxyType({0: 30.0, 1: 480.0, 2: 2880.0})
"""Minutes after which an alert that nobody has begun goes to the prescriber, by urgency. Source: assumption A39."""
FATIGUE_FROM: Final = 20.0
"""Alerts a shift and person above which some are dismissed unread. Source: assumption A39."""
FATIGUE_SHARE: Final = 0.3
"""Share of the alerts above that number that is dismissed. Source: assumption A39; Ancker 2017 (direction)."""
CLOCK_MIN: Final[Mapping[int, float]] = MappingProxyType({0: 60.0, 1: 1440.0, 2: 4320.0, 3: 10080.0})
"""Minutes within which work of each urgency is to be begun. Source: assumption A37."""
