"""YAML files as pydantic models, each problem in one line. Imports ``data.problems``."""

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
"""Scenarios and patients are written by hand; a file above 2 MB is neither. A design choice."""


class Strict(BaseModel):
    """Base of every file's model: refuses unknown keys; values are constant."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _truth_is_no_number(cls, given: Any) -> Any:
        """Refuse true and false for a number: pydantic would take them for 1 and 0."""
        booleans = []
        for name, field in cls.model_fields.items() if isinstance(given, dict) else ():
            types, value = _types_in(field.annotation), given.get(name)
            if bool not in types and (int in types or float in types):
                parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
                booleans += [(name, part, "a number") for part in parts if isinstance(part, bool)]
        if booleans:
            raise Wrong(*booleans)
        return given


def _types_in(annotation: Any) -> list[Any]:
    """Every type that an annotation names, nested ones included."""
    inside = get_args(annotation)
    return [annotation] if not inside else [inner for part in inside for inner in _types_in(part)]


_DEEPEST: Final = 100
"""Nesting levels of a file; hand-written files have fewer than ten. Counted here: libraries change Python's limit."""


_LONGEST_NUMBER: Final = 100
"""Characters of a number; a double has 17 digits."""


class _UniqueKeys(yaml.SafeLoader):
    """SafeLoader that refuses repeated keys, aliases that expand beyond the limit, and deep nesting.

    PyYAML would silently keep the last of the repeated keys.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node and its children."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise RecursionError
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def get_single_node(self) -> yaml.Node | None:
        """Compose the document; refuse it if it exceeds the limit of a file once its aliases are expanded."""
        document = super().get_single_node()
        size, waiting = 0, [document] if document is not None else []
        while waiting:
            node = waiting.pop()
            size += 4  # many small values count as much as a long text
            if isinstance(node, yaml.ScalarNode):
                size += len(node.value)
            elif isinstance(node, yaml.MappingNode):
                waiting += [part for pair in node.value for part in pair]
            else:
                waiting += node.value
            if size > MAX_YAML_BYTES:
                raise yaml.YAMLError("aliases (*name) that expand beyond the limit of a file")
        return document

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":  # <<: *name may repeat a key of the alias
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key_node, yaml.ScalarNode) or not isinstance(key, Hashable):
                raise yaml.MarkedYAMLError(problem="a list or mapping as a key", problem_mark=key_node.start_mark)
            if key in keys:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {shown(key)} is written twice", problem_mark=key_node.start_mark
                )
            keys.add(key)
        return super().construct_mapping(node, deep)


def _short(construct: Any) -> Any:
    """A constructor that refuses numbers in base 60 or with thousands of digits."""

    def constructed(loader: _UniqueKeys, node: yaml.ScalarNode) -> Any:
        if len(node.value) > _LONGEST_NUMBER:
            raise yaml.MarkedYAMLError(
                problem=f"a number of {len(node.value):,} characters", problem_mark=node.start_mark
            )
        return construct(loader, node)

    return constructed


_UniqueKeys.add_constructor("tag:yaml.org,2002:int", _short(yaml.SafeLoader.construct_yaml_int))
_UniqueKeys.add_constructor("tag:yaml.org,2002:float", _short(yaml.SafeLoader.construct_yaml_float))


class Wrong(ValueError):
    """Problems that a model's validator raises: for each the place in the model, the value given, what is allowed."""

    def __init__(self, *problems: tuple[str, Any, str]):
        self.problems = [(place, shown(_whole(given)), allowed) for place, given, allowed in problems]
        super().__init__("; ".join(f"{given}; allowed: {allowed}" for _, given, allowed in self.problems))


def shares_of_patients(shares: dict[str, float]) -> dict[str, float]:
    """Return the shares if they add to 1 or there are none; raise :class:`Wrong` else."""
    total = sum(shares.values())
    if shares and not math.isclose(total, 1.0, abs_tol=1e-6):
        raise Wrong(("", f"shares of patients that add to {total:g}", "shares that add to 1"))
    return shares


def refuse_unknown(given: Iterable[str], known: Collection[str], what: str, place: str = "") -> None:
    """Raise :class:`Wrong` with a line for each unknown name and the nearest known one."""
    unknown = [name for name in given if name not in known]
    if unknown:
        allowed = f"one of {', '.join(known)}"
        raise Wrong(*((f"{place}{name}", f"an unknown {what}{nearest(name, known)}", allowed) for name in unknown))


def divided(message: str, otherwise: str) -> tuple[str, str]:
    """Split an error's text into the value given and what is allowed, ``otherwise`` if the text does not name it."""
    given, _, allowed = message.partition("; allowed: ")
    return given.replace(": given ", ": "), allowed or otherwise


def read_bytes(path: Path, limit: int) -> bytes:
    """Content of a file, or an :class:`InputError` with the reason; pipes and devices are refused unopened."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
            raise problem(str(path), "", "a pipe, a device or another special file", "a file")
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
    except (OSError, ValueError) as error:  # a name too long, a file used as a folder, a null character in a name
        if isinstance(error, InputError):
            raise
        given = (getattr(error, "strerror", None) or str(error)).lower()
        raise problem(str(path), "", given, "a file that can be read") from None


def read_text(path: Path, limit: int) -> str:
    """Text of a file, or an :class:`InputError` with the reason."""
    try:
        return read_bytes(path, limit).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise problem(str(path), f"byte {error.start + 1}", "bytes that are not UTF-8", "text in UTF-8") from None


def read_yaml(path: Path) -> Any:
    """Parsed content of a file; errors name line and column."""
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
            f"YAML of at most {MAX_YAML_BYTES:,} characters, with valid numbers and dates",
        ) from None


def _known_keys(model: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Names allowed at the place of a refused key, found by following the location through nested models."""
    inner: type[BaseModel] | None = model
    for part in location[:-1]:
        if isinstance(part, int) or inner is None:
            continue
        field = inner.model_fields.get(str(part))
        inner = None if field is None else _inner_model(field.annotation)
    return list(inner.model_fields) if inner is not None else []


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
    "list_type": "a list",
    "uuid_parsing": "a UUID",
    "uuid_type": "a UUID",
    "string_pattern_mismatch": "a text of the form {pattern}",
    "path_type": "the name of a file",
    "too_short": "at least {min_length} in the list",
    "too_long": "at most {max_length} in the list",
}
_OF_A_WHOLE: Final = {
    "float_type",
    "bool_type",
    "dict_type",
    "too_short",
}  # errors of a value one of whose parts is wrong


def _whole(value: Any) -> Any:
    """A whole number as int, anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _place(location: tuple[Any, ...]) -> str:
    """Place in the file's terms, without pydantic's marks of keys and of types that it tried."""
    parts = [str(p) for p in location if p != "[key]" and not str(p).startswith(("dict[", "function-"))]
    if len(parts) > 1 and parts[-1] in ("float", "bool", "int", "str"):
        del parts[-1]
    return ".".join(map(shown, parts))


def _problems_of_item(file: str, model: type[BaseModel], item: Any) -> list[Problem]:
    """Problems of one error of pydantic."""
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
        return [
            Problem(file, ".".join(filter(None, (place, below))), g, allowed) for below, g, allowed in error.problems
        ]
    if isinstance(error, Exception):  # of a validator; pydantic describes an invalid date by a text instead
        message, allowed = divided(str(error), "")
        return [Problem(file, place, message, allowed) if allowed else Problem(file, place, given, message)]
    words = _IN_WORDS.get(item["type"])
    bounds = {name: _whole(value) for name, value in item.get("ctx", {}).items()}
    return [Problem(file, place, given, item["msg"] if words is None else words.format(**bounds).replace("'", ""))]


def problems_of(file: str, model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """Every problem that pydantic reports, each place once; a value is not reported for its wrong part."""
    errors = error.errors(include_url=False)
    typed = [(item["type"], fault) for item in errors for fault in _problems_of_item(file, model, item)]
    places = [fault.place for _, fault in typed]
    kept: dict[tuple[str, str], Problem] = {}
    for kind, fault in typed:
        if kind in _OF_A_WHOLE and any(place.startswith(f"{fault.place}.") for place in places):
            continue
        kept.setdefault((fault.place, "" if kind in _IN_WORDS else str(fault)), fault)
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
