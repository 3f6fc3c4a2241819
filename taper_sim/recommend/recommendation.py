"""One patient's recommendation: red flags, ceilings, options, the fastest that keeps every limit, or an abstention.

Imports ``inference``, ``safety``, ``data`` and the other modules of ``recommend``. :func:`recommend` gives the order of
the steps. docs/how-to/recommend.md defines each output field. The answer depends on the records and the seed alone, not
on earlier calls.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

from taper_sim.array_types import Floats
from taper_sim.data.doses import one_scale_problem
from taper_sim.data.patient import Patient
from taper_sim.data.reading import record_notes
from taper_sim.data.records import History, unread_lines
from taper_sim.inference import course as at
from taper_sim.inference.blas_threads import one_blas_thread
from taper_sim.inference.calibrated_prior import population_for_advice
from taper_sim.inference.event_risk import event_draws, overdose_ratio, simulated_patient
from taper_sim.inference.observation import BY_NAME
from taper_sim.inference.own_noise import POPULATION_NOISE, OwnNoise, refitted, with_own_noise
from taper_sim.inference.past_forecasts import past_forecasts_of
from taper_sim.inference.population.people import TRAIT_FLAGS, traits_of
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of
from taper_sim.inference.predictive_checks import predictive_checks_of
from taper_sim.inference.prior import PopulationPrior, prior_of
from taper_sim.inference.record import NoDoseHistory, PatientRecord, record_of, regimen_of, reports_for, used_by_model
from taper_sim.inference.underreporting import posterior_under_underreporting, read_as_underreported
from taper_sim.recommend.answer import AnswerInputs, RecommendationFields
from taper_sim.recommend.back_in_a_year import better_back
from taper_sim.recommend.barred_options import barred
from taper_sim.recommend.choice import Rolled, choose, courses_of, keeps_limits, roll, situation_of
from taper_sim.recommend.destination import destinations_of
from taper_sim.recommend.gentlest_steps import in_smallest_steps
from taper_sim.recommend.headline import pause_reason
from taper_sim.recommend.next_cut import MORE_LIKELY_THAN_NOT, chances_of_hurt, more_likely_than_not
from taper_sim.recommend.options import Option, options_of
from taper_sim.recommend.own_plan import Ground, Weighed
from taper_sim.recommend.past_cuts import blame_of
from taper_sim.recommend.rating_asked import rating_asked, with_choices
from taper_sim.recommend.value_of_information import value_of_next_week
from taper_sim.recommend.way_back import ways_back, worse_since_taper
from taper_sim.recommend.whether_to_taper import whether_to_taper
from taper_sim.recommend.written_schedule import acetaminophen_words
from taper_sim.safety.limits import Limits
from taper_sim.safety.red_flags import JudgedRules, judge
from taper_sim.safety.variables import Values

POSTERIOR_DRAWS: Final = 2048
MORE_DRAWS: Final = 8
"""Factor on the number of draws if the importance weights of the first sample fail the diagnostics. This happens for a
year or more of daily reports, whose drift has many segments. A design choice: the second sample costs seconds."""


def evidence_of(
    record: PatientRecord,
    horizon: int,
    failed_tapers: int,
    baseline: Mapping[str, float] | None,
    population: PopulationPrior,
    fixed: Mapping[str, Any],
    flags: Mapping[str, bool] | None = None,
) -> tuple[Evidence, list[str], int]:
    """Evidence for the posterior, notes on the reports that were not used, and the number of reports that were."""
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
    fixed_couplings = {s: float(v) for s, v in fixed.items() if s in at.COUPLINGS and not isinstance(v, Mapping)}
    shared = at.couplings(record.buprenorphine, **fixed_couplings)
    reports = reports_for(record, used, record.n_days, baseline or {})
    return Evidence(prior, shared, regimen_of(record), reports), notes, len(used)


def recommend(
    history: History,
    as_of: date,
    *,
    patient: Patient | None = None,
    population: PopulationPrior | None = None,
    limits: Limits | None = None,
    seed: int = 0,
    draws: int = POSTERIOR_DRAWS,
) -> RecommendationFields:
    """Recommend an option for one patient from tomorrow on.

    Parameters
    ----------
    history : History
        All records; rows that were not known on ``as_of`` are ignored.
    as_of : date
    patient : Patient, optional
        Baseline assessment, risk factors, answers.
    population : PopulationPrior, optional
        Prior of the patient's values; by default that about the centres fitted to published results.
    limits : Limits, optional
    seed : int
        Seed of the draws.
    draws : int
        Number of posterior draws, a power of two; :data:`MORE_DRAWS` times as many if these fail the diagnostics.

    Returns
    -------
    RecommendationFields
        ``urgent`` with the person to call and no options; ``abstain`` with its reasons; or ``recommend``.
    """
    weighed = weigh(history, as_of, patient=patient, population=population, limits=limits, seed=seed, draws=draws)
    return weighed.answer


@one_blas_thread
def weigh(
    history: History,
    as_of: date,
    *,
    patient: Patient | None = None,
    population: PopulationPrior | None = None,
    limits: Limits | None = None,
    seed: int = 0,
    draws: int = POSTERIOR_DRAWS,
) -> Weighed:
    """The recommendation, with what a plan of a clinician's own is projected from; parameters of :func:`recommend`."""
    limits, prior = limits or Limits(), population or population_for_advice()
    history_then = history.as_of(as_of)
    history_then = replace(history_then, notes=(*history_then.notes, *record_notes(history_then)))
    values = Values(history_then, as_of, {"reduction_planned": 1.0}, limits=limits)
    judged = judge(values, limits.acknowledged)
    whether = whether_to_taper(values, limits)
    cuts = tuple(values.felt_cuts())
    rating = rating_asked(history_then, cuts, as_of)
    answer = AnswerInputs(
        history_then, as_of, judged, limits, prior, seed, whether, notes=history_then.notes, cuts=cuts, rating=rating
    )
    if judged.urgent:
        return Weighed(answer.urgent())
    if judged.unconfirmed:
        return Weighed(answer.abstain([_UNCONFIRMED]))
    beyond = out_of_scope(history_then, values)
    if beyond:
        return Weighed(answer.abstain(beyond))
    try:
        record = record_of(history_then, as_of, patient)
    except NoDoseHistory as error:
        return Weighed(answer.abstain([f"cannot build a dose history: {error}"]))
    if not record.now:
        nothing = replace(answer, record=record, notes=record.notes)
        return Weighed(nothing.abstain([_nothing_taken(judged, history_then)]))
    failed = patient.risk.failed_tapers if patient is not None else 0
    baseline = patient.baseline.model_dump(exclude_unset=True) if patient is not None else None
    fixed = {} if patient is None else patient.parameters
    flags = (
        {}
        if patient is None
        else {name: bool(getattr(patient.risk, name)) for name in TRAIT_FLAGS if name in patient.risk.model_fields_set}
    )

    own: OwnNoise = POPULATION_NOISE

    def evidence_for(known: PatientRecord) -> tuple[Evidence, list[str], int]:
        evidence, notes, n_reports = evidence_of(known, limits.horizon_days, failed, baseline, prior, fixed, flags)
        return replace(evidence, reports=with_own_noise(evidence.reports, own)), notes, n_reports

    def posterior_for(evidence: Evidence) -> Posterior:
        posterior = posterior_of(evidence, draws, seed)
        return posterior if posterior.converged else posterior_of(evidence, MORE_DRAWS * draws, seed)

    evidence, notes, n_reports = evidence_for(record)
    posterior = posterior_for(evidence)
    scattered = _scattered(posterior)
    checks = predictive_checks_of(evidence, posterior, seed)
    if posterior.converged and not scattered:
        own, posterior, checks = refitted(evidence, posterior, checks, posterior_for, seed)
        evidence = replace(evidence, reports=with_own_noise(evidence.reports, own))
    answer = replace(
        answer,
        record=record,
        posterior=posterior,
        checks=checks,
        n_reports=n_reports,
        notes=(*record.notes, *notes, *acetaminophen_words(record.now)),
    )
    if not posterior.converged:
        return Weighed(
            answer.abstain(
                [
                    "the calculation is not reliable for this record (its diagnostics fail): the model makes no "
                    "prediction"
                ],
                without_forecast=True,
            )
        )
    misfit = [*checks.reasons, *scattered]
    if misfit:
        why = [*misfit, "the model does not describe this patient's reports: it makes no prediction"]
        return Weighed(answer.abstain(why, without_forecast=True))
    situation = situation_of(record, failed, limits)
    ways = ways_back(situation, limits)
    better = better_back(record, situation, posterior, evidence, limits, ways)
    worse = {c: worse_since_taper(cuts, situation, c) or _better_at_former_dose(better.get(c, ())) for c in ways}
    options = [
        barred(o, judged, values, situation, n_reports)
        for o in options_of(situation, limits, limits.horizon_days, worse)
    ]
    person = simulated_patient(record.now, patient, {n: values.value(n) for n in _FOR_RISK}, history.patient_id)
    events = event_draws(person, seed, ratio=overdose_ratio(values))
    rolled = roll(record, situation, posterior, evidence, events, options, limits, seed)
    maintain = "" if judged.holding else "; ".join(f"{f.flag}: {f.action}" for f in judged.maintained)
    pause = pause_reason(judged)
    hurt = chances_of_hurt(record, situation, posterior, evidence, options, cuts, limits, seed)
    hurting = more_likely_than_not(hurt)
    by_default = [o for o in options if not o.needs]

    def choice_under(rolled: Mapping[str, Rolled], of_options: Sequence[Option]) -> tuple[str, list[str]]:
        """Name of the chosen option, and the reasons."""
        choice = choose(rolled, of_options, limits, maintain, pause, hurting)
        return whether.applied(in_smallest_steps(choice, of_options, rolled, situation, limits, hurting), rolled)

    chosen, reasons = choice_under(rolled, by_default)
    candidates = [o for o in options if o.rolled and not o.blocked and o.kind in ("hold", "step_back", "reduce")]
    candidates = [o for o in candidates if not o.needs]
    options = [_limited(o, rolled, limits) for o in options]
    underreported = posterior_under_underreporting(evidence, seed) if rolled[chosen].option.kind == "reduce" else None
    if underreported is not None:
        hold_and_chosen = [rolled["hold"].option, rolled[chosen].option]
        reread = read_as_underreported(evidence)
        rolled_again = roll(record, situation, underreported, reread, events, hold_and_chosen, limits, seed)
        answer = replace(answer, if_underreported=rolled_again[chosen].chances["p_withdrawal_over"])

    def chooser(draws: Posterior) -> Callable[[Floats], str]:
        """Choose without Monte Carlo margins: reweighting widens them, and the choice must not depend on that."""
        courses = courses_of(record, situation, draws.values(), evidence, events, candidates, limits, seed)

        def chosen_under(weights: Floats) -> str:
            reweighted = courses.under(weights, intervals=False)
            exact = {name: replace(r, mc_error=dict.fromkeys(r.mc_error, 0.0)) for name, r in reweighted.items()}
            return choice_under(exact, candidates)[0]

        return chosen_under

    if not (judged.holding or maintain or limits.maintain):
        answer = replace(answer, destinations=destinations_of(record, situation, posterior, evidence, limits))
    if any(o.kind == "reduce" for o in candidates):
        answer = replace(answer, after_a_week=value_of_next_week(record, evidence, posterior, chooser, seed))
        if rating is not None:
            rated = with_choices(rating, record, lambda known: evidence_for(known)[0], posterior, chooser, seed)
            answer = replace(answer, rating=rated)
    cut_days = [(cut.day - record.start).days for cut in cuts]
    answer = replace(
        answer,
        hurt=hurt,
        blame=blame_of(record, evidence, posterior, cuts, limits, seed),
        past=tuple(past_forecasts_of(evidence, record.n_days, cut_days, seed)),
        worse=worse,
        better_back=better,
    )
    ground = Ground(
        record=record,
        situation=situation,
        judged=judged,
        values=values,
        limits=limits,
        n_reports=n_reports,
        posterior=posterior,
        evidence=evidence,
        events=events,
        cuts=cuts,
        seed=seed,
    )
    return Weighed(answer.recommended(situation, options, rolled, chosen, reasons), ground, tuple(options))


def _better_at_former_dose(rows: Sequence[Mapping[str, Any]]) -> str:
    """Why a higher dose is considered by the patient's values, the first set; empty if it is not."""
    if not rows or rows[0]["p_better"] <= MORE_LIKELY_THAN_NOT:
        return ""
    return f"better off at a former dose is more likely than not, by the values {rows[0]['values']}"


_NOTHING_TAKEN: Final = (
    "no dose is in force: nothing is left to reduce; withdrawal may continue for weeks, and tolerance is lost: a "
    "former dose can kill"
)
_STOPPED_ABRUPTLY: Final = (
    "no dose is in force: nothing is left to reduce, and the stop itself is the danger, of seizures: giving the {} "
    "back is what a clinician considers"
)
_NO_OPIOID_AGAIN: Final = "an opioid that was stopped is never begun again at its former dose"
_SEIZURES_AFTER_STOP: Final = {"bzd_abrupt_stop": "benzodiazepine", "gabapentinoid_step_too_large": "gabapentinoid"}
"""Flags of an abrupt stop that can bring seizures, with the class."""
_UNCONFIRMED: Final = (
    "nothing is offered from a dose that is not confirmed: ask which dose is right and correct the record, or let a "
    "named person acknowledge it"
)
_MOST_UNREAD_NAMED: Final = 5
_SCATTER_SD: Final = 3.3
"""Posterior mean of a person's noise, in prior sds, above which reports count as contradictory: 1 person in 2,000."""
_CONTRADICTION_SHARE: Final = 0.75
_CONTRADICTION_DAYS: Final = 3
_CONTRADICTION_WITHIN_D: Final = 28
"""Two reports of one instrument on one day contradict each other if they differ by 75 % of its scale. Three such days
within 28 days are a reason to abstain. Design choices."""
_FOR_RISK: Final = (
    "oud_criteria_count",
    "overdose_history",
    "seizure_history",
    "osa",
    "egfr",
    "crcl",
    "phq9",
    "age",
    "naloxone_at_home",
)


def _nothing_taken(judged: JudgedRules, history: History) -> str:
    """The reason to abstain for a person who takes nothing; an abrupt stop that can bring seizures has its own."""
    raised = {f.flag for f in judged.raised()}
    stopped = next((c for flag, c in _SEIZURES_AFTER_STOP.items() if flag in raised), "")
    if not stopped:
        return _NOTHING_TAKEN
    had_opioid = any(row.drug.drug_class == "opioid" for row in history.doses)
    return _STOPPED_ABRUPTLY.format(stopped) + (f"; {_NO_OPIOID_AGAIN}" if had_opioid else "")


def out_of_scope(history: History, values: Values) -> list[str]:
    """Reasons to abstain that follow from the records alone, before any computation."""
    reasons = list(history.barred)
    if values.value("pregnant") == 1.0:
        reasons.append("pregnancy: no pace is offered; call an obstetric and an addiction specialist today")
    age = values.value("age")
    if age is not None and age < 18:
        reasons.append("under 18 years: the model is for adults")
    reasons += _contradicted(history, values.as_of)
    unread = unread_lines(history.unread)
    reasons += [f"cannot build a dose history: {line}" for line in unread[:_MOST_UNREAD_NAMED]]
    if len(unread) > _MOST_UNREAD_NAMED:
        reasons.append(f"cannot build a dose history: {len(unread) - _MOST_UNREAD_NAMED} more reasons like these")
    scale_problem = one_scale_problem(history.doses)
    if scale_problem is not None:
        reasons.append(f"doses that cannot be converted: {scale_problem[0]}; {scale_problem[1]}")
    return reasons


def _contradicted(history: History, as_of: date) -> list[str]:
    """A reason for each instrument with contradictory reports of one day on three or more of the last 28 days."""
    scores: dict[str, dict[date, list[float]]] = {}
    for c in history.checkins:
        if c.instrument in BY_NAME and 0 <= (as_of - c.day).days < _CONTRADICTION_WITHIN_D:
            scores.setdefault(c.instrument, {}).setdefault(c.day, []).append(c.value)
    days = {}
    for name, by_day in sorted(scores.items()):
        least_gap = _CONTRADICTION_SHARE * (BY_NAME[name].high - BY_NAME[name].low)
        days[name] = sum(max(v) - min(v) >= least_gap for v in by_day.values())
    return [
        f"contradictory reports: on {n} of the last {_CONTRADICTION_WITHIN_D} days two reports of {name} differ by "
        f"{100 * _CONTRADICTION_SHARE:.0f} % of its scale or more: ask the patient which is right"
        for name, n in days.items()
        if n >= _CONTRADICTION_DAYS
    ]


def _scattered(posterior: Posterior) -> list[str]:
    """A reason to abstain if the reports scatter more than the model expects of any patient."""
    if "noise" not in posterior.prior.names:
        return []
    if posterior.mean(posterior.z[:, posterior.prior.names.index("noise")]) < _SCATTER_SD:
        return []
    factor = posterior.mean(posterior.of("noise"))
    return [f"contradictory reports: they scatter {factor:.1f} times as much as those of the median person"]


def _limited(option: Option, rolled: Mapping[str, Rolled], limits: Limits) -> Option:
    """The option; a reduction that exceeds a limit is blocked."""
    if option.kind != "reduce" or option.blocked or option.name not in rolled:
        return option
    broken = keeps_limits(rolled[option.name], rolled["hold"], limits)
    return replace(option, blocked="; ".join(broken)) if broken else option
