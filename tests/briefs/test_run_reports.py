"""The report of each kind of run."""

import subprocess
import sys

OF_COMPARISON = """
import sys
from taper_sim.briefs.run_reports import RUN_REPORTS
RUN_REPORTS["compare"]()
print(sorted({"sim_tools", "plotly", "scipy.stats"} & sys.modules.keys()))
"""


def test_the_report_of_a_comparison_imports_nothing_of_the_clinic() -> None:
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", OF_COMPARISON], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
