"""The ceiling of each class by hand, from the rows of guidelines.csv and the tool's own caps."""

from types import SimpleNamespace
from typing import Any

import pytest

from taper_sim import tables
from taper_sim.safety.ceilings import _fits, ceiling_of
from taper_sim.safety.limits import Limits

NONE = Limits()


@pytest.mark.parametrize(
    ("drug_class", "use_days", "pct", "basis", "preset_pct", "preset"),
    [
        (
            "opioid",
            90,
            30,
            "the tool's own cap for this class, below CDC 2022 (use weeks-months) (2022)",
            30,
            "CDC 2022",
        ),
        ("opioid", 91, 20, "HHS Guide (2019)", 10, "HHS Guide"),
        ("opioid", 365, 20, "HHS Guide (2019)", 10, "HHS Guide"),
        ("opioid", 366, 10, "CDC 2022 (use >=1 year) (2022)", 5 * 28 / 42, "VA Opioid Taper Decision Tool - slowest"),
        ("benzodiazepine", 30, 5, "Maudsley Deprescribing - benzodiazepine slow (2024)", 5, "Maudsley"),
        ("benzodiazepine", 31, 20, "the tool's own cap for this class, below ASAM Joint", 10, "ASAM Joint"),
        ("benzodiazepine", 366, 5, "Maudsley Deprescribing - benzodiazepine slow (2024)", 5, "Maudsley"),
        ("gabapentinoid", 365, 15, "Maudsley Deprescribing - gabapentinoid (2024)", 15, "Maudsley"),
        ("gabapentinoid", 366, 10, "the tool's cap after a year's use, below Maudsley Deprescribing", 10, "Maudsley"),
    ],
)
def test_the_ceiling_is_the_lowest_of_the_guidance_that_applies_and_of_the_caps(
    drug_class: Any, use_days: float, pct: float, basis: str, preset_pct: float, preset: str
) -> None:
    ceiling = ceiling_of(drug_class, use_days, 0, NONE)
    assert (ceiling.drug_class, ceiling.raised_by) == (drug_class, None)
    assert ceiling.pct_per_28d == pytest.approx(pct) and ceiling.basis.startswith(basis)
    assert ceiling.preset_pct == pytest.approx(preset_pct) and ceiling.preset.startswith(preset)


def test_guidance_at_the_cap_is_named_and_guidance_above_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"drug_class": "opioid", "simulated": "yes", "applies_if": "opioid", "pct": "5", "every_days": "28"}

    def ceiling(pct: str, use_days: float) -> tuple[float, str]:
        rows = [row | {"guideline": "G", "year": "2030", "ceiling_pct_per_28d": pct}]
        monkeypatch.setattr(tables, "read", lambda name: SimpleNamespace(rows=rows))
        found = ceiling_of("opioid", use_days, 0, NONE)
        return found.pct_per_28d, found.basis

    assert ceiling("30", 100) == (30.0, "G (2030)")
    assert ceiling("31", 100) == (30.0, "the tool's own cap for this class, below G (2030)")
    assert ceiling("10", 400) == (10.0, "G (2030)")
    assert ceiling("11", 400) == (10.0, "the tool's cap after a year's use, below G (2030)")


def test_an_earlier_failed_taper_halves_the_ceiling_once_and_the_preset_stays_below_it() -> None:
    for failed in (1, 2):
        ceiling = ceiling_of("opioid", 200, failed, NONE)
        assert ceiling.pct_per_28d == 10.0 and ceiling.preset_pct == 10.0
        assert ceiling.basis == f"HHS Guide (2019); halved after {failed} earlier failed taper(s)"
    after_a_year = ceiling_of("gabapentinoid", 400, 1, NONE)
    assert (after_a_year.pct_per_28d, after_a_year.preset_pct) == (5.0, 5.0)


def test_a_raised_ceiling_counts_for_its_class_and_only_above_the_usual_one() -> None:
    limits = Limits.model_validate(
        {
            "ceiling_raised": {
                "opioid": {"pct_per_28d": 25, "by": "Dr A", "reason": "surgery"},
                "benzodiazepine": {"pct_per_28d": 4, "by": "Dr B", "reason": "wish"},
            }
        }
    )
    raised = ceiling_of("opioid", 400, 0, limits)
    assert (raised.pct_per_28d, raised.raised_by, raised.basis) == (25.0, "Dr A", "raised by Dr A: surgery")
    assert raised.preset_pct == pytest.approx(5 * 28 / 42)  # before the first check-in nobody is tapered faster
    for drug_class in ("benzodiazepine", "gabapentinoid"):
        assert ceiling_of(drug_class, 400, 0, limits) == ceiling_of(drug_class, 400, 0, NONE)


@pytest.mark.parametrize(
    ("condition", "days", "fits"),
    [
        ("opioid_use_days < 90", 89, True),
        ("opioid_use_days < 90", 90, False),
        ("opioid_use_days <= 90", 90, True),
        ("opioid_use_days <= 90", 91, False),
        ("opioid_use_days > 90", 91, True),
        ("opioid_use_days > 90", 90, False),
        ("opioid_use_days >= 90", 90, True),
        ("opioid_use_days >= 90", 89, False),
        ("opioid", 90, False),
    ],
)
def test_a_condition_on_days_of_use_is_met_at_its_limit_or_not(condition: str, days: float, fits: bool) -> None:
    assert _fits({"applies_if": condition}, days) is fits
