"""Value of one more week: simulated weeks average to the posterior, and no two weeks give the same weights."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from taper_sim.data.formulary import find_drug
from taper_sim.data.records import DoseRow, History
from taper_sim.inference import course as at
from taper_sim.inference.observation import PLACES
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of
from taper_sim.inference.prior import prior_of
from taper_sim.inference.record import PatientRecord, record_of, regimen_of, reports_for, used_by_model
from taper_sim.recommend import value_of_information as module
from taper_sim.recommend.value_of_information import value_of_next_week
from taper_sim.studies.simulated_people import ORIGIN, person_of

N_DAYS = 42


def six_weeks() -> tuple[PatientRecord, Evidence, Posterior]:
    """A record of six weeks, its evidence and posterior."""
    person = person_of("usual", "opioid", 10.0, N_DAYS, np.random.default_rng(3))
    doses = (DoseRow(ORIGIN - timedelta(days=400), find_drug("morphine", "ER"), 90.0),)
    history = History("p", tuple(report for _, report in person.reports), doses, {})
    record = record_of(history, ORIGIN + timedelta(days=N_DAYS), None)
    used, _ = used_by_model(record)
    prior = prior_of(record.classes, 2, tuple({c.instrument for _, c in used}))
    evidence = Evidence(prior, at.couplings(), regimen_of(record), reports_for(record, used, record.n_days))
    return record, evidence, posterior_of(evidence, 1024)


def test_the_posterior_after_a_week_averages_to_the_posterior_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weeks are simulated from the same draws that are reweighted, so the means after them average to the mean now."""
    record, evidence, posterior = six_weeks()
    monkeypatch.setattr(module, "_WEEKS", 200)
    kept: list[np.ndarray] = []
    held: list[Posterior] = []

    def chooser(draws: Posterior):  # type: ignore[no-untyped-def]
        held.append(draws)

        def choose(weights: np.ndarray) -> str:
            kept.append(weights)
            return "hold"

        return choose

    choices = value_of_next_week(record, evidence, posterior, chooser, 1)
    assert choices is not None and choices.share_changed == 0.0 and len(choices.after_week) == 200
    weights, z = np.array(kept[:-1]), held[0].z
    after, now = weights @ z, z.mean(axis=0)
    error = np.sqrt((after.var(axis=0) + z.var(axis=0) / len(z)) / len(after)) + 1e-9
    assert (np.abs(after.mean(axis=0) - now) / error < 4.5).all()
    assert (after.var(axis=0) > 1e-4 * z.var(axis=0)).all()  # each week carries information
    assert np.std(1.0 / (weights**2).sum(axis=1)) > 0  # and no two alike


def test_new_reports_follow_from_earlier_ones_as_the_filter_predicts() -> None:
    """Simulated one after another from the coefficients, they have the densities that the filter gives them."""
    record, evidence, posterior = six_weeks()
    due = [(record.n_days + d, name) for d in (1, 2, 5) for name in ("pain_nrs", "mood_item")]
    r = module._with(evidence.reports, record, due, np.full(len(due), 5.0))
    new = np.flatnonzero(r.day > record.n_days)
    assert [(int(d), PLACES[r.place[s]].name) for d, s in zip(r.day[new], r.slot[new], strict=True)] == due
    ahead = replace(evidence, reports=r, regimen=regimen_of(record, (), 7))
    z = posterior.z[:3]
    mean, slope, sd = module._predictions(ahead, new, z)
    y, rounding, interval = r.y.copy(), r.rounding.copy(), r.interval.copy()
    y[new], rounding[new], interval[new] = np.array([6.0, 3.0, 4.0, 5.0, 7.0, 2.0]), 0.0, False
    seen = replace(ahead, reports=r._replace(y=y, rounding=rounding, interval=interval))
    _, centre, spread = seen.log_posterior(z, predicted=True)
    np.testing.assert_allclose(mean + slope @ y[new], centre[:, new], rtol=1e-9)
    np.testing.assert_allclose(sd**2, spread[:, new], rtol=1e-9)
    assert (np.triu(np.abs(slope)) < 1e-12).all() and np.abs(slope).max() > 0.05  # of earlier reports alone


def test_changed_choices_are_counted_and_named() -> None:
    record, evidence, posterior = six_weeks()

    def chooser(draws: Posterior):  # type: ignore[no-untyped-def]
        sigma = draws.z[:, draws.prior.names.index("sigma_opioid")]
        middle = sigma.mean()
        return lambda weights: "faster" if weights @ sigma < middle - 1e-9 else "hold"

    choices, again = (value_of_next_week(record, evidence, posterior, chooser, 4) for _ in range(2))
    assert choices == again and choices is not None
    changed = sum(name == "faster" for name in choices.after_week)
    assert choices.today == "hold" and 0 < changed < module._WEEKS and choices.share_changed == changed / module._WEEKS
    sentence = choices.sentence("hold")
    assert f"in {changed} of {module._WEEKS} weeks" in sentence and f"(faster {changed})" in sentence
    assert "close" not in sentence and "hold would be chosen today" in choices.sentence("faster")
    silent = replace(evidence, reports=evidence.reports._replace(day=evidence.reports.day - module._RECENT_D - N_DAYS))
    assert value_of_next_week(record, silent, posterior, chooser, 4) is None
