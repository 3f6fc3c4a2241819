"""Population files: writes a fit as NetCDF, and reads it as the prior of one person.

Imports the other modules of ``inference.population``, ``run_folder``, ``provenance``. The file has the groups of ArviZ
(``posterior``, ``prior``, ``posterior_predictive``, ``prior_predictive``, ``observed_data``, ``constant_data``,
``sample_stats``) and ``diagnostics``; docs/population.md describes each. The file contains no patient ids: people are
numbered, and hashes identify data, code and content.
"""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from taper_sim.array_types import Floats
from taper_sim.data.problems import problem, shown
from taper_sim.inference import course, life_block, likelihood, observation, prior, report_means
from taper_sim.inference.observation import INSTRUMENTS
from taper_sim.inference.population import fit as fit_module
from taper_sim.inference.population import hierarchy, marginal_likelihood, people
from taper_sim.inference.population.fit import Log, PopulationFit, Settings, fit_population
from taper_sim.inference.population.hierarchy import Hyper, prior_centres
from taper_sim.inference.population.people import read_people
from taper_sim.inference.population.predictive import Predicted, predicted
from taper_sim.inference.prior import TRAITS, VALUE_PRIORS, PopulationPrior, Trait, combined_sd
from taper_sim.model import day, equations, event_parameters, life, parameters
from taper_sim.provenance import hash_of_sources
from taper_sim.run_folder import check_file_writable, sha256_of, write_atomically

FORMAT: Final = "taper-sim population"
FORMAT_VERSION: Final = 2
NOT_CALIBRATED: Final = "not calibrated to published results"
_ALLOWED: Final = "a file that `taper-sim fit` wrote"
_MAX_BYTES: Final = 2_000_000_000


def code_hash() -> str:
    """Short hash of the code on which a population depends: model, likelihood, hierarchy."""
    modules = (
        equations,
        day,
        parameters,
        event_parameters,
        life,
        course,
        life_block,
        report_means,
        likelihood,
        observation,
        prior,
        people,
        hierarchy,
        marginal_likelihood,
        fit_module,
    )
    return hash_of_sources(*modules)


def data_hash(fit: PopulationFit) -> str:
    """Hash of the data of a fit; it does not depend on the order of the people in the files."""
    digests = []
    for p in fit.people:
        digest = hashlib.sha256()
        for array in (*p.regimen, *p.reports):
            digest.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
        digest.update(repr((p.failed_tapers, sorted(p.traits.items()), sorted(p.assessed.items()))).encode())
        digests.append(digest.hexdigest())
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()[:16]


def attributes_of(fit: PopulationFit) -> dict[str, Any]:
    """Attributes of the file: format, origin, diagnostics, settings, hashes, versions."""
    s, data, failures = fit.settings, data_hash(fit), fit.failures()
    settings = (
        f"draws={s.draws} tune={s.tune} chains={s.chains} seed={s.seed} robust={s.robust} missing={s.missing} "
        f"person_draws={s.person_draws}"
    )
    identity = hashlib.sha256(f"{data} {code_hash()} {settings}".encode()).hexdigest()[:12]
    n_reports = sum(len(p.reports.day) for p in fit.people)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "population_id": f"fit-{identity}",
        "origin": f"fitted to {n_reports} reports of {len(fit.people)} people; {NOT_CALIBRATED}",
        "trusted": int(not failures),
        "why_not": "; ".join(failures),
        "calibrated": 0,
        "research_use": "research use: not clinically reviewed",
        "settings": settings,
        "seed": s.seed,
        "data_hash": data,
        "code_hash": code_hash(),
        "n_people": len(fit.people),
        "n_reports": n_reports,
        **{
            f"version_{name.replace('-', '_')}": version(name)
            for name in ("taper-sim", "pymc", "nutpie", "pytensor", "numpy", "numba")
        },
    }


def tree_of(fit: PopulationFit, predicted: Predicted) -> xr.DataTree:
    """The fit and its predictive draws as groups of arrays."""
    keys, traits = list(fit.draws.keys), list(fit.draws.traits)
    coords: dict[str, Any] = {"value": keys, "trait": traits}

    def hyper(h: Hyper) -> xr.Dataset:
        dims = ("chain", "draw")
        return xr.Dataset(
            {
                "centre": ((*dims, "value"), h.centre),
                "spread": ((*dims, "value"), h.spread),
                "drift_sd": (dims, h.drift_sd),
                "effect": ((*dims, "trait"), h.effect),
            },
            coords={**coords, "chain": np.arange(h.centre.shape[0]), "draw": np.arange(h.centre.shape[1])},
        )

    def reports(y: Floats) -> xr.Dataset:
        return xr.Dataset(
            {"report": (("chain", "draw", "row"), y[None].astype(np.float32))},
            coords={"chain": [0], "draw": np.arange(len(y))},
        )

    centre, centre_sd, spread = prior_centres(fit.draws.keys)
    groups: dict[str, xr.Dataset] = {
        "posterior": hyper(fit.posterior),
        "prior": hyper(fit.prior),
        "posterior_predictive": reports(predicted.posterior),
        "prior_predictive": reports(predicted.prior),
        "observed_data": xr.Dataset({"report": ("row", predicted.observed)}),
        "constant_data": xr.Dataset(
            {
                "person": ("row", predicted.person),
                "day": ("row", predicted.day),
                "instrument": ("row", np.array([INSTRUMENTS[k].name for k in predicted.place], dtype=object)),
                "prior_centre": ("value", centre),
                "prior_centre_sd": ("value", centre_sd),
                "prior_spread": ("value", spread),
                "is_log": ("value", [int(VALUE_PRIORS[k].is_log) for k in keys]),
                "people_with": ("value", fit.draws.has_value.sum(axis=0)),
                "trait_centre": ("trait", fit.draws.trait_centre),
            },
            coords=coords,
        ),
        "sample_stats": xr.Dataset(
            {"diverging": (("chain", "draw"), fit.diverging), "n_steps": (("chain", "draw"), fit.n_steps)}
        ),
        "diagnostics": xr.Dataset(
            {
                "rhat": ("hyperparameter", fit.rhat),
                "ess_bulk": ("hyperparameter", fit.ess_bulk),
                "ess_tail": ("hyperparameter", fit.ess_tail),
                "person_ess": ("person", fit.person_ess),
                "person_khat": ("person", fit.person_khat),
            },
            coords={"hyperparameter": fit.names},
        ),
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs.update(attributes_of(fit))
    return tree


def fit_files(
    checkins: Path, doses: Path, patients: Path | None, out: Path, settings: Settings, log: Log
) -> tuple[PopulationFit, Predicted]:
    """Read files, fit a population and write its file, as ``taper-sim fit`` does.

    Parameters
    ----------
    checkins, doses : Path
        Long CSV files.
    patients : Path or None
        CSV file with a row a patient.
    out : Path
        Population file.
    settings : Settings
    log : callable
        Receives a line for each patient who is left out, and progress messages.

    Returns
    -------
    PopulationFit
    Predicted
        Predictive draws of the reports.

    Raises
    ------
    InputError
        For every problem of the input; nothing is written then.
    """
    check_file_writable(out)
    recorded_people, left_out = read_people(checkins, doses, patients)
    for line in left_out:
        log(line)
    fitted = fit_population(recorded_people, settings, log)
    log("simulating predictive draws")
    draws = predicted(fitted)
    tree = tree_of(fitted, draws)
    inputs = [path for path in (checkins, doses, patients) if path is not None]
    tree.attrs["inputs_sha256"] = json.dumps({path.name: sha256_of(path) for path in inputs})
    write_population(out, tree)
    return fitted, draws


def write_population(path: Path, tree: xr.DataTree) -> None:
    """Write a population file atomically, with the hash of its content; only its owner may read it."""
    tree.attrs["content_sha256"] = content_hash(tree)
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / "population.nc"
        tree.to_netcdf(temporary, engine="h5netcdf")
        content = temporary.read_bytes()

    def write(handle: Any) -> None:
        handle.write(content)

    write_atomically(path, write, private=True)


def content_hash(tree: xr.DataTree) -> str:
    """Hash of every value of a file and of what it says of itself, apart from this hash."""
    digest = hashlib.sha256()
    digest.update(repr(sorted((k, str(v)) for k, v in tree.attrs.items() if k != "content_sha256")).encode())
    for group in sorted(tree.groups):
        for name, variable in sorted(tree[group].to_dataset().variables.items(), key=lambda pair: str(pair[0])):
            values = variable.values
            digest.update(f"{group} {name} {variable.dims} {values.shape}".encode())
            as_text = values.dtype.kind in "OUST"
            digest.update(repr([str(v) for v in values.ravel()]).encode() if as_text else values.tobytes())
    return digest.hexdigest()


def verify_population(path: Path) -> tuple[list[str], list[str]]:
    """Whether a population file is as it was written, by this code, from the data that lie here.

    The fit is not repeated: chains take minutes to hours.

    Returns
    -------
    differing : list of str
        What differs, a line each: content, code, an input beside the file or in the working folder.
    not_compared : list of str
        Inputs that are in neither place, a line each.
    """
    with _opened(path) as tree:
        about = {str(key): value for key, value in tree.attrs.items()}
        try:
            content = content_hash(tree)
            inputs = {str(name): str(digest) for name, digest in json.loads(str(about["inputs_sha256"])).items()}
        except Exception:  # a damaged block raises errors of many kinds when it is read
            return [f"{path}: content that cannot be read, or of an earlier version"], []
    differing = []
    if content != about.get("content_sha256"):
        differing.append(f"{path}: content changed since the fit")
    if str(about.get("code_hash")) != code_hash():
        differing.append(f"{path}: fitted by other code than this")
    not_compared = []
    for name, digest in inputs.items():
        here = next((f for f in (path.parent / Path(name).name, Path(Path(name).name)) if f.is_file()), None)
        if here is None:
            not_compared.append(f"{shown(name)}: neither beside {path.name} nor here: not compared")
        elif sha256_of(here) != digest:
            differing.append(f"{here}: changed since the fit")
    return differing, not_compared


def read_population(path: Path) -> PopulationPrior:
    """Read a fitted population as the prior of one person: spread between people and uncertainty of the centres.

    Raises
    ------
    InputError
        If the file is not a population file, has another version, or its fit failed the diagnostics.
    """
    with _opened(path) as tree:
        about = tree.attrs
        if int(about.get("trusted", 0)) != 1:
            raise problem(
                str(path), "trusted", f"0 ({about.get('why_not', '')})"[:200], "1: a fit whose diagnostics are good"
            )
        try:
            return _population(tree, about)
        except (KeyError, ValueError, TypeError):
            raise problem(str(path), "", "missing groups or values, or values of another type", _ALLOWED) from None


def _opened(path: Path) -> xr.DataTree:
    """The file, open, if a fit of this version wrote it; else an InputError."""
    if not path.is_file():
        raise problem(str(path), "", "no such file" if not path.exists() else "a folder", _ALLOWED)
    if path.stat().st_size > _MAX_BYTES:
        raise problem(str(path), "", f"{path.stat().st_size:,} bytes", f"at most {_MAX_BYTES:,} bytes")
    try:
        tree = xr.open_datatree(path, engine="h5netcdf")
    except Exception:  # the library's errors on a file that is not NetCDF are of many kinds
        raise problem(str(path), "", "a file that is not NetCDF", _ALLOWED) from None
    about = tree.attrs
    form, number = about.get("format"), about.get("format_version", 0)
    if form == FORMAT and number == FORMAT_VERSION:
        return tree
    tree.close()
    if form != FORMAT:
        raise problem(str(path), "format", str(form or "no format"), f"{FORMAT}: {_ALLOWED}")
    allowed = f"{FORMAT_VERSION}: with a file of another version of taper-sim, fit the population again"
    raise problem(str(path), "format_version", shown(str(number)), allowed)


def _population(tree: xr.DataTree, about: Mapping[Any, Any]) -> PopulationPrior:
    """Population from the groups and attributes of a file.

    Raises
    ------
    KeyError, ValueError, TypeError
        If a group or a value is missing or of another kind.
    """
    posterior, constant = tree["posterior"].to_dataset(), tree["constant_data"].to_dataset()
    keys = [str(k) for k in posterior["value"].values]
    if not set(keys) <= set(VALUE_PRIORS):
        raise ValueError("unknown values")
    over = ("chain", "draw")
    centre, spread = posterior["centre"], posterior["spread"]
    mean = centre.mean(over).values
    between, uncertain = np.sqrt((spread**2).mean(over).values), centre.std(over).values
    scales = [VALUE_PRIORS[key].scale for key in keys]
    sd = np.array([combined_sd(*each) for each in zip(scales, between, uncertain, strict=True)])
    if not (np.isfinite(mean).all() and (sd > 0).all()):
        raise ValueError("not finite")
    traits = {}
    for k, name in enumerate(str(t) for t in posterior["trait"].values):
        effect = posterior["effect"].values[..., k]
        if name in TRAITS:
            traits[name] = Trait(float(effect.mean()), float(effect.std()), float(constant["trait_centre"].values[k]))
    origin = str(about["origin"])
    if str(about.get("code_hash")) != code_hash():
        origin += "; fitted with another version of the code"
    return PopulationPrior(
        str(about["population_id"]),
        bool(int(about["calibrated"])),
        dict(zip(keys, mean.tolist(), strict=True)),
        dict(zip(keys, sd.tolist(), strict=True)),
        float(np.sqrt((posterior["drift_sd"] ** 2).mean().values)),
        traits,
        origin,
    )
