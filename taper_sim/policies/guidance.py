"""Presets of published guidance: the pace that a row of ``guidelines.csv`` gives, as a policy. Imports data, tables.

A preset simulates the machine columns of its row. What they leave out (when to pause, who it is for, what the source
says against going faster) is carried as text and reported. The tool's own cap on pace is reported too, never applied
silently: a published pace is simulated as published.
"""

import inspect
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Final

import numpy as np

from taper_sim import tables
from taper_sim.array_types import Floats
from taper_sim.data.problems import InputError, Problem, nearest, problem
from taper_sim.policies.calls import FILE, Call, Value, argument_list, canonical, written
from taper_sim.policies.fixed import Exponential, FixedMg, Linear, check_drug, class_of, step_in_mg
from taper_sim.policies.interface import Observation, Order, Patients, Policy, registered
from taper_sim.policies.schedule import LEAST_PCT, PCT_RANGE, Check, Schedule, ScheduleProgress, Stepped, Tapered, in_mg
from taper_sim.units import DRUG_CLASSES, MONTH_D, DrugClass

CAP_PCT: Final = 30.0
"""The tool offers no faster opioid taper than this percent of the original dose in 28 days. Source: assumption."""
CAP_LONG_USE_PCT: Final = 10.0
"""The same after :data:`LONG_USE_D` days of use. Source: CDC 2022 (a month or slower, for a year and more of use)."""
LONG_USE_D: Final = 365
END_PCT: Final = 5.0
"""Below this percent of the original dose a taper by the current dose goes to 0: its sources give no last step.
Source: assumption, as in ``exponential()``."""
_SAME: Final = 1e-6

Phase = tuple[float, float, str]
Rung = tuple[float, float, float]


@dataclass(frozen=True)
class Phases(Stepped):
    """Cut by a percentage that changes as the dose falls.

    Parameters
    ----------
    phases : tuple of (float, float, str)
        Share above which the phase holds, percent, and of what (``original`` or ``current``); the shares fall to 0.
    every : int
        Days between steps.
    """

    phases: tuple[Phase, ...]
    every: int

    @property
    def name(self) -> str:
        """What it does, in words: there is no call of this kind."""
        parts = (
            f"{pct:g} % of {basis} above {100 * above:.3g} % of original" if above else f"{pct:g} % of {basis}"
            for above, pct, basis in self.phases
        )
        return f"{', then '.join(parts)}, every {self.every} days"

    def _checks(self) -> list[Check]:
        percents = [pct for _, pct, _ in self.phases]
        right = all(LEAST_PCT <= pct <= 100 for pct in percents)
        return [("pct", ", ".join(map(written, percents)), right, PCT_RANGE), *super()._checks()]

    def _next(self, share: Floats, tapered: Tapered | None) -> Floats:
        after = [share - pct / 100 if basis == "original" else share * (1 - pct / 100) for _, pct, basis in self.phases]
        return np.select([share > above + _SAME for above, _, _ in self.phases], after, 0.0)


@dataclass(frozen=True)
class Ladder(Stepped):
    """Cut by mg of one drug, by a number of mg that changes as the dose falls.

    Parameters
    ----------
    rungs : tuple of (float, float, float)
        mg a day above which and up to which a rung holds, and its step in mg a day; falling. Above the highest, its
        step holds too.
    drug : str
        The drug whose mg are meant; others count by equivalents.
    every : int
        Days between steps.
    """

    rungs: tuple[Rung, ...]
    drug: str
    every: int

    uniform: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What it does, in words: there is no call of this kind."""
        parts = (f"{step:g} mg above {low:g} mg" if low else f"{step:g} mg" for low, _, step in self.rungs)
        return f"{', then '.join(parts)} of {self.drug}, every {self.every} days"

    @property
    def tapers(self) -> DrugClass | None:
        """The class of the drug."""
        return class_of(self.drug, self.drug_class)

    def _checks(self) -> list[Check]:
        return [*super()._checks(), check_drug(self.drug, self.drug_class)]

    def _next(self, share: Floats, tapered: Tapered | None) -> Floats:
        counted = in_mg(self.drug)
        if tapered is None or counted is None:
            raise ValueError(f"{self.name} depends on the patient's dose")
        mg = tapered.mg_of(counted, share)
        reached = [mg > low + _SAME for low, _, _ in self.rungs]
        step = np.select(reached, [np.full_like(mg, step) for _, _, step in self.rungs], self.rungs[-1][2])
        return step_in_mg(self.drug, share, tapered, step)


# -- rows as schedules -------------------------------------------------------------------------------------------------

_SWITCH = re.compile(r"original until (\d+(?:\.\d+)?)% of the original dose is left, then current\b.*")
_LAST_PART = re.compile(r"last (half|third|quarter|fifth) at (half|a third|a quarter) the pct\b.*")
_RUNG = re.compile(r"(\d+(?:\.\d+)?)<dose<=(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)")
_PARTS: Final = {"half": 1 / 2, "third": 1 / 3, "quarter": 1 / 4, "fifth": 1 / 5, "a third": 1 / 3, "a quarter": 1 / 4}


@cache
def guidelines() -> Mapping[str, tables.Row]:
    """Rows of ``guidelines.csv`` by ``guideline``, in the table's order."""
    return {row["guideline"]: row for row in tables.read("guidelines").rows}


def _phases(steps: str, pct: float, basis: str) -> tuple[Phase, ...] | None:
    """Read the phases of the text of ``steps``; None if it speaks of none."""
    if switch := _SWITCH.fullmatch(steps):
        return ((float(switch[1]) / 100, pct, "original"), (0.0, pct, "current"))
    if last := _LAST_PART.fullmatch(steps):
        return ((_PARTS[last[1]], pct, basis), (0.0, pct * _PARTS[last[2]], basis))
    return None


def _rungs(steps: str) -> tuple[Rung, ...] | None:
    """Read the rungs of the text of ``steps``, highest first; None if it is no list of them without gaps down to 0."""
    found = [_RUNG.fullmatch(part.strip()) for part in steps.split(";")]
    rungs = sorted(((float(r[1]), float(r[2]), float(r[3])) for r in found if r), reverse=True)
    closed = all(low == below for (low, _, _), (_, below, _) in itertools.pairwise(rungs))
    if len(rungs) < len(found) or not closed or rungs[-1][0] != 0 or min(step for _, _, step in rungs) <= 0:
        return None
    return tuple(rungs)


def _schedule(row: tables.Row, pct: float | None, every: int | None, options: dict[str, Any]) -> Schedule:
    """Build the schedule of a row's machine columns."""
    days = int(row["every_days"]) if every is None else every
    share = pct if pct is not None else float(row["pct"]) if row["pct"] else None
    options = {"drug_class": row["drug_class"], **options}
    policy, steps = row["policy"], row["steps"]
    if policy == "linear" and share is not None:
        return Linear(share, days, **options)
    if policy == "exponential" and share is not None:
        return Exponential(share, days, **options)
    if policy == "fixed_mg":
        return FixedMg(float(row["step_mg"]), days, row["step_drug"], **options)
    if policy == "stepwise" and share is not None and (phases := _phases(steps, share, row["basis"])):
        end = END_PCT if any(basis == "current" for _, _, basis in phases) else 0.0
        return Phases(phases, days, **{"end_pct": end, **options})
    if policy == "stepwise" and (rungs := _rungs(steps)):
        return Ladder(rungs, row["step_drug"], days, **options)
    raise ValueError(f"guidelines.csv: {row['guideline']}: policy {policy!r} with steps {steps!r} is not understood")


def _in_range(row: tables.Row, name: str, given: float | None, own: str, low: str, high: str, unit: str) -> None:
    """Refuse a pace that the source does not publish."""
    if given is None:
        return
    place = f'preset("{row["guideline"]}")'
    if not row[own]:
        raise problem(FILE, place, f"{name}={written(given)}", f"no {name}: the source gives mg, not percent")
    published = [float(row[column]) for column in (own, low, high) if row[column]]
    if not min(published) <= given <= max(published):
        allowed = f"{min(published):g} to {max(published):g} {unit}, what the source publishes"
        raise problem(FILE, place, f"{name}={written(given)}", allowed)


@dataclass(frozen=True)
class Preset(Policy):
    """The pace of one row of ``guidelines.csv``, as a policy.

    Attributes
    ----------
    row : mapping of str to str
        The row.
    schedule : Schedule
        What is simulated.
    call : str
        The call in normal form.
    """

    row: tables.Row
    schedule: Schedule
    call: str

    @property
    def name(self) -> str:
        """The call."""
        return self.call

    def decision_days(self, n_days: int) -> Sequence[int]:
        """As the schedule."""
        return self.schedule.decision_days(n_days)

    def start(self, patients: Patients) -> ScheduleProgress:
        """As the schedule; who does not take the row's class keeps the original dose."""
        return self.schedule.start(patients)

    def decide(self, memory: ScheduleProgress, observation: Observation) -> Order:
        """As the schedule."""
        return self.schedule.decide(memory, observation)

    @property
    def fastest_pct_per_28d(self) -> float | None:
        """Most that is taken away in any 28 days in a row, percent of the original dose; None where doses decide it."""
        return _fastest(self.schedule.path()) if self.schedule.uniform else None

    @property
    def exceeds_cap(self) -> str:
        """What must be said of a pace above the tool's own cap; empty where it stays below."""
        fastest = self.fastest_pct_per_28d
        if self.row["drug_class"] != "opioid" or fastest is None or fastest <= CAP_LONG_USE_PCT + _SAME:
            return ""
        cap = (
            f"{CAP_PCT:g} %"
            if fastest > CAP_PCT + _SAME
            else f"{CAP_LONG_USE_PCT:g} % after more than {LONG_USE_D} days of use"
        )
        return f"exceeds the tool's cap: {fastest:.3g} % of original per 28 days, cap {cap}"

    @property
    def last_step_rule(self) -> str:
        """What happens at the end, and whose rule it is."""
        ours = (
            " (this rule is ours: the source gives no last step)"
            if isinstance(self.schedule, Stepped) and self.schedule.end_pct
            else ""
        )
        return self.schedule.last_step + ours

    def warnings(self, patients: Patients) -> list[str]:
        """Say what the reader of a result with these patients must know, one sentence each."""
        tapered = self.start(patients).tapered
        who, n = tapered.column >= 0, len(tapered.column)
        said = []
        if not who.all():
            said.append(f"{n - int(who.sum())} of {n} patients take no {self.row['drug_class']}: their doses stay")
        fastest = self.fastest_pct_per_28d
        if self.row["drug_class"] == "opioid" and fastest is not None:
            use = patients.use_days[:, DRUG_CLASSES.index("opioid")]
            cap = np.where(use > LONG_USE_D, CAP_LONG_USE_PCT, CAP_PCT)
            over = who & (fastest > cap + _SAME)
            for limit in np.unique(cap[over]):
                count = int((over & (cap == limit)).sum())
                said.append(
                    f"exceeds the tool's cap for {count} of {n} patients: {fastest:.3g} % of original per 28 "
                    f"days, cap {limit:g} %"
                )
        drug = self.schedule.drug if isinstance(self.schedule, FixedMg | Ladder) else None
        if drug is not None:
            other = int((who & (tapered.drug != drug)).sum())
            if other:
                said.append(f"{other} of {n} patients take another drug than {drug}: steps count by equivalents")
        if isinstance(self.schedule, Ladder) and (counted := in_mg(self.schedule.drug)):
            high, step = self.schedule.rungs[0][1:]
            above = int((who & (tapered.mg_of(counted, np.ones(n)) > high + _SAME)).sum())
            if above:
                said.append(
                    f"{above} of {n} patients start above {high:g} mg of {drug}, where the source gives no "
                    f"step: its first step, {step:g} mg, is used"
                )
        return said

    def describe(self) -> dict[str, str | bool]:
        """Give all that a reader needs to judge the preset: source, verified, reviewed, and what is carried as text."""
        row = self.row
        return {
            "name": row["guideline"],
            "call": self.name,
            "drug_class": row["drug_class"],
            "year": row["year"],
            "source": row["source"],
            "verified": row["verified"],
            "verify_note": row["verify_note"],
            "reviewed": tables.is_reviewed(row),
            "review": tables.review_status([row]),
            "pace_rule": row["pace_rule"],
            "simulated_as": self.schedule.name,
            "simulated_note": row["simulated_note"],
            "applies_if": row["applies_if"],
            "start_conditions": row["start_conditions"],
            "hold_rule": row["hold_rule"],
            "pause_rule": row["pause_rule"],
            "last_step_rule": self.last_step_rule,
            "max_rate_note": row["max_rate_note"],
            "ceiling_pct_per_28d": row["ceiling_pct_per_28d"],
            "exceeds_cap": self.exceeds_cap,
        }


def _fastest(path: Iterable[tuple[int, float]]) -> float:
    steps = list(path)
    cuts = [(day, before - after) for (_, before), (day, after) in itertools.pairwise(steps)]
    most = max(sum(cut for day, cut in cuts if first <= day < first + MONTH_D) for first, _ in cuts)
    return round(100 * most, 9)


def preset(
    guideline: str,
    /,
    *,
    pct: float | None = None,
    every: int | None = None,
    floor_pct: float = 0.0,
    end_pct: float | None = None,
    start_day: int = 1,
    pause_after: int = 0,
    pause_days: int = 0,
    ceiling_pct: float | None = None,
) -> Preset:
    """Taper at the pace of published guidance, by its name in ``guidelines.csv``.

    Parameters
    ----------
    guideline : str
        The row's name, such as ``CDC 2022 (use >=1 year)``.
    pct, every : float and int, optional
        Another pace inside the range that the source publishes; the row's own if left out.
    floor_pct, end_pct, start_day, pause_after, pause_days, ceiling_pct
        As for every schedule.

    Raises
    ------
    InputError
        If there is no such guideline (the nearest is named), it is listed but not simulated, or the pace is not one
        that it publishes.
    """
    rows = guidelines()
    place = f"preset({written(guideline)})"
    if guideline not in rows:
        raise problem(
            FILE, place, guideline, f"a guideline of guidelines.csv; see taper-sim protocols{nearest(guideline, rows)}"
        )
    row = rows[guideline]
    if row["simulated"] != "yes":
        raise InputError(Problem(FILE, place, guideline, f"listed, not simulated: {row['simulated_note']}"))
    _in_range(row, "pct", pct, "pct", "percent_low", "percent_high", "%")
    _in_range(row, "every", every, "every_days", "interval_days_min", "interval_days_max", "days")
    options: dict[str, Any] = {
        "floor_pct": floor_pct,
        "start_day": start_day,
        "pause_after": pause_after,
        "pause_days": pause_days,
        "ceiling_pct": ceiling_pct,
    }
    if end_pct is not None:
        options["end_pct"] = end_pct
    given: dict[str, Value | None] = {"pct": pct, "every": every, "end_pct": end_pct, **options}
    call = Call("preset", (guideline,), {name: value for name, value in given.items() if value is not None})
    return Preset(row, _schedule(row, pct, every, options), canonical(call))


# -- what there is -----------------------------------------------------------------------------------------------------


def listing() -> list[dict[str, str]]:
    """One row for each registered call and each guideline, for ``taper-sim protocols``.

    Returns
    -------
    list of dict
        ``call``, ``arguments`` (with defaults; of a preset the schedule that is simulated), ``meaning``,
        ``drug_class``, ``year``, ``source``, ``simulated`` (yes or no), ``note``, ``verified``, ``review``. All text,
        empty where it does not apply.
    """
    listed = []
    for name, factory in registered().items():
        meaning = (inspect.getdoc(factory) or "").split("\n\n")[0].replace("\n", " ")
        listed.append(
            {
                "call": f"{name}()",
                "arguments": argument_list(factory),
                "meaning": meaning,
                "drug_class": "",
                "year": "",
                "source": "docs/protocols.md",
                "simulated": "yes",
                "note": "",
                "verified": "",
                "review": "",
            }
        )
    for name, row in guidelines().items():
        made = preset(name) if row["simulated"] == "yes" else None
        note = "; ".join(filter(None, [row["simulated_note"], made.exceeds_cap if made else ""]))
        listed.append(
            {
                "call": f"preset({written(name)})",
                "arguments": made.schedule.name if made else "",
                "meaning": row["pace_rule"],
                "drug_class": row["drug_class"],
                "year": row["year"],
                "source": row["source"],
                "simulated": row["simulated"],
                "note": note,
                "verified": row["verified"],
                "review": tables.review_status([row]),
            }
        )
    return listed


def presets_markdown() -> str:
    """Write the tables of docs/protocols.md: guidelines that are simulated, and those that are only listed."""
    cells = [row for row in listing() if row["call"].startswith("preset(") and row["review"]]
    lines = [f"Status of every row: {'; '.join(sorted({row['review'] for row in cells}))}.", ""]
    lines += _table(
        ["call", "year", "class", "simulated as", "note", "verified", "source"],
        [
            [f"`{r['call']}`", r["year"], r["drug_class"], f"`{r['arguments']}`", r["note"], r["verified"], r["source"]]
            for r in cells
            if r["simulated"] == "yes"
        ],
    )
    lines += ["", "Listed, not simulated:", ""]
    lines += _table(
        ["guideline", "year", "class", "why not", "what it says", "verified", "source"],
        [
            [f"`{r['call']}`", r["year"], r["drug_class"], r["note"], r["meaning"], r["verified"], r["source"]]
            for r in cells
            if r["simulated"] != "yes"
        ],
    )
    return "\n".join(lines)


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
