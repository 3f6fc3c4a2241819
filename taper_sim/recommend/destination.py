"""Where to stop: chance that a patient is better off at a share of today's dose, and how soon that is known.

Imports ``ahead``, ``learning_ahead``, ``inference``, ``comparison``. Posterior draws are carried on at the ceiling's
pace to each share of today's dose. Each is compared with holding at the same draw, a year from now, or 12 weeks after
the dose is reached if that is later. Nothing here is an offer: options and their limits are those of ``options``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.comparison.loss import Loss
from taper_sim.comparison.preferences import VALUE_QUESTIONS, ValueJudgements
from taper_sim.data.drugs_taken import equivalents_of
from taper_sim.inference import course as at
from taper_sim.inference import rollout
from taper_sim.inference.draws import equal_draws
from taper_sim.inference.life_today import moments_today
from taper_sim.inference.posterior import Evidence, Posterior
from taper_sim.inference.record import PatientRecord, first_cut_of, reference_of, regimen_of
from taper_sim.model.parameters import BY_SYMBOL
from taper_sim.recommend.ahead import WAIT_D, DosePlan, PersonAhead, with_future_drift
from taper_sim.recommend.choice import values_of
from taper_sim.recommend.learning_ahead import (
    LifeNow,
    chance_settled,
    is_settled,
    share_learnt,
    told_apart,
    value_of_knowing,
    value_of_trial,
)
from taper_sim.recommend.options import Situation
from taper_sim.safety.limits import Limits
from taper_sim.units import DRUG_CLASSES, MONTH_D

DESTINATION_SHARES: Final = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Shares of today's dose that are compared; the first is today's dose itself. A design choice."""
TRIED: Final = 0.5
"""Share of today's dose at which 12 weeks are to tell. A design choice."""
TABLE_DRAWS: Final = 256
"""Posterior draws of the table: a chance has a Monte Carlo error of at most 0.03. A design choice."""
LOW_FULL_STOP: Final = 0.5
"""Worth of a full stop in the other set of values, where the patient stated none. Source: A93."""
METHOD: Final = (
    "posterior draws carried on at the ceiling's pace to each share of today's dose, compared with holding over the "
    f"last {rollout.END_D} days; no crisis, overdose or return to illicit use counts"
)


@dataclass(frozen=True)
class LifeAtShares:
    """What life is like at each share of today's dose, at each draw.

    Attributes
    ----------
    shares : tuple of float
        Of today's dose; the first is 1.
    days : tuple of int
        Day ahead at whose end each is compared with holding.
    figures, holding : tuple of ndarray, (n, N_FIGURES)
        Outcomes at each share, and of holding over the same days.
    column : int
        The class.
    now : float
        Today's share of the original dose.
    start : ndarray, (n, N_VALUES)
        Values of the draws.
    """

    shares: tuple[float, ...]
    days: tuple[int, ...]
    figures: tuple[Floats, ...]
    holding: tuple[Floats, ...]
    column: int
    now: float
    start: Floats

    def losses(self, loss: Loss) -> tuple[Floats, Floats]:
        """Loss at each share and of holding beside it, (n_shares, n) each."""
        at_share = [self._loss(f, loss, s) for f, s in zip(self.figures, self.shares, strict=True)]
        return np.array(at_share), np.array([self._loss(f, loss, 1.0) for f in self.holding])

    def _loss(self, f: Floats, loss: Loss, share: float) -> Floats:
        v = self.start
        return loss.of_person(
            np.full(len(f), self.now * share),
            f[:, rollout.PAIN_END] - v[:, at.P0],
            f[:, rollout.FUNCTION_END] - v[:, at.U0],
            f[:, rollout.DISTRESS_END] - v[:, at.M0],
            f[:, rollout.INSOMNIA_END] - v[:, at.I0],
        )


def life_at_shares(person: PersonAhead, column: int, now: float, pace_pct: float, outlook_d: int) -> LifeAtShares:
    """Carry a person on to each share of today's dose.

    Parameters
    ----------
    person : PersonAhead
        Its regimen reaches :func:`days_needed` days ahead.
    column : int
        Class whose dose falls.
    now : float
        Today's share of the original dose.
    pace_pct : float
        Percent of the original dose in 28 days.
    outlook_d : int
        Days ahead at which lives are compared, unless the dose is reached less than 12 weeks before.
    """
    days = tuple(max(outlook_d, _reached(now, share, pace_pct) + WAIT_D) for share in DESTINATION_SHARES)
    holding = {n: person.figures(np.full(n, now), column) for n in dict.fromkeys(days)}
    figures = []
    for share, n in zip(DESTINATION_SHARES, days, strict=True):
        path = DosePlan(pace_pct, share * now).shares(now, n, MONTH_D)
        figures.append(holding[n] if share == 1.0 else person.figures(path, column))
    return LifeAtShares(
        DESTINATION_SHARES, days, tuple(figures), tuple(holding[n] for n in days), column, now, person.values
    )


def _reached(now: float, share: float, pace_pct: float) -> int:
    """Days until a share of today's dose is reached."""
    return MONTH_D * int(np.ceil(round(now * (1.0 - share) / (pace_pct / 100.0), 6)))


def days_needed(now: float, pace_pct: float, outlook_d: int) -> int:
    """Days ahead that the table needs."""
    return max(outlook_d, _reached(now, 0.0, pace_pct) + WAIT_D)


@dataclass(frozen=True)
class Destination:
    """One share of today's dose, against today's dose, under one set of values.

    Attributes
    ----------
    dose_pct : float
        Percent of today's dose.
    day : int
        Day ahead for which it holds.
    better, mc_error : float
        Chance of being better off than at today's dose, and its Monte Carlo error. Never 0 or 1: the draws are few.
    gain, gain_lo90, gain_hi90 : float
        How much better, in important differences of the domain that weighs most: mean and 90 % interval.
    worse : float
        Chance of being worse off than today by more than the harm line.
    best : float
        Chance that it is the best of the shares.
    settled : bool
        Whether it is clear today: a chance above 0.8 or below 0.2.
    settled_after : float
        Expected chance that it is clear after 12 weeks at half of today's dose.
    """

    dose_pct: float
    day: int
    better: float
    mc_error: float
    gain: float
    gain_lo90: float
    gain_hi90: float
    worse: float
    best: float
    settled: bool
    settled_after: float


@dataclass(frozen=True)
class DestinationTable:
    """The question under one set of values.

    Attributes
    ----------
    name : str
    values : ValueJudgements
    rows : tuple of Destination
    least_loss_pct : float
        Percent of today's dose with the least expected loss, harm counted.
    worth_knowing, worth_trial : float
        Expected gain of choosing among the five doses after the answer is known for certain, and after the trial,
        above choosing now: important differences of the domain that weighs most.
    """

    name: str
    values: ValueJudgements
    rows: tuple[Destination, ...]
    least_loss_pct: float
    worth_knowing: float
    worth_trial: float

    def as_dict(self) -> dict[str, Any]:
        """The table as plain values."""
        rows = [{k: round(x, 4) if isinstance(x, float) else x for k, x in asdict(row).items()} for row in self.rows]
        return {
            "name": self.name,
            "values": asdict(self.values),
            "in_words": self.values.in_words(),
            "rows": rows,
            "least_loss_pct": self.least_loss_pct,
            "worth_knowing": round(self.worth_knowing, 4),
            "worth_trial": round(self.worth_trial, 4),
        }


def chance_of(happens: Floats) -> float:
    """Chance from equally likely draws, never 0 or 1: half a draw is added to each side."""
    return float((np.sum(happens) + 0.5) / (len(happens) + 1.0))


def table_of(name: str, values: ValueJudgements, life: LifeAtShares, reports: Floats) -> DestinationTable:
    """The table under one set of values.

    Parameters
    ----------
    name : str
    values : ValueJudgements
    life : LifeAtShares
        At equally likely draws.
    reports : ndarray, (n, n_reports)
        Expected reports to the end of the trial at each draw, in units of their noise, from ``told_apart``.
    """
    loss = Loss.of_values(values)
    at_share, holding = life.losses(loss)
    gains = (holding - at_share) / loss.one_difference
    best = np.argmin(at_share - holding, axis=0)
    learnt = [
        share_learnt(gain, reports) if share < 1.0 else 0.0 for gain, share in zip(gains, life.shares, strict=True)
    ]
    rows = []
    for k, (share, day) in enumerate(zip(life.shares, life.days, strict=True)):
        better = chance_of(gains[k] > 0.0) if share < 1.0 else 0.5
        low, high = np.quantile(gains[k], (0.05, 0.95))
        settled_after = chance_settled(gains[k], learnt[k]) if share < 1.0 else 0.0
        rows.append(
            Destination(
                100.0 * share,
                day,
                better,
                float(np.sqrt(better * (1.0 - better) / len(gains[k]))),
                float(gains[k].mean()),
                float(low),
                float(high),
                chance_of(gains[k] < -values.harm_line),
                chance_of(best == k),
                is_settled(better),
                settled_after,
            )
        )
    expected = [float(loss.decision_loss(x, today).mean()) for x, today in zip(at_share, holding, strict=True)]
    relative = [x - float(loss.decision_loss(today, today).mean()) for x, today in zip(expected, holding, strict=True)]
    least = 100.0 * life.shares[int(np.argmin(relative))]
    return DestinationTable(name, values, tuple(rows), least, value_of_knowing(gains), value_of_trial(gains, learnt))


def value_sets(limits: Limits) -> dict[str, ValueJudgements]:
    """At least two sets of values: the patient's and the default, or the default and one with a small full stop."""
    default = ValueJudgements()
    values = values_of(limits)
    if values != default:
        return {"as the patient stated": values, "by default": default}
    return {"by default": default, "a full stop counts less": replace(default, full_stop=LOW_FULL_STOP)}


def destinations_of(
    record: PatientRecord, situation: Situation, posterior: Posterior, evidence: Evidence, limits: Limits
) -> tuple[dict[str, Any], ...]:
    """The table for each class that a patient takes, as plain values for the answer.

    Parameters
    ----------
    record : PatientRecord
    situation : Situation
    posterior : Posterior
    evidence : Evidence
    limits : Limits
        With the patient's ``values``.
    """
    of_classes, sets = [], value_sets(limits)
    for drug_class in situation.classes:
        k, pace = DRUG_CLASSES.index(drug_class), situation.ceilings[drug_class].pct_per_28d
        original = situation.original_equivalents(drug_class)
        today = float(equivalents_of(situation.now)[k])
        if pace <= 0.0 or original <= 0.0 or today <= 0.0:
            continue
        person, life_now = person_today(record, situation, posterior, evidence, k, pace, sets)
        of_class = tables_of(person, life_now, k, today / original, pace, sets)
        shown = {"drug_class": drug_class, "dose_equivalents": round(today, 4), **of_class}
        of_classes.append({**shown, "questions": open_questions(limits)})
    return tuple(of_classes)


def open_questions(limits: Limits) -> list[dict[str, Any]]:
    """The question for each value that the patient has not stated, with the default that stands for the answer."""
    default, stated = asdict(ValueJudgements()), limits.values.stated()
    return [
        {"key": f"values.{key}", "question": question, "default": default[key]}
        for key, question in VALUE_QUESTIONS.items()
        if key not in stated
    ]


def tables_of(
    person: PersonAhead,
    life_now: LifeNow,
    column: int,
    now: float,
    pace_pct: float,
    sets: Mapping[str, ValueJudgements],
) -> dict[str, Any]:
    """The table of one class under each set of values, as plain values; ``now`` is a share of the original dose."""
    trial_d = _reached(now, TRIED, pace_pct) + WAIT_D
    trial = DosePlan(pace_pct, TRIED * now).shares(now, trial_d, MONTH_D)
    reports = told_apart(person, column, trial, life_now)
    lives: dict[int, LifeAtShares] = {}
    for values in sets.values():
        d = values.outlook_days
        lives[d] = lives.get(d) or life_at_shares(person, column, now, pace_pct, d)
    tables = [table_of(name, values, lives[values.outlook_days], reports) for name, values in sets.items()]
    return {
        "pace_pct_per_28d": pace_pct,
        "method": METHOD,
        "trial": {"dose_pct": 100.0 * TRIED, "days_there": WAIT_D, "days_until_known": trial_d},
        "sets": [table.as_dict() for table in tables],
    }


def person_today(
    record: PatientRecord,
    situation: Situation,
    posterior: Posterior,
    evidence: Evidence,
    column: int,
    pace_pct: float,
    sets: Mapping[str, ValueJudgements],
) -> tuple[PersonAhead, LifeNow]:
    """The person at :data:`TABLE_DRAWS` equally likely draws, in the order of the long-run benefit of a class."""
    values = posterior.values()
    order = np.argsort(values[:, at.B + column], kind="stable")
    draws = order[equal_draws(posterior.weights[order], TABLE_DRAWS)]
    values = with_future_drift(values[draws], posterior.prior.n_segments)
    to_today = evidence.regimen.until(record.n_days)
    moments = moments_today(values, evidence.shared, to_today, evidence.reports, first_cut_of(record))
    today, life_mean, life_covariance = moments.without_chance()
    now = equivalents_of(record.now)
    original = np.array([situation.original_equivalents(c) for c in DRUG_CLASSES])
    outlook = max(v.outlook_days for v in sets.values())
    person = PersonAhead(
        values,
        today,
        evidence.shared,
        regimen_of(record, (), days_needed(float(now[column] / original[column]), pace_pct, outlook)),
        record.n_days + 1,
        now,
        original,
        reference_of(record),
        BY_SYMBOL["xi_imposed"].centre() if record.imposed else 1.0,
    )
    return person, LifeNow(life_mean, life_covariance)
