"""The documentation runs, its links lead somewhere, and it names what the code has."""

import contextlib
import io
import os
import re
import shlex
from pathlib import Path

import pytest

from taper_sim import cli
from taper_sim.data.patient import Access, BaselineEntry, CareReceived, Patient, Risk
from taper_sim.data.patients import BOOLEANS, NUMBERS
from taper_sim.model.event_parameters import CHANCE_TABLE, STREAMS
from taper_sim.model.parameters import TABLE
from taper_sim.policies import interface
from taper_sim.simulation.trace import _CLASS_COLUMNS, _PERSON_COLUMNS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
BLOCK = re.compile(r"^```(python|bash|text)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
RUN_BASH = ("tutorial.md", "how-to/trace.md", "how-to/fhir.md")  # pages whose commands are run too


def _name(page: Path) -> str:
    return str(page.relative_to(DOCS))


def _blocks(page: Path) -> list[tuple[str, str]]:
    return [(kind, text) for kind, text in BLOCK.findall(page.read_text())]


def _small(arguments: list[str]) -> list[str]:
    """The same command on few people and days, where it does not say how many."""
    if arguments[0] == "compare":
        for option, number in (("--patients", "100"), ("--days", "56")):
            if option in arguments:
                arguments[arguments.index(option) + 1] = number
            else:
                arguments += [option, number]
    return arguments


def _run_commands(text: str) -> None:
    for line in text.strip().splitlines():
        program, *arguments = shlex.split(line)
        assert program == "taper-sim", line
        assert cli.main(_small(arguments)) == 0, line


RUNNABLE = [page for page in PAGES if any(kind == "python" for kind, _ in _blocks(page)) or _name(page) in RUN_BASH]


@pytest.mark.parametrize("page", RUNNABLE, ids=_name)
def test_the_code_of_a_page_runs_from_top_to_bottom_and_prints_what_the_page_shows(page, tmp_path, monkeypatch):
    for folder in ("scenarios", "examples"):
        os.symlink(ROOT / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(interface, "_REGISTRY", dict(interface._REGISTRY))
    names: dict[str, object] = {"__name__": _name(page)}
    printed = ""
    for kind, text in _blocks(page):
        if kind == "text" and printed:
            assert printed.strip() == text.strip()
        printed = ""
        if kind == "bash" and _name(page) in RUN_BASH:
            _run_commands(text)
        elif kind == "python":
            shown = io.StringIO()
            with contextlib.redirect_stdout(shown):
                exec(compile(text, _name(page), "exec"), names)  # noqa: S102 - our own pages
            printed = shown.getvalue()


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_page_and_a_heading(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", found.read_text(), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{page.name}: {target}"


def test_the_index_names_every_page():
    index = (DOCS / "README.md").read_text()
    missing = [_name(page) for page in PAGES if f"({_name(page)})" not in index and page.name != "README.md"]
    assert missing == []


def test_the_model_page_names_every_symbol():
    page = (DOCS / "model.md").read_text()
    named = {name for code in re.findall(r"`([^`]+)`", page, flags=re.DOTALL) for name in re.findall(r"\w+", code)}
    missing = [row.symbol for row in (*TABLE, *CHANCE_TABLE) if row.symbol not in named]
    assert missing == []
    assert {stream.instrument for stream in STREAMS} <= named


def test_the_cohort_page_names_every_column_with_its_limits():
    page = (DOCS / "cohort.md").read_text()
    for name in (*NUMBERS, *BOOLEANS):
        assert f"`{name}`" in page, name
    for name, (low, high) in NUMBERS.items():
        line = next(line for line in page.splitlines() if line.startswith("|") and f"`{name}`" in line)
        assert f"{low:,.0f}–{high:,.0f}" in line, name


def test_the_page_on_a_patients_file_names_every_key():
    page = (DOCS / "how-to" / "patient-file.md").read_text()
    for model in (Patient, Risk, Access, CareReceived, BaselineEntry):
        for name in model.model_fields:
            assert f"`{name}`" in page, name


def test_the_page_on_the_trace_names_every_column():
    page = (DOCS / "how-to" / "trace.md").read_text()
    for column, _ in _CLASS_COLUMNS:
        assert f"`{column}_`" in page, column
    for column, _ in _PERSON_COLUMNS:
        assert f"`{column}`" in page, column


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_no_page_names_a_machines_path(page):
    assert not re.search(r"(?<![\w.])/(home|work|tmp|Users|root)/", page.read_text())
