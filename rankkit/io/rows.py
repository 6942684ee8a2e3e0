"""Rows: one flat `Row` per image and ranker, made of a group and its ranking, is what is written to disk."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, cast

from rankkit.core.text import from_printable, plain, printable, with_options
from rankkit.core.types import Group, Identity, Ranking

FIELDS = (
    "group", "prompt", "image", "sha256", "ranker", "version", "options", "kind",
    "score", "stderr", "rank", "of", "error", "details",
)  # fmt: skip
TEXT_FIELDS = ("group", "prompt", "image", "sha256", "ranker", "version", "kind", "error")
JSON_FIELDS = ("options", "details")
NUMBER_FIELDS = ("score", "stderr", "rank")
STALE = "stale"  # the key of `details` that says why a row no longer counts: one of these
METADATA_HASH = "metadata_hash"  # the key of `details` for what the image's metadata was that a ranker read
IMAGE_GONE, PROMPT_CHANGED = "its image is gone", "its image has another prompt or group now"
NEEDED = frozenset(("group", "image", "ranker", "score"))  # what makes a record a row; the rest may be absent


class Row(TypedDict):
    """One image as one ranker sees it.

    An abstention has `score` and `rank` null and `error` a non-empty string.
    """

    group: str
    prompt: str
    image: str
    sha256: str
    ranker: str
    version: str
    options: dict[str, Any]
    kind: str
    score: float | None
    stderr: float | None
    rank: float | None
    of: int
    error: str | None
    details: dict[str, Any]


Write = Callable[[Row], None]  # takes one row to a file


def rows(group: Group, ranking: Ranking, identity: Identity, sha256: Sequence[str] = ()) -> list[Row]:
    """The rows of one ranked group, in the order of its images.

    `of` counts the candidates that were ranked.
    """
    assert len(ranking.scores) == len(group.images), "a ranking is aligned with its group"
    of = sum(not math.isnan(score) for score in ranking.scores)
    return [
        row(
            identity,
            group=group.id,
            prompt=group.prompt,
            image=group.names[i] if group.names else str(i),
            sha256=sha256[i] if sha256 else "",
            kind=ranking.kind,
            score=score,
            stderr=ranking.stderr[i] if ranking.stderr is not None else None,
            rank=rank,
            of=of,
            details=ranking.details[i] if ranking.details else {},
        )
        for i, (score, rank) in enumerate(zip(ranking.scores, ranking.ranks, strict=True))
    ]


def row(
    identity: Identity,
    *,
    group: str,
    prompt: str,
    image: str,
    sha256: str,
    kind: str,
    score: float,
    stderr: float | None = None,
    rank: float | None = None,
    of: int = 0,
    details: Mapping[str, Any] | None = None,
) -> Row:
    """One row; a NaN score becomes an abstention, whose reason is ``details["error"]``.

    Text is made valid Unicode.
    """
    abstained = math.isnan(score)
    evidence: dict[str, Any] = plain(details or {})
    reason = evidence.pop("error", None) if abstained else None
    return Row(
        group=printable(group),
        prompt=printable(prompt),
        image=printable(image),
        sha256=sha256,
        ranker=identity.ranker,
        version=identity.version,
        options=plain(identity.options),
        kind=kind,
        score=None if abstained else score,
        stderr=None if abstained or stderr is None or not math.isfinite(stderr) else stderr,
        rank=None if abstained or rank is None or math.isnan(rank) else rank,
        of=of,
        error=(str(reason) if reason else "the ranker gave no reason") if abstained else None,
        details=evidence,
    )


def completed(record: Mapping[str, Any]) -> Row:
    """A row with every field, from a record that may lack some; fields of no row are dropped.

    Raises ValueError for a value that no row has: of another type, not finite, or no valid Unicode.
    """
    empty: dict[str, Any] = {
        **dict.fromkeys(TEXT_FIELDS, ""),
        **dict.fromkeys(NUMBER_FIELDS),
        "of": 0,
        "error": None,
        "options": {},
        "details": {},
    }
    found = {name: record.get(name, empty[name]) for name in FIELDS}
    for name, value in found.items():
        if wrong := _wrong(name, value):
            raise ValueError(f"{name} is {ascii(value)[:40]}, {wrong}")
        if name in NUMBER_FIELDS and isinstance(value, int):
            found[name] = float(value)
    return cast(Row, found)


def _wrong(name: str, value: object) -> str:
    """What is wrong with the value of a field, in words; empty where nothing is."""
    if name in JSON_FIELDS:
        if not isinstance(value, dict):
            return "not an object"
        try:
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode() if value else b""
        except (ValueError, TypeError, RecursionError) as error:
            return f"which a row cannot hold ({error})"
        return ""
    if name in TEXT_FIELDS:
        if not isinstance(value, str):
            return "" if value is None and name == "error" else "not text"
        return "" if value == value.encode("utf-8", "replace").decode() else "not valid Unicode"
    if value is None and name != "of":
        return ""
    if isinstance(value, bool) or not isinstance(value, int if name == "of" else (int, float)):
        return "not a number"
    if name == "of":
        return "" if abs(value) < 2**63 else "too large"
    return "" if abs(value) <= sys.float_info.max else "not finite"


def how_to_go_on(fields: Iterable[object]) -> str:
    """Advice where a row cannot be read: a file of rows may be replaced, one that holds more may not."""
    ours = set(fields) <= set(FIELDS)
    return "score with --overwrite to start anew" if ours else "give another file"


def why_stale(row: Row) -> str | None:
    """Why a row no longer counts: `IMAGE_GONE`, `PROMPT_CHANGED`, or None where it does count."""
    reason = row["details"].get(STALE)
    return reason if reason in (IMAGE_GONE, PROMPT_CHANGED) else None


def label(row: Row) -> str:
    """A ranker with its options, as one would write it."""
    return with_options(row["ranker"], row["options"])


def locate(name: str, beside: str | os.PathLike[str]) -> str | None:
    """The file a row's `image` names: as it stands, else beside the rows file, else None.

    Rows hold a name that is not UTF-8 as `printable` shows it; such a file is found too.
    """
    folder = os.path.dirname(os.path.abspath(beside))
    for each in dict.fromkeys((name, from_printable(name))):
        for candidate in (each, os.path.join(folder, each)):
            if "\0" not in candidate and os.path.exists(candidate):
                return candidate
    return None
