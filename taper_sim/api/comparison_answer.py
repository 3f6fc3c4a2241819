"""The answer of a comparison in sentences, with differences and intervals. Imports ``report.run_tables``."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import pandas as pd

from taper_sim.report.run_tables import label_of, outcome_of

RANKED_BY: Final = "composite"
DISTANCE: Final = "dose_reduction_pct"
#: Outcomes of the second sentence.
BESIDE: Final = ("withdrawal_peak", "pain_nrs_change", "function_change", "mental_health_crisis", "retained")

_UNRANKED: Final = "The composite of this run counts no crisis, overdose or death, so that nothing is ranked by it."

Difference = Callable[[str, str], pd.DataFrame]


def answer_of(
    summary: pd.DataFrame, protocols: Sequence[str], reference: str, difference: Difference, *, ranks: bool = True
) -> str:
    """Sentences with the better protocol by outcome, the difference and its uncertainty.

    Parameters
    ----------
    summary : DataFrame
    protocols : sequence of str
    reference : str
    difference : callable
        Returns the rows of differences between two protocols, the first minus the second.
    ranks : bool, optional
        Whether the composite counts crises, overdoses and deaths. If not, nothing is ranked by it.
    """
    whole = summary[summary["subgroup"] == "all"].set_index(["outcome", "protocol"])
    if len(protocols) == 1:
        return _alone(whole, protocols[0])
    sentences = []
    ranked = _ranked(whole, RANKED_BY, protocols)
    if len(ranked) > 1:
        sentences.append(_best(ranked, difference) if ranks else _UNRANKED)
    furthest = _ranked(whole, DISTANCE, protocols)
    if furthest:
        others = [name for name in (ranked if ranks else protocols) if name != reference]
        against = reference if furthest[0] != reference else others[0] if others else protocols[0]
        sentences.append(_furthest(whole, furthest[0], against, difference))
    return " ".join(sentences) or "No outcome of this run has a better direction."


def _alone(whole: pd.DataFrame, protocol: str) -> str:
    """Sentence on the dose reduction of a single protocol."""
    if (DISTANCE, protocol) not in whole.index:
        return f"{protocol} is the only protocol: there is no comparison."
    row = whole.loc[(DISTANCE, protocol)]
    return f"{protocol} reduces the dose by {_with_interval(row, '{:.0f} %')}; no other protocol to compare it with."


def _ranked(whole: pd.DataFrame, outcome: str, protocols: Sequence[str]) -> list[str]:
    """Protocols from best to worst mean."""
    ranked = [name for name in protocols if (outcome, name) in whole.index]
    definition = outcome_of(outcome)
    higher = definition is not None and definition.direction == "higher"
    return sorted(ranked, key=lambda name: float(whole["mean"].to_dict()[(outcome, name)]), reverse=higher)


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


def _best(ranked: Sequence[str], difference: Difference) -> str:
    best, second = ranked[:2]
    row = _row(difference(best, second), RANKED_BY)
    size = _with_interval(row, "{:+.2f}")
    what = "composite of pain, function, mood, medication, crises, overdoses and deaths"
    if not _has_interval(row):
        return f"No protocol is shown to be best: in the {what}, {best} and {second} differ by {size}."
    if not _apart(row):
        return (
            f"No protocol is shown to be best: in the {what}, {best} and {second} differ by {size} "
            f"important differences; the interval includes no difference."
        )
    important = outcome_of(RANKED_BY)
    small = important is not None and important.important is not None and abs(row["mean"]) < important.important
    return (
        f"{best} has the lowest {what}: {size} important differences against {second}, the next"
        f"{', a difference too small to matter' if small else ''} (better with probability {_chance(row['p_better'])})."
    )


def _chance(p: float) -> str:
    return "> 0.99" if p > 0.99 else "< 0.01" if p < 0.01 else f"{p:.2f}"


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
