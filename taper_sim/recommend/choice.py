"""Choice of an option: each is rolled out over the posterior; the best that keeps every limit is chosen.

Imports ``inference``, ``safety``, ``comparison.loss``, ``recommend.options``. The best option is the fastest or the one
with the least expected loss, as the limits file sets.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.comparison.loss import Loss
from taper_sim.comparison.preferences import ValueJudgements
from taper_sim.data.drugs_taken import equivalents_of
from taper_sim.inference import rollout
from taper_sim.inference.life_today import today_of
from taper_sim.inference.posterior import Evidence, Posterior, weighted_interval90
from taper_sim.inference.record import PatientRecord, first_cut_of, recent_reduction, reference_of, regimen_of
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL
from taper_sim.recommend.options import MAINTENANCE, Option, Situation
from taper_sim.recommend.way_back import former_doses
from taper_sim.safety.ceilings import ceiling_of
from taper_sim.safety.limits import Limits
from taper_sim.units import DRUG_CLASSES, MONTH_D, TOLERANCE

CHANCES: Final = (
    "p_withdrawal_over",
    "p_function_loss",
    "p_pain_rise",
    "p_crisis",
    "p_overdose",
    "p_return_to_higher_dose",
)
FELT: Final = ("p_felt_withdrawal_over", "p_felt_function_loss", "p_felt_pain_rise")
"""The first three of :data:`CHANCES` from any cause, life outside the taper included; they block nothing."""
_LIMITED: Final = CHANCES[:3]
_HARMS: Final = ("p_crisis", "p_overdose")
_OVER_99: Final = "over 99"
_Z90: Final = 1.6448536269514722
_NEGLECTED_WEIGHT: Final = 1e-3
"""Total posterior weight of the draws that are not rolled out: below the Monte Carlo error of any probability. A design
choice."""


@dataclass(frozen=True)
class Rolled:
    """Predicted outcomes of one option.

    Attributes
    ----------
    option : Option
    chances : mapping of str to (float, float, float)
        By name, of :data:`CHANCES` and :data:`FELT`: probability within the horizon and its 90 % interval. Those of the
        limits are of what the option brings: the difference to holding at the same draw.
    mc_error : mapping of str to float
        By name: Monte Carlo standard error of the probability.
    relapse : float
        Probability of an overdose after a lapse.
    end_share_pct : float
        Dose at the end, percent of the original.
    loss : float
        Expected loss.
    due : mapping of str to float
        By name, of the chances with a limit: probability of being over it by the course due to the taper, which
        includes what earlier reductions have left. Holding is judged by it.
    n_draws : float
        Effective number of draws.
    """

    option: Option
    chances: Mapping[str, tuple[float, float, float]]
    mc_error: Mapping[str, float]
    relapse: float
    end_share_pct: float
    loss: float
    due: Mapping[str, float]
    n_draws: float


def situation_of(record: PatientRecord, failed_tapers: int, limits: Limits) -> Situation:
    """Current and earlier doses of a record, and the ceiling of each class."""
    dose = regimen_of(record).dose
    recent = np.array([dose[max(record.n_days - k, 0)] for k in range(MONTH_D - 1, -1, -1)])
    prescribed = np.array([equivalents_of(slots) for _, slots in record.segments])
    before_cut, step_back_to, last_cut_d = equivalents_of(record.now).copy(), {}, {}
    for k, drug_class in enumerate(DRUG_CLASSES):
        for number in range(len(record.segments) - 1, 0, -1):
            if prescribed[number, k] < prescribed[number - 1, k] - TOLERANCE:
                last_cut_d[drug_class] = record.n_days - record.segments[number][0]
                before_cut[k] = prescribed[number - 1, k]
                step_back_to[drug_class] = tuple(
                    slot for slot in record.segments[number - 1][1] if slot.drug.drug_class == drug_class
                )
                break
    use = record.days_of_use
    ceilings = {c: ceiling_of(c, float(use[k]), failed_tapers, limits) for k, c in enumerate(DRUG_CLASSES)}
    former = {c: former_doses(record, c) for c in DRUG_CLASSES}
    return Situation(record.now, record.original, recent, before_cut, step_back_to, ceilings, last_cut_d, former)


@dataclass(frozen=True)
class Courses:
    """Outcomes of options at each draw of a person's values; probabilities follow for any weights of the draws.

    Attributes
    ----------
    rows : tuple of (Option, ndarray (n, N_FIGURES), int, float)
        Option; outcomes at each draw; class whose exposure enters the loss; dose at the end, percent of the original.
    limits : Limits
    """

    rows: tuple[tuple[Option, Floats, int, float], ...]
    limits: Limits

    def under(self, weights: Floats, *, intervals: bool = True) -> dict[str, Rolled]:
        """Probabilities and expected loss by option name; weights (n,) sum to 1. A choice needs no ``intervals``."""
        return {o.name: rolled_of(o, f, weights, self.limits, k, share, intervals) for o, f, k, share in self.rows}


def roll(
    record: PatientRecord,
    situation: Situation,
    posterior: Posterior,
    evidence: Evidence,
    events: Floats,
    options: Sequence[Option],
    limits: Limits,
    seed: int = 0,
) -> dict[str, Rolled]:
    """Roll every option out over the posterior given the evidence; ``options`` begin with holding.

    Returns
    -------
    dict of str to Rolled
        By the option's name; options that cannot be simulated are absent.
    """
    rising = np.argsort(posterior.weights, kind="stable")
    keep = np.sort(rising[np.cumsum(posterior.weights[rising]) > _NEGLECTED_WEIGHT])
    values, weights = posterior.values()[keep], posterior.weights[keep] / posterior.weights[keep].sum()
    return courses_of(record, situation, values, evidence, events, options, limits, seed).under(weights)


def courses_of(
    record: PatientRecord,
    situation: Situation,
    values: Floats,
    evidence: Evidence,
    events: Floats,
    options: Sequence[Option],
    limits: Limits,
    seed: int = 0,
) -> Courses:
    """Outcomes of the options that can be simulated, at each vector of values, (n, N_VALUES)."""
    n = limits.horizon_days
    rollable = [option for option in options if option.rolled]
    regimens = tuple(regimen_of(record, option.steps, n, adjunct=option.adjunct) for option in rollable)
    original = np.array([situation.original_equivalents(c) for c in DRUG_CLASSES])
    counts_mme = 0.0 if record.buprenorphine else 1.0
    # the evidence of another week may reach beyond today
    to_today = evidence.regimen.until(record.n_days)
    today = today_of(values, evidence.shared, to_today, evidence.reports, first_cut_of(record), seed)
    ahead = rollout.Options(
        regimens,
        record.n_days + 1,
        original,
        reference_of(record),
        float(situation.before_cut[0]),
        recent_reduction(record),
        float(np.exp(-1.0 / CHANCE_BY_SYMBOL["tau_V"].centre())),
        counts_mme,
    )
    index_of: dict[bytes, int] = {}  # options with the same doses are rolled out once
    which = [
        index_of.setdefault(r.dose.tobytes() + r.adjunct.tobytes() + r.decay_g.tobytes(), len(index_of))
        for r in regimens
    ]
    distinct = tuple(regimens[which.index(k)] for k in range(len(index_of)))
    ahead = ahead._replace(regimens=distinct)
    figures = rollout.figures_of(values, today, evidence.shared, events, ahead, limits.withdrawal, seed)
    rows = []
    for option, k_figures in zip(rollable, which, strict=True):
        end = equivalents_of(option.steps[-1][1] if option.steps else situation.now)
        k = DRUG_CLASSES.index(option.drug_class) if option.drug_class else int(np.argmax(original > 0))
        share = 100.0 * float(end[k] / original[k]) if original[k] else 0.0
        rows.append((option, figures[k_figures], k, share))
    return Courses(tuple(rows), limits)


def rolled_of(
    option: Option,
    f: Floats,
    weights: Floats,
    limits: Limits,
    column: int,
    end_share_pct: float,
    intervals: bool = True,
) -> Rolled:
    """Probabilities and expected loss of an option from its outcomes at each draw.

    Parameters
    ----------
    option : Option
    f : ndarray, (n, N_FIGURES)
        Outcomes from ``rollout.figures_of``.
    weights : ndarray, (n,)
        Weights of the draws; they sum to 1.
    limits : Limits
    column : int
        Class whose exposure enters the loss.
    end_share_pct : float
        Dose at the end, percent of the original.
    intervals : bool
        Whether to compute the intervals of the hazards; without, they are of no width.
    """
    ess = 1.0 / float((weights**2).sum())
    over = {
        "p_withdrawal_over": (rollout.BROUGHT_W, rollout.PEAK_W, limits.withdrawal),
        "p_function_loss": (rollout.BROUGHT_FUNCTION, rollout.FELT_FUNCTION, limits.function_loss),
        "p_pain_rise": (rollout.BROUGHT_PAIN, rollout.FELT_PAIN, limits.pain_rise),
    }
    per_draw = {name: (f[:, brought] > limit).astype(float) for name, (brought, _, limit) in over.items()}
    per_draw |= {
        felt: (f[:, figure] > limit).astype(float) for felt, (_, figure, limit) in zip(FELT, over.values(), strict=True)
    }
    per_draw |= {
        "p_crisis": -np.expm1(-f[:, rollout.H_CRISIS]),
        "p_overdose": -np.expm1(-f[:, rollout.H_OVERDOSE] - f[:, rollout.H_RELAPSE]),
        "p_return_to_higher_dose": -np.expm1(-f[:, rollout.H_RETURN]),
    }
    chances, errors = {}, {}
    for name, p in per_draw.items():
        mean = float(weights @ p)
        errors[name] = float(np.sqrt(((weights * (p - mean)) ** 2).sum()))
        if name in (*_LIMITED, *FELT):  # a share of draws: its only uncertainty is Monte Carlo error
            low, high = _interval(mean, ess)
        elif not intervals or not p.any():  # no hazard is followed
            low = high = mean
        else:
            low, high = weighted_interval90(p, weights)
        chances[name] = (mean, low, high)
    lost = f[:, rollout.FUNCTION_START] - f[:, rollout.FUNCTION_END]
    risen = f[:, rollout.PAIN_END] - f[:, rollout.PAIN_START]
    due = {
        "p_withdrawal_over": float(weights @ (f[:, rollout.PEAK_W] > limits.withdrawal)),
        "p_function_loss": float(weights @ (lost > limits.function_loss)),
        "p_pain_rise": float(weights @ (risen > limits.pain_rise)),
    }
    relapse = float(weights @ -np.expm1(-f[:, rollout.H_RELAPSE]))
    loss = float(weights @ loss_of(f, column, loss_by_values(limits)))
    return Rolled(option, chances, errors, relapse, end_share_pct, loss, due, ess)


def values_of(limits: Limits) -> ValueJudgements:
    """What the patient wants: the limits file's ``values``, and the default of each that it does not state."""
    return ValueJudgements(**limits.values.stated())


def loss_by_values(limits: Limits) -> Loss:
    """Loss by the values of the limits file."""
    return Loss.of_values(values_of(limits))


def loss_of(f: Floats, column: int, loss: Loss) -> Floats:
    """Loss at each draw over the horizon, (n,); harm has a higher weight than benefit (``Loss.decision_loss``)."""
    return loss.decision_loss(
        loss.of_person(
            f[:, rollout.EXPOSURE + column],
            f[:, rollout.PAIN_MEAN],
            f[:, rollout.FUNCTION_MEAN],
            f[:, rollout.DISTRESS_MEAN],
            f[:, rollout.INSOMNIA_MEAN],
        )
    )


def _interval(p: float, n: float) -> tuple[float, float]:
    """90 % interval of a share estimated from ``n`` effective draws (Wilson 1927)."""
    centre = (p + _Z90**2 / (2 * n)) / (1 + _Z90**2 / n)
    half = _Z90 / (1 + _Z90**2 / n) * np.sqrt(p * (1 - p) / n + _Z90**2 / (4 * n * n))
    return float(max(centre - half, 0.0)), float(min(centre + half, 1.0))


def keeps_limits(rolled: Rolled, hold: Rolled, limits: Limits) -> list[str]:
    """Limits that an option exceeds, a sentence each.

    The three probabilities with a limit of their own are compared at their upper 95 % Monte Carlo bound, so that the
    slower of two nearly equal options is chosen. Of an option they are what it brings compared with holding; of holding
    itself they are what the taper so far is to leave.
    """
    exceeded = []
    for name, event in (
        ("p_withdrawal_over", f"withdrawal over {limits.withdrawal:g}"),
        ("p_function_loss", f"function down by more than {limits.function_loss:g} points"),
        ("p_pain_rise", f"pain up by more than {limits.pain_rise:g} NRS points"),
    ):
        p, error = rolled.chances[name][0], rolled.mc_error[name]
        if rolled is hold:
            p, error = rolled.due[name], float(np.sqrt(rolled.due[name] * (1.0 - rolled.due[name]) / rolled.n_draws))
        if p + _Z90 * error > limits.risk:
            likely, possible = _apart(p, p + _Z90 * error, limits.risk)
            up_to = "" if possible == likely else f", up to {possible} % possible"
            exceeded.append(f"chance of {event}: {likely} % is likely{up_to}; limit {100 * limits.risk:g} %")
    for name, event, most in (
        ("p_crisis", "a mental-health crisis", limits.crisis_excess),
        ("p_overdose", "an overdose", limits.overdose_excess),
    ):
        excess = rolled.chances[name][0] - hold.chances[name][0]
        if excess > most:
            exceeded.append(f"chance of {event} {100 * excess:.1f} points above holding, limit {100 * most:g}")
    return exceeded


def _apart(p: float, bound: float, limit: float) -> tuple[str, str]:
    """A chance and its upper bound in percent, with as many digits as tell the bound from the limit; never 100."""
    most = min(bound, 1.0)
    for digits in range(4):
        likely, possible = f"{100 * p:.{digits}f}", f"{100 * most:.{digits}f}"
        if float(possible) > 100 * limit:
            break
    likely, possible = (_OVER_99 if float(text) >= 100 else text for text in (likely, possible))
    return likely, possible


def choose(
    rolled: Mapping[str, Rolled],
    options: Sequence[Option],
    limits: Limits,
    maintain: str = "",
    pause: str = "",
    hurting: Collection[str] = (),
) -> tuple[str, list[str]]:
    """Name of the chosen option, and the reasons.

    The best reduction that keeps every limit is chosen. Without one, the patient holds, or steps back if holding
    exceeds a limit and the step back is better. The best option is the fastest; if the limits file prefers the least
    loss, it is the one with the least expected loss, and holding and stepping back compete with the reductions. With a
    reason to ``maintain``, maintenance takes the place of holding. With a reason to ``pause``, the patient
    holds: a step back after a painful cut is offered, and is for a clinician to choose. A reduction of those that are
    ``hurting`` is offered and never chosen: two bad weeks after it are more likely than not.
    """
    hold = rolled["hold"]
    reductions = sorted(
        (o for o in options if o.kind == "reduce" and not o.blocked),
        key=lambda o: (-o.pct_per_28d, sum(rolled[o.name].chances[n][0] for n in _HARMS), o.name),
    )  # of two classes at one pace, the one with fewer crises and overdoses comes first
    if limits.first is not None:
        reductions.sort(key=lambda o: o.drug_class != limits.first)
    reasons: list[str] = []
    all_broken = True
    if limits.maintain:
        return MAINTENANCE, ["the limits file asks to maintain"]
    if pause:
        return "hold", [pause]
    if limits.prefer == "least loss":
        within = [o for o in reductions if o.name not in hurting and not keeps_limits(rolled[o.name], hold, limits)]
        others = [o for o in options if o.kind in ("hold", "step_back") and not o.blocked]
        best = min((*others, *within), key=lambda o: (rolled[o.name].loss, o.pct_per_28d))
        if maintain and best.kind == "hold":
            return MAINTENANCE, [maintain]
        if within or best.kind == "step_back":
            return best.name, [f"{best.name}: the least expected loss of the options that keep every limit"]
    for option in reductions:
        exceeded = keeps_limits(rolled[option.name], hold, limits)
        if not exceeded and option.name in hurting:
            exceeded = ["two bad weeks after its first step are more likely than not"]
            all_broken = False
        if not exceeded:
            same_doses = [
                o
                for o in reductions
                if o.drug_class == option.drug_class
                and o.steps == option.steps
                and rolled[o.name].end_share_pct == rolled[option.name].end_share_pct
            ]
            slowest = min(same_doses, key=lambda o: o.pct_per_28d)
            reasons.append(f"{slowest.name}: the fastest reduction that keeps every limit")
            return slowest.name, reasons
        reasons.append(f"not {option.name}: {'; '.join(exceeded)}")
    exceeded = keeps_limits(hold, hold, limits)
    for option in options:
        if exceeded and option.kind == "step_back" and not option.blocked:
            before, after = (sum(r.due[n] for n in _LIMITED) for r in (hold, rolled[option.name]))
            if after < before:
                return option.name, [f"holding exceeds a limit: {'; '.join(exceeded)}; stepping back is better"]
    if exceeded:
        reasons.append(f"holding does not keep every limit: {'; '.join(exceeded)}")
    if maintain:
        return MAINTENANCE, [*reasons, maintain]
    if not reductions:
        reasons.append("hold: no reduction is allowed at present")
    elif all_broken:
        reasons.append("hold: no reduction keeps every limit")
    else:
        reasons.append("hold: after each reduction that keeps every limit two bad weeks are more likely than not")
    return "hold", reasons
