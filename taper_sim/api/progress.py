"""A bar of patient-days done, in a terminal and in a notebook. Imports nothing of the package."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

Progress = Callable[[int], Callable[[int], None]]
"""Given the total, returns a function called with what is done."""


def silent(_: int) -> Callable[[int], None]:
    """Progress that shows nothing."""
    return lambda done: None


@contextmanager
def progress_bar(*, shown: bool = True) -> Iterator[Progress]:
    """A bar on standard error with the time left; its start gives the total, its ticks what is done.

    A notebook shows it where ``ipywidgets`` is installed, and goes without it elsewhere.
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
        if bar.live.is_started:  # a bar that never began would print an empty line before what is wrong
            bar.stop()
