"""The day loop of ``kernel.c``: compiled with gcc, called as ``model.kernel.advance`` is."""

import ctypes
import hashlib
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from taper_sim.model.compiled import reports, rows
from taper_sim.model.event_parameters import STREAMS

SOURCE = Path(__file__).with_name("kernel.c")
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-ffast-math", "-fopenmp-simd")


def header() -> str:
    """``rows.h``: rows as ``R_NAME``, constants of streams as ``DECAY_instrument``, coefficients as a struct."""
    numbers = {name: value for name, value in vars(rows).items() if isinstance(value, int)}
    defines = [f"#define R_{name} {value}" for name, value in numbers.items() if name.isupper()]
    for kind in ("DECAY", "INNOVATION", "OWN", "SHARED"):
        defines += [
            f"#define {kind}_{s.instrument} {value!r}" for s, value in zip(STREAMS, getattr(reports, kind), strict=True)
        ]
    return "\n".join(
        [*defines, "struct coefficients {", *(f"  double {name};" for name in rows.COEFFICIENTS), "};", ""]
    )


def compile_to(folder: Path, *more: str) -> Path:
    """Write the header, compile; the shared library. ``more`` are further arguments of gcc."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.h").write_text(header())
    library = folder / "kernel.so"
    command = ["gcc", *FLAGS, *more, "-fPIC", "-shared", f"-I{folder}", str(SOURCE), "-o", str(library), "-lm"]
    subprocess.run(command, check=True)
    return library


def load() -> Callable[..., None]:
    """The compiled ``advance``, with the arguments of the kernel's."""
    digest = hashlib.sha256((header() + SOURCE.read_text() + " ".join(FLAGS)).encode()).hexdigest()[:12]
    library = ctypes.CDLL(str(compile_to(Path(tempfile.gettempdir()) / f"taper_sim_c_{digest}")))
    pointer, word, number = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int64
    library.advance.argtypes = [pointer] * 7 + [word] * 2 + [number] * 5
    library.advance.restype = None

    def advance(
        state: Any,
        sums: Any,
        params: Any,
        coefficients: Any,
        reports: Any,
        id_low: Any,
        id_high: Any,
        seed_low: Any,
        seed_high: Any,
        first_day: int,
        last_day: int,
        chance: bool,
        record: bool,
    ) -> None:
        arrays = (state, sums, params, coefficients, reports, id_low, id_high)
        if not all(array.flags.c_contiguous for array in arrays):
            raise ValueError("the arrays must be contiguous")
        library.advance(
            *(array.ctypes.data for array in arrays),
            int(seed_low),
            int(seed_high),
            len(state),
            first_day,
            last_day,
            chance,
            record,
        )

    return advance
