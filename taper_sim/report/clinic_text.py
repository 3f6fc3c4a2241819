"""A clinic run as text for the clinic's lead. Imports ``experiments.clinic_run``, ``tables``, ``report.wording``."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd

from taper_sim import tables
from taper_sim.clinic.alarms import AHEAD_D
from taper_sim.clinic.staffing.book import fewest_patients
from taper_sim.clinic.staffing.bounds import Load
from taper_sim.clinic.work import KINDS_OF_WORK
from taper_sim.experiments.clinic_run import ClinicRun
from taper_sim.report.methods import calibration_sentence, is_calibrated
from taper_sim.report.run_tables import rows_where as _of
from taper_sim.report.wording import count, interval_text, name_text, number_text, percent

_HARMS = (
    ("dose_reduction_pct", "dose down, %", 1.0),
    ("withdrawal_peak", "peak withdrawal, 0-1", 1.0),
    ("pain_nrs_change", "pain change, NRS", 1.0),
    ("function_change", "function change, of 100", 1.0),
    ("dropout", "dropped out, %", 100.0),
    ("return_to_higher_dose", "back to a higher dose, %", 100.0),
    ("mental_health_crisis", "crisis, %", 100.0),
    ("overdose", "overdose, %", 100.0),
)
LATE_WORK: Final = (
    ("alarm_true_share", "alert_spike", "Spike alarms that are true, %", 100.0, 0),
    ("alarm_true_share", "alert_missed_checkins", "Alarms of missed check-ins that are true, %", 100.0, 0),
    ("alarm_true_share", "alert_unreported_dose", "Alarms of doses that are true, %", 100.0, 0),
    ("alarm_sensitivity", "", "Episodes of need with an alarm, %", 100.0, 0),
    ("alarm_sensitivity_read", "", "Episodes of need with an alarm that was read in the episode, %", 100.0, 0),
    ("false_alarm_time", "", "Staff time on false alarms, hours a week", 1.0, 1),
    ("days_without_supply", "", "Days without a dose at home, a patient", 1.0, 2),
    ("unanswered_calls", "", "Messages and true alarms without an answer, a patient", 1.0, 2),
    ("days_of_silence", "", "Days of silence, a patient", 1.0, 2),
)
"""Accuracy of alarms and what late work does: metric, kind of work, label, factor, digits."""
NEED_MEANS: Final = (
    f"An alarm is true if within {AHEAD_D} days withdrawal is over its limit or a crisis, an overdose or a seizure "
    "happens; days with either are an episode of need."
)
BREAKS: Final = 0.05
"""Share of late or lost work beyond closed hours above which a role breaks. A design choice."""
_BUSY = 0.85
"""Utilisation above which waits grow steeply. Source: common rule of operations research, as in Erlang C."""

_GROWS_BY, _GROWS_SHARE = 5.0, 0.1
"""Smallest reported growth of a queue from one quarter of the days to the next: jobs, and share of the waiting jobs."""


ENROLMENT_MEANS: Final = "the excess will be late, lost or overtime"
"""Consequence of a load above 1 during enrolment."""


def before_text(loads: Mapping[str, Sequence[Load]], enrolling: Mapping[str, Sequence[Load]]) -> list[str]:
    """Warnings before the run: one line for each overloaded queue; empty without one."""
    lines = []
    for protocol, planned in loads.items():
        over = [load for load in planned if load.share > 1.0]
        if over:
            lines.append(f"This team cannot keep up with {protocol}: these queues grow for as long as the clinic runs.")
            lines += [f"  {load}" for load in over]
        at_first = [load for load in enrolling[protocol] if load.share > 1.0]
        if at_first:
            lines.append(
                f"While the panel enrols {protocol} plans more work than this team has hours: {ENROLMENT_MEANS}."
            )
            lines += [f"  {load}" for load in at_first]
    return lines


def _interval(row: pd.Series, factor: float = 1.0, digits: int = 1) -> str:
    mean, low, high = (factor * row[name] for name in ("mean", "lo95", "hi95"))
    return interval_text(mean, low, high, digits)


def clinic_text(done: ClinicRun) -> str:
    """The lead's summary: utilisation, late work and service of each protocol, and the effect on patients."""
    plan = done.plan
    team = "unlimited staff" if plan.team.unlimited else f"a team of {len(plan.team.workers)}"
    n = done.manifest["patients"]["n"]
    lines = [
        "",
        f"{plan.scenario.name}: {n:,} patients, {plan.n_days} days, {team}, "
        f"{count(plan.n_replications, 'replication')}, seed {plan.scenario.seed}",
    ]
    for arm in plan.arms:
        lines += ["", arm.name, "-" * len(arm.name), *_protocol_text(done, arm.name)]
    lines += [
        *_panel_size(done),
        "",
        *_interval_note(plan.n_replications),
        f"{calibration_sentence(is_calibrated(done.manifest))} {tables.UNREVIEWED.capitalize()}.",
        f"Output folder: {done.folder}",
    ]
    return "\n".join(lines)


def _panel_size(done: ClinicRun) -> list[str]:
    """The largest panels in steady state and while it enrols, and the command that tests panels against targets."""
    n, days = done.manifest["patients"]["n"], done.plan.enrolled_over_d
    steady, at_first = fewest_patients(done.loads, n), fewest_patients(done.enrolling, n)
    if steady is None:
        return []
    lines = ["", f"How many patients (here {n:,}), by what the appointment book can place and by planned work:"]
    lines.append(f"  in steady state {steady[1]:,} in care at a time; full first: {_full(steady[0])}")
    if at_first is not None:
        lines.append(f"  enrolled within {count(days, 'day')} {at_first[1]:,}; full first: {_full(at_first[0])}")
    return [
        *lines,
        "  Alerts and urgent visits come on top of planned work.",
        f"How many can be tapered safely: `taper-sim staffing {done.manifest['scenario_file']}` tests panels and teams "
        "against targets.",
    ]


def _full(load: Load) -> str:
    """A load in words: its queue, its licence, and whether hours or the appointment book are full."""
    what = "appointment book" if load.metric.startswith("booked") else "hours"
    licence = "" if load.state is None else f" for patients of {load.state}"
    return f"the {name_text(load.queue)}'s {what}{licence}"


def _interval_note(n_replications: int) -> list[str]:
    if n_replications == 1:
        return [
            "One replication, at the centres of the parameters: no intervals. Differences compare the same patients",
            "with this team and with unlimited staff.",
        ]
    return [
        "Means over replications, with 95 % intervals in brackets. Each replication has its own patients, random",
        "numbers and parameter draw. Differences compare the same patients with this team and with unlimited staff.",
    ]


def _protocol_text(done: ClinicRun, protocol: str) -> list[str]:
    service = _of(done.service, protocol=protocol)
    lines = []
    roles = _of(service, metric="utilisation", subgroup="all").sort_values("mean", ascending=False)
    if len(roles):
        lines.append("role".ljust(20) + "busy %".rjust(22) + "overtime h/week".rjust(24) + "late %".rjust(22))
    for _, row in roles.iterrows():
        name = str(row["role"])
        over = _of(service, metric="overtime", role=name)
        late = _of(service, metric="late", role=name, work="")
        cells = [
            _interval(row, 100.0, 0).rjust(22),
            (_interval(over.iloc[0]) if len(over) else "-").rjust(24),
            (_interval(late.iloc[0], 100.0, 0) if len(late) else "-").rjust(22),
        ]
        lines.append(name_text(name).ljust(20) + "".join(cells))
    first = breaks_first(service, roles)
    lines += ["", *first] if first else []
    lines += growing_queues(service)
    for metric, label, factor, digits in (
        ("order_wait_days", "Days per patient with a waiting order", 1.0, 1),
        ("checkins_unread_overnight", "Check-ins unread by the night of their day, %", 100.0, 1),
        ("visits_given", "Kept visits that took place, %", 100.0, 1),
        ("spike_alerts", "Symptom-spike alerts per patient", 1.0, 1),
        ("spike_alerts_false", "  false: no withdrawal over the limit", 1.0, 1),
        ("spike_alerts_dismissed", "  true, but dismissed unread", 1.0, 1),
        ("cost", "Cost of the team, USD per patient and 30 days", 1.0, 0),
    ):
        rows = _of(service, metric=metric, subgroup="all")
        if len(rows) and not (metric == "cost" and done.plan.team.unlimited):  # unlimited staff have no cost
            lines.append(f"{label}: {_interval(rows.iloc[0], factor, digits)}")
    lines += ["", "Alarms, and late work that reaches people:"]
    for metric, kind, label, factor, digits in LATE_WORK:
        rows = _of(service, metric=metric, work=kind, subgroup="all")
        if len(rows):
            lines.append(f"  {label}: {_interval(rows.iloc[0], factor, digits)}")
    lines += textwrap.wrap(NEED_MEANS, 100, initial_indent="  ", subsequent_indent="  ")
    lines += ["", "outcome".ljust(30) + "with this team".rjust(26) + "minus unlimited staff".rjust(30)]
    for name, title, factor in _HARMS:
        with_team = _of(done.summary, protocol=protocol, outcome=name, subgroup="all")
        gap = _of(done.differences, protocol=protocol, outcome=name, subgroup="all")
        if len(with_team) and len(gap):
            lines.append(
                title.ljust(30)
                + _interval(with_team.iloc[0], factor, 2).rjust(26)
                + _interval(gap.iloc[0], factor, 2).rjust(30)
            )
    lines += _fairness(service)
    return lines


def breaks_first(service: pd.DataFrame, roles: pd.DataFrame) -> list[str]:
    """The role with the most late work beyond closed hours, then notes on closed hours."""
    if len(roles) == 0:
        return []
    late = late_work(service)
    whole = late[late["work"] == ""].sort_values("beyond", ascending=False)
    closed = whole[whole["closed"].round(2) > 0].sort_values("closed", ascending=False)
    lines = []
    if len(closed):
        shares = ", ".join(f"{name_text(row['role'])} {percent(row['closed'])}" for _, row in closed.iterrows())
        lines.append(f"Late only because no worker of the role is on duty (nights, weekends): {shares}.")
    urgent = late[late["work"].isin([kind.name for kind in KINDS_OF_WORK if kind.urgency == 0])]
    for _, row in urgent[urgent["closed"].round(2) > 0].iterrows():
        lines.append(
            f"Urgent work waited for the next shift: {percent(row['closed'])} of the {name_text(row['role'])}'s work "
            f"on {name_text(row['work'])}. A worker on call would begin it."
        )
    top, open_ = roles.iloc[0], " during staffed hours" if len(closed) else ""
    if len(whole) and whole.iloc[0]["beyond"] > BREAKS:
        role, share = whole.iloc[0]["role"], whole.iloc[0]["beyond"]
        kinds = late[(late["role"] == role) & (late["work"] != "") & (late["beyond"].round(2) > 0)]
        worst = kinds.sort_values("beyond", ascending=False).head(3)
        named = ", ".join(f"{name_text(row['work'])} ({percent(row['beyond'])})" for _, row in worst.iterrows())
        staffed = " although the role is staffed" if role in set(closed["role"]) else ""
        first = f"What breaks first: {percent(share)} of the {name_text(role)}'s work is late or lost{staffed}"
        return [f"{first}: {named}." if named else f"{first}.", *lines]
    if top["mean"] > _BUSY:
        busy = f"the {name_text(top['role'])} is busy {percent(top['mean'])} of the time"
        return [f"Little is late{open_}, but {busy}: there is little spare capacity.", *lines]
    return [f"Nothing breaks{open_}: work begins in time, and every role has spare capacity.", *lines]


def late_work(service: pd.DataFrame) -> pd.DataFrame:
    """Late work by role and kind: all (``mean``), because of closed hours (``closed``), and the rest (``beyond``)."""
    key = ["role", "work"]
    every = _of(service, subgroup="all").loc[lambda t: t["role"] != ""]
    late = _of(every, metric="late")[[*key, "mean"]]
    closed = _of(every, metric="late_closed")[[*key, "mean"]].rename(columns={"mean": "closed"})
    table = late.merge(closed, on=key, how="left").fillna({"closed": 0.0})
    return table.assign(beyond=table["mean"] - table["closed"])


def growing_queues(service: pd.DataFrame) -> list[str]:
    """Queues that still grow at the end of the run, one line each."""
    lines = []
    for _, row in _of(service, metric="queue_growth").sort_values("mean", ascending=False).iterrows():
        waiting = float(_of(service, metric="queue", role=str(row["role"]), work="")["mean"].iloc[0])
        sure = row["n_replications"] < 3 or not row["lo95"] <= 0  # two replications give no useful interval
        if sure and row["mean"] > max(_GROWS_BY, _GROWS_SHARE * waiting):
            lines.append(
                f"The {name_text(row['role'])}'s queue still grows at the end: {_interval(row)} more jobs wait in the "
                f"last quarter of the days than in the quarter before (mean of the whole run: {number_text(waiting)})."
            )
    return lines


def _fairness(service: pd.DataFrame) -> list[str]:
    late = _of(service, metric="late", role="", work="").loc[lambda t: t["subgroup"] != "all"]
    if len(late) == 0:
        return []
    waits = {row["subgroup"]: row for _, row in _of(service, metric="order_wait_days").iterrows()}
    lines = ["", "subgroup".ljust(30) + "late or lost %".rjust(22) + "days an order waits".rjust(26)]
    for _, row in late.iterrows():
        wait = waits.get(row["subgroup"])
        lines.append(
            str(row["subgroup"]).ljust(30)
            + _interval(row, 100.0, 0).rjust(22)
            + ("-" if wait is None else _interval(wait)).rjust(26)
        )
    return lines
