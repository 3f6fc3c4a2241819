"""True models of the ladder: data-generating models that differ from the analysis model. Imports ``simulation``.

A true model is an ensemble with changed parameters and a ``simulation.misspecification``. The kernel, the policies and
the scenario are unchanged. Policies continue to assume the analysis model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.model.event_parameters import STREAMS
from taper_sim.simulation.ensemble import Ensemble
from taper_sim.simulation.misspecification import NO_MISSPECIFICATION, Misspecification

_REFERENCE_MME: Final = 90.0
"""Dose at which the drive linear in mg equals the model's drive, MME a day. Source: docs/model.md 1."""
_LINEAR: Final = 50.0
"""Factor on EC50 that makes the effect nearly linear in mg. A design choice: 2 % of curvature at 90 MME."""
_NEGLIGIBLE: Final = 1e-6  # a season, NRS points: at 0 the lead of a season would have no ratio to it
_OTHER_EC50: Final = 2.5  # 200 and 32 MME instead of 80, both within the reviewed range of 30 to 250 (docs/model.md 1)


@dataclass(frozen=True)
class TrueModel:
    """A true model: its meaning in words, its parameters and its misspecification."""

    meaning: str
    ensemble: Callable[[Ensemble], Ensemble]
    world: Misspecification = NO_MISSPECIFICATION


def _same(ensemble: Ensemble) -> Ensemble:
    return ensemble


def _changed(ensemble: Ensemble, **values: object) -> Ensemble:
    return replace(ensemble, values={**ensemble.values, **values})  # type: ignore[dict-item]


def _opioid(ensemble: Ensemble, symbol: str, factor: float | Floats) -> Floats:
    """Values of a symbol with the opioid's value multiplied by a factor, (n_draws, 3)."""
    values = ensemble.values[symbol].copy()
    values[:, 0] = values[:, 0] * factor
    return values


def _linear(ensemble: Ensemble) -> Ensemble:
    """Effect linear in mg: EC50 far above any dose; all that depends on effect keeps its value at 90 MME."""
    ec50 = ensemble.values["EC50"][:, 0]
    before, after = (_REFERENCE_MME / (_REFERENCE_MME + k) for k in (ec50, _LINEAR * ec50))
    ratio = before / after
    return _changed(
        ensemble,
        EC50=_opioid(ensemble, "EC50", _LINEAR),
        sigma=_opioid(ensemble, "sigma", ratio),
        alpha=_opioid(ensemble, "alpha", ratio),
        delta=ensemble.values["delta"] / ratio,
        overdose_excess=ensemble.values["overdose_excess"] * ratio,
    )


def _ec50(factor: float) -> Callable[[Ensemble], Ensemble]:
    """Another EC50; sigma is rescaled to keep the peak after an abrupt stop at 90 MME (assumption A17)."""

    def change(ensemble: Ensemble) -> Ensemble:
        ec50 = ensemble.values["EC50"][:, 0]
        before, after = (_REFERENCE_MME / (_REFERENCE_MME + k) for k in (ec50, factor * ec50))
        return _changed(
            ensemble, EC50=_opioid(ensemble, "EC50", factor), sigma=_opioid(ensemble, "sigma", before / after)
        )

    return change


def _white_noise(factor: float) -> Callable[[Ensemble], Ensemble]:
    """Another size of the white noise of all reports."""

    def change(ensemble: Ensemble) -> Ensemble:
        white = {f"white_{s.instrument}": np.full(ensemble.n_draws, factor * s.white) for s in STREAMS}
        return _changed(ensemble, **white)

    return change


def _no_life(ensemble: Ensemble) -> Ensemble:
    """Pain, distress, insomnia and function move by the taper alone, and nobody enrols in a bad time."""
    none = np.zeros(ensemble.n_draws)
    return _changed(
        ensemble, life_p=none, life_m=none, life_i=none, life_u=none, season_p=none + _NEGLIGIBLE, lead=none
    )


MODEL: Final = "the model"
TRUE_MODELS: Final[Mapping[str, TrueModel]] = MappingProxyType(
    {
        MODEL: TrueModel("the model that the policies assume, parameters drawn from their priors", _same),
        "linear in mg": TrueModel("the drive is proportional to mg, not to effect", _linear),
        "EC50 x 2.5": TrueModel("half-maximal effect at 200 MME", _ec50(_OTHER_EC50)),
        "relative to current": TrueModel(
            "half-maximal effect at 32 MME: between 96 and 11 MME equal percentage cuts of the current dose "
            "change the effect equally to within a quarter",
            _ec50(1.0 / _OTHER_EC50),
        ),
        "heavy tails": TrueModel(
            "8 % of reports with three times the usual error", _same, Misspecification(outliers=0.08)
        ),
        "missing on bad days": TrueModel(
            "log odds of answering lower by 1.5 for each 4 points of SOWS-Gossop",
            _same,
            Misspecification(missing_on_bad_days=1.5),
        ),
        "drift": TrueModel(
            "log sigma follows a random walk with sd 0.05 a day (0.26 in 28 days)",
            _same,
            Misspecification(sigma_drift_sd=0.05 * 28**0.5),
        ),
        "under-reporting": TrueModel(
            "half of the withdrawal is not reported", _same, Misspecification(reported_share=0.5)
        ),
        "noisier reports": TrueModel("white noise of all reports 1.5 times that of the model", _white_noise(1.5)),
        "steadier reports": TrueModel("white noise of all reports two thirds of the model's", _white_noise(1.0 / 1.5)),
        "no life outside the taper": TrueModel("nothing but the taper moves people", _no_life),
        "no lasting effect": TrueModel(
            "a lower dose changes nobody's pain permanently: b and beta are 0", _same, Misspecification(lasting=False)
        ),
        "b's spread halved": TrueModel(
            "people differ half as much in the long-run benefit", _same, Misspecification(benefit_spread=0.5)
        ),
        "b's spread doubled": TrueModel(
            "people differ twice as much in the long-run benefit", _same, Misspecification(benefit_spread=2.0)
        ),
        "flares": TrueModel(
            "half a flare a month, in which reported pain is 1.5 higher for five days, and SOWS as pain raises it",
            _same,
            Misspecification(flares=0.5),
        ),
    }
)
