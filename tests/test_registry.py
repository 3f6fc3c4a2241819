"""People of a registry, where its file is at hand: TAPER_SIM_CHOIR names the CSV that docs/cohort.md describes."""

import os
from pathlib import Path

import pandas as pd
import pytest

from taper_sim.experiments.compare import compare
from taper_sim.scenario.building import Overrides
from tests.conftest import quiet

REGISTRY = os.environ.get("TAPER_SIM_CHOIR", "")

SCENARIO = """
name: registry
days: 28
draws: 5
cohort:
  file: {file}
  patients: 500
  drop_missing: true
  columns: {{patient_id: PATIENT_NUM, pain: PAIN_INTENSITY_AVERAGE, promis_pf: PROMIS_PHYSICAL_FUNCTION,
            promis_depression: PROMIS_DEPRESSION, promis_sleep: PROMIS_SLEEP_DISTURB_V1_0, age: AGE_AT_CONTACT}}
  classes: {{opioid: {{dose_median: 90, mix: [{{drug: morphine, formulation: ER, share: 1}}]}}}}
protocols: ['constant()', 'linear(pct=10, every=28)']
"""


@pytest.mark.skipif(not REGISTRY, reason="TAPER_SIM_CHOIR does not name the registry's file, which is not ours to ship")
def test_real_people_of_the_registry_start_with_the_pain_that_they_reported(tmp_path: Path):
    scenario = tmp_path / "registry.yaml"
    scenario.write_text(SCENARIO.format(file=Path(REGISTRY).resolve()))
    done = compare(scenario, Overrides(), tmp_path / "run", 1, quiet)
    reported = pd.read_csv(REGISTRY).set_index("PATIENT_NUM")["PAIN_INTENSITY_AVERAGE"]
    ids = [float(patient_id) for patient_id in done.plan.cohort.ids]
    assert done.plan.cohort.baseline["pain"].tolist() == reported.loc[ids].tolist()
    assert len(ids) == 500
