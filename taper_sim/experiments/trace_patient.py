"""Trace of one patient under a schedule or a protocol. Imports ``data``, ``policies``, ``scenario``, ``simulation``."""

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from taper_sim.data import formulary
from taper_sim.data.patient import doses_by_day, read_patient
from taper_sim.data.problems import InputError, problem
from taper_sim.model.parameters import DISCIPLINES
from taper_sim.model.pharmacology import MAX_DISPENSED_D, regimen, to_dispense, to_equivalents
from taper_sim.policies.interface import Observation, Policy
from taper_sim.scenario.all_policies import build_policy
from taper_sim.scenario.building import without_rule
from taper_sim.simulation.cohort import Cohort, from_patients
from taper_sim.simulation.dispensing import Dispenser, known_of
from taper_sim.simulation.ensemble import from_prior
from taper_sim.simulation.trace import trace
from taper_sim.units import DRUG_CLASSES, YEAR_D

MAX_DAYS = 36_500
_AFTER_SCHEDULE_D = 28


@dataclass(frozen=True)
class PatientTrace:
    """One patient's days, and, under a protocol, the dispensed doses by their first day."""

    days: pd.DataFrame
    tablets: pd.DataFrame


def dispensed_by_day(cohort: Cohort, policy: Policy, n_days: int, seed: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Doses that the first patient gets under a policy that needs no reports.

    Returns
    -------
    ndarray, (n_days + 1, 3)
        Equivalents a day, by day and class.
    DataFrame
        A row for each change of each drug: first day, dose in the drug's own unit as dispensed and as ideal,
        equivalents a day, tablets in words, and whole tablets to dispense for at most the next 28 days.
    """
    dispenser = Dispenser(cohort)
    # a trace follows a fixed schedule: nobody refuses its steps
    known = replace(known_of(cohort, seed), practice={"refusal_fixed_pace": np.zeros(len(cohort))})
    if policy.waits:
        raise problem("--protocol", "", policy.name, "a schedule of doses: a trace has no check-ins; use compare")
    memory = policy.start(known)
    doses = np.empty((n_days + 1, 3))
    doses[0] = cohort.dose[0]
    share = np.ones_like(cohort.dose)
    dispensed: list[tuple[int, np.ndarray, np.ndarray]] = [(0, cohort.slot_dose[0].copy(), cohort.slot_dose[0].copy())]
    for day in policy.decision_days(n_days):
        order = policy.decide(memory, Observation(day, share, share))
        if order.adjunct is not None or order.rotation is not None:
            raise problem("--protocol", "", policy.name, "a schedule of doses; adjuncts and rotations: use compare")
        share = order.dose_fraction
        doses[day:] = dispenser.dispense(share)[0]
        dispensed.append((day, dispenser.dispensed[0].copy(), dispenser.ideal[0].copy()))
    return doses, _tablets(cohort, dispensed, n_days)


def _tablets(cohort: Cohort, dispensed: list[tuple[int, np.ndarray, np.ndarray]], n_days: int) -> pd.DataFrame:
    """Rows of dispensed doses by drug; an original dose that no tablets make is marked in ``tablets``."""
    table = []
    for slot, number in enumerate(cohort.slot_drug[0]):
        if number < 0:
            continue
        drug, times = cohort.drugs[number], int(cohort.slot_times[0, slot])
        changes = [dispensed[0]] + [b for a, b in pairwise(dispensed) if b[1][slot] != a[1][slot]]
        for (day, dose, ideal), until in zip(changes, [*(c[0] for c in changes[1:]), n_days + 1], strict=True):
            try:
                tablets = regimen(drug, float(dose[slot]), times)
                hand_out = to_dispense([(day, tablets)], day, min(until, day + MAX_DISPENSED_D))
                words = tablets.words()
            except ValueError:
                words, hand_out = "cannot be made of the formulary's tablets", {}
            counts = "; ".join(f"{count} x {strength:g} {drug.unit}" for strength, count in hand_out.items())
            amount = float(to_equivalents(drug, dose[slot], formulary.absorption(), times))
            table.append((day, drug.drug, drug.formulation, dose[slot], ideal[slot], drug.unit, amount, words, counts))
    columns = [
        "day",
        "drug",
        "formulation",
        "dose_per_day",
        "ideal_per_day",
        "unit",
        "equivalents",
        "tablets",
        "dispense_28d",
    ]
    return pd.DataFrame(table, columns=columns).sort_values("day", kind="stable")


def trace_patient(path: Path, protocol: str | None, n_days: int | None, seed: int) -> PatientTrace:
    """Latent states of one patient's file by day (``simulation.trace``), and tablets under a protocol."""
    tablets = pd.DataFrame()
    patient = read_patient(path)
    if n_days is not None and not 1 <= n_days <= MAX_DAYS:
        raise problem("--days", "", n_days, f"1 to {MAX_DAYS}")
    if not 0 <= seed < 2**63:
        raise problem("--seed", "", seed, "0 to 2^63 - 1")
    cohort = from_patients([patient])
    if protocol is not None:
        policy = build_policy(protocol, file="--protocol")
        unruled = without_rule(cohort, policy, str(path), f"--protocol {policy.name}")
        if unruled:
            raise InputError(unruled)
        doses, tablets = dispensed_by_day(cohort, policy, n_days or YEAR_D, seed)
        planned = policy.planned_care
        if planned is not None:  # replaces the care of the patient's file
            cohort = replace(cohort, care=np.array([[planned.get(discipline, 0.0) for discipline in DISCIPLINES]]))
    elif patient.schedule is not None:
        last = max(max(steps) for steps in patient.schedule.values())
        doses = doses_by_day(patient.schedule, n_days or last + _AFTER_SCHEDULE_D)
        for k, drug_class in enumerate(DRUG_CLASSES):  # a class that the schedule omits keeps its dose
            if drug_class not in patient.schedule:
                doses[:, k] = cohort.dose[0, k]
    else:
        doses = np.repeat(cohort.dose[:1], (n_days or YEAR_D) + 1, axis=0)
    return PatientTrace(trace(replace(cohort, dose=doses[:1]), from_prior(seed, 1), doses, seed), tablets)
