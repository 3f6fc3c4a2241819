"""Kinds of work: demand, queue, minutes, effect on the patient. Imports ``clinic.team``.

Each kind has one of five effects on the patient model or on the policy (``coupling``):

``care``
    Delivered ÷ planned care of the discipline (K of the model). Care lowers pain, distress and insomnia and raises
    function and engagement.
``order``
    A change of dose waits while the work is open; alarms that no worker has read as ``harm_paths`` has it.
``reports``
    The policy sees only the check-ins that a worker has read.
``help``
    A trained caregiver, or a peer session, lowers the rate of missed check-ins.
``panel``
    The patient leaves the clinic's panel; another provider continues the plan.
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
        Name in the event log.
    queue : str
        Queue that the work joins; :data:`EACH` for visits, which join the queue of each planned discipline.
    urgency : int
        0 cannot wait, 1 today, 2 within days, 3 routine.
    length : str or float
        Minutes, or the column of the role's minutes in ``tables/team.csv``.
    effect : str
    demand : str
        Origin of the work.
    patience_d : float
        Days of waiting after which the work reneges.
    share : float
        Factor on the role's minutes.
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
        """Mean minutes in a queue."""
        if isinstance(self.length, float):
            return self.length
        role = MAIN_ROLE[queue]
        if self.length == "initial":
            return self.share * role.initial_min
        return self.share * (role.followup_min if self.length == "followup" else role.message_min)


# Source of frequencies, urgencies and minutes that are not in tables/team.csv: assumption A38.
KINDS_OF_WORK: Final[tuple[Kind, ...]] = (
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
        "check-ins near the patient's baseline, in batches of up to 25",
        patience_d=7.0,
    ),
    Kind("checkin_review", "nurse", 1, "message", "reports", "a check-in above the patient's baseline", patience_d=7.0),
    Kind("alert_red_flag", "nurse", 0, 15.0, "order", "an overdose, seizure or mental-health crisis"),
    Kind("alert_spike", "nurse", 1, 6.0, "order", "a check-in far above the patient's baseline"),
    Kind("alert_missed_checkins", "nurse", 2, 6.0, "order", "three check-ins missed in a row within 14 days of a cut"),
    Kind("alert_missed_visit", "social_worker", 2, 15.0, "order", "a missed appointment"),
    Kind("alert_late_dose", "pharmacist", 1, 6.0, "order", "an order open for three days, which is then expedited"),
    Kind("escalation", "prescriber", 0, 10.0, "order", "a red flag, or an alert that is not begun in time"),
    Kind("urgent_visit", "prescriber", 1, "followup", "order", "an urgent visit of the model", patience_d=1.0),
    Kind("dose_order", "prescriber", 1, "message", "order", "a decision of the protocol for the patient"),
    Kind("pharmacist_review", "pharmacist", 1, "message", "order", "an order of the prescriber"),
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
        "a dose above the ordered one, found by the pill count at a refill or reported in a check-in",
    ),
    Kind("self_management", "nurse", 3, "followup", "care", "enrolment: training in self-management", share=2.0),
)
WORK_BY_NAME: Final[Mapping[str, Kind]] = MappingProxyType({kind.name: kind for kind in KINDS_OF_WORK})
WITH_CARE_OF: Final[Mapping[str, str]] = MappingProxyType({"group_session": "psychologist", "self_management": "nurse"})
"""Kinds that belong to a discipline's care; without planned care of that discipline they do not occur."""
NUMBER: Final[Mapping[str, int]] = MappingProxyType({kind.name: k for k, kind in enumerate(KINDS_OF_WORK)})
ALERTS: Final = tuple(kind.name for kind in KINDS_OF_WORK if kind.name.startswith("alert_"))

NO_ROOM: Final = "no room"
"""Reason in the log: the appointment book has no room in time, so the visit does not take place."""
AFTER_THE_END: Final = "after the end"
"""Reason in the log: the visit is booked for a day after the run."""
STAFF_ILL: Final = "staff ill"
"""Reason in the log: a worker is ill, so the visit is rebooked on the morning of the day."""
PUT_OFF: Final = "put off"
"""Reason in the log: the patient left the waiting room, so the visit is rebooked."""
PASSED_ON: Final = "passed on"
"""Reason in the log: the alert is escalated to the prescriber."""
HURRIED: Final = "hurried"
"""Reason in the log: the order is expedited, so it is requested again with urgency 0."""
DISMISSED: Final = "dismissed"
"""Reason in the log: alert fatigue dismissed the alert, so the check-in is not read."""
LEFT_CARE: Final = "left"
"""Reason in the log: the patient has left care or has died."""
HANDED_OFF: Final = "handed off"
"""Reason in the log: another provider has taken over the patient."""
AGAIN: Final = frozenset({STAFF_ILL, PUT_OFF, PASSED_ON, HURRIED})
"""Reasons after which the log has a later row for the same work."""
LICENSED: Final = frozenset({"prescriber", "psychologist", "pt"})
"""Queues whose visits need a licence of the patient's state."""
FIRST_CALL: Final = 1000
"""First call of the random generator for kinds of work; each has eight, in the order of :data:`KINDS_OF_WORK`."""
BATCH_SIZE: Final = 25
"""Check-ins in a batch, at most. Source: assumption A38."""
GROUP_SIZE: Final = 8
"""Patients in a group session, at most. Source: assumption A38."""
REFILL_EVERY_D: Final = 28
"""Days between refills. Source: assumption A38."""
ROUNDS_EVERY_D: Final = 91
"""Days between rounds. Source: assumption A38."""
CONFERENCE_EVERY_D: Final = 28
"""Days between case conferences. Source: assumption A38."""
PEER_EVERY_D: Final = 28
"""Days between peer sessions. Source: assumption A38."""
HANDOFF_AFTER_D: Final = 28
"""Days from the stop of the tapered class to the handoff. Source: assumption A38."""
MESSAGES_A_WEEK: Final = 0.5
"""Messages per patient and week without withdrawal. Source: assumption A38."""
AUTHORISED_SHARE: Final = 0.2
"""Share of the patients whose first order needs a prior authorisation. Source: assumption A38."""
CRITICAL_D: Final = 14
"""Days after a cut in which missed check-ins raise an alert. Source: assumption A39."""
MISSED_IN_A_ROW: Final = 3
"""Consecutive missed check-ins that raise an alert. Source: assumption A39."""
LATE_ORDER_D: Final = 3
"""Days after which an open order raises an alert. Source: assumption A39."""
INTERRUPTS: Final = frozenset({"alert_red_flag", "escalation", "urgent_visit"})
"""Kinds that interrupt others in a clinic with preemption. Source: assumption A50."""
YIELDS: Final = frozenset(
    {"message", "checkin_batch", "checkin_review", "dose_order", "pharmacist_review", "refill", "prior_authorisation"}
)
"""Kinds that may be interrupted: no patient is present. Source: assumption A50."""
WITH_PATIENT: Final = frozenset(
    {"initial_assessment", "visit", "urgent_visit", "education", "self_management", "peer_session"}
)
"""Kinds in which the patient takes part; a patient attends one job at a time."""
TOLD_SHARE: Final = 0.3
"""Probability that the check-in of a day reports a dose above the ordered one. Source: assumption A51."""
COUNT_FINDS: Final = 0.3
"""Probability that the pill count at a refill detects one such day since the last count, independently by day.
Source: assumption A51."""
COUNT_ERRS: Final = 0.03
"""Probability that a pill count is wrong although the patient took the ordered dose. Source: assumption A51."""
REVIEW_RISE: Final[Mapping[str, float]] = MappingProxyType({"sows_gossop": 4.0, "pain_nrs": 2.0})
"""Rise above the baseline (SOWS-Gossop, NRS points) from which a check-in is reviewed singly. Source: A39."""
MINUTES_CV: Final = 0.5
"""Coefficient of variation of service times (log-normal). Source: assumption A38."""
INTERPRETED: Final = 1.5
"""Factor on a visit's minutes with an interpreter. Source: ``tables/team.csv``, interpreter: adds about 50 %."""
IN_PERSON_MORE_MIN: Final = 10.0
"""Additional minutes of a visit in person in the clinic (rooming). Source: assumption A38."""
PHONE_SHARE: Final = 0.8
"""Minutes of a telephone visit ÷ minutes of a video visit. Source: assumption A38."""
NO_SHOW_MIN: Final = 10.0
"""Minutes lost when a patient does not come. Source: assumption A38."""
WAITING_ROOM_MIN: Final = 45.0
"""Patience of a patient in the (virtual) waiting room, minutes. Source: assumption A38."""
ESCALATION_MIN: Final[Mapping[int, float]] = MappingProxyType({0: 30.0, 1: 480.0, 2: 2880.0})
"""Minutes after which an alert that is not begun is escalated to the prescriber, by urgency. Source: assumption A39."""
FATIGUE_FROM: Final = 20.0
"""Alerts per shift and person above which some are dismissed unread. Source: assumption A39."""
FATIGUE_SHARE: Final = 0.3
"""Largest share of dismissed alerts above that number. Source: assumption A39; Ancker 2017 (direction)."""
CLOCK_MIN: Final[Mapping[int, float]] = MappingProxyType({0: 60.0, 1: 1440.0, 2: 4320.0, 3: 10080.0})
"""Minutes within which work should begin, by urgency. Source: assumption A37."""
