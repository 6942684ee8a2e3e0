"""A rule-based detector and the ranker `shapes`, which checks a prompt's clauses against what it finds: not
differentiable.

Pixels are named by their nearest palette colour, connected pixels of one colour are objects, and an object's
shape is the one whose outline, drawn into its box, overlaps it best. The verdict follows GenEval (Ghosh et
al., arXiv 2310.11513): only the most confident objects count, extra ones are forbidden for counting alone,
and "left of" needs a clear offset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from drpo.shapes.render import BACKGROUND, PALETTE, SIDE, inside
from drpo.shapes.world import COLORS, SHAPES, Clause, Request, parse
from rankkit import Pointwise, RankkitError, Scored

Mode = Literal["strict", "graded", "until_right"]

AREA_MIN = 12  # pixels of a 32×32 image; smaller blobs are not objects
SIDE_MAX = 16  # pixels; larger ones are backgrounds
ASPECT_MAX = 1.5
NEAR = 100  # RGB distance (root of summed squares) beyond which a pixel has no colour of this world
OVERLAP_MIN = 0.65  # intersection over union with the best shape's outline; below it a blob has no shape
MARGIN = (
    0.1  # GenEval's position threshold: this share of both sizes must be overcome before an offset counts
)


@dataclass(frozen=True, slots=True)
class FoundObject:
    """One detected object: its names, its box (x1, y1, x2, y2) in pixels, and its overlap with the ideal
    outline in [0, 1].
    """

    shape: str
    color: str
    box: tuple[int, int, int, int]
    confidence: float


class Shapes(Pointwise):
    """Prefer images of the shapes world that show what their prompt asks for.

    ``mode="strict"`` scores 1 or 0. ``mode="graded"`` scores in [0, 1]: half for being right, half for the
    share of the clauses met, how clean the shapes are, and nothing else being there, so a right image beats
    every wrong one. ``mode="until_right"`` is the same for wrong images and 1 for every right one, so that
    nothing is learned from how clean right images are. A prompt of another world is an error.
    """

    def __init__(self, *, mode: Mode = "graded") -> None:
        if mode not in get_args(Mode):
            raise RankkitError(f"mode is one of {', '.join(get_args(Mode))}, not {mode!r}")
        self.mode = mode

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[Scored]:
        """One score per image, against the prompt at the same place, with what was found as evidence."""
        return [self._score(image, parse(prompt)) for image, prompt in zip(images, prompts, strict=True)]

    def _score(self, image: Image.Image, request: Request) -> Scored:
        found = detect(image)
        right, credit = judge(found, request)
        if self.mode == "strict" or (right and self.mode == "until_right"):
            score = float(right)
        else:
            score = 0.5 * right + 0.5 * credit
        return Scored(score, details=_evidence(found, right))


def detect(image: Image.Image) -> list[FoundObject]:
    """Every object of the image that has a shape, most confident first.

    Images of other sizes are resized to 32×32.
    """
    image = image if image.size == (SIDE, SIDE) else image.resize((SIDE, SIDE), Image.Resampling.BOX)
    names = _name_pixels(np.asarray(image.convert("RGB"), np.float32))
    found = [thing for index, color in enumerate(COLORS) for thing in _things(names == index, color)]
    return sorted(found, key=lambda thing: -thing.confidence)


def judge(found: Sequence[FoundObject], request: Request) -> tuple[bool, float]:
    """Whether the objects are what was asked for, and the credit in [0, 1] for it (1 only for clean, right
    images of nothing else).

    Further objects make an image wrong in counting alone, as in GenEval, but they cost credit in every task.
    Without that a generator trained on the credit adds them: two circles are the safer image of one.
    """
    right, credits, earlier, used = True, [], None, 0
    for clause in request.clauses:
        of_shape = [thing for thing in found if thing.shape == clause.shape]
        chosen = of_shape[: clause.count]
        ok, credit = _clause(chosen, clause, earlier)
        right &= ok and (request.task != "counting" or len(of_shape) == clause.count)
        credits.append(credit)
        used += len(chosen)
        earlier = chosen if ok else None
    return right, float(np.mean(credits)) / (1 + len(found) - used)


def relations(a: FoundObject, b: FoundObject) -> set[str]:
    """Where `a` is with respect to `b`: up to two relations on a diagonal, none when they are too close
    (GenEval's rule).
    """
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = a.box, b.box
    offset = np.array([ax1 + ax2 - bx1 - bx2, ay1 + ay2 - by1 - by2]) / 2
    sizes = np.array([ax2 - ax1 + bx2 - bx1, ay2 - ay1 + by2 - by1])
    clear = np.maximum(abs(offset) - MARGIN * sizes, 0) * np.sign(offset)
    if (abs(clear) < 1e-3).all():
        return set()
    x, y = clear / np.linalg.norm(offset)
    named = {"left of": x < -0.5, "right of": x > 0.5, "above": y < -0.5, "below": y > 0.5}
    return {name for name, holds in named.items() if holds}


def _clause(
    chosen: Sequence[FoundObject], clause: Clause, target: Sequence[FoundObject] | None
) -> tuple[bool, float]:
    """A clause's verdict and credit: each requirement (presence, colour, relation) is an equal part of the
    credit.
    """
    ok = len(chosen) == clause.count
    parts = [sum(thing.confidence for thing in chosen) / clause.count]
    if clause.color is not None:
        named = [thing.color == clause.color for thing in chosen]
        ok &= all(named)
        parts.append(sum(named) / clause.count)
    if clause.relation is not None:
        holds = bool(chosen and target) and all(
            clause.relation in relations(a, b) for a in chosen for b in target or ()
        )
        ok &= holds
        parts.append(float(holds))
    return ok, float(np.mean(parts))


def _name_pixels(pixels: NDArray[np.float32]) -> NDArray[np.int64]:
    """(H,W): the index of the nearest palette colour, or len(COLORS) for the background and what is like no
    colour.
    """
    known = np.array([*(PALETTE[color] for color in COLORS), BACKGROUND], np.float32)
    distance = ((pixels[:, :, None] - known) ** 2).sum(-1)
    return np.where(distance.min(-1) < NEAR**2, distance.argmin(-1), len(COLORS))


def _things(mask: NDArray[np.bool_], color: str) -> list[FoundObject]:
    labels, _ = ndimage.label(mask)
    things = []
    for index, window in enumerate(ndimage.find_objects(labels), start=1):
        blob = labels[window] == index
        height, width = blob.shape
        if blob.sum() < AREA_MIN or max(blob.shape) > min(SIDE_MAX, ASPECT_MAX * min(blob.shape)):
            continue
        shape, overlap = max(_overlaps(blob).items(), key=lambda item: item[1])
        if overlap >= OVERLAP_MIN:
            y, x = window[0].start, window[1].start
            things.append(FoundObject(shape, color, (x, y, x + width, y + height), overlap))
    return things


def _overlaps(blob: NDArray[np.bool_]) -> Mapping[str, float]:
    height, width = blob.shape
    x = ((np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1)[None] + np.zeros((height, 1), np.float32)
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height * 2 - 1)[:, None] + np.zeros(
        (1, width), np.float32
    )
    ideal = {shape: inside(shape, x, y) > 0 for shape in SHAPES}
    return {shape: float((blob & outline).sum() / (blob | outline).sum()) for shape, outline in ideal.items()}


def _evidence(found: Sequence[FoundObject], right: bool) -> Mapping[str, Any]:
    objects = [
        {"name": f"{one.color} {one.shape}", "box": list(one.box), "confidence": round(one.confidence, 3)}
        for one in found
    ]
    return {"right": right, "objects": objects}
