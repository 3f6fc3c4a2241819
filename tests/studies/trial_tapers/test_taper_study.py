"""The command on made people, the committed tables, and the trial itself where its data are at hand."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taper_sim.cli import main
from taper_sim.studies.trial_tapers import simulated_trial, study
from taper_sim.studies.trial_tapers.predict import INFORMATION
from taper_sim.studies.trial_tapers.taper_population import TaperFit, TaperPopulation, hyperparameters

TABLES = Path(__file__).resolve().parents[3] / "docs" / "tables"
PRIOR = TaperPopulation("effect", np.array([h.mean for h in hyperparameters()]))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """People to fit and others to predict."""
    folder = tmp_path_factory.mktemp("people")
    for name, n, seed in (("a", 24, 1), ("b", 4, 2)):
        simulated_trial.daily_table(PRIOR, n, seed).to_csv(folder / f"{name}.csv", index=False)
    return folder / "a.csv", folder / "b.csv"


def test_people_of_one_file_predict_those_of_another_and_a_rerun_reuses_finished_fits(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = files
    command = ["tapers", "--train", str(train), "--test", str(test), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    predictions = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert set(predictions["information"]) == set(INFORMATION) and set(predictions["phase"]) == {2}
    assert predictions[study.CATEGORY_COLUMNS].sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert predictions["who"].nunique() == 4 and {study.POPULATION_ONLY, study.PERSONAL} < set(predictions["method"])
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert set(scores["score"]) == {"log_loss", "brier", "rps", "brier_withdrawal"}
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.csv")}
    assert "fitted" in capsys.readouterr().err
    assert main(command) == 0
    assert "fitted" not in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.csv")} == first


def test_folds_hold_each_person_once_in_any_row_order() -> None:
    everybody = {str(k): () for k in range(23)}
    parts = study.folds_of(everybody, 5, 1)
    assert sorted(who for part in parts for who in part) == sorted(everybody)
    turned = study.folds_of(dict(reversed(everybody.items())), 5, 1)
    assert [sorted(a) for a in parts] == [sorted(b) for b in turned]


@pytest.mark.parametrize("wrong", ["few", "absent"])
def test_a_file_that_cannot_be_fitted_gets_one_line_and_nothing_is_written(
    wrong: str, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = files[1] if wrong == "few" else tmp_path / "nothing.csv"
    assert main(["tapers", str(path), "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert len(message.strip().splitlines()) == 1 and str(path) in message and "allowed" in message
    assert not (tmp_path / "out").exists()


def test_a_population_is_read_back_from_its_table() -> None:
    n = len(PRIOR.theta)
    for variant, (drive, fixed) in study.VARIANTS.items():
        theta = [h.mean + 0.1 for h in TaperPopulation(drive, np.empty(0), fixed).free]
        here = TaperPopulation(drive, np.array(theta), fixed)
        table = study.fitted_values(TaperFit(here, 0.01 * np.eye(len(theta)), 0.0, 1, True), variant)
        assert study.population_of(table, variant).theta == pytest.approx(here.theta)
        assert ((table["lo95"] < table["value"]) & (table["value"] < table["hi95"])).all()
    assert len(study.population_of(table, variant).theta) <= n


@pytest.mark.parametrize(
    "name",
    [
        "real_tapers.csv",
        "real_tapers_population.csv",
        "real_tapers_drives.csv",
        "real_tapers_calibration.csv",
        "real_tapers_between.csv",
    ],
)
def test_the_committed_tables_come_from_this_code(name: str) -> None:
    """Else: the command of docs/real-tapers.md, with the trial's data."""
    assert set(pd.read_csv(TABLES / name)["code"]) == {study.code_hash()}


def test_the_table_supports_the_documented_results_on_real_people() -> None:
    table = pd.read_csv(TABLES / "real_tapers.csv")
    log_loss = table[(table["score"] == "log_loss") & (table["visits"] == study.TAPER_AND_AFTER)]
    for information in INFORMATION:
        by = log_loss[log_loss["information"] == information].set_index("method")
        assert by.loc[study.PERSONAL, "value"] < by.loc[study.POPULATION_ONLY, "value"]
        assert by.loc[study.PERSONAL, "difference_hi95"] < 0.0
        for baseline in ("last value", "person mean", "mixed logistic"):
            assert by.loc[study.PERSONAL, "value"] < by.loc[baseline, "value"]


@pytest.mark.skipif("TAPER_SIM_CTN0030" not in os.environ, reason="TAPER_SIM_CTN0030 names no daily table of the trial")
def test_the_trial_has_the_number_of_people_of_the_table() -> None:
    from taper_sim.data.trial import read_trial
    from taper_sim.studies.trial_tapers.taper_people import people_of

    everybody = people_of(read_trial(Path(os.environ["TAPER_SIM_CTN0030"])))
    table = pd.read_csv(TABLES / "real_tapers.csv")
    twice = sum(any(taper.earlier for taper in person) for person in everybody.values())
    assert twice == table.loc[table["visits"] == "every visit", "n_people"].iloc[0]
