"""A problem is one line, whatever a file, a name or a value held."""

import pytest

from taper_sim.data.problems import InputError, Problem, escaped, problem

STEERING = "a\nb\r\x1b[31mc\u2028\u202ed\x00\ud800"


@pytest.mark.parametrize("field", ["file", "place", "given", "allowed"])
def test_no_field_of_a_problem_breaks_the_line_or_steers_the_terminal(field: str) -> None:
    fields = {"file": "f.yaml", "place": "doses[0]", "given": "x", "allowed": "y"} | {field: STEERING}
    line = str(Problem(**fields))
    assert line.isprintable() and len(line.splitlines()) == 1
    assert "a\\nb\\r\\x1b[31mc\\u2028\\u202ed\\x00\\ud800" in line
    line.encode()  # a lone surrogate could not be printed


def test_what_can_be_printed_stays_as_it_is_and_nothing_is_cut_or_escaped_twice() -> None:
    text = "Größe ≥ 5 µg, C:\\new \\n 日本 " + "x" * 500
    assert escaped(text) == text
    assert str(Problem(text, "", "1", "2")).startswith(text)
    assert str(problem("f", "", "a\nb", "text").problems[0]) == "f: given a\\nb; allowed: text"


def test_an_input_error_has_a_line_for_each_problem() -> None:
    error = InputError([Problem("a\nb", "", "1", "2"), Problem("c", "", "1\n\n", "2")])
    assert len(str(error).splitlines()) == 2
