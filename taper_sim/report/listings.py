"""Lists of protocols, drugs and outcomes as text. Imports ``comparison``, ``policies``, ``recommend``, ``data``."""

from collections.abc import Iterable, Sequence

import pandas as pd

from taper_sim import tables
from taper_sim.comparison.outcomes import ALL
from taper_sim.data import formulary
from taper_sim.scenario import all_policies
from taper_sim.units import BUPRENORPHINE_SCALE, EQUIVALENTS


def as_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table as text, each column as wide as its widest cell."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def tablets_text(tablets: pd.DataFrame) -> str:
    """Dispensing steps: first day, dose in the drug's unit and in equivalents, tablets, quantity for 28 days."""
    rows = [
        (
            r["day"],
            r["drug"],
            r["formulation"],
            f"{r['dose_per_day']:g} {r['unit']}",
            f"{r['dose_per_day'] - r['ideal_per_day']:+.3g}",
            f"{r['equivalents']:.4g}",
            r["tablets"],
            r["dispense_28d"],
        )
        for r in tablets.to_dict("records")
    ]
    header = ("from day", "drug", "formulation", "a day", "rounding", "equivalents", "tablets", "at most for 28 days")
    return f"{as_table(header, rows)}\n\n{tables.UNREVIEWED.capitalize()}.\n"


def drugs_text() -> str:
    """Every drug and formulation with unit, factor, strengths and flags."""
    rows = []
    for drug in formulary.formulary().values():
        factor = "none: own scale" if drug.is_buprenorphine else f"{drug.equivalence_factor:g}"
        if drug.drug == "gabapentin":
            factor = "absorbed dose"
        strengths = " ".join(f"{strength:g}" for strength in drug.strengths)
        rows.append(
            (
                drug.drug_class,
                drug.drug,
                drug.formulation,
                drug.unit,
                factor,
                strengths,
                "halves" if drug.splittable else "whole",
                f"{drug.effect_half_life_h:g}",
                f"{drug.trough_mean:g}",
                drug.verified,
            )
        )
    header = (
        "class",
        "drug",
        "formulation",
        "unit",
        "factor",
        "strengths",
        "split",
        "effect half-life h",
        "trough/mean",
        "verified",
    )
    scales = "; ".join(f"{name}: {unit}" for name, unit in EQUIVALENTS.items())
    flags = sorted({drug.flag for drug in formulary.formulary().values() if drug.flag})
    status = tables.review_status(tables.read("drugs").rows)
    return "\n".join(
        [
            as_table(header, rows),
            "",
            f"Factor × daily dose = equivalents ({scales}; {BUPRENORPHINE_SCALE}).",
            *flags,
            f"{status.capitalize()}.",
        ]
    )


def outcomes_text() -> str:
    """Every outcome with unit, direction, smallest important difference and meaning."""
    rows = [
        (o.name, o.unit, o.direction, "-" if o.important is None else f"{o.important:g}", o.meaning, o.source)
        for o in ALL
    ]
    header = ("outcome", "unit", "better", "important difference", "meaning", "source")
    tails = ", ".join(f"{o.name}_cvar95" for o in ALL if o.tail)
    return "\n".join([as_table(header, rows), "", f"Means of the worst 5 %: {tails}."])


def protocols_text() -> str:
    """Every protocol call with its arguments and defaults, then the presets with year, source and review."""
    policies = all_policies.listing()
    calls = [(r["call"], r["arguments"], r["meaning"]) for r in policies if not r["review"]]
    presets = [
        (r["call"], r["year"], r["drug_class"], r["simulated"], r["arguments"], r["verified"], r["note"], r["source"])
        for r in policies
        if r["review"]
    ]
    header = ("preset", "year", "class", "simulated", "as", "verified", "note", "source")
    return "\n".join(
        [
            as_table(("call", "arguments", "meaning"), calls),
            "",
            as_table(header, presets),
            "",
            f"{tables.UNREVIEWED.capitalize()}.",
        ]
    )


def taper_scores_text(scores: pd.DataFrame) -> str:
    """Log loss by information and method, with the difference from the population forecast, taper visits and later."""
    log_loss = scores[(scores["visits"] == "taper and after") & (scores["score"] == "log_loss")]
    rows = [
        (
            s.information,
            s.method,
            str(s.n_visits),
            f"{s.value:.4f}",
            f"{s.difference:+.4f} ({s.difference_lo95:+.4f} to {s.difference_hi95:+.4f})",
        )
        for s in log_loss.itertuples()
    ]
    header = ("information", "method", "visits", "log loss", "minus population only (95 % over people)")
    return "\n".join([as_table(header, rows), "", "Research use: not clinically reviewed."])


def markdown_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    cells = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in cells)
