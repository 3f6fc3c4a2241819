"""Presets of published guidance: policies at the pace of a row of ``guidelines.csv``. Imports data, tables.

A preset simulates the machine-readable columns of its row. Outputs report the other columns as text: when to pause,
patients concerned, the source's limit on pace. Outputs also report the tool's cap on pace, which is never applied: a
published pace is simulated as published.
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
"""Percent of the original dose below which a taper by the current dose goes to 0, as its sources give no last step.
Source: assumption, as in ``exponential()``."""
_TABLE_TOLERANCE: Final = 1e-6
"""Difference below which a share, mg a day or a percentage equals a limit of guidelines.csv, whose numbers are rounded.
A design choice."""

Phase = tuple[float, float, str]
Rung = tuple[float, float, float]


@dataclass(frozen=True)
class Phases(Stepped):
    """Cut by a percentage that changes as the dose falls.

    Parameters
    ----------
    phases : tuple of (float, float, str)
        Share above which the phase applies, percent, and its basis (``original`` or ``current``); the shares fall to 0.
    every : int
        Days between steps.
    """

    phases: tuple[Phase, ...]
    every: int

    @property
    def name(self) -> str:
        """Description of the schedule, which has no call."""
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
        return np.select([share > above + _TABLE_TOLERANCE for above, _, _ in self.phases], after, 0.0)


@dataclass(frozen=True)
class Ladder(Stepped):
    """Cut by a number of mg of one drug that changes as the dose falls.

    Parameters
    ----------
    rungs : tuple of (float, float, float)
        mg a day above which and up to which a rung applies, and its step in mg a day; falling. The step of the first
        rung also applies above it.
    drug : str
        Drug of the mg; other drugs count by equivalents.
    every : int
        Days between steps.
    """

    rungs: tuple[Rung, ...]
    drug: str
    every: int

    uniform: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Description of the schedule, which has no call."""
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
        reached = [mg > low + _TABLE_TOLERANCE for low, _, _ in self.rungs]
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
    """Phases in the text of ``steps``; None if it has none."""
    if switch := _SWITCH.fullmatch(steps):
        return ((float(switch[1]) / 100, pct, "original"), (0.0, pct, "current"))
    if last := _LAST_PART.fullmatch(steps):
        return ((_PARTS[last[1]], pct, basis), (0.0, pct * _PARTS[last[2]], basis))
    return None


def _rungs(steps: str) -> tuple[Rung, ...] | None:
    """Rungs in the text of ``steps``, highest first; None unless it lists rungs without gaps down to 0."""
    matches = [_RUNG.fullmatch(part.strip()) for part in steps.split(";")]
    rungs = sorted(((float(r[1]), float(r[2]), float(r[3])) for r in matches if r), reverse=True)
    closed = all(low == below for (low, _, _), (_, below, _) in itertools.pairwise(rungs))
    if len(rungs) < len(matches) or not closed or rungs[-1][0] != 0 or min(step for _, _, step in rungs) <= 0:
        return None
    return tuple(rungs)


def _schedule(row: tables.Row, pct: float | None, every: int | None, options: dict[str, Any]) -> Schedule:
    """Schedule of the machine-readable columns of a row."""
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


def _in_range(row: tables.Row, name: str, value: float | None, column: str, low: str, high: str, unit: str) -> None:
    """Refuse a pace outside the range of the source."""
    if value is None:
        return
    place = f'preset("{row["guideline"]}")'
    if not row[column]:
        raise problem(FILE, place, f"{name}={written(value)}", f"no {name}: the source gives mg instead of percent")
    published = [float(row[key]) for key in (column, low, high) if row[key]]
    if not min(published) <= value <= max(published):
        allowed = f"{min(published):g} to {max(published):g} {unit}, the range of the source"
        raise problem(FILE, place, f"{name}={written(value)}", allowed)


@dataclass(frozen=True)
class Preset(Policy):
    """Policy at the pace of one row of ``guidelines.csv``.

    Attributes
    ----------
    row : mapping of str to str
        The row.
    schedule : Schedule
        Simulated schedule.
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
        """As the schedule; patients who do not take the row's class keep the original dose."""
        return self.schedule.start(patients)

    def decide(self, memory: ScheduleProgress, observation: Observation) -> Order:
        """As the schedule."""
        return self.schedule.decide(memory, observation)

    @property
    def fastest_pct_per_28d(self) -> float | None:
        """Largest reduction in any 28 days, percent of the original dose; None if it depends on the dose."""
        return _fastest(self.schedule.path()) if self.schedule.uniform else None

    @property
    def exceeds_cap(self) -> str:
        """Statement on a pace above the tool's cap; empty for a pace within it."""
        fastest = self.fastest_pct_per_28d
        if self.row["drug_class"] != "opioid" or fastest is None or fastest <= CAP_LONG_USE_PCT + _TABLE_TOLERANCE:
            return ""
        cap = (
            f"{CAP_PCT:g} %"
            if fastest > CAP_PCT + _TABLE_TOLERANCE
            else f"{CAP_LONG_USE_PCT:g} % after more than {LONG_USE_D} days of use"
        )
        return f"exceeds the tool's cap: {fastest:.3g} % of original per 28 days, cap {cap}"

    @property
    def last_step_rule(self) -> str:
        """Rule for the last step, and whether it is the source's."""
        assumed = (
            " (assumed: the source gives no last step)"
            if isinstance(self.schedule, Stepped) and self.schedule.end_pct
            else ""
        )
        return self.schedule.last_step + assumed

    def warnings(self, patients: Patients) -> list[str]:
        """Warnings for readers of results with these patients, one sentence each."""
        tapered = self.start(patients).tapered
        who, n = tapered.column >= 0, len(tapered.column)
        sentences = []
        if not who.all():
            sentences.append(f"{n - int(who.sum())} of {n} patients take no {self.row['drug_class']}: doses unchanged")
        fastest = self.fastest_pct_per_28d
        if self.row["drug_class"] == "opioid" and fastest is not None:
            use = patients.use_days[:, DRUG_CLASSES.index("opioid")]
            cap = np.where(use > LONG_USE_D, CAP_LONG_USE_PCT, CAP_PCT)
            over = who & (fastest > cap + _TABLE_TOLERANCE)
            for limit in np.unique(cap[over]):
                count = int((over & (cap == limit)).sum())
                sentences.append(
                    f"exceeds the tool's cap for {count} of {n} patients: {fastest:.3g} % of original per 28 "
                    f"days, cap {limit:g} %"
                )
        drug = self.schedule.drug if isinstance(self.schedule, FixedMg | Ladder) else None
        if drug is not None:
            other = int((who & (tapered.drug != drug)).sum())
            if other:
                sentences.append(f"{other} of {n} patients take another drug than {drug}: steps count by equivalents")
        if isinstance(self.schedule, Ladder) and (counted := in_mg(self.schedule.drug)):
            high, step = self.schedule.rungs[0][1:]
            above = int((who & (tapered.mg_of(counted, np.ones(n)) > high + _TABLE_TOLERANCE)).sum())
            if above:
                sentences.append(
                    f"{above} of {n} patients start above {high:g} mg of {drug}, where the source gives no "
                    f"step: its first step, {step:g} mg, applies"
                )
        return sentences

    def describe(self) -> dict[str, str | bool]:
        """Fields by which a reader can judge the preset: source, verification, review, and the columns kept as text."""
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
        Another pace within the range of the source. Default: the row's pace.
    floor_pct, end_pct, start_day, pause_after, pause_days, ceiling_pct
        As for every schedule.

    Raises
    ------
    InputError
        If there is no such guideline (with the nearest name), it is listed but not simulated, or the pace is outside
        the range of the source.
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
    arguments: dict[str, Value | None] = {"pct": pct, "every": every, "end_pct": end_pct, **options}
    call = Call("preset", (guideline,), {name: value for name, value in arguments.items() if value is not None})
    return Preset(row, _schedule(row, pct, every, options), canonical(call))


# -- list of protocols -------------------------------------------------------------------------------------------------


def listing() -> list[dict[str, str]]:
    """One row for each registered call and each guideline, for ``taper-sim protocols``.

    Returns
    -------
    list of dict
        ``call``, ``arguments`` (with defaults; of a preset the simulated schedule), ``meaning``,
        ``drug_class``, ``year``, ``source``, ``simulated`` (yes or no), ``note``, ``verified``, ``review``. All text,
        empty if not applicable.
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
        policy = preset(name) if row["simulated"] == "yes" else None
        note = "; ".join(filter(None, [row["simulated_note"], policy.exceeds_cap if policy else ""]))
        listed.append(
            {
                "call": f"preset({written(name)})",
                "arguments": policy.schedule.name if policy else "",
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
    """Tables of docs/protocols.md: simulated guidelines, and guidelines that are only listed."""
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
