"""Prompts hidden in the lowest bits of a PNG's pixels are read where no chunk tells one, within bounds."""

import gzip
import json
import random

import numpy as np
import pytest
from marked_images import SETTINGS, png, prompt_of
from PIL import Image

from rankkit.io.prompts.embedded.places.stealth import texts_hidden_in

FORM = f"a fox\nNegative prompt: x\n{SETTINGS}"
NOVEL = json.dumps(
    {"Description": "a fox", "Software": "NovelAI", "Comment": json.dumps({"prompt": "a fox", "uc": "x"})}
)


def hidden(signature, data, size=(128, 200), declared=None, seed=0):
    """An image that hides `data` as sd_webui_stealth_pnginfo does: bit by bit, down the columns."""
    length = (len(data) * 8 if declared is None else declared).to_bytes(4, "big")
    bits = np.unpackbits(np.frombuffer(signature + length + data, np.uint8))
    pixels = np.random.default_rng(seed).integers(0, 256, (size[0], size[1], 4), np.uint8)
    bands = pixels[..., :3] if signature.startswith(b"stealth_rgb") else pixels[..., 3:]
    flat = bands.reshape(-1)
    flat[: len(bits)] = flat[: len(bits)] & 254 | bits
    bands[...] = flat.reshape(bands.shape)
    return Image.fromarray(pixels.swapaxes(0, 1))


KINDS = {b"stealth_pnginfo": bytes, b"stealth_pngcomp": gzip.compress, b"stealth_rgbinfo": bytes}
KINDS[b"stealth_rgbcomp"] = gzip.compress


@pytest.mark.parametrize("text", [FORM, NOVEL, "a fox"])
@pytest.mark.parametrize("signature", KINDS)
def test_a_hidden_text_is_read(tmp_path, signature, text):
    data = KINDS[signature](text.encode())
    for size in ((128, 200), (300, 30)):
        image = hidden(signature, data, size)
        modes = ("RGBA", "RGB") if signature.startswith(b"stealth_rgb") else ("RGBA",)
        for mode in modes:
            assert prompt_of(png(tmp_path / "a.png", image.convert(mode))) == "a fox", (size, mode)


@pytest.mark.parametrize("level", [0, 1, 9])
def test_it_is_found_whatever_the_rows_are_filtered_by(tmp_path, level):
    rows = np.add.outer(np.arange(200), np.arange(300)).astype(np.uint8)
    smooth = np.stack([rows, rows // 2, rows // 3], -1)
    pixels = np.concatenate([smooth, np.full((200, 300, 1), 254, np.uint8)], -1)
    pixels[..., 3] |= np.asarray(hidden(b"stealth_pnginfo", FORM.encode(), (300, 200)))[..., 3] & 1
    Image.fromarray(pixels).save(tmp_path / "a.png", compress_level=level)
    assert prompt_of(tmp_path / "a.png") == "a fox"


def test_what_a_chunk_tells_goes_first_and_a_chunk_of_something_else_does_not(tmp_path):
    image = hidden(b"stealth_pnginfo", FORM.encode())
    assert prompt_of(png(tmp_path / "a.png", image, parameters=f"a dog\n{SETTINGS}")) == "a dog"
    assert prompt_of(png(tmp_path / "b.png", image, Comment="Created with GIMP")) == "a fox"


BROKEN = {
    "no text": b"",
    "rubbish for packed text": b"rubbish" * 20,
    "packed text that is cut": gzip.compress(FORM.encode())[:20],
    "a gigabyte of zeros": gzip.compress(bytes(2**24)),
    "no UTF-8": gzip.compress(b"\xff\xfe\xfd a fox"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_damaged_hidden_text_is_none(tmp_path, name):
    assert prompt_of(png(tmp_path / "a.png", hidden(b"stealth_pngcomp", BROKEN[name], (300, 600)))) is None


def test_a_length_beyond_the_image_is_none(tmp_path):
    for declared in (2**32 - 1, 128 * 200 * 8, 7):
        image = hidden(b"stealth_pnginfo", FORM.encode(), declared=declared)
        assert prompt_of(png(tmp_path / "a.png", image)) is None


def test_an_image_without_a_hidden_text_a_cut_one_and_a_changed_one_raise_nothing(tmp_path):
    path = png(tmp_path / "a.png", hidden(b"stealth_pngcomp", gzip.compress(FORM.encode())))
    whole, rng = path.read_bytes(), random.Random(1)
    for end in range(0, len(whole), len(whole) // 60):
        path.write_bytes(whole[:end])
        assert texts_hidden_in(str(path)) == {}
    for _ in range(100):
        data = bytearray(whole)
        data[rng.randrange(200)] = rng.randrange(256)
        path.write_bytes(data)
        assert prompt_of(path) in (None, "a fox")
    for mode in ("L", "LA", "P", "1", "RGB", "RGBA"):
        assert prompt_of(png(path, Image.new(mode, (200, 200), 1))) is None
