"""Whether a named clinician has reviewed a template. Imports ``tables``.

``reviewed_templates.csv`` names the template, its version, who reviewed it and when. The version is a hash of the
template and of the parts that it shares with others, so a changed template loses its review. Only a clinician fills
the file.
"""

import csv
import hashlib
import io
from functools import cache
from importlib import resources
from typing import Final

from taper_sim import tables
from taper_sim.serve.papers.paper_language import SOURCE_LANGUAGE

_ROOM: Final = "taper_sim.serve.papers"
SHARED_TEMPLATES: Final = ("paper.html.jinja", "paper_parts.html.jinja")
"""Templates that every paper contains."""


def _content(*path: str) -> bytes:
    return resources.files(_ROOM).joinpath(*path).read_bytes()


@cache
def template_version(template: str) -> str:
    """Version of a template: hash of its text and of the shared parts, 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for name in (template, *SHARED_TEMPLATES):
        digest.update(_content("templates", name))
    return digest.hexdigest()[:12]


@cache
def catalogue_version(language: str) -> str:
    """Version of a translation: hash of its catalogue, 12 hexadecimal digits."""
    return hashlib.sha256(_content("catalogues", f"{language}.po")).hexdigest()[:12]


@cache
def _reviewed() -> frozenset[tuple[str, str]]:
    rows = csv.DictReader(io.StringIO(_content("reviewed_templates.csv").decode("utf-8-sig")))
    return frozenset((row["template"], row["version"]) for row in rows if tables.is_reviewed(row))


def is_template_reviewed(template: str) -> bool:
    """Whether a clinician has reviewed this version of a template."""
    return (template, template_version(template)) in _reviewed()


def is_translation_reviewed(language: str) -> bool:
    """Whether a clinician has reviewed this version of a translation; the source language is none."""
    return language == SOURCE_LANGUAGE or (f"{language}.po", catalogue_version(language)) in _reviewed()
