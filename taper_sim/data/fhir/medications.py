"""Which drug of the formulary a medication is, and how much of it one tablet holds. Imports ``data``, ``tables``.

Code and words are read together: an ingredient's RxNorm code stands in drugs.csv, a product's says drug, strength and
form in its display. What they do not say, or say twice in different ways, is not guessed.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from taper_sim.data.fhir.json_input import Cannot, concept_texts, number, part, parts, word
from taper_sim.data.fhir.names import ACETAMINOPHEN, BRANDS, OTHERS, PARTNERS, form_of, stem
from taper_sim.data.formulary import formulary
from taper_sim.data.problems import shown
from taper_sim.model.pharmacology import Drug

RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC: Final = ("http://www.whocc.no/atc", "urn:oid:2.16.840.1.113883.6.73")
_ATC_CLASSES: Final = ("N02A", "N07BC", "R05DA", "N05BA", "N05CD", "N03AE", "N02BF", "N03AX12", "N03AX16")
"""Beginnings of ATC codes of opioids, benzodiazepines and gabapentinoids. Source: WHO ATC index; not reviewed."""
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
"""mg in one unit of mass."""
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
    """How much of the drug is in one: mg of a tablet (``per`` "one") or mL ("ml"), mcg/h of a patch ("h").

    "15 mg/12 hr" is kept as mg in 12 or 24 hours ("12h", "24h") until the form is known: of a tablet it says for how
    long it lasts, of a patch what it releases.
    """

    amount: float
    per: str

    def of(self, form: str) -> "Strength":
        """The same of a product in this form."""
        if self.per not in ("12h", "24h"):
            return self
        hours = float(self.per.removesuffix("h"))
        return (
            Strength(round(1000.0 * self.amount / hours, 6), "h") if form == "patch" else Strength(self.amount, "one")
        )


@dataclass(frozen=True)
class Product:
    """What is known of a medication of the three classes.

    Attributes
    ----------
    name : str
        Ingredient, as the first word of a drug of the formulary.
    form : str
        ``ER``, ``plain``, ``patch``, ``sublingual``, ``buccal``, ``other``; empty if nothing tells.
    strength : Strength or None
        Of this ingredient, where exactly one is told.
    partners : frozenset of str
        Other ingredients by name; ``"?"`` for one without a known name.
    capsule : bool
        Whether a capsule is named.
    said : str
        The words, for messages.
    """

    name: str
    form: str
    strength: Strength | None
    partners: frozenset[str]
    capsule: bool
    said: str

    @property
    def counted(self) -> bool:
        """Whether "1" can mean one tablet, capsule or film."""
        return self.strength is not None and self.strength.per == "one"

    def drug(self, released: bool = False) -> Drug:
        """The row of the formulary; ``released`` says that the dose is a release per hour, so a patch."""
        rows = {form: drug for (name, form), drug in formulary().items() if name.split("-")[0] == self.name}
        form = "patch" if released and not self.form else self.form
        allowed = "a form of the formulary: " + ", ".join(" ".join(drug.key) for drug in rows.values())
        if form == "":
            found = list(rows.values()) if self.name not in ("hydrocodone", "fentanyl", "buprenorphine") else []
            if self.name == "hydrocodone" and self.partners & ACETAMINOPHEN:
                found = [rows["IR"]]
            if len(found) != 1:
                raise Cannot(f"{self.name} without a form ({shown(self.said)})", allowed)
            return found[0]
        if form == "ER" and self.name == "hydrocodone":
            wanted = "ER capsule" if self.capsule else "ER tablet"
        elif form == "sublingual" and self.name != "buprenorphine":
            wanted = "IR"
        else:
            wanted = {"plain": "IR", "patch": "TD", "sublingual": "SL"}.get(form, form)
        if self.name == "hydrocodone" and (form == "plain") != bool(self.partners & ACETAMINOPHEN):
            raise Cannot(f"hydrocodone as {shown(self.said)}", allowed)
        found = [drug for row_form, drug in rows.items() if row_form.startswith(wanted)]
        if len(found) != 1:
            raise Cannot(f"{self.name} in a form that is not in the formulary ({shown(self.said)})", allowed)
        return found[0]


class NotInFormulary(Cannot):
    """A drug of the three classes without a row in drugs.csv."""


@cache
def _ingredients() -> Mapping[str, str]:
    """Ingredient by the stem of its name."""
    return {stem(name): name for name in dict.fromkeys(name.split("-")[0] for name, _ in formulary())}


@cache
def _by_rxnorm() -> Mapping[str, str]:
    return {drug.rxnorm: drug.drug.split("-")[0] for drug in formulary().values() if drug.rxnorm}


_OTHER_STEMS = frozenset(map(stem, OTHERS))


def _tokens(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text.lower())


def _brands(text: str) -> list[str]:
    """Brands that a text names, "lyrica cr" before "lyrica"."""
    line = f" {' '.join(_tokens(text))} "
    found = [brand for brand in BRANDS if f" {brand} " in line]
    return [brand for brand in found if not any(brand != longer and brand in longer for longer in found)]


@cache
def _ingredient(token: str) -> str | None:
    """The ingredient that a word names, also where its salt is written in one with it ("Oxycodonhydrochlorid")."""
    known, own = _ingredients(), stem(token)
    return known.get(own) or next((name for start, name in known.items() if own.startswith(start)), None)


def _named(text: str) -> set[str]:
    """Ingredients of the formulary in a text, by own name or brand."""
    own = {name for token in _tokens(text) if (name := _ingredient(token)) is not None}
    return own | {BRANDS[brand].drug for brand in _brands(text)}


def _straightened(text: str) -> str:
    """Without brackets, and with "5 mg / mL", "25 mcg per hour" written as one word each."""
    text = re.sub(r"\[[^\]]*\]", " ", text.lower())
    text = re.sub(r"\s+per\s+(?=(h|hr|hour|ml)\b)", "/", text)
    return re.sub(r"\s*/\s*(?=(\d[\d.]* ?)?(ml|h|hr|hrs|hour|hours)\b)", "/", text)


def _strength(component: str) -> Strength | None:
    """The one strength of one ingredient's words, also if it is said twice; None if there is none, or several."""
    found = [_one_strength(match) for match in _STRENGTH.finditer(component)]
    if not found or len(found) != len(_ANY_STRENGTH.findall(component)) or _SEVERAL.search(component):
        return None
    return found[0] if len(set(found)) == 1 else None


def _one_strength(match: re.Match[str]) -> Strength | None:
    """A strength as written; None if of what it is cannot be told."""
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
"""Partners of which a tablet holds 200 mg and more."""


def _pair(text: str, name: str, partner: str) -> Strength | None:
    """Strength of ``name`` in "name-partner 5-325 mg" or "Brand 5 mg / 325 mg": numbers in the order of the names.

    A brand alone has the order of its label, the drug of the three classes first. None unless the numbers can be what
    the order says: such partners have 100 mg and more, and at least three times the drug; naloxone a half to a seventh.
    """
    found = _PAIR.findall(text)
    if len(found) != 1 or len(re.findall(_NUMBER, _PAIR.sub(" ", re.sub(r"#\d", " ", text)))) > 0:
        return None
    first, first_unit, second, unit = found[0][0], found[0][2], found[0][3], found[0][5]
    if {first_unit or "mg", unit or "mg"} != {"mg"}:
        return None
    tokens = _tokens(text)
    own = next((k for k, token in enumerate(tokens) if _ingredient(token) == name), None)
    other = next((k for k, token in enumerate(tokens) if token in PARTNERS), None)
    amounts = [float(first.replace(",", "")), float(second.replace(",", ""))]
    if own is not None and other is not None and other < own:
        amounts.reverse()
    elif (own is None or other is None) and not _brands(text):
        return None
    mine, theirs = amounts
    if mine <= 0 or theirs <= 0:
        return None
    if partner == "naloxone":
        return Strength(mine, "one") if 1.9 * theirs < mine < 7.1 * theirs else None
    return Strength(mine, "one") if partner in _HEAVY and theirs >= max(100.0, 3.0 * mine) else None


def _partners(text: str) -> set[str]:
    """Other ingredients that a text names, acetaminophen by one name."""
    return {"acetaminophen" if token in ACETAMINOPHEN else token for token in _tokens(text) if token in PARTNERS}


def _of_text(text: str, name: str) -> tuple[Strength | None, set[str], bool]:
    """Strength of ``name`` in a text, its partners, and whether a strength stands there that cannot be told."""
    line = _straightened(text)
    components = re.split(r"\s+/\s+|\s+\+\s+|\s+with\s+|\s+and\s+", line)
    partners = _partners(line)
    brand_partners = {BRANDS[brand].partner for brand in _brands(text)} - {""}
    partners = partners or brand_partners
    with_strength = [c for c in components if _ANY_STRENGTH.search(c)]
    mine = [c for c in components if name in _named(c)]
    if len(with_strength) > 1 and not partners:
        partners = {"?"}
    if len(partners) == 1 and (pair := _pair(line, name, next(iter(partners)))) is not None:
        return pair, partners, False
    of_mine = [c for c in mine if _ANY_STRENGTH.search(c)]
    told = bool(with_strength)
    if len(of_mine) != 1 or set(_tokens(of_mine[0])) & PARTNERS:
        return None, partners, told
    own_words = {known for token in _tokens(of_mine[0]) if (known := _ingredient(token))}
    if brand_partners and not own_words:  # "Percocet 5 MG": of which part is not said
        return None, partners, told
    found = _strength(of_mine[0])
    return found, partners, told and found is None


def product_of(concepts: Iterable[Any], medication: Any = None) -> Product | None:
    """What a medication is, from its CodeableConcepts and the Medication resource, if any.

    Returns
    -------
    Product or None
        None if it is none of the three classes.

    Raises
    ------
    Cannot
        No name at all; two drugs at once; another form or strength in one place than in another.
    NotInFormulary
        A drug of the classes without a row.
    """
    concepts = [concept for concept in concepts if isinstance(concept, dict)]
    said = [text for concept in concepts for text in concept_texts(concept)]
    codes = {
        word(coding.get("code"))
        for concept in concepts
        for coding in parts(concept.get("coding"))
        if word(coding.get("system")) in (RXNORM, "urn:oid:2.16.840.1.113883.6.88")
    }
    classed = [
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
    names = {_by_rxnorm()[code] for code in codes if code in _by_rxnorm()}
    for text in said or ingredient_texts:
        names |= _named(text)
    tokens = {token for text in (*said, *ingredient_texts) for token in _tokens(text)}
    other = sorted(token for token in tokens if token in OTHERS or stem(token) in _OTHER_STEMS)
    if other:
        raise NotInFormulary(f"{other[0]}, a drug that is not in the formulary", "a drug of `taper-sim drugs`")
    if not names:
        if not tokens:
            raise Cannot(
                "a medication without a name, by a code that is not in the formulary",
                "a text, a display, or an ingredient's RxNorm code of drugs.csv",
            )
        if classed:
            given = f"{shown(' | '.join(said))}, of the class {classed[0]} (ATC), by a name that is not known"
            raise NotInFormulary(given, "a drug of `taper-sim drugs`")
        return None
    if len(names) > 1:
        raise Cannot(f"{' and '.join(sorted(names))} in one medication", "one drug of the formulary")
    name = names.pop()
    form_texts = concept_texts((medication or {}).get("form"))
    form = _one_form([*said, *form_texts])
    partners: set[str] = set()
    strengths: set[Strength] = set()
    unclear = False
    for text in said:
        if name in _named(text) or _ANY_STRENGTH.search(_straightened(text)):
            strength, more, unsure = _of_text(text, name)
            partners |= more
            unclear = unclear or unsure
            strengths |= {strength.of(form)} if strength is not None else set()
    if not strengths and not unclear:
        strengths, more = _of_ingredients(ingredient_texts, name)
        partners |= more
    if len(strengths) > 1:
        raise Cannot(f"{name} with two strengths ({shown(' | '.join(said))})", "one strength")
    if len(partners) > 1:
        partners -= {"?"}
    strength = next(iter(strengths), None)
    if strength is not None and strength.per == "one" and any(_LIQUID.search(text.lower()) for text in said):
        strength = None  # of what volume is not said
    if strength is not None and (strength.per == "h") != (form == "patch"):
        if strength.per == "h" and not form:
            form = "patch"
        else:
            strength = None
    capsule = any("cap" in text.lower() for text in (*said, *form_texts))
    return Product(name, form, strength, frozenset(partners), capsule, " | ".join((*said, *form_texts)) or name)


def _one_form(said: list[str]) -> str:
    """The one form that texts and brands tell: a plain word such as "tablet" gives way to a particular one."""
    forms = {form for text in said if (form := form_of(text))}
    brands = {BRANDS[brand].form for text in said for brand in _brands(text)} - {""}
    if any(re.search(r"\bir\b|immediate[- ]release", text.lower()) for text in said) and "ER" in forms | brands:
        raise Cannot(f"immediate and extended release in one medication ({shown(' | '.join(said))})", "one form")
    if "plain" in brands and "ER" in forms:
        raise Cannot(f"a brand that is no extended release, called so ({shown(' | '.join(said))})", "one form")
    particular = (forms | brands) - {"plain"}
    if "other" in particular:
        return "other"
    if len(particular) > 1:
        raise Cannot(f"several forms in one medication ({shown(' | '.join(said))})", "one form")
    return next(iter(particular), "plain" if forms | brands else "")


def _of_ingredients(ingredients: Mapping[str, dict[str, Any]], name: str) -> tuple[set[Strength], set[str]]:
    """Strength of ``name`` and its partners, from ``Medication.ingredient``."""
    strengths: set[Strength] = set()
    partners: set[str] = set()
    for text, ingredient in ingredients.items():
        if name not in _named(text):
            partners |= _partners(text) or {"?"}
            continue
        ratio = part(ingredient, "strength")
        top, below = part(ratio, "numerator"), part(ratio, "denominator")
        amount, of = number(top.get("value")), number(below.get("value")) if below else 1.0
        unit = (word(top.get("code")) or word(top.get("unit"))).lower()
        per = (word(below.get("code")) or word(below.get("unit")) or "1").lower().strip("{}")
        if amount is None or amount <= 0 or of is None or of <= 0 or unit not in MG:
            continue
        if per == "ml":
            strengths.add(Strength(amount * MG[unit] / of, "ml"))
        elif per in _PER_HOUR:
            strengths.add(Strength(round(1000.0 * amount * MG[unit] / of, 6), "h"))
        elif per in ("1", "tbl", "tablet", "tab", "capsule", "cap", "film"):
            strengths.add(Strength(amount * MG[unit] / of, "one"))
    return strengths, partners
