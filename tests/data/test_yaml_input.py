"""YAML as it is read: numbers, aliases, places of problems."""

from pathlib import Path

import pytest
from pydantic import Field, field_validator

from taper_sim.data.problems import InputError
from taper_sim.data.yaml_input import Strict, Wrong, divided, load, read_text, read_yaml


class Inner(Strict):
    number: float = Field(ge=0, le=10)
    names: tuple[str, ...] = ()


class Outer(Strict):
    inner: Inner
    count: int = 3

    @field_validator("count")
    @classmethod
    def _even(cls, given: int) -> int:
        if given < 0:
            raise Wrong(("", given, "at least 0"), ("twice", given, "never"))
        return given


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "f.yaml"


def _problems(file: Path, text: str) -> list[tuple[str, str, str]]:
    file.write_text(text)
    with pytest.raises(InputError) as error:
        load(file, Outer)
    return [(p.place, p.given, p.allowed) for p in error.value.problems]


def test_a_right_file_is_read(file: Path):
    file.write_bytes(b"\xef\xbb\xbfinner: {number: 2.5, names: [a, b]}\r\ncount: 7\r\n")
    assert load(file, Outer) == Outer(inner=Inner(number=2.5, names=("a", "b")), count=7)


def test_an_alias_is_its_anchor(file: Path):
    file.write_text("a: &a {x: 1, y: [2, 3]}\nb: *a\nc: {<<: *a, x: 9}\n")
    assert read_yaml(file) == {"a": {"x": 1, "y": [2, 3]}, "b": {"x": 1, "y": [2, 3]}, "c": {"x": 9, "y": [2, 3]}}


def test_each_problem_has_its_place(file: Path):
    assert _problems(file, "inner: {number: 11, nams: [a]}\ncount: x\n") == [
        ("inner.number", "11", "at most 10"),
        ("inner.nams", "an unknown key; did you mean names?", "one of number, names"),
        ("count", "x", "a whole number"),
    ]


def test_a_validator_may_find_several_problems(file: Path):
    assert _problems(file, "inner: {number: 1}\ncount: -1\n") == [
        ("count", "-1", "at least 0"),
        ("count.twice", "-1", "never"),
    ]


def test_a_key_that_is_needed_is_named(file: Path):
    assert _problems(file, "count: 1\n") == [("inner", "nothing", "a value: this key is needed")]


def test_a_text_is_divided_at_what_is_allowed():
    assert divided("x: given 3; allowed: 1 or 2; check it", "?") == ("x: 3", "1 or 2; check it")
    assert divided("no such thing", "a thing") == ("no such thing", "a thing")


def test_a_text_above_the_limit_is_not_read(file: Path):
    file.write_text("x" * 11)
    assert read_text(file, 11) == "x" * 11
    with pytest.raises(InputError, match="11 bytes; allowed: at most 10 bytes"):
        read_text(file, 10)
