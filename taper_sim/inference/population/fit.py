"""Fit of a population to many people's check-ins: draws of each person, NUTS over the hyperparameters, diagnostics.

Imports ``hierarchy``, ``people``, ``prior``. docs/population.md describes the results.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from taper_sim.array_types import Bools, Floats, Ints
from taper_sim.data.problems import InputError, Problem
from taper_sim.inference.population import hierarchy
from taper_sim.inference.population.hierarchy import (
    DRIFT_LOG_SD,
    SPREAD_LOG_SD,
    TRAIT_SD,
    Draws,
    Hyper,
    as_population,
    draws_of,
    mode_of,
    prior_centres,
    start_of,
)
from taper_sim.inference.population.people import RecordedPerson
from taper_sim.inference.posterior import KHAT_LIMIT
from taper_sim.inference.prior import DEFAULT_POPULATION, DRIFT_SD, VALUE_PRIORS
from taper_sim.model.parameters import individual_value

Log = Callable[[str], None]

PERSON_DRAWS: Final = 1024
"""Draws of each person. Their Monte Carlo error shifts hyperparameters by about a sixth of a posterior sd
(docs/population.md)."""
_ROUNDS: Final = (256, 256, 512)
"""Draws of each person in the preliminary rounds: two end at the mode of the hyperparameters, one with a short NUTS
run."""
_PILOT_TUNE: Final = 300
_PILOT_DRAWS: Final = 200
TARGET_ACCEPT: Final = 0.95
"""Target acceptance of NUTS: a high value gives short steps and few divergences (at 0.8 a fit of 60 people had one in
2,000)."""
_RHAT_LIMIT: Final = 1.01
"""Largest r-hat of a hyperparameter. Source: Vehtari 2021, Bayesian Analysis 16:667."""
_LEAST_ESS: Final = 400.0
"""Fewest effective draws of a hyperparameter, bulk and tail. Source: Vehtari 2021, as above."""
_LEAST_PERSON_ESS: Final = 25.0
"""Fewest effective draws of a person under the fitted population. Source: A47."""
_PEOPLE_POOR: Final = 0.05
"""Largest share of people with fewer effective draws or with a k-hat above its limit. Source: A47."""


@dataclass(frozen=True)
class Settings:
    """Settings of a fit.

    Attributes
    ----------
    draws, tune, chains : int
        Draws and warm-up draws of each chain of NUTS; number of chains.
    seed : int
    robust : bool
        Whether people come from Student t distributions instead of normals.
    missing : bool
        Whether missed check-ins enter the likelihood.
    person_draws : int
        Draws of each person, a power of two.
    cores : int
        Chains run in parallel.
    """

    draws: int = 1000
    tune: int = 500
    chains: int = 2
    seed: int = 0
    robust: bool = False
    missing: bool = False
    person_draws: int = PERSON_DRAWS
    cores: int = 2

    def check(self) -> None:
        """Raise an InputError with one line for each setting that is out of range."""
        limits = {
            "draws": (1, 100_000),
            "tune": (1, 100_000),
            "chains": (1, 64),
            "seed": (0, 2**32 - 1),
            "person_draws": (64, 16384),
        }
        problems = []
        for name, (low, high) in limits.items():
            value, flag = getattr(self, name), f"--{name.replace('_', '-')}"
            if not low <= value <= high:
                problems.append(Problem(flag, "", str(value), f"{low} to {high}"))
            elif name == "person_draws" and value & (value - 1):
                problems.append(Problem(flag, "", str(value), "a power of two, 64 to 16384"))
        if problems:
            raise InputError(problems)


@dataclass(frozen=True)
class PopulationFit:
    """A fitted population.

    Attributes
    ----------
    settings : Settings
    people : tuple of RecordedPerson
    draws : Draws
        Draws of the people, from proposals near the fitted population.
    posterior, prior : Hyper
        Draws of the hyperparameters, (n_chains, n_draws, …); the prior has one chain.
    diverging, n_steps : ndarray, (n_chains, n_draws)
        Whether each draw of NUTS diverged, and its number of leapfrog steps.
    rhat, ess_bulk, ess_tail : ndarray, (n_hyper,)
        Diagnostics of the hyperparameters, in the order of :attr:`names`.
    person_ess, person_khat : ndarray, (n_people,)
        Effective draws and k-hat of each person.
    """

    settings: Settings
    people: tuple[RecordedPerson, ...] = field(repr=False)
    draws: Draws = field(repr=False)
    posterior: Hyper = field(repr=False)
    prior: Hyper = field(repr=False)
    diverging: Bools = field(repr=False)
    n_steps: Ints = field(repr=False)
    rhat: Floats
    ess_bulk: Floats
    ess_tail: Floats
    person_ess: Floats = field(repr=False)
    person_khat: Floats = field(repr=False)

    @property
    def names(self) -> list[str]:
        """Names of the hyperparameters, in the order of :func:`flat`."""
        return hyperparameter_names(self.draws)

    @property
    def mean(self) -> Hyper:
        """Posterior mean of the hyperparameters."""
        return _mean(self.posterior)

    def failures(self) -> list[str]:
        """Failed diagnostics with a remedy, a line each; empty if all pass."""
        problems = []
        n = int(self.diverging.sum())
        if n:
            problems.append(f"{n} divergences: more tuning (--tune {2 * self.settings.tune}), or more people")
        worst = int(np.nanargmax(self.rhat)) if np.isfinite(self.rhat).any() else 0
        if not (self.rhat <= _RHAT_LIMIT).all():
            problems.append(
                f"r-hat of {self.names[worst]} is {self.rhat[worst]:.3f}, above {_RHAT_LIMIT}: more draws and "
                f"tuning (--draws {2 * self.settings.draws} --tune {2 * self.settings.tune})"
            )
        ess = np.minimum(self.ess_bulk, self.ess_tail)
        if not (ess >= _LEAST_ESS).all():
            least = int(np.nanargmin(np.where(np.isfinite(ess), ess, -1.0)))
            needed = max(2 * self.settings.draws, _to_hundreds(self.settings.draws * _LEAST_ESS / max(ess[least], 1.0)))
            problems.append(
                f"effective draws of {self.names[least]}: {ess[least]:.0f}, below {_LEAST_ESS:.0f}: more draws "
                f"(--draws {needed}) or chains"
            )
        poor = float(np.mean((self.person_ess < _LEAST_PERSON_ESS) | ~(self.person_khat <= KHAT_LIMIT)))
        if poor > _PEOPLE_POOR:
            more = f"more draws of each (--person-draws {2 * self.settings.person_draws})"
            problems.append(
                f"{100 * poor:.0f} % of the people have fewer than {_LEAST_PERSON_ESS:.0f} effective draws, "
                f"or a k-hat above {KHAT_LIMIT}: {more}"
            )
        return problems


def _to_hundreds(draws: float) -> int:
    """A number of draws rounded up to hundreds, for a suggestion."""
    return int(np.ceil(draws / 100.0)) * 100


def hyperparameter_names(draws: Draws) -> list[str]:
    """Names of the hyperparameters: centres, spreads, the sd of the drift, effects of traits."""
    return [
        *(f"centre[{key}]" for key in draws.keys),
        *(f"spread[{key}]" for key in draws.keys),
        "drift_sd",
        *(f"effect[{trait}]" for trait in draws.traits),
    ]


def population_text(fitted: PopulationFit, out: Path) -> str:
    """Summary of a fit for a terminal: centre and spread of each value with their 90 % intervals."""
    centre = fitted.posterior.centre.reshape(-1, len(fitted.draws.keys))
    spread = fitted.posterior.spread.reshape(centre.shape)
    lines = [
        f"{len(fitted.people)} people, {sum(len(p.reports.day) for p in fitted.people)} reports",
        f"{'value':32}{'centre (90 %)':>26}{'spread between people (90 %)':>32}",
    ]
    for k, key in enumerate(fitted.draws.keys):
        c = np.quantile(centre[:, k], (0.5, 0.05, 0.95))
        c = individual_value(VALUE_PRIORS[key].scale, np.exp(c) if VALUE_PRIORS[key].is_log else c, 1.0, 0.0)
        s = np.quantile(spread[:, k], (0.5, 0.05, 0.95))
        scale = "log " if VALUE_PRIORS[key].is_log else ""
        lines.append(
            f"{key:32}{f'{c[0]:.3g} ({c[1]:.3g} to {c[2]:.3g})':>26}"
            f"{f'{scale}{s[0]:.3g} ({s[1]:.3g} to {s[2]:.3g})':>32}"
        )
    drift = np.quantile(fitted.posterior.drift_sd, (0.5, 0.05, 0.95))
    lines.append(f"drift of log sigma in 28 days, sd {drift[0]:.3g} ({drift[1]:.3g} to {drift[2]:.3g})")
    for k, trait in enumerate(fitted.draws.traits):
        effect = np.quantile(fitted.posterior.effect[..., k], (0.5, 0.05, 0.95))
        lines.append(f"effect of {trait} on log sigma {effect[0]:.3g} ({effect[1]:.3g} to {effect[2]:.3g})")
    diagnostics = "diagnostics failed: do not use this fit" if fitted.failures() else "diagnostics are good"
    lines.append(
        f"written to {out}; {diagnostics}; not calibrated to published results; research use: not clinically reviewed"
    )
    return "\n".join(lines)


def flat(h: Hyper) -> Floats:
    """Hyperparameters concatenated along the last axis, (…, n_hyper)."""
    return np.concatenate([h.centre, h.spread, np.asarray(h.drift_sd)[..., None], h.effect], axis=-1)


def fit_population(people: Sequence[RecordedPerson], settings: Settings, log: Log = lambda _: None) -> PopulationFit:
    """Fit a population.

    Parameters
    ----------
    people : sequence of RecordedPerson
    settings : Settings
    log : callable
        Receives progress messages, a line each.

    Returns
    -------
    PopulationFit
        Returned even if diagnostics fail; see :meth:`PopulationFit.failures`.
    """
    reference = DEFAULT_POPULATION
    h: Hyper | None = None
    compiled: Any = None
    for number, n in enumerate((*_ROUNDS, settings.person_draws)):
        log(f"drawing {len(people)} people, round {number + 1} of {len(_ROUNDS) + 1}")
        draws = draws_of(people, reference, n, settings.seed, settings.missing)
        if number == len(_ROUNDS):
            break
        h = start_of(draws) if h is None else h
        h = mode_of(draws, h, settings.robust)
        if number == len(_ROUNDS) - 1:  # the mode follows the Monte Carlo error of the draws; the mean averages over it
            log(f"sampling the posterior mean of the hyperparameters, {_PILOT_TUNE} + {_PILOT_DRAWS}")
            compiled = compiled_model(draws, settings.robust)
            short = replace(settings, draws=_PILOT_DRAWS, tune=_PILOT_TUNE, chains=1)
            h = _mean(sampled(compiled, draws, short)[0])
        reference = as_population(draws, h)
    chains = f"{settings.chains} x ({settings.tune} + {settings.draws})"
    log(f"sampling {len(hyperparameter_names(draws))} hyperparameters, {chains}")
    posterior, diverging, n_steps = sampled(compiled, draws, settings)
    rhat, bulk, tail = _diagnosed(flat(posterior))
    w = draws.weights(_mean(posterior), settings.robust)
    return PopulationFit(
        settings,
        tuple(people),
        draws,
        posterior,
        _prior_draws(draws, settings.seed),
        diverging,
        n_steps,
        rhat,
        bulk,
        tail,
        1.0 / (w**2).sum(axis=1),
        np.array([max(p.khat, -10.0) for p in draws.posteriors]),
    )


def _mean(h: Hyper) -> Hyper:
    """Mean over chains and draws."""
    return Hyper(*(np.asarray(x).mean(axis=(0, 1)) for x in h))


def compiled_model(draws: Draws, robust: bool) -> Any:
    """PyMC model compiled for nutpie; :func:`sampled` can replace its data by other draws of the same people."""
    import nutpie
    import pytensor

    model = hierarchy.model_of(draws, robust)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compilers' warnings are about their own code
        with pytensor.config.change_flags(cxx=""):  # Numba compiles the model: no C compiler is needed
            return nutpie.compile_pymc_model(model)


def sampled(compiled: Any, draws: Draws, settings: Settings) -> tuple[Hyper, Bools, Ints]:
    """Draws of the hyperparameters by NUTS, (n_chains, n_draws, …); whether each diverged; its leapfrog steps."""
    import nutpie

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trace: Any = nutpie.sample(
            compiled.with_data(**hierarchy.data_of(draws)),
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            seed=settings.seed,
            cores=min(settings.cores, settings.chains),
            target_accept=TARGET_ACCEPT,
            progress_bar=False,
            save_warmup=False,
        )
    posterior = trace.posterior
    chains, n = posterior["drift_sd"].shape
    effect = posterior["effect"].values if draws.traits else np.zeros((chains, n, 0))
    hyper = Hyper(posterior["centre"].values, posterior["spread"].values, posterior["drift_sd"].values, effect)
    stats = trace.sample_stats
    return hyper, stats["diverging"].values.astype(bool), stats["n_steps"].values.astype(np.int64)


def _diagnosed(x: Floats) -> tuple[Floats, Floats, Floats]:
    """r-hat and effective draws, bulk and tail, of each hyperparameter, from draws (n_chains, n_draws, n_hyper)."""
    from arviz_stats.base import array_stats

    hyperparameters = np.moveaxis(x, 2, 0)
    if x.shape[1] < 4:  # the diagnostics need four draws
        return tuple(np.full(len(hyperparameters), np.nan) for _ in range(3))  # type: ignore[return-value]
    return (
        np.array([float(array_stats.rhat(h)) for h in hyperparameters]),
        np.array([float(array_stats.ess(h, method="bulk")) for h in hyperparameters]),
        np.array([float(array_stats.ess(h, method="tail", prob=(0.05, 0.95))) for h in hyperparameters]),
    )


def _prior_draws(draws: Draws, seed: int, n: int = 1000) -> Hyper:
    """Draws of the hyperparameters from their priors, (1, n, …)."""
    rng = np.random.default_rng([seed, 7])
    centre, sd, spread = prior_centres(draws.keys)
    k = len(draws.keys)
    return Hyper(
        centre + sd * rng.standard_normal((1, n, k)),
        spread * np.exp(SPREAD_LOG_SD * rng.standard_normal((1, n, k))),
        DRIFT_SD * np.exp(DRIFT_LOG_SD * rng.standard_normal((1, n))),
        TRAIT_SD * rng.standard_normal((1, n, len(draws.traits))),
    )
