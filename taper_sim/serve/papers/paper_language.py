"""Language of a paper: its words, dates and numbers by language and country. Imports nothing of the package.

English stands in the templates. Another language is a gettext catalogue, ``catalogues/CODE.po``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib import resources
from io import BytesIO
from types import MappingProxyType
from typing import Final

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations

LANGUAGES: Final[Mapping[str, str]] = MappingProxyType({"en": "English", "es": "Español"})
SOURCE_LANGUAGE: Final = "en"


@cache
def translations_of(code: str) -> NullTranslations:
    """The words of a language; those of the templates for English."""
    if code == SOURCE_LANGUAGE:
        return NullTranslations()
    text = resources.files("taper_sim.serve.papers").joinpath("catalogues", f"{code}.po").read_bytes()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(text), locale=code))
    compiled.seek(0)
    return Translations(compiled, domain="messages")


@dataclass(frozen=True)
class PaperLanguage:
    """Dates and numbers of a paper.

    Attributes
    ----------
    code : str
        Key of :data:`LANGUAGES`.
    country : str
        ISO 3166 code; it decides between 1,5 and 1.5 where countries of a language differ.
    """

    code: str
    country: str

    @property
    def locale(self) -> Locale:
        """Locale of language and country; of the language alone if the two have none."""
        try:
            return Locale(self.code, self.country)
        except UnknownLocaleError:
            return Locale(self.code)

    def day(self, day: date) -> str:
        """A date with its weekday."""
        return str(format_date(day, "full", self.locale))

    def short_day(self, day: date) -> str:
        """Day and month, in the order of the country."""
        return str(format_skeleton("MMMd", day, locale=self.locale))

    def number(self, value: float) -> str:
        """A number, six decimals at most."""
        return str(format_decimal(value, "#,##0.######", self.locale))

    def country_name(self) -> str:
        """The country in the language of the paper."""
        return str(self.locale.territories.get(self.country, self.country))

    def weekdays(self) -> list[str]:
        """Short names of the weekdays, in the order of the country."""
        names = self.locale.days["stand-alone"]["abbreviated"]
        first = self.locale.first_week_day
        return [str(names[(first + k) % 7]) for k in range(7)]

    def week_start(self, day: date) -> date:
        """First day of the week of a day."""
        return day - timedelta(days=(day.weekday() - self.locale.first_week_day) % 7)
