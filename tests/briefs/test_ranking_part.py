"""The page of a run with stated weights: whose they are, the chance, where the first place changes, the harms."""

import html
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from taper_sim.briefs.brief_page import comparison_screen
from taper_sim.briefs.page import read_comparison
from taper_sim.briefs.ranking_part import ranking_sentences, ranking_tables
from taper_sim.briefs.run_reports import write_run_report
from taper_sim.comparison.ranking import FLIP_COLUMNS, RANKING_COLUMNS, Ranking
from taper_sim.report.run_tables import read_run
from tests.report.test_figures import PROTOCOLS, make_run

SLOW, FAST, THIRD = PROTOCOLS
BAD = "<b>us</b>"


def ranking(n: int = 600, p_best: tuple[float, ...] = (0.7, 0.1, 0.2), reason: str = "") -> Ranking:
    """A made-up ranking of the made-up run."""
    rows = []
    for place, (protocol, chance) in enumerate(zip((FAST, THIRD, SLOW), p_best, strict=True), start=1):
        known = (-0.3, 0.1, -0.5, 0.3, chance, 1.0, 3.0, place - 1.0, -0.1, 0.5)
        rows.append((place, protocol, n, 0.1 * place, *known, place, 4 - place, place, BAD, reason))
    nothing = float("nan")
    flips = [
        ("pain", "weight", 0.25, "lower", nothing, nothing, ""),
        ("pain", "weight", 0.25, "higher", 0.5, 2.0, SLOW),
        ("death", "worth", 100.0, "lower", 1.0, 0.01, THIRD),
        ("death", "worth", 100.0, "higher", nothing, nothing, ""),
        ("full_stop", "worth", 0.0, "lower", nothing, nothing, ""),
        ("full_stop", "worth", 0.0, "higher", 4.0, nothing, SLOW),
    ]
    return Ranking(pd.DataFrame(rows, columns=list(RANKING_COLUMNS)), pd.DataFrame(flips, columns=list(FLIP_COLUMNS)))


def test_the_sentence_names_whose_weights_the_chances_and_the_nearest_change() -> None:
    text = " ".join(ranking_sentences(ranking()))
    assert f"By the weights of {BAD}, {FAST} ranks first of 3: its chance of being best is 70 %" in text
    assert f"that of {SLOW} is 20 %" in text and "not settled" in text
    assert f"The first place goes to {SLOW} if pain counts 2.0 times as much as stated." in text
    clear = " ".join(ranking_sentences(ranking(p_best=(0.999, 0.001, 0.0))))
    assert "over 99 %" in clear and "under 1 %" in clear and "not settled" not in clear


def test_without_an_interval_the_chance_is_not_known_and_few_people_have_no_ranking() -> None:
    text = " ".join(ranking_sentences(ranking(reason="fewer than 5 people with a harm that it counts")))
    assert "not known: fewer than 5 people" in text and "70 %" not in text
    few = ranking(n=10)
    assert ranking_tables(few) == () and FAST not in " ".join(ranking_sentences(few))


def test_the_page_has_the_ranking_and_where_it_changes_with_hostile_names_as_text(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    made = ranking()
    made.table.to_csv(folder / "ranking.csv", index=False)
    made.flips.to_csv(folder / "ranking_flips.csv", index=False)
    page = write_run_report(folder).read_text(encoding="utf-8")
    assert BAD not in page and html.escape(BAD) in page
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Ranked by stated weights" in text and "Where the first place changes" in text
    assert f"above 0.5 (2.0 times as much): {SLOW}" in text
    assert f"above 4: {SLOW}" in text  # a weight of 0 has no factor
    assert f"below 1 (0.01 times as much): {THIRD}" in text and "no other" in text


def test_a_page_without_stated_weights_ranks_nothing(tmp_path: Path) -> None:
    page = write_run_report(make_run(tmp_path / "run")).read_text(encoding="utf-8")
    assert "Ranked by" not in page and "Ranking by" not in page


@pytest.mark.parametrize("more", [12.0, 2.0])
def test_a_first_place_with_a_serious_harm_says_so(tmp_path: Path, more: float) -> None:
    folder = make_run(tmp_path / "run")
    read = read_comparison(folder)
    crisis = next(row for row in read.brief.rows if row.name == "mental_health_crisis")
    key = FAST, crisis.name
    differences = {**read.brief.differences, key: replace(read.brief.differences[key], mean=more, n=600)}
    brief = replace(read.brief, differences=differences)
    boxes = {box.title: box.sentences for box in comparison_screen(read_run(folder), brief, ranking=ranking()).asides}
    warned = "mental health crises" in " ".join(boxes["Ranked by stated weights"])
    assert warned == (more >= crisis.important)
