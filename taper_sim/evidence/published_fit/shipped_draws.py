"""The shipped joint draws as points of a simulation, with a command's arguments. Imports ``fit_waves``, ``tables``."""

import argparse
from pathlib import Path

import numpy as np

from taper_sim import tables
from taper_sim.array_types import Floats
from taper_sim.evidence.published_fit.fit_tables import NAMES
from taper_sim.evidence.published_fit.fit_waves import FitSize
from taper_sim.simulation.ensemble import CALIBRATED_DRAWS


def shipped_normals() -> Floats:
    """Whitened values of the shipped joint draws, (n_rows, n_uncertain)."""
    rows = tables.read(CALIBRATED_DRAWS).rows
    return np.array([[float(row[name]) for name in NAMES] for row in rows])


def shipped_arguments(description: str) -> argparse.ArgumentParser:
    """Arguments of a command that simulates the targets at the shipped draws."""
    size = FitSize()
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--out", type=Path, required=True, help="file of the table")
    parser.add_argument("--finished", type=Path, default=Path("run-fit"), help="folder of finished batches")
    parser.add_argument("--batches", type=int, default=1, help="batches of draws to simulate")
    parser.add_argument("--people", type=int, default=size.people, help="people of a study at a draw")
    parser.add_argument("--people-for-events", type=int, default=size.people_for_events)
    parser.add_argument("--seed", type=int, default=size.seed)
    return parser


def logged(line: str) -> None:
    """Print a line of progress at once."""
    print(line, flush=True)
