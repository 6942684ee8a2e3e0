"""The handshake: what a worker says of itself before it ranks, and how it says that something went wrong.

Both are JSON.

Over a pipe each is a message of its own, ``RKhi`` or ``RKer`` and then JSON; over HTTP the same JSON is the
answer to ``GET /`` and the body of an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, get_args

from rankkit import errors
from rankkit.core.binding import describe
from rankkit.core.text import line_of
from rankkit.core.types import Kind, Ranking
from rankkit.errors import BrokenRanker, RankkitError, RunStopped, UsageError
from rankkit.remote import wire
from rankkit.version import AGGREGATION, installed_version

_WORKER, _ERROR = b"RKhi", b"RKer"
WORD = 10_000  # characters of a name or a version; those of panels are long
LINE = 4_000  # characters of an error
_TYPES = {
    "protocol": int,
    "rankkit": str,
    "name": str,
    "version": str,
    "options": dict,
    "kind": str,
    "needs_prompt": bool,
}
_LATER = ("reads_metadata", "metadata_images")  # what workers of 0.1 did not say at first


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """Who a worker is: the ranker as it names it, with version and options, and what it runs.

    `protocol` is the version of the wire, `aggregation` that of how scores are combined, `rankkit` that of
    the package: only the first two must be those of this side. `limit`: bytes of groups that it takes at
    once; None for no limit worth stating. `reads_metadata`: whether scores may depend on a group's metadata.
    `metadata_images`: the keys of it that name images, each as [key, folder, start]: relative paths start at
    the folder, of which no other file is opened, or where that is empty at `start`. An earlier worker says
    neither (None), and is taken to read every key.
    """

    name: str
    version: str
    options: Mapping[str, Any]
    kind: Kind
    needs_prompt: bool
    protocol: int = wire.VERSION
    rankkit: str = field(default_factory=installed_version)
    aggregation: int = AGGREGATION
    limit: int | None = None
    reads_metadata: bool | None = None
    metadata_images: list[list[str]] | None = None


def encode_handshake(info: WorkerInfo) -> bytes:
    """A handshake as one message."""
    return _WORKER + to_json(handshake_fields(info))


def handshake_fields(info: WorkerInfo) -> dict[str, Any]:
    """A handshake as JSON can hold it; what it does not know of metadata is left out."""
    return {key: value for key, value in asdict(info).items() if value is not None or key not in _LATER}


def encode_error(error: BaseException, name: str) -> bytes:
    """An exception as one message: one line that names the ranker, and which of our errors it is."""
    return _ERROR + to_json(error_fields(error, name))


def error_fields(error: BaseException, name: str) -> dict[str, str]:
    """An exception as JSON can hold it.

    `error`, one line that names the ranker, and `type`, which of our errors it is.
    """
    line = " ".join(str(error).split()) if isinstance(error, RankkitError) else describe(error)
    return {"error": line if name in line else f"{name}: {line}", "type": type(error).__name__}


def decode_handshake(data: bytes, who: str, renew: str = "") -> WorkerInfo:
    """The handshake in a worker's first message; `renew` is how to renew a worker of another version.

    Raises what the worker sent instead, or `BrokenRanker` for anything else.
    """
    raise_error(data)
    if not data.startswith(_WORKER):
        raise BrokenRanker(
            f"{who} does not speak as a rankkit worker does: its first message begins with {data[:12]!r}"
        )
    return read_worker_info(data[len(_WORKER) :], who, renew)


def read_worker_info(text: bytes, who: str, renew: str = "") -> WorkerInfo:
    """What a worker says of itself, in a piece of JSON.

    Raises `BrokenRanker` for JSON that is none, and for another version of the wire or of how scores are
    combined.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise BrokenRanker(f"{who} is no rankkit worker: it says {text[:40]!r}") from None
    if not isinstance(fields, dict) or not {"protocol", "rankkit"} <= fields.keys():
        raise BrokenRanker(f"{who} is no rankkit worker: it says {text[:40]!r}")
    theirs = fields["protocol"], fields.get("aggregation", 1)
    if theirs != (wire.VERSION, AGGREGATION):
        other, protocol, aggregation = (line_of(str(each), 40) for each in (fields["rankkit"], *theirs))
        raise BrokenRanker(
            f"{who} runs rankkit {other} (wire version {protocol}, aggregation {aggregation}), "
            f"this is rankkit {installed_version()} (wire version {wire.VERSION}, "
            f"aggregation {AGGREGATION}); {renew or 'install versions that agree on both sides'}"
        )
    limit = fields.get("limit")
    later = {key: fields.get(key) for key in _LATER}
    if (
        any(type(fields.get(key)) is not kind for key, kind in _TYPES.items())
        or fields["kind"] not in get_args(Kind)
        or not all(_is_word(fields[key]) for key in ("name", "version", "rankkit"))
        or type(later["reads_metadata"]) not in (bool, type(None))
        or not _are_named(later["metadata_images"])
    ):
        raise BrokenRanker(f"{who} does not say what a worker says of itself: {str(fields)[:200]}")
    own = {key: fields[key] for key in _TYPES} | later
    return WorkerInfo(**own, limit=limit if type(limit) is int else None)


def _is_word(text: str) -> bool:
    """Whether a text can stand in a row and in a message."""
    return text.isprintable() and len(text) <= WORD


def _are_named(value: object) -> bool:
    """Whether these are the images that metadata names, as a handshake writes them, or none."""
    return value is None or (
        isinstance(value, list)
        and all(isinstance(n, list) and len(n) == 3 and all(isinstance(t, str) for t in n) for n in value)
    )


def decode_reply(data: bytes) -> list[Ranking]:
    """The rankings in a worker's message. Raises the error that it sent instead."""
    raise_error(data)
    return wire.decode_rankings(data)


def raise_error(data: bytes) -> None:
    """Raise the error that a message holds, if it holds one.

    As the class of ours that it was, else as `BrokenRanker`.
    """
    if data.startswith(_ERROR):
        raise as_error(data[len(_ERROR) :])


def as_error(text: bytes) -> RankkitError:
    """The error in a piece of JSON, or a description of what is there instead."""
    try:
        fields = json.loads(text)
        line, kind = line_of(str(fields["error"]), LINE), str(fields.get("type"))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return BrokenRanker(f"an error that cannot be read: {text[:80]!r}")
    found = getattr(errors, kind, None)
    return (
        found(line)
        if isinstance(found, type) and issubclass(found, (UsageError, RunStopped))
        else BrokenRanker(line)
    )


def bearer(token: str) -> str:
    """The header `Authorization` for a token.

    Raises `UsageError` for one that is empty or cannot stand in a header.
    """
    token = token.strip()
    if not token or not all("!" <= char <= "~" for char in token):
        raise UsageError(
            f"a token is one word of printable ASCII, this "
            f"one {'has other characters' if token else 'is empty'}"
        )
    return f"Bearer {token}"


def to_json(fields: Mapping[str, Any]) -> bytes:
    """A dict as bytes of JSON; lone surrogates are escaped."""
    return json.dumps(fields).encode()
