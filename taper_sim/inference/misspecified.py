"""When the truth is not the model: how often the checks speak, and what the forecast is worth. Imports ``calibration``.

``python -m taper_sim.inference.misspecified --out docs/tables/support.csv``. People as in the calibration, but one
thing about them is not as the model says; noted is whether nothing would be recommended, and whether the largest
withdrawal of the next 28 days lies within its 90 % interval, or above it, which is the error that hurts.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from taper_sim.data.records import CheckIn
from taper_sim.inference import course as at
from taper_sim.inference.observation import reports_of
from taper_sim.inference.patient import Evidence, posterior_of
from taper_sim.inference.rollout import carried_peaks
from taper_sim.inference.simulated import DAILY, population_prior, tapered, until, written
from taper_sim.inference.support import LIMIT_P, support_of

Floats = NDArray[np.float64]
Reported = list[tuple[int, CheckIn]]
Change = Callable[[Reported, Floats, np.random.Generator], Reported]

N_DAYS: Final = 84
PACES_PCT: Final = (5.0, 10.0, 20.0)  # of the original dose every two weeks
DRIFT_A_DAY: Final = 0.05  # sd of a day's step of log sigma, where it drifts fast
UNDER_REPORTED: Final = 0.5  # share of withdrawal that is said, where it is under-reported
BAD_DAYS: Final = 1.5  # fall of the log odds of answering for 4 points of SOWS-Gossop
HEAVY_SHARE, HEAVY_FACTOR = 0.08, 3.0  # reports that are off by so many times as much


def _as_it_is(reports: Reported, latent: Floats, luck: np.random.Generator) -> Reported:
    return reports


def _heavy_tails(reports: Reported, latent: Floats, luck: np.random.Generator) -> Reported:
    """Some reports are far off."""
    ends = {"sows_gossop": 30.0, "function": 100.0}
    far = HEAVY_FACTOR * luck.standard_normal(len(reports))
    spread = {"sows_gossop": 2.0, "pain_nrs": 1.2, "mood_item": 1.5, "sleep_item": 2.0, "function": 5.7}
    return [
        (d, replace(c, value=float(
            np.clip(round(c.value + off * spread[c.instrument]), 0, ends.get(c.instrument, 10.0)))))
        for (d, c), off in zip(reports, far * (luck.random(len(reports)) < HEAVY_SHARE), strict=True)
    ]  # fmt: skip


def _missing_on_bad_days(reports: Reported, latent: Floats, luck: np.random.Generator) -> Reported:
    """Days with high scores are answered less."""
    score = {d: c.value for d, c in reports if c.instrument == "sows_gossop"}
    usual = float(np.median(list(score.values()))) if score else 0.0
    gone = {d for d, s in score.items() if luck.random() > 1 / (1 + np.exp(BAD_DAYS * (s - usual - 2.0) / 4.0))}
    return [(d, c) for d, c in reports if d not in gone]


def _under_reported(reports: Reported, latent: Floats, luck: np.random.Generator) -> Reported:
    """Of withdrawal only a part is said."""
    return [
        (d, replace(c, value=float(round(max(c.value - (1 - UNDER_REPORTED) * 30.0 * latent[d, at.W], 0.0))))
         if c.instrument == "sows_gossop" else c)
        for d, c in reports
    ]  # fmt: skip


TRUTHS: Final[dict[str, Change]] = {
    "the model": _as_it_is, "heavy tails": _heavy_tails, "missing on bad days": _missing_on_bad_days,
    "under-reported withdrawal": _under_reported, "sensitivity drifts fast": _as_it_is,
}  # fmt: skip


def one(truth: str, number: int, seed: int) -> dict[str, Any]:
    """One person under one truth: what the checks said, and where the forecast stood."""
    luck = np.random.default_rng([seed, number])
    regimen = tapered(float(luck.choice(PACES_PCT)), N_DAYS)
    prior, shared = population_prior("usual", N_DAYS), at.couplings()
    values = prior.values(luck.standard_normal((1, len(prior.names))))[0]
    if truth == "sensitivity drifts fast":
        values[at.DRIFT :] = DRIFT_A_DAY * np.sqrt(at.SEGMENT_D) * luck.standard_normal(at.MAX_SEGMENTS)
    seen = until(regimen, N_DAYS)
    reports = written(values, shared, seen, DAILY, luck.random(N_DAYS + 1) < 0.85, luck)
    reports = TRUTHS[truth](reports, at.course(values, shared, seen), luck)
    still = np.zeros(N_DAYS + 1)
    evidence = Evidence(prior, shared, seen, reports_of(reports, still.astype(np.int64), still))
    posterior = posterior_of(evidence, 1024, seed)
    support = support_of(evidence, posterior, seed)
    ahead = carried_peaks(posterior.values(), shared, regimen, N_DAYS)
    peak = float(carried_peaks(values[None], shared, regimen, N_DAYS)[0])
    rank = float(posterior.weights @ (ahead < peak))
    return {
        "truth": truth, "withheld": bool(support.reasons or not posterior.converged),
        "spread": support.spread < LIMIT_P,
        "tails": min(support.tails, support.largest) < LIMIT_P, "memory": support.memory < LIMIT_P,
        "missingness": support.missingness < LIMIT_P, "cover90": 0.05 < rank < 0.95, "above": rank >= 0.95,
    }  # fmt: skip


def main() -> None:
    """Measure every truth and write a row each: shares of people."""
    parser = argparse.ArgumentParser(description="checks and forecasts when the truth is not the model")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    found = pd.DataFrame([one(truth, k, args.seed) for truth in TRUTHS for k in range(args.people)])
    table = found.groupby("truth", sort=False).mean().round(3)
    table.insert(0, "n", args.people)
    table.to_csv(args.out)
    print(table.to_string())


if __name__ == "__main__":
    main()
