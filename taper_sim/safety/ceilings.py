"""Ceilings: the fastest reduction of a class that guidance allows. Imports ``tables``, ``policies``, ``limits``.

A ceiling is a percentage of the original dose within any 28 days. It is the lowest of the rows of guidelines.csv for
the class and the days of use, and the tool's own caps. A personalised pace never exceeds it. Only a named prescriber
can raise it, with a reason, and never above the cap.
"""

import re
from dataclasses import dataclass
from typing import Final

from taper_sim import tables
from taper_sim.policies.guidance import CAP_LONG_USE_PCT, CAP_PCT, LONG_USE_D
from taper_sim.safety.limits import Limits
from taper_sim.units import MONTH_D, DrugClass

_CLASS_CAP_PCT: Final = {"opioid": CAP_PCT, "benzodiazepine": 20.0, "gabapentinoid": 30.0}
"""Cap by class, percent of the original dose in 28 days. Source: opioid as policies.guidance; others A31.

After a year's use the cap of any class is ``CAP_LONG_USE_PCT`` (A31). A raised ceiling is at most ``CAP_PCT``.
"""
FAILED_FACTOR: Final = 0.5
"""Factor on the ceiling after an earlier failed taper. Source: risk_factors.csv, prior_failed_taper (design)."""
_USE_DAYS = re.compile(r"use_days\s*(<=|>=|<|>)\s*(\d+)")


@dataclass(frozen=True)
class Ceiling:
    """Ceiling of one class, percent of the original dose in 28 days, and its basis.

    ``preset_pct`` is the pace of the slowest applicable guidance, ``preset`` the name of that guidance. Before the
    first check-in no patient is tapered faster.
    """

    drug_class: DrugClass
    pct_per_28d: float
    basis: str
    preset_pct: float
    preset: str
    raised_by: str | None = None


def _fits(row: tables.Row, use_days: float) -> bool:
    """Whether a row has a condition on days of use and these days meet it."""
    condition = _USE_DAYS.search(row["applies_if"])
    if condition is None:
        return False
    limit = float(condition[2])
    return {"<": use_days < limit, "<=": use_days <= limit, ">": use_days > limit, ">=": use_days >= limit}[
        condition[1]
    ]


def ceiling_of(drug_class: DrugClass, use_days: float, failed_tapers: int, limits: Limits) -> Ceiling:
    """Ceiling of one class for one patient."""
    rows = [
        row
        for row in tables.read("guidelines").rows
        if row["drug_class"] == drug_class and row["simulated"] == "yes" and row["ceiling_pct_per_28d"]
    ]
    rows = [row for row in rows if _fits(row, use_days)] or rows
    slowest = min(rows, key=lambda row: float(row["ceiling_pct_per_28d"]))
    pct, basis = float(slowest["ceiling_pct_per_28d"]), f"{slowest['guideline']} ({slowest['year']})"
    # percent of the original dose in 28 days of each guidance's own steps
    paces = {row["guideline"]: float(row["pct"]) * MONTH_D / float(row["every_days"]) for row in rows if row["pct"]}
    preset = min(paces, key=lambda name: paces[name])
    if pct > _CLASS_CAP_PCT[drug_class]:
        pct, basis = _CLASS_CAP_PCT[drug_class], f"the tool's own cap for this class, below {basis}"
    if use_days > LONG_USE_D and pct > CAP_LONG_USE_PCT:
        pct, basis = CAP_LONG_USE_PCT, f"the tool's cap after a year's use, below {basis}"
    if failed_tapers:
        pct, basis = pct * FAILED_FACTOR, f"{basis}; halved after {failed_tapers} earlier failed taper(s)"
    preset_pct = min(paces[preset], pct)
    raised = limits.ceiling_raised.get(drug_class)
    if raised is not None and raised.pct_per_28d > pct:
        basis = f"raised by {raised.by}: {raised.reason}"
        return Ceiling(drug_class, min(raised.pct_per_28d, CAP_PCT), basis, preset_pct, preset, raised.by)
    return Ceiling(drug_class, pct, basis, preset_pct, preset)
