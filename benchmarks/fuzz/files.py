"""Targets on the disk: manifests, image files, archives and parquet."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from benchmarks.fuzz import rows
from benchmarks.fuzz.messages import A1111, TEXTS
from benchmarks.fuzz.mutate import changed
from benchmarks.fuzz.target import Target
from rankkit.io.prompts import survey

NAMES = ("a.png", "b.png", "sub/c.png")
PROMPTS = ("a red fox", "two blue birds", "café — naß 猫")
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(seed: int = 0, **texts: str) -> bytes:
    """A small image with texts."""
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), (seed * 40 % 256, 100, 50)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def records() -> list[dict[str, object]]:
    """Three images with prompts, as manifests name them."""
    return [
        {"file_name": name, "text": prompt, "negative_prompt": "blurry", "seed": 7, "tags": ["x"]}
        for name, prompt in zip(NAMES, PROMPTS, strict=True)
    ]


def look(path: str = "in") -> object:
    """Everything that is found below a path, and every image read."""
    found = next(iter(survey([path])))
    items = list(found.items())
    read = sum(isinstance(item.read(), bytes) for item in items)
    return len(items), read, sum(bool(item.prompt) for item in items), [note[:40] for note in found.notes]


def beside_images(name: str) -> Callable[[bytes], object]:
    """A reader of a folder of images in which a file of this name stands."""

    def read(data: bytes) -> object:
        if not Path("in/sub").exists():
            Path("in/sub").mkdir(parents=True)
            for number, each in enumerate(NAMES):
                Path("in", each).write_bytes(png(number))
        place = Path("in", name)
        place.write_bytes(data)
        try:
            return look()
        finally:
            place.unlink()

    return read


def alone(name: str) -> Callable[[bytes], object]:
    """A reader of one file of this name."""

    def read(data: bytes) -> object:
        Path(name).write_bytes(data)
        return look(name)

    return read


def table(sign: str) -> bytes:
    """The three images as a table."""
    rows = [["file_name", "text", "seed"], *([r["file_name"], r["text"], "7"] for r in records())]
    return "".join(sign.join(f'"{cell}"' for cell in row) + "\r\n" for row in rows).encode()


def archive() -> bytes:
    """A webdataset of three images."""
    members = [(f"{i}.{suffix}", data) for i, prompt in enumerate(PROMPTS) for suffix, data in (
        ("png", png(i)), ("json", json.dumps({"caption": prompt}).encode()),
    )]  # fmt: skip
    return packed([(tarfile.TarInfo(name), data) for name, data in members])


def packed(members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """An archive of these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for header, data in members:
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


def repacked_tar(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """An archive whose members have other names, kinds and contents, with right checksums."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            members = [(each, (tar.extractfile(each) or io.BytesIO()).read()) for each in tar if each.isreg()]
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(members))
            header, content = members[place]
            how = rng.randrange(4)
            if how == 0:
                header.name = rng.choice(
                    ("../out.png", "/etc/x.png", "", "a" * 300, f"{rng.random()}.txt", "0.png")
                )
            elif how == 1:
                header.type, header.linkname = (
                    rng.choice((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE)),
                    "/etc/passwd",
                )
            else:
                members[place] = (header, changed(rng, content))
        return packed(members)
    except (tarfile.TarError, ValueError, OSError, IndexError, OverflowError):
        return changed(rng, data, others)


def repacked_png(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A PNG with one chunk changed, and its checksum right."""
    chunks, at = [], len(SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunks.append((kind, data[at + 8 : at + 8 + length]))
        at += 12 + length
    if not chunks or not data.startswith(SIGNATURE):
        return changed(rng, data, others)
    place = rng.randrange(len(chunks))
    kind, inside = chunks[place]
    chunks[place] = (
        kind if rng.random() < 0.8 else rng.choice((b"iTXt", b"zTXt", b"eXIf", b"acTL", b"tEXt")),
        changed(rng, inside),
    )
    return SIGNATURE + b"".join(
        struct.pack(">I", len(each)) + kind + each + struct.pack(">I", zlib.crc32(kind + each))
        for kind, each in chunks
    )


def image_files() -> list[bytes]:
    """Images of several formats with texts in them."""
    found = [png(i, **texts) for i, texts in enumerate(TEXTS)]
    image, exif = Image.new("RGB", (4, 4)), Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + A1111.encode("utf-16-be")
    exif[0x010E] = "a fox"
    for kind in ("JPEG", "WEBP", "TIFF", "PNG", "GIF", "BMP"):
        buffer = io.BytesIO()
        image.save(buffer, kind, **({"exif": exif} if kind in ("JPEG", "WEBP", "PNG") else {}))
        found.append(buffer.getvalue())
    return found


def parquets() -> list[bytes]:
    """A table of prompts, and one with the images inside."""
    import pyarrow
    import pyarrow.parquet

    found = []
    cells = [{**record, "image": {"bytes": png(i), "path": "x"}} for i, record in enumerate(records())]
    for content in (records(), [{k: v for k, v in cell.items() if k != "file_name"} for cell in cells]):
        buffer = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(content), buffer, compression="none")
        found.append(buffer.getvalue())
    return found


def targets() -> list[Target]:
    """The targets of this file."""
    lines = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in records()).encode()
    maps = json.dumps({str(each["file_name"]): each for each in records()}).encode()
    return [
        Target("manifests, jsonl", beside_images("metadata.jsonl"), lambda: [lines], 6),
        Target("manifests, csv", beside_images("metadata.csv"), lambda: [table(","), table("\t")], 6),
        Target("manifests, json", beside_images("captions.json"), lambda: [maps, b"[" + maps + b"]"], 6),
        Target("captions beside images", beside_images("a.txt"), lambda: [A1111.encode(), b"a fox\n"], 4),
        Target("image files", alone("one.png"), image_files, 8, repacked_png),
        Target("tar", alone("one.tar"), lambda: [archive()], 8, repacked_tar),
        Target("parquet", beside_images("metadata.parquet"), parquets, 6),
        *rows.targets(png),
    ]
