"""The interface of a policy, and the registry of names. Imports ``model``, ``rng``.

From the observations up to a day a policy orders the share of the original dose of each drug class until its next
decision. Shares are ideal: the simulation rounds them to marketed tablets.

To create a new policy (docs/how-to/own-policy.md has one in ten lines):

1. derive a class from :class:`Policy` and give it a ``name``, which is its call;
2. set the attributes that it needs, such as ``sees_reports = True`` for check-ins (:class:`Policy` lists all);
3. ``decision_days(n_days)`` returns the days on which a new dose may be taken;
4. ``start(patients)`` returns the memory of the policy, an argument of each decision;
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
from taper_sim.model.event_parameters import CHANCE_BY_SYMBOL
from taper_sim.model.pharmacology import Drug


@dataclass(frozen=True)
class Patients:
    """Baseline of n patients before the taper, as a policy sees it.

    Attributes
    ----------
    dose : ndarray, (n, 3)
        Equivalents a day on day 0 by class (opioid, benzodiazepine, gabapentinoid); 0 where not taken.
    dose_mg : ndarray, (n, 3)
        The same in mg a day of the patient's own drug; NaN for a patch or several drugs.
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
        Keys of the patients' random draws. Default: their row numbers.
    seed : int
        Seed of the run.
    practice : mapping of str to ndarray (n,)
        What people do with an offered taper, by symbol of ``event_parameters.PRACTICE``; the centre of what is absent.
    calibrated : bool
        Whether the run's draws were fitted to published results; a personal prior then stands about the same centres.
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
    practice: Mapping[str, Floats] = field(default_factory=dict)
    calibrated: bool = False

    def of_practice(self, symbol: str) -> Floats:
        """Each patient's value of a parameter of practice, (n,)."""
        centre = np.full(len(self.dose), CHANCE_BY_SYMBOL[symbol].centre())
        return np.asarray(self.practice.get(symbol, centre))

    def _keys(self) -> NDArray[np.uint64]:
        return np.arange(len(self.dose), dtype=np.uint64) if self.keys is None else self.keys

    def normals(self, n: int, call: int) -> Floats:
        """Standard normals of each patient, (n_patients, n); policies use ``call`` from 200 on."""
        return rng.person_normals(self.seed, self._keys(), n, first_call=call)

    def uniforms(self, n: int, call: int, *, day: int = rng.DAY_PERSON) -> Floats:
        """Uniforms in (0, 1) of each patient, (n_patients, n); with ``day``, those of that day."""
        return rng.person_uniforms(self.seed, self._keys(), n, first_call=call, day=day)

    @property
    def taken(self) -> Bools:
        """Whether each patient takes each class, (n, 3)."""
        return self.dose > 0


@dataclass(frozen=True)
class Observation:
    """Information for one decision of a policy.

    Attributes
    ----------
    day : int
        First day of the doses decided now (1 is the first day of the study).
    dose_fraction : ndarray, (n, 3)
        Share of the original dose that the policy ordered last; 1 at the start.
    dispensed : ndarray, (n, 3)
        The same share as dispensed in marketed tablets.
    reports : mapping of instrument to ndarray (n, days since the last decision)
        Check-ins since the last decision, NaN where missing. Empty on day 1.
    in_care : ndarray of bool, (n,)
        Whether the patient is still in the programme.
    returned : ndarray of bool, (n,)
        Whether the patient has returned to a higher dose.
    latent : object or None
        True state, for an oracle only.
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
    """A change of drug or formulation within a class, on the day of the order.

    Attributes
    ----------
    who : ndarray of bool, (n,)
        Patients whose drug changes.
    column : int
        The drug class (0 opioid, 1 benzodiazepine, 2 gabapentinoid).
    drug : Drug
        New drug, taken ``times`` a day.
    equivalents_ratio : float
        Equivalents of the new drug at its start ÷ equivalents of the old drug; later shares refer to the new dose.
    """

    who: Bools
    column: int
    drug: Drug
    times: int
    equivalents_ratio: float


@dataclass(frozen=True)
class Order:
    """Order of a policy until its next decision.

    Attributes
    ----------
    dose_fraction : ndarray, (n, 3)
        Share of the original dose of each class, 0 to 1 (above 1 only for a policy that may raise the dose).
    adjunct : ndarray (n,), optional
        Alpha-2 agonist: share of its full effect, 0 without it.
    checkin_every_d, visit_every_d : ndarray (n,), optional
        Days between check-ins and between visits. Default: unchanged.
    rotation : Rotation, optional
        A change of drug, which precedes the change of dose.
    handed_over : ndarray of bool (n,), optional
        Patients whom the programme hands over to usual care, for good.
    """

    dose_fraction: Floats
    adjunct: Floats | None = None
    checkin_every_d: Floats | None = None
    visit_every_d: Floats | None = None
    rotation: Rotation | None = None
    handed_over: Bools | None = None


class Policy(ABC):
    """A rule from observations to orders; the module describes how to write one.

    A policy may set these attributes in its class body, or define them as properties:

    Attributes
    ----------
    name : str
        Call of this policy, in normal form (``calls.canonical``). Required.
    sees_reports : bool
        Whether the policy sees check-ins. Default: False.
    sees_state : bool
        Whether the policy sees the true state: an oracle. Default: False.
    holds : bool
        Whether the policy never reduces a dose, so that no patient needs a rule. Default: False.
    rules_for : frozenset of str
        Populations with a rule: ``pregnancy``, ``buprenorphine``; without a rule they are refused. Default: none.
    planned_care : mapping of discipline to float, or None
        Share of full care, if the policy plans care. Default: None, the scenario's.
    modality : str or None
        ``phone``, ``video`` or ``in_person``, if the policy sets it. Default: None, the scenario's.
    setting : str or None
        Setting of care, of ``event_parameters.SETTINGS``, if the policy implies it. Default: None, the scenario's.

    Raises
    ------
    TypeError
        When a class is defined, for an attribute whose name is similar to one of these.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        annotated = inspect.get_annotations(cls)
        for attribute, value in vars(cls).items():
            if attribute.startswith("_") or attribute in _POLICY_NAMES or attribute in annotated:
                continue
            if callable(value) or hasattr(type(value), "__get__"):  # methods and properties are intended
                continue
            near = difflib.get_close_matches(attribute, _POLICY_NAMES, 1, _MISSPELT)
            if near:
                raise TypeError(f"policy {cls.__name__} has `{attribute}`; did you mean `{near[0]}`?")

    @property
    @abstractmethod
    def name(self) -> str:
        """Call of this policy, in normal form (``calls.canonical``)."""

    @abstractmethod
    def decision_days(self, n_days: int) -> Sequence[int]:
        """Days on which a new dose may start, rising; the first is 1."""

    @abstractmethod
    def start(self, patients: Patients) -> Any:
        """Memory of the policy for these patients, an argument of :meth:`decide`."""

    @abstractmethod
    def decide(self, memory: Any, observation: Observation) -> Order:
        """Order the doses from ``observation.day`` on. A row depends on that patient alone."""

    @property
    def sees_reports(self) -> bool:
        """Whether the policy sees check-ins."""
        return False

    @property
    def sees_state(self) -> bool:
        """Whether the policy sees the true state."""
        return False

    @property
    def holds(self) -> bool:
        """Whether the policy never reduces a dose."""
        return False

    @property
    def rules_for(self) -> frozenset[str]:
        """Populations for which the policy has a rule."""
        return frozenset()

    @property
    def planned_care(self) -> Mapping[str, float] | None:
        """Share of full care by discipline, if the policy plans care."""
        return None

    @property
    def modality(self) -> str | None:
        """Modality of visits, if the policy sets it."""
        return None

    @property
    def setting(self) -> str | None:
        """Setting of care, of ``event_parameters.SETTINGS``, if the policy implies it."""
        return None

    @property
    def waits(self) -> bool:
        """Whether orders depend on reports or the state, so that they are not known in advance."""
        return self.sees_reports or self.sees_state


_MISSPELT: Final = 0.85
"""Similarity of two names, 0 to 1, from which one counts as a misspelling of the other. A design choice: it detects one
omitted, added or exchanged letter."""
_POLICY_NAMES: Final = tuple(name for name in vars(Policy) if not name.startswith("_"))


#: Folder of the files that a policy names; the scenario's folder while its protocols are built.
BASE_FOLDER: ContextVar[Path] = ContextVar("BASE_FOLDER", default=Path())

Factory = Callable[..., Policy]
_SHIPPED: dict[str, Factory] = {}
_REGISTRY: dict[str, Factory] = {}


def ship(factories: Mapping[str, Factory]) -> None:
    """Add policies of the package to the registry; those of :func:`register` take precedence."""
    _SHIPPED.update(factories)


def register(name: str) -> Callable[[Factory], Factory]:
    """Register a function or class that returns a policy, under the name of its call, such as ``linear``.

    A registered name is replaced, with a warning, because a notebook cell may run twice.

    Raises
    ------
    TypeError
        If a class does not derive from :class:`Policy`.
    """

    def keep(factory: Factory) -> Factory:
        if isinstance(factory, type) and not issubclass(factory, Policy):
            raise TypeError(not_a_policy(factory))
        if registered().get(name, factory) is not factory:
            warnings.warn(f"policy {name} was already registered: the new one replaces it", stacklevel=2)
        _REGISTRY[name] = factory
        return factory

    return keep


def registered() -> Mapping[str, Factory]:
    """All registered policies by the name of their call."""
    return _SHIPPED | _REGISTRY


def not_a_policy(kind: type) -> str:
    """Message for a class that should derive from :class:`Policy`."""
    return f"{kind.__name__} is no policy: class {kind.__name__}(Policy), with Policy from taper_sim"
