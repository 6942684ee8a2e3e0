"""Something to rank and someone to rank it, without files or weights: groups drawn by code, and three honest
fakes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from rankkit.core.aggregate import sigmoid
from rankkit.core.types import Group, Kind, Ranker, Ranking

Utility = Callable[[Image.Image], float]
Shape = tuple[str, str, str]  # colour, shape, ground: "red", "circle", "white"


def sample_groups(seed: int = 0) -> list[Group]:
    """Five small groups of three or four images each: shapes, a gradient, noise and textures; the same for
    the same seed.

    Prompts say colours by name, and the first candidate is what the prompt says. Ids, names and metadata are
    filled, the latter with GenEval's clauses where the prompt names a thing. Sides are 48 to 96 pixels; not
    every image is square.
    """
    rng = np.random.default_rng(seed)
    white, black = "white", "black"
    gradients = [_gradient(*ends) for ends in (("yellow", "purple"), ("yellow", "red"), ("black", "green"))]
    noise = [_noise(rng, *each) for each in ((0.2, "black"), (0.05, "black"), (0.2, "orange"))]
    hills = [_hills(rng, *colours) for colours in (("blue", "green"), ("orange", "brown"), ("gray", "black"))]
    return [
        _shapes(
            0,
            rng,
            ("red", "circle", white),
            ("blue", "circle", white),
            ("red", "square", white),
            ("green", "triangle", black),
        ),
        _shapes(
            1,
            rng,
            ("blue", "square", black),
            ("blue", "square", white),
            ("yellow", "square", black),
            ("purple", "circle", black),
        ),
        _group(2, "a smooth gradient from yellow to purple", gradients),
        _group(3, "grey noise", noise),
        _group(4, "a photograph of green hills under a blue sky", hills),
    ]


def content_hash(image: Image.Image) -> str:
    """sha256 of an image's size and pixels, in hex: equal for equal pictures, whatever file they came from."""
    return hashlib.sha256(f"{image.mode}{image.size}".encode() + image.tobytes()).hexdigest()


class Fixed:
    """A pointwise ranker whose scores are known: a function of the image, or a mapping from `content_hash` to
    the score.

    An image that the mapping lacks is abstained on.
    """

    kind: ClassVar[Kind] = "pointwise"

    def __init__(self, scores: Mapping[str, float] | Utility) -> None:
        self.scores = scores

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """One ranking per group; companions and prompts do not matter."""
        return [
            _with_reasons(
                tuple(map(self._score, group.images)), self.kind, "no score is fixed for this image"
            )
            for group in groups
        ]

    def _score(self, image: Image.Image) -> float:
        return self.scores(image) if callable(self.scores) else self.scores.get(content_hash(image), math.nan)


class Flaky:
    """Another ranker that fails on chosen images, as a model does on a file it cannot digest: it abstains,
    and says why.
    """

    def __init__(self, ranker: Ranker, fails: Callable[[Image.Image], bool]) -> None:
        self.ranker, self.fails = ranker, fails
        self.kind: Kind = getattr(ranker, "kind", "listwise")

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """The rankings of the other ranker, with NaN and a reason in the chosen places."""
        rankings = []
        for group, ranking in zip(groups, self.ranker.rank(groups), strict=True):
            pairs = zip(group.images, ranking.scores, strict=True)
            scores = tuple(math.nan if self.fails(image) else score for image, score in pairs)
            rankings.append(_with_reasons(scores, ranking.kind, "it failed on this image, as it was told to"))
        return rankings


class Biased:
    """A judge that compares: P(first is better) = σ(utility of first - utility of second + `seat` + `noise` ·
    ε), all in logits.

    `seat` is its liking for the first seat. ε is standard normal and belongs to the ordered pair: the same
    question gets the same answer. As a ranker: ``class Judge(Biased, rankkit.Pairwise)``.
    """

    kind: ClassVar[Kind] = "pairwise"

    def __init__(self, utility: Utility, *, seat: float = 0.0, noise: float = 0.0, seed: int = 0) -> None:
        self.utility, self.seat, self.noise, self.seed = utility, seat, noise, seed

    def compare(self, firsts: Sequence[Image.Image], seconds: Sequence[Image.Image]) -> list[float]:
        """P(first is better than second) for each pair, in (0, 1)."""
        return [self._answer(first, second) for first, second in zip(firsts, seconds, strict=True)]

    def _answer(self, first: Image.Image, second: Image.Image) -> float:
        question = f"{self.seed}{content_hash(first)}{content_hash(second)}"
        luck = np.random.default_rng(
            int.from_bytes(hashlib.sha256(question.encode()).digest()[:8], "big")
        ).normal()
        return sigmoid(self.utility(first) - self.utility(second) + self.seat + self.noise * luck)


def _with_reasons(scores: tuple[float, ...], kind: Kind, reason: str) -> Ranking:
    details = tuple({"error": reason} if math.isnan(score) else {} for score in scores)
    return Ranking(scores, kind, details=details if any(details) else ())


def _group(number: int, prompt: str, images: Sequence[Image.Image], **metadata: Any) -> Group:
    names = tuple(f"sample-{number}/{i}.png" for i in range(len(images)))
    return Group(prompt, tuple(images), f"sample-{number}", names, {"sample": number, **metadata})


def _shapes(number: int, rng: np.random.Generator, *shapes: Shape) -> Group:
    colour, shape, ground = shapes[0]
    clauses = [{"class": shape, "count": 1, "color": colour}]
    return _group(
        number,
        f"a {colour} {shape} on {ground}",
        [_shape(rng, *each) for each in shapes],
        tag="colors",
        include=clauses,
    )


def _shape(rng: np.random.Generator, colour: str, shape: str, ground: str) -> Image.Image:
    image = Image.new("RGB", (64, 64), ground)
    draw = ImageDraw.Draw(image)
    x, y, r = int(rng.integers(28, 37)), int(rng.integers(28, 37)), int(rng.integers(16, 25))
    if shape == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif shape == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill=colour)
    else:
        draw.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=colour)
    return image


def _gradient(left: str, right: str) -> Image.Image:
    return _blend(np.tile(np.linspace(1, 0, 96), (64, 1)), left, right)


def _noise(rng: np.random.Generator, width: float, ground: str) -> Image.Image:
    return _blend(rng.normal(0.5, width, (80, 48)), "white", ground)


def _hills(rng: np.random.Generator, sky: str, land: str) -> Image.Image:
    """A horizon and a surface with the spectrum of photographs, whose amplitude falls as one over frequency."""
    frequency = np.hypot(np.fft.fftfreq(56)[:, None], np.fft.fftfreq(80)[None, :])
    rough = np.fft.ifft2(np.fft.fft2(rng.normal(size=(56, 80))) / (frequency + 1 / 80)).real
    rough /= np.abs(rough).max()
    rows = np.linspace(0, 1, 56)[:, None]
    return _blend(np.where(rows < 0.5 + 0.3 * rough[:1], 0.85 + 0.15 * rows, 0.3 + 0.3 * rough), sky, land)


def _blend(share_HW: NDArray[np.float64], first: str, second: str) -> Image.Image:
    a, b = (np.array(ImageColor.getrgb(name), dtype=float) for name in (first, second))
    mixed = share_HW[..., None] * a + (1 - share_HW[..., None]) * b
    return Image.fromarray(mixed.clip(0, 255).round().astype(np.uint8))
