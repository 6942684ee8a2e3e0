"""Text and values made safe to show and to store, and how numbers of things are said.

Valid Unicode, one line for a terminal, one word for a shell, plain JSON values.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

_STYLES = re.compile(r"\x1b\[[0-9;]*m")  # what colors and bold are to a terminal


def printable(text: str) -> str:
    r"""Text as valid Unicode: bytes of a file name that are not UTF-8 are shown as ``\xff``, and NUL, which
    not every csv bears, as ␀.
    """
    if "\0" in text:
        text = text.replace("\0", "␀")
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape" if _from_bytes(text) else "backslashreplace").decode(
            "utf-8", "backslashreplace"
        )


def from_printable(text: str) -> str:
    r"""A file name as the system has it, of one that `printable` may have made: ``\\xff`` is a byte again."""
    escaped = r"(?:\\x[89a-f][0-9a-f])+"
    return re.sub(
        escaped, lambda m: bytes.fromhex(m[0].replace(r"\x", "")).decode("utf-8", "surrogateescape"), text
    )


def shell_word(text: str | os.PathLike[str]) -> str:
    """A path or argument as one word of a command line that people may copy."""
    import shlex
    import subprocess  # late: few programs show a command line

    word = os.fspath(text)
    return subprocess.list2cmdline([word]) if os.name == "nt" else shlex.quote(word)


def one_line(text: str) -> str:
    r"""Text for a terminal: line breaks, escape codes and whatever else cannot be seen are shown as ``\n``,
    ``\x1b`` …
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "replace").decode() for c in printable(text)
    )


def line_of(text: str, most: int) -> str:
    """What somebody else said, as one line of characters that a terminal shows, `most` of them at most; each
    of the others is a space.
    """
    line = " ".join(text[: 4 * most].split())
    return "".join(c if c.isprintable() else " " for c in line)[:most]


def reason_of(error: BaseException) -> str:
    """What a library said, for a message of ours: at most 200 characters of one line, without its colors.

    Where it said nothing, the kind of its error.
    """
    words = " ".join(_STYLES.sub("", str(error)).split())
    return one_line(words[:200]) or type(error).__name__


def plain(value: Any) -> Any:
    """A value as JSON can hold it.

    Numpy scalars and arrays unpacked, NaN and infinities null, anything else its text.
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {printable(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy and torch, without importing either
        return plain(value.tolist())
    return printable(str(value))


def with_options(ranker: str, options: Mapping[str, Any]) -> str:
    """A ranker as one would write it, ``name:key=value``; a value that holds the grammar's marks is quoted.

    >>> with_options("veto", {"ranker": "a*2+b", "below": 0.5})
    "veto:ranker='a*2+b',below=0.5"
    """
    written = []
    for key, value in options.items():
        text, quote = str(value), '"' if "'" in str(value) else "'"
        marked = set(text) & set(",+*") or text.startswith(('"', "'"))
        written.append(f"{key}={quote}{text}{quote}" if marked else f"{key}={text}")
    return f"{ranker}:{','.join(written)}" if written else ranker


def count(number: int, noun: str, plural: str = "") -> str:
    """How many there are of something, for people: ``1 image``, ``12,000 images``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def first_few(names: Sequence[str], *, of: int | None = None) -> str:
    """The first three names, and `` …`` where there are more (`of`: how many, where not all are given)."""
    shown = names[:3]
    return ", ".join(shown) + (" …" if (len(names) if of is None else of) > len(shown) else "")


def in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines for a terminal, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _from_bytes(text: str) -> bool:
    return all(not 0xD800 <= ord(c) <= 0xDFFF or 0xDC80 <= ord(c) <= 0xDCFF for c in text)
