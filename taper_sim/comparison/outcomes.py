"""Outcomes: what each reads of a course, its unit and direction. Imports ``outcome_window``, ``preferences``, ``rows``.

Each outcome has a name, a unit, a direction and, where one is published or assumed, a smallest important difference.
Changes are later minus start. Outcomes of a person who died are those of the days lived; what is read on a day is then
missing. Definitions that published studies use: docs/outcomes.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.comparison.outcome_window import OutcomeWindow, velocity_max
from taper_sim.comparison.preferences import COMPOSITE_WEIGHTS, HARM_WEIGHTS, LOAD_OUTCOMES, counted_harms, weighted_sum
from taper_sim.model.compiled import rows

Direction = Literal["lower", "higher", "neither"]

SHARE_OF_PEOPLE: Final = "share of people"
"""Unit of an outcome that a person has or has not."""
BEYOND_EXPECTED: Final = "_beyond_expected"
"""Ending of the column with a person's observed minus expected events, which belongs to the outcome of the name."""


@dataclass(frozen=True)
class Outcome:
    """One number a patient.

    Attributes
    ----------
    name, unit, meaning : str
    direction : "lower", "higher" or "neither"
        Which is better.
    important : float or None
        Smallest important difference in ``unit``; None where any difference counts (events).
    source : str
        Of the smallest important difference, or of the definition.
    tail : bool
        Whether the mean of the worst 5 % (``…_cvar95``) makes sense.
    ends : (float, float)
        The least and the most that a patient can have; infinite where nothing bounds it.
    """

    name: str
    unit: str
    direction: Direction
    important: float | None
    meaning: str
    source: str
    of: Callable[[OutcomeWindow], Floats]
    tail: bool = False
    ends: tuple[float, float] = (-np.inf, np.inf)

    @property
    def difference_ends(self) -> tuple[float, float]:
        """The least and the most by which two patients can differ."""
        width = self.ends[1] - self.ends[0]
        return -width, width


def _exposure(look: OutcomeWindow) -> Floats:
    sums = np.stack([look.total(rows.SUM_DOSE + k) for k in range(3)], axis=1)
    taken = sums[np.arange(len(sums)), look.target]
    return taken / np.maximum(look.total(rows.DAYS), 1.0) / look.dose_start


def _adherence(look: OutcomeWindow) -> Floats:
    return 1.0 - look.total(rows.LAPSES) / np.maximum(look.total(rows.DAYS), 1.0)


def _ratio(over: int, under: int) -> Callable[[OutcomeWindow], Floats]:
    def ratio(look: OutcomeWindow) -> Floats:
        planned = look.total(under)
        return np.divide(look.total(over), planned, out=np.full_like(planned, np.nan), where=planned > 0)

    return ratio


def _response(look: OutcomeWindow) -> Floats:
    start = look.course.start[rows.P]
    change = look.change(rows.P)
    return np.where(np.isnan(change), np.nan, (change <= -0.3 * start) & (start > 0))


def _reached(share: float) -> Callable[[OutcomeWindow], Floats]:
    return lambda look: np.where(np.isnan(look.reduction), np.nan, look.reduction >= share - 1e-9)


def _any(*rows_: int) -> Callable[[OutcomeWindow], Floats]:
    def happened(look: OutcomeWindow) -> Floats:
        first, *others = (look.happened(row) for row in rows_)
        for other in others:
            first = np.maximum(first, other)
        return first

    return happened


def _retained(look: OutcomeWindow) -> Floats:
    end = look.course.end
    return ((end[rows.IN_CARE] > 0) & (end[rows.ALIVE] > 0)).astype(np.float64)


def _discontinued(look: OutcomeWindow) -> Floats:
    return np.where(np.isnan(look.dose_end), np.nan, look.dose_end == 0.0)


def _left_while_taking(look: OutcomeWindow) -> Floats:
    return look.day_of(rows.DROPOUT_DAY) * (look.dose(look.course.end) > 0)


_W, _PW = 30.0, 60.0  # points of SOWS-Gossop and of the Physician Withdrawal Checklist at full withdrawal
_BWSQ, _COWS0, _COWS = 40.0, 1.5, 30.0  # docs/model.md, section 4 and scales.csv

_SHARE: Final = (0.0, 1.0)
_COUNT: Final = (0.0, np.inf)

OUTCOMES: Final[tuple[Outcome, ...]] = (
    Outcome(
        "dose_exposure",
        "share of start",
        "lower",
        0.10,
        "mean dose taken ÷ dose on day 0",
        "A18",
        _exposure,
        ends=_COUNT,
    ),
    Outcome(
        "dose_end_mme",
        "equivalents/day",
        "neither",
        None,
        "prescribed on the last day",
        "definition",
        lambda k: k.dose_end,
        ends=_COUNT,
    ),
    Outcome(
        "dose_change_mme",
        "equivalents/day",
        "neither",
        None,
        "last day − day 0",
        "definition",
        lambda k: k.dose_end - k.dose_start,
    ),
    Outcome(
        "dose_reduction_pct",
        "%",
        "higher",
        10,
        "reduction from day 0 to the last day",
        "A18",
        lambda k: 100.0 * k.reduction,
        ends=(-np.inf, 100.0),
    ),
    Outcome(
        "dose_reduction_ge15",
        "share of people",
        "higher",
        None,
        "at least 15 % down",
        "Agnoli 2021",
        _reached(0.15),
        ends=_SHARE,
    ),
    Outcome(
        "dose_reduction_ge50",
        "share of people",
        "higher",
        None,
        "at least 50 % down",
        "definition",
        _reached(0.50),
        ends=_SHARE,
    ),
    Outcome(
        "discontinued",
        "share of people",
        "neither",
        None,
        "dose 0 on the last day",
        "definition",
        _discontinued,
        ends=_SHARE,
    ),
    Outcome(
        "time_to_discontinuation_d",
        "d",
        "neither",
        28,
        "first day at dose 0, of those who reach it",
        "definition",
        lambda k: np.where(k.day_of(rows.STOP_DAY) > 0, k.course.end[rows.STOP_DAY], np.nan),
        ends=_COUNT,
    ),
    Outcome(
        "velocity_max_pct_per_month", "%/30 d", "lower", 5, "fastest month", "Agnoli 2021", velocity_max, ends=_COUNT
    ),
    Outcome(
        "withdrawal_peak",
        "0-1",
        "lower",
        0.10,
        "largest overall withdrawal",
        "A18: 3 SOWS-Gossop points",
        lambda k: k.course.sums[k.day][rows.MAX_W],
        tail=True,
        ends=_SHARE,
    ),
    Outcome(
        "withdrawal_area",
        "d",
        "lower",
        3.0,
        "sum of overall withdrawal over days",
        "A18",
        lambda k: k.total(rows.SUM_W),
        tail=True,
        ends=_COUNT,
    ),
    Outcome(
        "days_over_limit",
        "d",
        "lower",
        7,
        "days with withdrawal over the limit (0.15)",
        "A18",
        lambda k: k.total(rows.OVER_LIMIT),
        tail=True,
        ends=_COUNT,
    ),
    Outcome(
        "withdrawal_sows_gossop",
        "points 0-30",
        "lower",
        3.0,
        "mean SOWS-Gossop over the window",
        "A18",
        lambda k: k.mean(rows.SUM_SOWS),
        ends=(0.0, _W),
    ),
    Outcome(
        "withdrawal_sows_gossop_log_ratio",
        "log points",
        "lower",
        0.2,
        "mean log(1 + SOWS-Gossop)",
        "E049",
        lambda k: k.mean(rows.SUM_LOG_SOWS),
        ends=_COUNT,
    ),
    Outcome(
        "withdrawal_cows",
        "points 0-48",
        "lower",
        5.0,
        "mean COWS",
        "A18; κ 30",
        lambda k: _COWS0 + _COWS * k.mean(rows.SUM_W_CLASS),
        ends=(0.0, 48.0),
    ),
    Outcome(
        "withdrawal_bwsq",
        "points 0-40",
        "lower",
        4.0,
        "mean BWSQ above the person's own baseline",
        "A18",
        lambda k: _BWSQ * k.mean(rows.SUM_W_CLASS + 1),
        ends=(0.0, _BWSQ),
    ),
    Outcome(
        "withdrawal_pwc",
        "points 0-60",
        "lower",
        6.0,
        "mean Physician Withdrawal Checklist above baseline",
        "A18",
        lambda k: _PW * k.mean(rows.SUM_W_CLASS + 1),
        ends=(0.0, _PW),
    ),
    Outcome(
        "completed_withdrawal",
        "share of people",
        "higher",
        None,
        "dose 0 and still in care",
        "Fishman 2019",
        lambda k: np.nan_to_num(_discontinued(k)) * _retained(k),
        ends=_SHARE,
    ),
    Outcome(
        "pain_nrs",
        "NRS points",
        "lower",
        1.0,
        "pain on the last day",
        "scales.csv: PEG 1.0, NRS 2 or 30 %",
        lambda k: np.clip(k.at_end(rows.P), 0.0, 10.0),  # the scale ends there, the state does not
        tail=True,
        ends=(0.0, 10.0),
    ),
    Outcome(
        "pain_nrs_change",
        "NRS points",
        "lower",
        1.0,
        "pain, last day − day 0",
        "scales.csv",
        lambda k: k.change(rows.P),
        ends=(-10.0, 10.0),
    ),
    Outcome(
        "pain_response30",
        "share of people",
        "higher",
        None,
        "pain down by 30 % or more",
        "scales.csv",
        _response,
        ends=_SHARE,
    ),
    Outcome(
        "pain_worse",
        "share of people",
        "lower",
        None,
        "pain up by more than half a point",
        "McPherson 2018",
        lambda k: np.where(np.isnan(k.change(rows.P)), np.nan, k.change(rows.P) > 0.5),
        ends=_SHARE,
    ),
    Outcome(
        "function_change",
        "points 0-100",
        "higher",
        10,
        "function, last day − day 0",
        "scales.csv: assumption",
        lambda k: k.change(rows.U),
        ends=(-100.0, 100.0),
    ),
    Outcome(
        "promis_pi_change",
        "T-score",
        "lower",
        4.85,
        "pain interference: 2.0 T a point of pain and −0.1 a point of function (A19)",
        "scales.csv",
        lambda k: 2.0 * k.change(rows.P) - 0.1 * k.change(rows.U),
        ends=(-30.0, 30.0),
    ),
    Outcome(
        "phq9_change",
        "points 0-27",
        "lower",
        5,
        "27 × distress, last day − day 0",
        "scales.csv",
        lambda k: 27.0 * k.change(rows.M),
        ends=(-27.0, 27.0),
    ),
    Outcome(
        "isi_change",
        "points 0-28",
        "lower",
        6,
        "28 × insomnia, last day − day 0",
        "scales.csv",
        lambda k: 28.0 * k.change(rows.I),
        ends=(-28.0, 28.0),
    ),
    Outcome("overdose", "share of people", "lower", None, "any overdose", "A10", _any(rows.OVERDOSES), ends=_SHARE),
    Outcome(
        "overdose_expected_dose",
        "events/person",
        "lower",
        None,
        "expected overdoses by the dose taken",
        "A10",
        lambda k: k.total(rows.HAZARD_DOSE),
        ends=_COUNT,
    ),
    Outcome(
        "overdose_expected_tolerance",
        "events/person",
        "lower",
        None,
        "expected overdoses by effect beyond tolerance",
        "A10",
        lambda k: k.total(rows.HAZARD_EXCESS),
        ends=_COUNT,
    ),
    Outcome(
        "overdose_or_withdrawal",
        "share of people",
        "lower",
        None,
        "overdose or a visit coded as withdrawal",
        "Agnoli 2021",
        _any(rows.OVERDOSES, rows.WITHDRAWAL_VISITS),
        ends=_SHARE,
    ),
    Outcome(
        "overdose_or_suicide_event",
        "share of people",
        "lower",
        None,
        "overdose or suicide attempt",
        "Larochelle 2022",
        _any(rows.OVERDOSES, rows.ATTEMPTS),
        ends=_SHARE,
    ),
    Outcome(
        "overdose_or_suicide_death",
        "share of people",
        "lower",
        None,
        "death by overdose or suicide",
        "Oliva 2020",
        _any(rows.OVERDOSE_DEATHS, rows.SUICIDE_DEATHS),
        ends=_SHARE,
    ),
    Outcome(
        "mental_health_crisis",
        "share of people",
        "lower",
        None,
        "emergency or hospital care",
        "Agnoli 2021",
        _any(rows.CRISES),
        ends=_SHARE,
    ),
    Outcome(
        "seizure", "share of people", "lower", None, "seizure or delirium", "A12", _any(rows.SEIZURES), ends=_SHARE
    ),
    Outcome(
        "death",
        "share of people",
        "lower",
        None,
        "death by overdose or suicide",
        "A11",
        lambda k: k.day_of(rows.DEATH_DAY),
        ends=_SHARE,
    ),
    Outcome(
        "urgent_visit", "share of people", "lower", None, "any urgent visit", "A13", _any(rows.URGENT), ends=_SHARE
    ),
    Outcome(
        "return_to_higher_dose",
        "share of people",
        "lower",
        None,
        "went back to a higher dose",
        "Fenton 2021",
        lambda k: k.day_of(rows.RETURN_DAY),
        ends=_SHARE,
    ),
    Outcome(
        "lapse_days",
        "d",
        "lower",
        7,
        "days with more than the prescribed dose",
        "A18",
        lambda k: k.total(rows.LAPSES),
        tail=True,
        ends=_COUNT,
    ),
    Outcome(
        "dropout",
        "share of people",
        "lower",
        None,
        "left the programme",
        "A6",
        lambda k: k.day_of(rows.DROPOUT_DAY),
        ends=_SHARE,
    ),
    Outcome(
        "care_terminated",
        "share of people",
        "lower",
        None,
        "left the programme while still prescribed",
        "A6",
        _left_while_taking,
        ends=_SHARE,
    ),
    Outcome(
        "retained",
        "share of people",
        "higher",
        None,
        "alive and in the programme on the last day",
        "A6",
        _retained,
        ends=_SHARE,
    ),
    Outcome(
        "adherence",
        "share of days",
        "higher",
        0.1,
        "days without more than the prescribed dose",
        "A8",
        _adherence,
        ends=_SHARE,
    ),
    Outcome(
        "checkin_completion",
        "share of check-ins",
        "higher",
        0.1,
        "check-ins done ÷ due",
        "E057",
        _ratio(rows.CHECKINS_DONE, rows.CHECKINS_DUE),
        ends=_SHARE,
    ),
    Outcome(
        "visit_completion",
        "share of visits",
        "higher",
        0.1,
        "visits kept ÷ planned",
        "A14",
        _ratio(rows.VISITS_KEPT, rows.VISITS_PLANNED),
        ends=_SHARE,
    ),
    Outcome(
        "no_show",
        "share of visits",
        "lower",
        0.1,
        "visits missed ÷ planned",
        "A14",
        lambda k: 1.0 - _ratio(rows.VISITS_KEPT, rows.VISITS_PLANNED)(k),
        ends=_SHARE,
    ),
)


def composite(look: OutcomeWindow, weights: Mapping[str, float]) -> Floats:
    """Weighted load plus weighted harms, in important differences, (n,); see :func:`weighted_sum`."""
    harms = [outcome for outcome, _ in counted_harms(weights).values()]
    values = {name: BY_NAME[name].of(look) for name in (*LOAD_OUTCOMES.values(), *harms)}
    return weighted_sum(values, weights)


COMPOSITE: Final = Outcome(
    "composite",
    "important differences",
    "lower",
    0.5,
    "weighted change of pain, function, mood and medication load, in smallest important differences, plus weighted "
    "crisis, overdose and death",
    "A18, A70",
    lambda look: composite(look, {**COMPOSITE_WEIGHTS, **HARM_WEIGHTS}),
    tail=True,
)

#: Every outcome, and by name; :func:`register_outcome` adds to both.
ALL: Final[list[Outcome]] = [*OUTCOMES, COMPOSITE]
BY_NAME: Final[dict[str, Outcome]] = {outcome.name: outcome for outcome in ALL}
SHIPPED_OUTCOMES: Final = frozenset(BY_NAME)
"""Names of the outcomes that the package ships."""


def register_outcome(outcome: Outcome) -> bool:
    """Add an outcome, or replace one of the same name that was added before.

    Returns
    -------
    bool
        Whether it replaced one.

    Raises
    ------
    ValueError
        If the name is that of a shipped outcome: published definitions do not change.
    """
    if outcome.name in SHIPPED_OUTCOMES or outcome.name.removesuffix("_cvar95") in SHIPPED_OUTCOMES:
        raise ValueError(f"{outcome.name}, which is a shipped outcome; allowed: a name of its own")
    replaced = outcome.name in BY_NAME
    if replaced:
        ALL.remove(BY_NAME[outcome.name])
    ALL.append(outcome)
    BY_NAME[outcome.name] = outcome
    return replaced
