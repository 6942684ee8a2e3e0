"""Draws the images of this folder: six prompts, six candidates each, some right and crisp, some blurred,
pale, noisy or wrong.

python examples/make.py
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

SIDE, FINE = 320, 960  # pixels of an image, and of the canvas it is drawn on
Color = tuple[int, int, int]
PALETTE: dict[str, Color] = {
    "red": (205, 44, 40),
    "orange": (232, 120, 32),
    "yellow": (244, 205, 70),
    "green": (64, 150, 72),
    "blue": (38, 92, 168),
    "purple": (116, 62, 150),
    "pink": (236, 120, 168),
    "brown": (122, 78, 44),
    "black": (20, 20, 24),
    "white": (244, 244, 240),
}


def gradient(top: Color, bottom: Color) -> Image.Image:
    ramp = Image.linear_gradient("L").resize((FINE, FINE))
    return Image.composite(Image.new("RGB", (FINE, FINE), bottom), Image.new("RGB", (FINE, FINE), top), ramp)


def shade(color: Color, factor: float) -> Color:
    red, green, blue = (min(255, round(channel * factor)) for channel in color)
    return red, green, blue


def sunset(rng: random.Random, main: Color) -> Image.Image:
    image = gradient(shade(main, 0.45), shade(main, 1.15))
    draw = ImageDraw.Draw(image)
    x, r = rng.randint(300, 660), rng.randint(90, 150)
    draw.ellipse((x - r, 470 - r, x + r, 470 + r), fill=shade(main, 1.25))
    draw.rectangle((0, 520, FINE, FINE), fill=(24, 40, 78))
    for y in range(530, FINE, 14):
        width = rng.randint(20, 40) + (y - 520) // 3
        draw.line((x - width, y, x + width, y), fill=shade(main, rng.uniform(0.6, 1.2)), width=4)
    return image


def apples(rng: random.Random, main: Color) -> Image.Image:
    image = gradient((226, 214, 190), (240, 232, 216))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 620, FINE, FINE), fill=PALETTE["brown"])
    for k in range(rng.choice((3, 3, 3, 2, 4))):
        x, y, r = 190 + 200 * k + rng.randint(-20, 20), 600 + rng.randint(-20, 50), rng.randint(80, 100)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=main)
        draw.ellipse((x - r * 0.5, y - r * 0.6, x - r * 0.1, y - r * 0.2), fill=shade(main, 1.5))
        draw.line((x, y - r, x + 12, y - r - 36), fill=PALETTE["brown"], width=12)
    return image


def mountains(rng: random.Random, main: Color) -> Image.Image:
    image = gradient((18, 22, 54), shade(main, 0.9))
    draw = ImageDraw.Draw(image)
    x = rng.randint(200, 760)
    draw.ellipse((x - 70, 110, x + 70, 250), fill=PALETTE["yellow"])
    for layer in range(4):
        points = [(0, FINE)]
        for step in range(13):
            points.append((step * 80, 420 + layer * 110 + rng.randint(-90, 70)))
        draw.polygon([*points, (FINE, FINE)], fill=shade(main, 1.1 - 0.25 * layer))
    return image


def sailboat(rng: random.Random, main: Color) -> Image.Image:
    image = gradient((168, 206, 232), (214, 232, 242))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 560, FINE, FINE), fill=main)
    for y in range(580, FINE, 30):
        for x in range(rng.randint(-60, 0), FINE, 120):
            draw.arc((x, y, x + 110, y + 24), 0, 180, fill=shade(main, 1.35), width=5)
    x = rng.randint(320, 640)
    draw.polygon([(x - 130, 560), (x + 150, 560), (x + 100, 630), (x - 90, 630)], fill=PALETTE["brown"])
    draw.polygon([(x, 150), (x, 540), (x + 190, 540)], fill=PALETTE["white"])
    draw.polygon([(x - 14, 210), (x - 14, 540), (x - 150, 540)], fill=(228, 228, 222))
    return image


def trees(rng: random.Random, main: Color) -> Image.Image:
    image = gradient((206, 210, 214), (226, 220, 206))
    for depth in range(5):
        draw = ImageDraw.Draw(image)
        for _ in range(7):
            x, base, size = rng.randint(0, FINE), 520 + depth * 90, 70 + depth * 22
            draw.rectangle((x - 8, base - size, x + 8, base + 60), fill=shade(PALETTE["brown"], 0.8))
            draw.ellipse(
                (x - size, base - 2 * size, x + size, base), fill=shade(main, rng.uniform(0.75, 1.15))
            )
        if depth < 4:
            image = Image.blend(image, Image.new("RGB", image.size, (216, 214, 210)), 0.22)
    return image


def flower(rng: random.Random, main: Color) -> Image.Image:
    image = Image.new("RGB", (FINE, FINE), PALETTE["black"])
    petals, turn, cx, cy = (
        rng.randint(7, 11),
        rng.random(),
        480 + rng.randint(-60, 60),
        440 + rng.randint(-40, 40),
    )
    draw = ImageDraw.Draw(image)
    draw.line((cx, cy, cx + rng.randint(-60, 60), FINE), fill=PALETTE["green"], width=26)
    for k in range(petals):
        angle = 2 * math.pi * (k + turn) / petals
        x, y = cx + 190 * math.cos(angle), cy + 190 * math.sin(angle)
        draw.ellipse((x - 125, y - 125, x + 125, y + 125), fill=shade(main, 0.85 + 0.3 * (k % 2)))
    draw.ellipse((cx - 100, cy - 100, cx + 100, cy + 100), fill=PALETTE["yellow"])
    return image


SCENES: tuple[tuple[str, str, Callable[[random.Random, Color], Image.Image]], ...] = (
    ("a red sun setting over the sea", "red", sunset),
    ("three green apples on a wooden table", "green", apples),
    ("a moon above purple mountains", "purple", mountains),
    ("a sailboat on blue water", "blue", sailboat),
    ("orange autumn trees in fog", "orange", trees),
    ("a pink flower in the dark", "pink", flower),
)


def spoil(image: Image.Image, how: str, rng: random.Random) -> Image.Image:
    if how == "blurred":
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(2.5, 4)))
    if how == "pale":
        return ImageEnhance.Color(ImageEnhance.Contrast(image).enhance(0.5)).enhance(0.35)
    if how == "noisy":
        noise = Image.frombytes("RGB", image.size, rng.randbytes(image.width * image.height * 3))
        return ImageChops.overlay(
            image, Image.blend(Image.new("RGB", image.size, (128, 128, 128)), noise, 0.35)
        )
    return image


def main() -> None:
    folder = Path(__file__).parent
    lines = []
    for number, (prompt, color, scene) in enumerate(SCENES):
        for candidate, how in enumerate(("fine", "blurred", "pale", "noisy", "wrong colour", "fine")):
            rng = random.Random(100 * number + candidate)
            shown = (
                rng.choice([name for name in ("red", "green", "blue", "purple", "orange") if name != color])
                if how == "wrong colour"
                else color
            )
            image = scene(rng, PALETTE[shown]).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            name = f"{scene.__name__}-{candidate}.jpg"
            spoil(image, how, rng).save(folder / name, quality=88)
            lines.append(json.dumps({"file_name": name, "prompt": prompt}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
