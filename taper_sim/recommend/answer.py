"""The answer to one patient's records: status, reasons, options with figures, quality, basis.

Imports ``inference``, ``safety``, ``data`` and the modules of ``recommend`` that make its parts.
docs/how-to/recommend.md defines each field.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from taper_sim import tables
from taper_sim.comparison.chance_words import chance_in_words
from taper_sim.data.records import History
from taper_sim.inference.past_forecasts import PastForecast
from taper_sim.inference.posterior import Posterior
from taper_sim.inference.predictive_checks import PredictiveChecks
from taper_sim.inference.prior import PopulationPrior
from taper_sim.inference.record import PatientRecord
from taper_sim.inference.underreporting import SHARE_REPORTED
from taper_sim.recommend.back_in_a_year import BetterBack
from taper_sim.recommend.barred_options import ASK_NALOXONE, NALOXONE, questions_in_words
from taper_sim.recommend.choice import Rolled
from taper_sim.recommend.headline import (
    HOLD_WITHOUT_FORECAST,
    NO_REDUCTION_NOW,
    headline_of,
    see_first,
    urgent_headline,
)
from taper_sim.recommend.next_cut import Hurt
from taper_sim.recommend.options import Option, Situation
from taper_sim.recommend.past_cuts import Blame, past_cuts_shown
from taper_sim.recommend.rating_asked import RatingAsked
from taper_sim.recommend.reduction_steps import ABOVE_CEILING
from taper_sim.recommend.shown_options import first_step_in_words, shown_options
from taper_sim.recommend.value_of_information import ChoicesAfterAWeek
from taper_sim.recommend.whether_to_taper import WhetherToTaper
from taper_sim.safety.current_values import doses_shown, equivalents_shown
from taper_sim.safety.felt_cuts import FeltCut
from taper_sim.safety.limits import Limits
from taper_sim.safety.red_flags import Flag, JudgedRules, shown_flag
from taper_sim.safety.validity import variable_rows
from taper_sim.simulation.ensemble import n_published_results
from taper_sim.units import DRAWS_FROM, DrugClass

NOT_FOR: Final = (
    "not a medical device, not reviewed by any regulator; decision support for health professionals, who keep their "
    "own judgement; not for emergencies, pregnancy, or people under 18"
)
_NALOXONE_AT_HOME: Final = "naloxone at home"
_NO_STOP: Final = "no stop at once, which can bring seizures"
_TOLERANCE: Final = "tolerance falls with the dose, and a former dose can kill"


@dataclass(frozen=True)
class RecommendationFields:
    """The answer by output field; ``--json`` prints :meth:`as_dict`."""

    fields: Mapping[str, Any] = field(repr=False)

    @property
    def status(self) -> str:
        """``recommend``, ``abstain`` or ``urgent``."""
        return str(self.fields["status"])

    def as_dict(self) -> dict[str, Any]:
        """Fields as plain values that JSON can hold."""
        return dict(self.fields)


@dataclass(frozen=True)
class AnswerInputs:
    """Intermediate results from which the answer is written; fields of steps that were not reached are empty."""

    history: History
    as_of: date
    judged: JudgedRules
    limits: Limits
    population: PopulationPrior
    seed: int
    whether: WhetherToTaper
    record: PatientRecord | None = None
    posterior: Posterior | None = None
    checks: PredictiveChecks | None = None
    n_reports: int = 0
    notes: tuple[str, ...] = ()
    if_underreported: tuple[float, float, float] | None = None
    after_a_week: ChoicesAfterAWeek | None = None
    cuts: tuple[FeltCut, ...] = ()
    hurt: Mapping[str, Hurt] = MappingProxyType({})
    blame: Blame | None = None
    rating: RatingAsked | None = None
    past: tuple[PastForecast, ...] = ()
    destinations: tuple[Mapping[str, Any], ...] = ()
    worse: Mapping[DrugClass, str] = MappingProxyType({})
    better_back: BetterBack = MappingProxyType({})

    @property
    def happened(self) -> tuple[str, ...]:
        """A sentence for each past cut that broke a limit."""
        return tuple(cut.words for cut in self.cuts if cut.broke)

    def urgent(self) -> RecommendationFields:
        """Answer with the person to call and the time limit, without options."""
        headline = urgent_headline(self.judged.urgent)
        return self._fields("urgent", headline, [], [_call(f) for f in self.judged.urgent], [], None, [])

    def abstain(self, reasons: Sequence[str], *, without_forecast: bool = False) -> RecommendationFields:
        """Answer with what cannot wait, the reasons for abstaining, and the person to call.

        ``without_forecast`` if the reports do not fit the model: the person may be at their worst, and is seen first.
        """
        first = self.judged.holding
        others = [f for f in self.judged.raised() if f not in first]
        call = "call: the prescriber, with the pharmacist"
        see = see_first(self.judged, without_forecast, bool(self.cuts))
        today = _today(first) or ([see] if see else [])
        nothing = HOLD_WITHOUT_FORECAST if without_forecast else "no recommendation"
        headline = see or f"{nothing}: {reasons[0]}; {call.replace(': ', ' ')}"
        sentences = [*today, *self.happened, *reasons, call, *map(_call, others)]
        return self._fields("abstain", headline, list(reasons), sentences, [], None, [])

    def recommended(
        self,
        situation: Situation,
        options: Sequence[Option],
        rolled: Mapping[str, Rolled],
        chosen: str,
        choice_reasons: Sequence[str],
    ) -> RecommendationFields:
        """Answer with every option and its figures, the chosen option, and the reasons."""
        days = [(self.as_of + timedelta(days=d)).isoformat() for d in range(self.limits.horizon_days + 2)]
        rows = shown_options(options, rolled, self.hurt, situation, days, chosen, self.better_back)
        first, why = self.judged.holding, [*choice_reasons[::-1][:1], *choice_reasons[:-1]]
        after_a_change = [o for o in options if o.kind == "reduce" and o.needs and not o.blocked]
        if why[0] == NO_REDUCTION_NOW and after_a_change:
            variants = "; ".join(dict.fromkeys(f"{o.drug_class} {o.variant}" for o in after_a_change))
            why[0] = f"hold: a reduction is possible after a change that a prescriber settles first: {variants}"
        reasons = [
            *_today(first),
            *self.happened,
            *why,
            *([self.blame.words] if self.blame is not None else []),
            *(f"a way back up is among the options ({c}): {why}" for c, why in self.worse.items() if why),
            *_original_sentences(self.record),
            *_fastest_by_class(options, situation),
            *_learned(self.posterior, self.record, self.n_reports),
        ]
        reduces = any(o.kind == "reduce" and not o.blocked for o in options)
        with_reductions = _with_reductions(situation) if reduces else ""
        reasons += [with_reductions] if with_reductions else []
        reasons += [_call(f) for f in self.judged.raised() if f not in first]
        changes = self._would_change(options, rolled, chosen)
        option = next(o for o in options if o.name == chosen)
        step = first_step_in_words(option, situation, days)
        headline = headline_of(self.judged, option, why[0], step, _why_barred(options))
        return self._fields("recommend", headline, why, reasons, rows, chosen, changes, situation, with_reductions)

    def _questions(self, status: str, options: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
        """Open questions: those of the rules and of a way back up, then the rating after a cut."""
        questions = self.judged.questions()
        asks = any(o["status"] == f"blocked: {ASK_NALOXONE}" for o in options)
        if asks and not any(q["variable"] == NALOXONE for q in questions):
            words = variable_rows()[NALOXONE]["question"]
            row = {"variable": NALOXONE, "question": words, "flag": "step_back", "needed_before_reduction": "no"}
            questions.append(row)
        if self.rating is None or status == "urgent":
            return questions
        asked = self.rating.shown()
        before = [q for q in questions if q["variable"] != asked["variable"]]
        needed = next((q for q in questions if q["variable"] == asked["variable"]), None)
        return [*before, asked if needed is None else {**needed, **{k: asked[k] for k in ("question", "would_change")}}]

    def _would_change(self, options: Sequence[Option], rolled: Mapping[str, Rolled], chosen: str) -> list[str]:
        """What would change the choice, a sentence each."""
        sentences = []
        blocked = [o for o in options if o.kind == "reduce" and o.blocked and o.name in rolled]
        if blocked:
            slowest = min(blocked, key=lambda o: o.pct_per_28d)
            sentences.append(f"{slowest.name} is not offered now: {slowest.blocked}")
        if self.judged.blocking:
            sentences.append("answers to the questions that must be answered before a reduction")
        if self.if_underreported is not None:
            now, then = rolled[chosen].chances["p_withdrawal_over"][0], self.if_underreported[0]
            over = ", over its limit" if then > self.limits.risk else ""
            if over or chance_in_words(now) != chance_in_words(then):
                sentences.append(
                    f"if only {100 * SHARE_REPORTED:.0f} % of the withdrawal were reported: chance of withdrawal "
                    f"{chance_in_words(then)} (now {chance_in_words(now)}){over}"
                )
        if self.after_a_week is not None:
            sentences.append(self.after_a_week.sentence(chosen))
        return sentences

    def _fields(
        self,
        status: str,
        headline: str,
        why: Sequence[str],
        reasons: Sequence[str],
        options: Sequence[Mapping[str, Any]],
        chosen: str | None,
        would_change: Sequence[str],
        situation: Situation | None = None,
        with_reductions: str = "",
    ) -> RecommendationFields:
        limits, posterior = self.limits, self.posterior
        ceilings = (
            {}
            if situation is None
            else {
                c: {"pct_per_28d": situation.ceilings[c].pct_per_28d, "basis": situation.ceilings[c].basis}
                for c in situation.classes
            }
        )
        first_ceiling = next(iter(ceilings.values()), {"pct_per_28d": None})
        names_of_tables = ("red_flags", "interactions", "guidelines", "population", "whether_to_taper")
        rows = [row for name in names_of_tables for row in tables.read(name).rows]
        return RecommendationFields(
            {
                "patient_id": self.history.patient_id,
                "as_of": self.as_of.isoformat(),
                "status": status,
                "headline": headline,
                "taper_at_all": self.whether.as_dict(),
                "why": list(why),
                "reasons": [*reasons, *self.notes, f"tables: {tables.review_status(rows)}"],
                # raised flags, then unknown ones that must be answered before a reduction
                "red_flags": [shown_flag(f) for f in (*self.judged.raised(), *self.judged.blocking)],
                "questions": self._questions(status, options),
                "doses": doses_shown(self.history, self.as_of),
                "dose_equivalents": equivalents_shown(self.history, self.as_of),
                "original_doses": {} if self.record is None else _original_shown(self.record),
                "limits": {
                    "withdrawal": limits.withdrawal,
                    "function_loss": limits.function_loss,
                    "pain_rise": limits.pain_rise,
                    "risk": limits.risk,
                    "horizon_days": limits.horizon_days,
                    "ceiling_pct_per_28d": first_ceiling["pct_per_28d"],
                    "ceilings": ceilings,
                    "crisis_excess": limits.crisis_excess,
                    "overdose_excess": limits.overdose_excess,
                },
                "posterior": {} if posterior is None else _summary(posterior),
                "quality": {
                    "ess": None if posterior is None else round(posterior.ess, 1),
                    "khat": None if posterior is None or not np.isfinite(posterior.khat) else round(posterior.khat, 3),
                    "predictive_p": None if self.checks is None else round(self.checks.predictive_p, 4),
                    "missingness_p": None if self.checks is None else round(self.checks.missingness, 4),
                    "n_checkins": len({c.day for c in self.history.checkins}),
                    "last_checkin": max((c.day.isoformat() for c in self.history.checkins), default=None),
                    "n_reports_used": self.n_reports,
                    "p_withdrawal_over_if_half_said": None
                    if self.if_underreported is None
                    else round(self.if_underreported[0], 5),
                    "p_choice_changes_after_week": None
                    if self.after_a_week is None
                    else self.after_a_week.share_changed,
                },
                "options": list(options),
                "chosen": chosen,
                "would_change": list(would_change),
                "with_reductions": with_reductions,
                "past_cuts": past_cuts_shown(self.cuts),
                "attribution": None if self.blame is None else self.blame.shown(),
                "past_forecasts": [_forecast_shown(row, self.record) for row in self.past if self.record is not None],
                "notes": list(self.notes),
                "destinations": list(self.destinations),
                "basis": {
                    "calibrated": self.population.calibrated,
                    "events_fitted_to": n_published_results() if DRAWS_FROM == "published" else 0,
                    "tables_reviewed": tables.review_status(rows) == tables.REVIEWED,
                    "population_id": self.population.id,
                    "population_origin": self.population.origin,
                },
                "not_for": NOT_FOR,
                "seed": self.seed,
                "version": version("taper-sim"),
            }
        )


def _with_reductions(situation: Situation) -> str:
    """What goes with every reduction of the classes that are taken."""
    first = [_NALOXONE_AT_HOME] if "opioid" in situation.classes else []
    first += [_NO_STOP] if {"benzodiazepine", "gabapentinoid"} & set(situation.classes) else []
    return f"with every reduction: {'; '.join([*first, _TOLERANCE])}"


def _why_barred(options: Sequence[Option]) -> str:
    """Why the slowest reduction that could be made is not offered; empty if one is offered.

    A pace without a step of its own counts only if no pace has one; then the fastest within the ceiling says why.
    """
    reductions = [o for o in options if o.kind == "reduce"]
    if not reductions or any(not o.blocked for o in reductions):
        return ""
    with_steps = [o for o in reductions if o.steps]
    if with_steps:
        return questions_in_words(min(with_steps, key=lambda o: o.pct_per_28d).blocked)
    allowed = [o for o in reductions if not o.blocked.startswith(ABOVE_CEILING)]
    return max(allowed or reductions, key=lambda o: o.pct_per_28d).blocked


def _today(flags: Sequence[Flag]) -> list[str]:
    """What cannot wait, before any other sentence: the person is seen today, and what was raised."""
    return ["see the person today; no dose is reduced", *map(_call, flags)] if flags else []


def _call(flag: Flag) -> str:
    """Sentence of a raised flag: the action, the person to call and the time limit."""
    return f"{flag.flag}: {flag.action} (call: {flag.who}, {flag.within})"


def _forecast_shown(row: PastForecast, record: PatientRecord) -> dict[str, Any]:
    """Score of a past forecast, for JSON."""
    return {
        "made_on": (record.start + timedelta(days=row.made_on)).isoformat(),
        "instrument": row.instrument,
        "n_reports": row.n_reports,
        "reported": round(row.reported, 3),
        "forecast": round(row.forecast, 3),
        "mean_error": round(row.mean_error, 3),
        "share_in_80": round(row.share_in_80, 3),
    }


def _summary(posterior: Posterior) -> dict[str, dict[str, float]]:
    """Posterior mean and 90 % interval of every inferred value except the drift."""
    rows = {}
    for name in posterior.prior.names:
        if not name.startswith("drift_"):
            x = posterior.of(name)
            low, high = posterior.interval90(x)
            rows[name] = {"mean": round(posterior.mean(x), 4), "lo90": round(low, 4), "hi90": round(high, 4)}
    return rows


def _sds(posterior: Posterior, name: str) -> tuple[float, float]:
    """Posterior and prior sd of a value on the scale of its prior."""
    k = posterior.prior.names.index(name)
    z = posterior.z[:, k]
    mean = posterior.mean(z)
    sd = float(np.sqrt(posterior.mean((z - mean) ** 2)))
    return sd * float(posterior.prior.sd[k]), float(posterior.prior.sd[k])


def _original_sentences(record: PatientRecord | None) -> list[str]:
    """What the percentages of the answer are percentages of, a sentence for each class taken today."""
    if record is None:
        return []
    taken = {slot.drug.drug_class for slot in record.now}
    return [
        f"original {drug_class} dose: {original.words} ({original.why}); percentages are of this dose"
        for drug_class, original in record.original.items()
        if drug_class in taken
    ]


def _original_shown(record: PatientRecord) -> dict[str, dict[str, Any]]:
    """Original dose of each class, for JSON."""
    return {
        drug_class: {
            "drugs": [
                {
                    "drug": slot.drug.drug,
                    "formulation": slot.drug.formulation,
                    "dose_mg_per_day": None if slot.drug.is_patch else slot.dose,
                    "dose_mcg_per_h": slot.dose if slot.drug.is_patch else None,
                }
                for slot in original.drugs
            ],
            "equivalents": None if original.drugs[0].drug.is_buprenorphine else round(original.equivalents, 6),
            "in_words": original.words,
            "why": original.why,
        }
        for drug_class, original in record.original.items()
    }


def _fastest_by_class(options: Sequence[Option], situation: Situation) -> list[str]:
    """Fastest offered pace of each class, fastest class first; nothing for a patient on one class."""
    if len(situation.classes) < 2:
        return []
    offered = [o for o in options if o.kind == "reduce" and not o.blocked]
    fastest = {c: max((o.pct_per_28d for o in offered if o.drug_class == c), default=0.0) for c in situation.classes}
    paces = [
        f"{c} {pct:g} % of original ({situation.original[c].words}) in 28 days" if pct else f"{c} none"
        for c, pct in sorted(fastest.items(), key=lambda item: -item[1])
    ]
    return [f"fastest reduction offered in each drug class: {'; '.join(paces)}"]


def _learned(posterior: Posterior | None, record: PatientRecord | None, n_reports: int) -> list[str]:
    """How far the check-ins narrowed each sensitivity, and the probability of opioid-induced hyperalgesia."""
    if posterior is None or record is None:
        return []
    sentences = []
    for name in posterior.prior.names:
        if not name.startswith("sigma_"):
            continue
        posterior_sd, prior_sd = _sds(posterior, name)
        narrowed_pct = 100.0 * (1.0 - posterior_sd / prior_sd)
        if n_reports == 0:
            sentences.append(
                f"{name}: no check-in yet: the pace follows from the population and does not exceed the preset"
            )
        elif narrowed_pct < 20.0:
            sentences.append(
                f"{name}: check-ins have reduced the posterior standard deviation by only {max(narrowed_pct, 0.0):.0f} "
                "%: a slow or short taper carries little information; the pace follows mostly from the population prior"
            )
        else:
            sentences.append(f"{name}: check-ins have reduced the posterior standard deviation by {narrowed_pct:.0f} %")
    if "b_opioid" in posterior.prior.names:
        chance = posterior.mean((posterior.of("b_opioid") < 0.0).astype(float))
        sentences.append(
            f"chance that the opioid raises this patient's pain in the long run (hyperalgesia): {100 * chance:.0f} %; "
            f"a suspicion only: pain that falls and stays lower weeks after a reduction would confirm it"
        )
    return sentences
