"""What a clinic run says on people's time, in sentences for the committee. Imports ``report.clinic_page``."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from taper_sim.data.problems import problem, shown
from taper_sim.experiments.clinic_run import KIND
from taper_sim.report.clinic_page import texts_table
from taper_sim.report.methods import listed
from taper_sim.report.run_tables import rows_where
from taper_sim.report.wording import count, name_text, number_text
from taper_sim.run_folder import MANIFEST_FILE, read_record


def clinic_cost(folder: Path) -> tuple[str, ...]:
    """Staff that a clinic's patients keep busy, and the cost, for each protocol of a clinic run.

    Parameters
    ----------
    folder : Path
        Output folder of a finished clinic run.

    Raises
    ------
    InputError
        If it is no finished clinic run.
    """
    manifest = read_record(folder / MANIFEST_FILE, {"kind": str}, "the folder of a finished clinic run")
    if manifest["kind"] != KIND:
        raise problem("--clinic", "", f"a run of {shown(manifest['kind'])}", "the folder of a clinic run")
    return tuple(staff_sentences(texts_table(folder / "service.csv"), manifest))


def staff_sentences(table: pd.DataFrame, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Full-time staff that the patients keep busy, and the cost; a sentence or two a protocol.

    Parameters
    ----------
    table : DataFrame
        ``service.csv``.
    manifest : mapping
    """
    service = rows_where(table, subgroup="all", work="")
    patients = int(manifest["patients"]["n"])
    fte = {str(role): float(number) for role, number in manifest["team"].get("fte", {}).items()}
    for protocol in (str(name) for name in manifest["protocols"]):
        busy = rows_where(service, protocol=protocol, metric="utilisation")
        staff = {
            str(role): share * fte[str(role)]
            for role, share in zip(busy["role"], busy["mean"], strict=True)
            if str(role) in fte
        }
        if not staff:
            yield f"The clinic run has unlimited staff under {protocol}, so it has no staff hours."
            continue
        largest = sorted(staff, key=lambda role: -staff[role])[:3]
        named = listed([f"{name_text(role)} {number_text(staff[role])}" for role in largest])
        yield (
            f"{count(patients, 'patient')} under {protocol} keep {number_text(sum(staff.values()))} full-time staff "
            f"busy (most: {named}), of a team of {number_text(sum(fte.values()))}."
        )
        cost = rows_where(service, protocol=protocol, metric="cost")
        if len(cost):
            yield f"The team costs {number_text(float(cost['mean'].iloc[0]), 0)} USD a patient and 30 days."
