"""How much of the change that a person feels today is the taper, the reaction to it, life. Imports ``life_today``.

The change is today's pain and function as felt against their means over the reference days, before the first reduction.
In each posterior draw it is the sum of three parts (docs/inference.md, "Attribution"). How far the taper is to blame
rests on how much reductions do to people in the long run, and on how much life moves by itself, which nobody has
measured well: the shares are given under halved and doubled priors of the one against the other too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.inference import course as at
from taper_sim.inference.life_block import ORDER
from taper_sim.inference.life_today import Today, today_of
from taper_sim.inference.observation import with_rows
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of, weighted_interval90
from taper_sim.inference.prior import Prior

SHARED_OUTCOMES: Final = ("pain", "function")
CAUSES: Final = ("taper", "reaction", "life")
SPREADS: Final = (0.5, 2.0)
"""Factors on the spreads of ``beta`` and ``b``; the centre of ``life`` is divided by them. Source: A86: a range within
which nobody can say which is right."""
_RESTING: Final = ("beta_", "b_")
_MOVING: Final = "life"
_LEAST_DRAWS: Final = 200.0
"""Effective draws below which reweighting gives way to another posterior. A design choice."""
_MOST_DRAWS: Final = 1024
"""Draws of such a posterior: a standard error of 0.03. A design choice."""
_LIFE: Final = {"pain": ORDER.index("P"), "function": ORDER.index("U")}


@dataclass(frozen=True)
class PartOfChange:
    """One part of a change: posterior mean and 90 % interval, in the unit of the outcome."""

    mean: float
    lo90: float
    hi90: float


@dataclass(frozen=True)
class Attribution:
    """Parts of the change of one outcome since the reference.

    Attributes
    ----------
    outcome : str
        Of :data:`SHARED_OUTCOMES`: pain in NRS points, function in points of 0 to 100.
    change : PartOfChange
        Change as felt.
    parts : mapping of str to PartOfChange
        By name, of :data:`CAUSES`; they add up to the change.
    mostly_taper : float
        Probability that taper and reaction are more than half of the change.
    mostly_taper_under : mapping of float to float
        The same under each of :data:`SPREADS`.
    """

    outcome: str
    change: PartOfChange
    parts: Mapping[str, PartOfChange]
    mostly_taper: float
    mostly_taper_under: Mapping[float, float] = MappingProxyType({})

    @property
    def low(self) -> float:
        """Least probability that the taper is more than half of the change, over the priors tried."""
        return min(self.mostly_taper, *self.mostly_taper_under.values())

    @property
    def high(self) -> float:
        """Largest such probability."""
        return max(self.mostly_taper, *self.mostly_taper_under.values())

    @property
    def worse(self) -> float:
        """Mean change in the adverse direction: pain up or function down, in points; negative if it is better."""
        return self.change.mean if self.outcome == "pain" else -self.change.mean


def parts_of(outcome: str, values: Floats, today: Today, shared: object) -> Floats:
    """Parts of the change of an outcome at each draw, (n, 3), in the order of :data:`CAUSES`."""
    x, state, which = today.states[:, at.X], {"pain": at.P, "function": at.U}[outcome], SHARED_OUTCOMES.index(outcome)
    per_x = shared.pain_report_x if outcome == "pain" else -shared.function_report_x  # type: ignore[attr-defined]
    without_life = today.reference[:, which] - today.reference_life[:, which]
    taper = today.states[:, state] - without_life
    life = today.life[:, _LIFE[outcome]] - today.reference_life[:, which]
    return np.stack([taper, per_x * x, life], axis=1)


def attribution_of(evidence: Evidence, posterior: Posterior, first_cut: int | None, seed: int) -> list[Attribution]:
    """Attribution of pain and function as felt today: that of :func:`attributions_of` on the last day."""
    return attributions_of(evidence, posterior, first_cut, seed, (len(evidence.regimen.dose) - 1,))[0]


def attributions_of(
    evidence: Evidence, posterior: Posterior, first_cut: int | None, seed: int, days: Sequence[int]
) -> list[list[Attribution]]:
    """Attribution of pain and function as felt on some days of the record.

    Parameters
    ----------
    evidence : Evidence
        Of the whole record.
    posterior : Posterior
        Given the evidence.
    first_cut : int or None
        Day of the first reduction; without one the reference is the start of the record.
    seed : int
    days : sequence of int
        The values of the person come from the whole record, life on a day from the reports until then.

    Returns
    -------
    list of list of Attribution
        For each day, in the order of :data:`SHARED_OUTCOMES`.
    """
    others: dict[float, tuple[Evidence, Posterior]] = {}
    for factor in SPREADS:
        weights = _reweighted(posterior, factor)
        if weights is not None:
            others[factor] = evidence, replace(posterior, weights=weights)
        else:
            again = replace(evidence, prior=_under(posterior.prior, factor))
            n_draws = min(_power_of_two(len(posterior.weights)), _MOST_DRAWS)
            others[factor] = again, posterior_of(again, n_draws, seed)
    return [_on_day(evidence, posterior, others, first_cut, seed, day) for day in days]


def _on_day(
    evidence: Evidence,
    posterior: Posterior,
    others: Mapping[float, tuple[Evidence, Posterior]],
    first_cut: int | None,
    seed: int,
    day: int,
) -> list[Attribution]:
    """Attribution on one day, in the order of :data:`SHARED_OUTCOMES`."""
    central = _parts(_until(evidence, day), posterior, first_cut, seed)
    under = {
        factor: central if known is evidence else _parts(_until(known, day), other, first_cut, seed)
        for factor, (known, other) in others.items()
    }
    return [
        Attribution(
            outcome,
            _part(parts.sum(axis=1), posterior.weights),
            {name: _part(parts[:, k], posterior.weights) for k, name in enumerate(CAUSES)},
            _mostly_taper(parts, posterior.weights),
            {factor: _mostly_taper(under[factor][outcome], other.weights) for factor, (_, other) in others.items()},
        )
        for outcome, parts in central.items()
    ]


def _until(evidence: Evidence, day: int) -> Evidence:
    """Doses and reports up to a day."""
    reports, early = evidence.reports, evidence.reports.day <= day
    names = ("day", "slot", "y", "low", "high", "rounding", "interval")
    known = with_rows(reports, **{name: getattr(reports, name)[early] for name in names})
    return replace(evidence, regimen=evidence.regimen.until(day), reports=known)


_SHARES: Final = (
    (0.05, "one in twenty"),
    (0.1, "a tenth"),
    (1 / 6, "a sixth"),
    (0.25, "a quarter"),
    (1 / 3, "a third"),
    (0.4, "two fifths"),
    (0.5, "a half"),
    (0.6, "three fifths"),
    (2 / 3, "two thirds"),
    (0.75, "three quarters"),
    (5 / 6, "five sixths"),
    (0.9, "nine tenths"),
    (0.95, "nineteen in twenty"),
)
_VERY_LIKELY: Final = 0.9


def share_in_words(p: float) -> str:
    """A probability as the nearest simple fraction."""
    return min(_SHARES, key=lambda row: abs(row[0] - p))[1]


def range_in_words(low: float, high: float) -> str:
    """A range of probabilities in words: ``between a sixth and three fifths``; ``very likely`` where both ends are."""
    first, last = share_in_words(low), share_in_words(high)
    if first == last:
        return (
            "very likely" if low > _VERY_LIKELY else "very unlikely" if high < 1.0 - _VERY_LIKELY else f"about {last}"
        )
    return f"between {first} and {last}"


def _parts(evidence: Evidence, posterior: Posterior, first_cut: int | None, seed: int) -> dict[str, Floats]:
    values = posterior.values()
    today = today_of(values, evidence.shared, evidence.regimen, evidence.reports, first_cut, seed)
    return {outcome: parts_of(outcome, values, today, evidence.shared) for outcome in SHARED_OUTCOMES}


def _part(x: Floats, weights: Floats) -> PartOfChange:
    low, high = weighted_interval90(x, weights)
    return PartOfChange(float(weights @ x), low, high)


def _mostly_taper(parts: Floats, weights: Floats) -> float:
    """Probability that the first two parts have the sign of the change and are more than half of it."""
    change, taper = parts.sum(axis=1), parts[:, 0] + parts[:, 1]
    return float(weights @ (taper * np.sign(change) > 0.5 * np.abs(change)))


def _under(prior: Prior, factor: float) -> Prior:
    """The prior with other spreads of the lasting response and the benefit, and life the less."""
    spreads = np.array([factor if name.startswith(_RESTING) else 1.0 for name in prior.names])
    less = np.array([np.log(factor) if name == _MOVING else 0.0 for name in prior.names])
    return replace(prior, mean=prior.mean - less, sd=prior.sd * spreads)


def _reweighted(posterior: Posterior, factor: float) -> Floats | None:
    """Weights of the draws under the prior of :func:`_under`; None if too few are left.

    A value is its centre plus its spread times a function of a normal z. Under another prior the same value belongs to
    another normal, and the weight changes by the ratio of the two densities of the value.
    """
    log_ratio = np.zeros(len(posterior.z))
    for k, name in enumerate(posterior.prior.names):
        if name.startswith(_RESTING):
            z = posterior.z[:, k]
            if posterior.prior.scale[k] == "heavy":
                other = np.arcsinh(np.sinh(z) / factor)
                slope = np.log(np.cosh(z)) - np.log(np.cosh(other)) - np.log(factor)
            else:
                other, slope = z / factor, np.full(len(z), -np.log(factor))
            log_ratio += 0.5 * (z**2 - other**2) + slope
        elif name == _MOVING:
            z = posterior.z[:, k]
            log_ratio += 0.5 * (z**2 - (z + np.log(factor) / posterior.prior.sd[k]) ** 2)
    with np.errstate(divide="ignore"):
        log_weights = np.log(posterior.weights) + log_ratio
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    return weights if 1.0 / float((weights**2).sum()) >= _LEAST_DRAWS else None


def _power_of_two(n: int) -> int:
    """Largest power of two up to ``n``."""
    return 1 << (n.bit_length() - 1)
