"""The page of a comparison of triage rules: an answer, then its reasons. Imports ``triage_text``, ``page_parts``.

Everything is computed from ``triage.csv``, so that a saved run gives the same page.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from taper_sim.report.drawing import BLUE, DOUBLE_COLUMN_MM, GREY, PRINT, empty_figure
from taper_sim.report.harm_words import small_text
from taper_sim.report.methods import people_are_sampled
from taper_sim.report.page_parts import PageSection, PageTable, RunPage, picture, write_figure
from taper_sim.report.replicated import (
    FEWEST_REPLICATIONS,
    Replicated,
    few_sentence,
    replicated,
    replication_sentences,
    value_text,
    without_few,
)
from taper_sim.report.run_tables import rows_by, rows_where
from taper_sim.report.triage_text import TRIAGE_METRICS
from taper_sim.report.waiting_groups import group_name
from taper_sim.report.wording import count, name_text
from taper_sim.run_folder import MANIFEST_FILE, read_record, read_table

_URGENT: Final = ("late of urgency 0", "of the work that cannot wait is late or lost", 100.0, 1)
_HARM: Final = ("composite lost", "of an important difference is lost to the team's limits", 1.0, 3)
_WAITS: Final = "Who waits longer, and who is harmed"
_PANELS: Final = (
    ("late of all work", "late or lost work, %", 100.0),
    ("composite lost", "harm, important differences\nminus unlimited staff", 1.0),
)
_GAPS: Final = (
    ("order_wait_days", "days an order waits", 1.0, 2),
    ("visits_given", "kept visits that took place, percentage points", 100.0, 1),
    ("composite lost", "harm, important differences", 1.0, 3),
)


@dataclass(frozen=True)
class TriageTables:
    """Manifest and table of the output folder of a comparison of triage rules."""

    manifest: dict[str, Any]
    table: pd.DataFrame

    @property
    def rules(self) -> list[str]:
        """Names of the rules, the reference first."""
        return [str(rule) for rule in dict.fromkeys(self.table["triage"])]

    @property
    def n(self) -> int:
        """Replications."""
        return int(self.table["n_replications"].max())


def read_triage(folder: Path) -> TriageTables:
    """Read the manifest and the table of a finished comparison of triage rules."""
    manifest = read_record(folder / MANIFEST_FILE, {"kind": str}, "the folder of a finished run")
    table = read_table(folder / "triage.csv", dtype={"code": str, "subgroup": str})
    shares = table["unit"].astype(str).str.startswith("share")  # Student's interval of a share may leave its range
    table.loc[shares, ["lo95", "hi95"]] = table.loc[shares, ["lo95", "hi95"]].clip(0.0, 1.0)
    return TriageTables(manifest, table)


def triage_page(folder: Path, tables: TriageTables) -> RunPage:
    """The page; the figure is written into the folder."""
    manifest, table = tables.manifest, tables.table
    drawn = write_figure(folder, "rules", "Late work and harm by rule of triage", rules_figure(table))
    shown = picture(
        folder,
        drawn[0],
        "Late work and harm under each rule",
        "A marker a rule; the same patients, random numbers and team. Bars: 95 % interval over replications, from "
        "enough of them.",
        "Two charts: share of late work, and harm against unlimited staff, under each rule of triage. The numbers "
        "are in figures/rules.csv.",
    )
    sections = (
        PageSection("rules", "The rules side by side", (), (_side_by_side(manifest, table),), (shown,)),
        PageSection("waits", _WAITS, tuple(apart_sentences(table)), tuple(_gap_tables(table))),
        PageSection("basis", "Basis and limits of the results", tuple(_basis(manifest, table))),
    )
    return RunPage("comparison of triage rules", sections, tuple(drawn))


def _rules(table: pd.DataFrame) -> list[str]:
    """Names of the rules, the reference first."""
    return [str(rule) for rule in dict.fromkeys(table["triage"])]


def _all(table: pd.DataFrame) -> dict[tuple[str, ...], Mapping[Hashable, Any]]:
    """Rows of all patients by rule and metric."""
    return rows_by(rows_where(table, subgroup="all"), "triage", "metric")


def answer_of_triage(table: pd.DataFrame) -> Iterator[str]:
    """Which rules change late work that cannot wait and harm, against first come, first served."""
    rules, values = _rules(table), _all(table)
    reference = name_text(rules[0])
    n = int(table["n_replications"].max())
    if n < FEWEST_REPLICATIONS:
        yield few_sentence("which rule is better", n)
        return
    for metric, words, factor, digits in (_URGENT, _HARM):
        unit = " %" if factor > 1 else ""
        points = " percentage points" if factor > 1 else ""
        if (rules[0], metric) not in values:
            yield f"No work of the kind “{metric}” came, so the rules cannot differ in it."
            continue
        base = replicated(values[rules[0], metric], n, factor)
        known = [rule for rule in rules[1:] if (rule, metric) in values]
        changes = {rule: replicated(values[rule, metric], None, factor, what="change") for rule in known}
        clear = [
            f"{name_text(rule)} changes this by {change.text(digits, signed=True)}{points}"
            + (small_text(change) if metric == _HARM[0] else "")
            for rule, change in changes.items()
            if change.is_above_0 or change.is_below_0
        ]
        rest = "; ".join(clear) if clear else "no other rule is shown to change this"
        level = f"{base.mean:.{digits}f}{unit}"
        yield f"With {reference} {level} {words}; {rest}."


def _side_by_side(manifest: dict[str, Any], table: pd.DataFrame) -> PageTable:
    rules, values = _rules(table), _all(table)
    rows = []
    for metric, label, factor, unit, digits in TRIAGE_METRICS:
        cells = []
        for rule in rules:
            row = values.get((rule, metric))
            text = value_text(row, factor, digits)
            if row is not None and rule != rules[0]:
                text += f"; change {replicated(row, None, factor, what='change').text(digits, signed=True)}"
            cells.append(text)
        if any(cell != "–" for cell in cells):
            rows.append((f"{label}{', ' + unit if unit else ''}", *cells))
    return PageTable(
        f"Protocol {manifest['protocol']}. Changes are from {name_text(rules[0])}, on the same patients, random "
        "numbers and team. Harm is positive if patients are worse off than with unlimited staff.",
        ("What", *(name_text(rule) for rule in rules)),
        tuple(rows),
    )


def _gaps(table: pd.DataFrame) -> Iterator[tuple[str, str, str, int, Replicated]]:
    """Group, rule, label, digits and gap from all patients of every subgroup."""
    for metric, label, factor, digits in _GAPS:
        rows = rows_where(table, metric=metric)
        for row in rows[rows["subgroup"] != "all"].to_dict("records"):
            gap = replicated(row, None, factor, what="gap")
            yield str(row["subgroup"]), str(row["triage"]), label, digits, gap


def apart_sentences(table: pd.DataFrame) -> Iterator[str]:
    """Groups that differ from all patients, a sentence a group and measure."""
    by_group: dict[tuple[str, str], list[str]] = {}
    for group, rule, label, digits, gap in _gaps(table):
        if gap.is_above_0 or gap.is_below_0:
            by_group.setdefault((group, label), []).append(f"{name_text(rule)} {gap.text(digits, signed=True)}")
    for (group, label), texts in by_group.items():
        yield f"{group_name(group)}, against all patients, {label}: {'; '.join(texts)}."
    if not by_group:
        yield "No group is shown to differ from all patients: the intervals include 0, or replications are few."


def _gap_tables(table: pd.DataFrame) -> Iterator[PageTable]:
    """A table a measure: each group minus all patients, under each rule."""
    rules = _rules(table)
    cells: dict[str, dict[str, dict[str, str]]] = {}
    for group, rule, label, digits, gap in _gaps(table):
        cells.setdefault(label, {}).setdefault(group, {})[rule] = gap.text(digits, signed=True)
    for label, groups in cells.items():
        rows = tuple(
            (group_name(group), *(by_rule.get(rule, "–") for rule in rules)) for group, by_rule in groups.items()
        )
        caption = (
            f"{label[:1].upper()}{label[1:]}: each group minus all patients under the same rule. High need: the worst "
            "quarter under unlimited staff. A number without brackets comes from too few replications."
        )
        yield PageTable(caption, ("People", *(name_text(rule) for rule in rules)), rows)


def _basis(manifest: dict[str, Any], table: pd.DataFrame) -> Iterator[str]:
    kind = "simulated people" if people_are_sampled(manifest) else "people from a file, whose courses are simulated"
    yield f"{manifest['patients']['n']:,} {kind} in each replication, {count(int(manifest['days']), 'day')}."
    yield from replication_sentences(int(table["n_replications"].max()))
    yield (
        "The rules are compared in many measures and groups, so that some intervals exclude 0 by chance. Harm "
        "reaches a person only by the paths of the model."
    )


@mpl.rc_context(PRINT)
def rules_figure(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Late work and harm of all patients under each rule; an interval from too few replications is not drawn."""
    rules = _rules(table)
    metrics = [metric for metric, _, _ in _PANELS]
    data = without_few(rows_where(table, subgroup="all"), "lo95", "hi95", "change_lo95", "change_hi95")
    data = data[data["metric"].isin(metrics)]
    figure = empty_figure(DOUBLE_COLUMN_MM, 22.0 + 7.0 * len(rules), fitted=True)
    for place, (metric, label, factor) in enumerate(_PANELS):
        axes = figure.add_subplot(1, 2, place + 1)
        rows = rows_where(data, metric=metric).set_index("triage").reindex(rules)
        middle = factor * rows["estimate"]
        half = [(middle - factor * rows["lo95"]).clip(lower=0), (factor * rows["hi95"] - middle).clip(lower=0)]
        axes.errorbar(middle, range(len(rules)), xerr=half, fmt="o", color=BLUE, markersize=4, linewidth=0.9)
        axes.set_yticks(range(len(rules)), [name_text(rule) for rule in rules] if place == 0 else [""] * len(rules))
        axes.set_ylim(len(rules) - 0.5, -0.5)
        axes.set_xlabel(label)
        if metric == "composite lost":
            axes.axvline(0.0, color=GREY, linewidth=0.5)
        else:
            axes.set_xlim(left=0.0)
    return figure, data[["triage", "metric", "unit", "estimate", "lo95", "hi95", "n_replications"]]
