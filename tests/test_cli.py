"""The command itself: what it does to the process it runs in."""

import sys
from pathlib import Path

import pytest

from taper_sim import cli


@pytest.mark.parametrize(
    ("told_not_to", "prefix", "beside", "kept"),
    [(True, None, False, True), (False, None, False, False), (True, "own", False, False), (True, None, True, False)],
)
def test_compiled_python_is_kept_in_the_cache_only_where_it_may_not_lie_beside_its_sources_and_none_does(
    told_not_to: bool, prefix: str | None, beside: bool, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", told_not_to)
    monkeypatch.setattr(sys, "pycache_prefix", prefix)
    monkeypatch.setattr(cli, "cache_from_source", lambda _: str(tmp_path if beside else tmp_path / "none"))
    monkeypatch.setattr(sys, "argv", ["taper-sim", "outcomes"])
    assert cli.main(["outcomes"]) == 0  # called by somebody else's program: theirs to say
    assert (sys.dont_write_bytecode, sys.pycache_prefix) == (told_not_to, prefix)
    assert cli.main() == 0
    assert sys.dont_write_bytecode == (told_not_to and not kept)
    assert sys.pycache_prefix == (str(tmp_path / ".cache" / "taper_sim" / "bytecode") if kept else prefix)
