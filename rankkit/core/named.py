"""Images that metadata names: opened for a ranker that compares with them, and hashed for a row's key."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from PIL import Image

from rankkit.core.images import Decoded, content_hash, decode, fingerprint, read, to_rgb
from rankkit.errors import BadOption

T = TypeVar("T")


class NamedImages(NamedTuple):
    """The images that metadata names under a key, of every key where that is empty.

    Relative paths start at `folder`, outside of which no file is opened; without one, at `start`, where a
    ranker elsewhere runs, or else at the current folder.
    """

    key: str
    folder: str = ""
    start: str = ""


def image_of(value: object, *, folder: str = "") -> Decoded:
    """The image that a value of `Group.metadata` is or names, or the reason why there is none.

    An image of Pillow, or the path of a file: a relative one starts at `folder`, else at the current folder.
    With a `folder`, a file that does not lie in it is refused, whoever wrote the path. Never raises.
    """
    if isinstance(value, Image.Image):
        try:
            return Decoded(to_rgb(value))
        except (ValueError, OSError) as error:
            return Decoded(None, f"an image of mode {value.mode}: {error}")
    path = _path_of(value, folder, "")
    if isinstance(path, str):
        return Decoded(None, path)
    data = read(path)
    found = Decoded(None, data) if isinstance(data, str) else decode(data)
    return found if found.image is not None else Decoded(None, f"{_written(value)!r}: {found.error}")


def images_of(
    metadata: Iterable[Mapping[str, Any]],
    key: str,
    see: Callable[[Decoded], T],
    *,
    usual: str = "",
    folder: str = "",
) -> list[T | None]:
    """What `see` makes of the image that each metadata names under `key`, else of the file `usual`.

    None where neither is given. What is named several times is opened, and seen, once. `folder` is that of
    `image_of`, and not for `usual`.
    """
    seen: dict[object, T | None] = {None: None}
    found = []
    for each in metadata:
        value = each.get(key) or usual or None
        name = value if value is None or isinstance(value, str) else id(value)
        if name not in seen:
            seen[name] = see(image_of(value, folder="" if value == usual else folder))
        found.append(seen[name])
    return found


def image_option(option: str, path: str) -> Image.Image | None:
    """The image at the `path` that a ranker's `option` holds, None for "".

    Raises `BadOption` where there is no image.
    """
    if not path:
        return None
    found = image_of(path)
    if found.image is None:
        raise BadOption(f"{option}={found.error}")
    return found.image


def content_of(value: object, *, folder: str = "", start: str = "") -> Any:
    """What `image_of` would see, as a hash: of a file's bytes or of an image's pixels; of a list, of each.

    `start`: where relative paths start without a folder, and where a relative folder lies. The value itself
    where there is no such file: a path that may be good again another day.
    """
    if isinstance(value, (list, tuple)):
        return [content_of(each, folder=folder, start=start) for each in value]
    if isinstance(value, Image.Image):
        return content_hash(value)
    path = _path_of(value, folder, start)
    try:
        found = os.stat(path) if isinstance(path, Path) else None
    except (OSError, ValueError):
        found = None
    return (found and _hash_of_file(str(path), found.st_size, found.st_mtime_ns)) or value


@lru_cache(maxsize=4096)
def _hash_of_file(path: str, size: int, changed: int) -> str:
    data = read(path)
    return "" if isinstance(data, str) else fingerprint(data)


def _path_of(value: object, folder: str, start: str) -> Path | str:
    """The path that a value of metadata names, or why it names none."""
    if not isinstance(value, (str, os.PathLike)) or not str(value).strip():
        return f"{str(value)[:80]!r} is neither an image nor the path of one"
    name, folder = _written(value), os.path.expanduser(folder)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/?/|data:", name):
        return f"{name[:80]!r} is an address; download it, and give the path of the file"
    folder = os.path.join(start, folder) if folder else ""
    path = Path(folder or start, os.path.expanduser(name))
    if folder and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        return f"{name!r} does not lie in the folder {folder!r}"
    return path


def _written(value: object) -> str:
    return os.fsdecode(value).replace("\0", "␀") if isinstance(value, (str, os.PathLike)) else str(value)
