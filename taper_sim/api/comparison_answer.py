"""The answer of a comparison in sentences, with differences and intervals. Imports ``report.run_tables``."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import pandas as pd

from taper_sim.report.run_tables import label_of

DISTANCE: Final = "dose_reduction_pct"
#: Outcomes of the second sentence.
BESIDE: Final = ("withdrawal_peak", "pain_nrs_change", "function_change", "mental_health_crisis", "retained")

_UNRANKED: Final = "Nothing is ranked: the run does not state whose weights a composite would have (weights_of)."

Difference = Callable[[str, str], pd.DataFrame]


def answer_of(
    summary: pd.DataFrame, protocols: Sequence[str], reference: str, difference: Difference, ranking: Sequence[str] = ()
) -> str:
    """Sentences with the better protocol by outcome, the difference and its uncertainty.

    Parameters
    ----------
    summary : DataFrame
    protocols : sequence of str
    reference : str
    difference : callable
        Returns the rows of differences between two protocols, the first minus the second.
    ranking : sequence of str, optional
        Sentences of a ranking by stated weights; without them nothing is ranked.
    """
    whole = summary[summary["subgroup"] == "all"].set_index(["outcome", "protocol"])
    if len(protocols) == 1:
        return _alone(whole, protocols[0])
    sentences = [*ranking]
    furthest = _furthest_of(whole, protocols)
    if furthest:
        others = [name for name in protocols if name != reference]
        sentences.append(_furthest(whole, furthest, reference if furthest != reference else others[0], difference))
    return " ".join([*sentences, *([] if ranking else [_UNRANKED])])


def _alone(whole: pd.DataFrame, protocol: str) -> str:
    """Sentence on the dose reduction of a single protocol."""
    if (DISTANCE, protocol) not in whole.index:
        return f"{protocol} is the only protocol: there is no comparison."
    row = whole.loc[(DISTANCE, protocol)]
    return f"{protocol} reduces the dose by {_with_interval(row, '{:.0f} %')}; no other protocol to compare it with."


def _furthest_of(whole: pd.DataFrame, protocols: Sequence[str]) -> str:
    """The protocol with the largest mean reduction of the dose; empty if the run does not report it."""
    means: dict[Any, float] = whole["mean"].to_dict()
    reported = [name for name in protocols if (DISTANCE, name) in means]
    return max(reported, key=lambda name: means[DISTANCE, name], default="")


def _with_interval(row: Any, form: str) -> str:
    if not _has_interval(row):
        return f"{form.format(row['mean'])} (no interval: {row['interval_reason']})"
    return f"{form.format(row['mean'])} (95 % interval {form.format(row['lo95'])} to {form.format(row['hi95'])})"


def _row(rows: pd.DataFrame, outcome: str) -> Any:
    of_outcome = rows[rows["outcome"] == outcome]
    return None if of_outcome.empty else of_outcome.iloc[0]


def _has_interval(row: Any) -> bool:
    """Whether enough people and events stand behind the number for an interval."""
    return not math.isnan(row["lo95"])


def _apart(row: Any) -> bool:
    """Whether the interval excludes no difference."""
    return bool(row["lo95"] > 0 or row["hi95"] < 0)


def _furthest(whole: pd.DataFrame, furthest: str, against: str, difference: Difference) -> str:
    sentence = f"{furthest} reduces the dose most, by {_with_interval(whole.loc[(DISTANCE, furthest)], '{:.0f} %')}"
    rows = difference(furthest, against)
    better: list[str] = []
    worse: list[str] = []
    open_: list[str] = []
    unknown: list[str] = []
    for name in BESIDE:
        row = _row(rows, name)
        if row is None:
            continue
        if not _has_interval(row):
            unknown.append(label_of(name))
            continue
        if not _apart(row):
            open_.append(label_of(name))
            continue
        form = "{:+.1f} in 100" if row["unit"] == "share of people" else "{:+.2f}"
        factor = 100.0 if row["unit"] == "share of people" else 1.0
        scaled = {key: factor * row[key] for key in ("mean", "lo95", "hi95")}
        (better if row["p_better"] > 0.5 else worse).append(f"{label_of(name)} {_with_interval(scaled, form)}")
    parts = [f"{word} in {', '.join(labels)}" for word, labels in (("better", better), ("worse", worse)) if labels]
    if open_:
        parts.append(f"not shown to differ in {', '.join(open_)}")
    if unknown:
        parts.append(f"too seldom affected to be judged in {', '.join(unknown)}")
    return f"{sentence}; against {against} it is {'; '.join(parts)}." if parts else f"{sentence}."
