"""A comparison of triage as text: what each rule does against who came first, and to whom. Imports nothing of it."""

from pathlib import Path
from typing import Final

import pandas as pd

_SHOWN: Final = (
    ("late of all work", "late or lost, of all work", 100.0, "%"),
    ("late of urgency 0", "late or lost, of what cannot wait", 100.0, "%"),
    ("late of urgency 1", "late or lost, of today's", 100.0, "%"),
    ("late of urgency 3", "late or lost, of routine work", 100.0, "%"),
    ("visits_given", "kept visits that took place", 100.0, "%"),
    ("checkins_unread_overnight", "check-ins unread by night", 100.0, "%"),
    ("order_wait_days", "days a patient's order waits", 1.0, ""),
    ("composite lost", "harm, important differences", 1.0, ""),
    ("function_change lost", "function against staff never short", 1.0, ""),
)


def triage_text(table: pd.DataFrame, folder: Path) -> str:
    """One page: every rule for everybody, then the subgroups whose wait or harm is furthest from everybody's."""
    lines = [
        "",
        "Triage: the same patients, luck and team under each rule (in brackets the 95 % interval of the change)",
    ]
    everybody = table[table["subgroup"] == "all"].set_index(["triage", "metric"])
    rules = list(dict.fromkeys(table["triage"]))
    for metric, words, times, unit in _SHOWN:
        lines.append(f"  {words}{', ' + unit if unit else ''}")
        for rule in rules:
            if (rule, metric) not in everybody.index:
                continue
            one = everybody.loc[(rule, metric)]
            low, high = times * one["change_lo95"], times * one["change_hi95"]
            interval = "" if pd.isna(low) else f" ({low:+.3g} to {high:+.3g})"  # one replication has none
            change = "" if rule == rules[0] else f"  {times * one['change']:+.3g}{interval}"
            lines.append(f"    {rule:<15}{times * one['estimate']:>8.3g}{change}")
    lines.append("  Subgroups apart from everybody (interval of the gap without 0), under each rule")
    for metric, words in (("order_wait_days", "days an order waits"), ("visits_given", "share of visits given"),
                          ("composite lost", "harm")):  # fmt: skip
        own = table[(table["metric"] == metric) & (table["subgroup"] != "all")]
        apart = own[(own["gap_lo95"] > 0) | (own["gap_hi95"] < 0)]
        for group, rows in apart.groupby("subgroup", sort=False):
            said = ", ".join(f"{row['triage']} {row['gap']:+.2g}" for _, row in rows.iterrows())
            lines.append(f"    {words}, {group}: {said}")
    return "\n".join([*lines, "", "Research use: not clinically reviewed.", f"Folder: {folder}"])
