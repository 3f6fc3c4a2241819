"""The formulary: every row is a drug, names are never guessed, a dose in the wrong unit is always refused."""

import math

import pytest

from taper_sim import tables
from taper_sim.data import formulary
from taper_sim.data.formulary import DoseError, UnknownDrugError, find_drug, validate_dose
from taper_sim.model.pharmacology import dispensable_totals
from taper_sim.units import DRUG_CLASSES


def test_every_row_of_the_table_is_a_drug_with_its_own_numbers() -> None:
    drugs = formulary.formulary()
    assert len(drugs) == len(tables.read("drugs").rows) == 43
    assert {drug.drug_class for drug in drugs.values()} == set(DRUG_CLASSES)
    morphine = drugs["morphine", "ER"]
    assert (morphine.effect_half_life_h, morphine.trough_mean, morphine.interval_h) == (9.5, 0.46, 12.0)
    assert morphine.strengths == (15.0, 30.0, 60.0, 100.0, 200.0)
    assert not morphine.splittable
    assert "never cut or crush" in morphine.max_step_note


def test_only_buprenorphine_has_no_equivalence_factor() -> None:
    without_factor = {drug.drug for drug in formulary.formulary().values() if drug.equivalence_factor is None}
    assert without_factor == {"buprenorphine"}


def test_no_drug_is_reviewed_until_a_person_signs_its_row() -> None:
    signed = {(row["drug"], row["formulation"]) for row in tables.read("drugs").rows if tables.is_reviewed(row)}
    assert {key for key, drug in formulary.formulary().items() if drug.reviewed} == signed


@pytest.mark.parametrize("key", [key for key, d in formulary.formulary().items() if not d.is_patch], ids="-".join)
def test_no_sum_of_marketed_tablets_is_left_out(key: tuple[str, str]) -> None:
    drug = formulary.formulary()[key]
    up_to = 6 * drug.strengths[-1]
    reached, new = {0.0}, {0.0}
    while new:
        new = {round(a + s, 6) for a in new for s in drug.strengths if a + s <= up_to + 1e-9} - reached
        reached |= new
    assert reached <= set(dispensable_totals(drug, 1, up_to))


def test_the_absorption_of_one_dose_is_a_third_of_the_days() -> None:
    single, absorbed = formulary.absorption()
    assert dict(zip(single, absorbed * 3, strict=True))[400.0] == pytest.approx(564)
    assert (single[0], absorbed[0], single[-1]) == (0.0, 0.0, 1600.0)


def test_names_ignore_case_and_surrounding_spaces() -> None:
    assert find_drug(" Morphine ", "er") is formulary.formulary()["morphine", "ER"]


def test_the_formulation_is_optional_only_for_a_drug_with_one_formulation() -> None:
    assert find_drug("fentanyl").formulation == "TD"
    with pytest.raises(UnknownDrugError, match="morphine needs a formulation; allowed: IR, ER, oral solution"):
        find_drug("morphine")


def test_a_misspelt_drug_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownDrugError, match="morphin is not in the formulary; did you mean morphine"):
        find_drug("morphin", "ER")
    with pytest.raises(UnknownDrugError, match="known: morphine, "):
        find_drug("zzzz")


@pytest.mark.parametrize("given", ["XR", "extended release", "E", "", "SR"])
def test_a_formulation_is_never_guessed(given: str) -> None:
    with pytest.raises(UnknownDrugError, match="allowed: IR, ER"):
        find_drug("morphine", given)


def test_mg_for_a_patch_is_refused() -> None:
    with pytest.raises(DoseError, match=r"fentanyl TD is a patch.*dose_mg_per_day 25.*allowed: dose_mcg_per_h"):
        validate_dose(find_drug("fentanyl"), 25.0)
    with pytest.raises(DoseError, match="allowed: dose_mcg_per_h alone"):
        validate_dose(find_drug("fentanyl"), 25.0, 25.0)


def test_mcg_per_h_for_a_tablet_is_refused() -> None:
    with pytest.raises(DoseError, match=r"morphine ER is no patch.*dose_mcg_per_h 25.*allowed: dose_mg_per_day"):
        validate_dose(find_drug("morphine", "ER"), None, 25.0)


def test_no_dose_is_not_a_dose_of_zero() -> None:
    with pytest.raises(DoseError, match="no dose given"):
        validate_dose(find_drug("morphine", "ER"))
    assert validate_dose(find_drug("morphine", "ER"), 0.0) == 0.0


@pytest.mark.parametrize("dose", [-1.0, math.nan, math.inf, -math.inf])
def test_a_dose_is_finite_and_not_negative(dose: float) -> None:
    with pytest.raises(DoseError, match="allowed: a finite number, 0 or more"):
        validate_dose(find_drug("morphine", "ER"), dose)


@pytest.mark.parametrize(
    ("name", "form", "passes", "refused"),
    [
        ("morphine", "ER", 1200, 3001),
        ("methadone", "IR", 300, 700),
        ("alprazolam", "IR", 20, 51),
        ("pregabalin", "IR capsule", 900, 3001),
        ("gabapentin", "IR", 4800, 4801),
        ("gabapentin", "ER (gastroretentive)", 1800, 5000),
        ("buprenorphine", "SL film/tablet", 32, 65),
    ],
)
def test_an_implausible_dose_is_refused(name: str, form: str, passes: float, refused: float) -> None:
    drug = find_drug(name, form)
    assert validate_dose(drug, passes) == passes
    with pytest.raises(DoseError) as caught:
        validate_dose(drug, refused)
    assert "\n" not in str(caught.value)


def test_an_implausible_patch_is_refused_on_its_own_scale() -> None:
    assert validate_dose(find_drug("fentanyl"), None, 300.0) == 300.0
    with pytest.raises(DoseError, match="3600"):
        validate_dose(find_drug("fentanyl"), None, 1500.0)
    with pytest.raises(DoseError, match="at most 140"):
        validate_dose(find_drug("buprenorphine", "TD"), None, 200.0)


def test_an_interval_that_does_not_divide_the_day_is_refused() -> None:
    assert validate_dose(find_drug("morphine", "ER"), 90.0, interval_h=8) == 90.0
    with pytest.raises(DoseError, match="interval_h 5 given"):
        validate_dose(find_drug("morphine", "ER"), 90.0, interval_h=5)


def test_equivalents_of_gabapentin_use_the_patients_interval() -> None:
    gabapentin = find_drug("gabapentin", "IR")
    assert formulary.equivalents(gabapentin, 1200.0) == pytest.approx(564 / 3.6)
    assert formulary.equivalents(gabapentin, 1200.0, interval_h=6) == pytest.approx(1200 * 0.6 / 3.6)


def test_provenance_names_the_tables_with_their_review_status() -> None:
    drugs = [find_drug("morphine", "ER"), find_drug("gabapentin", "IR")]
    provenance = formulary.provenance(drugs)
    assert [entry["table"] for entry in provenance] == ["drugs", "gabapentin_absorption"]
    assert provenance[0]["rows"] == 2
    expected = tables.REVIEWED if all(drug.reviewed for drug in drugs) else tables.UNREVIEWED
    assert provenance[0]["status"] == expected
    assert len(formulary.provenance(drugs[:1])) == 1
