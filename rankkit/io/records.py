"""Files of JSON or parquet, read record by record.

A JSON array, one JSON object per line, an object that holds a list of pairs or an object by number, or
parquet, told apart by their first bytes.

However large the file, no more than one record and a chunk of it are in memory; an object is read whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from rankkit.errors import BadSource
from rankkit.io.formats import pyarrow_parquet
from rankkit.io.text import POINTED, POINTER

Record = Mapping[str, Any]
Stream = Callable[[bool], Iterator[tuple[str, Record]]]

WRAPPED = re.compile(rb'\{\s*"(?:pairs"\s*:\s*\[|\d+"\s*:\s*\{)')  # {"pairs": [, or {"0001": {
CHUNK = 2**16  # characters of a JSON array read at once
MAX_ENTRY = 2**26  # characters that one entry of a JSON array may have


def stream(path: Path, fields: Collection[str] | None) -> Stream:
    """A function that reads the file from its start.

    `(where, record)` pairs, "line 3" or "entry 3" or "row 3" being the place.

    Its argument says whether to read what is large: with False, bytes and structures in a parquet file are
    left out (None). So is every parquet column that `fields`, where it is given,
    does not name. Raises `BadSource` for anything
    else than such a file, naming the place.
    """
    with open(path, "rb") as file:
        start = file.read(4096)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"PAR1"):
        return lambda large: _parquet(path, fields, large)
    if text.startswith(b"["):
        return lambda _: _json(path, "entry", json_elements)
    if WRAPPED.match(text):
        return lambda _: _json(path, "entry", _wrapped)
    if text.startswith(b"{"):
        return lambda _: _json(path, "line", _lines)
    if start.startswith(POINTER):
        raise BadSource(f"{path}: {POINTED}")
    began = f"begins with {start[:12]!r}" if start else "is empty"
    raise BadSource(f"{path}: it {began}; give a JSON array, one JSON object per line, or parquet")


def _json(
    path: Path, unit: str, parse: Callable[[TextIO], Iterator[tuple[int, Any]]]
) -> Iterator[tuple[str, Record]]:
    number = 0
    with open(path, encoding="utf-8-sig") as file:
        try:
            for number, value in parse(file):
                if not isinstance(value, dict):
                    raise ValueError(
                        f"{unit} {number} is {type(value).__name__}, not an object with named fields"
                    )
                yield f"{unit} {number}", value
        except UnicodeDecodeError as error:
            raise BadSource(
                f"{path}, after {unit} {number}: not UTF-8 text ({error.reason}); save it as UTF-8"
            ) from None
        except RecursionError:
            raise BadSource(
                f"{path}, after {unit} {number}: nested too deeply to be read; give flat objects"
            ) from None
        except ValueError as error:
            raise BadSource(f"{path}: {error}; give a complete JSON array, or one object per line") from None


def _lines(file: TextIO) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(file, 1):
        line = line.strip("\ufeff \t\r\n").removesuffix(",")  # what is left where files were joined
        if line:
            try:
                value = json.loads(line, object_pairs_hook=once)
            except ValueError as error:
                raise ValueError(f"line {number} is not JSON ({error})") from None
            yield number, value


def _wrapped(file: TextIO) -> Iterator[tuple[int, Any]]:
    """The elements of the list in ``{"pairs": […]}``, or of ``{"0001": {…}, …}``, with its name as id."""
    text = file.read(MAX_ENTRY + 1)
    if len(text) > MAX_ENTRY:
        raise ValueError(f"one object of more than {MAX_ENTRY:,} characters")
    whole = json.loads(text, object_pairs_hook=once)
    if "pairs" in whole:
        yield from enumerate(whole["pairs"], 1)
        return
    for number, (name, value) in enumerate(whole.items(), 1):
        yield number, {"id": name, **value} if isinstance(value, dict) else value


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which no name has two values: which one is meant would be a guess. Raises
    ValueError.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        for name, value in pairs:
            if found[name] != value and (found[name] == found[name] or value == value):
                raise ValueError(f"an object has two values of {name!r}")
    return found


def json_elements(file: TextIO) -> Iterator[tuple[int, Any]]:
    """The elements of a JSON array, numbered from 1."""
    decoder, between = json.JSONDecoder(object_pairs_hook=once), re.compile(r"[\s,]*")
    text, at, number = file.read(CHUNK).lstrip(), 1, 1
    while True:
        at = between.match(text, at).end()  # type: ignore[union-attr]  # the pattern matches anything
        if text.startswith("]", at):
            if (text[at + 1 :] + file.read(CHUNK)).strip():
                raise ValueError(f"more follows the end of the list, after entry {number - 1}")
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError as error:
            more = file.read(max(CHUNK, len(text) - at)) if len(text) - at < MAX_ENTRY else ""
            if not more:
                raise ValueError(
                    f"entry {number} is not complete JSON ({getattr(error, 'msg', error)})"
                ) from None
            text, at = text[at:] + more, 0
            continue
        yield number, value
        number += 1


def _parquet(path: Path, fields: Collection[str] | None, large: bool) -> Iterator[tuple[str, Record]]:
    parquet = pyarrow_parquet()
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            wanted = [
                name
                for name in schema.names
                if (fields is None or name in fields) and (large or not _is_large(schema.field(name).type))
            ]
            for batch in file.iter_batches(batch_size=16 if large else 4096, columns=wanted):
                for record in batch.to_pylist():
                    number += 1
                    yield f"row {number}", {**dict.fromkeys(schema.names), **record}
    except Exception as error:  # pyarrow raises its own family, which is not importable without it
        raise BadSource(
            f"{path}, after row {number}: cannot be read as parquet ({error}); is it complete?"
        ) from None


def _is_large(kind: Any) -> bool:
    import pyarrow.types

    return bool(
        pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind) or pyarrow.types.is_struct(kind)
    )
