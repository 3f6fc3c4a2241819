"""Figures of a clinic run, each with its data as CSV. Imports ``clinic``, ``report``; reads an output folder only."""

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from taper_sim.clinic.calendars import DAY_MIN, WEEKDAYS, weekday_of
from taper_sim.clinic.measures import left_queue
from taper_sim.report.drawing import DOUBLE_COLUMN_MM, GREY, PRINT, empty_figure, svg
from taper_sim.report.wording import in_words, name_text
from taper_sim.run_folder import list_report, read_table, write_csv, write_text
from taper_sim.units import WEEK_D

_COLOURS: Final = {"visits": "#0072B2", "alerts": "#D55E00", "orders": "#009E73", "check-ins": "#E69F00", "other": GREY}
_ON_DUTY: Final[Any] = {"facecolor": "#E6E6E6", "linewidth": 0.0}
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


def write_clinic_figures(folder: Path) -> list[Path]:
    """Draw the figures of a clinic's output folder into its ``figures``."""
    events = pq.read_table(folder / "events.parquet").to_pandas()
    first = events[(events["replication"] == 0) & events["protocol"].isin(events["protocol"].iloc[:1])]
    duty = read_table(folder / "duty.csv")
    written = []
    for name, title, (figure, data) in (
        ("week", "A week of the clinic: work by person", gantt(first, duty)),
        ("waiting", "Waiting work by role and day", waiting(first)),
    ):
        write_text(folder / "figures" / f"{name}.svg", svg(figure, title))
        write_csv(data, folder / "figures" / f"{name}.csv")
        written += [folder / "figures" / f"{name}.svg", folder / "figures" / f"{name}.csv"]
    list_report(folder, written)
    return written


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
        for group, colour in _COLOURS.items():
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
    days = [f"{WEEKDAYS[weekday_of(first_day + k)]}\nday {first_day + k}" for k in range(WEEK_D)]
    axes.set_xticks([24.0 * k + 12.0 for k in range(WEEK_D)], days)
    axes.set_xlim(0.0, 24.0 * WEEK_D)
    for k in range(1, WEEK_D):
        axes.axvline(24.0 * k, color=GREY, linewidth=0.3)
    keys = [Patch(color=colour, label=group) for group, colour in _COLOURS.items() if group in drawn]
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


@mpl.rc_context(PRINT)
def waiting(events: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Waiting jobs at midnight, by role."""
    n_days = int(events["requested"].max() // DAY_MIN) + 1 if len(events) else 1
    midnights = np.arange(1, n_days + 1) * DAY_MIN
    columns = {"day": np.arange(1, n_days + 1)}
    for role in sorted(set(events["role"])):
        jobs = events[events["role"] == role]
        requested, left = np.sort(jobs["requested"].to_numpy()), np.sort(left_queue(jobs, np.inf))
        columns[role] = np.searchsorted(requested, midnights) - np.searchsorted(left, midnights)
    data = pd.DataFrame(columns)
    figure = empty_figure(DOUBLE_COLUMN_MM, 70.0, fitted=True)
    axes = figure.add_subplot()
    lines = ("-", "--", ":", "-.")
    colours = [*_COLOURS.values(), "#CC79A7", "#56B4E9", "#000000"]
    for k, role in enumerate(data.columns[1:]):
        axes.plot(
            data["day"],
            data[role],
            label=name_text(role),
            color=colours[k % len(colours)],
            linestyle=lines[k % 4],
            linewidth=1.0,
        )
    axes.set_xlabel("day")
    axes.set_ylabel("waiting jobs at midnight")
    axes.set_ylim(bottom=0)
    axes.set_title("Waiting work by role")
    if len(data.columns) > 1:
        figure.legend(loc="outside lower center", ncols=9)
    return figure, data
