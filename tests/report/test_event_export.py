"""The event log of a clinic for process mining, read back by the library; and the page of a day."""

import builtins
import json
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from taper_sim.cli import main
from taper_sim.data.problems import InputError
from taper_sim.report.day_page import clinic_day, write_day_page
from taper_sim.report.event_export import LOCAL_TIME, timed_events, write_ocel, write_xes

DAY = 1440.0
NAN = float("nan")
NAME = "slow <img src=x>"
ROWS = [
    # protocol, replication, work_id, patient, work, role, resource, requested, started, ended, outcome
    (NAME, 0, 1, "p1", "visit", "pt", "pt 1", 480.0, 500.0, 530.0, "done"),
    (NAME, 0, 2, "p1", "dose_order", "prescriber", "physician 1", 490.0, 490.0, 495.0, "done"),
    (NAME, 0, 3, "", "checkin_batch", "nurse", "nurse 1", 480.0, 480.0, 540.0, "done"),
    (NAME, 0, 4, "p2", "visit", "pt", "", 510.0, NAN, 555.0, "reneged"),
    (NAME, 0, 5, "p2", "message", "nurse", "", 520.0, NAN, NAN, "open"),
    (NAME, 1, 1, "p1", "visit", "pt", "pt 1", DAY + 480.0, DAY + 480.0, DAY + 510.0, "no_show"),
    ("abrupt", 0, 1, "p1", "visit", "pt", "pt 1", 480.0, 480.0, 510.0, "done"),
]
COLUMNS = ["protocol", "replication", "work_id", "patient_id", "work", "role", "resource", "requested", "started"]


def events() -> pd.DataFrame:
    frame = pd.DataFrame(ROWS, columns=[*COLUMNS, "ended", "outcome"])
    return frame.assign(due=frame["requested"] - 10.0, urgency=2, why="", n_items=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An output folder with what the exports read."""
    run = tmp_path / "run"
    run.mkdir()
    events().to_parquet(run / "events.parquet")
    duty = pd.DataFrame({"resource": ["pt 1", "nurse 1"], "start": [480.0, 0.0], "end": [990.0, DAY]})
    duty.assign(role=["pt", "nurse"], on_call=[False, True]).to_csv(run / "duty.csv", index=False)
    manifest = {
        "kind": "clinic",
        "scenario": {"name": "small", "question": "", "clinic": {"first_day": "2026-01-06"}, "cohort": {}},
        "protocols": [NAME, "abrupt"],
        "replications": 2,
        "days": 2,
        "seed": 1,
        "scenario_file": "small.yaml",
        "scenario_hash": "0",
        "clinical_review": "research use: not clinically reviewed",
        "ensemble": {"n_draws": 1, "calibrated": False},
        "versions": {},
        "tables": [],
    }
    (run / "manifest.json").write_text(json.dumps(manifest))
    return run


def in_zone(folder: Path, zone: str) -> None:
    """State the zone of the clinic's clocks in the manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["scenario"]["clinic"]["calendar"] = {"timezone": zone}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_minutes_become_times_from_the_first_day_of_the_clinic(folder: Path) -> None:
    timed = timed_events(folder)
    assert timed["started"].iloc[0] == pd.Timestamp("2026-01-06 08:20")
    assert timed["at"].tolist()[3:6] == [
        pd.Timestamp("2026-01-06 09:15"),
        pd.Timestamp("2026-01-06 08:30"),  # never ended: when it was due
        pd.Timestamp("2026-01-07 08:30"),
    ]
    in_zone(folder, "America/New_York")
    assert timed_events(folder)["started"].iloc[0] == pd.Timestamp("2026-01-06 13:20", tz="UTC")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("zone", "visit"), [(None, "08:50:00"), ("America/New_York", "13:50:00")])
def test_a_log_has_the_clinics_zone_or_says_that_none_is_stated(zone, visit, folder: Path, tmp_path: Path) -> None:
    if zone is not None:
        in_zone(folder, zone)
    write_xes(folder, tmp_path / "log.xes")
    write_ocel(folder, tmp_path / "log.json")
    xes = (tmp_path / "log.xes").read_text()
    ended = "2026-01-06T08:50:00" + ("" if zone is None else "-05:00")
    assert f'<date key="time:timestamp" value="{ended}' in xes and "Z" not in xes.split("<trace>", 1)[1]
    assert ("+00:00" in xes) is False and f'value="{zone or LOCAL_TIME}"' in xes
    first = json.loads((tmp_path / "log.json").read_text())["events"][0]
    assert first["time"].startswith(f"2026-01-06T{visit}")
    assert {"name": "time_zone", "value": zone or LOCAL_TIME} in first["attributes"]


@pytest.mark.filterwarnings("ignore")
def test_the_library_reads_every_event_and_case_back(folder: Path, tmp_path: Path, capsys) -> None:
    xes, ocel = tmp_path / "log.xes", tmp_path / "log.json"
    assert main(["events", str(folder), "--xes", str(xes), "--ocel", str(ocel)]) == 0
    shown = capsys.readouterr().out
    assert f"{xes}: 6 events of 4 patients, by protocol and replication; 1 pieces of work without" in shown
    assert f"{ocel}: 7 events of 4 patients" in shown and "PM4Py" not in shown
    import pm4py

    log = pm4py.read_xes(str(xes), show_progress_bar=False)
    assert len(log) == 6
    cases = log.groupby("case:concept:name").size().to_dict()
    assert cases == {f"{NAME}/0/p1": 2, f"{NAME}/0/p2": 2, f"{NAME}/1/p1": 1, "abrupt/0/p1": 1}
    first = log[log["case:concept:name"] == f"{NAME}/0/p1"].sort_values("time:timestamp")
    assert first["concept:name"].tolist() == ["dose_order", "visit"]
    assert first["time:timestamp"].iloc[1] == pd.Timestamp("2026-01-06 08:50", tz="UTC")
    assert first["start_timestamp"].iloc[1] == pd.Timestamp("2026-01-06 08:20", tz="UTC")
    by_outcome = dict(zip(log["outcome"], log["lifecycle:transition"], strict=True))
    assert by_outcome == {"done": "complete", "no_show": "complete", "reneged": "withdraw", "open": "schedule"}
    assert log["work_id"].tolist() and log["case:replication"].astype(int).tolist().count(1) == 1
    objects = pm4py.read_ocel2_json(str(ocel))
    assert len(objects.events) == 7
    assert objects.objects["ocel:type"].value_counts().to_dict() == {"patient": 4, "staff": 5}
    assert len(objects.relations) == 6 + 5  # six events have a patient, five a member of staff
    for path in (xes, ocel):
        assert path.stat().st_mode & 0o077 == 0  # it may hold patients' ids


def test_a_missing_library_another_run_or_no_file_is_one_line(
    folder: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    def without(name, *args, **more):
        if name.split(".")[0] == "pm4py":
            raise ModuleNotFoundError("No module named 'pm4py'", name="pm4py")
        return real(name, *args, **more)

    real = builtins.__import__
    with monkeypatch.context() as patched:
        patched.setattr(builtins, "__import__", without)
        for write, option in ((write_xes, "--xes"), (write_ocel, "--ocel")):
            with pytest.raises(InputError, match=rf"{option}: given no library pm4py.*process-mining"):
                write(folder, tmp_path / "log")
    assert not (tmp_path / "log").exists()
    assert main(["events", str(folder)]) == 2
    assert main(["events", str(tmp_path), "--xes", str(tmp_path / "x")]) == 2
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"kind": "compare"}))
    assert main(["events", str(folder), "--html", str(tmp_path / "x")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and "a run of compare" in lines[2]
    assert not (tmp_path / "x").exists()


class Tags(HTMLParser):
    """Parser that keeps tags with their attributes, and the cells of tables by row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def test_the_page_of_a_day_reads_without_a_script_and_loads_nothing(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "day.html"
    assert write_day_page(folder, out) == 1
    text = out.read_text()
    page = Tags(text)
    bars = [attributes for tag, attributes in page.tags if tag == "rect" and attributes.get("class") == "job"]
    assert [(bar["data-start"], bar["data-end"]) for bar in bars] == [
        ("20.0", "50.0"),
        ("0.0", "60.0"),
        ("10.0", "15.0"),
    ]
    assert ["physical therapist", "1"] in [row[:2] for row in page.rows]
    assert ["nurse", "0", "1"] in [row[:3] for row in page.rows]
    assert ["physical therapist 1", "8.5", "0.5", "visits 1"] in page.rows
    assert ["08:20", "08:50", "physical therapist 1", "visit", "done"] in page.rows
    assert "http" not in text.replace("http-equiv", "") and "url(#on-call)" in text
    assert NAME not in text and "slow &lt;img" in text
    assert text.count("not clinically reviewed") >= 2 and "prefers-reduced-motion" in text
    hidden = {attributes.get("id") for _, attributes in page.tags if "hidden" in attributes}
    assert hidden == {"controls", "help"}  # the script shows them
    assert pd.read_csv(tmp_path / "day.csv")["work"].tolist() == ["checkin_batch", "dose_order", "visit"]


def test_a_day_counts_waiting_work_and_the_busiest_day_is_the_default() -> None:
    first = events().query("replication == 0 and protocol != 'abrupt'")
    duty = pd.DataFrame({"resource": ["pt 1"], "start": [480.0], "end": [990.0], "on_call": [False]})
    day = clinic_day(first, duty, 2, None)
    assert day.day == 1 and (day.begin, day.end) == (480.0, 1020.0)
    assert day.waiting_at("pt", [480.0, 500.0, 510.0, 554.0, 555.0]) == [1, 0, 1, 1, 0]
    assert day.steps("pt") == [(480.0, 1), (500.0, 0), (510.0, 1), (555.0, 0)]
    assert day.steps("nurse") == [(480.0, 0), (520.0, 1)]  # open work waits until the end
    assert clinic_day(events().query("replication == 1"), duty, 2, None).day == 2
    empty = clinic_day(first.iloc[:0], duty.iloc[:0], 2, 2)
    assert empty.people == [] and (empty.begin, empty.end) == (DAY, 2 * DAY)


@pytest.mark.parametrize("option", [("--day", "3"), ("--replication", "2"), ("--protocol", "abrubt")])
def test_a_day_protocol_or_replication_that_the_run_lacks_is_refused(folder, tmp_path, capsys, option) -> None:
    assert main(["events", str(folder), "--html", str(tmp_path / "day.html"), *option]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{option[0]}: given {option[1]}") and not list(tmp_path.glob("day*"))
