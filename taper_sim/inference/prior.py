"""Prior of one person's values, given a population. Imports ``model``, ``tables``, ``inference.course``.

A value is inferred if reports carry information on it. The prior variance is the variance between people plus the
variance of the uncertain centre. A :class:`PopulationPrior` holds both. The shipped population comes from
:data:`VALUE_PRIORS` (:mod:`taper_sim.inference.population.shipped`); a fitted one replaces it
(:mod:`taper_sim.inference.population.files`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from taper_sim import tables
from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.inference import course as at
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL
from taper_sim.model.life import ASSESSED_DOMAINS, ASSESSMENT_SD, set_points
from taper_sim.model.parameters import BY_SYMBOL, FAILED_TAPERS_COUNTED, Baseline, Scale, individual_value
from taper_sim.units import DRUG_CLASSES, DrugClass

DRIFT_SD: Final = 0.2
"""Sd of the drift of log sigma over 28 days. Source: A28 (0.13 covers a slow drift, 0.265 a fast one; the value is on
the high side)."""

_SET_POINT_MEAN, _SET_POINT_COVARIANCE = set_points(at.couplings())
_SET_POINT_SD: Final = np.sqrt(np.diag(_SET_POINT_COVARIANCE))
SET_POINT_CORRELATION: Final = _SET_POINT_COVARIANCE / np.outer(_SET_POINT_SD, _SET_POINT_SD)
"""Correlations of the set points of ``model.life.ASSESSED_DOMAINS`` between people."""
#: Mean and sd between people. Source: the registry of docs/cohort.md, less life outside the taper and error of
#: assessment (``model.life.set_points``); craving and engagement A3.
_BETWEEN_PEOPLE: Final[Mapping[str, tuple[float, float]]] = {
    **{
        domain: (float(mean), float(sd))
        for domain, mean, sd in zip(ASSESSED_DOMAINS, _SET_POINT_MEAN, _SET_POINT_SD, strict=True)
    },
    "engagement": (Baseline.engagement, 0.15),
    "craving": (Baseline.craving, 0.15),
}
#: Measurement sd of an assessment of each level. Source: A29.
ASSESSED: Final[Mapping[str, float]] = {
    **dict(zip(ASSESSED_DOMAINS, ASSESSMENT_SD, strict=True)),
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
    "craving": (("craving", at.C0, *_BETWEEN_PEOPLE["craving"], False),),
}


def combined_sd(scale: Scale, spread: float, centre_sd: float) -> float:
    """Spread between people and uncertainty of the centre together, as a spread on the scale.

    On the heavy scales the spread counts ``sinh(z)`` or ``2 sinh(z/2)``, whose sd is not 1; the variances add up.
    """
    unit = {"heavy": np.sqrt((np.exp(2.0) - 1.0) / 2.0), "heavy_log": np.sqrt(2.0 * (np.exp(0.5) - 1.0))}.get(
        scale, 1.0
    )
    return float(np.hypot(spread, centre_sd / unit))


_FAR: Final = 50.0  # a log beyond which a value is not told from infinity


@dataclass(frozen=True)
class Prior:
    """Priors of a person's inferred values; ``base`` holds the values that are not inferred.

    A value is ``parameters.individual_value`` of a standard normal. These are independent, except those of the set
    points, which correlate (:data:`SET_POINT_CORRELATION`).

    Attributes
    ----------
    names : tuple of str
        Names of the inferred values: ``sigma_opioid`` … ``pain`` … ``drift_0``.
    place : ndarray of int, (d,)
        Position in the vector of values (``inference.course``).
    mean, sd : ndarray, (d,)
        Centre and spread on the scale; the centre of a scale ``log`` or ``heavy_log`` is that of the log.
    scale : tuple of str
        Scale of each value, as in ``parameters.Parameter``.
    base : ndarray, (N_VALUES,)
        Vector of values before the inferred ones are put in.
    """

    names: tuple[str, ...]
    place: Ints
    mean: Floats
    sd: Floats
    scale: tuple[Scale, ...]
    base: Floats = field(repr=False)

    @property
    def n_segments(self) -> int:
        """Segments of drift that are inferred."""
        return sum(name.startswith("drift_") for name in self.names)

    @property
    def is_log(self) -> Bools:
        """Whether the centre is that of the log, (d,)."""
        return np.array([scale in _LOGS for scale in self.scale], dtype=np.bool_)

    @cached_property
    def _set_points(self) -> tuple[Ints, Floats]:
        """Columns of the set points, and the lower triangle that makes their normals of independent ones."""
        known = [k for k, domain in enumerate(ASSESSED_DOMAINS) if domain in self.names]
        columns = np.array([self.names.index(ASSESSED_DOMAINS[k]) for k in known], dtype=np.int64)
        return columns, np.linalg.cholesky(SET_POINT_CORRELATION[np.ix_(known, known)])

    @cached_property
    def _by_scale(self) -> tuple[tuple[Scale, Ints], ...]:
        return tuple((s, np.array([k for k, own in enumerate(self.scale) if own == s])) for s in set(self.scale))

    def natural(self, z: Floats) -> Floats:
        """Inferred values, (n, d), from whitened ones (n, d)."""
        normal, x = z.copy(), np.empty_like(z)
        columns, mix = self._set_points
        normal[:, columns] = np.einsum("nj,ij->ni", z[:, columns], mix)  # small: threads would cost more
        for scale, k in self._by_scale:
            x[:, k] = _of_normal(scale, self.mean[k], self.sd[k], normal[:, k])
        return x

    def values(self, z: Floats) -> Floats:
        """Full vectors of values, (n, N_VALUES), from whitened ones (n, d)."""
        v = np.repeat(self.base[None], len(z), axis=0)
        v[:, self.place] = self.natural(z)
        return v


_LOGS: Final = ("log", "heavy_log")


def _of_normal(scale: Scale, mean: Floats, sd: Floats, z: Floats) -> Floats:
    """Values of people from normals, as ``individual_value`` has them, and finite however far the normals."""
    if scale == "log":
        return np.asarray(np.exp(np.minimum(mean + sd * z, _FAR)))
    if scale == "heavy_log":
        far = 2.0 * np.arcsinh(_FAR / (2.0 * sd))
        return np.asarray(individual_value(scale, np.exp(mean), sd, np.clip(z, -far, far)))
    return np.asarray(individual_value(scale, mean, sd, np.clip(z, -_FAR, _FAR) if scale == "heavy" else z))


class ValuePrior(NamedTuple):
    """Prior of a value in the population, before any reports; ``centre`` and the sds are of the log if ``is_log``.

    ``spread`` is the spread between people on the ``scale``, ``centre_sd`` the sd of the uncertain centre, ``source``
    the source of both.
    """

    place: int
    centre: float
    spread: float
    centre_sd: float
    scale: Scale
    unit: str
    source: str

    @property
    def is_log(self) -> bool:
        """Whether the centre is that of the log."""
        return self.scale in _LOGS

    @property
    def sd(self) -> float:
        """Spread of a person's value whose centre is uncertain."""
        return combined_sd(self.scale, self.spread, self.centre_sd)


def _value_priors() -> dict[str, ValuePrior]:
    """Prior of every value by its name in a population."""
    priors: dict[str, ValuePrior] = {}
    for symbol, place in _INFERRED:
        q = BY_SYMBOL[symbol]
        for k, drug_class in enumerate(DRUG_CLASSES):
            for buprenorphine in (False, True):
                key = value_key(symbol, drug_class, buprenorphine)
                centre = q.centre(drug_class, buprenorphine=buprenorphine)
                priors[key] = ValuePrior(
                    place + k,
                    float(np.log(centre)) if q.scale in _LOGS else centre,
                    q.between_people(drug_class),
                    q.prior_sd,
                    q.scale,
                    q.unit,
                    q.source,
                )
    for name, place, q in (
        ("xi", at.XI, BY_SYMBOL["xi"]),
        ("tau_X", at.TAU_X, BY_SYMBOL["tau_X"]),
        ("life", at.LIFE, BY_SYMBOL["life"]),
        ("noise", at.NOISE, CHANCE_BY_SYMBOL["noise"]),
        ("s0", at.S0, CHANCE_BY_SYMBOL["s0"]),
    ):
        priors[name] = ValuePrior(
            place, float(np.log(q.centre())), q.between_people(), q.prior_sd, q.scale, q.unit, q.source
        )
    for name, (mean, sd) in _BETWEEN_PEOPLE.items():
        priors[name] = ValuePrior(
            _BASELINE_PLACE[name], mean, sd, 0.0, "linear", _BASELINE_UNIT.get(name, "1"), _BASELINE_SOURCE
        )
    for values in _OF_INSTRUMENT.values():
        for name, place, mean, sd, is_log in values:
            scale: Scale = "log" if is_log else "linear"
            priors.setdefault(
                name, ValuePrior(place, float(mean), sd, 0.0, scale, "of the instrument", _INSTRUMENT_SOURCE)
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
        return self.centre.get(key, prior.centre), self.sd.get(key, prior.sd)

    def shift(self, values: Mapping[str, float]) -> tuple[float, float]:
        """Shift of a person's log sigma by the traits whose values are known, and the sd of this shift."""
        offsets = [(values[name] - t.centre, t) for name, t in self.traits.items() if name in values]
        return sum(off * t.effect for off, t in offsets), float(np.sqrt(sum((off * t.sd) ** 2 for off, t in offsets)))


_BUPRENORPHINE: Final = "_buprenorphine"
TRAITS: Final = ("mood_disorder", "oud", "log_use")
"""Traits whose effect a fit can estimate: two flags, and the log of days of use relative to the median person's."""
_INFERRED: Final = (
    ("sigma", at.SIGMA),
    ("tau_F", at.TAU_F),
    ("tau_L", at.TAU_L),
    ("EC50", at.EC50),
    ("b", at.B),
    ("beta", at.BETA),
)
_BASELINE_UNIT: Final = {"pain": "NRS points", "function": "points of 0 to 100"}
_INSTRUMENT_SOURCE: Final = "docs/model.md 4; A27"
_BASELINE_SOURCE: Final = "registry of docs/cohort.md less life and error (model/life.py); A3"
VALUE_PRIORS: Final[Mapping[str, ValuePrior]] = _value_priors()


def _shipped() -> PopulationPrior:
    """Population of the package's table, which ``inference.population.shipped`` writes."""
    table = tables.read("population")
    rows = {row["value"]: row for row in table.rows}
    drift = rows.pop("drift_sd")
    return PopulationPrior(
        id=f"shipped-{table.sha256[:12]}",
        centre={name: float(row["centre"]) for name, row in rows.items()},
        sd={
            name: combined_sd(VALUE_PRIORS[name].scale, float(row["spread"]), float(row["centre_sd"]))
            for name, row in rows.items()
        },
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
        Baseline assessment, as in ``model.parameters.Baseline``. Of the set points the prior is the population's: what
        was assessed is a report of day 0 (``observation.reports_of``).
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
    rows: list[tuple[str, int, float, float, Scale]] = []
    base = at.centre_values(buprenorphine, baseline)

    def add(name: str, key: str, shift: float = 0.0, shift_sd: float = 0.0) -> None:
        centre, sd = population.of(key)
        prior = VALUE_PRIORS[key]
        rows.append((name, prior.place, centre + shift, float(np.hypot(sd, shift_sd)), prior.scale))

    trait_shift, trait_sd = population.shift(traits or {})
    for symbol, _ in _INFERRED:
        for k, drug_class in enumerate(DRUG_CLASSES):
            if taken[k]:
                shift = (failed_shift(failed_tapers) + trait_shift, trait_sd) if symbol == "sigma" else (0.0, 0.0)
                add(f"{symbol}_{drug_class}", value_key(symbol, drug_class, buprenorphine), *shift)
    for name in ("xi", "tau_X", "life", "noise"):
        add(name, name)
    # without an opioid the scale still has a level of its own: fixed, it would be explained by life outside the taper
    if taken[0] or "sows_gossop" in instruments:
        if baseline.get("sows_gossop", 0.0) > 0:
            rows.append(("s0", at.S0, float(np.log(baseline["sows_gossop"])), ASSESSED_LOG_S0, "log"))
        else:
            add("s0", "s0")
    of_instruments = [name for i in sorted(set(instruments)) for name, *_ in _OF_INSTRUMENT.get(i, ())]
    for name in ("pain", "distress", "insomnia", "function", *of_instruments):
        if name == "craving" and name in baseline:
            rows.append((name, VALUE_PRIORS[name].place, baseline[name], ASSESSED[name], "linear"))
        else:
            add(name, name)
    for name, value in fixed.items():
        row = next((r for r in rows if r[0] == name), None)
        if row is not None:
            base[row[1]] = value
    rows = [row for row in rows if row[0] not in fixed]
    if population.drift_sd > 0:
        rows += [
            (f"drift_{k}", at.DRIFT + k, 0.0, population.drift_sd, "linear")
            for k in range(min(n_segments, at.MAX_SEGMENTS))
        ]
    return Prior(
        tuple(r[0] for r in rows),
        np.array([r[1] for r in rows], dtype=np.int64),
        np.array([r[2] for r in rows]),
        np.array([r[3] for r in rows]),
        tuple(r[4] for r in rows),
        base,
    )
