"""Chance that the next cut hurts again, for this person. Imports ``inference``, ``safety.felt_cuts``, ``options``.

Two sources are combined (assumption A83). The roll-out over the posterior gives the chance of two bad weeks from any
cause, with and without the cut. The person's own past cuts give how often a cut hurt; a cut of another size counts
less. A cut never comes out better than holding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from scipy.stats import beta

from taper_sim.array_types import Floats
from taper_sim.data.drugs_taken import equivalents_of
from taper_sim.inference import rollout
from taper_sim.inference.draws import equal_draws
from taper_sim.inference.event_columns import N_EVENTS
from taper_sim.inference.life_today import today_of
from taper_sim.inference.posterior import Evidence, Posterior
from taper_sim.inference.record import PatientRecord, reference_of, regimen_of
from taper_sim.recommend.options import Option, Situation
from taper_sim.safety.felt_cuts import AFTER_D, PAUSE_D, FeltCut
from taper_sim.safety.limits import Limits
from taper_sim.units import DRUG_CLASSES, TOLERANCE

MODEL_COUNTS: Final = 1.0
"""Past cuts that the model's own chance counts as. Source: A83."""
MODEL_SUREST: Final = 0.9
"""Largest chance that a cut itself hurts that is taken from the model. Source: A83."""
MORE_LIKELY_THAN_NOT: Final = 0.5
"""Chance of being hurt above which no reduction is chosen; it is still offered. Source: A84."""
_DRAWS: Final = 512
"""Equally likely draws that are rolled out: a standard error of at most 0.022. A design choice."""
_Z90: Final = 1.6448536269514722
_NO_EVENTS: Final = np.zeros((0, N_EVENTS))


@dataclass(frozen=True)
class Hurt:
    """Chance of two weeks over a limit on what is felt, from any cause.

    Attributes
    ----------
    p, low, high : float
        Chance and 90 % interval.
    n_past, n_hurt : int
        Past cuts of the class with enough reports, and those that broke a limit.
    """

    p: float
    low: float
    high: float
    n_past: int = 0
    n_hurt: int = 0


def usual_until(cuts: Sequence[FeltCut], as_of: date) -> date | None:
    """Day of the earliest cut that broke a limit and has not passed: the usual level is that before it.

    None if nothing of the kind lasts; the last 14 days are then usual.
    """
    days = [cut.day for cut in cuts if cut.broke and (cut.still or (as_of - cut.day).days < PAUSE_D)]
    return min(days, default=None)


def with_past(model: float, of_life: float, size: float, cuts: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """Beta parameters of the chance that a cut itself hurts, given what past cuts did (A83).

    Parameters
    ----------
    model : float
        The model's chance of two bad weeks after the cut, from any cause.
    of_life : float
        The same while holding: life alone.
    size : float
        Size of the cut.
    cuts : sequence of (float, bool)
        Size of each past cut, and whether it broke a limit. One that did counts in full for a cut of its size and
        more, and in proportion for a smaller one, less the chance that life alone did it; one that did not, in full
        for its size and less, and in proportion for a larger one.

    Returns
    -------
    (float, float)
        Both parameters; either may be 0.
    """
    prior = min(max(model - of_life, 0.0) / max(1.0 - of_life, TOLERANCE), MODEL_SUREST)
    hurt, easy = MODEL_COUNTS * prior, MODEL_COUNTS * (1.0 - prior)
    for past, broke in cuts:
        if broke:
            hurt += min(1.0, size / past) * (1.0 - of_life)  # life alone would have done it with this chance
        else:
            easy += min(1.0, past / size)
    return hurt, easy


def _quantile(q: float, a: float, b: float) -> float:
    """Quantile of a Beta distribution whose parameters may be 0: a point then."""
    if a <= TOLERANCE or b <= TOLERANCE:
        return 0.0 if a <= TOLERANCE else 1.0
    return float(beta.ppf(q, a, b))


def chances_of_hurt(
    record: PatientRecord,
    situation: Situation,
    posterior: Posterior,
    evidence: Evidence,
    options: Sequence[Option],
    cuts: Sequence[FeltCut],
    limits: Limits,
    seed: int = 0,
) -> dict[str, Hurt]:
    """Chance of two bad weeks under every option that can be simulated, by the option's name.

    The two weeks follow the option's first step, made tomorrow. Bad is a day of withdrawal over the limit, or a 7-day
    mean of pain or function over its limit, against the usual level: that of the last 14 days, or that before a cut
    whose effect has not passed.

    Parameters
    ----------
    record, situation, posterior, evidence
        As in ``choice.roll``.
    options : sequence of Option
        They begin with holding.
    cuts : sequence of FeltCut
        What was felt after each past cut.
    limits : Limits
    seed : int
    """
    rollable = [option for option in options if option.rolled]
    values = posterior.values()[equal_draws(posterior.weights, _DRAWS)]
    usual = usual_until(cuts, record.as_of)
    end_of_usual = record.n_days + 1 if usual is None else max((usual - record.start).days, 1)
    to_today = evidence.regimen.until(record.n_days)
    today = today_of(values, evidence.shared, to_today, evidence.reports, end_of_usual, seed)
    first_steps = {o.name: tuple((1, slots) for _, slots in o.steps[:1]) for o in rollable}
    regimens = {o.name: regimen_of(record, first_steps[o.name], AFTER_D, adjunct=o.adjunct) for o in rollable}
    index_of = {r.dose.tobytes() + r.adjunct.tobytes() + r.decay_g.tobytes(): r for r in regimens.values()}
    original = np.array([situation.original_equivalents(c) for c in DRUG_CLASSES])
    ahead = rollout.Options(
        tuple(index_of.values()), record.n_days + 1, original, reference_of(record), 0.0, 0.0, 1.0, 0.0
    )
    figures = rollout.figures_of(values, today, evidence.shared, _NO_EVENTS, ahead, limits.withdrawal, seed)
    bad = dict(zip(index_of, (_bad(f, limits) for f in figures), strict=True))
    model = {n: bad[r.dose.tobytes() + r.adjunct.tobytes() + r.decay_g.tobytes()] for n, r in regimens.items()}
    of_life = model[rollable[0].name]
    rows = {}
    for option in rollable:
        p = model[option.name]
        rows[option.name] = Hurt(p, *_wilson(p))
        if option.kind == "reduce" and option.drug_class is not None and first_steps[option.name]:
            k = DRUG_CLASSES.index(option.drug_class)
            size = float((equivalents_of(situation.now) - equivalents_of(option.steps[0][1]))[k])
            past = [(c.before - c.after, c.broke) for c in cuts if c.drug_class == option.drug_class and c.felt]
            if size > TOLERANCE:
                rows[option.name] = _combined(p, of_life, size, past)
    return rows


def _bad(f: Floats, limits: Limits) -> float:
    """Chance of two bad weeks, from the share of the draws (Jeffreys: never 0, never 1)."""
    over = f[:, rollout.PEAK_W] > limits.withdrawal
    over |= f[:, rollout.FELT_PAIN] > limits.pain_rise
    over |= f[:, rollout.FELT_FUNCTION] > limits.function_loss
    return (float(over.sum()) + 0.5) / (len(f) + 1.0)


def _combined(model: float, of_life: float, size: float, past: Sequence[tuple[float, bool]]) -> Hurt:
    a, b = with_past(model, of_life, size, past)
    middle, low, high = a / (a + b), _quantile(0.05, a, b), _quantile(0.95, a, b)
    life_low, life_high = _wilson(of_life)
    return Hurt(
        of_life + (1.0 - of_life) * middle,
        life_low + (1.0 - life_low) * min(low, middle),
        life_high + (1.0 - life_high) * max(high, middle),
        len(past),
        sum(broke for _, broke in past),
    )


def _wilson(p: float) -> tuple[float, float]:
    """90 % interval of a share of the draws (Wilson 1927)."""
    centre = (p + _Z90**2 / (2 * _DRAWS)) / (1 + _Z90**2 / _DRAWS)
    half = _Z90 / (1 + _Z90**2 / _DRAWS) * float(np.sqrt(p * (1 - p) / _DRAWS + _Z90**2 / (4 * _DRAWS**2)))
    return max(centre - half, 0.0), min(centre + half, 1.0)


def more_likely_than_not(hurt: Mapping[str, Hurt]) -> frozenset[str]:
    """Names of the options after which two bad weeks are more likely than not."""
    return frozenset(name for name, row in hurt.items() if row.p > MORE_LIKELY_THAN_NOT)
