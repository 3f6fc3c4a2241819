"""Figure of a week of a clinic run. Imports ``clinic``, ``report``; reads an output folder only."""

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import pandas as pd
import pyarrow.parquet as pq
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from taper_sim.clinic.calendars import DAY_MIN, WEEKDAYS, weekday_of
from taper_sim.report.drawing import BLUE, DOUBLE_COLUMN_MM, GREEN, GREY, OLIVE, ORANGE, PRINT, empty_figure
from taper_sim.report.wording import in_words
from taper_sim.run_folder import read_table
from taper_sim.units import WEEK_D

WORK_COLOURS: Final = {"visits": BLUE, "alerts": ORANGE, "orders": GREEN, "check-ins": OLIVE, "other": GREY}
"""Colours of the groups of work; each has a contrast of 3 or more to the background of a duty period."""
ON_DUTY_COLOUR: Final = "#EDEDED"
_ON_DUTY: Final[Any] = {"facecolor": ON_DUTY_COLOUR, "linewidth": 0.0}
_ON_CALL: Final[Any] = {"facecolor": "white", "edgecolor": "#C4C4C4", "hatch": "//////", "linewidth": 0.0}
_MOST_PEOPLE: Final = 40
_GROUPS: Final = {
    "visit": "visits",
    "initial_assessment": "visits",
    "group_session": "visits",
    "interpreting": "visits",
    "peer_session": "visits",
    "urgent_visit": "visits",
    "dose_order": "orders",
    "pharmacist_review": "orders",
    "refill": "orders",
    "prior_authorisation": "orders",
    "checkin_batch": "check-ins",
    "checkin_review": "check-ins",
    "escalation": "alerts",
}


def group_of(kind: str) -> str:
    """Legend group of a kind of work."""
    return "alerts" if kind.startswith("alert_") else _GROUPS.get(kind, "other")


def week_figure(folder: Path) -> tuple[Figure, pd.DataFrame]:
    """The week of the first protocol and replication of an output folder, and its data."""
    events = pq.read_table(folder / "events.parquet").to_pandas()
    first = events[(events["replication"] == 0) & events["protocol"].isin(events["protocol"].iloc[:1])]
    return gantt(first, read_table(folder / "duty.csv"))


@mpl.rc_context(PRINT)
def gantt(events: pd.DataFrame, duty: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A week in the middle of the run: one row per person, one bar per job, duty and on-call periods as background."""
    last_day = int(events["requested"].max() // DAY_MIN) + 1 if len(events) else WEEK_D
    begin = max(0, min(last_day // 2, last_day - WEEK_D)) * DAY_MIN
    end = begin + WEEK_D * DAY_MIN
    done = events[events["started"].notna() & (events["resource"] != "")]
    done = done[(done["started"] < end) & (done["ended"].fillna(end) > begin)]
    people = list(dict.fromkeys(duty["resource"])) or sorted(set(done["resource"]))
    shown = people[:_MOST_PEOPLE]
    figure = empty_figure(DOUBLE_COLUMN_MM, 25.0 + 3.6 * max(len(shown), 4), fitted=True)
    axes = figure.add_subplot()
    has_on_call, drawn = False, set()
    for row, name in enumerate(shown):
        periods = duty[(duty["resource"] == name) & (duty["start"] < end) & (duty["end"] > begin)]
        on_call = periods["on_call"].astype(bool)
        for background, style in ((periods[on_call], _ON_CALL), (periods[~on_call], _ON_DUTY)):
            axes.broken_barh(_bars(background["start"], background["end"], begin), (row - 0.45, 0.9), **style)
        has_on_call |= bool(on_call.any())
        for group, colour in WORK_COLOURS.items():
            jobs = done[(done["resource"] == name) & (done["work"].map(group_of) == group)]
            if len(jobs):
                axes.broken_barh(
                    _bars(jobs["started"], jobs["ended"].fillna(end), begin),
                    (row - 0.35, 0.7),
                    color=colour,
                    linewidth=0.0,
                )
                drawn.add(group)
    axes.set_yticks(range(len(shown)), [in_words(name) for name in shown])
    axes.set_ylim(max(len(shown), 1) - 0.4, -0.6)
    first_day = int(begin // DAY_MIN) + 1
    days = [f"{WEEKDAYS[weekday_of(first_day + k)].capitalize()}\nday {first_day + k}" for k in range(WEEK_D)]
    axes.set_xticks([24.0 * k + 12.0 for k in range(WEEK_D)], days)
    axes.set_xlim(0.0, 24.0 * WEEK_D)
    for k in range(1, WEEK_D):
        axes.axvline(24.0 * k, color=GREY, linewidth=0.3)
    keys = [Patch(color=colour, label=group) for group, colour in WORK_COLOURS.items() if group in drawn]
    keys += [Patch(**_ON_DUTY, label="on duty"), *([Patch(**_ON_CALL, label="on call")] if has_on_call else [])]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys))
    hidden = f"; {len(people) - len(shown)} more in the CSV" if len(people) > len(shown) else ""
    axes.set_title(f"Work done by each person{hidden}")
    data = done[["resource", "role", "work", "started", "ended", "outcome"]].sort_values(["resource", "started"])
    return figure, data.assign(group=data["work"].map(group_of))


def _bars(start: pd.Series, end: pd.Series, begin: float) -> list[tuple[float, float]]:
    low = (start.to_numpy() - begin) / 60.0
    high = (end.to_numpy() - begin) / 60.0
    return list(zip(low.tolist(), (high - low).tolist(), strict=True))
