"""Which rating to ask for after a cut, and what it would change. Imports ``inference``, ``safety.felt_cuts``, ``data``.

A clinician's rating of withdrawal tells a withdrawal from a reaction or another cause, which the person's own reports
cannot (assumption A85). What it would change is computed: a low and a high rating are added to the record, and the
option is chosen again. If no choice is open today, it is stated by rule.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.data.records import CheckIn, History
from taper_sim.inference.draws import equal_draws
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of
from taper_sim.inference.record import PatientRecord
from taper_sim.safety.felt_cuts import AFTER_D, FeltCut
from taper_sim.safety.validity import variable_rows
from taper_sim.units import DrugClass

_BY_CLASS: Final[Mapping[DrugClass, tuple[str, str]]] = {
    "opioid": ("cows", "COWS"),
    "benzodiazepine": ("bwsq", "BWSQ"),
    "gabapentinoid": ("clinician_rating", "a clinician's look"),
}
"""Rating of a class's withdrawal and its name. The model reads no rating of withdrawal from gabapentinoids."""
RATINGS_TRIED: Final[Mapping[str, tuple[float, float]]] = {"cows": (2.0, 12.0), "bwsq": (2.0, 19.0)}
"""A low and a high rating, below the bands that raise a flag of their own. Source: A85."""
_FLAGGED: Final = {"cows": "13 or more", "bwsq": "20 or more"}
"""Ratings that bar every reduction the same day, by opioid_withdrawal_moderate and bzd_withdrawal_moderate."""
_DRAWS: Final = 512
"""Draws of each posterior, a power of two. A design choice."""
_LOOK: Final = (
    "(for the clinician) what does the person look like: sweat, tremor, gait, restlessness, pupils; is it withdrawal?"
)


@dataclass(frozen=True)
class RatingAsked:
    """A rating to ask for.

    Attributes
    ----------
    cut : FeltCut
        The cut after which it is asked.
    instrument : str
    name : str
    choices : mapping of float to str
        Option chosen today under each rating tried; empty if no choice is open.
    chosen : str
        Option chosen without it, over the same draws.
    """

    cut: FeltCut
    instrument: str
    name: str
    choices: Mapping[float, str] = field(default_factory=dict)
    chosen: str = ""

    @property
    def would_change(self) -> str:
        """What a high and a low rating would change, and whether that is computed or by rule."""
        flagged = _FLAGGED.get(self.instrument)
        if self.choices:
            under = [
                f"{self.name} {score:g}: {'no change' if choice == self.chosen else choice}"
                for score, choice in sorted(self.choices.items())
            ]
            return f"computed by adding it to the record: {'; '.join(under)}; by rule, {flagged}: no reduction that day"
        high = f"{flagged} bars reductions that day and speaks" if flagged else "signs bar the next step and speak"
        return (
            f"by rule: {high} for withdrawal (smaller steps, further apart); "
            f"{'a low one speaks' if flagged else 'none speak'} for another cause"
        )

    def shown(self) -> dict[str, str]:
        """The question as a row of ``questions``."""
        rows = variable_rows()
        question = rows[self.instrument]["question"] if self.instrument in rows else _LOOK
        return {
            "variable": self.instrument,
            "question": f"{self.name} now, and in the week after each cut: {question}",
            "flag": "rating_after_cut",
            "needed_before_reduction": "no",
            "would_change": self.would_change,
        }


def rating_asked(history: History, cuts: Sequence[FeltCut], as_of: date) -> RatingAsked | None:
    """Rating to ask for: after the latest cut of the last 14 days or that broke a limit, if nobody rated it then."""
    for cut in reversed(cuts):
        if not (cut.broke or (as_of - cut.day).days < AFTER_D):
            continue
        instrument, name = _BY_CLASS[cut.drug_class]
        rated = [c for c in history.checkins if c.instrument == instrument and 0 <= (c.day - cut.day).days < AFTER_D]
        return None if rated else RatingAsked(cut, instrument, name)
    return None


def with_choices(
    asked: RatingAsked,
    record: PatientRecord,
    evidence_for: Callable[[PatientRecord], Evidence],
    posterior: Posterior,
    chooser: Callable[[Posterior], Callable[[Floats], str]],
    seed: int,
) -> RatingAsked:
    """The rating with what would be chosen today under a low and a high one.

    Parameters
    ----------
    asked : RatingAsked
    record : PatientRecord
    evidence_for : callable
        Evidence of a record.
    posterior : Posterior
        Given the record without a rating.
    chooser : callable
        As in ``value_of_information.value_of_next_week``.
    seed : int
    """
    if asked.instrument not in RATINGS_TRIED:
        return asked

    def rated(score: float) -> Evidence:
        rating = CheckIn(record.as_of, asked.instrument, score)
        return evidence_for(
            replace(record, history=replace(record.history, checkins=(*record.history.checkins, rating)))
        )

    subset = replace(
        posterior, z=posterior.z[equal_draws(posterior.weights, _DRAWS)], weights=np.full(_DRAWS, 1.0 / _DRAWS)
    )
    choices = {}
    for score in RATINGS_TRIED[asked.instrument]:
        with_score = posterior_of(rated(score), _DRAWS, seed)
        choices[score] = chooser(with_score)(with_score.weights)
    return replace(asked, choices=choices, chosen=chooser(subset)(subset.weights))
