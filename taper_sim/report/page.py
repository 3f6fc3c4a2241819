"""``report.html``: one self-contained page of a run folder. Imports ``report`` and below.

The page asks nothing of anywhere: style inline, figures as data URIs, no scripts. Everything that comes from a file is
escaped by the template. The same folder gives the same bytes.
"""

import base64
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.model.event_parameters import CHANCE_TABLE, STREAMS
from taper_sim.model.parameters import TABLE
from taper_sim.report.figures import FOREST_OUTCOMES, pareto_axes, write_figures
from taper_sim.report.methods import cautions, is_calibrated, listed, methods_paragraph, people_are_sampled
from taper_sim.report.run_tables import SMALLEST_CELL, Run, label_of, outcome_of, read_run
from taper_sim.run_folder import list_report, write_text

HIDDEN: Final = f"<{SMALLEST_CELL}"
NONE_SEEN: Final = "none seen"

#: Outcomes of the main table; a run that reports none of them shows the first nine it has.
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


def number(name: str, value: float, *, signed: bool = False) -> str:
    """A value of an outcome as text, decimals by its smallest important difference, events in %.

    Parameters
    ----------
    name : str
        The outcome, ``…_cvar95`` included.
    value : float
    signed : bool
        Whether a plus sign is shown.
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


def chance(value: float) -> str:
    """A probability in whole %, never 0 or 100 where it is only near."""
    if not math.isfinite(value):
        return "–"
    if 0.0 < value < 0.005:
        return "<1 %"
    if 0.995 < value < 1.0:
        return ">99 %"
    return f"{100.0 * value:.0f} %"


def _cell(row: Mapping[Any, Any] | None, name: str, *, signed: bool) -> dict[str, str]:
    """Mean and interval, or nothing but the sign that it is hidden.

    Where nobody had an event, or nobody's differs, the spread is 0 and an interval of 0 to 0 would look certain.
    """
    if row is None or row["n"] < SMALLEST_CELL:
        return {"mean": HIDDEN, "interval": ""}
    if row["lo95"] == row["hi95"] == 0.0 and _is_event(name):
        return {"mean": number(name, 0.0), "interval": NONE_SEEN}
    low, high = (number(name, row[end], signed=signed) for end in ("lo95", "hi95"))
    return {"mean": number(name, row["mean"], signed=signed), "interval": f"{low} to {high}"}


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


def _chosen(run: Run, wanted: Sequence[str], most: int) -> list[str]:
    there = list(dict.fromkeys(str(name) for name in run.summary["outcome"]))
    return [name for name in wanted if name in there] or there[:most]


def _main_table(run: Run) -> dict[str, Any]:
    names = _chosen(run, KEY_OUTCOMES, 9)
    whole = run.summary[run.summary["subgroup"] == "all"]
    found = {(row["protocol"], row["outcome"]): row for row in whole.to_dict("records")}
    rows = [
        {
            "protocol": protocol,
            "cells": [_cell(found.get((protocol, name)), name, signed=_is_change(name)) for name in names],
        }
        for protocol in run.protocols
    ]
    return {"heads": _heads(names), "rows": rows}


def _differences(run: Run) -> list[dict[str, Any]]:
    """Groups of rows, one a protocol."""
    listed_outcomes = run.manifest["scenario"].get("outcomes")
    there = dict.fromkeys(str(name) for name in run.differences["outcome"])
    wanted = [*dict.fromkeys(("dose_reduction_pct", *FOREST_OUTCOMES, "retained"))]
    names = [name for name in wanted if name in there] if listed_outcomes is None else list(there)
    whole = run.differences[run.differences["subgroup"] == "all"]
    found = {(row["protocol"], row["outcome"]): row for row in whole.to_dict("records")}
    groups = []
    for protocol in run.protocols:
        if protocol == run.reference:
            continue
        rows = []
        for head in _heads(names):
            row = found.get((protocol, head["name"]))
            shown = row is not None and row["n"] >= SMALLEST_CELL
            shares = ("p_better", "share_better", "share_worse")
            said = {k: chance(float(row[k])) if shown and row is not None else HIDDEN for k in shares}
            cell = _cell(row, head["name"], signed=True)
            if cell["interval"] == NONE_SEEN:
                said["p_better"] = "–"
            rows.append({**head, **cell, **said})
        groups.append({"protocol": protocol, "rows": rows})
    return groups


def _subgroups(run: Run) -> dict[str, Any]:
    groups = [str(name) for name in dict.fromkeys(run.summary["subgroup"]) if name != "all"]
    names = _chosen(run, SUBGROUP_OUTCOMES, 5)
    found = {(row["subgroup"], row["protocol"], row["outcome"]): row for row in run.summary.to_dict("records")}
    most = run.summary.groupby("subgroup")["n"].max()
    rows = []
    for group in groups:
        size = int(most[group])
        for protocol in run.protocols:
            cells = [_cell(found.get((group, protocol, name)), name, signed=_is_change(name)) for name in names]
            n = f"{size:,}" if size >= SMALLEST_CELL else HIDDEN
            rows.append({"group": group, "n": n, "protocol": protocol, "cells": cells})
    return {"heads": _heads(names), "rows": rows, "per_group": len(run.protocols)}


def _definitions(run: Run) -> list[dict[str, str]]:
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


def _assumptions(run: Run) -> list[dict[str, str]]:
    """Every value that rests on an assumption and not on a publication, in the order of the assumptions."""
    used = run.manifest.get("parameters", {})
    rows: list[tuple[int, dict[str, str]]] = []
    for parameter in (*TABLE, *CHANCE_TABLE):
        if found := _ASSUMED.match(parameter.source):
            row = {
                "symbol": parameter.symbol,
                "meaning": parameter.meaning,
                "unit": parameter.unit,
                "value": _value(parameter.value),
                "source": parameter.source,
                "here": _value(used[parameter.symbol]) if parameter.symbol in used else "–",
            }
            rows.append((int(found[1]), row))
    for outcome in BY_NAME.values():
        if (found := _ASSUMED.match(outcome.source)) and outcome.important is not None:
            row = {
                "symbol": outcome.name,
                "meaning": "smallest important difference",
                "unit": outcome.unit,
                "value": f"{outcome.important:g}",
                "source": outcome.source,
                "here": f"{outcome.important:g}",
            }
            rows.append((int(found[1]), row))
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def _rests_on(run: Run) -> list[str]:
    """What the page rests on and how sure it is, a sentence each."""
    manifest = run.manifest
    people, ensemble = int(manifest["patients"]["n"]), manifest["ensemble"]
    draws = f"{ensemble['n_draws']} parameter draws"
    said = []
    if people_are_sampled(manifest):
        description = str(manifest["patients"].get("description") or "").rstrip(".")
        said.append(f"{people:,} simulated people, no patients" + (f": {description}." if description else "."))
    else:
        said.append(f"{people:,} people read from a file; their courses are simulated.")
    if is_calibrated(manifest):
        said.append(f"{draws} of ensemble {ensemble['id']}, calibrated to published results.")
    else:
        said.append(
            f"{draws} from the prior: the model is not calibrated to published results, so sizes of "
            "differences are less sure than their intervals say. Read them as what the assumptions imply."
        )
    said.append(
        "Intervals cover what is not known about the parameters and Monte Carlo error. They do not cover whether the "
        "equations are right."
    )
    for table in manifest["tables"]:
        seen = table["verified"]
        said.append(
            f"Table {table['table']}: {table['rows']} rows used, {table['reviewed']} reviewed by a licensed clinician "
            f"({table['status']}); {seen['yes']} checked against their source in full, {seen['partial']} in part, "
            f"{seen['no']} not."
        )
    fixed = manifest["scenario"].get("parameters") or {}
    if fixed:
        said.append("Fixed by the scenario: " + listed([f"{k} = {v:g}" for k, v in fixed.items()]) + ".")
    said.append(f"{len(_assumptions(run))} values are assumptions; they are listed below.")
    return said


def _figures(run: Run, folder: Path, written: Sequence[Path]) -> list[dict[str, str]]:
    axes = pareto_axes(run.summary)
    harm, distance = (label_of(axes[1]), label_of(axes[0])) if axes is not None else ("", "")
    protocols, reference = listed(run.protocols), run.reference
    texts = {
        "trajectories": (
            "Courses by protocol",
            "Prescribed dose, withdrawal, pain, function and distress by day: mean over people, and bands that hold "
            "the middle half and the middle 80 % of people (differences between people, not uncertainty). Points are "
            "a week apart, so a peak between two of them is not seen here. The dead are left out from their death on, "
            "but for the dose.",
            f"Line charts of dose, withdrawal, pain, function and distress by day under {protocols}. The numbers are "
            "in figures/trajectories.csv.",
        ),
        "forest": (
            f"Differences from {reference}",
            "Means with 95 % intervals over parameter draws; right of 0 is better for every outcome. Left: in smallest "
            "important differences, dashed lines at one. Right: people per 100, each panel on its own scale.",
            f"Differences of each protocol from {reference} with 95 % intervals. The numbers are in the table of "
            "differences and in figures/forest.csv.",
        ),
        "pareto": (
            f"Distance got and harm: {distance} against {harm}",
            "Means with 95 % intervals as thin crosses. Filled: no other protocol is better in both means. The "
            "front is that of the means; where crosses overlap, who is on it is not sure.",
            f"Scatter of {harm} against {distance} for {protocols}. The numbers are in figures/pareto.csv.",
        ),
    }
    shown = []
    for path in written:
        if path.suffix == ".svg":
            title, caption, alt = texts[path.stem]
            content = base64.b64encode(path.read_bytes()).decode()
            data = path.with_suffix(".csv").relative_to(folder).as_posix()
            shown.append({"title": title, "caption": caption, "alt": alt, "content": content, "data": data})
    return shown


def _protocol_texts(run: Run) -> list[dict[str, str]]:
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


def _provenance(run: Run) -> list[tuple[str, str]]:
    manifest = run.manifest
    rows = [
        ("Scenario file", manifest["scenario_file"]),
        ("Scenario hash", manifest["scenario_hash"]),
        ("Seed", manifest["seed"]),
        ("Days", manifest["days"]),
        ("People", f"{int(manifest['patients']['n']):,}"),
        ("Hash of the people's ids", manifest["patients"]["ids_sha256"]),
        ("Parameter ensemble", f"{manifest['ensemble']['id']}, {manifest['ensemble']['n_draws']} draws"),
        ("Git commit", manifest.get("git_commit") or "not known"),
        ("Clinical review", manifest["clinical_review"]),
        *((f"Version of {name}", version) for name, version in manifest["versions"].items()),
        *((f"Table {table['table']}", table["sha256"]) for table in manifest["tables"]),
        *((f"Input {name}", digest) for name, digest in manifest["inputs_sha256"].items()),
        *((f"Output {name}", digest) for name, digest in manifest["outputs_sha256"].items()),
    ]
    return [(str(name), str(value)) for name, value in rows]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("taper_sim.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment


def write_report(folder: Path) -> Path:
    """Write ``report.html`` of a run folder, and the figures it shows with their data.

    Parameters
    ----------
    folder : Path
        A finished run.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        If the folder is not that of a finished run.
    """
    run = read_run(folder)
    written = write_figures(folder, run)
    text = (
        _environment()
        .get_template("report.html.jinja")
        .render(
            title=run.manifest["scenario"]["name"],
            question=run.manifest["scenario"].get("question") or "",
            cautions=cautions(run.manifest),
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
            provenance=_provenance(run),
            smallest=SMALLEST_CELL,
        )
    )
    page = folder / "report.html"
    write_text(page, text)
    list_report(folder, [page, *written])
    return page
