"""The clinic's summary: the role that breaks first; and the figures of a clinic run."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from taper_sim.report.backlog import backlog_by_week, backlog_figure
from taper_sim.report.clinic_figures import gantt
from taper_sim.report.clinic_text import breaks_first
from taper_sim.report.drawing import spread
from taper_sim.report.panel_figure import full_text, panel_figure
from taper_sim.report.replicated import without_few
from taper_sim.report.staffing_figures import HARM, capacity, harm, tornado
from taper_sim.report.waiting_groups import group_name, groups_sentences
from taper_sim.report.what_if_text import largest_panel


def service(*rows):
    columns = ["metric", "role", "work", "mean"]
    return pd.DataFrame(rows, columns=columns).assign(subgroup="all")


ROLES = pd.DataFrame({"role": ["nurse", "prescriber"], "mean": [0.9, 0.4]})
LATE = [
    ("late", "prescriber", "", 0.30),
    ("late", "prescriber", "escalation", 0.73),
    ("late", "prescriber", "case_conference", 0.0),
    ("late", "prescriber", "urgent_visit", 0.004),
    ("late", "nurse", "", 0.25),
    ("late", "nurse", "checkin_batch", 0.4),
]


def test_only_kinds_of_work_that_are_late_are_named():
    lines = breaks_first(service(*LATE), ROLES)
    assert lines == ["What breaks first: 30 % of the prescriber's work is late or lost: escalation (73 %)."]


def test_late_work_because_of_closed_hours_does_not_break_first():
    closed = [
        ("late_closed", "prescriber", "", 0.2),
        ("late_closed", "prescriber", "escalation", 0.7),
        ("late_closed", "nurse", "", 0.001),
    ]
    first, night, urgent = breaks_first(service(*LATE, *closed), ROLES)
    assert first == "What breaks first: 25 % of the nurse's work is late or lost: check-in batch (40 %)."
    said = "Late only because no worker of the role is on duty (nights, weekends): prescriber 20 %."
    assert night == said
    assert urgent.startswith("Urgent work waited for the next shift: 70 % of the prescriber's work on escalation.")
    closed = [("late_closed", role, "", 0.24) for role in ("prescriber", "nurse")]
    assert breaks_first(service(*LATE, *closed), ROLES)[0].startswith("What breaks first: 6 % of the prescriber's")
    closed = [("late_closed", "prescriber", "", 0.29), ("late_closed", "nurse", "", 0.25)]
    assert breaks_first(service(*LATE, *closed), ROLES)[0].startswith(
        "Little is late during staffed hours, but the nurse is busy 90 %"
    )


def test_nothing_breaks_refers_to_staffed_hours_if_work_waits_for_opening():
    room = ROLES.assign(mean=0.3)
    rest = "work begins in time, and every role has spare capacity."
    assert breaks_first(service(("late", "nurse", "", 0.01)), room) == [f"Nothing breaks: {rest}"]
    closed = breaks_first(service(("late", "nurse", "", 0.3), ("late_closed", "nurse", "", 0.29)), room)
    assert closed[0] == f"Nothing breaks during staffed hours: {rest}" and closed[1].endswith("nurse 29 %.")


@pytest.fixture
def events():
    n = 40
    start = np.arange(n) * 360.0
    return pd.DataFrame(
        {
            "requested": start,
            "started": start + 5.0,
            "ended": start + 25.0,
            "resource": "np_pa 1",
            "role": "social_worker",
            "work": ["visit", "alert_spike"] * (n // 2),
            "outcome": "done",
        }
    )


def texts_within(figure):
    """Check that every text lies inside the figure."""
    FigureCanvasAgg(figure).draw()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 >= 0.0 and box.y0 >= 0.0 and box.x1 <= width and box.y1 <= height


def legend(figure):
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


@pytest.mark.parametrize("on_call", [True, False])
def test_on_call_periods_are_drawn_and_workers_are_named_in_words(events, on_call):
    duty = pd.DataFrame(
        {"resource": "np_pa 1", "start": [480.0, 3000.0], "end": [960.0, 9000.0], "on_call": [False, on_call]}
    )
    figure, data = gantt(events, duty)
    texts_within(figure)
    hatched = [bars for bars in figure.axes[0].collections if bars.get_hatch() and bars.get_paths()]
    assert len(hatched) == on_call
    assert legend(figure) == ["visits", "alerts", "on duty"] + ["on call"] * on_call
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["NP/PA 1"]
    assert set(data["resource"]) == {"np_pa 1"}  # the data keep the name of the tables


def log(*rows):
    columns = ["protocol", "replication", "role", "due", "started", "ended", "outcome", "why", "clock"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(requested=frame["due"], urgency=2)


def test_the_backlog_counts_booked_visits_from_the_day_on_which_they_were_due():
    day = 1440.0
    visit = ("a", 0, "pt", 0.5 * day, 3.5 * day, 3.6 * day, "done", "", day)
    booked = pd.DataFrame([visit])  # requested at its appointment, as the appointment book logs it
    events = log(*booked.itertuples(index=False)).assign(requested=3.5 * day)
    table = backlog_by_week(events, 14)
    assert table["waiting"].tolist() == pytest.approx([3 / 7, 0.0])  # midnights of days 1 to 3
    assert table["begun_a_day"].tolist() == pytest.approx([1 / 14] * 2)
    assert table["backlog_d"].tolist() == pytest.approx([6.0, 0.0])


def test_work_that_never_begins_stays_in_the_backlog_and_rebooked_work_counts_once():
    day, nan = 1440.0, float("nan")
    events = log(
        ("a", 0, "pt", 0.5 * day, nan, nan, "open", "", day),
        ("a", 0, "pt", 0.5 * day, nan, 2.5 * day, "cancelled", "staff ill", day),
        ("a", 0, "pt", 0.5 * day, 4.5 * day, 4.6 * day, "done", "", day),
    )
    (week,) = backlog_by_week(events, 7).to_dict("records")
    assert week["waiting"] == pytest.approx((7 + 4) / 7) and week["begun_a_day"] == pytest.approx(1 / 7)
    nothing_begun = backlog_by_week(events.iloc[:1], 7)
    assert nothing_begun["waiting"].tolist() == [1.0] and nothing_begun["backlog_d"].isna().all()


def test_no_text_of_the_backlog_is_cut_and_replications_are_averaged():
    rows = [("a", k, "social_worker", w, 1.0 + k, 1.0, 1.0 + k) for k in (0, 1) for w in (1, 2)]
    columns = ["protocol", "replication", "role", "week", "waiting", "begun_a_day", "backlog_d"]
    figure, data = backlog_figure(pd.DataFrame(rows, columns=columns))
    texts_within(figure)
    assert [label.get_text() for label in figure.axes[0].texts] == ["social worker"] and data["backlog_d"].tolist() == [
        1.5,
        1.5,
    ]


def test_shares_are_drawn_in_per_cent():
    rows = [
        (metric, 0.2, 0.1, 0.3, name, "one more pt", 0.05, 0.01, 0.09, 8.0, 12.0, "all", "meets")
        for metric in ("late", HARM)
        for name in ("demand", "surge")
    ]
    columns = [
        "metric",
        "estimate",
        "lo95",
        "hi95",
        "name",
        "what",
        "change",
        "change_lo95",
        "change_hi95",
        "fte",
        "patients_per_fte",
        "role",
        "verdict",
    ]
    table = pd.DataFrame(rows, columns=columns)
    table["patients"], table["p_meets"], table["team"] = 24, 0.8, "pt 1"
    for draw, metric in ((capacity, "late"), (harm, HARM), (tornado, "late")):
        figure, data = draw(table)
        (axes,) = figure.axes
        assert ("%" in axes.get_ylabel() or "percentage points" in axes.get_xlabel()) == (metric == "late")
        texts_within(figure)
        assert (data["estimate"] == 0.2).all()  # the data stay those of the table
        assert set(data["metric"]) == {metric}
        if draw is tornado:
            assert [bar.get_width() for bar in axes.patches] == [5.0, 5.0]
            assert axes.get_yticklabels()[0].get_text() == "demand: one more\nphysical therapist"
            assert [text.get_text() for text in axes.texts] == ["+5.0", "+5.0"]
        else:
            assert axes.lines[0].get_ydata()[0] == (20.0 if metric == "late" else 0.2)


def test_the_capacity_curve_has_the_target_and_the_harm_figure_the_chosen_team():
    table = pd.DataFrame({"metric": "late", "estimate": [0.05, 0.2], "lo95": [0.04, 0.1], "hi95": [0.06, 0.3]})
    table = table.assign(patients=[20, 30], p_meets=[1.0, 0.4], role="all", fte=[7.0, 8.0], verdict="meets")
    figure, _ = capacity(table, target=0.1)
    texts_within(figure)
    assert [text.get_text() for text in figure.axes[0].texts] == ["100%", "40%", "target: at most 10% late"]
    figure, _ = harm(table.assign(metric=HARM, team=["pt 1", "pt 2"]), chosen="pt 2")
    texts_within(figure)
    (label,) = figure.axes[0].texts
    assert label.get_text() == "chosen" and label.xy == (8.0, 0.3)


def test_the_curve_of_panels_names_its_phases_its_target_and_the_panel_of_the_run():
    rows = [
        (phase, stated, n, late)
        for phase, stated in (("steady state", 100), ("enrolling", 80))
        for n, late in ((round(0.8 * stated), 0.0), (round(1.2 * stated), 0.9))
    ]
    figure, data = panel_figure(pd.DataFrame(rows, columns=["phase", "stated", "patients", "late"]), 120)
    texts_within(figure)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["steady state\n100 fit", "enrolling\n80 fit", "target: at most 10% late", "this run: 120"]
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.0, 90.0] and data["late"].max() == 0.9
    assert full_text("pt, appointment book") == "the appointment book of the physical therapist"
    assert full_text("prescriber licensed in NV") == "the hours of the prescriber licensed in NV"


def test_labels_do_not_overlap_and_stay_near_their_values():
    assert spread([1.0, 5.0, 3.0], 1.0) == [1.0, 5.0, 3.0]
    assert spread([1.0, 1.0, 1.0], 1.0) == [0.0, 1.0, 2.0]
    places = spread([0.2, 0.0, 2.0, 0.1], 1.0)
    assert sorted(places) == places[1:2] + places[3:] + places[:1] + places[2:3]
    assert np.diff(sorted(places)).min() >= 1.0 - 1e-9


def test_groups_have_names_in_words():
    assert group_name("mood_disorder=no") == "people without mood disorder"
    assert group_name("age=18-44") == "age 18-44" and group_name("all") == "all"


def of_group(group, late, low, high, n=5):
    return {"subgroup": group, "metric": "late", "mean": late, "lo95": low, "hi95": high, "n_replications": n}


def test_a_group_waits_longer_only_if_its_interval_lies_beyond_the_others():
    apart = pd.DataFrame(
        [of_group("language_match=no", 0.3, 0.25, 0.35), of_group("language_match=yes", 0.1, 0.05, 0.2)]
    )
    first, *rest = groups_sentences(apart, 5)
    assert first == (
        "People who need an interpreter have more work late or lost: 30.0 (25.0 to 35.0) against 10.0 (5.0 to 20.0) "
        "for people who speak the team's language."
    )
    assert not any("more work" in line for line in rest)  # never the other way round
    overlapping = apart.assign(hi95=[0.35, 0.26])
    assert next(groups_sentences(overlapping, 5)).startswith("No group waits clearly longer")
    of_few = list(groups_sentences(apart.assign(n_replications=4), 4))
    assert of_few[0].startswith("The run cannot say who waits longer") and "more work" not in " ".join(of_few)
    unlike = apart.assign(subgroup=["language_match=no", "broadband=yes"])
    assert "more work" not in " ".join(groups_sentences(unlike, 5))


def test_attributes_of_access_that_the_run_does_not_report_are_named():
    lines = list(groups_sentences(pd.DataFrame([of_group("broadband=yes", 0.1, 0.0, 0.2)]), 5))
    assert "Not reported: people without broadband; fewer than 11 of them in a replication." in lines
    assert "Not reported: people without transport; add transport to the scenario's subgroups." in lines
    assert lines[-1].startswith("The model has no attribute for a rural home")


def test_intervals_of_few_replications_leave_the_figures_and_the_table_stays():
    table = pd.DataFrame({"lo95": [0.1, 0.1], "hi95": [0.2, 0.2], "estimate": 0.15, "n_replications": [4, 5]})
    drawn = without_few(table, "lo95", "hi95", "change_lo95")
    assert drawn["lo95"].isna().tolist() == [True, False] and drawn["estimate"].notna().all()
    assert table["lo95"].notna().all()


def test_the_largest_panel_is_the_last_before_the_first_that_fails():
    table = pd.DataFrame({"patients": [10, 20, 30, 40], "p_meets": [1.0, 0.9, 0.5, 1.0]})
    assert largest_panel(table, 0.8) == (20, 30)
    assert largest_panel(table, 0.95) == (10, 20)
    assert largest_panel(table.iloc[2:], 0.8) == (None, 30)
    assert largest_panel(table.iloc[:2], 0.8) == (20, None)
