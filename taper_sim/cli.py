"""The command ``taper-sim``: arguments to calls, nothing else. Imports everything below, each part when it is used."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

DONE, WRONG_INPUT, NOT_TRUSTED, INTERRUPTED = 0, 2, 3, 130
DEFAULT_SEED = 20260101


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
    return parser


def _trace(args: argparse.Namespace) -> int:
    from taper_sim.scenario import trace_patient

    table = trace_patient(args.patient, protocol=args.protocol, n_days=args.days, seed=args.seed)
    from taper_sim.runs import write_csv

    write_csv(table, args.out)
    print(f"{len(table)} days written to {args.out}")
    return DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the returned number is the exit code."""
    args = _parser().parse_args(argv)
    from taper_sim.data.problems import InputError

    try:
        return int(args.run(args))
    except InputError as error:
        print(error, file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:
        print("interrupted; what is finished is kept", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
