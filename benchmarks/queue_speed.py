"""The clinic's queue against Ciw's on one system: three priorities, eight servers, the same arrivals and lengths.

Both keep a record of every piece of work; before anything is timed every start must agree.
"""

import random
import time

import ciw
import numpy as np

from taper_sim.clinic.calendars import Duty
from taper_sim.clinic.queue import Engine, Job, Server

CLASSES = ("a", "b", "c")
N_SERVERS, LOAD = 8, 0.85


class _Listed(ciw.dists.Distribution):
    """Values in order; Ciw's own cannot be copied without a warning."""

    def __init__(self, values: list[float]):
        self.values, self.at = values, 0

    def sample(self, t: float | None = None, ind: object = None) -> float:
        """The next value."""
        self.at += 1
        return self.values[self.at - 1] if self.at <= len(self.values) else float("inf")


def _system(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    gaps = rng.exponential(10.0 * len(CLASSES) / (N_SERVERS * LOAD), (len(CLASSES), n))
    return gaps, rng.exponential(10.0, (len(CLASSES), n))


def in_ciw(gaps: np.ndarray, minutes: np.ndarray) -> tuple[float, dict[tuple[str, float], float]]:
    """Seconds of Ciw's run, and the start of each piece of work."""
    random.seed(1)
    network = ciw.create_network(
        arrival_distributions={name: [_Listed(gaps[k].tolist())] for k, name in enumerate(CLASSES)},
        service_distributions={name: [_Listed(minutes[k].tolist())] for k, name in enumerate(CLASSES)},
        priority_classes={name: k for k, name in enumerate(CLASSES)},
        number_of_servers=[N_SERVERS],
    )
    simulation = ciw.Simulation(network)
    begin = time.perf_counter()
    simulation.simulate_until_max_time(float(gaps.sum(axis=1).min()))
    records = simulation.get_all_records()
    spent = time.perf_counter() - begin
    return spent, {(r.customer_class, round(r.arrival_date, 6)): r.service_start_date for r in records}


def here(gaps: np.ndarray, minutes: np.ndarray) -> tuple[float, dict[tuple[str, float], float]]:
    """Seconds of this queue's run, and the start of each piece of work."""
    begin = time.perf_counter()
    always = (Duty(0.0, 1e12),)
    engine = Engine([Server(f"s{k}", "all", always) for k in range(N_SERVERS)])
    number = 0
    until = float(gaps.sum(axis=1).min())
    for k, name in enumerate(CLASSES):
        for at, length in zip(np.cumsum(gaps[k]).tolist(), minutes[k].tolist(), strict=True):
            if at < until:
                number += 1
                engine.submit(Job(number, -1, name, "all", k, at, length, (float(k), at)))
    engine.run(until)
    spent = time.perf_counter() - begin
    return spent, {(job.work, round(job.requested, 6)): job.started for job in engine.jobs}


def events_vs_ciw(n: int, turns: int) -> list[float]:
    """Ciw's seconds over this queue's, each turn; raises where they disagree."""
    gaps, minutes = _system(n)
    _, theirs = in_ciw(gaps, minutes)
    _, ours = here(gaps, minutes)
    wrong = [key for key, start in theirs.items() if abs(ours[key] - start) > 1e-6]
    if wrong or len(theirs) < n:
        raise AssertionError(f"{len(wrong)} of {len(theirs)} starts differ")
    return [in_ciw(gaps, minutes)[0] / here(gaps, minutes)[0] for _ in range(turns)]
