"""Performance under misspecified models: power of the checks, coverage of the forecast, power of the best test.

Imports ``inference``, ``studies.calibration``, ``studies.simulated_people``. ``python -m taper_sim.studies.misspecified
--out docs/tables/support.csv`` resumes an interrupted study. People are simulated as in the calibration, except that
one assumption of the model is false. For each person the study records whether the recommendation is withheld, and
whether the largest withdrawal of the next 28 days lies within its 90 % interval or above it; above is the harmful
error. It also records the log likelihood ratio of the reports, true model over assumed model. The best test rejects
when this ratio exceeds its 90 % quantile under the model. By Neyman and Pearson no other test of these reports has more
power on average at that rate of false alarms.
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
from taper_sim.inference import own_noise, predictive_checks, underreporting
from taper_sim.inference.own_noise import refitted
from taper_sim.inference.posterior import Evidence, posterior_of
from taper_sim.inference.predictive_checks import LIMIT_MISSINGNESS_P, LIMIT_P, predictive_checks_of
from taper_sim.inference.prior import Prior
from taper_sim.inference.rollout import carried_peaks
from taper_sim.inference.underreporting import SHARE_REPORTED, read_as_underreported
from taper_sim.provenance import hash_of
from taper_sim.studies.calibration import code_hash
from taper_sim.studies.simulated_people import DAILY, Reported, evidence_from, population_prior, tapered, until, written

ChangeOfValues = Callable[[Floats, np.random.Generator], tuple[Floats, Any]]
ChangeOfReports = Callable[[Reported, Floats, np.random.Generator], Reported]

_N_DAYS: Final = 84
_PACES_PCT: Final = (5.0, 10.0, 20.0)  # of the original dose every two weeks
_ANSWERED: Final = 0.85  # share of days with a check-in
_DRIFT_A_DAY: Final = 0.05  # sd of a day's step of log sigma under fast drift
_BAD_DAYS: Final = 1.5  # fall of the log odds of answering per 4 points of SOWS-Gossop
_HEAVY_SHARE, _HEAVY_FACTOR = 0.08, 3.0  # share of outlying reports, and factor on their noise
_LASTS, _LASTING_SIZE = 0.6, 0.7  # correlation of lasting noise with that of the day before, and its size in sds
_OWN_SIZE: Final = 1.5  # largest further noise of an instrument, sds
_LIMIT_W: Final = 0.15  # limit on withdrawal, the default of the limits file
_RISK: Final = 0.10  # largest accepted probability of exceeding it
_FALSE_ALARMS: Final = 0.10  # false alarm rate of the best test
_LINEAR_MME, _RELATIVE_MME = 9000.0, 13.0
"""EC50 (MME) at which the effect is linear in mg over all doses, and at which it nearly follows the log of the dose."""


# -- true models -------------------------------------------------------------------------------------------------------


def _unchanged_values(values: Floats, rng: np.random.Generator) -> tuple[Floats, Any]:
    return values, at.couplings()


def _drifting(values: Floats, rng: np.random.Generator) -> tuple[Floats, Any]:
    """Sensitivity drifts fast."""
    moved = values.copy()
    moved[at.DRIFT :] = _DRIFT_A_DAY * np.sqrt(at.SEGMENT_D) * rng.standard_normal(at.MAX_SEGMENTS)
    return moved, at.couplings()


def _other_effect(ec50: float) -> ChangeOfValues:
    """Another dose-effect curve; the effects of a full stop on drive and relief are unchanged."""

    def change(values: Floats, rng: np.random.Generator) -> tuple[Floats, Any]:
        moved, shared = values.copy(), at.couplings()
        factor = _effect_ratio(values[at.EC50], ec50)
        moved[at.EC50] = ec50
        moved[at.SIGMA] *= factor
        return moved, at.couplings(delta=shared.delta / factor, alpha_0=shared.alpha_0 * factor)

    return change


def _effect_ratio(now: Any, then: float, dose: float = 90.0) -> Any:
    """Effect of the full dose, MME, at EC50 ``now`` over its effect at EC50 ``then``."""
    return (dose / (dose + now)) / (dose / (dose + then))


def _unchanged_reports(reports: Reported, latent: Floats, rng: np.random.Generator) -> Reported:
    return reports


def _heavy_tails(reports: Reported, latent: Floats, rng: np.random.Generator) -> Reported:
    """A share of the reports are outliers."""
    outliers = _HEAVY_FACTOR * rng.standard_normal(len(reports))
    return _moved(reports, outliers * (rng.random(len(reports)) < _HEAVY_SHARE))


def _moved(reports: Reported, by: Floats) -> Reported:
    """The reports moved by so many sds of their instrument's noise, (n_reports,), rounded, and within its scale."""
    ends = {"sows_gossop": 30.0, "function": 100.0}
    spread = {"sows_gossop": 2.0, "pain_nrs": 1.2, "mood_item": 1.5, "sleep_item": 2.0, "function": 5.7}
    return [
        (
            d,
            replace(
                c, value=float(np.clip(round(c.value + off * spread[c.instrument]), 0, ends.get(c.instrument, 10.0)))
            ),
        )
        for (d, c), off in zip(reports, by, strict=True)
    ]


def _lasting_noise(reports: Reported, latent: Floats, rng: np.random.Generator) -> Reported:
    """An answer colours those of the next days: more noise, of which a share lasts from one day to the next."""
    noise = {name: rng.standard_normal(_N_DAYS + 1) for name in DAILY}
    for of_days in noise.values():
        for day in range(1, _N_DAYS + 1):
            of_days[day] = _LASTS * of_days[day - 1] + np.sqrt(1.0 - _LASTS**2) * of_days[day]
    return _moved(reports, np.array([_LASTING_SIZE * noise[c.instrument][d] for d, c in reports]))


def _own_scatter(reports: Reported, latent: Floats, rng: np.random.Generator) -> Reported:
    """Each instrument has more noise by an amount of its own."""
    size = {name: _OWN_SIZE * rng.random() for name in DAILY}
    return _moved(reports, np.array([size[c.instrument] for _, c in reports]) * rng.standard_normal(len(reports)))


def _missing_on_bad_days(reports: Reported, latent: Floats, rng: np.random.Generator) -> Reported:
    """Days with high scores are answered less often."""
    score = {d: c.value for d, c in reports if c.instrument == "sows_gossop"}
    median = float(np.median(list(score.values()))) if score else 0.0
    missed = {d for d, s in score.items() if rng.random() > 1 / (1 + np.exp(_BAD_DAYS * (s - median - 2.0) / 4.0))}
    return [(d, c) for d, c in reports if d not in missed]


def _underreported(reports: Reported, latent: Floats, rng: np.random.Generator) -> Reported:
    """Only part of the withdrawal is reported."""
    return [
        (
            d,
            replace(c, value=float(round(max(c.value - (1 - SHARE_REPORTED) * 30.0 * latent[d, at.W], 0.0))))
            if c.instrument == "sows_gossop"
            else c,
        )
        for d, c in reports
    ]


# -- evidence under each true model ------------------------------------------------------------------------------------


def _with_fast_drift(evidence: Evidence) -> Evidence:
    """The evidence with the prior of fast drift."""
    prior = evidence.prior
    drifts = np.array([name.startswith("drift") for name in prior.names])
    return replace(evidence, prior=replace(prior, sd=np.where(drifts, _DRIFT_A_DAY * np.sqrt(at.SEGMENT_D), prior.sd)))


def _with_effect_curve(ec50: float) -> Callable[[Evidence], Evidence]:
    """Evidence with the prior under another dose-effect curve; log sigma gets its mean and sd under that curve."""

    def alternative(evidence: Evidence) -> Evidence:
        prior, shared = evidence.prior, evidence.shared
        k, e = prior.names.index("sigma_opioid"), prior.names.index("EC50_opioid")
        spread = np.random.default_rng(0).standard_normal((20_000, 2))
        factor = np.log(_effect_ratio(np.exp(prior.mean[e] + prior.sd[e] * spread[:, 0]), ec50))
        log_sigma = prior.mean[k] + prior.sd[k] * spread[:, 1] + factor
        mean, sd, base = prior.mean.copy(), prior.sd.copy(), prior.base.copy()
        mean[k], sd[k], base[at.EC50] = log_sigma.mean(), log_sigma.std(), ec50
        others = np.arange(len(mean)) != e
        fixed = Prior(
            tuple(n for n in prior.names if n != "EC50_opioid"),
            prior.place[others],
            mean[others],
            sd[others],
            tuple(scale for scale, kept in zip(prior.scale, others, strict=True) if kept),
            base,
        )
        ratio = float(np.exp(factor.mean()))
        return replace(
            evidence, prior=fixed, shared=shared._replace(delta=shared.delta / ratio, alpha_0=shared.alpha_0 * ratio)
        )

    return alternative


@dataclass(frozen=True)
class OtherTruth:
    """A true model: changes of the values or the reports, and the evidence under this truth for the best test."""

    change_values: ChangeOfValues = _unchanged_values
    change_reports: ChangeOfReports = _unchanged_reports
    alternative: Callable[[Evidence], Evidence] | None = None


SIMULATED_TRUTHS: Final[Mapping[str, OtherTruth]] = {
    "the model": OtherTruth(),
    "heavy tails": OtherTruth(change_reports=_heavy_tails),
    "noise lasts for days": OtherTruth(change_reports=_lasting_noise),
    "each instrument has noise of its own": OtherTruth(change_reports=_own_scatter),
    "missing on bad days": OtherTruth(change_reports=_missing_on_bad_days),
    "half of withdrawal is not said": OtherTruth(change_reports=_underreported, alternative=read_as_underreported),
    "sensitivity drifts fast": OtherTruth(_drifting, alternative=_with_fast_drift),
    "effect linear in mg": OtherTruth(_other_effect(_LINEAR_MME), alternative=_with_effect_curve(_LINEAR_MME)),
    "effect relative to the dose": OtherTruth(
        _other_effect(_RELATIVE_MME), alternative=_with_effect_curve(_RELATIVE_MME)
    ),
}


def table_hash() -> str:
    """Short hash of the code of the calibration and the checks; a table of other code must be computed again."""
    return f"{code_hash()}-{hash_of(predictive_checks, own_noise, underreporting)}"


def row_of(truth: str, number: int, seed: int) -> dict[str, Any]:
    """Row of one person under one truth: results of the checks, forecast against truth, log likelihood ratios."""
    rng = np.random.default_rng([seed, number])
    regimen = tapered(float(rng.choice(_PACES_PCT)), _N_DAYS)
    prior, shared = population_prior("usual", _N_DAYS), at.couplings()
    drawn = prior.values(rng.standard_normal((1, len(prior.names))))[0]
    values, true_couplings = SIMULATED_TRUTHS[truth].change_values(drawn, rng)
    observed = until(regimen, _N_DAYS)
    reports = written(values, true_couplings, observed, DAILY, rng.random(_N_DAYS + 1) < _ANSWERED, rng)
    reports = SIMULATED_TRUTHS[truth].change_reports(reports, at.course(values, true_couplings, observed), rng)
    evidence = evidence_from(prior, shared, regimen, reports, _N_DAYS)
    assumed = posterior_of(evidence, 1024, seed)  # what the best test compares a truth with
    checks = predictive_checks_of(evidence, assumed, seed)
    _, posterior, checks = refitted(evidence, assumed, checks, lambda fitted: posterior_of(fitted, 1024, seed), seed)
    ahead = carried_peaks(posterior.values(), shared, regimen, _N_DAYS)
    peak = float(carried_peaks(values[None], true_couplings, regimen, _N_DAYS)[0])
    rank = float(posterior.weights @ (ahead < peak))
    p_over = float(posterior.weights @ (ahead > _LIMIT_W))
    ratios = {
        f"ratio: {name}": posterior_of(other.alternative(evidence), 512, seed).log_evidence - assumed.log_evidence
        for name, other in SIMULATED_TRUTHS.items()
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
        "over_limit": peak > _LIMIT_W,
        "unforeseen": peak > _LIMIT_W and p_over <= _RISK,
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


def summary(people: pd.DataFrame) -> pd.DataFrame:
    """Shares of people, a row for each truth.

    ``over_limit``: the peak exceeds the limit. ``unforeseen``: it does, with a predicted probability of at most 10 %.
    ``best_test``: the best test rejects at 10 % false alarms. ``best_of_above``: the same among people whose peak is
    above its 90 % interval.
    """
    model = people[people["truth"] == "the model"]
    rows = []
    for truth, part in people.groupby("truth", sort=False):
        name = f"ratio: {truth}"
        power, power_above = np.nan, np.nan
        if name in people:
            rejected = part[name] > model[name].quantile(1.0 - _FALSE_ALARMS)
            above = part["above"].astype(bool)
            power, power_above = float(rejected.mean()), float(rejected[above].mean()) if above.any() else np.nan
        rows.append((truth, len(part), *part[_SHARES].astype(float).mean(), power, power_above))
    columns = ["truth", "n", *_SHARES, "best_test", "best_of_above"]
    return pd.DataFrame(rows, columns=columns).round(3).assign(code=table_hash())


def main() -> None:
    """Simulate the people that are missing, and write a row for each truth: shares of people."""
    parser = argparse.ArgumentParser(description="predictive checks and forecasts under misspecified models")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--finished", type=Path, default=Path("run-misspecified"), help="folder of finished rows")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    path = args.finished / f"people-{table_hash()}.csv"
    args.finished.mkdir(parents=True, exist_ok=True)
    people = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["truth", "number"])
    done = set(people[["truth", "number"]].itertuples(index=False, name=None))
    for first in range(0, args.people, 20):  # truths in turn, so that an early table has all of them
        for truth in SIMULATED_TRUTHS:
            numbers = [k for k in range(first, min(first + 20, args.people)) if (truth, k) not in done]
            if not numbers:
                continue
            new = pd.DataFrame([row_of(truth, k, args.seed) for k in numbers])
            people = pd.concat([people, new], ignore_index=True) if len(people) else new
            people.to_csv(path, index=False)
        print(first + 20, flush=True)
    summary(people).to_csv(args.out, index=False)
    print(summary(people).to_string())


if __name__ == "__main__":
    main()
