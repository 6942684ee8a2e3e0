"""Groups of small grey images, and what a ranker says of them."""

import math

from PIL import Image

from rankkit import Group


def grey(*values, prompt="a cat", **more):
    """A group of small grey images; an image's red channel is its quality."""
    return Group(prompt, tuple(Image.new("RGB", (2, 2), (value, value, value)) for value in values), **more)


def level(image):
    return image.getpixel((0, 0))[0]


def errors(ranking):
    return [detail.get("error") for detail in ranking.details] or [None] * len(ranking.scores)


def same(a, b):
    return len(a) == len(b) and all(
        x == y or (math.isnan(x) and math.isnan(y)) for x, y in zip(a, b, strict=True)
    )


def one(ranker, group):
    (ranking,) = ranker.rank([group])
    return ranking
