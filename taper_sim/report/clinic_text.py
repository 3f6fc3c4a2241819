"""A clinic run as text for whoever leads the clinic. Imports ``scenario.clinics``, ``tables``, ``report.wording``."""

from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd

from taper_sim import tables
from taper_sim.clinic.staffing.bounds import EnrolmentLoad, Load
from taper_sim.clinic.work import KINDS
from taper_sim.experiments.clinic_run import ClinicRun
from taper_sim.report.wording import count, interval, number, percent, words

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
_BUSY = 0.85
"""Utilisation above which waits grow fast. Source: common rule of operations research, as in Erlang C."""

_GROWS_BY, _GROWS_SHARE = 5.0, 0.1
"""A rise from one quarter of the days to the next that is said: pieces of work, and share of those waiting."""


ENROLMENT_MEANS: Final = "what is over is late, lost or overtime"
"""What a load above one while the panel enrols comes to."""


def before_text(loads: Mapping[str, Sequence[Load]], enrolling: Mapping[str, Sequence[EnrolmentLoad]]) -> list[str]:
    """What is known before running: queues that cannot keep up, one line each; nothing if all can."""
    lines = []
    for protocol, found in loads.items():
        over = [load for load in found if load.share > 1.0]
        if over:
            lines.append(f"This team cannot keep up with {protocol}: these queues grow for as long as the clinic runs.")
            lines += [f"  {load}" for load in over]
        at_first = [load for load in enrolling[protocol] if load.share > 1.0]
        if at_first:
            lines.append(f"While the panel enrols {protocol} plans more than this team can do: {ENROLMENT_MEANS}.")
            lines += [f"  {load}" for load in at_first]
    return lines


def _of(table: pd.DataFrame, **where: str) -> pd.DataFrame:
    for column, value in where.items():
        table = table[table[column] == value]
    return table


def _interval(row: pd.Series, factor: float = 1.0, digits: int = 1) -> str:
    mean, low, high = (factor * row[name] for name in ("mean", "lo95", "hi95"))
    return interval(mean, low, high, digits)


def clinic_text(done: ClinicRun) -> str:
    """The page a lead reads first: the load known before, who is overloaded, what is late, what it does to patients."""
    plan = done.plan
    people = len(plan.team.workers)
    who = "staff that is never short" if plan.team.unlimited else f"a team of {people}"
    n = done.manifest["patients"]["n"]
    lines = [
        "",
        f"{plan.scenario.name}: {n:,} patients, {plan.n_days} days, {who}, "
        f"{count(plan.n_replications, 'replication')}, seed {plan.scenario.seed}",
    ]
    for arm in plan.arms:
        lines += ["", arm.name, "-" * len(arm.name), *_protocol_text(done, arm.name)]
    lines += [
        *_how_many(done),
        "",
        *_what_numbers_are(plan.n_replications),
        f"Not calibrated to published results. {tables.UNREVIEWED.capitalize()}.",
        f"Run folder: {done.folder}",
    ]
    return "\n".join(lines)


def _how_many(done: ClinicRun) -> list[str]:
    """The largest panel that the planned work leaves room for, and where to ask for a safe one."""
    if not done.loads:
        return []
    first = done.loads[0]
    return [
        "",
        f"How many patients: the planned work alone would fill the {words(first.queue)}'s hours at "
        f"{first.most_patients:,} patients (here {first.n_patients:,}); alerts and urgent visits come on top.",
        f"How many can be tapered safely: `taper-sim staffing {done.manifest['scenario_file']}` tries panels and teams "
        "against targets.",
    ]


def _what_numbers_are(n_replications: int) -> list[str]:
    if n_replications == 1:
        return [
            "One replication, at the centres of the parameters: no intervals. Differences are between the same",
            "patients with this team and with staff never short.",
        ]
    return [
        "Means over replications, in brackets their 95 % interval. A replication has its own patients, luck and draw",
        "of the parameters; differences are between the same patients with this team and with staff never short.",
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
        lines.append(words(name).ljust(20) + "".join(cells))
    first = _breaks_first(service, roles)
    lines += ["", *first] if first else []
    lines += _still_growing(service)
    for metric, said, factor, digits in (
        ("order_wait_days", "Days on which a patient's order waited for somebody", 1.0, 1),
        ("checkins_unread_overnight", "Check-ins that nobody had read by night, %", 100.0, 1),
        ("visits_given", "Visits that patients kept and the clinic gave, %", 100.0, 1),
        ("spike_alerts", "Alerts of a symptom spike, a patient", 1.0, 1),
        ("spike_alerts_false", "  of them without withdrawal over the limit", 1.0, 1),
        ("spike_alerts_dismissed", "  true ones that were dismissed unread", 1.0, 1),
        ("cost", "Cost of the team, USD a patient and 30 days", 1.0, 0),
    ):
        found = _of(service, metric=metric, subgroup="all")
        if len(found) and not (metric == "cost" and done.plan.team.unlimited):  # nobody is paid
            lines.append(f"{said}: {_interval(found.iloc[0], factor, digits)}")
    lines += ["", "outcome".ljust(30) + "with this team".rjust(26) + "against staff never short".rjust(30)]
    for name, title, factor in _HARMS:
        own = _of(done.summary, protocol=protocol, outcome=name, subgroup="all")
        gap = _of(done.differences, protocol=protocol, outcome=name, subgroup="all")
        if len(own) and len(gap):
            lines.append(
                title.ljust(30)
                + _interval(own.iloc[0], factor, 2).rjust(26)
                + _interval(gap.iloc[0], factor, 2).rjust(30)
            )
    lines += _fairness(service)
    return lines


def _breaks_first(service: pd.DataFrame, roles: pd.DataFrame) -> list[str]:
    """Whose work is late most, hours at which nobody of the role is at work apart, and what else is to say."""
    if len(roles) == 0:
        return []
    late = _late(service)
    whole = late[late["work"] == ""].sort_values("beyond", ascending=False)
    closed = whole[whole["closed"].round(2) > 0].sort_values("closed", ascending=False)
    lines = []
    if len(closed):
        which = ", ".join(f"{words(row['role'])} {percent(row['closed'])}" for _, row in closed.iterrows())
        lines.append(f"Late only because nobody of the role is at work then (nights, weekends): {which}.")
    urgent = late[late["work"].isin([kind.name for kind in KINDS if kind.urgency == 0])]
    for _, row in urgent[urgent["closed"].round(2) > 0].iterrows():
        lines.append(
            f"What cannot wait did wait for that: {percent(row['closed'])} of the {words(row['role'])}'s work on "
            f"{words(row['work'])}; somebody on call would begin it."
        )
    top, open_ = roles.iloc[0], " while people are at work" if len(closed) else ""
    if len(whole) and whole.iloc[0]["beyond"] > 0.05:
        role, share = whole.iloc[0]["role"], whole.iloc[0]["beyond"]
        kinds = late[(late["role"] == role) & (late["work"] != "") & (late["beyond"].round(2) > 0)]
        which = kinds.sort_values("beyond", ascending=False).head(3)
        named = ", ".join(f"{words(row['work'])} ({percent(row['beyond'])})" for _, row in which.iterrows())
        at_work = ", even with somebody at work" if role in set(closed["role"]) else ""
        first = f"What breaks first: {percent(share)} of the {words(role)}'s work is late or lost{at_work}"
        return [f"{first}: {named}." if named else f"{first}.", *lines]
    if top["mean"] > _BUSY:
        busy = f"the {words(top['role'])} is busy {percent(top['mean'])} of the time"
        return [f"Nothing is late often{open_}, but {busy}: little room is left.", *lines]
    return [f"Nothing breaks{open_}: work is in time, and everybody has room.", *lines]


def _late(service: pd.DataFrame) -> pd.DataFrame:
    """Late work by role and kind: all of it, what waits only for somebody to be at work, and what is beyond that."""
    key = ["role", "work"]
    every = _of(service, subgroup="all").loc[lambda t: t["role"] != ""]
    late = _of(every, metric="late")[[*key, "mean"]]
    closed = _of(every, metric="late_closed")[[*key, "mean"]].rename(columns={"mean": "closed"})
    found = late.merge(closed, on=key, how="left").fillna({"closed": 0.0})
    return found.assign(beyond=found["mean"] - found["closed"])


def _still_growing(service: pd.DataFrame) -> list[str]:
    """Queues that have not settled by the end, whatever the bound on planned work said: one line each."""
    lines = []
    for _, row in _of(service, metric="queue_growth").sort_values("mean", ascending=False).iterrows():
        waiting = float(_of(service, metric="queue", role=str(row["role"]), work="")["mean"].iloc[0])
        sure = row["n_replications"] < 3 or row["lo95"] > 0  # two replications have no interval to speak of
        if sure and row["mean"] > max(_GROWS_BY, _GROWS_SHARE * waiting):
            lines.append(
                f"The {words(row['role'])}'s queue still grows at the end: {_interval(row)} more pieces of work wait "
                f"in the last quarter of the days than in the quarter before; {number(waiting)} over the whole run."
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
