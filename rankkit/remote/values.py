"""Metadata and details as strict JSON, from which they come back as they were.

They travel when they consist of None, booleans, integers, floats (NaN and infinities too), strings, lists,
tuples and mappings with string keys; numpy numbers arrive as Python's. Anything else (bytes, sets, arrays,
images, objects) is refused by name. ``{"$": "nan"}`` is a float, ``{"$": [1, 2]}`` a tuple, and a key that
begins with ``$`` has one more. Text is UTF-8, except that a lone surrogate is encoded like any other
character.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rankkit.errors import RankkitError

_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def dumps(value: object) -> bytes:
    """A value of `to_json` as bytes.

    Raises ValueError for an integer of thousands of digits, RecursionError for thousands of lists in lists.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def loads(data: bytes | bytearray | memoryview) -> Any:
    """The value in bytes of `dumps`. Raises ValueError or RecursionError for anything else."""
    text = str(data, "utf-8", "surrogatepass")
    return json.loads(text, object_hook=_revive, parse_float=_finite, parse_constant=_finite)


def to_json(value: Any, where: str) -> Any:
    """A value as JSON can hold it. Raises `RankkitError` for one that it cannot, naming it by `where`."""
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        value = value.item()
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$": float.__repr__(value)}
    try:
        if isinstance(value, (list, tuple)):
            items = [to_json(item, f"{where}[{i}]") for i, item in enumerate(value)]
            return items if isinstance(value, list) else {"$": items}
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {
                f"${key}" if key.startswith("$") else key: to_json(item, f"{where}[{key!r}]")
                for key, item in value.items()
            }
    except RecursionError:
        raise RankkitError(f"{where[:80]} … is nested too deep, or holds itself") from None
    shown = "a mapping whose keys are not all strings" if isinstance(value, Mapping) else type(value).__name__
    raise RankkitError(
        f"{where} is {shown}, which JSON cannot hold; give numbers, strings, lists and mappings with string "
        f"keys"
    )


def _revive(found: dict[str, Any]) -> Any:
    if found.keys() != {"$"}:
        return {key[1:] if key.startswith("$") else key: value for key, value in found.items()}
    value = found["$"]
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, str) and value in _SPECIAL:
        return _SPECIAL[value]
    raise ValueError('{"$": …} holds neither a list nor nan, inf or -inf')


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number
