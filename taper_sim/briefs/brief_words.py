"""The sentences of the committee's first screen, from its numbers. Imports ``report.brief``.

A harm *matters* if its mean difference is at least the row's difference that matters (A115). Verbs follow the certainty
(GRADE informative statements, Santesso 2020, J Clin Epidemiol 119:126): *cause*, *probably cause*, *may cause*; a very
low certainty is stated in words.
"""

from collections.abc import Sequence
from typing import Final

from taper_sim.briefs.brief import CommitteeBrief
from taper_sim.briefs.brief_rows import PerThousand, ScreenRow
from taper_sim.briefs.first_screen import time_words
from taper_sim.report.harm_words import PER
from taper_sim.report.methods import listed
from taper_sim.report.wording import number_text

_VERBS: Final = {"high": "cause", "moderate": "probably cause", "low": "may cause", "very low": "may cause"}
_MANY: Final = 3  # protocols from which a sentence says *all* and not their names
_HIDDEN: Final = "Too few people for an answer: numbers of fewer than 11 people are hidden."


def either(names: Sequence[str]) -> str:
    """Names joined with commas and *or*."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))


def _matters(difference: PerThousand, row: ScreenRow) -> bool:
    return difference.mean >= row.important


def harmful(brief: CommitteeBrief, row: ScreenRow) -> list[str]:
    """Protocols of the first screen with a harm that matters."""
    return [name for name in brief.shown if (d := brief.visible(name, row)) is not None and _matters(d, row)]


def serious_rows(brief: CommitteeBrief) -> list[ScreenRow]:
    """Serious harms for which some protocol of the first screen has a number."""
    return [row for row in brief.rows if row.is_serious and any(brief.visible(name, row) for name in brief.shown)]


def groups(brief: CommitteeBrief) -> tuple[list[str], list[str]]:
    """Protocols with a serious harm that matters, and the others, in the order of the first screen."""
    worse = {name for row in serious_rows(brief) for name in harmful(brief, row)}
    rated = [name for name in brief.shown if any(brief.visible(name, row) for row in serious_rows(brief))]
    return [name for name in rated if name in worse], [name for name in rated if name not in worse]


def answer(brief: CommitteeBrief) -> tuple[str, ...]:
    """The answer: what the run says to do, then the harms and the benefits, each with its certainty."""
    if not brief.shown:
        return ("The run has no other protocol that a clinic could follow, so there is no comparison.",)
    if not serious_rows(brief):
        return (_HIDDEN,) if _is_hidden(brief) else ("The run reports no death, overdose or crisis: no answer.",)
    worse, others = groups(brief)
    sentences = (_lead(brief, worse, others), *_harms(brief, others), _benefits(brief, others))
    return tuple(sentence for sentence in sentences if sentence)


def _is_hidden(brief: CommitteeBrief) -> bool:
    return any(level.is_hidden for level in brief.levels.values())


def _lead(brief: CommitteeBrief, worse: Sequence[str], others: Sequence[str]) -> str:
    helpful = _helped(brief)
    benefit = (
        f"{listed(helpful)} {'improve' if len(helpful) > 1 else 'improves'} pain or function"
        if helpful
        else "No protocol here is shown to improve pain or function by an amount that matters"
    )
    benefit = f"{benefit}, against {brief.comparator_is}"
    if worse and others:
        choice = "If the dose is to come down" if brief.is_held else "Among the others"
        return f"{benefit}. {choice}, the run favours {either(others)} over {either(worse)}."
    if worse:
        return f"{benefit}. All protocols shown may harm more people: {_events(_harming(brief))}."
    return f"{benefit}. None is expected to cause a rise in {_events(serious_rows(brief))} that matters."


def _harming(brief: CommitteeBrief) -> list[ScreenRow]:
    return [row for row in serious_rows(brief) if harmful(brief, row)]


def _helped(brief: CommitteeBrief) -> list[str]:
    """Protocols whose interval shows a gain in pain or function that matters."""
    rows = [row for name in ("pain_worse_important", "function_better_important") if (row := brief.row(name))]
    shown = []
    for name in brief.shown:
        for row in rows:
            difference = brief.visible(name, row)
            if difference is None or not difference.has_interval:
                continue
            if (difference.high <= -row.important) if row.is_harm else (difference.low >= row.important):
                shown.append(name)
                break
    return shown


def _events(rows: Sequence[ScreenRow]) -> str:
    return either([row.events for row in rows])


def _per(brief: CommitteeBrief) -> str:
    return f"In {PER:,.0f} people over {time_words(brief.days)}"


def _range(values: Sequence[float]) -> str:
    """The least and the largest of some frequencies, without decimals from 10 on."""
    digits = 0 if max(abs(value) for value in values) >= 10.0 else 1
    ends = list(dict.fromkeys(number_text(value, digits) for value in (min(values), max(values))))
    return " to ".join(ends)


def _harms(brief: CommitteeBrief, others: Sequence[str]) -> tuple[str, ...]:
    """Serious harms that matter, each with its protocols, and that the other protocols have none."""
    sentences = []
    for row in _harming(brief):
        names = harmful(brief, row)
        more = _range([brief.differences[name, row.name].mean for name in names])
        word = brief.words(row, names)
        sentences.append(
            f"{_per(brief)}, {listed(names)} {_VERBS[word.split(' to ')[0]]} {more} more {row.events} than "
            f"{brief.comparator_is} (certainty: {word})."
        )
    if others:
        rows = serious_rows(brief)
        is_single = len(others) == 1
        rest = f"{'differs' if is_single else 'differ'} little from {brief.comparator_is} in"
        if not all(_is_little(brief, name, row) for name in others for row in rows):
            rest = f"{'is' if is_single else 'are'} not expected to cause a rise that matters in"
        whom = _whom(brief, others) or listed(others)
        sentences.append(f"{whom} {rest} {_by_certainty(brief, rows, others)}.")
    return tuple(sentences)


def _whom(brief: CommitteeBrief, names: Sequence[str]) -> str:
    """A short name of all protocols shown, where they are three or more; empty for some of them."""
    return "All protocols shown" if len(names) == len(brief.shown) >= _MANY else ""


def _is_little(brief: CommitteeBrief, name: str, row: ScreenRow) -> bool:
    difference = brief.visible(name, row)
    return difference is not None and -row.important < difference.low and difference.high < row.important


def _by_certainty(brief: CommitteeBrief, rows: Sequence[ScreenRow], names: Sequence[str]) -> str:
    """Harms with their certainty: one bracket if it is the same for all of them."""
    words = [brief.words(row, names) for row in rows]
    if len(set(words)) == 1:
        return f"{listed([row.events for row in rows])} (certainty: {words[0]})"
    begins = ["certainty: ", *[""] * (len(rows) - 1)]
    return listed([f"{row.events} ({b}{word})" for row, b, word in zip(rows, begins, words, strict=True)])


def _benefits(brief: CommitteeBrief, others: Sequence[str]) -> str:
    """How many are at a lower dose in the end, and how many return to a higher one."""
    names = others or brief.shown
    parts = []
    for outcome, words in (
        ("dose_reduction_ge15", "are at a lower dose in the end"),
        ("return_to_higher_dose", "return to a higher dose on the way"),
    ):
        row = brief.row(outcome)
        levels = [] if row is None else [x.mean for name in names if (x := _level(brief, name, row)) is not None]
        if row is not None and levels:
            parts.append(f"{_range(levels)} {words} (certainty: {brief.words(row, names)})")
    whom = "any of these protocols" if _whom(brief, names) else either(names)
    return f"Of {PER:,.0f} people under {whom}, {listed(parts)}." if parts else ""


def _level(brief: CommitteeBrief, name: str, row: ScreenRow) -> PerThousand | None:
    level = brief.levels.get((name, row.name))
    return None if level is None or level.is_hidden else level


def lead_certainty(brief: CommitteeBrief) -> str:
    """Certainty of what the run says to do: that of the harms which separate the protocols, else of every serious harm.

    One word, or the lowest and the highest; empty without a number.
    """
    return brief.lowest(_harming(brief) or serious_rows(brief))
