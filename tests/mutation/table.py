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


def every_mutant(subject: Subject) -> tuple[list[Mutant], tuple[Mutant, ...]]:
    """A subject's mutants by hand, and all others."""
    source = (ROOT / "taper_sim" / subject.module).read_text()
    return [by_hand(source, *texts) for texts in subject.by_hand], mutants(source)


def chosen(subject: Subject, n: int) -> list[Mutant]:
    """A subject's mutants by hand, and ``n`` of the others at random, always the same ones of the same module."""
    hand, others = every_mutant(subject)
    draws = random.Random(subject.module)  # noqa: S311 - no secret is made of it
    return hand + [others[k] for k in sorted(draws.sample(range(len(others)), min(n, len(others))))]


def key_of(mutant: Mutant) -> str:
    """Name of a mutant; comments and lines above it do not change it."""
    return f"{mutant.function}: {mutant.change}"


def no_effect_of(subject: Subject, mutant: Mutant) -> str:
    """Reason why no test can notice a mutant; empty if one should."""
    return (subject.no_effect or {}).get(key_of(mutant), "")
