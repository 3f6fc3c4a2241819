"""Pain and withdrawal of 28 days as a small picture with its text. Imports ``data``."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from taper_sim.data.checkins import scales
from taper_sim.data.records import CheckIn
from taper_sim.units import MONTH_D

_WIDTH, _HEIGHT, _EDGE = 84.0, 22.0, 2.0
_TRENDS: Final = (("Pain", ("pain_nrs",)), ("Withdrawal", ("sows_gossop", "sows")))
"""Title of a trend and the instruments that may fill it, the first that is reported."""


@dataclass(frozen=True)
class Trend:
    """One small picture: points of the line, the last point, and the same in words."""

    title: str
    line: str
    last: tuple[float, float]
    words: str


def trends_of(checkins: Iterable[CheckIn], today: date) -> tuple[Trend, ...]:
    """Trends of the last 28 days; an instrument without a report gives none.

    The line runs over the whole scale of the instrument, so that pictures of two people can be compared.
    """
    first = today - timedelta(days=MONTH_D - 1)
    recent = [c for c in checkins if first <= c.day <= today and c.known_on <= today]
    trends = []
    for title, instruments in _TRENDS:
        for instrument in instruments:
            by_day = {c.day: c.value for c in sorted(recent) if c.instrument == instrument}
            if by_day:
                trends.append(_trend(title, instrument, by_day, first))
                break
    return tuple(trends)


def _trend(title: str, instrument: str, by_day: dict[date, float], first: date) -> Trend:
    scale = scales()[instrument]

    def place(day: date) -> tuple[float, float]:
        share = (by_day[day] - scale.low) / (scale.high - scale.low)
        x = _EDGE + (_WIDTH - 2 * _EDGE) * (day - first).days / (MONTH_D - 1)
        return round(x, 1), round(_HEIGHT - _EDGE - (_HEIGHT - 2 * _EDGE) * share, 1)

    days = sorted(by_day)
    values = [by_day[day] for day in days]
    words = (
        f"last {values[-1]:g} on {days[-1]}, {min(values):g} to {max(values):g} in {len(values)} reports "
        f"(scale {scale.low:g} to {scale.high:g})"
    )
    return Trend(title, " ".join("{},{}".format(*place(day)) for day in days), place(days[-1]), words)
