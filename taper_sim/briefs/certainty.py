"""Certainty of an outcome in GRADE's words, from rules over the run. Imports ``evidence``, ``report.brief_rows``.

The certainty of a difference begins at *high*. Each rule of :data:`CERTAINTY_RULES` reads one object and lowers it by
steps; no word is typed by hand. What is rated is the side of the difference that matters on which the truth lies (GRADE
working group, Hultcrantz 2017, J Clin Epidemiol 87:4; models: Brozek 2021, J Clin Epidemiol 129:138). Source of the
steps: A116.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from taper_sim import tables
from taper_sim.briefs.brief_rows import PerThousand, ScreenRow
from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.evidence.certainty_inputs import HeldOut, form_differences, held_out
from taper_sim.report.harm_words import PER
from taper_sim.report.methods import is_calibrated

CERTAINTY_WORDS: Final = ("very low", "low", "moderate", "high")
FEWEST_HELD_OUT: Final = 3
"""Published results held out from which a test of predictions counts. Source: A116."""
SHARE_INSIDE: Final = 0.8
"""Share of them that must lie inside the predicted 95 % intervals. Source: A116."""


@dataclass(frozen=True)
class CertaintyBasis:
    """What the rules read for one difference.

    Attributes
    ----------
    row : ScreenRow
    difference : PerThousand
    is_calibrated, is_reviewed : bool
        Whether the parameters were fitted to published results; whether clinicians have reviewed every table.
    held_out : HeldOut
        Published results of this kind that were held out.
    by_form : tuple of (str, float)
        The difference of the most similar tapers under each form of the model, in differences that matter; empty if no
        study of forms has the outcome.
    """

    row: ScreenRow
    difference: PerThousand
    is_calibrated: bool
    is_reviewed: bool
    held_out: HeldOut
    by_form: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Lowered:
    """Steps by which a rule lowers the certainty, and why in words; 0 steps say what holds."""

    steps: int
    why: str


@dataclass(frozen=True)
class CertaintyRule:
    """A rule: its name, the object that it reads, its effect in words, what would raise the certainty, the rule."""

    name: str
    reads: str
    effect: str
    remedy: str
    apply: Callable[[CertaintyBasis], Lowered]


@dataclass(frozen=True)
class OutcomeCertainty:
    """The certainty of a difference: its word, and what each rule did by the rule's name."""

    word: str
    lowered: Mapping[str, Lowered]

    @property
    def rank(self) -> int:
        """0 for very low to 3 for high."""
        return CERTAINTY_WORDS.index(self.word)

    @property
    def why(self) -> str:
        """The rules that lowered it, in a line."""
        parts = [f"{change.why} (−{change.steps})" for change in self.lowered.values() if change.steps]
        return "; ".join(parts) if parts else "no rule lowers it"


def _calibration(basis: CertaintyBasis) -> Lowered:
    if basis.is_calibrated:
        return Lowered(0, "fitted to published results")
    return Lowered(1, "not fitted to published results")


def _held_out(basis: CertaintyBasis) -> Lowered:
    n, inside = basis.held_out.n, basis.held_out.inside
    predicted = f"{inside} of {n} published results of this kind predicted when held out"
    if n < FEWEST_HELD_OUT:
        few = "no published result" if n == 0 else f"only {n} published result{'' if n == 1 else 's'}"
        return Lowered(1, f"{few} of this kind to test predictions")
    return Lowered(1 if inside < SHARE_INSIDE * n else 0, predicted)


def _width(basis: CertaintyBasis) -> Lowered:
    difference, important = basis.difference, basis.row.important
    if not difference.has_interval:
        return Lowered(2, f"no interval: {difference.reason}" if difference.reason else "no interval")
    line = basis.row.line if important > 0.0 else "no difference"
    if important == 0.0:
        holds = difference.low <= 0.0 <= difference.high
        return Lowered(int(holds), f"the interval {'holds' if holds else 'is clear of'} {line}")
    passed = sum(difference.low < end < difference.high for end in (-important, important))
    if passed == 2:
        return Lowered(2, f"the interval holds {line} more and {line} fewer")
    return Lowered(passed, f"the interval holds both sides of {line}" if passed else f"the interval is clear of {line}")


def _forms(basis: CertaintyBasis) -> Lowered:
    if not basis.by_form:
        return Lowered(1, "not computed under other forms of the model")
    sides = {0 if abs(value) < 1.0 else 1 if value > 0.0 else -1 for _, value in basis.by_form}
    forms = f"{len({form for form, _ in basis.by_form})} forms of the model"
    if len(sides) > 1:
        return Lowered(1, f"{forms} disagree on whether it matters")
    return Lowered(0, f"{forms} agree")


def _review(basis: CertaintyBasis) -> Lowered:
    if basis.is_reviewed:
        return Lowered(0, "clinicians reviewed the tables")
    return Lowered(1, "no clinician has reviewed the tables")


CERTAINTY_RULES: Final = (
    CertaintyRule(
        "calibrated",
        "ensemble.calibrated of manifest.json",
        "one step down if the parameters were not fitted to published results",
        "parameters fitted to published results",
        _calibration,
    ),
    CertaintyRule(
        "predictions",
        "tables/held_out.csv, from docs/tables/leave_one_out.csv",
        f"one step down with fewer than {FEWEST_HELD_OUT} results of this kind, or with less than "
        f"{100 * SHARE_INSIDE:.0f} % of them inside their predicted interval",
        "more published results of this kind",
        _held_out,
    ),
    CertaintyRule(
        "width",
        "the interval of the difference, and the difference that matters (A115)",
        "one step down if the interval holds one line of what matters, two if it holds both or is missing",
        "more draws of the parameters, or results that narrow them",
        _width,
    ),
    CertaintyRule(
        "forms",
        "tables/model_forms.csv, from docs/tables/structures.csv",
        "one step down if forms of the model disagree on whether the difference matters, or were not computed",
        "evidence that decides between forms of the model",
        _forms,
    ),
    CertaintyRule(
        "review",
        "clinical_review and tables of manifest.json",
        "one step down if no clinician has reviewed the tables",
        "a clinician's review of the tables",
        _review,
    ),
)
"""Every rule that lowers a certainty, in the order of the page."""


def words_of(ranks: Iterable[int]) -> str:
    """Ranks as one word, or as the lowest and the highest; empty without any."""
    ordered = sorted(set(ranks))
    return " to ".join(dict.fromkeys(CERTAINTY_WORDS[rank] for rank in (*ordered[:1], *ordered[-1:])))


def rate(basis: CertaintyBasis, rules: Sequence[CertaintyRule] = CERTAINTY_RULES) -> OutcomeCertainty:
    """The certainty of a difference under some rules."""
    lowered = {rule.name: rule.apply(basis) for rule in rules}
    steps = sum(change.steps for change in lowered.values())
    return OutcomeCertainty(CERTAINTY_WORDS[max(0, len(CERTAINTY_WORDS) - 1 - steps)], lowered)


def similar_forms(row: ScreenRow, difference: PerThousand) -> tuple[tuple[str, float], ...]:
    """A row's difference under each form of the model, in differences that matter.

    The study of forms has other tapers than the run. Of an outcome that is a frequency, the taper whose difference is
    the most similar stands for the run's; of another outcome all tapers do.
    """
    tapers = form_differences(row.forms) if row.forms else ()
    if not tapers:
        return ()
    if row.forms == row.name:
        nearest = min(tapers, key=lambda taper: abs(PER * taper.shipped - difference.mean))
        return tuple((form, PER * value / row.important) for form, value in nearest.by_form)
    important = float(BY_NAME[row.forms].important or math.inf)
    return tuple((form, value / important) for taper in tapers for form, value in taper.by_form)


def is_reviewed(manifest: Mapping[str, Any]) -> bool:
    """Whether clinicians have reviewed every table of a run."""
    used = manifest.get("tables", [])
    return manifest["clinical_review"] == tables.REVIEWED and all(t["status"] == tables.REVIEWED for t in used)


def basis_of(
    manifest: Mapping[str, Any],
    row: ScreenRow,
    difference: PerThousand,
    drug_classes: frozenset[str],
    *,
    is_between_tapers: bool = True,
) -> CertaintyBasis:
    """What the rules read for a difference of a run, in which people take these classes.

    Other forms of the model were computed for differences between tapers only.
    """
    calibrated = is_calibrated(manifest)
    reviewed = is_reviewed(manifest)
    tested = held_out(row.published, drug_classes, calibrated=calibrated)
    forms = similar_forms(row, difference) if is_between_tapers else ()
    return CertaintyBasis(row, difference, calibrated, reviewed, tested, forms)
