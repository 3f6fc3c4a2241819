"""Check-ins, doses and other records as a path or a table. Imports ``api.temporary``, ``data``, ``run_folder``."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pydantic import BaseModel

from taper_sim.data.problems import InputError, Problem, problem
from taper_sim.run_folder import write_text

Table = str | Path | pd.DataFrame
Keys = str | Path | Mapping[str, Any] | BaseModel


def table_path(table: Table, name: str, folder: Path) -> Path:
    """The path of a table; a DataFrame is written into a folder as ``name.csv`` first, dates as days."""
    if isinstance(table, str | Path):
        return Path(table)
    if not isinstance(table, pd.DataFrame):
        raise problem(name, "", f"an object of the type {type(table).__name__}", "a path, or a DataFrame")
    days = table.copy()
    for column in days.columns:
        if pd.api.types.is_datetime64_any_dtype(days[column]):
            days[column] = days[column].dt.strftime("%Y-%m-%d").where(days[column].notna(), "")
        elif pd.api.types.is_bool_dtype(days[column]):
            days[column] = days[column].astype(int)
    path = folder / f"{name}.csv"
    write_text(path, days.to_csv(index=False, lineterminator="\n"))
    return path


def keys_path(keys: Keys | None, name: str, folder: Path) -> Path | None:
    """The path of a YAML file; a mapping is written into a folder as ``name.yaml`` first."""
    if keys is None or isinstance(keys, str | Path):
        return None if keys is None else Path(keys)
    if isinstance(keys, BaseModel):
        keys = keys.model_dump(mode="json", exclude_unset=True)
    if not isinstance(keys, Mapping):
        raise problem(name, "", f"an object of the type {type(keys).__name__}", "a path, or a mapping")
    path = folder / f"{name}.yaml"
    write_text(path, yaml.safe_dump(dict(keys), sort_keys=False, allow_unicode=True))
    return path


@contextmanager
def named_by_argument(folder: Path, options: Mapping[str, str]) -> Iterator[None]:
    """Make problems name the argument instead of its temporary file or the option of the command.

    Parameters
    ----------
    folder : Path
        Folder of the temporary files.
    options : mapping of str to str
        Argument by option of the command.
    """
    try:
        yield
    except InputError as error:
        raise InputError(
            Problem(_renamed(p.file, folder, options), p.place, p.given, _arguments(p.allowed, options))
            for p in error.problems
        ) from None


def _renamed(file: str, folder: Path, options: Mapping[str, str]) -> str:
    path = Path(file)
    return path.stem if path.parent == folder else options.get(file, file)


def _arguments(text: str, options: Mapping[str, str]) -> str:
    for option, argument in options.items():
        text = text.replace(option, argument)
    return text
