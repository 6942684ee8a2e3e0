"""A manifest: a .jsonl, .csv, .parquet or .json file that says which image has which prompt.

All its other columns become metadata.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rankkit.errors import BadSource
from rankkit.io.formats import pyarrow_parquet
from rankkit.io.prompts import parallel_text
from rankkit.io.prompts.base import Entry, Item, Root

IMAGE = ("image", "image_path", "file_name", "path", "filename")
IMAGES = ("images", "path1", "path2", "chosen", "rejected", *IMAGE)
PROMPT = ("prompt", "text", "caption")
GROUP = ("group", "id")
MAX_JSON = 256 * 2**20  # a .json file is read whole; larger lists belong in .jsonl


def find(root: Root) -> Callable[[], Iterator[Item]] | None:
    """The items of the manifest that was named for this root, followed by the images of the root that it does
    not mention.
    """
    if root.manifest is None:
        return None
    if root.manifest.is_dir():
        return parallel_text.beside(root, root.manifest)
    return lambda: listed(root, [root.manifest] if root.manifest else [], rest=not root.manifest_only)


def listed(root: Root, manifests: list[Path], *, rest: bool = True, beside: bool = False) -> Iterator[Item]:
    """The items that manifests list, then (with `rest`) the root's images that none of them mentions, without
    a prompt.

    Images are sought in the root, then beside the manifest; the other way round with `beside`.
    """
    mentioned: set[int] = set()
    for manifest in manifests:
        bases = [str(root.path), str(manifest.parent)]
        for item in _items(root, manifest, bases[::-1] if beside else bases):
            mentioned.add(hash(os.path.abspath(item.path)))
            if item.error or _asked_for(root, item.path):
                yield item
    for entry in root.walk() if rest else ():
        if hash(os.path.abspath(root.locate(entry.relative))) not in mentioned:
            yield root.item(entry)


def _asked_for(root: Root, path: str) -> bool:
    """A manifest may tell of more images than the files or the folder that are to be scored."""
    if root.files:
        return os.path.normpath(path) in root.files
    return root.manifest_only or _within(path, [str(root.path)])


def records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The entries of a manifest with their line or entry numbers. Raises `BadSource` naming file and line."""
    readers = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet, ".json": _json}
    if path.suffix.lower() not in readers:
        raise BadSource(f"{path}: a manifest is a file in {', '.join(readers)}, or a folder of .txt files")
    try:
        yield from readers[path.suffix.lower()](path)
    except RecursionError:
        raise BadSource(f"{path}: nested too deeply to be read; give flat objects") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadSource(f"{path}: cannot be read: {error}") from None


def _items(root: Root, manifest: Path, bases: list[str]) -> Iterator[Item]:
    for number, record in records(manifest):
        names = _image_names(record)
        if not names:
            raise BadSource(
                f"{manifest}, entry {number}: names no image; its columns "
                f"are {', '.join(map(str, record)) or 'none'}, "
                f"expected one of {', '.join(dict.fromkeys(IMAGES))}"
            )
        prompt = next((str(record[key]) for key in PROMPT if record.get(key)), "")
        group = next((str(record[key]) for key in GROUP if record.get(key) not in (None, "")), None)
        metadata = {
            str(key): value
            for key, value in record.items()
            if key not in (*IMAGES, *PROMPT, *GROUP) and value is not None
        }
        for name in names:
            yield _resolve(root, manifest, bases, name, prompt, group, metadata)


def _resolve(
    root: Root,
    manifest: Path,
    bases: list[str],
    name: str,
    prompt: str,
    group: str | None,
    metadata: Mapping[str, Any],
) -> Item:
    """The image a manifest names, sought in one base after the other; never outside all of them."""
    inside = [
        path
        for path in (os.path.normpath(os.path.join(base, name)) for base in bases)
        if _within(path, bases)
    ]
    path = next((path for path in inside if os.path.lexists(path)), inside[0] if inside else name)
    relative = os.path.relpath(path, root.path) if _within(path, [str(root.path)]) else None
    item = root.item(Entry((relative or name).replace(os.sep, "/")), prompt, group=group, metadata=metadata)
    error = None if inside else f"the manifest {manifest.name} names a file outside its folder: {name}"
    return Item(
        path, item.name if relative else path.replace(os.sep, "/"), item.group, prompt, metadata, error=error
    )


def _within(path: str, bases: list[str]) -> bool:
    full = os.path.abspath(path)
    return any(full.startswith(os.path.join(os.path.abspath(base), "")) for base in bases)


def _image_names(record: Mapping[str, Any]) -> list[str]:
    names: list[str] = []
    for key in IMAGES:
        value = record.get(key)
        if isinstance(value, str) and value.strip():
            names.append(value)
        elif isinstance(value, (list, tuple)):
            names += [name for name in value if isinstance(name, str)]
        elif isinstance(value, Mapping) and isinstance(value.get("path"), str):
            names.append(value["path"])
    return list(dict.fromkeys(names))


def _jsonl(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, _record(path, number, line)


def _record(path: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise BadSource(f"{path}, line {number}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise BadSource(
            f'{path}, line {number}: an object like {{"image": …, "prompt": …}} is expected, '
            f"not {line.strip()[:60]}"
        )
    return value


def _csv(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = csv.DictReader(file)
        try:
            for record in lines:
                yield lines.line_num, {key: value for key, value in record.items() if key is not None}
        except csv.Error as error:
            raise BadSource(f"{path}, line {lines.line_num}: {error}") from None


def _parquet(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        file = pyarrow_parquet().ParquetFile(path)
    except Exception as error:
        raise BadSource(f"{path}: not a parquet file ({error})") from None
    with file:
        number = 0
        for batch in file.iter_batches(batch_size=1024):
            for record in batch.to_pylist():
                number += 1
                yield number, record


def _json(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """A list of objects, or an object that maps file names to prompts or to objects."""
    if path.stat().st_size > MAX_JSON:
        raise BadSource(f"{path}: is larger than {MAX_JSON} bytes; write it as .jsonl, one object per line")
    try:
        value = json.loads(path.read_text("utf-8-sig"))
    except ValueError as error:
        raise BadSource(f"{path}: not JSON ({error})") from None
    if isinstance(value, dict):
        value = [
            {"image": key, **(found if isinstance(found, dict) else {"prompt": found})}
            for key, found in value.items()
        ]
    for number, record in enumerate(value if isinstance(value, list) else [value], 1):
        if not isinstance(record, dict):
            raise BadSource(
                f'{path}, entry {number}: an object like {{"image": …, "prompt": …}} is expected, '
                f"not {str(record)[:60]}"
            )
        yield number, record
