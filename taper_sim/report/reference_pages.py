"""docs/parameters.md and docs/outcomes.md, generated from the tables in the code. Imports ``outcomes``, ``model``.

``python -m taper_sim.report.reference_pages docs`` writes both, and puts the tables' values behind the symbols in
docs/model.md and docs/assumptions.md (:func:`refreshed`). tests/report/test_reference_pages.py finds pages out of step.
"""

import math
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from taper_sim.comparison.outcomes import COMPOSITE, OUTCOMES, Outcome
from taper_sim.comparison.preferences import COMPOSITE_WEIGHTS, FULL_STOP, HARM_WEIGHTS
from taper_sim.model.event_parameters import CHANCE_TABLE, STREAMS
from taper_sim.model.parameters import (
    BASELINE_LIMITS,
    FAILED_TAPERS_COUNTED,
    MEDIAN_USE_DAYS,
    TABLE,
    Baseline,
    Parameter,
)
from taper_sim.report.calibration_tables import with_tables
from taper_sim.report.listings import markdown_table
from taper_sim.run_folder import write_text
from taper_sim.simulation.ensemble import ENSEMBLE_DRAWS
from taper_sim.simulation.layout import RATED_DOSE_MME
from taper_sim.units import DRUG_CLASSES, VELOCITY_MONTH_D

_COMMAND: Final = "python -m taper_sim.report.reference_pages docs"
_REFRESHED: Final = ("model.md", "assumptions.md")
_BY_SYMBOL: Final = {q.symbol: q for q in (*TABLE, *CHANCE_TABLE)}
_NUMBER: Final = r"−?\d+(?:\.\d+)?"
_SYMBOL_AND_NUMBER: Final = re.compile(rf"`(?P<symbol>\w+)`(?P<space>\s+){_NUMBER}(?: · {_NUMBER})*")
_MADE: Final = f"`{_COMMAND}` writes this page from the tables in the code; change the tables."


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def _three(values: Sequence[float]) -> str:
    """Values by drug class; one value if all are equal."""
    shown = [_number(value) for value in values]
    return shown[0] if len(set(shown)) == 1 else " · ".join(shown)


def linked(source: str) -> str:
    """A source with links to its assumptions and pages."""
    source = re.sub(r"\bdocs/(\w+)\.md", r"[\1](\1.md)", source)
    source = re.sub(r"\bA(\d+)\b", r"[A\1](assumptions.md#a\1)", source)
    return re.sub(r"\bE(\d{3})\b", r"[E\1](assumptions.md#published-results-by-number)", source)


def _value(q: Parameter) -> str:
    shown = _three([q.centre(c) for c in DRUG_CLASSES]) if q.per_class else _number(q.centre())
    return shown if q.buprenorphine is None else f"{shown} (buprenorphine {_number(q.buprenorphine)})"


def refreshed(text: str) -> str:
    """The text with the centre of each parameter after its symbol in code marks."""

    def value(match: re.Match[str]) -> str:
        q = _BY_SYMBOL.get(match["symbol"])
        if q is None:
            return match[0]
        centre = _three([q.centre(c) for c in DRUG_CLASSES]) if q.per_class else _number(q.centre())
        return f"`{q.symbol}`{match['space']}{centre}"

    return _SYMBOL_AND_NUMBER.sub(value, text)


def _spread(q: Parameter) -> str:
    sds = [q.between_people(c) for c in DRUG_CLASSES]
    return f"{_three(sds)} {q.scale}" if any(sds) else "none"


def _prior(q: Parameter) -> str:
    return f"{_number(q.prior_sd)} {q.scale}" if q.prior_sd else "held"


def _parameter_lines(rows: Iterable[Parameter]) -> Iterable[Sequence[str]]:
    for q in rows:
        yield f"`{q.symbol}`", q.meaning, q.unit, _value(q), _spread(q), _prior(q), linked(q.source)


def _rate_lines() -> Iterable[Sequence[str]]:
    """Rates and probabilities of the median person, without withdrawal or other change."""
    v = {symbol: q.centre() for symbol, q in _BY_SYMBOL.items() if not q.per_class}
    median = Baseline()
    hazards = (
        ("dropout", v["leave_programme"], ""),
        ("return to a higher dose", v["return_0"], "below the baseline dose"),
        ("lapse", v["lapse_0"] + v["lapse_c"] * median.craving, "days"),
        ("mental-health crisis", v["crisis_0"], ""),
        ("mental-health crisis", v["crisis_0"] + v["crisis_mood"], "mood disorder or PTSD"),
        ("overdose", v["overdose_0"], f"{_number(RATED_DOSE_MME)} MME, no flag, no sedative"),
        ("overdose", v["overdose_0"] + v["overdose_oud"], "the same with OUD"),
        ("seizure or delirium", v["seizure_0"], ""),
        ("urgent visit", v["urgent_0"], "not for withdrawal"),
        ("visit coded as withdrawal", v["visit_0"], ""),
    )
    for event, log_hazard, condition in hazards:
        yield event, condition, f"{36500 * math.exp(log_hazard):.3g} a 100 person-years"
    noshow = v["noshow_0"] - v["noshow_n"] * median.engagement
    odds = (
        ("missed check-in", v["miss_0"], "after an answered one"),
        ("missed check-in", v["miss_0"] + v["miss_missed"], "after a missed one"),
        ("missed visit", noshow, "after a kept one"),
        ("missed visit", noshow + v["noshow_missed"], "after a missed one"),
    )
    for event, logit, condition in odds:
        yield event, condition, f"{1 / (1 + math.exp(-logit)):.2f}"


def parameters_page() -> str:
    """Text of docs/parameters.md."""
    header = ("symbol", "meaning", "unit", "centre", "sd between people", "prior sd of the centre", "source")
    baseline = Baseline()
    streams = [
        (
            f"`{s.instrument}`",
            _number(s.white),
            _number(s.slow),
            _number(s.tau_d),
            _number(s.shared),
            f"{s.low:g} to {s.high:g}",
            linked(s.source),
        )
        for s in STREAMS
    ]
    start = [
        (f"`{name}`", _number(getattr(baseline, name)), f"{low:g} to {high:g}")
        for name, (low, high) in BASELINE_LIMITS.items()
    ]
    return f"""# Parameters

This page is for readers who need the value, spread, prior or source of a parameter.
{_MADE}

[The model](model.md) defines the symbols. Three values belong to opioid · benzodiazepine · gabapentinoid; one value
holds for all. The *centre* is the value of the median person. *Between people* is the standard deviation of a person's
value around the centre. The *prior of the centre* is the uncertainty of the centre itself. A run draws it once for each
of its draws ({ENSEMBLE_DRAWS} by default). `log` is an sd of the natural logarithm, so 0.3 is about ± 30 %. `linear` is
an sd in the unit of the parameter. A `log` prior keeps the sign. Shares are limited to 0.02 to 0.98. A source such as
[A7](assumptions.md#a7) is a numbered assumption, E064 a [published result](assumptions.md#published-results-by-number).

## Medicines and the person

{markdown_table(header, _parameter_lines(TABLE))}

`effect_half_life_h` (h) and `trough_mean` (share) belong to the formulation: `taper_sim/tables/drugs.csv` has a row for
each drug and formulation, with its source. At most {FAILED_TAPERS_COUNTED} earlier failed tapers raise `sigma`.

## Events, check-ins and visits

A log daily hazard c is a rate of 36,500 · e^c events a 100 person-years before its covariates. `overdose_0` is the
value at {_number(RATED_DOSE_MME)} MME.

{markdown_table(header, _parameter_lines(CHANCE_TABLE))}

### Rates of the median person

The table has the fixed parts at the centres, on a steady dose, without withdrawal, without distress or pain above the
start, and without barriers and help. A cohort has flags and sedatives, and therefore higher rates.

{markdown_table(("event", "condition", "rate or probability"), _rate_lines())}

## Noise of the reports

`white` and `slow` are standard deviations on the scale of the instrument (log(1 + score) for `sows_gossop` and
`withdrawal_item`, log for `steps`). `shared` is the share of the white sd that belongs to a day's common factor.

{markdown_table(("instrument", "white sd", "slow sd", "slow time, d", "shared", "scale", "source"), streams)}

## State at the start, median person

These values replace keys that a patient's file omits ([A3](assumptions.md#a3)).
Days of use: {_number(MEDIAN_USE_DAYS)}.

{markdown_table(("name", "value", "scale"), start)}
"""


def _outcome_line(outcome: Outcome) -> Sequence[str]:
    important = "any" if outcome.important is None else _number(outcome.important)
    return (
        f"`{outcome.name}`",
        outcome.meaning,
        outcome.unit,
        outcome.direction,
        important,
        "yes" if outcome.tail else "no",
        linked(outcome.source),
    )


def outcomes_page() -> str:
    """Text of docs/outcomes.md."""
    header = ("name", "meaning", "unit", "better", "smallest important difference", "worst 5 %", "source")
    weights = ", ".join(f"{name} {weight:g}" for name, weight in COMPOSITE_WEIGHTS.items())
    harms = ", ".join(f"{name} {weight:g}" for name, weight in HARM_WEIGHTS.items())
    return f"""# Outcomes

This page is for readers who choose or interpret outcomes.
{_MADE}

An outcome is one number for each patient. `summary.csv` has its mean over patients. `differences.csv` has the mean of
the difference between two protocols on the same people.

{markdown_table(header, (_outcome_line(outcome) for outcome in (*OUTCOMES, COMPOSITE)))}

## Definitions

- **Change** is last day minus day 0. Less pain is negative.
- **Share of people** is 1 or 0 for one patient; its mean is a proportion.
- **The class of dose outcomes** is the tapered class: the first taken of opioid, benzodiazepine and gabapentinoid.
  `…_mme` of another class is in that class's own equivalents, and of buprenorphine in its own mg.
- **Dose at the end** is the prescribed dose. **Exposure** is the dose taken, lapses included.
- **The fastest month** compares mean prescribed doses of periods of {VELOCITY_MONTH_D} days from day 1, as claims
  studies do; day 0 is the period before the first.
- **Deaths.** Sums and means cover the days lived. Values of the last day are missing.
- **Missing values** are left out, never taken as zero; `n` in the tables is the number of people with a value.
  `time_to_discontinuation_d` exists only for people who reach dose 0, so the means of two protocols are over different
  people. The difference is over people who reach it under both.
- **Smallest important difference.** `share_better` and `share_worse` count people whose difference exceeds it; with
  `any`, every difference counts. It is not a threshold of significance.
- **Intervals** cover the parameters and the number of people. `interval_method` names their sources, and
  `interval_reason` says why a number has none ([intervals](how-to/intervals.md)).
- **Worst 5 %.** If the table has yes, there is a second row `…_cvar95`, the mean of the 5 % largest values. Large is
  worse for all of them.
- **Withdrawal scores** (`withdrawal_sows_gossop`, `_cows`, `_bwsq`, `_pwc`) are means of the model's expected values,
  without the noise of a report.
- **The composite** is a value judgement ([A70](assumptions.md#a70)). It is the weighted mean of the changes of pain,
  function, mood and medication load, each in smallest important differences (1 point, 10 points, 5 points of PHQ-9; a
  full stop of the medicine counts as {FULL_STOP:g}), plus the harms: so many important differences for a person with
  one of them. Weights: {weights}. Harms: {harms}.
  A scenario gives others under `composite`, and the worth of a full stop under `full_stop_worth`. It may add the harms
  `withdrawal` (for each 7 days in strong withdrawal) and `return` (to a higher dose). A person who died counts the
  death and no change of the loads. Nothing is ranked unless the scenario states whose weights these are, under
  `weights_of` ([ranking](report.md#the-committees-brief)). In a clinic run the composite has no harms, because a panel
  has too few deaths. Report the parts too.
- **Overdose in two parts.** `overdose_expected_dose` and `overdose_expected_tolerance` are expected numbers: the part
  from the dose, and the part from an effect beyond respiratory tolerance. Published studies disagree in sign, and the
  sum alone would hide this. Both rest on [A5](assumptions.md#a5) and [A10](assumptions.md#a10).
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write both pages into a folder, and update the values in its other pages."""
    folders = list(sys.argv[1:] if arguments is None else arguments)
    if len(folders) != 1:
        print(f"usage: {_COMMAND}", file=sys.stderr)
        return 2
    folder = Path(folders[0])
    write_text(folder / "parameters.md", parameters_page())
    write_text(folder / "outcomes.md", outcomes_page())
    for page in (folder / name for name in _REFRESHED):
        if page.exists():
            write_text(page, refreshed(page.read_text(encoding="utf-8")))
    page = folder / "calibration.md"
    if page.exists():
        write_text(page, with_tables(page.read_text(encoding="utf-8"), folder / "tables"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
