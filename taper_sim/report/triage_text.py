"""A comparison of triage as text: what each rule does against who came first, to whom. Imports ``report.wording``."""

from pathlib import Path
from typing import Final

import pandas as pd

from taper_sim.report.wording import interval, number

_SHOWN: Final = (
    ("late of all work", "late or lost, of all work", 100.0, "%", 1),
    ("late of urgency 0", "late or lost, of what cannot wait", 100.0, "%", 1),
    ("late of urgency 1", "late or lost, of today's", 100.0, "%", 1),
    ("late of urgency 3", "late or lost, of routine work", 100.0, "%", 1),
    ("visits_given", "kept visits that took place", 100.0, "%", 1),
    ("checkins_unread_overnight", "check-ins unread by night", 100.0, "%", 1),
    ("order_wait_days", "days a patient's order waits", 1.0, "", 2),
    ("composite lost", "harm, important differences", 1.0, "", 3),
    ("function_change lost", "function against staff never short", 1.0, "", 2),
)


def triage_text(table: pd.DataFrame, folder: Path) -> str:
    """One page: every rule for everybody, then the subgroups whose wait or harm is furthest from everybody's."""
    lines = [
        "",
        "Triage: the same patients, luck and team under each rule (in brackets the 95 % interval of the change)",
    ]
    everybody = table[table["subgroup"] == "all"].set_index(["triage", "metric"])
    rules = list(dict.fromkeys(table["triage"]))
    for metric, words, times, unit, digits in _SHOWN:
        lines.append(f"  {words}{', ' + unit if unit else ''}")
        for rule in rules:
            if (rule, metric) not in everybody.index:
                continue
            one = everybody.loc[(rule, metric)]
            change, low, high = (times * one[name] for name in ("change", "change_lo95", "change_hi95"))
            said = "" if rule == rules[0] else f"  {interval(change, low, high, digits, signed=True)}"
            lines.append(f"    {rule:<15}{number(times * one['estimate'], digits):>8}{said}")
    lines.append("  Subgroups apart from everybody (interval of the gap without 0), under each rule")
    for metric, words, times, digits in (
        ("order_wait_days", "days an order waits", 1.0, 2),
        ("visits_given", "visits given, percentage points", 100.0, 1),
        ("composite lost", "harm", 1.0, 3),
    ):
        own = table[(table["metric"] == metric) & (table["subgroup"] != "all")]
        apart = own[(own["gap_lo95"] > 0) | (own["gap_hi95"] < 0)]
        for group, rows in apart.groupby("subgroup", sort=False):
            said = ", ".join(
                f"{row['triage']} {number(times * row['gap'], digits, signed=True)}" for _, row in rows.iterrows()
            )
            lines.append(f"    {words}, {group}: {said}")
    return "\n".join([*lines, "", "Research use: not clinically reviewed.", f"Folder: {folder}"])
