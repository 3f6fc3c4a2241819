"""The ranking of a comparison by stated weights: its sentences and its tables. Imports ``briefs.brief``, ``report``."""

import math
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from taper_sim.briefs.brief import CommitteeBrief
from taper_sim.briefs.brief_words import serious_rows
from taper_sim.briefs.first_screen import Aside
from taper_sim.comparison.chance_words import chance_in_words
from taper_sim.comparison.preferences import FULL_STOP_KEY, HARM_NAMES
from taper_sim.comparison.ranking import Ranking
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.experiments.compare import FLIPS_FILE, RANKING_FILE
from taper_sim.report.page_parts import PageTable
from taper_sim.report.run_tables import read_table
from taper_sim.report.wording import interval_text, number_text

_WEIGHTS: Final[Mapping[str, str]] = {
    "pain": "pain",
    "function": "function",
    "mood": "mood",
    "medication": "the dose taken",
    **HARM_NAMES,
    FULL_STOP_KEY: "a full stop of the medicine",
}
"""What has a weight, in a sentence."""
_FAR: Final = 100.0  # times: a factor beyond is told as none
_TO_THE_BEST: Final = 0.95  # chance of being best from which a first place is called clear


def read_ranking(folder: Path) -> Ranking | None:
    """The ranking of a finished comparison; None if nobody's weights are stated."""
    paths = [folder / name for name in (RANKING_FILE, FLIPS_FILE)]
    return Ranking(*map(read_table, paths)) if all(path.is_file() for path in paths) else None


def ranking_sentences(ranking: Ranking) -> tuple[str, ...]:
    """Who ranks first by whose weights and with which chance, and the smallest change of a weight that moves this."""
    first, *others = ranking.table.to_dict("records")
    if first["n"] < SMALLEST_CELL:
        return (f"Fewer than {SMALLEST_CELL} people: no ranking is shown.",)
    whose = f"By the weights of {first['weights_of']}, {first['protocol']} ranks first of {len(ranking.table)}"
    if first["interval_reason"]:
        return (f"{whose}. Its chance of being best is not known: {first['interval_reason']}.", _nearest(ranking))
    open_ = "" if first["p_best"] >= _TO_THE_BEST else " The first place is not settled."
    chances = f"its chance of being best is {chance_in_words(first['p_best'])}"
    next_best = max(others, key=lambda row: float(row["p_best"]))
    rival = f"that of {next_best['protocol']} is {chance_in_words(next_best['p_best'])}"
    return (f"{whose}: {chances}, {rival}.{open_}", _nearest(ranking))


def _nearest(ranking: Ranking) -> str:
    """The change of a single weight by the smallest factor after which another protocol comes first."""
    flips = [row for row in ranking.flips.to_dict("records") if _is_near(row)]
    if not flips:
        return f"No change of a single weight by a factor of up to {_FAR:g} moves the first place."
    row = min(flips, key=lambda flip: abs(math.log(flip["factor"])))
    weight, times = _WEIGHTS[row["weight"]], _times(row["factor"])
    return f"The first place goes to {row['first']} if {weight} counts {times} as much as stated."


def _is_near(row: Mapping[Hashable, Any]) -> bool:
    return 1.0 / _FAR <= row["factor"] <= _FAR


def _times(factor: float) -> str:
    return f"{number_text(factor, 1 if factor >= 1.1 else 2)} times"


def ranking_aside(ranking: Ranking, brief: CommitteeBrief) -> Aside:
    """The box of the first screen."""
    sentences = list(ranking_sentences(ranking))
    first = str(ranking.table["protocol"].iloc[0])
    harms = [
        row.events
        for row in serious_rows(brief)
        if (difference := brief.visible(first, row)) is not None and difference.mean >= row.important
    ]
    if harms:
        sentences.append(f"{first} ranks first although it has more {' and '.join(harms)}, by an amount that matters.")
    return Aside("Ranked by stated weights", tuple(sentences))


def ranking_tables(ranking: Ranking) -> tuple[PageTable, ...]:
    """The ranking, and what would change its first place; none of fewer than 11 people."""
    if (ranking.table["n"] < SMALLEST_CELL).any():
        return ()
    return _places(ranking.table), _changes(ranking.flips)


def _places(table: pd.DataFrame) -> PageTable:
    caption = (
        f"Protocols by the weights of {table['weights_of'].iloc[0]}. The composite is the sum of loads (pain, "
        "function, mood, dose taken) and harms in important differences; lower is better. Chances and intervals are "
        "over parameter draws with Monte Carlo error. The last column repeats the ranking with other weights."
    )
    heads = (
        "Protocol",
        "Place",
        "95 % interval of the place",
        "Chance of being best",
        "Composite, 95 % interval",
        "Behind the first, 95 % interval",
        "Loads",
        "Harms",
        "Place with loads alike, harms double, harms half",
    )
    rows = []
    for row in table.to_dict("records"):
        is_known = not row["interval_reason"]
        places = [number_text(row[name], 0) for name in ("rank_lo95", "rank_hi95")]
        behind = interval_text(row["behind_first"], row["behind_lo95"], row["behind_hi95"], 2, signed=True)
        others = [number_text(row[f"rank_{name}"], 0) for name in ("equal_loads", "harms_doubled", "harms_halved")]
        rows.append(
            (
                str(row["protocol"]),
                number_text(row["rank"], 0),
                " to ".join(dict.fromkeys(places)) if is_known else "–",
                chance_in_words(row["p_best"]) if is_known else f"none: {row['interval_reason']}",
                interval_text(row["composite"], row["lo95"], row["hi95"], 2, signed=True),
                behind if row["rank"] > 1 else "–",
                number_text(row["loads"], 2, signed=True),
                number_text(row["harms"], 2, signed=True),
                ", ".join(others),
            )
        )
    return PageTable(caption, heads, tuple(rows))


def _changes(flips: pd.DataFrame) -> PageTable:
    caption = (
        "Where the first place changes: the nearest lower and the nearest higher value of each weight at which another "
        "protocol comes first, all other weights as stated. Weights of loads count beside each other; those of a harm "
        "and of a full stop are important differences."
    )
    rows: dict[str, list[str]] = {}
    for row in flips.to_dict("records"):
        cells = rows.setdefault(str(row["weight"]), [f"{row['stated']:g}"])
        if not row["first"]:
            cells.append("no other")
            continue
        times = "" if math.isnan(row["factor"]) else f" ({_times(row['factor'])} as much)"
        cells.append(f"{'below' if row['change'] == 'lower' else 'above'} {row['value']:.3g}{times}: {row['first']}")
    heads = ("Weight of", "As stated", "First with a lower weight", "First with a higher weight")
    texts = [(_WEIGHTS[name][:1].upper() + _WEIGHTS[name][1:], *cells) for name, cells in rows.items()]
    return PageTable(caption, heads, tuple(texts))
