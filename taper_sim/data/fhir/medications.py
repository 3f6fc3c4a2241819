"""Drug, form and strength of a FHIR medication. Imports ``data``, ``model``.

Codes and texts are read together. drugs.csv holds the RxNorm codes of ingredients; a product's display names drug,
strength and form. Missing or contradictory information is an error, never a guess.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from taper_sim.data.brands import brands, brands_in, words_of
from taper_sim.data.fhir.json_input import Cannot, concept_texts, number, part, parts, word
from taper_sim.data.fhir.names import ACETAMINOPHEN, NOT_IN_FORMULARY, PARTNERS, form_of, stem
from taper_sim.data.formulary import all_forms_of, formulary
from taper_sim.data.problems import shown
from taper_sim.model.pharmacology import Drug

RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC: Final = ("http://www.whocc.no/atc", "urn:oid:2.16.840.1.113883.6.73")
_ATC_CLASSES: Final = ("N02A", "N07BC", "R05DA", "N05BA", "N05CD", "N03AE", "N02BF", "N03AX12", "N03AX16")
"""Prefixes of the ATC codes of opioids, benzodiazepines and gabapentinoids. Source: WHO ATC index; not reviewed."""
MG: Final[Mapping[str, float]] = MappingProxyType(
    {
        "mg": 1.0,
        "milligram": 1.0,
        "g": 1000.0,
        "gram": 1000.0,
        "mcg": 1e-3,
        "ug": 1e-3,
        "µg": 1e-3,
        "μg": 1e-3,
        "microgram": 1e-3,
    }
)
"""mg per unit of mass."""
_MASS = r"(mg|mcg|ug|µg|μg|g|milligrams?|micrograms?|grams?)"
_NUMBER = r"(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
_STRENGTH = re.compile(rf"(?<![\w.,/–-]){_NUMBER}[ -]?{_MASS}\b(?:/({_NUMBER} ?)?([a-z]+))?")
_ANY_STRENGTH = re.compile(rf"[\d.,]+ ?-?{_MASS}\b")
_PAIR = re.compile(rf"(?<![\w.,/–-])({_NUMBER}) ?{_MASS}? ?[-–/] ?({_NUMBER}) ?{_MASS}?(?![\w.,/–-]*\d)")
_SEVERAL = re.compile(r"\d\s*(?:mg|mcg)?\s*[-–/]\s*[\d.,]+\s*(?:mg|mcg)\b")
_LIQUID = re.compile(r"solution|syrup|elixir|suspension|liquid|concentrate|drops")
_PER_HOUR = ("h", "hr", "hrs", "hour", "hours")


@dataclass(frozen=True)
class Strength:
    """Amount of the drug: mg in one tablet (``per`` "one") or in one mL ("ml"), mcg/h of one patch ("h").

    "15 mg/12 hr" is kept as mg in 12 or 24 hours ("12h", "24h") until the form is known. For a tablet the hours are the
    duration of action; for a patch the ratio is the release rate.
    """

    amount: float
    per: str

    def of(self, form: str) -> "Strength":
        """The strength of a product in this form."""
        if self.per not in ("12h", "24h"):
            return self
        hours = float(self.per.removesuffix("h"))
        return (
            Strength(round(1000.0 * self.amount / hours, 6), "h") if form == "patch" else Strength(self.amount, "one")
        )


@dataclass(frozen=True)
class Product:
    """A medication of the three drug classes.

    Attributes
    ----------
    name : str
        Ingredient: the first word of a drug of the formulary.
    form : str
        ``ER``, ``plain``, ``patch``, ``sublingual``, ``buccal``, ``other``; empty if unknown.
    strength : Strength or None
        Strength of this ingredient, if exactly one is stated.
    partners : frozenset of str
        Other ingredients by name; ``"?"`` for an unknown ingredient.
    capsule : bool
        Whether a text names a capsule.
    description : str
        The texts, for messages.
    liquid : bool
        Whether a text names a liquid that is swallowed.
    """

    name: str
    form: str
    strength: Strength | None
    partners: frozenset[str]
    capsule: bool
    description: str
    liquid: bool = False

    @property
    def combination(self) -> str:
        """The first text of a product with another ingredient, as recorded; empty for a product of the drug alone."""
        return self.description.split(" | ")[0] if self.partners else ""

    @property
    def counted(self) -> bool:
        """Whether the strength is per tablet, capsule or film."""
        return self.strength is not None and self.strength.per == "one"

    def _rows(self) -> dict[str, Drug]:
        """Rows of the formulary by formulation: those of the combination if it has rows, else those of the drug."""
        combinations = {f"{self.name}-{partner}" for partner in self.partners}
        combined = {form: drug for (name, form), drug in formulary().items() if name in combinations}
        return combined or {form: drug for (name, form), drug in formulary().items() if name == self.name}

    def forms(self, form: str | None = None) -> list[Drug]:
        """Drugs of the formulary that the product may be, in the table's order; in one form, if it is given."""
        rows, form = self._rows(), self.form if form is None else form
        if form == "":
            return list(rows.values())
        if form == "ER" and self.name == "hydrocodone":
            prefix = "ER capsule" if self.capsule else "ER tablet"
        elif form == "sublingual" and self.name != "buprenorphine":
            prefix = "IR"
        else:
            prefix = {"plain": "IR", "patch": "TD", "sublingual": "SL"}.get(form, form)
        return [drug for row_form, drug in rows.items() if row_form.startswith(prefix)]

    def _liquid(self) -> Drug | None:
        """The liquid of the formulary: that of the stated concentration, else the weakest; None without a liquid."""
        names = {drug.drug for drug in self._rows().values()}
        liquids = [d for d in all_forms_of(self.name) if d.mg_per_ml is not None and d.drug in names]
        stated = self.strength.amount if self.strength is not None and self.strength.per == "ml" else None
        same = [d for d in liquids if stated is not None and abs((d.mg_per_ml or 0.0) - stated) <= 1e-6 * stated]
        return min(same or liquids, key=lambda d: d.mg_per_ml or 0.0, default=None)

    def other_concentration(self, drug: Drug) -> str:
        """A note if the stated concentration is not that of the formulary; empty if it is, or for another product."""
        if drug.mg_per_ml is None or self.strength is None or self.strength.per != "ml":
            return ""
        if abs(self.strength.amount - drug.mg_per_ml) <= 1e-6 * drug.mg_per_ml:
            return ""
        return (
            f"{drug.drug} of {self.strength.amount:g} mg/mL: a schedule is in mL of {drug.mg_per_ml:g} mg/mL; the two "
            "bottles must not be mixed up"
        )

    def drug(self, released: bool = False) -> Drug:
        """The drug of the formulary. ``released`` marks a dose that is a release per hour, which only a patch has."""
        form = "patch" if released and not self.form else self.form
        if self.liquid and (liquid := self._liquid()) is not None:
            return liquid
        matches = self.forms(form)
        allowed = "a form of the formulary: " + ", ".join(" ".join(drug.key) for drug in self._rows().values())
        if form == "" and (len(matches) != 1 or self.name in ("fentanyl", "buprenorphine")):
            raise Cannot(f"{self.name} without a form ({shown(self.description)})", allowed)
        if len(matches) != 1:
            raise Cannot(f"{self.name} in a form that is not in the formulary ({shown(self.description)})", allowed)
        return matches[0]


class NotInFormulary(Cannot):
    """A drug of the three classes without a row in drugs.csv."""


@cache
def _ingredients() -> Mapping[str, str]:
    """Ingredients of the formulary by the stem of the name."""
    return {stem(name): name for name in dict.fromkeys(name.split("-")[0] for name, _ in formulary())}


@cache
def _by_rxnorm() -> Mapping[str, str]:
    return {drug.rxnorm: drug.drug.split("-")[0] for drug in formulary().values() if drug.rxnorm}


@cache
def _not_in_formulary() -> frozenset[str]:
    """Names, and stems of names, of drugs of the three classes that neither the formulary nor brands.csv holds."""
    listed = {*_ingredients(), *(stem(word) for key in brands() for word in key.split())}
    names = {name for name in NOT_IN_FORMULARY if stem(name) not in listed}
    return frozenset(names | set(map(stem, names)))


@cache
def _ingredient(token: str) -> str | None:
    """The ingredient that a word names, including compounds with its salt ("Oxycodonhydrochlorid")."""
    by_stem, token_stem = _ingredients(), stem(token)
    return by_stem.get(token_stem) or next(
        (name for name_stem, name in by_stem.items() if token_stem.startswith(name_stem)), None
    )


def _named(text: str) -> set[str]:
    """Ingredients of the formulary in a text, by name or by brand."""
    names = {name for token in words_of(text) if (name := _ingredient(token)) is not None}
    return names | {brand.drug for brand in brands_in(text)}


def _straightened(text: str) -> str:
    """The text without brackets; "5 mg / mL" and "25 mcg per hour" become "5 mg/ml" and "25 mcg/hour"."""
    text = re.sub(r"\[[^\]]*\]", " ", text.lower())
    text = re.sub(r"\s+per\s+(?=(h|hr|hour|ml)\b)", "/", text)
    return re.sub(r"\s*/\s*(?=(\d[\d.]* ?)?(ml|h|hr|hrs|hour|hours)\b)", "/", text)


def _strength(component: str) -> Strength | None:
    """The strength in the text of one ingredient (repetition allowed); None without a strength or with several."""
    strengths = [_one_strength(match) for match in _STRENGTH.finditer(component)]
    if not strengths or len(strengths) != len(_ANY_STRENGTH.findall(component)) or _SEVERAL.search(component):
        return None
    return strengths[0] if len(set(strengths)) == 1 else None


def _one_strength(match: re.Match[str]) -> Strength | None:
    """A strength as written; None if its reference amount is unclear."""
    amount, unit, _, of, per = match.groups()
    mg = float(amount.replace(",", "")) * MG[unit if unit in MG else unit.removesuffix("s")]
    of_many = float(of.replace(",", "")) if of else 1.0
    if mg <= 0 or of_many <= 0:
        return None
    if per is None or per in ("tablet", "tab", "capsule", "cap", "film"):
        return Strength(mg, "one") if not of else None
    if per == "ml":
        return Strength(round(mg / of_many, 9), "ml")
    if per in _PER_HOUR and of_many in (12.0, 24.0):
        return Strength(mg, f"{of_many:g}h")
    return Strength(round(1000.0 * mg / of_many, 6), "h") if per in _PER_HOUR else None


_HEAVY: Final = ACETAMINOPHEN | {"aspirin", "asa", "ibuprofen", "carisoprodol"}
"""Partners with 200 mg or more in a tablet."""


def _pair(text: str, name: str, partner: str) -> Strength | None:
    """Strength of ``name`` in "name-partner 5-325 mg" or "Brand 5 mg / 325 mg": numbers in the order of the names.

    A brand without ingredient names lists the drug of the three classes first, as its label does. The result is None
    unless the amounts are plausible: a heavy partner has at least 100 mg and three times the drug; naloxone has between
    a half and a seventh of the drug.
    """
    pairs = _PAIR.findall(text)
    if len(pairs) != 1 or len(re.findall(_NUMBER, _PAIR.sub(" ", re.sub(r"#\d", " ", text)))) > 0:
        return None
    first, first_unit, second, unit = pairs[0][0], pairs[0][2], pairs[0][3], pairs[0][5]
    if {first_unit or "mg", unit or "mg"} != {"mg"}:
        return None
    tokens = words_of(text)
    drug_place = next((k for k, token in enumerate(tokens) if _ingredient(token) == name), None)
    partner_place = next((k for k, token in enumerate(tokens) if token in PARTNERS), None)
    amounts = [float(first.replace(",", "")), float(second.replace(",", ""))]
    if drug_place is not None and partner_place is not None and partner_place < drug_place:
        amounts.reverse()
    elif (drug_place is None or partner_place is None) and not brands_in(text):
        return None
    drug_amount, partner_amount = amounts
    if drug_amount <= 0 or partner_amount <= 0:
        return None
    if partner == "naloxone":
        return Strength(drug_amount, "one") if 1.9 * partner_amount < drug_amount < 7.1 * partner_amount else None
    return (
        Strength(drug_amount, "one") if partner in _HEAVY and partner_amount >= max(100.0, 3.0 * drug_amount) else None
    )


def _partners(text: str) -> set[str]:
    """Combination partners in a text; acetaminophen has one name."""
    return {"acetaminophen" if token in ACETAMINOPHEN else token for token in words_of(text) if token in PARTNERS}


def _of_text(text: str, name: str) -> tuple[Strength | None, set[str], bool]:
    """Strength of ``name`` in a text, its partners, and whether the text has a strength that is ambiguous."""
    line = _straightened(text)
    components = re.split(r"\s+/\s+|\s+\+\s+|\s+with\s+|\s+and\s+", line)
    partners = _partners(line)
    brand_partners = {brand.partner for brand in brands_in(text)} - {""}
    partners = partners or brand_partners
    with_strength = [c for c in components if _ANY_STRENGTH.search(c)]
    of_drug = [c for c in components if name in _named(c)]
    if len(with_strength) > 1 and not partners:
        partners = {"?"}
    if len(partners) == 1 and (pair := _pair(line, name, next(iter(partners)))) is not None:
        return pair, partners, False
    of_drug_with_strength = [c for c in of_drug if _ANY_STRENGTH.search(c)]
    has_strength = bool(with_strength)
    if len(of_drug_with_strength) != 1 or set(words_of(of_drug_with_strength[0])) & PARTNERS:
        return None, partners, has_strength
    ingredient_names = {
        ingredient for token in words_of(of_drug_with_strength[0]) if (ingredient := _ingredient(token))
    }
    if brand_partners and not ingredient_names:  # "Percocet 5 MG" does not state the ingredient
        return None, partners, has_strength
    strength = _strength(of_drug_with_strength[0])
    return strength, partners, has_strength and strength is None


def product_of(concepts: Iterable[Any], medication: Any = None) -> Product | None:
    """Identify a medication from its CodeableConcepts and its Medication resource, if any.

    Returns
    -------
    Product or None
        None for a medication outside the three classes.

    Raises
    ------
    Cannot
        No name, two drugs, or contradictory forms or strengths.
    NotInFormulary
        A drug of the three classes without a row in drugs.csv.
    """
    concepts = [concept for concept in concepts if isinstance(concept, dict)]
    texts = [text for concept in concepts for text in concept_texts(concept)]
    codes = {
        word(coding.get("code"))
        for concept in concepts
        for coding in parts(concept.get("coding"))
        if word(coding.get("system")) in (RXNORM, "urn:oid:2.16.840.1.113883.6.88")
    }
    class_codes = [
        code
        for concept in concepts
        for coding in parts(concept.get("coding"))
        if word(coding.get("system")) in ATC and (code := word(coding.get("code"))).startswith(_ATC_CLASSES)
    ]
    ingredients = parts((medication or {}).get("ingredient"))
    ingredient_texts = {
        text: ingredient
        for ingredient in ingredients
        for text in concept_texts(ingredient.get("itemCodeableConcept"))[:1]
    }
    brands_named = [brand for text in texts for brand in brands_in(text)]
    refused = [brand.refused for brand in brands_named if brand.refused]
    if refused:
        given, _, allowed = refused[0].partition("|")
        raise Cannot(given, allowed)
    names = {_by_rxnorm()[code] for code in codes if code in _by_rxnorm()}
    for text in texts or ingredient_texts:
        names |= _named(text)
    tokens = {token for text in (*texts, *ingredient_texts) for token in words_of(text)}
    unlisted = sorted(token for token in tokens if {token, stem(token)} & _not_in_formulary())
    if unlisted:
        raise NotInFormulary(f"{unlisted[0]}, a drug that is not in the formulary", "a drug of `taper-sim drugs`")
    if not names:
        if not tokens:
            raise Cannot(
                "a medication without a name, by a code that is not in the formulary",
                "a text, a display, or an ingredient's RxNorm code of drugs.csv",
            )
        if class_codes:
            given = f"{shown(' | '.join(texts))}, of the class {class_codes[0]} (ATC), by an unknown name"
            raise NotInFormulary(given, "a drug of `taper-sim drugs`")
        return None
    if len(names) > 1:
        raise Cannot(f"{' and '.join(sorted(names))} in one medication", "one drug of the formulary")
    name = names.pop()
    form_texts = concept_texts((medication or {}).get("form"))
    form = _one_form([*texts, *form_texts])
    partners: set[str] = set()
    strengths: set[Strength] = set()
    unclear = False
    for text in texts:
        if name in _named(text) or _ANY_STRENGTH.search(_straightened(text)):
            strength, text_partners, text_unclear = _of_text(text, name)
            partners |= text_partners
            unclear = unclear or text_unclear
            strengths |= {strength.of(form)} if strength is not None else set()
    if not strengths and not unclear:
        strengths, text_partners = _of_ingredients(ingredient_texts, name)
        partners |= text_partners
    if len(strengths) > 1:
        raise Cannot(f"{name} with two strengths ({shown(' | '.join(texts))})", "one strength")
    if len(partners) > 1:
        partners -= {"?"}
    strength = next(iter(strengths), None)
    if strength is not None and strength.per == "one" and any(_LIQUID.search(text.lower()) for text in texts):
        strength = None  # the volume is not stated
    if strength is not None and (strength.per == "h") != (form == "patch"):
        if strength.per == "h" and not form:
            form = "patch"
        else:
            strength = None
    capsule = any("cap" in text.lower() for text in (*texts, *form_texts)) or any(b.capsule for b in brands_named)
    liquid = form == "plain" and any(_LIQUID.search(text.lower()) for text in (*texts, *form_texts))
    description = " | ".join((*texts, *form_texts)) or name
    return Product(name, form, strength, frozenset(partners), capsule, description, liquid)


def _one_form(texts: list[str]) -> str:
    """The form that texts and brands name; a specific form takes precedence over a plain one such as "tablet"."""
    forms = {form for text in texts if (form := form_of(text))}
    brands = {brand.form for text in texts for brand in brands_in(text)} - {""}
    if any(re.search(r"\bir\b|immediate[- ]release", text.lower()) for text in texts) and "ER" in forms | brands:
        raise Cannot(f"immediate and extended release in one medication ({shown(' | '.join(texts))})", "one form")
    if "plain" in brands and "ER" in forms:
        raise Cannot(
            f"an immediate-release brand, described as extended release ({shown(' | '.join(texts))})", "one form"
        )
    specific = (forms | brands) - {"plain"}
    if "other" in specific:
        return "other"
    if len(specific) > 1:
        raise Cannot(f"several forms in one medication ({shown(' | '.join(texts))})", "one form")
    alone = {brand.alone for text in texts for brand in brands_in(text)} - {""}
    return next(iter(specific), "plain" if forms | brands | alone else "")


def _of_ingredients(ingredients: Mapping[str, dict[str, Any]], name: str) -> tuple[set[Strength], set[str]]:
    """Strength of ``name`` and its partners, from ``Medication.ingredient``."""
    strengths: set[Strength] = set()
    partners: set[str] = set()
    for text, ingredient in ingredients.items():
        if name not in _named(text):
            partners |= _partners(text) or {"?"}
            continue
        ratio = part(ingredient, "strength")
        numerator, denominator = part(ratio, "numerator"), part(ratio, "denominator")
        amount, reference_amount = (
            number(numerator.get("value")),
            number(denominator.get("value")) if denominator else 1.0,
        )
        unit = (word(numerator.get("code")) or word(numerator.get("unit"))).lower()
        reference_unit = (word(denominator.get("code")) or word(denominator.get("unit")) or "1").lower().strip("{}")
        if amount is None or amount <= 0 or reference_amount is None or reference_amount <= 0 or unit not in MG:
            continue
        if reference_unit == "ml":
            strengths.add(Strength(amount * MG[unit] / reference_amount, "ml"))
        elif reference_unit in _PER_HOUR:
            strengths.add(Strength(round(1000.0 * amount * MG[unit] / reference_amount, 6), "h"))
        elif reference_unit in ("1", "tbl", "tablet", "tab", "capsule", "cap", "film"):
            strengths.add(Strength(amount * MG[unit] / reference_amount, "one"))
    return strengths, partners
