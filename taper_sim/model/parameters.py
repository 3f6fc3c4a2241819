"""Every parameter of sections 1 and 2 of the model: symbol, unit, value, spread, prior, source. Imports only ``units``.

A parameter is one row of :data:`TABLE`. ``value`` is the centre (the median person); ``spread`` is the standard
deviation between people; ``prior_sd`` is the uncertainty of the centre, drawn once for each draw of the
ensemble. Both sds are of the log for ``scale="log"`` and in the parameter's unit for ``scale="linear"``.
Sources such as ``A7`` are numbered assumptions in docs/assumptions.md. docs/parameters.md is generated from this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np

from taper_sim.units import DRUG_CLASSES, DrugClass

PerClass = Mapping[DrugClass, float]
Scale = Literal["log", "linear", "share", "heavy_log", "heavy"]


XI_BOUND: Final = 15.0
"""Limit that a person's reaction to a cut approaches, SOWS-Gossop points. Source: A54."""


def individual_value(scale: Scale, centre: Any, spread: Any, z: Any) -> Any:
    """Value of a person who is ``z`` standard deviations from the median person.

    ``log``: ``centre exp(spread z)``. ``linear`` and ``share``: ``centre + spread z``. ``heavy_log``:
    ``x / (1 + x/15)`` with ``x = centre exp(2 spread sinh(z/2))``. ``heavy``: ``centre + spread sinh(z)``.
    Source: docs/model.md, section 2.
    """
    if scale == "log":
        return centre * np.exp(spread * z)
    if scale == "heavy_log":
        x = centre * np.exp(2.0 * spread * np.sinh(0.5 * z))
        return x / (1.0 + x / XI_BOUND)
    if scale == "heavy":
        return centre + spread * np.sinh(z)
    return centre + spread * z


@dataclass(frozen=True)
class Parameter:
    """One symbol of the model.

    Attributes
    ----------
    symbol : str
        The name in docs/model.md, Greek letters spelt out; the name in patient files.
    meaning, unit, source : str
        In words; the unit of ``value``; where it comes from.
    value : float or mapping of drug class to float
        Centre: the median person.
    spread : float or mapping
        Standard deviation between people, 0 if all people share the value.
    prior_sd : float
        Standard deviation of the centre over draws of the ensemble, 0 if it is fixed.
    scale : "log", "linear", "share", "heavy_log" or "heavy"
        Scale of both standard deviations; the prior of a share is the Beta with its centre and sd. The two heavy scales
        have heavier tails between people (:func:`individual_value`).
    buprenorphine : float or None
        The opioid value of a person on buprenorphine, if it differs.
    """

    symbol: str
    meaning: str
    unit: str
    value: float | PerClass
    source: str
    spread: float | PerClass = 0.0
    prior_sd: float = 0.0
    scale: Scale = "log"
    buprenorphine: float | None = None

    @property
    def per_class(self) -> bool:
        """Whether the symbol has one value for each drug class."""
        return not isinstance(self.value, int | float)

    def centre(self, drug_class: DrugClass | None = None, *, buprenorphine: bool = False) -> float:
        """Value of the median person, for one class if the symbol has three."""
        if buprenorphine and drug_class == "opioid" and self.buprenorphine is not None:
            return self.buprenorphine
        if isinstance(self.value, int | float):
            return float(self.value)
        if drug_class is None:
            raise ValueError(f"{self.symbol} has a value for each drug class; name one of {', '.join(DRUG_CLASSES)}")
        return self.value[drug_class]

    def between_people(self, drug_class: DrugClass | None = None) -> float:
        """Standard deviation between people, on ``scale``."""
        if isinstance(self.spread, int | float):
            return float(self.spread)
        if drug_class is None:
            raise ValueError(f"the spread of {self.symbol} differs by drug class; name one")
        return self.spread[drug_class]


def _by_class(opioid: float, benzodiazepine: float, gabapentinoid: float) -> PerClass:
    return MappingProxyType({"opioid": opioid, "benzodiazepine": benzodiazepine, "gabapentinoid": gabapentinoid})


_MODEL = "docs/model.md"
_REVIEW = "docs/model.md, reviewed range"
_JUDGED = "A1"  # judged sizes of the couplings between the domains


TABLE: Final[tuple[Parameter, ...]] = (
    # -- section 1: medicines ------------------------------------------------------------------------------------------
    Parameter(
        "EC50",
        "level at half-maximal effect",
        "equivalents/day",
        _by_class(80, 40, 300),
        f"{_MODEL} 1; PET and SPECT occupancy, prior 30 to 250 MME",
        spread=_by_class(0.6, 0.7, 0.5),
        prior_sd=0.5,
        buprenorphine=2.4,
    ),
    Parameter(
        "tau_F",
        "fast adaptation",
        "d",
        _by_class(5, 10, 5),
        f"{_MODEL} 1; E064, E066, E111",
        spread=_by_class(0.3, 0.3, 0.3),
        prior_sd=0.15,
        buprenorphine=10,
    ),
    Parameter(
        "tau_L",
        "slow adaptation",
        "d",
        _by_class(75, 90, 60),
        f"{_MODEL} 1; no human estimate: wide prior",
        spread=_by_class(0.5, 0.5, 0.5),
        prior_sd=0.3,
        buprenorphine=60,
    ),
    Parameter(
        "omega",
        "fast share of the adapted set point",
        "1",
        _by_class(0.8, 0.6, 0.7),
        f"{_MODEL} 1; 0.7 to 0.9",
        prior_sd=0.05,
        scale="share",
        buprenorphine=0.5,
    ),
    Parameter(
        "sigma",
        "withdrawal sensitivity",
        "1",
        _by_class(1.2, 0.6, 0.3),
        f"{_MODEL} 1; E104, E106 (opioid), E068, E069 (benzodiazepine); Kasper (gabapentinoid)",
        spread=_by_class(0.6, 0.8, 0.8),
        prior_sd=0.2,
    ),
    Parameter(
        "sigma_failed",
        "factor on sigma for each earlier failed taper, at most three",
        "1",
        1.15,
        f"{_MODEL} 1; 1.0 to 1.3, weak",
        prior_sd=0.05,
    ),
    Parameter(
        "alpha",
        "acute analgesia at full effect",
        "NRS points",
        _by_class(1.5, 0.3, 1.0),
        f"{_MODEL} 1; Busse 2018",
        prior_sd=0.25,
    ),
    Parameter(
        "b",
        "long-run benefit at the baseline dose, negative = hyperalgesia",
        "NRS points",
        _by_class(0.2, 0.0, 0.6),
        f"{_MODEL} 1; McPherson 2018, Meske 2018",
        spread=_by_class(0.66, 0.20, 0.53),
        prior_sd=0.3,
        scale="linear",
    ),
    Parameter(
        "beta",
        "lasting change of pain when the whole dose is removed, positive = worse",
        "NRS points",
        _by_class(0.0, 0.0, 0.0),
        "A55: with b the variance that b alone had",
        spread=_by_class(0.42, 0.13, 0.34),
        prior_sd=0.15,
        scale="heavy",
    ),
    Parameter(
        "cut_reference",
        "dose against which a cut is measured where the dose of day 0 is lower",
        "equivalents/day",
        _by_class(50, 10, 900),
        "A56",
        buprenorphine=2,
    ),
    Parameter(
        "adjunct",
        "share of the drive an adjunct removes while it is given",
        "1",
        _by_class(0, 0, 0),
        f"{_MODEL} 1; none unless given",
    ),
    Parameter(
        "adjunct_effect",
        "the same share while an alpha-2 agonist is given",
        "1",
        _by_class(0.45, 0, 0),
        "E049, E050: geometric mean SOWS -19 to -23 %; 0.2 gives -8 %, so 0.45",
        prior_sd=0.1,
        scale="share",
    ),
    Parameter("delta", "shortfall that is not felt", "1", 0.03, f"{_REVIEW}, row 2", prior_sd=0.2),
    Parameter("tau_s", "time from drive to withdrawal", "d", 0.7, f"{_REVIEW}, 0.5 to 1", prior_sd=0.15),
    Parameter("tau_A", "analgesic tolerance", "d", 30, f"{_REVIEW}, 15 to 90", prior_sd=0.4),
    Parameter("tau_R", "respiratory tolerance", "d", 14, f"{_REVIEW}, 7 to 30", prior_sd=0.35),
    Parameter(
        "cross_tolerance",
        "share of A and R kept when the drug is rotated",
        "1",
        0.75,
        f"{_REVIEW}, 0.5 to 1",
        prior_sd=0.1,
        scale="share",
    ),
    # -- section 2: the person -----------------------------------------------------------------------------------------
    Parameter(
        "xi",
        "reaction to one announced cut of a tenth or more, agreed",
        "SOWS-Gossop points",
        0.8,
        f"{_REVIEW} H, 0 to 3; tail and bound A54",
        spread=0.7,
        prior_sd=0.3,
        scale="heavy_log",
    ),
    Parameter("xi_imposed", "factor on xi where the cut is imposed", "1", 2.5, f"{_REVIEW} H", prior_sd=0.25),
    Parameter("tau_X", "the reaction fades", "d", 6, f"{_REVIEW} H, 5 to 7 d; spread A54", spread=0.4),
    Parameter("full_cut", "a cut of this share brings the whole reaction", "share of the dose", 0.10, "A54"),
    Parameter("life_p", "one-day shocks of pain: their stationary sd", "NRS points", 0.85, "A57", prior_sd=0.15),
    Parameter("life_m", "the same of distress", "1", 0.06, "A57", prior_sd=0.2),
    Parameter("life_i", "the same of insomnia", "1", 0.11, "A57", prior_sd=0.2),
    Parameter("life_u", "the same of function", "points", 2.0, "A57", prior_sd=0.2),
    Parameter("life_r", "correlation of the shocks of one day", "1", 0.10, "A57"),
    Parameter("season_p", "sd of the season of pain", "NRS points", 0.92, "A58", prior_sd=0.15),
    Parameter("tau_S", "the season passes", "d", 150, "A58: 60 to 300", prior_sd=0.3),
    Parameter("lead", "season of pain at enrolment", "NRS points", 0.45, "A59", prior_sd=0.3),
    Parameter("life", "factor on shocks and season of a person", "1", 1.0, "A57", spread=0.3),
    Parameter("tau_P", "pain", "d", 3, _MODEL + " 2"),
    Parameter("tau_M", "distress", "d", 14, _MODEL + " 2"),
    Parameter("tau_I", "insomnia", "d", 5, _MODEL + " 2"),
    Parameter("tau_U", "function", "d", 21, _MODEL + " 2"),
    Parameter("tau_N", "engagement", "d", 30, _MODEL + " 2"),
    Parameter("tau_C", "craving", "d", 60, _MODEL + " 2"),
    Parameter("tau_K", "care received", "d", 28, _MODEL + " 2"),
    Parameter("p", "pain from full withdrawal", "NRS points", _by_class(2.5, 0.7, 1.5), _JUDGED, prior_sd=0.3),
    Parameter("m", "distress from full withdrawal", "1", _by_class(0.30, 0.55, 0.35), _JUDGED, prior_sd=0.3),
    Parameter("i", "insomnia from full withdrawal", "1", _by_class(0.45, 0.60, 0.45), _JUDGED, prior_sd=0.3),
    Parameter("pain_from_distress", "pain per unit of distress", "NRS points", 2.0, _JUDGED, prior_sd=0.3),
    Parameter(
        "pain_from_insomnia", "pain per unit of insomnia", "NRS points", 1.5, f"{_REVIEW}, 0.5 to 2.5", prior_sd=0.35
    ),
    Parameter("pain_from_pt", "pain removed by full physical therapy", "NRS points", 0.25, "A2", prior_sd=0.3),
    Parameter(
        "distress_from_pain", "distress per NRS point", "1/NRS point", 0.035, f"{_MODEL} 2; Kroenke 2011", prior_sd=0.3
    ),
    Parameter(
        "distress_from_insomnia", "distress per unit of insomnia", "1", 0.15, f"{_REVIEW}, 0.05 to 0.25", prior_sd=0.35
    ),
    Parameter("distress_from_reaction", "distress per point of reaction", "1/SOWS point", 0.02, _JUDGED, prior_sd=0.3),
    Parameter(
        "distress_from_psychologist", "distress removed by full psychological care", "1", 0.025, "A2", prior_sd=0.3
    ),
    Parameter("insomnia_from_distress", "insomnia per unit of distress", "1", 0.30, _JUDGED, prior_sd=0.3),
    Parameter(
        "insomnia_from_pain", "insomnia per NRS point", "1/NRS point", 0.01, f"{_REVIEW}, 0 to 0.03", prior_sd=0.4
    ),
    Parameter(
        "insomnia_from_psychologist", "insomnia removed by full psychological care", "1", 0.03, "A2", prior_sd=0.3
    ),
    Parameter("function_from_pain", "function lost per NRS point", "points/NRS point", 4.0, _JUDGED, prior_sd=0.3),
    Parameter("function_from_distress", "function lost per unit of distress", "points", 20, _JUDGED, prior_sd=0.3),
    Parameter("function_from_insomnia", "function lost per unit of insomnia", "points", 8, _JUDGED, prior_sd=0.3),
    Parameter("function_from_withdrawal", "function lost at full withdrawal", "points", 10, _JUDGED, prior_sd=0.3),
    Parameter("function_from_pt", "function gained by full physical therapy", "points", 1.5, "A2", prior_sd=0.3),
    Parameter("engagement_from_withdrawal", "engagement lost at full withdrawal", "1", 0.5, _JUDGED, prior_sd=0.3),
    Parameter("engagement_from_distress", "engagement lost per unit of distress", "1", 0.3, _JUDGED, prior_sd=0.3),
    Parameter("engagement_from_nurse", "engagement gained by full nursing care", "1", 0.10, "A2", prior_sd=0.3),
    Parameter("craving_from_withdrawal", "craving at full withdrawal", "1", 0.5, _JUDGED, prior_sd=0.3),
    Parameter("craving_from_distress", "craving per unit of distress", "1", 0.4, _JUDGED, prior_sd=0.3),
    Parameter("craving_from_pain", "craving per NRS point", "1/NRS point", 0.03, _JUDGED, prior_sd=0.3),
)

BY_SYMBOL: Final[Mapping[str, Parameter]] = MappingProxyType({p.symbol: p for p in TABLE})

#: Values of the formulation, from the drug's row; a patient file may fix them for a class.
FORMULATION_SYMBOLS: Final = ("effect_half_life_h", "trough_mean")

#: Disciplines whose delivered care K the person feels, in the order of care arrays.
DISCIPLINES: Final = ("prescriber", "pharmacist", "pt", "psychologist", "nurse", "peer")


@dataclass(frozen=True)
class Baseline:
    """State of a person before any change, and the median person's values.

    ``pain`` NRS 0 to 10; ``distress``, ``insomnia``, ``engagement``, ``craving`` 0 to 1; ``function`` 0 to 100, higher
    better; ``sows_gossop`` the score reported without withdrawal, 0 to 30. Source: docs/assumptions.md, A3.
    """

    pain: float = 6.0
    distress: float = 0.30
    insomnia: float = 0.40
    function: float = 45.0
    engagement: float = 0.8
    craving: float = 0.1
    sows_gossop: float = 3.5


#: Range a baseline value may take: the ends of its scale.
BASELINE_LIMITS: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "pain": (0.0, 10.0),
        "distress": (0.0, 1.0),
        "insomnia": (0.0, 1.0),
        "function": (0.0, 100.0),
        "engagement": (0.0, 1.0),
        "craving": (0.0, 1.0),
        "sows_gossop": (0.0, 30.0),
    }
)

MEDIAN_USE_DAYS: Final = 1825.0
"""Days of use of the median person (five years). Source: docs/assumptions.md, A3."""

FAILED_TAPERS_COUNTED: Final = 3
"""At most so many earlier failed tapers raise sigma. Source: docs/model.md, section 1."""
