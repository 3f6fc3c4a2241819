"""Statistics of published studies from arrays of people, as the papers computed them. Imports ``study_measures``.

A share, a rate or a mean is the sum of ``top`` over the sum of ``base``; people with ``base`` 0 are not counted. Two
arms hold the same people, or those whom a filter keeps; ratios are crude.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.evidence.study_measures import Measured

HALF_AN_EVENT: Final = 0.5
"""Added to the events of both arms where one has none. Source: Haldane 1956, Anscombe 1956."""
_NEWTON_STEPS: Final = 60


def quotient(people: Measured) -> float:
    """Sum of ``top`` over sum of ``base``: a share, a rate or a mean; NaN without people."""
    base = people.base.sum()
    return float(people.top.sum() / base) if base > 0 else float("nan")


def rate(people: Measured) -> float:
    """Events per 100 person-years; half an event where there is none, so that its logarithm is finite."""
    time = float(people.base.sum())
    return (float(people.top.sum()) or HALF_AN_EVENT) / time if time > 0 else float("nan")


def odds_ratio(arm: Measured, reference: Measured) -> float:
    """Odds of the outcome in the arm over those in the reference."""
    with_1, without_1, with_0, without_0 = _table(arm, reference)
    return float((with_1 * without_0) / (without_1 * with_0)) if without_1 * with_0 > 0 else float("nan")


def risk_ratio(arm: Measured, reference: Measured) -> float:
    """Share in the arm over share in the reference."""
    with_1, without_1, with_0, without_0 = _table(arm, reference)
    n_1, n_0 = with_1 + without_1, with_0 + without_0
    return float((with_1 / n_1) / (with_0 / n_0)) if n_1 > 0 and n_0 > 0 and with_0 > 0 else float("nan")


def _table(arm: Measured, reference: Measured) -> tuple[float, float, float, float]:
    """With and without the outcome, in the arm and in the reference; half a person in each cell if one is empty."""
    cells = []
    for people in (arm, reference):
        with_it = float(people.top.sum())
        cells += [with_it, float(people.base.sum()) - with_it]
    if cells[0] + cells[1] <= 0 or cells[2] + cells[3] <= 0:
        return 0.0, 0.0, 0.0, 0.0
    more = HALF_AN_EVENT if min(cells) <= 0 else 0.0
    return cells[0] + more, cells[1] + more, cells[2] + more, cells[3] + more


def risk_difference(arm: Measured, reference: Measured) -> float:
    """Share in the arm minus share in the reference; also a difference of means."""
    return quotient(arm) - quotient(reference)


def rate_ratio(arm: Measured, reference: Measured) -> float:
    """Events per person-time in the arm over those in the reference."""
    events_1, events_0 = float(arm.top.sum()), float(reference.top.sum())
    time_1, time_0 = float(arm.base.sum()), float(reference.base.sum())
    if time_1 <= 0 or time_0 <= 0:
        return float("nan")
    more = HALF_AN_EVENT if min(events_1, events_0) <= 0 else 0.0
    return ((events_1 + more) / time_1) / ((events_0 + more) / time_0)


def hazard_ratio(arm: Measured, reference: Measured) -> float:
    """Cox regression with the arm as its one covariate; ties within an interval as Breslow.

    Equation: the root of ``sum_j d1_j - d_j r1_j e^b / (r1_j e^b + r0_j)``, with d first events and r people at risk in
    interval j.
    """
    d1, d0 = arm.top.sum(axis=0), reference.top.sum(axis=0)
    r1, r0 = arm.base.sum(axis=0), reference.base.sum(axis=0)
    if r1.sum() <= 0 or r0.sum() <= 0:
        return float("nan")
    if min(d1.sum(), d0.sum()) <= 0:
        d1, d0 = d1 + HALF_AN_EVENT / len(d1), d0 + HALF_AN_EVENT / len(d0)
    b = np.log((d1.sum() / r1.sum()) / (d0.sum() / r0.sum()))
    events = d1 + d0
    at_risk = (r1 > 0) & (r0 > 0)
    for _ in range(_NEWTON_STEPS):
        share = (r1 * np.exp(b))[at_risk] / (r1 * np.exp(b) + r0)[at_risk]
        slope = (events[at_risk] * share * (1.0 - share)).sum()
        if slope <= 0:
            break
        step = float((d1[at_risk] - events[at_risk] * share).sum() / slope)
        b += float(np.clip(step, -1.0, 1.0))
        if abs(step) < 1e-10:
            break
    return float(np.exp(b))


def median(people: Measured) -> float:
    """Median of the people who are counted."""
    values = people.top[people.base > 0]
    return float(np.median(values)) if len(values) else float("nan")


def geometric_mean(people: Measured) -> float:
    """Geometric mean of the people who are counted; NaN if a value is not above 0."""
    values = people.top[people.base > 0]
    return float(np.exp(np.log(values).mean())) if len(values) and (values > 0).all() else float("nan")


def geometric_mean_ratio(arm: Measured, reference: Measured) -> float:
    """Geometric mean in the arm over that in the reference."""
    return geometric_mean(arm) / geometric_mean(reference)


def standardised_mean_difference(arm: Measured, reference: Measured) -> float:
    """Difference of means over the pooled sd of both arms (Cohen's d)."""
    first, second = arm.top[arm.base > 0], reference.top[reference.base > 0]
    if len(first) < 2 or len(second) < 2:
        return float("nan")
    squares = (len(first) - 1) * first.var(ddof=1) + (len(second) - 1) * second.var(ddof=1)
    sd = float(np.sqrt(squares / (len(first) + len(second) - 2)))
    return float(first.mean() - second.mean()) / sd if sd > 0 else float("nan")


ONE_ARM: Final[Mapping[str, Callable[[Measured], float]]] = {
    "proportion": quotient,
    "rate_per_100py": rate,
    "mean": quotient,
    "mean_change": quotient,
    "median": median,
    "geometric_mean": geometric_mean,
}
TWO_ARMS: Final[Mapping[str, Callable[[Measured, Measured], float]]] = {
    "odds_ratio": odds_ratio,
    "risk_ratio": risk_ratio,
    "risk_difference": risk_difference,
    "rate_ratio": rate_ratio,
    "hazard_ratio": hazard_ratio,
    "mean_difference": risk_difference,
    "geometric_mean_ratio": geometric_mean_ratio,
    "standardised_mean_difference": standardised_mean_difference,
}


def statistic_of(name: str, arm: Measured, reference: Measured | None) -> float:
    """A statistic by its name; a statistic of one arm takes no reference."""
    if reference is None:
        return ONE_ARM[name](arm)
    return TWO_ARMS[name](arm, reference)


def bounded_share(share: Floats, n: Floats) -> Floats:
    """Shares within half a person of 0 and 1, so that their log odds are finite."""
    least = HALF_AN_EVENT / (np.maximum(n, 1.0) + 1.0)
    return np.clip(share, least, 1.0 - least)
