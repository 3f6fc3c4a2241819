"""The studies of the posterior agree with closed forms, and their tables come from this code."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, norm

from taper_sim.inference import course as at
from taper_sim.inference.posterior import posterior_of
from taper_sim.model.life import life_system
from taper_sim.provenance import hash_of
from taper_sim.studies import calibration, filter_form, forecasts, misspecified, simulated_people
from taper_sim.studies.calibration import band_p, code_hash
from taper_sim.studies.simulated_people import evidence_from, person_of

TABLES = Path(__file__).parent.parent.parent / "docs" / "tables"


STUDIES = ("sbc", "sbc_nuts", "sampling", "nuts", "likelihood", "forecasts", "support")
#: Tables that docs/progress.md names as missing have not been computed yet.
COMMITTED = [name for name in STUDIES if (TABLES / f"{name}.csv").exists()]


@pytest.mark.parametrize("name", COMMITTED)
def test_a_committed_table_comes_from_this_code(name: str) -> None:
    """Else run the command that docs/inference.md names beside the table."""
    table = pd.read_csv(TABLES / f"{name}.csv")
    expected = misspecified.table_hash() if name == "support" else code_hash()
    assert len(table) and set(table["code"]) == {expected}


def test_a_hash_sees_neither_imports_nor_names_of_modules_nor_words(tmp_path: Path) -> None:
    def hash_of_source(name: str, source: str) -> str:
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return hash_of(module)

    plain = hash_of_source("plain", '"""One."""\nimport math\n\ndef f(x: int) -> float:\n    return math.exp(x) + 1\n')
    moved = hash_of_source("moved", "import math as m\nimport os\n\ndef f(x):\n    'Two.'\n    return m.exp(x) + 1\n")
    other = hash_of_source("other", "import math\n\ndef f(x):\n    return math.exp(x) + 2\n")
    assert plain == moved != other


def test_a_hash_sees_code_and_numbers() -> None:
    assert hash_of(simulated_people) != hash_of(calibration)
    assert hash_of(numbers=[1.0, 2.0]) != hash_of(numbers=[1.0, 2.0000001])


# -- people ------------------------------------------------------------------------------------------------------------


def test_classes_are_tapered_in_turn_and_the_class_reduced_last_is_known() -> None:
    regimen = simulated_people.tapered(10.0, 84, (True, True, True), first=1)
    cuts = [(day, int(k)) for day in range(1, 113) for k in np.flatnonzero(np.diff(regimen.dose, axis=0)[day - 1] < 0)]
    assert [k for _, k in cuts] == [1, 2, 0, 1, 2, 0, 1]
    assert [day for day, _ in cuts] == list(range(15, 113, 14))
    last = simulated_people.last_cut_of(regimen)
    assert list(last[[1, 14, 15, 28, 29, 43]]) == [0, 0, 1, 1, 2, 0]


# -- the exact filter --------------------------------------------------------------------------------------------------


def test_the_exact_filter_of_two_reports_is_the_normal_probability_of_their_rectangle() -> None:
    person = person_of("usual", "opioid", 10.0, 28, np.random.default_rng(1))
    day = next(d for d, c in person.reports if c.instrument == "sows_gossop")
    two = [(d, c) for d, c in person.reports if d == day and c.instrument in ("pain_nrs", "function")]
    evidence = evidence_from(person.evidence.prior, person.evidence.shared, person.regimen, two, 28)
    r = evidence.reports
    mean = filter_form.means_of(evidence, person.z[None])[0]
    root = filter_form.root_of(evidence, person.values)
    noise, life = float(person.values[at.NOISE]), float(person.values[at.LIFE])
    white = noise * r.white
    cov = np.diag(white**2) + np.prod(white * r.shared) * (1 - np.eye(2))
    of_life = life_system(evidence.shared)
    spread = of_life.stationary
    for _ in range(day):
        spread = of_life.transition @ spread @ of_life.transition.T + of_life.shocks
    cov += life**2 * spread[np.ix_([0, 3], [0, 3])]  # pain and function
    np.testing.assert_allclose(root @ root.T, cov, rtol=1e-9)
    box = [(a, b) for a, b in zip(r.low, r.high, strict=True)]
    corners = {(i, j): multivariate_normal(mean, cov).cdf([box[0][i], box[1][j]]) for i in (0, 1) for j in (0, 1)}
    expected = corners[1, 1] - corners[0, 1] - corners[1, 0] + corners[0, 0]
    estimate = filter_form.exact_log_likelihood(mean, root, r, 20_000, np.random.default_rng(2))
    assert estimate == pytest.approx(np.log(expected), abs=0.01)


def test_the_filter_is_nearer_to_the_exact_one_than_reports_at_face_value() -> None:
    rows = pd.DataFrame(
        filter_form.rows_of_person("floors", "opioid", 0, 1, n_draws=4), columns=filter_form._COLUMNS
    ).set_index("form")
    assert rows.loc["the filter", "sd"] < 0.3 * rows.loc["all at face value", "sd"]
    assert abs(rows.loc["intervals everywhere", "mean"]) < 0.5


# -- forecasts ---------------------------------------------------------------------------------------------------------


def test_a_forecast_does_not_depend_on_later_reports() -> None:
    person = person_of("usual", "opioid", 20.0, 42, np.random.default_rng(3))
    first_28_days = evidence_from(person.evidence.prior, person.evidence.shared, person.regimen, person.reports, 28)
    posterior = posterior_of(first_28_days, 128)
    other = [(d, replace(c, value=0.0) if d > 28 else c) for d, c in person.reports]
    changed = evidence_from(person.evidence.prior, person.evidence.shared, person.regimen, other, 42)
    both = (person.evidence, changed)
    a, b = (forecasts.forecast_reports(e, posterior, 28, np.random.default_rng(4), 50)[0] for e in both)
    np.testing.assert_array_equal(a[:, person.evidence.reports.day > 28], b[:, changed.reports.day > 28])


def test_scores_of_a_normal_ensemble_are_those_of_the_normal() -> None:
    rng = np.random.default_rng(5)
    truth = rng.standard_normal(4000)
    scores = forecasts.scores_of(rng.standard_normal((400, 4000)), truth, rng)
    # Gneiting 2007: the CRPS of a normal
    exact = truth * (2 * norm.cdf(truth) - 1) + 2 * norm.pdf(truth) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(scores["crps"].mean(), exact.mean(), atol=0.01)
    for level in (50, 80, 95):
        p = level / 100
        assert abs(scores[f"cover{level}"].mean() - p) < 4.5 * np.sqrt(p * (1 - p) / 4000)


# -- bands, other truths -----------------------------------------------------------------------------------------------


def test_the_band_holds_uniform_ranks_and_excludes_others() -> None:
    rng = np.random.default_rng(6)
    inside = [band_p(rng.random(300)) > 0.05 for _ in range(200)]
    assert abs(np.mean(inside) - 0.95) < 4.5 * np.sqrt(0.05 * 0.95 / 200)
    assert band_p(rng.beta(1.5, 1.5, 1000)) < 0.01 and band_p(rng.beta(1.0, 1.4, 1000)) < 0.01


def test_another_effect_curve_keeps_the_effect_of_a_full_stop() -> None:
    values = at.centre_values()
    moved, shared = misspecified._other_effect(9000.0)(values, np.random.default_rng(0))
    at_90 = [v[at.SIGMA] * 90.0 / (90.0 + v[at.EC50]) for v in (values, moved)]
    assert at_90[0] == pytest.approx(at_90[1])
    assert shared.delta * moved[at.SIGMA] == pytest.approx(at.couplings().delta * values[at.SIGMA])
