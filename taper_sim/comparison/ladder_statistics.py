"""Statistics of the ladder: tuning, expected loss, share of the gap to the oracle closed. Imports ``loss``.

Policies are compared at the same share of patients who ever exceed the withdrawal limit. Each policy has one tuning
value (knob). It is tuned on one set of patients and evaluated on another. The module reads no file and runs no
simulation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from taper_sim.array_types import Floats, Ints
from taper_sim.comparison.loss import Loss
from taper_sim.comparison.statistics import ENDS_95, tail_terms

RungRole = Literal["other", "personal", "bound", "oracle"]
"""``bound``: a personal policy that is given what no clinic has; it is compared, and never an answer."""

END_BINS: Final = (1e-9, 0.4, 0.7)
"""Shares of the original dose between the places where people end: 0, below 0.4, below 0.7, more. A design choice."""
END_NAMES: Final = ("0 %", "under 40 %", "40 to 70 %", "70 % and more")
"""Places where people end."""
BOOTSTRAP_RESAMPLES: Final = 1000
"""Bootstrap resamples of patients, within each seed, for 95 % intervals (Efron 1979)."""


@dataclass(frozen=True)
class PolicyResult:
    """Outcomes of one policy at one knob in a set of patients.

    Attributes
    ----------
    figures : mapping of str to ndarray, (n,)
        As ``loss.person_figures``.
    seed_of : ndarray of int, (n,)
        Seed of the cohort that each patient belongs to.
    """

    figures: Mapping[str, Floats]
    seed_of: Ints

    def share_over(self, limit: float) -> float:
        """Share of patients whose withdrawal ever exceeded the limit."""
        return float(np.mean(self.figures["peak"] > limit))

    def of_person(self, loss: Loss) -> Floats:
        """Loss of each patient, (n,)."""
        f = self.figures
        return loss.of_person(f["exposure"], f["pain"], f["function"], f["distress"])

    def columns(self, loss: Loss, limit: float) -> dict[str, float]:
        """Columns of the ladder's table, by name."""
        f, losses = self.figures, self.of_person(loss)
        return {
            "share_over": self.share_over(limit),
            "days_over": float(np.mean(f["days_over"])),
            "peak_cvar95": float(np.mean(tail_terms(f["peak"]))),
            "cvar95": float(np.mean(tail_terms(losses))),
            "exposure": float(np.mean(f["exposure"])),
            "pain": float(np.mean(f["pain"])),
            "function": float(np.mean(f["function"])),
            "distress": float(np.mean(f["distress"])),
            "loss": float(np.mean(loss.terms(losses))),
        }


def best_knob(tried: Sequence[PolicyResult], loss: Loss, limit: float, share_at_most: float) -> tuple[int, bool]:
    """Choose a knob by constrained minimisation of the loss.

    Returns
    -------
    knob : int
        Index of the knob with the least loss among those whose share of patients over ``limit`` is at most
        ``share_at_most``. If no knob meets the constraint: index of the knob with the smallest share.
    met : bool
        Whether any knob meets the constraint.
    """
    shares = np.array([result.share_over(limit) for result in tried])
    losses = np.array([result.columns(loss, limit)["loss"] for result in tried])
    keeps = shares <= share_at_most + 1e-12
    if keeps.any():
        return int(np.argmin(np.where(keeps, losses, np.inf))), True
    return int(np.argmin(shares)), False


def resampled(seed_of: Ints, seed: int, replicates: int = BOOTSTRAP_RESAMPLES) -> Ints:
    """Row indices of bootstrap resamples of patients within each seed, (replicates, n), the same for every policy."""
    rng = np.random.default_rng(seed)
    places = np.empty((replicates, len(seed_of)), dtype=np.int64)
    for cohort_seed in np.unique(seed_of):
        members = np.flatnonzero(seed_of == cohort_seed)
        places[:, members] = members[rng.integers(0, len(members), (replicates, len(members)))]
    return places


def losses_of(of_person: Floats, loss: Loss, places: Ints) -> Floats:
    """Loss of a policy on each bootstrap resample, (replicates,)."""
    return np.asarray(loss.terms(of_person[places]).mean(axis=-1))


def bootstrap_interval(values: Floats) -> tuple[float, float]:
    """Percentile 95 % interval of bootstrap values; NaN if a value is missing."""
    if not np.isfinite(values).all():
        return float("nan"), float("nan")
    low, high = np.quantile(values, ENDS_95)
    return float(low), float(high)


def ends_against(policy: PolicyResult, oracle: PolicyResult) -> dict[tuple[str, str], int]:
    """People by where the oracle and a policy end with them, as shares of the original dose; the dead are left out."""
    of_oracle, ends = (np.asarray(result.figures["end_share"]) for result in (oracle, policy))
    alive = np.isfinite(of_oracle) & np.isfinite(ends)
    bins = [np.searchsorted(END_BINS, share[alive], side="right") for share in (of_oracle, ends)]
    return {
        (first, second): int(((bins[0] == i) & (bins[1] == j)).sum())
        for i, first in enumerate(END_NAMES)
        for j, second in enumerate(END_NAMES)
    }


def hindsight_room(others: Mapping[str, PolicyResult], oracle: PolicyResult, loss: Loss) -> float:
    """Loss of the best other policy less that of the best course of each person, chosen after the event.

    The courses are those of the other policies and of the oracle. No policy that chooses between them can gain more:
    the oracle itself plans ahead and does not know what chance will bring.
    """
    of_others = [result.of_person(loss) for result in others.values()]
    best = min(float(np.mean(loss.terms(of_person))) for of_person in of_others)
    return best - float(np.mean(loss.terms(np.min([*of_others, oracle.of_person(loss)], axis=0))))


@dataclass(frozen=True)
class Gap:
    """Share of the gap between the best non-personalised policy and the oracle that a personalised policy closes.

    ``gap`` is (loss of the best other − personal) ÷ (best other − oracle). ``gain`` is its numerator, ``room`` its
    denominator. Intervals are over bootstrap resamples of patients. ``gap_low`` and ``gap_high`` are the smallest and
    largest value of a single seed. A value is NaN if the oracle is not better than the best other policy.
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
    """Gap closed by one personalised policy; the best other policy is chosen on all patients together."""
    of_others = {name: result.of_person(loss) for name, result in others.items()}
    best = min(of_others, key=lambda name: float(np.mean(loss.terms(of_others[name]))))
    losses = (of_others[best], personal.of_person(loss), oracle.of_person(loss))
    places = resampled(personal.seed_of, seed)
    best_other, personalised, best_possible = (losses_of(of_person, loss, places) for of_person in losses)
    means = [float(np.mean(loss.terms(of_person))) for of_person in losses]
    gain, room = means[0] - means[1], means[0] - means[2]
    gap_of_seed = []
    for cohort_seed in np.unique(personal.seed_of):
        a, b, c = (float(np.mean(loss.terms(of_person[personal.seed_of == cohort_seed]))) for of_person in losses)
        gap_of_seed.append((a - b) / (a - c) if a > c else np.nan)
    gains, rooms = best_other - personalised, best_other - best_possible
    shares = np.divide(gains, rooms, out=np.full(len(gains), np.nan), where=best_other > best_possible)
    in_every_seed = bool(np.isfinite(gap_of_seed).all())
    return Gap(
        best,
        gain,
        *bootstrap_interval(gains),
        room,
        *bootstrap_interval(rooms),
        gain / room if room > 0 else float("nan"),
        *bootstrap_interval(shares),
        float(min(gap_of_seed)) if in_every_seed else float("nan"),
        float(max(gap_of_seed)) if in_every_seed else float("nan"),
    )
