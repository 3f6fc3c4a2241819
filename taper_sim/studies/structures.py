"""Structural alternatives side by side: one comparison of protocols under other forms of the model, and what turns.

Imports ``comparison``, ``simulation``, ``policies``, ``studies.resumable``. ``python -m taper_sim.studies.structures
--out docs/tables/structures.csv`` resumes an interrupted study.

An alternative changes one assumption of form, by values that the kernel reads anyway: shared coefficients of the
ensemble, and people's own parameters. The kernel is not changed. All alternatives have the same people, the same draws
of the other parameters and the same random numbers. Every pair of protocols is compared as in ``compare``; the table
says which of two protocols is better, and whether this differs from the shipped model. ``shift`` is the change of the
difference against the shipped model, paired by person; its interval is free of the chance that both share.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.array_types import Floats, Ints
from taper_sim.comparison import between_draws, measured_outcomes, outcome_window, outcomes, statistics, tables
from taper_sim.comparison.jobs import SimulationJob
from taper_sim.comparison.preferences import COMPOSITE_WEIGHTS, FULL_STOP, FULL_STOP_KEY, HARM_WEIGHTS
from taper_sim.data import formulary
from taper_sim.model import day, equations, life, pharmacology
from taper_sim.model.compiled import elementary, events, kernel, patient_day, reports, rows
from taper_sim.model.event_parameters import NOISE_SD, PARAMETERS
from taper_sim.model.parameters import BY_SYMBOL
from taper_sim.policies import adaptive, fixed, schedule
from taper_sim.policies.catalogue import build_policy
from taper_sim.provenance import hash_of
from taper_sim.simulation import days, dispensing, enrolment, ensemble, layout, orders_in_force, pending_orders
from taper_sim.simulation.cohort import ClassMargin, Cohort, DrugShare, arrays, sample, sampled
from taper_sim.simulation.ensemble import Ensemble, draw_of, from_prior
from taper_sim.simulation.layout import CarePlan, values_of
from taper_sim.studies.resumable import StudyPiece, run_study
from taper_sim.units import DRUG_CLASSES

STUDY_PEOPLE: Final = 20_000
"""People of the study: 400 under each of the 50 draws."""
STUDY_DAYS: Final = 364
SHIPPED_FORM: Final = "the model"

# The cohort and the care are those of scenarios/ladder_truths.yaml: opioids alone, because the alternatives of the
# drive change the threshold that all classes share; no new physical or psychological therapy with the taper.
_OPIOIDS: Final = (("morphine", "ER", 0.4), ("oxycodone", "ER", 0.3), ("oxycodone", "IR", 0.3))
_MEDIAN_MME, _LOG_SD, _LOW_MME, _HIGH_MME = 90.0, 0.5, 50.0, 300.0
_CARE: Final = CarePlan({"prescriber": 1.0, "pharmacist": 1.0, "nurse": 1.0})
_WEIGHTS: Final = {**COMPOSITE_WEIGHTS, **HARM_WEIGHTS, FULL_STOP_KEY: FULL_STOP}
_RULES: Final = Path(__file__).resolve().parents[2] / "scenarios" / "rules"

COMPARED_PROTOCOLS: Final[Mapping[str, str]] = {
    "hold the dose": "constant()",
    "abrupt stop": "abrupt()",
    "fast linear": "linear(pct=10, every=7)",
    "slow linear": "linear(pct=10, every=28)",
    "hyperbolic": "hyperbolic(steps=12, every=28)",
    "reacting rule": 'adaptive("symptom_guided.yaml")',
}
"""Calls by their names in the table."""
COMPARED_OUTCOMES: Final = (
    "dose_reduction_pct",
    "withdrawal_peak",
    "days_over_limit",
    "pain_nrs_change",
    "function_change",
    "phq9_change",
    "mental_health_crisis",
    "overdose",
    "dropout",
    "return_to_higher_dose",
    "composite",
)
_COLUMNS: Final = [
    "structure",
    "people",
    "outcome",
    "protocol",
    "against",
    "mean",
    "mean_against",
    "difference",
    "lo95",
    "hi95",
    "shift",
    "shift_lo95",
    "shift_hi95",
    "draws",
]
_DIGITS: Final = 4  # significant digits of the table
_NUMBERS: Final = _COLUMNS[5:13]  # rounded in the table

# -- the alternatives --------------------------------------------------------------------------------------------------

_OPIOID: Final = DRUG_CLASSES.index("opioid")
_KEPT_MME: Final = 90.0
"""Dose whose effect has the same strength under every curve, MME a day. Source: A17."""
_EC50_CENTRE: Final = BY_SYMBOL["EC50"].centre("opioid")
_SATURATING_MME, _STRAIGHTER_MME = 30.0, 250.0
"""Centres of EC50 at the ends of the reviewed range, MME. Source: docs/model.md 1."""
_LINEAR_FACTOR: Final = 50.0
"""Factor on EC50 that makes the effect proportional to the dose. A design choice: 2 % of curvature at 90 MME."""
_COUPLINGS: Final = (
    "pain_from_distress",
    "pain_from_insomnia",
    "distress_from_pain",
    "distress_from_insomnia",
    "insomnia_from_distress",
    "insomnia_from_pain",
)

ChangedForm = Callable[[Cohort, Ensemble, int], tuple[Cohort, Ensemble]]
"""Takes people, draws and the seed of the shipped model; returns them as the alternative has them."""


@dataclass(frozen=True)
class StructuralAlternative:
    """Another form of the model: its meaning in words, and how people and draws change."""

    meaning: str
    changed: ChangedForm


def _as_shipped(cohort: Cohort, draws: Ensemble, seed: int) -> tuple[Cohort, Ensemble]:
    return cohort, draws


def _strength_ratio(ec50: Floats, factor: float) -> Floats:
    """Effect of the kept dose at ``ec50`` over its effect at ``factor`` times ``ec50``."""
    return np.asarray((_KEPT_MME + factor * ec50) / (_KEPT_MME + ec50))


def _curve(factor: float) -> ChangedForm:
    """Another curve from dose to effect; what the effect of 90 MME does to a person is kept.

    A17 ties ``sigma`` to ``EC50`` in each draw. Here the rule holds for each person, so that a person at 90 MME has the
    same withdrawal after an abrupt stop under every curve and only its course over the steps differs. The same ratio
    keeps the relief of pain (``alpha``) and, in each draw, the threshold ``delta`` and the risk of lost tolerance with
    its part for sleep-disordered breathing, which is on the scale of the effect.
    """

    def changed(cohort: Cohort, draws: Ensemble, seed: int) -> tuple[Cohort, Ensemble]:
        own = values_of(cohort, draws, seed)
        ec50 = own["EC50"][:, _OPIOID]
        ratio = _strength_ratio(ec50, factor)
        values = {
            "EC50": factor * ec50,
            "sigma": ratio * own["sigma"][:, _OPIOID],
            "alpha": ratio * own["alpha"][:, _OPIOID],
        }
        of_draw = _strength_ratio(draws.values["EC50"][:, _OPIOID], factor)
        shared = {
            "delta": draws.values["delta"] / of_draw,
            "overdose_excess": draws.values["overdose_excess"] * of_draw,
            "excess_apnoea": draws.values["excess_apnoea"] / of_draw,
        }
        return _with_own(cohort, {name: _of_opioid(value) for name, value in values.items()}), _with(draws, shared)

    return changed


def _of_opioid(values: Floats) -> Floats:
    """A value fixed for the opioid, (n, 3); NaN leaves the other classes free."""
    fixed_values = np.full((len(values), len(DRUG_CLASSES)), np.nan)
    fixed_values[:, _OPIOID] = values
    return fixed_values


def _with_own(cohort: Cohort, values: Mapping[str, Floats]) -> Cohort:
    """The cohort with people's own parameters fixed."""
    return replace(cohort, fixed={**cohort.fixed, **values})


def _with(draws: Ensemble, values: Mapping[str, Floats]) -> Ensemble:
    """The ensemble with other centres, each (n_draws,)."""
    return replace(draws, values={**draws.values, **values})


def _shared(**values: float) -> ChangedForm:
    """Coefficients that have one value in all draws."""

    def changed(cohort: Cohort, draws: Ensemble, seed: int) -> tuple[Cohort, Ensemble]:
        return cohort, _with(draws, {name: np.full(draws.n_draws, value) for name, value in values.items()})

    return changed


def _without_life(cohort: Cohort, draws: Ensemble, seed: int) -> tuple[Cohort, Ensemble]:
    """No shocks and no season for anybody, and nobody enrols in a bad time."""
    without_lead = _with(draws, {"lead": np.zeros(draws.n_draws)})
    return _with_own(cohort, {"life": np.zeros(len(cohort))}), without_lead


def _without_lasting_effect(cohort: Cohort, draws: Ensemble, seed: int) -> tuple[Cohort, Ensemble]:
    """A lower dose changes nobody's pain permanently."""
    none = np.zeros((len(cohort), len(DRUG_CLASSES)))
    return _with_own(cohort, {"b": none, "beta": none}), draws


def _without_reaction(cohort: Cohort, draws: Ensemble, seed: int) -> tuple[Cohort, Ensemble]:
    """An announced cut as such is not felt."""
    return _with_own(cohort, {"xi": np.zeros(len(cohort))}), draws


ALTERNATIVES: Final[Mapping[str, StructuralAlternative]] = {
    SHIPPED_FORM: StructuralAlternative("the model as it is, half-maximal effect at 80 MME", _as_shipped),
    "EC50 30": StructuralAlternative(
        "half-maximal effect at 30 MME: equal percentages of the current dose are nearly equal steps of effect",
        _curve(_SATURATING_MME / _EC50_CENTRE),
    ),
    "EC50 250": StructuralAlternative(
        "half-maximal effect at 250 MME: nearer to effect proportional to the dose",
        _curve(_STRAIGHTER_MME / _EC50_CENTRE),
    ),
    "linear in the dose": StructuralAlternative("effect proportional to the dose", _curve(_LINEAR_FACTOR)),
    "no life outside the taper": StructuralAlternative("nothing but the taper moves people", _without_life),
    "no lasting effect": StructuralAlternative("b and beta of everybody are 0", _without_lasting_effect),
    "no reaction to cuts": StructuralAlternative("xi of everybody is 0", _without_reaction),
    "no couplings": StructuralAlternative(
        "pain, distress and insomnia do not act on one another", _shared(**dict.fromkeys(_COUPLINGS, 0.0))
    ),
    "causal share 0": StructuralAlternative("recent cuts as such cause no event", _shared(causal_share=0.0)),
    "causal share 0.5": StructuralAlternative(
        "half of an association with recent cuts is causal", _shared(causal_share=0.5)
    ),
    "causal share 1": StructuralAlternative("the whole of it is causal", _shared(causal_share=1.0)),
}
"""Alternatives by their names in the table, the shipped form first."""

# -- the comparison ----------------------------------------------------------------------------------------------------


@cache
def _people(n: int, seed: int) -> Cohort:
    """People on stable daily opioids."""
    mix = tuple(DrugShare(formulary.find_drug(name, form), share) for name, form, share in _OPIOIDS)
    margin = ClassMargin(1.0, mix, _MEDIAN_MME, _LOG_SD, _LOW_MME, _HIGH_MME)
    return sample(n, seed, {"opioid": margin}, description="stable daily opioids of 50 MME and more")


def measured(structure: str, call: str, n_people: int, seed: int, n_days: int = STUDY_DAYS) -> Mapping[str, Floats]:
    """One number per person of every outcome, (n,), under one alternative and one protocol."""
    drawn = from_prior(seed, _n_draws(n_people))
    cohort, draws = ALTERNATIVES[structure].changed(_people(n_people, seed), drawn, seed)
    policy = build_policy(call, file="taper_sim.studies.structures", folder=_RULES)
    everyone = np.arange(n_people)
    job = SimulationJob(everyone, cohort, policy, _CARE, draws, seed, n_days, _WEIGHTS, (), n_people)
    return job.run().columns


def _n_draws(n_people: int) -> int:
    return min(ensemble.ENSEMBLE_DRAWS, n_people)


@cache  # every alternative is compared with the shipped form
def _of_shipped(n_people: int, seed: int, n_days: int) -> Mapping[str, Mapping[str, Floats]]:
    """Outcomes of every protocol under the shipped form."""
    return {name: measured(SHIPPED_FORM, call, n_people, seed, n_days) for name, call in COMPARED_PROTOCOLS.items()}


def compared(piece: StudyPiece, n_people: int, seed: int, n_days: int = STUDY_DAYS) -> Iterator[tuple[Any, ...]]:
    """Rows of one alternative: every outcome of every pair of protocols.

    Parameters
    ----------
    piece : tuple
        Name of the alternative, and number of people, so that rows of another size are not reused.
    n_people : int
    seed : int
    n_days : int, optional
    """
    structure = str(piece[0])
    shipped = _of_shipped(n_people, seed, n_days)
    read = {name: measured(structure, call, n_people, seed, n_days) for name, call in COMPARED_PROTOCOLS.items()}
    n_draws = _n_draws(n_people)
    draw, groups = draw_of(_people(n_people, seed).keys, n_draws), {"all": np.ones(n_people, dtype=bool)}
    chosen = [outcomes.BY_NAME[name] for name in COMPARED_OUTCOMES]
    means = {
        (name, row["outcome"]): row["mean"]
        for name in COMPARED_PROTOCOLS
        for row in tables.summary_rows(name, chosen, read[name], draw, groups, calibrated=False)
    }
    for against, protocol in combinations(COMPARED_PROTOCOLS, 2):
        for row in tables.difference_rows(protocol, against, chosen, read, draw, groups):
            outcome = str(row["outcome"])
            if outcome in COMPARED_OUTCOMES:
                pair = (means[protocol, outcome], means[against, outcome])
                own, of_shipped = (_differences(form, protocol, against, outcome) for form in (read, shipped))
                numbers = (*pair, row["mean"], row["lo95"], row["hi95"], *shift_of(own - of_shipped, draw))
                yield (structure, n_people, outcome, protocol, against, *numbers, n_draws)


def _differences(read: Mapping[str, Mapping[str, Floats]], protocol: str, against: str, outcome: str) -> Floats:
    """Differences of two protocols, (n,); of expected events where the simulation has them."""
    beyond = outcome + outcomes.BEYOND_EXPECTED
    one, other = (read[name][outcome] - read[name].get(beyond, 0.0) for name in (protocol, against))
    return np.asarray(one - other)


def shift_of(change: Floats, draw: Ints) -> tuple[float, float, float]:
    """Mean change of a difference against the shipped form, with its 95 % interval.

    Parameters
    ----------
    change : ndarray, (n,)
        Change of each person, NaN where one of the four courses has no value.
    draw : ndarray of int, (n,)
    """
    present = ~np.isnan(change)
    if present.sum() < tables.SMALLEST_CELL:
        return np.nan, np.nan, np.nan
    over = statistics.over_draws(change[present], draw[present])
    low, high = statistics.mixture_quantiles([over], statistics.ENDS_95)[0]
    return over.mean, float(low), float(high)


# -- the table ---------------------------------------------------------------------------------------------------------


def readings(rows_of_pairs: pd.DataFrame) -> pd.Series:
    """Whether the protocol is ``better`` or ``worse`` than the other, by its 95 % interval.

    ``open``: the interval contains 0. ``few``: there is no interval, because too few people have the event.
    """
    direction = rows_of_pairs["outcome"].map(lambda name: outcomes.BY_NAME[name].direction)
    sign = np.where(direction == "higher", 1.0, -1.0)
    low, high = rows_of_pairs["lo95"] * sign, rows_of_pairs["hi95"] * sign
    decided = [low.isna(), (low > 0.0) & (high > 0.0), (low < 0.0) & (high < 0.0)]
    return pd.Series(np.select(decided, ["few", "better", "worse"], "open"), index=rows_of_pairs.index)


def turns(reading: pd.Series, shipped: pd.Series) -> pd.Series:
    """What an alternative does to a conclusion of the shipped model, from the two readings of each row.

    ``no``: nothing. ``reversed``: better becomes worse, or the other way round. ``opened``: a difference is no longer
    distinguished from 0. ``settled``: an open difference is decided. ``unknown``: one of the two has no interval.
    """
    same, few = reading == shipped, (reading == "few") | (shipped == "few")
    kinds = [same, few, reading == "open", shipped == "open"]
    return pd.Series(np.select(kinds, ["no", "unknown", "opened", "settled"], "reversed"), index=reading.index)


def summary(rows_of_pairs: pd.DataFrame) -> pd.DataFrame:
    """The table: readings, turns and the hash of the code added; each number of people has its own shipped form."""
    table = rows_of_pairs.assign(reading=readings(rows_of_pairs))
    key = ["people", "outcome", "protocol", "against"]
    shipped = table[table["structure"] == SHIPPED_FORM].set_index(key)["reading"]
    of_shipped = pd.Series(shipped.loc[list(table[key].itertuples(index=False, name=None))].to_numpy(), table.index)
    table["turns"] = turns(table["reading"], of_shipped)
    for column in _NUMBERS:
        table[column] = [float(f"{value:.{_DIGITS}g}") for value in table[column]]
    return table.assign(code=code_hash())


def pieces(n_people: int) -> list[StudyPiece]:
    """Every alternative, with the number of people."""
    return [(name, n_people) for name in ALTERNATIVES]


@cache
def code_hash() -> str:
    """Short hash of the code and the numbers of the table; a table of other code must be computed again."""
    of_parameters = [(q.value, q.spread, q.prior_sd, q.buprenorphine or 0.0) for q in PARAMETERS]
    numbers = [np.array([x for q in of_parameters for value in q for x in _numbers(value)])]
    numbers.append(np.array(list(NOISE_SD.values())))
    cohort = _people(64, 1)
    numbers += [np.ravel(cohort.dose), np.ravel(cohort.half_life_h), np.ravel(cohort.trough_mean)]
    of_model = (equations, day, life, pharmacology, elementary, events, kernel, patient_day, reports, rows)
    of_run = (days, dispensing, enrolment, ensemble, layout, orders_in_force, pending_orders, arrays, sampled)
    of_policies = (adaptive, fixed, schedule)
    of_outcomes = (outcome_window.OutcomeWindow, outcomes.composite, measured_outcomes.beyond_expected)
    of_tables = (between_draws, statistics, tables.TableCell, tables.summary_rows, tables.difference_rows)
    return hash_of(
        *of_model,
        *of_run,
        *of_policies,
        *of_outcomes,
        *of_tables,
        sys.modules[__name__],
        numbers=np.concatenate(numbers),
        also=" ".join(f"{q.symbol} {q.scale}" for q in PARAMETERS)
        + (_RULES / "symptom_guided.yaml").read_text(encoding="utf-8"),
    )


def _numbers(value: Any) -> list[float]:
    """The numbers of a parameter: one, or one for each class."""
    return [float(x) for x in value.values()] if isinstance(value, Mapping) else [float(value)]


if __name__ == "__main__":
    run_study(str(__doc__), "run-structures", STUDY_PEOPLE, _COLUMNS, pieces, compared, summary, code_hash())
