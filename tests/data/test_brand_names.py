"""Drugs by the names on labels: a name that tells drug, form and dose is read, any other is one line."""

import re
from pathlib import Path

import pytest

from taper_sim import tables
from taper_sim.data.brand_names import named_drug
from taper_sim.data.brands import brands
from taper_sim.data.doses import read_doses
from taper_sim.data.fhir.medications import product_of
from taper_sim.data.formulary import DoseError, UnknownDrugError, formulary
from taper_sim.data.patient import DrugEntry
from taper_sim.data.problems import InputError

READ = [
    ("MS Contin", None, ("morphine", "ER")),
    ("ms contin", "er", ("morphine", "ER")),
    ("OxyContin 20 mg", None, ("oxycodone", "ER")),
    ("Norco 10-325", None, ("hydrocodone-acetaminophen", "IR")),
    ("Vicodin ES 7.5-300", None, ("hydrocodone-acetaminophen", "IR")),
    ("Zohydro ER", None, ("hydrocodone", "ER capsule")),
    ("Hysingla", None, ("hydrocodone", "ER tablet")),
    ("Duragesic", None, ("fentanyl", "TD")),
    ("Butrans", None, ("buprenorphine", "TD")),
    ("Belbuca", None, ("buprenorphine", "buccal")),
    ("Suboxone 8-2", None, ("buprenorphine", "SL film/tablet")),
    ("Subutex", None, ("buprenorphine", "SL film/tablet")),
    ("Dilaudid", None, ("hydromorphone", "IR")),
    ("Exalgo", None, ("hydromorphone", "ER")),
    ("Opana ER", None, ("oxymorphone", "ER")),
    ("Nucynta", None, ("tapentadol", "IR")),
    ("Ultracet 37.5-325", None, ("tramadol-acetaminophen", "IR")),
    ("Dolophine", None, ("methadone", "IR")),
    ("Xanax", None, ("alprazolam", "IR")),
    ("Xanax", "ER", ("alprazolam", "ER")),
    ("Klonopin", None, ("clonazepam", "IR")),
    ("Restoril", None, ("temazepam", "IR capsule")),
    ("Librium", None, ("chlordiazepoxide", "IR capsule")),
    ("Neurontin", None, ("gabapentin", "IR")),
    ("Gralise", None, ("gabapentin", "ER (gastroretentive)")),
    ("Lyrica", None, ("pregabalin", "IR capsule")),
    ("Lyrica CR", None, ("pregabalin", "ER")),
    ("oxycodone hydrochloride 10 MG Oral Tablet", None, ("oxycodone", "IR")),
    ("12 HR oxycodone hydrochloride 20 MG Extended Release Oral Tablet [OxyContin]", None, ("oxycodone", "ER")),
]
REFUSED = [
    ("Percocet", None, "holds oxycodone and acetaminophen, and its strength is not stated"),
    ("Suboxone", None, "holds buprenorphine and naloxone, and its strength is not stated; .* 'Suboxone 8-2'"),
    ("Zubsolv 5.7-1.4", None, "whose mg are not those of other films and tablets"),
    ("Horizant", None, "gabapentin enacarbil, which is not interchangeable with gabapentin"),
    ("MS Contin", "IR", "no formulation IR; allowed: ER"),
    ("Actiq", None, "a form that is not in the formulary"),
    ("Xanax Ativan", None, "alprazolam and lorazepam in one medication"),
    ("Ativan purple", None, "unknown word purple"),
    ("MS Conten", None, "did you mean MS Contin[?]$"),
    ("oxycontine", None, "did you mean OxyContin[?]$"),
    ("Klonopn", None, "did you mean Klonopin[?]$"),
    ("morphin", None, "did you mean morphine[?]$"),
    ("Tylenol 500 mg", None, "not in the formulary"),
    ("", None, "not in the formulary"),
]


@pytest.mark.parametrize(("name", "form", "key"), READ, ids=[f"{name}-{form}" for name, form, _ in READ])
def test_a_name_that_tells_drug_and_form_is_read(name: str, form: str | None, key: tuple[str, str]) -> None:
    named = named_drug(name, form)
    assert named.drug.key == key
    assert named.product == name


@pytest.mark.parametrize(("name", "form", "why"), REFUSED, ids=[f"{name}-{form}" for name, form, _ in REFUSED])
def test_a_name_that_does_not_tell_the_dose_is_one_line(name: str, form: str | None, why: str) -> None:
    with pytest.raises(UnknownDrugError, match=why) as error:
        named_drug(name, form)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("row", tables.read("absent_drugs").rows, ids=lambda row: row["name"])
def test_a_known_drug_that_is_not_read_is_never_called_by_a_similar_name(row: tables.Row) -> None:
    with pytest.raises(UnknownDrugError, match=f"{re.escape(row['why'])}; allowed: ") as error:
        named_drug(row["name"].title())
    assert "did you mean" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "key", "acetaminophen"),
    [
        ("codeine-acetaminophen", ("codeine-acetaminophen", "IR"), 300.0),
        ("Acetaminophen-Codeine", ("codeine-acetaminophen", "IR"), 300.0),
        ("Tylenol with codeine 300-30", ("codeine-acetaminophen", "IR"), 300.0),
        ("acetaminophen 300 MG / codeine phosphate 60 MG Oral Tablet", ("codeine-acetaminophen", "IR"), 300.0),
        ("Ultracet 37.5-325", ("tramadol-acetaminophen", "IR"), 325.0),
        ("Tranxene", ("clorazepate", "IR"), 0.0),
        ("quazepam", ("quazepam", "IR"), 0.0),
    ],
)
def test_a_combination_knows_its_acetaminophen(name: str, key: tuple[str, str], acetaminophen: float) -> None:
    drug = named_drug(name).drug
    assert drug.key == key and drug.acetaminophen_mg == acetaminophen


def test_a_name_of_the_formulary_is_no_product() -> None:
    assert named_drug("Morphine", "ER").product == ""


@pytest.mark.parametrize(
    ("name", "dose", "kept"),
    [
        ("Percocet 5-325", 15.0, True),
        ("Percocet 5-325", 12.5, True),  # half a tablet
        ("Percocet 5-325", 16.0, False),
        ("OxyContin 20 mg", 45.0, False),
        ("Duragesic 25 mcg/hr", 50.0, True),
        ("Duragesic 25 mcg/hr", 37.0, False),
        ("Suboxone 8-2", 10.0, False),  # 8 and 2 mg are not 10 mg
    ],
)
def test_a_dose_that_the_named_product_cannot_give_is_refused(name: str, dose: float, kept: bool) -> None:
    if kept:
        named_drug(name).check(dose)
    else:
        with pytest.raises(DoseError, match="a whole number of times"):
            named_drug(name).check(dose)


def test_doses_files_and_patient_files_take_brands_and_keep_the_product(tmp_path: Path) -> None:
    path = tmp_path / "doses.csv"
    header = "patient_id,date,drug,formulation,dose_mg_per_day\n"
    path.write_text(f"{header}p,2026-01-01,MS Contin,,90\np,2026-01-01,Norco 10-325,,30\np,2026-02-01,morphine,ER,75\n")
    rows = {(row.day.month, row.drug.key): row for row in read_doses(path)["p"]}
    assert rows[1, ("morphine", "ER")].product == "MS Contin"
    assert rows[1, ("hydrocodone-acetaminophen", "IR")].product == "Norco 10-325"
    assert rows[2, ("morphine", "ER")].dose == 75.0
    assert DrugEntry(drug="OxyContin", dose_mg_per_day=40).row.key == ("oxycodone", "ER")
    path.write_text(f"{header}p,2026-01-01,Percocet,,15\np,2026-01-02,Zubsolv,,5.7\np,2026-01-03,Norco 10-325,,31\n")
    with pytest.raises(InputError) as error:
        read_doses(path)
    assert [problem.place for problem in error.value.problems] == ["row 2", "row 3", "row 4"]


def test_every_drug_of_the_formulary_with_a_brand_is_found_by_it_in_both_readings() -> None:
    for brand in brands().values():
        if brand.refused or brand.form == "other":
            continue
        strength = " 10-325 mg" if brand.partner == "acetaminophen" else ""
        product = product_of([{"text": f"{brand.name}{strength}"}])
        assert product is not None
        assert product.name == brand.drug
    with_brand = {brand.drug for brand in brands().values()}
    assert {key[0].split("-")[0] for key in formulary()} - {"codeine"} <= with_brand


def test_no_brand_row_is_called_verified_before_somebody_has_read_its_label() -> None:
    assert {row["verified"] for row in tables.read("brands").rows} == {"no"}
