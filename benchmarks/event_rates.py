"""Rates of events: simulated at the centres of the priors, and published.

``python -m benchmarks.event_rates`` prints the table; ``--out docs/events.md`` writes the page. About two minutes on
one core. Overdose rates are expected rates (sums of hazards over days), with little Monte Carlo error; the others are
counts, with 95 % intervals for counts. No program fits them: the values of ``taper_sim.model.event_parameters`` were
set by hand from this table.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from taper_sim.array_types import Floats
from taper_sim.model.compiled import rows
from taper_sim.policies.catalogue import build_policy
from taper_sim.policies.interface import Observation, Order, Patients, Policy
from taper_sim.policies.modified import adjunct
from taper_sim.scenario.building import build_cohort, read_scenario
from taper_sim.scenario.schema import CohortEntry
from taper_sim.simulation import days
from taper_sim.simulation.cohort import Cohort
from taper_sim.simulation.days import Trajectory
from taper_sim.simulation.ensemble import Ensemble, from_prior
from taper_sim.simulation.layout import CarePlan

SEED = 20260101
SCENARIO = Path(__file__).parent.parent / "scenarios" / "first_comparison.yaml"
NEVER = float("nan")
USUAL_CARE = CarePlan({"prescriber": 1.0}, 28.0, NEVER, setting="usual_care")
WARD = replace(USUAL_CARE, setting="ward")
PROGRAMME = CarePlan(dict.fromkeys(("prescriber", "pharmacist", "pt", "psychologist", "nurse"), 1.0), 7.0, 1.0)
OPIOID_MIX: list[dict[str, Any]] = [
    {"drug": "oxycodone", "formulation": "IR", "share": 0.5},
    {"drug": "morphine", "formulation": "ER", "share": 0.5},
]


@dataclass(frozen=True)
class ClaimsTaper(Policy):
    """A taper as claims show it: everybody has a pace and an end of the own.

    ``pct`` of the original dose is cut every 28 days until ``floor`` (a share) is reached. Source: pace E011, median
    22.7 % a month, quartiles 15 and 41.3; a fifth end in stopping (E012), the others at 30 to 85 % (assumption).
    """

    pct: Floats
    floor: Floats

    @property
    def name(self) -> str:
        """What it is."""
        return "as in claims"

    def decision_days(self, n_days: int) -> Sequence[int]:
        """Every 28 days."""
        return range(1, n_days + 1, 28)

    def start(self, patients: Patients) -> Any:
        """Nothing to remember."""
        return None

    def decide(self, memory: Any, observation: Observation) -> Order:
        """Cut the opioid by the own pace, the rest stays."""
        share = np.ones_like(observation.dose_fraction)
        step = (observation.day - 1) // 28 + 1
        share[:, 0] = np.maximum(1.0 - step * self.pct / 100.0, self.floor)
        return Order(share)


def claims_taper(n: int) -> ClaimsTaper:
    """Paces and ends of n people."""
    rng = np.random.default_rng(SEED)
    pct = np.clip(22.7 * np.exp(0.75 * rng.standard_normal(n)), 5.0, 100.0)
    floor = np.where(rng.random(n) < 0.205, 0.0, rng.uniform(0.30, 0.85, n))
    return ClaimsTaper(pct, floor)


# -- the cohorts -------------------------------------------------------------------------------------------------------


def cohort_of(n: int, *, shares: Mapping[str, float] | None = None, classes: Mapping[str, Any] | None = None) -> Cohort:
    """The default opioid cohort of scenarios/first_comparison.yaml, with other shares of flags or other medicines.

    Parameters
    ----------
    n : int
        People.
    shares : mapping of flag to share, optional
        Instead of the default ones.
    classes : mapping of drug class to changes, optional
        Keys of the scenario's ``classes`` that differ; None in place of the changes leaves a class out.
    """
    content = read_scenario(SCENARIO).cohort.model_dump()
    content["patients"] = n
    content["shares"] = {**content["shares"], **(shares or {})}
    for name, changes in (classes or {}).items():
        if changes is None:
            content["classes"].pop(name, None)
        else:
            content["classes"][name] = {**content["classes"].get(name, {}), **changes}
    return build_cohort(CohortEntry.model_validate(content), SEED, SCENARIO.parent)


NO_FLAGS = dict.fromkeys(
    ("ptsd", "oud", "earlier_overdose", "earlier_seizure", "sleep_apnoea", "renal_impairment"), 0.0
)


def without_mood_disorder(cohort: Cohort) -> Cohort:
    """The same people, none of whom counts as having a mood disorder."""
    return replace(cohort, flags={**cohort.flags, "mood_disorder": np.zeros(len(cohort), dtype=bool)})


def opioid_between(low: float, high: float) -> dict[str, Any]:
    """An opioid dose spread evenly enough over a band of MME, in tablets of two drugs."""
    return {
        "dose_median": (low * high) ** 0.5,
        "dose_log_sd": 0.3,
        "dose_low": low,
        "dose_high": high,
        "mix": OPIOID_MIX,
    }


# -- what is measured --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """One row of the table."""

    what: str
    published: str
    simulated: str
    note: str
    source: str


class Bench:
    """Runs courses on one ensemble and remembers them by name."""

    def __init__(self, n: int, ensemble: Ensemble | None = None):
        self.n = n
        self.ensemble = ensemble or from_prior(SEED, 1)

    def run(
        self, cohort: Cohort, policy: Policy | str, n_days: int, care: CarePlan = USUAL_CARE, look: Sequence[int] = ()
    ) -> Trajectory:
        """One course."""
        built = build_policy(policy, file="benchmark") if isinstance(policy, str) else policy
        return days.run(cohort, built, self.ensemble, SEED, n_days, care, look_days=look)


def count_rate(course: Trajectory, *sums: int, day: int | None = None) -> tuple[float, float]:
    """Events per 100 person-years and half the width of their 95 % interval."""
    at = course.sums[day or course.n_days]
    years = at[rows.DAYS].sum() / 365.25
    events = sum(float(at[row].sum()) for row in sums)
    return 100.0 * events / years, 196.0 * np.sqrt(max(events, 1.0)) / years


def overdose_rate(course: Trajectory, first: int = 0, last: int | None = None, who: Any = slice(None)) -> float:
    """Expected overdoses per 100 person-years over days first + 1 to last."""
    end = course.sums[last or course.n_days]

    def over(row: int) -> float:
        before = course.sums[first][row][who].sum() if first else 0.0
        return float(end[row][who].sum() - before)

    return 100.0 * over(rows.EXPECTED_OVERDOSES) / (over(rows.DAYS) / 365.25)


def share(values: Any) -> tuple[float, float]:
    """Percent of people and half the width of its 95 % interval."""
    x = np.asarray(values, dtype=np.float64)
    return 100.0 * x.mean(), 196.0 * np.sqrt(max(x.mean() * (1 - x.mean()), 1 / len(x)) / len(x))


def event_or_attempt(course: Trajectory) -> Any:
    """Who had an overdose or a suicide attempt."""
    end = course.sums[course.n_days]
    return (end[rows.OVERDOSES] + end[rows.ATTEMPTS]) > 0


def left(course: Trajectory, by: int | None = None) -> Any:
    """Who has left the programme by a day."""
    day = course.end[rows.DROPOUT_DAY]
    return (day > 0) & (day <= (by or course.n_days))


def pm(pair: tuple[float, float], unit: str = "") -> str:
    """A number with its half-width."""
    return f"{pair[0]:.2f}{unit} ± {pair[1]:.2f}"


def odds_ratio(a: Any, b: Any) -> float:
    """Odds ratio of two arms of the same people."""
    p, q = float(np.mean(a)), float(np.mean(b))
    return p / (1 - p) / (q / (1 - q))


# -- the rows ----------------------------------------------------------------------------------------------------------


def dose_bands(bench: Bench) -> list[Measured]:
    """Overdose by dose at a steady dose."""
    found = []
    for low, high, published in ((5.0, 20.0, "0.2"), (50.0, 99.0, "0.7"), (100.0, 240.0, "1.8")):
        alone = {"opioid": opioid_between(low, high), "benzodiazepine": None, "gabapentinoid": None}
        plain = without_mood_disorder(cohort_of(bench.n // 4, shares=NO_FLAGS, classes=alone))
        mixed = cohort_of(bench.n // 4, classes={"opioid": opioid_between(low, high)})
        rates = [overdose_rate(bench.run(cohort, "constant()", 364)) for cohort in (plain, mixed)]
        found.append(
            Measured(
                f"overdose per 100 person-years at {low:.0f} to {high:.0f} MME, steady dose",
                published,
                f"{rates[0]:.2f} without, {rates[1]:.2f} with",
                "without and with the flags and the sedatives of the default cohort; Dunn's people had both",
                "Dunn 2010",
            )
        )
    return found


def co_use(bench: Bench) -> list[Measured]:
    """Overdose with a second sedative, the same people with and without it."""
    found = []
    for name, other, published, note, source in (
        (
            "benzodiazepine",
            "gabapentinoid",
            "2.14 (1.81 in chronic users)",
            "claims ratio: cause and selection",
            "E053, E072",
        ),
        ("gabapentinoid", "benzodiazepine", "1.49", "case-control, adjusted", "E055"),
    ):
        rate = [
            overdose_rate(
                bench.run(cohort_of(bench.n // 4, classes={name: {"share": s}, other: None}), "constant()", 364)
            )
            for s in (0.0, 1.0)
        ]
        found.append(
            Measured(f"overdose, {name} v none, rate ratio", published, f"{rate[1] / rate[0]:.2f}", note, source)
        )
    return found


def claims(bench: Bench) -> list[Measured]:
    """Steady against tapered, as claims studies see it: usual care, cuts imposed, no visits of a programme."""
    cohort = cohort_of(bench.n, shares={"imposed": 1.0})
    steady = bench.run(cohort, "constant()", 365)
    tapered = bench.run(cohort, claims_taper(len(cohort)), 365)
    found = []
    visits = [count_rate(c, rows.OVERDOSES, rows.WITHDRAWAL_VISITS) for c in (steady, tapered)]
    crises = [count_rate(c, rows.CRISES) for c in (steady, tapered)]
    urgent = [count_rate(c, rows.URGENT) for c in (steady, tapered)]
    selected = "the published ratio holds selection; simulated at causal share 0.5 it has to lie between 1 and it"
    found += [
        Measured("overdose or withdrawal visits per 100 person-years, steady", "4.9", pm(visits[0]), "", "E002"),
        Measured("the same, tapered", "6.3", pm(visits[1]), "", "E001"),
        Measured("the same, ratio", "1.28", f"{visits[1][0] / visits[0][0]:.2f}", selected, "E003"),
        Measured("mental-health crises per 100 person-years, steady", "3.3", pm(crises[0]), "", "Agnoli 2021"),
        Measured("the same, tapered ÷ steady", "1.74", f"{crises[1][0] / crises[0][0]:.2f}", selected, "E004"),
        Measured("urgent visits, tapered ÷ steady", "1.21", f"{urgent[1][0] / urgent[0][0]:.2f}", selected, "E123"),
    ]
    for call, label in (("linear(pct=10, every=28)", "agreed, 10 % / 28 d"), ("abrupt()", "agreed, abrupt")):
        agreed = cohort_of(bench.n)
        pair = [count_rate(bench.run(agreed, p, 364), rows.CRISES)[0] for p in ("constant()", call)]
        found.append(Measured(f"crises, {label} ÷ steady", "–", f"{pair[1] / pair[0]:.2f}", "for comparison", "–"))
    terminated = [left(c) for c in (steady, tapered)]
    overall = 0.87 * float(terminated[0].mean()) + 0.13 * float(terminated[1].mean())
    found += [
        Measured(
            "care terminated within a year, one in eight tapered",
            "4.8 %",
            f"{100 * overall:.1f} %",
            "the hazard of leaving usual care was set to it",
            "E043",
        ),
        Measured(
            "the same, tapered v steady, odds ratio",
            "4.3 (2.2–8.5)",
            f"{odds_ratio(*terminated[::-1]):.2f}",
            selected,
            "E043",
        ),
    ]
    return found


def suicide(bench: Bench) -> list[Measured]:
    """Overdose or suicide, without misuse; deaths."""
    cohort = cohort_of(2 * bench.n, shares={"imposed": 1.0, "oud": 0.0, "earlier_overdose": 0.0})
    steady = bench.run(cohort, "constant()", 335)
    tapered = bench.run(cohort, claims_taper(len(cohort)), 335)
    shares = [share(event_or_attempt(c)) for c in (steady, tapered)]
    low = cohort_of(bench.n, classes={"opioid": {"dose_median": 25, "dose_log_sd": 0.8, "dose_low": 5}})
    end = bench.run(low, "constant()", 728).sums[728]
    deaths = share((end[rows.OVERDOSE_DEATHS] + end[rows.SUICIDE_DEATHS]) > 0)
    return [
        Measured(
            "overdose or suicide attempt within 11 months, steady, no OUD", "0.96 %", pm(shares[0], " %"), "", "E020"
        ),
        Measured(
            "the same, tapered ÷ steady",
            "1.15; Oregon 0.36–0.62",
            f"{shares[1][0] / shares[0][0]:.2f}",
            "published studies disagree in sign: the dose part lowers it, lapses after lost tolerance raise it",
            "E018, E082",
        ),
        Measured(
            "overdose or suicide death within two years, 25 MME median",
            "0.21 %",
            pm(deaths, " %"),
            "veterans with any outpatient opioid",
            "E025",
        ),
    ]


def pace(bench: Bench) -> list[Measured]:
    """Overdose by pace and time since the taper began."""
    cohort = cohort_of(bench.n, shares={"imposed": 1.0})
    looks = (30, 183, 365)
    steady = bench.run(cohort, "constant()", 365, look=looks)
    rapid = bench.run(cohort, "linear(pct=35, every=28)", 365, look=looks)
    stop = bench.run(cohort, "abrupt()", 365, look=looks)
    slow = bench.run(cohort, "linear(pct=10, every=28)", 365, look=looks)

    def ratios(course: Trajectory) -> str:
        return ", ".join(f"{overdose_rate(course, 0, d) / overdose_rate(steady, 0, d):.2f}" for d in looks)

    note = "expected rates; a dose that is taken as ordered lowers them, so the sign is that of lapses"
    return [
        Measured(
            "overdose, 35 % a month v steady, over 1, 6, 12 months",
            "> 30 % a month: 5.3, 1.8, 1.5",
            ratios(rapid),
            note,
            "E075–E077",
        ),
        Measured("the same, stopped at once", "–", ratios(stop), note, "–"),
        Measured("the same, 10 % a month", "no association", ratios(slow), note, "E077"),
    ]


def conduct(bench: Bench) -> list[Measured]:
    """Return, dropout, check-ins, visits in the programme of the default scenario."""
    cohort = cohort_of(bench.n)
    found = []
    claims_course = bench.run(cohort_of(bench.n, shares={"imposed": 1.0}), claims_taper(bench.n), 476, look=(365,))
    alive = claims_course.end[rows.ALIVE] > 0
    down = claims_course.end[rows.PRESCRIBED] <= 0.85 * cohort.dose[:, 0] + 1e-9
    day = claims_course.end[rows.RETURN_DAY]
    found += [
        Measured(
            "tapers as in claims still 15 % down at 16 months",
            "70 %",
            pm(share(down[alive]), " %"),
            "who goes back by 0.8 of a full stop is still 15 % down",
            "Fenton 2021",
        ),
        Measured(
            "went back to a higher dose within a year, the same",
            "21–30 %",
            pm(share((day > 0) & (day <= 365)), " %"),
            "",
            "Fenton 2021; E101",
        ),
    ]
    for call in ("constant()", "linear(pct=10, every=28)", "linear(pct=10, every=7)", "rapid(days=21)", "abrupt()"):
        course = bench.run(cohort, call, 364, PROGRAMME)
        end = course.sums[364]
        found.append(
            Measured(
                f"in the programme, {call}: retained at 12 months; returned",
                "88 % (tapers, supported); 21–30 %",
                f"{share((course.end[rows.IN_CARE] > 0) & (course.end[rows.ALIVE] > 0))[0]:.1f} %; "
                f"{share(course.end[rows.RETURN_DAY] > 0)[0]:.1f} %",
                "",
                "E094",
            )
        )
        if call == "constant()":
            done = 100 * end[rows.CHECKINS_DONE].sum() / end[rows.CHECKINS_DUE].sum()
            missed = 100 - 100 * end[rows.VISITS_KEPT].sum() / end[rows.VISITS_PLANNED].sum()
            found += [
                Measured(
                    "check-ins done ÷ due",
                    "85 %; 79 % by the measured bursts",
                    f"{done:.1f} %",
                    "the two sources differ; nothing in the model makes it fall with time",
                    "E057",
                ),
                Measured("visits missed ÷ planned", "18 % (community clinics)", f"{missed:.1f} %", "", "E060"),
            ]
    kept = 1 / (1 + np.exp(-(float(bench.ensemble.values["noshow_0"][0]) - 0.8)))
    found.append(
        Measured(
            "visits missed after a kept one, median person",
            "8–12 %",
            f"{100 * kept:.1f} %",
            "",
            "docs/model.md, section 4",
        )
    )
    return found


def stopping(bench: Bench) -> list[Measured]:
    """Seizures on stopping alprazolam; completion of a week of abrupt withdrawal."""
    alprazolam = {
        "share": 1.0,
        "dose_median": 100,
        "dose_log_sd": 0.2,
        "dose_low": 80,
        "dose_high": 160,
        "use_days_median": 120,
        "mix": [{"drug": "alprazolam", "formulation": "IR", "share": 1.0}],
    }
    users = cohort_of(
        bench.n, shares=NO_FLAGS, classes={"opioid": None, "gabapentinoid": None, "benzodiazepine": alprazolam}
    )
    seizures = [
        share(bench.run(users, call, 84).sums[84][rows.SEIZURES] > 0)
        for call in ("abrupt()", "linear(pct=8.3, every=3)")
    ]
    short = {
        "opioid": {
            **opioid_between(60, 400),
            "dose_log_sd": 0.4,
            "mix": [{"drug": "oxycodone", "formulation": "IR", "share": 1.0}],
        },
        "benzodiazepine": None,
        "gabapentinoid": None,
    }
    dependent = cohort_of(bench.n // 2, shares={"oud": 1.0}, classes=short)
    untreated = bench.run(dependent, "abrupt()", 7, WARD)
    treated = bench.run(dependent, adjunct(build_policy("abrupt()", file="benchmark"), "lofexidine"), 7, WARD)
    return [
        Measured(
            "seizure or delirium within 12 weeks, alprazolam 4 mg and more: at once; a twelfth every 3 days",
            "0.4 % on stopping or reducing",
            f"{seizures[0][0]:.2f} %; {seizures[1][0]:.2f} %",
            "",
            "label",
        ),
        Measured(
            "a week of abrupt withdrawal completed, OUD: placebo, alpha-2 agonist",
            "28 %, about 40 %",
            f"{100 - share(left(untreated))[0]:.0f} %, {100 - share(left(treated))[0]:.0f} %",
            "the hazard of leaving a ward was fitted to the two shares",
            "E051",
        ),
    ]


SECTIONS: tuple[Callable[[Bench], list[Measured]], ...] = (dose_bands, co_use, claims, suicide, pace, conduct, stopping)


def page(found: Sequence[Measured], n: int) -> str:
    """docs/events.md."""
    lines = [
        "# Events: simulated and published rates",
        "",
        "This page is for readers who judge the event rates of the model.",
        "`python -m benchmarks.event_rates --out docs/events.md` writes it; do not edit it by hand.",
        "",
        "The coefficients of section 3 of [model.md](model.md) are this project's own: numbered assumptions in",
        "`taper_sim/model/event_parameters.py`, set by hand so that the rates below come near the published ones.",
        "They are not fitted, and each has a wide prior. Three points help to read the table.",
        "",
        "- **Claims ratios are not causal effects.** People with a taper differ from people without one. The",
        "  model takes half of a claims log ratio as causal (`causal_share`, prior Beta(3, 3)). A simulated ratio",
        "  compares the same people with and without a taper, and should lie between 1 and the published ratio.",
        "  It is not meant to reach the published ratio.",
        "- **Overdose has two parts of opposite sign.** A dose taken as ordered lowers it. A lapse or a return",
        "  after the loss of tolerance raises it. Published studies disagree in sign (E003 against E082), and so",
        "  may subgroups here.",
        "- **Published people had usual care.** Rates are set for usual care. A programme with a psychologist",
        "  lowers distress and therefore crises (the rows `in the programme`).",
        "",
        f"The simulation uses the centres of the parameters, {n:,} people (fewer or more in single rows) and seed",
        f"{SEED}; ± is the Monte Carlo half-width at 95 %.",
        "",
        "| measure | published | simulated | note | source |",
        "|---|---|---|---|---|",
        *(f"| {m.what} | {m.published} | {m.simulated} | {m.note} | {m.source} |" for m in found),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure and print, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="page to write, docs/events.md")
    parser.add_argument("--people", type=int, default=20_000, help="people in an arm")
    options = parser.parse_args()
    bench = Bench(options.people)
    found: list[Measured] = []
    for section in SECTIONS:
        for m in section(bench):
            found.append(m)
            print(f"{m.what:95} | {m.published:35} | {m.simulated}", flush=True)
    if options.out is not None:
        options.out.write_text(page(found, options.people), encoding="utf-8")


if __name__ == "__main__":
    main()
