"""Staffing targets in words. Imports ``scenario.staffing_schema``, ``comparison.outcomes``, ``report.wording``."""

from collections.abc import Mapping
from typing import Final

from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.report.wording import name_text, number_text, percent
from taper_sim.scenario.staffing_schema import Target

_LEAST_CHANCE: Final = 0.01
"""Smaller chances rest on a few of the surrogate's surfaces."""
_METRICS: Final[Mapping[str, tuple[str, str, int]]] = {
    "late": ("late or lost work", "%", 1),
    "lost": ("lost work", "%", 1),
    "wait_mean": ("mean wait", "h", 1),
    "wait_p90": ("90th percentile of the wait", "h", 1),
    "order_wait_days": ("wait of a patient's order", "days", 1),
    "checkins_unread_overnight": ("check-ins unread by night", "%", 1),
    "visits_given": ("kept visits that took place", "%", 1),
    "spike_alerts_dismissed": ("true spike alerts dismissed unread", "a patient", 2),
    "utilisation": ("utilisation", "%", 1),
    "overtime": ("overtime", "h a week", 1),
    "queue": ("mean number of waiting jobs", "", 1),
    "cost": ("cost", "USD a patient and 30 days", 0),
    "dose_reduction_pct": ("dose down", "%", 1),
    "withdrawal_peak": ("peak withdrawal", "of 1", 2),
    "days_over_limit": ("withdrawal over the limit", "days", 1),
    "composite": ("harm", "important differences", 3),
}
"""Label, unit and digits by metric. A metric in per cent is a share in tables."""


def target_words(target: Target) -> str:
    """A target in one line: *late or lost work of the nurse at most 10 %*."""
    label, unit, factor, _ = _shown(target.metric)
    ends = (("most", target.at_most), ("least", target.at_least))
    limit = next(f"at {end} {factor * value:,.10g} {unit}" for end, value in ends if value is not None)
    of = "" if target.role is None else f" of the {name_text(target.role)}"
    against = "" if target.against is None else ", minus that with unlimited staff,"
    return f"{label}{of}{against} {limit}".rstrip()


def value_words(target: Target, value: float) -> str:
    """A value of a target's metric in its unit."""
    _, unit, factor, digits = _shown(target.metric)
    return f"{number_text(factor * value, digits)} {unit}".rstrip()


def _shown(metric: str) -> tuple[str, str, float, int]:
    """Label, unit, factor and digits of a metric."""
    outcome = BY_NAME.get(metric)
    share = outcome is None or outcome.unit.startswith("share")
    label, unit, digits = _METRICS.get(metric) or (name_text(metric), "%" if share else BY_NAME[metric].unit, 2)
    return label, unit, 100.0 if share and unit == "%" else 1.0, digits


def chance_sentence(chance: float | None, minimise: str) -> str:
    """The stated chance that the search missed a better team."""
    better = "cheaper" if minimise == "cost" else "smaller"
    size = "below 1 %" if chance is None or chance < _LEAST_CHANCE else percent(chance)
    return (
        f"Chance, by the surrogate, that a {better} team meets the targets too, whatever its verdict: {size}. More "
        "replications lower it."
    )


def bound_sentence(most: int, confidence: float) -> str:
    """What a verdict is worth that a team has by its share of all its replications."""
    return (
        f"A team that this test leaves open after {most} replications is judged by its share of them; of each such "
        f"team alone the verdict is right with {percent(confidence)} confidence."
    )
