"""What is believed of one person before her reports: which values are inferred, and their priors. Imports ``model``.

A value is inferred where reports can teach it. Its prior is the spread between people and what is not known of the
centre, together: the population file (:mod:`taper_sim.inference.population`) replaces both once it is fitted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taper_sim.inference import course as at
from taper_sim.model.chance import CHANCE_BY_SYMBOL
from taper_sim.model.parameters import BY_SYMBOL, FAILED_TAPERS_COUNTED, Baseline
from taper_sim.units import DRUG_CLASSES

Floats = NDArray[np.float64]

DRIFT_SD: Final = 0.2
"""Sd of the drift of log sigma over 28 days. Source: A28 (0.13 covers a slow drift, 0.265 a fast one: err high)."""

#: Baselines without a baseline assessment: mean and sd between people. Source: the registry of docs/cohort.md (NRS,
#: PROMIS T-scores on the model's scales), craving and engagement A3.
_UNKNOWN: Final[Mapping[str, tuple[float, float]]] = {
    "pain": (6.5, 2.0),
    "distress": (0.30, 0.22),
    "insomnia": (0.50, 0.22),
    "function": (40.0, 15.0),
    "engagement": (Baseline.engagement, 0.15),
    "craving": (Baseline.craving, 0.15),
}
#: With one: the sd with which a single assessment tells the level. Source: A29 (noise of one report of that scale).
_ASSESSED: Final[Mapping[str, float]] = {
    "pain": 1.2, "distress": 0.10, "insomnia": 0.10, "function": 6.0, "engagement": 0.1, "craving": 0.1,
}  # fmt: skip
_S0_ASSESSED_LOG_SD: Final = 0.35
_BASELINE_PLACE: Final = {
    "pain": at.P0, "distress": at.M0, "insomnia": at.I0, "function": at.U0, "engagement": at.N0, "craving": at.C0,
}  # fmt: skip
#: Values that one instrument alone teaches: name, place, mean, sd, on the log or not. Source: docs/model.md 4; A27.
_OF_INSTRUMENT: Final[Mapping[str, tuple[tuple[str, int, float, float, bool], ...]]] = {
    "cows": (("cows0", at.COWS0, np.log(1.5), 0.5, True), ("kappa", at.KAPPA, np.log(30.0), 0.3, True)),
    "bwsq": (("bwsq0", at.BWSQ0, np.log(3.0), 0.6, True),),
    "pwc": (("pwc0", at.PWC0, np.log(5.0), 0.6, True),),
    "steps": (("steps0", at.STEPS0, CHANCE_BY_SYMBOL["steps_0"].centre(), 0.5, False),),
    "sleep_hours": (("hours0", at.HOURS0, CHANCE_BY_SYMBOL["hours_0"].centre(), 1.0, False),),
    "withdrawal_item": (("item0", at.ITEM0, np.log(CHANCE_BY_SYMBOL["item_0"].centre()), 0.4, True),),
    "craving": (("craving", at.C0, *_UNKNOWN["craving"], False),),
}


@dataclass(frozen=True)
class Prior:
    """Independent normals over a person's values, on the log where ``is_log``; everything else stands in ``base``.

    Attributes
    ----------
    names : tuple of str
        Of the values inferred: ``sigma_opioid`` … ``pain`` … ``drift_0``.
    place : ndarray of int, (d,)
        In the vector of values (``inference.course``).
    mean, sd : ndarray, (d,)
    is_log : ndarray of bool, (d,)
    base : ndarray, (N_VALUES,)
    """

    names: tuple[str, ...]
    place: NDArray[np.int64]
    mean: Floats
    sd: Floats
    is_log: NDArray[np.bool_]
    base: Floats = field(repr=False)

    @property
    def compiled(self) -> Any:
        """As the compiled code takes it."""
        return (self.base, self.place, self.mean, self.sd, self.is_log)

    def natural(self, z: Floats) -> Floats:
        """Values inferred, (n, d), from whitened ones (n, d)."""
        x = self.mean + self.sd * z
        return np.where(self.is_log, np.exp(np.minimum(x, 50.0)), x)

    def values(self, z: Floats) -> Floats:
        """Whole vectors of values, (n, N_VALUES), from whitened ones (n, d)."""
        v = np.repeat(self.base[None], len(z), axis=0)
        v[:, self.place] = self.natural(z)
        return v

    def without_drift(self) -> "Prior":
        """The same with a sensitivity that stays as it is."""
        keep = np.array([not name.startswith("drift_") for name in self.names])
        return replace(
            self, names=tuple(name for name, k in zip(self.names, keep, strict=True) if k), place=self.place[keep],
            mean=self.mean[keep], sd=self.sd[keep], is_log=self.is_log[keep],
        )  # fmt: skip


@dataclass(frozen=True)
class Population:
    """Centres and spreads of the values that people differ in.

    Attributes
    ----------
    id : str
        Which population this is, for the outputs.
    calibrated : bool
        Whether it was fitted to published results.
    centre, sd : mapping of str to float
        By name (``sigma_opioid`` …), on the log where the parameter's scale is; what is missing is the table's.
    drift_sd : float
        Of log sigma over 28 days.
    origin : str
        Where it came from, one line.
    """

    id: str = "prior"
    calibrated: bool = False
    centre: Mapping[str, float] = field(default_factory=dict)
    sd: Mapping[str, float] = field(default_factory=dict)
    drift_sd: float = DRIFT_SD
    origin: str = "priors of docs/parameters.md; not calibrated to published results"


DEFAULT_POPULATION: Final = Population()
_INFERRED: Final = (("sigma", at.SIGMA), ("tau_F", at.TAU_F), ("tau_L", at.TAU_L), ("EC50", at.EC50), ("b", at.B))


def prior_of(
    taken: tuple[bool, bool, bool],
    n_segments: int,
    instruments: tuple[str, ...] = (),
    *,
    buprenorphine: bool = False,
    failed_tapers: int = 0,
    baseline: Mapping[str, float] | None = None,
    population: Population = DEFAULT_POPULATION,
    fixed: Mapping[str, float] | None = None,
) -> Prior:
    """Prior of one person.

    Parameters
    ----------
    taken : tuple of bool
        Which drug classes are taken.
    n_segments : int
        Pieces of 28 days of drift that data and horizon cover.
    instruments : tuple of str
        That were sent: some values are taught by one instrument only.
    buprenorphine : bool
        Whether the opioid is buprenorphine, on its own scale.
    failed_tapers : int
        Earlier ones, of which three count.
    baseline : mapping, optional
        Of a baseline assessment, as in ``model.parameters.Baseline``.
    population : Population
    fixed : mapping of name to value, optional
        Values that a patient's file fixes: they are not inferred.
    """
    baseline, fixed = dict(baseline or {}), dict(fixed or {})
    rows: list[tuple[str, int, float, float, bool]] = []
    base = at.centre_values(buprenorphine, baseline)
    failed = BY_SYMBOL["sigma_failed"].centre() ** min(failed_tapers, FAILED_TAPERS_COUNTED)
    for symbol, place in _INFERRED:
        q = BY_SYMBOL[symbol]
        for k, drug_class in enumerate(DRUG_CLASSES):
            if not taken[k]:
                continue
            name, centre = f"{symbol}_{drug_class}", q.centre(drug_class, buprenorphine=buprenorphine)
            centre *= failed if symbol == "sigma" else 1.0
            mean = float(np.log(centre)) if q.scale == "log" else centre
            sd = float(np.hypot(q.between_people(drug_class), q.prior_sd))
            rows.append((name, place + k, population.centre.get(name, mean), population.sd.get(name, sd),
                         q.scale == "log"))  # fmt: skip
    xi, noise, s0 = BY_SYMBOL["xi"], CHANCE_BY_SYMBOL["noise"], CHANCE_BY_SYMBOL["s0"]
    rows.append(("xi", at.XI, float(np.log(xi.centre())), float(np.hypot(xi.between_people(), xi.prior_sd)), True))
    rows.append(("noise", at.NOISE, 0.0, noise.between_people(), True))
    if taken[0]:
        assessed = "sows_gossop" in baseline and baseline["sows_gossop"] > 0
        rows.append(("s0", at.S0, float(np.log(baseline["sows_gossop"] if assessed else s0.centre())),
                     _S0_ASSESSED_LOG_SD if assessed else s0.between_people(), True))  # fmt: skip
    for name in ("pain", "distress", "insomnia", "function"):
        mean, sd = (baseline[name], _ASSESSED[name]) if name in baseline else _UNKNOWN[name]
        rows.append((name, _BASELINE_PLACE[name], mean, sd, False))
    for instrument in sorted(set(instruments)):
        for name, place, mean, sd, is_log in _OF_INSTRUMENT.get(instrument, ()):
            if name == "craving" and name in baseline:
                mean, sd = baseline[name], _ASSESSED[name]
            rows.append((name, place, mean, sd, is_log))
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
