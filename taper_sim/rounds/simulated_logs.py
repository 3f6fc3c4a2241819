"""Writes an example set of a clinic's logs. Imports ``rounds.logs``, ``recommend.decision_log``, ``run_folder``.

``python -m taper_sim.rounds.simulated_logs --out examples/rounds`` writes the shipped set. Nobody in it is real, and no
number of it says anything of a clinic: the shares are chosen so that every part of the page has something to show.
"""

import argparse
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from taper_sim.data.patient_files import CHECKIN_FILE, DECISION_FILE, DOSE_FILE
from taper_sim.recommend.decision_log import append_to_log
from taper_sim.rounds.logs import ALERT_FILE, CODE_FILE, FEEDBACK_FILE, TRAIT_FILE
from taper_sim.run_folder import write_csv
from taper_sim.units import DEFAULT_SEED

EXAMPLE_PEOPLE: Final = 96
FIRST: Final = date(2026, 1, 5)
_WEEKS: Final = 25
_DRUGS: Final = (("morphine", "ER", 90.0), ("oxycodone", "ER", 60.0), ("hydromorphone", "IR", 20.0))
_FLAGS: Final = ("opioid_withdrawal_moderate", "sleep_collapse", "pain_flare", "suicidal_thought")
_CODES: Final = {
    "pace_fits": "the pace fits",
    "too_fast": "the taper feels too fast",
    "heard": "felt listened to",
    "hard_to_reach": "the team is hard to reach",
    "sleep": "sleep is worse",
}
_REDUCED: Final = 0.9
_EVERY_WEEKS: Final = 4


def written_logs(folder: Path, seed: int = DEFAULT_SEED, people: int = EXAMPLE_PEOPLE) -> list[Path]:
    """Write the files of a clinic with some people into a folder.

    Parameters
    ----------
    folder : Path
    seed : int
    people : int

    Returns
    -------
    list of Path
    """
    ids = [f"p{k:03d}" for k in range(1, people + 1)]
    draws = [np.random.default_rng([seed, k]) for k in range(people)]  # the numbers of one person move no other
    parts = [_person(name, random) for name, random in zip(ids, draws, strict=True)]
    tables = {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0] if name[0] != "_"}
    tables[CODE_FILE] = pd.DataFrame(list(_CODES.items()), columns=["code", "meaning"])
    for name, table in tables.items():
        write_csv(table, folder / name)
    log = folder / DECISION_FILE
    log.unlink(missing_ok=True)
    lines = [line for part in parts for line in part["_lines"]]
    append_to_log(log, sorted(lines, key=lambda line: line.get("on") or line["as_of"]))
    return [*(folder / name for name in tables), log]


def _person(name: str, random: np.random.Generator) -> dict[str, Any]:
    traits = {
        "patient_id": name,
        "sleep_apnoea": random.random() < 0.15,
        "renal_impairment": random.random() < 0.12,
        "language_match": random.random() < 0.75,
        "broadband": random.random() < 0.7,
        "transport": random.random() < 0.8,
        "modality": "phone" if random.random() < 0.4 else "video",
    }
    keeps = 0.93 if traits["broadband"] else 0.78
    doses, cuts = _doses(name, random)
    return {
        TRAIT_FILE: pd.DataFrame([{k: int(v) if isinstance(v, bool) else v for k, v in traits.items()}]),
        DOSE_FILE: doses,
        CHECKIN_FILE: _checkins(name, random, keeps, cuts),
        ALERT_FILE: _alerts(name, random, bool(traits["language_match"])),
        FEEDBACK_FILE: _feedback(name, random),
        "_lines": _lines(name, random, cuts),
    }


def _doses(name: str, random: np.random.Generator) -> tuple[pd.DataFrame, list[date]]:
    """Doses of a person, and the days of their reductions."""
    drug, formulation, start = _DRUGS[random.integers(len(_DRUGS))]
    knows = random.random() < 0.6
    dose, rows, cuts = start, [], []
    for week in range(0, _WEEKS, _EVERY_WEEKS):
        day = FIRST + timedelta(weeks=week)
        if week and random.random() < 0.65:
            dose = 5.0 * round(dose * _REDUCED / 5.0)
            cuts.append(day)
        elif week and cuts and random.random() < 0.7:
            dose = min(start, dose + 10.0)
        taken = dose * (1.4 if random.random() < 0.08 else 1.0) if knows else np.nan
        rows.append((name, day, drug, formulation, dose, taken))
    for other, form, mg, share in (("lorazepam", "IR", 2.0, 0.2), ("gabapentin", "IR", 900.0, 0.2)):
        if random.random() < share:
            rows.append((name, FIRST, other, form, mg, np.nan))
    columns = ["patient_id", "date", "drug", "formulation", "dose_mg_per_day", "taken_mg_per_day"]
    return pd.DataFrame(rows, columns=columns), cuts


def _checkins(name: str, random: np.random.Generator, keeps: float, cuts: Sequence[date]) -> pd.DataFrame:
    rows = []
    stops = _WEEKS - (6 if random.random() < 0.08 else 0)
    for week in range(stops):
        day = FIRST + timedelta(weeks=week, days=int(random.integers(7)))
        if random.random() > keeps:
            continue
        felt = any(0 <= (day - cut).days < 10 for cut in cuts)
        rows.append((name, day, "pain_nrs", int(np.clip(round(random.normal(5.5, 1.5)), 0, 10))))
        rows.append((name, day, "sows_gossop", int(np.clip(round(random.normal(9.0 if felt else 3.0, 4.0)), 0, 30))))
        if random.random() < 0.01:
            rows.append((name, day, "phq9_item9", 1))
    return pd.DataFrame(rows, columns=["patient_id", "date", "instrument", "value"])


def _alerts(name: str, random: np.random.Generator, is_understood: bool) -> pd.DataFrame:
    rows = []
    for _ in range(random.poisson(1.6)):
        raised = datetime.combine(FIRST, datetime.min.time()) + timedelta(
            days=int(random.integers(7 * _WEEKS)), minutes=int(random.integers(8 * 60, 18 * 60))
        )
        hours = random.gamma(2.0, 5.0 if is_understood else 9.0)
        answered = "" if random.random() < 0.04 else (raised + timedelta(hours=hours)).isoformat(timespec="minutes")
        flag = _FLAGS[random.choice(len(_FLAGS), p=[0.4, 0.3, 0.2, 0.1])]
        rows.append((name, flag, raised.isoformat(timespec="minutes"), f"nurse {random.integers(1, 3)}", answered))
    return pd.DataFrame(rows, columns=["patient_id", "alert", "raised", "owner", "answered"])


def _feedback(name: str, random: np.random.Generator) -> pd.DataFrame:
    codes = list(_CODES)
    rows = [
        (
            name,
            FIRST + timedelta(days=int(random.integers(7 * _WEEKS))),
            "caregiver" if random.random() < 0.3 else "patient",
            codes[random.choice(len(codes), p=[0.3, 0.25, 0.25, 0.15, 0.05])],
        )
        for _ in range(random.poisson(1.8))
    ]
    return pd.DataFrame(rows, columns=["patient_id", "date", "source", "code"])


def _lines(name: str, random: np.random.Generator, cuts: Sequence[date]) -> list[dict[str, Any]]:
    """Offers before each reduction, and most of the decisions on them."""
    lines: list[dict[str, Any]] = []
    for k, cut in enumerate(cuts):
        offered = cut - timedelta(days=int(random.integers(1, 6)))
        offer = {
            "kind": "offered",
            "id": f"{name}-{k}",
            "patient_id": name,
            "as_of": offered.isoformat(),
            "status": "recommend",
            "chosen": "10 % down",
            "offered": ["hold", "10 % down"],
            "blocked": {},
        }
        lines.append(offer)
        if random.random() < 0.9:
            lines.append(
                {
                    "kind": "decided",
                    "offer": offer["id"],
                    "patient_id": name,
                    "on": cut.isoformat(),
                    "did": "10 % down",
                    "as_chosen": True,
                    "as_offered": True,
                    "by": "prescriber 1",
                    "reason": "agreed",
                }
            )
    return lines


def main(argv: Sequence[str] | None = None) -> None:
    """Write the example set."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--people", type=int, default=EXAMPLE_PEOPLE)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    arguments = parser.parse_args(argv)
    for path in written_logs(arguments.out, arguments.seed, arguments.people):
        print(path.name)


if __name__ == "__main__":
    main()
