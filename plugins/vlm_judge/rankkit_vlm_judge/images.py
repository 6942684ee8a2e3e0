"""An image as it is sent: scaled to a largest side, encoded once, known by the hash of its bytes."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass, field
from functools import cached_property

from PIL import Image


@dataclass(frozen=True)
class EncodedImage:
    """An image whose longer side is at most `side` pixels.

    JPEG at quality 95 without chroma subsampling: a few 100 kB at 768.
    """

    original: Image.Image
    side: int
    _smaller: dict[int, EncodedImage] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def image(self) -> Image.Image:
        """The image at the size that is sent: never enlarged, and never less than a pixel wide."""
        width, height = self.original.size
        scale = self.side / max(width, height)
        if scale >= 1:
            return self.original
        return self.original.resize(
            (max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.LANCZOS
        )

    @cached_property
    def data(self) -> bytes:
        """The bytes of the JPEG file."""
        buffer = io.BytesIO()
        self.image.save(buffer, "JPEG", quality=95, subsampling=0)
        return buffer.getvalue()

    @cached_property
    def sha256(self) -> str:
        """The hash of `data`, in hex."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def url(self) -> str:
        """As a data: URL."""
        return "data:image/jpeg;base64," + base64.b64encode(self.data).decode()

    def smaller(self, side: int) -> EncodedImage:
        """With a longer side of at most so many pixels; made once however many questions it is in."""
        return self._smaller.setdefault(side, EncodedImage(self.original, min(side, self.side)))


class EncodedImages(dict[int, EncodedImage]):
    """The image to send of each image, made once per call however many questions the image is in.

    `side`: the longer side that images are scaled down to; None leaves them as they are.
    """

    def __init__(self, side: int | None) -> None:
        super().__init__()
        self.side = side

    def __getitem__(self, image: Image.Image) -> EncodedImage:  # type: ignore[override]
        if id(image) not in self:
            self[id(image)] = EncodedImage(image, self.side or max(image.size))
        return super().__getitem__(id(image))
