"""Progress bar in a terminal and in a notebook. Imports nothing of the package."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

Progress = Callable[[int], Callable[[int], None]]
"""Takes the total amount of work; returns a function that takes each amount done."""


def silent(_: int) -> Callable[[int], None]:
    """Progress that shows nothing."""
    return lambda done: None


@contextmanager
def progress_bar(*, shown: bool = True) -> Iterator[Progress]:
    """Show a bar with the remaining time on standard error.

    A notebook without ``ipywidgets`` shows no bar.
    """
    in_notebook = "ipykernel" in sys.modules
    if not shown or (in_notebook and find_spec("ipywidgets") is None):
        yield silent
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("simulating"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), transient=in_notebook)

    def start(total: int) -> Callable[[int], None]:
        bar.start()
        task = bar.add_task("simulating", total=total)
        return lambda done: bar.advance(task, done)

    try:
        yield start
    finally:
        if bar.live.is_started:  # stopping a bar that never began prints an empty line
            bar.stop()
