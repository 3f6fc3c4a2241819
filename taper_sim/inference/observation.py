"""What a report says of the person: instruments, their noise, and reports as the likelihood reads them.

Imports ``data``, ``model``, ``tables``. Maps and noise: docs/inference.md, "Reports".
"""

from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.data.records import CheckIn
from taper_sim.model.event_parameters import STREAMS

# -- what an instrument's mean is made of ---------------------------------------------------------------------------
WITHDRAWAL, PAIN, DISTRESS, INSOMNIA, FUNCTION, CLINICIAN, CRAVING, BENZODIAZEPINE, LAST_CUT, STEPS, SLEEP = range(11)
# -- scale on which noise is added ----------------------------------------------------------------------------------
LINEAR, LOG1P, LOG = range(3)


class Instrument(NamedTuple):
    """One instrument of scales.csv that teaches the model.

    ``kind`` and ``scale`` say what its mean is (``scale`` times the latent quantity), ``recall_d`` over how many days
    it is averaged; ``white``, ``slow``, ``tau_d``, ``shared`` are the noise as in ``model.chance.Stream``, on
    ``transform``; ``low``, ``high`` are the ends, ``step`` the width to which a report is rounded.
    """

    name: str
    kind: int
    scale: float
    recall_d: int
    transform: int
    white: float
    slow: float
    tau_d: float
    shared: float
    low: float
    high: float
    step: float
    source: str


def _daily(name: str, kind: int, scale: float, transform: int = LINEAR, step: float = 1.0) -> Instrument:
    s = next(s for s in STREAMS if s.instrument == name)
    return Instrument(
        name, kind, scale, 1, transform, s.white, s.slow, s.tau_d, s.shared, s.low, s.high, step, s.source
    )


_MODEL = "docs/model.md 4"
INSTRUMENTS: Final[tuple[Instrument, ...]] = (
    _daily("sows_gossop", WITHDRAWAL, 30.0, LOG1P),
    _daily("pain_nrs", PAIN, 1.0),
    _daily("mood_item", DISTRESS, 10.0),
    _daily("sleep_item", INSOMNIA, 10.0),
    _daily("function", FUNCTION, 1.0),
    _daily("withdrawal_item", LAST_CUT, 10.0, LOG1P),
    _daily("steps", STEPS, 1.0, LOG, 1.0),
    _daily("sleep_hours", SLEEP, 1.0, LINEAR, 0.1),
    Instrument("peg", PAIN, 1.0, 7, LINEAR, 0.6, 0.8, 14, 0.0, 0, 10, 1 / 3, _MODEL),
    Instrument("phq9", DISTRESS, 27.0, 14, LINEAR, 1.6, 1.6, 21, 0.0, 0, 27, 1.0, _MODEL),
    Instrument("phq8", DISTRESS, 24.0, 14, LINEAR, 1.42, 1.42, 21, 0.0, 0, 24, 1.0, f"{_MODEL}, as PHQ-9 x 24/27"),
    Instrument("phq2", DISTRESS, 6.0, 14, LINEAR, 0.75, 0.5, 21, 0.0, 0, 6, 1.0, "A27: two of nine items"),
    Instrument("gad7", DISTRESS, 21.0, 14, LINEAR, 1.5, 1.4, 21, 0.0, 0, 21, 1.0, "docs/model.md 4, reviewed"),
    Instrument("gad2", DISTRESS, 6.0, 14, LINEAR, 0.8, 0.6, 21, 0.0, 0, 6, 1.0, "A27: two of seven items"),
    Instrument("isi", INSOMNIA, 28.0, 14, LINEAR, 1.6, 1.7, 14, 0.0, 0, 28, 1.0, _MODEL),
    Instrument("cows", CLINICIAN, 1.0, 1, LINEAR, 1.0, 0.8, 7, 0.0, 0, 48, 1.0, _MODEL),
    Instrument("craving", CRAVING, 10.0, 1, LINEAR, 1.3, 0.8, 10, 0.0, 0, 10, 1.0, "A27: as the mood item"),
    Instrument("bwsq", BENZODIAZEPINE, 40.0, 7, LOG1P, 0.30, 0.20, 5, 0.0, 0, 40, 1.0, f"{_MODEL}, as SOWS-Gossop"),
    Instrument("pwc", BENZODIAZEPINE, 60.0, 1, LOG1P, 0.30, 0.20, 5, 0.0, 0, 60, 1.0, f"{_MODEL}, as SOWS-Gossop"),
)
BY_NAME: Final[Mapping[str, Instrument]] = {i.name: i for i in INSTRUMENTS}

_EXACT_WIDTH = 1.2
"""An interval wider than so many white sds is integrated, a narrower one is its middle with variance width²/12."""


class Reports(
    namedtuple(
        "Reports",
        "day slot y low high rounding interval "
        "kind scale recall transform white slow own shared decay place weekend last_cut",
    )
):
    """Reports of a person, by day and then instrument, as arrays that the compiled likelihood reads.

    Attributes
    ----------
    day, slot : ndarray of int, (n_reports,)
        Day since the start; which of the instruments present.
    y, low, high : ndarray, (n_reports,)
        Middle and ends of what the report stands for, on the instrument's transform; ends may be infinite.
    rounding : ndarray, (n_reports,)
        Variance of the rounding, where the middle is used.
    interval : ndarray of bool, (n_reports,)
        Whether the interval is integrated: at the ends of a scale, and where it is wide.
    kind, scale, recall, transform, white, slow, own, shared, decay : ndarray, (n_slots,)
        Of the instruments present.
    place : ndarray of int, (n_slots,)
        Of the instrument in :data:`INSTRUMENTS`.
    weekend : ndarray, (n_days + 1,)
        1 on Saturday and Sunday.
    last_cut : ndarray of int, (n_days + 1,)
        Class that was reduced last, by day.
    """

    __slots__ = ()


def _transformed(transform: int, value: float) -> float:
    if transform == LINEAR:
        return value
    shifted = value + (1.0 if transform == LOG1P else 0.0)
    return float(np.log(shifted)) if shifted > 0.0 else -np.inf


def reports_of(checkins: Iterable[tuple[int, CheckIn]], last_cut: Ints, weekend: Floats) -> Reports:
    """Lay reports out for the likelihood.

    Parameters
    ----------
    checkins : iterable of (int, CheckIn)
        Day since the start, and the report; at most one of an instrument a day. Others than :data:`INSTRUMENTS` are
        left out.
    last_cut : ndarray of int, (n_days + 1,)
    weekend : ndarray, (n_days + 1,)

    Returns
    -------
    Reports
    """
    known = sorted(
        ((day, INSTRUMENTS.index(BY_NAME[c.instrument]), c) for day, c in checkins if c.instrument in BY_NAME),
        key=lambda item: item[:2],
    )
    places = sorted({place for _, place, _ in known})
    used = [INSTRUMENTS[place] for place in places]
    n = len(known)
    y, low, high, rounding = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    interval = np.zeros(n, dtype=np.bool_)
    for row, (_, place, report) in enumerate(known):
        i = INSTRUMENTS[place]
        first, last = report.value, report.value if report.high is None else report.high
        # at an end of the scale everything beyond it was reported as the end
        low[row] = -np.inf if first <= i.low else _transformed(i.transform, first - i.step / 2)
        high[row] = np.inf if last >= i.high else _transformed(i.transform, last + i.step / 2)
        open_end = not (np.isfinite(low[row]) and np.isfinite(high[row]))
        y[row] = _transformed(i.transform, 0.5 * (first + last)) if open_end else 0.5 * (low[row] + high[row])
        width = np.inf if open_end else high[row] - low[row]
        interval[row] = width > _EXACT_WIDTH * i.white
        rounding[row] = 0.0 if open_end else width**2 / 12.0

    def each(of: str) -> Floats:
        return np.array([float(getattr(i, of)) for i in used])

    shared, tau = each("shared"), each("tau_d")
    return Reports(
        np.array([day for day, _, _ in known], dtype=np.int64),
        np.array([places.index(place) for _, place, _ in known], dtype=np.int64),
        y,
        low,
        high,
        rounding,
        interval,
        each("kind").astype(np.int64),
        each("scale"),
        each("recall_d").astype(np.int64),
        each("transform").astype(np.int64),
        each("white"),
        each("slow"),
        np.sqrt(1.0 - shared**2),
        shared,
        np.exp(-1.0 / tau) if used else tau,
        np.array(places, dtype=np.int64),
        np.asarray(weekend, dtype=np.float64),
        np.asarray(last_cut, dtype=np.int64),
    )


def weekends(first: date, n_days: int) -> Floats:
    """1 on Saturday and Sunday, for day 0 = ``first`` to day ``n_days``: (n_days + 1,)."""
    return np.array([float((first.toordinal() + k - 1) % 7 >= 5) for k in range(n_days + 1)])


def names_of(reports: Reports) -> Sequence[str]:
    """Instruments present, by slot."""
    return [INSTRUMENTS[place].name for place in reports.place]


def unheard(reports: Reports, after_day: int) -> Reports:
    """The same reports, with those after a day saying nothing: their predicted means are then forecasts."""
    later = reports.day > after_day
    return reports._replace(
        interval=reports.interval | later,
        low=np.where(later, -np.inf, reports.low),
        high=np.where(later, np.inf, reports.high),
    )


def on_scale(score: Floats, reports: Reports) -> Floats:
    """What is written on each instrument's scale for scores on its transform, (..., n_reports)."""
    transform = reports.transform[reports.slot]
    score = np.where(transform == LOG1P, np.expm1(np.where(transform == LINEAR, 0.0, np.minimum(score, 20.0))), score)
    score = np.where(transform == LOG, np.exp(np.where(transform == LOG, np.minimum(score, 20.0), 0.0)), score)
    low, high, step = (
        np.array([getattr(INSTRUMENTS[p], of) for p in reports.place])[reports.slot] for of in ("low", "high", "step")
    )
    return np.asarray(np.floor(np.clip(score, low, high) / step + 0.5) * step)
