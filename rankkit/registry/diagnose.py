"""What is wrong with a plugin, as far as it can be seen without importing it.

So that listing is safe, quick and still tells.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution
from pathlib import Path


def of(point: EntryPoint) -> str | None:
    """The first fault of an entry point, in words, or None.

    Bad value, missing extra, module or import, bad syntax, no such attribute.
    """
    try:
        module, attribute = point.module, point.attr
    except AttributeError:
        return f"its entry point {point.value!r} is not module:attribute"
    extra = missing_extra(point)
    if extra:
        return extra
    try:
        path = _source(module)
    except (ImportError, ValueError):
        return f"module {module} is not there"
    if path is None or path.suffix != ".py":
        return None  # what compiled and namespace modules define is known once they are imported only
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError, OSError) as error:
        return f"{path.name} cannot be parsed: {error}"
    absent = next((name for name in _imports(tree) if importlib.util.find_spec(name) is None), None)
    if absent:
        return f"it imports {absent}, which is not installed"
    if attribute and not _defines(tree, attribute.split(".")[0]):
        return f"{module} has no {attribute.split('.')[0]!r}"
    return None


def _source(module: str) -> Path | None:
    """The file of a module, found by path alone: `find_spec` of a submodule would import its parents."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None:
        raise ImportError(module)
    if not rest:
        return Path(spec.origin) if spec.origin else None
    for folder in spec.submodule_search_locations or ():
        stem = Path(folder, *rest)
        for candidate in (stem.with_suffix(".py"), stem / "__init__.py"):
            if candidate.is_file():
                return candidate
        if list(stem.parent.glob(f"{stem.name}.*")):
            return None
    raise ImportError(module)


def missing_extra(point: EntryPoint) -> str | None:
    """The first package that an extra of this entry point asks for in vain, with the command that adds it."""
    for extra in point.extras:
        for requirement in requirements(point.dist, extra):
            if not is_installed(requirement):
                owner = point.dist.metadata["Name"] if point.dist else "its distribution"
                return f"it needs {requirement}: pip install '{owner}[{extra}]'"
    return None


def requirements(owner: Distribution | None, extra: str) -> Iterator[str]:
    """What an extra adds without further conditions.

    Whether others (a Python version, a system) hold is for the installer to know.
    """
    for line in (owner.requires or []) if owner else []:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        if name and re.search(rf";\s*extra\s*==\s*['\"]{re.escape(extra)}['\"]\s*$", line):
            yield name.group()


def is_installed(name: str) -> bool:
    """Whether there is a distribution of this name."""
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def _imports(tree: ast.Module) -> Iterator[str]:
    """Top packages that the module imports unconditionally, when it is itself imported."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def _defines(tree: ast.Module, name: str) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name == name:
            return True
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, (ast.Import, ast.ImportFrom)) and any(
            a.name == "*" or (a.asname or a.name.split(".")[0]) == name for a in node.names
        ):
            return True
        if isinstance(node, ast.FunctionDef) and node.name == "__getattr__":
            return True
    return False
