"""The committed table of mutants, and the mutants that belong in it."""

import ast
import hashlib
import random
from pathlib import Path
from types import ModuleType
from typing import Final

import pandas as pd

from taper_sim.provenance import _Bare
from tests.mutation.operators import Mutant, by_hand, mutants
from tests.mutation.subjects import ROOT, Subject

TABLE: Final = ROOT / "docs" / "tables" / "mutation.csv"
COLUMNS: Final = ["module", "function", "line", "column", "change", "outcome", "reason", "hash"]
PER_MODULE: Final = 12
"""Mutants of each module that the committed table has at least, besides those by hand."""


def read_table(path: Path = TABLE) -> pd.DataFrame:
    """The table; empty if there is none yet."""
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    return pd.read_csv(path, dtype={"line": int, "column": int}, keep_default_na=False)


def code_of(subject: Subject) -> str:
    """Hash of a module and of its tests, without docstrings, comments and layout."""
    digest = hashlib.sha256(repr((subject.tests, subject.leaving_out)).encode())
    for path in (ROOT / "taper_sim" / subject.module, *(ROOT / "tests" / test for test in subject.tests)):
        digest.update(ast.dump(_Bare(ModuleType("any")).visit(ast.parse(path.read_text()))).encode())
    return digest.hexdigest()[:12]


def chosen(subject: Subject, n: int) -> list[Mutant]:
    """A subject's mutants by hand, and ``n`` of the others at random, always the same ones of the same module."""
    source = (ROOT / "taper_sim" / subject.module).read_text()
    every = mutants(source)
    draws = random.Random(subject.module)  # noqa: S311 - no secret is made of it
    places = sorted(draws.sample(range(len(every)), min(n, len(every))))
    return [by_hand(source, *texts) for texts in subject.by_hand] + [every[k] for k in places]


def key_of(mutant: Mutant) -> str:
    """Name of a mutant under which a reason may be given why it has no effect."""
    return f"{mutant.function}: {mutant.change}"


def no_effect_of(subject: Subject, mutant: Mutant) -> str:
    """Reason why no test can notice a mutant; empty if one should."""
    return (subject.no_effect or {}).get(key_of(mutant), "")
