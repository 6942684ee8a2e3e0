"""The grammar in which rankers are named, and how the text of an option becomes a value.

``name:key=value,key=value`` · ``module.path:function`` · ``http://host:port`` · ``./folder`` (one that
`rankkit fit` wrote) · ``a*2+b``. A value or a folder that holds ``, + *`` or a colon is quoted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from rankkit.errors import UsageError

TASTE = "taste.json"  # what a folder holds that is a ranker


@dataclass(frozen=True, slots=True)
class Spec:
    """One ranker as written: a name and the texts of its options."""

    text: str
    name: str
    options: Mapping[str, str] = field(default_factory=dict)


def parse(text: str) -> list[tuple[Spec, float | None]]:
    """A spec as its members with their weights; a lone ranker has the weight None.

    Raises `UsageError` for bad grammar.
    """
    parts = _split(text, "+")
    members: list[tuple[Spec, float | None]] = []
    for part in parts:
        name, *factors = _split(part, "*")
        if len(factors) > 1:
            raise UsageError(
                f"{text!r}: {part!r} has more than one weight; write name*weight, and quote "
                "values that hold *"
            )
        members.append((_parse_one(name.strip(), text), _weight(factors[0], text) if factors else None))
    if len(members) > 1:
        members = [(spec, 1.0 if weight is None else weight) for spec, weight in members]
    return members


def with_options(text: str, options: Mapping[str, str]) -> str:
    """A spec with more options, quoted where they must be.

    Raises `UsageError` for a panel, and where no quotes will do.
    """
    if not options:
        return text
    if len(members := parse(text)) > 1 or members[0][1] is not None:
        raise UsageError(
            f"{text}: a panel takes no options of its own ({', '.join(options)}); give them to its members"
        )
    given = {**members[0][0].options, **options}
    name = members[0][0].name
    name = _quoted(name, name) if is_folder(name) else name
    return f"{name}:" + ",".join(f"{key}={_quoted(key, value)}" for key, value in given.items())


def panel_name(weights: Mapping[str, float]) -> str:
    """How a panel is written: ``a*2+b``."""
    return "+".join(name if weight == 1 else f"{name}*{_exact(weight)}" for name, weight in weights.items())


def _exact(weight: float) -> str:
    short = f"{weight:g}"
    return short if float(short) == weight and "+" not in short else f"{weight:.20f}".rstrip("0").rstrip(".")


def coerce(text: str, wanted: Any) -> Any:
    """A text as the type an annotation names; without one, the first of int, float, bool and str that fits.

    Raises ValueError.
    """
    if wanted is None or wanted is Any:
        return _guess(text)
    origin = get_origin(wanted)
    if origin is Literal:
        for choice in get_args(wanted):
            if text == str(choice):
                return choice
        raise ValueError(text)
    if origin in (Union, UnionType):
        return _coerce_union(text, get_args(wanted))
    if wanted is bool:
        if text.lower() in ("true", "yes", "on", "1"):
            return True
        if text.lower() in ("false", "no", "off", "0"):
            return False
        raise ValueError(text)
    if wanted in (int, float, str, Path):
        return wanted(text)
    return text


def _coerce_union(text: str, choices: tuple[Any, ...]) -> Any:
    if type(None) in choices and text.lower() in ("none", "null", ""):
        return None
    for choice in sorted((c for c in choices if c is not type(None)), key=lambda c: c is str):
        try:
            return coerce(text, choice)
        except ValueError:
            continue
    raise ValueError(text)


def _guess(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def _split(text: str, mark: str) -> list[str]:
    """Split at a mark outside quotes; quotes stay."""
    parts, start = [], 0
    for index, quoted in _outside(text):
        if text[index] == mark and not quoted:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def _outside(text: str) -> Iterator[tuple[int, bool]]:
    quote = ""
    for index, char in enumerate(text):
        yield index, bool(quote)
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'" and _may_be_quoted(text[:index]):
            quote = char
    if quote:
        raise UsageError(f"{text!r}: a quote ({quote}) is not closed")


def _may_be_quoted(before: str) -> bool:
    """Whether a value, or the name of a folder, begins after this part of a spec."""
    return before.endswith(("=", ":")) or not before.strip() or before.rstrip().endswith("+")


def _quoted(key: str, value: str) -> str:
    for quote in "\"'":
        if quote not in value:
            return f"{quote}{value}{quote}"
    raise UsageError(f"{key}={value!r} holds both kinds of quotes, which an option cannot")


def _parse_one(text: str, whole: str) -> Spec:
    if not text:
        raise UsageError(
            f"{whole!r}: a ranker's name is missing; write name, name:key=value, module:function or a*2+b"
        )
    if text.startswith(("http://", "https://")):
        return Spec(text, text)
    if other := re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", text):  # what follows may hold a password
        raise UsageError(f"no ranker can be asked by {other[1]}://; write the address as http://HOST:PORT")
    if re.fullmatch(r"[\w.-]+:[0-9]{1,5}", text):
        raise UsageError(f"{text!r} is no ranker; write the address of a server as http://{text}")
    head, *options = _split(text, ",")
    name, *rest = _split(head, ":")
    name = _folder(name)
    # module.path:function, perhaps with options of its own after another colon
    if rest and "=" not in rest[0]:
        name, rest = f"{name}:{rest[0]}", rest[1:]
    return Spec(text, name, _options(([":".join(rest)] if rest else []) + options, whole))


def _options(written: list[str], whole: str) -> dict[str, str]:
    """The texts of options by their names."""
    found: dict[str, str] = {}
    for option in written:
        key, equals, value = option.partition("=")
        key = key.strip()
        if not equals or not key.isidentifier():
            raise UsageError(
                f"{whole!r}: {option!r} is not key=value; write name:key=value,key=value and quote values "
                f"that hold , + or *"
            )
        if key in found:
            raise UsageError(f"{whole!r} gives {key} twice")
        found[key] = _without_quotes(value)
    return found


def _without_quotes(text: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] in "\"'" and text[0] == text[-1] else text


def folder_spec(folder: str | os.PathLike[str]) -> str:
    """How a folder is named as a ranker, quoted where its path holds what the grammar uses.

    Raises `UsageError` where no quotes will do.
    """
    path = os.fspath(folder)
    name = _folder(path if is_folder(path) else f"./{path}")
    if not set(name) & set(",+*:\"'") and name == name.strip():
        return name
    if {'"', "'"} <= set(name):
        raise UsageError(
            f"{name} holds both kinds of quotes, so no ranker could be named by it; give it another name"
        )
    return _quoted(name, name)


def is_folder(name: str) -> bool:
    """Whether a name is the path of a folder: it holds a slash, and is no address."""
    return ("/" in name or os.sep in name) and not name.startswith(("http://", "https://"))


def _folder(name: str) -> str:
    """A path without quotes and without a slash at its end, with ``./`` where it is relative."""
    bare = _without_quotes(name)
    if not is_folder(bare):
        return bare
    bare = bare.rstrip("/" + os.sep) or "/"
    return bare if bare.startswith((".", "~")) or os.path.isabs(bare) else f"./{bare}"


def _weight(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(
            f"{whole!r}: the weight {text!r} is not a number; write name*2, and quote values that hold *"
        ) from None
