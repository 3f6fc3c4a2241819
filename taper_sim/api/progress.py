"""Progress bar in a terminal and in a notebook. Imports only a type."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # at run time, the command line shows its first message before it loads NumPy
    from taper_sim.experiments.running import Progress


@contextmanager
def progress_bar(*, shown: bool = True) -> Iterator["Progress"]:
    """Show a bar with the remaining time on standard error.

    A notebook without ``ipywidgets`` shows no bar.
    """
    in_notebook = "ipykernel" in sys.modules
    if not shown or (in_notebook and find_spec("ipywidgets") is None):
        yield lambda _total: lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("simulating"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    bar = RichProgress(*columns, console=Console(stderr=True), transient=in_notebook)

    def start(total: int) -> Callable[[int], None]:
        bar.start()
        task = bar.add_task("simulating", total=total)
        return lambda done: bar.advance(task, done)

    try:
        yield start
    finally:
        if bar.live.is_started:  # stopping a bar that never began prints an empty line
            bar.stop()
