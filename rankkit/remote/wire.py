"""Groups and rankings as bytes: a JSON header and raw numbers.

Nothing is executed on reading, and nothing is lost on the way.

A message is ``what (4 bytes), wire version (1), length of the JSON (4, little endian), JSON, body``. The body
of groups is the RGB bytes of every image in turn; that of rankings is their scores and standard errors as
little-endian float64, so that they are equal to the bit, NaN too. For pipes, `rankkit.remote.frames` puts
messages into frames.

`Group.metadata` and `Ranking.details` travel as `rankkit.remote.values` says. An image is its pixels: file
names, EXIF and whatever else hangs on a Pillow image stay behind.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, islice, pairwise
from typing import Any, TypeVar

from PIL import Image

from rankkit.core.types import Group, Ranking
from rankkit.errors import RankkitError
from rankkit.remote import values

VERSION = 1
MAX_HEADER = 64 * 2**20  # bytes of JSON in one message
MAX_SIDE = 2**20  # pixels; an image beyond it would not fit Pillow


class OtherVersion(RankkitError):
    """A message or a frame of another version of the wire."""


Data = bytes | bytearray | memoryview
T = TypeVar("T")

_GROUPS, _RANKINGS = b"RKgr", b"RKrk"
_MESSAGE_HEAD = struct.Struct("<4sBI")
_GROUP = {"prompt": str, "id": str, "names": [str], "metadata": dict, "sizes": [list]}
_RANKING = {"kind": str, "count": int, "stderr": bool, "details": [dict]}


def encode_groups(groups: Sequence[Group]) -> bytes:
    """Groups as one message.

    Raises `RankkitError` for metadata that cannot travel and for an image without pixels, naming it.
    """
    header: list[dict[str, Any]] = []
    body: list[bytes] = []
    for index, group in enumerate(groups):
        where = f"group {index}"
        _check(group, Group, where)
        entry = {
            "prompt": group.prompt,
            "id": group.id,
            "names": list(group.names),
            "metadata": values.to_json(group.metadata, f"{where}, metadata"),
            "sizes": [_size(image.size, f"{where}, image {i}") for i, image in enumerate(group.images)],
        }
        header.append(_fields(entry, _GROUP, where))
        body += [_pixels(image, f"{where}, image {i}") for i, image in enumerate(group.images)]
    return _pack(_GROUPS, header, body)


def decode_groups(data: Data) -> list[Group]:
    """The groups of a message. Raises `RankkitError` for anything `encode_groups` would not have written."""
    header, body = _unpack(_GROUPS, data)
    entries = [_fields(entry, _GROUP, f"group {index}") for index, entry in enumerate(header)]
    sizes = [
        _size(size, f"an image of group {index}")
        for index, entry in enumerate(entries)
        for size in entry["sizes"]
    ]
    ends = list(accumulate((3 * width * height for width, height in sizes), initial=0))
    _check_body(body, ends[-1])
    images = iter(
        [
            Image.frombytes("RGB", (w, h), body[start:end])
            for (w, h), (start, end) in zip(sizes, pairwise(ends), strict=True)
        ]
    )
    return [
        Group(
            entry["prompt"],
            tuple(islice(images, len(entry["sizes"]))),
            entry["id"],
            tuple(entry["names"]),
            entry["metadata"],
        )
        for entry in entries
    ]


def encode_rankings(rankings: Sequence[Ranking]) -> bytes:
    """Rankings as one message. Raises `RankkitError` for details that cannot travel, naming them."""
    header: list[dict[str, Any]] = []
    body: list[bytes] = []
    for index, ranking in enumerate(rankings):
        where = f"ranking {index}"
        _check(ranking, Ranking, where)
        details = [values.to_json(found, f"{where}, details[{i}]") for i, found in enumerate(ranking.details)]
        entry = {
            "kind": ranking.kind,
            "count": len(ranking.scores),
            "stderr": ranking.stderr is not None,
            "details": details,
        }
        header.append(_fields(entry, _RANKING, where))
        body += [
            struct.pack(f"<{len(numbers)}d", *numbers) for numbers in (ranking.scores, ranking.stderr or ())
        ]
    return _pack(_RANKINGS, header, body)


def decode_rankings(data: Data) -> list[Ranking]:
    """The rankings of a message.

    Raises `RankkitError` for anything `encode_rankings` would not have written.
    """
    header, body = _unpack(_RANKINGS, data)
    entries = [_fields(entry, _RANKING, f"ranking {index}") for index, entry in enumerate(header)]
    if not all(0 <= entry["count"] <= len(body) for entry in entries):
        raise _damaged("one announces scores that do not follow")
    _check_body(body, sum(8 * entry["count"] * (1 + entry["stderr"]) for entry in entries))
    numbers = iter(struct.unpack(f"<{len(body) // 8}d", body))
    return [_ranking(entry, numbers) for entry in entries]


def _pack(what: bytes, header: list[dict[str, Any]], body: list[bytes]) -> bytes:
    try:
        text = values.dumps(header)
    except (ValueError, RecursionError) as error:
        raise RankkitError(f"metadata or details cannot be written as JSON: {error}") from None
    if len(text) > MAX_HEADER:
        raise RankkitError(
            f"prompts, metadata and details are {len(text)} bytes, the limit is {MAX_HEADER}; send fewer "
            f"groups at a time"
        )
    return b"".join([_MESSAGE_HEAD.pack(what, VERSION, len(text)), text, *body])


def _unpack(what: bytes, data: Data) -> tuple[list[Any], memoryview]:
    view, start = memoryview(data), _MESSAGE_HEAD.size
    if len(view) < start or view[:4] != what:
        raise _damaged(f"they begin with {bytes(view[:8])!r}, not {what!r}, and are {len(view)} bytes")
    _, version, length = _MESSAGE_HEAD.unpack_from(view)
    check_version(version)
    if length > min(MAX_HEADER, len(view) - start):
        raise _damaged(
            f"they announce {length} bytes of JSON, {len(view) - start} bytes follow and the limit "
            f"is {MAX_HEADER}"
        )
    try:
        header = values.loads(view[start : start + length])
    except (ValueError, RecursionError) as error:
        raise _damaged(f"their JSON cannot be read ({error})") from None
    return _check(header, list, "the header of a message"), view[start + length :]


def _fields(entry: Any, fields: Mapping[str, Any], where: str) -> dict[str, Any]:
    _check(entry, dict, where)
    for name, kind in fields.items():
        value = _check(entry.get(name), kind if isinstance(kind, type) else list, f"{where}, {name}")
        for item in () if isinstance(kind, type) else value:
            _check(item, kind[0], f"{where}, one of {name}")
    return dict(entry)


def _check(value: T, kind: type, where: str) -> T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise RankkitError(f"{where} is {type(value).__name__}, not {kind.__name__}")
    return value


def check_version(version: int) -> None:
    """Raise `OtherVersion` for a version of the wire that is not this one."""
    if version != VERSION:
        raise OtherVersion(
            f"the other side speaks wire version {version}, this one {VERSION}; install the same rankkit on "
            f"both"
        )


def _check_body(body: memoryview, expected: int) -> None:
    if len(body) != expected:
        raise _damaged(f"their header announces {expected} bytes of pixels or scores, {len(body)} follow")


def _damaged(what: str) -> RankkitError:
    return RankkitError(
        f"these bytes are no groups or rankings of rankkit: {what}; were they cut off or changed on the way?"
    )


def _ranking(entry: Mapping[str, Any], numbers: Iterator[float]) -> Ranking:
    scores = tuple(islice(numbers, entry["count"]))
    stderr = tuple(islice(numbers, entry["count"])) if entry["stderr"] else None
    return Ranking(scores, entry["kind"], stderr, tuple(entry["details"]))


def _size(size: Sequence[Any], where: str) -> list[int]:
    if len(size) != 2 or not all(type(side) is int and 0 < side <= MAX_SIDE for side in size):
        raise RankkitError(
            f"{where} has the size {str(size)[:80]}; width and height lie between 1 and {MAX_SIDE}"
        )
    return list(size)


def _pixels(image: Image.Image, where: str) -> bytes:
    try:
        return image.tobytes()
    except (OSError, ValueError, SyntaxError) as error:  # a file opened lazily and cut short
        raise RankkitError(f"{where} cannot be decoded: {error}") from None
