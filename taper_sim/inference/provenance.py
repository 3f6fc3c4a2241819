"""Whose code and numbers a committed table describes: a hash that the table carries. Imports nothing of the package."""

import ast
import hashlib
import inspect
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


def hash_of(*modules: ModuleType, numbers: object = ()) -> str:
    """Short hash of the code of modules, whatever their comments, docstrings and layout, and of numbers.

    Parameters
    ----------
    *modules : module
    numbers : array_like
        Priors, constants and the like, which count by their value (12 digits) wherever they are written down.
    """
    digest = hashlib.sha256()
    for module in modules:
        digest.update(ast.dump(_Bare().visit(ast.parse(inspect.getsource(module)))).encode())
    for number in np.ravel(np.asarray(numbers, dtype=np.float64)):
        digest.update(f"{number:.12g};".encode())
    return digest.hexdigest()[:12]
