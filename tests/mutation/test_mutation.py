"""The table of mutants belongs to the code as it is, none of them survived, and the command does what it says."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.operators import by_hand, mutants
from tests.mutation.subjects import ROOT, SUBJECTS, Subject
from tests.mutation.table import PER_MODULE, chosen, code_of, every_mutant, key_of, no_effect_of, read_table

each_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=[subject.module for subject in SUBJECTS])
ROWS = read_table()


@each_subject
def test_the_table_comes_from_this_code_and_these_tests(subject: Subject) -> None:
    own = ROWS[ROWS["module"] == subject.module]
    stale = f"run: python -m tests.mutation {subject.module}"
    assert set(own["hash"]) == {code_of(subject)}, stale
    rows = set(own["function"] + ": " + own["change"])
    assert {key_of(mutant) for mutant in chosen(subject, PER_MODULE)} <= rows, stale


def test_every_mutant_of_the_table_was_noticed_or_has_a_reason() -> None:
    assert set(ROWS["module"]) == {subject.module for subject in SUBJECTS}
    assert set(ROWS["outcome"]) <= {"killed", "too slow", "no effect"}
    assert ((ROWS["reason"] != "") == (ROWS["outcome"] == "no effect")).all()


@each_subject
def test_a_reason_belongs_to_one_mutant(subject: Subject) -> None:
    hand, others = every_mutant(subject)
    keys = [key_of(mutant) for mutant in (*hand, *others)]
    assert {key: keys.count(key) for key in subject.no_effect or {}} == dict.fromkeys(subject.no_effect or {}, 1)


@each_subject
def test_a_mutant_is_another_program(subject: Subject) -> None:
    usual = ast.dump(ast.parse((ROOT / "taper_sim" / subject.module).read_text()))
    some = chosen(subject, PER_MODULE)
    assert some == chosen(subject, PER_MODULE)
    assert all(ast.dump(ast.parse(mutant.source)) != usual for mutant in some)


SOURCE = '''"""1 + 1 in words."""

N: int = 3


class Ω:
    def f(self, x: int | None, *, deep=False):
        """Not 2 < 3."""
        while x < 4 and not deep:
            x -= "Ω" in f"{1 + 1}"
        return -x if x == 0 else x * 0.5
'''


def test_the_operators_change_what_runs_and_nothing_else() -> None:
    found = mutants(SOURCE)
    assert [(mutant.line, mutant.change) for mutant in found] == [
        (3, "N: int = 3 becomes N: int = 6"),
        (3, "N: int = 3 becomes N: int = 0"),
        (9, "x < 4 and (not deep) becomes not (x < 4 and (not deep))"),
        (9, "x < 4 and (not deep) becomes x < 4 or not deep"),
        (9, "x < 4 becomes x <= 4"),
        (9, "while x < 4 and not deep: becomes while x < 8 and not deep:"),
        (9, "while x < 4 and not deep: becomes while x < 0 and not deep:"),
        (9, "not deep becomes deep"),
        (10, "x -= 'Ω' in f'{1 + 1}' becomes x += 'Ω' in f'{1 + 1}'"),
        (10, "'Ω' in f'{1 + 1}' becomes 'Ω' not in f'{1 + 1}'"),
        (11, "x == 0 becomes not x == 0"),
        (11, "-x becomes x"),
        (11, "x == 0 becomes x != 0"),
        (11, "return -x if x == 0 else x * 0.5 becomes return -x if x == 1 else x * 0.5"),
        (11, "x * 0.5 becomes x / 0.5"),
        (11, "return -x if x == 0 else x * 0.5 becomes return -x if x == 0 else x * 1.0"),
        (11, "return -x if x == 0 else x * 0.5 becomes return -x if x == 0 else x * 0.0"),
    ]
    assert {mutant.function for mutant in found} == {"", "Ω.f"}
    changed = found[9].source.splitlines()
    assert changed[9] == """            x -= ('Ω' not in f'{1 + 1}')"""
    assert changed[:9] + changed[10:] == SOURCE.splitlines()[:9] + SOURCE.splitlines()[10:]


def test_a_mutant_by_hand_replaces_a_text_that_occurs_once() -> None:
    mutant = by_hand(SOURCE, "x * 0.5", "x")
    assert (mutant.function, mutant.line, mutant.change) == ("Ω.f", 11, "x * 0.5 becomes x")
    assert mutant.source == SOURCE.replace("x * 0.5", "x")
    with pytest.raises(ValueError, match="occurs 2 times"):
        by_hand(SOURCE, "deep", "wide")


RUN = """
import sys
from pathlib import Path
from tests.mutation.trial import outcome_of
from tests.mutation.subjects import Subject
copy, subject = Path(sys.argv[1]), Subject("small.py", ("test_small.py",), leaving_out=("wrong",))
for source in (None, "def f(x): return x + 1", "def f(x): return x - 1", "f = "):
    print(outcome_of(subject, source, copy, 600.0))
print(outcome_of(subject, "while True: pass", copy, 3.0))
"""


def test_a_run_tells_a_mutant_that_is_noticed_from_one_that_is_not(tmp_path: Path) -> None:
    """In a process of its own: the command begins processes as copies of itself."""
    small, test = tmp_path / "taper_sim" / "small.py", tmp_path / "tests" / "test_small.py"
    for path, text in (
        (tmp_path / "taper_sim" / "__init__.py", ""),
        (small, "def f(x): return 1 + x"),
        (test, "from taper_sim.small import f\ndef test_f(): assert f(1) == 2\ndef test_wrong(): assert f(1) == 3\n"),
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    words = [sys.executable, "-W", "ignore", "-c", RUN, str(tmp_path)]
    run = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)  # noqa: S603 - our own words
    assert run.stdout.split("\n")[:-1] == ["survived", "survived", "killed", "killed", "too slow"], run.stderr
    assert small.read_text() == "def f(x): return 1 + x"


def test_a_reason_is_given_under_the_name_of_the_function_and_the_change() -> None:
    mutant = by_hand(SOURCE, "x * 0.5", "x")
    subject = Subject("any.py", (), no_effect={"Ω.f: x * 0.5 becomes x": "x is 0"})
    assert no_effect_of(subject, mutant) == "x is 0"
    assert no_effect_of(Subject("any.py", ()), mutant) == ""
