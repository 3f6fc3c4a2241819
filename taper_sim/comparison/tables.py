"""Summary and paired differences from one number per patient. Imports ``expected_events``, ``statistics``, ``cohort``.

The first rows of every array are the people. Rows after them are the same people under further draws
(``comparison.replicates``); they inform the spread between draws and nothing else. An interval for which too few people
or events exist is missing, and ``interval_reason`` says why.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.comparison.expected_events import expected_counts
from taper_sim.comparison.outcomes import ALL, BY_NAME, SHARE_OF_PEOPLE, Outcome
from taper_sim.comparison.preferences import HARM_OUTCOMES
from taper_sim.comparison.statistics import (
    CVAR_SHARE,
    ENDS_95,
    Kind,
    OverDraws,
    Sample,
    estimates,
    mixture_quantiles,
    spread_quantiles,
    tail_terms,
)
from taper_sim.simulation.cohort import Cohort
from taper_sim.units import DRUG_CLASSES

Groups = Mapping[str, Bools]

SUMMARY_COLUMNS = (
    "protocol",
    "outcome",
    "subgroup",
    "n",
    "mean",
    "sd",
    "q05",
    "q50",
    "q95",
    "lo95",
    "hi95",
    "mc_se",
    "n_draws",
    "calibrated",
    "unit",
    "direction",
    "interval_method",
    "interval_reason",
)
DIFFERENCE_COLUMNS = (
    "protocol",
    "reference",
    "outcome",
    "subgroup",
    "mean",
    "lo95",
    "hi95",
    "p_better",
    "share_better",
    "share_worse",
    "mc_se",
    "n",
    "unit",
    "direction",
    "interval_method",
    "interval_reason",
)

_RATE: Final = "rate"

_DOSE_BANDS = ((0.0, 50.0, "<50"), (50.0, 90.0, "50-89"), (90.0, np.inf, ">=90"))
_AGE_BANDS = ((0.0, 45.0, "<45"), (45.0, 65.0, "45-64"), (65.0, np.inf, ">=65"))

#: Names that a scenario may list under ``subgroups`` in addition to the flags of the cohort.
DERIVED_SUBGROUPS = ("dose", "age", "drug_classes", "failed_tapers", "formulation")
SMALLEST_CELL = 11
"""Patients; tables of subgroups, figures and reports hide a cell of fewer, and no cell of fewer has an interval."""
FEWEST_EVENTS: Final = 5
"""People with an event, and without it, from which a share has an interval. Source: docs/tables/interval_coverage.csv,
as the two below."""
FEWEST_CHANGED: Final = 10
"""People with an event under one of two protocols only, from which a difference of shares has an interval."""
FEWEST_IN_TAIL: Final = 5
"""People in the worst 5 % from which its mean has an interval."""


def subgroups(cohort: Cohort, names: Sequence[str]) -> dict[str, Bools]:
    """Masks (n,) of ``all`` and of every ``name=value`` in the cohort."""
    masks: dict[str, Bools] = {"all": np.ones(len(cohort), dtype=bool)}
    for name in names:
        labels = _labels(cohort, name)
        for label in sorted(set(labels)):
            masks[f"{name}={label}"] = labels == label
    return masks


def _labels(cohort: Cohort, name: str) -> NDArray[np.str_]:
    if name in cohort.flags:
        return np.where(cohort.flags[name], "yes", "no")
    if name == "age":
        return _banded(cohort.age, _AGE_BANDS)
    if name == "dose":
        return _banded(cohort.dose[:, 0], _DOSE_BANDS)
    if name == "failed_tapers":
        return np.where(cohort.failed_tapers > 0, "yes", "no")
    if name == "drug_classes":
        classes = np.array(DRUG_CLASSES)
        return np.array(["+".join(classes[row]) for row in cohort.taken])
    if name == "formulation":
        first_drug = np.where(cohort.slot_dose[:, 0] > 0, cohort.slot_drug[:, 0], -1)
        return np.array([cohort.drugs[k].formulation if k >= 0 else "none" for k in first_drug])
    raise ValueError(f"{name} is not a subgroup")


def _banded(values: Floats, bands: Sequence[tuple[float, float, str]]) -> NDArray[np.str_]:
    return np.select([(values >= low) & (values < high) for low, high, _ in bands], [label for *_, label in bands], "?")


@dataclass(frozen=True)
class TableCell:
    """One number of a table: outcome, name in the table, subgroup, sample.

    ``expected`` says that hazards replace counts. ``behind`` is the number of people whose harms or values other than 0
    the number rests on, where few may do.
    """

    outcome: Outcome
    name: str
    group: str
    sample: Sample
    expected: bool = False
    behind: int | None = None

    @cached_property
    def reason(self) -> str:
        """Why the cell has no interval; empty if it has one."""
        n, values = self.sample.n, self.sample.values
        if n < SMALLEST_CELL:
            return f"fewer than {SMALLEST_CELL} people"
        if self.name != self.outcome.name and CVAR_SHARE * n < FEWEST_IN_TAIL:
            return f"fewer than {FEWEST_IN_TAIL} people in the worst 5 %"
        if self.behind is not None and self.behind < FEWEST_EVENTS:
            what = "harm that it counts" if self.outcome is BY_NAME["composite"] else "value other than 0"
            return f"fewer than {FEWEST_EVENTS} people with a {what}"
        if self.expected:
            own = np.abs(values[:n])
            few = float(own.sum()) ** 2 < SMALLEST_CELL * float(np.sum(own**2))
            return f"fewer than {SMALLEST_CELL} people carry the risk" if few else ""
        # the count of the people, and the count that all rows let expect: the smaller one, so that luck decides less
        if self.sample.kind == "share":
            having, lacking = (min(float(v[:n].sum()), n * float(v.mean())) for v in (values, 1.0 - values))
            if min(having, lacking) < FEWEST_EVENTS:
                return f"fewer than {FEWEST_EVENTS} people {'with' if having <= lacking else 'without'} it"
        if (self.sample.kind == "difference of shares" and float(np.ptp(values)) > 0.0) or _nobody_changed(self.sample):
            changed = np.abs(values)
            if min(float(changed[:n].sum()), n * float(changed.mean())) < FEWEST_CHANGED:
                return f"fewer than {FEWEST_CHANGED} people with it under one protocol only"
        return ""

    @property
    def method(self) -> str:
        """Sources of the interval in words."""
        if self.reason:
            return "none"
        over = int(self.sample.draw.max()) > int(self.sample.draw.min())
        parts = ["draws" if over else "Monte Carlo error only"]
        if over and len(self.sample.values) > self.sample.n:
            parts.append("replicates")
        if self.expected:
            parts.append("expected events")
        return ", ".join(parts)


def _nobody_changed(sample: Sample) -> bool:
    return sample.kind == "difference of shares" and not sample.values.any()


def _cells(
    outcome: Outcome,
    values: Floats,
    draw: Ints,
    groups: Groups,
    kind: Kind,
    behind: Mapping[str, int],
    *,
    expected: bool,
) -> list[TableCell]:
    """The outcome in every subgroup with people; NaN values are left out."""
    cells = []
    present = ~np.isnan(values)
    for group, (who, n, person) in _rows(groups, present).items():
        if n:
            sample = Sample(values[who], draw[who], n, person, kind)
            cells.append(TableCell(outcome, outcome.name, group, sample, expected, behind.get(group)))
    return cells


def _rows(groups: Groups, present: Bools) -> dict[str, tuple[Bools, int, Ints]]:
    """For each subgroup: mask of the rows, number of people among them, person of each row."""
    masks = tuple(np.asarray(mask, dtype=bool).tobytes() for mask in groups.values())
    return dict(zip(groups, _rows_of(masks, present.tobytes()), strict=True))


@lru_cache(maxsize=16)  # most outcomes of a table have a value for everybody, under every protocol
def _rows_of(masks: tuple[bytes, ...], present: bytes) -> list[tuple[Bools, int, Ints]]:
    """The same from the bytes of the masks; the arrays are shared and are not to be changed."""
    there = np.frombuffer(present, dtype=bool)
    rows = []
    for each in masks:
        mask = np.frombuffer(each, dtype=bool)
        n = len(mask)
        who = there & np.tile(mask, len(there) // n)
        rows.append((who, int(who[:n].sum()), np.flatnonzero(who) % n))
    return rows


def _tail(cell: TableCell, terms: Floats) -> TableCell:
    """The mean of the worst 5 % of a cell's people, from ``terms`` of all rows."""
    old = cell.sample
    sample = Sample(terms, old.draw, old.n, old.person)
    return TableCell(cell.outcome, f"{cell.name}_cvar95", cell.group, sample, behind=cell.behind)


def _behind(outcome: Outcome, reads: Sequence[Mapping[str, Floats]], masks: Groups) -> Mapping[str, int]:
    """Number of people by subgroup that an outcome rests on, if few may do: harms of the composite, days over a limit.

    A sum of days that is 0 for nearly everybody, or a composite in which nobody was harmed yet, has little spread among
    few people and says nothing about the rare ones.
    """
    if outcome.name == "composite":
        columns = [read[name] for read in reads for name in HARM_OUTCOMES.values() if name in read]
    elif outcome.tail and outcome.ends[0] == 0.0:
        columns = [read[outcome.name] for read in reads]
    else:
        return {}
    n = len(next(iter(masks.values())))
    some = np.zeros(n, dtype=bool)
    for column in columns:
        some |= np.nan_to_num(column[:n]) > 0.0
    return {group: int((mask & some).sum()) for group, mask in masks.items()}


def _terms(values: Floats, n: int) -> Floats:
    """Terms of the worst 5 % with the threshold of the people."""
    return tail_terms(values, n)


def _kind(outcome: Outcome, *, difference: bool = False) -> Kind:
    if outcome.unit != SHARE_OF_PEOPLE:
        return "number"
    return "difference of shares" if difference else "share"


def summary_rows(
    protocol: str, outcomes: Sequence[Outcome], read: Mapping[str, Floats], draw: Ints, groups: Groups, calibrated: bool
) -> Iterator[dict[str, object]]:
    """Rows of summary.csv for one protocol."""
    n_people = len(next(iter(groups.values())))
    own = np.array([read[outcome.name][:n_people] for outcome in outcomes])
    spreads = {group: spread_quantiles(own[:, mask], (0.05, 0.5, 0.95)) for group, mask in groups.items()}
    sds = {group: _sds(own[:, mask]) for group, mask in groups.items()}
    number = {outcome.name: k for k, outcome in enumerate(outcomes)}
    cells: list[TableCell] = []
    for outcome in outcomes:
        expected = expected_counts(outcome, read, n_people)
        values, kind = (read[outcome.name], _kind(outcome)) if expected is None else (expected, _RATE)
        behind = _behind(outcome, [read], groups)
        for cell in _cells(outcome, values, draw, groups, kind, behind, expected=expected is not None):
            cells.append(cell)
            if outcome.tail:
                cells.append(_tail(cell, _terms(cell.sample.values, cell.sample.n)))
    for cell, estimate, lo95, hi95 in _with_intervals(cells, [cell.outcome.ends for cell in cells]):
        k = number[cell.outcome.name]
        row = (
            protocol,
            cell.name,
            cell.group,
            estimate.n,
            estimate.mean,
            sds[cell.group][k],
            *spreads[cell.group][:, k],
            lo95,
            hi95,
            estimate.mc_se,
            estimate.n_draws,
            calibrated,
            cell.outcome.unit,
            cell.outcome.direction,
            cell.method,
            cell.reason,
        )
        yield dict(zip(SUMMARY_COLUMNS, row, strict=True))


def _sds(values: Floats) -> Floats:
    """Standard deviation of each row of (m, n) values, NaN left out; 0 for a single value."""
    return np.array([float(v.std(ddof=1)) if len(v := row[~np.isnan(row)]) > 1 else 0.0 for row in values])


def _with_intervals(
    cells: Sequence[TableCell], ends: Sequence[tuple[float, float]]
) -> Iterator[tuple[TableCell, OverDraws, float, float]]:
    """Each cell with its estimate and the ends of its interval, within the outcome's ends; NaN where it has none."""
    printed = [not cell.reason for cell in cells]
    over_draws = estimates([cell.sample for cell in cells], printed)
    quantiles = iter(mixture_quantiles([over_draws[k] for k in np.flatnonzero(printed)], ENDS_95).tolist())
    for cell, estimate, (least, most) in zip(cells, over_draws, ends, strict=True):
        if cell.reason:
            yield cell, estimate, np.nan, np.nan
        else:
            lo95, hi95 = next(quantiles)
            yield cell, estimate, max(lo95, least), min(hi95, most)


def difference_rows(
    protocol: str,
    reference: str,
    outcomes: Sequence[Outcome],
    read: Mapping[str, Mapping[str, Floats]],
    draw: Ints,
    groups: Groups,
) -> Iterator[dict[str, object]]:
    """Rows of differences.csv: protocol minus reference, paired by patient."""
    n_people = len(next(iter(groups.values())))
    cells: list[TableCell] = []
    shares: dict[tuple[str, str], tuple[float, float]] = {}
    for outcome in outcomes:
        values, reference_values = read[protocol][outcome.name], read[reference][outcome.name]
        pair = [expected_counts(outcome, read[name], n_people) for name in (protocol, reference)]
        expected = pair[0] is not None and pair[1] is not None
        of_pair = pair[0] - pair[1] if pair[0] is not None and pair[1] is not None else values - reference_values
        kind = "number" if expected else _kind(outcome, difference=True)
        sign = {"lower": -1.0, "higher": 1.0, "neither": 0.0}[outcome.direction]
        important = outcome.important if outcome.important is not None else 0.0
        gain = sign * (values - reference_values)[:n_people]
        rows = _rows(groups, ~np.isnan(of_pair))
        behind = _behind(outcome, [read[protocol], read[reference]], groups)
        for cell in _cells(outcome, of_pair, draw, groups, kind, behind, expected=expected):
            cells.append(cell)
            who = rows[cell.group][0]
            own = gain[who[:n_people]]
            shares[outcome.name, cell.group] = float(np.mean(own > important)), float(np.mean(own < -important))
            if outcome.tail:
                a, b = (_terms(v[who], cell.sample.n) for v in (values, reference_values))
                cells.append(_tail(cell, a - b))
    for cell, estimate, lo95, hi95 in _with_intervals(cells, [cell.outcome.difference_ends for cell in cells]):
        direction = cell.outcome.direction
        below = np.nan if cell.reason else estimate.chance_below(0.0)
        p_better = {"lower": below, "higher": 1.0 - below, "neither": np.nan}[direction]
        is_outcome = cell.name == cell.outcome.name and direction != "neither"
        row = (
            protocol,
            reference,
            cell.name,
            cell.group,
            estimate.mean,
            lo95,
            hi95,
            p_better,
            *(shares[cell.name, cell.group] if is_outcome else (np.nan, np.nan)),
            estimate.mc_se,
            estimate.n,
            cell.outcome.unit,
            direction,
            cell.method,
            cell.reason,
        )
        yield dict(zip(DIFFERENCE_COLUMNS, row, strict=True))


def make_tables(
    protocols: Sequence[str],
    reference: str,
    read: Mapping[str, Mapping[str, Floats]],
    draw: Ints,
    groups: Groups,
    names: Sequence[str] | None = None,
    *,
    calibrated: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Summary and differences of a comparison.

    Parameters
    ----------
    protocols : sequence of str
        In the order of the scenario.
    reference : str
        The protocol that the others are compared with.
    read : mapping of protocol to mapping of outcome to ndarray (n,)
        One number per patient, NaN where missing; patients in the same order for every protocol. Further rows are
        the same patients under further draws, replicate by replicate.
    draw : ndarray of int, (n,)
        Draw of each row.
    groups : mapping of subgroup to mask (n,)
    names : sequence of str, optional
        Outcomes to report; all if omitted.
    """
    chosen = [BY_NAME[name] for name in names] if names is not None else list(ALL)
    summary: list[dict[str, object]] = []
    differences: list[dict[str, object]] = []
    for protocol in protocols:
        summary += summary_rows(protocol, chosen, read[protocol], draw, groups, calibrated)
        if protocol != reference:
            differences += difference_rows(protocol, reference, chosen, read, draw, groups)
    return (
        pd.DataFrame(summary, columns=list(SUMMARY_COLUMNS)),
        pd.DataFrame(differences, columns=list(DIFFERENCE_COLUMNS)),
    )
