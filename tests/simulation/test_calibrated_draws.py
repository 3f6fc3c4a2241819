"""The shipped joint draws: they belong to this model, evidence and code, and a run takes them reproducibly."""

import numpy as np
import pytest

from taper_sim import tables
from taper_sim.evidence.coded_results import shipped_evidence
from taper_sim.evidence.published_fit.fit_tables import NAMES, ROWS, origin
from taper_sim.evidence.published_fit.fit_waves import FitSize
from taper_sim.simulation import ensemble
from taper_sim.simulation.ensemble import CALIBRATED_DRAWS, calibrated, from_normals, from_prior, n_published_results

SEED = 5


def _z() -> np.ndarray:
    rows = tables.read(CALIBRATED_DRAWS).rows
    return np.array([[float(row[name]) for name in NAMES] for row in rows])


def test_the_table_comes_from_this_evidence_model_and_code() -> None:
    sources = {row["source"] for row in tables.read(CALIBRATED_DRAWS).rows}
    n_targets = sum(row.result is not None for row in shipped_evidence().rows)
    assert sources == {origin(n_targets, shipped_evidence().hash, FitSize().seed)}
    assert n_published_results() == n_targets


def test_the_table_has_every_uncertain_column_and_plausible_whitened_values() -> None:
    z = _z()
    assert z.shape == (ROWS, len(NAMES))
    assert np.isfinite(z).all() and np.abs(z).max() < 8.0
    assert len(np.unique(z, axis=0)) == ROWS
    assert z.std(axis=0).max() < 1.5  # data do not widen a prior much, whatever they are in conflict with


def test_draw_k_does_not_depend_on_the_number_of_draws_and_the_seed_orders_them() -> None:
    few, many = calibrated(SEED, 4), calibrated(SEED, 60)
    for symbol, values in few.values.items():
        np.testing.assert_array_equal(values, many.values[symbol][:4])
    assert calibrated(SEED, 4).id == few.id != calibrated(SEED + 1, 4).id
    assert few.calibrated and not from_prior(SEED, 4).calibrated


def test_every_row_is_used_once_before_one_is_used_again() -> None:
    values = calibrated(SEED, ROWS + 3).values["visit_w"]
    assert len(np.unique(values[:ROWS])) == len(np.unique(_z()[:, NAMES.index("visit_w")]))
    np.testing.assert_array_equal(values[ROWS:], values[:3])


def test_one_draw_is_the_mean_of_the_whitened_values() -> None:
    whole = np.zeros((1, len(ensemble.DRAW_COLUMNS)))
    whole[0, list(ensemble.UNCERTAIN)] = _z().mean(axis=0)
    assert calibrated(SEED, 1).id == from_normals(whole).id


def test_a_fixed_centre_is_fixed_in_every_draw() -> None:
    fixed = calibrated(SEED, 6, {"sigma_opioid": 1.5, "visit_w": 9.0})
    assert (fixed.values["sigma"][:, 0] == 1.5).all() and (fixed.values["visit_w"] == 9.0).all()
    np.testing.assert_array_equal(fixed.values["sigma"][:, 1], calibrated(SEED, 6).values["sigma"][:, 1])


def test_a_table_of_a_model_with_other_parameters_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ensemble._calibrated_normals.cache_clear()
    monkeypatch.setattr(ensemble, "UNCERTAIN", ensemble.UNCERTAIN[1:])
    with pytest.raises(ValueError, match="EC50_opioid"):
        calibrated(SEED, 2)
    ensemble._calibrated_normals.cache_clear()
