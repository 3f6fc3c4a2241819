"""What was agreed, as steps, tablets by time of day, and days of the pharmacy. Imports ``data``, ``model``.

Everything comes from the decision in the log. A row of its schedule holds until the next row of the same product.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final

from taper_sim.data import formulary
from taper_sim.data.drugs_taken import DrugTaken
from taper_sim.model.pharmacology import MAX_DISPENSED_D, Drug, Tablet, TabletRegimen, regimen

_UNCHANGED: Final = "unchanged"
_STOP: Final = "stop"
_PRODUCT: Final = re.compile(r"([\d.]+) (mg|mcg/h) (tablet|capsule|film|patch)")
_DAY: Final = (
    *("once a day", "early in the morning", "in the morning", "at noon"),
    *("in the afternoon", "in the evening", "at bedtime"),
)
"""Times of the day as ``model.pharmacology`` names them, in their order."""
_TIMES_A_DAY: Final = (1, 2, 3, 4, 6, 8, 12, 24)
_LIQUID: Final = re.compile(r"mL of ([\d.]+) mg/mL (.+)")


@dataclass(frozen=True)
class PieceCount:
    """Pieces that are taken together: how many, strength, whether each is half of a piece, form (tablet, capsule …)."""

    count: int
    strength: float
    is_half: bool
    form: str


@dataclass(frozen=True)
class MedicineLine:
    """A product in a step.

    Attributes
    ----------
    drug, formulation : str
    dose : float
        mg a day; patches mcg/h.
    unit, form : str
        ``mg`` or ``mcg/h``; tablet, capsule, film, patch or liquid.
    state : str
        ``take``, ``unchanged`` or ``stop``.
    words : str
        As the log has it.
    times : tuple of (str, tuple of PieceCount)
        Pieces by time of day; empty if the log's words are no regimen of the formulary.
    as_needed : bool
    mg_per_ml : float or None
        Concentration of a liquid.
    change_every_h : float
        Time for which a patch is worn.
    """

    drug: str
    formulation: str
    dose: float
    unit: str
    form: str
    state: str
    words: str
    times: tuple[tuple[str, tuple[PieceCount, ...]], ...] = ()
    as_needed: bool = False
    mg_per_ml: float | None = None
    change_every_h: float = 0.0

    @staticmethod
    def amount_of(pieces: tuple[PieceCount, ...]) -> float:
        """Amount of pieces in the unit of the dose."""
        return sum(p.count * p.strength * (0.5 if p.is_half else 1.0) for p in pieces)

    @property
    def is_worn(self) -> bool:
        """Whether it is a patch with its pieces."""
        return self.form == "patch" and bool(self.times)


@dataclass(frozen=True)
class PlanStep:
    """Days of one plan of doses: first and last day (None without an end), every product, whether a dose changes."""

    first: date
    last: date | None
    lines: tuple[MedicineLine, ...]
    is_change: bool

    @property
    def moments(self) -> list[tuple[str, list[tuple[MedicineLine, tuple[PieceCount, ...]]]]]:
        """What is taken at each time of the day, in the order of the day; without patches."""
        by_moment: dict[str, list[tuple[MedicineLine, tuple[PieceCount, ...]]]] = {}
        for line in self.lines:
            for moment, pieces in () if line.is_worn else line.times:
                by_moment.setdefault(moment, []).append((line, pieces))
        order = {moment: k for k, moment in enumerate(_DAY)}
        return sorted(by_moment.items(), key=lambda item: order.get(item[0], len(order)))


@dataclass(frozen=True)
class PickUp:
    """A supply from the pharmacy: day, days it lasts, product; quantity by (strength, unit, form), or by words."""

    day: date
    days: int
    drug: str
    formulation: str
    quantities: tuple[tuple[float, float, str, str], ...]
    other_quantities: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class AgreedPlan:
    """A decision as a plan.

    Attributes
    ----------
    kind : str
        ``step``, ``stay``, ``delay``, ``decline``, or ``other`` for a decision without a schedule.
    on : date
        Day of the decision.
    by, reason, did : str
        As the log has them.
    until : date or None
        Day on which a delayed decision is taken.
    steps : tuple of PlanStep
    pickups : tuple of PickUp
        By day.
    offer : str
        Id of the offer that the decision answered.
    """

    kind: str
    on: date
    by: str
    reason: str
    did: str
    until: date | None
    steps: tuple[PlanStep, ...]
    pickups: tuple[PickUp, ...]
    offer: str

    @property
    def changes(self) -> tuple[PlanStep, ...]:
        """Steps in which a dose changes."""
        return tuple(step for step in self.steps if step.is_change)

    @property
    def fewest_days(self) -> int | None:
        """Fewest days from one change to the next; None with fewer than two changes."""
        days = [step.first for step in self.changes]
        return min(((b - a).days for a, b in pairwise(days)), default=None)

    @property
    def last_day(self) -> date:
        """Last day that the plan describes: the end of its last supply, or of a month after its last step."""
        ends = [p.day + timedelta(days=p.days - 1) for p in self.pickups]
        ends += [step.first + timedelta(days=MAX_DISPENSED_D - 1) for step in self.steps[-1:]]
        return max(ends, default=self.on)

    def step_on(self, day: date) -> PlanStep | None:
        """The step of a day; None before the first."""
        return next((step for step in self.steps[::-1] if step.first <= day), None)


def plan_of(decision: Mapping[str, Any]) -> AgreedPlan:
    """The plan of a decision of the log."""
    rows = list(decision.get("schedule") or [])
    steps = _steps(rows)
    action = decision.get("action")
    if action in ("delay", "decline"):
        kind = str(action)
    elif not rows:
        kind = "other"
    else:
        kind = "step" if any(step.is_change for step in steps) else "stay"
    until = decision.get("until")
    return AgreedPlan(
        kind,
        date.fromisoformat(decision["on"]),
        decision["by"],
        decision["reason"],
        str(decision["did"]).removeprefix("other: "),
        None if until is None else date.fromisoformat(until),
        steps,
        tuple(sorted((p for row in rows for p in _pickups(row)), key=lambda p: (p.day, p.drug, p.formulation))),
        decision["offer"],
    )


def _steps(rows: list[dict[str, Any]]) -> tuple[PlanStep, ...]:
    days = sorted({row["date"] for row in rows})
    steps = []
    for number, day in enumerate(days):
        in_force: dict[tuple[str, str], dict[str, Any]] = {}
        for row in sorted(rows, key=lambda r: r["date"]):
            if row["date"] <= day:
                in_force[row["drug"], row["formulation"]] = row
        kept = [row for row in in_force.values() if row["tablets"] != _STOP or row["date"] == day]
        today = [row for row in rows if row["date"] == day]
        last = date.fromisoformat(days[number + 1]) - timedelta(days=1) if number + 1 < len(days) else None
        is_change = any(not str(row["tablets"]).startswith(_UNCHANGED) for row in today)
        steps.append(PlanStep(date.fromisoformat(day), last, tuple(map(medicine_line, kept)), is_change))
    return tuple(steps)


def medicine_line(row: Mapping[str, Any]) -> MedicineLine:
    """A row of a schedule, with its pieces by time of day where the formulary gives the words of the log."""
    drug = formulary.find_drug(row["drug"], row["formulation"])
    dose = row["dose_mg_per_day"]
    dose = float(row["dose_mcg_per_h"] if dose is None else dose)
    words = str(row["tablets"])
    state = _STOP if words == _STOP else _UNCHANGED if words.startswith(_UNCHANGED) else "take"
    as_needed = bool(row.get("as_needed"))
    line = MedicineLine(drug.drug, drug.formulation, dose, drug.unit, drug.form, state, words, (), as_needed)
    interval = row.get("interval_h")
    if state == "take" and (tablets := _regimen_in_words(drug, dose, interval, as_needed, words)) is not None:
        times = tuple((moment, _counted(pieces, drug)) for moment, pieces in tablets.times)
        line = replace(line, times=times, mg_per_ml=drug.mg_per_ml, change_every_h=tablets.change_every_h)
    return line


def _regimen_in_words(
    drug: Drug, dose: float, interval_h: float | None, as_needed: bool, words: str
) -> TabletRegimen | None:
    """The regimen that the log describes; None if the formulary has none with these words.

    The log has no administrations a day where the record states no interval, so each is tried.
    """
    worn_h = interval_h if drug.is_patch else None
    for times in (1,) if drug.is_patch else _TIMES_A_DAY:
        slot = DrugTaken(drug, dose, times, interval_h, as_needed)
        if slot.words == words:
            return regimen(drug, dose, times, change_every_h=worn_h)
    return None


def _counted(pieces: tuple[Tablet, ...], drug: Drug) -> tuple[PieceCount, ...]:
    return tuple(
        PieceCount(pieces.count(p), p.strength, p.half, drug.form_of(p.strength)) for p in dict.fromkeys(pieces)
    )


def _pickups(row: Mapping[str, Any]) -> list[PickUp]:
    pickups = []
    supplies = zip(row["dispense_on"], row["days_supplied"], row["quantity"], strict=True)
    for day, days, quantity in supplies:
        pieces, others = [], []
        for product, n in quantity.items():
            if (tablet := _PRODUCT.fullmatch(product)) is not None:
                pieces.append((float(n), float(tablet[1]), tablet[2], tablet[3]))
            elif (liquid := _LIQUID.fullmatch(product)) is not None:
                pieces.append((float(n), float(liquid[1]), "mg/mL", "liquid"))
            else:
                others.append((float(n), product))
        pickups.append(
            PickUp(date.fromisoformat(day), int(days), row["drug"], row["formulation"], tuple(pieces), tuple(others))
        )
    return pickups
