"""The environment of every page's templates, in which all text is escaped and a missing value is an error.

Imports nothing of the package.
"""

from jinja2 import Environment, PackageLoader, StrictUndefined


def template_environment(package: str, *extensions: str) -> Environment:
    """Templates of a package's folder ``templates``, with extensions of Jinja by their import paths."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=extensions,
    )
