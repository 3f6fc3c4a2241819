"""Who waits longer: subgroups of patients in words. Imports ``report.replicated``."""

from collections.abc import Iterator
from itertools import permutations
from typing import Final

import pandas as pd

from taper_sim.report.replicated import FEWEST_REPLICATIONS, few_sentence, replicated
from taper_sim.report.run_tables import rows_by

SERVICE_OF_GROUPS: Final = (
    ("late", "Late or lost, %", 100.0, 1),
    ("order_wait_days", "Days an order waits", 1.0, 1),
    ("visits_given", "Kept visits that took place, %", 100.0, 1),
)
"""Metrics by subgroup: name, label, factor, digits."""
_WORSE_HIGH: Final = {"late": True, "order_wait_days": True, "visits_given": False}
_PHRASES: Final = {
    "late": "have more work late or lost",
    "order_wait_days": "wait longer for a changed dose",
    "visits_given": "get fewer of the visits that they keep",
}
_NAMES: Final = {
    "language_match=no": "people who need an interpreter",
    "language_match=yes": "people who speak the team's language",
    "broadband=no": "people without broadband",
    "broadband=yes": "people with broadband",
    "transport=no": "people without transport",
    "transport=yes": "people with transport",
    "need=high": "people with high need",
    "need=low": "people without high need",
    "device=no": "people without a device",
    "device=yes": "people with a device",
}
ACCESS: Final = ("language_match", "broadband", "transport")
"""Attributes of access; the model has no attribute *rural*, and lack of broadband and transport stand for it."""


def group_name(group: str) -> str:
    """A subgroup in words: ``mood_disorder=no`` is *people without mood disorder*, ``age=18-44`` is *age 18-44*."""
    if group in _NAMES:
        return _NAMES[group]
    attribute, _, level = group.partition("=")
    name = attribute.replace("_", " ")
    has = {"yes": "with", "no": "without"}.get(level)
    return f"people {has} {name}" if has else f"{name} {level}" if level else group


def groups_sentences(service: pd.DataFrame, n: int) -> Iterator[str]:
    """Groups that wait longer than others of the same attribute, and attributes that the run does not report.

    A group waits longer if its interval over replications lies beyond the other's. This is stricter than a paired
    comparison, which the tables of a clinic run do not allow.

    Parameters
    ----------
    service : DataFrame
        Rows of ``service.csv`` by subgroup.
    n : int
        Replications of the run.
    """
    any_longer = False
    values = rows_by(service, "subgroup", "metric")
    groups = list(dict.fromkeys(service["subgroup"]))
    if groups and n < FEWEST_REPLICATIONS:
        yield few_sentence("who waits longer", n)
    for metric, _, factor, digits in SERVICE_OF_GROUPS:
        for first, second in permutations(groups, 2):
            if first.partition("=")[0] != second.partition("=")[0]:
                continue
            rows = [values.get((group, metric)) for group in (first, second)]
            known = [replicated(row, factor=factor) for row in rows if row is not None]
            if len(known) < 2:
                continue
            this, other = known
            if not (this.has_interval and other.has_interval):
                continue
            if this.low > other.high if _WORSE_HIGH[metric] else this.high < other.low:
                any_longer = True
                yield (
                    f"{group_name(first)[0].upper()}{group_name(first)[1:]} {_PHRASES[metric]}: "
                    f"{this.text(digits)} against {other.text(digits)} for {group_name(second)}."
                )
    if groups and n >= FEWEST_REPLICATIONS and not any_longer:
        yield "No group waits clearly longer than another: the intervals overlap."
    reported = {group.partition("=")[0] for group in groups}
    for attribute in ACCESS:
        levels = [group for group in groups if group.partition("=")[0] == attribute]
        name = group_name(f"{attribute}=no")
        if attribute not in reported:
            yield f"Not reported: {name}; add {attribute} to the scenario's subgroups."
        elif f"{attribute}=no" not in levels:
            yield f"Not reported: {name}; fewer than 11 of them in a replication."
    yield "The model has no attribute for a rural home: lack of broadband and of transport stand for it."
