"""Parts of every page of a run: sections, tables, pictures, provenance. Imports ``report.methods``, ``run_folder``.

A page loads nothing: the style is inline, figures are data URIs, there are no scripts. The templates escape all text
from files. The same folder gives the same bytes.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from taper_sim.report.drawing import svg
from taper_sim.report.methods import cautions
from taper_sim.report.page_templates import template_environment
from taper_sim.run_folder import list_report, write_csv, write_text

PAGE_FILE: Final = "report.html"


@dataclass(frozen=True)
class PageTable:
    """A table of a page.

    Attributes
    ----------
    caption : str
        Content, units and reading.
    heads : tuple of str
        Heads of the columns.
    rows : tuple of tuple of str
        Rows of texts, as long as ``heads``; the first text names the row.
    """

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        """Refuse a row of another length than the heads."""
        if any(len(row) != len(self.heads) for row in self.rows):
            raise ValueError(f"{self.caption}: a row of another length than its {len(self.heads)} heads")


@dataclass(frozen=True)
class Picture:
    """A figure of a page: its title, caption, alternative text, SVG as base64, and the name of its data.

    A wide figure scrolls on a narrow screen; any other shrinks.
    """

    title: str
    caption: str
    alt: str
    content: str
    data: str
    is_wide: bool = True


@dataclass(frozen=True)
class PageSection:
    """A section of a page: sentences, then tables, then pictures; ``id`` is its anchor.

    ``is_printed`` says whether the section is in print too; every section can be opened on a screen.
    """

    id: str
    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[PageTable, ...] = ()
    pictures: tuple[Picture, ...] = ()
    is_printed: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether the section has no content."""
        return not (self.sentences or self.tables or self.pictures)


@dataclass(frozen=True)
class RunPage:
    """The details of a run: what kind of page it is, its sections, and the files it drew.

    ``title``, ``question`` and ``cautions`` are those of a run that has no scenario.
    """

    subject: str
    sections: tuple[PageSection, ...]
    written: tuple[Path, ...]
    title: str = ""
    question: str = ""
    cautions: tuple[str, ...] = ()


def picture(folder: Path, drawn: Path, title: str, caption: str, alt: str, *, is_wide: bool = True) -> Picture:
    """The picture of an SVG file of an output folder; its data are the CSV beside it."""
    content = base64.b64encode(drawn.read_bytes()).decode()
    return Picture(title, caption, alt, content, drawn.with_suffix(".csv").relative_to(folder).as_posix(), is_wide)


def write_figure(folder: Path, name: str, title: str, drawn: tuple[Figure, Any]) -> list[Path]:
    """Write ``figures/NAME.svg`` and its data ``figures/NAME.csv``."""
    figure, data = drawn
    image, numbers = folder / "figures" / f"{name}.svg", folder / "figures" / f"{name}.csv"
    write_text(image, svg(figure, title))
    write_csv(data, numbers)
    return [image, numbers]


def rendered(template: str, manifest: Mapping[str, Any], **values: Any) -> str:
    """The text of a page: the template with its values, and where they are empty those of the manifest."""
    environment = template_environment("taper_sim.report")
    scenario = manifest.get("scenario") or {}
    defaults = {
        "title": scenario.get("name"),
        "question": scenario.get("question") or "",
        "cautions": cautions(manifest),
        "provenance": provenance_rows(manifest),
    }
    shown_values = defaults | {name: value for name, value in values.items() if value or name not in defaults}
    return environment.get_template(template).render(**shown_values)


def write_page(folder: Path, text: str, written: Sequence[Path]) -> Path:
    """Write the page of a run, and list it and the other files of the report in the manifest."""
    page = folder / PAGE_FILE
    write_text(page, text)
    list_report(folder, [page, *written])
    return page


def provenance_rows(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a reader needs to repeat the run and to detect a changed file; entries that the run lacks are left out."""
    patients, ensemble = manifest.get("patients"), manifest.get("ensemble")
    names = {"scenario_file": "Scenario file", "scenario_hash": "Scenario hash", "seed": "Seed", "days": "Days"}
    rows: list[tuple[str, Any]] = [(words, manifest[name]) for name, words in names.items() if name in manifest]
    if patients is not None:
        rows += [("People", f"{int(patients['n']):,}"), ("Hash of the people's ids", patients["ids_sha256"])]
    if ensemble is not None:
        name = f"{ensemble['id']}, " if "id" in ensemble else ""
        rows.append(("Parameter ensemble", f"{name}{ensemble['n_draws']} draws"))
    rows += [
        ("Git commit", manifest.get("git_commit") or "not known"),
        ("Clinical review", manifest["clinical_review"]),
        *((f"Version of {name}", version) for name, version in manifest.get("versions", {}).items()),
        *((f"Table {table['table']}", table["sha256"]) for table in manifest.get("tables", [])),
        *((f"Input {name}", digest) for name, digest in manifest.get("inputs_sha256", {}).items()),
        *((f"Output {name}", digest) for name, digest in manifest.get("outputs_sha256", {}).items()),
    ]
    return [(str(name), str(value)) for name, value in rows]
