"""A comparison of triage rules as text, with first come, first served as the reference. Imports ``report.wording``."""

from pathlib import Path
from typing import Final

import pandas as pd

from taper_sim.report.wording import interval_text, number_text

TRIAGE_METRICS: Final = (
    ("late of all work", "late or lost, of all work", 100.0, "%", 1),
    ("late of urgency 0", "late or lost, of work that cannot wait", 100.0, "%", 1),
    ("late of urgency 1", "late or lost, of work due today", 100.0, "%", 1),
    ("late of urgency 3", "late or lost, of routine work", 100.0, "%", 1),
    ("visits_given", "kept visits that took place", 100.0, "%", 1),
    ("checkins_unread_overnight", "check-ins unread by night", 100.0, "%", 1),
    ("order_wait_days", "days a patient's order waits", 1.0, "", 2),
    ("composite lost", "harm, important differences", 1.0, "", 3),
    ("function_change lost", "function minus that with unlimited staff", 1.0, "", 2),
)


def triage_text(table: pd.DataFrame, folder: Path) -> str:
    """Every rule for all patients, then the subgroups whose wait or harm differs from that of all patients."""
    lines = [
        "",
        "Triage: the same patients, random numbers and team under each rule (95 % interval of the change in brackets)",
    ]
    all_patients = table[table["subgroup"] == "all"].set_index(["triage", "metric"])
    rules = list(dict.fromkeys(table["triage"]))
    for metric, label, times, unit, digits in TRIAGE_METRICS:
        lines.append(f"  {label}{', ' + unit if unit else ''}")
        for rule in rules:
            if (rule, metric) not in all_patients.index:
                continue
            row = all_patients.loc[(rule, metric)]
            change, low, high = (times * row[name] for name in ("change", "change_lo95", "change_hi95"))
            shown = "" if rule == rules[0] else f"  {interval_text(change, low, high, digits, signed=True)}"
            lines.append(f"    {rule:<15}{number_text(times * row['estimate'], digits):>8}{shown}")
    lines.append("  Subgroups that differ from all patients (interval of the gap excludes 0), under each rule")
    for metric, label, times, digits in (
        ("order_wait_days", "days an order waits", 1.0, 2),
        ("visits_given", "kept visits that took place, percentage points", 100.0, 1),
        ("composite lost", "harm", 1.0, 3),
    ):
        groups = table[(table["metric"] == metric) & (table["subgroup"] != "all")]
        apart = groups[(groups["gap_lo95"] > 0) | (groups["gap_hi95"] < 0)]
        for group, rows in apart.groupby("subgroup", sort=False):
            gaps = ", ".join(
                f"{row['triage']} {number_text(times * row['gap'], digits, signed=True)}" for _, row in rows.iterrows()
            )
            lines.append(f"    {label}, {group}: {gaps}")
    return "\n".join([*lines, "", "Research use: not clinically reviewed.", f"Folder: {folder}"])
