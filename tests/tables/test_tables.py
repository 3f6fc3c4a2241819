"""The package's tables can be read, state their verification, and are reviewed only if a person has signed."""

import pytest

from taper_sim import tables


@pytest.mark.parametrize("name", tables.names())
def test_every_table_reads_with_a_source_and_review_columns(name: str) -> None:
    table = tables.read(name)
    assert table.rows
    assert {"source", "verified", "reviewed_by", "reviewed_on"} <= set(table.columns)
    assert sum(tables.verified_counts(table.rows).values()) == len(table.rows)
    assert set(tables.verified_counts(table.rows)) == {"yes", "partial", "no"}


def test_the_tables_of_the_package_are_present() -> None:
    assert {"drugs", "gabapentin_absorption", "guidelines", "red_flags", "scales", "variables"} <= set(tables.names())


def test_a_row_is_reviewed_only_with_both_a_name_and_a_date() -> None:
    assert tables.is_reviewed({"reviewed_by": "A. Person, PharmD", "reviewed_on": "2027-01-02"})
    assert not tables.is_reviewed({"reviewed_by": "A. Person, PharmD", "reviewed_on": " "})
    assert not tables.is_reviewed({"reviewed_by": "", "reviewed_on": "2027-01-02"})


def test_one_unsigned_row_makes_the_output_unreviewed() -> None:
    signed = {"reviewed_by": "A. Person, PharmD", "reviewed_on": "2027-01-02"}
    assert tables.review_status([signed, signed]) == tables.REVIEWED
    assert tables.review_status([signed, signed | {"reviewed_on": ""}]) == tables.UNREVIEWED


def test_no_rows_are_not_called_reviewed() -> None:
    assert tables.review_status([]) == tables.UNREVIEWED


def test_provenance_counts_only_the_rows_used() -> None:
    table = tables.read("gabapentin_absorption")
    label = [row for row in table.rows if row["kind"] == "label"]
    provenance = table.provenance(label)
    assert provenance["rows"] == 5
    assert provenance["verified"] == {"yes": 5, "partial": 0, "no": 0}
    assert table.provenance()["verified"] == {"yes": 5, "partial": 0, "no": 3}
    assert table.provenance()["sha256"] == table.sha256


def test_rows_are_read_only() -> None:
    with pytest.raises(TypeError):
        tables.read("drugs").rows[0]["verified"] = "yes"  # type: ignore[index]


def test_an_unknown_table_is_an_error_that_lists_the_tables() -> None:
    with pytest.raises(ValueError, match=r"no table 'drug'; allowed: .*drugs"):
        tables.read("drug")
    with pytest.raises(ValueError, match="no table"):
        tables.read("../drugs")
