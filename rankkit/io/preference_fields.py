"""Fields of an entry of human choices, read by type; ValueError, in words, where one holds something else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rankkit.core.text import printable
from rankkit.io.records import Record

StoredImage = str | bytes | None  # a path as the file gives it, the image file itself, or nothing
Choice = tuple[tuple[StoredImage, ...], tuple[float, ...]]


def any_of(record: Record, names: str) -> Any:
    """The value of the first of the names ("a|b") that a record has; None without any."""
    return next((record[name] for name in names.split("|") if name in record), None)


def images_in(record: Record, names: str) -> tuple[StoredImage, ...]:
    """A list of images, under the first of the names ("a|b") that the record has."""
    values = any_of(record, names)
    if not isinstance(values, list) or not values:
        raise ValueError(f"{names.replace('|', ' or ')} is {shown(values)}, not a list of images")
    return tuple(stored_image(names.split("|")[0], value) for value in values)


def image_in(record: Record, name: str) -> StoredImage:
    """The image in a field."""
    return stored_image(name, record[name])


def stored_image(name: str, value: Any) -> StoredImage:
    """A value as an image or the path of one; `name` is said where it is neither."""
    if isinstance(value, Mapping):  # how the datasets library stores an image: the bytes, a path, or both
        known = value.keys() & {"bytes", "path"}
        value = value.get("bytes") or value.get("path") if known else value
    if not isinstance(value, StoredImage):
        raise ValueError(f"{name} holds {shown(value)}, not an image or the path of one")
    return value


def numbers_in(record: Record, name: str, count: int) -> tuple[float, ...]:
    """One number per image; null becomes NaN: this image has no rank."""
    values = record[name]
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"{name} is {shown(values)}, not a list of {count} numbers, one per image")
    for value in values:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float | None)
            or (value is not None and not abs(value) < 1e15)
        ):
            raise ValueError(f"{name} holds {shown(value)}, not a number")
    return tuple(math.nan if value is None else float(value) for value in values)


RICHHF = (
    "RichHF-18K rates images one by one, and its files as published name no prompt, so which images belong "
    "together is not in them; find prompt and image of each filename in Pick-a-Pic v1, and write pairs with "
    "prompt, image_a, image_b and choice, which is the one with the higher overall_score"
)


def shown(value: Any, limit: int = 80) -> str:
    """A value in words for a message: what it is where it holds bytes, else its beginning."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {shown(each, 30)}" for name, each in value.items()) + "}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = repr(value)
    return printable(text if len(text) <= limit else text[: limit - 3] + "…")


def described(record: Record) -> str:
    """A record in words for a message: its fields with the beginnings of their values."""
    fields = [f"{name} = {shown(value, 40)}" for name, value in list(record.items())[:12]]
    return ", ".join(fields) or "nothing"
