"""Whose code and numbers a committed table describes: a hash that the table carries. Imports nothing of the package."""

import ast
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np


class _Bare(ast.NodeTransformer):
    """Source without docstrings, annotations, imports and the names of modules: none of them changes a number."""

    def __init__(self, module: ModuleType) -> None:
        self.modules = {name for name, value in vars(module).items() if isinstance(value, ModuleType)}

    def _body(self, node: Any) -> Any:
        """A definition without its docstring and its imports."""
        self.generic_visit(node)
        body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        node.body = [line for line in body if not isinstance(line, ast.Import | ast.ImportFrom)] or [ast.Pass()]
        return node

    visit_Module = visit_ClassDef = _body

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        """Without the annotation of its result too."""
        node.returns = None
        return self._body(node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """An argument without its annotation."""
        node.annotation = None
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """A module, whatever it is called here."""
        return ast.Name("module", node.ctx) if node.id in self.modules else node


def hash_of(*parts: ModuleType | Callable[..., Any], numbers: object = (), also: str = "") -> str:
    """Short hash of the code of modules or functions, and of numbers: what can change a number and nothing else.

    Comments, layout, docstrings, annotations, imports and names of modules do not count, so that words may be bettered
    and modules moved without running a study again. A function that is imported counts by its name alone: name its
    module as a part where its code matters.

    Parameters
    ----------
    *parts : module or function
    numbers : array_like
        Priors, constants and the like, which count by their value (12 digits) wherever they are written down.
    also : str
        Anything else that counts, as it is written.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(_bare_code(part).encode())
    for number in np.ravel(np.asarray(numbers, dtype=np.float64)):
        digest.update(f"{number:.12g};".encode())
    digest.update(also.encode())
    return digest.hexdigest()[:12]


@cache
def _bare_code(part: ModuleType | Callable[..., Any]) -> str:
    """Code of a module or function that counts; kept, because a table may need the same hash for each row."""
    module = part if isinstance(part, ModuleType) else sys.modules[part.__module__]
    tree = ast.parse(textwrap.dedent(inspect.getsource(part)))  # a function may stand indented
    return ast.dump(_Bare(module).visit(tree))


def hash_of_sources(*modules: ModuleType) -> str:
    """Short hash of modules' sources to the letter, comments and all."""
    return hashlib.sha256("".join(map(inspect.getsource, modules)).encode()).hexdigest()[:12]
