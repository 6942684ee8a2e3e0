"""Changed inputs: bytes cut, doubled, spliced and overwritten; JSON with values moved and replaced; parts of
a container changed and packed again with right lengths and checksums.

All is drawn from the generator that is given, so an input is a function of its seed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

LONGEST = 2**16  # bytes of one input
NUMBERS = (b"0", b"-1", b"1e999", b"NaN", b"18446744073709551616", b"9" * 40, b"0.1e-400", b"2147483648")
WORDS = (b'"', b"\\", b"\0", b"\n", b"\r\n", b",", b":", b"{", b"}", b"[", b"]", b"<", b"(", b")", b"*", b"+")
MORE = (
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"../",
    b"/etc/passwd",
    b"\\ud800",
    b"[" * 2000,
    b"\x7f",
)
RUBBISH: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**64, 1.5, 1e308, float("nan"), "", "a" * 5000, "\ud800", "\0", "../../x"),
    *([], {}, [[]], ["3", 0], {"a": {"a": []}}, [None, 1], {"$": "nan"}, {"$": [1]}, {"": ""}),
)  # fmt: skip


def changed(rng: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """An input like this one with one to eight changes; a JSON text is changed as JSON half of the time."""
    if rng.random() < 0.5 and (again := changed_json(rng, data)) is not None:
        return again[:LONGEST]
    new = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        _change(rng, new, others)
    return bytes(new[:LONGEST])


def _change(rng: Random, data: bytearray, others: Sequence[bytes]) -> None:
    """One change of bytes, in place."""
    start = rng.randrange(len(data) + 1)
    end = min(len(data), start + rng.choice((1, 1, 2, 4, 8, 64, 4096)))
    how = rng.randrange(8)
    if how == 0:
        del data[start:end]
    elif how == 1:
        del data[start:]
    elif how == 2:
        data[start:start] = data[start:end] * rng.choice((1, 2, 50))
    elif how == 3:
        data[start:end] = rng.choice(NUMBERS + WORDS + MORE)
    elif how == 4:
        data[start:start] = rng.choice(NUMBERS + WORDS + MORE)
    elif how == 5 and others:
        other = rng.choice(others)
        cut = rng.randrange(len(other) + 1)
        data[start:end] = other[cut : cut + rng.choice((4, 64, LONGEST))]
    elif start < len(data):
        data[start] = rng.choice(
            (0, 1, 0x7F, 0x80, 0xFF, data[start] ^ (1 << rng.randrange(8)), rng.randrange(256))
        )


def changed_json(rng: Random, data: bytes) -> bytes | None:
    """A JSON text, or one line of several, with values replaced, moved, renamed or gone; None for no JSON."""
    lines = data.split(b"\n")
    place = rng.randrange(len(lines)) if len(lines) > 1 and rng.random() < 0.9 else None
    try:
        value = json.loads(data if place is None else lines[place])
    except (ValueError, RecursionError):
        return None
    for _ in range(rng.randint(1, 3)):
        value = _change_value(rng, value)
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    if place is None:
        return text
    return b"\n".join([*lines[:place], text, *lines[place + 1 :]])


def _change_value(rng: Random, value: Any) -> Any:
    ways = list(_places(value, 4000))
    if not ways or rng.random() < 0.05:
        return copy.deepcopy(rng.choice(RUBBISH))
    holder, key = rng.choice(ways)
    how = rng.randrange(5)
    if how == 0:
        del holder[key]
    elif how == 1:
        holder[key] = copy.deepcopy(rng.choice(RUBBISH))
    elif how == 2:
        other, there = rng.choice(ways)
        if there in other if isinstance(other, dict) else there < len(other):
            holder[key] = copy.deepcopy(other[there])
    elif how == 3:
        holder[key] = [holder[key]] if rng.random() < 0.5 else {"prompt": holder[key]}
    elif isinstance(holder, dict):
        holder[rng.choice([str(each) for _, each in ways]) if rng.random() < 0.7 else "x"] = holder.pop(key)
    return value


def _places(value: Any, most: int) -> list[tuple[Any, Any]]:
    """Holders and keys of at most so many values within a value."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting and len(found) < most:
        holder = waiting.pop()
        items = (
            holder.items()
            if isinstance(holder, dict)
            else enumerate(holder)
            if isinstance(holder, list)
            else ()
        )
        for key, child in items:
            found.append((holder, key))
            waiting.append(child)
    return found
