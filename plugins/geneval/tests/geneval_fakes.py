"""A detector and a namer of colours for drawn images.

A solid block is a thing, and its colour says which.
"""

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from rankkit_geneval.detector.postprocess import Instance, tight_box
from rankkit_geneval.vocabulary import CLASSES, COLORS

RGB = {color: ImageColor.getrgb(color) for color in COLORS}
# how a thing is drawn when no colour is asked for
INK = {"dog": "red", "cat": "blue", "clock": "green", "computer mouse": "purple"}


class Blocks:
    """Finds blocks of INK's colours, each colour one thing, always with the same score."""

    classes = CLASSES
    weights = "drawn"

    def __init__(self, score=0.95):
        self.score = score
        self.seen = 0

    def prepare(self, image):
        return image

    def detect(self, images):
        self.seen += len(images)
        return [self._found(np.asarray(image.convert("RGB"))) for image in images]

    def _found(self, pixels):
        masks = {name: (pixels == RGB[color]).all(-1) for name, color in INK.items()}
        return {
            name: [Instance(tight_box(mask), self.score, mask=mask)]
            for name, mask in masks.items()
            if mask.any()
        }


class MeanColor:
    """Names the colour that is nearest to the mean of the masked pixels."""

    def name(self, image, thing, detection):
        mean = np.asarray(image)[detection.mask].mean(0)
        return min(COLORS, key=lambda color: np.abs(mean - RGB[color]).sum())


def drawn(size=(96, 64), **things):
    """A white image with a block per thing: name (spaces as _) = box."""
    image = Image.new("RGB", size, "white")
    for name, (left, top, right, bottom) in things.items():
        ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), fill=INK[name.replace("_", " ")])
    return image
