"""YAML files into pydantic models, every problem in one line. Imports ``data.problems`` only."""

import math
import stat
from collections.abc import Collection, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from yaml.reader import ReaderError

from taper_sim.data.problems import InputError, Problem, nearest, problem, shown

MAX_YAML_BYTES = 2_000_000
"""A scenario or a patient is written by hand; a file above 2 MB is something else."""


class Strict(BaseModel):
    """Base of every file's model: unknown keys are refused, values are not changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _truth_is_no_number(cls, given: Any) -> Any:
        """True and false would count as 1 and 0; where a number is wanted they are a slip."""
        found = []
        for name, field in cls.model_fields.items() if isinstance(given, dict) else ():
            types, value = _types_in(field.annotation), given.get(name)
            if bool not in types and (int in types or float in types):
                parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
                found += [(name, part, "a number") for part in parts if isinstance(part, bool)]
        if found:
            raise Wrong(*found)
        return given


def _types_in(annotation: Any) -> list[Any]:
    """Every type that an annotation names, also inside of others."""
    inside = get_args(annotation)
    return [annotation] if not inside else [one for part in inside for one in _types_in(part)]


_DEEPEST: Final = 100
"""Levels of a file: no file written by hand has ten. Counted here, for libraries raise the interpreter's own limit."""


_LONGEST_NUMBER: Final = 100
"""Signs of a number; a double has 17 digits."""


class _UniqueKeys(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice, aliases that swell, and levels without end.

    YAML would keep the last key in silence.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """A node and what is in it."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise RecursionError
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def get_single_node(self) -> yaml.Node | None:
        """The document, refused if with its aliases written out it is larger than a file may be."""
        document = super().get_single_node()
        size, waiting = 0, [document] if document is not None else []
        while waiting:
            node = waiting.pop()
            size += 4  # so that many small values count as much as a long text
            if isinstance(node, yaml.ScalarNode):
                size += len(node.value)
            elif isinstance(node, yaml.MappingNode):
                waiting += [part for pair in node.value for part in pair]
            else:
                waiting += node.value
            if size > MAX_YAML_BYTES:
                raise yaml.YAMLError("aliases (*name) that swell without end when they are written out")
        return document

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # <<: *name, which may stand beside what it brings
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key_node, yaml.ScalarNode) or not isinstance(key, Hashable):
                raise yaml.MarkedYAMLError(problem="a list or mapping as a key", problem_mark=key_node.start_mark)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {shown(key)} is written twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _short(construct: Any) -> Any:
    """A constructor of numbers that refuses very long ones: base 60 and thousands of digits have no use here."""

    def constructed(loader: _UniqueKeys, node: yaml.ScalarNode) -> Any:
        if len(node.value) > _LONGEST_NUMBER:
            raise yaml.MarkedYAMLError(problem=f"a number of {len(node.value):,} signs", problem_mark=node.start_mark)
        return construct(loader, node)

    return constructed


_UniqueKeys.add_constructor("tag:yaml.org,2002:int", _short(yaml.SafeLoader.construct_yaml_int))
_UniqueKeys.add_constructor("tag:yaml.org,2002:float", _short(yaml.SafeLoader.construct_yaml_float))


class Wrong(ValueError):
    """What a model's validator found: place below the model, what was given, what is allowed, for each problem."""

    def __init__(self, *found: tuple[str, Any, str]):
        self.found = [(place, shown(_whole(given)), allowed) for place, given, allowed in found]
        super().__init__("; ".join(f"{given}; allowed: {allowed}" for _, given, allowed in self.found))


def shares_of_patients(given: dict[str, float]) -> dict[str, float]:
    """The same, if the shares add to 1 or there are none."""
    total = sum(given.values())
    if given and not math.isclose(total, 1.0, abs_tol=1e-6):
        raise Wrong(("", f"shares of patients that add to {total:g}", "shares that add to 1"))
    return given


def refuse_unknown(given: Iterable[str], known: Collection[str], what: str, place: str = "") -> None:
    """Raise :class:`Wrong` with a line for each name that is none of the known ones, with the nearest of them."""
    unknown = [name for name in given if name not in known]
    if unknown:
        allowed = f"one of {', '.join(known)}"
        raise Wrong(*((f"{place}{name}", f"an unknown {what}{nearest(name, known)}", allowed) for name in unknown))


def divided(message: str, otherwise: str) -> tuple[str, str]:
    """What was given and what is allowed, of an error's text; ``otherwise`` where it does not say what is allowed."""
    given, _, allowed = message.partition("; allowed: ")
    return given.replace(": given ", ": "), allowed or otherwise


def read_bytes(path: Path, limit: int) -> bytes:
    """Content of a file, or an :class:`InputError` that says why not; a pipe or a device is refused unopened."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
            raise problem(str(path), "", "a pipe, a device or something else that is no file", "a file")
        with path.open("rb") as handle:
            content = handle.read(limit + 1) if about.st_size <= limit else b""
        if about.st_size > limit or len(content) > limit:
            raise problem(str(path), "", f"{max(about.st_size, len(content)):,} bytes", f"at most {limit:,} bytes")
        return content
    except FileNotFoundError:
        raise problem(str(path), "", "no such file", "a file that exists") from None
    except IsADirectoryError:
        raise problem(str(path), "", "a folder", "a file") from None
    except PermissionError:
        raise problem(str(path), "", "a file that may not be read", "a readable file") from None
    except (OSError, ValueError) as error:  # a name too long, a file below a file, a null character in a name
        if isinstance(error, InputError):
            raise
        given = (getattr(error, "strerror", None) or str(error)).lower()
        raise problem(str(path), "", given, "a file that can be read") from None


def read_text(path: Path, limit: int) -> str:
    """Text of a file, or an :class:`InputError` that says why not."""
    try:
        return read_bytes(path, limit).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise problem(str(path), f"byte {error.start + 1}", "bytes that are not UTF-8", "text in UTF-8") from None


def read_yaml(path: Path) -> Any:
    """The parsed file; errors name line and column."""
    text = read_text(path, MAX_YAML_BYTES)
    try:
        return yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader that also refuses repeated keys
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        given = (error.problem or "text that is not YAML").removeprefix("found ").removeprefix("but found ")
        allowed = "spaces: YAML is not indented with tabs" if "'\\t'" in given else "YAML, one document, each key once"
        raise problem(str(path), place, given, allowed) from None
    except ReaderError as error:
        given = f"the character U+{error.character:04X}" if isinstance(error.character, int) else str(error.reason)
        raise problem(str(path), f"character {error.position + 1}", given, "text without control characters") from None
    except RecursionError:
        raise problem(str(path), "", "brackets or levels nested too deep", "YAML with a few levels") from None
    except (yaml.YAMLError, ValueError) as error:
        raise problem(
            str(path),
            "",
            str(error).splitlines()[0],
            f"YAML written out in at most {MAX_YAML_BYTES:,} characters, with numbers and dates that exist",
        ) from None


def _known_keys(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Names allowed where a key was refused, following the location through nested models."""
    found: type[BaseModel] | None = model
    for part in location[:-1]:
        if isinstance(part, int) or found is None:
            continue
        field = found.model_fields.get(str(part))
        found = None if field is None else _inner_model(field.annotation)
    return list(found.model_fields) if found is not None else []


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        model = _inner_model(inner)
        if model is not None:
            return model
    return None


_IN_WORDS: Final[Mapping[str, str]] = {
    "finite_number": "a finite number",
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of few digits",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text (in quotes if it looks like a number)",
    "string_too_short": "a text that is not empty",
    "string_too_long": "a text of at most {max_length} characters",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "date_type": "a date such as 2026-01-06",
    "date_parsing": "a date such as 2026-01-06",
    "date_from_datetime_parsing": "a date such as 2026-01-06",
    "date_from_datetime_inexact": "a date such as 2026-01-06",
    "tuple_type": "a list",
    "path_type": "the name of a file",
    "too_short": "at least {min_length} in the list",
    "too_long": "at most {max_length} in the list",
}
_OF_A_WHOLE: Final = {"float_type", "bool_type", "dict_type", "too_short"}  # said of a whole whose part is wrong


def _whole(value: Any) -> Any:
    """A number without its point where there is nothing behind it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _place(location: tuple[Any, ...]) -> str:
    """Where, in the file's own words: without pydantic's marks of keys and of kinds that were tried."""
    parts = [str(p) for p in location if p != "[key]" and not str(p).startswith(("dict[", "function-"))]
    if len(parts) > 1 and parts[-1] in ("float", "bool", "int", "str"):
        del parts[-1]
    return ".".join(map(shown, parts))


def _found(file: str, model: type[BaseModel], item: Any) -> list[Problem]:
    """Problems of one of pydantic's errors."""
    location, place = item["loc"], _place(item["loc"])
    given = "nothing" if item["input"] in (None, "") else shown(item["input"])
    if item["type"] == "extra_forbidden":
        known = _known_keys(model, location)
        hint = nearest(str(location[-1]), known)
        return [Problem(file, place, f"an unknown key{hint}", f"one of {', '.join(known)}")]
    if item["type"] == "missing":
        return [Problem(file, place, "nothing", "a value: this key is needed")]
    error = item.get("ctx", {}).get("error")
    if isinstance(error, Wrong):
        return [Problem(file, ".".join(filter(None, (place, below))), g, allowed) for below, g, allowed in error.found]
    if isinstance(error, Exception):  # of a validator; pydantic's own words for a date are a text
        said, allowed = divided(str(error), "")
        return [Problem(file, place, said, allowed) if allowed else Problem(file, place, given, said)]
    words = _IN_WORDS.get(item["type"])
    bounds = {name: _whole(value) for name, value in item.get("ctx", {}).items()}
    return [Problem(file, place, given, item["msg"] if words is None else words.format(**bounds).replace("'", ""))]


def problems_of(file: str, model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """Every problem that pydantic found, each place once: a whole is not blamed for its part."""
    errors = error.errors(include_url=False)
    found = [(item["type"], one) for item in errors for one in _found(file, model, item)]
    places = [one.place for _, one in found]
    kept: dict[tuple[str, str], Problem] = {}
    for kind, one in found:
        if kind in _OF_A_WHOLE and any(place.startswith(f"{one.place}.") for place in places):
            continue
        kept.setdefault((one.place, "" if kind in _IN_WORDS else str(one)), one)
    return list(kept.values())


def parse[Model: BaseModel](file: str, content: Any, model: type[Model]) -> Model:
    """Validate parsed content against a model; raises :class:`InputError` with every problem."""
    if not isinstance(content, dict):
        kinds = {type(None): "an empty file", list: "a list", str: "a text"}
        raise problem(file, "", kinds.get(type(content), "a single value"), "keys and values, such as name: value")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise InputError(problems_of(file, model, error)) from None


def load[Model: BaseModel](path: Path, model: type[Model]) -> Model:
    """Read a YAML file as a model; raises :class:`InputError` with every problem."""
    return parse(str(path), read_yaml(path), model)
