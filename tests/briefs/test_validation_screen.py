"""First screens of a validation and of real tapers: their numbers are those of the tables."""

import json
from pathlib import Path

import pandas as pd
import pytest

from taper_sim.api.committee_report import report
from taper_sim.briefs.run_reports import write_run_report
from taper_sim.briefs.validation_screen import validation_screen
from taper_sim.evidence.study_runs import SIMULATED
from taper_sim.report.validation_report import ValidationTables, read_validation
from taper_sim.tables import UNREVIEWED
from tests.conftest import ROOT

MANIFEST = {
    "kind": "validate",
    "table": "evidence.csv",
    "people": 2000,
    "ensemble": {"id": "e", "n_draws": 50, "calibrated": False},
    "clinical_review": UNREVIEWED,
}
KEPT = read_validation(ROOT / "docs" / "tables" / "validation.csv")


def tables(inside: dict[str, list[bool]], *, calibrated: bool = False) -> ValidationTables:
    """Simulated results by outcome, and whether each is inside."""
    first = KEPT[KEPT["status"] == SIMULATED].head(1)
    results = [(outcome, "yes" if yes else "no") for outcome, all_of in inside.items() for yes in all_of]
    rows = first.loc[first.index.repeat(len(results))].assign(
        outcome=[outcome for outcome, _ in results], inside=[inside for _, inside in results]
    )
    ensemble = MANIFEST["ensemble"] | {"calibrated": calibrated}
    return ValidationTables(MANIFEST | {"ensemble": ensemble}, rows.reset_index(drop=True))


def test_each_kind_of_outcome_has_its_share_and_harms_come_first() -> None:
    screen = validation_screen(
        tables({"pain_nrs": [True, False], "death": [True] * 9 + [False], "dropout": [True] * 4})
    )
    assert [row.label for row in screen.numbers.rows] == ["Death", "Worse pain", "Other outcomes"]
    assert screen.numbers.levels["inside the predicted interval", "death"].mean == pytest.approx(90.0)
    pain = screen.numbers.levels["inside the predicted interval", "pain_worse_important"]
    assert pain.mean == pytest.approx(50.0) and not pain.has_interval  # two results give no interval


def test_the_certainty_falls_with_few_results_with_a_fit_and_at_the_line() -> None:
    words = {}
    for name, (results, calibrated) in {
        "clear": ([True] * 60, False),
        "fitted": ([True] * 60, True),
        "line": ([True] * 16 + [False] * 4, False),
        "few": ([True] * 2, False),
    }.items():
        screen = validation_screen(tables({"death": results}, calibrated=calibrated))
        words[name] = screen.certainty
    assert words == {"clear": "moderate", "fitted": "low", "line": "low", "few": "very low"}


def test_a_kind_that_is_predicted_too_rarely_is_named() -> None:
    wrong = validation_screen(tables({"death": [False] * 12, "overdose": [True] * 30})).asides[0]
    assert wrong.title == "Where the simulator is wrong" and len(wrong.sentences) == 1
    assert wrong.sentences[0].startswith("Death: 0 % inside, of 12 published results")


@pytest.fixture
def tapers(tmp_path: Path) -> Path:
    """The folder of a study, made of its committed tables."""
    names = {"scores": "real_tapers", "calibration": "real_tapers_calibration", "population": "real_tapers_population"}
    for name, kept in (names | {"between_tapers": "real_tapers_between"}).items():
        (tmp_path / f"{name}.csv").write_bytes((ROOT / "docs" / "tables" / f"{kept}.csv").read_bytes())
    manifest = {
        "kind": "tapers",
        "people": {"fitted": 305, "predicted": 172},
        "converged": {"effect": True},
        "clinical_review": UNREVIEWED,
        "seed": 1,
        "outputs_sha256": dict.fromkeys([f"{name}.csv" for name in (*names, "between_tapers")], ""),
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def test_the_brief_of_real_tapers_has_the_scores_of_the_study(tapers: Path) -> None:
    finished = report(tapers)
    scores = pd.read_csv(tapers / "scores.csv")
    chosen = (scores["information"] == "before the visit") & (scores["visits"] == "taper and after")
    own = scores[chosen & (scores["method"] == "personal") & (scores["score"] == "log_loss")].iloc[0]
    rows = finished.table.set_index(["protocol", "outcome"])
    row = rows.loc[("personal", "log_loss: before the visit")]
    assert (row["people"], row["more"]) == pytest.approx((own["value"], own["difference"]))
    assert finished.answer.startswith("A person's own record predicts their next taper better") == (
        own["difference_hi95"] < 0
    )
    assert "Certainty: " in finished.answer
    page = write_run_report(tapers)
    assert page.read_text() == finished.html


def test_a_study_of_few_people_or_without_convergence_is_not_trusted(tapers: Path) -> None:
    manifest = json.loads((tapers / "manifest.json").read_text())
    (tapers / "manifest.json").write_text(json.dumps(manifest | {"converged": {"effect": False}}))
    assert "Certainty: very low." in report(tapers).answer
    (tapers / "manifest.json").write_text(json.dumps(manifest | {"people": {"fitted": 10, "predicted": 10}}))
    assert report(tapers).answer == "Hidden: fewer than 11 people were predicted."
