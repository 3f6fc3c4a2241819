"""The answer of a ladder is that of a policy that a clinic could follow."""

import pandas as pd
import pytest

from taper_sim.report.ladder_page import LadderTables, answer_of_ladder


@pytest.mark.parametrize(("role", "named"), [("bound", "own pace"), ("personal", "knows all")])
def test_a_bound_is_compared_and_is_never_the_answer(role: str, named: str) -> None:
    roles = {"hold": "other", "own pace": "personal", "knows all": role, "oracle": "oracle"}
    ladder = pd.DataFrame({"policy": list(roles), "role": list(roles.values()), "n": 60})
    gap = pd.DataFrame({"policy": ["own pace", "knows all"], "gain": [0.02, 0.05], "gain_lo95": [0.01, 0.03]}).assign(
        truth="the model", ceiling="on", against="best other", rival="hold", gain_hi95=0.06, gap=0.4, gap_lo95=0.2
    )
    tables = LadderTables({}, ladder, gap.assign(gap_hi95=0.6))
    answer = next(iter(answer_of_ladder(tables)))
    assert f"{named} lowers the loss" in answer
