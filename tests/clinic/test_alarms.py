"""Alerts of doses above the ordered one and of missed check-ins: causes, false alerts, delayed orders."""

import numpy as np
import pytest

from taper_sim.clinic import work
from taper_sim.clinic.coupling import Setting, _Clinic
from taper_sim.clinic.service import metrics
from taper_sim.model.compiled import rows
from taper_sim.model.event_parameters import STREAMS
from tests.clinic.test_coupling import ALARMS_HOLD, DAYS, UNLIMITED, _arguments, at_work, people, served, team  # noqa: F401 - a fixture

KIND = "alert_unreported_dose"


def alerts(clinic, patient, day, kind=KIND):
    return [
        job
        for job in clinic.engine.jobs
        if job.work == kind and job.patient == patient and day * 1440 <= job.requested < (day + 1) * 1440
    ]


def lapses(clinic, patient, days=1.0):
    clinic.panel._sums[clinic.panel._tile[patient], rows.LAPSES, clinic.panel._lane[patient]] += days


def quiet(clinic):
    """Patients in care who have taken the ordered doses so far and have no open alert."""
    watch = clinic.demand.watch
    calm = (watch.uncounted == 0) & ~watch.open_alert[KIND] & clinic.panel.present(clinic.today + 1)
    return np.flatnonzero(calm)


def test_a_dose_that_a_check_in_tells_of_raises_an_alert_the_next_morning(people, monkeypatch):  # noqa: F811
    for share, expected in ((1.0, True), (0.0, False)):
        monkeypatch.setattr(work, "TOLD_SHARE", share)
        clinic = at_work(people, team(), 8)
        answered = ~np.isnan(clinic.panel.reports).all(axis=1)
        patient = next(int(p) for p in quiet(clinic) if answered[p])
        lapses(clinic, patient)
        clinic.day(9)
        found = alerts(clinic, patient, 8)
        assert bool(found) is expected
        assert all(job.note >= 1.0 and job.role == "pharmacist" for job in found)
        assert clinic.demand.watch.uncounted[patient] == (0.0 if expected else 1.0)


def test_a_day_without_a_check_in_reveals_nothing_before_the_count_at_the_refill(people, monkeypatch):  # noqa: F811
    monkeypatch.setattr(work, "TOLD_SHARE", 1.0)
    monkeypatch.setattr(work, "COUNT_FINDS", 1.0)
    monkeypatch.setattr(work, "COUNT_ERRS", 0.0)
    clinic = at_work(people, team(), 26)
    patient = int(quiet(clinic)[0])
    clinic.panel.reports[patient] = np.nan
    lapses(clinic, patient)
    clinic.day(27)
    assert not alerts(clinic, patient, 26) and clinic.demand.watch.uncounted[patient] == 1.0
    clinic.day(28)
    assert alerts(clinic, patient, 27) and clinic.demand.watch.uncounted[patient] == 0.0
    assert clinic.demand.watch.lapses_found[patient] >= 1.0


def test_false_pill_counts_have_the_stated_rate(people, monkeypatch):  # noqa: F811
    monkeypatch.setattr(work, "TOLD_SHARE", 0.0)
    monkeypatch.setattr(work, "COUNT_FINDS", 0.0)
    monkeypatch.setattr(work, "COUNT_ERRS", 0.25)
    found = served(people, UNLIMITED, n_days=DAYS)
    n, wrong = 0, found.clinic["false_dose_alarms"].sum()
    refills = found.events[found.events["work"] == "refill"]
    n = len(refills)
    assert n > 40 and found.clinic["dose_alarms"].sum() == wrong
    lapsed = (found.clinic["lapse_days"] > 0).mean()
    # those who took more are not miscounted; four standard errors of a binomial share
    expected = 0.25 * (1.0 - lapsed)
    assert abs(wrong / n - expected) < 4.0 * np.sqrt(0.25 * 0.75 / n) + 0.25 * lapsed
    monkeypatch.setattr(work, "COUNT_ERRS", 0.0)
    assert served(people, UNLIMITED, n_days=DAYS).clinic["dose_alarms"].sum() == 0


def test_without_the_alert_orders_wait_less_and_nothing_is_found(people, monkeypatch):  # noqa: F811
    monkeypatch.setattr(work, "COUNT_ERRS", 0.9)
    base, less = (
        served(people, team("pharmacist", 60), n_days=DAYS, disabled_work=without, harm_paths=ALARMS_HOLD)
        for without in (frozenset(), frozenset({KIND}))
    )
    assert (base.events["work"] == KIND).any() and not (less.events["work"] == KIND).any()
    assert less.clinic["days_waiting"].sum() < base.clinic["days_waiting"].sum()
    assert less.clinic["lapse_days_found"].sum() == 0


def test_no_more_is_found_than_was_taken_and_the_numbers_are_reported(people):  # noqa: F811
    found = served(people, UNLIMITED, n_days=DAYS)
    assert (found.clinic["lapse_days_found"] <= found.clinic["lapse_days"]).all()
    for kind in ("alarms", "silence_alarms", "dose_alarms"):
        assert (found.clinic[f"false_{kind}"] <= found.clinic[kind]).all()
    n = len(people[0])
    table = metrics(
        found, UNLIMITED, DAYS, {"all": np.ones(n, dtype=bool)}, {p: k for k, p in enumerate(people[0].ids)}
    )
    named = set(table["metric"])
    assert {
        "dose_alerts",
        "dose_alerts_false",
        "silence_alerts",
        "silence_alerts_false",
        "unordered_dose_days",
        "unordered_dose_days_found",
    } <= named


@pytest.mark.parametrize("lapsed", [True, False])
def test_silence_after_a_dose_that_was_not_ordered_is_no_false_alarm(lapsed, people):  # noqa: F811
    clinic = _Clinic(*_arguments(people, team(), Setting()))
    for day in range(1, 9):
        clinic.day(day)
    watch = clinic.demand.watch
    patient = int(np.flatnonzero(clinic.panel.present(9) & ~watch.open_alert["alert_missed_checkins"])[0])
    watch.last_cut[patient], watch.silent[patient] = 8.0, 2.0
    watch.lapsed[patient] = 7.0 if lapsed else -np.inf
    clinic.panel.reports[patient] = np.full(len(STREAMS), np.nan)
    clinic.panel._state[clinic.panel._tile[patient], rows.W_ALL, clinic.panel._lane[patient]] = 0.0
    clinic.day(9)
    made = alerts(clinic, patient, 8, "alert_missed_checkins")
    assert [job.note for job in made] == [lapsed]
