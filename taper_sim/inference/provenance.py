"""Whose code and numbers a committed table describes: a hash that the table carries. Imports nothing of the package."""

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np


class _Bare(ast.NodeTransformer):
    """Source without docstrings: words change no number."""

    def _strip(self, node: Any) -> Any:
        self.generic_visit(node)
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return node

    visit_Module = visit_ClassDef = visit_FunctionDef = _strip


def hash_of(*parts: ModuleType | Callable[..., Any], numbers: object = (), also: str = "") -> str:
    """Short hash of the code of modules or functions, whatever their comments, docstrings and layout, and of numbers.

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
        tree = ast.parse(textwrap.dedent(inspect.getsource(part)))  # a function may stand indented
        digest.update(ast.dump(_Bare().visit(tree)).encode())
    for number in np.ravel(np.asarray(numbers, dtype=np.float64)):
        digest.update(f"{number:.12g};".encode())
    digest.update(also.encode())
    return digest.hexdigest()[:12]


def hash_of_sources(*modules: ModuleType) -> str:
    """Short hash of modules' sources to the letter, comments and all."""
    return hashlib.sha256("".join(map(inspect.getsource, modules)).encode()).hexdigest()[:12]
