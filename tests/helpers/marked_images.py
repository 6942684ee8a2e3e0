"""Image files with texts in them, written as programs write them, for tests."""

import zlib

from PIL import Image, PngImagePlugin

from rankkit.io.prompts.embedded import embedded_prompt

SETTINGS = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"
IMAGE = Image.new("RGB", (8, 8), "red")


def png(path, image=IMAGE, **chunks):
    info = PngImagePlugin.PngInfo()
    for key, value in chunks.items():
        info.add_itxt(key.replace("__", "-"), value)
    image.save(path, "PNG", pnginfo=info)
    return path


def with_comment(path, data, form="JPEG", image=IMAGE, where="exif"):
    exif = Image.Exif()
    if where == "exif":
        exif[0x8769] = {0x9286: data}
    else:
        exif[0x9286] = data
    image.save(path, form, exif=exif.tobytes())
    return path


def prompt_of(path):
    found = embedded_prompt(str(path))
    return found.prompt if found else None


def chunk(kind, body):
    """One chunk of a PNG, as bytes."""
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def with_chunks(path, *chunks, behind=False):
    """A PNG file with raw chunks before its pixels, or behind them."""
    IMAGE.save(path, "PNG")
    data = path.read_bytes()
    at = data.index(b"IEND") - 4 if behind else data.index(b"IDAT") - 4
    path.write_bytes(data[:at] + b"".join(chunks) + data[at:])
    return path
