"""The ladder's statistics: which knob, what it costs, how much of the gap personal pace closes. Imports ``loss``.

Policies are compared at the same share of people ever over the withdrawal limit: each has one knob, set on other people
than those on whom it is judged. Nothing here knows files or simulations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.comparison.loss import Loss
from taper_sim.comparison.statistics import tail_terms

RungRole = Literal["other", "personal", "oracle"]

REPLICATES: Final = 1000
"""Samples of people, drawn with replacement within each seed, from which intervals are read (Efron 1979)."""
_ENDS: Final = (0.025, 0.975)


@dataclass(frozen=True)
class PolicyResult:
    """One policy at one knob on some people.

    Attributes
    ----------
    figures : mapping of str to ndarray, (n,)
        As ``loss.person_figures``.
    seed_of : ndarray of int, (n,)
        Which cohort each person is of.
    """

    figures: Mapping[str, Floats]
    seed_of: Ints

    def share_over(self, limit: float) -> float:
        """Share of people whose withdrawal was ever over the limit."""
        return float(np.mean(self.figures["peak"] > limit))

    def of_person(self, loss: Loss) -> Floats:
        """Loss of each person, (n,)."""
        f = self.figures
        return loss.of_person(f["exposure"], f["pain"], f["function"], f["distress"])

    def columns(self, loss: Loss, limit: float) -> dict[str, float]:
        """Columns of the ladder's table."""
        f, own = self.figures, self.of_person(loss)
        return {
            "share_over": self.share_over(limit),
            "days_over": float(np.mean(f["days_over"])),
            "peak_cvar95": float(np.mean(tail_terms(f["peak"]))),
            "cvar95": float(np.mean(tail_terms(own))),
            "exposure": float(np.mean(f["exposure"])),
            "pain": float(np.mean(f["pain"])),
            "function": float(np.mean(f["function"])),
            "distress": float(np.mean(f["distress"])),
            "loss": float(np.mean(loss.terms(own))),
        }


def best_knob(tried: Sequence[PolicyResult], loss: Loss, limit: float, share_at_most: float) -> tuple[int, bool]:
    """Which knob has the least loss of those that keep the share, and whether any does; else the smallest share."""
    shares = np.array([one.share_over(limit) for one in tried])
    losses = np.array([one.columns(loss, limit)["loss"] for one in tried])
    keeps = shares <= share_at_most + 1e-12
    if keeps.any():
        return int(np.argmin(np.where(keeps, losses, np.inf))), True
    return int(np.argmin(shares)), False


def resampled(seed_of: Ints, seed: int, replicates: int = REPLICATES) -> Ints:
    """Rows of samples of people within each seed, (replicates, n), the same for every policy: luck is shared."""
    luck = np.random.default_rng(seed)
    places = np.empty((replicates, len(seed_of)), dtype=np.int64)
    for one in np.unique(seed_of):
        mine = np.flatnonzero(seed_of == one)
        places[:, mine] = mine[luck.integers(0, len(mine), (replicates, len(mine)))]
    return places


def losses_of(of_person: Floats, loss: Loss, places: Ints) -> Floats:
    """Loss of a policy on each sample of people, (replicates,)."""
    return np.array([float(np.mean(loss.terms(of_person[row]))) for row in places])


def interval(values: Floats) -> tuple[float, float]:
    """Its 95 % interval; missing where a value is."""
    if not np.isfinite(values).all():
        return float("nan"), float("nan")
    low, high = np.quantile(values, _ENDS)
    return float(low), float(high)


@dataclass(frozen=True)
class Gap:
    """How much of the way from the best policy that is not personal to the oracle a personal one goes.

    ``gap`` is (loss of the best other − personal) ÷ (best other − oracle); ``gain`` its numerator, ``room`` its
    denominator. Intervals are over samples of people; ``gap_low`` and ``gap_high`` are the least and greatest of a
    seed. Missing where the oracle is not better than the best other.
    """

    best_other: str
    gain: float
    gain_lo95: float
    gain_hi95: float
    room: float
    room_lo95: float
    room_hi95: float
    gap: float
    gap_lo95: float
    gap_hi95: float
    gap_low: float
    gap_high: float


def gap_of(
    personal: PolicyResult, others: Mapping[str, PolicyResult], oracle: PolicyResult, loss: Loss, seed: int
) -> Gap:
    """Gap of one personal policy; the best other is that of all people together."""
    own = {name: one.of_person(loss) for name, one in others.items()}
    best = min(own, key=lambda name: float(np.mean(loss.terms(own[name]))))
    three = (own[best], personal.of_person(loss), oracle.of_person(loss))
    places = resampled(personal.seed_of, seed)
    other, mine, known = (losses_of(one, loss, places) for one in three)
    whole = [float(np.mean(loss.terms(one))) for one in three]
    gain, room = whole[0] - whole[1], whole[0] - whole[2]
    of_seed = []
    for one in np.unique(personal.seed_of):
        a, b, c = (float(np.mean(loss.terms(x[personal.seed_of == one]))) for x in three)
        of_seed.append((a - b) / (a - c) if a > c else np.nan)
    shares = np.divide(other - mine, other - known, out=np.full(len(other), np.nan), where=other > known)
    known_all = bool(np.isfinite(of_seed).all())
    return Gap(
        best,
        gain,
        *interval(other - mine),
        room,
        *interval(other - known),
        gain / room if room > 0 else float("nan"),
        *interval(shares),
        float(min(of_seed)) if known_all else float("nan"),
        float(max(of_seed)) if known_all else float("nan"),
    )
