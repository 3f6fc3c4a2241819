"""One patient's recommendation: flags first, ceilings, options, the fastest that keeps every limit, or an abstention.

Imports everything else of ``inference``. The order of the steps is that of :func:`recommend`; what each output field
means is in docs/how-to/recommend.md. Nothing here depends on what was asked before: same records, same seed, same
answer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from importlib.metadata import version
from typing import Any, Final

import numpy as np

from taper_sim import tables
from taper_sim.array_types import Floats
from taper_sim.data.doses import one_scale_problem
from taper_sim.data.drugs_taken import equivalents_of
from taper_sim.data.patient import Patient
from taper_sim.data.reading import record_notes
from taper_sim.data.records import History
from taper_sim.inference import course as at
from taper_sim.inference.event_risk import described, event_draws
from taper_sim.inference.observation import BY_NAME
from taper_sim.inference.population.people import FLAGS, traits_of
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of
from taper_sim.inference.predictive_checks import Support, support_of
from taper_sim.inference.prior import DEFAULT_POPULATION, Population, prior_of
from taper_sim.inference.record import NoDoseHistory, PatientRecord, record_of, regimen_of, reports_for, used_by_model
from taper_sim.inference.underreporting import SHARE_REPORTED, posterior_under_underreporting
from taper_sim.recommend.choice import CHANCES, Rolled, choose, courses_of, keeps_limits, roll, situation_of
from taper_sim.recommend.options import Option, Situation, options_of, schedule_of
from taper_sim.recommend.value_of_information import NextWeek, next_week
from taper_sim.safety.current_values import doses_shown, equivalents_shown
from taper_sim.safety.limits import Limits
from taper_sim.safety.red_flags import Flag, JudgedRules, judge, shown_flag
from taper_sim.safety.variables import Values
from taper_sim.units import DRUG_CLASSES

DRAWS: Final = 2048
MORE_DRAWS: Final = 8
"""Times as many draws where the weights of the first cannot be trusted: a year of daily reports and more, whose drift
has many parts. A design choice: it costs seconds, and only there."""
NOT_FOR: Final = (
    "not a medical device, not reviewed by any regulator; for health professionals, as one voice beside their own "
    "judgement; not for emergencies, pregnancy, or people under 18"
)
_NALOXONE: Final = (
    "with every reduction: naloxone at home, and say that tolerance falls with the dose: a former dose can kill"
)


@dataclass(frozen=True)
class Recommendation:
    """The answer as the contract's fields; ``as_dict`` is what ``--json`` prints."""

    fields: Mapping[str, Any] = field(repr=False)

    @property
    def status(self) -> str:
        """``recommend``, ``abstain`` or ``urgent``."""
        return str(self.fields["status"])

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dict(self.fields)


def evidence_of(
    record: PatientRecord,
    horizon: int,
    failed_tapers: int,
    baseline: Mapping[str, float] | None,
    population: Population,
    fixed: Mapping[str, Any],
    flags: Mapping[str, bool] | None = None,
) -> tuple[Evidence, list[str], int]:
    """What the posterior is computed from, notes of reading, and how many reports teach it."""
    used, notes = used_by_model(record)
    prior = prior_of(
        record.classes,
        -(-(record.n_days + horizon) // at.SEGMENT_D),
        tuple({c.instrument for _, c in used}),
        buprenorphine=record.buprenorphine,
        failed_tapers=failed_tapers,
        baseline=baseline,
        population=population,
        traits=traits_of(record, flags or {}) if population.traits else None,
        fixed={
            name if not isinstance(value, Mapping) else f"{name}_{drug_class}": float(number)
            for name, value in fixed.items()
            for drug_class, number in (value.items() if isinstance(value, Mapping) else (("", value),))
        },
    )
    alone = {s: float(v) for s, v in fixed.items() if s in at.COUPLINGS and not isinstance(v, Mapping)}
    shared = at.couplings(record.buprenorphine, **alone)
    return Evidence(prior, shared, regimen_of(record), reports_for(record, used, record.n_days)), notes, len(used)


def recommend(
    history: History,
    as_of: date,
    *,
    patient: Patient | None = None,
    population: Population = DEFAULT_POPULATION,
    limits: Limits | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> Recommendation:
    """What may be done for one patient from tomorrow on.

    Parameters
    ----------
    history : History
        Everything recorded; what was not known on ``as_of`` does not enter.
    as_of : date
    patient : Patient, optional
        Baseline assessment, risks, answers.
    population : Population
    limits : Limits, optional
    seed : int
        Of the draws.
    draws : int
        Posterior draws, a power of two; :data:`MORE_DRAWS` times as many where these cannot be trusted.

    Returns
    -------
    Recommendation
        ``urgent`` with whom to call and no options; ``abstain`` with its reasons; or ``recommend``.
    """
    limits = limits or Limits()
    known = history.as_of(as_of)
    known = replace(known, notes=(*known.notes, *record_notes(known)))
    values = Values(known, as_of, {"reduction_planned": 1.0})
    judged = judge(values, limits.acknowledged)
    answer = _Answer(known, as_of, judged, limits, population, seed, notes=known.notes)
    if judged.urgent:
        return answer.urgent()
    why = _cannot_speak(known, values)
    if why:
        return answer.abstain(why)
    try:
        record = record_of(known, as_of, patient)
    except NoDoseHistory as error:
        return answer.abstain([f"cannot build a dose history: {error}"])
    if not record.now:
        return replace(answer, record=record, notes=record.notes).abstain([_NOTHING_TAKEN])
    failed = patient.risk.failed_tapers if patient is not None else 0
    baseline = patient.baseline.model_dump(exclude_unset=True) if patient is not None else None
    fixed = {} if patient is None else patient.parameters
    flags = (
        {}
        if patient is None
        else {name: bool(getattr(patient.risk, name)) for name in FLAGS if name in patient.risk.model_fields_set}
    )
    evidence, notes, n_reports = evidence_of(record, limits.horizon_days, failed, baseline, population, fixed, flags)
    posterior = posterior_of(evidence, draws, seed)
    if not posterior.converged:
        posterior = posterior_of(evidence, MORE_DRAWS * draws, seed)
    support = support_of(evidence, posterior, seed)
    answer = replace(
        answer, record=record, posterior=posterior, support=support, n_reports=n_reports, notes=(*record.notes, *notes)
    )
    if not posterior.converged:
        return answer.abstain(
            [f"the posterior is not to be trusted (k-hat {posterior.khat:.2f}, effective draws {posterior.ess:.0f})"]
        )
    strange = [*support.reasons, *_scattered(posterior)]
    if strange:
        return answer.abstain([*strange, "the model cannot say what to expect of this person"])
    situation = situation_of(record, failed, limits)
    options = [
        _barred(o, judged, values, situation, n_reports) for o in options_of(situation, limits, limits.horizon_days)
    ]
    person = described(record.now, patient, {n: values.value(n) for n in _FOR_RISK}, history.patient_id)
    events = event_draws(person, seed)
    rolled = roll(record, situation, posterior, evidence.shared, events, options, limits)
    chosen, reasons = choose(rolled, options, limits)
    may = [o for o in options if o.rolled and not o.blocked and o.kind in ("hold", "step_back", "reduce")]
    options = [_limited(o, rolled, limits) for o in options]
    underreported = posterior_under_underreporting(evidence, seed) if rolled[chosen].option.kind == "reduce" else None
    if underreported is not None:
        both = [rolled["hold"].option, rolled[chosen].option]
        again = roll(record, situation, underreported, evidence.shared, events, both, limits)
        answer = replace(answer, if_half_said=again[chosen].chances["p_withdrawal_over"])

    def chooser(draws: Posterior) -> Callable[[Floats], str]:
        """What is chosen on the chances alone: their Monte Carlo error would grow with what is heard."""
        courses = courses_of(record, situation, draws.values(), evidence.shared, events, may, limits)

        def chosen_under(weights: Floats) -> str:
            found = courses.under(weights)
            exact = {name: replace(r, mc_error=dict.fromkeys(r.mc_error, 0.0)) for name, r in found.items()}
            return choose(exact, may, limits)[0]

        return chosen_under

    if any(o.kind == "reduce" for o in may):
        answer = replace(answer, next_week=next_week(record, evidence, posterior, chooser, seed))
    return answer.recommended(situation, options, rolled, chosen, reasons)


_NOTHING_TAKEN: Final = (
    "no dose is in force: nothing is left to reduce; withdrawal may go on for weeks, and tolerance is gone: a former "
    "dose can kill"
)
_NAMED_UNREAD: Final = 5
_SCATTER_SD: Final = 3.3
"""Prior sds of the person's noise above which the reports are taken to contradict each other: 1 person in 2,000."""
_APART: Final = 0.75
_APART_DAYS: Final = 3
_APART_WITHIN_D: Final = 28
"""Two reports of one instrument on one day contradict each other if they are this share of the scale apart; so many
such days of the last 28 are too many to speak. Design choices."""
_FOR_RISK: Final = (
    "oud_criteria_count",
    "overdose_history",
    "seizure_history",
    "osa",
    "egfr",
    "phq9",
    "age",
    "naloxone_at_home",
)


def _cannot_speak(known: History, values: Values) -> list[str]:
    """Reasons to say nothing, before anything is computed."""
    why = list(known.barred)
    if values.value("pregnant") == 1.0:
        why.append("pregnancy: no pace is offered; call an obstetric and an addiction specialist today")
    age = values.value("age")
    if age is not None and age < 18:
        why.append("under 18 years: outside what the model was made for")
    why += _contradicted(known, values.as_of)
    if known.unread:
        why += [f"cannot build a dose history: {one.why}" for one in known.unread[:_NAMED_UNREAD]]
        if len(known.unread) > _NAMED_UNREAD:
            why.append(f"cannot build a dose history: {len(known.unread) - _NAMED_UNREAD} more entries like these")
    wrong = one_scale_problem(known.doses)
    if wrong is not None:
        why.append(f"doses that cannot be converted: {wrong[0]}; {wrong[1]}")
    return why


def _contradicted(known: History, as_of: date) -> list[str]:
    """Instruments of which two reports of one day are too far apart, on too many days."""
    found: dict[str, dict[date, list[float]]] = {}
    for c in known.checkins:
        if c.instrument in BY_NAME and 0 <= (as_of - c.day).days < _APART_WITHIN_D:
            found.setdefault(c.instrument, {}).setdefault(c.day, []).append(c.value)
    days = {
        name: sum(max(v) - min(v) >= _APART * (BY_NAME[name].high - BY_NAME[name].low) for v in by_day.values())
        for name, by_day in sorted(found.items())
    }
    return [
        f"contradictory reports: on {n} of the last {_APART_WITHIN_D} days two reports of {name} are at least "
        f"{100 * _APART:.0f} % of its scale apart: ask which of them is meant"
        for name, n in days.items()
        if n >= _APART_DAYS
    ]


def _scattered(posterior: Posterior) -> list[str]:
    """Whether the reports scatter more than those of anybody whom the model expects."""
    if "noise" not in posterior.prior.names:
        return []
    if posterior.mean(posterior.z[:, posterior.prior.names.index("noise")]) < _SCATTER_SD:
        return []
    usual = posterior.mean(posterior.of("noise"))
    return [f"contradictory reports: they scatter {usual:.1f} times as much as those of a usual person"]


def _barred(option: Option, judged: JudgedRules, values: Values, situation: Situation, n_reports: int) -> Option:
    """An option, blocked where flags or consent say so, or where it is faster than a preset without any report."""
    if option.kind != "reduce" or option.blocked:
        return option
    if values.value("patient_agreed_to_taper") == 0.0:
        return replace(option, blocked="the patient has not agreed to a reduction")
    if judged.blocking:
        names = list(dict.fromkeys(name for f in judged.blocking for name in f.unknown))
        return replace(option, blocked=f"ask {', '.join(names)}")
    if judged.holding:
        k = DRUG_CLASSES.index(option.drug_class) if option.drug_class else 0
        original = float(equivalents_of(situation.original)[k])
        pace = 100.0 * (situation.recent[0, k] - situation.recent[-1, k]) / original if original else 0.0
        if option.pct_per_28d >= pace:
            flags = ", ".join(f.flag for f in judged.holding)
            return replace(option, blocked=f"hold or slower only, until a named person acknowledges: {flags}")
    if n_reports == 0 and option.drug_class is not None:
        preset, pct = situation.ceilings[option.drug_class].preset, situation.ceilings[option.drug_class].preset_pct
        if option.pct_per_28d > pct + 1e-9:
            return replace(
                option, blocked=f"faster than {preset} ({pct:g} % in 28 days), and no check-in says it may be"
            )
    return option


def _limited(option: Option, rolled: Mapping[str, Rolled], limits: Limits) -> Option:
    """A reduction, blocked where it does not keep a limit."""
    if option.kind != "reduce" or option.blocked or option.name not in rolled:
        return option
    broken = keeps_limits(rolled[option.name], rolled["hold"], limits)
    return replace(option, blocked="; ".join(broken)) if broken else option


@dataclass(frozen=True)
class _Answer:
    """What an answer is written from, filled as far as the steps came."""

    history: History
    as_of: date
    judged: JudgedRules
    limits: Limits
    population: Population
    seed: int
    record: PatientRecord | None = None
    posterior: Posterior | None = None
    support: Support | None = None
    n_reports: int = 0
    notes: tuple[str, ...] = ()
    if_half_said: tuple[float, float, float] | None = None
    next_week: NextWeek | None = None

    def urgent(self) -> Recommendation:
        """Whom to call and by when; no options."""
        reasons = [f"{f.flag}: {f.action} (call: {f.who}, {f.within})" for f in self.judged.urgent]
        return self._fields("urgent", reasons, [], None, [])

    def abstain(self, why: Sequence[str]) -> Recommendation:
        """Why nothing is said, and whom to call."""
        flags = [f"{f.flag}: {f.action} (call: {f.who}, {f.within})" for f in self.judged.raised()]
        return self._fields("abstain", [*why, "call: the prescriber, with the pharmacist", *flags], [], None, [])

    def recommended(
        self,
        situation: Situation,
        options: Sequence[Option],
        rolled: Mapping[str, Rolled],
        chosen: str,
        why: Sequence[str],
    ) -> Recommendation:
        """Every option with its figures, the one chosen, and why."""
        days = [(self.as_of + timedelta(days=d)).isoformat() for d in range(self.limits.horizon_days + 2)]
        order = sorted(
            (o for o in options if not o.blocked),
            key=lambda o: (o.name != chosen, -o.pct_per_28d, list(options).index(o)),
        )
        ranks = {o.name: k for k, o in enumerate(order, start=1)}
        rows = [_shown(o, rolled.get(o.name), situation, days, ranks.get(o.name)) for o in options]
        reasons = [
            *why[::-1][:1],
            *why[:-1],
            *_class_next(options, situation),
            *_knows(self.posterior, self.record, self.n_reports),
        ]
        if any(o.kind == "reduce" and not o.blocked for o in options):
            reasons.append(_NALOXONE)
        reasons += [f"{f.flag}: {f.action} (call: {f.who}, {f.within})" for f in self.judged.raised()]
        changes = self._would_change(options, rolled, chosen)
        return self._fields("recommend", reasons, rows, chosen, changes, situation)

    def _would_change(self, options: Sequence[Option], rolled: Mapping[str, Rolled], chosen: str) -> list[str]:
        said = []
        blocked = [o for o in options if o.kind == "reduce" and o.blocked and o.name in rolled]
        if blocked:
            nearest = min(blocked, key=lambda o: o.pct_per_28d)
            said.append(f"{nearest.name} is not offered now: {nearest.blocked}")
        if self.judged.blocking:
            said.append("answers to the questions that must be known before a reduction")
        if self.if_half_said is not None:
            now, then = rolled[chosen].chances["p_withdrawal_over"][0], self.if_half_said[0]
            keeps = "the limit would still be kept" if then <= self.limits.risk else "the limit would not be kept"
            said.append(
                f"if only {100 * SHARE_REPORTED:.0f} % of the withdrawal were said, the chance of withdrawal over "
                f"{self.limits.withdrawal:g} would be {100 * then:.0f} % and not {100 * now:.0f} %: {keeps}. "
                "Reports alone cannot tell; a clinician's own rating can"
            )
        if self.next_week is not None:
            said.append(self.next_week.said(chosen))
        return said

    def _fields(
        self,
        status: str,
        reasons: Sequence[str],
        options: Sequence[Mapping[str, Any]],
        chosen: str | None,
        would_change: Sequence[str],
        situation: Situation | None = None,
    ) -> Recommendation:
        limits, posterior = self.limits, self.posterior
        ceilings = (
            {}
            if situation is None
            else {
                c: {"pct_per_28d": situation.ceilings[c].pct_per_28d, "basis": situation.ceilings[c].basis}
                for c in situation.classes
            }
        )
        first = next(iter(ceilings.values()), {"pct_per_28d": None})
        used = ("red_flags", "interactions", "guidelines", "population")
        rows = [row for name in used for row in tables.read(name).rows]
        return Recommendation(
            {
                "patient_id": self.history.patient_id,
                "as_of": self.as_of.isoformat(),
                "status": status,
                "reasons": [*reasons, *self.notes, f"tables: {tables.review_status(rows)}"],
                "red_flags": [shown_flag(f) for f in _worth_showing(self.judged)],
                "questions": self.judged.questions(),
                "doses": doses_shown(self.history, self.as_of),
                "dose_equivalents": equivalents_shown(self.history, self.as_of),
                "limits": {
                    "withdrawal": limits.withdrawal,
                    "function_loss": limits.function_loss,
                    "pain_rise": limits.pain_rise,
                    "risk": limits.risk,
                    "horizon_days": limits.horizon_days,
                    "ceiling_pct_per_28d": first["pct_per_28d"],
                    "ceilings": ceilings,
                    "crisis_excess": limits.crisis_excess,
                    "overdose_excess": limits.overdose_excess,
                },
                "posterior": {} if posterior is None else _summary(posterior),
                "quality": {
                    "ess": None if posterior is None else round(posterior.ess, 1),
                    "khat": None if posterior is None or not np.isfinite(posterior.khat) else round(posterior.khat, 3),
                    "predictive_p": None if self.support is None else round(self.support.predictive_p, 4),
                    "missingness_p": None if self.support is None else round(self.support.missingness, 4),
                    "n_checkins": len({c.day for c in self.history.checkins}),
                    "n_reports_used": self.n_reports,
                    "p_withdrawal_over_if_half_said": None
                    if self.if_half_said is None
                    else round(self.if_half_said[0], 5),
                    "p_choice_changes_after_week": None if self.next_week is None else self.next_week.share_changed,
                },
                "options": list(options),
                "chosen": chosen,
                "would_change": list(would_change),
                "basis": {
                    "calibrated": self.population.calibrated,
                    "tables_reviewed": tables.review_status(rows) == tables.REVIEWED,
                    "population_id": self.population.id,
                    "population_origin": self.population.origin,
                },
                "not_for": NOT_FOR,
                "seed": self.seed,
                "version": version("taper-sim"),
            }
        )


def _worth_showing(judged: JudgedRules) -> list[Flag]:
    """Flags that are true, then those unknown that are asked about before a reduction."""
    return [*judged.raised(), *judged.blocking]


def _shown(
    option: Option, rolled: Rolled | None, situation: Situation, days: Sequence[str], rank: int | None
) -> dict[str, Any]:
    chances: dict[str, Any] = {}
    for name in CHANCES:
        found = None if rolled is None else rolled.chances[name]
        for ending, k in (("", 0), ("_lo90", 1), ("_hi90", 2)):
            chances[f"{name}{ending}"] = None if found is None else round(found[k], 5)
    return {
        "name": option.name,
        "kind": option.kind,
        "drug_class": option.drug_class,
        "status": f"blocked: {option.blocked}" if option.blocked else "offered",
        "schedule": schedule_of(option, situation.now, days) if option.rolled else [],
        **chances,
        "p_overdose_after_lapse": None if rolled is None else round(rolled.relapse, 5),
        "expected_dose_pct": None if rolled is None else round(rolled.end_share_pct, 1),
        "rank": rank,
    }


def _summary(posterior: Posterior) -> dict[str, dict[str, float]]:
    """Mean and 90 % interval of every value that was inferred."""
    found = {}
    for name in posterior.prior.names:
        if not name.startswith("drift_"):
            x = posterior.of(name)
            found[name] = {
                "mean": round(posterior.mean(x), 4),
                "lo90": round(posterior.quantile(x, 0.05), 4),
                "hi90": round(posterior.quantile(x, 0.95), 4),
            }
    return found


def _spread(posterior: Posterior, name: str) -> tuple[float, float]:
    """Posterior and prior sd of a value on the scale of its prior."""
    k = posterior.prior.names.index(name)
    z = posterior.z[:, k]
    mean = posterior.mean(z)
    sd = float(np.sqrt(posterior.mean((z - mean) ** 2)))
    return sd * float(posterior.prior.sd[k]), float(posterior.prior.sd[k])


def _class_next(options: Sequence[Option], situation: Situation) -> list[str]:
    """Of several classes, how fast each could be reduced next, fastest first."""
    if len(situation.classes) < 2:
        return []
    may = [o for o in options if o.kind == "reduce" and not o.blocked]
    best = {c: max((o.pct_per_28d for o in may if o.drug_class == c), default=0.0) for c in situation.classes}
    said = [
        f"{c} {pct:g} % of original in 28 days" if pct else f"{c} not now"
        for c, pct in sorted(best.items(), key=lambda item: -item[1])
    ]
    return [f"which class next, and how fast at most: {'; '.join(said)}"]


def _knows(posterior: Posterior | None, record: PatientRecord | None, n_reports: int) -> list[str]:
    """What the check-ins tell of this person, and how little; a suspicion of hyperalgesia."""
    if posterior is None or record is None:
        return []
    said = []
    for name in posterior.prior.names:
        if not name.startswith("sigma_"):
            continue
        now, before = _spread(posterior, name)
        learned = 100.0 * (1.0 - now / before)
        if n_reports == 0:
            said.append(f"{name}: no check-in yet: what is known of people like this one, no faster than the preset")
        elif learned < 20.0:
            said.append(
                f"{name}: check-ins have narrowed the belief by {max(learned, 0.0):.0f} % only: a slow or "
                "short start tells little, the pace rests mostly on what is known of others"
            )
        else:
            said.append(f"{name}: check-ins have narrowed the belief by {learned:.0f} %")
    if "b_opioid" in posterior.prior.names:
        chance = posterior.mean((posterior.of("b_opioid") < 0.0).astype(float))
        said.append(
            f"chance that the opioid's long-run effect on pain is against this person (hyperalgesia): "
            f"{100 * chance:.0f} %; a suspicion only: pain that falls and stays lower weeks after a cut would "
            f"confirm it"
        )
    return said
