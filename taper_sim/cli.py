"""The command ``taper-sim``: turns arguments into calls. Imports every package, each when a command needs it."""

import argparse
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

from taper_sim.api.progress import progress_bar
from taper_sim.cli_arguments import parser
from taper_sim.data.problems import printable, problem, shown

if TYPE_CHECKING:
    from taper_sim.scenario.building import Overrides

DONE, WRONG_INPUT, NOT_TRUSTED, INTERRUPTED = 0, 2, 3, 130
GARBAGE: Final = 200_000, 30, 30  # objects between two searches for garbage: imports and compilation leave little


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
    from taper_sim.experiments.kinds import RUN_KINDS
    from taper_sim.run_folder import plan_of

    if args.scenario.is_dir():
        _show(plan_of(args.scenario).hash)
        return DONE
    by_command = {kind.command: kind for kind in RUN_KINDS.values()}
    if args.of not in by_command:
        raise problem("--of", "", f"{args.of}{nearest(args.of, by_command)}", f"one of {', '.join(by_command)}")
    _show(by_command[args.of].plan_hash(args.scenario))
    return DONE


def _verify(args: argparse.Namespace) -> int:
    if args.folder.is_file():
        return _verify_population(args.folder)
    from taper_sim.briefs.run_reports import write_run_report
    from taper_sim.experiments.kinds import verify_run
    from taper_sim.experiments.running import Running

    workers = None if args.workers is None else _workers(args.workers)
    with progress_bar() as progress:
        trust = _warn if args.trust_policy else None
        verified = verify_run(args.folder, Running(workers, progress), write_run_report, trust_policy=trust)
    for line in (*verified.differing, *verified.not_recomputed):
        _show(line)
    if verified.differing:
        _show(f"{len(verified.differing)} difference{'' if len(verified.differing) == 1 else 's'}")
    elif verified.not_recomputed:
        _show(
            "The files are those that the manifest lists; the numbers were not recomputed. "
            "--trust-policy executes the recorded source."
        )
    else:
        _show("the same numbers")
    return NOT_TRUSTED if verified.differing or verified.not_recomputed else DONE


def _verify_population(path: Path) -> int:
    from taper_sim.inference.population.files import verify_population

    differing, not_compared = verify_population(path)
    for line in (*differing, *not_compared):
        _show(line)
    if not differing:
        _show("the same content and code; the inputs that were found are the same")
    return NOT_TRUSTED if differing else DONE


def _compare(args: argparse.Namespace) -> int:
    from taper_sim.api.reported_runs import run_comparison

    workers = _workers(args.workers)
    args.folder = args.out or Path(f"run-{args.scenario.stem}")
    with progress_bar() as progress:
        run = run_comparison(
            args.scenario, _overrides(args, args.protocols), args.folder, progress, workers=workers, sure=args.yes
        )
    _show(run.text)
    return DONE


def _clinic(args: argparse.Namespace) -> int:
    from taper_sim.api.reported_runs import run_clinic_plan

    workers = _processes(args.workers)
    args.folder = args.out or Path(f"clinic-{args.scenario.stem}")
    with progress_bar() as progress:
        run = run_clinic_plan(
            args.scenario,
            _overrides(args, args.protocols),
            args.folder,
            progress,
            replications=args.replications,
            workers=workers,
            sure=args.yes,
            log=_warn,
        )
    _show(run.text)
    return DONE


def _evaluate(args: argparse.Namespace) -> int:
    from taper_sim.api.reported_runs import run_policy_evaluation

    args.folder = args.out
    with progress_bar() as progress:
        run = run_policy_evaluation(args.scenario, _overrides(args), args.folder, progress, sure=args.yes)
    _show(run.text)
    return DONE


def _staffing(args: argparse.Namespace) -> int:
    from taper_sim.api.reported_runs import run_team_search

    workers = _processes(args.workers)
    args.folder = args.out or Path(f"staffing-{args.scenario.stem}")
    with progress_bar() as progress:
        run = run_team_search(
            args.scenario, _overrides(args), args.folder, progress, workers=workers, sure=args.yes, log=_warn
        )
    _show(run.text)
    return DONE


def _triage(args: argparse.Namespace) -> int:
    from taper_sim.api.reported_runs import run_triage_comparison

    workers = _processes(args.workers)
    args.folder = args.out
    with progress_bar() as progress:
        run = run_triage_comparison(
            args.scenario,
            _overrides(args),
            args.folder,
            progress,
            replications=args.replications,
            workers=workers,
            sure=args.yes,
            log=_warn,
        )
    _show(run.text)
    return DONE


def _events(args: argparse.Namespace) -> int:
    from taper_sim.data.problems import problem
    from taper_sim.report.day_page import write_day_page
    from taper_sim.report.event_export import write_ocel, write_xes

    if args.xes is None and args.ocel is None and args.html is None:
        raise problem("events", "", "no file to write", "some of --xes FILE, --ocel FILE, --html FILE")
    if args.html is not None:
        day = write_day_page(args.folder, args.html, day=args.day, protocol=args.protocol, replication=args.replication)
        _show(f"{args.html}: day {day}")
    for path, write in ((args.xes, write_xes), (args.ocel, write_ocel)):
        if path is not None:
            _show(write(args.folder, path).text)
    return DONE


def _validate(args: argparse.Namespace) -> int:
    from taper_sim.api.reported_runs import run_validation
    from taper_sim.evidence.coded_results import SHIPPED_RESULTS
    from taper_sim.experiments.validation_run import ValidationOptions

    default = ValidationOptions()
    options = ValidationOptions(
        default.people if args.patients is None else args.patients,
        default.draws if args.draws is None else args.draws,
        args.seed,
        args.draws_from,
    )
    workers = _workers(args.workers)
    args.folder = args.out or Path(f"validate-{SHIPPED_RESULTS if args.table is None else args.table.stem}")
    with progress_bar() as progress:
        run = run_validation(args.table, options, args.folder, progress, workers=workers, sure=args.yes, log=_warn)
    _show(run.text)
    return DONE


def _report(args: argparse.Namespace) -> int:
    from taper_sim.api.committee_report import write_run_report_to

    lines = write_run_report_to(
        args.folder, args.out, clinic=args.clinic, against=args.against, edition=args.edition, pdf=args.pdf
    )
    _show("\n".join(lines))
    return DONE


def _resume(args: argparse.Namespace) -> int:
    from taper_sim.api.reported_runs import resume_reported

    workers = None if args.workers is None else _workers(args.workers)
    with progress_bar() as progress:
        run = resume_reported(args.folder, progress, workers=workers)
    _show(run.text)
    return DONE


def _overrides(args: argparse.Namespace, protocols: str | None = None) -> "Overrides":
    """Values of the command line that replace the scenario's."""
    from taper_sim.scenario.building import Overrides

    return Overrides(args.patients, args.days, protocols, args.seed, args.scenario.parent)


def _workers(text: str) -> int | str:
    """Value of ``--workers``: a number of threads, or the address of a Dask scheduler."""
    from taper_sim.data.problems import problem
    from taper_sim.experiments.running import MAX_THREADS

    if text.startswith(("tcp://", "tls://")):
        return text
    if not text.isdecimal() or not 1 <= int(text[:9]) <= MAX_THREADS:
        allowed = f"a number of threads, 1 to {MAX_THREADS}, or tcp://host:port of a Dask scheduler"
        raise problem("--workers", "", text or "nothing", allowed)
    return int(text)


def _processes(text: str | None) -> int | str | None:
    """Value of ``--workers`` of a clinic: a number of processes, or the address of a Dask scheduler."""
    from taper_sim.comparison.task_pool import ALLOWED_WORKERS, MAX_PROCESSES
    from taper_sim.data.problems import problem

    if text is None or text.startswith(("tcp://", "tls://")):
        return text
    if not text.isdecimal() or not 1 <= int(text[:9]) <= MAX_PROCESSES:
        raise problem("--workers", "", text or "nothing", ALLOWED_WORKERS)
    return int(text)


def _show(text: str) -> None:
    """Print text; control characters are shown as escapes."""
    print(printable(text))


def _warn(text: str) -> None:
    """Print text on standard error; control characters are shown as escapes."""
    print(printable(text), file=sys.stderr, flush=True)


def _recommend(args: argparse.Namespace) -> int:
    from taper_sim.recommend.decision_log import append_to_log, logged
    from taper_sim.recommend.from_files import recommend_from_files
    from taper_sim.report.decision import recommendation_text

    recommendations = recommend_from_files(
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
        warn=_warn,
    )
    if args.log is not None:
        append_to_log(args.log, [logged(recommendation) for recommendation in recommendations])
    if args.json:
        plain = [recommendation.as_dict() for recommendation in recommendations]
        print(json.dumps(plain if args.all else plain[0], indent=1, allow_nan=False))
    else:
        _show("\n\n".join(recommendation_text(answer, details=args.details) for answer in recommendations))
    return DONE


def _tapers(args: argparse.Namespace) -> int:
    from taper_sim.briefs.run_reports import write_run_report
    from taper_sim.report.listings import taper_scores_text
    from taper_sim.studies.trial_tapers.run_study import run

    scores, converged = run(
        args.daily, args.train, args.test, args.out, folds=args.folds, drives=args.drives, seed=args.seed, log=_warn
    )
    page = write_run_report(args.out)
    _show(f"{taper_scores_text(scores)}\nReport: {page}")
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
    fitted, predicted = fit_files(args.checkins, args.doses, args.patients, args.out, settings, _warn)
    if args.figures is not None:
        from taper_sim.report.population_figures import write_population_figures

        write_population_figures(fitted, predicted, args.figures)
    failures = fitted.failures()
    _show(population_text(fitted, args.out))
    for line in failures:
        _warn(f"not trustworthy: {line}")
    return NOT_TRUSTED if failures else DONE


def _decide(args: argparse.Namespace) -> int:
    from taper_sim.recommend.decision_log import append_to_log, decided

    append_to_log(args.log, [decided(args.log, args.patient, args.did, args.by, args.reason, args.on)])
    _show(f"written to {args.log}")
    return DONE


def _serve(args: argparse.Namespace) -> int:
    from taper_sim.serve.starting import Encryption, serve

    if (args.tls_cert is None) != (args.tls_key is None):
        raise problem("--tls-cert", "", "without --tls-key, or the reverse", "both or neither")
    encryption = None if args.tls_cert is None else Encryption(args.tls_cert, args.tls_key)
    with suppress(KeyboardInterrupt):  # the usual end of a server
        serve(args.host, args.port, args.data, _tell, encryption, args.fhir_server, args.client_id)
    _tell("ended")
    return DONE


def _store(args: argparse.Namespace) -> int:
    from taper_sim.serve.store.commands import store_lines

    _show("\n".join(store_lines(args.what, args.folder, args.file)))
    return DONE


def _accounts(args: argparse.Namespace) -> int:
    from taper_sim.serve.starting import check_extra

    check_extra()
    from taper_sim.serve.account_commands import account_lines

    _show("\n".join(account_lines(args.what, args.folder, args.name, args.role)))
    return DONE


def _tell(text: str) -> None:
    """Print text at once, for a reader who waits for it."""
    print(printable(text), flush=True)


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


_COMMANDS: Final = {
    "trace": _trace,
    "compare": _compare,
    "clinic": _clinic,
    "evaluate": _evaluate,
    "staffing": _staffing,
    "triage": _triage,
    "events": _events,
    "validate": _validate,
    "report": _report,
    "resume": _resume,
    "recommend": _recommend,
    "fit": _fit,
    "decide": _decide,
    "serve": _serve,
    "store": _store,
    "accounts": _accounts,
    "tapers": _tapers,
    "protocols": _protocols,
    "drugs": _drugs,
    "outcomes": _outcomes,
    "schema": _schema,
    "example": _example,
    "hash": _hash,
    "verify": _verify,
}


def _keep_bytecode() -> None:
    """Write compiled Python into the user's cache if Python must not write it beside the sources and has none there.

    Containers often set PYTHONDONTWRITEBYTECODE to keep folders clean. Each start then compiles half a million lines,
    which takes longer than a small comparison.
    """
    libraries = find_spec("pandas")
    if not sys.dont_write_bytecode or sys.pycache_prefix is not None or libraries is None or libraries.origin is None:
        return
    if not Path(cache_from_source(libraries.origin)).exists():
        sys.pycache_prefix = str(Path.home() / ".cache" / "taper_sim" / "bytecode")
        sys.dont_write_bytecode = False


class _Terminated(KeyboardInterrupt):
    """SIGTERM arrived."""


def _terminate(_: int, __: FrameType | None) -> None:
    raise _Terminated


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does: finished parts are kept, and a line tells how to continue."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread receives signals
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupted(args: argparse.Namespace) -> str:
    """Message of an interrupted command."""
    folder = None if args.command in ("verify", "report") else getattr(args, "folder", None)
    if folder is None or not (folder / "plan.json").exists():
        return "interrupted"
    return f"interrupted; finished parts were kept. Continue with: taper-sim resume {folder}"


def _refuse_null(args: argparse.Namespace) -> None:
    """Refuse a null character in any argument: no file name may contain one."""
    from taper_sim.data.problems import problem

    for name, value in vars(args).items():
        if isinstance(value, Path | str) and "\0" in str(value):
            raise problem(name, "", "a null character", "a name or text without it")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process if omitted. Only then may the command change where Python keeps bytecode.

    Returns
    -------
    int
        Exit code: 0 done, 2 wrong input, 3 finished with results that are not trustworthy, 130 interrupted.
    """
    if argv is None:
        _keep_bytecode()
        gc.set_threshold(*GARBAGE)
    args = parser().parse_args(argv)
    from taper_sim.data.problems import InputError

    try:
        with _terminated_as_interrupted():
            _refuse_null(args)
            return _COMMANDS[args.command](args)
    except InputError as error:
        for line in error.problems:
            _warn(str(line))
        return WRONG_INPUT
    except BrokenPipeError:  # the reader of the output, such as `head`, closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:  # a full disk under standard output, or a folder that was removed
        where = shown(str(error.filename or "output"))
        _warn(f"{where}: given {error.strerror or error}; allowed: a file or folder that can be used")
        return WRONG_INPUT
    except KeyboardInterrupt:
        _warn(_interrupted(args))
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
