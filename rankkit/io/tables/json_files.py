"""JSON as tables: an object per line, a list of them, or one object that holds a list or maps names."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from rankkit.core.images import SUFFIXES
from rankkit.errors import BadSource
from rankkit.io.records import json_elements, once
from rankkit.io.tables.base import BLANK, Opened, Record, coding_note
from rankkit.io.text import open_text

DECODER = json.JSONDecoder(object_pairs_hook=once)
MAX_JSON = 256 * 2**20  # bytes of a .json object, which is read whole
MAX_LINE = 2**20  # characters of a line that tells whether a .json file is one object per line
COCO = {"images", "annotations"}  # what a file of COCO's has at its top
LISTS = ("data", "images", "annotations", "items", "rows", "records", "samples", "entries", "results")
COLUMNS = ("image", "image_path", "file_name", "filename", "prompt", "prompts", "text", "caption", "captions")


def open_jsonl(path: Path) -> Opened:
    """An object per line, or a list of objects."""
    file, coding = open_text(path)
    with file:
        start = file.read(4096).lstrip(BLANK)
    if start.startswith("["):
        return open_json(path)

    def records() -> Iterator[tuple[str, Record]]:
        with open(path, encoding=coding) as file:
            yield from _lines(path, file)

    return records, coding_note(coding)


def _lines(path: Path, file: TextIO) -> Iterator[tuple[str, Record]]:
    """An object per line; a byte order mark before it, and a comma behind it, come of files being joined."""
    for number, line in enumerate(file, 1):
        line = line.strip(BLANK).removesuffix(",")
        if line:
            yield f"line {number}", _object(path, f"line {number}", _parsed(path, number, line))


def _parsed(path: Path, number: int, line: str) -> Any:
    try:
        return DECODER.decode(line)
    except ValueError as error:
        raise BadSource(f"{path}, line {number}: not JSON ({error})") from None


def open_json(path: Path) -> Opened:
    """A list of objects, an object that maps file names to prompts or to objects, or objects line by line."""
    file, coding = open_text(path)
    with file:
        start = file.read(4096).lstrip(BLANK)

    def listed() -> Iterator[tuple[str, Record]]:
        with open(path, encoding=coding) as file:
            try:
                for number, value in json_elements(file):
                    yield f"entry {number}", _object(path, f"entry {number}", value)
            except ValueError as error:
                raise BadSource(f"{path}: not JSON ({error})") from None

    def mapped() -> Iterator[tuple[str, Record]]:
        with open(path, encoding=coding) as file:
            if _is_lines(file):
                yield from _lines(path, file)
                return
        yield from _of_object(path, read_object(path, coding))

    return (listed if start.startswith("[") else mapped), coding_note(coding)


def _is_lines(file: TextIO) -> bool:
    """Whether the first line is an object of its own, and more follow."""
    try:
        alone = isinstance(json.loads(file.readline(MAX_LINE).strip(BLANK).removesuffix(",")), dict)
    except (ValueError, RecursionError):
        alone = False
    more = alone and any(line.strip(BLANK) for line in file)
    file.seek(0)
    return more


def _of_object(path: Path, value: Mapping[str, Any]) -> Iterator[tuple[str, Record]]:
    """The records of an object: COCO's, those of the one list it holds, itself, or those it maps names to."""
    if value.keys() >= COCO:
        yield from _coco(path, value)
        return
    columns = [name for name in value if name.strip().lower() in COLUMNS]
    lists = [name for name in value if name.lower() in LISTS and _of_objects(value[name])]
    if len(lists) == 1:
        for number, each in enumerate(value[lists[0]], 1):
            yield f"{lists[0]}, entry {number}", _object(path, f"{lists[0]}, entry {number}", each)
    elif columns and not any(isinstance(value[name], Mapping) or _is_image(name) for name in value):
        yield "its content", value
    elif columns or lists:
        raise BadSource(
            f"{path}: is an object of {', '.join(list(value)[:8])}, neither one record nor a map of names; "
            f"give a list of objects, one per image"
        )
    else:
        for number, (key, found) in enumerate(value.items(), 1):
            record = found if isinstance(found, dict) else {"prompt": found}
            yield f"entry {number}", {"image": key, **record}


def _of_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)


def _is_image(name: str) -> bool:
    return name[name.rfind(".") :].lower() in SUFFIXES


def _coco(path: Path, value: Mapping[str, Any]) -> Iterator[tuple[str, Record]]:
    """COCO's captions: images by id, each with all that was said of it. Nothing is known of an image without
    an id, nor of two that share one.
    """
    images, annotations = value["images"], value["annotations"]
    if not isinstance(images, list) or not isinstance(annotations, list):
        raise BadSource(f"{path}: its images and annotations are no lists, as COCO has them")
    captions = defaultdict[Any, list[Any]](list)
    for each in annotations:
        if isinstance(each, dict) and isinstance(key := each.get("image_id"), (str, int)):
            captions[key].append(each.get("caption"))
    named = [each for each in images if isinstance(each, dict) and isinstance(each.get("file_name"), str)]
    ids = Counter(each.get("id") for each in named if isinstance(each.get("id"), (str, int)))
    for number, each in enumerate(named, 1):
        key = each.get("id")
        found = captions.get(key, []) if isinstance(key, (str, int)) and ids[key] == 1 else []
        yield f"image {number}", {"file_name": each["file_name"], "captions": found}


def read_object(path: Path, coding: str | None = None) -> dict[str, Any]:
    """The object of a .json file. Raises `BadSource` where it is none, too large, or nested too deeply."""
    try:
        if path.stat().st_size > MAX_JSON:
            raise BadSource(
                f"{path}: is larger than {MAX_JSON} bytes; write it as .jsonl, an object per line"
            )
        if coding is None:
            file, coding = open_text(path)
            file.close()
        value = json.loads(path.read_text(coding).strip(BLANK), object_pairs_hook=once)
    except RecursionError:
        raise BadSource(f"{path}: nested too deeply to be read; give flat objects") from None
    except ValueError as error:
        raise BadSource(f"{path}: not JSON ({error})") from None
    return dict(_object(path, "its content", value))


def _object(path: Path, where: str, value: Any) -> Record:
    if isinstance(value, dict):
        return value
    found = json.dumps(value, ensure_ascii=False)[:60]
    advice = "; bare prompts, one per line, are a .txt file" if isinstance(value, str) else ""
    raise BadSource(
        f'{path}, {where}: an object like {{"prompt": …}} (with "image": …, where images have prompts) is '
        f"expected, not {found}{advice}"
    )
