"""Courses due to the taper as a differentiable PyTensor graph. Imports ``inference.course``, ``model``.

One scan over the days applies ``model.day`` to vectors of people (tests/studies/test_graph.py compares it with the
compiled course). The graph omits respiratory tolerance, on which no report depends.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pytensor
from pytensor import tensor as pt

from taper_sim.array_types import Floats
from taper_sim.inference import course as at
from taper_sim.inference.course import Regimen
from taper_sim.model.day import (
    NO_LIFE,
    Medicine,
    MedicineLoad,
    MedicineState,
    PersonStart,
    PersonState,
    Reaction,
    medicine_day,
    medicine_load,
    medicine_start,
    person_day,
)

Graph = Any
"""A PyTensor variable."""

_OF_THE_DAY: Final = 3  # sequences common to the classes: cut, sensitivity, rotation


class SymbolicCourse(NamedTuple):
    """Latent quantities by day, (n_days + 1, n_people), day 0 first; withdrawal by class, None if not taken."""

    pain: Graph
    reaction: Graph
    distress: Graph
    insomnia: Graph
    function: Graph
    craving: Graph
    withdrawal: tuple[Graph | None, Graph | None, Graph | None]


class Doses(NamedTuple):
    """Regimens of several people; a shorter one is extended by its last day.

    ``dose``, ``removed``, ``decay_g``, ``adjunct`` (n_days + 1, n_people, 3); ``shape`` (n_days + 1, n_people, 3, 4);
    ``cut``, ``rotated`` (n_days + 1, n_people); ``taken``, ``use_days`` (n_people, 3).
    """

    dose: Floats
    cut: Floats
    removed: Floats
    decay_g: Floats
    shape: Floats
    taken: Floats
    use_days: Floats
    adjunct: Floats
    rotated: Floats


def side_by_side(regimens: Sequence[Regimen]) -> Doses:
    """Regimens of people with records of different lengths as arrays of equal length."""
    n = max(len(r.dose) for r in regimens)

    def stacked(name: str) -> Floats:
        arrays = [np.asarray(getattr(r, name), dtype=np.float64) for r in regimens]
        return np.stack([np.concatenate([x, np.repeat(x[-1:], n - len(x), axis=0)]) for x in arrays], axis=1)

    def zero_extended(name: str) -> Floats:
        arrays = [np.asarray(getattr(r, name), dtype=np.float64) for r in regimens]
        return np.stack([np.concatenate([x, np.zeros(n - len(x))]) for x in arrays], axis=1)

    return Doses(
        stacked("dose"),
        zero_extended("cut"),
        stacked("removed"),
        stacked("decay_g"),
        stacked("shape"),
        np.array([r.taken for r in regimens], dtype=np.float64),
        np.array([r.use_days for r in regimens]),
        stacked("adjunct"),
        zero_extended("rotated"),
    )


def shared_by_people(each: Sequence[Any]) -> Any:
    """Couplings of several people: a number if all share it, else a vector over people."""
    values = {name: np.array([getattr(c, name) for c in each], dtype=np.float64) for name in at.COUPLINGS}
    return at.Couplings(**{name: float(v[0]) if np.ptp(v) == 0 else v for name, v in values.items()})


def sensitivity_by_day(values: Mapping[int, Graph], n_days: int, n_people: int) -> Graph:
    """Factor on sigma by day, (n_days, n_people), day 1 first: log sigma is linear in each segment."""
    pieces = [k for k in range(at.MAX_SEGMENTS) if at.DRIFT + k in values]
    if not pieces:
        return pt.as_tensor(np.ones((n_days, n_people)))
    day, piece = np.arange(1, n_days + 1)[:, None], np.array(pieces)[None, :]
    whole = np.where(piece == at.MAX_SEGMENTS - 1, np.inf, 1.0)  # the last segment has no end
    done = np.clip((day - at.SEGMENT_D * piece) / at.SEGMENT_D, 0.0, whole)
    return pt.exp(pt.dot(pt.as_tensor(done), pt.stack([values[at.DRIFT + k] for k in pieces])))


def course_graph(values: Mapping[int, Graph], c: Any, doses: Doses, mode: Any = None) -> SymbolicCourse:
    """Course of every person.

    Parameters
    ----------
    values : mapping of place to variable, (n_people,)
        Values of the people at the places of ``inference.course``; an absent drift is 0.
    c : Couplings
        From :func:`shared_by_people`.
    doses : Doses
    mode : pytensor Mode, optional
        Mode of compilation of the scan's body.

    Returns
    -------
    SymbolicCourse
    """
    n_days, n_people = doses.cut.shape[0] - 1, doses.cut.shape[1]
    classes = [k for k in range(3) if doses.taken[:, k].any()]
    taken = {k: doses.taken[:, k] for k in classes}
    begin, at_start = _start(values, c, doses, classes)
    w_all0 = 1.0 - _left(begin, classes)
    # Explicit inputs of the body: scan would trace variables of a closure back to their random draws.
    places = [place for place in values if place < at.DRIFT]
    outer = [
        pt.as_tensor(x)
        for x in (
            w_all0,
            pt.exp(-1.0 / values[at.TAU_X]),
            *(values[place] for place in places),
            *(
                each
                for k in classes
                for each in (pt.exp(-1.0 / values[at.TAU_F + k]), pt.exp(-1.0 / values[at.TAU_L + k]), *at_start[k])
            ),
        )
    ]

    def day(*given: Graph) -> list[Graph]:
        n_class, n_state = 5 * len(classes), 5 * len(classes) + len(PersonState._fields)
        by_class, (cut, sensitivity, rotated) = given[:n_class], given[n_class : n_class + _OF_THE_DAY]
        state = given[n_class + _OF_THE_DAY : n_class + _OF_THE_DAY + n_state]
        w_all0, decay_x, *person = given[n_class + _OF_THE_DAY + n_state :]
        v, by_person = dict(zip(places, person, strict=False)), person[len(places) :]
        load = MedicineLoad(0.0, 0.0, 0.0, 0.0)
        left: Graph = 1.0
        moved: list[Graph] = []
        for j, k in enumerate(classes):
            dose, removed, decay_g, shape, adjunct = by_class[5 * j : 5 * j + 5]
            level, fast, slow, tolerance, w = state[5 * j : 5 * j + 5]
            decay_f, decay_l, margin0, slow0, w0 = by_person[5 * j : 5 * j + 5]
            if k == 0:
                tolerance = tolerance * (1.0 + (c.cross_tolerance - 1.0) * rotated)
            now = medicine_day(
                c,
                Medicine(
                    v[at.EC50 + k],
                    getattr(c, f"omega_{k}"),
                    v[at.SIGMA + k] * sensitivity,
                    adjunct,
                    decay_g,
                    decay_f,
                    decay_l,
                    *(shape[point] for point in range(4)),
                ),
                MedicineState(level, None, fast, slow, tolerance, w),
                dose,
            )
            alpha, per_p, per_m, per_i = (getattr(c, f"{symbol}_{k}") for symbol in ("alpha", "p", "m", "i"))
            added = medicine_load(
                alpha, v[at.B + k], v[at.BETA + k], per_p, per_m, per_i, now, margin0, slow0, w0, removed
            )
            load = MedicineLoad(*(total + taken[k] * more for total, more in zip(load, added, strict=True)))
            left = left * (1.0 - taken[k] * now.W)
            moved += [now.G, now.F, now.L, now.A, now.W]
        first = PersonStart(v[at.P0], v[at.M0], v[at.I0], v[at.U0], v[at.N0], v[at.C0], w_all0)
        before = PersonState(*state[5 * len(classes) :])
        reaction = Reaction(v[at.XI], decay_x, cut)
        return [*moved, *person_day(c, first, before, load, 1.0 - left, reaction, NO_LIFE, at.NO_CARE)]

    sequences: list[Graph] = []
    for k in classes:
        shape = np.ascontiguousarray(np.moveaxis(doses.shape[1:, :, k, :], 2, 1))
        sequences += [doses.dose[1:, :, k], doses.removed[1:, :, k]]
        sequences += [doses.decay_g[1:, :, k], shape, doses.adjunct[1:, :, k]]
    sequences += [doses.cut[1:], sensitivity_by_day(values, n_days, n_people), doses.rotated[1:]]
    out = pytensor.scan(
        day,
        sequences=[pt.as_tensor(np.ascontiguousarray(s)) if isinstance(s, np.ndarray) else s for s in sequences],
        outputs_info=begin,
        non_sequences=outer,
        n_steps=n_days,
        mode=mode,
        strict=True,
        return_updates=False,
    )
    days = [pt.concatenate([b[None], o]) for b, o in zip(begin, out, strict=True)]
    now = PersonState(*days[5 * len(classes) :])
    withdrawal = [taken[k] * days[5 * classes.index(k) + 4] if k in classes else None for k in range(3)]
    return SymbolicCourse(now.P, now.X, now.M, now.I, now.U, now.C, (withdrawal[0], withdrawal[1], withdrawal[2]))


def _left(begin: Sequence[Graph], classes: Sequence[int]) -> Graph:
    """Product over classes of 1 - withdrawal at the start."""
    left: Graph = 1.0
    for j, _ in enumerate(classes):
        left = left * (1.0 - begin[5 * j + 4])
    return left


def _start(
    v: Mapping[int, Graph], c: Any, doses: Doses, classes: Sequence[int]
) -> tuple[list[Graph], dict[int, tuple[Graph, Graph, Graph]]]:
    """States of day 0 in the order of the scan; margin, slow adaptation and withdrawal of the start by class."""
    begin: list[Graph] = []
    kept = {}
    n_people = doses.cut.shape[1]

    def whole(x: Graph) -> Graph:
        return pt.as_tensor(np.zeros(n_people)) + x

    for k in classes:
        level, use, taken = doses.dose[0, :, k], doses.use_days[:, k], doses.taken[:, k]
        medicine = Medicine(
            v[at.EC50 + k],
            getattr(c, f"omega_{k}"),
            v[at.SIGMA + k],
            doses.adjunct[0, :, k],
            None,
            None,
            None,
            *(doses.shape[0, :, k, point] for point in range(4)),
        )
        remaining = (pt.exp(-use / v[at.TAU_F + k]), pt.exp(-use / v[at.TAU_L + k]), np.exp(-use / c.tau_A))
        first = medicine_start(c, medicine, level, *remaining)
        w = taken * first.W
        kept[k] = (first.E - first.A, first.L + (1.0 - taken), w)  # a class not taken has no L to divide by
        begin += [whole(state) for state in (level, first.F, first.L, first.A, w)]
    begin += [whole(0.0), *(whole(v[place]) for place in (at.P0, at.M0, at.I0, at.U0, at.N0, at.C0))]
    return begin, kept
