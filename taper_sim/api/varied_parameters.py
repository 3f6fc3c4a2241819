"""Which parameters a sensitivity analysis varies, in which drug classes. Imports ``simulation.ensemble``, ``data``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import rankdata

from taper_sim.array_types import Bools, Floats
from taper_sim.data.problems import InputError, Problem, nearest, shown
from taper_sim.simulation.ensemble import CENTRES, Ensemble
from taper_sim.units import DRUG_CLASSES, DrugClass

#: Varied by default: the parameters of withdrawal, pain and what a dose does to both.
DEFAULT_PARAMETERS: Final = ("sigma", "tau_F", "tau_L", "EC50", "xi", "delta")


@dataclass(frozen=True)
class VariedParameter:
    """A symbol, in the drug classes in which it varies.

    Attributes
    ----------
    name : str
        As the caller gave it: ``sigma``, ``sigma_opioid``.
    symbol : str
    classes : tuple of drug class
        Empty for a symbol that has one value.
    """

    name: str
    symbol: str
    classes: tuple[DrugClass, ...]

    def draws(self, ensemble: Ensemble) -> Floats:
        """Values of the draws, (n_draws, n_columns): a column for each class, or one."""
        values = ensemble.values[self.symbol]
        return values[:, [DRUG_CLASSES.index(c) for c in self.classes]] if self.classes else values[:, np.newaxis]

    def rank(self, ensemble: Ensemble) -> Floats:
        """Rank of each draw, (n_draws,); of several classes, the mean of their ranks.

        The classes' draws are independent. What the mean rank explains is therefore at most what the classes explain.
        """
        return np.asarray(rankdata(self.draws(ensemble), axis=0).mean(axis=1))

    def fixed_at(self, share: float, ensemble: Ensemble) -> dict[str, float]:
        """Values at a quantile of the draws, each class at its own, by the names of ``simulation.ensemble.CENTRES``."""
        names = [f"{self.symbol}_{drug_class}" for drug_class in self.classes] or [self.symbol]
        values = np.quantile(self.draws(ensemble), share, axis=0)
        return {name: float(value) for name, value in zip(names, values, strict=True)}


def varied_parameters(names: Sequence[str] | str | None, taken: Bools, file: str) -> list[VariedParameter]:
    """Parameters to vary, for people who take the drug classes of ``taken``.

    Parameters
    ----------
    names : sequence of str, or None
        Symbols, or ``symbol_class``. None gives the default: for people on one class the symbols, for people on several
        a name a class.
    taken : ndarray of bool, (n_people, 3)
    file : str
        What a problem names.

    Raises
    ------
    InputError
        A problem for each name that is unknown, has no spread or is of a class that nobody takes.
    """
    classes = tuple(c for c, some in zip(DRUG_CLASSES, taken.any(axis=0), strict=True) if some)
    if names is None:
        names = [name for symbol in DEFAULT_PARAMETERS for name in _default_names(symbol, classes)]
    names = list(dict.fromkeys([names] if isinstance(names, str) else names))
    problems = [p for name in names if (p := _problem(name, classes, file)) is not None]
    if not names:
        problems = [
            Problem(file, "parameters", "an empty list", "symbols of docs/parameters.md, or none for a default")
        ]
    if problems:
        raise InputError(problems)
    return [_varied(name, classes) for name in names]


def _default_names(symbol: str, classes: tuple[DrugClass, ...]) -> list[str]:
    if CENTRES[symbol].parameter.per_class and len(classes) > 1:
        return [f"{symbol}_{drug_class}" for drug_class in classes]
    return [symbol]


def _problem(name: str, classes: tuple[DrugClass, ...], file: str) -> Problem | None:
    """What forbids to vary a name, if anything does."""
    if not isinstance(name, str) or name not in CENTRES:
        given = f"{shown(name)}, an unknown symbol{nearest(str(name), CENTRES)}"
        return Problem(file, "parameters", given, "a symbol of docs/parameters.md")
    centre = CENTRES[name]
    if centre.parameter.prior_sd == 0:
        return Problem(file, "parameters", f"{name}, which has no spread", "a symbol with a prior sd")
    if centre.drug_class is not None and centre.drug_class not in classes:
        allowed = ", ".join(f"{centre.parameter.symbol}_{c}" for c in classes)
        return Problem(file, "parameters", f"{name}, of a drug class that nobody takes", allowed)
    return None


def _varied(name: str, classes: tuple[DrugClass, ...]) -> VariedParameter:
    parameter, drug_class = CENTRES[name]
    if not parameter.per_class:
        return VariedParameter(name, parameter.symbol, ())
    return VariedParameter(name, parameter.symbol, classes if drug_class is None else (drug_class,))
