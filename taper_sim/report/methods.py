"""A methods paragraph with the run's own numbers, and what every output must say of itself. Imports ``reading``."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from taper_sim import tables
from taper_sim.comparison.tables import SMALLEST_CELL
from taper_sim.report.run_tables import label_of, outcome_of

_HASH_SHOWN = 12  # letters of a hash in running text; the whole of it stands under provenance


def is_calibrated(manifest: Mapping[str, Any]) -> bool:
    """Whether the ensemble of the run was fitted to published results."""
    return bool(manifest["ensemble"]["calibrated"])


def people_are_sampled(manifest: Mapping[str, Any]) -> bool:
    """Whether the cohort was sampled; False where it was read from a file."""
    return manifest["scenario"]["cohort"].get("file") is None


def cautions(manifest: Mapping[str, Any]) -> list[str]:
    """What an output of the run must say before anything else, a sentence each."""
    review = str(manifest["clinical_review"])
    said = [*manifest.get("evidence_warnings", []), review[:1].upper() + review[1:] + "."]
    if not is_calibrated(manifest):
        said.append("Not calibrated to published results.")
    whose = "Simulated people" if people_are_sampled(manifest) else "Simulated courses of people read from a file"
    said.append(f"{whose}: predictions of a model, not observations.")
    return said


def listed(words: Sequence[str]) -> str:
    """Words joined as in a sentence."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))


def unreviewed_tables(manifest: Mapping[str, Any]) -> list[str]:
    """The tables the run used that are not reviewed in full, with how many of the used rows are."""
    return [
        f"{table['table']} ({table['reviewed']} of {table['rows']} rows reviewed)"
        for table in manifest["tables"]
        if table["status"] != tables.REVIEWED
    ]


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" + ("" if number == 1 else "s")


def _people(manifest: Mapping[str, Any]) -> str:
    n, days = int(manifest["patients"]["n"]), int(manifest["days"])
    description = str(manifest["patients"].get("description") or "").strip().rstrip(".")
    protocols = [str(name) for name in manifest["protocols"]]
    said = (
        f"We simulated {n:,} {'person' if n == 1 else 'people'} for {_count(days, 'day')} under "
        f"{_count(len(protocols), 'protocol')}: {listed(protocols)}."
    )
    if not people_are_sampled(manifest):
        said += " Their baseline was read from a file."
    return f"{said} The people: {description}." if description else said


def _draws(manifest: Mapping[str, Any]) -> str:
    ensemble = manifest["ensemble"]
    calibrated = is_calibrated(manifest)
    origin = "calibrated to published results" if calibrated else "from the prior, not calibrated to published results"
    return (
        f"Each person lived under one of {_count(int(ensemble['n_draws']), 'draw')} of the model's parameters "
        f"({origin}; ensemble {ensemble['id']}), the same under every protocol."
    )


def _luck(manifest: Mapping[str, Any], differences: pd.DataFrame) -> str:
    said = (
        "The luck was shared too: under every protocol a person met the same random numbers, addressed by person, "
        "day and purpose"
    )
    if differences.empty:
        return f"{said}."
    return (
        f"{said}, so that a difference, protocol minus {manifest['reference']}, was taken person by person and has "
        "less Monte Carlo error than two groups of people would give."
    )


def _intervals(manifest: Mapping[str, Any], differences: pd.DataFrame) -> str:
    n_draws = int(manifest["ensemble"]["n_draws"])
    if n_draws == 1:
        said = "With a single draw, the 95 % intervals hold Monte Carlo error alone and nothing of what is not known "
        said += "about the parameters."
    else:
        said = (
            "Means are over people. The 95 % intervals are over parameter draws: the means of the "
            f"{n_draws} draws, each pulled in towards the overall mean by its own Monte Carlo error (spread between "
            "draws by moments, DerSimonian and Laird 1986), with the Monte Carlo error of all people added."
        )
    whole = differences[(differences["subgroup"] == "all") & (differences["n"] >= SMALLEST_CELL)]
    for name in ("pain_nrs_change", "withdrawal_peak", "dose_reduction_pct"):
        errors = whole.loc[whole["outcome"] == name, "mc_se"]
        outcome = outcome_of(name)
        if len(errors) and outcome is not None:
            said += (
                f" The Monte Carlo standard error of the difference in {label_of(name).removeprefix('change of ')} "
                f"was at most {errors.max():.2g} ({outcome.unit})."
            )
            break
    if not whole.empty:
        said += (
            " P(better) is the chance, over the draws, that the mean is better than the reference's; the shares "
            "better and worse are those of people whose difference exceeds the smallest important difference, or, "
            "for events, of people who had the event under one protocol only."
        )
    return said


def _outcomes(summary: pd.DataFrame, manifest: Mapping[str, Any]) -> str:
    names = [name for name in dict.fromkeys(summary["outcome"]) if not str(name).endswith("_cvar95")]
    whole = summary[(summary["subgroup"] == "all") & (summary["outcome"].isin(names))]
    said = f"The run reports {_count(len(names), 'outcome')}, one number a person each."
    n, last_day = int(manifest["patients"]["n"]), whole[whole["outcome"].isin(["pain_nrs_change", "pain_nrs"])]["n"]
    if len(last_day) and SMALLEST_CELL <= int(last_day.min()) < n:
        said += (
            f" What is read on the last day is missing for those who had died, which left at least "
            f"{int(last_day.min()):,} of {n:,} people under each protocol."
        )
    return said


def _basis(manifest: Mapping[str, Any]) -> str:
    missing = unreviewed_tables(manifest)
    if missing:
        reviewed = f"No licensed clinician has reviewed in full the tables {listed(missing)}: {tables.UNREVIEWED}."
        if len(missing) == 1:
            reviewed = reviewed.replace("the tables", "the table", 1)
    else:
        reviewed = f"The tables used are {tables.REVIEWED}."
    if str(manifest["clinical_review"]) not in reviewed:
        reviewed += f" The run as a whole is marked: {manifest['clinical_review']}."
    return reviewed


def _identity(manifest: Mapping[str, Any]) -> str:
    versions = manifest["versions"]
    own = versions.get("taper-sim", "unknown")
    others = [f"{name} {number}" for name, number in versions.items() if name != "taper-sim"]
    commit = manifest.get("git_commit")
    source = f", commit {str(commit)[:_HASH_SHOWN]}" if commit else ""
    return (
        f"Seed {manifest['seed']}; scenario hash {str(manifest['scenario_hash'])[:_HASH_SHOWN]}; taper-sim {own}"
        f"{source}" + (f", with {listed(others)}." if others else ".")
    )


def methods_paragraph(manifest: Mapping[str, Any], summary: pd.DataFrame, differences: pd.DataFrame) -> str:
    """Write the paragraph that a paper's methods section could use, with the run's numbers filled in.

    Parameters
    ----------
    manifest : mapping
        ``manifest.json``.
    summary, differences : DataFrame
        ``summary.csv`` and ``differences.csv``.

    Returns
    -------
    str
        One paragraph of plain text, not escaped for HTML.
    """
    return " ".join(
        (
            _people(manifest),
            _draws(manifest),
            _luck(manifest, differences),
            _outcomes(summary, manifest),
            _intervals(manifest, differences),
            "The numbers are predictions of a model and not observations of patients.",
            _basis(manifest),
            _identity(manifest),
        )
    )
