"""Counter-based random draws: a draw is a function of (seed, patient, day, call). Imports nothing of the package.

Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", SC11). The key is the
64-bit seed, the counter is (patient low, patient high, day, call), the result four 32-bit words. Nothing is consumed,
so protocols on one seed share their luck person by person, and the bits do not depend on threads, chunks or restarts.
The body is written on unsigned 64-bit words that hold 32-bit values: it serves NumPy and, registered, the kernel.
"""

import hashlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taper_sim.array_types import Floats

RandomWords = NDArray[np.uint64]

_MASK: Final = np.uint64(0xFFFFFFFF)
_SHIFT: Final = np.uint64(32)
_M0: Final = np.uint64(0xD2511F53)
_M1: Final = np.uint64(0xCD9E8D57)
_W0: Final = np.uint64(0x9E3779B9)
_W1: Final = np.uint64(0xBB67AE85)

#: Days before the first that a draw may name: what belongs to the person and not to a day.
DAY_PERSON: Final = 0xFFFFFFFF
#: "Patient" of draws that belong to the ensemble of parameters and to no patient.
ENSEMBLE: Final = 0xFFFFFFFFFFFFFFFF


def philox_round(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """One round of Philox4x32 on unsigned 64-bit values below 2^32."""
    p0 = _M0 * c0
    p1 = _M1 * c2
    return (p1 >> _SHIFT) ^ c1 ^ k0, p1 & _MASK, (p0 >> _SHIFT) ^ c3 ^ k1, p0 & _MASK


def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Philox4x32-10: four words from counter ``c0..c3`` and key ``k0, k1`` (uint64 holding 32 bits each).

    The rounds are written out: a loop inside the kernel's loop over lanes would keep it from vectorising.
    """
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return philox_round(c0, c1, c2, c3, k0, k1)


def uniform(word: Any) -> Any:
    """Number in (0, 1) from a 32-bit word: ``(word + 1/2) / 2^32``, never 0 or 1."""
    return (word + 0.5) * 2.3283064365386963e-10


def split(key: Any) -> tuple[Any, Any]:
    """Low and high 32 bits of 64-bit values, as uint64."""
    wide = np.asarray(key, dtype=np.uint64)
    return wide & _MASK, wide >> _SHIFT


def words(seed: int, patient: Any, day: Any, call: Any) -> tuple[RandomWords, RandomWords, RandomWords, RandomWords]:
    """Four words for each patient (or day, or call; the arguments broadcast).

    Parameters
    ----------
    seed : int
        0 to 2^64 − 1.
    patient : int or ndarray of uint64
        Key of the patient, see :func:`patient_key`.
    day, call : int or ndarray
        Day of the study and number of the call within the day, each below 2^32.
    """
    k0, k1 = split(seed)
    low, high = split(patient)
    low, high, day_, call_ = np.broadcast_arrays(low, high, np.uint64(day), np.uint64(call))
    return philox(low, high, day_, call_, k0, k1)


def normal_pair(word0: RandomWords, word1: RandomWords) -> tuple[Floats, Floats]:
    """Two independent standard normals from two words (Box and Muller 1958)."""
    radius = np.sqrt(-2.0 * np.log(uniform(word0)))
    angle = 2.0 * np.pi * uniform(word1)
    return radius * np.cos(angle), radius * np.sin(angle)


def person_normals(seed: int, patient: Any, n: int, *, first_call: int = 0) -> Floats:
    """Standard normals that belong to people and not to a day, shape (n_patients, n).

    Column j of a patient depends on ``first_call`` and j alone, so a longer list changes none of the earlier columns.
    """
    keys = np.atleast_1d(np.asarray(patient, dtype=np.uint64))
    columns: list[Floats] = []
    for call in range(first_call, first_call + (n + 3) // 4):
        w0, w1, w2, w3 = words(seed, keys, DAY_PERSON, call)
        columns += [*normal_pair(w0, w1), *normal_pair(w2, w3)]
    return np.stack(columns[:n], axis=1)


def person_uniforms(seed: int, patient: Any, n: int, *, first_call: int = 0, day: int = DAY_PERSON) -> Floats:
    """Uniforms in (0, 1) that belong to people and, unless one is given, not to a day, shape (n_patients, n)."""
    keys = np.atleast_1d(np.asarray(patient, dtype=np.uint64))
    columns = [
        uniform(word) for call in range(first_call, first_call + (n + 3) // 4) for word in words(seed, keys, day, call)
    ]
    return np.stack(columns[:n], axis=1)


def patient_key(patient_id: str) -> int:
    """64-bit key of a patient from the id alone (BLAKE2b), so that no other row can change it."""
    return int.from_bytes(hashlib.blake2b(patient_id.encode(), digest_size=8).digest(), "little")
