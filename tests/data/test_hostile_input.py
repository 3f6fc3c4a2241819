"""Files that would hang a reader, fill its memory or be told on: one short line, exit 2, at once."""

import os
import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook

from taper_sim.cli import main
from taper_sim.clinic import rosters
from taper_sim.data import csv_input
from taper_sim.data.problems import InputError

SCENARIO = """name: small
days: 28
cohort:
  {cohort}
  classes:
    opioid: {{dose_median: 90, mix: [{{drug: morphine, formulation: ER, share: 1}}]}}
protocols: [constant()]
"""


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> str:
        assert main(list(words)) == 2
        lines = capsys.readouterr().err.splitlines()
        assert 1 <= len(lines) <= 5 and all(len(line) < 400 for line in lines)
        return "\n".join(lines)

    return run


@pytest.mark.parametrize("name", ["pipe", "/dev/zero"])
def test_a_pipe_or_a_device_is_refused_wherever_a_file_is_read(refused, name: str):
    os.mkfifo("pipe")
    Path("c.csv").write_text("patient_id,date,instrument,value\n")
    Path("s.yaml").write_text(SCENARIO.format(cohort=f"file: {name}"))
    for words in (
        ("compare", name, "--out", "run"),
        ("compare", "s.yaml", "--out", "run"),
        ("trace", name, "--out", "o.csv"),
        ("recommend", "c.csv", "--doses", name),
        ("decide", name, "--patient", "p", "--did", "x", "--by", "y", "--reason", "z"),
    ):
        assert "a pipe, a device" in refused(*words)


@pytest.mark.parametrize("cell", [",", '"a\nb",'])
def test_a_header_of_millions_of_columns_is_refused_before_they_are_made(
    tmp_path: Path, cell: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(csv_input.pd, "read_csv", None)  # it is not reached
    (tmp_path / "wide.csv").write_text(cell * 3_000_000 + "\n1\n")
    with pytest.raises(InputError, match="more than 10,000 columns"):
        csv_input.read_csv(tmp_path / "wide.csv")


def test_a_workbook_that_unpacks_without_end_is_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    book = Workbook()
    book.save(tmp_path / "team.xlsx")
    with zipfile.ZipFile(tmp_path / "team.xlsx", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet9.xml", b"0" * 150_000_000)
    monkeypatch.setattr("openpyxl.load_workbook", None)
    with pytest.raises(InputError, match="unpacks to 150,"):
        rosters.read_team(tmp_path / "team.xlsx")


@pytest.mark.parametrize("number", ["1" + ":59" * 8000, "1" + ":1" * 8000 + ".5", "9" * 5000, "0x" + "f" * 5000])
def test_a_number_of_thousands_of_signs_is_refused(refused, number: str):
    Path("s.yaml").write_text(SCENARIO.format(cohort=f"patients: {number}"))
    assert "a number of " in refused("compare", "s.yaml", "--out", "run")


def test_a_null_character_is_refused_in_any_path(refused):
    Path("s.yaml").write_text(SCENARIO.format(cohort='file: "a\\0b"'))
    assert "allowed" in refused("compare", "s.yaml", "--out", "run")
    Path("s.yaml").write_text(SCENARIO.format(cohort="patients: 5"))
    for words in (
        ("compare", "s.yaml", "--out", "a\0b"),
        ("compare", "a\0b", "--out", "run"),
        ("verify", "a\0b"),
        ("resume", "a\0b"),
        ("hash", "a\0b"),
        ("trace", "s.yaml", "--out", "a\0b"),
    ):
        assert "null character" in refused(*words)


@pytest.mark.parametrize(
    "secret", ["root:x:0:0:secret\n", "secret;b;c\n1;2;3\n", "secret\n", "a,secret,secret\n1,2,3\n"]
)
def test_no_message_repeats_the_first_line_of_a_file_that_is_no_cohort(refused, secret: str):
    Path("secret").write_text(secret + secret)
    Path("s.yaml").write_text(SCENARIO.format(cohort="file: secret"))
    assert "secret" not in refused("compare", "s.yaml", "--out", "run").replace("secret: ", "")
    assert "secret" not in refused("recommend", "secret", "--doses", "secret").replace("secret: ", "")


def test_a_name_that_steers_a_terminal_is_printed_as_its_escapes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    text = SCENARIO.format(cohort="patients: 6").replace(
        "protocols: [constant()]", 'protocols: [{name: "\\e]0;owned\\a\\u009b31m", call: constant()}]'
    )
    (tmp_path / "s.yaml").write_text(text)
    assert main(["compare", str(tmp_path / "s.yaml"), "--days", "14", "--out", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr()
    assert "\x1b]" not in printed.out and "\x9b" not in printed.out and "owned" in printed.out
