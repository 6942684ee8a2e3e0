"""Messages on a pipe: each in a frame, ``RKfr, wire version, length (8)`` and then the message."""

from __future__ import annotations

import struct
from typing import BinaryIO, Protocol

from rankkit.errors import RankkitError
from rankkit.remote.wire import VERSION, Data, check_version

CHUNK = 2**20  # bytes; a frame is read in pieces of this size

_FRAME = b"RKfr"
_FRAME_HEAD = struct.Struct("<4sBQ")


class Source(Protocol):
    """What frames are read from: a pipe, or what looks after one."""

    def read(self, count: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


def write_frame(stream: BinaryIO, data: Data) -> None:
    """Write one message to a pipe, whole, and flush.

    What the pipe itself raises (`OSError`) is left to the caller.
    """
    for part in (_FRAME_HEAD.pack(_FRAME, VERSION, len(data)), data):
        rest = memoryview(part)
        while rest:  # an unbuffered pipe takes what fits
            rest = rest[stream.write(rest) :]
    stream.flush()


def read_frame(stream: Source, *, limit: int) -> bytes | None:
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
    check_version(version)
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


def _read(stream: Source, length: int) -> bytes:
    pieces: list[bytes] = []
    while length > 0 and (piece := stream.read(min(length, CHUNK))):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)
