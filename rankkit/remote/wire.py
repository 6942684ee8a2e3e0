"""Groups and rankings as bytes: a JSON header and raw numbers.

Nothing is executed on reading, and nothing is lost on the way.

A message is ``what (4 bytes), wire version (1), length of the JSON (4, little endian), JSON, body``. The body
of groups is the RGB bytes of every image in turn; that of rankings is their scores and standard errors as
little-endian float64, so that they are equal to the bit, NaN too. A frame is a message behind ``RKfr, wire
version, length (8)``, for pipes.

`Group.metadata` and `Ranking.details` travel when they consist of None, booleans, integers, floats (NaN and
infinities too), strings, lists, tuples and mappings with string keys; numpy numbers arrive as Python's.
Anything else (bytes, sets, arrays, images, objects) is refused by name. In the JSON, which stays strict,
``{"$": "nan"}`` is a float, ``{"$": [1, 2]}`` a tuple, and a key that begins with ``$`` has one more. Its
text is UTF-8, except that a lone surrogate is encoded like any other character. An image is its pixels: file
names, EXIF and whatever else hangs on a Pillow image stay behind.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, islice, pairwise
from typing import Any, BinaryIO, TypeVar

import numpy as np
from PIL import Image

from rankkit.core.types import Group, Ranking
from rankkit.errors import RankkitError

VERSION = 1
MAX_HEADER = 64 * 2**20  # bytes of JSON in one message
MAX_SIDE = 2**20  # pixels; an image beyond it would not fit Pillow
CHUNK = 2**20  # bytes; a frame is read in pieces of this size


class OtherVersion(RankkitError):
    """A message or a frame of another version of the wire."""


Data = bytes | bytearray | memoryview
T = TypeVar("T")

_GROUPS, _RANKINGS, _FRAME = b"RKgr", b"RKrk", b"RKfr"
_MESSAGE_HEAD = struct.Struct("<4sBI")
_FRAME_HEAD = struct.Struct("<4sBQ")
_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
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
            "metadata": _to_json(group.metadata, f"{where}, metadata"),
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
        details = [_to_json(found, f"{where}, details[{i}]") for i, found in enumerate(ranking.details)]
        entry = {
            "kind": ranking.kind,
            "count": len(ranking.scores),
            "stderr": ranking.stderr is not None,
            "details": details,
        }
        header.append(_fields(entry, _RANKING, where))
        body += [
            struct.pack(f"<{len(values)}d", *values) for values in (ranking.scores, ranking.stderr or ())
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


def write_frame(stream: BinaryIO, data: Data) -> None:
    """Write one message to a pipe, whole, and flush.

    What the pipe itself raises (`OSError`) is left to the caller.
    """
    for part in (_FRAME_HEAD.pack(_FRAME, VERSION, len(data)), data):
        rest = memoryview(part)
        while rest:  # an unbuffered pipe takes what fits
            rest = rest[stream.write(rest) :]
    stream.flush()


def read_frame(stream: BinaryIO, *, limit: int) -> bytes | None:
    """The next message of a pipe, of at most `limit` bytes; None where the stream ended between two frames.

    Raises `RankkitError` for bytes that are no frame, another wire version, a frame over the limit or one
    that was cut off; after that the stream is of no further use. Memory follows the bytes that came, never
    the length announced.
    """
    head = _read(stream, _FRAME_HEAD.size)
    if not head:
        return None
    if not head.startswith(_FRAME[: len(head)]):
        raise RankkitError(
            f"this is no frame of rankkit, it begins with {head!r}; did something else print to the pipe?"
        )
    if len(head) < _FRAME_HEAD.size:
        raise RankkitError(f"a frame was cut off after {len(head)} bytes; did the other side die?")
    _, version, length = _FRAME_HEAD.unpack(head)
    _check_version(version)
    if length > limit:
        raise RankkitError(
            f"a frame announces {length} bytes, the limit is {limit}; send fewer images at a time"
        )
    data = _read(stream, length)
    if len(data) < length:
        raise RankkitError(
            f"a frame of {length} bytes was cut off after {len(data)}; did the other side die?"
        )
    return data


def _read(stream: BinaryIO, length: int) -> bytes:
    pieces: list[bytes] = []
    while length > 0 and (piece := stream.read(min(length, CHUNK))):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _pack(what: bytes, header: list[dict[str, Any]], body: list[bytes]) -> bytes:
    try:
        text = json.dumps(header, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
            "utf-8", "surrogatepass"
        )
    except (
        ValueError,
        RecursionError,
    ) as error:  # an integer of thousands of digits; thousands of lists in lists
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
    _check_version(version)
    if length > min(MAX_HEADER, len(view) - start):
        raise _damaged(
            f"they announce {length} bytes of JSON, {len(view) - start} bytes follow and the limit "
            f"is {MAX_HEADER}"
        )
    try:
        text = str(view[start : start + length], "utf-8", "surrogatepass")
        header = json.loads(text, object_hook=_revive, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise _damaged(f"their JSON cannot be read ({error})") from None
    return _check(header, list, "the header of a message"), view[start + length :]


def _to_json(value: Any, where: str) -> Any:
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        value = value.item()
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$": float.__repr__(value)}
    try:
        if isinstance(value, (list, tuple)):
            items = [_to_json(item, f"{where}[{i}]") for i, item in enumerate(value)]
            return items if isinstance(value, list) else {"$": items}
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {
                f"${key}" if key.startswith("$") else key: _to_json(item, f"{where}[{key!r}]")
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


def _check_version(version: int) -> None:
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
