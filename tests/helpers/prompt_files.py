"""Folders, tables and archives made on the spot, and the prompts that are found in them."""

import io
import json
import os
import tarfile

from PIL import Image

from rankkit.io.prompts import survey


def png(seed=0, size=(4, 4)):
    buffer = io.BytesIO()
    Image.new("RGB", size, (seed * 40 % 256, 100, 50)).save(buffer, "PNG")
    return buffer.getvalue()


def put(files):
    """Files by relative path; None is an image."""
    for number, (name, content) in enumerate(files.items()):
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        content = png(number) if content is None else content
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
