"""The page of a comparison: the committee's brief, then its details. Imports ``briefs.brief_page``, ``report``.

``report.page_parts`` says what holds for every page.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from taper_sim.briefs.brief import CommitteeBrief, brief_of
from taper_sim.briefs.brief_page import comparison_screen
from taper_sim.briefs.checklists import checklists, unfilled
from taper_sim.briefs.first_screen import FirstScreen, screen_values
from taper_sim.briefs.ranking_part import ranking_sentences, ranking_tables, read_ranking
from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.comparison.preferences import FULL_STOP, preferences_text
from taper_sim.comparison.ranking import Ranking
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.model.event_parameters import CHANCE_TABLE, STREAMS
from taper_sim.model.parameters import TABLE
from taper_sim.report.figures import FOREST_OUTCOMES, WITHDRAWAL_LIMIT, pareto_axes, write_figures
from taper_sim.report.methods import is_calibrated, listed, methods_paragraph, oracle_sentences, people_are_sampled
from taper_sim.report.page_parts import Picture, picture, rendered
from taper_sim.report.run_tables import RunTables, label_of, outcome_of, read_run

HIDDEN: Final = f"<{SMALLEST_CELL}"
NONE_SEEN: Final = "none seen"

#: Outcomes of the main table; a run with none of them shows its first nine outcomes.
KEY_OUTCOMES: Final = (
    "dose_reduction_pct",
    "withdrawal_peak",
    "days_over_limit",
    "pain_nrs_change",
    "function_change",
    "phq9_change",
    "mental_health_crisis",
    "overdose",
    "retained",
)
SUBGROUP_OUTCOMES: Final = (
    "dose_reduction_pct",
    "withdrawal_peak",
    "pain_nrs_change",
    "function_change",
    "mental_health_crisis",
)

_BETTER: Final = {"lower": "lower is better", "higher": "higher is better", "neither": "neither is better"}
_ASSUMED: Final = re.compile(r"A(\d+)\b")


def outcome_number(name: str, value: float, *, signed: bool = False) -> str:
    """A value of an outcome as text, with decimals by its smallest important difference; events in %.

    Parameters
    ----------
    name : str
        Name of the outcome, with or without ``_cvar95``.
    value : float
    signed : bool
        Whether positive values have a plus sign.
    """
    if not math.isfinite(value):
        return "–"
    outcome = outcome_of(name)
    important, unit = (outcome.important, outcome.unit) if outcome is not None else (None, "")
    if unit.startswith("share of"):
        value, important = 100.0 * value, 100.0 * important if important is not None else None
        size = important if important is not None else 10.0 if abs(value) >= 1 else 1.0
    else:
        size = important if important is not None else max(abs(value), 1e-6)
    places = min(6, max(0, 2 - math.ceil(math.log10(size))))
    text = f"{abs(value):,.{places}f}"
    zero = not any(digit in text for digit in "123456789")
    sign = "" if zero else "−" if value < 0 else "+" if signed else ""
    return f"{sign}{text}{' %' if unit.startswith('share of') else ''}"


def probability(value: float) -> str:
    """A probability in whole %; 0 % and 100 % stand for exactly 0 and 1."""
    if not math.isfinite(value):
        return "–"
    if 0.0 < value < 0.005:
        return "<1 %"
    if 0.995 < value < 1.0:
        return ">99 %"
    return f"{100.0 * value:.0f} %"


def _cell(row: Mapping[Any, Any] | None, name: str, *, signed: bool) -> dict[str, str]:
    """Mean and interval, or the mark of a hidden cell.

    An event that no patient had has an interval of 0 to 0, which would suggest certainty; the cell says *none seen*. A
    number on which too few people or events stand has no interval; the cell says why.
    """
    if row is None or row["n"] < SMALLEST_CELL:
        return {"mean": HIDDEN, "interval": ""}
    if row["mean"] == 0.0 and _is_event(name) and not signed and math.isnan(row["lo95"]):
        return {"mean": outcome_number(name, 0.0), "interval": NONE_SEEN}
    if math.isnan(row["lo95"]):
        reason = row.get("interval_reason") or "too few"
        return {"mean": outcome_number(name, row["mean"], signed=signed), "interval": f"no interval: {reason}"}
    if row["lo95"] == row["hi95"] == 0.0 and _is_event(name):
        return {"mean": outcome_number(name, 0.0), "interval": NONE_SEEN}
    low, high = (outcome_number(name, row[end], signed=signed) for end in ("lo95", "hi95"))
    return {"mean": outcome_number(name, row["mean"], signed=signed), "interval": f"{low} to {high}"}


def _is_event(name: str) -> bool:
    outcome = outcome_of(name)
    return outcome is not None and outcome.unit == "share of people"


def _is_change(name: str) -> bool:
    return "_change" in name


def _heads(names: Sequence[str]) -> list[dict[str, str]]:
    heads = []
    for name in names:
        outcome = outcome_of(name)
        unit = outcome.unit if outcome is not None else ""
        heads.append(
            {
                "name": name,
                "label": label_of(name),
                "unit": unit.replace("share of", "% of"),
                "better": _BETTER[outcome.direction] if outcome is not None else "",
                "important": _important(name),
            }
        )
    return heads


def _important(name: str) -> str:
    outcome = outcome_of(name)
    if outcome is None or outcome.important is None:
        return "any difference"
    if outcome.unit.startswith("share of"):
        return f"{100 * outcome.important:g} percentage points"
    return f"{outcome.important:g}"


def _chosen(run: RunTables, preferred: Sequence[str], most: int) -> list[str]:
    reported = list(dict.fromkeys(str(name) for name in run.summary["outcome"]))
    return [name for name in preferred if name in reported] or reported[:most]


def _main_table(run: RunTables) -> dict[str, Any]:
    names = _chosen(run, KEY_OUTCOMES, 9)
    whole = run.summary[run.summary["subgroup"] == "all"]
    row_of = {(row["protocol"], row["outcome"]): row for row in whole.to_dict("records")}
    rows = [
        {
            "protocol": protocol,
            "cells": [_cell(row_of.get((protocol, name)), name, signed=_is_change(name)) for name in names],
        }
        for protocol in run.protocols
    ]
    return {"heads": _heads(names), "rows": rows}


def _differences(run: RunTables) -> list[dict[str, Any]]:
    """Groups of rows, one group for each protocol."""
    listed_outcomes = run.manifest["scenario"].get("outcomes")
    reported = dict.fromkeys(str(name) for name in run.differences["outcome"])
    preferred = [*dict.fromkeys(("dose_reduction_pct", *FOREST_OUTCOMES, "retained"))]
    names = [name for name in preferred if name in reported] if listed_outcomes is None else list(reported)
    whole = run.differences[run.differences["subgroup"] == "all"]
    row_of = {(row["protocol"], row["outcome"]): row for row in whole.to_dict("records")}
    groups = []
    for protocol in run.protocols:
        if protocol == run.reference:
            continue
        rows = []
        for head in _heads(names):
            row = row_of.get((protocol, head["name"]))
            columns = ("p_better", "share_better", "share_worse")
            visible = row is not None and row["n"] >= SMALLEST_CELL
            shares = {k: probability(float(row[k])) if visible and row is not None else HIDDEN for k in columns}
            cell = _cell(row, head["name"], signed=True)
            if cell["interval"] == NONE_SEEN or cell["interval"].startswith("no interval"):
                shares["p_better"] = "–"
            rows.append({**head, **cell, **shares})
        groups.append({"protocol": protocol, "rows": rows})
    return groups


def _subgroups(run: RunTables) -> dict[str, Any]:
    groups = [str(name) for name in dict.fromkeys(run.summary["subgroup"]) if name != "all"]
    names = _chosen(run, SUBGROUP_OUTCOMES, 5)
    row_of = {(row["subgroup"], row["protocol"], row["outcome"]): row for row in run.summary.to_dict("records")}
    most = run.summary.groupby("subgroup")["n"].max()
    rows = []
    for group in groups:
        size = int(most[group])
        for protocol in run.protocols:
            cells = [_cell(row_of.get((group, protocol, name)), name, signed=_is_change(name)) for name in names]
            n = f"{size:,}" if size >= SMALLEST_CELL else HIDDEN
            rows.append({"group": group, "n": n, "protocol": protocol, "cells": cells})
    return {"heads": _heads(names), "rows": rows, "per_group": len(run.protocols)}


def _definitions(run: RunTables) -> list[dict[str, str]]:
    rows = []
    for name in dict.fromkeys(str(name).removesuffix("_cvar95") for name in run.summary["outcome"]):
        outcome = BY_NAME.get(name)
        if outcome is not None:
            rows.append(
                {
                    "name": name,
                    "meaning": outcome.meaning,
                    "unit": outcome.unit,
                    "source": outcome.source,
                    "better": _BETTER[outcome.direction],
                    "important": "any" if outcome.important is None else f"{outcome.important:g}",
                }
            )
    return rows


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{drug_class} {amount:.4g}" for drug_class, amount in value.items())
    if isinstance(value, list):
        return ", ".join(f"{amount:.4g}" for amount in value)
    return f"{value:.4g}"


def _assumptions(run: RunTables) -> list[dict[str, str]]:
    """Every value whose source is a numbered assumption, in the order of the assumptions."""
    used = run.manifest.get("parameters", {})
    rows: list[tuple[int, dict[str, str]]] = []
    for parameter in (*TABLE, *CHANCE_TABLE):
        if match := _ASSUMED.match(parameter.source):
            row = {
                "symbol": parameter.symbol,
                "meaning": parameter.meaning,
                "unit": parameter.unit,
                "value": _value(parameter.value),
                "source": parameter.source,
                "here": _value(used[parameter.symbol]) if parameter.symbol in used else "–",
            }
            rows.append((int(match[1]), row))
    for outcome in BY_NAME.values():
        if (match := _ASSUMED.match(outcome.source)) and outcome.important is not None:
            row = {
                "symbol": outcome.name,
                "meaning": "smallest important difference",
                "unit": outcome.unit,
                "value": f"{outcome.important:g}",
                "source": outcome.source,
                "here": f"{outcome.important:g}",
            }
            rows.append((int(match[1]), row))
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def _rests_on(run: RunTables) -> list[str]:
    """Basis and limits of the results, in sentences."""
    manifest = run.manifest
    people, ensemble = int(manifest["patients"]["n"]), manifest["ensemble"]
    draws = f"{ensemble['n_draws']} parameter draws"
    sentences = []
    if people_are_sampled(manifest):
        description = str(manifest["patients"].get("description") or "").rstrip(".")
        sentences.append(f"{people:,} simulated people, no patients" + (f": {description}." if description else "."))
    else:
        sentences.append(f"{people:,} people from a file; their courses are simulated.")
    if is_calibrated(manifest):
        sentences.append(f"{draws} of ensemble {ensemble['id']}, calibrated to published results.")
    else:
        sentences.append(
            f"{draws} from the prior: the model is not calibrated to published results. The sizes of differences are "
            "therefore less certain than their intervals suggest; they follow from the assumptions."
        )
    sentences.append(
        "Intervals cover uncertainty about the parameters and the number of people. They do not cover errors of the "
        "model's equations. A number on which too few people or events stand has no interval, and its cell says why."
    )
    weights = manifest["scenario"].get("composite")
    if weights and (run.summary["outcome"] == "composite").any():
        full_stop = float(manifest["scenario"].get("full_stop_worth", FULL_STOP))
        whose = str(manifest["scenario"].get("weights_of") or "")
        sentences.append(preferences_text(weights, full_stop, whose))
        if not whose:
            sentences.append("The scenario does not say whose weights these are, so that nothing is ranked by them.")
    sentences += oracle_sentences(manifest)
    for table in manifest["tables"]:
        verified = table["verified"]
        sentences.append(
            f"Table {table['table']}: {table['rows']} rows used, {table['reviewed']} reviewed by a licensed clinician "
            f"({table['status']}); {verified['yes']} checked against their source in full, {verified['partial']} in "
            f"part, {verified['no']} not."
        )
    fixed = manifest["scenario"].get("parameters") or {}
    if fixed:
        sentences.append("Fixed by the scenario: " + listed([f"{k} = {v:g}" for k, v in fixed.items()]) + ".")
    sentences.append(f"{len(_assumptions(run))} values are assumptions; they are listed below.")
    return sentences


def _figures(run: RunTables, folder: Path, written: Sequence[Path]) -> list[Picture]:
    axes = pareto_axes(run.summary)
    harm, distance = (label_of(axes[1]), label_of(axes[0])) if axes is not None else ("", "")
    protocols, reference = listed(run.protocols), run.reference
    texts = {
        "trajectories": (
            "Courses by protocol",
            "Prescribed dose, withdrawal, pain, function and distress by day: mean over people, and bands of the "
            "middle 50 % and 80 % of people (variation between people, not uncertainty). The points are one week "
            "apart, so the figure misses a peak between two points. People who have died count in the dose only.",
            f"Line charts of dose, withdrawal, pain, function and distress by day under {protocols}. The numbers are "
            "in figures/trajectories.csv.",
        ),
        "forest": (
            f"Differences from {reference}",
            "Means with 95 % intervals over parameter draws; values right of 0 are better for every outcome. Left "
            "panels: units of smallest important differences, dashed lines at −1 and 1. Right panels: people per 100; "
            "the scales differ. Differences without an interval are left out; the table below says why.",
            f"Differences of each protocol from {reference} with 95 % intervals. The numbers are in the table of "
            "differences and in figures/forest.csv.",
        ),
        "tail": (
            "Peak withdrawal: everybody, and the worst 5 %",
            "Filled: mean of the peaks of all people. Open: mean of the 5 % with the highest peaks. Bars: 95 % "
            "intervals. A protocol whose mean is mild may still be hard for a few.",
            f"Dot chart of the mean peak of withdrawal of all people and of the worst 5 % under {protocols}. The "
            "numbers are in figures/tail.csv.",
        ),
        "pareto": (
            f"Benefit and harm: {distance} against {harm}",
            "Means with 95 % intervals as thin crosses. Filled: mean peak withdrawal within the limit of "
            f"{WITHDRAWAL_LIMIT:g}, and no other such protocol better in both means. A protocol over the limit is no "
            "candidate: a full stop has the largest reduction by definition. Where crosses overlap, membership of the "
            "front is uncertain. The figure ranks nothing: that depends on the worth of a lower dose.",
            f"Scatter of {harm} against {distance} for {protocols}. The numbers are in figures/pareto.csv.",
        ),
    }
    shown = []
    for path in written:
        if path.suffix == ".svg":
            shown.append(picture(folder, path, *texts[path.stem]))
    return shown


def _protocol_texts(run: RunTables) -> list[dict[str, str]]:
    entries = run.manifest["scenario"]["protocols"]
    default = run.manifest["scenario"].get("care")
    rows = []
    for name, entry in zip(run.protocols, entries, strict=True):
        rows.append({"name": name, "call": entry["call"], "care": _care(entry.get("care") or default)})
    return rows


def _care(care: Mapping[str, Any] | None) -> str:
    if not care:
        return "–"
    with_share = [name if share == 1 else f"{name} {100 * share:g} %" for name, share in care["disciplines"].items()]
    every = [
        f"{what} every {days} d" if days else f"no {what}s"
        for what, days in (("visit", care["visit_every_d"]), ("check-in", care["checkin_every_d"]))
    ]
    return f"{listed(with_share) if with_share else 'no team'}; {', '.join(every)}"


@dataclass(frozen=True)
class ReadComparison:
    """Tables of a finished comparison, the numbers of its first screen, its ranking if it has one."""

    run: RunTables
    brief: CommitteeBrief
    ranking: Ranking | None


def read_comparison(folder: Path) -> ReadComparison:
    """Read a finished comparison; raises InputError if the folder has none."""
    run = read_run(folder)
    return ReadComparison(run, brief_of(run, folder), read_ranking(folder))


def screen_of_comparison(read: ReadComparison, clinic: Sequence[str]) -> FirstScreen:
    """The first screen; ``clinic`` has what a clinic run says on people's time."""
    return comparison_screen(read.run, read.brief, clinic=clinic, ranking=read.ranking)


def draw_comparison(
    folder: Path, read: ReadComparison, screen: FirstScreen, old: FirstScreen | None
) -> tuple[str, list[Path]]:
    """Write the figures into a folder; the page as HTML: the committee's brief, then its details; and the files.

    Parameters
    ----------
    folder : Path
        Folder of the figures.
    read : ReadComparison
    screen, old : FirstScreen
        Of the run, and of an earlier run.
    """
    run, brief, ranking = read.run, read.brief, read.ranking
    written = write_figures(folder, run)
    lists = checklists(run.manifest, brief.comparator)
    page = rendered(
        "report.html.jinja",
        run.manifest,
        subject="comparison of protocols",
        **screen_values(screen, old=old),
        ranking=None if ranking is None else (ranking_sentences(ranking), ranking_tables(ranking)),
        rests_on=_rests_on(run),
        days=run.manifest["days"],
        people=f"{int(run.manifest['patients']['n']):,}",
        reference=run.reference,
        main=_main_table(run),
        figures=_figures(run, folder, written),
        differences=_differences(run),
        subgroups=_subgroups(run),
        methods=methods_paragraph(run.manifest, run.summary, run.differences),
        definitions=_definitions(run),
        assumptions=_assumptions(run),
        streams=[stream.instrument for stream in STREAMS if _ASSUMED.search(stream.source)],
        protocols=_protocol_texts(run),
        smallest=SMALLEST_CELL,
        checklists=lists,
        unfilled=listed([f"{role} {n}" for role, n in unfilled(lists).items()]),
    )
    return page, written
