"""The command ``taper-sim clinic``: run folder, text, figures, bad input."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from openpyxl import Workbook

from taper_sim import cli
from taper_sim.clinic.measures import utilisation
from taper_sim.clinic.staffing.book import LATE_SHARE
from taper_sim.clinic.work import WORK_BY_NAME as WORK
from taper_sim.comparison.outcomes import BY_NAME
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.experiments.clinic_plan import read_plan
from taper_sim.scenario.building import Overrides
from taper_sim.scenario.clinic_schema import StaffEntry
from tests.experiments.test_clinic_workers import tiny

SCENARIOS = Path(__file__).resolve().parent.parent.parent / "scenarios"
CLINICS = sorted(SCENARIOS.glob("clinic_*.yaml"))
SMALL = ["--patients", "40", "--days", "42", "--replications", "2"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clinic") / "run"
    assert cli.main(["clinic", str(SCENARIOS / "clinic_urban.yaml"), *SMALL, "--out", str(folder)]) == 0
    return folder


def test_the_run_folder_has_what_the_contract_says(done):
    manifest = json.loads((done / "manifest.json").read_text())
    assert manifest["kind"] == "clinic" and manifest["replications"] == 2
    assert "not clinically reviewed" in manifest["clinical_review"]
    events = pd.read_parquet(done / "events.parquet")
    contract = (
        "protocol,replication,work_id,patient_id,work,role,resource,urgency,requested,started,ended,outcome".split(",")
    )
    assert list(events.columns)[: len(contract)] == contract
    assert set(events["outcome"]) <= {"done", "no_show", "reneged", "cancelled", "open"}
    assert set(events["replication"]) == {0, 1}
    summary = pd.read_csv(done / "summary.csv")
    columns = "protocol,outcome,subgroup,n,mean,sd,q05,q50,q95,lo95,hi95,mc_se,n_draws,calibrated".split(",")
    assert list(summary.columns)[: len(columns)] == columns and summary["calibrated"].all()
    differences = pd.read_csv(done / "differences.csv")
    assert "needed" in summary and "needed" in differences  # replications that would have been enough, as in service
    assert set(differences["reference"]) == {"staff never short"}
    service = pd.read_csv(done / "service.csv")
    assert {"utilisation", "late", "lost", "queue", "wait_mean", "cost"} <= set(service["metric"])
    assert {path.name for path in (done / "figures").iterdir()} == {
        "week.svg",
        "week.csv",
        "backlog.svg",
        "backlog.csv",
        "panels.svg",
        "panels.csv",
    }
    panels = pd.read_csv(done / "panels.csv")
    at_stated = panels[panels["patients"] == panels["stated"]]
    assert set(panels["phase"]) == {"steady state", "enrolling"} and (at_stated["late"] <= LATE_SHARE).all()
    assert (panels.groupby("phase")["late"].max() > LATE_SHARE).all()
    assert not (done / "parts").exists()


def test_every_number_of_the_service_can_be_had_from_the_log(done):
    events, duty = pd.read_parquet(done / "events.parquet"), pd.read_csv(done / "duty.csv")
    service = pd.read_csv(done / "service.csv").fillna({"role": "", "work": ""})
    shares = []
    for _, own in events.groupby("replication"):
        people = utilisation(own, duty, 0.0, 42 * 1440.0)
        nurses = people[people["role"] == "nurse"]
        shares.append(nurses["busy_min"].sum() / nurses["on_duty_min"].sum())
    said = service[(service["metric"] == "utilisation") & (service["role"] == "nurse")].iloc[0]
    assert said["mean"] == pytest.approx(np.mean(shares))


def test_the_same_command_gives_the_same_numbers_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    from taper_sim.experiments import clinic_case

    served, calls = clinic_case.serve, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return served(*arguments)

    smaller = ["clinic", *tiny(tmp_path)]
    assert cli.main([*smaller, "--out", str(tmp_path / "once")]) == 0
    command = [*smaller, "--out", str(tmp_path / "again")]
    monkeypatch.setattr(clinic_case, "serve", interrupted)
    assert cli.main(command) == 130
    assert not (tmp_path / "again" / "manifest.json").exists()
    assert cli.main(["resume", str(tmp_path / "again")]) == 0
    assert len(calls) == 3  # the finished replication was kept
    for name in ("summary.csv", "differences.csv", "service.csv"):
        assert (tmp_path / "again" / name).read_text() == (tmp_path / "once" / name).read_text()
    assert cli.main([*command, "--seed", "5"]) == 2  # another run's folder
    monkeypatch.setattr(clinic_case, "serve", served)
    assert cli.main(["verify", str(tmp_path / "again")]) == 0
    summary = tmp_path / "again" / "summary.csv"
    summary.write_text(summary.read_text().replace("0.", "1.", 1))
    assert cli.main(["verify", str(tmp_path / "again")]) == 3


@pytest.mark.parametrize("path", CLINICS, ids=lambda path: path.stem)
def test_every_clinic_scenario_runs(path, tmp_path, capsys):
    small = ["--patients", "16", "--days", "14", "--replications", "1"]
    assert cli.main(["clinic", str(path), *small, "--out", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr().out
    assert ", 1 replication," in printed and "no intervals" in printed and "95 % interval" not in printed
    assert "How many patients (here 16)" in printed and "in care at a time; full first: the " in printed
    assert "enrolled within 14 days" in printed and f"`taper-sim staffing {path.name}`" in printed
    assert not re.search(r"-0\.?0*(?![\d.])", printed.replace(str(tmp_path), ""))  # no sign before nothing
    assert "social_worker" not in printed and "np_pa" not in printed
    assert "What breaks first" in printed or "Nothing breaks" in printed or "Little is late" in printed
    assert "Research use: not clinically reviewed" in printed and "Calibrated to 41 published results" in printed


def lines_for(tmp_path, capsys, change, *options):
    content = yaml.safe_load((SCENARIOS / "clinic_urban.yaml").read_text())
    content["protocols"] = ["linear(pct=10, every=28)"]
    content["clinic"].pop("enrol_over_d")
    change(content)
    path = tmp_path / "s.yaml"
    path.write_text(yaml.safe_dump(content))
    code = cli.main(["clinic", str(path), *options, "--out", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists() or code == 0
    return code, capsys.readouterr().err.replace(str(path), "FILE").splitlines()


def set_in(*keys, value):
    def change(content):
        at = content
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = value

    return change


def nobody_licensed(content):
    content["clinic"]["states"] = {"VT": 0.5, "NH": 0.5}
    for entry in content["clinic"]["team"]:
        entry["licences"] = ["ME"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_in("clinic", "team", 1, "shifts", value=[{"start": "17:00", "end": "09:00"}]), "not positive"),
        (set_in("clinic", "team", 2, "role", value="farmacist"), "did you mean pharmacist"),
        (lambda c: c["clinic"]["team"].pop(2), "no worker for the queue pharmacist"),
        (set_in("clinic", "triage", value="by_age"), "by_age"),
        (set_in("clinic", "without", value=["visits"]), "visits, no kind of work; did you mean visit?"),
        (set_in("clinic", "unlimited", value=True), "team and unlimited"),
        (set_in("clinic", "first_day", value="2026-01-05"), "2026-01-05, a Monday"),
        (set_in("clinic", "in_person_from", value="soon"), "given soon; allowed: a date such as 2026-01-06"),
        (set_in("clinic", "states", value={"VT": 0}), "0"),
        (set_in("clinic", "states", value={"VT": 0.5, "NH": 0.3}), "shares of patients that add to 0.8"),
        (set_in("cohort", "modality", value={"video": 0.5, "phone": 0.3}), "shares of patients that add to 0.8"),
        (set_in("cohort", "modality", value={"vidoe": 1.0}), "vidoe: given an unknown modality; did you mean video?"),
        (set_in("cohort", "modality", value={"video": -1.0, "phone": 1.0}), "cohort.modality.video"),
        (
            set_in("cohort", value={"file": "p.csv", "drugs_file": "d.csv", "modality": {"video": 1.0}}),
            "one of the two",
        ),
        (set_in("clinic", "home_visits", value={"travel_min": -5}), "clinic.home_visits.travel_min: given -5"),
        (set_in("clinic", "home_visits", value={"travel": 5}), "clinic.home_visits"),
        (
            set_in("clinic", "enrol_over_d", value=400),
            "clinic.enrol_over_d: given 400 days of enrolment in a run of 364",
        ),
        (set_in("clinic", "booking", value={"psycholog": {"share": 0.9}}), "did you mean psychologist?"),
        (set_in("clinic", "booking", value={"pt": {"share": 1.5}}), "clinic.booking.pt.share: given 1.5"),
        (set_in("clinic", "booking", value={"pt": {"slot_min": 0}}), "clinic.booking.pt.slot_min: given 0"),
        (set_in("clinic", "booking", value={"pt": {"overbook": -1}}), "clinic.booking.pt.overbook: given -1"),
        (set_in("clinic", "calendar", value={"start": "18:00", "end": "08:00"}), "opening hours from 18:00 to 08:00"),
        (set_in("clinic", "calendar", value={"days": "mon-fry"}), "clinic.calendar: given weekdays mon-fry"),
        (set_in("clinic", "calendar", value={"holidays": ["2025-12-25"]}), "given holidays of 2025; allowed"),
        (set_in("clinic", "calendar", value={"holidays": ["2026-12-25"] * 2}), "2026-12-25 twice"),
        (set_in("clinic", "calendar", value={"holidays": "none", "holidays_file": "h.csv"}), "one of holidays, holi"),
        (set_in("clinic", "calendar", value={"holidays_file": "h.csv"}), "h.csv: given no such file"),
        (
            set_in("clinic", "calendar", value={"timezone": "America/NewYork"}),
            "timezone: given America/NewYork; allowed",
        ),
        (nobody_licensed, "given a team without a licence of NH, VT; allowed: at least one of these states"),
        (
            set_in("clinic", "team", value=[{"role": "nurse", "skills": ["alert_spikes"]}]),
            "alert_spikes, no kind of work",
        ),
        (set_in("clinic", "team_file", value="none.xlsx"), "team and team_file"),
        (set_in("clinic", value=None), "a clinic: its team and how it works"),
        (set_in("clinic", "team", 0, "leave", value=[[9, 3]]), "days 9 to 3"),
        (set_in("clinic", "team", 0, "leave", value=[[1, 2_000_000_000]]), "days 1 to 2000000000; allowed: days of"),
        (set_in("clinic", "team", 0, "cost_usd_h", value=1e300), "at most 10000"),
        (set_in("clinic", "team", 0, "cost_usd_h", value=True), "given True; allowed: a number"),
        (set_in("clinic", "team", 0, "people", value=True), "people: given True; allowed: a number"),
        (set_in("clinic", "states", value={"VT": True}), "clinic.states: given True; allowed: a number"),
        (set_in("days", value=True), "days: given True; allowed: a number"),
        (set_in("cohort", "shares", value={"broadband": True}), "cohort.shares: given True; allowed: a number"),
        (
            set_in("clinic", "without", value=list(WORK)),
            "clinic.without: given every kind of work that the planned care",
        ),
        (set_in("clinic", "without", value=[name for name in WORK if name != "interpreting"]), "every kind of work"),
        (set_in("clinic", "team", 5, "stands_in_for", value=["nurse", "prescriber"]), "allowed: physician, np_pa only"),
        (set_in("clinic", "team", 6, "stands_in_for", value=["pharmacist"]), "physician, np_pa, pharmacist only"),
        (set_in("clinic", value={"team_file": ["a.xlsx"]}), "team_file: given ['a.xlsx']; allowed: the name of a file"),
        (set_in("clinic", value={"team_file": "/dev/null"}), "a device or another object that is not a file"),
        (set_in("clinic", value={"team_file": "/"}), "/: given a folder; allowed: a workbook"),
    ],
)
def test_bad_input_is_one_clear_line_and_nothing_is_written(change, said, tmp_path, capsys):
    code, lines = lines_for(tmp_path, capsys, change)
    assert code == 2 and len(lines) == 1 and said in lines[0] and "; allowed: " in lines[0]


@pytest.mark.parametrize("command", ["clinic", "compare"])
def test_a_rotation_to_more_than_is_absorbed_is_refused_before_anything_is_written(command, tmp_path, capsys):
    content = yaml.safe_load((SCENARIOS / "clinic_urban.yaml").read_text())
    content["protocols"] = ["linear(pct=10, every=28) + rotate(gabapentin, IR)"]
    mix = [{"drug": "pregabalin", "formulation": "IR capsule", "share": 1}]
    content["cohort"]["classes"] = {"gabapentinoid": {"dose_median": 600, "dose_low": 500, "mix": mix}}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(content))
    assert cli.main([command, str(tmp_path / "s.yaml"), "--patients", "9", "--out", str(tmp_path / "run")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "equivalents a day; allowed: at most 360" in line and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("role", "queue"),
    [("physician", "pharmacist"), ("np_pa", "prescriber"), ("peer", "nurse"), ("pharmacist", "psychologist")],
)
def test_all_other_work_may_be_done_by_whoever_is_named(role, queue):
    assert StaffEntry(role=role, stands_in_for=[queue]).stands_in_for == (queue,)


def test_what_may_be_meant_otherwise_is_said_before_the_run(tmp_path, capsys):
    def short(content):
        content["cohort"]["patients"], content["days"] = 12, 14
        content["clinic"].update(replications=1, enrol_over_d=8, states={"VT": 0.5, "NH": 0.5})
        content["clinic"]["team"].append({"role": "np_pa", "people": 2, "licences": ["ME", "NY"]})
        content["clinic"]["team"].append({"role": "np_pa", "licences": ["ME", "VT"]})

    code, lines = lines_for(tmp_path, capsys, short, "--days", "7")
    assert code == 0 and [line for line in lines if not line.startswith("simulating")] == [
        "All patients enrol within the 7 days of the run, which is shorter than enrol_over_d (8).",
        "np_pa (2): licences of ME, NY, and patients live in NH, VT. They get no work that needs a licence.",
    ]
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["enrolled_over_d"] == 7
    assert not read_plan(SCENARIOS / "clinic_urban.yaml", Overrides(patients=12), 1).remarks()


@pytest.mark.parametrize("kept", [["refill"], ["handoff", "rounds"], ["message"]])
def test_a_clinic_of_one_or_two_kinds_of_work_runs_even_if_none_comes_up(kept, tmp_path, capsys):
    def few(content):
        content["cohort"]["patients"], content["days"] = 12, 14
        content["clinic"].update(replications=1, without=[name for name in WORK if name not in kept])

    code, _ = lines_for(tmp_path, capsys, few)
    assert code == 0 and (tmp_path / "run" / "figures" / "backlog.svg").exists()
    assert set(pd.read_parquet(tmp_path / "run" / "events.parquet")["work"]) <= set(kept)


def test_the_workbook_that_is_shipped_is_the_team_of_the_city_clinic():
    city, book = (read_plan(SCENARIOS / f"clinic_{name}.yaml", Overrides(), None) for name in ("urban", "workbook"))
    assert book.team == city.team and book.setting == city.setting
    assert book.scenario.cohort == city.scenario.cohort and book.n_days == city.n_days


def test_bad_options_are_refused(tmp_path, capsys):
    code, lines = lines_for(tmp_path, capsys, lambda c: None, "--replications", "0")
    assert code == 2 and lines == ["--replications: given 0; allowed: 1 to 1000"]


def test_a_team_that_cannot_keep_up_is_told_so_before_the_run(tmp_path, capsys):
    def crowd(content):
        content["cohort"]["patients"], content["days"] = 500, 3
        content["clinic"]["replications"] = 1
        content["care"]["visit_every_d"] = 7

    code, lines = lines_for(tmp_path, capsys, crowd)
    assert code == 0
    assert lines[0].startswith("This team cannot keep up with linear(pct=10, every=28)")
    assert any("h of planned work a week" in line and "at most" in line for line in lines[1:4])


def test_a_queue_that_does_not_settle_is_said_with_numbers_after_the_run(tmp_path, capsys):
    def crowd(content):
        content["cohort"]["patients"], content["days"] = 80, 112
        content["clinic"].update(replications=2, enrol_over_d=14)
        content["clinic"]["team"][2].update(people=1, shifts=[{"days": "mon", "start": "08:00", "end": "10:00"}])

    content = yaml.safe_load((SCENARIOS / "clinic_urban.yaml").read_text())
    crowd(content)
    path = tmp_path / "s.yaml"
    path.write_text(yaml.safe_dump(content).replace("rules/", f"{SCENARIOS}/rules/"))
    assert cli.main(["clinic", str(path), "--out", str(tmp_path / "run")]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "queue still grows at the end" in line]
    assert len(said) == 1 and said[0].startswith("The pharmacist's")
    service = pd.read_csv(tmp_path / "run" / "service.csv")
    grown = service[service["metric"] == "queue_growth"].set_index("role")["mean"]
    assert grown["pharmacist"] > 5 and abs(grown["nurse"]) < 5
    backlog = pd.read_csv(tmp_path / "run" / "figures" / "backlog.csv")
    waiting = backlog[backlog["role"] == "pharmacist"].set_index("week")["waiting"]
    assert waiting.loc[13:].mean() > waiting.loc[9:12].mean()
    known = service[service["unit"].str.startswith("share")]
    assert (known["lo95"].dropna() >= 0).all() and (known["hi95"].dropna() <= 1).all()


def test_a_team_of_a_workbook_runs_and_a_wrong_cell_stops_it(tmp_path, capsys):
    made = Workbook()
    sheet = made.active
    sheet.append(["name", "role", "weekdays", "start", "end"])
    for role in ("physician", "pharmacist", "pt", "psychologist", "nurse", "social_worker", "peer"):
        sheet.append([f"{role} A", role, "mon-fri", "08:00", "16:00"])
    made.save(tmp_path / "team.xlsx")

    def from_workbook(content):
        del content["clinic"]["team"]
        content["clinic"]["team_file"] = "team.xlsx"
        content["clinic"]["replications"] = 1
        content["cohort"]["patients"], content["days"] = 12, 7

    code, _ = lines_for(tmp_path, capsys, from_workbook)
    assert code == 0
    assert set(pd.read_csv(tmp_path / "run" / "duty.csv")["resource"]) >= {"nurse A", "peer A"}
    sheet.append([sheet.cell(3, column).value for column in range(1, 6)])
    made.save(tmp_path / "team.xlsx")
    shutil.rmtree(tmp_path / "run")
    code, lines = lines_for(tmp_path, capsys, from_workbook)
    assert code == 2 and len(lines) == 1 and "row 9: given the same as row 3; allowed: each worker and" in lines[0]
    sheet["C9"], sheet["D9"] = "fri tue wed thu mon", "8:00"  # the same row in other words
    made.save(tmp_path / "team.xlsx")
    code, lines = lines_for(tmp_path, capsys, from_workbook)
    assert code == 2 and len(lines) == 1 and "row 9: given the same as row 3; allowed: each worker and" in lines[0]
    sheet.delete_rows(9)
    sheet["D2"] = "noon"
    made.save(tmp_path / "team.xlsx")
    code, lines = lines_for(tmp_path, capsys, from_workbook)
    assert code == 2 and len(lines) == 1 and "row 2: given start noon; allowed: a time such as 08:30" in lines[0]


def test_nothing_is_paid_and_no_bound_is_named_where_staff_is_never_short(tmp_path, capsys):
    def unlimited(content):
        del content["clinic"]["team"]
        content["clinic"] |= {"unlimited": True, "replications": 1}
        content["cohort"]["patients"], content["days"] = 12, 7

    content = yaml.safe_load((SCENARIOS / "clinic_urban.yaml").read_text())
    unlimited(content)
    content["clinic"].pop("enrol_over_d")
    path = tmp_path / "s.yaml"
    path.write_text(yaml.safe_dump(content).replace("rules/", f"{SCENARIOS}/rules/"))
    assert cli.main(["clinic", str(path), "--out", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr().out
    assert "unlimited staff" in printed and "USD" not in printed and "How many patients" not in printed


def test_intervals_of_outcomes_stay_within_what_these_can_be_and_small_subgroups_are_left_out(done):
    for name, ends in (("summary", "ends"), ("differences", "difference_ends")):
        table = pd.read_csv(done / f"{name}.csv")
        for _, row in table.iterrows():
            least, most = getattr(BY_NAME[row["outcome"]], ends)
            within = np.isnan(row["lo95"]) or (row["lo95"] >= least and row["hi95"] <= most)
            assert within, (name, row["outcome"], row["subgroup"])
        assert (table.loc[table["subgroup"] != "all", "n"] >= SMALLEST_CELL).all() and (table["n"] > 0).all()
        assert set(table["subgroup"]) > {"all"}


def test_replications_have_patients_luck_and_parameters_of_their_own():
    plan = read_plan(SCENARIOS / "clinic_urban.yaml", Overrides(patients=12, days=14), 4)
    seeds = [plan.seed(k) for k in range(4)]
    assert seeds[0] == plan.scenario.seed and len(set(seeds)) == 4 and all(0 <= seed < 2**64 for seed in seeds)
    doses = [plan.cohort(k).dose.tobytes() for k in range(4)]
    sigmas = [plan.ensemble(k).values["sigma"].tobytes() for k in range(4)]
    assert len(set(doses)) == len(set(sigmas)) == 4
    again = read_plan(SCENARIOS / "clinic_urban.yaml", Overrides(patients=12, days=14), 9)
    assert [again.seed(k) for k in range(4)] == seeds  # more replications change none of the first
