"""Protocols of published studies: tapers observed in claims data, and tapers with care. Imports policies.

``observed_mix`` and ``usual_care`` describe observed practice and are not recommendations; each person's course is
drawn once (docs/assumptions.md, A32). ``supported`` adds care, and patients may refuse a step (A33).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any, Final, Literal

import numpy as np

from taper_sim.array_types import Bools, Floats
from taper_sim.data.problems import problem
from taper_sim.policies.adaptive import column_of, put_share
from taper_sim.policies.calls import FILE, written
from taper_sim.policies.interface import Observation, Order, Patients, Policy
from taper_sim.policies.modified import Added
from taper_sim.policies.several import ScheduleOrders, grid_of, orders_of
from taper_sim.units import DRUG_CLASSES, VELOCITY_MONTH_D, WEEK_D, DrugClass

LOG_SD: Final = 0.75
"""Sd between people of the log of the fastest month: quartiles 15 and 41.3 %. Source: Agnoli 2021 (E011)."""
STOPPED: Final = 0.205
"""Share of tapers that end in stopping. Source: Agnoli 2021 (E012)."""
REVERSED: Final = 0.25
"""Share of the other tapers that return to the starting dose. Source: assumption A32."""
LEAST_MONTH: Final = 0.10
"""Smallest first cut: two months then reach the 15 % by which claims studies define a taper. Source: A32."""
REVERSAL_MONTHS: Final = 4
"""Months after which a reversed taper returns to the starting dose. Source: A32."""
_FIRST_CALL: Final = 200  # of the generator; the model uses smaller numbers

POSTPONED, WORSE_PAIN, WORSE_SOWS = 0.20, 2.0, 10.0
"""Probability, in any week with an offered step, that it is postponed at the patient's pace; rise of reported pain (NRS
points) and SOWS-Gossop (of 30) at which a step is postponed. Source: assumption A33."""
_YEAR_D: Final = 365.0


@dataclass
class _Mix:
    """Draws of n people: class, monthly cut as a share, whether tapered, stopped, reversed; day of a stop at once."""

    column: np.ndarray
    cut: Floats
    tapered: Bools
    stops: Bools
    reversed: Bools
    stop_day: Floats


@dataclass(frozen=True)
class ObservedMix(Policy):
    """Tapers observed in claims data, for a share of people; the others keep their dose.

    The dose changes with the monthly prescription, on days 1, 31, 61 …: first by the person's fastest month. People
    who stop repeat this cut until 0. The others reduce by half of it (at most half of the current dose) in the next
    month and stay there, or return to the starting dose after four months. In usual care people also stop at once,
    tapered or not (assumption A100).
    """

    velocity_median_pct_per_month: float
    taper_share: float
    drug_class: DrugClass | None
    call: str
    stops_at_once: bool = False

    @property
    def name(self) -> str:
        """The call."""
        return self.call

    @property
    def planned_care(self) -> Mapping[str, float] | None:
        """Usual care: a prescriber, and nothing of a programme."""
        return {"prescriber": 1.0}

    @property
    def setting(self) -> str | None:
        """Usual care."""
        return "usual_care"

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Day 1 and every 30 days, until the slowest taper has stopped; while people stop at once, to the end."""
        last = n_days if self.stops_at_once else min(n_days, VELOCITY_MONTH_D * round(1 / LEAST_MONTH))
        return range(1, last + 1, VELOCITY_MONTH_D)

    def start(self, patients: Patients) -> _Mix:
        """Draw each person's course."""
        z = patients.normals(1, _FIRST_CALL)[:, 0]
        u = patients.uniforms(2, _FIRST_CALL + 1)
        cut = np.clip(self.velocity_median_pct_per_month / 100.0 * np.exp(LOG_SD * z), LEAST_MONTH, 1.0)
        stops = z > NormalDist().inv_cdf(1.0 - STOPPED)
        column = column_of(patients, self.drug_class)
        return _Mix(
            column, cut, u[:, 0] < self.taper_share, stops, ~stops & (u[:, 1] < REVERSED), self._stop_day(patients)
        )

    def _stop_day(self, patients: Patients) -> Floats:
        """Day on which each person stops at once, exponential with their rate; infinite outside usual care."""
        if not self.stops_at_once:
            return np.full(len(patients.dose), np.inf)
        imposed = np.asarray(patients.flags.get("imposed", np.zeros(len(patients.dose))), dtype=bool)
        log_rate = patients.of_practice("usual_stop")
        log_rate = log_rate + np.where(imposed, 0.0, patients.of_practice("usual_stop_agreed"))
        u = patients.uniforms(1, _FIRST_CALL + 2)[:, 0]
        return np.asarray(-_YEAR_D * np.log(u) * np.exp(-log_rate))

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
        share = np.where(memory.stop_day <= observation.day, 0.0, share)
        return Order(put_share(np.ones_like(observation.dose_fraction), memory.column, share))


def _written(call: str, first: str, value: float, drug_class: DrugClass | None) -> str:
    return f"{call}({first}={written(value)}{'' if drug_class is None else f', drug_class={drug_class}'})"


def _checked(call: str, velocity: float, drug_class: DrugClass | None) -> None:
    if not 1 <= velocity <= 100:
        raise problem(FILE, call, f"velocity_median_pct_per_month={velocity:g}", "1 to 100 % of the starting dose")
    if drug_class is not None and drug_class not in DRUG_CLASSES:
        raise problem(FILE, call, f"drug_class={drug_class}", ", ".join(DRUG_CLASSES))


def observed_mix(*, velocity_median_pct_per_month: float, drug_class: DrugClass | None = None) -> ObservedMix:
    """Taper every person as observed in claims: monthly reduction with this median; some stop, some are reversed."""
    _checked("observed_mix", velocity_median_pct_per_month, drug_class)
    name = _written("observed_mix", "velocity_median_pct_per_month", velocity_median_pct_per_month, drug_class)
    return ObservedMix(velocity_median_pct_per_month, 1.0, drug_class, name)


def usual_care(*, taper_share: float, drug_class: DrugClass | None = None) -> ObservedMix:
    """Usual care: a share of people is tapered as in observed_mix(), the others keep their dose; some stop at once."""
    if not 0 <= taper_share <= 1:
        raise problem(FILE, "usual_care", f"taper_share={taper_share:g}", "a share from 0 to 1")
    _checked("usual_care", 23.0, drug_class)
    name = _written("usual_care", "taper_share", taper_share, drug_class)
    return ObservedMix(23.0, taper_share, drug_class, name, stops_at_once=True)


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
"""Planned care of each word of ``care``, share of full care by discipline. Source: assumption A33."""


@dataclass
class _Pace:
    """Schedule day of n patients, whether each stays permanently, and the first reported pain of each."""

    ahead: ScheduleOrders
    schedule_day: np.ndarray
    stays: Bools
    first_pain: Floats
    patients: Patients


@dataclass
class _FixedPace:
    """Memory of the taper inside, and whether each patient has refused a step permanently."""

    taper: Any
    stays: Bools
    patients: Patients


def _of_week(patients: Patients, observation: Observation) -> Floats:
    """Two uniforms of each patient for the steps of a week, (n, 2)."""
    return patients.uniforms(2, _FIRST_CALL, day=(observation.day - 1) // WEEK_D)


@dataclass(frozen=True)
class Supported(Added):
    """A taper with care: an offered step may be refused permanently, and at the patient's pace also postponed."""

    care: str = ""
    pace: str = "fixed"
    mode: str = "in_person"
    planned_care: Mapping[str, float] | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The call."""
        options = (("pace", self.pace, "fixed"), ("mode", self.mode, "in_person"))
        others = "".join(f", {key}={value}" for key, value, usual in options if value != usual)
        return f"supported(taper={self.policy.name}, care={self.care}{others})"

    @property
    def sees_reports(self) -> bool:
        """Whether the policy sees check-ins: always at the patient's pace."""
        return self.pace == "patient" or super().sees_reports

    @property
    def setting(self) -> str | None:
        """A programme that supports the taper."""
        return "programme"

    @property
    def modality(self) -> str | None:
        """Modality of every visit."""
        return {"telephone": "phone"}.get(self.mode, self.mode)

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Days of the taper; at the patient's pace every day of its grid, as steps may be late."""
        if self.pace == "fixed":
            return self.policy.decision_days(n_days)
        return range(1, n_days + 1, grid_of([self.policy]))

    def start(self, patients: Patients) -> Any:
        """Memory of the taper; at the patient's pace, its orders by schedule day of each patient."""
        if self.pace == "fixed":
            return _FixedPace(self.policy.start(patients), np.zeros(len(patients.dose), dtype=bool), patients)
        n = len(patients.dose)
        nobody = np.zeros(n, dtype=bool)
        return _Pace(orders_of(self.policy, patients), np.zeros(n, np.int64), nobody, np.full(n, np.nan), patients)

    def decide(self, memory: Any, observation: Observation) -> Order:
        """Give the next step to every patient who does not refuse it."""
        if self.pace == "fixed":
            return self._next_fixed(memory, observation)
        progress: _Pace = memory
        next_day = np.where(progress.schedule_day == 0, 1, progress.schedule_day + grid_of([self.policy]))
        now, after = progress.ahead.at(progress.schedule_day), progress.ahead.at(next_day)
        offered = (after < now).any(axis=1)
        u = _of_week(progress.patients, observation)
        progress.stays |= offered & (u[:, 0] < progress.patients.of_practice("refusal_own_pace"))
        refused = offered & (progress.stays | (u[:, 1] < POSTPONED) | self._worse(progress, observation))
        progress.schedule_day = np.where(refused, progress.schedule_day, next_day)
        return Order(progress.ahead.at(progress.schedule_day))

    def _next_fixed(self, memory: _FixedPace, observation: Observation) -> Order:
        """Order of the taper, but the dose of patients who refused a step stays what it was."""
        order = self.policy.decide(memory.taper, observation)
        offered = (order.dose_fraction < observation.dose_fraction).any(axis=1)
        u = _of_week(memory.patients, observation)[:, 0]
        memory.stays |= offered & (u < memory.patients.of_practice("refusal_fixed_pace"))
        dose_fraction = np.where(memory.stays[:, None], observation.dose_fraction, order.dose_fraction)
        return replace(order, dose_fraction=dose_fraction)

    @staticmethod
    def _worse(progress: _Pace, observation: Observation) -> Bools:
        """Patients whose reports since the last decision make them refuse a step; none without reports."""
        pain, sows = (
            _mean(observation.reports.get(name), len(observation.dose_fraction)) for name in ("pain_nrs", "sows_gossop")
        )
        progress.first_pain = np.where(np.isnan(progress.first_pain), pain, progress.first_pain)
        return (pain - progress.first_pain >= WORSE_PAIN) | (sows >= WORSE_SOWS)


def _mean(reports: Floats | None, n: int) -> Floats:
    """Mean of each patient's reports, NaN without reports, (n,)."""
    if reports is None or reports.shape[1] == 0:
        return np.full(n, np.nan)
    present = ~np.isnan(reports)
    count = present.sum(axis=1)
    total = np.where(present, reports, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(n, np.nan), where=count > 0)


def supported(
    *,
    taper: Policy,
    care: str,
    pace: Literal["fixed", "patient"] = "fixed",
    mode: Literal["telephone", "video", "in_person"] = "in_person",
) -> Supported:
    """Add care by disciplines joined by /, and visits by mode; with pace=patient a step may be refused."""
    disciplines = care.split("/")
    unknown = [name for name in disciplines if name not in CARE]
    if unknown:
        raise problem(FILE, "supported", f"care={'/'.join(unknown)}", f"one or more, joined by /, of {', '.join(CARE)}")
    if taper.planned_care is not None:
        raise problem(FILE, "supported", f"taper={taper.name}", "a taper without care of its own")
    if pace == "patient" and taper.waits:
        raise problem(FILE, "supported", f"pace=patient with {taper.name}", "a schedule, which does not use reports")
    planned: dict[str, float] = {}
    for name in disciplines:
        for discipline, share in CARE[name].items():
            planned[discipline] = max(share, planned.get(discipline, 0.0))
    return Supported(taper, "", care, pace, mode, planned)
