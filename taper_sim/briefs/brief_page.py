"""The committee's first screen of a comparison. Imports ``briefs.brief`` and its words and context."""

from collections.abc import Sequence

from taper_sim.briefs import brief_context, brief_words
from taper_sim.briefs.brief import CommitteeBrief
from taper_sim.briefs.brief_rows import BRIEF_ROWS
from taper_sim.briefs.first_screen import FirstScreen, time_words
from taper_sim.briefs.ranking_part import ranking_aside
from taper_sim.comparison.ranking import Ranking
from taper_sim.report.harm_words import PER
from taper_sim.report.methods import listed
from taper_sim.report.run_tables import RunTables
from taper_sim.report.wording import number_text
from taper_sim.units import DRUG_CLASSES


def comparison_screen(
    run: RunTables, brief: CommitteeBrief, *, clinic: Sequence[str] = (), ranking: Ranking | None = None
) -> FirstScreen:
    """The first screen of a comparison.

    Parameters
    ----------
    run : RunTables
    brief : CommitteeBrief
    clinic : sequence of str, optional
        What a clinic run says on people's time.
    ranking : Ranking, optional
        By the weights that the scenario states.
    """
    caption = (
        f"Large: people of 1,000. Below: more or fewer than with {brief.comparator_is}, with the 95 % interval. A bar "
        "marks a difference that matters; it is filled where the interval is clear of no difference."
    )
    asides = (
        brief_context.harmed(run, brief),
        *([] if ranking is None else [ranking_aside(ranking, brief)]),
        brief_context.would_change(brief),
        brief_context.cost(run.manifest, clinic),
    )
    return FirstScreen(
        brief,
        brief_words.answer(brief),
        brief_words.lead_certainty(brief),
        f"Of {PER:,.0f} people, over {time_words(brief.days)}",
        caption,
        asides,
        tuple(_notes(brief)),
        {name: _head_note(brief, name) for name in (brief.comparator, *brief.shown)},
    )


def _notes(brief: CommitteeBrief) -> list[str]:
    matters = [f"{row.label.lower()} {number_text(row.important, 0)}" for row in brief.rows]
    notes = [f"Differences that matter, in {PER:,.0f} people: {listed(matters)} (assumption A115)."]
    if len(brief.others) > len(brief.shown):
        spread = " from the slowest to the fastest month" if brief.pace else ""
        notes.append(
            f"Shown: {len(brief.shown)} of {len(brief.others)} protocols, evenly{spread}; brief.csv has all of them."
        )
    if len(brief.classes) > 1:
        taken = [name for name in DRUG_CLASSES if name in brief.classes]
        notes.append(f"The dose is that of the first class of {listed(taken)} that a person takes.")
    if len(brief.rows) < len(BRIEF_ROWS):
        missing = [row.label.lower() for row in BRIEF_ROWS if row not in brief.rows]
        notes.append(f"Not in this folder: {listed(missing)}.")
    return notes


def _head_note(brief: CommitteeBrief, name: str) -> str:
    if name == brief.comparator:
        return "comparator"
    return f"fastest month {number_text(brief.pace[name], 0)} %" if name in brief.pace else ""
