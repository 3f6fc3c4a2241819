"""The PyTensor graph is the compiled likelihood: the same number, and the gradient that NUTS needs."""

from collections.abc import Callable

import numpy as np
import pytensor
import pytest

from taper_sim.data.records import CheckIn
from taper_sim.inference import course as at
from taper_sim.inference.course import Regimen
from taper_sim.inference.observation import PLACES, reports_of, weekends
from taper_sim.inference.posterior import Evidence
from taper_sim.inference.prior import Prior, prior_of
from taper_sim.studies.dense_normal import without_intervals
from taper_sim.studies.pytensor_graph import log_likelihood_graph, log_posterior_graph, pymc_model_of, values_graph
from taper_sim.studies.simulated_people import person_of, tapered, until, written

N_DAYS = 12
# Everything interpreted: what is tested is the graph, and compiling it for one point would take minutes.
INTERPRETED = pytensor.compile.mode.Mode("vm_nogc", None)


def regimen(dose: tuple[float, float, float], n_days: int = N_DAYS) -> Regimen:
    """Three classes, cut by a fifth on days 5 and 11; the opioid is rotated on day 11."""
    one = until(tapered(20.0, n_days), n_days)
    day = np.arange(n_days + 1)
    left = np.where(day < 5, 1.0, np.where(day < 11, 0.8, 0.6))
    return one._replace(
        dose=left[:, None] * np.array(dose),
        cut=np.isin(day, (5, 11)) * 2.5,
        removed=(1.0 - left)[:, None] * (np.array(dose) > 0),
        taken=np.array(dose) > 0,
        decay_g=np.repeat(one.decay_g[:, :1], 3, axis=1),
        shape=np.repeat(one.shape[:, :1], 3, axis=1),
        use_days=np.array([400.0, 30.0, 90.0]),
        rotated=(day == 11).astype(float),
        adjunct=np.where(day >= 8, 0.3, 0.0)[:, None] * np.array([1.0, 0.0, 0.0]),
    )


def evidence(
    dose: tuple[float, float, float],
    instruments: tuple[str, ...],
    seed: int,
    n_days: int = N_DAYS,
    assessed: bool = False,
) -> Evidence:
    """A person who answers on some days, without reports that are intervals."""
    luck = np.random.default_rng(seed)
    doses = regimen(dose, n_days)
    prior = prior_of((dose[0] > 0, dose[1] > 0, dose[2] > 0), 1, instruments)
    values = prior.values(luck.standard_normal((1, len(prior.names))) * 0.5)[0]
    found = written(values, at.couplings(), doses, instruments, luck.random(n_days + 1) < 0.6, luck)
    if "withdrawal_item" in instruments:  # low scores are intervals
        day0 = found[0][1].day
        found = [item for item in found if item[1].instrument != "withdrawal_item"]
        found += [(day, CheckIn(day0, "withdrawal_item", 5.0)) for day in (4, 10, 12)]
    last_cut = np.where(np.arange(n_days + 1) < 11, 0, 1)
    at_start = {"pain": 6.5, "distress": 0.4, "insomnia": 0.5, "function": 41.0} if assessed else {}
    laid = reports_of(found, last_cut, weekends(found[0][1].day, n_days), at_start)
    return Evidence(prior, at.couplings(), doses, without_intervals(laid))


def interpreted(make: Callable[[], tuple[list[pytensor.Variable], list[pytensor.Variable]]]) -> Callable[..., list]:
    with pytensor.config.change_flags(cxx=""):
        return pytensor.function(*make(), mode=INTERPRETED)


def slope(of: Callable[[np.ndarray], np.ndarray], z: np.ndarray, step: float = 1e-5) -> np.ndarray:
    each = step * np.eye(len(z))
    return np.asarray((of(z + each) - of(z - each)) / (2 * step))


CASES = {
    "one class, five scales a day, as most people": (
        (90.0, 0.0, 0.0),
        ("sows_gossop", "pain_nrs", "mood_item", "sleep_item", "function"),
    ),
    "three classes, weeks, wearables": (
        (90.0, 20.0, 300.0),
        ("peg", "phq9", "isi", "cows", "craving", "bwsq", "pwc", "withdrawal_item", "steps", "sleep_hours"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_graph_is_the_compiled_likelihood(case: str) -> None:
    """A filter on one side, one dense normal on the other."""
    dose, instruments = CASES[case]
    found = evidence(dose, instruments, seed=5, n_days=14 if "peg" in instruments else N_DAYS, assessed=True)
    seen = {PLACES[place].name for place in found.reports.place[np.unique(found.reports.slot)]}
    assert seen >= set(instruments) | {"assessed_pain", "assessed_function"}

    def make() -> tuple[list[pytensor.Variable], list[pytensor.Variable]]:
        z, total = log_posterior_graph(found, INTERPRETED)
        return [z], [total]

    graph = interpreted(make)
    luck = np.random.default_rng(6)
    for spread in (0.3, 1.0, 2.0):
        z = spread * luck.standard_normal(len(found.prior.names))
        assert abs(graph(z)[0] - found.log_posterior(z)[0][0]) < 1e-6


def test_a_report_at_an_end_of_its_scale_is_refused() -> None:
    whole = person_of("floors", "opioid", 10.0, 28, np.random.default_rng(1)).evidence
    assert whole.reports.interval.any()
    with pytest.raises(ValueError, match="interval"):
        log_posterior_graph(whole)


@pytest.mark.slow
def test_the_gradient_is_that_of_the_compiled_likelihood() -> None:
    found = evidence((90.0, 0.0, 0.0), ("sows_gossop", "pain_nrs", "sleep_item"), seed=5, n_days=8)

    def make() -> tuple[list[pytensor.Variable], list[pytensor.Variable]]:
        z, total = log_posterior_graph(found, INTERPRETED)
        return [z], [pytensor.grad(total, z)]

    graph = interpreted(make)
    z = 0.5 * np.random.default_rng(6).standard_normal(len(found.prior.names))
    exact = slope(lambda zs: found.log_posterior(zs)[0], z)
    np.testing.assert_allclose(graph(z)[0], exact, rtol=1e-5, atol=1e-6 * np.abs(exact).max())
    far = graph(np.full(len(z), 4.0))[0]
    assert np.isfinite(far).all()


def test_the_pymc_model_is_the_same_posterior() -> None:
    """PyMC adds the normalising constant of the prior, which the compiled likelihood leaves out."""
    found = evidence((90.0, 0.0, 0.0), ("sows_gossop", "pain_nrs"), seed=5, n_days=8)
    d = len(found.prior.names)
    model = pymc_model_of(found, INTERPRETED)
    assert [len(model.coords["value"]), *(v.name for v in model.free_RVs)] == [d, "z"]

    def make() -> tuple[list[pytensor.Variable], list[pytensor.Variable]]:
        return [model.rvs_to_values[model["z"]]], [model.logp()]

    graph = interpreted(make)
    z = 0.5 * np.random.default_rng(6).standard_normal(d)
    np.testing.assert_allclose(graph(z)[0], found.log_posterior(z)[0][0] - 0.5 * d * np.log(2 * np.pi), rtol=1e-10)


def test_people_side_by_side_are_the_people_one_by_one() -> None:
    """Other classes, instruments, lengths of record: nobody's reports change because of another's."""
    people = [
        evidence((90.0, 0.0, 0.0), ("sows_gossop", "pain_nrs"), 1),
        evidence((60.0, 20.0, 0.0), ("pain_nrs", "craving", "phq9"), 2, n_days=14),
    ]
    luck = np.random.default_rng(8)
    zs = [luck.standard_normal(len(e.prior.names)) for e in people]
    priors: list[Prior] = [e.prior for e in people]
    names = list(dict.fromkeys(name for p in priors for name in p.names))
    natural = {
        name: np.array(
            [
                p.natural(z[None])[0][p.names.index(name)] if name in p.names else 1.0
                for p, z in zip(priors, zs, strict=True)
            ]
        )
        for name in names
    }

    def make() -> tuple[list[pytensor.Variable], list[pytensor.Variable]]:
        given = {name: pytensor.tensor.as_tensor(x) for name, x in natural.items()}
        return [], [log_likelihood_graph(values_graph(given, priors), people, INTERPRETED)]

    (total,) = interpreted(make)()
    alone = [e.log_posterior(z)[0][0] + 0.5 * z @ z for e, z in zip(people, zs, strict=True)]
    np.testing.assert_allclose(total, alone, rtol=1e-10)
