"""First screen and details of real tapers predicted from a trial. Imports ``first_screen``, ``report.page_parts``.

The folder is that of the command ``taper-sim tapers``. Its people are real; nothing on the page identifies one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from taper_sim.briefs.brief_rows import PerThousand, ScreenRow, quantity_row
from taper_sim.briefs.certainty import CERTAINTY_RULES, CertaintyBasis, CertaintyRule, Lowered, is_reviewed, rate
from taper_sim.briefs.first_screen import Aside, FirstScreen, Numbers, raised_by
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.evidence.certainty_inputs import HeldOut
from taper_sim.report.page_parts import PageSection, PageTable, RunPage
from taper_sim.report.wording import count, number_text
from taper_sim.run_folder import MANIFEST_FILE, read_record, read_table
from taper_sim.tables import UNREVIEWED

_POPULATION: Final = "population only"
_PERSONAL: Final = "personal"
_VISITS: Final = "taper and after"
_SHOWN: Final = (_PERSONAL, "last value", "person mean", "mixed logistic", "personal, own use known")
_SCORES: Final = (
    ("log_loss", "Log loss", "nats a visit, lower is better"),
    ("brier_withdrawal", "Error on any withdrawal", "squared, lower is better"),
)


def _converged(basis: CertaintyBasis) -> Lowered:
    if basis.is_calibrated:
        return Lowered(0, "every fit reached its maximum")
    return Lowered(2, "a fit did not reach its maximum")


_RULES_BY_NAME: Final = {rule.name: rule for rule in CERTAINTY_RULES}
TAPERS_RULES: Final = (
    CertaintyRule(
        "converged",
        "converged of manifest.json",
        "two steps down if a fit did not reach its maximum",
        "fits that reach their maximum",
        _converged,
    ),
    CertaintyRule(
        "width",
        "the interval of the difference over people",
        "one step down if the interval holds no difference, two if it is missing",
        "more people with a second taper",
        _RULES_BY_NAME["width"].apply,
    ),
    CertaintyRule(
        "one trial",
        "the files of the run",
        "one step down: the people are those of one source",
        "people of another trial or clinic",
        lambda _: Lowered(1, "people of one source only"),
    ),
    _RULES_BY_NAME["review"],
)
"""Rules of the certainty of a difference in predictive scores (A132)."""


@dataclass(frozen=True)
class TapersTables:
    """Manifest and tables of the folder of a study of real tapers."""

    manifest: dict[str, Any]
    scores: pd.DataFrame
    calibration: pd.DataFrame
    population: pd.DataFrame
    between: pd.DataFrame

    @property
    def people(self) -> int:
        """People whose tapers were predicted."""
        return int(self.manifest["people"]["predicted"])


def read_tapers(folder: Path) -> TapersTables:
    """Read the folder of a finished study; raises InputError without one."""
    manifest = read_record(folder / MANIFEST_FILE, {"kind": str}, "the folder of a finished run")
    names = ("scores", "calibration", "population", "between_tapers")
    return TapersTables(manifest, *(read_table(folder / f"{name}.csv") for name in names))


def _rows(tables: TapersTables) -> Iterator[tuple[ScreenRow, str, str]]:
    """Rows with the information and the score that they show, the score of a category first."""
    known = list(dict.fromkeys(tables.scores["information"]))
    for score, label, note in _SCORES:
        for information in known:
            yield (
                quantity_row(
                    f"{score}: {information}",
                    label,
                    f"{information} known; {note}",
                    0.0,
                    "nats" if score == "log_loss" else "",
                    events=f"the {label.lower()} with {information} known",
                    is_serious=score == "log_loss",
                    digits=3,
                ),
                information,
                score,
            )


def tapers_numbers(tables: TapersTables) -> Numbers:
    """Scores of each method beside those of the population without the person's reports."""
    scores = tables.scores[tables.scores["visits"] == _VISITS]
    manifest = tables.manifest
    sound = all(manifest["converged"].values())
    levels: dict[tuple[str, str], PerThousand] = {}
    differences: dict[tuple[str, str], PerThousand] = {}
    certainty = {}
    rows = []
    for row, information, score in _rows(tables):
        rows.append(row)
        own = scores[(scores["information"] == information) & (scores["score"] == score)]
        for cell in own.to_dict("records"):
            method, n = str(cell["method"]), int(cell["n_people"])
            levels[method, row.name] = PerThousand(cell["value"], cell["lo95"], cell["hi95"], "", n)
            if method == _POPULATION:
                continue
            change = PerThousand(cell["difference"], cell["difference_lo95"], cell["difference_hi95"], "", n)
            differences[method, row.name] = change
            basis = CertaintyBasis(row, change, sound, is_reviewed(manifest), HeldOut(0, 0), ())
            certainty[method, row.name] = rate(basis, TAPERS_RULES)
    methods = [str(name) for name in dict.fromkeys(scores["method"]) if name != _POPULATION]
    shown = tuple(name for name in _SHOWN if name in methods)
    return Numbers(
        manifest, _POPULATION, _POPULATION, tuple(methods), shown, tuple(rows), levels, differences, certainty
    )


def _answer(tables: TapersTables, numbers: Numbers) -> Iterator[str]:
    if tables.people < SMALLEST_CELL:
        yield f"Hidden: fewer than {SMALLEST_CELL} people were predicted."
        return
    serious = [row for row in numbers.rows if row.is_serious]
    known = [(row, d) for row in serious if (d := numbers.visible(_PERSONAL, row)) is not None]
    better = [row for row, d in known if d.high < 0.0]
    worse = [row for row, d in known if d.low > 0.0]
    where = [row.note.partition(" known;")[0] for row in better]
    if better:
        yield (
            "A person's own record predicts their next taper better than the population does "
            f"(what was known: {'; '.join(where)})."
        )
    elif worse:
        yield "A person's own record predicts their next taper worse than the population does."
    else:
        yield "A person's own record is not shown to predict their next taper better than the population does."
    for row, change in known:
        ends = f"{number_text(change.low, 3)} to {number_text(change.high, 3)}"
        yield (
            f"{row.note.partition(' known;')[0].capitalize()} known: the misfit (log loss) changes by "
            f"{number_text(change.mean, 3, signed=True)} ({ends}) nats a visit; negative is better."
        )


def tapers_screen(tables: TapersTables, _: Sequence[str] = ()) -> FirstScreen:
    """The first screen of a study of real tapers."""
    numbers = tapers_numbers(tables)
    serious = [row for row in numbers.rows if row.is_serious]
    asides = (
        Aside("For whom it is wrong", tuple(_missed(tables))),
        Aside("What it costs in people's time", ("A personal prediction needs the ratings of earlier visits.",)),
        Aside("What would change the answer", tuple(raised_by(numbers, serious, TAPERS_RULES))),
    )
    return FirstScreen(
        numbers,
        tuple(_answer(tables, numbers)),
        numbers.lowest(serious) if tables.people >= SMALLEST_CELL else "",
        f"{tables.people:,} people, visits from the first reduction on",
        "Large: the score. Below: the difference from the population without the person's own ratings, with the 95 % "
        "interval over people. A filled mark: the interval is clear of no difference.",
        asides,
        ("No difference of a score that matters is stated.",),
        {_POPULATION: "comparator", _PERSONAL: "this model"},
        rules=TAPERS_RULES,
    )


def _missed(tables: TapersTables) -> Iterator[str]:
    """Bins of visits whose observed share lies outside its interval round the prediction."""
    own = tables.calibration[tables.calibration["method"] == _PERSONAL]
    own = own[(own["n"] >= SMALLEST_CELL) & ((own["chance"] < own["lo95"]) | (own["chance"] > own["hi95"]))]
    for row in own.to_dict("records"):
        yield (
            f"{str(row['information']).capitalize()} known: of {count(int(row['n']), 'visit')} predicted at "
            f"{number_text(100 * row['chance'], 0)} %, {number_text(100 * row['share'], 0)} % had withdrawal."
        )
    if not len(own):
        yield "Predicted and observed shares of visits with withdrawal agree within their intervals."


def _table(table: pd.DataFrame, caption: str) -> PageTable:
    shown = table.drop(columns=[name for name in ("code",) if name in table])
    cells = tuple(
        tuple(number_text(float(c), 3) if isinstance(c, float) else str(c) for c in row)
        for row in shown.itertuples(index=False)
    )
    return PageTable(caption, tuple(str(name).replace("_", " ") for name in shown.columns), cells)


def tapers_page(_: Path, tables: TapersTables) -> RunPage:
    """The details of a study of real tapers."""
    enough = tables.people >= SMALLEST_CELL
    scores = tables.scores[tables.scores["visits"] == _VISITS]
    sections = (
        PageSection("population", "The population", (), (_table(tables.population, "Fitted values."),)),
        PageSection("between", "Between two tapers of a person", (), (_table(tables.between, "Correlations."),)),
        PageSection("calibration", "Predicted and observed", (), (_table(tables.calibration, "Bins of visits."),)),
        PageSection("scores", "Every score", (), (_table(scores, "Means over visits."),), is_printed=False),
    )
    cautions = (
        f"{UNREVIEWED.capitalize()}.",
        "People of a trial of buprenorphine, not people with chronic pain on other opioids.",
    )
    return RunPage(
        "real tapers",
        sections if enough else (),
        (),
        "Real tapers",
        "Does one taper of a person predict their next?",
        cautions,
    )
