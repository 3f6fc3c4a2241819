"""Reference implementation of sections 3 and 4 in NumPy. Imports ``event_parameters``, ``equations``, ``reference``.

The steps of :func:`day`, in this order; each uses the results of those before it:

1. :func:`prescribe`: the ordered dose, or the dose held since a dropout or return; reductions.
2. :func:`take`: a lapse, on yesterday's craving and withdrawal; it changes the dose taken, never the prescribed one.
3. :func:`visit`: the appointment, if due; the care delivered until the next.
4. ``reference.day``: medicines and the person, sections 1 and 2.
5. :func:`leave_or_return`: dropout and return to a higher dose; they freeze the dose from tomorrow.
6. :func:`harms`: crisis, overdose, seizure, urgent visit; after a death the dose is 0 from tomorrow.
7. :func:`check_in`: the reports, if a check-in is due and not missed; none after dropout or death.
8. :func:`add_up`: the sums over days alive, which include the day of death.

A person has the same random draws under every protocol (:func:`draw`). An event occurs if its uniform is below its
probability; a nested event (a lapse to more, a fatal overdose) is a smaller part of the same interval. Arrays run
over people in the first axis and over drug classes, disciplines or instruments in the second.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taper_sim import rng
from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.model import equations as eq
from taper_sim.model import reference
from taper_sim.model.day import LifeDraws
from taper_sim.model.event_parameters import SLOW_STREAMS, STREAMS
from taper_sim.model.reference import PersonParameters, State

Sums = dict[str, Floats]

#: Uniforms of a day, in the order in which they are drawn.
UNIFORMS = ("dropout", "return", "lapse", "crisis", "overdose", "seizure", "urgent", "miss", "visit")


@dataclass(frozen=True)
class Chance:
    """Parameters of events, appointments and check-ins, one row a person.

    Attributes
    ----------
    scalar : dict of str to ndarray (n,)
        Every symbol of ``event_parameters.CHANCE_TABLE``.
    hazard : dict of str to ndarray (n,)
        Fixed part of the log daily hazard, intercept and risk flags, of each of ``event_parameters.EVENTS`` and of
        ``withdrawal_visit``.
    imposed : ndarray, (n,)
        1 where cuts are imposed, 0 where they are agreed.
    apnoea : ndarray, (n,)
        Shift of the respiratory excess by sleep-disordered breathing, effect units.
    fatal : ndarray, (n,)
        Share of overdoses that kill, naloxone at home included.
    risk_dose : ndarray, (n,)
        1 where the opioid dose counts as MME, 0 on buprenorphine.
    more_share : ndarray, (n,)
        Share of lapses above the baseline dose.
    s0, noise, steps0 : ndarray, (n,)
        SOWS-Gossop without withdrawal (points), factor on the noise, log of a day's steps.
    miss_fixed, noshow_fixed : ndarray, (n,)
        Log odds of a missed check-in and of a missed visit, after one that was not missed.
    target : ndarray of int, (n,)
        The class being tapered: 0, 1 or 2.
    checkin_every, visit_every : ndarray, (n,)
        Days between check-ins and between visits, 0 for never. Visits start on day 1.
    planned : ndarray, (n, 6)
        Planned visits of each discipline, share of full care.
    supply : ndarray, (n,)
        Share of the prescribed dose that is at home: 1, or 0 in a gap between prescriptions.
    """

    scalar: dict[str, Floats]
    hazard: dict[str, Floats]
    imposed: Floats
    apnoea: Floats
    fatal: Floats
    risk_dose: Floats
    more_share: Floats
    s0: Floats
    noise: Floats
    steps0: Floats
    miss_fixed: Floats
    noshow_fixed: Floats
    target: Ints
    checkin_every: Floats
    visit_every: Floats
    planned: Floats
    supply: Floats


@dataclass(frozen=True)
class EventState:
    """State at the end of a day, the input of the next.

    Attributes
    ----------
    body : reference.State
        Sections 1 and 2.
    prescribed, held, before_cut : ndarray, (n, 3)
        Dose prescribed today, held while ``frozen``, and prescribed before the last cut; equivalents a day.
    last_cut : ndarray of int, (n,)
        Class cut last (the last of them on one day).
    V : ndarray, (n,)
        Recent cut, share of the baseline dose.
    lapse_days_left : ndarray, (n,)
        Remaining days of clustered lapses.
    alive, in_care, frozen, missed, missed_visit : ndarray of bool, (n,)
    delivered : ndarray, (n, 6)
        Care delivered ÷ planned in the running interval between visits.
    slow : ndarray, (n, 4)
        Slow noise of ``SLOW_STREAMS``, sd 1.
    dropout_day, return_day, stop_day, death_day : ndarray, (n,)
        0 before the event; ``stop_day`` is the first day without the class being tapered.
    sums : dict of str to ndarray
        Since day 0, under the names of ``model.compiled.rows`` in lower case.
    """

    body: State
    prescribed: Floats
    held: Floats
    before_cut: Floats
    last_cut: Ints
    V: Floats
    lapse_days_left: Floats
    alive: Bools
    in_care: Bools
    frozen: Bools
    missed: Bools
    missed_visit: Bools
    delivered: Floats
    slow: Floats
    dropout_day: Floats
    return_day: Floats
    stop_day: Floats
    death_day: Floats
    sums: Sums


@dataclass(frozen=True)
class Draw:
    """Random draws of a day: day factor, uniforms of ``UNIFORMS`` and normals of life outside the taper, (n,) each.

    White normals are (n, 8), slow ones (n, 4): those of ``SLOW_STREAMS``.
    """

    day_factor: Floats
    white: Floats
    slow: Floats
    life: LifeDraws
    uniform: dict[str, Floats]


def draw(seed: int, keys: NDArray[np.uint64], number: int) -> Draw:
    """Random draws of people on one day: five calls of four normals, then three of four uniforms."""
    normals: list[Floats] = []
    for call in range(5):
        w0, w1, w2, w3 = rng.words(seed, keys, number, call)
        normals += [*rng.normal_pair(w0, w1), *rng.normal_pair(w2, w3)]
    uniforms = [rng.uniform(word) for call in (5, 6, 7) for word in rng.words(seed, keys, number, call)]
    slow = 1 + len(STREAMS)
    life = slow + len(SLOW_STREAMS)
    return Draw(
        normals[0],
        np.stack(normals[1:slow], axis=1),
        np.stack(normals[slow:life], axis=1),
        LifeDraws(*normals[life : life + len(LifeDraws._fields)]),
        dict(zip(UNIFORMS, uniforms, strict=False)),
    )


def no_draw(n: int) -> Draw:
    """Draws without events, missing reports, noise or shocks."""
    none = np.zeros(n)
    return Draw(
        none,
        np.zeros((n, len(STREAMS))),
        np.zeros((n, len(SLOW_STREAMS))),
        LifeDraws(none, none, none, none, none, none),
        {name: np.ones(n) for name in UNIFORMS},
    )


def start(person: PersonParameters, dose: Floats) -> EventState:
    """State of day 0, at the dose of day 0 (equivalents a day, (n, 3)): alive, in care, nothing missed."""
    body = reference.start(person, dose)
    n = len(dose)
    none, no, yes = np.zeros(n), np.zeros(n, dtype=bool), np.ones(n, dtype=bool)
    return EventState(
        body=body,
        prescribed=body.dose,
        held=np.zeros((n, 3)),
        before_cut=body.dose,
        last_cut=np.argmax(person.taken, axis=1),
        V=none,
        lapse_days_left=none,
        alive=yes,
        in_care=yes,
        frozen=no,
        missed=no,
        missed_visit=no,
        delivered=np.zeros((n, 6)),
        slow=np.zeros((n, len(SLOW_STREAMS))),
        dropout_day=none,
        return_day=none,
        stop_day=none,
        death_day=none,
        sums={},
    )


def day(
    person: PersonParameters, chance: Chance, record: EventState, ordered: Floats, draws: Draw, number: int
) -> tuple[EventState, Floats]:
    """Advance one day.

    Parameters
    ----------
    person, chance : PersonParameters, Chance
        Parameters of n people.
    record : EventState
        At the end of yesterday.
    ordered : ndarray, (n, 3)
        Dose that the protocol orders for today, equivalents.
    draws : Draw
        Result of :func:`draw` or :func:`no_draw`.
    number : int
        Number of the day; day 0 is the start.

    Returns
    -------
    EventState
        At the end of today.
    ndarray, (n, 8)
        Reports in the order of ``event_parameters.STREAMS``, NaN where missing.
    """
    alive_this_morning = record.alive
    yesterday = record.prescribed
    record = prescribe(person, chance, record, ordered)
    record, dose, happened = take(chance, record, draws)
    record, visits = visit(chance, record, draws, number)
    prescribed = (yesterday, record.prescribed)
    body = reference.day(person, record.body, dose, record.delivered, prescribed, draws.life)
    record = replace(record, body=body)
    record = leave_or_return(chance, record, draws, number)
    record, harmed = harms(chance, record, draws, number)
    record, reports, checkins = check_in(person, chance, record, draws, number)
    happened |= visits | harmed | checkins
    return add_up(person, chance, record, happened, alive_this_morning, number), reports


# -- the steps of a day ------------------------------------------------------------------------------------------------


def prescribe(person: PersonParameters, chance: Chance, record: EventState, ordered: Floats) -> EventState:
    """Dose prescribed today, and what recent cuts come to: the largest cut of a class less the largest rise."""
    dose = np.where(record.frozen[:, None], record.held, ordered) * record.alive[:, None]
    cut = dose < record.prescribed
    share = reference.cut_shares(person, _start(record).dose, record.prescribed, dose)
    net = np.maximum(share.max(axis=1), 0.0) + np.minimum(share.min(axis=1), 0.0)
    last_cut = record.last_cut
    for k in range(3):
        last_cut = np.where(cut[:, k], k, last_cut)
    return replace(
        record,
        prescribed=dose,
        before_cut=np.where(cut, record.prescribed, record.before_cut),
        last_cut=last_cut,
        V=np.maximum(eq.recent_cut(record.V, np.exp(-1.0 / chance.scalar["tau_V"]), net), 0.0),
    )


def take(chance: Chance, record: EventState, draws: Draw) -> tuple[EventState, Floats, Sums]:
    """Dose taken today, (n, 3): the prescribed one, or on a lapse the one before the last cut, the baseline or more.

    A lapse has the same of these levels in each class, and only raises a dose; it counts if any class exceeds its
    prescribed dose. Without a supply at home nothing is taken, except on a lapse, whose dose has another source.
    """
    s, body, zero = chance.scalar, record.body, _start(record)
    h = np.exp(
        eq.log_hazard_lapse(
            chance.hazard["lapse"],
            body.c_felt,
            body.w_felt,
            (record.lapse_days_left > 0) * 1.0,
            eq.recent_weight(record.V, s["v_half"]),
            s["lapse_c"],
            s["lapse_w"],
            s["lapse_cluster"],
            s["causal_share"] * s["lapse_v"],
        )
    )
    p, u = _probability(h, record.alive), draws.uniform["lapse"]
    more = chance.more_share
    previous = (1.0 - more) * s["lapse_previous"] / (1.0 - s["lapse_more"])
    to = np.where((u < p * (more + previous))[:, None], record.before_cut, zero.dose)
    to = np.where((u < p * more)[:, None], s["lapse_more_dose"][:, None] * zero.dose, to)
    above = (u < p)[:, None] & (to > record.prescribed)
    lapse = above.any(axis=1)
    left = np.where(lapse, s["lapse_cluster_days"], np.maximum(record.lapse_days_left - 1.0, 0.0))
    dose = np.where(above, to, record.prescribed * chance.supply[:, None])
    return replace(record, lapse_days_left=left), dose, {"lapses": lapse * 1.0, "sum_dose": dose}


def visit(chance: Chance, record: EventState, draws: Draw, number: int) -> tuple[EventState, Sums]:
    """Appointment, if due: kept or missed. Its care lasts until the next; out of care nothing is delivered."""
    s = chance.scalar
    in_care = record.in_care & record.alive
    due = _due(number - 1, chance.visit_every) & in_care
    logit = eq.missed_visit_logit(
        chance.noshow_fixed, record.missed_visit * 1.0, record.body.N, s["noshow_missed"], s["noshow_n"]
    )
    missed = draws.uniform["visit"] < _share(logit)
    delivered = np.where(due[:, None], chance.planned * ~missed[:, None], record.delivered) * in_care[:, None]
    record = replace(record, missed_visit=np.where(due, missed, record.missed_visit), delivered=delivered)
    return record, _as_floats({"visits_planned": due, "visits_kept": due & ~missed})


def leave_or_return(chance: Chance, record: EventState, draws: Draw, number: int) -> EventState:
    """Dropout and return to a higher dose. The first of them holds the dose from tomorrow to the end.

    A dropout holds today's prescribed dose; a return restores ``return_share`` of the reduction, and can occur only
    below the baseline dose while no dose is held.
    """
    s, body, zero = chance.scalar, record.body, _start(record)
    w_felt, m_bar, p_bar = body.w_felt, body.m_bar, body.p_bar
    forced = chance.imposed * eq.recent_weight(record.V, s["v_half"])
    h = np.exp(
        eq.log_hazard_dropout(
            chance.hazard["dropout"],
            w_felt,
            m_bar,
            body.N,
            forced,
            s["dropout_w"],
            s["dropout_m"],
            s["dropout_n"],
            s["dropout_imposed"],
        )
    )
    leaves = (draws.uniform["dropout"] < _probability(h, record.alive)) & record.in_care
    h = np.exp(
        eq.log_hazard_return(chance.hazard["return"], w_felt, m_bar, p_bar, s["return_w"], s["return_m"], s["return_p"])
    )
    below = (record.prescribed < zero.dose).any(axis=1)
    returns = (draws.uniform["return"] < _probability(h, record.alive)) & below & ~record.frozen
    back = np.where(returns, s["return_share"], 0.0)[:, None]
    held = record.prescribed + back * (zero.dose - record.prescribed)
    freezes = (leaves | returns) & ~record.frozen
    tapered = np.take_along_axis(record.prescribed, chance.target[:, None], axis=1)[:, 0]
    stops = (tapered == 0.0) & (record.stop_day == 0.0) & record.alive
    return replace(
        record,
        held=np.where(freezes[:, None], held, record.held),
        frozen=record.frozen | freezes,
        in_care=record.in_care & ~leaves,
        dropout_day=np.where(leaves, number, record.dropout_day),
        return_day=np.where(returns, number, record.return_day),
        stop_day=np.where(stops, number, record.stop_day),
    )


def harms(chance: Chance, record: EventState, draws: Draw, number: int) -> tuple[EventState, Sums]:
    """Crisis, overdose, seizure and urgent visit of today; a suicide or a fatal overdose is a death."""
    s, body, zero, u, fixed = chance.scalar, record.body, _start(record), draws.uniform, chance.hazard
    alive = record.alive
    w_felt, m_bar, p_bar = body.w_felt, body.m_bar, body.p_bar

    recent, per_recent = eq.recent_weight(record.V, s["v_half"]), s["causal_share"] * s["crisis_v"]
    h = np.exp(eq.log_hazard_crisis(fixed["crisis"], m_bar, w_felt, recent, s["crisis_m"], s["crisis_w"], per_recent))
    p_crisis = _probability(h, alive)
    suicide = u["crisis"] < p_crisis * s["crisis_fatal"]

    root_dose = np.sqrt(body.dose[:, 0]) * chance.risk_dose
    by_dose = np.exp(
        eq.log_hazard_overdose(
            fixed["overdose"],
            root_dose,
            recent * (body.dose.sum(axis=1) > 0.0),
            s["overdose_dose"],
            s["overdose_v"],
            s["causal_share"],
        )
    )
    excess = eq.respiratory_excess(
        body.E[:, 0],
        body.E[:, 1],
        body.E[:, 2],
        chance.apnoea,
        body.R,
        s["excess_benzodiazepine"],
        s["excess_gabapentinoid"],
    )
    ratio = np.exp(eq.log_ratio_excess(excess, s["overdose_excess"], s["overdose_excess_most"]))
    with_excess = eq.with_ceiling(by_dose * ratio, s["overdose_most"])
    p_overdose = _probability(with_excess, alive)
    killed = u["overdose"] < p_overdose * chance.fatal

    h_seizure = np.exp(
        eq.log_hazard_seizure(
            fixed["seizure"], body.W[:, 1], body.W[:, 2], zero.E[:, 2], s["seizure_w"], s["seizure_g"]
        )
    )
    h_other = np.exp(eq.log_hazard_urgent(fixed["urgent"], p_bar, m_bar, s["urgent_p"], s["urgent_m"]))
    h_visit = np.exp(eq.log_hazard_withdrawal_visit(fixed["withdrawal_visit"], w_felt, s["visit_w"]))

    p_seizure, p_urgent = _probability(h_seizure, alive), _probability(h_other + h_visit, alive)
    p_visit = _probability(h_visit, alive)
    dies = suicide | killed
    happened: dict[str, Any] = {
        "expected_crises": p_crisis,
        "expected_overdoses": p_overdose,
        "expected_seizures": p_seizure,
        "expected_urgent": p_urgent,
        "expected_withdrawal_visits": p_visit,
        "expected_deaths": p_crisis * s["crisis_fatal"] + p_overdose * chance.fatal,
        "crises": u["crisis"] < p_crisis,
        "attempts": u["crisis"] < p_crisis * s["crisis_suicidal"],
        "suicide_deaths": suicide,
        "overdoses": u["overdose"] < p_overdose,
        "overdose_deaths": killed,
        "hazard_dose": with_excess / ratio * alive,
        "hazard_excess": (with_excess - with_excess / ratio) * alive,
        "seizures": u["seizure"] < p_seizure,
        "urgent": u["urgent"] < p_urgent,
        "withdrawal_visits": u["urgent"] < p_visit,
    }
    record = replace(record, alive=alive & ~dies, death_day=np.where(dies, number, record.death_day))
    return record, _as_floats(happened)


def check_in(
    person: PersonParameters, chance: Chance, record: EventState, draws: Draw, number: int
) -> tuple[EventState, Floats, Sums]:
    """Reports of today, (n, 8). The slow noise advances every day, with or without a check-in."""
    s, body, base = chance.scalar, record.body, person.baseline
    due = _due(number, chance.checkin_every) & record.in_care & record.alive
    logit = eq.missing_logit(
        chance.miss_fixed,
        record.missed * 1.0,
        draws.day_factor,
        body.m_bar,
        s["miss_missed"],
        s["miss_bad"],
        s["miss_m"],
    )
    missed = draws.uniform["miss"] < _share(logit)

    weekend = 1.0 if number % 7 >= 5 else 0.0
    u_bar, i_bar, p_bar = body.U - base["function"], body.I - base["insomnia"], body.P - base["pain"]
    w_last = np.take_along_axis(body.W, record.last_cut[:, None], axis=1)[:, 0]
    mean = {
        "sows_gossop": _log_sows(person, chance, body),
        "pain_nrs": eq.pain_report_mean(body.P, body.X, s["pain_report_x"]),
        "mood_item": 10.0 * body.M,
        "sleep_item": 10.0 * body.I,
        "function": eq.function_report_mean(body.U, body.X, s["function_report_x"]),
        "withdrawal_item": np.log(1.0 + s["item_0"] + 10.0 * w_last),
        "steps": eq.log_steps_mean(
            chance.steps0, u_bar, i_bar, p_bar, weekend, s["steps_u"], s["steps_i"], s["steps_p"], s["steps_weekend"]
        ),
        "sleep_hours": eq.sleep_hours_mean(s["hours_0"], i_bar, weekend, s["hours_i"], s["hours_weekend"]),
    }
    slow, reports = np.empty_like(record.slow), np.full((len(due), len(STREAMS)), np.nan)
    for place, k in enumerate(SLOW_STREAMS):
        decay = np.exp(-1.0 / STREAMS[k].tau_d)
        slow[:, place] = eq.slow_noise(record.slow[:, place], decay, np.sqrt(1.0 - decay**2), draws.slow[:, place])
    for k, stream in enumerate(STREAMS):
        noise = eq.report_noise(
            chance.noise,
            stream.white,
            stream.slow,
            np.sqrt(1.0 - stream.shared**2),
            stream.shared,
            draws.white[:, k],
            draws.day_factor,
            slow[:, SLOW_STREAMS.index(k)] if k in SLOW_STREAMS else 0.0,
        )
        value = mean[stream.instrument] + noise
        if stream.instrument in ("sows_gossop", "withdrawal_item"):
            value = np.exp(value) - 1.0
        elif stream.instrument == "steps":
            value = np.exp(value)
        tenths = 10.0 if stream.instrument == "sleep_hours" else 1.0
        rounded = np.floor(np.clip(tenths * value, tenths * stream.low, tenths * stream.high) + 0.5) / tenths
        reports[:, k] = np.where(due & ~missed, rounded, np.nan)
    record = replace(record, missed=np.where(due, missed, record.missed), slow=slow)
    return record, reports, _as_floats({"checkins_due": due, "checkins_done": due & ~missed})


def add_up(
    person: PersonParameters, chance: Chance, record: EventState, happened: Sums, alive_this_morning: Bools, number: int
) -> EventState:
    """Add the day to the sums of those alive on its morning; update the largest W and the days of first events.

    Withdrawal is counted as felt, pain, distress, insomnia and function within their scales.
    """
    body, before = record.body, record.sums
    lived = alive_this_morning * 1.0
    log_sows, w_felt = _log_sows(person, chance, body), np.clip(body.w_felt, 0.0, 1.0)
    today: Sums = happened | {
        "sum_dose": happened["sum_dose"] * lived[:, None],
        "days": lived,
        "in_care_days": lived * record.in_care,
        "sum_prescribed": np.take_along_axis(record.prescribed, chance.target[:, None], axis=1)[:, 0] * lived,
        "sum_w_class": body.W * lived[:, None],
        "sum_w": w_felt * lived,
        "over_limit": (w_felt > chance.scalar["limit_w"]) * lived,
        "sum_x": body.X * lived,
        "sum_sows": (np.exp(log_sows) - 1.0) * lived,
        "sum_log_sows": log_sows * lived,
        "sum_p": reference.within("pain", body.P) * lived,
        "sum_m": reference.within("distress", body.M) * lived,
        "sum_i": reference.within("insomnia", body.I) * lived,
        "sum_u": reference.within("function", body.U) * lived,
    }
    sums = {name: before.get(name, 0.0) + values for name, values in today.items()}
    sums["max_w"] = np.maximum(before.get("max_w", 0.0), w_felt * lived)
    for first, event in (("first_overdose", "overdoses"), ("first_crisis", "crises"), ("first_urgent", "urgent")):
        earlier = before.get(first, np.zeros(len(lived)))
        sums[first] = np.where((happened[event] > 0) & (earlier == 0), float(number), earlier)
    return replace(record, sums=sums)


# -- small parts -------------------------------------------------------------------------------------------------------


def _log_sows(person: PersonParameters, chance: Chance, body: State) -> Floats:
    """Mean of ``log(1 + SOWS-Gossop)`` today, (n,)."""
    s, base = chance.scalar, person.baseline
    mean = eq.sows_mean(chance.s0, body.W[:, 0], body.X, s["sows_w"])
    shift = eq.sows_shift(
        body.P - base["pain"],
        body.M - base["distress"],
        body.I - base["insomnia"],
        s["sows_p"],
        s["sows_m"],
        s["sows_i"],
    )
    return np.asarray(np.log(1.0 + mean) + shift)


def _as_floats(values: dict[str, Any]) -> Sums:
    return {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}


def _start(record: EventState) -> State:
    zero = record.body.at_start
    if zero is None:
        raise ValueError("the record has no start; create it with start()")
    return zero


def _probability(hazard: Floats, alive: Bools) -> Floats:
    """Probability of an event in a day, ``1 - e^(-h)``; 0 after death."""
    return (1.0 - np.exp(-hazard)) * alive


def _share(logit: Floats) -> Floats:
    """Probability from log odds."""
    odds = np.exp(logit)
    return np.asarray(odds / (1.0 + odds))


def _due(number: int, every: Floats) -> Bools:
    """Whether a day is a whole number of intervals from the first; an interval of 0 means never."""
    turns = number / np.where(every > 0, every, 1.0)
    return np.asarray((np.floor(turns) == turns) & (every > 0))
