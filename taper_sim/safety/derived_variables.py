"""Computed variables of variables.csv, a function of a patient's values for each. Imports ``data``, ``dose_history``.

The column ``question`` of the table defines each. A function gives None if its value is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import partial
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Final

import numpy as np

from taper_sim.data import formulary
from taper_sim.data.checkins import scales
from taper_sim.safety import dose_history
from taper_sim.safety.felt_cuts import PAUSE_D
from taper_sim.safety.validity import worse
from taper_sim.units import DRUG_CLASSES, MONTH_D, TOLERANCE

if TYPE_CHECKING:
    from taper_sim.safety.variables import Values

NEVER_REDUCED_D: Final = 10_000.0
"""Value of ``days_since_reduction`` for a patient without a reduction, days: longer than the period of any rule."""
_GAP_D: Final = 30
"""Longest gap without a new start of use, days. Source: variables.csv, opioid_use_days."""
_SEROTONERGIC: Final = ("tramadol", "tapentadol", "methadone", "fentanyl")
_CYP3A4: Final = (
    "oxycodone",
    "fentanyl",
    "methadone",
    "buprenorphine",
    "hydrocodone",
    "alprazolam",
    "clonazepam",
    "diazepam",
)
_CYP2D6: Final = ("codeine", "tramadol")
_RENAL_CAPS: Final = {"gabapentin": (1400.0, 700.0, 300.0), "pregabalin": (300.0, 150.0, 75.0)}
"""mg a day at creatinine clearance 30 to 59, 15 to 29, below 15. Source: variables.csv, gabapentinoid_renal_cap_mg."""


_SETTLED_D: Final = 14
"""Days before today that a baseline leaves out while nothing has been reduced: a change of these days is then seen.
Source: A88."""


_LONG_RECORD_D: Final = 42
"""Days after the first answer from which a slow change is judged against the first 14 days. Source: A148."""
_NO_PREGNANCY_FROM: Final = 60.0
"""Age, years, from which a pregnancy is not asked for. Source: A149."""


def _baseline(name: str) -> Callable[[Values], float | None]:
    """Mean of the 14 days before the first reduction, from at least 3 days (two-week scales: one answer).

    Before any reduction the 14 days end two weeks ago, or today in a record that does not reach back as far.
    """

    def derive(v: Values) -> float | None:
        today = v.as_of + timedelta(days=1)
        first_cut = v.first_reduction()
        for end in [first_cut] if first_cut is not None else [today - timedelta(days=_SETTLED_D), today]:
            long_scale = name in scales() and scales()[name].recall_d >= 14
            first = date.min if long_scale else end - timedelta(days=14)
            days = [float(np.mean(values)) for values in v.daily(name, first, end)]
            if len(days) >= (1 if long_scale else 3):
                return float(np.mean(days))
        return None

    return derive


def _window(
    name: str, days: int, least: int, statistic: Callable[[list[float]], float], *, before_first: bool = False
) -> Callable[[Values], float | None]:
    """A statistic over the most adverse reports of the last days; unknown with fewer days than ``least``."""

    def derive(v: Values) -> float | None:
        end = v.as_of + timedelta(days=1)
        if before_first:
            end = v.first_reduction() or end
        values = [worse(name, reports) for reports in v.daily(name, end - timedelta(days=days), end)]
        return float(statistic(values)) if len(values) >= least else None

    return derive


def _first_weeks(name: str) -> Callable[[Values], float | None]:
    """Mean of the first 14 days of the record, from at least 3 days; None in a record that began too recently."""

    def derive(v: Values) -> float | None:
        first = min((c.day for c in v.history.checkins if c.instrument == name), default=None)
        if first is None or (v.as_of - first).days < _LONG_RECORD_D:
            return None
        days = [float(np.mean(values)) for values in v.daily(name, first, first + timedelta(days=14))]
        return float(np.mean(days)) if len(days) >= 3 else None

    return derive


def _promis_change(v: Values) -> float | None:
    """Latest value minus baseline; a single answer before the first reduction is a sufficient baseline."""
    now, base = v.reported("promis_pf"), _baseline("promis_pf")(v)
    if base is None:
        earlier = v.daily("promis_pf", date.min, v.first_reduction() or v.as_of + timedelta(days=1))
        base = float(np.mean([np.mean(values) for values in earlier])) if earlier else None
    return None if now is None or base is None else now - base


def _answered_within(name: str, days: int) -> Callable[[Values], float | None]:
    return lambda v: float(any(c.instrument == name and (v.as_of - c.day).days < days for c in v.history.checkins))


def _reduction(drug_class: str, days: int, *, of_original: bool = False) -> Callable[[Values], float | None]:
    """Percentage reduction over so many days, including planned reductions; an increase is negative.

    A conversion to another opioid at a lower dose is no reduction, down to the share that guidance asks for.
    """

    def derive(v: Values) -> float | None:
        if not v.history.doses:
            return None
        start_day = max(v.as_of - timedelta(days=days), v.history.doses[0].day)
        dose_then, dose_now = v.dose(drug_class, start_day), v.dose(drug_class, v.as_of)
        if dose_then is None or dose_now is None:
            return None
        dose_now = min(dose_now, v.planned.get(drug_class, dose_now))
        changes = _ratios_of_changes(v, start_day) if drug_class == "opioid" else []
        converted = prod(min(max(ratio, dose_history.LEAST_CONVERTED), 1.0) for ratio in changes)
        dose_then *= converted
        reference = v.original(drug_class) * converted if of_original else dose_then
        return (
            round(100.0 * (dose_then - dose_now) / reference, 9) if reference > 0 else 0.0
        )  # rounding, so that a reduction of 10 % is not above 10 %

    return derive


def _step_waited(v: Values) -> float | None:
    """Whether the reduction of the last 28 days is a single step that had waited until its rate is the pace (A153).

    A planned reduction has not waited: a long time on one dose is no reason for a large cut.
    """
    if not v.history.doses:
        return None
    step_pct, dose_now = v.value("opioid_reduction_28d_pct"), v.dose("opioid", v.as_of)
    if step_pct is None or dose_now is None:
        return None
    cuts = [day for day in v.cuts("opioid") if (v.as_of - day).days < MONTH_D]
    if v.planned.get("opioid", dose_now) < dose_now - TOLERANCE or len(cuts) != 1:
        return 0.0
    last = max(day for day in (v.history.doses[0].day, *(d for d, *_ in v.changes("opioid"))) if day < cuts[0])
    return float(dose_history.has_waited(step_pct, (cuts[0] - last).days))


def _cut_within_14d(drug_class: str) -> Callable[[Values], float | None]:
    def derive(v: Values) -> float | None:
        if not v.history.doses:
            return None
        recent = any((v.as_of - day).days < 14 for day in v.cuts(drug_class))
        dose_now = v.dose(drug_class, v.as_of)
        ahead = drug_class in v.planned and dose_now is not None and v.planned[drug_class] < dose_now - TOLERANCE
        return float(recent or ahead)

    return derive


def _since_reduction(v: Values) -> float | None:
    days = v.cuts()
    return float((v.as_of - max(days)).days) if days else NEVER_REDUCED_D


def _use_days(drug_class: str) -> Callable[[Values], float | None]:
    """Days of daily use without a gap over 30 days; the patient's file adds the days before the first record."""

    def derive(v: Values) -> float | None:
        before = v.history.answers.get(f"{drug_class}_use_days")
        days = sorted({row.day for row in v.history.doses if row.drug.drug_class == drug_class})
        if not days:
            return before if before is not None else (0.0 if v.history.doses else None)
        since: date | None = None
        stopped: date | None = None
        for day in days:
            takes = any(row.drug.drug_class == drug_class for row in v.in_force(day))
            new_start = since is None or (stopped is not None and (day - stopped).days > _GAP_D)
            since = day if takes and new_start else since
            stopped = None if takes else (stopped or day)
        if since is None or (stopped is not None and (v.as_of - stopped).days > _GAP_D):
            return 0.0
        recorded = float((v.as_of - since).days)
        return recorded + (before or 0.0) if since == days[0] else recorded

    return derive


def _dose_unchanged(v: Values) -> float | None:
    """Days since the last change of any class; a record without a change adds the days that the patient's file has."""
    if not v.history.doses:
        return None
    days = [
        day
        for drug_class in DRUG_CLASSES
        for buprenorphine in (False, True)
        for day, _, _ in v.changes(drug_class, buprenorphine=buprenorphine)
    ]
    begun = [min(row.day for row in v.history.doses if row.drug.key == key) for key in _keys(v)]
    if days or len(set(begun)) > 1:
        return float((v.as_of - max([*days, *begun])).days)
    recorded = float((v.as_of - v.history.doses[0].day).days)
    return max(recorded, v.history.answers.get("dose_unchanged_days", 0.0))


def _keys(v: Values) -> set[tuple[str, str]]:
    """Drugs and formulations of the dose rows."""
    return {row.drug.key for row in v.history.doses}


def _missed_in_row(v: Values) -> float | None:
    days = sorted({c.day for c in v.history.checkins})
    if not days:
        return None
    gaps = [(b - a).days for a, b in pairwise(days[-29:])]
    cadence = max(int(np.median(gaps)), 1) if gaps else 1
    return float(max((v.as_of - days[-1]).days - 1, 0) // cadence)


def _gabapentinoid_mg(v: Values) -> float | None:
    rows = [row for row in v.in_force(v.as_of) if row.drug.drug_class == "gabapentinoid"]
    return float(sum(row.dose for row in rows)) if v.history.doses else None


def _renal_cap(v: Values) -> float | None:
    rows = [row.drug.drug for row in v.in_force(v.as_of) if row.drug.drug_class == "gabapentinoid"]
    clearance = v.value("crcl")
    if clearance is None or len(set(rows)) != 1 or rows[0] not in _RENAL_CAPS:
        return None
    caps = _RENAL_CAPS[rows[0]]
    return 6000.0 if clearance >= 60 else caps[0] if clearance >= 30 else caps[1] if clearance >= 15 else caps[2]


def _buprenorphine_started(v: Values) -> float | None:
    if not v.history.doses:
        return None
    week_ago = v.as_of - timedelta(days=7)
    before = any(row.drug.is_buprenorphine for row in v.in_force(week_ago))
    return float(not before and any(row.drug.is_buprenorphine for row in v.in_force(v.as_of)))


def _overlap(v: Values) -> float | None:
    if not v.history.doses:
        return None
    # two forms of one drug are one prescription: ER with IR of the same drug is how a step is dispensed
    drugs = {(row.drug.drug_class, row.drug.drug.split("-")[0]) for row in v.in_force(v.as_of)}
    classes = [drug_class for drug_class, _ in drugs]
    return float(any(classes.count(c) > 1 for c in DRUG_CLASSES))


def _mme_change(v: Values) -> float | None:
    now = v.dose("opioid", v.as_of)
    then = v.dose("opioid", v.as_of - timedelta(days=28))
    return None if now is None or then is None else now - then


def _taken(v: Values) -> tuple[date, float] | None:
    """Opioid dose taken, MME a day, with its day: the later of a report and the dose rows' ``taken``."""
    reported, last_day = v.reported("opioid_taken_mme"), v._last_day("opioid_taken_mme")
    candidates = [] if reported is None else [(last_day or v.as_of, reported)]
    rows = [row for row in v.last_rows(v.as_of) if row.drug.drug_class == "opioid"]
    stated_days = [row.day for row in rows if row.taken is not None]
    if stated_days and not any(row.drug.is_buprenorphine and (row.dose or row.taken) for row in rows):
        taken = [row.dose if row.taken is None else row.taken for row in rows]
        mme = sum(formulary.equivalents(row.drug, x) for row, x in zip(rows, taken, strict=True))
        candidates.append((max(stated_days), float(mme)))
    return max(candidates) if candidates else None


def _prescribed_when_taken(v: Values) -> float | None:
    taken = _taken(v)
    return v.dose("opioid", v.as_of if taken is None else taken[0])


def _taken_mme(v: Values) -> float | None:
    taken = _taken(v)
    return None if taken is None else taken[1]


def _depressants(v: Values) -> float | None:
    """Number of sedating drugs: the report, at least that of doses, Z-drugs and drinks; unreported, only from two."""
    known_number = len({row.drug.drug for row in v.in_force(v.as_of)}) + ((v.value("drinks_7d") or 0.0) >= 1.0)
    known_number += v.value("z_drug") == 1.0
    reported = v.reported("cns_depressants")
    if reported is None:
        return float(known_number) if known_number >= 2 else None
    return max(reported, float(known_number))


def _levels(v: Values, drug_class: str, days: int) -> list[float]:
    """Equivalents a day of a class on each of the last days and today, oldest first; what was taken, if stated.

    Buprenorphine counts with its own mg. Days before the first dose row count as those of that row.
    """
    first = v.history.doses[0].day
    levels = []
    for ago in range(days, -1, -1):
        rows = [r for r in v.last_rows(max(v.as_of - timedelta(days=ago), first)) if r.drug.drug_class == drug_class]
        doses = (formulary.equivalents(r.drug, r.dose if r.taken is None else r.taken) for r in rows)
        levels.append(float(sum(doses)))
    return levels


def _recent_fall(drug_class: str) -> Callable[[Values], float | None]:
    def derive(v: Values) -> float | None:
        if not v.history.doses:
            return None
        if not any((v.as_of - day).days <= dose_history.FALL_LOOKBACK_D for day in v.cuts(drug_class)):
            return 0.0
        return dose_history.largest_fall_pct(_levels(v, drug_class, dose_history.FALL_DAYS))

    return derive


def _restart(drug_class: str, part: int) -> Callable[[Values], float | None]:
    """Days without the class before a restart (0), or the dose since in percent of that before (1)."""

    def derive(v: Values) -> float | None:
        if not v.history.doses:
            return None
        rows = [row for row in v.history.doses if row.drug.drug_class == drug_class]
        if all(row.dose > 0 and row.taken != 0 for row in rows):
            return 0.0
        restart = dose_history.restart_of(_levels(v, drug_class, dose_history.GAP_DAYS))
        if part == 1 and restart is not None and len({row.drug.is_buprenorphine for row in rows}) > 1:
            return None  # the dose of buprenorphine and that of a full agonist cannot be compared
        return float(restart[part]) if restart is not None else 0.0

    return derive


def _rise(drug_class: str) -> Callable[[Values], float | None]:
    def derive(v: Values) -> float | None:
        if not v.history.doses or any(
            r.drug.is_buprenorphine for r in v.in_force(v.as_of) if r.drug.drug_class == drug_class
        ):
            return None
        return dose_history.rise_pct(_levels(v, drug_class, dose_history.RISE_WITHIN_D))

    return derive


def _opioid_change(v: Values) -> float | None:
    """The dose after the last change from one opioid to another, percent of that before it; 0 without a change."""
    if not v.history.doses:
        return None
    ratios = _ratios_of_changes(v, v.as_of - timedelta(days=dose_history.CHANGE_KEPT_D))
    return 100.0 * ratios[-1] if ratios else 0.0


def _ratios_of_changes(v: Values, after_day: date) -> list[float]:
    """For each change from one opioid to another since a day: the MME of its day as a share of the day before.

    A change is a day on which another opioid begins and one that was taken falls. Another form or product of the same
    drug is none, and buprenorphine has no equivalents.
    """
    ratios = []
    for day in sorted({row.day for row in v.history.doses if after_day < row.day <= v.as_of}):
        before, after = (_opioid_mme_by_drug(v, d) for d in (day - timedelta(days=1), day))
        begun, fallen = after.keys() - before.keys(), [drug for drug in before if after.get(drug, 0.0) < before[drug]]
        if begun and fallen:
            ratios.append(sum(after.values()) / sum(before.values()))
    return ratios


def _opioid_mme_by_drug(v: Values, day: date) -> dict[str, float]:
    """Opioids that are taken on a day with their MME; buprenorphine is left out."""
    rows = [r for r in v.in_force(day) if r.drug.drug_class == "opioid" and not r.drug.is_buprenorphine]
    mme: dict[str, float] = {}
    for row in rows:
        drug = row.drug.drug.split("-")[0]
        mme[drug] = mme.get(drug, 0.0) + formulary.equivalents(row.drug, row.dose)
    return mme


def _cut_broke_limit(v: Values) -> float | None:
    cuts = v.felt_cuts()
    judged = any(cut.felt for cut in cuts) or not cuts
    return float(any(cut.broke for cut in cuts)) if v.history.doses and judged else None


def _cut_not_recovered(v: Values) -> float | None:
    broke = [cut for cut in v.felt_cuts() if cut.broke]
    recent = any((v.as_of - cut.day).days < PAUSE_D for cut in broke)
    return None if v.value("cut_broke_limit") is None else float(recent or any(cut.still for cut in broke))


def _cut_felt_severely(v: Values) -> float | None:
    return None if v.value("cut_broke_limit") is None else float(any(cut.severe for cut in v.felt_cuts()))


def _worse_since_taper(v: Values) -> float | None:
    """Whether the last week is over a limit that a cut did not break in its first weeks; from 14 days after the cut."""
    if v.value("cut_broke_limit") is None:  # no cut can be judged
        return None
    for cut in v.felt_cuts():
        now = _levels(v, cut.drug_class, 0)[-1]
        stands = now < cut.before - TOLERANCE and (v.as_of - cut.day).days >= PAUSE_D
        if stands and any(felt.still and not felt.broke for felt in cut.felt):  # else the cut has not recovered
            return 1.0
    return 0.0


def _entry_ratio(v: Values) -> float | None:
    return dose_history.largest_entry_ratio(v.history.doses, v.as_of) if v.history.doses else None


def _has_class(drug_class: str, v: Values) -> float | None:
    return v.has_class(drug_class)


def _pregnant(v: Values) -> float | None:
    """As reported; a man is not pregnant, and nobody is asked from 60 years on."""
    reported = v.reported("pregnant")
    if reported is None and (v.reported("sex_male") == 1.0 or (v.reported("age") or 0.0) >= _NO_PREGNANCY_FROM):
        return 0.0
    return reported


def _seizure_history(v: Values) -> float | None:
    """A seizure that was ever reported is an earlier one, whatever was answered since; else as the file says."""
    reported = any(c.instrument == "seizure" and c.value > 0 for c in v.history.checkins)
    return 1.0 if reported else v.reported("seizure_history")


DERIVED: Final[Mapping[str, Callable[[Values], float | None]]] = {
    **{
        f"{name}_baseline": _baseline(name)
        for name in (
            "pain_nrs",
            "peg",
            "sows_gossop",
            "pwc",
            "phq8",
            "phq9",
            "gad7",
            "isi",
            "ess",
            "craving",
            "pcs",
            "function",
            "rom",
            "gait_speed",
        )
    },
    "steps_baseline": _window("steps", 14, 7, lambda x: float(np.median(x)), before_first=True),
    "steps_14d_median": _window("steps", 14, 7, lambda x: float(np.median(x))),
    "pain_nrs_7d_mean": _window("pain_nrs", 7, 4, lambda x: float(np.mean(x))),
    "sleep_hours_7d_mean": _window("sleep_hours", 7, 4, lambda x: float(np.mean(x))),
    "function_7d_mean": _window("function", 7, 1, lambda x: float(np.mean(x))),
    "promis_pf_change": _promis_change,
    "phq9_within_14d": _answered_within("phq9", 14),
    "gad7_within_14d": _answered_within("gad7", 14),
    "opioid_taken_mme": _taken_mme,
    "cns_depressants": _depressants,
    "opioid_mme": lambda v: v.dose("opioid", v.as_of),
    "opioid_prescribed_mme": _prescribed_when_taken,
    "opioid_mme_change_28d": _mme_change,
    "opioid_reduction_28d_pct": _reduction("opioid", 28, of_original=True),
    "opioid_step_waited": _step_waited,
    "opioid_reduction_90d_pct": _reduction("opioid", 90),
    "benzodiazepine_reduction_7d_pct": _reduction("benzodiazepine", 7),
    "benzodiazepine_reduction_14d_pct": _reduction("benzodiazepine", 14),
    "gabapentinoid_reduction_7d_pct": _reduction("gabapentinoid", 7),
    **{f"{c}_cut_within_14d": _cut_within_14d(c) for c in DRUG_CLASSES},
    **{f"{c}_use_days": _use_days(c) for c in DRUG_CLASSES},
    "benzodiazepine_fall_28d_pct": _recent_fall("benzodiazepine"),
    **{f"{c}_gap_days": _restart(c, 0) for c in DRUG_CLASSES},
    **{f"{c}_restart_pct": _restart(c, 1) for c in DRUG_CLASSES},
    **{f"{c}_rise_14d_pct": _rise(c) for c in DRUG_CLASSES},
    "opioid_change_14d_pct": _opioid_change,
    "dose_entry_ratio_28d": _entry_ratio,
    "cut_broke_limit": _cut_broke_limit,
    "cut_not_recovered": _cut_not_recovered,
    "cut_felt_severely": _cut_felt_severely,
    "worse_since_taper": _worse_since_taper,
    "pain_nrs_first": _first_weeks("pain_nrs"),
    "function_first": _first_weeks("function"),
    "days_since_reduction": _since_reduction,
    "dose_unchanged_days": _dose_unchanged,
    "missed_checkins_in_row": _missed_in_row,
    "gabapentinoid_dose_mg": _gabapentinoid_mg,
    "gabapentinoid_renal_cap_mg": _renal_cap,
    **{c: partial(_has_class, c) for c in DRUG_CLASSES},
    "morphine": lambda v: v.has("morphine"),
    "methadone": lambda v: v.has("methadone"),
    "serotonergic_opioid": lambda v: v.has(*_SEROTONERGIC),
    "cyp3a4_substrate": lambda v: v.has(*_CYP3A4),
    "cyp2d6_prodrug": lambda v: v.has(*_CYP2D6),
    "seizure_lowering_drug": lambda v: 1.0 if v.has("tramadol") == 1.0 else None,
    "buprenorphine_started_7d": _buprenorphine_started,
    "same_class_overlap": _overlap,
    "pregnant": _pregnant,
    "seizure_history": _seizure_history,
}
"""Computed variables. If a computation gives no value, a report may. Variables that are only reported are absent."""
REPORTED_ONLY: Final = frozenset({"refill_days_early", "missed_visits_14d", "days_at_old_dose_after_step"})
"""Variables that the table derives from orders and visits. No input file holds those; the variables are reported."""
