"""Reports against earlier forecasts as a picture and a table: cuts marked, dose below. Imports ``inference``.

The template draws what this module measures; no script is needed, and the numbers stand in a table beside the picture.
The picture covers the last 84 days (assumption A120).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import pandas as pd

from taper_sim.data.checkins import scales
from taper_sim.data.drugs_taken import equivalents_of
from taper_sim.data.records import CheckIn
from taper_sim.inference.record import PatientRecord, regimen_of
from taper_sim.units import DRUG_CLASSES, WEEK_D

SHOWN_D: Final = 84
"""Days of the picture. Source: A120."""
_PANELS: Final = {
    "pain_nrs": "Pain, 0 to 10",
    "sows_gossop": "Withdrawal, 0 to 30",
    "bwsq": "Benzodiazepine withdrawal, 0 to 40",
    "function": "Function, 0 to 100",
}
WIDTH_PX: Final = 400
_LEFT, _RIGHT, _HEIGHT, _GAP, _TOP = 34.0, 8.0, 62.0, 30.0, 22.0


@dataclass(frozen=True)
class PanelOfPicture:
    """One panel: title, ends of the axis, band and line of the forecast as SVG points, reports as (x, y)."""

    title: str
    top: float
    bottom: float
    low: str
    high: str
    band: str = ""
    line: str = ""
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class ForecastPicture:
    """The picture: panels, cuts as (x, words), dates under it, its text alternative, and the weeks of its table."""

    panels: tuple[PanelOfPicture, ...]
    cuts: tuple[tuple[float, str], ...]
    dates: tuple[tuple[float, str, str], ...]
    height: float
    alternative: str
    weeks: tuple[dict[str, str], ...]


def picture_of(
    checkins: Sequence[CheckIn], as_of: date, record: PatientRecord | None, forecasts: pd.DataFrame | None
) -> ForecastPicture | None:
    """The picture of one patient; None without a report of an instrument that it shows.

    Parameters
    ----------
    checkins : sequence of CheckIn
    as_of : date
    record : PatientRecord or None
        For the doses; None if the answer has no record.
    forecasts : DataFrame or None
        From ``api.report_forecasts``; None if the model makes no prediction, and the reports alone are drawn.
    """
    first = max(as_of - timedelta(days=SHOWN_D), min((c.day for c in checkins), default=as_of))
    n_days = max((as_of - first).days, 1)
    reported = [c for c in checkins if first <= c.day <= as_of and c.instrument in _PANELS and c.high is None]
    names = [name for name in _PANELS if any(c.instrument == name for c in reported)]
    if not names:
        return None

    def x(day: date) -> float:
        return round(_LEFT + (WIDTH_PX - _LEFT - _RIGHT) * (day - first).days / n_days, 1)

    panels, top = [], _TOP
    for name in names:
        scale = scales()[name]
        rows = pd.DataFrame() if forecasts is None else forecasts[forecasts["instrument"] == name]
        rows = rows if rows.empty else rows[rows["date"] >= pd.Timestamp(first)].sort_values("date")
        panels.append(_panel(_PANELS[name], top, (scale.low, scale.high), x, rows, reported, name))
        top += _HEIGHT + _GAP
    cuts: list[tuple[float, str]] = []
    if record is not None:
        panel, cuts = _doses(record, first, n_days, x, top)
        panels.append(panel)
        top += _HEIGHT + _GAP
    middle = first + timedelta(days=n_days // 2)
    dates = ((x(first), "start", _short_date(first)), (x(middle), "middle", _short_date(middle)))
    weeks = _weeks(names, reported, forecasts, first, as_of)
    words = f"Reports of {', '.join(_PANELS[n].split(',')[0].lower() for n in names)} from {first} to {as_of}"
    words += ", as points" if forecasts is None else ", as points on the forecast of the day before with its 90 % band"
    words += f". Doses changed on: {', '.join(w for _, w in cuts)}." if cuts else ". No dose changed."
    return ForecastPicture(
        tuple(panels),
        tuple(cuts),
        (*dates, (x(as_of), "end", _short_date(as_of))),
        top - _GAP + 24,
        f"{words} The numbers by week are in the table below it.",
        weeks,
    )


def _short_date(day: date) -> str:
    return f"{day.day} {day:%b}"


def _panel(
    title: str,
    top: float,
    ends: tuple[float, float],
    x: Callable[[date], float],
    rows: pd.DataFrame,
    reported: Sequence[CheckIn],
    name: str,
) -> PanelOfPicture:
    low, high = ends
    most = max(
        [c.value for c in reported if c.instrument == name] + ([] if rows.empty else rows["hi90"].tolist()),
        default=high,
    )
    shown_high = min(high, max(_round_up(most), low + 1))

    def y(value: float) -> float:
        inside = min(max(value, low), shown_high)
        return round(top + _HEIGHT * (1 - (inside - low) / (shown_high - low)), 1)

    points = tuple((x(c.day), y(c.value)) for c in reported if c.instrument == name)
    band = line = ""
    if not rows.empty:
        days = [stamp.date() for stamp in rows["date"]]
        upper = [f"{x(d)},{y(v)}" for d, v in zip(days, rows["hi90"], strict=True)]
        lower = [f"{x(d)},{y(v)}" for d, v in zip(days, rows["lo90"], strict=True)]
        band = " ".join(upper + lower[::-1])
        line = " ".join(f"{x(d)},{y(v)}" for d, v in zip(days, rows["forecast"], strict=True))
    return PanelOfPicture(title, top, top + _HEIGHT, f"{low:g}", f"{shown_high:g}", band, line, points)


def _round_up(value: float) -> float:
    for size in (5, 10, 15, 20, 30, 40, 60, 80, 100):
        if value <= size:
            return float(size)
    return float(-(-value // 100) * 100)


def _doses(
    record: PatientRecord, first: date, n_days: int, x: Callable[[date], float], top: float
) -> tuple[PanelOfPicture, list[tuple[float, str]]]:
    """The panel of the doses in equivalents a day, and the cuts."""
    regimen = regimen_of(record).dose
    start = (first - record.start).days
    days = [first + timedelta(days=d) for d in range(n_days + 1)]
    at = [min(max(start + d, 0), len(regimen) - 1) for d in range(n_days + 1)]
    now = equivalents_of(record.now)
    k = max(range(len(DRUG_CLASSES)), key=lambda c: max(float(regimen[i, c]) for i in at) + float(now[c]))
    doses = [float(regimen[i, k]) for i in at]
    doses[-1] = float(now[k])
    most = _round_up(max(*doses, 1.0))

    def y(dose: float) -> float:
        return round(top + _HEIGHT * (1 - dose / most), 1)

    line, cuts = [f"{x(days[0])},{y(doses[0])}"], []
    for d in range(1, len(days)):
        if abs(doses[d] - doses[d - 1]) > 1e-9:
            line.append(f"{x(days[d])},{y(doses[d - 1])}")
            change = 100 * (doses[d] - doses[d - 1]) / doses[d - 1] if doses[d - 1] else 100.0
            cuts.append((x(days[d]), f"{_short_date(days[d])} {change:+.0f} %"))
        line.append(f"{x(days[d])},{y(doses[d])}")
    title = f"Dose of the {DRUG_CLASSES[k]}, equivalents a day"
    return PanelOfPicture(title, top, top + _HEIGHT, "0", f"{most:g}", "", " ".join(line)), cuts


def _weeks(
    names: Sequence[str], reported: Sequence[CheckIn], forecasts: pd.DataFrame | None, first: date, as_of: date
) -> tuple[dict[str, str], ...]:
    """Means by week, the newest first."""
    rows = []
    end = as_of
    while end >= first:
        start = end - timedelta(days=WEEK_D - 1)
        row = {"week": f"{max(start, first)} to {end}"}
        for name in names:
            values = [c.value for c in reported if c.instrument == name and start <= c.day <= end]
            row[_PANELS[name]] = f"{sum(values) / len(values):.1f}" if values else "–"
            if forecasts is not None:
                of_name = forecasts[forecasts["instrument"] == name]
                inside = of_name[of_name["date"].between(pd.Timestamp(start), pd.Timestamp(end))]
                row[f"{_PANELS[name].split(',')[0]}, forecast"] = (
                    "–" if inside.empty else f"{inside['forecast'].mean():.1f}"
                )
        rows.append(row)
        end = start - timedelta(days=1)
    return tuple(rows)
