"""When the truth is not the model: how often the checks speak, what the forecast is worth, what any test could see.

``python -m taper_sim.studies.misspecified --out docs/tables/support.csv`` goes on where it stopped. Imports
``simulated``, ``support``, ``doubt``. People as in the calibration, but one thing about them is not as the model says.
Noted is whether nothing would be recommended; whether the largest withdrawal of the next 28 days lies within its 90 %
interval, or above it, which is the error that hurts; and what the best test could do: the ratio of the reports' chance
under that very truth to that under the model, at the threshold that one in ten people of the model passes. By Neyman
and Pearson no other test of these reports catches more on average at that rate of false alarms.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Floats
from taper_sim.inference import course as at
from taper_sim.inference import predictive_checks, underreporting
from taper_sim.inference.posterior import Evidence, posterior_of
from taper_sim.inference.predictive_checks import LIMIT_MISSINGNESS_P, LIMIT_P, support_of
from taper_sim.inference.prior import Prior
from taper_sim.inference.rollout import carried_peaks
from taper_sim.inference.underreporting import SHARE_REPORTED, read_as_underreported
from taper_sim.provenance import hash_of
from taper_sim.studies.calibration import code_hash
from taper_sim.studies.simulated_people import DAILY, Reported, evidence_from, population_prior, tapered, until, written

ChangeOfWorld = Callable[[Floats, np.random.Generator], tuple[Floats, Any]]
Said = Callable[[Reported, Floats, np.random.Generator], Reported]

N_DAYS: Final = 84
PACES_PCT: Final = (5.0, 10.0, 20.0)  # of the original dose every two weeks
ANSWERED: Final = 0.85
DRIFT_A_DAY: Final = 0.05  # sd of a day's step of log sigma, where it drifts fast
BAD_DAYS: Final = 1.5  # fall of the log odds of answering for 4 points of SOWS-Gossop
HEAVY_SHARE, HEAVY_FACTOR = 0.08, 3.0  # reports that are off by so many times as much
LIMIT_W: Final = 0.15  # withdrawal that is not to be passed, as in the limits' default
RISK: Final = 0.10
FALSE_ALARMS: Final = 0.10  # of the best test
LINEAR_MME, RELATIVE_MME = 9000.0, 13.0
"""EC50 at which the effect is a line in mg over all doses, and at which it all but follows the log of the dose."""


# -- what may be otherwise ---------------------------------------------------------------------------------------------


def _as_it_is(values: Floats, luck: np.random.Generator) -> tuple[Floats, Any]:
    return values, at.couplings()


def _drifting(values: Floats, luck: np.random.Generator) -> tuple[Floats, Any]:
    """Sensitivity moves fast."""
    moved = values.copy()
    moved[at.DRIFT :] = DRIFT_A_DAY * np.sqrt(at.SEGMENT_D) * luck.standard_normal(at.MAX_SEGMENTS)
    return moved, at.couplings()


def _other_effect(ec50: float) -> ChangeOfWorld:
    """Another dose-effect curve; what a full stop does to drive and relief stays as it was."""

    def world(values: Floats, luck: np.random.Generator) -> tuple[Floats, Any]:
        moved, shared = values.copy(), at.couplings()
        factor = _same_stop(values[at.EC50], ec50)
        moved[at.EC50] = ec50
        moved[at.SIGMA] *= factor
        return moved, at.couplings(delta=shared.delta / factor, alpha_0=shared.alpha_0 * factor)

    return world


def _same_stop(now: Any, then: float, dose: float = 90.0) -> Any:
    """Effect of the whole dose at one EC50 over that at another."""
    return (dose / (dose + now)) / (dose / (dose + then))


def _all_said(reports: Reported, latent: Floats, luck: np.random.Generator) -> Reported:
    return reports


def _heavy_tails(reports: Reported, latent: Floats, luck: np.random.Generator) -> Reported:
    """Some reports are far off."""
    ends = {"sows_gossop": 30.0, "function": 100.0}
    far = HEAVY_FACTOR * luck.standard_normal(len(reports))
    spread = {"sows_gossop": 2.0, "pain_nrs": 1.2, "mood_item": 1.5, "sleep_item": 2.0, "function": 5.7}
    return [
        (
            d,
            replace(
                c, value=float(np.clip(round(c.value + off * spread[c.instrument]), 0, ends.get(c.instrument, 10.0)))
            ),
        )
        for (d, c), off in zip(reports, far * (luck.random(len(reports)) < HEAVY_SHARE), strict=True)
    ]


def _missing_on_bad_days(reports: Reported, latent: Floats, luck: np.random.Generator) -> Reported:
    """Days with high scores are answered less."""
    score = {d: c.value for d, c in reports if c.instrument == "sows_gossop"}
    usual = float(np.median(list(score.values()))) if score else 0.0
    gone = {d for d, s in score.items() if luck.random() > 1 / (1 + np.exp(BAD_DAYS * (s - usual - 2.0) / 4.0))}
    return [(d, c) for d, c in reports if d not in gone]


def _under_reported(reports: Reported, latent: Floats, luck: np.random.Generator) -> Reported:
    """Of withdrawal only a part is said."""
    return [
        (
            d,
            replace(c, value=float(round(max(c.value - (1 - SHARE_REPORTED) * 30.0 * latent[d, at.W], 0.0))))
            if c.instrument == "sows_gossop"
            else c,
        )
        for d, c in reports
    ]


# -- the reports' chance under each ------------------------------------------------------------------------------------


def _drift_prior(evidence: Evidence) -> Evidence:
    prior = evidence.prior
    drifts = np.array([name.startswith("drift") for name in prior.names])
    return replace(evidence, prior=replace(prior, sd=np.where(drifts, DRIFT_A_DAY * np.sqrt(at.SEGMENT_D), prior.sd)))


def _effect_prior(ec50: float) -> Callable[[Evidence], Evidence]:
    def alternative(evidence: Evidence) -> Evidence:
        prior, shared = evidence.prior, evidence.shared
        k, e = prior.names.index("sigma_opioid"), prior.names.index("EC50_opioid")
        spread = np.random.default_rng(0).standard_normal((20_000, 2))
        factor = np.log(_same_stop(np.exp(prior.mean[e] + prior.sd[e] * spread[:, 0]), ec50))
        log_sigma = prior.mean[k] + prior.sd[k] * spread[:, 1] + factor
        mean, sd, base = prior.mean.copy(), prior.sd.copy(), prior.base.copy()
        mean[k], sd[k], base[at.EC50] = log_sigma.mean(), log_sigma.std(), ec50
        kept = np.arange(len(mean)) != e
        fixed = Prior(
            tuple(n for n in prior.names if n != "EC50_opioid"),
            prior.place[kept],
            mean[kept],
            sd[kept],
            prior.is_log[kept],
            base,
        )
        usual = float(np.exp(factor.mean()))
        return replace(
            evidence, prior=fixed, shared=shared._replace(delta=shared.delta / usual, alpha_0=shared.alpha_0 * usual)
        )

    return alternative


@dataclass(frozen=True)
class OtherTruth:
    """How the world or the reports differ from the model, and the reports' chance if one knew."""

    world: ChangeOfWorld = _as_it_is
    said: Said = _all_said
    alternative: Callable[[Evidence], Evidence] | None = None


TRUTHS: Final[Mapping[str, OtherTruth]] = {
    "the model": OtherTruth(),
    "heavy tails": OtherTruth(said=_heavy_tails),
    "missing on bad days": OtherTruth(said=_missing_on_bad_days),
    "half of withdrawal is not said": OtherTruth(said=_under_reported, alternative=read_as_underreported),
    "sensitivity drifts fast": OtherTruth(_drifting, alternative=_drift_prior),
    "effect linear in mg": OtherTruth(_other_effect(LINEAR_MME), alternative=_effect_prior(LINEAR_MME)),
    "effect relative to the dose": OtherTruth(_other_effect(RELATIVE_MME), alternative=_effect_prior(RELATIVE_MME)),
}


def table_hash() -> str:
    """Of the calibration's code and of the checks: others need another run."""
    return f"{code_hash()}-{hash_of(predictive_checks, underreporting)}"


def one(truth: str, number: int, seed: int) -> dict[str, Any]:
    """One person under one truth: what the checks said, where the forecast stood, ratios of chances."""
    luck = np.random.default_rng([seed, number])
    regimen = tapered(float(luck.choice(PACES_PCT)), N_DAYS)
    prior, shared = population_prior("usual", N_DAYS), at.couplings()
    drawn = prior.values(luck.standard_normal((1, len(prior.names))))[0]
    values, really = TRUTHS[truth].world(drawn, luck)
    seen = until(regimen, N_DAYS)
    reports = written(values, really, seen, DAILY, luck.random(N_DAYS + 1) < ANSWERED, luck)
    reports = TRUTHS[truth].said(reports, at.course(values, really, seen), luck)
    evidence = evidence_from(prior, shared, regimen, reports, N_DAYS)
    posterior = posterior_of(evidence, 1024, seed)
    checks = support_of(evidence, posterior, seed)
    ahead = carried_peaks(posterior.values(), shared, regimen, N_DAYS)
    peak = float(carried_peaks(values[None], really, regimen, N_DAYS)[0])
    rank = float(posterior.weights @ (ahead < peak))
    foreseen = float(posterior.weights @ (ahead > LIMIT_W))
    ratios = {
        f"ratio: {name}": posterior_of(other.alternative(evidence), 512, seed).log_evidence - posterior.log_evidence
        for name, other in TRUTHS.items()
        if other.alternative is not None and truth in (name, "the model")
    }
    return {
        "truth": truth,
        "number": number,
        "withheld": bool(checks.reasons or not posterior.converged),
        "spread": checks.spread < LIMIT_P,
        "tails": min(checks.tails, checks.largest) < LIMIT_P,
        "memory": checks.memory < LIMIT_P,
        "missingness": checks.missingness < LIMIT_MISSINGNESS_P,
        "cover90": 0.05 < rank < 0.95,
        "above": rank >= 0.95,
        "over_limit": peak > LIMIT_W,
        "unforeseen": peak > LIMIT_W and foreseen <= RISK,
        **ratios,
    }


_SHARES: Final = [
    "withheld",
    "spread",
    "tails",
    "memory",
    "missingness",
    "cover90",
    "above",
    "over_limit",
    "unforeseen",
]


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Shares of people, a row for each truth.

    ``over_limit``: peak over the limit; ``unforeseen``: that, with a foretold chance of at most 10 %; ``best_test``:
    caught by the best test at 10 % false alarms; ``best_of_above``: the same among those whose peak was above.
    """
    model = found[found["truth"] == "the model"]
    rows = []
    for truth, part in found.groupby("truth", sort=False):
        name = f"ratio: {truth}"
        caught, of_above = np.nan, np.nan
        if name in found:
            hit = part[name] > model[name].quantile(1.0 - FALSE_ALARMS)
            above = part["above"].astype(bool)
            caught, of_above = float(hit.mean()), float(hit[above].mean()) if above.any() else np.nan
        rows.append((truth, len(part), *part[_SHARES].astype(float).mean(), caught, of_above))
    columns = ["truth", "n", *_SHARES, "best_test", "best_of_above"]
    return pd.DataFrame(rows, columns=columns).round(3).assign(code=table_hash())


def main() -> None:
    """Measure what is missing and write a row for each truth: shares of people."""
    parser = argparse.ArgumentParser(description="checks and forecasts when the truth is not the model")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--finished", type=Path, default=Path("run-misspecified"), help="folder of what is finished")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    kept = args.finished / f"people-{table_hash()}.csv"
    args.finished.mkdir(parents=True, exist_ok=True)
    found = pd.read_csv(kept) if kept.exists() else pd.DataFrame(columns=["truth", "number"])
    done = set(found[["truth", "number"]].itertuples(index=False, name=None))
    for first in range(0, args.people, 20):  # all truths side by side, so that a table can be had early
        for truth in TRUTHS:
            numbers = [k for k in range(first, min(first + 20, args.people)) if (truth, k) not in done]
            if not numbers:
                continue
            new = pd.DataFrame([one(truth, k, args.seed) for k in numbers])
            found = pd.concat([found, new], ignore_index=True) if len(found) else new
            found.to_csv(kept, index=False)
        print(first + 20, flush=True)
    summary(found).to_csv(args.out, index=False)
    print(summary(found).to_string())


if __name__ == "__main__":
    main()
