"""What an order changes besides doses: adjunct, contacts, hand-over, drug. Imports ``model``, ``policies``.

Each changes rows of the kernel's parameters between blocks of days. A change that ends by itself (the first weeks of
methadone) ends with the block in which its last day lies.
"""

from typing import Final

import numpy as np

from taper_sim.array_types import Bools
from taper_sim.model.compiled import rows
from taper_sim.model.event_parameters import EVENTS
from taper_sim.model.parameters import DISCIPLINES, Baseline
from taper_sim.model.pharmacology import Drug, level_decay, within_day_shape
from taper_sim.policies.interface import Rotation
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.ensemble import Ensemble, draw_of
from taper_sim.simulation.layout import Arrays
from taper_sim.simulation.pending_orders import PendingOrders
from taper_sim.units import DRUG_CLASSES

METHADONE_START_D: Final = 28
"""Days after a rotation to methadone on which overdose is more likely. Source: A66; Sordo 2017, first four weeks."""
_HAZARD: Final = {event: rows.HAZARD + k for k, event in enumerate(EVENTS)}


class Hazards:
    """Fixed parts of the hazards that orders change, of one cohort under one policy.

    Parameters
    ----------
    a : Arrays
        At the start of day 1.
    cohort : Cohort
    ensemble : Ensemble
    """

    def __init__(self, a: Arrays, cohort: Cohort, ensemble: Ensemble):
        draw = draw_of(cohort.keys, ensemble.n_draws)
        self._at_start = {event: a.get(a.params, row) for event, row in _HAZARD.items()}
        self._per_adjunct = ensemble.values["adjunct_urgent"][draw]
        self._per_methadone = ensemble.values["methadone_start"][draw]
        self._leave_usual_care = (
            ensemble.values["leave_usual_care"][draw] + ensemble.values["dropout_n"][draw] * Baseline.engagement
        )
        self._methadone_until = np.zeros(len(cohort))
        self._handed_over = np.zeros(len(cohort), dtype=bool)

    def rotated(self, rotation: Rotation, first: int) -> None:
        """A rotation comes into force on the day ``first``."""
        if rotation.drug.drug == "methadone":
            self._methadone_until[rotation.who] = first + METHADONE_START_D

    def hand_over(self, a: Arrays, who: Bools) -> None:
        """From now on ``who`` are in usual care: what the programme planned besides a prescriber ends."""
        self._handed_over |= who
        for k, discipline in enumerate(DISCIPLINES):
            if discipline != "prescriber":
                row = rows.PLANNED + k
                a.put(a.params, row, np.where(who, 0.0, a.get(a.params, row)))

    def put(self, a: Arrays, first: int) -> None:
        """Set the rows for the days from ``first`` on."""
        given = a.get(a.params, rows.ADJUNCT) > 0
        start_of_methadone = self._methadone_until > first
        for event, value in (
            ("urgent", self._at_start["urgent"] + self._per_adjunct * given),
            ("overdose", self._at_start["overdose"] + self._per_methadone * start_of_methadone),
            ("dropout", np.where(self._handed_over, self._leave_usual_care, self._at_start["dropout"])),
        ):
            a.put(a.params, _HAZARD[event], value)


def apply(a: Arrays, orders: PendingOrders, may: Bools, cohort: Cohort, ensemble: Ensemble, hazards: Hazards) -> None:
    """Bring the parts of pending orders besides doses into force for the patients in ``may``."""
    if orders.adjunct is not None:
        effect = ensemble.values["adjunct_effect"][draw_of(cohort.keys, ensemble.n_draws)]
        now = a.get3(a.params, rows.ADJUNCT)
        ordered = orders.adjunct[:, None] * effect
        a.put3(a.params, rows.ADJUNCT, np.where(may[:, None], ordered, now))
    if orders.handed_over is not None:
        hazards.hand_over(a, may & orders.handed_over)
    for row, every in ((rows.CHECKIN_EVERY, orders.checkin_every_d), (rows.VISIT_EVERY, orders.visit_every_d)):
        if every is not None:
            a.put(a.params, row, np.where(may & ~np.isnan(every), every, a.get(a.params, row)))


def rotate(a: Arrays, rotation: Rotation, cohort: Cohort, ensemble: Ensemble) -> None:
    """Change the drug of a class; with a new molecule only part of A and R remains (incomplete cross-tolerance)."""
    k, drug = rotation.column, rotation.drug
    who = rotation.who & cohort.taken[:, k]
    shape = within_day_shape(drug.trough_mean)
    changes = [(rows.DECAY_G + k, float(level_decay(drug.effect_half_life_h)))]
    changes += [(rows.SHAPE + 4 * k + point, float(shape[point])) for point in range(4)]
    for row, value in changes:
        a.put(a.params, row, np.where(who, value, a.get(a.params, row)))
    old_drugs = [{drug.drug for drug in _drugs_of(cohort, person, k)} for person in range(len(cohort))]
    changed = np.array([names != {drug.drug} for names in old_drugs])
    remaining = ensemble.values["cross_tolerance"][draw_of(cohort.keys, ensemble.n_draws)]
    for row in (rows.A + k, *((rows.R,) if k == 0 else ())):
        now = a.get(a.state, row)
        a.put(a.state, row, np.where(who & changed, now * remaining, now))


def _drugs_of(cohort: Cohort, person: int, k: int) -> list[Drug]:
    numbers = cohort.slot_drug[person][cohort.slot_drug[person] >= 0]
    return [cohort.drugs[number] for number in numbers if cohort.drugs[number].drug_class == DRUG_CLASSES[k]]
