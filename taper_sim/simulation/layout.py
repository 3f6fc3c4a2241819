"""A cohort as parameters of the reference model and as arrays of the kernel. Imports ``cohort``, ``model``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taper_sim import rng
from taper_sim.array_types import Floats, Ints
from taper_sim.model import reference
from taper_sim.model.compiled import rows
from taper_sim.model.event_parameters import DECAYS, NOISE_SD
from taper_sim.model.parameters import BY_SYMBOL, DISCIPLINES, Baseline
from taper_sim.model.pharmacology import level_decay
from taper_sim.simulation.cohort import MODALITIES, Cohort, fixed_or, individual, shapes
from taper_sim.simulation.enrolment import enrolled
from taper_sim.simulation.ensemble import Ensemble, draw_of
from taper_sim.units import DRUG_CLASSES

RATED_DOSE_MME = 75.0
"""Dose at which ``overdose_0`` is the overdose rate, MME (0.7 % a year at 50 to 99 MME). Source: Dunn 2010; A10."""

_ACCESS_FLAGS = ("device", "literacy", "language_match")
_BUPRENORPHINE = {q.symbol: q.buprenorphine for q in BY_SYMBOL.values() if q.buprenorphine is not None}


@dataclass(frozen=True)
class CarePlan:
    """Planned care, the same for every patient: visits by discipline, and check-ins.

    ``planned`` is the share of full care of each discipline (``parameters.DISCIPLINES``). ``visit_every_d`` and
    ``checkin_every_d`` are in days; NaN means never. ``modality`` is the modality of every visit; None means that each
    patient keeps their own modality. ``setting``, of ``event_parameters.SETTINGS``, decides the hazard of leaving.
    ``answers_alarms``: whether staff respond to true alarms (``alarm_response``).
    """

    planned: Mapping[str, float]
    visit_every_d: float = 7.0
    checkin_every_d: float = 1.0
    modality: str | None = None
    setting: str = "programme"
    answers_alarms: bool = False


def values_of(cohort: Cohort, ensemble: Ensemble, seed: int) -> dict[str, Floats]:
    """Every parameter of each patient under the patient's draw: (n, 3) or (n,)."""
    centres = ensemble.of(draw_of(cohort.keys, ensemble.n_draws))
    for symbol, value in _BUPRENORPHINE.items():
        centre = BY_SYMBOL[symbol].centre("opioid")
        # buprenorphine has its own scale; the draw's deviation from the centre applies as a factor
        centres[symbol][:, 0] = np.where(
            cohort.buprenorphine, np.clip(value * centres[symbol][:, 0] / centre, 0, None), centres[symbol][:, 0]
        )
    centres["omega"] = np.clip(centres["omega"], 0.02, 0.98)
    return individual(cohort, centres, seed)


def reference_person(
    cohort: Cohort, values: Mapping[str, Floats], ensemble: Ensemble, seed: int
) -> reference.PersonParameters:
    """Parameters of the patients, as the reference model takes them."""
    set_points, life_start = enrolled(cohort, values, ensemble, seed)
    scalar = {s: np.asarray(v) for s, v in values.items() if np.asarray(v).ndim == 1}
    return reference.PersonParameters(
        taken=cohort.taken,
        EC50=values["EC50"],
        tau_F=values["tau_F"],
        tau_L=values["tau_L"],
        omega=values["omega"],
        sigma=values["sigma"],
        alpha=values["alpha"],
        b=values["b"],
        beta=values["beta"],
        cut_reference=values["cut_reference"],
        adjunct=values["adjunct"],
        effect_half_life_h=fixed_or(cohort, "effect_half_life_h", cohort.half_life_h),
        shape=shapes(cohort),
        use_days=cohort.use_days,
        scalar=scalar,
        loads={load: values[load] for load in ("p", "m", "i")},
        baseline=set_points,
        life_start=life_start,
        imposed=cohort.flags["imposed"],
    )


@dataclass
class Arrays:
    """Arrays of the kernel. Patient ``i`` is at ``(tile[i], lane[i])``; the other lanes are padding."""

    state: Floats
    sums: Floats
    params: Floats
    coefficients: Floats
    id_low: NDArray[np.uint64]
    id_high: NDArray[np.uint64]
    tile: Ints
    lane: Ints

    def get(self, array: Floats, row: int) -> Floats:
        """One row for every patient, (n,)."""
        return array[self.tile, row, self.lane]

    def get3(self, array: Floats, row: int) -> Floats:
        """Three consecutive rows for every patient, (n, 3)."""
        return np.stack([array[self.tile, row + k, self.lane] for k in range(3)], axis=1)

    def put(self, array: Floats, row: int, values: Any) -> None:
        """Set one row for every patient."""
        array[self.tile, row, self.lane] = values

    def put3(self, array: Floats, row: int, values: Floats) -> None:
        """Set three consecutive rows for every patient, from (n, 3)."""
        for k in range(values.shape[1]):
            array[self.tile, row + k, self.lane] = values[:, k]

    def copy(self) -> "Arrays":
        """A copy with its own state, sums and parameters."""
        return Arrays(
            self.state.copy(),
            self.sums.copy(),
            self.params.copy(),
            self.coefficients,
            self.id_low,
            self.id_high,
            self.tile,
            self.lane,
        )


def _places(draw: Ints) -> tuple[Ints, Ints, Ints]:
    """Tile and lane of each patient, and the draw of each tile; patients of one draw share tiles."""
    tile, lane = np.empty_like(draw), np.empty_like(draw)
    draws_of_tiles: list[int] = []
    for value in np.unique(draw):
        who = np.flatnonzero(draw == value)
        place = np.arange(len(who))
        tile[who] = len(draws_of_tiles) + place // rows.LANES
        lane[who] = place % rows.LANES
        draws_of_tiles += [int(value)] * (-(-len(who) // rows.LANES))
    return tile, lane, np.array(draws_of_tiles)


def _coefficients(ensemble: Ensemble, draw: Ints) -> Floats:
    """Coefficients of each tile, (n_tiles, len(COEFFICIENTS))."""
    table = np.empty((len(draw), len(rows.COEFFICIENTS)))
    for column, name in enumerate(rows.COEFFICIENTS):
        if name in ensemble.values:
            table[:, column] = ensemble.values[name][draw]
        elif name in NOISE_SD:
            table[:, column] = NOISE_SD[name]
        elif name in DECAYS:
            table[:, column] = np.exp(-1.0 / ensemble.values[DECAYS[name]][draw])
        else:
            load, _, drug_class = name.partition("_")
            k = DRUG_CLASSES.index(drug_class)
            table[:, column] = ensemble.values[load][draw, k]
    return table


def log_hazards(cohort: Cohort, v: Mapping[str, Floats], setting: str = "programme") -> list[Floats]:
    """Time-constant part of each log hazard, (n,) each: intercept and risk flags, in the order of the kernel's rows.

    ``setting``, of ``event_parameters.SETTINGS``, decides the hazard of leaving.
    """
    flag = {name: np.asarray(value, dtype=np.float64) for name, value in cohort.flags.items()}
    mood = np.maximum(flag["mood_disorder"], flag["ptsd"])
    opioid = np.where(cohort.buprenorphine, 0.0, cohort.dose[:, 0])
    selected = v["overdose_dose"] * ((1.0 - v["causal_share"]) * np.sqrt(opioid) - np.sqrt(RATED_DOSE_MME))
    return [
        v[f"leave_{setting}"] + v["dropout_n"] * Baseline.engagement,
        v["return_0"],
        v["lapse_0"] + v["lapse_oud"] * flag["oud"],
        v["crisis_0"] + v["crisis_mood"] * mood,
        v["overdose_0"]
        + selected
        + v["overdose_oud"] * flag["oud"]
        + v["overdose_earlier"] * flag["earlier_overdose"]
        + v["overdose_renal"] * flag["renal_impairment"]
        + v["overdose_mood"] * mood
        + v["age_10y"] * (cohort.age - 55.0) / 10.0,
        v["seizure_0"] + v["seizure_earlier"] * flag["earlier_seizure"],
        v["urgent_0"] + v["urgent_catastrophising"] * flag["catastrophising"],
        v["visit_0"] + np.zeros(len(cohort)),
    ]


def _barriers(cohort: Cohort, modality: str | None) -> tuple[Floats, Floats]:
    """Number of barriers to check-ins and to visits, (n,) each; ``modality`` None means each patient's own."""
    flags = cohort.flags
    lacking = sum((~flags[name]).astype(np.float64) for name in _ACCESS_FLAGS)
    checkin = lacking + (~flags["broadband"])
    modality_index = cohort.modality if modality is None else MODALITIES.index(modality)
    video, in_person = modality_index == MODALITIES.index("video"), modality_index == MODALITIES.index("in_person")
    visit = (~flags["language_match"]) + (video & ~flags["broadband"]) * 1.0 + (in_person & ~flags["transport"]) * 1.0
    return np.asarray(checkin, dtype=np.float64), np.asarray(visit, dtype=np.float64)


def arrays_of(cohort: Cohort, ensemble: Ensemble, seed: int, care: CarePlan) -> Arrays:
    """Convert a cohort to the kernel's arrays, at the start of day 1.

    Parameters
    ----------
    cohort : Cohort
        n patients.
    ensemble : Ensemble
        Each patient is simulated under one of its draws.
    seed : int
        Seed of the run.
    care : CarePlan
        Planned visits and check-ins.
    """
    draw = draw_of(cohort.keys, ensemble.n_draws)
    tile, lane, tile_draw = _places(draw)
    n_tiles = len(tile_draw)
    shape = (n_tiles, rows.LANES)
    id_low, id_high = np.zeros(shape, dtype=np.uint64), np.zeros(shape, dtype=np.uint64)
    id_low[tile, lane], id_high[tile, lane] = rng.split(cohort.keys)
    a = Arrays(
        np.zeros((n_tiles, rows.N_STATE, rows.LANES)),
        np.zeros((n_tiles, rows.N_SUMS, rows.LANES)),
        np.ones((n_tiles, rows.N_PARAM, rows.LANES)),
        _coefficients(ensemble, tile_draw),
        id_low,
        id_high,
        tile,
        lane,
    )
    v = values_of(cohort, ensemble, seed)
    person = reference_person(cohort, v, ensemble, seed)
    start = reference.start(person, cohort.dose)
    taken = cohort.taken

    s, p = a.state, a.params
    for row, class_rows in (
        (rows.G, start.G),
        (rows.F, start.F),
        (rows.L, start.L),
        (rows.A, start.A),
        (rows.W, start.W),
        (rows.E, start.E),
        (rows.PRESCRIBED, start.dose),
        (rows.BEFORE_CUT, start.dose),
    ):
        a.put3(s, row, class_rows)
    scalar_row: Any
    for row, scalar_row in (
        (rows.R, start.R),
        (rows.X, start.X),
        (rows.P, start.P),
        (rows.M, start.M),
        (rows.I, start.I),
        (rows.U, start.U),
        (rows.N, start.N),
        (rows.C, start.C),
        (rows.W_ALL, start.withdrawal),
        (rows.SEASON, start.season),
    ):
        a.put(s, row, scalar_row)
    a.put(s, rows.ALIVE, 1.0)
    a.put(s, rows.IN_CARE, 1.0)
    a.put(s, rows.LAST_CUT, np.argmax(taken, axis=1).astype(np.float64))

    decay_g = level_decay(person.effect_half_life_h)
    for row, class_rows in (
        (rows.DECAY_G, decay_g),
        (rows.EC50, v["EC50"]),
        (rows.DECAY_F, np.exp(-1.0 / v["tau_F"])),
        (rows.DECAY_L, np.exp(-1.0 / v["tau_L"])),
        (rows.OMEGA, v["omega"]),
        (rows.SIGMA, np.where(taken, v["sigma"], 0.0)),
        (rows.ADJUNCT, v["adjunct"]),
        (rows.ALPHA, np.where(taken, v["alpha"], 0.0)),
        (rows.B, np.where(taken, v["b"], 0.0)),
        (rows.MARGIN0, start.E - start.A),
        (rows.L0, np.where(taken, start.L, 1.0)),
        (rows.W0, start.W),
        (rows.DOSE0, start.dose),
        (rows.E0, start.E),
        (rows.DOSE, start.dose),
        (rows.BETA, np.where(taken, v["beta"], 0.0)),
        (rows.CUT_REFERENCE, np.maximum(start.dose, v["cut_reference"])),
    ):
        a.put3(p, row, class_rows)
    for k in range(3):
        for point in range(4):
            a.put(p, rows.SHAPE + 4 * k + point, person.shape[:, k, point])
    flags = cohort.flags
    checkin_barriers, visit_barriers = _barriers(cohort, care.modality)
    help_given = flags["caregiver"] * 1.0 + flags["peer_support"] * 1.0
    for row, scalar_row in (
        (rows.P0, person.baseline["pain"]),
        (rows.M0, person.baseline["distress"]),
        (rows.I0, person.baseline["insomnia"]),
        (rows.U0, person.baseline["function"]),
        (rows.N0, person.baseline["engagement"]),
        (rows.C0, person.baseline["craving"]),
        (rows.W_ALL0, start.withdrawal),
        (rows.XI, v["xi"]),
        (rows.DECAY_X, np.exp(-1.0 / v["tau_X"])),
        (rows.LIFE, v["life"]),
        (rows.ANNOUNCED, np.where(flags["imposed"], v["xi_imposed"], 1.0)),
        (rows.APNOEA, v["excess_apnoea"] * flags["sleep_apnoea"]),
        (rows.FATAL, v["overdose_fatal"] * np.where(flags["naloxone_at_home"], v["naloxone"], 1.0)),
        (rows.RISK_DOSE, np.where(cohort.buprenorphine, 0.0, 1.0)),
        (rows.MORE_SHARE, v["lapse_more"] * np.where(flags["oud"], v["lapse_more_oud"], 1.0)),
        (rows.S0, v["s0"]),
        (rows.NOISE, v["noise"]),
        (rows.STEPS0, v["steps_0"]),
        (rows.MISS_FIXED, v["miss_0"] + v["miss_access"] * checkin_barriers - v["miss_help"] * help_given),
        (rows.NOSHOW_FIXED, v["noshow_0"] + v["noshow_access"] * visit_barriers),
        (rows.TARGET, np.argmax(taken, axis=1).astype(np.float64)),
        (rows.IMPOSED, flags["imposed"] * 1.0),
        (rows.CHECKIN_EVERY, care.checkin_every_d),
        (rows.VISIT_EVERY, care.visit_every_d),
        (rows.SUPPLY, 1.0),
    ):
        a.put(p, row, scalar_row)
    for event, fixed in enumerate(log_hazards(cohort, v, care.setting)):
        a.put(p, rows.HAZARD + event, fixed)
    for k, discipline in enumerate(DISCIPLINES):
        a.put(p, rows.PLANNED + k, care.planned.get(discipline, 0.0))
    return a
