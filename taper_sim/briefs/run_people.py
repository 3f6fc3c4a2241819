"""Every person's outcomes in a comparison's folder. Imports ``experiments.compare``, pandas.

The first rows of every array are the people; rows after them are the same people under further draws.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from taper_sim.array_types import Floats, Ints
from taper_sim.experiments.compare import REPLICATES_FILE

PEOPLE_FILE = "patients.parquet"


@dataclass(frozen=True)
class RunPeople:
    """The people of a comparison.

    Attributes
    ----------
    folder : Path
        Output folder.
    protocols : sequence of str
        Protocols of the run, in its order.
    """

    folder: Path
    protocols: Sequence[str]

    @cached_property
    def rows(self) -> list[pd.DataFrame]:
        """Outcomes of the people, and of their replicates if there are any; protocol by protocol in each table."""
        paths = [self.folder / name for name in (PEOPLE_FILE, REPLICATES_FILE)]
        return [pd.read_parquet(path) for path in paths if path.is_file()]

    @property
    def n(self) -> int:
        """Number of people; 0 if the folder has no file of them."""
        return len(self.rows[0]) // len(self.protocols) if self.rows else 0

    @cached_property
    def draw(self) -> Ints:
        """Draw of each row, (n_rows,)."""
        drawn = [table["draw"].to_numpy(dtype=np.int64) for table in self.rows]
        return np.concatenate([column[: len(column) // len(self.protocols)] for column in drawn])

    def values(self, protocols: Sequence[str], names: Sequence[str]) -> dict[str, Mapping[str, Floats]]:
        """Columns of the rows by protocol, (n_rows,) each; columns that the file does not have are left out."""
        present = [name for name in names if name in self.rows[0].columns]
        values: dict[str, Mapping[str, Floats]] = {}
        for protocol in protocols:
            k = self.protocols.index(protocol)
            parts = []
            for table in self.rows:
                n = len(table) // len(self.protocols)
                parts.append(table.iloc[k * n : (k + 1) * n])
            values[protocol] = {
                name: np.concatenate([part[name].to_numpy(dtype=np.float64) for part in parts]) for name in present
            }
        return values
