"""Bytes to an RGB image, or the reason why not: the one place where files become images.

Every source and every command goes through `decode`; nothing else in rankkit opens an image.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib.util
import io
import os
import re
import stat
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

# no single image file is larger than this; a bound, so that one file cannot take the memory
MAX_BYTES = 512 * 2**20
MAX_PIXELS = 89_478_485  # Pillow's own default, for when a plugin has switched Pillow's limit off

SUFFIXES = frozenset(
    (
        ".png", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm",
        ".pgm", ".pbm", ".pnm", ".avif", ".tga", ".jp2", ".jpe", ".apng", ".mpo",
        ".heic", ".heif", ".hif", ".jxl",
    )
)  # fmt: skip

HEIC = re.compile(rb".{4}ftyp(?:hei[cmsx]|hev[cmsx]|mif1|msf1)", re.DOTALL)
JXL = re.compile(rb"\xff\x0a|\0\0\0\x0cJXL ")
NO_IMAGES = (  # what lies in files that are called images, and what to do about it
    (
        "a pointer of Git LFS and not the image itself; run git lfs pull",
        re.compile(rb"version https://git-lfs\.github\.com/spec/"),
    ),
    (
        "an SVG drawing and not an image of pixels; export it as PNG",
        re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<svg\b"),
    ),
    (
        "a web page and not an image; it was saved where the image was asked for",
        re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html)\b", re.IGNORECASE),
    ),
    ("JSON and not an image; a server's message was saved in its place", re.compile(rb'\s*\{\s*"')),
    ("compressed (gzip) and not an image itself; unpack it", re.compile(rb"\x1f\x8b")),
    ("a zip archive and not an image; unpack it", re.compile(rb"PK\x03\x04")),
    (
        "a video and not an image; extract its frames",
        re.compile(rb".{4}ftyp(?:isom|iso[2-9]|mp4[12]|M4V |qt  |avc1)|\x1aE\xdf\xa3", re.DOTALL),
    ),
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a file held: an 8-bit RGB `image`, or an `error` that says why there is none.

    `notes` names what had to be changed on the way (orientation, mode, frames); it is empty for a plain RGB
    image.
    """

    image: Image.Image | None
    error: str | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


def decode(data: bytes) -> Decoded:
    """Decode the bytes of an image file completely, apply its EXIF orientation, and return 8-bit RGB.

    Alpha is dropped and palettes are expanded as ``Image.convert("RGB")`` does, because that is what the
    published scorers do; 16-bit grey is scaled to 8 bits; of an animation the first frame is taken. Each is
    said in `notes`. Never raises: truncated, empty, oversized and undecodable data come back as an `error`.
    """
    if not data:
        return Decoded(None, "the file is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            _teach_pillow(data)
            # Pillow warns about sizes and odd metadata; the checks below decide
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
                limit = Image.MAX_IMAGE_PIXELS or MAX_PIXELS
                if width * height > limit:
                    return Decoded(
                        None,
                        f"{width}x{height} pixels is more than the limit of {limit} (a decompression bomb?)",
                    )
                return _to_decoded(image)
    except Image.DecompressionBombError as error:
        return Decoded(None, f"too large to decode safely: {error}")
    except UnidentifiedImageError:
        return Decoded(None, _unread(data))
    except MemoryError:
        return Decoded(None, "there is not enough memory to decode it")
    except Exception as error:  # decoders raise whatever they like (struct.error, SyntaxError, zlib.error …)
        return Decoded(None, f"cannot be decoded completely: {error or type(error).__name__}")


def tile_of(decoded: Decoded, tile: tuple[int, int, int]) -> Decoded:
    """One image of a file that holds several in a grid; `tile`: its number, columns and rows."""
    if decoded.image is None:
        return decoded
    (width, height), (number, columns, rows) = decoded.image.size, tile
    if width % columns or height % rows:
        return Decoded(None, f"is {width}x{height}, which {columns} columns and {rows} rows do not divide")
    x, y = number % columns * (width // columns), number // columns * (height // rows)
    image = decoded.image.crop((x, y, x + width // columns, y + height // rows))
    return Decoded(image, None, {**decoded.notes, "tile": [*tile]})


def to_rgb(image: Image.Image) -> Image.Image:
    """The image as 8-bit RGB; the same object when it already is.

    Raises ValueError where no agreed mapping exists.
    """
    if image.mode == "RGB":
        return image
    if image.mode == "F":
        raise ValueError("32-bit float pixels have no agreed range; convert the file to 8 bits")
    if image.mode.startswith("I"):  # 16-bit grey arrives as I;16 or, from some writers, as I
        import numpy as np  # late: only these images need it

        pixels = np.asarray(image).astype(np.int64)
        if pixels.size and (pixels.min() < 0 or pixels.max() > 65535):
            raise ValueError("32-bit integer pixels have no agreed range; convert the file to 8 bits")
        return Image.fromarray((pixels >> 8).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def read(path: str | os.PathLike[str], span: tuple[int, int] | None = None) -> bytes | str:
    """The bytes of a file, or of a span (offset, size) in it, or the reason why they cannot be had.

    Reasons are a missing file, a folder, a forbidden file …
    """
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            return "is a folder, not an image file"
        if not stat.S_ISREG(status.st_mode):
            return "is not a regular file"
        offset, size = span or (0, status.st_size)
        if size > MAX_BYTES:
            return f"is {size} bytes, more than the limit of {MAX_BYTES}"
        with open(path, "rb", buffering=0) as file:  # quicker than with a buffer, for one read
            if offset:
                file.seek(offset)
            data = file.read(size)
            while len(data) < size and (more := file.read(size - len(data))):
                data += more
            return data
    except FileNotFoundError:
        return "is a broken symbolic link" if os.path.islink(path) else "does not exist"
    except PermissionError:
        return "may not be read (permission denied)"
    except (OSError, ValueError) as error:  # ValueError: an embedded null byte
        return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def fingerprint(data: bytes) -> str:
    """sha256 of the bytes, in hex: what a row calls `sha256`."""
    return hashlib.sha256(data).hexdigest()


def suffix_of(data: bytes) -> str:
    """The suffix that says what an image file's bytes are, ".png"; empty where Pillow cannot tell."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _teach_pillow(data)
            with Image.open(io.BytesIO(data)) as image:
                kind = image.format
    except Exception:  # as in `decode`
        return ""
    if kind == "JPEG":
        return ".jpg"
    known = (suffix for suffix, name in Image.registered_extensions().items() if name == kind)
    return next((suffix for suffix in known if suffix in SUFFIXES), "")


def data_uri(image: Image.Image) -> str:
    """A small RGB image as a JPEG data URI."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=84, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def content_hash(image: Image.Image) -> str:
    """sha256 of an image's size and pixels, in hex: equal for equal images, whatever file they came from."""
    return hashlib.sha256(f"{image.mode}{image.size}".encode() + image.tobytes()).hexdigest()


def _to_decoded(image: Image.Image) -> Decoded:
    notes: dict[str, Any] = {}
    if image.mode != "RGB":
        notes["mode"] = image.mode
    if "A" in image.getbands() or "transparency" in image.info:
        notes["alpha"] = "dropped"
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        notes["frames"] = frames
    orientation = image.getexif().get(0x0112, 1)
    ImageFile.LOAD_TRUNCATED_IMAGES = (
        False  # many a plugin sets it for the whole process: half an image would be scored as a whole one
    )
    image.load()
    if orientation not in (0, 1):
        notes["exif_orientation"] = orientation
        image = ImageOps.exif_transpose(image)
    rgb = to_rgb(image)
    # a fresh image: no file handle, no metadata that would differ over a wire
    plain = Image.new("RGB", rgb.size)
    plain.paste(rgb)
    return Decoded(plain, None, notes)


def _teach_pillow(data: bytes) -> None:
    """Let Pillow read HEIC and JPEG XL, of such a file only, where the packages for that are installed."""
    with contextlib.suppress(ImportError):
        if HEIC.match(data):
            importlib.import_module("pillow_heif").register_heif_opener()
        elif JXL.match(data):
            importlib.import_module("pillow_jxl")


def _unread(data: bytes) -> str:
    kinds = (("HEIC", HEIC, "pillow_heif"), ("JPEG XL", JXL, "pillow_jxl"))
    for kind, pattern, module in kinds:
        if pattern.match(data) and importlib.util.find_spec(module) is None:
            return f"{kind} files need a package to be read: pip install 'rankkit-t2i[images]'"
    for words, pattern in NO_IMAGES:
        if pattern.match(data):
            return words
    return f"not an image that Pillow can read (it begins with {data[:12]!r})"
