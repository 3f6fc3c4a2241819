"""The interface of a policy, and the registry of names. Imports ``model.pharmacology``, ``rng``.

A policy looks at what has been seen up to a day and says which share of the original dose of each drug class is to be
taken from then on until its next decision. Shares are ideal: the simulation turns them into tablets that exist.
"""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from taper_sim import rng
from taper_sim.array_types import Bools, Floats
from taper_sim.model.pharmacology import Drug


@dataclass(frozen=True)
class Patients:
    """What is known of n patients before the taper, as a policy may see it.

    Attributes
    ----------
    dose : ndarray, (n, 3)
        Equivalents a day on day 0 by class (opioid, benzodiazepine, gabapentinoid); 0 where not taken.
    dose_mg : ndarray, (n, 3)
        The same in mg a day of the patient's own drug; NaN where a class is a patch or several drugs.
    drug : tuple of (dict of class number to name)
        Each patient's drugs by class number, such as ``{0: "morphine"}``.
    use_days : ndarray, (n, 3)
        Days of use before day 0.
    flags : mapping of str to ndarray (n,)
        Risk flags and answers of the baseline assessment (``cohort.FLAGS``), and ``failed_tapers``.
    half_life_h, trough_mean : ndarray, (n, 3), optional
        Effect half-life in hours and trough ÷ mean of each class's formulation.
    baseline : mapping of str to ndarray (n,)
        The baseline assessment, as ``model.parameters.Baseline``.
    keys : ndarray of uint64, (n,), optional
        Keys of the patients' draws; by default their numbers.
    seed : int
        Seed of the run.
    """

    dose: Floats
    dose_mg: Floats
    drug: Sequence[Mapping[int, str]]
    use_days: Floats
    flags: Mapping[str, NDArray[Any]]
    half_life_h: Floats | None = None
    trough_mean: Floats | None = None
    baseline: Mapping[str, Floats] = field(default_factory=dict)
    keys: NDArray[np.uint64] | None = None
    seed: int = 0

    def _keys(self) -> NDArray[np.uint64]:
        return np.arange(len(self.dose), dtype=np.uint64) if self.keys is None else self.keys

    def normals(self, n: int, call: int) -> Floats:
        """Standard normals that belong to the patients, (n_patients, n); ``call`` from 200 is the policies' own."""
        return rng.person_normals(self.seed, self._keys(), n, first_call=call)

    def uniforms(self, n: int, call: int, *, day: int = rng.DAY_PERSON) -> Floats:
        """Uniforms in (0, 1), (n_patients, n); with ``day`` those of a day."""
        return rng.person_uniforms(self.seed, self._keys(), n, first_call=call, day=day)

    @property
    def taken(self) -> Bools:
        """Which classes each patient takes, (n, 3)."""
        return self.dose > 0


@dataclass(frozen=True)
class Observation:
    """What a policy sees when it decides.

    Attributes
    ----------
    day : int
        First day on which the doses decided now are taken (1 is the first day of the study).
    share : ndarray, (n, 3)
        Share of the original dose that the policy ordered last; 1 at the start.
    dispensed : ndarray, (n, 3)
        The same as dispensed: what the patient was given in tablets that exist.
    reports : mapping of instrument to ndarray (n, days since the last decision)
        Check-ins since the last decision, NaN where none came. Empty on day 1.
    in_care : ndarray of bool, (n,)
        Who is still in the programme.
    returned : ndarray of bool, (n,)
        Who has gone back to a higher dose.
    latent : object or None
        The true state; only the oracle is given it.
    """

    day: int
    share: Floats
    dispensed: Floats
    reports: Mapping[str, Floats] = field(default_factory=dict)
    in_care: Bools | None = None
    returned: Bools | None = None
    latent: Any = None


@dataclass(frozen=True)
class Rotation:
    """A change of drug or formulation inside a class, on the day of the order.

    Attributes
    ----------
    who : ndarray of bool, (n,)
        Whom it concerns.
    column : int
        The drug class (0 opioid, 1 benzodiazepine, 2 gabapentinoid).
    drug : Drug
        What is taken from now on, ``times`` a day.
    share : float
        Equivalents of the new drug at the start of it ÷ equivalents of the old, on which later shares build.
    """

    who: Bools
    column: int
    drug: Drug
    times: int
    share: float


@dataclass(frozen=True)
class Order:
    """What a policy orders until its next decision.

    Attributes
    ----------
    share : ndarray, (n, 3)
        Share of the original dose of each class, 0 to 1 (above 1 only where a policy is allowed to raise).
    adjunct : ndarray (n,), optional
        Alpha-2 agonist: share of its full effect, 0 for who is given none.
    checkin_every_d, visit_every_d : ndarray (n,), optional
        Days between check-ins and between visits; kept as they were where left out.
    rotation : Rotation, optional
        A change of drug; taken before the share.
    """

    share: Floats
    adjunct: Floats | None = None
    checkin_every_d: Floats | None = None
    visit_every_d: Floats | None = None
    rotation: Rotation | None = None


class Policy(Protocol):
    """A rule on what has been seen. Ten lines are enough for one of your own: docs/how-to/own-policy.md.

    A policy may have, besides: ``sees_reports = True`` to be handed check-ins; ``sees_state = True`` (the oracle) to be
    handed the state; ``holds = True`` where it never reduces; ``rules_for``, a set of "pregnancy" and "buprenorphine",
    where it has a rule for such patients; ``planned_care`` (share of full care by discipline) and ``modality`` (phone,
    video, in_person), where it brings its own.
    """

    @property
    def name(self) -> str:
        """The call that makes this policy, in normal form (``calls.canonical``)."""
        ...

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Days on which a new dose may be taken for the first time, the first of them 1, rising."""
        ...

    def start(self, patients: Patients) -> Any:
        """Make whatever the policy wants to remember of these patients; handed back to :meth:`decide`."""
        ...

    def decide(self, memory: Any, seen: Observation) -> Order:
        """Say the doses from ``seen.day`` on. A row depends on that patient alone."""
        ...


#: Folder against which a policy's own files are looked up; the scenario's while its protocols are built.
BASE_FOLDER: ContextVar[Path] = ContextVar("BASE_FOLDER", default=Path())

Factory = Callable[..., Policy]
_REGISTRY: dict[str, Factory] = {}


def register(name: str) -> Callable[[Factory], Factory]:
    """Make a policy known under the name of its call, such as ``linear``."""

    def keep(factory: Factory) -> Factory:
        if name in _REGISTRY:
            raise ValueError(f"a policy named {name} is registered already")
        _REGISTRY[name] = factory
        return factory

    return keep


def registered() -> Mapping[str, Factory]:
    """Every policy by the name of its call."""
    return dict(_REGISTRY)
