"""Scenarios, rules and examples that the package ships. Imports ``data.problems``, ``run_folder``."""

from functools import partial
from pathlib import Path
from typing import IO

from taper_sim.data.problems import InputError, Problem, nearest, problem, shown
from taper_sim.run_folder import check_writable, write_atomically

_ROOMS = ("scenarios", "examples")


def shipped_folder() -> Path:
    """Folder of the shipped files: in the installed package, or in the clone that Python runs from."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "shipped"
    return installed if installed.is_dir() else package.parent


def example_names() -> list[str]:
    """Names of the files and of the sets of files that can be copied."""
    folder = shipped_folder()
    files = (path for room in _ROOMS for path in sorted((folder / room).glob("*")) if path.is_file())
    sets = (path for path in sorted((folder / "examples").glob("*")) if path.is_dir())
    return [path.name for path in (*files, *sets)]


def copy_example(name: str, target: Path) -> list[Path]:
    """Copy one scenario or example, with the files that it names, or a set of files into a folder of its name.

    Parameters
    ----------
    name : str
        A name of :func:`example_names`, with or without its ending.
    target : Path

    Returns
    -------
    list of Path
        Files written, the named one first.

    Raises
    ------
    InputError
        For an unknown name, or an existing file with other content.
    """
    names = example_names()
    chosen = [file for file in names if file == name] or [file for file in names if Path(file).stem == name]
    if len(chosen) != 1:
        given = f"{shown(name)}{nearest(name, names)}" if not chosen else f"{name}, which is {' and '.join(chosen)}"
        raise InputError(Problem("example", "", given, ", ".join(names)))
    folder = shipped_folder()
    source = next(folder / room / chosen[0] for room in _ROOMS if (folder / room / chosen[0]).exists())
    named_files = [source] if source.is_file() else [path for path in sorted(source.rglob("*")) if path.is_file()]
    contents = {path.relative_to(source.parent): path.read_bytes() for path in named_files}
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
            raise problem(str(path), "", "a file that exists with other content", "another folder: no file was written")
    for inside, content in contents.items():
        write_atomically(target / inside, partial(_write, content))
    return [target / inside for inside in contents]


def _write(content: bytes, handle: IO[bytes]) -> None:
    handle.write(content)
