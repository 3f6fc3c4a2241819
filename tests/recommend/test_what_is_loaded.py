"""A recommendation of the command line loads no library that it does not use: each takes a part of a second."""

import subprocess
import sys

from tests.conftest import ROOT

RECOMMENDED = """
import sys
from taper_sim.cli import main
assert main(["recommend", "examples/checkins.csv", "--doses", "examples/doses.csv"]) == 0
heavy = {"scipy.stats", "scipy.signal", "arviz_stats", "xarray", "matplotlib", "pymc", "rich", "jinja2"}
print(sorted(heavy & sys.modules.keys()))
"""


def test_a_recommendation_loads_neither_distributions_nor_figures() -> None:
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", RECOMMENDED], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1] == "[]"
