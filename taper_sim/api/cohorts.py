"""Cohorts for comparisons: sampled, read from files, or those of a scenario. Imports ``simulation``, ``scenario``."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim import rng
from taper_sim.api.arguments import names_checked
from taper_sim.api.cohort_frame import cohort_frame
from taper_sim.api.drug_words import DOSES, PEOPLE, class_of
from taper_sim.array_types import Bools
from taper_sim.data.patients import BOOLEANS, NUMBERS
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.model.parameters import BASELINE_LIMITS
from taper_sim.run_folder import write_text
from taper_sim.scenario.building import build_cohort, read_scenario
from taper_sim.scenario.schema import MAX_PATIENTS, CohortEntry
from taper_sim.simulation import cohort as cohorts
from taper_sim.simulation.cohort import MODALITIES, ClassMargin, Cohort
from taper_sim.units import DEFAULT_SEED, DRUG_CLASSES, HOURS_PER_DAY, DrugClass

_NUMERIC: Final = {name: ends for name, ends in NUMBERS.items() if not name.startswith("promis_")}
_CHARACTERISTICS: Final = (*_NUMERIC, *BOOLEANS, "modality", *DRUG_CLASSES)
_MOST_SAMPLED: Final = 400_000  # people that are sampled at most, to find those in the ranges

Dose = float | tuple[float, float]


@dataclass(frozen=True, eq=False)
class People:
    """A cohort, with a row a person in :attr:`frame`.

    Attributes
    ----------
    cohort : Cohort
    seed : int
        Seed of the sample.
    entry : CohortEntry or None
        Entry of the scenario, for people of a scenario.
    folder : Path
        Folder relative to which ``entry`` names files.
    sampled : bool
        Whether the people were sampled; False for people of a file.
    """

    cohort: Cohort
    seed: int
    entry: CohortEntry | None = None
    folder: Path = field(default_factory=Path)
    sampled: bool = False

    def __len__(self) -> int:
        return len(self.cohort)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row a person: drugs and doses in mg and in equivalents, age, baseline, flags (see ``cohort_frame``)."""
        return cohort_frame(self.cohort)

    @property
    def notes(self) -> list[str]:
        """Remarks on these people's drugs, a line each."""
        taken = {drug.drug for drug in self.cohort.drugs}
        notes = []
        if "methadone" in taken:
            notes.append("methadone: its equivalence factor rises with the dose and differs between sources")
        if "buprenorphine" in taken:
            notes.append("buprenorphine: no equivalents; its dose is on its own scale")
        return notes

    def write(self, folder: Path) -> CohortEntry:
        """Write ``patients.csv`` and ``drugs.csv`` into a folder; returns the scenario entry that reads them."""
        write_text(folder / "patients.csv", _patients_text(self.cohort))
        write_text(folder / "drugs.csv", _drugs_text(self.cohort))
        return CohortEntry(
            file=Path("patients.csv"),
            drugs_file=Path("drugs.csv"),
            description=self.cohort.description or "people",
            sampled=self.sampled,
        )

    def _lines(self) -> list[str]:
        lines = [f"{len(self):,} people: {self.cohort.description or 'no description'}"]
        return [*lines, *self.notes]

    def __repr__(self) -> str:
        return "\n".join([*self._lines(), self.frame.head().to_string(index=False, max_cols=8)])

    def _repr_html_(self) -> str:
        from taper_sim.api.display import paragraphs

        return paragraphs(self._lines()) + self.frame.head(10).to_html(
            index=False, border=0, float_format="{:.4g}".format
        )


@names_checked
def people(
    n: int | str | Path | None = None,
    *,
    drug: str | Mapping[str, float] | None = None,
    mg_per_day: Dose | None = None,
    mme_per_day: Dose | None = None,
    mcg_per_h: Dose | None = None,
    formulation: str | None = None,
    seed: int | None = None,
    scenario: str | Path | None = None,
    drugs: str | Path | None = None,
    **characteristics: Any,
) -> People:
    """Make a cohort: sample people, read them from files, or take those of a scenario.

    Parameters
    ----------
    n : int or path, optional
        Number of people to sample, or a patients file (CSV, a row a patient).
    drug : str or mapping of str to share, optional
        Drug, such as ``"oxycodone ER"``; a mapping gives each drug its share.
    mg_per_day, mme_per_day, mcg_per_h : float or (float, float), optional
        The dose in mg a day of the drug named, in its class's equivalents (oral morphine, diazepam or pregabalin, mg a
        day), or in mcg/h of a patch. A pair is the middle 95 % of a log-normal, cut at both ends. Doses are rounded to
        available tablets.
    formulation : str, optional
        Such as ``"ER"``, if the drug's name does not contain it.
    seed : int, optional
        Seed of the sample; 20260101 if omitted.
    scenario : path, optional
        The people of a scenario.
    drugs : path, optional
        Drugs file for a patients file; without it ``drug`` and a dose apply to everybody.
    **characteristics
        By the names of a patients file. A flag takes True, False, or the share of people. A number takes a value for
        everybody, or a pair: people are selected in that range, and keep the correlations of the registry.
        ``modality`` takes a name, or shares. A further drug class takes a mapping with ``drug``, a dose and ``share``.

    Returns
    -------
    People

    Raises
    ------
    InputError
        For an unknown drug, formulation or characteristic (with the nearest name), a dose out of range, a wrong file.

    Examples
    --------
    >>> import taper_sim as ts
    >>> cohort = ts.people(3, drug="oxycodone ER", mg_per_day=120, ptsd=True, age=(50, 70))
    >>> cohort.frame[["opioid_drug", "opioid_mg_per_day", "opioid_mme_per_day", "ptsd"]]
        opioid_drug  opioid_mg_per_day  opioid_mme_per_day  ptsd
    0  oxycodone ER              120.0               180.0  True
    1  oxycodone ER              120.0               180.0  True
    2  oxycodone ER              120.0               180.0  True
    """
    unknown = [name for name in characteristics if name not in _CHARACTERISTICS]
    if unknown:
        options = [*_CHARACTERISTICS, "drug", "formulation", "seed", "scenario", "drugs", *DOSES]
        raise InputError(
            Problem(PEOPLE, name, f"an unknown characteristic{nearest(name, options)}", ", ".join(_CHARACTERISTICS))
            for name in unknown
        )
    if scenario is not None:
        if n is not None and not isinstance(n, int):
            raise problem(PEOPLE, "scenario", "with a patients file", "one of the two")
        if drug is not None or characteristics:
            raise problem(PEOPLE, "scenario", "with a drug or characteristics", "those of the scenario alone")
        return _of_scenario(Path(scenario), n, seed)
    main = {"drug": drug, "mg_per_day": mg_per_day, "mme_per_day": mme_per_day, "mcg_per_h": mcg_per_h}
    main |= {"formulation": formulation}
    seed = DEFAULT_SEED if seed is None else seed
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise problem(PEOPLE, "seed", seed, "0 to 2^63 - 1")
    classes = _classes(main, characteristics, needed=drugs is None)
    if isinstance(n, str | Path):
        return _read(Path(n), drugs, seed, classes, characteristics)
    if n is None or isinstance(n, bool) or not 1 <= n <= MAX_PATIENTS:
        given = n if n is not None else "nothing"
        raise problem(PEOPLE, "n", given, f"how many people to sample, 1 to {MAX_PATIENTS}, or a patients file")
    return People(_sampled(int(n), seed, classes, characteristics), seed, sampled=True)


def _of_scenario(path: Path, n: int | None, seed: int | None) -> People:
    scenario = read_scenario(path)
    entry = scenario.cohort if n is None else scenario.cohort.model_copy(update={"patients": n})
    chosen = scenario.seed if seed is None else seed
    return People(build_cohort(entry, chosen, path.parent), chosen, entry, path.parent)


def _classes(
    main: Mapping[str, Any], characteristics: Mapping[str, Any], *, needed: bool
) -> dict[DrugClass, ClassMargin]:
    """Margins of every named class."""
    entries: list[tuple[str, Mapping[str, Any]]] = []
    main = {key: value for key, value in main.items() if value is not None}
    if main:
        entries.append(("drug", main))
    for name in DRUG_CLASSES:
        entry = characteristics.get(name)
        if entry is None:
            continue
        if not isinstance(entry, Mapping):
            raise problem(PEOPLE, name, entry, '{"drug": "lorazepam", "mg_per_day": 2, "share": 0.3}')
        entries.append((name, entry))
    classes: dict[DrugClass, ClassMargin] = {}
    for place, keys in entries:
        name_of_class, margin = class_of(keys, place)
        drug_class = next(name for name in DRUG_CLASSES if name == name_of_class)
        if place in DRUG_CLASSES and place != drug_class:
            raise problem(PEOPLE, f"{place}.drug", f"a drug of the class {drug_class}", f"drugs of {place}")
        if drug_class in classes:
            raise problem(PEOPLE, place, f"{drug_class} a second time", "each class once")
        classes[drug_class] = margin
    if needed and not classes:
        raise problem(PEOPLE, "drug", "nothing", 'a drug and its dose, such as drug="oxycodone ER", mg_per_day=120')
    return classes


def _as_pair(name: str, value: Any) -> tuple[float, float] | None:
    """Ends of a range, None for a single value; raises InputError for anything else or a value off the scale."""
    low, high = _NUMERIC[name]
    pair = isinstance(value, tuple | list)
    ends = tuple(value) if pair else (value,)
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
    if not numbers or (pair and len(ends) != 2) or not all(low <= end <= high for end in ends) or ends[0] > ends[-1]:
        raise problem(PEOPLE, name, value, f"a number, or a pair of rising numbers, from {low:g} to {high:g}")
    return (float(ends[0]), float(ends[1])) if pair else None


def _sampled(n: int, seed: int, classes: Mapping[DrugClass, ClassMargin], characteristics: Mapping[str, Any]) -> Cohort:
    """``n`` people with the registry's margins, changed and selected by the characteristics."""
    shares, values, ranges, chosen, modality = _sorted(characteristics)
    margins = replace(cohorts.CHOIR, shares={**cohorts.CHOIR.shares, **shares})
    if modality is not None:
        margins = replace(margins, modality=modality)
    for name, value in values.items():
        drug_class = next((c for c in DRUG_CLASSES if name == f"use_days_{c}"), None)
        if drug_class is not None and drug_class in classes:
            fixed = replace(classes[drug_class], use_days_median=value, use_days_log_sd=0.0)
            classes = {**classes, drug_class: fixed}
    words = [f"{name} {shown(value)}" for name, value in characteristics.items() if name not in DRUG_CLASSES]
    description = "sampled with the margins of the CHOIR registry (Alter 2021)" + "".join(f", {text}" for text in words)
    pool, size = None, n
    while True:
        pool = cohorts.sample(size, seed, classes, margins, description)
        keep = np.flatnonzero(_within(pool, ranges, chosen))
        if len(keep) >= n:
            break
        if size >= _MOST_SAMPLED:
            given = f"{n} people, of whom {len(keep)} occur among {size:,} of the registry's margins"
            raise InputError(Problem(PEOPLE, ", ".join([*ranges, *chosen]), given, "wider ranges, or fewer people"))
        size = min(_MOST_SAMPLED, max(2 * size, int(1.2 * size * n / max(len(keep), 1))))
    cohort = pool.take(keep[:n])
    keys = np.array([rng.patient_key(patient_id) for patient_id in cohort.ids], dtype=np.uint64)
    return _with_values(replace(cohort, keys=keys), values)


def _sorted(
    characteristics: Mapping[str, Any],
) -> tuple[
    dict[str, float], dict[str, float], dict[str, tuple[float, float]], dict[str, bool], tuple[float, ...] | None
]:
    """Shares of flags, values for everybody, ranges, flags for selection, shares of modalities."""
    shares: dict[str, float] = {}
    values: dict[str, float] = {}
    ranges: dict[str, tuple[float, float]] = {}
    chosen: dict[str, bool] = {}
    modality = None
    for name, value in characteristics.items():
        if name in _NUMERIC:
            pair = _as_pair(name, value)
            if pair is None:
                values[name] = float(value)
            else:
                ranges[name] = pair
        elif name == "modality":
            modality = _modality(value)
        elif name in BOOLEANS:
            number = isinstance(value, int | float) and 0 <= value <= 1
            if not number or (name == "mood_disorder" and not isinstance(value, bool)):
                allowed = "True or False" if name == "mood_disorder" else "True, False, or the share of people, 0 to 1"
                raise problem(PEOPLE, name, value, allowed)
            if name == "mood_disorder":  # it follows from the depression score, so people are selected by it
                chosen[name] = bool(value)
            else:
                shares[name] = float(value)
    return shares, values, ranges, chosen, modality


def _modality(value: Any) -> tuple[float, ...]:
    shares = {value: 1.0} if isinstance(value, str) else value
    allowed = f"one of {', '.join(MODALITIES)}, or their shares"
    if not isinstance(shares, Mapping) or any(name not in MODALITIES for name in shares):
        raise problem(PEOPLE, "modality", value, allowed)
    parts = [shares.get(name, 0.0) for name in MODALITIES]
    if not all(isinstance(part, int | float) and part >= 0 for part in parts) or abs(sum(parts) - 1.0) > 1e-9:
        raise problem(PEOPLE, "modality", value, f"{allowed} that add up to 1")
    return tuple(float(part) for part in parts)


def _column(cohort: Cohort, name: str) -> np.ndarray:
    if name in BASELINE_LIMITS:
        return np.asarray(cohort.baseline[name])
    if name.startswith("use_days_"):
        return np.asarray(cohort.use_days[:, [f"use_days_{c}" for c in DRUG_CLASSES].index(name)])
    return np.asarray(getattr(cohort, name))


def _within(cohort: Cohort, ranges: Mapping[str, tuple[float, float]], chosen: Mapping[str, bool]) -> Bools:
    keep = np.ones(len(cohort), dtype=bool)
    for name, (low, high) in ranges.items():
        column = _column(cohort, name)
        keep &= (column >= low) & (column <= high)
    for name, value in chosen.items():
        keep &= cohort.flags[name] == value
    return keep


def _with_values(cohort: Cohort, values: Mapping[str, float]) -> Cohort:
    """The cohort with one value for everybody instead of the sampled values."""
    n = len(cohort)
    baseline = {**cohort.baseline, **{k: np.full(n, v) for k, v in values.items() if k in BASELINE_LIMITS}}
    age = np.full(n, values["age"]) if "age" in values else cohort.age
    failed = np.full(n, values["failed_tapers"]) if "failed_tapers" in values else cohort.failed_tapers
    return replace(cohort, baseline=baseline, age=age, failed_tapers=failed)


def _read(
    path: Path,
    drugs: str | Path | None,
    seed: int,
    classes: Mapping[DrugClass, ClassMargin],
    characteristics: Mapping[str, Any],
) -> People:
    """People of a file, with the drugs of a file or of the arguments."""
    others = [name for name in characteristics if name not in DRUG_CLASSES]
    if others:
        raise InputError(Problem(PEOPLE, name, "with a patients file", "a column of the file") for name in others)
    if drugs is not None and classes:
        raise problem(PEOPLE, "drugs", "a drugs file and a drug", "one of the two")
    from taper_sim.data.patients import read_drugs, read_patients

    table = read_patients(path, {}, drop_missing=False, strict=True)
    cohort = cohorts.from_table(table, f"{path.name}: {len(table.ids)} patients read")
    if drugs is None:
        return People(cohorts.sample_drugs(cohort, seed, classes), seed)
    return People(cohorts.with_drugs(cohort, read_drugs(Path(drugs), cohort.ids)), seed)


# -- the files of a cohort ---------------------------------------------------------------------------------------------


def _text(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def _patients_text(cohort: Cohort) -> str:
    numbers = [*BASELINE_LIMITS, "age", "failed_tapers", *(f"use_days_{c}" for c in DRUG_CLASSES)]
    columns = [[repr(float(value)) for value in _column(cohort, name)] for name in numbers]
    columns += [[str(int(value)) for value in cohort.flags[name]] for name in BOOLEANS]
    columns.append([MODALITIES[k] for k in cohort.modality])
    return _text(["patient_id", *numbers, *BOOLEANS, "modality"], list(zip(cohort.ids, *columns, strict=True)))


def _drugs_text(cohort: Cohort) -> str:
    rows = []
    for row, patient_id in enumerate(cohort.ids):
        for slot, number in enumerate(cohort.slot_drug[row]):
            if number < 0:
                continue
            drug, dose = cohort.drugs[number], repr(float(cohort.slot_dose[row, slot]))
            every = "" if drug.is_patch else f"{HOURS_PER_DAY / cohort.slot_times[row, slot]:g}"
            rows.append((patient_id, *drug.key, "" if drug.is_patch else dose, dose if drug.is_patch else "", every))
    return _text(["patient_id", "drug", "formulation", "dose_mg_per_day", "dose_mcg_per_h", "interval_h"], rows)
