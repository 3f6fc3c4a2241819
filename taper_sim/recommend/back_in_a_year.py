"""Chance that a person is better off in a year after a way back up than at today's dose. Imports ``destination``.

It is the question of the table of destinations, asked of a higher dose: posterior draws are carried on along the way
back and compared with holding at the same draw, by the patient's own values and by another set.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from taper_sim.comparison.loss import Loss
from taper_sim.data.drugs_taken import equivalents_of
from taper_sim.inference.posterior import Evidence, Posterior
from taper_sim.inference.record import PatientRecord
from taper_sim.recommend.destination import LifeAtShares, chance_of, person_today, value_sets
from taper_sim.recommend.situation import Situation
from taper_sim.recommend.way_back import WaySteps
from taper_sim.safety.limits import Limits
from taper_sim.units import DRUG_CLASSES, DrugClass

BetterBack = Mapping[DrugClass, tuple[Mapping[str, Any], ...]]
"""By class, a row for each set of values: its name, the day, the dose, the chance and its Monte Carlo error."""


def better_back(
    record: PatientRecord,
    situation: Situation,
    posterior: Posterior,
    evidence: Evidence,
    limits: Limits,
    ways: Mapping[DrugClass, WaySteps],
) -> dict[DrugClass, tuple[dict[str, Any], ...]]:
    """Chance of being better off at the end of each way back than at today's dose, under each set of values.

    Parameters
    ----------
    record, situation, posterior, evidence
        As in ``destination.destinations_of``.
    limits : Limits
        With the patient's ``values``.
    ways : mapping of class to steps
        Ways back, from ``way_back.way_back_steps``; a class whose way is empty is left out.
    """
    sets, rows = value_sets(limits), {}
    for drug_class, steps in ways.items():
        k, original = DRUG_CLASSES.index(drug_class), situation.original_equivalents(drug_class)
        if not steps or original <= 0.0:
            continue
        person, _ = person_today(
            record, situation, posterior, evidence, k, situation.ceilings[drug_class].pct_per_28d, sets
        )
        now, end = (float(equivalents_of(slots)[k]) / original for slots in (situation.now, steps[-1][1]))
        of_class = []
        for name, values in sets.items():
            n = values.outlook_days
            shares = np.full(n, now)
            for day, slots in steps:
                shares[day - 1 :] = float(equivalents_of(slots)[k]) / original
            up, holding = person.figures(shares, k), person.figures(np.full(n, now), k)
            life = LifeAtShares((1.0, end / now), (n, n), (holding, up), (holding, holding), k, now, person.values)
            at_share, at_today = life.losses(Loss.of_values(values))
            better = chance_of(at_share[1] < at_today[1])
            of_class.append(
                {
                    "values": name,
                    "day": n,
                    "dose_pct_of_original": round(100.0 * end, 2),
                    "p_better": round(better, 4),
                    "mc_error": round(float(np.sqrt(better * (1.0 - better) / len(up))), 4),
                }
            )
        rows[drug_class] = tuple(of_class)
    return rows
