"""The course of many people as a PyTensor graph: the days of ``course``, differentiable. Imports ``course``, ``model``.

The very functions of ``model.equations``, in the order of :func:`taper_sim.inference.course.advance`, on vectors of
people inside one scan over the days (tests/inference/test_graph.py holds both to the same numbers). Only what a report
is made of is followed: engagement and respiratory tolerance are not.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pytensor
from pytensor import tensor as pt

from taper_sim.array_types import Floats
from taper_sim.inference import course as at
from taper_sim.inference.course import Regimen
from taper_sim.model import equations as eq

Graph = Any
"""A PyTensor variable: its type says nothing that a reader of the equations needs."""

_OF_THE_DAY: Final = 3  # sequences that are no class's own: cut, sensitivity, rotation


class SymbolicCourse(NamedTuple):
    """Latent quantities by day, (n_days + 1, n_people), day 0 first; withdrawal by class, None if nobody takes it."""

    pain: Graph
    reaction: Graph
    distress: Graph
    insomnia: Graph
    function: Graph
    craving: Graph
    withdrawal: tuple[Graph | None, Graph | None, Graph | None]


class Doses(NamedTuple):
    """Regimens of several people, side by side: those that end earlier go on as they ended.

    ``dose``, ``decay_g``, ``adjunct`` (n_days + 1, n_people, 3); ``shape`` (n_days + 1, n_people, 3, 4); ``cut``,
    ``rotated`` (n_days + 1, n_people); ``taken``, ``use_days`` (n_people, 3).
    """

    dose: Floats
    cut: Floats
    decay_g: Floats
    shape: Floats
    taken: Floats
    use_days: Floats
    adjunct: Floats
    rotated: Floats


def side_by_side(regimens: Sequence[Regimen]) -> Doses:
    """Regimens of people with records of different length as arrays of one."""
    n = max(len(r.dose) for r in regimens)

    def stacked(of: str) -> Floats:
        each = [np.asarray(getattr(r, of), dtype=np.float64) for r in regimens]
        return np.stack([np.concatenate([x, np.repeat(x[-1:], n - len(x), axis=0)]) for x in each], axis=1)

    def after_the_end_nothing(of: str) -> Floats:
        each = [np.asarray(getattr(r, of), dtype=np.float64) for r in regimens]
        return np.stack([np.concatenate([x, np.zeros(n - len(x))]) for x in each], axis=1)

    return Doses(
        stacked("dose"),
        after_the_end_nothing("cut"),
        stacked("decay_g"),
        stacked("shape"),
        np.array([r.taken for r in regimens], dtype=np.float64),
        np.array([r.use_days for r in regimens]),
        stacked("adjunct"),
        after_the_end_nothing("rotated"),
    )


def shared_by_people(each: Sequence[Any]) -> Mapping[str, Any]:
    """Couplings of several people by name: a number where all share it, else a vector over people."""
    found = {}
    for name in at.COUPLINGS:
        values = np.array([getattr(c, name) for c in each], dtype=np.float64)
        found[name] = float(values[0]) if np.ptp(values) == 0 else values
    return found


def sensitivity_by_day(values: Mapping[int, Graph], n_days: int, n_people: int) -> Graph:
    """Factor on sigma by day, (n_days, n_people), day 1 first: log sigma moves in a straight line in each segment."""
    pieces = [k for k in range(at.MAX_SEGMENTS) if at.DRIFT + k in values]
    if not pieces:
        return pt.as_tensor(np.ones((n_days, n_people)))
    day, piece = np.arange(1, n_days + 1)[:, None], np.array(pieces)[None, :]
    whole = np.where(piece == at.MAX_SEGMENTS - 1, np.inf, 1.0)  # the last piece goes on
    done = np.clip((day - at.SEGMENT_D * piece) / at.SEGMENT_D, 0.0, whole)
    return pt.exp(pt.dot(pt.as_tensor(done), pt.stack([values[at.DRIFT + k] for k in pieces])))


def course_graph(values: Mapping[int, Graph], c: Mapping[str, Any], doses: Doses, mode: Any = None) -> SymbolicCourse:
    """Course of every person.

    Parameters
    ----------
    values : mapping of place to variable, (n_people,)
        The people's values at the places of ``inference.course``; a drift that is absent is none.
    c : mapping
        Couplings, from :func:`shared_by_people`.
    doses : Doses
    mode : pytensor Mode, optional
        In which the scan's body is compiled.

    Returns
    -------
    Course
    """
    n_days, n_people = doses.cut.shape[0] - 1, doses.cut.shape[1]
    classes = [k for k in range(3) if doses.taken[:, k].any()]
    taken = {k: doses.taken[:, k] for k in classes}
    begin, at_start = _start(values, c, doses, classes)
    w_all0 = 1.0 - _left(begin, classes)
    # Handed to the body by name: what it merely closed over, scan would follow back to where it is drawn.
    places = [place for place in values if place < at.DRIFT]
    outer = [
        pt.as_tensor(x)
        for x in (
            w_all0,
            *(values[place] for place in places),
            *(
                each
                for k in classes
                for each in (pt.exp(-1.0 / values[at.TAU_F + k]), pt.exp(-1.0 / values[at.TAU_L + k]), *at_start[k])
            ),
        )
    ]

    def day(*given: Graph) -> list[Graph]:
        n_class, n_state = 4 * len(classes), 5 * len(classes) + 6
        by_class, (cut, sensitivity, rotated) = given[:n_class], given[n_class : n_class + _OF_THE_DAY]
        state = given[n_class + _OF_THE_DAY : n_class + _OF_THE_DAY + n_state]
        w_all0, *person = given[n_class + _OF_THE_DAY + n_state :]
        v, by_person = dict(zip(places, person, strict=False)), person[len(places) :]
        x, p, m, i, u, craving = state[5 * len(classes) :]
        lost = p_load = m_load = i_load = 0.0
        left: Graph = 1.0
        moved: list[Graph] = []
        for j, k in enumerate(classes):
            dose, decay_g, shape, adjunct = by_class[4 * j : 4 * j + 4]
            level, fast, slow, tolerance, w = state[5 * j : 5 * j + 5]
            decay_f, decay_l, margin0, slow0, w0 = by_person[5 * j : 5 * j + 5]
            if k == 0:
                tolerance = tolerance * (1.0 + (c["cross_tolerance"] - 1.0) * rotated)
            level = eq.relax(level, dose, decay_g)
            e1, e2, e3, e4 = (eq.effect(level, shape[u4], v[at.EC50 + k]) for u4 in range(4))
            e = eq.mean_of_four(e1, e2, e3, e4)
            expected = eq.set_point(c[f"omega_{k}"], fast, slow)
            drive = eq.drive(v[at.SIGMA + k] * sensitivity, adjunct, eq.shortfall(expected, e1, e2, e3, e4, c["delta"]))
            w = eq.relax(w, eq.withdrawal_target(drive), c["decay_s"])
            fast, slow = eq.relax(fast, e, decay_f), eq.relax(slow, e, decay_l)
            tolerance = eq.relax(tolerance, e, c["decay_A"])
            lost = lost + taken[k] * eq.relief_lost(c[f"alpha_{k}"], e, tolerance, margin0, v[at.B + k], slow, slow0)
            w_bar_k = taken[k] * (w - w0)
            p_load, m_load, i_load = (
                total + c[f"{load}_{k}"] * w_bar_k for load, total in (("p", p_load), ("m", m_load), ("i", i_load))
            )
            left = left * (1.0 - taken[k] * w)
            moved += [level, fast, slow, tolerance, w]
        w_bar = (1.0 - left) - w_all0
        x = eq.reaction(x, c["decay_X"], v[at.XI], cut)
        m_bar, i_bar = m - v[at.M0], i - v[at.I0]
        p = eq.relax(
            p,
            eq.pain_target(
                v[at.P0], lost, p_load, m_bar, i_bar, 0.0, c["pain_from_distress"], c["pain_from_insomnia"], 0.0
            ),
            c["decay_P"],
        )
        p_bar = p - v[at.P0]
        m = eq.relax(
            m,
            eq.distress_target(
                v[at.M0],
                m_load,
                p_bar,
                i_bar,
                x,
                0.0,
                c["distress_from_pain"],
                c["distress_from_insomnia"],
                c["distress_from_reaction"],
                0.0,
            ),
            c["decay_M"],
        )
        m_bar = m - v[at.M0]
        i = eq.relax(
            i,
            eq.insomnia_target(
                v[at.I0], i_load, m_bar, p_bar, 0.0, c["insomnia_from_distress"], c["insomnia_from_pain"], 0.0
            ),
            c["decay_I"],
        )
        i_bar = i - v[at.I0]
        u = eq.relax(
            u,
            eq.function_target(
                v[at.U0],
                p_bar,
                m_bar,
                i_bar,
                w_bar,
                0.0,
                c["function_from_pain"],
                c["function_from_distress"],
                c["function_from_insomnia"],
                c["function_from_withdrawal"],
                0.0,
            ),
            c["decay_U"],
        )
        craving = eq.relax(
            craving,
            eq.craving_target(
                v[at.C0],
                w_bar,
                m_bar,
                p_bar,
                c["craving_from_withdrawal"],
                c["craving_from_distress"],
                c["craving_from_pain"],
            ),
            c["decay_C"],
        )
        return [*moved, x, p, m, i, u, craving]

    sequences: list[Graph] = []
    for k in classes:
        shape = np.ascontiguousarray(np.moveaxis(doses.shape[1:, :, k, :], 2, 1))
        sequences += [doses.dose[1:, :, k], doses.decay_g[1:, :, k], shape, doses.adjunct[1:, :, k]]
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
    x, p, m, i, u, craving = days[5 * len(classes) :]
    withdrawal = [taken[k] * days[5 * classes.index(k) + 4] if k in classes else None for k in range(3)]
    return SymbolicCourse(p, x, m, i, u, craving, (withdrawal[0], withdrawal[1], withdrawal[2]))


def _left(begin: Sequence[Graph], classes: Sequence[int]) -> Graph:
    """Product of what withdrawal leaves, at the start."""
    left: Graph = 1.0
    for j, _ in enumerate(classes):
        left = left * (1.0 - begin[5 * j + 4])
    return left


def _start(
    v: Mapping[int, Graph], c: Mapping[str, Any], doses: Doses, classes: Sequence[int]
) -> tuple[list[Graph], dict[int, tuple[Graph, Graph, Graph]]]:
    """States of day 0 as the scan takes them; margin, slow adaptation and withdrawal of the start by class."""
    begin: list[Graph] = []
    kept = {}
    n_people = doses.cut.shape[1]

    def whole(x: Graph) -> Graph:
        return pt.as_tensor(np.zeros(n_people)) + x

    for k in classes:
        level, use, taken = doses.dose[0, :, k], doses.use_days[:, k], doses.taken[:, k]
        e1, e2, e3, e4 = (eq.effect(level, doses.shape[0, :, k, u], v[at.EC50 + k]) for u in range(4))
        e = eq.mean_of_four(e1, e2, e3, e4)
        fast = eq.adapted_at_start(e, pt.exp(-use / v[at.TAU_F + k]))
        slow = eq.adapted_at_start(e, pt.exp(-use / v[at.TAU_L + k]))
        tolerance = eq.adapted_at_start(e, np.exp(-use / c["tau_A"]))
        expected = eq.set_point(c[f"omega_{k}"], fast, slow)
        drive = eq.drive(v[at.SIGMA + k], doses.adjunct[0, :, k], eq.shortfall(expected, e1, e2, e3, e4, c["delta"]))
        w = taken * eq.withdrawal_target(drive)
        kept[k] = (e - tolerance, slow + (1.0 - taken), w)  # a class not taken has no slow adaptation to divide by
        begin += [whole(state) for state in (level, fast, slow, tolerance, w)]
    begin += [whole(0.0), *(whole(v[place]) for place in (at.P0, at.M0, at.I0, at.U0, at.C0))]
    return begin, kept
