"""The NumPy reference ``model.reference_events`` for comparison: a cohort in chunks, by blocks of days."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from taper_sim.model import reference_events


def run(take: Callable[[np.ndarray], Any], n: int, chunk: int, blocks: Sequence[tuple[int, int]], seed: int) -> Any:
    """Simulate ``n`` people; the records of the chunks, and the reports, (n, n_days, 8).

    Parameters
    ----------
    take : callable
        Function from row numbers to people of the cohort.
    n, chunk : int
        Number of people, and of people in a chunk.
    blocks : sequence of (int, int)
        First and last day between decisions.
    seed : int
        Seed of the random draws.
    """
    records, reports = [], []
    for begin in range(0, n, chunk):
        people = take(np.arange(begin, min(begin + chunk, n)))
        record = reference_events.start(people.person, people.dose)
        sent = []
        for first, last in blocks:
            for number in range(first, last + 1):
                luck = reference_events.draw(seed, people.keys, number)
                record, today = reference_events.day(people.person, people.chance, record, people.dose, luck, number)
                sent.append(today.astype(np.float32))
        records.append(record)
        reports.append(np.stack(sent, axis=1))
    return records, np.concatenate(reports)
