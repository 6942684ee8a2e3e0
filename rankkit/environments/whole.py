"""An environment is whole or not there: a marker written last, the one before kept until then, and a lock."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rankkit.errors import RankkitError
from rankkit.io.atomic import try_lock

MARKER = "rankkit.json"

Say = Callable[[str], None]


def marker(folder: Path) -> object:
    """What the marker of an environment says; None where there is none, or one that cannot be read."""
    try:
        return json.loads((folder / MARKER).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def mark(folder: Path, about: Mapping[str, str]) -> None:
    """Write the marker, by which the environment is complete."""
    (folder / MARKER).write_text(json.dumps(about, indent=2) + "\n", "utf-8")


def _beside(folder: Path, what: str = "old") -> Path:
    return folder.with_name(f".{folder.name}.{what}")


def clear(folder: Path, say: Say) -> None:
    """Tidy up after an installation that was killed.

    A half-built environment goes, the one before it comes back.
    """
    if folder.exists() and marker(folder) is None:
        if not (_beside(folder, "building").exists() or (folder / "pyvenv.cfg").exists()):
            raise RankkitError(f"{folder} is no environment of rankkit's; move it away")
        say(f"removing {folder}, which is half-built")
        shutil.rmtree(folder)
    if _beside(folder).exists():
        if folder.exists():
            shutil.rmtree(_beside(folder))
        else:
            _beside(folder).rename(folder)


@contextlib.contextmanager
def anew(folder: Path) -> Iterator[None]:
    """Build in place of what is there: if that fails nothing of it stays, and what was there comes back."""
    if folder.exists():
        folder.rename(_beside(folder))
    _beside(folder, "building").touch()
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        if _beside(folder).exists():
            _beside(folder).rename(folder)
        raise
    finally:
        _beside(folder, "building").unlink(missing_ok=True)
    shutil.rmtree(_beside(folder), ignore_errors=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other installations of this environment out. Raises `RankkitError` where one is under way."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(_beside(folder, "lock"), "a") as file:
        if not try_lock(file):
            raise RankkitError(f"{folder} is being installed by another process; wait for it")
        yield
