"""Prior of one person's values, given a population. Imports ``model``, ``tables``, ``inference.course``.

A value is inferred if reports carry information on it. The prior variance is the variance between people plus the
variance of the uncertain centre. A :class:`PopulationPrior` holds both. The shipped population comes from
:data:`VALUE_PRIORS` (:mod:`taper_sim.inference.population.shipped`); a fitted one replaces it
(:mod:`taper_sim.inference.population.files`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from taper_sim import tables
from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.inference import course as at
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL
from taper_sim.model.parameters import BY_SYMBOL, FAILED_TAPERS_COUNTED, Baseline
from taper_sim.units import DRUG_CLASSES, DrugClass

DRIFT_SD: Final = 0.2
"""Sd of the drift of log sigma over 28 days. Source: A28 (0.13 covers a slow drift, 0.265 a fast one; the value is on
the high side)."""

#: Baseline values of people without a baseline assessment: mean and sd between people. Source: the registry of
#: docs/cohort.md (NRS, PROMIS T-scores on the model's scales); craving and engagement A3.
_WITHOUT_ASSESSMENT: Final[Mapping[str, tuple[float, float]]] = {
    "pain": (6.5, 2.0),
    "distress": (0.30, 0.22),
    "insomnia": (0.50, 0.22),
    "function": (40.0, 15.0),
    "engagement": (Baseline.engagement, 0.15),
    "craving": (Baseline.craving, 0.15),
}
#: Measurement sd of a baseline assessment of each level. Source: A29 (noise of one report on that scale).
ASSESSED: Final[Mapping[str, float]] = {
    "pain": 1.2,
    "distress": 0.10,
    "insomnia": 0.10,
    "function": 6.0,
    "engagement": 0.1,
    "craving": 0.1,
}
ASSESSED_LOG_S0: Final = 0.35
_BASELINE_PLACE: Final = {
    "pain": at.P0,
    "distress": at.M0,
    "insomnia": at.I0,
    "function": at.U0,
    "engagement": at.N0,
    "craving": at.C0,
}
#: Values that only one instrument informs: name, place, mean, sd, whether on the log. Source: docs/model.md 4; A27.
_OF_INSTRUMENT: Final[Mapping[str, tuple[tuple[str, int, float, float, bool], ...]]] = {
    "cows": (("cows0", at.COWS0, np.log(1.5), 0.5, True), ("kappa", at.KAPPA, np.log(30.0), 0.3, True)),
    "bwsq": (("bwsq0", at.BWSQ0, np.log(3.0), 0.6, True),),
    "pwc": (("pwc0", at.PWC0, np.log(5.0), 0.6, True),),
    "steps": (("steps0", at.STEPS0, CHANCE_BY_SYMBOL["steps_0"].centre(), 0.5, False),),
    "sleep_hours": (("hours0", at.HOURS0, CHANCE_BY_SYMBOL["hours_0"].centre(), 1.0, False),),
    "withdrawal_item": (("item0", at.ITEM0, np.log(CHANCE_BY_SYMBOL["item_0"].centre()), 0.4, True),),
    "craving": (("craving", at.C0, *_WITHOUT_ASSESSMENT["craving"], False),),
}


@dataclass(frozen=True)
class Prior:
    """Independent normal priors of a person's inferred values; ``base`` holds the values that are not inferred.

    Attributes
    ----------
    names : tuple of str
        Names of the inferred values: ``sigma_opioid`` … ``pain`` … ``drift_0``.
    place : ndarray of int, (d,)
        Position in the vector of values (``inference.course``).
    mean, sd : ndarray, (d,)
        Prior mean and sd, of the log if ``is_log``.
    is_log : ndarray of bool, (d,)
        Whether the normal is over the log of the value.
    base : ndarray, (N_VALUES,)
        Vector of values before the inferred ones are put in.
    """

    names: tuple[str, ...]
    place: Ints
    mean: Floats
    sd: Floats
    is_log: Bools
    base: Floats = field(repr=False)

    @property
    def compiled(self) -> Any:
        """The arrays of the prior, in the order that the compiled code takes them."""
        return (self.base, self.place, self.mean, self.sd, self.is_log)

    def natural(self, z: Floats) -> Floats:
        """Inferred values, (n, d), from whitened ones (n, d)."""
        x = self.mean + self.sd * z
        return np.where(self.is_log, np.exp(np.minimum(x, 50.0)), x)

    def values(self, z: Floats) -> Floats:
        """Full vectors of values, (n, N_VALUES), from whitened ones (n, d)."""
        v = np.repeat(self.base[None], len(z), axis=0)
        v[:, self.place] = self.natural(z)
        return v


class ValuePrior(NamedTuple):
    """Prior of a value in the population, before any reports; ``centre`` and the sds are of the log if ``is_log``.

    ``spread`` is the sd between people, ``centre_sd`` the sd of the uncertain centre, ``source`` the source of both.
    """

    place: int
    centre: float
    spread: float
    centre_sd: float
    is_log: bool
    unit: str
    source: str


def _value_priors() -> dict[str, ValuePrior]:
    """Prior of every value by its name in a population."""
    priors: dict[str, ValuePrior] = {}
    for symbol, place in _INFERRED:
        q = BY_SYMBOL[symbol]
        for k, drug_class in enumerate(DRUG_CLASSES):
            for buprenorphine in (False, True):
                key = value_key(symbol, drug_class, buprenorphine)
                centre, is_log = q.centre(drug_class, buprenorphine=buprenorphine), q.scale == "log"
                priors[key] = ValuePrior(
                    place + k,
                    float(np.log(centre)) if is_log else centre,
                    q.between_people(drug_class),
                    q.prior_sd,
                    is_log,
                    q.unit,
                    q.source,
                )
    for name, place, q in (
        ("xi", at.XI, BY_SYMBOL["xi"]),
        ("noise", at.NOISE, CHANCE_BY_SYMBOL["noise"]),
        ("s0", at.S0, CHANCE_BY_SYMBOL["s0"]),
    ):
        priors[name] = ValuePrior(
            place, float(np.log(q.centre())), q.between_people(), q.prior_sd, True, q.unit, q.source
        )
    for name, (mean, sd) in _WITHOUT_ASSESSMENT.items():
        priors[name] = ValuePrior(
            _BASELINE_PLACE[name], mean, sd, 0.0, False, _BASELINE_UNIT.get(name, "1"), _BASELINE_SOURCE
        )
    for values in _OF_INSTRUMENT.values():
        for name, place, mean, sd, is_log in values:
            priors.setdefault(
                name, ValuePrior(place, float(mean), sd, 0.0, is_log, "of the instrument", _INSTRUMENT_SOURCE)
            )
    return priors


def value_key(symbol: str, drug_class: DrugClass, buprenorphine: bool) -> str:
    """Name of a value in a population; some parameters have a value of their own for people on buprenorphine."""
    separate = buprenorphine and drug_class == "opioid" and BY_SYMBOL[symbol].buprenorphine is not None
    return f"{symbol}_{drug_class}{_BUPRENORPHINE if separate else ''}"


class Trait(NamedTuple):
    """Effect of a trait on log sigma: ``effect`` per unit above ``centre``, with sd ``sd``."""

    effect: float
    sd: float
    centre: float


@dataclass(frozen=True)
class PopulationPrior:
    """Centres and spreads of the values that differ between people.

    Attributes
    ----------
    id : str
        Identifier in the outputs.
    calibrated : bool
        Whether the population was fitted to published results.
    centre, sd : mapping of str to float
        By name (``sigma_opioid`` …), of the log if the value's prior is on the log. ``sd`` combines the spread between
        people and the uncertainty of the centre. :data:`VALUE_PRIORS` fills in absent values.
    drift_sd : float
        Sd of the drift of log sigma over 28 days.
    traits : mapping of str to Trait
        Traits that shift log sigma: ``mood_disorder`` …, see :data:`TRAITS`.
    origin : str
        Origin, one line.
    """

    id: str = "custom"
    calibrated: bool = False
    centre: Mapping[str, float] = field(default_factory=dict)
    sd: Mapping[str, float] = field(default_factory=dict)
    drift_sd: float = DRIFT_SD
    traits: Mapping[str, Trait] = field(default_factory=dict)
    origin: str = "not stated"

    def of(self, key: str) -> tuple[float, float]:
        """Centre and sd of a value, of its log if its prior is on the log."""
        prior = VALUE_PRIORS[key]
        sd = float(np.hypot(prior.spread, prior.centre_sd))
        return self.centre.get(key, prior.centre), self.sd.get(key, sd)

    def shift(self, values: Mapping[str, float]) -> tuple[float, float]:
        """Shift of a person's log sigma by the traits whose values are known, and the sd of this shift."""
        offsets = [(values[name] - t.centre, t) for name, t in self.traits.items() if name in values]
        return sum(off * t.effect for off, t in offsets), float(np.sqrt(sum((off * t.sd) ** 2 for off, t in offsets)))


_BUPRENORPHINE: Final = "_buprenorphine"
TRAITS: Final = ("mood_disorder", "oud", "log_use")
"""Traits whose effect a fit can estimate: two flags, and the log of days of use relative to the median person's."""
_INFERRED: Final = (("sigma", at.SIGMA), ("tau_F", at.TAU_F), ("tau_L", at.TAU_L), ("EC50", at.EC50), ("b", at.B))
_BASELINE_UNIT: Final = {"pain": "NRS points", "function": "points of 0 to 100"}
_INSTRUMENT_SOURCE: Final = "docs/model.md 4; A27"
_BASELINE_SOURCE: Final = "registry of docs/cohort.md; A3"
VALUE_PRIORS: Final[Mapping[str, ValuePrior]] = _value_priors()


def _shipped() -> PopulationPrior:
    """Population of the package's table, which ``inference.population.shipped`` writes."""
    table = tables.read("population")
    rows = {row["value"]: row for row in table.rows}
    drift = rows.pop("drift_sd")
    return PopulationPrior(
        id=f"shipped-{table.sha256[:12]}",
        centre={name: float(row["centre"]) for name, row in rows.items()},
        sd={name: float(np.hypot(float(row["spread"]), float(row["centre_sd"]))) for name, row in rows.items()},
        drift_sd=float(drift["spread"]),
        origin="priors of docs/parameters.md and their sources (tables/population.csv); not calibrated to published "
        "results",
    )


DEFAULT_POPULATION: Final = _shipped()


def failed_shift(failed_tapers: int) -> float:
    """Shift of log sigma by earlier failed tapers, at most three of which count; taken from the table, never fitted."""
    return float(np.log(BY_SYMBOL["sigma_failed"].centre())) * min(failed_tapers, FAILED_TAPERS_COUNTED)


def prior_of(
    taken: tuple[bool, bool, bool],
    n_segments: int,
    instruments: tuple[str, ...] = (),
    *,
    buprenorphine: bool = False,
    failed_tapers: int = 0,
    baseline: Mapping[str, float] | None = None,
    population: PopulationPrior = DEFAULT_POPULATION,
    fixed: Mapping[str, float] | None = None,
    traits: Mapping[str, float] | None = None,
) -> Prior:
    """Prior of one person.

    Parameters
    ----------
    taken : tuple of bool
        Whether each drug class is taken.
    n_segments : int
        Number of 28-day drift segments that record and horizon cover.
    instruments : tuple of str
        Instruments with reports; some values are informed by one instrument only.
    buprenorphine : bool
        Whether the opioid is buprenorphine, which has its own scale.
    failed_tapers : int
        Earlier failed tapers, at most three of which count.
    baseline : mapping, optional
        Baseline assessment, as in ``model.parameters.Baseline``.
    population : Population
    fixed : mapping of str to float, optional
        Values that a patient's file fixes: they are not inferred.
    traits : mapping of str to float, optional
        Known traits of the person, of :data:`TRAITS`.

    Returns
    -------
    Prior
    """
    baseline, fixed = dict(baseline or {}), dict(fixed or {})
    rows: list[tuple[str, int, float, float, bool]] = []
    base = at.centre_values(buprenorphine, baseline)

    def add(name: str, key: str, shift: float = 0.0, shift_sd: float = 0.0) -> None:
        centre, sd = population.of(key)
        prior = VALUE_PRIORS[key]
        rows.append((name, prior.place, centre + shift, float(np.hypot(sd, shift_sd)), prior.is_log))

    trait_shift, trait_sd = population.shift(traits or {})
    for symbol, _ in _INFERRED:
        for k, drug_class in enumerate(DRUG_CLASSES):
            if taken[k]:
                shift = (failed_shift(failed_tapers) + trait_shift, trait_sd) if symbol == "sigma" else (0.0, 0.0)
                add(f"{symbol}_{drug_class}", value_key(symbol, drug_class, buprenorphine), *shift)
    add("xi", "xi")
    add("noise", "noise")
    if taken[0]:
        if baseline.get("sows_gossop", 0.0) > 0:
            rows.append(("s0", at.S0, float(np.log(baseline["sows_gossop"])), ASSESSED_LOG_S0, True))
        else:
            add("s0", "s0")
    of_instruments = [name for i in sorted(set(instruments)) for name, *_ in _OF_INSTRUMENT.get(i, ())]
    for name in ("pain", "distress", "insomnia", "function", *of_instruments):
        if name in baseline and name in ASSESSED:
            rows.append((name, VALUE_PRIORS[name].place, baseline[name], ASSESSED[name], False))
        else:
            add(name, name)
    for name, value in fixed.items():
        row = next((r for r in rows if r[0] == name), None)
        if row is not None:
            base[row[1]] = value
    rows = [row for row in rows if row[0] not in fixed]
    if population.drift_sd > 0:
        rows += [
            (f"drift_{k}", at.DRIFT + k, 0.0, population.drift_sd, False)
            for k in range(min(n_segments, at.MAX_SEGMENTS))
        ]
    return Prior(
        tuple(r[0] for r in rows),
        np.array([r[1] for r in rows], dtype=np.int64),
        np.array([r[2] for r in rows]),
        np.array([r[3] for r in rows]),
        np.array([r[4] for r in rows], dtype=np.bool_),
        base,
    )
