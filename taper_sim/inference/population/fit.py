"""Fit of a population to many people's check-ins: people drawn, people summed out, NUTS over the rest, diagnostics.

Imports ``hierarchy``, ``people``, ``prior``. What a fit gives stands in docs/population.md.
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
    expected,
    prior_centres,
    start_of,
)
from taper_sim.inference.population.people import RecordedPerson
from taper_sim.inference.posterior import KHAT_LIMIT
from taper_sim.inference.prior import DEFAULT_POPULATION, DRIFT_SD, VALUE_PRIORS

Say = Callable[[str], None]

PERSON_DRAWS: Final = 1024
"""Of each person: their noise then shifts hyperparameters by a sixth of a posterior sd or so (docs/population.md)."""
_ROUNDS: Final = (256, 256, 512)
"""Draws of each person in the rounds before: two end with expectation-maximisation, the third with a short NUTS."""
_STEPS: Final = 40
_PILOT_TUNE: Final = 300
_PILOT_DRAWS: Final = 200
TARGET_ACCEPT: Final = 0.95
"""Of NUTS: short steps, few divergences (at 0.8 a fit of 60 people had one in 2,000)."""
RHAT_LIMIT: Final = 1.01
"""Source: Vehtari 2021, Bayesian Analysis 16:667."""
LEAST_ESS: Final = 400.0
"""Effective draws of each hyperparameter, bulk and tail. Source: the same."""
LEAST_PERSON_ESS: Final = 25.0
"""Effective draws of a person at the population found. Source: A47."""
PEOPLE_POOR: Final = 0.05
"""Largest share of people with fewer, or with a k-hat above its limit. Source: A47."""


@dataclass(frozen=True)
class Settings:
    """How a fit is run."""

    draws: int = 1000
    tune: int = 500
    chains: int = 2
    seed: int = 0
    robust: bool = False
    missing: bool = False
    person_draws: int = PERSON_DRAWS
    cores: int = 2

    def check(self) -> None:
        """Raise an InputError for a number that makes no fit, one line each."""
        limits = {
            "draws": (1, 100_000),
            "tune": (1, 100_000),
            "chains": (1, 64),
            "seed": (0, 2**32 - 1),
            "person_draws": (64, 16384),
        }
        wrong = []
        for name, (low, high) in limits.items():
            given, flag = getattr(self, name), f"--{name.replace('_', '-')}"
            if not low <= given <= high:
                wrong.append(Problem(flag, "", str(given), f"{low} to {high}"))
            elif name == "person_draws" and given & (given - 1):
                wrong.append(Problem(flag, "", str(given), "a power of two, 64 to 16384"))
        if wrong:
            raise InputError(wrong)


@dataclass(frozen=True)
class PopulationFit:
    """A fitted population.

    Attributes
    ----------
    settings : Settings
    people : tuple of Person
    draws : Draws
        Of the people, about the population found.
    posterior, prior : Hyper
        Draws of the hyperparameters, (n_chains, n_draws, …); the prior's have one chain.
    diverging, n_steps : ndarray, (n_chains, n_draws)
        Of NUTS.
    rhat, ess_bulk, ess_tail : ndarray, (n_hyper,)
        In the order of :attr:`names`.
    person_ess, person_khat : ndarray, (n_people,)
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
        """Hyperparameters, flat."""
        return names_of(self.draws)

    @property
    def mean(self) -> Hyper:
        """Posterior mean of the hyperparameters."""
        return _mean(self.posterior)

    def failures(self) -> list[str]:
        """Why the fit is not to be trusted, and what to do, a line each; empty if it is."""
        found = []
        n = int(self.diverging.sum())
        if n:
            found.append(f"{n} divergences: more tuning (--tune {2 * self.settings.tune}), or more people")
        worst = int(np.nanargmax(self.rhat)) if np.isfinite(self.rhat).any() else 0
        if not (self.rhat <= RHAT_LIMIT).all():
            found.append(
                f"r-hat of {self.names[worst]} is {self.rhat[worst]:.3f}, above {RHAT_LIMIT}: more draws and "
                f"tuning (--draws {2 * self.settings.draws} --tune {2 * self.settings.tune})"
            )
        ess = np.minimum(self.ess_bulk, self.ess_tail)
        if not (ess >= LEAST_ESS).all():
            least = int(np.nanargmin(np.where(np.isfinite(ess), ess, -1.0)))
            enough = max(2 * self.settings.draws, round_up(self.settings.draws * LEAST_ESS / max(ess[least], 1.0)))
            found.append(
                f"effective draws of {self.names[least]}: {ess[least]:.0f}, below {LEAST_ESS:.0f}: more draws "
                f"(--draws {enough}) or chains"
            )
        poor = float(np.mean((self.person_ess < LEAST_PERSON_ESS) | ~(self.person_khat <= KHAT_LIMIT)))
        if poor > PEOPLE_POOR:
            more = f"more draws of each (--person-draws {2 * self.settings.person_draws})"
            found.append(
                f"{100 * poor:.0f} % of the people have fewer than {LEAST_PERSON_ESS:.0f} effective draws of "
                f"their own, or a k-hat above {KHAT_LIMIT}: {more}"
            )
        return found


def round_up(draws: float) -> int:
    """To hundreds: what is asked for is an order of magnitude."""
    return int(np.ceil(draws / 100.0)) * 100


def names_of(draws: Draws) -> list[str]:
    """Hyperparameters, flat: centres, spreads, the drift's sd, effects of traits."""
    return [
        *(f"centre[{key}]" for key in draws.keys),
        *(f"spread[{key}]" for key in draws.keys),
        "drift_sd",
        *(f"effect[{trait}]" for trait in draws.traits),
    ]


def population_text(found: PopulationFit, out: Path) -> str:
    """The fit in a few lines for a terminal: each value's centre and spread with their 90 % intervals."""
    centre = found.posterior.centre.reshape(-1, len(found.draws.keys))
    spread = found.posterior.spread.reshape(centre.shape)
    lines = [
        f"{len(found.people)} people, {sum(len(p.reports.day) for p in found.people)} reports",
        f"{'value':32}{'centre (90 %)':>26}{'spread between people (90 %)':>32}",
    ]
    for k, key in enumerate(found.draws.keys):
        middle = np.quantile(centre[:, k], (0.5, 0.05, 0.95))
        middle = np.exp(middle) if VALUE_PRIORS[key].is_log else middle
        wide = np.quantile(spread[:, k], (0.5, 0.05, 0.95))
        of = "log " if VALUE_PRIORS[key].is_log else ""
        lines.append(
            f"{key:32}{f'{middle[0]:.3g} ({middle[1]:.3g} to {middle[2]:.3g})':>26}"
            f"{f'{of}{wide[0]:.3g} ({wide[1]:.3g} to {wide[2]:.3g})':>32}"
        )
    drift = np.quantile(found.posterior.drift_sd, (0.5, 0.05, 0.95))
    lines.append(f"drift of log sigma in 28 days, sd {drift[0]:.3g} ({drift[1]:.3g} to {drift[2]:.3g})")
    for k, trait in enumerate(found.draws.traits):
        effect = np.quantile(found.posterior.effect[..., k], (0.5, 0.05, 0.95))
        lines.append(f"{trait} on log sigma {effect[0]:.3g} ({effect[1]:.3g} to {effect[2]:.3g})")
    trust = "not to be trusted" if found.failures() else "diagnostics are good"
    lines.append(
        f"written to {out}; {trust}; not calibrated to published results; research use: not clinically reviewed"
    )
    return "\n".join(lines)


def flat(h: Hyper) -> Floats:
    """Hyperparameters side by side, (…, n_hyper)."""
    return np.concatenate([h.centre, h.spread, np.asarray(h.drift_sd)[..., None], h.effect], axis=-1)


def fit_population(people: Sequence[RecordedPerson], settings: Settings, say: Say = lambda _: None) -> PopulationFit:
    """Fit a population.

    Parameters
    ----------
    people : sequence of Person
    settings : Settings
    say : callable
        Gets a line on what is being done.

    Returns
    -------
    Fit
        Whatever the diagnostics: :meth:`PopulationFit.failures` says whether to trust it.
    """
    reference = DEFAULT_POPULATION
    h: Hyper | None = None
    compiled: Any = None
    for number, n in enumerate((*_ROUNDS, settings.person_draws)):
        say(f"drawing {len(people)} people, round {number + 1} of {len(_ROUNDS) + 1}")
        draws = draws_of(people, reference, n, settings.seed, settings.missing)
        if number == len(_ROUNDS):
            break
        h = start_of(draws) if h is None else h
        for _ in range(_STEPS):
            h = expected(draws, h, settings.robust)
        if number == len(_ROUNDS) - 1:  # a mode sits where draws are luckiest, a mean does not
            say(f"looking for the middle, {_PILOT_TUNE} + {_PILOT_DRAWS}")
            compiled = compiled_model(draws, settings.robust)
            short = replace(settings, draws=_PILOT_DRAWS, tune=_PILOT_TUNE, chains=1)
            h = _mean(sampled(compiled, draws, short)[0])
        reference = as_population(draws, h)
    say(f"sampling {len(names_of(draws))} hyperparameters, {settings.chains} x ({settings.tune} + {settings.draws})")
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
    """The PyMC model compiled for nutpie; other draws of the same people can be put into it."""
    import nutpie
    import pytensor

    model = hierarchy.model_of(draws, robust)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compilers' advice on their own code is nothing for a user
        with pytensor.config.change_flags(cxx=""):  # what samples is compiled by Numba: no C compiler need be there
            return nutpie.compile_pymc_model(model)


def sampled(compiled: Any, draws: Draws, settings: Settings) -> tuple[Hyper, Bools, Ints]:
    """Hyperparameters by NUTS, (n_chains, n_draws, …), and of each draw whether it diverged and the steps it took."""
    import nutpie

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Any = nutpie.sample(
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
    kept = found.posterior
    chains, n = kept["drift_sd"].shape
    effect = kept["effect"].values if draws.traits else np.zeros((chains, n, 0))
    hyper = Hyper(kept["centre"].values, kept["spread"].values, kept["drift_sd"].values, effect)
    stats = found.sample_stats
    return hyper, stats["diverging"].values.astype(bool), stats["n_steps"].values.astype(np.int64)


def _diagnosed(x: Floats) -> tuple[Floats, Floats, Floats]:
    """r-hat and effective draws, bulk and tail, of each hyperparameter of (n_chains, n_draws, n_hyper)."""
    from arviz_stats.base import array_stats

    by = np.moveaxis(x, 2, 0)
    if x.shape[1] < 4:  # nothing can be said of three draws
        return tuple(np.full(len(by), np.nan) for _ in range(3))  # type: ignore[return-value]
    return (
        np.array([float(array_stats.rhat(one)) for one in by]),
        np.array([float(array_stats.ess(one, method="bulk")) for one in by]),
        np.array([float(array_stats.ess(one, method="tail", prob=(0.05, 0.95))) for one in by]),
    )


def _prior_draws(draws: Draws, seed: int, n: int = 1000) -> Hyper:
    """Draws of the hyperparameters from their priors, one chain."""
    luck = np.random.default_rng([seed, 7])
    centre, sd, spread = prior_centres(draws.keys)
    k = len(draws.keys)
    return Hyper(
        centre + sd * luck.standard_normal((1, n, k)),
        spread * np.exp(SPREAD_LOG_SD * luck.standard_normal((1, n, k))),
        DRIFT_SD * np.exp(DRIFT_LOG_SD * luck.standard_normal((1, n))),
        TRAIT_SD * luck.standard_normal((1, n, len(draws.traits))),
    )
