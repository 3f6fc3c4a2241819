"""The recipe of docs/how-to/extend.md for a coupling term: three edits, and every form of the model has the term."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import taper_sim

PACKAGE = Path(taper_sim.__file__).parent
ROOT = Path(__file__).parent.parent.parent

EDITS = {
    "equations.py": (
        (
            "    per_x: Number,\n    per_k: Number,\n) -> Number:",
            "    per_x: Number,\n    per_k: Number,\n    c_bar: Number,\n    per_c: Number,\n) -> Number:",
        ),
        ("per_x * x - per_k * k_psy", "per_x * x - per_k * k_psy + per_c * c_bar"),
    ),
    "day.py": (
        (
            "        c.distress_from_psychologist,\n",
            "        c.distress_from_psychologist,\n        before.C - start.C,\n        c.distress_from_craving,\n",
        ),
    ),
    "parameters.py": (
        (
            '    Parameter("engagement_from_withdrawal",',
            '    Parameter("distress_from_craving", "distress per unit of craving", "1", 0.2, "a test"),\n'
            '    Parameter("engagement_from_withdrawal",',
        ),
    ),
}
"""Distress from craving: the term, the wiring, the coefficient's row."""

COMPARE = """
import sys
from pathlib import Path

import numpy as np
import pytensor

import taper_sim
from taper_sim.inference import course as at
from taper_sim.studies.pytensor_course import course_graph, shared_by_people, side_by_side
from tests.inference.test_course import regimen_of, test_the_course_is_the_references
from tests.model.test_kernel import random_people, weeks_together

assert Path(taper_sim.__file__).parent == Path(sys.argv[1])  # the edited copy, not the package

# the kernel is the reference
kernel = weeks_together(random_people(3), 4, chance=False)
# the compiled course is the reference
test_the_course_is_the_references(2)
# the PyTensor graph is the compiled course
regimen, _ = regimen_of(2)
by_day = ("dose", "cut", "removed", "decay_g", "shape", "adjunct", "rotated")
regimen = regimen._replace(**{name: getattr(regimen, name)[:40] for name in by_day})
values, shared = at.centre_values(), at.couplings()
with_term = at.course(values, shared, regimen)[:, at.M]
by_place = {place: pytensor.tensor.as_tensor(values[[place]]) for place in range(at.DRIFT)}
interpreted = pytensor.compile.mode.Mode("vm_nogc", None)
with pytensor.config.change_flags(cxx=""):
    graph = course_graph(by_place, shared_by_people([shared]), side_by_side([regimen]), interpreted)
    distress = pytensor.function([], graph.distress, mode=interpreted)()[:, 0]
np.testing.assert_allclose(distress, with_term, rtol=1e-12)
# the term has an effect
without = at.course(values, at.couplings(distress_from_craving=0.0), regimen)[:, at.M]
assert np.abs(with_term - without).max() > 1e-4
"""


def edited_copy(folder: Path) -> Path:
    """The package with the three files edited."""
    copy = folder / "taper_sim"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name, replacements in EDITS.items():
        path = copy / "model" / name
        text = path.read_text()
        for old, new in replacements:
            assert text.count(old) == 1, (name, old)
            text = text.replace(old, new)
        path.write_text(text)
    return copy


@pytest.mark.slow
def test_a_coupling_term_is_three_edits(tmp_path: Path) -> None:
    copy = edited_copy(tmp_path)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT))),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-c", COMPARE, str(copy)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)  # noqa: S603
    assert done.returncode == 0, done.stderr
