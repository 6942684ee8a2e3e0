"""What humans chose, from the files in which others publish it.

One `Preference` per prompt, whatever the format.

Which format a file has shows in the fields of its first entry. It is read as a stream, twice: to check and
count it, and to rank it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from rankkit.core.images import Decoded, decode, read
from rankkit.core.text import printable
from rankkit.errors import BadSource, UsageError
from rankkit.io.records import Record, stream

StoredImage = str | bytes | None  # a path as the file gives it, the image file itself, or nothing

PROMPT = "prompt|caption|text"
IMAGES = "image_path|file_path|images|files"


@dataclass(frozen=True, slots=True)
class Preference:
    """One prompt, its images, and how humans ordered them.

    `human` is higher for the better image, equal for a tie, NaN for no opinion.

    `where` names the entry in its file ("line 3"), `names` each image. No image is read before `image` is
    asked for it.
    """

    where: str
    prompt: str
    images: tuple[StoredImage, ...]
    human: tuple[float, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """One per image: its path in the file, or its place in the entry."""
        return tuple(
            printable(p) if isinstance(p, str) else f"{self.where}, image {i + 1}"
            for i, p in enumerate(self.images)
        )

    def decided(self) -> Iterator[tuple[int, int]]:
        """Pairs (better, worse) of images, as humans see them; ties are not among them."""
        for i, j in self._pairs():
            if self.human[i] != self.human[j]:
                yield (i, j) if self.human[i] > self.human[j] else (j, i)

    def ties(self) -> int:
        """How many pairs of images humans called equal."""
        return sum(self.human[i] == self.human[j] for i, j in self._pairs())

    def _pairs(self) -> Iterator[tuple[int, int]]:
        seen = [i for i, value in enumerate(self.human) if not math.isnan(value)]
        return ((i, j) for k, i in enumerate(seen) for j in seen[k + 1 :])


@dataclass(frozen=True)
class PreferenceFormat:
    """A way to write choices: fields that every entry has ("a|b": either), and what they say."""

    name: str
    fields: tuple[str, ...]
    read: Callable[[Record], tuple[tuple[StoredImage, ...], tuple[float, ...]]]

    def fits(self, names: Iterable[str]) -> bool:
        """Whether an entry with these fields can be of this format."""
        return all(set(field.split("|")) & set(names) for field in self.fields)


@dataclass(frozen=True)
class PreferenceFile:
    """A file of human choices: its path, its format, and its entries, streamed anew on every pass."""

    path: Path
    format: PreferenceFormat
    root: Path
    records: Callable[[bool], Iterator[tuple[str, Record]]]

    def entries(self, *, images: bool = True) -> Iterator[Preference]:
        """Entries in the order of the file.

        Without `images` those that a parquet file embeds are left out (None).

        Raises `BadSource` at the first entry that does not keep to the format, naming it and the value.
        """
        for where, record in self.records(images):
            try:
                yield _preference(where, record, self.format)
            except ValueError as error:
                raise BadSource(
                    f"{self.path}, {where}: {error}; correct or remove this entry ({self.format.name})"
                ) from None

    def image(self, stored: StoredImage) -> Decoded:
        """One image of an entry, decoded, or the reason why not.

        A path is looked up in `root` and may not leave it.
        """
        if stored is None:
            return Decoded(None, "the entry holds no image")
        if isinstance(stored, bytes):
            return decode(stored)
        found = _fault(stored) or read(self.root / stored)
        return decode(found) if isinstance(found, bytes) else Decoded(None, found)


def open_preferences(
    path: str | os.PathLike[str], *, images: str | os.PathLike[str] | None = None
) -> PreferenceFile:
    """Recognise a file of human choices by its content.

    Its paths start from the folder `images`, by default the file's own.

    Raises `UsageError` for no file, `BadSource` for one in no known format.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give a .json, .jsonl or .parquet file of human choices")
    records = stream(path, FIELDS)
    first = next(records(False), None)
    if first is None:
        raise BadSource(f"{path}: it holds no entries; give a file of human choices")
    where, record = first
    for known in FORMATS:
        if known.fits(record):
            return PreferenceFile(path, known, path.parent if images is None else Path(images), records)
    known_fields = "; ".join(f"{known.name}: {', '.join(known.fields)}" for known in FORMATS)
    raise BadSource(
        f"{path}, {where}: its fields {', '.join(map(repr, record)) or '(none)'} fit no known format "
        f"({known_fields})"
    )


def _fault(text: str) -> str | None:
    flavours = PurePosixPath(text), PureWindowsPath(text)
    if not text or text.endswith("/"):
        return "names no file"
    if "://" in text:
        return "is a web address, and nothing is downloaded; save the image beside the file"
    if any(p.is_absolute() or p.drive or p.root for p in flavours):
        return "is an absolute path; only paths inside the folder of images are read"
    if any(".." in p.parts for p in flavours):
        return "leads outside the folder of images (..); only paths inside it are read"
    return None


# --- formats: each `read` raises ValueError in words ---


def _preference(where: str, record: Record, known: PreferenceFormat) -> Preference:
    missing = [
        field.replace("|", " or ") for field in known.fields if not set(field.split("|")) & set(record)
    ]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")
    prompt = _any(record, PROMPT)
    if not isinstance(prompt, str | None):
        raise ValueError(f"its prompt is {_shown(prompt)}, not text")
    images, human = known.read(record)
    return Preference(where, printable(prompt or ""), images, human)


def _hpdv2_ranks(record: Record) -> tuple[tuple[StoredImage, ...], tuple[float, ...]]:
    """`rank` is the consensus of all annotators, 1 for the best image.

    What each of them said (`raw_annotations`) is not used.
    """
    images = _images(record, IMAGES)
    return images, tuple(-rank for rank in _numbers(record, "rank", len(images)))


def _hpdv2_choices(record: Record) -> tuple[tuple[StoredImage, ...], tuple[float, ...]]:
    """`human_preference` is 1 for the image that was chosen, 0 for the others."""
    images = _images(record, IMAGES)
    return images, _numbers(record, "human_preference", len(images))


def _hpdv3(record: Record) -> tuple[tuple[StoredImage, ...], tuple[float, ...]]:
    """`path1` is the preferred image, always.

    Votes (`choice_dist`) and `confidence` are published for a part only and not used.
    """
    return (_image(record, "path1"), _image(record, "path2")), (1.0, 0.0)


def _pickapic(record: Record) -> tuple[tuple[StoredImage, ...], tuple[float, ...]]:
    """`label_0` is 1 when image 0 was chosen, 0 when image 1 was, 0.5 for a tie.

    Without `has_label` nobody has chosen.
    """
    images = _image(record, "jpg_0"), _image(record, "jpg_1")
    if record.get("has_label") is False:
        return images, (math.nan, math.nan)
    label = record["label_0"]
    if isinstance(label, bool) or label not in (0, 0.5, 1):
        raise ValueError(f"label_0 is {_shown(label)}, not 0, 0.5 or 1")
    return images, (float(label), 1 - float(label))


def _imagereward(record: Record) -> tuple[tuple[StoredImage, ...], tuple[float, ...]]:
    """`ranking` is 1 for the best image, and equal for equals."""
    images = _images(record, "generations")
    return images, tuple(-rank for rank in _numbers(record, "ranking", len(images)))


def _plain(record: Record) -> tuple[tuple[StoredImage, ...], tuple[float, ...]]:
    """`choice` is a, b or tie in any case.

    As a number it is the index of the chosen image: 0 is image_a, 1 is image_b, 0.5 a tie.
    """
    choice = record["choice"]
    word = choice.strip().lower() if isinstance(choice, str) else choice
    if isinstance(word, bool) or word not in ("a", "b", "tie", 0, 0.5, 1):
        raise ValueError(f"its choice is {_shown(choice)}, not a, b, tie, 0 (image_a) or 1 (image_b)")
    second = {"a": 0.0, "b": 1.0, "tie": 0.5}.get(word, word)
    return (_image(record, "image_a"), _image(record, "image_b")), (1 - float(second), float(second))


def _chosen(record: Record) -> tuple[tuple[StoredImage, ...], tuple[float, ...]]:
    """`chosen` and `rejected` are one image each, or lists of images.

    The images of one list are equally good, or equally bad.
    """
    sides = [_one_or_more(record, side) for side in ("chosen", "rejected")]
    human = [1.0] * len(sides[0]) + [0.0] * len(sides[1])
    return (*sides[0], *sides[1]), tuple(human)


def _one_or_more(record: Record, name: str) -> list[StoredImage]:
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
    PreferenceFormat("plain pairs", ("image_a", "image_b", "choice"), _plain),
    PreferenceFormat("chosen and rejected", ("chosen", "rejected"), _chosen),
)
FIELDS = {
    name for known in FORMATS for field in (PROMPT, *known.fields, "has_label") for name in field.split("|")
}


def _any(record: Record, names: str) -> Any:
    return next((record[name] for name in names.split("|") if name in record), None)


def _images(record: Record, names: str) -> tuple[StoredImage, ...]:
    values = _any(record, names)
    if not isinstance(values, list) or not values:
        raise ValueError(f"{names.replace('|', ' or ')} is {_shown(values)}, not a list of images")
    return tuple(_stored_image(names.split("|")[0], value) for value in values)


def _image(record: Record, name: str) -> StoredImage:
    return _stored_image(name, record[name])


def _stored_image(name: str, value: Any) -> StoredImage:
    if isinstance(value, Mapping):  # how the datasets library stores an image: the bytes, a path, or both
        value = value.get("bytes") or value.get("path")
    if not isinstance(value, StoredImage):
        raise ValueError(f"{name} holds {_shown(value)}, not an image or the path of one")
    return value


def _numbers(record: Record, name: str, count: int) -> tuple[float, ...]:
    """One number per image; null becomes NaN: this image has no rank."""
    values = record[name]
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"{name} is {_shown(values)}, not a list of {count} numbers, one per image")
    for value in values:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float | None)
            or (value is not None and not abs(value) < 1e15)
        ):
            raise ValueError(f"{name} holds {_shown(value)}, not a number")
    return tuple(math.nan if value is None else float(value) for value in values)


def _shown(value: Any) -> str:
    text = repr(value)
    return printable(text if len(text) <= 80 else text[:77] + "…")
