"""The interface of a policy, and the registry of names. Imports ``model.pharmacology``, ``rng``.

A policy looks at what has been observed up to a day and orders the share of the original dose of each drug class that
is taken from then on until its next decision. Shares are ideal: the simulation turns them into tablets that exist.

To create a new policy (docs/how-to/own-policy.md has one in ten lines):

1. derive a class from :class:`Policy` and give it a ``name``, the call that makes it;
2. set what it needs, such as ``sees_reports = True`` to be handed check-ins (all attributes: :class:`Policy`);
3. ``decision_days(n_days)`` returns the days on which a new dose may be taken;
4. ``start(patients)`` returns what the policy remembers of them, handed back as ``memory``;
5. ``decide(memory, observation)`` returns an :class:`Order`, in which a row depends on that patient alone;
6. ``register("name")(TheClass)`` makes it a protocol of scenarios; in the package, add it to ``catalogue.SHIPPED``.
"""

import difflib
import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

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
    dose_fraction : ndarray, (n, 3)
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
    dose_fraction: Floats
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
    equivalents_ratio : float
        Equivalents of the new drug at the start of it ÷ equivalents of the old, on which later fractions build.
    """

    who: Bools
    column: int
    drug: Drug
    times: int
    equivalents_ratio: float


@dataclass(frozen=True)
class Order:
    """What a policy orders until its next decision.

    Attributes
    ----------
    dose_fraction : ndarray, (n, 3)
        Share of the original dose of each class, 0 to 1 (above 1 only where a policy is allowed to raise).
    adjunct : ndarray (n,), optional
        Alpha-2 agonist: share of its full effect, 0 for who is given none.
    checkin_every_d, visit_every_d : ndarray (n,), optional
        Days between check-ins and between visits; kept as they were where left out.
    rotation : Rotation, optional
        A change of drug; it is made before the dose.
    """

    dose_fraction: Floats
    adjunct: Floats | None = None
    checkin_every_d: Floats | None = None
    visit_every_d: Floats | None = None
    rotation: Rotation | None = None


class Policy(ABC):
    """A rule on what has been observed; the module says how to write one.

    Attributes that a policy may set in its class body, or give as a property:

    Attributes
    ----------
    name : str
        The call that makes this policy, in normal form (``calls.canonical``). Required.
    sees_reports : bool
        Whether it is handed check-ins. Default: False.
    sees_state : bool
        Whether it is handed the true state: an oracle. Default: False.
    holds : bool
        Whether it never reduces, so that no patient needs a rule. Default: False.
    rules_for : frozenset of str
        ``pregnancy``, ``buprenorphine``: patients it has a rule for; without one they are refused. Default: none.
    planned_care : mapping of discipline to float, or None
        Share of full care where the policy brings its own. Default: None, the scenario's.
    modality : str or None
        ``phone``, ``video`` or ``in_person`` where it brings its own. Default: None, the scenario's.

    Raises
    ------
    TypeError
        When a class is defined: for an attribute whose name is nearly that of one of these.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        annotated = inspect.get_annotations(cls)
        for attribute, value in vars(cls).items():
            if attribute.startswith("_") or attribute in _POLICY_NAMES or attribute in annotated:
                continue
            if callable(value) or hasattr(type(value), "__get__"):  # methods and properties are meant
                continue
            near = difflib.get_close_matches(attribute, _POLICY_NAMES, 1, _MISSPELT)
            if near:
                raise TypeError(f"policy {cls.__name__} has `{attribute}`; did you mean `{near[0]}`?")

    @property
    @abstractmethod
    def name(self) -> str:
        """The call that makes this policy, in normal form (``calls.canonical``)."""

    @abstractmethod
    def decision_days(self, n_days: int) -> Sequence[int]:
        """Days on which a new dose may be taken for the first time, the first of them 1, rising."""

    @abstractmethod
    def start(self, patients: Patients) -> Any:
        """Make whatever the policy wants to remember of these patients; handed back to :meth:`decide`."""

    @abstractmethod
    def decide(self, memory: Any, observation: Observation) -> Order:
        """Order the doses from ``observation.day`` on. A row depends on that patient alone."""

    @property
    def sees_reports(self) -> bool:
        """Whether it is handed check-ins."""
        return False

    @property
    def sees_state(self) -> bool:
        """Whether it is handed the true state."""
        return False

    @property
    def holds(self) -> bool:
        """Whether it never reduces."""
        return False

    @property
    def rules_for(self) -> frozenset[str]:
        """Patients it has a rule for."""
        return frozenset()

    @property
    def planned_care(self) -> Mapping[str, float] | None:
        """Share of full care by discipline where it brings its own."""
        return None

    @property
    def modality(self) -> str | None:
        """How visits happen where it brings its own."""
        return None

    @property
    def waits(self) -> bool:
        """Whether its orders depend on what happens, so that they are not known ahead."""
        return self.sees_reports or self.sees_state


_MISSPELT: Final = 0.85
"""Similarity of two names, 0 to 1, from which one is taken for a misspelling of the other. A design choice: it catches
a letter left out, added or exchanged."""
_POLICY_NAMES: Final = tuple(name for name in vars(Policy) if not name.startswith("_"))


#: Folder against which a policy's own files are looked up; the scenario's while its protocols are built.
BASE_FOLDER: ContextVar[Path] = ContextVar("BASE_FOLDER", default=Path())

Factory = Callable[..., Policy]
_SHIPPED: dict[str, Factory] = {}
_REGISTRY: dict[str, Factory] = {}


def ship(factories: Mapping[str, Factory]) -> None:
    """Make policies of the package known; those of :func:`register` stay before them."""
    _SHIPPED.update(factories)


def register(name: str) -> Callable[[Factory], Factory]:
    """Make a function or class known that makes a policy, under the name of its call, such as ``linear``.

    A name that is known already is replaced, with a warning: a notebook's cell may run twice.

    Raises
    ------
    TypeError
        If a class is given that does not derive from :class:`Policy`.
    """

    def keep(factory: Factory) -> Factory:
        if isinstance(factory, type) and not issubclass(factory, Policy):
            raise TypeError(not_a_policy(factory))
        if registered().get(name, factory) is not factory:
            warnings.warn(f"policy {name} was known already: the new one replaces it", stacklevel=2)
        _REGISTRY[name] = factory
        return factory

    return keep


def registered() -> Mapping[str, Factory]:
    """Every policy by the name of its call."""
    return _SHIPPED | _REGISTRY


def not_a_policy(kind: type) -> str:
    """Message for a class that should derive from :class:`Policy`."""
    return f"{kind.__name__} is no policy: class {kind.__name__}(Policy), with Policy from taper_sim"
