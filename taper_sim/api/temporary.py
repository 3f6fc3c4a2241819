"""Temporary folders that a result owns. Imports nothing of the package."""

import shutil
import tempfile
import weakref
from pathlib import Path


class TemporaryFolder:
    """A new folder that is removed with this object, at the latest when Python ends.

    Attributes
    ----------
    path : Path
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="taper-sim-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
