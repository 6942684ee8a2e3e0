"""Near-duplicates by the difference hash of Krawetz ("Kind of Like That", hackerfactor.com, 2013).

The image at 9 × 8 grey pixels, and a bit for each of the 64 pairs of neighbours that says which is brighter.
That says nothing of flat images and of colours, so the mean colour is compared too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from rankkit.choose.select.candidates import Candidate
from rankkit.choose.select.image_files import ImageFiles
from rankkit.core.images import decode
from rankkit.core.prefetch import prefetch

BITS = (
    8  # of 64; copies at half size, JPEG quality 30 or cropped by 1 % differ in 0 to 7, other seeds in 11 up
)
COLOUR = 32.0  # grey levels between the mean colours, in the channel that differs most


@dataclass(frozen=True, slots=True)
class Signature:
    """What is compared of an image: 64 bits, and the mean colour."""

    bits: npt.NDArray[np.bool_]
    colour: npt.NDArray[np.float64]


def signature(image: Image.Image) -> Signature:
    """The difference hash of an RGB image, and its mean colour."""
    small = image.resize((9, 8), Image.Resampling.LANCZOS)
    grey = np.asarray(small.convert("L"), dtype=np.int16)
    return Signature((grey[:, 1:] > grey[:, :-1]).ravel(), np.asarray(small, dtype=np.float64).mean((0, 1)))


class NearDuplicates:
    """Tells which images nearly equal a better one; `unread` ones could not be decoded, and are near to none.

    `within`: the most bits in which near-duplicates differ. `advance` is called with 1 for each image read.
    """

    def __init__(
        self,
        image_files: ImageFiles,
        within: int = BITS,
        advance: Callable[[int], object] = lambda count: None,
    ) -> None:
        self.unread = 0
        self._image_files, self._within, self._advance = image_files, within, advance

    def __call__(self, candidates: Sequence[Candidate]) -> Iterator[bool]:
        """Of each candidate, best first, whether it is near one before that is not; read ahead in threads."""
        bits, colours = np.empty((0, 64), np.bool_), np.empty((0, 3))
        for _, found in prefetch(candidates, self._signature):
            self._advance(1)
            if found is None:
                self.unread += 1
                yield False
                continue
            alike = (bits != found.bits).sum(1) <= self._within
            near = bool(np.any(alike & (np.abs(colours - found.colour).max(1, initial=0) <= COLOUR)))
            if not near:
                bits, colours = np.vstack((bits, found.bits)), np.vstack((colours, found.colour))
            yield near

    def _signature(self, candidate: Candidate) -> Signature | None:
        data = self._image_files.read(candidate)
        image = decode(data).image if isinstance(data, bytes) else None
        return None if image is None else signature(image)
