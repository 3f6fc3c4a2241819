"""The compiled day loop against the reference, to the bit against itself, and in vectors."""

import platform
import re
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest
from llvmlite.binding import get_host_cpu_features
from numba import njit
from numba.extending import register_jitable
from numba.np.unsafe.ndarray import to_fixed_tuple

from taper_sim import rng
from taper_sim.model import reference_events
from taper_sim.model.compiled import kernel, pipeline, rows
from taper_sim.model.compiled.kernel import advance
from taper_sim.model.event_parameters import CHANCE_TABLE, DECAYS, EVENTS, NOISE_SD, STREAMS  # CHECK
from taper_sim.model.life import N_LIFE
from taper_sim.model.parameters import TABLE, Parameter
from taper_sim.model.pharmacology import within_day_shape
from taper_sim.model.reference import PersonParameters
from taper_sim.model.reference_events import Chance, EventState

SEED = 0xF00D_CAFE_0123_4567
HAZARDS = (*EVENTS, "withdrawal_visit")
N_TILES = 5
N_COEFFICIENTS = len(rows.COEFFICIENTS)


# -- a random cohort ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class People:
    """A cohort for both: person ``k`` stands at ``(tile[k], lane[k])`` of the kernel's arrays."""

    person: PersonParameters
    chance: Chance
    dose: np.ndarray
    keys: np.ndarray
    tile: np.ndarray
    lane: np.ndarray

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, index: np.ndarray, tile: np.ndarray, lane: np.ndarray) -> "People":
        """Some of the people at other places."""

        def of(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: array[index] for name, array in value.items()}
            return value[index]

        person, chance = (
            type(part)(**{f.name: of(getattr(part, f.name)) for f in fields(part)})
            for part in (self.person, self.chance)
        )
        return People(person, chance, self.dose[index], self.keys[index], tile, lane)


def centres(q: Parameter, draws: np.ndarray) -> np.ndarray:
    """Somewhat different centres in each tile: a tile is a draw of the ensemble."""
    classes = ("opioid", "benzodiazepine", "gabapentinoid") if q.per_class else (None,)
    values = np.stack([q.centre(drug_class) * draws for drug_class in classes], axis=1)  # type: ignore[arg-type]
    return values if q.per_class else values[:, 0]


def random_people(seed: int = 0, *, n_tiles: int = N_TILES) -> People:
    """One to three classes, buprenorphine among them, with hazards so high that every event is met within weeks."""
    draws = np.random.default_rng(seed)
    full = np.repeat(np.arange(n_tiles), rows.LANES)
    lanes = np.tile(np.arange(rows.LANES), n_tiles)
    here = ~((full == n_tiles - 1) & (lanes >= 11))  # the last tile is padded
    tile, lane = full[here], lanes[here]
    n = len(tile)

    shared = {q.symbol: centres(q, draws.uniform(0.8, 1.25, n_tiles))[tile] for q in (*TABLE, *CHANCE_TABLE)}
    scalar = {symbol: values for symbol, values in shared.items() if values.ndim == 1}

    def log_normal(*shape: int, sd: float = 0.3) -> np.ndarray:
        return np.exp(draws.normal(0, sd, shape))

    scalar |= {symbol: scalar[symbol] * log_normal(n) for symbol in ("xi", "tau_X", "life")}
    dose = np.array([90.0, 15.0, 300.0]) * log_normal(n, 3, sd=0.5)
    number = draws.integers(1, 8, n)  # which classes are taken, as bits
    taken = (number[:, None] >> np.arange(3)) & 1 == 1
    ec50, tau_F = shared["EC50"] * log_normal(n, 3), shared["tau_F"] * log_normal(n, 3)
    buprenorphine = taken[:, 0] & (draws.random(n) < 0.2)
    dose[buprenorphine, 0], ec50[buprenorphine, 0], tau_F[buprenorphine, 0] = 12.0, 2.4, 10.0
    troughs = draws.choice([0.3, 0.46, 0.54, 0.7, 0.85, 0.97], (n, 3))
    person = PersonParameters(
        taken=taken,
        EC50=ec50,
        tau_F=tau_F,
        tau_L=shared["tau_L"] * log_normal(n, 3),
        omega=np.clip(shared["omega"], 0.1, 0.9),
        sigma=shared["sigma"] * log_normal(n, 3, sd=0.6),
        alpha=shared["alpha"],
        b=shared["b"] + draws.normal(0, 0.7, (n, 3)),
        beta=draws.normal(0, 1.0, (n, 3)),
        cut_reference=shared["cut_reference"],
        adjunct=draws.choice([0.0, 0.2], (n, 3)),
        effect_half_life_h=draws.uniform(2.0, 36.0, (n, 3)),
        shape=np.array([[within_day_shape(float(trough)) for trough in row] for row in troughs]),
        use_days=np.exp(draws.uniform(0, 8, (n, 3))),
        scalar=scalar,
        loads={load: shared[load] for load in ("p", "m", "i")},
        baseline={
            "pain": draws.uniform(2, 9, n),
            "distress": draws.uniform(0.1, 0.7, n),
            "insomnia": draws.uniform(0.1, 0.8, n),
            "function": draws.uniform(20, 70, n),
            "engagement": draws.uniform(0.4, 1, n),
            "craving": draws.uniform(0, 0.3, n),
        },
        life_start=draws.normal(0, 1, (n, N_LIFE)) * [1.3, 0.08, 0.12, 5.6, 0.0, 0.9],
        imposed=draws.random(n) < 0.4,
    )
    rate = {
        "dropout": 0.02,
        "return": 0.004,
        "lapse": 0.03,
        "crisis": 0.02,
        "overdose": 0.004,
        "seizure": 0.01,
        "urgent": 0.01,
        "withdrawal_visit": 0.01,
    }
    chance = Chance(
        scalar=scalar,
        hazard={event: np.log(rate[event]) + draws.normal(0, 0.3, n) for event in HAZARDS},
        imposed=person.imposed * 1.0,
        apnoea=np.where(draws.random(n) < 0.3, scalar["excess_apnoea"], 0.0),
        fatal=draws.uniform(0.05, 0.3, n),
        risk_dose=np.where(buprenorphine, 0.0, 1.0),
        more_share=draws.choice([0.15, 0.45], n),
        s0=2.5 * log_normal(n),
        noise=log_normal(n),
        steps0=draws.normal(8.2, 0.5, n),
        miss_fixed=draws.normal(-1.9, 0.4, n),
        noshow_fixed=draws.normal(-1.4, 0.4, n),
        target=np.argmax(taken, axis=1),
        checkin_every=draws.choice([0.0, 1.0, 3.0, 3.5, 7.0], n),
        visit_every=draws.choice([0.0, 7.0, 14.0, 28.0], n),
        planned=draws.uniform(0, 1, (n, 6)),
        supply=draws.choice([1.0, 1.0, 0.0], n),
    )
    return People(person, chance, dose * taken, draws.integers(0, 2**64, n, dtype=np.uint64), tile, lane)


# -- the cohort as the kernel's arrays ---------------------------------------------------------------------------------


class Run:
    """The kernel's arrays of a cohort, and its days."""

    def __init__(self, people: People, *, n_tiles: int = N_TILES, padding: float = 1.0) -> None:
        self.people = people
        shape = (n_tiles, rows.LANES)
        self.state = np.zeros((n_tiles, rows.N_STATE, rows.LANES))
        self.sums = np.zeros((n_tiles, rows.N_SUMS, rows.LANES))
        self.params = np.full((n_tiles, rows.N_PARAM, rows.LANES), padding)
        if padding != 1.0:
            self.state[:] = self.sums[:] = padding
        self.coefficients = np.ones((n_tiles, len(rows.COEFFICIENTS)))
        self.id_low, self.id_high = np.zeros(shape, dtype=np.uint64), np.zeros(shape, dtype=np.uint64)
        self.id_low[people.tile, people.lane], self.id_high[people.tile, people.lane] = rng.split(people.keys)
        self._fill_coefficients()
        self._fill_people()

    def put(self, array: np.ndarray, row: int, values: Any) -> None:
        """One row of everybody, or as many as ``values`` has columns."""
        table = np.asarray(values, dtype=np.float64).reshape(len(self.people), -1)
        for k in range(table.shape[1]):
            array[self.people.tile, row + k, self.people.lane] = table[:, k]

    def get(self, array: np.ndarray, row: int, columns: tuple[int, ...] = ()) -> np.ndarray:
        """A row of everybody, (n,), or several, (n, columns)."""
        wide = [array[self.people.tile, row + k, self.people.lane] for k in range(*(columns or (1,)))]
        return np.stack(wide, axis=1) if columns else wide[0]

    def _fill_coefficients(self) -> None:
        person, chance, tile = self.people.person, self.people.chance, self.people.tile
        values = person.scalar | chance.scalar
        for column, name in enumerate(rows.COEFFICIENTS):
            kind, _, rest = name.partition("_")
            if name in values:
                value = values[name]
            elif name in NOISE_SD:
                value = NOISE_SD[name]
            elif name in DECAYS:
                value = np.exp(-1.0 / values[DECAYS[name]])
            else:
                value = person.loads[kind][:, ("opioid", "benzodiazepine", "gabapentinoid").index(rest)]
            self.coefficients[tile, column] = value

    def _fill_people(self) -> None:
        person, chance = self.people.person, self.people.chance
        record = reference_events.start(person, self.people.dose)
        self.put_record(record)
        body, taken = record.body, person.taken
        parameters: dict[str, Any] = {
            "DECAY_G": np.exp(-24.0 * np.log(2.0) / person.effect_half_life_h),
            "EC50": person.EC50,
            "DECAY_F": np.exp(-1 / person.tau_F),
            "DECAY_L": np.exp(-1 / person.tau_L),
            "OMEGA": person.omega,
            "SIGMA": person.sigma * taken,
            "ADJUNCT": person.adjunct,
            "ALPHA": person.alpha * taken,
            "B": person.b * taken,
            "MARGIN0": body.E - body.A,
            "L0": np.where(taken, body.L, 1.0),
            "W0": body.W,
            "DOSE0": body.dose,
            "E0": body.E,
            "DOSE": body.dose,
            "SHAPE": person.shape.reshape(len(taken), 12),
            "P0": person.baseline["pain"],
            "M0": person.baseline["distress"],
            "I0": person.baseline["insomnia"],
            "U0": person.baseline["function"],
            "N0": person.baseline["engagement"],
            "C0": person.baseline["craving"],
            "BETA": person.beta * taken,
            "CUT_REFERENCE": np.maximum(body.dose, person.cut_reference),
            "DECAY_X": np.exp(-1.0 / person.scalar["tau_X"]),
            "LIFE": person.scalar["life"],
            "W_ALL0": body.withdrawal,
            "XI": person.scalar["xi"],
            "ANNOUNCED": np.where(person.imposed, person.scalar["xi_imposed"], 1.0),
            "APNOEA": chance.apnoea,
            "FATAL": chance.fatal,
            "RISK_DOSE": chance.risk_dose,
            "MORE_SHARE": chance.more_share,
            "S0": chance.s0,
            "NOISE": chance.noise,
            "STEPS0": chance.steps0,
            "MISS_FIXED": chance.miss_fixed,
            "NOSHOW_FIXED": chance.noshow_fixed,
            "TARGET": chance.target,
            "CHECKIN_EVERY": chance.checkin_every,
            "VISIT_EVERY": chance.visit_every,
            "HAZARD": np.stack([chance.hazard[e] for e in HAZARDS], axis=1),
            "PLANNED": chance.planned,
            "IMPOSED": chance.imposed,
            "SUPPLY": chance.supply,
        }
        width = sum(np.asarray(v).reshape(len(taken), -1).shape[1] for v in parameters.values())
        assert width == rows.N_PARAM  # no row is forgotten
        for name, values in parameters.items():
            self.put(self.params, getattr(rows, name), values)

    def put_record(self, record: EventState) -> None:
        """Set state and sums."""
        states = states_of(record)
        assert sum(np.asarray(v).reshape(len(self.people), -1).shape[1] for v in states.values()) == rows.N_STATE
        for name, values in states.items():
            self.put(self.state, getattr(rows, name), values)
        self.put(self.sums, 0, np.zeros((len(self.people), rows.N_SUMS)))

    def days(
        self, first: int, last: int, dose: np.ndarray | None = None, *, chance: bool = True, seed: int = SEED
    ) -> np.ndarray:
        """Advance; the reports, (n, n_days, 8)."""
        if dose is not None:
            self.put(self.params, rows.DOSE, dose)
        n_days = last - first + 1
        reports = np.empty((len(self.state), n_days * rows.N_REPORTS, rows.LANES), dtype=np.float32)
        low, high = (np.uint64(half) for half in rng.split(seed))
        advance(
            self.state,
            self.sums,
            self.params,
            self.coefficients,
            reports,
            self.id_low,
            self.id_high,
            low,
            high,
            first,
            last,
            chance,
            True,
        )
        by_person = reports[self.people.tile, :, self.people.lane]
        return np.asarray(by_person.reshape(len(self.people), n_days, rows.N_REPORTS))


def states_of(record: EventState) -> dict[str, Any]:
    """State of a record under the names of the kernel's rows."""
    body = record.body
    return {name: getattr(body, name) for name in ("G", "F", "L", "A", "W", "E", *"RXPMIUNCK")} | {
        "W_ALL": body.withdrawal,
        "SEASON": body.season,
        "PRESCRIBED": record.prescribed,
        "HELD": record.held,
        "BEFORE_CUT": record.before_cut,
        "SLOW": record.slow,
        "MISSED": record.missed,
        "MISSED_VISIT": record.missed_visit,
        "LAPSE_DAYS_LEFT": record.lapse_days_left,
        "ALIVE": record.alive,
        "IN_CARE": record.in_care,
        "FROZEN": record.frozen,
        "V": record.V,
        "LAST_CUT": record.last_cut,
        "DROPOUT_DAY": record.dropout_day,
        "RETURN_DAY": record.return_day,
        "STOP_DAY": record.stop_day,
        "DEATH_DAY": record.death_day,
        "DELIVERED": record.delivered,
    }


def adaptive(record: EventState, dose: np.ndarray, week: int) -> np.ndarray:
    """Orders of a rule that pauses, cuts, raises and stops, by what the state says."""
    w = record.body.withdrawal
    factor = np.where(w > 0.15, 1.1, np.where(w > 0.06, 1.0, 0.8))
    ordered = record.prescribed * factor[:, None]
    ordered[:, (week + 1) % 3] = record.prescribed[:, (week + 1) % 3]  # never all classes in one week
    return np.where((ordered < 0.4 * dose) & (np.arange(len(dose))[:, None] % 2 == 0), 0.0, ordered)


@dataclass(frozen=True)
class Together:
    """Both after the same weeks: records by week of the reference, and the kernel at its end."""

    run: Run
    record: EventState
    reports: np.ndarray
    kernel_reports: np.ndarray
    worst: float


def weeks_together(people: People, n_weeks: int, *, chance: bool) -> Together:
    """Run both with orders changed every week, and compare every state at the end of each week."""
    run = Run(people)
    record = reference_events.start(people.person, people.dose)
    reports, kernel_reports = [], []
    worst = 0.0
    for week in range(n_weeks):
        ordered = adaptive(record, people.dose, week)
        first = 7 * week + 1
        for number in range(first, first + 7):
            draws = (
                reference_events.draw(SEED, people.keys, number) if chance else reference_events.no_draw(len(people))
            )
            record, sent = reference_events.day(people.person, people.chance, record, ordered, draws, number)
            reports.append(sent)
        kernel_reports.append(run.days(first, first + 6, ordered, chance=chance))
        for name, values in states_of(record).items():
            want = np.asarray(values, dtype=np.float64).reshape(len(people), -1)
            got = run.get(run.state, getattr(rows, name), (want.shape[1],))
            error = np.max(np.abs(got - want) / np.maximum(1.0, np.abs(want)))
            assert error < (1e-9 if chance else 1e-12), (name, week)
            worst = max(worst, float(error))
    return Together(run, record, np.stack(reports, axis=1), np.concatenate(kernel_reports, axis=1), worst)


def assert_sums_agree(both: Together, tolerance: float) -> None:
    sums = both.record.sums
    rows_seen = 0
    for name, want in sums.items():
        table = np.asarray(want).reshape(len(want), -1)
        got = both.run.get(both.run.sums, getattr(rows, name.upper()), (table.shape[1],))
        np.testing.assert_allclose(got, table, rtol=tolerance, atol=tolerance, err_msg=name)
        rows_seen += table.shape[1]
    assert rows_seen == rows.N_SUMS


@pytest.fixture(scope="module")
def lucky() -> Together:
    """Seventeen weeks with chance."""
    return weeks_together(random_people(), 17, chance=True)


# -- the kernel is the reference ---------------------------------------------------------------------------------------


def test_without_chance_the_kernel_is_the_reference() -> None:
    both = weeks_together(random_people(3), 12, chance=False)
    assert_sums_agree(both, 1e-11)
    assert not both.record.sums["lapses"].any() and both.record.alive.all()
    assert both.record.sums["max_w"].max() > 0.05 and (both.record.stop_day > 0).any()
    assert np.array_equal(np.isnan(both.reports), np.isnan(both.kernel_reports))
    assert_reports_agree(both)


def test_with_chance_the_kernel_is_the_reference(lucky: Together) -> None:
    assert_sums_agree(lucky, 1e-8)
    assert lucky.worst > 0.0  # two implementations, not one


def assert_reports_agree(both: Together) -> None:
    """Equal, but for a report that rounding sends the other way: one in a million may."""
    sent = ~np.isnan(both.reports)
    np.testing.assert_array_equal(sent, ~np.isnan(both.kernel_reports))
    a, b = both.reports[sent], both.kernel_reports[sent]
    flipped = np.abs(a - b) > 1e-6 * np.maximum(1.0, np.abs(a))
    assert flipped.sum() <= 1 + len(a) // 1_000_000
    assert np.all(np.abs(a - b) <= 1.0 + 1e-6)


def test_the_reports_are_those_of_the_reference(lucky: Together) -> None:
    assert_reports_agree(lucky)
    sent = ~np.isnan(lucky.reports[:, :, 0])
    assert 500 < sent.sum() < 0.9 * sent.size
    for k, stream in enumerate(STREAMS):
        values = lucky.kernel_reports[:, :, k][sent]
        assert values.min() >= stream.low and values.max() <= stream.high
        in_units = values * (10 if stream.instrument == "sleep_hours" else 1)
        np.testing.assert_allclose(in_units, np.round(in_units), atol=1e-4)
        assert values.std() > 0.1


def test_the_comparison_met_every_event(lucky: Together) -> None:
    record, sums = lucky.record, lucky.record.sums
    for name in (
        "lapses",
        "crises",
        "attempts",
        "overdoses",
        "overdose_deaths",
        "seizures",
        "urgent",
        "withdrawal_visits",
        "over_limit",
        "first_overdose",
        "first_crisis",
        "first_urgent",
    ):
        assert sums[name].sum() >= 1, name
    for name in ("dropout_day", "return_day", "stop_day", "death_day"):
        assert (getattr(record, name) > 0).sum() >= 3, name
    assert 0 < sums["visits_kept"].sum() < sums["visits_planned"].sum()
    assert 0 < sums["checkins_done"].sum() < sums["checkins_due"].sum()
    assert set(record.last_cut) == {0, 1, 2}
    both = (record.dropout_day > 0) & (record.return_day > 0)
    assert both.any()  # a return after a dropout cannot be; a dropout after a return can
    assert (record.return_day[both] <= record.dropout_day[both]).all()


def test_the_day_of_death_is_the_last_that_counts_and_the_dead_take_nothing(lucky: Together) -> None:
    run, dead = lucky.run, lucky.record.death_day > 0
    assert dead.any()
    days, death_day = run.get(run.sums, rows.DAYS), run.get(run.state, rows.DEATH_DAY)
    np.testing.assert_array_equal(days[dead], death_day[dead])
    assert (days[~dead] == 7 * 17).all()
    np.testing.assert_array_equal(run.get(run.state, rows.PRESCRIBED, (3,))[dead & (death_day < 7 * 17)], 0.0)
    for k in np.flatnonzero(dead):
        assert np.isnan(lucky.kernel_reports[k, int(death_day[k]) - 1 :]).all()
    # mean withdrawal over the days lived cannot be above the largest day
    mean = run.get(run.sums, rows.SUM_W) / days
    assert (mean <= run.get(run.sums, rows.MAX_W) + 1e-12).all()


def test_a_sum_over_a_life_holds_each_of_its_days() -> None:
    people = random_people(5)
    hurry = replace(
        people.chance,
        hazard=people.chance.hazard | {"crisis": np.full(len(people), 3.0)},
        scalar=people.chance.scalar | {"crisis_fatal": np.ones(len(people))},
    )
    run = Run(replace(people, chance=hurry))
    run.days(1, 3)
    assert (run.get(run.state, rows.DEATH_DAY) == 1).all()
    assert (run.get(run.sums, rows.DAYS) == 1).all()
    np.testing.assert_array_equal(run.get(run.sums, rows.SUM_W), run.get(run.sums, rows.MAX_W))
    assert (run.get(run.sums, rows.SUM_P) > 0).all()


def test_an_interval_of_zero_days_means_never(lucky: Together) -> None:
    people, run = lucky.run.people, lucky.run
    never = people.chance.checkin_every == 0
    assert never.any() and np.isnan(lucky.kernel_reports[never]).all()
    stayed = lucky.record.in_care & lucky.record.alive & ~never
    due = (np.arange(1, 7 * 17 + 1)[:, None] % people.chance.checkin_every[stayed] == 0).sum(axis=0)
    np.testing.assert_array_equal(run.get(run.sums, rows.CHECKINS_DUE)[stayed], due)
    never = people.chance.visit_every == 0
    assert never.any() and not run.get(run.sums, rows.VISITS_PLANNED)[never].any()
    stayed = lucky.record.in_care & lucky.record.alive & ~never
    due = 7 * 17 / people.chance.visit_every[stayed]  # from day 1 on
    np.testing.assert_array_equal(run.get(run.sums, rows.VISITS_PLANNED)[stayed], np.ceil(due))
    assert not run.get(run.state, rows.K, (6,))[never].any()


def test_who_left_or_went_back_keeps_the_dose_held_whatever_is_ordered(lucky: Together) -> None:
    run, record = lucky.run, lucky.record
    held = record.frozen & record.alive & (np.fmax(record.dropout_day, record.return_day) < 7 * 17)
    assert held.any()
    np.testing.assert_array_equal(
        run.get(run.state, rows.PRESCRIBED, (3,))[held], run.get(run.state, rows.HELD, (3,))[held]
    )
    left = record.dropout_day > 0
    for k in np.flatnonzero(left):
        assert np.isnan(lucky.kernel_reports[k, int(record.dropout_day[k]) - 1 :]).all()


# -- to the bit --------------------------------------------------------------------------------------------------------


def assert_same_bits(a: Run, b: Run) -> None:
    np.testing.assert_array_equal(a.get(a.state, 0, (rows.N_STATE,)), b.get(b.state, 0, (rows.N_STATE,)))
    np.testing.assert_array_equal(a.get(a.sums, 0, (rows.N_SUMS,)), b.get(b.sums, 0, (rows.N_SUMS,)))


def test_the_bits_do_not_depend_on_the_length_of_a_block() -> None:
    people = random_people()
    ordered = 0.6 * people.dose
    whole = Run(people)
    reports = whole.days(1, 60, ordered)
    assert whole.get(whole.sums, rows.LAPSES).any()
    for length in (28, 7, 1):
        parts = Run(people)
        sent = [parts.days(d, min(d + length - 1, 60), ordered) for d in range(1, 61, length)]
        assert_same_bits(whole, parts)
        np.testing.assert_array_equal(np.concatenate(sent, axis=1), reports)


def test_the_bits_depend_neither_on_the_place_in_a_tile_nor_on_the_company() -> None:
    people = random_people()
    first = people.take(np.flatnonzero(people.tile == 0), people.tile[:32], people.lane[:32])
    usual = Run(people)
    reports = usual.days(1, 60, 0.6 * people.dose)
    index = np.random.default_rng(8).permutation(32)[:20]
    moved = first.take(index, np.zeros(20, dtype=int), np.random.default_rng(9).permutation(32)[:20])
    few = Run(moved, n_tiles=1)
    sent = few.days(1, 60, 0.6 * moved.dose)
    assert few.get(few.sums, rows.LAPSES).any()
    np.testing.assert_array_equal(
        few.get(few.state, 0, (rows.N_STATE,)), usual.get(usual.state, 0, (rows.N_STATE,))[index]
    )
    np.testing.assert_array_equal(few.get(few.sums, 0, (rows.N_SUMS,)), usual.get(usual.sums, 0, (rows.N_SUMS,))[index])
    np.testing.assert_array_equal(sent, reports[index])


@pytest.mark.parametrize("padding", [0.0, -1e9, np.nan, np.inf])
def test_whatever_stands_in_the_lanes_without_a_person_is_harmless(padding: float) -> None:
    people = random_people()
    usual, odd = Run(people), Run(people, padding=padding)
    np.testing.assert_array_equal(usual.days(1, 30), odd.days(1, 30))
    assert_same_bits(usual, odd)


def test_padding_makes_no_event_and_no_sum() -> None:
    people = random_people()
    run = Run(people)
    run.days(1, 60, 0.6 * people.dose)
    empty = np.ones(run.id_low.shape, dtype=bool)
    empty[people.tile, people.lane] = False
    assert empty.any()
    for row in range(rows.N_SUMS):
        assert not run.sums[:, row, :][empty].any(), row
    assert np.isfinite(run.state.transpose(0, 2, 1)[empty]).all()


def test_another_seed_is_other_luck_and_the_same_seed_the_same() -> None:
    people = random_people()
    a, b = Run(people), Run(people)
    np.testing.assert_array_equal(a.days(1, 20), b.days(1, 20))
    for seed in (SEED + 1, SEED ^ 2**63):
        other = Run(people)
        other.days(1, 20, seed=seed)
        assert not (a.get(a.state, rows.SLOW) == other.get(other.state, rows.SLOW)).any()


def test_without_recording_the_states_are_the_same_and_nothing_is_written() -> None:
    people = random_people()
    recorded, silent = Run(people), Run(people)
    recorded.days(1, 10)
    low, high = (np.uint64(half) for half in rng.split(SEED))
    untouched = np.full((N_TILES, 80, rows.LANES), 7.0, dtype=np.float32)
    advance(
        silent.state,
        silent.sums,
        silent.params,
        silent.coefficients,
        untouched,
        silent.id_low,
        silent.id_high,
        low,
        high,
        1,
        10,
        True,
        False,
    )
    assert_same_bits(recorded, silent)
    assert (untouched == 7.0).all()


# -- in vectors --------------------------------------------------------------------------------------------------------


SEED_LOW, SEED_HIGH = (np.uint64(half) for half in rng.split(SEED))


def packed_and_scalar(assembly: str) -> tuple[int, int]:
    """Multiplications (fused ones too) of packed doubles in ymm or zmm registers, and of single doubles."""
    multiply = r"^\s*v(?:mul|fn?m(?:add|sub)\d+)"
    packed = re.findall(multiply + r"pd\s.*%[yz]mm", assembly, flags=re.MULTILINE)
    scalar = re.findall(multiply + r"sd\s", assembly, flags=re.MULTILINE)
    return len(packed), len(scalar)


def read_assembly() -> None:
    if platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip("the assembly is read as that of x86-64")


PARTS = {
    "draw": lambda x, c: kernel.draw(x, SEED_LOW, SEED_HIGH, np.uint64(3), True),
    "doses": lambda x, c: kernel.doses(x, c, 3.0),
    "medicine": lambda x, c: kernel.medicine(x, c, 1),
    "person": lambda x, c: kernel.person(x, c),
    "events": lambda x, c: kernel.events_of_day(x, c, 3.0),
    "reports": lambda x, c: kernel.reports_of_day(x, c, 3.0),
    "add_up": lambda x, c: kernel.add_up(x, c, 3.0),
}


@pytest.mark.parametrize("part", PARTS)
def test_no_loop_of_a_day_is_left_to_single_numbers(part: str) -> None:
    read_assembly()
    inner = register_jitable(forceinline=True)(PARTS[part])

    @njit(fastmath={"contract"}, error_model="numpy")
    def alone(x: Any, coefficients: Any) -> None:
        inner(x, rows.Coefficients(*to_fixed_tuple(coefficients, N_COEFFICIENTS)))

    alone(np.ones(rows.N_ROWS * rows.STRIDE), np.ones(N_COEFFICIENTS))
    (assembly,) = alone.inspect_asm().values()
    assert not re.findall(r"\b(?:exp|log|sin|cos|pow|floor|philox\w*)\b", assembly)  # a call, one lane at a time
    packed, scalar = packed_and_scalar(assembly)
    assert packed >= 20
    assert scalar <= 6  # products of coefficients, outside the loops


def test_the_loops_over_lanes_are_vectors_in_the_whole_kernel_too() -> None:
    read_assembly()
    run = Run(random_people())
    as_compiled = {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy", "pipeline_class": pipeline.Wide}
    copy = njit(**as_compiled)(advance.py_func)  # cached code has no assembly
    low, high = (np.uint64(half) for half in rng.split(SEED))
    reports = np.empty((N_TILES, rows.N_REPORTS, rows.LANES), dtype=np.float32)
    copy(
        run.state, run.sums, run.params, run.coefficients, reports, run.id_low, run.id_high, low, high, 1, 1, True, True
    )
    assembly = "\n".join(copy.inspect_asm().values())
    packed, scalar = packed_and_scalar(assembly)
    assert packed > 800
    assert scalar < packed / 2
    if get_host_cpu_features().get("avx512f"):  # the widest registers there are
        assert assembly.count("%zmm") > 4 * assembly.count("%ymm")
