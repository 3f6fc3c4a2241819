"""A methods paragraph with the run's numbers, and the cautions of every output. Imports ``tables``, ``run_tables``."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from taper_sim import tables
from taper_sim.comparison.tables import FEWEST_CHANGED, FEWEST_EVENTS, FEWEST_IN_TAIL, SMALLEST_CELL
from taper_sim.report.run_tables import label_of, outcome_of
from taper_sim.simulation.ensemble import n_published_results

NOT_FITTED: Final = "Not calibrated to published results."
_HASH_SHOWN = 12  # letters of a hash in running text; the provenance table has the whole hash


def is_calibrated(manifest: Mapping[str, Any]) -> bool:
    """Whether the run's draws were fitted to published results; without their entry, by the scenario."""
    if "ensemble" not in manifest:
        return bool(manifest.get("scenario", {}).get("draws_from") == "published")
    return bool(manifest["ensemble"]["calibrated"])


def calibration_sentence(calibrated: bool) -> str:
    """Whether parameters were fitted to published results, in a sentence."""
    if calibrated:
        return f"Calibrated to {n_published_results()} published results, which leave most parameters near their prior."
    return NOT_FITTED


def people_are_sampled(manifest: Mapping[str, Any]) -> bool:
    """Whether the cohort was sampled, by the run or into the file that the run read."""
    cohort = manifest.get("scenario", {}).get("cohort", {})
    return cohort.get("file") is None or bool(cohort.get("sampled", False))


def cautions(manifest: Mapping[str, Any]) -> list[str]:
    """Cautions at the head of every output, in sentences."""
    review = str(manifest["clinical_review"])
    sentences = [*manifest.get("evidence_warnings", []), review[:1].upper() + review[1:] + "."]
    sentences.append(calibration_sentence(is_calibrated(manifest)))
    subject = "Simulated people" if people_are_sampled(manifest) else "Simulated courses of people from a file"
    sentences.append(f"{subject}: predictions of a model, not observations.")
    return sentences


def oracle_sentences(manifest: Mapping[str, Any]) -> list[str]:
    """What the policies that see the true state minimise, a sentence for each kind in the run."""
    calls = [str(entry["call"]) for entry in manifest["scenario"].get("protocols", [])]
    sentences = []
    if any(call.startswith("oracle(") for call in calls):
        sentences.append(
            "The oracle sees the true state and takes the largest cut that keeps withdrawal within its limit over the "
            "days ahead. It minimises the time to a full stop under that single limit. It weighs no pain, function, "
            "mood, crisis, overdose or death, and it is no ideal of care."
        )
    if any("sees=state" in call for call in calls):
        sentences.append(
            "The policy that sees the true state minimises the expected loss of dose, pain, function and distress over "
            "the year ahead (A44). It weighs no crisis, overdose or death."
        )
    return sentences


def listed(words: Sequence[str]) -> str:
    """Words joined with commas and *and*."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))


def unreviewed_tables(manifest: Mapping[str, Any]) -> list[str]:
    """Tables of the run without a full review, with the number of reviewed rows."""
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
    text = (
        f"We simulated {n:,} {'person' if n == 1 else 'people'} for {_count(days, 'day')} under "
        f"{_count(len(protocols), 'protocol')}: {listed(protocols)}."
    )
    if not people_are_sampled(manifest):
        text += " Their baseline was read from a file."
    return f"{text} The people: {description}." if description else text


def _draws(manifest: Mapping[str, Any]) -> str:
    ensemble = manifest["ensemble"]
    calibrated = is_calibrated(manifest)
    origin = "calibrated to published results" if calibrated else "from the prior, not calibrated to published results"
    return (
        f"Each person was assigned one of {_count(int(ensemble['n_draws']), 'draw')} of the model's parameters "
        f"({origin}; ensemble {ensemble['id']}), the same under every protocol."
    )


def _common_random_numbers(manifest: Mapping[str, Any], differences: pd.DataFrame) -> str:
    text = (
        "We used common random numbers: under every protocol a person had the same random numbers, indexed by person, "
        "day and purpose."
    )
    if differences.empty:
        return text
    return (
        f"{text} Differences, protocol minus {manifest['reference']}, are therefore paired by person and have less "
        "Monte Carlo error than differences between two groups of people."
    )


def _intervals(manifest: Mapping[str, Any], differences: pd.DataFrame) -> str:
    n_draws = int(manifest["ensemble"]["n_draws"])
    if n_draws == 1:
        text = "With a single draw, the 95 % intervals cover Monte Carlo error only and no uncertainty about the "
        text += "parameters."
    else:
        text = (
            "Means are over people. The 95 % intervals are for the mean under a further draw of the parameters. Their "
            f"variance has two parts: the posterior mean of the variance between the {n_draws} draws (prior of the "
            "standard deviation 0 at 0, Chung et al. 2013), and the Monte Carlo error of the people. Intervals of "
            "shares are on the scale of log odds."
        )
        replicates = int(manifest.get("replicates", 1))
        if replicates > 1:
            text += (
                f" Because people are few, each also lived under {replicates - 1} further draws with other random "
                "numbers; these replicates inform the variance between draws only."
            )
    text += (
        f" No interval is given for fewer than {SMALLEST_CELL} people, for a share with fewer than {FEWEST_EVENTS} "
        f"people with or without the event, for a difference of shares with fewer than {FEWEST_CHANGED} people who had "
        f"the event under one protocol only, and for fewer than {FEWEST_IN_TAIL} people in the worst 5 %."
    )
    whole = differences[(differences["subgroup"] == "all") & (differences["n"] >= SMALLEST_CELL)]
    for name in ("pain_nrs_change", "withdrawal_peak", "dose_reduction_pct"):
        errors = whole.loc[whole["outcome"] == name, "mc_se"]
        outcome = outcome_of(name)
        if len(errors) and outcome is not None:
            text += (
                f" The Monte Carlo standard error of the difference in {label_of(name).removeprefix('change of ')} "
                f"was at most {errors.max():.2g} ({outcome.unit})."
            )
            break
    if not whole.empty:
        text += (
            " P(better) is the probability, over the draws, that the mean is better than the reference's. The shares "
            "better and worse are the shares of people whose difference exceeds the smallest important difference or, "
            "for events, of people who had the event under one protocol only."
        )
    return text


def _outcomes(summary: pd.DataFrame, manifest: Mapping[str, Any]) -> str:
    names = [name for name in dict.fromkeys(summary["outcome"]) if not str(name).endswith("_cvar95")]
    whole = summary[(summary["subgroup"] == "all") & (summary["outcome"].isin(names))]
    text = f"The run reports {_count(len(names), 'outcome')}, each with one number per person."
    n, last_day = int(manifest["patients"]["n"]), whole[whole["outcome"].isin(["pain_nrs_change", "pain_nrs"])]["n"]
    if len(last_day) and SMALLEST_CELL <= int(last_day.min()) < n:
        text += (
            f" Outcomes of the last day are missing for people who had died; at least {int(last_day.min()):,} of "
            f"{n:,} people have them under each protocol."
        )
    return text


def _basis(manifest: Mapping[str, Any]) -> str:
    missing = unreviewed_tables(manifest)
    if missing:
        noun = "table" if len(missing) == 1 else "tables"
        reviewed = f"No licensed clinician has reviewed the {noun} {listed(missing)} in full: {tables.UNREVIEWED}."
    else:
        reviewed = f"The tables are {tables.REVIEWED}."
    if str(manifest["clinical_review"]) not in reviewed:
        reviewed += f" The run as a whole is marked: {manifest['clinical_review']}."
    return reviewed


def _identity(manifest: Mapping[str, Any]) -> str:
    versions = manifest["versions"]
    version = versions.get("taper-sim", "unknown")
    others = [f"{name} {number}" for name, number in versions.items() if name != "taper-sim"]
    commit = manifest.get("git_commit")
    source = f", commit {str(commit)[:_HASH_SHOWN]}" if commit else ""
    return (
        f"Seed {manifest['seed']}; scenario hash {str(manifest['scenario_hash'])[:_HASH_SHOWN]}; taper-sim {version}"
        f"{source}" + (f", with {listed(others)}." if others else ".")
    )


def methods_paragraph(manifest: Mapping[str, Any], summary: pd.DataFrame, differences: pd.DataFrame) -> str:
    """A paragraph for a paper's methods section, with the run's numbers.

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
            _common_random_numbers(manifest, differences),
            _outcomes(summary, manifest),
            _intervals(manifest, differences),
            "The numbers are predictions of a model and not observations of patients.",
            _basis(manifest),
            _identity(manifest),
        )
    )
