"""The fit in waves: points, simulation, surfaces, posterior. Imports the other modules of ``published_fit``.

The first wave has points of the prior. Each later one has points of the posterior so far, widened about its mean, and
the surfaces are fitted again. The last batch of points checks the posterior by the simulator.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.evidence.published_fit import fit_checks, joint_posterior, simulated_targets, target_emulator
from taper_sim.evidence.published_fit.fit_checks import SimulatorCheck, weigh_by_simulator
from taper_sim.evidence.published_fit.joint_posterior import FitDraws, TargetsToFit, sample_posterior
from taper_sim.evidence.published_fit.simulated_targets import SLOTS, Simulated, TargetSimulator
from taper_sim.evidence.published_fit.target_emulator import Surface, VisibleColumns, fit_surface, screen
from taper_sim.provenance import hash_of
from taper_sim.run_folder.atomic_files import write_atomically
from taper_sim.simulation.ensemble import UNCERTAIN

WIDER: Final = 1.4
"""Times as far from their mean are the points of a later wave as the posterior's draws. A design choice."""
PRECISE: Final = 0.1
"""Largest variance of a surface over that of its published number at which no further wave is needed."""
CHAIN_DRAWS: Final = 1000
_DRAWN_FOR_CHECK: Final = 4  # batches: a shorter check has the first points of a longer one
_TUNE: Final = 600
_CHAINS: Final = 2


@dataclass(frozen=True)
class FitSize:
    """Points of the waves and of the check, in batches of ``simulated_targets.SLOTS``, and people of a study at one.

    Attributes
    ----------
    waves : tuple of int
        Batches of each wave; the waves after the second are left out once all surfaces are precise.
    check : int
        Batches of the last check.
    people, people_for_events : int
    seed : int
    """

    waves: tuple[int, ...] = (13, 7)
    check: int = 2
    people: int = 256
    people_for_events: int = 512
    seed: int = 20260101


@dataclass
class PublishedFit:
    """A finished fit.

    Attributes
    ----------
    simulator : TargetSimulator
    prior, check : Simulated
        Targets at points of the prior and at draws of the posterior.
    screened : VisibleColumns
    fitted : ndarray of int
        Places of the targets that see a column; the others have no part in the fit.
    columns : ndarray of int
        Places, among the uncertain columns, of those that a target sees.
    surfaces : list of Surface
        Of the fitted targets.
    targets : TargetsToFit
    draws, checked : FitDraws
        Posterior, and its draws at which the simulator was run.
    by_simulator : SimulatorCheck
    precise : list of float
        Share of fitted targets with a precise surface, by wave.
    points : list of int
        Points of each wave.
    """

    simulator: TargetSimulator
    prior: Simulated
    check: Simulated
    screened: VisibleColumns
    fitted: Ints
    columns: Ints
    surfaces: list[Surface]
    targets: TargetsToFit
    draws: FitDraws
    checked: FitDraws
    by_simulator: SimulatorCheck
    precise: list[float] = field(default_factory=list)
    points: list[int] = field(default_factory=list)


def fit_hash() -> str:
    """Short hash of the code of the fit."""
    this = sys.modules[__name__]
    return hash_of(simulated_targets, target_emulator, joint_posterior, fit_checks, this)


def prior_points(n: int, seed: int) -> Floats:
    """Points of the prior, each column stratified (Latin hypercube), (n, n_uncertain)."""
    generator = np.random.default_rng([seed, 1])
    return np.asarray(ndtri(qmc.LatinHypercube(len(UNCERTAIN), rng=generator).random(n)))


def wider_points(draws: FitDraws, columns: Ints, n: int, seed: int) -> Floats:
    """Points of a posterior widened about its mean; columns that no target sees are those of the prior."""
    z = prior_points(n, seed)
    chosen = np.random.default_rng([seed, 2]).choice(len(draws.z), n, replace=n > len(draws.z))
    mean = draws.z.mean(axis=0)
    z[:, columns] = mean + WIDER * (draws.z[chosen] - mean)
    return z


def _saved_points(folder: Path, name: str, make: Callable[[], Floats]) -> Floats:
    """Points of a wave, kept so that a resumed run has the same."""
    path = folder / f"{name}.npy"
    if not path.exists():
        points = make()
        write_atomically(path, lambda file: np.save(file, points))
    return np.asarray(np.load(path))


def fit_published(simulator: TargetSimulator, size: FitSize, folder: Path, log: Callable[[str], None]) -> PublishedFit:
    """Fit the centres to the simulator's targets; a rerun in the same folder simulates only what is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    key = f"{simulator.hash}-{fit_hash()}-{'-'.join(map(str, (*size.waves, size.check, size.seed)))}"
    batches = folder / "batches"
    prior = everything = simulator.simulate(prior_points(size.waves[0] * SLOTS, size.seed), batches, log)
    last = np.ones(len(prior.z), dtype=bool)
    visible = screen(prior.z, prior.values, prior.slot)
    precise, points = [], [len(prior.z)]
    fitted, columns, surfaces, targets = _surfaces(simulator, everything, last, visible, log)
    draws = _posterior(targets, size.seed, log)
    for wave, n in enumerate(size.waves[1:], 2):
        precise.append(_share_precise(simulator, fitted, surfaces))
        if wave > 2 and precise[-1] == 1.0:
            break
        log(f"wave {wave}: {100 * precise[-1]:.0f} % of the surfaces are precise")
        old, old_columns = draws, columns

        def points_of_wave(old: FitDraws = old, columns: Ints = old_columns, n: int = n, wave: int = wave) -> Floats:
            return wider_points(old, columns, n * SLOTS, size.seed + wave)

        new = simulator.simulate(_saved_points(folder, f"wave{wave}-{key}", points_of_wave), batches, log)
        everything = everything.plus(new)
        last = np.concatenate([np.zeros(len(last), dtype=bool), np.ones(len(new.z), dtype=bool)])
        points.append(len(new.z))
        again = screen(everything.z, everything.values, everything.slot)
        visible = VisibleColumns(again.slope, visible.visible | again.visible)
        fitted, columns, surfaces, targets = _surfaces(simulator, everything, last, visible, log)
        draws = _posterior(targets, size.seed, log)
    else:
        precise.append(_share_precise(simulator, fitted, surfaces))
    n_check = size.check * SLOTS
    drawn = max(n_check, _DRAWN_FOR_CHECK * SLOTS)
    chosen = np.random.default_rng([size.seed, 7]).choice(len(draws.z), drawn, replace=False)[:n_check]

    def points_of_check() -> Floats:
        z = prior_points(drawn, size.seed + 100)[:n_check]
        z[:, columns] = draws.z[chosen]
        return z

    at_draws = _saved_points(folder, f"check-{key}", points_of_check)
    log("check by the simulator")
    check = simulator.simulate(at_draws, batches, log)
    checked = draws.at(chosen)
    variance = np.array([surface.variance for surface in surfaces])
    by_simulator = weigh_by_simulator(targets, variance, checked, check.values[:, fitted], check.variances[:, fitted])
    return PublishedFit(
        simulator,
        prior,
        check,
        visible,
        fitted,
        columns,
        surfaces,
        targets,
        draws,
        checked,
        by_simulator,
        precise,
        points,
    )


def _surfaces(
    simulator: TargetSimulator, points: Simulated, last: Bools, visible: VisibleColumns, log: Callable[[str], None]
) -> tuple[Ints, Ints, list[Surface], TargetsToFit]:
    """Fitted targets, their columns, surfaces, and the targets with these surfaces."""
    fitted, columns = np.flatnonzero(visible.visible.any(axis=1)), np.flatnonzero(visible.visible.any(axis=0))
    log(f"{len(fitted)} of {len(simulator.targets)} targets see {len(columns)} of {len(UNCERTAIN)} columns")
    surfaces = [
        fit_surface(
            points.z,
            points.values[:, t],
            points.variances[:, t],
            points.slot,
            last,
            visible.visible[t],
            visible.slope[t],
        )
        for t in fitted
    ]
    chosen = [simulator.targets[t] for t in fitted]
    value, se, unit = (np.array([getattr(target, name) for target in chosen]) for name in ("value", "se", "unit"))
    targets = TargetsToFit.of(value, se, unit, [target.study for target in chosen], surfaces, columns)
    return fitted, columns, surfaces, targets


def _posterior(targets: TargetsToFit, seed: int, log: Callable[[str], None]) -> FitDraws:
    draws = sample_posterior(targets, CHAIN_DRAWS, _TUNE, _CHAINS, seed)
    log(f"posterior: R-hat at most {draws.rhat:.3f}, {draws.divergences} divergences, tau {draws.tau.mean():.2f}")
    return draws


def _share_precise(simulator: TargetSimulator, fitted: Ints, surfaces: list[Surface]) -> float:
    """Share of the fitted targets whose surface has at most a tenth of the published variance."""
    pairs = zip(fitted, surfaces, strict=True)
    return float(np.mean([surface.variance < PRECISE * simulator.targets[t].se ** 2 for t, surface in pairs]))
