"""Observation model: instruments, their noise, and reports as the likelihood reads them. Imports ``data``, ``model``.

docs/inference.md, "Reports", gives the mean of each instrument and its noise.
"""

from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.data.records import CheckIn
from taper_sim.model.event_parameters import STREAMS
from taper_sim.model.life import ASSESSED_DOMAINS, ASSESSMENT_SD

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
_ASSESSED = "assessed_"
_RECALL = "docs/model.md 4; A71: what moved slowly is the person"


def _assessed(domain: str) -> Instrument:
    """An assessment of a set point at the start of the record: a report of day 0 that is not rounded."""
    kind = {"pain": PAIN, "distress": DISTRESS, "insomnia": INSOMNIA, "function": FUNCTION}[domain]
    white, inf = ASSESSMENT_SD[ASSESSED_DOMAINS.index(domain)], np.inf
    return Instrument(f"{_ASSESSED}{domain}", kind, 1.0, 1, LINEAR, white, 0.0, 1, 0.0, -inf, inf, 0.0, "A29")


INSTRUMENTS: Final[tuple[Instrument, ...]] = (
    _daily("sows_gossop", WITHDRAWAL, 30.0, LOG1P),
    _daily("pain_nrs", PAIN, 1.0),
    _daily("mood_item", DISTRESS, 10.0),
    _daily("sleep_item", INSOMNIA, 10.0),
    _daily("function", FUNCTION, 1.0),
    _daily("withdrawal_item", LAST_CUT, 10.0, LOG1P),
    _daily("steps", STEPS, 1.0, LOG, 1.0),
    _daily("sleep_hours", SLEEP, 1.0, LINEAR, 0.1),
    Instrument("peg", PAIN, 1.0, 7, LINEAR, 0.6, 0.0, 14, 0.0, 0, 10, 1 / 3, _RECALL),
    Instrument("phq9", DISTRESS, 27.0, 14, LINEAR, 1.6, 0.0, 21, 0.0, 0, 27, 1.0, _RECALL),
    Instrument("phq8", DISTRESS, 24.0, 14, LINEAR, 1.42, 0.0, 21, 0.0, 0, 24, 1.0, f"{_RECALL}, as PHQ-9 x 24/27"),
    Instrument("phq2", DISTRESS, 6.0, 14, LINEAR, 0.8, 0.0, 21, 0.0, 0, 6, 1.0, "A27: two of nine items; A71"),
    Instrument("gad7", DISTRESS, 21.0, 14, LINEAR, 1.5, 0.0, 21, 0.0, 0, 21, 1.0, "docs/model.md 4, reviewed; A71"),
    Instrument("gad2", DISTRESS, 6.0, 14, LINEAR, 0.9, 0.0, 21, 0.0, 0, 6, 1.0, "A27: two of seven items; A71"),
    Instrument("isi", INSOMNIA, 28.0, 14, LINEAR, 1.6, 0.0, 14, 0.0, 0, 28, 1.0, _RECALL),
    Instrument("cows", CLINICIAN, 1.0, 1, LINEAR, 1.0, 0.8, 60, 0.0, 0, 48, 1.0, f"{_MODEL}; A71: steady dose"),
    Instrument("craving", CRAVING, 10.0, 1, LINEAR, 1.45, 0.0, 10, 0.0, 0, 10, 1.0, "A27: as the mood item; A71"),
    Instrument("bwsq", BENZODIAZEPINE, 40.0, 7, LOG1P, 0.30, 0.20, 5, 0.0, 0, 40, 1.0, f"{_MODEL}, as SOWS-Gossop"),
    Instrument("pwc", BENZODIAZEPINE, 60.0, 1, LOG1P, 0.30, 0.20, 5, 0.0, 0, 60, 1.0, f"{_MODEL}, as SOWS-Gossop"),
)
BY_NAME: Final[Mapping[str, Instrument]] = {i.name: i for i in INSTRUMENTS}
"""Instruments that a person's check-ins may name."""
ASSESSMENTS: Final[tuple[Instrument, ...]] = tuple(_assessed(domain) for domain in ASSESSED_DOMAINS)
"""Assessments at the start of a record; their noise is that of the assessor and has no factor of the person."""
PLACES: Final = (*INSTRUMENTS, *ASSESSMENTS)
"""What ``Reports.place`` counts through."""
_SOURCES: Final[Mapping[int, int]] = {PAIN: 0, DISTRESS: 1, INSOMNIA: 2}
"""State of life that a recall scale of a kind averages; states in the order of ``life_block.ORDER``."""

_EXACT_WIDTH = 1.2
"""Width of a report's interval, in sds of the white noise, above which the likelihood integrates over the interval. A
narrower interval is replaced by its midpoint with variance width²/12. A design choice."""


class Reports(
    namedtuple(
        "Reports",
        "day slot y low high rounding interval window "
        "kind scale recall transform white slow own shared decay slow_place assessed place "
        "gather opening weekend last_cut",
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
    window : ndarray of int, (n_reports,)
        The sum over days that a report on a recall scale reads; -1 for a report of its day.
    kind, scale, recall, transform, white, slow, own, shared, decay : ndarray, (n_slots,)
        Properties of the instruments present, as in :class:`Instrument`; ``own`` is sqrt(1 - shared²), the
        loading of the white noise of this instrument alone; ``decay`` is the factor by which slow noise falls in a day.
    slow_place : ndarray of int, (n_slots,)
        Position of the instrument among those with slow noise; -1 without.
    assessed : ndarray of bool, (n_slots,)
        Whether it is an assessment, whose noise has no factor of the person.
    place : ndarray of int, (n_slots,)
        Position of the instrument in :data:`PLACES`.
    gather : ndarray of int, (n_days + 1, n_sums)
        State of life that a sum takes up on a day; -1 for none.
    opening : ndarray, (n_days + 1, n_sums)
        How often today's state enters a sum that opens today; 0 for a sum that goes on.
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


def windows_of(day: Ints, kind: Ints, recall: Ints, n_days: int) -> tuple[Ints, Ints, Floats]:
    """Sums over days that reports on recall scales read: ``window``, ``gather`` and ``opening`` of :class:`Reports`.

    Reports of one window share a sum; windows that do not overlap follow each other in one. Days before day 0 count as
    day 0.

    Parameters
    ----------
    day, kind, recall : ndarray of int, (n_reports,)
        Day of each report; latent quantity and recall in days of its instrument.
    n_days : int
        Last day of the result.
    """
    window = np.full(len(day), -1, dtype=np.int64)
    wanted: dict[tuple[int, int, int], tuple[int, list[int]]] = {}
    for row in np.flatnonzero(recall > 1):
        source = _SOURCES.get(int(kind[row]), -1)
        if source >= 0:
            last = int(day[row])
            first = last - int(recall[row]) + 1
            wanted.setdefault((max(first, 0), last, source), (first, []))[1].append(int(row))
    ends: list[int] = []
    runs = []
    for (first, last, source), (unbounded, rows) in sorted(wanted.items()):
        free = next((a for a, end in enumerate(ends) if end < first), len(ends))
        ends[free : free + 1] = [last]
        runs.append((free, first, last, source, 1.0 + max(-unbounded, 0)))
        window[rows] = free
    gather = np.full((n_days + 1, len(ends)), -1, dtype=np.int64)
    opening = np.zeros((n_days + 1, len(ends)))
    for a, first, last, source, weight in runs:
        gather[first : last + 1, a] = source
        opening[first, a] = weight
    return window, gather, opening


def with_rows(reports: Reports, **columns: Floats | Ints) -> Reports:
    """The reports with other rows: every column of ``day`` to ``interval``, in any order of days."""
    order = np.lexsort((columns["slot"], columns["day"]))
    laid_out = reports._replace(**{name: column[order] for name, column in columns.items()})
    n_days = int(laid_out.day[-1]) if len(laid_out.day) else 0
    window, gather, opening = windows_of(
        laid_out.day, reports.kind[laid_out.slot], reports.recall[laid_out.slot], n_days
    )
    return laid_out._replace(window=window, gather=gather, opening=opening)


def with_sums(reports: Reports, sources: Sequence[int], first: int, last: int, n_days: int) -> Reports:
    """The reports with a further sum for each state of life in ``sources`` from a first to a last day.

    Parameters
    ----------
    reports : Reports
    sources : sequence of int
        States of life.
    first, last : int
        Days over which they are summed.
    n_days : int
        Last day that the filter is to reach.
    """
    rows, n = len(reports.gather), reports.gather.shape[1]
    n_rows = max(n_days + 1, rows)
    gather = np.full((n_rows, n + len(sources)), -1, dtype=np.int64)
    opening = np.zeros((n_rows, n + len(sources)))
    gather[:rows, :n], opening[:rows, :n] = reports.gather, reports.opening
    gather[first : last + 1, n:] = sources
    opening[first, n:] = 1.0
    return reports._replace(gather=gather, opening=opening)


def reports_of(
    checkins: Iterable[tuple[int, CheckIn]],
    last_cut: Ints,
    weekend: Floats,
    assessed: Mapping[str, float] = MappingProxyType({}),
) -> Reports:
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
    assessed : mapping of str to float, optional
        Baseline assessment, as in ``model.parameters.Baseline``: reports of day 0 on :data:`ASSESSMENTS`.

    Returns
    -------
    Reports
    """
    rows = [(day, PLACES.index(BY_NAME[c.instrument]), c) for day, c in checkins if c.instrument in BY_NAME]
    for place, i in enumerate(ASSESSMENTS, start=len(INSTRUMENTS)):
        value = assessed.get(i.name.removeprefix(_ASSESSED))
        if value is not None:
            rows.append((0, place, CheckIn(date.min, i.name, float(value))))
    rows.sort(key=lambda item: item[:2])
    places = sorted({place for _, place, _ in rows})
    used = [PLACES[place] for place in places]
    n = len(rows)
    y, low, high, rounding = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    interval = np.zeros(n, dtype=np.bool_)
    for row, (_, place, report) in enumerate(rows):
        i = PLACES[place]
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
    has_slow = of_instruments("slow") > 0.0
    day, slot = (np.array(a, dtype=np.int64) for a in ([d for d, _, _ in rows], [places.index(q) for _, q, _ in rows]))
    kind, recall = of_instruments("kind").astype(np.int64), of_instruments("recall_d").astype(np.int64)
    window, gather, opening = windows_of(day, kind[slot], recall[slot], int(day[-1]) if n else 0)
    return Reports(
        day,
        slot,
        y,
        low,
        high,
        rounding,
        interval,
        window,
        kind,
        of_instruments("scale"),
        recall,
        of_instruments("transform").astype(np.int64),
        of_instruments("white"),
        of_instruments("slow"),
        np.sqrt(1.0 - shared**2),
        shared,
        np.exp(-1.0 / tau) if used else tau,
        np.where(has_slow, np.cumsum(has_slow) - 1, -1).astype(np.int64),
        np.array([place >= len(INSTRUMENTS) for place in places], dtype=np.bool_),
        np.array(places, dtype=np.int64),
        gather,
        opening,
        np.asarray(weekend, dtype=np.float64),
        np.asarray(last_cut, dtype=np.int64),
    )


def packed(reports: Reports) -> tuple[Any, ...]:
    """The reports as few arrays, as the compiled filter takes them: what it compiles grows with their number.

    Returns
    -------
    tuple of ndarray
        Whole numbers of reports (n_reports, 4): day, slot, whether an interval, window; numbers of reports
        (n_reports, 4): y, low, high, rounding; whole numbers of instruments (n_slots, 5): kind, recall, transform,
        place among those with slow noise, whether an assessment; numbers of instruments (n_slots, 6): scale, white,
        slow, own, shared, decay; gather, opening; weekend; last cut.
    """
    r = reports
    return (
        np.stack([r.day, r.slot, r.interval.astype(np.int64), r.window], axis=1),
        np.stack([r.y, r.low, r.high, r.rounding], axis=1),
        np.stack([r.kind, r.recall, r.transform, r.slow_place, r.assessed.astype(np.int64)], axis=1),
        np.stack([r.scale, r.white, r.slow, r.own, r.shared, r.decay], axis=1),
        r.gather,
        r.opening,
        r.weekend,
        r.last_cut,
    )


def weekends(first: date, n_days: int) -> Floats:
    """1 on Saturday and Sunday, for day 0 (the date ``first``) to day ``n_days``, (n_days + 1,)."""
    return np.array([float((first.toordinal() + k - 1) % 7 >= 5) for k in range(n_days + 1)])


def instrument_names(reports: Reports) -> Sequence[str]:
    """Names of the instruments present, by slot."""
    return [PLACES[place].name for place in reports.place]


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
        np.array([getattr(PLACES[p], name) for p in reports.place])[reports.slot] for name in ("low", "high", "step")
    )
    clipped, whole = np.clip(score, low, high), np.where(step > 0.0, step, 1.0)
    return np.asarray(np.where(step > 0.0, np.floor(clipped / whole + 0.5) * whole, clipped))
