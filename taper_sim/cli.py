"""The command ``taper-sim``: arguments to calls, nothing else. Imports everything below, each part when it is used."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from taper_sim.api.progress import progress_bar

if TYPE_CHECKING:
    from taper_sim.experiments.clinic_run import ClinicPlan
    from taper_sim.experiments.compare import Comparison
    from taper_sim.experiments.team_search import StaffingPlan

DONE, WRONG_INPUT, NOT_TRUSTED, INTERRUPTED = 0, 2, 3, 130
DEFAULT_SEED = 20260101
MAX_THREADS = 1024


def _of_scenario(command: argparse.ArgumentParser) -> None:
    """A scenario, and what the command line may change of it."""
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
    ladder.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder; an interrupted run goes on")
    ladder.set_defaults(run=_evaluate)

    staffing = commands.add_parser("staffing", help="the smallest team of a clinic's scenario that meets its targets")
    _of_scenario(staffing)
    staffing.add_argument("--out", type=Path, help="run folder (default: staffing-NAME beside you)")
    staffing.set_defaults(run=_staffing)

    triage = commands.add_parser("triage", help="who waits, and whom it harms, under each rule of triage of a clinic")
    _of_scenario(triage)
    triage.add_argument("--replications", type=int, help="replications, instead of the scenario's")
    triage.add_argument("--out", type=Path, required=True, metavar="DIR", help="an interrupted comparison goes on")
    triage.set_defaults(run=_triage)

    resume = commands.add_parser("resume", help="go on with an interrupted run")
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

    digest = commands.add_parser("hash", help="hash of a scenario, to register a plan before the run")
    digest.add_argument("scenario", type=Path, metavar="SCENARIO")
    digest.set_defaults(run=_hash)

    verify = commands.add_parser("verify", help="recompute a finished run and say what differs")
    verify.add_argument("folder", type=Path, metavar="DIR")
    verify.add_argument("--workers", default="2", help="threads (default 2), or tcp://host:port")
    verify.set_defaults(run=_verify)
    return parser


def _protocols(_: argparse.Namespace) -> int:
    from taper_sim.report.listings import protocols_text

    print(protocols_text())
    return DONE


def _drugs(_: argparse.Namespace) -> int:
    from taper_sim.report.listings import drugs_text

    print(drugs_text())
    return DONE


def _outcomes(_: argparse.Namespace) -> int:
    from taper_sim.report.listings import outcomes_text

    print(outcomes_text())
    return DONE


def _schema(_: argparse.Namespace) -> int:
    from taper_sim.scenario.schema import Scenario

    print(json.dumps(Scenario.model_json_schema(), indent=1))
    return DONE


def _example(args: argparse.Namespace) -> int:
    from taper_sim.api.examples import copy_example, example_names

    lines = example_names() if args.name is None else copy_example(args.name, args.into)
    print("\n".join(map(str, lines)))
    return DONE


def _hash(args: argparse.Namespace) -> int:
    from taper_sim.scenario.building import build_arms, read_scenario, scenario_hash

    scenario = read_scenario(args.scenario)
    build_arms(scenario, str(args.scenario), args.scenario.parent)
    print(scenario_hash(scenario, args.scenario.parent))
    return DONE


def _verify(args: argparse.Namespace) -> int:
    from taper_sim.experiments.clinic_run import PLAN_FILE, verify_clinic
    from taper_sim.experiments.compare import verify
    from taper_sim.experiments.staffing_run import STAFFING_PLAN_FILE, verify_staffing

    workers = _workers(args.workers)
    with progress_bar() as progress:
        if (args.folder / PLAN_FILE).exists():
            differing = verify_clinic(args.folder, progress)
        elif (args.folder / STAFFING_PLAN_FILE).exists():
            differing = verify_staffing(args.folder, progress)
        else:
            differing = verify(args.folder, workers, progress)
    for line in differing:
        print(line)
    print("the same numbers" if not differing else f"{len(differing)} files differ")
    return DONE if not differing else NOT_TRUSTED


def _compare(args: argparse.Namespace) -> int:
    from taper_sim.experiments.compare import compare
    from taper_sim.scenario.building import Overrides

    workers = _workers(args.workers)
    folder = args.out or Path(f"run-{args.scenario.stem}")
    change = Overrides(args.patients, args.days, args.protocols, args.seed, args.scenario.parent)
    with progress_bar() as progress:
        done = compare(args.scenario, change, folder, workers, progress)
    return _show(done)


def _clinic(args: argparse.Namespace) -> int:
    from taper_sim.experiments.clinic_run import planned_loads, planned_loads_of_enrolment, read_plan
    from taper_sim.report.clinic_text import before_text
    from taper_sim.scenario.building import Overrides

    folder = args.out or Path(f"clinic-{args.scenario.stem}")
    change = Overrides(args.patients, args.days, args.protocols, args.seed, args.scenario.parent)
    plan = read_plan(args.scenario, change, args.replications)
    for line in (*before_text(planned_loads(plan), planned_loads_of_enrolment(plan)), *plan.remarks()):
        print(line, file=sys.stderr)
    return _run_clinic(args.scenario, plan, folder)


def _run_clinic(scenario: Path, plan: "ClinicPlan", folder: Path) -> int:
    from taper_sim.experiments.clinic_run import run_clinic
    from taper_sim.report.clinic_figures import write_clinic_figures
    from taper_sim.report.clinic_text import clinic_text

    with progress_bar() as progress:
        done = run_clinic(scenario, plan, folder, progress)
    write_clinic_figures(folder)
    print(clinic_text(done))
    return DONE


def _evaluate(args: argparse.Namespace) -> int:
    from taper_sim.experiments.ladder import evaluate
    from taper_sim.report.ladder_report import ladder_text, write_ladder_report
    from taper_sim.scenario.building import Overrides

    change = Overrides(args.patients, args.days, None, args.seed, args.scenario.parent)
    with progress_bar() as progress:
        done = evaluate(args.scenario, change, args.out, progress)
    write_ladder_report(done.folder)
    print(ladder_text(done.folder))
    return DONE


def _staffing(args: argparse.Namespace) -> int:
    from taper_sim.experiments.team_search import read_staffing
    from taper_sim.scenario.building import Overrides

    change = Overrides(args.patients, args.days, None, args.seed, args.scenario.parent)
    folder = args.out or Path(f"staffing-{args.scenario.stem}")
    return _run_staffing(args.scenario, read_staffing(args.scenario, change), folder)


def _run_staffing(path: Path, plan: "StaffingPlan", folder: Path) -> int:
    from taper_sim.experiments.staffing_run import run_staffing
    from taper_sim.report.staffing_figures import write_staffing_figures
    from taper_sim.report.staffing_text import bound_text, staffing_text

    for line in (*bound_text(plan), *plan.clinic.remarks()):
        print(line, file=sys.stderr)
    with progress_bar() as progress:
        done = run_staffing(path, plan, folder, progress)
    write_staffing_figures(folder)
    print(staffing_text(done))
    return DONE


def _triage(args: argparse.Namespace) -> int:
    from taper_sim.experiments.clinic_run import read_plan
    from taper_sim.experiments.triage_rules import compare_triage
    from taper_sim.report.triage_text import triage_text
    from taper_sim.scenario.building import Overrides

    change = Overrides(args.patients, args.days, None, args.seed, args.scenario.parent)
    plan = read_plan(args.scenario, change, args.replications)
    for line in plan.remarks():
        print(line, file=sys.stderr)
    with progress_bar() as progress:
        table = compare_triage(args.scenario, plan, args.out, progress)
    print(triage_text(table, args.out))
    return DONE


def _resume(args: argparse.Namespace) -> int:
    from taper_sim.experiments.clinic_run import PLAN_FILE, kept_plan
    from taper_sim.experiments.compare import resume
    from taper_sim.experiments.staffing_run import STAFFING_PLAN_FILE, kept_staffing

    workers = _workers(args.workers)
    if (args.folder / PLAN_FILE).exists():
        return _run_clinic(*kept_plan(args.folder), args.folder)
    if (args.folder / STAFFING_PLAN_FILE).exists():
        return _run_staffing(*kept_staffing(args.folder), args.folder)
    with progress_bar() as progress:
        done = resume(args.folder, workers, progress)
    return _show(done)


def _workers(given: str) -> int | str:
    """What ``--workers`` says: a number of threads, or the address of workers elsewhere."""
    from taper_sim.data.problems import problem

    if given.startswith(("tcp://", "tls://")):
        return given
    if not given.isdecimal() or not 1 <= int(given[:9]) <= MAX_THREADS:
        allowed = f"a number of threads, 1 to {MAX_THREADS}, or tcp://host:port of a Dask scheduler"
        raise problem("--workers", "", given or "nothing", allowed)
    return int(given)


def _show(done: "Comparison") -> int:
    from taper_sim.report.page import write_report
    from taper_sim.report.terminal import comparison_text

    write_report(done.folder)
    print(comparison_text(done))
    return DONE


def _recommend(args: argparse.Namespace) -> int:
    from taper_sim.recommend.from_files import append_to_log, logged, recommend_from_files
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
        aside=lambda line: print(line, file=sys.stderr),
    )
    if args.log is not None:
        append_to_log(args.log, [logged(one) for one in found])
    if args.json:
        plain = [one.as_dict() for one in found]
        print(json.dumps(plain if args.all else plain[0], indent=1, allow_nan=False))
    else:
        print("\n\n".join(recommendation_text(one) for one in found))
    return DONE


def _tapers(args: argparse.Namespace) -> int:
    from taper_sim.report.listings import taper_scores_text
    from taper_sim.studies.trial_tapers.run_study import run

    scores, converged = run(
        args.daily,
        args.train,
        args.test,
        args.out,
        folds=args.folds,
        drives=args.drives,
        seed=args.seed,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )
    print(taper_scores_text(scores))
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

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    found, guessed = fit_files(args.checkins, args.doses, args.patients, args.out, settings, say)
    if args.figures is not None:
        from taper_sim.report.population_figures import write_figures

        write_figures(found, guessed, args.figures)
    failures = found.failures()
    print(population_text(found, args.out))
    for line in failures:
        say(f"not to be trusted: {line}")
    return NOT_TRUSTED if failures else DONE


def _decide(args: argparse.Namespace) -> int:
    from taper_sim.recommend.from_files import append_to_log, decided

    append_to_log(args.log, [decided(args.log, args.patient, args.did, args.by, args.reason, args.on)])
    print(f"written to {args.log}")
    return DONE


def _trace(args: argparse.Namespace) -> int:
    from taper_sim.experiments.trace_patient import trace_patient
    from taper_sim.run_folder import check_file_writable, write_csv

    check_file_writable(args.out)
    traced = trace_patient(args.patient, protocol=args.protocol, n_days=args.days, seed=args.seed)
    write_csv(traced.days, args.out)
    if args.protocol is not None:
        from taper_sim.report.listings import tablets_text

        print(tablets_text(traced.tablets))
    print(f"{len(traced.days)} days written to {args.out}")
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the returned number is the exit code. Without ``argv`` the process is taken to be ours."""
    if argv is None:
        _keep_bytecode()
    args = _parser().parse_args(argv)
    from taper_sim.data.problems import InputError

    try:
        return int(args.run(args))
    except InputError as error:
        for found in error.problems:
            line = str(found)  # a name in it may hold line ends, or signs that steer a terminal
            print("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line), file=sys.stderr)
        return WRONG_INPUT
    except BrokenPipeError:  # whoever read the output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        print("interrupted; what is finished is kept", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
