"""Arguments and help texts of the command ``taper-sim``. Imports ``units``."""

import argparse
from pathlib import Path

from taper_sim.units import DEFAULT_SEED, DRAW_ORIGINS, DRAWS_FROM

_WORKERS = "threads (default 2), or tcp://host:port of a Dask scheduler; no number depends on it"
_PROCESSES = "processes (default 1), or tcp://host:port of a Dask scheduler; no number depends on it"
_OF_THE_KIND = "threads or processes (default: as of the command), or tcp://host:port; no number depends on it"
_RERUN = "output folder; rerun the same command to resume"


def _add_sure(command: argparse.ArgumentParser) -> None:
    """Add the flag that allows a run above the limits of ``experiments.run_size``."""
    command.add_argument(
        "--yes", action="store_true", help="run although it needs more than the free memory or more than a day"
    )


def _add_scenario(command: argparse.ArgumentParser, patients: str = "number of patients") -> None:
    """Add a scenario, and the options that replace its entries."""
    command.add_argument("scenario", type=Path, metavar="SCENARIO", help="scenario file (YAML)")
    command.add_argument("--patients", type=int, help=f"{patients}, instead of the scenario's")
    command.add_argument("--days", type=int, help="number of days, instead of the scenario's")
    command.add_argument("--seed", type=int, help="seed, instead of the scenario's")
    _add_sure(command)


def _add_clinic(command: argparse.ArgumentParser) -> None:
    """Add a scenario with a clinic, and the number of replications."""
    _add_scenario(command)
    command.add_argument("--replications", type=int, help="number of replications, instead of the scenario's")


def _add_protocols(command: argparse.ArgumentParser) -> None:
    command.add_argument("--protocols", help="names or calls, separated by commas, instead of the scenario's")


def parser() -> argparse.ArgumentParser:
    """Parser of the whole command line; ``command`` of its result is the name of the command."""
    whole = argparse.ArgumentParser(
        prog="taper-sim",
        description="Try a taper on a computer before trying it on a person. Research use: not clinically reviewed.",
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")

    trace = commands.add_parser("trace", help="follow the latent states of one patient by day")
    trace.add_argument("patient", type=Path, metavar="PATIENT.yaml", help="patient file")
    trace.add_argument(
        "--protocol", help="call such as 'linear(pct=10, every=28)'; the dose is then the one that tablets can give"
    )
    trace.add_argument("--days", type=int, help="days to follow (default: the schedule's last day + 28, or 364)")
    trace.add_argument("--noise", choices=("off",), default="off", help="a trace has no random events")
    trace.add_argument("--seed", type=int, default=DEFAULT_SEED, help=f"seed (default {DEFAULT_SEED})")
    trace.add_argument("--out", type=Path, required=True, metavar="F.csv", help="output file")

    compare = commands.add_parser("compare", help="compare the protocols of a scenario")
    _add_scenario(compare)
    _add_protocols(compare)
    compare.add_argument("--workers", default="2", help=_WORKERS)
    compare.add_argument("--out", type=Path, help=f"{_RERUN} (default: run-NAME in the working directory)")

    clinic = commands.add_parser("clinic", help="simulate the telemedicine clinic of a scenario")
    _add_clinic(clinic)
    _add_protocols(clinic)
    clinic.add_argument("--workers", help=_PROCESSES)
    clinic.add_argument("--out", type=Path, help=f"{_RERUN} (default: clinic-NAME in the working directory)")

    evaluate = commands.add_parser(
        "evaluate",
        help="compare fixed, adaptive and personalised policies; report the share of the gap to the oracle that each "
        "closes",
    )
    _add_scenario(evaluate, "number of patients of each seed")
    evaluate.add_argument("--out", type=Path, required=True, metavar="DIR", help=_RERUN)

    staffing = commands.add_parser("staffing", help="find the smallest team of a clinic that meets its targets")
    _add_scenario(staffing)
    staffing.add_argument("--workers", help=_PROCESSES)
    staffing.add_argument("--out", type=Path, help=f"{_RERUN} (default: staffing-NAME in the working directory)")

    triage = commands.add_parser("triage", help="compare the triage rules of a clinic: waits and harm by subgroup")
    _add_clinic(triage)
    triage.add_argument("--workers", help=_PROCESSES)
    triage.add_argument("--out", type=Path, required=True, metavar="DIR", help=_RERUN)

    events = commands.add_parser(
        "events", help="write a clinic's event log for process mining, or a page that plays a day of it"
    )
    events.add_argument("folder", type=Path, metavar="DIR", help="output folder of a finished clinic run")
    events.add_argument("--xes", type=Path, metavar="FILE", help="XES file: a trace for each patient")
    events.add_argument("--ocel", type=Path, metavar="FILE", help="OCEL 2.0 file (JSON): patients and staff as objects")
    events.add_argument("--html", type=Path, metavar="FILE", help="page that plays one day of the team")
    events.add_argument("--day", type=int, metavar="N", help="with --html: day of the run (default: the busiest)")
    events.add_argument("--protocol", metavar="NAME", help="with --html: protocol (default: the scenario's first)")
    events.add_argument("--replication", type=int, default=0, metavar="N", help="with --html: replication (default 0)")

    validate = commands.add_parser(
        "validate", help="repeat published results as simulated studies: published, simulated, inside or not"
    )
    validate.add_argument(
        "table", type=Path, nargs="?", metavar="EVIDENCE.csv", help="coded results (default: the package's own table)"
    )
    validate.add_argument(
        "--patients", type=int, help="people of a study (default 20,000); results on events take four times as many"
    )
    validate.add_argument("--draws", type=int, help="draws of the parameters (default 50)")
    validate.add_argument(
        "--draws-from",
        choices=DRAW_ORIGINS,
        default=DRAWS_FROM,
        help=f"draws of the prior, or those fitted to published results (default {DRAWS_FROM})",
    )
    validate.add_argument("--seed", type=int, default=DEFAULT_SEED, help=f"seed (default {DEFAULT_SEED})")
    validate.add_argument("--workers", default="2", help="threads (default 2); no number depends on it")
    validate.add_argument("--out", type=Path, help=f"{_RERUN} (default: validate-NAME in the working directory)")
    _add_sure(validate)

    report = commands.add_parser("report", help="write the committee's brief of a finished run, as a page and as a PDF")
    report.add_argument("folder", type=Path, metavar="DIR", help="output folder of a finished run of any kind")
    report.add_argument("--clinic", type=Path, metavar="DIR", help="clinic run: what a comparison costs in staff time")
    report.add_argument("--against", type=Path, metavar="DIR", help="earlier run of the same kind: what changed")
    report.add_argument(
        "--edition",
        choices=("committee", "rounds"),
        default="committee",
        help="rounds: DIR is a folder of a clinic's own logs (default committee)",
    )
    report.add_argument("--pdf", action="store_true", help="also print the page to PDF with the system's browser")
    report.add_argument("--out", type=Path, required=True, metavar="report.html", help="output file")

    resume = commands.add_parser("resume", help="resume an interrupted run of any kind")
    resume.add_argument("folder", type=Path, metavar="DIR", help="output folder of the run")
    resume.add_argument("--workers", help=_OF_THE_KIND)

    _add_recommend(commands.add_parser("recommend", help="list options for one patient's next steps, from check-ins"))
    _add_fit(commands.add_parser("fit", help="fit a population to many patients' check-ins"))

    decide = commands.add_parser("decide", help="add the clinician's decision on the last offer to a decision log")
    decide.add_argument("log", type=Path, metavar="LOG", help="decision log that `recommend --log` wrote")
    decide.add_argument("--patient", metavar="ID", required=True, help="id of the patient")
    decide.add_argument(
        "--did", required=True, help="name of an option of the last offer, or `other: …` with a few words"
    )
    decide.add_argument("--by", required=True, help="person who decided")
    decide.add_argument("--reason", required=True, help="reason of the decision")
    decide.add_argument("--on", metavar="DATE", help="day of the decision (default: the day of the offer)")

    serve = commands.add_parser("serve", help="show the clinician's page in the browser of this machine")
    serve.add_argument(
        "--host", default="127.0.0.1", help="address (default 127.0.0.1); beyond this machine with accounts and TLS"
    )
    serve.add_argument("--port", type=int, default=8000, help="port (default 8000; 0 takes a free one)")
    serve.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of the patients (default: a private one, removed at the end)"
    )
    serve.add_argument(
        "--fhir-server", metavar="URL", help="take SMART launches from this FHIR server, and contact no other machine"
    )
    serve.add_argument("--client-id", default="taper-sim", help="how that server knows this program")

    serve.add_argument("--tls-cert", type=Path, metavar="PEM", help="certificate with its chain, for https")
    serve.add_argument("--tls-key", type=Path, metavar="PEM", help="key of the certificate, without a password")

    store = commands.add_parser("store", help="back up, restore, check or export the patients of `serve --data`")
    actions = store.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, text, file in (
        ("backup", "copy the database to a new file, also while it is served", "FILE"),
        ("restore", "bring a backup into a folder without a database", "FILE"),
        ("check", "read everything and name the first broken entry of the audit", None),
        ("export", "write each patient's files and decision log into a folder", "OUT"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("folder", type=Path, metavar="DIR", help="folder of `serve --data`")
        if file is None:
            action.set_defaults(file=None)
        else:
            action.add_argument("file", type=Path, metavar=file, help="backup" if file == "FILE" else "new folder")

    accounts = commands.add_parser("accounts", help="add, list or disable who may sign in to `serve --data`")
    deeds = accounts.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, text in (
        ("add", "add an account; the password is asked for, or is the first line of standard input"),
        ("list", "list accounts, without passwords"),
        ("disable", "disable an account; its sessions end"),
    ):
        deed = deeds.add_parser(name, help=text)
        deed.add_argument("folder", type=Path, metavar="DIR", help="folder of `serve --data`")
        deed.set_defaults(name=None, role=None)
        if name != "list":
            deed.add_argument("name", metavar="NAME", help="name to sign in with")
        if name == "add":
            deed.add_argument("--role", required=True, help="clinician, pharmacist, read-only, caregiver or program")

    tapers = commands.add_parser("tapers", help="fit patients of a trial, predict later tapers of others, and score")
    tapers.add_argument(
        "daily", type=Path, nargs="?", metavar="DAILY.csv", help="daily reports; patients are held out part by part"
    )
    tapers.add_argument("--train", type=Path, metavar="A.csv", help="instead of DAILY.csv: patients to fit")
    tapers.add_argument("--test", type=Path, metavar="B.csv", help="with --train: patients to predict")
    tapers.add_argument("--folds", type=int, default=5, help="number of held-out parts (default 5)")
    tapers.add_argument("--drives", action="store_true", help="also compare withdrawal drives and adaptation times")
    tapers.add_argument("--seed", type=int, default=DEFAULT_SEED, help="seed of the parts and the intervals")
    tapers.add_argument("--out", type=Path, required=True, metavar="DIR", help=_RERUN)

    for name, text in (
        ("protocols", "list protocols and presets, with arguments and sources"),
        ("drugs", "list drugs and formulations, with units, factors and strengths"),
        ("outcomes", "list outcomes, with units, directions and smallest important differences"),
        ("schema", "print the JSON Schema of the scenario file, for editors"),
    ):
        commands.add_parser(name, help=text)

    example = commands.add_parser("example", help="copy a shipped scenario or example; without a name, list them")
    example.add_argument("name", nargs="?", metavar="NAME", help="name of the example")
    example.add_argument(
        "--into", type=Path, default=Path(), metavar="DIR", help="target folder (default: the working directory)"
    )

    digest = commands.add_parser("hash", help="print the hash of a plan, to register the plan before the run")
    digest.add_argument("scenario", type=Path, metavar="SCENARIO or DIR", help="scenario, or output folder of a run")
    digest.add_argument("--of", default="compare", metavar="COMMAND", help="command to plan (default compare)")

    verify = commands.add_parser("verify", help="check and recompute a finished run of any kind, list differences")
    verify.add_argument("folder", type=Path, metavar="DIR or F.nc", help="output folder of the run, or a population")
    verify.add_argument("--workers", help=_OF_THE_KIND)
    verify.add_argument(
        "--trust-policy",
        action="store_true",
        help="execute the recorded source of policies that the package does not ship",
    )
    return whole


def _add_recommend(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "records", type=Path, metavar="CHECKINS.csv or BUNDLE.json", help="check-ins, or a FHIR R4 Bundle"
    )
    command.add_argument(
        "--doses", type=Path, metavar="DOSES.csv", help="doses, with check-ins; a Bundle contains doses"
    )
    command.add_argument("--patient", metavar="ID", help="id of the patient, if the files hold several")
    command.add_argument("--all", action="store_true", help="every patient of the files")
    command.add_argument(
        "--baseline", type=Path, metavar="PATIENT.yaml", help="the patient's assessment, risks and answers"
    )
    command.add_argument("--limits", type=Path, metavar="FILE", help="limits, target, acknowledgements (YAML)")
    command.add_argument(
        "--as-of",
        metavar="DATE",
        help="day of the recommendation (default: the day the Bundle was made, else the last day with a record)",
    )
    command.add_argument("--horizon", type=int, metavar="DAYS", help="days ahead, instead of the limits file's 84")
    command.add_argument("--log", type=Path, metavar="FILE", help="decision log to which each offer is added")
    command.add_argument("--seed", type=int, default=DEFAULT_SEED, help=f"seed (default {DEFAULT_SEED})")
    command.add_argument("--json", action="store_true", help="print the whole answer as JSON; with --all a list")
    command.add_argument("--details", action="store_true", help="print everything as text, not one screen")
    command.add_argument(
        "--population", type=Path, metavar="F", help="population that `fit` wrote, instead of the shipped one"
    )


def _add_fit(command: argparse.ArgumentParser) -> None:
    command.add_argument("checkins", type=Path, metavar="CHECKINS.csv", help="check-ins of many patients")
    command.add_argument("--doses", type=Path, required=True, metavar="DOSES.csv", help="doses of the same patients")
    command.add_argument("--patients", type=Path, metavar="PATIENTS.csv", help="baselines and flags, a row a patient")
    command.add_argument("--out", type=Path, required=True, metavar="F.nc", help="output file (NetCDF)")
    command.add_argument("--draws", type=int, default=1000, help="draws a chain (default 1000)")
    command.add_argument("--tune", type=int, default=500, help="tuning draws a chain (default 500)")
    command.add_argument("--chains", type=int, default=2, help="chains (default 2)")
    command.add_argument("--person-draws", type=int, default=1024, help="draws a patient, a power of two")
    command.add_argument(
        "--robust", action="store_true", help="Student t between patients: a few unusual patients weigh less"
    )
    command.add_argument(
        "--missing", choices=("ignored", "modelled"), default="ignored", help="treatment of days without an answer"
    )
    command.add_argument(
        "--figures", type=Path, metavar="DIR", help="folder for figures of predictive checks, each with its data"
    )
    command.add_argument("--seed", type=int, default=DEFAULT_SEED, help=f"seed (default {DEFAULT_SEED})")
