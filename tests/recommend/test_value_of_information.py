"""Value of one more week: simulated weeks average to the posterior, and no two weeks give the same weights."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from taper_sim.data.formulary import find_drug
from taper_sim.data.records import DoseRow, History
from taper_sim.inference import course as at
from taper_sim.inference.observation import INSTRUMENTS
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


def test_the_covariance_of_new_reports_is_the_models() -> None:
    """Without earlier reports, the covariance is that of docs/model.md 4: slow noise, day factor, white noise."""
    record, evidence, _ = six_weeks()
    due = [(record.n_days + d, name) for d in (1, 2, 5) for name in ("pain_nrs", "mood_item")]
    r = module._with(evidence.reports, record, due, np.full(len(due), 5.0))
    new = np.flatnonzero(r.day > record.n_days)
    assert [(int(d), INSTRUMENTS[r.place[s]].name) for d, s in zip(r.day[new], r.slot[new], strict=True)] == due
    noise, used = 1.3, [INSTRUMENTS[r.place[s]] for s in r.slot[new]]
    alone = np.array([noise**2 * (i.slow**2 + i.white**2) for i in used])
    expected = np.array(
        [
            [
                noise**2
                * (
                    (a.name == b.name) * a.slow**2 * np.exp(-abs(d - e) / a.tau_d)
                    + (d == e) * a.white * b.white * (a.shared * b.shared + (a.name == b.name) * (1 - a.shared**2))
                )
                for b, (e, _) in zip(used, due, strict=True)
            ]
            for a, (d, _) in zip(used, due, strict=True)
        ]
    )
    np.testing.assert_allclose(module._covariance(r, new, noise, alone), expected, rtol=1e-6, atol=1e-8)


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
    assert "close" not in sentence and "would choose hold today" in choices.sentence("faster")
    silent = replace(evidence, reports=evidence.reports._replace(day=evidence.reports.day - module._RECENT_D - N_DAYS))
    assert value_of_next_week(record, silent, posterior, chooser, 4) is None
