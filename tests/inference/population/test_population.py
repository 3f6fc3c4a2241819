"""The population fit: from input files to a population file, and from it to the prior of one person."""

import json
import re
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytensor
import pytest
import xarray as xr
from pytensor.compile.mode import Mode
from scipy.stats import binom, kstest, multivariate_normal, norm
from scipy.stats import t as t_distribution

from taper_sim.array_types import Floats
from taper_sim.cli import NOT_TRUSTED, WRONG_INPUT, main
from taper_sim.data.problems import InputError
from taper_sim.inference import course as at
from taper_sim.inference.population import hierarchy
from taper_sim.inference.population.files import read_population, write_population
from taper_sim.inference.population.hierarchy import Hyper, as_population, data_of, draws_of, mode_of, start_of
from taper_sim.inference.population.marginal_likelihood import log_marginal_likelihood
from taper_sim.inference.population.missing import log_chance_of_answering
from taper_sim.inference.population.people import read_people
from taper_sim.inference.population.predictive import as_written
from taper_sim.inference.population.shipped import default_table
from taper_sim.inference.posterior import posterior_of
from taper_sim.inference.prior import (
    ASSESSED_LOG_S0,
    DEFAULT_POPULATION,
    SET_POINT_CORRELATION,
    VALUE_PRIORS,
    PopulationPrior,
    Trait,
    prior_of,
)
from taper_sim.model.parameters import XI_BOUND
from taper_sim.studies import recovery
from taper_sim.studies.recovery import simulated
from taper_sim.studies.simulated_people import ORIGIN

N_PEOPLE, N_DAYS = 5, 21
PEOPLE = simulated(N_PEOPLE, N_DAYS, seed=4)
OPIOID = (True, False, False)


def files(folder: Path) -> tuple[Path, Path, Path]:
    """The same people as files; all on 90 mg of morphine, reduced by a tenth after two weeks."""
    rows = []
    for person in PEOPLE:
        r = person.reports
        for day, slot, value in zip(r.day, r.slot, as_written(r), strict=True):
            name = ("sows_gossop", "pain_nrs", "mood_item", "sleep_item", "function")[slot]
            rows.append((person.id, (ORIGIN + timedelta(days=int(day))).isoformat(), name, round(float(value))))
    checkins, doses, patients = (folder / f"{name}.csv" for name in ("checkins", "doses", "patients"))
    pd.DataFrame(rows, columns=["patient_id", "date", "instrument", "value"]).to_csv(checkins, index=False)
    each = [
        (p.id, (ORIGIN + timedelta(days=d)).isoformat(), "morphine", "ER", mg)
        for p in PEOPLE
        for d, mg in ((-100, 90), (15, 81))
    ]
    columns = ["patient_id", "date", "drug", "formulation", "dose_mg_per_day"]
    pd.DataFrame(each, columns=columns).to_csv(doses, index=False)
    pd.DataFrame(
        {
            "patient_id": [p.id for p in PEOPLE],
            "failed_tapers": 1,
            "pain": 6.0,
            "mood_disorder": [k % 2 for k in range(N_PEOPLE)],
        }
    ).to_csv(patients, index=False)
    return checkins, doses, patients


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """A fit with far too few draws: its exit code and folder."""
    folder = tmp_path_factory.mktemp("fit")
    checkins, doses, patients = files(folder)
    code = main(
        [
            "fit",
            str(checkins),
            "--doses",
            str(doses),
            "--patients",
            str(patients),
            "--out",
            str(folder / "p.nc"),
            "--draws",
            "20",
            "--tune",
            "40",
            "--person-draws",
            "64",
            "--missing",
            "modelled",
            "--figures",
            str(folder / "figures"),
        ]
    )
    return code, folder


@pytest.mark.slow
def test_a_fit_that_fails_its_diagnostics_is_written_and_marked(fitted: tuple[int, Path]) -> None:
    code, folder = fitted
    assert code == NOT_TRUSTED
    with xr.open_datatree(folder / "p.nc", engine="h5netcdf") as tree:
        assert tree.attrs["trusted"] == 0
        effective, advised = map(
            int, re.findall(r"effective draws of .*: (\d+), below 400: .*--draws (\d+)", tree.attrs["why_not"])[0]
        )
        assert advised * (effective + 0.5) / 20 >= 400 and advised % 100 == 0  # as many as would do, at this rate
        assert {
            "posterior",
            "prior",
            "posterior_predictive",
            "prior_predictive",
            "sample_stats",
            "diagnostics",
            "observed_data",
        } <= set(tree.children)
        assert tree["posterior"]["centre"].sizes == {"chain": 2, "draw": 20, "value": 15}
        assert list(tree["posterior"]["trait"].values) == ["mood_disorder"]
        assert np.isfinite(tree["posterior"]["centre"]).all() and (tree["posterior"]["spread"] > 0).all()
        assert {"version_pymc", "data_hash", "code_hash", "population_id"} <= set(tree.attrs)
        reports = tree["posterior_predictive"]["report"]
        assert reports.sizes["row"] == tree["observed_data"].sizes["row"] and np.isfinite(reports).all()
    for name in ("predictive_values", "predictive_weeks", "population"):
        assert (folder / "figures" / f"{name}.svg").exists() and (folder / "figures" / f"{name}.csv").exists()


@pytest.mark.slow
def test_an_untrusted_population_is_refused_and_a_trusted_one_is_the_prior(
    fitted: tuple[int, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, folder = fitted
    ask = [
        "recommend",
        str(folder / "checkins.csv"),
        "--doses",
        str(folder / "doses.csv"),
        "--patient",
        PEOPLE[0].id,
        "--json",
        "--population",
    ]
    capsys.readouterr()
    assert main([*ask, str(folder / "p.nc")]) == WRONG_INPUT
    assert "trusted: given 0" in capsys.readouterr().err
    with xr.open_datatree(folder / "p.nc", engine="h5netcdf") as tree:
        good = tree.load()
    good.attrs["trusted"] = 1
    write_population(folder / "good.nc", good)
    assert main([*ask, str(folder / "good.nc")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["basis"]["population_id"] == good.attrs["population_id"] and not said["basis"]["calibrated"]
    population = read_population(folder / "good.nc")
    centre = good["posterior"]["centre"].sel(value="pain")
    assert population.centre["pain"] == pytest.approx(float(centre.mean()))
    spread = good["posterior"]["spread"].sel(value="pain")
    assert population.sd["pain"] == pytest.approx(float(np.sqrt((spread**2).mean() + centre.var())))
    good.attrs["format_version"] = 99
    write_population(folder / "other.nc", good)
    assert main([*ask, str(folder / "other.nc")]) == WRONG_INPUT
    assert "format_version: given 99" in capsys.readouterr().err


@pytest.mark.slow
def test_verify_says_whether_content_code_and_inputs_of_a_population_hold(
    fitted: tuple[int, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, folder = fitted
    assert (folder / "p.nc").stat().st_mode & 0o777 == 0o600
    assert main(["verify", str(folder / "p.nc")]) == 0
    for name in ("p.nc", "doses.csv"):
        shutil.copy(folder / name, tmp_path / name)
    assert main(["verify", str(tmp_path / "p.nc")]) == 0
    assert "checkins.csv: neither beside p.nc nor here: not compared" in capsys.readouterr().out
    (tmp_path / "doses.csv").write_text((tmp_path / "doses.csv").read_text() + "\n")
    assert main(["verify", str(tmp_path / "p.nc")]) == NOT_TRUSTED
    assert "doses.csv: changed since the fit" in capsys.readouterr().out
    with xr.open_datatree(folder / "p.nc", engine="h5netcdf") as tree:
        changed = tree.load()
    changed.attrs["trusted"] = 1
    changed.to_netcdf(tmp_path / "p.nc", engine="h5netcdf")
    assert main(["verify", str(tmp_path / "p.nc")]) == NOT_TRUSTED
    assert "p.nc: content changed since the fit" in capsys.readouterr().out
    monkeypatch.setattr("taper_sim.inference.population.files.code_hash", lambda: "other")
    assert main(["verify", str(folder / "p.nc")]) == NOT_TRUSTED
    assert "fitted by other code than this" in capsys.readouterr().out


def test_a_file_of_another_format_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.nc").write_text("not NetCDF")
    xr.Dataset({"x": ("a", [1.0])}).to_netcdf(tmp_path / "foreign.nc", engine="h5netcdf")
    for name, said in (("text.nc", "not NetCDF"), ("foreign.nc", "no format"), ("absent.nc", "no such file")):
        with pytest.raises(InputError, match=said) as found:
            read_population(tmp_path / name)
        assert len(found.value.problems) == 1


def test_reading_the_files_recovers_the_people(tmp_path: Path) -> None:
    checkins, doses, patients = files(tmp_path)
    with doses.open("a") as more:
        more.write("lonely,2026-01-01,morphine,ER,60\n")
    found, left_out = read_people(checkins, doses, patients)
    assert [p.id for p in found] == [p.id for p in PEOPLE]
    assert len(left_out) == 1 and "lonely" in left_out[0]
    r = found[0].reports
    assessed = r.assessed[r.slot]
    np.testing.assert_array_equal(r.y[~assessed], PEOPLE[0].reports.y)
    assert list(r.y[assessed]) == [6.0] and list(r.day[assessed]) == [0]  # pain at the start
    assert found[0].failed_tapers == 1 and found[0].assessed == {"pain": 6.0}
    assert found[1].traits["mood_disorder"] == 1.0 and "log_use" in found[1].traits


def test_a_row_of_the_patients_file_without_doses_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkins, doses, patients = files(tmp_path)
    with patients.open("a") as more:
        more.write("stranger,0,5,0\n")
    out = tmp_path / "p.nc"
    asked = ["fit", str(checkins), "--doses", str(doses), "--patients", str(patients), "--out", str(out)]
    assert main(asked) == WRONG_INPUT and not out.exists()
    assert "stranger" in capsys.readouterr().err
    assert main([*asked, "--draws", "0", "--person-draws", "100"]) == WRONG_INPUT
    assert len(capsys.readouterr().err.strip().splitlines()) == 2


# -- the model ---------------------------------------------------------------------------------------------------------

DRAWS = draws_of(PEOPLE, DEFAULT_POPULATION, 512, 1, missing=False)


def marginal(h: Hyper, robust: bool = False) -> float:
    """Log marginal likelihood of everybody, from the draws."""
    return float(DRAWS.log_marginal(h, robust).sum())


def test_the_marginal_likelihood_equals_the_evidence_under_other_populations() -> None:
    """The change of the log marginal likelihood equals that of the evidence of each person under the population.

    One person has failed tapers, and one population has a trait with an effect.
    """
    people = [replace(PEOPLE[0], failed_tapers=3), *PEOPLE[1:]]
    draws = draws_of(people, DEFAULT_POPULATION, 1024, 1, missing=False)
    start = start_of(draws)
    for other in (
        Hyper(start.centre + 0.3 * start.spread, 0.9 * start.spread, start.drift_sd * 1.2, start.effect),
        start._replace(drift_sd=start.drift_sd * 1.4),
        start._replace(effect=start.effect + 0.9),
    ):
        exact = [
            sum(posterior_of(p.evidence(as_population(draws, h)), 1024, 9).log_evidence for p in people)
            for h in (start, other)
        ]
        found = float((draws.log_marginal(other) - draws.log_marginal(start)).sum())
        assert found == pytest.approx(exact[1] - exact[0], abs=0.06 * N_PEOPLE**0.5)


@pytest.mark.parametrize("robust", [False, True])
def test_densities_of_draws_are_those_of_the_distributions_named(robust: bool) -> None:
    """Against scipy, a trait and the pieces of drift included; the constant of the Student t is left out."""
    start = start_of(DRAWS)
    h = Hyper(start.centre + 0.2, 1.3 * start.spread, start.drift_sd * 0.7, start.effect + 0.4)
    q = 1
    mean = h.centre + DRAWS.sigma * float(DRAWS.trait[q] @ h.effect)
    of = t_distribution(4.0) if robust else norm()
    off = (DRAWS.x[q] - mean) / h.spread
    normal, jacobian = off.copy(), np.log(h.spread) * np.ones_like(off)
    for key, bend in (("beta_opioid", 1.0), ("xi", 0.5)):  # centre + spread sinh(bend z) / bend
        k = DRAWS.keys.index(key)
        normal[:, k] = np.arcsinh(bend * off[:, k]) / bend
        jacobian[:, k] += np.log(np.cosh(bend * normal[:, k]))
    levels = [DRAWS.keys.index(domain) for domain in ("pain", "distress", "insomnia", "function")]
    if robust:
        normal[:, levels] = np.linalg.solve(np.linalg.cholesky(SET_POINT_CORRELATION), normal[:, levels].T).T
        expect = of.logpdf(normal).sum(axis=1)
    else:
        others = [k for k in range(len(DRAWS.keys)) if k not in levels]
        expect = of.logpdf(normal[:, others]).sum(axis=1)
        expect += multivariate_normal(np.zeros(4), SET_POINT_CORRELATION).logpdf(normal[:, levels])
    expect -= jacobian.sum(axis=1)
    prior, z = DRAWS.posteriors[q].prior, DRAWS.posteriors[q].z
    drifts = [k for k, name in enumerate(prior.names) if name.startswith("drift_")]
    assert drifts
    expect += norm(0.0, h.drift_sd).logpdf(z[:, drifts] * prior.sd[drifts]).sum(axis=1)
    off = DRAWS.log_density(h, robust)[q] - expect
    np.testing.assert_allclose(off - off[0], 0.0, atol=1e-9)
    twice = Hyper(h.centre, 2.0 * h.spread, h.drift_sd, h.effect)
    scaled = replace(DRAWS, x=h.centre + 2.0 * (DRAWS.x - h.centre), trait=0.0 * DRAWS.trait)
    again = scaled.log_density(twice, robust) - replace(scaled, x=DRAWS.x).log_density(h, robust)
    np.testing.assert_allclose(again, -len(DRAWS.keys) * np.log(2.0), atol=1e-9)


def test_traits_are_centred_on_the_people_for_whom_they_are_known() -> None:
    given = (None, 1.0, 0.0, 0.0)
    people = [replace(PEOPLE[k], traits={} if v is None else {"mood_disorder": v}) for k, v in enumerate(given)]
    draws = draws_of(people, DEFAULT_POPULATION, 64, 1, missing=False)
    assert draws.trait_centre == pytest.approx([1 / 3])
    np.testing.assert_allclose(draws.trait[:, 0], [0.0, 2 / 3, -1 / 3, -1 / 3])
    population = as_population(draws, start_of(draws)._replace(effect=np.array([0.6])))
    sigma = [float(person.evidence(population).prior.mean[0]) for person in people]
    np.testing.assert_allclose(np.array(sigma) - sigma[0], 0.6 * draws.trait[:, 0])


def test_an_assessment_counts_once() -> None:
    """Pain is a report of day 0 already; withdrawal counts as one report of the value."""
    assessed = {"pain": 3.0, "sows_gossop": 5.0}
    with_one = draws_of([replace(PEOPLE[0], assessed=assessed)], DEFAULT_POPULATION, 64, 1, missing=False)
    without = draws_of([PEOPLE[0]], DEFAULT_POPULATION, 64, 1, missing=False)
    log_s0 = without.x[0, :, without.keys.index("s0")]
    expect = -0.5 * ((log_s0 - np.log(5.0)) / ASSESSED_LOG_S0) ** 2
    np.testing.assert_allclose(with_one.log_weight[0] - without.log_weight[0], expect, atol=1e-9)


def test_draws_are_values_of_the_reference_population() -> None:
    """Of everybody and every value, on its scale: heavy tails, correlated set points and the shift by traits."""
    posterior = DRAWS.posteriors[0]
    for k, key in enumerate(DRAWS.keys):
        x = DRAWS.x[0, :, k]
        expect = posterior.of(key)
        if VALUE_PRIORS[key].is_log:
            x = np.exp(x)
        if key == "xi":
            x = x / (1.0 + x / XI_BOUND)
        np.testing.assert_allclose(x, expect, rtol=1e-9)


@pytest.mark.parametrize("robust", [False, True])
def test_the_pymc_model_is_the_marginal_likelihood_and_its_hyperpriors(robust: bool) -> None:
    model = hierarchy.model_of(DRAWS, robust)
    with pytensor.config.change_flags(cxx=""):
        mode = Mode("vm_nogc", None)
        log_density = pytensor.function(model.value_vars, model.logp(), mode=mode)
        gradient = pytensor.function(model.value_vars, model.dlogp(), mode=mode)
    rng = np.random.default_rng(2)
    k = len(DRAWS.keys)
    sizes = {"centre_z": k, "spread_z": k, "drift_z": (), "effect_z": len(DRAWS.traits)}
    assert {v.name for v in model.value_vars} == set(sizes)
    values = {name: 0.4 * np.asarray(rng.standard_normal(size)) for name, size in sizes.items()}
    points = [values, {name: np.zeros_like(x) for name, x in values.items()}]
    found = [float(log_density(*(point[v.name] for v in model.value_vars))) for point in points]
    centre, sd, spread = hierarchy.prior_centres(DRAWS.keys)
    mine = []
    for point in points:
        h = Hyper(
            centre + sd * point["centre_z"],
            spread * np.exp(hierarchy.SPREAD_LOG_SD * point["spread_z"]),
            hierarchy.DRIFT_SD * np.exp(hierarchy.DRIFT_LOG_SD * point["drift_z"]),
            hierarchy.TRAIT_SD * point.get("effect_z", np.zeros(0)),
        )
        mine.append(marginal(h, robust) - 0.5 * sum(float(np.sum(x**2)) for x in point.values()))
    assert found[0] - found[1] == pytest.approx(mine[0] - mine[1], rel=1e-8)
    names = [v.name for v in model.value_vars]
    along = {name: np.asarray(rng.standard_normal(size)) for name, size in sizes.items()}
    there, back = ([values[n] + step * along[n] for n in names] for step in (1e-5, -1e-5))
    slope = float(gradient(*(values[n] for n in names)) @ np.concatenate([np.ravel(along[n]) for n in names]))
    assert slope == pytest.approx((float(log_density(*there)) - float(log_density(*back))) / 2e-5, rel=1e-5)


@pytest.mark.parametrize("robust", [False, True])
def test_the_compiled_sum_and_its_gradient_are_those_of_the_readable_one(robust: bool) -> None:
    """The sum to rounding, its slopes against central differences of the NumPy sum."""
    start = start_of(DRAWS)
    shifted = Hyper(start.centre + 0.4 * start.spread, 0.8 * start.spread, start.drift_sd * 1.3, start.effect + 0.2)

    def compiled(h: Hyper) -> tuple[float, Floats]:
        found = log_marginal_likelihood(
            *data_of(DRAWS).values(), h.centre, h.spread, float(h.drift_sd), h.effect, robust
        )
        return found[0], np.concatenate([np.atleast_1d(slope) for slope in found[1:]])

    def moved(h: Hyper, k: int, step: float) -> Hyper:
        x = np.concatenate([np.atleast_1d(part) for part in h])
        x[k] += step
        n = len(h.centre)
        return Hyper(x[:n], x[n : 2 * n], x[2 * n], x[2 * n + 1 :])

    assert len(start.effect) == 1 and not np.allclose(DRAWS.trait, 0.0)
    for h in (start, shifted):
        total, slopes = compiled(h)
        assert total == pytest.approx(marginal(h, robust), abs=1e-8)
        step = 1e-5
        expect = [
            (marginal(moved(h, k, step), robust) - marginal(moved(h, k, -step), robust)) / (2 * step)
            for k in range(len(slopes))
        ]
        np.testing.assert_allclose(slopes, expect, rtol=1e-5, atol=1e-5)


def test_the_mode_increases_the_target() -> None:
    h = start_of(DRAWS)

    def target(h: Hyper) -> float:
        centre, sd, spread = hierarchy.prior_centres(DRAWS.keys)
        prior = ((h.centre - centre) / sd) ** 2
        prior = prior.sum() + (np.log(h.spread / spread) ** 2).sum() / hierarchy.SPREAD_LOG_SD**2
        prior += float(np.log(h.drift_sd / hierarchy.DRIFT_SD)) ** 2 / hierarchy.DRIFT_LOG_SD**2
        return marginal(h) - 0.5 * float(prior + (h.effect**2).sum() / hierarchy.TRAIT_SD**2)

    better = mode_of(DRAWS, h, robust=False)
    again = mode_of(DRAWS, better, robust=False)
    first, second = target(better) - target(h), target(again) - target(better)
    assert first > 0.5 and 0.0 <= second < 0.5 * first


def test_robust_gives_an_outlying_person_less_weight() -> None:
    taught = DRAWS.keys.index("function")
    off = 6.0 * start_of(DRAWS).spread[taught] * (np.arange(N_PEOPLE) == 0)[:, None]
    x = DRAWS.x.copy()
    x[:, :, taught] += off
    far = replace(DRAWS, x=x)
    moved = {
        robust: mode_of(far, start_of(far), robust).centre - mode_of(DRAWS, start_of(DRAWS), robust).centre
        for robust in (False, True)
    }
    assert 0 < moved[True][taught] < 0.8 * moved[False][taught]


def test_missed_days_make_draws_with_distress_likelier() -> None:
    """A person without answers after a reduction: draws in which distress rises then get more weight."""
    person = PEOPLE[0]
    posterior = posterior_of(person.evidence(DEFAULT_POPULATION), 64, 1)
    day = person.reports.day
    keep = (day <= 15) | (day == day.max())
    fewer = person.reports._replace(
        **{
            n: getattr(person.reports, n)[keep]
            for n in ("day", "slot", "y", "low", "high", "rounding", "interval", "window")
        }
    )
    gone = log_chance_of_answering(replace(person, reports=fewer), posterior)
    here = log_chance_of_answering(person, posterior)
    rise = np.array(
        [
            (latent[16 : day.max(), at.M] - latent[0, at.M]).mean()
            for latent in (at.course(v, at.couplings(), person.regimen) for v in posterior.values())
        ]
    )
    assert np.corrcoef(gone - here, rise)[0, 1] > 0.8 and (here < 0).all()


# -- the prior of one person -------------------------------------------------------------------------------------------


def test_the_shipped_table_is_what_its_script_writes() -> None:
    table = Path(__file__).parents[3] / "taper_sim" / "tables" / "population.csv"
    assert table.read_text(encoding="utf-8") == default_table()
    for key in VALUE_PRIORS:
        assert DEFAULT_POPULATION.of(key) == pytest.approx(PopulationPrior().of(key), rel=1e-9, abs=1e-9)
    assert "not calibrated" in DEFAULT_POPULATION.origin


def test_failed_tapers_and_traits_move_a_fitted_centre() -> None:
    fitted = PopulationPrior(
        centre={"sigma_opioid": 0.5}, sd={"sigma_opioid": 0.4}, traits={"mood_disorder": Trait(0.3, 0.1, 0.4)}
    )

    def mean(failed: int, traits: dict[str, float]) -> float:
        return float(prior_of(OPIOID, 0, failed_tapers=failed, population=fitted, traits=traits).mean[0])

    assert mean(0, {}) == 0.5
    assert mean(2, {}) == pytest.approx(0.5 + 2 * np.log(1.15))
    assert mean(0, {"mood_disorder": 1.0}) == pytest.approx(0.5 + 0.3 * 0.6)
    assert prior_of(OPIOID, 0, population=fitted, traits={"mood_disorder": 1.0}).sd[0] == pytest.approx(
        np.hypot(0.4, 0.06)
    )


def test_people_on_buprenorphine_have_centres_of_their_own() -> None:
    """A population of people on full agonists has no information on an effect level in mg of buprenorphine."""
    fitted = PopulationPrior(centre={"EC50_opioid": np.log(150.0), "sigma_opioid": 0.9})
    agonist, partial = (prior_of(OPIOID, 0, population=fitted, buprenorphine=b) for b in (False, True))
    k = agonist.names.index("EC50_opioid")
    assert agonist.mean[k] == np.log(150.0) and partial.mean[k] == np.log(2.4)
    assert partial.mean[partial.names.index("sigma_opioid")] == 0.9


RECOVERY = Path(__file__).parents[3] / "docs" / "tables" / "population_recovery.csv"


@pytest.mark.skipif(not RECOVERY.exists(), reason="docs/progress.md: to be computed again")
def test_the_recovery_table_comes_from_this_code_and_its_intervals_have_their_coverage() -> None:
    """Else: ``python -m taper_sim.studies.recovery --out docs/tables/population_recovery.csv``."""
    table = pd.read_csv(RECOVERY)
    assert set(table["code"]) == {recovery.code_hash()}
    assert table["trusted"].all() and (table["rhat"] < 1.01).all() and (table["ess"] > 400).all()
    drawn = table[table["truths"] == recovery.DRAWN]
    assert drawn["seed"].nunique() >= 2 and (drawn["n_people"] >= 60).all()
    # a count outside these limits happens once in a thousand times if intervals of 90 % are what they say
    low, high = binom.ppf((0.0005, 0.9995), len(drawn), 0.9)
    assert low <= drawn["inside"].sum() <= high
    assert kstest(drawn["rank"], "uniform").pvalue > 0.001
