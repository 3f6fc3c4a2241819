"""Check-ins and doses of simulated people as tables. Imports ``studies.simulated_people``, ``inference``."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.api.arguments import names_checked
from taper_sim.data.problems import problem
from taper_sim.inference import course as at
from taper_sim.inference.prior import DEFAULT_POPULATION, prior_of
from taper_sim.studies.simulated_people import ANSWERED, DAILY, ORIGIN, tapered, until, written
from taper_sim.units import DEFAULT_SEED

_FILE: Final = "simulated_records"
_OPIOID: Final = (True, False, False)
_PACES_PCT: Final = (5.0, 10.0, 20.0)  # percent of the original dose every two weeks, as in studies.recovery


@dataclass(frozen=True, eq=False)
class SimulatedRecords:
    """Records of simulated people.

    Attributes
    ----------
    checkins : DataFrame
        ``patient_id, date, instrument, value``.
    doses : DataFrame
        ``patient_id, date, drug, formulation, dose_mg_per_day``.
    """

    checkins: pd.DataFrame
    doses: pd.DataFrame

    def __repr__(self) -> str:
        return f"{self.doses['patient_id'].nunique():,} simulated people, {len(self.checkins):,} reports"


@names_checked
def simulated_records(n: int, *, days: int = 42, seed: int = DEFAULT_SEED) -> SimulatedRecords:
    """Simulate check-ins of people on morphine ER, 90 mg a day, who taper by 5, 10 or 20 % every two weeks.

    People are drawn from the population that ``ts.recommend`` uses by default. They answer five daily scales on 80 % of
    the days. The tables are those of ``ts.fit`` and ``ts.recommend``.

    Parameters
    ----------
    n : int
        People, 1 to 1,000.
    days : int, optional
        Days of check-ins, 14 to 364.
    seed : int, optional

    Returns
    -------
    SimulatedRecords

    Raises
    ------
    InputError
        For a number out of range.

    Examples
    --------
    >>> import taper_sim as ts
    >>> records = ts.simulated_records(3, days=28)
    >>> records.checkins["patient_id"].nunique()
    3
    >>> print(records.doses["dose_mg_per_day"].max())
    90.0
    """
    for name, value, low, high in (("n", n, 1, 1000), ("days", days, 14, 364)):
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise problem(_FILE, name, value, f"{low:,} to {high:,}")
    checkins: list[tuple[Any, ...]] = []
    doses: list[tuple[Any, ...]] = []
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        who = f"p{number + 1:03d}"
        regimen = until(tapered(float(rng.choice(_PACES_PCT)), days), days)
        prior = prior_of(_OPIOID, -(-days // at.SEGMENT_D), DAILY, population=DEFAULT_POPULATION)
        values = prior.values(rng.standard_normal((1, len(prior.names))))[0]
        answered = rng.random(days + 1) < ANSWERED
        for day, report in written(values, at.couplings(), regimen, DAILY, answered, rng):
            checkins.append((who, ORIGIN + timedelta(days=day), report.instrument, report.value))
        dose = np.round(regimen.dose[:, 0], 6)
        for changed in np.flatnonzero(np.r_[True, np.diff(dose) != 0]):
            doses.append((who, ORIGIN + timedelta(days=int(changed)), "morphine", "ER", float(dose[changed])))
    return SimulatedRecords(
        pd.DataFrame(checkins, columns=["patient_id", "date", "instrument", "value"]),
        pd.DataFrame(doses, columns=["patient_id", "date", "drug", "formulation", "dose_mg_per_day"]),
    )
