"""The files of a folder, here or at a URL: what a run over shards writes to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from rankkit.errors import RankkitError, UsageError
from rankkit.io.atomic import replacing_file, try_lock
from rankkit.io.urls import file_system, is_url


class Files(Protocol):
    """Files by their names below the folder; what cannot be written raises `RankkitError`, in words."""

    def lock(self, name: str) -> None:
        """Keep other runs out by a file of this name, where that can be done. Raises where one is there."""
        ...

    def unlock(self) -> None:
        """Let other runs in."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        ...

    def read_all(self, folder: str, suffix: str) -> dict[str, bytes]:
        """The bytes of all files of a folder whose names end so, by their paths."""
        ...

    def size(self, name: str) -> int:
        """The bytes that a file has. Raises `OSError` where it is not there."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Replace a file, whole."""
        ...

    def remove(self, name: str) -> None:
        """Drop a file. Raises `OSError` where it is not there."""
        ...

    def at_hand(self, name: str) -> contextlib.AbstractContextManager[Path]:
        """The path of a file, to be read or written for so long."""
        ...


def files_of(place: str) -> Files:
    """The files at a path, or at a URL."""
    return RemoteFiles(place) if is_url(place) else LocalFiles(place)


class LocalFiles:
    """A folder of this machine."""

    def __init__(self, top: str) -> None:
        self.top = top

    def lock(self, name: str) -> None:
        """By the system's lock of an open file."""
        if os.path.exists(self.top) and not os.path.isdir(self.top):
            raise UsageError(f"{self.top}: is a file, not a folder; give another -o")
        path = Path(self.top, name)
        with _writing(self.top):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = open(path, "ab")
        if not try_lock(self._lock):
            self._lock.close()
            raise RankkitError(f"{self.top}: another run is writing to it; wait for it, or give another -o")

    def unlock(self) -> None:
        """Close that file."""
        self._lock.close()

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        return Path(self.top, name).read_bytes()

    def read_all(self, folder: str, suffix: str) -> dict[str, bytes]:
        """The bytes of all such files, in order."""
        paths = sorted(Path(self.top, folder).glob(f"*{suffix}"))
        return {str(path): path.read_bytes() for path in paths}

    def size(self, name: str) -> int:
        """The bytes that a file has."""
        return os.path.getsize(Path(self.top, name))

    def write(self, name: str, data: bytes) -> None:
        """Replace a file, whole."""
        with _writing(self.top), replacing_file(Path(self.top, name)) as part:
            part.write_bytes(data)

    def remove(self, name: str) -> None:
        """Drop a file."""
        os.unlink(Path(self.top, name))

    @contextlib.contextmanager
    def at_hand(self, name: str) -> Iterator[Path]:
        """The file itself."""
        yield Path(self.top, name)


class RemoteFiles:
    """A folder at a URL, by fsspec. Nothing keeps two runs apart there."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._fs, self._top = file_system(url)

    def lock(self, name: str) -> None:
        """There are no locks."""

    def unlock(self) -> None:
        """Nothing was locked."""

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        return bytes(self._fs.cat_file(self._path(name)))

    def read_all(self, folder: str, suffix: str) -> dict[str, bytes]:
        """The bytes of all such files, asked for at once."""
        with contextlib.suppress(FileNotFoundError):
            paths = self._fs.glob(self._path(f"{folder}/*{suffix}"))
            return dict(self._fs.cat(paths)) if paths else {}
        return {}

    def size(self, name: str) -> int:
        """The bytes that a file has."""
        return int(self._fs.size(self._path(name)))

    def write(self, name: str, data: bytes) -> None:
        """Replace a file."""
        with _writing(self.url):
            self._make_room(name)
            self._fs.pipe_file(self._path(name), data)

    def remove(self, name: str) -> None:
        """Drop a file."""
        self._fs.rm_file(self._path(name))

    @contextlib.contextmanager
    def at_hand(self, name: str) -> Iterator[Path]:
        """A copy, which is sent there when the block ends well and it has changed."""
        with TemporaryDirectory(prefix="rankkit-rows-") as folder:
            path = Path(folder, name)
            with contextlib.suppress(FileNotFoundError):
                self._fs.get_file(self._path(name), str(path))
            before = path.stat().st_mtime_ns if path.exists() else None
            yield path
            if path.exists() and path.stat().st_mtime_ns != before:
                with _writing(self.url):
                    self._make_room(name)
                    self._fs.put_file(str(path), self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._top}/{name}"

    def _make_room(self, name: str) -> None:
        self._fs.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)


@contextlib.contextmanager
def _writing(place: str) -> Iterator[None]:
    try:
        yield
    except RankkitError:
        raise
    except Exception as error:  # each file system has errors of its own
        reason = getattr(error, "strerror", None) or error or type(error).__name__
        raise RankkitError(
            f"{place}: cannot be written: {reason}; shards that are scored are kept: make it "
            "writable, or make room, and give the same command again"
        ) from None
