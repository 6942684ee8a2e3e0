"""Files at URLs (`s3://`, `gs://`, `hf://` …), by way of fsspec; `file://` is a path of this machine."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

from rankkit.errors import BadRows, RankkitError, UsageError

URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
PACKAGES = {  # what fsspec needs beside it
    **{"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub"},
    **{"az": "adlfs", "abfs": "adlfs", "http": "aiohttp", "https": "aiohttp"},
}
MANIFEST = "manifest.json"  # of a folder of rows: which files there are, and whether that is all
STAMPS = ("ETag", "etag", "oid", "md5Hash", "mtime", "LastModified", "updated", "created")


def is_url(text: str) -> bool:
    """Whether a text names a file elsewhere, not a path of this machine."""
    return URL.match(text) is not None and not text.lower().startswith("file://")


def path_of(text: str) -> str:
    """The path that a `file://` URL names; any other text as it is."""
    return unquote(urlsplit(text).path) if text.lower().startswith("file://") else text


def file_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it.

    Raises `UsageError` where a package is missing, naming what to install, or where the scheme is unknown;
    `RankkitError` where the place cannot be reached.
    """
    scheme = url.partition("://")[0].lower()
    package = PACKAGES.get(scheme)
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        names = " ".join(name for name in ("fsspec", package) if name)
        raise UsageError(f"{url}: URLs are read by a package that is missing: pip install {names}") from None
    try:
        found: tuple[Any, str] = url_to_fs(url)
    except ImportError as error:
        hint = f"pip install {package}" if package else str(error)
        raise UsageError(f"{url}: {scheme}:// needs a package that is missing: {hint}") from None
    except ValueError as error:
        raise UsageError(
            f"{url}: {error}; give a path, or a URL such as s3://BUCKET/FOLDER, gs://…, hf://datasets/…"
        ) from None
    except Exception as error:  # each file system has errors of its own: no credentials, no such host
        raise RankkitError(f"{url}: cannot be reached: {error or type(error).__name__}") from None
    return found


def files_below(url: str, suffixes: tuple[str, ...]) -> list[tuple[str, str]]:
    """The files at or below a URL that end so: the path relative to it ("" for itself), and a stamp that
    changes with the contents. Sorted; hidden ones are left out.

    Raises `RankkitError` where the place cannot be listed.
    """
    fs, top = file_system(url)
    top = top.rstrip("/")
    try:
        infos = fs.find(top, detail=True)
    except FileNotFoundError:
        infos = {}
    except Exception as error:
        raise RankkitError(f"{url}: cannot be listed: {error or type(error).__name__}") from None
    if not infos:
        raise UsageError(f"{url}: no such file or folder, or there is nothing in it")
    found = []
    for path, info in infos.items():
        relative = path[len(top) :].lstrip("/") if path.startswith(top) else path.lstrip("/")
        hidden = any(part.startswith(".") for part in relative.split("/"))
        if path.lower().endswith(suffixes) and not hidden:
            found.append((relative, stamp_of(info)))
    return sorted(found)


def check_here(path: str | os.PathLike[str]) -> None:
    """Raise `UsageError` for rows at a URL, also one that was taken for a path, where they are not copied."""
    written = re.sub(r":/+", "://", os.fspath(path), count=1)
    if is_url(written) and not os.path.exists(path):
        raise UsageError(
            f"{written}: rows at a URL are read by rankkit table and gallery; copy them here, and give that"
        )


@contextmanager
def rows_here(place: str) -> Iterator[Path]:
    """The path of rows, a file or a folder of them: those at a URL are copied here until the block ends.

    Raises `BadRows` where there are none; an error inside the block names the URL.
    """
    if not is_url(place):
        yield Path(path_of(place))
        return
    fs, top = file_system(place)
    with TemporaryDirectory(prefix="rankkit-rows-") as folder:
        copy = Path(folder, top.rstrip("/").rpartition("/")[2] or "rows")
        try:
            _copy_rows(fs, top.rstrip("/"), copy)
        except RankkitError as error:
            raise type(error)(f"{place}: {error}") from None
        except Exception as error:  # each file system has errors of its own
            raise RankkitError(f"{place}: cannot be read: {error or type(error).__name__}") from None
        try:
            yield copy
        except RankkitError as error:
            raise type(error)(str(error).replace(str(copy), place.rstrip("/"))) from None


def _copy_rows(fs: Any, top: str, copy: Path) -> None:
    """Copy a file of rows, or the files that the manifest of a folder of rows names."""
    if fs.isfile(top):
        fs.get_file(top, str(copy))
        return
    if not fs.isfile(f"{top}/{MANIFEST}"):
        raise BadRows(f"is no file of rows, and no folder of them with a {MANIFEST}")
    copy.mkdir()
    fs.get_file(f"{top}/{MANIFEST}", str(copy / MANIFEST))
    for name in _named(copy / MANIFEST):
        if fs.isfile(f"{top}/{name}"):
            fs.get_file(f"{top}/{name}", str(copy / name))


def _named(manifest: Path) -> list[str]:
    """The files of rows that a manifest names, plain names only."""
    try:
        names = [str(one["rows"]) for one in json.loads(manifest.read_bytes())["done"]]
    except (ValueError, KeyError, TypeError):
        return []  # whoever reads the folder says what is wrong with it
    return [name for name in names if name == Path(name).name]


def stamp_of(info: dict[str, Any]) -> str:
    """What a file system says of a file's contents: its size, and a hash or a time where it knows one."""
    return " ".join([str(info.get("size")), *(str(info[name]) for name in STAMPS if info.get(name))])
