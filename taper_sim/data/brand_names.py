"""Drugs by the names on labels and in RxNorm: "MS Contin", "Percocet 5-325". Imports ``tables``, ``data.fhir``.

A name of the formulary is read as it is. Any other name must hold a brand, or an ingredient with a strength, and
nothing but words of product names; else it is refused with the nearest name. A dose is never guessed: of a combination
the strength must be stated, because a dose in mg does not tell which ingredient it counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from taper_sim import tables
from taper_sim.data import formulary
from taper_sim.data.brands import brands, brands_in, words_of
from taper_sim.data.fhir.json_input import Cannot
from taper_sim.data.fhir.medications import Product, product_of
from taper_sim.data.fhir.names import PARTNERS, form_of
from taper_sim.data.formulary import DoseError, UnknownDrugError
from taper_sim.data.problems import nearest, shown
from taper_sim.model.pharmacology import Drug
from taper_sim.units import TOLERANCE

_PRODUCT_WORDS: Final = PARTNERS | frozenset(
    "mg mcg ug g h hr hrs hour hours day ml per er xr sr cr ir xl es hp "
    "tablet tablets tab tabs capsule capsules cap caps film films patch patches system "
    "oral transdermal sublingual buccal extended immediate release delayed disintegrating once daily "
    "hydrochloride hcl sulfate bitartrate phosphate of and with".split()
)
"""Words of product names that are neither a brand nor an ingredient."""


@dataclass(frozen=True)
class NamedDrug:
    """A drug of the formulary by a name, with the product and the amount in one tablet or patch, if the name has them.

    Attributes
    ----------
    drug : Drug
    product : str
        The name as written, if it is not a name of the formulary; else empty.
    strength : float or None
        mg of the drug in one tablet, capsule or film; mcg/h of a patch.
    """

    drug: Drug
    product: str = ""
    strength: float | None = None

    def check(self, dose: float) -> None:
        """Refuse a dose that the named product cannot give, such as the mg of another ingredient.

        Raises
        ------
        DoseError
            If the dose is no whole number of products (of halves, if the tablet may be halved).
        """
        if self.strength is None:
            return
        unit = self.strength / 2.0 if self.drug.splittable else self.strength
        if abs(dose / unit - round(dose / unit)) > TOLERANCE * max(dose / unit, 1.0):
            raise DoseError(
                f"{shown(self.product)}: given {dose:g} {self.drug.unit}; allowed: a whole number of times {unit:g} of "
                f"{self.drug.drug.split('-')[0]}"
            )


def named_drug(name: str, formulation: str | None = None) -> NamedDrug:
    """The drug of a name: of the formulary, a brand, or a product as RxNorm writes it.

    Parameters
    ----------
    name : str
        Such as ``morphine``, ``MS Contin``, ``Percocet 5-325``, ``oxycodone hydrochloride 10 MG Oral Tablet``.
    formulation : str, optional
        As in drugs.csv; a brand names its own.

    Raises
    ------
    UnknownDrugError
        If the name is unknown, names several drugs or forms, or is not enough to tell the dose.
    """
    lower_name = name.strip().lower()
    ingredients = {key[0].split("-")[0] for key in formulary.formulary()}
    absent = _absent_drugs().get(lower_name)
    if absent is not None:
        raise UnknownDrugError(f"{shown(name)} {absent['why']}; allowed: {absent['allowed']}")
    words = set(words_of(name))
    brand_words = {word for brand in brands_in(name) for word in words_of(brand.name)}
    has_strength = any(letter.isdigit() for letter in name) and bool(words & ingredients)
    if lower_name in {key[0] for key in formulary.formulary()} or not (brand_words or has_strength):
        return NamedDrug(_of_formulary(name, formulation))
    rest = sorted(words - brand_words - ingredients - _PRODUCT_WORDS)
    if rest:
        raise UnknownDrugError(f"drug {shown(name)} has the unknown word {shown(rest[0])}; allowed: {_ALLOWED}")
    try:
        product = product_of([{"text": name}])
        if product is None:
            raise UnknownDrugError(f"drug {shown(name)} is not in the formulary; allowed: {_ALLOWED}")
        drug = product.drug() if formulation is None else _in_form(product, formulation)
    except Cannot as error:
        raise UnknownDrugError(f"{error.given}; allowed: {error.allowed}") from None
    of_product = product.strength
    strength = of_product.amount if of_product is not None and of_product.per in ("one", "h") else None
    if product.partners and strength is None:
        partner = " and ".join(sorted(product.partners))
        example = _EXAMPLES.get(partner, "the two numbers of the label")
        raise UnknownDrugError(
            f"{shown(name)} holds {product.name} and {partner}, and its strength is not stated; allowed: the strength "
            f"with the name, such as {example}, and mg of {product.name} a day"
        )
    return NamedDrug(drug, name.strip(), strength)


_ALLOWED: Final = "a drug of `taper-sim drugs`, a brand of brands.csv, or an ingredient with its strength"
_EXAMPLES: Final = {"acetaminophen": "'Percocet 5-325'", "naloxone": "'Suboxone 8-2'"}


@cache
def _absent_drugs() -> Mapping[str, tables.Row]:
    """Rows of absent_drugs.csv by name: known drugs that are not read, for which no similar name may be suggested."""
    return {row["name"]: row for row in tables.read("absent_drugs").rows}


def _of_formulary(name: str, formulation: str | None) -> Drug:
    """The drug by its name in drugs.csv; the hint for an unknown name may be a brand."""
    known = {key[0] for key in formulary.formulary()}
    lower_name = name.strip().lower()
    lower_name = next((n for n in (lower_name, "-".join(reversed(lower_name.split("-")))) if n in known), lower_name)
    if lower_name in known:
        return formulary.find_drug(lower_name, formulation)
    printed = {brand.name.lower(): brand.name for brand in brands().values()} | {drug: drug for drug in known}
    hint = nearest(name.strip().lower(), printed)
    if not hint:
        return formulary.find_drug(name, formulation)  # which refuses it and lists the drugs
    close = hint.removeprefix("; did you mean ").removesuffix("?")
    raise UnknownDrugError(f"drug {shown(name)} is not in the formulary; did you mean {printed[close]}?")


def _in_form(product: Product, formulation: str) -> Drug:
    """The drug in the formulation of drugs.csv that is stated beside the name; refuses one that the name excludes."""
    own_names = any(brand.alone for brand in brands_in(product.description)) and not form_of(product.description)
    forms = product.forms("" if own_names else product.form)
    drug = next((d for d in forms if d.formulation.lower() == formulation.strip().lower()), None)
    if drug is None:
        allowed = ", ".join(d.formulation for d in forms) or "no formulation of the formulary"
        raise UnknownDrugError(
            f"{shown(product.description)} has no formulation {shown(formulation)}; allowed: {allowed}"
        )
    return drug
