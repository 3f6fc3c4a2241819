"""People of a comparison by subgroup: a name, several crossed, or a function. Imports ``comparison.tables``."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taper_sim.array_types import Bools
from taper_sim.comparison.tables import DERIVED_SUBGROUPS, subgroups
from taper_sim.data.problems import InputError, Problem, nearest, problem
from taper_sim.simulation.cohort import FLAGS, Cohort

_FILE: Final = "by"
_MOST_VALUES: Final = 12  # of a column that is used without a function

Key = str | Callable[[pd.DataFrame], Any]
By = Key | Sequence[Key] | None


def groups_of(by: By, people: pd.DataFrame, cohort: Cohort) -> dict[str, Bools]:
    """Masks of every subgroup that occurs, (n,) each.

    Parameters
    ----------
    by : str, callable, or a sequence of them
        A flag such as ``"ptsd"``, a derived subgroup (``dose``, ``age`` …), another column of ``people`` with few
        values, or a function of ``people`` that gives a label a row. Several are crossed.
    people : DataFrame, (n, columns)
        A row a person.
    cohort : Cohort
        The same people.

    Returns
    -------
    dict of str to ndarray of bool
        By names such as ``ptsd=yes`` or ``ptsd=yes, dose=>=90``.
    """
    keys = [by] if isinstance(by, str) or callable(by) else list(by or ())
    masks: dict[str, Bools] = {"": np.ones(len(people), dtype=bool)}
    for key in keys:
        labels, name = _labels(key, people, cohort)
        crossed: dict[str, Bools] = {}
        for before, mask in masks.items():
            for label in sorted(set(labels[mask])):
                crossed[f"{before}, {name}={label}" if before else f"{name}={label}"] = mask & (labels == label)
        masks = crossed
    return masks if keys else {"all": masks[""]}


def _labels(key: Key, people: pd.DataFrame, cohort: Cohort) -> tuple[NDArray[Any], str]:
    """A label a person as text, and the name of the subgrouping."""
    if callable(key):
        name = getattr(key, "__name__", "group").strip("<>").replace("lambda", "group")
        try:
            labels = np.asarray(key(people))
        except Exception as error:  # any error of a user's function becomes one line
            given = f"a function that raised {type(error).__name__}: {error}"
            raise problem(_FILE, name, given, "a function of the table of people that gives a label a row") from error
        if labels.shape != (len(people),):
            raise problem(_FILE, name, f"a result of shape {labels.shape}", f"({len(people)},), a label a person")
        return _as_text(labels), name
    if key in FLAGS or key in DERIVED_SUBGROUPS:
        masks = subgroups(cohort, [key])
        labels = np.empty(len(people), dtype=object)
        for name, mask in masks.items():
            if name != "all":
                labels[mask] = name.removeprefix(f"{key}=")
        return labels, key
    known = [*FLAGS, *DERIVED_SUBGROUPS, *(c for c in people.columns if c not in FLAGS and c != "patient_id")]
    if key not in people.columns or key == "patient_id":
        given = f"{key!r}, no column of the people{nearest(str(key), known)}"
        raise InputError(Problem(_FILE, "", given, f"one of {', '.join(known)}, or a function of the table of people"))
    values = people[key]
    if values.nunique() > _MOST_VALUES:
        given = f"{key} with {values.nunique()} values"
        raise problem(_FILE, "", given, f"a function that cuts it, such as lambda people: people['{key}'] > …")
    return _as_text(values.to_numpy()), key


def _as_text(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype == bool:
        return np.where(values, "yes", "no").astype(object)
    return np.array([str(value) for value in values], dtype=object)
