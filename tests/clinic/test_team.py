"""Teams from the table and from a workbook, and input that is refused before a run."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from openpyxl import Workbook
from openpyxl.chart import BarChart

from taper_sim.clinic.appointments import BOOKING_HORIZON_D, Diary
from taper_sim.clinic.calendars import Shift
from taper_sim.clinic.coupling import Setting
from taper_sim.clinic.rosters import read_team, weekdays_of
from taper_sim.clinic.staffing.bounds import loads
from taper_sim.clinic.team import MAIN_ROLE, ROLES, Team, Worker
from taper_sim.clinic.triage import risk_score
from taper_sim.clinic.work import KINDS_OF_WORK
from taper_sim.data.problems import InputError
from taper_sim.scenario.building import build_cohort
from taper_sim.scenario.schema import CohortEntry
from taper_sim.simulation.layout import CarePlan

HEADER = [
    "name",
    "role",
    "weekdays",
    "start",
    "end",
    "break_start",
    "break_end",
    "states",
    "stands_in_for",
    "on_call",
    "leave",
    "cost_usd_h",
]
WEEK = Shift((0, 1, 2, 3, 4), 480.0, 990.0, ((720.0, 750.0),))


def book(tmp_path, *lines, header=HEADER, merge=None):
    made = Workbook()
    sheet = made.active
    for line in (header, *lines):
        sheet.append(line)
    if merge:
        sheet.merge_cells(merge)
    path = tmp_path / "team.xlsx"
    made.save(path)
    return path


def refused(path):
    with pytest.raises(InputError) as caught:
        read_team(path)
    return [str(found).replace(str(path), "FILE") for found in caught.value.problems]


def test_skills_are_kinds_of_work_and_each_needs_a_worker(tmp_path):
    line = ["Ann", "nurse", "mon-fri", "08:00", "16:30", None, None, None, None, None, None, None]
    team = read_team(book(tmp_path, [*line, "checkin_review, message"], header=[*HEADER, "skills"]))
    assert team.workers[0].skills == {"checkin_review", "message"}
    needed, kinds = {"nurse": "message"}, {"nurse": ["message", "alert_spike"]}
    said = [str(p) for p in team.problems("FILE", needed, [], 7, kinds)]
    assert len(said) == 1 and "no nurse with the skill alert_spike" in said[0]
    other = Worker("Bo", ROLES["nurse"], (WEEK,), skills=frozenset({"alert_spike"}))
    assert not list(Team((*team.workers, other)).problems("FILE", needed, [], 7, kinds))
    wrong = refused(book(tmp_path, [*line, "alert_spikes"], header=[*HEADER, "skills"]))
    assert len(wrong) == 1 and "row 2, skills" in wrong[0] and "alert_spike" in wrong[0]


def test_every_role_has_its_row_and_every_kind_of_work_its_minutes():
    for role in ROLES.values():
        assert role.cost_usd_h > 0
    for kind in KINDS_OF_WORK:
        for queue in ("prescriber", "nurse") if kind.queue == "each discipline" else (kind.queue,):
            if kind.name != "interpreting":  # it takes as long as the visit
                assert kind.minutes(queue) > 0, kind.name
    assert ROLES["physician"].followup_min == 25.0 and MAIN_ROLE["prescriber"].name == "physician"


def test_a_workbook_is_read(tmp_path):
    team = read_team(
        book(
            tmp_path,
            [
                "Ann",
                "nurse",
                "mon-fri",
                "08:00",
                "16:30",
                "12:00",
                "12:30",
                "VT, NH",
                "social_worker",
                "",
                "100-114",
                61,
            ],
            ["Ann", "nurse", "sat", "08:00", "12:00", None, None, None, None, "yes", None, None],
            ["Bo", "np_pa", "tue thu", "22:00", "30:00", None, None, None, None, None, None, None],
        )
    )
    ann, bo = team.workers
    assert (ann.hours_a_week, ann.licences, ann.stands_in_for) == (40.0, {"VT", "NH"}, ("social_worker",))
    assert ann.leave == ((100, 114),) and ann.cost_usd_h == 61.0 and ann.shifts[1].urgent_only
    assert bo.hours_a_week == 16.0 and bo.licences is None and bo.cost_usd_h == ROLES["np_pa"].cost_usd_h
    assert team.fte("nurse") == 1.0 and team.fte("prescriber") == 0.4


def test_merged_and_missing_cells_are_refused_one_line_each(tmp_path):
    good = ["Ann", "nurse", "mon-fri", "08:00", "16:30"] + [None] * 7
    assert refused(book(tmp_path, good, good, merge="A2:A3")) == [
        "FILE: cells A2:A3: given merged cells; allowed: one value per cell: split them and repeat the value"
    ]
    assert refused(book(tmp_path, ["Ann", None, "mon", "08:00", None] + [None] * 7)) == [
        "FILE: row 2, role: given an empty cell; allowed: a value",
        "FILE: row 2, end: given an empty cell; allowed: a value",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"role": "nurs"}, "nurs, an unknown role; did you mean nurse?"),
        ({"start": "17:00", "end": "09:00"}, "a shift from 17:00 to 09:00, which is not positive"),
        ({"weekdays": "mon-fry"}, "weekdays mon-fry"),
        ({"start": "8 o'clock"}, "start 8 o'clock"),
        ({"break_start": "12:00"}, "half a break"),
        ({"leave": "9-3"}, "leave 9-3"),
        ({"stands_in_for": "boss"}, "boss, an unknown queue"),
        ({"on_call": "maybe"}, "on_call maybe"),
        ({"cost_usd_h": -5}, "-5"),
        ({"cost_usd_h": 1e300}, "1e+300; allowed: a number from 0 to 10,000"),
        ({"cost_usd_h": True}, "given True"),
        ({"leave": "1-20000"}, "leave 1-20000; allowed: days of the study, 1 to 3650"),
        ({"leave": "0-5"}, "leave 0-5"),
        ({"stands_in_for": "prescriber"}, "a nurse for the work of a prescriber; allowed: physician, np_pa only"),
        ({"stands_in_for": "peer pharmacist"}, "pharmacist; allowed: physician, np_pa, pharmacist only"),
        ({"states": "#REF!"}, "row 2, states: given the error #REF!; allowed: a value"),
        ({"states": "=A1"}, "row 2, states: given a formula whose value is not in the file; allowed: a value"),
        ({"skills": "=A1"}, "row 2, skills: given a formula"),
        ({"leave": "=A1"}, "row 2, leave: given a formula"),
        ({"cost_usd_h": "=A1*2"}, "row 2, cost_usd_h: given a formula"),
        ({"start": "=A1"}, "row 2, start: given a formula"),
    ],
)
def test_a_wrong_cell_is_one_clear_line(change, said, tmp_path):
    line = dict(zip(HEADER, ["Ann", "nurse", "mon-fri", "08:00", "16:30"] + [None] * 7, strict=True)) | change
    found = refused(book(tmp_path, list(line.values()), header=list(line)))
    assert len(found) == 1 and said in found[0] and "; allowed: " in found[0]


def test_a_file_that_is_not_a_workbook_and_unknown_columns_are_refused(tmp_path):
    path = tmp_path / "team.xlsx"
    path.write_text("name,role")
    assert refused(path) == [
        "FILE: given a damaged file, or a file that is not a workbook; allowed: a workbook (.xlsx)"
    ]
    assert refused(tmp_path / "none.xlsx")[0].endswith("given no such file; allowed: a workbook (.xlsx)")
    found = refused(book(tmp_path, header=["name", "rolle", "weekdays", "start", "end"]))
    assert "rolle, an unknown column; did you mean role?" in found[0] and "no column role" in found[1]
    assert weekdays_of("fri-mon") == (0, 4, 5, 6)


GOOD = ["Ann", "nurse", "mon-fri", "08:00", "16:30"]


def test_later_rows_of_a_worker_repeat_the_first_or_are_empty(tmp_path):
    header = [*HEADER[:5], "states", "stands_in_for", "skills", "cost_usd_h"]
    first = [*GOOD, "VT, NH", "peer", "message", 60]
    same = read_team(book(tmp_path, first, [*GOOD, "VT,NH", None, "message", 60], GOOD, header=header))
    assert len(same.workers) == 1 and same.workers[0].cost_usd_h == 60.0
    assert refused(book(tmp_path, first, [*GOOD, "VT", "social_worker", "visit", 61], header=header)) == [
        "FILE: row 3, states: given VT, where row 2 has VT, NH; allowed: as in row 2, or an empty cell",
        "FILE: row 3, stands_in_for: given social_worker, where row 2 has peer; allowed: as in row 2, or an empty cell",
        "FILE: row 3, skills: given visit, where row 2 has message; allowed: as in row 2, or an empty cell",
        "FILE: row 3, cost_usd_h: given 61, where row 2 has 60; allowed: as in row 2, or an empty cell",
    ]
    late = refused(book(tmp_path, GOOD, [*GOOD, "VT"], header=header))
    assert late == ["FILE: row 3, states: given VT, where row 2 has nothing; allowed: as in row 2, or an empty cell"]


def test_a_formula_as_a_heading_is_refused_not_left_out(tmp_path):
    said = refused(book(tmp_path, GOOD, header=[*HEADER[:5], "=A1"]))
    assert said == [
        "FILE: row 1, column 6: given a formula whose value is not in the file; allowed: the name of a column"
    ]


def test_only_rows_with_content_count(tmp_path):
    made = Workbook()
    made.active.append(HEADER)
    made.active.append(GOOD)
    made.active["A1048576"].number_format = "0.00"  # the last cell there is, formatted and empty
    made.save(tmp_path / "team.xlsx")
    assert len(read_team(tmp_path / "team.xlsx").workers) == 1
    made.active._current_row = 2
    for _ in range(5000):
        made.active.append(GOOD)
    made.save(tmp_path / "team.xlsx")
    assert refused(tmp_path / "team.xlsx") == ["FILE: given 5001 rows; allowed: at most 5000"]


def parts_of(path):
    with zipfile.ZipFile(path) as whole:
        return {name: whole.read(name) for name in whole.namelist()}


def written(path, parts):
    with zipfile.ZipFile(path, "w") as made:
        for name, content in parts.items():
            made.writestr(name, content)


SHEET, TYPES, STYLES = "xl/worksheets/sheet1.xml", "[Content_Types].xml", "xl/styles.xml"
TEXT_NOWHERE = (
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
    b'<c r="A1" t="s"><v>0</v></c></row></sheetData></worksheet>'
)
DAMAGED = ["FILE: given a damaged file, or a file that is not a workbook; allowed: a workbook (.xlsx)"]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda parts: {SHEET: parts[SHEET][:-40]}, id="a sheet that ends early"),
        pytest.param(lambda parts: {SHEET: b"<<" + parts[SHEET]}, id="a sheet that is no XML"),
        pytest.param(lambda parts: {SHEET: TEXT_NOWHERE}, id="texts that are missing"),
        pytest.param(lambda parts: {SHEET: parts[SHEET].replace(b'r="B2"', b'r="#2"')}, id="a cell that is nowhere"),
        pytest.param(lambda parts: {TYPES: parts[TYPES].replace(b"sheet.main", b"x")}, id="wrong content types"),
        pytest.param(lambda parts: {TYPES: b""}, id="no content types"),
        pytest.param(lambda parts: {STYLES: parts[STYLES][:99]}, id="styles that end early"),
    ],
)
def test_a_damaged_workbook_is_one_line(broken, tmp_path):
    path = book(tmp_path, GOOD)
    whole = parts_of(path)
    written(path, whole | broken(whole))
    assert refused(path) == DAMAGED


def test_a_workbook_that_ends_early_is_one_line(tmp_path):
    path = book(tmp_path, GOOD)
    whole = path.read_bytes()
    for share in (0.0, 0.3, 0.9, 0.999):
        path.write_bytes(whole[: int(share * len(whole))])
        assert refused(path) == DAMAGED


def test_a_chart_sheet_is_skipped_and_a_workbook_of_charts_only_is_one_line(tmp_path):
    path = tmp_path / "team.xlsx"
    made = Workbook()
    sheet = made.active
    for line in (HEADER, GOOD):
        sheet.append(line)
    first = made.create_chartsheet(index=0)
    made.save(path)
    assert refused(path) == DAMAGED
    first.add_chart(BarChart())
    made.save(path)
    assert len(read_team(path).workers) == 1


def test_a_path_that_is_not_a_file_is_one_clear_line(tmp_path):
    assert refused(tmp_path) == ["FILE: given a folder; allowed: a workbook (.xlsx)"]
    assert "given a device or another object that is not a file" in refused(Path("/dev/null"))[0]
    assert "given no such file" in refused(tmp_path / ("a" * 300))[0]


def test_a_role_without_a_worker_is_reported_before_the_run():
    team = Team((Worker("nurse 1", ROLES["nurse"], (WEEK,), licences=frozenset({"VT"})),))
    needed = {"nurse": "message", "pharmacist": "refill"}
    lines = [str(found) for found in team.problems("s.yaml", needed, ["VT", "NH"], 28)]
    assert lines == [
        "s.yaml: clinic.team: given no nurse with a licence of NH, where patients live; allowed: a licence of NH for "
        "a worker of this queue",
        "s.yaml: clinic.team: given no worker for the queue pharmacist (refill); allowed: a pharmacist, or a worker "
        "who stands in for it; or this work in clinic.without",
    ]
    stand_in = Team((Worker("nurse 1", ROLES["nurse"], (WEEK,), stands_in_for=("pharmacist",)),))
    assert not list(stand_in.problems("s.yaml", needed, [], 28))
    away = Team((Worker("nurse 1", ROLES["nurse"], (WEEK,), leave=((1, 28),)),))
    assert len(list(away.problems("s.yaml", {"nurse": "message"}, [], 28))) == 1


def test_what_is_needed_follows_the_plan_and_the_kinds_of_work():
    care = CarePlan({"nurse": 1.0, "psychologist": 0.0})
    setting = Setting()
    assert {"nurse", "prescriber", "pharmacist", "peer", "social_worker"} <= set(setting.needed(care))
    assert "psychologist" not in setting.needed(care) and "pt" not in setting.needed(care)
    few = Setting(
        disabled_work=frozenset(kind.name for kind in KINDS_OF_WORK) - {"visit", "dose_order"}, orders_by="pharmacist"
    )
    assert few.needed(care) == {"nurse": "visit", "pharmacist": "dose_order"}


@pytest.fixture(scope="module")
def people():
    entry = CohortEntry(
        patients=200,
        classes={"opioid": {"dose_median": 90, "mix": [{"drug": "morphine", "formulation": "IR", "share": 1}]}},
        shares={"sleep_apnoea": 0, "renal_impairment": 0, "language_match": 1, "peer_support": 0},
        modality={"video": 1.0},
    )
    return build_cohort(entry, 1, None)


def test_the_bound_adds_up_by_hand(people):
    """200 patients, nurse visits every 28 days (15 min), half a message a week (3 min), check-ins in batches."""
    care = CarePlan({"nurse": 1.0}, visit_every_d=28.0, checkin_every_d=1.0)
    team = Team((Worker("nurse 1", ROLES["nurse"], (WEEK,)), Worker("p 1", ROLES["pharmacist"], (WEEK,))))
    only = frozenset(kind.name for kind in KINDS_OF_WORK) - {"visit", "message", "checkin_batch", "pharmacist_review"}
    found = loads(people, care, Setting(disabled_work=only), team, [1, 29, 57], 84)
    nurse, pharmacist = found
    assert nurse.asked_h == pytest.approx((200 * 0.25 * 15 + 200 * 0.5 * 3 + 200 * 7 * 0.5) / 60)
    assert pharmacist.asked_h == pytest.approx(200 * 3 / 12 * 4 / 60)
    assert (nurse.queue, nurse.able_h) == ("nurse", 40.0)
    assert nurse.most_patients == int(200 * 40 / nurse.asked_h)
    assert "nurse: 29 h of planned work a week for 40 h on duty (73%)" in str(nurse)
    assert not loads(people, care, Setting(), Team(unlimited=True), [1], 84)


def test_the_bound_of_a_state_counts_those_with_its_licence(people):
    """200 patients, a rounds visit of 3 min every 91 days; one of two prescribers is licensed for nine in ten."""
    care = CarePlan({}, visit_every_d=28.0, checkin_every_d=1.0)
    one = Worker("d 1", ROLES["physician"], (WEEK,), licences=frozenset({"CA"}))
    team = Team((one, Worker("d 2", ROLES["physician"], (WEEK,), licences=frozenset({"CA", "NV"}))))
    only = frozenset(kind.name for kind in KINDS_OF_WORK) - {"rounds"}
    setting = Setting(disabled_work=only, states=(("CA", 0.2), ("NV", 1.8)))
    nevada, california = (load for load in loads(people, care, setting, team, [1], 84) if load.state)
    asked = 200 * 3 / 13 / 60
    assert (nevada.name, nevada.able_h, nevada.n_patients) == ("prescriber licensed in NV", 40.0, 180)
    assert nevada.asked_h == pytest.approx(0.9 * asked) and california.asked_h == pytest.approx(0.1 * asked)
    assert (california.able_h, california.n_patients) == (80.0, 20)
    assert not any(load.state for load in loads(people, care, Setting(disabled_work=only), team, [1], 84))


def test_the_book_returns_the_first_free_day_or_none():
    team = Team((Worker("pt 1", ROLES["pt"], (Shift((1, 2), 480.0, 600.0),)),))  # 120 min on days 1, 2, 8, 9, 15, ...
    diary = Diary(team.servers(60), 60, unlimited=False)
    slots = [diary.book("pt", 1, 30.0) for _ in range(13)]
    days = [slot.day for slot in slots]
    assert days == [1, 1, 1, 2, 2, 2, 8, 8, 8, 9, 9, 9, 15]  # three of 30 min, 35 each in the book, in 120
    assert [slot.at % 1440 for slot in slots[:3]] == [480.0, 515.0, 550.0]
    assert diary.book("pt", 59, 30.0) is None and diary.book("nurse", 1, 30.0) is None
    assert BOOKING_HORIZON_D == 14
    assert Diary([], 60, unlimited=True).book("pt", 3, 30.0).at == 2 * 1440 + 480.0


def test_the_risk_score_rises_with_the_observations():
    zero = np.zeros(1)
    base = risk_score(zero, zero, np.full(1, np.inf), zero, zero)
    assert base == 0.0
    for k in range(5):
        seen = [zero, zero, np.full(1, np.inf), zero, zero]
        seen[k] = np.full(1, 1.0)
        assert risk_score(*seen) > base
