"""Every instrument of scales.csv and every variable of variables.csv comes in as a check-in, on its own scale only."""

import math
from datetime import date
from pathlib import Path

import pytest

from taper_sim import tables
from taper_sim.data.checkins import read_checkins, scales, value_problem
from taper_sim.data.problems import InputError

SCALES = {row["instrument"]: row for row in tables.read("scales").rows}
VARIABLES = {row["name"]: row for row in tables.read("variables").rows}
NAMES = sorted({*SCALES, *VARIABLES})
BOOLEANS = [name for name in NAMES if name not in SCALES and VARIABLES[name]["type"] == "boolean"]
NUMBERS = [name for name in NAMES if name not in BOOLEANS]


def ends(name: str) -> tuple[float, float]:
    """Ends of a scale, as the tables have them; a scale's before a variable's."""
    row = SCALES.get(name) or VARIABLES[name]
    return float(row["min"] or -math.inf), float(row["max"] or math.inf)


def allowed(name: str, text: str) -> bool:
    return not value_problem(scales()[name], text)[1]


def test_the_tables_are_not_empty_and_every_row_is_covered() -> None:
    assert len(SCALES) > 40 and len(VARIABLES) > 100 and len(BOOLEANS) > 30
    assert set(scales()) == set(NAMES)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_accepted_on_its_scale_and_refused_outside(name: str) -> None:
    low, high = ends(name)
    inside = [end for end in (low, high, (low + high) / 2) if math.isfinite(end)] or [0.0]
    beyond = [end for end in (low - 0.01 * max(abs(low), 1), high + 0.01 * max(abs(high), 1)) if math.isfinite(end)]
    assert all(allowed(name, repr(value)) for value in inside)
    assert not any(allowed(name, repr(value)) for value in beyond)
    assert not any(allowed(name, text) for text in ("", "many", "nan", "inf", "-inf", "true", "1;2"))


@pytest.mark.parametrize("name", BOOLEANS)
def test_a_boolean_is_0_or_1_and_no_other_number(name: str) -> None:
    assert allowed(name, "0") and allowed(name, "1")
    assert not any(allowed(name, text) for text in ("0.5", "2", "-1", "nan", "", "maybe"))


def test_all_of_them_in_one_file_are_read_with_their_values(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    values = {
        name: 1.0 if name in BOOLEANS else next(e for e in (*ends(name), 0.0) if math.isfinite(e)) for name in NAMES
    }
    head = "patient_id,date,instrument,value\n"
    path.write_text(head + "".join(f"a,2026-01-01,{name},{value!r}\n" for name, value in values.items()))
    found = read_checkins(path)["a"]
    assert {c.instrument: c.value for c in found} == values
    assert {c.day for c in found} == {date(2026, 1, 1)}


def test_each_wrong_value_of_a_file_has_its_row_and_its_scale(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    rows = ["a,2026-01-01,spo2,30", "a,2026-01-01,phq9_item9,4", "a,2026-01-01,craving,11", "a,2026-01-01,seizure,0.5"]
    path.write_text("patient_id,date,instrument,value\n" + "\n".join(rows) + "\n")
    with pytest.raises(InputError) as error:
        read_checkins(path)
    assert [str(p).split(": ")[1] for p in error.value.problems] == [f"row {k}, value" for k in (2, 3, 4, 5)]
    assert [p.allowed for p in error.value.problems] == ["50 to 100 %", "0 to 3 points", "0 to 10 points", "0 or 1"]
