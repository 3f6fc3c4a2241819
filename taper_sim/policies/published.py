"""Protocols in which published studies are coded: tapers as claims show them, and tapers with care. Imports policies.

``observed_mix`` and ``usual_care`` are what clinicians were seen to do, not what anybody advises; each person's course
is drawn once (docs/assumptions.md, A32). ``supported`` adds care, and a patient who may refuse a step (A33).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Final, Literal

import numpy as np

from taper_sim.array_types import Bools, Floats
from taper_sim.data.problems import problem
from taper_sim.policies.adaptive import column_of, put_share
from taper_sim.policies.calls import FILE, written
from taper_sim.policies.interface import Observation, Order, Patients, Policy
from taper_sim.policies.modified import Added
from taper_sim.policies.several import Followed, followed, grid_of
from taper_sim.units import DRUG_CLASSES, VELOCITY_MONTH_D, DrugClass

LOG_SD: Final = 0.75
"""Spread of the fastest month between people, sd of its log: quartiles 15 and 41.3 %. Source: Agnoli 2021 (E011)."""
STOPPED: Final = 0.205
"""Share of tapers that end in stopping. Source: Agnoli 2021 (E012)."""
REVERSED: Final = 0.25
"""Share of the other tapers that go back to the starting dose. Source: assumption A32."""
LEAST_MONTH: Final = 0.10
"""Smallest first cut, so that two months make the 15 % by which claims studies know a taper. Source: A32."""
REVERSAL_MONTHS: Final = 4
"""Months after which a reversed taper is back. Source: A32."""
_LUCK: Final = 200  # call of the generator; those below belong to the person

POSTPONED, SETTLED, WORSE_PAIN, WORSE_SOWS = 0.20, 0.10, 2.0, 10.0
"""Chances that an offered step is postponed, and that the person stays at the dose for good, in any week with an offer;
rise of reported pain (NRS points) and SOWS-Gossop (of 30) at which a step is postponed. Source: assumption A33."""
_WEEK_D: Final = 7


@dataclass
class _Mix:
    """What was drawn of n people: class, monthly cut as a share, whether tapered, stopping, reversed."""

    column: np.ndarray
    cut: Floats
    tapered: Bools
    stops: Bools
    reversed: Bools


@dataclass(frozen=True)
class ObservedMix(Policy):
    """Tapers as claims data show them, for a share of people; the rest keep their dose.

    The dose changes with the monthly prescription, on days 1, 31, 61 …: first by the person's fastest month; who stops
    goes on like that to 0, the others take half of it (at most half of what is left) the next month and stay there, or
    are back at the start after four months.
    """

    velocity_median_pct_per_month: float
    taper_share: float
    drug_class: DrugClass | None
    call: str

    @property
    def name(self) -> str:
        """The call."""
        return self.call

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Day 1 and every 30 days, until the slowest has stopped."""
        return range(1, min(n_days, VELOCITY_MONTH_D * round(1 / LEAST_MONTH)) + 1, VELOCITY_MONTH_D)

    def start(self, patients: Patients) -> _Mix:
        """Draw each person's course."""
        z = patients.normals(1, _LUCK)[:, 0]
        u = patients.uniforms(2, _LUCK + 1)
        cut = np.clip(self.velocity_median_pct_per_month / 100.0 * np.exp(LOG_SD * z), LEAST_MONTH, 1.0)
        stops = z > NormalDist().inv_cdf(1.0 - STOPPED)
        column = column_of(patients, self.drug_class)
        return _Mix(column, cut, u[:, 0] < self.taper_share, stops, ~stops & (u[:, 1] < REVERSED))

    def decide(self, memory: _Mix, observation: Observation) -> Order:
        """Order the month's dose."""
        months = (observation.day - 1) // VELOCITY_MONTH_D + 1
        first = 1.0 - memory.cut
        if months > 1:
            held = first - np.minimum(0.5 * memory.cut, 0.5 * first)
            first = np.where(memory.stops, np.maximum(1.0 - months * memory.cut, 0.0), held)
        if months > REVERSAL_MONTHS:
            first = np.where(memory.reversed, 1.0, first)
        share = np.where(memory.tapered, first, 1.0)
        return Order(put_share(np.ones_like(observation.dose_fraction), memory.column, share))


def _written(call: str, first: str, value: float, drug_class: DrugClass | None) -> str:
    return f"{call}({first}={written(value)}{'' if drug_class is None else f', drug_class={drug_class}'})"


def _checked(call: str, velocity: float, drug_class: DrugClass | None) -> None:
    if not 1 <= velocity <= 100:
        raise problem(FILE, call, f"velocity_median_pct_per_month={velocity:g}", "1 to 100 % of the starting dose")
    if drug_class is not None and drug_class not in DRUG_CLASSES:
        raise problem(FILE, call, f"drug_class={drug_class}", ", ".join(DRUG_CLASSES))


def observed_mix(*, velocity_median_pct_per_month: float, drug_class: DrugClass | None = None) -> ObservedMix:
    """Everybody is tapered as claims show it: fastest month drawn with this median, some stop, some are reversed."""
    _checked("observed_mix", velocity_median_pct_per_month, drug_class)
    name = _written("observed_mix", "velocity_median_pct_per_month", velocity_median_pct_per_month, drug_class)
    return ObservedMix(velocity_median_pct_per_month, 1.0, drug_class, name)


def usual_care(*, taper_share: float, drug_class: DrugClass | None = None) -> ObservedMix:
    """Usual care: this share is tapered as in observed_mix(), the rest keep their dose."""
    if not 0 <= taper_share <= 1:
        raise problem(FILE, "usual_care", f"taper_share={taper_share:g}", "a share from 0 to 1")
    _checked("usual_care", 23.0, drug_class)
    return ObservedMix(23.0, taper_share, drug_class, _written("usual_care", "taper_share", taper_share, drug_class))


# -- with care ---------------------------------------------------------------------------------------------------------

CARE: Final[Mapping[str, Mapping[str, float]]] = {
    "prescriber": {"prescriber": 1.0},
    "physician_assistant": {"prescriber": 1.0},
    "nurse": {"nurse": 1.0},
    "pharmacist": {"pharmacist": 1.0},
    "psychologist": {"psychologist": 1.0},
    "team": dict.fromkeys(("prescriber", "pharmacist", "pt", "psychologist", "nurse"), 1.0),
    "group": {"psychologist": 1.0, "peer": 1.0},
    "education": {"psychologist": 0.5},
}
"""What ``care`` plans, in the model's disciplines, as a share of full care. Source: assumption A33."""


@dataclass
class _Pace:
    """The own clocks of n patients, who has settled for good, and each one's first report of pain."""

    ahead: Followed
    own_day: np.ndarray
    settled: Bools
    first_pain: Floats
    patients: Patients


@dataclass(frozen=True)
class Supported(Added):
    """A taper with care; at the patient's pace a step is offered and may be refused, put off, or the last."""

    care: str = ""
    pace: str = "fixed"
    mode: str = "in_person"
    planned_care: Mapping[str, float] | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The call."""
        options = (("pace", self.pace, "fixed"), ("mode", self.mode, "in_person"))
        said = "".join(f", {key}={value}" for key, value, usual in options if value != usual)
        return f"supported(taper={self.policy.name}, care={self.care}{said})"

    @property
    def sees_reports(self) -> bool:
        """Whether reports are looked at: always at the patient's pace."""
        return self.pace == "patient" or super().sees_reports

    @property
    def modality(self) -> str | None:
        """How visits happen, for everybody."""
        return {"telephone": "phone"}.get(self.mode, self.mode)

    def decision_days(self, n_days: int) -> Sequence[int]:
        """As the taper; at the patient's pace its steps may come later, so every day of its grid."""
        if self.pace == "fixed":
            return self.policy.decision_days(n_days)
        return range(1, n_days + 1, grid_of([self.policy]))

    def start(self, patients: Patients) -> Any:
        """At the patient's pace, what the taper would order on each patient's own clock."""
        if self.pace == "fixed":
            return self.policy.start(patients)
        n = len(patients.dose)
        nobody = np.zeros(n, dtype=bool)
        return _Pace(followed(self.policy, patients), np.zeros(n, np.int64), nobody, np.full(n, np.nan), patients)

    def decide(self, memory: Any, observation: Observation) -> Order:
        """Move on the clock of everybody who takes the step that is offered, if one is."""
        if self.pace == "fixed":
            return self.policy.decide(memory, observation)
        own: _Pace = memory
        next_day = np.where(own.own_day == 0, 1, own.own_day + grid_of([self.policy]))
        now, after = own.ahead.at(own.own_day), own.ahead.at(next_day)
        offered = (after < now).any(axis=1)
        u = own.patients.uniforms(2, _LUCK, day=(observation.day - 1) // _WEEK_D)
        own.settled |= offered & (u[:, 0] < SETTLED)
        refused = offered & (own.settled | (u[:, 1] < POSTPONED) | self._worse(own, observation))
        own.own_day = np.where(refused, own.own_day, next_day)
        return Order(own.ahead.at(own.own_day))

    @staticmethod
    def _worse(own: _Pace, observation: Observation) -> Bools:
        """Who has reported so much since the last decision that a step would be refused; without reports nobody."""
        pain, sows = (
            _mean(observation.reports.get(name), len(observation.dose_fraction)) for name in ("pain_nrs", "sows_gossop")
        )
        own.first_pain = np.where(np.isnan(own.first_pain), pain, own.first_pain)
        return (pain - own.first_pain >= WORSE_PAIN) | (sows >= WORSE_SOWS)


def _mean(reports: Floats | None, n: int) -> Floats:
    """Mean of what came, NaN for who sent nothing, (n,)."""
    if reports is None or reports.shape[1] == 0:
        return np.full(n, np.nan)
    came = ~np.isnan(reports)
    count = came.sum(axis=1)
    total = np.where(came, reports, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(n, np.nan), where=count > 0)


def supported(
    *,
    taper: Policy,
    care: str,
    pace: Literal["fixed", "patient"] = "fixed",
    mode: Literal["telephone", "video", "in_person"] = "in_person",
) -> Supported:
    """Add care by disciplines joined by /, visits by mode; with pace=patient a step may be refused or put off."""
    named = care.split("/")
    unknown = [name for name in named if name not in CARE]
    if unknown:
        raise problem(FILE, "supported", f"care={'/'.join(unknown)}", f"one or more, joined by /, of {', '.join(CARE)}")
    if taper.planned_care is not None:
        raise problem(FILE, "supported", f"taper={taper.name}", "a taper without care of its own")
    if pace == "patient" and taper.waits:
        raise problem(
            FILE, "supported", f"pace=patient with {taper.name}", "a schedule, which does not wait for reports"
        )
    planned: dict[str, float] = {}
    for name in named:
        for discipline, share in CARE[name].items():
            planned[discipline] = max(share, planned.get(discipline, 0.0))
    return Supported(taper, "", care, pace, mode, planned)
