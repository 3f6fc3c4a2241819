"""Scenarios, rules and examples that come with the package. Imports ``data.problems``, ``run_folder``."""

from functools import partial
from pathlib import Path
from typing import IO

from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.run_folder import check_writable, write_atomically

_ROOMS = ("scenarios", "examples")


def shipped_folder() -> Path:
    """Where they are: in the installed package, or in the clone that Python runs from."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "shipped"
    return installed if installed.is_dir() else package.parent


def example_names() -> list[str]:
    """Names of all that can be copied."""
    folder = shipped_folder()
    files = (path for room in _ROOMS for path in sorted((folder / room).glob("*")) if path.is_file())
    return [path.name for path in files]


def copy_example(name: str, target: Path) -> list[Path]:
    """Copy one scenario or example, with the files that it names, into a folder.

    Parameters
    ----------
    name : str
        As :func:`example_names` gives it, with or without its ending.
    target : Path

    Returns
    -------
    list of Path
        The files written, that of the name first.

    Raises
    ------
    InputError
        An unknown name, or a file that is there already with other content.
    """
    names = example_names()
    chosen = [one for one in names if one == name] or [one for one in names if Path(one).stem == name]
    if len(chosen) != 1:
        given = f"{shown(name)}{nearest(name, names)}" if not chosen else f"{name}, which is {' and '.join(chosen)}"
        raise InputError(Problem("example", "", given, ", ".join(names)))
    folder = shipped_folder()
    source = next(folder / room / chosen[0] for room in _ROOMS if (folder / room / chosen[0]).is_file())
    contents = {Path(source.name): source.read_bytes()}
    if source.parent.name == "scenarios" and source.suffix == ".yaml":
        text = source.read_text(encoding="utf-8")
        for room in _ROOMS:
            for path in sorted((folder / room).rglob("*")):
                inside = path.relative_to(folder / room)
                named = str(inside) if room == "scenarios" else f"../{room}/{inside}"
                if path.is_file() and path != source and named in text:
                    contents[inside] = path.read_bytes()
                    text = text.replace(named, str(inside))
        contents[Path(source.name)] = text.encode()
    check_writable(target)
    for inside, content in contents.items():
        path = target / inside
        if path.exists() and (path.is_dir() or path.read_bytes() != content):
            raise problem(str(path), "", "a file that is there already", "another folder: nothing was written")
    for inside, content in contents.items():
        write_atomically(target / inside, partial(_write, content))
    return [target / inside for inside in contents]


def _write(content: bytes, handle: IO[bytes]) -> None:
    handle.write(content)
