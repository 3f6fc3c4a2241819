"""Values of the patient in a limits file: what is read, and what is refused."""

from pathlib import Path

import pytest

from taper_sim.data.problems import InputError
from taper_sim.recommend.choice import values_of
from taper_sim.safety.limits import Limits, read_limits


def test_what_is_not_answered_has_the_stated_default(tmp_path: Path) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text("values: {sleep: 2, full_stop: 0.5}\n")
    values, default = values_of(read_limits(file)), values_of(Limits())
    assert (values.sleep, values.full_stop) == (2.0, 0.5)
    assert (default.sleep, default.full_stop, default.harm_line, default.outlook_days) == (0.0, 2.0, 0.0, 364)
    assert (values.pain, values.harm_line, values.outlook_days) == (default.pain, default.harm_line, 364)


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ("{pain: -1}", "values.pain"),
        ("{full_stop: many}", "values.full_stop"),
        ("{harm_line: 21}", "values.harm_line"),
        ("{outlook_days: 7}", "values.outlook_days"),
        ("{pain: 0, function: 0, mood: 0}", "values"),
        ("{pain: true}", "values.pain"),
        ("{paine: 1}", "values.paine"),
    ],
)
def test_a_wrong_value_is_one_line(tmp_path: Path, entry: str, place: str) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(f"values: {entry}\n")
    with pytest.raises(InputError) as refused:
        read_limits(file)
    (problem,) = refused.value.problems
    assert problem.place == place
