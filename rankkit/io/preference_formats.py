"""The layouts in which others publish what humans chose: one `PreferenceFormat` each, told by its fields.

Each `read` says which images an entry has and how humans ordered them: higher is better, equal is a tie, NaN
no opinion. It raises ValueError, in words, for an entry that does not keep to its format.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rankkit.core.text import printable
from rankkit.io.records import Record

StoredImage = str | bytes | None  # a path as the file gives it, the image file itself, or nothing
Choice = tuple[tuple[StoredImage, ...], tuple[float, ...]]

PROMPT = "prompt|caption|text"
IMAGES = "image_path|file_path|images|files"
CHOSEN = "chosen|chosen_image|chosen_path|preferred|winner|image_w|win"
REJECTED = "rejected|rejected_image|rejected_path|dispreferred|loser|image_l|lose"


@dataclass(frozen=True)
class PreferenceFormat:
    """A way to write choices: fields that every entry has ("a|b": either), and what they say."""

    name: str
    fields: tuple[str, ...]
    read: Callable[[Record], Choice]
    undone: Callable[[Iterable[Record]], frozenset[str]] | None = None  # names of entries taken back later
    name_of: str = "question"  # the field with the name of an entry, where some are taken back

    def fits(self, names: Iterable[str]) -> bool:
        """Whether an entry with these fields can be of this format."""
        return all(set(field.split("|")) & set(names) for field in self.fields)


def _hpdv2_ranks(record: Record) -> Choice:
    """`rank` is the consensus of all annotators, 1 for the best image.

    What each of them said (`raw_annotations`) is not used.
    """
    images = _images(record, IMAGES)
    return images, tuple(-rank for rank in _numbers(record, "rank", len(images)))


def _hpdv2_choices(record: Record) -> Choice:
    """`human_preference` is 1 for the image that was chosen, 0 for the others."""
    images = _images(record, IMAGES)
    return images, _numbers(record, "human_preference", len(images))


def _hpdv3(record: Record) -> Choice:
    """`path1` is the preferred image, always.

    Votes (`choice_dist`) and `confidence` are published for a part only and not used.
    """
    return (_image(record, "path1"), _image(record, "path2")), (1.0, 0.0)


def _pickapic(record: Record) -> Choice:
    """`label_0` is 1 when image 0 was chosen, 0 when image 1 was, 0.5 for a tie.

    Without `has_label`, or without a number, nobody has chosen.
    """
    images = _image(record, "jpg_0"), _image(record, "jpg_1")
    if record.get("has_label") is False:
        return images, (math.nan, math.nan)
    label = record["label_0"]
    if label is None or label != label:
        return images, (math.nan, math.nan)
    if isinstance(label, bool) or label not in (0, 0.5, 1):
        raise ValueError(f"label_0 is {shown(label)}, not 0, 0.5 or 1")
    return images, (float(label), 1 - float(label))


def _imagereward(record: Record) -> Choice:
    """`ranking` is 1 for the best image, and equal for equals."""
    images = _images(record, "generations")
    return images, tuple(-rank for rank in _numbers(record, "ranking", len(images)))


def _plain(record: Record) -> Choice:
    """`choice` is a, b or tie in any case.

    As a number it is the index of the chosen image: 0 is image_a, 1 is image_b, 0.5 a tie. With null nobody
    has chosen.
    """
    choice = record["choice"]
    if choice is None:
        return (_image(record, "image_a"), _image(record, "image_b")), (math.nan, math.nan)
    word = choice.strip().lower() if isinstance(choice, str) else choice
    if isinstance(word, bool) or word not in ("a", "b", "tie", 0, 0.5, 1):
        raise ValueError(f"its choice is {shown(choice)}, not a, b, tie, 0 (image_a) or 1 (image_b)")
    second = {"a": 0.0, "b": 1.0, "tie": 0.5}.get(word, word)
    return (_image(record, "image_a"), _image(record, "image_b")), (1 - float(second), float(second))


def _label(record: Record) -> Choice:
    """What `rankkit label` writes: plain pairs, of which some are skipped: nobody has chosen."""
    return _plain({**record, "choice": None} if record["choice"] == "skip" else record)


def _taken_back(records: Iterable[Record]) -> frozenset[str]:
    """The questions whose answers were taken back, and the entries that did so."""
    undo = [record for record in records if record.get("choice") == "undo"]
    return frozenset(str(record.get(name)) for record in undo for name in ("undoes", "question"))


def _chosen(record: Record) -> Choice:
    """What was chosen and what was rejected are one image each, or lists of images.

    The images of one list are equally good, or equally bad.
    """
    sides = [_one_or_more(record, names) for names in (CHOSEN, REJECTED)]
    human = [1.0] * len(sides[0]) + [0.0] * len(sides[1])
    return (*sides[0], *sides[1]), tuple(human)


def _one_or_more(record: Record, names: str) -> list[StoredImage]:
    name = next(name for name in names.split("|") if name in record)
    value = record[name]
    return (
        [_stored_image(name, each) for each in value] if isinstance(value, list) else [_image(record, name)]
    )


FORMATS = (
    PreferenceFormat("Pick-a-Pic", ("jpg_0", "jpg_1", "label_0"), _pickapic),
    PreferenceFormat("HPDv3", ("path1", "path2"), _hpdv3),
    PreferenceFormat("ImageReward test", ("generations", "ranking"), _imagereward),
    PreferenceFormat("HPDv2 choices", (IMAGES, "human_preference"), _hpdv2_choices),
    PreferenceFormat("HPDv2 test", (IMAGES, "rank"), _hpdv2_ranks),
    PreferenceFormat(
        "rankkit label", ("image_a", "image_b", "choice", "question", "who"), _label, _taken_back
    ),
    PreferenceFormat("plain pairs", ("image_a", "image_b", "choice"), _plain),
    PreferenceFormat("chosen and rejected", (CHOSEN, REJECTED), _chosen),
)
FIELDS = {
    name
    for known in FORMATS
    for field in (PROMPT, *known.fields, "has_label", "undoes")
    for name in field.split("|")
}


def any_of(record: Record, names: str) -> Any:
    """The value of the first of the names ("a|b") that a record has; None without any."""
    return next((record[name] for name in names.split("|") if name in record), None)


def _images(record: Record, names: str) -> tuple[StoredImage, ...]:
    values = any_of(record, names)
    if not isinstance(values, list) or not values:
        raise ValueError(f"{names.replace('|', ' or ')} is {shown(values)}, not a list of images")
    return tuple(_stored_image(names.split("|")[0], value) for value in values)


def _image(record: Record, name: str) -> StoredImage:
    return _stored_image(name, record[name])


def _stored_image(name: str, value: Any) -> StoredImage:
    if isinstance(value, Mapping):  # how the datasets library stores an image: the bytes, a path, or both
        value = value.get("bytes") or value.get("path")
    if not isinstance(value, StoredImage):
        raise ValueError(f"{name} holds {shown(value)}, not an image or the path of one")
    return value


def _numbers(record: Record, name: str, count: int) -> tuple[float, ...]:
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
