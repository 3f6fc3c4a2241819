"""A change of structure moves no number: what commands and studies give is what was kept, to the bit.

On another processor, or with another version of a library that computes, the last bits may differ: there tables are
compared to a relative 1e-6, and a sampler's chains, which such bits lead elsewhere, are not compared.
"""

import io
import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pandas as pd
import pytest

from tests.numbers.cases import CASES
from tests.numbers.keep import KEPT, MADE_BY, made_by, texts_of

HERE_AS_KEPT = json.loads(MADE_BY.read_text()) == made_by()
CHAINS = ("fit", "studies")


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] if case in CHAINS else []) for case in CASES]
)
def test_no_number_moved(case: str) -> None:
    if not HERE_AS_KEPT and case in CHAINS:
        pytest.skip("chains follow the last bits, which this processor or these libraries may round otherwise")
    kept = {path.name: path.read_text() for path in (KEPT / case).iterdir()}
    now = _in_own_process(case) if case in CHAINS else texts_of(case)
    assert now.keys() == kept.keys()
    if HERE_AS_KEPT:
        assert [name for name in kept if now[name] != kept[name]] == []
        return
    for name in kept:
        if name.endswith(".csv"):
            tables = (pd.read_csv(io.StringIO(text)) for text in (now[name], kept[name]))
            pd.testing.assert_frame_equal(*tables, rtol=1e-6, atol=1e-9, check_dtype=False)
        else:
            assert json.loads(now[name]) == _near(json.loads(kept[name])), name


def _in_own_process(case: str) -> dict[str, str]:
    """What a case gives in a new process: chains follow the last bits, which earlier work of a process may change."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(texts_of, case).result()


def _near(value: object) -> object:
    """A JSON value whose numbers compare with a tolerance."""
    if isinstance(value, dict):
        return {key: _near(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_near(item) for item in value]
    return pytest.approx(value, rel=1e-6, abs=1e-9) if isinstance(value, float) else value
