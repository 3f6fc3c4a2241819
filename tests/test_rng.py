"""Draws: the published words, the moments of the normals, and that nothing but the arguments matters."""

import numpy as np
import pytest

from taper_sim import rng
from taper_sim.model import reference_events

DAYS, PEOPLE = 200, 1500


def keys(n: int) -> np.ndarray:
    return np.array([rng.patient_key(f"patient {k}") for k in range(n)], dtype=np.uint64)


@pytest.fixture(scope="module")
def normals() -> np.ndarray:
    """Normals of consecutive days, (DAYS, PEOPLE, 17): day factor, eight white, eight slow."""
    days = [reference_events.draw(11, keys(PEOPLE), day) for day in range(1, DAYS + 1)]
    return np.stack([np.column_stack([d.day_factor, d.white, d.slow]) for d in days])


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def bound(n: int) -> float:
    """Five standard errors of a correlation, or of a mean of standard normals, of n independent draws."""
    return 5.0 / np.sqrt(n)


# Salmon and others 2011: Random123, tests/kat_vectors, philox4x32-10.
@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_published_words(
    counter: tuple[int, ...], key: tuple[int, ...], words: tuple[int, ...]
) -> None:
    with np.errstate(over="ignore"):  # scalars warn where arrays wrap; the wrap is the algorithm
        got = rng.philox(*(np.uint64(c) for c in counter), *(np.uint64(k) for k in key))
    assert tuple(int(w) for w in got) == words


def test_a_word_is_a_function_of_seed_patient_day_and_call_in_that_place() -> None:
    patient, seed = 0x85A308D3243F6A88, 0x299F31D0A4093822
    got = rng.words(seed, patient, 0x13198A2E, 0x03707344)
    assert tuple(int(w) for w in got) == (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)
    for changed in (
        (seed + 1, patient, 3, 4),
        (seed + 2**32, patient, 3, 4),
        (seed, patient + 1, 3, 4),
        (seed, patient ^ 2**40, 3, 4),
        (seed, patient, 4, 4),
        (seed, patient, 3, 5),
    ):
        assert int(rng.words(*changed)[0]) != int(rng.words(seed, patient, 3, 4)[0])


def test_a_uniform_is_never_zero_or_one_and_fills_the_interval_evenly() -> None:
    ends = rng.uniform(np.array([0, 2**32 - 1], dtype=np.uint64))
    assert 0.0 < ends[0] < 1e-9 and 1.0 - 1e-9 < ends[1] < 1.0
    u = rng.person_uniforms(4, keys(PEOPLE), 40).ravel()
    counts = np.bincount((u * 50).astype(int), minlength=50)
    expected = len(u) / 50
    assert np.sum((counts - expected) ** 2 / expected) < 49 + 5 * np.sqrt(2 * 49)


def test_the_normals_have_the_moments_of_a_standard_normal(normals: np.ndarray) -> None:
    n = normals[:, :, 0].size
    for stream in range(normals.shape[2]):
        z = normals[:, :, stream]
        assert abs(z.mean()) < bound(n)
        assert abs(z.var() - 1.0) < np.sqrt(2.0) * bound(n)
        assert abs((z**3).mean()) < np.sqrt(15.0) * bound(n)
        assert abs((z**4).mean() - 3.0) < np.sqrt(96.0) * bound(n)


def test_the_normals_of_one_day_say_nothing_of_another(normals: np.ndarray) -> None:
    for lag in (1, 2, 7, 28):
        for stream in range(normals.shape[2]):
            a, b = normals[lag:, :, stream], normals[:-lag, :, stream]
            assert abs(correlation(a, b)) < bound(a.size), (lag, stream)
            assert abs(correlation(a**2, b**2)) < bound(a.size), (lag, stream)


def test_the_normals_of_one_stream_say_nothing_of_another(normals: np.ndarray) -> None:
    z = normals.reshape(-1, normals.shape[2])
    for values in (z, z**2):
        table = np.corrcoef(values, rowvar=False)
        assert np.max(np.abs(table - np.eye(len(table)))) < bound(len(z))
    a, b = normals[1:].reshape(-1, z.shape[1]), normals[:-1].reshape(-1, z.shape[1])
    between = np.corrcoef(a, b, rowvar=False)[: z.shape[1], z.shape[1] :]
    assert np.max(np.abs(between)) < bound(len(a))


def test_the_normals_of_one_patient_say_nothing_of_another(normals: np.ndarray) -> None:
    by_patient = normals.transpose(1, 0, 2).reshape(PEOPLE, -1)
    table = np.corrcoef(by_patient[:300])
    assert np.max(np.abs(table - np.eye(300))) < 1.2 * bound(by_patient.shape[1])  # of 45,000 pairs
    assert abs(correlation(normals[:, 1:], normals[:, :-1])) < bound(normals[:, 1:].size)


def test_patients_with_neighbouring_keys_are_strangers_too() -> None:
    days = np.arange(4000, dtype=np.uint64)[:, None]
    w0, w1, _, _ = rng.words(3, np.arange(8, dtype=np.uint64)[None, :], days, 0)
    z = np.column_stack(rng.normal_pair(w0, w1))
    assert np.max(np.abs(np.corrcoef(z, rowvar=False) - np.eye(16))) < bound(4000)


def test_two_seeds_have_nothing_in_common() -> None:
    a, b = (rng.person_normals(seed, keys(PEOPLE), 40) for seed in (1, 2))
    assert abs(correlation(a, b)) < bound(a.size)


@pytest.mark.parametrize("make", [rng.person_normals, rng.person_uniforms])
def test_more_columns_change_none_of_the_earlier_ones(make: object) -> None:
    long = make(5, keys(20), 23)  # type: ignore[operator]
    for n in (1, 4, 7, 22):
        np.testing.assert_array_equal(make(5, keys(20), n), long[:, :n])  # type: ignore[operator]
    np.testing.assert_array_equal(make(5, keys(20), 3, first_call=2), long[:, 8:11])  # type: ignore[operator]


def test_one_patient_more_changes_nobody_else() -> None:
    few, many = keys(20), keys(21)[::-1]
    for make in (rng.person_normals, rng.person_uniforms):
        np.testing.assert_array_equal(make(5, few, 9), make(5, many, 9)[::-1][:20])
    a, b = reference_events.draw(5, few, 3), reference_events.draw(5, many, 3)
    np.testing.assert_array_equal(a.white, b.white[::-1][:20])
    np.testing.assert_array_equal(a.uniform["visit"], b.uniform["visit"][::-1][:20])


def test_what_belongs_to_a_person_is_on_no_day_of_a_study() -> None:
    assert rng.DAY_PERSON > 365 * 200
    key = keys(1)
    person = rng.person_normals(5, key, 1)[0, 0]
    assert all(reference_events.draw(5, key, day).day_factor[0] != person for day in range(1000))


def test_a_patient_key_depends_on_the_id_alone_and_tells_ids_apart() -> None:
    assert rng.patient_key("patient 7") == 0x83D982046D72DF49
    assert len(set(keys(5000).tolist())) == 5000
