"""Files that are replaced whole or not at all, and files that one process at a time may hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows, where nothing is locked
    fcntl = None  # type: ignore[assignment]


@contextmanager
def replacing_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a path beside `path` to write to.

    It takes the place of `path` when the block ends well, else it is removed.

    A link stays one: the file that it names is replaced. The permissions of a file that was there stay.
    """
    real = Path(os.path.realpath(path))
    part = real.with_name(f".{real.name}.part")
    try:
        yield part
        if real.exists():
            part.chmod(real.stat().st_mode & 0o7777)
        os.replace(part, real)
    finally:
        with suppress(OSError):
            part.unlink()


def write_whole(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file whole: it is on the disk before it takes its place."""
    with replacing_file(path) as part, open(part, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        settle(file)


def settle(file: IO[Any]) -> None:
    """Flush a file to the disk, not only to the system."""
    file.flush()
    os.fsync(file.fileno())


def try_lock(file: IO[Any]) -> bool:
    """Lock an open file until it is closed;

    False where another process holds it. A file system without locks counts as locked.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
