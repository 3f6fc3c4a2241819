"""Patients and drugs of CSV files: right input gives the right numbers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from taper_sim.data.patients import PatientTable, read_csv, read_drugs, read_patients
from taper_sim.simulation import cohort as cohorts

Read = Callable[..., PatientTable]
DRUGS = "patient_id,drug,formulation,dose_mg_per_day,dose_mcg_per_h,interval_h\n"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def from_text(text: str | bytes, drop_missing: bool = False, **columns: str) -> PatientTable:
        path = tmp_path / "p.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_patients(path, columns, drop_missing=drop_missing, strict=not columns)

    return from_text


def test_numbers_and_booleans_are_as_written(read: Read):
    table = read("patient_id,pain,age,oud,female\na,5.5,60,1,no\n b ,6,50.5,FALSE,Yes\n")
    assert table.ids == ("a", "b")
    np.testing.assert_array_equal(table.numbers["pain"], [5.5, 6.0])
    np.testing.assert_array_equal(table.numbers["age"], [60.0, 50.5])
    np.testing.assert_array_equal(table.booleans["oud"], [True, False])
    np.testing.assert_array_equal(table.booleans["female"], [False, True])
    assert table.dropped == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda t: "\ufeff" + t,
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.rstrip("\n"),
        lambda t: t.replace(",", ", "),
        lambda t: t.replace("a,", '"a",'),
    ],
)
def test_the_encoding_and_format_of_a_file_change_no_number(read: Read, change: Callable[[str], str]):
    text = "patient_id,pain,oud\na,5,1\nb,6,0\n"
    plain, saved = read(text), read(change(text))
    assert saved.ids == plain.ids
    np.testing.assert_array_equal(saved.numbers["pain"], plain.numbers["pain"])
    np.testing.assert_array_equal(saved.booleans["oud"], plain.booleans["oud"])


def test_an_id_is_kept_as_written(read: Read):
    assert read("patient_id,pain\n007,5\nNA,5\n<b>1</b>,5\n").ids == ("007", "NA", "<b>1</b>")


def test_columns_are_found_under_other_names(read: Read):
    table = read("ID,NRS,pain,shoe\na,5,9,44\nb,6,9,45\n", patient_id="ID", pain="NRS")
    assert table.ids == ("a", "b")
    np.testing.assert_array_equal(table.numbers["pain"], [5.0, 6.0])
    assert set(table.numbers) == {"pain"}


def test_rows_with_missing_values_are_dropped_and_counted(read: Read):
    table = read("patient_id,pain,age\na,5,60\nb,,50\n,3,40\nd,nan,30\ne,6,20\n", drop_missing=True)
    assert table.ids == ("a", "e")
    assert table.dropped == 3
    np.testing.assert_array_equal(table.numbers["age"], [60.0, 20.0])


def test_promis_scores_are_converted_to_the_models_scales(read: Read):
    table = read("patient_id,promis_pf,promis_depression,promis_sleep\na,15,59.9,60\nb,70,34,26\nc,42.5,85,84\n")
    people = cohorts.from_table(table, "three")
    np.testing.assert_allclose(people.baseline["function"], [0.0, 100.0, 50.0])
    np.testing.assert_allclose(people.baseline["distress"], [10 / 27, 0.0, 1.0])
    np.testing.assert_allclose(people.baseline["insomnia"], [15 / 28, 0.0, 1.0])
    np.testing.assert_array_equal(people.flags["mood_disorder"], [False, False, True])


def test_the_models_own_column_takes_precedence_over_promis(read: Read):
    people = cohorts.from_table(read("patient_id,promis_pf,function\na,15,33\n"), "one")
    np.testing.assert_array_equal(people.baseline["function"], [33.0])


def test_a_missing_column_takes_the_median_patients_value(read: Read):
    people = cohorts.from_table(read("patient_id\na\n"), "one")
    assert {name: float(values[0]) for name, values in people.baseline.items()} == {
        "pain": 6.0,
        "distress": 0.3,
        "insomnia": 0.4,
        "function": 45.0,
        "engagement": 0.8,
        "craving": 0.1,
        "sows_gossop": 3.5,
    }
    np.testing.assert_array_equal(people.use_days, [[1825.0] * 3])


def test_the_order_of_rows_changes_no_patients_key(read: Read):
    straight = cohorts.from_table(read("patient_id,pain\na,5\nb,6\nc,7\n"), "")
    turned = cohorts.from_table(read("patient_id,pain\nc,7\na,5\nb,6\n"), "")
    assert dict(zip(straight.ids, straight.keys, strict=True)) == dict(zip(turned.ids, turned.keys, strict=True))
    assert len(set(straight.keys.tolist())) == 3


def test_drugs_are_as_written(tmp_path: Path):
    path = tmp_path / "d.csv"
    path.write_text(DRUGS + "a,Morphine,er,90,,8\nb,fentanyl,TD,,25,72\na,lorazepam,IR,2,,\n")
    rows = read_drugs(path, ["a", "b"])
    assert [(row.patient_id, *row.drug.key, row.dose, row.times) for row in rows] == [
        ("a", "morphine", "ER", 90.0, 3),
        ("b", "fentanyl", "TD", 25.0, 1),
        ("a", "lorazepam", "IR", 2.0, rows[2].times),
    ]


def test_a_csv_is_read_as_text(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text("x, y \n 1.50 ,NA\n,\n")
    table = read_csv(path)
    assert table.columns.tolist() == ["x", "y"]
    assert table.to_numpy().tolist() == [["1.50", "NA"], ["", ""]]
