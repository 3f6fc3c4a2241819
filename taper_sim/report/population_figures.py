"""Predictive checks of a population fit as figures, each with its data as CSV. Imports ``inference``, ``drawing``.

Each instrument has one panel. The first figure compares the distribution of reported values with posterior and prior
predictive draws, the second compares weekly means.
"""

from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from taper_sim.array_types import Floats
from taper_sim.inference.observation import BY_NAME, INSTRUMENTS
from taper_sim.inference.population.fit import PopulationFit
from taper_sim.inference.population.predictive import Predicted
from taper_sim.report.drawing import BLUE, DOUBLE_COLUMN_MM, GREY, PRINT, REFERENCE_COLOUR, empty_figure, svg
from taper_sim.run_folder import write_csv, write_text
from taper_sim.units import WEEK_D

_BINS: Final = 20
_PANEL_MM: Final = 34.0
POPULATION_FIGURES: Final = ("predictive_values", "predictive_weeks", "population")


def values_table(predicted: Predicted) -> pd.DataFrame:
    """Share of reports by bin and instrument: observed, and 90 % bands of posterior and prior predictive draws."""
    rows = []
    for place in np.unique(predicted.place):
        instrument, reports = INSTRUMENTS[place], predicted.place == place
        whole = instrument.step == 1.0 and instrument.high - instrument.low <= _BINS * 2
        top = instrument.high if np.isfinite(instrument.high) else float(predicted.observed[reports].max())
        edges = np.arange(instrument.low - 0.5, top + 1.0) if whole else np.linspace(instrument.low, top, _BINS + 1)

        def shares(y: Floats, edges: Floats = edges) -> Floats:
            return np.histogram(np.clip(y, edges[0], edges[-1]), edges)[0] / len(y)

        observed = shares(predicted.observed[reports])
        bands = [np.array([shares(y) for y in draws[:, reports]]) for draws in (predicted.posterior, predicted.prior)]
        for k, share in enumerate(observed):
            row: dict[str, object] = {
                "instrument": instrument.name,
                "from": edges[k],
                "to": edges[k + 1],
                "observed": share,
            }
            for name, band in zip(("posterior", "prior"), bands, strict=True):
                row |= {
                    f"{name}_lo90": np.quantile(band[:, k], 0.05),
                    f"{name}_mean": band[:, k].mean(),
                    f"{name}_hi90": np.quantile(band[:, k], 0.95),
                }
            rows.append(row)
    return pd.DataFrame(rows)


def weeks_table(predicted: Predicted) -> pd.DataFrame:
    """Mean report by week and instrument: observed, and 90 % bands of posterior and prior predictive draws."""
    rows = []
    week = (predicted.day - 1) // WEEK_D
    for place in np.unique(predicted.place):
        for w in np.unique(week[predicted.place == place]):
            reports = (predicted.place == place) & (week == w)
            row: dict[str, object] = {
                "instrument": INSTRUMENTS[place].name,
                "week": int(w) + 1,
                "n": int(reports.sum()),
                "observed": predicted.observed[reports].mean(),
            }
            for name, draws in (("posterior", predicted.posterior), ("prior", predicted.prior)):
                means = draws[:, reports].mean(axis=1)
                row |= {
                    f"{name}_lo90": np.quantile(means, 0.05),
                    f"{name}_mean": means.mean(),
                    f"{name}_hi90": np.quantile(means, 0.95),
                }
            rows.append(row)
    return pd.DataFrame(rows)


def population_table(fit: PopulationFit) -> pd.DataFrame:
    """Prior and posterior of every hyperparameter, in the unit of the value, or its log for values on the log scale."""
    columns = [
        *(("centre", key, "centre", k) for k, key in enumerate(fit.draws.keys)),
        *(("centre", f"{trait} on log sigma", "effect", k) for k, trait in enumerate(fit.draws.traits)),
        *(("spread", key, "spread", k) for k, key in enumerate(fit.draws.keys)),
        ("spread", "drift in 28 days", "drift_sd", None),
    ]
    rows = []
    for what, name, part, k in columns:
        x, x0 = (
            np.ravel(getattr(h, part) if k is None else getattr(h, part)[..., k]) for h in (fit.posterior, fit.prior)
        )
        rows.append(
            {
                "what": what,
                "value": name,
                "prior_mean": x0.mean(),
                "prior_sd": x0.std(),
                "mean": x.mean(),
                "sd": x.std(),
                "lo90": np.quantile(x, 0.05),
                "hi90": np.quantile(x, 0.95),
                "prior_lo90": np.quantile(x0, 0.05),
                "prior_hi90": np.quantile(x0, 0.95),
            }
        )
    return pd.DataFrame(rows)


def write_population_figures(fit: PopulationFit, predicted: Predicted, folder: Path) -> None:
    """Write the figures of :data:`POPULATION_FIGURES` into a folder as SVG, each with its data as CSV."""
    tables = dict(
        zip(POPULATION_FIGURES, (values_table(predicted), weeks_table(predicted), population_table(fit)), strict=True)
    )
    for name, table in tables.items():
        write_csv(table, folder / f"{name}.csv")
        drawn = _population_svg(table) if name == "population" else _panels_svg(table, name)
        write_text(folder / f"{name}.svg", drawn)


def _panels_svg(table: pd.DataFrame, name: str) -> str:
    of_values = name == "predictive_values"
    instruments = list(dict.fromkeys(table["instrument"]))
    columns = 3
    rows = -(-len(instruments) // columns)
    with mpl.rc_context(PRINT):
        figure = empty_figure(DOUBLE_COLUMN_MM, 12.0 + _PANEL_MM * rows, fitted=True)
        axes = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
        for ax, instrument in zip(axes, instruments, strict=False):
            part = table[table["instrument"] == instrument]
            x = 0.5 * (part["from"] + part["to"]) if of_values else part["week"]
            for which, colour, line in (("prior", GREY, ":"), ("posterior", BLUE, "-")):
                ax.fill_between(x, part[f"{which}_lo90"], part[f"{which}_hi90"], color=colour, alpha=0.25, linewidth=0)
                ax.plot(x, part[f"{which}_mean"], color=colour, linestyle=line, linewidth=0.9, label=which)
            ax.plot(x, part["observed"], "o", color=REFERENCE_COLOUR, markersize=2.0, label="observed")
            ax.set_title(f"{instrument}, {BY_NAME[instrument].low:g} to {BY_NAME[instrument].high:g}")
            ax.set_xlabel("reported, points" if of_values else "week")
            ax.set_ylabel("share of reports" if of_values else "mean report, points")
            if not of_values:
                ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        for ax in axes[len(instruments) :]:
            ax.set_axis_off()
        axes[0].legend()
        return svg(figure, "Reported values against predictive draws" if of_values else "Weekly means against draws")


def _population_svg(table: pd.DataFrame) -> str:
    with mpl.rc_context(PRINT):
        figure = empty_figure(DOUBLE_COLUMN_MM, 20.0 + 4.5 * int(table["what"].value_counts().max()), fitted=True)
        axes = figure.subplots(1, 2)
        for ax, what in zip(axes, ("centre", "spread"), strict=True):
            part = table[table["what"] == what]
            y = np.arange(len(part))[::-1]
            middle, sd = part["prior_mean"].to_numpy(), part["prior_sd"].to_numpy()
            lo, hi, mean, lo0, hi0 = (
                (part[c].to_numpy() - middle) / sd for c in ("lo90", "hi90", "mean", "prior_lo90", "prior_hi90")
            )
            ax.hlines(y, lo0, hi0, color=GREY, alpha=0.35, linewidth=5.0)
            ax.hlines(y, lo, hi, color=BLUE, linewidth=1.2)
            ax.plot(mean, y, "o", color=BLUE, markersize=3.0)
            ax.set_yticks(y, part["value"])
            ax.set_xlabel("prior sds from the prior's mean")
            ax.set_title(f"{what}: 90 % of posterior (blue) and prior (grey)")
        return svg(figure, "Centres and spreads of the population, prior and posterior")
