"""The documents and the messages that a reader sees are in plain English, as far as a list of words can judge it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "taper_sim"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
MODULES = sorted(PACKAGE.rglob("*.py"))
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), ROOT / "benchmarks" / "README.md"])

#: Expressions that no page and no message may contain, each with the expression to use instead.
REFUSED = {
    r"\b(she|her|hers|herself)\b": "the patient, they: a patient has no known sex",
    r"\b(he|him|his|himself)\b": "the patient, they: a patient has no known sex",
    r"\banew\b": "again, or the name of the second step",
    r"\b(goes|go|going|went) on\b": "continues, resumes",
    r"\bluck(ier|iest|y)?\b": "random numbers, random draws, Monte Carlo error",
    r"\bis said\b|\bare said\b|\bsaid so\b": "noted, reported, with the output that reports it",
    r"\blooked at\b|\blooks at\b": "reviewed, used, inspected",
    r"\bnever short\b": "unlimited staff",
    r"\bnobody (licensed|measured|knows)\b": "a subject that acts: no clinician has reviewed",
    r"\bforetold?\b|\bforetells?\b": "predict, forecast",
    r"\bbeyond all measure\b": "very large, or the bound",
    r"\bmade up\b": "invented; consists of",
    r"\bto stand on\b|\bstands? (still|apart)\b": "the plain verb: holds, differs",
    r"\bwhoever\b": "each staff member who, any reader who",
    r"\bfortnight\b": "two weeks",
    r"\bby luck\b|\bfor good\b": "by chance; to the end, permanently",
    r"\b(how much of the way|worth it and)\b": "the share of the gap to the oracle",
}
#: Values of file formats, not prose: the action of a rules file that continues a taper, a reference of a clinic run.
_VALUES = {"go on", "staff never short"}
_PATTERNS = {re.compile(pattern, flags=re.IGNORECASE): better for pattern, better in REFUSED.items()}


def _prose(page: Path) -> str:
    """Text of a page without code blocks, code spans, links' targets and tables made from published text."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"<!-- presets: begin -->.*<!-- presets: end -->", "", text, flags=re.DOTALL)
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "", text))


def _cells(script: Path) -> str:
    """Prose of a notebook's Markdown cells."""
    cells = re.findall(r"^# %% \[markdown\]\n((?:#.*\n)+)", script.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return re.sub(r"`[^`]*`", "", re.sub(r"^# ?", "", "\n".join(cells), flags=re.MULTILINE))


def _messages(module: Path) -> Iterator[str]:
    """Texts of a module with a blank, without its documentation: each may be shown to a reader."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            if " " in node.value and node.value not in _VALUES:
                yield node.value


def _refused(text: str) -> list[str]:
    hits = []
    for pattern, better in _PATTERNS.items():
        for match in pattern.finditer(text):
            around = " ".join(text[max(0, match.start() - 40) : match.end() + 40].split())
            hits.append(f"…{around}…: not {match[0]!r}; {better}")
    return hits


def _parameters(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


@pytest.mark.parametrize("page", _parameters(PAGES))
def test_no_page_uses_a_refused_expression(page: Path) -> None:
    assert _refused(_prose(page)) == []


@pytest.mark.parametrize("script", NOTEBOOKS, ids=lambda script: script.stem)
def test_no_notebook_uses_a_refused_expression_in_its_prose(script: Path) -> None:
    assert _refused(_cells(script)) == []


@pytest.mark.parametrize("module", _parameters(MODULES))
def test_no_message_uses_a_refused_expression(module: Path) -> None:
    assert _refused("\n".join(_messages(module))) == []


def test_code_published_text_and_documentation_are_not_judged(tmp_path: Path) -> None:
    page, module = tmp_path / "page.md", tmp_path / "module.py"
    page.write_text(
        "`go on` and [a link](her.md)\n\n```\nher dose\n```\n<!-- presets: begin -->\nluck\n<!-- presets: end -->\n"
    )
    module.write_text('"""Her luck."""\n\nX = 1\n"""Said anew."""\nY = "go on"\n')
    assert _refused(_prose(page)) == []
    assert list(_messages(module)) == []


@pytest.mark.parametrize("text", ["The run goes on.", "the same Luck", "Her dose", "it is said", "staff never short"])
def test_a_refused_expression_is_reported_with_a_better_one(text: str) -> None:
    (hit,) = _refused(text)
    assert "not " in hit
    assert hit.endswith(tuple(REFUSED.values()))


#: Names that say what was done to a result and not what it is.
REFUSED_NAMES = {"found", "said", "got", "seen"}


def _identifiers(tree: ast.AST) -> Iterator[str]:
    """Names that code defines: variables, arguments, attributes, functions and classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


@pytest.mark.parametrize("module", _parameters(MODULES))
def test_a_result_bears_its_noun(module: Path) -> None:
    names = {name.strip("_") for name in _identifiers(ast.parse(module.read_text(encoding="utf-8")))}
    assert names & REFUSED_NAMES == set()


def test_a_name_is_refused_wherever_code_defines_it() -> None:
    for text in ("found = 1", "def f(said): ...", "for got in x: ...", "def seen_(): ...", "a, found_ = x"):
        assert {name.strip("_") for name in _identifiers(ast.parse(text))} & REFUSED_NAMES, text
    assert not set(_identifiers(ast.parse("print(found)"))) & REFUSED_NAMES


FIRST_SENTENCE = re.compile(r"^(This|These) (page|guide|tutorial|index|notebook|reference)s? is for ")


@pytest.mark.parametrize("page", _parameters(sorted((ROOT / "docs").rglob("*.md"))))
def test_the_first_sentence_of_a_page_names_its_reader(page: Path) -> None:
    paragraphs = [part for part in page.read_text(encoding="utf-8").split("\n\n")[1:] if not part.startswith("#")]
    assert FIRST_SENTENCE.match(paragraphs[0]), paragraphs[0][:80]
