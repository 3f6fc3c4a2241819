"""The decision log: whole lines or nothing, one after the other, each chained to the one before."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from taper_sim.cli import main
from taper_sim.data.problems import InputError
from taper_sim.recommend import decision_log
from taper_sim.recommend.decision_log import append_to_log, decided, read_log

OFFER = {"kind": "offered", "id": "0123", "patient_id": "p1", "as_of": "2026-03-01", "chosen": "hold"}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    append_to_log(tmp_path / "log", [OFFER, OFFER | {"patient_id": "p2"}])
    append_to_log(tmp_path / "log", [OFFER | {"id": "4567"}])
    return tmp_path / "log"


def decide(log: Path) -> int:
    return main(["decide", str(log), "--patient", "p1", "--did", "hold", "--by", "Dr. A", "--reason", "agreed"])


def test_each_line_has_the_hash_of_the_line_before_it(log: Path):
    found = read_log(log)
    assert [line["patient_id"] for line in found.lines] == ["p1", "p2", "p1"] and not found.problems
    previous = [line["previous"] for line in found.lines]
    assert previous[0] == "" and len({*previous}) == 3 and all(len(one) == 64 for one in previous[1:])


@pytest.mark.parametrize("change", ["edit", "remove", "swap", "insert"])
def test_a_line_that_was_changed_removed_moved_or_added_shows(log: Path, change: str):
    lines = log.read_text().splitlines()
    if change == "edit":
        lines[1] = lines[1].replace("p2", "p3")
    elif change == "remove":
        del lines[1]
    elif change == "swap":
        lines[:2] = lines[1::-1]
    else:
        lines.insert(1, lines[0])
    log.write_text("\n".join(lines) + "\n")
    problems = read_log(log).problems
    assert problems and all("follow the one before" in str(one) and "line " in str(one) for one in problems)


@pytest.mark.parametrize(
    "rubbish",
    [
        b"half a li",
        b"[" * 200_000,
        b'{"kind": "offered"}',
        b"\xff\xfe",
        b"{}",
        b"3",
        b"\0",
        b'{"kind": 5}',
        b'{"a":' * 9000,
    ],
)
def test_a_damaged_line_is_named_and_the_rest_is_read_and_written_to(
    log: Path, rubbish: bytes, capsys: pytest.CaptureFixture[str]
):
    lines = log.read_bytes().splitlines()
    lines[1] = rubbish
    log.write_bytes(b"\n".join(lines) + b"\n")
    assert decide(log) == 0
    said = capsys.readouterr().err.splitlines()
    assert [f"{log}: line 2: given {len(rubbish)}" in one.replace(",", "") for one in said] == [True, False]
    assert "line 3: given a line that does not follow" in said[1]
    assert read_log(log).lines[-1]["offer"] == "4567"


def test_half_a_last_line_does_not_swallow_the_next(log: Path):
    log.write_bytes(log.read_bytes()[:-30])
    assert decide(log) == 0
    found = read_log(log)
    assert [line["kind"] for line in found.lines] == ["offered", "offered", "decided"] and len(found.problems) == 1
    assert found.lines[-1]["offer"] == "0123"


def test_a_log_without_a_chain_is_read_and_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "old").write_text(json.dumps(OFFER) + "\n")
    assert decide(tmp_path / "old") == 0
    assert "1 lines without a hash of the line before them" in capsys.readouterr().err
    assert [line["kind"] for line in read_log(tmp_path / "old").lines] == ["offered", "decided"]
    assert len(read_log(tmp_path / "old").problems) == 1


def test_a_disk_that_fills_up_leaves_the_log_as_it_was(log: Path, monkeypatch: pytest.MonkeyPatch):
    before = log.read_bytes()
    write = os.pwrite

    def full(descriptor: int, content: bytes, at: int) -> int:
        if at == len(before):
            return write(descriptor, content[:17], at)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(decision_log.os, "pwrite", full)
    with pytest.raises(InputError, match="no space left on device; allowed: a file to add to"):
        append_to_log(log, [OFFER, OFFER])
    assert log.read_bytes() == before


def test_a_new_log_is_its_owners_alone(log: Path):
    assert log.stat().st_mode & 0o777 == 0o600


def test_what_several_commands_add_at_once_stays_whole_and_chained(tmp_path: Path):
    code = (
        "import sys, pathlib; from taper_sim.recommend.decision_log import append_to_log\n"
        f"for k in range(40): append_to_log(pathlib.Path({str(tmp_path / 'log')!r}), "
        f"[{OFFER!r} | {{'id': sys.argv[1] + str(k), 'reasons': 'x' * 9000}}])"
    )
    several = [subprocess.Popen([sys.executable, "-c", code, str(k)]) for k in range(3)]  # noqa: S603 - this Python
    assert [one.wait() for one in several] == [0, 0, 0]
    found = read_log(tmp_path / "log")
    assert len(found.lines) == 120 and not found.problems


def test_no_offer_to_a_patient_is_one_line(log: Path):
    with pytest.raises(InputError, match="no offer to p9"):
        decided(log, "p9", "hold", "Dr. A", "agreed", None)


@pytest.mark.parametrize("did", ["abrupt stop", "Hold", "other:", "other:  ", "holds"])
def test_an_action_that_was_no_option_is_refused_and_nothing_is_written(
    log: Path, did: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = log.read_bytes()
    code = main(["decide", str(log), "--patient", "p1", "--did", did, "--by", "Dr. A", "--reason", "agreed"])
    assert code == 2 and log.read_bytes() == before
    error = capsys.readouterr().err
    assert "--did" in error and "other: …" in error and error.count("\n") == 1


def test_another_action_is_recorded_with_a_word_and_as_not_offered(log: Path) -> None:
    line = decided(log, "p1", "other: admitted to hospital", "Dr. A", "agreed", None)
    assert (line["did"], line["as_chosen"], line["as_offered"]) == ("other: admitted to hospital", False, False)


def test_a_blocked_option_is_recorded_as_not_offered(tmp_path: Path) -> None:
    offer = OFFER | {"offered": ["hold"], "blocked": {"reduce opioid": "blocked: no agreement"}}
    append_to_log(tmp_path / "log", [offer])
    assert decided(tmp_path / "log", "p1", "reduce opioid", "Dr. A", "agreed", None)["as_offered"] is False
    assert decided(tmp_path / "log", "p1", "hold", "Dr. A", "agreed", None)["as_offered"] is True
