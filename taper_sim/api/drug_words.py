"""Drugs and doses of a cohort from text and numbers. Imports ``data.formulary``, ``simulation.cohort``.

``"oxycodone ER"`` or ``"oxycodone"`` and ``"ER"``; doses in mg a day of that drug, mcg/h of a patch, or equivalents.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from taper_sim.data import formulary
from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.data.yaml_input import divided
from taper_sim.model.parameters import MEDIAN_USE_DAYS
from taper_sim.model.pharmacology import Drug
from taper_sim.simulation.cohort import ClassMargin, DrugShare

PEOPLE: Final = "people"
"""File that problems name."""
DOSES: Final = ("mg_per_day", "mme_per_day", "mcg_per_h")
_KEYS: Final = ("drug", "formulation", *DOSES, "share")
_NOT_ORAL: Final = ("TD", "buccal", "SL")
_SPREAD_SDS: Final = 4.0  # a pair of doses is taken as the middle 95 % of a log-normal, cut at both


def find_drug(name: str, formulation: str | None, place: str) -> Drug:
    """Drug of a name, whose formulation is in the name, in ``formulation``, or the default.

    The default is the immediate-release formulation if it is the drug's only oral formulation.

    Raises
    ------
    InputError
        For an unknown drug or formulation, or a missing formulation without a default.
    """
    by_name: dict[str, list[Drug]] = {}
    for drug in formulary.formulary().values():
        by_name.setdefault(drug.drug, []).append(drug)
    words = name.split()
    lengths = [k for k in range(len(words), 0, -1) if " ".join(words[:k]).lower() in by_name]
    if not lengths:
        given = f"{shown(name)}, which is not in the formulary{nearest(' '.join(words[:1]).lower(), by_name)}"
        raise InputError(Problem(PEOPLE, place, given, ", ".join(by_name)))
    known, rest = " ".join(words[: lengths[0]]).lower(), " ".join(words[lengths[0] :]) or None
    if rest is not None and formulation is not None and rest.lower() != formulation.lower():
        raise problem(PEOPLE, place, f"{rest} in the drug's name and formulation {formulation}", "one of the two")
    form_name = rest or formulation
    forms = by_name[known]
    if form_name is None and len(forms) > 1:
        swallowed = [drug for drug in forms if not drug.formulation.startswith(_NOT_ORAL)]
        if len(swallowed) != 1 or not swallowed[0].formulation.startswith("IR"):
            allowed = " or ".join(f'"{" ".join(drug.key)}"' for drug in forms)
            raise InputError(Problem(PEOPLE, place, f"{known} without a formulation", allowed))
        return swallowed[0]
    try:
        return formulary.find_drug(known, form_name)
    except ValueError as error:
        raise InputError(Problem(PEOPLE, place, *divided(str(error), "a drug of `taper-sim drugs`"))) from None


def class_of(given: Mapping[str, Any], place: str, use_days: float | None = None) -> tuple[str, ClassMargin]:
    """Class and margin of keys such as ``drug``, ``mg_per_day`` and ``share``.

    Parameters
    ----------
    given : mapping
        ``drug`` (text, or a mapping of text to share), ``formulation``, one of ``mg_per_day``, ``mme_per_day`` and
        ``mcg_per_h`` (a number for everybody, or the least and the most), ``share`` of people who take the drug.
    place : str
        Place that problems name.
    use_days : float, optional
        Days of use before the start, for everybody; sampled if omitted.
    """
    unknown = [key for key in given if key not in _KEYS]
    if unknown:
        raise InputError(
            Problem(PEOPLE, f"{place}.{key}", f"an unknown key{nearest(key, _KEYS)}", ", ".join(_KEYS))
            for key in unknown
        )
    name = given.get("drug")
    if not isinstance(name, str | Mapping) or not name:
        allowed = 'a name such as "oxycodone ER", or shares such as {"morphine ER": 0.6, "oxycodone IR": 0.4}'
        raise problem(PEOPLE, f"{place}.drug", name if name is not None else "nothing", allowed)
    shares = {name: 1.0} if isinstance(name, str) else {str(k): _number(v, place, "drug") for k, v in name.items()}
    mix = tuple(DrugShare(find_drug(text, given.get("formulation"), place), share) for text, share in shares.items())
    classes = {entry.drug.drug_class for entry in mix}
    if len(classes) > 1:
        raise problem(PEOPLE, f"{place}.drug", f"drugs of {' and '.join(sorted(classes))}", "drugs of one class")
    low, high = _equivalents(given, mix, place)
    share = _number(given.get("share", 1.0), place, "share")
    if not 0 <= share <= 1:
        raise problem(PEOPLE, f"{place}.share", share, "0 to 1")
    middle, spread = math.sqrt(low * high), math.log(high / low) / _SPREAD_SDS
    days = {} if use_days is None else {"use_days_median": use_days, "use_days_log_sd": 0.0}
    return mix[0].drug.drug_class, ClassMargin(
        share, mix, min(max(middle, low), high), spread, low, high, **({"use_days_median": MEDIAN_USE_DAYS} | days)
    )


def _number(value: Any, place: str, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise problem(PEOPLE, f"{place}.{key}", value, "a number")
    return float(value)


def _equivalents(given: Mapping[str, Any], mix: tuple[DrugShare, ...], place: str) -> tuple[float, float]:
    """Least and most equivalents a day."""
    dose_keys = [key for key in DOSES if given.get(key) is not None]
    right = "mcg_per_h" if mix[0].drug.is_patch else "mg_per_day"
    if len(dose_keys) != 1:
        allowed = f"one of {right} and mme_per_day"
        raise problem(PEOPLE, place, " and ".join(dose_keys) if dose_keys else "no dose", allowed)
    key = dose_keys[0]
    value = given[key]
    pair = value if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2:
        raise problem(PEOPLE, f"{place}.{key}", value, "a number, or a pair: the least and the most")
    low, high = (_number(end, place, key) for end in pair)
    if not 0 < low <= high:
        raise problem(PEOPLE, f"{place}.{key}", value, "above 0, the least before the most")
    if key != "mme_per_day" and len(mix) > 1:
        raise problem(PEOPLE, f"{place}.{key}", "one dose for several drugs", "mme_per_day, which several drugs share")
    ends = []
    for end in (low, high):
        for entry in mix:
            if key == "mme_per_day":
                if entry.drug.is_buprenorphine:
                    given_ = f"{' '.join(entry.drug.key)}, which has no equivalence factor"
                    raise InputError(Problem(PEOPLE, f"{place}.{key}", given_, f"{right}, on its own scale"))
                amount = end
            else:
                arguments = {"dose_mcg_per_h" if key == "mcg_per_h" else "dose_mg_per_day": end}
                try:
                    dose = formulary.validate_dose(entry.drug, **arguments)
                    amount = formulary.equivalents(entry.drug, dose)
                except ValueError as error:
                    problem_, allowed = divided(str(error), f"{right} of `taper-sim drugs`")
                    allowed = allowed.replace("dose_mg_per_day", "mg_per_day").replace("dose_mcg_per_h", "mcg_per_h")
                    raise InputError(Problem(PEOPLE, f"{place}.{key}", problem_, allowed)) from None
        if amount > formulary.MAX_DOSE[mix[0].drug.drug_class]:
            raise problem(PEOPLE, f"{place}.{key}", end, f"at most {formulary.MAX_DOSE[mix[0].drug.drug_class]:g}")
        ends.append(amount)
    return ends[0], ends[1]
