"""A name to what it names: a class or a function, imported here, and the version of its source."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from rankkit.core.binding import describe
from rankkit.errors import BrokenRanker, UnknownRanker
from rankkit.registry import diagnose
from rankkit.registry.catalog import entry_points_by_name, names_of, owner_of
from rankkit.registry.spec import TASTE, is_folder


def find(name: str) -> tuple[Any, str]:
    """The class or function of a ranker's name, and its version before what it states of itself.

    A name is that of an entry point, ``module.path:function``, or a folder that `rankkit fit` wrote. Raises
    `UnknownRanker` with the nearest names, `BrokenRanker` for what cannot be imported.
    """
    if is_folder(name):
        return _in_folder(name)
    return _dotted(name) if ":" in name else _registered(name)


def _in_folder(name: str) -> tuple[Any, str]:
    """The ranker that `rankkit fit` wrote into a folder; its version does not depend on our release."""
    # by its name, as a plugin: what reads such a folder stands on top of what loads rankers
    module = importlib.import_module("rankkit.choose.fit.ranker")
    return module.open_folder(os.path.expanduser(name)), "fit"


def _registered(name: str) -> tuple[Any, str]:
    points = entry_points_by_name(name).get(name, [])
    if not points:
        offers = entry_points_by_name()
        near = difflib.get_close_matches(name, offers, 3, 0.5)
        near = [f"./{name}"] if Path(name, TASTE).is_file() else near
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UnknownRanker(
            f"no ranker is named {name!r}; {hint}installed: {', '.join(sorted(offers)) or 'none'}"
        )
    owners = sorted({owner_of(point) for point in points})
    if len(owners) > 1:
        raise BrokenRanker(f"{names_of(owners)} both offer a ranker named {name!r}; uninstall one of them")
    point = points[0]
    distribution, version = owners[0]
    try:
        return point.load(), version
    except (Exception, SystemExit) as error:  # a plugin can fail at import in any way
        hint = f"; rankkit install {name} makes an environment for it" if name.endswith("-official") else ""
        why = diagnose.of(point) or describe(error)
        raise BrokenRanker(f"{name} ({distribution} {version}) cannot be imported: {why}{hint}") from error


def _dotted(name: str) -> tuple[Any, str]:
    """`module.path:function`; the current folder is searched too.

    Its version is a hash of the module's source.
    """
    module_name, _, path = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        if error.name and module_name.split(".")[0] == error.name.split(".")[0]:
            if module_name.endswith(".py"):
                raise UnknownRanker(
                    f"{name}: a file is named as a module, without its ending: {name.replace('.py:', ':')}"
                ) from None
            raise UnknownRanker(
                f"{name}: no module {module_name!r} here or installed; run from the folder that holds it, or "
                f"install it"
            ) from None
        raise BrokenRanker(f"{name}: {module_name} cannot be imported: {describe(error)}") from error
    except (Exception, SystemExit) as error:
        raise BrokenRanker(f"{name}: {module_name} cannot be imported: {describe(error)}") from error
    target: Any = module
    for part in path.split("."):
        if not hasattr(target, part):
            near = difflib.get_close_matches(part, dir(target), 3, 0.5)
            raise UnknownRanker(
                f"{name}: {module_name} has no {part!r}"
                + (f"; did you mean {' or '.join(near)}?" if near else "")
            )
        target = getattr(target, part)
    source = getattr(module, "__file__", None)
    data = Path(source).read_bytes() if source else module_name.encode()
    return target, f"source:{hashlib.sha256(data).hexdigest()[:12]}"
