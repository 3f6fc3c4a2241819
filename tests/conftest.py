"""What several test files share: small cohorts and finished comparisons."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taper_sim.comparison import outcomes
from taper_sim.data.formulary import find_drug
from taper_sim.experiments.compare import ComparisonRun, compare
from taper_sim.scenario.building import Overrides
from taper_sim.simulation.cohort import ClassMargin, Cohort, DrugShare, sample

ROOT = Path(__file__).resolve().parent.parent
SEED = 7


def pytest_configure(config: pytest.Config) -> None:
    """Import ArviZ once before any worker starts.

    At its first import of a day ArviZ replaces a file of the user's cache. Two workers that do so at once fail.
    """
    if config.getoption("numprocesses", None):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import arviz  # noqa: F401


def quiet(total: int) -> Callable[[int], None]:
    """Progress that shows nothing."""
    return lambda done: None


def opioid_cohort(n: int, *, benzodiazepine: float = 0.0, drug: str = "morphine", formulation: str = "IR") -> Cohort:
    """Sampled people on one opioid, some with a benzodiazepine."""
    classes = {"opioid": ClassMargin(1.0, (DrugShare(find_drug(drug, formulation), 1.0),), 90.0, 0.4, 50.0, 300.0)}
    if benzodiazepine:
        mix = (DrugShare(find_drug("lorazepam", "IR"), 1.0),)
        classes["benzodiazepine"] = ClassMargin(benzodiazepine, mix, 15.0, 0.4, 5.0, 60.0)
    return sample(n, SEED, classes)


#: Classes of a scenario's cohort: everybody on morphine, three in ten on lorazepam besides.
MORPHINE_SOME_LORAZEPAM = {
    "opioid": {"dose_median": 90, "mix": [{"drug": "morphine", "formulation": "IR", "share": 1}]},
    "benzodiazepine": {
        "share": 0.3,
        "dose_median": 10,
        "mix": [{"drug": "lorazepam", "formulation": "IR", "share": 1}],
    },
}

SCENARIO = """
name: small
question: does it stand?
days: 84
draws: 4
cohort:
  patients: 150
  classes:
    opioid:
      dose_median: 90
      mix: [{drug: morphine, formulation: ER, share: 1}, {drug: oxycodone, formulation: IR, share: 1}]
    benzodiazepine: {share: 0.3, dose_median: 10, mix: [{drug: lorazepam, formulation: IR, share: 1}]}
protocols: ['constant()', 'linear(pct=10, every=14)', 'abrupt()', 'integral(every=14)']
subgroups: [dose]
"""


@pytest.fixture(scope="session")
def small_scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenario") / "small.yaml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture(scope="session")
def finished(small_scenario: Path, tmp_path_factory: pytest.TempPathFactory) -> ComparisonRun:
    """A finished small comparison on one worker."""
    return compare(small_scenario, Overrides(), tmp_path_factory.mktemp("runs") / "one", 1, quiet)


@pytest.fixture(autouse=True)
def outcomes_of_one_s_own_end_with_the_test() -> Iterator[None]:
    """A test or an example that registers an outcome leaves the others as they were."""
    before, by_name = list(outcomes.ALL), dict(outcomes.BY_NAME)
    yield
    outcomes.ALL[:] = before
    outcomes.BY_NAME.clear()
    outcomes.BY_NAME.update(by_name)
