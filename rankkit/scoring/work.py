"""One image that some rankers have yet to see: what is to be done, and what was read, hashed and decoded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from PIL import Image

from rankkit.core import images
from rankkit.core.named import content_of
from rankkit.core.text import plain
from rankkit.core.two_stage import Made
from rankkit.core.types import Held
from rankkit.io.prompts.base import Item
from rankkit.registry.load import Prepared
from rankkit.scoring.plan import Key


@dataclass(frozen=True, slots=True)
class Work:
    """One image and the rankers (by position) that have yet to see it."""

    key: Key
    item: Item
    wanted: tuple[int, ...]

    def __reduce__(self) -> tuple[type[Work], tuple[Key, Item, tuple[int, ...]]]:
        """For processes, as that of an item."""
        return Work, (self.key, self.item, self.wanted)


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A work with its bytes hashed and decoded.

    `made` is, by the preparation of a ranker in the run, what that made of the image. `held`: how to have it
    again, where it is not kept in memory.
    """

    work: Work
    sha256: str
    decoded: images.Decoded
    made: Mapping[object, Made] = field(default_factory=dict)
    held: Held | None = None

    @property
    def image(self) -> Image.Image:
        """The image of one that could be decoded; the others have abstained by now."""
        assert self.decoded.image is not None, self.decoded.error
        return self.decoded.image


def decode_work(work: Work) -> DecodedImage:
    """Read, hash and decode one image; whatever is wrong with it becomes the reason of an abstention."""
    data = work.item.read()
    if isinstance(data, str):
        return DecodedImage(work, "", images.Decoded(None, data))
    decoded = images.decode(data)
    return DecodedImage(
        work, digest_of(data), images.tile_of(decoded, work.item.tile) if work.item.tile else decoded
    )


def let_go(candidate: DecodedImage) -> DecodedImage:
    """The same without its pixels, which are decoded again when they are asked for."""
    content = images.content_hash(candidate.image)
    held = Held(content, pixels_of(candidate), partial(_again, candidate.work, candidate.sha256))
    return replace(candidate, decoded=images.Decoded(None, None, candidate.decoded.notes), held=held)


def taken_back(candidate: DecodedImage) -> DecodedImage:
    """The same with its pixels, or with the reason why they can be had no more."""
    if candidate.held is None:
        return candidate
    found, notes = candidate.held.fetch(), candidate.decoded.notes
    decoded = images.Decoded(None, found) if isinstance(found, str) else images.Decoded(found, None, notes)
    return replace(candidate, decoded=decoded, held=None)


def _again(work: Work, sha256: str) -> Image.Image | str:
    found = decode_work(work)
    if found.sha256 != sha256:
        return "the file changed while it was being ranked"
    return found.decoded.image or found.decoded.error or "it cannot be decoded again"


def pixels_of(candidate: DecodedImage) -> int:
    """How many pixels it has, 0 where there is no image."""
    image = candidate.decoded.image
    return image.width * image.height if image else 0


def metadata_read(item: Item, ranker: Prepared) -> str:
    """A hash of the metadata that a ranker reads of an item; empty where there is none, or it reads none.

    An image that the metadata names counts by its content, not by its path.
    """
    if not item.metadata or not ranker.reads_metadata:
        return ""
    seen = {
        key: content_of(item.metadata[key], folder=named.folder, start=named.start)
        for named in ranker.metadata_images
        for key in ([named.key] if named.key else item.metadata)
        if key in item.metadata
    }
    text = json.dumps(plain({**item.metadata, **seen}), sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def digest_of(data: bytes | str) -> str:
    """sha256 of what was read, empty where nothing could be."""
    return "" if isinstance(data, str) else images.fingerprint(data)
