"""The page of promises names tests that exist, and no promise is without one."""

import ast
import re

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "advice.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


def test_every_test_that_the_page_names_exists() -> None:
    assert len(NAMED) > 20
    for path, name in NAMED:
        tree = ast.parse((ROOT / path).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{path}::{name}"


def test_every_row_of_the_page_has_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "held by" not in line]
    assert [row for row in rows if "`tests/" not in row] == []
    assert len(rows) == len(NAMED)
