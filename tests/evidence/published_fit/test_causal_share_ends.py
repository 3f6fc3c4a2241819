"""The causal share at 0, 0.5 and 1: surfaces with points at both ends, and the results that turn."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from taper_sim.evidence.published_fit.causal_share_fits import ENDS, fits_at_ends, simulated_at_shares, turns_table
from taper_sim.evidence.published_fit.fit_tables import NAMES
from taper_sim.evidence.published_fit.fit_waves import PublishedFit, prior_points
from taper_sim.evidence.published_fit.joint_posterior import TargetsToFit
from taper_sim.evidence.published_fit.simulated_targets import SLOTS, PublishedTarget, Simulated, ensemble_at
from taper_sim.evidence.published_fit.target_emulator import VisibleColumns, fit_surface

SHARE, EFFECT = NAMES.index("causal_share"), NAMES.index("overdose_v")


@dataclass
class _Simulator:
    """Log ratios that are linear in the share: of all tapers, and of a taper that only selection makes look bad."""

    targets: list[PublishedTarget]
    results: list[Any]

    def simulate(self, z: np.ndarray, folder: Path, log: Any) -> Simulated:
        share = ensemble_at(z).values["causal_share"]
        values = np.column_stack([share + 0.3 * z[:, EFFECT], 0.4 - 0.8 * share])
        return Simulated(z, np.arange(len(z)) % SLOTS, values, np.full(values.shape, 1e-4))


@pytest.fixture(scope="module")
def fit() -> PublishedFit:
    result = SimpleNamespace(
        statistic=SimpleNamespace(name="rate_ratio", scale="log"), outcome="overdose", reference=object(), value=1.5
    )
    targets = [PublishedTarget("X", "x", 0.5, 0.1, 1.0), PublishedTarget("Y", "y", 0.0, 0.1, 1.0)]
    simulator = _Simulator(targets, [result, result])
    prior, check = (simulator.simulate(prior_points(n, n), Path(), None) for n in (4 * SLOTS, 2 * SLOTS))
    visible = np.zeros((2, len(NAMES)), bool)
    visible[:, [SHARE, EFFECT]] = True
    slope = np.where(visible, 0.2, 0.0)
    columns = np.array(sorted([SHARE, EFFECT]))
    last = np.ones(len(prior.z), bool)
    surfaces = [
        fit_surface(prior.z, prior.values[:, t], prior.variances[:, t], prior.slot, last, visible[t], slope[t])
        for t in range(2)
    ]
    value, se, unit = np.array([0.5, 0.0]), np.full(2, 0.1), np.ones(2)
    to_fit = TargetsToFit.of(value, se, unit, ["x", "y"], surfaces, columns)
    screened, fitted = VisibleColumns(slope, visible), np.arange(2)
    none: Any = None
    return PublishedFit(
        simulator,
        prior,
        check,
        screened,
        fitted,
        columns,
        surfaces,
        to_fit,
        none,
        none,
        none,  # type: ignore[arg-type]
    )


def test_the_surfaces_hold_at_both_ends_and_what_changes_sign_turns(fit: PublishedFit, tmp_path: Path) -> None:
    fits = fits_at_ends(fit, 1, tmp_path, lambda _: None)
    assert [f.share for f in fits] == list(ENDS)
    for f in fits:
        at_centre = f.targets.at(np.zeros((1, 2)))[0]
        np.testing.assert_allclose(at_centre, [f.share, 0.4 - 0.8 * f.share], atol=0.03)


def test_a_result_turns_whose_sign_depends_on_the_share_and_nothing_else_is_changed(
    fit: PublishedFit, tmp_path: Path
) -> None:
    z = prior_points(SLOTS, 5)
    by_share = simulated_at_shares(fit.simulator, z, tmp_path, lambda _: None)
    for share, simulated in by_share.items():
        np.testing.assert_allclose(ensemble_at(simulated.z).values["causal_share"], share, atol=1e-5)
        np.testing.assert_array_equal(np.delete(simulated.z, SHARE, axis=1), np.delete(z, SHARE, axis=1))
    table = turns_table(fit.simulator, by_share).set_index("id")
    assert table.loc["Y", "turns"] == "yes" and table.loc["Y", "p above at 0"] == 1.0
    assert table.loc["Y", "p above at 1"] == 0.0
    assert table.loc["Y", "at 1"] == pytest.approx(np.exp(-0.4), abs=0.01)
