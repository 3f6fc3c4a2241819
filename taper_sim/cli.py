"""The command ``taper-sim``: arguments to calls, nothing else. Imports everything below, each part when it is used."""

import argparse
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from types import FrameType
from typing import Any

from taper_sim.api.progress import progress_bar
from taper_sim.data.problems import printable, shown

DONE, WRONG_INPUT, NOT_TRUSTED, INTERRUPTED = 0, 2, 3, 130
DEFAULT_SEED = 20260101
MAX_THREADS = 1024
GARBAGE = 200_000, 30, 30  # objects between two searches for garbage: imports and compilation leave little of it


def _may_be_large(command: argparse.ArgumentParser) -> None:
    """A run that may need more than there is."""
    command.add_argument("--yes", action="store_true", help="run it even if it needs more memory or time than usual")


def _of_scenario(command: argparse.ArgumentParser) -> None:
    """A scenario, and what the command line may change of it."""
    _may_be_large(command)
    command.add_argument("scenario", type=Path, metavar="SCENARIO")
    command.add_argument("--patients", type=int, help="patients, instead of the scenario's number")
    command.add_argument("--days", type=int, help="days, instead of the scenario's")
    command.add_argument("--seed", type=int, help="seed, instead of the scenario's")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="taper-sim",
        description="Try a taper on a computer before trying it on a person. Research use: not clinically reviewed.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    trace = commands.add_parser("trace", help="one patient, latent states by day")
    trace.add_argument("patient", type=Path, metavar="PATIENT.yaml")
    trace.add_argument("--protocol", help="such as 'linear(pct=10, every=28)'; the dose is then the dispensable one")
    trace.add_argument("--days", type=int, help="days to follow (default: the schedule's last day + 28, or 364)")
    trace.add_argument("--noise", choices=("off",), default="off", help="a trace is the course without chance")
    trace.add_argument("--seed", type=int, default=DEFAULT_SEED)
    trace.add_argument("--out", type=Path, required=True, metavar="F.csv")
    trace.set_defaults(run=_trace)

    compare = commands.add_parser("compare", help="compare the protocols of a scenario; gives a run folder")
    _of_scenario(compare)
    compare.add_argument("--protocols", help="names or calls, separated by commas, instead of the scenario's")
    compare.add_argument(
        "--workers", default="2", help="threads (default 2), or tcp://host:port; the numbers do not depend on it"
    )
    compare.add_argument("--out", type=Path, help="run folder (default: run-NAME beside you)")
    compare.set_defaults(run=_compare)

    clinic = commands.add_parser("clinic", help="run the telemedicine clinic of a scenario; gives a run folder")
    _of_scenario(clinic)
    clinic.add_argument("--replications", type=int, help="replications, instead of the scenario's")
    clinic.add_argument("--protocols", help="names or calls, separated by commas, instead of the scenario's")
    clinic.add_argument("--out", type=Path, help="run folder (default: clinic-NAME beside you)")
    clinic.set_defaults(run=_clinic)

    ladder = commands.add_parser(
        "evaluate", help="the ladder: is personal pace worth it, and how much of the way is it"
    )
    ladder.add_argument("scenario", type=Path, metavar="SCENARIO")
    ladder.add_argument("--patients", type=int, help="patients of each seed, instead of the scenario's number")
    ladder.add_argument("--days", type=int, help="days, instead of the scenario's")
    ladder.add_argument("--seed", type=int, help="seed of the people on whom knobs are set, instead of the scenario's")
    ladder.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder; rerun to resume")
    _may_be_large(ladder)
    ladder.set_defaults(run=_evaluate)

    staffing = commands.add_parser("staffing", help="the smallest team of a clinic's scenario that meets its targets")
    _of_scenario(staffing)
    staffing.add_argument("--out", type=Path, help="run folder (default: staffing-NAME beside you)")
    staffing.set_defaults(run=_staffing)

    triage = commands.add_parser("triage", help="who waits, and whom it harms, under each rule of triage of a clinic")
    _of_scenario(triage)
    triage.add_argument("--replications", type=int, help="replications, instead of the scenario's")
    triage.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder; rerun to resume")
    triage.set_defaults(run=_triage)

    resume = commands.add_parser("resume", help="resume an interrupted run of any kind")
    resume.add_argument("folder", type=Path, metavar="DIR")
    resume.add_argument("--workers", default="2", help="threads (default 2), or tcp://host:port")
    resume.set_defaults(run=_resume)

    ask = commands.add_parser("recommend", help="one patient's pace from check-ins: options, or why there are none")
    ask.add_argument("records", type=Path, metavar="CHECKINS.csv or BUNDLE.json", help="check-ins, or a FHIR R4 Bundle")
    ask.add_argument("--doses", type=Path, metavar="DOSES.csv", help="doses, with check-ins; a Bundle holds its own")
    ask.add_argument("--patient", metavar="ID", help="whose, where the files hold several")
    ask.add_argument("--all", action="store_true", help="everybody in the files")
    ask.add_argument(
        "--baseline", type=Path, metavar="PATIENT.yaml", help="the patient's assessment, risks and answers"
    )
    ask.add_argument("--limits", type=Path, metavar="FILE", help="limits, target, acknowledgements (YAML)")
    ask.add_argument(
        "--as-of",
        metavar="DATE",
        help="the day asked about (default: when the Bundle was made, else the last with a record)",
    )
    ask.add_argument("--horizon", type=int, metavar="DAYS", help="days ahead, instead of the limits file's 84")
    ask.add_argument("--log", type=Path, metavar="FILE", help="add what was offered to this file, a line each")
    ask.add_argument("--seed", type=int, default=DEFAULT_SEED)
    ask.add_argument("--json", action="store_true", help="the whole answer as JSON; with --all a list")
    ask.add_argument("--population", type=Path, metavar="F", help="a population that `fit` wrote, not the shipped one")
    ask.set_defaults(run=_recommend)

    learn = commands.add_parser("fit", help="a population from many people's check-ins: centres, spreads, diagnostics")
    learn.add_argument("checkins", type=Path, metavar="CHECKINS.csv")
    learn.add_argument("--doses", type=Path, required=True, metavar="DOSES.csv")
    learn.add_argument("--patients", type=Path, metavar="PATIENTS.csv", help="baselines, flags: a row each")
    learn.add_argument("--out", type=Path, required=True, metavar="F.nc")
    learn.add_argument("--draws", type=int, default=1000, help="draws a chain (default 1000)")
    learn.add_argument("--tune", type=int, default=500, help="tuning draws a chain (default 500)")
    learn.add_argument("--chains", type=int, default=2, help="chains (default 2)")
    learn.add_argument("--person-draws", type=int, default=1024, help="draws of each person, a power of two")
    learn.add_argument("--robust", action="store_true", help="a Student t between people: few unusual ones weigh less")
    learn.add_argument("--missing", choices=("ignored", "modelled"), default="ignored", help="days without an answer")
    learn.add_argument("--figures", type=Path, metavar="DIR", help="predictive checks as figures, each with its data")
    learn.add_argument("--seed", type=int, default=DEFAULT_SEED)
    learn.set_defaults(run=_fit)

    decide = commands.add_parser("decide", help="add to a log what was done with the last offer to a patient, and why")
    decide.add_argument("log", type=Path, metavar="LOG")
    decide.add_argument("--patient", metavar="ID", required=True)
    decide.add_argument("--did", required=True, help="the option's name, or what else was done")
    decide.add_argument("--by", required=True, help="who decided")
    decide.add_argument("--reason", required=True)
    decide.add_argument("--on", metavar="DATE", help="the day (default: that of the offer)")
    decide.set_defaults(run=_decide)

    real = commands.add_parser("tapers", help="fit a trial's people, predict the later tapers of others, and score")
    real.add_argument("daily", type=Path, nargs="?", metavar="DAILY.csv", help="people who are held out in parts")
    real.add_argument("--train", type=Path, metavar="A.csv", help="or: people to fit")
    real.add_argument("--test", type=Path, metavar="B.csv", help="and people to predict")
    real.add_argument("--folds", type=int, default=5, help="parts that people are held out in (default 5)")
    real.add_argument("--drives", action="store_true", help="compare drives and adaptation times too")
    real.add_argument("--seed", type=int, default=DEFAULT_SEED, help="of the parts and the intervals")
    real.add_argument("--out", type=Path, required=True, metavar="DIR", help="the same call goes on where it stopped")
    real.set_defaults(run=_tapers)

    for name, text, run in (
        ("protocols", "protocols and presets, with arguments and sources", _protocols),
        ("drugs", "drugs and formulations, with units, factors and strengths", _drugs),
        ("outcomes", "outcomes, with units, directions and smallest important differences", _outcomes),
        ("schema", "JSON Schema of the scenario file, for editors", _schema),
    ):
        commands.add_parser(name, help=text).set_defaults(run=run)

    example = commands.add_parser("example", help="copy a scenario or example beside you; without a name, list them")
    example.add_argument("name", nargs="?", metavar="NAME")
    example.add_argument("--into", type=Path, default=Path(), metavar="DIR", help="folder (default: this one)")
    example.set_defaults(run=_example)

    digest = commands.add_parser("hash", help="hash of a plan, to register it before the run, or of a run's plan")
    digest.add_argument("scenario", type=Path, metavar="SCENARIO or DIR")
    digest.add_argument("--of", default="compare", metavar="COMMAND", help="the command to plan (default compare)")
    digest.set_defaults(run=_hash)

    verify = commands.add_parser("verify", help="check and recompute a finished run of any kind, say what differs")
    verify.add_argument("folder", type=Path, metavar="DIR or F.nc")
    verify.add_argument("--workers", default="2", help="threads (default 2), or tcp://host:port")
    verify.add_argument(
        "--trust-policy", action="store_true", help="execute the recorded source of policies that are not shipped"
    )
    verify.set_defaults(run=_verify)
    return parser


def _protocols(_: argparse.Namespace) -> int:
    from taper_sim.report.listings import protocols_text

    _show(protocols_text())
    return DONE


def _drugs(_: argparse.Namespace) -> int:
    from taper_sim.report.listings import drugs_text

    _show(drugs_text())
    return DONE


def _outcomes(_: argparse.Namespace) -> int:
    from taper_sim.report.listings import outcomes_text

    _show(outcomes_text())
    return DONE


def _schema(_: argparse.Namespace) -> int:
    from taper_sim.scenario.schema import Scenario

    print(json.dumps(Scenario.model_json_schema(), indent=1))
    return DONE


def _example(args: argparse.Namespace) -> int:
    from taper_sim.api.examples import copy_example, example_names

    lines = example_names() if args.name is None else copy_example(args.name, args.into)
    _show("\n".join(map(str, lines)))
    return DONE


def _hash(args: argparse.Namespace) -> int:
    from taper_sim.data.problems import nearest, problem
    from taper_sim.experiments.kinds import KINDS
    from taper_sim.run_folder import plan_of
    from taper_sim.scenario.building import read_scenario

    if args.scenario.is_dir():
        _show(plan_of(args.scenario).hash)
        return DONE
    by_command = {kind.command: kind for kind in KINDS.values()}
    if args.of not in by_command:
        raise problem("--of", "", f"{args.of}{nearest(args.of, by_command)}", f"one of {', '.join(by_command)}")
    _show(by_command[args.of].plan_hash(read_scenario(args.scenario), args.scenario))
    return DONE


def _verify(args: argparse.Namespace) -> int:
    if args.folder.is_file():
        return _verify_population(args.folder)
    from taper_sim.experiments.kinds import verify_run
    from taper_sim.experiments.running import Running
    from taper_sim.report.run_reports import write_run_report

    workers = _workers(args.workers)
    with progress_bar() as progress:
        trust = _warn if args.trust_policy else None
        done = verify_run(args.folder, Running(workers, progress), write_run_report, trust_policy=trust)
    for line in (*done.differing, *done.not_recomputed):
        _show(line)
    if done.differing:
        _show(f"{len(done.differing)} differences")
    elif done.not_recomputed:
        _show(
            "The files are those that the manifest lists; the numbers were not recomputed. "
            "--trust-policy executes the recorded source."
        )
    else:
        _show("the same numbers")
    return NOT_TRUSTED if done.differing or done.not_recomputed else DONE


def _verify_population(path: Path) -> int:
    from taper_sim.inference.population.files import verify_population

    differing, not_compared = verify_population(path)
    for line in (*differing, *not_compared):
        _show(line)
    if not differing:
        _show("the same content and code; the inputs that are here are the same")
    return NOT_TRUSTED if differing else DONE


def _running() -> dict[str, Any]:
    """Keywords of every driver: what draws the report."""
    from taper_sim.report.run_reports import write_run_report

    return {"report": write_run_report}


def _finished(kind: str, done: Any) -> int:
    """Show what a run of a kind found."""
    from taper_sim.report.run_reports import RUN_REPORTS

    _show(RUN_REPORTS[kind]().text(done))
    return DONE


def _compare(args: argparse.Namespace) -> int:
    from taper_sim.experiments import compare
    from taper_sim.scenario.building import Overrides

    workers = _workers(args.workers)
    args.folder = args.out or Path(f"run-{args.scenario.stem}")
    change = Overrides(args.patients, args.days, args.protocols, args.seed, args.scenario.parent)
    with progress_bar() as progress:
        done = compare.compare(args.scenario, change, args.folder, workers, progress, sure=args.yes, **_running())
    return _finished(compare.KIND, done)


def _clinic(args: argparse.Namespace) -> int:
    from taper_sim.experiments import clinic_run
    from taper_sim.report.clinic_text import before_text
    from taper_sim.scenario.building import Overrides

    args.folder = args.out or Path(f"clinic-{args.scenario.stem}")
    change = Overrides(args.patients, args.days, args.protocols, args.seed, args.scenario.parent)
    plan = clinic_run.read_plan(args.scenario, change, args.replications, sure=args.yes)
    loads = before_text(clinic_run.planned_loads(plan), clinic_run.planned_loads_of_enrolment(plan))
    for line in (*loads, *plan.remarks()):
        _warn(line)
    with progress_bar() as progress:
        done = clinic_run.run_clinic(args.scenario, plan, args.folder, progress, **_running())
    return _finished(clinic_run.KIND, done)


def _evaluate(args: argparse.Namespace) -> int:
    from taper_sim.experiments import ladder
    from taper_sim.scenario.building import Overrides

    args.folder = args.out
    change = Overrides(args.patients, args.days, None, args.seed, args.scenario.parent)
    with progress_bar() as progress:
        done = ladder.evaluate(args.scenario, change, args.folder, progress, sure=args.yes, **_running())
    return _finished(ladder.KIND, done)


def _staffing(args: argparse.Namespace) -> int:
    from taper_sim.experiments import staffing_run
    from taper_sim.experiments.team_search import read_staffing
    from taper_sim.report.staffing_text import bound_text
    from taper_sim.scenario.building import Overrides

    args.folder = args.out or Path(f"staffing-{args.scenario.stem}")
    change = Overrides(args.patients, args.days, None, args.seed, args.scenario.parent)
    plan = read_staffing(args.scenario, change, sure=args.yes)
    for line in (*bound_text(plan), *plan.clinic.remarks()):
        _warn(line)
    with progress_bar() as progress:
        done = staffing_run.run_staffing(args.scenario, plan, args.folder, progress, **_running())
    return _finished(staffing_run.KIND, done)


def _triage(args: argparse.Namespace) -> int:
    from taper_sim.experiments import triage_rules
    from taper_sim.experiments.clinic_run import read_plan
    from taper_sim.scenario.building import Overrides

    args.folder = args.out
    change = Overrides(args.patients, args.days, None, args.seed, args.scenario.parent)
    plan = read_plan(args.scenario, change, args.replications, sure=args.yes)
    for line in plan.remarks():
        _warn(line)
    with progress_bar() as progress:
        done = triage_rules.run_triage(args.scenario, plan, args.folder, progress, **_running())
    return _finished(triage_rules.KIND, done)


def _resume(args: argparse.Namespace) -> int:
    from taper_sim.experiments.kinds import resume_run
    from taper_sim.experiments.running import Running
    from taper_sim.report.run_reports import write_run_report

    workers = _workers(args.workers)
    with progress_bar() as progress:
        kind, done = resume_run(args.folder, Running(workers, progress, write_run_report, sure=True))
    return _finished(kind.name, done)


def _workers(given: str) -> int | str:
    """What ``--workers`` says: a number of threads, or the address of workers elsewhere."""
    from taper_sim.data.problems import problem

    if given.startswith(("tcp://", "tls://")):
        return given
    if not given.isdecimal() or not 1 <= int(given[:9]) <= MAX_THREADS:
        allowed = f"a number of threads, 1 to {MAX_THREADS}, or tcp://host:port of a Dask scheduler"
        raise problem("--workers", "", given or "nothing", allowed)
    return int(given)


def _show(text: str) -> None:
    """Print text; a name in it that steers terminals is shown as its escapes."""
    print(printable(text))


def _warn(text: str) -> None:
    """Print text on standard error, in the same way."""
    print(printable(text), file=sys.stderr, flush=True)


def _recommend(args: argparse.Namespace) -> int:
    from taper_sim.recommend.decision_log import append_to_log, logged
    from taper_sim.recommend.from_files import recommend_from_files
    from taper_sim.report.decision import recommendation_text

    found = recommend_from_files(
        args.records,
        args.doses,
        patient_id=args.patient,
        everybody=args.all,
        baseline=args.baseline,
        limits=args.limits,
        as_of=args.as_of,
        horizon=args.horizon,
        seed=args.seed,
        population=args.population,
        aside=_warn,
    )
    if args.log is not None:
        append_to_log(args.log, [logged(one) for one in found])
    if args.json:
        plain = [one.as_dict() for one in found]
        print(json.dumps(plain if args.all else plain[0], indent=1, allow_nan=False))
    else:
        _show("\n\n".join(recommendation_text(one) for one in found))
    return DONE


def _tapers(args: argparse.Namespace) -> int:
    from taper_sim.report.listings import taper_scores_text
    from taper_sim.studies.trial_tapers.run_study import run

    scores, converged = run(
        args.daily, args.train, args.test, args.out, folds=args.folds, drives=args.drives, seed=args.seed, log=_warn
    )
    _show(taper_scores_text(scores))
    return DONE if converged else NOT_TRUSTED


def _fit(args: argparse.Namespace) -> int:
    from taper_sim.inference.population.files import fit_files
    from taper_sim.inference.population.fit import Settings, population_text
    from taper_sim.run_folder import check_writable

    settings = Settings(
        args.draws, args.tune, args.chains, args.seed, args.robust, args.missing == "modelled", args.person_draws
    )
    settings.check()
    if args.figures is not None:
        check_writable(args.figures)

    found, guessed = fit_files(args.checkins, args.doses, args.patients, args.out, settings, _warn)
    if args.figures is not None:
        from taper_sim.report.population_figures import write_population_figures

        write_population_figures(found, guessed, args.figures)
    failures = found.failures()
    _show(population_text(found, args.out))
    for line in failures:
        _warn(f"not to be trusted: {line}")
    return NOT_TRUSTED if failures else DONE


def _decide(args: argparse.Namespace) -> int:
    from taper_sim.recommend.decision_log import append_to_log, decided

    append_to_log(args.log, [decided(args.log, args.patient, args.did, args.by, args.reason, args.on)])
    _show(f"written to {args.log}")
    return DONE


def _trace(args: argparse.Namespace) -> int:
    from taper_sim.experiments.trace_patient import trace_patient
    from taper_sim.run_folder import check_file_writable, write_csv

    check_file_writable(args.out)
    traced = trace_patient(args.patient, protocol=args.protocol, n_days=args.days, seed=args.seed)
    write_csv(traced.days, args.out)
    if args.protocol is not None:
        from taper_sim.report.listings import tablets_text

        _show(tablets_text(traced.tablets))
    _show(f"{len(traced.days)} days written to {args.out}")
    return DONE


def _keep_bytecode() -> None:
    """Keep compiled Python in the user's cache where it is not to be written beside the sources, and none is there.

    Containers often tell Python so (PYTHONDONTWRITEBYTECODE), to keep folders clean; a start then compiles half a
    million lines again, which takes longer than a small comparison.
    """
    libraries = find_spec("pandas")
    if not sys.dont_write_bytecode or sys.pycache_prefix is not None or libraries is None or libraries.origin is None:
        return
    if not Path(cache_from_source(libraries.origin)).exists():
        sys.pycache_prefix = str(Path.home() / ".cache" / "taper_sim" / "bytecode")
        sys.dont_write_bytecode = False


class _Terminated(KeyboardInterrupt):
    """The process was asked to end."""


def _terminate(_: int, __: FrameType | None) -> None:
    raise _Terminated


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does: with finished parts kept and a line that says how to continue."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread is told of signals
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupted(args: argparse.Namespace) -> str:
    """What to say of an interrupted command."""
    folder = None if args.command == "verify" else getattr(args, "folder", None)
    if folder is None or not (folder / "plan.json").exists():
        return "interrupted"
    return f"interrupted; finished parts were kept. Continue with: taper-sim resume {folder}"


def _refuse_null(args: argparse.Namespace) -> None:
    """Refuse a null character in any argument: no file has such a name."""
    from taper_sim.data.problems import problem

    for name, value in vars(args).items():
        if isinstance(value, Path | str) and "\0" in str(value):
            raise problem(name, "", "a null character", "a name or text without it")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the returned number is the exit code. Without ``argv`` the process is taken to be ours."""
    if argv is None:
        _keep_bytecode()
        gc.set_threshold(*GARBAGE)
    args = _parser().parse_args(argv)
    from taper_sim.data.problems import InputError

    try:
        with _terminated_as_interrupted():
            _refuse_null(args)
            return int(args.run(args))
    except InputError as error:
        for line in error.problems:
            _warn(str(line))
        return WRONG_INPUT
    except BrokenPipeError:  # whoever read the output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:  # a full disk under what is printed, a folder that is gone
        where = shown(str(error.filename or "output"))
        _warn(f"{where}: given {error.strerror or error}; allowed: a place that can be used")
        return WRONG_INPUT
    except KeyboardInterrupt:
        _warn(_interrupted(args))
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
