"""Time of a population fit: ``python -m benchmarks.population --people 200 --out docs/tables/speed_population.csv``.

Rows: one gradient of the people's marginal likelihood, by ``inference.population.marginal_likelihood`` and by
PyTensor's automatic gradient of the same sum compiled by Numba; their ratio; the parts of a whole fit. Wall time. A
gradient's time is the median of several turns.
"""

import argparse
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import nutpie
import pandas as pd
import pymc as pm
import pytensor
from pytensor import tensor as pt

from taper_sim.inference.population.fit import Settings, compiled_model, fit_population
from taper_sim.inference.population.hierarchy import SPREAD_LOG_SD, Draws, draws_of, prior_centres
from taper_sim.inference.prior import DEFAULT_POPULATION, DRIFT_SD
from taper_sim.studies.recovery import N_DAYS, simulated

_TURNS = 15
_GRADIENT_DRAWS = 512


def automatic_model(draws: Draws) -> pm.Model:
    """Centres, spreads and drift of the model of ``hierarchy``, its sum written in PyTensor (no traits)."""
    centre0, sd0, spread0 = prior_centres(draws.keys)
    x = (draws.x - centre0) / spread0
    features = np.concatenate([-0.5 * x**2, x], axis=2)
    with pm.Model(coords={"value": list(draws.keys)}) as model:
        centre = centre0 + sd0 * pm.Normal("centre_z", dims="value")
        spread = spread0 * pt.exp(SPREAD_LOG_SD * pm.Normal("spread_z", dims="value"))
        drift = DRIFT_SD * pt.exp(0.5 * pm.Normal("drift_z"))
        precision = draws.has_value * (spread0 / spread) ** 2
        mean = (centre[None, :] - centre0) / spread0
        factors = pt.concatenate([precision, precision * mean], axis=1)
        shape = pt.matmul(features, factors[:, :, None])[:, :, 0] - 0.5 * draws.drift2 / drift**2
        constant = pt.sum(draws.has_value * pt.log(spread), axis=1) + draws.n_drift * pt.log(drift)
        constant = constant + 0.5 * pt.sum(precision * mean**2, axis=1)
        log = pm.math.logsumexp(draws.log_weight + shape - constant[:, None], axis=1)
        pm.Potential("people", pt.sum(log))
    return model


def gradient_ms(compiled: Any) -> float:
    """Median time of a log density with its gradient, ms."""
    call: Callable[..., Any] = compiled.logp_func.vm.jit_fn
    held = [variable.get_value() for variable in compiled.logp_func.get_shared()]
    at = np.zeros(compiled.n_dim)
    call(at, *held)
    took = []
    for _ in range(_TURNS):
        began = time.perf_counter()
        call(at, *held)
        took.append(time.perf_counter() - began)
    return 1e3 * float(np.median(took))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description="time of a population fit")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--gradient-people", type=int, default=60)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    rows: list[tuple[str, str, float]] = []
    few = draws_of(simulated(args.gradient_people, N_DAYS, 1), DEFAULT_POPULATION, _GRADIENT_DRAWS, 1, missing=False)
    with warnings.catch_warnings(), pytensor.config.change_flags(cxx=""):
        warnings.simplefilter("ignore")
        automatic = gradient_ms(nutpie.compile_pymc_model(automatic_model(few)))
    ours = gradient_ms(compiled_model(few, robust=False))
    what = f"gradient, {args.gradient_people} people, {few.x.shape[1]} draws each"
    rows += [
        (f"{what}: automatic", "ms", automatic),
        (f"{what}: by hand", "ms", ours),
        (f"{what}: automatic ÷ by hand", "ratio", automatic / ours),
    ]
    print(*rows, sep="\n", flush=True)
    everybody = simulated(args.people, N_DAYS, 1)
    said: list[tuple[float, str]] = []

    def say(line: str) -> None:
        said.append((time.perf_counter(), line))
        print(line, flush=True)

    began, began_cpu = time.perf_counter(), time.process_time()
    found = fit_population(everybody, Settings(cores=1), say)
    ended = time.perf_counter()
    for k, (at, line) in enumerate(said):
        after = said[k + 1][0] if k + 1 < len(said) else ended
        rows.append((f"fit, {args.people} people, {N_DAYS} days, one chain at a time: {line}", "s", after - at))
    rows.append((f"fit, {args.people} people: all of it, wall", "s", ended - began))
    rows.append((f"fit, {args.people} people: all of it, processor", "s", time.process_time() - began_cpu))
    rows.append((f"fit, {args.people} people: steps a draw", "1", float(found.n_steps.mean())))
    rows.append((f"fit, {args.people} people: least effective draws of a person", "1", float(found.person_ess.min())))
    rows.append((f"fit, {args.people} people: reasons not to trust it", "1", float(len(found.failures()))))
    table = pd.DataFrame(rows, columns=["what", "unit", "value"]).round({"value": 3})
    table = table.assign(machine=platform.processor() or platform.machine(), note="measured on two shared cores")
    if args.out is not None:
        table.to_csv(args.out, index=False)
    print(table.to_string(index=False))
    print(*found.failures(), sep="\n")


if __name__ == "__main__":
    main()
