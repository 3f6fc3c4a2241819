"""Tables of a fit: draws, parameters, targets, size of the run. Imports ``fit_waves``, ``simulation``."""

from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.special import ndtri

from taper_sim.array_types import Floats
from taper_sim.evidence.coded_results import PublishedResult
from taper_sim.evidence.predictive_interval import DrawEstimates, from_scale, predicted
from taper_sim.evidence.published_fit.fit_waves import FitSize, PublishedFit, fit_hash
from taper_sim.evidence.published_fit.joint_posterior import SHARED_IN_STUDY
from taper_sim.evidence.published_fit.simulated_targets import Simulated, ensemble_at, model_hash
from taper_sim.simulation.ensemble import COLUMN_NAMES, DRAW_COLUMNS, UNCERTAIN

ROWS: Final = 512
"""Rows of the table of joint draws."""
DECIMALS: Final = 4
"""Of the whitened values in that table."""
_ENDS: Final = (0.025, 0.975)
NAMES: Final = tuple(COLUMN_NAMES[k] for k in UNCERTAIN)


def joint_draws(fit: PublishedFit, seed: int) -> Floats:
    """Draws of all uncertain columns, (ROWS, n_uncertain); those that no target sees have the prior, with mean 0."""
    generator = np.random.default_rng([seed, 11])
    scores = ndtri((np.arange(ROWS) + 0.5) / ROWS)
    z = np.column_stack([generator.permutation(scores) for _ in UNCERTAIN])
    chosen = generator.choice(len(fit.draws.z), ROWS, replace=False)
    z[:, fit.columns] = fit.draws.z[chosen]
    return z


def draws_table(fit: PublishedFit, seed: int) -> pd.DataFrame:
    """The table of joint draws, with its origin in every row, as the package's tables have it."""
    table = pd.DataFrame(joint_draws(fit, seed), columns=list(NAMES)).round(DECIMALS) + 0.0
    table.insert(0, "draw", np.arange(ROWS))
    source = origin(len(fit.fitted), fit.simulator.plan.table.hash, seed)
    return table.assign(source=source, verified="no", reviewed_by="", reviewed_on="")


def origin(n_results: int, evidence_hash: str, seed: int) -> str:
    """What a table of draws came from: published results, model with priors and studies, code of the fit, seed."""
    basis = f"fitted to {n_results} published results: evidence {evidence_hash[:12]}"
    return f"{basis}; model {model_hash()}; code {fit_hash()}; seed {seed}"


def parameter_table(fit: PublishedFit, seed: int) -> pd.DataFrame:
    """A row for each uncertain column: prior and posterior in the parameter's unit, and how many targets see it."""
    z = joint_draws(fit, seed)
    prior_z = np.tile(ndtri((np.arange(ROWS) + 0.5) / ROWS)[:, None], (1, len(UNCERTAIN)))
    drawn = {"prior": _without_rescaling(prior_z), "posterior": _without_rescaling(z)}
    visible = fit.screened.visible
    rows: list[dict[str, Any]] = []
    for k, name in enumerate(NAMES):
        row: dict[str, Any] = {
            "parameter": name,
            "unit": DRAW_COLUMNS[UNCERTAIN[k]][0].unit,
            "targets": int(visible[:, k].sum()),
        }
        for label, values in drawn.items():
            low, high = np.quantile(values[:, k], _ENDS)
            row |= {label: float(np.median(values[:, k])), f"{label}_lo": low, f"{label}_hi": high}
        spread = float(z[:, k].std())
        row |= {"z_mean": float(z[:, k].mean()), "z_sd": spread, "sd_ratio": spread}
        rows.append(row)
    table = pd.DataFrame(rows).drop(columns="sd_ratio")
    return table.assign(**{name: table[name].map(lambda x: float(f"{x:.4g}")) for name in table.columns[3:]})


def _without_rescaling(z: Floats) -> Floats:
    """Values of the columns in their unit; sigma as it is drawn, before its rescaling with EC50."""
    values = np.empty_like(z)
    whole = ensemble_at(z)
    ec50_at_centre = np.array(z)
    ec50_at_centre[:, [k for k, name in enumerate(NAMES) if name.startswith("EC50_")]] = 0.0
    sigma = ensemble_at(ec50_at_centre).values["sigma"]
    for k, column in enumerate(UNCERTAIN):
        q, drug_class = DRAW_COLUMNS[column]
        of_symbol = sigma if q.symbol == "sigma" else whole.values[q.symbol]
        values[:, k] = of_symbol[:, drug_class] if q.per_class else of_symbol
    return values


def target_table(fit: PublishedFit) -> pd.DataFrame:
    """A row for each target: published, simulated with draws of the prior and of the posterior, tension."""
    place = {int(t): k for k, t in enumerate(fit.fitted)}
    shift, own = fit.draws.shift(fit.targets), fit.draws.own_variance(fit.targets)
    fitted = fit.targets.at(fit.draws.z)
    rows: list[dict[str, Any]] = []
    for t, (target, result) in enumerate(zip(fit.simulator.targets, fit.simulator.results, strict=True)):
        row: dict[str, Any] = {
            "id": target.id,
            "study": target.study,
            "statistic": result.statistic.name,
            "outcome": result.outcome,
            "published": result.value,
            "published_lo": result.lo95,
            "published_hi": result.hi95,
        }
        row |= _predictions("prior", fit.prior, t, result) | _predictions("posterior", fit.check, t, result)
        row |= {"columns": int(fit.screened.visible[t].sum())}
        if t in place:
            k = place[t]
            surface = fit.surfaces[k]
            rest = target.value - fitted[:, k] - shift[:, k]
            total = shift[:, k] + rest * own[:, k] / (own[:, k] + fit.targets.variance[k])
            gap = (target.value - fitted[:, k].mean()) / np.sqrt(fit.targets.variance[k] + fitted[:, k].var())
            row |= {
                "surface_share": surface.variance / target.se**2,
                "explained": surface.explained,
                "discrepancy": float(total.mean()) / target.unit,
                "gap_in_se": float(gap),
            }
        rows.append(row)
    table = pd.DataFrame(rows)
    numbers = [name for name in table.columns if table[name].dtype.kind == "f"]
    return table.assign(**{name: table[name].map(lambda x: float(f"{x:.4g}")) for name in numbers})


def _predictions(label: str, simulated: Simulated, t: int, result: PublishedResult) -> dict[str, Any]:
    """Median and predictive interval of the simulator at points, as ``taper-sim validate`` computes them."""
    scale = result.statistic.scale
    prediction = predicted(DrawEstimates(simulated.values[:, t], simulated.variances[:, t], scale), result.se)
    if prediction is None:
        return {}
    inside = "yes" if prediction.holds(result.compared) else "no"
    return {
        label: prediction.value,
        f"{label}_lo": prediction.lo95,
        f"{label}_hi": prediction.hi95,
        f"{label}_inside": inside,
        f"{label}_width": prediction.width,
    }


def run_table(fit: PublishedFit, size: FitSize) -> pd.DataFrame:
    """Size and diagnostics of the run, a row each."""
    tau = np.quantile(fit.draws.tau, (0.5, *_ENDS))
    rows = {
        "points by wave": " ".join(map(str, fit.points)),
        "points of the check": len(fit.check.z),
        "people of a study at a point": size.people,
        "the same for events": size.people_for_events,
        "uncertain columns": len(UNCERTAIN),
        "columns that a target sees": len(fit.columns),
        "targets": len(fit.simulator.targets),
        "targets that see a column": len(fit.fitted),
        "share of precise surfaces by wave": " ".join(f"{share:.2f}" for share in fit.precise),
        "largest R-hat": round(fit.draws.rhat, 3),
        "divergences": fit.draws.divergences,
        "tau: median and 95 % interval": " ".join(f"{value:.2f}" for value in tau),
        "Pareto k-hat of the check": round(fit.by_simulator.khat, 2),
        "effective draws of the check": round(fit.by_simulator.ess, 1),
        "origin": origin(len(fit.fitted), fit.simulator.plan.table.hash, size.seed),
    }
    return pd.DataFrame({"what": list(rows), "value": list(rows.values())})


def study_shifts(fit: PublishedFit) -> pd.DataFrame:
    """Relative discrepancy that the targets of each study share: median and 95 % interval."""
    relative = np.sqrt(SHARED_IN_STUDY) * fit.draws.size * fit.draws.shared
    names = np.unique([fit.simulator.targets[t].study for t in fit.fitted])
    middle, low, high = np.quantile(relative, (0.5, *_ENDS), axis=0)
    return pd.DataFrame({"study": names, "shift": middle, "shift_lo": low, "shift_hi": high}).round(3)


def similar_targets(fit: PublishedFit) -> dict[int, Any]:
    """Other studies' fitted targets on the same outcome, statistic and drug class, by place among the fitted."""
    keys = []
    for t in fit.fitted:
        result = fit.simulator.results[t]
        keys.append((result.statistic.name, result.outcome, result.cohort.drug_class))
    study = fit.targets.study
    same = {
        k: np.array([j for j in range(len(keys)) if keys[j] == keys[k] and study[j] != study[k]], dtype=np.int64)
        for k in range(len(keys))
    }
    return same


def left_out_table(fit: PublishedFit, rows: pd.DataFrame) -> pd.DataFrame:
    """Predictions of the studies left out, back on the statistics' own scales."""
    scale = {
        target.id: r.statistic.scale for target, r in zip(fit.simulator.targets, fit.simulator.results, strict=True)
    }
    study = {target.id: target.study for target in fit.simulator.targets}
    table = rows.copy()
    table.insert(0, "study", [study[name] for name in rows["id"]])
    ends = {
        "published": rows["value"],
        "predicted": rows["mean"],
        "predicted_lo": rows["mean"] - 1.96 * rows["sd"],
        "predicted_hi": rows["mean"] + 1.96 * rows["sd"],
    }
    for name, values in ends.items():
        table[name] = [
            float(f"{from_scale(np.array([value]), scale[key])[0]:.4g}")
            for value, key in zip(values, rows["id"], strict=True)
        ]
    return table[["study", "id", "prediction", *ends, "below", "log_score"]].round({"below": 4, "log_score": 3})
