"""Drugs, formulations, equivalence, dispensable doses (tablets, splits). Imports only ``units``; reads no file.

A dose here is in the drug's own unit: mg a day, or mcg/h for a patch. :func:`to_equivalents` turns it into the
equivalents of the model. Dispensable doses follow from the strengths of the drug's row: tablets sum to the amount of
one administration, and administrations to the daily dose, as evenly as the strengths allow.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from taper_sim.array_types import Floats
from taper_sim.units import BUPRENORPHINE_SCALE, EQUIVALENTS, HOURS_PER_DAY, TOLERANCE, DrugClass

GABAPENTIN_PER_PREGABALIN: Final = 3.6
"""Absorbed mg of gabapentin equivalent to 1 mg of pregabalin. Source: judgement (gabapentin_absorption.csv)."""
MAX_DISPENSED_D: Final = 28
"""Largest supply written out at once, days: a taper is reviewed before the next month's supply. A design choice."""
EXTRA_PIECES: Final = 6
"""Most pieces at once beyond those of the largest strength that fit: it excludes a dozen patches, no sum of tablets."""
_MICRO = 1_000_000  # strengths are whole millionths of their unit


class Absorption(NamedTuple):
    """Saturable absorption: mg swallowed at once and mg absorbed; arrays of shape (n_rows,), rising from 0."""

    single_dose_mg: Floats
    absorbed_mg: Floats


@dataclass(frozen=True)
class Drug:
    """One drug in one formulation, a row of ``drugs.csv`` (checked where it is read: data/formulary.py).

    Attributes
    ----------
    drug, formulation : str
        Name in lower case, and the form as the table writes it (``IR``, ``ER``, ``TD`` …).
    drug_class, dose_unit : DrugClass, "mg" or "mcg_per_h"
        Class; unit of dose (mg a day, or mcg/h for a patch), ``strengths`` and ``smallest_step``.
    effect_half_life_h, interval_h, trough_mean : float
        Half-life of the effect, or of the release if that is slower; hours between doses, or changes of a patch;
        trough over mean at steady state, in (0, 1).
    equivalence_factor, equivalence_factor_alt : float or None
        Equivalents a day for one unit of dose; None where there is none (buprenorphine). Not for switching drugs.
    strengths, splittable, smallest_step : tuple of float, bool, float
        Marketed strengths, rising; whether a tablet may be halved; the smallest step, below which no half is made.
    max_step_note, source, verified, reviewed, rxnorm : str, str, str, bool, str
        Advice if the smallest step is too large; as in the table; ``reviewed`` if a licensed person signed the row.
    mg_per_ml : float or None
        Concentration of a liquid, whose one strength is the smallest amount that is measured; None for other forms.
    release_of : str
        Formulation of ``drugs.csv`` whose release a form of ``forms.csv`` shares; empty for the rows of ``drugs.csv``.
    acetaminophen_mg : float
        Acetaminophen in a tablet, or in 1 mL of a liquid, of a combination; 0 without.
    capsules : tuple of float
        Strengths that are capsules, of a product whose other strengths are tablets.
    """

    drug: str
    drug_class: DrugClass
    formulation: str
    dose_unit: Literal["mg", "mcg_per_h"]
    effect_half_life_h: float
    interval_h: float
    trough_mean: float
    equivalence_factor: float | None
    equivalence_factor_alt: float | None
    strengths: tuple[float, ...]
    splittable: bool
    smallest_step: float
    max_step_note: str = ""
    source: str = ""
    verified: str = "no"
    reviewed: bool = False
    rxnorm: str = ""
    mg_per_ml: float | None = None
    release_of: str = ""
    acetaminophen_mg: float = 0.0
    capsules: tuple[float, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """``(drug, formulation)``, the key of the formulary."""
        return (self.drug, self.formulation)

    @property
    def is_patch(self) -> bool:
        """Whether the dose is a release in mcg/h."""
        return self.dose_unit == "mcg_per_h"

    @property
    def is_buprenorphine(self) -> bool:
        """Whether the dose is on buprenorphine's scale and has no MME."""
        return self.drug == "buprenorphine"

    @property
    def unit(self) -> str:
        """Unit of a strength in words: ``mg`` or ``mcg/h``."""
        return "mcg/h" if self.is_patch else "mg"

    @property
    def form(self) -> str:
        """Dispensed form: patch, film, capsule, liquid or tablet."""
        known = {"TD": "patch", "capsule": "capsule", "buccal": "film", "SL film": "film", "oral ": "liquid"}
        return next((word for part, word in known.items() if part in self.formulation), "tablet")

    def form_of(self, strength: float) -> str:
        """Dispensed form of a strength: some products are capsules in some strengths and tablets in others."""
        return "capsule" if strength in self.capsules else self.form

    @property
    def flag(self) -> str | None:
        """Statement required wherever equivalents of this drug are shown; None for most drugs."""
        if self.drug == "methadone":
            return "methadone: CDC 2022 factor 4.7; flagged: not for dose conversion (half-life long and variable)"
        if self.is_buprenorphine:
            return "buprenorphine: no MME factor (CDC 2022); not zero, not guessed: counted in its own mg a day"
        return None


@lru_cache(maxsize=256)
def _shape_exponent(trough_mean: float) -> float:
    """Solve ``x e^(-x)/(1 - e^(-x)) = trough_mean``: it falls from 1 at 0, so halve until no number lies between."""
    low, high = 0.0, 800.0
    while (x := 0.5 * (low + high)) not in (low, high):
        low, high = (x, high) if x * math.exp(-x) / -math.expm1(-x) > trough_mean else (low, x)
    return x


def within_day_shape(trough_mean: float) -> Floats:
    """Relative level at four points of the day, shape (4,), falling, mean 1, no unit.

    Equation: ``s_j ∝ exp(-x u_j)``, u = 1/8, 3/8, 5/8, 7/8, with x from ``x e^(-x)/(1 - e^(-x)) = trough_mean``.
    Source: docs/model.md, section 1.
    Raises: ValueError if ``trough_mean`` (trough over mean at steady state) is not above 0 and below 1.
    """
    if not 0 < trough_mean < 1:
        raise ValueError(f"trough_mean is a share above 0 and below 1; given {trough_mean:g}")
    points = np.exp(-_shape_exponent(float(trough_mean)) * np.array([0.125, 0.375, 0.625, 0.875]))
    return np.asarray(points / points.mean())


def level_decay(effect_half_life_h: npt.ArrayLike) -> Floats:
    """Daily decay of the difference of level and dose, in (0, 1); shape of the argument, hours above 0.

    Equation: ``exp(-24 ln2 / effect_half_life_h)``. Source: docs/model.md, section 1, step 1.
    Raises: ValueError if a half-life is not above 0.
    """
    half_life = np.asarray(effect_half_life_h, dtype=np.float64)
    if not np.all(half_life > 0):
        raise ValueError(f"effect_half_life_h is above 0 hours; given {np.min(half_life):g}")
    return np.asarray(np.exp(-HOURS_PER_DAY * math.log(2.0) / half_life))


def scale_of(drug: Drug) -> str:
    """Name of the scale of a drug's equivalents, with its unit."""
    return BUPRENORPHINE_SCALE if drug.is_buprenorphine else EQUIVALENTS[drug.drug_class]


def check_one_scale(drugs: Iterable[Drug]) -> None:
    """Refuse drugs whose equivalents have no sum.

    Raises: ValueError for buprenorphine with another opioid, or in two forms (the absorbed fractions of a film and of a
    patch differ): the total is unknown.
    """
    opioids = [drug for drug in drugs if drug.drug_class == "opioid"]
    buprenorphine = {drug.key for drug in opioids if drug.is_buprenorphine}
    other = {drug.key for drug in opioids if not drug.is_buprenorphine}
    if buprenorphine and (other or len(buprenorphine) > 1):
        listed = ", ".join(" ".join(key) for key in sorted(buprenorphine | other))
        raise ValueError(
            "buprenorphine has no MME, so a total with it is unknown; allowed: buprenorphine in one form "
            f"and no other opioid; given {listed}"
        )


def _curve(drug: Drug, absorption: Absorption | None, doses_per_day: float) -> tuple[Floats, Floats]:
    """Points of the piecewise linear function from doses to equivalents a day; a constant factor has two points."""
    if drug.drug != "gabapentin":
        factor = drug.equivalence_factor
        if drug.is_buprenorphine:
            factor = HOURS_PER_DAY / 1000.0 if drug.is_patch else 1.0
        if factor is None:
            raise ValueError(f"{' '.join(drug.key)} has no equivalence factor; it is not zero and not guessed")
        return np.array([0.0, 1.0]), np.array([0.0, factor])
    if absorption is None:
        raise ValueError("gabapentin counts by the absorbed dose; given no absorption; pass formulary.absorption()")
    if not 0 < doses_per_day < math.inf:
        raise ValueError(f"doses_per_day is above 0; given {doses_per_day:g}")
    times = 3.0 if drug.formulation.startswith("ER") else float(doses_per_day)
    return absorption.single_dose_mg * times, absorption.absorbed_mg * times / GABAPENTIN_PER_PREGABALIN


def _along(drug: Drug, values: npt.ArrayLike, start: Floats, end: Floats, unit: str) -> Floats:
    """Convert values from one scale of a curve to the other."""
    x = np.asarray(values, dtype=np.float64)
    if np.any((x < 0) | np.isinf(x)):
        raise ValueError(
            f"{' '.join(drug.key)}: at least 0 and finite; given {np.nanmin(x):g} to {np.nanmax(x):g} {unit}"
        )
    if len(start) == 2:
        return x * end[1] / start[1]
    if np.any(x > start[-1] * (1 + TOLERANCE)):
        raise ValueError(
            f"absorption of gabapentin is known up to {start[-1]:g} {unit} in so many doses; given "
            f"{np.nanmax(x):g}; check the dose, or divide it into more doses a day"
        )
    return np.interp(x, start, end)


def to_equivalents(
    drug: Drug, dose_per_day: npt.ArrayLike, absorption: Absorption | None = None, doses_per_day: float = 3
) -> Floats:
    """Equivalents a day of a dose: oral morphine mg, diazepam mg, pregabalin mg; buprenorphine in its own mg.

    It measures exposure and is not for switching drugs. Source: CDC 2022 (opioids), Ashton
    (benzodiazepines), gabapentin_absorption.csv; docs/model.md, section 1.

    Parameters
    ----------
    dose_per_day : array_like
        In the drug's own unit (mg a day, mcg/h for a patch), any shape; NaN (unknown) stays NaN.
    absorption : Absorption, optional
        Needed for gabapentin only.
    doses_per_day : float
        Doses a day of gabapentin; other drugs ignore it. Extended-release gabapentin always counts as three doses (an
        assumption), because it releases over hours.

    Returns: ndarray, shape of ``dose_per_day``, equivalents a day.
    Raises: ValueError if a dose is negative or infinite, gabapentin has no ``absorption``, or one dose exceeds its
    table.
    """
    doses, equivalents = _curve(drug, absorption, doses_per_day)
    return _along(drug, dose_per_day, doses, equivalents, "mcg/h" if drug.is_patch else "mg a day")


def from_equivalents(
    drug: Drug, equivalents: npt.ArrayLike, absorption: Absorption | None = None, doses_per_day: float = 3
) -> Floats:
    """Dose of this drug for given equivalents: the inverse of :func:`to_equivalents`, same arguments.

    It converts a policy's equivalents to the patient's drug and is not for switching drugs.
    Raises: ValueError if equivalents are negative or infinite, or above the absorption table.
    """
    doses, counted = _curve(drug, absorption, doses_per_day)
    return _along(drug, equivalents, counted, doses, "equivalents a day")


def most_equivalents(drug: Drug, absorption: Absorption, doses_per_day: float = 3) -> float:
    """Largest possible equivalents a day: the end of the absorption table for gabapentin, else infinite."""
    return float(_curve(drug, absorption, doses_per_day)[1][-1]) if drug.drug == "gabapentin" else math.inf


class Tablet(NamedTuple):
    """A whole tablet (capsule, film, patch) of a strength, or half of one."""

    strength: float
    half: bool = False

    @property
    def amount(self) -> float:
        """In the unit of the strength."""
        return self.strength / 2 if self.half else self.strength


def administrations(drug: Drug, interval_h: float | None = None) -> int:
    """Administrations a day, by the drug's row or the patient's interval; 1 for patches, which are worn together.

    Raises: ValueError if the interval (hours) does not divide the day; any interval above 0 is valid for a patch.
    """
    every = drug.interval_h if interval_h is None else interval_h
    times = HOURS_PER_DAY / every if math.isfinite(every) and every > 0 else 0.0
    if times > 0 and drug.is_patch:
        return 1
    if times < 1 or abs(times - round(times)) > TOLERANCE:
        allowed = "1, 2, 3, 4, 6, 8, 12 or 24 h (patches: any above 0)"
        raise ValueError(f"{' '.join(drug.key)}: interval_h {every:g} given; allowed: {allowed}")
    return round(times)


class _Amounts(NamedTuple):
    """Possible amounts of one administration, in whole steps of ``grid``, with their pieces, largest first."""

    grid: float
    amounts: npt.NDArray[np.int64]
    pieces: dict[int, tuple[Tablet, ...]]


@lru_cache(maxsize=1024)
def _amounts(strengths: tuple[float, ...], halves: tuple[float, ...], apart: float, up_to: float) -> _Amounts:
    """Amounts from 0 to the first at or above ``up_to``: fewest pieces, at most one half, at least ``apart`` apart."""
    in_micro = [(round(s * _MICRO), Tablet(s)) for s in strengths]
    halved = [(round(s * _MICRO / 2), Tablet(s, half=True)) for s in halves]
    grid = math.gcd(*(size for size, _ in in_micro + halved))
    largest = in_micro[-1][0] // grid
    fewest: list[tuple[Tablet, ...] | None] = [()]
    for amount in range(1, math.ceil(up_to * _MICRO / grid) + largest + 1):
        # strengths fall and min keeps the first of equals: with equally many pieces, the larger pieces win
        rests = ((fewest[amount - size // grid], piece) for size, piece in in_micro[::-1] if size // grid <= amount)
        fewest.append(min(((piece, *rest) for rest, piece in rests if rest is not None), key=len, default=None))
    ways: dict[int, tuple[Tablet, ...]] = {}
    for amount, whole in enumerate(fewest):
        rests = ((fewest[amount - size // grid], piece) for size, piece in halved if size // grid <= amount)
        split = [(*rest, piece) for rest, piece in rests if rest is not None]
        best = min(([whole] if whole is not None else []) + split, key=len, default=None)
        if best is not None and len(best) <= EXTRA_PIECES + amount // largest:
            ways[amount] = tuple(sorted(best, key=lambda piece: -piece.amount))
    kept: list[int] = []
    for amount in sorted(ways, key=lambda a: (len(ways[a]), a)):
        if apart == 0 or all(abs(amount - other) * grid >= apart * _MICRO for other in kept):
            kept.append(amount)
    amounts = np.array(sorted(kept), dtype=np.int64)
    amounts = amounts[: np.searchsorted(amounts, up_to * _MICRO / grid - TOLERANCE) + 1]
    return _Amounts(grid / _MICRO, amounts, ways)


def _amounts_of(drug: Drug, up_to: float) -> _Amounts:
    """Amounts of one administration of a drug, up to the first at or above ``up_to``."""
    scored = drug.strengths if drug.splittable else ()
    halves = tuple(s for s in scored if s / 2 >= drug.smallest_step and s / 2 not in drug.strengths)
    # 24 mcg/h of two patches and 25 mcg/h of one are clinically one dose: it occurs once, in fewest pieces
    apart = drug.smallest_step / 2 if drug.is_patch else 0.0
    block = drug.strengths[-1]  # whole blocks, so that few cached tables serve many people
    return _amounts(drug.strengths, halves, apart, block * max(1, math.ceil(up_to / block - TOLERANCE)))


def _checked(drug: Drug, doses_per_day: int, dose: float) -> None:
    if doses_per_day < 1 or doses_per_day != int(doses_per_day) or (drug.is_patch and doses_per_day != 1):
        allowed = "1 (patches are worn together)" if drug.is_patch else "a whole number from 1"
        raise ValueError(f"{' '.join(drug.key)}: doses_per_day {doses_per_day:g} given; allowed: {allowed}")
    if not (math.isfinite(dose) and dose >= 0):
        raise ValueError(f"{' '.join(drug.key)}: a dose is finite and at least 0; given {dose:g} {drug.unit}")


@lru_cache(maxsize=4096)
def dispensable_totals(drug: Drug, doses_per_day: int, up_to: float) -> Floats:
    """Daily totals of the drug's strengths, divided over the day as evenly as possible.

    With R the possible amounts of one administration (0 and sums of strengths, at most one of them a half tablet, at
    most :data:`EXTRA_PIECES` pieces beyond those of the largest strength) a total is ``k r_hi + (n - k) r_lo`` with
    r_lo and r_hi neighbours in R. If the smallest amount exceeds the n-th part, fewer administrations are used:
    15 mg every 12 h, then 15 mg at bedtime.

    Parameters
    ----------
    doses_per_day : int
        n, administrations a day, as :func:`administrations` gives; 1 for patches.
    up_to : float
        Largest total wanted, in the drug's own unit (mg a day, mcg/h).

    Returns: ndarray, shape (n_totals,), rising from 0, in the drug's own unit, read-only. A smaller ``up_to``
    gives its first elements, so one array serves a whole cohort on that drug.
    Raises: ValueError if ``doses_per_day`` is no whole number from 1 (patches: 1), or ``up_to`` negative or not finite.
    """
    _checked(drug, doses_per_day, up_to)
    made = _amounts_of(drug, up_to / doses_per_day)
    n_high = np.arange(doses_per_day + 1)
    totals = n_high * made.amounts[1:, None] + (doses_per_day - n_high) * made.amounts[:-1, None]
    steps = np.unique(totals) * made.grid
    rounded = np.round(steps[steps <= up_to * (1 + TOLERANCE) + TOLERANCE], 6)
    rounded.setflags(write=False)  # it is cached
    return rounded


def round_to_dispensable(
    ideal: npt.ArrayLike, previous: npt.ArrayLike, totals: npt.ArrayLike, at_least: npt.ArrayLike | None = None
) -> Floats:
    """Round to the nearest dispensable total; the rounding error is the result minus ``ideal``.

    Ties go to the higher (slower) dose. A reduction never ends above ``previous`` and an increase never below it; an
    ideal of ``previous`` itself is a hold and gives ``previous``, dispensable or not; an ideal of 0 gives 0.

    Parameters
    ----------
    ideal, previous : array_like
        Dose aimed at and dose now, in the drug's own unit; shapes that broadcast, such as (n_patients,).
    totals : array_like, shape (n_totals,)
        From :func:`dispensable_totals`.
    at_least : array_like, optional
        Lowest dose that a ceiling on pace allows. A reduction that rounding would take below it ends at the lowest
        total above it, or at ``previous`` if there is none; ``Drug.max_step_note`` then has advice.

    Returns: ndarray, broadcast shape, in the drug's own unit.
    Raises: ValueError if a dose is negative or not finite, or ``totals`` does not rise from 0.
    """
    made = np.asarray(totals, dtype=np.float64)
    if made.ndim != 1 or not len(made) or made[0] != 0 or np.any(np.diff(made) <= 0):
        raise ValueError("totals rise from 0 and have one dimension; pass those of dispensable_totals()")
    want, now = np.broadcast_arrays(np.asarray(ideal, dtype=np.float64), np.asarray(previous, dtype=np.float64))
    floor = np.asarray(0.0 if at_least is None else at_least, dtype=np.float64)
    if not all(np.all((doses >= 0) & (doses < np.inf)) for doses in (want, now, floor)):
        raise ValueError("ideal, previous and at_least are finite doses of at least 0; a value given is not")
    tolerance = TOLERANCE * np.maximum(1.0, np.maximum(want, now))
    end = len(made) - 1
    above = np.minimum(np.searchsorted(made, want - tolerance), end)
    below = np.maximum(above - 1, 0)
    nearest = np.where(made[above] - want <= want - made[below] + tolerance, above, below)
    highest_kept = np.searchsorted(made, now + tolerance, side="right") - 1
    dose = np.where(want < now, made[np.minimum(nearest, highest_kept)], np.maximum(made[nearest], now))
    if at_least is not None:
        allowed = np.searchsorted(made, floor - tolerance)
        lowest = np.where(allowed <= highest_kept, made[np.minimum(allowed, end)], now)
        dose = np.where((want < now) & (dose < floor - tolerance), lowest, dose)
    return np.where(np.abs(want - now) <= tolerance, now, dose)


_TIMES: Final[dict[int, tuple[str, ...]]] = {
    1: ("once a day",),
    2: ("in the morning", "in the evening"),
    3: ("in the morning", "in the afternoon", "at bedtime"),
    4: ("in the morning", "at noon", "in the evening", "at bedtime"),
    6: ("early in the morning", "in the morning", "at noon", "in the afternoon", "in the evening", "at bedtime"),
}


_OFTEN: Final = {1: "once", 2: "twice"}


def _in_words(pieces: tuple[Tablet, ...], drug: Drug) -> str:
    if drug.mg_per_ml is not None:
        amount = sum(piece.amount for piece in pieces)
        return f"{amount:.6g} mg = {amount / drug.mg_per_ml:.6g} mL {drug.formulation} ({drug.mg_per_ml:g} mg/mL)"
    # halves last: "half of a 5 mg + 2 mg tablet" can be read as half of both
    in_order = sorted(pieces, key=lambda piece: piece.half)
    by_form: dict[str, Counter[str]] = {}
    for piece in in_order:
        of_form = by_form.setdefault(drug.form_of(piece.strength), Counter())
        of_form[f"{'half of a ' if piece.half else ''}{piece.strength:g} {drug.unit}"] += 1
    return " + ".join(
        f"{' + '.join(piece if count == 1 else f'{count} × {piece}' for piece, count in counts.items())} {form}"
        for form, counts in by_form.items()
    )


@dataclass(frozen=True)
class TabletRegimen:
    """Tablets by time of day; for patches, the patches worn.

    ``total`` is in the drug's own unit; ``times`` pairs a time of day in words with its tablets, largest first, and
    omits times without tablets; ``change_every_h`` is the time for which a patch is worn.
    """

    drug: Drug
    total: float
    times: tuple[tuple[str, tuple[Tablet, ...]], ...]
    change_every_h: float

    @property
    def pills_per_day(self) -> dict[Tablet, int]:
        """Pieces a day by strength, halves apart, largest first; for patches, pieces worn at one time."""
        counts = Counter(piece for _, pieces in self.times for piece in pieces)
        return dict(sorted(counts.items(), key=lambda item: -item[0].amount))

    def words(self) -> str:
        """One line for a person, such as ``60 mg + 15 mg tablet in the morning, in the afternoon and at bedtime``."""
        if not self.times:
            return "none"
        if self.drug.is_patch:
            worn = _in_words(self.times[0][1], self.drug)
            together = ", worn together" if len(self.times[0][1]) > 1 else ""
            return f"{worn}{together}, changed every {self.change_every_h:g} h"
        moments: dict[tuple[Tablet, ...], list[str]] = {}
        for moment, pieces in self.times:
            moments.setdefault(pieces, []).append(moment)
        listed = {pieces: " and ".join(filter(None, [", ".join(w[:-1]), w[-1]])) for pieces, w in moments.items()}
        return "; ".join(f"{_in_words(pieces, self.drug)} {when}" for pieces, when in listed.items())

    def as_needed_words(self) -> str:
        """How often each amount may be taken in a day, such as ``half of a 5 mg tablet 5 times``: no time is set."""
        if self.drug.is_patch or not self.times:
            return self.words()
        often = Counter(pieces for _, pieces in self.times)
        return "; ".join(
            f"{_in_words(pieces, self.drug)} {_OFTEN.get(n, f'{n} times')} a day" for pieces, n in often.items()
        )


def regimen(
    drug: Drug, total: float, doses_per_day: int | None = None, *, change_every_h: float | None = None
) -> TabletRegimen:
    """Divide a dispensable total over the day, in the fewest tablets, with the larger amounts towards bedtime.

    ``total`` is one of :func:`dispensable_totals`, in the drug's own unit; the default of
    ``doses_per_day`` is the drug's row; ``change_every_h`` replaces the row's wear time of a patch.
    Raises: ValueError if no tablets sum to the total; the message names the nearest dispensable totals.
    """
    n = administrations(drug) if doses_per_day is None else doses_per_day
    _checked(drug, n, total)
    if change_every_h is not None:
        administrations(drug, change_every_h)
        if not drug.is_patch:
            raise ValueError(f"{' '.join(drug.key)}: change_every_h is for patches; give doses_per_day instead")
    made = _amounts_of(drug, total / n)
    steps = round(total / made.grid)
    at = max(int(np.searchsorted(made.amounts, steps / n, side="right")) - 1, 0)
    low = int(made.amounts[at])
    high = int(made.amounts[at + 1]) if at + 1 < len(made.amounts) else low + 1
    n_high, left = divmod(steps - n * low, high - low)
    if left or abs(steps * made.grid - total) > TOLERANCE * max(1.0, total):
        totals = dispensable_totals(drug, n, total + 2 * n * drug.strengths[-1])
        near = totals[(above := int(np.searchsorted(totals, total))) - 1 : above + 1]
        made_of = f"{', '.join(f'{s:g}' for s in drug.strengths)} {drug.unit}, taken {n} times a day"
        raise ValueError(
            f"{' '.join(drug.key)}: a total is made of {made_of}; given {total:g}; nearest: {near[0]:g} and {near[1]:g}"
        )
    names = _TIMES.get(n) or tuple(f"as dose {i + 1} of {n}" for i in range(n))
    if low == 0:  # fewer administrations, spread over the day, bedtime included
        taken = {(j + 1) * n // n_high - 1: high for j in range(n_high)}
    else:
        taken = {i: high if i >= n - n_high else low for i in range(n)}
    times = tuple((names[i], made.pieces[amount]) for i, amount in taken.items())
    return TabletRegimen(drug, float(total), times, drug.interval_h if change_every_h is None else change_every_h)


def to_dispense(schedule: Sequence[tuple[int, TabletRegimen]], from_day: int, until_day: int) -> dict[float, int]:
    """Whole tablets, or patches, to dispense for the days ``from_day`` to ``until_day - 1``, by strength.

    ``schedule`` has the first day of each regimen, rising; each is valid until the next; one drug in one formulation.
    Halves of a strength are added up and rounded up to whole tablets; patches are counted by changes,
    ``ceil(days * 24 / hours worn)`` for each regimen.
    Raises: ValueError if there are no days or more than :data:`MAX_DISPENSED_D`, or begin before the schedule; if the
    schedule's days do not rise, or drugs are mixed.
    """
    days = until_day - from_day
    if not 1 <= days <= MAX_DISPENSED_D:
        raise ValueError(
            f"at most {MAX_DISPENSED_D} days are dispensed at once; given {days} (day {from_day} to day "
            f"{until_day}); dispense them in parts"
        )
    starts = [start for start, _ in schedule]
    if not starts or starts != sorted(set(starts)) or from_day < starts[0]:
        raise ValueError(f"a schedule's days rise and begin by day {from_day}; given {starts}")
    if len({part.drug.key for _, part in schedule}) > 1:
        raise ValueError("a schedule to dispense has one drug in one formulation; dispense each separately")
    halves: Counter[float] = Counter()  # in half tablets
    for (start, part), end in zip(schedule, [*starts[1:], until_day], strict=True):
        held = min(end, until_day) - max(start, from_day)
        times = math.ceil(held * HOURS_PER_DAY / part.change_every_h - TOLERANCE) if part.drug.is_patch else held
        for piece, count in part.pills_per_day.items() if held > 0 else ():
            halves[piece.strength] += times * count * (1 if piece.half else 2)
    return {strength: -(-halves[strength] // 2) for strength in sorted(halves, reverse=True)}
