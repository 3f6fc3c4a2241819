"""What a comparison promises, whatever it finds."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from taper_sim.comparison import jobs
from taper_sim.comparison.outcomes import ALL
from taper_sim.data.problems import InputError
from taper_sim.experiments.compare import ComparisonRun, compare, resume, verify
from taper_sim.run_folder import sha256_of
from taper_sim.scenario.building import Overrides
from tests.conftest import SCENARIO, quiet

SUMMARY = "protocol,outcome,subgroup,n,mean,sd,q05,q50,q95,lo95,hi95,mc_se,n_draws,calibrated".split(",")
DIFFERENCES = "protocol,reference,outcome,subgroup,mean,lo95,hi95,p_better,share_better,share_worse,mc_se".split(",")


def _patients(done: ComparisonRun) -> pd.DataFrame:
    return pd.read_parquet(done.folder / "patients.parquet")


def test_the_run_folder_is_whole(finished: ComparisonRun):
    names = {path.name for path in finished.folder.iterdir()}
    assert {"manifest.json", "summary.csv", "differences.csv", "patients.parquet", "trajectories.csv"} <= names
    assert list(pd.read_csv(finished.folder / "summary.csv").columns)[: len(SUMMARY)] == SUMMARY
    assert list(pd.read_csv(finished.folder / "differences.csv").columns)[: len(DIFFERENCES)] == DIFFERENCES
    assert len(_patients(finished)) == 150 * 4


def test_every_outcome_is_in_the_summary(finished: ComparisonRun):
    assert {outcome.name for outcome in ALL} - set(finished.summary["outcome"]) <= {"time_to_discontinuation_d"}


def test_another_number_of_workers_and_another_chunk_give_the_same_bytes(
    finished: ComparisonRun, small_scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(jobs, "CHUNK", 37)
    again = compare(small_scenario, Overrides(), tmp_path / "three", 3, quiet)
    for name in ("summary.csv", "differences.csv", "patients.parquet"):
        assert (again.folder / name).read_bytes() == (finished.folder / name).read_bytes()


def test_one_extra_patient_changes_nobody_else(finished: ComparisonRun, small_scenario: Path, tmp_path: Path):
    more = _patients(compare(small_scenario, Overrides(patients=151), tmp_path / "more", 1, quiet))
    before = _patients(finished)
    merged = more[more["patient_id"] != "151"].reset_index(drop=True)
    pd.testing.assert_frame_equal(merged, before, check_exact=True)


def test_fewer_protocols_change_no_number(finished: ComparisonRun, small_scenario: Path, tmp_path: Path):
    only = _patients(compare(small_scenario, Overrides(protocols="abrupt()"), tmp_path / "only", 1, quiet))
    before = _patients(finished)
    same = before[before["protocol"] == "abrupt()"].reset_index(drop=True)
    pd.testing.assert_frame_equal(only.drop(columns="protocol"), same.drop(columns="protocol"), check_exact=True)


def test_a_protocol_that_does_nothing_changes_nothing_to_the_bit(small_scenario: Path, tmp_path: Path):
    change = Overrides(protocols="constant(), linear(pct=10, every=28, start_day=2000)")
    table = _patients(compare(small_scenario, change, tmp_path / "nothing", 1, quiet))
    by_protocol = table.groupby("protocol", observed=True)
    a, b = (group.drop(columns="protocol").reset_index(drop=True) for _, group in by_protocol)
    pd.testing.assert_frame_equal(a, b, check_exact=True)


def test_summary_means_are_the_means_of_the_patients(finished: ComparisonRun):
    table = _patients(finished).groupby("protocol", observed=True)[["pain_nrs_change", "withdrawal_peak"]].mean()
    whole = finished.summary[finished.summary["subgroup"] == "all"].set_index(["protocol", "outcome"])
    for protocol, row in table.iterrows():
        for outcome, mean in row.items():
            assert whole.loc[(protocol, outcome), "mean"] == pytest.approx(mean, abs=1e-12)


def test_differences_are_paired_person_by_person(finished: ComparisonRun):
    table = _patients(finished).pivot(index="patient_id", columns="protocol", values="withdrawal_peak")
    gain = table["constant()"] - table["abrupt()"]
    row = finished.differences.query("protocol == 'abrupt()' and outcome == 'withdrawal_peak' and subgroup == 'all'")
    assert row["mean"].item() == pytest.approx(-gain.mean(), abs=1e-12)
    assert row["share_better"].item() == pytest.approx((gain > 0.10).mean())
    assert row["share_worse"].item() == pytest.approx((gain < -0.10).mean())


def test_setting_the_reference_the_other_way_round_turns_the_sign(small_scenario: Path, tmp_path: Path):
    text = SCENARIO + "reference: abrupt()\n"
    scenario = tmp_path / "turned.yaml"
    scenario.write_text(text)
    turned = compare(scenario, Overrides(), tmp_path / "turned", 1, quiet).differences
    straight = compare(small_scenario, Overrides(), tmp_path / "straight", 1, quiet).differences
    a = turned.query("protocol == 'constant()' and outcome == 'composite' and subgroup == 'all'").iloc[0]
    b = straight.query("protocol == 'abrupt()' and outcome == 'composite' and subgroup == 'all'").iloc[0]
    assert a["mean"] == pytest.approx(-b["mean"])
    assert a["p_better"] == pytest.approx(1 - b["p_better"], abs=1e-9)
    assert a["share_better"] == pytest.approx(b["share_worse"])


def test_an_interrupted_run_goes_on_and_ends_in_the_same_bytes(
    finished: ComparisonRun, small_scenario: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Interrupted(Exception):
        pass

    def breaks(total: int):
        done = 0

        def tick(days: int) -> None:
            nonlocal done
            done += days
            if done > total / 2:
                raise Interrupted

        return tick

    folder = tmp_path / "broken"
    with pytest.raises(Interrupted):
        compare(small_scenario, Overrides(), folder, 1, breaks)
    assert list((folder / "parts").glob("arm*.parquet"))
    assert not (folder / "summary.csv").exists()
    resume(folder, 1, quiet)
    assert (folder / "summary.csv").read_bytes() == (finished.folder / "summary.csv").read_bytes()


def test_verify_finds_a_changed_number(small_scenario: Path, tmp_path: Path):
    done = compare(small_scenario, Overrides(patients=40, days=28), tmp_path / "run", 1, quiet)
    assert verify(done.folder, 1, quiet) == []
    summary = done.folder / "summary.csv"
    summary.write_text(summary.read_text().replace("0", "1", 1))
    assert verify(done.folder, 1, quiet) == ["summary.csv: changed since the run, or missing"]


def test_the_folder_of_another_run_is_refused(finished: ComparisonRun, small_scenario: Path):
    with pytest.raises(InputError, match="another run"):
        compare(small_scenario, Overrides(seed=8), finished.folder, 1, quiet)


def test_the_manifest_has_the_hash_of_every_file_that_was_read(tmp_path: Path):
    (tmp_path / "pace.yaml").write_text(
        "name: careful\nrules: [{any: [{instrument: pain_nrs, above: 8}], then: pause}]\n"
    )
    (tmp_path / "people.csv").write_text("patient_id,pain\na,5\nb,6\n")
    (tmp_path / "drugs.csv").write_text(
        "patient_id,drug,formulation,dose_mg_per_day\na,morphine,ER,60\nb,morphine,ER,90\n"
    )
    (tmp_path / "scenario.yaml").write_text(
        "name: files\ndays: 14\ncohort: {file: people.csv, drugs_file: drugs.csv}\n"
        "protocols: ['constant()', 'adaptive(\"pace.yaml\") + adjunct(lofexidine)']\n"
    )
    done = compare(tmp_path / "scenario.yaml", Overrides(), tmp_path / "run", 1, quiet)
    hashes = {name: sha256_of(tmp_path / name) for name in ("people.csv", "drugs.csv", "pace.yaml")}
    assert done.manifest["inputs_sha256"] == hashes


def test_the_manifest_names_no_patient_and_says_what_is_not_known(finished: ComparisonRun):
    text = (finished.folder / "manifest.json").read_text()
    manifest = json.loads(text)
    assert manifest["ensemble"]["calibrated"] is True
    assert manifest["clinical_review"] == "research use: not clinically reviewed"
    assert manifest["patients"]["n"] == 150
    assert len(manifest["patients"]["ids_sha256"]) == 64


def test_row_order_of_the_patients_file_changes_no_patient(tmp_path: Path):
    rng = np.random.default_rng(3)
    people = pd.DataFrame({"patient_id": [f"id{k}" for k in range(60)], "pain": rng.integers(2, 9, 60)})
    drugs = pd.DataFrame(
        {
            "patient_id": people["patient_id"],
            "drug": "morphine",
            "formulation": "ER",
            "dose_mg_per_day": rng.choice([60, 90, 120], 60),
        }
    )
    tables = []
    for name, order in (("a", np.arange(60)), ("b", rng.permutation(60))):
        people.iloc[order].to_csv(tmp_path / f"{name}.csv", index=False)
        drugs.iloc[rng.permutation(60)].to_csv(tmp_path / f"{name}-drugs.csv", index=False)
        scenario = tmp_path / f"{name}.yaml"
        scenario.write_text(
            f"name: read\ndays: 56\ndraws: 3\ncohort: {{file: {name}.csv, drugs_file: {name}-drugs.csv}}\n"
            "protocols: ['linear(pct=10, every=14)']\n"
        )
        tables.append(_patients(compare(scenario, Overrides(), tmp_path / f"run-{name}", 1, quiet)))
    a, b = (table.sort_values("patient_id").reset_index(drop=True) for table in tables)
    pd.testing.assert_frame_equal(a, b, check_exact=True)
