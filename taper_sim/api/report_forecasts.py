"""One patient's reports against the model's earlier forecasts. Imports ``inference``, ``report.drawing``."""

from datetime import date, timedelta
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from taper_sim.api.display import show_figures
from taper_sim.data.doses import read_histories
from taper_sim.data.fhir import read_bundle
from taper_sim.data.patient import read_patient
from taper_sim.data.problems import problem
from taper_sim.inference.calibrated_prior import population_for_advice
from taper_sim.inference.observation import BY_NAME, LOG, LOG1P, instrument_names
from taper_sim.inference.population.people import TRAIT_FLAGS
from taper_sim.inference.posterior import Evidence, Posterior, posterior_of
from taper_sim.inference.record import NoDoseHistory, PatientRecord, record_of
from taper_sim.recommend.recommendation import POSTERIOR_DRAWS, evidence_of
from taper_sim.report.drawing import BLUE, DOUBLE_COLUMN_MM, PRINT, REFERENCE_COLOUR, empty_figure

_DRAWN: Final = 64  # posterior draws over which forecasts are averaged; a design choice
_Z90: Final = 1.6449
_HORIZON_D: Final = 28


def forecasts_of(
    records: Path,
    doses: Path | None,
    patient_id: str,
    as_of: date,
    *,
    baseline: Path | None,
    population: Path | None,
    seed: int,
) -> pd.DataFrame:
    """Forecast each report from the days before it, averaged over the posterior.

    Returns
    -------
    DataFrame
        ``date, instrument, reported, forecast, lo90, hi90``, on the instrument's scale.
    """
    histories = read_bundle(records).histories if doses is None else read_histories(records, doses)
    patient = None if baseline is None else read_patient(baseline)
    prior = population_for_advice()
    if population is not None:
        from taper_sim.inference.population.files import read_population

        prior = read_population(population)
    try:
        record = record_of(histories[patient_id].as_of(as_of), as_of, patient)
    except NoDoseHistory as error:
        raise problem("plot", "", str(error), "a dose history that the model can follow") from None
    given_flags = [] if patient is None else [name for name in TRAIT_FLAGS if name in patient.risk.model_fields_set]
    flags = {} if patient is None else {name: bool(getattr(patient.risk, name)) for name in given_flags}
    evidence, _, n_reports = evidence_of(
        record,
        _HORIZON_D,
        0 if patient is None else patient.risk.failed_tapers,
        None if patient is None else patient.baseline.model_dump(exclude_unset=True),
        prior,
        {} if patient is None else patient.parameters,
        flags,
    )
    if n_reports == 0:
        raise problem("plot", "", "no report that the model uses", f"check-ins of {', '.join(BY_NAME)}")
    return forecasts_from(record, evidence, posterior_of(evidence, POSTERIOR_DRAWS, seed), seed)


def forecasts_from(record: PatientRecord, evidence: Evidence, posterior: Posterior, seed: int) -> pd.DataFrame:
    """Forecast each report from the days before it, given the posterior; the frame of :func:`forecasts_of`."""
    places = np.random.default_rng([seed, 4]).choice(len(posterior.z), _DRAWN, p=posterior.weights)
    _, centre, spread = evidence.log_posterior(posterior.z[places], predicted=True)
    reports = evidence.reports
    middle = centre.mean(axis=0)
    sd = np.sqrt(spread.mean(axis=0) + centre.var(axis=0))
    names = instrument_names(reports)
    rows = []
    for row, (day, slot) in enumerate(zip(reports.day, reports.slot, strict=True)):
        if names[slot] not in BY_NAME:
            continue  # the assessment, which is no check-in
        instrument = BY_NAME[names[slot]]
        ends = [middle[row], middle[row] - _Z90 * sd[row], middle[row] + _Z90 * sd[row], reports.y[row]]
        forecast, low, high, reported = (
            float(np.clip(_on_scale(value, instrument.transform), instrument.low, instrument.high)) for value in ends
        )
        day_ = record.start + timedelta(days=int(day))
        rows.append((pd.Timestamp(day_), instrument.name, reported, forecast, low, high))
    return pd.DataFrame(rows, columns=["date", "instrument", "reported", "forecast", "lo90", "hi90"])


def _on_scale(score: float, transform: int) -> float:
    if transform == LOG1P:
        return float(np.expm1(min(score, 20.0)))
    return float(np.exp(min(score, 20.0))) if transform == LOG else float(score)


def forecasts_figure(forecasts: pd.DataFrame) -> Figure:
    """Draw reports as points on the forecasts' mean and 90 % band, an instrument a panel."""
    instruments = list(dict.fromkeys(forecasts["instrument"]))
    show_figures()
    with mpl.rc_context(PRINT):
        figure = empty_figure(DOUBLE_COLUMN_MM, 12.0 + 30.0 * len(instruments), fitted=True)
        grid = figure.subplots(len(instruments), 1, sharex=True, squeeze=False).ravel()
        for axes, name in zip(grid, instruments, strict=True):
            rows = forecasts[forecasts["instrument"] == name].sort_values("date")
            axes.fill_between(rows["date"], rows["lo90"], rows["hi90"], color=BLUE, alpha=0.2, linewidth=0)
            axes.plot(rows["date"], rows["forecast"], color=BLUE, linewidth=1.1)
            axes.plot(rows["date"], rows["reported"], "o", color=REFERENCE_COLOUR, markersize=2.2)
            inside = ((rows["reported"] >= rows["lo90"]) & (rows["reported"] <= rows["hi90"])).mean()
            axes.set_title(f"{name}: {100 * inside:.0f} % of {len(rows)} reports inside the 90 % band")
            if np.isfinite(BY_NAME[name].high):
                axes.set_ylabel(f"{BY_NAME[name].low:g} to {BY_NAME[name].high:g}")
        figure.suptitle("Points: reported. Line and band: forecast from the days before, with 90 %", fontsize=7.0)
    return figure
