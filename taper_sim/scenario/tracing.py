"""One patient's file, a schedule or a protocol: the trace. Imports ``cohort``, ``policies``, ``simulation``."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from taper_sim.cohort import Cohort, from_patients
from taper_sim.data.patient import doses_by_day, read_patient
from taper_sim.data.problems import InputError, problem
from taper_sim.policies.catalogue import build_policy
from taper_sim.policies.interface import Policy, Seen
from taper_sim.scenario.building import without_rule
from taper_sim.simulation.dispensing import Dispenser, known_of
from taper_sim.simulation.ensemble import from_prior
from taper_sim.simulation.trace import trace
from taper_sim.units import YEAR_D

MAX_DAYS = 36_500
_AFTER_SCHEDULE_D = 28


def dispensed_by_day(cohort: Cohort, policy: Policy, n_days: int) -> np.ndarray:
    """Doses of the first person by day under a policy that needs no reports, (n_days + 1, 3), equivalents a day."""
    dispenser, known = Dispenser(cohort), known_of(cohort)
    if getattr(policy, "sees_reports", False) or getattr(policy, "sees_state", False):
        raise problem("--protocol", "", policy.name, "a schedule: a trace has no check-ins to react to; use compare")
    memory = policy.start(known)
    doses = np.empty((n_days + 1, 3))
    doses[0] = cohort.dose[0]
    share = np.ones_like(cohort.dose)
    for day in policy.decision_days(n_days):
        order = policy.decide(memory, Seen(day, share, share))
        if order.adjunct is not None or order.rotation is not None:
            raise problem("--protocol", "", policy.name, "a schedule of doses; adjuncts and rotations: use compare")
        share = order.share
        doses[day:] = dispenser.dispense(share)[0]
    return doses


def trace_patient(path: Path, protocol: str | None, n_days: int | None, seed: int) -> pd.DataFrame:
    """Latent states of one patient's file by day; see ``simulation.trace``."""
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
        doses = dispensed_by_day(cohort, policy, n_days or YEAR_D)
    elif patient.schedule is not None:
        last = max(max(steps) for steps in patient.schedule.values())
        doses = doses_by_day(patient.schedule, n_days or last + _AFTER_SCHEDULE_D)
        for k in range(3):  # a class that the schedule leaves out is taken as before
            if ("opioid", "benzodiazepine", "gabapentinoid")[k] not in patient.schedule:
                doses[:, k] = cohort.dose[0, k]
    else:
        doses = np.repeat(cohort.dose[:1], (n_days or YEAR_D) + 1, axis=0)
    return trace(replace(cohort, dose=doses[:1]), from_prior(seed, 1), doses, seed)
