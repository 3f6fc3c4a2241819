"""A replication of a clinic as a task: all that its numbers depend on. Imports ``clinic_plan``, ``clinic``.

It can be sent to another process or machine. Ids of patients stay here: the patients of a case have the number of their
row as id. Their numbers travel, and the key of their random draws, which is a hash of the id.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from taper_sim.array_types import Bools, Floats
from taper_sim.clinic.coupling import Served, Setting, serve
from taper_sim.clinic.panel import enrolment
from taper_sim.clinic.team import Team
from taper_sim.comparison.jobs import Arm
from taper_sim.comparison.measured_outcomes import measure
from taper_sim.comparison.outcomes import ALL
from taper_sim.comparison.tables import subgroups
from taper_sim.experiments.clinic_plan import ClinicPlan
from taper_sim.policies.interface import Policy
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.days import run
from taper_sim.simulation.ensemble import Ensemble
from taper_sim.simulation.layout import CarePlan


@dataclass(frozen=True)
class ClinicCase:
    """One replication of a clinic under one protocol.

    Attributes
    ----------
    cohort : Cohort
        n patients, with the number of the row as id.
    policy : Policy
        A new policy, of which each use takes a copy.
    ensemble : Ensemble
        One draw of the parameters.
    seed, n_days : int
    care : CarePlan
    team : Team
    setting : Setting
    subgroups : sequence of str
        Names of the subgroups of the tables.
    """

    cohort: Cohort
    policy: Policy
    ensemble: Ensemble
    seed: int
    n_days: int
    care: CarePlan
    team: Team
    setting: Setting
    subgroups: Sequence[str]

    def build(self) -> Policy:
        """A new policy."""
        return deepcopy(self.policy)

    def served(self, on_progress: Callable[[int], None] | None = None) -> Served:
        """The clinic's run; see :func:`taper_sim.clinic.coupling.serve`."""
        return self._serve(self.team, on_progress)

    def _serve(self, team: Team, on_progress: Callable[[int], None] | None = None) -> Served:
        return serve(
            self.cohort, self.build, self.ensemble, self.seed, self.n_days, self.care, team, self.setting, on_progress
        )

    def unlimited_staff_outcomes(self) -> dict[str, Floats]:
        """Outcomes of the same panel in the same clinic with unlimited staff, (n,) by name.

        In a plain clinic they are the cohort simulation's, enrolment wave by wave, to the bit. Rules on visits and
        disabled work apply whatever the team, so the reference has them too.
        """
        if not self.setting.is_plain:
            return self._serve(Team(unlimited=True)).outcomes
        starts = enrolment(len(self.cohort), self.setting.enrol_over_d, self.n_days)
        outcomes = {outcome.name: np.full(len(self.cohort), np.nan) for outcome in ALL}
        for start in np.unique(starts):
            who = np.flatnonzero(starts == start)
            days = self.n_days - int(start) + 1
            course = run(self.cohort.take(who), self.build(), self.ensemble, self.seed, days, self.care)
            for name, values in measure(course).items():
                outcomes[name][who] = values
        return outcomes

    @cached_property
    def groups(self) -> dict[str, Bools]:
        """Masks (n,) of ``all`` and of every subgroup."""
        return subgroups(self.cohort, self.subgroups)

    @property
    def row_of(self) -> dict[str, int]:
        """Row of each patient by id."""
        return {name: row for row, name in enumerate(self.cohort.ids)}


def cases_of(plan: ClinicPlan, replication: int, arms: Sequence[Arm]) -> list[ClinicCase]:
    """The cases of a replication, one for each protocol; the panel is sampled once."""
    cohort, ensemble = plan.cohort(replication), plan.ensemble(replication)
    numbered = replace(cohort, ids=tuple(str(row) for row in range(len(cohort))))
    seed, names = plan.seed(replication), plan.scenario.subgroups
    return [
        ClinicCase(numbered, arm.build(), ensemble, seed, plan.n_days, arm.care, plan.team, plan.setting, names)
        for arm in arms
    ]
