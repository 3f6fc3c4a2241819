"""Observation model: instruments, their noise, and reports as the likelihood reads them. Imports ``data``, ``model``.

docs/inference.md, "Reports", gives the mean of each instrument and its noise.
"""

from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.data.records import CheckIn
from taper_sim.model.event_parameters import STREAMS

# -- latent quantity of an instrument's mean ------------------------------------------------------------------------
WITHDRAWAL, PAIN, DISTRESS, INSOMNIA, FUNCTION, CLINICIAN, CRAVING, BENZODIAZEPINE, LAST_CUT, STEPS, SLEEP = range(11)
# -- scale on which noise is added ----------------------------------------------------------------------------------
LINEAR, LOG1P, LOG = range(3)


class Instrument(NamedTuple):
    """One instrument of scales.csv in the likelihood.

    Its mean is ``scale`` times the latent quantity ``kind``, averaged over ``recall_d`` days. ``white``, ``slow``,
    ``tau_d`` (days) and ``shared`` are its noise on the scale ``transform``, as in ``model.event_parameters.Stream``.
    ``low`` and ``high`` are the ends of its scale; reports are rounded to multiples of ``step``.
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
"""Width of a report's interval, in sds of the white noise, above which the likelihood integrates over the interval. A
narrower interval is replaced by its midpoint with variance width²/12. A design choice."""


class Reports(
    namedtuple(
        "Reports",
        "day slot y low high rounding interval "
        "kind scale recall transform white slow own shared decay place weekend last_cut",
    )
):
    """Reports of a person, ordered by day and then instrument, as arrays that the compiled likelihood reads.

    Attributes
    ----------
    day, slot : ndarray of int, (n_reports,)
        Day since the start; index of the instrument among the instruments present.
    y, low, high : ndarray, (n_reports,)
        Midpoint and ends of the interval that the rounded report stands for, on the instrument's transform; an end may
        be infinite.
    rounding : ndarray, (n_reports,)
        Variance of the rounding error of a report that enters as its midpoint; 0 for a half-open interval.
    interval : ndarray of bool, (n_reports,)
        Whether the likelihood integrates over the interval: at the ends of a scale, and for wide intervals.
    kind, scale, recall, transform, white, slow, own, shared, decay : ndarray, (n_slots,)
        Properties of the instruments present, as in :class:`Instrument`; ``own`` is sqrt(1 - shared²), the
        loading of the white noise of this instrument alone; ``decay`` is the factor by which slow noise falls in a day.
    place : ndarray of int, (n_slots,)
        Position of the instrument in :data:`INSTRUMENTS`.
    weekend : ndarray, (n_days + 1,)
        1 on Saturday and Sunday.
    last_cut : ndarray of int, (n_days + 1,)
        Class that was reduced last, by day.
    """

    __slots__ = ()


def _transformed(transform: int, value: float) -> float:
    """A score on the scale on which noise is added."""
    if transform == LINEAR:
        return value
    shifted = value + (1.0 if transform == LOG1P else 0.0)
    return float(np.log(shifted)) if shifted > 0.0 else -np.inf


def reports_of(checkins: Iterable[tuple[int, CheckIn]], last_cut: Ints, weekend: Floats) -> Reports:
    """Lay reports out for the likelihood.

    Parameters
    ----------
    checkins : iterable of (int, CheckIn)
        Day since the start, and the report; at most one of an instrument a day. Instruments that are not in
        :data:`INSTRUMENTS` are ignored.
    last_cut : ndarray of int, (n_days + 1,)
        Class that was reduced last, by day.
    weekend : ndarray, (n_days + 1,)
        1 on Saturday and Sunday.

    Returns
    -------
    Reports
    """
    rows = sorted(
        ((day, INSTRUMENTS.index(BY_NAME[c.instrument]), c) for day, c in checkins if c.instrument in BY_NAME),
        key=lambda item: item[:2],
    )
    places = sorted({place for _, place, _ in rows})
    used = [INSTRUMENTS[place] for place in places]
    n = len(rows)
    y, low, high, rounding = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    interval = np.zeros(n, dtype=np.bool_)
    for row, (_, place, report) in enumerate(rows):
        i = INSTRUMENTS[place]
        first, last = report.value, report.value if report.high is None else report.high
        # a report at an end of the scale stands for every value beyond it
        low[row] = -np.inf if first <= i.low else _transformed(i.transform, first - i.step / 2)
        high[row] = np.inf if last >= i.high else _transformed(i.transform, last + i.step / 2)
        open_end = not (np.isfinite(low[row]) and np.isfinite(high[row]))
        y[row] = _transformed(i.transform, 0.5 * (first + last)) if open_end else 0.5 * (low[row] + high[row])
        width = np.inf if open_end else high[row] - low[row]
        interval[row] = width > _EXACT_WIDTH * i.white
        rounding[row] = 0.0 if open_end else width**2 / 12.0

    def of_instruments(name: str) -> Floats:
        return np.array([float(getattr(i, name)) for i in used])

    shared, tau = of_instruments("shared"), of_instruments("tau_d")
    return Reports(
        np.array([day for day, _, _ in rows], dtype=np.int64),
        np.array([places.index(place) for _, place, _ in rows], dtype=np.int64),
        y,
        low,
        high,
        rounding,
        interval,
        of_instruments("kind").astype(np.int64),
        of_instruments("scale"),
        of_instruments("recall_d").astype(np.int64),
        of_instruments("transform").astype(np.int64),
        of_instruments("white"),
        of_instruments("slow"),
        np.sqrt(1.0 - shared**2),
        shared,
        np.exp(-1.0 / tau) if used else tau,
        np.array(places, dtype=np.int64),
        np.asarray(weekend, dtype=np.float64),
        np.asarray(last_cut, dtype=np.int64),
    )


def weekends(first: date, n_days: int) -> Floats:
    """1 on Saturday and Sunday, for day 0 (the date ``first``) to day ``n_days``, (n_days + 1,)."""
    return np.array([float((first.toordinal() + k - 1) % 7 >= 5) for k in range(n_days + 1)])


def instrument_names(reports: Reports) -> Sequence[str]:
    """Names of the instruments present, by slot."""
    return [INSTRUMENTS[place].name for place in reports.place]


def unobserved_after(reports: Reports, after_day: int) -> Reports:
    """The reports with every report after a day unobserved: the filter's predicted means of these are forecasts."""
    later = reports.day > after_day
    return reports._replace(
        interval=reports.interval | later,
        low=np.where(later, -np.inf, reports.low),
        high=np.where(later, np.inf, reports.high),
    )


def on_scale(score: Floats, reports: Reports) -> Floats:
    """Reports on each instrument's scale, rounded and clipped, of scores on its transform, (..., n_reports)."""
    transform = reports.transform[reports.slot]
    score = np.where(transform == LOG1P, np.expm1(np.where(transform == LINEAR, 0.0, np.minimum(score, 20.0))), score)
    score = np.where(transform == LOG, np.exp(np.where(transform == LOG, np.minimum(score, 20.0), 0.0)), score)
    low, high, step = (
        np.array([getattr(INSTRUMENTS[p], name) for p in reports.place])[reports.slot]
        for name in ("low", "high", "step")
    )
    return np.asarray(np.floor(np.clip(score, low, high) / step + 0.5) * step)
