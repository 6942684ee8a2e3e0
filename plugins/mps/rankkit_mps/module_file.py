"""The tensors of a whole module that was pickled with torch.save, read without running anything in it.

A pickle calls what it names: classes, and whatever else somebody put there. `torch.load` with `weights_only`
refuses every name but those that rebuild tensors; here each of the refused ones is an empty stand-in, which
keeps what is given to it and does nothing.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from rankkit.errors import BrokenRanker
from rankkit.plugin import reason_of

SETS = ("builtins.set", "__builtin__.set")  # of names, which decide what a state dict leaves out


class StandIn:
    """In place of an object of a class that is not needed: it keeps its state."""

    def __new__(cls, *_: object, **__: object) -> StandIn:
        """An empty one, whatever is given."""
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        self.state: Mapping[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        self.state = state if isinstance(state, Mapping) else {}

    def __setitem__(self, key: object, value: object) -> None:
        """An entry of what was a dictionary."""

    def append(self, value: object) -> None:
        """An entry of what was a list."""

    def extend(self, values: object) -> None:
        """Entries of what was a list."""


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """Every parameter and buffer of a module in a torch file, by its name, or of a state dict there.

    Raises `BrokenRanker` for a file that is damaged or holds neither.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            scripted = any(name.endswith("/constants.pkl") for name in archive.namelist())
        if scripted:
            raise BrokenRanker(f"{path} is a program of TorchScript, not weights; nothing in it was run")
        names = get_unsafe_globals_in_checkpoint(path)
        known: list[Any] = [(set if name in SETS else _stand_in(name), name) for name in names]
        with safe_globals(known):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except BrokenRanker:
        raise
    except Exception as error:  # a pickle that is cut off or strange fails in many ways
        if harmful := re.search(r"GLOBAL (\S+) whose module \S+ is blocked", str(error)):
            raise BrokenRanker(
                f"{path} names {harmful[1]}, which no weights need, and is refused; nothing in it was run"
            ) from None
        reason = reason_of(error)
        raise BrokenRanker(f"{path} is truncated or damaged ({reason}); download it again") from None
    found = dict(_inside(content, "") if isinstance(content, StandIn) else _plain(content))
    if not found:
        raise BrokenRanker(
            f"{path} is a pickle that holds neither a module nor weights; nothing in it was run"
        )
    return found


def _stand_in(name: str) -> type[StandIn]:
    return type(name.rpartition(".")[2], (StandIn,), {})


def _inside(module: object, prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
    """What `state_dict` would list of a module."""
    state = module.state if isinstance(module, StandIn) else {}
    for kind in ("_parameters", "_buffers"):
        left_out = state.get("_non_persistent_buffers_set") or ()
        for name, value in _items(state.get(kind)):
            if isinstance(value, torch.Tensor) and name not in left_out:
                yield prefix + name, value.detach()
    for name, child in _items(state.get("_modules")):
        yield from _inside(child, f"{prefix}{name}.")


def _plain(content: object) -> Iterator[tuple[str, torch.Tensor]]:
    return ((name, value) for name, value in _items(content) if isinstance(value, torch.Tensor))


def _items(content: object) -> list[tuple[str, Any]]:
    return [(str(name), value) for name, value in content.items()] if isinstance(content, Mapping) else []
