"""Folders, tables and archives made on the spot, and the prompts that are found in them."""

import io
import json
import os
import tarfile

from PIL import Image, PngImagePlugin

from rankkit.core import images
from rankkit.io.prompts import survey

RED = Image.new("RGB", (4, 4), "red")
A1111 = (
    "a red apple, (ripe:1.2) <lora:fruit:0.8>\nNegative prompt: blurry\nSteps: 20, Sampler: Euler, Seed: 1"
)


def encoded(form="PNG", image=RED, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png(seed=0, size=(4, 4)):
    return encoded(image=Image.new("RGB", size, (seed * 40 % 256, 100, 50)))


def with_text(**chunks):
    """A PNG that holds these texts by their keys."""
    info = PngImagePlugin.PngInfo()
    for key, value in chunks.items():
        info.add_text(key, value)
    return encoded(pnginfo=info)


def put(files):
    """Files by relative path: None is an image, a list of records JSON Lines, any other object JSON."""
    for number, (name, content) in enumerate(files.items()):
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        if content is None:
            content = png(number)
        elif isinstance(content, list):
            content = lines(*content)
        elif isinstance(content, dict):
            content = json.dumps(content)
        with open(name, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)


def tar(path, members, form=tarfile.PAX_FORMAT):
    """An archive of (name, content); None is an image, a `TarInfo` stands for itself."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with tarfile.open(path, "w", format=form) as archive:
        for number, (name, content) in enumerate(members):
            data = (
                png(number) if content is None else content.encode() if isinstance(content, str) else content
            )
            header = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))


def look(*paths, **options):
    return next(iter(survey(paths or ["d"], **options)))


def prompts(*paths, **options):
    """The prompts of images by name, that of the folder `d` left out."""
    found = look(*paths, **options)
    return {item.name.removeprefix("d/"): item.prompt for item in found.items()}


def why(*paths, **options):
    """Why there is none, by name."""
    return {item.name.removeprefix("d/"): item.why for item in look(*paths, **options).items()}


def lines(*records):
    """Records as JSON Lines."""
    return "".join(json.dumps(record) + "\n" for record in records)


# --- of a survey ---


def prompts_of(found):
    return {item.name: item.prompt for item in found.items()}


def groups_of(found):
    return {item.name: item.group for item in found.items()}


def source_of(found):
    """Where the prompts come from, in words."""
    return " and ".join(dict.fromkeys(item.source for item in found.items() if item.source))


def refusals_of(found):
    """Why bytes cannot be had, or do not decode, by name; None where all is well."""
    reasons = {}
    for item in found.items():
        data = item.read()
        reasons[item.name] = data if isinstance(data, str) else images.decode(data).error
    return reasons
