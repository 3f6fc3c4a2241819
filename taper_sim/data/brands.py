"""Brands of brands.csv by name: ingredient, form, second ingredient. Imports ``formulary``, ``tables``."""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final, NamedTuple

from taper_sim import tables
from taper_sim.data.formulary import formulary

_FORMS: Final = ("", "ER", "ER capsule", "plain", "patch", "sublingual", "buccal", "other")


class Brand(NamedTuple):
    """A brand.

    Attributes
    ----------
    name : str
        As printed.
    drug : str
        Ingredient: the first word of a drug of the formulary.
    form : str
        Form in words, of ``data.fhir.medications.Product``; empty if the brand has several.
    alone : str
        Form of the brand if no text names one, because its other forms have names of their own; else empty.
    partner : str
        Second ingredient; empty without one.
    refused : str
        Why the brand is not read, and what is needed instead, as "given|allowed"; empty if it is read.
    capsule : bool
    """

    name: str
    drug: str
    form: str = ""
    alone: str = ""
    partner: str = ""
    refused: str = ""
    capsule: bool = False


def words_of(text: str) -> list[str]:
    """Words of a text in lower case, without numbers and signs."""
    return re.findall(r"[^\W\d_]+", text.lower())


@cache
def brands() -> Mapping[str, Brand]:
    """Every brand of a drug of the formulary by its words in lower case; read-only."""
    known: dict[str, Brand] = {}
    ingredients = {name.split("-")[0] for name, _ in formulary()}
    for row in tables.read("brands").rows:
        key = " ".join(words_of(row["brand"]))
        if key in known or row["form"] not in _FORMS or row["alone"] not in _FORMS:
            raise ValueError(f"brands.csv: {row['brand']}: twice, or a form outside {', '.join(_FORMS[1:])}")
        if row["ingredient"] not in ingredients:
            continue
        form, _, capsule = row["form"].partition(" ")
        known[key] = Brand(
            row["brand"], row["ingredient"], form, row["alone"], row["partner"], row["refused"], capsule == "capsule"
        )
    return MappingProxyType(known)


def brands_in(text: str) -> list[Brand]:
    """Brands that a text names; of "Lyrica CR" and "Lyrica" only the longer."""
    line = f" {' '.join(words_of(text))} "
    keys = [key for key in brands() if f" {key} " in line]
    return [brands()[key] for key in keys if not any(key != longer and key in longer for longer in keys)]
