"""How a public name is retired: for two minor versions it still works, under a `DeprecationWarning` that says
its present name.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def retired(module: str, names: Mapping[str, tuple[str, str]]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` for names that it had: each maps to where it is now, as ``module:name``, and
    the version that drops it.

    ``__getattr__ = retired(__name__, {"old": ("rankkit.plugin:new", "0.4")})``
    """

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        now, dropped = names[name]
        place, _, present = now.partition(":")
        warnings.warn(
            f"{module}.{name} is {place}.{present} now; {dropped} drops the old name",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(importlib.import_module(place), present)

    return find
