"""Summary and paired differences from one number per patient. Imports ``outcomes``, ``statistics``, ``cohort``."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.comparison.outcomes import ALL, BY_NAME, Outcome
from taper_sim.comparison.statistics import ENDS_95, mixture_quantiles, over_draws, spread_quantiles, tail_terms
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
)

_DOSE_BANDS = ((0.0, 50.0, "<50"), (50.0, 90.0, "50-89"), (90.0, np.inf, ">=90"))
_AGE_BANDS = ((0.0, 45.0, "<45"), (45.0, 65.0, "45-64"), (65.0, np.inf, ">=65"))

#: Names that a scenario may list under ``subgroups`` in addition to the flags of the cohort.
DERIVED_SUBGROUPS = ("dose", "age", "drug_classes", "failed_tapers", "formulation")
SMALLEST_CELL = 11
"""Patients; every table of subgroups, figure and report hides a cell of fewer."""


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


def _terms(outcome: Outcome, values: Floats) -> Iterator[tuple[str, Floats]]:
    """The outcome, and the mean of its worst 5 % if the outcome defines a tail."""
    yield outcome.name, values
    if outcome.tail and len(values):
        yield f"{outcome.name}_cvar95", tail_terms(values)


def summary_rows(
    protocol: str, outcomes: Sequence[Outcome], read: Mapping[str, Floats], draw: Ints, groups: Groups, calibrated: bool
) -> Iterator[dict[str, object]]:
    """Rows of summary.csv for one protocol."""
    values = np.array([read[outcome.name] for outcome in outcomes])
    spreads = {group: spread_quantiles(values[:, mask], (0.05, 0.5, 0.95)) for group, mask in groups.items()}
    cells = []
    for k, outcome in enumerate(outcomes):
        present = ~np.isnan(values[k])
        for group, mask in groups.items():
            who = present & mask
            present_values, draws = values[k, who], draw[who]
            if len(present_values) == 0:
                continue
            sd = float(present_values.std(ddof=1)) if len(present_values) > 1 else 0.0
            for name, terms in _terms(outcome, present_values):
                cells.append((outcome, name, group, sd, spreads[group][:, k], over_draws(terms, draws)))
    ends = mixture_quantiles([cell[-1] for cell in cells], ENDS_95)
    for (outcome, name, group, sd, spread, estimate), (lo95, hi95) in zip(cells, ends.tolist(), strict=True):
        if outcome.unit == "share of people":
            lo95, hi95 = max(lo95, 0.0), min(hi95, 1.0)
        row = (
            protocol,
            name,
            group,
            estimate.n,
            estimate.mean,
            sd,
            *spread,
            lo95,
            hi95,
            estimate.mc_se,
            len(estimate.weights),
            calibrated,
            outcome.unit,
            outcome.direction,
        )
        yield dict(zip(SUMMARY_COLUMNS, row, strict=True))


def difference_rows(
    protocol: str,
    reference: str,
    outcomes: Sequence[Outcome],
    read: Mapping[str, Mapping[str, Floats]],
    draw: Ints,
    groups: Groups,
) -> Iterator[dict[str, object]]:
    """Rows of differences.csv: protocol minus reference, paired by patient."""
    cells = []
    for outcome in outcomes:
        values, reference_values = read[protocol][outcome.name], read[reference][outcome.name]
        present = ~np.isnan(values) & ~np.isnan(reference_values)
        sign = {"lower": -1.0, "higher": 1.0, "neither": 0.0}[outcome.direction]
        important = outcome.important if outcome.important is not None else 0.0
        for group, mask in groups.items():
            who = present & mask
            if not who.any():
                continue
            gain = sign * (values[who] - reference_values[who])
            shares = (float(np.mean(gain > important)), float(np.mean(gain < -important)))
            for (name, a), (_, b) in zip(
                _terms(outcome, values[who]), _terms(outcome, reference_values[who]), strict=True
            ):
                is_outcome = name == outcome.name and outcome.direction != "neither"
                shares_of_patients = shares if is_outcome else (np.nan, np.nan)
                cells.append((outcome, name, group, shares_of_patients, over_draws(a - b, draw[who])))
    ends = mixture_quantiles([cell[-1] for cell in cells], ENDS_95)
    for (outcome, name, group, shares_of_patients, estimate), (lo95, hi95) in zip(cells, ends.tolist(), strict=True):
        above = 1.0 - estimate.chance_below(0.0)
        p_better = {"lower": 1.0 - above, "higher": above, "neither": np.nan}[outcome.direction]
        row = (
            protocol,
            reference,
            name,
            group,
            estimate.mean,
            lo95,
            hi95,
            p_better,
            *shares_of_patients,
            estimate.mc_se,
            estimate.n,
            outcome.unit,
            outcome.direction,
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
        One number per patient, NaN where missing; patients in the same order for every protocol.
    draw : ndarray of int, (n,)
        Draw of each patient.
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
